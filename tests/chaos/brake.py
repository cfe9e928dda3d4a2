"""People who stop everything now and then, in Slack and at the command line, and let it go on after a while."""

import asyncio
import contextlib
import os
import random
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter

from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.stage import FRANK
from bot.store import StoreError, open_reader
from bot.store.place import address
from tests.chaos.clock import Clock
from tests.chaos.people import CHANNELS, DORA, Crowd
from tests.flows.desk import BEN, CLEO, OLGA, VERA, Desk

_FREEZE, _UNFREEZE = "freeze", "unfreeze"
_MAY, _MAY_NOT = [BEN, CLEO, DORA] * 4, [OLGA, VERA, FRANK]


class Brake:
    """Approvers and the operator, who freeze and unfreeze: two at a time, and again until it is so."""

    def __init__(self, desk: Desk, crowd: Crowd, clock: Clock, seed: int) -> None:
        self._desk, self._crowd, self._clock = desk, crowd, clock
        self._draw = random.Random(f"{seed}/brake")
        self.done: Counter[str] = Counter()
        """How often each of this was tried."""
        self.wrongs: list[str] = []
        """What a command ended with that should not be."""

    async def pull(self) -> None:
        """Freeze everything for a moment again and again, until cancelled; a freeze may be left over then."""
        while True:
            await asyncio.sleep(self._clock.long(self._draw.uniform(3, 10)))
            await self._insist(_FREEZE)
            await asyncio.sleep(self._clock.long(self._draw.uniform(0.3, 2.5)))
            await self._insist(_UNFREEZE)

    async def release(self) -> None:
        """End the last freeze, if one is left."""
        await self._insist(_UNFREEZE)

    async def _insist(self, word: str) -> None:
        while self._is_frozen() != (word == _FREEZE):
            at_once = self._draw.choices([1, 2], [3, 1])[0]
            acts = [self._at_the_terminal if self._draw.random() < 0.4 else self._in_slack for _ in range(at_once)]
            await asyncio.gather(*(act(word) for act in acts))

    def _is_frozen(self) -> bool | None:
        """Return what the record says; None where it cannot be read, or is not there yet."""
        with contextlib.suppress(StoreError), open_reader(self._desk.place) as tables:
            return tables.freeze() is not None
        return None

    async def _in_slack(self, word: str) -> None:
        """Type it as an approver, or as somebody who may not; look for a moment whether it is so."""
        user = self._draw.choice([*_MAY, *self._crowd.approvers, *_MAY_NOT])
        self.done[f"{word} in Slack"] += 1
        line = f"/cancel-order {word}" + (" the gateway cancels the wrong orders" if word == _FREEZE else "")
        with contextlib.suppress(TimeoutError):
            await self._desk.wait(lambda: self._desk.slack.connections, self._clock.long(3.0))
        with contextlib.suppress(NotAcknowledged, ValueError):
            await self._desk.person(user).command(line, self._draw.choice(CHANNELS))
        for _ in range(10):
            if self._is_frozen() == (word == _FREEZE):
                return
            await asyncio.sleep(self._clock.long(0.05))

    async def _at_the_terminal(self, word: str) -> None:
        """Run the command beside the bot, and kill it in the middle now and then."""
        self.done[f"{word} at the terminal"] += 1
        environment = os.environ | {
            "DATABASE_URL": address(self._desk.place),
            "CLOCK_AHEAD": str(self._clock.ahead.total_seconds()),
        }
        why = ["--why", "Slack is down"] if word == _FREEZE else []
        command = [sys.executable, "-m", "tests.chaos.terminal", word, *why]
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=DEVNULL, stderr=PIPE)
        ending = asyncio.create_task(process.communicate())
        try:
            if self._draw.random() < 0.2:
                await asyncio.wait({ending}, timeout=self._clock.long(self._draw.uniform(0.1, 1)))
                return
            _, said = await asyncio.shield(ending)
            # The file may be busy, or not there yet; a command says that in one line.
            if process.returncode not in {0, 1} or len(said.splitlines()) != process.returncode:
                self.wrongs.append(f"{word} ended with {process.returncode} and said {said[:2000]!r}")
        finally:
            if process.returncode is None:
                self.done["kill -9 of the terminal"] += 1
                process.kill()
            await ending
