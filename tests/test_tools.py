"""Functions as tools: what the model is told of them, and what they are run with."""

import asyncio
import copy
import functools
import gc
import inspect
import pickle
import subprocess
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import partial
from types import MethodType
from typing import Annotated, Any, Literal, TypedDict

import jsonschema
import pytest
from attrs import evolve, frozen
from attrs.validators import ge
from test_vendor_request_types import MODULES, faults
from typing_extensions import Doc

from llmkit import ConfigurationError, Request, ServerTool, Tool, tool
from llmkit.request import checked
from llmkit.schema import Misfit

# ---- what there is to call -------------------------------------------------------------------------------------------


def get_weather(city: str, days: int = 1) -> str:
    """Tell the weather.

    It is measured.

    Args:
        city: Where.
        days: How far to look.
        nobody: There is no such parameter.

    Returns:
        Words.
    """
    return f"{city} {days}"


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@tool
def look(at: str) -> str:
    """Look at it."""
    return f"saw {at}"


other_look = evolve(look, name="other_look")


class Station:
    """A place."""

    def __init__(self, name="S"):
        self.name = name

    def plain(self, unit: str) -> str:
        """Measure it."""
        return f"{self.name} {unit}"

    @tool
    def measure(self, unit: str, *, exact: bool = False) -> str:
        """Measure it."""
        return f"{self.name} {unit} {exact}"

    @tool(name="logged")
    @logged
    def measure_logged(self, unit: str) -> str:
        """Measure it."""
        return f"{self.name} {unit}"

    @tool
    @functools.lru_cache  # noqa: B019 - of one instance
    def measure_once(self, unit: str) -> str:
        """Measure it."""
        return f"{self.name} {unit}"

    @staticmethod
    @tool
    def where(city: str) -> str:
        """Find it."""
        return city

    @tool
    @staticmethod
    def where_inside(city: str) -> str:
        """Find it."""
        return city

    @classmethod
    @tool
    def named(cls, name: str) -> str:
        """Make one."""
        return f"{cls.__name__} {name}"

    @classmethod
    def named_plainly(cls, name: str) -> str:
        """Make one."""
        return f"{cls.__name__} {name}"

    look = look  # made of no method

    def __call__(self, unit: str) -> str:
        """Measure it, called.

        Args:
            unit: C or F.
        """
        return f"{self.name} {unit}"


class Silent:
    """Knows the units.

    Attributes:
        unit: C or F.
    """

    def __call__(self, unit: str) -> str:
        return unit


STATION = Station()


class Sub(Station):
    """A place below."""

    def plain(self, unit: str) -> str:
        return f"sub {super().plain(unit)}"


