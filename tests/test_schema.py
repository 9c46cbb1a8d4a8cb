"""Types of every kind: the JSON they take, and what it becomes, the JSON they refuse, and where, and their schema."""

import enum
import math
import pickle
import typing
from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NewType, Optional, TypeVar, Union
from uuid import UUID

import attrs
import pytest
import typing_extensions
from attrs import frozen, validators
from jsonschema import Draft202012Validator
from strategies_schema import accepts

from llmkit import ConfigurationError
from llmkit.schema import Misfit, json_schema, partial, structure, unstructure

ID = UUID("01234567-89ab-4def-8123-456789abcdef")
T = TypeVar("T")
Bound = TypeVar("Bound", bound=int)
Either = TypeVar("Either", int, str)
Deepest = typing_extensions.TypeAliasType("Deepest", "list[Deepest]")
First = NewType("First", int)
Second = NewType("Second", First)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"
    AZURE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"
    NO = "no"


class Mixed(str, enum.Enum):
    A = "a"
    B = "b"


class Numbers(enum.Enum):
    ONE = 1
    HALF = 0.5


class Odd(enum.Enum):
    NONE = None
    TRUE = True
    HALF = 0.5


@frozen
class Kind:
    """What is expected of a type.

    Attributes:
        type: The type.
        schema: All of it.
        takes: JSON with the value it becomes, which is written as this JSON.
        also: JSON that becomes a value, too, though that is written another way.
        refuses: JSON with the path of the misfit.
    """

    type: Any
    schema: dict[str, Any]
    takes: list[tuple[Any, Any]]
    refuses: list[tuple[Any, str]] = attrs.field(factory=list)
    also: list[tuple[Any, Any]] = attrs.field(factory=list)


