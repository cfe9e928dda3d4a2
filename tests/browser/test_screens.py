"""Every screen, wide and narrow, light and dark, is readable and reachable, and nothing is off the edge."""

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.async_api import Locator, expect

from bot.sandbox.playground.playground import Playground, Switches
from tests.browser.conftest import NARROW, WIDE, Visit, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")

PICTURES = os.environ.get("PICTURES")
"""The folder for the pictures of the documentation, or None."""


LAYOUT = (Path(__file__).parent / "layout.js").read_text("utf-8")
AXE = "axe.run({ rules: { 'target-size': { enabled: true } } }).then(({ violations }) => violations)"


async def violations(visitor: Visitor, screen: str) -> list[str]:
    """Return what axe-core finds on this screen in both themes, and what is wrong with its layout."""
    problems = []
    await visitor.page.evaluate(AXE_SCRIPT)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        await visitor.page.emulate_media(color_scheme=scheme)
        # Colours are measured as they end up, not half-way through an animation.
        await visitor.page.evaluate("document.getAnimations().forEach((each) => each.finish())")
        found: list[dict[str, Any]] = await visitor.page.evaluate(AXE)
        problems += [
            f"{screen}, {scheme}: {rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
            for rule in found
            for node in rule["nodes"]
        ]
    return problems + [f"{screen}: {problem}" for problem in await visitor.page.evaluate(LAYOUT)]


SIZES = pytest.mark.parametrize("viewport", [pytest.param(WIDE, id="wide"), pytest.param(NARROW, id="narrow")])


async def take(visitor: Visitor, part: Locator, path: Path) -> None:
    """Take a picture of one part of the page, with the mouse out of the way."""
    await visitor.page.mouse.move(0, 0)
    await part.screenshot(path=path, type="jpeg", quality=70, animations="disabled", caret="hide")


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
    await desk.dialog.get_by_label("Order ID").fill("ord#1")
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
    await page.get_by_label("Next answer").select_option("lost")
    await expect(page.get_by_label("Next answer")).to_have_class("state odd")
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder for pictures; PICTURES=docs keeps them."""
    folder = Path(PICTURES) if PICTURES else tmp_path
    folder.mkdir(exist_ok=True)
    return folder


THREE = "ord_1001 ord_1003 ord_1006"
"""The second is completed."""


async def test_pictures_of_requests(visit: Visit, playground: Playground, folder: Path) -> None:
    """Cards with a thread, and a receipt, make two small pictures."""
    playground.switches.slow_by = Switches().slow_by
    desk = await visit("ann", viewport={"width": 1440, "height": 810})
    await desk.type(f"/cancel-order {THREE} Ordered twice: three baskets")
    await desk.confirm("Ask for approval")
    await desk.choose("ben")
    await desk.message("asks to cancel 3 orders").get_by_role("button", name="Approve").click()
    await desk.confirm("Approve")
    ended = desk.message("3 orders: 2 cancelled, 1 completed: refund")
    await expect(ended).to_contain_text("three baskets")
    await desk.choose("ann")
    await desk.ask("ord_1004", "The customer called: wrong address")
    await desk.choose("ben")
    await expect(desk.message("asks to cancel order ord_1004")).to_contain_text("To decide: @ben, @cleo")
    await ended.get_by_role("button", name="1 reply").click()
    await expect(desk.page.locator("#replies")).to_contain_text("1 completed: refund.")
    await desk.screenshot(folder / "card.jpg")
    await desk.button("Close thread").click()
    await desk.choose("ann")
    await desk.go("cancel-desk")
    receipt = desk.message("Waiting for approval")
    await expect(receipt).to_contain_text("Needs 1 approval in #payments.")
    await take(desk, receipt, folder / "receipt.jpg")
    assert sum((folder / name).stat().st_size for name in ("card.jpg", "receipt.jpg")) < 220_000


async def test_pictures_of_the_home_tab_and_of_look_ups(visit: Visit, playground: Playground, folder: Path) -> None:
    """What waits for an approver, and two answers to an auditor, make two small pictures."""
    playground.switches.slow_by = Switches().slow_by
    for number in range(2001, 2011):
        playground.gateway.add_order(f"ord_{number}", "pending")
    await playground.ben.click(await playground.ask("ord_1002", "Wrong amount"), "reject")
    await playground.slack.space.changes.wait_for(lambda: playground.ben.modal)
    await playground.ben.submit(reason="I called the customer: the amount is right")
    await playground.fill_in(THREE.replace(" ", "\n"), "Ordered twice: three baskets")
    await playground.ben.click(await playground.card("3 orders"), "approve")
    for number in range(2003, 2011):
        await playground.ben.click(await playground.ask(f"ord_{number}", "paid twice"), "approve")
    await playground.ask("ord_1004", "The customer called: wrong address")
    await playground.fill_in("ord_2001\nord_2002", "Fraud: stolen card", person=playground.cleo)
    desk = await visit("ben", viewport={"width": 1280, "height": 920})
    await desk.go("cancel-desk")
    await desk.page.get_by_role("link", name="Home", exact=True).click()
    home = desk.page.locator("#home")
    await expect(home.get_by_role("link", name="Open")).to_have_count(2)
    await expect(home.get_by_text("✅ Cancelled")).to_have_count(8)
    await expect(home).to_contain_text("3 orders: 2 cancelled, 1 completed: refund")
    await take(desk, desk.page.locator(".conversation"), folder / "home.jpg")
    await desk.page.set_viewport_size({"width": 1280, "height": 800})
    await desk.choose("vera")
    await desk.go("general")
    await desk.type("/cancel-audit")
    await expect(desk.message("1–10 of 15 orders")).to_be_visible()
    await desk.button("Older").click()
    await expect(desk.message("11–15 of 15 orders")).to_be_visible()
    await desk.type("/cancel-audit ord_1001")
    await expect(desk.message("Cancellations on record for ord_1001")).to_be_visible()
    await desk.screenshot(folder / "audit.jpg")
    assert sum((folder / name).stat().st_size for name in ("home.jpg", "audit.jpg")) < 250_000
