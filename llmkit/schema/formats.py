"""Values that JSON writes as strings: bytes, decimals, dates and times, durations, UUIDs.

Sources: https://www.rfc-editor.org/rfc/rfc3339 (the offset may be missing, so that naive values have a writing),
https://json-schema.org/draft/2020-12/json-schema-validation#section-7.3 and
https://www.rfc-editor.org/rfc/rfc4648#section-4
"""

import base64
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from llmkit.schema.shapes import Written

# [0-9], as \d is other digits, too; and patterns are matched whole, as $ stands before a line's end, too.
_BASE64: Final = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_DECIMAL: Final = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,6})?"
_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?"
_UUID: Final = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_DURATION: Final = re.compile(
    r"(?P<minus>-)?P(?=.)(?:(?P<weeks>[0-9]+)W)?(?:(?P<days>[0-9]+)D)?"
    r"(?:T(?=.)(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?"
    r"(?:(?P<seconds>[0-9]+)(?:\.(?P<fraction>[0-9]+))?S)?)?"
)


def _matched(pattern: str, value: Any) -> str:
    if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
        raise ValueError
    return value


def _read_bytes(value: Any) -> bytes:
    return base64.b64decode(_matched(_BASE64, value))


def _write_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _read_decimal(value: Any) -> Decimal:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        found = Decimal(repr(value) if isinstance(value, float) else value)
    else:
        found = Decimal(_matched(_DECIMAL, value))
    if not found.is_finite():
        raise ValueError
    return found


def _write_decimal(value: Decimal) -> str:
    return _matched(_DECIMAL, str(value))


def _read_date(value: Any) -> date:
    return date.fromisoformat(_matched(_DATE, value))


def _read_datetime(value: Any) -> datetime:
    return datetime.fromisoformat(_matched(f"{_DATE}[Tt]{_TIME}", value).upper())


def _read_time(value: Any) -> time:
    return time.fromisoformat(_matched(_TIME, value).upper())


def _write_datetime(value: datetime) -> str:
    offset = value.utcoffset()
    if offset is not None and offset % timedelta(minutes=1):  # which the format has no room for
        value = value.astimezone(UTC)
    return value.isoformat()


def _write_time(value: time) -> str:
    return _matched(_TIME, value.isoformat())


def _read_duration(value: Any) -> timedelta:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    parts = {name: int(match[name] or 0) for name in ("weeks", "days", "hours", "minutes", "seconds")}
    # What is finer than a microsecond is cut, as datetime does.
    micro = int(f"{match['fraction'] or '':0<6.6}")
    found = timedelta(**parts, microseconds=micro)
    return -found if match["minus"] else found


def _write_duration(value: timedelta) -> str:
    minus, value = ("-", -value) if value < timedelta() else ("", value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    days = f"{value.days}D" if value.days else ""
    clock = "".join(
        f"{number}{part}{letter}"
        for number, part, letter in ((hours, "", "H"), (minutes, "", "M"), (seconds, fraction, "S"))
        if number or part
    )
    if not days and not clock:
        return "PT0S"
    return f"{minus}P{days}{'T' if clock else ''}{clock}"


def _read_uuid(value: Any) -> UUID:
    return UUID(_matched(_UUID, value))


def _text(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


# By how special they are: where a string could be several of the members of a union, it is the first of them.
WRITTEN: Final = (
    Written(datetime, "a date-time (RFC 3339)", _text(format="date-time"), _read_datetime, _write_datetime),
    Written(date, "a date (YYYY-MM-DD)", _text(format="date"), _read_date, date.isoformat),
    Written(time, "a time (hh:mm:ss)", _text(format="time"), _read_time, _write_time),
    Written(timedelta, "a duration (ISO 8601)", _text(format="duration"), _read_duration, _write_duration),
    Written(UUID, "a UUID", _text(format="uuid"), _read_uuid, str),
    Written(
        Decimal,
        "a decimal number",
        {"anyOf": [{"type": "number"}, _text(pattern=f"^{_DECIMAL}$")]},
        _read_decimal,
        _write_decimal,
        numeric=True,
    ),
    Written(
        bytes,
        "base64",
        _text(contentEncoding="base64", pattern=f"^{_BASE64}$"),
        _read_bytes,
        _write_bytes,
    ),
)
