"""What came of one row."""

from typing import Any, Generic, TypeVar

from attrs import field, frozen

from llmkit.errors import LLMKitError
from llmkit.response import Response

T_co = TypeVar("T_co", covariant=True)


@frozen
class Result(Generic[T_co]):
    """What came of one of many prompts: an answer or an error.

    Attributes:
        index: Which row it was, counted from 0.
        id: That of its `Request`; None where it has none.
        prompt: What was given.
        response: The answer; None where there is none.
        error: Why there is none; None where there is one.
        seconds: How long it took to ask, retries and waits included; None where that is not known, as of answers that
            come from a file or a batch.
    """

    index: int
    id: str | None
    prompt: Any = field(hash=False)
    response: Response[T_co] | None = field(default=None, hash=False)
    error: LLMKitError | None = field(default=None, eq=False)
    seconds: float | None = field(default=None, eq=False, repr=False)

    def unwrap(self) -> Response[T_co]:
        """The answer.

        Raises:
            LLMKitError: There is none: `error`.
        """
        if self.response is None:
            assert self.error is not None  # noqa: S101 - one of the two
            raise self.error
        return self.response
