"""The requests, each with its orders and the decisions on it.

The file is long because one row of the tables has most of what there is to know about a request.
"""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.audit import timestamp
from bot.domain.cancellation import (
    AGAINST_RETRY,
    MAY_BE_CANCELLED,
    NEXT,
    OPEN,
    UNDER_WAY,
    WITHOUT_EFFECT,
    Cancellation,
    Choice,
    Decision,
    Earlier,
    State,
)
from bot.domain.delivery import Receipt
from bot.domain.request import Request
from bot.store.attempts import OWN_MAYBE_DONE
from bot.store.connection import Connection, Row, among
from bot.store.schema import NEXT_EVENT, OPEN_STATES, SET_BACK_BY, may_have_had_effect, one_of

_REQUEST = (
    "r.number, r.id, r.reason, r.requester, r.approvals_required, r.requested_at, r.expires_at, r.card_channel,"
    " r.card_ts, r.card_link, r.due_at, r.remind_at, r.escalate_at, r.reminded, r.escalated_at,"
    f" r.category, r.source, r.approval_ttl, {SET_BACK_BY}"
)
_CANCELLATION = "c.number, c.order_id, c.state, c.changed_at, c.changed_seq, c.attempts, c.due_at, c.lease_until"
_STOPPED_BY = "(SELECT e.actor FROM audit_events e WHERE e.seq = {}.changed_seq AND e.kind = 'stopped_trying')"
_STOPPED = f"p.state = 'failed' AND {_STOPPED_BY.format('p')} IS NOT NULL"
_MAY_BE_CANCELLED = one_of("p.state", MAY_BE_CANCELLED)
_IN_DOUBT = f"EXISTS (SELECT 1 FROM requests r WHERE r.number = p.request AND {may_have_had_effect('p')})"
_COLUMNS = (
    f"{_REQUEST}, {_CANCELLATION},"
    f" CASE WHEN c.state = 'pending' THEN (SELECT CASE WHEN {_IN_DOUBT} THEN 'unknown' ELSE p.state END"
    "  || ' ' || p.changed_at FROM cancellations p WHERE p.order_id = c.order_id"
    f"  AND ({_MAY_BE_CANCELLED} OR {_IN_DOUBT})"
    "  ORDER BY p.state = 'cancelled' DESC, p.number DESC LIMIT 1) END,"
    f" CASE WHEN {one_of('c.state', [each for each in State if each.may_retry])} THEN (SELECT p.state || ' ' ||"
    "  p.changed_at FROM cancellations p WHERE p.order_id = c.order_id AND p.number <> c.number"
    f"  AND ({one_of('p.state', OPEN)} OR (p.changed_seq > c.changed_seq"
    f"   AND ({one_of('p.state', AGAINST_RETRY)} OR {_STOPPED})))"
    "  ORDER BY p.changed_seq DESC LIMIT 1) END,"
    f" CASE WHEN {one_of('c.state', UNDER_WAY)} THEN EXISTS ({OWN_MAYBE_DONE}) ELSE FALSE END,"
    f" CASE WHEN c.state = 'failed' THEN coalesce({_STOPPED_BY.format('c')}, '') ELSE '' END,"
    " a.outcome, a.reason, a.trouble, a.trouble_about, a.http_status, a.code, a.message, a.request_id, a.cancelled_at,"
    " d.order_id, d.approver, d.choice, d.reason, d.at"
)
_JOINED = (
    " FROM requests r JOIN cancellations c ON c.request = r.number"
    " LEFT JOIN attempts a ON a.id ="
    "  (SELECT f.id FROM attempts f WHERE f.number = c.number AND f.outcome IS NOT NULL"
    # The confirmation of one may have come after a later one was answered.
    f"   ORDER BY f.outcome = '{Outcome.CANCELLED}' DESC, f.id DESC LIMIT 1)"
    " LEFT JOIN decisions d ON d.number = r.number"
)
"""One row for each order and decision: one statement, as a second one costs more than the columns that repeat."""
_OF_REQUEST, _BEFORE_ANSWER, _BEFORE_DECISION = 19, 31, 40
"""So many columns come before those of an order, of its last answer, and of a decision."""
WITHOUT_WORDS = ":erased:"
"""This stands in the name of a form between its own id and the request's, in place of the hash of erased words."""
_by_request, _by_cancellation = itemgetter(0), itemgetter(_OF_REQUEST)


