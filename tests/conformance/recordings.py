"""The recordings: HTTP exchanges between real clients and real providers. They are no part of the repository."""

import json
import os
from pathlib import Path
from typing import Any

from attrs import field, frozen

FOLDER = Path(os.environ.get("LLMKIT_CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "corpus")


@frozen
class Recording:
    """One exchange.

    Attributes:
        id: A hash and a readable name.
        wire: The name of the file that it is from.
        host: The host that was asked.
        stream: Whether a stream was asked for; an error answer to that is plain JSON all the same.
        asked: A few of the request's headers, names in lower case.
        sent: The request's body, parsed; None where there was none.
    """

    id: str
    wire: str
    host: str
    stream: bool
    method: str
    path: str
    asked: dict[str, str] = field(repr=False)
    sent: Any = field(repr=False)
    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def streamed(self) -> bool:
        """Whether the body is a stream of events."""
        return self.stream and self.ok

    @property
    def beta(self) -> bool:
        return "beta=true" in self.path

    @property
    def answered(self) -> dict[str, str]:
        """The headers, with the content type where the recording dropped it: most dropped some."""
        return {"content-type": "text/event-stream" if self.streamed else "application/json", **self.headers}

    def json(self) -> Any:
        return json.loads(self.body)


def _recording(case: dict[str, Any]) -> Recording:
    request, response = case["request"], case["response"]
    return Recording(
        id=case["id"],
        wire=case["wire"],
        host=case["host"],
        stream=case["stream"],
        method=request["method"],
        path=request["path"],
        asked=request["headers"],
        sent=request["body"],
        status=response["status"],
        headers=response["headers"],
        body=response["body_text"].encode(),
    )


def lines(name: str) -> list[bytes]:
    """The recordings of a file, unread."""
    path = FOLDER / f"{name}.jsonl"
    return [line for line in path.read_bytes().split(b"\n") if line.strip()] if path.exists() else []


def load(name: str) -> list[Recording]:
    """The recordings of a file; none where the folder does not exist."""
    return [_recording(json.loads(line)) for line in lines(name)]
