"""The key on its way into a prepared request: late, and in frames of its own, so that no traceback shows it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from llmkit.credentials import Got, Key
from llmkit.deadlines import Deadlines
from llmkit.errors import APIError, AuthenticationError, LLMKitError, MissingAuthError
from llmkit.secrets import of_headers, of_query

if TYPE_CHECKING:
    from llmkit.transport import Answer

# With one of the caller's own, no key is added.
AUTH_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")


def proves_itself(session: Any) -> bool:
    """Whether a caller's own session says by itself who asks: by a header of its own, or as google-auth's do."""
    if getattr(session, "credentials", None) is not None:
        return True
    headers = getattr(session, "headers", None)
    found = headers.items() if isinstance(headers, Mapping) else ()  # perhaps a dict, which minds capitals
    return any(str(name).lower() in AUTH_HEADERS and value is not None for name, value in found)


class Authorization:
    """What sets the key on a prepared request: late, and in a frame of its own, so that no traceback shows it."""

    __slots__ = ("_auth", "_key", "_next", "_ready", "_scheme", "_used")

    def __init__(self, key: Key, auth: Any, scheme: str) -> None:
        self._key = key
        self._auth = auth
        self._scheme = scheme
        self._used: Got | None = None
        self._ready: Got | None = None  # what was got before the call was sent
        self._next: Got | None = None  # in the place of one that was refused, as soon as that is known

    def __call__(self, prepared: Any) -> Any:
        """`prepared`, with the key in its headers, unless the caller's own prove who asks."""
        self._used = None
        if not any(name in prepared.headers for name in AUTH_HEADERS):
            # Another thread may have changed the key while the call waited to be sent; or is asking for another.
            got = self._used = self._next or self._key.held or self._ready
            if got is not None:
                for way in self._scheme.split("+"):
                    _set_key(prepared, way, got)
        if self._auth is None:
            return prepared
        signed = _signed(self._auth, prepared)
        self._key.learn(of_headers(signed.headers))
        return signed

    def learn(self, prepared: Any) -> None:
        """Count what proves in a request, or in a session, who asks as secrets, too: the caller's own has added it."""
        headers = {str(name): value for name, value in prepared.headers.items() if isinstance(value, str)}
        url = getattr(prepared, "url", None)
        query = parse_qsl(urlsplit(url).query) if isinstance(url, str) else ()
        self._key.learn([*of_headers(headers), *of_query(dict(query))])

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be told nowhere, as far as it is known yet."""
        return self._key.secrets

    def prepare(self, headers: Mapping[str, str], deadlines: Deadlines) -> None:
        """Ask the caller's function now, if it has to be: it may take its time, and may use what the call would hold.

        Args:
            headers: Of the request, their names in lower case.
            deadlines: Of the call, which bound the wait where another thread is asking.
        """
        if not any(name in headers for name in AUTH_HEADERS):
            self._ready = self._key.get(deadlines.spare)

    def refreshed(self, answer: "Answer", deadlines: Deadlines) -> bool:
        """Whether there is another key than the one that `answer` refuses; that is dropped if there is no telling."""
        if answer.lease is not None:
            answer.lease.end()  # who is asked may have to ask a host that has no other place
        try:
            self._next = None if self._used is None else self._key.refresh(self._used, deadlines.spare)
        except BaseException as error:
            if isinstance(error, LLMKitError):
                error._unsent = False  # noqa: SLF001 - for the count of tries: the request was sent
            answer.close()
            raise
        return self._next is not None

    def heard(self, error: APIError) -> APIError:
        """`error`, the answer to a second key: if that was refused, too, it is not kept."""
        if isinstance(error, AuthenticationError) and self._used is not None:
            self._key.drop(self._used)
        return error

    @property
    def proof(self) -> Callable[[], None] | None:
        """To be called once what was asked for came; None where nobody waits to be told of that."""
        used = self._used
        return partial(self._key.accept, used) if used is not None and used.unproved else None


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


def _set_key(prepared: Any, way: str, got: Got) -> None:
    """Add the key to a prepared request in one of the ways of `llmkit.provider.Auth`."""
    value = got.value
    if way in ("bearer", "google"):
        prepared.headers["authorization"] = f"Bearer {value}"
    elif way == "query":
        prepared.url += f"{'&' if '?' in prepared.url else '?'}key={quote(value, safe='')}"
    elif way != "none":
        prepared.headers[way] = value
