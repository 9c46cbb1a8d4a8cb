"""What the host refuses with a 400, in the words of the real one: the mistakes that tests ought to find.

Not everything: models, tools, schemas and parts of a kind that is not known here are taken as they come. Bodies are
looked at in the spelling of `spelled`.

Source: https://ai.google.dev/api/generate-content#request-body
"""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from math import inf
from typing import Any, Final

from llmkit.testing.gemini_generate.parts import CONTENT, SEALS
from llmkit.wire.gemini_generate.spelling import Json, parts_of, snake

_GENERATE: Final = frozenset(
    {
        *("model", "contents", "systemInstruction", "tools", "toolConfig", "safetySettings", "generationConfig"),
        *("cachedContent", "serviceTier", "store", "continuationToken", "labels"),
    }
)
_VERTEX: Final = frozenset({"modelArmorConfig", "outputConfig"})
_CONFIG: Final = frozenset(
    {
        *("temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "presencePenalty"),
        *("frequencyPenalty", "seed", "responseLogprobs", "logprobs", "responseMimeType", "responseSchema"),
        *("responseJsonSchema", "responseModalities", "mediaResolution", "speechConfig", "thinkingConfig"),
        *("imageConfig", "enableEnhancedCivicAnswers", "audioTranscriptionConfig", "responseFormat"),
        *("routingConfig", "modelConfig", "modelSelectionConfig", "audioTimestamp", "enableAffectiveDialog"),
        *("translationConfig",),
    }
)
_ROLES: Final = ("user", "model", "function")


def fault_of(body: Any, *, vertex: bool) -> str | None:
    """The first thing that is wrong with a body that asks for an answer; None where it is fine.

    Args:
        body: The JSON; None where it was none.
        vertex: Whether Vertex AI is asked, which takes more.
    """
    return next(_faults(body, vertex=vertex), None)


def count_fault_of(body: Any, *, vertex: bool) -> str | None:
    """As `fault_of`, of a body that asks for a count of its tokens."""
    return next(_count_faults(body, vertex=vertex), None)


def unknown(body: Mapping[str, Any], known: frozenset[str], where: str = "") -> Iterator[str]:
    """A fault for each key that is not `known`."""
    place = f" at '{where}'" if where else ""
    for name in body:
        if name not in known:
            yield f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.'


def not_an_object(body: Any) -> Iterator[str]:
    """A fault unless it is one."""
    if not isinstance(body, dict):
        yield 'Invalid JSON payload received. Unknown name "": Root element must be a message.'


# Each fault is looked for only where there is none before it, and so may count on what those have made sure of.


def _faults(body: Any, *, vertex: bool) -> Iterator[str]:
    yield from not_an_object(body)
    yield from unknown(body, _GENERATE | _VERTEX if vertex else _GENERATE)
    for name, cls in _TYPES.items():
        if name in body and not isinstance(body[name], cls):
            yield f"Invalid value at '{snake(name)}' {_NAMES[cls]}"
    if not body.get("contents"):
        yield "* GenerateContentRequest.contents: contents is not specified"
    if "systemInstruction" in body:
        yield from _content_faults(body["systemInstruction"], "system_instruction")
    for index, content in enumerate(body["contents"]):
        yield from _content_faults(content, f"contents[{index}]")
    yield from _config_faults(body.get("generationConfig", {}))
    yield from _unpaired(body["contents"])


def _count_faults(body: Any, *, vertex: bool) -> Iterator[str]:
    yield from not_an_object(body)
    if vertex:
        yield from _faults(body, vertex=True)
        return
    yield from unknown(body, frozenset({"contents", "generateContentRequest"}))
    wrapped = body.get("generateContentRequest")
    if wrapped is None:
        yield from _faults(body, vertex=False)
        return
    if "contents" in body:
        yield "contents and generate_content_request must not be set at the same time"
    yield from not_an_object(wrapped)
    if not str(wrapped.get("model", "")).startswith(("models/", "tunedModels/")):
        yield "* CountTokensRequest.generate_content_request.model: unexpected model name format"
    yield from _faults(wrapped, vertex=False)


_TYPES: Final[Mapping[str, type]] = {
    "contents": list,
    "systemInstruction": dict,
    "tools": list,
    "toolConfig": dict,
    "safetySettings": list,
    "generationConfig": dict,
    "cachedContent": str,
    "serviceTier": str,
    "labels": dict,
}
_NAMES: Final[Mapping[type, str]] = {list: "(TYPE_LIST)", dict: "(TYPE_MESSAGE)", str: "(TYPE_STRING)"}


# ---- contents --------------------------------------------------------------------------------------------------------


def _content_faults(content: Any, where: str) -> Iterator[str]:
    if not isinstance(content, dict):
        yield f"Invalid value at '{where}' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content)"
    yield from unknown(content, frozenset({"role", "parts"}), where)
    if content.get("role", "user") not in _ROLES:
        yield "Please use a valid role: user, model."
    parts = parts_of(content)
    if not isinstance(parts, list):
        yield f"Invalid value at '{where}.parts' (TYPE_LIST)"
    if not parts:
        yield f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty."
    for index, part in enumerate(parts):
        yield from _part_faults(part, f"{where}.parts[{index}]")


def _part_faults(part: Any, where: str) -> Iterator[str]:
    if not isinstance(part, dict):
        yield f"Invalid value at '{where}' (type.googleapis.com/google.ai.generativelanguage.v1beta.Part)"
    if not isinstance(part.get("thought", False), bool):
        yield f"Invalid value at '{where}.thought' (TYPE_BOOL)"
    if not _is_base64(part.get("thoughtSignature", "")):
        yield f"Invalid value at '{where}.thought_signature' (TYPE_BYTES), Base64 decoding failed"
    if not part.keys() - SEALS - {"thought"} and "thoughtSignature" not in part:
        words = "required oneof field 'data' must have one initialized field"
        yield f"* GenerateContentRequest.{where}.data: {words}"
    held = [name for name in part if name in CONTENT]
    if len(held) > 1:
        words = f"oneof field 'data' is already set. Cannot set '{held[1]}'"
        yield f"Invalid value at '{where}' (oneof), {words}"
    for name in held:
        for path, fault in _DATA.get(name, lambda _: iter(()))(part[name]):
            yield f"Invalid value at '{'.'.join([where, snake(name), *path])}' {fault}"


_Fault = tuple[tuple[str, ...], str]


def _is_base64(value: Any) -> bool:
    try:
        b64decode(value.translate(_PLAIN).rstrip("=") + "=" * (-len(value.rstrip("=")) % 4), validate=True)
    except (AttributeError, ValueError):
        return False
    return True


_PLAIN: Final = str.maketrans("-_", "+/")


def _text_faults(value: Any) -> Iterator[_Fault]:
    if not isinstance(value, str):
        yield (), "(TYPE_STRING)"


def _inline_faults(value: Any) -> Iterator[_Fault]:
    yield from _lacking(value, mimeType=str, data=str)
    if not _is_base64(value["data"]):
        yield ("data",), "(TYPE_BYTES), Base64 decoding failed"


def _file_faults(value: Any) -> Iterator[_Fault]:
    yield from _lacking(value, fileUri=str)


def _call_faults(value: Any) -> Iterator[_Fault]:
    yield from _lacking(value, name=str)
    if not isinstance(value.get("args", {}), dict):
        yield ("args",), "(type.googleapis.com/google.protobuf.Struct)"


def _response_faults(value: Any) -> Iterator[_Fault]:
    yield from _lacking(value, name=str, response=dict)


def _lacking(value: Any, **fields: type) -> Iterator[_Fault]:
    """What `value` must have; text must not be empty."""
    if not isinstance(value, dict):
        yield (), "(TYPE_MESSAGE)"
    for name, cls in fields.items():
        found = value.get(name)
        if not isinstance(found, cls) or found == "":
            yield (snake(name),), _NAMES[cls]


_DATA: Final[Mapping[str, Callable[[Any], Iterator[_Fault]]]] = {
    "text": _text_faults,
    "inlineData": _inline_faults,
    "fileData": _file_faults,
    "functionCall": _call_faults,
    "functionResponse": _response_faults,
}


# ---- options ---------------------------------------------------------------------------------------------------------


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _within(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


_RANGES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "temperature": (_within(0, 2), "must be in the range [0.0, 2.0]."),
    "topP": (_within(0, 1), "must be in the range [0.0, 1.0]."),
    "topK": (_within(1, inf), "must be positive."),
    "maxOutputTokens": (lambda value: _is_int(value) and value > 0, "must be positive."),
    "candidateCount": (lambda value: _is_int(value) and value > 0, "must be positive."),
    "presencePenalty": (_within(-2, 2), "must be in the range [-2.0, 2.0)."),
    "frequencyPenalty": (_within(-2, 2), "must be in the range [-2.0, 2.0)."),
    "seed": (_is_int, "must be a 32-bit integer."),
    "logprobs": (lambda value: _is_int(value) and 0 <= value <= 20, "must be in the range [0, 20]."),  # noqa: PLR2004
    "responseLogprobs": (lambda value: isinstance(value, bool), "must be a boolean."),
    "stopSequences": (lambda value: isinstance(value, list) and len(value) <= 5, "must be at most 5."),  # noqa: PLR2004
    "thinkingConfig": (lambda value: isinstance(value, dict), "must be a message."),
}


def _config_faults(config: Json) -> Iterator[str]:
    yield from unknown(config, _CONFIG, "generation_config")
    for name, (fits, words) in _RANGES.items():
        if name in config and not fits(config[name]):
            yield f"* GenerateContentRequest.generation_config.{snake(name)}: {snake(name)} {words}"
    if {"responseSchema", "responseJsonSchema"} <= config.keys():
        yield "Only one of response_schema and response_json_schema may be set."
    thinking = config.get("thinkingConfig", {})
    if {"thinkingBudget", "thinkingLevel"} <= thinking.keys():
        yield "You can only set only one of thinking budget and thinking level."


# ---- calls and their results -----------------------------------------------------------------------------------------

_UNEQUAL: Final = (
    "Please ensure that the number of function response parts is equal to the number of function call parts "
    "of the function call turn."
)
_UNASKED: Final = "Please ensure that function response turn comes immediately after a function call turn."
_OPEN: Final = "Please ensure that multiturn requests end with a user role or a function response."


def _unpaired(contents: Sequence[Json]) -> Iterator[str]:
    """Calls and results must be as many; adjacent contents of one side are one turn."""
    calls = 0
    for spoken, group in groupby(contents, key=lambda content: content.get("role") == "model"):
        turn = list(group)
        answered = _count(turn, "functionResponse")
        if calls != answered:
            yield _UNEQUAL if calls else _UNASKED
        calls = _count(turn, "functionCall") if spoken else 0
    if calls:
        yield _OPEN


def _count(turn: Sequence[Json], kind: str) -> int:
    return sum(kind in part for content in turn for part in parts_of(content))
