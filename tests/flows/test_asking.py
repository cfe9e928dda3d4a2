"""Asking: the command, the form, and everything that can be in the way."""

import json

import pytest

from bot.domain.policy import Verdict
from bot.sandbox.faults import ApiError, Drop
from tests.flows.desk import ANN, BEN, LEADS, LOBBY, PAYMENTS, Desk


async def test_an_outsider_is_told_privately_and_gets_no_form(quiet_desk: Desk) -> None:
    """A person who is not among REQUESTERS reads why, alone, and no form opens."""
    await quiet_desk.start_bot(REQUESTERS=ANN)
    await quiet_desk.olga.command("/cancel-order ord_1", LOBBY)
    assert "You may not ask for cancellations here" in await quiet_desk.told(quiet_desk.olga)
    assert quiet_desk.olga.modal is None
    assert (await quiet_desk.ask("ord_1")).button("approve")


async def test_the_gateway_gets_no_character_that_approvers_cannot_read(desk: Desk) -> None:
    """A reason with hidden letters, and with a mark that turns the text around, is sent as it is on the card."""
    hidden = "".join(chr(0xE0000 + ord(each)) for each in "; refund 5000 USD")
    card = await desk.ask("ord_1", f"customer{hidden} asked \u202eeciwt")
    (read,) = [row[2:] for row in desk.ann.reads(card).splitlines() if row.startswith("> ")]
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    assert json.loads(desk.gateway.calls[0].body)["reason"] == read == "customer asked eciwt"


@pytest.mark.parametrize("contact, shown", [(PAYMENTS, "#payments"), (LEADS, f"@{LEADS}"), (BEN, "@ben")])
async def test_a_refusal_names_the_one_to_ask(quiet_desk: Desk, contact: str, shown: str) -> None:
    """A refusal shows CONTACT as an element that leads there: a channel, a group or a person."""
    await quiet_desk.start_bot(REQUESTERS=ANN, CONTACT=contact)
    await quiet_desk.olga.command("/cancel-order ord_1", LOBBY)
    assert f"You may not ask for cancellations here. Ask {shown} to add you." in await quiet_desk.told(quiet_desk.olga)
    message = quiet_desk.olga.ephemerals[-1]
    assert contact in message.text
    kinds = [each["type"] for each in message.blocks[0]["elements"][0]["elements"]]
    assert kinds == ["text", {"C": "channel", "S": "usergroup", "U": "user"}[contact[0]], "text"]


async def test_the_example_is_that_of_the_settings(quiet_desk: Desk) -> None:
    """The form, its error and the usage show an order ID as they look here."""
    await quiet_desk.start_bot(ORDER_ID_PATTERN="INV-[0-9]+", ORDER_ID_EXAMPLE="INV-17")
    await quiet_desk.ann.command("/cancel-order help", LOBBY)
    assert "“/cancel-order INV-17 The customer ordered twice”" in await quiet_desk.told(quiet_desk.ann)
    errors = await quiet_desk.fill_in("ord_1")
    assert errors == {"order_id": "This is not an order ID. Copy the order ID from the console, for example INV-17."}
    assert quiet_desk.ann.modal is not None
    hint = quiet_desk.ann.modal.view["blocks"][0]["hint"]["text"]
    assert hint == "Use the order ID from the console, for example INV-17. For several orders, write one a line"


async def test_a_group_that_slack_does_not_name_is_refused(quiet_desk: Desk) -> None:
    """If Slack does not say who is in the group, none of its members may ask, and the operator must look."""
    quiet_desk.slack.faults.always("usergroups.users.list", ApiError("plan_upgrade_required"))
    await quiet_desk.start_bot(REQUESTERS=LEADS)
    await quiet_desk.cleo.command("/cancel-order ord_1", LOBBY)
    told = await quiet_desk.told(quiet_desk.cleo)
    assert f"Slack does not let me read the user group {LEADS} any more" in told


@pytest.mark.parametrize("order", ["ord 1", "ord/1", "x" * 65, "<!channel>"])
async def test_a_bad_order_id_is_refused_on_its_field(desk: Desk, order: str) -> None:
    """The field says what an order ID looks like, and the form stays open."""
    errors = await desk.fill_in(order)
    several = " For several orders, put each ID on a line of its own." if " " in order else ""
    said = f"An order ID has 1 to 64 letters, digits, - and _, and nothing else.{several} For example: ord_1001"
    assert errors == {"order_id": said}
    assert desk.ann.modal is not None
    assert await desk.ann.submit(order_id="ord_1") is None


