"""The digest that comes next: one row, so that its time is in the database before it is over."""

from dataclasses import dataclass
from datetime import datetime

from bot.domain.audit import timestamp
from bot.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Planned:
    """The next digest: the schedule by which it was planned, where its period begins, and when it is due.

    ``schedule`` is empty where none is planned any more, while the settings name none. ``newest`` is the number of the
    newest request that an earlier digest counted or that is too old for any: those after it belong to the next one,
    whatever their time is. ``ended`` is the latest time until which there was a digest, or None if there was none.
    ``older_copy`` is true where an older copy of the database has taken over since the digest before, so that there may
    have been another one of the same period. ``lease_until`` is set while a worker reads its figures.
    """

    schedule: str
    since: datetime
    newest: int
    ended: datetime | None
    due_at: datetime
    lease_until: datetime | None
    older_copy: bool = False


class Digests:
    """The table ``digest``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def planned(self) -> Planned | None:
        """Return the next digest, or None if none was ever planned."""
        rows = self._connection.execute(
            "SELECT schedule, newest, older_copy, since, ended, due_at, lease_until FROM digest"
        )
        for schedule, newest, older_copy, *times in rows:
            since, ended, due_at, lease_until = (each and datetime.fromisoformat(each) for each in times)
            return Planned(schedule, since, newest, ended, due_at, lease_until, bool(older_copy))
        return None

    def plan(
        self,
        schedule: str,
        *,
        since: datetime,
        newest: int,
        ended: datetime | None,
        due_at: datetime,
        older_copy: bool = False,
    ) -> None:
        """Keep the next digest, in the place of the one before."""
        self._connection.execute(
            "INSERT INTO digest (id, schedule, since, newest, ended, due_at, older_copy) VALUES (1, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET schedule = excluded.schedule, since = excluded.since,"
            " newest = excluded.newest, ended = excluded.ended, due_at = excluded.due_at, lease_until = NULL,"
            " older_copy = excluded.older_copy",
            (schedule, timestamp(since), newest, ended and timestamp(ended), timestamp(due_at), int(older_copy)),
        )

    def went_on_with_older_copy(self) -> None:
        """Keep that the next digest may repeat one which this database does not know."""
        self._connection.execute("UPDATE digest SET older_copy = 1")

    def lease(self, until: datetime) -> None:
        """Keep that a worker reads the figures, and when it counts as dead."""
        self._connection.execute("UPDATE digest SET lease_until = ?", (timestamp(until),))

    def end_lease(self) -> None:
        """Take it from a worker that is gone."""
        self._connection.execute("UPDATE digest SET lease_until = NULL")

    def drop(self) -> None:
        """Plan no digest any more; what earlier ones counted stays known."""
        self._connection.execute("UPDATE digest SET schedule = '', lease_until = NULL")
