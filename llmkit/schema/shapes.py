"""What types are to JSON: a graph of shapes, from which schemas and both directions of structuring are read.

A shape is a place in the graph, which recursive types make cyclic: shapes are told apart by identity.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import define, frozen

ABSENT: Final = object()
"""No default; attrs' own word for it cannot be the default of a field."""

SCALAR_WORDS: Final = {
    "null": "null",
    "boolean": "bool",
    "integer": "int",
    "number": "float",
    "string": "str",
}


@frozen(eq=False)
class Anything:
    """Any JSON value."""


@frozen(eq=False)
class Scalar:
    """A JSON value that is the Python value.

    Attributes:
        type: The word of JSON Schema.
    """

    type: str


@frozen(eq=False)
class Written:
    """A Python value that JSON has no type for, written as a string.

    Attributes:
        cls: The class of the values.
        word: What is expected, in a message.
        schema: All of the JSON Schema.
        read: A JSON value to a Python value; raises `ValueError` or `ArithmeticError` where it is none.
        write: The way back; raises the same for a value that has no writing.
        numeric: Whether a JSON number is taken, too.
    """

    cls: type
    word: str
    schema: Mapping[str, Any]
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    numeric: bool = False


@frozen(eq=False)
class Choice:
    """One of some values: of an `Enum`, or a `Literal`.

    Attributes:
        options: Each JSON scalar with its Python value; no two JSON values are equal.
    """

    options: tuple[tuple[Any, Any], ...]


@frozen(eq=False)
class Items:
    """A JSON array of one shape.

    Attributes:
        make: ``list``, ``tuple``, ``set`` or ``frozenset``.
    """

    item: "Shape"
    make: type

    @property
    def unique(self) -> bool:
        """Whether no item may stand in it twice."""
        return self.make in (set, frozenset)


@frozen(eq=False)
class Row:
    """A JSON array with a shape for each place."""

    items: "tuple[Shape, ...]"


@frozen(eq=False)
class Table:
    """A JSON object with free keys."""

    key: "Shape"
    value: "Shape"


@frozen(eq=False)
class Field:
    """A field of a class.

    Attributes:
        name: The attribute, or the key where values are dicts.
        key: Its name in JSON, and the keyword of the constructor.
        required: Whether JSON must have it.
        default: What it is where JSON has none of it; `ABSENT` where a factory makes it, or nothing does.
        factory: Makes the default; None also where it needs the instance.
        shown: The default that the schema tells; `ABSENT` where it tells none.
    """

    name: str
    key: str
    shape: "Shape"
    required: bool
    default: Any = ABSENT
    factory: Callable[[], Any] | None = None
    shown: Any = ABSENT


@define(eq=False)
class Object:
    """A JSON object with known keys and no others.

    Attributes:
        cls: The class of the values; of a `TypedDict` it makes dicts.
        name: Of the class and its arguments, as a key of ``$defs``.
        is_dict: Whether the values are dicts.
        fields: Filled when the graph is whole, as a field may be of the class itself.
        hidden: Attributes that no JSON sets, as field names with their makers of defaults.
    """

    cls: type
    name: str
    description: str = ""
    is_dict: bool = False
    fields: tuple[Field, ...] = ()
    hidden: tuple[tuple[str, Callable[[], Any] | None], ...] = ()


@frozen(eq=False)
class Variant:
    """An object as the member of a union that could not be told from another member without help.

    Attributes:
        key: What tells: a key of its own, or one that `TAG` adds.
        tag: The value of an added key; None where the key is the class's own, which is then required.
    """

    object: Object
    key: str
    tag: str | None


@define(eq=False)
class Union:
    """One of several shapes, which are flat: no member is a union when the graph is whole.

    Attributes:
        where: The path of the field, for messages.
    """

    members: "tuple[Shape, ...]"
    where: str = ""


@define(eq=False)
class Alias:
    """A type with a name of its own (PEP 695), which may stand in itself."""

    name: str
    target: "Shape | None" = None


@frozen(eq=False)
class Check:
    """A constraint on a value.

    Attributes:
        keywords: What says it in JSON Schema; empty where nothing does.
        holds: Takes the JSON value and the Python value.
        problem: What is wrong where it does not hold, as in "must be at least 3".
        note: Added to the description, where keywords do not say all of it.
    """

    keywords: Mapping[str, Any]
    holds: Callable[[Any, Any], bool]
    problem: str
    note: str = ""


