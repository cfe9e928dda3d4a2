"""Messages that the bot owes to Slack: lasting refusals are told, time alone ends nothing, and none is there twice."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.app import Bot
from bot.domain.cancellation import State
from bot.domain.events import CardBlocked, CardPosted
from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import ApiError, Canned, Drop, Without, rate_limited
from bot.sandbox.workspace import Posted
from bot.store import open_reader, verify
from bot.workflow import Patience
from tests.clock import Clock
from tests.flows.desk import ANN, BEN, LOBBY, PAYMENTS, PRIVATE, Desk, quick_tuning

LASTING = [
    "message_limit_exceeded",
    "team_access_not_granted",
    "missing_scope",
    "ekm_access_denied",
    "restricted_action",
    "an_error_of_the_future",
]


def blocked(logs: list[Any]) -> list[tuple[str, str]]:
    """Return the warnings about messages that Slack does not take: the kind and the problem of each."""
    found = [line for line in logs if line["event"] == "delivery_blocked"]
    assert {line["log_level"] for line in found} <= {"warning"}
    return [(line["kind"], line["problem"]) for line in found]


async def notes(desk: Desk, count: int) -> list[str]:
    """Return the notes of /readyz, as soon as there are so many; the bot is ready all the same."""
    async with asyncio.timeout(10):
        while True:
            status, body = await desk.get("/readyz")
            assert status == 200
            found: list[str] = body["notes"]
            if len(found) == count:
                return found


def cards(desk: Desk, order: str = "ord_1", channel: str = PAYMENTS) -> list[Posted]:
    """Return the messages outside threads that are about this order."""
    return [message for message in desk.slack.space.messages(channel) if order in desk.ann.reads(message)]


async def posted(desk: Desk) -> None:
    """Wait until the bot knows where the card is."""
    while not any(isinstance(event.content, CardPosted) for event in await desk.events()):  # noqa: ASYNC110 -- the record
        await asyncio.sleep(0.01)


# --- lasting refusals -------------------------------------------------------------------------


@pytest.mark.parametrize("error", LASTING)
async def test_a_lasting_refusal_is_told_after_three_tries(desk: Desk, error: str) -> None:
    """The receipt, the log and /readyz say it once; when the refusal is lifted, card and receipt show the request."""
    desk.slack.refusals.start(error, channel=PAYMENTS)
    with structlog.testing.capture_logs() as logs:
        assert await desk.fill_in("ord_1") is None
        receipt = await desk.receipt("Your request has no card yet")
        told = desk.ann.reads(receipt)
        assert "Your request has no card yet · order ord_1" in told
        assert receipt.button("withdraw")
        assert "#payments" in told
        assert "Until then approvers can decide on their Home tabs only." in told
        # Some errors come already where the bot asks whether the channel is shared.
        tried = [call for call in desk.slack.calls if call.method in {"chat.postMessage", "conversations.info"}]
        assert sum(call.arguments.get("channel") == PAYMENTS for call in tried) >= 3
        await asyncio.sleep(0.3)  # many more tries
        assert blocked(logs) == [("card", error)]
    (note,) = await notes(desk, 1)
    assert note.startswith("1 message waits for Slack")
    assert error in note
    contents = [event.content for event in await desk.events()]
    assert [(each.channel, each.problem) for each in contents if isinstance(each, CardBlocked)] == [(PAYMENTS, error)]
    desk.slack.refusals.clear()
    card = await desk.card("ord_1")
    await desk.running_bot.worker.until_idle()
    assert await notes(desk, 0) == []
    shown = desk.ann.reads(await desk.receipt("Waiting for approval"))
    assert "Open the card" in shown
    assert "Your request has no card yet" not in shown
    assert (len(desk.receipts(desk.ann)), len(desk.results(desk.ann))) == (1, 0)
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    await desk.receipt("✅ Cancelled")


@pytest.mark.parametrize(
    "first",
    [
        pytest.param([rate_limited(0)] * 3, id="rate limited before"),
        pytest.param([ApiError("fatal_error")] * 2, id="in doubt before"),
        pytest.param([Drop()], id="dropped before"),
    ],
)
async def test_a_lasting_refusal_is_told_whatever_came_before_it(quiet_desk: Desk, first: list[Any]) -> None:
    """A refusal that begins after other trouble is heard of as well."""
    await quiet_desk.start_bot()
    quiet_desk.slack.faults.add("chat.postMessage", *first)
    quiet_desk.slack.refusals.start("message_limit_exceeded", channel=PAYMENTS)
    with structlog.testing.capture_logs() as logs:
        await quiet_desk.fill_in("ord_1")
        await quiet_desk.receipt("I can't tell whether your request has a card")
        assert len(blocked(logs)) == 1
    quiet_desk.slack.refusals.clear()
    await quiet_desk.card("ord_1")
    await quiet_desk.running_bot.worker.until_idle()
    assert len(cards(quiet_desk)) == 1


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "team_access_not_granted"])
async def test_a_token_that_is_refused_loses_nothing(quiet_desk: Desk, error: str) -> None:
    """Nobody can be told in Slack, so the log and /readyz say it; the card and the result come when it works again."""
    await quiet_desk.start_bot()
    await quiet_desk.ann.command("/cancel-order ord_1 typed twice", LOBBY)
    await quiet_desk.wait(lambda: quiet_desk.ann.modal)
    quiet_desk.slack.refusals.start(error)
    with structlog.testing.capture_logs() as logs:
        assert await quiet_desk.ann.submit() is None
        while ("card", error) not in blocked(logs):  # noqa: ASYNC110 -- the log is what is tested
            await asyncio.sleep(0.01)
    while error not in str(await quiet_desk.get("/readyz")):  # noqa: ASYNC110 -- the endpoint is what is tested
        await asyncio.sleep(0.01)
    assert not quiet_desk.ann.direct_messages
    quiet_desk.slack.refusals.clear()
    card = await quiet_desk.card("ord_1")
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "✅ Cancelled")
    assert len(await quiet_desk.replies(card)) == 1
    assert "✅ Cancelled" in await quiet_desk.direct(quiet_desk.ann)
    await quiet_desk.receipt("✅ Cancelled")
    assert len(quiet_desk.ann.direct_messages) == 2


async def test_a_result_that_slack_refuses_is_told_and_comes_later(desk: Desk) -> None:
    """The requester has it by direct message; the log and /readyz say that the channel has not."""
    card = await desk.ask("ord_1")
    desk.slack.refusals.start("message_limit_exceeded", channel=PAYMENTS)
    with structlog.testing.capture_logs() as logs:
        await desk.ben.click(card, "approve")
        assert "✅ Cancelled" in await desk.direct(desk.ann)
        while not blocked(logs):  # noqa: ASYNC110 -- the log is what is tested
            await asyncio.sleep(0.01)
    assert "message_limit_exceeded" in str(await notes(desk, 1))
    desk.slack.refusals.clear()
    await desk.card_says(card, "✅ Cancelled")
    assert "✅ Cancelled" in (await desk.replies(card))[0]


async def failed_untold(desk: Desk) -> Posted:
    """Return the card of a request that failed while Slack takes no new message; the gateway is well again."""
    await desk.start_bot()
    desk.gateway.faults.always("ord_1", answers.maintenance(0))
    card = await desk.ask("ord_1")
    await desk.receipt("Waiting for approval")
    desk.slack.faults.always("chat.postMessage", rate_limited(1))
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "[ Retry ]")
    desk.gateway.faults.clear()
    return card


async def test_a_result_that_is_no_longer_so_is_not_posted(quiet_desk: Desk) -> None:
    """Slack takes no message until the order was sent again and cancelled: nobody reads that it was not."""
    desk, card = quiet_desk, await failed_untold(quiet_desk)
    await desk.cleo.click(card, "retry")
    await desk.card_says(card, "✅ Cancelled")
    desk.slack.faults.clear()
    assert (await desk.direct(desk.ann)).startswith("✅ Cancelled")
    assert [text.splitlines()[0] for text in await desk.endings(card)] == ["✅ Cancelled · order ord_1"]
    assert len(desk.results(desk.ann)) == 1
    with open_reader(desk.database) as tables:
        assert verify(tables).damage is None


async def test_late_news_knows_of_a_newer_request(quiet_desk: Desk) -> None:
    """Nobody is sent to press Retry, or to ask again, for an order that was cancelled in the meantime."""
    desk = quiet_desk
    await failed_untold(desk)
    assert await desk.fill_in("ord_1", person=desk.cleo) is None
    await desk.ben.open_home()
    await desk.wait(lambda: "[ Approve ]" in desk.ben.reads_home())
    await desk.ben.click_home("approve")
    await desk.wait(lambda: "✅ Cancelled" in desk.ben.reads_home())
    desk.slack.faults.clear()
    told = await desk.direct(desk.ann)
    assert "The gateway confirmed another request for this order, so there is nothing to retry." in told
    assert "press Retry" not in told


@pytest.mark.parametrize("error", ["msg_too_long", "invalid_blocks"])
async def test_a_card_that_slack_never_takes_is_told_once(quiet_desk: Desk, error: str) -> None:
    """Whatever happens after that, the requester hears of it once, and nobody is sent to a card that is not there."""
    desk = quiet_desk
    await desk.start_bot()
    desk.gateway.faults.always("ord_1", answers.maintenance(0))
    desk.slack.refusals.start(error, channel=PAYMENTS)
    assert await desk.fill_in("ord_1") is None
    await desk.receipt("⚠️ Your request has no card")
    await desk.ben.open_home()
    await desk.wait(lambda: "[ Approve ]" in desk.ben.reads_home())
    await desk.ben.click_home("approve")
    receipt = desk.ann.reads(await desk.receipt("⚠️ Not cancelled by this request"))
    await desk.running_bot.worker.until_idle()
    told = [desk.ann.reads(message) for message in desk.results(desk.ann)]
    ended = "⚠️ Not cancelled by this request: the gateway says that it did not take it"
    assert [text.splitlines()[0].partition(" ·")[0] for text in told] == [ended]
    for text in (receipt, *told):
        assert "can press Retry on the card" not in text
        assert "Retry works until" not in text


@pytest.mark.parametrize("error", ["msg_too_long", "invalid_blocks"])
async def test_an_update_that_slack_refuses_follows_when_it_takes_it(quiet_desk: Desk, error: str) -> None:
    """A card that still asks, and a receipt that still waits, would stay untrue: nobody draws them after the end."""
    desk = quiet_desk
    await desk.start_bot()
    card, receipt = await desk.ask("ord_1"), await desk.receipt("Waiting for approval")
    desk.slack.faults.always("chat.update", ApiError(error))
    await desk.ben.click(card, "approve")
    await desk.direct(desk.ann)
    await desk.wait(lambda: [each.method for each in desk.slack.calls].count("chat.update") > 3)
    assert desk.slack.space.messages(PAYMENTS) == [card]
    desk.slack.faults.clear()
    await desk.card_says(card, "✅ Cancelled")
    await desk.wait(lambda: "✅ Cancelled" in desk.ann.reads(receipt))


async def test_a_channel_without_the_bot_is_explained_and_the_card_follows_the_invitation(quiet_desk: Desk) -> None:
    """The requester reads whom to invite where; after that the card appears by itself."""
    quiet_desk.slack.space.channels[LOBBY].members.discard(quiet_desk.slack.space.bot_user_id)
    await quiet_desk.start_bot(APPROVAL_CHANNEL="")
    await quiet_desk.fill_in("ord_1", channel=LOBBY)
    told = quiet_desk.ann.reads(await quiet_desk.receipt("Your request has no card yet"))
    assert "I can't post the approval card in #general." in told
    assert "/invite @cancel-desk" in told
    quiet_desk.slack.space.channels[LOBBY].members.add(quiet_desk.slack.space.bot_user_id)
    assert (await quiet_desk.card("ord_1", LOBBY)).button("approve")
    await quiet_desk.receipt("Waiting for approval")
    assert len(quiet_desk.ann.direct_messages) == 1


async def test_an_approval_channel_that_is_private_and_without_the_bot_is_explained(quiet_desk: Desk) -> None:
    """Slack denies that there is such a channel; the requester reads what may be wrong, and the card comes later."""
    quiet_desk.slack.space.add_channel(PRIVATE, "secret", (BEN,), bot=False, private=True)
    await quiet_desk.start_bot(APPROVAL_CHANNEL=PRIVATE)
    await quiet_desk.fill_in("ord_1")
    await quiet_desk.receipt("/invite @cancel-desk")
    quiet_desk.slack.space.channels[PRIVATE].members.add(quiet_desk.slack.space.bot_user_id)
    assert (await quiet_desk.card("ord_1", PRIVATE)).button("approve")


async def test_an_archived_channel_is_explained(quiet_desk: Desk) -> None:
    """The requester reads to have it unarchived."""
    quiet_desk.slack.space.channels[PAYMENTS].archived = True
    await quiet_desk.start_bot()
    await quiet_desk.fill_in("ord_1")
    await quiet_desk.receipt("It is archived. Ask somebody to unarchive it.")
    quiet_desk.slack.space.channels[PAYMENTS].archived = False
    assert (await quiet_desk.card("ord_1")).button("approve")


# --- time alone -------------------------------------------------------------------------------


def patient(clock: Clock, **patience: Any) -> Any:
    """Return a tuning on this clock with the pauses of real life."""
    return quick_tuning(now=clock, patience=Patience(**patience))


async def pass_time(bot: Bot, clock: Clock, **units: float) -> None:
    """Let so much time pass, and let the bot do what is due then."""
    clock.advance(**units)
    await bot.worker.until_idle()


@pytest.mark.parametrize("days", [1, 3, 30])
async def test_a_weekend_off_loses_no_card(database: Path, days: int) -> None:
    """A request whose card could not be posted for days gets it after the start, as long as it has not expired."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(patient(clock), APPROVAL_TTL="60d")
        desk.slack.faults.always("chat.postMessage", ApiError("fatal_error"))
        await desk.fill_in("ord_1")
        await desk.running_bot.worker.until_idle()
        await desk.stop_bot()
        desk.slack.heal()
        clock.advance(days=days, hours=2)
        bot = await desk.start_bot(patient(clock), APPROVAL_TTL="60d")
        for _ in range(3):
            await pass_time(bot, clock, minutes=1)
        (card,) = cards(desk)
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "✅ Cancelled")


