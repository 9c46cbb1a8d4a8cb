"""Types as hypothesis makes them, each with a strategy of its values: nested, unions, classes, generic, recursive."""

import base64
import copy
import dataclasses
import enum
import re
import typing
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar
from uuid import UUID

import attrs
import typing_extensions
from attrs import frozen, validators
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.validators import extend

T = TypeVar("T")
K = TypeVar("K")

# ---- the checker -----------------------------------------------------------------------------------------------------

FORMATS = FormatChecker(formats=["uuid", "date"])
_CLOCK = r"(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:Z|([+-])(\d{2}):(\d{2}))?"


@FORMATS.checks("time")
def is_time(value: object) -> bool:
    """RFC 3339, section 5.6, without leap seconds, which Python has not; the offset may be missing."""
    match = re.fullmatch(_CLOCK, value, re.ASCII | re.IGNORECASE) if isinstance(value, str) else None
    if match is None:
        return not isinstance(value, str)
    hours, minutes, seconds, _, offset_hours, offset_minutes = match.groups()
    return (
        int(hours) < 24
        and int(minutes) < 60
        and int(seconds) < 60
        and int(offset_hours or 0) < 24
        and int(offset_minutes or 0) < 60
    )


@FORMATS.checks("date-time")
def is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    day, separator, clock = value[:10], value[10:11], value[11:]
    return separator in ("T", "t") and FORMATS.conforms(day, "date") and FORMATS.conforms(clock, "time")


@FORMATS.checks("duration")
def is_duration(value: object) -> bool:
    """ISO 8601 without years and months, which have no length; with weeks beside days, a fraction and a sign."""
    if not isinstance(value, str):
        return True
    match = re.fullmatch(r"-?P(\d+W)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?", value, re.ASCII)
    if match is None or value[-1] in "PT":
        return False
    units = zip((7 * 86400, 86400, None, 3600, 60, 1), match.groups()[:6], strict=True)
    seconds = sum(unit * Decimal(part[:-1]) for unit, part in units if unit and part)
    return seconds < 999_999_999 * 86400 + 86400


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Any:
    """As ECMA 262 has it: there ``$`` is the very end, in Python a line's end, too."""
    return Draft202012Validator.VALIDATORS["pattern"](validator, re.sub(r"\$$", r"\\Z", pattern), instance, schema)


Checker = extend(Draft202012Validator, {"pattern": _pattern})


def accepts(schema: Any, value: Any) -> bool:
    return bool(Checker(schema, format_checker=FORMATS).is_valid(value))


# ---- types with their values -----------------------------------------------------------------------------------------


@frozen
class Case:
    """A type.

    Attributes:
        values: Instances.
        kind: What JSON has of it; members of one union differ in it, so that each value has one reading.
        hashable: Whether values may be in a set.
    """

    type: Any
    values: st.SearchStrategy[Any]
    kind: str
    hashable: bool = True


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"
    AZURE = "blue"  # an alias


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"
    NO = "no"


UserId = typing.NewType("UserId", int)
OtherId = typing.NewType("OtherId", UserId)

TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=6)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.integers(-(2**60), 2**60)
ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))])
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=3)
DELTAS = st.timedeltas(min_value=timedelta(days=-99999), max_value=timedelta(days=99999))

