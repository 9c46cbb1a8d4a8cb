"""The wire format of Anthropic's Messages API.

Source: https://platform.claude.com/docs/en/api/messages
"""

from typing import TYPE_CHECKING, Any

from llmkit.wire.anthropic_messages.decode import decode, decode_count, decode_models
from llmkit.wire.anthropic_messages.dialect import expressible
from llmkit.wire.anthropic_messages.encode import encode, encode_count, encode_models
from llmkit.wire.anthropic_messages.errors import error
from llmkit.wire.anthropic_messages.reasoning import long_answer
from llmkit.wire.anthropic_messages.schema import WIRE_NAME
from llmkit.wire.anthropic_messages.stream import StreamDecoder
from llmkit.wire.base import Wire
from llmkit.wire.quirks import AnthropicMessagesQuirks

if TYPE_CHECKING:
    from llmkit.request import Request
    from llmkit.wire.batches import BatchWire


def _batches() -> "BatchWire":
    from llmkit.wire.anthropic_messages.batches import BATCHES  # noqa: PLC0415 - few calls are about them

    return BATCHES


def _read_request(body: Any, where: str) -> "Request":
    from llmkit.wire.anthropic_messages.request import read_request  # noqa: PLC0415 - calls write requests

    return read_request(body, where)


WIRE = Wire(
    name=WIRE_NAME,
    headers={"anthropic-version": "2023-06-01"},
    list_headers=frozenset({"anthropic-beta"}),
    unsupported=frozenset({"seed", "frequency_penalty", "presence_penalty", "logprobs"}),
    long_answer=long_answer,
    expresses=expressible,
    quirks=AnthropicMessagesQuirks,
    encode=encode,
    read_request=_read_request,
    decode=decode,
    decoder=StreamDecoder,
    error=error,
    encode_count=encode_count,
    decode_count=decode_count,
    encode_models=encode_models,
    decode_models=decode_models,
    batches=_batches,
)

__all__ = ["WIRE"]
