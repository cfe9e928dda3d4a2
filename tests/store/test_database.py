"""The file: one writer, safe settings, guards, and clear words when it cannot be used."""

import asyncio
import os
import shutil
import sqlite3
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.audit import Event, Kind, verify
from bot.domain.cancellation import State
from bot.store import Busy, Damaged, NewerSchema, Store, Transaction, Unusable, open_reader
from tests.clock import Clock


async def test_files_are_private_and_durable(store: Store, database: Path) -> None:
    """Only the bot's user can read the file, and each commit reaches the disk."""
    assert stat.S_IMODE(os.stat(database).st_mode) == 0o600  # noqa: PTH116 -- of a file on a local disk
    assert stat.S_IMODE(os.stat(database.parent).st_mode) == 0o700  # noqa: PTH116 -- the same

    def pragmas(tx: Transaction) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [tx._db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await store.transaction("look", pragmas) == ["wal", 2, 1]


async def test_a_second_opener_is_refused_while_the_first_lives(database: Path) -> None:
    """Two bots on one file would do everything twice."""
    store = Store(database)
    await store.open()
    with pytest.raises(Busy, match="another bot is running on this file"):
        await Store(database).open()
    await store.close()
    second = Store(database)
    await second.open()
    await second.close()


async def test_an_exception_undoes_everything(store: Store, clock: Clock) -> None:
    """A transaction that fails leaves nothing behind, not even in the writer's memory, and the next one works."""

    def work(tx: Transaction) -> None:
        tx.know("U1", "one")
        tx.record(Kind.STARTED, "bot", clock())

    def fail(tx: Transaction) -> None:
        work(tx)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await store.transaction("fail", fail)
    assert await store.read(lambda reader: list(reader.events())) == []
    await store.transaction("work", work)
    assert (await store.read(lambda reader: verify(reader.events()))).events == 1
    assert await store.read(lambda reader: reader.names(["U1"])) == {"U1": "one"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'U9'",
        "DELETE FROM audit_events",
        "INSERT INTO audit_events SELECT seq + 5, at, kind, '', '', '', '', hash, 'x' FROM audit_events",
        "INSERT INTO audit_events SELECT seq + 1, at, kind, '', '', '', '', 'other', 'x' FROM audit_events",
        "REPLACE INTO audit_events SELECT seq, at, kind, '', '', '', '', prev_hash, 'x' FROM audit_events",
    ],
)
async def test_the_record_only_grows(store: Store, clock: Clock, statement: str) -> None:
    """No statement edits, removes, replaces or puts in an event out of turn."""
    await store.transaction("record", lambda tx: tx.record(Kind.STARTED, "bot", clock()))
    with pytest.raises(sqlite3.IntegrityError, match=r"append-only|must follow"):
        await store.transaction("forge", lambda tx: tx._db.execute(statement))
    assert (await store.read(lambda reader: verify(reader.events()))).damage is None


async def spoiled(database: Path, *statements: str) -> None:
    """A file that somebody has worked on."""
    store = Store(database)
    await store.open()
    await store.close()
    with sqlite3.connect(database) as connection:
        for statement in statements:
            connection.execute(statement)


async def test_missing_guards_are_noticed_at_the_start(database: Path) -> None:
    """A record whose triggers are gone is not written to."""
    await spoiled(database, "DROP TRIGGER audit_events_no_update")
    with pytest.raises(Damaged, match="audit_events_no_update"):
        await Store(database).open()


async def test_a_newer_schema_is_not_touched(database: Path) -> None:
    """A file of a newer version is refused with what to do."""
    await spoiled(database, "INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('bot', 'from_the_future')")
    with pytest.raises(NewerSchema, match="from_the_future"):
        await Store(database).open()


async def test_an_older_schema_is_brought_up(database: Path) -> None:
    """A file without the views of today gets them at the start, and what it held stays."""
    await spoiled(
        database,
        "DROP VIEW cancellations_readable",
        "DROP VIEW audit_readable",
        "DELETE FROM _sqlite_migrations WHERE name = 'readable'",
        "INSERT INTO people VALUES ('U1', 'ann')",
    )
    store = Store(database)
    await store.open()
    assert await store.read(lambda reader: reader.names(["U1"])) == {"U1": "ann"}
    with open_reader(database) as (_, db):
        assert {view.name for view in db.views} == {"cancellations_readable", "audit_readable"}
    await store.close()


