"""The local Slack says what Slack's reference says: each fact with the page that it comes from."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.blockkit import MOST_IN_ALL, counted, problems_with_blocks
from bot.sandbox.faults import ApiError, Hang, Without
from bot.sandbox.oddities import oddities
from bot.sandbox.person import NotACommand, Person
from bot.sandbox.slack import LocalSlack, NotAcknowledged
from bot.sandbox.stage import GENERAL, ORGANISATION, PAYMENTS, Stage
from bot.sandbox.transcript import read
from bot.sandbox.workspace import OpenView, Posted, Workspace
from tests.clock import Clock
from tests.sandbox.conftest import ANN, BEN, PAY, refused

PRIVATE = "G0SECRET"
SIRI, FRANK = "W0SIRI", "U0FRANK"
"""A colleague of a sibling workspace, and a person of another company."""
BUTTON = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}, "value": "1"}
BLOCKS: list[dict[str, Any]] = [{"type": "actions", "block_id": "b", "elements": [BUTTON]}]
FORM: dict[str, Any] = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Form"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "why",
            "label": {"type": "plain_text", "text": "Why"},
            "element": {"type": "plain_text_input", "action_id": "why"},
        }
    ],
}


def join(slack: LocalSlack) -> Person:
    """Make the workspace one of two in an organisation, and return the colleague of the other one."""
    slack.space.enterprise_id = "E0LOCAL"
    slack.space.add_user(SIRI, "siri", team_id="T0SISTER", enterprise_id="E0LOCAL")
    slack.space.channels[PAY].members.add(SIRI)
    return Person(slack, SIRI)


def share(slack: LocalSlack, *, enterprise_id: str | None = None) -> Person:
    """Share the channel with another company, and return the person who comes in."""
    slack.space.add_user(FRANK, "frank", team_id="T0AWAY", enterprise_id=enterprise_id)
    slack.space.share(PAY, [FRANK])
    return Person(slack, FRANK)


def card(slack: LocalSlack, channel: str = PAY) -> Posted:
    """Post a message with a button as the bot."""
    space = slack.space
    return space.post(Posted(channel, space.next_ts(), "a card", BLOCKS, space.bot_user_id))


def form(person: Person) -> dict[str, Any]:
    """Return what Slack sends when this person submits the form."""
    return person.submission_payload(OpenView("V1", person.id, FORM, "1.a"), {"why": "so"})


# --- who somebody is: clicks, https://docs.slack.dev/reference/interaction-payloads/block_actions-payload -----------


async def test_a_click_outside_an_organisation(slack: LocalSlack) -> None:
    """Team is the app's, the person's is in user, and enterprise is null (the samples of java-slack-sdk)."""
    payload = Person(slack, BEN).click_payload(card(slack), "go")
    assert payload["team"] == {"id": "T0LOCAL", "domain": "local"}
    assert (payload["enterprise"], payload["is_enterprise_install"]) == (None, False)
    assert payload["user"] == {"id": BEN, "username": "ben", "name": "ben", "team_id": "T0LOCAL"}
    assert payload["container"]["message_ts"] == payload["message"]["ts"]


async def test_a_click_from_another_company_names_the_apps_workspace(slack: LocalSlack) -> None:
    """Only user.team_id is the person's own: https://github.com/slackapi/java-slack-sdk/issues/1041."""
    slack.space.enterprise_id = "E0LOCAL"
    payload = share(slack, enterprise_id="E0AWAY").click_payload(card(slack), "go")
    assert payload["team"]["id"] == "T0LOCAL"
    assert payload["team"]["enterprise_id"] == "E0LOCAL"
    # "The enterprise the installed app is part of": it says nothing about the person.
    assert payload["enterprise"] == {"id": "E0LOCAL", "name": "Local Organisation"}
    assert payload["user"]["team_id"] == "T0AWAY"


async def test_a_click_of_a_colleague_names_their_workspace_or_the_organisation(slack: LocalSlack) -> None:
    """On Enterprise Grid user.team_id may be the organisation's id: the page on block_suggestion, bolt-js#1875."""
    siri = join(slack)
    assert siri.click_payload(card(slack), "go")["user"]["team_id"] == "T0SISTER"
    slack.space.organisation_for_people = True
    assert siri.click_payload(card(slack), "go")["user"]["team_id"] == "E0LOCAL"
    assert share(slack).click_payload(card(slack), "go")["user"]["team_id"] == "T0AWAY"


async def test_team_is_null_where_the_app_is_installed_for_the_organisation(slack: LocalSlack) -> None:
    """The pages on block_actions and view_submission: "Null if the app is org-installed"."""
    siri = join(slack)
    slack.space.is_enterprise_install = True
    for payload in (siri.click_payload(card(slack), "go"), form(siri)):
        assert (payload["team"], payload["is_enterprise_install"]) == (None, True)
        assert payload["enterprise"]["id"] == "E0LOCAL"


