"""The commands that print the record for programs: export and follow, on a real database that a bot has written."""

import asyncio
import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bot.domain.audit import BOT
from bot.domain.events import Exported, Requested, Stopped
from bot.domain.policy import NAMED, Act, Surface, Verdict
from bot.store import Store, backup, open_beside, open_reader, restore
from bot.workflow import Rules, Workflow, decisions
from tests.cli.test_record import BEN, Cli, cli, forge, last_event
from tests.clock import Clock
from tests.store.rows import add
from tests.workflow.steps import LOST, approved, retry, sending, settle, version
from tests.world import actor

__all__ = ["cli"]


def rows(cli: Cli, *words: str) -> list[dict[str, Any]]:
    """Return what ``audit export`` prints as JSON lines."""
    ended = cli("audit", "export", "--jsonl", *words)
    assert ended.exit_code == 0
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_an_export_names_people_with_the_time_and_reason_of_each_decision(cli: Cli) -> None:
    """A row has all that an auditor asks of a request, newest first, in both forms."""
    pending, cancelled = rows(cli)
    assert (pending["order"], pending["state"], pending["requester_name"]) == ("ord_2", "pending", "ann")
    assert (pending["decided_by_names"], pending["decided_at"], pending["decision_reasons"]) == ("", "", "")
    assert (cancelled["decided_by"], cancelled["decided_by_names"]) == ("approve:U0BEN", "ben")
    assert datetime.fromisoformat(cancelled["decided_at"]) >= datetime.fromisoformat(cancelled["requested_at"])
    table = list(csv.DictReader(io.StringIO(cli("audit", "export").stdout)))
    assert [list(each) for each in table] == [list(pending)] * 2
    assert [each["order"] for each in table] == ["ord_2", "ord_1"]
    assert rows(cli, "ord_1") == [cancelled]
    assert rows(cli, "state:pending") == [pending]


async def test_an_export_has_the_reason_of_a_rejection(database: Path, rules: Rules, clock: Clock) -> None:
    """It stands beside the person who gave it."""
    from tests.workflow.steps import requested

    store = Store(database)
    await store.open()
    workflow = Workflow(store, rules, now=clock, wake=asyncio.Event())
    request = await requested(workflow)
    await workflow.act(decisions.reject, Act.REJECT, request.id, BEN, reason="wrong; order")
    await store.close()
    (row,) = rows(Cli(database))
    assert (row["decided_by"], row["decided_by_names"]) == ("reject:U0BEN", "ben")
    assert row["decision_reasons"] == "wrong; order"


@pytest.mark.parametrize("form", [[], ["--jsonl"]])
def test_what_was_exported_is_on_record(cli: Cli, form: list[str]) -> None:
    """With the filters, the number of rows and the hash of exactly what was printed."""
    ended = cli("audit", "export", "7d", *form)
    digest = sha256(ended.stdout.encode()).hexdigest()
    assert last_event(cli.database).content == Exported("audit export", "7d", 2, digest)


def test_an_export_without_rows_is_on_record_too(cli: Cli) -> None:
    """JSON lines of nothing are no line."""
    assert rows(cli, "ord_none") == []
    assert last_event(cli.database).content == Exported("audit export", "ord_none", 0, sha256(b"").hexdigest())


def test_only_a_terminal_sees_the_progress(cli: Cli) -> None:
    """A script that keeps stderr finds nothing there."""
    assert cli("audit", "export").stderr == ""


# --- follow -----------------------------------------------------------------------------------


