"""A host as this room knows it: messages in, the bytes of a body out. What they mean is its wire's to know."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import evolve

from llmkit.checks import model_name
from llmkit.json_codec import loads
from llmkit.messages import Message, Text, ToolCall, ToolResult, UserMessage
from llmkit.provider import Provider
from llmkit.request import ResolvedRequest
from llmkit.settings import quirks_of, row_of
from llmkit.wire import wire
from llmkit.wire.base import Refuse

_NAMED: Final = "llmkit_call_"  # what calls are named after while it is looked for what became of their ids


class Host:
    """Where a conversation is to go.

    Attributes:
        wire: The name of its wire.

    Raises:
        ConfigurationError: It is no provider, or the model no name.
        UnknownProviderError: There is none of that name.
    """

    def __init__(self, provider: str | Provider, model: str | None) -> None:
        row, named = row_of(provider)
        if model is not None:
            model_name("model", model)
        wanted = model or named or row.default_model or "model"
        self.wire = row.wire
        self._model = row.aliases.get(wanted, wanted)
        self._encode = wire(row.wire).encode
        self._quirks = quirks_of(row)

    def body(self, messages: Sequence[Message], refuse: Refuse = lambda _path, _why: None) -> bytes:
        """What would be sent, without what is refused.

        Raises:
            ConfigurationError: It could not be sent at all.
        """
        skipped = next((index for index, message in enumerate(messages) if message.role != "system"), len(messages))
        system = tuple(part for message in messages[:skipped] for part in message.content)
        request = ResolvedRequest(self._model, tuple(messages[skipped:]), system=system, skipped=skipped)  # type: ignore[arg-type]  # a system message holds nothing else
        return self._encode(request, self._quirks, refuse, False).body or b""  # noqa: FBT003 - as `Wire.encode`

    def call_ids(self, messages: Sequence[Message]) -> list[str | None]:
        """What is sent for the id of each call, in their order; None where none is."""
        bare, count = _bare(messages)
        found: dict[str, Any] = dict(_named(loads(self.body([*bare, UserMessage("?")]).decode())))
        return [found.get(f"{_NAMED}{number}") for number in range(count)]


def _bare(messages: Sequence[Message]) -> tuple[list[Message], int]:
    """The calls and results of `messages` alone, so that there is little to encode; calls are named by their number."""
    found: list[Message] = []
    count = 0
    for message in messages:
        parts: list[ToolCall | ToolResult] = []
        for part in message.content:
            if isinstance(part, ToolCall):
                parts.append(evolve(part, name=f"{_NAMED}{count}", arguments={}, raw=None))
                count += 1
            elif isinstance(part, ToolResult):
                parts.append(evolve(part, content=(Text("."),)))
        if parts:
            found.append(evolve(message, content=parts))
    return found, count


def _named(value: Any, around: Any = None) -> Iterator[tuple[str, Any]]:
    """The names and the ids of calls. On some wires the id stands beside the object that has the name."""
    if isinstance(value, dict):
        name = value.get("name")
        if isinstance(name, str) and name.startswith(_NAMED):
            holders = (value, around if isinstance(around, dict) else {})
            yield name, next((item[key] for item in holders for key in ("call_id", "id") if key in item), None)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from _named(item, value)
