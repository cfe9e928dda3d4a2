"""Try now and Stop trying: what people may do while every attempt so far certainly did nothing."""

import asyncio
from dataclasses import replace

import pytest

from bot.domain.attempt import Outcome
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import ClickRefused, Hurried, StoppedTrying
from bot.domain.policy import NAMED, Act, Ground, Membership, Surface, Verdict
from bot.domain.projection import Subject
from bot.domain.request import Request
from bot.store import Store
from bot.workflow import Workflow, decisions
from bot.workflow.transitions import end
from tests.clock import Clock
from tests.workflow.steps import (
    ANN,
    AWAY,
    CANCELLED,
    DENIED,
    LOST,
    MISSING,
    approved,
    contents,
    deliver_all,
    events,
    failed,
    kinds,
    now,
    requested,
    retry,
    sending,
    settle,
    state_of,
    unknown,
    version,
)
from tests.world import actor, next_attempt


async def waiting(workflow: Workflow, form: str = "V1") -> Request:
    """Return an approved request whose first call did not reach the gateway, and whose next one is a moment away."""
    request = await approved(workflow, form=form)
    await workflow.record_answer(await sending(workflow), AWAY)
    return request


async def try_now(
    workflow: Workflow,
    request: Request,
    person: str = "UTWO",
    membership: Membership = Membership.MEMBER,
    *,
    seen: int | None = None,
) -> Verdict:
    """Press Try now as this person; they see what is, or ``seen``."""
    seen = seen or await version(workflow, request)
    presses = replace(actor(person, membership), ground=NAMED, surface=Surface.CARD)
    acted = await workflow.act(decisions.try_now, Act.TRY_NOW, request.id, presses, seen=seen)
    return acted.verdict


async def stop(
    workflow: Workflow,
    request: Request,
    person: str = "UTWO",
    membership: Membership = Membership.MEMBER,
    *,
    seen: int | None = None,
) -> Verdict:
    """Choose Stop trying as this person; they see what is, or ``seen``."""
    seen = await version(workflow, request) if seen is None else seen
    chooses = replace(actor(person, membership), ground=Ground("S1", "2026-11-23"), surface=Surface.CARD)
    acted = await workflow.act(decisions.stop, Act.STOP, request.id, chooses, seen=seen)
    return acted.verdict


async def refused(store: Store, request: Request, act: Act, why: Verdict, state: State) -> None:
    """Check that the last click was refused for this, that it is on record, and that the request stayed as it was."""
    assert (await contents(store))[-1] == ClickRefused(act, why, state)
    assert await state_of(store, request) is state


async def test_try_now_ends_the_pause(workflow: Workflow, store: Store) -> None:
    """The next attempt is due at once, the card shows who hurried it, and nobody gets a message about it."""
    request = await waiting(workflow)
    await deliver_all(workflow)
    assert await next_attempt(workflow) is None
    assert await try_now(workflow, request) is Verdict.ALLOWED
    event = (await events(store))[-1]
    assert (event.content, event.actor) == (Hurried(NAMED, Surface.CARD), "UTWO")
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE]
    await workflow.record_answer(await sending(workflow), CANCELLED)
    assert await state_of(store, request) is State.CANCELLED


async def test_try_now_makes_one_attempt(workflow: Workflow, store: Store) -> None:
    """It brings the next attempt forward; the number of attempts for one approval stays what it was."""
    request = await waiting(workflow)
    await try_now(workflow, request)
    await workflow.record_answer(await sending(workflow), AWAY)
    assert (await now(store, request)).cancellation.attempts == 2
    assert await next_attempt(workflow) is None


