"""The host: which paths there are, what it refuses in the real one's words, and what it answers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from llmkit.errors import (
    CONTEXT_LENGTH_EXCEEDED,
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    OverloadedError,
    ServerError,
    status_error,
)
from llmkit.json_codec import dump_bytes
from llmkit.messages import Message
from llmkit.response import Model
from llmkit.testing.anthropic_messages import batches, threads
from llmkit.testing.anthropic_messages.answers import Json, events, whole
from llmkit.testing.anthropic_messages.batches import BATCHES
from llmkit.testing.anthropic_messages.strictness import fault_of
from llmkit.testing.exchange import Answer, Desk, RecordedRequest, Rendering, Standing
from llmkit.testing.replies import Reply, rough_tokens
from llmkit.wire.anthropic_messages.request import conversation
from llmkit.wire.anthropic_messages.schema import WIRE_NAME
from llmkit.wire.payload import WHERE, request_of

_JSON: Final = {"content-type": "application/json"}
_STREAM: Final = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
_MESSAGES, _MODELS = "/v1/messages", "/v1/models"
_OWN: Final = re.compile(f"({_MESSAGES}|{_MODELS})(/.*)?$")


def claims(request: RecordedRequest) -> bool:
    """Its own paths, below whatever stands before them, and requests with its header for those that others have too."""
    return f"{_MESSAGES}/" in f"{request.path}/" or "anthropic-version" in request.headers


def read(body: Any) -> list[Message]:
    """The conversation in a request's body, its instructions first."""
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        return []
    return conversation(body, WHERE)


def check(reply: Reply) -> None:
    """Raise `ConfigurationError` for what cannot be written."""
    if reply.error is None:
        dump_bytes(whole(reply), "content")
    else:
        error(reply.error)


def answer(request: RecordedRequest, desk: Desk) -> Answer:
    """What the host says to `request`."""
    try:
        return _answer(request, desk)
    except APIError as refusal:
        return error(refusal)


def _answer(request: RecordedRequest, desk: Desk) -> Answer:
    _authorize(request)
    path = request.path.rstrip("/")
    own = _OWN.search(path)
    match request.method, own[0] if own else path:
        case "POST", "/v1/messages":
            return _spoken(request, desk)
        case "POST", "/v1/messages/count_tokens":
            _refuse(fault_of(request.json, counted=True))
            return _json({"input_tokens": _tokens(request.json, desk)})
        case method, path if path == BATCHES or path.startswith(f"{BATCHES}/"):
            return batches.answer(method, path.removeprefix(BATCHES).strip("/"), request, desk)
        case "GET", "/v1/models":
            return _json(_page(desk.models, request.query))
        case "GET", path if path.startswith(f"{_MODELS}/"):
            return _json(_model(_found(desk.models, path.removeprefix(f"{_MODELS}/"))))
        case _:
            raise NotFoundError("Not found", status=404)


def _authorize(request: RecordedRequest) -> None:
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if "x-api-key" not in request.headers and "authorization" not in request.headers:
        raise AuthenticationError("x-api-key header is required", status=401)
    if not request.headers.get("x-api-key", "").strip() and not bearer:
        raise AuthenticationError("invalid x-api-key", status=401)
    _refuse(None if request.headers.get("anthropic-version") else "anthropic-version: header is required")


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise BadRequestError(reason, status=400)


def _spoken(request: RecordedRequest, desk: Desk) -> Answer:
    body = request.resumed
    if (lost := threads.refusal(body, desk.kept)) is not None:
        return Answer(404, _JSON, (dump_bytes(lost),))
    _refuse(fault_of(body, counted=False))
    reply = desk.next_reply(request, _last_text(body["messages"]))
    if reply.error is not None:
        return error(reply.error)
    id_, model, tokens = f"msg_fake_{desk.number():04}", body["model"], _tokens(body, desk)
    try:
        said = whole(reply, id=id_, model=model, input_tokens=tokens)
        threads.keep(body, said, desk.kept)
        if not body.get("stream"):
            return _json(said)
        found = events(reply, id=id_, model=model, input_tokens=tokens, chunking=desk.chunking)
    except ConfigurationError as exc:  # a reply for another wire
        raise ServerError(
            f"this reply cannot be sent on {WIRE_NAME}: {exc}", headers={"x-should-retry": "false"}
        ) from exc
    return Answer(headers=_STREAM, chunks=tuple(map(event_bytes, found)), streamed=True)


def event_bytes(data: Mapping[str, Any]) -> bytes:
    """An event as it stands in a stream."""
    return b"event: %s\ndata: %s\n\n" % (data["type"].encode(), dump_bytes(data))


