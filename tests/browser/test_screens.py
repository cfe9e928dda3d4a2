"""Every screen, wide and narrow, light and dark, is readable and reachable, and nothing is off the edge."""

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.async_api import expect

from bot.sandbox.playground.playground import Playground
from tests.browser.conftest import NARROW, WIDE, Visit, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")

PICTURES = os.environ.get("PICTURES")
"""The folder for the pictures of the documentation, or None."""


async def violations(visitor: Visitor, screen: str) -> list[str]:
    """Return what axe-core finds on this screen in both themes, and whether something is off the edge."""
    problems = []
    await visitor.page.evaluate(AXE_SCRIPT)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        await visitor.page.emulate_media(color_scheme=scheme)
        # Colours are measured as they end up, not half-way through an animation.
        await visitor.page.evaluate("document.getAnimations().forEach((each) => each.finish())")
        found: list[dict[str, Any]] = await visitor.page.evaluate("axe.run().then(({ violations }) => violations)")
        problems += [
            f"{screen}, {scheme}: {rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
            for rule in found
            for node in rule["nodes"]
        ]
    wider: int = await visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return problems + ([f"{screen}: {wider} pixels are off the edge"] if wider > 0 else [])


SIZES = pytest.mark.parametrize("viewport", [pytest.param(WIDE, id="wide"), pytest.param(NARROW, id="narrow")])


@SIZES
async def test_forms_and_questions_are_accessible(visit: Visit, viewport: Any) -> None:
    """Typing, a form and a question are accessible, and nothing is wider than the page."""
    desk = await visit("ann", viewport=viewport)
    found = await violations(desk, "empty channel")
    await desk.page.get_by_role("combobox", name="Message").fill("/can")
    await expect(desk.page.get_by_role("listbox", name="Suggestions").get_by_role("option")).to_have_count(2)
    found += await violations(desk, "completion")
    await desk.type("/cancel-order")
    await expect(desk.dialog).to_be_visible()
    found += await violations(desk, "form")
    await desk.dialog.get_by_label("Order ID").fill("no order")
    await desk.dialog.get_by_role("button", name="Ask for approval").click()
    await expect(desk.dialog.get_by_role("alert").first).not_to_be_empty()
    found += await violations(desk, "form with an error")
    await desk.dialog.get_by_role("button", name="Close", exact=True).click()
    await expect(desk.dialog).to_have_count(0)
    await desk.ask("ord_1001")
    await desk.approve("ord_1001")
    await expect(desk.message("Only approvers can do that")).to_be_visible()
    found += await violations(desk, "card, and a private answer")
    await desk.choose("ben")
    await desk.message("ord_1001").get_by_role("button", name="Approve").click()
    found += await violations(desk, "question")
    assert found == []


@SIZES
async def test_everything_to_read_is_accessible(visit: Visit, playground: Playground, viewport: Any) -> None:
    """Threads, answers, gateway and record are accessible, and nothing is wider than the page."""
    desk = await visit("ben", viewport=viewport)
    page = desk.page

    async def show(pane: str) -> None:
        if viewport == NARROW:
            await page.get_by_role("navigation", name="Panes").get_by_role("button", name=pane).click()

    await playground.ask("ord_1001", "twice")
    await desk.approve("ord_1001")
    await page.get_by_role("button", name="1 reply").click()
    await expect(page.locator("#replies")).to_contain_text("confirmed it")
    found = await violations(desk, "thread")
    await show("Gateway")
    await page.locator(".calls summary").click()
    await page.get_by_role("switch", name="Slow").click()
    await expect(page.get_by_role("switch", name="Slow")).to_have_attribute("aria-checked", "true")
    found += await violations(desk, "gateway")
    await show("Audit record")
    found += await violations(desk, "audit record")
    await show("Slack")
    await page.get_by_role("button", name="Close thread").click()
    await desk.choose("vera")
    await desk.type("/cancel-audit")
    await expect(desk.message("Cancellations on record")).to_be_visible()
    await desk.type("/cancel-audit nonsense!")
    await expect(desk.message("is not a filter")).to_be_visible()
    found += await violations(desk, "look-up")
    await desk.choose("ann")
    await page.get_by_role("link", name="cancel-desk").click()
    await expect(desk.message("Open the card")).to_have_count(2)  # the receipt and the result
    found += await violations(desk, "direct messages")
    assert found == []


async def test_the_theme_can_be_chosen(visit: Visit) -> None:
    """The page begins with the system's theme; the button changes it, and the choice stays."""
    desk = await visit("ann", color_scheme="light")
    back = "getComputedStyle(document.body).backgroundColor"
    light = await desk.page.evaluate(back)
    await desk.button("☾ Dark").click()
    dark = await desk.page.evaluate(back)
    assert light != dark
    await desk.page.reload()
    await expect(desk.button("☀ Light")).to_be_visible()
    assert await desk.page.evaluate(back) == dark


