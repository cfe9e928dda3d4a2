"""The shortcuts: of a message's menu and anywhere; each ends in the form, or the person alone reads why not."""

import asyncio
import csv
import io

import pytest

from bot.domain.cancellation import State
from bot.domain.events import Requested, RequestRefused
from bot.domain.policy import Verdict
from bot.sandbox.faults import ApiError, Hang
from bot.sandbox.person import Person
from bot.sandbox.workspace import OpenView, Posted
from bot.slack.commands import CANCEL_ORDER_ANYWHERE, CANCEL_ORDER_MESSAGE
from tests.flows.desk import ANN, BEN, CLEO, LEADS, LOBBY, PAYMENTS, PRIVATE, Desk
from tests.flows.test_places import PLACES, archived, private_without_the_bot, shared


def written(desk: Desk, text: str, channel: str = LOBBY, thread_ts: str | None = None, by: str = BEN) -> Posted:
    """Return a message with this mrkdwn text, as Slack keeps it."""
    space = desk.slack.space
    return space.post(Posted(channel, space.next_ts(), text, [], by, thread_ts))


async def choose(desk: Desk, message: Posted, person: Person | None = None) -> OpenView:
    """Return what opens when somebody, or else Ann, chooses the shortcut in this message's menu."""
    person = person or desk.ann
    await person.message_shortcut(message, CANCEL_ORDER_MESSAGE)
    opened: OpenView = await desk.wait(lambda: person.modal)
    return opened


async def choose_anywhere(desk: Desk) -> OpenView:
    """Return what opens when Ann chooses the global shortcut."""
    await desk.ann.global_shortcut(CANCEL_ORDER_ANYWHERE)
    opened: OpenView = await desk.wait(lambda: desk.ann.modal)
    return opened


def filled_in(opened: OpenView) -> dict[str, str]:
    """Return what the form's text fields hold."""
    fields = [block["element"] for block in opened.view["blocks"] if block["type"] == "input"]
    return {each["action_id"]: each.get("initial_value", "") for each in fields if each["type"] == "plain_text_input"}


def said(opened: OpenView) -> str:
    """Return the words of a modal that is no form, or those above its fields."""
    texts = [block for block in opened.view["blocks"] if block["type"] == "rich_text"]
    pieces = [piece for block in texts for piece in block["elements"][0]["elements"]]
    return "".join(str(piece.get("text", piece)) for piece in pieces)


def permalink(desk: Desk, message: Posted) -> str:
    """Return the message's address as Slack itself gives it."""
    where = {"channel": message.channel, "message_ts": message.ts}
    return str(desk.slack.api.call("chat.getPermalink", where)["permalink"])


async def nothing_was_kept(desk: Desk, *why: Verdict) -> bool:
    """Return True where nobody's request is on record, and these refusals are."""
    contents = [event.content for event in await desk.events()]
    refused = [each.why for each in contents if isinstance(each, RequestRefused)]
    return not any(isinstance(each, Requested) for each in contents) and refused == list(why)


@pytest.mark.parametrize("in_thread", [False, True])
async def test_from_a_message_to_the_gateway(desk: Desk, in_thread: bool) -> None:
    """The form has the order of the message, and the card, the receipt and the record lead back to it."""
    first = written(desk, "A customer writes:")
    message = written(desk, "Please cancel *ord_1*, it was paid twice.", thread_ts=first.ts if in_thread else None)
    assert filled_in(await choose(desk, message)) == {"order_id": "ord_1", "reason": ""}
    assert await desk.ann.submit(reason="paid twice") is None
    card, source = await desk.card("ord_1"), permalink(desk, message)
    assert ("thread_ts" in source) is in_thread
    for shown in (card, await desk.receipt("Waiting")):
        link = {"type": "link", "url": source, "text": "Open the message"}
        assert link in [piece for block in shown.blocks[:3] for piece in block["elements"][0]["elements"]]
        assert f"Asked from a message: {source}" in shown.text
    await desk.ben.click(card, "approve")
    assert "Asked from a message: Open the message" in await desk.card_says(card, "✅ Cancelled")
    await desk.direct(desk.ann)
    assert [each.content.source for each in await desk.events() if isinstance(each.content, Requested)] == [source]
    await desk.ben.command("/cancel-audit ord_1", LOBBY)
    await desk.told(desk.ben)
    assert source in str(desk.ben.ephemerals[-1].blocks)
    await desk.ben.command("/cancel-audit cancelled csv", LOBBY)
    (row,) = csv.DictReader(io.StringIO((await desk.file(desk.ben)).content.decode()))
    assert (row["order"], row["source"], row["category"]) == ("ord_1", source, "")


