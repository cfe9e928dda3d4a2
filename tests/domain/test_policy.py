"""The policy: people, what they may do, and the verdicts."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.domain.cancellation import AGAINST_RETRY, OPEN, Choice, Decision, Earlier, State
from bot.domain.policy import (
    Actor,
    Members,
    Membership,
    Scope,
    Verdict,
    Votes,
    could_be_approved,
    count_votes,
    may_ask,
    may_decide,
    may_give_reason,
    may_read,
    may_retry,
    may_settle,
    may_stop,
    may_try_now,
    may_withdraw,
)
from bot.domain.request import Request
from bot.domain.words import ERASED
from tests.domain.examples import AT, PENDING, changed

VOTED = replace(PENDING, decisions=(Decision("UONE", Choice.APPROVE, "", AT),))


@pytest.mark.parametrize(
    "asked, person, choice, membership, self_approval, verdict",
    [
        pytest.param(PENDING, "UONE", "approve", "member", False, "allowed", id="approver"),
        pytest.param(PENDING, "UONE", "approve", "outsider", False, "not_an_approver", id="outsider"),
        pytest.param(PENDING, "UONE", "approve", "unchecked", False, "unchecked", id="group not read"),
        pytest.param(PENDING, "UASKER", "approve", "member", False, "own_request", id="own request"),
        pytest.param(PENDING, "UASKER", "approve", "member", True, "allowed", id="own request, allowed by setting"),
        pytest.param(PENDING, "UASKER", "reject", "member", False, "allowed", id="rejects own request"),
        pytest.param(VOTED, "UONE", "approve", "member", False, "already_counted", id="approves twice"),
        pytest.param(VOTED, "UONE", "reject", "member", False, "allowed", id="thinks again"),
        pytest.param(VOTED, "UTWO", "approve", "member", False, "allowed", id="second approver"),
        pytest.param(
            changed(PENDING, state=State.EXPIRED), "UONE", "approve", "member", False, "wrong_state", id="late"
        ),
        pytest.param(
            changed(PENDING, state=State.EXPIRED),
            "UONE",
            "approve",
            "outsider",
            False,
            "not_an_approver",
            id="late outsider",
        ),
    ],
)
def test_deciding(
    asked: Request,
    person: str,
    choice: str,
    membership: str,
    self_approval: bool,
    verdict: str,
) -> None:
    """Only approvers decide, nobody approves their own request or twice, and only while it is pending."""
    actor = Actor(person, approver=Membership(membership))
    found = may_decide(asked, actor, Choice(choice), allow_self_approval=self_approval)
    assert found is Verdict(verdict)


@pytest.mark.parametrize(
    "membership, verdict",
    [("member", "allowed"), ("outsider", "not_a_requester"), ("unchecked", "unchecked")],
)
def test_asking(membership: str, verdict: str) -> None:
    """A membership that Slack did not tell refuses; it never means that anybody may."""
    assert may_ask(Actor("UONE", requester=Membership(membership))) is Verdict(verdict)


@pytest.mark.parametrize("role", ["requester", "approver", "auditor"])
def test_one_role_does_not_stand_for_another(role: str) -> None:
    """A member of one setting's people has no right that another setting gives."""
    actor = replace(Actor("UONE"), **{role: Membership.MEMBER})  # type: ignore[arg-type]  # a role's name
    assert (may_ask(actor) is Verdict.ALLOWED) == (role == "requester")
    decided = may_decide(PENDING, actor, Choice.APPROVE, allow_self_approval=False)
    assert (decided is Verdict.ALLOWED) == (role == "approver")
    assert (may_read(actor) is Scope.ALL) == (role in {"approver", "auditor"})


@pytest.mark.parametrize(
    "reason, category, offered, required, verdict",
    [
        ("", "", (), False, "allowed"),
        ("", "", (), True, "reason_missing"),
        ("why", "", (), True, "allowed"),
        ("why", "", ("fraud",), False, "allowed"),
        ("why", "", ("fraud",), True, "reason_missing"),
        ("fraud", "fraud", ("fraud",), True, "allowed"),
        ("fraud: why", "fraud", ("refund", "fraud"), True, "allowed"),
        ("Fraud", "Fraud", ("fraud",), False, "no_such_reason"),
        ("fraud", "fraud", (), False, "no_such_reason"),
        ("why", "fraud", ("fraud",), False, "no_such_reason"),
    ],
)
def test_giving_a_reason(reason: str, category: str, offered: tuple[str, ...], required: bool, verdict: str) -> None:
    """A reason of the list is one that is offered, and what approvers read begins with it."""
    assert may_give_reason(reason, category, offered=offered, required=required) == verdict


