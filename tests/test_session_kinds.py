"""Sessions of other libraries, real ones: a fault is told of as the same error that there is without them."""

import curl_cffi
import pytest
import requests
import requests_cache
from sockets import PATIENCE

from llmkit import LLMKitError, Timeout
from llmkit.testing.faults import FAULTS

SESSIONS = {
    "requests": requests.Session,
    "curl_cffi": lambda: curl_cffi.requests.Session(impersonate="chrome"),
    "requests-cache": lambda: requests_cache.CachedSession(backend="memory", allowable_methods=["POST"]),
}

READ_FIRST = {
    "cut connection",
    "only pings",
    "stall",
}  # a cache reads all before it hands out any

ENDLESS = {"only pings", "stall"}  # all others end by themselves, as soon as the machine lets them


def fails(server, fault, mode, session=None):
    """The error's class, whether another try may mend it, and what had come."""
    timeout = Timeout(first=0.3, idle=0.3, total=0.6) if fault in ENDLESS else PATIENCE
    client = server.client("openai", model="m", session=session, max_retries=0, timeout=timeout)
    ask = client.complete if mode == "whole" else lambda prompt: client.stream(prompt).collect()
    server.fault(fault)
    with pytest.raises(LLMKitError) as caught:
        ask("one two three four")
    partial = caught.value.partial
    return type(caught.value).__name__, caught.value.retryable, partial and partial.text


@pytest.mark.parametrize("mode", ["whole", "streamed"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", SESSIONS)
def test_a_fault(server, kind, fault, mode):
    read_first = kind == "requests-cache" and fault in READ_FIRST
    with SESSIONS[kind]() as session:
        assert fails(server, fault, mode, session) == fails(server, fault, "whole" if read_first else mode)