@pytest.mark.parametrize(
    "text, found",
    [
        ("", ""),
        ("Please refund the customer", ""),
        ("&gt; ord_1\nyes, and `ord_2`", "ord_1\nord_2"),
        ("```ord_1\nord_2```", "ord_1\nord_2"),
        ("<https://console.test/orders/ord_1|ord_1> by <@U0BEN|ben>", "ord_1"),
        ("ord_1 ord_1 (ord_1)", "ord_1"),
    ],
)
async def test_what_the_message_says_is_filled_in(desk: Desk, text: str, found: str) -> None:
    """Ids in code, links and quotations are found, each once; the form opens also where there is none."""
    assert filled_in(await choose(desk, written(desk, text)))["order_id"] == found
    assert await desk.ann.submit(order_id="ord_1") is None
    assert (await desk.card("ord_1")).button("approve")


async def test_a_message_of_an_app_is_as_good_as_any(desk: Desk) -> None:
    """A message that has blocks in place of text leads to an empty form, and to the message."""
    space = desk.slack.space
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "ord_1"}}]
    message = space.post(Posted(LOBBY, space.next_ts(), "", blocks, "B0OTHER"))
    assert filled_in(await choose(desk, message))["order_id"] == ""
    assert await desk.ann.submit(order_id="ord_1") is None
    assert f"Asked from a message: {permalink(desk, message)}" in (await desk.card("ord_1")).text


async def test_a_message_with_too_many_orders_fills_in_as_many_as_one_request_takes(desk: Desk) -> None:
    """The form says above its fields that there were more."""
    opened = await choose(desk, written(desk, " ".join(f"ord_{number}" for number in range(200))))
    assert filled_in(opened)["order_id"].splitlines() == [f"ord_{number}" for number in range(50)]
    assert said(opened) == ("⚠️ I found 200 order IDs. The form has room for these 50: make several requests.")


@pytest.mark.parametrize("mode", ["socket", "http"])
@pytest.mark.parametrize("place, why, words", PLACES)
async def test_a_message_in_a_place_without_a_card_is_refused_at_once(
    quiet_desk: Desk, place: object, why: Verdict, words: str, mode: str
) -> None:
    """The person alone reads why in place of the form, and nothing but the refusal is kept."""
    assert callable(place)
    await quiet_desk.start_bot(APPROVAL_CHANNEL="", **(quiet_desk.by_http if mode == "http" else {}))
    opened = await choose(quiet_desk, written(quiet_desk, "cancel ord_1", place(quiet_desk)))
    assert words in said(opened)
    assert "not kept anything" in said(opened)
    assert await nothing_was_kept(quiet_desk, why)


@pytest.mark.parametrize("place", [place.values[0] for place in PLACES], ids=[place.id for place in PLACES])
async def test_any_message_will_do_where_cards_have_a_channel_of_their_own(quiet_desk: Desk, place: object) -> None:
    """With APPROVAL_CHANNEL set, the card goes there, and the person reads in the message's place where it is."""
    assert callable(place)
    await quiet_desk.start_bot()
    message = written(quiet_desk, "cancel ord_1", place(quiet_desk))
    await choose(quiet_desk, message)
    assert await quiet_desk.ann.submit() is None
    assert (await quiet_desk.card("ord_1", PAYMENTS)).button("approve")
    await quiet_desk.wait(lambda: any("The approval card for " in each.text for each in quiet_desk.ann.ephemerals))
    assert quiet_desk.ann.ephemerals[-1].channel == message.channel


