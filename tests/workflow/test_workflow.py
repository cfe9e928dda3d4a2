"""One transaction for each use case, a word to the worker after it, and a record that says who did what and why."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.cancellation import State
from bot.domain.events import Approved, Cancelled, Requested, RequestRefused, Sending, Started
from bot.domain.policy import Act, Verdict
from bot.store import Store, StoreError, StoreProblem
from bot.workflow import Rules, Workflow, decisions
from tests.clock import Clock
from tests.workflow.steps import (
    APPROVERS,
    CANCELLED,
    DELIVERED,
    approve,
    approved,
    ask,
    claimed,
    contents,
    deliver_all,
    events,
    requested,
    retry,
    sending,
    settle,
    state_of,
    withdraw,
)
from tests.world import actor
from tests.writer import busy


async def test_every_event_says_who_and_why(workflow: Workflow, store: Store) -> None:
    """The record of a whole story answers who did what, and why."""
    request = await approved(workflow)
    confirmed = replace(CANCELLED, request_id="req_1")
    await workflow.record_answer(await sending(workflow), confirmed)
    record = await events(store)
    assert [(event.content, event.actor) for event in record] == [
        (Requested(("ord_1",), "typed twice", "C1", 1, "2026-11-24T09:00:00.000Z"), "UASKER"),
        (Approved(approvals=1, of=1), "UONE"),
        (Sending(attempt=1), "bot"),
        (Cancelled(1, confirmed), "bot"),
    ]
    assert {event.request for event in record} == {request.id}
    assert {event.order_id for event in record} == {"ord_1"}


async def test_refused_commands_are_on_record(workflow: Workflow, store: Store) -> None:
    """The record says who was refused, which command, and why."""
    await workflow.refuse(actor("U9"), "/cancel-audit", Verdict.NOT_AN_AUDITOR)
    (event,) = await events(store)
    assert event.actor == "U9"
    assert event.content == RequestRefused(Verdict.NOT_AN_AUDITOR, command="/cancel-audit")


async def test_a_refused_click_is_on_record_with_its_order(workflow: Workflow, store: Store) -> None:
    """The story of the order has the click of a person from another company; a forged id leads to no order."""
    request = await requested(workflow)
    for about in (request.id, "nonsense", ""):
        await workflow.refuse(actor("U9"), "approve", Verdict.NOT_OF_THIS_WORKSPACE, about)
    refusals = (await events(store))[1:]
    assert {event.content for event in refusals} == {RequestRefused(Verdict.NOT_OF_THIS_WORKSPACE, command="approve")}
    assert [(event.request, event.order_id, event.actor) for event in refusals] == [
        (request.id, "ord_1", "U9"),
        ("", "", "U9"),
        ("", "", "U9"),
    ]
    assert await state_of(store, request) is State.PENDING


@pytest.mark.parametrize("person", ["U_OUTSIDER", "UASKER"])
async def test_every_refused_act_is_on_record_with_its_order(workflow: Workflow, store: Store, person: str) -> None:
    """Whatever somebody wanted to do, and whatever the cause: the refusal belongs to the story of the order."""
    request = await requested(workflow)
    await approve(workflow, request, person)
    await retry(workflow, request, person)
    await settle(workflow, request, person, APPROVERS.membership(person))
    await withdraw(workflow, request, "U_OUTSIDER")
    refusals = (await events(store))[1:]
    assert [event.content.act for event in refusals] == [Act.APPROVE, Act.RETRY, Act.SETTLE, Act.WITHDRAW]  # type: ignore[attr-defined]
    assert {(event.kind, event.order_id) for event in refusals} == {("click_refused", "ord_1")}


async def test_the_start_is_on_record(workflow: Workflow, store: Store) -> None:
    """The first event of each start names the settings that decide who may do what."""
    started = Started("2.0", approvers=("U1",))
    await workflow.start(started)
    (event,) = await events(store)
    assert (event.actor, event.content) == ("bot", started)


async def test_people_are_remembered_by_their_latest_name(workflow: Workflow, store: Store) -> None:
    """Each act keeps the name under which the person acts now; an act without a name keeps the old one."""
    request = await requested(workflow)
    await approve(workflow, request, "UONE")
    await workflow.refuse(replace(actor("UONE"), name="one of us"), "/cancel-order", Verdict.UNCHECKED)
    await workflow.refuse(replace(actor("UASKER"), name=""), "/cancel-order", Verdict.UNCHECKED)
    names = await store.read(lambda tables: tables.people.names(["UASKER", "UONE", "U9"]))
    assert names == {"UASKER": "ann", "UONE": "one of us"}


async def _ask(workflow: Workflow) -> None:
    await ask(workflow)


async def _click(workflow: Workflow) -> None:
    await workflow.act(decisions.approve, Act.APPROVE, "nonsense", actor("UONE"), approvers=APPROVERS)


async def _answer(workflow: Workflow) -> None:
    await workflow.record_answer(await sending(workflow), CANCELLED)


async def _deliver(workflow: Workflow) -> None:
    await workflow.record_delivery((await claimed(workflow)).delivery, DELIVERED)


async def _count(workflow: Workflow) -> None:
    await workflow.recount(APPROVERS)


async def _click_on_a_card(workflow: Workflow) -> None:
    await workflow.card_clicked("nonsense", DELIVERED)


@pytest.mark.parametrize("act", [_ask, _click, _answer, _deliver, _count, _click_on_a_card])
async def test_the_worker_is_woken_after_everything_that_may_make_work(
    workflow: Workflow, wake: asyncio.Event, act: Callable[[Workflow], Awaitable[None]]
) -> None:
    """After a request, a click, an answer, a delivery and a count of votes the worker looks at once."""
    await approved(workflow)
    wake.clear()
    await act(workflow)
    assert wake.is_set()


async def test_a_claim_says_when_something_falls_due_next(workflow: Workflow, clock: Clock) -> None:
    """The worker sleeps until the receipt waits no longer, the next lease ends, or the next request expires."""
    at = clock()
    await requested(workflow)
    waits = workflow.rules.patience.receipt_waits
    assert (await workflow.claim("w", calls=1, messages=0)).next_at == at + waits
    clock.advance(waits.total_seconds())
    claimed = await workflow.claim("w", calls=1, messages=2)
    assert (len(claimed.deliveries), claimed.next_at) == (2, clock() + timedelta(minutes=2))
    for each in claimed.deliveries:
        await workflow.record_delivery(each.delivery, DELIVERED)
    await deliver_all(workflow, receipts=True)
    assert (await workflow.claim("w", calls=1, messages=0)).next_at == at + timedelta(hours=24)


async def test_a_claim_says_whether_there_may_be_more(workflow: Workflow, store: Store) -> None:
    """After the most that one transaction claims, the worker claims again without a pause."""
    asked = [await requested(workflow, f"ord_{number}", form=f"V{number}") for number in range(11)]
    for request in asked:
        await approve(workflow, request)
    first = await workflow.claim("w", calls=100, messages=0)
    rest = await workflow.claim("w", calls=100, messages=0)
    assert (len(first.attempts), first.more) == (8, True)
    assert (len(rest.attempts), rest.more) == (3, False)
    assert {await state_of(store, request) for request in asked} == {State.SENDING}


async def test_without_room_for_calls_only_what_needs_one_waits(workflow: Workflow, store: Store, clock: Clock) -> None:
    """A worker without room expires a request, and leaves an approved one to the next claim."""
    pending, due = await requested(workflow), await requested(workflow, "ord_2", form="V2")
    await approve(workflow, due)
    clock.advance(hours=24)
    await workflow.claim("w", calls=0, messages=0)
    assert [await state_of(store, each) for each in (pending, due)] == [State.EXPIRED, State.APPROVED]


async def test_an_act_that_waited_too_long_for_the_file_never_happens(
    store: Store, rules: Rules, clock: Clock, wake: asyncio.Event
) -> None:
    """Slack has shown an error by then, and the person may have changed their mind, or clicked again."""
    workflow, patient = (Workflow(store, rules, now=clock, wake=wake, answer_within=each) for each in (0.05, 60))
    request = await requested(patient)
    async with busy(store):
        for act in (approve(workflow, request), ask(workflow, "ord_2", form="V2")):
            with pytest.raises(StoreError) as failed:
                await act
            assert (failed.value.problem, failed.value.unsure) == (StoreProblem.TOO_SLOW, True)
    assert await state_of(store, request) is State.PENDING
    assert [event.kind for event in await events(store)] == ["requested"]
    assert await approve(patient, request) is Verdict.ALLOWED


async def test_a_refused_act_leaves_the_request_as_it_was(workflow: Workflow, store: Store) -> None:
    """Only the record grows."""
    request = await requested(workflow)
    assert await approve(workflow, request, "UASKER") is Verdict.OWN_REQUEST
    assert await store.read(lambda tables: tables.requests.get(request.id)) == request
    assert len(await contents(store)) == 2
