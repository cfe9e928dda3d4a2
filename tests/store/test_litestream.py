"""Litestream beside the bot: it writes two tables of its own, and holds a reading transaction all the time."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from bot.domain.audit import BOT
from bot.domain.events import Started
from bot.store import Store, StoreError, StoreProblem, restore, verify_all
from tests.clock import Clock

TABLES = (
    "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)",
    "CREATE TABLE _litestream_lock (id INTEGER)",
)
LITESTREAM = shutil.which("litestream")
needs_litestream = pytest.mark.skipif(LITESTREAM is None, reason="Litestream is not installed")


async def run(path: Path, commits: int = 1) -> None:
    """Let a bot run on this file and commit so often."""
    store = Store(path)
    await store.open()
    for _ in range(commits):
        await store.transaction("start", lambda tx: tx.record.append(Started("1" * 500), BOT, Clock().at))
    await store.probe()
    await store.close()


def execute(path: Path, *statements: str) -> None:
    """Change the file as another program does."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


async def test_the_tables_of_litestream_are_no_damage(database: Path) -> None:
    """The bot starts on a file that has them, and the record verifies."""
    await run(database)
    execute(database, *TABLES)
    await run(database)
    assert verify_all(database).damage is None


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE _litestream_other (id INTEGER)",
        "CREATE INDEX _litestream_lock_by_id ON _litestream_lock (id)",
        "CREATE TRIGGER _litestream_trigger AFTER INSERT ON _litestream_lock BEGIN DELETE FROM people; END",
    ],
)
async def test_nothing_else_passes_under_its_name(database: Path, statement: str) -> None:
    """A trigger could change our tables."""
    await run(database)
    execute(database, *TABLES, statement)
    store = Store(database)
    with pytest.raises(StoreError) as refused:
        await store.open()
    assert refused.value.problem is StoreProblem.SCHEMA_ALTERED
    await store.close()


@asynccontextmanager
async def replicating(database: Path, folder: Path) -> AsyncIterator[str]:
    """Let Litestream copy the file into a folder, and yield the address of the copy."""
    assert LITESTREAM is not None
    url = f"file://{folder}/replica"
    process = await asyncio.create_subprocess_exec(
        LITESTREAM, "replicate", str(database), url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    async for line in process.stdout:
        if b"snapshot complete" in line:
            break
    reading = asyncio.create_task(process.stdout.read())
    try:
        yield url
    finally:
        process.terminate()  # it copies what is left before it ends
        await process.wait()
        await reading


@needs_litestream
async def test_a_copy_by_litestream_is_whole_and_can_be_restored(database: Path, tmp_path: Path) -> None:
    """Through restarts of the bot, and enough commits for a log that begins again several times."""
    await run(database)
    async with replicating(database, tmp_path) as url:
        for _ in range(3):
            await run(database, 1000)
    assert (verify_all(database).events, verify_all(database).damage) == (3001, None)
    copy = tmp_path / "copy.db"
    restoring = await asyncio.create_subprocess_exec(str(LITESTREAM), "restore", "-o", str(copy), url)
    assert await restoring.wait() == 0
    assert verify_all(copy) == verify_all(database)
    assert restore(copy, database, BOT, Clock().at).verification.events == 3002
    await run(database)
