"""The stream of `streamGenerateContent`: chunks, each an answer with what is new of its content.

Nothing says that a stream is over. It is whole when a chunk has told why the answer ended, or why the prompt was not
answered; what follows until the body ends is read, as it may hold usage and sources.

Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from collections.abc import Sequence
from typing import Any

from llmkit.errors import IncompleteStreamError
from llmkit.events import Event
from llmkit.json_codec import loads, loads_or_text
from llmkit.response import FinishReason, Usage
from llmkit.sse import ServerSentEvent
from llmkit.wire.gemini_generate.assembly import Assembly
from llmkit.wire.quirks import GeminiGenerateQuirks
from llmkit.wire.recurring import Recurring
from llmkit.wire.signals import ErrorEvent


class StreamDecoder:
    """The state of one stream; see `llmkit.wire.base.StreamDecoder`."""

    def __init__(self, quirks: GeminiGenerateQuirks | None = None) -> None:
        self._answer = Assembly((quirks or GeminiGenerateQuirks()).numbers)
        self.envelope: dict[str, Any] = self._answer.envelope
        self.ended = False  # by itself it never does
        self.whole = False
        self._recurring = Recurring(counted="usageMetadata", count=self._answer.count)

    @property
    def id(self) -> str:
        """The answer's id; "" before it is known."""
        return self._answer.id

    @property
    def model(self) -> str:
        """The model that answers; "" before it is known."""
        return self._answer.model

    @property
    def logprobs(self) -> list[Any] | None:
        """Of the tokens so far."""
        return self._answer.logprobs

    def feed(self, event: ServerSentEvent) -> Sequence[Event] | None:
        """The typed events that `event` stands for; None for one that says nothing new.

        Raises:
            ErrorEvent: It is an error.
            InvalidResponseError: It is not what the wire promises.
        """
        if (more := self._recurring.read(event)) is not None:
            return more
        self._recurring.forget()
        if event.data[:1] != "{" and event.data.strip() == "[DONE]":
            return None  # as gateways add that are used to another wire
        if event.event == "error":  # likewise
            raise ErrorEvent(loads_or_text(event.data))
        answer, chunk = self._answer, loads(event.data, "an event of the stream")
        if chunk.__class__ is list and len(chunk) == 1:
            chunk = chunk[0]  # as errors come at times
        events = answer.take(chunk)
        self.whole = answer.whole
        if events is not None and (found := answer.more(chunk)) is not None:
            goes_on, text, path = found
            self._recurring.learn(event, text, path, goes_on)
        return events

    def begun(self) -> tuple[str, str]:
        """The thoughts and the text that may go on."""
        return self._answer.content.begun()

    def pending(self) -> Sequence[Event]:
        """Sound that may go on."""
        return self._answer.content.pending()

    def usage(self) -> Usage:
        """What was billed, as far as it is known."""
        return self._answer.usage()

    def close(self) -> tuple[Sequence[Event], FinishReason, Usage]:
        """The parts not handed out yet, why it ended and what was billed.

        Raises:
            IncompleteStreamError: It was not said why.
        """
        if not self.whole:
            raise IncompleteStreamError("the stream ended before a finishReason: the answer was cut off")
        return self._answer.close(), self._answer.finish_reason(), self._answer.usage()
