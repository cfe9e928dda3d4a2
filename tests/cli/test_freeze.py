"""The commands that stop everything and let it go on, beside a bot that has the file open."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.cancellation import State
from bot.store import Store, open_beside, verify_all
from bot.workflow import Rules, Workflow
from tests.cli.test_beside import command
from tests.clock import Clock
from tests.flows.desk import Desk
from tests.postgres import Cluster
from tests.workflow.steps import approve, requested


async def test_the_operator_freezes_and_unfreezes_beside_a_running_bot(database: Path) -> None:
    """The bot obeys at once, shows it on the open card, and goes on when it is over; all of it verifies."""
    async with Desk(database) as desk:
        await desk.start_bot()
        card = await desk.ask("ord_1")
        code, out, _ = await command(database, "freeze", "--why", "Slack is down")
        assert (code, out) == (
            0,
            (
                f"Everything is frozen in {database}. 1 request stands still. "
                "A call to the gateway that has begun still ends.\n"
            ),
        )
        shown = await desk.card_says(card, "Everything is frozen by an operator at the command line")
        assert "Slack is down" in shown
        await desk.ben.click(card, "approve")
        assert "Everything is frozen by an operator at the command line" in await desk.told(desk.ben)
        code, out, _ = await command(database, "unfreeze")
        assert (code, out) == (
            0,
            f"The freeze of {database} is over. 1 request is open.\n",
        )
        await desk.ben.click(card, "approve")
        assert "frozen" not in await desk.card_says(card, "✅ Cancelled")
    assert verify_all(database).damage is None


async def test_a_file_that_no_bot_has_open_is_told(database: Path, tmp_path: Path) -> None:
    """A copy stops nothing: whoever froze it by mistake must not believe that the bot stands still."""
    copy = tmp_path / "copy.db"
    async with Desk(database) as desk:
        await desk.start_bot()
        card = await desk.ask("ord_1")
        assert (await command(database, "backup", str(copy)))[0] == 0
        frozen = f"{copy} is frozen, but no bot has it open. 1 request stands still in it. "
        other = (
            "If your bot is running, it uses another database: check that DATABASE_URL is the one that it runs with.\n"
        )
        assert await command(copy, "freeze") == (0, frozen + other, "")
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "✅ Cancelled")
        nothing = "No bot has it open, so nothing goes on before one starts with it. "
        over = f"The freeze of {copy} is over. {nothing}{other}"
        assert await command(copy, "unfreeze") == (0, over, "")


async def test_what_there_is_nothing_to_do_for_is_said_and_kept_off_the_record(
    database: Path, store: Store, workflow: Workflow
) -> None:
    """A second freeze names whoever began the first."""
    assert (await command(store.path, "unfreeze"))[:2] == (0, f"Nothing was frozen in {store.path}.\n")
    await command(store.path, "freeze")
    code, out, _ = await command(store.path, "freeze")
    assert code == 0
    assert out.startswith(f"{store.path} was frozen already, by terminal:")
    kinds = await store.read(lambda tables: [event.kind for event in tables.record.all()])
    assert kinds.count("frozen") == 1
    # Another reason is news.
    code, out, _ = await command(store.path, "freeze", "--why", "wrong price list")
    assert (code, "is frozen" in out) == (0, True)
    freeze = await store.read(lambda tables: tables.freeze())
    assert freeze is not None
    assert freeze.why == "wrong price list"


async def test_a_bot_that_starts_on_a_frozen_file_sends_nothing(database: Path, rules: Rules, clock: Clock) -> None:
    """The freeze is in the file, whoever runs on it."""
    store = Store(database)
    await store.open()
    workflow = Workflow(store, rules, now=clock, wake=asyncio.Event())
    about = await requested(workflow)
    await approve(workflow, about)
    assert (await command(store.path, "freeze"))[0] == 0
    claimed = await workflow.claim("w", calls=10, messages=0)
    assert claimed.attempts == []
    assert (await command(store.path, "unfreeze"))[0] == 0
    (attempt,) = (await workflow.claim("w", calls=10, messages=0)).attempts
    found = await store.read(lambda tables: tables.requests.get(attempt.request_id))
    assert found is not None
    assert found.state is State.SENDING
    await store.close()


async def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    """Nothing is made in its place."""
    code, out, err = await command(tmp_path / "none.db", "freeze")
    assert code == 1
    assert out == ""
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "none.db").exists()


async def test_a_reason_in_another_encoding_hinders_no_freeze(store: Store) -> None:
    """On the day on which it is urgent, a terminal in Latin-1 is no cause to freeze nothing."""
    latin = "prix erron\udce9"  # the byte E9, as Python hands it on
    code, out, err = await command(store.path, "freeze", "--why", latin)
    assert (code, err) == (0, "")
    assert "Everything is frozen in" in out
    freeze = await store.read(lambda tables: tables.freeze())
    assert freeze is not None
    assert freeze.why == "prix erron?"


@pytest.mark.parametrize("option", ["--order", "--person", "--why"])
async def test_an_erasure_in_another_encoding_is_refused_in_one_line(store: Store, option: str) -> None:
    """What is erased must be exactly what was meant."""
    words = {"--order": ["--why", "ticket"], "--person": ["--why", "ticket"], "--why": ["--order", "ord_1"]}[option]
    code, out, err = await command(store.path, "erase", *words, option, "caf\udce9", "--yes")
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith(f"Error: Invalid value for '{option}': this is not UTF-8;")


async def test_the_terminal_goes_by_the_clock_that_the_bots_go_by(postgres: Cluster) -> None:
    """Their server's: what is owed from a time to come would reach people only then, and the gateway at once."""
    store = Store(postgres.new())
    await store.open()
    with open_beside(store.place) as tx:
        assert abs(tx.now(lambda: datetime.now(UTC) + timedelta(days=1)) - datetime.now(UTC)) < timedelta(hours=1)
    await store.close()
