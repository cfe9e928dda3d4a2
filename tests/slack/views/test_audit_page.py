"""The answers of ``/cancel-audit``: every kind of event, refusal and mistake in words, and pages that fit."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from syrupy.assertion import SnapshotAssertion

from bot.domain.attempt import Answer, Outcome, Reason
from bot.domain.audit import BOT, Event
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import (
    KINDS,
    Approved,
    Cancelled,
    CardBlocked,
    CardPosted,
    ClickRefused,
    Content,
    DeliveryAbandoned,
    Expired,
    Failed,
    Refused,
    Rejected,
    Repeating,
    Requested,
    RequestRefused,
    Retried,
    Sending,
    Started,
    Unknown,
    Voted,
    Withdrawn,
)
from bot.domain.lookup import Mistake, NotAFilter
from bot.domain.policy import Act, Scope, Verdict
from bot.slack.views import audit_page
from bot.slack.views.audit_page import PageButton
from bot.store import Page
from bot.workflow import Found
from tests.slack.views.samples import ANY_TEXT, CANCELLATION, event_of, shown

NO_ANSWER = Answer(Outcome.UNKNOWN, http_status=502, message="no answer", request_id="req_1")
EVENTS: list[Content] = [
    Started("1.0"),
    Requested("typed\ntwice", "C1", 2),
    RequestRefused(Verdict.ANOTHER_IS_OPEN, reason="me too"),
    Voted(approvals=1, of=2),
    Approved(approvals=2, of=2),
    Rejected("no fraud"),
    Withdrawn(),
    Expired(),
    ClickRefused(Act.REJECT, Verdict.NOT_AN_APPROVER, State.PENDING),
    Sending(attempt=1),
    *(kind(1, NO_ANSWER) for kind in (Repeating, Cancelled, Refused, Failed, Unknown)),
    Retried(),
    CardPosted("C1", "1.2"),
    CardBlocked("C1", "not_in_channel"),
    DeliveryAbandoned(DeliveryKind.CARD_UPDATE, "message_not_found"),
]
"""One event of each kind."""


def story(*contents: Content, actor: str = "U0BEN", scope: Scope = Scope.ALL) -> list[str]:
    """Return the lines of a story with these events, without the heading."""
    events = [event_of(content, seq=number, actor=actor) for number, content in enumerate(contents, 1)]
    found: Page[Event] = Page(events, None)
    return shown(audit_page.page(Found(found, scope, of_an_order=True), "ord_1", first=True)).splitlines()[1:]


def test_a_story_tells_every_kind_of_event_in_words(snapshot: SnapshotAssertion) -> None:
    """Support agents read what happened, without the names of the record's fields."""
    assert [content.kind for content in EVENTS] == list(KINDS)
    assert story(*EVENTS) == snapshot


def test_what_nobody_did_was_done_by_the_bot() -> None:
    """Events without a person name the bot."""
    assert story(Expired(), actor=BOT) == ["2026-11-23 09:00:00 · expired · the bot · #1"]


def test_a_request_without_a_reason_says_so() -> None:
    """A reason that was not given is not an empty quotation."""
    assert story(Requested()) == ["2026-11-23 09:00:00 · requested · @ben · no reason given · #1"]


def test_numbers_of_approvals_are_in_grammatical_english() -> None:
    """One approval is enough where one is needed."""
    assert "1 of 1 approval ·" in story(Approved(approvals=1, of=1))[0]
    assert "1 of 2 approvals ·" in story(Voted(approvals=1, of=2))[0]


@pytest.mark.parametrize("reason", Reason)
def test_an_answer_without_the_gateways_words_is_a_line_all_the_same(reason: Reason) -> None:
    """A refusal needs no message to be read."""
    assert story(Refused(1, Answer(Outcome.REFUSED, reason=reason))) == ["2026-11-23 09:00:00 · refused · @ben · #1"]