TOLD = "Tell the weather.\n\nIt is measured."
# Something to call → name, description, a call's arguments, what it returns.
CALLABLES = {
    "function": (get_weather, "get_weather", TOLD, {"city": "P"}, "P 1"),
    "decorated function": (logged(get_weather), "get_weather", TOLD, {"city": "P"}, "P 1"),
    "cached function": (functools.cache(get_weather), "get_weather", TOLD, {"city": "P"}, "P 1"),
    "tool": (look, "look", "Look at it.", {"at": "it"}, "saw it"),
    "method": (STATION.plain, "plain", "Measure it.", {"unit": "C"}, "S C"),
    "inherited docstring": (Sub().plain, "plain", "Measure it.", {"unit": "C"}, "sub S C"),
    "class method": (Sub.named_plainly, "named_plainly", "Make one.", {"name": "x"}, "Sub x"),
    "static method": (tool(Station.where), "where", "Find it.", {"city": "x"}, "x"),
    "tool of a method": (STATION.measure, "measure", "Measure it.", {"unit": "C", "exact": True}, "S C True"),
    "tool bound by hand": (MethodType(Station.measure, STATION), "measure", "Measure it.", {"unit": "C"}, "S C False"),
    "tool of an inherited method": (Sub("B").measure, "measure", "Measure it.", {"unit": "C"}, "B C False"),
    "tool of a decorated method": (STATION.measure_logged, "logged", "Measure it.", {"unit": "C"}, "S C"),
    "tool of a cached method": (STATION.measure_once, "measure_once", "Measure it.", {"unit": "C"}, "S C"),
    "tool of a static method": (STATION.where, "where", "Find it.", {"city": "x"}, "x"),
    "static method inside a tool": (STATION.where_inside, "where_inside", "Find it.", {"city": "x"}, "x"),
    "tool of a class method": (Sub.named, "named", "Make one.", {"name": "x"}, "Sub x"),
    "tool of a class method, of an instance": (Sub().named, "named", "Make one.", {"name": "x"}, "Sub x"),
    "tool of a function in a class": (STATION.look, "look", "Look at it.", {"at": "it"}, "saw it"),
    "partial": (partial(get_weather, days=3), "get_weather", TOLD, {"city": "P"}, "P 3"),
    "partial, by position": (partial(get_weather, "R"), "get_weather", TOLD, {"days": 2}, "R 2"),
    "partial of a partial": (partial(partial(get_weather, "R"), days=2), "get_weather", TOLD, {}, "R 2"),
    "partial of a method": (partial(STATION.plain, unit="F"), "plain", "Measure it.", {}, "S F"),
    "partial of a tool": (partial(look, at="me"), "look", "Look at it.", {}, "saw me"),
    "callable object": (STATION, "Station", "Measure it, called.", {"unit": "C"}, "S C"),
    "callable object whose class tells": (Silent(), "Silent", "Knows the units.", {"unit": "C"}, "C"),
    "named lambda": (tool(lambda x: x, name="same"), "same", "", {"x": [1, None]}, [1, None]),
    "builtin": (tool(len, name="count"), "count", inspect.getdoc(len), {"obj": "abc"}, 3),
}  # fmt: skip


@pytest.mark.parametrize(("function", "name", "description", "arguments", "result"), CALLABLES.values(), ids=CALLABLES)
def test_whatever_can_be_called(function, name, description, arguments, result):
    (made,) = checked({"tools": [function]})["tools"]
    assert (made.name, made.description) == (name, description)
    assert made.bind(arguments)() == result
    jsonschema.validate(arguments, made.parameters)


def test_a_tool_is_called_as_its_function_is():
    assert look("x") == look(at="x") == "saw x"
    assert STATION.measure("C", exact=True) == "S C True"
    assert Station.measure(STATION, "C") == "S C False"
    assert inspect.signature(look) == inspect.signature(look.function)
    assert logged(look)("x") == "saw x"
    assert logged(look).__name__ == "look"
    with pytest.raises(TypeError):
        look()
    with pytest.raises(AttributeError, match="'Tool' object has no attribute 'functon'"):
        look.functon  # noqa: B018


def test_what_a_tool_is_told_wins():
    made = tool(name="w", description="Says it.", strict=True, cache="5m", timeout=3)(get_weather)
    assert made == Tool("w", "Says it.", function=get_weather, strict=True, cache="5m", timeout=3)
    assert tool(look, name="x", timeout=1) == Tool("x", "Look at it.", look.parameters, look.function, timeout=1)
    assert tool(get_weather, description="").description == ""
    assert evolve(made, name="y")("P") == "P 1"
    assert evolve(made, name="y").parameters == made.parameters


# ---- signatures ------------------------------------------------------------------------------------------------------

TEXT = {"type": "string"}
City = Annotated[str, "Where."]


class Unit(Enum):
    C = "c"
    F = "f"


@frozen
class Place:
    """Somewhere.

    Attributes:
        lat: North of the equator.
    """

    lat: float
    name: str | None = None


@dataclass
class Span:
    since: date
    days: int = 1


class Point(TypedDict, total=False):
    x: int


