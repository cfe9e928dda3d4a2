"""The cancellations and the decisions on them.

The file is long because one row of the table has most of what there is to know about a request.
"""

import secrets
from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.audit import timestamp
from bot.domain.cancellation import MAY_BE_CANCELLED, NEXT, Cancellation, Choice, Decision, Earlier, State
from bot.domain.delivery import Receipt
from bot.store.attempts import MAYBE_DONE
from bot.store.connection import Connection, Row
from bot.store.schema import OPEN_STATES, one_of

_OWN = (
    "c.number, c.id, c.order_id, c.reason, c.requester, c.state, c.approvals_required, c.requested_at, c.expires_at,"
    " c.card_channel, c.card_ts, c.card_link, c.attempts, c.due_at, c.lease_until, c.changed_at, c.remind_at,"
    " c.escalate_at, c.reminded, c.escalated_at"
)
_COLUMNS = (
    f"{_OWN},"
    " CASE WHEN c.state = 'pending' THEN (SELECT p.state || ' ' || p.changed_at FROM cancellations p"
    f"  WHERE p.order_id = c.order_id AND {one_of('p.state', MAY_BE_CANCELLED)}"
    "  ORDER BY p.state = 'cancelled' DESC, p.number DESC LIMIT 1) END,"
    f" CASE WHEN c.state = 'approved' THEN EXISTS ({MAYBE_DONE}) ELSE 0 END,"
    " CASE WHEN c.state = 'failed' THEN coalesce((SELECT CASE e.kind WHEN 'failed' THEN '' ELSE e.actor END"
    "  FROM audit_events e WHERE e.cancellation = c.id AND e.kind IN ('failed', 'stopped_trying')"
    "  ORDER BY e.seq DESC LIMIT 1), '') ELSE '' END,"
    " a.outcome, a.reason, a.trouble, a.trouble_about, a.http_status, a.code, a.message, a.request_id, a.cancelled_at,"
    " d.approver, d.choice, d.reason, d.at"
)
_JOINED = (
    " FROM cancellations c"
    " LEFT JOIN attempts a ON a.id ="
    "  (SELECT max(f.id) FROM attempts f WHERE f.number = c.number AND f.outcome IS NOT NULL)"
    " LEFT JOIN decisions d ON d.number = c.number"
)
"""One row for each decision: one statement, as a second one costs more than the columns that repeat."""
_BEFORE_ANSWER, _BEFORE_DECISION = 23, 32
"""So many columns come before those of the last answer, and before those of a decision."""
_NOTHING_YET = (None, 0, "") + (None,) * 13
"""The columns after its own, as a request has them that has just been added."""


