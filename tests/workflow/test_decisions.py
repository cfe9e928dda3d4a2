"""Approving, rejecting, withdrawing, retrying and settling: who may, and what follows."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.audit import BOT
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import (
    Approved,
    ClickRefused,
    QuorumChanged,
    Rejected,
    Retried,
    SettledCancelled,
    SettledNotCancelled,
    Started,
    Voted,
    VotesVoided,
)
from bot.domain.policy import Act, Members, Membership, Verdict
from bot.domain.request import Request
from bot.domain.words import ERASED
from bot.store import Store
from bot.store.erasure import Erasure, erase
from bot.workflow import Acted, Rules, Workflow, decisions
from tests.clock import Clock
from tests.workflow.steps import (
    APPROVERS,
    CANCELLED,
    COMPLETED,
    DENIED,
    LOST,
    approve,
    approved,
    ask,
    contents,
    deliver_all,
    events,
    failed,
    kinds,
    now,
    reject,
    requested,
    retry,
    sending,
    settle,
    state_of,
    unknown,
    withdraw,
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
    request = await requested(workflow)
    assert await approve(workflow, request, "UASKER") is Verdict.OWN_REQUEST
    assert await state_of(store, request) is State.PENDING
    assert (await contents(store))[1:] == [ClickRefused(Act.APPROVE, Verdict.OWN_REQUEST, State.PENDING)]


async def test_quorum_of_three_counts_different_approvers(workflow_of_three: Workflow, store: Store) -> None:
    """Each approver counts once, and the third one makes it due."""
    request = await requested(workflow_of_three)
    for person in ("UONE", "UTWO"):
        assert await approve(workflow_of_three, request, person) is Verdict.ALLOWED
    assert await approve(workflow_of_three, request, "UONE") is Verdict.ALREADY_COUNTED
    assert await next_attempt(workflow_of_three) is None
    assert await approve(workflow_of_three, request, "UTHREE") is Verdict.ALLOWED
    found = await now(store, request)
    assert found.approvers == ("UONE", "UTWO", "UTHREE")
    assert found.state is State.APPROVED
    counted = [content for content in await contents(store) if isinstance(content, Voted | Approved)]
    assert counted == [Voted(approvals=1, of=3), Voted(approvals=2, of=3), Approved(approvals=3, of=3)]


async def test_fifty_clicks_by_ten_approvers_send_once(workflow_of_three: Workflow) -> None:
    """Fifty simultaneous clicks with a quorum of three lead to one attempt and three counted approvals."""
    request = await requested(workflow_of_three)
    clicks = (approve(workflow_of_three, request, f"U{number % 10}") for number in range(50))
    assert (await asyncio.gather(*clicks)).count(Verdict.ALLOWED) == 3
    attempts = await asyncio.gather(*(next_attempt(workflow_of_three) for _ in range(5)))
    assert len([attempt for attempt in attempts if attempt]) == 1


async def test_approve_and_reject_at_once_have_one_winner(workflow: Workflow, store: Store) -> None:
    """Of two opposite clicks one wins, and the other one is refused because of the state."""
    request = await requested(workflow)
    verdicts = await asyncio.gather(approve(workflow, request), reject(workflow, request, "UTWO"))
    assert sorted(verdicts) == [Verdict.ALLOWED, Verdict.WRONG_STATE]
    assert await state_of(store, request) in {State.APPROVED, State.REJECTED}


async def test_rejection_ends_it_with_its_reason(workflow: Workflow, store: Store) -> None:
    """A rejected request is never sent; the card, the thread and the requester get the news."""
    request = await requested(workflow)
    await deliver_all(workflow)
    assert await reject(workflow, request, reason="wrong order") is Verdict.ALLOWED
    found = await now(store, request)
    assert found.rejection is not None
    assert found.rejection.reason == "wrong order"
    assert Rejected("wrong order") in await contents(store)
    assert await next_attempt(workflow) is None
    news = {DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE}
    assert set(await deliver_all(workflow)) == news


async def test_the_question_for_a_reason_changes_nothing(workflow: Workflow, store: Store) -> None:
    """An approver who opens the form has not rejected; an outsider is refused before the form opens."""
    request = await requested(workflow)
    acted = await workflow.act(decisions.may_reject, Act.REJECT, request.id, actor("UONE"))
    assert acted == Acted(Verdict.ALLOWED, request)
    assert await kinds(store) == ["requested"]
    outsider = actor("UONE", Membership.OUTSIDER)
    acted = await workflow.act(decisions.may_reject, Act.REJECT, request.id, outsider)
    assert acted.verdict is Verdict.NOT_AN_APPROVER
    assert await now(store, request) == request
    assert await kinds(store) == ["requested", "click_refused"]


async def test_only_the_requester_withdraws(workflow: Workflow, store: Store) -> None:
    """Another person's withdrawal is refused; the requester's ends it, without a message to the requester."""
    request = await requested(workflow)
    await deliver_all(workflow)
    assert await withdraw(workflow, request, "UONE") is Verdict.NOT_THE_REQUESTER
    assert await withdraw(workflow, request) is Verdict.ALLOWED
    assert await state_of(store, request) is State.WITHDRAWN
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY]


async def test_a_click_for_an_unknown_request_is_refused_and_recorded(workflow: Workflow, store: Store) -> None:
    """A tampered or forgotten id changes nothing."""
    acted = await workflow.act(decisions.approve, Act.APPROVE, "nonsense", actor("UONE"), approvers=APPROVERS)
    assert acted == Acted(Verdict.NO_SUCH_REQUEST, None)
    assert await contents(store) == [ClickRefused(Act.APPROVE, Verdict.NO_SUCH_REQUEST)]


async def test_an_approval_after_the_time_is_over_does_not_count(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """A click that comes before the worker has expired the request is too late all the same."""
    request = await requested(workflow)
    clock.advance(hours=24)
    acted = await workflow.act(decisions.approve, Act.APPROVE, request.id, actor("UONE"), approvers=APPROVERS)
    assert acted.verdict is Verdict.WRONG_STATE
    assert acted.request is not None
    assert acted.request.state is State.EXPIRED
    assert (await contents(store))[2:] == [ClickRefused(Act.APPROVE, Verdict.WRONG_STATE, State.EXPIRED)]


async def test_retry_sends_the_same_again(workflow: Workflow, store: Store) -> None:
    """An approver's retry makes a failed request due with all its attempts; an outsider's does not."""
    request = await approved(workflow)
    first = await sending(workflow)
    await workflow.record_answer(first, DENIED)
    assert await retry(workflow, request, "U_OUTSIDER") is Verdict.NOT_AN_APPROVER
    assert await retry(workflow, request) is Verdict.ALLOWED
    assert (await now(store, request)).cancellation.attempts == 0
    assert Retried() in await contents(store)
    again = await sending(workflow)
    assert replace(again, id=first.id) == first
    await workflow.record_answer(again, CANCELLED)
    assert await state_of(store, request) is State.CANCELLED


async def test_retry_waits_for_another_open_request(workflow: Workflow, store: Store) -> None:
    """A failed request cannot be retried while a newer one of the same order is open."""
    request = await approved(workflow)
    await workflow.record_answer(await sending(workflow), DENIED)
    await requested(workflow, form="V2")
    assert await retry(workflow, request) is Verdict.ANOTHER_IS_OPEN
    assert await state_of(store, request) is State.FAILED


# --- Retry is no way round the second person --------------------------------------------------


FAILED_OR_UNKNOWN = pytest.mark.parametrize("ended", [failed, unknown])
"""Both states that can be retried."""


@FAILED_OR_UNKNOWN
async def test_a_retry_click_acts_once(
    ended: Callable[[Workflow], Awaitable[Request]], workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The same click, delivered again after the first retry has come to the same end, does nothing."""
    request = await ended(workflow)
    seen = (await now(store, request)).version
    clock.advance(seconds=1)
    assert await retry(workflow, request, seen=seen) is Verdict.ALLOWED
    clock.advance(seconds=1)
    answer = DENIED if ended is failed else replace(LOST, repeat=False)
    await workflow.record_answer(await sending(workflow), answer)
    assert await retry(workflow, request, seen=seen) is Verdict.WRONG_STATE
    await refused_retry(workflow, store, request, Verdict.WRONG_STATE)
    assert await retry(workflow, request) is Verdict.ALLOWED


