"""JSON, read and written as the wires need it: strict, UTF-8, and every failure a typed error.

Source: https://www.rfc-editor.org/rfc/rfc8259
"""

import json
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]  # in C, where Python has it
from math import isfinite
from types import NoneType
from typing import Any, Final, NoReturn, TypeAlias

from llmkit.errors import BODY_SHOWN, ConfigurationError, InvalidResponseError

try:
    from orjson import loads as _orjson
except ImportError:  # the extra `fast`
    _orjson = None  # type: ignore[assignment]

_PIECE: Final = 16_384  # letters that are written in UTF-8 at once
DEEPEST: Final = 200  # levels of what is read; and to which what cannot be written is looked for: a cycle has no end


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    """A number with a point or an exponent; what is read as infinity could not be written again."""
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"the number {digits:.40} is too large")
    return number


# What may stand between the place of a fault and the end of a text that was cut.
_BEGUN: Final = re.compile(r"t(ru?)?|f(a(ls?)?)?|n(ul?)?|-|\.|[eE][+-]?|u[0-9A-Fa-f]{0,4}|")


_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER: Final = b"0" * 19  # digits that 64 bits may be too few for


# One decoder for all: `json.loads` makes a new one whenever an argument is given, and sniffs the encoding of bytes.
_decoder = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)
_decode = _decoder.decode
_scan = _decoder.scan_once  # type: ignore[attr-defined]  # what `decode` calls between two searches for blanks, which providers send none of
# Cycles are noticed as what is nested too deeply, and not looked for at each step.
_encoder = json.JSONEncoder(check_circular=False, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_Pieces: TypeAlias = Callable[[object, bool], Iterable[str]]


def _writer(default: Callable[[Any], object]) -> _Pieces:
    """What writes values as `_encoder` does, and what `default` returns for those that it does not know."""
    if c_make_encoder is None:
        return json.JSONEncoder(
            check_circular=False, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=default
        ).iterencode
    made: _Pieces = c_make_encoder(None, default, encode_basestring, None, ":", ",", False, False, False)  # noqa: FBT003 - C takes no names
    return made


# Made once, as `_encoder.encode` makes one for each value, which takes longer than writing the arguments of a call.
_pieces: Final = _writer(_encoder.default)
# What is written for `Written`, to be found again: a number that nobody knows, so that no value can hold it.
_STAND_IN: Final = 1 << 63 | int.from_bytes(os.urandom(7), "big")
_STAND_IN_BYTES: Final = b"%d" % _STAND_IN


class Written:
    """What is JSON in UTF-8 already, for `dump_body` to put where it stands: a value, or several items of a list.

    Attributes:
        data: The JSON; that of items with commas between them.
        count: How many items.
    """

    __slots__ = ("count", "data")

    def __init__(self, data: bytes, count: int = 1) -> None:
        self.data = data
        self.count = count


def loads(text: str, what: str = "the answer", deepest: int = DEEPEST) -> Any:
    """The value that `text` is the JSON of, which has at most `deepest` levels.

    Raises:
        InvalidResponseError: It is no JSON, is nested too deeply, or holds a number that is too large.
    """
    if _orjson is not None:
        with suppress(ValueError):
            return _quickly(text.encode(), deepest)
    try:
        value, end = _scan(text, 0)
    except (StopIteration, ValueError, RecursionError):
        end = -1
    # Python can read deeper than it can pickle, compare or show.
    if end == len(text) and (
        end <= deepest or text.count("[") + text.count("{") <= deepest or not _deeper(value, deepest)
    ):
        return value
    return _loads(text, what, deepest)  # blanks around it, or what is wrong


def _quickly(data: bytes, deepest: int = DEEPEST) -> Any:
    """What the standard library reads of `data`, by orjson.

    Only reading: it writes NaN as null, and enumerations, of which users ought to hear.

    Raises:
        ValueError: It is not sure to be the same, or to be any: numbers of more than 64 bits would be rounded, and
            surrogates that stand alone refused.
    """
    if _LONG_NUMBER in data.translate(_DIGITS):
        raise ValueError("there may be a number of more than 64 bits")
    value = _orjson(data)
    if data.count(b"[") + data.count(b"{") > deepest and _deeper(value, deepest):
        raise ValueError("nested too deeply")
    return value


def scan(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at `at`, and where it ends.

    Raises:
        ValueError: It is none that `loads` would read.
    """
    try:
        value, end = _scan(text, at)
    except (StopIteration, RecursionError):
        raise ValueError("no JSON") from None
    if text.count("[", at, end) + text.count("{", at, end) > DEEPEST and _deeper(value, DEEPEST):
        raise ValueError("nested too deeply")
    return value, end


def _loads(text: str, what: str, deepest: int) -> Any:
    try:
        value = _decode(text)
        if text.count("[") + text.count("{") <= deepest or not _deeper(value, deepest):
            return value
        reason = "nested too deeply"
    except (ValueError, RecursionError) as exc:
        reason = "nested too deeply" if isinstance(exc, RecursionError) else str(exc)
    raise InvalidResponseError(f"{what} is not JSON: {reason}"[:300], path="$", body=text[:BODY_SHOWN])


def loads_or_text(text: str) -> Any:
    """The value that `text` is the JSON of, or `text` where it is none: errors are told as either."""
    try:
        return loads(text)
    except InvalidResponseError:
        return text


def load_bytes(data: bytes, what: str = "the answer") -> Any:
    """As `loads`, of UTF-8 whatever charset was declared; a byte order mark is skipped."""
    if _orjson is not None:
        with suppress(ValueError):
            return _quickly(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        reason = f"byte {exc.start} is not UTF-8"
    else:
        return loads(text, what)
    raise InvalidResponseError(f"{what}: {reason}", path="$", body=data[:BODY_SHOWN].decode("utf-8", "replace"))


def cut_short(data: bytes) -> bool:
    """Whether `data` is the beginning of a JSON text and not the whole of one."""
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as exc:
        if exc.end < len(data):
            return False
        text = data[: exc.start].decode("utf-8-sig", "ignore").strip()
    if not text.startswith(("{", "[")):
        return False
    try:
        _decode(text)
    except json.JSONDecodeError as exc:
        # Strings that do not end are reported where they begin, all else where the text stopped making sense: at its
        # end, or at a word or a number that is only begun.
        return exc.msg.startswith("Unterminated string") or bool(_BEGUN.fullmatch(text, exc.pos))
    except (ValueError, RecursionError):
        return False
    return False


def _deeper(value: object, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def dump_bytes(value: object, what: str = "request") -> bytes:
    """`value` as compact JSON in UTF-8; surrogates that stand alone become U+FFFD, as no provider takes them.

    Raises:
        ConfigurationError: `value` holds what JSON cannot: NaN, an object, a cycle; the message names the path.
    """
    return to_utf8(dump_text(value, what))


def dump_text(value: object, what: str = "request") -> str:
    """As `dump_bytes`, as text that is still to be written in UTF-8: a string in the JSON of a body, say.

    Raises:
        ConfigurationError: As `dump_bytes`.
    """
    return _dumped(_pieces, value, what)


def dump_body(value: object) -> bytes:
    """As `dump_bytes`, with what is `Written` in `value` as it is.

    Raises:
        ConfigurationError: As `dump_bytes`.
    """
    found: list[bytes] = []

    def default(other: object) -> Any:
        if type(other) is Written:
            found.append(other.data)
            return _STAND_IN
        return _encoder.default(other)  # raises

    data = to_utf8(_dumped(_writer(default), value, "request"))
    if not found:
        return data
    pieces = [b""] * (2 * len(found) + 1)
    pieces[::2] = data.split(_STAND_IN_BYTES)
    pieces[1::2] = found
    return b"".join(pieces)


def string_bytes(text: str) -> bytes:
    """As `dump_bytes`, of a text."""
    written: str = encode_basestring(text)
    try:  # most are short: what `to_utf8` does with those, without asking it
        return written.encode() if len(written) <= _PIECE else to_utf8(written)
    except UnicodeEncodeError:
        return to_utf8(written)


def _dumped(pieces: _Pieces, value: object, what: str) -> str:
    try:
        return "".join(pieces(value, False))  # noqa: FBT003 - as above
    except (TypeError, ValueError, RecursionError) as exc:
        reason = "nested too deeply" if isinstance(exc, RecursionError) else str(exc)
    raise ConfigurationError(f"{_fault(value, what) or what}: cannot be written as JSON: {reason}")


def to_utf8(text: str) -> bytes:
    """`text` in UTF-8; two halves of a surrogate pair are joined, one that stands alone becomes U+FFFD."""
    try:
        if len(text) <= _PIECE or text.isascii():
            return text.encode()
        # Python makes room for three bytes a letter, which for a long text comes from the system anew each time.
        return b"".join([text[at : at + _PIECE].encode() for at in range(0, len(text), _PIECE)])
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _fault(value: object, path: str) -> str | None:
    """The path of something in `value` that is not JSON; None where that is its depth."""
    rest = [(value, path, 0)]
    while rest:
        found, where, depth = rest.pop()
        if isinstance(found, float) and not isfinite(found):
            return where
        if depth > DEEPEST or found is None or isinstance(found, (str, int, float, Written)):
            continue
        if isinstance(found, dict):
            if not all(isinstance(key, (str, int, float, NoneType)) for key in found):
                return where
            rest += [(item, f"{where}.{key}", depth + 1) for key, item in found.items()]
        elif isinstance(found, (list, tuple)):
            index = 0
            for item in found:
                rest.append((item, f"{where}[{index}]", depth + 1))
                index += item.count if isinstance(item, Written) else 1
        else:
            return where
    return None
