"""The wire format of OpenAI's Chat Completions, which most other hosts speak, too.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from typing import TYPE_CHECKING, Any

from llmkit.wire.base import Wire
from llmkit.wire.openai.embeddings import decode_embed, encode_embed
from llmkit.wire.openai.errors import error
from llmkit.wire.openai.models import decode_models, encode_models
from llmkit.wire.openai_chat.decode import decode
from llmkit.wire.openai_chat.encode import encode
from llmkit.wire.openai_chat.schema import WIRE_NAME
from llmkit.wire.openai_chat.stream import StreamDecoder
from llmkit.wire.quirks import OpenAIChatQuirks

if TYPE_CHECKING:
    from llmkit.request import Request
    from llmkit.wire.batches import BatchWire


def _batches() -> "BatchWire":
    from llmkit.wire.openai.batches import BATCHES  # noqa: PLC0415 - few calls are about them

    return BATCHES


def _read_request(body: Any, where: str) -> "Request":
    from llmkit.wire.openai_chat.request import read_request  # noqa: PLC0415 - calls write requests

    return read_request(body, where)


WIRE = Wire(
    name=WIRE_NAME,
    headers={},
    list_headers=frozenset(),
    unsupported=frozenset({"top_k"}),
    quirks=OpenAIChatQuirks,
    encode=encode,
    decode=decode,
    decoder=StreamDecoder,
    error=error,
    encode_models=encode_models,
    decode_models=decode_models,
    encode_embed=encode_embed,
    decode_embed=decode_embed,
    batches=_batches,
    read_request=_read_request,
)

__all__ = ["WIRE"]
