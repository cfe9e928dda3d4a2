"""The way back to the message from which somebody asked: on the card, on the receipt and in the record."""

from dataclasses import replace

import pytest

from bot.domain.cancellation import State
from bot.domain.events import Requested
from bot.domain.policy import Scope
from bot.slack.views import audit_page, card, receipt
from bot.slack.views.text import Message
from bot.store import Page
from bot.workflow import Found
from tests.domain.examples import changed
from tests.slack.views.samples import CANCELLATION, event_of, shown
from tests.slack.views.test_card import LINKED, LONG_HISTORY, elements_of, in_state

SOURCE = "https://a-rather-long-name-of-a-workspace.slack.com/archives/C0123456789ABCDEF/p1516229207000133"
REPLY = f"{SOURCE}?thread_ts=1516229200.000100&cid=C0123456789ABCDEF"
LINK = {"type": "link", "url": REPLY, "text": "Open the message"}


@pytest.mark.parametrize("state", State)
def test_card_and_receipt_lead_back_to_the_message(state: State) -> None:
    """It is a link in the blocks, and an address in the text that screen readers take; without a source nothing."""
    asked = in_state(state)
    for draw in (card.card, lambda request: receipt.receipt(request, None, "U0BOT")):
        message: Message = draw(replace(asked, source=REPLY))
        assert elements_of(message).count(LINK) == 1
        assert f"Asked from a message: {REPLY}" in message.text
        assert "Asked from a message" not in draw(asked).text
        assert "Asked from a message" not in shown(draw(asked))


def test_the_source_stands_right_below_the_reason() -> None:
    """Approvers read the reason, and can look at where it came from."""
    lines = shown(card.card(replace(CANCELLATION, source=SOURCE))).splitlines()
    assert lines[1:3] == ["> typed twice", "Asked from a message: Open the message"]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("reason", ["&" * 1380, "中" * 2990, "\n" * 2990])
def test_the_fullest_card_has_room_for_it(state: State, reason: str) -> None:
    """Slack takes only so much of a message."""
    order = "ord_" + "1" * 60
    assert card.fits([order], reason)
    request = changed(in_state(state), order_id=order, reason=reason, source=REPLY, history=LONG_HISTORY)
    assert "Open the message" in shown(card.card(request, LINKED))
    assert "Open the message" in shown(receipt.receipt(request, None, "U0BOT"))


def test_a_story_and_a_page_lead_back_to_the_message() -> None:
    """The row of the request has the link, beside that of its card."""
    story = Page([event_of(Requested(("ord_1",), "why", source=REPLY))], None, total=1)
    page = Page([replace(CANCELLATION, source=REPLY), CANCELLATION], None, total=2)
    link = LINK | {"text": "message"}
    shown_story = audit_page.page(Found(story, Scope.ALL, order_id="ord_1"), "ord_1")
    assert elements_of(shown_story).count(link) == 1
    assert elements_of(audit_page.page(Found(page, Scope.ALL, order_id=None), "")).count(link) == 1
