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
from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from pathlib import Path

from bot.domain.cancellation import State
from bot.domain.request import Request
from bot.sandbox.middle_box import MiddleBox
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.workspace import Posted
from tests.chaos.brake import Brake
from tests.chaos.clock import Clock
from tests.chaos.havoc import Havoc
from tests.chaos.homes import Homes
from tests.chaos.judge import Judge, Judgement, kept, stale, unfinished, useless
from tests.chaos.people import RETRY, SETTLE_CANCELLED, Crowd, buttons
from tests.chaos.surroundings import Surroundings
from tests.flows.desk import BEN, CLEO, Desk

_SETTLE_WITHIN = 60.0
"""Seconds."""
_RIGHT_WITHIN = 10.0
"""Seconds."""
_WEEKEND, _HOLIDAYS = timedelta(hours=60), timedelta(days=9)
_FILE = "chaos.db"
_CALM = {"PING_INTERVAL": "5"}
_MISSING = "missing"
_STATUSES = ["pending"] * 14 + ["processing"] * 2 + [
    "completed", "cancelled", "paid", "expired", "refunded", "partially_refunded", _MISSING,
]  # fmt: skip
_BUGS = {"unexpected_error", "store_failed", "work_failed", "part_failed", "gateway_call_broke"}
"""The log's events for errors that the bot does not expect. Nobody touches its file in a run."""


async def chaos(database: Path, seed: int, requests: int, surroundings: Collection[Surroundings] = ()) -> Judgement:
    """Let people work while everything breaks, heal it, wait until the bot has nothing left to do, and judge."""
    draw = random.Random(seed)
    quorum = draw.choice([1, 1, 2])
    began = time.monotonic()
    clock = Clock()
    # The local servers complain about every request in whose middle the bot is killed.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    async with Desk(database, now=clock.now, ack_within=3.0) as desk, MiddleBox(desk.gateway.base_url) as box:
        orders = [f"ord_c{number:04}" for number in range(requests)]
        for order in orders:
            status = draw.choice(_STATUSES)
            if status != _MISSING:
                desk.gateway.add_order(order, status)
        log = database.with_suffix(".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        crowd = Crowd(desk, clock, seed, quorum)
        homes = Homes(desk, crowd)
        brake = Brake(desk, crowd, clock, seed)
        # A bot that is killed every second must notice a lost connection long before that.
        settings = {"LOG_LEVEL": "WARNING", "PING_INTERVAL": "0.2"}
        settings |= {"LONGEST_DELIVERY_PAUSE": "0.25", **crowd.settings}
        havoc = Havoc(desk, box, clock, seed=seed, quorum=quorum, log=log, surroundings=surroundings, **settings)
        await _rage(crowd, havoc, brake, orders)
        havoc.weekend(_WEEKEND)
        havoc.heal()
        async with havoc.bot(**_CALM):
            await brake.release()
            await homes.open()
            settled = await _settle(desk, crowd, clock, draw)
            homes.judge()
        # Requests without a decision expire over the holidays.
        havoc.weekend(_HOLIDAYS)
        async with havoc.bot(**_CALM):
            await homes.open()
            settled = await _idle(desk, clock) and settled
            left_over = stale(desk, clock.now())
            await _click_once(desk, clock, left_over.messages)
            settled = await _idle(desk, clock) and settled
            homes.judge()
        judgement = Judge(desk, crowd, havoc, brake, clock, left_over).judgement()
        left = unfinished(desk, clock)
    if left or not settled:
        judgement.wrongs.append(f"{left} things are still unfinished {_SETTLE_WITHIN:.0f} s after everything healed")
    judgement.wrongs += havoc.log.wrongs + brake.wrongs + homes.wrongs
    judgement.figures["Home tabs judged"] = homes.judged
    judgement.wrongs += [f"the bot ended by itself with {code}" for code in havoc.log.ended_by_itself]
    judgement.wrongs += [f"the bot's log: {line}" for line in _bugs(log)]
    judgement.figures["seconds"] = round(time.monotonic() - began)
    return judgement


async def _rage(crowd: Crowd, havoc: Havoc, brake: Brake, orders: list[str]) -> None:
    async with asyncio.TaskGroup() as tasks:
        meanwhile = (havoc.rage(), crowd.click_around(), crowd.open_homes(), brake.pull())
        raging = [tasks.create_task(each) for each in meanwhile]
        stories = [tasks.create_task(crowd.live(wish)) for wish in crowd.wishes(orders)]
        began = time.monotonic()
        while any(not story.done() for story in stories):
            await asyncio.wait(stories, timeout=5)
            done = sum(story.done() for story in stories)
            happened = havoc.log.done
            faults = happened.total() - happened["kill -9"] - happened["weekend"]
            _progress(
                f"{time.monotonic() - began:4.0f} s: {done} of {len(stories)} stories over, "
                f"{faults} faults, {happened['kill -9']} kills, {happened['weekend']} weekends"
            )
        for task in raging:
            task.cancel()


async def _settle(desk: Desk, crowd: Crowd, clock: Clock, draw: random.Random) -> bool:
    """Press Retry where it is offered, settle others by hand, until nothing is left to do; False if that is late.

    If the card of an unsettled order was deleted, somebody asks for the order again, which brings the card back.
    """
    _progress("healed; waiting until the bot has nothing left to do")
    done: set[str] = set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_WITHIN):
            async for _ in _turns():
                waiting = [found for found in kept(desk) if _goes_on(found, clock.now()) and found.id not in done]
                if not unfinished(desk, clock) and not waiting:
                    return True
                for found in waiting:
                    card = desk.slack.space.message(found.card_channel, found.card_ts or "")
                    is_open = [each.order_id for each in found.cancellations if each.state is State.UNKNOWN]
                    if is_open and (card is None or not card.button(SETTLE_CANCELLED)):
                        await crowd.ask_again(is_open[0])
                        continue
                    done.add(found.id)
                    if card is not None and draw.random() < 0.8:
                        approver = desk.person(draw.choice([BEN, CLEO]))
                        by_hand = not card.button(RETRY) or draw.random() < 0.3
                        act = crowd.settle if by_hand else crowd.retry
                        await act(draw, approver, [*is_open, *found.order_ids][0], card)
    return False


