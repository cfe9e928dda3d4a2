"""Everything in the database that waits for a time, for when the clock was wrong.

Times in the database are the bot's own (``bot.clock``), which a step of the machine's clock leaves as it is at first.
"""

from datetime import datetime, timedelta

from bot.domain.audit import timestamp
from bot.domain.cancellation import State
from bot.store.connection import Connection


class Timers:
    """The columns ``due_at``, ``lease_until`` and ``expires_at``, of everything that still waits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def shift(self, by: timedelta, made_after: int) -> None:
        """Move everything that waits, so that it waits as long as before while the clock moves as far.

        A request keeps the time that is left for it. The clock's step is no time that anybody had. Pending requests
        with numbers up to ``made_after`` got their time by another clock, and keep it.
        """
        waiting = (
            "SELECT number, due_at, lease_until FROM cancellations"
            " WHERE (due_at > '' OR lease_until > '') AND (number > ? OR state <> ?)"
        )
        for number, due_at, lease_until in self._connection.execute(waiting, (made_after, State.PENDING)):
            self._connection.execute(
                "UPDATE cancellations SET due_at = ?, lease_until = ? WHERE number = ?",
                (_moved(due_at, by), _moved(lease_until, by), number),
            )
        # A pending request is due when it expires.
        self._connection.execute("UPDATE cancellations SET expires_at = due_at WHERE state = ?", (State.PENDING,))
        queued = "SELECT position, due_at, lease_until FROM deliveries WHERE status = 'queued'"
        for position, due_at, lease_until in self._connection.execute(queued):
            self._connection.execute(
                "UPDATE deliveries SET due_at = ?, lease_until = ? WHERE position = ?",
                (_moved(due_at, by), _moved(lease_until, by), position),
            )

    def bring_forward(self, at: datetime, longest: timedelta) -> None:
        """Make everything due that waits longer than the bot ever pauses: the clock was ahead when it was put off.

        Pending requests are another matter: see ``bring_expiry_forward``.
        """
        late = (timestamp(at), timestamp(at + longest))
        self._connection.execute("UPDATE deliveries SET due_at = ? WHERE status = 'queued' AND due_at > ?", late)
        self._connection.execute(
            "UPDATE cancellations SET due_at = ? WHERE due_at > ? AND state <> ?", (*late, State.PENDING)
        )

    def bring_expiry_forward(self, at: datetime, made_before: int) -> list[int]:
        """Let each pending request that was made later than now have as much time as it was given; return the numbers.

        That is for requests with numbers up to ``made_before``.
        """
        early = (
            "SELECT number, requested_at, expires_at FROM cancellations"
            " WHERE state = ? AND requested_at > ? AND number <= ?"
        )
        moved = self._connection.execute(early, (State.PENDING, timestamp(at), made_before))
        for number, requested_at, expires_at in moved:
            until = timestamp(at + (datetime.fromisoformat(expires_at) - datetime.fromisoformat(requested_at)))
            self._connection.execute(
                "UPDATE cancellations SET due_at = ?, expires_at = ? WHERE number = ?", (until, until, number)
            )
        return [number for number, _, _ in moved]


def _moved(moment: str | None, by: timedelta) -> str | None:
    return moment and timestamp(datetime.fromisoformat(moment) + by)
