"""Calls to the gateway: what their answers prove, and when the next one follows."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from bot.domain.attempt import LONGEST_RETRY_AFTER, Answer, Attempt
from bot.domain.cancellation import Earlier, State
from bot.domain.delivery import DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import Answered, AnsweredLate, Cancelled, Repeating, Started, Unknown
from bot.domain.policy import Verdict
from bot.domain.request import Request
from bot.store import Store, verify
from bot.workflow import Held, Workflow, freezing
from tests.clock import Clock
from tests.workflow.steps import (
    ALREADY,
    AWAY,
    CANCELLED,
    COMPLETED,
    DENIED,
    EXPIRED,
    LOST,
    MISSING,
    REFUNDED,
    VAGUE,
    approved,
    ask,
    claimed,
    contents,
    deliver_all,
    kinds,
    now,
    requested,
    retry,
    sending,
    settle,
    state_of,
    unknown,
)
from tests.world import World, actor, next_attempt, next_delivery


@pytest.mark.parametrize(
    "answers, state",
    [
        pytest.param([CANCELLED], State.CANCELLED, id="confirmed"),
        pytest.param([COMPLETED], State.REFUSED, id="completed"),
        pytest.param([REFUNDED], State.REFUSED, id="refunded"),
        pytest.param([ALREADY], State.REFUSED, id="cancelled before this request"),
        pytest.param([LOST, ALREADY], State.CANCELLED, id="lost, then cancelled already"),
        pytest.param([AWAY, ALREADY], State.REFUSED, id="never sent, then cancelled already"),
        pytest.param([LOST, COMPLETED], State.REFUSED, id="lost, then completed"),
        pytest.param([LOST, REFUNDED], State.REFUSED, id="lost, then refunded"),
        pytest.param([LOST, VAGUE], State.UNKNOWN, id="lost, then a no that tells nothing"),
        pytest.param([VAGUE], State.UNKNOWN, id="a no that tells nothing"),
        pytest.param([EXPIRED], State.REFUSED, id="expired"),
        pytest.param([LOST, EXPIRED], State.UNKNOWN, id="lost, then expired"),
        pytest.param([LOST, MISSING], State.UNKNOWN, id="lost, then no such order, which may be our own echo"),
        pytest.param([MISSING], State.REFUSED, id="no such order"),
        pytest.param([AWAY, MISSING], State.REFUSED, id="never sent, then no such order"),
        pytest.param([AWAY, CANCELLED], State.CANCELLED, id="away, then confirmed"),
        pytest.param([DENIED], State.FAILED, id="credentials"),
        pytest.param([LOST, DENIED], State.UNKNOWN, id="lost, then credentials"),
        pytest.param([AWAY, AWAY, AWAY], State.FAILED, id="attempts ran out, nothing sent"),
        pytest.param([LOST, AWAY, AWAY], State.UNKNOWN, id="attempts ran out, one lost"),
        pytest.param([LOST, LOST, LOST], State.UNKNOWN, id="attempts ran out, all lost"),
    ],
)
async def test_answers_lead_to_states(
    workflow: Workflow, store: Store, clock: Clock, answers: list[Answer], state: State
) -> None:
    """The state never says more than the attempts proved."""
    request = await approved(workflow)
    for answer in answers:
        await workflow.record_answer(await sending(workflow), answer)
        clock.advance(60)
    found = await now(store, request)
    assert found.state is state
    assert found.cancellation.last_answer == replace(answers[-1], repeat=False)
    assert await next_attempt(workflow) is None
    assert (await store.read(verify)).damage is None


async def test_every_answer_is_on_record_with_its_number(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The record has each answer whole, and says that a repeat confirmed the request."""
    await approved(workflow)
    for answer in (LOST, AWAY, ALREADY):
        await workflow.record_answer(await sending(workflow), answer)
        clock.advance(60)
    answered = [content for content in await contents(store) if isinstance(content, Answered)]
    assert answered == [
        Repeating(1, LOST),
        Repeating(2, AWAY, call=2),
        Cancelled(3, ALREADY, call=3, confirmed_by_repeat=True),
    ]


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


