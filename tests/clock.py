"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Call it for the time; ``advance`` it by seconds or keyword arguments of timedelta."""

    def __init__(self, at: datetime = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)) -> None:
        self.at = at

    def __call__(self) -> datetime:  # noqa: D102 -- the class says it
        return self.at

    def monotonic(self) -> float:
        """Return the seconds that the test let pass."""
        return self.at.timestamp()

    def advance(self, seconds: float = 0, **units: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds, **units)
