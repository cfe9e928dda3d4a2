"""Everything in one database, brought into another one that is empty, as it was in one moment.

The events come in their order and pass the guards of the new record, so the head is the same on both sides.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from sqlite_utils import Database

from bot.domain.verification import Verification
from bot.store import schema
from bot.store.connection import Connection
from bot.store.engine import Engine, engine_of
from bot.store.errors import StoreError, StoreProblem
from bot.store.place import Place
from bot.store.tables import Tables
from bot.store.verification import verify, verify_all

_TABLES = (
    "people",
    "requests",
    "cancellations",
    "decisions",
    "attempts",
    "audit_events",
    "seals",
    "tree_blocks",
    "words",
    "digest",
    "deliveries",
    "rates",
    "homes",
    "signatures",
)
"""The tables in an order in which no row names one that is not there yet. Heartbeats stay behind."""
_AT_A_TIME = 200
_LOOKS, _BETWEEN_LOOKS = 10, 0.1
"""So often, and seconds between two of them, for a bot that has just ended."""


class Unsound(Exception):
    """A database does not pass its checks, for what ``verification`` says, so nothing was moved."""

    def __init__(self, place: Place, verification: Verification) -> None:
        super().__init__(str(place))
        self.place, self.verification = place, verification


def transfer(source: Connection, target: Connection) -> None:
    """Copy all rows, inside a transaction of each. The target must be empty."""
    for table, columns, key in _columns():
        names, marks = ", ".join(columns), f"({', '.join('?' * len(columns))})"
        rows = source.stream(f"SELECT {names} FROM {table} ORDER BY {key}")
        while some := list(islice(rows, _AT_A_TIME)):
            target.execute(
                f"INSERT INTO {table} ({names}) VALUES {', '.join([marks] * len(some))}",
                [value for row in some for value in row],
            )


def _columns() -> Iterator[tuple[str, list[str], str]]:
    """Yield each table with its columns and the key by which its rows are in order."""
    with closing(Database(memory=True)) as fresh:
        schema.migrations.apply(fresh)
        for name in _TABLES:
            # What SQLite generates is not in this list.
            table = fresh.table(name)
            yield name, [column.name for column in table.columns], ", ".join(table.pks)


def move(source: Place, target: Place) -> Verification:
    """Bring everything from one database into another, with the source locked; return what the target holds.

    Raises StoreError (BUSY where a bot runs on the source, NOT_EMPTY) and Unsound; nothing has changed then.
    """
    with _locked(source) as old:
        found = verify(Tables(old))
        if found.damage is not None:
            raise Unsound(source, found)
        engine = engine_of(target)
        with engine.explained(), closing(engine.open_writer()) as new:
            new.begin()
            engine.take_time(new)
            try:
                _check_empty(new, target)
                transfer(old, new)
                engine.filled(new)
                _check_same(target, verify(Tables(new)), found)
            except BaseException:
                new.rollback()
                raise
            new.commit()
    return verify_all(target)


@contextmanager
def _locked(source: Place) -> Iterator[Connection]:
    """Yield the source, on which nobody else can write meanwhile."""
    engine = engine_of(source)
    if isinstance(source, Path) and not source.exists():
        raise StoreError(StoreProblem.MISSING, source)
    if _stays_in_use(engine):
        raise StoreError(StoreProblem.BUSY, source)
    with engine.explained(), closing(engine.open_writer()) as connection:
        connection.begin()
        engine.take_time(connection)
        try:
            yield connection
        finally:
            connection.rollback()


def _check_same(target: Place, moved: Verification, found: Verification) -> None:
    if moved.damage is not None or moved.head != found.head:
        raise Unsound(target, moved)


def _check_empty(connection: Connection, target: Place) -> None:
    if any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1") for table in _TABLES):
        raise StoreError(StoreProblem.NOT_EMPTY, target)


def _stays_in_use(engine: Engine) -> bool:
    """Return True where a bot runs on it. A server lists a bot that has just ended for a moment longer."""
    for _ in range(_LOOKS):
        if not engine.in_use():
            return False
        time.sleep(_BETWEEN_LOOKS)
    return engine.in_use()
