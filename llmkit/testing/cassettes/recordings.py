"""What a cassette holds, as values without secrets."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from llmkit.errors import ConnectionFailedError, DeadlineError, DeadlineName, InvalidResponseError, LLMKitError

_FAILURES: dict[str, type[LLMKitError]] = {
    cls.__name__: cls for cls in (ConnectionFailedError, DeadlineError, InvalidResponseError)
}


@frozen
class Asked:
    """A request.

    Attributes:
        method: ``GET``, ``POST``, ….
        url: Whole, with its query; what may be secret in it is hidden.
        headers: Those that say how it is to be read.
        json: Its body, in which long base64 is replaced by its hash; None where there is none, or none that is JSON.
        text: The body that is no JSON; of one that is no text either, its hash.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(factory=dict, repr=False, eq=False)
    json: Any = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)


@frozen
class Failed:
    """How a request or an answer failed on its way.

    Attributes:
        error: The name of the error's class.
        text: What it says.
        retryable: As in `LLMKitError`.
        which: Of a `DeadlineError`.
        seconds: Likewise.
    """

    error: str
    text: str
    retryable: bool = True
    which: DeadlineName | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, error: LLMKitError) -> "Failed | None":
        """`error`, of a request that was sent; None for one that did not come from outside."""
        kind = next((name for name, known in _FAILURES.items() if type(error) is known), None)
        if kind is None:
            return None
        which, seconds = getattr(error, "which", None), getattr(error, "seconds", None)
        return cls(kind, str(error), error.retryable, which, seconds)

    def again(self) -> LLMKitError:
        """The error once more."""
        known = {"which": self.which, "seconds": self.seconds} if self.error == "DeadlineError" else {}
        return _FAILURES[self.error](self.text, retryable=self.retryable, **known)

    @classmethod
    def known(cls, error: object) -> bool:
        """Whether a class of this name is one that can be recorded."""
        return error in _FAILURES


End: TypeAlias = Failed | Literal["whole", "left"]
"""How a body ended: whole; ``left`` by the caller, who read no further; or it failed."""


@frozen
class Answered:
    """An answer.

    Attributes:
        status: Of HTTP.
        reason: The words after it.
        headers: Those of one name are joined; without what may be secret.
        chunks: The body as it arrived, decompressed; of one that was not asked for as a stream a single one.
        end: What came after the last of them.
    """

    status: int
    reason: str = ""
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    chunks: tuple[bytes, ...] = field(default=(), repr=False)
    end: End = "whole"


@frozen
class Recording:
    """A request, and what came of it.

    Attributes:
        asked: The request: its `method`, `url`, `headers`, and `json` or `text`.
        answered: The answer: its `status`, `headers`, the `chunks` of its body, and how it came to its `end`; or the
            `error` that came in its place, and its `text`.
    """

    asked: Asked
    answered: Answered | Failed
