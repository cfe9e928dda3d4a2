"""Somebody hears of a request: mentions, reminders, the escalation, trouble. Each comes once, before the decision."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.cancellation import State
from bot.domain.policy import Ground
from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import ApiError, Hang, broken
from bot.sandbox.workspace import Posted
from bot.store import verify_all
from bot.workflow import Patience
from tests.clock import Clock
from tests.flows.desk import ANN, BEN, CLEO, LEADS, OLGA, PAYMENTS, VERA, Desk, quick_tuning


class Due:
    """A desk on a clock that the test moves, with a bot in one of the two modes."""

    def __init__(self, desk: Desk, clock: Clock, mode: str) -> None:
        self.desk, self.clock, self.mode = desk, clock, mode

    async def start(self, **changes: str) -> None:
        """Start a bot with these changes of its settings; an order takes a hundred tries."""
        tuning = quick_tuning(now=self.clock, patience=Patience(max_attempts=100))
        await self.desk.start_bot(tuning, **(self.desk.by_http if self.mode == "http" else {}) | changes)

    async def later(self, minutes: float) -> None:
        """Let so much time pass, and let the bot do what is due then."""
        self.clock.advance(minutes=minutes)
        await self.desk.running_bot.worker.until_idle()

    def thread(self, card: Posted) -> list[str]:
        """Return the messages in the card's thread."""
        return [self.desk.ann.reads(each) for each in self.desk.slack.space.messages(card.channel, card.ts)]

    async def kinds(self) -> list[str]:
        """Return the kinds of the events that matter here."""
        some = {"voted", "approved", "reminded", "escalated", "rejected", "expired", "gateway_trouble", "cancelled"}
        return [event.kind for event in await self.desk.events() if event.kind in some]


@pytest.fixture(params=["socket", "http"])
async def due(database: Path, clock: Clock, request: pytest.FixtureRequest) -> AsyncIterator[Due]:
    """Yield a desk on a clock that the test moves; at the end the record proves every table."""
    async with Desk(database, now=clock) as desk:
        yield Due(desk, clock, request.param)
        await desk.stop_bot()
        assert verify_all(database).damage is None


def mentioned(message: Posted) -> list[str]:
    """Return whom a message mentions, in its blocks; fail unless its text mentions the same."""
    found = [
        str(each.get("user_id") or each.get("usergroup_id"))
        for block in message.blocks
        if block["type"] == "rich_text"
        for section in block["elements"]
        for each in section["elements"]
        if each["type"] in {"user", "usergroup"}
    ]
    for each in found:
        assert f"<@{each}>" in message.text or f"<!subteam^{each}>" in message.text
    return found


async def test_a_new_card_mentions_the_approvers(due: Due) -> None:
    """Their groups and names are in its blocks and in its text, and so is the requester, who asks."""
    await due.start()
    card = await due.desk.ask("ord_1")
    assert mentioned(card) == [ANN, LEADS, BEN, ANN]  # who asks, the approvers, and the first line of the history
    assert f"1 approval is needed from <!subteam^{LEADS}>, <@{BEN}>." in card.text


async def test_the_requester_is_not_mentioned_as_an_approver(due: Due) -> None:
    """Ben cannot approve his own request, so it is for the others."""
    await due.start()
    card = await due.desk.ask("ord_1", person=due.desk.ben)
    assert mentioned(card) == [BEN, LEADS, BEN]
    assert f"needed from <!subteam^{LEADS}>." in card.text


async def test_no_approver_is_mentioned_where_the_settings_say_so(due: Due) -> None:
    """The card and the reminder are there, and name nobody but the requester."""
    await due.start(MENTION_APPROVERS="false")
    card = await due.desk.ask("ord_1")
    await due.later(5)
    (reminder,) = due.desk.slack.space.messages(PAYMENTS, card.ts)
    assert (set(mentioned(card)), mentioned(reminder)) == ({ANN}, [])


async def test_the_others_hear_that_an_approval_is_missing(due: Due) -> None:
    """One line mentions those who can give it, and the second approval makes no line."""
    await due.start(APPROVALS_REQUIRED="2")
    card = await due.desk.ask("ord_1")
    await due.desk.ben.click(card, "approve")
    (line,) = await due.desk.replies(card)
    assert line == "👀 1 more approval needed for order ord_1: @S0LEADS."
    await due.desk.cleo.click(card, "approve")
    await due.desk.card_says(card, "✅ Cancelled")
    thread = await due.desk.replies(card, 2)
    assert [each.split(" · ")[0] for each in thread[1:]] == ["✅ Cancelled"]


