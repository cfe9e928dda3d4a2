"""The real bot with a stderr that is full or closed: it costs log lines, not clicks."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.crash.processes import finished
from tests.flows.desk import Desk


@asynccontextmanager
async def started(desk: Desk, command: str, stderr: int) -> AsyncIterator[Process]:
    """Yield a bot that the shell starts with this command, connected to Slack."""
    environment = os.environ | desk.environment()
    process = await asyncio.create_subprocess_exec("sh", "-c", command, sys.executable, stderr=stderr, env=environment)
    try:
        await desk.wait(lambda: desk.slack.connections, within=20)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def full_pipe() -> tuple[int, int]:
    """Return the ends of a pipe that takes nothing more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"\n" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    return reader, writer


@pytest.mark.parametrize("closed", ["", " 2>&-", " 0<&- 1>&- 2>&-"])
async def test_clicks_need_no_stderr(quiet_desk: Desk, closed: str) -> None:
    """With a full pipe or closed streams, people are served, and the stop is a clean one."""
    reader, writer = full_pipe()
    try:
        async with started(quiet_desk, f'exec "$0" -m bot run{closed}', writer) as process:
            card = await quiet_desk.ask("ord_1")
            await quiet_desk.ben.click(card, "approve")
            await finished(quiet_desk)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await process.wait() == 0
    finally:
        os.close(reader)
        os.close(writer)
    assert quiet_desk.database.read_bytes().startswith(b"SQLite format 3")
