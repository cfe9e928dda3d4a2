"""The worker: it claims what is due in the store, does it, and keeps the result.

One loop serves calls to the gateway and messages to Slack alike. Everything that is claimed is in the store first, so
that the next process finishes it if this one dies.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from bot import tracing
from bot.domain.attempt import Answer, Attempt
from bot.domain.audit import Event
from bot.domain.backoff import pauses
from bot.domain.delivery import Delivery, Publish, Receipt
from bot.domain.request import Request
from bot.in_flight import InFlight
from bot.log import log_failure
from bot.store import StoreError
from bot.tracing import OFF, Tracing
from bot.workflow import ClaimedDelivery, Due, Held, Workflow

log = structlog.get_logger(__name__)

K = TypeVar("K")
T = TypeVar("T")

_LONGEST_SLEEP = 30.0
"""Seconds after which the worker looks in any case."""


class Gateway(Protocol):
    """The payment gateway, as far as the worker needs it."""

    async def cancel(self, order_id: str, reason: str) -> Answer:
        """Make one call and return what it proved; never raise for what the network or the gateway does."""
        ...


class Courier(Protocol):
    """The way to Slack, as far as the worker needs it."""

    async def deliver(self, delivery: Delivery, request: Request | None, event: Event) -> Receipt:
        """Make one try and return its result; never raise for what the network or Slack does.

        ``request`` is None for what is about no request.
        """
        ...

    async def publish(self, publish: Publish) -> Receipt:
        """Make one try to show a person their Home tab as it is now; never raise for what the network or Slack does."""
        ...

    async def remove(self, receipt: Receipt) -> None:
        """Remove a message that turned out to be a duplicate; never raise for what the network or Slack does."""
        ...


class Worker:
    """The loop over everything that is due. Setting ``wake`` makes it look at once.

    ``run`` goes on until ``stop``; ``until_idle`` does everything that is due by the clock and returns, for
    tests with a clock of their own. ``calls`` and ``messages`` are how many of each run at once. Nothing is brought to
    Slack before ``connected`` returns True; set ``wake`` then. ``attempted`` gets each answer of the gateway, with the
    seconds that the call took.
    """

    def __init__(
        self,
        workflow: Workflow,
        gateway: Gateway,
        courier: Courier,
        *,
        now: Callable[[], datetime],
        name: str,
        wake: asyncio.Event,
        in_flight: InFlight | None = None,
        connected: Callable[[], bool] = lambda: True,
        calls: int = 100,
        messages: int = 8,
        attempted: Callable[[Answer, float], None] = lambda *_: None,
        spans: Tracing = OFF,
    ) -> None:
        self.stopping = False
        self._workflow = workflow
        self._gateway = gateway
        self._courier = courier
        self._now = now
        self._name = name
        self._wake = wake
        self._in_flight = in_flight or InFlight()
        self._connected = connected
        self._attempted = attempted
        self._spans = spans
        self._most_calls, self._most_messages = calls, messages
        # By the cancellation's number, the delivery's position, and the person: what is in these hands nobody else may
        # settle.
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._deliveries: dict[int, asyncio.Task[None]] = {}
        self._homes: dict[str, asyncio.Task[None]] = {}
        self._digests: dict[datetime, asyncio.Task[None]] = {}
        """The digest whose figures are being read, by the begin of its period."""
        self._posting_to: frozenset[str] = frozenset()
        # What is claimed depends on what is being posted, so one claim at a time.
        self._claiming = asyncio.Lock()

    async def run(self) -> None:
        """Do what is due, whenever it is due, until ``stop`` is called; wait where the file fails."""
        waits = pauses(1.0, 60.0)
        while not self.stopping:
            self._wake.clear()
            try:
                seconds = self._seconds_until(await self._start_due())
                waits = pauses(1.0, 60.0)
            except StoreError as error:
                log_failure(log, "store_failed", error)
                seconds = next(waits)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()

    async def stop(self, grace: float) -> None:
        """Begin nothing new, and give what is under way ``grace`` seconds; the next start finds the rest."""
        self.stopping = True
        self._wake.set()
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
        return {
            *self._calls.values(),
            *self._deliveries.values(),
            *self._homes.values(),
            *self._digests.values(),
        }

    async def _start_due(self) -> datetime | None:
        """Begin what is due; return when something falls due next, as far as that is known.

        What is due and was not begun waits for its channel, for an earlier message of its thread, or for room;
        each of these has a moment of its own or wakes the loop.
        """
        while True:
            await self._in_flight.idle()
            async with self._claiming:
                if self.stopping:
                    return None
                claimed = await self._workflow.claim(
                    self._name,
                    calls=self._most_calls - len(self._calls),
                    # A try before Slack has said who the bot is would fail, and make people wait for the next one.
                    messages=self._room_for_messages() if self._connected() else 0,
                    not_to=self._posting_to,
                    held=Held(frozenset(self._calls), frozenset(self._deliveries), frozenset(self._homes)),
                )
                for attempt in claimed.attempts:
                    self._start(self._calls, attempt.cancellation, self._call(attempt))
                if (due := claimed.digest) is not None and due.period.since not in self._digests:
                    self._start(self._digests, due.period.since, self._digest(due))
                for claimed_delivery in claimed.deliveries:
                    delivery = claimed_delivery.delivery
                    if delivery.kind.is_new_message:
                        self._posting_to |= {delivery.target}
                    self._start(self._deliveries, delivery.position, self._deliver(claimed_delivery))
                for publish in claimed.homes:
                    self._start(self._homes, publish.person, self._publish(publish))
            if not claimed.more:
                return claimed.next_at

    def _room_for_messages(self) -> int:
        return self._most_messages - len(self._deliveries) - len(self._homes)

    def _seconds_until(self, due: datetime | None) -> float:
        if due is None:
            return _LONGEST_SLEEP
        return max(0.0, min(_LONGEST_SLEEP, (due - self._now()).total_seconds()))

    def _start(self, running: dict[K, asyncio.Task[None]], key: K, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        running[key] = task
        task.add_done_callback(lambda done: self._finished(running, key, done))

    def _finished(self, running: dict[K, asyncio.Task[None]], key: K, task: asyncio.Task[None]) -> None:
        if running.get(key) is task:  # else the next attempt has begun in the same moment
            del running[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its lease ends by itself; then it is taken up again.
            log_failure(log, "work_failed", error)
        self._wake.set()

    async def _call(self, attempt: Attempt) -> None:
        if attempt.lease_until is not None and self._now() >= attempt.lease_until:
            # This process stood still, and somebody else may be calling by now. What became of this attempt is for
            # whoever claims it next to settle.
            log.warning("lease_over", order=attempt.order_id)
            return
        with self._spans.span("gateway cancel", kind="CLIENT", request=attempt.request_id, order=attempt.order_id):
            began = time.perf_counter()
            answer = await self._gateway.cancel(attempt.order_id, attempt.reason)
            self._attempted(answer, time.perf_counter() - began)
            tracing.note(outcome=str(answer.outcome), trouble=str(answer.trouble or ""))
            await _persist(lambda: self._workflow.record_answer(attempt, answer))

    async def _digest(self, due: Due) -> None:
        await _persist(lambda: self._workflow.digest(due))

    async def _deliver(self, claimed: ClaimedDelivery) -> None:
        delivery = claimed.delivery
        try:
            with self._spans.span(
                "slack deliver", kind="CLIENT", request=delivery.request_id, delivery=str(delivery.kind)
            ):
                receipt = await self._courier.deliver(delivery, claimed.request, claimed.event)
                tracing.note(outcome=str(receipt.outcome), problem=receipt.problem)
                concluded = await _persist(lambda: self._workflow.record_delivery(delivery, receipt))
                if concluded.surplus:
                    await self._courier.remove(receipt)
        finally:
            if delivery.kind.is_new_message:
                self._posting_to -= {delivery.target}

    async def _publish(self, publish: Publish) -> None:
        receipt = await self._courier.publish(publish)
        await _persist(lambda: self._workflow.record_publish(publish, receipt))


async def _persist(record: Callable[[], Coroutine[None, None, T]]) -> T:
    """Keep a result, through a full disk and other passing trouble of the file."""
    for pause in pauses(0.5, 30.0):
        try:
            return await record()
        except StoreError as error:
            log_failure(log, "store_failed", error)
            await asyncio.sleep(pause)
    raise AssertionError  # the pauses never end
