"""The apps of the comparison, each in a process of its own, driven through the same kind of local Slack."""

import asyncio
import os
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox.stage import NAMES
from tests.flows.desk import Desk

THIS, FLOOR, TUTORIAL = "tests.flows.bot_process", "tests.bench.floor", "tests.bench.tutorial"
COMMITTING_FLOOR = f"{FLOOR} with a commit"
HTTP, SOCKET = "HTTP", "Socket Mode"
CHANNELS = [f"C0BENCH{number}" for number in range(10)]
"""A card goes to the channel where the command ran."""


@dataclass(frozen=True)
class Running:
    """An app that has started."""

    process: Process
    started_in: float
    """Seconds from the start of the process until Slack could deliver to it."""

    def resident(self) -> float:
        """Return the memory that it holds, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def prepare(desk: Desk) -> None:
    """Add the channels of the comparison, with everybody in them."""
    for channel in CHANNELS:
        desk.slack.space.add_channel(channel, channel[2:].lower(), NAMES)


@asynccontextmanager
async def running(desk: Desk, module: str, mode: str, *, calls: int = 10) -> AsyncIterator[Running]:
    """Run the app, and yield it when Slack can deliver to it. The bot makes so many calls at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = desk.environment(PORT=str(port), APPROVAL_CHANNEL="", **(desk.by_http if mode == HTTP else {}))
    settings["GATEWAY_CONCURRENCY"] = str(calls)
    if module != FLOOR:
        settings["COMMIT_TO"] = str(desk.database.with_name(f"{module.rpartition('.')[2]}.db"))
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module.partition(" ")[0], env=os.environ | settings, stderr=DEVNULL, stdout=DEVNULL,
    )  # fmt: skip
    try:
        desk.slack.events_url = f"http://127.0.0.1:{port}/slack/events" if mode == HTTP else None
        await _listening(desk, port, mode)
        ready = time.perf_counter() - began
        if module == THIS and mode == HTTP:
            await desk.wait(lambda: any(call.method == "auth.test" for call in desk.slack.calls))
        yield Running(process, ready)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await desk.slack.drop_connections()
        desk.slack.events_url = None
        desk.slack.calls.clear()


async def _listening(desk: Desk, port: int, mode: str) -> None:
    if mode == SOCKET:
        await desk.wait(lambda: desk.slack.connections)
        return
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.005)
        else:
            writer.close()
            await writer.wait_closed()
            return
