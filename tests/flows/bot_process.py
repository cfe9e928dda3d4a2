"""The real bot in a process of its own, as quick as tests want it, for tests that kill it."""

import asyncio
import os
import signal

from bot import log
from bot.app import Bot
from bot.settings import load
from tests.flows.desk import quick_tuning


def _kill_at(commit: str) -> None:
    """Die on the spot, as with kill -9, right after the commit that KILL_AFTER names."""
    if commit == os.environ.get("KILL_AFTER"):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    settings = load(os.environ)
    log.configure("INFO", "json", settings.secrets())
    asyncio.run(Bot(settings, quick_tuning(on_commit=_kill_at)).run())
