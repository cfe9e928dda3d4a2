"""The playground in a real browser: the whole way of a request by clicking, and the turns it can take."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from bot.sandbox.playground.playground import Playground
from bot.sandbox.playground.server import PageServer
from bot.sandbox.stage import BEN, PAYMENTS
from tests.browser.conftest import Visit, running

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_whole_way_by_clicking(visit: Visit, playground: Playground) -> None:
    """One can ask, approve, read the results and look them up as the hints say, by mouse alone."""
    page = (desk := await visit("ann")).page
    await desk.hint.get_by_role("button", name="/cancel-order ord_1001 ordered twice").click()
    await desk.button("Send").click()
    form = page.get_by_role("dialog", name="Cancel an order")
    await expect(form.get_by_label("Order ID")).to_have_value("ord_1001")
    await expect(form.get_by_label("Reason")).to_have_value("Ordered twice")
    await form.get_by_role("button", name="Ask for approval").click()
    card = desk.message("asks to cancel order")
    await expect(card.locator("blockquote")).to_have_text("Ordered twice")
    await expect(card).to_contain_text("Requested by @ann, today")

    await expect(desk.hint).to_contain_text("Choose ben")
    await desk.choose("ben")
    await expect(desk.hint).to_contain_text("press Approve")
    await card.get_by_role("button", name="Approve").click()
    question = page.get_by_role("alertdialog", name="Cancel this order?")
    await expect(question).to_contain_text("This cancels order ord_1001 at the payment gateway now")
    await question.get_by_role("button", name="Go back").click()
    assert not playground.gateway.calls
    await desk.approve("ord_1001")
    await expect(desk.message("✅ Cancelled")).to_contain_text("1 of 1 approval: @ben")
    await expect(card).to_have_count(0)

    await page.get_by_role("button", name="1 reply").click()
    thread = page.get_by_role("region", name="Thread", exact=True)
    await expect(thread).to_contain_text("The gateway confirmed it.")
    await page.get_by_role("button", name="Close thread").click()
    await expect(thread).to_be_hidden()

    await desk.choose("ann")
    await page.get_by_role("link", name="cancel-desk 2 notifications").click()
    await expect(page.locator("#place")).to_have_text("cancel-desk")
    await expect(desk.message("✅ Cancelled")).to_have_count(2)
    await page.get_by_role("link", name="Open the card").last.click()
    await expect(page.locator("#place")).to_have_text("# payments")
    await expect(page.locator(".message.flash")).to_contain_text("✅ Cancelled")

    await expect(desk.hint).to_contain_text("Choose vera")
    await desk.choose("vera")
    await desk.hint.get_by_role("button", name="/cancel-audit @ben state:cancelled").click()
    await desk.button("Send").click()
    answer = desk.message("Cancellations on record for @ben state:cancelled")
    await expect(answer).to_contain_text("Only visible to you")
    await expect(answer).to_contain_text("requested by @ann · approved by @ben · “Ordered twice” · card")
    assert playground.gateway.effects == {"ord_1001": 1}


async def test_self_approval_is_refused_to_the_clicker_alone(visit: Visit, playground: Playground) -> None:
    """A requester who approves learns that it does not count; nobody else sees that, and it is on record."""
    ben, cleo = await visit("ben"), await visit("cleo")
    await ben.ask("ord_1001")
    await ben.approve("ord_1001")
    told = ben.message("You can't approve your own request")
    await expect(told).to_contain_text("Only visible to you")
    await expect(ben.page.locator("#events")).to_contain_text("own request")
    await expect(ben.hint).to_have_text("Your own approval does not count. Choose cleo at the top.")
    await expect(cleo.message("ord_1001")).to_be_visible()
    await expect(cleo.message("You can't approve your own request")).to_have_count(0)
    assert not playground.gateway.calls


async def test_an_outsider_is_refused(visit: Visit) -> None:
    """An outsider gets a refusal instead of the form."""
    olga = await visit("olga")
    await expect(olga.hint).to_contain_text("You are olga, an outsider")
    await olga.type("/cancel-order ord_1001")
    await expect(olga.message("You may not ask for cancellations here")).to_contain_text("Only visible to you")
    await expect(olga.dialog).to_have_count(0)


async def test_a_form_error_is_shown_on_its_field(visit: Visit, playground: Playground) -> None:
    """A bad order ID is explained on its field, which gets the focus; with a good one the form is accepted."""
    ann = await visit("ann")
    await ann.type("/cancel-order")
    order = ann.dialog.get_by_label("Order ID")
    await ann.dialog.get_by_role("button", name="Ask for approval").click()
    await expect(ann.dialog.get_by_role("alert").first).to_have_text("Please complete this required field.")
    await order.fill("ord#1")
    await ann.dialog.get_by_role("button", name="Ask for approval").click()
    await expect(ann.dialog.get_by_role("alert").first).to_contain_text("An order ID has 1 to 64 letters")
    await expect(order).to_be_focused()
    await expect(order).to_have_attribute("aria-invalid", "true")
    await order.fill("ord_1002")
    await ann.dialog.get_by_role("button", name="Ask for approval").click()
    await expect(ann.dialog).to_have_count(0)
    await expect(ann.message("ord_1002")).to_be_visible()


async def test_a_lost_answer_is_asked_for_again(visit: Visit, playground: Playground) -> None:
    """After a lost answer the bot asks again, and the order is cancelled once."""
    desk = await visit("ann")
    await desk.page.get_by_label("Next answer").select_option("lost")
    await desk.ask("ord_1001")
    await desk.choose("ben")
    await desk.approve("ord_1001")
    await expect(desk.message("✅ Cancelled")).to_be_visible()
    await desk.page.get_by_role("button", name="1 reply").click()
    lost_before = "An earlier answer of the gateway was lost or not clear. Asked again"
    await expect(desk.page.locator("#replies")).to_contain_text(lost_before)
    calls = desk.page.locator(".calls li")
    await expect(calls).to_have_count(2)
    await expect(calls.last).to_contain_text("the answer was lost on the way; this call cancelled the order")
    await calls.first.locator("summary").click()
    await expect(calls.first).to_contain_text("X-Api-Key: ***")
    await expect(calls.first).to_contain_text("ORDER_ALREADY_CANCELLED")
    await expect(desk.page.get_by_label("Next answer")).to_have_value("")
    assert playground.gateway.effects == {"ord_1001": 1}


async def test_a_gateway_that_is_down_and_then_slow(visit: Visit, playground: Playground) -> None:
    """While the gateway is down the card gets a Retry button, which works once the gateway is up, even slowly."""
    desk = await visit("ann")
    page = desk.page
    await page.get_by_role("switch", name="Down").click()
    await expect(page.locator("#gateway-state")).to_have_text("down")
    await desk.ask("ord_1001")
    await desk.choose("ben")
    await desk.approve("ord_1001")
    await expect(desk.message("the gateway could not be reached")).to_be_visible()
    await page.get_by_role("switch", name="Down").click()
    await page.get_by_role("switch", name="Slow").click()
    await expect(desk.hint).to_contain_text("Choose Retry")
    await desk.button("Retry").click()
    await desk.dialog.get_by_role("button", name="Retry").click()
    await expect(desk.message("the gateway has not confirmed it yet")).to_be_visible()
    await expect(desk.message("✅ Cancelled")).to_be_visible()
    assert len(playground.gateway.calls) == 1


async def test_an_order_that_is_completed_in_between_must_be_refunded(visit: Visit) -> None:
    """An order completed between request and approval is not cancelled, and the thread says what to do."""
    desk = await visit("ann")
    await desk.page.get_by_label("ID of a new order").fill("ord_mine")
    await desk.button("Add order").click()
    await desk.ask("ord_mine")
    await desk.page.get_by_label("State of ord_mine").select_option("completed")
    await desk.choose("cleo")
    await desk.approve("ord_mine")
    await expect(desk.message("Not cancelled: the order is completed")).to_be_visible()
    await desk.page.get_by_role("button", name="1 reply").click()
    await expect(desk.page.locator("#replies")).to_contain_text("Use a refund instead")


async def test_two_approvers_click_at_once(visit: Visit, playground: Playground) -> None:
    """One of two approvals at the same moment counts, the other person learns so, and there is one call."""
    ann, ben, cleo = await visit("ann"), await visit("ben"), await visit("cleo")
    await ann.ask("ord_1001")
    for each in (ben, cleo):
        await each.message("ord_1001").get_by_role("button", name="Approve").click()
    clicks = [each.dialog.get_by_role("button", name="Approve").click() for each in (ben, cleo)]
    await asyncio.gather(*clicks)
    for each in (ann, ben, cleo):
        await expect(each.message("✅ Cancelled")).to_contain_text("1 of 1 approval")
    late = await playground.slack.space.changes.wait_for(
        lambda: [message.only_for for message in playground.slack.space.posted if message.only_for is not None]
    )
    (told, other) = (ben, cleo) if late == [BEN] else (cleo, ben)
    await expect(told.message("Nothing has changed: ")).to_be_visible()
    await expect(other.message("Nothing has changed: ")).to_have_count(0)
    assert len(playground.gateway.calls) == 1


async def test_with_a_quorum_of_two_the_hint_names_the_next_approver(browser: Browser, database: Path) -> None:
    """The hint does not name somebody who has approved already."""
    async with running(database, settings={"APPROVALS_REQUIRED": "2"}) as playground:
        server = PageServer(playground)
        await server.start()
        card = await playground.ask("ord_1001", "twice")
        page = await browser.new_page()
        await page.goto(f"{server.url}#ann")
        await expect(page.locator("#hint")).to_contain_text("Choose ben at the top")
        await playground.ben.click(card, "approve")
        await expect(page.locator("#hint")).to_contain_text("Choose cleo at the top")
        await page.close()
        await server.stop()


async def test_an_order_id_that_the_bot_would_refuse_cannot_be_added(visit: Visit, playground: Playground) -> None:
    """The box keeps the bad order ID, so that it can be corrected."""
    desk = await visit("ann")
    box = desk.page.get_by_label("ID of a new order")
    await box.fill("bad id!")
    await desk.button("Add order").click()
    await expect(box).to_have_value("bad id!")
    await box.fill("ord-good_1")
    await desk.button("Add order").click()
    await expect(desk.page.get_by_label("State of ord-good_1")).to_be_visible()
    assert "bad id!" not in playground.gateway.orders


async def test_a_message_that_was_refused_is_not_lost(visit: Visit, playground: Playground) -> None:
    """A command does not work in a thread, and stays in the box."""
    playground.ben.say("hello", PAYMENTS)
    ann = await visit("ann")
    await ann.page.get_by_role("button", name="Reply in thread to ben").click()
    box = ann.page.get_by_role("combobox", name="Reply")
    await box.fill("/cancel-order ord_1001")
    await box.press("Enter")
    await expect(ann.page.locator("#toast")).to_contain_text("not supported in threads")
    await expect(box).to_have_value("/cancel-order ord_1001")


async def test_the_newest_message_stays_in_sight_on_a_phone(visit: Visit, playground: Playground) -> None:
    """The end of the channel is visible at first and after each new message."""
    for number in range(12):
        playground.ben.say(f"message {number}", PAYMENTS)
    ann = await visit("ann", viewport={"width": 390, "height": 844})
    await expect(ann.message("message 11")).to_be_in_viewport()
    await playground.ask("ord_1001", "twice")
    await expect(ann.message("ord_1001").get_by_role("button", name="More actions")).to_be_in_viewport(ratio=1)


async def test_a_click_on_a_stale_button_is_answered(visit: Visit, playground: Playground) -> None:
    """A click changes nothing, and says why, if the card was decided while the question was open."""
    ann, ben, cleo = await visit("ann"), await visit("ben"), await visit("cleo")
    await ann.ask("ord_1001")
    await ben.message("ord_1001").get_by_role("button", name="Approve").click()
    await cleo.message("ord_1001").get_by_role("button", name="Reject").click()
    await cleo.dialog.get_by_label("Why do you reject the cancellation of ord_1001?").fill("wrong *customer*")
    await cleo.dialog.get_by_role("button", name="Reject").click()
    await expect(ben.message("⛔ Rejected").locator("blockquote").last).to_have_text("wrong *customer*")
    await ben.dialog.get_by_role("button", name="Approve").click()
    await expect(ben.message("this request was already rejected")).to_contain_text("Only visible to you")
    assert not playground.gateway.calls


async def test_a_changed_record_is_noticed_while_the_bot_runs(visit: Visit, database: Path) -> None:
    """An event edited by another program shows up on the page by itself."""
    ann = await visit("ann")
    await ann.ask("ord_1001")
    proof = ann.page.locator("#proof")
    await expect(proof).to_contain_text("The record is intact: 4 events, head #4·")
    other = sqlite3.connect(database)
    with other:
        other.execute("DROP TRIGGER audit_events_no_update")
        other.execute("UPDATE audit_events SET actor = 'U0OLGA' WHERE seq = 2")
    other.close()
    await expect(proof).to_contain_text("Event 2 does not have the content that it was written with")
    await expect(ann.page.locator("#events .broken")).to_have_count(3)
