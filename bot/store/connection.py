"""The border between the tables and the engine under them: a few methods, and the few words in which engines differ.

The tables' SQL is one text for every engine. Parameters are ``:name`` or ``?``. ``RETURNING`` stands in place of the
driver's own counters, and ``ON CONFLICT DO NOTHING``, ``CASE`` and ``TRUE`` in place of one engine's words. Every
subquery has a name, no list of values is empty (``among``), and a column that an upsert reads has its table's name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

Row = tuple[Any, ...]
Parameters = Sequence[object] | Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Hints:
    """The words in which the engines' SQL differs.

    ``not_indexed`` comes in front of a column and keeps the planner from walking that column's index. ``in_order``
    joins two tables so that the planner begins with the first. An engine that plans by statistics needs neither.
    ``voided`` is a table with one column ``value``: the people whose approvals an event has voided, by its column
    ``data``. It is empty where somebody has written anything else into that column.
    """

    not_indexed: str
    in_order: str
    voided: str


def among(column: str, count: int) -> str:
    """Return the condition that a column has one of so many values, for as many parameters ``?``."""
    # An empty list is an error of syntax for all engines but SQLite.
    return f"{column} IN ({', '.join('?' * count)})" if count else "FALSE"


class Timeline(NamedTuple):
    """The history that a server writes: its ``number`` grows whenever a standby takes over.

    ``replicated`` is true where each commit waits for every standby that could take over.
    """

    number: int
    replicated: bool


class Connection(Protocol):
    """One connection to a database, used by one thread at a time."""

    hints: Hints

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement and return all of its rows."""
        ...

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run one statement and yield its rows one at a time, at constant memory."""
        ...

    def begin(self) -> None:
        """Begin a transaction that may write, and wait for its turn."""
        ...

    def begin_reading(self) -> None:
        """Begin a transaction in which every read sees the same state."""
        ...

    def commit(self) -> None:
        """Return once everything since ``begin`` is on the disk."""
        ...

    def rollback(self) -> None:
        """Undo everything since ``begin``."""
        ...

    def check(self) -> None:
        """Raise StoreError unless the next start will find what was committed."""
        ...

    def rely_on(self, head: Row) -> None:
        """Let no transaction begin any more once a server has lost the event of this number and hash.

        Any thread may say so. A file that lacks one is damaged.
        """
        ...

    def checkpoint(self) -> bool:
        """Leave what was deleted in no file; return False where a reader hinders that."""
        ...

    def altered(self) -> str:
        """Return the name of a table, index, trigger or view that is not as the bot makes it, or an empty text."""
        ...

    def complaint(self) -> str:
        """Return an empty text where the engine finds the database sound, else its first complaint."""
        ...

    def clock(self) -> datetime | None:
        """Return the time by the engine's own clock, or None where that is this machine's."""
        ...

    def begun_at(self) -> datetime | None:
        """Return the time by the engine's own clock at the beginning of the transaction; None as for ``clock``."""
        ...

    def timeline(self) -> Timeline | None:
        """Return the history that the server writes now, or None for a file and where the server does not say."""
        ...

    def accept(self, timeline: Timeline | None) -> Timeline | None:
        """Let no transaction that may write begin on another history than this one; return the one before."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
