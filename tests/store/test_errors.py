"""Everything that can be wrong with the file has a code of its own."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.domain.audit import BOT, Event
from bot.domain.events import Started
from bot.store import Store, StoreError, StoreProblem, Tables, open_reader, verify
from tests.clock import Clock
from tests.writer import Writer


@pytest.fixture
def engine() -> str:
    """Return SQLite: these tests are about its file."""
    return "sqlite"


def started(tx: Tables, clock: Clock, *, length: int = 1) -> Event:
    """Put a start on record, with a version of this length."""
    return tx.record.append(Started("x" * length), BOT, clock())


async def test_a_corrupt_page_is_noticed_when_it_is_read(database: Path, clock: Clock) -> None:
    """Damage in the middle of the file is told apart from everything else, with SQLite's own words."""
    store = Store(database)
    await store.open()
    for _ in range(200):
        await store.transaction("fill", lambda tx: started(tx, clock, length=500))
    await store.close()
    content = bytearray(database.read_bytes())  # noqa: ASYNC240 -- a small local file
    for page in range(20, len(content) // 4096 - 2):
        content[page * 4096 : page * 4096 + 4096] = b"\xff" * 4096
    database.write_bytes(content)  # noqa: ASYNC240 -- the same
    with pytest.raises(StoreError) as failed, open_reader(database) as tables:
        list(tables.record.all())
    assert (failed.value.problem, failed.value.path) == (StoreProblem.DAMAGED, database)
    assert "malformed" in failed.value.about


async def test_a_full_disk_keeps_nothing_and_is_over_when_there_is_space(
    store: Store, writer: Writer, clock: Clock
) -> None:
    """While nothing fits the transaction fails with its code; afterwards the store works again."""
    writer.sqlite.execute("PRAGMA max_page_count=20")
    with pytest.raises(StoreError) as failed:
        await store.transaction("fill", lambda tx: started(tx, clock, length=100_000))
    assert failed.value.problem is StoreProblem.DISK_FULL
    assert await store.read(lambda tables: list(tables.record.all())) == []
    writer.sqlite.execute("PRAGMA max_page_count=100000")
    await store.transaction("fill", lambda tx: started(tx, clock, length=100_000))
    assert (await store.read(verify)).events == 1


async def test_a_nearly_full_disk_is_reported_before_it_is_full(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While there is room for a heartbeat, but hardly for a request, the bot is not ready."""
    nearly = shutil.disk_usage(store.path)._replace(free=200 * 1024)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: nearly)
    with pytest.raises(StoreError) as failed:
        await store.probe()
    assert (failed.value.problem, failed.value.about) == (StoreProblem.NEARLY_FULL, "200")


@pytest.mark.parametrize(
    "says, writable, problem",
    [
        ("unable to open database file", False, StoreProblem.FOLDER_READ_ONLY),
        ("unable to open database file", True, StoreProblem.CANNOT_OPEN),
        ("disk I/O error", False, StoreProblem.DISK_FAILING),
        ("no such table: people", True, StoreProblem.OTHER),
    ],
)
async def test_reasons_for_which_a_file_does_not_open_are_told_apart(
    store: Store, monkeypatch: pytest.MonkeyPatch, says: str, writable: bool, problem: StoreProblem
) -> None:
    """A folder where nothing can be written and a disk that fails need different steps."""

    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError(says)

    monkeypatch.setattr(os, "access", lambda *_: writable)
    monkeypatch.setattr(sqlite3, "connect", fail)
    with pytest.raises(StoreError) as failed, open_reader(store.path):
        pytest.fail("it opened")
    assert (failed.value.problem, failed.value.path, failed.value.about) == (problem, store.path, says)


async def test_a_read_only_file_has_its_own_code(store: Store, writer: Writer, clock: Clock) -> None:
    """A database that takes no writes says so, for transactions and for the readiness check."""
    writer.sqlite.execute("PRAGMA query_only=ON")
    for writing in (store.transaction("record", lambda tx: started(tx, clock)), store.probe()):
        with pytest.raises(StoreError) as failed:
            await writing
        assert failed.value.problem is StoreProblem.READ_ONLY


async def test_a_database_that_another_program_keeps_locked_has_its_own_code(
    store: Store, writer: Writer, database: Path, clock: Clock
) -> None:
    """A shell that holds a write lock is told apart from damage; the store works again when it is gone."""
    writer.sqlite.execute("PRAGMA busy_timeout=0")
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as failed:
            await store.transaction("record", lambda tx: started(tx, clock))
        assert failed.value.problem is StoreProblem.LOCKED
    await store.transaction("record", lambda tx: started(tx, clock))


async def test_the_message_for_the_log_names_the_file_and_the_code(store: Store) -> None:
    """A log line is enough to find the file and the reason."""
    with_words = StoreError(StoreProblem.DISK_FULL, store.path, "database or disk is full")
    assert str(with_words) == f"{store.path}: disk_full (database or disk is full)"
    assert str(StoreError(StoreProblem.CLOSED, store.path)) == f"{store.path}: closed"
