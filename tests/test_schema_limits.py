"""Constraints of validators and of ``Annotated``: as keywords of the schema, and checked with their path."""

import dataclasses
import enum
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict, Union

import annotated_types
import attrs
import msgspec
import pytest
import typing_extensions
from attrs import frozen, validators
from jsonschema import Draft202012Validator
from strategies_schema import accepts

from llmkit import ConfigurationError
from llmkit.schema import Misfit, json_schema, structure

INT = {"type": "integer"}
NUMBER = {"type": "number"}
STR = {"type": "string"}
NULL = {"type": "null"}


class Level(enum.IntEnum):
    LOW = 1
    MIDDLE = 2
    HIGH = 3


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


# The type, its validator, the schema, JSON that fits, JSON that does not with its path and the problem.
FIELDS: dict[str, tuple[Any, Any, dict[str, Any], list[Any], list[tuple[Any, str, str]]]] = {
    "ge": (int, validators.ge(3), {**INT, "minimum": 3}, [3, 4.0], [(2, "", "must be at least 3")]),
    "gt": (float, validators.gt(0.5), {**NUMBER, "exclusiveMinimum": 0.5}, [1], [(0.5, "", "must be more than 0.5")]),
    "le": (int, validators.le(3), {**INT, "maximum": 3}, [3], [(4, "", "must be at most 3")]),
    "lt": (int, validators.lt(3), {**INT, "exclusiveMaximum": 3}, [2], [(3, "", "must be less than 3")]),
    "several": (
        int,
        [validators.ge(1), validators.le(3), validators.instance_of(int)],
        {**INT, "minimum": 1, "maximum": 3},
        [1, 3],
        [(0, "", "at least 1"), (4, "", "at most 3")],
    ),
    "two of one word": (
        int,
        [validators.ge(1), validators.ge(3)],
        {**INT, "minimum": 1, "allOf": [{"minimum": 3}]},
        [3],
        [(2, "", "at least 3"), (0, "", "at least 1")],
    ),
    "in_": (int, validators.in_([1, 5]), {**INT, "enum": [1, 5]}, [1, 5.0], [(2, "", "must be one of 1, 5")]),
    "in_, of an Enum": (
        Colour,
        validators.in_([Colour.RED]),
        {**STR, "enum": ["red"]},
        ["red"],
        [("blue", "", "one of 'red'")],
    ),
    "matches_re": (
        str,
        validators.matches_re("[a-c]+"),
        {**STR, "pattern": "^(?:[a-c]+)$"},
        ["abc"],
        [("abd", "", "must match"), ("abc\n", "", "must match")],
    ),
    "matches_re, searched": (
        str,
        validators.matches_re("b+", func=re.search),
        {**STR, "pattern": "b+"},
        ["abc"],
        [("a", "", "must match")],
    ),
    "matches_re, from the beginning": (
        str,
        validators.matches_re("b+", func=re.match),
        {**STR, "pattern": "^(?:b+)"},
        ["bc"],
        [("ab", "", "must match")],
    ),
    "max_len": (
        str,
        validators.max_len(2),
        {**STR, "maxLength": 2},
        ["", "éa"],
        [("abc", "", "must have at most 2 characters")],
    ),
    "min_len": (
        str,
        validators.min_len(2),
        {**STR, "minLength": 2},
        ["ab"],
        [("a", "", "must have at least 2 characters")],
    ),
    "max_len of a list": (
        list[int],
        validators.max_len(1),
        {"type": "array", "items": INT, "maxItems": 1},
        [[], [1]],
        [([1, 2], "", "must have at most 1 items")],
    ),
    "min_len of a dict": (
        dict[str, int],
        validators.min_len(1),
        {"type": "object", "additionalProperties": INT, "minProperties": 1},
        [{"a": 1}],
        [({}, "", "must have at least 1 keys")],
    ),
    "optional": (
        int | None,
        validators.optional(validators.ge(3)),
        {"anyOf": [{**INT, "minimum": 3}, NULL]},
        [None, 3],
        [(2, "", "at least 3")],
    ),
    "optional in_": (
        str | None,
        validators.optional(validators.in_(["a", "b"])),
        {"anyOf": [{**STR, "enum": ["a", "b"]}, NULL]},
        [None, "a"],
        [("c", "", "must be one of")],
    ),
    "in_ of one kind of a union": (
        int | str | None,
        validators.in_(["a", "b"]),
        {**STR, "enum": ["a", "b"]},
        ["a"],
        [(None, "", "must be one of"), (1, "", "must be one of"), ("c", "", "must be one of")],
    ),
    "in_ of several kinds": (
        list[int] | int | float | str,
        [validators.ge(1), validators.in_([1, 2.5, "a"])],
        {
            "anyOf": [
                {**INT, "minimum": 1, "enum": [1]},
                {**NUMBER, "minimum": 1, "enum": [1, 2.5]},
                {**STR, "enum": ["a"]},
            ]
        },
        [1, 2.5],
        [("b", "", "must be one of"), ([1], "", "")],
    ),
    "in_ of what a member does not tell": (
        Union[int, Literal["a", 1.5]],
        validators.in_([1, "a"]),
        {"anyOf": [INT, {"enum": ["a", 1.5]}], "enum": [1, "a"]},
        [1, "a"],
        [(1.5, "", "must be one of")],
    ),
    "optional in_ of an Enum": (
        Colour | None,
        validators.optional(validators.in_([Colour.RED])),
        {"anyOf": [{**STR, "enum": ["red"]}, NULL]},
        [None, "red"],
        [("blue", "", "")],
    ),
    "of the member that it concerns": (
        Union[int, str],
        validators.or_(validators.instance_of(str), validators.ge(0)),  # which nothing says in the schema
        {"anyOf": [INT, STR]},
        ["a", 1],
        [],
    ),
    "deep_iterable": (
        list[int],
        validators.deep_iterable(validators.ge(0), validators.max_len(2)),
        {"type": "array", "items": {**INT, "minimum": 0}, "maxItems": 2},
        [[0, 1]],
        [([0, -1], "[1]", "at least 0"), ([1, 2, 3], "", "at most 2 items")],
    ),
    "deep_mapping": (
        dict[str, int],
        validators.deep_mapping(validators.max_len(1), validators.ge(0), validators.max_len(1)),
        {
            "type": "object",
            "additionalProperties": {**INT, "minimum": 0},
            "propertyNames": {**STR, "maxLength": 1},
            "maxProperties": 1,
        },
        [{"a": 0}],
        [
            ({"a": -1}, ".a", "at least 0"),
            ({"ab": 1}, ".ab", "a key does not fit: must have"),
            ({"a": 1, "b": 1}, "", "at most 1"),
        ],
    ),
    "deep_iterable of a tuple": (
        tuple[int, int] | None,
        validators.optional(validators.deep_iterable(validators.ge(0))),
        {
            "anyOf": [
                {**json_schema(tuple[int, int]), "prefixItems": [{**INT, "minimum": 0}, {**INT, "minimum": 0}]},
                NULL,
            ]
        },
        [[0, 1], None],
        [([0, -1], "[1]", "at least 0")],
    ),
    "of an IntEnum": (Level, validators.ge(2), {**INT, "enum": [2, 3]}, [2, 3], [(1, "", "expected one of 2, 3")]),
}


