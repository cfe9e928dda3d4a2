"""The Home tab and shortcuts are as Slack's reference says, with an app made with Bolt as the counterpart."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.features import APP_HOME_OPENED, Features, Shortcut
from bot.sandbox.oddities import odd_homes, odd_shortcuts
from bot.sandbox.person import Person
from bot.sandbox.slack import LocalSlack, NotAcknowledged
from bot.sandbox.workspace import OpenView, Posted
from tests.sandbox.conftest import ANN, BEN, PAY, refused
from tests.sandbox.test_slack import FRANK, PRIVATE, SIRI, join, share

CANCEL, REPORT = "cancel", "report"
FEATURES = Features(
    home_tab=True,
    shortcuts=(
        Shortcut("message", CANCEL, "Cancel an order", "Ask for the cancellation of the orders in this message"),
        Shortcut("global", REPORT, "Report", "Ask for a report"),
    ),
    events=frozenset({APP_HOME_OPENED}),
)


def plain(text: str) -> dict[str, Any]:
    """Return a text object without markup."""
    return {"type": "plain_text", "text": text}


def button(name: str, **more: Any) -> dict[str, Any]:
    """Return a button."""
    return {"type": "button", "action_id": name, "text": plain(name.capitalize()), "value": f"{name} 1", **more}


WHY: dict[str, Any] = {
    "type": "static_select",
    "action_id": "why",
    "options": [{"text": plain("Fraud"), "value": "fraud"}, {"text": plain("Wrong amount"), "value": "wrong"}],
}
NOTE = {
    "type": "input",
    "block_id": "note",
    "label": plain("Note"),
    "optional": True,
    "element": {"type": "plain_text_input", "action_id": "note", "multiline": True},
}


def home(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a Home tab with these blocks, or with a text and a few elements."""
    text = {"type": "section", "text": {"type": "mrkdwn", "text": "*Waiting for you*"}, "accessory": WHY}
    default = [text, {"type": "actions", "block_id": "first", "elements": [button("approve"), button("reject")]}, NOTE]
    return {"type": "home", "callback_id": "home", "blocks": list(blocks or default), **more}


@pytest.fixture
def slack(slack: LocalSlack) -> LocalSlack:
    """Return a workspace whose app has a Home tab and shortcuts."""
    slack.space.features = FEATURES
    return slack


@dataclass
class Tiny:
    """A tiny app: it publishes a Home tab when that is opened, and opens a form after a shortcut or a click."""

    app: AsyncApp
    got: list[dict[str, Any]] = field(default_factory=list)
    retries: list[Any] = field(default_factory=list)


FORM = {"type": "modal", "title": plain("Cancel"), "submit": plain("Send"), "callback_id": "form", "blocks": [NOTE]}


def tiny(slack: LocalSlack) -> Tiny:
    """Return a tiny app for this workspace."""
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
    # The clock of these tests stands still, and Bolt's does not: a signature would be too old.
    app = AsyncApp(client=client, request_verification_enabled=False, process_before_response=True)
    found = Tiny(app)

    async def opened(event: dict[str, Any], body: dict[str, Any], request: Any) -> None:
        found.got.append(body)
        found.retries.append(request.headers.get("x-slack-retry-num"))
        await client.views_publish(user_id=event["user"], view=home())

    async def used(ack: Callable[[], Awaitable[None]], body: dict[str, Any]) -> None:
        found.got.append(body)
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)
        await ack()

    async def sent(ack: Callable[..., Awaitable[None]], body: dict[str, Any]) -> None:
        found.got.append(body)
        await ack(response_action="errors", errors={"note": "Not like this."})

    app.event(APP_HOME_OPENED)(opened)
    app.shortcut({"type": "message_action", "callback_id": CANCEL})(used)
    app.shortcut({"type": "shortcut", "callback_id": REPORT})(used)
    app.action("approve")(used)
    app.view("form")(sent)
    return found