@frozen(eq=False)
class Noted:
    """A shape with what is said of it in one place."""

    shape: "Shape"
    checks: tuple[Check, ...] = ()
    description: str = ""


Shape = Anything | Scalar | Written | Choice | Items | Row | Table | Object | Variant | Union | Alias | Noted

TAG: Final = "_type"
_SAID: Final = 20  # options, in a message


def parts(shape: Shape) -> Iterator[Shape]:
    """What `shape` is made of."""
    match shape:
        case Items(item=item):
            yield item
        case Row(items=items) | Union(members=items):
            yield from items
        case Table(key=key, value=value):
            yield from (key, value)
        case Object(fields=fields) | Variant(object=Object(fields=fields)):
            yield from (item.shape for item in fields)
        case Alias(target=target) if target is not None:
            yield target
        case Noted(shape=inner):
            yield inner


def walk(root: Shape) -> Iterator[Shape]:
    """Each shape of a graph once; what one is made of is asked for after it was given."""
    seen: set[int] = set()
    rest = [root]
    while rest:
        shape = rest.pop()
        if id(shape) not in seen:
            seen.add(id(shape))
            yield shape
            rest += parts(shape)


def through(shape: Shape) -> Shape:
    """What an alias stands for."""
    while isinstance(shape, Alias) and shape.target is not None:
        shape = shape.target
    return shape


def bare(shape: Shape) -> Shape:
    """`shape` without its notes, and what an alias stands for."""
    while True:
        if isinstance(shape, Noted):
            shape = shape.shape
        elif isinstance(shape, Alias) and shape.target is not None:
            shape = shape.target
        else:
            return shape


def kinds(shape: Shape) -> frozenset[str]:  # noqa: PLR0911 - one a kind of shape
    """The types of JSON Schema that `shape` takes; an integer is a number, too."""
    match bare(shape):
        case Scalar(type="number"):
            return frozenset({"integer", "number"})
        case Scalar(type=kind):
            return frozenset({kind})
        case Written(numeric=numeric):
            return frozenset({"string", "integer", "number"} if numeric else {"string"})
        case Choice(options=options):
            return frozenset(kind for value, _ in options for kind in kinds_of(value))
        case Items() | Row():
            return frozenset({"array"})
        case Table() | Object() | Variant():
            return frozenset({"object"})
        case Union(members=members):
            return frozenset().union(*map(kinds, members))
        case _:
            return frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})


def kinds_of(value: object) -> tuple[str, ...]:
    """The types of JSON Schema that a JSON value has; a whole number is an integer, however it is written."""
    whole = isinstance(value, float) and value.is_integer()
    kind = kind_of(value)
    return ("integer", "number") if kind == "integer" or whole else (kind,)


def kind_of(value: object) -> str:  # noqa: PLR0911 - one a kind of value
    """The JSON type of a JSON value; "" of anything else. A float is a number, even if it is whole."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return ""


def takes_null(shape: Shape) -> bool:
    """Whether null is one of the values."""
    return "null" in kinds(shape)


def json_key(value: Any) -> Any:
    """Something hashable that is equal where JSON values are: 1 and 1.0 are, 1 and true are not."""
    match value:
        case bool():
            return ("boolean", value)
        case list():
            return ("array", tuple(map(json_key, value)))
        case dict():
            return ("object", frozenset((key, json_key(item)) for key, item in value.items()))
        case _:
            return value


def is_scalar(value: object) -> bool:
    """Whether it is a JSON value that nothing is in."""
    return value is None or isinstance(value, (bool, int, float, str))


def says(shape: Shape) -> str:  # noqa: PLR0911 - one a kind of shape
    """What `shape` is, in a message."""
    match bare(shape):
        case Scalar(type=kind):
            return SCALAR_WORDS[kind]
        case Written(word=word):
            return word
        case Choice(options=options):
            shown = ["null" if value is None else repr(value) for value, _ in options[:_SAID]]
            return f"one of {', '.join(shown)}" + (", …" if len(options) > _SAID else "")
        case Items() | Row():
            return "an array"
        case Object(name=name) | Variant(object=Object(name=name)):
            return f"an object ({name})"
        case Table():
            return "an object"
        case Union(members=members):
            words = [says(member) for member in members]
            return " or ".join(dict.fromkeys(words))
        case _:
            return "anything"