@pytest.mark.parametrize("asked", [300.0, LONGEST_RETRY_AFTER])
async def test_a_restart_does_not_shorten_the_pause_that_the_gateway_asked_for(
    workflow: Workflow, store: Store, clock: Clock, asked: float
) -> None:
    """However often the bot starts meanwhile, the gateway is called when people were told that it is."""
    request = await approved(workflow)
    await workflow.record_answer(await sending(workflow), replace(AWAY, retry_after=asked))
    for _ in range(6):
        await workflow.start(Started("1"))
        assert await next_attempt(workflow) is None
    clock.advance(asked - 0.1)
    assert await next_attempt(workflow) is None
    clock.advance(0.1)
    await sending(workflow)
    assert (await now(store, request)).cancellation.attempts == 2


async def test_a_start_brings_forward_what_a_wrong_clock_put_off(workflow: Workflow, clock: Clock) -> None:
    """An attempt that waits longer than any gateway may ask for was put off by a clock that was ahead."""
    await approved(workflow)
    await workflow.record_answer(await sending(workflow), replace(AWAY, retry_after=60.0))
    clock.advance(-3600)
    await workflow.start(Started("1"))
    assert await next_attempt(workflow) is not None


async def test_a_call_whose_worker_died_is_repeated(workflow: Workflow, store: Store, clock: Clock) -> None:
    """After a restart the unfinished attempt counts as lost, and the cancel is sent again."""
    request = await approved(workflow)
    await sending(workflow)
    await workflow.start(Started("1"))
    assert await next_attempt(workflow) is None
    assert await state_of(store, request) is State.APPROVED
    clock.advance(2)
    await workflow.record_answer(await sending(workflow), ALREADY)
    assert await state_of(store, request) is State.CANCELLED


async def believed_lost(workflow: Workflow, clock: Clock) -> tuple[Request, Attempt]:
    """Return an approved request with a call that another worker settled as lost, since its lease had ended."""
    request = await approved(workflow)
    late = await sending(workflow)
    clock.advance(minutes=3)
    assert await next_attempt(workflow) is None
    clock.advance(1)
    return request, late


