"""The list of models, as OpenAI and the hosts that speak its wires tell it.

Source: https://platform.openai.com/docs/api-reference/models/list
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from llmkit.errors import ConfigurationError
from llmkit.response import Model
from llmkit.wire.base import Call, ModelPage
from llmkit.wire.error_bodies import raise_if_error
from llmkit.wire.quirks import OpenAIChatQuirks, OpenAIResponsesQuirks
from llmkit.wire.reading import count_or_none, expect, instant, object_or_empty, text_or


def encode_models(query: Mapping[str, str], quirks: OpenAIChatQuirks | OpenAIResponsesQuirks) -> Call:
    """The call for one page of models.

    Raises:
        ConfigurationError: The host has no list.
    """
    if quirks.models_path is None:
        raise ConfigurationError("models: this host has no list of models")
    return Call(quirks.models_path, query=query)


def decode_models(body: Any) -> ModelPage:
    """One page of models; some hosts tell no more than a bare list.

    Raises:
        ErrorEvent: It tells of an error.
        InvalidResponseError: It is none.
    """
    if isinstance(body, list):
        found, path, listed = {}, "$", body
    else:
        found = expect(body, dict, "$")
        raise_if_error(found, "data", "models")
        key = "models" if "data" not in found and "models" in found else "data"
        # Null stands for none where the key is there.
        path, listed = f"$.{key}", expect([] if found.get(key, 0) is None else found.get(key), list, f"$.{key}")
    models = tuple(_model(expect(item, dict, f"{path}[{at}]"), f"{path}[{at}]") for at, item in enumerate(listed))
    return ModelPage(models, _following(found, models))


def _following(found: Mapping[str, Any], models: tuple[Model, ...]) -> Mapping[str, str] | None:
    """What the next page is asked for with: the last model of this one, or a token; None at the end."""
    if token := text_or(found.get("next_page_token"), ""):
        return {"page_token": token}
    if found.get("has_more") is not True or not models:
        return None
    return {"after": text_or(found.get("last_id"), "") or models[-1].id}


def _model(item: dict[str, Any], path: str) -> Model:
    id_ = text_or(item.get("id"), None)
    best = object_or_empty(item.get("top_provider"))
    limits = object_or_empty(item.get("limits"))
    return Model(
        id=expect(item.get("name"), str, f"{path}.id") if id_ is None else id_,
        display_name=text_or(item.get("display_name"), "") or text_or(item.get("name"), ""),
        created=moment(item.get("created") or item.get("created_at")),
        context_window=_first(item, limits, "context_length", "context_window", "max_context_length", "max_model_len",
                              "max_input_tokens"),
        max_output=_first(best, item, "max_completion_tokens", "max_output_tokens", "max_output_length")
        or count_or_none(limits.get("max_output_tokens")),
        capabilities=frozenset(_capabilities(item)),
        raw=item,
    )  # fmt: skip


def _first(holder: Mapping[str, Any], other: Mapping[str, Any], *names: str) -> int | None:
    """The first count among `names`, in `holder`, else in `other`."""
    places = ((holder, name) for name in names), ((other, name) for name in names)
    return next((found for place, name in chain(*places) if (found := count_or_none(place.get(name)))), None)


def moment(value: object) -> datetime | None:
    """The point in time that seconds since 1970 mean, or a text; 0 is none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, ValueError, OSError):
            return None
    found = instant(value)
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def _capabilities(item: Mapping[str, Any]) -> Iterator[str]:
    """Words for what it can do, from whichever of the hosts' ways of telling is there."""
    told = item.get("capabilities")
    yield from (name for name, value in object_or_empty(told).items() if value is True)
    yield from _texts(told)
    architecture = object_or_empty(item.get("architecture"))
    yield from (f"{name}_input" for name in _texts(architecture.get("input_modalities", item.get("input_modalities"))))
    outputs = architecture.get("output_modalities", item.get("output_modalities"))
    yield from (f"{name}_output" for name in _texts(outputs))
    yield from _texts(item.get("supported_parameters"))
    yield from _texts(item.get("supported_features"))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, str))
