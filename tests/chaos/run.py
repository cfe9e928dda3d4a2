"""One chaos run, from the first request to the verdict."""

import asyncio
import contextlib
import sys
import time
from pathlib import Path

from bot.domain.cancellation import Cancellation
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.workspace import Message
from tests.chaos.people import Crowd
from tests.chaos.trouble import Trouble
from tests.chaos.verdict import Verdict, judge, owed, waiting_for_people
from tests.flows.desk import PAYMENTS, Desk, open_desk

_SETTLE_WITHIN = 120.0


async def chaos(database: Path, seed: int, cancellations: int) -> Verdict:
    """Let people work while everything breaks, heal it, wait until nothing is owed, and judge."""
    async with open_desk(database, ack_within=1.0) as desk:
        orders = [f"ord_c{number:04}" for number in range(cancellations)]
        for number, order in enumerate(orders):
            desk.gateway.add_order(order, "completed" if number % 10 == 9 else "pending")
        trouble, crowd = Trouble(desk, seed), Crowd(desk, seed)
        await trouble.start_bot()
        raging = asyncio.create_task(trouble.rage())
        began = time.monotonic()
        stories = [asyncio.create_task(crowd.live(order)) for order in orders]
        while any(not story.done() for story in stories):
            await asyncio.wait(stories, timeout=5)
            done = sum(story.done() for story in stories)
            print(f"  {time.monotonic() - began:4.0f} s: {done} of {cancellations} stories, {trouble.kills} kills",
                  file=sys.stderr, flush=True)  # fmt: skip
        raging.cancel()
        await asyncio.gather(raging, return_exceptions=True)
        for story in stories:
            story.result()
        await trouble.heal()
        await _settle(desk)
        verdict = judge(desk, crowd.accepted, trouble.deleted)
        if owed(desk):
            verdict.wrongs.append(f"{owed(desk)} things are still owed {_SETTLE_WITHIN:.0f} s after everything healed")
        await trouble.kill_bot()
        verdict.figures["kills"] = trouble.kills
        verdict.figures["seconds"] = round(time.monotonic() - began)
        return verdict


def card_of(desk: Desk, found: Cancellation) -> Message | None:
    """Its card, unless somebody deleted it."""
    return desk.slack.space.message(PAYMENTS, found.card_ts or "")


async def _settle(desk: Desk) -> None:
    """Press Retry where the card offers it, until nothing is owed and nothing waits for a retry."""
    deadline = time.monotonic() + _SETTLE_WITHIN
    while time.monotonic() < deadline:
        retries = [found for found in waiting_for_people(desk) if found.state.may_retry and card_of(desk, found)]
        if not owed(desk) and not retries:
            return
        for found in retries:
            card = card_of(desk, found)
            if card is not None:
                with contextlib.suppress(NotAcknowledged, LookupError):
                    await desk.ben.click(card, "retry")
        await asyncio.sleep(0.3)
