"""The names under which people act, for the pages and views that people read."""

from collections.abc import Collection
from datetime import datetime

from bot.domain.events import Named
from bot.domain.policy import Actor
from bot.store.connection import Connection, among
from bot.store.record import Record


class People:
    """The table ``people``: Slack ids and the last name seen for each."""

    def __init__(self, connection: Connection, record: Record) -> None:
        self._connection = connection
        self._record = record

    def remember(self, actor: Actor, at: datetime) -> None:
        """Keep the name under which this person acts now, with its event; a name that is known costs no write."""
        if not actor.name:
            return
        new = self._connection.execute(
            "INSERT INTO people (id, name) VALUES (?, ?)"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE people.name <> excluded.name RETURNING id",
            (actor.id, actor.name),
        )
        if new:
            self._record.append(Named(actor.name), actor.id, at)

    def names(self, ids: Collection[str]) -> dict[str, str]:
        """Return the names of these people; somebody who never acted is left out."""
        sql = f"SELECT id, name FROM people WHERE {among('id', len(ids))}"
        return dict(self._connection.execute(sql, tuple(ids)))

    def id_of(self, name: str) -> str | None:
        """Return the id of the one person who last acted under this name, in any case; None if it is not just one."""
        rows = self._connection.execute("SELECT id FROM people WHERE lower(name) = lower(?) LIMIT 2", (name,))
        return str(rows[0][0]) if len(rows) == 1 else None
