"""The use cases, over a real store: states, records, what is owed, and what two at once lead to."""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import verify
from bot.domain.cancellation import Cancellation, State
from bot.domain.delivery import DeliveryKind, Fate, Receipt
from bot.domain.policy import Standing, Verdict
from bot.store import Attempt, Store
from bot.workflow import Accepted, Acted, AlreadyOpen, AskResult, BadOrderId, MayNotAsk, Rules, Workflow
from tests.clock import Clock
from tests.world import next_attempt, next_owed

CANCELLED = Answer(Outcome.CANCELLED, http_status=200)
LOST = Answer(Outcome.UNKNOWN, repeat=True, message="no answer came in time")
AWAY = Answer(Outcome.NOT_SENT, repeat=True, message="the gateway could not be reached")
COMPLETED = Answer(Outcome.REFUSED, http_status=409, message="completed", use_refund=True)
ALREADY = Answer(Outcome.REFUSED, http_status=409, message="already cancelled", already_cancelled=True)
VAGUE = Answer(Outcome.REFUSED, http_status=409, message="conflict")
MISSING = Answer(Outcome.REFUSED, http_status=404, message="not found")
DENIED = Answer(Outcome.NOT_SENT, http_status=401, message="bad key")


def asking(
    workflow: Workflow,
    order: str = "ord_1",
    *,
    form: str = "V1",
    person: str = "UASKER",
    reason: str = "typed twice",
) -> Awaitable[AskResult]:
    """Somebody sends the form."""
    return workflow.request(
        form_id=form,
        order_id=order,
        reason=reason,
        requester=person,
        name="ann",
        channel="C1",
        standing=Standing.MEMBER,
    )


async def requested(workflow: Workflow, order: str = "ord_1", *, form: str = "V1") -> Cancellation:
    """A pending request."""
    result = await asking(workflow, order, form=form)
    assert isinstance(result, Accepted)
    return result.cancellation


async def approve(workflow: Workflow, cancellation: Cancellation, person: str = "UONE") -> Acted:
    """Somebody approves."""
    return await workflow.approve(cancellation.id, person, person.lower(), Standing.MEMBER)


async def sending(workflow: Workflow) -> Attempt:
    """The attempt that is due."""
    attempt = await next_attempt(workflow)
    assert attempt is not None
    return attempt


async def approved(workflow: Workflow) -> Cancellation:
    """A request that is approved."""
    cancellation = await requested(workflow)
    assert (await approve(workflow, cancellation)).verdict is Verdict.ALLOWED
    return cancellation


async def state_of(store: Store, cancellation: Cancellation) -> State:
    """How it stands now."""
    found = await store.read(lambda reader: reader.cancellation(cancellation.id))
    assert found is not None
    return found.state


async def kinds(store: Store) -> list[str]:
    """The kinds of all events on record."""
    return await store.read(lambda reader: [event.kind for event in reader.events()])


async def owed(workflow: Workflow, *, deliver: bool = True) -> list[DeliveryKind]:
    """Everything that is owed now, in order, delivered as it is taken."""
    taken = []
    while (claimed := await next_owed(workflow)) is not None:
        taken.append(claimed.delivery.kind)
        if deliver:
            await workflow.record_delivery(claimed.delivery, Receipt(Fate.DELIVERED, "C1", "1.1", "https://x/1"))
    return taken


async def test_a_request_owes_a_card_and_nothing_else(workflow: Workflow, store: Store) -> None:
    """Asking leaves one pending cancellation, one event and one owed card."""
    cancellation = await requested(workflow)
    assert (cancellation.state, cancellation.order_id, cancellation.reason) == (State.PENDING, "ord_1", "typed twice")
    assert await kinds(store) == ["requested"]
    assert await owed(workflow) == [DeliveryKind.CARD]


async def test_the_same_form_twice_asks_once(workflow: Workflow, store: Store) -> None:
    """A second delivery of the same form changes nothing and answers as the first did."""
    first, second = await asking(workflow), await asking(workflow)
    assert first == second
    assert await kinds(store) == ["requested"]


async def test_an_order_has_one_open_cancellation(workflow: Workflow, store: Store) -> None:
    """Whoever asks for an order that is asked for already learns who asked, and it is on record."""
    cancellation = await requested(workflow)
    result = await asking(workflow, form="V2", person="UTWO")
    assert result == AlreadyOpen(cancellation, "ann")
    assert await kinds(store) == ["requested", "request_refused"]


