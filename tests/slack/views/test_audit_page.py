"""The answers of ``/cancel-audit``: every kind of event, refusal and mistake in words, and pages that fit."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from syrupy.assertion import SnapshotAssertion

from bot.domain.attempt import Answer, Outcome, Reason
from bot.domain.audit import BOT, Event
from bot.domain.cancellation import Choice, Decision, State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import (
    KINDS,
    AnsweredLate,
    Approved,
    BackedUp,
    Cancelled,
    CardBlocked,
    CardPosted,
    ClickRefused,
    Content,
    DeliveryAbandoned,
    Digest,
    DigestCalledOff,
    DigestMoved,
    Erased,
    Escalated,
    EvidenceAsked,
    Expired,
    ExpiryMoved,
    Exported,
    Failed,
    Frozen,
    GatewayTrouble,
    Hurried,
    LookedUp,
    Named,
    QuorumChanged,
    Refused,
    Rejected,
    Reminded,
    Repeating,
    Requested,
    RequestRefused,
    Restored,
    Retried,
    Sending,
    SetBack,
    SettledCancelled,
    SettledNotCancelled,
    Started,
    Stopped,
    StoppedTrying,
    Unfrozen,
    Unknown,
    Voted,
    VotesVoided,
    Withdrawn,
)
from bot.domain.lookup import Mistake, NotAFilter
from bot.domain.policy import OF_ONE_ORDER, Act, Scope, Verdict
from bot.domain.report import Figures, Report
from bot.domain.request import Step
from bot.sandbox.transcript import read
from bot.sandbox.workspace import Posted
from bot.slack.views import audit_page
from bot.slack.views.audit_page import PageButton
from bot.slack.views.text import Message
from bot.store import Page
from bot.workflow import Found
from tests.domain.examples import changed
from tests.slack.views.samples import ANY_TEXT, APPROVAL, AT, CANCELLATION, NAMES, event_of, shown

NO_ANSWER = Answer(Outcome.UNKNOWN, http_status=502, message="no answer", request_id="req_1")
EVENTS: list[Content] = [
    Started("1.0", unclean=True),
    Stopped(),
    Named("ben"),
    LookedUp("7d", 3, "0a"),
    EvidenceAsked("ord_1"),
    Exported("audit find", "7d", 3, "0a"),
    BackedUp(7, "0a"),
    Restored(7, "0a"),
    Erased((3, 4), "asked for by the customer"),
    Frozen("the gateway is wrong"),
    Unfrozen(),
    Requested(("ord_1",), "typed\ntwice", "C1", 2),
    RequestRefused(Verdict.ANOTHER_IS_OPEN, reason="me too"),
    Voted(approvals=1, of=2),
    Approved(approvals=2, of=2),
    VotesVoided(("U0BEN", "U0CLEO")),
    QuorumChanged(2, 1),
    ExpiryMoved("2026-11-23T10:00:00.000Z"),
    SetBack(),
    Reminded(2),
    Escalated(("S0LEADS", "U0CLEO")),
    Rejected("no fraud"),
    Withdrawn(),
    Expired(),
    ClickRefused(Act.REJECT, Verdict.NOT_AN_APPROVER, State.PENDING),
    Sending(attempt=1),
    Repeating(1, NO_ANSWER),
    GatewayTrouble(7, unclear=True, most=20),
    *(kind(1, NO_ANSWER) for kind in (Cancelled, Refused, Failed, Unknown)),
    AnsweredLate(2, NO_ANSWER),
    Retried(),
    Hurried(),
    StoppedTrying(),
    SettledCancelled("the console says cancelled"),
    SettledNotCancelled("the console says paid"),
    CardPosted("C1", "1.2"),
    CardBlocked("C1", "not_in_channel"),
    DeliveryAbandoned(DeliveryKind.CARD_UPDATE, "message_not_found"),
    Digest("C1", "2026-11-16T02:00:00.000Z", "2026-11-23T02:00:00.000Z", "UTC", Report(Figures())),
    DigestMoved(7, "C2"),
    DigestCalledOff(7),
]
"""One event of each kind."""


def story(*contents: Content, actor: str = "U0BEN", scope: Scope = Scope.ALL) -> list[str]:
    """Return the lines of a story with these events, as Ann reads it, without the heading."""
    return shown(story_page(*contents, actor=actor, scope=scope)).splitlines()[1:]


def story_page(*contents: Content, actor: str = "U0BEN", scope: Scope = Scope.ALL) -> Message:
    """Return the story with these events, as Ann gets it."""
    events = [event_of(content, seq=number, actor=actor) for number, content in enumerate(contents, 1)]
    found: Page[Event] = Page(events, None, total=len(events))
    return audit_page.page(Found(found, scope, order_id="ord_1"), "ord_1")


def test_a_story_tells_every_kind_of_event_in_words(snapshot: SnapshotAssertion) -> None:
    """Support agents read what happened, without the names of the record's fields."""
    assert [content.kind for content in EVENTS] == list(KINDS)
    # Slack takes only so much text in one message.
    assert [*story(*EVENTS[:21]), *story(*EVENTS[21:])] == snapshot


