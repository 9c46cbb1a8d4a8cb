"""What a provider's own usage tells beyond `Usage`, in the words of genai-prices. Pure functions.

`Usage` counts what all wires tell. Prices need more: how much was sound or pictures, how long the cache keeps what was
put into it, in which tier the call was served. That stands in `Usage.raw` and in the answer, in the words of each wire.
Sources: https://platform.claude.com/docs/en/api/messages, https://platform.openai.com/docs/api-reference,
https://ai.google.dev/api/generate-content#UsageMetadata
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from llmkit.response import Usage

dated: Final = re.compile(r"[-@](20\d\d-?[01]\d-?[0-3]\d|latest)$")
"""What providers add to the name of a model to say which of its days it is of."""

_IN: Final = ("prompt_tokens_details", "input_tokens_details")
_OUT: Final = ("completion_tokens_details", "output_tokens_details")
# What is counted ← the objects that may have it, and its name in them.
_COUNTS: Final = (
    ("cache_write_5m_tokens", ("cache_creation",), "ephemeral_5m_input_tokens"),
    ("cache_write_1h_tokens", ("cache_creation",), "ephemeral_1h_input_tokens"),
    ("input_audio_tokens", _IN, "audio_tokens"),
    ("input_image_tokens", _IN, "image_tokens"),
    ("output_audio_tokens", _OUT, "audio_tokens"),
    ("output_image_tokens", _OUT, "image_tokens"),
    ("web_searches", ("server_tool_use",), "web_search_requests"),
)
# Lists of one count a modality ← what each is, where it has no other place.
_LISTS: Final = {
    "promptTokensDetails": "input_{}_tokens",
    "promptTokenDetails": "input_{}_tokens",
    "toolUsePromptTokensDetails": "input_{}_tokens",
    "cacheTokensDetails": "cache_{}_read_tokens",
    "candidatesTokensDetails": "output_{}_tokens",
}
# Pages of documents are billed as pictures. Some clients of Google Cloud have numbers in place of words.
_MODALITIES: Final = {"TEXT": "text", "IMAGE": "image", "VIDEO": "video", "AUDIO": "audio", "DOCUMENT": "image"}
_NUMBERED: Final = {str(number): kind for number, kind in enumerate(_MODALITIES.values(), 1)}

# Hosts that tell what a call has cost ← where. Others that do so mean other currencies.
# Sources: https://openrouter.ai/docs/use-cases/usage-accounting, https://docs.perplexity.ai/api-reference
TOLD: Final = {"openrouter": ("cost",), "perplexity": ("cost", "total_cost")}

# How a call may be served ← what is told where that is nothing out of the usual.
_USUAL: Final[Mapping[str, frozenset[str]]] = {
    "service_tier": frozenset({"", "auto", "default", "standard", "on_demand", "unspecified", "0", "1"}),
    "speed": frozenset({"", "standard"}),
    "inference_geo": frozenset({"", "global", "not_available"}),
}


def counted(usage: Usage, raw: Mapping[str, Any]) -> dict[str, int]:
    """What was billed, by genai-prices' names."""
    found = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "output_reasoning_tokens": usage.reasoning_tokens,
    }
    for name, places, key in _COUNTS:
        for place in places:
            if (count := _count(_object(raw.get(place)).get(key))) is not None:
                found[name] = count
    for name, count in _by_modality(raw):
        found[name] = found.get(name, 0) + count
    return found


def unusual(raw: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, str]:
    """How a call was served, where that is out of the usual, in the words of genai-prices' `price_context`.

    Args:
        raw: The provider's own usage.
        answer: The whole answer, or its envelope.
    """
    tiers = (answer.get("service_tier"), raw.get("service_tier"), raw.get("serviceTier"), raw.get("trafficType"))
    told = {
        "service_tier": next((str(word) for word in tiers if isinstance(word, (str, int))), ""),
        "speed": raw.get("speed"),
        "inference_geo": raw.get("inference_geo"),
    }
    found = {
        name: word.lower() for name, word in told.items() if isinstance(word, str) and word.lower() not in _USUAL[name]
    }
    if found.get("service_tier") == "batch":
        found["processing"] = found.pop("service_tier")
    if any(_object(item).get("type") != "message" for item in _list(raw.get("iterations"))):
        found["iterations"] = "several"  # whose counts are their own, and of models of their own
    return found


def told(raw: Mapping[str, Any], host: str) -> Decimal | None:
    """US dollars that a host itself says that the call has cost; None where it does not.

    Args:
        raw: Its own usage.
        host: Its name at genai-prices.
    """
    value: object = raw
    for key in TOLD.get(host, ("",)):
        value = _object(value).get(key)
    # With a key of the caller's own for whoever is behind it, that one is paid, too.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or raw.get("is_byok"):
        return None
    found = Decimal(str(value))
    return found if found.is_finite() and found >= 0 else None


def _by_modality(raw: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for key, name in _LISTS.items():
        if isinstance(raw.get(key), list):
            yield from ((name.format(kind), 0) for kind in _MODALITIES.values())  # what is not told of is none
        for item in _list(raw.get(key)):
            word, count = str(_object(item).get("modality")), _count(_object(item).get("tokenCount"))
            kind = _MODALITIES.get(word) or _NUMBERED.get(word)
            if kind is not None and count is not None:
                yield name.format(kind), count


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