async def test_a_card_shows_the_truth_where_slack_takes_no_message_in_its_thread(database: Path) -> None:
    """An admin has locked the thread: the vote and the freeze are on the card, and the news waits by itself."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        bot = await desk.start_bot(patient(clock), APPROVALS_REQUIRED="2", REMIND_AFTER="5m", APPROVAL_TTL="1h")
        card = await desk.ask("ord_1")
        await bot.worker.until_idle()
        desk.slack.refusals.start("restricted_action_thread_locked", channel=PAYMENTS)
        await pass_time(bot, clock, minutes=6)
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "1 of 2 approvals")
        await desk.ben.command("/cancel-order freeze wrong prices", LOBBY)
        await desk.card_says(card, "Everything is frozen by @ben")
        assert desk.slack.space.messages(card.channel, card.ts) == []
        desk.slack.refusals.clear()
        await pass_time(bot, clock, minutes=1)
        assert "1 more approval" in (await desk.replies(card))[0]


async def test_a_weekend_off_loses_no_result(database: Path) -> None:
    """The order was cancelled on Friday, and Slack took nothing: on Monday everybody reads it."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(patient(clock))
        card = await desk.ask("ord_1")
        desk.slack.refusals.start("message_limit_exceeded")
        await desk.ben.click(card, "approve")
        await desk.gateway.wait_for(lambda: desk.gateway.effects["ord_1"])
        await desk.running_bot.worker.until_idle()
        await desk.stop_bot()
        desk.slack.heal()
        clock.advance(days=3)
        bot = await desk.start_bot(patient(clock))
        for _ in range(3):
            await pass_time(bot, clock, minutes=1)
        assert "✅ Cancelled" in desk.ann.reads(card)
        assert len(await desk.replies(card)) == 1
        assert "✅ Cancelled" in await desk.direct(desk.ann)


