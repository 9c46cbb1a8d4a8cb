"""A payload in, a `Request` out: what the wires have in common on the way back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from llmkit.checks import wrong
from llmkit.errors import ConfigurationError, InvalidResponseError
from llmkit.history.nodes import Node, copied, expect, items
from llmkit.json_codec import load_bytes, to_utf8
from llmkit.messages import Message, Part, SystemMessage, Text
from llmkit.request import OPTIONS, Request
from llmkit.wire import wire as wire_named

WHERE: Final = "body"
"""What errors call a payload."""


def request_of(wire: object, body: Mapping[str, Any] | str | bytes) -> Request:
    """The request of that wire that `body` is, of which it keeps nothing but copies.

    Raises:
        ConfigurationError: As `Request.from_wire`.
    """
    if not isinstance(wire, str):
        raise wrong("wire", "the name of a wire format", wire)
    read = wire_named(wire).read_request
    return read(copied(_json(body), WHERE), WHERE)


def _json(body: object) -> Any:
    if isinstance(body, str):
        body = to_utf8(body)
    if not isinstance(body, bytes | bytearray):
        return body
    try:
        return load_bytes(bytes(body), WHERE)
    except InvalidResponseError as exc:
        failed = str(exc)
    raise ConfigurationError(failed)


def conversation_of(request: Request) -> list[Message]:
    """What is said in a request that was read, its instructions first."""
    system = request.options.get("system")
    said = cast("Sequence[Message]", request.prompt)
    return [*([SystemMessage(system)] if system else []), *said]


def instructions_of(parts: Sequence[Part]) -> str | tuple[Part, ...]:
    """The option `system` for `parts`: text where that is all there is to say."""
    only = parts[0] if len(parts) == 1 else None
    if isinstance(only, Text) and only == Text(only.text) and not only.extra:
        return only.text
    return tuple(parts)


Kind: TypeAlias = type | tuple[type, ...]
NUMBER: Final = (int, float)
_WORDS: Final[Mapping[Kind, str]] = {
    NUMBER: "a number", str: "text", bool: "true or false", dict: "an object", Mapping: "an object",
}  # fmt: skip


class Fields:
    """The fields of an object on their way into options: each is taken once, and what is not taken is the rest.

    A value of the wrong type is an error. One of the right type that the option has no place for, such as null, an
    empty list or a number out of its bounds, is left in the rest, which is sent again as it is.

    Attributes:
        node: The object.
        rest: What has not been taken.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.rest: dict[str, Any] = dict(node.value)

    def drop(self, *keys: str) -> None:
        """Say that `keys` have been taken."""
        for key in keys:
            self.rest.pop(key, None)

    def take(self, key: str, option: str, kind: Kind) -> Any:
        """The value of `key` as the option takes it; None where it stays in the rest.

        Raises:
            ConfigurationError: It is neither of that kind nor null; the message begins with its path.
        """
        value = self.node.value.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
            self.node.fail(key, f"expected {_WORDS[kind]}, got {type(value).__name__}")
        return self._taken(key, option, value)

    def all(self, table: Mapping[str, tuple[str, Kind]]) -> dict[str, Any]:
        """As `take`, for each key of `table`, which names its option and kind."""
        return {option: self.take(key, option, kind) for key, (option, kind) in table.items()}

    def texts(self, key: str, option: str) -> Any:
        """As `take`, of a list of texts."""
        if not (value := self.node.find(key, list)):
            return None
        for item, where in items(value, self.node.path(key)):
            expect(item, str, where)
        return self._taken(key, option, value)

    def _taken(self, key: str, option: str, value: Any) -> Any:
        try:
            found = OPTIONS[option].check(option, value)
        except ConfigurationError:
            return None
        self.drop(key)
        return found

    def inner(self, key: str) -> "Fields":
        """The fields of the object at `key`; none where it is null or missing."""
        found = self.node.find_node(key)
        return Fields(Node({}, self.node.path(key)) if found is None else found)

    def put_back(self, key: str, inner: "Fields") -> None:
        """Say that of the object at `key` what is not in the rest of `inner` has been taken."""
        if inner.rest:
            self.rest[key] = inner.rest
        elif inner.node.value:
            self.drop(key)

    def request(self, messages: Sequence[Message], options: Mapping[str, Any]) -> Request:
        """The request with `options` but for None, and with the rest in `extra_body`."""
        found = {**options, "extra_body": self.rest or None}
        return Request(messages, **{name: value for name, value in found.items() if value is not None})
