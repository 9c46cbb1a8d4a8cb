"""What stands behind the door of a client: its host and connections, and how its calls are settled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeVar, Unpack, cast

from attrs import evolve

from llmkit import taps
from llmkit.addresses import Filled, base_address
from llmkit.authorization import AUTH_HEADERS, proves_itself
from llmkit.checks import choice, header_fields, integer, model_name, raised, tried
from llmkit.credentials import Key, find_key, is_loopback
from llmkit.deadlines import Deadlines
from llmkit.engine import Engine, Fetched, for_caller
from llmkit.errors import ConfigurationError, LLMKitError, MissingAuthError
from llmkit.settings import Settings, limit_of, names_of, prices_of, quirks_of, row_of
from llmkit.transport import Transport
from llmkit.wire import WIRES

if TYPE_CHECKING:  # what calls are made of is imported by the first one
    from llmkit.asking import Asking
    from llmkit.limits import RateLimit
    from llmkit.observing import Unwatched
    from llmkit.prices import Price
    from llmkit.request import EndpointOptions, Options, ResolvedRequest
    from llmkit.response import Tariff
    from llmkit.wire.base import Call

T = TypeVar("T")


class Core:
    """A client without its calls."""

    _settings: Settings
    _engine: Engine
    _owner: bool  # of the connections

    def _set_up(self, settings: Settings, passed: Key) -> None:
        row, model = row_of(settings.provider)
        form = WIRES[row.wire]
        fill = Filled(row, settings.variables)
        suffix = form.version if row.suffix is None else fill(row.suffix)
        based = partial(base_address, suffix=suffix, version_anywhere=form.version_anywhere)
        own = None if settings.base_url is not None and fill.lacks(row.base_url) else based(fill.base_url)
        address = own if settings.base_url is None else based(settings.base_url)
        assert address is not None  # noqa: S101 - without a base_url, what it lacks was an error
        authorized = (
            settings.auth is not None
            or any(name in AUTH_HEADERS for name in settings.headers)
            or proves_itself(settings.session)
        )
        self._settings = settings
        self._named = model if settings.model is None else settings.model
        self._model = fill.default_model if self._named is None else self._named
        if self._model is not None:
            model_name("model", self._model)
        try:
            key = find_key(row, passed, address, own=own, authorized=authorized, profile=settings.profile)
        except MissingAuthError as error:
            if not taps.keyless:
                raise
            key = _missing(error)
        # A key that was looked up is for this machine alone then, and not for a proxy on the way.
        direct = key.looked_up and is_loopback(address)
        transport = Transport(
            proxy=settings.proxy, verify=settings.verify, session=settings.session, environment=not direct
        )
        query = {name: fill(value) for name, value in row.query.items()}
        self._engine = Engine(row, address, query, key, settings.auth, transport, settings.rate_limit)
        self._quirks = quirks_of(row)
        self._aliases = names_of(row, settings.aliases)
        self._owner = True

    def __repr__(self) -> str:
        engine = getattr(self, "_engine", None)  # not there yet where a wrong argument is told of
        return "Client()" if engine is None else f"Client({engine.row.name!r}, model={self._model!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self._settings, "api_key": self._engine.key.argument()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        api_key = state["api_key"]
        self._set_up(state["settings"], Key(api_key, passed=api_key is not None))

    def with_options(
        self,
        *,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
        rate_limit: RateLimit | None = None,
        unsupported: Literal["error", "warn"] | None = None,
        prices: Mapping[str, Price] | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """A client with other defaults, which shares this one's connections, quota of retries and rate limit.

        Raises:
            ConfigurationError: An option is unknown or wrong.
        """
        from llmkit.request import taken  # noqa: PLC0415

        settings = self._settings
        fields = None if headers is None else tried(header_fields, "headers", headers)
        del headers  # no frame of an error shows what they hold
        found = raised(taken(options))
        if "timeout" in found:
            settings = settings._replace(timeout=found.pop("timeout"))
        if max_retries is not None:
            settings = settings._replace(max_retries=integer(0, 1000)("max_retries", max_retries))
        if fields is not None:
            settings = settings._replace(headers=self._engine.merged(settings.headers, raised(fields)))
        if unsupported is not None:
            settings = settings._replace(unsupported=choice("error", "warn")("unsupported", unsupported))
        if prices is not None:
            settings = settings._replace(prices=prices_of(prices))
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        if rate_limit is not None:
            settings = settings._replace(rate_limit=limit_of(rate_limit))
            copy._engine = self._engine.limited(settings.rate_limit)
        copy._named = found.get("model", self._named)
        copy._model = found.pop("model", self._model)
        copy._settings = settings._replace(model=copy._model, options={**settings.options, **found})
        copy._owner = False
        return copy

    def _endpoint(self, options: EndpointOptions) -> tuple[dict[str, Any], Mapping[str, str]]:
        """The options of a call without a prompt, and its headers."""
        from llmkit.request import EndpointOptions, taken  # noqa: PLC0415

        unknown = sorted(options.keys() - EndpointOptions.__annotations__.keys())
        given = taken(options)
        if unknown:
            raise ConfigurationError(f"{unknown[0]}: this call takes no such option")
        settings = self._settings
        empty: dict[str, Any] = {"extra_query": {}, "extra_body": {}}
        found = {**empty, "timeout": settings.timeout, **settings.options, **raised(given)}
        return found, self._engine.merged(settings.headers, found.get("extra_headers", {}))

    def _connect_directly(self) -> None:
        """Ask no proxy of the environment: for hosts on this machine, which no proxy reaches."""
        settings = self._settings
        self._engine.transport = Transport(verify=settings.verify, session=settings.session, environment=False)

    @property
    def _members(self) -> tuple[Core, ...]:
        """Those who are asked, one after the other."""
        return (self,)

    def _each(self, change: Callable[[Any], Any]) -> Self:
        """This client, with what `change` makes of each member in its place."""
        return cast("Self", change(self))

    def _parted(self) -> tuple[Self, dict[str, Any]]:
        """A copy without the defaults of its calls, and those."""
        bare = self.with_options()
        bare._settings = self._settings._replace(options={})  # noqa: SLF001 - of its own class
        return bare, {**self._settings.options}

    def _asking(
        self, prompt: object, output_type: object, options: Any, left_out: Callable[[str, str], None] | None = None
    ) -> Asking:
        """The call that they mean, settled; `options` is empty then.

        Args:
            prompt: As `Client.complete` takes it.
            output_type: As `Client.complete` takes it.
            options: As `Options` names them.
            left_out: Told of what is left out of it now, in place of a warning.
        """
        from llmkit.answer_tool import with_output  # noqa: PLC0415
        from llmkit.asking import Asking  # noqa: PLC0415
        from llmkit.output import output_form  # noqa: PLC0415
        from llmkit.refusals import expressible  # noqa: PLC0415
        from llmkit.request import Request  # noqa: PLC0415

        if isinstance(prompt, Request) and prompt.output_type is not None:
            output_type = prompt.output_type
        request, wire = self._resolve(prompt, options), self._engine.wire
        refuse = self._refuse if left_out is None or self._settings.unsupported == "error" else left_out
        request = expressible(request, self._engine.row, wire, self._quirks, refuse)
        if (form := output_form(output_type)) is not None:
            request, wire = with_output(request, form, wire, self._quirks, refuse)
        headers, deadlines = self._headers(request), Deadlines(request.timeout)
        retries = self._settings.max_retries
        return Asking(
            self._engine,
            wire,
            self._quirks,
            request,
            headers,
            deadlines,
            retries,
            self._refuse,
            form,
            self._tariff(request.model),
        )

    def _tariff(self, model: str, *, batch: bool = False) -> Tariff:
        """Whose prices hold for answers of a model."""
        from llmkit.response import Tariff  # noqa: PLC0415

        return Tariff(self._engine.row.prices, self._settings.prices or {}, model, batch)

    def _own_name(self, model: str) -> str:
        """The host's own word for a model."""
        return self._aliases.get(model, model)

    def _resolve(self, prompt: object, options: Any) -> ResolvedRequest:
        """The call that they mean; `options` is empty then, so that no frame of an error shows what may be a key."""
        from llmkit.resolve import resolve  # noqa: PLC0415

        settings = self._settings
        try:
            request = resolve(prompt, options, {"timeout": settings.timeout, **settings.options}, self._model)
        except ConfigurationError as error:
            failed = error.with_traceback(None)  # the frames below have seen it, too
        else:
            model = self._own_name(request.model)
            return request if model == request.model else evolve(request, model=model)
        finally:
            options.clear()
        raise failed

    def _refuse(self, path: str, why: str) -> None:
        """What `Wire.encode` calls with what it cannot express."""
        from llmkit.refusals import refuse  # noqa: PLC0415

        refuse(path, why, warn=self._settings.unsupported == "warn")

    def _fetch(
        self,
        call: Call,
        headers: Mapping[str, str],
        deadlines: Deadlines,
        decode: Callable[[Any], T],
        watched: Unwatched,
    ) -> Fetched[T]:
        retries = self._settings.max_retries
        found = self._engine.fetch(call, headers, deadlines, retries, decode, told=watched.retried)
        watched.fetched(found.attempts, found.answer.headers)
        return found

    def _headers(self, request: ResolvedRequest) -> Mapping[str, str]:
        """The caller's own, of all calls and of this one."""
        own, more = self._settings.headers, request.extra_headers
        return self._engine.merged(own, more) if more else own

    def _raise(
        self, error: LLMKitError, model: str | None, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> NoReturn:
        raise for_caller(error, self._engine, model, headers, query)


def _missing(error: MissingAuthError) -> Key:
    """No key, where none is needed now; whoever needs it later is told what is missing."""
    told = error.args

    def ask() -> str:
        raise MissingAuthError(*told)

    return Key(ask, passed=False)
