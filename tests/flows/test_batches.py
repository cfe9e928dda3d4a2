"""Several orders in one request, from the form to the last message, through both ways into Slack."""

import asyncio
import copy
from typing import Any

import pytest

from bot.domain.cancellation import State
from bot.domain.events import Approved, Cancelled, ClickRefused, Retried, SettledNotCancelled
from bot.domain.policy import Verdict
from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import Drop, Hang
from bot.sandbox.person import Person
from bot.sandbox.workspace import Posted
from bot.store import open_reader, verify
from tests.flows.desk import CLEO, LOBBY, Desk

FIVE = ("ord_1", "ord_2", "ord_3", "ord_4", "ord_done")


@pytest.fixture(autouse=True)
def more_orders(quiet_desk: Desk) -> None:
    """Let the gateway know a few more orders."""
    quiet_desk.gateway.add_order("ord_4", "pending")
    quiet_desk.gateway.add_order("ord_5", "pending")


async def ask(desk: Desk, *orders: str, person: Person | None = None) -> Posted:
    """Ask for these orders at once; return the card."""
    assert await desk.fill_in("\n".join(orders), person=person) is None
    return await desk.card(orders[0])


async def states(desk: Desk, *orders: str) -> list[State | None]:
    """Return the state of the newest request of each order."""
    return [await desk.state(order) for order in orders]


async def test_a_batch_of_five_with_a_completed_order_and_a_retry(desk: Desk) -> None:
    """One card, one decision, a summary for each round, and each order is cancelled once."""
    desk.gateway.faults.always("ord_2", Drop())
    card = await ask(desk, *FIVE)
    text = desk.ann.reads(card)
    assert text.startswith("❓ @ann asks to cancel 5 orders\n> typed twice\n" + "\n".join(FIVE))
    assert "· 5 orders" in desk.ann.reads(await desk.receipt("Waiting for approval"))
    await desk.ben.click(card, "approve")
    ended = "⚠️ 5 orders: 3 cancelled, 1 not known, 1 completed: refund"
    text = await desk.card_says(card, ended)
    assert "[ Retry ] [ … Settle by hand: it is cancelled | Settle by hand: it is not cancelled ]" in text
    (reply,) = await desk.endings(card)
    for told in (reply, await desk.direct(desk.ann)):
        assert told.startswith(ended)
        assert "ord_2 ⚠️ not known" in told
        assert "ord_done ⛔ completed: refund" in told
        assert "Use a refund instead." in told
        assert not any(f"{order} " in told for order in ("ord_1", "ord_3", "ord_4"))
    desk.gateway.faults.clear()
    await desk.ben.click(card, "retry")
    text = await desk.card_says(card, "⛔ 5 orders: 4 cancelled, 1 completed: refund")
    assert "[" not in text
    assert "Retried by @ben" in text
    await desk.wait(lambda: len(desk.results(desk.ann)) == 2)
    assert len(await desk.endings(card)) == 2
    assert desk.gateway.effects["ord_2"] == 1
    assert [desk.gateway.effects[order] for order in FIVE] == [1, 1, 1, 1, 0]
    events = await desk.events()
    assert [event.order_id for event in events if isinstance(event.content, Approved)] == [""]
    assert [event.order_id for event in events if isinstance(event.content, Retried)] == ["ord_2"]
    assert len([event for event in events if isinstance(event.content, Cancelled)]) == 4
    await desk.receipt("4 cancelled, 1 completed: refund")


async def test_all_orders_of_a_batch_are_cancelled(desk: Desk) -> None:
    """The happy end: everybody reads that all are cancelled, and there is nothing left to press."""
    card = await ask(desk, "ord_1", "ord_2", "ord_3")
    await desk.ben.click(card, "approve")
    text = await desk.card_says(card, "✅ 3 orders: all cancelled")
    assert "[" not in text
    assert (await desk.endings(card))[0].startswith("✅ 3 orders: all cancelled\n✅ 3 cancelled.")
    assert await states(desk, "ord_1", "ord_2", "ord_3") == [State.CANCELLED] * 3


