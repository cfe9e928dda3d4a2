"""Who may do what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.cancellation import NEXT, OPEN, Cancellation, Choice, Decision, State
from bot.domain.policy import Scope, Standing, Verdict, may_ask, may_decide, may_read, may_retry, may_withdraw

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PENDING = Cancellation(
    number=1,
    id="c1",
    order_id="ord_1",
    reason="",
    requester="UASKER",
    state=State.PENDING,
    approvals_required=2,
    requested_at=AT,
    expires_at=AT + timedelta(days=1),
    card_channel="C1",
    card_ts="1.1",
    card_link="",
    attempts=0,
    next_at=None,
    changed_at=AT,
    detail="",
)
VOTED = replace(PENDING, decisions=(Decision("UONE", Choice.APPROVE, "", AT),))


@pytest.mark.parametrize(
    "cancellation, person, choice, standing, self_approval, verdict",
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
    standing: str,
    self_approval: bool,
    verdict: str,
) -> None:
    """Only approvers decide, nobody approves their own request or twice, and only while it is pending."""
    found = may_decide(cancellation, person, Choice(choice), Standing(standing), allow_self_approval=self_approval)
    assert found is Verdict(verdict)


@pytest.mark.parametrize(
    "standing, verdict",
    [("member", "allowed"), ("outsider", "not_a_requester"), ("unchecked", "unchecked")],
)
def test_asking(standing: str, verdict: str) -> None:
    """A look-up that failed refuses; it never means that anybody may."""
    assert may_ask(Standing(standing)) is Verdict(verdict)


def test_withdrawing() -> None:
    """Only who asked may withdraw, and only while it is pending."""
    assert may_withdraw(PENDING, "UASKER") is Verdict.ALLOWED
    assert may_withdraw(PENDING, "UONE") is Verdict.NOT_THE_REQUESTER
    assert may_withdraw(replace(PENDING, state=State.APPROVED), "UASKER") is Verdict.WRONG_STATE


@pytest.mark.parametrize("state", State)
def test_retrying(state: State) -> None:
    """An approver may retry what failed or is unknown, and nothing else."""
    found = may_retry(replace(PENDING, state=state), Standing.MEMBER)
    assert found is (Verdict.ALLOWED if state in {State.FAILED, State.UNKNOWN} else Verdict.WRONG_STATE)
    assert may_retry(replace(PENDING, state=state), Standing.OUTSIDER) is Verdict.NOT_AN_APPROVER


def test_reading() -> None:
    """Approvers and auditors read everything; anybody else, and anybody unchecked, their own."""
    assert may_read(Standing.MEMBER, Standing.OUTSIDER) is Scope.ALL
    assert may_read(Standing.UNCHECKED, Standing.MEMBER) is Scope.ALL
    assert may_read(Standing.OUTSIDER, Standing.UNCHECKED) is Scope.OWN


def test_states_hang_together() -> None:
    """Every state is reachable, and what is open is exactly what is not over (failed is over, and may be retried)."""
    assert {state for following in NEXT.values() for state in following} == set(State) - {State.PENDING}
    assert set(State) - OPEN == {state for state in State if not NEXT[state]} | {State.FAILED}
    assert [state for state in State if state.awaits_people] == [State.PENDING, State.FAILED, State.UNKNOWN]
