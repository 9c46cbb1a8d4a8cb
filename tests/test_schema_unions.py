"""Unions of classes: told apart by their keys, by the values of one, or by a tag that is added."""

import dataclasses
import enum
import sys
import time
from datetime import date
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar, Union

import attrs
import pytest
import typing_extensions
from attrs import define, field
from strategies_schema import accepts

from llmkit import ConfigurationError
from llmkit.schema import Misfit, json_schema, partial, structure, unstructure

T = TypeVar("T")


@define
class Circle:
    radius: float


@define
class Square:
    side: float


@define
class Cat:
    name: str


@dataclasses.dataclass
class Dog:
    name: str


class Cow(NamedTuple):
    name: str


class Hen(TypedDict):
    name: str


@define
class Started:
    kind: Literal["started"]
    at: date


@define
class Ended:
    kind: Literal["ended"]
    at: date


@dataclasses.dataclass
class Click:
    type: Literal["click"] = "click"
    x: int = 0


@dataclasses.dataclass
class Press:
    type: Literal["press"] = "press"
    x: int = 0


@define
class ById:
    ref: int


@define
class ByName:
    ref: str


@define
class Box(Generic[T]):
    value: T


@define
class Base:
    a: int = 1


@define
class Derived(Base):
    pass


@define
class Holder:
    pet: "Cat | Dog | None" = None
    pets: list["Cat | Dog"] = field(factory=list)


@define
class Num:
    op: Literal["num"]
    value: int


@define
class Add:
    op: Literal["add"]
    left: "Expr"
    right: "Expr"


@define
class Mul:
    op: Literal["mul"]
    left: "Expr"
    right: "Expr"


Expr = Num | Add | Mul

