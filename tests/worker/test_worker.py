"""The worker does everything that is due, no matter what hangs, fails or stops."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog

from bot.domain.attempt import Answer, Outcome, Reason
from bot.domain.audit import Event
from bot.domain.delivery import Delivery, DeliveryKind, DeliveryOutcome, Publish, Receipt
from bot.domain.events import Answered, Cancelled, Refused
from bot.domain.policy import Act, Members
from bot.domain.request import Request
from bot.domain.schedule import Schedule
from bot.store import Store, StoreError, StoreProblem
from bot.worker import Worker
from bot.workflow import Claimed, Due, Wish, Workflow, decisions
from tests.clock import Clock
from tests.world import actor
from tests.writer import busy

CONFIRMED = Answer(Outcome.CANCELLED)
ALREADY = Answer(Outcome.REFUSED, reason=Reason.ALREADY_CANCELLED)
FAILURE = StoreError(StoreProblem.DISK_FULL, Path("bot.db"), "database or disk is full")


@dataclass
class FakeGateway:
    """A gateway that answers when ``answer`` is set: it cancels an order once, and then says that it is cancelled."""

    answer: asyncio.Event = field(default_factory=asyncio.Event)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[str] = field(default_factory=list)
    first: Answer = CONFIRMED
    """The answer to the first call for each order."""

    async def cancel(self, order_id: str, reason: str) -> Answer:
        """Cancel the order, once it answers."""
        self.calls.append(order_id)
        self.called.set()
        await self.answer.wait()
        if self.calls.count(order_id) > 1:
            return ALREADY
        return self.first


@dataclass
class FakeCourier:
    """A courier that delivers everything, or does what ``behave`` says."""

    brought: list[DeliveryKind] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    removed: list[Receipt] = field(default_factory=list)
    published: list[Publish] = field(default_factory=list)
    behave: Callable[[Delivery], Receipt] = lambda _: Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1", "")

    async def deliver(self, delivery: Delivery, request: Request | None, event: Event) -> Receipt:
        """Return what ``behave`` returns."""
        self.brought.append(delivery.kind)
        self.orders += request.order_ids if request else ()
        return self.behave(delivery)

    async def publish(self, publish: Publish) -> Receipt:
        """Note whose Home tab is published."""
        self.published.append(publish)
        return Receipt(DeliveryOutcome.DELIVERED)

    async def remove(self, receipt: Receipt) -> None:
        """Note which message is a duplicate."""
        self.removed.append(receipt)


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
    """Return the id of an approved request."""
    asked = (await workflow.request(Wish(order, (order,), "", "C1"), actor("U1"))).request
    assert asked is not None
    await workflow.act(decisions.approve, Act.APPROVE, asked.id, actor("U2"), approvers=Members(frozenset({"U2"})))
    return asked.id


async def state(store: Store, request_id: str) -> str:
    """Return the state of this request."""
    found = await store.read(lambda tables: tables.requests.get(request_id))
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


async def test_what_needs_no_call_does_not_wait_for_a_place(
    store: Store,
    workflow: Workflow,
    gateway: FakeGateway,
    courier: FakeCourier,
    clock: Clock,
    wake: asyncio.Event,
) -> None:
    """While every place is taken, and others wait for one, a request that nobody decided still expires."""
    worker = Worker(workflow, gateway, courier, now=clock, name="w", wake=wake, calls=1)
    asked = [await approved(workflow, f"ord_{number}") for number in range(2)]
    undecided = (await workflow.request(Wish("V9", ("ord_9",), "", "C1"), actor("U1"))).request
    assert undecided is not None
    running = asyncio.create_task(worker.run())
    await gateway.called.wait()
    clock.advance(hours=25)
    wake.set()
    async with asyncio.timeout(10):
        while await state(store, undecided.id) != "expired":  # noqa: ASYNC110 -- the worker sets no event for it
            await asyncio.sleep(0)
    assert gateway.calls == ["ord_0"]
    assert [await state(store, found) for found in asked] == ["sending", "approved"]
    await worker.stop(0.01)
    await running


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


async def test_messages_wait_for_the_connection_and_calls_do_not(
    workflow: Workflow, store: Store, gateway: FakeGateway, courier: FakeCourier, clock: Clock, wake: asyncio.Event
) -> None:
    """Before Slack has said who the bot is, no try is wasted."""
    connected = False
    gateway.answer.set()
    worker = Worker(workflow, gateway, courier, now=clock, name="w", wake=wake, connected=lambda: connected)
    asked = await approved(workflow)
    await worker.until_idle()
    assert await state(store, asked) == "cancelled"
    assert courier.brought == []
    connected = True
    await worker.until_idle()
    assert DeliveryKind.REPLY in courier.brought


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


# --- What is in the worker's hands ------------------------------------------------------------


@dataclass
class LockedFile:
    """A file that takes no results while ``locked`` is set; each try to keep one takes longer than a lease.

    Everything else can be written, so that nothing but the worker itself keeps the worker from taking it up again.
    """

    store: Store
    clock: Clock
    wake: asyncio.Event
    names: frozenset[str]
    tries: int = 0
    left: int = 3
    claims: int = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put this in front of the store."""
        self._transaction, self._sleep = self.store.transaction, asyncio.sleep
        monkeypatch.setattr(self.store, "transaction", self.transaction)
        monkeypatch.setattr("bot.worker.worker.asyncio.sleep", self.sleep)

    async def transaction(self, name: str, work: Any) -> Any:
        """Run a transaction, unless it would keep a result while the file is locked."""
        if name in self.names:
            self.tries += 1
            if self.left > 0:
                self.left -= 1
                raise FAILURE
        try:
            return await self._transaction(name, work)
        finally:
            self.claims += name == "claim"

    async def sleep(self, _: float) -> None:
        """Let three minutes pass, in which the worker looks for work twice."""
        self.clock.advance(minutes=3)
        for _ in range(2):
            looked = self.claims
            self.wake.set()
            while self.claims == looked:
                await self._sleep(0)