class Cancellations:
    """The tables ``cancellations`` and ``decisions``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, cancellation_id: str) -> Cancellation | None:
        """Return the cancellation of this id, with its decisions."""
        return self._one("c.id = ?", cancellation_id)

    def open_of(self, order_id: str) -> Cancellation | None:
        """Return the one open cancellation of this order, or None."""
        return self._one(f"c.order_id = ? AND {OPEN_STATES}", order_id)

    def of_order(self, order_id: str) -> list[Cancellation]:
        """Return every cancellation of this order, the oldest first."""
        return self._all("c.order_id = ?", order_id)

    def by_form(self, form_id: str) -> Cancellation | None:
        """Return the cancellation that was accepted with this form and these words, or None."""
        return self._one("c.form_id = ?", form_id)

    def many(self, numbers: Iterable[int]) -> list[Cancellation]:
        """Return the cancellations of these numbers, in the order given."""
        wanted = list(numbers)
        found = self._all(f"c.number IN ({', '.join('?' * len(wanted))})", *wanted)
        return sorted(found, key=lambda each: wanted.index(each.number))

    def newest(self) -> int:
        """Return the number of the newest cancellation, or 0."""
        return int(self._connection.execute("SELECT coalesce(max(number), 0) FROM cancellations")[0][0])

    def due(
        self, now: datetime, *, held: Collection[str] = frozenset(), expiring: bool = True, sending: bool = True
    ) -> Cancellation | None:
        """Return the one that has waited longest for the worker.

        It is to be expired, reminded of, escalated or sent, or was left by a dead worker.

        ``held`` are the ids that the asking worker has in hand. It never settles those, however late it is. Where
        ``expiring`` is false, pending requests are left out, and where ``sending`` is false, approved ones.
        """
        left_out = "" if expiring else f" AND state <> '{State.PENDING}'"
        left_out += "" if sending else f" AND state <> '{State.APPROVED}'"
        rows = self._connection.execute(
            "SELECT number FROM ("
            " SELECT number, at FROM (SELECT number, due_at AS at FROM cancellations"
            f"  WHERE due_at <= ?{left_out} ORDER BY due_at LIMIT 1) AS due"
            " UNION ALL SELECT number, at FROM (SELECT number, lease_until AS at FROM cancellations"
            f"  WHERE lease_until <= ? AND id NOT IN ({', '.join('?' * len(held))})"
            "  ORDER BY lease_until LIMIT 1) AS left_behind"
            ") AS waiting ORDER BY at LIMIT 1",
            (timestamp(now), timestamp(now), *held),
        )
        return self._one("c.number = ?", rows[0][0]) if rows else None

    def add(
        self,
        *,
        form_id: str,
        order_id: str,
        reason: str,
        requester: str,
        card_channel: str,
        approvals_required: int,
        at: datetime,
        expires_at: datetime,
        remind_at: datetime | None = None,
        escalate_at: datetime | None = None,
    ) -> Cancellation | None:
        """Add a pending cancellation; return None if the order has an open one already.

        The unique index decides that, so two people who ask in the same instant cannot both be right.
        """
        added = self._connection.execute(
            "INSERT INTO cancellations (id, order_id, reason, requester, state, approvals_required,"
            " requested_at, expires_at, changed_at, form_id, card_channel, remind_at, escalate_at, due_at)"
            " VALUES (?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            f" ON CONFLICT (order_id) WHERE {OPEN_STATES} DO NOTHING RETURNING {_OWN.replace('c.', '')}",
            (
                secrets.token_hex(8),
                order_id,
                reason,
                requester,
                approvals_required,
                timestamp(at),
                timestamp(expires_at),
                timestamp(at),
                form_id,
                card_channel,
                remind_at and timestamp(remind_at),
                escalate_at and timestamp(escalate_at),
                timestamp(min(filter(None, (remind_at, escalate_at, expires_at)))),
            ),
        )
        # It has neither an answer nor a decision yet, and what was before it matters to its card only: no second read.
        return _cancellation([added[0] + _NOTHING_YET]) if added else None

    def decide(self, cancellation: Cancellation, approver: str, choice: Choice, reason: str, at: datetime) -> None:
        """Add one approver's decision. The same choice of the same person is kept once."""
        self._connection.execute(
            "INSERT INTO decisions (number, approver, choice, reason, at, requested_at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (
                cancellation.number,
                approver,
                choice,
                reason,
                timestamp(at),
                timestamp(cancellation.requested_at),
            ),
        )

    def move(
        self,
        cancellation: Cancellation,
        to: State,
        *,
        at: datetime,
        due_at: datetime | None = None,
        lease_until: datetime | None = None,
        claimed_by: str | None = None,
        attempts: int | None = None,
    ) -> bool:
        """Compare and set: step from the state that ``cancellation`` was read in to ``to``.

        Return False, with nothing changed, where it is in another state by now, where ``to`` may not follow, or where
        this step would open it while another cancellation of the same order is open.
        """
        if to not in NEXT[cancellation.state]:
            return False
        alone = ""
        if to.open and not cancellation.state.open:
            alone = f" AND NOT EXISTS (SELECT 1 FROM cancellations WHERE order_id = :order_id AND {OPEN_STATES})"
        moved = self._connection.execute(
            "UPDATE cancellations SET state = :to, changed_at = :at, due_at = :due_at, lease_until = :lease_until,"
            # Nobody is reminded of what is decided.
            " claimed_by = :claimed_by, attempts = :attempts, remind_at = NULL, escalate_at = NULL"
            f" WHERE number = :number AND state = :state{alone} RETURNING number",
            {
                "to": to,
                "at": timestamp(at),
                "due_at": due_at and timestamp(due_at),
                "lease_until": lease_until and timestamp(lease_until),
                "claimed_by": claimed_by,
                "attempts": cancellation.attempts if attempts is None else attempts,
                "number": cancellation.number,
                "state": cancellation.state,
                "order_id": cancellation.order_id,
            },
        )
        return bool(moved)

    def hurry(self, cancellation: Cancellation, at: datetime) -> None:
        """Make the next attempt of an approved request due at this time."""
        self._connection.execute(
            "UPDATE cancellations SET due_at = ? WHERE number = ? AND state = ?",
            (timestamp(at), cancellation.number, State.APPROVED),
        )

    def void_votes(self, cancellation: Cancellation, approvers: Iterable[str]) -> None:
        """Take these people's approvals out of the count; they may approve again if they become approvers again."""
        for approver in approvers:
            self._connection.execute(
                "DELETE FROM decisions WHERE number = ? AND approver = ? AND choice = ?",
                (cancellation.number, approver, Choice.APPROVE),
            )

    def require(self, cancellation: Cancellation, quorum: int) -> None:
        """Keep how many approvals a request needs."""
        self._connection.execute(
            "UPDATE cancellations SET approvals_required = ? WHERE number = ?", (quorum, cancellation.number)
        )

    def pending(self) -> list[Cancellation]:
        """Return every request that waits for a decision."""
        return self._all("c.state = ?", State.PENDING)

    def waiting(self) -> list[Cancellation]:
        """Return every request that waits for a decision or for a call to the gateway."""
        return self._all("c.state IN (?, ?)", State.PENDING, State.APPROVED)

    def decided_against(self, cancellation: Cancellation) -> bool:
        """Return True where a later request for the same order was rejected, withdrawn or settled by hand."""
        sql = "SELECT 1 FROM cancellations WHERE order_id = ? AND number > ? AND state IN (?, ?, ?, ?) LIMIT 1"
        against = (State.REJECTED, State.WITHDRAWN, State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED)
        return bool(self._connection.execute(sql, (cancellation.order_id, cancellation.number, *against)))

    def place_card(self, cancellation: Cancellation, receipt: Receipt) -> None:
        """Keep where the card is in Slack."""
        self._connection.execute(
            "UPDATE cancellations SET card_channel = ?, card_ts = ?, card_link = ? WHERE number = ?",
            (receipt.channel, receipt.ts, receipt.link, cancellation.number),
        )

    def end_leases(self, now: datetime) -> None:
        """Make everything that a worker holds due now."""
        self._connection.execute("UPDATE cancellations SET lease_until = ? WHERE lease_until > ?", [timestamp(now)] * 2)

    def _one(self, where: str, *values: object) -> Cancellation | None:
        found = self._all(where, *values)
        return found[0] if found else None

    def _all(self, where: str, *values: object) -> list[Cancellation]:
        sql = f"SELECT {_COLUMNS}{_JOINED} WHERE {where} ORDER BY c.number, d.id"
        rows = self._connection.execute(sql, values)
        return [_cancellation(list(each)) for _, each in groupby(rows, key=lambda row: row[0])]


def _cancellation(rows: list[Row]) -> Cancellation:
    """Return the cancellation of these rows of ``_COLUMNS``, one for each decision."""
    number, cancellation_id, order_id, reason, requester, state, approvals_required, *rest = rows[0][:_BEFORE_ANSWER]
    requested_at, expires_at, card_channel, card_ts, card_link, attempts, due_at, lease_until, *rest = rest
    changed_at, remind_at, escalate_at, reminded, escalated_at, earlier, unclear, stopped_by = rest
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
        due_at=due_at and _time(due_at),
        lease_until=lease_until and _time(lease_until),
        changed_at=_time(changed_at),
        remind_at=remind_at and _time(remind_at),
        escalate_at=escalate_at and _time(escalate_at),
        reminded=reminded,
        escalated_at=escalated_at and _time(escalated_at),
        decisions=tuple(_decision(*row[_BEFORE_DECISION:]) for row in rows if row[_BEFORE_DECISION] is not None),
        last_answer=_answer(*rows[0][_BEFORE_ANSWER:_BEFORE_DECISION]),
        earlier=earlier and _earlier(*earlier.split(" ")),
        unclear=bool(unclear),
        stopped_by=stopped_by,
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
