"""The stages joined: a call goes out, and comes back as JSON, as an open answer, or as a typed error.

One engine serves all calls of a client and of its `with_options` copies.
"""

import platform
from collections.abc import Callable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from attrs import evolve

import llmkit
from llmkit import taps
from llmkit.addresses import endpoint, with_query
from llmkit.authorization import Authorization
from llmkit.checks import HeaderFields
from llmkit.credentials import Key
from llmkit.deadlines import Deadlines
from llmkit.errors import (
    BODY_SHOWN,
    APIError,
    AuthenticationError,
    ConnectionFailedError,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
)
from llmkit.json_codec import cut_short, load_bytes
from llmkit.provider import Provider
from llmkit.provider_errors import event_failure, one_line, redirect_failure, status_failure
from llmkit.retry import Attempts, Quota, Told
from llmkit.secrets import of_headers, of_query, without
from llmkit.transport import Answer, Outgoing, Transport
from llmkit.transport.exchange import Exchange
from llmkit.wire import wire as find_wire
from llmkit.wire.signals import CutOff, ErrorEvent

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from llmkit.limits import RateLimit
    from llmkit.observing.records import Observer
    from llmkit.response import Response, Tariff
    from llmkit.switch import Switch
    from llmkit.wire.base import Call, Decoded, Wire

T = TypeVar("T")
# The headers in which providers, and the gateways before them, tell the id of an exchange; the first one wins.
_REQUEST_IDS = (
    "request-id",
    "x-request-id",
    "apim-request-id",
    "x-ms-request-id",
    "mistral-correlation-id",
    "nvcf-reqid",
)
_KIND_SHOWN = 80  # characters of a content type in an error's first line
USER_AGENT = f"llmkit/{llmkit.__version__} python/{platform.python_version()}"


