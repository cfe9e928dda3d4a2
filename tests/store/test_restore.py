"""Putting a copy into the place of the bot's file."""

import asyncio
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import pytest

from bot.domain.audit import BOT
from bot.domain.events import Restored, Started
from bot.domain.verification import Damage
from bot.store import (
    Restoration,
    Store,
    StoreError,
    StoreProblem,
    UnsoundBackup,
    backup,
    open_reader,
    restore,
    verify_all,
)
from tests.clock import Clock
from tests.postgres import ON_SQLITE

AT = Clock().at


async def append(path: Path, count: int) -> None:
    """Let a bot run on this file and put so many events on record."""
    store = Store(path)
    await store.open()
    for _ in range(count):
        await store.transaction("start", lambda tx: tx.record.append(Started("1"), BOT, AT))
    await store.close()


def names_in(folder: Path) -> set[str]:
    """Return the names of everything in a folder."""
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def copy(database: Path, tmp_path: Path) -> Path:
    """Return a copy of a file with three events, to which two were added since."""
    asyncio.run(append(database, 3))
    copy = tmp_path / "copy.db"
    backup(database, copy)
    asyncio.run(append(database, 2))
    return copy


def test_a_copy_takes_the_place_of_the_file(database: Path, copy: Path) -> None:
    """The record says who restored which copy, and the former file is whole under another name."""
    done = restore(copy, database, "terminal:root", AT)
    kept = database.with_name("bot.db.before-restore-1")
    assert names_in(database.parent) == {"bot.db", kept.name}
    assert done == Restoration(verify_all(database), kept)
    assert (done.verification.events, done.verification.damage) == (4, None)
    with open_reader(database) as tables:
        last = tables.record.last()
    assert (last.actor, last.content) == ("terminal:root", Restored(3, sha256(copy.read_bytes()).hexdigest()))
    assert verify_all(kept).events == 5
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


async def test_a_bot_starts_on_what_was_restored(database: Path, tmp_path: Path) -> None:
    """And its record goes on from there; a second restore keeps the file under the next name."""
    await append(database, 1)
    backup(database, tmp_path / "copy.db")
    for number in (1, 2):
        done = restore(tmp_path / "copy.db", database, BOT, AT)
        assert done.kept == database.with_name(f"bot.db.before-restore-{number}")
        await append(database, 1)
        assert (verify_all(database).events, verify_all(database).damage) == (3, None)


@ON_SQLITE
async def test_nothing_is_restored_while_a_bot_runs(store: Store, database: Path, tmp_path: Path) -> None:
    """The bot would go on in a file that nobody finds."""
    await store.transaction("start", lambda tx: tx.record.append(Started("1"), BOT, AT))
    backup(database, tmp_path / "copy.db")
    with pytest.raises(StoreError) as refused:
        restore(tmp_path / "copy.db", database, BOT, AT)
    assert refused.value.problem is StoreProblem.BUSY
    await store.transaction("next", lambda tx: tx.record.append(Started("1"), BOT, AT))
    assert names_in(database.parent) == {"bot.db", "bot.db-wal", "bot.db-shm"}


def test_no_bot_starts_while_a_copy_is_restored(database: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would write into the file that is about to be replaced."""

    def swap(*_: object) -> None:
        store = Store(database)
        with pytest.raises(StoreError) as refused:
            asyncio.run(store.open())
        assert refused.value.problem is StoreProblem.BUSY

    monkeypatch.setattr(import_module("bot.store.restore"), "_swap", swap)
    restore(copy, database, BOT, AT)


def test_a_copy_that_is_not_sound_is_not_restored(database: Path, copy: Path) -> None:
    """The file stays as it is."""
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("DROP TRIGGER audit_events_no_update")
        connection.execute("UPDATE audit_events SET actor = 'U9' WHERE seq = 2")
    before = database.read_bytes()
    with pytest.raises(UnsoundBackup) as unsound:
        restore(copy, database, BOT, AT)
    assert unsound.value.verification.damage is Damage.EDITED
    assert (database.read_bytes(), names_in(database.parent)) == (before, {"bot.db"})


@pytest.mark.parametrize("content", [None, b"", b"no database", b"SQLite format 3\0" + bytes(200)])
def test_what_is_no_copy_is_not_restored(database: Path, copy: Path, tmp_path: Path, content: bytes | None) -> None:
    """A wrong name, an empty file and another file are errors, and change nothing."""
    other = tmp_path / "other.db"
    if content is not None:
        other.write_bytes(content)
    before = database.read_bytes()
    with pytest.raises((StoreError, FileNotFoundError)):
        restore(other, database, BOT, AT)
    assert (database.read_bytes(), names_in(database.parent)) == (before, {"bot.db"})


@pytest.mark.parametrize("name", ["bot.db", "link.db"])
def test_the_file_itself_is_no_copy(database: Path, copy: Path, name: str) -> None:
    """Whatever it is called."""
    (database.parent / "link.db").symlink_to(database)
    with pytest.raises(StoreError):
        restore(database.with_name(name), database, BOT, AT)


@pytest.mark.parametrize("damage", ["file", "log"])
def test_a_damaged_file_is_replaced_and_kept_with_its_log(database: Path, copy: Path, damage: str) -> None:
    """That is what a copy is for, and what is left of the file may tell what happened."""
    log = Path(f"{database}-wal")
    if damage == "file":
        database.write_bytes(b"rubbish")
    log.write_bytes(b"a log of another file")
    assert restore(copy, database, BOT, AT).verification.damage is None
    assert not log.exists()
    assert Path(f"{database}.before-restore-1-wal").read_bytes() == b"a log of another file"


def test_a_file_that_is_gone_is_restored(database: Path, copy: Path) -> None:
    """There is nothing to keep but a log."""
    database.unlink()
    Path(f"{database}-wal").write_bytes(b"left over")
    done = restore(copy, database, BOT, AT)
    assert done.kept is None
    assert names_in(database.parent) == {"bot.db", "bot.db.before-restore-1-wal"}
    asyncio.run(append(database, 1))


def test_a_link_stays_one(database: Path, copy: Path, tmp_path: Path) -> None:
    """The file behind it is replaced, and kept beside itself."""
    link = tmp_path / "link.db"
    link.symlink_to(database)
    done = restore(copy, link, BOT, AT)
    assert link.is_symlink()
    assert done.kept == database.with_name("bot.db.before-restore-1")
    assert verify_all(link).events == 4


def test_a_failure_on_the_way_changes_nothing(database: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, for example, leaves the file and no draft."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    before = database.read_bytes()
    with pytest.raises(OSError, match="No space left"):
        restore(copy, database, BOT, AT)
    assert (database.read_bytes(), names_in(database.parent)) == (before, {"bot.db"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser gives files away")
def test_what_the_superuser_restores_belongs_to_the_bot(database: Path, copy: Path) -> None:
    """Else the bot could not open its own file."""
    os.chown(database, 12345, 12346)
    restore(copy, database, BOT, AT)
    assert (database.stat().st_uid, database.stat().st_gid) == (12345, 12346)
    shutil.rmtree(database.parent)
    database.parent.mkdir()
    os.chown(database.parent, 12347, 12348)
    restore(copy, database, BOT, AT)
    assert (database.stat().st_uid, database.stat().st_gid) == (12347, 12348)