async def test_a_form_that_is_sent_again_after_its_request_ended_says_so(desk: Desk) -> None:
    """The acknowledgement got lost, and the form is still open: nobody is asked, and the field says so."""
    await desk.ann.command("/cancel-order ord_1 typed twice", LOBBY)
    opened = await desk.wait(lambda: desk.ann.modal)
    payload = desk.ann.submission_payload(opened, {})
    assert not await desk.slack.deliver("interactive", payload)
    card = await desk.card("ord_1")
    # As long as it waits, the form is taken as before.
    assert not await desk.slack.deliver("interactive", payload | {"trigger_id": "2.2"})
    await desk.ann.click(card, "withdraw")
    await desk.card_says(card, "Withdrawn")
    answer = await desk.slack.deliver("interactive", payload | {"trigger_id": "3.3"})
    assert answer is not None
    assert answer["errors"] == {
        "order_id": "You have sent this form before, and that request was already withdrawn. "
        "For a new request, type /cancel-order again."
    }


async def test_a_reason_that_is_too_long_for_its_field_is_not_cut_without_a_word(desk: Desk) -> None:
    """The end may be what matters most, so the form says that it is missing."""
    missing = "⚠️ A field takes 3,000 characters, and what you typed as reason is longer. Its end is missing below."
    for number, words in enumerate(("word " * 640 + "BUT NOT BEFORE MONDAY", "word")):
        await desk.ann.command(f"/cancel-order ord_{number + 1} {words}", LOBBY)
        opened = await desk.wait(lambda: desk.ann.modal)
        assert (missing in str(opened.view["blocks"])) == (number == 0)
        assert await desk.ann.submit(reason="short") is None


async def test_an_order_id_is_trimmed(desk: Desk) -> None:
    """Blanks around an order ID do not matter."""
    assert await desk.fill_in("  ord_1 ") is None
    assert "cancel order ord_1" in desk.ann.reads(await desk.card("ord_1"))


async def test_an_order_with_an_open_request_is_refused_with_who_and_when(desk: Desk) -> None:
    """The second person reads on the field the requester, the time, and how the request stands."""
    await desk.ask("ord_1")
    errors = await desk.fill_in("ord_1", person=desk.olga)
    assert errors is not None
    assert errors["order_id"].startswith("ann asked to cancel this order on 20")
    assert ": that request is waiting for approval." in errors["order_id"]


async def test_the_same_form_delivered_twice_asks_once(desk: Desk) -> None:
    """A second delivery of one form is acknowledged and changes nothing."""
    await desk.ann.command("/cancel-order ord_1", LOBBY)
    opened = await desk.wait(lambda: desk.ann.modal)
    payload = desk.ann.submission_payload(opened, {})
    assert await desk.slack.deliver("interactive", payload) is None
    await desk.deliver_again(payload)
    await desk.card("ord_1")
    kinds = await desk.running_bot.store.read(lambda tables: [event.kind for event in tables.record.all()])
    assert kinds.count("requested") == 1


async def test_what_people_type_is_shown_and_never_interpreted(desk: Desk) -> None:
    """Mentions, links, formatting and entities in a reason stay as they were typed, to the letter."""
    reason = "<!channel> *bold* _x_ `c` <https://evil|good> &amp; @here :bomb: <@U0BEN>"
    card = await desk.ask("ord_1", reason)
    assert f"> {reason}" in desk.ann.reads(card)
    assert [block["type"] for block in card.blocks] == ["rich_text", "rich_text", "rich_text", "actions"]
    quoted = card.blocks[1]["elements"][0]["elements"]
    assert quoted == [{"type": "text", "text": reason}]


@pytest.mark.parametrize("character", ["a", "ក", "😀"])
async def test_a_long_reason_is_whole_for_the_approvers_and_at_the_gateway(desk: Desk, character: str) -> None:
    """Approvers read every character that the gateway gets: three thousand of them."""
    reason = character * 2990 + " the end"
    card = await desk.ask("ord_1", reason)
    assert f"> {reason}" in desk.ann.reads(card).splitlines()
    await desk.ben.click(card, "approve")
    assert f"> {reason}" in (await desk.card_says(card, "✅ Cancelled")).splitlines()
    assert json.loads(desk.gateway.calls[0].body)["reason"] == reason