async def test_a_bot_that_is_not_connected_for_two_days_gives_nothing_up(database: Path) -> None:
    """Nothing is abandoned, however long Slack does not confirm the token."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(patient(clock), APPROVAL_TTL="60d")
        desk.slack.refusals.start("message_limit_exceeded")
        await desk.fill_in("ord_1")
        await desk.stop_bot()
        desk.slack.refusals.start("invalid_auth")
        bot = await desk.launch_bot(patient(clock), APPROVAL_TTL="60d")
        for _ in range(50):
            await pass_time(bot, clock, hours=1)
        assert await desk.state() is State.PENDING
        assert "delivery_abandoned" not in {event.kind for event in await desk.events()}
        desk.slack.heal()
        async with asyncio.timeout(10):
            await bot.connection.ready.wait()
        for _ in range(3):
            await pass_time(bot, clock, minutes=1)
        assert len(cards(desk)) == 1


# --- threads and channels ---------------------------------------------------------------------


async def test_a_reply_that_slack_refuses_holds_up_its_own_thread_only(database: Path) -> None:
    """In the same second in which one reply is refused, the card of another request is in the channel."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        bot = await desk.start_bot(patient(clock))
        card = await desk.ask("ord_1")
        clock.advance(seconds=10)
        desk.slack.faults.add("chat.postMessage", *([ApiError("an_error_of_the_future")] * 2))
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "✅ Cancelled")
        await bot.worker.until_idle()
        assert not desk.slack.space.messages(PAYMENTS, card.ts)
        await desk.fill_in("ord_2")
        await bot.worker.until_idle()
        assert len(cards(desk, "ord_2")) == 1
        for _ in range(5):
            await pass_time(bot, clock, seconds=10)
        assert len(await desk.replies(card)) == 1


