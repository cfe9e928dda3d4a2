"""The whole story in a real browser: by clicking, by keyboard alone, and with two people at once."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from bot.sandbox.person import Person
from bot.sandbox.playground.server import PageServer
from bot.sandbox.playground.world import BEN, PAYMENTS, World
from tests.browser.conftest import Visit, Visitor, ask, running

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_whole_story_by_clicking(visit: Visit, world: World) -> None:
    """Ask, approve, read the result in thread and direct message, look it up: as the hints say, by mouse alone."""
    page = (desk := await visit("ann")).page
    await desk.hint.get_by_role("button", name="/cancel-order ord_1001 ordered twice").click()
    await desk.button("Send").click()
    form = page.get_by_role("dialog", name="Cancel an order")
    await expect(form.get_by_label("Order id")).to_have_value("ord_1001")
    await expect(form.get_by_label("Reason")).to_have_value("ordered twice")
    await form.get_by_role("button", name="Ask for approval").click()
    card = desk.message("Cancel this order?")
    await expect(card.locator("blockquote")).to_have_text("ordered twice")
    await expect(card).to_contain_text("Asked by @ann, today")

    await expect(desk.hint).to_contain_text("Choose ben")
    await desk.choose("ben")
    await expect(desk.hint).to_contain_text("press Approve")
    await card.get_by_role("button", name="Approve").click()
    question = page.get_by_role("alertdialog", name="Cancel this order?")
    await expect(question).to_contain_text("Order ord_1001 will be cancelled")
    await question.get_by_role("button", name="Go back").click()
    assert not world.gateway.calls
    await desk.approve("ord_1001")
    await expect(desk.message("✅ Cancelled")).to_contain_text("Approved (1 of 1) by @ben")
    await expect(card).to_have_count(0)

    await page.get_by_role("button", name="1 reply").click()
    thread = page.get_by_role("region", name="Thread", exact=True)
    await expect(thread).to_contain_text("The gateway confirmed it.")
    await page.get_by_role("button", name="Close thread").click()
    await expect(thread).to_be_hidden()

    await desk.choose("ann")
    await page.get_by_role("link", name="cancel-desk 1 unread").click()
    await expect(page.locator("#place")).to_have_text("cancel-desk")
    await page.get_by_role("link", name="Open the card").click()
    await expect(page.locator("#place")).to_have_text("# payments")
    await expect(page.locator(".message.flash")).to_contain_text("✅ Cancelled")

    await expect(desk.hint).to_contain_text("Choose vera")
    await desk.choose("vera")
    await desk.hint.get_by_role("button", name="/cancel-audit @ben state:cancelled").click()
    await desk.button("Send").click()
    answer = desk.message("Cancellations on record for @ben state:cancelled")
    await expect(answer).to_contain_text("Only visible to you")
    await expect(answer).to_contain_text("asked by @ann · decided by @ben · “ordered twice” · card")
    assert world.gateway.effects == {"ord_1001": 1}


async def test_self_approval_is_refused_to_the_clicker_alone(visit: Visit, world: World) -> None:
    """An approver who asked is told that this does not count; nobody else sees that, and it is on record."""
    ben, cleo = await visit("ben"), await visit("cleo")
    await ben.ask("ord_1001")
    await ben.approve("ord_1001")
    told = ben.message("You asked for this yourself")
    await expect(told).to_contain_text("Only visible to you")
    await expect(ben.page.locator("#events")).to_contain_text("own request")
    await expect(ben.hint).to_have_text("Your own approval does not count. Choose cleo at the top.")
    await expect(cleo.message("ord_1001")).to_be_visible()
    await expect(cleo.message("You asked for this yourself")).to_have_count(0)
    assert not world.gateway.calls


async def test_an_outsider_is_refused(visit: Visit) -> None:
    """Who is not among the requesters gets words instead of the form."""
    olga = await visit("olga")
    await expect(olga.hint).to_contain_text("You are olga, an outsider")
    await olga.type("/cancel-order ord_1001")
    await expect(olga.message("You are not among the people who may ask")).to_contain_text("Only visible to you")
    await expect(olga.dialog).to_have_count(0)


async def test_a_form_error_stands_on_its_field(visit: Visit, world: World) -> None:
    """A bad order id is told on the field, which gets the focus; mended, the form is taken."""
    ann = await visit("ann")
    await ann.type("/cancel-order")
    order = ann.dialog.get_by_label("Order id")
    await ann.dialog.get_by_role("button", name="Ask for approval").click()
    await expect(ann.dialog.get_by_role("alert").first).to_have_text("Please complete this required field.")
    await order.fill("my order")
    await ann.dialog.get_by_role("button", name="Ask for approval").click()
    await expect(ann.dialog.get_by_role("alert").first).to_contain_text("An order id has 1 to 64 letters")
    await expect(order).to_be_focused()
    await expect(order).to_have_attribute("aria-invalid", "true")
    await order.fill("ord_1002")
    await order.press("Enter")
    await expect(ann.dialog).to_have_count(0)
    await expect(ann.message("ord_1002")).to_be_visible()


async def test_a_lost_answer_is_ridden_out(visit: Visit, world: World) -> None:
    """The gateway cancels but its answer is lost: the bot asks again, and the order is cancelled once."""
    desk = await visit("ann")
    await desk.page.get_by_role("switch", name="Lose the next answer").click()
    await desk.ask("ord_1001")
    await desk.choose("ben")
    await desk.approve("ord_1001")
    await expect(desk.message("✅ Cancelled")).to_be_visible()
    await desk.page.get_by_role("button", name="1 reply").click()
    await expect(desk.page.locator("#replies")).to_contain_text("The first answer was lost; asked again")
    calls = desk.page.locator(".calls li")
    await expect(calls).to_have_count(2)
    await expect(calls.last).to_contain_text("the answer was lost on the way; this call cancelled the order")
    await calls.first.locator("summary").click()
    await expect(calls.first).to_contain_text("X-Api-Key: ***")
    await expect(calls.first).to_contain_text("ORDER_ALREADY_CANCELLED")
    await expect(desk.page.get_by_role("switch", name="Lose the next answer")).to_have_attribute(
        "aria-checked", "false"
    )
    assert world.gateway.effects == {"ord_1001": 1}


async def test_a_gateway_that_is_down_and_slow_is_waited_out(visit: Visit, world: World) -> None:
    """Switched off, the gateway leads to Retry; switched on again, Retry settles it, also slowly."""
    desk = await visit("ann")
    page = desk.page
    await page.get_by_role("switch", name="Down").click()
    await expect(page.locator("#gateway-state")).to_have_text("down")
    await desk.ask("ord_1001")
    await desk.choose("ben")
    await desk.approve("ord_1001")
    await expect(desk.message("the gateway could not be asked")).to_be_visible()
    await page.get_by_role("switch", name="Down").click()
    await page.get_by_role("switch", name="Slow").click()
    await expect(desk.hint).to_contain_text("Press Retry")
    await desk.button("Retry").click()
    await desk.dialog.get_by_role("button", name="Retry").click()
    await expect(desk.message("on its way to the gateway")).to_be_visible()
    await expect(desk.message("✅ Cancelled")).to_be_visible()
    assert len(world.gateway.calls) == 1


async def test_an_order_that_is_completed_meanwhile_must_be_refunded(visit: Visit) -> None:
    """Completed between request and approval, the order is not cancelled, and the thread says what to do."""
    desk = await visit("ann")
    await desk.page.get_by_label("Id of a new order").fill("ord_mine")
    await desk.button("Add order").click()
    await desk.ask("ord_mine")
    await desk.page.get_by_label("State of ord_mine").select_option("completed")
    await desk.choose("cleo")
    await desk.approve("ord_mine")
    await expect(desk.message("Not cancelled by this request: the gateway refused")).to_be_visible()
    await desk.page.get_by_role("button", name="1 reply").click()
    await expect(desk.page.locator("#replies")).to_contain_text("Use a refund instead")


async def test_two_approvers_click_at_once(visit: Visit, world: World) -> None:
    """In two browsers at the same moment: one approval counts, the other is told, and there is one call."""
    ann, ben, cleo = await visit("ann"), await visit("ben"), await visit("cleo")
    await ann.ask("ord_1001")
    for each in (ben, cleo):
        await each.message("ord_1001").get_by_role("button", name="Approve").click()
    clicks = [each.dialog.get_by_role("button", name="Approve").click() for each in (ben, cleo)]
    await asyncio.gather(*clicks)
    for each in (ann, ben, cleo):
        await expect(each.message("✅ Cancelled")).to_contain_text("Approved (1 of 1)")
    late = await world.slack.space.changes.wait_for(
        lambda: [message.only_for for message in world.slack.space.posted if message.only_for is not None]
    )
    (told, other) = (ben, cleo) if late == [BEN] else (cleo, ben)
    await expect(told.message("Your click changed nothing")).to_be_visible()
    await expect(other.message("Your click changed nothing")).to_have_count(0)
    assert len(world.gateway.calls) == 1


async def test_with_a_quorum_of_two_the_hint_names_who_is_missing(browser: Browser, database: Path) -> None:
    """Who approved already is not asked again."""
    async with running(database, approvals=2) as world:
        server = PageServer(world)
        await server.start()
        card = await ask(world, "ord_1001")
        page = await browser.new_page()
        await page.goto(f"{server.url}#ann")
        await expect(page.locator("#hint")).to_contain_text("Choose ben at the top")
        await Person(world.slack, BEN).click(card, "approve")
        await expect(page.locator("#hint")).to_contain_text("Choose cleo at the top")
        await page.close()
        await server.stop()


async def test_an_order_id_that_the_bot_would_not_take_cannot_be_added(visit: Visit, world: World) -> None:
    """The box keeps it, to be put right."""
    desk = await visit("ann")
    box = desk.page.get_by_label("Id of a new order")
    await box.fill("bad id!")
    await desk.button("Add order").click()
    await expect(box).to_have_value("bad id!")
    await box.fill("ord-good_1")
    await desk.button("Add order").click()
    await expect(desk.page.get_by_label("State of ord-good_1")).to_be_visible()
    assert "bad id!" not in world.gateway.orders


async def test_a_message_that_was_not_taken_is_not_lost(visit: Visit, world: World) -> None:
    """A command does not work in a thread; it stands in the box again."""
    Person(world.slack, BEN).say("hello", PAYMENTS)
    ann = await visit("ann")
    await ann.page.get_by_role("button", name="Reply in thread to ben").click()
    box = ann.page.get_by_role("combobox", name="Reply")
    await box.fill("/cancel-order ord_1001")
    await box.press("Enter")
    await expect(ann.page.locator("#toast")).to_contain_text("not supported in threads")
    await expect(box).to_have_value("/cancel-order ord_1001")


async def test_paging_by_keyboard_keeps_the_focus_on_the_buttons(visit: Visit, world: World) -> None:
    """On the last page there is no Older any more; the way back has the focus then, not the first link."""
    for number in range(12):
        await ask(world, f"ord_p{number}")
    vera = await visit("vera")
    await vera.type("/cancel-audit")
    await vera.button("Older").press("Enter")
    await expect(vera.button("Back to the newest")).to_be_focused()


async def test_the_newest_message_stays_in_sight_on_a_phone(visit: Visit, world: World) -> None:
    """The end of the channel is shown at first and when something is new, whatever else takes room."""
    for number in range(12):
        Person(world.slack, BEN).say(f"message {number}", PAYMENTS)
    ann = await visit("ann", viewport={"width": 390, "height": 844})
    await expect(ann.message("message 11")).to_be_in_viewport()
    await ask(world, "ord_1001")
    await expect(ann.message("ord_1001").get_by_role("button", name="Withdraw")).to_be_in_viewport(ratio=1)


async def test_a_click_on_a_stale_button_is_answered(visit: Visit, world: World) -> None:
    """If the card was decided while the question was open, the click changes nothing and says why."""
    ann, ben, cleo = await visit("ann"), await visit("ben"), await visit("cleo")
    await ann.ask("ord_1001")
    await ben.message("ord_1001").get_by_role("button", name="Approve").click()
    await cleo.message("ord_1001").get_by_role("button", name="Reject").click()
    await cleo.dialog.get_by_label("Why is the cancellation of ord_1001 rejected?").fill("wrong *customer*")
    await cleo.dialog.get_by_role("button", name="Reject").click()
    await expect(ben.message("⛔ Rejected").locator("blockquote").last).to_have_text("wrong *customer*")
    await ben.dialog.get_by_role("button", name="Approve").click()
    await expect(ben.message("this request is already rejected")).to_contain_text("Only visible to you")
    assert not world.gateway.calls


async def test_a_changed_record_is_told_while_it_runs(visit: Visit, database: Path) -> None:
    """Who edits an event behind the bot's back is found out on the page, without anybody asking."""
    ann = await visit("ann")
    await ann.ask("ord_1001")
    proof = ann.page.locator("#proof")
    await expect(proof).to_contain_text("Chain whole: 3 events, head #3·")
    other = sqlite3.connect(database)
    with other:
        other.execute("DROP TRIGGER audit_events_no_update")
        other.execute("UPDATE audit_events SET actor = 'U0OLGA' WHERE seq = 2")
    other.close()
    await expect(proof).to_contain_text("Broken at event 2 (edited)")
    await expect(ann.page.locator("#events .broken")).to_have_count(2)