def test_withdrawing() -> None:
    """Only the requester may withdraw, and only while the request is pending."""
    assert may_withdraw(PENDING, Actor("UASKER")) is Verdict.ALLOWED
    assert may_withdraw(PENDING, Actor("UONE")) is Verdict.NOT_THE_REQUESTER
    assert may_withdraw(changed(PENDING, state=State.APPROVED), Actor("UASKER")) is Verdict.WRONG_STATE


@pytest.mark.parametrize("state", State)
def test_stopping_and_hurrying(state: State) -> None:
    """Approvers may stop or hurry what waits for its next attempt, the requester may stop it, and nobody else may."""
    request = changed(VOTED, state=state, due_at=AT + timedelta(seconds=30))
    refused = Verdict.CALL_UNDER_WAY if state is State.SENDING else Verdict.WRONG_STATE
    verdict = Verdict.ALLOWED if state is State.APPROVED else refused
    approver, outsider = Actor("UTWO", approver=Membership.MEMBER), Actor("UTWO", approver=Membership.OUTSIDER)
    assert may_stop(request, approver) is may_stop(request, Actor("UASKER")) is verdict
    assert may_try_now(request, approver, AT) is verdict
    assert may_stop(request, outsider) is Verdict.NOT_INVOLVED
    assert may_stop(request, Actor("UTWO")) is may_try_now(request, Actor("UTWO"), AT) is Verdict.UNCHECKED
    assert may_try_now(request, outsider, AT) is Verdict.NOT_AN_APPROVER
    unclear = changed(request, unclear=True)
    verdict = Verdict.MAY_HAVE_BEEN_SENT if state is State.APPROVED else refused
    assert may_stop(unclear, approver) is may_try_now(unclear, approver, AT) is verdict


def test_what_is_due_already_cannot_be_hurried() -> None:
    """A click that would change nothing is refused."""
    due, approver = changed(VOTED, state=State.APPROVED, due_at=AT), Actor("UTWO", approver=Membership.MEMBER)
    assert may_try_now(due, approver, AT) is Verdict.CALL_UNDER_WAY
    assert may_try_now(due, approver, AT - timedelta(seconds=1)) is Verdict.ALLOWED


FAILED = changed(VOTED, state=State.FAILED, approvals_required=1)
LAST_MOMENT = AT + (PENDING.expires_at - PENDING.requested_at)
"""The end of the time in which the vote in ``FAILED`` may be used again."""


def retrying(
    request: Request = FAILED,
    person: str = "UTWO",
    membership: Membership = Membership.MEMBER,
    *,
    at: datetime = AT,
    votes: Verdict = Verdict.ALLOWED,
    later: State | None = None,
) -> Verdict:
    """Return the verdict on a retry where everything else allows it."""
    actor = Actor(person, approver=membership)
    if later is not None:
        request = changed(request, later=Earlier(later, AT))
    return may_retry(request, actor, at, votes=votes)


@pytest.mark.parametrize(
    "approvers, quorum, alone, could",
    [
        (Members(frozenset({"UASKER"})), 1, False, False),
        (Members(frozenset({"UASKER"})), 1, True, True),
        (Members(frozenset({"UASKER", "UONE"})), 1, False, True),
        (Members(frozenset({"UASKER", "UONE"})), 2, False, False),
        (Members(frozenset({"UASKER", "UONE"}), escalation=Members(frozenset({"UTWO"}))), 2, False, True),
        (Members(frozenset({"UASKER", "UONE"}), escalation=Members(frozenset({"UONE"}))), 2, False, False),
        (Members(frozenset({"UASKER", "UONE"}), escalation=Members(complete=False)), 2, False, True),
        (Members(complete=False), 2, False, True),
        (Members(everyone=True), 9, False, True),
    ],
)
def test_a_request_that_nobody_could_approve_is_known_before_it_is_kept(
    approvers: Members, quorum: int, alone: bool, could: bool
) -> None:
    """It could only expire. What Slack has not said counts for the person."""
    assert could_be_approved(Actor("UASKER"), approvers, quorum, allow_self_approval=alone) is could


