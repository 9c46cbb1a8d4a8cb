"""What a conversation loses on its way to a provider, found out by encoding it.

Nothing here knows what a wire can express. A part is lost if the body is the same without it, a field of it if the body
is the same without that; what the encoder refuses, it says itself. So nothing is promised that is then not sent.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from attrs import evolve

from llmkit.errors import ConfigurationError
from llmkit.history import typed
from llmkit.media import Audio, Document, Image, Video
from llmkit.messages import (
    AssistantMessage,
    Message,
    Opaque,
    Part,
    Refusal,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.moving.features import features
from llmkit.moving.host import Host
from llmkit.moving.losses import Loss, LossKind
from llmkit.moving.window import Window, windows
from llmkit.provider import Provider

Put: TypeAlias = Callable[[Sequence[Part]], tuple[Part, ...]]
"""The content of a message with other parts in the place of one."""

_LAST: Final = UserMessage("?")  # so that the body is never empty
_IN_SYSTEM: Final = re.compile(r"system\[(\d+)\]")
_KINDS: Final[Mapping[type, LossKind]] = {
    **dict.fromkeys((Image, Audio, Video, Document), "media"),
    Opaque: "block",
    Thinking: "thinking",
}


def portability(
    messages: Sequence[Message | Mapping[str, Any]], provider: str | Provider, *, model: str | None = None
) -> list[Loss]:
    """What of a conversation would not arrive, or not as it stands here, if a provider were sent it; in its order.

    Nothing is sent. It is encoded as `Client` would, so that what is not told of here arrives.

    Args:
        messages: A conversation, such as `Chat.messages`; dicts in it become messages first.
        provider: Where it is to go, as `Client` takes it.
        model: Which model is to be asked, where hosts take other things for some; as `Client` takes it.

    Raises:
        ConfigurationError: It could not be sent at all, whatever is left out; the message begins with the path.
        UnknownProviderError: There is no such provider.
    """
    found = typed(messages, "messages")
    host = Host(provider, model)
    refused = _refusals(found, host)
    ids = iter(host.call_ids(found))
    losses: list[Loss] = []
    for number, window in enumerate(windows(host, found)):
        losses += _Told(host.wire, window, f"messages[{number}]", refused, ids).losses()
    return losses + [Loss(path, "part", why, "refused") for path, why in refused.items()]


class _Told:
    """One message on its way to a host.

    Args:
        wire: The host's.
        window: Tries what is sent for it.
        where: Its path.
        refused: Path → why; what is told of here is taken out.
        ids: What is sent for the ids of the calls from here on.
    """

    def __init__(
        self, wire: str, window: Window, where: str, refused: dict[str, str], ids: Iterator[str | None]
    ) -> None:
        self._wire = wire
        self._window = window
        self._where = where
        self._refused = refused
        self._ids = ids
        self._kept: list[Part] = []

    def losses(self) -> list[Loss]:
        found = [loss for index, part in enumerate(self._window.message.content) for loss in self._part(part, index)]
        if self._kept and self._moves():
            found.insert(0, Loss(self._where, "system", "it is told with the first instructions", "changed"))
        found += self._order()
        return found

    def _part(self, part: Part, index: int) -> Iterator[Loss]:
        """What is lost of the part that stands there."""
        content = self._window.message.content
        where = f"{self._where}.content[{index}]"
        lost, found = self._of(part, where, lambda new: (*content[:index], *new, *content[index + 1 :]))
        yield from found
        if not lost:
            self._kept.append(part)
        if isinstance(part, ToolCall):
            yield from _of_id(part, next(self._ids), f"{where}.id", self._wire)
        if isinstance(part, ToolResult) and not lost:
            for inner, item in enumerate(part.content):
                yield from self._of(item, f"{where}.content[{inner}]", partial(self._within, part, index, inner))[1]

    def _within(self, result: ToolResult, index: int, inner: int, new: Sequence[Part]) -> tuple[Part, ...]:
        """The message's content with something else at a place in a result."""
        content, held = self._window.message.content, result.content
        changed = evolve(result, content=(*held[:inner], *new, *held[inner + 1 :]))
        return (*content[:index], changed, *content[index + 1 :])

    def _of(self, part: Part, where: str, put: Put) -> tuple[bool, list[Loss]]:
        """Whether `part` does not arrive, and what is lost of it."""
        for path in (where, f"{where}.file_id"):
            if (why := self._refused.pop(path, None)) is not None:
                return True, [Loss(path, _kind(part, path), why, "refused")]
        lost = self._window.same(put(()))
        if lost and (loss := _whole(part, where, self._wire)) is not None:
            return True, [loss]
        return lost, list(self._of_features(part, where, put))

    def _of_features(self, part: Part, where: str, put: Put) -> Iterator[Loss]:
        for feature in features(part, self._wire):
            if (why := self._refused.pop(f"{where}.{feature.kind}", None)) is not None:
                yield Loss(f"{where}.{feature.kind}", feature.kind, why, "refused")
            elif lost := sum(self._window.same(put((other,))) for other in feature.without):
                all_of = len(feature.without)
                what = feature.what if all_of == 1 else f"{lost} of {all_of} {feature.what}"
                yield Loss(where, feature.kind, what, feature.fate)

    def _moves(self) -> bool:
        """Whether instructions that stand amid the conversation are told at its beginning."""
        return isinstance(self._window.message, SystemMessage) and self._window.amid and self._window.same_in_front()

    def _order(self) -> Iterator[Loss]:
        """Whether it could as well stand in the order in which all wires tell it: results first, calls last."""
        of_model = isinstance(self._window.message, AssistantMessage)

        def is_behind(part: Part) -> bool:
            return isinstance(part, ToolCall) if of_model else not isinstance(part, ToolResult)

        usual = sorted(self._kept, key=is_behind)
        if any(one is not other for one, other in zip(self._kept, usual, strict=True)) and self._window.same(usual):
            what = "words behind a call are told before it" if of_model else "words before a result are told behind it"
            yield Loss(f"{self._where}.content", "order", what, "changed")


