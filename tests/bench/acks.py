"""The time until an acknowledgement, when many people act in the same moment.

People act in bursts: the next burst comes when all work of the last one is done, its cards, calls and messages.
``whole`` measures a bot under a load that never ends.

All apps run at the same time, each with a local Slack of its own, and take turns burst by burst, so that other load
on the machine and its disk slows all of them alike.
"""

import asyncio
import contextlib
import gc
import itertools
import sqlite3
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.domain.cancellation import State
from bot.sandbox.faults import Hang
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.workspace import Json, OpenView, Posted
from bot.slack.views.card import card
from bot.slack.views.modals import OrderForm, OrderRules, OrderStart
from tests.bench.apps import CHANNELS, COMMITTING_FLOOR, FLOOR, HTTP, SOCKET, THIS, TUTORIAL, prepare, running
from tests.domain.examples import a_request
from tests.flows.desk import Desk

Row = dict[str, Any]
_numbers = itertools.count()
_ALL_DONE = "SELECT (SELECT count(*) FROM deliveries WHERE status = 'queued')"
SEVERAL = 50
"""Orders of the largest request."""
_PAUSE = 0.02
"""Seconds between two bursts: nobody clicks in the millisecond in which a card appears."""
_NO_CALLS = " + (SELECT count(*) FROM cancellations WHERE state IN ('approved', 'sending'))"


def commands(desk: Desk, count: int) -> list[Json]:
    """Return the payloads of so many people who type ``/cancel-order``."""
    return [desk.ann.command_payload("/cancel-order", channel) for channel in _channels(count)]


def forms(desk: Desk, count: int) -> list[Json]:
    """Return the payloads of so many people who send the form, each for an order of its own."""
    return [_form(desk, channel, 1) for channel in _channels(count)]


def batches(desk: Desk, count: int) -> list[Json]:
    """Return the payloads of so many people who send the form, each for fifty orders of its own."""
    return [_form(desk, channel, SEVERAL) for channel in _channels(count)]


def _form(desk: Desk, channel: str, size: int) -> Json:
    orders = tuple(f"ord_b{next(_numbers)}" for _ in range(size))
    for order in orders:
        desk.gateway.add_order(order)
    view = OrderForm.build(OrderStart(channel, orders, "typed twice"), OrderRules())
    return desk.ann.submission_payload(OpenView(f"V{orders[0]}", desk.ann.id, view, "h"), {})


def clicks(desk: Desk, count: int) -> list[Json]:
    """Return the payloads of Approve on so many cards: posted ones, and made-up ones for apps that post none."""
    cards = [message for message in desk.slack.space.posted if message.button("approve")][:count]
    cards += [_made_up(desk, channel) for channel in _channels(count - len(cards))]
    return [desk.ben.click_payload(message, "approve") for message in cards]


def _channels(count: int) -> list[str]:
    return list(itertools.islice(itertools.cycle(CHANNELS), max(0, count)))


def _made_up(desk: Desk, channel: str) -> Posted:
    order, at = f"ord_b{next(_numbers)}", datetime.now(UTC)
    desk.gateway.add_order(order)
    request = a_request(
        number=1, id=order, order_id=order, reason="typed twice", requester=desk.ann.id, state=State.PENDING,
        approvals_required=1, requested_at=at, expires_at=at + timedelta(hours=1), card_channel=channel, card_ts=None,
        card_link="", attempts=0, due_at=at, lease_until=None, changed_at=at,
    )  # fmt: skip
    message = card(request)
    return Posted(channel, desk.slack.space.next_ts(), message.text, message.blocks, desk.slack.space.bot_user_id)


async def burst(desk: Desk, payloads: list[Json]) -> list[float]:
    """Deliver these in the same moment. Return the milliseconds until each acknowledgement, infinity if it was late."""

    async def timed(payload: Json) -> float:
        kind = "slash_commands" if "command" in payload else "interactive"
        began = time.perf_counter()
        try:
            await desk.slack.deliver(kind, payload)
        except NotAcknowledged:
            return float("inf")
        return (time.perf_counter() - began) * 1000

    return await asyncio.gather(*map(timed, payloads))


async def settled(desk: Desk, *, calls: bool = True) -> None:
    """Wait until the bot has delivered everything and, unless ``calls`` is false, finished its calls."""
    with contextlib.closing(sqlite3.connect(f"{desk.database.resolve().as_uri()}?mode=ro", uri=True)) as db:
        while db.execute(_ALL_DONE + (_NO_CALLS if calls else "")).fetchone()[0]:  # noqa: ASYNC110 -- not our process
            await asyncio.sleep(0.01)


def forget(desk: Desk) -> None:
    """Let the local servers forget everything that is over, so that they stay as quick as they were."""
    space = desk.slack.space
    for pile in (space.posted, space.views, desk.slack.calls, desk.slack.response_urls, desk.gateway.calls):
        pile.clear()


