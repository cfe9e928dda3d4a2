"""Whole requests a second, the growth of the memory with them, and the time to start a bot."""

import asyncio
import statistics
import time
from typing import Any

from bot.sandbox.faults import Hang
from bot.store import open_reader
from tests.bench.acks import SEVERAL, batches, burst, clicks, forget, forms, settled
from tests.bench.apps import FLOOR, HTTP, SOCKET, THIS, Running, running
from tests.flows.desk import Desk

_WAVE = 100
Row = dict[str, Any]


async def _cancel(desk: Desk, app: Running, count: int) -> tuple[float, list[float]]:
    """Ask for so many, approve them, and wait until all is told. Return the seconds, and the memory after each wave.

    The local Slack forgets between waves, so that it stays as quick as it was.
    """
    seconds, memory = 0.0, []
    for _ in range(count // _WAVE):
        # The payloads are made before the clock starts, as the bot does not make them.
        asked = forms(desk, _WAVE)
        began = time.perf_counter()
        await burst(desk, asked)
        await settled(desk)
        pressed = clicks(desk, _WAVE)
        await burst(desk, pressed)
        await settled(desk)
        seconds += time.perf_counter() - began
        assert len(desk.gateway.calls) == _WAVE
        memory.append(app.resident())
        forget(desk)
    return seconds, memory


async def requests(desk: Desk, total: int) -> list[Row]:
    """Return the number of whole cancellations a second, and the memory after the first wave and after all of them."""
    async with running(desk, THIS, SOCKET) as app:
        seconds, memory = await _cancel(desk, app, total)
    return [
        {"figure": "whole cancellations a second (messages unpaced)", "value": total / seconds},
        {"figure": f"MiB after {_WAVE} cancellations", "value": memory[0]},
        {"figure": f"MiB after {total // 2} cancellations", "value": memory[len(memory) // 2]},
        {"figure": f"MiB after {total} cancellations", "value": memory[-1]},
    ]


async def many_calls(desk: Desk) -> Row:
    """Return the seconds from the approval of the largest request until the last of its orders is answered.

    The gateway takes a second for each.
    """

    def hang(_: str) -> Hang:
        until = asyncio.Event()
        asyncio.get_running_loop().call_later(1.0, until.set)
        return Hang(until)

    async with running(desk, THIS, SOCKET):
        await burst(desk, batches(desk, 1))
        await settled(desk)
        desk.gateway.faults.choose = hang
        began = time.perf_counter()
        await burst(desk, clicks(desk, 1))
        async with asyncio.timeout(60):
            while await _answered(desk) < SEVERAL:  # noqa: ASYNC110 -- not our process
                await asyncio.sleep(0.01)
        seconds = time.perf_counter() - began
        desk.gateway.faults.clear()
        await settled(desk)
        forget(desk)
    return {"figure": f"seconds until {SEVERAL} approved orders are answered, 1 s each, 10 at once", "value": seconds}


async def _answered(desk: Desk) -> int:
    with open_reader(desk.database) as tables:
        sql = (
            "SELECT count(*) FROM attempts a JOIN cancellations c ON c.number = a.number WHERE a.outcome IS NOT NULL"
            " AND c.request = (SELECT max(number) FROM requests)"
        )
        return int(tables.connection.execute(sql)[0][0])


async def starts(desk: Desk, times: int) -> list[Row]:
    """Return the seconds from starting the process until Slack can deliver to it, for the floor and for the bot."""
    rows: list[Row] = []
    for name, module in (("the floor", FLOOR), ("this bot", THIS)):
        seconds = []
        for _ in range(times):
            async with running(desk, module, HTTP) as app:
                seconds.append(app.started_in)
            await asyncio.sleep(0)
        rows.append({"figure": f"seconds to start, {name}", "value": statistics.median(seconds)})
    return rows