def test_what_nobody_did_was_done_by_the_bot() -> None:
    """Events without a person name the bot."""
    assert story(Expired(), actor=BOT) == ["2026-11-23 09:00:00 · expired · the bot · #1"]


def test_what_the_bot_counts_after_a_start_is_nobodys_approval() -> None:
    """A lowered quorum may be reached without a click: the line claims no approval by the bot."""
    assert story(Approved(approvals=1, of=1), actor=BOT) == [
        "2026-11-23 09:00:00 · enough approvals · the bot · 1 of 1 approval · #1"
    ]


def test_votes_that_no_longer_count_are_named() -> None:
    """An auditor reads whose approvals they were; why is in the settings of the last start."""
    (line,) = story(VotesVoided(("U0BEN", "U0CLEO")), actor=BOT)
    assert line == "2026-11-23 09:00:00 · approvals no longer count · the bot · @ben, @cleo · #1"


@pytest.mark.parametrize("scope", Scope)
def test_the_text_of_an_answer_says_all_that_its_blocks_say(scope: Scope) -> None:
    """Screen readers have only the text: the heading, the limits of what is shown, and every line are in it."""
    page = story_page(*EVENTS[:16], scope=scope)
    told = read(Posted("C1", "1.1", page.text, [], "U0BOT"), NAMES).splitlines()
    times = r"\d\d:\d\d(:\d\d| UTC)"
    assert [re.sub(times, "", line) for line in told] == [re.sub(times, "", line) for line in shown(page).splitlines()]


@pytest.mark.parametrize("state", State)
def test_a_row_names_who_approved_and_who_rejected(state: State) -> None:
    """Each row says by whom it was approved or rejected, or that there is no decision; states are in words."""
    no = Decision("U0CLEO", Choice.REJECT, "", AT)
    for decisions, says in [
        ((), "no decision"),
        ((APPROVAL,), "approved by @ben"),
        ((no,), "rejected by @cleo"),
        ((APPROVAL, no), "approved by @ben · rejected by @cleo"),
        ((APPROVAL, Decision("U0CLEO", Choice.SETTLE, "", AT)), "approved by @ben · settled by @cleo"),
    ]:
        found = Found(Page([changed(CANCELLATION, state=state, decisions=decisions)], None), Scope.ALL, order_id=None)
        (line,) = shown(audit_page.page(found, "")).splitlines()[1:]
        assert f" · {str(state).replace('_', ' ')} · requested by @ann · {says} · “typed twice” · card" in line


def test_a_row_names_who_did_what_beside_deciding() -> None:
    """Who looks a person up reads in each row why it is there."""
    steps = [("retried", "U0CLEO"), ("retried", "U0CLEO"), ("hurried", "U0DORA"), ("stopped_trying", "U0CLEO")]
    approvals = [("voted", "U0BEN"), ("voted", "U0EVE"), ("approved", BOT)]
    history = tuple(Step(kind, person, AT) for kind, person in approvals + steps)
    failed = replace(changed(CANCELLATION, state=State.FAILED, stopped_by="U0DORA"), history=history)
    (line,) = shown(audit_page.page(Found(Page([failed], None), Scope.ALL, order_id=None), "")).splitlines()[1:]
    acts = "retried by @cleo · Try now by @U0DORA · stopped before by @cleo · no longer counts: @U0EVE"
    assert f" · approved by @ben · stopped by @U0DORA · {acts} · “typed twice”" in line
    other = Step("retried", "U0CLEO", AT, "ord_2")
    (line,) = shown(
        audit_page.page(Found(Page([replace(failed, history=(other,))], None), Scope.ALL, order_id=None), "")
    ).splitlines()[1:]
    assert "retried" not in line


