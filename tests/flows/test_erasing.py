"""ERASE_TEXT_AFTER on a running bot: the words leave the database, and people read that they were erased."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.events import Erased
from bot.sandbox import gateway_answers as answers
from bot.store import Erasure, erase_from
from tests.clock import Clock
from tests.flows.desk import ANN, PAYMENTS, Desk, quick_tuning

SECRET = "my-name-is-nobodys-business"


async def on_disk(folder: Path) -> bool:
    """Return whether the words are in any file of the folder.

    Read by another program: whoever closes a file gives up all locks that their own program has on it, also SQLite's.
    """
    looking = await asyncio.create_subprocess_exec("grep", "-rqF", SECRET, str(folder))
    return await looking.wait() == 0


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_old_words_leave_the_file_while_the_bot_runs(database: Path, mode: str) -> None:
    """No page of the file and of its log has them, and the look-up says that they were erased."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        changes = desk.by_http if mode == "http" else {}
        await desk.start_bot(quick_tuning(now=clock, erase_check=0.01), ERASE_TEXT_AFTER="30d", **changes)
        card = await desk.ask("ord_1", SECRET)
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "✅ Cancelled")
        await desk.running_bot.worker.until_idle()
        assert not [each for each in await desk.events() if isinstance(each.content, Erased)]
        clock.advance(timedelta(days=31).total_seconds())
        async with asyncio.timeout(10):
            while await on_disk(database.parent):  # noqa: ASYNC110 -- a file
                await asyncio.sleep(0.01)
        erased = [each for each in await desk.events() if isinstance(each.content, Erased)]
        assert {each.actor for each in erased} == {"bot"}
        await desk.vera.command("/cancel-audit ord_1", PAYMENTS)
        assert SECRET not in await desk.told(desk.vera)


READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT * FROM words").fetchall()
print("reading", flush=True)
sys.stdin.read()
"""


async def test_a_reader_only_delays_that_old_words_leave_the_log(database: Path) -> None:
    """They go soon after the reader does, however often the bot looks for more."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock, erase_check=0.01), ERASE_TEXT_AFTER="30d")
        card = await desk.ask("ord_1", SECRET)
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "✅ Cancelled")
        await desk.running_bot.worker.until_idle()
        reader = await asyncio.create_subprocess_exec(sys.executable, "-c", READER, database, stdin=PIPE, stdout=PIPE)
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert await reader.stdout.readline() == b"reading\n"
        clock.advance(timedelta(days=31).total_seconds())
        async with asyncio.timeout(10):
            while not any(isinstance(each.content, Erased) for each in await desk.events()):  # noqa: ASYNC110 -- a file
                await asyncio.sleep(0.01)
        assert await on_disk(database.parent)
        reader.stdin.close()
        await reader.wait()
        async with asyncio.timeout(10):
            while await on_disk(database.parent):  # noqa: ASYNC110 -- a file
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("erasure", [Erasure(order_id="ord_1"), Erasure(person=ANN)], ids=["order", "person"])
async def test_words_that_an_operator_erases_end_retry_everywhere_and_are_looked_up(
    desk: Desk, erasure: Erasure
) -> None:
    """The card and the receipt soon offer no more what would be refused, and the look-up says who erased, in words."""
    desk.gateway.faults.always("ord_1", answers.maintenance(0))
    card = await desk.ask("ord_1", SECRET)
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "[ Retry ]")
    receipt = await desk.receipt("Retry works until")
    await desk.running_bot.worker.until_idle()
    await asyncio.to_thread(erase_from, desk.place, erasure, "the law", "terminal:root", lambda: datetime.now(UTC))
    await desk.card_says(card, "The reason was erased, so nobody can retry this one.")
    assert "[ Retry ]" not in desk.ann.reads(card)
    await desk.wait(lambda: "Retry works until" not in desk.ann.reads(receipt))
    await desk.vera.command("/cancel-audit ord_1", PAYMENTS)
    told = await desk.told(desk.vera)
    assert "words erased · an operator at the command line · the law" in told
    assert SECRET not in told


async def test_words_that_are_old_enough_end_retry_everywhere(database: Path) -> None:
    """The bot erases them by itself, and then the card and the receipt offer no more what would be refused."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        tuning = quick_tuning(now=clock, erase_check=0.01, store_check=3600.0)
        await desk.start_bot(tuning, ERASE_TEXT_AFTER="1d", APPROVAL_TTL="7d")
        desk.gateway.faults.always("ord_1", answers.error(403, "ACCOUNT_SUSPENDED", "no"))
        card = await desk.ask("ord_1", SECRET)
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "[ Retry ]")
        receipt = await desk.receipt("Retry works until")
        await desk.running_bot.worker.until_idle()
        clock.advance(days=2)
        await desk.card_says(card, "The reason was erased, so nobody can retry this one.")
        await desk.wait(lambda: "Retry works until" not in desk.ann.reads(receipt))