class Requests:
    """The tables ``requests`` and ``decisions``. Each request is read with its rows of ``cancellations``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, request_id: str) -> Request | None:
        """Return the request of this id."""
        return self._one("r.id = ?", request_id)

    def open_of(self, order_id: str) -> Request | None:
        """Return the request with the one open cancellation of this order, as far as it is about this order, or None.

        That is at most one, by the unique index.
        """
        return self._one(f"c.order_id = ? AND {OPEN_STATES.replace('state', 'c.state')}", order_id)

    def of_order(self, order_id: str) -> list[Request]:
        """Return every request for this order, as far as it is about this order, the oldest first."""
        return self._all("c.order_id = ?", order_id)

    def to_retry_beside(self, request: Request) -> list[Request]:
        """Return the other requests for these orders that may be retried, each as far as it is about one of them."""
        orders = request.order_ids
        retried = one_of("c.state", [each for each in State if each.may_retry])
        return self._all(
            f"c.order_id IN ({', '.join('?' * len(orders))}) AND {retried} AND c.request <> ?",
            *orders,
            request.number,
        )

    def failed_and_young(self, at: datetime) -> list[Request]:
        """Return every request of which an order failed that may still be retried at this time, as its age goes.

        Each is as far as it is about that order. An approval comes before its request expires, which may be long after
        somebody asked where a clock was set, and counts for the time of the request. The longest such time is read from
        all requests, a third of a second for each million: only freezes, restores and steps of the clock need it.
        """
        ((longest,),) = self._connection.execute("SELECT coalesce(max(approval_ttl), 0) FROM requests")
        since = timestamp(at - timedelta(seconds=longest))
        return self._all(f"c.state = '{State.FAILED}' AND r.expires_at >= ?", since)

    def ended_without_effect(self, since: datetime) -> frozenset[tuple[int, str]]:
        """Return the orders that have ended without effect at this time or later: the number of each request, its id.

        A person's statement is left out: somebody has looked at the gateway.
        """
        ended = one_of("state", WITHOUT_EFFECT | {State.REFUSED})
        sql = f"SELECT request, order_id FROM cancellations WHERE {ended} AND changed_at >= ?"
        return frozenset(
            (int(request), str(order)) for request, order in self._connection.execute(sql, (timestamp(since),))
        )

    def that_went_another_way(self, other: "Requests", *, used: bool) -> frozenset[tuple[int, str]]:
        """Return the orders that have ended here and stand otherwise in another database, or were set back there.

        Each is the number of its request and its id. What the gateway confirmed stays confirmed, so it is left out. An
        older copy that no bot has ``used`` stands otherwise for its age alone: what it has set back counts only where
        it had ended there, too.
        """
        ended = one_of("c.state", [each for each in State if not each.open and each is not State.CANCELLED])
        rows = self._connection.stream(
            "SELECT r.number, r.id, c.order_id, c.state FROM cancellations c JOIN requests r ON r.number = c.request"
            f" WHERE {ended}"
        )
        return frozenset(
            (number, order_id)
            for number, request_id, order_id, state in rows
            if (stood := other.stands(request_id, order_id)) not in {None, (state, False)}
            and (used or stood == (state, True))
        )

    def stands(self, request_id: str, order_id: str) -> tuple[State, bool] | None:
        """Return the state of an order of this request, and whether that was set back by a restore, or None."""
        rows = self._connection.execute(
            f"SELECT c.state, {SET_BACK_BY} > 0 FROM requests r JOIN cancellations c ON c.request = r.number"
            " WHERE r.id = ? AND c.order_id = ?",
            (request_id, order_id),
        )
        return next(((State(state), bool(set_back)) for state, set_back in rows), None)

    def of_cancellation(self, number: int) -> Request | None:
        """Return the request of the cancellation of this number, as far as it is about this one."""
        return self._one("c.number = ?", number)

    def of_number(self, number: int) -> Request | None:
        """Return the request of this number."""
        return self._one("r.number = ?", number)

    def by_form(self, form_id: str, order_ids: Sequence[str]) -> Request | None:
        """Return the request that was accepted with this form and these words, or None.

        Where the reason has been erased, the form itself and the orders have to do.
        """
        erased = f"{form_id.partition(':')[0]}{WITHOUT_WORDS}"
        # Nearly every form comes once, so the requests themselves are read afterwards.
        same_form = self._connection.execute(
            "SELECT number, form_id FROM requests WHERE form_id = ? OR (form_id > ? AND form_id < ?)"
            " ORDER BY form_id = ? DESC, number DESC",
            (form_id, erased, f"{erased}~", form_id),
        )
        for number, known in same_form:
            found = self.of_number(number)
            if found is not None and (known == form_id or found.order_ids == tuple(order_ids)):
                return found
        return None

    def many(self, numbers: Iterable[int]) -> list[Request]:
        """Return the requests of these cancellations, each as far as it is about this one, in the order given."""
        wanted = list(numbers)
        rows = self._rows(among("c.number", len(wanted)), *wanted)
        found = [_request(list(each)) for _, each in groupby(rows, _by_cancellation)]
        return sorted(found, key=lambda each: wanted.index(each.cancellation.number))

    def newest(self) -> int:
        """Return the number of the newest request, or 0."""
        return int(self._connection.execute("SELECT coalesce(max(number), 0) FROM requests")[0][0])

    def newest_outside(self, since: datetime, until: datetime) -> int:
        """Return the number of the newest request that was not made between these times, or 0."""
        return self._newest("requested_at < ? OR requested_at > ?", timestamp(since), timestamp(until))

    def newest_before(self, since: datetime) -> int:
        """Return the number of the newest request that was made before this time, or 0."""
        return self._newest("requested_at < ?", timestamp(since))

    def _newest(self, which: str, *values: str) -> int:
        # From the newest on, of which few have to be passed over.
        sql = f"SELECT number FROM requests WHERE {which} ORDER BY number DESC LIMIT 1"
        rows = self._connection.execute(sql, values)
        return int(rows[0][0]) if rows else 0

    def add(
        self,
        *,
        form_id: str,
        order_ids: Sequence[str],
        reason: str,
        category: str = "",
        source: str = "",
        requester: str,
        card_channel: str,
        approvals_required: int,
        at: datetime,
        expires_at: datetime,
        remind_at: datetime | None = None,
        escalate_at: datetime | None = None,
    ) -> Request | list[str]:
        """Add a pending request; or add nothing, and return those of its orders that are in an open one already.

        The unique index decides that, so two people who ask in the same instant cannot both be right.
        """
        due_at = min(filter(None, (remind_at, escalate_at, expires_at)))
        request_id = secrets.token_hex(8)
        ((number,),) = self._connection.execute(
            "INSERT INTO requests (id, category, reason, source, requester, approvals_required, requested_at,"
            " expires_at, approval_ttl, form_id, card_channel, remind_at, escalate_at, due_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
            (
                request_id,
                category,
                reason,
                source,
                requester,
                approvals_required,
                timestamp(at),
                timestamp(expires_at),
                round((expires_at - at).total_seconds()),
                form_id,
                card_channel,
                remind_at and timestamp(remind_at),
                escalate_at and timestamp(escalate_at),
                timestamp(due_at),
            ),
        )
        added = self._connection.execute(
            f"WITH wanted (order_id) AS (VALUES {', '.join(['(?)'] * len(order_ids))})"
            " INSERT INTO cancellations (request, order_id, requester, requested_at, state, changed_at, changed_seq)"
            f" SELECT ?, order_id, ?, ?, ?, ?, {NEXT_EVENT} FROM wanted WHERE TRUE"
            f" ON CONFLICT (order_id) WHERE {OPEN_STATES} DO NOTHING RETURNING number, order_id, changed_seq",
            [*order_ids, number, requester, timestamp(at), State.PENDING, timestamp(at)],
        )
        if len(added) < len(order_ids):
            self._connection.execute("DELETE FROM cancellations WHERE request = ?", (number,))
            self._connection.execute("DELETE FROM requests WHERE number = ?", (number,))
            kept = {order_id for _, order_id, _ in added}
            return [each for each in order_ids if each not in kept]
        # It has neither an answer nor a decision yet, and what was before it matters to its card only: no second read.
        return Request(
            number=number,
            id=request_id,
            reason=reason,
            requester=requester,
            approvals_required=approvals_required,
            requested_at=at,
            expires_at=expires_at,
            card_channel=card_channel,
            card_ts=None,
            card_link="",
            cancellations=tuple(
                Cancellation(each, order_id, State.PENDING, at, seq) for each, order_id, seq in sorted(added)
            ),
            due_at=due_at,
            remind_at=remind_at,
            escalate_at=escalate_at,
            category=category,
            source=source,
            approval_ttl=expires_at - at,
        )

    def decide(
        self, request: Request, approver: str, choice: Choice, reason: str, at: datetime, *, order_id: str = ""
    ) -> None:
        """Add one person's decision. The same choice of the same person is kept once.

        ``order_id`` is the order of a statement by hand; the other decisions are about the whole request.
        """
        self._connection.execute(
            "INSERT INTO decisions (number, approver, choice, order_id, reason, at, requested_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                request.number,
                approver,
                choice,
                order_id,
                reason,
                timestamp(at),
                timestamp(request.requested_at),
            ),
        )

    def move(self, request: Request, to: State, *, at: datetime, due_at: datetime | None = None) -> bool:
        """Compare and set: step with every order from pending to the state that the decision leads to.

        Return False, with nothing changed, where the request is decided by now, or where ``to`` may not follow.
        """
        if to not in NEXT[State.PENDING]:
            return False
        decided = self._connection.execute(
            # Nobody is reminded of what is decided.
            "UPDATE requests SET due_at = NULL, remind_at = NULL, escalate_at = NULL"
            " WHERE number = ? AND due_at IS NOT NULL RETURNING number",
            (request.number,),
        )
        if not decided:
            return False
        self._connection.execute(
            f"UPDATE cancellations SET state = ?, changed_at = ?, changed_seq = {NEXT_EVENT}, due_at = ?"
            " WHERE request = ? AND state = ?",
            (to, timestamp(at), due_at and timestamp(due_at), request.number, State.PENDING),
        )
        return True

    def void_votes(self, request: Request, approvers: Iterable[str]) -> None:
        """Take these people's approvals out of the count; they may approve again if they become approvers again."""
        for approver in approvers:
            self._connection.execute(
                "DELETE FROM decisions WHERE number = ? AND approver = ? AND choice = ?",
                (request.number, approver, Choice.APPROVE),
            )

    def require(self, request: Request, quorum: int) -> None:
        """Keep how many approvals a request needs."""
        self._connection.execute(
            "UPDATE requests SET approvals_required = ? WHERE number = ?", (quorum, request.number)
        )

    def sizes(self, request_ids: Iterable[str]) -> dict[str, int]:
        """Return how many orders these requests have, by the requests' ids."""
        wanted = sorted(set(request_ids))
        rows = self._connection.execute(
            "SELECT r.id, count(*) FROM requests r JOIN cancellations c ON c.request = r.number"
            f" WHERE {among('r.id', len(wanted))} GROUP BY r.id",
            wanted,
        )
        return {str(request_id): int(count) for request_id, count in rows}

    def pending(self) -> list[Request]:
        """Return every request that waits for a decision."""
        # In a subquery, and not "is not null": else SQLite walks through all that there ever were.
        return self._all("r.number IN (SELECT number FROM requests WHERE due_at > '')")

    def waiting(self) -> list[Request]:
        """Return every request that waits for a decision or, for some of its orders, for the gateway or a finding."""
        waits = f"SELECT request FROM cancellations WHERE {OPEN_STATES}"
        return self._all(f"r.number IN ({waits})")

    def unknown(self) -> list[Request]:
        """Return every request with an order whose outcome the gateway left unknown, the oldest first."""
        return self._all(f"r.number IN (SELECT request FROM cancellations WHERE state = '{State.UNKNOWN}')")

    def open_by(self, requester: str) -> list[Request]:
        """Return the requests of this person with an order whose cancellation is not over, the oldest first."""
        # Whatever they asked for before, there are few that are open.
        theirs = f"{self._connection.hints.not_indexed}requester = ?"
        is_open = f"SELECT request FROM cancellations WHERE {OPEN_STATES} AND {theirs}"
        return self._all(f"r.number IN ({is_open})", requester)

    def latest(self, limit: int, *, only_of: str | None = None) -> list[Request]:
        """Return the newest requests that are decided or over, the newest first; ``only_of`` limits them to a person's.

        A request that has more than one order comes once.
        """
        own, values = ("", ()) if only_of is None else (" AND requester = ?", (only_of,))
        decided = f"SELECT number FROM requests WHERE due_at IS NULL{own} ORDER BY number DESC LIMIT ?"
        return self._all(f"r.number IN ({decided})", *values, limit)[::-1]

    def place_card(self, request: Request, receipt: Receipt) -> None:
        """Keep where the card is in Slack."""
        self._connection.execute(
            "UPDATE requests SET card_channel = ?, card_ts = ?, card_link = ? WHERE number = ?",
            (receipt.channel, receipt.ts, receipt.link, request.number),
        )

    def lose_card_link(self, request: Request) -> None:
        """Keep that nobody finds the card any more where it was."""
        self._connection.execute("UPDATE requests SET card_link = '' WHERE number = ?", (request.number,))

    def _one(self, where: str, *values: object) -> Request | None:
        found = self._all(where, *values)
        return found[0] if found else None

    def _all(self, where: str, *values: object) -> list[Request]:
        return [_request(list(each)) for _, each in groupby(self._rows(where, *values), _by_request)]

    def _rows(self, where: str, *values: object) -> list[Row]:
        sql = f"SELECT {_COLUMNS}{_JOINED} WHERE {where} ORDER BY r.number, c.number, d.id"
        return self._connection.execute(sql, values)


