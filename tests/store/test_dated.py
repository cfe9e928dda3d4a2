"""Copies with their date in their name."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.audit import BOT
from bot.domain.events import Started
from bot.store import Store, backup, dated, prune
from tests.clock import Clock


@pytest.fixture
async def filled(store: Store, clock: Clock) -> Store:
    """Return a running store with an event."""
    await store.transaction("start", lambda tx: tx.record.append(Started("1"), BOT, clock()))
    return store


def copies(store: Store, folder: Path, clock: Clock, count: int) -> list[Path]:
    """Make so many copies, a day apart; return them, the oldest first."""
    made = []
    for day in range(count):
        made.append(dated(folder, clock() + timedelta(days=day)))
        backup(store.place, made[-1])
    return made


def test_names_sort_as_their_times(clock: Clock, tmp_path: Path) -> None:
    """Wherever the clock is, the name has the time in UTC."""
    names = [dated(tmp_path, clock() + timedelta(hours=hours)).name for hours in range(48)]
    assert names == sorted(names)
    assert names[0] == "cancel-desk-2026-11-23-090000.db"


async def test_the_newest_copies_are_kept(filled: Store, clock: Clock, tmp_path: Path) -> None:
    """Older ones are deleted, the oldest last in the answer."""
    made = copies(filled, tmp_path, clock, 5)
    assert prune(made[-1], 2) == [made[2], made[1], made[0]]
    assert [path.exists() for path in made] == [False, False, False, True, True]
    assert prune(made[-1], 2) == []


async def test_no_file_of_a_stranger_is_deleted(filled: Store, clock: Clock, tmp_path: Path) -> None:
    """Neither one with another name, nor one with such a name that is no copy of this record; none of them counts."""
    made = copies(filled, tmp_path, clock, 3)
    other = Store(tmp_path / "other" / "bot.db")
    await other.open()
    await other.transaction("start", lambda tx: tx.record.append(Started("2"), BOT, clock()))
    strangers = [dated(tmp_path, clock() - timedelta(days=day)) for day in range(1, 5)]
    backup(other.path, strangers[0])
    await other.close()
    strangers[1].write_text("mine")
    strangers[2].mkdir()
    strangers[3].symlink_to(made[0])
    later = dated(tmp_path, clock() + timedelta(days=9))
    backup(filled.place, later)
    others = [tmp_path / name for name in ("cancel-desk-2026-11-01-000000.db.txt", "desk.db", "notes.txt")]
    for path in others:
        path.write_text("mine")
    assert prune(made[-1], 2) == [made[0]]
    assert all(path.exists() or path.is_symlink() for path in [*strangers, *others, later, *made[1:]])


async def test_a_copy_of_what_a_restore_took_away_is_kept(filled: Store, clock: Clock, tmp_path: Path) -> None:
    """It has events that the record of today has not, and may be the last that has them."""
    first, lost = copies(filled, tmp_path, clock, 2)
    await filled.transaction("start", lambda tx: tx.record.append(Started("2"), BOT, clock()))
    lost.unlink()
    backup(filled.place, lost)
    other = Store(tmp_path / "other" / "bot.db")
    other.path.parent.mkdir()
    shutil.copy(first, other.path)
    await other.open()
    await other.transaction("start", lambda tx: tx.record.append(Started("3"), BOT, clock()))
    clock.advance(days=9)
    newest = dated(tmp_path, clock())
    backup(other.path, newest)
    await other.close()
    assert prune(newest, 1) == [first]
    assert lost.exists()


async def test_an_empty_record_keeps_its_newest_copy(store: Store, clock: Clock, tmp_path: Path) -> None:
    """Copies of a record without events cannot be told from a stranger's."""
    made = copies(store, tmp_path, clock, 3)
    assert prune(made[-1], 1) == []
    assert all(path.exists() for path in made)


def names_in(folder: Path) -> set[str]:
    """Return the names of everything in a folder."""
    return {path.name for path in folder.iterdir()}


async def test_looking_at_the_copies_leaves_nothing_beside_them(filled: Store, clock: Clock, tmp_path: Path) -> None:
    """They stay one file each, and as they were."""
    made = copies(filled, tmp_path, clock, 2)
    before = [path.read_bytes() for path in made]
    prune(made[-1], 2)
    assert [path.read_bytes() for path in made] == before
    assert names_in(tmp_path) - {"data"} == {path.name for path in made}
