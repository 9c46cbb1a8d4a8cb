"""Spans and metrics of OpenTelemetry, by its conventions for generative AI (``pip install 'llmkit[otel]'``).

What was said is recorded only with ``capture_content=True``; keys never are.
"""

from typing import TYPE_CHECKING

from llmkit import observing
from llmkit.checks import wrong

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from llmkit.client import Client
    from llmkit.core import Core


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
            may be long, and private.

    Raises:
        ConfigurationError: The extra ``otel`` is not installed, or `client` is no client.
    """
    from llmkit.otel.spans import Telemetry  # noqa: PLC0415 - an extra

    members = () if client is None else _members(client)
    observers = (Telemetry(tracer_provider, meter_provider, capture=capture_content),)
    if client is None:
        observing.everywhere = observers
    for member in members:
        member._engine.observers[:] = observers  # noqa: SLF001 - the seam


def uninstrument(client: "Client | None" = None) -> None:
    """Make none any more. For a client: what holds for all clients holds for it again."""
    if client is None:
        observing.everywhere = ()
    for member in () if client is None else _members(client):
        member._engine.observers.clear()  # noqa: SLF001 - the seam


def _members(client: "Client") -> "tuple[Core, ...]":
    from llmkit.core import Core  # noqa: PLC0415 - who instruments all may need none

    if not isinstance(client, Core):
        raise wrong("client", "a Client", client)
    return client._members  # noqa: SLF001 - the seam
