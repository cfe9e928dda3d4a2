"""Try now and Stop trying, as people use them while the gateway is away."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.cancellation import State
from bot.domain.events import StoppedTrying
from bot.domain.policy import Surface, Verdict
from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import Hang
from bot.sandbox.workspace import Posted
from bot.slack.views.refusals import NO_LONGER_IN_USE
from tests.flows.desk import PAYMENTS, QUICK, Desk, quick_tuning

PAUSE = timedelta(seconds=40)
"""More than a test takes; also a quarter longer it is less than the minute after which people hear of trouble."""


@pytest.fixture(params=["socket", "http"])
async def patient_desk(quiet_desk: Desk, request: pytest.FixtureRequest) -> Desk:
    """Return a desk whose bot waits for long between two calls to the gateway."""
    tuning = quick_tuning(patience=replace(QUICK, first_pause=PAUSE, longest_pause=PAUSE))
    await quiet_desk.start_bot(tuning, **(quiet_desk.by_http if request.param == "http" else {}))
    return quiet_desk


async def waiting(desk: Desk) -> Posted:
    """Return the card of an approved request whose first call did not reach the gateway."""
    await desk.gateway.stop()
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "[ Try now ] [ … Stop trying ]")
    await desk.gateway.start()
    return card


async def test_an_approver_tries_now(patient_desk: Desk) -> None:
    """The pause ends at once, and the card names who pressed it."""
    card = await waiting(patient_desk)
    assert "An approver can press Try now." in patient_desk.ann.reads(card)
    await patient_desk.olga.click(card, "try_now")
    assert "Only approvers can do that" in await patient_desk.told(patient_desk.olga)
    await patient_desk.cleo.click(card, "try_now")
    assert "Try now pressed by @cleo" in await patient_desk.card_says(card, "✅ Cancelled")
    assert len(patient_desk.gateway.calls) == 1


async def test_the_requester_stops_it(patient_desk: Desk) -> None:
    """It ends as failed, the thread says who stopped it, nothing is sent, and the requester needs no message."""
    card = await waiting(patient_desk)
    await patient_desk.ann.click(card, "stop")
    text = await patient_desk.card_says(card, "✋ Stopped by a person: not cancelled by this request")
    assert "Stopped by @ann" in text
    (reply,) = await patient_desk.replies(card)
    assert reply.startswith("✋ Stopped by a person: not cancelled by this request · order ord_1")
    assert "Stopped by @ann." in reply
    assert await patient_desk.state() is State.FAILED
    assert not patient_desk.results(patient_desk.ann)
    assert not patient_desk.gateway.calls


@pytest.mark.parametrize("where", [Surface.RECEIPT, Surface.HOME])
async def test_the_requester_stops_it_without_the_card(patient_desk: Desk, where: Surface) -> None:
    """They may not be in the channel of the cards. The button goes, and a second click changes nothing."""
    await waiting(patient_desk)
    ann, receipt = patient_desk.ann, await patient_desk.receipt("To stop it, press Stop trying here.")
    again = ann.click_payload(receipt, "stop")
    if where is Surface.RECEIPT:
        await ann.click(receipt, "stop")
    else:
        await ann.open_home()
        await patient_desk.wait(lambda: "[ Stop trying ]" in ann.reads_home())
        await ann.click_home("stop")
    await patient_desk.receipt("Stopped by @ann")
    (stopped,) = [each for each in await patient_desk.events() if isinstance(each.content, StoppedTrying)]
    assert isinstance(stopped.content, StoppedTrying)
    assert (stopped.actor, stopped.content.surface) == (ann.id, where)
    assert await patient_desk.state() is State.FAILED
    assert not receipt.button("stop")
    await patient_desk.slack.deliver("interactive", again)
    assert (await patient_desk.refusal())[2] is Verdict.WRONG_STATE
    assert not patient_desk.gateway.calls


async def test_an_approver_stops_it_and_another_one_retries(patient_desk: Desk) -> None:
    """The requester is told; from there Retry works as after every failure."""
    card = await waiting(patient_desk)
    await patient_desk.cleo.click(card, "stop")
    assert "✋ Stopped by a person" in await patient_desk.direct(patient_desk.ann)
    await patient_desk.card_says(card, "[ Retry ]")
    await patient_desk.ben.click(card, "retry")
    text = await patient_desk.card_says(card, "✅ Cancelled")
    assert "Stopped by @cleo" in text
    assert "Retried by @ben" in text


async def test_an_outsider_does_not_stop_it(patient_desk: Desk) -> None:
    """The refusal is on record with its order, and nothing has changed."""
    card = await waiting(patient_desk)
    await patient_desk.olga.click(card, "stop")
    assert await patient_desk.told(patient_desk.olga) == (
        "Only approvers and the requester can do that. Nothing has changed."
    )
    assert await patient_desk.refusal() == (patient_desk.olga.id, "ord_1", Verdict.NOT_INVOLVED)
    assert await patient_desk.state() is State.APPROVED


async def test_a_stop_after_the_call_has_left_is_refused(patient_desk: Desk) -> None:
    """The person reads that the gateway is being asked, and its answer counts."""
    card = await waiting(patient_desk)
    seen = patient_desk.ann.click_payload(card, "stop")
    patient_desk.gateway.faults.always("ord_1", Hang(asyncio.Event()))
    await patient_desk.cleo.click(card, "try_now")
    await patient_desk.card_says(card, "Attempt 2 is under way.")
    assert card.button("stop") is None
    await patient_desk.slack.deliver("interactive", seen)
    assert (await patient_desk.told(patient_desk.ann)).startswith("The gateway is being asked at this moment")
    assert await patient_desk.state() is State.SENDING


async def test_a_stop_that_comes_too_late_for_some_orders_says_so(patient_desk: Desk) -> None:
    """The person asked for all of them, and would believe that none is cancelled any more."""
    desk, hangs = patient_desk, asyncio.Event()
    desk.gateway.faults.always("ord_1", answers.maintenance(600))
    desk.gateway.faults.always("ord_2", Hang(hangs))
    assert await desk.fill_in("ord_1\nord_2") is None
    card = await desk.card("2 orders")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "[ … Stop trying ]")
    await desk.ann.click(card, "stop")
    told = await desk.told(desk.ann)
    assert told.startswith(
        "Not stopped: order ord_2. The gateway is being asked, or an answer of it was lost or not clear"
    )
    assert "ord_2 ⏳ under way" in await desk.card_says(card, "ord_1 ✋ stopped")
    desk.gateway.faults.clear()
    hangs.set()
    await desk.card_says(card, "ord_2 ✅ cancelled")


async def test_an_order_that_ended_before_the_stop_is_not_called_stopped(patient_desk: Desk) -> None:
    """The message with the button may be older than the last answer of the gateway."""
    desk, hangs = patient_desk, asyncio.Event()
    desk.gateway.faults.always("ord_2", Hang(hangs))
    desk.gateway.faults.always("ord_3", answers.maintenance(600))
    assert await desk.fill_in("ord_1\nord_2\nord_3") is None
    card = await desk.card("3 orders")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "ord_1 ✅ cancelled")
    await desk.card_says(card, "[ … Stop trying ]")
    await desk.ann.click(card, "stop")
    told = await desk.told(desk.ann)
    assert told.startswith("Not stopped: order ord_2. ")
    assert told.endswith(
        "Every other order that still waited for another attempt is stopped. What had ended before that stays as it is."
    )
    hangs.set()


async def test_nobody_is_sent_to_a_card_that_is_not_there(quiet_desk: Desk) -> None:
    """The news says that it can be stopped, as the receipt does, and the answer names the receipt."""
    desk, hangs = quiet_desk, asyncio.Event()
    desk.slack.space.channels[PAYMENTS].archived = True
    tuned = replace(QUICK, first_pause=PAUSE, longest_pause=PAUSE, told_after=timedelta(0))
    await desk.start_bot(quick_tuning(patience=tuned))
    desk.gateway.faults.always("ord_1", answers.maintenance(600))
    desk.gateway.faults.always("ord_2", Hang(hangs))
    assert await desk.fill_in("ord_1\nord_2") is None
    await desk.receipt("The card will appear by itself")
    await desk.ben.open_home()
    await desk.wait(lambda: "[ Approve ]" in desk.ben.reads_home())
    await desk.ben.click_home("approve")
    news = await desk.direct(desk.ann)
    assert news.startswith("⏳ The gateway has not settled")
    assert "unless somebody stops" in news
    receipt = await desk.receipt("only you can stop what can still be stopped of it, on your receipt or your Home tab")
    await desk.ann.click(receipt, "stop")
    assert "it may be cancelled. The requester's receipt shows how it ends." in await desk.told(desk.ann)
    hangs.set()


async def test_an_entry_of_another_version_is_answered(desk: Desk) -> None:
    """A menu that an older or newer version posted may have entries that this one does not know."""
    card = await desk.ask("ord_1")
    payload = desk.ann.click_payload(card, "withdraw")
    payload["actions"][0]["selected_option"]["value"] = "hide c0ffee"
    await desk.slack.deliver("interactive", payload)
    assert await desk.told(desk.ann) == NO_LONGER_IN_USE
    assert await desk.state() is State.PENDING


async def test_a_button_of_an_older_card_still_withdraws(desk: Desk) -> None:
    """Cards that were posted before the menu have a button for it."""
    card = await desk.ask("ord_1")
    payload = desk.ann.click_payload(card, "approve")
    payload["actions"][0]["action_id"] = "withdraw"
    await desk.slack.deliver("interactive", payload)
    await desk.card_says(card, "Withdrawn by @ann")


async def test_the_order_on_the_card_leads_to_its_page(quiet_desk: Desk) -> None:
    """With ORDER_URL set, the order ID in the first line is a link, before and after every update."""
    await quiet_desk.start_bot(ORDER_URL="https://console.example/orders/{order_id}")
    card = await quiet_desk.ask("ord_1")
    for words in ("asks to cancel order ord_1", "✅ Cancelled"):
        await quiet_desk.card_says(card, words)
        first = card.blocks[0]["elements"][0]["elements"]
        links = [piece["url"] for piece in first if piece["type"] == "link"]
        assert links == ["https://console.example/orders/ord_1"]
        if card.button("approve"):
            await quiet_desk.ben.click(card, "approve")
