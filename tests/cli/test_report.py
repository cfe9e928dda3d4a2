"""The command that prints the figures of a period."""

import asyncio
import csv
import io
import json
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.cli.report import _fitted
from bot.domain.attempt import Answer, Outcome, Reason
from bot.domain.events import Exported
from bot.domain.policy import Act, Members
from bot.store import Store, open_reader, verify_all
from bot.workflow import Rules, Wish, Workflow, decisions, freezing
from tests.clock import Clock
from tests.world import actor

COMPLETED = Answer(Outcome.REFUSED, http_status=422, reason=Reason.COMPLETED)
CANCELLED = Answer(Outcome.CANCELLED, http_status=200)
LOST = Answer(Outcome.UNKNOWN)
DAYS = ("--from", "2026-11-23", "--to", "2026-11-24")


async def ask(workflow: Workflow, clock: Clock, order: str, category: str, answer: Answer | None) -> None:
    """Ask for an order, and bring it to this answer of the gateway, if there is one, within three minutes."""
    request = (await workflow.request(Wish(order, (order,), category, "C1", category=category), actor("U1"))).request
    assert request is not None
    if answer is not None:
        clock.advance(minutes=2)
        approvers = Members(frozenset({"U2"}))
        await workflow.act(decisions.approve, Act.APPROVE, request.id, actor("U2"), approvers=approvers)
        (attempt,) = (await workflow.claim("w", calls=1, messages=0)).attempts
        clock.advance(minutes=1)
        await workflow.record_answer(attempt, answer)


@pytest.fixture
def database(database: Path, rules: Rules, clock: Clock) -> Path:
    """Return a file with five requests of one day, and one of the day before that is still unknown."""

    async def fill() -> None:
        store = Store(database)
        await store.open()
        offered = replace(rules, reasons=("=fraud", "重複した支払いの取り消しをお願いします"))
        workflow = Workflow(store, offered, now=clock, wake=asyncio.Event())
        clock.advance(days=-1)
        await ask(workflow, clock, "ord_0", "", LOST)
        clock.advance(days=1)
        await ask(workflow, clock, "ord_1", "=fraud", CANCELLED)
        await ask(workflow, clock, "ord_2", "=fraud", COMPLETED)
        await ask(workflow, clock, "ord_3", "重複した支払いの取り消しをお願いします", None)
        await ask(workflow, clock, "ord_4", "", LOST)
        await ask(workflow, clock, "ord_5", "=fraud", None)
        await store.close()

    asyncio.run(fill())
    return database


def report(database: Path, *words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["report", *words], env={"DATABASE_URL": f"sqlite:///{database}"})


def width(line: str) -> int:
    """Return how many places of a terminal a line takes."""
    return sum(2 if unicodedata.east_asian_width(each) in {"W", "F"} else 1 for each in line)


def test_the_table_has_every_figure_in_eighty_columns(database: Path) -> None:
    """The causes are in the words of the card, and each reason from the list has a line."""
    ended = report(database, *DAYS)
    lines = ended.stdout.splitlines()
    assert max(map(width, lines)) <= 80
    assert [" ".join(line.split()) for line in lines] == [
        "Requests from 2026-11-23 00:00 to 2026-11-25 00:00 UTC",
        "",
        "requests 5",
        "approved 3",
        "rejected 0",
        "withdrawn 0",
        "expired 0",
        "not decided yet 2",
        "orders of approved requests 3",
        "cancelled 1",
        "refused 1",
        "Not cancelled: the order is completed or paid 1",
        "failed 0",
        "unknown and still open 1",
        "settled by hand: cancelled 0",
        "settled by hand: not cancelled 0",
        "approved, not confirmed yet 0",
        "being sent 0",
        "orders of earlier requests that are still unknown 1",
        "time to the decision, median 2 min",
        "time to the decision, 95th percentile 2 min",
        "time to the outcome, median 3 min",
        "time to the outcome, 95th percentile 3 min",
        "",
        "reason asked approved cancelled refused failed unknown",
        "=fraud 3 2 1 1 0 0",
        "no reason chosen 1 1 0 0 0 1",
        "重複した支払いの取… 1 0 0 0 0 0",
    ]


