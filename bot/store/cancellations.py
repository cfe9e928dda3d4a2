"""The orders of the requests, each with a state of its own."""

from collections.abc import Collection
from datetime import datetime

from bot.domain.audit import timestamp
from bot.domain.cancellation import NEXT, UNDER_WAY, Cancellation, State
from bot.domain.request import Request
from bot.store.connection import Connection, among
from bot.store.requests import Requests
from bot.store.schema import NEXT_EVENT, OPEN_STATES, one_of


class Cancellations:
    """The table ``cancellations``. A row is born with its request, and decided with it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._requests = Requests(connection)

    def due(
        self, now: datetime, *, held: Collection[int] = frozenset(), expiring: bool = True, sending: bool = True
    ) -> Request | None:
        """Return what has waited longest for the worker.

        It is a pending request, to be expired, reminded of or escalated; or else a request as far as it is about one
        order, which is to be sent, or was left by a dead worker.

        ``held`` are the numbers of the cancellations that the asking worker has in hand. It never settles those,
        however late it is. Where ``expiring`` is false, pending requests are left out, and where ``sending`` is false,
        approved orders.
        """
        at = timestamp(now)
        waiting = [
            (
                "SELECT number, at, 'of_order' AS what FROM (SELECT number, lease_until AS at FROM cancellations"
                f" WHERE lease_until <= ? AND state = '{State.SENDING}'"
                f" AND NOT {among('number', len(held))}"
                " ORDER BY lease_until LIMIT 1) AS left_behind"
            )
        ]
        if expiring:
            waiting.append(
                "SELECT number, at, 'whole' FROM (SELECT number, due_at AS at FROM requests r WHERE due_at <= ?"
                " AND EXISTS (SELECT 1 FROM cancellations c WHERE c.request = r.number"
                f" AND c.state = '{State.PENDING}')"
                " ORDER BY due_at LIMIT 1) AS undecided"
            )
        if sending:
            waiting.append(
                "SELECT number, at, 'of_order' FROM (SELECT number, due_at AS at FROM cancellations WHERE due_at <= ?"
                # By the state as well: a row that somebody changed in the file must not stop all others.
                f" AND state = '{State.APPROVED}' ORDER BY due_at, number LIMIT 1) AS approved"
            )
        rows = self._connection.execute(
            f"SELECT number, what FROM ({' UNION ALL '.join(waiting)}) AS waiting ORDER BY at LIMIT 1",
            (at, *held, *[at] * (len(waiting) - 1)),
        )
        if not rows:
            return None
        ((number, what),) = rows
        return self._requests.of_cancellation(number) if what == "of_order" else self._requests.of_number(number)

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
        this step would open it while another cancellation of the same order is open. The event of this step is the next
        one that the caller appends.
        """
        if to not in NEXT[cancellation.state]:
            return False
        alone = ""
        if to.open and not cancellation.state.open:
            alone = f" AND NOT EXISTS (SELECT 1 FROM cancellations WHERE order_id = :order_id AND {OPEN_STATES})"
        moved = self._connection.execute(
            f"UPDATE cancellations SET state = :to, changed_at = :at, changed_seq = {NEXT_EVENT}, due_at = :due_at,"
            " lease_until = :lease_until, claimed_by = :claimed_by, attempts = :attempts"
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
        """Make the next attempt of an approved order due at this time."""
        self._connection.execute(
            "UPDATE cancellations SET due_at = ? WHERE number = ? AND state = ?",
            (timestamp(at), cancellation.number, State.APPROVED),
        )

    def under_way(self, request: Request) -> bool:
        """Return True while the gateway is still to be called for one of the request's orders."""
        sql = f"SELECT 1 FROM cancellations WHERE request = ? AND {one_of('state', UNDER_WAY)} LIMIT 1"
        return bool(self._connection.execute(sql, (request.number,)))

    def asked(self) -> list[str]:
        """Return the orders for which the gateway is still to be called, or has left unknown what became of them."""
        sql = f"SELECT order_id FROM cancellations WHERE {one_of('state', (*UNDER_WAY, State.UNKNOWN))} ORDER BY number"
        return [str(order_id) for (order_id,) in self._connection.execute(sql)]

    def give_back(self, worker: str, now: datetime) -> None:
        """Make what this worker holds due now."""
        self._connection.execute(
            "UPDATE cancellations SET lease_until = ? WHERE lease_until > ? AND claimed_by = ?",
            (timestamp(now), timestamp(now), worker),
        )

    def end_leases(self, now: datetime) -> None:
        """Make everything that a worker holds due now."""
        self._connection.execute("UPDATE cancellations SET lease_until = ? WHERE lease_until > ?", [timestamp(now)] * 2)