@pytest.mark.parametrize("state", State)
def test_retrying(state: State) -> None:
    """An approver may retry a failed or unknown request, and no other."""
    request = changed(FAILED, state=state)
    allowed = Verdict.ALLOWED if state in {State.FAILED, State.UNKNOWN} else Verdict.WRONG_STATE
    assert retrying(request) is allowed
    assert retrying(request, membership=Membership.OUTSIDER) is Verdict.NOT_AN_APPROVER
    assert retrying(request, membership=Membership.UNCHECKED) is Verdict.UNCHECKED


def test_the_approver_may_retry_what_they_approved() -> None:
    """The second person is there already; a retry sends what the two agreed on."""
    assert retrying(person="UONE") is Verdict.ALLOWED


@pytest.mark.parametrize("state", [State.FAILED, State.UNKNOWN])
def test_the_requester_never_retries(state: State) -> None:
    """Neither as an approver, nor after an approval of their own that the settings allowed."""
    own = Decision("UASKER", Choice.APPROVE, "", AT)
    for decisions in (VOTED.decisions, (own,)):
        assert retrying(changed(FAILED, state=state, decisions=decisions), "UASKER") is Verdict.OWN_REQUEST


def test_nobody_retries_an_approval_that_is_too_old() -> None:
    """The last vote is what counts, and a request without one was never approved by anybody."""
    late = Decision("UTWO", Choice.APPROVE, "", AT + timedelta(minutes=9))
    after = LAST_MOMENT + timedelta(milliseconds=1)
    assert retrying(at=LAST_MOMENT - timedelta(milliseconds=1)) is Verdict.ALLOWED
    assert retrying(at=after) is Verdict.APPROVAL_TOO_OLD
    assert retrying(replace(FAILED, decisions=(*FAILED.decisions, late)), at=after) is Verdict.ALLOWED
    assert retrying(replace(FAILED, decisions=())) is Verdict.APPROVAL_TOO_OLD


def test_nobody_retries_after_a_later_decision_against_the_order() -> None:
    """Not even the person who approved the first request."""
    for later in AGAINST_RETRY - OPEN - {State.CANCELLED}:
        assert retrying(later=later) is Verdict.DECIDED_AGAINST
        assert retrying(person="UONE", later=later) is Verdict.DECIDED_AGAINST


def test_nobody_retries_while_a_later_request_goes_on() -> None:
    """One order has one open request, and people decide on the newest."""
    assert {retrying(later=later) for later in OPEN} == {Verdict.ANOTHER_IS_OPEN}


def test_nobody_retries_what_a_later_request_has_cancelled() -> None:
    """The call would change nothing, and the refusal says why."""
    assert retrying(later=State.CANCELLED) is Verdict.CANCELLED_SINCE


def test_nobody_retries_once_the_reason_is_erased() -> None:
    """The gateway would get another reason than the one that was approved."""
    assert retrying(replace(FAILED, reason=ERASED)) is Verdict.REASON_ERASED
    assert retrying(replace(FAILED, reason="")) is Verdict.ALLOWED


@pytest.mark.parametrize("votes", [Verdict.VOTES_MISSING, Verdict.VOTES_UNCHECKED])
def test_nobody_retries_with_votes_that_count_no_longer(votes: Verdict) -> None:
    """Votes that are too few, or cannot be checked, are the cause of the refusal."""
    assert retrying(votes=votes) is votes


@pytest.mark.parametrize("state", State)
def test_settling_by_hand(state: State) -> None:
    """An approver who is not the requester may state how an unknown outcome stands, and no other."""
    request = changed(PENDING, state=state)
    member, outsider = Actor("UONE", approver=Membership.MEMBER), Actor("UONE", approver=Membership.OUTSIDER)
    assert may_settle(request, member) is (Verdict.ALLOWED if state is State.UNKNOWN else Verdict.WRONG_STATE)
    assert may_settle(request, outsider) is Verdict.NOT_AN_APPROVER
    assert may_settle(request, Actor("UONE")) is Verdict.UNCHECKED


def test_the_requester_does_not_settle_their_own_request() -> None:
    """Their own statement would free their own order."""
    unknown = changed(PENDING, state=State.UNKNOWN)
    assert may_settle(unknown, Actor("UASKER", approver=Membership.MEMBER)) is Verdict.OWN_REQUEST


