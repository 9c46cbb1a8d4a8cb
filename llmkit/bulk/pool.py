"""The threads in which `Client.submit` asks."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from llmkit.engine import Engine

THREADS: Final = 32


def pool_of(engine: Engine) -> ThreadPoolExecutor:
    """That of the client and of its `with_options` copies; of a fork, one of its own."""
    pid = os.getpid()
    found = engine.pools.get(pid)
    if found is None:
        found = engine.pools.setdefault(pid, ThreadPoolExecutor(THREADS, "llmkit"))
    return found