def field_class(type_: Any, validator: Any) -> Any:
    return attrs.make_class("C", {"x": attrs.field(type=type_, validator=validator)}, frozen=True)


@pytest.mark.parametrize(("type_", "validator", "schema", "good", "bad"), FIELDS.values(), ids=FIELDS.keys())
def test_validators(type_, validator, schema, good, bad):
    cls = field_class(type_, validator)
    found = json_schema(cls)
    Draft202012Validator.check_schema(found)
    assert found["properties"]["x"] == schema
    for value in good:
        structure({"x": value}, cls)
        assert accepts(found, {"x": value})
    for value, path, problem in bad:
        with pytest.raises(Misfit) as caught:
            structure({"x": value}, cls)
        assert caught.value.path == f"$.x{path}"
        assert problem in caught.value.problem
        assert not accepts(found, {"x": value})


SAME = {
    "attrs in Annotated": (Annotated[int, validators.ge(1), validators.le(5)], {**INT, "minimum": 1, "maximum": 5}),
    "attrs and_ in Annotated": (
        Annotated[int, validators.and_(validators.ge(1), validators.le(5))],
        {**INT, "minimum": 1, "maximum": 5},
    ),
    "annotated_types": (
        Annotated[int, annotated_types.Ge(1), annotated_types.Lt(5)],
        {**INT, "minimum": 1, "exclusiveMaximum": 5},
    ),
    "an Interval": (
        Annotated[float, annotated_types.Interval(gt=1, le=5)],
        {**NUMBER, "exclusiveMinimum": 1, "maximum": 5},
    ),
    "a multiple": (Annotated[int, annotated_types.MultipleOf(5)], {**INT, "multipleOf": 5}),
    "a Len": (Annotated[str, annotated_types.Len(1, 3)], {**STR, "minLength": 1, "maxLength": 3}),
    "a Meta": (
        Annotated[str, msgspec.Meta(min_length=1, pattern="^a", description="d")],
        {**STR, "minLength": 1, "pattern": "^a", "description": "d"},
    ),
    "a compiled expression": (Annotated[str, re.compile("a")], {**STR, "pattern": "a"}),
    "a Doc": (Annotated[int, typing_extensions.Doc("how many")], {**INT, "description": "how many"}),
    "of a union's member": (
        Annotated[int | str | None, annotated_types.Ge(1)],
        {"anyOf": [{**INT, "minimum": 1}, STR, NULL]},
    ),
    "of the items of a list": (
        list[Annotated[int, annotated_types.Ge(1)]],
        {"type": "array", "items": {**INT, "minimum": 1}},
    ),
    "of a Literal": (Annotated[Literal[1, 2, 3], annotated_types.Ge(2)], {**INT, "enum": [2, 3]}),
    "of anything": (Annotated[Any, annotated_types.Ge(2)], {"minimum": 2}),
    "a length of anything": (
        Annotated[Any, annotated_types.MinLen(1)],
        {"minLength": 1, "minItems": 1, "minProperties": 1},
    ),
    "something else": (Annotated[int, object(), 5, None, annotated_types.Predicate(bool)], INT),
    "an expression of Python's only": (
        Annotated[str, re.compile("(?i)a")],
        {**STR, "description": "Must match the regular expression (?i)a."},
    ),
    "its words after the text": (
        Annotated[str, re.compile("a", re.IGNORECASE), "A text."],
        {**STR, "description": "A text. Must match the regular expression a."},
    ),
    "of a Literal with a text": (
        Annotated[Annotated[Literal["a", "bb"], "which"], annotated_types.MaxLen(1)],
        {**STR, "enum": ["a"], "description": "which"},
    ),
    "an expression of a Literal": (Annotated[Literal["a", "b"], re.compile("a")], {**STR, "enum": ["a"]}),
    "a Decimal for a float": (
        Annotated[float, annotated_types.Ge(Decimal("0.5"))],
        {**NUMBER, "description": "At least 0.5."},
    ),
    "bytes, whose length is another": (
        Annotated[bytes, annotated_types.MaxLen(2)],
        {**json_schema(bytes), "description": "At most 2 bytes."},
    ),
    "a day": (
        Annotated[date, annotated_types.Ge(date(2024, 1, 1))],
        {**STR, "format": "date", "description": "At least 2024-01-01."},
    ),
    "a Decimal, whose strings no keyword concerns": (
        Annotated[Decimal, annotated_types.Ge(0.1)],
        {**json_schema(Decimal), "minimum": 0.1, "description": "At least 0.1."},
    ),
}


