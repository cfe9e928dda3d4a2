"""The file itself: one bot holds it by whatever name, no commit goes astray, and a start takes no other file."""
# ruff: noqa: ASYNC240 -- these are small files on a local disk

import asyncio
import fcntl
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.domain.audit import BOT, Event
from bot.domain.events import Started
from bot.settings import table
from bot.store import Privacy, Store, StoreError, StoreProblem, Tables, backup, open_reader
from bot.store.format import header
from bot.store.sqlite import SQLite
from tests.writer import Writer


@pytest.fixture
def engine() -> str:
    """Return SQLite: these tests are about its file."""
    return "sqlite"


SETTINGS = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "DVPAY_API_KEY": "k3y", "APPROVERS": "U01"}


def started(tx: Tables) -> Event:
    """Put a start on record."""
    return tx.record.append(Started("1"), BOT, datetime.now(UTC))


async def put(store: Store, count: int = 1) -> None:
    """Put starts on record."""
    for _ in range(count):
        await store.transaction("start", started)


async def refused(path: Path) -> StoreProblem:
    """Return why a bot does not start on this file."""
    store = Store(path)
    with pytest.raises(StoreError) as error:
        await store.open()
    await store.close()
    return error.value.problem


async def events(path: Path) -> int:
    """Return the number of events that a bot finds at its start."""
    store = Store(path)
    await store.open()
    count = await store.read(lambda tables: tables.record.last().seq)
    await store.close()
    return count


def log(path: Path) -> Path:
    """Return the log beside the file."""
    return path.with_name(f"{path.name}-wal")


