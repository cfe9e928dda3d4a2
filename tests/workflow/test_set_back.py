"""An older copy of the database takes over, and does not know what its requests did since."""

import asyncio
from datetime import timedelta

import pytest

from bot.domain.audit import BOT
from bot.domain.cancellation import State
from bot.domain.events import Exported, Frozen, SetBack, Started
from bot.domain.lookup import Lookup
from bot.domain.policy import Verdict
from bot.domain.report import Period
from bot.store import Store, StoreError, StoreProblem, Timeline
from bot.workflow import Rules, Wish, Workflow, freezing
from tests.clock import Clock
from tests.postgres import ON_SQLITE, Cluster
from tests.workflow.steps import (
    ANN,
    AWAY,
    CANCELLED,
    COMPLETED,
    DENIED,
    EXPIRED,
    LOST,
    MISSING,
    approve,
    approved,
    ask,
    contents,
    failed,
    now,
    requested,
    retry,
    sending,
    settle,
    state_of,
    unknown,
    version,
    withdraw,
)
from tests.workflow.test_batches import stop
from tests.world import actor, next_attempt


async def went_back(store: Store, clock: Clock, *elsewhere: tuple[int, str]) -> list[SetBack]:
    """Let the database be a copy that has just taken over; return what went on record of its requests.

    Orders that went another way ``elsewhere`` are each the number of a request and the order's id.
    """
    another_way = frozenset(elsewhere)
    await store.transaction(
        "restore", lambda tx: freezing.freeze_restored(tx, another_way, actor="terminal:op", at=clock())
    )
    assert await store.read(lambda tables: list(tables.projections.contradictions())) == []
    return [each for each in await contents(store) if isinstance(each, SetBack)]


