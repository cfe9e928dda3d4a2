"""The receipt: what the requester reads at each moment, and what they can do."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st
from syrupy.assertion import SnapshotAssertion

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.cancellation import Choice, Decision, Earlier, State
from bot.domain.delivery import MissingCard
from bot.domain.freeze import Freeze
from bot.slack.views import card, receipt
from bot.slack.views.text import Message
from tests.domain.examples import changed
from tests.slack.views.samples import ANY_TEXT, APPROVAL, AT, BOT, CANCELLATION, MOST_TEXT, shown

AWAY = Answer(Outcome.NOT_SENT, trouble=Trouble.NOT_CONNECTED)
LOST = Answer(Outcome.UNKNOWN, trouble=Trouble.NO_ANSWER_IN_TIME)
REJECTION = Decision("U0CLEO", Choice.REJECT, "wrong customer", AT)
FINDING = Decision("U0CLEO", Choice.SETTLE, "the console says so", AT)
FREEZE = Freeze("U0CLEO", AT, "wrong totals", "cleo")
ASKED = changed(CANCELLATION, decisions=())
APPROVED = changed(CANCELLATION, approvals_required=1, state=State.APPROVED, due_at=AT)
MOMENTS = {
    "asked": ASKED,
    "asked, one is needed": replace(ASKED, approvals_required=1),
    "one of two": CANCELLATION,
    "enough, but not checked yet": replace(CANCELLATION, approvals_required=1),
    "without a reason": replace(ASKED, reason=""),
    "approved": APPROVED,
    "asking the gateway": changed(APPROVED, state=State.SENDING, attempts=1),
    "to be asked again": changed(APPROVED, attempts=1, last_answer=AWAY),
    "asking again": changed(APPROVED, state=State.SENDING, attempts=2, last_answer=AWAY),
    "cancelled": changed(APPROVED, state=State.CANCELLED, last_answer=Answer(Outcome.CANCELLED)),
    "cancelled, as a repeat found": changed(
        APPROVED, state=State.CANCELLED, last_answer=Answer(Outcome.REFUSED, reason=Reason.ALREADY_CANCELLED)
    ),
    "completed": changed(
        APPROVED, state=State.REFUSED, last_answer=Answer(Outcome.REFUSED, reason=Reason.COMPLETED, message="Paid.")
    ),
    "not known, to be asked again": changed(APPROVED, attempts=1, last_answer=LOST, unclear=True),
    "frozen": replace(ASKED, freeze=FREEZE),
    "approved and frozen": replace(APPROVED, freeze=FREEZE),
    "asking the gateway, and frozen since": changed(APPROVED, state=State.SENDING, attempts=1, freeze=FREEZE),
    "an earlier request was confirmed": changed(ASKED, earlier=Earlier(State.CANCELLED, AT)),
    "failed": changed(APPROVED, state=State.FAILED, last_answer=AWAY),
    "stopped": changed(APPROVED, state=State.FAILED, attempts=1, last_answer=AWAY, stopped_by="U0CLEO"),
    "stopped before the first attempt": changed(APPROVED, state=State.FAILED, stopped_by="U0ANN"),
    "unknown": changed(APPROVED, state=State.UNKNOWN, last_answer=LOST),
    "rejected": changed(CANCELLATION, state=State.REJECTED, decisions=(APPROVAL, REJECTION)),
    "rejected without a reason": changed(ASKED, state=State.REJECTED, decisions=(replace(REJECTION, reason=""),)),
    "withdrawn": changed(ASKED, state=State.WITHDRAWN),
    "expired": changed(CANCELLATION, state=State.EXPIRED),
    "settled": changed(
        APPROVED, state=State.SETTLED_CANCELLED, last_answer=LOST, decisions=(*APPROVED.decisions, FINDING)
    ),
}


def buttons(message: Message) -> list[dict[str, Any]]:
    """Return the buttons of a message."""
    return [element for block in message.blocks if block["type"] == "actions" for element in block["elements"]]


@pytest.mark.parametrize("moment", MOMENTS)
def test_each_moment_says_how_the_request_stands_and_what_is_next(moment: str, snapshot: SnapshotAssertion) -> None:
    """The message and its text both say all of it, with the way to the card."""
    message = receipt.receipt(MOMENTS[moment], None, BOT)
    assert (shown(message), message.text) == snapshot
    assert "Open the card" in shown(message)
    assert CANCELLATION.card_link in message.text


def test_a_freeze_shows_only_where_it_stops_something() -> None:
    """A waiting or approved request stands still, and nobody can press Retry; a call that has left goes on."""
    for state in State:
        found = changed(APPROVED, state=state, attempts=1, last_answer=AWAY, freeze=FREEZE)
        message = receipt.receipt(found, None, BOT)
        stands_still = state in {State.PENDING, State.APPROVED} or state.may_retry
        assert ("Everything is frozen" in shown(message)) == stands_still
        assert ("Everything is frozen" in message.text) == stands_still


def test_the_withdraw_button_asks_first() -> None:
    """The dialog says what the click does; the button holds the id alone, and its block says that this is a receipt."""
    (withdraw,) = buttons(receipt.receipt(ASKED, None, BOT))
    assert (withdraw["action_id"], withdraw["value"]) == ("withdraw", "c0ffee")
    assert withdraw["confirm"]["text"]["text"] == "The request ends, and it does not cancel order ord_1."
    block_ids = [block.get("block_id", "") for block in receipt.receipt(ASKED, None, BOT).blocks]
    assert [receipt.is_receipt(block_id) for block_id in block_ids] == [*[False] * (len(block_ids) - 1), True]


def test_no_button_of_the_card_is_taken_for_one_of_the_receipt() -> None:
    """A click on the card counts as one on the card."""
    assert not any(receipt.is_receipt(block.get("block_id", "")) for block in card.card(ASKED).blocks)


def test_a_message_that_is_not_the_receipt_says_so() -> None:
    """It has no buttons any more, and leads to the card as long as there is one."""
    message = receipt.copy(ASKED)
    assert shown(message) == "I no longer keep this message about order ord_1 up to date. Open the card"
    assert buttons(message) == []
    assert "Open the card" not in shown(receipt.copy(replace(ASKED, card_link="")))


def test_the_place_where_somebody_asked_names_the_channel_of_the_card() -> None:
    """It says no more than what is known at that moment: the card may not be posted yet."""
    message = receipt.asked(ASKED)
    said = (
        "The approval card for order ord_1 goes to {}. My direct message to you shows how your request stands, also if "
        "I can't post the card there."
    )
    assert shown(message) == said.format("#payments")
    assert message.text == said.format("<#C1>")


@given(order=ANY_TEXT, reason=ANY_TEXT, said=ANY_TEXT, theirs=ANY_TEXT, moment=st.sampled_from(list(MOMENTS)))
def test_any_text_fits_and_stays_text(order: str, reason: str, said: str, theirs: str, moment: str) -> None:
    """Slack takes the receipt, as a new message and as an update, with all that people and the gateway can write."""
    assume(card.fits([order], reason))
    found = MOMENTS[moment]
    decisions = tuple(replace(each, reason=theirs) if each.reason else each for each in found.decisions)
    answer = found.cancellation.last_answer and replace(found.cancellation.last_answer, message=said[:300])
    found = changed(found, order_id=order, reason=reason, decisions=decisions, last_answer=answer)
    for trouble in (None, MissingCard("not_in_channel"), MissingCard("msg_too_long", given_up=True)):
        message = receipt.receipt(found, trouble, BOT)
        shown(message)
        assert {block["type"] for block in message.blocks} <= {"rich_text", "actions"}
        assert "<!channel" not in message.text
        assert len(message.text.encode("utf-8", "replace")) <= MOST_TEXT


def test_a_repeated_attempt_is_shown_with_its_time() -> None:
    """A requester who waits sees that the bot goes on, and when."""
    found = changed(APPROVED, attempts=3, last_answer=AWAY, due_at=AT + timedelta(minutes=1))
    assert "after the last 3 attempts: the gateway could not be reached. I ask again at" in shown(
        receipt.receipt(found, None, BOT)
    )
