"""The door: a client for one host.

A client is made without the words that calls are made of: they are imported by the first call.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

# First, so that requests is imported from here and not from ten imports further in: CPython takes the frames of calls
# from chunks of 16 KiB, and where a loop stands at the end of one, each call in it maps and unmaps memory. In requests'
# own imports that was 40 ms of system time.
import llmkit.transport  # noqa: F401
from llmkit.addresses import guarded
from llmkit.checks import (
    choice,
    header_fields,
    hidden_text,
    integer,
    model_name,
    raised,
    strings,
    time_limit,
    tried,
    wrong,
)
from llmkit.credentials import kept
from llmkit.deadlines import Deadlines, Timeout
from llmkit.errors import ConfigurationError, InsecureWarning, LLMKitError
from llmkit.many import Many
from llmkit.provider import Provider
from llmkit.settings import INSECURE, Settings, aliases_of, limit_of, named_profile, prices_of, verify_of
from llmkit.transport import SupportsRequest

if TYPE_CHECKING:  # what calls are made of is imported by the first one
    from typing_extensions import TypeForm

    from llmkit.chat import Chat, History
    from llmkit.limits import RateLimit
    from llmkit.messages import ToolCall, ToolResult
    from llmkit.prices import Price
    from llmkit.request import EndpointOptions, Options, Prompt, Request
    from llmkit.response import Embeddings, Model, Response
    from llmkit.stream import Stream
    from llmkit.turns import Approve
    from llmkit.wire.base import ModelPage

T = TypeVar("T")
Out = TypeVar("Out")


class Client(Many):
    """Talks to one host. Blocks, always; for many threads at once; survives `fork`; a context manager.

    A pickle of it holds an `api_key` that was passed, never one that was looked up, and no open connections.

    Args:
        provider: The name of one of `llmkit.providers()`, ``name:model``, or a `Provider`.
        model: For calls that name none.
        api_key: The key, or a function that returns it, which is asked again when the host refuses the key.
            Else the row's environment variable, else the key that is stored (see `llmkit.keys`); both are sent to the
            row's own host or to loopback only.
        base_url: Another address of the host, with or without the version suffix.
        variables: What the row's address needs.
        timeout: Seconds; a float bounds how long the caller is blocked at a time, a `Timeout` has limits of several
            kinds, None is no limit.
        max_retries: How often a request that another try may mend is sent again.
        headers: Sent with every request; they win over llmkit's own.
        proxy: Its URL; overrides the environment's.
        verify: False to trust every server, with an `InsecureWarning`; or a CA bundle's path.
        auth: Proves who asks in place of a key: called with the prepared request.
        session: The caller's own, with the interface of `requests.Session`; where it proves who asks by itself, as
            google-auth's do, no key is looked for.
        rate_limit: How much the host may be asked, by all threads together.
        unsupported: ``error``: what the wire cannot express is an `UnsupportedOptionError`;
            ``warn``: it is left out with an `UnsupportedWarning`.
        prices: What models cost, by their names, for `Response.cost`; else what genai-prices knows.
        aliases: Other names of models → the provider's own, wherever one is named; they win over the row's.
        profile: Of the stored keys. The key is taken from it alone then, and not from the environment. None: where
            the environment has no key, the profile that `LLMKIT_PROFILE` names, else ``default``.

    Raises:
        UnknownProviderError: No provider has that name.
        MissingAuthError: There is no key.
        ConfigurationError: Another argument is wrong; the message begins with its name.
    """

    def __init__(  # noqa: PLR0913 - the contract
        self,
        provider: str | Provider,
        *,
        model: str | None = None,
        api_key: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        variables: Mapping[str, str] | None = None,
        timeout: float | Timeout | None = Timeout(),  # noqa: B008 - frozen
        max_retries: int = 2,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        verify: bool | str = True,
        auth: Any = None,
        session: SupportsRequest | None = None,
        rate_limit: RateLimit | None = None,
        unsupported: Literal["error", "warn"] = "error",
        prices: Mapping[str, Price] | None = None,
        aliases: Mapping[str, str] | None = None,
        profile: str | None = None,
    ) -> None:
        key, fields = kept(api_key, passed=api_key is not None), tried(header_fields, "headers", headers or {})
        through, address = tried(hidden_text, "proxy", proxy), guarded(base_url)
        del api_key, headers, proxy, base_url  # no frame of an error shows what they hold
        key, fields, through = raised(key), raised(fields), raised(through)
        settings = Settings(
            provider=provider,
            model=model,
            base_url=address,
            variables=strings("variables", variables or {}),
            timeout=time_limit("timeout", timeout),
            max_retries=integer(0, 1000)("max_retries", max_retries),
            headers=fields,
            proxy=through,
            verify=verify_of(verify),
            auth=auth,
            session=session,
            unsupported=choice("error", "warn")("unsupported", unsupported),
            options={},
            rate_limit=None if rate_limit is None else limit_of(rate_limit),
            prices=prices_of(prices),
            aliases=aliases_of(aliases),
            profile=named_profile(profile),
        )
        if session is not None and (through is not None or verify is not True):
            raise ConfigurationError("session: proxy and verify are the session's own business; set them there")
        if session is not None and not callable(getattr(session, "request", None)):
            raise wrong("session", "an object with the `request` of requests.Session", session)
        if auth is not None and not callable(auth):
            raise wrong("auth", "a function of the prepared request, as requests.auth has them", auth)
        self._set_up(settings, key)
        if verify is False:
            warnings.warn(INSECURE, InsecureWarning, stacklevel=2)

    @staticmethod
    def fallback(
        members: Iterable[Client | Provider | str], *, on_fallback: Callable[[LLMKitError], object] | None = None
    ) -> Client:
        """A client that asks the next of `members` where one fails with what another try may mend.

        That is an error that is `retryable`, after the member's own retries, and before a stream's first event was
        handed out. Who answered is the response's `provider` and `model`.

        Args:
            members: Clients, or what `Client` takes as `provider`; the first is asked first, in each call.
            on_fallback: Told of each error after which the next is asked; its `provider` and `model` say who failed.

        Raises:
            ConfigurationError: They are none.
            LLMKitError: As `Client`, of one that is made here.
        """
        from llmkit.fallback import Fallback  # noqa: PLC0415 - only for who has several

        return Fallback(members, on_fallback)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the free connections; a later call opens new ones. Of a `with_options` copy: nothing."""
        if self._owner:
            self._engine.transport.close()

    @overload
    def complete(self, prompt: Prompt, *, output_type: type[Out], **options: Unpack[Options]) -> Response[Out]: ...
    @overload
    def complete(self, prompt: Prompt, *, output_type: TypeForm[Out], **options: Unpack[Options]) -> Response[Out]: ...
    @overload
    def complete(self, prompt: Prompt, *, output_type: object, **options: Unpack[Options]) -> Response[Any]: ...
    @overload
    def complete(self, prompt: Request, **options: Unpack[Options]) -> Response[Any]: ...
    @overload
    def complete(self, prompt: Prompt, **options: Unpack[Options]) -> Response[None]: ...
    def complete(self, prompt: Prompt, *, output_type: object = None, **options: Unpack[Options]) -> Response[Any]:
        """Ask, and wait for the whole answer.

        Args:
            prompt: Text, a message, a sequence of messages, or a `Request`.
            output_type: What `Response.output` is to be: a class of attrs, a dataclass, `TypedDict`, `NamedTuple`,
                or any type made of such, of scalars, lists, unions, …. Or a JSON Schema as a dict: what fits it is the
                output, as `json.loads` gives it.
            **options: As `Options` names them.

        Raises:
            ConfigurationError: Before anything is sent: an argument is wrong.
            APIError: The provider said no.
            ConnectionFailedError: Nothing usable came back.
            IncompleteStreamError: A long answer, which is streamed internally, was cut off.
            InvalidResponseError: What came is no answer.
            OutputError: The answer does not fit `output_type`, was cut, refused or filtered.
        """
        return self._asking(prompt, output_type, options).complete()

    @overload
    def stream(self, prompt: Prompt, *, output_type: type[Out], **options: Unpack[Options]) -> Stream[Out]: ...
    @overload
    def stream(self, prompt: Prompt, *, output_type: TypeForm[Out], **options: Unpack[Options]) -> Stream[Out]: ...
    @overload
    def stream(self, prompt: Prompt, *, output_type: object, **options: Unpack[Options]) -> Stream[Any]: ...
    @overload
    def stream(self, prompt: Request, **options: Unpack[Options]) -> Stream[Any]: ...
    @overload
    def stream(self, prompt: Prompt, **options: Unpack[Options]) -> Stream[None]: ...
    def stream(self, prompt: Prompt, *, output_type: object = None, **options: Unpack[Options]) -> Stream[Any]:
        """Ask, and return when the provider has accepted; the answer is read from the stream as it arrives.

        Args:
            prompt: As `complete` takes it.
            output_type: As `complete` takes it.
            **options: As `Options` names them.

        Raises:
            ConfigurationError: Before anything is sent: an argument is wrong.
            APIError: The provider said no.
            ConnectionFailedError: Nothing usable came back.
        """
        return self._asking(prompt, output_type, options).stream()

    def chat(
        self,
        *,
        history: History = (),
        max_rounds: int = 10,
        approve: Approve | None = None,
        on_tool_call: Callable[[ToolCall], object] | None = None,
        on_tool_result: Callable[[ToolResult], object] | None = None,
        **options: Unpack[Options],
    ) -> Chat:
        """A conversation that keeps its history and runs the tools that the model calls.

        Args:
            history: What was said before: messages, or the path of a file of `Chat.save`.
            max_rounds: How many model calls one `Chat.send` may make.
            approve: Asked before a tool is run: True runs it, False or a text, which is told to the model, refuses it,
                `Deferred` leaves it to be answered later.
            on_tool_call: Told of each call that the model makes.
            on_tool_result: Told of each result that it is given.
            **options: Of each call, as `Options` names them.

        Raises:
            ConfigurationError: An argument is wrong, or the file cannot be read.
        """
        from llmkit.chat import Chat  # noqa: PLC0415
        from llmkit.request import taken  # noqa: PLC0415
        from llmkit.turns import Hooks  # noqa: PLC0415

        found = raised(taken(options))
        hooks = Hooks(approve, on_tool_call, on_tool_result)
        bare, defaults = self._parted()  # the chat has the defaults, and says for each call what holds
        return Chat(bare, history, max_rounds, hooks, {**defaults, **found})

    def count_tokens(self, prompt: Prompt, **options: Unpack[Options]) -> int:
        """How many tokens the provider counts in the prompt, with its instructions and tools.

        Raises:
            ConfigurationError: An argument is wrong, or the wire cannot count.
            LLMKitError: As `complete`.
        """
        from llmkit.asking import addressed  # noqa: PLC0415
        from llmkit.observing import watch  # noqa: PLC0415
        from llmkit.refusals import expressible  # noqa: PLC0415

        wire = self._engine.wire
        if wire.encode_count is None or wire.decode_count is None:
            raise ConfigurationError(f"count_tokens: the wire {wire.name} cannot count")
        request = expressible(self._resolve(prompt, options), self._engine.row, wire, self._quirks, self._refuse)
        call = addressed(wire.encode_count(request, self._quirks, self._refuse), self._engine, request.model)
        headers, deadlines = self._headers(request), Deadlines(request.timeout)
        with watch(self._engine, "count_tokens", request.model, headers, request.extra_query, request) as watched:
            try:
                found = self._fetch(call, headers, deadlines, wire.decode_count, watched).value
            except LLMKitError as error:
                self._raise(error, request.model, headers, request.extra_query)
            watched.answered(found)
            return found

    def models(self, **options: Unpack[EndpointOptions]) -> list[Model]:
        """Every model that the provider offers, from every page of its list.

        Args:
            **options: `timeout` (of all pages together), `extra_headers` and `extra_query` (of each). An `extra_body`
                has no place here, as a list is asked for without a body.

        Raises:
            LLMKitError: As `complete`.
        """
        from llmkit.endpoints import all_pages  # noqa: PLC0415
        from llmkit.observing import watch  # noqa: PLC0415

        encode, decode = self._engine.wire.encode_models, self._engine.wire.decode_models
        if encode is None or decode is None:
            raise ConfigurationError(f"models: the wire {self._engine.wire.name} has no list of models")
        with_body = bool(options.get("extra_body"))
        found, headers = self._endpoint(options)
        query, deadlines = found["extra_query"], Deadlines(found["timeout"])
        if with_body:
            self._refuse("extra_body", "a list of models is asked for without a body")

        with watch(self._engine, "models", None, headers, query) as watched:

            def page(following: Mapping[str, str]) -> ModelPage:
                call = encode({**query, **following}, self._quirks)
                return self._fetch(call, headers, deadlines, decode, watched).value

            try:
                return all_pages(page)
            except LLMKitError as error:
                self._raise(error, None, headers, query)

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        **options: Unpack[EndpointOptions],
    ) -> Embeddings:
        """Texts as vectors, in the order of the texts; asked for in as many calls as the host's limit needs.

        Args:
            texts: What to embed; none of them empty. One text is a list of one.
            model: Which model; else the client's, where it was given one.
            dimensions: How long each vector is to be; None for the model's own length.
            **options: `timeout` (of all calls together), `extra_headers`, `extra_query` and `extra_body` (of each):
                ``extra_body={"taskType": "RETRIEVAL_QUERY"}``, say, for Gemini.

        Raises:
            ConfigurationError: An argument is wrong, or the wire has no embeddings.
            LLMKitError: As `complete`.
        """
        from llmkit.asking import addressed  # noqa: PLC0415
        from llmkit.endpoints import batches, expecting, joined  # noqa: PLC0415
        from llmkit.observing import watch  # noqa: PLC0415
        from llmkit.wire.base import EmbedRequest  # noqa: PLC0415

        encode, decode = self._engine.wire.encode_embed, self._engine.wire.decode_embed
        if encode is None or decode is None:
            raise ConfigurationError(f"embed: the wire {self._engine.wire.name} has no embeddings")
        found, headers = self._endpoint(options)
        named = None if model is None else model_name("model", model)
        name = named or self._named or self._engine.row.embedding_model
        if name is None:
            raise ConfigurationError("model: an embedding model must be named, as in embed(…, model=…)")
        name = self._own_name(name)
        size = None if dimensions is None else integer(1)("dimensions", dimensions)
        deadlines, parts = Deadlines(found["timeout"]), []
        with watch(self._engine, "embed", name, headers, found["extra_query"]) as watched:
            try:
                for batch in batches(texts, self._quirks.embed_batch):
                    request = EmbedRequest(name, batch, size, found["extra_query"], found["extra_body"])
                    call = addressed(encode(request, self._quirks), self._engine, name)
                    parts.append(self._fetch(call, headers, deadlines, expecting(decode, len(batch)), watched).value)
            except LLMKitError as error:
                self._raise(error, name, headers, found["extra_query"])
            embeddings = joined(parts, name)
            watched.answered(embeddings)
            return embeddings
