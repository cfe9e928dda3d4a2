"""The playground in a real browser, without a mouse."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from bot.sandbox.faults import Drop
from bot.sandbox.playground.playground import Playground
from tests.browser.conftest import Visit, Visitor
from tests.browser.test_screens import SIZES
from tests.browser.test_stories import PAUSING
from tests.flows.desk import QUICK

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


RING = (Path(__file__).parent / "ring.js").read_text("utf-8")


@SIZES
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_stop_of_the_tab_key_shows_its_focus(
    visit: Visit, playground: Playground, viewport: Any, scheme: Any
) -> None:
    """Each has a whole ring inside the page, with a contrast of 3 to 1 at least."""
    await playground.fill_in("ord_1001\nord_1004", "twice")
    desk = await visit("ben", viewport=viewport, color_scheme=scheme)
    await expect(desk.message("2 orders")).to_be_visible()
    stops: dict[str, dict[str, Any]] = {}
    for _ in range(60):
        await desk.page.keyboard.press("Tab")
        found = await desk.page.evaluate(RING)
        if found and found["name"] in stops:
            break
        stops |= {found["name"]: found} if found else {}
    bad = [stop for stop in stops.values() if not (stop["ring"] and stop["whole"] and stop["contrast"] >= 3)]
    assert bad == []
    assert len(stops) > 20


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
    for _ in range(7):
        await keys.press("Tab")
        stops.append(await focused(desk))
    fields = ["Order ID", "Reason (optional)", "Note (optional)"]
    assert stops == [*fields[1:], "Close", "Ask for approval", "Close form", *fields[:2]]
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


async def test_a_request_is_withdrawn_on_its_receipt_by_keyboard(visit: Visit, playground: Playground) -> None:
    """The way to the receipt, its button and the question work without a mouse."""
    await playground.ask("ord_1001", "twice")
    desk = await visit("ann")
    await tab_to(desk, "✕cancel-desk", "Shift+Tab")
    await desk.page.keyboard.press("Enter")
    await expect(desk.message("Waiting for approval")).to_be_visible()
    await tab_to(desk, "Withdraw")
    await desk.page.keyboard.press("Enter")
    await expect(desk.dialog.get_by_role("button", name="Withdraw")).to_be_focused()
    await desk.page.keyboard.press("Enter")
    await expect(desk.message("↩️ Withdrawn")).to_be_visible()
    assert not playground.gateway.calls


@PAUSING
async def test_attempts_are_stopped_and_retried_by_keyboard(visit: Visit, playground: Playground) -> None:
    """The menu, its question and the Retry button work without a mouse."""
    await playground.switch("down", on=True)
    await playground.ben.click(await playground.ask("ord_1001", "twice"), "approve")
    desk = await visit("ben")
    keys = desk.page.keyboard
    await expect(desk.button("Try now")).to_be_visible()
    await tab_to(desk, "More actions", "Shift+Tab")
    await keys.press("Enter")
    await expect(desk.page.get_by_role("menuitem", name="Stop trying")).to_be_focused()
    await keys.press("Enter")
    await expect(desk.dialog.get_by_role("button", name="Stop trying")).to_be_focused()
    await keys.press("Enter")
    await expect(desk.message("Stopped by a person")).to_be_visible()
    await playground.switch("down", on=False)
    await tab_to(desk, "Retry", "Shift+Tab")
    await keys.press("Enter")
    await expect(desk.dialog.get_by_role("button", name="Retry")).to_be_focused()
    await keys.press("Enter")
    await expect(desk.message("✅ Cancelled")).to_be_visible()
    assert playground.gateway.effects == {"ord_1001": 1}


async def test_an_approver_settles_by_hand_by_keyboard(visit: Visit, playground: Playground) -> None:
    """The second option of the menu and its form work without a mouse."""
    for _ in range(QUICK.max_attempts):
        playground.gateway.faults.add("ord_1001", Drop(after_effect=False))
    await playground.ben.click(await playground.ask("ord_1001", "twice"), "approve")
    desk = await visit("ben")
    keys = desk.page.keyboard
    await expect(desk.button("Retry")).to_be_visible()
    await tab_to(desk, "More actions", "Shift+Tab")
    await keys.press("Enter")
    await keys.press("ArrowDown")
    await expect(desk.page.get_by_role("menuitem", name="it is not cancelled")).to_be_focused()
    await keys.press("Enter")
    await expect(desk.dialog.get_by_role("textbox")).to_be_focused()
    await keys.type("the console shows it as pending")
    await tab_to(desk, "Settle")
    await keys.press("Enter")
    await expect(desk.message("📝 Settled by hand: not cancelled")).to_contain_text("the console shows it as pending")