# Each with values, and the JSON that each is.
CASES = {
    "keys that the other lacks": (
        Circle | Square,
        [({"radius": 1.5}, Circle(1.5)), ({"side": 2.5}, Square(2.5))],
        [({}, "$"), ({"radius": 1, "side": 1}, "$"), ({"radius": 1.5, "_type": "Circle"}, "$")],
    ),
    "values of a required key": (
        Started | Ended,
        [({"kind": "ended", "at": "2024-01-01"}, Ended("ended", date(2024, 1, 1)))],
        [({"kind": "other", "at": "2024-01-01"}, "$"), ({"kind": "ended", "at": "x"}, "$.at")],
    ),
    "values of a key with a default, which is then required": (
        Click | Press,
        [({"type": "press", "x": 1}, Press(x=1)), ({"type": "click", "x": 0}, Click())],
        [({"x": 1}, "$"), ({}, "$")],
    ),
    "types of a required key": (
        ById | ByName,
        [({"ref": 1}, ById(1)), ({"ref": "a"}, ByName("a"))],
        [({"ref": None}, "$")],
    ),
    "a tag": (
        Cat | Dog,
        [({"_type": "Cat", "name": "a"}, Cat("a")), ({"_type": "Dog", "name": "a"}, Dog("a"))],
        [
            ({"name": "a"}, "$._type"),
            ({"_type": "Cow", "name": "a"}, "$._type"),
            ({"_type": "Cat", "name": 1}, "$.name"),
        ],
    ),
    "a tag for those that need one": (
        Circle | Cat | Dog,
        [({"radius": 1.5}, Circle(1.5)), ({"_type": "Dog", "name": "a"}, Dog("a"))],
        [({"_type": "Circle", "radius": 1.5}, "$._type")],
    ),
    "classes of all kinds": (
        Cat | Dog | Cow,
        [({"_type": "Cow", "name": "a"}, Cow("a"))],
        [({"name": "a"}, "$._type")],
    ),
    "a class and a TypedDict": (
        Union[Cat, Hen],
        [({"_type": "Hen", "name": "a"}, {"name": "a"}), ({"_type": "Cat", "name": "a"}, Cat("a"))],
        [],
    ),
    "a generic class twice": (
        Union[Box[int], Box[list[int]]],
        [({"value": 1}, Box(1)), ({"value": [1]}, Box([1]))],
        [({"value": "a"}, "$")],
    ),
    "a generic class twice, with a tag": (
        Union[Box[list[int]], Box[list[str]]],
        [({"_type": "Box_list_str", "value": ["a"]}, Box(["a"]))],
        [({"value": [1]}, "$._type")],
    ),
    "a class and its base": (
        Base | Derived,
        [({"_type": "Derived", "a": 2}, Derived(2)), ({"_type": "Base", "a": 1}, Base(1))],
        [({}, "$._type")],
    ),
    "tagged ones in a union in a union": (
        Union[Annotated[Cat | Dog, "a pet"], int, None],
        [({"_type": "Cat", "name": "a"}, Cat("a")), (1, 1), (None, None)],
        [({"name": "a"}, "$._type"), ("a", "$")],
    ),
    "tagged ones in fields": (
        Holder,
        [
            (
                {"pet": {"_type": "Cat", "name": "a"}, "pets": [{"_type": "Dog", "name": "b"}]},
                Holder(Cat("a"), [Dog("b")]),
            )
        ],
        [({"pets": [{"name": "b"}]}, "$.pets[0]._type")],
    ),
    "one class with two texts": (
        Union[Annotated[Circle, "one"], Annotated[Circle, "other"]],
        [({"_type": "Circle", "radius": 1.5}, Circle(1.5))],
        [({"radius": 1.5}, "$._type")],
    ),
    "whole numbers in a key that tells": (
        Union[Started, ById, ByName],
        [({"ref": 1}, ById(1))],
        [({"ref": 1.5}, "$")],
    ),
    "a class or a dict": (
        Circle | dict[str, int],
        [({"radius": 1.5}, Circle(1.5)), ({"other": 1}, {"other": 1})],
        [({"other": "x"}, "$.other")],
    ),
    "a class or anything": (
        Union[Circle, Any],
        [({"radius": 1.5}, Circle(1.5)), ({"radius": "x"}, {"radius": "x"})],
        [],
    ),
    "classes in lists": (
        list[Circle] | list[Square],
        [([{"radius": 1.5}], [Circle(1.5)]), ([{"side": 1.5}], [Square(1.5)])],
        [([{"radius": 1.5}, {"radius": "x"}], "$[1].radius")],
    ),
    "expressions": (
        Expr,
        [
            (
                {"op": "add", "left": {"op": "num", "value": 1}, "right": {"op": "num", "value": 2}},
                Add("add", Num("num", 1), Num("num", 2)),
            )
        ],
        [({"op": "add", "left": {"op": "num", "value": 1}, "right": {"op": "num", "value": "x"}}, "$.right.value")],
    ),
}
each_case = pytest.mark.parametrize(("type_", "values", "refused"), CASES.values(), ids=CASES.keys())


@each_case
def test_read_and_written(type_, values, refused):
    schema = json_schema(type_)
    for value, item in values:
        found = structure(value, type_)
        assert (found, type(found)) == (item, type(item))
        assert unstructure(item, type_) == value
        assert partial(value, type_) == item
        assert accepts(schema, value)


@each_case
def test_refused(type_, values, refused):
    schema = json_schema(type_)
    for value, path in refused:
        with pytest.raises(Misfit) as caught:
            structure(value, type_)
        assert caught.value.path == path, str(caught.value)
        assert not accepts(schema, value)


def test_a_tag_is_in_the_schema():
    assert json_schema(Cat | Dog)["anyOf"][1] == {
        "type": "object",
        "properties": {"_type": {"type": "string", "enum": ["Dog"]}, "name": {"type": "string"}},
        "required": ["_type", "name"],
        "additionalProperties": False,
    }


def test_a_key_that_tells_is_required():
    assert [member["required"] for member in json_schema(Click | Press)["anyOf"]] == [["type"], ["type"]]