# --- nothing twice ----------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [("ts",), ("channel",), ("channel", "ts", "message")])
async def test_an_answer_that_names_no_place_leads_to_one_card(desk: Desk, fields: tuple[str, ...]) -> None:
    """Slack says "ok" without where: the message is searched for, the card is found, and its buttons work."""
    desk.slack.faults.add("chat.postMessage", Without(fields))
    card = await desk.ask("ord_1")
    await posted(desk)
    desk.slack.faults.add("chat.postMessage", Without(fields))
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    assert "✅ Cancelled" in (await desk.replies(card))[0]
    await desk.direct(desk.ann)
    await desk.running_bot.worker.until_idle()
    await asyncio.sleep(0.5)  # longer than a message gets to become visible
    await desk.running_bot.worker.until_idle()
    assert len(cards(desk)) == 1
    assert len(desk.slack.space.messages(PAYMENTS, card.ts)) == 1
    assert len(desk.results(desk.ann)) == 1


@pytest.mark.parametrize("channel", [None, {}, {"id": None}, {"id": ""}, {"id": LOBBY}, {"id": "D0GONE"}])
async def test_an_odd_place_for_direct_messages_is_asked_for_again(desk: Desk, channel: object) -> None:
    """Slack once says "ok" without the requester's channel, or with another one: receipt and result come to them."""
    body = json.dumps({"ok": True, "channel": channel}).encode()
    desk.slack.faults.add("conversations.open", Canned(200, body, {"Content-Type": "application/json"}))
    card = await desk.ask("ord_1")
    await desk.receipt("Waiting for approval")
    await desk.ben.click(card, "approve")
    assert "✅ Cancelled" in await desk.direct(desk.ann)
    assert desk.slack.space.messages(LOBBY) == []


