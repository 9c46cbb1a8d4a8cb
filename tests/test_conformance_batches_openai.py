"""Every recording of OpenAI's batches, and of files for them: read as the vendor's own client reads it.

The recordings are no part of the repository: without them all of this is skipped.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import openai
import pytest
from conformance import recordings, summary
from conformance.recordings import Recording
from sockets import Server, Wire, reply

from llmkit import Client

if not recordings.FOLDER.is_dir():
    pytest.skip(f"no recordings in {recordings.FOLDER}: they are no part of the repository", allow_module_level=True)

HOST = "api.openai.com"
BATCHES = [recording for recording in recordings.load("batches") if recording.host == HOST]
FILES = [
    recording
    for recording in recordings.load("files")
    if recording.host == HOST and recording.method == "POST" and recording.json()["purpose"] == "batch"
]

summary.expect("openai-batches", {"equal to expectation": len(BATCHES), "request as recorded": len(BATCHES)})
summary.expect("openai-batch-files", {"equal to expectation": len(FILES)})


def each(cases: list[Recording]) -> Callable[..., None]:
    return pytest.mark.parametrize("recording", cases, ids=[case.id for case in cases])


@contextmanager
def answering(file: bytes, batch: bytes) -> Iterator[Server]:
    """A host that answers so, whatever it is asked."""

    def script(wire: Wire) -> None:
        for asked in wire.requests():
            wire.send(
                reply(file if asked.path.endswith("/files") else batch, headers="Content-Type: application/json\r\n")
            )

    with Server(script) as server:
        yield server


@each(BATCHES)
def test_batches(recording: Recording) -> None:
    uploaded = json.dumps({"id": recording.sent["input_file_id"]}).encode()
    with (
        answering(uploaded, recording.body) as server,
        Client("openai-chat", api_key="k", base_url=server.url) as client,
        openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as vendor,
    ):
        found, told = client.batches.create(["?"]), vendor.batches.retrieve("b")
        assert found.id == told.id
        assert found.raw == recording.json()
        assert (found.status, told.status) == ("running", "validating")
        assert found.created is not None
        assert found.expires is not None
        assert (found.created.timestamp(), found.expires.timestamp()) == (told.created_at, told.expires_at)
        assert told.request_counts is not None
        assert found.counts.total == told.request_counts.total
        summary.passed("openai-batches", "equal to expectation", recording.id)
        creation = server.requests[1]
        assert (creation.method, creation.path) == (recording.method, recording.path)
        assert json.loads(creation.body) == recording.sent
        summary.passed("openai-batches", "request as recorded", recording.id)


@each(FILES)
def test_files(recording: Recording) -> None:
    with (
        answering(recording.body, b'{"id": "b", "status": "validating"}') as server,
        Client("openai-chat", api_key="k", base_url=server.url) as client,
        openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as vendor,
    ):
        client.batches.create(["?"])
        upload, creation = server.requests
        assert (upload.method, upload.path) == (recording.method, recording.path)
        told = vendor.files.create(file=b"", purpose="batch")
        assert json.loads(creation.body)["input_file_id"] == told.id
    summary.passed("openai-batch-files", "equal to expectation", recording.id)
