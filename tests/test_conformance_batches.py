"""Every recording of batches: read as the vendor's own client reads it, and asked for as it was recorded.

The recordings are no part of the repository: without them all of this is skipped.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import anthropic
import pytest
from conformance import recordings, summary
from conformance.loopback import Loopback, serving
from conformance.recordings import Recording

from llmkit import APIError, Batch, Client, Request
from llmkit.messages import Text

if not recordings.FOLDER.is_dir():
    pytest.skip(f"no recordings in {recordings.FOLDER}: they are no part of the repository", allow_module_level=True)

KEY = "sk-conformance"
HOSTS = {"api.anthropic.com": "anthropic"}
ALL = [recording for recording in recordings.load("batches") if recording.host in HOSTS]
each = pytest.mark.parametrize("recording", ALL, ids=[recording.id for recording in ALL])

summary.expect("batches", {"equal to expectation": len(ALL), "request as recorded": len(ALL)})


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serving() as found:
        yield found


def requests_of(recording: Recording) -> list[Request]:
    """What was asked for, with what the recorded client says beside: it marks all prompts for caching."""
    return [
        Request(
            [{"role": "user", "content": [Text(part["text"], cache="5m") for part in message["content"]]}],
            id=item["custom_id"],
            model=item["params"]["model"],
            max_tokens=item["params"]["max_tokens"],
        )
        for item in recording.sent["requests"]
        for message in item["params"]["messages"]
    ]


def ask(client: Client, recording: Recording) -> Any:
    """The call that was recorded."""
    id_ = recording.path.split("/")[4] if recording.method == "GET" else ""
    if recording.path.endswith("/results"):
        return list(client.batches.results(Batch(id_, "anthropic", "ended")))
    return client.batches.get(id_) if id_ else client.batches.create(requests_of(recording))


@each
def test_equal_to_expectation(server: Loopback, recording: Recording) -> None:
    vendor = anthropic.Anthropic(api_key=KEY, base_url=server.url, max_retries=0)
    server.say(recording.body, recording.answered, recording.status)
    with Client("anthropic", api_key=KEY, base_url=server.url, max_retries=0) as client, vendor:
        if not recording.ok:
            with pytest.raises(APIError) as caught:
                ask(client, recording)
            with pytest.raises(anthropic.APIStatusError) as theirs:
                vendor.messages.batches.retrieve("b")
            assert type(caught.value).__name__ == type(theirs.value).__name__
            assert caught.value.request_id == theirs.value.request_id
        else:
            found, told = ask(client, recording), vendor.messages.batches.retrieve("b")
            assert (found.id, found.created, found.expires) == (told.id, told.created_at, told.expires_at)
            assert found.raw == recording.json()
            assert (found.status, told.processing_status) == ("running", "in_progress")
            assert found.counts.running == told.request_counts.processing
            assert found.counts.total == sum(told.request_counts.to_dict().values())
    summary.passed("batches", "equal to expectation", recording.id)


@each
def test_request_as_recorded(server: Loopback, recording: Recording) -> None:
    server.say(recording.body, recording.answered, recording.status)
    with (
        Client("anthropic", api_key=KEY, base_url=server.url, max_retries=0) as client,
        nullcontext() if recording.ok else pytest.raises(APIError),
    ):
        ask(client, recording)
    (asked,) = server.asked
    assert (asked.method, asked.path) == (recording.method, recording.path)
    assert (asked.json() if asked.body else None) == recording.sent
    summary.passed("batches", "request as recorded", recording.id)
