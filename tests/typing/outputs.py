"""What a user's checker infers of outputs and chats. Not run: `mypy --strict tests/typing` reads it."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict, assert_type

from attrs import frozen

from llmkit import Chat, Client, Deferred, Message, Request, Response, Stream, ToolCall, ToolResult, UserMessage


@frozen
class Recipe:
    name: str
    minutes: int = 0


@dataclass
class Step:
    text: str


class Place(TypedDict):
    city: str


class Point(NamedTuple):
    x: float
    y: float


client = Client("anthropic", api_key="k")

assert_type(client.complete("hi", output_type=Recipe), Response[Recipe])
assert_type(client.complete("hi", output_type=Recipe, temperature=0.5).output.minutes, int)
assert_type(client.complete("hi", output_type=Step).output, Step)
assert_type(client.complete("hi", output_type=Place).output, Place)
assert_type(client.complete("hi", output_type=Point).output, Point)
assert_type(client.complete("hi", output_type=int).output, int)
assert_type(client.complete("hi", output_type=list[Recipe]).output, list[Recipe])
assert_type(client.complete("hi", output_type=dict[str, list[Step]]).output, dict[str, list[Step]])
assert_type(client.complete("hi", output_type=Recipe | Step).output, Recipe | Step)
assert_type(client.complete("hi", output_type=Recipe | None).output, Recipe | None)
assert_type(client.complete("hi", output_type=None).output, None)
assert_type(client.complete("hi").output, None)
assert_type(client.complete(Request("hi", output_type=Recipe)), Response[Any])


def any_type(cls: object) -> None:
    assert_type(client.complete("hi", output_type=cls), Response[Any])


with client.stream("hi", output_type=list[Recipe]) as stream:
    assert_type(stream, Stream[list[Recipe]])
    assert_type(stream.partial_output(), list[Recipe] | None)
    assert_type(stream.collect().output, list[Recipe])


def approve(call: ToolCall) -> bool | str | Deferred:
    return Deferred() if call.name == "pay" else "no"


chat = client.chat(history=[UserMessage("a")], max_rounds=3, approve=approve, on_tool_call=print, temperature=0)
assert_type(chat, Chat)
assert_type(chat.send("hi"), Response[None])
assert_type(chat.send("hi", output_type=Recipe), Response[Recipe])
assert_type(chat.send("hi", output_type=Recipe | None), Response[Recipe | None])
assert_type(chat.send(), Response[None])
assert_type(chat.send([call.result("ok") for call in chat.pending]), Response[None])
assert_type(chat.stream("hi", output_type=Recipe), Stream[Recipe])
assert_type(chat.messages, list[Message])
assert_type(chat.pending, tuple[ToolCall, ...])
assert_type(chat.fork(), Chat)
client.chat(history="talk.json", approve=lambda call: call.name != "pay")

# What must be flagged.
client.complete("hi", output_type=Recipe).output.hours  # type: ignore[attr-defined]  # noqa: B018
client.complete("hi", output_type=Recipe, temprature=0.5)  # type: ignore[call-overload]
client.complete("hi", output_type=Recipe, output_retries="x")  # type: ignore[call-overload]
chat.send("hi", temprature=0.5)  # type: ignore[call-overload]
chat.send(3)  # type: ignore[call-overload]
client.chat(max_round=3)  # type: ignore[call-arg]
client.chat(on_tool_result=lambda call, result: None)  # type: ignore[misc, arg-type]


def heard(result: ToolResult) -> str:
    return result.text


client.chat(on_tool_result=heard)
