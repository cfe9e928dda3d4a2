"""A local workspace and a local gateway with the real bot between them, for the demo, the playground and the tests."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Self

from bot.app import Bot
from bot.network import Network
from bot.sandbox.gateway import LocalGateway
from bot.sandbox.person import Person
from bot.sandbox.slack import LocalSlack
from bot.sandbox.workspace import Channel, Posted
from bot.settings import load
from bot.store import Place
from bot.store.place import address
from bot.tuning import Tuning, utc_now

PAYMENTS, GENERAL = "C0PAYMENTS", "C0GENERAL"
ANN, BEN, CLEO, VERA, OLGA = "U0ANN", "U0BEN", "U0CLEO", "U0VERA", "U0OLGA"
NAMES = {ANN: "ann", BEN: "ben", CLEO: "cleo", VERA: "vera", OLGA: "olga"}
ORGANISATION, SISTER, ELSEWHERE = "E0LOCAL", "T0SISTER", "T0ELSEWHERE"
"""The organisation, its other workspace, and the workspace of another company, once they are there."""
SIRI, FRANK = "W0SIRI", "U0FRANK"
"""A colleague in the other workspace of the organisation, and a person of another company."""


class Stage:
    """A workspace with five people, a gateway with orders and, once it is started, the real bot.

    It is an async context manager, or ``start`` and ``stop``. ``orders`` are statuses by order ID. ``settings`` are
    the bot's own: unless they say otherwise, Ben and Cleo approve, Vera audits, anybody may ask, and cards go to
    #payments. ``ack_within``, in seconds, and ``rate_limited`` are the workspace's.
    """

    def __init__(
        self,
        place: Place,
        *,
        orders: Mapping[str, str],
        settings: Mapping[str, str] | None = None,
        tuning: Tuning | None = None,
        now: Callable[[], datetime] = utc_now,
        ack_within: float = 3.0,
        rate_limited: bool = False,
    ) -> None:
        self.slack = LocalSlack(now=now, ack_within=ack_within, rate_limited=rate_limited)
        self.gateway = LocalGateway(now=now)
        self.place = place
        self.former_gateway = ""
        """The address that the same gateway had in the run before."""
        self.bot: Bot | None = None
        self._settings = settings or {}
        self._tuning = tuning or Tuning()
        self._open = AsyncExitStack()
        for user, name in NAMES.items():
            self.slack.space.add_user(user, name)
        self.slack.space.add_channel(PAYMENTS, "payments", NAMES)
        self.slack.space.add_channel(GENERAL, "general", NAMES)
        for order, status in orders.items():
            self.gateway.add_order(order, status)

    @property
    def database(self) -> Path:
        """The bot's file; a database on a server has none."""
        assert isinstance(self.place, Path)
        return self.place

    async def start(self) -> None:
        """Start the workspace and the gateway, but not the bot."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.slack)
            await stack.enter_async_context(self.gateway)
            stack.push_async_callback(self.stop_bot)
            self._open = stack.pop_all()

    async def stop(self) -> None:
        """Stop the bot, if it runs, and then the rest."""
        await self._open.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- the bot ------------------------------------------------------------------------------

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the bot's settings in this workspace, with these changes."""
        return {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_API_URL": self.slack.api_url,
            "DVPAY_BASE_URL": self.gateway.base_url,
            "DVPAY_MOVED_FROM": self.former_gateway,
            "DVPAY_API_KEY": "local-key",
            "DVPAY_APP_ID": "local-app",
            "DATABASE_URL": address(self.place),
            "APPROVERS": f"{BEN},{CLEO}",
            "AUDITORS": VERA,
            "APPROVAL_CHANNEL": PAYMENTS,
            "PORT": "0",
            **self._settings,
            **changes,
        }

    async def start_bot(self, tuning: Tuning | None = None, /, **changes: str) -> Bot:
        """Start a bot with these changes of its settings, and return it once it is connected to Slack.

        Raises StoreError, OSError if PORT is taken, and TimeoutError if the connection does not come.
        """
        bot = await self.launch_bot(tuning, **changes)
        async with asyncio.timeout(10):
            await bot.connection.ready.wait()
        return bot

    async def launch_bot(self, tuning: Tuning | None = None, network: Network | None = None, /, **changes: str) -> Bot:
        """Do the same without waiting for the connection; ``network`` is its way to other machines, if not direct."""
        bot = Bot(load(self.environment(**changes)), tuning or self._tuning, network)
        await bot.start()
        self.bot = bot
        if "SLACK_SIGNING_SECRET" in changes:
            self.slack.events_url = f"http://127.0.0.1:{bot.port}/slack/events"
        return bot

    async def stop_bot(self) -> None:
        """Stop the bot as SIGTERM does, if it runs."""
        if self.bot is not None:
            await self.bot.stop()
            self.bot = None

    @property
    def running_bot(self) -> Bot:
        """The bot, which must have been started."""
        assert self.bot is not None
        return self.bot

    # --- the people ---------------------------------------------------------------------------

    def person(self, user_id: str) -> Person:
        """Return the person of this id."""
        return Person(self.slack, user_id)

    @property
    def ann(self) -> Person:
        """A requester."""
        return self.person(ANN)

    @property
    def ben(self) -> Person:
        """An approver."""
        return self.person(BEN)

    @property
    def cleo(self) -> Person:
        """A second approver."""
        return self.person(CLEO)

    @property
    def vera(self) -> Person:
        """An auditor."""
        return self.person(VERA)

    @property
    def olga(self) -> Person:
        """An outsider."""
        return self.person(OLGA)

    @property
    def siri(self) -> Person:
        """A colleague of another workspace; there is none before ``join_organisation``."""
        return self.person(SIRI)

    @property
    def frank(self) -> Person:
        """A person of another company; there is none before ``share``."""
        return self.person(FRANK)

    def join_organisation(self, *, channels: Iterable[str] = (PAYMENTS, GENERAL)) -> None:
        """Make the workspace one of two in an organisation (Enterprise Grid); Siri of the other one is in the channels.

        The bot learns of its organisation when it starts.
        """
        space = self.slack.space
        space.enterprise_id = ORGANISATION
        space.add_user(SIRI, "siri", team_id=SISTER, enterprise_id=ORGANISATION)
        for channel in channels:
            space.channels[channel].members.add(SIRI)
            space.channels[channel].org_shared = True

    def share(self, channel: str = PAYMENTS, *, enterprise_id: str | None = None) -> Channel:
        """Share a channel with another company (Slack Connect), of which Frank comes in; return it, with its new id.

        ``enterprise_id`` is the other company's organisation, if it has one.
        """
        self.slack.space.add_user(FRANK, "frank", team_id=ELSEWHERE, enterprise_id=enterprise_id)
        return self.slack.space.share(channel, [FRANK])

    async def fill_in(
        self, order: str, reason: str = "typed twice", *, person: Person | None = None, channel: str = GENERAL
    ) -> dict[str, str] | None:
        """Type the command, fill in the form and send it. Return the errors by field, or None if it was accepted."""
        person = person or self.ann
        await person.command("/cancel-order", channel)
        await self.slack.space.changes.wait_for(lambda: person.modal)
        return await person.submit(order_id=order, reason=reason)

    async def ask(
        self,
        order: str = "ord_1",
        reason: str = "typed twice",
        *,
        person: Person | None = None,
        channel: str = GENERAL,
    ) -> Posted:
        """Ask for a request and return its card."""
        await self.fill_in(order, reason, person=person, channel=channel)
        return await self.card(order)

    async def card(self, order: str, channel: str = PAYMENTS) -> Posted:
        """Return the newest card of this order, as soon as it is posted."""

        def look() -> Posted | None:
            messages = self.slack.space.messages(channel)
            return next((message for message in reversed(messages) if order in self.ann.reads(message)), None)

        return await self.slack.space.changes.wait_for(look)
