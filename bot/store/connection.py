"""The border between the tables and the engine under them: a few methods, and the words in which engines differ.

The tables' SQL is one text for every engine: named or numbered parameters (``:name`` or ``?``), ``RETURNING`` in place
of counters of the driver's own, ``ON CONFLICT DO NOTHING``, ``CASE``, ``TRUE``, named subqueries.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Row = tuple[Any, ...]
Parameters = Sequence[object] | Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Hints:
    """Words for one engine's planner; all are empty, or plain SQL, for an engine that needs none.

    ``walk_outbox`` comes behind the table's name and makes the engine walk what is queued, in order, instead of
    everything that was ever enqueued. ``not_indexed`` comes in front of a column and keeps the engine from choosing
    its index. ``join_in_order`` joins two tables, of which the first is to be walked.
    """

    walk_outbox: str = ""
    not_indexed: str = ""
    join_in_order: str = "JOIN"


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

    def close(self) -> None:
        """Close the connection."""
        ...
