"""The messages about what passes: whom they mention, and what they say."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.attempt import Answer, Outcome, Trouble
from bot.domain.cancellation import State
from bot.domain.events import Content, Escalated, GatewayTrouble, Reminded, Requested, Voted
from bot.domain.policy import People
from bot.sandbox.blockkit import problems_with_blocks
from bot.slack.views import card, notices
from bot.slack.views.presentation import Presentation, mentions
from bot.slack.views.text import Message
from tests.domain.examples import changed
from tests.slack.views.samples import AT, CANCELLATION, MOST_TEXT, event_of, shown

APPROVERS = People(users=frozenset({"U0ANN", "U0BEN", "U0CLEO"}), groups=frozenset({"S0LEADS"}))
SETTINGS = Presentation(approvers=APPROVERS, escalation=People(users=frozenset({"U0DORA"})))
PENDING = changed(CANCELLATION, decisions=(), approvals_required=1)
NOT_REACHED = Answer(Outcome.NOT_SENT, trouble=Trouble.NOT_CONNECTED)
TROUBLE = GatewayTrouble(7, unclear=True, most=20)
TRIED = changed(
    CANCELLATION,
    state=State.APPROVED,
    attempts=7,
    due_at=AT + timedelta(seconds=64),
    last_answer=Answer(Outcome.UNKNOWN, trouble=Trouble.NO_ANSWER_IN_TIME),
)


def said(content: Content, request: object = None, settings: Presentation = SETTINGS) -> Message:
    """Return the notice about this event, as it is posted five minutes after the request."""
    about = request or CANCELLATION
    return notices.notice(about, event_of(content), settings, AT + timedelta(minutes=5))  # type: ignore[arg-type]


def test_the_others_are_asked_for_what_is_missing() -> None:
    """Ben has approved and Ann is the requester, so it is for Cleo and the group."""
    message = said(Voted(1, 2))
    assert shown(message) == "👀 1 more approval needed for order ord_1: @S0LEADS, @cleo."
    assert message.text == (
        "👀 1 more approval needed for order ord_1: <!subteam^S0LEADS>, <@U0CLEO>. "
        "Requested by <@U0ANN>: “typed twice”."
    )


@pytest.mark.parametrize(
    "left, says",
    [
        (timedelta(hours=2), "1 h 55 min left"),
        (timedelta(minutes=17), "12 min left"),
        (timedelta(minutes=65), "1 h left"),
        (timedelta(days=2, minutes=5), "2 d left"),
        (timedelta(minutes=5, seconds=20), "Less than a minute left"),
    ],
)
def test_a_reminder_says_who_is_needed_and_how_long_is_left(left: timedelta, says: str) -> None:
    """The time is that from the posting to the end, however late the reminder comes."""
    text = shown(said(Reminded(1), replace(PENDING, expires_at=AT + left)))
    assert text.startswith(f"⏰ 1 approval needed for order ord_1: @S0LEADS, @ben, @cleo. {says}: the request expires ")


def test_an_escalation_mentions_its_people_and_says_what_they_may_do() -> None:
    """They were not asked before, so they are mentioned also where approvers are not."""
    escalated = replace(PENDING, escalated_at=AT)
    for settings in (SETTINGS, replace(SETTINGS, mentions=False)):
        text = shown(said(Escalated(("U0DORA",)), escalated, settings))
        assert "🔔 1 approval needed for order ord_1. @U0DORA: you can approve or reject this request now." in text
    alone = shown(said(Escalated(("U0DORA",)), replace(escalated, requester="U0DORA")))
    assert alone.startswith("🔔 1 approval needed for order ord_1. 23 h 55 min left")
    assert "@U0DORA" in shown(said(Reminded(2), escalated))
    assert "@U0DORA" not in shown(said(Reminded(2), PENDING))


DOUBT, UNCHANGED = "don't say whether the order was cancelled", "has not changed the order so far: no call was sent"
UNDER_WAY = "A call for it is under way, so the order may be cancelled already."


@pytest.mark.parametrize(
    "state, attempts, unclear, words",
    [
        (State.APPROVED, 7, True, [DOUBT, "The last attempt", "(attempt 8 of at most 20), unless somebody freezes"]),
        (State.APPROVED, 7, False, [UNCHANGED, "The last attempt", "20), unless somebody stops it or freezes"]),
        (State.SENDING, 8, True, [DOUBT, "The attempt before", "I am asking again now (attempt 8 of at most 20). You"]),
        (State.SENDING, 8, False, [UNDER_WAY, "The attempt before", "asking again now (attempt 8 of at most 20). You"]),
    ],
)
def test_trouble_with_the_gateway_says_what_is_known_and_what_comes(
    state: State, attempts: int, unclear: bool, words: list[str]
) -> None:
    """The thread and the requester read the same, with the approvers or the way to the card.

    Nobody can stop what may be done already, nor a call that is under way, so nobody is told that somebody could.
    """
    answer = TRIED.cancellation.last_answer if unclear else NOT_REACHED
    about, content = (
        changed(TRIED, state=state, attempts=attempts, last_answer=answer),
        replace(TROUBLE, unclear=unclear),
    )
    reply, direct = said(content, about), notices.direct_notice(about, event_of(content))
    detail = ": the gateway " + ("did not answer in time." if unclear else "could not be reached.")
    for message in (reply, direct):
        for each in (*words, detail):
            assert each in shown(message)
            assert each in message.text
        assert (UNCHANGED in message.text) == (UNCHANGED in words)
    assert "order ord_1 yet: @S0LEADS, @ben, @cleo." in shown(reply)
    assert "Open the card" in shown(direct)
    assert "@" not in shown(direct)


@pytest.mark.parametrize(
    "since",
    [
        {"last_answer": Answer(Outcome.UNKNOWN, trouble=Trouble.CONNECTION_LOST)},
        {"last_answer": NOT_REACHED, "unclear": True},
    ],
)
def test_trouble_that_is_told_late_says_what_is_known_by_then(since: dict[str, Any]) -> None:
    """An answer may have been lost between the event and its message."""
    text = shown(said(replace(TROUBLE, unclear=False), changed(TRIED, **since)))
    assert "don't say whether the order was cancelled" in text
    assert "unless somebody freezes everything." in text


@pytest.mark.parametrize("content", [Voted(1, 2), Reminded(1), TROUBLE])
def test_no_approver_is_mentioned_where_the_settings_say_so(content: Content) -> None:
    """MENTION_APPROVERS=false leaves the message as it is, without names."""
    message = said(content, TRIED if content is TROUBLE else None, replace(SETTINGS, mentions=False))
    assert not any(each["type"] in {"user", "usergroup"} for each in elements(message))
    assert "subteam" not in message.text


def test_the_card_mentions_those_who_can_approve() -> None:
    """It has them in its blocks and in its text, and never the requester or somebody who has approved."""
    message = card.card(CANCELLATION, SETTINGS)
    assert "To decide: @S0LEADS, @cleo" in shown(message)
    assert "1 more approval is needed from <!subteam^S0LEADS>, <@U0CLEO>." in message.text
    alone = replace(SETTINGS, allow_self_approval=True)
    assert "To decide: @S0LEADS, @ann, @cleo" in shown(card.card(CANCELLATION, alone))
    assert "To decide" not in shown(card.card(CANCELLATION, replace(SETTINGS, mentions=False)))
    assert "To decide" not in shown(card.card(changed(CANCELLATION, state=State.EXPIRED), SETTINGS))
    only_ann = replace(SETTINGS, approvers=People(users=frozenset({"U0ANN"})))
    assert "To decide" not in shown(card.card(CANCELLATION, only_ann))


def test_at_most_ten_people_are_mentioned_by_name() -> None:
    """Groups are all there; of the other people there is only the number."""
    many = People(users=frozenset(f"U{number:02}" for number in range(13)), groups=frozenset({"S1", "S2"}))
    row = mentions(many, but={"U00"})
    assert [each["usergroup_id"] for each in row if each["type"] == "usergroup"] == ["S1", "S2"]
    assert [each["user_id"] for each in row if each["type"] == "user"] == [f"U{number:02}" for number in range(1, 11)]
    assert row[-1]["text"] == "and 2 more"


@pytest.mark.parametrize("typed", ["<!channel> <@U0CLEO> <!subteam^S1>", "&" * 3000, "x" * 3000])
def test_what_people_typed_never_comes_alive(typed: str) -> None:
    """A mention in a reason or in an order ID is text, and the message fits."""
    about = changed(TRIED, reason=typed, order_id=typed[:255])
    for message in (
        said(Voted(1, 2), changed(about, state=State.PENDING)),
        said(TROUBLE, about),
        notices.direct_notice(about, event_of(TROUBLE)),
    ):
        assert problems_with_blocks(message.blocks) == []
        assert "<!channel>" not in message.text
        assert "<!subteam^S1" not in message.text
        assert len(message.text.encode()) <= MOST_TEXT


def test_no_other_event_has_a_notice() -> None:
    """Only events whose messages pass come here."""
    with pytest.raises(AssertionError):
        said(Requested(("ord_1",)))


def elements(message: Message) -> list[dict[str, str]]:
    """Return the elements of the message's lines."""
    return [each for block in message.blocks for section in block["elements"] for each in section["elements"]]
