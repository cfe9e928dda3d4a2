"""A whole workspace with gateway and bot, for tests that play what people do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from bot.app import Bot, Tuning, utc_now
from bot.sandbox.gateway import LocalGateway
from bot.sandbox.person import Person
from bot.sandbox.slack import LocalSlack, NotAcknowledged
from bot.sandbox.workspace import Message
from bot.settings import load
from bot.worker import Pace

PAYMENTS, LOBBY, PRIVATE = "C0PAY", "C0LOBBY", "G0PRIVATE"
ANN, BEN, CLEO, OLGA, VERA = "U0ANN", "U0BEN", "U0CLEO", "U0OLGA", "U0VERA"
LEADS = "S0LEADS"

QUICK: dict[str, object] = {
    "first_pause": timedelta(milliseconds=5),
    "longest_pause": timedelta(milliseconds=20),
    "longest_delivery_pause": timedelta(milliseconds=20),
    "max_attempts": 4,
    "breath": timedelta(milliseconds=300),
}


def quick_tuning(**changes: Any) -> Tuning:
    """Short pauses, and no pacing of messages.

    The interval of the pings stays what it is: the SDK gives a connection up after half of it without an
    answer, and a test that stands still for a moment would lose a click.
    """
    pace = Pace(utc_now, every=timedelta(0))
    quick: dict[str, Any] = {"rules": QUICK, "pace": pace}
    return Tuning(**quick | changes)


def environment(slack: LocalSlack, gateway: LocalGateway, database: Path, **changes: str) -> dict[str, str]:
    """The bot's settings in this workspace: Ann asks, Ben and the leads (Cleo) approve, Vera audits."""
    return {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_API_URL": slack.api_url,
        "DVPAY_BASE_URL": gateway.base_url,
        "DVPAY_API_KEY": "local-key",
        "DVPAY_APP_ID": "local-app",
        "DATABASE_URL": f"sqlite:///{database}",
        "APPROVERS": f"{BEN},{LEADS}",
        "AUDITORS": VERA,
        "APPROVAL_CHANNEL": PAYMENTS,
        "PORT": "0",
    } | changes


@dataclass
class Desk:
    """The workspace, the gateway and, while it runs, the bot."""

    slack: LocalSlack
    gateway: LocalGateway
    database: Path
    bot: Bot | None = None

    @property
    def ann(self) -> Person:
        """Asks."""
        return Person(self.slack, ANN)

    @property
    def ben(self) -> Person:
        """Approves."""
        return Person(self.slack, BEN)

    @property
    def cleo(self) -> Person:
        """Approves as a member of the leads."""
        return Person(self.slack, CLEO)

    @property
    def olga(self) -> Person:
        """An outsider."""
        return Person(self.slack, OLGA)

    @property
    def vera(self) -> Person:
        """Audits."""
        return Person(self.slack, VERA)

    async def start_bot(self, tuning: Tuning | None = None, **changes: str) -> Bot:
        """Start a bot and wait until it is connected."""
        settings = load(environment(self.slack, self.gateway, self.database, **changes))
        self.bot = Bot(settings, tuning or quick_tuning())
        await self.bot.start()
        if "SLACK_SIGNING_SECRET" in changes:
            self.slack.events_url = f"http://127.0.0.1:{self.bot.port}/slack/events"
        await asyncio.wait_for(self.bot.connection.ready.wait(), 10)
        return self.bot

    async def stop_bot(self) -> None:
        """Stop the bot as SIGTERM does."""
        if self.bot is not None:
            await self.bot.stop()
            self.bot = None

    async def wait(self, look: Any, within: float = 10.0) -> Any:
        """What ``look`` finds in Slack as soon as it is there."""
        return await self.slack.space.changes.wait_for(look, within)

    async def ask(
        self,
        order: str = "ord_1",
        reason: str = "typed twice",
        *,
        person: Person | None = None,
        channel: str = LOBBY,
    ) -> Message:
        """Ask for a cancellation and wait for its card."""
        await self.fill_in(order, reason, person=person, channel=channel)
        return await self.card(order)

    async def fill_in(
        self,
        order: str,
        reason: str = "typed twice",
        *,
        person: Person | None = None,
        channel: str = LOBBY,
    ) -> dict[str, str] | None:
        """Type the command, fill in the form, send it; the errors on its fields."""
        person = person or self.ann
        await person.command("/cancel-order", channel)
        await self.wait(lambda: person.modal)
        return await person.submit(order_id=order, reason=reason)

    async def card(self, order: str, channel: str = PAYMENTS) -> Message:
        """The card of this order, as soon as it is posted."""

        def look() -> Message | None:
            cards = [message for message in self.slack.space.messages(channel) if order in message.text]
            return cards[-1] if cards else None

        found: Message = await self.wait(look)
        return found

    async def card_says(self, card: Message, words: str) -> str:
        """The card's text, as soon as these words are in it."""
        found: str = await self.wait(lambda: (text := self.ann.reads(card)) if words in self.ann.reads(card) else None)
        return found

    async def replies(self, card: Message, count: int = 1) -> list[str]:
        """What stands in the card's thread, as soon as so much does."""

        def look() -> list[str] | None:
            thread = self.slack.space.messages(card.channel, card.ts)
            return [self.ann.reads(message) for message in thread] if len(thread) >= count else None

        found: list[str] = await self.wait(look)
        return found

    async def told(self, person: Person, count: int = 1) -> str:
        """What this person alone reads last, as soon as they have got so many private answers."""
        await self.wait(lambda: len(person.ephemerals) >= count)
        return person.reads(person.ephemerals[-1])

    async def direct(self, person: Person, count: int = 1) -> str:
        """What the bot wrote to this person last, as soon as there is so much."""
        await self.wait(lambda: len(person.direct_messages) >= count)
        return person.reads(person.direct_messages[-1])

    async def deliver_again(self, payload: dict[str, Any]) -> None:
        """Deliver an interaction once more, as it was; over HTTP the same signature is refused as a replay."""
        with contextlib.suppress(*([NotAcknowledged] if self.slack.events_url else [])):
            await self.slack.deliver("interactive", payload)

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """What the bot answers on its own port."""
        assert self.bot is not None
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.bot.port}{path}") as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def open_desk(
    database: Path,
    *,
    now: Callable[[], datetime] = utc_now,
    **slack_options: Any,
) -> AsyncIterator[Desk]:
    """A workspace and a gateway with a few orders; the bot is not started yet."""
    async with LocalSlack(now=now, **slack_options) as slack, LocalGateway(now=now) as gateway:
        for user, name in ((ANN, "ann"), (BEN, "ben"), (CLEO, "cleo"), (OLGA, "olga"), (VERA, "vera")):
            slack.space.add_user(user, name)
        everybody = (ANN, BEN, CLEO, OLGA, VERA)
        slack.space.add_channel(PAYMENTS, "payments", everybody)
        slack.space.add_channel(LOBBY, "lobby", everybody)
        slack.space.groups[LEADS] = [CLEO]
        for order in ("ord_1", "ord_2", "ord_3"):
            gateway.add_order(order)
        gateway.add_order("ord_done", "completed")
        desk = Desk(slack, gateway, database)
        try:
            yield desk
        finally:
            await desk.stop_bot()