def run(path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a bot that has to end by itself, in this folder."""
    names = {name for name, _, _ in table()}
    environ = {name: value for name, value in os.environ.items() if name not in names} | SETTINGS
    environ |= {"DATABASE_URL": f"sqlite:///{path}", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "bot", "run"]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def symlink(path: Path) -> Path:
    """Return a symbolic link to the file."""
    (other := path.with_name("symlink.db")).symlink_to(path)
    return other


def hard_link(path: Path) -> Path:
    """Return another name of the file, in another folder."""
    (folder := path.parent.parent / "elsewhere").mkdir()
    (other := folder / "other.db").hardlink_to(path)
    return other


def relative(path: Path) -> Path:
    """Return a path from the folder above."""
    return path.relative_to(path.parent.parent)


def renamed(path: Path) -> Path:
    """Give the file another name."""
    return path.rename(path.with_name("renamed.db"))


def unlocked(path: Path) -> Path:
    """Delete everything beside the file that looks like a lock."""
    for lock in path.parent.glob("*.lock"):
        lock.unlink()
    return path


@pytest.mark.parametrize("way", [symlink, hard_link, relative, renamed, unlocked])
async def test_a_second_bot_is_refused_by_whatever_way_it_reaches_the_file(
    store: Store, writer: Writer, database: Path, way: Callable[[Path], Path]
) -> None:
    """It ends with one line and exit code 1, and has changed nothing."""
    await put(store)
    assert writer.sqlite.checkpoint()
    path = way(database)
    place = database if database.exists() else path
    before = place.read_bytes()
    ended = await asyncio.to_thread(run, path, database.parent.parent)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line == f"{path}: another bot is running on this file. Stop it first: two bots would do everything twice."
    assert place.read_bytes() == before


async def test_other_programs_read_copy_and_write_beside_the_lock(store: Store, database: Path, tmp_path: Path) -> None:
    """The lock keeps bots away and nobody else."""
    await put(store)
    assert backup(database, tmp_path / "copy.db").events == 1
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0); print(c.execute(sys.argv[2]).fetchall())"
    )
    script += "; c.commit(); c.execute('PRAGMA wal_checkpoint(PASSIVE)'); c.close()"
    for sql in ("SELECT count(*) FROM audit_events", "INSERT INTO people VALUES ('U1', 'ann')"):
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, database, sql], check=True)
    await put(store)
    assert await store.read(lambda tables: tables.people.names(["U1"])) == {"U1": "ann"}
    assert await store.read(lambda tables: tables.record.last().seq) == 2


def deleted(path: Path) -> None:
    """Delete the file."""
    path.unlink()


def all_deleted(path: Path) -> None:
    """Delete the file and everything beside it."""
    for each in path.parent.iterdir():
        each.unlink()


def moved(path: Path) -> None:
    """Rename the folder."""
    path.parent.rename(path.parent.with_name("moved"))


def replaced(path: Path) -> None:
    """Move a backup into the file's place."""
    backup(path, path.with_name("copy.db"))
    path.with_name("copy.db").rename(path)


def restored(path: Path) -> None:
    """Copy an older content over the file, as cp does."""
    path.write_bytes(path.with_name("old.db").read_bytes())


def overwritten(path: Path) -> None:
    """Write something else over the file."""
    path.write_bytes(b"x" * path.stat().st_size)


def cut(path: Path) -> None:
    """Cut off the second half."""
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    """Cut off everything."""
    os.truncate(path, 0)


def log_deleted(path: Path) -> None:
    """Delete the log."""
    log(path).unlink()


def log_replaced(path: Path) -> None:
    """Put a copy in the place of the log."""
    shutil.copy(log(path), path.with_name("copy"))
    path.with_name("copy").rename(log(path))


def log_cut(path: Path) -> None:
    """Cut off the end of the log."""
    os.truncate(log(path), log(path).stat().st_size - 2000)


def index_deleted(path: Path) -> None:
    """Delete the index of the log, through which all programs keep their locks."""
    path.with_name(f"{path.name}-shm").unlink()


ACCIDENTS: dict[Callable[[Path], object], StoreProblem] = {
    deleted: StoreProblem.GONE,
    all_deleted: StoreProblem.GONE,
    moved: StoreProblem.GONE,
    renamed: StoreProblem.GONE,
    replaced: StoreProblem.REPLACED,
    restored: StoreProblem.REPLACED,
    overwritten: StoreProblem.REPLACED,
    emptied: StoreProblem.REPLACED,
    cut: StoreProblem.CUT,
    log_deleted: StoreProblem.LOG_GONE,
    log_replaced: StoreProblem.LOG_GONE,
    log_cut: StoreProblem.LOG_GONE,
    index_deleted: StoreProblem.LOG_GONE,
}


@pytest.fixture
async def worked(store: Store, writer: Writer, database: Path) -> Store:
    """Return a running store with some events, and an older state of its file beside it."""
    await put(store)
    assert writer.sqlite.checkpoint()
    shutil.copy(database, database.with_name("old.db"))
    await put(store, 3)
    return store


@pytest.mark.parametrize("accident", ACCIDENTS)
async def test_after_an_accident_with_the_file_nothing_more_is_accepted(
    worked: Store, accident: Callable[[Path], object]
) -> None:
    """Transactions, look-ups and the health check say what happened, so that nobody is told that something is kept."""
    accident(worked.path)
    for asked in (
        worked.transaction("start", started),
        worked.probe(),
        worked.read(lambda tables: tables.record.last()),
    ):
        with pytest.raises(StoreError) as error:
            await asked
        assert (error.value.problem, error.value.path) == (ACCIDENTS[accident], worked.path)


@pytest.mark.parametrize("accident", [deleted, replaced, log_deleted])
async def test_an_accident_right_before_the_commit_is_noticed_before_the_answer(
    worked: Store, accident: Callable[[Path], object]
) -> None:
    """Nobody is told that something is kept which was committed into a file that no start will open."""

    def work(tx: Tables) -> None:
        started(tx)
        accident(worked.path)

    with pytest.raises(StoreError) as error:
        await worked.transaction("start", work)
    assert error.value.problem is ACCIDENTS[accident]


def size_by_header(path: Path) -> int:
    """Return how long the file should be by its own header."""
    found = header(path.read_bytes())
    assert found is not None
    return found.size


def begin_checkpoint(path: Path) -> None:
    """Move the newest header from the log into the file, with which a checkpoint begins."""
    content, file = log(path).read_bytes(), path.read_bytes()
    length = 24 + int.from_bytes(content[8:12], "big")
    frames = [content[at : at + length] for at in range(32, len(content), length)]
    newest = [frame for frame in frames if frame[:4] == b"\0\0\0\1" and frame[8:16] == content[16:24]][-1]
    with path.open("r+b") as changing:
        changing.write(newest[24:])
    assert size_by_header(path) > len(file)


def crashed(path: Path) -> Path:
    """Return a copy of the file and its log in another folder, as a death in this moment leaves them."""
    folder = path.with_name("crashed")
    folder.mkdir()
    for name in (path.name, f"{path.name}-wal"):
        shutil.copy(path.with_name(name), folder / name)
    return folder / path.name


async def test_a_checkpoint_that_is_under_way_is_no_accident(worked: Store) -> None:
    """The header comes into the file before the pages that it counts; until they come, everything goes on."""
    await put(worked, 50)
    begin_checkpoint(worked.path)
    for _ in range(2):
        assert await worked.read(lambda tables: tables.record.last().seq) == 54
        await worked.probe()
    await put(worked, 2)
    cut(worked.path)
    with pytest.raises(StoreError) as error:
        await put(worked)
    assert error.value.problem is StoreProblem.CUT


async def test_a_checkpoint_that_a_reader_stops_is_no_accident(store: Store, writer: Writer) -> None:
    """It leaves out the pages that changed since the reader began, also where the header in the file counts them."""
    await put(store)
    assert writer.sqlite.checkpoint()
    await put(store, 50)
    await store.transaction("name", lambda tx: tx.connection.execute("CREATE TABLE last_page (x)"))
    await store.transaction("name", lambda tx: tx.connection.execute("INSERT INTO last_page VALUES (1)"))
    with open_reader(store.path) as tables:
        tables.connection.begin_reading()
        assert tables.record.last().seq == 51
        await store.transaction("name", lambda tx: tx.connection.execute("UPDATE last_page SET x = 2"))
        writer.sqlite.execute("PRAGMA wal_checkpoint(PASSIVE)")
        assert size_by_header(store.path) > store.path.stat().st_size
        await put(store, 2)
        await store.probe()
        tables.connection.rollback()
    await put(store, 2)


async def test_a_death_in_the_middle_of_a_checkpoint_is_no_accident(worked: Store) -> None:
    """The log has the pages that the file lacks, so the next start finds everything and goes on."""
    await put(worked, 50)
    path = crashed(worked.path)
    begin_checkpoint(path)
    store = Store(path, idle_after=3600.0)
    await store.open()
    await put(store, 2)
    assert await store.read(lambda tables: tables.record.last().seq) == 56
    await store.close()
    assert await events(path) == 56
    assert size_by_header(path) == path.stat().st_size


@pytest.mark.parametrize("begun", [False, True])
async def test_a_file_that_was_cut_while_no_bot_ran_is_damaged_and_left_as_it_is(
    store: Store, writer: Writer, begun: bool
) -> None:
    """A start takes no file that lacks a page which its log does not have either."""
    await put(store)
    long_name = "INSERT INTO people VALUES ('U1', printf('%50000d', 1))"
    await store.transaction("fill", lambda tx: tx.connection.execute(long_name))
    assert writer.sqlite.checkpoint()
    await put(store, 50)
    path = crashed(store.path)
    if begun:
        begin_checkpoint(path)
    os.truncate(path, path.stat().st_size - 2048)
    before = path.read_bytes(), log(path).read_bytes()
    assert await refused(path) is StoreProblem.DAMAGED
    assert (path.read_bytes(), log(path).read_bytes()) == before


async def test_a_file_that_another_program_makes_shorter_is_no_accident(store: Store, writer: Writer) -> None:
    """VACUUM gives back what is not in use; after that the bot goes on, and a cut is noticed as before."""
    await put(store)
    fill = "INSERT INTO people SELECT value, printf('%100d', value) FROM json_each(json_array(1, 2, 3, 4, 5, 6, 7, 8))"
    for statement in (fill, "INSERT INTO people SELECT a.id || b.id || c.id, a.name FROM people a, people b, people c"):
        await store.transaction("fill", lambda tx, sql=statement: tx.connection.execute(sql))  # type: ignore[misc]
    await store.transaction("empty", lambda tx: tx.connection.execute("DELETE FROM people"))
    assert writer.sqlite.checkpoint()
    before = store.path.stat().st_size
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('VACUUM')"
    script += "; c.execute('PRAGMA wal_checkpoint(TRUNCATE)')"
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, str(store.path)], check=True)
    assert store.path.stat().st_size < before // 2
    await put(store, 20)
    cut(store.path)
    with pytest.raises(StoreError) as error:
        await put(store)
    assert error.value.problem is StoreProblem.CUT


