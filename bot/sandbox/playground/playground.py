"""The playground: a stage that can be watched while people play on it, and that the next run finds as it was left."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from bot.domain.audit import Event
from bot.domain.verification import Verification, walk
from bot.sandbox.changes import Changes
from bot.sandbox.faults import Drop, Fault, Hang
from bot.sandbox.gateway import OrderStatus
from bot.sandbox.gateway_answers import error, internal_error, too_many
from bot.sandbox.middle_box_pages import nginx
from bot.sandbox.playground import kept
from bot.sandbox.stage import ANN, BEN, CLEO, OLGA, PAYMENTS, VERA, Stage
from bot.store import StoreError, Tables
from bot.tuning import Tuning

T = TypeVar("T")

PARTS = {ANN: "asks", BEN: "approves", CLEO: "approves", VERA: "audits", OLGA: "an outsider"}
"""Each person's part."""

_ORDERS = {
    "ord_1001": OrderStatus.PENDING,
    "ord_1002": OrderStatus.PROCESSING,
    "ord_1003": OrderStatus.COMPLETED,
    "ord_1004": OrderStatus.PENDING,
    "ord_1005": OrderStatus.PAID,
    "ord_1006": OrderStatus.PENDING,
}
NEXT: dict[str, Callable[[str], Fault]] = {
    "lost": lambda _: Drop(after_effect=True),
    "401": lambda _: error(401, "INVALID_API_KEY", "X-Api-Key is missing or wrong."),
    "409": lambda order: error(
        409, "ORDER_ALREADY_CANCELLED", "Order is already cancelled.", order_id=order, current_status="cancelled"
    ),
    "429": lambda _: too_many(3),
    "500": lambda _: internal_error(),
    "page": lambda _: nginx(502),
}
"""What people can order for the next call to the gateway.

``lost`` is an answer that gets lost after the work, and ``page`` that of a proxy on the way, instead of it.
"""
_REASONS = "Ordered twice,Wrong amount,Fraud"
"""A short list, of which the commands in the page's hints name the first."""
_REFUSAL = "restricted_action"
"""The error of a Slack that refuses posts: "a workspace preference prevents the authenticated user from posting"."""
_SAVE_AFTER = 0.2
"""Seconds: changes come in bursts, and one file for a burst is enough."""
_VERIFY_EVERY = 2.0
"""Seconds."""

_GONE = (
    "The messages of an earlier run are gone, but its record is still here. The buttons of its cards are gone, too. "
    "To start over, stop the playground and delete {}.*"
)
_NOT_KEPT = "{} cannot be written ({}). The next run will not have these messages."


@dataclass(frozen=True, slots=True)
class BotState:
    """One of several bots, by its number from 1. ``about`` says in a few words what it does, or why it is not ready."""

    number: int
    running: bool
    ready: bool
    about: str


@dataclass(slots=True)
class Switches:
    """The gateway's faults that people can switch on.

    ``slow_by`` is the time that a slow answer takes, in seconds. ``next`` is the name in ``NEXT`` of the next answer,
    or empty.
    """

    slow: bool = False
    down: bool = False
    slow_by: float = 5.0
    next: str = ""

    def choose(self, order_id: str) -> Fault | None:
        """Return the fault of the next call. One that is for the next call only does not come again."""
        if self.next:
            answer, self.next = NEXT[self.next](order_id), ""
            return answer
        if self.slow:
            until = asyncio.Event()
            asyncio.get_running_loop().call_later(self.slow_by, until.set)
            return Hang(until)
        return None


