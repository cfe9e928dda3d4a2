"""The card in every state and for every text: within Slack's limits, and never interpreted."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st
from syrupy.assertion import SnapshotAssertion

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.audit import BOT
from bot.domain.cancellation import MAY_BE_CANCELLED, Choice, Decision, Earlier, State
from bot.domain.events import HISTORY, Escalated, SetBack, Voted
from bot.domain.freeze import Freeze
from bot.domain.policy import People, Verdict
from bot.domain.request import Request, Step
from bot.slack.views import buttons, card, receipt, refusals
from bot.slack.views.presentation import Presentation
from bot.slack.views.text import Message, tame
from tests.domain.examples import changed
from tests.slack.views.samples import ANY_TEXT, APPROVAL, AT, CANCELLATION, MOST_TEXT, shown

NO_ANSWER = Answer(Outcome.UNKNOWN, repeat=True, trouble=Trouble.NO_ANSWER_IN_TIME, trouble_about="30")
NOT_REACHED = Answer(Outcome.NOT_SENT, repeat=True, trouble=Trouble.NOT_CONNECTED)
CONFIRMED = Answer(Outcome.CANCELLED, http_status=200)
LAST_ANSWERS: dict[State, Answer | None] = {
    State.PENDING: None,
    State.APPROVED: NO_ANSWER,
    State.SENDING: NO_ANSWER,
    State.CANCELLED: CONFIRMED,
    State.REFUSED: Answer(Outcome.REFUSED, reason=Reason.EXPIRED, message="Order has expired.", http_status=409),
    State.FAILED: NOT_REACHED,
    State.UNKNOWN: NO_ANSWER,
    State.REJECTED: None,
    State.WITHDRAWN: None,
    State.EXPIRED: None,
    State.SETTLED_CANCELLED: NO_ANSWER,
    State.SETTLED_NOT_CANCELLED: NO_ANSWER,
}


LINKED = Presentation(order_url="https://console.payments.example/merchants/4711/orders?view=all&id={order_id}")
ASKED, FIRST_VOTE = Step("requested", "U0ANN", AT), Step("voted", "U0BEN", AT)
LONG_HISTORY = (ASKED, FIRST_VOTE, *(Step("settled_not_cancelled", "U0123456789", AT) for _ in range(30)))
ENDED_BY = {
    State.REJECTED: Choice.REJECT,
    State.SETTLED_CANCELLED: Choice.SETTLE,
    State.SETTLED_NOT_CANCELLED: Choice.SETTLE,
}
"""The states to which a person's decision leads at once."""


def in_state(state: State) -> Request:
    """Return a request in this state, with the last of two attempts where there were any."""
    answer = LAST_ANSWERS[state]
    decisions = CANCELLATION.decisions
    if state in ENDED_BY and state is not State.REJECTED:
        decisions += (Decision("U0CLEO", ENDED_BY[state], "the console says so", AT),)
    return changed(
        CANCELLATION,
        state=state,
        attempts=2 if answer else 0,
        due_at=AT,
        last_answer=answer,
        decisions=decisions,
        history=(ASKED, FIRST_VOTE),
    )


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
        (State.REFUSED, Reason.PARTLY_REFUNDED),
        (State.REFUSED, Reason.EXPIRED),
        (State.REFUSED, Reason.NO_SUCH_ORDER),
        (State.FAILED, Reason.CREDENTIALS),
        (State.FAILED, Reason.CLOCK),
        (State.FAILED, Reason.TURNED_AWAY),
        (State.UNKNOWN, Reason.CREDENTIALS),
        (State.UNKNOWN, Reason.CLOCK),
        (State.UNKNOWN, Reason.TURNED_AWAY),
    ],
)
def test_the_card_says_why_the_gateway_said_no(state: State, reason: Reason, snapshot: SnapshotAssertion) -> None:
    """A cause that people can act on is in the first line, and the gateway's own words are in the last one."""
    answer = Answer(Outcome.REFUSED, reason=reason, message="no, says the gateway")
    assert shown(card.card(changed(CANCELLATION, state=state, attempts=1, last_answer=answer))) == snapshot


@pytest.mark.parametrize("state", State)
def test_a_notification_says_what_the_card_says(state: State, snapshot: SnapshotAssertion) -> None:
    """The text for notifications and screen readers is the card in a few sentences."""
    assert card.card(in_state(state)).text == snapshot