async def test_an_order_that_had_failed_is_unknown_and_can_be_settled(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """An approver may have sent it again since. It is found by that state, and stands in the way of a new request."""
    request = await failed(workflow)
    assert await went_back(store, clock) == [SetBack(("ord_1",))]
    assert await state_of(store, request) is State.UNKNOWN
    assert await store.read(lambda tables: tables.lookups.count(Lookup(state=State.UNKNOWN))) == 1
    assert await retry(workflow, request, seen=await version(workflow, request)) is Verdict.FROZEN
    assert await settle(workflow, await now(store, request)) is Verdict.ALLOWED
    assert await state_of(store, request) is State.SETTLED_CANCELLED
    assert await store.read(lambda tables: list(tables.projections.contradictions())) == []


async def test_a_clock_that_was_days_ahead_before_a_late_restore_hides_no_order(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """By now the time of the copy's last event is over, so it looks like a right one."""
    request = await failed(workflow)
    clock.advance(hours=24 * 3)
    await ask(workflow, "ord_2", form="V2")  # the last event of the copy
    clock.advance(hours=26)
    assert await went_back(store, clock) == [SetBack(), SetBack(("ord_1",))]
    assert await state_of(store, request) is State.UNKNOWN


@pytest.mark.parametrize("ahead", [30, 100])
async def test_a_clock_that_was_ahead_when_the_copy_was_made_hides_no_order(
    workflow: Workflow, store: Store, clock: Clock, ahead: int
) -> None:
    """By its last event the approval was too old by then, and somebody may have sent the order again all the same."""
    request = await failed(workflow)
    clock.advance(hours=ahead)
    await ask(workflow, "ord_2", form="V2")  # the last event of the copy
    clock.advance(hours=1 - ahead)
    assert await went_back(store, clock) == [SetBack(), SetBack(("ord_1",))]
    assert await state_of(store, request) is State.UNKNOWN


@ON_SQLITE
async def test_an_order_that_was_approved_long_after_somebody_asked_is_unknown_as_well(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The machine was paused for a weekend, and all that waited goes on as long as it would have."""
    request = (await ask(workflow, "ord_1")).request
    assert request is not None
    weekend = timedelta(hours=60)
    clock.advance(hours=60)
    await store.transaction("shift", lambda tx: workflow.shift(tx, weekend))
    assert await approve(workflow, request) is Verdict.ALLOWED
    await workflow.record_answer(await sending(workflow), DENIED)
    assert await went_back(store, clock) == [SetBack(("ord_1",))]


async def test_every_order_that_had_failed_is_unknown(workflow: Workflow, store: Store, clock: Clock) -> None:
    """Also an older one: it may have been sent again as well."""
    both = []
    for order in ("ord_1", "ord_2"):
        both.append(await approved(workflow, order, form=order))
        clock.advance(minutes=1)
    for _ in both:
        await workflow.record_answer(await sending(workflow), DENIED)
    assert await went_back(store, clock) == [SetBack(("ord_1",)), SetBack(("ord_2",))]
    assert [await state_of(store, each) for each in both] == [State.UNKNOWN] * 2


async def test_an_order_that_nobody_could_send_again_stays_as_it_was(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """Its approval was too old when the copy was made, so nothing has happened to it since."""
    request = await failed(workflow)
    clock.advance(hours=24 * 9)
    await ask(workflow, "ord_2", form="V2")
    clock.advance(hours=25)  # what came within a day may have been written after the copy took over
    assert await went_back(store, clock) == [SetBack()]
    assert await state_of(store, request) is State.FAILED
    assert not (await now(store, request)).set_back


async def test_of_several_orders_only_those_that_had_failed_are_unknown(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """A confirmed order stays as it was, and the gateway is still to be asked about one that waits."""
    acted = await workflow.request(Wish("V1", ("ord_1", "ord_2", "ord_3"), "typed twice", "C1"), ANN)
    assert acted.request is not None
    await approve(workflow, acted.request)
    answers = {"ord_1": CANCELLED, "ord_2": DENIED, "ord_3": AWAY}
    for _ in answers:
        attempt = await sending(workflow)
        await workflow.record_answer(attempt, answers[attempt.order_id])
    assert await went_back(store, clock) == [SetBack(("ord_2",))]
    found = await now(store, acted.request)
    assert [each.state for each in found.cancellations] == [State.CANCELLED, State.UNKNOWN, State.APPROVED]
    assert found.set_back


async def test_of_two_requests_that_failed_for_one_order_one_is_open(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The other one can be retried only after it, and says as well that nobody knows what it did."""
    first = await failed(workflow)
    clock.advance(minutes=1)
    acted = await ask(workflow, form="V2")
    assert acted.request is not None
    await approve(workflow, acted.request)
    await workflow.record_answer(await sending(workflow), DENIED)
    clock.advance(minutes=1)
    assert sorted(await went_back(store, clock), key=lambda each: each.unknown) == [SetBack(), SetBack(("ord_1",))]
    states = [await state_of(store, first), await state_of(store, acted.request)]
    assert sorted(states) == [State.FAILED, State.UNKNOWN]
    for request in (first, acted.request):
        assert (await now(store, request)).set_back


async def test_an_order_whose_answer_was_lost_can_be_stopped_after_a_restore(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """Nobody knows what became of it anyway, and people may have settled it since: it must not be sent after a look."""
    request = await approved(workflow)
    await workflow.record_answer(await sending(workflow), LOST)
    assert await stop(workflow, request) is Verdict.MAY_HAVE_BEEN_SENT
    assert await went_back(store, clock) == [SetBack()]
    assert await stop(workflow, request) is Verdict.ALLOWED
    assert (await now(store, request)).may_have_had_effect
    await workflow.unfreeze(actor("UTWO"), freezing.Typed("/cancel-order", "C1", ""))
    clock.advance(hours=1)
    assert await next_attempt(workflow) is None
    assert await store.read(lambda tables: list(tables.projections.contradictions())) == []


async def test_what_the_gateway_refuses_after_a_restore_is_its_word(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """It was asked after the copy took over, and says how the order stands."""
    request = await approved(workflow)
    assert await went_back(store, clock) == [SetBack()]
    await workflow.unfreeze(actor("UTWO"), freezing.Typed("/cancel-order", "C1", ""))
    await workflow.record_answer(await sending(workflow), COMPLETED)
    assert await state_of(store, request) is State.REFUSED
    assert not (await now(store, request)).may_have_had_effect
    period = Period(clock() - timedelta(days=1), clock() + timedelta(days=1))
    assert await store.read(lambda tables: tables.reports.set_back(period)) == 0
    newer = (await ask(workflow, "ord_1", form="V2")).request
    assert newer is not None
    assert (await now(store, newer)).cancellation.earlier is None
    clock.advance(hours=25)  # what ended within a day before a restore is in doubt
    assert await went_back(store, clock) == [SetBack()] * 2
    assert await store.read(lambda tables: tables.reports.set_back(period)) == 0


async def test_a_confirmation_counts_after_people_stopped_what_a_restore_had_set_back(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The bot with the call stood still past its lease, another one took it for lost, and somebody pressed Stop."""
    request = await approved(workflow)
    assert await went_back(store, clock) == [SetBack()]
    await workflow.unfreeze(actor("UTWO"), freezing.Typed("/cancel-order", "C1", ""))
    late = await sending(workflow)
    clock.advance(minutes=5)
    assert await next_attempt(workflow) is None
    assert await stop(workflow, request) is Verdict.ALLOWED
    assert await workflow.record_answer(late, CANCELLED) is State.CANCELLED
    assert await state_of(store, request) is State.CANCELLED
    assert await store.read(lambda tables: list(tables.projections.contradictions())) == []


async def test_what_the_requester_stopped_is_retried_by_nobody_after_a_restore_either(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """It went another way in between, so nobody knows how it ended; but nobody asks for it any more."""
    request = await approved(workflow)
    assert await stop(workflow, request, ANN.id) is Verdict.ALLOWED
    assert await went_back(store, clock, (request.number, "ord_1")) == [SetBack()]
    await workflow.unfreeze(actor("UTWO"), freezing.Typed("/cancel-order", "C1", ""))
    assert await retry(workflow, request, seen=await version(workflow, request)) is Verdict.STOPPED_BY_REQUESTER
    assert (await now(store, request)).may_have_had_effect
    assert await store.read(lambda tables: list(tables.projections.contradictions())) == []


@pytest.mark.parametrize("end", ["expired", "refused"])
async def test_what_ended_within_a_day_before_somebody_says_it_is_not_known_either(
    workflow: Workflow, store: Store, clock: Clock, end: str
) -> None:
    """A standby was behind, and the bot went on with it and ended a request before the operator said what it is."""
    before = await requested(workflow, "ord_2", form="V2")
    assert await withdraw(workflow, before) is Verdict.ALLOWED
    clock.advance(hours=23)
    request = (await approved(workflow)) if end == "refused" else await requested(workflow)
    clock.advance(hours=2)
    if end == "refused":
        await workflow.record_answer(await sending(workflow), EXPIRED)
    else:
        clock.advance(hours=23)
        assert await next_attempt(workflow) is None
    assert await went_back(store, clock) == [SetBack()]
    assert (await now(store, request)).may_have_had_effect
    assert not (await now(store, before)).may_have_had_effect


@ON_SQLITE  # which has no timeline of its own that would say something else
@pytest.mark.parametrize(
    "before, now_is, frozen",
    [
        (Timeline(1, replicated=False), Timeline(2, replicated=False), True),
        (Timeline(1, replicated=False), Timeline(2, replicated=True), True),
        (Timeline(2, replicated=False), Timeline(1, replicated=False), True),
        (Timeline(1, replicated=True), Timeline(2, replicated=False), False),
        (Timeline(1, replicated=False), Timeline(1, replicated=True), False),
        (None, Timeline(1, replicated=False), False),
        (Timeline(1, replicated=False), None, False),
    ],
)
async def test_a_standby_that_takes_over_stops_everything_unless_each_commit_waited_for_it(
    workflow: Workflow,
    store: Store,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    before: Timeline | None,
    now_is: Timeline | None,
    frozen: bool,
) -> None:
    """Once: when people have looked and let everything go on, the next look and the next start leave it so."""
    connection = type(await store.transaction("look", lambda tx: tx.connection))
    monkeypatch.setattr(connection, "timeline", lambda _: before)
    await workflow.look_at_server()
    open_then, ended_then = await requested(workflow), await requested(workflow, "ord_2", form="V2")
    clock.advance(minutes=5)
    await workflow.look_at_server()
    clock.advance(seconds=1)
    monkeypatch.setattr(connection, "timeline", lambda _: now_is)
    assert await withdraw(workflow, ended_then) is Verdict.ALLOWED
    await workflow.look_at_server()
    freeze = await workflow.frozen()
    assert (freeze is not None) is frozen
    for request in (open_then, ended_then):
        assert bool((await now(store, request)).set_back) is frozen
    if freeze is not None:
        assert freeze.why == f"{freezing.TOOK_OVER} Look first what people decided since."
        await workflow.unfreeze(actor("UTWO"), freezing.Typed("/cancel-order", "C1", ""))
    await workflow.look_at_server()
    again = Workflow(store, workflow.rules, now=clock, wake=asyncio.Event())
    await again.look_at_server()
    assert await workflow.frozen() is None


@ON_SQLITE
async def test_a_start_takes_nobodys_word_that_each_commit_waited(
    workflow: Workflow, store: Store, rules: Rules, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standby was away when people went on without it, so it lacks that nothing waited for it any more."""
    connection = type(await store.transaction("look", lambda tx: tx.connection))
    monkeypatch.setattr(connection, "timeline", lambda _: Timeline(1, replicated=True))
    await workflow.look_at_server()
    monkeypatch.setattr(connection, "timeline", lambda _: Timeline(2, replicated=False))
    started = Workflow(store, rules, now=clock, wake=asyncio.Event())
    await started.look_at_server()
    assert await started.frozen() is not None


@ON_SQLITE
async def test_each_standby_that_takes_over_stops_everything_though_it_is_stopped(
    workflow: Workflow, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What people decided during the freeze of the first one may be lost with the second one."""
    connection = type(await store.transaction("look", lambda tx: tx.connection))
    monkeypatch.setattr(connection, "timeline", lambda _: Timeline(1, replicated=False))
    await workflow.look_at_server()
    request = await approved(workflow)
    for number in (2, 3):
        monkeypatch.setattr(connection, "timeline", lambda _, number=number: Timeline(number, replicated=False))
        await workflow.look_at_server()
    happened = await contents(store)
    assert happened.count(SetBack()) == 2
    assert sum(isinstance(each, Frozen) for each in happened) == 2
    assert (await now(store, request)).set_back


async def test_what_the_bot_has_seen_on_a_server_is_missed_though_no_verification_has_come_so_far(
    postgres: Cluster, rules: Rules, clock: Clock
) -> None:
    """The walk through a long record takes minutes after a start, and another bot writes meanwhile."""
    server = postgres.new()
    other, store = Store(server), Store(server)
    await other.open()
    await store.open()
    workflow = Workflow(store, rules, now=clock, wake=asyncio.Event())
    with postgres.loses(server):
        await other.transaction("start", lambda tx: tx.record.append(Started("1"), BOT, clock()))
        assert await workflow.last_event() == 1
        await other.close()
    with pytest.raises(StoreError) as refused:
        await requested(workflow)
    assert refused.value.problem is StoreProblem.HISTORY_LOST
    await store.close()


async def test_the_echo_of_what_was_stopped_after_a_restore_is_not_believed(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """Its call may have cancelled the order, and nobody settled it."""
    request = await approved(workflow)
    assert await went_back(store, clock) == [SetBack()]
    await workflow.unfreeze(actor("UTWO"), freezing.Typed("/cancel-order", "C1", ""))
    await workflow.record_answer(await sending(workflow), LOST)
    assert await stop(workflow, request) is Verdict.ALLOWED
    await approved(workflow, form="V2")
    assert await workflow.record_answer(await sending(workflow), MISSING) is State.UNKNOWN
    assert await store.read(lambda tables: list(tables.projections.contradictions())) == []


async def test_a_statement_of_before_a_second_restore_is_no_last_word(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """It went another way in between, so whoever reads of it, or asks again, must know that nobody knows."""
    request = await unknown(workflow)
    assert await settle(workflow, request, cancelled=False) is Verdict.ALLOWED
    assert await went_back(store, clock, (request.number, "ord_1")) == [SetBack()]
    await workflow.unfreeze(actor("UTWO"), freezing.Typed("/cancel-order", "C1", ""))
    assert (await now(store, request)).may_have_had_effect
    period = Period(clock() - timedelta(days=1), clock() + timedelta(days=1))
    assert await store.read(lambda tables: tables.reports.set_back(period)) == 1
    newer = (await ask(workflow, "ord_1", form="V2")).request
    assert newer is not None
    earlier = (await now(store, newer)).cancellation.earlier
    assert earlier is not None
    assert earlier.state is State.UNKNOWN


@pytest.mark.parametrize("since", ["read", "frozen", "started"])
async def test_an_old_copy_may_have_been_looked_at_before_it_is_said_what_it_is(
    workflow: Workflow, store: Store, clock: Clock, since: str
) -> None:
    """Such a command, or the start of another bot, does not make the copy younger: the order may have been retried."""
    request = await failed(workflow)
    clock.advance(hours=24 * 5)
    contents_of = {"read": Exported("audit find", ""), "frozen": Frozen("looking"), "started": Started("1")}
    await store.transaction(
        "since", lambda tx: tx.record.append(contents_of[since], BOT if since == "started" else "terminal:op", clock())
    )
    clock.advance(hours=1)
    assert await went_back(store, clock) == [SetBack(("ord_1",))]
    assert await state_of(store, request) is State.UNKNOWN