class Engine:
    """What the calls of a client share.

    Attributes:
        row: The host.
        address: The base URL, with its suffix; it may hold ``{model}``.
        query: Added to every address.
        key: The API key.
        auth: Proves who asks in place of a key; called with the prepared request.
        transport: The connections.
        limit: How much the host may be asked; None for no limit.
        quota: Of retries.
        pools: By process: the threads of `Client.submit`, where it was used.
        observers: Who watches its calls, in place of those who watch all clients'.
    """

    def __init__(
        self,
        row: Provider,
        address: str,
        query: Mapping[str, str],
        key: Key,
        auth: Any,
        transport: Transport,
        limit: "RateLimit | None" = None,
    ) -> None:
        self.row = row
        self.address = address
        self.query = query
        self.key = key
        self.auth = auth
        self.transport = transport
        self.limit = limit
        self.quota = Quota()
        self.pools: dict[int, ThreadPoolExecutor] = {}
        self.observers: list[Observer] = []

    @property
    def wire(self) -> "Wire":
        """The format that the host speaks; imported when it is first asked for, as are the words that it reads."""
        return find_wire(self.row.wire)

    def limited(self, limit: "RateLimit | None") -> "Engine":
        """This engine, all of it shared, with another limit."""
        found = copy(self)
        found.limit = limit
        return found

    def attempts(
        self, deadlines: Deadlines, max_retries: int, switch: "Switch | None" = None, **options: Any
    ) -> Attempts:
        """The tries of one call."""
        if switch is not None:
            options["sleep"] = switch.sleep
        return Attempts(max_retries, self.quota, deadlines, **options)

    def fetch(
        self,
        call: "Call",
        headers: Mapping[str, str],
        deadlines: Deadlines,
        max_retries: int,
        decode: Callable[[Any], T],
        switch: "Switch | None" = None,
        told: Told | None = None,
    ) -> "Fetched[T]":
        """Send `call` until it is answered; what `decode` makes of the JSON in its body. `switch` ends it.

        Retries are `told`.

        Raises:
            LLMKitError: Whatever came between; with `attempts`.
        """
        attempts = self.attempts(deadlines, max_retries, switch, told=told)

        def once() -> tuple[T, Answer]:
            answer = self.open(call, headers, deadlines, stream=False, begun=Sends(attempts, switch))
            try:
                value = self.parse(answer, decode, job=call.job)
                answer.prove()
                if answer.lease is not None:
                    answer.lease.settle(getattr(value, "usage", None))
                return value, answer
            except CutOff as cut:
                failed: LLMKitError = self.cut_off(cut, answer)
            except ErrorEvent as event:
                failed = self.event_failure(event.body, answer.headers)
            except LLMKitError as error:
                failed = error
            raise identified(failed, answer) from failed.__cause__

        value, answer = attempts.run(once)
        return Fetched(value, answer, attempts.made)

    def open(
        self,
        call: "Call",
        headers: Mapping[str, str],
        deadlines: Deadlines,
        *,
        stream: bool,
        begun: Callable[[Exchange], None],
    ) -> Answer:
        """Send `call` once; the answer, whose headers are there and say that it is one.

        Args:
            call: What to send.
            headers: The caller's own.
            deadlines: Of the whole call.
            stream: Whether it is wanted as it arrives.
            begun: Told of the exchange before anything is sent, so that it can be aborted from then on.

        Raises:
            APIError: The status is not 2xx.
            ConnectionFailedError: No answer came.
        """
        authorization = Authorization(self.key, self.auth, self.row.auth)
        outgoing = self._outgoing(call, headers, authorization, stream=stream)
        if not taps.keyless:
            authorization.prepare(outgoing.headers, deadlines)
        answer = self._send(outgoing, call, Exchange(deadlines), begun)
        if not answer.good:
            self._change_key(authorization, answer, deadlines)
            answer = self._send(outgoing, call, Exchange(deadlines, refused=answer.status), begun)
            if not answer.good:
                raise authorization.heard(self._refusal(answer))
        answer.proof = authorization.proof
        return answer

    def _change_key(self, authorization: Authorization, answer: Answer, deadlines: Deadlines) -> None:
        """Get another key than the one that `answer` refuses, and drop that.

        Raises:
            APIError: It is refused for something else, or there is no other key.
        """
        error = None if answer.status == 401 else self._refusal(answer)  # noqa: PLR2004
        if error is not None and not isinstance(error, AuthenticationError):  # which some hosts tell with a 400
            raise error
        if not authorization.refreshed(answer, deadlines):
            raise self._refusal(answer) if error is None else error
        answer.close()

    def parse(self, answer: Answer, decode: Callable[[Any], T], *, job: bool = False) -> T:
        """What `decode` makes of the JSON of a whole body; `job` as in `Call`.

        Raises:
            ErrorEvent: It is an error although the status was 2xx.
            ConnectionFailedError: It was cut off.
            InvalidResponseError: It is no JSON, or `decode` cannot read it; with its beginning.
        """
        kind = answer.headers.get("content-type", "").lower()
        if "html" in kind:
            raise wrong_kind("JSON", kind, answer)
        return self.read(answer.whole(), decode, job=job)

    def read(self, data: bytes, decode: Callable[[Any], T], *, job: bool = False) -> T:
        """As `parse`, of a body that was read already."""
        if not data.strip():
            raise InvalidResponseError("the answer's body is empty", path="$")
        try:
            value = load_bytes(data)
        except InvalidResponseError as error:
            failed = error
        else:
            if isinstance(value, dict) and value.get("error") and not job:
                raise ErrorEvent(value)
            try:
                return decode(value)
            except InvalidResponseError as error:  # decoders know only a value in it
                error.body = data[: 4 * BODY_SHOWN].decode("utf-8", "replace")[:BODY_SHOWN]
                raise
        if cut_short(data):
            raise ConnectionFailedError(f"the answer was cut off after {len(data):,} bytes: try again")
        raise failed

    def event_failure(self, body: Any, headers: Mapping[str, str]) -> APIError:
        """The error that `body` tells of, of an answer that began well."""
        return self._advised(event_failure(self.wire, body, headers))

    def cut_off(self, cut: CutOff, answer: Answer, tariff: "Tariff | None" = None) -> IncompleteStreamError:
        """The error for chunks in a whole body that end too early, with what they tell."""
        from llmkit.response import UNFINISHED  # noqa: PLC0415 - a client is made without the words

        decoded = evolve(cut.decoded, finish_reason=UNFINISHED)
        return IncompleteStreamError(*cut.args, partial=self.respond(decoded, answer, 1, tariff))

    def respond(
        self, decoded: "Decoded", answer: Answer, attempts: int, tariff: "Tariff | None" = None
    ) -> "Response[Any]":
        """The caller's view of an answer, which costs what `tariff` says."""
        from llmkit.response import Response  # noqa: PLC0415 - likewise

        return Response(
            id=decoded.id,
            model=decoded.model,
            provider=self.row.name,
            message=decoded.message,
            finish_reason=decoded.finish_reason,
            usage=decoded.usage,
            logprobs=decoded.logprobs,
            cost=tariff,
            headers=answer.headers,
            request_id=request_id(answer.headers) or (decoded.id if self.wire.id_of_exchange else None) or None,
            attempts=attempts,
            raw=decoded.raw,
        )

    def merged(self, headers: Mapping[str, str], more: Mapping[str, str]) -> HeaderFields:
        """Both, their names in lower case; `more` wins, but for headers that are lists, which add up."""
        listed = self.wire.list_headers & headers.keys() & more.keys()
        return HeaderFields({**headers, **more, **{name: _joined(headers[name], more[name]) for name in listed}})

    def _send(self, outgoing: Outgoing, call: "Call", exchange: Exchange, begun: Callable[[Exchange], None]) -> Answer:
        begun(exchange)
        if self.limit is None or taps.answered:
            return self.transport.send(outgoing, exchange)
        lease = self.limit.admit(exchange, call)
        try:
            answer = self.transport.send(outgoing, exchange)
        except BaseException:
            lease.end()
            raise
        answer.lease = lease
        lease.heard(answer.headers)
        return answer

    def _refusal(self, answer: Answer) -> APIError:
        if 300 <= answer.status <= 399:  # noqa: PLR2004
            error = redirect_failure(answer.status, answer.location, answer.headers, answer.beginning())
        else:
            error = status_failure(self.wire, answer.status, answer.headers, answer.beginning())
        return self._advised(identified(error, answer))

    def _advised(self, error: APIError) -> APIError:
        """`error`, which says where a refused key came from."""
        if isinstance(error, AuthenticationError) and self.key.looked_up:
            error.args = (f"{error.args[0]}; it came from {self.key.name}", *error.args[1:])
        return error

    def _outgoing(
        self, call: "Call", headers: Mapping[str, str], authorization: Authorization, *, stream: bool
    ) -> Outgoing:
        found: Mapping[str, str] = {
            "user-agent": USER_AGENT,
            "accept": "text/event-stream" if stream else "application/json",
            **self.wire.headers,
            **self.row.headers,
            **({} if call.body is None else {"content-type": "application/json"}),
        }
        for more in (call.headers, headers):
            found = self.merged(found, more)
        return Outgoing(
            method=call.method,
            url=with_query(endpoint(self.address, call.path, call.model), {**self.query, **call.query}),
            headers=found,
            body=call.body,
            authorize=authorization,
            stream=stream,
        )