def _json(body: Json) -> Answer:
    return Answer(headers=_JSON, chunks=(dump_bytes(body),))


# ---- what the request says -------------------------------------------------------------------------------------------


def _last_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the last user message that has some; the texts of one joined with nothing between."""
    said = (_text(message["content"]) for message in reversed(messages) if message["role"] == "user")
    return next((text for text in said if text), "")


def _text(content: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content if block["type"] == "text")


# Where there is nothing that a model would read as words.
_UNCOUNTED: Final = frozenset({"type", "role", "id", "tool_use_id", "source", "signature", "data", "cache_control"})


def _tokens(body: Mapping[str, Any], desk: Desk) -> int:
    """A token for every four characters of the words in the request; media count nothing."""
    if desk.token_count is not None:
        return desk.token_count
    words = _words([body.get("system"), body["messages"], body.get("tools")])
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


# ---- models ----------------------------------------------------------------------------------------------------------

_PAGE, _MOST = 20, 1000


def _page(models: Sequence[Model], query: Mapping[str, str]) -> Json:
    limit = query.get("limit", str(_PAGE))
    if not limit.isdecimal() or not 1 <= int(limit) <= _MOST:
        raise BadRequestError(f"limit: Input should be a whole number from 1 to {_MOST}", status=400)
    rest = list(models)
    if "after_id" in query:
        rest = rest[rest.index(_found(models, query["after_id"])) + 1 :]
    shown = rest[: int(limit)]
    if "before_id" in query:
        rest = rest[: rest.index(_found(models, query["before_id"]))]
        shown = rest[-int(limit) :]
    return {
        "data": [_model(model) for model in shown],
        "has_more": len(shown) < len(rest),
        "first_id": shown[0].id if shown else None,
        "last_id": shown[-1].id if shown else None,
    }


def _found(models: Sequence[Model], name: str) -> Model:
    for model in models:
        if model.id == name:
            return model
    raise NotFoundError(f"model: {name}", status=404)


def _model(model: Model) -> Json:
    created = model.created or datetime.fromtimestamp(0, UTC)  # the provider's own way to say that it is unknown
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name or model.id,
        "created_at": created.isoformat().replace("+00:00", "Z"),
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output,
        "capabilities": {name: {"supported": True} for name in sorted(model.capabilities)},
    }


# ---- errors ----------------------------------------------------------------------------------------------------------

_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
_STATUSES: Final = {status_error(status): status for status in _TYPES} | {OverloadedError: 529, ServerError: 500}


def error(problem: APIError) -> Answer:
    """`problem` as this wire tells it: with its status, headers and time to wait."""
    wait = {} if problem.retry_after is None else {"retry-after": f"{problem.retry_after:g}"}
    headers = {**problem.headers, **wait, **_JSON}
    return Answer(_status(problem), headers, (dump_bytes(_error_body(problem)),))


def error_event(problem: APIError) -> bytes:
    """`problem` inside a stream that began well."""
    return event_bytes(_error_body(problem))


def _status(problem: APIError) -> int:
    return problem.status or next((_STATUSES[cls] for cls in type(problem).__mro__ if cls in _STATUSES), 400)


def _error_body(problem: APIError) -> Json:
    status, message, code = _status(problem), str(problem), problem.code
    if code == CONTEXT_LENGTH_EXCEEDED:
        code = None  # llmkit's word: on this wire the message tells
        message = message if "prompt is too long" in message else f"prompt is too long: {message}"
    kind = code or _TYPES.get(status) or ("api_error" if status >= 500 else "unknown_error")  # noqa: PLR2004
    return {"type": "error", "error": {"type": kind, "message": message}}


def limit_headers(standing: Standing) -> Mapping[str, str]:
    """Where this wire tells of a limit: with the moment of its reset."""
    name = f"anthropic-ratelimit-{standing.kind}"
    reset = datetime.now(UTC) + timedelta(seconds=standing.reset)
    return {
        f"{name}-limit": str(standing.limit),
        f"{name}-remaining": str(standing.remaining),
        f"{name}-reset": reset.isoformat().replace("+00:00", "Z"),
    }


RENDERING: Final = Rendering(
    wire=WIRE_NAME,
    claims=claims,
    read=read,
    request=lambda request: request_of(WIRE_NAME, request.json),
    check=check,
    answer=answer,
    error=error,
    error_event=error_event,
    ping=event_bytes({"type": "ping"}),
    limit_headers=limit_headers,
    resume=threads.resume,
)