SCALARS = [
    Case(bool, st.booleans(), "boolean"),
    Case(int, NUMBERS, "integer"),
    Case(float, FLOATS, "number"),
    Case(str, TEXTS, "string"),
    Case(None, st.none(), "null"),
    Case(OtherId, NUMBERS, "integer"),
    Case(bytes, st.binary(max_size=5), "string"),
    Case(Decimal, DECIMALS, "string"),
    Case(date, st.dates(), "string"),
    Case(time, st.times(), "string"),
    Case(datetime, st.datetimes(timezones=ZONES), "string"),
    Case(timedelta, DELTAS, "string"),
    Case(UUID, st.uuids(), "string"),
    Case(Colour, st.sampled_from(Colour), "string"),
    Case(Word, st.sampled_from(Word), "string"),
    Case(Level, st.sampled_from(Level), "integer"),
    Case(Literal["a", "b"], st.sampled_from(["a", "b"]), "string"),
    Case(Literal[1, "one", Colour.RED], st.sampled_from([1, "one", Colour.RED]), "mixed"),
    Case(Annotated[int, validators.ge(-3), validators.lt(9)], st.integers(-3, 8), "integer"),
    Case(Annotated[float, validators.and_(validators.gt(0.5), validators.le(2))], st.floats(1, 2), "number"),
    Case(Annotated[str, validators.max_len(3), "short"], st.text("xyz", max_size=3), "string"),
    Case(Annotated[str, validators.matches_re("[a-c]+")], st.text("abc", min_size=1, max_size=4), "string"),
    Case(Annotated[int, validators.in_([3, 5])], st.sampled_from([3, 5]), "integer"),
    Case(Annotated[int | None, validators.optional(validators.in_([3, 5]))], st.sampled_from([3, 5, None]), "mixed"),
]
KEYS = [case for case in SCALARS if case.type in (str, UUID, date, datetime, Colour, Word, Literal["a", "b"])]


@attrs.define(eq=True)
class Tree:
    name: str
    children: "list[Tree]" = attrs.field(factory=list)
    parent: "Tree | None" = None


@dataclasses.dataclass
class Chain:
    value: int
    rest: "Chain | None" = None


class Folder(TypedDict):
    files: NotRequired[list[str]]
    folders: "dict[str, Folder]"


Json = typing_extensions.TypeAliasType("Json", "dict[str, Json] | list[Json] | str | bool | int | None")


@frozen
class Box(Generic[T]):
    value: T
    more: tuple[T, ...] = ()


@dataclasses.dataclass(frozen=True)
class Pair(Generic[K, T]):
    first: K
    second: "T | None" = None


class Shelf(TypedDict, Generic[T]):
    top: T
    rest: NotRequired[list[T]]


class Spot(NamedTuple, Generic[T]):
    x: T
    y: int = 0


def _trees() -> st.SearchStrategy[Any]:
    return st.recursive(
        st.builds(Tree, TEXTS),
        lambda inner: st.builds(Tree, TEXTS, st.lists(inner, max_size=2), st.none() | inner),
        max_leaves=3,
    )


def _jsons() -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXTS,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
        max_leaves=4,
    )


def _folders() -> st.SearchStrategy[Any]:
    return st.recursive(
        st.just({"folders": {}}),
        lambda inner: st.fixed_dictionaries(
            {"folders": st.dictionaries(TEXTS, inner, max_size=2)}, optional={"files": st.lists(TEXTS, max_size=2)}
        ),
        max_leaves=3,
    )


def _chains() -> st.SearchStrategy[Any]:
    return st.recursive(
        st.builds(Chain, NUMBERS), lambda inner: st.builds(Chain, NUMBERS, st.none() | inner), max_leaves=3
    )


RECURSIVE = [
    Case(Tree, _trees(), "object", hashable=False),
    Case(Chain, _chains(), "object", hashable=False),
    Case(Folder, _folders(), "dict", hashable=False),
    Case(Json, _jsons(), "any", hashable=False),
]


@st.composite
def types(draw: st.DrawFn, depth: int = 3) -> Case:
    """Any type, with its values."""
    if depth == 0:
        return draw(st.sampled_from(SCALARS))
    kinds = [_array, _table, _class, _class, _generic, _union, _union, _noted]
    if draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from([*SCALARS, *RECURSIVE]))
    return draw(st.sampled_from(kinds))(draw, depth - 1)


def _hashable(draw: st.DrawFn) -> Case:
    return draw(st.sampled_from(SCALARS))


