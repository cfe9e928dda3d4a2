"""Everything that goes wrong in a chaos run, drawn from one seed."""

import asyncio
import contextlib
import os
import random
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import ApiError, Drop, Fault, Hang, Twist, broken, rate_limited
from bot.sandbox.workspace import Channel, Posted
from tests.chaos.people import CHANNELS
from tests.flows.desk import Desk

_SLACK: dict[str, tuple[float, Callable[["Havoc"], Fault]]] = {
    "429": (0.005, lambda _: rate_limited(1)),
    "500": (0.02, lambda _: broken(500)),
    "internal_error": (0.01, lambda _: ApiError("internal_error")),
    "dropped before": (0.02, lambda _: Drop()),
    "dropped after": (0.03, lambda _: Drop(after_effect=True)),
    "answered 500 after": (0.01, lambda _: Twist(broken(500))),
    "slow": (0.04, lambda havoc: havoc.slow()),
}
"""The probability of each fault at one call. What people do to channels and messages happens for real, see below."""
_GATEWAY: dict[str, Callable[["Havoc", str], Fault]] = {
    "500": lambda *_: answers.internal_error(),
    "502 HTML": lambda *_: broken(502),
    "429": lambda *_: answers.too_many(0),
    "503": lambda *_: answers.maintenance(0),
    "dropped before": lambda *_: Drop(),
    "dropped after": lambda *_: Drop(after_effect=True),
    "hanging": lambda havoc, _: Hang(havoc.never),
    "slow": lambda havoc, _: havoc.slow(),
    "wrong order": lambda *_: answers.wrong_order(),
    "wrong status": lambda _, order: answers.wrong_status(order),
    "empty": lambda *_: answers.empty(),
    "oversized": lambda _, order: answers.oversized(order),
    "wrong order after": lambda *_: Twist(answers.wrong_order()),
    "500 after": lambda *_: Twist(answers.internal_error()),
    "empty after": lambda *_: Twist(answers.empty()),
    # Always the same bomb: packing one takes a while, and both servers run in this process.
    "gzip bomb after": lambda *_: Twist(answers.gzip_bomb("ord_c0000")),
}
_KILL_AT_CALL = 0.004
"""The probability that the bot is killed in the moment in which one of its calls arrives."""


class Havoc:
    """Faults of both servers, lost connections, meddling people, and a bot that is killed about every second."""

    def __init__(self, desk: Desk, seed: int, log: Path, **settings: str) -> None:
        self._desk = desk
        self._seed = seed
        self._log = log
        self._settings = settings
        self._calls: Counter[str] = Counter()
        self._process: Process | None = None
        self.never: asyncio.Event = asyncio.Event()
        self.done: Counter[str] = Counter()
        self.deleted: list[Posted] = []
        self.ended_by_itself: list[int] = []
        desk.slack.faults.choose = self._slack
        desk.gateway.faults.choose = self._gateway

    # --- faults of the servers ----------------------------------------------------------------

    def _slack(self, method: str) -> Fault | None:
        draw = self._next_draw(f"slack/{method}")
        # A bot that can't even connect proves little.
        left = draw.random() * (4 if method in {"auth.test", "apps.connections.open"} else 1)
        for name, (chance, fault) in _SLACK.items():
            left -= chance
            if left < 0:
                self.done[f"Slack: {name}"] += 1
                return fault(self)
        return None

    def _gateway(self, order: str) -> Fault | None:
        draw = self._next_draw(f"gateway/{order}")
        if draw.random() > 0.35:
            return None
        name = draw.choice(list(_GATEWAY))
        self.done[f"gateway: {name}"] += 1
        return _GATEWAY[name](self, order)

    def _next_draw(self, what: str) -> random.Random:
        """Return a source of random numbers that is the same for the n-th call of its kind in every run of one seed."""
        self._calls[what] += 1
        draw = random.Random(f"{self._seed}/{what}/{self._calls[what]}")
        if draw.random() < _KILL_AT_CALL:
            self._kill()
        return draw

    def slow(self) -> Hang:
        """Return a fault that delays the effect and the answer, so that the bot may be dead before either."""
        until = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, until.set)
        return Hang(until)

    # --- the bot ------------------------------------------------------------------------------

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[Process]:
        """Run a bot process, connected if that works, and kill it at the end in any case."""
        await self._desk.slack.drop_connections()
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.flows.bot_process",
                stderr=log,
                env=os.environ | self._desk.environment(**self._settings),
            )
        self._process = process
        try:
            await self._connected_or_dead(process)
            yield process
        finally:
            if process.returncode is not None and process.returncode != -9:
                self.ended_by_itself.append(process.returncode)
            self._kill()
            await process.wait()

    async def _connected_or_dead(self, process: Process) -> None:
        dead = asyncio.create_task(process.wait())
        connected = asyncio.create_task(self._desk.wait(lambda: self._desk.slack.connections, 5.0))
        await asyncio.wait({dead, connected}, return_when=asyncio.FIRST_COMPLETED)
        for task in (dead, connected):
            task.cancel()
        await asyncio.gather(dead, connected, return_exceptions=True)

    def _kill(self) -> None:
        """Kill the bot as kill -9 does, if it runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self.done["kill -9"] += 1
            self._process = None

    async def rage(self) -> None:
        """Kill the bot and meddle with Slack until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._kill_about_every_second())
            tasks.create_task(self._meddle())

    async def _kill_about_every_second(self) -> None:
        draw = random.Random(f"{self._seed}/kill")
        while True:
            async with self.bot() as process:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), draw.uniform(0.4, 1.6))

    # --- people and networks ------------------------------------------------------------------

    async def _meddle(self) -> None:
        draw = random.Random(f"{self._seed}/meddle")
        slack = self._desk.slack
        while True:
            await asyncio.sleep(draw.uniform(0.1, 0.5))
            channel = slack.space.channels[draw.choice(CHANNELS)]
            match draw.choice(["disconnect", "drop", "delete", "delete", "archive", "remove"]):
                case "disconnect":
                    self.done["Socket Mode: disconnect"] += 1
                    await slack.disconnect()
                case "drop":
                    self.done["Socket Mode: connection lost"] += 1
                    await slack.drop_connections()
                case "delete" if messages := slack.space.messages(channel.id):
                    self.done["message deleted"] += 1
                    message = draw.choice(messages)
                    self.deleted.append(message)
                    slack.space.delete_message(channel.id, message.ts)
                case "archive":
                    self.done["channel archived"] += 1
                    channel.archived = True
                    asyncio.get_running_loop().call_later(draw.uniform(0.2, 2), self._repair, channel)
                case "remove":
                    self.done["bot removed from a channel"] += 1
                    channel.members.discard(slack.space.bot_user_id)
                    asyncio.get_running_loop().call_later(draw.uniform(0.2, 2), self._repair, channel)

    def _repair(self, channel: Channel) -> None:
        channel.archived = False
        channel.members.add(self._desk.slack.space.bot_user_id)

    def heal(self) -> None:
        """Let everything work again from now on. A hanging call goes on hanging until its bot is gone."""
        self._desk.slack.faults.clear()
        self._desk.gateway.faults.clear()
        for channel in CHANNELS:
            self._repair(self._desk.slack.space.channels[channel])
