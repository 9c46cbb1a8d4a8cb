"""Error bodies of every shape, whichever wire they come on: gateways tell of errors as the hosts behind them do.

What a wire's own provider says in a way of its own is an `Own`, and what only it says stays in its wire.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from llmkit.errors import (
    CONTEXT_LENGTH_EXCEEDED,
    APIError,
    AuthenticationError,
    BadRequestError,
    InvalidResponseError,
    QuotaExceededError,
    status_error,
)
from llmkit.json_codec import loads
from llmkit.wire.base import ErrorDetails
from llmkit.wire.error_codes import NUMBERED, SPENT, STATUSES
from llmkit.wire.overflow import is_overflow
from llmkit.wire.reading import object_or_empty, text_or
from llmkit.wire.signals import ErrorEvent

SPENT_WORDS: Final = (
    r"PerDay|free[- ]models?[- ]per[- ]day|insufficient (account )?balance|please recharge|"
    r"(/|\bper) ?month\b|\bmonthly\b|per day (limit|quota) exceeded|daily free allocation"
)
# Not of a field of that name, as a tool may have: behind a point, or one that is not known.
BAD_KEY: Final = re.compile(
    r"(incorrect|invalid|missing|not valid|unknown(?! (name|field|parameter|argument|property))|expired)\W+"
    r"(\w+\W+){0,4}?(?<!\.)(api|access)[ _-]?(key|token)|"
    r"(?<!\.)(api|access)[ _-]?key\W+(\w+\W+){0,3}?(incorrect|invalid|not valid|not found|missing|expired)|"
    r"API_KEY_INVALID",
    re.IGNORECASE,
)
# 0: the error does not tell. 500: some servers fail so where they should have refused.
_ABOUT_LENGTH: Final = frozenset({0, 400, 413, 422, 500})
_SURELY: Final = ("errors", "error_code", "detail")
_PERHAPS: Final = ("message", "code")
_FINE: Final = frozenset({"", "ok", "success"})
# Where a host puts what it tells beside the choices of a chunk, an error included.
_ASIDE: Final = "x_groq"


@frozen
class Own:
    """What a wire's provider says in a way of its own.

    Attributes:
        names: The keys of what an error is called; the first of them that is there is the code.
        statuses: Its words, in small letters, and the status that each stands for.
        too_long: What it says with a 400 to a prompt that is too long.
        bad_key: What it says, in words or details, with a 400 to a key that is none.
        spent: What it says, in words or details, with a 429 that waiting will not mend.
    """

    names: tuple[str, ...] = ("code", "error_code", "type", "error_type", "status")
    statuses: Mapping[str, int] = {}
    too_long: re.Pattern[str] | None = None
    bad_key: re.Pattern[str] = BAD_KEY
    spent: re.Pattern[str] = re.compile(rf"exceeded your current quota|{SPENT_WORDS}", re.IGNORECASE)


_ANY: Final = Own()


def outer_object(body: Any) -> Mapping[str, Any]:
    """The body's object, which some put into a list."""
    return object_or_empty(body[0] if isinstance(body, list) and body else body)


def error(status: int, body: Any, own: Own) -> ErrorDetails:
    """What an error body says, whether it is JSON or text.

    Args:
        status: The HTTP answer's.
        body: The body, or what an event holds.
        own: What goes before what any host may say.
    """
    found = outer_object(body)
    inner = _inner(found)
    details = object_or_empty(inner)
    message = _message(inner, found, body)
    words = list(_words(details, found, own.names))
    implied = _numeric(details, found) or next(filter(None, (_status_of(word, own) for word in words)), 0)
    code = words[0] if words else _number(details, found) or (str(implied) if implied else None)
    told = status if status >= 400 else implied  # noqa: PLR2004
    cls = _class(told, implied, words, f"{message} {details.get('details') or ''}", own)
    if told in _ABOUT_LENGTH and (_is_overflow(words, message, details) or _says_too_long(told, message, own)):
        code, cls, implied = CONTEXT_LENGTH_EXCEEDED, BadRequestError, implied or 400
    return ErrorDetails(
        cls=cls,
        status=implied or None,
        code=code,
        message=message,
        retry_after=_retry_after(details),
        request_id=text_or(found.get("request_id"), None),
    )


def raise_if_error(found: Mapping[str, Any], *answers: str) -> None:
    """Raise `ErrorEvent` where a body tells of an error instead of an answer.

    Args:
        found: The body.
        answers: The keys of which an answer has one.
    """
    is_answer = any(key in found for key in answers)
    if is_failure(found) or (not is_answer and (is_error(found) or has_words(found))):
        raise ErrorEvent(found)


def is_failure(found: Mapping[str, Any]) -> bool:
    """Whether a body or a chunk says that the answer failed, whatever else stands in it."""
    return bool(found.get("error") or _aside(found) or _numbered(found))


def is_error(found: Mapping[str, Any]) -> bool:
    """Whether what is no answer is an error for sure, and not a word in between."""
    if "error" in (found.get("object"), found.get("type")) or any(found.get(key) for key in _SURELY):
        return True
    code = text_or(found.get("code"), "")
    has_code = not (code.isdecimal() or code.lower() in _FINE)
    return has_words(found) and (has_code or error(200, found, _ANY).status is not None)