async def test_a_long_order_id_is_whole_for_the_approvers(quiet_desk: Desk) -> None:
    """A pattern of one's own may allow ids that are longer than a line."""
    order = "ord_" + "0123456789" * 25
    quiet_desk.gateway.add_order(order, "pending")
    await quiet_desk.start_bot(ORDER_ID_PATTERN="ord_[0-9]+")
    card = await quiet_desk.ask(order)
    assert quiet_desk.ann.reads(card).splitlines()[0].endswith(f" asks to cancel order {order}")
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "✅ Cancelled")
    await quiet_desk.replies(card)
    assert order in await quiet_desk.direct(quiet_desk.ann)


@pytest.mark.parametrize("reason", ["&<>" * 1000, "&" * 3000, "\n" * 1000 + "&" * 2000])
async def test_a_reason_that_no_card_can_show_is_refused_on_its_field(desk: Desk, reason: str) -> None:
    """Slack counts signs by their escapes; a request whose card it would not take is refused, on record."""
    errors = await desk.fill_in("ord_1", reason)
    assert errors is not None
    ((_, text),) = errors.items()
    assert text == (
        "This does not fit on the approval card, where approvers must be able to read all of it. Shorten the reason."
    )
    assert (await desk.refusal())[2] is Verdict.TOO_LONG
    assert await desk.ann.submit(order_id="ord_1", reason=reason[:500]) is None
    assert (await desk.card("ord_1")).button("approve")


SPACES = [" ", "   ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", " \u200b ", "\u200b\n", "\u00a0\u00a0"]


@pytest.mark.parametrize("space", SPACES, ids=[ascii(space) for space in SPACES])
async def test_what_stands_behind_the_id_is_the_reason(desk: Desk, space: str) -> None:
    """Whatever white space is between them, the reason keeps its first word."""
    await desk.ann.command(f"/cancel-order ord_1{space}paid  twice\nby card", LOBBY)
    opened = await desk.wait(lambda: desk.ann.modal)
    values = [block["element"].get("initial_value") for block in opened.view["blocks"]]
    assert values == ["ord_1", "paid  twice\nby card"]


@pytest.mark.parametrize(
    "text, orders, reason",
    [
        ("ord_1 ord_2", ["ord_1", "ord_2"], ""),
        ("ord_1 ord_2 paid twice", ["ord_1", "ord_2"], "paid twice"),
        ("ord_1, ord_2", ["ord_1", "ord_2"], ""),
        ("ord_1; ord_2 paid twice", ["ord_1", "ord_2"], "paid twice"),
        ("ord_1\nord_2", ["ord_1", "ord_2"], ""),
        ("ord_1\u00a0ord_2, twice", ["ord_1", "ord_2"], "twice"),
        ("ORD_1 ORD_2", ["ORD_1", "ORD_2"], ""),
        ("ord-1 ord-2", ["ord-1", "ord-2"], ""),
        ("ord_1 and ord_2 and ord_3 and it was me", ["ord_1", "ord_2", "ord_3"], "and it was me"),
        ("10017 10018", ["10017", "10018"], ""),
    ],
)
async def test_ids_that_look_alike_are_orders_of_one_request(
    desk: Desk, text: str, orders: list[str], reason: str
) -> None:
    """The form is filled in with each of them on a line of its own, and with the reason behind them."""
    await desk.ann.command(f"/cancel-order {text}", LOBBY)
    opened = await desk.wait(lambda: desk.ann.modal)
    values = [block["element"].get("initial_value", "") for block in opened.view["blocks"]]
    assert values == ["\n".join(orders), reason]


@pytest.mark.parametrize(
    "text",
    ["ord_1 paid twice", "ord_1 same as ord_2", "ord_1 ord", "ord_1 order 2 was right", "ord_1 (see ord_2)", "1001 2"],
)
async def test_a_reason_may_speak_of_other_orders(desk: Desk, text: str) -> None:
    """Only an id right behind the first one is a second order."""
    await desk.ann.command(f"/cancel-order {text}", LOBBY)
    opened = await desk.wait(lambda: desk.ann.modal)
    order, reason = [block["element"].get("initial_value") for block in opened.view["blocks"]]
    assert f"{order} {reason}" == text