async def test_a_form_sent_again_with_another_order_is_another_request(workflow: Workflow) -> None:
    """After an acknowledgement that was lost on its way, changed words are never taken for those that are kept."""
    first = await requested(workflow)
    again = await asking(workflow, "ord_2")
    assert isinstance(again, Accepted)
    assert (again.cancellation.order_id, again.cancellation.id != first.id) == ("ord_2", True)


async def test_a_form_sent_again_with_another_reason_names_the_request_that_is_kept(workflow: Workflow) -> None:
    """The person learns that their first words stand, instead of reading an acknowledgement for words that do not."""
    first = await requested(workflow)
    again = await asking(workflow, reason="fraud")
    assert isinstance(again, AlreadyOpen)
    assert again.cancellation == first


async def test_fifty_forms_at_once_for_one_order_make_one_request(workflow: Workflow, store: Store) -> None:
    """Of fifty simultaneous forms for one order exactly one is accepted."""
    results = await asyncio.gather(*(asking(workflow, form=f"V{number}") for number in range(50)))
    assert [type(result) for result in results].count(Accepted) == 1
    assert (await kinds(store)).count("requested") == 1


@pytest.mark.parametrize("order", ["", "ord 1", "ord_1\n", "x" * 65, "<@U1>", "ord_é"])
async def test_a_bad_order_id_is_refused_and_recorded(workflow: Workflow, store: Store, order: str) -> None:
    """The whole order id must match the pattern."""
    assert await asking(workflow, order) == BadOrderId()
    assert await kinds(store) == ["request_refused"]


@pytest.mark.parametrize(
    "standing, verdict",
    [(Standing.OUTSIDER, Verdict.NOT_A_REQUESTER), (Standing.UNCHECKED, Verdict.UNCHECKED)],
)
async def test_who_may_not_ask_is_refused_and_recorded(
    workflow: Workflow,
    store: Store,
    standing: Standing,
    verdict: Verdict,
) -> None:
    """Who is no requester, or could not be checked, gets no cancellation."""
    result = await workflow.request(
        form_id="V1",
        order_id="ord_1",
        reason="",
        requester="U9",
        name="",
        channel="C1",
        standing=standing,
    )
    assert result == MayNotAsk(verdict)
    assert await kinds(store) == ["request_refused"]


async def test_approval_makes_the_cancel_due_with_what_was_approved(workflow: Workflow) -> None:
    """The attempt carries exactly the order id and reason that were approved."""
    await approved(workflow)
    attempt = await sending(workflow)
    assert (attempt.order_id, attempt.reason) == ("ord_1", "typed twice")
    assert await next_attempt(workflow) is None


async def test_nothing_is_sent_before_approval(workflow: Workflow) -> None:
    """A pending request is not sent."""
    await requested(workflow)
    assert await next_attempt(workflow) is None


async def test_own_approval_does_not_count(workflow: Workflow, store: Store) -> None:
    """The requester's click is refused and recorded."""
    cancellation = await requested(workflow)
    assert (await approve(workflow, cancellation, "UASKER")).verdict is Verdict.OWN_REQUEST
    assert await state_of(store, cancellation) is State.PENDING
    assert await kinds(store) == ["requested", "click_refused"]


async def test_quorum_of_three_counts_different_approvers(store: Store, rules: Rules, clock: Clock) -> None:
    """Each approver counts once, and the third one makes it due."""
    workflow = Workflow(store, replace(rules, approvals_required=3), now=clock)
    cancellation = await requested(workflow)
    for person in ("UONE", "UTWO"):
        assert (await approve(workflow, cancellation, person)).verdict is Verdict.ALLOWED
    assert (await approve(workflow, cancellation, "UONE")).verdict is Verdict.ALREADY_COUNTED
    assert await next_attempt(workflow) is None
    assert (await approve(workflow, cancellation, "UTHREE")).verdict is Verdict.ALLOWED
    found = await store.read(lambda reader: reader.cancellation(cancellation.id))
    assert found is not None
    assert found.approvers == ("UONE", "UTWO", "UTHREE")
    assert found.state is State.APPROVED


