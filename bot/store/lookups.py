"""Finding requests and their events, a page at a time, newest first.

A page costs one walk down an index, however many requests there are; with a person and something
else, at most down all that this person asked for or decided; with a reason of the list, down all that it is not the
reason of as well.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from bot.domain.audit import Event, timestamp
from bot.domain.lookup import Lookup
from bot.domain.request import Request
from bot.store.connection import Connection
from bot.store.record import COLUMNS, Record
from bot.store.requests import Requests
from bot.store.schema import ACTS, VOIDED

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of an answer, newest first. ``older`` is where the next page begins, or None at the end.

    ``newer`` is where the page before ends. ``newest``, ``before`` and ``total`` are known once all that match were
    counted: the first row of all pages, how many rows are newer than this page's, and how many there are.
    """

    items: Sequence[T]
    older: str | None
    newer: str | None = None
    newest: str | None = None
    before: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """The part of an answer that somebody wants, each end by the key of a row, or None for no end.

    The row of ``newest`` belongs to it, those of ``older_than`` and ``newer_than`` do not. With ``newer_than``, or
    with ``last``, a page has the oldest rows of the part, else the newest.
    """

    newest: str | None = None
    older_than: str | None = None
    newer_than: str | None = None
    last: bool = False

    @property
    def order(self) -> str:
        """The direction in which the rows are to be read."""
        return "ASC" if self.last or self.newer_than is not None else "DESC"

    def values(self) -> dict[str, Any]:
        """Return the ends that are given, as parameters: a time (empty in the key of an event) and a number."""
        values: dict[str, Any] = {}
        for name in ("newest", "older_than", "newer_than"):
            key: str | None = getattr(self, name)
            if key is not None:
                at, _, number = key.rpartition("|")
                values |= {f"{name}_at": at, f"{name}_number": int(number)}
        return values


EVERYTHING = Span()

_DECIDED = "JOIN cancellations c ON c.request = d.number AND d.order_id IN ('', c.order_id)"
"""The orders that a decision ``d`` is about."""
_IS_DECIDED = (
    "EXISTS (SELECT 1 FROM decisions d"
    " WHERE d.number = c.request AND d.approver = :person AND d.order_id IN ('', c.order_id))"
)


