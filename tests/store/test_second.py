"""A verification by two processes finds what one finds, whatever becomes of the second one."""

import asyncio
import errno
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from bot.domain.audit import BOT, parse_head
from bot.domain.events import Started
from bot.domain.verification import Damage, Verification
from bot.store import open_beside, open_reader, second, verification, verify_all
from bot.store.projections import Projections, Seen
from bot.store.second import Second
from bot.store.sqlite import SQLite
from tests.bench.record import EACH, START, fill


@pytest.fixture
def engine() -> str:
    """Return SQLite: these tests are about its file."""
    return "sqlite"


CANCELLATIONS = 30
FORGERIES = [
    "UPDATE requests SET reason = 'another' WHERE number IN (2, 29)",
    "DELETE FROM decisions WHERE number = 30",
    "UPDATE words SET text = 'another' WHERE field = 'reason'",
    "DELETE FROM words WHERE field = 'name' AND seq > 30",
    "UPDATE people SET name = 'mallory' WHERE id = 'P3'",
    "DELETE FROM people WHERE id = 'P7'",
    "INSERT INTO people VALUES ('UEVIL', 'auditor')",
    "DROP TRIGGER audit_events_no_delete",
    "UPDATE decisions SET number = 99 WHERE number = 3",
    "UPDATE requests SET number = 9000000000000000000 WHERE number = 30",
    "UPDATE cancellations SET request = 9000000000000000000 WHERE request = 30",
    "DROP TRIGGER audit_events_no_update; UPDATE audit_events SET at = '2027' WHERE seq IN (9, 100)",
    "DROP TRIGGER audit_events_no_update; UPDATE audit_events SET prev_hash = hash WHERE seq = 50",
    "DROP TRIGGER audit_events_no_delete; DELETE FROM audit_events WHERE seq = 180",
]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a sound record that counts as a long one, of several parts."""
    path = tmp_path / "bot.db"
    asyncio.run(fill(path, CANCELLATIONS * EACH))
    monkeypatch.setattr(verification, "LONG", 0)
    monkeypatch.setattr(second, "PART", 4)
    return path


def change(path: Path, script: str) -> None:
    """Change the file by plain SQL, past the bot."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.executescript(script)


def alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> Verification:
    """Return what one process finds."""
    with monkeypatch.context() as patch:
        patch.setattr(verification, "LONG", sys.maxsize)
        return verify_all(path)