async def test_a_finding_from_before_another_attempt_does_not_settle(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """A finding from before a retry may no longer be true after it."""
    request = await unknown(workflow)
    seen = (await now(store, request)).version
    clock.advance(seconds=1)
    assert await retry(workflow, request) is Verdict.ALLOWED
    await workflow.record_answer(await sending(workflow), replace(LOST, repeat=False))
    assert await settle(workflow, request, cancelled=False, seen=seen) is Verdict.WRONG_STATE
    assert await state_of(store, request) is State.UNKNOWN
    assert await settle(workflow, request, cancelled=True) is Verdict.ALLOWED


async def refused_retry(workflow: Workflow, store: Store, request: Request, why: Verdict) -> None:
    """Check that the last click was refused for this, that it is on record, and that nothing will be sent."""
    found = await now(store, request)
    assert found.state.may_retry
    last = (await events(store))[-1]
    assert (last.content, last.request) == (ClickRefused(Act.RETRY, why, found.state), request.id)
    assert await next_attempt(workflow) is None


@FAILED_OR_UNKNOWN
async def test_the_requester_cannot_retry_alone(
    workflow: Workflow, store: Store, ended: Callable[[Workflow], Awaitable[Request]]
) -> None:
    """Not even an approver may send their own request again by themselves."""
    request = await ended(workflow)
    assert await retry(workflow, request, "UASKER") is Verdict.OWN_REQUEST
    await refused_retry(workflow, store, request, Verdict.OWN_REQUEST)


async def test_the_requester_cannot_retry_where_they_may_approve(workflow: Workflow, store: Store) -> None:
    """ALLOW_SELF_APPROVAL lets people approve what they asked for, not more; another approver may retry it."""
    workflow.rules = replace(workflow.rules, allow_self_approval=True)
    request = await requested(workflow)
    assert await approve(workflow, request, "UASKER") is Verdict.ALLOWED
    await workflow.record_answer(await sending(workflow), DENIED)
    assert await retry(workflow, request, "UASKER") is Verdict.OWN_REQUEST
    await refused_retry(workflow, store, request, Verdict.OWN_REQUEST)
    assert await retry(workflow, request) is Verdict.ALLOWED


@FAILED_OR_UNKNOWN
async def test_an_approval_is_too_old_for_a_retry_once_its_time_is_over(
    workflow: Workflow, store: Store, clock: Clock, ended: Callable[[Workflow], Awaitable[Request]]
) -> None:
    """It can be retried for as long as a request waits for its approval, counted from the approval."""
    request = await ended(workflow)
    clock.advance(hours=24, seconds=1)
    assert await retry(workflow, request) is Verdict.APPROVAL_TOO_OLD
    await refused_retry(workflow, store, request, Verdict.APPROVAL_TOO_OLD)


async def test_a_retry_does_not_make_the_approval_younger(workflow: Workflow, store: Store, clock: Clock) -> None:
    """Retry after retry ends when the time of the one approval is over."""
    request = await failed(workflow)
    clock.advance(hours=23)
    assert await retry(workflow, request) is Verdict.ALLOWED
    await workflow.record_answer(await sending(workflow), DENIED)
    clock.advance(hours=2)
    assert await retry(workflow, request) is Verdict.APPROVAL_TOO_OLD
    await refused_retry(workflow, store, request, Verdict.APPROVAL_TOO_OLD)


async def rejected_later(workflow: Workflow, clock: Clock) -> None:
    """Let a later request for the same order be rejected."""
    assert await reject(workflow, await requested(workflow, form="V2"), "UTWO") is Verdict.ALLOWED


async def withdrawn_later(workflow: Workflow, clock: Clock) -> None:
    """Let a later request for the same order be withdrawn."""
    assert await withdraw(workflow, await requested(workflow, form="V2")) is Verdict.ALLOWED


async def settled_later(workflow: Workflow, clock: Clock) -> None:
    """Let a later request for the same order have no clear answer, and somebody settle it by hand."""
    later = await approved(workflow, form="V2")
    await workflow.record_answer(await sending(workflow), replace(LOST, repeat=False))
    assert await settle(workflow, later, cancelled=False) is Verdict.ALLOWED


async def refused_later(workflow: Workflow, clock: Clock) -> None:
    """Let the gateway refuse a later request for the same order, as it is refunded already."""
    await approved(workflow, form="V2")
    await workflow.record_answer(await sending(workflow), COMPLETED)


@pytest.mark.parametrize("against", [rejected_later, withdrawn_later, settled_later, refused_later])
async def test_nobody_retries_after_a_later_request_was_decided_against(
    workflow: Workflow, store: Store, clock: Clock, against: Callable[[Workflow, Clock], Awaitable[None]]
) -> None:
    """The first request is no way round the people who looked at the second one."""
    request = await failed(workflow)
    await against(workflow, clock)
    for person in ("UONE", "UTWO"):
        assert await retry(workflow, request, person) is Verdict.DECIDED_AGAINST
    await refused_retry(workflow, store, request, Verdict.DECIDED_AGAINST)


async def test_an_older_card_shows_the_end_of_a_request_that_was_asked_with_a_clock_that_was_ahead(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """Three days ahead Retry seemed to be over, and now the older card offers it again."""
    older = await failed(workflow)
    clock.advance(hours=72)
    newer = await requested(workflow, form="V2")
    clock.advance(hours=-72)
    await deliver_all(workflow)
    assert await withdraw(workflow, newer) is Verdict.ALLOWED
    updated = "SELECT count(*) FROM deliveries WHERE number = ? AND kind = 'card_update' AND status = 'queued'"
    assert await store.read(lambda tables: tables.connection.execute(updated, (older.number,))) == [(1,)]


async def test_an_older_card_shows_the_end_of_a_newer_request_however_late(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """It showed the beginning; after the time for Retry it must not go on saying that the newer one is open."""
    older = await failed(workflow)
    await deliver_all(workflow)
    newer = await requested(workflow, form="V2")
    await deliver_all(workflow)
    clock.at = older.expires_at + timedelta(hours=1)
    await next_attempt(workflow)
    assert await state_of(store, newer) is State.EXPIRED
    sql = "SELECT count(*) FROM deliveries WHERE number = ? AND kind = 'card_update' AND status = 'queued'"
    assert await store.read(lambda tables: tables.connection.execute(sql, (older.number,))) == [(1,)]


async def test_nobody_retries_after_the_words_were_erased(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The reason that was approved is gone, and no other one reaches the gateway."""
    request = await failed(workflow)
    erasure = Erasure(order_id="ord_1")
    await store.transaction("erase", lambda tx: erase(tx, erasure, "ticket 1", "terminal:root", clock()))
    assert await retry(workflow, request) is Verdict.REASON_ERASED
    await refused_retry(workflow, store, request, Verdict.REASON_ERASED)


async def test_a_reason_that_reads_like_an_erased_one_is_none(workflow: Workflow) -> None:
    """Somebody typed it, approvers approved it, and the gateway can have it again."""
    acted = await ask(workflow, reason=ERASED.strip())
    assert acted.request is not None
    await approve(workflow, acted.request)
    await workflow.record_answer(await sending(workflow), DENIED)
    assert await retry(workflow, acted.request) is Verdict.ALLOWED
    assert (await sending(workflow)).reason == ERASED.strip()


async def test_a_decision_against_another_order_or_an_earlier_request_does_not_count(workflow: Workflow) -> None:
    """Only a later decision about this order prevents a retry."""
    assert await reject(workflow, await requested(workflow, form="V0")) is Verdict.ALLOWED
    request = await failed(workflow)
    other = await requested(workflow, "ord_2", form="V2")
    assert await reject(workflow, other) is Verdict.ALLOWED
    assert await retry(workflow, request) is Verdict.ALLOWED


async def test_a_later_request_that_nobody_decided_does_not_count(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """A request that expired says nothing about the order."""
    workflow.rules = replace(workflow.rules, approval_ttl=timedelta(hours=2))
    request = await failed(workflow)
    workflow.rules = replace(workflow.rules, approval_ttl=timedelta(hours=1))
    later = await requested(workflow, form="V2")
    clock.advance(minutes=61)
    assert await next_attempt(workflow) is None
    assert await state_of(store, later) is State.EXPIRED
    assert await retry(workflow, request) is Verdict.ALLOWED


@FAILED_OR_UNKNOWN
async def test_nobody_retries_an_approval_by_people_who_are_no_approvers_any_more(
    workflow: Workflow, store: Store, ended: Callable[[Workflow], Awaitable[Request]]
) -> None:
    """The only person who approved was removed; where Slack does not say so, nothing is sent either."""
    request = await ended(workflow)
    without = Members(APPROVERS.ids - {"UONE"})
    assert await retry(workflow, request, "UTWO", approvers=without) is Verdict.VOTES_MISSING
    await refused_retry(workflow, store, request, Verdict.VOTES_MISSING)
    unread = Members(frozenset({"UTWO"}), complete=False)
    assert await retry(workflow, request, "UTWO", approvers=unread) is Verdict.VOTES_UNCHECKED
    await refused_retry(workflow, store, request, Verdict.VOTES_UNCHECKED)
    assert await retry(workflow, request, "UTWO") is Verdict.ALLOWED


async def test_nobody_retries_an_own_approval_once_that_is_not_allowed(workflow: Workflow, store: Store) -> None:
    """The requester's vote counts no longer, so that there is no approval left."""
    workflow.rules = replace(workflow.rules, allow_self_approval=True)
    request = await requested(workflow)
    assert await approve(workflow, request, "UASKER") is Verdict.ALLOWED
    await workflow.record_answer(await sending(workflow), DENIED)
    workflow.rules = replace(workflow.rules, allow_self_approval=False)
    assert await retry(workflow, request) is Verdict.VOTES_MISSING
    await refused_retry(workflow, store, request, Verdict.VOTES_MISSING)


async def test_nobody_retries_with_fewer_votes_than_are_needed_today(workflow: Workflow, store: Store) -> None:
    """After APPROVALS_REQUIRED was raised, one approval is not enough."""
    request = await failed(workflow)
    workflow.rules = replace(workflow.rules, approvals_required=2)
    assert await retry(workflow, request) is Verdict.VOTES_MISSING
    await refused_retry(workflow, store, request, Verdict.VOTES_MISSING)


# --- Votes are counted by today's rules -------------------------------------------------------


async def test_a_vote_under_self_approval_does_not_count_after_it_is_off(workflow: Workflow, store: Store) -> None:
    """The vote that would reach the quorum finds the requester's own one void, and nothing is sent."""
    workflow.rules = replace(workflow.rules, approvals_required=2, allow_self_approval=True)
    request = await requested(workflow)
    assert await approve(workflow, request, "UASKER") is Verdict.ALLOWED
    workflow.rules = replace(workflow.rules, allow_self_approval=False)
    assert await approve(workflow, request, "UONE") is Verdict.ALLOWED
    found = await now(store, request)
    assert (found.state, found.approvers) == (State.PENDING, ("UONE",))
    assert (await contents(store))[-2:] == [VotesVoided(("UASKER",)), Voted(approvals=1, of=2)]
    assert await next_attempt(workflow) is None
    assert await approve(workflow, request, "UTWO") is Verdict.ALLOWED
    assert await next_attempt(workflow) is not None


async def test_the_vote_of_a_removed_approver_does_not_count(workflow: Workflow, store: Store) -> None:
    """Two approvers of today are needed; the record says whose vote was taken out, and by whom it was not."""
    workflow.rules = replace(workflow.rules, approvals_required=2)
    request = await requested(workflow)
    assert await approve(workflow, request, "UONE") is Verdict.ALLOWED
    without = Members(APPROVERS.ids - {"UONE"})
    assert await approve(workflow, request, "UTWO", approvers=without) is Verdict.ALLOWED
    found = await now(store, request)
    assert (found.state, found.approvers) == (State.PENDING, ("UTWO",))
    voided, voted = (await events(store))[-2:]
    assert (voided.content, voided.actor) == (VotesVoided(("UONE",)), BOT)
    assert (voted.content, voted.actor) == (Voted(approvals=1, of=2), "UTWO")
    assert await next_attempt(workflow) is None


async def test_an_approver_who_comes_back_votes_again(workflow: Workflow, store: Store) -> None:
    """A void vote is gone; the same person may approve once more, and then counts once."""
    workflow.rules = replace(workflow.rules, approvals_required=3)
    request = await requested(workflow)
    await approve(workflow, request, "UONE")
    await approve(workflow, request, "UTWO", approvers=Members(APPROVERS.ids - {"UONE"}))
    assert await approve(workflow, request, "UONE") is Verdict.ALLOWED
    assert await approve(workflow, request, "UONE") is Verdict.ALREADY_COUNTED
    assert (await now(store, request)).approvers == ("UTWO", "UONE")


async def test_votes_that_cannot_be_checked_reach_no_quorum(workflow: Workflow, store: Store) -> None:
    """Slack does not say whether the first voter is still an approver, so the second vote changes nothing."""
    workflow.rules = replace(workflow.rules, approvals_required=2)
    request = await requested(workflow)
    assert await approve(workflow, request, "UONE") is Verdict.ALLOWED
    before = await now(store, request)
    unread = Members(frozenset({"UTWO"}), complete=False)
    assert await approve(workflow, request, "UTWO", approvers=unread) is Verdict.VOTES_UNCHECKED
    assert await now(store, request) == before
    assert await approve(workflow, request, "UTWO") is Verdict.ALLOWED
    assert await state_of(store, request) is State.APPROVED


async def test_a_vote_that_is_not_the_last_one_needs_no_check_of_the_others(workflow: Workflow, store: Store) -> None:
    """Nothing is sent by it, and the last vote checks all of them."""
    workflow.rules = replace(workflow.rules, approvals_required=3)
    request = await requested(workflow)
    await approve(workflow, request, "UONE")
    unread = Members(frozenset({"UTWO"}), complete=False)
    assert await approve(workflow, request, "UTWO", approvers=unread) is Verdict.ALLOWED
    assert (await contents(store))[-1] == Voted(approvals=2, of=3)
    assert (await now(store, request)).approvers == ("UONE", "UTWO")


@pytest.mark.parametrize("person", ["UONE", "UTWO"])
async def test_a_lowered_quorum_is_reached_by_the_next_click(workflow: Workflow, store: Store, person: str) -> None:
    """Also by the click of the person whose vote is the only one that is needed now."""
    workflow.rules = replace(workflow.rules, approvals_required=3)
    request = await requested(workflow)
    await approve(workflow, request, "UONE")
    workflow.rules = replace(workflow.rules, approvals_required=1)
    assert await approve(workflow, request, person) is Verdict.ALLOWED
    found = await now(store, request)
    assert (found.state, found.approvals_required) == (State.APPROVED, 1)
    assert len(found.approvers) == len(set(found.approvers)) == (1 if person == "UONE" else 2)
    changed = QuorumChanged(before=3, now=1)
    assert (await contents(store))[-2:] == [changed, Approved(approvals=len(found.approvers), of=1)]


@pytest.mark.parametrize("voters, promised, verdict", [
    (["UONE"], 2, Verdict.CARD_OUT_OF_DATE),
    (["UONE"], 0, Verdict.ALLOWED),
    (["UONE", "UTWO"], 3, Verdict.CARD_OUT_OF_DATE),
    (["UONE", "UTWO"], 2, Verdict.ALLOWED),
])  # fmt: skip
async def test_an_approval_ends_nothing_before_as_many_as_its_card_promised(
    workflow: Workflow, store: Store, voters: list[str], promised: int, verdict: Verdict
) -> None:
    """The quorum was lowered since: a click on a card that promises to wait for others is not counted.

    A card that somebody's approval is only missing on keeps its promise, and counts. The refusal shows today's quorum.
    """
    workflow.rules = replace(workflow.rules, approvals_required=3)
    request = await requested(workflow)
    *earlier, last = voters
    for each in earlier:
        await approve(workflow, request, each, promised=3)
    workflow.rules = replace(workflow.rules, approvals_required=len(voters))
    assert await approve(workflow, request, last, promised=promised) is verdict
    found = await now(store, request)
    refused = verdict is Verdict.CARD_OUT_OF_DATE
    assert found.state is (State.PENDING if refused else State.APPROVED)
    assert (found.approvers, found.approvals_required) == (tuple(earlier if refused else voters), len(voters))
    assert await approve(workflow, request, last) is (Verdict.ALLOWED if refused else Verdict.WRONG_STATE)


async def test_a_raised_quorum_holds_for_requests_that_were_made_before(workflow: Workflow, store: Store) -> None:
    """One approval was enough when the request was made, and is not when it comes."""
    request = await requested(workflow)
    workflow.rules = replace(workflow.rules, approvals_required=2)
    assert await approve(workflow, request, "UONE") is Verdict.ALLOWED
    found = await now(store, request)
    assert (found.state, found.approvals_required) == (State.PENDING, 2)
    assert (await contents(store))[-2:] == [QuorumChanged(before=1, now=2), Voted(approvals=1, of=2)]
    assert await next_attempt(workflow) is None


# --- Votes are counted again after a start ----------------------------------------------------


async def restarted(workflow: Workflow, *, approvers: Members = APPROVERS, **rules: Any) -> None:
    """Start again with these settings, and count the votes again."""
    workflow.rules = replace(workflow.rules, **rules)
    await workflow.start(Started("2"))
    await workflow.recount(approvers)


async def test_a_lowered_quorum_leaves_no_request_that_nobody_can_finish(workflow: Workflow, store: Store) -> None:
    """Everybody who could vote has voted; after a start with a lower quorum the request is approved and sent."""
    workflow.rules = replace(workflow.rules, approvals_required=2)
    request = await requested(workflow)
    await approve(workflow, request, "UONE")
    await deliver_all(workflow)
    await restarted(workflow, approvals_required=1)
    assert await state_of(store, request) is State.APPROVED
    changed, approval = (await events(store))[-2:]
    assert (changed.content, changed.actor) == (QuorumChanged(before=2, now=1), BOT)
    assert approval.content == Approved(approvals=1, of=1)
    assert await next_attempt(workflow) is not None
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE]


async def test_a_second_click_counts_though_a_newer_list_has_lost_the_person(workflow: Workflow, store: Store) -> None:
    """The group changed within the click: what the click was looked up by decides, and the record can say it."""
    workflow.rules = replace(workflow.rules, approvals_required=3)
    request = await requested(workflow)
    for person in ("UONE", "UTWO"):
        await approve(workflow, request, person)
    workflow.rules = replace(workflow.rules, approvals_required=1)
    clicks, newer = actor("UONE", Membership.MEMBER), Members(APPROVERS.ids - {"UONE"})
    acted = await workflow.act(decisions.approve, Act.APPROVE, request.id, clicks, approvers=newer)
    assert acted.verdict is Verdict.ALLOWED
    assert await state_of(store, request) is State.APPROVED
    assert await store.read(lambda tables: list(tables.projections.contradictions())) == []


async def test_a_start_takes_out_votes_that_count_no_longer(workflow: Workflow, store: Store) -> None:
    """The card shows it before anybody clicks, and no vote of anybody is on record for it."""
    workflow.rules = replace(workflow.rules, approvals_required=3, allow_self_approval=True)
    request = await requested(workflow)
    for person in ("UASKER", "UONE"):
        await approve(workflow, request, person)
    await deliver_all(workflow)
    before = await kinds(store)
    await restarted(workflow, approvers=Members(APPROVERS.ids - {"UONE"}), allow_self_approval=False)
    found = await now(store, request)
    assert (found.state, found.approvers) == (State.PENDING, ())
    assert (await contents(store))[len(before) :] == [Started("2"), VotesVoided(("UASKER", "UONE"))]
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE]


async def test_a_start_that_changes_nothing_leaves_nothing(workflow: Workflow, store: Store) -> None:
    """Requests whose votes all count, ended ones, and those past their time stay as they are."""
    workflow.rules = replace(workflow.rules, approvals_required=2)
    await approve(workflow, await requested(workflow), "UONE")
    await withdraw(workflow, await requested(workflow, "ord_2", form="V2"))
    await deliver_all(workflow)
    before = await kinds(store)
    await restarted(workflow)
    await restarted(workflow)
    assert (await kinds(store)) == [*before, "started", "started"]
    assert await deliver_all(workflow) == []


async def test_a_start_approves_nothing_that_is_past_its_time(workflow: Workflow, store: Store, clock: Clock) -> None:
    """A lower quorum does not revive a request that nobody decided in time."""
    workflow.rules = replace(workflow.rules, approvals_required=2)
    request = await requested(workflow)
    await approve(workflow, request, "UONE")
    clock.advance(hours=24)
    await restarted(workflow, approvals_required=1)
    assert await next_attempt(workflow) is None
    assert await state_of(store, request) is State.EXPIRED


async def test_a_start_approves_nothing_by_votes_that_cannot_be_checked(workflow: Workflow, store: Store) -> None:
    """The card shows the new quorum at once, but the request waits until Slack says who is in the group."""
    workflow.rules = replace(workflow.rules, approvals_required=2)
    request = await requested(workflow)
    await approve(workflow, request, "UONE")
    await deliver_all(workflow)
    before = await now(store, request)
    unread = Members(complete=False)
    await restarted(workflow, approvals_required=1, approvers=unread)
    assert await now(store, request) == replace(before, approvals_required=1)
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE]
    await workflow.recount(unread)
    assert await deliver_all(workflow) == []
    assert await next_attempt(workflow) is None
    await workflow.recount(APPROVERS)
    assert (await contents(store))[-1] == Approved(approvals=1, of=1)
    assert await next_attempt(workflow) is not None


async def test_a_start_does_not_touch_what_is_approved_already(workflow: Workflow, store: Store) -> None:
    """An approved request is sent, however the settings are by then: the approval was good when it was given."""
    request = await approved(workflow)
    await restarted(workflow, approvals_required=2, approvers=Members(APPROVERS.ids - {"UONE"}))
    assert await state_of(store, request) is State.APPROVED
    assert await next_attempt(workflow) is not None


async def test_a_crash_between_start_and_count_is_made_good_by_the_next_start(workflow: Workflow, store: Store) -> None:
    """The votes are counted in a transaction of their own, which may come late or not at all."""
    workflow.rules = replace(workflow.rules, approvals_required=2)
    request = await requested(workflow)
    await approve(workflow, request, "UONE")
    workflow.rules = replace(workflow.rules, approvals_required=1)
    await workflow.start(Started("2"))
    assert await state_of(store, request) is State.PENDING
    await restarted(workflow)
    assert await state_of(store, request) is State.APPROVED


# --- Settling by hand -------------------------------------------------------------------------


@pytest.mark.parametrize("cancelled", [True, False])
async def test_settling_ends_it_with_a_persons_statement(workflow: Workflow, store: Store, cancelled: bool) -> None:
    """The state is one of its own, the record says who found what and how, and everybody gets the news."""
    request = await unknown(workflow)
    await deliver_all(workflow)
    assert await settle(workflow, request, cancelled=cancelled) is Verdict.ALLOWED
    assert await state_of(store, request) is (State.SETTLED_CANCELLED if cancelled else State.SETTLED_NOT_CANCELLED)
    last = (await events(store))[-1]
    statement = SettledCancelled if cancelled else SettledNotCancelled
    assert (last.content, last.actor) == (statement("the console says so"), "UTWO")
    news = {DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE}
    assert set(await deliver_all(workflow)) == news


@pytest.mark.parametrize("cancelled", [True, False])
async def test_settling_frees_the_order(workflow: Workflow, store: Store, clock: Clock, cancelled: bool) -> None:
    """Another request for it can be made and approved; the settled one is never sent again."""
    request = await unknown(workflow)
    assert (await ask(workflow, form="V2")).verdict is Verdict.ANOTHER_IS_OPEN
    assert await settle(workflow, request, cancelled=cancelled) is Verdict.ALLOWED
    clock.advance(hours=1)
    assert await next_attempt(workflow) is None
    assert await retry(workflow, request) is Verdict.WRONG_STATE
    other = await approved(workflow, form="V3")
    assert (await sending(workflow)).request_id == other.id


@pytest.mark.parametrize(
    "person, membership, verdict",
    [
        ("UASKER", Membership.MEMBER, Verdict.OWN_REQUEST),
        ("UTWO", Membership.OUTSIDER, Verdict.NOT_AN_APPROVER),
        ("UTWO", Membership.UNCHECKED, Verdict.UNCHECKED),
    ],
)
async def test_only_a_second_person_settles(
    workflow: Workflow, store: Store, person: str, membership: Membership, verdict: Verdict
) -> None:
    """Neither the requester nor an outsider; the refusal is on record, before and after the form."""
    request = await unknown(workflow)
    assert await settle(workflow, request, person, membership) is verdict
    finds = actor(person, membership)
    acted = await workflow.act(decisions.may_settle, Act.SETTLE, request.id, finds)
    assert acted.verdict is verdict
    assert await state_of(store, request) is State.UNKNOWN
    assert (await contents(store))[-2:] == [ClickRefused(Act.SETTLE, verdict, State.UNKNOWN)] * 2


async def test_the_question_for_a_finding_changes_nothing(workflow: Workflow, store: Store) -> None:
    """An approver who opens the form has not settled anything."""
    request = await unknown(workflow)
    before = await kinds(store)
    acted = await workflow.act(decisions.may_settle, Act.SETTLE, request.id, actor("UTWO"))
    assert acted.verdict is Verdict.ALLOWED
    assert await state_of(store, request) is State.UNKNOWN
    assert await kinds(store) == before


async def test_settling_comes_too_late_after_a_retry(workflow: Workflow, store: Store) -> None:
    """While the gateway is being asked again nobody says how the order stands; of two at once one wins."""
    request = await unknown(workflow)
    verdicts = await asyncio.gather(
        retry(workflow, request), settle(workflow, request), settle(workflow, request, cancelled=False)
    )
    assert sorted(verdicts) == [Verdict.ALLOWED, Verdict.WRONG_STATE, Verdict.WRONG_STATE]
    assert len([each for each in await kinds(store) if each.startswith(("retried", "settled"))]) == 1


# --- A click on a card that is out of date ----------------------------------------------------


async def test_a_refused_click_brings_a_stale_card_up_to_date(workflow: Workflow, store: Store) -> None:
    """Slack said yes to the update and yet shows the old card; the click of somebody makes the bot send it again."""
    request = await requested(workflow)
    await deliver_all(workflow)
    await reject(workflow, request)
    await deliver_all(workflow)
    assert await approve(workflow, request, "UTWO") is Verdict.WRONG_STATE
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE]


async def test_many_refused_clicks_send_one_update(workflow: Workflow) -> None:
    """Fifty impatient clicks are one update of the card."""
    request = await requested(workflow)
    await deliver_all(workflow)
    await withdraw(workflow, request)
    await deliver_all(workflow)
    assert set(await asyncio.gather(*(approve(workflow, request) for _ in range(50)))) == {Verdict.WRONG_STATE}
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE]


async def test_the_refused_click_of_an_outsider_sends_nothing(workflow: Workflow) -> None:
    """A person who may not decide learns nothing and sets nothing in motion."""
    request = await requested(workflow)
    await deliver_all(workflow)
    assert await approve(workflow, request, "U_OUTSIDER") is Verdict.NOT_AN_APPROVER
    assert await approve(workflow, request, "UASKER") is Verdict.OWN_REQUEST
    assert await deliver_all(workflow) == []


async def test_a_refused_click_before_the_card_is_on_file_sends_nothing(workflow: Workflow) -> None:
    """There is no card to update yet; when it is posted, it shows the truth."""
    request = await requested(workflow)
    await withdraw(workflow, request)
    assert await approve(workflow, request) is Verdict.WRONG_STATE
    assert await deliver_all(workflow) == [DeliveryKind.CARD, DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY]