async def test_the_card_goes_to_the_channel_of_the_message(quiet_desk: Desk) -> None:
    """Without APPROVAL_CHANNEL, that is the place from which somebody asked."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="")
    await choose(quiet_desk, written(quiet_desk, "cancel ord_1"))
    assert await quiet_desk.ann.submit() is None
    assert (await quiet_desk.card("ord_1", LOBBY)).channel == LOBBY


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_people_of_another_company_get_no_form(quiet_desk: Desk, mode: str) -> None:
    """Somebody in a shared channel is refused, alone, also where a setting names them."""
    await quiet_desk.start_bot(REQUESTERS="U0FRANK", **(quiet_desk.by_http if mode == "http" else {}))
    channel = quiet_desk.share(LOBBY).id
    opened = await choose(quiet_desk, written(quiet_desk, "ord_1", channel), quiet_desk.frank)
    assert said(opened) == "Only people of the bot's own workspace can do that. Nothing has changed."
    assert await nothing_was_kept(quiet_desk, Verdict.NOT_OF_THIS_WORKSPACE)


async def test_a_colleague_of_another_workspace_may_ask(quiet_desk: Desk) -> None:
    """A shortcut does not name the person's organisation, so Slack is asked."""
    quiet_desk.join_organisation()
    await quiet_desk.start_bot()
    await choose(quiet_desk, written(quiet_desk, "ord_1"), quiet_desk.siri)
    assert await quiet_desk.siri.submit() is None
    assert (await quiet_desk.card("ord_1")).button("approve")


async def test_a_person_whose_workspace_slack_does_not_name_is_looked_up(desk: Desk) -> None:
    """The page's own example of a message shortcut has no more of a person than id and name."""
    for person, form in ((desk.ann, True), (desk.frank, False)):
        channel = LOBBY if form else desk.share(LOBBY).id
        payload = person.message_shortcut_payload(written(desk, "ord_1", channel), CANCEL_ORDER_MESSAGE)
        del payload["user"]["team_id"]
        await desk.slack.deliver("interactive", payload)
        opened = await desk.wait(lambda person=person: person.modal)
        assert (opened.view.get("callback_id") == "cancel_order") is form


@pytest.mark.parametrize("contact, shown", [(LEADS, LEADS), ("", "the bot's operator")])
async def test_who_may_not_ask_is_told_in_place_of_the_form(quiet_desk: Desk, contact: str, shown: str) -> None:
    """The notice names CONTACT as an element that leads there."""
    await quiet_desk.start_bot(REQUESTERS=ANN, CONTACT=contact)
    opened = await choose(quiet_desk, written(quiet_desk, "ord_1"), quiet_desk.olga)
    assert said(opened).startswith("You may not ask for ")
    assert shown in said(opened)
    assert await nothing_was_kept(quiet_desk, Verdict.NOT_A_REQUESTER)


async def test_while_frozen_no_form_opens(desk: Desk) -> None:
    """Both shortcuts say who froze everything, and why."""
    await desk.ben.command("/cancel-order freeze wrong prices", LOBBY)
    await desk.wait(lambda: any("wrong prices" in message.text for message in desk.slack.space.messages(LOBBY)))
    assert "wrong prices" in said(await choose(desk, written(desk, "ord_1")))
    desk.ann.close()
    assert "wrong prices" in said(await choose_anywhere(desk))
    assert await nothing_was_kept(desk, Verdict.FROZEN, Verdict.FROZEN)


async def test_a_form_that_slack_does_not_open_is_explained(desk: Desk) -> None:
    """The person reads to choose the shortcut again: in a modal, or where none opens either, as a message."""
    desk.slack.faults.add("views.open", ApiError("expired_trigger_id"))
    assert said(await choose_anywhere(desk)) == "The form didn't open in time. Choose the shortcut again."
    desk.ann.close()
    desk.slack.faults.always("views.open", ApiError("expired_trigger_id"))
    await desk.ann.message_shortcut(written(desk, "ord_1"), CANCEL_ORDER_MESSAGE)
    assert "The form didn't open in time. Choose the shortcut again." in await desk.told(desk.ann)
    await desk.ann.global_shortcut(CANCEL_ORDER_ANYWHERE)
    assert await desk.direct(desk.ann) == "The form didn't open in time. Choose the shortcut again."
    assert await nothing_was_kept(desk)


