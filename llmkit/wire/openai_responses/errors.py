"""Error bodies of this wire: OpenAI's, and the events and failed answers that tell of an error.

Sources: https://platform.openai.com/docs/guides/error-codes,
https://platform.openai.com/docs/api-reference/responses/object
"""

from typing import Any

from llmkit.wire.base import ErrorDetails
from llmkit.wire.openai.errors import error as openai_error


def error(status: int, body: Any) -> ErrorDetails:
    """What an error body says, whether it is JSON or text; `status` is the HTTP answer's."""
    return openai_error(status, _bare(body))


def _bare(body: Any) -> Any:
    """`body` without the words that name the event or the state of the answer, and not what went wrong."""
    if not isinstance(body, dict):
        return body
    if body.get("status") == "failed":
        return {"error": body.get("error")}
    if str(body.get("type")).startswith("response."):
        return {key: value for key, value in body.items() if key != "type"}
    return body