def test_a_whole_float_in_a_key_that_tells():
    assert structure({"ref": 1.0}, Union[Started, ById, ByName]) == ById(1)


MISSING = {
    "the tag, of one class": (Union[Cat, Dog, int], {"name": "a"}, "$._type: is missing; it is one of 'Cat', 'Dog'"),
    "its value": (Union[Cat, Dog], {"_type": 5}, "$._type: expected one of 'Cat', 'Dog', got int 5"),
}


@pytest.mark.parametrize(("type_", "value", "message"), MISSING.values(), ids=MISSING.keys())
def test_told_of_tags(type_, value, message):
    with pytest.raises(Misfit) as caught:
        structure(value, type_)
    assert str(caught.value) == message


def test_no_tag_where_a_class_is_no_member():
    assert unstructure(Cat("a"), Cat) == {"name": "a"}


def test_a_class_with_and_without_its_tag():
    """In one schema: two definitions."""
    both = attrs.make_class(
        "Both",
        {
            "one": attrs.field(type=Cat),
            "two": attrs.field(type=Cat),
            "any": attrs.field(type=list[Cat | Dog]),
            "more": attrs.field(type=Cat | Dog),
        },
    )
    schema = json_schema(both)
    assert set(schema["$defs"]) == {"Cat", "Cat_2", "Dog"}
    value = both(Cat("a"), Cat("b"), [Cat("c")], Dog("d"))
    written = unstructure(value, both)
    assert written["one"] == {"name": "a"}
    assert written["more"] == {"_type": "Dog", "name": "d"}
    assert structure(written, both) == value
    assert accepts(schema, written)


@define
class Taken:
    _type: int = field(alias="_type")


def test_a_tag_that_is_taken():
    one = attrs.make_class("One", {"x": attrs.field(type=int, alias="_type")})
    other = attrs.make_class("Other", {"x": attrs.field(type=int, alias="_type")})
    with pytest.raises(ConfigurationError, match=r"^output_type\[\]: One needs the key '_type'"):
        json_schema(list[one | other])


def test_tags_of_classes_of_one_name():
    one, other = (attrs.make_class("Same", {"x": attrs.field(type=int)}) for _ in range(2))
    assert unstructure(other(1), one | other) == {"_type": "Same_2", "x": 1}
    assert structure({"_type": "Same_2", "x": 1}, one | other) == other(1)


def test_a_subclass_of_a_member_is_written_as_it():
    assert unstructure(Derived(3), Union[Base, int]) == {"a": 3}


@pytest.mark.parametrize("depth", [3, 60])
def test_a_wrong_value_deep_inside_is_read_once(depth):
    """Not once for each member and level, which would take 3 ** 60 readings."""
    value: Any = {"op": "num", "value": "x"}
    for _ in range(depth):
        value = {"op": "mul", "left": value, "right": {"op": "num", "value": 1}}
    begun = time.monotonic()
    with pytest.raises(Misfit) as caught:
        structure(value, Expr)
    assert caught.value.path == "$" + depth * ".left" + ".value"
    assert partial(value, Expr) is not None
    assert time.monotonic() - begun < 20


class Grown(enum.Enum):
    A = "a"


KNOWN = {
    "a tag has not come": (Cat | Dog, {"name": "a"}, None),
    "a tag": (Cat | Dog, {"_type": "Dog"}, Dog(None)),
    "a key that tells": (Circle | Square, {"side": None}, Square(None)),
    "a key that tells nothing": (Started | Ended, {"at": "2024-01-01"}, None),
    "a value that tells": (Started | Ended, {"kind": "ended", "at": None}, Ended("ended", None)),
    "a list of them": (list[Cat | Dog], [{"_type": "Cat", "name": "a"}, {"_type": "Dog"}], [Cat("a"), Dog(None)]),
    "nothing yet": (Circle | Square, {}, None),
    "one of one": (Union[Circle, None], {}, Circle(None)),
}


