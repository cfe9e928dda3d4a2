"""A request of several orders: one decision, an outcome for each order, and one message when all have ended."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.domain.attempt import Answer
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Cancelled, ClickRefused, GatewayTrouble, Hurried, Retried, StoppedTrying, Unfrozen
from bot.domain.lookup import Lookup
from bot.domain.policy import NAMED, Act, Membership, Surface, Verdict
from bot.domain.request import Request
from bot.store import Store
from bot.workflow import Asked, ClaimedDelivery, Rules, Wish, Workflow, decisions
from tests.clock import Clock
from tests.workflow.steps import (
    ANN,
    AWAY,
    CANCELLED,
    COMPLETED,
    DELIVERED,
    DENIED,
    LOST,
    approve,
    contents,
    events,
    now,
    reject,
    retry,
    sending,
    version,
    withdraw,
)
from tests.world import actor, next_attempt, next_delivery, typed

GIVEN_UP = replace(LOST, repeat=False)
NEWS = {DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE}
SECOND = timedelta(seconds=1)


def about(claimed: ClaimedDelivery) -> Request:
    """Return the request that a claimed delivery is about."""
    assert claimed.request is not None
    return claimed.request


async def asked(workflow: Workflow, *orders: str, form: str = "V1") -> Request:
    """Return a pending request of these orders."""
    acted = await workflow.request(Wish(form, orders, "typed twice", "C1"), ANN)
    assert acted.verdict is Verdict.ALLOWED
    assert acted.request is not None
    return acted.request


async def approved(workflow: Workflow, *orders: str, form: str = "V1") -> Request:
    """Return an approved request of these orders."""
    request = await asked(workflow, *orders, form=form)
    assert await approve(workflow, request) is Verdict.ALLOWED
    return request


async def answer(workflow: Workflow, answers: dict[str, Answer]) -> None:
    """Answer every call that is due like this, by its order."""
    while (attempt := await next_attempt(workflow)) is not None:
        await workflow.record_answer(attempt, answers[attempt.order_id])


async def states(store: Store, request: Request) -> list[State]:
    """Return the states of the orders, in the order in which they were typed."""
    return [each.state for each in (await now(store, request)).cancellations]


async def delivered(workflow: Workflow, clock: Clock) -> list[ClaimedDelivery]:
    """Deliver everything that is due now or in a second; return it."""
    done = []
    for _ in range(2):
        while (due := await next_delivery(workflow)) is not None:
            done.append(due)
            await workflow.record_delivery(due.delivery, DELIVERED)
        clock.advance(seconds=1)
    return done


async def news(workflow: Workflow, clock: Clock) -> list[ClaimedDelivery]:
    """Deliver everything; return the messages in the thread and to the requester."""
    return [each for each in await delivered(workflow, clock) if each.delivery.kind in NEWS]


async def settle(workflow: Workflow, request: Request, order: str | int | None, *, cancelled: bool = True) -> Verdict:
    """State as an approver how this order stands, by its id or by its place in the request."""
    seen = await version(workflow, request)
    acted = await workflow.act(
        decisions.settle,
        Act.SETTLE,
        request.id,
        actor("UTWO"),
        order=request.order_ids.index(order) if isinstance(order, str) else order,
        cancelled=cancelled,
        how="the console says so",
        seen=seen,
    )
    return acted.verdict


async def stop(workflow: Workflow, request: Request, person: str = "UTWO") -> Verdict:
    """Choose Stop trying as this person."""
    chooses = replace(actor(person), ground=NAMED, surface=Surface.CARD)
    seen = await version(workflow, request)
    return (await workflow.act(decisions.stop, Act.STOP, request.id, chooses, seen=seen)).verdict


async def test_people_are_told_once_when_all_orders_have_ended(workflow: Workflow, store: Store, clock: Clock) -> None:
    """Each order has its own call and outcome; one reply and one direct message tell of all."""
    request = await approved(workflow, "ord_1", "ord_2", "ord_3")
    await delivered(workflow, clock)
    calls = [await sending(workflow) for _ in range(3)]
    assert [call.order_id for call in calls] == ["ord_1", "ord_2", "ord_3"]
    for call, said in zip(calls, (CANCELLED, COMPLETED, CANCELLED), strict=True):
        assert await news(workflow, clock) == []
        await workflow.record_answer(call, said)
    assert await states(store, request) == [State.CANCELLED, State.REFUSED, State.CANCELLED]
    told = await news(workflow, clock)
    assert [each.delivery.kind for each in told] == [DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE]
    assert {each.event.kind for each in told} == {"cancelled"}
    assert all(each.request is not None and not each.request.under_way for each in told)
    assert await store.read(lambda tables: list(tables.projections.contradictions())) == []


@pytest.mark.parametrize("last", [CANCELLED, COMPLETED, DENIED, GIVEN_UP])
async def test_the_last_order_brings_the_news_whatever_its_end(workflow: Workflow, clock: Clock, last: Answer) -> None:
    """A cancelled order before it is no news yet, and neither is an unknown one."""
    await approved(workflow, "ord_1", "ord_2", "ord_3")
    await answer(workflow, {"ord_1": CANCELLED, "ord_2": GIVEN_UP, "ord_3": last})
    assert [each.delivery.kind for each in await news(workflow, clock)] == [
        DeliveryKind.REPLY,
        DeliveryKind.DIRECT_MESSAGE,
    ]


async def test_the_card_of_a_batch_is_drawn_once_a_second(workflow: Workflow, store: Store, clock: Clock) -> None:
    """Many orders end within a moment; the first update is at once, and the last one shows the end."""
    request = await approved(workflow, *(f"ord_{number}" for number in range(20)))
    await delivered(workflow, clock)
    calls = [await sending(workflow) for _ in range(20)]
    drawn: list[tuple[timedelta, int]] = []
    began = clock()
    for call in calls:
        await workflow.record_answer(call, CANCELLED)
        while (due := await next_delivery(workflow)) is not None:
            if due.delivery.kind is DeliveryKind.CARD_UPDATE:
                ended = sum(each.state is State.CANCELLED for each in about(due).cancellations)
                drawn.append((clock() - began, ended))
            await workflow.record_delivery(due.delivery, DELIVERED)
        clock.advance(milliseconds=100)
    rest = [each for each in await delivered(workflow, clock) if each.delivery.kind is DeliveryKind.CARD_UPDATE]
    assert drawn == [(timedelta(0), 1), (SECOND, 11)]
    assert [[order.state for order in about(each).cancellations] for each in rest] == [[State.CANCELLED] * 20]
    assert await store.read(lambda tables: tables.deliveries.owes(request, DeliveryKind.CARD_UPDATE)) is False


async def test_a_clock_that_was_ahead_holds_no_update_back(workflow: Workflow, clock: Clock) -> None:
    """The last update may have a time that is still to come; the next one waits for a second all the same."""
    await approved(workflow, "ord_1", "ord_2")
    await delivered(workflow, clock)
    calls = [await sending(workflow), await sending(workflow)]
    clock.advance(hours=1)
    await workflow.record_answer(calls[0], CANCELLED)
    await delivered(workflow, clock)
    clock.advance(hours=-1)
    await workflow.record_answer(calls[1], CANCELLED)
    assert DeliveryKind.CARD_UPDATE in [each.delivery.kind for each in await delivered(workflow, clock)]


async def test_a_single_order_is_drawn_at_once(workflow: Workflow, clock: Clock) -> None:
    """There is nothing to wait for: it has no other orders that end in the same moment."""
    await approved(workflow, "ord_1")
    while (due := await next_delivery(workflow)) is not None:
        await workflow.record_delivery(due.delivery, DELIVERED)
    await workflow.record_answer(await sending(workflow), CANCELLED)
    kinds = []
    while (due := await next_delivery(workflow)) is not None:
        kinds.append(due.delivery.kind)
        await workflow.record_delivery(due.delivery, DELIVERED)
    assert DeliveryKind.CARD_UPDATE in kinds


async def ended(workflow: Workflow, clock: Clock) -> Request:
    """Return a request of four orders: cancelled, completed, failed and unknown."""
    request = await approved(workflow, "ord_1", "ord_2", "ord_3", "ord_4")
    await answer(workflow, {"ord_1": CANCELLED, "ord_2": COMPLETED, "ord_3": DENIED, "ord_4": GIVEN_UP})
    assert len(await news(workflow, clock)) == 2
    return request


async def test_retry_serves_the_orders_that_can_be_retried(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The others stay as they are, and there is one more message when those have ended."""
    request = await ended(workflow, clock)
    assert await retry(workflow, request) is Verdict.ALLOWED
    assert await states(store, request) == [State.CANCELLED, State.REFUSED, State.APPROVED, State.APPROVED]
    retried = [event for event in await events(store) if isinstance(event.content, Retried)]
    assert [event.order_id for event in retried] == ["ord_3", "ord_4"]
    call = await sending(workflow)
    assert call.order_id == "ord_3"
    await workflow.record_answer(call, CANCELLED)
    assert await news(workflow, clock) == []
    assert await retry(workflow, request) is Verdict.WRONG_STATE
    await answer(workflow, {"ord_4": CANCELLED})
    assert len(await news(workflow, clock)) == 2
    assert await states(store, request) == [State.CANCELLED, State.REFUSED, State.CANCELLED, State.CANCELLED]