@pytest.mark.parametrize(
    "answer, event",
    [
        pytest.param(CONFIRMED, Cancelled(1, CONFIRMED), id="confirmed"),
        pytest.param(ALREADY, Refused(1, ALREADY), id="cancelled before by somebody else"),
        pytest.param(
            Answer(Outcome.REFUSED, reason=Reason.NO_SUCH_ORDER),
            Refused(1, Answer(Outcome.REFUSED, reason=Reason.NO_SUCH_ORDER)),
            id="no such order",
        ),
    ],
)
async def test_an_answer_in_hand_is_kept_however_long_the_file_is_locked(
    workflow: Workflow,
    store: Store,
    worker: Worker,
    gateway: FakeGateway,
    clock: Clock,
    wake: asyncio.Event,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    event: Cancelled | Refused,
) -> None:
    """The gateway is called once, its answer counts as it is, and nobody is told that an answer was lost."""
    asked = await approved(workflow)
    gateway.first = answer
    gateway.answer.set()
    file = LockedFile(store, clock, wake, frozenset({"record_answer"}))
    file.install(monkeypatch)
    running = asyncio.create_task(worker.run())
    while await state(store, asked) != event.kind:
        pass
    await worker.stop(1)
    await running
    assert (file.tries, file.left) == (4, 0)
    assert gateway.calls == ["ord_1"]
    record = await store.read(lambda tables: list(tables.record.all()))
    assert [each.content for each in record if isinstance(each.content, Answered)] == [event]