@asynccontextmanager
async def in_socket_mode(slack: LocalSlack, found: Tiny) -> AsyncIterator[None]:
    """Connect the app by Socket Mode."""
    client = AsyncWebClient(slack.app_token, base_url=slack.api_url)
    handler = AsyncSocketModeHandler(found.app, slack.app_token, web_client=client)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    await slack.space.changes.wait_for(lambda: slack.connections)
    yield
    await handler.close_async()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def over_http(slack: LocalSlack, found: Tiny) -> AsyncIterator[None]:
    """Serve the app at an address of its own."""

    async def take(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await found.app.async_dispatch(await to_bolt_request(request)))

    server = web.Application()
    server.router.add_post("/slack/events", take)
    async with TestServer(server) as serving:
        slack.events_url = str(serving.make_url("/slack/events"))
        yield


WAYS = pytest.mark.parametrize("way", [in_socket_mode, over_http])


# --- with an app: both ways in ---------------------------------------------------------------------------------------


@WAYS
async def test_opening_publishing_and_clicking(slack: LocalSlack, way: Any) -> None:
    """The first event has no view, the second one the published view, and a click opens a form."""
    ann, found = Person(slack, ANN), tiny(slack)
    async with way(slack, found):
        assert ann.reads_home() == ""
        event = await ann.open_home()
        assert event is not None
        assert "view" not in event["event"]
        assert ann.reads_home().splitlines() == [
            "*Waiting for you*",
            "[ … Fraud | Wrong amount ]",
            "[ Approve ] [ Reject ]",
            "Note: [ … ]",
        ]
        again = await ann.open_home()
        assert again is not None
        assert again["event"]["view"]["blocks"] == slack.space.homes[ANN].view["blocks"]
        await ann.click_home("approve", note="look\nhere")
        assert ann.modal is not None
        assert await ann.submit(note="ok") == {"note": "Not like this."}
    assert [body["type"] for body in found.got] == [
        "event_callback",
        "event_callback",
        "block_actions",
        "view_submission",
    ]
    assert Person(slack, BEN).home is None


@WAYS
async def test_an_event_comes_again(slack: LocalSlack, way: Any) -> None:
    """A repetition has the same event id, and says which one it is: https://docs.slack.dev/apis/events-api#retries."""
    found = tiny(slack)
    async with way(slack, found):
        event = await Person(slack, ANN).open_home()
        assert event is not None
        await slack.deliver("events_api", event, retry=2)
    assert [body["event_id"] for body in found.got] == [event["event_id"]] * 2
    assert found.retries in ([None, ["2"]], [["0"], ["2"]])


@WAYS
async def test_shortcuts_open_a_form(slack: LocalSlack, way: Any) -> None:
    """Both types lead to a form by their trigger, and an answer to a message shortcut is seen in its channel."""
    ann, found = Person(slack, ANN), tiny(slack)
    async with way(slack, found):
        message = ann.say("ord_1 was paid twice", PAY)
        await ann.message_shortcut(message, CANCEL)
        assert ann.modal is not None
        ann.close()
        await ann.global_shortcut(REPORT)
        assert ann.modal is not None
    async with aiohttp.ClientSession() as session:
        await session.post(found.got[0]["response_url"], json={"text": "Thanks"})
    assert [message.text for message in ann.ephemerals] == ["Thanks"]


async def test_without_an_app_the_person_hears_of_it(slack: LocalSlack) -> None:
    """Whatever was not acknowledged is kept, and nothing is said in the channel."""
    ann = Person(slack, ANN)
    message = ann.say("ord_1", PAY)
    for act in (ann.open_home(), ann.message_shortcut(message, CANCEL), ann.global_shortcut(REPORT)):
        with pytest.raises(NotAcknowledged):
            await act
    kinds = [(each.kind, each.payload["type"]) for each in slack.unacknowledged]
    assert kinds == [("events_api", "event_callback"), ("interactive", "message_action"), ("interactive", "shortcut")]
    assert ann.ephemerals == []


