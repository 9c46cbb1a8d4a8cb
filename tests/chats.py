"""Chats against a fake server: what several files of tests need."""

import pytest
from attrs import frozen

from llmkit import (
    Image,
    Tool,
    ToolResult,
    Usage,
    tool,
)
from llmkit.media.png import encode as png

WIRES = {
    "anthropic": "anthropic-messages",
    "openai": "openai-responses",
    "openai-chat": "openai-chat",
    "gemini": "gemini-generate",
}
each = pytest.mark.parametrize("name", WIRES)
each_way = pytest.mark.parametrize("way", ["whole", "streamed"])
ONE, TWO, THREE = Usage(10, 5), Usage(20, 6, reasoning_tokens=2), Usage(40, 7, cache_read_tokens=4)
PICTURE = Image(png(bytes(3 * 4 * 4), 4, 4, 3))


@frozen
class Place:
    city: str
    country: str = "Norway"


@tool
def weather(place: Place, days: int = 1) -> str:
    """The weather of a place.

    Args:
        place: Where.
        days: How far ahead.
    """
    return f"{place.city}, {place.country}: rain for {days} days"


@tool
def clock(city: str) -> dict[str, object]:
    """The time in a city."""
    return {"city": city, "time": "12:00"}


@tool
def broken(city: str) -> str:
    """Always fails."""
    raise LookupError(f"no {city} here")


by_hand = Tool("pay", "Pays a bill", {"type": "object", "properties": {"sum": {"type": "number"}}})


def failing(server, fault):
    """A clock that makes the next call fail."""

    def clock(city: str) -> str:
        server.fault(fault)
        return "12:00"

    return clock


def ask(chat, way, prompt=None, **options):
    """Send in one of the ways; the response, and the events where there are some."""
    if way == "whole":
        return chat.send(prompt, **options), []
    with chat.stream(prompt, **options) as stream:
        events = list(stream)
        return stream.collect(), events


def tells_errors(name):
    """Whether the wire has a place for it; elsewhere the text alone tells."""
    return name in ("anthropic", "gemini")


def results(request):
    """The results in the last message that a server was sent."""
    return [part for part in request.messages[-1].content if isinstance(part, ToolResult)]


def said(results):
    return [(result.content[0].text, result.is_error) for result in results]
