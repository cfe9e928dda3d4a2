"""The SQLite file: opening it safely, and one writer that all transactions pass through."""

import asyncio
import fcntl
import os
import shutil
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database

from bot.domain.audit import timestamp
from bot.store.errors import FREE_SPACE, Busy, Damaged, NewerSchema, StoreError, Unusable, explained
from bot.store.migrations import AUDIT_TRIGGERS, migrations
from bot.store.reading import Reader
from bot.store.transaction import Memory, Transaction

T = TypeVar("T")

_BUSY_SECONDS = 5.0
_READERS = 2
_ROOM = 1024 * 1024
"""So many bytes must be free for the bot to be called ready; the largest request takes a tenth of it."""
_TOGETHER = 32
"""So many transactions share one commit at most, so that nobody waits long for those of others."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A transaction that waits for the writer."""

    name: str
    use: Callable[[Transaction], Any]
    outcome: asyncio.Future[Any]


class Store:
    """The bot's file, with all writing on one thread and reading beside it.

    Transactions that wait while another one is being committed share the next commit: making sure that
    something is on the disk costs more than everything else.

    ``on_commit`` is called with a transaction's name right after its commit; tests end the process there.
    """

    def __init__(self, path: Path, *, on_commit: Callable[[str], None] | None = None) -> None:
        self.path = path
        self._on_commit = on_commit
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(_READERS, "store-reader")
        self._waiting: deque[_Waiting] = deque()
        self._closed = False
        self._called = False
        """Whether the writer will look at all who wait by now."""
        self._memory = Memory()
        self._local = threading.local()
        self._open_readers: list[sqlite3.Connection] = []
        self._lock: int | None = None
        self._db: Database

    async def open(self) -> None:
        """Lock, open, migrate and check the file; it is created with its folder if it is not there.

        Raises StoreError.
        """
        await asyncio.get_running_loop().run_in_executor(self._writer, self._open)

    async def transaction(self, name: str, use: Callable[[Transaction], T]) -> T:
        """What ``use`` returns, once all that it wrote is on the disk; whatever it raises undoes it all.

        ``use`` may be called again if another transaction that shared its commit raised. Raises StoreError if the
        file fails.
        """
        self._check_open()
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(name, use, outcome))
        if not self._called:
            self._called = True
            self._writer.submit(self._run_waiting)
        return await outcome

    async def read(self, use: Callable[[Reader], T]) -> T:
        """What ``use`` returns, from one consistent state of the file. Raises StoreError."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, use)

    async def probe(self) -> None:
        """Prove with a small commit that the file can be written, and has room to grow. Raises StoreError if not."""
        self._check_open()
        await asyncio.get_running_loop().run_in_executor(self._writer, self._beat)

    async def close(self) -> None:
        """Finish what is under way, close the file and let go of the lock."""
        self._closed = True
        # The readers first: only the last connection to leave can move the log's content into the file.
        self._readers.shutdown()
        for connection in self._open_readers:
            connection.close()
        await asyncio.get_running_loop().run_in_executor(self._writer, self._close)
        self._writer.shutdown()

    def _check_open(self) -> None:
        if self._closed:
            msg = f"{self.path}: the bot is stopping, and has closed it."
            raise Unusable(msg)

    def _open(self) -> None:
        with explained(self.path):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock(self.path)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = Database(_connect(f"{self.path.resolve().as_uri()}?mode=rw"))
            # For a new file. A commit writes every page that it touched in full, and most rows are short.
            self._db.execute("PRAGMA page_size=2048")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._migrate()

    def _migrate(self) -> None:
        known = {migration.name for migration in migrations.pending(Database(memory=True))}
        applied = {migration.name for migration in migrations.applied(self._db)}
        if applied - known:
            msg = (
                f"{self.path}: a newer version of the bot has changed this file"
                f" ({', '.join(sorted(applied - known))}). Start that version, or an earlier backup."
            )
            raise NewerSchema(msg)
        # One outer transaction, so that a crash leaves either the old version or the new.
        self._db.execute("BEGIN IMMEDIATE")
        try:
            migrations.apply(self._db)
            missing = set(AUDIT_TRIGGERS) - {trigger.name for trigger in self._db.triggers}
        except BaseException:
            self._db.rollback()
            raise
        self._db.commit()
        if missing:
            msg = (
                f"{self.path}: the record's guards are gone ({', '.join(sorted(missing))}); someone has"
                " altered the tables. Check the record with `python -m bot audit verify` and go back to a backup."
            )
            raise Damaged(msg)

    def _run_waiting(self) -> None:
        self._called = False
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _TOGETHER))]
            self._run_together([waiting for waiting in batch if not waiting.outcome.cancelled()])

    def _run_together(self, batch: list[_Waiting]) -> None:
        """Run these in one transaction. If one of them raises, all are undone and run again, each in one of its own.

        A savepoint for each would undo it alone, but costs a quarter of the time of all that go well. If the
        file fails, it fails for all that share the commit.
        """
        if not batch:
            return
        loop = batch[0].outcome.get_loop()
        try:
            with explained(self.path):
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    transaction = Transaction(self._db, self._memory)
                    results = [waiting.use(transaction) for waiting in batch]
                    self._db.commit()
                except BaseException:
                    self._memory = Memory()
                    self._db.rollback()
                    raise
        except BaseException as error:  # noqa: BLE001 -- it is raised where each of them is awaited
            if len(batch) > 1 and not isinstance(error, StoreError):
                for waiting in batch:
                    self._run_together([waiting])
            else:
                loop.call_soon_threadsafe(_fail, batch, error)
            return
        if self._on_commit is not None:
            for waiting in batch:
                self._on_commit(waiting.name)
        loop.call_soon_threadsafe(_succeed, batch, results)

    def _read(self, use: Callable[[Reader], T]) -> T:
        with explained(self.path):
            if not hasattr(self._local, "db"):
                self._local.db = _read_only(self.path)
                self._open_readers.append(self._local.db.conn)
            db: Database = self._local.db
            db.execute("BEGIN")
            try:
                return use(Reader(db))
            finally:
                db.rollback()

    def _beat(self) -> None:
        with explained(self.path):
            if (free := shutil.disk_usage(self.path.parent).free) < _ROOM:
                msg = f"{self.path}: only {free // 1024} KiB are left on its disk. {FREE_SPACE}"
                raise Unusable(msg)
            self._db.execute(
                "INSERT INTO heartbeat VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at",
                [timestamp(datetime.now(UTC))],
            )

    def _close(self) -> None:
        if hasattr(self, "_db"):
            self._db.close()
        if self._lock is not None:
            os.close(self._lock)


def _succeed(batch: list[_Waiting], results: list[Any]) -> None:
    for waiting, result in zip(batch, results, strict=True):
        if not waiting.outcome.done():
            waiting.outcome.set_result(result)


def _fail(batch: list[_Waiting], error: BaseException) -> None:
    for waiting in batch:
        if not waiting.outcome.done():
            waiting.outcome.set_exception(error)


@contextmanager
def open_reader(path: Path) -> Iterator[tuple[Reader, Database]]:
    """The file for reading only, also while the bot runs, with the raw database for checks.

    Raises StoreError.
    """
    with explained(path):
        if not path.exists():
            msg = f"{path}: there is no such file. Is DATABASE_URL the one that the bot runs with?"
            raise Unusable(msg)
        db = _read_only(path)
        try:
            yield Reader(db), db
        finally:
            db.close()


def _read_only(path: Path) -> Database:
    return Database(_connect(f"{path.resolve().as_uri()}?mode=ro"), recursive_triggers=False)


def _connect(uri: str) -> sqlite3.Connection:
    # Threads are kept apart by the executors; isolation_level=None leaves every BEGIN to us.
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def _lock(path: Path) -> int:
    """Hold a lock beside the file for as long as the process lives; the system lets go when it dies."""
    descriptor = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        msg = f"{path}: another bot is running on this file. Stop it first; two would do everything twice."
        raise Busy(msg) from None
    return descriptor
