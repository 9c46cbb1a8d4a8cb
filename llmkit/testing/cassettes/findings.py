"""Where calls have secrets, beside the key, and ids of whose they are: in headers, addresses, sessions, and bodies.

Pure functions. What they find is hidden wherever it stands, see `Cleaner`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from llmkit.secrets import LONG, of_address, of_headers, telling

_OWNERS: Final = re.compile(
    r"organi[sz]ation|project|account|tenant|subscription|workspace|user(?!-agent)", re.IGNORECASE
)
_PROJECT: Final = re.compile(r"(?<=/)projects/[^/?]+")
_PAGES: Final = frozenset(("pagetoken", "page_token"))  # of lists: no secret, and two pages must not look alike
_PROOF: Final = (
    r"(?:proxy[-_])?authorization(?:[-_]token)?|(?:x[-_])?api[-_]?key|(?:auth|access|bearer)[-_]?token|"
    r"password|(?:client[-_]?)?secret"
)
_PROVES: Final = re.compile(_PROOF, re.IGNORECASE)
_CALLS: Final = ("params", "body")  # where batches have the calls that they are of
_MAY_PROVE: Final = re.compile(rf'"(?:{_PROOF}|headers)"\s*:'.encode(), re.IGNORECASE)


def owning(name: str) -> bool:
    """Whether a header of this name tells whose a call is."""
    return _OWNERS.search(name) is not None


def secret(name: str) -> bool:
    """Whether what a field of a query holds may be one; ``sig`` is what signed addresses have."""
    return name.lower() == "sig" or (telling(name) and name.lower() not in _PAGES)


def of_request(headers: Mapping[str, str], url: str, body: bytes | None = None) -> list[str]:
    """What in a request may be a secret."""
    fields = parse_qsl(urlsplit(url).query)
    return [*of_headers(headers), *(value for name, value in fields if secret(name)), *_of_body(body or b"")]


def owners_of_request(headers: Mapping[str, str], url: str) -> list[str]:
    """What in a request tells whose it is."""
    return [*(value for name, value in headers.items() if owning(name)), *_PROJECT.findall(urlsplit(url).path)]


def of_session(session: Any) -> list[str]:
    """What a caller's own session adds to requests, as far as that can be seen before it does."""
    headers = getattr(session, "headers", None)
    found = of_headers({str(name): str(headers[name]) for name in headers}) if isinstance(headers, Mapping) else []
    auth = getattr(session, "auth", None)
    found += [str(item) for item in auth[1:]] if isinstance(auth, tuple) else []
    proxies = getattr(session, "proxies", None)
    found += [part for url in proxies.values() for part in of_address(str(url))] if isinstance(proxies, Mapping) else []
    token = getattr(getattr(session, "credentials", None), "token", None)
    return [*found, token] if isinstance(token, str) else found


def of_answer(headers: Mapping[str, str]) -> list[str]:
    """The cookies that an answer sets; they may stand in the body as well."""
    cookies = headers.get("set-cookie", "").split(",")
    values = [cookie.partition(";")[0].partition("=")[2] for cookie in cookies]
    return [value for value in values if len(value) >= LONG]


def owners_of_answer(headers: Mapping[str, str]) -> list[str]:
    """What an answer's headers tell of whose key it was."""
    return [value for name, value in headers.items() if owning(name) and len(value) >= LONG]


def _of_body(body: bytes) -> Iterator[str]:
    """What a provider is handed so that it may ask others: servers of tools, hosts behind a gateway.

    It stands at the top of a call, or in the objects of a list there. Deeper it is what somebody says.
    """
    if _MAY_PROVE.search(body) is None:
        return
    for line in body.splitlines():  # of a file for a batch each is a call
        try:
            top = json.loads(line)
        except (ValueError, RecursionError):
            continue
        yield from _of_call(top)


def _of_call(call: Any) -> Iterator[str]:
    """Likewise, of one that was read, or of several in a list."""
    lists = [value for value in call.values() if isinstance(value, list)] if isinstance(call, dict) else []
    for one in (call, *(item for items in lists for item in items)):
        told = one.items() if isinstance(one, dict) else ()
        yield from (value for name, value in told if isinstance(value, str) and _PROVES.fullmatch(name))
        for name, value in told:
            if name == "headers" and isinstance(value, dict):
                yield from of_headers({name: text for name, text in value.items() if isinstance(text, str)})
            elif name in _CALLS and isinstance(value, dict):
                yield from _of_call(value)