async def test_fifty_clicks_by_ten_approvers_send_once(store: Store, rules: Rules, clock: Clock) -> None:
    """Fifty simultaneous clicks with a quorum of three lead to one attempt and three counted approvals."""
    workflow = Workflow(store, replace(rules, approvals_required=3), now=clock)
    cancellation = await requested(workflow)
    acts = await asyncio.gather(*(approve(workflow, cancellation, f"U{number % 10}") for number in range(50)))
    assert [acted.verdict for acted in acts].count(Verdict.ALLOWED) == 3
    attempts = await asyncio.gather(*(next_attempt(workflow) for _ in range(5)))
    assert len([attempt for attempt in attempts if attempt]) == 1


async def test_approve_and_reject_at_once_have_one_winner(workflow: Workflow, store: Store) -> None:
    """Of two opposite clicks one wins, and the other is told the state."""
    cancellation = await requested(workflow)
    acts = await asyncio.gather(
        approve(workflow, cancellation),
        workflow.reject(cancellation.id, "UTWO", "two", Standing.MEMBER, "no"),
    )
    assert sorted(acted.verdict for acted in acts) == [Verdict.ALLOWED, Verdict.WRONG_STATE]
    assert await state_of(store, cancellation) in {State.APPROVED, State.REJECTED}


async def test_rejection_ends_it_with_its_reason(workflow: Workflow, store: Store) -> None:
    """A rejected request is never sent; card, thread and requester are owed the news."""
    cancellation = await requested(workflow)
    await owed(workflow)
    await workflow.reject(cancellation.id, "UONE", "one", Standing.MEMBER, "wrong order")
    found = await store.read(lambda reader: reader.cancellation(cancellation.id))
    assert found is not None
    assert found.rejection is not None
    assert found.rejection.reason == "wrong order"
    assert await next_attempt(workflow) is None
    assert set(await owed(workflow)) == {DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE}


async def test_only_the_requester_withdraws(workflow: Workflow, store: Store) -> None:
    """Another person's withdrawal is refused; the requester's ends it, without a message to themselves."""
    cancellation = await requested(workflow)
    await owed(workflow)
    assert (await workflow.withdraw(cancellation.id, "UONE", "one")).verdict is Verdict.NOT_THE_REQUESTER
    assert (await workflow.withdraw(cancellation.id, "UASKER", "ann")).verdict is Verdict.ALLOWED
    assert await state_of(store, cancellation) is State.WITHDRAWN
    assert await owed(workflow) == [DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY]


async def test_a_click_for_an_unknown_request_is_refused_and_recorded(workflow: Workflow, store: Store) -> None:
    """A tampered or forgotten id changes nothing."""
    acted = await workflow.approve("nonsense", "UONE", "one", Standing.MEMBER)
    assert acted == Acted(Verdict.WRONG_STATE, None)
    assert await kinds(store) == ["click_refused"]


async def test_pending_requests_expire(workflow: Workflow, store: Store, clock: Clock) -> None:
    """After the time is over the request expires, on record, and card, thread and requester are owed the news."""
    cancellation = await requested(workflow)
    await owed(workflow)
    clock.advance(hours=24)
    assert await next_attempt(workflow) is None
    assert await state_of(store, cancellation) is State.EXPIRED
    assert set(await owed(workflow)) == {DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE}


async def test_an_approval_after_the_time_is_over_does_not_count(workflow: Workflow, clock: Clock) -> None:
    """A click that comes before the worker has expired the request is too late all the same."""
    cancellation = await requested(workflow)
    clock.advance(hours=24)
    acted = await approve(workflow, cancellation)
    assert acted.verdict is Verdict.WRONG_STATE
    assert acted.cancellation is not None
    assert acted.cancellation.state is State.EXPIRED


async def test_an_expired_request_does_not_block_a_new_one(workflow: Workflow, clock: Clock) -> None:
    """Asking again after the time is over works at once."""
    await requested(workflow)
    clock.advance(hours=24)
    assert isinstance(await asking(workflow, form="V2"), Accepted)


