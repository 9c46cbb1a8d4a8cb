"""A request as a cassette has it: its body as a value, large base64 by its hash."""

import hashlib
import json
import re
from typing import Any, Final

from llmkit.testing.cassettes.cleaning import Cleaner
from llmkit.testing.cassettes.recordings import Asked
from llmkit.transport import Outgoing
from llmkit.transport.outgoing import address

_LARGE: Final = re.compile(r"[A-Za-z0-9+/_-]{1024,}={0,2}")
_DEEPEST: Final = 64  # levels of JSON that are written as YAML
_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)')


def asked_of(outgoing: Outgoing, cleaner: Cleaner) -> Asked:
    """What a cassette has of `outgoing`.

    Raises:
        ConfigurationError: Its URL is none.
    """
    url, headers = cleaner.url(address(outgoing.url)[0]), outgoing.headers
    kind = headers.get("content-type", "")
    boundary = _BOUNDARY.search(kind)
    kept, body = cleaner.asked_headers(headers), outgoing.body or b""
    if boundary is not None:  # another one each time
        body = body.replace(boundary[1].encode(), b"boundary")
        kept = {name: value.replace(boundary[1], "boundary") for name, value in kept.items()}
    body = cleaner.data(body)
    if (value := json_of(body)) is not None:
        return Asked(outgoing.method, url, kept, json=_short(value))
    return Asked(outgoing.method, url, kept, text=_text(body) if body else None)


def json_of(body: bytes) -> Any:
    """The JSON in `body`; None where it is none, or nested as deep as only text may be."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if shallow(value) else None


def shallow(value: Any, levels: int = _DEEPEST) -> bool:
    """Whether `value`, which is JSON, is not nested deeper than can be written as YAML."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(shallow(item, levels - 1) for item in inner)


def _text(body: bytes) -> str:
    try:
        return _LARGE.sub(_hash, body.decode())
    except UnicodeDecodeError:
        return f"[sha256:{hashlib.sha256(body).hexdigest()} of {len(body)} bytes]"


def _short(value: Any) -> Any:
    """JSON with the large base64 in it shortened."""
    if isinstance(value, str):
        return _LARGE.sub(_hash, value)
    if isinstance(value, list):
        return [_short(item) for item in value]
    if isinstance(value, dict):
        return {name: _short(item) for name, item in value.items()}
    return value


def _hash(found: re.Match[str]) -> str:
    return f"[sha256:{hashlib.sha256(found[0].encode()).hexdigest()} of {len(found[0])} characters]"
