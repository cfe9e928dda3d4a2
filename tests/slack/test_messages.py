"""What people read, in every state and for every text: within Slack's limits, and never interpreted."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st
from syrupy.assertion import SnapshotAssertion

from bot.domain.audit import GENESIS, Event, Kind, timestamp
from bot.domain.cancellation import Cancellation, Choice, Decision, State
from bot.domain.policy import Scope, Verdict
from bot.sandbox.blockkit import problems_with_blocks, problems_with_view
from bot.sandbox.reading import read
from bot.sandbox.workspace import Message as Posted
from bot.slack import audit_answer, card, refusals, reports
from bot.slack.audit_answer import PageButton
from bot.slack.forms import OrderForm, RejectForm
from bot.slack.payloads import FormView
from bot.slack.text import Message
from bot.store import Page

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
NAMES = {"U0ANN": "ann", "U0BEN": "ben"}
CANCELLATION = Cancellation(
    number=1, id="c0ffee", order_id="ord_1", reason="typed twice", requester="U0ANN", state=State.PENDING,
    approvals_required=2, requested_at=AT, expires_at=AT + timedelta(days=1), card_channel="C1", card_ts="1.1",
    card_link="https://x.slack.com/archives/C1/p11", attempts=0, next_at=None, changed_at=AT + timedelta(minutes=5),
    detail="", decisions=(Decision("U0BEN", Choice.APPROVE, "", AT),),
)  # fmt: skip
ANY_TEXT = st.one_of(
    st.text(max_size=200),
    st.sampled_from(["&<>" * 1000, "<!channel>", "\n" * 3000, "\u202e", "`*_~", "😀" * 1500, " ", "\x00\x01"]),
)


def shown(message: Message) -> str:
    """What a person reads, if Slack takes it."""
    assert problems_with_blocks(message.blocks) == []
    assert message.text
    return read(Posted("C1", "1.1", message.text, message.blocks, "UBOT"), NAMES)


@pytest.mark.parametrize("state", State)
def test_the_card_in_each_state(state: State, snapshot: SnapshotAssertion) -> None:
    """The card shows the state in words, who asked and decided, and only buttons that can do something."""
    cancellation = replace(CANCELLATION, state=state, attempts=2, next_at=AT, detail="no answer within 30 s")
    assert shown(card.card(cancellation)) == snapshot


def test_a_rejected_card_says_who_and_why(snapshot: SnapshotAssertion) -> None:
    """The rejection stands beside the reason for asking."""
    decisions = (*CANCELLATION.decisions, Decision("U0BEN", Choice.REJECT, "wrong *one*", AT))
    assert shown(card.card(replace(CANCELLATION, state=State.REJECTED, decisions=decisions))) == snapshot


@pytest.mark.parametrize(
    "kind, data",
    [
        pytest.param(Kind.CANCELLED, "{}", id="cancelled"),
        pytest.param(Kind.CANCELLED, '{"confirmed_by_repeat":true}', id="confirmed by a repeat"),
        pytest.param(Kind.REFUSED, '{"use_refund":true,"message":"completed","request_id":"req_1"}', id="refund"),
        pytest.param(Kind.REFUSED, '{"already_cancelled":true}', id="already cancelled"),
        pytest.param(Kind.REFUSED, '{"http_status":404}', id="no such order"),
        pytest.param(Kind.REFUSED, '{"http_status":422}', id="refused"),
        pytest.param(Kind.FAILED, '{"http_status":401}', id="credentials"),
        pytest.param(Kind.FAILED, "{}", id="failed"),
        pytest.param(Kind.UNKNOWN, "{}", id="unknown"),
        pytest.param(Kind.REJECTED, '{"reason":"no"}', id="rejected"),
        pytest.param(Kind.REJECTED, "{}", id="rejected without a reason"),
        pytest.param(Kind.WITHDRAWN, "{}", id="withdrawn"),
        pytest.param(Kind.EXPIRED, "{}", id="expired"),
        pytest.param(Kind.CARD_BLOCKED, '{"problem":"not_in_channel"}', id="not invited"),
        pytest.param(Kind.CARD_BLOCKED, '{"problem":"is_archived"}', id="archived"),
        pytest.param(Kind.CARD_BLOCKED, '{"problem":"restricted_action"}', id="restricted"),
        pytest.param(Kind.DELIVERY_ABANDONED, '{"problem":"msg_too_long"}', id="no card"),
        pytest.param(Kind.STARTED, "{}", id="anything else"),
    ],
)
def test_each_result_says_what_it_means_and_what_to_do(kind: Kind, data: str, snapshot: SnapshotAssertion) -> None:
    """In the thread and to the requester, with the record's head as a witness."""
    event = Event(7, "", kind, "c0ffee", "ord_1", "U0BEN", data, GENESIS, "0a1b2c3d" * 8)
    assert shown(reports.reply(CANCELLATION, event)) == snapshot
    assert "#7·0a1b2c3d · Open the card" in shown(reports.direct_message(CANCELLATION, event))


