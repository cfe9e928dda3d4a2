"""A second process for a part of a long verification, because Python computes on one processor only."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bot.store import sqlite
from bot.store.projections import ALL, Seen
from bot.store.tables import Tables

PART = 2_000
"""Orders, about a tenth of a second of work: so long one process may wait for the other at the end."""
_TRIES = 3


class Second:
    """A second process that compares some of the requests, over a view of its own of the same state.

    Where it does not start, sees another state or ends early, this process compares what is left. If this process ends
    first, the other one finds their connection closed after the part that it is at, and ends as well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._parts = [ALL]

    def __enter__(self) -> Self:
        """Start the process."""
        context = get_context("spawn")
        # The system may have no room for it.
        with suppress(OSError):
            # It would let Ctrl-C through again when it starts.
            resource_tracker.ensure_running()
        with suppress(OSError), _not_interrupted():
            ours, theirs = context.Pipe()
            with theirs:
                process = context.Process(target=compare, args=(theirs, self._path), daemon=True)
                process.start()
            self._process, self._connection = process, ours
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, which only reads."""
        if self._process is not None:
            self._process.terminate()
            self._process.join()

    def begin(self, tables: Tables) -> None:
        """Begin to read the same state in both processes, and let the second one compare from the first number on."""
        for _ in range(_TRIES):
            tables.connection.rollback()
            self._send(None)
            theirs = self._receive(wait=True)
            # At once, so that hardly ever an event comes between the two.
            tables.connection.begin_reading()
            last = tables.record.last()
            if theirs is None:
                return
            if theirs == (last.seq, last.hash):
                # The other one finds the parts, as it may end where a page is broken, and this one says so.
                self._send(PART)
                (self._parts,) = self._receive(wait=True) or (self._parts,)
                return
        self._connection = None

    def seen(self, tables: Tables) -> Seen | None:
        """Return how much both have read of all requests, or None if anything contradicts them."""
        total = Seen()
        first, end = 0, len(self._parts)
        while first < end:
            received = self._receive(wait=first == end - 1)
            if received is not None:
                (seen,) = received
                first += 1
            else:
                # The other one comes from the beginning, so this one goes on from the end.
                end -= 1
                self._send(end)
                seen = tables.projections.seen(self._parts[end])
            if seen is None:
                return None
            total.add(seen)
        return total

    def _send(self, message: object) -> None:
        if self._connection is not None:
            try:
                self._connection.send(message)
            except OSError:
                self._connection = None

    def _receive(self, *, wait: bool) -> tuple[Any, ...] | None:
        """Return the next message, or None if there is none: not yet, or never again."""
        if self._connection is None:
            return None
        try:
            found: tuple[Any, ...] | None = self._connection.recv() if wait or self._connection.poll() else None
        except (OSError, EOFError):
            self._connection = None
            return None
        return found


def compare(connection: Connection, path: Path) -> None:
    """Compare one part after the other in the second process, and tell the first one what was seen."""
    # Whatever goes wrong here goes wrong in the first process as well, which then says so.
    with suppress(Exception):
        tables = Tables(sqlite.open_read_only(path))
        while (size := connection.recv()) is None:
            tables.connection.rollback()
            tables.connection.begin_reading()
            last = tables.record.last()
            connection.send((last.seq, last.hash))
        parts = tables.projections.parts(size)
        connection.send((parts,))
        end = len(parts)
        for at, numbers in enumerate(parts):
            while connection.poll():
                end = connection.recv()
            if at >= end:
                break
            connection.send((tables.projections.seen(numbers),))


@contextmanager
def _not_interrupted() -> Iterator[None]:
    """Let Ctrl-C wait, and never reach a process that is started here: this one ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
