"""The key on its way into a prepared request: late, and in frames of its own, so that no traceback shows it."""

from typing import Any
from urllib.parse import quote

from llmkit.credentials import Key
from llmkit.errors import LLMKitError, MissingAuthError
from llmkit.secrets import of_headers

# With one of the caller's own, no key is added.
AUTH_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")


class Authorization:
    """What sets the key on a prepared request: late, and in a frame of its own, so that no traceback shows it."""

    __slots__ = ("_auth", "_key", "_scheme", "_used")

    def __init__(self, key: Key, auth: Any, scheme: str) -> None:
        self._key = key
        self._auth = auth
        self._scheme = scheme
        self._used: str | None = None

    def __call__(self, prepared: Any) -> Any:
        """`prepared`, with the key in its headers, unless the caller's own prove who asks."""
        value = self._used = self._key.value()
        if value is not None and not any(name in prepared.headers for name in AUTH_HEADERS):
            for way in self._scheme.split("+"):
                _set_key(prepared, way, value)
        if self._auth is None:
            return prepared
        signed = _signed(self._auth, prepared)
        self._key.learn(of_headers(signed.headers))
        return signed

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be told nowhere, as far as it is known yet."""
        return self._key.secrets

    def refreshed(self) -> bool:
        """Whether there is another key than the one that was sent."""
        return self._key.refresh(self._used)


def _signed(auth: Any, prepared: Any) -> Any:
    """What a caller's own `auth` makes of the request.

    Raises:
        MissingAuthError: It failed, or returned no request.
    """
    try:
        signed = auth(prepared)
    except LLMKitError:
        raise
    except Exception as error:  # noqa: BLE001 - the caller's own code may raise anything
        failed: Exception | None = error
    else:
        if hasattr(signed, "headers"):
            return signed
        failed = None
    reason = "it returned no request" if failed is None else f"it failed with {type(failed).__name__}"
    raise MissingAuthError(f"auth: {reason}: it must return the prepared request that it is called with") from failed


def _set_key(prepared: Any, way: str, value: str) -> None:
    """Add the key to a prepared request in one of the ways of `llmkit.provider.Auth`."""
    if way in ("bearer", "google"):
        prepared.headers["authorization"] = f"Bearer {value}"
    elif way == "query":
        prepared.url += f"{'&' if '?' in prepared.url else '?'}key={quote(value, safe='')}"
    elif way != "none":
        prepared.headers[way] = value
