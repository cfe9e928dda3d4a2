"""The worker does everything that is due, no matter what hangs, fails or stops."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import Event
from bot.domain.cancellation import Cancellation
from bot.domain.delivery import Delivery, DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.policy import Act
from bot.store import Store, StoreError, StoreProblem
from bot.worker import Worker
from bot.workflow import Claimed, Wish, Workflow, decisions
from tests.clock import Clock
from tests.world import actor
from tests.writer import busy

FAILURE = StoreError(StoreProblem.DISK_FULL, Path("bot.db"), "database or disk is full")


@dataclass
class FakeGateway:
    """A gateway that answers when ``answer`` is set."""

    answer: asyncio.Event = field(default_factory=asyncio.Event)
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def cancel(self, order_id: str, reason: str) -> Answer:
        """Cancel the order, once it answers."""
        self.called.set()
        await self.answer.wait()
        return Answer(Outcome.CANCELLED)


@dataclass
class FakeCourier:
    """A courier that delivers everything, or does what ``behave`` says."""

    brought: list[DeliveryKind] = field(default_factory=list)
    behave: Callable[[Delivery], Receipt] = lambda _: Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1", "")

    async def deliver(self, delivery: Delivery, cancellation: Cancellation, event: Event) -> Receipt:
        """Return what ``behave`` returns."""
        self.brought.append(delivery.kind)
        return self.behave(delivery)


@pytest.fixture
def gateway() -> FakeGateway:
    """Return a gateway that hangs until a test lets it answer."""
    return FakeGateway()


@pytest.fixture
def courier() -> FakeCourier:
    """Return a courier that delivers."""
    return FakeCourier()


@pytest.fixture
def worker(workflow: Workflow, gateway: FakeGateway, courier: FakeCourier, clock: Clock, wake: asyncio.Event) -> Worker:
    """Return a worker over a real store."""
    return Worker(workflow, gateway, courier, now=clock, name="w", wake=wake)


@pytest.fixture
def claiming(workflow: Workflow, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return an event that is set as soon as the worker begins to claim."""
    claiming, claim = asyncio.Event(), workflow.claim

    async def noticed(worker: str, **options: Any) -> Claimed:
        claiming.set()
        return await claim(worker, **options)

    monkeypatch.setattr(workflow, "claim", noticed)
    return claiming


async def approved(workflow: Workflow, order: str = "ord_1") -> str:
    """Return the id of an approved cancellation."""
    asked = (await workflow.request(Wish(order, order, "", "C1"), actor("U1"))).cancellation
    assert asked is not None
    await workflow.act(decisions.approve, Act.APPROVE, asked.id, actor("U2"))
    return asked.id


async def state(store: Store, cancellation_id: str) -> str:
    """Return the state of this cancellation."""
    found = await store.read(lambda tables: tables.cancellations.get(cancellation_id))
    assert found is not None
    return found.state


async def test_a_hanging_gateway_holds_up_no_message(
    workflow: Workflow,
    store: Store,
    worker: Worker,
    gateway: FakeGateway,
    courier: FakeCourier,
) -> None:
    """While a call hangs, cards go out; when it answers, the result does too."""
    asked = await approved(workflow)
    running = asyncio.create_task(worker.run())
    await gateway.called.wait()
    while DeliveryKind.CARD_UPDATE not in courier.brought:  # noqa: ASYNC110 -- the worker sets no event for it
        await asyncio.sleep(0)
    assert await state(store, asked) == "sending"
    gateway.answer.set()
    while DeliveryKind.REPLY not in courier.brought:  # noqa: ASYNC110 -- the same
        await asyncio.sleep(0)
    assert await state(store, asked) == "cancelled"
    await worker.stop(1)
    await running


async def test_stopping_leaves_what_does_not_end_in_time(
    workflow: Workflow,
    store: Store,
    worker: Worker,
    gateway: FakeGateway,
) -> None:
    """A call that does not end within the grace is left for the next start, as an answer lost."""
    asked = await approved(workflow)
    running = asyncio.create_task(worker.run())
    await gateway.called.wait()
    await worker.stop(0.01)
    await running
    assert await state(store, asked) == "sending"


