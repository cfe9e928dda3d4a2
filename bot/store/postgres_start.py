"""The start on a PostgreSQL database: its tables, their check, and the rights of a role."""

from bot.store.errors import StoreError, StoreProblem
from bot.store.place import Server
from bot.store.postgres import BOT, COMMAND, Postgres
from bot.store.postgres_errors import explained
from bot.store.postgres_schema import APPLIED, MIGRATIONS

_FORGET_WRITERS = "DELETE FROM writers WHERE at < now() - interval '30 days'"


def open_writer(server: Server) -> Postgres:
    """Connect, make the tables if need be, and check them. Raises StoreError and psycopg.Error."""
    connection = Postgres(server)
    try:
        migrate(connection, server)
        _check_definitions(connection, server)
        connection.check_alone()
        connection.execute(_FORGET_WRITERS)
    except BaseException:
        connection.close()
        raise
    return connection


def open_beside(server: Server) -> Postgres:
    """Connect as a command does, to tables that are there. Raises StoreError and psycopg.Error."""
    connection = Postgres(server, name=COMMAND)
    try:
        _check_definitions(connection, server)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_definitions(connection: Postgres, server: Server) -> None:
    if _missing(connection, server):
        raise StoreError(StoreProblem.NO_TABLES, server)
    if changed := connection.altered():
        raise StoreError(StoreProblem.SCHEMA_ALTERED, server, changed)


def migrate(connection: Postgres, server: Server) -> list[str]:
    """Bring the database to this version's schema; return the names of the migrations that this took.

    Each one is applied once, however many replicas start at the same time. Raises StoreError and psycopg.Error.
    """
    has_list, _ = tables_there(connection)
    if has_list and {name for (name,) in connection.execute(f"SELECT name FROM {APPLIED}")} == set(MIGRATIONS):
        # A role that may not lock or make anything can start as well. The rest needs the lock: without it, tables that
        # another replica is making would look like half of a database.
        _missing(connection, server)
        return []
    with connection.migrating():
        missing = _missing(connection, server)
        connection.execute(f"CREATE TABLE IF NOT EXISTS {APPLIED} (name TEXT PRIMARY KEY, at TIMESTAMPTZ NOT NULL)")
        for name in missing:
            connection.script(MIGRATIONS[name])
            connection.execute(f"INSERT INTO {APPLIED} (name, at) VALUES (?, now())", (name,))
    return missing


def grant(connection: Postgres, role: str) -> None:
    """Give a role what a bot needs; with that it can neither change an event nor switch off a guard."""
    ((name, place),) = connection.execute("SELECT quote_ident(?), quote_ident(current_schema())", (role,))
    connection.begin()
    try:
        connection.script(
            f"GRANT USAGE ON SCHEMA {place} TO {name};"
            f" GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {place} TO {name};"
            f" REVOKE UPDATE, DELETE ON audit_events FROM {name};"
            f" REVOKE INSERT, UPDATE, DELETE ON {APPLIED} FROM {name}"
        )
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _missing(connection: Postgres, server: Server) -> list[str]:
    """Return the migrations that are still to be applied. Raises StoreError where the database is not the bot's."""
    has_list, has_record = tables_there(connection)
    applied = {str(name) for (name,) in connection.execute(f"SELECT name FROM {APPLIED}")} if has_list else set()
    if newer := applied - set(MIGRATIONS):
        raise StoreError(StoreProblem.NEWER_SCHEMA, server, ", ".join(sorted(newer)))
    if has_record is not bool(applied):
        raise StoreError(StoreProblem.SCHEMA_ALTERED, server, APPLIED)
    if applied and connection.execute(
        "SELECT 1 WHERE EXISTS (SELECT * FROM requests) AND NOT EXISTS (SELECT * FROM audit_events)"
    ):
        raise StoreError(StoreProblem.EMPTIED, server)
    return [name for name in MIGRATIONS if name not in applied]


def tables_there(connection: Postgres) -> tuple[bool, bool]:
    """Return whether the list of migrations and the record are there.

    They are read from the catalog: ``to_regclass`` may remember from before the lock that a table was not there.
    """
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relname IN (?, 'audit_events')"
        " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())",
        (APPLIED,),
    )
    return (APPLIED,) in rows, ("audit_events",) in rows


def in_use(server: Server) -> bool:
    """Return True where a bot is connected, as far as this role may see that."""
    connection = Postgres(server, name=COMMAND)
    with explained(server):
        try:
            sql = "SELECT 1 FROM pg_stat_activity WHERE application_name = ? AND datname = current_database() LIMIT 1"
            return bool(connection.execute(sql, (BOT,)))
        finally:
            connection.close()