def _array(draw: st.DrawFn, depth: int) -> Case:
    kind = draw(st.sampled_from(["list", "sequence", "tuple", "row", "set", "frozenset", "abstract set"]))
    if "set" in kind:
        item = draw(st.sampled_from(SCALARS))
        made = {"set": set, "frozenset": frozenset, "abstract set": AbstractSet}[kind]
        values = st.frozensets(item.values, max_size=3)
        return Case(made[item.type], values.map(set) if kind == "set" else values, "array", hashable=kind != "set")
    if kind == "row":
        items = draw(st.lists(types(depth=depth), max_size=3))
        made = tuple[tuple(item.type for item in items)] if items else tuple[()]
        return Case(made, st.tuples(*(item.values for item in items)), "array", all(item.hashable for item in items))
    item = draw(types(depth=depth))
    values = st.lists(item.values, max_size=3)
    if kind == "tuple":
        return Case(tuple[item.type, ...], values.map(tuple), "array", item.hashable)
    return Case((list if kind == "list" else Sequence)[item.type], values, "array", hashable=False)


def _table(draw: st.DrawFn, depth: int) -> Case:
    keys, item = draw(st.sampled_from(KEYS)), draw(types(depth=depth))
    made = draw(st.sampled_from([dict, Mapping]))
    return Case(made[keys.type, item.type], st.dictionaries(keys.values, item.values, max_size=3), "dict", False)


def _noted(draw: st.DrawFn, depth: int) -> Case:
    case = draw(types(depth=depth))
    return Case(Annotated[case.type, draw(st.sampled_from(["text", object()]))], case.values, case.kind, case.hashable)


NAMES = st.lists(st.sampled_from(["a", "b", "c", "kind", "value"]), max_size=3, unique=True)


def _class(draw: st.DrawFn, depth: int) -> Case:
    names = draw(NAMES)
    made = {name: draw(types(depth=depth)) for name in names}
    defaults = {name: draw(made[name].values) for name in names if draw(st.booleans())}
    order = sorted(names, key=lambda name: name in defaults)
    kind = draw(st.sampled_from(["attrs", "dataclass", "typed dict", "named tuple"]))
    name = draw(st.sampled_from(["A", "B"]))
    return CLASSES[kind](name, {name: made[name] for name in order}, defaults)


def _of_attrs(name: str, fields: dict[str, Case], defaults: dict[str, Any]) -> Case:
    made = {
        key: attrs.field(type=case.type, **(_default(defaults[key]) if key in defaults else {}))
        for key, case in fields.items()
    }
    cls = attrs.make_class(name, made, frozen=True)
    return Case(cls, _instances(cls, fields, defaults), "object", hashable=False)


def _default(value: Any) -> dict[str, Any]:
    return {"factory": lambda: copy.deepcopy(value)} if isinstance(value, (list, dict, set)) else {"default": value}


def _of_dataclass(name: str, fields: dict[str, Case], defaults: dict[str, Any]) -> Case:
    made = [
        (key, case.type, dataclasses.field(default_factory=lambda value=defaults[key]: copy.deepcopy(value)))
        if key in defaults
        else (key, case.type)
        for key, case in fields.items()
    ]
    cls = dataclasses.make_dataclass(name, made, namespace={"__hash__": None})
    cls.__module__ = __name__
    return Case(cls, _instances(cls, fields, defaults), "object", hashable=False)


def _of_typed_dict(name: str, fields: dict[str, Case], defaults: dict[str, Any]) -> Case:
    made = {key: NotRequired[case.type] if key in defaults else case.type for key, case in fields.items()}
    cls = TypedDict(name, made)  # type: ignore[operator, misc]
    required = {key: case.values for key, case in fields.items() if key not in defaults}
    optional = {key: case.values for key, case in fields.items() if key in defaults}
    return Case(cls, st.fixed_dictionaries(required, optional=optional), "dict", hashable=False)


def _of_named_tuple(name: str, fields: dict[str, Case], defaults: dict[str, Any]) -> Case:
    cls = NamedTuple(name, [(key, case.type) for key, case in fields.items()])  # type: ignore[misc]
    given = [defaults[key] for key in fields if key in defaults]
    cls.__new__.__defaults__ = tuple(given)
    cls._field_defaults = {key: defaults[key] for key in fields if key in defaults}
    # Two empty ones of two classes are equal, and (1,) is 1-tuple of each: which it was cannot be seen by `==`.
    return Case(cls, _instances(cls, fields, defaults), "named", hashable=False)


CLASSES = {
    "attrs": _of_attrs,
    "dataclass": _of_dataclass,
    "typed dict": _of_typed_dict,
    "named tuple": _of_named_tuple,
}