@pytest.mark.parametrize(
    "answers, state",
    [
        pytest.param([CANCELLED], State.CANCELLED, id="confirmed"),
        pytest.param([COMPLETED], State.REFUSED, id="completed"),
        pytest.param([ALREADY], State.REFUSED, id="cancelled before this request"),
        pytest.param([LOST, ALREADY], State.CANCELLED, id="lost, then cancelled already"),
        pytest.param([AWAY, ALREADY], State.REFUSED, id="never sent, then cancelled already"),
        pytest.param([LOST, COMPLETED], State.REFUSED, id="lost, then completed"),
        pytest.param([LOST, VAGUE], State.UNKNOWN, id="lost, then a no that tells nothing"),
        pytest.param([VAGUE], State.REFUSED, id="a no that tells nothing"),
        pytest.param([LOST, MISSING], State.REFUSED, id="lost, then no such order"),
        pytest.param([AWAY, CANCELLED], State.CANCELLED, id="away, then confirmed"),
        pytest.param([DENIED], State.FAILED, id="credentials"),
        pytest.param([LOST, DENIED], State.UNKNOWN, id="lost, then credentials"),
        pytest.param([AWAY, AWAY, AWAY], State.FAILED, id="attempts ran out, nothing sent"),
        pytest.param([LOST, AWAY, AWAY], State.UNKNOWN, id="attempts ran out, one lost"),
        pytest.param([LOST, LOST, LOST], State.UNKNOWN, id="attempts ran out, all lost"),
    ],
)
async def test_answers_lead_to_states(
    workflow: Workflow,
    store: Store,
    clock: Clock,
    answers: list[Answer],
    state: State,
) -> None:
    """The state never says more than the attempts proved."""
    cancellation = await approved(workflow)
    for answer in answers:
        await workflow.record_answer(await sending(workflow), answer)
        clock.advance(60)
    assert await state_of(store, cancellation) is state
    assert await next_attempt(workflow) is None
    assert (await store.read(lambda reader: verify(reader.events()))).damage is None


async def test_repeats_wait_longer_each_time_and_as_long_as_asked(workflow: Workflow, clock: Clock) -> None:
    """The pause doubles, and a Retry-After that is longer wins."""
    await approved(workflow)
    await workflow.record_answer(await sending(workflow), AWAY)
    clock.advance(0.9)
    assert await next_attempt(workflow) is None
    clock.advance(0.1)
    await workflow.record_answer(await sending(workflow), replace(AWAY, retry_after=7.0))
    clock.advance(6.9)
    assert await next_attempt(workflow) is None
    clock.advance(0.1)
    assert await next_attempt(workflow) is not None


async def test_a_call_whose_worker_died_is_repeated(workflow: Workflow, store: Store, clock: Clock) -> None:
    """After a restart the unfinished attempt counts as lost, and the cancel is sent again."""
    cancellation = await approved(workflow)
    await sending(workflow)
    await workflow.recover({"version": "1"})
    assert await next_attempt(workflow) is None
    assert await state_of(store, cancellation) is State.APPROVED
    clock.advance(2)
    await workflow.record_answer(await sending(workflow), ALREADY)
    assert await state_of(store, cancellation) is State.CANCELLED


