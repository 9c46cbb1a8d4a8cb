"""What is written into the file of a checkpoint, statement by statement. For one thread; it knows no waiting."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from attrs import frozen

from llmkit.bulk.database import opened
from llmkit.bulk.owners import gone, new_owner
from llmkit.errors import ConfigurationError

_PLACE: Final = """
    INSERT INTO place(row, run, at, id) VALUES(?, ?, ?, ?)
    ON CONFLICT(row) DO UPDATE SET run = excluded.run, at = excluded.at, id = excluded.id WHERE excluded.run >= run"""


@frozen
class Place:
    """A row of a run.

    Attributes:
        key: The hash of its content.
        occurrence: How many of the same content stood before it.
        index: Where it stands.
        id: That of its `Request`.
        prompt: What people know it by.
    """

    key: str
    occurrence: int
    index: int
    id: str | None
    prompt: str


@frozen
class Stored:
    """An answer, as it was stored."""

    text: str


@frozen
class Taken:
    """Somebody else has the row in hand, for so many seconds at most, unless it renews its claim."""

    seconds: float


class Ledger:
    """The file, as one run writes it.

    Args:
        db: The connection.
        lease: Seconds for which a claim holds unless it is renewed.
    """

    def __init__(self, db: sqlite3.Connection, lease: float) -> None:
        self._db = db
        self._lease = lease
        self._owner = new_owner()
        self._met: list[tuple[int, int, int, str | None]] = []  # places of rows that need nothing else
        with self.transaction(durable=False):
            self._run = self._begin()

    @property
    def waits(self) -> int:
        """How many places are to be written with the next transaction."""
        return len(self._met)

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        """What is done inside is written together, or not at all where it raises.

        Args:
            durable: Whether it has to outlast a loss of power, for which the disk is waited for; what it does not wait
                for outlasts the end of the process.
        """
        db, met = self._db, self._met
        db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        db.execute("BEGIN IMMEDIATE")
        try:
            if met:
                db.executemany(_PLACE, met)
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        del met[:]

    def find(self, place: Place) -> Stored | None:
        """The row's answer; to be called outside of a transaction."""
        sql = "SELECT id, answer FROM row WHERE key = ? AND n = ? AND answer IS NOT NULL"
        found = self._db.execute(sql, (place.key, place.occurrence)).fetchone()
        if found is None:
            return None
        row, answer = found
        self._met.append((row, self._run, place.index, place.id))
        return Stored(answer)

    def claim(self, place: Place) -> Stored | Taken | None:
        """Take the row in hand: None; unless it is answered, or another has it."""
        db, now = self._db, time.time()
        sql = "SELECT id, owner, until, answer FROM row WHERE key = ? AND n = ?"
        found = db.execute(sql, (place.key, place.occurrence)).fetchone()
        until = now + self._lease
        if found is None:
            sql = "INSERT INTO row(key, n, prompt, owner, until) VALUES(?, ?, ?, ?, ?) RETURNING id"
            values = (place.key, place.occurrence, place.prompt, self._owner, until)
            ((row,),) = db.execute(sql, values).fetchall()
        else:
            row, owner, ends, answer = found
            if answer is None:
                if owner is not None and ends > now and not gone(owner):
                    return Taken(ends - now)
                db.execute("UPDATE row SET owner = ?, until = ? WHERE id = ?", (self._owner, until, row))
        db.execute(_PLACE, (row, self._run, place.index, place.id))
        return None if found is None or answer is None else Stored(answer)

    def answer(self, key: str, occurrence: int, text: str) -> None:
        """Keep an answer, also if it comes so late that another has the row in hand; the first one stays."""
        sql = """UPDATE row SET answer = ?, error = NULL, owner = NULL, until = NULL
                 WHERE key = ? AND n = ? AND answer IS NULL"""
        self._db.execute(sql, (text, key, occurrence))

    def fail(self, key: str, occurrence: int, text: str) -> None:
        """Keep an error, unless another has the row in hand, or answered it."""
        sql = """UPDATE row SET error = ?, owner = NULL, until = NULL
                 WHERE key = ? AND n = ? AND answer IS NULL AND owner = ?"""
        self._db.execute(sql, (text, key, occurrence, self._owner))

    def release(self, key: str, occurrence: int) -> None:
        """Let go of a row that was not asked."""
        sql = "UPDATE row SET owner = NULL, until = NULL WHERE key = ? AND n = ? AND owner = ?"
        self._db.execute(sql, (key, occurrence, self._owner))

    def renew(self) -> None:
        """Hold all that is in hand for another lease."""
        until = time.time() + self._lease
        self._db.execute("UPDATE row SET until = ? WHERE owner = ?", (until, self._owner))
        self._db.execute("UPDATE run SET until = ? WHERE number = ?", (until, self._run))

    def finish(self) -> None:
        """All rows of this run were met: what runs that ended before it began met besides is no more to be shown."""
        earlier = """SELECT number FROM run WHERE number < ?1
                     AND ifnull(ended, until) <= (SELECT begun FROM run WHERE number = ?1)"""
        self._db.execute(f"DELETE FROM place WHERE run IN ({earlier})", (self._run,))  # noqa: S608 - ours
        self._db.execute(f"DELETE FROM run WHERE number IN ({earlier})", (self._run,))  # noqa: S608 - ours

    def end(self) -> None:
        """Let go of all that is in hand."""
        self._db.execute("UPDATE row SET owner = NULL, until = NULL WHERE owner = ?", (self._owner,))
        self._db.execute("UPDATE run SET ended = ? WHERE number = ?", (time.time(), self._run))

    def close(self) -> None:
        """Close the file; the last one to do so puts all into it."""
        self._db.close()

    def _begin(self) -> int:
        now = time.time()
        for number, owner in self._db.execute("SELECT number, owner FROM run WHERE ended IS NULL").fetchall():
            if gone(owner):
                self._db.execute("UPDATE run SET ended = ? WHERE number = ?", (now, number))
        sql = "INSERT INTO run(owner, begun, until) VALUES(?, ?, ?) RETURNING number"
        ((number,),) = self._db.execute(sql, (self._owner, now, now + self._lease)).fetchall()
        return int(number)


def opened_ledger(path: str, lease: float) -> Ledger:
    """The file at `path`, which is made where there is none, with a new run in it.

    Raises:
        ConfigurationError: As `opened`; or nothing can be written there.
    """
    db = opened(path, new=True)
    try:
        return Ledger(db, lease)
    except sqlite3.Error as error:
        db.close()
        failed = str(error)
    raise ConfigurationError(f"checkpoint: {path}: {failed}")