async def test_a_click_names_no_private_channel_and_says_in_which_thread_it_was(slack: LocalSlack) -> None:
    """As in published payloads, and in the container of java-slack-sdk's sample of a click."""
    space = slack.space
    space.add_channel(PRIVATE, "secret", (BEN,), private=True)
    ben, root = Person(slack, BEN), card(slack, PRIVATE)
    reply = space.post(Posted(PRIVATE, space.next_ts(), "a reply", BLOCKS, space.bot_user_id, root.ts))
    assert ben.click_payload(root, "go")["channel"] == {"id": PRIVATE, "name": "privategroup"}
    assert "thread_ts" not in ben.click_payload(root, "go")["container"]
    assert ben.click_payload(reply, "go")["container"]["thread_ts"] == root.ts


# --- forms: https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload -------------------------


async def test_a_form_names_the_persons_workspace_and_the_apps(slack: LocalSlack) -> None:
    """Team is "the workspace where the view was submitted from"; the app's is view.app_installed_team_id."""
    payload = form(share(slack))
    assert payload["team"] == {"id": "T0AWAY", "domain": "t0away"}
    assert payload["view"]["app_installed_team_id"] == "T0LOCAL"
    assert payload["user"] == {"id": FRANK, "username": "frank", "name": "frank", "team_id": "T0AWAY"}


async def test_the_organisation_of_a_form_is_inside_team_and_enterprise_is_the_apps(slack: LocalSlack) -> None:
    """Enterprise is "the enterprise that the installed app is a part of", also for people of another company."""
    siri = join(slack)
    assert form(siri)["team"] == {
        "id": "T0SISTER",
        "domain": "t0sister",
        "enterprise_id": "E0LOCAL",
        "enterprise_name": "Local Organisation",
    }
    outsider = form(share(slack))
    assert outsider["enterprise"]["id"] == "E0LOCAL"
    assert "enterprise_id" not in outsider["team"]


async def test_a_form_has_nulls_and_empty_texts(slack: LocalSlack) -> None:
    """A form has null or an empty text for all that the app left out, as in the examples of views."""
    view = form(Person(slack, ANN))["view"]
    assert (view["private_metadata"], view["callback_id"], view["external_id"]) == ("", "", "")
    assert (view["close"], view["previous_view_id"], view["notify_on_close"]) == (None, None, False)


# --- commands: https://docs.slack.dev/interactivity/implementing-slash-commands -------------------------------------


async def test_a_command_names_the_organisation_only_where_there_is_one(slack: LocalSlack) -> None:
    """Enterprise_id and enterprise_name come "when the executing workspace is part of an Enterprise organization"."""
    payload = Person(slack, ANN).command_payload("/cancel-order ord_1", PAY)
    assert (payload["team_id"], payload["team_domain"], payload["is_enterprise_install"]) == (
        "T0LOCAL",
        "local",
        "false",
    )
    assert not {"enterprise_id", "enterprise_name"} & payload.keys()
    join(slack)
    payload = Person(slack, ANN).command_payload("/cancel-order ord_1", PAY)
    assert (payload["enterprise_id"], payload["enterprise_name"]) == ("E0LOCAL", "Local Organisation")


async def test_commands_are_not_shared(slack: LocalSlack) -> None:
    """People of other workspaces have no such command: https://docs.slack.dev/apis/slack-connect, bolt-python 767."""
    siri, frank = join(slack), share(slack)
    for person in (siri, frank):
        with pytest.raises(NotACommand):
            await person.command("/cancel-order ord_1", PAY)
        assert [message.text for message in person.ephemerals] == ["`/cancel-order` is not a valid command."]
    # A member of both workspaces has it, and so has everybody where the app is installed for the organisation.
    slack.space.add_user("W0SUSAN", "susan", team_id="T0SISTER", also_in=["T0LOCAL"])
    slack.space.channels[PAY].members.add("W0SUSAN")
    assert Person(slack, "W0SUSAN").command_payload("/cancel-order", PAY)["team_id"] == "T0LOCAL"
    slack.space.is_enterprise_install = True
    assert siri.command_payload("/cancel-order", PAY)["team_id"] == "T0SISTER"
    with pytest.raises(NotACommand):
        frank.command_payload("/cancel-order", PAY)
    assert not slack.unacknowledged


async def test_the_names_of_channels_in_commands(slack: LocalSlack) -> None:
    """A private channel has no name there and a direct message another one: as in published payloads."""
    space, ann = slack.space, Person(slack, ANN)
    space.add_user("U0CLEO", "cleo")
    space.add_channel(PRIVATE, "secret", (ANN,), private=True)
    places = {
        PAY: "payments",
        PRIVATE: "privategroup",
        space.direct_channel(ANN).id: "directmessage",
        space.add_direct_message((ANN, BEN)).id: "directmessage",
        space.add_direct_message((ANN, BEN, "U0CLEO")).id: "mpdm-ann--ben--cleo-1",
    }
    assert {place: ann.command_payload("/cancel-order", place)["channel_name"] for place in places} == places
    assert [place[0] for place in places] == ["C", "G", "D", "D", "C"]