def test_a_strangers_click_is_told_as_a_click() -> None:
    """It is on record under the button's name, as nobody knows what such a person may do."""
    (click,) = story(RequestRefused(Verdict.NOT_OF_THIS_WORKSPACE, command="approve"))
    assert " · click refused · @ben · " in click
    (command,) = story(RequestRefused(Verdict.NOT_OF_THIS_WORKSPACE, command="/cancel-order"))
    assert " · request refused · @ben · " in command


def test_a_request_without_a_reason_says_so() -> None:
    """A reason that was not given is not an empty quotation."""
    assert story(Requested(("ord_1",))) == ["2026-11-23 09:00:00 · requested · @ben · no reason given · #1"]


def test_numbers_of_approvals_are_in_grammatical_english() -> None:
    """One approval is enough where one is needed."""
    assert "1 of 1 approval ·" in story(Approved(approvals=1, of=1))[0]
    assert "1 of 2 approvals ·" in story(Voted(approvals=1, of=2))[0]


TITLES = {Reason.ALREADY_CANCELLED: "is already cancelled", Reason.ALREADY_REFUNDED: "is already refunded"}
"""Refusals that leave nothing to do; every other one is just that."""


@pytest.mark.parametrize("reason", Reason)
def test_an_answer_without_the_gateways_words_is_a_line_all_the_same(reason: Reason) -> None:
    """A refusal needs no message to be read, and where nothing is left to do the line says so."""
    (line,) = story(Refused(1, Answer(Outcome.REFUSED, reason=reason)))
    assert line == f"2026-11-23 09:00:00 · {TITLES.get(reason, 'refused')} · @ben · #1"


def test_every_verdict_has_words(snapshot: SnapshotAssertion) -> None:
    """No refusal shows its code, and no two refusals read the same."""
    # Slack takes only so much text in one message.
    verdicts = list(Verdict)[:16], list(Verdict)[16:]
    commands = [line for some in verdicts for line in story(*map(RequestRefused, some))]
    clicks = [line for some in verdicts for line in story(*(ClickRefused(Act.APPROVE, each) for each in some))]
    assert commands + clicks == snapshot
    for lines in (commands, clicks):
        assert len({line.rpartition(" · ")[0] for line in lines}) == len(Verdict)
        assert not any("_" in line for line in lines)


@pytest.mark.parametrize("act", Act)
def test_every_act_has_words(act: Act) -> None:
    """A refused click says what the person wanted to do."""
    (line,) = story(ClickRefused(act, Verdict.WRONG_STATE, State.CANCELLED))
    assert f"click refused · @ben · wanted to {str(act).replace('_', ' ')}: " in line


def test_a_click_that_came_too_late_says_how_the_request_stood(snapshot: SnapshotAssertion) -> None:
    """The state is the one at the time of the click, in words."""
    assert story(*(ClickRefused(Act.APPROVE, Verdict.WRONG_STATE, state) for state in State)) == snapshot


@pytest.mark.parametrize("state", State)
def test_a_click_about_several_orders_says_of_none_what_may_be_true_of_another(state: State) -> None:
    """The state on record is that of the order that was furthest from its end."""
    settled = {State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED}
    of_one = {State.CANCELLED, State.REFUSED, State.FAILED, State.UNKNOWN, *settled}
    event = event_of(ClickRefused(Act.APPROVE, Verdict.WRONG_STATE, state))._replace(order_id="")
    for size in (1, 2):
        found = Found(Page([event], None, total=1), Scope.ALL, order_id="ord_1", sizes={event.request: size})
        text = shown(audit_page.page(found, "ord_1"))
        assert ("at least one of them: " in text) == (size > 1 and state in of_one)


def test_what_stood_in_the_way_of_one_order_is_not_said_of_all() -> None:
    """Another order of the request may have been cancelled, or have gone on."""
    for why in OF_ONE_ORDER:
        event = event_of(ClickRefused(Act.RETRY, why, State.FAILED))._replace(order_id="")
        found = Found(Page([event], None, total=1), Scope.ALL, order_id="ord_1", sizes={event.request: 2})
        assert "all 2 orders · @ben · wanted to retry: at least one of them: " in shown(audit_page.page(found, "ord_1"))


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