@pytest.mark.parametrize("lost", [1, 3])
async def test_what_slack_shows_late_is_there_once_in_the_end(database: Path, lost: int) -> None:
    """Slack's history is late, so card, receipt and result are posted again; a minute later one of each is there."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        bot = await desk.start_bot(patient(clock))
        desk.slack.history.lag = timedelta(seconds=20)
        desk.slack.faults.add("chat.postMessage", *([Drop(after_effect=True)] * lost))
        await desk.fill_in("ord_1")
        for _ in range(5):
            await pass_time(bot, clock, seconds=5)
        assert len(cards(desk)) > 1
        for _ in range(3):
            await pass_time(bot, clock, minutes=1)
        (card,) = cards(desk)
        assert len(desk.slack.space.messages(desk.slack.space.direct_channel(ANN).id)) == 1
        desk.slack.faults.add("chat.postMessage", *([Drop(after_effect=True)] * 2 * lost))
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "✅ Cancelled")
        for _ in range(8):
            await pass_time(bot, clock, seconds=5)
        for _ in range(3):
            await pass_time(bot, clock, minutes=1)
        assert len(desk.slack.space.messages(PAYMENTS, card.ts)) == 1
        assert len(desk.results(desk.ann)) == 1
        assert cards(desk) == [card]


async def test_a_card_that_slack_shows_after_the_end_gets_its_end(database: Path) -> None:
    """The search finds nothing yet when the request ends; the card is found a little later, and brought up to date."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        bot = await desk.start_bot(patient(clock), APPROVAL_TTL="60s", REMIND_AFTER="off")
        desk.slack.history.lag = timedelta(seconds=30)
        desk.slack.faults.always("chat.postMessage", ApiError("restricted_action"))
        await desk.fill_in("ord_1")
        await pass_time(bot, clock, seconds=50)
        desk.slack.faults.clear()
        desk.slack.faults.add("chat.postMessage", Drop(after_effect=True))
        await pass_time(bot, clock, seconds=5)
        assert len(cards(desk)) == 1
        for _ in range(9):
            await pass_time(bot, clock, seconds=9)
        (card,) = cards(desk)
        assert "Expired" in desk.ann.reads(card)
        assert len(await desk.replies(card)) == 1


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_wrong_clock_leads_to_one_card(quiet_desk: Desk, hours: int) -> None:
    """Our clock is an hour ahead or behind: a message whose posting was not confirmed is found all the same."""
    await quiet_desk.start_bot()
    quiet_desk.slack.space.ahead = timedelta(hours=-hours)
    quiet_desk.slack.faults.add("chat.postMessage", Drop(after_effect=True))
    await quiet_desk.fill_in("ord_1")
    await posted(quiet_desk)
    (card,) = cards(quiet_desk)
    found = [event.content for event in await quiet_desk.events() if isinstance(event.content, CardPosted)]
    assert (PAYMENTS, card.ts) in [(each.channel, each.ts) for each in found]


