"""The file: how it is opened, what it needs, and how it is brought to this version."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from bot.domain.audit import BOT, GENESIS
from bot.domain.events import Started
from bot.store import Store, StoreError, StoreProblem, Tables, open_reader, schema


@pytest.fixture
def engine() -> str:
    """Return SQLite: these tests are about its file."""
    return "sqlite"


AT = datetime(2026, 11, 23, tzinfo=UTC)


async def opened(database: Path) -> None:
    """Open the file as the bot does, and close it again."""
    store = Store(database)
    try:
        await store.open()
    finally:
        await store.close()


async def refused(database: Path) -> StoreError:
    """Return the error with which the file does not open."""
    with pytest.raises(StoreError) as error:
        await opened(database)
    assert error.value.path == database
    return error.value


async def spoiled(database: Path, *statements: str) -> None:
    """Make a file that somebody has worked on."""
    await opened(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    """Return the rows of a query on the file."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


async def test_files_are_private_and_durable(store: Store, database: Path) -> None:
    """Only the bot's user can read the file, and each commit reaches the disk."""
    assert stat.S_IMODE(os.stat(database).st_mode) == 0o600  # noqa: PTH116 -- of a file on a local disk
    assert stat.S_IMODE(os.stat(database.parent).st_mode) == 0o700  # noqa: PTH116 -- the same

    def pragmas(tx: Tables) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "page_size")
        return [tx.connection.execute(f"PRAGMA {name}")[0][0] for name in names]

    assert await store.transaction("look", pragmas) == ["wal", 2, 1, 2048]


async def test_missing_guards_are_noticed_at_the_start(database: Path) -> None:
    """A record whose triggers are gone is not written to."""
    await spoiled(database, "DROP TRIGGER audit_events_no_update", "DROP TRIGGER audit_events_no_delete")
    error = await refused(database)
    assert error.problem is StoreProblem.SCHEMA_ALTERED
    assert error.about == "audit_events_no_delete"


async def test_a_newer_schema_is_not_touched(database: Path) -> None:
    """A file of a newer version is refused, with the names of the changes that this version does not know."""
    await spoiled(database, "INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('bot', 'from_the_future')")
    error = await refused(database)
    assert (error.problem, error.about) == (StoreProblem.NEWER_SCHEMA, "from_the_future")


@pytest.mark.parametrize("statement", ["DELETE FROM _sqlite_migrations", "DROP TABLE _sqlite_migrations"])
async def test_a_file_that_has_forgotten_its_migrations_is_not_touched(database: Path, statement: str) -> None:
    """The start names the table and the way out, and does not try to make everything a second time."""
    await spoiled(database, statement)
    error = await refused(database)
    assert (error.problem, error.about) == (StoreProblem.SCHEMA_ALTERED, "_sqlite_migrations")


async def test_a_migration_in_the_middle_cannot_be_missing(database: Path, next_version: Migrations) -> None:
    """Migrations are applied in their order, so somebody has deleted that row."""

    @next_version()
    def second(db: Database) -> None:
        db.executescript("CREATE TABLE extra (x);")

    await spoiled(database, "DELETE FROM _sqlite_migrations WHERE name = 'first'")
    error = await refused(database)
    assert (error.problem, error.about) == (StoreProblem.SCHEMA_ALTERED, "_sqlite_migrations")


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> Migrations:
    """Return the migrations of a version after this one, to which a test can add more."""
    later = Migrations("bot")
    later(name="first")(schema.first)
    monkeypatch.setattr(schema, "migrations", later)
    return later


async def test_an_older_schema_is_brought_up(database: Path, next_version: Migrations) -> None:
    """A file of this version gets the changes of the next one at its start, and keeps its content."""
    await spoiled(database, "INSERT INTO people VALUES ('U1', 'ann')")

    @next_version()
    def second(db: Database) -> None:
        db.executescript("ALTER TABLE people ADD COLUMN team TEXT NOT NULL DEFAULT ''; CREATE VIEW teams AS SELECT 1;")

    store = Store(database)
    await store.open()
    assert await store.read(lambda tables: tables.people.names(["U1"])) == {"U1": "ann"}
    await store.close()
    assert rows(database, "SELECT * FROM people") == [("U1", "ann", "")]
    assert rows(database, "SELECT name FROM sqlite_master WHERE name = 'teams'") == [("teams",)]
    assert rows(database, "SELECT name FROM _sqlite_migrations") == [("first",), ("second",)]


async def test_a_failing_migration_leaves_the_old_version(database: Path, next_version: Migrations) -> None:
    """Migrations happen all or not at all, also where the first of two was fine."""
    await opened(database)
    before = rows(database, "SELECT * FROM sqlite_master ORDER BY name")

    @next_version()
    def second(db: Database) -> None:
        db.executescript("CREATE TABLE extra (x); CREATE TABLE more (x);")

    @next_version()
    def third(db: Database) -> None:
        db.executescript("CREATE TABLE yet_more (x); CREATE TABLE people (x);")

    error = await refused(database)
    assert error.problem is StoreProblem.OTHER
    assert "already exists" in error.about
    assert rows(database, "SELECT * FROM sqlite_master ORDER BY name") == before
    assert rows(database, "SELECT name FROM _sqlite_migrations") == [("first",)]


