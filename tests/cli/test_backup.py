"""The commands that copy the bot's file, and put a copy back."""

import asyncio
import re
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from bot.cli import main
from bot.domain.audit import BOT
from bot.domain.events import BackedUp, Started
from bot.domain.freeze import Freeze
from bot.store import Server, Store, open_beside, open_reader, verify_all
from tests.clock import Clock
from tests.postgres import Cluster


def run(database: Path, *words: str) -> Result:
    """Run a command on this database."""
    return CliRunner().invoke(main, words, env={"DATABASE_URL": f"sqlite:///{database}"})


@pytest.fixture
def written(database: Path) -> Path:
    """Return a file with an event."""

    async def write() -> None:
        store = Store(database)
        await store.open()
        await store.transaction("start", lambda tx: tx.record.append(Started("1"), BOT, Clock().at))
        await store.close()

    asyncio.run(write())
    return database


def dated(folder: Path) -> list[Path]:
    """Return the dated copies in a folder."""
    return sorted(folder.glob("cancel-desk-*.db"))


def test_a_folder_gets_a_dated_copy(written: Path, tmp_path: Path) -> None:
    """Its name is the time in UTC, and it is on record."""
    ended = run(written, "backup", str(tmp_path))
    [copy] = dated(tmp_path)
    assert re.fullmatch(r"cancel-desk-\d{4}-\d{2}-\d{2}-\d{6}\.db", copy.name)
    assert (ended.exit_code, ended.stdout) == (0, f"{copy}: 1 event, head {verify_all(copy).head}.\n")
    with open_reader(written) as tables:
        assert isinstance(tables.record.last().content, BackedUp)


def test_only_so_many_are_kept(written: Path, tmp_path: Path) -> None:
    """The command names what it deletes."""
    for day in range(1, 4):
        assert run(written, "backup", str(tmp_path / f"cancel-desk-2026-01-0{day}-000000.db")).exit_code == 0
    ended = run(written, "backup", str(tmp_path), "--keep", "2")
    left = [path.name for path in dated(tmp_path)]
    assert (ended.exit_code, len(left), left[0]) == (0, 2, "cancel-desk-2026-01-03-000000.db")
    assert ended.stdout.splitlines()[1:] == [
        f"{tmp_path}/cancel-desk-2026-01-0{day}-000000.db: deleted, as there are 2 newer copies." for day in (2, 1)
    ]


