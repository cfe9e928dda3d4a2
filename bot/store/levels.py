"""Counting what waits, for the metrics: each count goes down an index, however much there ever was."""

from dataclasses import dataclass
from datetime import datetime

from bot.domain.audit import timestamp
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.store.connection import Connection

_MOST = 1000
"""Failed orders that are looked at; with so many, one more says nothing new."""


@dataclass(frozen=True, slots=True)
class Owed:
    """The messages that the bot owes Slack, how many of them Slack refuses, and since when the oldest is owed."""

    count: int
    blocked: int
    since: datetime | None


class Levels:
    """The counts over the tables."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def pending(self) -> tuple[int, datetime | None]:
        """Return how many requests wait for a decision, and when the oldest of them was made."""
        # Not "is not null": else SQLite walks through all that there ever were.
        ((count, since),) = self._connection.execute(
            "SELECT count(*), min(requested_at) FROM requests WHERE due_at > ''"
        )
        return count, _time(since)

    def unknown(self) -> int:
        """Return how many orders have an unknown outcome."""
        sql = "SELECT count(*) FROM cancellations WHERE state = ?"
        return int(self._connection.execute(sql, (State.UNKNOWN,))[0][0])

    def failed(self, since: datetime) -> list[int]:
        """Return the numbers of the failed cancellations that were asked for from this time on, the newest first.

        Orders for which somebody has asked again are left out.
        """
        rows = self._connection.execute(
            "SELECT c.number FROM cancellations c WHERE c.state = ? AND c.requested_at >= ?"
            " AND NOT EXISTS (SELECT 1 FROM cancellations n WHERE n.order_id = c.order_id AND n.number > c.number)"
            " ORDER BY c.number DESC LIMIT ?",
            (State.FAILED, timestamp(since), _MOST),
        )
        return [number for (number,) in rows]

    def owed(self, tries: int) -> Owed:
        """Return what is owed to Slack; it is blocked after so many tries. A look for copies is owed to nobody."""
        ((count, blocked, since),) = self._connection.execute(
            "SELECT count(*), coalesce(sum(CASE WHEN tries >= ? AND problem <> '' THEN 1 ELSE 0 END), 0),"
            " min(enqueued_at) FROM deliveries WHERE status = 'queued' AND kind <> ?",
            (tries, DeliveryKind.COPIES),
        )
        return Owed(count, blocked, _time(since))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
