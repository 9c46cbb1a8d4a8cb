"""What a wire raises where a body is no answer: apart, as the engine knows it before any wire is imported."""

from typing import TYPE_CHECKING, Any

from llmkit.errors import IncompleteStreamError

if TYPE_CHECKING:
    from llmkit.wire.base import Decoded


class ErrorEvent(Exception):  # noqa: N818 - the wires' word for it
    """The stream told of an error; carries its body. The engine turns it into an `APIError`."""

    def __init__(self, body: Any) -> None:
        super().__init__(body)
        self.body = body


class CutOff(IncompleteStreamError):  # noqa: N818 - likewise
    """A whole body holds chunks that end before the answer does. The engine makes `partial` of what they tell."""

    decoded: "Decoded"

    def __init__(self, message: str, decoded: "Decoded") -> None:
        super().__init__(message)
        self.decoded = decoded
