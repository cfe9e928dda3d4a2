"""The command line, on a real file that a bot has written."""

import asyncio
import csv
import io
import json
import sqlite3
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.domain.attempt import Answer, Outcome
from bot.domain.policy import Standing
from bot.store import Store
from bot.workflow import Accepted, Rules, Workflow
from tests.clock import Clock
from tests.world import next_attempt


@dataclass
class Cli:
    """The command line with a database."""

    database: Path

    def __call__(self, *words: str) -> Result:  # noqa: D102 -- the class says it
        return CliRunner().invoke(main, words, env={"DATABASE_URL": f"sqlite:///{self.database}"})


@pytest.fixture
def cli(database: Path, rules: Rules, clock: Clock) -> Cli:
    """One order cancelled, and one pending whose reason looks like a formula."""

    async def write() -> None:
        store = Store(database)
        await store.open()
        workflow = Workflow(store, rules, now=clock)
        for number, reason in ((1, "typed twice"), (2, "=1+1\nsecond line")):
            result = await workflow.request(
                form_id=f"V{number}",
                order_id=f"ord_{number}",
                reason=reason,
                requester="U0ANN",
                name="ann",
                channel="C1",
                standing=Standing.MEMBER,
            )
            assert isinstance(result, Accepted)
            clock.advance(1)
            if number == 1:
                await workflow.approve(result.cancellation.id, "U0BEN", "ben", Standing.MEMBER)
                attempt = await next_attempt(workflow)
                assert attempt is not None
                await workflow.record_answer(attempt, Answer(Outcome.CANCELLED, http_status=200))
        await store.close()

    asyncio.run(write())
    return Cli(database)


def forge(database: Path, *statements: str) -> None:
    """Change the record as somebody would who has the file."""
    with sqlite3.connect(database) as connection:
        for name in ("audit_events_no_update", "audit_events_no_delete", "audit_events_only_append"):
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


def head(database: Path) -> str:
    """The last event's witness."""
    with sqlite3.connect(database) as connection:
        seq, digest = connection.execute("SELECT seq, hash FROM audit_events ORDER BY seq DESC").fetchone()
    return f"#{seq}·{digest[:8]}"


def test_find_prints_a_table_newest_first(cli: Cli) -> None:
    """Without filters everything is listed, one line each."""
    lines = cli("audit", "find").stdout.splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["ord_2", "ord_1"]
    assert "approve:U0BEN" in lines[3]
    assert "second line" in lines[2]


def test_find_as_json_and_csv(cli: Cli) -> None:
    """Machines get everything; what begins like a formula is made harmless for spreadsheets."""
    found = json.loads(cli("audit", "find", "--json").stdout)
    assert [row["reason"] for row in found] == ["=1+1\nsecond line", "typed twice"]
    rows = list(csv.DictReader(io.StringIO(cli("audit", "find", "--csv").stdout)))
    assert [row["reason"] for row in rows] == ["'=1+1\nsecond line", "typed twice"]
    assert cli("audit", "find", "state:expired", "--csv").stdout == "\n"


def test_find_tells_an_orders_story(cli: Cli) -> None:
    """An order id lists its events, and a limit cuts the list."""
    found = json.loads(cli("audit", "find", "ord_1", "--json").stdout)
    assert [row["kind"] for row in found] == ["cancelled", "sending", "approved", "requested"]
    assert len(json.loads(cli("audit", "find", "ord_1", "--json", "--limit", "2").stdout)) == 2


