"""Slack's rate for new messages in each channel, as far as the bots have used it."""

from datetime import datetime

from bot.domain.audit import timestamp
from bot.store.connection import Connection


class Rates:
    """The table ``rates``: until when the messages to a channel or person count, if they had gone out evenly."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def used(self, after: datetime, latest: datetime) -> dict[str, datetime]:
        """Return the targets whose messages count beyond ``after``, each with its time.

        A time beyond ``latest`` comes from a clock that was wrong, and holds nobody up.
        """
        rows = self._connection.execute(
            "SELECT target, used_until FROM rates WHERE used_until > ? AND used_until <= ?",
            (timestamp(after), timestamp(latest)),
        )
        return {target: datetime.fromisoformat(until) for target, until in rows}

    def use(self, target: str, until: datetime) -> None:
        """Let the messages to this target count until that time."""
        self._connection.execute(
            "INSERT INTO rates (target, used_until) VALUES (?, ?)"
            " ON CONFLICT (target) DO UPDATE SET used_until = excluded.used_until",
            (target, timestamp(until)),
        )

    def forget(self, before: datetime) -> None:
        """Forget the targets whose messages count no more."""
        self._connection.execute("DELETE FROM rates WHERE used_until <= ?", (timestamp(before),))
