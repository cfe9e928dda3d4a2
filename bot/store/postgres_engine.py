"""PostgreSQL as the engine of a store. Importing it needs psycopg, which the extra ``postgres`` installs."""

from contextlib import AbstractContextManager, closing

from bot.store import postgres, postgres_errors, postgres_start
from bot.store.connection import Connection
from bot.store.file import Privacy
from bot.store.place import Server
from bot.store.postgres import Postgres

_NUMBERED = """
    SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attidentity <> '' AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
"""
"""The columns whose numbers come from a sequence."""


class PostgreSQL:
    """One database on a server, for any number of bots."""

    shared = True

    def __init__(self, server: Server) -> None:
        self._server = server

    def open_writer(self) -> Postgres:
        """Connect, make the tables if need be, and check them."""
        return postgres_start.open_writer(self._server)

    def open_beside(self) -> Postgres:
        """Connect to tables that are there."""
        return postgres_start.open_beside(self._server)

    def open_reader(self) -> Postgres:
        """Connect; only ``begin_reading`` is called on it."""
        return Postgres(self._server, name=postgres.READER)

    def prepare(self, role: str | None) -> None:
        """Make the tables as the role that then owns them, and give another role the rights of a bot."""
        with closing(postgres_start.open_writer(self._server)) as connection:
            if role is not None:
                postgres_start.grant(connection, role)

    def take_time(self, connection: Connection) -> None:
        """Take the server's limits and the client's from the transaction."""
        assert isinstance(connection, Postgres)
        connection.take_time()

    def filled(self, connection: Connection) -> None:
        """Set the sequences behind the numbers, and let the server count the rows.

        Else it would plan the verification of a million events as that of a few, which did not end in four minutes.
        """
        for table, column in connection.execute(_NUMBERED):
            connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"
                f" HAVING max({column}) IS NOT NULL"
            )
        connection.execute("ANALYZE")

    def explained(self) -> AbstractContextManager[None]:
        """Explain what psycopg raises."""
        return postgres_errors.explained(self._server)

    def check_room(self) -> None:
        """Do nothing: the server's disk is out of sight."""

    def close_to_others(self) -> Privacy:
        """Return that there are no files here."""
        return Privacy.PRIVATE

    def in_use(self) -> bool:
        """Look for the connection of a bot."""
        return postgres_start.in_use(self._server)
