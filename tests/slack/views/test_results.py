"""The results: what the thread and the requester read when a request ended, or why it waits."""

from typing import Any, get_args

import pytest
from hypothesis import assume, given, strategies as st
from syrupy.assertion import SnapshotAssertion

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.events import (
    Cancelled,
    Content,
    Expired,
    Failed,
    Refused,
    Rejected,
    SettledCancelled,
    SettledNotCancelled,
    StoppedTrying,
    Unknown,
    Withdrawn,
)
from bot.domain.projection import Ending
from bot.sandbox.blockkit import problems_with_blocks
from bot.slack.views import card, results
from bot.slack.views.text import tame
from tests.domain.examples import changed
from tests.slack.views.samples import ANY_TEXT, CANCELLATION, MOST_TEXT, event_of, shown


def refused(reason: Reason, message: str = "", request_id: str = "") -> Refused:
    """Return the event of a final no after one attempt."""
    return Refused(1, Answer(Outcome.REFUSED, reason=reason, message=message, request_id=request_id))


RESULTS = [
    pytest.param(Cancelled(1, Answer(Outcome.CANCELLED, http_status=200)), id="cancelled"),
    pytest.param(
        Cancelled(2, Answer(Outcome.REFUSED, reason=Reason.ALREADY_CANCELLED), confirmed_by_repeat=True),
        id="confirmed by a repeat",
    ),
    pytest.param(refused(Reason.COMPLETED, "completed", "req_1"), id="refund"),
    pytest.param(refused(Reason.ALREADY_CANCELLED), id="already cancelled"),
    pytest.param(refused(Reason.ALREADY_REFUNDED), id="already refunded"),
    pytest.param(refused(Reason.PARTLY_REFUNDED), id="partly refunded"),
    pytest.param(refused(Reason.NO_SUCH_ORDER), id="no such order"),
    pytest.param(refused(Reason.EXPIRED), id="expired order"),
    pytest.param(Failed(1, Answer(Outcome.NOT_SENT, reason=Reason.TURNED_AWAY)), id="turned away"),
    pytest.param(
        Unknown(1, Answer(Outcome.UNKNOWN, trouble=Trouble.UNCLEAR_REFUSAL, message="The order is locked.")),
        id="a no on no list",
    ),
    pytest.param(Unknown(4, Answer(Outcome.UNKNOWN, message="It is safe to retry.")), id="a full stop"),
    pytest.param(Unknown(4, Answer(Outcome.UNKNOWN, reason=Reason.TURNED_AWAY)), id="unknown, then turned away"),
    pytest.param(Failed(1, Answer(Outcome.NOT_SENT, reason=Reason.CREDENTIALS)), id="credentials"),
    pytest.param(Failed(1, Answer(Outcome.NOT_SENT, reason=Reason.CLOCK)), id="clock"),
    pytest.param(Failed(4, Answer(Outcome.NOT_SENT, trouble=Trouble.NOT_CONNECTED)), id="failed"),
    pytest.param(Unknown(4, Answer(Outcome.UNKNOWN, trouble=Trouble.CONNECTION_LOST)), id="unknown"),
    pytest.param(Failed(4, Answer(Outcome.NOT_SENT, trouble=Trouble.CERTIFICATE)), id="no secure connection"),
    pytest.param(Failed(4, Answer(Outcome.NOT_SENT, trouble=Trouble.BAD_ADDRESS)), id="wrong settings"),
    pytest.param(Failed(4, Answer(Outcome.NOT_SENT, trouble=Trouble.RECORD_CONTRADICTS)), id="changed database"),
    pytest.param(Failed(4, Answer(Outcome.NOT_SENT, message="Busy.")), id="not taken"),
    pytest.param(StoppedTrying(), id="stopped"),
    pytest.param(Rejected("no"), id="rejected"),
    pytest.param(Rejected(), id="rejected without a reason"),
    pytest.param(Withdrawn(), id="withdrawn"),
    pytest.param(Expired(), id="expired"),
    pytest.param(SettledCancelled("the console says cancelled"), id="settled: cancelled"),
    pytest.param(SettledNotCancelled("the console says paid"), id="settled: not cancelled"),
    pytest.param(Unknown(4, Answer(Outcome.UNKNOWN, reason=Reason.CREDENTIALS)), id="unknown, then credentials"),
    pytest.param(Unknown(4, Answer(Outcome.UNKNOWN, reason=Reason.CLOCK)), id="unknown, then clock"),
]


@pytest.mark.parametrize("content", RESULTS)
def test_each_result_says_what_it_means_and_what_to_do(content: Content, snapshot: SnapshotAssertion) -> None:
    """The thread and the requester read the same, with the record's head as a witness."""
    event = event_of(content)
    reply = shown(results.reply(CANCELLATION, event))
    assert reply == snapshot
    direct = results.direct_message(CANCELLATION, event)
    assert shown(direct) == f"{reply}\nOpen the card"
    assert "#7·BINSYPIKDMWD2CQ3FQ6QUGZMHU\nOpen the card" in shown(direct)


@pytest.mark.parametrize("content", RESULTS)
def test_the_text_of_a_result_says_all_that_its_blocks_say(content: Content, snapshot: SnapshotAssertion) -> None:
    """Screen readers and notifications have only the text."""
    text = results.reply(CANCELLATION, event_of(content)).text
    assert text == snapshot
    assert text == results.direct_message(CANCELLATION, event_of(content)).text


@given(order=ANY_TEXT, reason=ANY_TEXT, said=ANY_TEXT, about=st.sampled_from(Reason))
def test_any_text_fits_and_stays_text(order: str, reason: str, said: str, about: Reason) -> None:
    """Slack takes the results with all that people and the gateway can write, and all of it is in text elements."""
    assume(card.fits([order], reason))
    request = changed(CANCELLATION, order_id=order, reason=reason)
    answer = Answer(Outcome.REFUSED, reason=about, message=said[:300], request_id=said[:100])
    contents: list[Content] = [Refused(1, answer), Unknown(1, answer)]
    for content in contents:
        for message in (
            results.reply(request, event_of(content)),
            results.direct_message(request, event_of(content)),
        ):
            shown(message)
            assert {block["type"] for block in message.blocks} == {"rich_text"}
            assert "<!" not in message.text
            assert len(message.text.encode("utf-8", "replace")) <= MOST_TEXT


@given(order=ANY_TEXT, reason=ANY_TEXT, words=ANY_TEXT)
def test_the_words_of_a_rejection_and_of_a_finding_are_whole(order: str, reason: str, words: str) -> None:
    """A message shows every character but controls; a text that would not fit is refused in the form."""
    assume(card.fits([order], reason))
    assume(words.strip())
    request = changed(CANCELLATION, order_id=order, reason=reason)
    contents: list[Content] = [Rejected(words), SettledCancelled(words), SettledNotCancelled(words)]
    for content in contents:
        message = results.reply(request, event_of(content))
        assert problems_with_blocks(message.blocks) == [] or not card.fits([order], words)
        quotes = [block["elements"][0]["elements"][0]["text"] for block in message.blocks if is_quote(block)]
        assert quotes == [tame(words) or "-"]


def is_quote(block: dict[str, Any]) -> bool:
    """Return True for a block that sets a person's words apart."""
    return str(block["elements"][0]["type"]) == "rich_text_quote"


def test_every_ending_is_reported() -> None:
    """There is a text for each event that ends a request."""
    assert {type(result.values[0]) for result in RESULTS} >= set(get_args(Ending))
