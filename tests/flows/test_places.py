"""The places where commands are typed: where no card can be decided the person reads so, and nothing is kept."""

import asyncio

import pytest

from bot.domain.cancellation import State
from bot.domain.events import RequestRefused
from bot.domain.policy import Verdict
from bot.sandbox.faults import ApiError, Fault, Hang, broken, rate_limited
from bot.sandbox.stage import FRANK
from tests.flows.desk import ANN, BEN, CLEO, LOBBY, PAYMENTS, PRIVATE, VERA, Desk


def direct_with_the_bot(desk: Desk) -> str:
    """Return Ann's direct messages with the bot."""
    return desk.slack.space.direct_channel(ANN).id


def between_two(desk: Desk) -> str:
    """Return a direct message between Ann and Ben, where the bot cannot be."""
    return desk.slack.space.add_direct_message([ANN, BEN]).id


def between_three(desk: Desk) -> str:
    """Return a direct message between three people."""
    return desk.slack.space.add_direct_message([ANN, BEN, CLEO]).id


def of_many(desk: Desk) -> str:
    """Return a direct message between three people with an id like that of an old private channel."""
    return desk.slack.space.add_direct_message([ANN, BEN, VERA], "G0MPDM").id


def shared(desk: Desk) -> str:
    """Return a public channel that is shared with another company."""
    return desk.share(LOBBY).id


def shared_private(desk: Desk) -> str:
    """Return a private channel that is shared with another company, with its new id."""
    desk.slack.space.add_channel(PRIVATE, "secret", (ANN, BEN), private=True)
    return desk.share(PRIVATE).id


def about_to_be_shared(desk: Desk) -> str:
    """Return a channel to which another company is invited; its people would read older cards too."""
    return desk.slack.space.share(LOBBY, accepted=False).id


def private_without_the_bot(desk: Desk) -> str:
    """Return a private channel to which nobody has invited the bot."""
    desk.slack.space.add_channel(PRIVATE, "secret", (ANN, BEN), bot=False, private=True)
    return PRIVATE


def archived(desk: Desk) -> str:
    """Return a channel that somebody has just archived."""
    desk.slack.space.channels[LOBBY].archived = True
    return LOBBY


PLACES = [
    pytest.param(direct_with_the_bot, Verdict.DIRECT_MESSAGE, "in a direct message", id="the bot's own messages"),
    pytest.param(between_two, Verdict.DIRECT_MESSAGE, "in a direct message", id="between two people"),
    pytest.param(between_three, Verdict.DIRECT_MESSAGE, "in a direct message", id="between three people"),
    pytest.param(of_many, Verdict.DIRECT_MESSAGE, "in a direct message", id="an old id of a group message"),
    pytest.param(shared, Verdict.SHARED_CHANNEL, "shared with another company", id="a shared channel"),
    pytest.param(shared_private, Verdict.SHARED_CHANNEL, "shared with another company", id="a private shared channel"),
    pytest.param(archived, Verdict.ARCHIVED_CHANNEL, "This channel is archived", id="an archived channel"),
    pytest.param(about_to_be_shared, Verdict.SHARED_CHANNEL, "with another company", id="about to be shared"),
    pytest.param(
        private_without_the_bot, Verdict.NOT_INVITED, "not a member of this private channel", id="a private channel"
    ),
]


async def record(desk: Desk) -> list[RequestRefused]:
    """Return the refused commands on record."""
    return [event.content for event in await desk.events() if isinstance(event.content, RequestRefused)]


@pytest.mark.parametrize("mode", ["socket", "http"])
@pytest.mark.parametrize("place, why, words", PLACES)
async def test_a_place_without_a_card_is_refused_at_once(
    quiet_desk: Desk, place: object, why: Verdict, words: str, mode: str
) -> None:
    """The person alone reads why, no form opens, and nothing but the refusal is kept."""
    assert callable(place)
    await quiet_desk.start_bot(APPROVAL_CHANNEL="", **(quiet_desk.by_http if mode == "http" else {}))
    channel = place(quiet_desk)
    await quiet_desk.ann.command("/cancel-order ord_1 typed twice", channel)
    told = await quiet_desk.told(quiet_desk.ann)
    assert words in told
    assert "not kept anything" in told
    assert quiet_desk.ann.modal is None
    assert await record(quiet_desk) == [RequestRefused(why, command="/cancel-order")]
    assert await quiet_desk.state("ord_1") is None
    assert quiet_desk.ann.ephemerals[-1].channel == channel