async def one_round(
    desk: Desk, module: str, make: Callable[[Desk, int], list[Json]], at_once: int, *, hanging: bool = False
) -> list[float]:
    """Let so many people act at once, the same for every app. Return the milliseconds until each acknowledgement."""
    views = desk.slack.space.views
    if make is clicks:
        await burst(desk, forms(desk, at_once))
        if module == THIS:
            await settled(desk, calls=not hanging)
        await asyncio.sleep(_PAUSE)
    views.clear()
    payloads = make(desk, at_once)
    # The local servers run in this process. Its garbage collector takes up to 300 ms, which would count as the app's.
    gc.disable()
    try:
        found = await burst(desk, payloads)
    finally:
        gc.enable()
    if module == THIS:
        if make is commands:
            await desk.wait(lambda: len(views.get(desk.ann.id, [])) == at_once)
        await settled(desk, calls=not hanging)
    if not hanging:
        forget(desk)
    await asyncio.sleep(_PAUSE)
    return found


NAMES = {FLOOR: "floor", COMMITTING_FLOOR: "floor+commit", THIS: "bot", TUTORIAL: "tutorial"}
ACTS = {"command": commands, "form": forms, "form of 50 orders": batches, "click": clicks}
ROUNDS = {1: 100, 20: 30, 50: 20}
_HANGING = 100
"""Calls to the gateway."""
_FEW = 2


async def _take_turns(desks: dict[str, Desk], mode: str, *, quick: bool, hanging: bool = False) -> list[Row]:
    """Return a row for each act and number at once, with every app's median and the 99th percentile of some."""
    rows = []
    for (act, make), (at_once, repeats) in itertools.product(ACTS.items(), ROUNDS.items()):
        if make is batches and at_once > 1:
            continue  # nobody sends fifty such forms in one moment
        times: dict[str, list[float]] = {module: [] for module in desks}
        for turn in range(_FEW if quick else repeats):
            for module, desk in desks.items():
                if module == TUTORIAL and hanging and (at_once > 1 or make is not commands):
                    continue  # one figure shows it
                if module == TUTORIAL and turn >= (_FEW if hanging or at_once > 1 else repeats):
                    continue  # a turn takes seconds, and a rough figure is enough
                times[module] += await one_round(desk, module, make, at_once, hanging=hanging)
        row: Row = {"by": mode, "act": act + (", 100 calls hanging" if hanging else ""), "at once": at_once}
        for module, found in times.items():
            if found:
                row[f"{NAMES[module]} p50"] = statistics.median(found)
                if module in {THIS, TUTORIAL}:
                    row[f"{NAMES[module]} p99"] = sorted(found)[min(len(found) - 1, int(len(found) * 0.99))]
        rows.append(row)
    return rows


@asynccontextmanager
async def hanging_calls(desk: Desk, module: str, count: int) -> AsyncIterator[None]:
    """Let so many calls to the gateway hang in the meantime."""
    until = asyncio.Event()
    if module == THIS:
        await burst(desk, forms(desk, count))
        await settled(desk)
    desk.gateway.faults.always("*", Hang(until))
    before = len(desk.gateway.calls)
    clicking = asyncio.create_task(burst(desk, clicks(desk, count)))
    async with asyncio.timeout(10):
        while len(desk.gateway.calls) < before + (count if module == THIS else 1):  # noqa: ASYNC110 -- a list
            await asyncio.sleep(0.01)
    yield
    desk.gateway.faults.clear()
    until.set()
    await clicking
    if module == THIS:
        await settled(desk)
    forget(desk)


async def compare(folder: Path, *, quick: bool) -> list[Row]:
    """Return the rows of HTTP and of Socket Mode, with every app that there is for it, and those while calls hang."""
    rows: list[Row] = []
    for mode in (HTTP, SOCKET):
        modules = [module for module in NAMES if module != TUTORIAL or mode == HTTP]
        async with AsyncExitStack() as stack:
            desks = {module: await stack.enter_async_context(at_work(folder, module, mode)) for module in modules}
            rows += await _take_turns(desks, mode, quick=quick)
        async with AsyncExitStack() as stack:
            busy = {}
            for module in {THIS, TUTORIAL}.intersection(modules):
                busy[module] = await stack.enter_async_context(
                    at_work(folder / "hanging", module, mode, calls=_HANGING)
                )
                await stack.enter_async_context(hanging_calls(busy[module], module, _HANGING))
            rows += await _take_turns(busy, mode, quick=quick, hanging=True)
    return rows


@asynccontextmanager
async def at_work(folder: Path, module: str, mode: str, *, calls: int = 10) -> AsyncIterator[Desk]:
    """Yield a workspace of its own with the app at work in it, warmed up. The bot makes so many calls at once."""
    async with Desk(folder / f"{mode} {NAMES[module]}".replace(" ", "-") / "bot.db") as desk:
        desk.database.parent.mkdir(parents=True)
        prepare(desk)
        async with running(desk, module, mode, calls=calls):
            for _ in range(_FEW):
                await one_round(desk, module, commands, 10)
            yield desk
