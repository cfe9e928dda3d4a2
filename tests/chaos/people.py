"""What people do in a chaos run: ask, click, click twice, contradict each other, and try again after an error."""

import asyncio
import contextlib
import random
from typing import Any

from bot.sandbox.person import Person
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.workspace import Message
from tests.flows.desk import LOBBY, PAYMENTS, Desk


class Crowd:
    """Many requests at once, each with its own little story."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self._desk = desk
        self._random = random.Random(seed + 1)
        self._room = asyncio.Semaphore(12)
        self._forms = asyncio.Lock()
        self.accepted: set[str] = set()

    async def live(self, order: str) -> None:
        """One order: asked for, and decided in one way or another."""
        async with self._room:
            await self._ask(order)
            card = await self._card(order)
            if card is not None:
                await self._decide(card)

    async def _ask(self, order: str) -> None:
        for _ in range(40):
            with contextlib.suppress(NotAcknowledged, TimeoutError):
                # One form at a time, as a person has one screen.
                async with self._forms:
                    payload = await self._form(order)
                    if await self._desk.slack.deliver("interactive", payload) is None:
                        self.accepted.add(order)
                        if self._random.random() < 0.2:
                            await self._desk.slack.deliver("interactive", payload)
                        return
            await asyncio.sleep(0.1)

    async def _form(self, order: str) -> dict[str, Any]:
        ann = self._desk.ann
        if ann.modal is None:
            await ann.command("/cancel-order", LOBBY)
            await self._desk.wait(lambda: ann.modal, 1.0)
        opened = ann.modal
        assert opened is not None
        payload = ann.submission_payload(opened, {"order_id": order, "reason": f"because of {order}"})
        ann.close()
        return payload

    async def _card(self, order: str) -> Message | None:
        with contextlib.suppress(TimeoutError):
            return await self._desk.card(order, PAYMENTS)
        return None

    async def _decide(self, card: Message) -> None:
        ben, cleo = self._desk.ben, self._desk.cleo
        act = self._random.random()
        if act < 0.6:
            clicks = [(ben, "approve")] * self._random.randint(1, 3)
        elif act < 0.8:
            clicks = [(ben, "approve"), (cleo, "approve"), (ben, "approve"), (self._desk.olga, "approve")]
        elif act < 0.9:
            clicks = [(ben, "approve"), (self._desk.ann, "withdraw")]
        else:
            clicks = [(self._desk.ann, "withdraw"), (cleo, "approve")]
        await asyncio.gather(*(self._click(person, card, action) for person, action in clicks))

    async def _click(self, person: Person, card: Message, action: str) -> None:
        with contextlib.suppress(NotAcknowledged, LookupError):
            payload = person.click_payload(card, action)
            await self._desk.slack.deliver("interactive", payload)
            if self._random.random() < 0.2:
                await self._desk.slack.deliver("interactive", payload)