async def two_cards(desk: Desk) -> tuple[Posted, Posted]:
    """Return two cards of one request, the older first, where the search could not find the older one."""
    desk.slack.history.lag = timedelta(hours=1)
    desk.slack.faults.add("chat.postMessage", Drop(after_effect=True))
    await desk.fill_in("ord_1")
    await desk.wait(lambda: len(cards(desk)) == 2)
    await posted(desk)
    desk.slack.heal()
    older, newer = cards(desk)
    return older, newer


@pytest.mark.parametrize("action", ["approve", "reject", "withdraw"])
async def test_a_click_on_any_copy_closes_it(desk: Desk, action: str) -> None:
    """A click on a second card counts, and then only the card that the bot knows of has buttons or shows the result."""
    copy, card = await two_cards(desk)
    person = desk.ann if action == "withdraw" else desk.ben
    await person.click(copy, action)
    if action == "reject":
        await desk.wait(lambda: desk.ben.modal)
        await desk.ben.submit(reason="no")
    ends = {"approve": "✅ Cancelled", "reject": "Rejected", "withdraw": "Withdrawn"}
    await desk.card_says(card, ends[action])
    text = await desk.card_says(copy, "This is a copy of the card for order ord_1.")
    assert "[" not in text
    assert "Open the card" in text
    assert len(desk.slack.space.messages(PAYMENTS, card.ts)) + len(desk.slack.space.messages(PAYMENTS, copy.ts)) <= 1


