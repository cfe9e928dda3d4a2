"""Everybody's clock in a chaos run, and how much time things take on this machine."""

from datetime import UTC, datetime, timedelta

_QUICK_START = 1.2
"""Seconds from a start of the bot to its connection, on a machine that has nothing else to do."""
_SLOWEST = 10.0


class Clock:
    """A clock that only ever goes forward: it leaps while the bot is not running, as over a weekend."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self._slowness = 1.0

    def now(self) -> datetime:
        """Return the time for the local Slack, for the local gateway, and for the next bot."""
        return datetime.now(UTC) + self.ahead

    def leap(self, by: timedelta) -> None:
        """Go forward at once."""
        self.ahead += by

    def took(self, start: float) -> None:
        """Learn how slow the machine is, from the seconds that a start of the bot took."""
        self._slowness = min(max(1.0, start / _QUICK_START), _SLOWEST)

    def long(self, seconds: float) -> float:
        """Return so many seconds, or more on a busy machine: the bot lives longer there, and people wait longer."""
        return seconds * self._slowness
