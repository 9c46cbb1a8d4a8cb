"""Every recording of a file that was uploaded to Gemini: what a batch of a file goes on with.

The recordings are no part of the repository: without them all of this is skipped.
"""

import json

import pytest
from conformance import recordings, summary
from conformance.recordings import Recording
from sockets import Server, Wire, reply

from llmkit import Client
from llmkit.wire.gemini_generate.batches import INLINE_MOST

if not recordings.FOLDER.is_dir():
    pytest.skip(f"no recordings in {recordings.FOLDER}: they are no part of the repository", allow_module_level=True)

UPLOADS = [recording for recording in recordings.load("files") if recording.path.startswith("/upload/v1beta/files")]

summary.expect("gemini-batch-files", {"equal to expectation": len(UPLOADS)})


@pytest.mark.parametrize("recording", UPLOADS, ids=[recording.id for recording in UPLOADS])
def test_uploads(recording: Recording) -> None:
    def script(wire: Wire) -> None:
        for asked in wire.requests():
            uploaded = asked.path.startswith("/upload/")
            wire.send(reply(recording.body if uploaded else b'{"name": "batches/b"}'))

    with Server(script) as server, Client("gemini", api_key="k", base_url=server.url) as client:
        client.batches.create(["x" * INLINE_MOST])
        upload, creation = server.requests
    assert (upload.method, upload.path) == (recording.method, recording.path.partition("?")[0])
    config = json.loads(creation.body)["batch"]["inputConfig"]
    assert config == {"fileName": recording.json()["file"]["name"]}
    summary.passed("gemini-batch-files", "equal to expectation", recording.id)
