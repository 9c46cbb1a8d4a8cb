"""A client of several: where one fails, the next is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, Unpack

from attrs import evolve

from llmkit.checks import header_fields, raised, tried, wrong
from llmkit.client import Client
from llmkit.errors import ConfigurationError
from llmkit.falling import Falling, Told, Waiting
from llmkit.messages import UserMessage
from llmkit.provider import Provider
from llmkit.request import Request, taken
from llmkit.resolve import conversation, with_media

if TYPE_CHECKING:
    from llmkit.asking import Asking
    from llmkit.batches import Batches
    from llmkit.limits import RateLimit
    from llmkit.prices import Price
    from llmkit.request import Options, Prompt

_OF_A_CHAT: Final = ("tools", "media")
"""Options of which a chat does something itself, once for all who may be asked."""
_WORDS: Final = (UserMessage("…"),)
_Hooks: TypeAlias = tuple[Told, ...]


class Fallback(Client):
    """Made by `Client.fallback`.

    To whoever asks for what falls back on nobody, such as embeddings or batches, it is its first member.
    """

    def __init__(self, members: Iterable[Client | Provider | str], on_fallback: Told | None = None) -> None:
        """Made by `Client.fallback`, whose arguments they are."""
        if on_fallback is not None and not callable(on_fallback):
            raise wrong("on_fallback", "a function of an error", on_fallback)
        found = _clients(members)
        own = () if on_fallback is None else (on_fallback,)
        told = tuple((*others, *own) for _, others in found)
        self._set(tuple(member for member, _ in found), told, {}, owner=True)

    def _set(
        self, plain: tuple[Client, ...], told: tuple[_Hooks, ...], options: Mapping[str, Any], *, owner: bool
    ) -> None:
        """Be made of these.

        Args:
            plain: The members.
            told: For each who is told of its error, if the next is asked.
            options: The defaults of all members' calls, checked; they win over the members' own.
            owner: Whether this is no copy.
        """
        asked = tuple(member.with_options(**options) for member in plain) if options else plain
        self.__dict__.update(asked[0].__dict__)
        self._plain, self._asked, self._told, self._options = plain, asked, told, {**options}
        self._owner = owner

    def __repr__(self) -> str:
        return f"Client.fallback([{', '.join(map(repr, getattr(self, '_asked', ())))}])"

    def __getstate__(self) -> dict[str, Any]:
        return {"members": self._plain, "on_fallback": self._told, "options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(state["members"], state["on_fallback"], state["options"], owner=True)

    def close(self) -> None:
        """Drop the free connections of all members; later calls open new ones. Of a `with_options` copy: nothing."""
        if self._owner:
            for member in self._plain:
                member.close()

    def with_options(
        self,
        *,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
        rate_limit: RateLimit | None = None,
        unsupported: Literal["error", "warn"] | None = None,
        prices: Mapping[str, Price] | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """As of any client, for all members; but each has a rate limit of its own.

        Raises:
            ConfigurationError: An option is unknown or wrong.
        """
        fields = None if headers is None else tried(header_fields, "headers", headers)
        del headers  # no frame of an error shows what they hold
        found, fields = raised(taken(options)), raised(fields)
        if rate_limit is not None:
            raise ConfigurationError("rate_limit: each member of a fallback has its own: pass it to that member")
        members = tuple(
            member.with_options(max_retries=max_retries, headers=fields, unsupported=unsupported, prices=prices)
            for member in self._plain
        )
        return self._with(members, {**self._options, **found})

    def count_tokens(self, prompt: Prompt, **options: Unpack[Options]) -> int:
        """As of any client, by the first member that can."""
        able = (member for member in self._asked if member._engine.wire.encode_count is not None)  # noqa: SLF001
        return next(able, self._asked[0]).count_tokens(prompt, **options)

    @property
    def batches(self) -> Batches:
        """Those of the first member."""
        return self._asked[0].batches

    @property
    def _members(self) -> tuple[Client, ...]:
        return self._asked

    def _each(self, change: Callable[[Any], Any]) -> Self:
        changed = tuple(map(change, self._plain))
        same = all(one is other for one, other in zip(changed, self._plain, strict=True))
        return self if same else self._with(changed, self._options)

    def _parted(self) -> tuple[Self, dict[str, Any]]:
        for member in self._plain:
            for name in _OF_A_CHAT:
                if name in member._settings.options:  # noqa: SLF001
                    raise ConfigurationError(
                        f"{name}: a member of the fallback has them by itself, {member!r}; pass them to chat, for all"
                    )
        return self._with(self._plain, {}), {**self._options}

    def _with(self, members: tuple[Client, ...], options: Mapping[str, Any]) -> Self:
        copy = object.__new__(type(self))
        copy._set(members, self._told, options, owner=False)
        return copy

    def _asking(
        self, prompt: object, output_type: object, options: Any, left_out: Callable[[str, str], None] | None = None
    ) -> Asking:
        """The call that they mean, settled for each member, so that what is wrong with one is told at once."""
        found = raised(taken(options))
        if isinstance(prompt, Request):
            found |= raised(taken({**prompt.options}))
            output_type = output_type if prompt.output_type is None else prompt.output_type
            prompt = prompt.prompt
        said = conversation(prompt)
        if (media := found.pop("media", None)) is not None:
            said = with_media(said, media)  # once, as some can be read only once
            found["media"] = ()
        first, *others = self._asked
        asking = first._asking(said, output_type, {**found}, left_out)  # noqa: SLF001
        mine, *theirs = self._told
        waiting = [
            _waiting(other, told, said, output_type, {**found}) for other, told in zip(others, theirs, strict=True)
        ]
        return Falling.of(asking, waiting, mine)


def _clients(members: object) -> list[tuple[Client, _Hooks]]:
    """A client of each member; of a fallback, its members. And who is told of their errors already."""
    if not isinstance(members, Iterable) or isinstance(members, (str, bytes, Mapping)):
        raise wrong("members", "a list of clients or names of providers", members)
    found: list[tuple[Client, _Hooks]] = []
    for index, member in enumerate(members):
        if isinstance(member, Fallback):
            *told, _ = member._told  # noqa: SLF001 - of its own class, as below
            found += zip(member._asked, (*told, ()), strict=True)  # noqa: SLF001 - who comes after its last is not its
        elif isinstance(member, Client):
            found.append((member, ()))
        elif isinstance(member, (Provider, str)):
            found.append((Client(member), ()))
        else:
            raise wrong(f"members[{index}]", "a Client or the name of a provider", member)
    if not found:
        raise ConfigurationError("members: there is none")
    return found


def _waiting(member: Client, told: _Hooks, prompt: object, output_type: object, options: dict[str, Any]) -> Waiting:
    """The call of a member that is not asked yet.

    Raises:
        ConfigurationError: It cannot be asked that, whatever the conversation.
    """
    untold: list[tuple[str, str]] = []
    try:
        asking = member._asking(prompt, output_type, options, lambda path, why: untold.append((path, why)))  # noqa: SLF001
        refuse = asking.refuse if member._settings.unsupported == "error" else _left_out  # noqa: SLF001
        asking.wire.encode(evolve(asking.request, messages=_WORDS), asking.quirks, refuse, False)  # noqa: FBT003
        return Waiting(asking, untold, told)
    except ConfigurationError as error:
        error.add_note(f"so says the fallback's member {member!r}")
        raise error.with_details(provider=member._engine.row.name)  # noqa: SLF001, B904 - the same


def _left_out(path: str, why: str) -> None:
    """What the member is to be asked without: that is told when it is."""
