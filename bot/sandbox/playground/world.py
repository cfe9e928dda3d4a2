"""What stands behind the page: a workspace with people in it, a gateway with orders, and the real bot."""

import asyncio
import contextlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.app import Bot, Tuning
from bot.domain.audit import Event, Verification, verify
from bot.sandbox.changes import Changes
from bot.sandbox.faults import Drop, Fault, Hang
from bot.sandbox.gateway import GatewayCall, LocalGateway, Order, OrderStatus
from bot.sandbox.slack import LocalSlack
from bot.sandbox.workspace import Message
from bot.settings import load
from bot.store import StoreError

PAYMENTS, GENERAL = "C0PAYMENTS", "C0GENERAL"
ANN, BEN, CLEO, VERA, OLGA = "U0ANN", "U0BEN", "U0CLEO", "U0VERA", "U0OLGA"
PEOPLE = {
    ANN: ("ann", "asks"),
    BEN: ("ben", "approves"),
    CLEO: ("cleo", "approves"),
    VERA: ("vera", "audits"),
    OLGA: ("olga", "an outsider"),
}
"""Each person's name and part."""

_ORDERS = {
    "ord_1001": OrderStatus.PENDING,
    "ord_1002": OrderStatus.PROCESSING,
    "ord_1003": OrderStatus.COMPLETED,
    "ord_1004": OrderStatus.PENDING,
    "ord_1005": OrderStatus.PAID,
    "ord_1006": OrderStatus.PENDING,
}
_KEPT_MESSAGES = 2000
_SAVE_AFTER = 0.2
_VERIFY_EVERY = 2.0

_GONE = (
    "The messages of an earlier run are gone, but its record is still here. Cards from before cannot be pressed any "
    "more. To start over, stop the playground and delete {}.*"
)


@dataclass(slots=True)
class Switches:
    """The gateway's faults that can be switched on. ``slow_by`` is how long a slow answer takes, in seconds."""

    slow: bool = False
    down: bool = False
    lost: bool = False
    slow_by: float = 5.0

    def choose(self, _order_id: str) -> Fault | None:
        """What happens to the next call. A lost answer is lost once: the call after it is answered again."""
        if self.lost:
            self.lost = False
            return Drop(after_effect=True)
        if self.slow:
            until = asyncio.Event()
            asyncio.get_running_loop().call_later(self.slow_by, until.set)
            return Hang(until)
        return None


