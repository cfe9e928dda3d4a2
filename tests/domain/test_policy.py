"""The policy: people, what they may do, and the verdicts."""

from dataclasses import replace

import pytest

from bot.domain.cancellation import Cancellation, Choice, Decision, State
from bot.domain.policy import (
    Actor,
    Membership,
    Scope,
    Verdict,
    may_ask,
    may_decide,
    may_read,
    may_retry,
    may_withdraw,
)
from tests.domain.examples import AT, PENDING

VOTED = replace(PENDING, decisions=(Decision("UONE", Choice.APPROVE, "", AT),))


@pytest.mark.parametrize(
    "cancellation, person, choice, membership, self_approval, verdict",
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
            replace(PENDING, state=State.EXPIRED), "UONE", "approve", "member", False, "wrong_state", id="late"
        ),
        pytest.param(
            replace(PENDING, state=State.EXPIRED),
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
    cancellation: Cancellation,
    person: str,
    choice: str,
    membership: str,
    self_approval: bool,
    verdict: str,
) -> None:
    """Only approvers decide, nobody approves their own request or twice, and only while it is pending."""
    actor = Actor(person, approver=Membership(membership))
    found = may_decide(cancellation, actor, Choice(choice), allow_self_approval=self_approval)
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
    actor = Actor("UONE", **{role: Membership.MEMBER})
    assert (may_ask(actor) is Verdict.ALLOWED) == (role == "requester")
    decided = may_decide(PENDING, actor, Choice.APPROVE, allow_self_approval=False)
    assert (decided is Verdict.ALLOWED) == (role == "approver")
    assert (may_read(actor) is Scope.ALL) == (role in {"approver", "auditor"})


def test_withdrawing() -> None:
    """Only the requester may withdraw, and only while the request is pending."""
    assert may_withdraw(PENDING, Actor("UASKER")) is Verdict.ALLOWED
    assert may_withdraw(PENDING, Actor("UONE")) is Verdict.NOT_THE_REQUESTER
    assert may_withdraw(replace(PENDING, state=State.APPROVED), Actor("UASKER")) is Verdict.WRONG_STATE


@pytest.mark.parametrize("state", State)
def test_retrying(state: State) -> None:
    """An approver may retry a failed or unknown cancellation, and no other."""
    cancellation = replace(PENDING, state=state)
    found = may_retry(cancellation, Actor("UONE", approver=Membership.MEMBER))
    assert found is (Verdict.ALLOWED if state in {State.FAILED, State.UNKNOWN} else Verdict.WRONG_STATE)
    assert may_retry(cancellation, Actor("UONE", approver=Membership.OUTSIDER)) is Verdict.NOT_AN_APPROVER
    assert may_retry(cancellation, Actor("UONE")) is Verdict.UNCHECKED


def test_reading() -> None:
    """Approvers and auditors read everything; anyone else, and anyone unchecked, their own."""
    member, outsider, unchecked = Membership.MEMBER, Membership.OUTSIDER, Membership.UNCHECKED
    assert may_read(Actor("UONE", approver=member, auditor=outsider)) is Scope.ALL
    assert may_read(Actor("UONE", approver=unchecked, auditor=member)) is Scope.ALL
    assert may_read(Actor("UONE", approver=outsider, auditor=unchecked)) is Scope.OWN