@pytest.mark.parametrize("text", ["help", "HELP", "Help", "hlep", "hepl", "help?", "--help", "?", " help\u200b"])
async def test_help_is_no_order(desk: Desk, text: str) -> None:
    """A call for help, also with a typing error, is answered with the usage, to the person alone."""
    await desk.ann.command(f"/cancel-order {text}", LOBBY)
    assert "To ask for a cancellation, type /cancel-order" in await desk.told(desk.ann)
    assert desk.ann.modal is None
    await desk.ann.command(f"/cancel-audit {text}", LOBBY)
    assert "an order ID: the whole story of that order" in await desk.told(desk.ann, 2)


async def test_what_is_too_long_for_an_order_id_is_looked_through_by_nobody(desk: Desk) -> None:
    """Thousands of digits behind an order ID are a reason; looking for an ID in them once held up everybody."""
    await desk.ann.command(f"/cancel-order ord_1 ord_{'1' * 300}", LOBBY)
    assert await desk.wait(lambda: desk.ann.modal)


@pytest.mark.parametrize("text", ["hlep", "halp", "freez", "Unfrezze", "unfreeze ord_1"])
async def test_a_mistyped_word_is_told_and_nothing_is_kept(desk: Desk, text: str) -> None:
    """The person reads the usage, and how to ask for an order that has such an ID; the form then takes it."""
    before = await desk.events()
    await desk.ann.command(f"/cancel-order {text}", LOBBY)
    told = await desk.told(desk.ann)
    assert "To ask for a cancellation, type /cancel-order" in told
    assert (f"I don't take “{text}” for an order ID" in told) == (text in {"hlep", "halp", "freez", "Unfrezze"})
    assert desk.ann.modal is None
    assert await desk.events() == before
    assert await desk.fill_in(text.split(maxsplit=1)[0]) is None


@pytest.mark.parametrize(
    "pasted", ["\u200bord_1", "ord_1\ufeff", "\u2060 ord_1\u00a0", "\u202aord_1\u202c", "ord_1\u00ad"]
)
async def test_invisible_characters_around_an_id_are_dropped(desk: Desk, pasted: str) -> None:
    """Pasted text often brings them, in the command as in the form."""
    await desk.ann.command(f"/cancel-order {pasted}", LOBBY)
    opened = await desk.wait(lambda: desk.ann.modal)
    assert opened.view["blocks"][0]["element"]["initial_value"] == "ord_1"
    assert await desk.ann.submit(order_id=pasted) is None
    assert desk.ann.reads(await desk.card("ord_1")).splitlines()[0] == "❓ @ann asks to cancel order ord_1"


async def test_an_invisible_character_inside_an_id_is_named(desk: Desk) -> None:
    """The person reads what is wrong with an id that looks right."""
    errors = await desk.fill_in("ord\u200b_1")
    assert errors == {
        "order_id": "The order ID contains an invisible character (zero width space). Type the ID by hand."
    }
    assert await desk.ann.submit(order_id="ord_1") is None


async def test_a_card_goes_where_the_command_ran_if_no_channel_is_set(quiet_desk: Desk) -> None:
    """Without APPROVAL_CHANNEL the card is posted in the channel of the command."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="")
    await quiet_desk.fill_in("ord_1", channel=LOBBY)
    assert (await quiet_desk.card("ord_1", LOBBY)).channel == LOBBY


async def test_a_form_that_slack_does_not_open_is_explained(desk: Desk) -> None:
    """If the trigger has expired, the person reads to type the command again."""
    desk.slack.faults.add("views.open", ApiError("expired_trigger_id"))
    await desk.ann.command("/cancel-order ord_1", LOBBY)
    assert "The form didn't open in time. Type /cancel-order again." in await desk.told(desk.ann)


async def test_a_card_whose_posting_was_not_confirmed_is_posted_once(desk: Desk) -> None:
    """If the answer to the posting is lost, the bot searches for its message and does not post a second one."""
    desk.slack.faults.add("chat.postMessage", Drop(after_effect=True))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    await desk.replies(card)
    assert len(desk.slack.space.messages(PAYMENTS)) == 1


async def test_a_deleted_card_comes_back_when_somebody_asks_again(desk: Desk) -> None:
    """The person who asks for the same order reads that it waits, and the card is in the channel again."""
    card = await desk.ask("ord_1")
    desk.slack.space.delete_message(card.channel, card.ts)
    errors = await desk.fill_in("ord_1", person=desk.olga)
    assert errors is not None
    assert "If its card was deleted, I post it again now." in errors["order_id"]
    again = await desk.card("ord_1")
    await desk.ben.click(again, "approve")
    await desk.card_says(again, "✅ Cancelled")
    assert len(desk.slack.space.messages(PAYMENTS)) == 1
