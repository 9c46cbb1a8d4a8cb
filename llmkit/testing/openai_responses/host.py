"""The host: which paths there are, what it refuses in the real one's words, and what it answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmkit.errors import APIError, ConfigurationError, ServerError
from llmkit.json_codec import dump_bytes
from llmkit.messages import Message, SystemMessage
from llmkit.testing.exchange import Answer, Desk, RecordedRequest, Rendering
from llmkit.testing.openai import errors, host
from llmkit.testing.openai_responses.answers import WIRE_NAME, whole
from llmkit.testing.openai_responses.streaming import events
from llmkit.testing.openai_responses.strictness import fault_of
from llmkit.testing.replies import Reply
from llmkit.wire.openai_responses.written import messages_of
from llmkit.wire.payload import request_of

_RESPONSES, _COUNT = "/responses", "/responses/input_tokens"


def claims(request: RecordedRequest) -> bool:
    """Its own paths, below whatever stands before them."""
    return f"{_RESPONSES}/" in f"{request.path}/"


def read(body: Any) -> list[Message]:
    """The conversation in a request's body, its instructions first; empty where there is none."""
    if not isinstance(body, dict):
        return []
    system = [SystemMessage(body["instructions"])] if body.get("instructions") else []
    asked = body.get("input")
    return [*system, *(messages_of(asked, "input") if isinstance(asked, (str, list)) else ())]


def check(reply: Reply) -> None:
    """Raise `ConfigurationError` for what cannot be written."""
    if reply.error is None:
        dump_bytes(whole(reply), "content")
    else:
        errors.answered(reply.error)


def answer(request: RecordedRequest, desk: Desk) -> Answer:
    """What the host says to `request`."""
    try:
        return _answer(request, desk)
    except APIError as refusal:
        return errors.answered(refusal)


def _answer(request: RecordedRequest, desk: Desk) -> Answer:
    if fault := host.key_fault(request):
        return errors.refused(fault)
    path = request.path.rstrip("/")
    if request.method == "POST" and path.endswith(_COUNT):
        return _counted(request, desk)
    if request.method == "POST" and path.endswith(_RESPONSES):
        return _spoken(request, desk)
    return errors.refused(host.lost(request))


def _counted(request: RecordedRequest, desk: Desk) -> Answer:
    if fault := fault_of(request.json, counted=True):
        return errors.refused(fault)
    return host.whole_answer({"object": "response.input_tokens", "input_tokens": _tokens(request.json, desk)})


def resume(body: Any, kept: Mapping[str, Any]) -> Any:
    """`body` with the items of the answer that it goes on with; None where that is none of this server's.

    What is not of this server may be one that another run has made, and is taken as it comes.
    """
    earlier = kept.get(str(body.get("previous_response_id"))) if isinstance(body, dict) else None
    asked = body.get("input") if earlier is not None else None
    if earlier is None or not isinstance(asked, (str, list, type(None))):
        return None
    return {**body, "input": [*earlier, *_items(asked)]}


def _items(asked: str | list[Any] | None) -> list[Any]:
    return [{"role": "user", "content": asked}] if isinstance(asked, str) else asked or []


def _spoken(request: RecordedRequest, desk: Desk) -> Answer:
    body = request.resumed
    if fault := fault_of(body):
        return errors.refused(fault)
    reply = desk.next_reply(request, _last_text(body.get("input") or ""))
    if reply.error is not None:
        return errors.answered(reply.error)
    id_, model, tokens = f"resp_fake{desk.number():04}", body["model"], _tokens(body, desk)
    try:
        said = whole(reply, id=id_, model=model, input_tokens=tokens, asked=body)
        if body.get("store") is not False:
            desk.kept[said["id"]] = [*_items(body.get("input")), *said["output"]]
        if not body.get("stream"):
            return host.whole_answer(said)
        found = events(reply, id=id_, model=model, input_tokens=tokens, chunking=desk.chunking, asked=body)
    except ConfigurationError as exc:  # a reply for another wire
        raise ServerError(
            f"this reply cannot be sent on {WIRE_NAME}: {exc}", headers={"x-should-retry": "false"}
        ) from exc
    return Answer(headers=host.STREAM, chunks=tuple(map(event_bytes, found)), streamed=True)


def event_bytes(data: Mapping[str, Any]) -> bytes:
    """An event as it stands in a stream."""
    return b"event: %s\ndata: %s\n\n" % (data["type"].encode(), dump_bytes(data))


def error_event(problem: APIError) -> bytes:
    """`problem` inside a stream that began well: flat, as documented."""
    found = errors.body_of(problem)
    code = found["code"] or found["type"]
    return event_bytes(
        {"type": "error", "code": code, "message": found["message"], "param": None, "sequence_number": 0}
    )


# ---- what the request says -------------------------------------------------------------------------------------------

# Where there is nothing that a model would read as words.
_UNCOUNTED: Final = frozenset(
    {
        "type", "role", "id", "call_id", "status", "phase", "encrypted_content", "image_url", "detail", "file_id",
        "file_url", "file_data", "input_audio", "result",
    }
)  # fmt: skip


def _tokens(body: Mapping[str, Any], desk: Desk) -> int:
    return host.tokens([body.get("instructions"), body.get("input"), body.get("tools")], _UNCOUNTED, desk)


def _last_text(asked: str | Sequence[Mapping[str, Any]]) -> str:
    """The text of the last user message that has some; the texts of one joined with nothing between."""
    if isinstance(asked, str):
        return asked
    said = (_text(item["content"]) for item in reversed(asked) if item.get("role") == "user")
    return next((text for text in said if text), "")


def _text(content: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "input_text")


RENDERING: Final = Rendering(
    wire=WIRE_NAME,
    claims=claims,
    read=read,
    request=lambda request: request_of(WIRE_NAME, request.json),
    check=check,
    answer=answer,
    error=errors.answered,
    error_event=error_event,
    ping=event_bytes({"type": "keepalive", "sequence_number": 0}),
    id_header="x-request-id",
    limit_headers=errors.limit_headers,
    resume=resume,
)
