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
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from bot.domain.cancellation import State
from bot.domain.request import Request
from bot.sandbox.middle_box import MiddleBox
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.workspace import Posted
from bot.store import StoreError, StoreProblem
from bot.wording import store_error
from tests.chaos.brake import Brake
from tests.chaos.clock import Clock
from tests.chaos.havoc import Havoc
from tests.chaos.homes import Homes
from tests.chaos.judge import Judge, Judgement, Stale, kept, stale, unfinished, useless
from tests.chaos.outages import Outages
from tests.chaos.people import RETRY, SETTLE_CANCELLED, Crowd, buttons
from tests.chaos.surroundings import Surroundings
from tests.flows.desk import BEN, CLEO, Desk
from tests.postgres import MISSING, Cluster, cluster, programs

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
_OF_A_SERVER_THAT_FAILS = (
    StoreProblem.SERVER_AWAY,
    StoreProblem.UNDONE,
    StoreProblem.UNCERTAIN,
    StoreProblem.TOO_SLOW,
)
_BUGS = {"unexpected_error", "store_failed", "work_failed", "part_failed", "gateway_call_broke"}
"""The log's events for errors that the bot does not expect. Nobody touches its file in a run, but its server fails."""


async def chaos(
    database: Path,
    seed: int,
    requests: int,
    surroundings: Collection[Surroundings] = (),
    *,
    cluster: Cluster | None = None,
    replicas: int = 1,
) -> Judgement:
    """Let people work while everything breaks, heal it, wait until the bot has nothing left to do, and judge.

    The database is a new one on the server of ``cluster``, if there is one, else a file; the bots' logs are beside it.
    """
    draw = random.Random(seed)
    quorum = draw.choice([1, 1, 2])
    began = time.monotonic()
    clock = Clock()
    # The local servers complain about every request in whose middle the bot is killed.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    outages = None if cluster is None else Outages(cluster, replicas, clock, seed)
    desk = Desk(database if outages is None else outages.server, now=clock.now, ack_within=3.0)
    async with desk, MiddleBox(desk.gateway.base_url) as box, outages or contextlib.nullcontext():
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
        havoc = Havoc(
            desk,
            box,
            clock,
            seed=seed,
            quorum=quorum,
            log=log,
            surroundings=surroundings,
            outages=outages,
            **settings,
        )
        await _rage(crowd, havoc, brake, orders)
        if outages is not None:
            await outages.heal()
            havoc.log.done.update(outages.done)
            havoc.log.uncertain = sum(
                file.read_text().count(_words(StoreProblem.UNCERTAIN)) for file in havoc.bots.log_files
            )
        havoc.bots.weekend(_WEEKEND)
        havoc.heal()
        async with havoc.bots.all(**_CALM):
            await brake.release()
            await homes.open()
            settled = await _settle(desk, crowd, clock, draw)
            homes.judge()
        # Requests without a decision expire over the holidays.
        havoc.bots.weekend(_HOLIDAYS)
        async with havoc.bots.all(**_CALM):
            settled, left_over = await _click_what_is_left(desk, clock, homes, settled=settled)
        judgement = Judge(desk, crowd, havoc, brake, clock, left_over).judgement()
        left = unfinished(desk, clock)
    if left or not settled:
        judgement.wrongs.append(f"{left} things are still unfinished {_SETTLE_WITHIN:.0f} s after everything healed")
    judgement.wrongs += havoc.log.wrongs + brake.wrongs + homes.wrongs
    judgement.figures["Home tabs judged"] = homes.judged
    judgement.wrongs += [f"the bot ended by itself with {code}" for code in havoc.log.ended_by_itself]
    passing = () if outages is None else _OF_A_SERVER_THAT_FAILS
    judgement.wrongs += [f"the bot's log: {line}" for file in havoc.bots.log_files for line in _bugs(file, passing)]
    judgement.figures["seconds"] = round(time.monotonic() - began)
    return judgement


async def _click_what_is_left(desk: Desk, clock: Clock, homes: Homes, *, settled: bool) -> tuple[bool, Stale]:
    """Return whether the bot had nothing left to do, and the messages that needed a click by then."""
    await homes.open()
    settled = await _idle(desk, clock) and settled
    left_over = stale(desk, clock.now())
    await _click_once(desk, clock, left_over.messages)
    settled = await _idle(desk, clock) and settled
    homes.judge()
    return settled, left_over


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


def _words(problem: StoreProblem) -> str:
    """Return the log's words for this trouble, without the place and up to the server's own words."""
    return store_error(StoreError(problem, Path("x"), "|")).partition(": ")[2].partition("|")[0]


def _bugs(log: Path, passing: Collection[StoreProblem] = ()) -> list[str]:
    """Return the lines of the bot's log that report an unexpected error, or that are no log lines at all.

    Trouble of the database is none where it is ``passing``.
    """
    expected = [_words(each) for each in passing]
    found = []
    for line in log.read_text().splitlines():
        try:
            told = json.loads(line)
            event = told["event"]
        except (ValueError, KeyError, TypeError):
            event = None
        if event == "store_failed" and any(words in told["problem"] for words in expected):
            continue
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
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--replicas", type=int, default=1, help="so many bots, which share a PostgreSQL database")
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
    if options.replicas > 1 and options.database == "sqlite":
        parser.error("a file has one bot; several need --database postgres")
    if options.database == "postgres" and Surroundings.SECOND in options.surroundings:
        parser.error("a second bot is refused on a file only; on a server use --replicas")
    if options.database == "postgres" and programs() is None:
        parser.error(MISSING)
    print(f"seed {options.seed}, {options.cancellations} cancellations", flush=True)
    with ExitStack() as stack:
        database = (options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))) / _FILE
        started = stack.enter_context(cluster()) if options.database == "postgres" else None
        judgement = asyncio.run(
            chaos(
                database,
                options.seed,
                options.cancellations,
                options.surroundings,
                cluster=started,
                replicas=options.replicas,
            )
        )
    for name, figure in judgement.figures.items():
        print(f"{name:36} {figure}")
    for wrong in judgement.wrongs:
        print(f"WRONG  {wrong}")
    if judgement.wrongs:
        more = "".join(f" --with {trouble}" for trouble in options.surroundings)
        if options.database == "postgres":
            more += f" --database postgres --replicas {options.replicas}"
        print(f"Run it again with --seed {options.seed} --cancellations {options.cancellations}{more}.")
        sys.exit(1)
    print("Nothing was lost, doubled or reported wrongly.")
