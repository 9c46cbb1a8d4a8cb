"""`FakeServer`: what it was told to answer, what it was asked."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from attrs import evolve

from llmkit.checks import integer, wrong
from llmkit.errors import APIError, ConfigurationError, RateLimitError, ServerError
from llmkit.provider import Provider
from llmkit.response import FinishReason, Model, Usage
from llmkit.testing import control
from llmkit.testing.batches import Shelf
from llmkit.testing.exchange import Answer, Desk, RecordedRequest, Rendering, Told
from llmkit.testing.faults import FAULTS, TABLE, Failing
from llmkit.testing.limits import Limits, Metered, tokens_of
from llmkit.testing.loopback import Loopback, Pace
from llmkit.testing.models import MODELS
from llmkit.testing.replies import Chunking, Reply, by_words, reply_of
from llmkit.testing.variables import variables_of
from llmkit.testing.vectors import vector
from llmkit.testing.wires import check, rendering_of

if TYPE_CHECKING:
    from llmkit.client import Client


class FakeServer:
    """A provider on loopback: real HTTP, scripted answers; for llmkit's own client and for the vendors'.

    With nothing scripted it answers with the last text that the user said. A request that the real host would refuse
    for a missing key or version header, a missing or mistyped field, or a tool call without its result, is refused
    here.

    It listens between `start` and `close`, or inside ``with``. All of it may be used by many threads at once. Programs
    in other languages script it by HTTP, see docs/testing.md.

    Args:
        port: On which it listens; 0 for a free one with every `start`.

    Attributes:
        requests: What was asked so far, oldest first, refused requests included.
        abandoned: Those of them whose client had gone before all of the answer was sent, by when that was noticed: when
            what was written next could not be sent any more.
        models: What the list of models has.
        token_count: The answer to every count of tokens, and the input of answers without a `usage`; None for a rough
            count, which is a token for every four characters of the words in the request, media not counted.
        chunking: Cuts text, thoughts and arguments into what the single events of a stream carry.
        latency: Seconds before an answer begins.
        delay: Seconds between the events of a stream.
        pieces: Bytes of a write, to cut answers anywhere; None for one write an event.
        refused: How many requests were refused by `limit`.
        batch_looks: How often a batch is looked at before it has ended. Its requests are answered as if they came by
            themselves, some with each look; one whose reply is an `APIError` of the code ``expired`` or ``cancelled``
            ends so.

    Example:
        ::

            with FakeServer() as server:
                server.reply("Hello!")
                assert server.client("anthropic").complete("Hi").text == "Hello!"
                assert server.requests[0].messages == [UserMessage("Hi")]
    """

    def __init__(self, *, port: int = 0) -> None:
        self._port: int = integer(0, 65_535)("port", port)
        self._lock = threading.RLock()
        self._clients: list[Client] = []
        self._loopback: Loopback | None = None
        self.reset()

    def reset(self) -> None:
        """Forget what it was told and asked, and give up the answers that other threads wait for; it listens on.

        It is as it was when it was made, all attributes included: for a server that many tests share.
        """
        if self._loopback is not None:
            self._loopback.drop()
        self.requests: list[RecordedRequest] = []
        self.abandoned: list[RecordedRequest] = []
        self.models: list[Model] = list(MODELS)
        self.token_count: int | None = None
        self.chunking: Chunking = by_words
        self.latency: float = 0.0
        self.delay: float = 0.0
        self.pieces: int | None = None
        self.refused: int = 0
        self._limits: Limits | None = None
        self.batch_looks: int = 1
        self.batches = Shelf()
        self.kept: dict[str, Any] = {}
        self._replies: deque[Reply] = deque()
        self._faults: deque[tuple[str, int | None]] = deque()
        self._function: Callable[[RecordedRequest], Any] | None = None
        self._answers = 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<FakeServer {'closed' if self._loopback is None else self._loopback.url}>"

    @property
    def url(self) -> str:
        """Its root, as in ``http://127.0.0.1:49152``: what `base_url` of any client may be, without a version suffix.

        Raises:
            ConfigurationError: It is not started, or closed.
        """
        if self._loopback is None:
            raise ConfigurationError("FakeServer: it is not running; use it in `with`, or call start()")
        return self._loopback.url

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that lead the vendors' own SDKs here, in any language, and give them a key.

        Raises:
            ConfigurationError: It is not running.
        """
        return variables_of(self.url)

    @property
    def connections(self) -> int:
        """How many it has accepted since its start: fewer than requests where clients use theirs again."""
        return 0 if self._loopback is None else self._loopback.accepted

    @property
    def scripted(self) -> int:
        """How many queued replies and faults no call has asked for yet."""
        with self._lock:
            return len(self._replies) + len(self._faults)

    def start(self) -> Self:
        """Listen; nothing where it does already. Returns itself.

        Raises:
            ConfigurationError: The port is taken, or not for everybody.
        """
        if self._loopback is None:
            try:
                self._loopback = Loopback(self._respond, self._pace, port=self._port)
            except OSError as exc:
                raise ConfigurationError(f"port: {self._port} cannot be had: {exc.strerror}") from exc
        return self

    def everywhere(self) -> AbstractContextManager[Self]:
        """While in it, all calls of llmkit's clients come here, whatever their provider; for code that makes its own.

        No key is needed, and none is sent; addresses, proxies and sessions of the clients do not matter. It is for all
        of this process, threads included.

        Raises:
            ConfigurationError: It is not running.

        Example:
            ::

                with FakeServer() as server, server.everywhere():
                    Client("groq").complete("Hi")
        """
        from llmkit.testing.everywhere import diverted  # noqa: PLC0415 - with the network

        return diverted(self, self.url)

    def close(self) -> None:
        """Drop every connection, also in the middle of an answer, close the clients of `client`, end all threads."""
        loopback, self._loopback = self._loopback, None
        if loopback is not None:
            loopback.close()
        while self._clients:
            self._clients.pop().close()

    def client(self, provider: str | Provider, **kwargs: Any) -> "Client":
        """A client of this server, which is closed with it.

        Args:
            provider: As `llmkit.Client` takes it; its wire must be one that this server speaks.
            **kwargs: As `llmkit.Client` takes them; `api_key` is ``test-key`` unless it or a `profile` is given.

        Raises:
            ConfigurationError: The server is not running, or an argument is wrong.
        """
        from llmkit.client import Client  # noqa: PLC0415 - with the network; the server itself needs it not

        key = {} if "profile" in kwargs else {"api_key": "test-key"}
        client = Client(provider, **{"base_url": self.url, **key, **kwargs})
        if "proxy" not in kwargs and "session" not in kwargs:
            client._connect_directly()  # noqa: SLF001 - a proxy of the environment does not reach this machine's loopback
        self._clients.append(client)
        return client

    def reply(
        self,
        content: Any,
        *,
        usage: Usage | None = None,
        finish_reason: FinishReason | str | None = None,
        latency: float | None = None,
        delay: float | None = None,
    ) -> None:
        """Queue one answer, for the next call that no earlier one is queued for; whole or streamed as it is asked for.

        Args:
            content: Text, a part, a sequence of both; an `APIError`, which is sent with its `status`, `code`,
                `headers` and `retry_after`; or a `Reply`.
            usage: What is billed; None for a rough count.
            finish_reason: Why it ends, as a `FinishReason` or its word. None: ``tool_calls`` with a `ToolCall` in it,
                ``refusal`` with a `Refusal`, else ``stop``.
            latency: Seconds before it begins; None for `FakeServer.latency`.
            delay: Seconds between the events of a stream; None for `FakeServer.delay`.

        Raises:
            ConfigurationError: No wire can answer so; the message begins with the path of what is wrong.

        Example:
            ``server.reply([Thinking("Hm.", "signature"), ToolCall("call_1", "weather", {"city": "Oslo"})])``
        """
        self._replies.append(check(reply_of(content, usage, finish_reason, latency=latency, delay=delay)))

    def reply_with(self, function: Callable[[RecordedRequest], Any] | None) -> None:
        """Ask `function` for the answer to every call that none is queued for.

        Args:
            function: Takes the request, returns anything that `reply` takes, or None for an echo. Called by many
                threads at once. What it raises is sent as a status 500 that is not tried again, unless it is an
                `APIError`, which is sent. Pass None instead of a function to echo again.
        """
        if function is not None and not callable(function):
            raise wrong("function", "a function of the request", function)
        self._function = function

    def fault(self, name: str, *, after: int | None = None) -> None:
        """Let the next call fail; several are used one a call, in their order.

        A queued reply is not used up by it: a call that fails in its middle fails in the middle of that reply, and the
        next one gets it whole.

        Args:
            name: A key of `FAULTS`, which says what happens.
            after: Events of a stream that are sent before; None for half of them.

        Raises:
            ConfigurationError: There is no such fault; the message lists all.
        """
        if name not in TABLE:
            raise ConfigurationError(f"name: there is no fault {name!r}; there are {', '.join(FAULTS)}")
        if after is not None and (not isinstance(after, int) or after < 0):
            raise wrong("after", "a number of events", after)
        self._faults.append((name, after))

    def script(self, script: Mapping[str, Any]) -> None:
        """Tell it all that `script` says, which is JSON, as from a file; nothing where something in it is wrong.

        Args:
            script: May have ``replies``, ``faults``, ``limit``, and this class's attributes ``models``, ``latency``,
                ``delay``, ``pieces``, ``chunking`` (words, characters or whole), ``token_count`` and ``batch_looks``.

        Raises:
            ConfigurationError: Something in it is; the message begins with its path.

        Example:
            ``server.script({"replies": ["Hello!", {"error": {"status": 529}}], "latency": 0.5})``
        """
        from llmkit.testing.scripts import play  # noqa: PLC0415 - only where one is played

        play(self, script)

    def limit(
        self,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        concurrent: int | None = None,
        window: float = 60.0,
    ) -> None:
        """Refuse what is too much with a 429, and tell of it in the headers of every answer, from now on.

        Args:
            requests_per_minute: Of any kind; None for any number.
            tokens_per_minute: Those of the prompt have to fit; those of the answer are added when it is made. All are
                counted roughly, unless the reply has its `usage`.
            concurrent: Requests that are being answered.
            window: Seconds in which a part of a minute's requests and tokens may come, however they are spread: with 2
                seconds and 600 requests a minute never more than 20 within 2 seconds.

        Raises:
            ConfigurationError: A number is not above 0.
        """
        numbers = (requests_per_minute, tokens_per_minute, concurrent)
        self._limits = None if numbers == (None, None, None) else Limits(*numbers, window)

    # ---- what the wires ask for --------------------------------------------------------------------------------------

    def number(self) -> int:
        """Counts the answers, from 1."""
        with self._lock:
            self._answers += 1
            return self._answers

    def vectors(self, texts: Sequence[str], dimensions: int | None) -> list[list[float]]:
        """Made-up embeddings, one a text; each depends on its text alone."""
        return [vector(text, dimensions) for text in texts]

    def next_reply(self, request: RecordedRequest, echo: str) -> Reply:
        """What to answer to `request`; `echo` where nothing was scripted.

        Raises:
            APIError: The function of `reply_with` raised it, or failed.
        """
        with self._lock:
            if self._replies:
                return self._replies.popleft()
            function = self._function
        if function is None:
            return Reply(echo or ())
        try:
            content = function(request)
            return Reply(echo or ()) if content is None else check(reply_of(content))
        except APIError:
            raise
        except Exception as exc:  # whatever the caller's function raises, its test must see it
            text = f"the function of reply_with failed: {type(exc).__name__}: {exc}"
            raise ServerError(text, headers={"x-should-retry": "false"}) from exc

    def row(self, request: RecordedRequest) -> Answer:
        """What is answered to one request of a batch."""
        rendering = rendering_of(request)
        return rendering.answer(rendering.of(request, self.kept), self)

    def _pace(self) -> Pace:
        return Pace(self.latency, self.delay, self.pieces)

    def _respond(self, request: RecordedRequest) -> Answer:
        if control.claims(request):
            return control.answer(self, request)
        rendering = rendering_of(request)
        request = rendering.of(request, self.kept)
        with self._lock:
            self.requests.append(request)
            number = len(self.requests)
        limits = self._limits
        answer = self._answer(request, rendering, self) if limits is None else self._let_in(request, rendering, limits)
        abandoned = self.abandoned  # of now: after a reset it is another one
        answer = evolve(answer, abandoned=lambda: abandoned.append(request))
        if rendering.id_header is None:
            return answer
        return evolve(answer, headers={rendering.id_header: f"req_fake_{number:04}", **answer.headers})

    def _let_in(self, request: RecordedRequest, rendering: Rendering, limits: Limits) -> Answer:
        """The answer where it is not too much, else a refusal."""
        tokens = tokens_of(request, self)
        try:
            visit = limits.enter(tokens)
        except RateLimitError as refusal:
            with self._lock:
                self.refused += 1
            answer = rendering.error(refusal)
        else:
            desk = Metered(self, tokens)
            try:
                answer = evolve(self._answer(request, rendering, cast("Desk", desk)), leaving=visit.leave)
            except BaseException:
                visit.leave()
                raise
            visit.bill(desk.tokens)
        for standing in limits.standings():
            answer = evolve(answer, headers={**rendering.limit_headers(standing), **answer.headers})
        return answer

    def _answer(self, request: RecordedRequest, rendering: Rendering, desk: Desk) -> Answer:
        with self._lock:
            name, after = self._faults.popleft() if self._faults else (None, None)
        told = Told(desk, desk.next_reply if name is None else self._coming_reply)

        def make() -> Answer:
            return rendering.answer(request, cast("Desk", told))

        answer = make() if name is None else TABLE[name][1](Failing(make, rendering, after))
        return answer if told.reply is None else evolve(answer, latency=told.reply.latency, delay=told.reply.delay)

    def _coming_reply(self, request: RecordedRequest, echo: str) -> Reply:
        """For an answer that will fail: what is queued stays queued."""
        with self._lock:
            if self._replies:
                return self._replies[0]
        return self.next_reply(request, echo)