@pytest.mark.parametrize("mode", ["socket", "http"])
@pytest.mark.parametrize("place", [place.values[0] for place in PLACES], ids=[place.id for place in PLACES])
async def test_any_place_will_do_where_cards_have_a_channel_of_their_own(
    quiet_desk: Desk, place: object, mode: str
) -> None:
    """With APPROVAL_CHANNEL set, a command may be typed anywhere: the card goes to that channel."""
    assert callable(place)
    await quiet_desk.start_bot(**(quiet_desk.by_http if mode == "http" else {}))
    await quiet_desk.fill_in("ord_1", channel=place(quiet_desk))
    assert (await quiet_desk.card("ord_1", PAYMENTS)).button("approve")


@pytest.mark.parametrize("mode", ["socket", "http"])
@pytest.mark.parametrize("place", [shared, shared_private, about_to_be_shared])
async def test_a_shared_channel_holds_cards_where_that_is_allowed(quiet_desk: Desk, place: object, mode: str) -> None:
    """Its people read the card then; those of the other company still decide nothing, also if a setting names them."""
    assert callable(place)
    transport = quiet_desk.by_http if mode == "http" else {}
    await quiet_desk.start_bot(
        APPROVAL_CHANNEL="", ALLOW_SHARED_CHANNELS="true", APPROVERS=f"{BEN},{FRANK}", **transport
    )
    channel = place(quiet_desk)
    quiet_desk.slack.space.channels[channel].members.add(quiet_desk.slack.space.bot_user_id)
    await quiet_desk.fill_in("ord_1", channel=channel)
    card = await quiet_desk.card("ord_1", channel)
    if place is not about_to_be_shared:
        await quiet_desk.frank.click(card, "approve")
        assert "Only people of the bot's own workspace can do that" in await quiet_desk.told(quiet_desk.frank)
        assert await quiet_desk.refusal() == (FRANK, "ord_1", Verdict.NOT_OF_THIS_WORKSPACE)
    assert await quiet_desk.state("ord_1") is State.PENDING
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "✅ Cancelled")


async def test_a_channel_that_was_shared_since_the_form_opened_gets_no_card(quiet_desk: Desk) -> None:
    """No reason goes to another company; the requester reads why, and what to do."""
    desk = quiet_desk
    await desk.start_bot(APPROVAL_CHANNEL="")
    await desk.ann.command("/cancel-order ord_1 twice", PAYMENTS)
    await desk.wait(lambda: desk.ann.modal)
    desk.share(PAYMENTS)
    assert await desk.ann.submit() is None
    await desk.receipt("It is shared with another company, whose people would read your request.")
    assert desk.slack.space.messages(PAYMENTS) == []


async def test_the_channel_for_all_cards_gets_none_while_it_is_shared(quiet_desk: Desk) -> None:
    """The operator chose it before somebody let another company in; the requester and /readyz say it."""
    desk = quiet_desk
    channel = desk.share(PAYMENTS)
    await desk.start_bot()
    assert await desk.fill_in("ord_1") is None
    await desk.receipt("It is shared with another company, whose people would read your request.")
    assert desk.slack.space.messages(PAYMENTS) == []
    channel.shared = False
    assert (await desk.card("ord_1")).button("approve")


@pytest.mark.parametrize("fault", [ApiError("internal_error"), broken(503), rate_limited(1)])
async def test_the_channel_for_all_cards_gets_none_while_slack_does_not_say_that_it_is_not_shared(
    quiet_desk: Desk, fault: Fault
) -> None:
    """An answer that says nothing is no permission, neither to the card nor to the reason of a freeze."""
    desk = quiet_desk
    channel = desk.share(PAYMENTS)
    await desk.start_bot()
    await desk.fill_in("ord_1")
    await desk.receipt("It is shared with another company, whose people would read your request.")
    desk.slack.faults.always("conversations.info", fault)
    looked = looks(desk)
    await desk.wait(lambda: looks(desk) > looked + 2)
    await desk.ben.command("/cancel-order freeze ord_1 is stolen", LOBBY)
    await desk.told(desk.ben)
    await desk.ben.command("/cancel-order unfreeze", LOBBY)
    await desk.told(desk.ben, 2)
    assert desk.slack.space.messages(PAYMENTS) == []
    channel.shared = False
    desk.slack.faults.always("conversations.info", None)
    assert (await desk.card("ord_1")).button("approve")


