"""The Home tabs that people opened, and when each has to be published again."""

from collections.abc import Collection
from datetime import datetime, timedelta

from bot.domain.audit import timestamp
from bot.domain.delivery import Publish
from bot.store.connection import Connection, among

OPEN_FOR = timedelta(hours=1)
"""A Home tab counts as open for so long: Slack says when somebody opens it, and never when they leave it."""
_APART = timedelta(seconds=1)
"""Between two publishes for one person; whatever changes meanwhile goes into the next one."""
_LONGEST_PAUSE = timedelta(minutes=5)
"""No pause is longer, so a later ``free_at`` comes from a clock that was wrong."""
_SOON = "CASE WHEN homes.free_at > :at AND homes.free_at <= :latest THEN homes.free_at ELSE :at END"
"""The earliest time for a publish."""
_MAY_COME_SOON = (
    f"(homes.due_at IS NULL OR homes.due_at = homes.lease_until OR (homes.tries = 0 AND homes.due_at > {_SOON}))"
)
"""The condition for owing a publish as soon as possible. After a failure, the pause before the next try stays."""


class Homes:
    """The table ``homes``: one row for each person who ever opened the Home tab.

    A publish shows everything up to its moment, so at most one is owed to each person: at ``due_at``, or none where
    that is NULL. While a worker has it in hand, ``lease_until`` is when that worker counts as dead, and ``due_at`` is
    the same, or earlier if something has changed meanwhile. ``free_at`` is when Slack takes the next one, and until
    ``doubt_until`` Slack may still carry out an earlier one of which the bot knows nothing more.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def opened(self, person: str, at: datetime) -> None:
        """Keep that this person has the tab open, and owe a publish."""
        self._connection.execute(
            "INSERT INTO homes (person, opened_at, due_at) VALUES (:person, :at, :at)"
            " ON CONFLICT (person) DO UPDATE SET opened_at = excluded.opened_at,"
            f" due_at = CASE WHEN {_MAY_COME_SOON} THEN {_SOON} ELSE homes.due_at END",
            {"person": person, **_times(at)},
        )

    def changed(self, at: datetime) -> None:
        """Owe a publish to everybody who has the tab open."""
        self._connection.execute(
            f"UPDATE homes SET due_at = {_SOON} WHERE opened_at > :since AND {_MAY_COME_SOON}",
            {"since": timestamp(at - OPEN_FOR), **_times(at)},
        )

    def claim(
        self,
        now: datetime,
        lease: timedelta,
        *,
        room: int,
        held: Collection[str] = frozenset(),
        late: timedelta = timedelta(minutes=1),
    ) -> list[Publish]:
        """Claim up to ``room`` publishes that are due, the earliest first; ``held`` are people's that are in hand.

        A worker whose lease is over may only stand still. So ``late`` after its publish was taken over, another one
        shows what is true by then.
        """
        if room <= 0:
            return []
        due = self._connection.execute(
            "SELECT person, tries + 1 FROM homes WHERE due_at <= ? AND (lease_until IS NULL OR lease_until <= ?)"
            f" AND NOT {among('person', len(held))} ORDER BY due_at, person LIMIT ?",
            (timestamp(now), timestamp(now), *held, room),
        )
        for person, tries in due:
            self._connection.execute(
                "UPDATE homes SET due_at = :until, lease_until = :until, free_at = :free_at, tries = :tries,"
                " doubt_until = CASE WHEN lease_until IS NOT NULL THEN :doubt ELSE doubt_until END"
                " WHERE person = :person",
                {
                    "until": timestamp(now + lease),
                    "free_at": timestamp(now + _APART),
                    "doubt": timestamp(now + late),
                    "tries": tries,
                    "person": person,
                },
            )
        return [Publish(person, tries) for person, tries in due]

    def conclude(self, publish: Publish, at: datetime) -> None:
        """Owe this publish no more. Owe the next one, if something has changed or Slack may carry out an earlier one.

        The result of an older try changes nothing.
        """
        self._connection.execute(
            "UPDATE homes SET lease_until = NULL, tries = 0,"
            " due_at = CASE WHEN due_at < lease_until THEN due_at"
            "  WHEN doubt_until > :at AND doubt_until <= :latest THEN doubt_until END,"
            " doubt_until = CASE WHEN doubt_until > :at THEN doubt_until END"
            " WHERE person = :person AND tries = :tries",
            {"person": publish.person, "tries": publish.tries, **_times(at)},
        )

    def postpone(self, publish: Publish, due_at: datetime, doubt_until: datetime | None) -> None:
        """Try this publish again at that time; with ``doubt_until``, Slack may carry out this try until then."""
        self._connection.execute(
            "UPDATE homes SET due_at = ?, lease_until = NULL, doubt_until = coalesce(?, doubt_until)"
            " WHERE person = ? AND tries = ?",
            (timestamp(due_at), doubt_until and timestamp(doubt_until), publish.person, publish.tries),
        )

    def pause(self, until: datetime) -> None:
        """Publish nothing before that time: Slack's limit is for all people together."""
        self._connection.execute(
            "UPDATE homes SET free_at = :until,"
            " due_at = CASE WHEN lease_until IS NULL AND due_at < :until THEN :until ELSE due_at END",
            {"until": timestamp(until)},
        )

    def stay_open(self, last: datetime, at: datetime) -> None:
        """Let the tabs that were open at the time of the ``last`` event be open at a start, whatever its clock says."""
        self._connection.execute(
            "UPDATE homes SET opened_at = ? WHERE opened_at > ?", (timestamp(at), timestamp(last - OPEN_FOR))
        )

    def end_leases(self, at: datetime, doubt_until: datetime) -> None:
        """Make due what a worker holds; what it sent with its last breath, Slack may carry out until then."""
        self._connection.execute(
            "UPDATE homes SET due_at = ?, lease_until = NULL, tries = 0, doubt_until = ? WHERE lease_until IS NOT NULL",
            (timestamp(at), timestamp(doubt_until)),
        )


def _times(at: datetime) -> dict[str, str]:
    return {"at": timestamp(at), "latest": timestamp(at + _LONGEST_PAUSE)}