@pytest.mark.parametrize("begun_anew", [False, True])
async def test_a_log_that_is_emptied_between_two_looks_is_no_accident(
    worked: Store, monkeypatch: pytest.MonkeyPatch, begun_anew: bool
) -> None:
    """Another thread or program may empty the log at any moment, and begin a new one."""
    inode, fstat, emptied = log(worked.path).stat().st_ino, os.fstat, threading.Event()

    def and_empty(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        if found.st_ino == inode and not emptied.is_set():
            emptied.set()
            with closing(sqlite3.connect(worked.path, isolation_level=None)) as other:
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                if begun_anew:
                    other.execute("INSERT INTO people VALUES ('U1', 'ann')")
        return found

    monkeypatch.setattr(os, "fstat", and_empty)
    await worked.probe()
    monkeypatch.undo()
    assert emptied.is_set()
    assert await worked.read(lambda tables: tables.record.last().seq) == 4
    await put(worked)


async def test_a_file_that_was_put_back_works_again(worked: Store, database: Path) -> None:
    """A rename that is undone has lost nothing."""
    database.rename(database.with_name("away"))
    with pytest.raises(StoreError):
        await put(worked)
    database.with_name("away").rename(database)
    await put(worked)
    assert await worked.read(lambda tables: tables.record.last().seq) == 5


async def test_a_symbolic_link_that_leads_elsewhere_is_noticed(tmp_path: Path) -> None:
    """The next start would open the other file."""
    (link := tmp_path / "link.db").symlink_to(tmp_path / "one.db")
    store = Store(link)
    await store.open()
    await put(store)
    assert await events(tmp_path / "two.db") == 0
    link.unlink()
    link.symlink_to(tmp_path / "two.db")
    with pytest.raises(StoreError) as error:
        await put(store)
    assert error.value.problem is StoreProblem.REPLACED
    await store.close()


@pytest.mark.parametrize("accident", [restored, replaced])
async def test_a_restored_file_is_not_mixed_with_the_log_of_the_other_one(
    writer: Writer, database: Path, accident: Callable[[Path], object]
) -> None:
    """The stop leaves it alone, and the next start, and whoever reads it, asks for the old log to be moved away."""
    store = Store(database, connect=writer.open, idle_after=3600.0)
    await store.open()
    await put(store)
    backup(database, database.with_name("old.db"))
    assert writer.sqlite.checkpoint()
    await put(store, 3)
    accident(database)
    content = database.read_bytes()
    await store.close()
    assert database.read_bytes() == content
    if accident is restored:
        assert await refused(database) is StoreProblem.ANOTHER_LOG
        with pytest.raises(StoreError) as failed, open_reader(database):
            pass
        assert failed.value.problem is StoreProblem.ANOTHER_LOG
        assert database.read_bytes() == content
    log(database).unlink()
    assert await events(database) == (1 if accident is restored else 4)


async def test_a_copy_of_the_file_alone_is_not_taken_for_the_whole(worked: Store, database: Path) -> None:
    """While the log holds more, a start on the copy is refused, readers are as well, and the copy stays as it is.

    What is only in the log would look as if it had never happened.
    """
    shutil.copy(database, copy := database.with_name("copy.db"))
    before = copy.read_bytes()
    assert await refused(copy) is StoreProblem.INCOMPLETE
    assert copy.read_bytes() == before
    with pytest.raises(StoreError) as failed, open_reader(copy):
        pass
    assert (failed.value.problem, failed.value.about) == (StoreProblem.INCOMPLETE, "copy.db-wal")
    assert copy.read_bytes() == before
    assert not log(copy).exists()
    # As every other program leaves one that looks into the file.
    with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True)) as other:
        other.execute("SELECT count(*) FROM audit_events").fetchall()
    log(copy).touch()
    assert await refused(copy) is StoreProblem.INCOMPLETE
    with pytest.raises(StoreError), open_reader(copy):
        pass
    shutil.copy(log(database), log(copy))
    assert await events(copy) == 4