async def test_a_card_shows_how_far_its_orders_are(desk: Desk) -> None:
    """While one order hangs, people read how the others ended; a click then changes nothing, and says why."""
    until = asyncio.Event()
    desk.gateway.faults.always("ord_2", Hang(until))
    card = await ask(desk, "ord_1", "ord_2", "ord_done")
    early = copy.deepcopy(card)
    await desk.ben.click(card, "approve")
    text = await desk.card_says(card, "⏳ 3 orders: 1 cancelled, 1 under way, 1 completed: refund")
    assert "ord_2 ⏳ under way" in text
    await desk.cleo.click_as_seen(early, "approve")
    told = await desk.told(desk.cleo)
    assert told.startswith("Nothing has changed: this request is approved, with 3 orders: 1 cancelled, 1 under way, ")
    assert desk.results(desk.ann) == []
    until.set()
    await desk.card_says(card, "2 cancelled, 1 completed: refund")
    assert len(await desk.endings(card)) == 1


async def test_a_deleted_card_comes_back_while_orders_are_under_way(desk: Desk) -> None:
    """People follow on it how far the orders are, and stop them there; the record holds."""
    first, second = asyncio.Event(), asyncio.Event()
    desk.gateway.faults.always("ord_1", Drop())
    desk.gateway.faults.always("ord_2", Hang(first))
    desk.gateway.faults.always("ord_3", Hang(second))
    card = await ask(desk, "ord_1", "ord_2", "ord_3")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "2 under way, 1 not known")
    desk.slack.space.delete_message(card.channel, card.ts)
    first.set()
    again = await desk.card("ord_1")
    assert again.ts != card.ts
    await desk.card_says(again, "⏳ 3 orders: 1 not known, 1 cancelled, 1 under way")
    with open_reader(desk.database) as tables:
        assert verify(tables).damage is None
    second.set()
    await desk.card_says(again, "Settle by hand: it is cancelled")


async def both_failed(desk: Desk) -> Posted:
    """Return the card of two orders that the gateway, which is still under maintenance, did not take."""
    for order in ("ord_1", "ord_2"):
        desk.gateway.faults.always(order, answers.maintenance(0))
    card = await ask(desk, "ord_1", "ord_2")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "[ Retry ]")
    return card


async def test_retry_is_about_the_orders_without_a_newer_request(desk: Desk) -> None:
    """Where a newer request for one order is open, the card asks about the other alone; after its end about both."""
    card = await both_failed(desk)
    assert await desk.fill_in("ord_1", person=desk.cleo) is None
    cards = desk.slack.space.messages
    newer = await desk.wait(lambda: next((each for each in cards(card.channel) if each.button("reject")), None))
    await desk.card_says(card, "There is another open request for this order, so nobody can retry this one now.")
    assert "cancellation of order ord_2 is sent once more" in confirmation(card, "retry")
    await desk.ben.click(newer, "reject")
    await desk.wait(lambda: desk.ben.modal)
    assert await desk.ben.submit(reason="the customer wants it") is None
    await desk.card_says(card, "Another request for this order was rejected, so Retry is over.")
    desk.gateway.faults.clear()
    await desk.ben.click(card, "retry")
    await desk.card_says(card, "1 cancelled")
    assert [desk.gateway.effects[order] for order in ("ord_1", "ord_2")] == [0, 1]


async def test_an_old_question_before_retry_sends_what_it_named(desk: Desk) -> None:
    """An approver confirms it after another request for the other order has failed: that order stays as it is."""
    desk.gateway.faults.always("ord_1", answers.maintenance(0))
    desk.gateway.faults.always("ord_2", Drop(after_effect=True))
    card = await ask(desk, "ord_1", "ord_2")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "[ Retry ]")
    assert await desk.fill_in("ord_1", person=desk.cleo) is None
    await desk.card_says(card, "There is another open request for this order, so nobody can retry this one now.")
    old = desk.cleo.click_payload(card, "retry")
    assert "cancellation of order ord_2 is sent once more" in confirmation(card, "retry")
    cards = desk.slack.space.messages
    newer = await desk.wait(lambda: next((each for each in cards(card.channel) if each.button("reject")), None))
    await desk.ben.click(newer, "approve")
    await desk.card_says(newer, "[ Retry ]")
    await desk.wait(lambda: "another open request" not in desk.ann.reads(card))
    calls = [call.order_id for call in desk.gateway.calls].count("ord_1")
    desk.gateway.faults.clear()
    await desk.slack.deliver("interactive", old)
    await desk.card_says(card, "1 cancelled")
    assert [call.order_id for call in desk.gateway.calls].count("ord_1") == calls
    assert desk.gateway.effects["ord_1"] == 0