def test_nothing_is_deleted_after_a_copy_that_is_not_sound(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old ones may be the only good ones."""
    old = tmp_path / "cancel-desk-2026-01-01-000000.db"
    run(written, "backup", str(old))
    written.write_bytes(written.read_bytes()[:8192])
    ended = run(written, "backup", str(tmp_path), "--keep", "1")
    assert ended.exit_code == 1
    assert old.exists()


def test_keep_needs_a_folder(written: Path, tmp_path: Path) -> None:
    """A misspelled folder must not become a file."""
    ended = run(written, "backup", str(tmp_path / "nowhere"), "--keep", "14")
    assert (ended.exit_code, "--keep needs a folder" in ended.stderr) == (2, True)
    assert not (tmp_path / "nowhere").exists()


def test_a_copy_that_cannot_be_deleted_is_named(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new copy is there all the same, and a script sees the problem by the exit code."""
    old = tmp_path / "cancel-desk-2026-01-01-000000.db"
    run(written, "backup", str(old))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    ended = run(written, "backup", str(tmp_path), "--keep", "1")
    monkeypatch.undo()
    assert (ended.exit_code, ended.stderr.endswith(" cannot be deleted: Permission denied.\n")) == (1, True)
    assert len(dated(tmp_path)) == 2


def test_a_copy_is_restored(written: Path, tmp_path: Path) -> None:
    """The command says what is in the file now, where the former one is, and what to do next."""
    copy = tmp_path / "copy.db"
    run(written, "backup", str(copy))
    ended = run(written, "restore", str(copy))
    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout.startswith(f"{written}: 3 events, head {verify_all(written).head}. The database before is kept")
    assert f"{written}.before-restore-1" in ended.stdout
    assert "Start the bot, and no other one with the same Slack tokens." in ended.stdout
    assert "Everything is frozen in it" in ended.stdout


def frozen_by_a_restore(database: Path, copy: Path) -> Freeze:
    """Make a copy and restore it; return the freeze that is in force after that."""
    run(database, "backup", str(copy))
    assert run(database, "restore", str(copy)).exit_code == 0
    with open_reader(database) as tables:
        freeze = tables.freeze()
    assert freeze is not None
    return freeze


def test_what_is_restored_is_frozen_until_somebody_has_looked(written: Path, tmp_path: Path) -> None:
    """An order that people stopped after the backup is approved in it again, and a freeze of since is not in it."""
    freeze = frozen_by_a_restore(written, tmp_path / "copy.db")
    assert (freeze.by.partition(":")[0], freeze.why) == (
        "terminal",
        "An older copy of the record was restored. Look first what people decided since.",
    )
    # So do people who had frozen it by themselves: what they read must say that there is more to look at.
    again = frozen_by_a_restore(written, tmp_path / "frozen.db")
    assert again.why == f"{freeze.why} It was frozen before, too."


async def test_a_running_bot_is_named(store: Store, database: Path, tmp_path: Path) -> None:
    """And nothing has changed."""
    await asyncio.to_thread(run, database, "backup", str(tmp_path / "copy.db"))
    ended = await asyncio.to_thread(run, database, "restore", str(tmp_path / "copy.db"))
    assert (ended.exit_code, ended.stderr) == (
        1,
        (
            f"Nothing has changed. {database}: another bot is running on this file."
            " Stop it first: two bots would do everything twice.\n"
        ),
    )


def test_a_copy_that_is_not_sound_says_why(written: Path, tmp_path: Path) -> None:
    """As audit verify says it."""
    copy = tmp_path / "copy.db"
    run(written, "backup", str(copy))
    connection = sqlite3.connect(copy)
    connection.execute("DROP TRIGGER audit_events_no_update")
    connection.commit()
    connection.close()
    ended = run(written, "restore", str(copy))
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"{copy} is not sound, so nothing has changed. ")


@pytest.mark.parametrize("name", ["nowhere.db", "nowhere/copy.db"])
def test_a_copy_that_is_not_there_is_named(written: Path, tmp_path: Path, name: str) -> None:
    """It is another file than the database, so the remedy is not about DATABASE_URL."""
    ended = run(written, "restore", str(tmp_path / name))
    assert (ended.exit_code, ended.stderr) == (
        1,
        f"Nothing has changed. {tmp_path / name}: there is no such file. Name a copy that `backup` made.\n",
    )


def test_the_database_itself_is_no_copy_of_it(written: Path) -> None:
    """The person reads that, and what to name instead."""
    ended = run(written, "restore", str(written))
    assert (ended.exit_code, ended.stderr) == (
        1,
        f"Nothing has changed. {written}: this is the database itself. Name a copy that `backup` made.\n",
    )


def on(server: Server, *words: str, **variables: str) -> Result:
    """Run a command on this server."""
    return CliRunner().invoke(main, words, env={"DATABASE_URL": server.url.get_secret_value()} | variables)


def test_copies_of_a_server_are_kept_and_brought_back_by_move(postgres: Cluster, tmp_path: Path) -> None:
    """Restore replaces a file, so it refuses, says what to do, and shows no password."""
    server = postgres.new()
    with open_beside(server) as tx:
        tx.record.append(Started("1"), BOT, Clock().at)
    for day in range(1, 4):
        assert on(server, "backup", str(tmp_path / f"cancel-desk-2026-01-0{day}-000000.db")).exit_code == 0
    ended = on(server, "backup", str(tmp_path), "--keep", "2")
    assert ended.exit_code == 0, ended.stderr
    kept = dated(tmp_path)
    assert len(kept) == 2
    head = verify_all(kept[-1]).head
    assert ended.stdout.startswith(f"{kept[-1]}: 4 events, head {head}.\n")
    refused = on(server, "restore", str(kept[-1]))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"Nothing has changed. {server} is on a server, and restore replaces a file.")
    assert verify_all(server).events == 5
    fresh = postgres.url(postgres.empty())
    moved = on(server, "move", DATABASE_URL=f"sqlite:///{kept[-1]}", MOVE_TO=fresh)
    assert moved.exit_code == 0, moved.stderr
    assert verify_all(Server(SecretStr(fresh))).head == head
