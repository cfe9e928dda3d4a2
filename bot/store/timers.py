"""Everything in the database that waits for a time: a pending request, and all of it when the clock was wrong.

Times in the database are the bot's own (``bot.clock``), which a step of the machine's clock leaves as it is at first.
"""

from datetime import datetime, timedelta

from bot.domain.audit import timestamp
from bot.domain.request import Request
from bot.store.connection import Connection
from bot.store.deliveries import IS_LATE


class Timers:
    """The columns with the times for which something waits, of everything that still waits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put_off(
        self,
        waiting: Request,
        *,
        remind_at: datetime | None,
        escalate_at: datetime | None,
        reminded: int,
        escalated_at: datetime | None,
    ) -> None:
        """Keep what a pending request has had of reminders and of an escalation, and when the next of them is due."""
        self._connection.execute(
            "UPDATE requests SET remind_at = ?, escalate_at = ?, reminded = ?, escalated_at = ?, due_at = ?"
            " WHERE number = ? AND due_at IS NOT NULL",
            (
                remind_at and timestamp(remind_at),
                escalate_at and timestamp(escalate_at),
                reminded,
                escalated_at and timestamp(escalated_at),
                timestamp(min(filter(None, (remind_at, escalate_at, waiting.expires_at)))),
                waiting.number,
            ),
        )

    def hold(self, waiting: Request) -> None:
        """Let a pending request wait for its end alone: what else is due stays so until ``put_off`` is called."""
        self._connection.execute(
            "UPDATE requests SET due_at = expires_at WHERE number = ? AND due_at IS NOT NULL", (waiting.number,)
        )

    def shift(self, by: timedelta, made_after: int) -> None:
        """Move everything that waits, so that it waits as long as before while the clock moves as far.

        A request keeps the time that is left for it. The clock's step is no time that anybody had. Pending requests
        with numbers up to ``made_after`` got their time by another clock, and keep it.
        """
        waiting = "SELECT number, due_at, lease_until FROM cancellations WHERE due_at > '' OR lease_until > ''"
        for number, due_at, lease_until in self._connection.execute(waiting):
            self._connection.execute(
                "UPDATE cancellations SET due_at = ?, lease_until = ? WHERE number = ?",
                (_moved(due_at, by), _moved(lease_until, by), number),
            )
        pending = f"SELECT number, {_OF_A_DECISION} FROM requests WHERE due_at > '' AND number > ?"
        for number, *times in self._connection.execute(pending, (made_after,)):
            self._move_decision(number, times, by)
        queued = "SELECT position, due_at, lease_until FROM deliveries WHERE status = 'queued'"
        for position, due_at, lease_until in self._connection.execute(queued):
            self._connection.execute(
                "UPDATE deliveries SET due_at = ?, lease_until = ? WHERE position = ?",
                (_moved(due_at, by), _moved(lease_until, by), position),
            )
        for target, until in self._connection.execute("SELECT target, used_until FROM rates"):
            self._connection.execute("UPDATE rates SET used_until = ? WHERE target = ?", (_moved(until, by), target))
        homes = "SELECT person, opened_at, due_at, lease_until, free_at, doubt_until FROM homes"
        for person, *times in self._connection.execute(homes):
            self._connection.execute(
                "UPDATE homes SET opened_at = ?, due_at = ?, lease_until = ?, free_at = ?, doubt_until = ?"
                " WHERE person = ?",
                (*(_moved(each, by) for each in times), person),
            )

    def wait_anew(self, at: datetime, late: timedelta) -> None:
        """Let what waits for what Slack may do wait from now on, whatever a wrong clock has made of its time."""
        until = {"until": timestamp(at + late)}
        self._connection.execute(
            f"UPDATE deliveries AS d SET due_at = :until WHERE d.status = 'queued' AND {IS_LATE}", until
        )
        self._connection.execute(
            "UPDATE homes SET doubt_until = :until, due_at = CASE WHEN due_at = doubt_until THEN :until ELSE due_at END"
            " WHERE doubt_until IS NOT NULL",
            until,
        )

    def bring_forward(
        self,
        at: datetime,
        *,
        before_attempt: timedelta,
        before_try: timedelta,
        before_message: timedelta,
        late: timedelta,
    ) -> None:
        """Make everything due that waits longer than the bot ever pauses: the clock was ahead when it was put off.

        ``before_attempt`` and ``before_try`` are the longest pauses before a call to the gateway and before a try to
        deliver something, also where the gateway or Slack asked for them. Before the first call there is none, and
        before the first try of a message at most ``before_message``, unless it waits for what Slack may do as much as
        ``late``. Pending requests are another matter: see ``mend_expiry``.
        """
        times = {
            "at": timestamp(at),
            "attempt": timestamp(at + before_attempt),
            "try": timestamp(at + before_try),
            "message": timestamp(at + before_message),
            "late": timestamp(at + late),
        }
        self._connection.execute(
            "UPDATE cancellations SET due_at = :at WHERE due_at > :at AND (attempts = 0 OR due_at > :attempt)", times
        )
        self._connection.execute(
            "UPDATE deliveries AS d SET due_at = :at WHERE d.status = 'queued' AND d.due_at > :message"
            f" AND (d.due_at > :try OR (d.tries = 0 AND (d.due_at > :late OR NOT {IS_LATE})))",
            times,
        )
        self._connection.execute(
            "UPDATE homes SET due_at = :at WHERE due_at > :late AND (tries = 0 OR due_at > :try)", times
        )
        # A pause that Slack asked for may be lost by that; it asks again.
        self._connection.execute("UPDATE homes SET free_at = NULL WHERE free_at > :message", times)

    def mend_expiry(self, at: datetime, made_before: int) -> list[int]:
        """Let each pending request wait for as long as it was given, and no longer; return the numbers of those moved.

        That is for requests with numbers up to ``made_before``, by a clock that another one has confirmed. One that
        would wait for longer from now on was made by a clock that was ahead. One that would end sooner was moved by a
        clock that went back, and was set before this start. When somebody asked tells nothing where it is in the
        future: where the bot has followed the clock since, what is left is right.
        """
        pending = (
            f"SELECT number, approval_ttl, requested_at, {_OF_A_DECISION} FROM requests"
            " WHERE due_at > '' AND number <= ?"
        )
        moved: list[int] = []
        for number, ttl, asked, *times in self._connection.execute(pending, (made_before,)):
            given, asked_at = timedelta(seconds=ttl), datetime.fromisoformat(asked)
            expires_at = datetime.fromisoformat(times[1])
            too_early = asked_at + given - expires_at if asked_at <= at else timedelta()
            by = too_early if too_early > _MAY_BE_OFF else timedelta()
            by = min(by, at + given - expires_at)
            if by:
                self._move_decision(number, times, by)
                moved.append(number)
        return moved

    def _move_decision(self, number: int, times: list[str | None], by: timedelta) -> None:
        self._connection.execute(
            "UPDATE requests SET due_at = ?, expires_at = ?, remind_at = ?, escalate_at = ? WHERE number = ?",
            (*(_moved(each, by) for each in times), number),
        )


_MAY_BE_OFF = timedelta(minutes=1)
"""A smaller step of the clock is no reason to move anything at a start."""
_OF_A_DECISION = "due_at, expires_at, remind_at, escalate_at"
"""The times of a pending request; it is due at the first of them."""


def _moved(moment: str | None, by: timedelta) -> str | None:
    return moment and timestamp(datetime.fromisoformat(moment) + by)
