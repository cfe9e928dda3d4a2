"""A card that Slack shows and does not let the bot change: its channel is gone, archived, or the bot may not write."""

import json

import pytest

from bot.domain.cancellation import State
from bot.domain.events import CardBlocked, SettledCancelled, SettledNotCancelled
from bot.domain.policy import Surface
from bot.sandbox.faults import Drop
from bot.sandbox.workspace import Posted
from bot.store import open_reader, verify
from tests.flows.desk import PAYMENTS, Desk

REFUSALS = pytest.mark.parametrize(
    "problem",
    ["channel_not_found", "is_archived", "restricted_action", "edit_window_closed", "cant_update_message"],
)


async def lost(desk: Desk, problem: str = "channel_not_found") -> Posted:
    """Return the card of a request that is approved and sent, after which its channel takes nothing any more."""
    desk.gateway.faults.always("ord_1", Drop(after_effect=True))
    card = await desk.ask("ord_1")
    await desk.receipt("Open the card")
    desk.slack.refusals.start(problem, channel=PAYMENTS)
    await desk.ben.click(card, "approve")
    await desk.wait(lambda: any("out of date" in desk.ann.reads(each) for each in desk.results(desk.ann)))
    await desk.receipt("Approvers can go on with it on their Home tabs.")
    return card


async def blocked(desk: Desk) -> list[CardBlocked]:
    """Return what is on record about cards that Slack does not take."""
    return [each.content for each in await desk.events() if isinstance(each.content, CardBlocked)]


@REFUSALS
async def test_a_card_that_cannot_be_changed_is_told_and_recorded_once(desk: Desk, problem: str) -> None:
    """However many updates Slack refuses, the requester reads once what is wrong and where people can go on."""
    await lost(desk, problem)
    await desk.running_bot.worker.until_idle()
    (found,) = await blocked(desk)
    assert (found.channel, found.problem, found.outdated) == (PAYMENTS, problem, True)
    assert len([each for each in desk.results(desk.ann) if "out of date" in desk.ann.reads(each)]) == 1


async def test_an_update_that_slack_takes_at_last_ends_the_warning(desk: Desk) -> None:
    """The receipt says no more than is so."""
    card = await lost(desk)
    desk.slack.heal()
    await desk.card_says(card, "Settle by hand")
    receipt = await desk.receipt()
    await desk.wait(lambda: "I can't bring the approval card" not in desk.ann.reads(receipt))


@pytest.mark.parametrize("cancelled", [True, False])
async def test_an_unknown_order_is_settled_on_the_home_tab(desk: Desk, cancelled: bool) -> None:
    """No order is blocked for ever because its card is where nobody can press anything."""
    await lost(desk)
    await desk.cleo.open_home()
    await desk.wait(lambda: "Outcome not known" in desk.cleo.reads_home())
    assert "typed twice" in desk.cleo.reads_home()
    await desk.cleo.click_home("more", f"Settle by hand: it is {'' if cancelled else 'not '}cancelled")
    await desk.wait(lambda: desk.cleo.modal)
    assert await desk.cleo.submit(how="console, 10:05") is None
    await desk.wait(lambda: "Outcome not known" not in desk.cleo.reads_home())
    kind = SettledCancelled if cancelled else SettledNotCancelled
    (found,) = [each.content for each in await desk.events() if isinstance(each.content, kind)]
    assert (found.how, found.surface) == ("console, 10:05", Surface.HOME)
    assert not (await desk.state() or State.UNKNOWN).open


async def test_an_unknown_order_is_retried_on_the_home_tab(desk: Desk) -> None:
    """The button of the card works there as well."""
    await lost(desk)
    desk.gateway.faults.clear()
    await desk.cleo.open_home()
    await desk.wait(lambda: "[ Retry ]" in desk.cleo.reads_home())
    await desk.cleo.click_home("retry")
    await desk.wait(lambda: "Outcome not known" not in desk.cleo.reads_home())
    await desk.receipt("✅ Cancelled")
    assert await desk.state() is State.CANCELLED


async def test_the_home_tab_asks_nobody_about_their_own_unknown_order(desk: Desk) -> None:
    """Another approver has to settle it; and people who decide nothing read nothing of it."""
    desk.gateway.faults.always("ord_1", Drop(after_effect=True))
    card = await desk.ask("ord_1", person=desk.ben)
    await desk.cleo.click(card, "approve")
    await desk.card_says(card, "Settle by hand")
    for person in (desk.ben, desk.olga):
        await person.open_home()
        await desk.wait(lambda person=person: "Lately" in person.reads_home())
        assert "Outcome not known" not in person.reads_home()