async def test_a_first_start_that_fails_leaves_no_half_of_the_tables(database: Path, next_version: Migrations) -> None:
    """The next start of a sound version finds a file that it can fill."""

    @next_version()
    def second(db: Database) -> None:
        db.executescript("CREATE TABLE people (x);")

    assert (await refused(database)).problem is StoreProblem.OTHER
    assert rows(database, "SELECT name FROM sqlite_master") == []


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"x" * 5000])
async def test_a_file_that_is_no_database_is_refused(database: Path, content: bytes) -> None:
    """A file of anything else counts as damaged, with SQLite's own words."""
    database.parent.mkdir()
    database.write_bytes(content)  # noqa: ASYNC240 -- a small local file
    error = await refused(database)
    assert error.problem is StoreProblem.DAMAGED
    assert "not a database" in error.about


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """If the path leads through a file, the error names it."""
    (tmp_path / "file").touch()
    error = await refused(tmp_path / "file" / "data" / "bot.db")
    assert (error.problem, error.about) == (StoreProblem.BELOW_A_FILE, "Not a directory")


async def test_a_file_that_is_not_there_is_not_made_by_a_reader(database: Path) -> None:
    """Looking into the wrong place leaves nothing there."""
    with pytest.raises(StoreError) as missing, open_reader(database):
        pytest.fail("it opened")
    assert missing.value.problem is StoreProblem.MISSING
    assert not database.parent.exists()


@pytest.fixture
def reader(store: Store) -> Iterator[Tables]:
    """Yield the tables of a reader beside the running store."""
    with open_reader(store.path) as tables:
        yield tables


async def test_a_reader_beside_the_bot_sees_what_was_committed(store: Store, reader: Tables) -> None:
    """It reads while the bot runs, and cannot write."""
    insert = "INSERT INTO people (id, name) VALUES ('U1', 'ann')"
    await store.transaction("name", lambda tx: tx.connection.execute(insert))
    assert reader.people.names(["U1"]) == {"U1": "ann"}
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.connection.execute(insert)


async def test_views_for_people_name_people_and_results(store: Store) -> None:
    """Somebody who opens the file reads names, decisions and results without joining tables."""
    statements = (
        "INSERT INTO people VALUES ('U1', 'ann'), ('U2', 'ben')",
        (
            "INSERT INTO requests (id, category, reason, source, requester, approvals_required, requested_at,"
            " expires_at, approval_ttl, form_id, card_channel)"
            " VALUES ('c1', '', 'why', '', 'U1', 1, 't1', 't2', 60, 'V1', 'C1')"
        ),
        (
            "INSERT INTO cancellations (request, order_id, requester, requested_at, state, changed_at, changed_seq)"
            " VALUES (1, 'ord_1', 'U1', 't1', 'refused', 't3', 3)"
        ),
        (
            "INSERT INTO decisions (number, approver, choice, order_id, reason, at, requested_at) VALUES"
            " (1, 'U2', 'approve', '', '', 't', 't'), (1, 'U3', 'approve', '', '', 't', 't'),"
            " (1, 'U2', 'reject', '', 'no', 't', 't')"
        ),
        "INSERT INTO attempts (number, started_at, outcome, reason) VALUES (1, 't', 'refused', 'completed')",
        "INSERT INTO attempts (number, started_at) VALUES (1, 't')",
        f"INSERT INTO audit_events VALUES (1, 't', 'withdrawn', 'c1', 'ord_1', 'U1', '{{}}', '{GENESIS}', 'abcdefghi')",
        "INSERT INTO words VALUES (1, 'reason', 'salt', 'why')",
    )

    def fill(tx: Tables) -> None:
        for statement in statements:
            tx.connection.execute(statement)

    await store.transaction("fill", fill)
    with open_reader(store.path) as tables:
        (request,) = tables.connection.execute("SELECT * FROM cancellations_readable")
        (event,) = tables.connection.execute("SELECT * FROM audit_readable")
    assert request[:6] == (1, "ord_1", "refused", "t1", "ann (U1)", "why")
    assert request[6:9] == ("ben (U2), U3", "ben (U2): no", "completed")
    assert request[9:] == ("t3", 2, "", "c1")
    assert event == (1, "t", "withdrawn", "ord_1", "ann (U1)", "{}", "reason: why", "c1", "abcdefghi")


async def test_no_event_takes_the_place_of_another(store: Store) -> None:
    """SQLite's REPLACE deletes without asking a guard against deletions, so the guard of new events stops it."""
    await store.transaction("record", lambda tx: tx.record.append(Started("1"), BOT, AT))
    statement = "REPLACE INTO audit_events SELECT seq, at, kind, '', '', '', '', prev_hash, 'x' FROM audit_events"
    with pytest.raises(sqlite3.IntegrityError, match="must follow"):
        await store.transaction("forge", lambda tx: tx.connection.execute(statement))