def text(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


INT = {"type": "integer"}
NUMBER = {"type": "number"}
STR = {"type": "string"}
NULL = {"type": "null"}
NOT_INTS = [(True, "$"), ("1", "$"), (1.5, "$"), (None, "$"), ([], "$"), ({}, "$")]

KINDS = {
    "bool": Kind(bool, {"type": "boolean"}, [(True, True), (False, False)], [(1, "$"), (0, "$"), ("true", "$")]),
    "int": Kind(int, INT, [(1, 1), (-(2**70), -(2**70))], NOT_INTS, [(1.0, 1), (-0.0, 0)]),
    "float": Kind(float, NUMBER, [(1.5, 1.5)], [(True, "$"), ("1.5", "$"), (None, "$")], [(1, 1.0)]),
    "str": Kind(str, STR, [("", ""), ("é\n", "é\n")], [(1, "$"), (None, "$"), (["a"], "$")]),
    "None": Kind(None, NULL, [(None, None)], [(0, "$"), ("", "$"), (False, "$"), ({}, "$")]),
    "type of None": Kind(type(None), NULL, [(None, None)], [(0, "$")]),
    "Any": Kind(Any, {}, [({"a": [1, None]}, {"a": [1, None]})]),
    "object": Kind(object, {}, [([1], [1])]),
    "bytes": Kind(
        bytes,
        text(
            contentEncoding="base64",
            pattern="^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        ),
        [("", b""), ("AP8=", b"\x00\xff")],
        [("a", "$"), ("AP8", "$"), ("AP8=\n", "$"), ("A_8=", "$"), ([0], "$")],
    ),
    "Decimal": Kind(
        Decimal,
        {"anyOf": [NUMBER, text(pattern=r"^-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,6})?$")]},
        [("1.50", Decimal("1.50")), ("-0", Decimal("-0")), ("1E+3", Decimal("1E+3"))],
        [("NaN", "$"), ("Infinity", "$"), ("1,5", "$"), (" 1", "$"), ("١", "$"), (True, "$"), ("1e9999999", "$")],
        [(0.1, Decimal("0.1")), (3, Decimal(3))],
    ),
    "date": Kind(
        date,
        text(format="date"),
        [("2024-02-29", date(2024, 2, 29))],
        [("2023-02-29", "$"), ("20240229", "$"), ("2024-2-9", "$"), ("2024-02-29T00:00:00", "$"), (20240229, "$")],
    ),
    "time": Kind(
        time,
        text(format="time"),
        [("01:02:03", time(1, 2, 3)), ("01:02:03.000004+05:30", time(1, 2, 3, 4, timezone(timedelta(hours=5.5))))],
        [("01:02", "$"), ("25:00:00", "$"), ("24:00:00", "$"), ("1:02:03", "$"), ("01:02:03 Z", "$")],
        [("01:02:03Z", time(1, 2, 3, tzinfo=UTC))],
    ),
    "datetime": Kind(
        datetime,
        text(format="date-time"),
        [
            ("2024-02-29T01:02:03", datetime(2024, 2, 29, 1, 2, 3)),
            ("0001-01-01T00:00:00+00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ],
        [("2024-02-29", "$"), ("2024-02-29 01:02:03", "$"), ("2024-02-29T01:02Z", "$"), (1709168523, "$")],
        [("2024-02-29t01:02:03.5z", datetime(2024, 2, 29, 1, 2, 3, 500000, UTC))],
    ),
    "timedelta": Kind(
        timedelta,
        text(format="duration"),
        [
            ("PT0S", timedelta()),
            ("P1DT2H3M4.000005S", timedelta(1, 2 * 3600 + 3 * 60 + 4, 5)),
            ("-PT0.5S", timedelta(seconds=-0.5)),
            ("P999999999DT23H59M59.999999S", timedelta.max),
            ("-P999999999D", timedelta.min),
        ],
        [
            ("P", "$"),
            ("PT", "$"),
            ("P1DT", "$"),
            ("1D", "$"),
            ("P1Y", "$"),
            ("P1000000000D", "$"),
            (5, "$"),
            ("PT.5S", "$"),
        ],
        [("P2W", timedelta(weeks=2)), ("PT90M", timedelta(minutes=90)), ("P1W1D", timedelta(8))],
    ),
    "UUID": Kind(
        UUID,
        text(format="uuid"),
        [(str(ID), ID)],
        [(ID.hex, "$"), (f"{{{ID}}}", "$"), (f"urn:uuid:{ID}", "$"), (1, "$")],
        [(str(ID).upper(), ID)],
    ),
    "Enum, with an alias": Kind(
        Colour,
        text(enum=["red", "blue"]),
        [("red", Colour.RED), ("blue", Colour.AZURE)],
        [("RED", "$"), ("AZURE", "$"), (None, "$"), ([], "$")],
    ),
    "IntEnum": Kind(
        Level,
        {"type": "integer", "enum": [1, 2]},
        [(1, Level.LOW)],
        [(3, "$"), ("1", "$"), (True, "$")],
        [(2.0, Level.HIGH)],
    ),
    "StrEnum": Kind(Word, text(enum=["yes", "no"]), [("yes", Word.YES)], [("y", "$")]),
    "Enum that is a str": Kind(Mixed, text(enum=["a", "b"]), [("a", Mixed.A)], [("c", "$")]),
    "Enum of odd values": Kind(
        Odd, {"enum": [None, True, 0.5]}, [(None, Odd.NONE), (True, Odd.TRUE), (0.5, Odd.HALF)], [(1, "$"), (0, "$")]
    ),
    "Literal": Kind(
        Literal["a", 1, True, None],  # noqa: PYI061
        {"enum": ["a", 1, True, None]},
        [("a", "a"), (1, 1), (True, True), (None, None)],
        [(0, "$"), (False, "$"), ("b", "$"), ({}, "$")],
        [(1.0, 1)],
    ),
    "Literal of an Enum's member": Kind(
        Literal[Colour.RED, "blue"],
        text(enum=["red", "blue"]),
        [("red", Colour.RED), ("blue", "blue")],
        [("green", "$")],
    ),
    "Literal in a Literal": Kind(Literal["a", "b"], text(enum=["a", "b"]), [("b", "b")], [("c", "$")]),
    "list": Kind(
        list[int],
        {"type": "array", "items": INT},
        [([], []), ([1, 2], [1, 2])],
        [({}, "$"), ("1", "$"), ([1, "2"], "$[1]"), ([None], "$[0]")],
    ),
    "list, bare": Kind(list, {"type": "array", "items": {}}, [([1, "a"], [1, "a"])], [("a", "$")]),
    "typing.List": Kind(typing.List[int], {"type": "array", "items": INT}, [([1], [1])], [([""], "$[0]")]),  # noqa: UP006
    "Sequence": Kind(Sequence[str], {"type": "array", "items": STR}, [(["a"], ["a"])], [("a", "$"), ([1], "$[0]")]),
    "MutableSequence": Kind(MutableSequence[str], {"type": "array", "items": STR}, [(["a"], ["a"])]),
    "Iterable": Kind(Iterable[str], {"type": "array", "items": STR}, [(["a"], ["a"])]),
    "tuple of any length": Kind(
        tuple[int, ...], {"type": "array", "items": INT}, [([], ()), ([1, 2], (1, 2))], [([1, "2"], "$[1]")]
    ),
    "tuple": Kind(
        tuple[int, str],
        {"type": "array", "prefixItems": [INT, STR], "items": False, "minItems": 2, "maxItems": 2},
        [([1, "a"], (1, "a"))],
        [([1], "$"), ([1, "a", 2], "$"), (["a", 1], "$[0]"), ([1, 2], "$[1]")],
    ),
    "tuple of nothing": Kind(tuple[()], {"type": "array", "maxItems": 0}, [([], ())], [([1], "$")]),
    "set": Kind(
        set[int],
        {"type": "array", "items": INT, "uniqueItems": True},
        [([1, 2], {1, 2}), ([], set())],
        [([1, 1], "$[1]"), ([1, 1.0], "$[1]"), (["a"], "$[0]")],
    ),
    "set, bare": Kind(
        set,
        {
            "type": "array",
            "items": {"anyOf": [NULL, {"type": "boolean"}, INT, NUMBER, STR]},
            "uniqueItems": True,
        },
        [([1, "a"], {1, "a"})],
        [([[1]], "$[0]"), ([{}], "$[0]"), ([1, 1], "$[1]")],
        [([1, True], {1})],  # two values to JSON, one to Python
    ),
    "a list of lists without an item twice": Kind(
        set[tuple[int, ...]],
        {"type": "array", "items": {"type": "array", "items": INT}, "uniqueItems": True},
        [([[1], [2]], {(1,), (2,)})],
        [([[1], [1.0]], "$[1]")],
    ),
    "LiteralString": Kind(typing.LiteralString, STR, [("a", "a")], [(1, "$")]),
    "TypeVar with a default": Kind(typing_extensions.TypeVar("D", default=int), INT, [(1, 1)], [("", "$")]),
    "numbers to choose from": Kind(Numbers, {"type": "number", "enum": [1, 0.5]}, [(1, Numbers.ONE)], [(2, "$")]),
    "null or something to choose from": Kind(
        Union[Literal["a"], Any], {"anyOf": [text(enum=["a"]), {}]}, [("a", "a"), ([1], [1])]
    ),
    "frozenset": Kind(
        frozenset[str],
        {"type": "array", "items": STR, "uniqueItems": True},
        [(["a"], frozenset("a"))],
        [(["a", "a"], "$[1]")],
    ),
    "abstract Set": Kind(
        AbstractSet[str], {"type": "array", "items": STR, "uniqueItems": True}, [(["a"], frozenset("a"))]
    ),
    "dict": Kind(
        dict[str, int],
        {"type": "object", "additionalProperties": INT},
        [({}, {}), ({"a": 1, "b c": 2}, {"a": 1, "b c": 2})],
        [([], "$"), ({"a": "1"}, "$.a"), ({"b c": None}, '$["b c"]')],
    ),
    "dict, bare": Kind(dict, {"type": "object", "additionalProperties": True}, [({"a": [1]}, {"a": [1]})]),
    "Mapping by UUID": Kind(
        Mapping[UUID, int],
        {"type": "object", "additionalProperties": INT, "propertyNames": text(format="uuid")},
        [({str(ID): 1}, {ID: 1})],
        [({"a": 1}, "$.a"), ({str(ID): ""}, f'$["{ID}"]')],
    ),
    "dict by Enum": Kind(
        dict[Colour, bool],
        {"type": "object", "additionalProperties": {"type": "boolean"}, "propertyNames": text(enum=["red", "blue"])},
        [({"red": True}, {Colour.RED: True})],
        [({"green": True}, "$.green")],
    ),
    "NewType of NewType": Kind(Second, INT, [(1, 1)], [("1", "$")]),
    "TypeVar": Kind(T, {}, [([], [])]),
    "TypeVar with a bound": Kind(Bound, INT, [(1, 1)], [("", "$")]),
    "TypeVar with constraints": Kind(Either, {"anyOf": [INT, STR]}, [(1, 1), ("", "")], [(None, "$")]),
    "Final": Kind(Final[int], INT, [(1, 1)], [("", "$")]),
    "text beside a type": Kind(Annotated[int, "how many"], {**INT, "description": "how many"}, [(1, 1)], [("", "$")]),
    "Annotated in Annotated": Kind(
        Annotated[Annotated[int, validators.ge(1), "inner"], "outer"],
        {**INT, "minimum": 1, "description": "outer"},
        [(1, 1)],
        [(0, "$")],
    ),
    "Optional": Kind(Optional[int], {"anyOf": [INT, NULL]}, [(1, 1), (None, None)], [("", "$")]),
    "None first": Kind(None | int, {"anyOf": [NULL, INT]}, [(1, 1), (None, None)], [("", "$")]),
    "Optional Literal": Kind(
        Optional[Literal["a"]], {"anyOf": [text(enum=["a"]), NULL]}, [("a", "a"), (None, None)], [("b", "$")]
    ),
    "int or float": Kind(
        Union[int, float], {"anyOf": [INT, NUMBER]}, [(1, 1), (1.5, 1.5), (1.0, 1.0)], [("", "$"), (True, "$")]
    ),
    "bool or int": Kind(Union[int, bool], {"anyOf": [INT, {"type": "boolean"}]}, [(True, True), (1, 1)], [("", "$")]),
    "date or str": Kind(
        Union[str, date],
        {"anyOf": [STR, text(format="date")]},
        [("2024-02-29", date(2024, 2, 29)), ("2024-02-30", "2024-02-30")],
        [(1, "$")],
    ),
    "datetime or date": Kind(
        Union[date, datetime],
        {"anyOf": [text(format="date"), text(format="date-time")]},
        [("2024-02-29", date(2024, 2, 29)), ("2024-02-29T00:00:00", datetime(2024, 2, 29))],
        [("", "$")],
    ),
    "Decimal or int": Kind(
        Union[Decimal, int],
        {"anyOf": [{"anyOf": [NUMBER, text(pattern=r"^-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,6})?$")]}, INT]},
        [(1, 1), ("1.5", Decimal("1.5"))],
        [("x", "$")],
        [(1.5, Decimal("1.5"))],
    ),
    "unions in lists in dicts": Kind(
        dict[str, list[Union[int, str, None]]],
        {"type": "object", "additionalProperties": {"type": "array", "items": {"anyOf": [INT, STR, NULL]}}},
        [({"a": [1, "b", None]}, {"a": [1, "b", None]})],
        [({"a": [1, True]}, "$.a[1]")],
    ),
    "a union in a union": Kind(
        Union[Annotated[Union[int, str], "either"], None],
        {"anyOf": [INT, STR, NULL]},
        [(1, 1), (None, None)],
        [(1.5, "$")],
    ),
    "None twice": Kind(
        Optional[Annotated[Optional[int], "at most once"]], {"anyOf": [INT, NULL]}, [(1, 1), (None, None)], [("", "$")]
    ),
    "list or dict": Kind(
        Union[list[int], dict[str, int]],
        {"anyOf": [{"type": "array", "items": INT}, {"type": "object", "additionalProperties": INT}]},
        [([1], [1]), ({"a": 1}, {"a": 1})],
        [([""], "$[0]"), ({"a": ""}, "$.a"), (1, "$")],
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def misfit(value: Any, type_: Any, **how: Any) -> Misfit:
    with pytest.raises(Misfit) as caught:
        structure(value, type_, **how)
    return caught.value


@each_kind
def test_schema(kind):
    schema = json_schema(kind.type)
    assert schema == kind.schema
    Draft202012Validator.check_schema(schema)


@each_kind
def test_read_and_written(kind):
    for value, item in kind.takes:
        found = structure(value, kind.type)
        assert (found, type(found)) == (item, type(item))
        written = unstructure(item, kind.type)
        assert (written, type(written)) == (value, type(value))
        assert accepts(kind.schema, value)


@each_kind
def test_also_read(kind):
    for value, item in kind.also:
        found = structure(value, kind.type)
        assert (found, type(found)) == (item, type(item))
        assert accepts(kind.schema, value)
        assert structure(unstructure(found, kind.type), kind.type) == item


@each_kind
def test_refused(kind):
    for value, path in kind.refuses:
        assert misfit(value, kind.type).path == path, value
        assert not accepts(kind.schema, value)
        assert partial(value, kind.type) is None or path != "$" or isinstance(value, list)


@each_kind
def test_whole_is_whole(kind):
    for value, item in kind.takes:
        assert partial(value, kind.type) == item


# ---- what cannot be written ------------------------------------------------------------------------------------------

UNWRITABLE = {
    "no None": (1, type(None), "$: expected None, got int 1"),
    "no bool": (1, bool, "$: expected bool, got int 1"),
    "no number": ("1", float, "$: expected float, got str '1'"),
    "no dict": ([], dict[str, int], "$: expected dict, got list []"),
    "another type": ("x", int, "$: expected int, got str 'x'"),
    "a bool for an int": (True, int, "$: expected int, got bool True"),
    "infinity": (math.inf, float, "$: inf has no JSON"),
    "a number that is none": (Decimal("NaN"), Decimal, "$: cannot be written"),
    "deep inside": ([{"a": [1, None]}], list[dict[str, list[int]]], "$[0].a[1]: expected int"),
    "a datetime for a date": (datetime(2024, 1, 1), date, "$: expected date"),
    "an offset of seconds": (time(1, tzinfo=timezone(timedelta(seconds=1))), time, "$: cannot be written as a time"),
    "no member": ([], Union[int, str], "$: expected int or str, got list []"),
    "too short a tuple": ((1,), tuple[int, int], "$: expected a tuple of 2"),
    "not chosen": ("green", Literal["red"], "$: expected one of 'red'"),
    "of no class that JSON has": (object(), None, "$: object has no JSON"),
    "by itself": ({"a": object()}, Any, "$.a: object has no JSON"),
    "bytes that change": (bytearray(b"x"), Any, "$: bytearray has no JSON"),
    "an iterator": (iter([1]), Any, "$: list_iterator has no JSON"),
    "a key": ({(1, 2): 3}, Any, "$: (1, 2) cannot be a key in JSON"),
}


@pytest.mark.parametrize(("value", "type_", "message"), UNWRITABLE.values(), ids=UNWRITABLE.keys())
def test_not_written(value, type_, message):
    with pytest.raises(ConfigurationError) as caught:
        unstructure(value, type_)
    assert str(caught.value).startswith(message)


def test_a_value_in_itself():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ConfigurationError, match="too deeply"):
        unstructure(loop)


BY_VALUE = {
    "scalars": ([None, True, 1, 1.5, "a"], [None, True, 1, 1.5, "a"]),
    "written ones": ([ID, b"x", date(2024, 1, 1)], [str(ID), "eA==", "2024-01-01"]),
    "a datetime, which is a date": (datetime(2024, 1, 1), "2024-01-01T00:00:00"),
    "members of an Enum": ([Colour.RED, Level.LOW, Word.YES], ["red", 1, "yes"]),
    "a set, in order": ({"b", "a", "c"}, ["a", "b", "c"]),
    "numbers in order": ({10, 9, 1}, [1, 9, 10]),
    "a tuple": ((1, (2,)), [1, [2]]),
    "a range": (range(2), [0, 1]),
    "keys as json has them": (
        {1: 1, None: 2, True: 3, 0.5: 4, ID: 5, Colour.RED: 6},  # noqa: F601 - 1 and True are one key
        {"1": 3, "null": 2, "0.5": 4, str(ID): 5, "red": 6},
    ),
    "an offset of seconds, as UTC": (
        datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(seconds=1))),
        "2024-01-01T00:59:59+00:00",
    ),
}


@pytest.mark.parametrize(("value", "written"), BY_VALUE.values(), ids=BY_VALUE.keys())
def test_written_by_value(value, written):
    assert unstructure(value) == written


# ---- the misfit ------------------------------------------------------------------------------------------------------


def test_a_misfit_says_where_and_what():
    found = misfit([{"a b": {"c": "x" * 500}}], list[dict[str, dict[str, int]]])
    assert found.path == '$[0]["a b"].c'
    assert found.problem.startswith("expected int, got str 'xxx")
    assert len(found.problem) < 120
    assert str(found) == f"{found.path}: {found.problem}"
    again = pickle.loads(pickle.dumps(found))
    assert (again.path, again.problem, str(again)) == (found.path, found.problem, str(found))
    assert isinstance(found, ValueError)


def test_the_member_that_came_furthest_tells():
    assert str(misfit({"a": [1, "x"]}, Union[list[int], dict[str, list[int]]])) == "$.a[1]: expected int, got str 'x'"


def test_a_number_that_is_no_float():
    assert misfit(10**400, float).problem == "the number is too large for float"


def test_two_keys_that_are_one():
    assert misfit({str(ID): 1, str(ID).upper(): 2}, dict[UUID, int]).problem == "is the same key as another"


def test_an_int_for_a_float():
    """As annotations have it."""
    assert unstructure(1, float) == 1


class Silent:
    def __repr__(self) -> str:
        raise OSError("no")


def test_a_value_that_cannot_be_shown():
    assert str(misfit(Silent(), int)) == "$: expected int, got Silent"


def test_deeper_than_python_goes():
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert "nested too deeply" in misfit(deep, Deepest).problem
    assert partial(deep, Deepest) is None


def test_too_deep_a_value():
    deep: Any = 0
    for _ in range(5000):
        deep = [deep]
    nested = typing.Any
    for _ in range(40):
        nested = list[nested]
    assert isinstance(structure(deep, nested), list)


def test_long_choices_are_cut():
    numbers = Literal[tuple(range(500))]  # type: ignore[valid-type]
    assert len(misfit("x", numbers).problem) < 200


def test_order_of_a_union_is_kept_apart():
    """`int | str` and `str | int` are equal to Python, and their schemas are not."""
    one, other = json_schema(list[int | str]), json_schema(list[str | int])
    assert one["items"]["anyOf"] == other["items"]["anyOf"][::-1] == [INT, STR]
    first, second = list[int] | set[int], set[int] | list[int]
    assert (structure([1], first), structure([1], second)) == ([1], {1})


def test_a_schema_is_the_callers_to_change():
    json_schema(Colour)["enum"].clear()
    json_schema(Decimal)["anyOf"][0].clear()
    assert json_schema(Colour) == KINDS["Enum, with an alias"].schema
    assert json_schema(Decimal) == KINDS["Decimal"].schema