def _request(rows: list[Row]) -> Request:
    """Return the request of these rows of ``_COLUMNS``, one for each order and decision."""
    orders = [list(each) for _, each in groupby(rows, _by_cancellation)]
    decisions = [row[_BEFORE_DECISION:] for row in orders[0] if row[_BEFORE_DECISION] is not None]
    number, request_id, reason, requester, approvals_required, requested_at, expires_at, *rest = rows[0][:_OF_REQUEST]
    card_channel, card_ts, card_link, due_at, remind_at, escalate_at, reminded, *rest = rest
    escalated_at, category, source, approval_ttl, set_back = rest
    return Request(
        number=number,
        id=request_id,
        reason=reason,
        requester=requester,
        approvals_required=approvals_required,
        requested_at=_time(requested_at),
        expires_at=_time(expires_at),
        card_channel=card_channel,
        card_ts=card_ts,
        card_link=card_link,
        cancellations=tuple(_cancellation(each[0], decisions) for each in orders),
        due_at=due_at and _time(due_at),
        remind_at=remind_at and _time(remind_at),
        escalate_at=escalate_at and _time(escalate_at),
        reminded=reminded,
        escalated_at=escalated_at and _time(escalated_at),
        category=category,
        source=source,
        approval_ttl=timedelta(seconds=approval_ttl),
        set_back=set_back,
        decisions=tuple(_decision(*each) for order_id, *each in decisions if not order_id),
    )


