"""The stories that a request can have, played by mouse on wide and narrow screens, with every new screen accessible.

Text is typed; everything else is a click.
"""

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from bot.sandbox.faults import Drop
from bot.sandbox.playground.playground import Playground
from bot.sandbox.stage import OLGA
from tests.browser.conftest import Visit, Visitor
from tests.browser.test_screens import SIZES, violations
from tests.flows.desk import QUICK, quick_tuning

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = timedelta(hours=1)
PATIENT = replace(QUICK, first_pause=LONG, longest_pause=LONG, told_after=timedelta(seconds=1))
"""Nothing is asked again by itself, and people hear of it at once."""


def made(name: str, **options: Any) -> pytest.MarkDecorator:
    """Return a mark for tests whose playground is made with these options."""
    return pytest.mark.parametrize("playground", [pytest.param(options, id=name)], indirect=True)


PAUSING = made("pausing", tuning=quick_tuning(patience=PATIENT))


@SIZES
@made("escalating", settings={"REMIND_AFTER": "1s", "ESCALATE_AFTER": "2s", "ESCALATE_TO": OLGA})
async def test_the_escalated_person_decides(visit: Visit, playground: Playground, viewport: Any) -> None:
    """The thread reminds the approvers, then asks olga as well, and her approval cancels the order."""
    desk = await visit("ann", viewport=viewport)
    await desk.say("/cancel-order ord_1001 ordered twice")
    await desk.confirm("Ask for approval")
    await expect(desk.page.get_by_role("button", name="2 replies")).to_be_visible()
    await desk.choose("ben")
    thread = await desk.open_thread()
    await expect(thread).to_contain_text("⏰ 1 approval needed for order ord_1001: @ben, @cleo.")
    await expect(thread).to_contain_text(
        "🔔 1 approval needed for order ord_1001. @olga: you can approve or reject this"
    )
    found = await violations(desk, "thread with a reminder and an escalation")
    await desk.button("Close thread").click()
    await desk.choose("olga")
    await expect(desk.hint).to_contain_text("Nobody has decided, so you may.")
    await expect(desk.message("To decide")).to_contain_text("To decide: @ben, @cleo, @olga")
    await desk.approve("ord_1001")
    card = desk.message("✅ Cancelled")
    await expect(card).to_contain_text("Escalated, today")
    await expect(card).to_contain_text("Approved by @olga, today")
    found += await violations(desk, "card that olga approved")
    assert found == []
    assert playground.gateway.effects == {"ord_1001": 1}


@SIZES
async def test_a_request_is_withdrawn_on_its_receipt(visit: Visit, playground: Playground, viewport: Any) -> None:
    """The receipt has a Withdraw button; it asks first, and card and receipt say how that ended."""
    desk = await visit("ann", viewport=viewport)
    await desk.say("/cancel-order ord_1001 ordered twice")
    await desk.confirm("Ask for approval")
    await expect(desk.hint).to_contain_text("Your receipt is under cancel-desk")
    await desk.go("cancel-desk")
    receipt = desk.message("Waiting for approval")
    await expect(receipt).to_contain_text("Needs 1 approval in #payments.")
    found = await violations(desk, "receipt")
    await desk.button("Withdraw").click()
    await expect(desk.dialog).to_contain_text("The request ends, and it does not cancel order ord_1001.")
    found += await violations(desk, "question of the receipt")
    await desk.confirm("Go back")
    await expect(receipt).to_be_visible()
    await desk.button("Withdraw").click()
    await desk.confirm("Withdraw")
    await expect(desk.message("↩️ Withdrawn · order ord_1001")).to_be_visible()
    await expect(desk.button("Withdraw")).to_have_count(0)
    found += await violations(desk, "receipt of a withdrawn request")
    await desk.page.get_by_role("link", name="Open the card").click()
    card = desk.message("asked to cancel order ord_1001")
    await expect(card).to_contain_text("Withdrawn by @ann, today")
    await expect(card.get_by_role("button", name="Approve")).to_have_count(0)
    assert found == []
    assert not playground.gateway.calls


async def approved_while_down(visit: Visit, playground: Playground, viewport: Any) -> Visitor:
    """Return the page of Ben, who has approved an order while the gateway is down."""
    await playground.switch("down", on=True)
    desk = await visit("ann", viewport=viewport)
    await desk.ask("ord_1001")
    await desk.choose("ben")
    await desk.approve("ord_1001")
    return desk


