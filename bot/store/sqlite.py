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
from bot.store.connection import Connection, Parameters, Row
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

    def empty_log(self) -> bool:
        """Move the log beside the file into it, so that no former page is left there; False while somebody reads."""
        return bool(self.execute("PRAGMA wal_checkpoint(TRUNCATE)")[0][0] == 0)

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


def open_beside(path: Path) -> SQLite:
    """Open a bot's file for one more writer, also while the bot runs. Raises StoreError and sqlite3.Error."""
    connection = SQLite(f"{path.resolve().as_uri()}?mode=rw")
    try:
        connection.execute("PRAGMA synchronous=FULL")
        # What is deleted must be gone from its page.
        connection.execute("PRAGMA secure_delete=ON")
        _check_definitions(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def copy(source: Path, target: Path) -> None:
    """Copy a database into an empty file, as one consistent state, also while it is written to."""
    with closing(open_read_only(source)) as original, closing(sqlite3.connect(target, isolation_level=None)) as into:
        original.database.conn.backup(into)
        # One file, without a log beside it, is easier to carry.
        into.execute("PRAGMA journal_mode=DELETE")


def altered(connection: Connection) -> str:
    """Return the name of a table, index, trigger or view that is not as the bot makes it, or an empty text.

    A trigger of the right name that does nothing protects nothing, so the texts are compared.
    """
    return min(
        (name for name, *_ in _expected_definitions() ^ set(connection.execute(_DEFINITIONS))),
        default="",
    )


def complaint(connection: Connection) -> str:
    """Return an empty text where SQLite finds the database sound, else its first complaint."""
    says = str(connection.execute("PRAGMA integrity_check(1)")[0][0])
    return "" if says == "ok" else says


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


# SQLite makes statistics by itself.
_DEFINITIONS = (
    "SELECT name, type, tbl_name, coalesce(sql, '') FROM sqlite_master WHERE name NOT GLOB 'sqlite_stat[0-9]'"
)


def _expected_definitions() -> frozenset[Row]:
    with closing(Database(memory=True)) as fresh:
        schema.migrations.apply(fresh)
        return frozenset(fresh.execute(_DEFINITIONS))


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
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
    _check_definitions(connection, path)


def _check_definitions(connection: Connection, path: Path) -> None:
    if changed := altered(connection):
        raise StoreError(StoreProblem.SCHEMA_ALTERED, path, changed)
