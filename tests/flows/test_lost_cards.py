"""A card that Slack shows and does not let the bot change: its channel is gone, archived, or the bot may not write."""

import pytest

from bot.domain.cancellation import State
from bot.domain.events import CardBlocked, SettledCancelled, SettledNotCancelled
from bot.domain.policy import Surface
from bot.sandbox.faults import Drop
from bot.sandbox.workspace import Posted
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
    assert "approvers can go on with it on their Home tabs" in errors["order_id"]
