"""What is no type, what is no JSON, and many threads at once: nothing but the two errors comes out."""

import collections
import enum
import subprocess
import sys
import threading
import types
import typing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Generic, Literal, ParamSpec, Protocol, Self, TypeVar
from unittest.mock import MagicMock

import attrs
import msgspec
import numpy as np
import pydantic
import pytest
from attrs import define, frozen

import llmkit.schema
from llmkit import ConfigurationError
from llmkit.schema import Misfit, json_schema, partial, structure, unstructure
from llmkit.schema.codec import MOST, Codec

T = TypeVar("T")


class Touchy(type):
    def __hash__(cls) -> int:
        raise RuntimeError("no hash")

    def __eq__(cls, other: object) -> bool:
        raise KeyError("no equal")

    def __getattribute__(cls, name: str) -> Any:
        raise ZeroDivisionError(name)


class Weird(metaclass=Touchy):
    pass


class Unasked(type):
    def __instancecheck__(cls, other: object) -> bool:
        raise RuntimeError

    def __subclasscheck__(cls, other: type) -> bool:
        raise RuntimeError


class Weird2(metaclass=Unasked):
    pass


class Model(pydantic.BaseModel):
    x: int


class Struct(msgspec.Struct):
    x: int


class Sums(enum.Flag):
    A = 1


class Empty(enum.Enum):
    pass


class Pairs(enum.Enum):
    A = (1, 2)


class Shape(Protocol):
    x: int


@frozen
class Endless(Generic[T]):
    x: T
    y: "Endless[list[T]] | None" = None


deep: Any = int
for _ in range(3000):
    deep = list[deep]

NO_TYPES = {
    "a number": (5, "5 is no type"),
    "a name": ("int", "'int' is no type"),
    "a name in a list": (list["Nope"], "'Nope' is no type"),  # noqa: F821
    "a module": (types, "<module 'types'"),
    "a function": (lambda: 1, "<function <lambda>"),
    "a built-in function": (print, "<built-in function print>"),
    "a dtype": (np.dtype("f4"), "dtype('float32') is no type"),
    "an array": (np.array([1]), "array([1]) is no type"),
    "a type of numpy": (np.float32, "float32 cannot be expressed"),
    "a model of pydantic": (Model, "Model is a model of another library; make it an attrs class or a dataclass"),
    "a struct of msgspec": (Struct, "Struct is a model of another library"),
    "a class that answers nothing": (Weird, "cannot be read as a type: ZeroDivisionError"),
    "an instance of another": (Weird2(), "<test_schema_hostile.Weird2"),
    "a class that has no instances": (Weird2, "Weird2 cannot be expressed"),
    "a mock": (MagicMock(), ""),
    "a Flag": (Sums, "Sums is a Flag, whose values are sums; use a set of an Enum"),
    "an Enum of nothing": (Empty, "there is nothing to choose from"),
    "an Enum of tuples": (Pairs, "(1, 2) is no JSON scalar"),
    "a Literal of bytes": (Literal[b"x"], "b'x' is no JSON scalar"),
    "a protocol": (Shape, "Shape cannot be expressed"),
    "a generic class without an end": (Endless[int], ""),
    "three thousand lists": (deep, ""),
    "a callable": (Callable[[int], str], ""),
    "a class of classes": (type, "type cannot be expressed"),
    "a class as a value": (type[int], "type[int] is no type"),
    "complex": (complex, "complex cannot be expressed"),
    "bytes that change": (bytearray, "bytearray cannot be expressed"),
    "an ellipsis": (..., "Ellipsis is no type"),
    "a list of types": ([int], "[<class 'int'>] is no type"),
    "a tuple of types": ((int, str), "(<class 'int'>, <class 'str'>) is no type"),
    "a list of two types": (list[int, str], "list[int, str] is no type"),  # type: ignore[misc]
    "a dict of one type": (dict[str], "dict[str] is no type"),  # type: ignore[misc]
    "a dict of types": ({"a": int}, "{'a': <class 'int'>} is no type"),
    "a set of lists": (set[list[int]], "list cannot be in a set; use tuple or frozenset"),
    "keys that are numbers": (dict[int, str], "the keys of a JSON object are strings, not int; use str"),
    "keys that may be numbers": (dict[str | int, str], "the keys of a JSON object are strings, not str or int"),
    "an iterator": (Iterator[int], "collections.abc.Iterator[int] is no type"),
    "an ordered dict": (collections.OrderedDict[str, int], "collections.OrderedDict[str, int] is no type"),
    "a plain class": (threading.Thread, "Thread cannot be expressed in JSON; possible are attrs classes, dataclasses"),
    "a parameter specification": (ParamSpec("P"), ""),
    "Self, of nothing": (Self, "typing.Self is no type"),
    "Never": (typing.Never, "typing.Never is no type"),
    "Union, bare": (typing.Union, "typing.Union is no type"),
    "Literal, bare": (typing.Literal, ""),
    "a variable of who knows what": (TypeVar("Bound", bound="Nope"), "ForwardRef('Nope') is no type"),  # noqa: F821
}
each_no_type = pytest.mark.parametrize(("type_", "words"), NO_TYPES.values(), ids=NO_TYPES.keys())


