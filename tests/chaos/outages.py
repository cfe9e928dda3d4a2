"""The troubles of the database's server in a chaos run, and of the lines that lead to it."""

import asyncio
import random
from collections import Counter
from contextlib import ExitStack
from typing import Self

from pydantic import SecretStr

from bot.store.place import Server
from tests.chaos.clock import Clock
from tests.postgres import Cluster
from tests.store.wire import Break, Wire, wire

_BREAKS = {"before COMMIT": Break.BEFORE, "after COMMIT": Break.AFTER, "silent at COMMIT": Break.SILENT}
_CUT_OFF, _STOPPED = "cut off", "pg_ctl stop -m immediate"
_WEIGHTS = {"before COMMIT": 5, "after COMMIT": 5, "silent at COMMIT": 1, _CUT_OFF: 1, _STOPPED: 2}
_FIRST = 5.0
"""Seconds."""
_AWAY = [0.2, 1.0, 3.0, 7.0]
"""Seconds. After five, nobody waits any more for what became of a commit."""


class Outages:
    """A server that dies, and a wire from each bot to it that breaks around a COMMIT or lets nobody through."""

    def __init__(self, cluster: Cluster, bots: int, clock: Clock, seed: int) -> None:
        self._cluster, self._clock = cluster, clock
        database = cluster.empty()
        self.server = Server(SecretStr(cluster.url(database)))
        """The way to the database that always leads there while the server runs."""
        self._draw = random.Random(f"{seed}/outages")
        self._open = ExitStack()
        self._wires: list[Wire] = [self._open.enter_context(wire(cluster.port)) for _ in range(bots)]
        self.addresses = [cluster.url(database, port=each.port) for each in self._wires]
        """The DATABASE_URL of each bot."""
        self._under_way: asyncio.Task[None] | None = None
        self._done: Counter[str] = Counter()

    @property
    def done(self) -> Counter[str]:
        """How often each of this happened."""
        broke = Counter({name: sum(each.broke[how] for each in self._wires) for name, how in _BREAKS.items()})
        return Counter({f"PostgreSQL: {name}": times for name, times in (self._done + broke).items()})

    async def rage(self) -> None:
        """Break one thing after the other, until cancelled, but for the first start of the bots."""
        await asyncio.sleep(_FIRST)
        while True:
            await asyncio.sleep(self._clock.long(self._draw.uniform(0.2, 2.0)))
            each = self._draw.choice(self._wires)
            (kind,) = self._draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
            if kind in _BREAKS:
                each.breaks = _BREAKS[kind]
                continue
            self._done[kind] += 1
            work = self._cut_off(each) if kind == _CUT_OFF else self._stop_server()
            self._under_way = asyncio.create_task(work)
            # A server that is being stopped is started again, whoever stops waiting for that.
            await asyncio.shield(self._under_way)

    async def _cut_off(self, each: Wire) -> None:
        each.cut(down=True)
        await asyncio.sleep(self._draw.choice(_AWAY))
        each.down = False

    async def _stop_server(self) -> None:
        await asyncio.to_thread(self._cluster.stop, "immediate")
        await asyncio.sleep(self._draw.choice(_AWAY))
        await asyncio.to_thread(self._cluster.start)

    async def heal(self) -> None:
        """Let everything work again from now on."""
        if self._under_way is not None:
            await self._under_way
        for each in self._wires:
            each.breaks, each.down = None, False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open.close()
