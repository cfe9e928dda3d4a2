"""The playground in a real browser, without a mouse."""

import pytest
from playwright.async_api import expect

from bot.sandbox.playground.playground import Playground
from tests.browser.conftest import Visit, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_paging_by_keyboard_keeps_the_focus_on_the_buttons(visit: Visit, playground: Playground) -> None:
    """On the last page there is no Older button, so the Newer button gets the focus, not the first link."""
    for number in range(12):
        await playground.ask(f"ord_p{number}", "twice")
    vera = await visit("vera")
    await vera.type("/cancel-audit")
    await vera.button("Older").press("Enter")
    await expect(vera.button("Newer")).to_be_focused()


async def focused(visitor: Visitor) -> str:
    """Return the label or the text of the element with the focus."""
    return str(
        await visitor.page.evaluate(
            "(({ tagName, ariaLabel, labels, textContent }) =>"
            " tagName === 'BODY' ? '' : ariaLabel || labels?.[0]?.textContent || textContent)"
            "(document.activeElement)"
        )
    )


async def tab_to(visitor: Visitor, name: str, key: str = "Tab") -> None:
    """Press Tab until this has the focus, if it does not have it already."""
    for _ in range(80):
        if name in await focused(visitor):
            return
        await visitor.page.keyboard.press(key)
    pytest.fail(f"Tab never reaches {name}")


async def test_a_modal_keeps_the_focus_and_gives_it_back(visit: Visit) -> None:
    """Tab stays inside the form, Escape closes it, and the focus returns to where it was."""
    desk = await visit("ann")
    keys = desk.page.keyboard
    box = desk.page.get_by_role("combobox", name="Message #payments")
    await expect(box).to_be_focused()
    await keys.type("/cancel-order ord_1001")
    await keys.press("Enter")
    order = desk.dialog.get_by_label("Order ID")
    await expect(order).to_be_focused()
    stops = []
    for _ in range(6):
        await keys.press("Tab")
        stops.append(await focused(desk))
    assert stops == ["Reason (optional)", "Close", "Ask for approval", "Close form", "Order ID", "Reason (optional)"]
    await keys.press("Shift+Tab")
    await keys.press("Shift+Tab")
    assert await focused(desk) == "Close form"
    await keys.press("Escape")
    await expect(desk.dialog).to_have_count(0)
    await expect(box).to_be_focused()
    await keys.type("/cancel-order ord_1001")
    await keys.press("Enter")
    await expect(order).to_be_focused()


async def test_the_whole_way_by_keyboard(visit: Visit, playground: Playground) -> None:
    """Every step of a request works without a mouse."""
    desk = await visit("ann")
    keys, page = desk.page.keyboard, desk.page
    box = page.get_by_role("combobox", name="Message #payments")
    await expect(box).to_be_focused()
    await keys.type("/cancel-o")
    await keys.press("Tab")
    await expect(box).to_have_value("/cancel-order ")
    await keys.type("ord_1001")
    await keys.press("Enter")
    await expect(desk.dialog.get_by_label("Order ID")).to_be_focused()
    await tab_to(desk, "Ask for approval")
    await keys.press("Enter")
    await expect(desk.message("ord_1001")).to_be_visible()
    await expect(box).to_be_focused()

    await tab_to(desk, "benapproves", "Shift+Tab")
    await keys.press("Enter")
    await expect(desk.person("ben")).to_have_attribute("aria-pressed", "true")
    await expect(desk.person("ben")).to_be_focused()
    await tab_to(desk, "Approve")
    await keys.press("Space")
    await expect(desk.dialog).to_be_visible()
    await keys.press("Escape")
    await expect(desk.message("ord_1001").get_by_role("button", name="Approve")).to_be_focused()
    await keys.press("Enter")
    await expect(desk.dialog.get_by_role("button", name="Approve")).to_be_focused()
    await keys.press("Enter")
    await expect(desk.message("✅ Cancelled").get_by_role("button", name="1 reply")).to_be_visible()
    await tab_to(desk, "1 reply")
    await keys.press("Enter")
    await expect(page.get_by_role("combobox", name="Reply…")).to_be_focused()
    await keys.press("Escape")
    await expect(page.get_by_role("region", name="Thread", exact=True)).to_be_hidden()
    assert "1 reply" in await focused(desk)

    await tab_to(desk, "veraaudits", "Shift+Tab")
    await keys.press("Enter")
    await expect(desk.person("vera")).to_have_attribute("aria-pressed", "true")
    await tab_to(desk, "Message #payments")
    await keys.type("/cancel-audit @b")
    await keys.press("Enter")
    await expect(box).to_have_value("/cancel-audit @ben ")
    await keys.press("Enter")
    await expect(desk.message("Cancellations on record for @ben")).to_be_visible()
    assert playground.gateway.effects == {"ord_1001": 1}