@pytest.mark.parametrize(("type_", "schema"), SAME.values(), ids=SAME.keys())
def test_annotated(type_, schema):
    found = json_schema(type_)
    Draft202012Validator.check_schema(found)
    assert found == schema


REFUSED = {
    "annotated": (Annotated[int, annotated_types.Ge(1)], 0, "$: must be at least 1"),
    "multiple": (Annotated[int, annotated_types.MultipleOf(5)], 7, "$: must be a multiple of 5"),
    "multiple of a fraction": (Annotated[float, annotated_types.MultipleOf(0.5)], 0.7, "$: must be a multiple of 0.5"),
    "any number": (Annotated[Any, annotated_types.Ge(2)], 1, "$: must be at least 2"),
    "any list": (Annotated[Any, annotated_types.MinLen(1)], [], "$: must have at least 1 parts"),
    "bytes": (Annotated[bytes, annotated_types.MaxLen(2)], "YWFh", "$: must have at most 2 bytes"),
    "a day": (Annotated[date, annotated_types.Ge(date(2024, 1, 1))], "2023-01-01", "$: must be at least 2024-01-01"),
    "a Decimal": (Annotated[Decimal, annotated_types.Gt(0.1)], "0.1", "$: must be more than 0.1"),
    "a Decimal, multiple": (Annotated[Decimal, annotated_types.MultipleOf(5)], "7", "$: must be a multiple of 5"),
    "an expression of Python's only": (
        Annotated[str, re.compile("(?i)^a")],
        "b",
        "$: must match the regular expression (?i)^a",
    ),
    "a tuple": (Annotated[tuple[int, int], annotated_types.MaxLen(1)], [1, 2], "$: must have at most 1 items"),
    "another kind of time": (
        Annotated[datetime, annotated_types.Ge(datetime(2024, 1, 1))],
        "2025-01-01T00:00:00Z",
        "$: must be at least 2024-01-01 00:00:00",
    ),
    "a text": (Annotated[str, annotated_types.Ge("b")], "a", "$: must be at least b"),
}


