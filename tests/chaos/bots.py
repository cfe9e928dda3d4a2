"""The bot's processes in a chaos run: one that is killed about every second, or several that share a server."""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from bot.sandbox.middle_box import MiddleBox
from tests.chaos.clock import Clock
from tests.chaos.happenings import Log, Look
from tests.chaos.surroundings import PATTERN_OF_A_SECOND, Surroundings, ends_at_once, pipe_to, with_names
from tests.flows.desk import Desk

_BOT = [sys.executable, "-m", "tests.chaos.process"]
_WEEKEND_AT_START = 0.05
_KILL_AT_COMMIT = 0.5
"""The probability that a bot is to die at one certain commit, if it comes to that."""
_COMMITS = [
    "requested", "voted", "approved", "rejected", "withdrawn", "expired", "reminded", "escalated", "gateway_trouble",
    "sending", "repeating", "cancelled", "retried", "hurried", "stopped_trying", "settled_cancelled",
    "settled_not_cancelled", "frozen", "unfrozen", "card_posted", "claim", "record_delivery", "record_answer",
    "home_opened", "record_publish", "digest",
]  # fmt: skip
"""The commits, by the kind of an event or by the name of the transaction."""
_SHORT, _LONG = 20, 5 * 24 * 3600
"""APPROVAL_TTL in seconds: a request expires in the middle of everything, or outlives a weekend."""
_LEASE, _LEASE_WITH_NAMES = 3.0, 10.0
"""Seconds that one of several bots holds something; a look-up of a name may hang for five."""
_CLOCKS_DIFFER = 1.0
"""Seconds by which the clock of one of several bots is off at most: one that is off by more than five is not ready."""
_LATE = 2.0
"""Seconds after a bot stood still in which it may carry out what it had begun before."""

REMINDERS = [1, 3]
"""REMIND_AFTER in seconds."""


