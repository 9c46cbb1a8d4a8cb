"""JSON Lines as they arrive, however long the file is."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Self

from attrs import evolve

from llmkit.deadlines import Deadlines
from llmkit.engine import Engine, wrong_kind
from llmkit.errors import ConnectionFailedError
from llmkit.json_codec import cut_short, load_bytes
from llmkit.observing import watch
from llmkit.transport import Answer
from llmkit.transport.exchange import Exchange
from llmkit.wire.base import Call


class Lines:
    """The lines of one answer. Where its connection is lost, it is asked for again, and what was read is skipped.

    It belongs to the thread that reads it.
    """

    def __init__(
        self, engine: Engine, call: Call, headers: Mapping[str, str], deadlines: Deadlines, max_retries: int
    ) -> None:
        """Asks for nothing yet.

        Args:
            engine: What the calls of a client share.
            call: Is answered with the lines; always with the same ones.
            headers: The caller's own.
            deadlines: Of the reading.
            max_retries: How often it may be asked for again for one line.
        """
        self._engine = engine
        self._call = evolve(call, headers={"accept": "*/*", **call.headers})
        self._headers = headers
        self._deadlines = deadlines
        self._max_retries = max_retries
        self._exchange: Exchange | None = None
        self._answer: Answer | None = None  # the one under way
        self._pieces: Iterator[bytes] = iter(())
        self._whole: deque[bytes] = deque()  # lines that came and were not taken
        self._begun: list[bytes] = []  # of the one after them
        self._taken = 0
        self._ended = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        """The value of the next line.

        Raises:
            InvalidResponseError: It is no JSON; those after it can be read.
            LLMKitError: Why nothing more came.
        """
        if self._ended:
            raise StopIteration
        self._deadlines.block()
        line = self._engine.attempts(self._deadlines, self._max_retries).begin(self._next)
        if line is None:
            self._ended = True
            raise StopIteration
        return load_bytes(line, f"line {self._taken}")

    def __del__(self) -> None:
        # No lock is taken here: a collection may run while this very thread holds one.
        exchange = getattr(self, "_exchange", None)
        if exchange is not None:
            exchange.forsake()

    def close(self) -> None:
        """Drop the connection; there is no next line any more."""
        self._ended = True
        self._drop()

    def _next(self) -> bytes | None:
        try:
            line = self._line(self._answer or self._open())
        except BaseException:  # Ctrl-C, say: what was being read is asked for again
            self._drop()
            raise
        self._taken += line is not None
        return line

    def _open(self) -> Answer:
        def begun(exchange: Exchange) -> None:
            self._exchange = exchange

        # Told of as soon as it is accepted: who reads the lines may take hours.
        with watch(self._engine, "batches.results", None, self._headers, self._call.query) as watched:
            answer = self._engine.open(self._call, self._headers, self._deadlines, stream=True, begun=begun)
            watched.fetched(1, answer.headers)
        kind = answer.headers.get("content-type", "").lower()
        if "html" in kind:
            raise wrong_kind("JSON Lines", kind, answer)
        self._answer, self._pieces = answer, answer.pieces()
        for _ in range(self._taken):
            self._line(answer)
        return answer

    def _line(self, answer: Answer) -> bytes | None:
        """The next line that is not blank; None at the end.

        Raises:
            ConnectionFailedError: The last one is cut.
        """
        while True:
            while self._whole:
                if (line := self._whole.popleft()).strip():
                    return line
            piece = next(self._pieces, None)
            if piece is None:
                last = b"".join(self._begun)
                self._begun = []
                if cut_short(last):
                    raise ConnectionFailedError("the lines were cut off in the middle of one: try again")
                return last if last.strip() else None
            first, *rest = piece.split(b"\n")
            self._begun.append(first)
            if rest:
                self._whole += (b"".join(self._begun), *rest[:-1])
                self._begun = rest[-1:]
                answer.renew()

    def _drop(self) -> None:
        answer, self._answer = self._answer, None
        self._whole.clear()
        self._begun = []
        if answer is not None:
            answer.close()
