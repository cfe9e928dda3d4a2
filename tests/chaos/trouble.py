"""Everything that goes wrong in a chaos run, drawn from one seeded source."""

import asyncio
import contextlib
import random
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable

from bot.sandbox import gateway as gw
from bot.sandbox.faults import ApiError, Drop, Fault, Hang, Twist, broken, rate_limited
from tests.flows.desk import PAYMENTS, Desk, environment

SLACK_TROUBLE: list[tuple[float, Fault]] = [
    (0.03, rate_limited(1)),
    (0.03, broken(500)),
    (0.03, Drop()),
    (0.04, Drop(after_effect=True)),
    (0.02, ApiError("not_in_channel")),
    (0.01, ApiError("is_archived")),
    (0.01, ApiError("fatal_error")),
]
"""How likely each fault is at one call, for the calls that post, change and look for messages."""
SLACK_METHODS = {
    "chat.postMessage",
    "chat.update",
    "conversations.history",
    "conversations.replies",
    "conversations.open",
}


class Trouble:
    """Faults of both servers, lost connections, deleted cards, and a bot that is killed about every second."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self._desk = desk
        self._random = random.Random(seed)
        self._never = asyncio.Event()
        self._process: Process | None = None
        self.kills = 0
        self.deleted: set[str] = set()
        desk.slack.faults.choose = self._slack
        desk.gateway.faults.choose = self._gateway

    def _slack(self, method: str) -> Fault | None:
        if method not in SLACK_METHODS:
            return None
        draw = self._random.random()
        for chance, fault in SLACK_TROUBLE:
            draw -= chance
            if draw < 0:
                return fault
        return None

    def _gateway(self, order: str) -> Fault | None:
        if self._random.random() > 0.35:
            return None
        # Made only when drawn: packing a gzip bomb keeps both servers from answering for a while.
        kinds: list[Callable[[], Fault]] = [
            gw.internal_error,
            lambda: broken(502),
            lambda: gw.too_many(0),
            lambda: gw.maintenance(0),
            Drop,
            lambda: Drop(after_effect=True),
            lambda: Hang(self._never),
            gw.wrong_order,
            lambda: gw.wrong_status(order),
            gw.empty,
            lambda: gw.oversized(order),
            lambda: Twist(gw.wrong_order()),
            lambda: Twist(gw.empty()),
            lambda: Twist(gw.gzip_bomb("ord_c0000")),
        ]
        return self._random.choice(kinds)()

    async def start_bot(self) -> None:
        """A new bot process."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.flows.bot_process",
            stderr=DEVNULL,
            env=environment(self._desk.slack, self._desk.gateway, self._desk.database, LOG_LEVEL="ERROR"),
        )

    async def kill_bot(self) -> None:
        """Kill -9."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self.kills += 1

    async def rage(self) -> None:
        """Go on until cancelled."""
        while True:
            await asyncio.sleep(self._random.uniform(0.3, 1.2))
            draw = self._random.random()
            if draw < 0.15:
                await self._desk.slack.disconnect()
            elif draw < 0.3:
                await self._desk.slack.drop_connections()
            elif draw < 0.35:
                self._desk.slack.space.channels[PAYMENTS].archived ^= True
            elif draw < 0.45:
                self._delete_a_card()
            else:
                await self.kill_bot()
                await self.start_bot()

    def _delete_a_card(self) -> None:
        cards = self._desk.slack.space.messages(PAYMENTS)
        if cards:
            card = self._random.choice(cards)
            self.deleted.add(card.ts)
            self._desk.slack.space.delete_message(PAYMENTS, card.ts)

    async def heal(self) -> None:
        """Everything works again, and a fresh bot is there."""
        self._desk.slack.faults.clear()
        self._desk.gateway.faults.clear()
        self._desk.slack.space.channels[PAYMENTS].archived = False
        await self.kill_bot()
        await self.start_bot()
