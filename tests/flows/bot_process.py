"""The real bot in a process of its own, as quick as tests want it, for tests that kill it."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable

from bot import log
from bot.app import Bot
from bot.settings import load
from tests.flows.desk import quick_tuning


def _killer(spec: str) -> Callable[[str], None]:
    """Ends the process as kill -9 does, right after a commit.

    ``spec`` is ``first,name,count``: the count-th commit of this name since the first commit of that one.
    """
    first, name, count = spec.split(",") if spec else ("", "", "0")
    seen: Counter[str] = Counter()

    def committed(commit: str) -> None:
        if first in {commit, *seen}:
            seen[commit] += 1
            if commit == name and seen[commit] == int(count):
                os.kill(os.getpid(), signal.SIGKILL)

    return committed


if __name__ == "__main__":
    settings = load(os.environ)
    log.configure("INFO", "json", settings.secrets())
    asyncio.run(Bot(settings, quick_tuning(on_commit=_killer(os.environ.get("KILL_AFTER", "")))).run())
