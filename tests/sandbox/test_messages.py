"""Menus, messages for one person, files and notifications are as Slack's reference says: each fact with its page."""

from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.blockkit import problems_with_blocks, problems_with_view
from bot.sandbox.faults import Drop
from bot.sandbox.person import Person
from bot.sandbox.slack import LocalSlack, NotAcknowledged
from bot.sandbox.workspace import OpenView, Posted
from tests.sandbox.conftest import ANN, BEN, PAY, refused

CLEO, DAN = "U0CLEO", "U0DAN"
LEADS = "S0LEADS"


def option(text: str, value: str | None = None, **more: Any) -> dict[str, Any]:
    """Return an option; its value is its text in small letters unless it is given."""
    return {"text": {"type": "plain_text", "text": text}, "value": value or text.lower(), **more}


def overflow(*options: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an overflow menu with these options."""
    return {"type": "overflow", "action_id": "more", "options": list(options), **more}


def actions(*elements: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one actions block with these elements."""
    return [{"type": "actions", "block_id": "b", "elements": list(elements)}]


def select(*options: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a form with a select menu of these options."""
    element = {"type": "static_select", "action_id": "why", "options": list(options), **more}
    label = {"type": "plain_text", "text": "Why"}
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": "Form"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [{"type": "input", "block_id": "why", "label": label, "element": element}],
    }


def rich(*pieces: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a rich text block with these pieces."""
    return [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(pieces)}]}]


# --- menus: https://docs.slack.dev/reference/block-kit/block-elements/overflow-menu-element -------------------------

ONE = option("Withdraw")
MANY = [option(f"Option {number}") for number in range(6)]


@pytest.mark.parametrize("menu", [overflow(ONE), overflow(*MANY[:5]), overflow(option("x" * 75, "y" * 150))])
def test_menus_that_slack_takes(menu: dict[str, Any]) -> None:
    """One to five options, in an actions block or beside a section; one is enough: python-slack-sdk#1219."""
    beside = {"type": "section", "text": {"type": "mrkdwn", "text": "a"}, "accessory": menu}
    assert problems_with_blocks([*actions(menu), beside]) == []


@pytest.mark.parametrize(
    "menu",
    [
        overflow(),
        overflow(*MANY),
        overflow(option("x" * 76)),
        overflow(option("x", "y" * 151)),
        overflow(option("x"), option("X")),
        overflow({"text": {"type": "plain_text", "text": "x"}}),
        overflow({"text": {"type": "mrkdwn", "text": "x"}, "value": "x"}),
        overflow(ONE, placeholder={"type": "plain_text", "text": "more"}),
        overflow(ONE, confirm={"title": {"type": "plain_text", "text": "Sure?"}}),
        overflow(ONE, action_id="x" * 256),
        {"type": "checkboxes", "action_id": "more", "options": [ONE]},
        {"type": "plain_text_input", "action_id": "more"},
        "overflow",
    ],
)
def test_menus_that_slack_refuses(menu: Any) -> None:
    """Too many, too long, twice the same value, no plain text, unknown fields, and elements of other blocks."""
    assert problems_with_blocks(actions(menu))
    assert problems_with_blocks([{"type": "section", "text": {"type": "mrkdwn", "text": "a"}, "accessory": menu}])


async def test_choosing_an_option(slack: LocalSlack) -> None:
    """The payload names the option and no value: OverflowAction in the reference of bolt-js."""
    space, ben = slack.space, Person(slack, BEN)
    blocks = actions(overflow(ONE, option("Stop trying", "stop")))
    message = space.post(Posted(PAY, space.next_ts(), "a card", blocks, space.bot_user_id))
    for name in ("Stop trying", "stop"):
        payload = ben.choice_payload(message, "more", name)
        (action,) = payload["actions"]
        assert (action["type"], action["action_id"], action["block_id"]) == ("overflow", "more", "b")
        assert action["selected_option"] == option("Stop trying", "stop")
        assert not {"value", "text"} & action.keys()
        assert payload["message"]["ts"] == message.ts
    assert ben.reads(message) == "[ … Withdraw | Stop trying ]"
    with pytest.raises(LookupError):
        ben.choice_payload(message, "more", "Retry")
    with pytest.raises(LookupError):
        ben.click_payload(message, "more")
    with pytest.raises(NotAcknowledged):
        await ben.choose(message, "more", "Withdraw")
    assert [envelope.payload["actions"][0]["type"] for envelope in slack.unacknowledged] == ["overflow"]