async def test_retry_leaves_out_an_order_that_is_in_another_request(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """A failed order may be asked for again; the rest of the batch is retried without it."""
    request = await ended(workflow, clock)
    await asked(workflow, "ord_3", form="V2")
    assert await retry(workflow, request) is Verdict.ALLOWED
    assert await states(store, request) == [State.CANCELLED, State.REFUSED, State.FAILED, State.APPROVED]


@pytest.mark.parametrize("decided", [False, True])
async def test_what_stands_in_the_way_of_one_order_does_not_speak_for_the_others(
    workflow: Workflow, store: Store, clock: Clock, decided: bool
) -> None:
    """Somebody else can retry the rest, so the requester must not read that nothing is left to retry."""
    request = await ended(workflow, clock)
    other = await asked(workflow, "ord_3", form="V2")
    if decided:
        assert await reject(workflow, other) is Verdict.ALLOWED
    assert await retry(workflow, request, ANN.id) is Verdict.OWN_REQUEST  # an approver as well
    assert await retry(workflow, request) is Verdict.ALLOWED
    assert await states(store, request) == [State.CANCELLED, State.REFUSED, State.FAILED, State.APPROVED]


@pytest.mark.parametrize("named, sent", [(0b0100, "ord_3"), (0b1000, "ord_4"), (0b1100, "both"), (0b0011, "none")])
async def test_retry_sends_no_order_that_the_question_did_not_name(
    workflow: Workflow, store: Store, clock: Clock, named: int, sent: str
) -> None:
    """Somebody may confirm the question of a card that they saw while another request was in the way of an order."""
    request = await ended(workflow, clock)
    verdict = await retry(workflow, request, named=named)
    assert verdict is (Verdict.WRONG_STATE if sent == "none" else Verdict.ALLOWED)
    third, fourth = (await states(store, request))[2:]
    assert (third is State.APPROVED) == (sent in {"ord_3", "both"})
    assert (fourth is State.APPROVED) == (sent in {"ord_4", "both"})


async def test_one_of_two_unknown_orders_is_settled(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The statement is about its order alone, is told at once, and the other one still waits for people."""
    request = await approved(workflow, "ord_1", "ord_2")
    await answer(workflow, {"ord_1": GIVEN_UP, "ord_2": GIVEN_UP})
    await news(workflow, clock)
    assert await settle(workflow, request, "ord_2", cancelled=False) is Verdict.ALLOWED
    assert await states(store, request) == [State.UNKNOWN, State.SETTLED_NOT_CANCELLED]
    told = await news(workflow, clock)
    assert [each.delivery.kind for each in told] == [DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE]
    assert {(each.event.kind, each.event.order_id) for each in told} == {("settled_not_cancelled", "ord_2")}
    found = await now(store, request)
    assert [each.settlement is not None for each in found.cancellations] == [False, True]
    assert (await workflow.request(Wish("V2", ("ord_2",), "again", "C1"), ANN)).verdict is Verdict.ALLOWED
    assert (await workflow.request(Wish("V3", ("ord_1",), "again", "C1"), ANN)).verdict is Verdict.ANOTHER_IS_OPEN


@pytest.mark.parametrize("order", [9, None, -1, 0])
async def test_nothing_is_settled_that_is_not_an_unknown_order_of_the_request(
    workflow: Workflow, store: Store, clock: Clock, order: int | None
) -> None:
    """Neither an order of another request, nor none, nor one that has ended: of that one the record says why."""
    request = await approved(workflow, "ord_1", "ord_2")
    await answer(workflow, {"ord_1": CANCELLED, "ord_2": GIVEN_UP})
    assert await settle(workflow, request, order) is Verdict.WRONG_STATE
    assert await states(store, request) == [State.CANCELLED, State.UNKNOWN]
    refused = (await events(store))[-1]
    about, state = ("ord_1", State.CANCELLED) if order == 0 else ("", State.UNKNOWN)
    assert refused.order_id == about
    assert refused.content == ClickRefused(Act.SETTLE, Verdict.WRONG_STATE, state)


async def test_a_stop_ends_the_orders_that_wait_and_no_others(workflow: Workflow, store: Store, clock: Clock) -> None:
    """An order that is being sent goes on, and so does one that may have been cancelled."""
    request = await approved(workflow, "ord_1", "ord_2", "ord_3", "ord_4")
    calls = {call.order_id: call for call in [await sending(workflow) for _ in range(4)]}
    await workflow.record_answer(calls["ord_1"], AWAY)
    await workflow.record_answer(calls["ord_2"], LOST)
    await workflow.record_answer(calls["ord_3"], CANCELLED)
    assert await stop(workflow, request) is Verdict.ALLOWED
    assert await states(store, request) == [State.FAILED, State.APPROVED, State.CANCELLED, State.SENDING]
    stopped = [event for event in await events(store) if isinstance(event.content, StoppedTrying)]
    assert [event.order_id for event in stopped] == ["ord_1"]
    refused = [
        (event.order_id, event.content) for event in await events(store) if isinstance(event.content, ClickRefused)
    ]
    assert refused == [
        ("ord_2", ClickRefused(Act.STOP, Verdict.MAY_HAVE_BEEN_SENT, State.APPROVED)),
        ("ord_4", ClickRefused(Act.STOP, Verdict.CALL_UNDER_WAY, State.SENDING)),
    ]
    assert await news(workflow, clock) == []
    await workflow.record_answer(calls["ord_4"], CANCELLED)
    clock.advance(minutes=1)
    await answer(workflow, {"ord_2": CANCELLED})
    assert [each.event.kind for each in await news(workflow, clock)] == ["cancelled"] * 2


@pytest.mark.parametrize("person", ["UTWO", ANN.id])
async def test_a_stop_that_ends_the_last_order_brings_the_summary(
    workflow: Workflow, store: Store, clock: Clock, person: str
) -> None:
    """Also to a requester who stopped it: how the other orders ended is news to them."""
    request = await approved(workflow, "ord_1", "ord_2", "ord_3")
    calls = {call.order_id: call for call in [await sending(workflow) for _ in range(3)]}
    await workflow.record_answer(calls["ord_1"], COMPLETED)
    await workflow.record_answer(calls["ord_2"], AWAY)
    await workflow.record_answer(calls["ord_3"], AWAY)
    assert await stop(workflow, request, person) is Verdict.ALLOWED
    assert await states(store, request) == [State.REFUSED, State.FAILED, State.FAILED]
    told = await news(workflow, clock)
    assert [each.delivery.kind for each in told] == [DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE]
    assert await store.read(lambda tables: list(tables.projections.contradictions())) == []


async def test_try_now_hurries_every_order_that_certainly_did_nothing(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """One click is about all of them, with an event for each."""
    request = await approved(workflow, "ord_1", "ord_2", "ord_3")
    for _ in range(3):
        await workflow.record_answer(await sending(workflow), AWAY)
    presses = replace(actor("UTWO", Membership.MEMBER), ground=NAMED, surface=Surface.CARD)
    seen = await version(workflow, request)
    acted = await workflow.act(decisions.try_now, Act.TRY_NOW, request.id, presses, seen=seen)
    assert acted.verdict is Verdict.ALLOWED
    hurried = [event.order_id for event in await events(store) if isinstance(event.content, Hurried)]
    assert hurried == ["ord_1", "ord_2", "ord_3"]
    for _ in range(3):
        await workflow.record_answer(await sending(workflow), AWAY)
    again = await workflow.act(decisions.try_now, Act.TRY_NOW, request.id, presses, seen=seen)
    assert again.verdict is Verdict.WRONG_STATE  # the same click once more, in the next pause


@pytest.mark.parametrize(
    "ending, state, told",
    [
        ("reject", State.REJECTED, 2),
        ("withdraw", State.WITHDRAWN, 1),
        ("expire", State.EXPIRED, 2),
    ],
)
async def test_a_decision_ends_all_orders_at_once(
    workflow: Workflow, store: Store, clock: Clock, ending: str, state: State, told: int
) -> None:
    """One event, one message, and each of the orders is free for another request."""
    request = await asked(workflow, "ord_1", "ord_2", "ord_3")
    await delivered(workflow, clock)
    match ending:
        case "reject":
            assert await reject(workflow, request) is Verdict.ALLOWED
        case "withdraw":
            assert await withdraw(workflow, request) is Verdict.ALLOWED
        case _:
            clock.advance(days=1)
            assert await next_attempt(workflow) is None
    assert await states(store, request) == [state] * 3
    last = (await events(store))[-1]
    assert (last.kind, last.order_id) == (state, "")
    assert len([each for each in await news(workflow, clock) if each.event.kind == state]) == told
    await asked(workflow, "ord_2", "ord_3", "ord_1", form="V2")


async def test_a_freeze_between_two_orders_holds_the_rest(workflow: Workflow, store: Store, clock: Clock) -> None:
    """A call that has begun ends, none begins, and all go on when it is over."""
    request = await approved(workflow, "ord_1", "ord_2", "ord_3")
    first = await sending(workflow)
    ben = replace(actor("UTWO"), ground=NAMED)
    await workflow.freeze(ben, "prices are wrong", typed())
    assert await next_attempt(workflow) is None
    await workflow.record_answer(first, CANCELLED)
    assert await next_attempt(workflow) is None
    assert await states(store, request) == [State.CANCELLED, State.APPROVED, State.APPROVED]
    ended = await workflow.unfreeze(ben, typed())
    assert ended.event is not None
    assert ended.event.content == Unfrozen(NAMED, ("C1",), due=1)
    await answer(workflow, {"ord_2": CANCELLED, "ord_3": CANCELLED})
    assert await states(store, request) == [State.CANCELLED] * 3
    assert len(await news(workflow, clock)) == 2


async def test_a_freeze_takes_retry_off_every_card(workflow: Workflow, store: Store, clock: Clock) -> None:
    """Also off the oldest one that could be retried, however many orders have failed since."""
    oldest = await approved(workflow, "ord_1")
    await workflow.record_answer(await sending(workflow), DENIED)
    clock.advance(minutes=1)
    newer = await approved(workflow, "ord_2", form="V2")
    await workflow.record_answer(await sending(workflow), DENIED)
    more = (
        "WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 1000)"
        " INSERT INTO cancellations (request, order_id, requester, requested_at, state, changed_at, changed_seq)"
        " SELECT request, order_id || n, requester, requested_at, state, changed_at, changed_seq"
        " FROM cancellations JOIN counted ON request = ?"
    )
    await store.transaction("fail", lambda tx: tx.connection.execute(more, (newer.number,)))
    await delivered(workflow, clock)
    await workflow.freeze(replace(actor("UTWO"), ground=NAMED), "why", typed())
    updates = [each for each in await delivered(workflow, clock) if each.delivery.kind.is_update]
    assert {each.delivery.request_id for each in updates} == {oldest.id, newer.id}


async def test_a_freeze_through_a_clock_that_is_ahead_takes_retry_off_too(
    store: Store, rules: Rules, clock: Clock
) -> None:
    """By that clock, the time to retry is over; the card still offers it, and does again once the freeze is over."""
    ahead: list[datetime] = []
    workflow = Workflow(
        store, rules, now=clock, wake=asyncio.Event(), jitter=lambda: 0.0, unconfirmed=lambda: next(iter(ahead), None)
    )
    request = await approved(workflow, "ord_1")
    await workflow.record_answer(await sending(workflow), DENIED)
    await delivered(workflow, clock)
    ben = replace(actor("UTWO"), ground=NAMED)

    async def updated() -> set[str]:
        return {each.delivery.request_id for each in await delivered(workflow, clock) if each.delivery.kind.is_update}

    clock.advance(days=3)
    ahead.append(clock())
    await workflow.freeze(ben, "why", typed())
    assert await updated() == {request.id}
    clock.advance(days=-3)
    ahead.clear()
    await workflow.unfreeze(ben, typed())
    assert await updated() == {request.id}


async def test_a_freeze_leaves_the_cards_alone_that_offer_nothing(workflow: Workflow, clock: Clock) -> None:
    """Whoever has deleted one would see it again, below the news of the freeze."""
    await approved(workflow, "ord_1")
    await workflow.record_answer(await sending(workflow), DENIED)
    await delivered(workflow, clock)
    clock.advance(days=3)
    ben = replace(actor("UTWO"), ground=NAMED)
    for step in (workflow.freeze(ben, "why", typed()), workflow.unfreeze(ben, typed())):
        await step
        assert not [each for each in await delivered(workflow, clock) if each.delivery.kind.is_update]


async def test_the_end_of_a_freeze_is_shown_wherever_it_was_shown(workflow: Workflow, clock: Clock) -> None:
    """Also on a card whose Retry was over before that, and where another approver gave a reason of their own."""
    request = await approved(workflow, "ord_1")
    await workflow.record_answer(await sending(workflow), DENIED)
    await delivered(workflow, clock)
    ben, updates = replace(actor("UTWO"), ground=NAMED), []
    for step in (workflow.freeze(ben, "one", typed()), workflow.freeze(ben, "two", typed())):
        await step
        updates.append({each.delivery.request_id for each in await delivered(workflow, clock)})
        clock.advance(days=10)
    await workflow.unfreeze(ben, typed())
    updates.append({each.delivery.request_id for each in await delivered(workflow, clock)})
    assert [request.id in each for each in updates] == [True, True, True]


async def test_the_end_of_a_freeze_counts_a_request_that_is_partly_being_sent(workflow: Workflow, clock: Clock) -> None:
    """One of its orders hangs at the gateway, and the others still wait."""
    await approved(workflow, "ord_1", "ord_2")
    await sending(workflow)
    ben = replace(actor("UTWO"), ground=NAMED)
    await workflow.freeze(ben, "why", typed())
    ended = await workflow.unfreeze(ben, typed())
    assert ended.event is not None
    assert ended.event.content == Unfrozen(NAMED, ("C1",), due=1)


async def test_a_late_confirmation_of_one_order_is_told_of_that_order(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """All had ended before, so it is news by itself; the event says that it came late."""
    request = await approved(workflow, "ord_1", "ord_2")
    late = await sending(workflow)
    clock.advance(minutes=10)
    await answer(workflow, {"ord_1": GIVEN_UP, "ord_2": CANCELLED})
    clock.advance(minutes=10)
    await answer(workflow, {"ord_1": GIVEN_UP, "ord_2": CANCELLED})
    assert await states(store, request) == [State.UNKNOWN, State.CANCELLED]
    await news(workflow, clock)
    assert await workflow.record_answer(late, CANCELLED) is State.CANCELLED
    told = await news(workflow, clock)
    assert [each.event.order_id for each in told] == ["ord_1", "ord_1"]
    assert (await contents(store))[-1] == Cancelled(1, CANCELLED, late=True)


async def test_a_late_confirmation_while_others_are_under_way_is_part_of_the_summary(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """There is one message at the end, and not one before it."""
    request = await approved(workflow, "ord_1", "ord_2")
    late = await sending(workflow)
    other = await sending(workflow)
    clock.advance(minutes=10)
    await workflow.claim("w", calls=2, messages=0)  # both count as lost
    assert await workflow.record_answer(late, CANCELLED) is State.CANCELLED
    assert await states(store, request) == [State.CANCELLED, State.APPROVED]
    assert {each.event.kind for each in await news(workflow, clock)} == {"gateway_trouble"}
    assert await workflow.record_answer(other, CANCELLED) is State.CANCELLED
    told = await news(workflow, clock)
    assert [each.event.content for each in told] == [Cancelled(1, CANCELLED)] * 2


async def test_trouble_with_the_gateway_is_told_once_for_all_orders(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """However many orders wait, people hear of it once until the end."""
    await approved(workflow, "ord_1", "ord_2", "ord_3")
    for _ in range(2):
        for call in [await sending(workflow) for _ in range(3)]:
            await workflow.record_answer(call, replace(AWAY, retry_after=50.0))
        clock.advance(seconds=50)
    troubles = [event for event in await events(store) if isinstance(event.content, GatewayTrouble)]
    assert len(troubles) == 1


async def test_look_ups_say_how_many_orders_a_request_has(workflow: Workflow, clock: Clock) -> None:
    """A row is about one order, and a story has what happened to all of them as well."""
    batch = await approved(workflow, "ord_1", "ord_2", "ord_3")
    single = await asked(workflow, "ord_4", form="V2")
    found = await workflow.look_up(actor("UTWO"), Asked(""))
    assert len(found.page.items) == 4
    assert found.sizes == {batch.id: 3, single.id: 1}
    story = await workflow.look_up(actor("UTWO"), Asked("order:ord_2"))
    assert story.sizes == {batch.id: 3}
    assert Lookup(order_id="ord_2").order_id == story.order_id


async def test_a_row_without_a_time_does_not_keep_anybody_from_ending_a_freeze(
    workflow: Workflow, store: Store
) -> None:
    """Somebody changed the tables, so the bot froze everything; who has looked must be able to go on."""
    await asked(workflow, "ord_1")
    ben = replace(actor("UTWO"), ground=NAMED)
    await workflow.freeze(ben, "why", typed())
    change = "UPDATE cancellations SET state = 'approved', due_at = NULL"
    await store.transaction("change", lambda tx: tx.connection.execute(change))
    ended = await workflow.unfreeze(ben, typed())
    assert ended.event is not None
    assert ended.event.content == Unfrozen(NAMED, ("C1",))