@pytest.mark.parametrize(("type_", "value", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(type_, value, message):
    with pytest.raises(Misfit) as caught:
        structure(value, type_)
    assert str(caught.value) == message


def test_what_is_just_right():
    assert structure("0.1", Annotated[Decimal, annotated_types.Ge(0.1)]) == Decimal("0.1")
    assert structure("a", Annotated[Any, annotated_types.Ge(2)]) == "a"
    assert structure("a", Annotated[Any, annotated_types.MultipleOf(2)]) == "a"
    assert structure([], Annotated[Any, annotated_types.Ge(2), re.compile("a")]) == []
    assert structure(1.5, Annotated[float, annotated_types.MultipleOf(0.5)]) == 1.5


SENSELESS = {
    "a length of a number": (
        Annotated[int, annotated_types.MaxLen(3)],
        "output_type: the constraint 'max_length' does not apply to int",
    ),
    "a bound of a text": (
        Annotated[str, annotated_types.Ge(3)],
        "output_type: the constraint 'ge' does not apply to str",
    ),
    "an expression of a number": (
        list[Annotated[int, re.compile("a")]],
        "output_type[]: the constraint 'pattern' does not apply to int",
    ),
    "of no member": (
        Annotated[str | None, annotated_types.Ge(3)],
        "output_type: the constraint 'ge' does not apply to str or null",
    ),
    "a bound that is no date": (
        Annotated[date, annotated_types.Ge(3)],
        "output_type: the constraint 'ge' does not apply to a date",
    ),
    "no value left": (
        Annotated[Literal[1, 2], annotated_types.Ge(3)],
        "output_type: the constraint 'ge' leaves no value",
    ),
    "of a choice": (
        Annotated[Literal["a"], annotated_types.Ge(3)],
        "output_type: the constraint 'ge' does not apply to",
    ),
    "a multiple of nothing": (
        Annotated[int, annotated_types.MultipleOf(0)],
        "output_type: the constraint 'multiple_of'",
    ),
    "a multiple that is a text": (Annotated[str, annotated_types.MultipleOf(2)], "output_type: the constraint 'mult"),
    "of a field": (field_class(bool, validators.ge(3)), "output_type.x: the constraint 'ge' does not apply to bool"),
}


@pytest.mark.parametrize(("type_", "message"), SENSELESS.values(), ids=SENSELESS.keys())
def test_what_has_no_sense(type_, message):
    with pytest.raises(ConfigurationError) as caught:
        json_schema(type_)
    assert str(caught.value).startswith(message)


@dataclasses.dataclass
class Data:
    x: Annotated[int, annotated_types.Ge(0)]


class Typed(TypedDict):
    x: Annotated[int, annotated_types.Ge(0)]


class Tuple(NamedTuple):
    x: Annotated[int, annotated_types.Ge(0)]


@pytest.mark.parametrize("cls", [Data, Typed, Tuple])
def test_fields_of_other_classes(cls):
    assert json_schema(cls)["properties"]["x"] == {**INT, "minimum": 0}
    with pytest.raises(Misfit, match=r"^\$\.x: must be at least 0"):
        structure({"x": -1}, cls)


@frozen
class Even:
    x: int = attrs.field()

    @x.validator
    def _even(self, _: object, value: int) -> None:
        if value % 2:
            raise ValueError("x must be even")


def test_validators_that_no_schema_says():
    assert json_schema(Even)["properties"]["x"] == INT
    with pytest.raises(Misfit, match=r"^\$: Even refuses it: x must be even"):
        structure({"x": 3}, Even)


Positive = typing_extensions.TypeAliasType("Positive", Annotated[int, annotated_types.Gt(0)])


class Shared(TypedDict):
    plain: Positive
    small: Annotated[Positive, annotated_types.Lt(9)]


Numbers = typing_extensions.TypeAliasType("Numbers", list[int] | None)


def test_constraints_within_a_name():
    cls = field_class(Numbers, validators.optional(validators.deep_iterable(validators.ge(0))))
    assert json_schema(cls)["properties"]["x"]["anyOf"][0]["items"] == {**INT, "minimum": 0}
    assert json_schema(Numbers)["anyOf"][0]["items"] == INT


def test_a_constraint_on_a_name_stays_there():
    properties = json_schema(Shared)["properties"]
    assert properties["plain"] == {**INT, "exclusiveMinimum": 0}
    assert properties["small"] == {**INT, "exclusiveMinimum": 0, "exclusiveMaximum": 9}
