"""The wire format of OpenAI's Responses API.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from typing import TYPE_CHECKING, Any

from llmkit.wire.base import Wire
from llmkit.wire.openai.embeddings import decode_embed, encode_embed
from llmkit.wire.openai.models import decode_models, encode_models
from llmkit.wire.openai_responses.decode import decode, decode_count
from llmkit.wire.openai_responses.encode import encode, encode_count
from llmkit.wire.openai_responses.errors import error
from llmkit.wire.openai_responses.schema import WIRE_NAME
from llmkit.wire.openai_responses.stream import StreamDecoder
from llmkit.wire.quirks import OpenAIResponsesQuirks

if TYPE_CHECKING:
    from llmkit.request import Request
    from llmkit.wire.batches import BatchWire


def _batches() -> "BatchWire":
    from llmkit.wire.openai.batches import BATCHES  # noqa: PLC0415 - few calls are about them

    return BATCHES


def _read_request(body: Any, where: str) -> "Request":
    from llmkit.wire.openai_responses.request import read_request  # noqa: PLC0415 - calls write requests

    return read_request(body, where)


WIRE = Wire(
    name=WIRE_NAME,
    headers={},
    list_headers=frozenset(),
    unsupported=frozenset({"top_k", "stop", "seed", "frequency_penalty", "presence_penalty"}),
    quirks=OpenAIResponsesQuirks,
    encode=encode,
    decode=decode,
    decoder=StreamDecoder,
    error=error,
    encode_count=encode_count,
    decode_count=decode_count,
    encode_models=encode_models,
    decode_models=decode_models,
    encode_embed=encode_embed,
    decode_embed=decode_embed,
    batches=_batches,
    read_request=_read_request,
)

__all__ = ["WIRE"]