def _instances(cls: Any, fields: dict[str, Case], defaults: dict[str, Any]) -> st.SearchStrategy[Any]:
    required = {key: case.values for key, case in fields.items() if key not in defaults}
    optional = {key: case.values for key, case in fields.items() if key in defaults}
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: cls(**given))


def _generic(draw: st.DrawFn, depth: int) -> Case:
    first, second = draw(types(depth=depth)), draw(types(depth=depth))
    kind = draw(st.sampled_from(["Box", "Pair", "Shelf", "Spot"]))
    if kind == "Box":
        values = st.builds(Box, first.values, st.lists(first.values, max_size=2).map(tuple))
        return Case(Box[first.type], values, "object", hashable=False)
    if kind == "Pair":
        values = st.builds(Pair, first.values, st.none() | second.values)
        safe = second.kind not in ("mixed", "any", "null")
        return Case(
            Pair[first.type, second.type if safe else int],
            values if safe else st.builds(Pair, first.values, NUMBERS),
            "object",
            False,
        )
    if kind == "Shelf":
        values = st.fixed_dictionaries({"top": first.values}, optional={"rest": st.lists(first.values, max_size=2)})
        return Case(Shelf[first.type], values, "dict", hashable=False)
    return Case(Spot[first.type], st.builds(Spot, first.values, NUMBERS), "named", hashable=False)


# Kinds of which one union may have one member only; of "object" it may have several, as classes are told apart.
_APART = {
    "mixed": {"integer", "number", "string", "mixed"},
    "any": set(),
    "dict": {"dict", "object", "named"},
    "named": {"dict", "named"},
}


def _union(draw: st.DrawFn, depth: int) -> Case:
    chosen: list[Case] = []
    for case in draw(st.lists(types(depth=depth), min_size=2, max_size=4)):
        taken = {one.kind for one in chosen}
        if case.kind in ("any", "union") or (taken & {"dict", "named"} and case.kind == "object"):
            continue
        if not taken & _APART.get(case.kind, {case.kind, "mixed"} if case.kind != "object" else {"dict", "named"}):
            chosen.append(case)
    if len(chosen) < 2:
        return draw(st.sampled_from(SCALARS))
    made = typing.Union[tuple(case.type for case in chosen)]
    return Case(made, st.one_of(*(case.values for case in chosen)), "union", all(case.hashable for case in chosen))


# ---- JSON ------------------------------------------------------------------------------------------------------------

TELLING = [
    "",
    "a",
    "red",
    "one",
    "2024-02-29",
    "2024-02-29T01:02:03Z",
    "01:02:03",
    "PT1S",
    "YQ==",
    "1.5",
    "abc",
    "_type",
]
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.sampled_from([0.5, 1.0, -2.0, 1.5, 1e300]),
    st.sampled_from(TELLING),
    st.uuids().map(str),
    st.binary(max_size=3).map(lambda data: base64.b64encode(data).decode()),
    TEXTS,
)
JSONS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "c", "kind", "value", "top", "_type", ""]), inner, max_size=3),
    ),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """Valid JSON with something changed in it."""
    value = copy.deepcopy(value)
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(value)))
        value[key] = draw(mutated(value[key]))
        return value
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        at = draw(st.integers(0, len(value) - 1))
        value[at] = draw(mutated(value[at]))
        return value
    return draw(st.sampled_from([_other, _more, _less, _near]))(draw, value)


def _other(draw: st.DrawFn, _: Any) -> Any:
    return draw(JSONS)


def _more(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        return {**value, draw(st.sampled_from(["a", "z", "_type"])): draw(JSONS)}
    return [*value, *(value[:1] or [draw(JSONS)])] if isinstance(value, list) else [value]


def _less(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        return dict(list(value.items())[1:])
    return value[1:] if isinstance(value, (list, str)) else None


def _near(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return draw(st.sampled_from([value + 1, -value, str(value), bool(value)]))
    if isinstance(value, str):
        return draw(st.sampled_from([value + "x", value.upper(), value.lower(), f" {value}", f"{value}\n"]))
    return value