async def test_stopping_waits_for_what_is_being_claimed(
    workflow: Workflow,
    store: Store,
    worker: Worker,
    gateway: FakeGateway,
    claiming: asyncio.Event,
) -> None:
    """A call whose claim is under way when the stop comes is made and its answer kept, not made unattended."""
    asked = await approved(workflow)
    gateway.answer.set()
    async with busy(store):
        running = asyncio.create_task(worker.run())
        await claiming.wait()
        stopping = asyncio.create_task(worker.stop(10))
        await asyncio.sleep(0)
    await stopping
    assert await state(store, asked) == "cancelled"
    await running


async def test_a_stop_waits_no_longer_for_the_file_than_for_the_rest(
    workflow: Workflow, store: Store, worker: Worker, claiming: asyncio.Event
) -> None:
    """A claim that another program's lock holds up does not hold up the stop."""
    await approved(workflow)
    async with busy(store):
        running = asyncio.create_task(worker.run())
        await claiming.wait()
        async with asyncio.timeout(5):
            await worker.stop(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_no_more_calls_at_once_than_allowed(
    store: Store,
    workflow: Workflow,
    gateway: FakeGateway,
    courier: FakeCourier,
    clock: Clock,
    wake: asyncio.Event,
) -> None:
    """Calls beyond the limit wait for a place."""
    worker = Worker(workflow, gateway, courier, now=clock, name="w", wake=wake, calls=2)
    asked = [await approved(workflow, f"ord_{number}") for number in range(4)]
    busy = asyncio.create_task(worker.until_idle())
    await gateway.called.wait()
    states = [await state(store, found) for found in asked]
    assert states.count("sending") <= 2
    gateway.answer.set()
    await busy
    assert [await state(store, found) for found in asked] == ["cancelled"] * 4


async def test_more_than_one_claim_takes_is_begun_at_once(
    workflow: Workflow,
    store: Store,
    gateway: FakeGateway,
    courier: FakeCourier,
    clock: Clock,
    wake: asyncio.Event,
) -> None:
    """After a long outage everything that is due is begun, without waiting for the first calls to end."""
    # Without messages, whose results would wake the worker for another claim.
    worker = Worker(workflow, gateway, courier, now=clock, name="w", wake=wake, messages=0)
    asked = [await approved(workflow, f"ord_{number}") for number in range(45)]
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        while [await state(store, found) for found in asked].count("sending") < len(asked):
            pass
    assert not gateway.answer.is_set()
    await worker.stop(0.01)
    await running


async def test_an_answer_is_written_down_through_a_failing_file(
    workflow: Workflow,
    store: Store,
    worker: Worker,
    gateway: FakeGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk after the call does not lose the answer; it is written when it can be."""
    asked = await approved(workflow)
    gateway.answer.set()
    transaction, failures = store.transaction, [FAILURE, FAILURE]

    async def failing(name: str, work: Any) -> Any:
        if name == "record_answer" and failures:
            raise failures.pop()
        return await transaction(name, work)

    async def no_sleep(_: float) -> None: ...

    monkeypatch.setattr(store, "transaction", failing)
    monkeypatch.setattr("bot.worker.worker.asyncio.sleep", no_sleep)
    await worker.until_idle()
    assert await state(store, asked) == "cancelled"
    assert not failures


async def test_a_failing_file_does_not_end_the_worker(
    workflow: Workflow,
    store: Store,
    worker: Worker,
    courier: FakeCourier,
    wake: asyncio.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While nothing can be read or written the worker waits, and goes on afterwards."""
    await approved(workflow)
    looked = asyncio.Event()

    async def failing(*_: object, **__: object) -> None:
        looked.set()
        raise FAILURE

    with monkeypatch.context() as patched:
        patched.setattr(workflow, "claim", failing)
        running = asyncio.create_task(worker.run())
        await looked.wait()
    wake.set()
    while not courier.brought:  # noqa: ASYNC110 -- the worker sets no event for it
        await asyncio.sleep(0)
    await worker.stop(0.01)
    await running


async def test_a_courier_that_raises_does_not_end_the_worker(
    workflow: Workflow,
    worker: Worker,
    gateway: FakeGateway,
    courier: FakeCourier,
    clock: Clock,
) -> None:
    """A fault in delivering is logged; the delivery comes again when its lease is over."""
    gateway.answer.set()

    def fail(_: Delivery) -> Receipt:
        raise RuntimeError

    courier.behave = fail
    await approved(workflow)
    await worker.until_idle()
    courier.behave = lambda _: Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1", "")
    courier.brought.clear()
    clock.advance(minutes=3)
    await worker.until_idle()
    assert courier.brought[0] is DeliveryKind.CARD
