"""The requester's receipt: it comes once, always shows the truth, and can take the request back."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.cancellation import State
from bot.domain.events import Withdrawn
from bot.domain.policy import Surface
from bot.sandbox.faults import ApiError, Drop, Without
from bot.sandbox.workspace import Posted
from tests.flows.desk import ANN, LEADS, LOBBY, PAYMENTS, QUICK, Desk, quick_tuning


def link_to(desk: Desk, card: Posted) -> str:
    """Return the address of this card."""
    return f"https://{desk.slack.space.domain}.slack.com/archives/{card.channel}/p{card.ts.replace('.', '')}"


async def settled(desk: Desk) -> None:
    """Wait until the bot has nothing left to do."""
    await desk.running_bot.worker.until_idle()


async def test_a_receipt_has_everything_from_the_first_moment(desk: Desk) -> None:
    """It names order, reason, channel and what is needed, leads to the card, and is one message to the requester."""
    card = await desk.ask("ord_1")
    receipt = await desk.receipt()
    said = desk.ann.reads(receipt)
    for part in ("order ord_1", "> typed twice", "Needs 1 approval in #payments.", "Open the card", "[ Withdraw ]"):
        assert part in said
    assert link_to(desk, card) in receipt.text
    assert f"<#{PAYMENTS}>" in receipt.text
    await settled(desk)
    assert receipt.edited == 0
    assert desk.ann.direct_messages == [receipt]


async def test_a_receipt_is_kept_up_to_date_until_the_end(quiet_desk: Desk) -> None:
    """An approval sends no message of its own; the end does, and the receipt shows it without a button."""
    desk = quiet_desk
    await desk.start_bot(APPROVALS_REQUIRED="2")
    card = await desk.ask("ord_1")
    await desk.receipt("Needs 2 approvals in #payments.")
    await desk.ben.click(card, "approve")
    await desk.receipt("1 of 2 approved: @ben. Needs 1 more approval in #payments.")
    await settled(desk)
    assert len(desk.ann.direct_messages) == 1
    await desk.cleo.click(card, "approve")
    receipt = await desk.receipt("✅ Cancelled")
    assert not receipt.button("withdraw")
    assert "✅ Cancelled" in await desk.direct(desk.ann)
    await settled(desk)
    assert (len(desk.receipts(desk.ann)), len(desk.results(desk.ann))) == (1, 1)


async def test_a_request_is_withdrawn_from_the_receipt(desk: Desk) -> None:
    """The click counts, is on record as one on the receipt, and no message is taken for a second card."""
    card = await desk.ask("ord_1")
    receipt = await desk.receipt()
    await desk.ann.click(receipt, "withdraw")
    await desk.card_says(card, "Withdrawn")
    await desk.receipt("↩️ Withdrawn")
    await settled(desk)
    assert await desk.state() is State.WITHDRAWN
    assert [each.content for each in await desk.events() if each.kind == "withdrawn"] == [Withdrawn(Surface.RECEIPT)]
    assert desk.slack.space.messages(PAYMENTS) == [card]
    assert desk.ann.direct_messages == [receipt]
    assert not receipt.button("withdraw")
    assert "copy" not in desk.ann.reads(receipt)


async def test_a_click_on_a_stale_receipt_brings_it_up_to_date(desk: Desk) -> None:
    """The clicker reads how the request stands, also where Slack had lost the update of the receipt."""
    card = await desk.ask("ord_1")
    receipt = await desk.receipt()
    await settled(desk)
    text, blocks = receipt.text, receipt.blocks
    await desk.ben.click(card, "approve")
    await desk.receipt("✅ Cancelled")
    await desk.direct(desk.ann)
    await settled(desk)
    receipt.text, receipt.blocks = text, blocks
    await desk.ann.click(receipt, "withdraw")
    assert await desk.told(desk.ann) == "Nothing has changed: the order is already cancelled."
    await desk.receipt("✅ Cancelled")
    assert await desk.state() is State.CANCELLED


@pytest.mark.parametrize("error", ["msg_too_long", "message_not_found"])
async def test_one_update_that_slack_refuses_is_not_the_last_one(quiet_desk: Desk, error: str) -> None:
    """The next one goes on; where Slack said that the receipt is gone, once somebody has clicked on it."""
    desk = quiet_desk
    await desk.start_bot(APPROVALS_REQUIRED="2")
    card = await desk.ask("ord_1")
    receipt = await desk.receipt("Needs 2 approvals")
    await settled(desk)
    desk.slack.refusals.start(error, channel=receipt.channel)
    await desk.ben.click(card, "approve")
    await settled(desk)
    desk.slack.refusals.clear()
    await desk.cleo.click(card, "approve")
    await settled(desk)
    if error == "message_not_found":
        assert "Needs 2 approvals" in desk.ann.reads(receipt)
        await desk.ann.click(receipt, "withdraw")
    await desk.receipt("✅ Cancelled")


async def test_the_receipt_does_not_wait_for_a_channel_that_is_limited_for_long(quiet_desk: Desk) -> None:
    """The requester sees how the request stands, and can withdraw it; the link comes with the card."""
    desk = quiet_desk
    await desk.start_bot(quick_tuning(patience=replace(QUICK, receipt_waits=timedelta(milliseconds=300))))
    desk.slack.refusals.start("ratelimited", channel=PAYMENTS)
    assert await desk.fill_in("ord_1") is None
    receipt = await desk.receipt("Waiting for approval")
    assert receipt.button("withdraw")
    desk.slack.refusals.clear()
    await desk.receipt("Open the card")


async def test_a_deleted_receipt_stays_away(desk: Desk) -> None:
    """Somebody who deletes it gets no other one, and still hears of the end."""
    card = await desk.ask("ord_1")
    receipt = await desk.receipt()
    await settled(desk)
    desk.slack.space.delete_message(receipt.channel, receipt.ts)
    await desk.ben.click(card, "approve")
    assert "✅ Cancelled" in await desk.direct(desk.ann)
    await settled(desk)
    assert (desk.receipts(desk.ann), len(desk.ann.direct_messages)) == ([], 1)


@pytest.mark.parametrize("error", ["user_disabled", "messages_tab_disabled", "an_error_of_the_future"])
async def test_a_requester_who_takes_no_messages_holds_up_nothing(desk: Desk, error: str) -> None:
    """The card, the thread and the gateway go on, for good or until Slack takes the receipt."""
    desk.slack.faults.always("conversations.open", ApiError(error))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    assert len(await desk.replies(card)) == 1
    assert not desk.ann.direct_messages


@pytest.mark.parametrize(
    "fault", [Drop(after_effect=True), Without(("ts",))], ids=["the answer is lost", "the answer names no place"]
)
async def test_a_receipt_whose_posting_is_in_doubt_is_found_again(quiet_desk: Desk, fault: Any) -> None:
    """One receipt is there, and the bot keeps it up to date."""
    desk = quiet_desk
    # The card goes first, then the receipt.
    desk.slack.space.direct_channel(ANN)
    await desk.start_bot()
    await desk.ann.command("/cancel-order ord_1 typed twice", LOBBY)
    await desk.wait(lambda: desk.ann.modal)
    desk.slack.faults.add("chat.postMessage", Without(()), fault)
    await desk.ann.submit()
    receipt = await desk.receipt()
    await desk.ben.click(await desk.card("ord_1"), "approve")
    await desk.receipt("✅ Cancelled")
    await desk.direct(desk.ann)
    await settled(desk)
    assert desk.receipts(desk.ann) == [receipt]


async def test_a_blocked_request_is_withdrawn_from_the_receipt(quiet_desk: Desk) -> None:
    """Nobody can approve it, but the requester can take it back; the card is not posted any more."""
    desk = quiet_desk
    desk.slack.space.channels[PAYMENTS].archived = True
    await desk.start_bot()
    await desk.fill_in("ord_1")
    receipt = await desk.receipt("It is archived. Ask somebody to unarchive it.")
    await desk.ann.click(receipt, "withdraw")
    await desk.receipt("↩️ Withdrawn")
    desk.slack.space.channels[PAYMENTS].archived = False
    while "delivery_abandoned" not in [event.kind for event in await desk.events()]:  # noqa: ASYNC110 -- the record
        await asyncio.sleep(0.01)
    await settled(desk)
    assert desk.slack.space.messages(PAYMENTS) == []
    assert desk.ann.direct_messages == [receipt]


async def test_a_second_receipt_is_closed_by_a_click(desk: Desk) -> None:
    """A message that the bot does not know as the receipt loses its button, and the click counts all the same."""
    card = await desk.ask("ord_1")
    receipt = await desk.receipt()
    await settled(desk)
    second = desk.slack.space.post(
        Posted(receipt.channel, desk.slack.space.next_ts(), receipt.text, receipt.blocks, receipt.user)
    )
    await desk.ann.click(second, "withdraw")
    await desk.card_says(card, "Withdrawn")
    await desk.wait(lambda: "I no longer keep this message" in second.text)
    assert not second.button("withdraw")
    await desk.receipt("↩️ Withdrawn")


async def test_the_place_where_somebody_asked_is_told_where_the_card_is(desk: Desk) -> None:
    """A line that only the requester sees, once; not where the card is in the same channel."""
    await desk.ask("ord_1", channel=LOBBY)
    await desk.wait(lambda: desk.ann.ephemerals)
    (line,) = desk.ann.ephemerals
    assert line.channel == LOBBY
    assert desk.ann.reads(line).startswith("The approval card for order ord_1 goes to #payments.")
    await desk.ask("ord_2", channel=PAYMENTS)
    await settled(desk)
    assert desk.ann.ephemerals == [line]


async def test_a_place_without_the_bot_is_told_as_well(desk: Desk) -> None:
    """The line needs no membership of the bot: Slack gives an address for answers with each command."""
    desk.slack.space.channels[LOBBY].members.discard(desk.slack.space.bot_user_id)
    await desk.ask("ord_1", channel=LOBBY)
    await desk.wait(lambda: desk.ann.ephemerals)
    assert "#payments" in desk.ann.reads(desk.ann.ephemerals[0])


async def test_a_line_that_does_not_get_through_costs_nothing(desk: Desk) -> None:
    """The request is kept, and its receipt comes."""
    desk.slack.faults.always("response_url", ApiError("expired_url"))
    assert await desk.fill_in("ord_1", channel=LOBBY) is None
    await desk.receipt("Waiting for approval")
    assert not desk.ann.ephemerals


async def test_a_requester_who_approves_sees_their_vote(quiet_desk: Desk) -> None:
    """The receipt counts the approvals that the card counts, whoever gave them."""
    desk = quiet_desk
    await desk.start_bot(APPROVALS_REQUIRED="2", ALLOW_SELF_APPROVAL="true", APPROVERS=f"{ANN},{LEADS}")
    card = await desk.ask("ord_1")
    await desk.ann.click(card, "approve")
    await desk.receipt("1 of 2 approved: @ann.")