@pytest.fixture
def only_by_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one part of everything, which this process must not compare."""

    def none(self: Projections, numbers: range) -> None:
        raise AssertionError(numbers)

    monkeypatch.setattr(second, "PART", CANCELLATIONS)
    monkeypatch.setattr(Projections, "seen", none)


def test_the_second_process_does_its_part(path: Path, only_by_the_second: None) -> None:
    """One long part is compared by the second process alone, and nobody is left behind."""
    found = verify_all(path)
    assert (found.damage, found.events) == (None, CANCELLATIONS * EACH)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("when", ["while it starts", "while it works"])
def test_an_interrupt_is_for_the_first_process_alone(path: Path, only_by_the_second: None, when: str) -> None:
    """The terminal sends Ctrl-C to both, but the second one says nothing about it: the first one ends it."""
    with open_reader(path) as tables, Second(path) as other:
        (process,) = multiprocessing.active_children()
        assert process.pid is not None
        for now in ("while it starts", "while it works"):
            if when == now:
                os.kill(process.pid, signal.SIGINT)
            if now == "while it starts":
                other.begin(tables)
        assert other.seen(tables) is not None


@pytest.mark.parametrize("forgery", ["", *FORGERIES])
def test_two_processes_find_what_one_finds(path: Path, monkeypatch: pytest.MonkeyPatch, forgery: str) -> None:
    """The first damage is the same, with the order and both sides."""
    change(path, forgery)
    expected = alone(path, monkeypatch)
    assert (expected.damage is None) == (forgery == "")
    assert verify_all(path) == expected


@pytest.mark.parametrize("name", ["requests", "cancellations", "sqlite_autoindex_cancellations_1"])
def test_two_processes_find_a_broken_page(path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """SQLite's own check comes first in the process that tells, whatever the other one meets on that page."""
    with closing(sqlite3.connect(path)) as connection:
        ((root,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [name])
        ((size,),) = connection.execute("PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(bytes(size))
    expected = alone(path, monkeypatch)
    assert expected.damage is Damage.UNSOUND
    assert verify_all(path) == expected


def test_two_processes_hold_the_record_against_a_head(path: Path) -> None:
    """A head of this record fits, and one of another record does not."""
    with open_reader(path) as tables:
        head = parse_head(tables.record.event(60).head)
    assert verify_all(path, head).damage is None
    assert verify_all(path, parse_head(f"#61·{head.digits}")).damage is Damage.MISNUMBERED_HEAD
    assert verify_all(path, parse_head(f"#60·{'A' * 26}")).damage is Damage.ANOTHER_HEAD
    assert verify_all(path, parse_head(f"#900·{head.digits}")).damage is Damage.MISNUMBERED_HEAD
    assert verify_all(path, parse_head(f"#900·{'A' * 26}")).damage is Damage.CUT


def killed(*_: object) -> Seen:
    """Be killed, as by a system that runs out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def killed_at_work(connection: Connection, path: Path) -> None:
    """Begin as always, and be killed at the first comparison."""
    Projections.seen = killed  # type: ignore[assignment, method-assign] # in a process of its own
    second.compare(connection, path)


@pytest.mark.parametrize("ends", [killed, killed_at_work])
@pytest.mark.parametrize("forgery", ["", FORGERIES[0], FORGERIES[4]])
def test_a_second_process_that_is_killed_is_survived(
    path: Path, monkeypatch: pytest.MonkeyPatch, ends: Callable[..., None], forgery: str
) -> None:
    """The first one compares what is left, and finds the same."""
    change(path, forgery)
    expected = alone(path, monkeypatch)
    monkeypatch.setattr(second, "compare", ends)
    assert verify_all(path) == expected
    assert multiprocessing.active_children() == []


def test_a_system_without_room_for_a_second_process_is_survived(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then one process does everything."""

    def full(self: SpawnProcess) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(SpawnProcess, "start", full)
    assert verify_all(path).damage is None


@pytest.mark.parametrize("times", [1, sys.maxsize])
def test_an_event_between_the_two_views_is_survived(path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Both begin again until they see the same state; beside a bot that never rests, the first one does everything."""
    left = times
    begin_reading = SQLite.begin_reading

    def late(self: SQLite) -> None:
        nonlocal left
        if left:
            left -= 1
            with open_beside(path) as tx:
                tx.record.append(Started("1"), BOT, START)
        begin_reading(self)

    with open_reader(path) as tables, Second(path) as other:
        tables.connection.begin_reading()
        monkeypatch.setattr(SQLite, "begin_reading", late)
        other.begin(tables)
        compared, apart = other.seen(tables), tables.projections.seen_apart()
        assert compared is not None
        assert apart is not None
        everything = tables.projections.everything()
        compared.add(apart)
        assert everything == compared
        assert everything.events > CANCELLATIONS * EACH


@pytest.mark.parametrize("begin", ["", "second.begin(tables)"])
@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_second_process_ends_with_the_first(path: Path, ended_by: signal.Signals, begin: str) -> None:
    """However the first one is ended, nobody holds its output open afterwards, and only itself says something."""
    program = (
        "import sys; from pathlib import Path; from bot.store import open_reader; from bot.store.second import Second\n"
        "with open_reader(Path(sys.argv[1])) as tables, Second(Path(sys.argv[1])) as second:\n"
        f"    {begin}\n"
        "    print('begun', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    pipe = subprocess.PIPE
    first = subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "begun\n"
    if ended_by is signal.SIGINT:
        os.killpg(first.pid, ended_by)  # as a terminal does
    else:
        first.send_signal(ended_by)
    _, said = first.communicate()
    assert said.count("Traceback") == (ended_by is signal.SIGINT)