async def test_the_requester_reads_the_reason_of_today_for_which_a_card_is_held_back(quiet_desk: Desk) -> None:
    """A step that helps against the first reason may be no use against the next one; nobody is notified again."""
    desk = quiet_desk
    desk.share(PAYMENTS)
    desk.slack.faults.always("conversations.info", broken(503))
    await desk.start_bot()
    await desk.fill_in("ord_1")
    await desk.receipt("Slack does not tell me whether it is shared with another company. I go on asking.")
    messages = len(desk.ann.direct_messages)
    desk.slack.faults.always("conversations.info", None)
    await desk.receipt("It is shared with another company, whose people would read your request.")
    assert len(desk.ann.direct_messages) == messages
    # An answer that says nothing is no new reason.
    desk.slack.faults.always("conversations.info", broken(503))
    looked, known = looks(desk), await desk.events()
    await desk.wait(lambda: looks(desk) > looked + 2)
    assert await desk.events() == known


def looks(desk: Desk) -> int:
    """Return how often the bot has asked what kind of channel one is."""
    return sum(call.method == "conversations.info" for call in desk.slack.calls)


async def test_nobody_asks_slack_about_the_channel_for_all_cards_where_it_may_be_shared(quiet_desk: Desk) -> None:
    """The setting has answered the only question, so no trouble with that look holds a card up."""
    quiet_desk.slack.faults.always("conversations.info", broken(503))
    quiet_desk.share(PAYMENTS)
    await quiet_desk.start_bot(ALLOW_SHARED_CHANNELS="true")
    await quiet_desk.fill_in("ord_1")
    assert (await quiet_desk.card("ord_1")).button("approve")


@pytest.mark.parametrize("fault", [None, broken(503)])
async def test_a_card_in_a_shared_channel_does_not_say_why_everything_is_frozen(
    quiet_desk: Desk, fault: Fault | None
) -> None:
    """The card was there before the other company; the person who freezes everything does not write for it."""
    desk = quiet_desk
    await desk.start_bot(APPROVAL_CHANNEL="")
    await desk.fill_in("ord_1", channel=LOBBY)
    card = await desk.card("ord_1", LOBBY)
    desk.share(LOBBY)
    # Another bot than the one that looked at the channel a moment ago.
    await desk.running_bot.stop()
    desk.slack.faults.always("conversations.info", fault)
    await desk.start_bot(APPROVAL_CHANNEL="")
    await desk.ben.command("/cancel-order freeze a secret reason", PAYMENTS)
    await desk.card_says(card, "frozen")
    assert "a secret reason" not in desk.ann.reads(card)


async def test_a_direct_message_holds_no_card_where_shared_channels_are_allowed(quiet_desk: Desk) -> None:
    """Nobody can decide there, whatever is allowed."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="", ALLOW_SHARED_CHANNELS="true")
    for place in (direct_with_the_bot, between_two, between_three, private_without_the_bot, archived):
        known = len(quiet_desk.ann.ephemerals)
        await quiet_desk.ann.command("/cancel-order ord_1 typed twice", place(quiet_desk))
        assert "not kept anything" in await quiet_desk.told(quiet_desk.ann, known + 1)
    assert quiet_desk.ann.modal is None


async def test_a_channel_of_several_workspaces_of_the_organisation_holds_cards(quiet_desk: Desk) -> None:
    """Slack calls such a channel shared as well, but everybody in it is a colleague."""
    quiet_desk.join_organisation()
    await quiet_desk.start_bot(APPROVAL_CHANNEL="")
    await quiet_desk.fill_in("ord_1", channel=LOBBY)
    assert (await quiet_desk.card("ord_1", LOBBY)).button("approve")


@pytest.mark.parametrize("fault", [ApiError("internal_error"), broken(503), Hang(asyncio.Event())])
async def test_a_channel_that_cannot_be_looked_at_is_not_taken_for_a_good_one(quiet_desk: Desk, fault: Fault) -> None:
    """If Slack does not say whether the channel is shared, the person tries again later."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="")
    quiet_desk.share(LOBBY)
    quiet_desk.slack.faults.always("conversations.info", fault)
    await quiet_desk.ann.command("/cancel-order ord_1 typed twice", LOBBY)
    assert "Try again in a minute" in await quiet_desk.told(quiet_desk.ann)
    assert quiet_desk.ann.modal is None


async def test_nothing_that_belongs_to_another_company_is_asked_for_here(quiet_desk: Desk) -> None:
    """People of another company cannot use the commands at all; Slack itself says so."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="", REQUESTERS=FRANK)
    quiet_desk.share(LOBBY)
    before = await quiet_desk.events()
    with pytest.raises(ValueError, match="not a valid command"):
        await quiet_desk.frank.command("/cancel-order ord_1", LOBBY)
    assert await quiet_desk.events() == before