def test_names_and_links_in_a_command_that_escapes() -> None:
    """A private channel comes without its name: "Escape channels, users, and links sent to your app"."""
    space = Workspace(lambda: datetime.now(UTC))
    space.add_user(ANN, "ann")
    space.add_channel(PAY, "payments")
    space.add_channel(PRIVATE, "secret", private=True)
    typed = "@ann #payments #secret @nobody https://a.test/?a=1&b <b>"
    links = "<https://a.test/?a=1&amp;b> &lt;b&gt;"
    assert space.escaped(typed, mentions=True) == f"<@{ANN}|ann> <#{PAY}|payments> <#{PRIVATE}|> @nobody {links}"
    space.names_in_mentions = False
    assert space.escaped("@ann", mentions=True) == f"<@{ANN}>"
    assert space.escaped("@ann &", mentions=False) == "@ann &amp;"


# --- users.info: https://docs.slack.dev/reference/methods/users.info, …/objects/user-object -------------------------


async def test_a_member(slack: LocalSlack, client: AsyncWebClient) -> None:
    """A member has a time zone, guests' flags, and a locale only on request."""
    user = slack.space.users[ANN]
    user.tz, user.locale, user.is_restricted, user.deleted = "Asia/Kolkata", "de-DE", True, True
    found = (await client.users_info(user=ANN))["user"]
    assert (found["id"], found["team_id"], found["name"]) == (ANN, "T0LOCAL", "ann")
    assert (found["tz"], found["tz_offset"]) == ("Asia/Kolkata", 19_800)
    assert (found["deleted"], found["is_bot"], found["is_restricted"], found["is_ultra_restricted"]) == (
        True,
        False,
        True,
        False,
    )
    assert not {"locale", "enterprise_user", "is_stranger"} & found.keys()
    assert (await client.users_info(user=ANN, include_locale=True))["user"]["locale"] == "de-DE"
    assert (await client.users_info(user=slack.space.bot_user_id))["user"]["is_bot"] is True
    async with refused("user_not_found"):
        await client.users_info(user="U0NOBODY")


