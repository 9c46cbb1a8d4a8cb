"""The wires that the server speaks. Another one is a module with a `RENDERING`, and a line here."""

from collections.abc import Sequence
from typing import Final

from llmkit.errors import ConfigurationError
from llmkit.testing.anthropic_messages import RENDERING as ANTHROPIC_MESSAGES
from llmkit.testing.exchange import RecordedRequest, Rendering
from llmkit.testing.gemini_generate import RENDERING as GEMINI_GENERATE
from llmkit.testing.openai_chat import RENDERING as OPENAI_CHAT
from llmkit.testing.openai_responses import RENDERING as OPENAI_RESPONSES
from llmkit.testing.replies import Reply

RENDERINGS: Final[Sequence[Rendering]] = (ANTHROPIC_MESSAGES, OPENAI_RESPONSES, OPENAI_CHAT, GEMINI_GENERATE)


def rendering_of(request: RecordedRequest) -> Rendering:
    """The wire that `request` is meant for; the first one where none claims it, which then says that it is lost."""
    return next((found for found in RENDERINGS if found.claims(request)), RENDERINGS[0])


def check(reply: Reply) -> Reply:
    """`reply`, which at least one wire can express.

    Raises:
        ConfigurationError: None can; the message begins with the path of what is wrong.
    """
    failed: ConfigurationError | None = None
    for rendering in RENDERINGS:
        try:
            rendering.check(reply)
        except ConfigurationError as exc:
            failed = failed or exc
        else:
            return reply
    raise failed or ConfigurationError("content: there is no wire")
