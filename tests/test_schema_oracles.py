"""pydantic and msgspec on the types that all three know: each reads what the others write, and takes the same JSON."""

import dataclasses
import enum
import itertools
import json
import os
import typing
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import annotated_types
import msgspec
import pydantic
import pytest
import typing_extensions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies_schema import JSONS, TEXTS, Case, accepts, mutated

from llmkit.schema import Misfit, json_schema, structure, unstructure

EXAMPLES = int(os.environ.get("LLMKIT_EXAMPLES") or 15)
quick = settings(
    deadline=None,
    derandomize=True,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


_NUMBERS = itertools.count()  # msgspec's schemas need a name for each class


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


# Of these all three say the same of every JSON value.
STRICT = [
    Case(bool, st.booleans(), "boolean"),
    Case(int, st.integers(-(2**60), 2**60), "integer"),
    Case(float, st.floats(-1e9, 1e9), "number"),
    Case(str, TEXTS, "string"),
    Case(None, st.none(), "null"),
    Case(Colour, st.sampled_from(Colour), "string"),
    Case(Level, st.sampled_from(Level), "integer"),
    Case(Literal["a", "b"], st.sampled_from("ab"), "string"),
    Case(Annotated[int, annotated_types.Ge(0), msgspec.Meta(ge=0)], st.integers(0, 9), "integer"),
    Case(Annotated[str, annotated_types.MaxLen(2), msgspec.Meta(max_length=2)], st.text("xy", max_size=2), "string"),
]
# Of these the others take more writings than the RFCs have, or fewer.
WRITTEN = [
    Case(date, st.dates(), "string"),
    Case(datetime, st.datetimes(timezones=st.just(UTC)), "string"),
    Case(UUID, st.uuids(), "string"),
    Case(timedelta, st.timedeltas(timedelta(0), timedelta(days=364)), "string"),  # pydantic writes years
]


@st.composite
def common(draw: st.DrawFn, leaves: list[Case], depth: int = 2) -> Case:
    kind = draw(st.sampled_from(["leaf", "list", "dict", "tuple", "optional", "dataclass", "typed dict"]))
    if depth == 0 or kind == "leaf":
        return draw(st.sampled_from(leaves))
    item = draw(common(leaves, depth - 1))
    match kind:
        case "list":
            return Case(list[item.type], st.lists(item.values, max_size=3), "array")
        case "dict":
            return Case(dict[str, item.type], st.dictionaries(TEXTS, item.values, max_size=3), "object")
        case "tuple":
            other = draw(common(leaves, depth - 1))
            return Case(tuple[item.type, other.type], st.tuples(item.values, other.values), "array")
        case "optional":
            return Case(typing.Optional[item.type], st.none() | item.values, item.kind)
        case "dataclass":
            other = draw(common(leaves, depth - 1))
            default = draw(st.just(dataclasses.MISSING) | other.values)
            return _dataclass(item, other, default)
    other = draw(common(leaves, depth - 1))
    cls = typing_extensions.TypedDict(f"D{next(_NUMBERS)}", {"a": item.type, "b": other.type})  # type: ignore[operator]
    cls.__pydantic_config__ = {"extra": "forbid"}
    return Case(cls, st.fixed_dictionaries({"a": item.values, "b": other.values}), "object")


def _dataclass(item: Case, other: Case, default: Any) -> Case:
    how = {} if default is dataclasses.MISSING else {"default_factory": lambda: default}
    field: Any = dataclasses.field(**how)
    cls = dataclasses.make_dataclass(f"C{next(_NUMBERS)}", [("a", item.type), ("b", other.type, field)])
    cls.__module__ = __name__
    cls.__pydantic_config__ = {"extra": "forbid"}
    return Case(cls, st.builds(cls, item.values, other.values), "object")


def reads(value: Any, type_: Any) -> bool:
    try:
        structure(value, type_)
    except Misfit:
        return False
    return True


def whole_floats(value: Any) -> bool:
    """JSON Schema takes 1.0 for an integer, the others do not."""
    if isinstance(value, float):
        return value.is_integer()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(whole_floats, parts))