def _goes_on(found: Request, at: datetime) -> bool:
    """Return True where people can go on with one of its orders, once its card shows how."""
    is_open = any(each.state is State.UNKNOWN for each in found.cancellations)
    return not found.under_way and (is_open or found.could_be_retried(at))


async def _idle(desk: Desk, clock: Clock) -> bool:
    """Wait until the bot has nothing left to do; return False if that takes too long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_WITHIN):
            async for _ in _turns():
                if not unfinished(desk, clock):
                    return True
    return False


async def _click_once(desk: Desk, clock: Clock, messages: list[Posted]) -> None:
    """Click each of these messages once, and give the bot a moment to put them right."""
    for message in messages:
        for _ in range(5):  # as people do who see an error of Slack's
            with contextlib.suppress(NotAcknowledged, LookupError):
                # Only the requester sees a receipt.
                person = desk.person(desk.slack.space.channels[message.channel].direct_with or BEN)
                await person.click(message, buttons(message)[0])
                break
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_RIGHT_WITHIN):
            async for _ in _turns():
                if not useless(desk, clock.now()) and not unfinished(desk, clock):
                    return


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
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the database and the bot's log there")
    parser.add_argument(
        "--with",
        dest="surroundings",
        type=Surroundings,
        action="append",
        default=[],
        metavar="TROUBLE",
        help=f"more trouble, in the surroundings of the bot: {', '.join(Surroundings)}; may be given several times",
    )
    options = parser.parse_args()
    if options.keep and (options.keep / _FILE).exists():
        parser.error(f"{options.keep} has the database of another run")
    print(f"seed {options.seed}, {options.cancellations} cancellations", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        database = (options.keep or Path(folder)) / _FILE
        judgement = asyncio.run(chaos(database, options.seed, options.cancellations, options.surroundings))
    for name, figure in judgement.figures.items():
        print(f"{name:36} {figure}")
    for wrong in judgement.wrongs:
        print(f"WRONG  {wrong}")
    if judgement.wrongs:
        more = "".join(f" --with {trouble}" for trouble in options.surroundings)
        print(f"Run it again with --seed {options.seed} --cancellations {options.cancellations}{more}.")
        sys.exit(1)
    print("Nothing was lost, doubled or reported wrongly.")
