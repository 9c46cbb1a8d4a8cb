"""What both hosts do alike: look at the key, list models, embed, count words.

Source: https://platform.openai.com/docs/api-reference/models and …/embeddings
"""

import base64
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from llmkit.json_codec import dump_bytes
from llmkit.response import Model
from llmkit.testing.exchange import Answer, Desk, RecordedRequest
from llmkit.testing.openai import checks
from llmkit.testing.openai.errors import JSON, Fault, refused
from llmkit.testing.openai.writing import Json
from llmkit.testing.replies import rough_tokens

STREAM: Final = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
_NO_KEY: Final = Fault(
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY).",
    status=401,
)


def has_key(request: RecordedRequest) -> bool:
    """Whether it carries a key in one of the ways of this host."""
    return bool(_bearer(request) or request.headers.get("api-key", "").strip())


def _bearer(request: RecordedRequest) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def key_fault(request: RecordedRequest) -> Fault | None:
    """The fault of a request without a key; whatever key there is will do."""
    return None if has_key(request) else _NO_KEY


def lost(request: RecordedRequest) -> Fault:
    """The fault of a request for a path, or by a method, that there is not."""
    return Fault(f"Invalid URL ({request.method} {request.path})", status=404)


def whole_answer(body: Json) -> Answer:
    """`body` as an answer."""
    return Answer(headers=JSON, chunks=(dump_bytes(body),))


# ---- models ----------------------------------------------------------------------------------------------------------


def models(desk: Desk) -> Answer:
    """All of them, on one page."""
    return whole_answer({"object": "list", "data": [_model(model) for model in desk.models]})


def one_model(desk: Desk, name: str) -> Answer:
    """The model of that name."""
    for model in desk.models:
        if model.id == name:
            return whole_answer(_model(model))
    return refused(Fault(f"The model '{name}' does not exist", "model", "model_not_found", 404))


def _model(model: Model) -> Json:
    created = model.created or datetime.fromtimestamp(0, UTC)
    return {"id": model.id, "object": "model", "created": int(created.timestamp()), "owned_by": "fake"}


# ---- embeddings ------------------------------------------------------------------------------------------------------

_MOST_TEXTS: Final = 2048
_EMBED_FIELDS: Final[Mapping[str, checks.Field]] = {
    "model": checks.Field("string"),
    "input": checks.Field("string or array", filled=True),
    "dimensions": checks.Field("integer", least=1),
    "encoding_format": checks.Field("string"),
}


def embeddings(request: RecordedRequest, desk: Desk) -> Answer:
    """A vector for every text; floats, or in base64 as float32, little end first."""
    body = request.json
    if not isinstance(body, dict):
        return refused(checks.NOT_JSON)
    if fault := next(_embed_faults(body), None):
        return refused(fault)
    texts = _texts(body["input"])
    vectors = desk.vectors(texts, body.get("dimensions"))
    write = _base64 if body.get("encoding_format") == "base64" else list
    data = [{"object": "embedding", "index": index, "embedding": write(found)} for index, found in enumerate(vectors)]
    tokens = max(1, sum(map(rough_tokens, texts)))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return whole_answer({"object": "list", "data": data, "model": body["model"], "usage": usage})


def _embed_faults(body: Mapping[str, Any]) -> Iterator[Fault]:
    if not body.get("model"):
        yield Fault("you must provide a model parameter")
    if body.get("input") is None:
        yield checks.missing("input")
    yield from checks.fields(body, _EMBED_FIELDS)
    if body["input"] == "" or (isinstance(body["input"], list) and "" in body["input"]):
        yield Fault("Invalid 'input': input cannot be an empty string.", "input")
    if isinstance(body["input"], list) and len(_texts(body["input"])) > _MOST_TEXTS:
        words = f"array too long. Expected an array with maximum length {_MOST_TEXTS}"
        yield Fault(f"Invalid 'input': {words}.", "input", "array_above_max_length")
    if body.get("encoding_format", "float") not in ("float", "base64"):
        yield Fault("Invalid value for 'encoding_format': expected one of 'float', 'base64'.", "encoding_format")


def _texts(value: Any) -> list[str]:
    """One text for each vector; tokens in numbers stand for a text."""
    if isinstance(value, str):
        return [value]
    if all(isinstance(item, int) for item in value):
        return [str(value)]
    return [str(item) for item in value]


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


# ---- counting --------------------------------------------------------------------------------------------------------


def tokens(asked: Sequence[Any], uncounted: Collection[str], desk: Desk) -> int:
    """A token for every four characters of the words in `asked`, but for what `uncounted` keys hold."""
    if desk.token_count is not None:
        return desk.token_count
    return max(1, rough_tokens("".join(_words(list(asked), uncounted))))


def _words(value: Any, uncounted: Collection[str]) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _words(item, uncounted)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in uncounted:
                yield from _words(item, uncounted)
