"""The worker: takes what is due from the store, does it, and writes down what became of it.

One loop serves calls to the gateway and messages to Slack alike: claim, do, record. Whatever is
claimed is in the store first, so that the next process finishes it if this one dies.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import structlog

from bot.domain.attempt import Answer
from bot.domain.audit import Event
from bot.domain.cancellation import Cancellation
from bot.domain.delivery import Delivery, Receipt
from bot.precedence import Precedence
from bot.store import Attempt, StoreError
from bot.workflow import Owed, Workflow

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Gateway(Protocol):
    """Who can be asked to cancel an order."""

    async def cancel(self, order_id: str, reason: str) -> Answer:
        """What one call proved; never raises for what the network or the gateway does."""


class Courier(Protocol):
    """Who can bring a delivery to Slack."""

    async def deliver(self, delivery: Delivery, cancellation: Cancellation, event: Event) -> Receipt:
        """What became of one try; never raises for what the network or Slack does."""


class Pace:
    """Slack's rate for messages, about one a second in each channel with a few at once, kept per target.

    ``spared`` names the targets that must wait, also those that Slack took nothing for lately.
    """

    def __init__(self, now: Callable[[], datetime], *, every: timedelta = timedelta(seconds=1), burst: int = 4) -> None:
        self._now = now
        self._every = every
        self._slack = every * (burst - 1)
        self._free_at: dict[str, datetime] = {}

    def spared(self) -> frozenset[str]:
        """The targets that get nothing for now."""
        limit = self._now() + self._slack
        return frozenset(target for target, at in self._free_at.items() if at > limit)

    def used(self, target: str) -> None:
        """Count one message to this target."""
        self._free_at[target] = max(self._free_at.get(target, self._now()), self._now()) + self._every

    def hold(self, target: str, pause: timedelta) -> None:
        """Spare this target for so long."""
        self._free_at[target] = self._now() + self._slack + pause

    def next_free(self, after: datetime) -> datetime | None:
        """When the first of the targets that were spared at that time is free again."""
        return min((at - self._slack for at in self._free_at.values() if at - self._slack > after), default=None)

    def forget(self, before: datetime) -> None:
        """Forget the targets that have been free since then."""
        self._free_at = {target: at for target, at in self._free_at.items() if at > before}


class Worker:
    """Does what is due. ``wake`` tells it that there may be something new to do.

    ``run`` goes on until ``stop``; ``until_idle`` does all that is due by the clock and returns, which
    is what tests with a clock of their own use.
    """

    def __init__(
        self,
        workflow: Workflow,
        gateway: Gateway,
        courier: Courier,
        *,
        now: Callable[[], datetime],
        name: str,
        pace: Pace | None = None,
        precedence: Precedence | None = None,
        gateway_calls: int = 100,
        deliveries: int = 8,
    ) -> None:
        self._workflow = workflow
        self._gateway = gateway
        self._courier = courier
        self._now = now
        self._name = name
        self._pace = pace or Pace(now)
        self._precedence = precedence or Precedence()
        self._limits = {"attempt": gateway_calls, "delivery": deliveries}
        self._running: dict[str, set[asyncio.Task[None]]] = {"attempt": set(), "delivery": set()}
        self._posting: frozenset[str] = frozenset()
        # What is claimed depends on what is being posted, so one claim at a time.
        self._claiming = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Look again soon: something was committed."""
        self._wake.set()

    async def run(self) -> None:
        """Do what is due, whenever it is due, until ``stop`` is called. A failing file is waited out."""
        pause = 1.0
        while not self._stopping:
            self._wake.clear()
            began = self._now()
            try:
                seconds = self._seconds_until(await self._start_due(), began)
                pause = 1.0
            except StoreError as error:
                log.error("store_failed", problem=str(error))  # noqa: TRY400 -- the message says it all
                seconds, pause = pause, min(pause * 2, 60.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)

    async def stop(self, grace: float) -> None:
        """Take nothing new, and give what is under way ``grace`` seconds; the rest is found at the next start."""
        self._stopping = True
        self.wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                async with self._claiming:  # what is being claimed in this moment is begun first
                    under_way = self._under_way()
                if under_way:
                    await asyncio.wait(under_way)
        if left := self._under_way():
            log.warning("left_for_the_next_start", count=len(left))
            for task in left:
                task.cancel()
            await asyncio.wait(left)  # until their connections are closed

    async def until_idle(self) -> None:
        """Do everything that is due by the clock, and what becomes due by doing it."""
        while True:
            await self._start_due()
            under_way = self._under_way()
            if not under_way:
                return
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)

    def _under_way(self) -> set[asyncio.Task[None]]:
        return self._running["attempt"] | self._running["delivery"]

    async def _start_due(self) -> datetime | None:
        """Begin what is due; gives when something falls due next, as far as that is known.

        What is due and was not begun waits for its channel, for an earlier message of its thread, or for room;
        each of these has a moment of its own or wakes the loop.
        """
        while True:
            await self._precedence.give_way()
            async with self._claiming:
                if self._stopping:
                    return None
                claimed = await self._workflow.claim(
                    self._name,
                    attempts=self._room("attempt"),
                    deliveries=self._room("delivery"),
                    not_to=self._pace.spared() | self._posting,
                )
                for attempt in claimed.attempts:
                    self._start("attempt", self._call(attempt))
                for owed in claimed.owed:
                    if owed.delivery.kind.is_new_message:
                        self._pace.used(owed.delivery.target)
                        self._posting |= {owed.delivery.target}
                    self._start("delivery", self._deliver(owed))
            if not claimed.more:
                return claimed.next_at

    def _seconds_until(self, due: datetime | None, began: datetime) -> float:
        moments = [at for at in (due, self._pace.next_free(began)) if at is not None]
        self._pace.forget(began)
        seconds = [(at - self._now()).total_seconds() for at in moments]
        return max(0.0, min([*seconds, _LONGEST_SLEEP]))

    def _room(self, kind: str) -> int:
        return self._limits[kind] - len(self._running[kind])

    def _start(self, kind: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=kind)
        self._running[kind].add(task)
        task.add_done_callback(lambda done: self._finished(kind, done))

    def _finished(self, kind: str, task: asyncio.Task[None]) -> None:
        self._running[kind].discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its lease ends by itself; then it is taken up again.
            log.error("work_failed", kind=kind, exc_info=error)
        self.wake()

    async def _call(self, attempt: Attempt) -> None:
        answer = await self._gateway.cancel(attempt.order_id, attempt.reason)
        await self._persist(self._workflow.record_answer, attempt, answer)

    async def _deliver(self, owed: Owed) -> None:
        delivery = owed.delivery
        try:
            receipt = await self._courier.deliver(delivery, owed.cancellation, owed.event)
            spare = await self._persist(self._workflow.record_delivery, delivery, receipt)
            if spare:
                self._pace.hold(delivery.target, spare)
        finally:
            if delivery.kind.is_new_message:
                self._posting -= {delivery.target}

    async def _persist(self, record: Callable[..., Coroutine[None, None, T]], *what: object) -> T:
        """Write a result down, through a full disk and other passing trouble of the file."""
        pause = 0.5
        while True:
            try:
                return await record(*what)
            except StoreError as error:
                log.error("store_failed", problem=str(error))  # noqa: TRY400 -- the message says it all
                await asyncio.sleep(pause)
                pause = min(pause * 2, 30.0)


_LONGEST_SLEEP = 30.0
