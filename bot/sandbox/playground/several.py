"""The playground with several bots on one PostgreSQL server. Each is a process, which people kill and start again."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import aiohttp
from pydantic import SecretStr

from bot.sandbox.playground.playground import BotState, Playground
from bot.sandbox.postgres import LocalServer, NotStarted, free_port
from bot.settings import load
from bot.store import Store, StoreError, StoreProblem, Tables
from bot.store.place import Server

T = TypeVar("T")

_LOOK_EVERY = 0.3
"""Seconds between two looks at the bots and at the record."""
_LOOK_WITHIN = aiohttp.ClientTimeout(total=2)
_START_WITHIN = 60.0
"""Seconds."""
_STOP_WITHIN = 15.0


class _Replica:
    """One bot, which runs or not."""

    def __init__(self, number: int, log: Path) -> None:
        self.state = BotState(number, running=False, ready=False, about="not started")
        self._log = log
        self._port = 0
        self._process: Process | None = None

    async def start(self, environment: Mapping[str, str]) -> None:
        """Start the bot, unless it runs."""
        if self._process is not None:
            return
        self._port = free_port()
        with self._log.open("ab") as lines:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "bot", "run"),
                env={"PATH": os.environ.get("PATH", ""), **environment, "PORT": str(self._port), "LOG_FORMAT": "json"},
                stdin=DEVNULL,
                stdout=lines,
                stderr=lines,
                # A terminal's Ctrl-C is for the playground, which then stops the bots in order.
                start_new_session=True,
            )
        self._say(running=True, about="starting")

    async def kill(self) -> None:
        """End the bot as kill -9 does, if it runs."""
        if self._process is not None:
            await self._end(self._process, signal.SIGKILL)
            self._say(about="killed")

    async def stop(self) -> None:
        """End the bot as SIGTERM does, if it runs."""
        if self._process is not None:
            await self._end(self._process, signal.SIGTERM)
            self._say(about="stopped")

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Find out what the bot says of itself."""
        process = self._process
        if process is None:
            return
        if process.returncode is not None:
            self._process = None
            self._say(about=f"ended by itself; {self._log.name} says why")
            return
        try:
            async with session.get(f"http://127.0.0.1:{self._port}/readyz") as answer:
                found = await answer.json()
        except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
            about = "starting" if self.state.about == "starting" else "does not answer"
            ready = False
        else:
            ready, about = found["ready"], "; ".join(found["missing"])
        # Somebody may have killed it meanwhile.
        if self._process is process:
            self._say(running=True, ready=ready, about=about or "ready")

    async def _end(self, process: Process, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            async with asyncio.timeout(_STOP_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        self._process = None

    def _say(self, *, running: bool = False, ready: bool = False, about: str) -> None:
        self.state = BotState(self.state.number, running=running, ready=ready, about=about)


class SeveralBots(Playground):
    """A playground with several bots. ``folder`` is the database server's, whose programs are in ``programs``."""

    def __init__(
        self, programs: Path, folder: Path, *, replicas: int, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder, settings=settings)
        self._server = LocalServer(programs, folder)
        self._replicas = [_Replica(each, folder.with_suffix(f".bot-{each}.log")) for each in range(1, replicas + 1)]
        self._store: Store | None = None
        self._turning = asyncio.Lock()

    async def start(self) -> None:
        """Start the database server and everything else. Raises StoreError and NotStarted."""
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(_alone(self.data))
            await asyncio.to_thread(self._server.start)
            stack.push_async_callback(asyncio.to_thread, self._server.stop, "fast")
            self.place = Server(SecretStr(self._server.url("postgres")))
            await super().start()
            self._around = stack.pop_all()

    async def stop(self) -> None:
        """Stop the bots as SIGTERM does, then the rest, and at last the database server."""
        async with self._around:
            await super().stop()

    async def start_bots(self) -> None:
        """Start every bot, and return once one is ready. Raises StoreError, SettingsProblem and NotStarted."""
        load(self.environment())
        self._store = Store(self.place)
        await self._store.open()
        for each in self._replicas:
            await each.start(self.environment())
        ends = asyncio.get_running_loop().time() + _START_WITHIN
        async with aiohttp.ClientSession(timeout=_LOOK_WITHIN) as session:
            while not self.connected:
                await asyncio.gather(*(each.look(session) for each in self._replicas))
                if asyncio.get_running_loop().time() > ends or not any(each.running for each in self.bots):
                    raise NotStarted(f"No bot is ready. Bot 1: {self.bots[0].about}.")
                await asyncio.sleep(_LOOK_EVERY)

    async def stop_bot(self) -> None:
        """Stop all bots."""
        await asyncio.gather(*(each.stop() for each in self._replicas))
        if self._store is not None:
            await self._store.close()
            self._store = None

    @property
    def bots(self) -> list[BotState]:
        """Each bot as it was at the last look."""
        return [each.state for each in self._replicas]

    @property
    def connected(self) -> bool:
        """True while a bot is ready."""
        return any(each.ready for each in self.bots)

    async def turn_bot(self, number: int, *, on: bool) -> None:
        """Start this bot, or end it as kill -9 does. Raises KeyError for another number."""
        if not 1 <= number <= len(self._replicas):
            raise KeyError(number)
        replica = self._replicas[number - 1]
        # Two clicks at once must not start it twice.
        async with self._turning:
            await (replica.start(self.environment()) if on else replica.kill())
        self.touch()

    async def read(self, work: Callable[[Tables], T]) -> T:
        """Return what ``work`` reads from the record, also while no bot runs. Raises StoreError."""
        assert self._store is not None
        return await self._store.read(work)

    async def follow_record(self) -> None:
        """Notice what the bots do, and what becomes of them; their commits are in other processes."""
        known: tuple[int, list[BotState]] | None = None
        async with aiohttp.ClientSession(timeout=_LOOK_WITHIN) as session:
            while True:
                await asyncio.gather(*(each.look(session) for each in self._replicas))
                with contextlib.suppress(StoreError):
                    found = await self.read(lambda tables: tables.record.last().seq), self.bots
                    if found != known:
                        self.touch()
                    known = found
                await asyncio.sleep(_LOOK_EVERY)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let no second playground use this folder. A server that a killed one left behind is in nobody's use then."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(StoreProblem.BUSY, folder) from error
        yield
