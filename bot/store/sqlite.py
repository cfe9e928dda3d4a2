"""SQLite: how the file is opened, locked, checked and copied.

Settings measured on a local disk: a commit takes about 0.4 ms with ``synchronous=FULL`` in WAL mode.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from bot.store import schema
from bot.store.connection import Parameters, Row
from bot.store.errors import StoreError, StoreProblem

_BUSY_SECONDS = 5.0


class SQLite:
    """A connection to one SQLite file. ``database`` is sqlite-utils' view of it, for the schema and for checks."""

    # SQLite takes all conditions for equally rare; a plus keeps it from walking through what is common.
    not_indexed = "+"

    def __init__(self, uri: str) -> None:
        # Threads are kept apart by the store's executors; isolation_level=None leaves every BEGIN to us.
        self._connection = sqlite3.connect(
            uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA foreign_keys=ON")
        self.database = Database(self._connection, recursive_triggers=False)

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement and return all of its rows."""
        # Fetched to the end: a half-read RETURNING would keep the transaction open.
        return self._connection.execute(sql, parameters).fetchall()

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run one statement and yield its rows one at a time."""
        return iter(self._connection.execute(sql, parameters))

    def begin(self) -> None:
        """Begin a transaction that may write."""
        # IMMEDIATE: a deferred one that reads first and writes later fails where another program has written since.
        self._connection.execute("BEGIN IMMEDIATE")

    def begin_reading(self) -> None:
        """Begin a transaction in which every read sees the same state."""
        self._connection.execute("BEGIN")

    def commit(self) -> None:
        """Return once everything since ``begin`` is on the disk."""
        self._connection.commit()

    def rollback(self) -> None:
        """Undo everything since ``begin``."""
        self._connection.rollback()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def open_writer(path: Path) -> SQLite:
    """Open the file for writing, create it if need be, and bring it to this version's schema.

    The caller holds the lock. Raises StoreError, sqlite3.Error and OSError; the store explains the last two.
    """
    # Made by hand first: SQLite would give a new file the mode that the umask allows.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = SQLite(f"{path.resolve().as_uri()}?mode=rw")
    try:
        # For a new file. A commit writes every page that it touched in full, and most rows are short.
        connection.execute("PRAGMA page_size=2048")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def open_read_only(path: Path) -> SQLite:
    """Open the file for reading; any write through this connection fails."""
    return SQLite(f"{path.resolve().as_uri()}?mode=ro")


def copy(source: Path, target: Path) -> None:
    """Copy a database into an empty file, as one consistent state, also while it is written to."""
    with closing(open_read_only(source)) as original, closing(sqlite3.connect(target, isolation_level=None)) as into:
        original.database.conn.backup(into)
        # One file, without a log beside it, is easier to carry.
        into.execute("PRAGMA journal_mode=DELETE")


def lock(path: Path) -> int:
    """Hold a lock beside the file for as long as the process lives; return its file descriptor.

    The system releases it when the process dies, however that happens. Raises StoreError if another process holds it.
    """
    descriptor = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(StoreProblem.BUSY, path) from None
    return descriptor


def _migrate(connection: SQLite, path: Path) -> None:
    database = connection.database
    with closing(Database(memory=True)) as empty:
        known = {migration.name for migration in schema.migrations.pending(empty)}
    applied = {migration.name for migration in schema.migrations.applied(database)}
    if applied - known:
        raise StoreError(StoreProblem.NEWER_SCHEMA, path, ", ".join(sorted(applied - known)))
    # One outer transaction, so that a crash leaves either the old version or the new one.
    connection.begin()
    try:
        schema.migrations.apply(database)
        missing = set(schema.GUARDS) - {trigger.name for trigger in database.triggers}
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
    if missing:
        raise StoreError(StoreProblem.GUARDS_MISSING, path, ", ".join(sorted(missing)))