async def test_retry_tells_which_of_the_orders_that_it_named_it_does_not_send(desk: Desk) -> None:
    """Somebody asked for one of them anew while the question was open; the rest is sent, and that is on record."""
    card = await both_failed(desk)
    old = desk.cleo.click_payload(card, "retry")
    assert await desk.fill_in("ord_1", person=desk.ann) is None
    await desk.card_says(card, "There is another open request for this order, so nobody can retry this one now.")
    desk.gateway.faults.clear()
    await desk.slack.deliver("interactive", old)
    await desk.card_says(card, "1 cancelled")
    assert await desk.told(desk.cleo) == (
        "Not sent again: order ord_1. Since you were asked, another request for this order has come between. "
        "Look at that first. All others that you were asked about are sent again."
    )
    refused = [(each.actor, each.order_id) for each in await desk.events() if isinstance(each.content, ClickRefused)]
    assert refused == [(CLEO, "ord_1")]


def confirmation(message: Posted, action: str) -> str:
    """Return the question that a button asks before it acts."""
    return str((message.button(action) or {})["confirm"]["text"]["text"])


async def test_a_rejected_batch_cancels_nothing(desk: Desk) -> None:
    """One rejection ends all of it; the thread says why, and each order can be asked for again."""
    card = await ask(desk, "ord_1", "ord_2")
    await desk.ben.click(card, "reject")
    await desk.wait(lambda: desk.ben.modal)
    assert desk.ben.modal is not None
    assert "Why do you reject the cancellation of 2 orders?" in str(desk.ben.modal.view)
    assert await desk.ben.submit(reason="not these") is None
    await desk.card_says(card, "⛔ Rejected")
    assert (await desk.replies(card))[0].startswith("⛔ Rejected · 2 orders\n")
    assert desk.gateway.calls == []
    await ask(desk, "ord_2", "ord_1")


# --- the form ---------------------------------------------------------------------------------


async def test_the_command_takes_several_orders_and_a_reason(desk: Desk) -> None:
    """A word that looks like the first order is one as well; the rest is the reason."""
    await desk.ann.command("/cancel-order ord_1 ord_2 paid twice", LOBBY)
    await desk.wait(lambda: desk.ann.modal)
    assert desk.ann.modal is not None
    filled_in = {block["block_id"]: block["element"].get("initial_value") for block in desk.ann.modal.view["blocks"]}
    assert (filled_in["order_id"], filled_in["reason"]) == ("ord_1\nord_2", "paid twice")
    assert await desk.ann.submit() is None
    assert "asks to cancel 2 orders\n> paid twice\nord_1\nord_2" in desk.ann.reads(await desk.card("ord_1"))


@pytest.mark.parametrize(
    "typed", ["ord_1\nord_2\nord_3", "ord_1, ord_2,ord_3", " ord_1 ord_2\tord_3 \n\n", "ord_1;ord_2\nord_3"]
)
async def test_orders_are_separated_by_lines_commas_or_spaces(desk: Desk, typed: str) -> None:
    """However they were pasted, the card has the three."""
    assert await desk.fill_in(typed) is None
    assert "asks to cancel 3 orders" in desk.ann.reads(await desk.card("ord_3"))


FIFTY = [f"ord_{number}" for number in range(1000, 1050)]


@pytest.mark.parametrize(
    "lines, says",
    [
        ([*FIFTY, "ord_1"], ["These are 51 order IDs. One request takes at most 50: make several requests."]),
        ([*FIFTY[:16], "ord/17", *FIFTY[17:]], ["Line 17 (“ord/17”): An order ID has 1 to 64 letters, digits"]),
        (["ord_1", "ord_2", "ord_1"], ["“ord_1” is there more than once, on lines 1, 3. Write it once."]),
        (["ord_1 ord_1"], ["“ord_1” is there more than once, on line 1. Write it once."]),
        (
            ["ord_1", "a/1", "", "b/2", "c/3", "d/4", "e/5"],
            ["Line 2 (“a/1”): ", "Line 4 (“b/2”): ", "Line 5 (“c/3”): ", "2 more lines have problems."],
        ),
        (
            ["INV-1", "INV-A INV-B"],
            ["Line 2 (“INV-A INV-B”): An order ID has 1 to 64 letters"],
        ),
        (["ord_1", "ord\u200b_2"], ["Line 2 (“ord\u200b_2”): The order ID contains an invisible character"]),
    ],
)
async def test_the_form_names_the_line_that_is_wrong(desk: Desk, lines: list[str], says: list[str]) -> None:
    """The form stays open, and nothing is kept."""
    errors = await desk.fill_in("\n".join(lines))
    assert errors is not None
    assert set(errors) == {"order_id"}
    for said, line in zip(says, errors["order_id"].split("\n"), strict=True):
        assert line.startswith(said)
    assert desk.ann.modal is not None
    assert not any(event.kind == "requested" for event in await desk.events())


