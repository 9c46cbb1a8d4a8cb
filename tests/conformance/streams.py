"""A stream's body, cut anywhere, read by llmkit's decoders alone: no socket."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from llmkit.accumulate import Accumulator
from llmkit.sse import ServerSentEvent, SSEDecoder
from llmkit.wire.base import StreamDecoder

EDGES = 600  # every cut in the first and the last so many bytes
SAMPLE = 400  # cuts between


def cuts(body: bytes) -> list[int]:
    """Where to cut: everywhere, or in a long body at its edges and a sample between."""
    if len(body) <= 2 * EDGES + SAMPLE:
        return list(range(len(body) + 1))
    inner = random.Random(0).sample(range(EDGES, len(body) - EDGES), SAMPLE)
    return [*range(EDGES), *inner, *range(len(body) - EDGES, len(body) + 1)]


def sse_events(pieces: Sequence[bytes]) -> list[ServerSentEvent]:
    """What the pieces hold."""
    decoder = SSEDecoder()
    found = [event for piece in pieces for event in decoder.feed(piece)]
    last = decoder.close()
    return found if last is None else [*found, last]


def decoded(decoder: StreamDecoder, events: Sequence[ServerSentEvent]) -> tuple[Any, ...]:
    """What a new decoder makes of them, with what takes no part in `==`."""
    content = Accumulator()
    found = list(_fed(decoder, content, events))
    parts, *closing = decoder.close()
    content.add(parts)
    everything = [*found, *parts, *closing]
    return [attrs.asdict(event) for event in everything], everything, content.message(), decoder.envelope


def _fed(decoder: StreamDecoder, content: Accumulator, events: Sequence[ServerSentEvent]) -> Iterator[Any]:
    for event in events:
        if decoder.ended:
            return
        some = decoder.feed(event) or ()
        content.add(some)
        yield from some


def assert_cut_anywhere(body: bytes, decoder: Callable[[], StreamDecoder]) -> None:
    """Wherever the network cuts the body, what is read is the same."""
    whole = sse_events([body])
    wanted = decoded(decoder(), whole)
    single = sse_events([body[index : index + 1] for index in range(len(body))])
    assert decoded(decoder(), single) == wanted
    for cut in cuts(body):
        events = sse_events([body[:cut], body[cut:]])
        # The wire's decoder is given events one by one, so that equal events are decoded equally …
        assert events == whole, cut
    for cut in cuts(body)[::10]:  # … which is looked at nevertheless.
        assert decoded(decoder(), sse_events([body[:cut], body[cut:]])) == wanted, cut