@pytest.mark.parametrize("state", sorted(MAY_BE_CANCELLED))
def test_a_card_warns_of_an_earlier_request(state: State, snapshot: SnapshotAssertion) -> None:
    """Approvers read that the order may be cancelled already, and by whose word, on the card and in its text."""
    message = card.card(changed(in_state(State.PENDING), earlier=Earlier(state, AT)))
    assert shown(message) == snapshot
    assert message.text == snapshot


def test_a_card_with_enough_approvals_says_that_slack_is_what_it_waits_for() -> None:
    """Nobody reads that one more is needed beside "1 of 1 approval"."""
    message = card.card(replace(in_state(State.PENDING), approvals_required=1))
    for text in (shown(message), message.text):
        assert "Slack has not said yet whether everybody who approved still may" in text
        assert "more" not in text


def test_a_card_with_one_failed_attempt_says_so_in_the_singular(snapshot: SnapshotAssertion) -> None:
    """The numbers of attempts and of approvals are in grammatical English."""
    once = changed(in_state(State.APPROVED), approvals_required=1, attempts=1, last_answer=Answer(Outcome.UNKNOWN))
    assert shown(card.card(once)) == snapshot


def test_a_rejected_card_says_who_and_why(snapshot: SnapshotAssertion) -> None:
    """The reason for the rejection is below the reason for the request."""
    decisions = (APPROVAL, Decision("U0BEN", Choice.REJECT, "wrong *one*", AT))
    assert shown(card.card(changed(CANCELLATION, state=State.REJECTED, decisions=decisions))) == snapshot


@pytest.mark.parametrize("state", State)
@given(order=ANY_TEXT, reason=ANY_TEXT, said=ANY_TEXT, why=ANY_TEXT, about=st.sampled_from(Reason))
def test_any_text_that_fits_is_shown_whole_and_stays_text(
    state: State, order: str, reason: str, said: str, why: str, about: Reason
) -> None:
    """Slack takes the card with all that people and the gateway can write, and all of it is in text elements.

    Approvers read every character of the order id and of the reason but the controls, which show nothing.
    """
    assume(card.fits([order], reason))
    decided = (Decision("U0CLEO", ENDED_BY[state], why, AT),) if state in ENDED_BY else ()
    request = changed(
        CANCELLATION, state=state, order_id=order, reason=reason, attempts=2, due_at=AT, history=LONG_HISTORY,
        last_answer=Answer(Outcome.REFUSED, reason=about, message=said[:300]),
        decisions=(APPROVAL, *decided),
    )  # fmt: skip
    message = card.card(request, LINKED)
    shown(message)
    assert {block["type"] for block in message.blocks} <= {"rich_text", "actions"}
    assert "<!" not in re.sub(r"<!date\^\d+\^[^|<>]*\|[^<>]*>", "", message.text)
    assert len(message.text.encode("utf-8", "replace")) <= MOST_TEXT
    texts = [element.get("text") for element in elements_of(message)]
    assert (tame(order) or "-") in texts
    assert not reason or (tame(reason) or "-") in texts


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("character", ["&", "😀", "ក"])
def test_the_text_of_a_card_is_never_too_long_for_an_update(state: State, character: str) -> None:
    """Slack takes 4,000 bytes; a card whose text is longer would show its first state for ever."""
    answer = Answer(Outcome.UNKNOWN, message=character * 300) if LAST_ANSWERS[state] else None
    decided = (Decision("U0CLEO", ENDED_BY[state], character * 3000, AT),) if state in ENDED_BY else ()
    request = changed(
        CANCELLATION,
        state=state,
        order_id=character * 400,
        reason=character * 1000,
        attempts=2,
        due_at=AT,
        last_answer=answer,
        decisions=(APPROVAL, *decided),
    )
    assert card.fits([request.cancellation.order_id], request.reason)
    assert len(card.card(request).text.encode()) <= MOST_TEXT


def elements_of(message: Message) -> list[dict[str, Any]]:
    """Return the rich text elements of a message, in their order."""
    return [
        element
        for block in message.blocks
        if block["type"] == "rich_text"
        for section in block["elements"]
        for element in section["elements"]
    ]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("character", ["a", "ក", "é", "😀", "中"])