# --- the global shortcut ----------------------------------------------------------------------------


async def test_anywhere_the_form_is_that_of_the_command(desk: Desk) -> None:
    """It is empty, has no source, and its card goes to the approval channel."""
    opened = await choose_anywhere(desk)
    assert filled_in(opened) == {"order_id": "", "reason": ""}
    assert await desk.ann.submit(order_id="ord_1", reason="typed twice") is None
    card = await desk.card("ord_1")
    assert "Asked from a message" not in card.text
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_where_no_channel_is_known_the_form_asks_for_one(quiet_desk: Desk, mode: str) -> None:
    """People choose among channels, without those of other companies, and the card goes to what they chose."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="", **(quiet_desk.by_http if mode == "http" else {}))
    opened = await choose_anywhere(quiet_desk)
    (select,) = [each["element"] for each in opened.view["blocks"] if each["block_id"] == "channel"]
    assert select == {
        "type": "conversations_select",
        "action_id": "channel",
        "filter": {"include": ["public", "private"], "exclude_external_shared_channels": True},
    }
    assert await quiet_desk.ann.submit(order_id="ord_1", channel=LOBBY) is None
    assert (await quiet_desk.card("ord_1", LOBBY)).channel == LOBBY


# Without a name in the payload, the bot cannot tell a message among several people from a private channel that it is
# not in. Slack's menu offers neither kind of direct message.
CHOSEN = [each for each in PLACES if each.id not in {"between three people", "an old id of a group message"}]


@pytest.mark.parametrize("mode", ["socket", "http"])
@pytest.mark.parametrize("place, why, words", CHOSEN)
async def test_a_channel_that_can_hold_no_card_is_refused_on_its_field(
    quiet_desk: Desk, place: object, why: Verdict, words: str, mode: str
) -> None:
    """The filter of Slack's menu is no guard; nothing but the refusal is kept, and another channel will do."""
    assert callable(place)
    await quiet_desk.start_bot(APPROVAL_CHANNEL="", **(quiet_desk.by_http if mode == "http" else {}))
    channel = place(quiet_desk)
    await choose_anywhere(quiet_desk)
    errors = await quiet_desk.ann.submit(order_id="ord_1", channel=channel)
    assert errors is not None
    assert words in errors["channel"]
    assert await nothing_was_kept(quiet_desk, why)
    assert await quiet_desk.ann.submit(order_id="ord_1", channel=PAYMENTS) is None
    assert (await quiet_desk.card("ord_1", PAYMENTS)).button("approve")


async def test_a_channel_that_cannot_be_looked_at_is_not_taken_for_a_good_one(quiet_desk: Desk) -> None:
    """The answer comes within Slack's three seconds, on the field."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="")
    await choose_anywhere(quiet_desk)
    quiet_desk.slack.faults.always("conversations.info", Hang(asyncio.Event()))
    errors = await quiet_desk.ann.submit(order_id="ord_1", channel=LOBBY)
    assert errors == {"channel": "I couldn't check with Slack whether I can post there. Try again in a minute."}
    assert await nothing_was_kept(quiet_desk, Verdict.UNCHECKED)


async def test_who_may_not_ask_learns_nothing_of_a_channel(quiet_desk: Desk) -> None:
    """Somebody who was removed while the form was open reads that, whatever they chose."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="", REQUESTERS=ANN)
    await choose_anywhere(quiet_desk)
    channel = private_without_the_bot(quiet_desk)
    await quiet_desk.stop_bot()
    await quiet_desk.start_bot(APPROVAL_CHANNEL="", REQUESTERS=CLEO)
    errors = await quiet_desk.ann.submit(order_id="ord_1", channel=channel)
    assert errors is not None
    assert "You may not ask for" in errors["order_id"]


