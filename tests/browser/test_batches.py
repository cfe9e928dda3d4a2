"""Several orders in one request, from the form to the last summary, by mouse and by keyboard alone."""

from typing import Any

import pytest
from playwright.async_api import Locator, expect

from bot.sandbox.gateway_answers import error, too_many
from bot.sandbox.playground.playground import Playground
from tests.browser.conftest import Visit
from tests.browser.test_keyboard import tab_to
from tests.browser.test_screens import SIZES, violations
from tests.browser.test_stories import PAUSING

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIVE = ("ord_1001", "ord_1002", "ord_1003", "ord_1004", "ord_1006")
"""The third is completed, so that the gateway refuses to cancel it."""


def one_fails_and_one_waits(playground: Playground) -> None:
    """Let the gateway reject the credentials once for the fourth order, and have the bot come later for the fifth."""
    playground.gateway.faults.add("ord_1004", error(401, "INVALID_API_KEY", "X-Api-Key is missing or wrong."))
    playground.gateway.faults.add("ord_1006", too_many(3600))


@SIZES
@PAUSING
async def test_five_orders_by_mouse(visit: Visit, playground: Playground, viewport: Any) -> None:
    """Form, card, progress and receipt show each of the orders, in both themes."""
    one_fails_and_one_waits(playground)
    desk = await visit("ann", viewport=viewport)
    await desk.say("/cancel-order")
    orders = desk.dialog.get_by_label("Order ID")
    await orders.fill("\n".join((*FIVE[:4], "ord#1006", "ord_1001")))
    await desk.dialog.get_by_label("Reason").select_option("Ordered twice")
    await desk.dialog.get_by_label("Note").fill("The shop sent the basket again")
    await desk.dialog.get_by_role("button", name="Ask for approval").click()
    await expect(desk.dialog.get_by_role("alert").first).to_contain_text("ine 5")
    found = await violations(desk, "form with an error in one line")
    await orders.fill("\n".join(FIVE))
    await desk.confirm("Ask for approval")
    card = desk.message("asks to cancel 5 orders")
    for order in FIVE:
        await expect(card).to_contain_text(order)
    await expect(desk.hint).to_contain_text("Your request for 5 orders needs an approver.")
    found += await violations(desk, "card of five orders")
    await desk.choose("ben")
    await expect(desk.hint).to_contain_text("ann asks to cancel 5 orders.")
    await card.get_by_role("button", name="Approve").click()
    await expect(desk.dialog).to_contain_text("This cancels 5 orders at the payment gateway now.")
    found += await violations(desk, "question about five orders")
    await desk.confirm("Approve")

    card = desk.message("asked to cancel 5 orders")
    how = "2 cancelled, 1 completed: refund, 1 failed: credentials rejected, 1 under way"
    await expect(card).to_contain_text(f"5 orders: {how}")
    await expect(card).to_contain_text("Not confirmed yet: 1 order.")
    await expect(desk.button("Retry")).to_have_count(0)
    found += await violations(desk, "progress of five orders")
    await desk.choose("ann")
    await desk.go("cancel-desk")
    await expect(desk.message(how)).to_contain_text("You get another message when all of them have ended.")
    found += await violations(desk, "receipt of five orders under way")
    assert found == []


async def edges(part: Locator) -> tuple[float, float]:
    """Return how far the upper and the lower edge are from the top of the page, in pixels."""
    box = await part.bounding_box()
    assert box is not None
    return box["y"], box["y"] + box["height"]


@SIZES
async def test_the_buttons_of_a_long_form_stay_in_view(visit: Visit, viewport: Any) -> None:
    """With an error among many orders the label and the buttons are in view, and so is the cursor in the next field."""
    desk = await visit("ann", viewport=viewport)
    await desk.say("/cancel-order")
    orders = desk.dialog.get_by_label("Order ID")
    await orders.fill("\n".join((*(f"ord_{number}" for number in range(2001, 2030)), "ord#1")))
    await desk.dialog.get_by_role("button", name="Ask for approval").click()
    await expect(desk.dialog.get_by_role("alert").first).to_contain_text("Line 30")
    assert await violations(desk, "long form with an error") == []
    assert (await edges(desk.dialog.locator("label").first))[0] >= (await edges(desk.dialog.locator(".head")))[1]
    await desk.page.keyboard.press("Tab")
    await desk.page.keyboard.press("Tab")
    await expect(desk.dialog.get_by_label("Note")).to_be_focused()
    line = 20
    assert (await edges(desk.dialog.get_by_label("Note")))[0] + line <= (await edges(desk.dialog.locator(".foot")))[0]