async def test_reminders_come_by_default_and_say_how_long_is_left(due: Due) -> None:
    """Two of them, after five and fifteen minutes, with the mention; then the request expires after two hours."""
    await due.start()
    card = await due.desk.ask("ord_1")
    await due.later(4.9)
    assert due.thread(card) == []
    await due.later(0.1)
    await due.later(0)
    (first,) = due.desk.slack.space.messages(PAYMENTS, card.ts)
    assert mentioned(first) == [LEADS, BEN]
    await due.later(10)
    assert [each.partition(": the request")[0] for each in due.thread(card)] == [
        "⏰ 1 approval needed for order ord_1: @S0LEADS, @ben. 1 h 55 min left",
        "⏰ 1 approval needed for order ord_1: @S0LEADS, @ben. 1 h 45 min left",
    ]
    await due.later(90)
    assert len(due.thread(card)) == 2
    await due.later(15)
    assert await due.kinds() == ["reminded", "reminded", "expired"]


async def test_no_reminder_comes_where_they_are_off(due: Due) -> None:
    """The request waits quietly, and expires."""
    await due.start(REMIND_AFTER="off")
    card = await due.desk.ask("ord_1")
    await due.later(119)
    assert due.thread(card) == []


async def test_a_weekend_off_brings_no_reminder_and_a_quarter_of_an_hour_one(due: Due) -> None:
    """The reminders that a bot missed come as one, and not for a request past its time."""
    await due.start()
    card = await due.desk.ask("ord_1")
    await due.desk.running_bot.worker.until_idle()
    await due.desk.stop_bot()
    due.clock.advance(minutes=16)
    await due.start()
    await due.later(0.1)
    assert len(due.thread(card)) == 1
    await due.desk.stop_bot()
    due.clock.advance(hours=60)
    await due.start()
    await due.later(0.1)
    assert await due.kinds() == ["reminded", "expired"]


async def test_an_escalation_lets_other_people_decide_this_request(due: Due) -> None:
    """Vera is refused before it, is mentioned by it, and her approval cancels, on a ground of its own on record."""
    await due.start(ESCALATE_AFTER="20m", ESCALATE_TO=f"{VERA},S0DUTY", REMIND_AFTER="off")
    desk = due.desk
    desk.slack.space.groups["S0DUTY"] = [OLGA]
    card = await desk.ask("ord_1")
    await desk.vera.click(card, "approve")
    assert "Only approvers can do that" in await desk.told(desk.vera)
    await due.later(20)
    (line,) = desk.slack.space.messages(PAYMENTS, card.ts)
    assert mentioned(line) == ["S0DUTY", VERA]
    assert "you can approve or reject this request now. 1 h 40 min left" in desk.ann.reads(line)
    assert f"<@{VERA}>" in (await desk.card("ord_1")).text
    other = await desk.ask("ord_2")
    await desk.vera.click(other, "approve")
    assert "Only approvers can do that" in await desk.told(desk.vera, 2)
    await desk.vera.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    approved = next(event.content for event in await desk.events() if event.kind == "approved")
    assert approved.ground == Ground(escalated=True)  # type: ignore[attr-defined]


async def test_a_group_of_an_escalation_decides_with_an_approver(due: Due) -> None:
    """Ben's vote and that of somebody in the group make two; the ground names the group."""
    await due.start(ESCALATE_AFTER="20m", ESCALATE_TO="S0DUTY", REMIND_AFTER="off", APPROVALS_REQUIRED="2")
    desk = due.desk
    desk.slack.space.groups["S0DUTY"] = [OLGA]
    card = await desk.ask("ord_1")
    await due.later(20)
    await desk.olga.click(card, "approve")
    await desk.card_says(card, "1 of 2 approvals: @olga")
    await due.desk.stop_bot()
    await due.start(ESCALATE_AFTER="20m", ESCALATE_TO="S0DUTY", REMIND_AFTER="off", APPROVALS_REQUIRED="2")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    voted = next(event.content for event in await desk.events() if event.kind == "voted")
    assert (voted.ground.group, voted.ground.escalated) == ("S0DUTY", True)  # type: ignore[attr-defined]


