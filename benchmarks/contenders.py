"""Who is measured: llmkit, the floor of its stack, and the vendors' clients. Each imports only what it is made of.

All ask the same question of the same server and are read to the end; each says what it read, so that a contender that
reads nothing is found out.
"""

import json
from typing import Any, Protocol

MODEL = "model-1"
QUESTION = "Which way is the light?"
SEPARATORS = {"gemini-generate": b"\r\n\r\n"}  # of events; of the other wires two line feeds


class Contender(Protocol):
    """One way to ask, over one wire, of the address `url`."""

    def __init__(self, wire: str, url: str, *, threads: int = 1) -> None: ...

    def whole(self) -> object:
        """Ask for a whole answer; what came."""

    def stream(self) -> int:
        """Ask for a stream and read it to its end; how many events, or characters of text and arguments."""

    def first(self) -> Any:
        """Ask for a stream and read to its first delta; what closes it."""


# The floor.

_BODIES: dict[str, dict[str, Any]] = {
    "anthropic-messages": {
        "model": MODEL,
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}],
    },
    "openai-chat": {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]},
    "openai-responses": {
        "model": MODEL,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": QUESTION}]}],
    },
    "gemini-generate": {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]},
}
_PATHS = {
    "anthropic-messages": ("/v1/messages", "/v1/messages"),
    "openai-chat": ("/v1/chat/completions", "/v1/chat/completions"),
    "openai-responses": ("/v1/responses", "/v1/responses"),
    "gemini-generate": (
        f"/v1beta/models/{MODEL}:generateContent",
        f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse",
    ),
}
_HEADERS = {
    "anthropic-messages": {"x-api-key": "k", "anthropic-version": "2023-06-01"},
    "gemini-generate": {"x-goog-api-key": "k"},
}


class Floor:
    """What nobody on this stack is below: `requests.Session().post` and `json.loads`."""

    def __init__(self, wire: str, url: str, *, threads: int = 1) -> None:
        import requests

        self._session = requests.Session()
        if threads > 1:  # its own pool of 10 would connect again and again
            self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=threads))
        self._urls = [url + path for path in _PATHS[wire]]
        self._body = _BODIES[wire]
        self._headers = {"content-type": "application/json", **_HEADERS.get(wire, {"authorization": "Bearer k"})}
        self._separator = SEPARATORS.get(wire, b"\n\n")

    def whole(self) -> object:
        response = self._session.post(self._urls[0], data=json.dumps(self._body), headers=self._headers)
        return json.loads(response.content)

    def stream(self) -> int:
        count, held, separator = 0, b"", self._separator
        with self._open() as response:
            for piece in response.iter_content(None):
                *events, held = (held + piece).split(separator)
                for event in events:
                    data = event[event.index(b"data: ") + 6 :]
                    if data != b"[DONE]":
                        json.loads(data)
                        count += 1
        return count

    def first(self) -> Any:
        response: Any = self._open()
        held = b""
        for piece in response.iter_content(None):
            held += piece
            if b" the" in held:
                break
        return response.close

    def _open(self) -> Any:
        body = json.dumps({**self._body, "stream": True})
        return self._session.post(self._urls[1], data=body, headers=self._headers, stream=True)


# llmkit.

PROVIDERS = {
    "anthropic-messages": "anthropic",
    "openai-chat": "openai-chat",
    "openai-responses": "openai",
    "gemini-generate": "gemini",
}


class Kit:
    """llmkit: typed values, whole and streamed, each stream accumulated to its response."""

    def __init__(self, wire: str, url: str, *, threads: int = 1) -> None:  # noqa: ARG002 - one client is for any number
        from llmkit import Client

        self.client = Client(PROVIDERS[wire], base_url=url, api_key="k", model=MODEL)

    def whole(self) -> object:
        return self.client.complete(QUESTION)

    def stream(self) -> int:
        with self.client.stream(QUESTION) as stream:
            for _ in stream:
                pass
            response = stream.collect()
        return len(response.text) + len(str(response.tool_calls[0].arguments["text"] if response.tool_calls else ""))

    def first(self) -> Any:
        stream = self.client.stream(QUESTION)
        next(stream)
        return stream.close


# The vendors' clients, each by the call that is its fastest.


class Anthropic:
    """The client of Anthropic."""

    def __init__(self, wire: str, url: str, *, threads: int = 1) -> None:  # noqa: ARG002
        import anthropic

        self._client = anthropic.Anthropic(api_key="k", base_url=url)
        self._asked: Any = {**_BODIES["anthropic-messages"]}

    def whole(self) -> object:
        return self._client.messages.create(**self._asked)

    def stream(self) -> int:
        return sum(1 for _ in self._client.messages.create(**self._asked, stream=True))

    def first(self) -> Any:
        stream: Any = self._client.messages.create(**self._asked, stream=True)
        next(event for event in stream if event.type == "content_block_delta")
        return stream.close


class OpenAI:
    """The client of OpenAI, for both of its formats."""

    def __init__(self, wire: str, url: str, *, threads: int = 1) -> None:  # noqa: ARG002
        import openai

        client = openai.OpenAI(api_key="k", base_url=f"{url}/v1")
        self._create: Any = client.chat.completions.create if wire == "openai-chat" else client.responses.create
        self._asked = _BODIES[wire]

    def whole(self) -> object:
        return self._create(**self._asked)

    def stream(self) -> int:
        return sum(1 for _ in self._create(**self._asked, stream=True))

    def first(self) -> Any:
        stream: Any = self._create(**self._asked, stream=True)
        for event in stream:
            if getattr(event, "type", "") == "response.output_text.delta" or (
                getattr(event, "choices", None) and event.choices[0].delta.content
            ):
                break
        return stream.close


class Google:
    """The client of Google."""

    def __init__(self, wire: str, url: str, *, threads: int = 1) -> None:  # noqa: ARG002
        from google import genai

        self._client = genai.Client(api_key="k", http_options={"base_url": url})

    def whole(self) -> object:
        return self._client.models.generate_content(model=MODEL, contents=QUESTION)

    def stream(self) -> int:
        return sum(1 for _ in self._client.models.generate_content_stream(model=MODEL, contents=QUESTION))

    def first(self) -> Any:
        stream: Any = self._client.models.generate_content_stream(model=MODEL, contents=QUESTION)
        next(stream)
        return stream.close


CONTENDERS: dict[str, type[Contender]] = {
    "floor": Floor,
    "llmkit": Kit,
    "llmkit[fast]": Kit,
    "anthropic": Anthropic,
    "openai": OpenAI,
    "google-genai": Google,
}
VENDORS = {
    "anthropic-messages": "anthropic",
    "openai-chat": "openai",
    "openai-responses": "openai",
    "gemini-generate": "google-genai",
}