def test_machines_get_a_row_for_all_and_one_for_each_reason(database: Path) -> None:
    """JSON has the same names as CSV, in which no cell begins a formula."""
    found = json.loads(report(database, *DAYS, "--format", "json").stdout)
    assert [(row["scope"], row["reason"], row["requests"]) for row in found] == [
        ("all", "", 5),
        ("reason", "=fraud", 3),
        ("reason", "", 1),
        ("reason", "重複した支払いの取り消しをお願いします", 1),
    ]
    total = found[0]
    assert (total["since"], total["until"]) == ("2026-11-23T00:00:00+00:00", "2026-11-25T00:00:00+00:00")
    assert (total["requests_approved"], total["requests_pending"]) == (3, 2)
    assert (total["orders"], total["orders_cancelled"], total["refused_completed"], total["orders_unknown"]) == (
        5,
        1,
        1,
        1,
    )
    assert (total["decision_median_seconds"], total["outcome_p95_seconds"]) == (120, 180)
    assert [row["orders_unknown_before"] for row in found] == [1, None, None, None]
    rows = list(csv.DictReader(io.StringIO(report(database, *DAYS, "--format", "csv").stdout)))
    assert [row["reason"] for row in rows] == ["", "'=fraud", "", "重複した支払いの取り消しをお願いします"]
    assert list(rows[0]) == list(total)


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_report_is_on_record(database: Path, form: str) -> None:
    """Like every export: the period, the number of rows, and the hash of exactly what was printed."""
    ended = report(database, *DAYS, "--format", form)
    with open_reader(database) as tables:
        content = tables.record.event(tables.record.last().seq).content
    digest = sha256(ended.stdout.encode()).hexdigest()
    assert content == Exported("report", "2026-11-23 00:00..2026-11-25 00:00", 4, digest)
    assert verify_all(database).damage is None


def test_a_copy_stays_as_it_is(database: Path) -> None:
    """A file named by ``--database`` is only read."""
    before = database.read_bytes()
    assert report(database, *DAYS, "--database", str(database)).exit_code == 0
    assert database.read_bytes() == before


def test_nothing_is_printed_that_cannot_be_put_on_record(tmp_path: Path) -> None:
    """The message says what is wrong with the file."""
    ended = report(tmp_path / "none.db")
    assert (ended.exit_code, ended.stdout) == (1, "")


def test_the_last_days_are_the_default(database: Path) -> None:
    """The clock of the file is another one, so the period says what was asked for."""
    for words, length in (
        ([], timedelta(days=7)),
        (["--last", "4w"], timedelta(weeks=4)),
        (["--last", "12h"], timedelta(hours=12)),
    ):
        (total, *_) = json.loads(report(database, *words, "--format", "json").stdout)
        since, until = (datetime.fromisoformat(total[name]) for name in ("since", "until"))
        assert until - since == length
        assert until <= datetime.now(UTC)
    (total, *_) = json.loads(report(database, "--from", "2026-11-23", "--format", "json").stdout)
    assert total["requests"] == 5


@pytest.mark.parametrize(
    "words, problem",
    [
        (["--last", "cancelled"], "'cancelled' is not a time such as 12h, 7d or 4w."),
        (["--last", "today"], "'today' is not a time such as 12h, 7d or 4w."),
        (["--last", "99999d", "--from", "2026-11-23"], "Give --from, alone or with --to, or give --last."),
        (["--to", "2026-11-23"], "Give --from, alone or with --to, or give --last."),
        (["--from", "2026-11-24", "--to", "2026-11-22"], "The time range ends before it begins."),
        (["--from", "yesterday"], "does not match the format"),
        (["--from", "2026-02-31"], "does not match the format"),
        (["--format", "xml"], "is not one of"),
    ],
)
def test_what_is_no_period_is_told(database: Path, words: list[str], problem: str) -> None:
    """The exit code is 2, and nothing is on record."""
    before = database.read_bytes()
    ended = report(database, *words)
    assert (ended.exit_code, problem in ended.stderr) == (2, True)
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    "text, shown",
    [
        ("fraud", "fraud" + " " * 15),
        ("a" * 20, "a" * 20),
        ("a" * 21, "a" * 19 + "…"),
        ("重" * 10, "重" * 10),
        ("重" * 11, "重" * 9 + "… "),
        ("\x1b[2J", r"\x1b[2J" + " " * 13),
    ],
)
def test_a_reason_is_as_wide_as_its_column(text: str, shown: str) -> None:
    """Wide characters take two places, and nothing reaches the terminal that it would obey."""
    assert _fitted(text) == shown


def test_figures_of_an_older_copy_say_what_they_cannot_know(database: Path, rules: Rules, clock: Clock) -> None:
    """What is counted as rejected may have been cancelled after the copy was made. The figures stay as they are."""

    async def go_on_with_it() -> None:
        store = Store(database)
        await store.open()
        await store.transaction("restore", lambda tx: freezing.freeze_restored(tx, actor="terminal:op", at=clock()))
        workflow = Workflow(store, rules, now=clock, wake=asyncio.Event())
        first, *_ = await store.read(lambda tables: tables.requests.pending())
        await workflow.act(decisions.reject, Act.REJECT, first.id, actor("U2"), reason="no")
        await store.close()

    assert report(database, *DAYS).stderr == ""
    asyncio.run(go_on_with_it())
    told = "so 2 orders counted here as not cancelled may be cancelled."
    for form in ("table", "json", "csv"):
        found = report(database, *DAYS, "--format", form)
        assert told in found.stderr
        assert told not in found.stdout
    assert report(database, "--from", "2026-11-22", "--to", "2026-11-22").stderr == ""
