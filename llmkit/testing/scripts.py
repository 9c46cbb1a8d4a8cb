"""What a `FakeServer` is told, as JSON: to be kept in files, and for programs in other languages.

::

    {"replies": ["Hello!",
                 {"content": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Oslo"}}]},
                 {"content": "Well", "finish_reason": "length", "usage": {"input_tokens": 9, "output_tokens": 1}},
                 {"error": {"status": 429, "message": "slow down", "retry_after": 2}}],
     "faults": ["cut stream", {"name": "stall", "after": 3}],
     "limit": {"requests_per_minute": 60},
     "models": ["some-model", {"id": "another", "context_window": 100000}],
     "latency": 0.5, "delay": 0.02, "pieces": 7, "chunking": "words", "token_count": 12, "batch_looks": 2}

All of it may be left out. Parts are written as `llmkit.history.to_data` writes them; text may stand for a part.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from llmkit.checks import header_fields, integer, number
from llmkit.errors import APIError, ConfigurationError, status_error
from llmkit.history import from_data, to_data
from llmkit.history.nodes import SHOWN, Node, expect, items, located, node_of
from llmkit.messages import Part
from llmkit.response import FinishReason, Model, Usage
from llmkit.secrets import HIDDEN, telling
from llmkit.testing.exchange import RecordedRequest
from llmkit.testing.faults import FAULTS
from llmkit.testing.replies import Reply, by_characters, by_words, reply_of, unsplit
from llmkit.testing.wires import check

if TYPE_CHECKING:
    from llmkit.testing.server import FakeServer

_CHUNKINGS: Final = {"words": by_words, "characters": by_characters, "whole": unsplit}
_SECONDS: Final = number(0, 86_400)
_COUNT: Final = integer(0)
_COUNTS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
_WRAPPED: Final = re.compile(r"^messages\[0\](: AssistantMessage)?\.content")
_LIMITS: Final = ("requests_per_minute", "tokens_per_minute", "concurrent", "window")


def play(server: "FakeServer", script: Mapping[str, Any], where: str = "script") -> None:
    """Tell `server` all that `script` says; nothing of it where something in it is wrong.

    Raises:
        ConfigurationError: Something is; the message begins with its path.
    """
    root = node_of(script, where)
    root.only("replies", "faults", "limit", *_SETTINGS)
    replies = [reply(item, path) for item, path in _listed(root, "replies")]
    faults = [fault(item, path) for item, path in _listed(root, "faults")]
    settings = {
        name: read(root.path(name), root.value[name])
        for name, read in _SETTINGS.items()
        if root.value.get(name) is not None
    }
    if (limit := root.find_node("limit")) is not None:
        limit.only(*_LIMITS)
        located(limit.where, lambda: server.limit(**limit.value))  # first, as it looks at the numbers by itself
    for name, value in settings.items():
        setattr(server, name, value)
    for name, after in faults:
        server.fault(name, after=after)
    for found in replies:
        server.reply(found)


def _listed(node: Node, key: str) -> Iterable[tuple[Any, str]]:
    return () if node.value.get(key) is None else items(node.any(key), node.path(key))


def fault(data: Any, where: str) -> tuple[str, int | None]:
    """Which fault `data` tells of, and after how many events: it is its name, or has both.

    Raises:
        ConfigurationError: There is no such fault; the message begins with the path.
    """
    node = node_of({"name": data} if isinstance(data, str) else data, where)
    node.only("name", "after")
    name, after = node.get("name", str), node.find("after", int)
    if name not in FAULTS:
        node.fail("name", f"there is no fault {name[:SHOWN]!r}; there are {', '.join(FAULTS)}")
    return name, None if after is None else _COUNT(node.path("after"), after)


def reply(data: Any, where: str) -> Reply:
    """The reply that `data` tells of.

    Raises:
        ConfigurationError: No wire can answer so; the message begins with the path of what is wrong.
    """
    if not isinstance(data, Mapping):
        content = _parts(data, where)
        return located(where, lambda: check(Reply(content)))
    node = node_of(data, where)
    if node.value.get("error") is not None:
        node.only("error", "latency", "delay")
        found = Reply(error=_error(node.node("error")))
    else:
        node.only("content", "usage", "finish_reason", "id", "model", "latency", "delay")
        content = _parts(node.any("content"), node.path("content"))
        id_, model = node.find("id", str), node.find("model", str)
        found = Reply(content, usage=_usage(node), finish_reason=_reason(node), id=id_, model=model)
    latency, delay = node.value.get("latency"), node.value.get("delay")
    return located(where, lambda: check(evolve(found, latency=latency, delay=delay)))


def request_data(request: RecordedRequest) -> dict[str, Any]:
    """`request` as JSON, its conversation as `llmkit.history.to_data` writes it, and without its key."""
    found = {
        "method": request.method,
        "path": request.path,
        "query": {name: HIDDEN if telling(name) else value for name, value in request.query.items()},
        "headers": {name.lower(): HIDDEN if telling(name) else value for name, value in request.headers.items()},
        "wire": request.wire,
        "json": request.json,
    }
    try:
        return {**found, "messages": to_data(request.messages)["messages"]}
    except ConfigurationError as exc:
        return {**found, "messages": None, "error": str(exc)}


# ---- what stands in a script -----------------------------------------------------------------------------------------


def _parts(data: Any, where: str) -> tuple[Part, ...]:
    """The parts of an answer; a text is one."""
    listed = data if isinstance(data, list) else [data]
    content = [{"type": "text", "text": item} if isinstance(item, str) else item for item in listed]
    written = {"llmkit": "history", "version": 1, "messages": [{"role": "assistant", "content": content}]}
    try:
        (message,) = from_data(written)
    except ConfigurationError as exc:
        failed = _WRAPPED.sub("", str(exc))
    else:
        return message.content
    raise ConfigurationError(f"{where}{failed}")


def _usage(node: Node) -> Usage | None:
    counts = node.find_node("usage")
    if counts is None:
        return None
    counts.only(*_COUNTS)
    return Usage(**{name: _COUNT(counts.path(name), value) for name, value in counts.rest().items()})


def _reason(node: Node) -> FinishReason | None:
    data = node.value.get("finish_reason")
    if data is None:
        return None
    told = node_of({"reason": data} if isinstance(data, str) else data, node.path("finish_reason"))
    told.only("reason", "raw", "stop_sequence")
    found = FinishReason(
        told.get("reason", str),  # type: ignore[arg-type] # checked by `reply_of`
        told.find("raw", str),
        told.find("stop_sequence", str),
    )
    return located(node.where, lambda: reply_of("", finish_reason=found).finish_reason)


def _error(node: Node) -> APIError:
    node.only("status", "message", "code", "retry_after", "headers")
    status = integer(400, 599)(node.path("status"), node.any("status"))
    headers = node.find_node("headers")
    fields = {} if headers is None else header_fields(headers.where, headers.value)
    after = node.value.get("retry_after")
    return status_error(status)(
        node.find("message", str) or f"status {status}",
        status=status,
        code=node.find("code", str),
        headers=fields,
        retry_after=None if after is None else _SECONDS(node.path("retry_after"), after),
    )


def _models(where: str, value: Any) -> list[Model]:
    return [_model(item, path) for item, path in items(value, where)]


def _model(data: Any, where: str) -> Model:
    node = node_of({"id": data} if isinstance(data, str) else data, where)
    node.only("id", "display_name", "context_window", "max_output")
    return Model(
        node.get("id", str),
        node.find("display_name", str) or "",
        context_window=node.find("context_window", int),
        max_output=node.find("max_output", int),
    )


def _chunking(where: str, value: Any) -> Any:
    word = expect(value, str, where)
    if word not in _CHUNKINGS:
        raise ConfigurationError(f"{where}: expected one of {', '.join(_CHUNKINGS)}, got {word[:SHOWN]!r}")
    return _CHUNKINGS[word]


_SETTINGS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "models": _models,
    "latency": _SECONDS,
    "delay": _SECONDS,
    "pieces": integer(1),
    "chunking": _chunking,
    "token_count": _COUNT,
    "batch_looks": _COUNT,
}
