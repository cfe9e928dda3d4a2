"""SQLite: how the file is opened, locked, checked and copied.

Settings measured on a local disk: a commit takes about 0.4 ms with ``synchronous=FULL`` in WAL mode.
"""

import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from bot.store import schema
from bot.store.connection import Connection, Hints, Parameters, Row, Timeline
from bot.store.errors import StoreError, StoreProblem
from bot.store.file import APPLICATION_ID, File, check_log, keep_log
from bot.store.format import can_hold_something

_BUSY_SECONDS = 5.0
_LOOKS = 3
_BETWEEN_LOOKS = 0.05
"""Seconds."""
_COMMANDS_TAKE = 1.0
"""Seconds. A command that writes beside no bot has the lock for less, and a bot that starts then is no second one."""


HINTS = Hints(
    # SQLite takes all conditions for equally rare; a plus keeps it from walking through what is common.
    not_indexed="+",
    in_order="CROSS JOIN",
    voided="json_each(CASE WHEN json_valid(data) THEN data ELSE '{}' END, '$.approvers')",
)


class SQLite:
    """A connection to one SQLite file. ``database`` is sqlite-utils' view of it, for the schema and for checks.

    ``file`` is the locked file, for the one connection that writes; it is closed with the connection.
    """

    hints = HINTS

    def __init__(self, uri: str, file: File | None = None) -> None:
        self.file = file
        self._changes = 0
        # Threads are kept apart by the store's executors; isolation_level=None leaves every BEGIN to us.
        self._connection = sqlite3.connect(
            uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA foreign_keys=ON")
        self.database = Database(self._connection, recursive_triggers=False)

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement and return all of its rows. Outside of a transaction it is one by itself."""
        # Fetched to the end: a half-read RETURNING would keep the transaction open.
        rows = self._connection.execute(sql, parameters).fetchall()
        if not self._connection.in_transaction:
            self.check()
        return rows

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run one statement and yield its rows one at a time."""
        return iter(self._connection.execute(sql, parameters))

    def begin(self) -> None:
        """Begin a transaction that may write. Raises StoreError where it would be lost."""
        self.check()
        # IMMEDIATE: a deferred one that reads first and writes later fails where another program has written since.
        self._connection.execute("BEGIN IMMEDIATE")
        self._changes = self._connection.total_changes

    def begin_reading(self) -> None:
        """Begin a transaction in which every read sees the same state."""
        self._connection.execute("BEGIN")

    def commit(self) -> None:
        """Return once everything since ``begin`` is on the disk, in the file that the next start opens.

        Raises StoreError where it is not.
        """
        self._connection.commit()
        # Only now: somebody may have deleted the file just before, and then nobody may be told that this was kept.
        self.check()
        if self.file is not None and self._connection.total_changes > self._changes and self.file.whole:
            # It is committed, whatever becomes of the mark.
            with suppress(sqlite3.Error):
                self.mark(whole=False)
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            # Into the log: the file says it as soon as it has the rest of the log as well.
            with suppress(sqlite3.Error):
                self.mark(whole=True)

    def check(self) -> None:
        """Raise StoreError unless the next start will find what was committed."""
        if self.file is not None:
            self.file.check()

    def rely_on(self, head: Row) -> None:
        """Do nothing: no other machine takes over with an older file."""

    def checkpoint(self) -> bool:
        """Move everything into the one file and empty the log; return False where another program hinders that.

        After that, what was deleted is in neither of them.
        """
        self.check()
        if self.file is None or self.file.log_is_empty:
            return True
        # Without waiting, as everybody else would have to wait too.
        self._connection.execute("PRAGMA busy_timeout=0").fetchall()
        try:
            self.mark(whole=True)
            ((hindered, _, _),) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return False
        finally:
            self._connection.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000:.0f}").fetchall()
        return not hindered

    def mark(self, *, whole: bool) -> None:
        """Write a new mark into the header, which says whether the file without its log holds everything."""
        ((mark,),) = self._connection.execute("PRAGMA user_version").fetchall()
        # In steps of one, so that each mark in a log tells which one was before it.
        for step in range(mark + 1, mark + 2 + (whole == (mark % 2 == 0))):
            if self.file is not None:
                self.file.newest_mark = step
            self._connection.execute(f"PRAGMA user_version={step}").fetchall()

    @property
    def user_version(self) -> int:
        """The mark in the header, which says whether the file without its log holds everything."""
        return int(self.execute("PRAGMA user_version")[0][0])

    @property
    def is_ours(self) -> bool:
        """True for a file that a bot has made."""
        return self.execute("PRAGMA application_id") == [(APPLICATION_ID,)]

    def altered(self) -> str:
        """Return the name of something that is not as the bot makes it, or an empty text.

        A trigger of the right name that does nothing protects nothing, so the texts are compared. So is what a start
        goes by: the migrations in the file, and the mark in its header.
        """
        with closing(Database(memory=True)) as fresh:
            schema.migrations.apply(fresh)
            for query in (_DEFINITIONS, _MIGRATIONS):
                if differing := set(fresh.execute(query)) ^ set(self.execute(query)):
                    return str(min(name for name, *_ in differing))
        return "" if self.is_ours else "application_id"

    def complaint(self) -> str:
        """Return an empty text where SQLite finds the database sound, else its first complaint."""
        says = str(self.execute("PRAGMA integrity_check(1)")[0][0])
        return "" if says == "ok" else says

    def clock(self) -> datetime | None:
        """Return None: SQLite runs in this process."""
        return None

    def begun_at(self) -> datetime | None:
        """Return None, as ``clock`` does."""
        return None

    def timeline(self) -> Timeline | None:
        """Return None: nothing takes a file over but people."""
        return None

    def accept(self, timeline: Timeline | None) -> Timeline | None:
        """Return what it gets: a file has none."""
        return timeline

    def rollback(self) -> None:
        """Undo everything since ``begin``."""
        self._connection.rollback()

    def close(self) -> None:
        """Close the connection. SQLite then moves its log into the file, unless that is not its file any more."""
        if self.file is None:
            self._connection.close()
            return
        try:
            self.file.check()
        except StoreError:
            self.file.keep_log()
        self._connection.close()
        self.file.close()


