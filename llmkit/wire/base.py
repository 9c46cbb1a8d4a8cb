"""What a wire is: a frozen record of functions between typed values and a provider's JSON. No I/O."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from attrs import field, frozen

from llmkit.errors import APIError, ConfigurationError

if TYPE_CHECKING:  # a client is made without them
    from array import array

    from llmkit.events import Event
    from llmkit.messages import AssistantMessage
    from llmkit.request import Request, ResolvedRequest
    from llmkit.response import FinishReason, Model, Usage
    from llmkit.sse import ServerSentEvent
    from llmkit.wire.batches import BatchWire

Refuse: TypeAlias = Callable[[str, str], None]
"""Called with a path and what stands there that the wire cannot express; raises, or warns and returns."""


@frozen
class Call:
    """One HTTP request, but for its host and its key.

    Attributes:
        path: Below the base URL with its version, as in ``/messages``; each ``/..`` at its beginning climbs a segment.
        body: The JSON body; None with GET.
        headers: Of this call, but for those of all calls of the wire.
        query: Added to the address.
        model: For hosts whose address names it; set by the client.
        writes: For rate limits: how many tokens the model may write, infinite where nobody said; None where no model is
            asked. Of answers set by the client where it has such a limit.
        job: Whether it is answered with how a job is; one that failed holds an error, and is an answer all the same.
        once: Whether it is not sent again where the host may have done what it asks for: that would cost twice.
    """

    path: str
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    query: Mapping[str, str] = field(factory=dict, repr=False)
    model: str | None = None
    writes: float | None = None
    job: bool = False
    once: bool = False

    @property
    def method(self) -> str:
        """POST where there is a body, else GET."""
        return "GET" if self.body is None else "POST"


@frozen
class Decoded:
    """A whole answer, as the wire tells it."""

    id: str
    model: str
    message: "AssistantMessage"
    finish_reason: "FinishReason"
    usage: "Usage"
    raw: dict[str, Any]
    logprobs: Any = None


@frozen
class ErrorDetails:
    """What an error body says.

    Attributes:
        cls: The class that it stands for; None where the status alone tells.
        status: The status that it stands for inside a 200, else None.
        code: As `APIError.code`.
        message: The provider's words; "" where there are none.
        retry_after: Seconds that the body asks to wait.
        request_id: The exchange's id, where the body has it.
    """

    cls: type[APIError] | None = None
    status: int | None = None
    code: str | None = None
    message: str = ""
    retry_after: float | None = None
    request_id: str | None = None


class StreamDecoder(Protocol):
    """The events of one stream: a state machine that never touches a socket.

    Attributes:
        id: The answer's id, as far as it is known; else "".
        model: The model that answers, likewise.
        envelope: The last value of every top-level key but the content.
        ended: The terminal signal came: nothing more is to be read.
        whole: The answer would be whole if the body ended now; `ended` implies it. Between the two reading goes on
            for a while, as usage may follow.
        logprobs: As `Decoded.logprobs`.
    """

    @property
    def id(self) -> str: ...  # noqa: D102 - above

    @property
    def model(self) -> str: ...  # noqa: D102 - above

    @property
    def envelope(self) -> dict[str, Any]: ...  # noqa: D102 - above

    @property
    def ended(self) -> bool: ...  # noqa: D102 - above

    @property
    def whole(self) -> bool: ...  # noqa: D102 - above

    @property
    def logprobs(self) -> Any: ...  # noqa: D102 - above

    def feed(self, event: "ServerSentEvent") -> "Sequence[Event] | None":
        """The typed events that it stands for, but for the closing two; None for one that says nothing, as pings do.

        Raises:
            ErrorEvent: It is an error event.
            InvalidResponseError: It is not what the wire promises.
        """

    def begun(self) -> tuple[str, str]:
        """The thoughts and the text that were handed out as deltas, of parts that were not handed out yet.

        Not asked for after `close`.
        """

    def pending(self) -> "Sequence[Event]":
        """What has been received and not handed out, because what stands before it is not complete."""

    def usage(self) -> "Usage":
        """What was billed, as far as it is known."""

    def close(self) -> "tuple[Sequence[Event], FinishReason, Usage]":
        """The parts not handed out yet, why it ended and what was billed.

        Raises:
            IncompleteStreamError: The terminal signal has not come.
        """


@frozen
class ModelPage:
    """One page of models, and the query of the next, None at the end."""

    models: "tuple[Model, ...]"
    following: Mapping[str, str] | None


@frozen
class EmbedRequest:
    """Texts to embed: at most as many as the host takes at once.

    Attributes:
        model: Which model.
        texts: What to embed; never empty.
        dimensions: How long each vector is to be; None for the model's own length.
        extra_query, extra_body: As the options of the same name.
    """

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    extra_query: Mapping[str, str] = field(factory=dict)
    extra_body: Mapping[str, Any] = field(factory=dict)


@frozen
class Embedded:
    """The vectors of one `EmbedRequest`, in the order of its texts; `model` is "" where the host does not tell."""

    vectors: "tuple[array[float], ...]"
    model: str
    usage: "Usage"


@frozen
class Wire:
    """A wire format.

    Attributes:
        name: As `Provider.wire` names it.
        headers: Of every request.
        list_headers: Lower-case names of headers whose values are comma-separated lists that add up.
        unsupported: Options that it has no place for; a host's quirks may add some, or have a place for some.
        quirks: The class whose instances say how a host deviates.
        encode: Request, quirks, whether to stream → call.
        read_request: The way back of `encode`: JSON body, its path → the request that is encoded as that body. It
            raises `ConfigurationError` for what is none, beginning with the path of what is wrong.
        decode: JSON body, quirks → answer. It may raise `ErrorEvent`.
        decoder: Quirks → the state of one stream.
        error: Status and error body (JSON, else text) → what it says.
        id_of_exchange: Whether an answer's id is that of the exchange, as no header has one.
        long_answer: Whether a whole answer may take longer than gateways wait: then `Client.complete` streams and
            collects.
        expresses: Whether its mode for answers that fit a schema has words for this one (plain JSON Schema, an object
            at the root). Where it has not, the schema must be asked for in another way, as the parameters of a tool.
        encode_count, decode_count: Counting tokens; None where the wire cannot.
        encode_models, decode_models: The page that a query names; None where the wire has no list.
        encode_embed, decode_embed: Texts → vectors; None where the wire cannot. Decoding is told how many there must
            be.
        batches: What it knows of its hosts' batches, imported when it is asked for; None where it knows of none.
    """

    name: str
    headers: Mapping[str, str]
    list_headers: frozenset[str]
    unsupported: frozenset[str]
    quirks: Callable[[], Any]
    encode: "Callable[[ResolvedRequest, Any, Refuse, bool], Call]"
    read_request: "Callable[[Any, str], Request]"
    decode: Callable[[Any, Any], Decoded]
    decoder: Callable[[Any], StreamDecoder]
    error: Callable[[int, Any], ErrorDetails]
    id_of_exchange: bool = False
    long_answer: "Callable[[ResolvedRequest, Any], bool]" = lambda _request, _quirks: False
    expresses: Callable[[Mapping[str, Any]], bool] = lambda _schema: True
    encode_count: "Callable[[ResolvedRequest, Any, Refuse], Call] | None" = None
    decode_count: Callable[[Any], int] | None = None
    encode_models: Callable[[Mapping[str, str], Any], Call] | None = None
    decode_models: Callable[[Any], ModelPage] | None = None
    encode_embed: Callable[[EmbedRequest, Any], Call] | None = None
    decode_embed: Callable[[Any, int], Embedded] | None = None
    batches: "Callable[[], BatchWire] | None" = None

    def refused(self, quirks: Any) -> frozenset[str]:
        """The options that a host with these quirks has no place for."""
        found: frozenset[str] = (self.unsupported | quirks.unsupported) - quirks.supported
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        # A record of functions pickles as its name.
        from llmkit.wire import wire  # noqa: PLC0415 - it imports this module

        return wire, (self.name,)


def merge_body(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with `extra` merged in: objects deeply, lists and scalars replaced. `body` is changed and returned."""
    for key, value in extra.items():
        present = body.get(key)
        if isinstance(present, dict) and isinstance(value, Mapping):
            body[key] = merge_body(dict(present), value)
        else:
            body[key] = value
    return body


def need(present: bool, name: str, message: str) -> None:  # noqa: FBT001 - it is what the function is about
    """Raise `ConfigurationError` about the argument `name` unless `present`."""
    if not present:
        raise ConfigurationError(f"{name}: {message}")
