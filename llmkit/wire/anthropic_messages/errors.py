"""Error bodies of this wire, those of gateways that only speak it nearly included.

Source: https://platform.claude.com/docs/en/api/errors
"""

import re
from typing import Any, Final

from llmkit.wire.base import ErrorDetails
from llmkit.wire.error_bodies import Own
from llmkit.wire.error_bodies import error as read_error

# Anthropic's words, then those of its own gateways for the same thing.
_OWN: Final = Own(
    too_long=re.compile(
        r"prompt is too long|exceed context limit|context[ _](window|length)|"
        r"too many (input|prompt) tokens|maximum context",
        re.IGNORECASE,
    )
)


def error(status: int, body: Any) -> ErrorDetails:
    """What an error body says, whether it is JSON or text; `status` is the HTTP answer's."""
    return read_error(status, body, _OWN)