async def test_a_failing_migration_leaves_the_old_version(database: Path) -> None:
    """Migrations happen all or not at all."""
    await spoiled(
        database,
        "DELETE FROM _sqlite_migrations WHERE name <> 'tables'",
        "DROP VIEW cancellations_readable",
    )
    with pytest.raises(Unusable, match="already exists"):
        await Store(database).open()
    with open_reader(database) as (_, db):
        assert [row[0] for row in db.execute("SELECT name FROM _sqlite_migrations")] == ["tables"]


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"x" * 5000])
async def test_a_file_that_is_no_database_is_named(database: Path, content: bytes) -> None:
    """Garbage is refused with the file's name and the way to a backup."""
    database.parent.mkdir()
    database.write_bytes(content)  # noqa: ASYNC240 -- a small local file
    with pytest.raises(Damaged, match="latest backup"):
        await Store(database).open()


async def test_a_corrupt_page_is_told_when_it_is_read(database: Path, clock: Clock) -> None:
    """Damage in the middle of the file ends in words that name the file and the way out."""
    store = Store(database)
    await store.open()
    for _ in range(200):
        await store.transaction("fill", lambda tx: tx.record(Kind.STARTED, "bot", clock(), padding="x" * 500))
    await store.close()
    content = bytearray(database.read_bytes())  # noqa: ASYNC240 -- a small local file
    for page in range(20, len(content) // 4096 - 2):
        content[page * 4096 : page * 4096 + 4096] = b"\xff" * 4096
    database.write_bytes(content)  # noqa: ASYNC240 -- the same
    with pytest.raises(Damaged, match=r"bot\.db: .*latest backup"), open_reader(database) as (reader, _):
        list(reader.events())


async def test_a_full_disk_keeps_nothing_and_is_over_when_there_is_space(store: Store, clock: Clock) -> None:
    """While nothing fits the transaction fails with words; afterwards the store works again."""

    def fill(tx: Transaction) -> Event:
        return tx.record(Kind.STARTED, "bot", clock(), padding="x" * 100_000)

    def limit(pages: int) -> None:
        store._db.execute(f"PRAGMA max_page_count={pages}")

    await asyncio.get_running_loop().run_in_executor(store._writer, limit, 20)
    with pytest.raises(Unusable, match="Free some space"):
        await store.transaction("fill", fill)
    assert await store.read(lambda reader: list(reader.events())) == []
    await asyncio.get_running_loop().run_in_executor(store._writer, limit, 100_000)
    await store.transaction("fill", fill)
    assert (await store.read(lambda reader: verify(reader.events()))).events == 1


async def test_a_disk_that_is_nearly_full_is_told_before_it_is(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While there is room for a heartbeat, but hardly for a request, the bot does not call itself ready."""
    nearly = shutil.disk_usage(store.path)._replace(free=200 * 1024)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: nearly)
    with pytest.raises(Unusable, match=r"bot\.db: only 200 KiB are left on its disk\. Free some space"):
        await store.probe()


@pytest.mark.parametrize(
    "says, way_out",
    [
        ("unable to open database file", r"folder is read-only.*Backups can be read"),
        ("disk I/O error", r"full or failing: .*system's log"),
    ],
)
async def test_a_file_that_does_not_open_is_told_with_a_way_out(
    store: Store, monkeypatch: pytest.MonkeyPatch, says: str, way_out: str
) -> None:
    """A folder where nothing can be written and a disk that fails are told apart."""

    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError(says)

    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(sqlite3, "connect", fail)
    with pytest.raises(Unusable, match=rf"bot\.db: {says}\. .*{way_out}"), open_reader(store.path):
        pytest.fail("it opened")


async def test_a_read_only_file_is_named(store: Store, clock: Clock) -> None:
    """A database that takes no writes says so."""
    await asyncio.get_running_loop().run_in_executor(
        store._writer,
        lambda: store._db.execute("PRAGMA query_only=ON"),
    )
    with pytest.raises(Unusable, match="read-only"):
        await store.transaction("record", lambda tx: tx.record(Kind.STARTED, "bot", clock()))
    with pytest.raises(Unusable, match="read-only"):
        await store.probe()


async def test_a_database_that_somebody_keeps_locked_is_named(
    store: Store,
    database: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A shell that holds a write lock is told apart from damage."""
    await asyncio.get_running_loop().run_in_executor(
        store._writer,
        lambda: store._db.execute("PRAGMA busy_timeout=0"),
    )
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unusable, match="another program has kept the database locked"):
        await store.transaction("record", lambda tx: tx.record(Kind.STARTED, "bot", clock()))
    other.close()
    await store.transaction("record", lambda tx: tx.record(Kind.STARTED, "bot", clock()))


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Where the path leads through a file, the error names it."""
    (tmp_path / "file").touch()
    with pytest.raises(Unusable, match=r"file/data/bot\.db"):
        await Store(tmp_path / "file" / "data" / "bot.db").open()


async def test_a_step_that_may_not_follow_is_refused(store: Store, clock: Clock) -> None:
    """Compare-and-set steps only from the state that was read, and only where the states allow."""

    def use(tx: Transaction) -> list[bool]:
        asked = tx.ask(
            form_id="V1",
            order_id="ord_1",
            reason="",
            requester="U1",
            card_channel="C1",
            approvals_required=1,
            at=clock(),
            expires_at=clock(),
        )
        assert asked is not None
        return [
            tx.move(asked, State.CANCELLED, at=clock()),
            tx.move(asked, State.REJECTED, at=clock()),
            tx.move(asked, State.WITHDRAWN, at=clock()),
        ]

    assert await store.transaction("steps", use) == [False, True, False]


async def test_transactions_that_wait_share_a_commit(store: Store) -> None:
    """While one is being committed others come; together they cost one commit more, not one each."""
    statements: list[str] = []
    store._db.conn.set_trace_callback(statements.append)
    await asyncio.gather(
        *(store.transaction("one", lambda tx: tx.record(Kind.STARTED, "bot", datetime.now(UTC))) for _ in range(20))
    )
    assert 1 <= statements.count("COMMIT") < 20
    assert await store.read(lambda reader: reader.last_event().seq) == 20


async def test_a_failing_transaction_undoes_itself_and_nobody_else(store: Store) -> None:
    """Of those that share a commit, only the writes of the one that raised are gone."""
    held = threading.Event()
    store._writer.submit(held.wait)

    def failing(tx: Transaction) -> None:
        tx.know("U2", "two")
        raise LookupError("two")

    before = asyncio.create_task(store.transaction("one", lambda tx: tx.know("U1", "one")))
    broken = asyncio.create_task(store.transaction("two", failing))
    after = asyncio.create_task(store.transaction("three", lambda tx: tx.know("U3", "three")))
    await asyncio.sleep(0)
    held.set()
    with pytest.raises(LookupError, match="two"):
        await broken
    await asyncio.gather(before, after)
    assert await store.read(lambda reader: reader.names(["U1", "U2", "U3"])) == {"U1": "one", "U3": "three"}


async def test_a_commit_that_fails_fails_for_everybody_who_shares_it(store: Store) -> None:
    """Nobody is told that something was kept when the disk did not take it."""
    held = threading.Event()
    store._writer.submit(held.wait)
    store._writer.submit(store._db.execute, "PRAGMA query_only=ON")
    asked = [asyncio.create_task(store.transaction("one", lambda tx: tx.know("U1", "one"))) for _ in range(3)]
    await asyncio.sleep(0)
    held.set()
    assert all(isinstance(result, Unusable) for result in await asyncio.gather(*asked, return_exceptions=True))


async def test_a_transaction_that_nobody_waits_for_any_more_is_not_begun(store: Store) -> None:
    """A person who went away before the writer came to it reads an error, so nothing may happen later."""
    held = threading.Event()
    store._writer.submit(held.wait)
    given_up = asyncio.create_task(store.transaction("one", lambda tx: tx.know("U1", "one")))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    held.set()
    await store.transaction("two", lambda tx: tx.know("U2", "two"))
    assert await store.read(lambda reader: reader.names(["U1", "U2"])) == {"U2": "two"}