class Bots:
    """The processes. ``addresses`` are the DATABASE_URLs of several bots; one bot alone has that of the desk."""

    def __init__(
        self,
        desk: Desk,
        box: MiddleBox,
        clock: Clock,
        log: Log,
        look: Look,
        *,
        seed: int,
        quorum: int,
        log_file: Path,
        surroundings: Collection[Surroundings] = (),
        addresses: Collection[str] = (),
        **settings: str,
    ) -> None:
        self._desk, self._box, self._clock, self._log, self._look = desk, box, clock, log, look
        self._seed = seed
        self._quorum = quorum
        self._log_file = log_file
        self._surroundings = surroundings
        self._addresses = [*addresses] or [""]
        self._settings = settings
        self._alive: dict[int, Process] = {}
        self._second: asyncio.Task[None] | None = None
        self._standing_still: dict[int, float] = {}
        """The end of each time that a bot stood still, by the number of events on record when it began."""
        self.healed = False

    @property
    def several(self) -> bool:
        """True where several bots share the database."""
        return len(self._addresses) > 1

    @property
    def log_files(self) -> list[Path]:
        """The bots' logs."""
        return [self._log_of(number) for number in range(len(self._addresses))]

    def _log_of(self, number: int) -> Path:
        return self._log_file.with_suffix(f".{number}.log") if self.several else self._log_file

    def stood_still(self) -> tuple[int, ...]:
        """Return how many events were on record when those bots stopped that stand still or did so until lately."""
        since = time.monotonic() - self._clock.long(_LATE)
        return tuple(known for known, end in self._standing_still.items() if end >= since)

    # --- one process --------------------------------------------------------------------------

    @asynccontextmanager
    async def all(self, **changes: str) -> AsyncIterator[None]:
        """Run every bot, connected if that works, and kill them at the end in any case."""
        async with AsyncExitStack() as stack:
            for number in range(len(self._addresses)):
                await stack.enter_async_context(self._one(number, **changes))
            yield

    @asynccontextmanager
    async def _one(self, number: int, **changes: str) -> AsyncIterator[Process]:
        """Run a bot process, connected if that works, and kill it at the end in any case."""
        if not self.several:
            await self._desk.slack.drop_connections()
        environment = self._environment(number, changes)
        with self._log_end(number) as log:
            process = await asyncio.create_subprocess_exec(*_BOT, stderr=log, env=environment)
            self._alive[number] = process
            self._log.starts += 1
            try:
                await self._connected_or_dead(process)
                if Surroundings.SECOND in self._surroundings and process.returncode is None:
                    self._second = asyncio.create_task(self._start_a_second_bot(environment))
                yield process
            finally:
                if process.returncode == -signal.SIGKILL and number in self._alive:
                    self._log.done["kill -9 at a commit"] += 1
                elif process.returncode not in {None, -signal.SIGKILL}:
                    self._log.ended_by_itself.append(process.returncode)
                self._kill_this(number)
                await process.wait()
                if self._second is not None:
                    await asyncio.gather(self._second, return_exceptions=True)
                    self._second = None

    def _environment(self, number: int, changes: dict[str, str]) -> dict[str, str]:
        settings = {
            "DVPAY_BASE_URL": self._box.base_url,
            "APPROVALS_REQUIRED": str(self._quorum),
            "APPROVAL_TTL": self._short,
            "REMIND_AFTER": ",".join(f"{seconds}s" for seconds in REMINDERS),
            "ESCALATE_AFTER": "2s",
            "TOLD_AFTER": "1.5",
            "GATEWAY_CONCURRENCY": "3",
            "CLOCK_AHEAD": str(self._clock.ahead.total_seconds()),
        }
        environment = os.environ | self._desk.environment(**self._settings | settings | changes)
        with_hanging_names = Surroundings.NAMES in self._surroundings
        if with_hanging_names:
            environment = with_names(environment)
        if self.several:
            lease = _LEASE_WITH_NAMES if with_hanging_names else _LEASE
            environment |= {"DATABASE_URL": self._addresses[number], "LEASE": str(self._clock.long(lease))}
        if Surroundings.CLOCK in self._surroundings and not self.healed:
            environment |= {"CLOCK_STEPS": f"{self._seed}/clock/{self._log.starts}"}
            environment |= {"CLOCK_STEPS_WITHIN": str(_CLOCKS_DIFFER)} if self.several else {}
        return environment

    def _log_end(self, number: int) -> AbstractContextManager[int | BinaryIO]:
        file = self._log_of(number)
        if Surroundings.LOG not in self._surroundings:
            return file.open("ab")
        unread_for = random.Random(f"{self._seed}/log/{self._log.starts}").uniform(0, 1.5)
        return pipe_to(file, unread_for=unread_for)

    async def _start_a_second_bot(self, environment: dict[str, str]) -> None:
        """Start a second bot on the same file every few seconds, until the first one is killed."""
        draw = random.Random(f"{self._seed}/second/{self._log.starts}")
        environment = {**environment, "ORDER_ID_PATTERN": PATTERN_OF_A_SECOND}
        while True:
            await asyncio.sleep(draw.uniform(0, 3))
            self._log.done["second bot"] += 1
            try:
                wrong = await ends_at_once(_BOT, environment)
            except asyncio.CancelledError:
                self._log.called_back += 1
                raise
            if wrong:
                self._log.wrongs.append(wrong)
            else:
                self._log.refused += 1

    async def _connected_or_dead(self, process: Process) -> None:
        before = set(map(id, self._desk.slack.connections))

        def has_come() -> bool:
            return not before.issuperset(map(id, self._desk.slack.connections))

        dead = asyncio.create_task(process.wait())
        connected = asyncio.create_task(self._desk.wait(has_come, self._clock.long(5.0)))
        try:
            await asyncio.wait({dead, connected}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (dead, connected):
                task.cancel()
            await asyncio.gather(dead, connected, return_exceptions=True)

    def kill(self, draw: random.Random) -> None:
        """Kill a bot as kill -9 does, if one runs."""
        if self._alive:
            self._kill_this(draw.choice([*self._alive]) if self.several else 0)

    def _kill_this(self, number: int) -> None:
        if self._second is not None:
            self._second.cancel()
        process = self._alive.pop(number, None)
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            self._log.done["kill -9"] += 1

    # --- one bot alone ------------------------------------------------------------------------

    async def rage(self) -> None:
        """Start the bots again and again, and kill them, with weekends in between, until cancelled."""
        await (self._days() if self.several else self._kill_about_every_second())

    async def _kill_about_every_second(self) -> None:
        draw = random.Random(f"{self._seed}/kill")
        weekend_due = False
        for start in itertools.count(1):
            began = time.monotonic()
            async with self._one(0, **self._settings_of_the_day(draw), **_death(draw)) as process:
                self._clock.took(time.monotonic() - began)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._clock.long(draw.uniform(0.4, 1.6))):
                        await process.wait()
            weekend_due = weekend_due or start == 4 or draw.random() < _WEEKEND_AT_START
            # Only a weekend over which something is owed proves anything.
            if weekend_due and self._look.owed():
                self.weekend(timedelta(hours=draw.uniform(25, 90)))
                weekend_due = False

    def _settings_of_the_day(self, draw: random.Random) -> dict[str, str]:
        quorum = self._quorum if draw.random() < 0.85 else 3 - self._quorum
        return {
            "APPROVALS_REQUIRED": str(quorum),
            "ALLOW_SELF_APPROVAL": str(draw.random() < 0.1).lower(),
            "APPROVAL_TTL": self._short if draw.random() < 0.6 else f"{_LONG}s",
        }

    @property
    def _short(self) -> str:
        return f"{self._clock.long(_SHORT):.0f}s"

    def weekend(self, length: timedelta) -> None:
        """Let so much time go by; no bot may be running."""
        self._log.done["weekend"] += 1
        self._log.owed.append(self._look.owed())
        self._clock.leap(length)

    # --- several bots -------------------------------------------------------------------------

    async def _days(self) -> None:
        """Let the bots work for a while, each killed and stopped at times of its own; then change their settings.

        Several bots have the same settings. All are away while these change, and over weekends.
        """
        draw = random.Random(f"{self._seed}/kill")
        for day in itertools.count(1):
            settings = self._settings_of_the_day(draw)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._clock.long(draw.uniform(12, 25))), asyncio.TaskGroup() as tasks:
                    for number in range(len(self._addresses)):
                        own = random.Random(f"{self._seed}/kill/{number}/{draw.random()}")
                        tasks.create_task(self._live(number, own, settings, learns=(day, number) == (1, 0)))
                    tasks.create_task(self._stop_some())
            if self._look.owed():
                self.weekend(timedelta(hours=draw.uniform(25, 90)))

    async def _live(self, number: int, draw: random.Random, settings: dict[str, str], *, learns: bool) -> None:
        """Start one bot again and again. Its first start ``learns`` how slow the machine is: later, the server is away.

        All of them start at the same moment then, so this takes longer than it does later.
        """
        for start in itertools.count(1):
            began = time.monotonic()
            async with self._one(number, **settings, **_death(draw)) as process:
                if learns and start == 1:
                    self._clock.took((time.monotonic() - began) / 2)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._clock.long(draw.uniform(1.5, 8))):
                        await process.wait()
            await asyncio.sleep(draw.uniform(0, 1))

    async def _stop_some(self) -> None:
        """Let a bot stand still (SIGSTOP) for a moment, or until long after its leases, again and again."""
        draw = random.Random(f"{self._seed}/stop/{self._log.starts}")
        while True:
            await asyncio.sleep(self._clock.long(draw.uniform(0.5, 3)))
            if self._alive:
                process = self._alive[draw.choice([*self._alive])]
                await self._let_stand_still(process, self._clock.long(draw.uniform(0.2, 2.5 * _LEASE)))

    async def _let_stand_still(self, process: Process, seconds: float) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGSTOP)
            self._log.done["SIGSTOP"] += 1
            # Afterwards, as it may have begun something until then.
            known = self._look.on_record()
            if known is not None:
                self._standing_still[known] = float("inf")
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await process.wait()
            finally:
                if known is not None:
                    self._standing_still[known] = time.monotonic()
                process.send_signal(signal.SIGCONT)

    async def until_all_have_ended(self) -> None:
        """Wait until every bot is gone that runs now."""
        await asyncio.gather(*(process.wait() for process in self._alive.values()))


def _death(draw: random.Random) -> dict[str, str]:
    """Return the settings with which a bot kills itself at a certain commit, or none."""
    if draw.random() >= _KILL_AT_COMMIT:
        return {}
    commit = draw.choice(_COMMITS)
    return {draw.choice(["KILL_BEFORE", "KILL_AFTER"]): f"{commit},{commit},{draw.randint(1, 3)}"}