def object_schema(required, **properties):
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def no_parameters(): ...
def without_annotation(x, y=2): ...
def with_default(x: str = "a", y: int | None = None, z: list[str] = ["b"]): ...  # noqa: B006 - it is shown
def positional_only(x: str, y: str = "b", /): ...
def keyword_only(*, x: str, y: str = "b"): ...
def with_more(x: str, **more: int): ...
def none_by_default(x: int = None): ...  # noqa: RUF013 - as people write it
def none_by_default_described(x: Annotated[int, "How many."] = None): ...  # noqa: RUF013 - likewise
def documented(x: Annotated[str, Doc("Where.")]): ...
def default_beyond_json(x: Any = object): ...
def annotated(x: City, y: Annotated[int, "How many.", ge(1)] = 3): ...
def in_text(x: "City", y: "list['Unit']"): ...
def result_for_checkers(x: str) -> "Nowhere": ...  # noqa: F821 - never resolved


def annotation_wins(x: City, y: str):
    """S.

    Args:
        x: Not this.
        y: But this.
    """


def google(x: str):
    """S.

    Args:
        x (str): Where,
            at length.
    """


def numpy(x: str):
    """S.

    Parameters
    ----------
    x : str
        Where,
        at length.
    """


def sphinx(x: str):
    """S.

    :param str x: Where,
        at length.
    """


LOCATED = object_schema(["x"], x=TEXT | {"description": "Where,\nat length."})

