"""What every recorded answer cost, against what genai-prices makes of its JSON by itself.

The recordings are no part of the repository: without them all of this is skipped.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import genai_prices
import pytest
from conformance import recordings

from llmkit import Provider, providers
from llmkit.counted import told, unusual
from llmkit.prices import cost_of
from llmkit.wire import WIRES, wire

if not recordings.FOLDER.is_dir():
    pytest.skip(f"no recordings in {recordings.FOLDER}: they are no part of the repository", allow_module_level=True)

# What genai-prices calls the forms of an answer's usage.
FLAVORS = {"openai-chat": ("chat", "default"), "openai-responses": ("responses",)}
HOSTS = {urlsplit(row.base_url).hostname: row for row in providers() if row.prices is not None}


def answers(form: str) -> Iterator[tuple[Provider, Any]]:
    """Every whole answer of a host that genai-prices knows, at that host's usual price."""
    for recording in recordings.load(form):
        row = HOSTS.get(recording.host)
        if row is None or not recording.ok or recording.streamed:
            continue
        body = recording.json()
        usage = body.get("usage", body.get("usageMetadata")) if isinstance(body, dict) else None
        if usage and told(usage, row.prices or "") is None and not unusual(usage, body):
            yield row, body


def theirs(row: Provider, body: Any, flavor: str) -> Decimal | None:
    """What genai-prices reads from the answer and makes of it; None where it cannot."""
    try:
        return (
            genai_prices.extract_usage(body, provider_id=row.prices or "", api_flavor=flavor).calc_price().total_price
        )
    except (LookupError, ValueError, AttributeError):  # it has no such form; it does not know Google's numbers
        return None


@pytest.mark.parametrize("form", WIRES)
def test_as_genai_prices_reads_it(form: str) -> None:
    quirks, found = WIRES[form].quirks(), 0
    for row, body in answers(form):
        expected = {theirs(row, body, flavor) for flavor in FLAVORS.get(form, ("default",))} - {None}
        if expected:
            answer = wire(form).decode(body, quirks)
            assert cost_of(answer.usage, row, answer.model) in expected, (row.name, answer.model, answer.usage.raw)
            found += 1
    assert found > 50
