"""Answers and errors as JSON to keep, and back: what one version writes, every later one reads.

Nothing of an answer is lost but its output, which is fitted again by who knows what it is to be. Of an error what it
says, its fields, and the answers that were paid for. As with `llmkit.history.stored`, what a version does not know is
refused rather than dropped: whoever adds a field raises `VERSION`, and keeps the older fixture in the tests.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar, get_args

from attrs import evolve
from requests.structures import CaseInsensitiveDict

from llmkit import errors, json_codec
from llmkit.errors import ConfigurationError, InvalidResponseError, LLMKitError, OutputError
from llmkit.history import stored as history
from llmkit.history.nodes import SHOWN, Node, items, located, node_of
from llmkit.messages import AssistantMessage
from llmkit.response import FinishReason, Reason, Response, Tariff, Unfit, Usage

VERSION: Final = 1

T = TypeVar("T")
_DEEPEST: Final = json_codec.DEEPEST + 60  # levels: those of a body, and of what it stands in
_HALVES: Final = re.compile("[\ud800-\udfff]")  # of surrogate pairs, which no text in UTF-8 can hold
_COUNTS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
_RESPONSE: Final = (
    "llmkit", "version", "id", "model", "provider", "message", "finish_reason", "usage", "rounds", "logprobs", "cost",
    "headers", "request_id", "attempts", "raw",
)  # fmt: skip
_ERROR: Final = ("llmkit", "version", "class", "message", "details", "partial", "response")
_DETAILS: Final[Mapping[str, tuple[type, ...]]] = {
    "retryable": (bool,), "retry_after": (float, int), "provider": (str,), "model": (str,), "attempts": (int,),
    "request_id": (str,), "status": (int,), "code": (str,), "headers": (Mapping,), "body": (object,), "path": (str,),
    "text": (str,), "which": (str,), "seconds": (float, int),
}  # fmt: skip


def to_text(data: Mapping[str, Any]) -> str:
    """`data` as JSON in one line, which UTF-8 can hold.

    Raises:
        ConfigurationError: It holds what JSON cannot.
    """
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as exc:
        failed = str(exc)
    else:
        return text if text.isascii() else _HALVES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    raise ConfigurationError(f"{data.get('llmkit', 'data')}: cannot be written as JSON: {failed}")


def from_text(text: str) -> Any:
    """The data that `to_text` wrote.

    Raises:
        ConfigurationError: It is no JSON.
    """
    try:
        return json_codec.loads(text, "what is stored", _DEEPEST)
    except InvalidResponseError as exc:
        failed = str(exc)
    raise ConfigurationError(failed)


def prepare() -> None:
    """Import what keeping the first answer would: no answer that is paid for has to wait for that."""
    priced = Tariff("openai")
    said = AssistantMessage("")
    to_text(response_data(Response("", "gpt-4o", "", said, FinishReason("stop"), Usage(1, 1, raw={}), cost=priced)))


# ---- answers ---------------------------------------------------------------------------------------------------------


def response_data(response: Response[Any]) -> dict[str, Any]:
    """`response` as a JSON object of dicts and lists, without its output. What holds its default is left out.

    Raises:
        ConfigurationError: Its message has a part that is none of llmkit's classes, or holds what JSON cannot.
    """
    reason = response.finish_reason
    return {
        "llmkit": "response",
        "version": VERSION,
        "id": response.id,
        "model": response.model,
        "provider": response.provider,
        "message": history.to_data([response.message]),
        "finish_reason": _told(reason=reason.reason, raw=reason.raw, stop_sequence=reason.stop_sequence),
        "usage": _usage_data(response.usage),
        **_told(
            rounds=[response_data(each) for each in response.rounds] or None,
            logprobs=response.logprobs,
            cost=None if response.cost is None else str(response.cost),
            headers=dict(response.headers) or None,
            request_id=response.request_id,
            attempts=None if response.attempts == 1 else response.attempts,
            raw=response.raw or None,
        ),
    }


def response_of(data: object, where: str = "response") -> Response[Any]:
    """The answer that `response_data` wrote, equal also in what takes no part in ``==``; its output is None.

    Raises:
        ConfigurationError: It is none of a version that this llmkit reads; the message begins with the path.
    """
    node = _opened(data, "response", _RESPONSE, where)
    message = located(node.path("message"), lambda: history.from_data(node.get("message", dict)))
    if len(message) != 1 or not isinstance(message[0], AssistantMessage):
        node.fail("message", "expected one message of an assistant")
    cost = node.find("cost", str)
    return Response(
        id=node.get("id", str),
        model=node.get("model", str),
        provider=node.get("provider", str),
        message=message[0],
        finish_reason=_reason_of(node.node("finish_reason")),
        usage=_usage_of(node.node("usage")),
        rounds=tuple(response_of(*item) for item in items(node.value.get("rounds", ()), node.path("rounds"))),
        logprobs=node.value.get("logprobs"),
        cost=None if cost is None else _money(cost, node.path("cost")),
        headers=_headers_of(node),
        request_id=node.find("request_id", str),
        attempts=_or(node.find("attempts", int), 1),
        raw=_or(node.find("raw", dict), {}),
    )


def _usage_data(usage: Usage) -> dict[str, Any]:
    counts = {name: getattr(usage, name) for name in _COUNTS}
    return _told(**{name: count or None for name, count in counts.items()}, raw=usage.raw)


def _usage_of(node: Node) -> Usage:
    node.only(*_COUNTS, "raw")
    counts = {name: _or(node.find(name, int), 0) for name in _COUNTS}
    return Usage(**counts, raw=node.find("raw", dict))


def _reason_of(node: Node) -> FinishReason:
    node.only("reason", "raw", "stop_sequence")
    reason: Any = node.get("reason", str)
    if reason not in get_args(Reason):
        node.fail("reason", f"expected one of {', '.join(get_args(Reason))}, got {reason[:SHOWN]!r}")
    return FinishReason(reason, node.find("raw", str), node.find("stop_sequence", str))


def _money(text: str, where: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("nan")
    if not found.is_finite():
        raise ConfigurationError(f"{where}: expected a number as text, got {text[:SHOWN]!r}")
    return found


# ---- errors ----------------------------------------------------------------------------------------------------------


def error_data(error: LLMKitError) -> dict[str, Any]:
    """`error` as a JSON object of dicts and lists: of a class of the caller's own the nearest of llmkit's."""
    cls = next(each for each in type(error).__mro__ if getattr(errors, each.__name__, None) is each)
    held = vars(error)
    told = {name: _plain(held[name]) for name in _DETAILS if name in held and hasattr(cls, name)}
    partial, response = held.get("partial"), held.get("response")
    return {
        "llmkit": "error",
        "version": VERSION,
        "class": cls.__name__,
        "message": str(error),
        "details": {name: value for name, value in told.items() if _fits(value, name)},
        **_told(
            partial=None if partial is None else response_data(partial),
            response=None if response is None else response_data(response),
        ),
    }


def error_of(data: object, where: str = "error") -> LLMKitError:
    """The error that `error_data` wrote; without a traceback, the conversation of a chat, and what caused it.

    Raises:
        ConfigurationError: It is none of a version that this llmkit reads; the message begins with the path.
    """
    node = _opened(data, "error", _ERROR, where)
    cls = getattr(errors, name := node.get("class", str), None)
    if not (isinstance(cls, type) and issubclass(cls, LLMKitError)):
        node.fail("class", f"there is no such error: {name[:SHOWN]!r}")
    told, message = node.node("details"), node.get("message", str)
    details = {name: _detail(told, name, cls) for name in told.value}
    for name in ("partial", "response"):
        if (answer := node.value.get(name)) is not None:
            if not hasattr(cls, name):
                node.fail(name, "unknown key; it would be lost")
            details[name] = response_of(answer, node.path(name))
    if issubclass(cls, OutputError) and "response" in details:
        details["response"] = evolve(details["response"], output=Unfit(message, details.get("path", "$")))
    return cls(message, **details)


def _fits(value: object, name: str) -> bool:
    return value is None or isinstance(value, _DETAILS[name])


def _detail(node: Node, name: str, cls: type[LLMKitError]) -> Any:
    if name not in _DETAILS or not hasattr(cls, name):
        node.fail(name[:SHOWN], "unknown key; it would be lost")
    if not _fits(value := node.value[name], name):
        node.fail(name, f"expected {_DETAILS[name][0].__name__}, got {type(value).__name__}")
    return _headers_of(node) if name == "headers" else value


def _plain(value: Any) -> Any:
    """What an error holds, if JSON can; else what it looks like."""
    value = dict(value) if isinstance(value, Mapping) else value
    try:
        to_text({"value": value})
    except ConfigurationError:
        return repr(value)
    return value


# ---- both ------------------------------------------------------------------------------------------------------------


def _opened(data: object, kind: str, known: Sequence[str], where: str) -> Node:
    node = node_of(data, where)
    if (found := node.get("llmkit", str)) != kind:
        node.fail("llmkit", f"expected {kind!r}, got {found[:SHOWN]!r}")
    version = node.get("version", int)
    if not 1 <= version <= VERSION:
        why = "a newer llmkit wrote it" if version > VERSION else "there is none such"
        node.fail("version", f"this llmkit reads up to version {VERSION}, got {str(version)[:SHOWN]}: {why}")
    node.only(*known)
    return node


def _headers_of(node: Node) -> Mapping[str, str]:
    found = node_of(node.value.get("headers", {}), node.path("headers"))
    return CaseInsensitiveDict({name: found.get(name, str) for name in found.value})


def _told(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _or(value: T | None, default: T) -> T:
    return default if value is None else value