@pytest.mark.parametrize("left", [b"x" * 100, 32, 100, 1080, 2103], ids=str)
async def test_a_log_that_was_cut_to_nothing_is_not_taken_for_an_empty_one(
    worked: Store, database: Path, left: bytes | int
) -> None:
    """SQLite reads the file as if there were no log, so readers would say that an older record is intact."""
    shutil.copy(database, copy := database.with_name("copy.db"))
    content = log(database).read_bytes()
    log(copy).write_bytes(left if isinstance(left, bytes) else content[:left])
    assert await refused(copy) is StoreProblem.INCOMPLETE
    with pytest.raises(StoreError) as failed, open_reader(copy):
        pass
    assert failed.value.problem is StoreProblem.INCOMPLETE


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6])
async def test_a_damaged_log_is_not_taken_for_a_shorter_one(worked: Store, database: Path, part: float) -> None:
    """SQLite would leave out all transactions from there on without a word, and an approved order would be pending."""
    await put(worked, 8)
    copy = crashed(database)
    content = bytearray(log(copy).read_bytes())
    content[32 + 24 + int(part * len(content))] ^= 1
    log(copy).write_bytes(content)
    before = copy.read_bytes()
    assert await refused(copy) is StoreProblem.LOG_DAMAGED
    with pytest.raises(StoreError) as failed, open_reader(copy):
        pass
    assert failed.value.problem is StoreProblem.LOG_DAMAGED
    assert (copy.read_bytes(), log(copy).read_bytes()) == (before, bytes(content))