async def focused(visitor: Visitor) -> str:
    """What has the focus: its label, or its text."""
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
    """Tab goes round inside the form, Escape closes it, and the focus returns to where it came from."""
    desk = await visit("ann")
    keys = desk.page.keyboard
    box = desk.page.get_by_role("combobox", name="Message #payments")
    await expect(box).to_be_focused()
    await keys.type("/cancel-order ord_1001")
    await keys.press("Enter")
    order = desk.dialog.get_by_label("Order id")
    await expect(order).to_be_focused()
    stops = []
    for _ in range(6):
        await keys.press("Tab")
        stops.append(await focused(desk))
    assert stops == ["Reason (optional)", "Never mind", "Ask for approval", "Close", "Order id", "Reason (optional)"]
    await keys.press("Shift+Tab")
    await keys.press("Shift+Tab")
    assert await focused(desk) == "Close"
    await keys.press("Escape")
    await expect(desk.dialog).to_have_count(0)
    await expect(box).to_be_focused()
    await keys.type("/cancel-order ord_1001")
    await keys.press("Enter")
    await expect(order).to_be_focused()


async def test_the_whole_story_by_keyboard_alone(visit: Visit, world: World) -> None:
    """Every step of it without a mouse."""
    desk = await visit("ann")
    keys, page = desk.page.keyboard, desk.page
    box = page.get_by_role("combobox", name="Message #payments")
    await expect(box).to_be_focused()
    await keys.type("/cancel-o")
    await keys.press("Tab")
    await expect(box).to_have_value("/cancel-order ")
    await keys.type("ord_1001")
    await keys.press("Enter")
    await expect(desk.dialog.get_by_label("Order id")).to_be_focused()
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
    assert world.gateway.effects == {"ord_1001": 1}
