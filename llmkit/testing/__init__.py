"""For tests and for trying things out: a provider on loopback that answers as it is told, and calls kept in a file.

::

    from llmkit import Client
    from llmkit.testing import FakeServer, cassette

    with FakeServer() as server:
        server.reply("Hello!")
        print(server.client("anthropic").complete("Hi").text)

    with cassette("greeting.yaml"):  # asked once, then replayed
        print(Client("anthropic").complete("Hi").text)
"""

from llmkit.testing.cassettes import CassetteError, Recording, Tape, cassette, record, replay
from llmkit.testing.exchange import RecordedRequest
from llmkit.testing.faults import FAULTS
from llmkit.testing.replies import Reply, by_characters, by_words, unsplit
from llmkit.testing.server import FakeServer

__all__ = [
    "FAULTS",
    "CassetteError",
    "FakeServer",
    "RecordedRequest",
    "Recording",
    "Reply",
    "Tape",
    "by_characters",
    "by_words",
    "cassette",
    "record",
    "replay",
    "unsplit",
]
