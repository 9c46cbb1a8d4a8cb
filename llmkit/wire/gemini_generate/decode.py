"""A body of `generateContent` as an answer; counts and lists of models.

Sources: https://ai.google.dev/api/generate-content, https://ai.google.dev/api/tokens, https://ai.google.dev/api/models
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta
from llmkit.messages import AssistantMessage
from llmkit.response import Model
from llmkit.wire.base import Decoded, ModelPage
from llmkit.wire.error_bodies import raise_if_error
from llmkit.wire.gemini_generate.assembly import Assembly
from llmkit.wire.gemini_generate.finish import tokens
from llmkit.wire.quirks import GeminiGenerateQuirks
from llmkit.wire.reading import count_or_none, expect, text_or
from llmkit.wire.signals import CutOff

_DELTAS: Final = (TextDelta, ThinkingDelta, ToolCallDelta)
_ANSWERED: Final = frozenset({"candidates", "promptFeedback", "usageMetadata"})
_FOLDER: Final = re.compile(r"(publishers/[^/]+/)?models/")


def decode(body: Any, quirks: GeminiGenerateQuirks) -> Decoded:
    """The answer that `body` is, or the chunks in it: a stream that was not asked for as events is one array.

    Raises:
        ErrorEvent: It, or a chunk, is an error.
        CutOff: No chunk says why the answer ended.
        InvalidResponseError: It is no answer; the error has the path.
    """
    answer = Assembly(quirks.numbers)
    events: list[Event] = []
    if isinstance(body, list):
        for number, chunk in enumerate(body or [None]):
            events += answer.take(chunk, f"$[{number}]") or ()
        raw = answer.envelope
    else:
        raw = expect(body, dict, "$")
        events += answer.take(raw) or ()
        if not raw.keys() & _ANSWERED:
            raise_if_error(raw)
            expect(None, list, "$.candidates")
    decoded = Decoded(
        id=answer.id,
        model=answer.model,
        message=_message([*events, *answer.close()]),
        finish_reason=answer.finish_reason(),
        usage=answer.usage(),
        raw=raw,
        logprobs=answer.logprobs,
    )
    if isinstance(body, list) and not answer.whole:
        raise CutOff("the answer's chunks end before a finishReason: it was cut off", decoded)
    return decoded


def _message(events: Sequence[Event]) -> AssistantMessage:
    return AssistantMessage([event for event in events if not isinstance(event, _DELTAS)])  # type: ignore[misc]  # parts


def decode_count(body: Any) -> int:
    """The number of tokens.

    Raises:
        InvalidResponseError: There is none.
    """
    found = expect(body, dict, "$").get("totalTokens")
    return tokens(found) if isinstance(found, str) else expect(found, int, "$.totalTokens")


def decode_models(body: Any) -> ModelPage:
    """One page of models.

    Raises:
        InvalidResponseError: It is none.
    """
    found = expect(body, dict, "$")
    key = "publisherModels" if "publisherModels" in found else "models"
    listed = expect(found.get(key, []), list, f"$.{key}")
    models = tuple(
        _model(expect(item, dict, f"$.{key}[{index}]"), f"$.{key}[{index}]") for index, item in enumerate(listed)
    )
    more = text_or(found.get("nextPageToken"), None)
    return ModelPage(models, {"pageToken": more} if more else None)


def _model(item: dict[str, Any], path: str) -> Model:
    name = expect(item.get("name"), str, f"{path}.name")
    methods = item.get("supportedGenerationMethods")
    words = {method for method in methods if isinstance(method, str)} if isinstance(methods, list) else set()
    return Model(
        id=_FOLDER.sub("", name, count=1) or name,
        display_name=text_or(item.get("displayName"), ""),
        context_window=count_or_none(item.get("inputTokenLimit")),
        max_output=count_or_none(item.get("outputTokenLimit")),
        capabilities=frozenset(words | ({"thinking"} if item.get("thinking") is True else set())),
        raw=item,
    )