@SIZES
@PAUSING
async def test_attempts_are_stopped_and_the_request_is_retried(
    visit: Visit, playground: Playground, viewport: Any
) -> None:
    """While the gateway is down an approver stops the attempts in the menu; later another one retries."""
    desk = await approved_while_down(visit, playground, viewport)
    await expect(
        desk.message("Not confirmed yet after the last attempt: the gateway could not be reached")
    ).to_be_visible()
    await expect(desk.hint).to_contain_text("press Try now on the card. Stop trying is in the menu")
    await expect(desk.page.get_by_role("button", name="1 reply")).to_be_visible()
    thread = await desk.open_thread()
    await expect(thread).to_contain_text("The gateway has not settled order ord_1001 yet: @ben, @cleo.")
    found = await violations(desk, "thread about the gateway")
    await desk.button("Close thread").click()
    await desk.choose("ann")
    await desk.go("cancel-desk")
    await expect(desk.message("To stop it, press Stop trying here.")).to_be_visible()
    await expect(desk.message("The gateway has not settled order ord_1001 yet.")).to_be_visible()
    found += await violations(desk, "receipt and notice about the gateway")
    await desk.choose("cleo")
    await desk.go("payments")
    await desk.pick("Stop trying")
    await expect(desk.dialog).to_contain_text("If the requester stops it, only a new request can cancel it.")
    found += await violations(desk, "question before the stop")
    await desk.confirm("Stop trying")
    card = desk.message("✋ Stopped by a person: not cancelled by this request")
    await expect(card).to_contain_text("Stopped by @cleo, today")
    found += await violations(desk, "card of a stopped request")
    await playground.switch("down", on=False)
    await desk.choose("ben")
    await expect(desk.hint).to_contain_text("ord_1001 is not cancelled by this request. Choose Retry on the card.")
    await card.get_by_role("button", name="Retry").click()
    await desk.confirm("Retry")
    await expect(desk.message("✅ Cancelled")).to_contain_text("Retried by @ben, today")
    assert found == []
    assert len(playground.gateway.calls) == 1


@SIZES
@PAUSING
async def test_what_its_requester_stops_is_over(visit: Visit, playground: Playground, viewport: Any) -> None:
    """The question says so before, and nobody is led to a Retry afterwards."""
    desk = await approved_while_down(visit, playground, viewport)
    await expect(desk.button("Try now")).to_be_visible()
    await desk.choose("ann")
    await desk.go("cancel-desk")
    await desk.button("Stop trying").click()
    await expect(desk.dialog).to_contain_text("Then only a new request can cancel it.")
    await desk.confirm("Stop trying")
    await expect(desk.message("The requester stopped it, so nobody can retry this one.")).to_be_visible()
    await expect(desk.hint).to_contain_text("the order is not cancelled by it, and nobody can retry it")
    await playground.switch("down", on=False)
    await desk.choose("ben")
    await expect(desk.hint).not_to_contain_text("Retry")
    assert not playground.gateway.calls


@SIZES
@PAUSING
async def test_an_approver_has_the_next_attempt_made_at_once(
    visit: Visit, playground: Playground, viewport: Any
) -> None:
    """Try now works for approvers alone, and once the gateway is back it cancels the order."""
    desk = await approved_while_down(visit, playground, viewport)
    await expect(desk.button("Try now")).to_be_visible()
    found = await violations(desk, "card between two attempts")
    await desk.choose("ann")
    await desk.button("Try now").click()
    await expect(desk.message("Only approvers can do that")).to_contain_text("Only visible to you")
    await playground.switch("down", on=False)
    await desk.choose("ben")
    await desk.button("Try now").click()
    await expect(desk.message("✅ Cancelled")).to_contain_text("Try now pressed by @ben, today")
    assert found == []
    assert playground.gateway.effects == {"ord_1001": 1}


@SIZES
async def test_an_approver_settles_by_hand(visit: Visit, playground: Playground, viewport: Any) -> None:
    """The form wants to know how the approver knows; then the order is free, and the next card warns."""
    for _ in range(QUICK.max_attempts):
        playground.gateway.faults.add("ord_1001", Drop(after_effect=False))
    desk = await visit("ann", viewport=viewport)
    await desk.ask("ord_1001")
    await desk.choose("ben")
    await desk.approve("ord_1001")
    await expect(desk.message("⚠️ Not known whether the order is cancelled")).to_be_visible()
    await expect(desk.hint).to_contain_text("Settle by hand in its menu")
    await desk.button("More actions").click()
    found = await violations(desk, "card and menu of an unknown outcome")
    await desk.page.get_by_role("menuitem", name="Settle by hand: it is not cancelled").click()
    await expect(desk.dialog).to_contain_text("How do you know that ord_1001 is not cancelled at the gateway?")
    await expect(desk.hint).to_contain_text("press Settle. The bot shows it as your statement")
    await desk.dialog.get_by_role("button", name="Settle").click()
    await expect(desk.dialog.get_by_role("alert").first).to_have_text("Please complete this required field.")
    found += await violations(desk, "form to settle by hand, with an error")
    await desk.dialog.get_by_role("textbox").fill("the console shows it as pending")
    await desk.confirm("Settle")
    card = desk.message("📝 Settled by hand: not cancelled")
    await expect(card).to_contain_text("How @ben knows:")
    await expect(card.locator("blockquote").last).to_have_text("the console shows it as pending")
    found += await violations(desk, "card that was settled by hand")
    await desk.choose("ann")
    await desk.go("cancel-desk")
    await expect(desk.message("📝 Settled by hand: not cancelled")).to_have_count(2)
    found += await violations(desk, "receipt and result of a request that was settled by hand")
    await desk.go("payments")
    await desk.say("/cancel-order ord_1001 once more")
    await desk.confirm("Ask for approval")
    await expect(desk.message("once more")).to_contain_text("⚠️ An earlier request for this order ended today")
    found += await violations(desk, "card with a warning")
    assert found == []


