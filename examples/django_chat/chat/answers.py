"""What is kept of an answer."""

from collections.abc import Callable
from typing import Any

from chat.models import Conversation
from llmkit import AssistantMessage, Chat, Message, Response, StreamClosedError


def keeping(chat: Chat, conversation: Conversation) -> Callable[[Response[Any], Exception | None], None]:
    """For ``event_stream(…, on_end=…)``: writes down what `chat` said from now on.

    All of it; where the browser has left, which is how an answer is stopped, as far as it came; after an error without
    the round that failed, so that it can be asked for again.
    """
    before = chat.messages

    def ended(response: Response[Any], error: Exception | None) -> None:
        said = chat.messages[len(before) :] if error is None else _as_far_as(response, error)
        if said:
            conversation.add(said, to=before[-1])

    return ended


def _as_far_as(response: Response[Any], error: Exception) -> list[Message]:
    found = list(getattr(error, "messages", ()))
    if isinstance(error, StreamClosedError) and response.text.strip() and response.message not in found:
        found.append(AssistantMessage(response.text))
    return found
