"""The states of a cancellation, and which may follow which."""

from dataclasses import replace
from datetime import timedelta

from bot.domain.cancellation import NEXT, OPEN, Choice, Decision, State
from tests.domain.examples import AT, PENDING


def test_states_fit_together() -> None:
    """Every state is reachable, and a state is open unless it is final (failed is over, and may be retried)."""
    assert {state for following in NEXT.values() for state in following} == set(State) - {State.PENDING}
    assert set(State) - OPEN == {state for state in State if not NEXT[state]} | {State.FAILED}
    assert [state for state in State if state.awaits_people] == [State.PENDING, State.FAILED, State.UNKNOWN]


def test_a_pending_request_is_overdue_from_its_time_on() -> None:
    """The last moment counts as too late; other states never are."""
    assert not PENDING.overdue(PENDING.expires_at - timedelta(milliseconds=1))
    assert PENDING.overdue(PENDING.expires_at)
    assert not replace(PENDING, state=State.APPROVED).overdue(PENDING.expires_at)


def test_decisions_are_told_apart_by_their_choice() -> None:
    """Approvals are listed in their order; a rejection is found behind them."""
    first, second = (Decision(person, Choice.APPROVE, "", AT) for person in ("UTWO", "UONE"))
    rejection = Decision("UTWO", Choice.REJECT, "no", AT)
    decided = replace(PENDING, decisions=(first, second, rejection))
    assert decided.approvers == ("UTWO", "UONE")
    assert decided.rejection == rejection
    assert PENDING.rejection is None
