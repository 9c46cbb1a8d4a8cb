"""The wire format of Gemini's generateContent, as the Developer API and Google Cloud speak it.

Source: https://ai.google.dev/api/generate-content
"""

from typing import TYPE_CHECKING, Any

from llmkit.wire.base import Wire
from llmkit.wire.gemini_generate.decode import decode, decode_count, decode_models
from llmkit.wire.gemini_generate.dialect import expressible
from llmkit.wire.gemini_generate.embeddings import decode_embed, encode_embed
from llmkit.wire.gemini_generate.encode import encode, encode_count, encode_models
from llmkit.wire.gemini_generate.errors import error
from llmkit.wire.gemini_generate.schema import WIRE_NAME
from llmkit.wire.gemini_generate.stream import StreamDecoder
from llmkit.wire.quirks import GeminiGenerateQuirks

if TYPE_CHECKING:
    from llmkit.request import Request
    from llmkit.wire.batches import BatchWire


def _batches() -> "BatchWire":
    from llmkit.wire.gemini_generate.batches import BATCHES  # noqa: PLC0415 - few calls are about them

    return BATCHES


def _read_request(body: Any, where: str) -> "Request":
    from llmkit.wire.gemini_generate.request import read_request  # noqa: PLC0415 - calls write requests

    return read_request(body, where)


WIRE = Wire(
    name=WIRE_NAME,
    headers={},
    list_headers=frozenset(),
    unsupported=frozenset({"parallel_tool_calls"}),
    quirks=GeminiGenerateQuirks,
    encode=encode,
    read_request=_read_request,
    decode=decode,
    decoder=StreamDecoder,
    error=error,
    id_of_exchange=True,
    expresses=expressible,
    encode_count=encode_count,
    decode_count=decode_count,
    encode_models=encode_models,
    decode_models=decode_models,
    encode_embed=encode_embed,
    decode_embed=decode_embed,
    batches=_batches,
)

__all__ = ["WIRE"]