@pytest.mark.parametrize(("type_", "value", "known"), KNOWN.values(), ids=KNOWN.keys())
def test_known(type_, value, known):
    assert partial(value, type_) == known


Json = typing_extensions.TypeAliasType("Json", "dict[str, Json] | list[Json] | str | float | bool | None")
Tree = typing_extensions.TypeAliasType("Tree", "tuple[Tree, ...] | int")
Pairs = typing_extensions.TypeAliasType("Pairs", list[tuple[T, T]], type_params=(T,))
Name = typing_extensions.TypeAliasType("Name", Annotated[str, "a name"])
Itself = typing_extensions.TypeAliasType("Itself", "Itself")
Nothing = typing_extensions.TypeAliasType("Nothing", "Nothing | int")


class Named(TypedDict):
    name: Name
    other: NotRequired[Name]


def test_names_of_types():
    assert json_schema(Named)["properties"]["name"] == {"type": "string", "description": "a name"}
    assert structure([[1, 2]], Pairs[int]) == [(1, 2)]
    assert json_schema(Json) == {
        "$ref": "#/$defs/Json",
        "$defs": {
            "Json": {
                "anyOf": [
                    {"type": "object", "additionalProperties": {"$ref": "#/$defs/Json"}},
                    {"type": "array", "items": {"$ref": "#/$defs/Json"}},
                    {"type": "string"},
                    {"type": "number"},
                    {"type": "boolean"},
                    {"type": "null"},
                ]
            }
        },
    }
    assert structure([[1, []], 2], Tree) == ((1, ()), 2)
    assert structure([[1, []], 2], set[Tree]) == {(1, ()), 2}
    assert structure({"a": [True, {"b": None}]}, Json | date) == {"a": [True, {"b": None}]}
    with pytest.raises(ConfigurationError, match="nothing but itself"):
        json_schema(Nothing)
    with pytest.raises(ConfigurationError, match="nothing but itself"):
        json_schema(Itself)


def test_json_of_two_hundred_levels():
    value: Any = 0.5
    for level in range(200):
        value = [value] if level % 2 else {"a": value}
    assert structure(value, Json) == value
    assert unstructure(value, Json) == value


@define
class Leaf:
    name: str = ""


@define
class Branch:
    name: str = ""
    left: "Branch | Leaf | None" = None
    plain: "Branch | None" = None


def test_a_class_that_is_tagged_in_itself():
    schema = json_schema(Branch)
    assert schema["$ref"] == "#/$defs/Branch"
    assert set(schema["$defs"]) == {"Branch", "Branch_2", "Leaf"}
    value = Branch("a", Branch("b", Leaf("c")), Branch("d", Leaf("e")))
    written = unstructure(value, Branch)
    assert written["left"]["_type"] == "Branch"
    assert "_type" not in written["plain"]
    assert structure(written, Branch) == value
    assert accepts(schema, written)
    assert not accepts(schema, {"left": {"name": "c"}})


@pytest.mark.skipif(sys.version_info < (3, 12), reason="its syntax is of Python 3.12")
def test_type_parameters():
    names: dict[str, Any] = {"__name__": __name__, "define": define}
    exec(
        "type Rows[T] = list[T] | None\n"
        "type Nest = dict[str, Nest] | Leaf2\n"
        "@define\nclass Leaf2:\n    x: int\n"
        "@define\nclass Holds[T]:\n    rows: Rows[T]\n    again: 'Holds[T] | None' = None\n",
        names,
    )
    holds = names["Holds"]
    value = holds([1], holds(None))
    assert structure(unstructure(value, holds[int]), holds[int]) == value
    with pytest.raises(Misfit, match=r"^\$\.again\.rows\[0\]: expected int"):
        structure({"rows": None, "again": {"rows": ["x"]}}, holds[int])
    assert structure({"a": {"b": {"x": 1}}}, names["Nest"]) == {"a": {"b": names["Leaf2"](1)}}
