"""How long an acknowledgement takes: this bot beside the floor and the tutorial's way, with the same payloads."""

import asyncio
import contextlib
import itertools
import json
import os
import socket
import statistics
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bot.sandbox.faults import Hang
from bot.store import open_reader
from tests.flows.desk import LOBBY, PAYMENTS, Desk, environment

APPS = {"this bot": "tests.flows.bot_process", "floor": "tests.bench.floor", "tutorial": "tests.bench.tutorial"}
Row = dict[str, Any]
_forms = itertools.count()


@asynccontextmanager
async def running(desk: Desk, module: str) -> AsyncIterator[str]:
    """The address of this app, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = environment(
        desk.slack, desk.gateway, desk.database, PORT=str(port), SLACK_APP_TOKEN="", LOG_LEVEL="ERROR",
        SLACK_SIGNING_SECRET=desk.slack.signing_secret, APPROVAL_CHANNEL=PAYMENTS,
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env=os.environ | settings, stderr=DEVNULL, stdout=DEVNULL,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}/slack/events"
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.post(url) as answer:
                        if answer.status in {401, 400}:
                            break
                await asyncio.sleep(0.05)
            while module == APPS["this bot"]:
                async with session.get(url.replace("/slack/events", "/readyz")) as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.05)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def measured(desk: Desk, url: str, payloads: list[Row], at_once: int) -> tuple[float, float]:
    """Median and 99th percentile of the time to the acknowledgement, in milliseconds."""
    room, times = asyncio.Semaphore(at_once), []

    async def send(session: aiohttp.ClientSession, payload: Row) -> None:
        fields = payload if "command" in payload else {"payload": json.dumps(payload)}
        body = urlencode(fields).encode()
        async with room:
            headers = desk.slack.signed(body)
            began = time.perf_counter()
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                assert answer.status == 200, answer.status
            times.append((time.perf_counter() - began) * 1000)

    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(send(session, payload) for payload in payloads))
    ranked = sorted(times)
    return statistics.median(ranked), ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]


def command(desk: Desk, _: int) -> Row:
    """A look-up, whose answer comes after the acknowledgement."""
    return {
        "team_id": desk.slack.space.team_id, "user_id": desk.vera.id, "user_name": "vera", "channel_id": LOBBY,
        "command": "/cancel-audit", "text": f"order:nothing{next(_forms)}", "trigger_id": "1.2", "response_url": "",
    }  # fmt: skip


def form(desk: Desk, _: int) -> Row:
    """A request for a new order."""
    number = next(_forms)
    desk.gateway.add_order(f"ord_b{number}")
    values = {name: {name: {"type": "plain_text_input", "value": text}}
              for name, text in (("order_id", f"ord_b{number}"), ("reason", "bench"))}  # fmt: skip
    return {
        **desk.ann._who("view_submission"), "trigger_id": "1.2",
        "view": {"id": f"V{number}", "type": "modal", "callback_id": "cancel_order", "private_metadata": LOBBY,
                 "state": {"values": values}},
    }  # fmt: skip


async def clicks(desk: Desk, url: str, count: int, *, ours: bool) -> list[Row]:
    """Clicks on Approve, for requests that exist where they can."""
    values = [f"ord_b{next(_forms)}" for _ in range(count)]
    if ours:
        await measured(desk, url, [form(desk, number) for number in range(count)], 20)
        with open_reader(desk.database) as (_, db):
            rows = db.execute("SELECT id FROM cancellations WHERE state = 'pending' LIMIT ?", [count])
            values = [row[0] for row in rows]
    action: Callable[[str], Row] = lambda value: {  # noqa: E731 -- one expression
        "type": "button", "action_id": "approve", "block_id": "b", "value": value, "action_ts": "1.1",
    }  # fmt: skip
    return [
        {**desk.ben._who("block_actions"), "trigger_id": "1.2", "response_url": "", "actions": [action(value)]}
        for value in values
    ]


async def compare(desk: Desk, *, count: int) -> list[Row]:
    """One row for each app, act and number at once."""
    rows: list[Row] = []
    for name, module in APPS.items():
        async with running(desk, module) as url:
            for at_once in (1, 20, 50):
                for act in ("command", "form", "click", "click, 100 calls hanging"):
                    if "hanging" in act and name != "this bot":
                        continue
                    if "hanging" in act:
                        desk.gateway.faults.always("*", Hang(asyncio.Event()))
                        await measured(desk, url, await clicks(desk, url, 100, ours=True), 50)
                    if act in {"command", "form"}:
                        make = command if act == "command" else form
                        payloads = [make(desk, number) for number in range(count)]
                    else:
                        payloads = await clicks(desk, url, count, ours=name == "this bot")
                    median, slow = await measured(desk, url, payloads, at_once)
                    rows.append({"app": name, "act": act, "at once": at_once, "p50 ms": median, "p99 ms": slow})
                    desk.gateway.faults.clear()
    return rows
