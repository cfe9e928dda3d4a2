"""The shortcuts and the list of reasons, as the bot itself offers them."""

from typing import Any

import pytest
from playwright.async_api import expect

from bot.sandbox.playground.playground import Playground
from bot.sandbox.stage import PAYMENTS
from tests.browser.conftest import Visit
from tests.browser.test_keyboard import tab_to
from tests.browser.test_screens import SIZES, violations
from tests.browser.test_stories import made

pytestmark = pytest.mark.asyncio(loop_scope="session")


@SIZES
async def test_a_message_in_a_thread_becomes_a_request(visit: Visit, playground: Playground, viewport: Any) -> None:
    """The form has the order IDs of the message, and card and receipt lead back to it."""
    root = playground.ben.say("The basket of case 77 came twice", PAYMENTS)
    playground.ben.say("It is ord_1001 and ord_1004, paid with card 4242.", PAYMENTS, root.ts)
    desk = await visit("ann", viewport=viewport)
    await expect(desk.message("case 77").get_by_role("button", name="1 reply")).to_be_visible()
    reply = (await desk.open_thread()).locator(".message", has_text="ord_1001 and ord_1004")
    await reply.hover()
    await reply.get_by_role("button", name="Shortcuts").click()
    await desk.page.get_by_role("menuitem", name="Cancel an order").click()
    await expect(desk.dialog.get_by_label("Order ID")).to_have_value("ord_1001\nord_1004")
    found = await violations(desk, "form of a message")
    await desk.dialog.get_by_label("Reason").select_option("Ordered twice")
    await desk.confirm("Ask for approval")
    await desk.button("Close thread").click()
    card = desk.message("asks to cancel 2 orders")
    await expect(card).to_contain_text("Asked from a message: Open the message")
    found += await violations(desk, "card with its source")
    await card.get_by_role("link", name="Open the message").click()
    await expect(desk.page.locator("#replies .message.flash")).to_contain_text("ord_1001 and ord_1004")
    await desk.button("Close thread").click()
    await desk.go("cancel-desk")
    await expect(desk.message("Waiting for approval")).to_contain_text("Asked from a message: Open the message")
    found += await violations(desk, "receipt with its source")
    assert found == []


@SIZES
async def test_a_message_in_a_thread_becomes_a_request_by_keyboard(
    visit: Visit, playground: Playground, viewport: Any
) -> None:
    """Thread, menu, form, and the link of the card back to the message work without a mouse."""
    root = playground.ben.say("The basket of case 77 came twice", PAYMENTS)
    playground.ben.say("It is ord_1001 and ord_1004.", PAYMENTS, root.ts)
    desk = await visit("ann", viewport=viewport)
    keys, dialog = desk.page.keyboard, desk.dialog
    await expect(desk.message("case 77").get_by_role("button", name="1 reply")).to_be_visible()
    await tab_to(desk, "1 reply", "Shift+Tab")
    await keys.press("Enter")
    await expect(desk.page.get_by_role("combobox", name="Reply…")).to_be_focused()
    reply = desk.page.locator("#replies .message", has_text="ord_1001 and ord_1004")
    await tab_to(desk, "Shortcuts for the message of ben", "Shift+Tab")
    await expect(reply.get_by_role("button", name="Shortcuts")).to_be_focused()
    await keys.press("Enter")
    await expect(desk.page.get_by_role("menuitem", name="Cancel an order")).to_be_focused()
    await keys.press("Enter")
    await expect(dialog.get_by_label("Order ID")).to_have_value("ord_1001\nord_1004")
    await expect(dialog.get_by_label("Order ID")).to_be_focused()
    await tab_to(desk, "Ask for approval")
    await keys.press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(reply.get_by_role("button", name="Shortcuts")).to_be_focused()
    await tab_to(desk, "Close thread", "Shift+Tab")
    await keys.press("Enter")
    await expect(desk.message("asks to cancel 2 orders")).to_be_visible()
    await tab_to(desk, "Open the message")
    await keys.press("Enter")
    await expect(desk.page.locator("#replies .message.flash")).to_contain_text("ord_1001 and ord_1004")


@SIZES
@made("no channel", settings={"APPROVAL_CHANNEL": ""})
async def test_a_request_from_anywhere_asks_for_the_channel(visit: Visit, viewport: Any) -> None:
    """Without a channel for all cards the form offers the person's channels, and the card goes to the chosen one."""
    desk = await visit("ann", viewport=viewport)
    await desk.button("Shortcuts").click()
    await desk.page.get_by_role("menuitem", name="Cancel an order").click()
    await desk.dialog.get_by_label("Order ID").fill("ord_1001")
    channel = desk.dialog.get_by_label("Channel")
    await expect(channel.locator("option")).to_have_text(["Choose a conversation", "# payments", "# general"])
    await desk.dialog.get_by_role("button", name="Ask for approval").click()
    await expect(desk.dialog.locator(".error:not(:empty)")).to_have_text(["Please complete this required field."])
    await expect(channel).to_be_focused()
    found = await violations(desk, "form without a channel")
    await channel.select_option("# general")
    await desk.confirm("Ask for approval")
    await desk.go("general")
    await expect(desk.message("asks to cancel order ord_1001")).to_be_visible()
    await desk.go("payments")
    await expect(desk.message("asks to cancel order ord_1001")).to_have_count(0)
    assert found == []


@SIZES
@made("required", settings={"REASON_REQUIRED": "true"})
async def test_a_reason_must_be_chosen_and_can_have_a_note(visit: Visit, viewport: Any) -> None:
    """Without a reason the form is not sent; the card has reason and note, and a look-up finds it by its reason."""
    desk = await visit("ann", viewport=viewport)
    await desk.say("/cancel-order ord_1001")
    reason = desk.dialog.get_by_label("Reason")
    await desk.dialog.get_by_role("button", name="Ask for approval").click()
    await expect(desk.dialog.locator(".error:not(:empty)")).to_have_text(["Please complete this required field."])
    await expect(reason).to_be_focused()
    found = await violations(desk, "form without a reason")
    await reason.select_option("Fraud")
    await desk.dialog.get_by_label("Note").fill("the bank has called")
    await desk.confirm("Ask for approval")
    await expect(desk.message("asks to cancel order").locator("blockquote")).to_have_text("Fraud: the bank has called")
    await desk.say("/cancel-order ord_1004 wrong amount: 12 instead of 21")
    await expect(reason).to_have_value("Wrong amount")
    await expect(desk.dialog.get_by_label("Note")).to_have_value("12 instead of 21")
    await desk.confirm("Ask for approval")
    await desk.choose("vera")
    await desk.say("/cancel-audit fraud")
    await expect(desk.message("Cancellations on record")).to_contain_text("ord_1001")
    await expect(desk.message("Cancellations on record")).not_to_contain_text("ord_1004")
    found += await violations(desk, "look-up by reason")
    assert found == []


@made("words", settings={"REASONS": "", "REASON_REQUIRED": "true"})
async def test_without_a_list_the_words_are_required(visit: Visit) -> None:
    """The field for the reason must be filled in."""
    desk = await visit("ann")
    await desk.say("/cancel-order ord_1001")
    await desk.dialog.get_by_role("button", name="Ask for approval").click()
    await expect(desk.dialog.locator(".error:not(:empty)")).to_have_text(["Please complete this required field."])
    await expect(desk.dialog.get_by_label("Reason")).to_be_focused()
    await desk.dialog.get_by_label("Reason").fill("ordered twice")
    await desk.confirm("Ask for approval")
    await expect(desk.message("ordered twice")).to_be_visible()
