"""The file of a checkpoint: made, known again, refused. The only module that knows how SQLite is opened.

::

    row     what was asked, by hash and occurrence: its answer or error, and who has it in hand, until when
    place   where a row stood in the latest run that met it
    run     who read the prompts, when

Write-ahead logging, so that a process that is killed leaves nothing half done and readers never wait; it needs a file
system of this machine, so what SQLite says of it is checked.

Source: https://sqlite.org/wal.html
"""

import sqlite3
import time
from pathlib import Path
from typing import Final

from llmkit.errors import ConfigurationError

VERSION: Final = 1
PATIENCE: Final = 60.0  # seconds to wait for another process that writes

_PAUSE: Final = 0.005  # seconds
_APPLICATION: Final = 0x6C6C6D6B  # "llmk", in the header of the file
_TABLES: Final = (
    """CREATE TABLE row(
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, n INTEGER NOT NULL, prompt TEXT NOT NULL,
        owner TEXT, until REAL, answer TEXT, error TEXT, UNIQUE(key, n))""",
    "CREATE INDEX row_owner ON row(owner) WHERE owner IS NOT NULL",
    "CREATE TABLE place(row INTEGER PRIMARY KEY, run INTEGER NOT NULL, at INTEGER NOT NULL, id TEXT)",
    """CREATE TABLE run(
        number INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, begun REAL NOT NULL, until REAL NOT NULL,
        ended REAL)""",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)


def opened(path: str, *, new: bool) -> sqlite3.Connection:
    """A connection to the file, for one thread at a time; statements are committed one by one.

    Args:
        path: Where it is.
        new: Whether it is made where there is none, or nothing in it.

    Raises:
        ConfigurationError: It is something else, of a later version, or where no write-ahead log can be kept; or there
            is none.
    """
    if not new and not Path(path).is_file():
        raise ConfigurationError(f"checkpoint: {path}: there is no such file")
    connection: sqlite3.Connection | None = None
    try:
        # Who reads may be forgotten, and then closed by whichever thread finds that.
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        _set_up(connection, path, new=new)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if not isinstance(error, sqlite3.Error):
            raise
        failed = str(error)
    else:
        return connection
    raise ConfigurationError(f"checkpoint: {path}: {failed}")


def _set_up(connection: sqlite3.Connection, path: str, *, new: bool) -> None:
    # Before anything is written: it may be somebody else's. In one view, as another process may be making it.
    connection.execute("BEGIN")
    try:
        empty = _is_empty(connection, path)
    finally:
        connection.execute("ROLLBACK")
    if empty and not new:
        raise ConfigurationError(f"checkpoint: {path}: there is nothing in it")
    mode = _logged_ahead(connection)
    if mode != "wal":
        raise ConfigurationError(
            f"checkpoint: {path}: SQLite can keep no write-ahead log there (journal_mode is {mode}): "
            "take a file on a disk of this machine"
        )
    if empty:
        connection.execute("BEGIN IMMEDIATE")
        if _is_empty(connection, path):  # no other process was quicker
            for statement in _TABLES:
                connection.execute(statement)
        connection.execute("COMMIT")


def _logged_ahead(connection: sqlite3.Connection) -> str:
    """The journal's mode once it is to be a write-ahead log, for which SQLite does not wait for others by itself."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
        else:
            return str(mode)


def _is_empty(connection: sqlite3.Connection, path: str) -> bool:
    """Whether nothing is in the file yet.

    Raises:
        ConfigurationError: What is in it is none of this version of llmkit.
    """
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == _APPLICATION and version > VERSION:
        raise ConfigurationError(
            f"checkpoint: {path}: this llmkit reads files up to version {VERSION}, got {version}: a newer one wrote it"
        )
    if application != _APPLICATION and (application or version or tables):
        raise ConfigurationError(f"checkpoint: {path}: it is a database of another program")
    return bool(application != _APPLICATION)