async def test_a_refused_click_on_a_copy_closes_it(desk: Desk) -> None:
    """An outsider's click changes nothing, but shows that there is a copy."""
    copy, card = await two_cards(desk)
    await desk.olga.click(copy, "approve")
    await desk.card_says(copy, "This is a copy of the card")
    assert card.button("approve") is not None
    assert await desk.state() is State.PENDING


async def test_a_click_on_the_card_leaves_it_as_it_is(desk: Desk) -> None:
    """Only a copy is closed: after a look-up or a refused click the card has its buttons."""
    card = await desk.ask("ord_1")
    await desk.olga.click(card, "approve")
    await desk.told(desk.olga)
    await desk.running_bot.worker.until_idle()
    assert card.button("approve") is not None


async def test_a_card_whose_posting_is_in_doubt_counts_and_becomes_the_card(desk: Desk) -> None:
    """People see the card before the bot knows of it: the click counts, and the card shows the result."""
    desk.slack.faults.always("conversations.history", ApiError("fatal_error"))
    desk.slack.faults.add("chat.postMessage", Drop(after_effect=True))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    desk.slack.heal()
    assert "✅ Cancelled" in (await desk.replies(card))[0]
    assert len(cards(desk)) == 1


async def test_a_card_in_a_channel_that_got_a_new_id_stays_the_card(quiet_desk: Desk) -> None:
    """A private channel gets a new id when sharing begins: the click counts, and the card goes on from there."""
    quiet_desk.slack.space.add_channel(PRIVATE, "secret", (BEN, quiet_desk.ann.id, quiet_desk.cleo.id), private=True)
    await quiet_desk.start_bot(APPROVAL_CHANNEL=PRIVATE, APPROVALS_REQUIRED="2")
    await quiet_desk.fill_in("ord_1")
    card = await quiet_desk.card("ord_1", PRIVATE)
    await quiet_desk.running_bot.worker.until_idle()
    quiet_desk.slack.space.share(PRIVATE, accepted=False)
    await quiet_desk.ben.click(card, "approve")
    assert "1 of 2 approvals: @ben" in await quiet_desk.card_says(card, "1 of 2")
    assert card.button("approve") is not None
    await quiet_desk.cleo.click(card, "approve")
    await quiet_desk.card_says(card, "✅ Cancelled")
    await quiet_desk.replies(card)