async def test_fifty_orders_are_one_request(desk: Desk) -> None:
    """The most that a form takes; the card shows every one of them."""
    for order in FIFTY:
        desk.gateway.add_order(order, "pending")
    card = await ask(desk, *FIFTY)
    assert all(order in desk.ann.reads(card) for order in FIFTY)
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ 50 orders: all cancelled")
    assert [desk.gateway.effects[order] for order in FIFTY] == [1] * 50
    assert len(await desk.endings(card)) == 1


async def test_orders_with_an_open_request_are_named_with_their_lines(desk: Desk) -> None:
    """Nothing of the batch is kept; without these orders it is."""
    await ask(desk, "ord_2", "ord_3", person=desk.olga)
    errors = await desk.fill_in("ord_1\nord_2\nord_4\nord_3")
    assert errors is not None
    first, second = errors["order_id"].split("\n")
    assert first.startswith("Line 2 (“ord_2”): olga asked to cancel this order on ")
    assert second.startswith("Line 4 (“ord_3”): olga asked to cancel this order on ")
    assert "that request is waiting for approval." in first
    assert await desk.state("ord_1") is None
    assert await desk.ann.submit(order_id="ord_1\nord_4", reason="typed twice") is None
    assert "asks to cancel 2 orders" in desk.ann.reads(await desk.card("ord_4"))


async def test_what_does_not_fit_on_the_card_is_not_taken(desk: Desk) -> None:
    """Nobody approves text that they could not read."""
    errors = await desk.fill_in("\n".join(f"ord_{number:050}" for number in range(50)), "&" * 2000)
    assert errors is not None
    assert errors["reason"].endswith("Shorten the reason, or ask for fewer orders at once.")


# --- settling one of several ------------------------------------------------------------------


async def unknown(desk: Desk) -> Posted:
    """Return the card of a request with two orders of three of which nobody knows the outcome."""
    for order in ("ord_1", "ord_2"):
        desk.gateway.faults.always(order, Drop())
    card = await ask(desk, "ord_1", "ord_2", "ord_3")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "2 not known, 1 cancelled")
    return card


async def test_one_of_two_unknown_orders_is_settled_in_the_form(desk: Desk) -> None:
    """The person says which one; the other waits on, and its form asks for no choice any more."""
    card = await unknown(desk)
    await desk.cleo.click(card, "settle_not_cancelled")
    await desk.wait(lambda: desk.cleo.modal)
    assert await desk.cleo.submit(order="ord_2", how="the console says so") is None
    text = await desk.card_says(card, "1 settled by hand: not cancelled")
    assert "ord_1 ⚠️ not known" in text
    assert "How @cleo knows about ord_2:\n> the console says so" in text
    reply = (await desk.endings(card))[-1]
    assert reply.startswith("📝 Settled by hand: not cancelled · order ord_2")
    (settled,) = [event for event in await desk.events() if isinstance(event.content, SettledNotCancelled)]
    assert settled.order_id == "ord_2"
    await desk.cleo.click(card, "settle_cancelled")
    await desk.wait(lambda: desk.cleo.modal)
    assert desk.cleo.modal is not None
    assert [block["block_id"] for block in desk.cleo.modal.view["blocks"]] == ["how"]
    assert await desk.cleo.submit(how="I asked the gateway's people") is None
    await desk.card_says(card, "1 settled by hand: cancelled")
    assert await states(desk, "ord_1", "ord_2", "ord_3") == [
        State.SETTLED_CANCELLED,
        State.SETTLED_NOT_CANCELLED,
        State.CANCELLED,
    ]