async def test_a_shared_channel_can_be_chosen_where_that_is_allowed(quiet_desk: Desk) -> None:
    """The menu offers it, and the card goes there; still not to an archived one."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="", ALLOW_SHARED_CHANNELS="true")
    channel = shared(quiet_desk)
    quiet_desk.slack.space.channels[channel].members.add(quiet_desk.slack.space.bot_user_id)
    opened = await choose_anywhere(quiet_desk)
    (select,) = [each["element"] for each in opened.view["blocks"] if each["block_id"] == "channel"]
    assert not select["filter"]["exclude_external_shared_channels"]
    assert await quiet_desk.ann.submit(order_id="ord_1", channel=channel) is None
    assert (await quiet_desk.card("ord_1", channel)).button("approve")
    await choose_anywhere(quiet_desk)
    quiet_desk.slack.space.add_channel(PRIVATE, "old", (ANN, BEN))
    quiet_desk.slack.space.channels[PRIVATE].archived = True
    errors = await quiet_desk.ann.submit(order_id="ord_2", channel=PRIVATE)
    assert errors == {"channel": "This channel is archived. Choose another channel."}
    assert archived(quiet_desk) == LOBBY


@pytest.mark.parametrize(
    "forged",
    [
        "https://evil.test/archives/C0GENERAL/p1234567890123456",
        "https://local.slack.com/archives/C0GENERAL/p1234567890123456?thread_ts=1.1&cid=C0OTHER",
        "https://local.slack.com.evil.test/archives/C0GENERAL/p1234567890123456",
        "http://local.slack.com/archives/C0GENERAL/p1234567890123456",
        "https://local.slack.com/archives/C0GENERAL/p1234567890123456|x> <!channel>",
        "javascript:alert(1)",
    ],
)
async def test_a_source_that_is_no_message_of_ours_is_refused(desk: Desk, forged: str) -> None:
    """What comes back in the form is not what the bot put there, so nothing is kept."""
    opened = await choose(desk, written(desk, "ord_1"))
    payload = desk.ann.submission_payload(opened, {})
    payload["view"]["private_metadata"] = f"{LOBBY}\n\n{forged}"
    errors = desk.ann.answer_form(opened, await desk.slack.deliver("interactive", payload))
    assert errors == {"order_id": "I couldn't read that, so nothing has changed. Please try again."}
    assert await nothing_was_kept(desk)


async def test_a_form_without_any_channel_is_refused(quiet_desk: Desk) -> None:
    """Slack sends no form without a choice there; one that comes all the same is not kept."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="")
    opened = await choose_anywhere(quiet_desk)
    for chosen in (None, "LOBBY", 7, {"value": "x"}):
        payload = quiet_desk.ann.submission_payload(opened, {"order_id": "ord_1", "channel": LOBBY})
        payload["view"]["state"]["values"]["channel"]["channel"]["selected_conversation"] = chosen
        errors = quiet_desk.ann.answer_form(opened, await quiet_desk.slack.deliver("interactive", payload))
        assert errors == {"order_id": "I couldn't read that, so nothing has changed. Please try again."}
    assert await quiet_desk.state("ord_1") is None


async def test_a_shortcut_of_another_time_is_answered(desk: Desk) -> None:
    """A shortcut that the code does not know says what to do instead."""
    payload = desk.ann.global_shortcut_payload(CANCEL_ORDER_ANYWHERE) | {"callback_id": "cancel_everything"}
    await desk.slack.deliver("interactive", payload)
    opened = await desk.wait(lambda: desk.ann.modal)
    assert said(opened) == "This shortcut is no longer in use. Type /cancel-order in a channel."


async def test_the_same_form_from_a_shortcut_twice_asks_once(desk: Desk) -> None:
    """A second delivery of one form is acknowledged and changes nothing."""
    opened = await choose(desk, written(desk, "ord_1"))
    payload = desk.ann.submission_payload(opened, {})
    assert await desk.slack.deliver("interactive", payload) is None
    await desk.deliver_again(payload)
    await desk.card("ord_1")
    assert [isinstance(event.content, Requested) for event in await desk.events()].count(True) == 1
    assert await desk.state("ord_1") is State.PENDING
