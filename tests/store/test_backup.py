"""A checked copy of the file, also while the bot runs."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from bot.domain.audit import BOT
from bot.domain.events import Started
from bot.domain.verification import Damage
from bot.store import Store, StoreError, StoreProblem, UnsoundCopy, backup, open_reader, sqlite, verify_all
from tests.clock import Clock


@pytest.fixture
def engine() -> str:
    """Return SQLite: these tests are about its file."""
    return "sqlite"


def names_in(folder: Path) -> set[str]:
    """Return the names of everything in a folder."""
    return {path.name for path in folder.iterdir()}


@pytest.fixture
async def filled(store: Store, clock: Clock) -> Store:
    """Return a running store with three events."""
    for _ in range(3):
        await store.transaction("start", lambda tx: tx.record.append(Started("1"), BOT, clock()))
    return store


async def test_a_copy_is_one_private_sound_file(filled: Store, tmp_path: Path) -> None:
    """It has everything that was committed, no log beside it, and is for the bot's user alone."""
    target = tmp_path / "copy" / "bot.db"
    target.parent.mkdir()
    verification = backup(filled.path, target)
    assert (verification.events, verification.damage) == (3, None)
    assert list(target.parent.iterdir()) == [target]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with open_reader(target) as tables:
        assert tables.record.last().head == verification.head
    assert verify_all(target) == verification


async def test_a_copy_replaces_no_file(filled: Store, tmp_path: Path) -> None:
    """A name that is taken stays as it is."""
    target = tmp_path / "copy.db"
    target.write_text("mine")
    with pytest.raises(FileExistsError):
        backup(filled.path, target)
    assert target.read_text() == "mine"


def test_a_source_that_is_not_there_leaves_no_draft(tmp_path: Path) -> None:
    """A wrong path is an error, not an empty copy."""
    with pytest.raises(StoreError) as failed:
        backup(tmp_path / "nothing.db", tmp_path / "copy.db")
    assert failed.value.problem is StoreProblem.MISSING
    assert list(tmp_path.iterdir()) == []


async def test_a_stranger_s_files_stay_as_they_are(filled: Store, tmp_path: Path) -> None:
    """Nothing is overwritten or deleted that this backup did not make, whatever its name is."""
    names = ["copy.db.part", "copy.db.tmp", ".copy.db.part", "copy.db.unsound-1", ".cancel-desk-draft-mine", "copy.db~"]
    for name in names:
        (tmp_path / name).write_text("mine")
    assert backup(filled.path, tmp_path / "copy.db").events == 3
    assert {name: (tmp_path / name).read_text() for name in names} == dict.fromkeys(names, "mine")
    assert names_in(tmp_path) == {*names, "copy.db", "data"}


async def test_a_file_that_appears_meanwhile_is_not_overwritten(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is taken only if it is free at that moment."""
    target = tmp_path / "copy.db"

    def slow(source: Path, draft: Path) -> None:
        copy(source, draft)
        target.write_text("mine")

    copy = sqlite.copy
    monkeypatch.setattr(sqlite, "copy", slow)
    with pytest.raises(FileExistsError):
        backup(filled.path, target)
    assert target.read_text() == "mine"
    assert names_in(tmp_path) == {"copy.db", "data"}


def test_a_link_to_nowhere_is_a_name_that_is_taken(database: Path, tmp_path: Path) -> None:
    """It is not followed."""
    (tmp_path / "copy.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        backup(database, tmp_path / "copy.db")


async def test_a_copy_with_a_damaged_record_is_kept_as_a_draft(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not get its name, and the error says what is wrong and where the draft is."""

    def forge(source: Path, draft: Path) -> None:
        copy(source, draft)
        with closing(sqlite3.connect(draft)) as connection, connection:
            connection.execute("DROP TRIGGER audit_events_no_update")
            connection.execute("UPDATE audit_events SET actor = 'U9' WHERE seq = 2")

    copy = sqlite.copy
    monkeypatch.setattr(sqlite, "copy", forge)
    with pytest.raises(UnsoundCopy) as unsound:
        backup(filled.path, tmp_path / "copy.db")
    assert unsound.value.kept == tmp_path / "copy.db.unsound-1"
    assert unsound.value.kept.exists()
    assert unsound.value.verification.damage is Damage.EDITED
    assert not (tmp_path / "copy.db").exists()


async def test_a_copy_with_a_broken_index_is_kept_as_a_draft(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the first complaint of SQLite's own check."""

    def spoil(source: Path, draft: Path) -> None:
        copy(source, draft)
        with closing(sqlite3.connect(draft)) as connection, connection:
            name = "audit_events_by_request"
            ((rightful,),) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", [name])
            connection.execute(f"DROP INDEX {name}")
            connection.execute(f"CREATE INDEX {name} ON audit_events (request, seq) WHERE seq > 1")
            connection.execute("PRAGMA writable_schema=ON")
            connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", [rightful, name])

    copy = sqlite.copy
    monkeypatch.setattr(sqlite, "copy", spoil)
    with pytest.raises(UnsoundCopy) as unsound:
        backup(filled.path, tmp_path / "copy.db")
    assert unsound.value.verification.damage is Damage.UNSOUND
    assert unsound.value.verification.about == "row 1 missing from index audit_events_by_request"