async def test_a_confirmation_that_comes_after_its_lease_counts(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The order is cancelled, nothing more is sent, and no event speaks of a repeat that never was."""
    request, late = await believed_lost(workflow, clock)
    assert await workflow.record_answer(late, CANCELLED) is State.CANCELLED
    assert await next_attempt(workflow) is None
    found = await now(store, request)
    assert (found.state, found.cancellation.last_answer, found.due_at) == (State.CANCELLED, CANCELLED, None)
    assert (await contents(store))[-1] == Cancelled(1, CANCELLED)
    news = {DeliveryKind.CARD, DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE}
    assert set(await deliver_all(workflow)) == news


@pytest.mark.parametrize("late_answer", [COMPLETED, ALREADY, MISSING, VAGUE, AWAY, DENIED, LOST])
async def test_no_other_answer_counts_after_its_lease(
    workflow: Workflow, store: Store, clock: Clock, late_answer: Answer
) -> None:
    """It says nothing about the calls that were begun since."""
    request, late = await believed_lost(workflow, clock)
    before = await now(store, request)
    assert await workflow.record_answer(late, late_answer) is None
    assert await now(store, request) == before
    assert await workflow.record_answer(await sending(workflow), ALREADY) is State.CANCELLED


async def test_a_confirmation_counts_while_the_next_call_is_under_way(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The next call's answer changes nothing then, whatever it says."""
    request, late = await believed_lost(workflow, clock)
    second = await sending(workflow)
    assert await workflow.record_answer(late, CANCELLED) is State.CANCELLED
    before = await kinds(store)
    for answer in (ALREADY, LOST):
        assert await workflow.record_answer(second, answer) is None
    assert await state_of(store, request) is State.CANCELLED
    # It changes nothing, and it is on record.
    assert await kinds(store) == [*before, "answered_late"]
    assert (await contents(store))[-1] == AnsweredLate(2, ALREADY, call=2)
    clock.advance(hours=1)
    assert await next_attempt(workflow) is None
    assert (await now(store, request)).cancellation.last_answer == CANCELLED


async def test_a_call_that_was_overtaken_is_not_settled_by_a_restart(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """After a late confirmation the call that was under way no longer matters; a crash then changes nothing."""
    request, late = await believed_lost(workflow, clock)
    await sending(workflow)
    await workflow.record_answer(late, CANCELLED)
    await workflow.start(Started("1"))
    clock.advance(hours=1)
    assert await next_attempt(workflow) is None
    assert await state_of(store, request) is State.CANCELLED


async def test_a_confirmation_counts_after_the_attempts_ran_out(workflow: Workflow, store: Store, clock: Clock) -> None:
    """An unknown outcome that the gateway did confirm becomes known."""
    request, late = await believed_lost(workflow, clock)
    await workflow.record_answer(await sending(workflow), replace(LOST, repeat=False))
    assert await state_of(store, request) is State.UNKNOWN
    assert await workflow.record_answer(late, CANCELLED) is State.CANCELLED
    assert await retry(workflow, request) is Verdict.WRONG_STATE


async def test_a_confirmation_counts_after_a_refusal(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The order is cancelled, although the next call heard that it was completed."""
    request, late = await believed_lost(workflow, clock)
    await workflow.record_answer(await sending(workflow), COMPLETED)
    assert await state_of(store, request) is State.REFUSED
    assert await workflow.record_answer(late, CANCELLED) is State.CANCELLED
    assert (await contents(store))[-1] == Cancelled(1, CANCELLED, late=True)


@pytest.mark.parametrize("answer", [COMPLETED, MISSING, VAGUE, replace(LOST, repeat=False)])
async def test_a_cancelled_order_is_shown_with_the_answer_that_confirmed_it(
    workflow: Workflow, store: Store, clock: Clock, answer: Answer
) -> None:
    """The next call was answered before the confirmation of the first one came; its answer is not what made the end."""
    request, late = await believed_lost(workflow, clock)
    await workflow.record_answer(await sending(workflow), answer)
    assert (await now(store, request)).cancellation.last_answer == answer
    assert await workflow.record_answer(late, CANCELLED) is State.CANCELLED
    assert (await now(store, request)).cancellation.last_answer == CANCELLED


@pytest.mark.parametrize("posted_first", [True, False])
@pytest.mark.parametrize("settled", [True, False])
async def test_a_late_confirmation_is_shown_on_the_card_of_a_newer_request(
    workflow: Workflow, store: Store, clock: Clock, settled: bool, posted_first: bool
) -> None:
    """Its approvers read that the gateway confirmed an earlier request, also if the card is on its way just then."""
    request, late = await believed_lost(workflow, clock)
    await workflow.record_answer(await sending(workflow), replace(LOST, repeat=False) if settled else COMPLETED)
    if settled:
        await settle(workflow, request, cancelled=False)
    await deliver_all(workflow)
    newer = await requested(workflow, form="V2")
    if posted_first:
        await deliver_all(workflow)
        await workflow.record_answer(late, CANCELLED)
    else:
        on_its_way = await claimed(workflow)
        await workflow.record_answer(late, CANCELLED)
        posted = Receipt(DeliveryOutcome.DELIVERED, "C1", "77.1", "link")
        await workflow.record_delivery(on_its_way.delivery, posted)
    drawn = []
    while delivery := await next_delivery(workflow):
        assert delivery.request is not None
        drawn.append((delivery.delivery.kind, delivery.request.id, delivery.request.cancellation.earlier))
        await workflow.record_delivery(
            delivery.delivery, Receipt(DeliveryOutcome.DELIVERED, "C1", f"88.{len(drawn)}", "link")
        )
    at = (await now(store, request)).cancellation.changed_at
    assert (DeliveryKind.CARD_UPDATE, newer.id, Earlier(State.CANCELLED, at)) in drawn
    assert (await store.read(verify)).damage is None


async def test_a_late_confirmation_ends_retry_on_the_card_of_a_newer_unknown_order(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """Its card and receipt must not go on offering what nobody can do any more."""
    request, late = await believed_lost(workflow, clock)
    await workflow.record_answer(await sending(workflow), replace(LOST, repeat=False))
    await settle(workflow, request, cancelled=False)
    newer = await approved(workflow, form="V2")
    await workflow.record_answer(await sending(workflow), replace(LOST, repeat=False))
    await deliver_all(workflow)
    assert await state_of(store, newer) is State.UNKNOWN
    await workflow.record_answer(late, CANCELLED)
    owed = []
    while delivery := await next_delivery(workflow):
        assert delivery.request is not None
        owed.append((delivery.request.id, delivery.delivery.kind))
        await workflow.record_delivery(
            delivery.delivery, Receipt(DeliveryOutcome.DELIVERED, "C1", f"88.{len(owed)}", "link")
        )
    assert {(newer.id, DeliveryKind.CARD_UPDATE), (newer.id, DeliveryKind.RECEIPT_UPDATE)} <= set(owed)


@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_confirmation_counts_after_a_person_settled_it(
    workflow: Workflow, store: Store, clock: Clock, cancelled: bool
) -> None:
    """The gateway's word replaces the person's, also while another request for the order is open."""
    request, late = await believed_lost(workflow, clock)
    await workflow.record_answer(await sending(workflow), replace(LOST, repeat=False))
    assert await settle(workflow, request, cancelled=cancelled) is Verdict.ALLOWED
    other = await approved(workflow, form="V2")
    assert await workflow.record_answer(late, CANCELLED) is State.CANCELLED
    assert await state_of(store, request) is State.CANCELLED
    assert await state_of(store, other) is State.APPROVED
    # The other request learns the truth: it was cancelled before.
    assert await workflow.record_answer(await sending(workflow), ALREADY) is State.REFUSED


async def test_an_outcome_that_is_not_known_keeps_other_requests_away(workflow: Workflow, store: Store) -> None:
    """So no request begins beside an unclear attempt of another one, until somebody settles that by hand."""
    request = await unknown(workflow)
    assert (await ask(workflow, form="V2")).verdict is Verdict.ANOTHER_IS_OPEN
    assert await retry(workflow, request) is Verdict.ALLOWED
    assert (await ask(workflow, form="V2")).verdict is Verdict.ANOTHER_IS_OPEN
    # Certainly not sent this time, but the attempt before the retry still counts.
    assert await workflow.record_answer(await sending(workflow), DENIED) is State.UNKNOWN
    assert (await ask(workflow, form="V2")).verdict is Verdict.ANOTHER_IS_OPEN


@pytest.mark.parametrize(
    "answer, state", [(ALREADY, State.CANCELLED), (MISSING, State.UNKNOWN), (DENIED, State.UNKNOWN)]
)
async def test_an_unclear_attempt_counts_for_later_requests_once_settled_by_hand(
    workflow: Workflow, answer: Answer, state: State
) -> None:
    """A statement is not the gateway's word, so the lost call may still be the one that cancelled the order."""
    assert await settle(workflow, await unknown(workflow), cancelled=False) is Verdict.ALLOWED
    await approved(workflow, form="V2")
    assert await workflow.record_answer(await sending(workflow), answer) is state


@pytest.mark.parametrize("end", [CANCELLED, ALREADY, COMPLETED])
@pytest.mark.parametrize("answer, state", [(ALREADY, State.REFUSED), (MISSING, State.REFUSED), (DENIED, State.FAILED)])
async def test_an_unclear_attempt_ends_with_the_gateways_word(
    workflow: Workflow, store: Store, end: Answer, answer: Answer, state: State
) -> None:
    """Once the gateway has said how the order stands, a later request begins without doubts."""
    request = await unknown(workflow)
    assert await retry(workflow, request) is Verdict.ALLOWED
    await workflow.record_answer(await sending(workflow), end)
    assert await state_of(store, request) in {State.CANCELLED, State.REFUSED}
    await approved(workflow, form="V2")
    assert await workflow.record_answer(await sending(workflow), answer) is state


async def test_a_confirmation_counts_after_a_retry_and_names_its_own_attempt(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The retry is not sent any more, and the record says which call was confirmed."""
    request, late = await believed_lost(workflow, clock)
    await workflow.record_answer(await sending(workflow), replace(LOST, repeat=False))
    assert await retry(workflow, request) is Verdict.ALLOWED
    assert await workflow.record_answer(late, CANCELLED) is State.CANCELLED
    assert await next_attempt(workflow) is None
    assert (await contents(store))[-1] == Cancelled(1, CANCELLED)


async def test_a_confirmation_that_comes_twice_counts_once(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The second copy leaves neither an event nor a message."""
    _, late = await believed_lost(workflow, clock)
    assert await workflow.record_answer(late, CANCELLED) is State.CANCELLED
    before = await kinds(store)
    assert await workflow.record_answer(late, CANCELLED) is None
    assert await kinds(store) == before


async def test_what_a_worker_holds_is_not_settled_by_itself(workflow: Workflow, store: Store, clock: Clock) -> None:
    """However long the answer is in its hands; a worker that holds nothing settles it when the lease is over."""
    request = await approved(workflow)
    await sending(workflow)
    clock.advance(hours=2)
    held = Held(frozenset({request.cancellation.number}))
    claimed = await workflow.claim("w", calls=5, messages=0, held=held)
    assert claimed.attempts == []
    assert await state_of(store, request) is State.SENDING
    await workflow.claim("w", calls=5, messages=0)
    assert await state_of(store, request) is State.APPROVED


async def test_what_a_worker_holds_does_not_hide_what_else_is_due(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """A call of another worker that died is settled, and a new request is sent."""
    mine = await approved(workflow)
    await sending(workflow)
    left = await approved(workflow, "ord_2", form="V2")
    await sending(workflow)
    clock.advance(minutes=3)
    new = await approved(workflow, "ord_3", form="V3")
    claimed = await workflow.claim("w", calls=5, messages=0, held=Held(frozenset({mine.cancellation.number})))
    assert [attempt.order_id for attempt in claimed.attempts] == ["ord_3"]
    states = [await state_of(store, each) for each in (mine, left, new)]
    assert states == [State.SENDING, State.APPROVED, State.SENDING]


@pytest.mark.parametrize("echo", [MISSING, VAGUE, EXPIRED])
async def test_the_echo_of_our_own_success_is_not_believed(
    workflow: Workflow, store: Store, clock: Clock, echo: Answer
) -> None:
    """After a lost answer "no such order" leaves the outcome unknown, and blocks another request."""
    request = await approved(workflow)
    await workflow.record_answer(await sending(workflow), LOST)
    clock.advance(60)
    assert await workflow.record_answer(await sending(workflow), echo) is State.UNKNOWN
    assert (await contents(store))[-1] == Unknown(2, echo, call=2)
    assert (await now(store, request)).cancellation.last_answer == echo
    assert await retry(workflow, request) is Verdict.ALLOWED


async def test_a_lost_answer_is_remembered_across_a_retry(workflow: Workflow, store: Store, clock: Clock) -> None:
    """After the retry "no such order" is no proof either, and "already cancelled" is our confirmation."""
    request = await unknown(workflow)
    assert await retry(workflow, request) is Verdict.ALLOWED
    assert await workflow.record_answer(await sending(workflow), MISSING) is State.UNKNOWN
    assert await retry(workflow, request) is Verdict.ALLOWED
    assert await workflow.record_answer(await sending(workflow), ALREADY) is State.CANCELLED
    assert (await contents(store))[-1] == Cancelled(1, ALREADY, call=3, confirmed_by_repeat=True)


def test_answers_that_are_all_lost_end_as_an_error_of_the_log(world: World) -> None:
    """Nobody answers, so only the claim that counts the last one as lost can say that a person must look."""
    about = world.asked()
    world.approve(about)
    with capture_logs() as lines:
        for _ in range(4):
            world.work()
            world.clock.advance(minutes=3)
    assert world.found(about).state is State.UNKNOWN
    [line] = [line for line in lines if line["log_level"] == "error"]
    assert (line["event"], line["order"], line["request"], line["problem"]) == (
        "ended_unknown",
        "ord_1",
        about,
        "stopped",
    )


async def test_what_was_approved_in_a_restored_copy_is_not_sent_before_somebody_has_looked(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """People may have stopped it after the copy was made; who looks can stop it again, and then end the freeze."""
    request = await approved(workflow)
    await store.transaction("restore", lambda tx: freezing.freeze_restored(tx, actor="terminal:root", at=clock()))
    assert (await workflow.claim("w", calls=1, messages=0)).attempts == []
    assert await state_of(store, request) is State.APPROVED


@pytest.mark.parametrize("answer", [MISSING, EXPIRED, DENIED])
async def test_a_call_that_a_restored_copy_does_not_know_counts_as_unclear(
    workflow: Workflow, store: Store, clock: Clock, answer: Answer
) -> None:
    """Such a no may be the echo of what the request did after the copy was made."""
    request = await approved(workflow)
    await store.transaction("restore", lambda tx: freezing.freeze_restored(tx, actor="terminal:root", at=clock()))
    await workflow.unfreeze(actor("UTWO"), freezing.Typed("/cancel-order", "C1", ""))
    assert await workflow.record_answer(await sending(workflow), answer) is State.UNKNOWN
    assert await state_of(store, request) is State.UNKNOWN