@pytest.mark.parametrize("torn", ["garbage", "cut"])
async def test_a_last_transaction_that_is_torn_is_no_damage(worked: Store, database: Path, torn: str) -> None:
    """As a loss of power leaves it: it was never acknowledged, and everything before it is there."""
    copy = crashed(database)
    content = log(copy).read_bytes()
    length = 24 + int.from_bytes(content[8:12], "big")
    log(copy).write_bytes(content + content[-length:-1] + b"x" if torn == "garbage" else content[:-1])
    assert await events(copy) in {3, 4}


async def test_a_crash_while_sqlite_begins_its_log_anew_is_none(worked: Store, database: Path) -> None:
    """All of the log is in the file by then, and its new header says nothing of that: the next start goes on."""
    with closing(sqlite3.connect(database)) as other:
        other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    copy = crashed(database)
    content = bytearray(log(copy).read_bytes())
    content[16:24] = bytes(8)
    log(copy).write_bytes(content)
    assert await events(copy) == 4


async def test_an_idle_bot_leaves_everything_in_the_one_file(database: Path) -> None:
    """After a while without a transaction a copy of the file alone is whole; the next transaction ends that."""
    store = Store(database, idle_after=0.0)
    await store.open()
    await put(store, 3)
    while log(database).stat().st_size:  # noqa: ASYNC110 -- the writer is another thread
        await asyncio.sleep(0)
    shutil.copy(database, copy := database.with_name("copy.db"))
    await store.close()
    assert await events(copy) == 3


async def test_a_reader_holds_no_transaction_up_and_the_next_pause_tidies_up(store: Store, writer: Writer) -> None:
    """While a reader needs the log, it stays; transactions go on."""
    await put(store)
    with open_reader(store.path) as tables:
        tables.connection.begin_reading()
        assert tables.record.last().seq == 1
        await put(store)
        assert not writer.sqlite.checkpoint()
        await put(store)
        tables.connection.rollback()
    assert writer.sqlite.checkpoint()
    assert log(store.path).stat().st_size == 0
    await put(store)


async def test_after_a_crash_and_a_look_by_another_program_the_file_is_whole(worked: Store, database: Path) -> None:
    """A shell that closes the file of a dead bot moves the log into it; the next start finds everything."""
    path = crashed(database)
    with closing(sqlite3.connect(path)) as shell:
        shell.execute("SELECT * FROM audit_events").fetchall()
    assert list(path.parent.iterdir()) == [path]
    assert await events(path) == 4


async def test_a_death_in_the_middle_of_the_first_start_leaves_a_file_that_opens(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is on the disk after each step, the next start takes it."""
    left: list[Path] = []

    def dying(name: str) -> None:
        original = getattr(SQLite, name)

        def step(*args: Any, **options: Any) -> Any:
            result = original(*args, **options)
            left.append(tmp_path / f"left{len(left)}")
            shutil.copytree(database.parent, left[-1], ignore=shutil.ignore_patterns("*-shm"))
            return result

        monkeypatch.setattr(SQLite, name, step)

    for name in ("execute", "begin", "commit", "mark"):
        dying(name)
    store = Store(database, idle_after=3600.0)
    await store.open()
    await put(store)
    monkeypatch.undo()
    await store.close()
    assert len(left) > 10
    found = [await events(folder / database.name) for folder in left]
    assert found == sorted(found)
    assert set(found) == {0, 1}


def foreign(path: Path) -> None:
    """Make a database of another program."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")


