"""The calls to the gateway: each is kept before it is made, and its answer after it came."""

from datetime import datetime

from bot.domain.attempt import Answer, Attempt, Outcome
from bot.domain.audit import timestamp
from bot.domain.cancellation import Cancellation
from bot.store.connection import Connection


class Attempts:
    """The table ``attempts``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, cancellation: Cancellation, at: datetime) -> Attempt:
        """Add an attempt: the gateway is about to be called."""
        ((attempt_id,),) = self._connection.execute(
            "INSERT INTO attempts (number, started_at) VALUES (?, ?) RETURNING id", (cancellation.number, timestamp(at))
        )
        return Attempt(attempt_id, cancellation.id, cancellation.order_id, cancellation.reason)

    def end(self, attempt: Attempt, answer: Answer, at: datetime) -> bool:
        """Keep what the attempt proved, once; return False if its answer was kept before."""
        ended = self._connection.execute(
            "UPDATE attempts SET finished_at = ?, outcome = ?, reason = ?, trouble = ?, trouble_about = ?,"
            " http_status = ?, code = ?, message = ?, request_id = ?, cancelled_at = ?"
            " WHERE id = ? AND outcome IS NULL RETURNING id",
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
            ),
        )
        return bool(ended)

    def under_way(self, cancellation: Cancellation) -> Attempt | None:
        """Return the attempt of this cancellation that has no answer yet, or None."""
        rows = self._connection.execute(
            "SELECT id FROM attempts WHERE number = ? AND outcome IS NULL ORDER BY id DESC", (cancellation.number,)
        )
        return Attempt(rows[0][0], cancellation.id, cancellation.order_id, cancellation.reason) if rows else None

    def any_unclear(self, cancellation: Cancellation) -> bool:
        """Return True where an earlier attempt of this cancellation may have taken effect without our knowing."""
        sql = "SELECT 1 FROM attempts WHERE number = ? AND outcome = ? LIMIT 1"
        return bool(self._connection.execute(sql, (cancellation.number, Outcome.UNKNOWN)))