@SIZES
async def test_everything_is_frozen_and_goes_on(visit: Visit, playground: Playground, viewport: Any) -> None:
    """While frozen the card says so, and neither an approval nor a request is taken; afterwards both are."""
    desk = await visit("ann", viewport=viewport)
    await desk.ask("ord_1001")
    await desk.choose("ben")
    await desk.say("/cancel-order freeze wrong price list")
    card = desk.message("asks to cancel order ord_1001")
    await expect(card).to_contain_text("🧊 Everything is frozen by @ben")
    await expect(desk.message("No request is taken, no approval counts")).to_contain_text("“wrong price list”")
    await desk.approve("ord_1001")
    refused = desk.message("Nothing has changed. Try again when it is over.")
    await expect(refused).to_contain_text("Only visible to you")
    found = await violations(desk, "frozen, for an approver")
    await desk.choose("ann")
    await expect(desk.hint).to_contain_text("Everything is frozen: the bot takes no request")
    await desk.say("/cancel-order ord_1004 twice")
    await expect(refused).to_be_visible()
    await expect(desk.dialog).to_have_count(0)
    await desk.go("cancel-desk")
    await expect(desk.message("🧊 Everything is frozen by @ben")).to_be_visible()
    found += await violations(desk, "receipt while frozen")
    await desk.go("payments")
    await desk.choose("ben")
    await desk.hint.get_by_role("button", name="/cancel-order unfreeze").click()
    await desk.button("Send").click()
    await expect(desk.message("The freeze is over: @ben has ended it.")).to_be_visible()
    await expect(card).not_to_contain_text("🧊")
    await desk.approve("ord_1001")
    await expect(desk.message("✅ Cancelled")).to_be_visible()
    found += await violations(desk, "after a freeze")
    assert found == []


@SIZES
async def test_the_whole_answer_comes_as_a_file(visit: Visit, playground: Playground, viewport: Any) -> None:
    """With csv at its end a look-up brings a file by direct message, which can be opened."""
    await playground.ask("ord_1001", "twice, or three times")
    desk = await visit("vera", viewport=viewport)
    await desk.hint.get_by_role("button", name="/cancel-audit csv").click()
    await desk.button("Send").click()
    await expect(desk.message("The whole answer comes as a file by direct message")).to_be_visible()
    await desk.go("cancel-desk 1 notification")
    file = desk.page.locator("#messages .file")
    await expect(file).to_contain_text(".csv")
    found = await violations(desk, "file")
    async with desk.page.expect_download() as download:
        await file.click()
    text = (await (await download.value).path()).read_text(encoding="utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert {"ord_1001", "pending", "twice, or three times"} <= set(row.values())
    assert found == []


@SIZES
@made("two approvals", settings={"APPROVALS_REQUIRED": "2"})
async def test_two_people_approve(visit: Visit, playground: Playground, viewport: Any) -> None:
    """Each question says what this approval does, and between the two the thread asks the other approver."""
    desk = await visit("ann", viewport=viewport)
    await desk.ask("ord_1001")
    await desk.choose("ben")
    await desk.message("ord_1001").get_by_role("button", name="Approve").click()
    await expect(desk.dialog).to_contain_text(
        "It needs 2 approvals, and has 0 so far. Order ord_1001 is cancelled with the last one"
    )
    found = await violations(desk, "question of the first approval")
    await desk.confirm("Approve")
    card = desk.message("asks to cancel order ord_1001")
    await expect(card).to_contain_text("1 of 2 approvals: @ben")
    await expect(card).to_contain_text("To decide: @cleo")
    await expect(desk.page.get_by_role("button", name="1 reply")).to_be_visible()
    thread = await desk.open_thread()
    await expect(thread).to_contain_text("👀 1 more approval needed for order ord_1001: @cleo.")
    found += await violations(desk, "thread after the first approval")
    await desk.button("Close thread").click()
    await desk.choose("ann")
    await desk.go("cancel-desk")
    await expect(desk.message("1 of 2 approved: @ben. Needs 1 more approval in #payments.")).to_be_visible()
    found += await violations(desk, "receipt after the first approval")
    assert not playground.gateway.calls
    await desk.go("payments")
    await desk.choose("cleo")
    await card.get_by_role("button", name="Approve").click()
    await expect(desk.dialog).to_contain_text("This is approval 2 of 2. It cancels order ord_1001")
    await desk.confirm("Approve")
    await expect(desk.message("✅ Cancelled")).to_contain_text("2 of 2 approvals: @ben, @cleo")
    assert found == []
    assert playground.gateway.effects == {"ord_1001": 1}
