"""Keeping secrets out of cassettes: keys, cookies, ids of organisations and projects. Pure functions."""

import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from llmkit.secrets import HIDDEN, LONG, SHORTEST, telling, without
from llmkit.testing.cassettes.findings import owning, secret
from llmkit.testing.cassettes.spread import without_spread

_READ_BY: Final = frozenset(("accept", "content-type", "anthropic-version", "anthropic-beta", "openai-beta"))
_OWNER: Final = re.compile(r"\b(?:org|proj)[-_][A-Za-z0-9]{12,}|(?<=\bprojects/)[0-9]{6,}")
_PROJECT: Final = re.compile(r"(?<=/projects/)[^/?]+")
_TOKENS: Final = re.compile(r"ratelimit|rate-limit|token-count|tokens?-(?:used|limit|remaining)", re.IGNORECASE)
_MEASURE: Final = re.compile(r"-?[0-9][0-9a-zA-Z:.+-]{0,30}")
_ESCAPES: Final = (("/", "\\/"), ("=", "\\u003d"), ("+", "\\u002b"), ("&", "\\u0026"))  # as some hosts write JSON
_SAFE: Final = str.maketrans("+/", "-_")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_LITERAL: Final = re.compile(r"-?[0-9.]+|true|false|null")  # what JSON has without quotes
_NEVER: Final = re.compile(r"(?!)")


class Cleaner:
    """Hides secrets in all that goes into a cassette.

    Args:
        secrets: As they are. The long ones are hidden in whatever writing, also inside of words, and cut off.
        owners: Of whom nothing else is told: hidden where they are whole words.
    """

    def __init__(self, secrets: Iterable[str], owners: Iterable[str] = ()) -> None:
        # Bytes are looked at as if they were Latin-1, which changes none of them.
        known, owned = (
            {form for one in some if len(one) >= SHORTEST for form in (one, _latin(one))} for some in (secrets, owners)
        )
        long = {one for one in known if len(one) >= LONG}
        short = {one for one in known | owned if len(one) < LONG}
        self._odd = any(re.search(r"[^\w-]", one) for one in long)
        self._written = _either(map(_writing, long))
        self._coded = _either(re.escape(form) for one in long for form in _coded(one))
        self._owners = _words(owned - short)
        self._literals = _words({one for one in short if _LITERAL.fullmatch(one)})
        words = {form for one in short if not _LITERAL.fullmatch(one) for form in (one, quote(one), quote(one, ""))}
        self._words = _words(words)
        self._names = _either(rf'"{re.escape(one)}"(?=\s*:)' for one in words)
        for plain, escaped in _ESCAPES:
            long |= {one.replace(plain, escaped) for one in long}
        self._long = sorted(long)

    def text(self, text: str) -> str:
        """`text` without them."""
        return self._literals.sub(HIDDEN, self._words.sub(HIDDEN, self._without(text)))

    def data(self, data: bytes) -> bytes:
        """`data`, a body, without them: still JSON where it was, as a short one may be a number or a name of it."""
        text = self._without(data.decode("latin-1"))
        names = {found.start() + 1 for found in self._names.finditer(text)}
        text = self._words.sub(lambda found: found[0] if found.start() in names else HIDDEN, text)
        if text.lstrip()[:1] in ("{", "[") or "data:" in text:
            text = _STRING.sub(lambda found: self._literals.sub(HIDDEN, found[0]), text)
        else:
            text = self._literals.sub(HIDDEN, text)
        return text.encode("latin-1")

    def chunks(self, chunks: Sequence[bytes]) -> tuple[bytes, ...]:
        """Likewise; as one where a secret is spread over what they are."""
        whole = b"".join(chunks)
        body = without_spread(self.data(whole).decode("latin-1"), self._long).encode("latin-1")
        if body == whole:
            return tuple(chunks)
        cleaned = tuple(map(self.data, chunks))
        return cleaned if b"".join(cleaned) == body else (body,)

    def asked_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Of a request's headers, those that are kept."""
        return {name: self.text(value) for name, value in sorted(headers.items()) if name.lower() in _READ_BY}

    def answered_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Of an answer's headers, those that are kept."""
        return {name: self._header(value) for name, value in headers.items() if _kept(name, value)}

    def url(self, url: str) -> str:
        """`url`, with what may be a secret hidden in its query, and whose project it is in its path."""
        place, mark, query = url.partition("?")
        fields = [_field(field) for field in query.split("&")]
        return self.text(_PROJECT.sub(HIDDEN, place) + mark + "&".join(fields))

    def _header(self, value: str) -> str:
        return self.url(value) if value.startswith(("https://", "http://")) else self.text(value)

    def _without(self, text: str) -> str:
        if "\\u00" in text or (self._odd and "\\" in text):
            text = self._written.sub(HIDDEN, text)
        text = self._coded.sub(HIDDEN, str(without(text, self._long)))
        return _OWNER.sub(HIDDEN, self._owners.sub(HIDDEN, text))


def _latin(text: str) -> str:
    return text.encode("utf-8", "replace").decode("latin-1")


def _either(patterns: Iterable[str]) -> re.Pattern[str]:
    found = [*patterns]
    return re.compile("|".join(found)) if found else _NEVER


def _words(words: Collection[str]) -> re.Pattern[str]:
    """Any of `words`, the longest first, and as whole ones."""
    written = "|".join(map(_writing, sorted(words, key=len, reverse=True)))
    return re.compile(rf"(?<![\w-])(?:{written})(?![\w-])") if words else _NEVER


def _writing(text: str) -> str:
    """A pattern of all ways to write `text` in JSON, and in JSON in JSON."""
    letters = (rf"(?:\\*{re.escape(letter)}|\\+u(?i:{ord(letter):04x}))" for letter in text)
    return "".join(letters)


def _coded(text: str) -> Iterator[str]:
    """What of base64 tells `text`, wherever it begins amid what is coded."""
    data = text.encode("utf-8", "replace")
    for before, first in enumerate((0, 2, 3)):
        coded = b64encode(bytes(before) + data).decode()[first : (before + len(data)) * 8 // 6]
        yield from (coded, coded.translate(_SAFE))


def _field(field: str) -> str:
    name, is_, _ = field.partition("=")
    return f"{name}={HIDDEN}" if is_ and secret(name) else field


def _kept(name: str, value: str) -> bool:
    if owning(name):
        return False
    return not telling(name) or (_TOKENS.search(name) is not None and _MEASURE.fullmatch(value) is not None)