async def test_a_result_owed_to_the_old_id_of_a_channel_waits_and_is_told(quiet_desk: Desk) -> None:
    """Once no button is left, no click can tell the new id: the result stays owed, and ``/readyz`` says why."""
    desk = quiet_desk
    desk.slack.space.add_channel(PRIVATE, "secret", (ANN, BEN), private=True)
    await desk.start_bot(APPROVAL_CHANNEL=PRIVATE)
    await desk.fill_in("ord_1")
    card = await desk.card("ord_1", PRIVATE)
    await desk.running_bot.worker.until_idle()
    desk.slack.faults.always("chat.postMessage", ApiError("restricted_action"))
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    desk.slack.space.share(PRIVATE, accepted=False)
    desk.slack.faults.clear()
    await desk.direct(desk.ann)
    ready: dict[str, Any] = {}
    while "channel_not_found" not in str(ready):
        _, ready = await desk.get("/readyz")
    assert not desk.slack.space.messages(card.channel, card.ts)


async def test_a_card_that_is_posted_again_keeps_its_buttons(desk: Desk) -> None:
    """A click that comes before the bot knows where the new card is does not close that card as a copy."""
    card = await desk.ask("ord_1")
    desk.slack.space.delete_message(PAYMENTS, card.ts)
    desk.slack.faults.always("conversations.history", ApiError("fatal_error"))
    desk.slack.faults.add("chat.postMessage", Drop(after_effect=True))
    await desk.fill_in("ord_1")
    again = await desk.card("ord_1")
    await desk.olga.click(again, "approve")
    await desk.told(desk.olga)
    desk.slack.heal()
    while [event.kind for event in await desk.events()].count(CardPosted.kind) < 2:  # noqa: ASYNC110 -- the record
        await asyncio.sleep(0)
    await desk.running_bot.worker.until_idle()
    assert desk.slack.space.messages(PAYMENTS) == [again]
    assert again.button("approve")
    await desk.ben.click(again, "approve")
    await desk.card_says(again, "✅ Cancelled")


async def test_a_cursor_that_repeats_costs_three_calls(desk: Desk) -> None:
    """The search ends where Slack gives an empty page again and again, and then looks at the newest messages once."""

    def looks() -> int:
        return [call.method for call in desk.slack.calls].count("conversations.history")

    desk.slack.history.same_cursor = True
    desk.slack.faults.add("chat.postMessage", Drop())
    before = looks()
    await desk.fill_in("ord_1")
    assert (await desk.card("ord_1")).button("approve")
    assert looks() - before <= 3


# --- what comes late and is no longer so ----------------------------------------------------------


@pytest.mark.parametrize("act", ["retry", "settle_cancelled"])
async def test_news_that_was_called_off_is_not_the_last_word(database: Path, clock: Clock, act: str) -> None:
    """Slack took it without an answer, and meanwhile a person went on: a minute later the bot looks and deletes it."""
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock, patience=Patience(max_attempts=1)))
        card = await desk.ask("ord_1")
        await desk.running_bot.worker.until_idle()
        refused = answers.error(401, "INVALID_API_KEY", "Invalid API key.")
        desk.gateway.faults.add("ord_1", refused if act == "retry" else answers.internal_error())
        lost = Drop(after_effect=True)
        desk.slack.faults.add("chat.postMessage", lost, lost)
        await desk.ben.click(card, "approve")
        (before,) = await desk.endings(card)
        assert before.startswith("⚠️")
        await desk.card_says(card, "[ Retry ]")
        await desk.running_bot.worker.until_idle()
        await desk.cleo.click(card, act)
        if act != "retry":
            await desk.wait(lambda: desk.cleo.modal)
            assert await desk.cleo.submit(how="The console says cancelled") is None
        end = "✅ Cancelled" if act == "retry" else "📝 Settled by hand: cancelled"
        for seconds in (5, 61):
            clock.advance(seconds=seconds)
            await desk.running_bot.worker.until_idle()
            await desk.card_says(card, end)
        (only,) = await desk.endings(card)
        assert only.startswith(end)
        read = [text for each in desk.ann.direct_messages if " · order ord_1" in (text := desk.ann.reads(each))]
        assert [text.startswith(end) for text in read] == [True, True]  # the receipt and the news
        await desk.stop_bot()
    with open_reader(database) as tables:
        assert verify(tables).damage is None
