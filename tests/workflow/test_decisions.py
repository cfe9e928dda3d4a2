"""Approving, rejecting, withdrawing and retrying: who may, and what follows."""

import asyncio
from dataclasses import replace

import pytest

from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Approved, ClickRefused, Rejected, Retried, Voted
from bot.domain.policy import Act, Membership, Verdict
from bot.store import Store
from bot.workflow import Acted, Rules, Workflow, decisions
from tests.clock import Clock
from tests.workflow.steps import (
    CANCELLED,
    DENIED,
    approve,
    approved,
    contents,
    deliver_all,
    kinds,
    now,
    requested,
    retry,
    sending,
    state_of,
)
from tests.world import actor, next_attempt


@pytest.fixture
def workflow_of_three(workflow: Workflow, rules: Rules) -> Workflow:
    """Return the use cases with a quorum of three."""
    workflow.rules = replace(rules, approvals_required=3)
    return workflow


async def test_approval_makes_the_cancel_due_with_exactly_what_was_approved(workflow: Workflow) -> None:
    """The attempt carries exactly the order ID and reason that were approved."""
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
    assert await approve(workflow, cancellation, "UASKER") is Verdict.OWN_REQUEST
    assert await state_of(store, cancellation) is State.PENDING
    assert (await contents(store))[1:] == [ClickRefused(Act.APPROVE, Verdict.OWN_REQUEST, State.PENDING)]


async def test_quorum_of_three_counts_different_approvers(workflow_of_three: Workflow, store: Store) -> None:
    """Each approver counts once, and the third one makes it due."""
    cancellation = await requested(workflow_of_three)
    for person in ("UONE", "UTWO"):
        assert await approve(workflow_of_three, cancellation, person) is Verdict.ALLOWED
    assert await approve(workflow_of_three, cancellation, "UONE") is Verdict.ALREADY_COUNTED
    assert await next_attempt(workflow_of_three) is None
    assert await approve(workflow_of_three, cancellation, "UTHREE") is Verdict.ALLOWED
    found = await now(store, cancellation)
    assert found.approvers == ("UONE", "UTWO", "UTHREE")
    assert found.state is State.APPROVED
    counted = [content for content in await contents(store) if isinstance(content, Voted | Approved)]
    assert counted == [Voted(approvals=1, of=3), Voted(approvals=2, of=3), Approved(approvals=3, of=3)]


async def test_fifty_clicks_by_ten_approvers_send_once(workflow_of_three: Workflow) -> None:
    """Fifty simultaneous clicks with a quorum of three lead to one attempt and three counted approvals."""
    cancellation = await requested(workflow_of_three)
    clicks = (approve(workflow_of_three, cancellation, f"U{number % 10}") for number in range(50))
    assert (await asyncio.gather(*clicks)).count(Verdict.ALLOWED) == 3
    attempts = await asyncio.gather(*(next_attempt(workflow_of_three) for _ in range(5)))
    assert len([attempt for attempt in attempts if attempt]) == 1


async def test_approve_and_reject_at_once_have_one_winner(workflow: Workflow, store: Store) -> None:
    """Of two opposite clicks one wins, and the other one is refused because of the state."""
    cancellation = await requested(workflow)
    rejecting = workflow.act(decisions.reject, Act.REJECT, cancellation.id, actor("UTWO"), reason="no")
    verdict, rejected = await asyncio.gather(approve(workflow, cancellation), rejecting)
    assert sorted([verdict, rejected.verdict]) == [Verdict.ALLOWED, Verdict.WRONG_STATE]
    assert await state_of(store, cancellation) in {State.APPROVED, State.REJECTED}


async def test_rejection_ends_it_with_its_reason(workflow: Workflow, store: Store) -> None:
    """A rejected request is never sent; the card, the thread and the requester get the news."""
    cancellation = await requested(workflow)
    await deliver_all(workflow)
    await workflow.act(decisions.reject, Act.REJECT, cancellation.id, actor("UONE"), reason="wrong order")
    found = await now(store, cancellation)
    assert found.rejection is not None
    assert found.rejection.reason == "wrong order"
    assert Rejected("wrong order") in await contents(store)
    assert await next_attempt(workflow) is None
    news = {DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE}
    assert set(await deliver_all(workflow)) == news