def another_application(path: Path) -> None:
    """Make a database of a program that names itself."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA application_id=1196444487")
        connection.execute("CREATE TABLE requests (x)")


def interrupted(path: Path) -> None:
    """Make another program's database in the middle of a transaction, with its journal."""
    foreign(source := path.with_name("source"))
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size=2")
        connection.execute("BEGIN")
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i FROM n"
        connection.execute(f"INSERT INTO theirs {numbers}")
        shutil.copy(source, path)
        shutil.copy(source.with_name("source-journal"), path.with_name(f"{path.name}-journal"))
        connection.execute("ROLLBACK")


def log_alone(path: Path) -> None:
    """Leave a log without its file."""
    log(path).write_bytes(b"x" * 5000)


def empty_with_log(path: Path) -> None:
    """Leave a log beside an empty file."""
    path.touch()
    log_alone(path)


def pipe(path: Path) -> None:
    """Make a named pipe, which nobody writes to."""
    os.mkfifo(path)


def directory(path: Path) -> None:
    """Make a directory."""
    path.mkdir()


def unix_socket(path: Path) -> None:
    """Make a socket."""
    here = Path.cwd()
    os.chdir(path.parent)  # A socket's path must be short.
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(path.name)
    os.chdir(here)


def loop(path: Path) -> None:
    """Make a symbolic link to itself."""
    path.symlink_to(path)


NOT_OURS: dict[Callable[[Path], object], StoreProblem] = {
    foreign: StoreProblem.FOREIGN,
    another_application: StoreProblem.FOREIGN,
    interrupted: StoreProblem.FOREIGN,
    log_alone: StoreProblem.LOG_ALONE,
    empty_with_log: StoreProblem.LOG_ALONE,
    pipe: StoreProblem.NOT_A_FILE,
    directory: StoreProblem.NOT_A_FILE,
    unix_socket: StoreProblem.NOT_A_FILE,
    loop: StoreProblem.CANNOT_OPEN,
}


def contents(folder: Path) -> dict[str, bytes | int]:
    """Return what is in the folder: the content of files, the kind of everything else."""
    found: dict[str, bytes | int] = {}
    for path in folder.iterdir():
        mode = path.lstat().st_mode
        found[path.name] = path.read_bytes() if stat.S_ISREG(mode) else mode
    return found


@pytest.mark.parametrize("make", NOT_OURS)
async def test_a_file_that_is_not_the_bots_is_refused_and_left_as_it_is(
    database: Path, make: Callable[[Path], object]
) -> None:
    """Nothing is created, changed, or waited for."""
    database.parent.mkdir()
    make(database)
    before = contents(database.parent)
    assert await refused(database) is NOT_OURS[make]
    assert contents(database.parent) == before


async def test_one_line_tells_the_operator_which_file_to_choose(database: Path) -> None:
    """The command ends with it, and with exit code 1."""
    database.parent.mkdir()
    foreign(database)
    ended = await asyncio.to_thread(run, database, database.parent)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"{database}: this is the database of another program, and the bot has changed nothing in it."
        " Set DATABASE_URL to a file of the bot's own, or to a new one.\n"
    )


@pytest.mark.parametrize(
    "statements",
    [
        ["DROP TRIGGER audit_events_no_delete", "DELETE FROM deliveries", "DELETE FROM audit_events"],
        [
            "DROP VIEW audit_readable",
            "DROP VIEW cancellations_readable",
            "DROP TABLE deliveries",
            "DROP TABLE audit_events",
        ],
    ],
)
async def test_a_bots_file_whose_record_is_gone_is_not_filled_again(database: Path, statements: list[str]) -> None:
    """An empty record beside requests, or no record at all, is not a new file."""
    store = Store(database)
    await store.open()
    await put(store)
    await store.close()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO requests (id, category, reason, source, requester, approvals_required, requested_at,"
            " expires_at, approval_ttl, form_id, card_channel)"
            " VALUES ('c1', '', 'why', '', 'U1', 1, 't1', 't2', 60, 'V1', 'C1')"
        )
        for statement in statements:
            connection.execute(statement)
    before = database.read_bytes()
    assert await refused(database) is StoreProblem.EMPTIED
    assert database.read_bytes() == before