async def test_a_colleague_has_an_organisation(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Members of an organisation have enterprise_user."""
    join(slack)
    for user, team in ((ANN, "T0LOCAL"), (SIRI, "T0SISTER")):
        found = (await client.users_info(user=user))["user"]
        assert found["team_id"] == team
        assert found["enterprise_user"]["enterprise_id"] == "E0LOCAL"


@pytest.mark.parametrize("enterprise_id", [None, "E0AWAY"])
async def test_somebody_of_another_company_in_a_shared_channel_is_no_stranger(
    slack: LocalSlack, client: AsyncWebClient, enterprise_id: str | None
) -> None:
    """Is_stranger is False for external people with whom the app shares a channel; only team_id tells that they are.

    "There is no single property to substantiate if the user is external or not: you must deduce it from a combination
    of the is_stranger and the team_id property": https://docs.slack.dev/apis/slack-connect.
    """
    share(slack, enterprise_id=enterprise_id)
    found = (await client.users_info(user=FRANK, include_locale=True))["user"]
    assert (found["is_stranger"], found["team_id"]) == (False, "T0AWAY")
    # "Their profile data will not contain any locale information"; the example has no time zone either.
    assert not {"locale", "tz", "is_restricted", "enterprise_user"} & found.keys()
    slack.space.channels[PAY].members.discard(FRANK)
    assert (await client.users_info(user=FRANK))["user"]["is_stranger"] is True


async def test_bots_write_to_external_people_of_shared_channels_only(slack: LocalSlack, client: AsyncWebClient) -> None:
    """They can DM "external users with a common shared channel": https://docs.slack.dev/apis/slack-connect."""
    share(slack)
    assert (await client.conversations_open(users=FRANK))["channel"]["id"].startswith("D")
    slack.space.channels[PAY].members.discard(FRANK)
    slack.space.channels.pop("D0FRANK")
    async with refused("user_not_visible"):
        await client.conversations_open(users=FRANK)
    async with refused("channel_not_found"):
        await client.chat_postMessage(channel=FRANK, text="hi")
    slack.space.users[ANN].deleted = True
    async with refused("user_disabled"):
        await client.conversations_open(users=ANN)


async def test_auth_test_names_the_organisation(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Within an organisation enterprise_id is there: https://docs.slack.dev/reference/methods/auth.test."""
    assert "enterprise_id" not in (await client.auth_test()).data
    join(slack)
    answer = await client.auth_test()
    assert (answer["enterprise_id"], answer["team_id"]) == ("E0LOCAL", "T0LOCAL")
    assert "chat:write" in answer.headers["x-oauth-scopes"]
    slack.names_scopes = False
    assert "x-oauth-scopes" not in (await client.auth_test()).headers


# --- conversations.info: https://docs.slack.dev/reference/methods/conversations.info --------------------------------


async def test_what_kind_of_channel_it_is(slack: LocalSlack, client: AsyncWebClient) -> None:
    """A channel has every flag; is_shared also means shared within the organisation: the page on Slack Connect."""
    space = slack.space
    found = (await client.conversations_info(channel=PAY))["channel"]
    flags = ("is_im", "is_mpim", "is_private", "is_shared", "is_ext_shared", "is_org_shared", "is_pending_ext_shared")
    assert not any(found[flag] for flag in flags)
    assert (found["name"], found["is_member"], found["context_team_id"]) == ("payments", True, "T0LOCAL")
    space.add_channel("C0ORG", "org", org_shared=True)
    found = (await client.conversations_info(channel="C0ORG"))["channel"]
    assert [flag for flag in flags if found[flag]] == ["is_shared", "is_org_shared"]
    space.add_channel("C0INVITED", "invited")
    space.share("C0INVITED", accepted=False)
    found = (await client.conversations_info(channel="C0INVITED"))["channel"]
    assert [flag for flag in flags if found[flag]] == ["is_pending_ext_shared"]
    share(slack)
    found = (await client.conversations_info(channel=PAY))["channel"]
    assert [flag for flag in flags if found[flag]] == ["is_shared", "is_ext_shared"]
    assert found["connected_team_ids"] == ["T0AWAY"]


async def test_a_direct_message_with_the_bot_has_few_fields(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The example of a direct message has neither is_private nor is_ext_shared."""
    slack.api.scopes.add("im:read")
    found = (await client.conversations_info(channel=slack.space.direct_channel(ANN).id))["channel"]
    assert (found["is_im"], found["user"]) == (True, ANN)
    assert not {"name", "is_private", "is_mpim", "is_ext_shared"} & found.keys()
    slack.api.scopes.discard("im:read")
    async with refused("missing_scope") as answer:
        await client.conversations_info(channel="D0ANN")
    assert answer["needed"] == "im:read"


async def test_direct_messages_between_people_do_not_exist_for_the_bot(
    slack: LocalSlack, client: AsyncWebClient
) -> None:
    """Bots "cannot post to a direct message conversation between two users": the page of chat.postMessage."""
    slack.space.add_user("U0CLEO", "cleo")
    for people in ((ANN, BEN), (ANN, BEN, "U0CLEO")):
        place = slack.space.add_direct_message(people).id
        for call in (
            client.conversations_info(channel=place),
            client.chat_postMessage(channel=place, text="hi"),
            client.conversations_history(channel=place),
        ):
            async with refused("channel_not_found"):
                await call


async def test_a_private_channels_id_changes_when_sharing_begins(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Its G… id becomes a C… id at once, also if the share is never accepted: https://docs.slack.dev/apis/slack-connect."""
    slack.space.add_channel(PRIVATE, "secret", (ANN,), private=True)
    posted = await client.chat_postMessage(channel=PRIVATE, text="hi")
    assert slack.space.share(PRIVATE, accepted=False).id == "C0SECRET"
    async with refused("channel_not_found"):
        await client.chat_postMessage(channel=PRIVATE, text="hi")
    history = await client.conversations_history(channel="C0SECRET")
    assert [message["ts"] for message in history["messages"]] == [posted["ts"]]


# --- posting, updating, deleting ------------------------------------------------------------------------------------


async def test_a_bot_deletes_its_own_messages_only(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The errors of https://docs.slack.dev/reference/methods/chat.delete."""
    posted = await client.chat_postMessage(channel=PAY, text="hi")
    answer = await client.chat_delete(channel=PAY, ts=posted["ts"])
    assert (answer["channel"], answer["ts"]) == (PAY, posted["ts"])
    async with refused("message_not_found"):
        await client.chat_delete(channel=PAY, ts=posted["ts"])
    async with refused("cant_delete_message"):
        await client.chat_delete(channel=PAY, ts=Person(slack, ANN).say("mine", PAY).ts)
    async with refused("channel_not_found"):
        await client.chat_delete(channel="C0NOWHERE", ts=posted["ts"])
    slack.api.scopes.discard("chat:write")
    async with refused("missing_scope"):
        await client.chat_delete(channel=PAY, ts=posted["ts"])


async def test_an_update_with_text_alone_removes_the_blocks(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The page of chat.update: where text is provided and blocks are not, "the blocks will be removed"."""
    message = card(slack)
    await client.chat_update(channel=PAY, ts=message.ts, text="only words")
    assert (message.text, message.blocks) == ("only words", [])


async def test_the_errors_of_an_update(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Text of 4,000 characters, and no archived place: https://docs.slack.dev/reference/methods/chat.update."""
    message = card(slack)
    await client.chat_update(channel=PAY, ts=message.ts, text="x" * 4000, blocks=BLOCKS)
    async with refused("msg_too_long"):
        await client.chat_update(channel=PAY, ts=message.ts, text="x" * 4001, blocks=BLOCKS)
    slack.space.channels[PAY].archived = True
    async with refused("is_inactive"):
        await client.chat_update(channel=PAY, ts=message.ts, text="x")
    async with refused("is_archived"):
        await client.chat_postMessage(channel=PAY, text="x")


async def test_posting_cuts_long_text(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Slack "will truncate messages containing more than 40,000 characters": the page of chat.postMessage."""
    await client.chat_postMessage(channel=PAY, text="x" * 40_001)
    assert len(slack.space.messages(PAY)[0].text) == 40_000


async def test_blocks_have_a_limit_in_all(client: AsyncWebClient) -> None:
    """The error is msg_blocks_too_long: chat.postMessage, and bolt-js issues 2509 and 2867 for the number."""
    most = MOST_IN_ALL - counted(quoted(""))
    await client.chat_postMessage(channel=PAY, text="x", blocks=quoted("x" * most))
    async with refused("msg_blocks_too_long"):
        await client.chat_postMessage(channel=PAY, text="x", blocks=quoted("x" * (most + 1)))
    # Entities count, characters count and not bytes.
    assert counted(quoted("&<>")) - counted(quoted("")) == len("&amp;&lt;&gt;")
    assert counted(quoted("漢" * 12_000)) == counted(quoted("x" * 12_000))
    async with refused("invalid_blocks") as answer:
        await client.chat_postMessage(channel=PAY, text="x", blocks=[{"type": "nothing"}])
    assert answer["response_metadata"]["messages"][0].startswith("[ERROR] ")


def quoted(text: str) -> list[dict[str, Any]]:
    """Return a block with a quotation."""
    quote = {"type": "rich_text_quote", "elements": [{"type": "text", "text": text}]}
    return [{"type": "rich_text", "elements": [quote]}]


# --- rich text: https://docs.slack.dev/reference/block-kit/blocks/rich-text-block -----------------------------------


@pytest.mark.parametrize(
    "piece",
    [
        {"type": "channel", "channel_id": PAY, "style": {"bold": True, "unlink": True}},
        {"type": "user", "user_id": SIRI, "style": {"highlight": True}},
        {"type": "usergroup", "usergroup_id": "S0LEADS"},
        {"type": "broadcast", "range": "here"},
        {"type": "link", "url": "https://a.test", "text": "a", "unsafe": True, "style": {"code": True}},
        {"type": "emoji", "name": "wave::skin-tone-2", "unicode": "1f44b"},
        {"type": "date", "timestamp": 1, "format": "{date_num}", "url": "https://a.test", "fallback": "then"},
    ],
)
def test_pieces_of_rich_text(piece: dict[str, Any]) -> None:
    """These pieces are in the reference; a field that is not is refused."""
    assert problems_with(piece) == []
    assert problems_with(piece | {"value": "1"}) != []


@pytest.mark.parametrize(
    "piece",
    [
        {"type": "channel"},
        {"type": "channel", "channel_id": ""},
        {"type": "channel", "channel_id": "#payments"},
        {"type": "channel", "channel_id": None},
        {"type": "channel", "channel_id": PAY, "text": "payments"},
        {"type": "channel", "channel_id": PAY, "style": {"code": True}},
        {"type": "user", "user_id": "ann"},
        {"type": "broadcast", "range": "all"},
        {"type": "text", "text": ""},
        {"type": "text", "text": "a", "style": {"highlight": True}},
        {"type": "date", "timestamp": "1", "format": "{date_num}"},
        {"type": "date", "timestamp": True, "format": "{date_num}"},
        {"type": "mention", "text": "a"},
    ],
)
def test_broken_pieces_of_rich_text(piece: dict[str, Any]) -> None:
    """Slack takes none of these."""
    assert problems_with(piece) != []


def problems_with(piece: dict[str, Any]) -> list[str]:
    """Return what is wrong with one piece of rich text."""
    return problems_with_blocks(
        [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [piece]}]}]
    )


async def test_people_read_names_of_channels(slack: LocalSlack) -> None:
    """A channel is drawn by its name, in rich text and in mrkdwn."""
    pieces = [
        {"type": "channel", "channel_id": PAY},
        {"type": "text", "text": " "},
        {"type": "channel", "channel_id": "C0OTHER"},
        {"type": "broadcast", "range": "here"},
        {"type": "usergroup", "usergroup_id": "S0LEADS"},
        {"type": "emoji", "name": "tada"},
    ]
    blocks = [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": pieces}]}]
    message = Posted(PAY, "1.0", "", blocks, BEN)
    assert Person(slack, ANN).reads(message) == "#payments #C0OTHER@here@S0LEADS:tada:"
    mrkdwn = Posted(PAY, "1.0", f"<#{PAY}> <#C0OTHER|other> <#C0OTHER> <!here> <!subteam^S1|@leads>", [], BEN)
    assert read(mrkdwn, {PAY: "payments"}) == "#payments #other #C0OTHER @here @leads"


# --- trouble that lasts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", ["message_limit_exceeded", "missing_scope", "ekm_access_denied", "restricted_action", "never_heard_of"]
)
async def test_posting_is_refused_until_the_refusal_is_lifted(
    slack: LocalSlack, client: AsyncWebClient, error: str
) -> None:
    """In one channel or everywhere, and reading goes on: the errors of chat.postMessage and chat.update."""
    slack.space.add_channel("C0OTHER", "other")
    message = card(slack)
    slack.refusals.start(error, channel=PAY)
    for _ in range(3):
        async with refused(error) as answer:
            await client.chat_postMessage(channel=PAY, text="hi")
        assert (answer.get("needed") == "chat:write") == (error == "missing_scope")
    async with refused(error):
        await client.chat_update(channel=PAY, ts=message.ts, text="hi")
    await client.chat_postMessage(channel="C0OTHER", text="hi")
    await client.conversations_history(channel=PAY)
    slack.refusals.start(error)
    for channel in ("C0OTHER", ANN):
        async with refused(error):
            await client.chat_postMessage(channel=channel, text="hi")
    slack.refusals.end()
    await client.chat_postMessage(channel="C0OTHER", text="hi")
    async with refused(error):
        await client.chat_postMessage(channel=PAY, text="hi")
    slack.refusals.end(channel=PAY)
    await client.chat_postMessage(channel=PAY, text="hi")


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "team_access_not_granted"])
async def test_a_refused_token_works_with_no_method(slack: LocalSlack, client: AsyncWebClient, error: str) -> None:
    """These errors are on the pages of all methods."""
    slack.refusals.start(error)
    for call in (client.auth_test(), client.users_info(user=ANN), client.chat_postMessage(channel=PAY, text="hi")):
        async with refused(error):
            await call
    slack.heal()
    await client.auth_test()


async def test_an_answer_that_hangs_after_the_effect(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The message is there while the call hangs, and the right answer comes when the fault ends."""
    until = asyncio.Event()
    slack.faults.add("chat.postMessage", Hang(until, after_effect=True))
    posting = asyncio.create_task(client.chat_postMessage(channel=PAY, text="hi"))
    (message,) = await slack.space.changes.wait_for(lambda: slack.space.messages(PAY))
    assert not posting.done()
    until.set()
    assert (await posting)["ts"] == message.ts
    assert len(slack.space.messages(PAY)) == 1


async def test_an_answer_without_the_place_of_the_message(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The message is posted, and the answer is ok but says nothing of where."""
    slack.faults.add("chat.postMessage", Without(("channel", "ts", "message")))
    answer = await client.chat_postMessage(channel=PAY, text="hi")
    assert answer.data == {"ok": True}
    assert len(slack.space.messages(PAY)) == 1


async def test_history_lags(slack: LocalSlack, client: AsyncWebClient, clock: Clock) -> None:
    """A new message is there for an update, but history and replies show it later."""
    slack.history.lag = timedelta(seconds=30)
    posted = await client.chat_postMessage(channel=PAY, text="hi")
    assert (await client.conversations_history(channel=PAY))["messages"] == []
    async with refused("thread_not_found"):
        await client.conversations_replies(channel=PAY, ts=posted["ts"])
    assert [call.hidden for call in slack.calls] == [frozenset(), {posted["ts"]}, {posted["ts"]}]
    await client.chat_update(channel=PAY, ts=posted["ts"], text="changed")
    clock.advance(seconds=30)
    assert [message["text"] for message in (await client.conversations_history(channel=PAY))["messages"]] == ["changed"]
    assert len((await client.conversations_replies(channel=PAY, ts=posted["ts"]))["messages"]) == 1
    assert slack.calls[-1].hidden == frozenset()


async def test_pages(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Newest first, with opaque cursors and bounds in Slack's time: conversations.history, "Pagination"."""
    sent = [(await client.chat_postMessage(channel=PAY, text=str(number)))["ts"] for number in range(5)]
    slack.history.most = 2
    pages, cursor = [], None
    while cursor != "":
        page = await client.conversations_history(channel=PAY, cursor=cursor, limit=200)
        pages.append([message["ts"] for message in page["messages"]])
        cursor = page["response_metadata"]["next_cursor"]
        assert page["has_more"] == (cursor != "")
    assert pages == [[sent[4], sent[3]], [sent[2], sent[1]], [sent[0]]]
    slack.history.most = None

    async def found(**bounds: Any) -> list[str]:
        page = await client.conversations_history(channel=PAY, **bounds)
        return [message["ts"] for message in page["messages"]]

    assert await found(oldest=sent[1], latest=sent[3]) == [sent[2]]
    assert await found(oldest=sent[1], latest=sent[3], inclusive=True) == [sent[3], sent[2], sent[1]]
    async with refused("invalid_cursor"):
        await found(cursor="made-up")
    async with refused("invalid_ts_oldest"):
        await found(oldest="yesterday")


async def test_pages_that_lead_nowhere(slack: LocalSlack, client: AsyncWebClient) -> None:
    """More without a cursor, and a cursor that repeats for ever and leads to the first page, also after the trouble."""
    for number in range(3):
        await client.chat_postMessage(channel=PAY, text=str(number))
    slack.history.most, slack.history.no_cursor = 2, True
    page = await client.conversations_history(channel=PAY)
    assert page["has_more"] is True
    assert page.get("response_metadata") is None
    slack.history.no_cursor, slack.history.same_cursor = False, True
    cursors, cursor = set(), None
    for _ in range(3):
        page = await client.conversations_history(channel=PAY, cursor=cursor)
        cursor = page["response_metadata"]["next_cursor"]
        cursors.add(cursor)
        assert [message["text"] for message in page["messages"]] == ["2", "1"]
    assert len(cursors) == 1
    thread = page["messages"][1]["ts"]
    replies = await client.conversations_replies(channel=PAY, ts=thread)
    slack.heal()
    page = await client.conversations_history(channel=PAY, cursor=cursor)
    assert [message["text"] for message in page["messages"]] == ["2", "1", "0"]
    cursor = replies["response_metadata"]["next_cursor"]
    page = await client.conversations_replies(channel=PAY, ts=thread, cursor=cursor)
    assert [message["text"] for message in page["messages"]] == ["1"]
    assert (await client.conversations_history(channel=PAY))["has_more"] is False


@pytest.mark.parametrize("hours", [-30, 30])
async def test_slacks_clock_is_its_own(slack: LocalSlack, client: AsyncWebClient, clock: Clock, hours: int) -> None:
    """A message's ts is Slack's time, and so are signatures; a time that we know is only near it."""
    slack.space.ahead = timedelta(hours=hours)
    posted = await client.chat_postMessage(channel=PAY, text="hi")
    assert float(posted["ts"]) == pytest.approx((clock() + timedelta(hours=hours)).timestamp(), abs=1)
    found = await client.conversations_history(channel=PAY, oldest=str(clock().timestamp()))
    assert len(found["messages"]) == (1 if hours > 0 else 0)
    assert int(slack.signed(b"")["X-Slack-Request-Timestamp"]) == int(float(posted["ts"]))


# --- envelopes: https://docs.slack.dev/apis/events-api/using-socket-mode --------------------------------------------


@contextlib.asynccontextmanager
async def app(slack: LocalSlack, answer: Any = None, *, silent: bool = False) -> AsyncIterator[list[dict[str, Any]]]:
    """Connect an app that acknowledges everything with this payload, or nothing; yield what it gets."""
    got: list[dict[str, Any]] = []
    client = AsyncWebClient(base_url=slack.api_url)
    url = (await client.apps_connections_open(app_token=slack.app_token))["url"]

    async def run(socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            envelope = message.json()
            if envelope["type"] != "hello":
                got.append(envelope)
                if not silent:
                    payload = {} if answer is None else {"payload": answer}
                    await socket.send_json({"envelope_id": envelope["envelope_id"], **payload})

    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        running = asyncio.create_task(run(socket))
        await slack.space.changes.wait_for(lambda: slack.connections)
        yield got
        running.cancel()


async def test_envelopes_of_every_type(slack: LocalSlack) -> None:
    """An event's envelope counts its retries, and its acknowledgement takes no payload."""
    async with app(slack) as got:
        for kind in ("slash_commands", "interactive", "events_api", "a_type_of_the_future"):
            assert await slack.deliver(kind, {"type": "odd"}) is None
    assert [(each["type"], each["accepts_response_payload"]) for each in got] == [
        ("slash_commands", True),
        ("interactive", True),
        ("events_api", False),
        ("a_type_of_the_future", True),
    ]
    assert (got[2]["retry_attempt"], got[2]["retry_reason"]) == (0, "")
    async with app(slack, {"text": "hi"}):
        with pytest.raises(AssertionError, match="takes no answer"):
            await slack.deliver("events_api", {"type": "event_callback"})


async def test_what_was_not_acknowledged_is_kept(slack: LocalSlack) -> None:
    """Without an acknowledgement the person sees an error of Slack's own, and the envelope is remembered."""
    with pytest.raises(NotAcknowledged, match="no connection"):
        await slack.deliver("events_api", {"type": "event_callback"})
    slack.ack_within = 0.05
    async with app(slack, silent=True):
        with pytest.raises(NotAcknowledged, match="in time"):
            await Person(slack, ANN).command("/cancel-order ord_1", PAY)
    assert [envelope.kind for envelope in slack.unacknowledged] == ["events_api", "slash_commands"]
    assert "did not respond" in Person(slack, ANN).ephemerals[-1].text


@pytest.mark.parametrize(
    "answer", [{"text": "thanks"}, {"response_action": "update", "view": {}}, {"response_action": "open"}]
)
async def test_an_answer_to_a_form_that_slack_would_not_take(slack: LocalSlack, answer: dict[str, Any]) -> None:
    """The answers are errors, update, push and clear: https://docs.slack.dev/surfaces/modals#response_actions."""
    opened = OpenView("V1", ANN, FORM, "1.a")
    with pytest.raises(AssertionError):
        Person(slack, ANN).answer_form(opened, answer)


async def test_what_slack_really_sends(slack: LocalSlack) -> None:
    """Other types, nulls and missing fields: the examples on the pages below …/reference/interaction-payloads."""
    found = {
        oddity.name: oddity
        for oddity in oddities(Person(slack, ANN), card(slack), "go", OpenView("V1", ANN, FORM | {"blocks": []}, "1.a"))
    }
    types = {oddity.payload["type"] for oddity in found.values()}
    assert types >= {"view_closed", "shortcut", "message_action", "block_suggestion", "event_callback"}
    assert {oddity.kind for oddity in found.values()} == {"interactive", "events_api"}
    assert found["a click with null for the names"].payload["user"]["name"] is None
    assert "team_id" not in found["a click without the person's workspace"].payload["user"]
    assert "response_url" not in found["a click without an address for answers"].payload
    assert found["a form where the app is installed for the organisation"].payload["team"] is None
    elements = {oddity.payload["actions"][0]["type"] for oddity in found.values() if "actions" in oddity.payload}
    assert len(elements) > 15
    async with app(slack) as got:
        for oddity in found.values():
            await slack.deliver(oddity.kind, oddity.payload)
    assert len(got) == len(found)
    assert not slack.unacknowledged


async def test_heal_ends_all_trouble(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Faults, refusals, trouble with history, and the clock."""
    slack.faults.always("users.info", ApiError("fatal_error"))
    slack.refusals.start("never_heard_of", channel=PAY)
    slack.history.lag, slack.space.ahead = timedelta(hours=1), timedelta(hours=1)
    slack.heal()
    await client.users_info(user=ANN)
    await client.chat_postMessage(channel=PAY, text="hi")
    assert len((await client.conversations_history(channel=PAY))["messages"]) == 1


async def test_the_same_over_http(slack: LocalSlack) -> None:
    """Interactions and commands are forms, and events are JSON: https://docs.slack.dev/apis/events-api."""
    got: list[tuple[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        got.append((request.content_type, await request.text()))
        return web.Response(status=200 if len(got) < 4 else 500)

    server = web.Application()
    server.router.add_post("/", take)
    async with TestServer(server) as app:
        slack.events_url = str(app.make_url("/"))
        for kind in ("slash_commands", "interactive", "events_api"):
            await slack.deliver(kind, {"type": "odd"})
        with pytest.raises(NotAcknowledged, match="500"):
            await slack.deliver("interactive", {"type": "odd"})
    form = "application/x-www-form-urlencoded"
    assert got[:3] == [
        (form, "type=odd"),
        (form, "payload=%7B%22type%22%3A+%22odd%22%7D"),
        ("application/json", '{"type": "odd"}'),
    ]
    assert [envelope.kind for envelope in slack.unacknowledged] == ["interactive"]


async def test_the_stage_has_people_from_elsewhere(database: Path) -> None:
    """Siri is a colleague of the other workspace, and Frank comes in with a shared channel."""
    async with Stage(database, orders={}) as stage:
        stage.join_organisation()
        shared = stage.share(PAYMENTS, enterprise_id="E0AWAY")
        space = stage.slack.space
        assert shared.shared
        assert [space.is_colleague(person.id) for person in (stage.ann, stage.siri, stage.frank)] == [True, True, False]
        assert [person.own_team.enterprise_id for person in (stage.ann, stage.siri, stage.frank)] == [
            ORGANISATION,
            ORGANISATION,
            "E0AWAY",
        ]
        assert {stage.siri.id, stage.frank.id} <= space.channels[PAYMENTS].members
        assert stage.frank.id not in space.channels[GENERAL].members
