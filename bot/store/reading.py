"""What can be read from the store."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlite_utils import Database

from bot.domain.audit import GENESIS, Event, Kind, timestamp
from bot.domain.cancellation import Cancellation, Choice, Decision, State
from bot.domain.lookup import Lookup
from bot.store.migrations import OPEN_STATES

T = TypeVar("T")

_COLUMNS = (
    "number, id, order_id, reason, requester, state, approvals_required, requested_at, expires_at, card_channel,"
    " card_ts, card_link, attempts, next_at, changed_at, detail"
)
_DECISIONS = (
    "(SELECT nullif(json_group_array(json_array(d.rowid, approver, choice, reason, at)), '[]')"
    " FROM decisions d WHERE d.number = cancellations.number)"
)
"""A column with what was decided, as one statement less is worth more than the JSON costs; NULL if nothing was."""
_EVENT_COLUMNS = "seq, at, kind, cancellation, order_id, actor, data, prev_hash, hash"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of an answer, newest first. ``older`` is where the next page begins, or None at the end."""

    items: Sequence[T]
    older: str | None


class Reader:
    """Reads from one connection; what it returns is plain data that outlives the connection."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def cancellation(self, cancellation_id: str) -> Cancellation | None:
        """The cancellation of this id, with its decisions."""
        return self._one("id = ?", cancellation_id)

    def open_cancellation(self, order_id: str) -> Cancellation | None:
        """The one open cancellation of this order, if there is one."""
        return self._one(f"order_id = ? AND {OPEN_STATES}", order_id)

    def by_form(self, form_id: str) -> Cancellation | None:
        """The cancellation that was asked for with this form and these words, if it was accepted."""
        return self._one("form_id = ?", form_id)

    def event(self, seq: int) -> Event:
        """The audit event of this number, which must exist."""
        row = self._db.execute(f"SELECT {_EVENT_COLUMNS} FROM audit_events WHERE seq = ?", [seq]).fetchone()
        return Event._make(row)

    def happened(self, cancellation: Cancellation, kind: Kind) -> bool:
        """Whether the record has an event of this kind about this cancellation."""
        sql = "SELECT 1 FROM audit_events WHERE cancellation = ? AND kind = ?"
        return bool(self._value(sql, cancellation.id, kind))

    def events(self) -> Iterator[Event]:
        """The whole record from its first event, one at a time."""
        rows = self._db.execute(f"SELECT {_EVENT_COLUMNS} FROM audit_events ORDER BY seq")
        return map(Event._make, rows)

    def last_event(self) -> Event:
        """The record's head; for an empty record an event number 0 with the genesis hash."""
        row = self._db.execute(
            f"SELECT {_EVENT_COLUMNS} FROM audit_events ORDER BY seq DESC LIMIT 1",
        ).fetchone()
        return Event._make(row) if row else Event(0, "", "", "", "", "", "", "", GENESIS)

    def names(self, people: Sequence[str]) -> dict[str, str]:
        """The names under which these people last acted; who never acted is left out."""
        sql = "SELECT id, name FROM people WHERE id IN (SELECT value FROM json_each(?))"
        return dict(self._db.execute(sql, [json.dumps(list(people))]).fetchall())

    def next_due(self, after: datetime) -> datetime | None:
        """When something falls due next after this time; None if nothing is pending or owed then."""
        due = self._value(
            "SELECT min(at) FROM ("
            " SELECT min(next_at) AS at FROM cancellations WHERE next_at > ?1"
            " UNION ALL SELECT min(next_at) FROM deliveries INDEXED BY deliveries_in_turn"
            "  WHERE status = 'owed' AND next_at > ?1)",
            timestamp(after),
        )
        return datetime.fromisoformat(due) if due else None

    def find(
        self,
        lookup: Lookup,
        *,
        only_of: str | None = None,
        older_than: str | None = None,
        limit: int = 10,
    ) -> Page[Cancellation]:
        """Cancellations that match, newest first; ``only_of`` limits them to this requester's.

        A page costs one walk down an index, however many cancellations there are; with a person and something
        else, at most down all that this person asked for or decided.
        """
        values = _values(lookup, only_of) | {"limit": limit + 1}
        if older_than is not None:
            at, _, number = older_than.rpartition("|")
            values |= {"older_at": at, "older_number": int(number)}
        newest = "ORDER BY {0}.requested_at DESC, {0}.number DESC".format
        sql = f"SELECT c.number, c.requested_at FROM cancellations c WHERE {_where(values)}"
        if lookup.person is None:
            sql += f" {newest('c')} LIMIT :limit"
        else:
            # Two walks, each down its own index, merged: an OR over both would sort all matches. Who
            # approved and then rejected has two decisions, hence twice the limit.
            sql = (
                f"SELECT number, requested_at FROM ({sql} AND c.requester = :person {newest('c')} LIMIT :limit)"
                " UNION SELECT number, requested_at FROM ("
                "  SELECT d.number, d.requested_at FROM decisions d CROSS JOIN cancellations c ON c.number = d.number"
                f"  WHERE d.approver = :person AND {_where(values, 'd')} {newest('d')} LIMIT 2 * :limit)"
                " ORDER BY requested_at DESC, number DESC LIMIT :limit"
            )
        numbers = [row[0] for row in self._db.execute(sql, values)]
        found = self._many(
            "number IN (SELECT value FROM json_each(?)) ORDER BY requested_at DESC, number DESC",
            json.dumps(numbers),
        )
        older = None
        if len(found) > limit:
            found.pop()
            older = f"{timestamp(found[-1].requested_at)}|{found[-1].number}"
        return Page(found, older)

    def story(
        self,
        lookup: Lookup,
        *,
        only_of: str | None = None,
        older_than: str | None = None,
        limit: int = 10,
    ) -> Page[Event]:
        """The audit events of the cancellations that match, newest first. ``order_id`` must be given."""
        values = _values(lookup, only_of)
        where = _where(values)
        if lookup.person is not None:
            where += (
                " AND (c.requester = :person OR EXISTS (SELECT 1 FROM decisions d"
                " WHERE d.number = c.number AND d.approver = :person))"
            )
        values |= {"before": int(older_than) if older_than else 2**62, "limit": limit + 1}
        rows = self._db.execute(
            f"SELECT {_EVENT_COLUMNS} FROM audit_events WHERE cancellation IN"
            f" (SELECT c.id FROM cancellations c WHERE {where}) AND seq < :before"
            " ORDER BY seq DESC LIMIT :limit",
            values,
        ).fetchall()
        events = [Event._make(row) for row in rows]
        older = None
        if len(events) > limit:
            events.pop()
            older = str(events[-1].seq)
        return Page(events, older)

    def _value(self, sql: str, *values: object) -> Any:
        row = self._db.execute(sql, values).fetchone()
        return row[0] if row else None

    def _one(self, where: str, *values: object) -> Cancellation | None:
        found = self._many(where, *values)
        return found[0] if found else None

    def _many(self, where: str, *values: object) -> list[Cancellation]:
        # Not sqlite-utils' query(): it wraps each SELECT in a savepoint of its own.
        sql = f"SELECT {_COLUMNS}, {_DECISIONS} FROM cancellations WHERE {where}"
        return [_cancellation(row) for row in self._db.execute(sql, values).fetchall()]