@pytest.mark.parametrize("state", State)
@given(order=ANY_TEXT, reason=ANY_TEXT, detail=ANY_TEXT)
def test_any_text_fits_and_stays_text(state: State, order: str, reason: str, detail: str) -> None:
    """Whatever people and the gateway write, Slack takes the message, and it stands in text elements only."""
    cancellation = replace(
        CANCELLATION, state=state, order_id=order, reason=reason, detail=detail[:300], attempts=2, next_at=AT,
        decisions=(Decision("U0BEN", Choice.REJECT, reason, AT),),
    )  # fmt: skip
    event = Event(7, "", Kind.REJECTED, "c0ffee", "", "U0BEN", "{}", GENESIS, "0" * 64)
    for message in (card.card(cancellation), reports.reply(cancellation, event)):
        shown(message)
        assert {block["type"] for block in message.blocks} <= {"rich_text", "actions"}
        assert "<!" not in message.text


@given(channel=st.just("C1"), order=ANY_TEXT, reason=ANY_TEXT)
def test_forms_come_back_as_they_were_filled_in(channel: str, order: str, reason: str) -> None:
    """Slack takes the form, and what was typed is read back trimmed."""
    view = OrderForm.build(channel=channel, order_id=order, reason=reason)
    assert problems_with_view(view) == []
    assert problems_with_view(RejectForm.build(replace(CANCELLATION, order_id=order))) == []
    values = {
        name: {name: {"type": "plain_text_input", "value": text}}
        for name, text in (("order_id", order), ("reason", reason))
    }
    sent = FormView(
        id="V1", type="modal", callback_id=OrderForm.CALLBACK, private_metadata=view["private_metadata"],
        state={"values": values},
    )  # fmt: skip
    assert OrderForm.parse(sent) == (channel, order.strip(), reason.strip())


@given(
    orders=st.lists(ANY_TEXT, max_size=10), query=st.text(max_size=500), older=st.one_of(st.none(), st.just("2026|5"))
)
def test_any_page_of_a_look_up_fits(orders: list[str], query: str, older: str | None) -> None:
    """Ten cancellations with any texts are one message that Slack takes, and its buttons remember the filters."""
    found = [replace(CANCELLATION, order_id=order, reason=order) for order in orders]
    message = audit_answer.cancellations(Page(found, older), query, Scope.OWN, first=False)
    shown(message)
    button = message.blocks[-1]["elements"][-1]
    assert PageButton.decode(button["value"]) == PageButton(query, older)


def test_a_story_tells_every_kind_of_event_in_words(snapshot: SnapshotAssertion) -> None:
    """Support staff read what happened, without the names of the record's fields."""
    answer = {"attempt": 1, "outcome": "unknown", "http_status": 502, "message": "no\nanswer", "request_id": "req_1"}
    told: dict[Kind, dict[str, object]] = {
        Kind.REQUESTED: {"reason": "typed\ntwice", "channel": "C1", "quorum": 2},
        Kind.REQUEST_REFUSED: {"why": "already_open", "reason": "me too"},
        Kind.VOTE: {"approvals": 1, "of": 2},
        Kind.APPROVED: {"approvals": 2, "of": 2},
        Kind.REJECTED: {"reason": "no fraud"},
        Kind.CLICK_REFUSED: {"act": "may_reject", "why": "not_an_approver", "state": "pending"},
        Kind.SENDING: {"attempt": 1},
        **dict.fromkeys((Kind.REPEATING, Kind.CANCELLED, Kind.REFUSED, Kind.FAILED, Kind.UNKNOWN), answer),
        Kind.CARD_POSTED: {"channel": "C1", "ts": "1.2"},
        Kind.CARD_BLOCKED: {"channel": "C1", "problem": "not_in_channel"},
        Kind.DELIVERY_ABANDONED: {"delivery": "card_update", "problem": "message_not_found"},
    }
    at = timestamp(CANCELLATION.requested_at)
    events = [
        Event(number, at, kind, "c1", "ord_1", "U0BEN", json.dumps(told.get(kind, {})), GENESIS).sealed()
        for number, kind in enumerate(Kind, 1)
    ]
    page = audit_answer.story(Page(events, None), "ord_1", Scope.ALL, first=True)
    assert shown(page).splitlines() == snapshot


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.ALLOWED])
def test_each_refusal_is_a_sentence(verdict: Verdict, snapshot: SnapshotAssertion) -> None:
    """Whoever is refused reads why."""
    assert refusals.click_refused(verdict, CANCELLATION) == snapshot


def test_refusals_of_forms_and_unknown_requests(snapshot: SnapshotAssertion) -> None:
    """An open request is named with who and how it stands; other patterns are shown as they are."""
    told = [refusals.already_open(replace(CANCELLATION, state=state), "ann") for state in State]
    told += [refusals.already_open(CANCELLATION, ""), refusals.bad_order_id("[0-9]+", "x")]
    told += [refusals.click_refused(Verdict.WRONG_STATE, None)]
    told += [refusals.command_refused(Verdict.UNCHECKED), refusals.command_refused(Verdict.NOT_A_REQUESTER)]
    assert told == snapshot
