"""What an instrumented call becomes: a span, and what is measured of it.

Source: https://github.com/open-telemetry/semantic-conventions-genai/tree/main/docs/gen-ai
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, assert_never
from urllib.parse import urlsplit

import llmkit
from llmkit.errors import ConfigurationError
from llmkit.messages import ToolResult
from llmkit.observing.records import Operation, Outcome, ToolRun, Watched
from llmkit.otel.content import arguments, definitions, input_messages, instructions, output_messages, returned
from llmkit.request import ResolvedRequest
from llmkit.response import Embeddings

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

_SCOPE: Final = "llmkit"
_GENERATING: Final = ("complete", "stream")
_OPERATIONS: Final[Mapping[str, str]] = {"embed": "embeddings"}
_OPERATIONS_OF: Final[Mapping[str, str]] = {"gemini-generate": "generate_content"}
"""By format: the conventions' name of what is ``chat`` elsewhere."""
_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
_OTHER: Final = "_OTHER"
# What the conventions advise; seconds, and tokens.
_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS: Final = tuple(4**power for power in range(14))
_OPTIONS: Final[Mapping[str, str]] = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "stop": "gen_ai.request.stop_sequences",
    "seed": "gen_ai.request.seed",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
}
_FRACTIONS: Final = tuple(
    f"gen_ai.request.{name}" for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty")
)
"""Whole numbers, too, are told as doubles: where spans are kept, an attribute has one type."""
_COUNTS: Final[Mapping[str, str]] = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}
_ALWAYS: Final = ("input_tokens", "output_tokens")  # the others where they are not 0


class Telemetry:
    """The observer that makes spans and metrics.

    Raises:
        ConfigurationError: The extra ``otel`` is not installed.
    """

    def __init__(self, tracers: "TracerProvider | None", meters: "MeterProvider | None", *, capture: bool) -> None:
        try:
            from opentelemetry import metrics, trace  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigurationError("llmkit.otel needs OpenTelemetry: pip install 'llmkit[otel]'") from error
        self.trace = trace
        self.capture = capture
        self.tracer = trace.get_tracer(_SCOPE, llmkit.__version__, tracers)
        meter = metrics.get_meter(_SCOPE, llmkit.__version__, meters)
        self.duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.first = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="Time to receive the first chunk.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    def begun(self, watched: Watched) -> "_Span | _ToolSpan":
        """One begins, as a child of the span that is current."""
        match watched:
            case Operation():
                return _Span(self, watched)
            case ToolRun():
                return _ToolSpan(self, watched)
            case _:
                assert_never(watched)


class _Watcher:
    """A span that is current in the course of what it is about."""

    def __init__(self, telemetry: Telemetry, span: "Span") -> None:
        self._telemetry = telemetry
        self._span = span

    @contextmanager
    def current(self) -> Iterator[object]:
        """Let spans that begin in this thread be its children."""
        from opentelemetry import context  # noqa: PLC0415 - an extra

        token = context.attach(self._telemetry.trace.set_span_in_context(self._span))
        try:
            yield self._span
        finally:
            context.detach(token)

    def retried(self, attempt: int, error: Exception, pause: float) -> None:
        """Told as an event: the conventions have one span for all attempts, and nothing for each."""
        about: dict[str, Any] = {"attempt": attempt, "error.type": type(error).__name__, "pause": pause}
        self._span.add_event("llmkit.retry", about)

    def _failed(self, error: str) -> None:
        # No description: what an error says may repeat what was said.
        self._span.set_attribute("error.type", error)
        self._span.set_status(self._telemetry.trace.StatusCode.ERROR)


class _Span(_Watcher):
    """Of one call."""

    def __init__(self, telemetry: Telemetry, operation: Operation) -> None:
        self._operation = operation
        self._common = _common(operation)
        name = " ".join(filter(None, (self._common["gen_ai.operation.name"], operation.model)))
        about = {**self._common, **({} if operation.request is None else _asked(operation))}
        kind = telemetry.trace.SpanKind.CLIENT
        super().__init__(telemetry, telemetry.tracer.start_span(name, kind=kind, attributes=about))
        if telemetry.capture and operation.request is not None and self._span.is_recording():
            self._span.set_attributes(_content_asked(operation.request, operation))

    def ended(self, outcome: Outcome) -> None:
        """Tell the rest, and measure it."""
        self._measure(outcome)
        if self._span.is_recording():
            self._span.set_attributes(_answered(outcome, self._operation))
            if self._telemetry.capture and outcome.response is not None:
                said = output_messages(outcome.response, self._operation.clean)
                self._span.set_attribute("gen_ai.output.messages", said)
            if outcome.error is not None:
                self._failed(type(outcome.error).__name__)
        self._span.end(outcome.ended)

    def _measure(self, outcome: Outcome) -> None:
        common = {**self._common, **_served(outcome, self._operation)}
        failed = {} if outcome.error is None else {"error.type": type(outcome.error).__name__}
        self._telemetry.duration.record(outcome.seconds, {**common, **failed})
        if outcome.first is not None:
            self._telemetry.first.record(outcome.first, common)
        if (usage := outcome.usage) is None or not outcome.whole:
            return
        counts = {"input": usage.input_tokens}
        if not isinstance(outcome.result, Embeddings):
            counts["output"] = usage.output_tokens
        for kind, count in counts.items():
            self._telemetry.tokens.record(count, {**common, "gen_ai.token.type": kind})


