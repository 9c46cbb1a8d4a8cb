"""Keeping keys out of what is shown: of texts, of JSON, and of values that hold either. Pure functions."""

import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from operator import is_
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import attrs

HIDDEN: Final = "[key]"
SHORTEST: Final = 4  # characters; what is shorter is a placeholder, and stands by chance in every other word
LONG: Final = 16  # characters from which a secret is looked for inside of words, and by its beginning
_HEAD: Final = 8  # characters of a long one by which it is known where a text was cut
_TELLING: Final = re.compile(r"auth|key|token|secret|cookie|password|credential|signature", re.IGNORECASE)


def telling(name: str) -> bool:
    """Whether what a header or a field of a query of this name holds may be a secret."""
    return _TELLING.search(name) is not None


def of_headers(headers: Mapping[str, str]) -> list[str]:
    """What in a caller's own headers may be a secret: values, their last words, and what cookies hold."""
    found: list[str] = []
    for name, value in headers.items():
        if telling(name):
            found += [value, *value.split()[-1:], *(item.partition("=")[2].strip() for item in value.split(";"))]
    return found


def of_query(query: Mapping[str, str]) -> list[str]:
    """What in an address's query may be a secret."""
    return [value for name, value in query.items() if telling(name)]


def of_address(url: str) -> list[str]:
    """The password in a URL, and user and password as `Proxy-Authorization` has them."""
    parts = urlsplit(url)
    if not parts.password:
        return []
    user, password = unquote(parts.username or ""), unquote(parts.password)
    coded = binascii.b2a_base64(f"{user}:{password}".encode(), newline=False)
    return [password, parts.password, coded.decode()]


def without(value: Any, secrets: Iterable[str]) -> Any:
    """`value` without `secrets`: text, JSON, headers, and attrs values. What holds none is returned itself.

    They are looked for as they are, and as they stand in an address.
    """
    hidden = _Hidden(secrets)
    return _clean(value, hidden) if hidden.short or hidden.long else value


def places(text: str, secrets: Iterable[str]) -> list[tuple[int, int]]:
    """Where in `text` those of `secrets` begin and end that are long, whole or cut off."""
    return [*_Hidden(secrets).places(text)]


class _Hidden:
    """What is looked for, put in order."""

    def __init__(self, secrets: Iterable[str]) -> None:
        told = {secret for secret in secrets if len(secret) >= SHORTEST}
        escaped = {quote(secret, safe, errors="replace") for secret in told for safe in ("", "/")}
        ordered = sorted(told | escaped, key=len, reverse=True)
        self.short = [secret for secret in ordered if len(secret) < LONG]
        self.long: dict[str, list[str]] = {}  # by their beginnings, which those of one host have in common
        for secret in ordered[: len(ordered) - len(self.short)]:
            self.long.setdefault(secret[:_HEAD], []).append(secret)

    @property
    def names(self) -> "_Hidden":
        """What is looked for in the names of fields: a short one may be a word of the format."""
        found = copy(self)
        found.short = []
        return found

    def text(self, text: str) -> str:
        """`text` without them."""
        pieces, start = [], 0
        for at, end in self.places(text):
            pieces += [text[start:at], HIDDEN]
            start = end
        if pieces:
            text = "".join([*pieces, text[start:]])
        for secret in self.short:
            if secret in text:
                text = re.sub(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", HIDDEN, text)
        return text

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the long ones begin and end."""
        heads = [head for head in self.long if head in text]
        pattern = re.compile("|".join(map(re.escape, heads)))
        end = 0
        while heads and (found := pattern.search(text, end)) is not None:
            at = found.start()
            # As far as it goes on like one of the secrets: the rest of it may have been cut off.
            end = at + max(_agreeing(text, at, secret) for secret in self.long[found[0]])
            yield at, end


def _agreeing(text: str, at: int, secret: str) -> int:
    """How many letters of `secret`, from its first, stand at a place of `text`."""
    if text.startswith(secret, at):
        return len(secret)
    return next(index for index in range(len(secret)) if text[at + index : at + index + 1] != secret[index])


def _clean(value: Any, secrets: _Hidden) -> Any:
    if isinstance(value, str):
        return secrets.text(value)
    if type(value) in (list, tuple):
        items = [_clean(item, secrets) for item in value]
        return value if all(map(is_, items, value)) else type(value)(items)
    if isinstance(value, Mapping):
        return _clean_mapping(value, secrets)
    return _evolved(value, secrets) if attrs.has(type(value)) else value


def _clean_mapping(value: Mapping[Any, Any], secrets: _Hidden) -> Mapping[Any, Any]:
    items = {_clean(name, secrets.names): _clean(item, secrets) for name, item in value.items()}
    same = items.keys() == value.keys() and all(items[name] is item for name, item in value.items())
    return value if same else type(value)(items)  # type: ignore[call-arg]


def _evolved(value: Any, secrets: _Hidden) -> Any:
    changed = {}
    for field in attrs.fields(type(value)):
        before = getattr(value, field.name)
        if field.init and (after := _clean(before, secrets)) is not before:
            changed[field.alias] = after
    return attrs.evolve(value, **changed) if changed else value