async def test_a_new_message_elsewhere_is_marked_unread(visit: Visit) -> None:
    """A card in another channel counts as unread until the person opens that channel."""
    ann, ben = await visit("ann"), await visit("ben")
    await ben.page.get_by_role("link", name="general").click()
    await expect(ben.page.locator("#place")).to_have_text("# general")
    await ann.ask("ord_1001")
    await ben.page.get_by_role("link", name="payments 1 unread").click()
    await expect(ben.message("ord_1001")).to_be_visible()
    await expect(ben.page.get_by_role("link", name="payments", exact=True)).to_be_visible()
    await ben.page.reload()
    await expect(ben.page.get_by_role("link", name="payments", exact=True)).to_be_visible()


async def test_people_can_talk(visit: Visit) -> None:
    """People's messages appear for the others without reloading, in channels and threads, as text alone."""
    ann, ben = await visit("ann"), await visit("ben")
    await ann.type("<b>hello</b> @ben, *look*")
    row = ben.message("<b>hello</b> @ben, look")
    await expect(row.locator(".mention.mine")).to_have_text("@ben")
    await expect(row.locator("strong")).to_have_text("look")
    await row.get_by_role("button", name="Reply in thread").click()
    await ben.page.get_by_role("combobox", name="Reply…").fill("I do")
    await ben.page.get_by_role("combobox", name="Reply…").press("Enter")
    await ann.page.get_by_role("button", name="1 reply").click()
    await expect(ann.page.locator("#replies")).to_contain_text("I do")
    await ann.type("/nonsense now")
    await expect(ann.message("/nonsense is not a valid command")).to_contain_text("Only visible to you")


async def test_three_pictures_for_the_documentation(visit: Visit, playground: Playground, tmp_path: Path) -> None:
    """Cards with a thread, a receipt and look-ups make three small pictures; PICTURES=docs keeps them."""
    folder = Path(PICTURES) if PICTURES else tmp_path
    folder.mkdir(exist_ok=True)
    playground.switches.slow_by = 5.0
    for number in range(2001, 2011):
        playground.gateway.add_order(f"ord_{number}", "pending")
        await playground.ben.click(await playground.ask(f"ord_{number}", "paid twice"), "approve")
    desk = await visit("ann", viewport={"width": 1280, "height": 720})
    await desk.ask("ord_1002", "wrong amount")
    await desk.choose("cleo")
    await desk.message("ord_1002").get_by_role("button", name="Reject").click()
    await desk.dialog.get_by_role("textbox").fill("I called the customer: the amount is right")
    await desk.dialog.get_by_role("button", name="Reject").click()
    await expect(desk.message("⛔ Rejected")).to_be_visible()
    await desk.choose("ann")
    await desk.ask("ord_1001", "The customer ordered twice")
    await desk.choose("ben")
    await desk.approve("ord_1001")
    await expect(desk.message("The customer ordered twice")).to_contain_text("✅ Cancelled")
    await desk.choose("ann")
    await desk.ask("ord_1004", "The customer called: wrong address")
    await desk.choose("ben")
    await expect(desk.message("asks to cancel order ord_1004")).to_contain_text("To decide: @ben, @cleo")
    await desk.message("The customer ordered twice").get_by_role("button", name="1 reply").click()
    await expect(desk.page.locator("#replies")).to_contain_text("confirmed it")
    await desk.screenshot(folder / "card.jpg")
    await desk.button("Close thread").click()
    await desk.choose("ann")
    await desk.go("cancel-desk")
    receipt = desk.message("Waiting for approval")
    await expect(receipt).to_contain_text("Needs 1 approval in #payments.")
    await desk.page.mouse.move(0, 0)
    await receipt.screenshot(path=folder / "receipt.jpg", type="jpeg", quality=75, animations="disabled")
    await desk.choose("vera")
    await desk.go("general")
    await desk.type("/cancel-audit")
    await expect(desk.message("1–10 of 13 requests")).to_be_visible()
    await desk.button("Older").click()
    await expect(desk.message("11–13 of 13 requests")).to_be_visible()
    await desk.type("/cancel-audit ord_1001")
    await expect(desk.message("Cancellations on record for ord_1001")).to_be_visible()
    await desk.screenshot(folder / "audit.jpg")
    assert sum((folder / name).stat().st_size for name in ("card.jpg", "receipt.jpg", "audit.jpg")) < 300_000