async def test_a_second_finding_about_an_order_says_that_this_one_is_settled(desk: Desk) -> None:
    """The request is not: another of its orders is still not known."""
    card = await unknown(desk)
    for person in (desk.ben, desk.cleo):
        await desk.wait(lambda: desk.ann.reads(card))
        await person.click(card, "settle_cancelled")
        await desk.wait(lambda person=person: person.modal)
    assert await desk.cleo.submit(order="ord_2", how="the console says so") is None
    await desk.card_says(card, "1 settled by hand: cancelled")
    assert await desk.ben.submit(order="ord_2", how="I looked too") == {
        "order": "Nothing has changed: order ord_2 was already settled by hand."
    }


def said_in(desk: Desk, card: Posted, beginning: str) -> str | None:
    """Return the message of the card's thread that begins with these words, or None."""
    thread = map(desk.ann.reads, desk.slack.space.messages(card.channel, card.ts))
    return next((text for text in thread if text.startswith(beginning)), None)


async def test_a_finding_is_told_at_once_while_another_order_is_under_way(desk: Desk) -> None:
    """The summary at the end would say neither who found what, nor how."""
    card = await unknown(desk)
    before, until = copy.deepcopy(card), asyncio.Event()
    desk.gateway.faults.clear()
    desk.gateway.faults.always("ord_1", Drop())
    desk.gateway.faults.always("ord_2", Hang(until))
    await desk.cleo.click(card, "retry")
    await desk.card_says(card, "1 under way")
    await desk.ben.click_as_seen(before, "settle_cancelled")
    await desk.wait(lambda: desk.ben.modal)
    assert await desk.ben.submit(how="the console says so") is None
    told = "📝 Settled by hand: cancelled · order ord_1"
    assert (await desk.direct(desk.ann, 2)).startswith(told)
    reply = await desk.wait(lambda: said_in(desk, card, told))
    assert "Found by @ben:\n> the console says so" in reply
    assert "The whole request: 3 orders: 1 settled by hand: cancelled, 1 under way (may be cancelled)" in reply
    until.set()
    await desk.card_says(card, "2 cancelled, 1 settled by hand: cancelled")


@pytest.mark.parametrize(
    "chosen, says",
    [
        ({"value": "9"}, "That is none of the orders about which this form asks. Nothing has changed."),
        (None, "That is none of the orders about which this form asks. Nothing has changed."),
        ({"value": "2"}, "Nothing has changed: the order is already cancelled."),
    ],
)
async def test_an_order_that_the_form_did_not_offer_is_refused_on_its_field(
    desk: Desk, chosen: dict[str, Any] | None, says: str
) -> None:
    """A statement is about one order that somebody chose, and about nothing else."""
    card = await unknown(desk)
    await desk.ben.click(card, "settle_cancelled")
    opened = await desk.wait(lambda: desk.ben.modal)
    payload = desk.ben.submission_payload(opened, {"order": "ord_1", "how": "I looked"})
    payload["view"]["state"]["values"]["order"]["order"]["selected_option"] = chosen
    errors = desk.ben.answer_form(opened, await desk.slack.deliver("interactive", payload))
    assert errors is not None
    assert errors["order"].startswith(says)
    assert (await desk.refusal())[2] is Verdict.WRONG_STATE
    assert await states(desk, "ord_1", "ord_2", "ord_3", "ord_4") == [
        State.UNKNOWN,
        State.UNKNOWN,
        State.CANCELLED,
        None,
    ]


# --- looking it up ----------------------------------------------------------------------------


async def test_a_look_up_tells_which_orders_belong_together(desk: Desk) -> None:
    """A row names one order and of how many it is; a story says what happened to all of them."""
    card = await ask(desk, "ord_1", "ord_2", "ord_done")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "2 cancelled, 1 completed: refund")
    await desk.vera.command("/cancel-audit", LOBBY)
    rows = (await desk.told(desk.vera)).splitlines()
    assert "1–3 of 3 orders" in rows[0]
    assert [("one of 3 orders" in row, row.count("ord_")) for row in rows[1:4]] == [(True, 1)] * 3
    await desk.vera.command("/cancel-audit ord_2", LOBBY)
    story = await desk.told(desk.vera, 2)
    assert " · requested · all 3 orders · @ann · " in story
    assert " · approved · all 3 orders · @ben · " in story
    assert " · cancelled · the bot · " in story
    assert "completed" not in story
