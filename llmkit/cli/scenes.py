"""The scenes of the demo: what the server is told, and the code that is both shown and run."""

import inspect
from collections.abc import Callable, Sequence
from textwrap import dedent, indent
from typing import Final

from attrs import frozen

from llmkit.client import Client
from llmkit.errors import IncompleteStreamError
from llmkit.media import Image
from llmkit.media.png import encode
from llmkit.messages import ToolCall, UserMessage
from llmkit.response import Usage
from llmkit.testing import FakeServer, RecordedRequest
from llmkit.tools import Tool


@frozen
class Scene:
    """One thing that llmkit does.

    Attributes:
        title: In a few words.
        script: Tells the server what to answer.
        play: Asks, and prints; its body is what is shown.
    """

    title: str
    script: Callable[[FakeServer], None]
    play: Callable[[Client], None]

    def code(self) -> str:
        """The body of `play`; "" where Python runs without its sources."""
        try:
            lines = inspect.getsource(self.play).splitlines()
        except OSError:
            return ""
        return indent(dedent("\n".join(lines[1:])), "    ") + "\n"


def small_png() -> bytes:
    """A picture of 32 × 16 pixels."""
    pixels = bytes(value for y in range(16) for x in range(32) for value in (8 * x, 16 * y, 128))
    return encode(pixels, 32, 16, 3)


# ---- played and shown ------------------------------------------------------------------------------------------------


def _stream(client: Client) -> None:
    with client.stream("Why is the sky blue?") as stream:
        for text in stream.text_deltas():
            print(text, end="", flush=True)
    print()


def _picture(client: Client) -> None:
    picture = Image.of(small_png())  # or a path, a URL, a file, a PIL image, a numpy array …
    response = client.complete("What is this?", media=[picture])
    print(response.text)


def _tool(client: Client) -> None:
    weather = Tool("weather", "The weather of a city", {"properties": {"city": {"type": "string"}}})
    question = UserMessage("Do I need an umbrella in Oslo?")
    response = client.complete(question, tools=[weather])
    call = response.tool_calls[0]
    print(f"The model calls {call.name} with {call.arguments}.")
    answered = UserMessage(call.result("4 °C and rain"))
    print(client.complete([question, response.message, answered], tools=[weather]).text)


def _usage(client: Client) -> None:
    response = client.complete("Tell me a story.", max_tokens=16)
    print(response.text)
    print(f"It ended because of {response.finish_reason.reason!r}.")
    print(f"{response.usage.input_tokens} tokens were read and {response.usage.output_tokens} written.")


def _cut(client: Client) -> None:
    try:
        client.stream("Count to ten.").collect()
    except IncompleteStreamError as error:
        print(f"Never taken for whole: {error}.")
        print(f"Received: {error.partial and error.partial.text!r}")


# ---- what the server is told -----------------------------------------------------------------------------------------


def _blue(server: FakeServer) -> None:
    server.reply(
        "Sunlight holds all colours. Air scatters the short waves, which are blue, far more than the long ones, "
        "so that blue reaches the eye from everywhere above."
    )


def _see(server: FakeServer) -> None:
    def describe(request: RecordedRequest) -> str:
        found = [part for message in request.messages for part in message.content if isinstance(part, Image)]
        return " ".join(f"I got {image.media_type}, {len(image.data or b''):,} bytes." for image in found)

    server.reply_with(describe)


def _umbrella(server: FakeServer) -> None:
    server.reply(ToolCall("call_1", "weather", {"city": "Oslo"}))
    server.reply("Yes: it rains, and it is cold.")


def _story(server: FakeServer) -> None:
    server.reply("Once upon a time there was a library which", usage=Usage(12, 16), finish_reason="length")


def _counted(server: FakeServer) -> None:
    server.reply("One, two, three, four, five, six, seven, eight, nine, ten.")
    server.fault("cut stream")


SCENES: Final[Sequence[Scene]] = (
    Scene("An answer as it arrives", _blue, _stream),
    Scene("A picture is sent, and the server tells what it got", _see, _picture),
    Scene("A tool is called, and its result sent back", _umbrella, _tool),
    Scene("Why it ended, and what it cost", _story, _usage),
    Scene("A stream that breaks off", _counted, _cut),
)