async def test_the_question_for_a_reason_changes_nothing(workflow: Workflow, store: Store) -> None:
    """An approver who opens the form has not rejected; an outsider is refused before the form opens."""
    cancellation = await requested(workflow)
    acted = await workflow.act(decisions.may_reject, Act.REJECT, cancellation.id, actor("UONE"))
    assert acted == Acted(Verdict.ALLOWED, cancellation)
    assert await kinds(store) == ["requested"]
    outsider = actor("UONE", Membership.OUTSIDER)
    acted = await workflow.act(decisions.may_reject, Act.REJECT, cancellation.id, outsider)
    assert acted.verdict is Verdict.NOT_AN_APPROVER
    assert await now(store, cancellation) == cancellation
    assert await kinds(store) == ["requested", "click_refused"]


async def test_only_the_requester_withdraws(workflow: Workflow, store: Store) -> None:
    """Another person's withdrawal is refused; the requester's ends it, without a message to the requester."""
    cancellation = await requested(workflow)
    await deliver_all(workflow)
    acted = await workflow.act(decisions.withdraw, Act.WITHDRAW, cancellation.id, actor("UONE"))
    assert acted.verdict is Verdict.NOT_THE_REQUESTER
    acted = await workflow.act(decisions.withdraw, Act.WITHDRAW, cancellation.id, actor("UASKER"))
    assert acted.verdict is Verdict.ALLOWED
    assert await state_of(store, cancellation) is State.WITHDRAWN
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY]


async def test_a_click_for_an_unknown_request_is_refused_and_recorded(workflow: Workflow, store: Store) -> None:
    """A tampered or forgotten id changes nothing."""
    acted = await workflow.act(decisions.approve, Act.APPROVE, "nonsense", actor("UONE"))
    assert acted == Acted(Verdict.NO_SUCH_REQUEST, None)
    assert await contents(store) == [ClickRefused(Act.APPROVE, Verdict.NO_SUCH_REQUEST)]


async def test_an_approval_after_the_time_is_over_does_not_count(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """A click that comes before the worker has expired the request is too late all the same."""
    cancellation = await requested(workflow)
    clock.advance(hours=24)
    acted = await workflow.act(decisions.approve, Act.APPROVE, cancellation.id, actor("UONE"))
    assert acted.verdict is Verdict.WRONG_STATE
    assert acted.cancellation is not None
    assert acted.cancellation.state is State.EXPIRED
    assert (await contents(store))[2:] == [ClickRefused(Act.APPROVE, Verdict.WRONG_STATE, State.EXPIRED)]


async def test_retry_sends_the_same_again(workflow: Workflow, store: Store) -> None:
    """An approver's retry makes a failed cancellation due with all its attempts; an outsider's does not."""
    cancellation = await approved(workflow)
    first = await sending(workflow)
    await workflow.record_answer(first, DENIED)
    assert await retry(workflow, cancellation, Membership.OUTSIDER) is Verdict.NOT_AN_APPROVER
    assert await retry(workflow, cancellation) is Verdict.ALLOWED
    assert (await now(store, cancellation)).attempts == 0
    assert Retried() in await contents(store)
    again = await sending(workflow)
    assert replace(again, id=first.id) == first
    await workflow.record_answer(again, CANCELLED)
    assert await state_of(store, cancellation) is State.CANCELLED


async def test_retry_waits_for_another_open_request(workflow: Workflow, store: Store) -> None:
    """A failed cancellation cannot be retried while a newer one of the same order is open."""
    cancellation = await approved(workflow)
    await workflow.record_answer(await sending(workflow), DENIED)
    await requested(workflow, form="V2")
    assert await retry(workflow, cancellation) is Verdict.ANOTHER_IS_OPEN
    assert await state_of(store, cancellation) is State.FAILED
