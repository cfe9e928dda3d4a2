"""All tables over one connection: what a use case gets to work with."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bot.domain.audit import timestamp
from bot.domain.freeze import Freeze
from bot.domain.seal import PrivateKey
from bot.store.attempts import Attempts
from bot.store.cancellations import Cancellations
from bot.store.connection import Connection
from bot.store.deliveries import Deliveries
from bot.store.digests import Digests
from bot.store.homes import Homes
from bot.store.levels import Levels
from bot.store.lookups import Lookups
from bot.store.people import People
from bot.store.projections import Projections
from bot.store.rates import Rates
from bot.store.record import Record
from bot.store.reports import Reports
from bot.store.requests import Requests
from bot.store.seals import Seals
from bot.store.signatures import Signatures
from bot.store.timers import Timers

_HOME_DUE = "CASE WHEN lease_until > due_at THEN lease_until ELSE due_at END"


class Tables:
    """Every table. Inside ``Store.transaction`` all writes become visible together, or not at all.

    Inside ``Store.read`` the connection is read-only, and a write raises. ``key`` seals the record.
    """

    def __init__(self, connection: Connection, key: PrivateKey | None = None) -> None:
        self.connection = connection
        self.seals = Seals(connection, key)
        self.requests = Requests(connection)
        self.cancellations = Cancellations(connection)
        self.attempts = Attempts(connection)
        self.deliveries = Deliveries(connection)
        self.homes = Homes(connection)
        self.rates = Rates(connection)
        self.signatures = Signatures(connection)
        self.record = Record(connection)
        self.people = People(connection, self.record)
        self.lookups = Lookups(connection)
        self.projections = Projections(connection)
        self.timers = Timers(connection)
        self.digests = Digests(connection)
        self.reports = Reports(connection)
        self.levels = Levels(connection)

    def begin(self) -> None:
        """Begin a transaction that may write."""
        self.record.appended.clear()
        self.connection.begin()

    def seal(self) -> None:
        """Seal what was put on record since ``begin``, right before the commit. Raises SealRefused."""
        if self.record.appended:
            self.seals.add(self.record.appended)

    def freeze(self) -> Freeze | None:
        """Return the freeze that is in force, with the name of whoever began it, or None."""
        found = self.record.freeze()
        return found and replace(found, name=self.people.names([found.by]).get(found.by, ""))

    def now(self, machine: Callable[[], datetime]) -> datetime:
        """Return the time that the bots go by: that of the database's server, or for a file that of this machine."""
        return self.connection.clock() or machine()

    def beat(self, at: datetime) -> None:
        """Write something small, to prove that the file takes it, and that an event could be sealed.

        Raises SealRefused.
        """
        self.seals.check(self.record.last())
        self.connection.execute(
            "INSERT INTO heartbeat (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at",
            (timestamp(at),),
        )

    def took_over(self, at: datetime) -> bool:
        """Keep the server's timeline; return True where it is another one than before."""
        if (now := self.connection.timeline()) is None:
            return False
        before = self.connection.execute("SELECT timeline FROM heartbeat WHERE timeline IS NOT NULL")
        self.connection.execute(
            "INSERT INTO heartbeat (id, at, timeline) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET timeline = excluded.timeline",
            (timestamp(at), now.number),
        )
        return any(number != now.number for (number,) in before)

    def next_due(self, after: datetime) -> datetime | None:
        """Return when the worker must act next after this time, or None if nothing waits for it."""
        at = timestamp(after)
        rows = self.connection.execute(
            "SELECT min(at) FROM ("
            " SELECT min(due_at) AS at FROM requests WHERE due_at > :after"
            " UNION ALL SELECT min(due_at) FROM cancellations WHERE due_at > :after"
            " UNION ALL SELECT min(lease_until) FROM cancellations WHERE lease_until > :after"
            " UNION ALL SELECT min(coalesce(lease_until, due_at)) FROM deliveries"
            " WHERE status = 'queued' AND coalesce(lease_until, due_at) > :after"
            f" UNION ALL SELECT min({_HOME_DUE}) FROM homes WHERE due_at IS NOT NULL AND {_HOME_DUE} > :after"
            " UNION ALL SELECT coalesce(lease_until, due_at) FROM digest WHERE coalesce(lease_until, due_at) > :after"
            ") AS waiting",
            {"after": at},
        )
        return datetime.fromisoformat(rows[0][0]) if rows[0][0] else None