@pytest.mark.parametrize(
    "members, person, membership",
    [
        pytest.param(Members(frozenset({"U1"})), "U1", "member", id="named"),
        pytest.param(Members(frozenset({"U1"})), "U2", "outsider", id="not named"),
        pytest.param(Members(frozenset({"U1"}), complete=False), "U1", "member", id="named, a group is not read"),
        pytest.param(Members(frozenset({"U1"}), complete=False), "U2", "unchecked", id="perhaps in the group"),
        pytest.param(Members(everyone=True), "U2", "member", id="everyone"),
        pytest.param(Members(), "U1", "outsider", id="nobody"),
    ],
)
def test_memberships(members: Members, person: str, membership: str) -> None:
    """A person who is not among those known is an outsider only where everybody is known."""
    assert members.membership(person) is Membership(membership)


VOTED_BY_ALL = replace(
    PENDING, decisions=tuple(Decision(person, Choice.APPROVE, "", AT) for person in ("UASKER", "UONE", "UTWO"))
)


@pytest.mark.parametrize(
    "approvers, self_approval, votes",
    [
        pytest.param({"UASKER", "UONE", "UTWO"}, True, Votes(frozenset({"UASKER", "UONE", "UTWO"})), id="all count"),
        pytest.param(
            {"UASKER", "UONE", "UTWO"},
            False,
            Votes(frozenset({"UONE", "UTWO"}), void=frozenset({"UASKER"})),
            id="self-approval is off by now",
        ),
        pytest.param(
            {"UASKER", "UTWO"},
            True,
            Votes(frozenset({"UASKER", "UTWO"}), void=frozenset({"UONE"})),
            id="an approver was removed",
        ),
        pytest.param(set(), False, Votes(void=frozenset({"UASKER", "UONE", "UTWO"})), id="none counts"),
    ],
)
def test_counting_votes(approvers: set[str], self_approval: bool, votes: Votes) -> None:
    """A vote counts by today's rules, whatever they were when it was given."""
    members = Members(frozenset(approvers))
    assert count_votes(VOTED_BY_ALL, members, allow_self_approval=self_approval) == votes


def test_votes_that_cannot_be_checked_neither_count_nor_are_void() -> None:
    """Without an answer from Slack the voters may be approvers; the requester is none, whatever Slack would say."""
    found = count_votes(VOTED_BY_ALL, Members(frozenset({"UTWO"}), complete=False), allow_self_approval=False)
    assert found == Votes(frozenset({"UTWO"}), void=frozenset({"UASKER"}), unchecked=frozenset({"UONE"}))


def test_a_rejection_is_no_vote() -> None:
    """Only approvals are counted."""
    rejected = replace(PENDING, decisions=(Decision("UONE", Choice.REJECT, "no", AT),))
    assert count_votes(rejected, Members(frozenset({"UONE"})), allow_self_approval=False) == Votes()


@pytest.mark.parametrize(
    "valid, unchecked, quorum, verdict",
    [
        (2, 0, 2, "allowed"),
        (3, 0, 2, "allowed"),
        (2, 9, 2, "allowed"),
        (1, 1, 2, "votes_unchecked"),
        (0, 2, 2, "votes_unchecked"),
        (1, 0, 2, "votes_missing"),
        (0, 1, 2, "votes_missing"),
        (0, 0, 1, "votes_missing"),
    ],
)
def test_votes_reach_the_quorum_or_not(valid: int, unchecked: int, quorum: int, verdict: str) -> None:
    """Only valid votes reach it; where others might, nothing is said before they are checked."""
    votes = Votes(
        frozenset(f"U{number}" for number in range(valid)),
        void=frozenset(f"V{number}" for number in range(9)),
        unchecked=frozenset(f"W{number}" for number in range(unchecked)),
    )
    assert votes.verdict(quorum) is Verdict(verdict)


def test_reading() -> None:
    """Approvers and auditors read everything; anyone else, and anyone unchecked, their own."""
    member, outsider, unchecked = Membership.MEMBER, Membership.OUTSIDER, Membership.UNCHECKED
    assert may_read(Actor("UONE", approver=member, auditor=outsider)) is Scope.ALL
    assert may_read(Actor("UONE", approver=unchecked, auditor=member)) is Scope.ALL
    assert may_read(Actor("UONE", approver=outsider, auditor=unchecked)) is Scope.OWN
