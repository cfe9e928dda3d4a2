"""Everybody's clock in a chaos run."""

from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that only ever goes forward: it leaps while the bot is not running, as over a weekend."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        """Return the time for the local Slack, for the local gateway, and for the next bot."""
        return datetime.now(UTC) + self.ahead

    def leap(self, by: timedelta) -> None:
        """Go forward at once."""
        self.ahead += by