def _cancellation(row: Row, decisions: list[Row]) -> Cancellation:
    number, order_id, state, changed_at, changed_seq, attempts, *rest = row[_OF_REQUEST:_BEFORE_ANSWER]
    due_at, lease_until, earlier, later, unclear, stopped_by = rest
    return Cancellation(
        number=number,
        order_id=order_id,
        state=State(state),
        changed_at=_time(changed_at),
        changed_seq=changed_seq,
        attempts=attempts,
        due_at=due_at and _time(due_at),
        lease_until=lease_until and _time(lease_until),
        last_answer=_answer(*row[_BEFORE_ANSWER:_BEFORE_DECISION]),
        earlier=earlier and _earlier(*earlier.split(" ")),
        later=later and _earlier(*later.split(" ")),
        unclear=bool(unclear),
        stopped_by=stopped_by,
        settlement=next((_decision(*each) for about, *each in decisions if about == order_id), None),
    )


def _decision(approver: str, choice: str, reason: str, at: str) -> Decision:
    return Decision(approver, Choice(choice), reason, _time(at))


def _earlier(state: str, at: str) -> Earlier:
    return Earlier(State(state), _time(at))


def _answer(outcome: str | None, reason: str | None, trouble: str | None, *rest: Any) -> Answer | None:
    if outcome is None:
        return None
    trouble_about, http_status, code, message, request_id, cancelled_at = rest
    return Answer(
        Outcome(outcome),
        reason=Reason(reason) if reason else None,
        trouble=Trouble(trouble) if trouble else None,
        trouble_about=trouble_about,
        http_status=http_status,
        code=code,
        message=message,
        request_id=request_id,
        cancelled_at=cancelled_at,
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