class Lookups:
    """The look-ups over ``requests``, ``decisions`` and ``audit_events``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._requests = Requests(connection)
        self._record = Record(connection)
        hints = connection.hints
        self._acted = (
            f"(SELECT request, order_id FROM audit_events WHERE {ACTS} AND actor = :person UNION"
            f" SELECT request, order_id FROM audit_events, {hints.voided} WHERE {VOIDED} AND value = :person) AS e"
            # The few events come first.
            f" {hints.in_order} requests r ON r.id = e.request"
            f" {hints.in_order} cancellations c ON c.request = r.number AND e.order_id IN ('', c.order_id)"
        )
        """The orders to which a person did something that left no decision: retried, hurried or stopped them, or
        approved them when that still counted. The table of decisions has only what counts."""
        self._has_acted = (
            "EXISTS (SELECT 1 FROM audit_events WHERE request = r.id AND order_id IN ('', c.order_id)"
            f" AND (({ACTS} AND actor = :person)"
            f" OR ({VOIDED} AND EXISTS (SELECT 1 FROM {hints.voided} WHERE value = :person))))"
        )

    def find(
        self,
        lookup: Lookup,
        *,
        only_of: str | None = None,
        older_than: str | None = None,
        limit: int = 10,
        span: Span = EVERYTHING,
    ) -> Page[Request]:
        """Return the requests that match, once for each order. ``only_of`` limits them to this requester's.

        ``older_than`` is short for a span with this end.
        """
        span = span if older_than is None else replace(span, older_than=older_than)
        values = _values(lookup, only_of) | span.values() | {"limit": limit + 1}
        order = f"requested_at {span.order}, c.number {span.order}"
        sql = f"SELECT c.number, c.requested_at FROM cancellations c WHERE {self._where(values)}"
        if lookup.person is None:
            sql += f" ORDER BY c.{order} LIMIT :limit"
        else:
            # Two walks, each down its own index, merged: an OR over both would sort all matches. Somebody who
            # approved and then rejected has two decisions, hence twice the limit. What they did beside that is rare.
            sql = (
                "SELECT number, requested_at FROM"
                f" ({sql} AND c.requester = :person ORDER BY c.{order} LIMIT :limit) AS asked"
                " UNION SELECT number, requested_at FROM (SELECT c.number, d.requested_at FROM decisions d"
                f"  {_DECIDED} WHERE d.approver = :person AND {self._where(values, 'd')} ORDER BY d.{order}"
                "  LIMIT 2 * :limit) AS decided"
                " UNION SELECT number, requested_at FROM (SELECT DISTINCT c.number, c.requested_at"
                f"  FROM {self._acted} WHERE {self._where(values)} ORDER BY c.{order} LIMIT :limit) AS acted"
                f" ORDER BY requested_at {span.order}, number {span.order} LIMIT :limit"
            )
        found = self._requests.many(row[0] for row in self._connection.execute(sql, values))
        return _page(found, limit, span, lambda each: f"{timestamp(each.requested_at)}|{each.cancellation.number}")

    def story(
        self,
        lookup: Lookup,
        *,
        only_of: str | None = None,
        older_than: str | None = None,
        limit: int = 10,
        span: Span = EVERYTHING,
    ) -> Page[Event]:
        """Return the events of the requests that match. ``lookup.order_id`` must be given."""
        span = span if older_than is None else replace(span, older_than=older_than)
        values = _values(lookup, only_of) | span.values() | {"limit": limit + 1}
        rows = self._connection.execute(
            f"SELECT {COLUMNS} FROM audit_events WHERE {self._of_story(lookup, values)}"
            f" ORDER BY seq {span.order} LIMIT :limit",
            values,
        )
        return _page(self._record.with_words(rows), limit, span, lambda each: str(each.seq))

    def whole_story(self, order_id: str, *, only_of: str | None = None) -> list[Event]:
        """Return all events of the requests for this order that are about it, in their order.

        ``only_of`` limits them to those that this person may read.
        """
        return list(reversed(self.story(Lookup(order_id=order_id), only_of=only_of, limit=sys.maxsize - 1).items))

    def count(self, lookup: Lookup, *, only_of: str | None = None, span: Span = EVERYTHING) -> int:
        """Return how many requests match, or events where an order is named, in this part of the answer."""
        values = _values(lookup, only_of) | span.values()
        if lookup.order_id is not None:
            sql = f"SELECT count(*) FROM audit_events WHERE {self._of_story(lookup, values)}"
        else:
            sql = f"SELECT count(*) FROM cancellations c WHERE {self._where(values)}"
            if lookup.person is not None:
                # Those that this person asked for, and those that they decided, some twice, without those in both.
                sql = (
                    f"SELECT ({sql} AND c.requester = :person) - ({sql} AND c.requester = :person AND {_IS_DECIDED})"
                    f" + (SELECT count(DISTINCT c.number) FROM decisions d {_DECIDED}"
                    f"  WHERE d.approver = :person AND {self._where(values, 'd')})"
                    f" + (SELECT count(DISTINCT c.number) FROM {self._acted}"
                    f"  WHERE {self._where(values)} AND c.requester <> :person AND NOT {_IS_DECIDED})"
                )
        return int(self._connection.execute(sql, values)[0][0])

    def _of_story(self, lookup: Lookup, values: dict[str, Any]) -> str:
        """Return the conditions for these parameters on an event."""
        ends = {"newest_number": "<=", "older_than_number": "<", "newer_than_number": ">"}
        where = self._where({name: value for name, value in values.items() if not name.endswith("_at")})
        if lookup.person is not None:
            where += f" AND (c.requester = :person OR {_IS_DECIDED} OR {self._has_acted})"
        # What happened to the whole of a request with several orders names none of them.
        terms = [
            f"request IN (SELECT r.id FROM cancellations c JOIN requests r ON r.number = c.request WHERE {where})",
            "order_id IN (:order_id, '')",
        ]
        return " AND ".join(terms + [f"seq {sign} :{name}" for name, sign in ends.items() if name in values])

    def spellings(self, order_id: str, *, only_of: str | None = None) -> list[str]:
        """Return the order ids on record that differ from this one in case only, or this one alone where it is there.

        To the gateway they may be different orders. ``only_of`` limits the search to this requester's, as the spelling
        alone tells that an order is on record.
        """
        own = "" if only_of is None else " AND requester = :only_of"
        rows = self._connection.execute(
            f"SELECT DISTINCT order_id FROM cancellations WHERE lower(order_id) = lower(:order_id){own}",
            {"order_id": order_id, "only_of": only_of},
        )
        found = sorted(str(row[0]) for row in rows)
        return [order_id] if order_id in found else found

    def _where(self, values: dict[str, Any], timed: str = "c") -> str:
        """Return the conditions for these parameters on a cancellation ``c``.

        Its time is read from the table ``timed``, which is the one whose index is to be walked.
        """
        not_indexed = self._connection.hints.not_indexed
        of_somebody = not_indexed if "order_id" in values else ""
        in_state = not_indexed if values.keys() & {"order_id", "person", "only_of"} else ""
        terms = {
            "order_id": "c.order_id = :order_id",
            "only_of": f"{of_somebody}c.requester = :only_of",
            "state": f"{in_state}c.state = :state",
            "category": "EXISTS (SELECT 1 FROM requests q"
            " WHERE q.number = c.request AND lower(q.category) = lower(:category))",
            "since": f"{timed}.requested_at >= :since",
            "until": f"{timed}.requested_at < :until",
            "newest_at": f"{timed}.requested_at <= :newest_at"
            f" AND ({timed}.requested_at, c.number) <= (:newest_at, :newest_number)",
            "older_than_at": f"{timed}.requested_at <= :older_than_at"
            f" AND ({timed}.requested_at, c.number) < (:older_than_at, :older_than_number)",
            "newer_than_at": f"{timed}.requested_at >= :newer_than_at"
            f" AND ({timed}.requested_at, c.number) > (:newer_than_at, :newer_than_number)",
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
        "category": lookup.category,
        "only_of": only_of,
    }
    return {name: value for name, value in values.items() if value is not None}


def _page(found: list[T], limit: int, span: Span, key: Callable[[T], str]) -> Page[T]:
    """Return the rows, read in the span's order with one too many, as a page with the newest first."""
    more = len(found) > limit
    items = found[:limit]
    if span.order == "ASC":
        # Behind it are the rows that the page before ended with.
        items.reverse()
        more = span.newer_than is not None
    if not items:
        return Page(items, None)
    return Page(items, key(items[-1]) if more else None, newer=key(items[0]))