def open_writer(path: Path, *, patience: float = _COMMANDS_TAKE) -> SQLite:
    """Open and lock the file for writing, create it if need be, and bring it to this version's schema.

    ``patience`` is how many seconds another holder of the lock gets: a bot keeps it, a command does not. A file that is
    refused stays as it is. Raises StoreError, sqlite3.Error and OSError; the store explains the last two.
    """
    file = File(path, patience=patience)
    try:
        connection = SQLite(f"{path.resolve().as_uri()}?mode=rw", file)
    except BaseException:
        file.close()
        raise
    try:
        # For a new file. A commit writes every page that it touched in full, and most rows are short.
        connection.execute("PRAGMA page_size=2048")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        # Before there is a log: the file then has a name and all tables from its first moment.
        _migrate(connection, path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.mark(whole=True)
        file.remember()
    except BaseException:
        file.keep_log()
        connection.close()
        raise
    return connection


def open_read_only(path: Path, *, at_rest: bool = False) -> SQLite:
    """Open the file for reading; any write through this connection fails.

    Where it is ``at_rest``, so that nobody writes it, an empty log is not made beside it.

    Raises StoreError where the log with the newest changes is missing or damaged, or belongs to another file: what is
    left must not look like all there is.
    """
    address, log = f"{path.resolve().as_uri()}?mode=ro", Path(f"{path.resolve()}-wal")
    for looks_left in reversed(range(_LOOKS)):
        size = path.stat().st_size
        # Through SQLite, as closing a descriptor of our own would give up its locks on the file. It makes no
        # empty log this way, which would look like the one that is missing.
        mark, ours = None, True
        try:
            with closing(SQLite(f"{address}&immutable=1")) as look:
                mark, ours = look.user_version, look.is_ours
        except sqlite3.DatabaseError:
            # In the middle of a checkpoint, the header counts pages that are in the log alone.
            if not can_hold_something(log):
                raise
        try:
            if ours:
                check_log(path, log, mark, size)
            break
        except StoreError:
            if not looks_left:
                raise
            # A bot that runs may have begun a new log between the looks at both.
            time.sleep(_BETWEEN_LOOKS)
    return SQLite(f"{address}&immutable=1" if at_rest and not can_hold_something(log) else address)


class _Beside(SQLite):
    """A second writing connection, beside a bot that runs."""

    def __init__(self, path: Path) -> None:
        # Closed after SQLite's own descriptors, as that gives up the locks that SQLite has on the file.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        # If the bot dies now, this must not be the one that moves the log into the file: the marks are the bot's.
        keep_log(self._descriptor)
        super().__init__(f"{path.resolve().as_uri()}?mode=rw")

    def checkpoint(self) -> bool:
        """Move everything into the one file and empty the log; return False where a reader hinders that for long."""
        ((hindered, _, _),) = self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return not hindered

    def close(self) -> None:
        """Close the connection."""
        super().close()
        os.close(self._descriptor)


def open_beside(path: Path) -> SQLite:
    """Open a bot's file for writing, also while the bot runs. Raises StoreError, OSError and sqlite3.Error."""
    try:
        return open_writer(path, patience=0)
    except StoreError as error:
        if error.problem is not StoreProblem.BUSY:
            raise
    connection = _Beside(path)
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


# SQLite makes statistics by itself, and Litestream two tables, which nothing of ours reads. A trigger or an index on
# them counts as any other.
_DEFINITIONS = (
    "SELECT name, type, tbl_name, coalesce(sql, '') FROM sqlite_master WHERE name NOT GLOB 'sqlite_stat[0-9]'"
    " AND NOT (type = 'table' AND name IN ('_litestream_seq', '_litestream_lock'))"
)

_MIGRATIONS = f"SELECT '{schema.migrations.migrations_table}', migration_set, name FROM _sqlite_migrations"


def _migrate(connection: SQLite, path: Path) -> None:
    database = connection.database
    # Only now, as SQLite first undoes what was interrupted.
    is_new = connection.execute("PRAGMA page_count") == [(0,)]
    if not is_new and (not database["audit_events"].exists() or _lacks_events(connection)):
        raise StoreError(StoreProblem.EMPTIED, path)
    with closing(Database(memory=True)) as empty:
        known = [migration.name for migration in schema.migrations.pending(empty)]
    applied = {migration.name for migration in schema.migrations.applied(database)}
    if newer := applied - set(known):
        raise StoreError(StoreProblem.NEWER_SCHEMA, path, ", ".join(sorted(newer)))
    if not is_new and (not applied or applied != set(known[: len(applied)])):
        # What is in the file would be made a second time.
        raise StoreError(StoreProblem.SCHEMA_ALTERED, path, schema.migrations.migrations_table)
    # One outer transaction, so that a crash leaves either the old version or the new one.
    connection.begin()
    try:
        schema.migrations.apply(database)
        if is_new:
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={secrets.randbelow(1 << 29) * 2}")
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
    _check_definitions(connection, path)


def _check_definitions(connection: Connection, path: Path) -> None:
    if changed := connection.altered():
        raise StoreError(StoreProblem.SCHEMA_ALTERED, path, changed)


def _lacks_events(connection: SQLite) -> bool:
    """Return True where there are requests and no event at all, while every one of them has an event."""
    sql = "SELECT EXISTS (SELECT * FROM requests) AND NOT EXISTS (SELECT * FROM audit_events)"
    return bool(connection.execute(sql)[0][0])
