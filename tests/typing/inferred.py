"""What a user's checker infers. Not run: `mypy --strict tests/typing` reads it.

Each line with an ``ignore`` must be an error, as an ignore that is not needed is one too.
"""

from array import array
from decimal import Decimal
from typing import Any, assert_type

import requests

import llmkit
from llmkit import (
    AssistantMessage,
    Audio,
    Citation,
    Client,
    Document,
    Embeddings,
    Event,
    FinishReason,
    Image,
    Message,
    Model,
    Opaque,
    Options,
    Part,
    Price,
    Refusal,
    Request,
    Response,
    Stream,
    SystemMessage,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Timeout,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    UserMessage,
    Video,
)

client = Client("anthropic", api_key=lambda: "k", timeout=Timeout(total=60))
assert_type(client, Client)
assert_type(client.with_options(model="m"), Client)

names: list[str] = ["anthropic", "openai"]
assert_type(Client.fallback(names, on_fallback=print), Client)
assert_type(Client.fallback([client, "openai", *llmkit.providers()]), Client)
Client.fallback([3])  # type: ignore[list-item]

response = client.complete("hi", temperature=0.5, stop=["a"], reasoning="low", media=[b""], timeout=None)
assert_type(response, Response[None])
assert_type(response.text, str)
assert_type(response.refusal, str | None)
assert_type(response.output, None)
assert_type(response.tool_calls, tuple[ToolCall, ...])
assert_type(response.citations, tuple[Citation, ...])
assert_type(response.usage + response.usage, Usage)
assert_type(response.cost, Decimal | None)
assert_type(response.finish_reason, FinishReason)
assert_type(response.message, AssistantMessage)
assert_type(client.count_tokens("hi"), int)
assert_type(client.models(), list[Model])
assert_type(client.with_options(max_retries=0, temperature=1), Client)
assert_type(client.with_options(prices={"a": Price(3, "15", cached_input=0.3)}).chat().cost, Decimal | None)

# A bare `Response` is one of anything, and a response of something is one of anything.
anything: Response = response
assert_type(anything, Response[Any])
wider: Response[int | None] = response

# A conversation that grows.
messages: list[Message] = [SystemMessage("s"), UserMessage(["a", Image.of("a.png"), Document.of(b"%PDF-")])]
messages.append(response.message)
messages.append(UserMessage([call.result({"ok": True}) for call in response.tool_calls]))
client.complete(messages)
client.complete([*messages, {"role": "user", "content": "b"}])
client.complete(Request("hi", id="r1", top_k=3), tools=[Tool("look")])
options: Options = {"temperature": 0.1, "max_tokens": 5}
client.complete("hi", **options)


def named(event: Event) -> str:
    match event:
        case TextDelta(text=text) | ThinkingDelta(text=text):
            assert_type(text, str)
            return text
        case ToolCallDelta(index=index, arguments=arguments):
            assert_type(index, int)
            return arguments
        case ToolCall(arguments=found):
            assert_type(found, dict[str, Any])
            return str(found)
        case FinishReason(reason=reason):
            return reason
        case Usage(output_tokens=count):
            return str(count)
        case Text() | Thinking() | Refusal() | ToolResult() | Opaque():
            return "part"
        case Image() | Audio() | Video() | Document():
            return event.media_type or "?"
        case _:  # members may be added in a minor release
            pass
    return "new in a later version"


def shown(part: Part) -> str:
    return part.text if isinstance(part, Text) else type(part).__name__


with client.stream("hi") as stream:
    assert_type(stream, Stream[None])
    for event in stream:
        named(event)
    for text in stream.text_deltas():
        assert_type(text, str)
    assert_type(stream.snapshot, Response[None])
    assert_type(stream.collect(), Response[None])

# What must be flagged.
client.complete("hi", temprature=0.5)  # type: ignore[call-overload]
client.complete("hi", temperature="hot")  # type: ignore[call-overload]
client.complete("hi", reasoning="hard")  # type: ignore[call-overload]
client.complete("hi", cache="1d")  # type: ignore[call-overload]
client.complete("hi", stop=3)  # type: ignore[call-overload]
client.complete(3)  # type: ignore[call-overload]
client.stream("hi", top_k=0.5)  # type: ignore[call-overload]
client.with_options(seed="x")  # type: ignore[arg-type]
Client("anthropic", apikey="k")  # type: ignore[call-arg]
Client("anthropic", unsupported="ignore")  # type: ignore[arg-type]
UserMessage(3)  # type: ignore[arg-type]
Text(3)  # type: ignore[arg-type]
Tool(name=3)  # type: ignore[arg-type]
response.txt  # type: ignore[attr-defined]  # noqa: B018
response.id = "x"  # type: ignore[misc]
llmkit.Clint  # type: ignore[attr-defined]  # noqa: B018
llmkit.Request("hi", temprature=0.5)  # type: ignore[call-arg]
misspelt: Options = {"temprature": 1}  # type: ignore[typeddict-unknown-key]


def sessions(own: requests.Session) -> None:
    """A caller's own session, and embeddings."""
    Client("openai", session=own)
    assert_type(client.embed(["a"], dimensions=3), Embeddings)
    vectors: tuple[array[float], ...] = client.embed("a").vectors
    assert_type(vectors[0][0], float)
