"""What goes through the server: a request as recorded, an answer to be sent, and who makes the one of the other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from attrs import evolve, field, frozen

from llmkit.errors import APIError, ConfigurationError
from llmkit.messages import Message
from llmkit.request import Request
from llmkit.response import Model
from llmkit.testing.batches import Shelf
from llmkit.testing.replies import Chunking, Reply

Ending: TypeAlias = Literal["end", "reset", "stall", "drip"]


@frozen(eq=False)
class RecordedRequest:
    """A request that the server got.

    Attributes:
        method: ``GET``, ``POST``, ….
        path: Without its query, as in ``/v1/messages``.
        headers: By name, in any case. The key that was sent stands in them.
        json: The body; None where there is none, or none that is JSON.
        query: What stood behind the ``?``; of a name that came twice the last value.
        body: The bytes of the body.
        wire: The name of the format that it was taken for.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    json: Any = field(default=None, repr=False)
    query: Mapping[str, str] = field(factory=dict)
    body: bytes = field(default=b"", repr=False)
    wire: str = field(default="", kw_only=True)
    _resumed: Any = field(default=None, repr=False, kw_only=True)

    @property
    def resumed(self) -> Any:
        """The body, and before what it says the conversation that it goes on with, where the host keeps that."""
        return self.json if self._resumed is None else self._resumed

    @property
    def messages(self) -> list[Message]:
        """The conversation, instructions first; empty where the body holds none.

        What a host keeps of it, as by ``previous_response_id``, is in it.

        Raises:
            ConfigurationError: What stands there is no message; the error begins with its path.
        """
        found = self._rendering()
        return [] if found is None else found.read(self.resumed)

    @property
    def request(self) -> Request:
        """What is asked for, as `Request.from_wire` reads it; a model or a deployment in the path is its model.

        Raises:
            ConfigurationError: The body holds none; the error begins with the path of what is wrong.
        """
        found = self._rendering()
        if found is None:
            raise ConfigurationError("wire: nobody knows which one this request is of; FakeServer tells")
        return found.request(self)

    def _rendering(self) -> "Rendering | None":
        """By its name, and not held: functions do not pickle."""
        from llmkit.testing.wires import RENDERINGS  # noqa: PLC0415 - which are made of what stands here

        return next((found for found in RENDERINGS if found.wire == self.wire), None)


@frozen
class Standing:
    """How far a limit is used up.

    Attributes:
        kind: ``requests`` or ``tokens``.
        limit: How many a minute.
        remaining: How many of them are left.
        reset: Seconds until all of them are there again.
    """

    kind: str
    limit: int
    remaining: int
    reset: float


@frozen
class Answer:
    """What is sent back.

    Attributes:
        status: Of HTTP; 0: the connection is closed without any.
        headers: But for those about length.
        chunks: Each is sent by itself; of a stream an event each.
        streamed: Whether it is sent as it is made, without its length.
        ending: What comes after the chunks: the body's proper end; a reset of the connection; nothing until the
            connection is closed; or `drip`, again and again until then.
        missing: Bytes that the header tells of and that are not sent.
        drip: What `ending` repeats.
        closing: How many of the last chunks tell that a streamed answer is whole: it is not without the first of them.
        leaving: Called before its end is sent, or when it cannot be sent any more; at least once.
        abandoned: Called when the client has gone before all was sent.
        latency: Seconds before it begins; None for the server's.
        delay: Seconds between the events of a stream; None for the server's.
    """

    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)
    chunks: Sequence[bytes] = ()
    streamed: bool = False
    ending: Ending = "end"
    missing: int = 0
    drip: bytes = b" "
    closing: int = 1
    leaving: Callable[[], object] = field(default=lambda: None, eq=False, repr=False)
    abandoned: Callable[[], object] = field(default=lambda: None, eq=False, repr=False)
    latency: float | None = None
    delay: float | None = None


class Desk(Protocol):
    """Where a wire gets what it writes down; the server is one.

    Attributes:
        kept: Conversations that a wire keeps, by the id of their last answer, in a form of its own.
    """

    models: list[Model]
    token_count: int | None
    chunking: Chunking
    batch_looks: int
    batches: Shelf
    kept: dict[str, Any]

    def row(self, request: RecordedRequest) -> Answer:
        """What is answered to one request of a batch."""

    def next_reply(self, request: RecordedRequest, echo: str) -> Reply:
        """What to answer; `echo` where nothing was scripted.

        Raises:
            ConfigurationError: The function of `FakeServer.reply_with` returned something that is no answer.
        """

    def number(self) -> int:
        """Counts the answers, from 1."""

    def vectors(self, texts: Sequence[str], dimensions: int | None) -> list[list[float]]:
        """Made-up embeddings, one a text."""


class Told:
    """A desk for one call; in all but the reply it is the other one.

    Attributes:
        reply: What was given; None for a request that asks for none.
    """

    def __init__(self, desk: Desk, next_reply: Callable[[RecordedRequest, str], Reply]) -> None:
        self._desk = desk
        self._next_reply = next_reply
        self.reply: Reply | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)

    def next_reply(self, request: RecordedRequest, echo: str) -> Reply:
        """What it was made with."""
        self.reply = self._next_reply(request, echo)
        return self.reply


@frozen
class Rendering:
    """One wire, from the host's side: functions chosen by a request's path and headers.

    Attributes:
        wire: Its name.
        claims: Whether a request is meant for this wire.
        read: A request's body → the conversation in it.
        request: What it asks for.
        check: Raises `ConfigurationError` for a reply that this wire cannot express.
        answer: What a request gets; also one that is refused.
        error: An error as an answer.
        error_event: An error as an event of a stream that began well.
        ping: An event that says nothing.
        id_header: In which header answers have the id of the exchange; None for none.
        limit_headers: In which headers answers tell how far a limit is used up.
        resume: A body and what the wire has put into `Desk.kept` → the body with the conversation that it goes on with;
            None where it goes on with none.
    """

    wire: str
    claims: Callable[[RecordedRequest], bool]
    read: Callable[[Any], list[Message]]
    request: Callable[[RecordedRequest], Request]
    check: Callable[[Reply], object]
    answer: Callable[[RecordedRequest, Desk], Answer]
    error: Callable[[APIError], Answer]
    error_event: Callable[[APIError], bytes]
    ping: bytes
    id_header: str | None = "request-id"
    limit_headers: Callable[[Standing], Mapping[str, str]] = lambda _: {}
    resume: Callable[[Any, Mapping[str, Any]], Any] = lambda *_: None

    def of(self, request: RecordedRequest, kept: Mapping[str, Any]) -> RecordedRequest:
        """`request`, which can be read then."""
        resumed = self.resume(request.json, kept)
        return evolve(request, wire=self.wire, resumed=resumed)
