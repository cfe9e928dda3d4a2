"""The border between the tables and the engine under them: a few methods, and the one word in which engines differ.

The tables' SQL is one text for every engine: named or numbered parameters (``:name`` or ``?``), ``RETURNING`` in place
of counters of the driver's own, ``ON CONFLICT DO NOTHING``, ``CASE``, ``TRUE``, named subqueries.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

Row = tuple[Any, ...]
Parameters = Sequence[object] | Mapping[str, object]


class Connection(Protocol):
    """One connection to a database, used by one thread at a time.

    ``not_indexed`` comes in front of a column and keeps the engine's planner from walking that column's index; it is
    empty for an engine that needs no such word.
    """

    not_indexed: str

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

    def checkpoint(self) -> bool:
        """Leave what was deleted in no file; return False where a reader hinders that."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
