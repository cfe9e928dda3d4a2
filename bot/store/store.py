"""The bot's database: one writer that all transactions pass through, and readers beside it."""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from bot import tracing
from bot.domain.audit import Event
from bot.domain.seal import PrivateKey
from bot.store.connection import Connection, Timeline
from bot.store.engine import engine_of
from bot.store.errors import StoreError, StoreProblem
from bot.store.file import Privacy
from bot.store.place import Place
from bot.store.tables import Tables

T = TypeVar("T")

_READERS = 2
_IDLE_AFTER = 2.0
"""Seconds; a desk is idle most of the time, and somebody may copy the file without its log."""
_TOGETHER = 32
"""The most transactions that share one commit; with more, each would wait too long for the others."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A transaction that waits for the writer."""

    name: str
    work: Callable[[Tables], Any]
    outcome: asyncio.Future[Any]


class Store:
    """The bot's database, with all writing on one thread and reading on others.

    Transactions that wait while another one is being committed share the next commit, because a commit costs
    more than everything else in a transaction.

    ``key`` seals the record. ``connect`` opens the writing connection in the place of the engine. ``on_commit`` is
    called with a transaction's name right after its commit; tests end the process there. ``took`` gets the seconds of
    each group commit, from its beginning to the disk. After ``idle_after`` seconds without a transaction, everything
    moves into the one file.
    ``shared`` is true where other bots may write to the same database.
    """

    def __init__(
        self,
        place: Place,
        *,
        key: PrivateKey | None = None,
        connect: Callable[[Any], Connection] | None = None,
        on_commit: Callable[[str], None] | None = None,
        took: Callable[[float], None] = lambda _: None,
        idle_after: float = _IDLE_AFTER,
    ) -> None:
        self.place = place
        self._engine = engine_of(place)
        self.shared = self._engine.shared
        self._key = key
        self._connect = connect
        self._on_commit = on_commit
        self._took = took
        self._idle_after = idle_after
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(_READERS, "store-reader")
        self._waiting: deque[_Waiting] = deque()
        self._called = False
        """True while a call of the writer that will look at everything in ``_waiting`` is on its way."""
        self._closed = False
        self.history_lost = asyncio.Event()
        """Set once the server has lost what it had confirmed, so that nothing more is written to it."""
        self._of_this_thread = threading.local()
        self._open_readers: list[Connection] = []
        self._idle: asyncio.TimerHandle | None = None
        self._tables: Tables | None = None

    @property
    def path(self) -> Path:
        """The file. Only a store in a file has one."""
        assert isinstance(self.place, Path)
        return self.place

    async def open(self) -> None:
        """Open, migrate and check the database; create it if it is not there. Raises StoreError."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._open)

    @property
    def queued(self) -> int:
        """The number of transactions that wait for the writer."""
        return len(self._waiting)

    async def transaction(self, name: str, work: Callable[[Tables], T]) -> T:
        """Return what ``work`` returns, once everything it wrote is on the disk; an exception undoes all of it.

        ``work`` may run twice (when another transaction of the same group commit fails), so it must have no side
        effects outside the database. Raises StoreError if the file fails, and whatever ``work`` raises. After a commit
        that failed (``StoreError.unsure``) nobody knows whether the next start finds what ``work`` wrote.
        """
        self._check_open()
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._rest_later()
        self._waiting.append(_Waiting(name, work, outcome))
        if not self._called:
            self._called = True
            self._writer.submit(self._run_waiting)
        with tracing.step(name):
            return await outcome

    async def beside(self, work: Callable[[Tables], T]) -> T:
        """Run one transaction over a connection of its own, also where a server has lost history. Raises StoreError."""

        def run() -> T:
            with open_beside(self.place, self._key) as tables:
                return work(tables)

        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, run)

    async def accept(self, timeline: Timeline, work: Callable[[Tables], T]) -> T:
        """Run the one transaction by which this history of the server is accepted, before any other one begins on it.

        Raises StoreError. Then the history before is still the one that counts.
        """

        def run() -> T:
            assert self._tables is not None
            connection = self._tables.connection
            before = connection.accept(timeline)
            try:
                (result,) = self._commit([waiting])
            except BaseException:
                connection.accept(before)
                raise
            found: T = result
            return found

        self._check_open()
        loop = asyncio.get_running_loop()
        waiting = _Waiting("accept", work, loop.create_future())
        try:
            return await loop.run_in_executor(self._writer, run)
        except StoreError as error:
            self._look_for_loss(error)
            raise

    async def read(self, work: Callable[[Tables], T]) -> T:
        """Return what ``work`` reads from one consistent state of the file. Raises StoreError."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def probe(self) -> None:
        """Prove with a small commit that the database can be written and has room to grow. Raises StoreError."""
        self._check_open()
        await asyncio.get_running_loop().run_in_executor(self._writer, self._beat)

    def rely_on(self, last: Event) -> None:
        """Let no transaction begin any more once a server has lost this event, which was read from it."""
        assert self._tables is not None
        self._tables.connection.rely_on((last.seq, last.hash))

    async def clock(self) -> datetime | None:
        """Return the time by the database's own clock, or None where it has none. Raises StoreError."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._clock)

    async def timeline(self) -> Timeline | None:
        """Return the history that the database's server writes now, if there is one and it says. Raises StoreError."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._timeline)

    async def tidy_up(self) -> bool:
        """Empty the log beside the file, as in a pause: what was deleted is in neither of them after that.

        Returns False where somebody who reads hinders it, or the file fails: then it is as it was.
        """
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._rest)

    async def close_to_others(self) -> Privacy:
        """Take the rights of other users off the open file, as its opening did; return how that went."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._engine.close_to_others)

    async def close(self) -> None:
        """Finish what is under way, close the file and release the lock."""
        self._closed = True
        if self._idle is not None:
            self._idle.cancel()
        # The readers first: only the last connection to close can move the log's content into the file.
        self._readers.shutdown()
        for connection in self._open_readers:
            connection.close()
        await asyncio.get_running_loop().run_in_executor(self._writer, self._close)
        self._writer.shutdown()

    def _look_for_loss(self, error: BaseException) -> None:
        if isinstance(error, StoreError) and error.problem is StoreProblem.HISTORY_LOST:
            self.history_lost.set()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(StoreProblem.CLOSED, self.place)

    def _open(self) -> None:
        with self._engine.explained():
            connection = self._engine.open_writer() if self._connect is None else self._connect(self.place)
            self._tables = Tables(connection, self._key)

    def _run_waiting(self) -> None:
        self._called = False
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _TOGETHER))]
            # A person who went away meanwhile has read an error, so nothing may happen for them later.
            self._run_together([waiting for waiting in batch if not waiting.outcome.cancelled()])

    def _run_together(self, batch: list[_Waiting]) -> None:
        """Run these in one transaction. If one of them raises, undo all and run each in a transaction of its own.

        A savepoint for each would undo it alone, but costs a quarter of the time of all that go well. If the
        file fails, it fails for all that share the commit.
        """
        if not batch:
            return
        loop, began = batch[0].outcome.get_loop(), time.perf_counter()
        try:
            results = self._commit(batch)
        except BaseException as error:  # noqa: BLE001 -- it is raised where each of them is awaited
            if len(batch) > 1 and not isinstance(error, StoreError):
                for waiting in batch:
                    self._run_together([waiting])
            else:
                loop.call_soon_threadsafe(_fail, batch, error)
                loop.call_soon_threadsafe(self._look_for_loss, error)
            return
        self._took(time.perf_counter() - began)
        if self._on_commit is not None:
            for waiting in batch:
                self._on_commit(waiting.name)
        loop.call_soon_threadsafe(_succeed, batch, results)

    def _commit(self, batch: list[_Waiting]) -> list[Any]:
        tables = self._tables
        assert tables is not None
        committing = False
        try:
            with self._engine.explained():
                tables.begin()
                try:
                    # That may have waited for another program. Who has read an error by now must not act later.
                    wanted = [waiting for waiting in batch if not waiting.outcome.cancelled()]
                    results = {id(waiting): waiting.work(tables) for waiting in wanted}
                    _check_awaited(wanted)
                    tables.seal()
                    committing = True
                    tables.connection.commit()
                except BaseException:
                    tables.connection.rollback()
                    raise
        except StoreError as error:
            error.unsure = committing and not error.undone
            raise
        return [results.get(id(waiting)) for waiting in batch]

    def _read(self, work: Callable[[Tables], T]) -> T:
        assert self._tables is not None
        with self._engine.explained():
            # A reader that opens only now would find whatever is in the file's place.
            self._tables.connection.check()
            tables: Tables | None = getattr(self._of_this_thread, "tables", None)
            if tables is None:
                tables = Tables(self._engine.open_reader())
                self._of_this_thread.tables = tables
                self._open_readers.append(tables.connection)
            tables.connection.begin_reading()
            try:
                return work(tables)
            finally:
                tables.connection.rollback()

    def _beat(self) -> None:
        assert self._tables is not None
        with self._engine.explained():
            self._tables.connection.check()
            self._engine.check_room()
            self._tables.beat(datetime.now(UTC))

    def _clock(self) -> datetime | None:
        assert self._tables is not None
        with self._engine.explained():
            return self._tables.connection.clock()

    def _timeline(self) -> Timeline | None:
        assert self._tables is not None
        with self._engine.explained():
            return self._tables.connection.timeline()

    def _close(self) -> None:
        if self._tables is not None:
            self._tables.connection.close()

    def _rest_later(self) -> None:
        """Have the file tidied up when no transaction has come for a while."""
        if self._idle is not None:
            self._idle.cancel()
        if not self._closed:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._idle_after, self._writer.submit, self._rest_now, loop)

    def _rest_now(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._rest():
            # The next pause would come only after another transaction, and perhaps no other comes.
            loop.call_soon_threadsafe(self._rest_later)

    def _rest(self) -> bool:
        assert self._tables is not None
        # What is wrong with the file is for the next transaction to say.
        with suppress(StoreError, sqlite3.Error):
            return self._tables.connection.checkpoint()
        return False


class _TooLate(Exception):
    """Somebody has read an error while their transaction was worked on; the others of its commit run again."""


def _check_awaited(batch: list[_Waiting]) -> None:
    if any(waiting.outcome.cancelled() for waiting in batch):
        raise _TooLate


def _succeed(batch: list[_Waiting], results: list[Any]) -> None:
    for waiting, result in zip(batch, results, strict=True):
        if not waiting.outcome.done():
            waiting.outcome.set_result(result)


def _fail(batch: list[_Waiting], error: BaseException) -> None:
    for waiting in batch:
        if not waiting.outcome.done():
            waiting.outcome.set_exception(error)


@contextmanager
def open_beside(place: Place, key: PrivateKey | None = None) -> Iterator[Tables]:
    """Write one transaction to a database that a bot may be running on; an exception undoes it. Raises StoreError.

    ``key`` is the bot's own, where the record is sealed.
    """
    engine = engine_of(place)
    with engine.explained():
        connection = engine.open_beside()
        try:
            tables = Tables(connection, key)
            tables.begin()
            try:
                yield tables
                tables.seal()
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        finally:
            connection.close()


@contextmanager
def open_reader(place: Place) -> Iterator[Tables]:
    """Open the database for reading only, also while the bot runs. Raises StoreError."""
    engine = engine_of(place)
    with engine.explained():
        connection = engine.open_reader()
        try:
            yield Tables(connection)
        finally:
            connection.close()
