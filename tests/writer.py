"""The writer of a store, within reach of a test."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime

from bot.store import Store, Tables, Timeline
from bot.store.connection import Connection, Hints, Parameters, Row
from bot.store.engine import engine_of
from bot.store.place import Place
from bot.store.sqlite import SQLite


class Through:
    """A connection that passes everything on to ``front``, for the tests that change some of it on the way."""

    hints: Hints
    front: Connection

    def __init__(self, front: Connection) -> None:
        self.hints, self.front = front.hints, front

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement."""
        return self.front.execute(sql, parameters)

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run one statement and yield its rows."""
        return self.front.stream(sql, parameters)

    def begin(self) -> None:
        """Begin a transaction that may write."""
        self.front.begin()

    def begin_reading(self) -> None:
        """Begin a transaction that reads."""
        self.front.begin_reading()

    def commit(self) -> None:
        """Commit."""
        self.front.commit()

    def rollback(self) -> None:
        """Undo everything since ``begin``."""
        self.front.rollback()

    def check(self) -> None:
        """Check that the file is still there."""
        self.front.check()

    def rely_on(self, head: Row) -> None:
        """Let nothing begin without this event."""
        self.front.rely_on(head)

    def checkpoint(self) -> bool:
        """Move the log into the file."""
        return self.front.checkpoint()

    def altered(self) -> str:
        """Look for altered definitions."""
        return self.front.altered()

    def complaint(self) -> str:
        """Let the engine check itself."""
        return self.front.complaint()

    def clock(self) -> datetime | None:
        """Return the engine's time."""
        return self.front.clock()

    def begun_at(self) -> datetime | None:
        """Return the engine's time at the beginning."""
        return self.front.begun_at()

    def timeline(self) -> Timeline | None:
        """Return the server's history."""
        return self.front.timeline()

    def accept(self, timeline: Timeline | None) -> Timeline | None:
        """Write on this history alone."""
        return self.front.accept(timeline)

    def close(self) -> None:
        """Close the connection."""
        self.front.close()


class Writer(Through):
    """A writing connection that a test can look through, and put another connection in front of.

    Give ``open`` to ``Store(connect=…)``. ``connection`` is the connection itself, from then on; what the store does
    goes through ``front``, which is ``connection`` until a test replaces it.
    """

    connection: Connection

    def __init__(self) -> None:
        """Begin without a connection, until the store opens one."""

    def open(self, place: Place) -> Connection:
        """Open the database as the bot does."""
        self.connection = self.front = engine_of(place).open_writer()
        self.hints = self.connection.hints
        return self

    @property
    def sqlite(self) -> SQLite:
        """The connection to a file."""
        assert isinstance(self.connection, SQLite)
        return self.connection


@asynccontextmanager
async def busy(store: Store) -> AsyncIterator[None]:
    """Keep the store's writer busy while the block runs, so that transactions have to wait."""
    began, released = threading.Event(), threading.Event()

    def hold(_: Tables) -> None:
        began.set()
        released.wait()

    holding = asyncio.create_task(store.transaction("hold", hold))
    try:
        while not began.is_set():  # noqa: ASYNC110 -- the writer is another thread
            await asyncio.sleep(0)
        yield
    finally:
        released.set()
    await holding
