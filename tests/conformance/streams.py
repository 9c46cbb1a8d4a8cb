"""A stream's body, cut anywhere, read by llmkit's decoders alone: no socket."""

import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from llmkit.accumulate import Accumulator
from llmkit.sse import ServerSentEvent, SSEDecoder
from llmkit.wire.base import StreamDecoder

EDGES = 300  # every cut in the first and the last so many bytes
SAMPLE = 200  # cuts between
AROUND = 4096  # bytes on both sides of a cut, at least, that are read again for it
DECODED = 60  # cuts after which the wire's decoder reads all of it again
BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")


def cuts(body: bytes) -> list[int]:
    """Where to cut: everywhere, or in a long body at its edges and a sample between."""
    if len(body) <= 2 * EDGES + SAMPLE:
        return list(range(len(body) + 1))
    inner = random.Random(0).sample(range(EDGES, len(body) - EDGES), SAMPLE)
    return [*range(EDGES), *inner, *range(len(body) - EDGES, len(body) + 1)]


def stretches(body: bytes) -> dict[tuple[int, int], list[int]]:
    """The cuts, by the whole events around each: from where to where. A stream says nothing across blank lines."""
    ends = [0, *(found.end() for found in BLANK_LINE.finditer(body)), len(body)]
    found: dict[tuple[int, int], list[int]] = {}
    for cut in cuts(body):
        first = max(0, bisect_right(ends, cut - AROUND) - 1)
        last = min(len(ends) - 1, bisect_left(ends, cut + AROUND))
        found.setdefault((ends[first], ends[last]), []).append(cut)
    return found


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
    for (first, last), places in stretches(body).items():
        stretch = body[first:last]
        uncut = sse_events([stretch])
        for cut in places:
            events = sse_events([stretch[: cut - first], stretch[cut - first :]])
            # The wire's decoder is given events one by one, so that equal events are decoded equally …
            assert events == uncut, cut
    every = cuts(body)
    for cut in every[:: max(1, len(every) // DECODED)]:  # … which is looked at nevertheless.
        assert decoded(decoder(), sse_events([body[:cut], body[cut:]])) == wanted, cut
