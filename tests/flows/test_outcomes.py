"""The meaning of the gateway's answers for people; nothing is done or told twice."""

import asyncio

import pytest

from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import Drop, Fault, Hang, Twist, broken
from tests.flows.desk import BEN, LOBBY, Desk


async def approved(desk: Desk, order: str) -> tuple[str, str]:
    """Have an order approved; return the card and the last reply when it ended."""
    card = await desk.ask(order)
    await desk.ben.click(card, "approve")
    reply = (await desk.replies(card))[-1]
    return await desk.card_says(card, "Ended"), reply


async def test_a_completed_order_says_to_use_a_refund(desk: Desk) -> None:
    """If the gateway refuses because the order is completed, people read that a refund is the way."""
    text, reply = await approved(desk, "ord_done")
    assert "Not cancelled" in text
    assert "Use a refund instead" in reply
    assert "Use a refund instead" in await desk.direct(desk.ann)


async def test_a_card_and_its_messages_name_the_one_who_must_act(quiet_desk: Desk) -> None:
    """With CONTACT set, everybody reads whom to tell; the same words in somebody's reason stay as they are."""
    desk = quiet_desk
    await desk.start_bot(CONTACT=BEN, DVPAY_API_KEY="wrong-key")
    card = await desk.ask("ord_1", "the bot's operator asked for it")
    await desk.ben.click(card, "approve")
    reply, told = (await desk.replies(card))[-1], await desk.direct(desk.ann)
    receipt = desk.ann.reads(await desk.receipt("Not cancelled"))
    text = await desk.card_says(card, "[ Retry ]")
    for each in (text, reply, told, receipt):
        assert "@ben must fix this." in each
    assert all("> the bot's operator asked for it" in each for each in (text, receipt))


async def test_an_order_that_does_not_exist_says_so(desk: Desk) -> None:
    """A wrong order ID is refused with the advice to check it."""
    _, reply = await approved(desk, "ord_none")
    assert "Not cancelled by this request: no such order" in reply
    assert "Check the order ID" in reply


async def test_an_order_that_was_cancelled_already_says_so(desk: Desk) -> None:
    """The bot does not claim a request that it cannot know to be its own, and a success is no red sign."""
    desk.gateway.add_order("ord_2", "cancelled")
    text, reply = await approved(desk, "ord_2")
    assert text.splitlines()[1] == "☑️ Already cancelled"
    assert reply.startswith("☑️ Already cancelled · order ord_2")
    assert "Nothing to do." in reply


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(answers.internal_error(), id="500"),
        pytest.param(broken(502), id="502 HTML"),
        pytest.param(answers.too_many(0), id="429"),
        pytest.param(answers.maintenance(0), id="503"),
        pytest.param(Drop(), id="dropped before the effect"),
        pytest.param(Drop(after_effect=True), id="dropped after the effect"),
        pytest.param(Twist(answers.wrong_order()), id="another order"),
        pytest.param(Twist(answers.wrong_status("ord_1")), id="another status"),
        pytest.param(Twist(answers.empty()), id="empty"),
        pytest.param(Twist(answers.oversized("ord_1")), id="oversized"),
        pytest.param(Twist(answers.gzip_bomb("ord_1")), id="gzip bomb"),
    ],
)
async def test_a_fault_that_passes_does_no_harm(desk: Desk, fault: Fault) -> None:
    """After any single fault the order is cancelled exactly once, and people read it once."""
    desk.gateway.faults.add("ord_1", fault)
    text, reply = await approved(desk, "ord_1")
    assert "✅ Cancelled" in text
    assert "✅ Cancelled" in reply
    assert desk.gateway.effects["ord_1"] == 1
    assert len(desk.gateway.calls) == 2


async def test_lost_answers_without_end_are_unknown_and_retry_settles_them(desk: Desk) -> None:
    """If nobody can know, the card says so, and an approver's Retry finds out."""
    desk.gateway.faults.always("ord_1", Drop(after_effect=True))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    assert "[ Retry ]" in await desk.card_says(card, "Not known whether the order is cancelled")
    assert "asking again is safe" in (await desk.replies(card))[0]
    errors = await desk.fill_in("ord_1", person=desk.olga)
    assert errors is not None
    assert "the card shows what can be done, or how it goes on" in errors["order_id"]
    desk.gateway.faults.clear()
    await desk.olga.click(card, "retry")
    assert "Only approvers can do that" in await desk.told(desk.olga)
    await desk.cleo.click(card, "retry")
    await desk.card_says(card, "✅ Cancelled")
    assert "Asked again, it says that the order is cancelled" in (await desk.replies(card, 2))[1]
    assert desk.gateway.effects["ord_1"] == 1


async def test_a_gateway_that_is_away_ends_in_failed_and_retry_works(desk: Desk) -> None:
    """If the call was certainly never sent, people read that nothing happened."""
    await desk.gateway.stop()
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    text = await desk.card_says(card, "⚠️ Not cancelled by this request: the gateway could not be reached")
    assert "[ Retry ]" in text
    (reply,) = await desk.replies(card)
    assert "This request has not changed the order" in reply
    assert "the gateway could not be reached" in reply
    await desk.gateway.start()
    await desk.ben.click(card, "retry")
    await desk.card_says(card, "✅ Cancelled")


async def test_bad_credentials_fail_at_once_and_say_who_must_act(quiet_desk: Desk) -> None:
    """A 401 is not repeated; people read that the bot's operator must act, without the key."""
    await quiet_desk.start_bot(DVPAY_API_KEY="wrong-key")
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "[ Retry ]")
    (reply,) = await quiet_desk.replies(card)
    assert "the gateway rejected the bot's credentials" in reply
    assert "The bot's operator must fix this" in reply
    assert "wrong-key" not in reply
    assert len(quiet_desk.gateway.calls) == 1


async def test_a_hanging_gateway_delays_neither_commands_nor_clicks(desk: Desk) -> None:
    """While calls hang, people ask, approve and look things up as always."""
    until = asyncio.Event()
    for order in ("ord_1", "ord_2"):
        desk.gateway.faults.always(order, Hang(until))
        card = await desk.ask(order)
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "the gateway has not confirmed it yet")
    other = await desk.ask("ord_3")
    await desk.ben.click(other, "approve")
    await desk.card_says(other, "✅ Cancelled")
    await desk.vera.command("/cancel-audit state:sending", LOBBY)
    assert "ord_1" in await desk.told(desk.vera)
    until.set()
    await desk.card_says(await desk.card("ord_1"), "✅ Cancelled")


async def test_a_deleted_card_still_gets_its_result_into_the_channel(desk: Desk) -> None:
    """If somebody deletes the card, the result is in the channel."""
    until = asyncio.Event()
    desk.gateway.faults.add("ord_1", Hang(until))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "the gateway has not confirmed it yet")
    desk.slack.space.delete_message(card.channel, card.ts)
    until.set()
    found = await desk.wait(lambda: [m for m in desk.slack.space.messages(card.channel) if m.ts != card.ts])
    assert "✅ Cancelled · order ord_1" in desk.ann.reads(found[-1])