@each_no_type
def test_no_type(type_, words):
    with pytest.raises(ConfigurationError) as caught:
        json_schema(type_, "here")
    message = str(caught.value)
    assert message.startswith("here")
    assert words in message
    for job in (
        lambda: json_schema(list[type_]),
        lambda: structure({}, type_),
        lambda: partial([1], type_),
        lambda: unstructure({}, type_),
    ):
        with pytest.raises(ConfigurationError):
            job()


@each_no_type
def test_no_type_as_a_value(type_, words):
    try:
        unstructure(type_)
    except ConfigurationError as error:
        assert str(error).startswith("$")
    for wanted in (int, str, list[int], dict[str, int], Literal["a", 1], set[str], Unmade, Any, int | str):
        if type_ is not Weird:
            try:
                structure(type_, wanted)
            except Misfit as misfit:
                assert len(str(misfit)) < 500


def test_notes_that_say_nothing():
    assert json_schema(Annotated[int, MagicMock(spec=object)]) == {"type": "integer"}
    assert structure(1, Annotated[int, []]) == 1


@define
class Property:
    @property
    def x(self) -> int:
        raise OSError("no")


class Failing(collections.UserDict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise OSError("no")


def test_code_of_the_caller_that_fails_while_it_is_written():
    with pytest.raises(ConfigurationError, match="OSError: no"):
        unstructure(Failing())


@define
class Unmade:
    x: int

    def __attrs_post_init__(self) -> None:
        raise OSError("no")


@define(slots=False)
class Guarded:
    x: int
    y: int

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        raise OSError("no")


def test_constructors_that_fail():
    with pytest.raises(Misfit, match=r"^\$: Unmade refuses it: no"):
        structure({"x": 1}, Unmade)
    assert partial({"x": 1}, Unmade).x == 1
    assert partial({"x": 1}, Guarded) is None


def test_an_endless_default_is_not_asked():
    def never() -> int:
        raise AssertionError

    cls = attrs.make_class("C", {"x": attrs.field(type=int, factory=never)})
    assert json_schema(cls)["properties"] == {"x": {"type": "integer"}}


def test_threads_find_the_same():
    @define
    class Local:
        x: int
        more: "list[Local]" = attrs.field(factory=list)

    value = {"x": 1, "more": [{"x": 2, "more": []}]}
    ready = threading.Barrier(8)

    def work(_: int) -> Any:
        ready.wait(timeout=20)
        return [unstructure(structure(value, list[Local] | Local), Local) for _ in range(50)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [[value] * 50] * 8


def test_types_without_end_are_not_kept():
    for at in range(MOST + 10):
        assert structure(at, Literal[tuple(range(at, at + 1))]) == at
    assert len(llmkit.schema._codecs[0]) < MOST


def test_a_type_is_read_once():
    codec = Codec()
    assert codec.shape(list[int | str]) is codec.shape(list[int | str])
    assert codec.shape(list[int | str]) is not codec.shape(list[str | int])
    assert codec.shape(Annotated[int, "a"]) is not codec.shape(Annotated[int, "b"])
    assert codec.shape(Literal[1]) is not codec.shape(Literal[True])


def test_cattrs_is_imported_when_it_is_needed():
    names = "from llmkit.schema import Misfit, Default; from llmkit import Client, Tool"
    code = f"import sys; {names}; print('cattrs' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"
