"""Finding cancellations and their events, a page at a time, newest first.

A page costs one walk down an index, however many cancellations there are; with a person and something
else, at most down all that this person asked for or decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bot.domain.audit import Event, timestamp
from bot.domain.cancellation import Cancellation
from bot.domain.lookup import Lookup
from bot.store.cancellations import Cancellations
from bot.store.connection import Connection
from bot.store.record import COLUMNS, Record

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of an answer, newest first. ``older`` is where the next page begins, or None at the end."""

    items: Sequence[T]
    older: str | None


class Lookups:
    """The look-ups over ``cancellations``, ``decisions`` and ``audit_events``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cancellations = Cancellations(connection)
        self._record = Record(connection)

    def find(
        self, lookup: Lookup, *, only_of: str | None = None, older_than: str | None = None, limit: int = 10
    ) -> Page[Cancellation]:
        """Return the cancellations that match. ``only_of`` limits them to this requester's."""
        values = _values(lookup, only_of) | {"limit": limit + 1}
        if older_than is not None:
            at, _, number = older_than.rpartition("|")
            values |= {"older_at": at, "older_number": int(number)}
        newest = "ORDER BY {0}.requested_at DESC, {0}.number DESC".format
        sql = f"SELECT c.number, c.requested_at FROM cancellations c WHERE {self._where(values)}"
        if lookup.person is None:
            sql += f" {newest('c')} LIMIT :limit"
        else:
            # Two walks, each down its own index, merged: an OR over both would sort all matches. Somebody who
            # approved and then rejected has two decisions, hence twice the limit.
            sql = (
                "SELECT number, requested_at FROM"
                f" ({sql} AND c.requester = :person {newest('c')} LIMIT :limit) AS asked"
                " UNION SELECT number, requested_at FROM (SELECT d.number, d.requested_at FROM decisions d"
                "  JOIN cancellations c ON c.number = d.number"
                f"  WHERE d.approver = :person AND {self._where(values, 'd')} {newest('d')}"
                "  LIMIT 2 * :limit) AS decided"
                " ORDER BY requested_at DESC, number DESC LIMIT :limit"
            )
        found = self._cancellations.many(row[0] for row in self._connection.execute(sql, values))
        older = None
        if len(found) > limit:
            found.pop()
            older = f"{timestamp(found[-1].requested_at)}|{found[-1].number}"
        return Page(found, older)

    def story(
        self, lookup: Lookup, *, only_of: str | None = None, older_than: str | None = None, limit: int = 10
    ) -> Page[Event]:
        """Return the events of the cancellations that match. ``lookup.order_id`` must be given."""
        values = _values(lookup, only_of)
        where = self._where(values)
        if lookup.person is not None:
            where += (
                " AND (c.requester = :person OR EXISTS (SELECT 1 FROM decisions d"
                " WHERE d.number = c.number AND d.approver = :person))"
            )
        values |= {"before": int(older_than) if older_than else 2**62, "limit": limit + 1}
        rows = self._connection.execute(
            f"SELECT {COLUMNS} FROM audit_events WHERE cancellation IN"
            f" (SELECT c.id FROM cancellations c WHERE {where}) AND seq < :before"
            " ORDER BY seq DESC LIMIT :limit",
            values,
        )
        events = self._record.with_words(rows)
        older = None
        if len(events) > limit:
            events.pop()
            older = str(events[-1].seq)
        return Page(events, older)

    def recorded_as(self, order_id: str, *, only_of: str | None = None) -> str:
        """Return the order id as it is on record, also if it was typed in another case; else return it as it is.

        ``only_of`` limits the search to this requester's, as the spelling alone tells that an order is on record.
        """
        own = "" if only_of is None else " AND requester = :only_of"
        rows = self._connection.execute(
            f"SELECT DISTINCT order_id FROM cancellations WHERE lower(order_id) = lower(:order_id){own} LIMIT 3",
            {"order_id": order_id, "only_of": only_of},
        )
        found = {str(row[0]) for row in rows}
        return found.pop() if len(found) == 1 else order_id

    def _where(self, values: dict[str, Any], timed: str = "c") -> str:
        """Return the conditions for these parameters on a cancellation ``c``.

        Its time is read from the table ``timed``, which is the one whose index is to be walked.
        """
        not_indexed = self._connection.not_indexed
        of_somebody = not_indexed if "order_id" in values else ""
        in_state = not_indexed if values.keys() & {"order_id", "person", "only_of"} else ""
        terms = {
            "order_id": "c.order_id = :order_id",
            "only_of": f"{of_somebody}c.requester = :only_of",
            "state": f"{in_state}c.state = :state",
            "since": f"{timed}.requested_at >= :since",
            "until": f"{timed}.requested_at < :until",
            "older_at": f"({timed}.requested_at, {timed}.number) < (:older_at, :older_number)",
        }
        return " AND ".join(term for name, term in terms.items() if name in values) or "TRUE"


def _values(lookup: Lookup, only_of: str | None) -> dict[str, Any]:
    """Return the filters that were given, as parameters."""
    values = {
        "order_id": lookup.order_id,
        "person": lookup.person,
        "state": lookup.state,
        "since": lookup.since and timestamp(lookup.since),
        "until": lookup.until and timestamp(lookup.until),
        "only_of": only_of,
    }
    return {name: value for name, value in values.items() if value is not None}