class _ToolSpan(_Watcher):
    """Of one run of a tool."""

    def __init__(self, telemetry: Telemetry, run: ToolRun) -> None:
        self._run = run
        name = run.clean(run.tool.name)
        about = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": run.clean(run.call.id),
            "gen_ai.tool.description": run.clean(run.tool.description),
            "gen_ai.tool.type": "function",
        }
        known = {key: value for key, value in about.items() if value}
        super().__init__(telemetry, telemetry.tracer.start_span(f"execute_tool {name}", attributes=known))
        if telemetry.capture and self._span.is_recording():
            self._span.set_attribute("gen_ai.tool.call.arguments", arguments(run.call, run.clean))

    def ended(self, outcome: Outcome) -> None:
        """What came of it."""
        result = outcome.result
        if outcome.error is not None:
            self._failed(type(outcome.error).__name__)
        elif isinstance(result, BaseException):  # a tool may return one, too
            self._failed(type(result).__name__)
        elif isinstance(result, ToolResult) and result.is_error:
            self._failed(_OTHER)
        elif isinstance(result, ToolResult) and self._telemetry.capture and self._span.is_recording():
            self._span.set_attribute("gen_ai.tool.call.result", returned(result, self._run.clean))
        self._span.end(outcome.ended)


def _common(operation: Operation) -> dict[str, Any]:
    """What spans and metrics of a call have from its beginning."""
    name, row = operation.name, operation.row
    generating = name in _GENERATING
    address = urlsplit(operation.address)
    known = {
        "gen_ai.operation.name": _OPERATIONS_OF.get(row.wire, "chat") if generating else _OPERATIONS.get(name, name),
        "gen_ai.provider.name": row.telemetry or row.name,
        "gen_ai.request.model": operation.model,
        "server.address": address.hostname,
        "server.port": address.port or _PORTS.get(address.scheme),
    }
    return _known(known, operation)


def _known(found: Mapping[str, Any], operation: Operation) -> dict[str, Any]:
    """Cleaned at once: what is looked for is the same for all."""
    known: dict[str, Any] = operation.clean({key: value for key, value in found.items() if value is not None})
    return known


def _asked(operation: Operation) -> dict[str, Any]:
    """The options."""
    request = operation.request
    found = {key: getattr(request, name) for name, key in _OPTIONS.items()}
    found |= {key: float(found[key]) for key in _FRACTIONS if found[key] is not None}
    if operation.structured:
        found["gen_ai.output.type"] = "json"
    if operation.name == "stream":
        found["gen_ai.request.stream"] = True
    return _known(found, operation)


def _content_asked(request: ResolvedRequest, operation: Operation) -> dict[str, str]:
    """What is said to the model."""
    found = {
        "gen_ai.system_instructions": instructions(request.system, operation.clean) if request.system else "",
        "gen_ai.input.messages": input_messages(request.messages, operation.clean),
        "gen_ai.tool.definitions": definitions(request.tools, operation.clean) if request.tools else "",
    }
    return {key: value for key, value in found.items() if value}


def _served(outcome: Outcome, operation: Operation) -> dict[str, Any]:
    model = getattr(outcome.response or outcome.result, "model", None)
    return {"gen_ai.response.model": operation.clean(model)} if model else {}


def _answered(outcome: Outcome, operation: Operation) -> dict[str, Any]:
    """What is known of the answer, but for what it says."""
    found: dict[str, Any] = _served(outcome, operation)
    response, usage = outcome.response, outcome.usage
    if response is not None:
        found["gen_ai.response.id"] = operation.clean(response.id) or None
        if outcome.whole:
            found["gen_ai.response.finish_reasons"] = (response.finish_reason.reason,)
    if isinstance(outcome.result, Embeddings):
        found["gen_ai.embeddings.dimension.count"] = len(outcome.result.vectors[0])
        found["gen_ai.usage.input_tokens"] = outcome.result.usage.input_tokens if usage is not None else None
    elif usage is not None:
        counts = {name: getattr(usage, name) for name in _COUNTS}
        found |= {_COUNTS[name]: count for name, count in counts.items() if count or name in _ALWAYS}
    found["gen_ai.response.time_to_first_chunk"] = outcome.first
    return {key: value for key, value in found.items() if value is not None}