def test_a_reason_of_3000_characters_is_on_the_card_to_the_last(state: State, character: str) -> None:
    """Nobody approves text that they could not read, and a form takes 3,000 characters."""
    order, reason = "ord_" + "1" * 60, character * 2999 + "."
    assert card.fits([order], reason)
    request = changed(CANCELLATION, state=state, order_id=order, reason=reason, history=LONG_HISTORY)
    text = shown(card.card(request, LINKED))
    assert f"> {reason}" in text.splitlines()
    assert text.splitlines()[0].endswith(f" to cancel order {order}")


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("groups", [0, 30])
@pytest.mark.parametrize("approvals", [1, 10, 40])
@pytest.mark.parametrize("state", State)
def test_an_accepted_reason_never_makes_a_card_or_receipt_too_long_later(
    state: State, approvals: int, groups: int, frozen: bool
) -> None:
    """However many approve, whoever is asked, whatever the gateway says, Slack takes it with all its buttons."""
    reason = "<" * 1700
    assert card.fits(["ord_1"], reason)
    people = [f"U0123456{number:03}" for number in range(approvals)]
    decided = (Decision("U0CLEO", ENDED_BY[state], "<" * 1700, AT),) if state in ENDED_BY else ()
    votes = tuple(Decision(each, Choice.APPROVE, "", AT) for each in people)
    history = (ASKED, *(Step("voted", each, AT) for each in people), *LONG_HISTORY[2:])
    request = changed(
        CANCELLATION, state=state, reason=reason, attempts=2, due_at=AT, history=history, escalated_at=AT,
        approvals_required=approvals, earlier=Earlier(State.UNKNOWN, AT), decisions=votes + decided,
        last_answer=Answer(Outcome.UNKNOWN, message="<" * 300) if LAST_ANSWERS[state] else None,
    )  # fmt: skip
    request = replace(request, freeze=Freeze("U0CLEO", AT, "<" * 2900) if frozen else None)
    asked = People(groups=frozenset(f"S0123456{number:03}" for number in range(groups)))
    presentation = replace(LINKED, approvers=People(users=frozenset(people)), escalation=asked)
    for message in (card.card(request, presentation), receipt.receipt(request, None, "U0BOT")):
        text = shown(message)
        assert len(message.text.encode()) <= MOST_TEXT
        whole = reason in text
        assert whole or "All of the reason comes as a file with /cancel-audit order:ord_1 csv" in text
    whole_on_card = reason in shown(card.card(request, presentation))
    assert whole_on_card or (state is not State.PENDING and approvals > 1) or groups
    drawn = card.card(request, presentation)
    assert [block for block in drawn.blocks if block["type"] == "actions"] == buttons.actions(request)


def test_a_long_order_id_is_on_the_card_to_the_last() -> None:
    """The pattern for order ids may allow more characters than a line has."""
    order = "ord_" + "0123456789" * 200
    assert card.fits([order], "typed twice")
    assert shown(card.card(changed(CANCELLATION, order_id=order))).splitlines()[0].endswith(f" {order}")


@pytest.mark.parametrize("reason", ["&" * 3000, "&<>" * 1000, "\x00" * 3000])
def test_what_slack_would_not_take_does_not_fit(reason: str) -> None:
    """Slack counts a message with its escapes, so a reason of signs may be too long for a card."""
    assert not card.fits(["ord_1"], reason)


def test_a_rejection_is_cut_on_the_card_where_it_would_not_fit() -> None:
    """The whole of it is in the thread; nobody decides on it any more."""
    decisions = (Decision("U0BEN", Choice.REJECT, "&" * 3000, AT),)
    text = shown(card.card(changed(CANCELLATION, state=State.REJECTED, decisions=decisions)))
    assert text.splitlines()[-1].startswith("> &&&&")
    assert text.endswith("…")


@pytest.mark.parametrize("state", [State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED])
def test_a_finding_is_shown_as_that_persons_statement(state: State) -> None:
    """The card and its text name who found it and how, and never as the gateway's word."""
    message = card.card(in_state(state))
    assert "@cleo" in shown(message)
    assert "the console says so" in shown(message)
    assert "<@U0CLEO>" in message.text
    assert "the console says so" in message.text
    assert "The gateway has not confirmed it." in message.text


def test_a_rejection_is_shown_with_its_person() -> None:
    """The text also names the approver and the reason."""
    decisions = (APPROVAL, Decision("U0CLEO", Choice.REJECT, "wrong *one*", AT))
    text = card.card(changed(CANCELLATION, state=State.REJECTED, decisions=decisions)).text
    assert "<@U0CLEO>" in text
    assert "wrong *one*" in text