async def test_a_torn_file_is_damaged_and_left_as_it_is(database: Path) -> None:
    """A copy that broke off in the middle is not written to."""
    store = Store(database)
    await store.open()
    await put(store, 100)
    await store.close()
    cut(database)
    before = database.read_bytes()
    assert await refused(database) is StoreProblem.DAMAGED
    assert database.read_bytes() == before


async def test_an_empty_file_is_a_new_one(database: Path) -> None:
    """Somebody may have made it by hand, with the owner that it should have."""
    database.parent.mkdir()
    database.touch()
    assert await events(database) == 0


async def test_a_file_that_others_can_read_is_closed_to_them(store: Store, database: Path) -> None:
    """That holds for a new file under any umask, for an old one, and for what stands beside it."""
    await put(store)
    copy = database.with_name("copy.db")
    for ending in ("", "-wal"):
        shutil.copy(f"{database}{ending}", f"{copy}{ending}")
        Path(f"{copy}{ending}").chmod(0o664)
    old = os.umask(0)
    second = Store(copy)
    await second.open()
    os.umask(old)
    for ending in ("", "-wal", "-shm"):
        assert stat.S_IMODE(Path(f"{copy}{ending}").stat().st_mode) == 0o600
    await second.close()


async def test_a_file_that_cannot_be_closed_to_others_is_known(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot goes on, as the file system may have no modes, or the file may belong to somebody else."""
    database.parent.mkdir()
    database.touch()
    database.chmod(0o644)

    def fail(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", fail)
    store = Store(database)
    await store.open()
    assert await store.close_to_others() is Privacy.OPEN
    await store.close()


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
async def test_a_file_that_is_opened_to_others_later_is_closed_again(store: Store, database: Path, ending: str) -> None:
    """Whoever does it, by hand or by a script that sets modes, the file is the bot's alone."""
    await put(store)
    assert await store.close_to_others() is Privacy.PRIVATE
    opened = database.with_name(f"{database.name}{ending}")
    opened.chmod(0o644)
    assert await store.close_to_others() is Privacy.CLOSED
    assert stat.S_IMODE(opened.stat().st_mode) == 0o600
    assert await store.close_to_others() is Privacy.PRIVATE


async def test_deleted_words_are_in_no_file(store: Store, writer: Writer) -> None:
    """After a checkpoint they are gone from tables, indexes, overflow pages, rows that were changed, and the log."""
    words = ("a secret word of ann", "long secret " * 1000)

    def fill(tx: Tables) -> None:
        for number, word in enumerate(words):
            for letter in "UV":
                tx.connection.execute("INSERT INTO people VALUES (?, ?)", [f"{letter}{number}", word])

    await store.transaction("fill", fill)

    def found() -> bool:
        content = store.path.read_bytes() + log(store.path).read_bytes()
        return any(word[:15].encode() in content for word in words)

    assert writer.sqlite.checkpoint()
    assert found()
    await store.transaction("erase", lambda tx: tx.connection.execute("DELETE FROM people WHERE id LIKE 'U%'"))
    await store.transaction("change", lambda tx: tx.connection.execute("UPDATE people SET name = 'x'"))
    with open_reader(store.path) as tables:
        tables.connection.begin_reading()
        tables.record.last()
        await put(store)
        assert not writer.sqlite.checkpoint()
    assert writer.sqlite.checkpoint()
    assert not found()


def test_only_a_databases_first_page_has_a_header() -> None:
    """Anything else is no database, however it begins."""
    for page in (b"", b"SQLite format 3\0", b"SQLite format 3\0" + bytes(100), b"x" * 100):
        assert header(page) is None


async def test_a_command_that_has_the_file_for_a_moment_is_no_second_bot(database: Path) -> None:
    """A start that meets it waits until it has ended, and then goes on."""
    before = Store(database)
    await before.open()
    await before.close()
    store = Store(database)
    with database.open("rb") as beside:
        fcntl.flock(beside, fcntl.LOCK_EX)
        opening = asyncio.create_task(store.open())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.shield(opening)
    await opening
    await store.close()
