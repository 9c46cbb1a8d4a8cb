"""Requests in whatever spelling the provider takes → the one of its documentation.

Source: https://protobuf.dev/programming-guides/json/
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]


def snake(name: str) -> str:
    """As in ``inlineData`` → ``inline_data``: how the provider's errors name it."""
    return re.sub(r"(?=[A-Z])", "_", name).lower()


# Keys below which the provider's own keys go on; below all others stands what is the caller's, or is not looked at.
_DEEP: Final = frozenset(
    {
        *("generateContentRequest", "contents", "systemInstruction", "content", "parts", "requests"),
        *("inlineData", "fileData", "functionCall", "functionResponse"),
        *("generationConfig", "thinkingConfig", "embedContentConfig"),
        *("tools", "functionDeclarations", "toolConfig", "functionCallingConfig"),
    }
)
_NAMES: Final = _DEEP | {
    *("safetySettings", "cachedContent", "serviceTier", "modelArmorConfig"),
    *("thoughtSignature", "videoMetadata", "mediaResolution", "mediaProcessing", "partMetadata"),
    *("speechMetadata", "documentMetadata", "spreadsheetMetadata", "audioMetadata", "audioTranscription"),
    *("executableCode", "codeExecutionResult", "toolCall", "toolResponse"),
    *("mimeType", "fileUri", "displayName"),
    *("topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "presencePenalty", "frequencyPenalty"),
    *("responseLogprobs", "responseMimeType", "responseSchema", "responseJsonSchema", "responseModalities"),
    *("speechConfig", "imageConfig", "thinkingBudget", "thinkingLevel", "includeThoughts"),
    *("taskType", "outputDimensionality", "autoTruncate"),
    *("parametersJsonSchema", "googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext", "googleMaps"),
    *("fileSearch", "computerUse", "enterpriseWebSearch", "retrievalConfig", "includeServerSideToolInvocations"),
    *("allowedFunctionNames", "streamFunctionCallArguments"),
}
_SPELLED: Final[Mapping[str, str]] = {snake(name): name for name in _NAMES}


# Lists, of which one thing may stand without them.
_LISTS: Final = frozenset({"contents", "parts", "tools", "functionDeclarations"})


def spelled(value: Any) -> Any:
    """`value` as the provider's documentation spells it.

    It takes ``inline_data`` for ``inlineData``, and one thing without a list for a list of one.
    """
    if isinstance(value, list):
        return [spelled(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {_SPELLED.get(key, key): item for key, item in value.items()}
    return {key: _listed(key, spelled(item) if key in _DEEP else item) for key, item in found.items()}


def _listed(key: str, value: Any) -> Any:
    return [value] if key in _LISTS and isinstance(value, dict) else value


def parts_of(content: Mapping[str, Any]) -> Any:
    """Its parts; one that stands without a list is a list of one, as the provider reads it."""
    parts = content.get("parts", [])
    return [parts] if isinstance(parts, dict) else parts