@contextmanager
def following(database: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Run ``audit follow`` in a process of its own."""
    environ = {"PYTHONPATH": str(Path(__file__).parents[2]), "DATABASE_URL": f"sqlite:///{database}"}
    command = [sys.executable, "-m", "bot", "audit", "follow", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return the next event that it prints."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def append(database: Path) -> int:
    """Put an event on record beside the bot; return its number."""
    with open_beside(database) as tx:
        return tx.record.append(Stopped(), BOT, datetime.now(UTC)).seq


def test_events_are_followed_in_their_order_as_they_come(cli: Cli) -> None:
    """First all that are there, with the words that people typed; then each new one; Ctrl-C ends it."""
    with following(cli.database) as process:
        last = 0
        while (event := line(process))["kind"] != Exported.kind:
            assert event["seq"] == last + 1
            last = event["seq"]
            if event["kind"] == "requested" and event["order"] == "ord_1":
                assert event["data"]["reason"] == "typed twice"
        assert event["data"]["command"] == "audit follow"
        for _ in range(2):
            seq = append(cli.database)
            event = line(process)
            assert (event["seq"], event["kind"]) == (seq, "stopped")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_whoever_followed_goes_on_behind_the_last_event(cli: Cli) -> None:
    """Nothing is lost between two runs."""
    seq = append(cli.database)
    with following(cli.database, "--after", head(cli.database, seq - 1)) as process:
        printed = line(process)
        assert (printed["seq"], printed["head"]) == (seq, head(cli.database, seq))


def head(database: Path, seq: int) -> str:
    """Return the head of the event of this number."""
    with open_reader(database) as tables:
        return tables.record.event(seq).head


@pytest.mark.parametrize("seq, said", [(99, "There is no event 99, and the last is 8"), (5, "Event 5 is another")])
def test_nobody_follows_a_record_that_is_another_one(cli: Cli, seq: int, said: str) -> None:
    """A restored copy goes on with other events under the same numbers, and a log system must not miss them."""
    other = head(cli.database, 4).partition("·")[2]
    ended = cli("audit", "follow", "--after", f"#{seq}·{other}")
    assert ended.exit_code == 1
    assert said in ended.stderr
    assert "begin again without --after" in ended.stderr


def test_a_number_alone_is_no_place_to_go_on_from(cli: Cli) -> None:
    """It says nothing of which record it is."""
    ended = cli("audit", "follow", "--after", "4")
    assert (ended.exit_code, "'4' is not a head." in ended.stderr) == (2, True)


def test_a_reader_that_goes_away_ends_it_quietly(cli: Cli) -> None:
    """As every program at the front of a pipe does."""
    with following(cli.database) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.wait(20), process.stderr.read()) == (141, "")


def test_an_event_that_does_not_follow_ends_it(cli: Cli) -> None:
    """The reader hears that the record is damaged, and reads it in the exit code."""
    with open_reader(cli.database) as tables:
        last = tables.record.last().seq
    with following(cli.database, "--after", head(cli.database, last - 1)) as process:
        assert line(process)["seq"] == last
        line(process)
        forge(
            cli.database,
            "INSERT INTO audit_events SELECT seq + 1, at, kind, request, order_id, actor, data,"
            " prev_hash, hash FROM audit_events ORDER BY seq DESC LIMIT 1",
        )
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert "does not follow from event" in process.stderr.read()


async def test_a_row_names_who_settled_who_stopped_and_who_retried(database: Path, rules: Rules, clock: Clock) -> None:
    """Who looks for what a person decided must find their name in the rows."""
    store = Store(database)
    await store.open()
    workflow = Workflow(store, rules, now=clock, wake=asyncio.Event())
    settled = await approved(workflow)
    await workflow.record_answer(await sending(workflow), replace(LOST, repeat=False))
    assert await settle(workflow, settled, "UTWO", cancelled=True) is Verdict.ALLOWED
    stopped = await approved(workflow, "ord_2", form="V2")
    clicks = replace(actor("UTWO"), ground=NAMED, surface=Surface.CARD)
    acted = await workflow.act(decisions.stop, Act.STOP, stopped.id, clicks, seen=await version(workflow, stopped))
    assert acted.verdict is Verdict.ALLOWED
    assert await retry(workflow, stopped) is Verdict.ALLOWED
    await store.close()
    ended = Cli(database)("audit", "export", "--jsonl")
    first, second = sorted(map(json.loads, ended.stdout.splitlines()), key=lambda row: str(row["order"]))
    assert first["decided_by"] == "approve:UONE settle:UTWO"
    assert first["decision_reasons"].endswith("; the console says so")
    assert second["decided_by"] == "approve:UONE stop:UTWO retry:UONE"
    assert len(second["decided_at"].split("; ")) == 3


def test_a_record_that_became_shorter_ends_it(cli: Cli, tmp_path: Path) -> None:
    """An older copy was put in the place of the database: its next events are not the ones that were to come."""
    copy = tmp_path / "older.db"
    backup(cli.database, copy)
    for _ in range(3):
        append(cli.database)
    with following(cli.database) as process:
        while line(process)["kind"] != Exported.kind:
            pass
        restore(copy, cli.database, BOT, datetime.now(UTC))
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert "begin again without --after" in process.stderr.read()


@pytest.mark.parametrize("command", ["find", "export"])
def test_an_order_is_found_in_other_letters(cli: Cli, command: str) -> None:
    """As a look-up in Slack finds it."""
    ended = cli("audit", command, "ORD_1")
    assert ended.exit_code == 0
    assert "ord_1" in ended.output


@pytest.mark.parametrize("command", [["find", "Ord_1"], ["export", "Ord_1"], ["evidence", "Ord_1", "-o", "new.zip"]])
def test_orders_that_differ_in_case_only_are_both_named(cli: Cli, command: list[str]) -> None:
    """Nobody knows which of them is meant, and one must not be taken for the other."""
    with open_beside(cli.database) as tables:
        at = datetime.now(UTC)
        tables.record.append(Requested(("ORD_1",)), "U0ANN", at, add(tables, at, "ORD_1", form="V9"))
    ended = cli("audit", *command)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr == (
        "No order Ord_1 is on record. These differ from it in capital letters only: ORD_1, ord_1."
        " Give the one that you mean.\n"
    )


def test_a_missing_database_is_one_line(tmp_path: Path) -> None:
    """The way out is in it, and there is no traceback."""
    ended = Cli(tmp_path / "none.db")("audit", "follow")
    assert ended.exit_code == 1
    assert "Traceback" not in ended.stderr
