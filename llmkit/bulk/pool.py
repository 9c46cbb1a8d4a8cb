"""The threads in which `Client.submit` asks."""

import contextvars
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from llmkit.asking import Asking
from llmkit.engine import Engine
from llmkit.response import Response

THREADS: Final = 32


def submitted(asking: Asking) -> Future[Response[Any]]:
    """The answer to come, asked for in the context of the caller; the clocks of the call start when it is asked."""
    return pool_of(asking.engine).submit(contextvars.copy_context().run, asking.begin)


def pool_of(engine: Engine) -> ThreadPoolExecutor:
    """That of the client and of its `with_options` copies; of a fork, one of its own."""
    pid = os.getpid()
    found = engine.pools.get(pid)
    if found is None:
        found = engine.pools.setdefault(pid, ThreadPoolExecutor(THREADS, "llmkit"))
    return found
