"""Keeping secrets out of cassettes: keys, cookies, ids of organisations and projects. Pure functions."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from llmkit.secrets import HIDDEN, LONG, of_headers, telling, without
from llmkit.testing.cassettes.spread import without_spread

_READ_BY: Final = frozenset(("accept", "content-type", "anthropic-version", "anthropic-beta", "openai-beta"))
_OWNERS: Final = re.compile(
    r"organi[sz]ation|project|account|tenant|subscription|workspace|user(?!-agent)", re.IGNORECASE
)
_OWNER: Final = re.compile(r"\b(?:org|proj)[-_][A-Za-z0-9]{12,}|(?<=\bprojects/)[0-9]{6,}")
_PROJECT: Final = re.compile(r"(?<=/projects/)[^/?]+")
_TOKENS: Final = re.compile(r"ratelimit|rate-limit|token-count|tokens?-(?:used|limit|remaining)", re.IGNORECASE)
_MEASURE: Final = re.compile(r"-?[0-9][0-9a-zA-Z:.+-]{0,30}")
_PAGES: Final = frozenset(("pagetoken", "page_token"))  # of lists: no secret, and two pages must not look alike
_ESCAPES: Final = (("/", "\\/"), ("=", "\\u003d"), ("+", "\\u002b"), ("&", "\\u0026"))  # as some hosts write JSON


def of_request(headers: Mapping[str, str], url: str) -> list[str]:
    """What in a request may be a secret, beside the key."""
    fields = parse_qsl(urlsplit(url).query)
    owners = [value for name, value in headers.items() if _OWNERS.search(name)]
    return [*of_headers(headers), *owners, *(value for name, value in fields if _secret(name))]


def of_session(session: Any) -> list[str]:
    """What a caller's own session adds to requests, as far as that can be seen."""
    headers = getattr(session, "headers", None)
    found = of_headers({str(name): str(headers[name]) for name in headers}) if isinstance(headers, Mapping) else []
    auth = getattr(session, "auth", None)
    found += [str(item) for item in auth[1:]] if isinstance(auth, tuple) else []
    token = getattr(getattr(session, "credentials", None), "token", None)
    return [*found, token] if isinstance(token, str) else found


def of_answer(headers: Mapping[str, str]) -> list[str]:
    """What an answer's headers tell of whose key it was; it may stand in the body as well."""
    values = [value for name, value in headers.items() if _OWNERS.search(name)]
    cookies = headers.get("set-cookie", "").split(",")
    values += [cookie.partition(";")[0].partition("=")[2] for cookie in cookies]
    return [value for value in values if len(value) >= LONG]


class Cleaner:
    """Hides secrets in all that goes into a cassette.

    Args:
        secrets: As they are.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if secret}
        for plain, escaped in _ESCAPES:
            known |= {secret.replace(plain, escaped) for secret in known}
        # Bytes are looked at as if they were Latin-1, which changes none of them.
        known |= {secret.encode("utf-8", "replace").decode("latin-1") for secret in known}
        self._secrets = sorted(known)

    def text(self, text: str) -> str:
        """`text` without them."""
        return _OWNER.sub(HIDDEN, str(without(text, self._secrets)))

    def data(self, data: bytes) -> bytes:
        """`data` without them."""
        return self.text(data.decode("latin-1")).encode("latin-1")

    def chunks(self, chunks: Sequence[bytes]) -> tuple[bytes, ...]:
        """Likewise; as one where a secret is spread over what they are."""
        cleaned = tuple(map(self.data, chunks))
        whole = self.data(b"".join(chunks)).decode("latin-1")
        body = without_spread(whole, self._secrets).encode("latin-1")
        return cleaned if b"".join(cleaned) == body else (body,)

    def asked_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Of a request's headers, those that are kept."""
        return {name: self.text(value) for name, value in sorted(headers.items()) if name.lower() in _READ_BY}

    def answered_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Of an answer's headers, those that are kept."""
        return {name: self.text(value) for name, value in headers.items() if _kept(name, value)}

    def url(self, url: str) -> str:
        """`url`, with what may be a secret hidden in its query, and whose project it is in its path."""
        place, mark, query = url.partition("?")
        fields = [_field(field) for field in query.split("&")]
        return self.text(_PROJECT.sub(HIDDEN, place) + mark + "&".join(fields))


def _field(field: str) -> str:
    name, is_, _ = field.partition("=")
    return f"{name}={HIDDEN}" if is_ and _secret(name) else field


def _secret(name: str) -> bool:
    """Whether what a field of a query holds may be one."""
    return telling(name) and name.lower() not in _PAGES


def _kept(name: str, value: str) -> bool:
    if _OWNERS.search(name):
        return False
    return not telling(name) or (_TOKENS.search(name) is not None and _MEASURE.fullmatch(value) is not None)
