"""The bot's own Home tab, used from asking to the end, by mouse and by keyboard alone."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from bot.sandbox.faults import Drop
from bot.sandbox.playground.playground import Playground
from bot.sandbox.stage import PAYMENTS
from tests.browser.conftest import Visit, Visitor
from tests.browser.test_keyboard import tab_to
from tests.browser.test_screens import SIZES, violations
from tests.flows.desk import QUICK

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def open_home(desk: Visitor) -> Locator:
    """Open the Home tab with the mouse, and return it."""
    await desk.go("cancel-desk")
    await desk.page.get_by_role("link", name="Home", exact=True).click()
    return desk.page.get_by_role("region", name="Home")


@SIZES
async def test_the_home_tab_from_asking_to_the_end(visit: Visit, playground: Playground, viewport: Any) -> None:
    """Somebody asks there and withdraws there, an approver approves and rejects there, and all hear how it ended."""
    desk = await visit("ann", viewport=viewport)
    home = await open_home(desk)
    await expect(home).to_contain_text("You have no open request.")
    await expect(home).not_to_contain_text("Waiting for you")
    await expect(desk.hint).to_contain_text("This is your Home tab")
    found = await violations(desk, "empty Home tab of a requester")
    await home.get_by_role("button", name="New request").click()
    await desk.dialog.get_by_label("Order ID").fill("ord_1001\nord_1002\nord_1004")
    await desk.dialog.get_by_label("Reason").select_option("Ordered twice")
    await desk.confirm("Ask for approval")
    await expect(home).to_contain_text("⏳ Waiting for approval · 3 orders")
    await playground.ask("ord_1006", "wrong address")
    await expect(home).to_contain_text("order ord_1006: “wrong address”")
    await expect(home.get_by_role("button", name="Withdraw")).to_have_count(2)
    found += await violations(desk, "Home tab of a requester")

    await desk.choose("ben")
    await expect(home).to_contain_text("asks to cancel 3 orders")
    await expect(home).to_contain_text("wrong address")
    found += await violations(desk, "Home tab of an approver")
    await home.get_by_role("link", name="Open").last.click()
    await expect(desk.page.locator(".message.flash")).to_contain_text("asks to cancel order ord_1006")
    home = await open_home(desk)
    await home.get_by_role("button", name="Approve").first.click()
    await expect(desk.dialog).to_contain_text("This cancels 3 orders at the payment gateway now.")
    await desk.confirm("Approve")
    await expect(home).to_contain_text("✅ 3 orders: all cancelled")
    await home.get_by_role("button", name="Reject").click()
    await expect(desk.dialog).to_contain_text("Why do you reject the cancellation of ord_1006?")
    found += await violations(desk, "form to reject on the Home tab")
    await desk.dialog.get_by_role("textbox").fill("The address is right")
    await desk.confirm("Reject")
    await expect(home).to_contain_text("⛔ Rejected · order ord_1006")
    await expect(home).to_contain_text("Nothing waits for your decision.")
    found += await violations(desk, "Home tab of an approver who has decided")
    assert found == []
    assert playground.gateway.effects == {"ord_1001": 1, "ord_1002": 1, "ord_1004": 1}


@SIZES
async def test_a_request_is_withdrawn_on_the_home_tab(visit: Visit, playground: Playground, viewport: Any) -> None:
    """The requester has the button; an auditor reads how it ended, and an outsider reads nothing of it."""
    await playground.ask("ord_1006", "once more")
    desk = await visit("ann", viewport=viewport)
    home = await open_home(desk)
    await home.get_by_role("button", name="Withdraw").click()
    await expect(desk.dialog).to_contain_text("The request ends, and it does not cancel order ord_1006.")
    await desk.confirm("Withdraw")
    await expect(home).to_contain_text("↩️ Withdrawn · order ord_1006")
    await expect(home).to_contain_text("You have no open request.")
    found = await violations(desk, "Home tab after a withdrawal")
    await desk.choose("vera")
    await expect(home).to_contain_text("↩️ Withdrawn · order ord_1006")
    await desk.choose("olga")
    await expect(home).to_contain_text("Nothing yet.")
    await expect(home.get_by_role("button", name="New request")).to_have_count(0)
    found += await violations(desk, "Home tab of an outsider")
    assert found == []
    assert not playground.gateway.calls


@SIZES
async def test_an_unknown_order_is_settled_on_the_home_tab(
    visit: Visit, playground: Playground, viewport: Any, tmp_path: Path
) -> None:
    """An approver finds it there with the buttons of its card, also if nobody can use the card any more."""
    for _ in range(QUICK.max_attempts):
        playground.gateway.faults.add("ord_1001", Drop(after_effect=True))
    await playground.ask("ord_1001", "ordered twice")
    desk = await visit("ben", viewport=viewport)
    home = await open_home(desk)
    await home.get_by_role("button", name="Approve").click()
    await desk.confirm("Approve")
    await expect(home).to_contain_text("Outcome not known")
    await expect(home).to_contain_text("Not known whether the order is cancelled")
    found = await violations(desk, "Home tab with an unknown outcome")
    await desk.screenshot(Path(os.environ.get("PICTURES", tmp_path)) / f"unknown-{viewport['width']}.jpg")
    await desk.choose("olga")
    await expect(home).to_contain_text("Nothing yet.")
    await desk.choose("ben")
    await home.get_by_role("button", name="More actions").click()
    await desk.page.get_by_role("menuitem", name="Settle by hand: it is cancelled").click()
    await desk.dialog.get_by_role("textbox").fill("the console shows it as cancelled")
    await desk.confirm("Settle")
    await expect(home).not_to_contain_text("Outcome not known")
    await expect(home).to_contain_text("📝 Settled by hand: cancelled · order ord_1001")
    found += await violations(desk, "Home tab after that")
    assert found == []


@SIZES
async def test_the_home_tab_while_everything_is_frozen(visit: Visit, playground: Playground, viewport: Any) -> None:
    """A banner says who stopped it; a click is refused in a modal; afterwards the same click counts."""
    await playground.ask("ord_1001", "ordered twice")
    desk = await visit("ben", viewport=viewport)
    home = await open_home(desk)
    await expect(home.get_by_role("button", name="Approve")).to_be_visible()
    await playground.cleo.command("/cancel-order freeze wrong price list", PAYMENTS)
    await expect(home).to_contain_text("🧊 Everything is frozen by @cleo")
    found = await violations(desk, "Home tab while frozen")
    await home.get_by_role("button", name="Approve").click()
    await desk.confirm("Approve")
    await expect(desk.dialog).to_contain_text("Nothing has changed. Try again when it is over.")
    await expect(desk.hint).to_have_text("Read this, and close it.")
    found += await violations(desk, "refusal in a modal")
    await desk.dialog.get_by_role("button", name="Close", exact=True).click()
    await expect(desk.dialog).to_have_count(0)
    await home.get_by_role("button", name="New request").click()
    await expect(desk.dialog).to_contain_text("Everything is frozen")
    await desk.dialog.get_by_role("button", name="Close", exact=True).click()
    assert not playground.gateway.calls
    await playground.ben.command("/cancel-order unfreeze", PAYMENTS)
    await expect(home).not_to_contain_text("🧊")
    await home.get_by_role("button", name="Approve").click()
    await desk.confirm("Approve")
    await expect(home).to_contain_text("✅ Cancelled · order ord_1001")
    assert found == []


@SIZES
async def test_the_home_tab_by_keyboard(visit: Visit, playground: Playground, viewport: Any) -> None:
    """Asking, approving, rejecting and withdrawing there work without a mouse, and the focus stays in the tab."""
    desk = await visit("ann", viewport=viewport)
    keys, home = desk.page.keyboard, desk.page.get_by_role("region", name="Home")
    await tab_to(desk, "✕cancel-desk", "Shift+Tab")
    await keys.press("Enter")
    await tab_to(desk, "Home")
    await keys.press("Enter")
    await expect(home).to_contain_text("You have no open request.")
    for orders in ("ord_1001", "ord_1004\nord_1006"):
        await tab_to(desk, "New request")
        await keys.press("Enter")
        await expect(desk.dialog.get_by_label("Order ID")).to_be_focused()
        await keys.type(orders)
        await tab_to(desk, "Ask for approval")
        await keys.press("Enter")
        await expect(desk.dialog).to_have_count(0)
    await expect(home).to_contain_text("⏳ Waiting for approval · 2 orders")
    await playground.ask("ord_1002", "third")
    await expect(home.get_by_role("button", name="Withdraw")).to_have_count(3)
    await tab_to(desk, "Withdraw")
    await keys.press("Enter")
    await expect(desk.dialog.get_by_role("button", name="Withdraw")).to_be_focused()
    await keys.press("Enter")
    await expect(home).to_contain_text("↩️ Withdrawn · order ord_1001")

    await tab_to(desk, "benapproves", "Shift+Tab")
    await keys.press("Enter")
    await expect(home).to_contain_text("asks to cancel 2 orders")
    await tab_to(desk, "Approve")
    await keys.press("Space")
    await expect(desk.dialog.get_by_role("button", name="Approve")).to_be_focused()
    await keys.press("Enter")
    await expect(home).to_contain_text("✅ 2 orders: all cancelled")
    await tab_to(desk, "Reject", "Shift+Tab")
    await keys.press("Enter")
    await expect(desk.dialog.get_by_role("textbox")).to_be_focused()
    await keys.type("not this one")
    await tab_to(desk, "Reject")
    await keys.press("Enter")
    await expect(home).to_contain_text("⛔ Rejected · order ord_1002")
    assert playground.gateway.effects == {"ord_1004": 1, "ord_1006": 1}