def test_find_takes_the_filters_of_the_command_in_slack(cli: Cli) -> None:
    """A person, a state and a time narrow it down; a bad filter is answered with the usage."""
    found = json.loads(cli("audit", "find", "<@U0BEN>", "state:cancelled", "--json").stdout)
    assert [row["order"] for row in found] == ["ord_1"]
    assert "Nothing matches." in cli("audit", "find", "2020-01-01").stdout
    wrong = cli("audit", "find", "what?")
    assert (wrong.exit_code, "'what?' is not a filter" in wrong.stderr) == (2, True)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Looking at a file that is not there says so, and ends with 1."""
    for words in (["audit", "find"], ["audit", "verify"], ["backup", str(tmp_path / "copy.db")]):
        ended = CliRunner().invoke(main, words, env={"DATABASE_URL": "sqlite:////nowhere/bot.db"})
        assert (ended.exit_code, "/nowhere/bot.db: there is no such file" in ended.stderr) == (1, True)


def test_verify_of_a_whole_record(cli: Cli) -> None:
    """It says how many events there are and what the head is; the head from Slack fits."""
    ended = cli("audit", "verify", "--head", head(cli.database))
    assert (ended.exit_code, ended.stdout) == (0, f"The record is whole: 5 events, head {head(cli.database)}.\n")


@pytest.mark.parametrize(
    "statement, words",
    [
        ("UPDATE audit_events SET actor = 'U9' WHERE seq = 2", "at event 2 (edited)"),
        ("DELETE FROM audit_events WHERE seq = 3", "at event 3 (removed)"),
        ("DELETE FROM audit_events WHERE seq = 5", "at event 5 (cut)"),
    ],
)
def test_verify_of_a_damaged_record(cli: Cli, statement: str, words: str) -> None:
    """Damage is told with the event where it begins, and the exit code is 1."""
    witness = head(cli.database)
    forge(cli.database, statement)
    ended = cli("audit", "verify", "--head", witness)
    assert (ended.exit_code, words in ended.stderr) == (1, True)


def test_verify_of_an_inserted_event(cli: Cli) -> None:
    """An event that was put in between, with the rest moved up, is told as inserted."""
    forge(
        cli.database,
        "UPDATE audit_events SET seq = seq + 100 WHERE seq > 2",
        "UPDATE audit_events SET seq = seq - 99 WHERE seq > 100",
        "INSERT INTO audit_events SELECT 3, at, kind, cancellation, order_id, 'U9', data, prev_hash, hash"
        " FROM audit_events WHERE seq = 2",
    )
    ended = cli("audit", "verify")
    assert (ended.exit_code, "at event 3 (inserted)" in ended.stderr) == (1, True)


def test_verify_with_something_that_is_no_head(cli: Cli) -> None:
    """The usage shows what a head looks like."""
    ended = cli("audit", "verify", "--head", "abc")
    assert (ended.exit_code, "#123·0a1b2c3d" in ended.stderr) == (2, True)


async def test_backup_while_the_bot_runs(store: Store, database: Path, tmp_path: Path) -> None:
    """The copy is checked, private, opens by itself, and is never written over."""
    await store.probe()
    copy = tmp_path / "copy.db"
    ended = await asyncio.to_thread(Cli(database), "backup", str(copy))
    assert (ended.exit_code, ended.stdout) == (0, f"{copy}: 0 events, head (empty).\n")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not copy.with_name("copy.db.part").exists()
    again = await asyncio.to_thread(Cli(database), "backup", str(copy))
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)


def test_backup_of_a_damaged_record_is_refused(cli: Cli, tmp_path: Path) -> None:
    """A copy of a broken record is not passed off as a backup."""
    forge(cli.database, "DELETE FROM audit_events WHERE seq = 3")
    ended = cli("backup", str(tmp_path / "copy.db"))
    assert (ended.exit_code, "not sound" in ended.stderr) == (1, True)
    assert not (tmp_path / "copy.db").exists()


def test_backup_into_a_folder_that_is_not_there(cli: Cli) -> None:
    """The target is named with what the system says of it."""
    ended = cli("backup", "/nowhere/copy.db")
    assert (ended.exit_code, "/nowhere/copy.db" in ended.stderr) == (1, True)


def test_run_without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each missing setting, exit code 2."""
    monkeypatch.delenv("APPROVERS", raising=False)
    for command in ("run", "doctor"):
        ended = CliRunner().invoke(main, [command])
        assert ended.exit_code == 2
        assert "APPROVERS" in ended.stderr