# A function → JSON Schema.
SIGNATURES = {
    "no parameters": (no_parameters, object_schema([])),
    "without annotation": (without_annotation, object_schema(["x"], x={}, y={"default": 2})),
    "with default": (
        with_default,
        object_schema(
            [],
            x=TEXT | {"default": "a"},
            y={"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
            z={"type": "array", "items": TEXT, "default": ["b"]},
        ),
    ),
    "positional only": (positional_only, object_schema(["x"], x=TEXT, y=TEXT | {"default": "b"})),
    "keyword only": (keyword_only, object_schema(["x"], x=TEXT, y=TEXT | {"default": "b"})),
    "any keywords": (with_more, object_schema(["x"], x=TEXT)),
    "None by default": (
        none_by_default,
        object_schema([], x={"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}),
    ),
    "None by default, described": (
        none_by_default_described,
        object_schema(
            [], x={"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "How many.", "default": None}
        ),
    ),
    "documented": (documented, object_schema(["x"], x=TEXT | {"description": "Where."})),
    "a default that is no JSON": (default_beyond_json, object_schema([], x={})),
    "annotated": (
        annotated,
        object_schema(
            ["x"],
            x=TEXT | {"description": "Where."},
            y={"type": "integer", "minimum": 1, "description": "How many.", "default": 3},
        ),
    ),
    "annotations in text": (
        in_text,
        object_schema(
            ["x", "y"],
            x=TEXT | {"description": "Where."},
            y={"type": "array", "items": {"type": "string", "enum": ["c", "f"]}},
        ),
    ),
    "a result that only checkers know": (result_for_checkers, object_schema(["x"], x=TEXT)),
    "annotation and docstring": (
        annotation_wins,
        object_schema(["x", "y"], x=TEXT | {"description": "Where."}, y=TEXT | {"description": "But this."}),
    ),
    "google": (google, LOCATED),
    "numpy": (numpy, LOCATED),
    "sphinx": (sphinx, LOCATED),
    "docstring of a call": (STATION, object_schema(["unit"], unit=TEXT | {"description": "C or F."})),
    "docstring of a class": (Silent(), object_schema(["unit"], unit=TEXT | {"description": "C or F."})),
    "partial": (partial(annotated, y=1), object_schema(["x"], x=TEXT | {"description": "Where."})),
    "partial, by position": (partial(keyword_only, x="a"), object_schema([], y=TEXT | {"default": "b"})),
    "method": (STATION.measure, object_schema(["unit"], unit=TEXT, exact={"type": "boolean", "default": False})),
}


@pytest.mark.parametrize(("function", "expected"), SIGNATURES.values(), ids=SIGNATURES.keys())
def test_signatures(function, expected):
    assert {"required": [], **tool(function).parameters} == expected


def test_names_of_the_function_around():
    class Local(Enum):
        A = "a"

    def named_in_text(x: "Local"):
        return Local(x)

    assert tool(named_in_text).bind({"x": "a"})() is Local.A


def test_defaults_that_are_equal_are_not_mixed_up():
    def one(x: Any = 1): ...
    def yes(x: Any = True): ...  # noqa: FBT002
    def real(x: Any = 1.0): ...

    shown = [tool(function).parameters["properties"]["x"]["default"] for function in (one, yes, real)]
    assert list(map(type, shown)) == [int, bool, float]


# ---- arguments -------------------------------------------------------------------------------------------------------


def given(*args, **kwargs):
    return args, kwargs


def of_types(place: Place, span: Span | None = None, unit: Unit = Unit.C, *, steps: Sequence[list[date]] = ()):
    return given(place, span, unit, steps)


def of_words(word: Literal["a", "b"], point: Point, pairs: dict[str, tuple[int, float]]):
    return given(word, point, pairs)


def of_positions(x: int, y: int = 2, z: int = 3, /, *, w: int = 4):
    return given(x, y, z, w)


def of_more(x: int, db: Any = None, **more):
    return given(x, db, **more)


OPEN = {"properties": {"x": {"type": "integer"}, "a b": {}}}

# A tool, a call's arguments → what the function gets.
ARGUMENTS = {
    "classes": (
        tool(of_types),
        {"place": {"lat": 1, "name": "N"}, "span": {"since": "2026-01-02"}, "unit": "f", "steps": [["2026-01-03"], []]},
        given(Place(1.0, "N"), Span(date(2026, 1, 2)), Unit.F, [[date(2026, 1, 3)], []]),
    ),
    "what is left out": (tool(of_types), {"place": {"lat": 1.5}}, given(Place(1.5), None, Unit.C, ())),
    "null": (tool(of_types), {"place": {"lat": 1.5, "name": None}, "span": None}, given(Place(1.5), None, Unit.C, ())),
    "null for what has a default, strictly": (
        tool(of_types, strict=True),
        {"place": {"lat": 1.5, "name": None}, "span": None, "unit": None, "steps": None},
        given(Place(1.5), None, Unit.C, ()),
    ),
    "words": (
        tool(of_words),
        {"word": "a", "point": {}, "pairs": {"p q": [1, 2]}},
        given("a", {}, {"p q": (1, 2.0)}),
    ),
    "by position": (tool(of_positions), {"x": 1, "y": 5}, given(1, 5, 3, 4)),
    "by position, one left out": (tool(of_positions), {"z": 5, "x": 1, "w": 6}, given(1, 2, 5, 6)),
    "by position, all left out": (tool(of_positions), {"x": 1}, given(1, 2, 3, 4)),
    "anything": (tool(without_annotation), {"x": {"y": [1]}}, None),
    "of a schema of the caller's": (
        Tool("t", "", OPEN, of_more),
        {"x": 1, "a b": 2, "c": [3]},
        given(1, None, **{"a b": 2, "c": [3]}),
    ),
    "of a schema of the caller's, typed": (
        Tool("t", "", {}, of_types),
        {"place": {"lat": 1}},
        given(Place(1.0), None, Unit.C, ()),
    ),
}


@pytest.mark.parametrize(("made", "arguments", "expected"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_arguments(made, arguments, expected):
    before = copy.deepcopy(arguments)
    assert made.bind(arguments)() == expected
    assert arguments == before


# A tool, a call's arguments → the beginning of what is wrong.
MISFITS = {
    "missing": (tool(get_weather), {}, "$"),
    "unknown": (tool(get_weather), {"city": "P", "town": "Q"}, "$.town: "),
    "unknown, of a function that takes any": (tool(of_more), {"x": 1, "y": 2}, "$.y: "),
    "another type": (tool(get_weather), {"city": 3}, "$.city: expected str, got int 3"),
    "no coercion": (tool(get_weather), {"city": "P", "days": "2"}, "$.days: expected int, got str '2'"),
    "null": (tool(get_weather), {"city": "P", "days": None}, "$.days: "),
    "null for what must be there, strictly": (tool(get_weather, strict=True), {"city": None}, "$.city: "),
    "in depth": (tool(of_types), {"place": {"lat": 1}, "steps": [["2026-01-02"], ["x"]]}, "$.steps[1][0]: "),
    "in a class": (tool(of_types), {"place": {"lat": "1"}}, "$.place.lat: expected float, got str '1'"),
    "a bound": (tool(annotated), {"x": "P", "y": 0}, "$.y: "),
    "hidden by a partial": (tool(partial(of_more, db="D")), {"x": 1, "db": "mine"}, "$.db: "),
    "hidden by a schema": (Tool("t", "", OPEN, of_more), {"x": 1, "db": "mine"}, "$.db: "),
    "held by a partial": (Tool("t", "", OPEN, partial(of_more, token="T")), {"x": 1, "token": "mine"}, "$.token: "),
}


@pytest.mark.parametrize(("made", "arguments", "problem"), MISFITS.values(), ids=MISFITS.keys())
def test_arguments_that_do_not_fit(made, arguments, problem):
    with pytest.raises(Misfit) as caught:
        made.bind(arguments)
    assert str(caught.value).startswith(problem)


# ---- what is refused -------------------------------------------------------------------------------------------------


async def coroutine(x: str): ...


async def asynchronous_generator(x: str):
    yield x


def generator(x: str):
    yield x


class Coroutine:
    async def __call__(self, x: str): ...


def with_args(*cities: str): ...
def of_unknown(x: str, when: "Nowhere"): ...  # noqa: F821 - it is the point
def of_complex(x: str, when: complex): ...
def of_items(x: str, when: list[dict[str, complex]]): ...


def unwrapped(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


REFUSED = {
    "coroutine": (coroutine, "tools[0]: tool coroutine: it is a coroutine function"),
    "asynchronous generator": (asynchronous_generator, "tools[0]: tool asynchronous_generator: it is an asynchronous"),
    "generator": (generator, "tools[0]: tool generator: it is a generator function"),
    "partial of a coroutine": (partial(coroutine, x="a"), "tools[0]: tool coroutine: it is a coroutine function"),
    "object whose call is a coroutine": (Coroutine(), "tools[0]: tool Coroutine: it is a coroutine function"),
    "any number": (with_args, "tools[0]: tool with_args.cities: *cities has no names"),
    "decorated without functools": (unwrapped(get_weather), "tools[0]: tool wrapper.args: *args has no names"),
    "lambda": (lambda x: x, "tools[0]: Tool.name: <lambda> has no name; use tool(function, name=…)"),
    "class": (Place, "tools[0]: tool Place: a class is no tool"),
    "partial of a class": (partial(Place, 1.0), "tools[0]: tool Place: a class is no tool"),
    "builtin without parameters": (max, "tools[0]: tool max: its parameters are not known"),
    "method of no instance": (Station.plain, "tools[0]: tool plain: it is a method; take it from an instance"),
    "tool of no instance": (Station.measure, "tools[0]: tool measure: it is a method; take it from an instance"),
    "unknown name": (of_unknown, "tools[0]: tool of_unknown.when: the annotation 'Nowhere' cannot be resolved"),
    "beyond JSON": (of_complex, "tools[0]: tool of_complex.when: "),
    "beyond JSON, in depth": (of_items, "tools[0]: tool of_items.when[]"),
    "no function": (3, "tools[0]: expected a function, a Tool(name, description, parameters) or a ServerTool"),
    "text": ("get_weather", "tools[0]: expected a function"),
}


@pytest.mark.parametrize(("function", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_tool(function, message):
    with pytest.raises(ConfigurationError) as caught:
        Request("?", tools=[function])
    assert str(caught.value).startswith(message if message.startswith("tools") else f"tools[0]: {message}")


WRONG = {
    "reserved name": (lambda: tool(get_weather, name="auto"), "Tool.name: 'auto'"),
    "no name": (lambda: tool(get_weather, name=""), "Tool.name: expected a name, got ''"),
    "no function": (lambda: tool(3), "Tool.function: expected a function, got int"),
    "no function of a tool": (lambda: Tool("x", function="y"), "Tool.function: expected a function, got str"),
    "the other way round": (
        lambda: tool(classmethod(get_weather)),
        "Tool.function: expected a function, got classmeth",
    ),
    "coroutine": (lambda: Tool("x", "", {}, coroutine), "tool x: it is a coroutine function"),
    "beyond JSON": (lambda: Tool("x", "", {}, of_complex), "tool x.when: "),
    "no time": (lambda: tool(get_weather, timeout=0), "Tool.timeout: expected seconds above 0 or None, got 0"),
    "less than no time": (lambda: Tool("x", timeout=-1.0), "Tool.timeout: "),
    "endless": (lambda: Tool("x", timeout=float("inf")), "Tool.timeout: "),
    "no number": (lambda: Tool("x", timeout=float("nan")), "Tool.timeout: "),
    "beyond numbers": (lambda: Tool("x", timeout=10**400), "Tool.timeout: "),
    "yes": (lambda: Tool("x", timeout=True), "Tool.timeout: "),
    "text": (lambda: Tool("x", timeout="1"), "Tool.timeout: "),
    "strict by a word": (lambda: Tool("x", strict="yes"), "Tool.strict: expected True, False or None, got 'yes'"),
    "properties in a list": (
        lambda: Tool("x", "", {"properties": ["city"]}),
        "Tool.parameters.properties: expected a mapping of names to schemas, got list",
    ),
    "a type for a schema": (
        lambda: Tool("x", "", {"type": "object", "properties": {"n": True, "city": "string"}}),
        "Tool.parameters.properties.city: expected a JSON Schema as a mapping, got 'string'; did you mean {",
    ),
    "a class for a schema": (
        lambda: Tool("x", "", {"type": "object", "properties": {"city": str}}),
        "Tool.parameters.properties.city: expected a JSON Schema as a mapping, got <class 'str'>",
    ),
    "nothing to run": (Tool("x"), "tool x: it has no function"),
    "nothing to bind": (lambda: Tool("x").bind({}), "tool x: it has no function"),
    "a second name": (lambda: checked({"tools": [look, look]}), "tools[1]: a second tool named 'look'"),
    "no list": (lambda: checked({"tools": look}), "tools: expected a list of tools"),
}


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong(make, message):
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_what_a_schema_of_the_callers_does_not_offer_may_be_of_any_type():
    def query(sql: str, *, connection: asyncio.Future | None = None):
        return sql, connection

    made = Tool("query", "Asks.", {"properties": {"sql": TEXT}}, query)
    assert made.bind({"sql": "x"})() == ("x", None)


# ---- values ----------------------------------------------------------------------------------------------------------

PLACED = {
    "by place": look,
    "by place, of a method": Station.measure,
    "by place, of a static method": Station.where,
}
FIELDS = {
    "of a plain function": tool(get_weather),
    "of a tool's function": other_look,
    "of a method": STATION.measure,
    "of a plain method": tool(STATION.plain),
    "of a class method": Station.named,
    "of a partial": tool(partial(get_weather, days=2)),
    "of a partial of a tool": tool(partial(look, at="x")),
    "of an object": tool(STATION),
    "without function": Tool("x", "Does it.", {"properties": {"a": {}}}, strict=True, cache="5m", timeout=2),
}


@pytest.mark.parametrize("made", PLACED.values(), ids=PLACED.keys())
def test_pickled_by_place(made):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(made, protocol)) is made
    assert copy.deepcopy(made) is made


@pytest.mark.parametrize("made", FIELDS.values(), ids=FIELDS.keys())
def test_pickled_by_fields(made):
    again = pickle.loads(pickle.dumps(made))
    assert evolve(again, function=None) == evolve(made, function=None)
    assert type(again.function) is type(made.function)
    assert getattr(again.function, "__qualname__", None) == getattr(made.function, "__qualname__", None)
    if inspect.isfunction(made.function):
        assert again == made
        assert hash(again) == hash(made)


def test_what_has_no_place_cannot_be_pickled():
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(tool(lambda x: x, name="x"))


def test_a_request_with_functions_is_a_value():
    request = Request("?", tools=[get_weather, look, ServerTool({"type": "x"})])
    assert pickle.loads(pickle.dumps(request)) == request
    assert hash(request) == hash(evolve(request))
    assert evolve(request, prompt="!").options["tools"] == request.options["tools"]


def test_what_is_kept_of_a_function():
    """It is read once; what one caller changes does not show at another, and the function is not kept by it."""

    def function(x: list[str], y: Any = None): ...

    first, second = tool(function), tool(function)
    first.parameters["properties"]["x"]["items"].clear()
    assert second.parameters["properties"]["x"] == {"type": "array", "items": TEXT}
    assert first._taken.type is second._taken.type
    gone = weakref.ref(function)
    del function, first, second
    gc.collect()
    assert gone() is None


def test_equality():
    assert tool(get_weather) == tool(get_weather)
    assert hash(tool(get_weather)) == hash(tool(get_weather))
    assert tool(get_weather) != tool(logged(get_weather))
    assert tool(get_weather) != tool(get_weather, timeout=1)
    assert tool(get_weather) != evolve(tool(get_weather), function=None)
    assert STATION.measure == STATION.measure
    assert STATION.measure != Station().measure
    assert len({look, other_look, STATION.measure, STATION.measure}) == 3


def test_the_repr_tells_the_function_by_its_name():
    assert repr(look) == (
        f"Tool(name='look', description='Look at it.', parameters={look.parameters!r}, function=look, "
        "strict=None, cache=None, timeout=None)"
    )
    assert "function=Station.measure," in repr(STATION.measure)
    assert "function=partial," in repr(tool(partial(get_weather, days=1)))
    assert "function=None," in repr(Tool("x"))


def test_a_tool_is_frozen():
    with pytest.raises(AttributeError):
        look.name = "x"
    with pytest.raises(AttributeError):
        look.other = "x"


def test_nothing_is_imported_before_a_function_is_made_a_tool():
    code = (
        "import sys; from llmkit import Client, Tool, tool; Tool('x'); "
        "print('cattrs' in sys.modules, 'llmkit.schema' in sys.modules); "
        "tool(lambda x: x, name='x'); print('llmkit.schema' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.split() == ["False", "False", "True"]


# ---- the wires -------------------------------------------------------------------------------------------------------

SENT = [
    get_weather,
    positional_only,
    in_text,
    of_words,
    of_types,
    no_parameters,
    STATION.measure,
    partial(annotated, y=1),
]


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("function", SENT, ids=lambda one: tool(one).name)
@pytest.mark.parametrize("strict", [None, True], ids=["as it is", "strict"])
def test_the_vendor_takes_it(name, function, strict):
    made = tool(function, strict=strict)
    if strict and (name == "gemini-generate" or function is of_words):
        return  # the one has no such switch; of the other no strict dialect has the free keys
    body = MODULES[name].encoded("hi", tools=[made])
    assert faults(name, body) == []
    assert made.name in repr(body["tools"])


def test_a_function_is_sent_as_the_tool_made_of_it():
    for module in MODULES.values():
        assert module.encoded("hi", tools=[get_weather]) == module.encoded("hi", tools=[tool(get_weather)])
