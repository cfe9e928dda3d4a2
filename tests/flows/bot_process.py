"""The real bot in a process of its own, as quick as tests want it, for tests that kill it.

The environment changes its clock and its patience: ``CLOCK_AHEAD``, ``PING_INTERVAL``, ``FIRST_PAUSE``,
``LONGEST_PAUSE``, ``LONGEST_DELIVERY_PAUSE`` and ``TOLD_AFTER`` are in seconds. ``KILL_AFTER`` and ``KILL_BEFORE``
name a commit, by its transaction or by the kind of an event that it puts on record.
"""

import asyncio
import os
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot import log
from bot.app import Bot
from bot.clock import utc_now
from bot.settings import load
from bot.store import Tables
from bot.tuning import Tuning
from tests.flows.desk import QUICK, quick_tuning


def _killer(spec: str) -> Callable[[str], None]:
    """Return a function that ends the process as kill -9 does, when it is called at one certain commit.

    ``spec`` is ``first,name,count``: the count-th commit of ``name`` since the first commit of ``first``.
    """
    first, name, count = spec.split(",") if spec else ("", "", "0")
    seen: Counter[str] = Counter()

    def committed(commit: str) -> None:
        if first in {commit, *seen}:
            seen[commit] += 1
            if commit == name and seen[commit] == int(count):
                os.kill(os.getpid(), signal.SIGKILL)

    return committed


class _Commits:
    """The commits, each by the name of its transaction and by the kinds of its events."""

    def __init__(self, before: Callable[[str], None], after: Callable[[str], None]) -> None:
        self._before, self._after = before, after
        self._kinds: defaultdict[str, list[str]] = defaultdict(list)

    def watch(self, bot: Bot) -> None:
        """Call ``before`` whenever a transaction has written everything and only the commit is missing."""
        transaction = bot.store.transaction

        async def watched(name: str, work: Callable[[Tables], Any]) -> Any:
            def worked(tables: Tables) -> Any:
                before = tables.record.last().seq
                result = work(tables)
                rows = tables.connection.execute("SELECT kind FROM audit_events WHERE seq > ?", (before,))
                self._kinds[name] = [kind for (kind,) in rows]
                for each in (name, *self._kinds[name]):
                    self._before(each)
                return result

            return await transaction(name, worked)

        bot.store.transaction = watched  # type: ignore[method-assign]

    def committed(self, name: str) -> None:
        """Call ``after``."""
        for each in (name, *self._kinds.pop(name, [])):
            self._after(each)


def _duration(name: str, default: timedelta) -> timedelta:
    seconds = os.environ.get(name)
    return default if seconds is None else timedelta(seconds=float(seconds))


def _tuning(commits: _Commits) -> Tuning:
    ahead = _duration("CLOCK_AHEAD", timedelta(0))

    def now() -> datetime:
        return utc_now() + ahead

    longest = _duration("LONGEST_DELIVERY_PAUSE", QUICK.longest_delivery_pause)
    return quick_tuning(
        now=now,
        # The server's clock is a real one.
        may_differ=timedelta.max,
        patience=replace(
            QUICK,
            longest_delivery_pause=longest,
            longest_pause=_duration("LONGEST_PAUSE", QUICK.longest_pause),
            first_pause=_duration("FIRST_PAUSE", QUICK.first_pause),
            told_after=_duration("TOLD_AFTER", QUICK.told_after),
            attempt_lease=_duration("LEASE", QUICK.attempt_lease),
            delivery_lease=_duration("LEASE", QUICK.delivery_lease),
        ),
        ping_interval=float(os.environ.get("PING_INTERVAL", Tuning().ping_interval)),
        on_commit=commits.committed,
    )


def main() -> None:
    """Run the bot until a signal ends it."""
    settings = load(os.environ)
    log.configure(settings.log_level, "json", settings.secrets())
    commits = _Commits(_killer(os.environ.get("KILL_BEFORE", "")), _killer(os.environ.get("KILL_AFTER", "")))
    bot = Bot(settings, _tuning(commits))
    if {"KILL_AFTER", "KILL_BEFORE"} & os.environ.keys():  # a measured bot does nothing but its own work
        commits.watch(bot)
    asyncio.run(bot.run())


def forked(environment: dict[str, str]) -> None:
    """Run the bot with this environment, as the only work of a process that was forked off. Nobody reads its log."""
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    main()


if __name__ == "__main__":
    main()
