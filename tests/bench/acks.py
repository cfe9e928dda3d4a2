"""How long an acknowledgement takes when so many people act in the same moment.

People act in bursts: the next burst comes when everything is done that the one before led to, its cards,
calls and messages. What a bot does under a load that never lets up is measured in ``whole``.
"""

import asyncio
import contextlib
import itertools
import sqlite3
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.cancellation import Cancellation, State
from bot.sandbox.faults import Hang
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.workspace import Json, Message, OpenView
from bot.slack.card import card
from bot.slack.forms import OrderForm
from tests.bench.apps import CHANNELS, COMMITTING_FLOOR, FLOOR, HTTP, SOCKET, THIS, TUTORIAL, running
from tests.flows.desk import Desk

Row = dict[str, Any]
_numbers = itertools.count()
_ALL_DONE = "SELECT (SELECT count(*) FROM deliveries WHERE status = 'owed')"
_NO_CALLS = " + (SELECT count(*) FROM cancellations WHERE state IN ('approved', 'sending'))"


def commands(desk: Desk, count: int) -> list[Json]:
    """So many people type ``/cancel-order``."""
    return [desk.ann.command_payload("/cancel-order", channel) for channel in _channels(count)]


def forms(desk: Desk, count: int) -> list[Json]:
    """So many people send the form, each for an order of its own."""
    payloads = []
    for channel in _channels(count):
        number = next(_numbers)
        desk.gateway.add_order(f"ord_b{number}")
        view = OrderForm.build(channel=channel, order_id=f"ord_b{number}", reason="typed twice")
        payloads.append(desk.ann.submission_payload(OpenView(f"V{number}", desk.ann.id, view, "h"), {}))
    return payloads


def clicks(desk: Desk, count: int) -> list[Json]:
    """Approve is pressed on so many cards: those that stand there, or made-up ones for apps that post none."""
    cards = [message for message in desk.slack.space.posted if message.button("approve")][:count]
    cards += [_made_up(desk, channel) for channel in _channels(count - len(cards))]
    return [desk.ben.click_payload(message, "approve") for message in cards]


def _channels(count: int) -> list[str]:
    return list(itertools.islice(itertools.cycle(CHANNELS), max(0, count)))


def _made_up(desk: Desk, channel: str) -> Message:
    order, at = f"ord_b{next(_numbers)}", datetime.now(UTC)
    desk.gateway.add_order(order)
    request = Cancellation(
        number=1, id=order, order_id=order, reason="typed twice", requester=desk.ann.id, state=State.PENDING,
        approvals_required=1, requested_at=at, expires_at=at + timedelta(hours=1), card_channel=channel, card_ts=None,
        card_link="", attempts=0, next_at=None, changed_at=at, detail="",
    )  # fmt: skip
    message = card(request)
    return Message(channel, desk.slack.space.next_ts(), message.text, message.blocks, desk.slack.space.bot_user_id)


async def burst(desk: Desk, payloads: list[Json]) -> list[float]:
    """Deliver these in the same moment; milliseconds until each was acknowledged, infinity if it was not in time."""

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
    """Wait until the bot owes nothing any more, then forget what the local Slack piled up."""
    with contextlib.closing(sqlite3.connect(f"{desk.database.resolve().as_uri()}?mode=ro", uri=True)) as db:
        while db.execute(_ALL_DONE + (_NO_CALLS if calls else "")).fetchone()[0]:  # noqa: ASYNC110 -- not our process
            await asyncio.sleep(0.01)


def forget(desk: Desk) -> None:
    """Let the local servers forget what is over, so that they stay as quick as they were."""
    space = desk.slack.space
    for pile in (space.posted, space.views, desk.slack.calls, desk.slack.response_urls, desk.gateway.calls):
        pile.clear()


async def rounds(
    desk: Desk,
    module: str,
    make: Callable[[Desk, int], list[Json]],
    at_once: int,
    times: int,
    *,
    hanging: bool = False,
) -> list[float]:
    """One act, so many at once, so many times: all the milliseconds until acknowledgements."""
    found: list[float] = []
    views = desk.slack.space.views
    for _ in range(times):
        if make is clicks and module == THIS:
            await burst(desk, forms(desk, at_once))
            await settled(desk, calls=not hanging)
        views.clear()
        found += await burst(desk, make(desk, at_once))
        if module == THIS:
            if make is commands:
                await desk.wait(lambda: len(views.get(desk.ann.id, [])) == at_once)
            await settled(desk, calls=not hanging)
        if not hanging:
            forget(desk)
        await asyncio.sleep(0.02)  # nobody acts on the heels of a burst; every app has the same pause
    return found


async def _hang(desk: Desk, module: str, count: int) -> tuple[asyncio.Event, asyncio.Task[list[float]]]:
    """Let so many calls to the gateway hang until the event is set."""
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
    return until, clicking


NAMES = {FLOOR: "floor", COMMITTING_FLOOR: "floor+commit", THIS: "bot", TUTORIAL: "tutorial"}
ACTS = {"command": commands, "form": forms, "click": clicks}
ROUNDS = {1: 100, 20: 10, 50: 6}


async def compare(desk: Desk, *, quick: bool) -> list[Row]:
    """One row for each way in, act and number at once, with every app's median and 99th percentile."""
    rows: dict[tuple[str, str, int], Row] = {}
    for mode, module in itertools.product((HTTP, SOCKET), NAMES):
        if module == TUTORIAL and mode == SOCKET:
            continue
        name = NAMES[module]
        async with running(desk, module, mode):
            await rounds(desk, module, commands, 10, 2)  # warm
            for hanging in (False, True) if module in {THIS, TUTORIAL} else (False,):
                until, clicking = await _hang(desk, module, 100) if hanging else (None, None)
                for (act, make), (at_once, repeats) in itertools.product(ACTS.items(), ROUNDS.items()):
                    if module == TUTORIAL and hanging and (at_once > 1 or act != "command"):
                        continue  # one figure says it all
                    few = quick or (module == TUTORIAL and hanging)
                    times = sorted(await rounds(desk, module, make, at_once, 2 if few else repeats, hanging=hanging))
                    key = (mode, act + (", 100 calls hanging" if hanging else ""), at_once)
                    row = rows.setdefault(key, {"by": key[0], "act": key[1], "at once": key[2]})
                    row[f"{name} p50"] = statistics.median(times)
                    if module in {THIS, TUTORIAL}:
                        row[f"{name} p99"] = times[min(len(times) - 1, int(len(times) * 0.99))]
                if until is not None and clicking is not None:
                    desk.gateway.faults.clear()
                    until.set()
                    await clicking
                    if module == THIS:
                        await settled(desk)
                    forget(desk)
    return list(rows.values())
