"""The append-only record."""

from collections.abc import Iterator
from datetime import datetime

from bot.domain.audit import GENESIS, Event, timestamp
from bot.domain.cancellation import Cancellation
from bot.domain.events import Content, to_json
from bot.store.connection import Connection

COLUMNS = "seq, at, kind, cancellation, order_id, actor, data, prev_hash, hash"


class Record:
    """The table ``audit_events``. Triggers refuse every change but an event that follows from the last one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def append(self, content: Content, actor: str, at: datetime, about: Cancellation | None = None) -> Event:
        """Append one event. ``actor`` is a Slack user id, or ``audit.BOT``."""
        last = self.last()
        event = Event(
            seq=last.seq + 1,
            at=timestamp(at),
            kind=content.kind,
            cancellation=about.id if about else "",
            order_id=about.order_id if about else "",
            actor=actor,
            data=to_json(content),
            prev_hash=last.hash,
        ).sealed()
        self._connection.execute(f"INSERT INTO audit_events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", event)
        return event

    def last(self) -> Event:
        """Return the last event; for an empty record an event number 0 with the genesis hash."""
        rows = self._connection.execute(f"SELECT {COLUMNS} FROM audit_events ORDER BY seq DESC LIMIT 1")
        return Event._make(rows[0]) if rows else Event(0, "", "", "", "", "", "", "", GENESIS)

    def event(self, seq: int) -> Event:
        """Return the event of this number, which must exist."""
        (row,) = self._connection.execute(f"SELECT {COLUMNS} FROM audit_events WHERE seq = ?", (seq,))
        return Event._make(row)

    def all(self) -> Iterator[Event]:
        """Yield the whole record from its first event, one at a time."""
        return map(Event._make, self._connection.stream(f"SELECT {COLUMNS} FROM audit_events ORDER BY seq"))

    def has(self, cancellation: Cancellation, kind: type[Content]) -> bool:
        """Return True where the record has an event of this kind about this cancellation."""
        sql = "SELECT 1 FROM audit_events WHERE cancellation = ? AND kind = ? LIMIT 1"
        return bool(self._connection.execute(sql, (cancellation.id, kind.kind)))