@SIZES
@PAUSING
async def test_five_orders_end_by_mouse(visit: Visit, playground: Playground, viewport: Any) -> None:
    """Try now, summary, Retry, messages and look-up show each of the orders, in both themes."""
    one_fails_and_one_waits(playground)
    await playground.fill_in("\n".join(FIVE), "twice")
    await playground.ben.click(await playground.card("5 orders"), "approve")
    desk = await visit("ben", viewport=viewport)
    card = desk.message("asked to cancel 5 orders")
    await desk.button("Try now").click()
    how = "3 cancelled, 1 completed: refund, 1 failed: credentials rejected"
    await expect(card).to_contain_text(f"5 orders: {how}")
    await expect(desk.hint).to_contain_text(f"5 orders: {how}. Choose Retry on the card.")
    found = await violations(desk, "card of five orders that ended")
    await expect(desk.page.get_by_role("button", name="2 replies")).to_be_visible()
    thread = await desk.open_thread()
    summary = thread.locator(".message", has_text="Record #")
    await expect(summary).to_contain_text("1 completed: refund.")
    await expect(summary).to_contain_text("ord_1004")
    await expect(summary).not_to_contain_text("ord_1001")
    found += await violations(desk, "summary in the thread")
    await desk.button("Close thread").click()
    await card.get_by_role("button", name="Retry").click()
    await expect(desk.dialog).to_contain_text("The same cancellation of order ord_1004 is sent once more.")
    await desk.confirm("Retry")
    await expect(card).to_contain_text("5 orders: 4 cancelled, 1 completed: refund")
    await desk.choose("ann")
    await expect(desk.hint).to_contain_text("Your request for 5 orders has ended: 4 cancelled, 1 completed: refund.")
    await desk.go("cancel-desk")
    await expect(desk.message("5 orders: 4 cancelled, 1 completed: refund")).to_have_count(2)
    found += await violations(desk, "receipt and summaries for the requester")
    await desk.go("payments")
    await desk.choose("vera")
    await desk.say("/cancel-audit")
    await expect(desk.message("Cancellations on record").first).to_contain_text("ord_1006")
    await desk.say("/cancel-audit ord_1004")
    await expect(desk.message("Cancellations on record for ord_1004")).to_contain_text("approved · all 5 orders · @ben")
    found += await violations(desk, "look-ups of five orders")
    assert found == []
    assert playground.gateway.effects == {order: 1 for order in FIVE if order != "ord_1003"}


@SIZES
@PAUSING
async def test_five_orders_by_keyboard(visit: Visit, playground: Playground, viewport: Any) -> None:
    """Lines and the select of the form, approval, Try now, summary, Retry and look-up work without a mouse."""
    one_fails_and_one_waits(playground)
    desk = await visit("ann", viewport=viewport)
    keys, page = desk.page.keyboard, desk.page
    box = page.get_by_role("combobox", name="Message #payments")
    await expect(box).to_be_focused()
    await keys.type("/cancel-order ")
    await keys.press("Enter")
    await expect(desk.dialog.get_by_label("Order ID")).to_be_focused()
    await keys.type("\n".join(FIVE))
    await keys.press("Tab")
    await expect(desk.dialog.get_by_label("Reason")).to_be_focused()
    await keys.press("W")
    await expect(desk.dialog.get_by_label("Reason")).to_have_value("Wrong amount")
    await tab_to(desk, "Ask for approval")
    await keys.press("Enter")
    await expect(desk.message("asks to cancel 5 orders")).to_contain_text("Wrong amount")
    await expect(box).to_be_focused()

    await tab_to(desk, "benapproves", "Shift+Tab")
    await keys.press("Enter")
    await expect(desk.person("ben")).to_have_attribute("aria-pressed", "true")
    await tab_to(desk, "Approve")
    await keys.press("Enter")
    await expect(desk.dialog.get_by_role("button", name="Approve")).to_be_focused()
    await keys.press("Enter")
    await expect(desk.button("Try now")).to_be_visible()
    card = desk.message("asked to cancel 5 orders")
    await tab_to(desk, "Try now", "Shift+Tab")
    await keys.press("Enter")
    await expect(card).to_contain_text("3 cancelled, 1 completed: refund, 1 failed: credentials rejected")
    await expect(page.get_by_role("button", name="replies")).to_be_visible()
    await tab_to(desk, "replies", "Shift+Tab")
    await keys.press("Enter")
    await expect(page.locator("#replies")).to_contain_text("5 orders: 3 cancelled")
    await keys.press("Escape")
    await tab_to(desk, "Retry", "Shift+Tab")
    await keys.press("Enter")
    await expect(desk.dialog.get_by_role("button", name="Retry")).to_be_focused()
    await keys.press("Enter")
    await expect(card).to_contain_text("4 cancelled, 1 completed: refund")

    await tab_to(desk, "veraaudits", "Shift+Tab")
    await keys.press("Enter")
    await expect(desk.person("vera")).to_have_attribute("aria-pressed", "true")
    await tab_to(desk, "Message #payments")
    await keys.type("/cancel-audit ord_1003")
    await keys.press("Enter")
    await expect(desk.message("Cancellations on record for ord_1003")).to_be_visible()
    assert playground.gateway.effects == {order: 1 for order in FIVE if order != "ord_1003"}


async def test_the_next_answer_is_for_one_order_of_several(visit: Visit, playground: Playground) -> None:
    """The gateway's menu gives a fault to one call, so one order fails and the other is cancelled."""
    desk = await visit("ann")
    await desk.page.get_by_label("Next answer").select_option("401")
    await desk.say("/cancel-order ord_1001 ord_1002 twice")
    await desk.confirm("Ask for approval")
    await desk.choose("ben")
    await desk.message("asks to cancel 2 orders").get_by_role("button", name="Approve").click()
    await desk.confirm("Approve")
    card = desk.message("asked to cancel 2 orders")
    await expect(card).to_contain_text("1 cancelled")
    await expect(card).to_contain_text("1 failed: credentials rejected")
    await expect(desk.page.get_by_label("Next answer")).to_have_value("")
    assert len(playground.gateway.calls) == 2
    await desk.button("Retry").click()
    await desk.confirm("Retry")
    await expect(desk.message("2 orders: all cancelled")).to_be_visible()
    assert playground.gateway.effects == {"ord_1001": 1, "ord_1002": 1}
