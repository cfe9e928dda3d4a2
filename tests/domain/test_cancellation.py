"""The states of a request, and which may follow which."""

from dataclasses import replace
from datetime import timedelta

from bot.domain.cancellation import NEXT, OPEN, Choice, Decision, State
from tests.domain.examples import AT, PENDING, changed


def test_states_fit_together() -> None:
    """Every state is reachable, and a state is open, over, or failed, which is neither and may be retried.

    After a state that is over only the gateway's confirmation may follow: it counts whenever it comes.
    """
    assert {state for following in NEXT.values() for state in following} == set(State) - {State.PENDING}
    over = {state for state in State if NEXT[state] <= {State.CANCELLED}}
    assert set(State) - OPEN == over | {State.FAILED}
    under_way = [State.APPROVED, State.SENDING]
    assert [state for state in State if not state.over] == [State.PENDING, *under_way, State.FAILED, State.UNKNOWN]


def test_a_confirmation_may_follow_every_state_in_which_a_call_may_be_without_an_answer() -> None:
    """In the other states no call was made, every call has an answer, or the confirmation is there already."""
    assert {state for state in State if State.CANCELLED in NEXT[state]} == {
        State.APPROVED,
        State.SENDING,
        State.UNKNOWN,
        State.REFUSED,
        State.FAILED,  # people may stop it after a restore, though an answer was lost
        State.SETTLED_CANCELLED,
        State.SETTLED_NOT_CANCELLED,
    }


def test_only_an_unknown_outcome_is_settled_by_hand() -> None:
    """No other state leads to a person's statement, and nothing but a confirmation follows one."""
    settled = {State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED}
    assert {state for state in State if NEXT[state] & settled} == {State.UNKNOWN}
    assert not settled & OPEN
    assert all(state.over for state in settled)


def test_a_pending_request_is_overdue_from_its_time_on() -> None:
    """The last moment counts as too late; other states never are."""
    assert not PENDING.overdue(PENDING.expires_at - timedelta(milliseconds=1))
    assert PENDING.overdue(PENDING.expires_at)
    assert not changed(PENDING, state=State.APPROVED).overdue(PENDING.expires_at)


def test_decisions_are_told_apart_by_their_choice() -> None:
    """Approvals are listed in their order; a rejection is found behind them."""
    first, second = (Decision(person, Choice.APPROVE, "", AT) for person in ("UTWO", "UONE"))
    rejection = Decision("UTWO", Choice.REJECT, "no", AT)
    decided = replace(PENDING, decisions=(first, second, rejection))
    assert decided.approvers == ("UTWO", "UONE")
    assert decided.rejection == rejection
    assert PENDING.rejection is None


def test_the_time_of_the_approval_is_that_of_the_last_vote() -> None:
    """It may be used again for as long as the request could wait for it; a rejection is no approval."""
    first = Decision("UONE", Choice.APPROVE, "", AT)
    last = Decision("UTWO", Choice.APPROVE, "", AT + timedelta(minutes=5))
    rejection = Decision("UTWO", Choice.REJECT, "no", AT + timedelta(minutes=9))
    # A clock that was set in the meantime moves the end of the waiting, not how long it was to be.
    moved = AT + timedelta(days=3)
    approved = replace(PENDING, decisions=(last, first, rejection), expires_at=moved, approval_ttl=timedelta(hours=2))
    assert (approved.approved_at, approved.retry_until) == (last.at, last.at + timedelta(hours=2))
    rejected = replace(PENDING, decisions=(rejection,))
    assert (rejected.approved_at, rejected.retry_until) == (None, None)