async def test_a_receipt_in_hand_is_kept_however_long_the_file_is_locked(
    workflow: Workflow,
    store: Store,
    worker: Worker,
    gateway: FakeGateway,
    courier: FakeCourier,
    clock: Clock,
    wake: asyncio.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The card is posted once, although its lease is over long before it can be written down."""
    wish = Wish("ord_1", ("ord_1",), "", "C1")
    assert (await workflow.request(wish, actor("U1"))).request is not None
    file = LockedFile(store, clock, wake, frozenset({"record_delivery"}))
    file.install(monkeypatch)
    running = asyncio.create_task(worker.run())
    card = "SELECT status, tries FROM deliveries WHERE kind = 'card'"
    # The receipt may be kept first. A stop in that moment would leave the card for the next start.
    while await store.read(lambda tables: tables.connection.execute(card)) != [("delivered", 1)]:
        await asyncio.wait({running}, timeout=0.01)
    await worker.stop(1)
    await running
    assert courier.brought.count(DeliveryKind.CARD) == 1
    assert courier.removed == []
    rows = await store.read(lambda tables: tables.connection.execute(card))
    assert rows == [("delivered", 1)]


async def test_a_hanging_gateway_is_not_called_again_by_the_same_worker(
    workflow: Workflow,
    store: Store,
    worker: Worker,
    gateway: FakeGateway,
    clock: Clock,
    wake: asyncio.Event,
    claiming: asyncio.Event,
) -> None:
    """A call that takes longer than its lease is still under way; its answer counts when it comes."""
    asked = await approved(workflow)
    running = asyncio.create_task(worker.run())
    await gateway.called.wait()
    for _ in range(5):
        clock.advance(minutes=30)
        claiming.clear()
        wake.set()
        await claiming.wait()
    assert await state(store, asked) == "sending"
    gateway.answer.set()
    while await state(store, asked) != "cancelled":
        pass
    await worker.stop(1)
    await running
    assert gateway.calls == ["ord_1"]


async def test_what_a_dead_worker_held_is_taken_up_by_the_next(
    workflow: Workflow,
    store: Store,
    worker: Worker,
    gateway: FakeGateway,
    courier: FakeCourier,
    clock: Clock,
    wake: asyncio.Event,
) -> None:
    """Only what is in a worker's own hands is left alone; a lease still ends for everybody else."""
    asked = await approved(workflow)
    dead = await workflow.claim("dead", calls=1, messages=1)
    assert (len(dead.attempts), len(dead.deliveries)) == (1, 1)
    gateway.answer.set()
    clock.advance(minutes=3)
    await worker.until_idle()
    clock.advance(minutes=3)
    await worker.until_idle()
    assert await state(store, asked) == "cancelled"
    assert gateway.calls == ["ord_1"]
    assert courier.brought.count(DeliveryKind.CARD) == 1


# --- What Slack does not take -----------------------------------------------------------------


@pytest.mark.parametrize("outcome", [DeliveryOutcome.BLOCKED, DeliveryOutcome.IN_DOUBT, DeliveryOutcome.LATER])
async def test_a_message_that_is_refused_holds_up_its_own_thread_only(
    workflow: Workflow,
    worker: Worker,
    gateway: FakeGateway,
    courier: FakeCourier,
    clock: Clock,
    outcome: DeliveryOutcome,
) -> None:
    """A reply with an unknown error delays no other card of its channel, not even at its first try."""
    first = (await workflow.request(Wish("V1", ("ord_1",), "", "C1"), actor("U1"))).request
    assert first is not None
    courier.behave = lambda delivery: (
        Receipt(outcome, problem="an_unknown_error", in_doubt=outcome is DeliveryOutcome.IN_DOUBT)
        if delivery.request_id == first.id
        else Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1", "")
    )
    for number in range(2, 30):
        await workflow.request(Wish(f"V{number}", (f"ord_{number}",), "", "C1"), actor("U1"))
        clock.advance(2)  # at Slack's rate, in which the tries in vain have their share
        await worker.until_idle()
        assert f"ord_{number}" in courier.orders


@pytest.mark.parametrize("outcome", [DeliveryOutcome.BLOCKED, DeliveryOutcome.IN_DOUBT])
async def test_many_refused_threads_do_not_starve_a_new_card(
    workflow: Workflow, worker: Worker, courier: FakeCourier, clock: Clock, outcome: DeliveryOutcome
) -> None:
    """No thread of a channel takes a reply, and the tries in vain leave room for the next card."""
    refused = Receipt(outcome, problem="restricted_action_thread_locked", in_doubt=outcome is DeliveryOutcome.IN_DOUBT)
    delivered = Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1", "")
    courier.behave = lambda delivery: refused if delivery.kind is DeliveryKind.REPLY else delivered
    for number in range(60):
        asked = (await workflow.request(Wish(f"V{number}", (f"ord_{number}",), "", "C1"), actor("U1"))).request
        assert asked is not None
        await workflow.act(decisions.reject, Act.REJECT, asked.id, actor("U2"), reason="no")
    for _ in range(300):
        clock.advance(1)
        await worker.until_idle()
    assert courier.brought.count(DeliveryKind.CARD) == 60
    await workflow.request(Wish("new", ("ord_new",), "", "C1"), actor("U1"))
    for _ in range(5):
        clock.advance(1)
        await worker.until_idle()
    assert "ord_new" in courier.orders


async def test_a_rate_limit_holds_up_its_whole_channel(
    workflow: Workflow, worker: Worker, courier: FakeCourier, clock: Clock
) -> None:
    """Nothing goes to that channel before Slack allows it; people and other channels do not wait."""
    limited = Receipt(DeliveryOutcome.LATER, problem="ratelimited", retry_after=30.0)
    delivered = Receipt(DeliveryOutcome.DELIVERED, "C2", "1.1", "")
    courier.behave = lambda delivery: limited if delivery.target == "C1" else delivered
    for order, channel in (("ord_1", "C1"), ("ord_2", "C1"), ("ord_3", "C2")):
        await workflow.request(Wish(order, (order,), "", channel), actor("U1"))
    await worker.until_idle()
    # The receipts of the other two wait for their cards for a while.
    assert sorted(courier.orders) == ["ord_1", "ord_3", "ord_3"]
    clock.advance(29.9)
    await worker.until_idle()
    # They do not wait for so long, and the channel does.
    assert sorted(courier.orders) == ["ord_1", "ord_1", "ord_2", "ord_3", "ord_3"]
    courier.behave = lambda _: Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1", "")
    clock.advance(0.1)
    await worker.until_idle()
    clock.advance(1)
    await worker.until_idle()
    assert sorted(courier.orders[5:]) == ["ord_1", "ord_1", "ord_2", "ord_2"]


async def test_after_a_weekend_without_slack_everything_is_delivered(
    workflow: Workflow, store: Store, worker: Worker, gateway: FakeGateway, courier: FakeCourier, clock: Clock
) -> None:
    """The bot is not connected for sixty hours; the calls are made all the same, and no message is dropped."""
    gateway.answer.set()
    courier.behave = lambda _: Receipt(DeliveryOutcome.LATER, problem="not_connected_yet")
    asked = [await approved(workflow, f"ord_{number}") for number in range(3)]
    for hours in (0, 1, 29, 30):
        clock.advance(hours=hours)
        await worker.until_idle()
    assert [await state(store, each) for each in asked] == ["cancelled"] * 3
    courier.brought.clear()
    courier.behave = lambda _: Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1", "")
    for _ in range(20):
        clock.advance(60)
        await worker.until_idle()
    apart = {DeliveryKind.DIGEST, DeliveryKind.ANNOUNCEMENT, DeliveryKind.EVIDENCE, DeliveryKind.COPIES}
    counts = {kind: courier.brought.count(kind) for kind in {*DeliveryKind} - apart}
    # A receipt that goes out late shows everything by itself.
    assert counts.pop(DeliveryKind.RECEIPT_UPDATE) <= 3
    assert counts == {
        DeliveryKind.CARD: 3,
        DeliveryKind.CARD_UPDATE: 3,
        DeliveryKind.REPLY: 3,
        DeliveryKind.DIRECT_MESSAGE: 3,
        DeliveryKind.RECEIPT: 3,
    }
    rows = await store.read(lambda tables: tables.connection.execute("SELECT DISTINCT status FROM deliveries"))
    assert rows == [("delivered",)]


async def test_a_duplicate_is_removed(
    workflow: Workflow, store: Store, worker: Worker, courier: FakeCourier, clock: Clock
) -> None:
    """A late receipt of an older try came first; the message of the newer try is taken out of the channel."""
    request = (await workflow.request(Wish("V1", ("ord_1",), "", "C1"), actor("U1"))).request
    assert request is not None
    (older,) = (await workflow.claim("dead", calls=0, messages=1)).deliveries
    clock.advance(minutes=3)
    second = Receipt(DeliveryOutcome.DELIVERED, "C1", "2.2", "")
    late = Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1", "")
    posting, posted = asyncio.Event(), asyncio.Event()

    async def slow(delivery: Delivery, request: Request | None, event: Event) -> Receipt:
        posting.set()
        await posted.wait()
        return second

    courier.deliver = slow  # type: ignore[method-assign]
    idle = asyncio.create_task(worker.until_idle())
    await posting.wait()
    await workflow.record_delivery(older.delivery, late)
    posted.set()
    await idle
    assert courier.removed == [second]
    found = await store.read(lambda tables: tables.requests.get(request.id))
    assert found is not None
    assert found.card_ts == "1.1"


async def test_home_tabs_are_published(workflow: Workflow, worker: Worker, courier: FakeCourier, clock: Clock) -> None:
    """One that is opened is published, and again after a change; nothing is while the bot is not connected."""
    await workflow.home_opened("U1")
    await worker.until_idle()
    assert courier.published == [Publish("U1", 1)]
    await workflow.request(Wish("V1", ("ord_1",), "", "C1"), actor("U2"))
    clock.advance(1)
    await worker.until_idle()
    # The card that is posted then is a change as well.
    clock.advance(1)
    await worker.until_idle()
    assert courier.published == [Publish("U1", 1)] * 3


async def test_no_home_tab_is_published_before_slack_is_there(
    workflow: Workflow, courier: FakeCourier, clock: Clock, wake: asyncio.Event
) -> None:
    """It is owed until then."""
    there = asyncio.Event()
    worker = Worker(workflow, FakeGateway(), courier, now=clock, name="w", wake=wake, connected=there.is_set)
    await workflow.home_opened("U1")
    await worker.until_idle()
    assert courier.published == []
    there.set()
    await worker.until_idle()
    assert courier.published == [Publish("U1", 1)]


async def test_figures_that_cannot_be_read_stop_nothing_and_are_read_again(
    workflow: Workflow, worker: Worker, courier: FakeCourier, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an error in the bot the digest waits for its lease, and not for the next week."""
    workflow.rules = replace(
        workflow.rules, digest=Schedule(None, time(12, 0), ZoneInfo("Asia/Phnom_Penh")), approval_channel="C0PAY"
    )
    await worker.until_idle()
    clock.advance(days=1)
    tried, make = [], workflow.digest

    async def broken(due: Due) -> None:
        tried.append(due)
        raise LookupError

    monkeypatch.setattr(workflow, "digest", broken)
    with structlog.testing.capture_logs() as logs:
        await worker.until_idle()
        await worker.until_idle()
    assert (len(tried), [line["event"] for line in logs]) == (1, ["work_failed"])
    monkeypatch.setattr(workflow, "digest", make)
    clock.advance(minutes=2)
    await worker.until_idle()
    assert courier.brought == [DeliveryKind.DIGEST]


async def test_a_process_that_stood_still_after_its_claim_does_not_call(
    workflow: Workflow,
    store: Store,
    worker: Worker,
    gateway: FakeGateway,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its lease is over, so another bot may be calling; the attempt is settled by whoever claims it next."""
    gateway.answer.set()
    asked, claim = await approved(workflow), workflow.claim

    async def then_stand_still(name: str, **options: Any) -> Claimed:
        found = await claim(name, **options)
        if found.attempts:
            clock.advance(minutes=2)
        return found

    monkeypatch.setattr(workflow, "claim", then_stand_still)
    with structlog.testing.capture_logs() as logs:
        await worker._start_due()  # noqa: SLF001 -- until_idle would claim again, and go on
        await asyncio.sleep(0)
    assert gateway.calls == []
    assert [event["order"] for event in logs if event["event"] == "lease_over"] == ["ord_1"]
    assert await state(store, asked) == "sending"
    monkeypatch.undo()
    await worker.until_idle()
    clock.advance(5)
    await worker.until_idle()
    assert gateway.calls == ["ord_1"]
    assert await state(store, asked) == "cancelled"