@quick
@given(st.data())
def test_pydantic_reads_what_is_written_and_writes_what_is_read(data):
    case = data.draw(common([*STRICT, *WRITTEN]))
    value = data.draw(case.values)
    adapter = pydantic.TypeAdapter(case.type)
    ours, theirs = unstructure(value, case.type), adapter.dump_python(value, mode="json")
    assert adapter.validate_json(json.dumps(ours), strict=True) == value
    assert structure(theirs, case.type) == value
    assert accepts(adapter.json_schema(), ours)
    assert accepts(json_schema(case.type), theirs)


@quick
@given(st.data())
def test_msgspec_reads_what_is_written_and_writes_what_is_read(data):
    case = data.draw(common([*STRICT, *WRITTEN]))
    value = data.draw(case.values)
    ours, theirs = unstructure(value, case.type), json.loads(msgspec.json.encode(value))
    assert msgspec.json.decode(json.dumps(ours), type=case.type) == value
    assert structure(theirs, case.type) == value
    assert accepts(msgspec.json.schema(case.type), ours)
    assert accepts(json_schema(case.type), theirs)


@quick
@given(st.data())
def test_pydantic_takes_the_same_json(data):
    case = data.draw(common(STRICT))
    value = data.draw(mutated(unstructure(data.draw(case.values), case.type)) | JSONS)
    if whole_floats(value):
        return
    try:
        pydantic.TypeAdapter(case.type).validate_json(json.dumps(value), strict=True)
    except pydantic.ValidationError:
        assert not reads(value, case.type)
    else:
        assert reads(value, case.type)


@quick
@given(st.data())
def test_msgspec_takes_the_same_json(data):
    """But for keys that nobody knows: it passes them over."""
    case = data.draw(common(STRICT))
    value = data.draw(mutated(unstructure(data.draw(case.values), case.type)) | JSONS)
    if whole_floats(value):
        return
    try:
        msgspec.json.decode(json.dumps(value), type=case.type)
    except msgspec.ValidationError:
        assert not reads(value, case.type)
    else:
        try:
            structure(value, case.type)
        except Misfit as misfit:
            assert "is unknown" in misfit.problem


DATE_TIMES = {
    "2024-02-29T12:30:00Z": True,
    "2024-02-29T12:30:00.5Z": True,
    "2024-02-29t12:30:00z": True,
    "2024-02-29T12:30:00+05:30": True,
    "2024-02-29T12:30:00": True,
    "2024-02-30T12:30:00Z": False,
    "2024-02-29T24:00:00Z": False,
    "2024-02-29T12:60:00Z": False,
    "2024-02-29T12:30Z": False,
    "2024-02-29": False,
    "20240229T123000Z": False,
    "2024-W09-4T12:30:00Z": False,
    "2024-02-29T12:30:00+0530": False,
    " 2024-02-29T12:30:00Z": False,
    "2024-02-29T12:30:00Z\n": False,
    "٢٠٢٤-02-29T12:30:00Z": False,
}


@pytest.mark.parametrize(("text", "right"), DATE_TIMES.items(), ids=DATE_TIMES.keys())
def test_date_times_are_those_of_the_rfc(text, right):
    """msgspec keeps to RFC 3339, too, and takes naive ones as well."""
    assert reads(text, datetime) is right
    if "+0530" in text:  # which msgspec takes
        return
    try:
        found = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        assert not right
    else:
        assert structure(text, datetime) == found


DURATIONS = {
    "P1D": timedelta(1),
    "P2W": timedelta(weeks=2),
    "PT1H30M": timedelta(hours=1, minutes=30),
    "PT0.25S": timedelta(seconds=0.25),
    "-P1DT1S": -timedelta(1, 1),
    "PT36H": timedelta(hours=36),
}


@pytest.mark.parametrize(("text", "value"), DURATIONS.items(), ids=DURATIONS.keys())
def test_durations_are_read_alike(text, value):
    assert structure(text, timedelta) == value
    assert "W" in text or msgspec.convert(text, timedelta) == value  # which has no weeks
    assert pydantic.TypeAdapter(timedelta).validate_python(text) == value


@given(st.timedeltas())
def test_durations_are_written_so_that_the_others_read_them(value):
    assert msgspec.convert(unstructure(value, timedelta), timedelta) == value
