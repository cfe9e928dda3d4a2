"""Bots in processes of their own, which tests can kill."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from tests.chaos.clock import Clock
from tests.flows.desk import PAYMENTS, Desk

EVERYBODYS_CLOCK = Clock()
"""The clock of the local Slack and the local gateway; it goes with that of the newest bot."""


async def start(desk: Desk, *command: str, **changes: str) -> Process:
    """Start ``python -m command`` with the bot's settings at this desk."""
    EVERYBODYS_CLOCK.ahead = timedelta(seconds=float(changes.get("CLOCK_AHEAD", "0")))
    environment = os.environ | desk.environment(**changes)
    return await asyncio.create_subprocess_exec(sys.executable, "-m", *command, stderr=PIPE, env=environment)


@asynccontextmanager
async def bot_process(desk: Desk, **changes: str) -> AsyncIterator[Process]:
    """Yield a connected bot in a process of its own, which does not outlive the block."""
    known = len(desk.slack.calls)
    process = await start(desk, "tests.flows.bot_process", **changes)
    try:
        await desk.wait(lambda: len(desk.slack.calls) > known and desk.slack.connections, within=60)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        await desk.slack.drop_connections()


async def finished(desk: Desk, order: str = "ord_1") -> None:
    """Wait until the order is cancelled; fail unless there are one card, one result, one receipt and one message."""
    card = await desk.card(order)
    await desk.card_says(card, "✅ Cancelled")
    assert len(await desk.endings(card)) == 1
    await desk.direct(desk.ann)
    receipt = await desk.receipt("✅ Cancelled")
    assert "Open the card" in desk.ann.reads(receipt)
    assert not receipt.button("withdraw")
    assert (len(desk.results(desk.ann)), len(desk.receipts(desk.ann))) == (1, 1)
    assert len(desk.slack.space.messages(PAYMENTS)) == 1
    assert desk.gateway.effects[order] == 1