def _refusals(messages: Sequence[Message], host: Host) -> dict[str, str]:
    """The paths of what the host's encoder refuses → why."""
    # The encoders count instructions on their own, wherever they stand.
    told = [
        f"messages[{number}].content[{index}]"
        for number, message in enumerate(messages)
        if isinstance(message, SystemMessage)
        for index in range(len(message.content))
    ]

    def located(path: str) -> str:
        if found := _IN_SYSTEM.match(path):
            return told[int(found[1])] + path[found.end() :]
        return f"messages{path.removeprefix('prompt')}" if path.startswith("prompt[") else path

    found: dict[str, str] = {}

    def refuse(path: str, why: str) -> None:
        found.setdefault(located(path), why)

    try:
        host.body([*messages, _LAST], refuse)
    except ConfigurationError as exc:
        failed = located(str(exc))
    else:
        return found
    raise ConfigurationError(failed)


def _kind(part: Part, path: str) -> LossKind:
    """What is lost where a part does not arrive."""
    if path.endswith(".file_id"):
        return "file"
    return next((kind for cls, kind in _KINDS.items() if isinstance(part, cls)), "part")


def _whole(part: Part, where: str, wire: str) -> Loss | None:
    """That `part` is not sent, though nobody refused it; None where nothing is said by it."""
    match part:
        case Text(text=text) | Refusal(text=text):
            return Loss(where, "blank", "blanks", "left out") if text else None
        case Thinking(wire=whose):
            foreign = whose is not None and whose != wire
            why = f"only {whose} takes these thoughts" if foreign else "this host takes no such thoughts back"
            return Loss(where, "thinking", why, "left out")
        case _:
            return Loss(where, _kind(part, where), f"the whole {type(part).__name__}", "left out")


def _of_id(call: ToolCall, sent: str | None, where: str, wire: str) -> Iterator[Loss]:
    if sent is None and wire not in call.extra:  # one that was made up is missed by nobody
        yield Loss(where, "call id", "results are told apart by their places", "left out")
    elif sent not in (None, call.id):
        yield Loss(where, "call id", "another stands for it, in its result, too", "changed")
