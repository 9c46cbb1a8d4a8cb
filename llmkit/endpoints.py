"""What calls without a prompt are made of: pages of a list joined, texts in batches, vectors joined."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from llmkit.checks import wrong
from llmkit.errors import ConfigurationError, InvalidResponseError
from llmkit.response import Embeddings, Model, Usage
from llmkit.wire.base import Embedded, ModelPage

MOST_PAGES: Final = 1000  # of a list; a host that always tells of one more does not keep us for ever


def all_pages(page: Callable[[Mapping[str, str]], ModelPage]) -> list[Model]:
    """What stands on all pages.

    Args:
        page: Asks for the page that a query names; the empty one is the first.

    Raises:
        InvalidResponseError: There is no end of them.
    """
    models: list[Model] = []
    seen: list[Mapping[str, str]] = []
    following: Mapping[str, str] | None = {}
    while following is not None:
        if following in seen or len(seen) >= MOST_PAGES:
            raise InvalidResponseError(f"the list of models has no end: after {len(seen)} pages it goes on", path="$")
        seen.append(following)
        found = page(following)
        models += found.models
        following = found.following
    return models


def expecting(decode: Callable[[Any, int], Embedded], count: int) -> Callable[[Any], Embedded]:
    """`decode`, which is told how many vectors there must be."""
    return lambda body: decode(body, count)


def batches(texts: object, size: int) -> Iterator[tuple[str, ...]]:
    """`texts` in tuples of at most `size`.

    Raises:
        ConfigurationError: They are none, or one is empty or no text.
    """
    found = (texts,) if isinstance(texts, str) else texts
    if not isinstance(found, Iterable) or isinstance(found, (bytes, bytearray, Mapping)):
        raise wrong("texts", "text or a sequence of texts", texts)
    every = tuple(found)
    for index, text in enumerate(every):
        if not isinstance(text, str) or not text:
            raise wrong(f"texts[{index}]", "text that is not empty", text)
    if not every:
        raise ConfigurationError("texts: there is none")
    return (every[start : start + size] for start in range(0, len(every), size))


def joined(parts: Sequence[Embedded], model: str) -> Embeddings:
    """The vectors of all batches; `model` where the host does not tell which one answered."""
    usage = parts[0].usage if len(parts) == 1 else sum((part.usage for part in parts), Usage())
    served = next((part.model for part in parts if part.model), model)
    return Embeddings(tuple(vector for part in parts for vector in part.vectors), served, usage)