class Sends:
    """Told of each sending of one try: those after the first, with another key, are counted, too."""

    def __init__(self, attempts: Attempts, switch: "Switch | None" = None) -> None:
        self._attempts = attempts
        self._switch = switch
        self._begun = False

    def __call__(self, exchange: Exchange) -> None:
        """It is about to be sent."""
        if self._switch is not None:
            self._switch.attach(exchange)
        if self._begun:
            self._attempts.repeated(f"the key was refused with {exchange.refused}, and there was another")
        self._begun = True


class Fetched(NamedTuple, Generic[T]):
    """What a body was decoded to, and the answer that it came in."""

    value: T
    answer: Answer
    attempts: int


def wrong_kind(expected: str, kind: str, answer: Answer) -> InvalidResponseError:
    """The error for an answer that is a page, mostly of a proxy or a portal."""
    start = answer.beginning(BODY_SHOWN).decode("utf-8", "replace")
    return InvalidResponseError(
        f"expected {expected}, got {one_line(kind, _KIND_SHOWN)}: is base_url that of the API?", path="$", body=start
    )


E = TypeVar("E", bound=LLMKitError)


def identified(error: E, answer: Answer) -> E:
    """`error` with the id of the exchange: the header's, which is the provider's own, else the one in the body.

    Whoever waits for the same host learns of a refusal.
    """
    if answer.lease is not None:
        answer.lease.failed(error)
    if (found := request_id(answer.headers)) is not None:
        error.request_id = found
    return error


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's id of the exchange."""
    return next((found for name in _REQUEST_IDS if (found := headers.get(name))), None)


def _joined(one: str, other: str) -> str:
    """Two comma-separated lists as one, without repeating an item."""
    items = [item.strip() for item in f"{one},{other}".split(",")]
    return ",".join(dict.fromkeys(item for item in items if item))


def secrets_of(engine: Engine, headers: Mapping[str, str], query: Mapping[str, str]) -> list[str]:
    """What nobody may be shown of a call with these headers and this query of the caller's."""
    own = [*of_headers({**engine.row.headers, **headers}), *of_query({**engine.query, **query})]
    return [*engine.key.secrets, *engine.transport.secrets, *own]


def for_caller(
    error: LLMKitError, engine: Engine, model: str | None, headers: Mapping[str, str], query: Mapping[str, str]
) -> LLMKitError:
    """`error`, which says who was asked and holds no key, in case the server repeats it; returned for ``raise``."""
    secrets = secrets_of(engine, headers, query)
    error.args = without(error.args, secrets)
    for name, value in error.__dict__.items():
        error.__dict__[name] = without(value, secrets)
    if error.partial is not None and error.attempts:
        error.partial = evolve(error.partial, attempts=error.attempts)
    # The frames below hold what the server sent; to the caller, the error begins at the door.
    return error.with_details(provider=engine.row.name, model=model).with_traceback(None)
