"""What a user's checker infers of tools. Not run: `mypy --strict tests/typing` reads it.

Each line with an ``ignore`` must be an error, as an ignore that is not needed is one too.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, assert_type

from attrs import evolve

from llmkit import Client, Options, Request, ServerTool, Tool, tool

client = Client("anthropic", api_key=lambda: "k")


@tool
def get_weather(city: Annotated[str, "The city"], days: int = 1) -> str:
    return city * days


@tool(name="clock", timeout=5)
def get_time(city: str, /, *, utc: bool = False) -> float:
    return float(len(city)) + utc


def plain(city: str) -> int:
    return len(city)


# A tool is called as its function is.
assert_type(get_weather("Paris"), str)
assert_type(get_weather("Paris", days=2), str)
assert_type(get_time("Paris", utc=True), float)
assert_type(tool(plain)("Paris"), int)
assert_type(tool(plain, name="x", description="y", strict=True, cache="5m")(city="Paris"), int)
get_weather(3)  # type: ignore[arg-type]
get_weather()  # type: ignore[call-arg]
get_time("Paris", UTC=True)  # type: ignore[call-arg]
get_time(city="Paris")  # type: ignore[call-arg]
wrong: int = get_weather("Paris")  # type: ignore[assignment]
tool(name=3)  # type: ignore[call-overload]
tool(plain, "x")  # type: ignore[call-overload]
tool(3)  # type: ignore[call-overload]

# As fields.
assert_type(get_weather.name, str)
assert_type(get_weather.description, str)
assert_type(get_weather.parameters, dict[str, Any])
assert_type(get_weather.timeout, float | None)
assert_type(get_weather.bind({"city": "Paris"}), partial[str])
get_weather.nam  # type: ignore[attr-defined]  # noqa: B018
get_weather.name = "x"  # type: ignore[misc]
named: Tool = evolve(get_weather, name="weather")

# Bare, a tool is one of anything.
anything: Tool = get_weather
assert_type(anything, Tool[..., Any])
assert_type(anything("Paris", 1, x=2), Any)
manual = Tool("look", "Looks.", {"type": "object", "properties": {}})
both = Tool("weather", function=plain)
assert_type(both("Paris"), int)
one_of_many: list[Tool] = [get_weather, get_time, manual, Tool("x")]


def several(tools: Sequence[Tool]) -> list[str]:
    return [one.name for one in tools]


several([get_weather, get_time, manual, Tool("x")])


class Station:
    @tool
    def measure(self, unit: str) -> float:
        return float(len(unit))

    @staticmethod
    def where(city: str) -> str:
        return city

    def plain(self, unit: str) -> float:
        return float(len(unit))


station = Station()
assert_type(station.measure("C"), float)
assert_type(Station.measure(station, "C"), float)
assert_type(station.measure.bind({"unit": "C"}), partial[float])
assert_type(tool(station.where)("Paris"), str)
station.measure(3)  # type: ignore[arg-type]

# Whatever can be a tool is taken where tools are.
client.complete("?", tools=[plain])
client.complete("?", tools=[get_weather, plain, Tool("look"), ServerTool({"type": "web_search"})])
client.complete("?", tools=(station.measure, station.plain, partial(plain, city="x"), lambda x: x))
client.complete("?", tools=[manual])
client.stream("?", tools=one_of_many)
Request("?", tools=[plain, get_weather])
options: Options = {"tools": [plain, get_weather]}
mixed: list[Tool | ServerTool | Callable[..., Any]] = [plain, get_weather]
client.complete("?", tools=mixed)
Request("?", tools=[3])  # type: ignore[list-item]
Request("?", tools=plain)  # type: ignore[arg-type]
Request("?", tools=["plain"])  # type: ignore[list-item]
Tool("x", function=3)  # type: ignore[arg-type]
Tool("x", timeout="1")  # type: ignore[arg-type]