async def test_try_now_acts_once(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The same click, delivered again, changes nothing: neither before the attempt that it led to nor after it."""
    request = await waiting(workflow)
    seen = await version(workflow, request)
    assert await try_now(workflow, request, seen=seen) is Verdict.ALLOWED
    assert await try_now(workflow, request, seen=seen) is Verdict.CALL_UNDER_WAY
    attempt = await sending(workflow)
    assert await try_now(workflow, request, seen=seen) is Verdict.CALL_UNDER_WAY
    clock.advance(seconds=1)
    await workflow.record_answer(attempt, AWAY)
    assert await try_now(workflow, request, seen=seen) is Verdict.WRONG_STATE
    assert (await kinds(store)).count("hurried") == 1
    assert await next_attempt(workflow) is None


async def test_the_requester_does_not_hurry(workflow: Workflow, store: Store) -> None:
    """Only approvers have a call made; a requester who is one of them may, as it was approved by another."""
    request = await waiting(workflow)
    assert await try_now(workflow, request, ANN.id, Membership.OUTSIDER) is Verdict.NOT_AN_APPROVER
    await refused(store, request, Act.TRY_NOW, Verdict.NOT_AN_APPROVER, State.APPROVED)
    assert await try_now(workflow, request, "UTWO", Membership.UNCHECKED) is Verdict.UNCHECKED
    assert await try_now(workflow, request, ANN.id) is Verdict.ALLOWED


@pytest.mark.parametrize(
    "person, membership, tells",
    [
        ("UTWO", Membership.MEMBER, [DeliveryKind.DIRECT_MESSAGE]),
        (ANN.id, Membership.MEMBER, []),
        (ANN.id, Membership.OUTSIDER, []),
        (ANN.id, Membership.UNCHECKED, []),
    ],
)
async def test_a_stop_ends_the_request_as_failed(
    workflow: Workflow, store: Store, person: str, membership: Membership, tells: list[DeliveryKind]
) -> None:
    """Nothing is sent any more, the thread and the requester are told, but not the person who stopped it."""
    request = await waiting(workflow)
    await deliver_all(workflow)
    assert await stop(workflow, request, person, membership) is Verdict.ALLOWED
    event = (await events(store))[-1]
    assert (event.content, event.actor) == (StoppedTrying(Ground("S1", "2026-11-23"), Surface.CARD), person)
    found = await now(store, request)
    assert (found.state, found.cancellation.stopped_by, found.due_at) == (State.FAILED, person, None)
    told = [DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY, *tells]
    assert sorted(await deliver_all(workflow)) == sorted(told)
    assert await next_attempt(workflow) is None


async def test_a_stop_may_come_before_the_first_attempt(workflow: Workflow, store: Store) -> None:
    """An approved request of which nothing was sent yet can be stopped as well."""
    request = await approved(workflow)
    assert await stop(workflow, request) is Verdict.ALLOWED
    assert await next_attempt(workflow) is None
    assert list(await store.read(lambda tables: list(tables.projections.contradictions()))) == []


async def test_an_outsider_stops_nothing(workflow: Workflow, store: Store) -> None:
    """Somebody who is neither the requester nor an approver learns nothing from a click."""
    request = await waiting(workflow)
    assert await stop(workflow, request, "U_OUTSIDER", Membership.OUTSIDER) is Verdict.NOT_INVOLVED
    await refused(store, request, Act.STOP, Verdict.NOT_INVOLVED, State.APPROVED)
    assert await stop(workflow, request, "UTWO", Membership.UNCHECKED) is Verdict.UNCHECKED


async def test_a_call_that_has_left_is_not_stopped(workflow: Workflow, store: Store) -> None:
    """Nobody knows what a call under way does, so the click changes nothing."""
    request = await waiting(workflow)
    await try_now(workflow, request)
    attempt = await sending(workflow)
    assert await stop(workflow, request) is Verdict.CALL_UNDER_WAY
    await refused(store, request, Act.STOP, Verdict.CALL_UNDER_WAY, State.SENDING)
    await workflow.record_answer(attempt, CANCELLED)
    assert await state_of(store, request) is State.CANCELLED
    assert await stop(workflow, request) is Verdict.WRONG_STATE


async def test_a_stop_and_the_next_call_exclude_each_other(workflow: Workflow, store: Store) -> None:
    """Of a stop and a worker in the same instant one is first: a stopped request is never sent."""
    for number in range(10):
        request = await approved(workflow, f"ord_{number}", form=f"V{number}")
        attempt, verdict = await asyncio.gather(next_attempt(workflow), stop(workflow, request))
        sent = [kind for kind in await kinds(store) if kind == "sending"]
        assert (attempt is None) == (verdict is Verdict.ALLOWED)
        if attempt is None:
            assert await state_of(store, request) is State.FAILED
        else:
            assert verdict is Verdict.CALL_UNDER_WAY
            await workflow.record_answer(attempt, DENIED)
        assert len(sent) <= number + 1


@pytest.mark.parametrize("act", [Act.STOP, Act.TRY_NOW])
async def test_nothing_is_stopped_or_hurried_that_may_have_been_done(
    workflow: Workflow, store: Store, act: Act
) -> None:
    """After an answer that was lost, only the gateway's word ends the request, also after later certain ones."""
    request = await approved(workflow)
    await workflow.record_answer(await sending(workflow), LOST)
    press = stop if act is Act.STOP else try_now
    assert await press(workflow, request) is Verdict.MAY_HAVE_BEEN_SENT
    await refused(store, request, act, Verdict.MAY_HAVE_BEEN_SENT, State.APPROVED)
    assert (await now(store, request)).cancellation.unclear


async def test_a_clock_that_is_set_back_leaves_the_buttons_of_a_card(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """What came later is later by the record, whatever the time of day: both buttons act, and an old one does not."""
    request = await waiting(workflow)
    old = await version(workflow, request)
    clock.advance(hours=-1)
    assert await try_now(workflow, request) is Verdict.ALLOWED
    await workflow.record_answer(await sending(workflow), AWAY)
    assert await try_now(workflow, request, seen=old) is Verdict.WRONG_STATE
    assert await stop(workflow, request) is Verdict.ALLOWED
    assert await retry(workflow, request, seen=old) is Verdict.WRONG_STATE
    assert await retry(workflow, request) is Verdict.ALLOWED


async def test_a_retry_of_an_unknown_outcome_is_not_stopped(workflow: Workflow, store: Store) -> None:
    """The attempts of before the retry count too: one of them may have cancelled the order."""
    request = await unknown(workflow)
    assert await retry(workflow, request) is Verdict.ALLOWED
    await workflow.record_answer(await sending(workflow), AWAY)
    assert await stop(workflow, request) is Verdict.MAY_HAVE_BEEN_SENT


async def test_a_refusal_that_is_not_believed_cannot_be_stopped(workflow: Workflow, store: Store) -> None:
    """It may be the echo of the lost call of the one before, so nobody knows how the order stands."""
    assert await settle(workflow, await unknown(workflow), cancelled=False) is Verdict.ALLOWED
    request = await approved(workflow, form="V2")
    assert await workflow.record_answer(await sending(workflow), MISSING) is State.UNKNOWN
    assert await retry(workflow, request) is Verdict.ALLOWED
    assert (await now(store, request)).cancellation.unclear
    assert await workflow.record_answer(await sending(workflow), AWAY) is State.APPROVED
    assert (await now(store, request)).cancellation.unclear
    for press in (stop, try_now):
        assert await press(workflow, request) is Verdict.MAY_HAVE_BEEN_SENT
    assert await store.read(lambda tables: list(tables.projections.contradictions())) == []


async def test_a_request_without_an_unclear_attempt_of_its_own_can_be_stopped(workflow: Workflow, store: Store) -> None:
    """A person has settled the lost call of the one before; no call of this one has done anything."""
    assert await settle(workflow, await unknown(workflow), cancelled=False) is Verdict.ALLOWED
    request = await approved(workflow, form="V2")
    assert not (await now(store, request)).cancellation.unclear
    assert await workflow.record_answer(await sending(workflow), AWAY) is State.APPROVED
    assert not (await now(store, request)).cancellation.unclear
    assert await stop(workflow, request) is Verdict.ALLOWED
    assert await state_of(store, request) is State.FAILED


async def test_a_stop_acts_once(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The same click, delivered again after a retry, does not end the attempts of that retry."""
    request = await waiting(workflow)
    seen = await version(workflow, request)
    assert await stop(workflow, request, seen=seen) is Verdict.ALLOWED
    assert await stop(workflow, request, seen=seen) is Verdict.WRONG_STATE
    clock.advance(seconds=1)
    assert await retry(workflow, request) is Verdict.ALLOWED
    assert await stop(workflow, request, seen=seen) is Verdict.WRONG_STATE
    assert await state_of(store, request) is State.APPROVED
    for nonsense in (0, seen - 1, seen + 1000):
        assert await stop(workflow, request, seen=nonsense) is Verdict.WRONG_STATE
    assert await stop(workflow, request) is Verdict.ALLOWED


async def test_a_stop_counts_though_another_attempt_was_made_meanwhile(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """Attempts follow each other within seconds, faster than people read a question and confirm it."""
    request = await waiting(workflow)
    seen = await version(workflow, request)
    clock.advance(seconds=10)
    await workflow.record_answer(await sending(workflow), AWAY)
    assert await stop(workflow, request, seen=seen) is Verdict.ALLOWED


async def test_retry_goes_on_from_a_stop(workflow: Workflow, store: Store) -> None:
    """A stopped request is retried within the limits of every failed one, and then nobody has stopped it any more."""
    request = await waiting(workflow)
    await stop(workflow, request)
    assert await retry(workflow, request, ANN.id) is Verdict.OWN_REQUEST
    assert await retry(workflow, request) is Verdict.ALLOWED
    attempt = await sending(workflow)
    await workflow.record_answer(attempt, DENIED)
    found = await now(store, request)
    assert (found.state, found.cancellation.stopped_by) == (State.FAILED, "")
    assert found.cancellation.last_answer is not None
    assert found.cancellation.last_answer.outcome is Outcome.NOT_SENT


@pytest.mark.parametrize("approver", [True, False])
async def test_nobody_retries_what_its_requester_stopped(workflow: Workflow, store: Store, approver: bool) -> None:
    """Nobody asks for it any more, so a retry would be the approver's act alone."""
    request = await waiting(workflow)
    membership = Membership.MEMBER if approver else Membership.OUTSIDER
    assert await stop(workflow, request, ANN.id, membership) is Verdict.ALLOWED
    assert await retry(workflow, request) is Verdict.STOPPED_BY_REQUESTER
    await refused(store, request, Act.RETRY, Verdict.STOPPED_BY_REQUESTER, State.FAILED)
    assert await next_attempt(workflow) is None


@pytest.mark.parametrize("person", ["UTWO", ANN.id])
async def test_an_older_request_is_no_way_round_a_later_one_that_somebody_stopped(
    workflow: Workflow, person: str
) -> None:
    """Its card knows nothing of the stop. Whether the order is sent after all is decided where it was stopped."""
    older = await failed(workflow)
    later = await waiting(workflow, form="V2")
    assert await stop(workflow, later, person) is Verdict.ALLOWED
    assert await retry(workflow, older) is Verdict.DECIDED_AGAINST
    assert (await retry(workflow, later) is Verdict.ALLOWED) == (person != ANN.id)


async def test_a_stopped_order_can_be_asked_for_again(workflow: Workflow) -> None:
    """It is certain that nothing was done, so the order is free."""
    await stop(workflow, await waiting(workflow))
    await requested(workflow, form="V2")


async def test_the_card_gets_the_history_of_the_record(workflow: Workflow, clock: Clock) -> None:
    """A delivery comes with who did what, each with its time; calls and answers are not in it."""
    request = await waiting(workflow)
    await deliver_all(workflow)
    clock.advance(seconds=1)
    await stop(workflow, request, ANN.id)
    (update, *_) = (await workflow.claim("w", calls=0, messages=5)).deliveries
    assert update.request is not None
    history = update.request.history
    assert [(step.kind, step.person) for step in history] == [
        ("requested", ANN.id),
        ("approved", "UONE"),
        ("stopped_trying", ANN.id),
    ]
    assert history[2].at - history[1].at == clock() - history[0].at


async def test_a_stop_on_record_after_an_unclear_answer_cannot_be_true(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """A file in which somebody made tables and events agree on it is found all the same."""
    request = await approved(workflow)
    await workflow.record_answer(await sending(workflow), LOST)
    waits = await now(store, request)
    await store.transaction("forge", lambda tx: end(tx, waits, StoppedTrying(), "UEVIL", clock()))
    (found,) = await store.read(lambda tables: list(tables.projections.contradictions()))
    assert found.subject is Subject.EVENT
