"""Slack's signed requests and commands that one of several bots has seen, so that none of them is taken twice."""

from datetime import datetime
from hashlib import sha256

from bot.domain.audit import timestamp
from bot.store.connection import Connection


class Signatures:
    """The table ``signatures``. It holds digests: a signature that can be read could be sent again.

    For a command that acts at once, its trigger id stands for the signature.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep(self, signature: str, until: datetime | None = None) -> bool:
        """Keep this signature until that time, or for ever; return False if it was kept before."""
        kept = self._connection.execute(
            "INSERT INTO signatures (digest, until) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING RETURNING digest",
            (sha256(signature.encode()).hexdigest(), until and timestamp(until)),
        )
        return bool(kept)

    def forget(self, now: datetime) -> None:
        """Forget the signatures whose time is over."""
        self._connection.execute("DELETE FROM signatures WHERE until <= ?", (timestamp(now),))