def has_words(found: Mapping[str, Any]) -> bool:
    """Whether what is no answer has something to say."""
    return any(found.get(key) for key in _PERHAPS)


def _status_of(word: str, own: Own) -> int:
    word = word.lower()
    return own.statuses.get(word) or STATUSES.get(word, 0)


def _says_too_long(told: int, message: str, own: Own) -> bool:
    """Whether the provider's own words, which may be less exact than those of all hosts, say so."""
    return told == 400 and own.too_long is not None and own.too_long.search(message) is not None  # noqa: PLR2004


def _is_overflow(words: list[str], message: str, details: Mapping[str, Any]) -> bool:
    if is_overflow(words, message, details):
        return True
    # A gateway's own words say little: what its host answered stands beside them.
    raw = object_or_empty(details.get("metadata")).get("raw")
    try:
        told = _inner(outer_object(loads(raw) if isinstance(raw, str) else raw))
    except InvalidResponseError:
        return is_overflow((), str(raw), {})
    inner = object_or_empty(told)
    return is_overflow(_words(inner, {}, _ANY.names), _message(told, {}, ""), inner)


def _class(told: int, implied: int, words: list[str], text: str, own: Own) -> type[APIError] | None:
    """The class that the body stands for, where it says more than the status; `text` is all that it says."""
    if told == 429 and (not SPENT.isdisjoint(map(str.lower, words)) or own.spent.search(text)):  # noqa: PLR2004
        return QuotaExceededError
    if told in (400, 401) and (implied == 401 or own.bad_key.search(text)):  # noqa: PLR2004 - 400: some hosts, to a bad key
        return AuthenticationError
    return status_error(implied) if implied else None


def _inner(found: Mapping[str, Any]) -> Any:
    """What tells most of the error, wherever it stands: in itself, in a detail, in a list."""
    if found.get("error"):
        return found["error"]
    if word := _aside(found):
        return {"code": word, "message": word} if isinstance(word, str) else word
    if _numbered(found):
        return found["base_resp"]
    for key in ("detail", "errors", "fault"):
        place = found.get(key)
        place = place[0] if key == "errors" and isinstance(place, list) and place else place
        if isinstance(place, dict):
            return place.get("error") or place
    return found


def _aside(found: Mapping[str, Any]) -> Any:
    return object_or_empty(found.get(_ASIDE)).get("error")


def _numbered(found: Mapping[str, Any]) -> int:
    """The number of an error in a ``base_resp``, which stands in every body of its hosts; 0 where all went well."""
    number = object_or_empty(found.get("base_resp")).get("status_code")
    return number if isinstance(number, int) and not found.get("choices") else 0


def _words(details: Mapping[str, Any], outer: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    """What the error is called, under each of `names`: what is told first says most."""
    for holder in (details, outer) if details is not outer else (details,):
        # A status around the error is that of the answer which failed.
        for key in names if holder is details else (name for name in names if name != "status"):
            word = text_or(holder.get(key), "").strip()
            if word and word != "error":  # that is the envelope's own word
                yield word


def _numeric(details: Mapping[str, Any], outer: Mapping[str, Any]) -> int:
    """An HTTP status that stands in the body as a number or its text, else 0."""
    for holder in (details, outer):
        if "status_msg" in holder and (known := NUMBERED.get(str(holder.get("status_code")))):
            return known
        for key in ("code", "status", "status_code", "http_status_code", "raw_status_code"):
            value = holder.get(key)
            if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) == 3:  # noqa: PLR2004
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:  # noqa: PLR2004
                return value
    return 0


def _number(details: Mapping[str, Any], outer: Mapping[str, Any]) -> str | None:
    """A code that is a number, as text."""
    for holder in (details, outer):
        for key in ("code", "error_code", "status_code"):
            code = holder.get(key)
            if isinstance(code, int) and not isinstance(code, bool):
                return str(code)
    return None


def _message(inner: object, outer: Mapping[str, Any], body: object) -> str:
    """The provider's words, wherever they stand."""
    details = object_or_empty(inner)
    names = ("message", "detail", "faultstring", "error_msg", "status_msg", "errors")
    places = (details.get("message"), inner, *map(details.get, names), *map(outer.get, names), body)
    return next((text for place in places if (text := _text(place))), "")


def _text(place: object) -> str:
    """The words of one place; lists are FastAPI's: what is wrong, and where."""
    if isinstance(place, str):
        return place.strip()
    if isinstance(place, list):
        return "; ".join(filter(None, map(_fault, place)))
    if isinstance(place, dict) and isinstance(place.get("detail"), (str, list)):
        return _text(place["detail"])
    return ""


def _fault(told: object) -> str:
    if isinstance(told, str):
        return told.strip()
    item = object_or_empty(told)
    words, where = text_or(item.get("msg"), ""), item.get("loc")
    path = ".".join(str(step) for step in where) if isinstance(where, list) else ""
    return f"{path}: {words}" if path and words else words


def _retry_after(details: Mapping[str, Any]) -> float | None:
    """The wait that Gemini's body asks for, through its compatible endpoint, too: ``"retryDelay": "17s"``."""
    asked = details.get("details")
    for item in asked if isinstance(asked, list) else ():
        match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)s", text_or(object_or_empty(item).get("retryDelay"), ""))
        if match and float(match[1]) > 0:
            return float(match[1])
    return None