def test_nobody_clicks_on_what_they_do_not_see(slack: LocalSlack) -> None:
    """Others' direct messages and private answers are out of reach; one's own are not."""
    space, blocks = slack.space, actions(overflow(ONE))
    direct = space.post(Posted(space.direct_channel(ANN).id, space.next_ts(), "hi", blocks, space.bot_user_id))
    private = space.post(Posted(PAY, space.next_ts(), "hi", blocks, space.bot_user_id, only_for=ANN))
    for message in (direct, private):
        with pytest.raises(ValueError, match="does not see"):
            Person(slack, BEN).choice_payload(message, "more", "withdraw")
        assert Person(slack, ANN).choice_payload(message, "more", "withdraw")["container"]["message_ts"] == message.ts
    channel = Person(slack, ANN).choice_payload(direct, "more", "withdraw")["channel"]
    assert channel == {"id": direct.channel, "name": "directmessage"}


# --- select menus: https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element ---------------------


def test_selects_in_forms(slack: LocalSlack) -> None:
    """A select gives the whole option, or null for none: "state.values" on the page on view_submission."""
    fraud, wrong = option("Fraud"), option("Wrong amount", "wrong")
    form = select(fraud, wrong, placeholder={"type": "plain_text", "text": "Choose one"})
    ann = Person(slack, ANN)

    def state(form: dict[str, Any], **values: str) -> Any:
        return ann.submission_payload(OpenView("V1", ANN, form, "1.a"), values)["view"]["state"]["values"]["why"]["why"]

    assert problems_with_view(form) == []
    assert state(form, why="Wrong amount") == {"type": "static_select", "selected_option": wrong}
    assert state(form, why="fraud") == {"type": "static_select", "selected_option": fraud}
    with pytest.raises(ValueError, match="must be filled in"):
        state(form)
    with pytest.raises(ValueError, match="no option"):
        state(form, why="because")
    form = select(fraud, wrong, initial_option=wrong)
    form["blocks"][0]["optional"] = True
    assert state(form)["selected_option"] == wrong
    assert state(form, why="")["selected_option"] is None


@pytest.mark.parametrize(
    "form",
    [
        select(),
        select(*[option(str(number)) for number in range(101)]),
        select(ONE, initial_option=option("Fraud")),
        select(ONE, placeholder={"type": "plain_text", "text": "x" * 151}),
        select(option("x", url="https://a.test")),
    ],
)
def test_selects_that_slack_refuses(form: dict[str, Any]) -> None:
    """1 to 100 options, an initial option that is one of them, and a placeholder of at most 150 characters."""
    assert problems_with_view(form)


# --- messages for one person: https://docs.slack.dev/reference/methods/chat.postEphemeral ----------------------------


