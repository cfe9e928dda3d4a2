"""The engine under a store: how it is opened and closed, and what it alone has to do."""

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from bot.store import file, sqlite
from bot.store.connection import Connection
from bot.store.errors import StoreError, StoreProblem, explained
from bot.store.file import Privacy
from bot.store.place import Place

_ROOM = 1024 * 1024
"""Bytes that must be free for the bot to be ready; the largest request takes a tenth of it."""


class Engine(Protocol):
    """The way to one database. ``shared`` is true where several bots may write to it at once."""

    shared: bool

    def open_writer(self) -> Connection:
        """Open it for a bot, and create it if need be. Raises StoreError and what ``explained`` explains."""
        ...

    def open_beside(self) -> Connection:
        """Open it for a command that writes, also while bots run."""
        ...

    def open_reader(self) -> Connection:
        """Open it for reading."""
        ...

    def take_time(self, connection: Connection) -> None:
        """Let the transaction on this connection take as long as it needs, while everybody else waits."""
        ...

    def filled(self, connection: Connection) -> None:
        """Let the engine find out what is in its tables, after rows were written with the numbers that they had."""
        ...

    def explained(self) -> AbstractContextManager[None]:
        """Turn what the engine raises into a StoreError."""
        ...

    def prepare(self, role: str | None) -> None:
        """Make the tables, and give this role on a server the rights of a bot."""
        ...

    def check_room(self) -> None:
        """Raise StoreError where there is little room to grow."""
        ...

    def close_to_others(self) -> Privacy:
        """Take the rights of other users off the files; return how that went."""
        ...

    def in_use(self) -> bool:
        """Return True where a bot runs on it, as far as that can be seen."""
        ...


def engine_of(place: Place) -> Engine:
    """Return the engine for this place. Raises StoreError where its library is not installed."""
    if isinstance(place, Path):
        return _SQLite(place)
    try:
        from bot.store.postgres_engine import PostgreSQL
    except ModuleNotFoundError as error:
        raise StoreError(StoreProblem.NO_DRIVER, place) from error
    return PostgreSQL(place)


def prepare(place: Place, role: str | None = None) -> None:
    """Make the tables, or bring them to this version; give this role on a server the rights of a bot.

    Raises StoreError.
    """
    engine = engine_of(place)
    with engine.explained():
        engine.prepare(role)


def in_use(place: Place) -> bool:
    """Return True where a bot runs on this database. Not for a process that has its file open itself."""
    return engine_of(place).in_use()


class _SQLite:
    """One file."""

    shared = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def open_writer(self) -> Connection:
        """Lock, open, migrate and check the file; create it, and its folder, if it is not there."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return sqlite.open_writer(self._path)

    def open_beside(self) -> Connection:
        """Open a file that is there, also while a bot has it open."""
        self._check_there()
        return sqlite.open_beside(self._path)

    def open_reader(self) -> Connection:
        """Open a file that is there."""
        self._check_there()
        return sqlite.open_read_only(self._path)

    def prepare(self, role: str | None) -> None:  # noqa: ARG002 -- a file knows no roles
        """Make the tables."""
        self.open_writer().close()

    def take_time(self, connection: Connection) -> None:
        """Do nothing: SQLite sets no limit."""

    def filled(self, connection: Connection) -> None:
        """Do nothing: SQLite looks for the last number."""

    def explained(self) -> AbstractContextManager[None]:
        """Explain what SQLite and the operating system raise."""
        return explained(self._path)

    def check_room(self) -> None:
        """Look at the file's disk."""
        if (free := shutil.disk_usage(self._path.parent).free) < _ROOM:
            raise StoreError(StoreProblem.NEARLY_FULL, self._path, str(free // 1024))

    def close_to_others(self) -> Privacy:
        """Take the rights off the file and off those beside it."""
        return file.close_to_others(self._path.resolve())

    def in_use(self) -> bool:
        """Look at the file's lock. Not for a process that has the file open itself."""
        return file.in_use(self._path)

    def _check_there(self) -> None:
        if not self._path.exists():
            raise StoreError(StoreProblem.MISSING, self._path)
