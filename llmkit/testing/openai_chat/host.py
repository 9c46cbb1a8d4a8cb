"""The host: which paths there are, what it refuses in the real one's words, and what it answers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from llmkit.errors import APIError, ConfigurationError, ServerError
from llmkit.json_codec import dump_bytes
from llmkit.messages import Message
from llmkit.request import Request
from llmkit.testing.exchange import Answer, Desk, RecordedRequest, Rendering
from llmkit.testing.openai import batches, errors, host
from llmkit.testing.openai_chat.answers import WIRE_NAME, events, whole
from llmkit.testing.openai_chat.strictness import fault_of
from llmkit.testing.replies import Reply
from llmkit.wire.openai_chat.written import messages_of
from llmkit.wire.payload import request_of

_CHAT, _EMBEDDINGS = "/chat/completions", "/embeddings"
# Below whatever stands before it, but for what is of another wire.
_MODELS: Final = re.compile(r"(?!/v1beta|.*/publishers/)(?:/[^/]+)*?/models(?:/(.+))?")
_DEPLOYED: Final = re.compile(r"/deployments/([^/]+)/")


def claims(request: RecordedRequest) -> bool:
    """Its own paths, and of those that other wires have too the requests with this host's key."""
    if request.path.rstrip("/").endswith((_CHAT, _EMBEDDINGS)):
        return True
    others = ("anthropic-version", "x-goog-api-key")
    path = request.path.rstrip("/")
    shared = batches.PATHS.fullmatch(path) or (request.method == "GET" and _MODELS.fullmatch(path))
    return bool(shared) and host.has_key(request) and not any(name in request.headers for name in others)


def read(body: Any) -> list[Message]:
    """The conversation in a request's body, its instructions first."""
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        return []
    return messages_of(body["messages"], "messages")


def asked(request: RecordedRequest) -> Request:
    """What `request` asks for; of a deployment its name is the model's."""
    found, deployed = request_of(WIRE_NAME, request.json), _DEPLOYED.search(request.path)
    if deployed is None or "model" in found.options:
        return found
    options: dict[str, Any] = {**found.options, "model": unquote(deployed[1])}
    return Request(found.prompt, **options)


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
    if request.method == "POST" and path.endswith(_CHAT):
        return _spoken(request, desk)
    if request.method == "POST" and path.endswith(_EMBEDDINGS):
        return host.embeddings(request, desk)
    if request.method == "GET" and (found := _MODELS.fullmatch(path)):
        return host.models(desk) if found[1] is None else host.one_model(desk, unquote(found[1]))
    if found := batches.PATHS.fullmatch(path):
        return batches.answer(found, request, desk)
    return errors.refused(host.lost(request))


def _spoken(request: RecordedRequest, desk: Desk) -> Answer:
    body, deployed = request.json, _DEPLOYED.search(request.path)
    if fault := fault_of(body, deployed=deployed is not None):
        return errors.refused(fault)
    reply = desk.next_reply(request, _last_text(body["messages"]))
    if reply.error is not None:
        return errors.answered(reply.error)
    id_, model = f"chatcmpl-fake{desk.number():04}", body.get("model") or (deployed[1] if deployed else "")
    tokens = host.tokens([body["messages"], body.get("tools")], _UNCOUNTED, desk)
    try:
        if not body.get("stream"):
            return host.whole_answer(whole(reply, id=id_, model=model, input_tokens=tokens))
        asked = bool((body.get("stream_options") or {}).get("include_usage"))
        found = events(reply, id=id_, model=model, input_tokens=tokens, chunking=desk.chunking, include_usage=asked)
    except ConfigurationError as exc:  # a reply for another wire
        raise ServerError(
            f"this reply cannot be sent on {WIRE_NAME}: {exc}", headers={"x-should-retry": "false"}
        ) from exc
    return Answer(headers=host.STREAM, chunks=_chunks(found), streamed=True)


def _chunks(found: Sequence[Mapping[str, Any]]) -> tuple[bytes, ...]:
    """The events; the finish reason leaves with all that follows it, so that no fault cuts an answer that is whole."""
    written = [event_bytes(data) for data in found]
    ended = next(index for index, data in enumerate(found) if data["choices"][0]["finish_reason"] is not None)
    return (*written[:ended], b"".join([*written[ended:], b"data: [DONE]\n\n"]))


def event_bytes(data: Mapping[str, Any]) -> bytes:
    """An event as it stands in a stream."""
    return b"data: %s\n\n" % dump_bytes(data)


def error_event(problem: APIError) -> bytes:
    """`problem` inside a stream that began well."""
    return event_bytes({"error": errors.body_of(problem)})


# ---- what the request says -------------------------------------------------------------------------------------------

# Where there is nothing that a model would read as words.
_UNCOUNTED: Final = frozenset({"type", "role", "id", "tool_call_id", "image_url", "input_audio", "file", "audio"})


def _last_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the last user message that has some; the texts of one joined with nothing between."""
    said = (_text(message["content"]) for message in reversed(messages) if message["role"] == "user")
    return next((text for text in said if text), "")


def _text(content: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


RENDERING: Final = Rendering(
    wire=WIRE_NAME,
    claims=claims,
    read=read,
    request=asked,
    check=check,
    answer=answer,
    error=errors.answered,
    error_event=error_event,
    ping=b": ping\n\n",
    id_header="x-request-id",
    limit_headers=errors.limit_headers,
)