class World:
    """Starts, keeps and stops it all. ``version`` counts every change of workspace, gateway or record.

    The bot keeps its database at ``database``; the workspace's messages and the gateway's orders lie
    and calls lie beside it as JSON, so that the next run goes on where this one ended. ``notice`` is for the page
    to show, if there is anything that people must know.
    """

    def __init__(self, database: Path, *, approvals: int = 1, tuning: Tuning | None = None) -> None:
        self.slack = LocalSlack()
        self.gateway = LocalGateway()
        self.switches = Switches()
        self.changes = Changes()
        self.version = 0
        self.notice = ""
        self.bot: Bot
        self._database = database
        self._kept = database.with_suffix(".json")
        self._approvals = approvals
        self._tuning = tuning or Tuning()
        self._switching = asyncio.Lock()
        self._closing = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Start everything and wait until the bot is connected. Raises StoreError."""
        self._populate()
        self.gateway.faults.choose = self.switches.choose
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.slack)
            await stack.enter_async_context(self.gateway)
            loop = asyncio.get_running_loop()

            def committed(_: str) -> None:
                loop.call_soon_threadsafe(self.touch)

            tuning = replace(self._tuning, on_commit=committed)
            self.bot = Bot(load(self._environment()), tuning)
            await self.bot.start()
            stack.push_async_callback(self.bot.stop)
            for work in (self._follow_slack, self._follow_gateway, self._watch_record, self._keep):
                stack.push_async_callback(_end, asyncio.create_task(work()))
            await asyncio.wait_for(self.bot.connection.ready.wait(), 10)
            self._closing = stack.pop_all()

    async def stop(self) -> None:
        """Stop the bot as SIGTERM does, then the rest, and keep what was there."""
        await self._closing.aclose()
        self._save()

    def touch(self) -> None:
        """Tell everybody who looks that something changed."""
        self.version += 1
        self.changes.touch()

    async def record(self) -> tuple[list[Event], Verification]:
        """The bot's audit events, and what recomputing their whole chain found. Raises StoreError."""

        def read(reader: Any) -> tuple[list[Event], Verification]:
            events = list(reader.events())
            return events, verify(events)

        return await self.bot.store.read(read)

    async def switch(self, name: str, *, on: bool) -> None:
        """Turn a fault of the gateway on or off: slow, down or lost. Raises KeyError for another name."""
        if name not in {"slow", "down", "lost"}:
            raise KeyError(name)
        async with self._switching:
            if name == "down" and on is not self.switches.down:
                await (self.gateway.stop() if on else self.gateway.start())
            setattr(self.switches, name, on)
        self.touch()

    # --- the people and what they find ----------------------------------------------------------

    def _populate(self) -> None:
        space = self.slack.space
        for user, (name, _) in PEOPLE.items():
            space.add_user(user, name)
            space.direct_channel(user)
        space.add_channel(PAYMENTS, "payments", PEOPLE)
        space.add_channel(GENERAL, "general", PEOPLE)
        for order, status in _ORDERS.items():
            self.gateway.add_order(order, status)
        if self._kept.exists():
            self._load()
        elif self._database.exists():
            self.notice = _GONE.format(self._database.with_suffix(""))

    def _environment(self) -> dict[str, str]:
        return {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_API_URL": self.slack.api_url,
            "DVPAY_BASE_URL": self.gateway.base_url,
            "DVPAY_API_KEY": "local-key",
            "DVPAY_APP_ID": "local-app",
            "DATABASE_URL": f"sqlite:///{self._database}",
            "APPROVERS": f"{BEN},{CLEO}",
            "REQUESTERS": f"{ANN},{BEN},{CLEO}",
            "AUDITORS": VERA,
            "APPROVAL_CHANNEL": PAYMENTS,
            "APPROVALS_REQUIRED": str(self._approvals),
            "PORT": "0",
        }

    # --- following ------------------------------------------------------------------------------

    async def _follow_slack(self) -> None:
        while True:
            await self.slack.space.changes.next()
            self.touch()

    async def _follow_gateway(self) -> None:
        with self.gateway.subscribe() as queue:
            while True:
                await queue.get()
                self.touch()

    async def _watch_record(self) -> None:
        """Notice what another program does to the record: the bot's own changes are known anyway."""
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
        lasting = [asdict(message) for message in self.slack.space.posted if message.only_for is None]
        orders = [asdict(order) for order in self.gateway.orders.values()]
        draft = self._kept.with_suffix(".json.part")
        calls = [asdict(replace(call, fault=None)) for call in self.gateway.calls]
        kept = {"messages": lasting[-_KEPT_MESSAGES:], "orders": orders, "calls": calls[-_KEPT_MESSAGES:]}
        text = json.dumps(kept, default=datetime.isoformat)
        try:
            draft.touch(0o600)
            draft.write_text(text, "utf-8")
            draft.replace(self._kept)
        except OSError as error:
            self.notice = (
                f"{self._kept} cannot be written ({error.strerror}): the next run will not have these messages."
            )

    def _load(self) -> None:
        try:
            kept = json.loads(self._kept.read_text("utf-8"))
            messages = [Message(**message) for message in kept["messages"]]
            orders = [_order(**order) for order in kept["orders"]]
            calls = [_call(**call) for call in kept.get("calls", [])]
        except (OSError, ValueError, TypeError, KeyError):
            self.notice = _GONE.format(self._database.with_suffix(""))
            return
        self.slack.space.posted = messages
        self.gateway.orders |= {order.id: order for order in orders}
        self.gateway.calls += calls


def _order(id: str, status: str, reason: str, cancelled_at: str | None) -> Order:  # noqa: A002 -- the field's name
    return Order(id, OrderStatus(status), reason, datetime.fromisoformat(cancelled_at) if cancelled_at else None)


def _call(at: str, status: int | None, **rest: Any) -> GatewayCall:
    # What had no answer when the last run ended will not get one.
    rest["fault"] = Drop(after_effect=True) if status is None else None
    return GatewayCall(at=datetime.fromisoformat(at), status=status, **rest)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
