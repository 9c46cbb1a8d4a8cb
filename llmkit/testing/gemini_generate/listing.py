"""Models as the host lists them, on pages.

Source: https://ai.google.dev/api/models
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Final

from llmkit.errors import BadRequestError, NotFoundError
from llmkit.response import Model
from llmkit.wire.gemini_generate.spelling import Json

_PAGE: Final = 50
_MOST: Final = 1000
_METHODS: Final = ("generateContent", "countTokens")


def page(models: Sequence[Model], query: Mapping[str, str], *, vertex: bool) -> Json:
    """One page: as many as `query` asks for, up to a thousand, from where the page before ended.

    Raises:
        BadRequestError: The size or the place is none.
    """
    size = query.get("pageSize", "") or "0"
    if not size.isdecimal():
        raise BadRequestError(f"Invalid value at 'page_size' (TYPE_INT32), \"{size}\"", status=400)
    start = _place(query.get("pageToken", ""), len(models))
    end = start + min(int(size) or _PAGE, _MOST)
    found: Json = {"publisherModels" if vertex else "models": [_written(model, vertex) for model in models[start:end]]}
    return {**found, "nextPageToken": _token(end)} if end < len(models) else found


def _token(place: int) -> str:
    return base64.urlsafe_b64encode(b"from %d" % place).decode()


def _place(token: str, most: int) -> int:
    found = next((place for place in range(most) if _token(place) == token), None) if token else 0
    if found is None:
        raise BadRequestError("Request contains an invalid argument.", status=400)
    return found


def one(models: Sequence[Model], name: str, *, vertex: bool) -> Json:
    """The model of that name.

    Raises:
        NotFoundError: There is none.
    """
    for model in models:
        if model.id == name:
            return _written(model, vertex)
    raise NotFoundError(
        f"Model is not found: models/{name} for api version v1beta. "
        "Call ListModels to see the list of available models and their supported methods.",
        status=404,
    )


def _written(model: Model, vertex: bool) -> Json:  # noqa: FBT001 - which of two hosts
    if vertex:
        return {"name": f"publishers/google/models/{model.id}", "versionId": "default", "launchStage": "GA"}
    told = {
        "displayName": model.display_name,
        "inputTokenLimit": model.context_window,
        "outputTokenLimit": model.max_output,
        "thinking": "thinking" in model.capabilities,
    }
    methods = [word for word in sorted(model.capabilities) if word != word.lower()]  # others are not this host's words
    return {
        "name": f"models/{model.id}",
        "version": "001",
        **{key: value for key, value in told.items() if value},
        "supportedGenerationMethods": methods or list(_METHODS),
    }
