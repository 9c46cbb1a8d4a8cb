"""The host: which paths there are, what it refuses in the real one's words, and what it answers.

Sources: https://ai.google.dev/api, https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from attrs import evolve, frozen

from llmkit.errors import (
    APIError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
)
from llmkit.json_codec import dump_bytes
from llmkit.messages import Message
from llmkit.request import Request
from llmkit.testing.exchange import Answer, Desk, RecordedRequest, Rendering
from llmkit.testing.gemini_generate import batches, embedding, listing
from llmkit.testing.gemini_generate.answers import events, whole
from llmkit.testing.gemini_generate.errors import JSON, answered, error_body
from llmkit.testing.gemini_generate.parts import WIRE_NAME
from llmkit.testing.gemini_generate.strictness import count_fault_of, fault_of
from llmkit.testing.replies import Reply, rough_tokens
from llmkit.wire.gemini_generate.request import conversation
from llmkit.wire.gemini_generate.spelling import Json, parts_of, spelled
from llmkit.wire.payload import WHERE, request_of

_STREAM: Final = {"content-type": "text/event-stream"}
_VERSION: Final = r"(?:/[^:]*)?/v1(?:beta\d*|alpha)?"  # below whatever stands before it
_PROJECT: Final = r"/projects/[^/]+/locations/[^/]+"
_PLACE: Final = rf"{_VERSION}(?P<vertex>(?:{_PROJECT})?/publishers/[^/]+|{_PROJECT}(?=/endpoints/))?"
_CALL: Final = re.compile(rf"{_PLACE}/(?P<model>(?:models|tunedModels|endpoints)/[^/:]+):(?P<method>\w+)")
_LIST: Final = re.compile(rf"{_PLACE}/models(?:/(?P<name>[^/:]+))?")
_NO_KEY: Final = (
    "Method doesn't allow unregistered callers (callers without established identity). "
    "Please use API Key or other form of API consumer identity to call this API."
)


@frozen
class _Asked:
    """A request to a model.

    Attributes:
        request: As it came.
        body: In the spelling of `spelled`.
        model: Its name, as in ``models/gemini-3.6-flash``.
        vertex: Whether Vertex AI is asked.
    """

    request: RecordedRequest
    body: Any
    model: str
    vertex: bool


# ---- whose request it is ---------------------------------------------------------------------------------------------


def claims(request: RecordedRequest) -> bool:
    """Its own paths, and of those that other wires have too, as for lists of models, those asked for in its way."""
    if request.path.rpartition(":")[2] in _METHODS:
        return True
    path = request.path.rstrip("/")
    if batches.PATHS.fullmatch(path):
        return path.startswith(("/v1beta", "/upload/")) or _has_own_key(request)
    listed = _LIST.fullmatch(path)
    return listed is not None and (bool(listed["vertex"]) or path.startswith("/v1beta") or _has_own_key(request))


def _has_own_key(request: RecordedRequest) -> bool:
    return "x-goog-api-key" in request.headers or "key" in request.query


def _authorize(request: RecordedRequest) -> None:
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    query = (request.query.get(name, "") for name in ("key", "upload_id"))  # an upload's address is as good as a key
    keys = (request.headers.get("x-goog-api-key", ""), *query, bearer)
    if not any(key.strip() for key in keys):
        raise PermissionDeniedError(_NO_KEY, status=403)


# ---- what it answers -------------------------------------------------------------------------------------------------


def check(reply: Reply) -> None:
    """Raise `ConfigurationError` for what cannot be written."""
    dump_bytes(whole(reply) if reply.error is None else error_body(reply.error), "content")


def answer(request: RecordedRequest, desk: Desk) -> Answer:
    """What the host says to `request`."""
    try:
        return _answer(request, desk)
    except APIError as refusal:
        return _in_form(answered(refusal), request)


def _in_form(found: Answer, request: RecordedRequest) -> Answer:
    """An error in answer to a stream: called a stream of events that it is not, or in a list."""
    if not request.path.endswith(":streamGenerateContent"):
        return found
    if _wants_events(request):
        return evolve(found, headers={**found.headers, **_STREAM})
    return evolve(found, chunks=(b"[", *found.chunks, b"\n]"))


def _wants_events(request: RecordedRequest) -> bool:
    return request.query.get("alt", request.query.get("$alt")) == "sse"


def _answer(request: RecordedRequest, desk: Desk) -> Answer:
    _authorize(request)
    if request.method == "GET" and (listed := _LIST.fullmatch(request.path.rstrip("/"))):
        return _listed(request, desk, listed)
    if kept := batches.PATHS.fullmatch(request.path.rstrip("/")):
        return batches.answer(kept, request, desk)
    called = _CALL.fullmatch(request.path)
    method = _METHODS.get(called["method"]) if called and request.method == "POST" else None
    if called is None or method is None:
        raise NotFoundError(f"The requested URL {request.path} was not found on this server.", status=404)
    return method(_Asked(request, spelled(request.json), called["model"], bool(called["vertex"])), desk)


def _listed(request: RecordedRequest, desk: Desk, found: re.Match[str]) -> Answer:
    vertex = bool(found["vertex"])
    if found["name"]:
        return _json(listing.one(desk.models, found["name"], vertex=vertex))
    return _json(listing.page(desk.models, request.query, vertex=vertex))


def _json(body: Json) -> Answer:
    return Answer(headers=JSON, chunks=(dump_bytes(body),))


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise BadRequestError(reason, status=400)


def _whole(asked_for: _Asked, desk: Desk) -> Answer:
    return _spoken(asked_for, desk, lambda reply, facts: _json(whole(reply, **facts)))


def _streamed(asked_for: _Asked, desk: Desk) -> Answer:
    def write(reply: Reply, facts: Mapping[str, Any]) -> Answer:
        found = events(reply, **facts, chunking=desk.chunking)
        if _wants_events(asked_for.request):
            return Answer(headers=_STREAM, chunks=tuple(map(event_bytes, found)), streamed=True)
        return Answer(headers=JSON, chunks=tuple(_in_a_list(found)), streamed=True)

    return _spoken(asked_for, desk, write)


def _spoken(asked_for: _Asked, desk: Desk, write: Callable[[Reply, Mapping[str, Any]], Answer]) -> Answer:
    body = asked_for.body
    _refuse(fault_of(body, vertex=asked_for.vertex))
    reply = desk.next_reply(asked_for.request, _last_text(body["contents"]))
    if reply.error is not None:
        raise reply.error
    model = unquote(asked_for.model.rpartition("/")[2])
    facts = {"id": f"fake_{desk.number():04}", "model": model, "input_tokens": _tokens(body, desk)}
    try:
        return write(reply, facts)
    except ConfigurationError as exc:  # a reply for another wire
        raise ServerError(
            f"this reply cannot be sent on {WIRE_NAME}: {exc}", headers={"x-should-retry": "false"}
        ) from exc


def event_bytes(data: Json) -> bytes:
    """A chunk as it stands in a stream of events: without a name, on lines that end in CRLF."""
    return b"data: %s\r\n\r\n" % dump_bytes(data)


def _in_a_list(chunks: Sequence[Json]) -> Iterator[bytes]:
    """The chunks of a stream that was not asked for as events: one JSON list, an item at a time."""
    for index, chunk in enumerate(chunks):
        yield (b"\n,\r\n" if index else b"[") + dump_bytes(chunk)
    yield b"\n]"


def _counted(asked_for: _Asked, desk: Desk) -> Answer:
    _refuse(count_fault_of(asked_for.body, vertex=asked_for.vertex))
    tokens = _tokens(_unwrapped(asked_for.body), desk)
    return _json({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})


def _embedded(make: Callable[..., Json]) -> Callable[[_Asked, Desk], Answer]:
    return lambda asked_for, desk: _json(make(asked_for.body, asked_for.model, desk, vertex=asked_for.vertex))


_METHODS: Final[Mapping[str, Callable[[_Asked, Desk], Answer]]] = {
    "generateContent": _whole,
    "streamGenerateContent": _streamed,
    "batchGenerateContent": lambda asked_for, desk: batches.created(asked_for.request, asked_for.model, desk),
    "countTokens": _counted,
    "embedContent": _embedded(embedding.single),
    "batchEmbedContents": _embedded(embedding.batch),
    "predict": _embedded(embedding.predicted),
}


# ---- what the request says -------------------------------------------------------------------------------------------


def read(body: Any) -> list[Message]:
    """The conversation in a request's body, its instructions first; a message for each content.

    A call without an id gets one made up, ``call_1`` and so on, and the result of its name the same.
    """
    body = _unwrapped(spelled(body))
    if not isinstance(body, dict) or not isinstance(body.get("contents"), list):
        return []
    return conversation(body, WHERE)


def request_in(request: RecordedRequest) -> Request:
    """What a request asks for; its model stands in the path."""
    found = request_of(WIRE_NAME, _unwrapped(spelled(request.json)))
    called = _CALL.fullmatch(request.path)
    if called is None:
        return found
    options: dict[str, Any] = {"model": called["model"].removeprefix("models/"), **found.options}
    return Request(found.prompt, **options)


def _unwrapped(body: Any) -> Any:
    """What an answer is asked for with: a count may wrap it."""
    wrapped = body.get("generateContentRequest") if isinstance(body, dict) else None
    return wrapped if isinstance(wrapped, dict) else body


def _last_text(contents: Sequence[Json]) -> str:
    """The text of the last content of the user that has some; the texts of one joined with nothing between."""
    said = (_text(content) for content in reversed(contents) if content.get("role") != "model")
    return next((text for text in said if text), "")


def _text(content: Json) -> str:
    return "".join(part.get("text", "") for part in parts_of(content))


# Where there is nothing that a model would read as words.
_UNCOUNTED: Final = frozenset({"role", "id", "inlineData", "fileData", "thoughtSignature", "type"})


def _tokens(body: Json, desk: Desk) -> int:
    """A token for every four characters of the words in the request; media count nothing."""
    if desk.token_count is not None:
        return desk.token_count
    words = _words([body.get("systemInstruction"), body["contents"], body.get("tools")])
    return max(1, rough_tokens("".join(words)))


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in _UNCOUNTED:
                yield from _words(item)


def error_event(problem: APIError) -> bytes:
    """`problem` inside a stream that began well."""
    return event_bytes(error_body(problem))


RENDERING: Final = Rendering(
    wire=WIRE_NAME,
    claims=claims,
    read=read,
    request=request_in,
    check=check,
    answer=answer,
    error=answered,
    error_event=error_event,
    ping=b": ping\r\n\r\n",
)