async def test_an_answer_that_comes_after_its_lease_does_not_count(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """Only one result of an attempt is ever written down."""
    cancellation = await approved(workflow)
    late = await sending(workflow)
    clock.advance(minutes=3)
    assert await next_attempt(workflow) is None
    assert await workflow.record_answer(late, CANCELLED) is None
    assert await state_of(store, cancellation) is State.APPROVED


async def test_retry_sends_the_same_again(workflow: Workflow, store: Store) -> None:
    """An approver's retry makes a failed cancellation due with all its attempts; an outsider's does not."""
    cancellation = await approved(workflow)
    await workflow.record_answer(await sending(workflow), DENIED)
    refused = await workflow.retry(cancellation.id, "U9", "nine", Standing.OUTSIDER)
    assert refused.verdict is Verdict.NOT_AN_APPROVER
    assert (await workflow.retry(cancellation.id, "UONE", "one", Standing.MEMBER)).verdict is Verdict.ALLOWED
    await workflow.record_answer(await sending(workflow), CANCELLED)
    assert await state_of(store, cancellation) is State.CANCELLED


async def test_retry_waits_for_another_open_request(workflow: Workflow, store: Store) -> None:
    """A failed cancellation cannot be retried while a newer one of the same order is open."""
    cancellation = await approved(workflow)
    await workflow.record_answer(await sending(workflow), DENIED)
    await requested(workflow, form="V2")
    acted = await workflow.retry(cancellation.id, "UONE", "one", Standing.MEMBER)
    assert acted.verdict is Verdict.ANOTHER_IS_OPEN
    assert await state_of(store, cancellation) is State.FAILED


async def test_an_unknown_outcome_blocks_a_second_request(workflow: Workflow, clock: Clock) -> None:
    """While nobody knows whether an order is cancelled, nobody can ask for it anew."""
    await approved(workflow)
    for _ in range(3):
        await workflow.record_answer(await sending(workflow), LOST)
        clock.advance(60)
    assert isinstance(await asking(workflow, form="V2"), AlreadyOpen)


async def test_a_result_is_told_once_in_the_order_in_which_things_happened(workflow: Workflow) -> None:
    """One update serves all changes that nobody has shown yet; thread replies keep their order."""
    await approved(workflow)
    await workflow.record_answer(await sending(workflow), CANCELLED)
    assert await owed(workflow) == [
        DeliveryKind.CARD,
        DeliveryKind.CARD_UPDATE,
        DeliveryKind.REPLY,
        DeliveryKind.DIRECT_MESSAGE,
    ]


async def test_an_unfinished_delivery_comes_again_in_doubt(workflow: Workflow, clock: Clock) -> None:
    """What a dead worker was delivering is taken up again a little later, and known to be perhaps in Slack already."""
    await requested(workflow)
    first = await next_owed(workflow)
    assert first is not None
    assert first.delivery.in_doubt_since is None
    await workflow.recover({})
    assert await next_owed(workflow) is None
    clock.advance(3)
    again = await next_owed(workflow)
    assert again is not None
    assert (again.delivery.id, again.delivery.tries) == (first.delivery.id, 2)
    assert again.delivery.in_doubt_since is not None


async def test_a_card_that_cannot_be_posted_is_told_once_and_tried_until_it_can(
    workflow: Workflow,
    store: Store,
    clock: Clock,
) -> None:
    """The requester is told once; the card goes out as soon as the channel takes it."""
    await requested(workflow)
    told = []
    for _ in range(3):
        claimed = await next_owed(workflow)
        while claimed is not None:
            delivery = claimed.delivery
            told.append(delivery.kind)
            blocked = delivery.kind is DeliveryKind.CARD
            receipt = Receipt(Fate.BLOCKED, problem="not_in_channel") if blocked else Receipt(Fate.DELIVERED)
            await workflow.record_delivery(delivery, receipt)
            claimed = await next_owed(workflow)
        clock.advance(60)
    assert told == [DeliveryKind.CARD, DeliveryKind.DIRECT_MESSAGE, DeliveryKind.CARD, DeliveryKind.CARD]
    assert await owed(workflow) == [DeliveryKind.CARD]
    assert (await kinds(store)).count("card_blocked") == 1


async def test_a_deleted_card_is_posted_anew_while_people_must_act(workflow: Workflow, store: Store) -> None:
    """If the card is gone when it must be changed and a decision is still needed, there will be a new one."""
    cancellation = await approved(workflow)
    await owed(workflow)
    await workflow.record_answer(await sending(workflow), DENIED)
    claimed = await next_owed(workflow)
    while claimed is not None and claimed.delivery.kind is not DeliveryKind.CARD_UPDATE:
        await workflow.record_delivery(claimed.delivery, Receipt(Fate.DELIVERED))
        claimed = await next_owed(workflow)
    assert claimed is not None
    await workflow.record_delivery(claimed.delivery, Receipt(Fate.IMPOSSIBLE, problem="message_not_found"))
    assert DeliveryKind.CARD in await owed(workflow)
    assert await state_of(store, cancellation) is State.FAILED


async def test_asking_again_finds_out_whether_the_card_is_still_there(workflow: Workflow) -> None:
    """A deleted card took the only buttons with it, and the order stays blocked; asking again brings them back."""
    await requested(workflow)
    await owed(workflow)
    assert isinstance(await asking(workflow, form="V2"), AlreadyOpen)
    claimed = await next_owed(workflow)
    assert claimed is not None
    assert claimed.delivery.kind is DeliveryKind.CARD_UPDATE
    await workflow.record_delivery(claimed.delivery, Receipt(Fate.IMPOSSIBLE, problem="message_not_found"))
    assert await owed(workflow) == [DeliveryKind.CARD]


async def test_asking_again_before_the_card_is_posted_owes_no_second_one(workflow: Workflow) -> None:
    """The card that is owed already is enough."""
    await requested(workflow)
    assert isinstance(await asking(workflow, form="V2"), AlreadyOpen)
    assert await owed(workflow) == [DeliveryKind.CARD]


async def test_a_deleted_card_with_two_updates_owed_is_posted_anew_once(workflow: Workflow, clock: Clock) -> None:
    """However many updates find the card gone, there will be one new card."""
    await approved(workflow)
    await owed(workflow)
    await workflow.record_answer(await sending(workflow), LOST)
    first = await next_owed(workflow)
    assert first is not None
    for _ in range(2):
        clock.advance(60)
        await workflow.record_answer(await sending(workflow), LOST)
    gone = Receipt(Fate.IMPOSSIBLE, problem="message_not_found")
    await workflow.record_delivery(first.delivery, gone)
    cards = 0
    while (claimed := await next_owed(workflow)) is not None:
        cards += claimed.delivery.kind is DeliveryKind.CARD
        update = claimed.delivery.kind is DeliveryKind.CARD_UPDATE and not cards
        await workflow.record_delivery(claimed.delivery, gone if update else Receipt(Fate.DELIVERED, "C1", "2.2"))
    assert cards == 1


async def test_a_delivery_is_given_up_after_a_day_and_that_is_on_record(
    workflow: Workflow,
    store: Store,
    clock: Clock,
) -> None:
    """What Slack does not take for a day is abandoned, and with the card all that would stand below it."""
    await approved(workflow)
    for _ in range(2):
        claimed = await next_owed(workflow)
        assert claimed is not None
        await workflow.record_delivery(claimed.delivery, Receipt(Fate.LATER, problem="http_500", in_doubt=True))
        clock.advance(hours=25)
    assert "delivery_abandoned" in await kinds(store)
    assert await owed(workflow) == []


async def test_every_event_names_who_and_why(workflow: Workflow, store: Store) -> None:
    """The record of a whole story answers who did what, and why."""
    cancellation = await approved(workflow)
    await workflow.record_answer(await sending(workflow), replace(CANCELLED, request_id="req_1"))
    events = await store.read(lambda reader: list(reader.events()))
    assert [(event.kind, event.actor) for event in events] == [
        ("requested", "UASKER"),
        ("approved", "UONE"),
        ("sending", "bot"),
        ("cancelled", "bot"),
    ]
    assert json.loads(events[0].data)["reason"] == "typed twice"
    assert json.loads(events[3].data)["request_id"] == "req_1"
    assert {event.cancellation for event in events} == {cancellation.id}


async def test_a_card_that_slack_never_takes_is_told_to_the_requester(workflow: Workflow, store: Store) -> None:
    """If the card itself is refused for good, who asked learns that nobody can approve."""
    await requested(workflow)
    claimed = await next_owed(workflow)
    assert claimed is not None
    await workflow.record_delivery(claimed.delivery, Receipt(Fate.IMPOSSIBLE, problem="invalid_blocks"))
    assert await owed(workflow) == [DeliveryKind.DIRECT_MESSAGE]
    assert await kinds(store) == ["requested", "delivery_abandoned"]


async def test_a_message_that_fails_fifty_times_no_longer_holds_up_the_others(workflow: Workflow, clock: Clock) -> None:
    """Up to then the channel is spared as a whole; after that only this message waits."""
    await requested(workflow)
    spared = []
    for _ in range(52):
        claimed = await next_owed(workflow)
        assert claimed is not None
        spared.append(bool(await workflow.record_delivery(claimed.delivery, Receipt(Fate.LATER, problem="http_500"))))
        clock.advance(60)
    assert spared == [True] * 50 + [False] * 2


async def test_refused_commands_are_on_record(workflow: Workflow, store: Store) -> None:
    """Who was refused, what for, and why."""
    await workflow.refuse_command("U9", "nine", "/cancel-audit", Verdict.NOT_AN_AUDITOR)
    (event,) = await store.read(lambda reader: list(reader.events()))
    assert json.loads(event.data) == {"command": "/cancel-audit", "why": "not_an_auditor"}
