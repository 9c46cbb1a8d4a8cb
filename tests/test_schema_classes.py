"""Classes of every kind, with annotations that are strings: `from __future__` makes them so."""

from __future__ import annotations

import abc
import collections
import dataclasses
import enum
import typing
from datetime import date
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NotRequired,
    Required,
    Self,
    TypedDict,
    TypeVar,
)
from uuid import UUID, uuid4

import attr
import attrs
import pytest
import typing_extensions
from attrs import define, field, frozen, validators
from jsonschema import Draft202012Validator
from strategies_schema import accepts

from llmkit import ConfigurationError
from llmkit.schema import Default, Misfit, json_schema, partial, structure, unstructure

T = TypeVar("T")
K = TypeVar("K")
NULL = {"type": "null"}
INT = {"type": "integer"}
STR = {"type": "string"}


def closed(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    found = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {**found, **more}


@frozen
class Plain:
    """A plain class. It has
    two lines.

    More of it.

    Attributes:
        a: The first.
        b: The second.
    """

    a: int
    b: str = "x"
    c: list[int] = field(factory=list)
    d: UUID = field(factory=uuid4)


@define
class Named:
    _private: int
    public: int = field(alias="given")
    only: int = field(kw_only=True)
    made: int = field(init=False, default=5)
    kept: ClassVar[int] = 3
    told: int = field(default=1, metadata={"description": "by metadata"})


@define
class Base:
    a: int = 1


@define
class Derived(Base):
    b: str = "b"


@define
class Node:
    value: int
    next: Node | None = None
    children: list[Node] = field(factory=list)


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0
    tags: set[str] = dataclasses.field(default_factory=set)
    z: int = dataclasses.field(default=0, kw_only=True)
    made: int = dataclasses.field(init=False, default=7)


@dataclasses.dataclass
class Point3(Point):
    w: int = 4


class Options(TypedDict, total=False):
    """Options."""

    size: Required[int]
    colour: str


class More(Options):
    deep: Annotated[NotRequired[int], "how deep"]
    wide: bool
    tall: typing_extensions.ReadOnly[NotRequired[int]]


Spelt = TypedDict("Spelt", {"a b": int, "class": NotRequired[str]})


class Told(TypedDict):
    city: Annotated[str, "Where."]
    unit: Annotated[Literal["C", "F"], Default("C")]
    days: NotRequired[Annotated[int, Default(3), "How many."]]


class Spot(NamedTuple):
    """A spot."""

    x: int
    y: int = 0


class Pair(NamedTuple, Generic[T]):
    first: T
    second: T


@define
class Box(Generic[T]):
    value: T
    more: list[T] = field(factory=list)


@define
class IntBox(Box[int]):
    name: str = ""


@dataclasses.dataclass
class Two(Generic[K, T]):
    key: K
    inner: Box[T]


class Shelf(TypedDict, Generic[T]):
    top: T


class IntShelf(Shelf[int], Generic[T]):
    bottom: T


@define
class Chain(Generic[T]):
    value: T
    rest: Chain[T] | None = None


@define
class Selfish:
    me: Self | None = None


@define
class Sloppy:
    x: int = None  # type: ignore[assignment]


class Size(enum.Enum):
    S = "s"
    M = "m"


@define
class Defaults:
    size: Size = Size.M
    price: Decimal = Decimal("1.5")
    day: date = date(2024, 1, 1)
    both: tuple[int, str] = (1, "a")
    obj: Base = Base(2)
    bad: object = object()
    self_made: int = field()

    @self_made.default
    def _(self) -> int:
        return 8


@frozen
class Finals:
    x: Final[int]
    y: Annotated[Final[int], "why"]


CLASSES = {
    "attrs": (
        Plain,
        closed(
            {
                "a": {**INT, "description": "The first."},
                "b": {**STR, "description": "The second.", "default": "x"},
                "c": {"type": "array", "items": INT, "default": []},
                "d": {"type": "string", "format": "uuid"},
            },
            "a",
            description="A plain class. It has two lines.",
        ),
        [({"a": 1, "b": "y", "c": [2], "d": str(UUID(int=1))}, Plain(1, "y", [2], UUID(int=1)))],
    ),
    "attrs, by their aliases": (
        Named,
        closed(
            {"private": INT, "given": INT, "only": INT, "told": {**INT, "description": "by metadata", "default": 1}},
            "private",
            "given",
            "only",
        ),
        [({"private": 1, "given": 2, "only": 3, "told": 4}, Named(1, given=2, only=3, told=4))],
    ),
    "attrs, inherited": (
        Derived,
        closed({"a": {**INT, "default": 1}, "b": {**STR, "default": "b"}}),
        [({"a": 2, "b": "c"}, Derived(2, "c"))],
    ),
    "dataclass": (
        Point,
        closed(
            {
                "x": INT,
                "y": {"type": "number", "default": 0.0},
                "tags": {"type": "array", "items": STR, "uniqueItems": True, "default": []},
                "z": {**INT, "default": 0},
            },
            "x",
        ),
        [({"x": 1, "y": 2.5, "tags": ["a"], "z": 3}, Point(1, 2.5, {"a"}, z=3))],
    ),
    "dataclass, inherited": (
        Point3,
        closed(
            {
                "x": INT,
                "y": {"type": "number", "default": 0.0},
                "tags": {"type": "array", "items": STR, "uniqueItems": True, "default": []},
                "z": {**INT, "default": 0},
                "w": {**INT, "default": 4},
            },
            "x",
        ),
        [({"x": 1, "y": 2.5, "tags": [], "z": 3, "w": 5}, Point3(1, 2.5, set(), 5, z=3))],
    ),
    "TypedDict": (
        Options,
        closed({"size": INT, "colour": STR}, "size", description="Options."),
        [({"size": 1}, {"size": 1}), ({"size": 1, "colour": "red"}, {"size": 1, "colour": "red"})],
    ),
    "TypedDict, inherited": (
        More,
        closed(
            {
                "size": INT,
                "colour": STR,
                "deep": {**INT, "description": "how deep"},
                "wide": {"type": "boolean"},
                "tall": INT,
            },
            "size",
            "wide",
        ),
        [({"size": 1, "wide": True}, {"size": 1, "wide": True})],
    ),
    "TypedDict with names of all sorts": (
        Spelt,
        closed({"a b": INT, "class": STR}, "a b"),
        [({"a b": 1}, {"a b": 1})],
    ),
    "TypedDict with defaults": (
        Told,
        closed(
            {
                "city": {**STR, "description": "Where."},
                "unit": {**STR, "enum": ["C", "F"], "default": "C"},
                "days": {**INT, "description": "How many.", "default": 3},
            },
            "city",
        ),
        [
            ({"city": "X"}, {"city": "X"}),
            ({"city": "X", "unit": "F", "days": 1}, {"city": "X", "unit": "F", "days": 1}),
        ],
    ),
    "NamedTuple": (
        Spot,
        closed({"x": INT, "y": {**INT, "default": 0}}, "x", description="A spot."),
        [({"x": 1, "y": 2}, Spot(1, 2))],
    ),
    "NamedTuple, generic": (
        Pair[str],
        closed({"first": STR, "second": STR}, "first", "second"),
        [({"first": "a", "second": "b"}, Pair("a", "b"))],
    ),
    "generic": (
        Box[int],
        closed({"value": INT, "more": {"type": "array", "items": INT, "default": []}}, "value"),
        [({"value": 1, "more": [2]}, Box(1, [2]))],
    ),
    "generic, bare": (
        Box,
        closed({"value": {}, "more": {"type": "array", "items": {}, "default": []}}, "value"),
        [({"value": "x", "more": [2]}, Box("x", [2]))],
    ),
    "generic, with arguments in its bases": (
        IntBox,
        closed(
            {"value": INT, "more": {"type": "array", "items": INT, "default": []}, "name": {**STR, "default": ""}},
            "value",
        ),
        [({"value": 1, "more": [], "name": ""}, IntBox(1))],
    ),
    "generic in generic": (
        Two[str, int],
        closed(
            {
                "key": STR,
                "inner": closed({"value": INT, "more": {"type": "array", "items": INT, "default": []}}, "value"),
            },
            "key",
            "inner",
        ),
        [({"key": "a", "inner": {"value": 1, "more": []}}, Two("a", Box(1)))],
    ),
    "generic TypedDict, one variable for two things": (
        IntShelf[str],
        closed({"top": INT, "bottom": STR}, "top", "bottom"),
        [({"top": 1, "bottom": "a"}, {"top": 1, "bottom": "a"})],
    ),
    "defaults": (
        Defaults,
        closed(
            {
                "size": {**STR, "enum": ["s", "m"], "default": "m"},
                "price": {**json_schema(Decimal), "default": "1.5"},
                "day": {**STR, "format": "date", "default": "2024-01-01"},
                "both": {**json_schema(tuple[int, str]), "default": [1, "a"]},
                "obj": {**closed({"a": {**INT, "default": 1}}), "default": {"a": 2}},
                "bad": {},
                "self_made": INT,
            }
        ),
        [],
    ),
    "a default that is not of the type": (Sloppy, closed({"x": INT}), [({}, Sloppy()), ({"x": 1}, Sloppy(1))]),
    "Final": (
        Finals,
        closed({"x": INT, "y": {**INT, "description": "why"}}, "x", "y"),
        [({"x": 1, "y": 2}, Finals(1, 2))],
    ),
}
each_class = pytest.mark.parametrize(("cls", "schema", "values"), CLASSES.values(), ids=CLASSES.keys())


@each_class
def test_schema(cls, schema, values):
    found = json_schema(cls)
    assert found.pop("title") == (typing.get_origin(cls) or cls).__name__
    assert found == schema
    Draft202012Validator.check_schema(found)


@each_class
def test_read_and_written(cls, schema, values):
    for value, item in values:
        found = structure(value, cls)
        assert (found, type(found)) == (item, type(item))
        assert unstructure(item, cls) == value
        assert partial(value, cls) == item
        assert accepts(json_schema(cls), value)


REFUSED = {
    "a key that is missing": ({}, Plain, "$.a: is missing"),
    "a key too many": ({"a": 1, "z": 2}, Plain, "$.z: is unknown; known are a, b, c, d"),
    "a name that is not JSON's": (
        {"_private": 1, "given": 2, "only": 3},
        Named,
        "$._private: is unknown; known are private, given, only, told",
    ),
    "what the class makes": (
        {"private": 1, "given": 2, "only": 3, "made": 4},
        Named,
        "$.made: is unknown; known are private, given, only, told",
    ),
    "no object": ([], Plain, "$: expected an object (Plain), got list []"),
    "null for a default": ({"a": 1, "b": None}, Plain, "$.b: expected str, got null"),
    "a list for a NamedTuple": ([1, 2], Spot, "$: expected an object (Spot), got list [1, 2]"),
    "deep in a tree": (
        {"value": 1, "children": [{"value": 2}, {"value": "x"}]},
        Node,
        "$.children[1].value: expected int, got str 'x'",
    ),
    "an argument's type": ({"value": "x"}, Box[int], "$.value: expected int, got str 'x'"),
    "a key with a space": ({}, Spelt, '$["a b"]: is missing'),
}


@pytest.mark.parametrize(("value", "cls", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(value, cls, message):
    with pytest.raises(Misfit) as caught:
        structure(value, cls)
    assert str(caught.value) == message
    assert not accepts(json_schema(cls), value)


# ---- definitions -----------------------------------------------------------------------------------------------------


@define
class Leg:
    a: Base
    b: Base


def test_a_class_used_twice_is_defined_once():
    assert json_schema(Leg) == {
        "title": "Leg",
        **closed({"a": {"$ref": "#/$defs/Base"}, "b": {"$ref": "#/$defs/Base"}}, "a", "b"),
        "$defs": {"Base": closed({"a": {**INT, "default": 1}})},
    }


def test_a_class_in_itself():
    node = {"$ref": "#/$defs/Node"}
    assert json_schema(Node) == {
        "title": "Node",
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": closed(
                {
                    "value": INT,
                    "next": {"anyOf": [node, NULL], "default": None},
                    "children": {"type": "array", "items": node, "default": []},
                },
                "value",
            )
        },
    }
    tree = Node(1, Node(2), [Node(3, children=[Node(4)])])
    assert structure(unstructure(tree, Node), Node) == tree
    assert unstructure(tree) == unstructure(tree, Node)


def test_a_generic_class_in_itself():
    chain = Chain(1, Chain(2))
    assert structure(unstructure(chain, Chain[int]), Chain[int]) == chain
    assert json_schema(list[Chain[int]])["items"] == {"$ref": "#/$defs/Chain_int"}
    with pytest.raises(Misfit, match=r"^\$\.rest\.value: expected int"):
        structure({"value": 1, "rest": {"value": "x"}}, Chain[int])


def test_self():
    assert structure({"me": {"me": None}}, Selfish) == Selfish(Selfish())


def test_classes_of_one_name():
    def make(kind: type) -> type:
        return attrs.make_class("Same", {"x": attrs.field(type=kind)})

    one, other = make(int), make(str)
    both = attrs.make_class(
        "Both", {name: attrs.field(type=kind) for name, kind in zip("abcd", (one, other, one, other), strict=True)}
    )
    schema = json_schema(both)
    assert schema["properties"]["a"] == schema["properties"]["c"] == {"$ref": "#/$defs/Same"}
    assert schema["properties"]["b"] == schema["properties"]["d"] == {"$ref": "#/$defs/Same_2"}
    value = both(one(1), other("a"), one(2), other("b"))
    assert structure(unstructure(value, both), both) == value


def test_a_class_of_a_function():
    @define
    class Local:
        a: int
        again: Local | None = None
        more: list[Local] = field(factory=list)

    value = Local(1, Local(2), [Local(3)])
    assert structure(unstructure(value, Local), Local) == value


def test_what_a_function_hides_is_told():
    @define
    class Hidden:
        pass

    @define
    class Local:
        a: int
        b: list[Hidden]

    with pytest.raises(
        ConfigurationError, match=r"^output_type\.b: the annotation 'list\[Hidden\]' cannot be resolved"
    ):
        json_schema(Local)


@define
class Shadowed:
    """Names of fields that are types, too."""

    date: date | None = None
    list: list[int] = field(factory=list)


def test_fields_named_like_types():
    assert structure({"date": "2024-01-01", "list": [1]}, Shadowed) == Shadowed(date(2024, 1, 1), [1])


@define
class Outer:
    @define
    class Inner:
        x: int

    inner: Inner


def test_classes_in_classes():
    assert structure({"inner": {"x": 1}}, Outer) == Outer(Outer.Inner(1))


# ---- what the class itself says --------------------------------------------------------------------------------------


@define
class Checked:
    low: int
    high: int = field(converter=int, default=9)

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is more than high")


@dataclasses.dataclass
class CheckedToo:
    low: int

    def __post_init__(self) -> None:
        if self.low < 0:
            raise KeyError("negative")


def test_what_the_constructor_refuses():
    assert structure({"low": 1}, Checked) == Checked(1, 9)
    with pytest.raises(Misfit) as caught:
        structure([{"low": 10}], list[Checked])
    assert str(caught.value) == "$[0]: Checked refuses it: low is more than high"
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(Misfit, match=r"^\$: CheckedToo refuses it: 'negative'"):
        structure({"low": -1}, CheckedToo)


class Abstract(abc.ABC):
    @abc.abstractmethod
    def go(self) -> None: ...


@define
class AbstractToo(Abstract):
    x: int


@dataclasses.dataclass
class WithInit:
    a: int
    b: dataclasses.InitVar[int]


@define
class Deep:
    rows: list[dict[str, tuple[int, complex]]]


class OddKey(TypedDict):
    fine: int


OddToo = TypedDict("OddToo", {"a b": complex})

NOT_EXPRESSED = {
    "abstract": (AbstractToo, "output_type: AbstractToo is abstract"),
    "InitVar": (WithInit, "output_type.b: an InitVar is not kept"),
    "deep inside": (Deep, "output_type.rows[]{}[1]: complex cannot be expressed in JSON; possible are attrs classes"),
    "a key with a space": (OddToo, 'output_type["a b"]: complex'),
}


@pytest.mark.parametrize(("cls", "message"), NOT_EXPRESSED.values(), ids=NOT_EXPRESSED.keys())
def test_not_expressed(cls, message):
    with pytest.raises(ConfigurationError) as caught:
        json_schema(cls)
    assert str(caught.value).startswith(message)


def test_where_the_path_begins():
    with pytest.raises(ConfigurationError, match=r"^tools\[0\]\.parameters\.rows\[\]"):
        json_schema(Deep, "tools[0].parameters")


# ---- nulls for what was left out -------------------------------------------------------------------------------------


@define
class Lenient:
    a: int = 1
    b: int | None = 2
    c: list[Base] = field(factory=list)


def test_nulls_stand_for_what_was_left_out():
    given = {"a": None, "b": None, "c": [{"a": None}]}
    assert structure(given, Lenient, nulls=True) == Lenient(1, None, [Base(1)])
    assert structure({"size": 1, "colour": None}, Options, nulls=True) == {"size": 1}
    for value, cls, path in ((given, Lenient, "$.a"), ({"size": None}, Options, "$.size")):
        with pytest.raises(Misfit) as caught:
            structure(value, cls)
        assert caught.value.path == path
    with pytest.raises(Misfit, match=r"^\$\.size: expected int, got null"):
        structure({"size": None}, Options, nulls=True)
    with pytest.raises(Misfit, match=r"^\$\.z: is unknown"):
        structure({"z": None}, Lenient, nulls=True)


# ---- what is known ---------------------------------------------------------------------------------------------------


@frozen
class Strict:
    name: str = field(validator=validators.min_len(3))
    size: int
    steps: list[Base] = field(factory=list)
    kind: Literal["a", "b"] = "a"
    _secret: int = 3
    made: int = field(init=False, default=7)


KNOWN = {
    "nothing": (Strict, {}, {"name": None, "size": None, "steps": [], "kind": "a", "_secret": 3, "made": 7}),
    "a word that is begun": (Strict, {"name": "ab"}, {"name": None, "size": None}),
    "a word": (Strict, {"name": "abc"}, {"name": "abc", "size": None}),
    "a list": (Strict, {"steps": [{"a": 2}, {}]}, {"steps": [Base(2), Base(1)]}),
    "a choice that is begun": (Strict, {"kind": "x"}, {"kind": "a"}),
    "an alias": (Strict, {"secret": 5}, {"_secret": 5}),
    "a dataclass": (Point, {"y": 1}, {"x": None, "y": 1.0, "z": 0, "tags": set(), "made": 7}),
    "a NamedTuple": (Spot, {"x": 1}, {"x": 1, "y": 0}),
}


@pytest.mark.parametrize(("cls", "value", "attributes"), KNOWN.values(), ids=KNOWN.keys())
def test_known(cls, value, attributes):
    found = partial(value, cls)
    assert type(found) is cls
    assert {name: getattr(found, name) for name in attributes} == attributes


@frozen
class Unhashed:
    items: list[int]


def test_a_hash_that_fails():
    with pytest.raises(Misfit, match=r"^\$: unhashable type: 'list'"):
        structure([{"items": [1]}], set[Unhashed])
    assert partial([{"items": [1]}, {}], set[Unhashed]) is None


@frozen
class Failing:
    x: int
    y: int = field(factory=lambda: 1 // 0)


def test_a_default_that_fails():
    assert partial({"x": 1}, Failing).y is None


WRONG = {
    "a key too many": ({"size": 1, "z": 2}, Options, "$.z: is unknown"),
    "a key that is missing": ({}, Options, "$.size: is missing"),
    "another class": (Base(), Plain, "$: expected Plain, got Base"),
    "deep in a class": (Node(1, None, [Node("x")]), Node, "$.children[0].value: expected int"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("value", "cls", "message"), WRONG.values(), ids=WRONG.keys())
def test_not_written(value, cls, message):
    with pytest.raises(ConfigurationError) as caught:
        unstructure(value, cls)
    assert str(caught.value).startswith(message)


def test_an_attribute_that_is_missing():
    value = Base()
    del value.a
    with pytest.raises(ConfigurationError, match=r"^\$\.a: is missing"):
        unstructure(value)


KNOWN_VALUES = {
    "a NamedTuple that goes on": (Pair[int], {"first": 1}, Pair(1, None)),
    "a dict for a union": (Base | dict[str, int], {"a": 1, "b": None}, {"a": 1}),
    "a list for a union": (list[int] | None, [1, "x"], [1]),
    "nothing of a class": (Strict, None, None),
    "nothing of a number": (int, "x", None),
    "keys of a TypedDict": (More, {"size": 1, "wide": None}, {"size": 1}),
    "items of a list": (list[int], [1, "x", 2], [1, 2]),
    "items of a set": (set[int], [1, 1, 2], {1, 2}),
    "values of a dict": (dict[str, int], {"a": 1, "b": None}, {"a": 1}),
    "a tuple that goes on": (tuple[int, str, int], [1], (1, None, None)),
    "a tuple with a hole": (tuple[int, str], ["x", "y"], (None, "y")),
    "an Optional": (Base | None, {"a": 3}, Base(3)),
}


@pytest.mark.parametrize(("type_", "value", "known"), KNOWN_VALUES.values(), ids=KNOWN_VALUES.keys())
def test_known_values(type_, value, known):
    assert partial(value, type_) == known


# ---- older and rarer ways to say the same ----------------------------------------------------------------------------


@attr.s
class Old:
    x = attr.ib(type=int)
    y = attr.ib(default=None)


@attr.s(auto_attribs=True, these={"x": attr.ib(type=int)})
class These:
    pass


@dataclasses.dataclass(slots=True, frozen=True)
class Slots:
    a: int
    _: dataclasses.KW_ONLY
    _b: int = 2


class Untyped(collections.namedtuple("Untyped", "a b", defaults=[1])):  # noqa: PYI024 - it is what is tried
    __slots__ = ()


@define
class OwnInit:
    a: int

    def __init__(self, a: int) -> None:
        self.__attrs_init__(a + 1)


@frozen
class Quiet:
    a: Annotated[int, Default(3)]  # said of a key of a TypedDict only


RARE = {
    "attr.s": (Old, {"x": 1, "y": [None]}, Old(1, [None])),
    "these": (These, {"x": 1}, These(1)),
    "a frozen dataclass with slots": (Slots, {"a": 1, "_b": 3}, Slots(1, _b=3)),
    "namedtuple": (Untyped, {"a": "x", "b": 2}, Untyped("x", 2)),
}


@pytest.mark.parametrize(("cls", "value", "item"), RARE.values(), ids=RARE.keys())
def test_rare_ways(cls, value, item):
    assert structure(value, cls) == item
    assert unstructure(item, cls) == value
    assert unstructure(item) == value
    assert accepts(json_schema(cls), value)


def test_a_constructor_of_its_own():
    assert structure({"a": 1}, OwnInit).a == 2


def test_a_default_that_the_class_does_not_know():
    assert json_schema(Quiet)["required"] == ["a"]


@define
class Refusing:
    items: Annotated[list[int], validators.min_len(1)] = field(factory=list)


def test_a_default_that_would_be_refused_is_not_told():
    assert json_schema(Refusing)["properties"] == {
        "items": {"type": "array", "items": INT, "minItems": 1},
    }
    assert structure({}, Refusing) == Refusing([])


def test_a_text_of_the_root():
    schema = json_schema(Annotated[Base, "the answer"])
    assert (schema["title"], schema["description"]) == ("Base", "the answer")
