"""Asking: the command, the form, and everything that can be in the way."""

import pytest

from bot.sandbox.faults import ApiError, Drop
from tests.flows.desk import ANN, LEADS, LOBBY, PAYMENTS, PRIVATE, Desk


async def test_an_outsider_is_told_privately_and_gets_no_form(quiet_desk: Desk) -> None:
    """A person who is not among REQUESTERS reads why, alone, and no form opens."""
    await quiet_desk.start_bot(REQUESTERS=ANN)
    await quiet_desk.olga.command("/cancel-order ord_1", LOBBY)
    assert "You may not ask for cancellations here" in await quiet_desk.told(quiet_desk.olga)
    assert quiet_desk.olga.modal is None
    assert (await quiet_desk.ask("ord_1")).button("approve")


async def test_a_group_that_slack_does_not_name_is_refused(quiet_desk: Desk) -> None:
    """If Slack does not say who is in the group, none of its members may ask."""
    quiet_desk.slack.faults.always("usergroups.users.list", ApiError("plan_upgrade_required"))
    await quiet_desk.start_bot(REQUESTERS=LEADS)
    await quiet_desk.cleo.command("/cancel-order ord_1", LOBBY)
    assert "Try again in a minute" in await quiet_desk.told(quiet_desk.cleo)


@pytest.mark.parametrize("order", ["ord 1", "ord/1", "x" * 65, "<!channel>"])
async def test_a_bad_order_id_is_refused_on_its_field(desk: Desk, order: str) -> None:
    """The field says what an order ID looks like, and the form stays open."""
    errors = await desk.fill_in(order)
    assert errors == {
        "order_id": "An order ID has 1 to 64 letters, digits, - and _, and nothing else. For example: ord_1001",
    }
    assert desk.ann.modal is not None
    assert await desk.ann.submit(order_id="ord_1") is None


async def test_an_order_id_is_trimmed(desk: Desk) -> None:
    """Blanks around an order ID do not matter."""
    assert await desk.fill_in("  ord_1 ") is None
    assert "Order ord_1" in desk.ann.reads(await desk.card("ord_1"))


async def test_an_order_with_an_open_request_is_refused_with_who_and_when(desk: Desk) -> None:
    """The second person reads on the field the requester, the time, and how the request stands."""
    await desk.ask("ord_1")
    errors = await desk.fill_in("ord_1", person=desk.olga)
    assert errors is not None
    assert errors["order_id"].startswith("ann asked to cancel this order on 20")
    assert ": that request is waiting for approval." in errors["order_id"]


async def test_the_same_form_delivered_twice_asks_once(desk: Desk) -> None:
    """A second delivery of one form is acknowledged and changes nothing."""
    await desk.ann.command("/cancel-order ord_1", LOBBY)
    opened = await desk.wait(lambda: desk.ann.modal)
    payload = desk.ann.submission_payload(opened, {})
    assert await desk.slack.deliver("interactive", payload) is None
    await desk.deliver_again(payload)
    await desk.card("ord_1")
    kinds = await desk.running_bot.store.read(lambda tables: [event.kind for event in tables.record.all()])
    assert kinds.count("requested") == 1


async def test_what_people_type_is_shown_and_never_interpreted(desk: Desk) -> None:
    """Mentions, links, formatting and entities in a reason stay as they were typed, to the letter."""
    reason = "<!channel> *bold* _x_ `c` <https://evil|good> &amp; @here :bomb: <@U0BEN>"
    card = await desk.ask("ord_1", reason)
    assert f"> {reason}" in desk.ann.reads(card)
    assert [block["type"] for block in card.blocks] == ["rich_text", "rich_text", "actions"]
    quoted = card.blocks[1]["elements"][0]["elements"]
    assert quoted == [{"type": "text", "text": reason}]


async def test_a_long_reason_is_cut_in_slack_and_whole_at_the_gateway(desk: Desk) -> None:
    """Three thousand characters fit: cut with an ellipsis on the card, whole towards the gateway."""
    reason = "&<>" * 1000
    card = await desk.ask("ord_1", reason)
    assert "…" in desk.ann.reads(card)
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    assert reason in desk.gateway.calls[0].body


async def test_a_card_goes_where_the_command_ran_if_no_channel_is_set(quiet_desk: Desk) -> None:
    """Without APPROVAL_CHANNEL the card is posted in the channel of the command."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="")
    await quiet_desk.fill_in("ord_1", channel=LOBBY)
    assert (await quiet_desk.card("ord_1", LOBBY)).channel == LOBBY


async def test_a_channel_without_the_bot_is_explained_and_the_card_follows_the_invitation(quiet_desk: Desk) -> None:
    """The requester reads that the bot must be invited; after that the card appears by itself."""
    quiet_desk.slack.space.add_channel(PRIVATE, "secret", (ANN,), bot=False, private=True)
    await quiet_desk.start_bot(APPROVAL_CHANNEL="")
    await quiet_desk.fill_in("ord_1", channel=PRIVATE)
    told = await quiet_desk.direct(quiet_desk.ann)
    assert "Your request waits" in told
    assert "/invite" in told
    quiet_desk.slack.space.channels[PRIVATE].members.add(quiet_desk.slack.space.bot_user_id)
    assert (await quiet_desk.card("ord_1", PRIVATE)).button("approve")
    assert len(quiet_desk.ann.direct_messages) == 1


async def test_a_form_that_slack_does_not_open_is_explained(desk: Desk) -> None:
    """If the trigger has expired, the person reads to type the command again."""
    desk.slack.faults.add("views.open", ApiError("expired_trigger_id"))
    await desk.ann.command("/cancel-order ord_1", LOBBY)
    assert "The form didn't open in time. Type /cancel-order again." in await desk.told(desk.ann)


async def test_a_card_whose_posting_was_not_confirmed_is_posted_once(desk: Desk) -> None:
    """If the answer to the posting is lost, the bot searches for its message and does not post a second one."""
    desk.slack.faults.add("chat.postMessage", Drop(after_effect=True))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    await desk.replies(card)
    assert len(desk.slack.space.messages(PAYMENTS)) == 1


async def test_a_deleted_card_comes_back_when_somebody_asks_again(desk: Desk) -> None:
    """The person who asks for the same order reads that it waits, and the card is in the channel again."""
    card = await desk.ask("ord_1")
    desk.slack.space.delete_message(card.channel, card.ts)
    errors = await desk.fill_in("ord_1", person=desk.olga)
    assert errors is not None
    assert "If its card was deleted, I post it again now." in errors["order_id"]
    again = await desk.card("ord_1")
    await desk.ben.click(again, "approve")
    await desk.card_says(again, "✅ Cancelled")
    assert len(desk.slack.space.messages(PAYMENTS)) == 1
