"""The facts that ``doctor`` has to know about a PostgreSQL server, and about the way to it."""

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.store import postgres
from bot.store.place import Server
from bot.store.postgres import Postgres
from bot.store.postgres_errors import explained
from bot.store.postgres_start import tables_there


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts about a server. ``apart`` is positive where this machine's clock is ahead of the server's.

    ``waits_for`` names the standbys for which a commit waits; it is empty where no commit waits for any.
    ``may_change_events`` is true for a role that could change an event if it first switched the guards off.
    """

    version: str
    encrypted: bool
    pooled: bool
    round_trip: timedelta
    apart: timedelta
    waits_for: str
    may_change_events: bool
    has_tables: bool


def facts(server: Server) -> Facts:
    """Look at the server. Raises StoreError."""
    with explained(server), closing(Postgres(server, name=postgres.COMMAND)) as connection:
        connection.execute("SELECT 1")  # opens the connection, which takes longer than a question
        began, at = time.monotonic(), datetime.now(UTC)
        theirs = connection.clock()
        took = timedelta(seconds=time.monotonic() - began)
        _, has_tables = tables_there(connection)
        ((version, waits_for, process),) = connection.execute(
            "SELECT current_setting('server_version'), current_setting('synchronous_standby_names'), pg_backend_pid()"
        )
        rights = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'audit_events'::regclass"
        owner = has_tables and connection.execute(rights) == [(True,)]
        told, encrypted = connection.told()
        apart = at + took / 2 - theirs
        return Facts(version, encrypted, told != process, took, apart, waits_for, owner, has_tables)