def _values(lookup: Lookup, only_of: str | None) -> dict[str, Any]:
    """What is asked for, as parameters; what is not asked for is left out."""
    values = {
        "order_id": lookup.order_id,
        "person": lookup.person,
        "state": lookup.state and str(lookup.state),
        "since": lookup.since and timestamp(lookup.since),
        "until": lookup.until and timestamp(lookup.until),
        "only_of": only_of,
    }
    return {name: value for name, value in values.items() if value is not None}


def _where(values: dict[str, Any], timed: str = "c") -> str:
    """The conditions for these parameters on a cancellation ``c``; its time is read from the table ``timed``,
    which is the one whose index is walked.
    """
    # SQLite takes all of these for equally rare; a plus keeps it from walking through what is less so.
    of_somebody = "+" if "order_id" in values else ""
    in_state = "+" if values.keys() & {"order_id", "person", "only_of"} else ""
    terms = {
        "order_id": "c.order_id = :order_id",
        "only_of": f"{of_somebody}c.requester = :only_of",
        "state": f"{in_state}c.state = :state",
        "since": f"{timed}.requested_at >= :since",
        "until": f"{timed}.requested_at < :until",
        "older_at": f"({timed}.requested_at, {timed}.number) < (:older_at, :older_number)",
    }
    return " AND ".join(term for name, term in terms.items() if name in values) or "1"


def _cancellation(row: Sequence[Any]) -> Cancellation:
    """A row of ``_COLUMNS`` and ``_DECISIONS``."""
    number, cancellation_id, order_id, reason, requester, state, approvals_required, *rest = row
    requested_at, expires_at, card_channel, card_ts, card_link, attempts, next_at, changed_at, detail, decided = rest
    return Cancellation(
        number=number,
        id=cancellation_id,
        order_id=order_id,
        reason=reason,
        requester=requester,
        state=State(state),
        approvals_required=approvals_required,
        requested_at=_time(requested_at),
        expires_at=_time(expires_at),
        card_channel=card_channel,
        card_ts=card_ts,
        card_link=card_link,
        attempts=attempts,
        next_at=next_at and _time(next_at),
        changed_at=_time(changed_at),
        detail=detail,
        decisions=_decisions(decided) if decided else (),
    )


def _decisions(decided: str) -> tuple[Decision, ...]:
    made = sorted(json.loads(decided))
    return tuple(Decision(approver, Choice(choice), reason, _time(at)) for _, approver, choice, reason, at in made)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
