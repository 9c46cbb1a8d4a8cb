"""Error bodies of OpenAI's two wires, those of the many hosts that only speak them nearly included.

Source: https://platform.openai.com/docs/guides/error-codes
"""

from typing import Any, Final

from llmkit.wire.base import ErrorDetails
from llmkit.wire.error_bodies import Own
from llmkit.wire.error_bodies import error as read_error

_OWN: Final = Own()


def error(status: int, body: Any) -> ErrorDetails:
    """What an error body says, whether it is JSON or text; `status` is the HTTP answer's."""
    return read_error(status, body, _OWN)
