"""The calls to the gateway: each is kept before it is made, and its answer after it came."""

from datetime import datetime

from bot.domain.attempt import AN_OPERATOR_ACTS, Answer, Attempt, Outcome, Reason
from bot.domain.audit import timestamp
from bot.domain.cancellation import State
from bot.domain.request import Request
from bot.store.connection import Connection
from bot.store.schema import one_of

MAYBE_DONE = (
    "SELECT 1 FROM cancellations s JOIN attempts t ON t.number = s.number WHERE s.order_id = c.order_id"
    f" AND (s.number = c.number"
    f"  OR {one_of('s.state', (State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED, State.FAILED))})"
    f" AND t.outcome = '{Outcome.UNKNOWN}'"
)
"""The attempts that may have cancelled the order of a cancellation ``c`` without our knowing.

These are attempts of this cancellation, or of an earlier one that a person settled by hand, or stopped after a restore:
their word is not the gateway's. No others count. A cancellation with an unclear attempt stays open else, so that none
can begin beside it, until somebody settles it or the gateway says how the order stands.
"""

OWN_MAYBE_DONE = (
    f"SELECT 1 FROM attempts t WHERE t.number = c.number AND {one_of('t.outcome', (Outcome.UNKNOWN, Outcome.REFUSED))}"
)
"""The attempts of a cancellation under way after which nobody knows how its order stands.

A refusal that counts ends a cancellation for good. So one that goes on after a refusal was not believed, because of an
attempt whose answer was lost, be it of an earlier request.
"""

_NEWEST = 1000
"""Attempts that are looked at, every few seconds; after so many others, what the gateway said before is old news."""


class Attempts:
    """The table ``attempts``. Each is about one order, so every request here must be narrowed to one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, request: Request, at: datetime) -> Attempt:
        """Add an attempt: the gateway is about to be called."""
        ((attempt_id,),) = self._connection.execute(
            "INSERT INTO attempts (number, started_at) VALUES (?, ?) RETURNING id",
            (request.cancellation.number, timestamp(at)),
        )
        return _attempt(attempt_id, request)

    def end(self, attempt: Attempt, answer: Answer, at: datetime) -> bool:
        """Keep what the attempt proved, once; return False if its answer was kept before.

        Only a confirmation still counts after the answer was believed lost.
        """
        ended = self._connection.execute(
            "UPDATE attempts SET finished_at = ?, outcome = ?, reason = ?, trouble = ?, trouble_about = ?,"
            " http_status = ?, code = ?, message = ?, request_id = ?, cancelled_at = ?"
            " WHERE id = ? AND (outcome IS NULL OR (outcome = ? AND ? = ?)) RETURNING id",
            (
                timestamp(at),
                answer.outcome,
                answer.reason,
                answer.trouble,
                answer.trouble_about,
                answer.http_status,
                answer.code,
                answer.message,
                answer.request_id,
                answer.cancelled_at,
                attempt.id,
                Outcome.UNKNOWN,
                answer.outcome,
                Outcome.CANCELLED,
            ),
        )
        return bool(ended)

    def number(self, attempt: Attempt, request: Request) -> int:
        """Return which attempt of its request this is, counted from 1 over all retries."""
        sql = "SELECT count(*) FROM attempts WHERE number = ? AND id <= ?"
        return int(self._connection.execute(sql, (request.cancellation.number, attempt.id))[0][0])

    def began(self, request: Request) -> datetime:
        """Return when the first attempt since the last approval or retry was made; there must be one."""
        sql = "SELECT started_at FROM attempts WHERE number = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
        ((at,),) = self._connection.execute(sql, (request.cancellation.number, request.cancellation.attempts - 1))
        return datetime.fromisoformat(at)

    def under_way(self, request: Request) -> Attempt | None:
        """Return the attempt of this request that has no answer yet, or None."""
        rows = self._connection.execute(
            "SELECT id FROM attempts WHERE number = ? AND outcome IS NULL ORDER BY id DESC",
            (request.cancellation.number,),
        )
        return _attempt(rows[0][0], request) if rows else None

    def any_unclear(self, request: Request) -> bool:
        """Return True where an earlier attempt for this order may have taken effect without our knowing."""
        sql = f"SELECT 1 FROM cancellations c WHERE c.number = ? AND EXISTS ({MAYBE_DONE})"
        rows = self._connection.execute(sql, (request.cancellation.number,))
        return bool(rows)

    def turned_away(self) -> tuple[Reason, datetime] | None:
        """Return why the gateway took none of the bot's calls and when it last said so; None once one got through."""
        rows = self._connection.execute(
            "SELECT outcome, reason, finished_at"
            f" FROM (SELECT * FROM attempts ORDER BY id DESC LIMIT {_NEWEST}) AS newest"
            f" WHERE {one_of('outcome', (Outcome.CANCELLED, Outcome.REFUSED))} OR {one_of('reason', AN_OPERATOR_ACTS)}"
            " ORDER BY id DESC LIMIT 1"
        )
        if not rows or rows[0][0] in {Outcome.CANCELLED, Outcome.REFUSED}:
            return None
        return Reason(rows[0][1]), datetime.fromisoformat(rows[0][2])


def _attempt(attempt_id: int, request: Request) -> Attempt:
    order = request.cancellation
    return Attempt(attempt_id, request.id, order.number, order.order_id, request.reason)