async def test_a_requester_in_the_escalation_stops_before_it(due: Due) -> None:
    """Ann may stop her own request as its requester; before the escalation that is no ground, and the record holds."""
    await due.start(ESCALATE_AFTER="20m", ESCALATE_TO=ANN)
    card = await due.desk.ask("ord_1")
    due.desk.gateway.faults.always("ord_1", answers.too_many(600))
    await due.desk.ben.click(card, "approve")
    await due.desk.card_says(card, "[ Try now ]")
    await due.desk.ann.click(card, "stop")
    await due.desk.card_says(card, "Stopped by @ann")
    stopped = next(event.content for event in await due.desk.events() if event.kind == "stopped_trying")
    assert stopped.ground is None  # type: ignore[attr-defined]


async def test_somebody_of_an_escalation_rejects(due: Due) -> None:
    """To decide is to reject as well."""
    await due.start(ESCALATE_AFTER="20m", ESCALATE_TO=VERA)
    card = await due.desk.ask("ord_1")
    await due.later(20)
    await due.desk.vera.click(card, "reject")
    await due.desk.wait(lambda: due.desk.vera.modal)
    await due.desk.vera.submit(reason="a mistake")
    await due.desk.card_says(card, "Rejected")


async def test_a_reminder_that_slack_did_not_take_in_time_is_never_posted(due: Due) -> None:
    """Slack refuses messages until the request is rejected; then the thread has the result alone."""
    await due.start()
    desk = due.desk
    card = await desk.ask("ord_1")
    await desk.running_bot.worker.until_idle()
    desk.slack.faults.always("chat.postMessage", ApiError("internal_error"))
    await due.later(5)
    await desk.ben.click(card, "reject")
    await desk.wait(lambda: desk.ben.modal)
    await desk.ben.submit(reason="no")
    desk.slack.faults.clear()
    await due.later(1)
    assert [each.split("\n")[0] for each in due.thread(card)] == ["⛔ Rejected · order ord_1"]
    assert await due.kinds() == ["reminded", "rejected"]


async def test_an_approval_while_a_reminder_is_on_its_way_leaves_one_message(due: Due) -> None:
    """Slack takes the reminder late and the bot loses no message: the reminder, and then the result."""
    await due.start()
    desk, until = due.desk, asyncio.Event()
    card = await desk.ask("ord_1")
    await desk.running_bot.worker.until_idle()
    desk.slack.faults.add("chat.postMessage", Hang(until))
    known = len(desk.slack.calls)
    due.clock.advance(minutes=5)
    working = asyncio.create_task(desk.running_bot.worker.until_idle())
    await desk.wait(lambda: "chat.postMessage" in [call.method for call in desk.slack.calls[known:]])
    await desk.ben.click(card, "approve")
    await desk.gateway.wait_for(lambda: desk.gateway.effects["ord_1"])
    until.set()
    await working
    await due.later(1)
    assert [each[0] for each in due.thread(card)] == ["⏰", "✅"]


async def test_trouble_with_the_gateway_is_told_once_to_the_thread_and_the_requester(due: Due) -> None:
    """After a minute both hear what is known and what comes next, and at the end how it ended."""
    await due.start()
    desk = due.desk
    desk.gateway.faults.always("ord_1", broken(503))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    for _ in range(40):
        await due.later(1 / 6)
    (notice,) = desk.slack.space.messages(PAYMENTS, card.ts)
    assert mentioned(notice) == [LEADS, BEN]
    (direct,) = desk.results(desk.ann)
    for said in (desk.ann.reads(notice), desk.ann.reads(direct)):
        assert "⏳ The gateway has not settled order ord_1 yet" in said
        assert "I ask again at" in said
        assert "of at most" in said
    desk.gateway.faults.clear()
    await due.later(2)
    assert await desk.state() is State.CANCELLED
    await due.later(1)
    assert [each[0] for each in due.thread(card)] == ["⏳", "✅"]
    assert len(desk.results(desk.ann)) == 2
    assert (await due.kinds()).count("gateway_trouble") == 1
    assert CLEO not in mentioned(notice)


async def test_a_look_up_tells_of_reminders_and_the_escalation(due: Due) -> None:
    """The story of an order says when the bot reminded whom."""
    await due.start(ESCALATE_AFTER="20m", ESCALATE_TO=f"{VERA},S0DUTY")
    await due.desk.ask("ord_1")
    await due.later(5)
    await due.later(15)
    await due.desk.vera.command("/cancel-audit ord_1", PAYMENTS)
    said = await due.desk.told(due.desk.vera)
    for words in ("still waiting · the bot · reminder 1", "escalated to · the bot · @S0DUTY, @vera"):
        assert words in said
