"""The times at which something comes again and again: daily, or on one day of the week."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAILY = "daily"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A time of the day in a time zone, on one day of the week, or on each where ``weekday`` is None (0 is Monday).

    Where the clocks are put forward, a time that they skip comes as much later. Where they are put back, a time that
    they show twice counts the first time.
    """

    weekday: int | None
    at: time
    zone: ZoneInfo

    def __str__(self) -> str:
        """Return the schedule as people write it in a setting."""
        day = DAILY if self.weekday is None else WEEKDAYS[self.weekday]
        return f"{day} {self.at:%H:%M} {self.zone.key}"

    def next(self, after: datetime) -> datetime:
        """Return the first time after this one, in UTC."""
        return min(each for each in self._around(after) if each > after)

    def last(self, until: datetime) -> datetime:
        """Return the last time that is not after this one, in UTC."""
        return max(each for each in self._around(until) if each <= until)

    def _around(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times of the week before and after."""
        today = moment.astimezone(self.zone).date()
        for days in range(-8, 9):
            day = today + timedelta(days=days)
            if self.weekday in {None, day.weekday()}:
                yield datetime.combine(day, self.at, self.zone).astimezone(UTC)