def test_a_copy_of_a_card_has_no_buttons(snapshot: SnapshotAssertion) -> None:
    """A second card of the same request leads to the first one, and decides nothing."""
    message = card.copy(CANCELLATION)
    assert (shown(message), message.text) == snapshot
    assert {block["type"] for block in message.blocks} == {"rich_text"}
    assert "ord_1" in shown(card.copy(replace(CANCELLATION, card_link="")))


def test_a_card_names_no_time_for_the_next_attempt_while_everything_is_frozen() -> None:
    """The banner says that the gateway is not asked, so nothing else may say when it is."""
    waits = changed(in_state(State.APPROVED), attempts=2, due_at=AT)
    frozen = replace(waits, freeze=Freeze("U0CLEO", AT, "the prices are wrong"))
    assert "I ask again at" in shown(card.card(waits))
    for text in (shown(card.card(frozen)), card.card(frozen).text, shown(receipt.receipt(frozen, None, "U0BOT"))):
        assert "I ask again" not in text
        assert "Everything is frozen" in text
        assert "stop it" in text


@pytest.mark.parametrize("attempts", [0, 2])
def test_nobody_reads_of_a_call_before_it_has_begun(attempts: int) -> None:
    """An approved request may wait for a free call, or for the time of its next one."""
    waits = changed(in_state(State.APPROVED), attempts=attempts, due_at=AT)
    refused = refusals.click_refused(Verdict.WRONG_STATE, waits)
    for text in (shown(card.card(waits)), card.card(waits).text, shown(receipt.receipt(waits, None, "U0BOT")), refused):
        assert "the gateway has not confirmed it yet" in text
        assert "being asked" not in text


def test_a_card_lists_who_did_what_and_when() -> None:
    """Each thing that a person did has a line with its person and time, in words, and in the order of the record."""
    steps = [
        Step(
            kind.kind,
            {Escalated: BOT, SetBack: BOT, Voted: "U0CLEO"}.get(kind, "U0BEN"),
            AT + timedelta(minutes=number),
        )
        for number, kind in enumerate(HISTORY)
    ]
    # One card shows ten at most.
    approved = replace(in_state(State.FAILED), decisions=(APPROVAL, replace(APPROVAL, approver="U0CLEO")))
    cards = [card.card(replace(approved, history=tuple(some))) for some in (steps[:6], steps[6:])]
    assert [line for each in cards for line in shown(each).splitlines() if ", 2026-11-23 09:" in line] == [
        "Requested by @ben, 2026-11-23 09:00",
        "Escalated, 2026-11-23 09:01",
        "Approved by @cleo, 2026-11-23 09:02",
        "Approved by @ben, 2026-11-23 09:03",
        "I may have gone on with an older copy of my database, 2026-11-23 09:04",
        "Rejected by @ben, 2026-11-23 09:05",
        "Withdrawn by @ben, 2026-11-23 09:06",
        "Retried by @ben, 2026-11-23 09:07",
        "Try now pressed by @ben, 2026-11-23 09:08",
        "Stopped by @ben, 2026-11-23 09:09",
        "Settled by hand as cancelled by @ben, 2026-11-23 09:10",
        "Settled by hand as not cancelled by @ben, 2026-11-23 09:11",
    ]


def test_a_vote_that_counts_no_longer_is_marked() -> None:
    """Two lines of one person are not two approvals, unless both count: only what was voided is marked."""
    first, last = (Step("voted", "U0BEN", AT + timedelta(minutes=minute)) for minute in (1, 3))
    for voided in (True, False):
        history = (ASKED, replace(first, voided=voided), last)
        lines = shown(card.card(replace(in_state(State.PENDING), history=history))).splitlines()
        assert ("Approved by @ben, 2026-11-23 09:01 (no longer counts)" in lines) == voided
        assert "Approved by @ben, 2026-11-23 09:03" in lines


def test_what_the_bot_counted_is_nobodys_approval() -> None:
    """A lowered quorum may be reached without a click; the card names nobody for that."""
    text = shown(card.card(replace(in_state(State.APPROVED), history=(ASKED, Step("approved", BOT, AT)))))
    assert "Enough approvals by the settings of today, 2026-11-23 09:00" in text.splitlines()


def test_a_long_history_keeps_its_ends() -> None:
    """A request that was retried for hours still shows who asked, and what was done last."""
    text = shown(card.card(replace(in_state(State.FAILED), history=LONG_HISTORY)))
    assert "Requested by @ann, 2026-11-23 09:00\n… 22 more: see /cancel-audit order:ord_1\nSettled by hand" in text


