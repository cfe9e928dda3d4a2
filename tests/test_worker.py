"""The worker: what is due gets done, whatever else hangs, fails or stops."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import Event
from bot.domain.cancellation import Cancellation
from bot.domain.delivery import Delivery, DeliveryKind, Fate, Receipt
from bot.domain.policy import Standing
from bot.store import Store, StoreError, Unusable
from bot.worker import Worker
from bot.workflow import Accepted, Workflow
from tests.clock import Clock


@dataclass
class FakeGateway:
    """Answers when it is told to."""

    answer: asyncio.Event = field(default_factory=asyncio.Event)
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def cancel(self, order_id: str, reason: str) -> Answer:
        """Cancelled, once it answers."""
        self.called.set()
        await self.answer.wait()
        return Answer(Outcome.CANCELLED)


@dataclass
class FakeCourier:
    """Takes everything, or what ``behave`` says."""

    brought: list[DeliveryKind] = field(default_factory=list)
    behave: Callable[[Delivery], Receipt] = lambda _: Receipt(Fate.DELIVERED, "C1", "1.1", "")

    async def deliver(self, delivery: Delivery, cancellation: Cancellation, event: Event) -> Receipt:
        """What became of it."""
        self.brought.append(delivery.kind)
        return self.behave(delivery)


@pytest.fixture
def gateway() -> FakeGateway:
    """A gateway that hangs until told otherwise."""
    return FakeGateway()


@pytest.fixture
def courier() -> FakeCourier:
    """A courier that delivers."""
    return FakeCourier()


@pytest.fixture
def worker(workflow: Workflow, gateway: FakeGateway, courier: FakeCourier, clock: Clock) -> Worker:
    """A worker over a real store."""
    worker = Worker(workflow, gateway, courier, now=clock, name="w")
    workflow._changed = worker.wake
    return worker


async def approved(workflow: Workflow, order: str = "ord_1") -> str:
    """The id of an approved cancellation."""
    result = await workflow.request(
        form_id=order,
        order_id=order,
        reason="",
        requester="U1",
        name="",
        channel="C1",
        standing=Standing.MEMBER,
    )
    assert isinstance(result, Accepted)
    await workflow.approve(result.cancellation.id, "U2", "", Standing.MEMBER)
    return result.cancellation.id


async def state(store: Store, cancellation_id: str) -> str:
    """How it stands."""
    found = await store.read(lambda reader: reader.cancellation(cancellation_id))
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
    while DeliveryKind.CARD_UPDATE not in courier.brought:  # noqa: ASYNC110 -- the worker tells nobody
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
) -> None:
    """A call whose claim is under way when the stop comes is made and its answer kept, not made unattended."""
    asked = await approved(workflow)
    gateway.answer.set()
    held = threading.Event()
    store._writer.submit(held.wait)
    running = asyncio.create_task(worker.run())
    while not worker._claiming.locked():  # noqa: ASYNC110 -- the worker tells nobody
        await asyncio.sleep(0)
    stopping = asyncio.create_task(worker.stop(10))
    await asyncio.sleep(0)
    held.set()
    await stopping
    assert await state(store, asked) == "cancelled"
    await running


async def test_a_stop_waits_no_longer_for_the_file_than_for_the_rest(
    workflow: Workflow, store: Store, worker: Worker
) -> None:
    """A claim that another program's lock holds up does not hold up the stop."""
    await approved(workflow)
    held = threading.Event()
    store._writer.submit(held.wait)
    running = asyncio.create_task(worker.run())
    while not worker._claiming.locked():  # noqa: ASYNC110 -- the worker tells nobody
        await asyncio.sleep(0)
    try:
        async with asyncio.timeout(5):
            await worker.stop(0.01)
    finally:
        held.set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_no_more_calls_at_once_than_allowed(
    store: Store,
    workflow: Workflow,
    gateway: FakeGateway,
    courier: FakeCourier,
    clock: Clock,
) -> None:
    """Calls beyond the limit wait for a place."""
    worker = Worker(workflow, gateway, courier, now=clock, name="w", gateway_calls=2)
    asked = [await approved(workflow, f"ord_{number}") for number in range(4)]
    busy = asyncio.create_task(worker.until_idle())
    await gateway.called.wait()
    states = [await state(store, found) for found in asked]
    assert states.count("sending") <= 2
    gateway.answer.set()
    await busy
    assert [await state(store, found) for found in asked] == ["cancelled"] * 4


async def test_more_than_one_claim_takes_is_begun_at_once(
    workflow: Workflow, store: Store, worker: Worker, gateway: FakeGateway
) -> None:
    """After a long outage everything that is due is begun, without waiting for the first calls to end."""
    asked = [await approved(workflow, f"ord_{number}") for number in range(45)]
    running = asyncio.create_task(worker.run())
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
    transaction, failures = store.transaction, [Unusable("full"), Unusable("full")]

    async def failing(name: str, use: object) -> object:
        if name == "record_answer" and failures:
            raise failures.pop()
        return await transaction(name, use)  # type: ignore[arg-type]

    async def no_sleep(_: float) -> None: ...

    monkeypatch.setattr(store, "transaction", failing)
    monkeypatch.setattr("bot.worker.asyncio.sleep", no_sleep)
    await worker.until_idle()
    assert await state(store, asked) == "cancelled"


async def test_a_failing_file_does_not_end_the_worker(
    workflow: Workflow,
    store: Store,
    worker: Worker,
    courier: FakeCourier,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While nothing can be read or written the worker waits, and goes on afterwards."""
    await approved(workflow)
    looked = asyncio.Event()

    async def failing(*_: object, **__: object) -> None:
        looked.set()
        raise Unusable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(workflow, "claim", failing)
        running = asyncio.create_task(worker.run())
        await looked.wait()
    worker.wake()
    while not courier.brought:  # noqa: ASYNC110 -- the worker tells nobody
        await asyncio.sleep(0)
    await worker.stop(0.01)
    await running
    assert issubclass(Unusable, StoreError)


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
    courier.behave = lambda _: Receipt(Fate.DELIVERED, "C1", "1.1", "")
    courier.brought.clear()
    clock.advance(minutes=3)
    await worker.until_idle()
    assert courier.brought[0] is DeliveryKind.CARD
