"""A payload in, a `Request` out: what the wires have in common on the way back."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from llmkit.errors import ConfigurationError, InvalidResponseError
from llmkit.history.nodes import copied
from llmkit.json_codec import load_bytes, to_utf8
from llmkit.messages import Message, SystemMessage
from llmkit.request import Request
from llmkit.wire import wire as wire_named

WHERE = "body"
"""What errors call a payload."""


def request_of(wire: str, body: Mapping[str, Any] | str | bytes) -> Request:
    """The request of that wire that `body` is, of which it keeps nothing but copies.

    Raises:
        ConfigurationError: As `Request.from_wire`.
    """
    found = wire_named(wire)
    if found.read_request is None:
        raise ConfigurationError(f"wire: requests of {wire} cannot be read")
    return found.read_request(copied(_json(body), WHERE), WHERE)


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
