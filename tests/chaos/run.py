"""One chaos run, from the first request to the judgement: ``python -m tests.chaos --seed N --cancellations 300``."""

import argparse
import asyncio
import contextlib
import json
import logging
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bot.sandbox.slack import NotAcknowledged
from tests.chaos.havoc import Havoc
from tests.chaos.judge import Judge, Judgement, kept, unfinished
from tests.chaos.people import Crowd
from tests.flows.desk import Desk

_SETTLE_WITHIN = 60.0
"""Seconds."""
_STATUSES = ["pending"] * 14 + ["processing"] * 2 + ["completed", "cancelled", "paid", "expired"]
_BUGS = {"unexpected_error", "work_failed", "part_failed", "gateway_call_broke"}
"""The log's events for errors that the bot does not expect."""


async def chaos(database: Path, seed: int, cancellations: int) -> Judgement:
    """Let people work while everything breaks, heal it, wait until the bot has nothing left to do, and judge."""
    draw = random.Random(seed)
    quorum = draw.choice([1, 1, 2])
    began = time.monotonic()
    # The local servers complain about every request in whose middle the bot is killed.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    async with Desk(database, ack_within=1.0) as desk:
        orders = [f"ord_c{number:04}" for number in range(cancellations)]
        for order in orders:
            desk.gateway.add_order(order, draw.choice(_STATUSES))
        log = database.with_suffix(".log")
        log.parent.mkdir(exist_ok=True)
        crowd = Crowd(desk, seed, quorum)
        rules = {"APPROVALS_REQUIRED": str(quorum), "APPROVAL_TTL": "12s", "APPROVAL_CHANNEL": ""}
        # A bot that is killed every second must notice a lost connection long before that.
        havoc = Havoc(desk, seed, log, LOG_LEVEL="WARNING", PING_INTERVAL="0.2", **rules)
        await _rage(crowd, havoc, orders)
        havoc.heal()
        async with havoc.bot():
            settled = await _settle(desk, crowd, draw)
        judgement = Judge(desk, crowd, havoc).judgement()
    if not settled:
        left = unfinished(desk)
        judgement.wrongs.append(f"{left} things are still unfinished {_SETTLE_WITHIN:.0f} s after everything healed")
    judgement.wrongs += [f"the bot ended by itself with {code}" for code in havoc.ended_by_itself]
    judgement.wrongs += [f"the bot's log: {line}" for line in _bugs(log)]
    judgement.figures["seconds"] = round(time.monotonic() - began)
    return judgement


async def _rage(crowd: Crowd, havoc: Havoc, orders: list[str]) -> None:
    async with asyncio.TaskGroup() as tasks:
        raging = tasks.create_task(havoc.rage())
        stories = [tasks.create_task(crowd.live(order)) for order in orders]
        began = time.monotonic()
        while any(not story.done() for story in stories):
            await asyncio.wait(stories, timeout=5)
            done = sum(story.done() for story in stories)
            faults = havoc.done.total() - havoc.done["kill -9"]
            _progress(
                f"{time.monotonic() - began:4.0f} s: {done} of {len(orders)} stories over, "
                f"{faults} faults, {havoc.done['kill -9']} kills"
            )
        raging.cancel()


async def _settle(desk: Desk, crowd: Crowd, draw: random.Random) -> bool:
    """Press Retry on most cards that offer it, until nothing is left to do. Return False if that takes too long.

    If the card of an unsettled order was deleted, somebody asks for the order again, which brings the card back.
    """
    _progress("healed; waiting until the bot has nothing left to do")
    pressed: set[str] = set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_WITHIN):
            async for _ in _turns():
                retries = [found for found in kept(desk) if found.state.may_retry and found.id not in pressed]
                if not unfinished(desk) and not retries:
                    return True
                for found in retries:
                    card = desk.slack.space.message(found.card_channel, found.card_ts or "")
                    if card is None and found.state.open:
                        await crowd.ask_again(found.order_id)
                        continue
                    with contextlib.suppress(NotAcknowledged, LookupError):
                        if card is not None and draw.random() < 0.8:
                            await desk.ben.click(card, "retry")
                        pressed.add(found.id)
    return False


async def _turns() -> AsyncIterator[None]:
    while True:
        yield
        await asyncio.sleep(0.2)


def _bugs(log: Path) -> list[str]:
    """Return the lines of the bot's log that report an unexpected error, or that are no log lines at all."""
    found = []
    for line in log.read_text().splitlines():
        try:
            event = json.loads(line)["event"]
        except (ValueError, KeyError, TypeError):
            event = None
        if event in _BUGS or event is None:
            found.append(line[:2000])
    return found[:20]


def _progress(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def main() -> None:
    """Run once and print the figures. Exit with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--cancellations", type=int, default=300)
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.cancellations} cancellations", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        judgement = asyncio.run(chaos(Path(folder) / "chaos.db", options.seed, options.cancellations))
    for name, figure in judgement.figures.items():
        print(f"{name:36} {figure}")
    for wrong in judgement.wrongs:
        print(f"WRONG  {wrong}")
    if judgement.wrongs:
        print(f"Run it again with --seed {options.seed} --cancellations {options.cancellations}.")
        sys.exit(1)
    print("Nothing was lost, doubled or reported wrongly.")
