"""The card in every state and for every text: within Slack's limits, and never interpreted."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from syrupy.assertion import SnapshotAssertion

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.cancellation import Cancellation, Choice, Decision, State
from bot.domain.events import Rejected
from bot.slack.views import card, results
from tests.slack.views.samples import ANY_TEXT, APPROVAL, AT, CANCELLATION, event_of, shown

NO_ANSWER = Answer(Outcome.UNKNOWN, repeat=True, trouble=Trouble.NO_ANSWER_IN_TIME, trouble_about="30")
NOT_REACHED = Answer(Outcome.NOT_SENT, repeat=True, trouble=Trouble.NOT_CONNECTED)
CONFIRMED = Answer(Outcome.CANCELLED, http_status=200)
LAST_ANSWERS: dict[State, Answer | None] = {
    State.PENDING: None,
    State.APPROVED: NO_ANSWER,
    State.SENDING: NO_ANSWER,
    State.CANCELLED: CONFIRMED,
    State.REFUSED: Answer(Outcome.REFUSED, reason=Reason.OTHER, message="This order is locked", http_status=409),
    State.FAILED: NOT_REACHED,
    State.UNKNOWN: NO_ANSWER,
    State.REJECTED: None,
    State.WITHDRAWN: None,
    State.EXPIRED: None,
}


def in_state(state: State) -> Cancellation:
    """Return a cancellation in this state, with the last of two attempts where there were any."""
    answer = LAST_ANSWERS[state]
    return replace(CANCELLATION, state=state, attempts=2 if answer else 0, due_at=AT, last_answer=answer)


@pytest.mark.parametrize("state", State)
def test_the_card_in_each_state(state: State, snapshot: SnapshotAssertion) -> None:
    """The card shows the state in words, the requester and the approvers, and only buttons that can do something."""
    assert shown(card.card(in_state(state))) == snapshot


@pytest.mark.parametrize(
    "state, reason",
    [
        (State.REFUSED, Reason.COMPLETED),
        (State.REFUSED, Reason.ALREADY_CANCELLED),
        (State.REFUSED, Reason.ALREADY_REFUNDED),
        (State.REFUSED, Reason.NO_SUCH_ORDER),
        (State.FAILED, Reason.CREDENTIALS),
        (State.FAILED, Reason.CLOCK),
    ],
)
def test_the_card_says_why_the_gateway_said_no(state: State, reason: Reason, snapshot: SnapshotAssertion) -> None:
    """A cause that people can act on is in the first line, and the gateway's own words are in the last one."""
    answer = Answer(Outcome.REFUSED, reason=reason, message="no, says the gateway")
    assert shown(card.card(replace(CANCELLATION, state=state, attempts=1, last_answer=answer))) == snapshot


@pytest.mark.parametrize("state", State)
def test_a_notification_says_what_the_card_says_first(state: State, snapshot: SnapshotAssertion) -> None:
    """The text for notifications and screen readers names the order, and the requester and reason of an open one."""
    assert card.card(in_state(state)).text == snapshot


def test_a_card_with_one_failed_attempt_says_so_in_the_singular(snapshot: SnapshotAssertion) -> None:
    """The numbers of attempts and of approvals are in grammatical English."""
    once = replace(in_state(State.APPROVED), approvals_required=1, attempts=1, last_answer=Answer(Outcome.UNKNOWN))
    assert shown(card.card(once)) == snapshot


def test_a_rejected_card_says_who_and_why(snapshot: SnapshotAssertion) -> None:
    """The reason for the rejection is below the reason for the request."""
    decisions = (APPROVAL, Decision("U0BEN", Choice.REJECT, "wrong *one*", AT))
    assert shown(card.card(replace(CANCELLATION, state=State.REJECTED, decisions=decisions))) == snapshot


@pytest.mark.parametrize("state", State)
@given(order=ANY_TEXT, reason=ANY_TEXT, said=ANY_TEXT, about=st.sampled_from(Reason))
def test_any_text_fits_and_stays_text(state: State, order: str, reason: str, said: str, about: Reason) -> None:
    """Slack takes the messages with all that people and the gateway can write, and all of it is in text elements."""
    cancellation = replace(
        CANCELLATION, state=state, order_id=order, reason=reason, attempts=2, due_at=AT,
        last_answer=Answer(Outcome.REFUSED, reason=about, message=said[:300]),
        decisions=(Decision("U0BEN", Choice.REJECT, reason, AT),),
    )  # fmt: skip
    for message in (card.card(cancellation), results.reply(cancellation, event_of(Rejected()))):
        shown(message)
        assert {block["type"] for block in message.blocks} <= {"rich_text", "actions"}
        assert "<!" not in message.text