# --- the event: https://docs.slack.dev/reference/events/app_home_opened ----------------------------------------------


async def test_the_event_names_the_person_alone(slack: LocalSlack) -> None:
    """It has an id and no workspace of any person who opens it; team_id is the app's workspace."""
    for person in (Person(slack, ANN), join(slack), share(slack)):
        payload = person.home_opened_payload()
        assert payload["event"].keys() == {"type", "user", "channel", "tab", "event_ts"}
        assert (payload["event"]["user"], payload["event"]["tab"]) == (person.id, "home")
        assert payload["event"]["channel"] == slack.space.direct_channel(person.id).id
        assert (payload["team_id"], payload["type"]) == ("T0LOCAL", "event_callback")
        (authorization,) = payload["authorizations"]
        assert (authorization["team_id"], authorization["is_bot"]) == ("T0LOCAL", True)
    ids = {Person(slack, ANN).home_opened_payload()["event_id"] for _ in range(3)}
    assert len(ids) == 3


async def test_the_messages_tab_is_told_without_a_view(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The view is there if a person "opened a Home tab" that was published."""
    await client.views_publish(user_id=ANN, view=home())
    assert Person(slack, ANN).home_opened_payload("messages")["event"].keys() == {
        "type",
        "user",
        "channel",
        "tab",
        "event_ts",
    }
    view = Person(slack, ANN).home_opened_payload()["event"]["view"]
    assert (view["type"], view["callback_id"], view["app_installed_team_id"]) == ("home", "home", "T0LOCAL")
    assert view["id"] == view["root_view_id"]


async def test_an_app_that_does_not_ask_for_it_gets_no_event(slack: LocalSlack) -> None:
    """Without a subscription there is no event, and without a Home tab there is none to open."""
    slack.space.features = Features(home_tab=True)
    assert await Person(slack, ANN).open_home() is None
    slack.space.features = Features()
    with pytest.raises(ValueError, match="no Home tab"):
        await Person(slack, ANN).open_home()
    assert slack.unacknowledged == []


# --- views.publish: https://docs.slack.dev/reference/methods/views.publish -------------------------------------------


async def test_publishing(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The answer is the view with ids for what had none; its id stays, and its hash does not."""
    first = (await client.views_publish(user_id=ANN, view=home()))["view"]
    assert [block["block_id"] for block in first["blocks"]] == ["b0", "first", "note"]
    assert (first["private_metadata"], first["external_id"], first["close"]) == ("", "", None)
    second = (await client.views_publish(user_id=ANN, view=home(private_metadata="x"), hash=first["hash"]))["view"]
    assert (second["id"], second["private_metadata"]) == (first["id"], "x")
    other = (await client.views_publish(user_id=BEN, view=home()))["view"]
    assert len({first["hash"], second["hash"], other["hash"]}) == 3
    assert other["id"] != first["id"]
    slack.api.scopes.clear()
    await client.views_publish(user_id=ANN, view=home())


async def test_a_hash_that_is_not_the_newest(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Nothing is published over a newer view, nor with a hash where there is none: an empty one counts too."""
    async with refused("hash_conflict"):
        await client.views_publish(user_id=ANN, view=home(), hash="")
    old = (await client.views_publish(user_id=ANN, view=home()))["view"]["hash"]
    await client.views_publish(user_id=ANN, view=home(private_metadata="newer"))
    for given in (old, ""):
        async with refused("hash_conflict"):
            await client.views_publish(user_id=ANN, view=home(), hash=given)
    assert slack.space.homes[ANN].view["private_metadata"] == "newer"


DIVIDER = {"type": "divider"}


@pytest.mark.parametrize(
    "view",
    [
        home(*[DIVIDER] * 101),
        home(private_metadata="x" * 3001),
        home(callback_id="x" * 256),
        home(external_id="x" * 256),
        home(title=plain("Home")),
        home(clear_on_close=False),
        home(submit=plain("Send")),
        home({"type": "video"}),
        FORM,
        {"type": "home"},
        [],
    ],
)
async def test_views_that_slack_refuses(slack: LocalSlack, client: AsyncWebClient, view: Any) -> None:
    """At most 100 blocks, a private_metadata of 3000, ids of 255, and none of what only forms have."""
    async with refused("invalid_arguments") as answer:
        await client.api_call("views.publish", json={"user_id": ANN, "view": view})
    assert answer["response_metadata"]["messages"]
    assert slack.space.homes == {}


async def test_the_limits_themselves_are_taken(slack: LocalSlack, client: AsyncWebClient) -> None:
    """100 blocks, and a message's own limit in all does not hold for a Home tab."""
    long = {"type": "section", "text": plain("x" * 2000)}
    view = home(*[long] * 100, private_metadata="x" * 3000, callback_id="x" * 255, external_id="x" * 255)
    await client.views_publish(user_id=ANN, view=view)
    await client.views_publish(user_id=ANN, view=json.dumps(view))  # type: ignore[arg-type]
    async with refused("duplicate_external_id"):
        await client.views_publish(user_id=BEN, view=view)
    async with refused("view_too_large"):
        await client.views_publish(user_id=ANN, view=home(*[{"type": "section", "text": plain("x" * 3000)}] * 100))


async def test_people_who_have_no_home_tab(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The example on the page: invalid `user_id`."""
    share(slack)
    slack.space.channels[PAY].members.discard(FRANK)
    slack.space.users[BEN].deleted = True
    for user in ("U0NOBODY", BEN, FRANK, slack.space.bot_user_id):
        async with refused("invalid_arguments") as answer:
            await client.views_publish(user_id=user, view=home())
        assert answer["response_metadata"]["messages"] == ["invalid `user_id`"]
    join(slack)
    await client.views_publish(user_id=SIRI, view=home())
    slack.space.features = Features()
    async with refused("not_enabled"):
        await client.views_publish(user_id=ANN, view=home())


async def test_a_home_tab_is_no_form(client: AsyncWebClient, slack: LocalSlack) -> None:
    """Views.open takes forms alone: https://github.com/slackapi/node-slack-sdk/issues/925."""
    async with refused("invalid_arguments"):
        await client.views_open(trigger_id=slack.api.new_trigger(ANN), view=home())


# --- clicks there: https://docs.slack.dev/reference/interaction-payloads/block_actions-payload -----------------------


async def test_a_click_on_the_home_tab(slack: LocalSlack, client: AsyncWebClient) -> None:
    """It has the view with what was entered, and no channel, message, address for answers, or state of its own."""
    published = (await client.views_publish(user_id=ANN, view=home(private_metadata="page 2")))["view"]
    ann = Person(slack, ANN)
    payload = ann.home_payload("approve", None, {"note": "a\nb"})
    assert payload["container"] == {"type": "view", "view_id": published["id"]}
    assert not {"channel", "message", "response_url", "state"} & payload.keys()
    assert (payload["view"]["hash"], payload["view"]["private_metadata"]) == (published["hash"], "page 2")
    assert payload["view"]["state"]["values"] == {
        "b0": {"why": {"type": "static_select", "selected_option": None}},
        "note": {"note": {"type": "plain_text_input", "value": "a\nb"}},
    }
    (action,) = payload["actions"]
    assert (action["block_id"], action["value"], action["text"]) == ("first", "approve 1", plain("Approve"))
    assert payload["trigger_id"] in slack.api.triggers
    chosen = ann.home_payload("why", "Wrong amount")
    assert chosen["actions"][0]["selected_option"] == WHY["options"][1]
    assert chosen["view"]["state"]["values"]["b0"]["why"]["selected_option"] == WHY["options"][1]
    for missing in ("stop", "note", "approve@b0"):
        with pytest.raises(LookupError):
            ann.home_payload(missing)
    with pytest.raises(LookupError):
        ann.home_payload("why", "Because")
    with pytest.raises(LookupError):
        Person(slack, BEN).home_payload("approve")


async def test_one_button_of_many(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The block's id tells which one is meant if several blocks have the same button."""
    rows = [{"type": "actions", "block_id": name, "elements": [button("approve")]} for name in ("one", "two")]
    await client.views_publish(user_id=ANN, view=home(*rows))
    ann = Person(slack, ANN)
    assert ann.home_payload("approve@two")["actions"][0]["block_id"] == "two"
    with pytest.raises(LookupError, match="2 elements"):
        ann.home_payload("approve")


async def test_who_clicks_on_the_home_tab(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Team is the app's workspace and user.team_id the person's, as in every click."""
    siri = join(slack)
    await client.views_publish(user_id=SIRI, view=home())
    payload = siri.home_payload("approve")
    assert (payload["team"]["id"], payload["user"]["team_id"]) == ("T0LOCAL", "T0SISTER")


# --- shortcuts: https://docs.slack.dev/reference/interaction-payloads/shortcuts-interaction-payload ------------------


async def test_a_global_shortcut(slack: LocalSlack) -> None:
    """It has no channel, no address for answers and no name of the app; the person has no name but username."""
    payload = Person(slack, ANN).global_shortcut_payload(REPORT)
    assert payload.keys() == {
        "type",
        "token",
        "action_ts",
        "team",
        "user",
        "is_enterprise_install",
        "enterprise",
        "callback_id",
        "trigger_id",
    }
    assert (payload["type"], payload["callback_id"]) == ("shortcut", REPORT)
    assert payload["user"] == {"id": ANN, "username": "ann", "team_id": "T0LOCAL"}
    assert payload["team"] == {"id": "T0LOCAL", "domain": "local"}


async def test_a_message_shortcut(slack: LocalSlack) -> None:
    """It has the whole message, its channel, and an address for answers."""
    message = Person(slack, BEN).say("<ord_1> & co", PAY)
    payload = Person(slack, ANN).message_shortcut_payload(message, CANCEL)
    assert (payload["type"], payload["message_ts"]) == ("message_action", message.ts)
    assert payload["channel"] == {"id": PAY, "name": "payments"}
    found = payload["message"]
    assert (found["user"], found["ts"], found["text"]) == (BEN, message.ts, "&lt;ord_1&gt; &amp; co")
    assert not {"thread_ts", "bot_id"} & found.keys()
    assert payload["user"] == {"id": ANN, "username": "ann", "name": "ann", "team_id": "T0LOCAL"}
    assert payload["response_url"].startswith(slack.base_url)


async def test_a_message_shortcut_in_a_thread_and_on_a_bots_message(slack: LocalSlack) -> None:
    """A reply names its thread and whose thread it is; a bot's message names the bot."""
    space = slack.space
    root = Person(slack, BEN).say("look", PAY)
    reply = space.post(Posted(PAY, space.next_ts(), "a reply", [], space.bot_user_id, root.ts))
    found = Person(slack, ANN).message_shortcut_payload(reply, CANCEL)["message"]
    assert (found["thread_ts"], found["parent_user_id"], found["bot_id"]) == (root.ts, BEN, "B0BOT")


async def test_message_shortcuts_where_the_app_is_not(slack: LocalSlack) -> None:
    """They work wherever the person reads, also in private channels and between people: published payloads."""
    space = slack.space
    space.add_channel(PRIVATE, "secret", (BEN,), bot=False, private=True)
    ben = Person(slack, BEN)
    for channel, name in ((PRIVATE, "privategroup"), (space.add_direct_message((ANN, BEN)).id, "directmessage")):
        assert ben.message_shortcut_payload(ben.say("ord_1", channel), CANCEL)["channel"]["name"] == name
    with pytest.raises(ValueError, match="does not see"):
        Person(slack, ANN).message_shortcut_payload(ben.say("ord_1", PRIVATE), CANCEL)
    alone = space.post(Posted(PAY, space.next_ts(), "hi", [], space.bot_user_id, only_for=BEN))
    with pytest.raises(ValueError, match="ephemeral"):
        ben.message_shortcut_payload(alone, CANCEL)


async def test_whose_workspace_a_shortcut_names(slack: LocalSlack) -> None:
    """Team is where it was used: the app's workspace for its members, another one's for all others."""
    siri, frank = join(slack), share(slack, enterprise_id="E0AWAY")
    slack.space.add_user("W0SUSAN", "susan", team_id="T0SISTER", also_in=["T0LOCAL"])
    teams = {}
    for person in (Person(slack, ANN), siri, frank, Person(slack, "W0SUSAN")):
        for payload in (
            person.global_shortcut_payload(REPORT),
            person.message_shortcut_payload(person.say("ord_1", PAY), CANCEL),
        ):
            teams[person.name] = (payload["team"]["id"], payload["user"]["team_id"])
            # "The enterprise the installed app is part of": it says nothing about the person.
            assert payload["enterprise"]["id"] == "E0LOCAL"
    assert teams == {
        "ann": ("T0LOCAL", "T0LOCAL"),
        "siri": ("T0SISTER", "T0SISTER"),
        "frank": ("T0AWAY", "T0AWAY"),
        "susan": ("T0LOCAL", "T0SISTER"),
    }
    slack.space.is_enterprise_install = True
    assert siri.global_shortcut_payload(REPORT)["team"] is None


async def test_a_shortcut_that_the_app_does_not_declare(slack: LocalSlack) -> None:
    """Nobody finds it in any menu."""
    ann = Person(slack, ANN)
    message = ann.say("ord_1", PAY)
    with pytest.raises(LookupError):
        ann.message_shortcut_payload(message, REPORT)
    with pytest.raises(LookupError):
        ann.global_shortcut_payload(CANCEL)


async def test_what_slack_really_sends(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Nulls and missing fields: published payloads, and the examples on the pages. An app takes them all."""
    ann, found = Person(slack, ANN), tiny(slack)
    await client.views_publish(user_id=ANN, view=home())
    shortcuts, homes = odd_shortcuts(ann, ann.say("ord_1", PAY)), odd_homes(ann, "approve")
    by_name = {each.name: each.payload for each in [*shortcuts, *homes]}
    assert len(by_name) == len(shortcuts) + len(homes) == 18
    assert by_name["a message shortcut with id and name of the person only"]["user"] == {"id": ANN, "name": "ann"}
    assert "user" not in by_name["a message shortcut on a message of nobody"]["message"]
    assert by_name["a global shortcut where the app is installed for the organisation"]["team"] is None
    assert by_name["a global shortcut with null for the names"]["user"]["username"] is None
    assert "state" not in by_name["a click on the Home tab without title and state"]["view"]
    async with over_http(slack, found):
        for each in homes:
            # The tiny app opens a form at each click, for which a trigger is good once.
            fresh = {"trigger_id": slack.api.new_trigger(ANN)} if each.kind == "interactive" else {}
            await slack.deliver(each.kind, each.payload | fresh)
    assert len(found.got) == len(homes)


# --- chat.getPermalink: https://docs.slack.dev/reference/methods/chat.getPermalink -----------------------------------


async def test_the_address_of_a_message(slack: LocalSlack, client: AsyncWebClient) -> None:
    """A reply's address names its thread; no scope is needed, nor a bot in a public channel."""
    space, ben = slack.space, Person(slack, BEN)
    slack.api.scopes.clear()
    root = ben.say("look", PAY)
    reply = ben.say("there", PAY, root.ts)
    space.channels[PAY].members.discard(space.bot_user_id)
    at = f"https://local.slack.com/archives/{PAY}/p"
    found = await client.chat_getPermalink(channel=PAY, message_ts=root.ts)
    assert (found["channel"], found["permalink"]) == (PAY, at + root.ts.replace(".", ""))
    found = await client.chat_getPermalink(channel=PAY, message_ts=reply.ts)
    assert found["permalink"] == f"{at}{reply.ts.replace('.', '')}?thread_ts={root.ts}&cid={PAY}"
    async with refused("message_not_found"):
        await client.chat_getPermalink(channel=PAY, message_ts="1.2")
    direct = space.add_direct_message((ANN, BEN)).id
    async with refused("channel_not_found"):
        await client.chat_getPermalink(channel=direct, message_ts=ben.say("hi", direct).ts)
    alone = space.post(Posted(PAY, space.next_ts(), "hi", [], space.bot_user_id, only_for=BEN))
    async with refused("message_not_found"):
        await client.chat_getPermalink(channel=PAY, message_ts=alone.ts)


# --- fields: "state.values" on https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload -------

ONE, TWO = ({"text": {"type": "mrkdwn", "text": f"*{name}*"}, "value": name} for name in ("one", "two"))


def form(element: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a form with one field."""
    block = {
        "type": "input",
        "block_id": "b",
        "label": plain("Field"),
        "element": {"action_id": "f", **element},
        **more,
    }
    return FORM | {"blocks": [block]}


def state(slack: LocalSlack, view: dict[str, Any], **values: str | list[str]) -> Any:
    """Return what Slack sends for the field."""
    payload = Person(slack, ANN).submission_payload(OpenView("V1", ANN, view, "1.a"), values)
    return payload["view"]["state"]["values"]["b"]["f"]


async def test_radio_buttons_and_checkboxes(slack: LocalSlack) -> None:
    """One gives an option or null, the other a list, which is empty for none."""
    radio = {"type": "radio_buttons", "options": [ONE, TWO]}
    assert state(slack, form(radio), f="two") == {"type": "radio_buttons", "selected_option": TWO}
    assert state(slack, form(radio, optional=True)) == {"type": "radio_buttons", "selected_option": None}
    assert state(slack, form(radio | {"initial_option": ONE}))["selected_option"] == ONE
    boxes = {"type": "checkboxes", "options": [ONE, TWO]}
    assert state(slack, form(boxes), f=["two", "one"]) == {"type": "checkboxes", "selected_options": [ONE, TWO]}
    assert state(slack, form(boxes, optional=True)) == {"type": "checkboxes", "selected_options": []}
    assert state(slack, form(boxes | {"initial_options": [TWO]}))["selected_options"] == [TWO]
    for element in (radio, boxes):
        with pytest.raises(ValueError, match="must be filled in"):
            state(slack, form(element))
        with pytest.raises(ValueError, match="no option"):
            state(slack, form(element), f="three")


async def test_a_text_of_several_lines_needs_a_field_for_it(slack: LocalSlack) -> None:
    """A line break cannot be typed into a field of one line."""
    text = {"type": "plain_text_input"}
    assert state(slack, form(text | {"multiline": True}), f="ord_1\nord_2")["value"] == "ord_1\nord_2"
    with pytest.raises(ValueError, match="one line"):
        state(slack, form(text), f="ord_1\nord_2")


@pytest.mark.parametrize(
    "element",
    [
        {"type": "radio_buttons", "options": []},
        {"type": "radio_buttons", "options": [{**ONE, "value": str(number)} for number in range(11)]},
        {"type": "radio_buttons", "options": [ONE], "initial_option": TWO},
        {"type": "radio_buttons", "options": [ONE], "placeholder": plain("x")},
        {"type": "checkboxes", "options": [{**ONE, "value": str(number)} for number in range(11)]},
        {"type": "checkboxes", "options": [ONE], "initial_options": [TWO]},
        {"type": "checkboxes", "options": [ONE], "initial_options": []},
        {"type": "checkboxes", "options": [ONE], "initial_option": ONE},
    ],
)
async def test_fields_that_slack_refuses(slack: LocalSlack, client: AsyncWebClient, element: dict[str, Any]) -> None:
    """At most ten options, and initial ones that are among them."""
    async with refused("invalid_arguments"):
        await client.views_open(trigger_id=slack.api.new_trigger(ANN), view=form(element))