async def test_a_message_for_one_person(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Nobody else sees it, history does not show it, nothing changes it, and it notifies nobody."""
    answer = await client.chat_postEphemeral(channel=PAY, user=ANN, text=f"psst, <@{ANN}>")
    (message,) = Person(slack, ANN).ephemerals
    assert answer.data == {"ok": True, "message_ts": message.ts}
    assert Person(slack, BEN).ephemerals == []
    assert (await client.conversations_history(channel=PAY))["messages"] == []
    assert slack.space.notifications == []
    async with refused("cant_update_message"):
        await client.chat_update(channel=PAY, ts=message.ts, text="changed")
    async with refused("message_not_found"):
        await client.chat_delete(channel=PAY, ts=message.ts)


async def test_messages_for_one_person_that_slack_refuses(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The bot and the reader must both be in the channel: "Errors" on the method's page."""
    space = slack.space
    space.add_user(CLEO, "cleo")
    space.add_channel("C0AWAY", "away", (ANN,), bot=False)
    space.add_channel("G0AWAY", "hidden", (ANN,), bot=False, private=True)
    space.add_channel("C0OLD", "old", (ANN,)).archived = True
    between = space.add_direct_message((ANN, BEN)).id
    for channel, user, error in (
        (PAY, CLEO, "user_not_in_channel"),
        (PAY, "U0NOBODY", "user_not_in_channel"),
        ("C0AWAY", ANN, "not_in_channel"),
        ("G0AWAY", ANN, "channel_not_found"),
        (between, ANN, "channel_not_found"),
        # A person's id stands for a direct message in chat.postMessage, and not here.
        (ANN, ANN, "channel_not_found"),
        ("C0OLD", ANN, "is_archived"),
    ):
        async with refused(error):
            await client.chat_postEphemeral(channel=channel, user=user, text="hi")
    async with refused("no_text"):
        await client.api_call("chat.postEphemeral", json={"channel": PAY, "user": ANN})
    async with refused("invalid_blocks"):
        await client.chat_postEphemeral(channel=PAY, user=ANN, text="hi", blocks=[{"type": "input"}])
    slack.refusals.start("restricted_action", channel=PAY)
    async with refused("restricted_action"):
        await client.chat_postEphemeral(channel=PAY, user=ANN, text="hi")
    slack.heal()
    slack.api.scopes.discard("chat:write")
    async with refused("missing_scope"):
        await client.chat_postEphemeral(channel=PAY, user=ANN, text="hi")
    assert Person(slack, ANN).ephemerals == []


async def test_a_message_for_one_person_in_a_thread(slack: LocalSlack, client: AsyncWebClient) -> None:
    """It is "only shown if there is already an active thread", and Slack answers ok all the same."""
    root = (await client.chat_postMessage(channel=PAY, text="root"))["ts"]
    await client.chat_postEphemeral(channel=PAY, user=ANN, text="hi", thread_ts=root)
    assert Person(slack, ANN).ephemerals == []
    await client.chat_postMessage(channel=PAY, text="reply", thread_ts=root)
    await client.chat_postEphemeral(channel=PAY, user=ANN, text="hi", thread_ts=root)
    assert [message.thread_ts for message in Person(slack, ANN).ephemerals] == [root]


# --- files: https://docs.slack.dev/messaging/working-with-files ------------------------------------------------------


async def test_a_file_in_a_direct_message(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The three calls of files_upload_v2; the file comes as a message of its own, with the comment as its text."""
    direct = (await client.conversations_open(users=ANN))["channel"]["id"]
    answer = await client.files_upload_v2(
        channel=direct, filename="answer.csv", title="An answer", content="order,state\r\n", initial_comment="Here"
    )
    (file,) = Person(slack, ANN).files
    assert answer["files"] == [{"id": file.id, "title": "An answer"}]
    assert (file.name, file.content) == ("answer.csv", b"order,state\r\n")
    (message,) = Person(slack, ANN).direct_messages
    assert Person(slack, ANN).reads(message) == "Here\n[file answer.csv]"
    assert [(each.user, each.ts, each.mention) for each in slack.space.notifications] == [(ANN, message.ts, False)]
    assert Person(slack, BEN).files == []
    (told,) = (await client.conversations_history(channel=direct))["messages"]
    assert [(each["mimetype"], each["size"]) for each in told["files"]] == [("text/csv", 13)]


async def test_uploads_that_slack_refuses(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Each step fails for its own reasons: "Errors" on the pages of the two methods."""
    space = slack.space
    space.add_channel("C0AWAY", "away", (ANN,), bot=False)
    space.add_channel("C0OLD", "old", (ANN,)).archived = True

    async def uploaded() -> str:
        begun = await client.files_getUploadURLExternal(filename="a.csv", length=3)
        async with aiohttp.ClientSession() as session, session.post(begun["upload_url"], data=b"abc") as response:
            assert (response.status, await response.text()) == (200, "OK - 3")
        return str(begun["file_id"])

    async with refused("missing_argument"):
        await client.files_getUploadURLExternal(filename="a.csv", length=0)
    async with refused("invalid_arguments"):
        await client.files_getUploadURLExternal(filename="", length=3)
    begun = await client.files_getUploadURLExternal(filename="a.csv", length=3)
    async with aiohttp.ClientSession() as session:
        for address in (begun["upload_url"], begun["upload_url"] + "X"):
            async with session.post(address, data=b"abcd") as response:
                assert response.status == 400
    # No bytes came.
    async with refused("file_not_found"):
        await client.files_completeUploadExternal(files=[{"id": begun["file_id"]}], channel_id=PAY)
    for channel, error in (
        # "input must match regex pattern": https://github.com/slackapi/bolt-js/issues/2115
        (ANN, "invalid_arguments"),
        ("C0NOWHERE", "channel_not_found"),
        ("C0AWAY", "not_in_channel"),
        ("C0OLD", "posting_to_channel_denied"),
    ):
        async with refused(error):
            await client.files_completeUploadExternal(files=[{"id": await uploaded()}], channel_id=channel)
    async with refused("invalid_arguments"):
        await client.files_completeUploadExternal(files=[], channel_id=PAY)
    file_id = await uploaded()
    await client.files_completeUploadExternal(files=[{"id": file_id}], channel_id=PAY)
    async with refused("file_not_found"):
        await client.files_completeUploadExternal(files=[{"id": file_id}], channel_id=PAY)
    assert len(Person(slack, BEN).files) == 1
    slack.refusals.start("missing_scope", channel=PAY)
    async with refused("missing_scope") as answer:
        await client.files_completeUploadExternal(files=[{"id": await uploaded()}], channel_id=PAY)
    assert answer["needed"] == "files:write"
    slack.api.scopes.discard("files:write")
    for call in (
        client.files_getUploadURLExternal(filename="a.csv", length=3),
        client.files_completeUploadExternal(files=[{"id": file_id}], channel_id="D0ANN"),
    ):
        async with refused("missing_scope") as answer:
            await call
        assert answer["needed"] == "files:write"


async def test_a_file_without_a_channel_is_private(slack: LocalSlack, client: AsyncWebClient) -> None:
    """It is nobody's message: channel_id on the page of files.completeUploadExternal."""
    await client.files_upload_v2(filename="a.csv", content="abc")
    assert slack.space.posted == []


async def test_the_bytes_of_a_file_get_lost(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The connection breaks while they are sent, so there is no file."""
    slack.faults.add("upload", Drop())
    with pytest.raises(aiohttp.ClientError):
        await client.files_upload_v2(channel=PAY, filename="a.csv", content="abc")
    assert slack.space.posted == []


# --- mentions: https://docs.slack.dev/reference/block-kit/block-elements/usergroup-element ----------------------------


@pytest.mark.parametrize("kind", ["rich_text_section", "rich_text_quote", "rich_text_preformatted"])
@pytest.mark.parametrize(
    "piece",
    [
        {"type": "user", "user_id": ANN},
        {"type": "usergroup", "usergroup_id": LEADS},
        {"type": "usergroup", "usergroup_id": "U0ANN"},
        {"type": "usergroup", "usergroup_id": "leads"},
        {"type": "text", "text": "hi"},
    ],
)
def test_where_a_mention_is_taken(kind: str, piece: dict[str, Any]) -> None:
    """A mention "must be used within" a section or a quote, and a group's id begins with S."""
    sound = piece.get("usergroup_id", LEADS) == LEADS and (kind != "rich_text_preformatted" or piece["type"] == "text")
    problems = problems_with_blocks([{"type": "rich_text", "elements": [{"type": kind, "elements": [piece]}]}])
    assert (problems == []) == sound


# --- notifications: https://docs.slack.dev/messaging/formatting-message-text -----------------------------------------

_BY_BLOCKS = [
    (rich({"type": "user", "user_id": ANN}), {ANN}),
    (rich({"type": "usergroup", "usergroup_id": LEADS}), {BEN}),
    (rich({"type": "usergroup", "usergroup_id": "S0OTHER"}), set()),
    (rich({"type": "broadcast", "range": "channel"}), {ANN, BEN}),
    (rich({"type": "text", "text": f"<@{ANN}>"}), set()),
    ([{"type": "section", "text": {"type": "mrkdwn", "text": f"<@{ANN}|ann>"}}], {ANN}),
    ([{"type": "section", "text": {"type": "plain_text", "text": f"<@{ANN}>"}}], set()),
    ([{"type": "context", "elements": [{"type": "mrkdwn", "text": f"<!subteam^{LEADS}|@leads>"}]}], {BEN}),
    ([{"type": "section", "fields": [{"type": "mrkdwn", "text": "<!here>"}]}], {ANN, BEN}),
    ([{"type": "divider"}], set()),
]


@pytest.mark.parametrize("blocks, who", _BY_BLOCKS)
async def test_who_is_notified_by_the_blocks(
    slack: LocalSlack, client: AsyncWebClient, blocks: list[dict[str, Any]], who: set[str]
) -> None:
    """Only members of the channel who still are there; text beside blocks is not looked at."""
    slack.space.add_user(CLEO, "cleo")
    slack.space.add_user(DAN, "dan").deleted = True
    slack.space.channels[PAY].members.add(DAN)
    slack.space.groups[LEADS] = [BEN, CLEO, DAN]
    await client.chat_postMessage(channel=PAY, text=f"for <@{BEN}>", blocks=blocks)
    assert {each.user for each in slack.space.notifications} == who
    assert all(each.mention for each in slack.space.notifications)


async def test_who_is_notified_by_the_text(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Without blocks the text is what counts; a thread is like a channel, and an escaped mention is none."""
    ts = (await client.chat_postMessage(channel=PAY, text=f"for <@{ANN}> and &lt;@{BEN}&gt;"))["ts"]
    await client.chat_postMessage(channel=PAY, text="<!subteam^S0LEADS>", thread_ts=ts)
    slack.space.groups[LEADS] = [BEN]
    reply = (await client.chat_postMessage(channel=PAY, text=f"<!subteam^{LEADS}>", thread_ts=ts))["ts"]
    assert [(each.user, each.ts) for each in slack.space.notifications] == [(ANN, ts), (BEN, reply)]
    assert Person(slack, ANN).notifications[0].text == f"for <@{ANN}> and &lt;@{BEN}&gt;"


async def test_an_update_notifies_nobody(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Whatever it mentions, and also in a direct message, whose first text alone was a notification."""
    ts = (await client.chat_postMessage(channel=PAY, text="hi"))["ts"]
    await client.chat_update(channel=PAY, ts=ts, text=f"<@{ANN}>")
    assert slack.space.notifications == []
    direct = await client.chat_postMessage(channel=ANN, text="first")
    await client.chat_update(channel=direct["channel"], ts=direct["ts"], text=f"<@{ANN}> second")
    assert [(each.user, each.text, each.mention) for each in slack.space.notifications] == [(ANN, "first", False)]


async def test_nobody_is_notified_of_their_own_message(slack: LocalSlack) -> None:
    """In a direct message the other one is, and the bot never."""
    ann = Person(slack, ANN)
    ann.say("@ann @cancel-desk hi", PAY)
    ann.say("hi", slack.space.direct_channel(ANN).id)
    assert slack.space.notifications == []
    ann.say("@ben hi", slack.space.add_direct_message((ANN, BEN)).id)
    assert [(each.user, each.mention) for each in slack.space.notifications] == [(BEN, True)]


# --- lists: https://docs.slack.dev/reference/block-kit/block-elements/rich-text-list-element ------------------------


def items(*texts: str, **more: Any) -> dict[str, Any]:
    """Return a list of these texts, of bullets unless something else is given."""
    sections = [{"type": "rich_text_section", "elements": [{"type": "text", "text": text}]} for text in texts]
    return {"type": "rich_text_list", "style": "bullet", "elements": sections, **more}


def in_rich_text(*elements: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a rich text block with these elements."""
    return [{"type": "rich_text", "elements": list(elements)}]


async def test_a_list_of_fifty_orders(slack: LocalSlack, client: AsyncWebClient) -> None:
    """A card of a whole batch fits into one message, and people read a line for each order."""
    orders = [f"ord_{number}" for number in range(1001, 1051)]
    sections = [
        {
            "type": "rich_text_section",
            "elements": [
                {"type": "text", "text": order, "style": {"code": True}},
                {"type": "text", "text": " not cancelled: completed, a refund is needed"},
            ],
        }
        for order in orders
    ]
    listed = in_rich_text({"type": "rich_text_list", "style": "bullet", "elements": sections})
    ts = (await client.chat_postMessage(channel=PAY, text="50 orders", blocks=listed))["ts"]
    message = slack.space.message(PAY, ts)
    assert message is not None
    wanted = [f"• {order} not cancelled: completed, a refund is needed" for order in orders]
    assert Person(slack, ANN).reads(message).splitlines() == wanted


def test_how_lists_are_read(slack: LocalSlack) -> None:
    """Numbers begin behind the offset, a deeper list is indented, and what stands around it stays."""
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": "Orders:"}]}
    blocks = in_rich_text(section, items("a", "b", style="ordered", offset=4), items("c", indent=1))
    assert problems_with_blocks(blocks) == []
    message = Posted(PAY, "1.2", "", blocks, slack.space.bot_user_id)
    assert Person(slack, ANN).reads(message).splitlines() == ["Orders:", "5. a", "6. b", "  • c"]


@pytest.mark.parametrize(
    "element",
    [
        items(),
        items("a", style="square"),
        items("a", indent=9),
        items("a", indent=-1),
        items("a", border=2),
        items("a", offset="1"),
        items("a", title="x"),
        items(""),
        items("a") | {"elements": [items("b")]},
        items("a") | {"elements": [{"type": "text", "text": "b"}]},
        items("a") | {"elements": [{"type": "rich_text_section", "elements": []}]},
    ],
)
def test_lists_that_slack_refuses(element: dict[str, Any]) -> None:
    """Bullets or numbers, up to eight steps deep, of sections alone."""
    assert problems_with_blocks(in_rich_text(element))


async def test_a_mention_in_a_list_notifies(slack: LocalSlack, client: AsyncWebClient) -> None:
    """It counts as anywhere else in rich text."""
    section = {"type": "rich_text_section", "elements": [{"type": "user", "user_id": BEN}]}
    listed = in_rich_text({"type": "rich_text_list", "style": "bullet", "elements": [section]})
    await client.chat_postMessage(channel=PAY, text="hi", blocks=listed)
    assert [each.mention for each in Person(slack, BEN).notifications] == [True]
