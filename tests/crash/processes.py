"""Bots in processes of their own, which tests can kill.

Each is forked off a process that has imported everything and done nothing else: imports take most of a start.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from multiprocessing import forkserver, get_context

from tests.chaos.clock import Clock
from tests.flows.bot_process import forked
from tests.flows.desk import PAYMENTS, Desk

_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.crash.imported"])
_MEASURED = "COVERAGE_PROCESS_CONFIG"

EVERYBODYS_CLOCK = Clock()
"""The clock of the local Slack and the local gateway; it goes with that of the newest bot."""


class BotProcess:
    """A process with a bot; its methods are those of ``asyncio.subprocess.Process``."""

    def __init__(self, environment: dict[str, str]) -> None:
        # A process that is killed leaves no figures of coverage behind, so there is no use in counting.
        measured = os.environ.pop(_MEASURED, None)
        forkserver.ensure_running()
        if measured is not None:
            os.environ[_MEASURED] = measured
        self._process = _FORKS.Process(target=forked, args=(environment,), daemon=True)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit code, or the negative number of the signal that ended it; None while it lives."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send this signal."""
        if self._process.pid is not None and self.returncode is None:
            # It may have ended just now, and the process that it was forked off has seen that first.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Return the exit code, once it has ended."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        if self.returncode is None:
            loop.add_reader(self._process.sentinel, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(self._process.sentinel)
        assert self.returncode is not None
        return self.returncode


def start(desk: Desk, **changes: str) -> BotProcess:
    """Start a bot with the settings of this desk and these changes."""
    EVERYBODYS_CLOCK.ahead = timedelta(seconds=float(changes.get("CLOCK_AHEAD", "0")))
    return BotProcess(dict(os.environ) | desk.environment(**changes))


@asynccontextmanager
async def bot_process(desk: Desk, **changes: str) -> AsyncIterator[BotProcess]:
    """Yield a connected bot in a process of its own, which does not outlive the block."""
    known = len(desk.slack.calls)
    process = start(desk, **changes)
    try:
        await desk.wait(lambda: len(desk.slack.calls) > known and desk.slack.connections, within=60)
        yield process
    finally:
        process.kill()
        await process.wait()
        await desk.slack.drop_connections()


async def finished(desk: Desk, order: str = "ord_1") -> None:
    """Wait until the order is cancelled; fail unless there are one card, one result, one receipt and one message."""
    card = await desk.card(order)
    await desk.card_says(card, "✅ Cancelled")
    assert len(await desk.endings(card)) == 1
    await desk.direct(desk.ann)
    receipt = await desk.receipt("✅ Cancelled")
    assert "Open the card" in desk.ann.reads(receipt)
    assert not receipt.button("withdraw")
    assert (len(desk.results(desk.ann)), len(desk.receipts(desk.ann))) == (1, 1)
    assert len([each for each in desk.slack.space.messages(PAYMENTS) if order in desk.ann.reads(each)]) == 1
    assert desk.gateway.effects[order] == 1