@pytest.mark.parametrize("waiting", [2, 10])
async def test_an_unknown_order_is_on_the_home_tab_whatever_else_waits(desk: Desk, waiting: int) -> None:
    """It may be the only place where somebody can settle it, and requests of several orders take much room."""
    await lost(desk)
    desk.slack.heal()
    for number in range(waiting):
        await desk.ann.command("/cancel-order", PAYMENTS)
        await desk.wait(lambda: desk.ann.modal)
        await desk.ann.submit(order_id=f"ord_a{number}\nord_b{number}", reason="w" * 200)
    await desk.cleo.open_home()
    await desk.wait(lambda: f"ord_b{waiting - 1}" in desk.cleo.reads_home() or "not shown" in desk.cleo.reads_home())
    home = desk.cleo.reads_home()
    assert "Settle by hand: it is cancelled" in home
    await desk.cleo.click_home("more", "Settle by hand: it is cancelled")
    await desk.wait(lambda: desk.cleo.modal)


async def test_nobody_is_sent_to_buttons_that_are_not_there(desk: Desk) -> None:
    """A click on the old card names the Home tab, and so does the form of a second request for the order."""
    card = await lost(desk)
    await desk.cleo.click(card, "approve")
    told = await desk.told(desk.cleo)
    assert "approvers can go on with it on their Home tabs" in told
    assert "the card shows" not in told
    errors = await desk.fill_in("ord_1", person=desk.olga)
    assert errors is not None
    assert "approvers see on their Home tabs what they can do" in errors["order_id"]


async def ends(desk: Desk, card: Posted, how: str) -> str:
    """End the request of this card away from it; return the heading of the receipt after that."""
    if how == "withdraw":
        await desk.ann.click(await desk.receipt("[ Withdraw ]"), "withdraw")
        return "Withdrawn"
    await desk.ben.open_home()
    if how == "reject":
        await desk.wait(lambda: "[ Reject ]" in desk.ben.reads_home())
        await desk.ben.click_home("reject")
        await desk.wait(lambda: desk.ben.modal)
        assert await desk.ben.submit(reason="not this one") is None
        return "Rejected"
    await desk.wait(lambda: "[ Approve ]" in desk.ben.reads_home())
    await desk.ben.click_home("approve")
    return "✅ Cancelled"


ENDINGS = pytest.mark.parametrize("how", ["withdraw", "reject", "approve"])


@ENDINGS
async def test_the_receipt_says_after_the_end_that_the_card_still_asks(desk: Desk, how: str) -> None:
    """Nobody is led without a word to a card with buttons that do nothing any more, and nobody is notified of it."""
    card = await desk.ask("ord_1")
    await desk.receipt("Open the card")
    desk.slack.refusals.start("is_archived", channel=PAYMENTS)
    heading = await ends(desk, card, how)
    receipt = await desk.receipt("Whatever it still asks for, nobody can do it any more.")
    assert heading in desk.ann.reads(receipt)
    assert "Open the card" in desk.ann.reads(receipt)
    await desk.running_bot.worker.until_idle()
    (found,) = await blocked(desk)
    assert (found.outdated, found.told_directly) == (True, False)
    assert not [each for each in desk.results(desk.ann) if "out of date" in desk.ann.reads(each)]
    desk.slack.heal()
    await desk.wait(lambda: "[ Approve ]" not in desk.ann.reads(card))
    await desk.wait(lambda: "Whatever it still asks for" not in desk.ann.reads(receipt))


async def test_a_warning_outlives_the_end_of_the_request(desk: Desk) -> None:
    """What the receipt said about the card before the end is as true after it."""
    card = await lost(desk)
    await desk.cleo.open_home()
    await desk.wait(lambda: "Outcome not known" in desk.cleo.reads_home())
    await desk.cleo.click_home("more", "Settle by hand: it is cancelled")
    await desk.wait(lambda: desk.cleo.modal)
    assert await desk.cleo.submit(how="console, 10:05") is None
    await desk.receipt("Whatever it still asks for, nobody can do it any more.")
    assert "[ Approve ]" in desk.ann.reads(card)


@ENDINGS
async def test_no_link_leads_to_a_card_that_was_deleted(desk: Desk, how: str) -> None:
    """The receipt and the Home tab lose the link as soon as the bot hears of it, or lead to a card in its place."""
    card = await desk.ask("ord_1")
    await desk.receipt("Open the card")
    desk.slack.space.delete_message(card.channel, card.ts)
    heading = await ends(desk, card, how)
    receipt = await desk.receipt(heading)
    gone = card.ts.replace(".", "")
    await desk.wait(lambda: gone not in json.dumps(receipt.blocks))
    await desk.ann.open_home()
    await desk.wait(lambda: "Lately" in desk.ann.reads_home() and "ord_1" in desk.ann.reads_home())
    assert desk.ann.home is not None
    assert gone not in json.dumps(desk.ann.home.view)
    with open_reader(desk.place) as tables:
        assert verify(tables).damage is None