@pytest.mark.parametrize("order_id", ["foo", "<!here>", None])
@pytest.mark.parametrize("scope", Scope)
def test_an_empty_answer_claims_no_more_than_it_knows(
    scope: Scope, order_id: str | None, snapshot: SnapshotAssertion
) -> None:
    """People read what was looked for, whether they see only their own requests, and how to find other things."""
    nothing: Page[Event] = Page([], None)
    page = audit_page.page(Found(nothing, scope, order_id), "<@U0ANN> 7d")
    assert (shown(page), page.text) == snapshot
    assert "<!" not in page.text


@given(orders=st.lists(ANY_TEXT, min_size=1, max_size=10), query=st.text(max_size=500), before=st.integers(0, 100_000))
def test_any_page_of_a_look_up_fits(orders: list[str], query: str, before: int) -> None:
    """Ten requests with any texts are one message that Slack takes, and its buttons remember the filters."""
    requests = [changed(CANCELLATION, order_id=order, reason=order) for order in orders]
    end, total = "2026-11-23T09:00:00.000Z|123456", before + len(orders) + 1
    page = Page(requests, end, newer=end, newest=end, before=before, total=total)
    found = Found(page, Scope.OWN, None, at=AT, zone="America/Argentina/ComodRivadavia")
    message = audit_page.page(found, query)
    shown(message)
    *newer, older = [PageButton.decode(button["value"]) for button in message.blocks[-1]["elements"]]
    remembered = PageButton(" ".join(query.split()), AT, "America/Argentina/ComodRivadavia", end)
    assert older == replace(remembered, older_than=end)
    assert newer == ([replace(remembered, newer_than=end)] if before else [])


def test_filters_with_much_white_space_fit_into_a_button() -> None:
    """Some white space is long in JSON; none of it changes what is looked for."""
    page = Page([CANCELLATION], "1|1", newer="1|1", newest="1|1", total=2)
    message = audit_page.page(Found(page, Scope.ALL, None, at=AT), "pending" + "\x1c" * 480 + "7d")
    shown(message)
    (older,) = message.blocks[-1]["elements"]
    assert PageButton.decode(older["value"]) == PageButton("pending 7d", AT, "UTC", "1|1", older_than="1|1")


@pytest.mark.parametrize(
    "before, count, total, place",
    [
        (0, 1, 1, " · 1 of 1 order"),
        (0, 3, 3, " · 1–3 of 3 orders"),
        (10, 10, 57, " · 11–20 of 57 orders"),
        (50, 7, 57, " · 51–57 of 57 orders"),
        (56, 1, 57, " · 57 of 57 orders"),
        (99_990, 10, 100_000, " · 99,991–100,000 of 100,000 orders"),
    ],
)
def test_a_page_says_which_rows_it_has(before: int, count: int, total: int, place: str) -> None:
    """The heading, and the text for screen readers, say which rows of how many these are."""
    page = Page([CANCELLATION] * count, None, before=before, total=total)
    message = audit_page.page(Found(page, Scope.ALL, None), "pending")
    assert shown(message).splitlines()[0] == f"Cancellations on record for pending{place}"
    assert message.text.splitlines()[0] == f"Cancellations on record for pending{place}"


@given(texts=st.lists(ANY_TEXT, max_size=10))
def test_any_story_fits(texts: list[str]) -> None:
    """Ten events with any texts are one message that Slack takes."""
    story(*(RequestRefused(Verdict.ANOTHER_IS_OPEN, reason=text) for text in texts))
    story(*(Rejected(text) for text in texts))


NO_BUTTONS = [
    "",
    "{}",
    "[",
    "[1]",
    '{"q":"","o":"x"}',
    '{"q":1,"o":null}',
    '{"q":"","o":"9|99999999999999999999"}',
    '{"q":"","w":"٣"}',
    '{"q":"","n":5}',
    '{"q":"","z":5}',
    '{"q":"","t":"now"}',
    '{"q":"","t":-1}',
    '{"q":"","t":999999999999999999}',
    '{"q":"","t":1.5}',
]
"""Values of paging buttons that only somebody else can have made."""


@pytest.mark.parametrize("value", NO_BUTTONS)
def test_a_value_that_no_button_has_is_none(value: str) -> None:
    """A tampered button reads as nothing."""
    assert PageButton.decode(value) is None


def test_the_buttons_of_an_older_version_still_turn_pages() -> None:
    """They are in answers that people have open while the bot is updated."""
    older = PageButton.decode('{"q":"7d","o":"2026-11-23T09:00:00.000Z|5"}')
    assert older == PageButton("7d", older_than="2026-11-23T09:00:00.000Z|5")
    assert PageButton.decode('{"q":"7d","o":null}') == PageButton("7d")
