"""Spans and metrics of OpenTelemetry, by its conventions for generative AI (``pip install 'llmkit[otel]'``).

What was said is recorded only with ``capture_content=True``; keys never are.
"""

from typing import TYPE_CHECKING

from llmkit import observing

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from llmkit.client import Client


def instrument(
    client: "Client | None" = None,
    *,
    tracer_provider: "TracerProvider | None" = None,
    meter_provider: "MeterProvider | None" = None,
    capture_content: bool = False,
) -> None:
    """Make spans and metrics of calls, and of the tools that chats run. Called again, what it is given then holds.

    Args:
        client: Whose calls, those of its `with_options` copies included; None for all clients that were not
            instrumented by themselves. A pickle of a client does not hold it.
        tracer_provider: Where spans go; None for the global one.
        meter_provider: Where metrics go; None for the global one.
        capture_content: Whether instructions, messages, tools, their arguments and results are recorded on spans. They
            may be long, and nobody else's business.

    Raises:
        ConfigurationError: The extra ``otel`` is not installed.
    """
    from llmkit.otel.spans import Telemetry  # noqa: PLC0415 - an extra

    observers = (Telemetry(tracer_provider, meter_provider, capture=capture_content),)
    if client is None:
        observing.everywhere = observers
        return
    for member in client._members:  # noqa: SLF001 - the seam
        member._engine.observers[:] = observers  # noqa: SLF001


def uninstrument(client: "Client | None" = None) -> None:
    """Make none any more. For a client: what holds for all clients holds for it again."""
    if client is None:
        observing.everywhere = ()
        return
    for member in client._members:  # noqa: SLF001 - the seam
        member._engine.observers.clear()  # noqa: SLF001