class Playground(Stage):
    """A stage whose every change is counted in ``version``, and whose content lasts.

    The bot keeps its database at ``database``; the messages, orders and calls are kept beside it as JSON.
    ``settings`` are changes of the bot's settings. ``notice`` is a sentence for the page to show, or empty.
    """

    def __init__(
        self, database: Path, *, settings: Mapping[str, str] | None = None, tuning: Tuning | None = None
    ) -> None:
        super().__init__(
            database,
            orders=_ORDERS,
            settings={"REQUESTERS": f"{ANN},{BEN},{CLEO}", "REASONS": _REASONS, **(settings or {})},
            tuning=tuning,
        )
        self.switches = Switches()
        self.changes = Changes()
        self.version = 0
        self.notice = ""
        self.data = database
        self._is_new = not database.exists()
        self._kept = database.with_suffix(".json")
        self._switching = asyncio.Lock()
        self._following: list[asyncio.Task[None]] = []
        for user in PARTS:
            # Before the bot's first word, so that it is in everybody's list of channels.
            self.slack.space.direct_channel(user)

    async def start(self) -> None:
        """Start everything, and return once the bot is connected. Raises StoreError."""
        self._load()
        self.gateway.faults.choose = self.switches.choose
        await super().start()
        try:
            await self.start_bots()
        except BaseException:
            await super().stop()
            raise
        follow = (self._follow_slack, self._follow_gateway, self.follow_record, self._watch_record, self._keep)
        self._following = [asyncio.create_task(work()) for work in follow]

    async def start_bots(self) -> None:
        """Start the bot, and return once it is connected. Raises StoreError and TimeoutError."""
        await self.start_bot(replace(self._tuning, on_commit=self._committed(asyncio.get_running_loop())))

    async def stop(self) -> None:
        """Stop the bot as SIGTERM does, then the rest, and keep what is there."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        await super().stop()
        self._save()

    def touch(self) -> None:
        """Count a change, and wake everybody who waits for one."""
        self.version += 1
        self.changes.touch()

    async def record(self) -> tuple[list[Event], Verification]:
        """Return all events, and what a verification of the whole chain finds. Raises StoreError."""

        def read(tables: Tables) -> tuple[list[Event], Verification]:
            events = list(tables.record.all())
            return events, walk(events)

        return await self.read(read)

    async def read(self, work: Callable[[Tables], T]) -> T:
        """Return what ``work`` reads from the record. Raises StoreError."""
        return await self.running_bot.store.read(work)

    @property
    def bots(self) -> list[BotState]:
        """Each of several bots; none where there is one that nobody can kill."""
        return []

    @property
    def connected(self) -> bool:
        """True while a bot has a connection to Slack."""
        return self.running_bot.connection.missing is None

    async def turn_bot(self, number: int, *, on: bool) -> None:  # noqa: ARG002 -- there is nothing to turn here
        """Start this one of several bots, or end it as kill -9 does. Raises KeyError for another number."""
        raise KeyError(number)

    async def switch(self, name: str, *, on: bool) -> None:
        """Turn a fault of the gateway on or off: slow or down. Raises KeyError for another name."""
        if name not in {"slow", "down"}:
            raise KeyError(name)
        # Two switches at once must not start the gateway twice.
        async with self._switching:
            if name == "down" and on is not self.switches.down:
                await (self.gateway.stop() if on else self.gateway.start())
            setattr(self.switches, name, on)
        self.touch()

    def order_answer(self, name: str) -> None:
        """Let the next call get the answer of this name in ``NEXT``, or a sound one if it is empty. Raises KeyError."""
        if name and name not in NEXT:
            raise KeyError(name)
        self.switches.next = name
        self.touch()

    # --- Slack's trouble ------------------------------------------------------------------------

    @property
    def slack_trouble(self) -> dict[str, bool]:
        """The troubles that can be ordered in Slack, by name, each true while it lasts."""
        removed = self.slack.space.bot_user_id not in self.slack.space.channels[PAYMENTS].members
        return {"removed": removed, "refused": self.slack.refusals.of("chat.postMessage", None) is not None}

    def trouble_slack(self, name: str, *, on: bool) -> None:
        """Remove the bot from #payments, or let Slack refuse all posts, or end that. Raises KeyError for others."""
        members, bot = self.slack.space.channels[PAYMENTS].members, self.slack.space.bot_user_id
        match name, on:
            case "removed", True:
                members.discard(bot)
            case "removed", False:
                members.add(bot)
            case "refused", True:
                self.slack.refusals.start(_REFUSAL)
            case "refused", False:
                self.slack.refusals.end()
            case _:
                raise KeyError(name)
        self.touch()

    def delete_card(self) -> bool:
        """Delete the bot's newest message in #payments, as an owner of the workspace can. Return False without one."""
        space = self.slack.space
        found = [each for each in space.messages(PAYMENTS) if each.user == space.bot_user_id]
        if found:
            space.delete_message(PAYMENTS, found[-1].ts)
        return bool(found)

    # --- following ------------------------------------------------------------------------------

    def _committed(self, loop: asyncio.AbstractEventLoop) -> Callable[[str], None]:
        def committed(_: str) -> None:
            # The store calls this on its writer's thread.
            loop.call_soon_threadsafe(self.touch)

        return committed

    async def _follow_slack(self) -> None:
        while True:
            await self.slack.space.changes.next()
            self.touch()

    async def _follow_gateway(self) -> None:
        with self.gateway.subscribe() as queue:
            while True:
                await queue.get()
                self.touch()

    async def follow_record(self) -> None:
        """Do nothing: the bot tells of each commit by itself."""

    async def _watch_record(self) -> None:
        """Notice what another program does to the record; the bot's own changes come through its commits."""
        known: Verification | None = None
        while True:
            await asyncio.sleep(_VERIFY_EVERY)
            with contextlib.suppress(StoreError):
                _, found = await self.record()
                if found != known:
                    self.touch()
                known = found

    # --- keeping --------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            await self.changes.next()
            await asyncio.sleep(_SAVE_AFTER)
            self._save()

    def _save(self) -> None:
        try:
            kept.save(self._kept, self)
        except OSError as error:
            self.notice = _NOT_KEPT.format(self._kept, error.strerror)

    def _load(self) -> None:
        if not self._kept.exists() and self._is_new:
            return
        try:
            kept.load(self._kept, self)
        except (OSError, ValueError):
            self.notice = _GONE.format(self.data.with_suffix(""))