@pytest.mark.parametrize(
    "mentions, escalation, comes, lacks",
    [
        ({"U0ANN", "U0BEN"}, set(), False, False),
        ({"U0ANN"}, set(), False, True),
        ({"U0ANN"}, {"U0CLEO"}, True, False),  # an escalation asks her later
        ({"U0ANN"}, {"U0CLEO"}, False, True),
        ({"U0ANN", "S0LEADS"}, set(), False, False),
    ],
)
def test_a_card_says_where_too_few_people_are_left(
    mentions: set[str], escalation: set[str], comes: bool, lacks: bool
) -> None:
    """Ann is the requester, a group may have anybody in it, and who is asked later counts."""
    users = frozenset(each for each in mentions if each.startswith("U"))
    people = People(users, frozenset(mentions) - users)
    settings = Presentation(approvers=people, escalation=People(frozenset(escalation)))
    request = replace(CANCELLATION, decisions=(), approvals_required=1, escalate_at=AT if comes else None)
    for each in (settings, replace(settings, mentions=False)):
        found = card.card(request, each)
        assert ("Too few people are left" in shown(found)) == lacks
        assert ("Too few people are left" in found.text) == lacks


def test_nobody_of_another_company_is_asked_or_counted() -> None:
    """Their clicks are refused, those of approvers and of whom an escalation asks alike."""
    people, more = People(frozenset({"U0BEN", "U0FRANK"})), People(frozenset({"U0DORA", "U0FRANK"}))
    settings = Presentation(people, escalation=more, is_stranger=lambda user: user == "U0FRANK")
    escalated = replace(CANCELLATION, decisions=(), approvals_required=3, escalated_at=AT)
    text = shown(card.card(escalated, settings))
    assert "To decide: @ben, @U0DORA" in text
    assert "Too few people are left" in text
    assert "U0FRANK" not in f"{text} {settings.asked_as_well(escalated)}"


@pytest.mark.parametrize("orders", [["ord_1", "ord_2"], ["x" * 200]])
def test_a_long_history_names_no_look_up_that_does_not_show_the_rest(orders: list[str]) -> None:
    """A look-up has what is about its own order, and it does not find the beginning of a longer ID."""
    found = in_state(State.FAILED)
    several = tuple(replace(found.cancellation, number=number, order_id=order) for number, order in enumerate(orders))
    history = tuple(replace(step, at=AT + timedelta(minutes=number)) for number, step in enumerate(LONG_HISTORY))
    text = shown(card.card(replace(found, cancellations=several, history=history)))
    assert "more: type /cancel-audit with the order's ID to see them" in text
    assert "audit order:" not in text


def test_a_stopped_card_says_so(snapshot: SnapshotAssertion) -> None:
    """It does not read like a failure of the gateway's, and names who stopped it."""
    history = (ASKED, FIRST_VOTE, Step("stopped_trying", "U0CLEO", AT))
    message = card.card(changed(in_state(State.FAILED), stopped_by="U0CLEO", history=history))
    assert (shown(message), message.text) == snapshot


@pytest.mark.parametrize(
    "order, address",
    [
        ("ord_1", "https://console.example/orders/ord_1"),
        ("a/../b?c#d%20 é", "https://console.example/orders/a%2F..%2Fb%3Fc%23d%2520%20%C3%A9"),
        ("evil.example", "https://console.example/orders/evil.example"),
        ("..", None),
        ("1" * 500, None),
    ],
)
def test_the_order_is_a_link_to_its_page(order: str, address: str | None) -> None:
    """The order ID is percent-encoded as a whole, and stays text where it has no page of its own."""
    linked = Presentation(order_url="https://console.example/orders/{order_id}")
    first = card.card(changed(CANCELLATION, order_id=order), linked).blocks[0]["elements"][0]["elements"]
    assert first[-1].get("url") == address
    assert first[-1]["text"] == order


def test_the_menu_has_room_for_every_act() -> None:
    """Slack once took 75 characters in the value of an entry, and takes 75 in its label."""
    longest = changed(CANCELLATION, id="0123456789abcdef", state=State.UNKNOWN)
    (block,) = buttons.actions(longest)
    entries = [option for element in block["elements"] for option in element.get("options", [])]
    assert len(entries) == 2
    assert max(len(entry["value"]) for entry in entries) <= 75