def test_every_verdict_has_words(snapshot: SnapshotAssertion) -> None:
    """No refusal shows its code, and no two refusals read the same."""
    commands = story(*(RequestRefused(verdict) for verdict in Verdict))
    clicks = story(*(ClickRefused(Act.APPROVE, verdict) for verdict in Verdict))
    assert commands + clicks == snapshot
    for lines in (commands, clicks):
        assert len({line.rpartition(" · ")[0] for line in lines}) == len(Verdict)
        assert not any("_" in line for line in lines)


@pytest.mark.parametrize("act", Act)
def test_every_act_has_words(act: Act) -> None:
    """A refused click says what the person wanted to do."""
    (line,) = story(ClickRefused(act, Verdict.WRONG_STATE, State.CANCELLED))
    assert f"click refused · @ben · wanted to {act}: " in line


def test_a_click_that_came_too_late_says_how_the_request_stood(snapshot: SnapshotAssertion) -> None:
    """The state is the one at the time of the click, in words."""
    assert story(*(ClickRefused(Act.APPROVE, Verdict.WRONG_STATE, state) for state in State)) == snapshot


def test_every_delivery_has_words(snapshot: SnapshotAssertion) -> None:
    """A message that could not be delivered is named without its code."""
    assert story(*(DeliveryAbandoned(kind, "no_permission") for kind in DeliveryKind)) == snapshot


@pytest.mark.parametrize("mistake", Mistake)
def test_every_mistake_has_usage_words(mistake: Mistake, snapshot: SnapshotAssertion) -> None:
    """The answer begins with what is wrong with the word, and ends with what can be typed."""
    wrong, _, usage = audit_page.usage(NotAFilter(mistake, "wrd")).partition("\n")
    assert wrong == snapshot
    assert usage == audit_page.USAGE


def test_no_two_mistakes_read_the_same() -> None:
    """Each cause has a text of its own."""
    assert len({audit_page.usage(NotAFilter(mistake, "wrd")) for mistake in Mistake}) == len(Mistake)


def test_the_usage_names_every_state(snapshot: SnapshotAssertion) -> None:
    """People can type each state by its name."""
    assert all(state in audit_page.USAGE for state in State)
    assert snapshot == audit_page.USAGE


@pytest.mark.parametrize("of_an_order", [True, False])
@pytest.mark.parametrize("scope", Scope)
def test_an_empty_answer_says_what_it_looked_for(scope: Scope, of_an_order: bool, snapshot: SnapshotAssertion) -> None:
    """People read whether an order or a list is empty, and whether they see only their own requests."""
    nothing: Page[Event] = Page([], None)
    found = Found(nothing, scope, of_an_order)
    assert shown(audit_page.page(found, "<@U0ANN> 7d", first=True)) == snapshot


@given(
    orders=st.lists(ANY_TEXT, max_size=10), query=st.text(max_size=500), older=st.one_of(st.none(), st.just("2026|5"))
)
def test_any_page_of_a_look_up_fits(orders: list[str], query: str, older: str | None) -> None:
    """Ten cancellations with any texts are one message that Slack takes, and its buttons remember the filters."""
    cancellations = [replace(CANCELLATION, order_id=order, reason=order) for order in orders]
    found = Found(Page(cancellations, older), Scope.OWN, of_an_order=False)
    message = audit_page.page(found, query, first=False)
    shown(message)
    button = message.blocks[-1]["elements"][-1]
    assert PageButton.decode(button["value"]) == PageButton(query, older)


@given(texts=st.lists(ANY_TEXT, max_size=10))
def test_any_story_fits(texts: list[str]) -> None:
    """Ten events with any texts are one message that Slack takes."""
    story(*(RequestRefused(Verdict.ANOTHER_IS_OPEN, reason=text) for text in texts))
    story(*(Rejected(text) for text in texts))


@pytest.mark.parametrize(
    "value", ["", "{}", '{"q":"","o":"x"}', '{"q":1,"o":null}', "[", '{"q":"","o":"9|99999999999999999999"}']
)
def test_a_value_that_no_button_has_is_none(value: str) -> None:
    """A tampered button reads as nothing."""
    assert PageButton.decode(value) is None
