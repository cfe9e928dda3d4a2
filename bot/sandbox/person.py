"""A person in the local workspace: what they can do there, and what they see.

It is long because each act of a person carries a payload with all the fields that Slack sends.

Sources of the payloads: https://docs.slack.dev/interactivity/implementing-slash-commands (commands),
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload (clicks),
https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload (forms),
https://docs.slack.dev/reference/interaction-payloads/shortcuts-interaction-payload (shortcuts),
https://docs.slack.dev/reference/events/app_home_opened and https://docs.slack.dev/apis/events-api (the Home tab), and
the samples that the SDKs publish: https://github.com/slackapi/java-slack-sdk/tree/main/json-logs/samples/app-backend.
"""

import copy
from dataclasses import replace
from typing import Any, Literal

from bot.sandbox.blockkit import problems_with_blocks, problems_with_view
from bot.sandbox.features import APP_HOME_OPENED
from bot.sandbox.files import SlackFile
from bot.sandbox.notifications import Notification
from bot.sandbox.slack import LocalSlack, NotAcknowledged
from bot.sandbox.transcript import read, read_blocks
from bot.sandbox.views import Values, as_view, elements_of, entered
from bot.sandbox.workspace import ESCAPING, Json, OpenView, Posted, ResponseUrl, Team, as_payload

_NOT_ACKNOWLEDGED = "The app did not respond. Try again."
"""Words like those that Slack itself shows when an app does not acknowledge in time."""


class NotACommand(ValueError):
    """A command that Slack itself does not know for this person; the app hears nothing of it."""


class Person:
    """Somebody who types commands, fills in forms and presses buttons, of this workspace or of another one."""

    def __init__(self, slack: LocalSlack, user_id: str) -> None:
        self._slack = slack
        self.space = self._space = slack.space
        self.id = user_id

    @property
    def name(self) -> str:
        """The name that others see."""
        return self._space.users[self.id].name

    @property
    def own_team(self) -> Team:
        """The workspace that is this person's own."""
        return self._space.team_of(self.id)

    @property
    def app_team(self) -> Team:
        """The workspace in which the app is installed."""
        return self._space.team

    # --- seeing -------------------------------------------------------------------------------

    @property
    def modal(self) -> OpenView | None:
        """The form on top, if one is open."""
        views = self._space.views.get(self.id)
        return views[-1] if views else None

    @property
    def home(self) -> OpenView | None:
        """The app's Home tab as it is published for this person, or None before the first time."""
        return self._space.homes.get(self.id)

    @property
    def ephemerals(self) -> list[Posted]:
        """The messages that only this person sees, oldest first."""
        return [message for message in self._space.posted if message.only_for == self.id]

    @property
    def direct_messages(self) -> list[Posted]:
        """The direct messages between this person and the bot, oldest first."""
        return self._space.messages(self._space.direct_channel(self.id).id)

    @property
    def notifications(self) -> list[Notification]:
        """All that this person was notified of, oldest first."""
        return [each for each in self._space.notifications if each.user == self.id]

    @property
    def files(self) -> list[SlackFile]:
        """The files in this person's conversations, oldest first."""
        return [
            file
            for message in self._space.posted
            if self.id in self._space.channels[message.channel].members
            for file in message.files
        ]

    def reads(self, message: Posted) -> str:
        """Return a message as this person reads it."""
        return read(message, self._names)

    def reads_home(self) -> str:
        """Return the Home tab as this person reads it, empty before it is published."""
        return "" if self.home is None else read_blocks(self.home.view["blocks"], self._names)

    @property
    def _names(self) -> dict[str, str]:
        people = {user.id: user.name for user in self._space.users.values()}
        return people | {channel.id: channel.name for channel in self._space.channels.values()}

    # --- doing --------------------------------------------------------------------------------

    async def command(self, line: str, channel: str) -> None:
        """Type a slash command. Raises NotAcknowledged, and shows Slack's own error, if the app does not answer.

        Raises NotACommand, and shows Slack's own words, for people of workspaces without the app.
        """
        try:
            payload = self.command_payload(line, channel)
        except NotACommand as error:
            self.notify(str(error), channel)
            raise
        answer = await self._send("slash_commands", payload, channel)
        if answer:
            blocks = answer.get("blocks") or []
            if problems := problems_with_blocks(blocks) if blocks else []:
                raise AssertionError(f"an answer that Slack would not show: {problems}")
            self._space.answer(self._slack.response_urls[payload["response_url"].rpartition("/")[2]], answer)

    def command_payload(self, line: str, channel: str) -> Json:
        """Return the payload that Slack sends for a slash command.

        Raises ValueError if this person is not in the channel, and NotACommand for people of other workspaces.
        """
        if self.id not in self._space.channels[channel].members:
            raise ValueError(f"{self.name} is not in that channel")
        name, _, text = line.partition(" ")
        if not self._space.has_commands(self.id):
            raise NotACommand(f"`{name}` is not a valid command.")
        # Where it was typed: the app's workspace, or with an installation for the organisation the person's.
        team = self._where
        payload = {
            "token": "legacy",
            "team_id": team.id,
            "team_domain": team.domain,
            "channel_id": channel,
            "channel_name": self._space.channels[channel].name_in_payloads,
            "user_id": self.id,
            "user_name": self.name,
            "command": name,
            "text": self._space.escaped(text.strip(), mentions=name in ESCAPING),
            "api_app_id": self._space.app_id,
            "is_enterprise_install": str(self._space.is_enterprise_install).lower(),
            "response_url": self._slack.new_response_url(self.id, channel, None),
            "trigger_id": self._slack.api.new_trigger(self.id),
        }
        # "... when the executing workspace is part of an Enterprise organization"; otherwise they are missing.
        if team.enterprise_id is not None:
            payload |= {"enterprise_id": team.enterprise_id, "enterprise_name": team.enterprise_name}
        return payload

    def say(self, text: str, channel: str, thread_ts: str | None = None) -> Posted:
        """Write a message, into a channel or a thread."""
        return self._space.post(
            Posted(
                channel,
                self._space.next_ts(),
                self._space.escaped(text, mentions=True),
                [],
                self.id,
                thread_ts,
            )
        )

    async def click(self, message: Posted, action_id: str) -> None:
        """Press a button of a message as it looks now, and confirm its question if it has one.

        Raises LookupError if the message has no such button by now.
        """
        await self.click_as_seen(message, action_id)

    async def click_as_seen(self, message: Posted, action_id: str) -> None:
        """Press a button on a copy of a message that may look different by now; the copy comes from ``as_seen``."""
        await self._send("interactive", self.click_payload(message, action_id), message.channel)

    def click_payload(self, message: Posted, action_id: str) -> Json:
        """Return the payload that Slack sends for a click. Raises LookupError if the message has no such button.

        ``team`` is the workspace where the app is installed, and ``enterprise`` its organisation, also where somebody
        of another company clicks. Only ``user.team_id`` is the person's own.
        """
        # Seen at work in https://github.com/slackapi/java-slack-sdk/issues/1041.
        button = message.button(action_id)
        if button is None:
            raise LookupError(f"no button {action_id}")
        self._check_sees(message)
        return self.action_payload(message, self._action(button))

    async def choose(self, message: Posted, action_id: str, option: str) -> None:
        """Choose an option of a message's overflow or select menu, and confirm its question if it has one.

        ``option`` is the option's text or its value. Raises LookupError if the message has no such option by now.
        """
        await self._send("interactive", self.choice_payload(message, action_id, option), message.channel)

    def choice_payload(self, message: Posted, action_id: str, option: str) -> Json:
        """Return the payload that Slack sends for a chosen option. Raises LookupError if there is no such option."""
        chosen = _with_option(message.element(action_id) or {}, option)
        self._check_sees(message)
        return self.action_payload(message, self._action(chosen))

    def _check_sees(self, message: Posted) -> None:
        """Raise ValueError if this person does not see the message."""
        channel = self._space.channels[message.channel]
        if message.only_for not in {None, self.id} or (channel.private and self.id not in channel.members):
            raise ValueError(f"{self.name} does not see that message")

    def _action(self, element: Json) -> Json:
        """Return what a button, or a menu with its chosen option, gives in ``actions``; its block's id is in it."""
        said: Json = {name: element[name] for name in ("text", "value", "selected_option") if name in element}
        return {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": element["block_id"] or "b",
            "action_ts": self._space.next_ts(),
            **copy.deepcopy(said),
        }

    def action_payload(self, message: Posted, action: Json) -> Json:
        """Return the payload that Slack sends when somebody uses any element of a message."""
        ephemeral = message.only_for is not None
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": ephemeral,
        }
        if message.thread_ts is not None:
            container["thread_ts"] = message.thread_ts
        channel = self._space.channels[message.channel]
        payload: Json = {
            **self.envelope("block_actions", self._space.team),
            "container": container,
            "state": {"values": {}},
            "trigger_id": self._slack.api.new_trigger(self.id),
            "channel": {"id": channel.id, "name": channel.name_in_payloads},
            "response_url": self._slack.new_response_url(self.id, message.channel, message),
            "actions": [action],
        }
        # Slack does not send the content of an ephemeral message back.
        if not ephemeral:
            payload["message"] = as_payload(message, self._space)
        return payload

    # --- the Home tab -------------------------------------------------------------------------

    async def open_home(self, tab: Literal["home", "messages"] = "home") -> Json | None:
        """Open a tab of the app's Home, and return the event that the app got, or None if it subscribes to none.

        The same event can be sent again: ``slack.deliver("events_api", event, retry=1)``.
        Raises ValueError if the app has no Home tab, and NotAcknowledged.
        """
        if tab == "home" and not self._space.features.home_tab:
            raise ValueError("the app has no Home tab")
        if APP_HOME_OPENED not in self._space.features.events:
            return None
        event = self.home_opened_payload(tab)
        await self._send("events_api", event, None)
        return event

    def home_opened_payload(self, tab: Literal["home", "messages"] = "home") -> Json:
        """Return the event that Slack sends when somebody opens a tab of the app's Home.

        It names nobody's workspace but the app's: ``user`` is an id alone.
        """
        channel = self._space.direct_channel(self.id).id
        event: Json = {"type": APP_HOME_OPENED, "user": self.id, "channel": channel, "tab": tab}
        # "If they opened a Home tab and that tab has had a view published at least once before."
        if tab == "home" and self.home is not None:
            event["view"] = as_view(self.home, self._space, entered(self.home.view, {}, whole=False))
        return self.event_payload(event)

    def event_payload(self, event: Json) -> Json:
        """Return an event as the Events API sends it, with an id of its own."""
        space, ts = self._space, self._space.next_ts()
        bot = {"user_id": space.bot_user_id, "is_bot": True, "is_enterprise_install": space.is_enterprise_install}
        return {
            "token": "legacy",
            "team_id": space.team_id,
            "context_team_id": space.team_id,
            "context_enterprise_id": space.enterprise_id,
            "api_app_id": space.app_id,
            "event": {**event, "event_ts": ts},
            "type": "event_callback",
            "event_id": f"Ev{ts.replace('.', '')}",
            "event_time": int(float(ts)),
            "authorizations": [{"enterprise_id": space.enterprise_id, "team_id": space.team_id, **bot}],
            "is_ext_shared_channel": False,
            "event_context": "4-local",
        }

    async def click_home(self, action_id: str, option: str | None = None, /, **values: str | list[str]) -> None:
        """Press a button of the Home tab, or choose an option of a menu there, and confirm its question if it has one.

        ``option`` is the option's text or its value, and ``values`` are what the person entered in the tab's fields.
        Where several elements have this action id, add ``@`` and the block's id. Raises LookupError without any.
        """
        await self._send("interactive", self.home_payload(action_id, option, values), None)

    async def use_home(self, element: Json, values: Values) -> None:
        """Use an element, with its block's id, of a Home tab as it was seen: the tab may look different by now."""
        await self._send("interactive", self.home_action_payload(element, values), None)

    def home_payload(self, action_id: str, option: str | None = None, values: Values | None = None) -> Json:
        """Return the payload that Slack sends for ``click_home``: with the view, without any channel or message."""
        if self.home is None:
            raise LookupError("no Home tab is published")
        name, _, block_id = action_id.partition("@")
        found = [
            {**element, "block_id": block["block_id"]}
            for block in self.home.view["blocks"]
            for element in elements_of(block)
            if element["action_id"] == name and block_id in {"", block["block_id"]} and block["type"] != "input"
        ]
        if len(found) != 1:
            raise LookupError(f"{len(found)} elements {action_id}")
        return self.home_action_payload(found[0] if option is None else _with_option(found[0], option), values)

    def home_action_payload(self, element: Json, values: Values | None = None) -> Json:
        """Return the payload for an element of a Home tab that may have changed since.

        Raises LookupError if none is published.
        """
        if self.home is None:
            raise LookupError("no Home tab is published")
        values = dict(values or {})
        if element["type"] == "static_select" and "selected_option" in element:
            values[element["action_id"]] = element["selected_option"]["value"]
        return {
            **self.envelope("block_actions", self._space.team),
            "container": {"type": "view", "view_id": self.home.id},
            "trigger_id": self._slack.api.new_trigger(self.id),
            "view": as_view(self.home, self._space, entered(self.home.view, values, whole=False)),
            "actions": [self._action(element)],
        }

    # --- shortcuts ----------------------------------------------------------------------------

    async def message_shortcut(self, message: Posted, callback_id: str) -> None:
        """Choose one of the app's shortcuts in a message's menu. Raises LookupError if the app declares none such."""
        await self._send("interactive", self.message_shortcut_payload(message, callback_id), None)

    def message_shortcut_payload(self, message: Posted, callback_id: str) -> Json:
        """Return the payload that Slack sends for a message shortcut, also where the app is not in the channel.

        ``team`` is "the workspace that the shortcut was initiated in". Raises LookupError if the app declares no such
        shortcut, and ValueError if this person does not see the message or it is "visible only to you".
        """
        self._space.features.shortcut("message", callback_id)
        self._check_sees(message)
        if message.only_for is not None:
            raise ValueError('shortcuts are in "the context menus of non-ephemeral messages"')
        channel = self._space.channels[message.channel]
        return {
            **self._shortcut("message_action", callback_id),
            "channel": {"id": channel.id, "name": channel.name_in_payloads},
            "response_url": self._slack.new_response_url(self.id, channel.id, None),
            "message_ts": message.ts,
            "message": as_payload(message, self._space),
        }

    async def global_shortcut(self, callback_id: str) -> None:
        """Choose one of the app's global shortcuts. Raises LookupError if the app declares none such."""
        await self._send("interactive", self.global_shortcut_payload(callback_id), None)

    def global_shortcut_payload(self, callback_id: str) -> Json:
        """Return the payload that Slack sends for a global shortcut: no channel, and no name but ``username``."""
        self._space.features.shortcut("global", callback_id)
        payload = self._shortcut("shortcut", callback_id)
        # As on the page, and in https://github.com/slackapi/bolt-python/pull/23.
        del payload["user"]["name"]
        return payload

    def _shortcut(self, kind: str, callback_id: str) -> Json:
        payload = self.envelope(kind, self._where)
        # No published payload of a shortcut names the app.
        del payload["api_app_id"]
        return payload | {
            "action_ts": self._space.next_ts(),
            "callback_id": callback_id,
            "trigger_id": self._slack.api.new_trigger(self.id),
        }

    @property
    def _where(self) -> Team:
        """The workspace in which this person uses the app: the app's, unless they are no member there."""
        return self._space.team if self._space.is_member(self.id) else self._space.team_of(self.id)

    # --- forms --------------------------------------------------------------------------------

    async def submit(self, **values: str | list[str]) -> dict[str, str] | None:
        """Fill in the form on top and send it. Return the errors by field, or None if the app accepted the form.

        For a select menu or radio buttons, give the text or the value of an option; for checkboxes, several of them.
        """
        opened = self.modal
        if opened is None:
            raise LookupError("no form is open")
        payload = self.submission_payload(opened, values)
        answer = await self._send("interactive", payload, None)
        return self.answer_form(opened, answer)

    def submission_payload(self, opened: OpenView, values: Values) -> Json:
        """Return the payload that Slack sends for a filled-in form; fields left out keep their initial values.

        ``team`` is the person's workspace, with its organisation inside. The app's workspace is
        ``view.app_installed_team_id``, and ``enterprise`` is the app's organisation.
        Raises ValueError for values that Slack's own form would not send.
        """
        return {
            **self.envelope("view_submission", self._space.team_of(self.id)),
            "view": as_view(opened, self._space, entered(opened.view, values, whole=True)),
            "response_urls": [],
            "trigger_id": self._slack.api.new_trigger(self.id),
        }

    def answer_form(self, opened: OpenView, answer: Json | None) -> dict[str, str] | None:
        """Close, replace or keep a form, as the app answered to it. Return the errors by field, or None."""
        match (answer or {}).get("response_action"):
            case "errors":
                assert answer is not None
                errors: dict[str, str] = answer["errors"]
                fields = {block.get("block_id") for block in opened.view["blocks"] if block["type"] == "input"}
                if not errors or not set(errors) <= fields:
                    # A mistake of the app, which must not pass unseen.
                    raise AssertionError(f"errors for fields that the form does not have: {errors}")
                return errors
            case "update":
                assert answer is not None
                if problems := problems_with_view(answer.get("view")):
                    raise AssertionError(f"a form that Slack would not show: {problems}")
                opened.view = answer["view"]
            case None | "clear":
                if answer:
                    raise AssertionError(f"an answer to a form that Slack does not know: {answer}")
                self.close()
            case action:
                raise AssertionError(f"an answer to a form that Slack does not know: {action}")
        self._space.changes.touch()
        return None

    def close(self) -> None:
        """Close the form on top."""
        if self._space.views.get(self.id):
            self._space.views[self.id].pop()
        self._space.changes.touch()

    def envelope(self, kind: str, team: Team) -> Json:
        """Return the fields that all interactions have; ``team`` is whose workspace this kind names."""
        space = self._space
        organisation = {"id": space.enterprise_id, "name": space.enterprise_name} if space.enterprise_id else None
        return {
            "type": kind,
            "token": "legacy",
            "api_app_id": space.app_id,
            # "Null if the app is org-installed."
            "team": None if space.is_enterprise_install else _as_payload(team),
            # "The enterprise the installed app is part of", in clicks and in forms.
            "enterprise": organisation,
            "is_enterprise_install": space.is_enterprise_install,
            "user": {"id": self.id, "username": self.name, "name": self.name, "team_id": self._team_id()},
        }

    def _team_id(self) -> str:
        """Return what Slack gives as the person's own: the workspace, or on Enterprise Grid the organisation."""
        team = self._space.team_of(self.id)
        return team.enterprise_id if self._space.organisation_for_people and team.enterprise_id else team.id

    def notify(self, text: str, channel: str) -> None:
        """Show this person a message from Slack itself that nobody else sees."""
        self._space.answer(ResponseUrl(self.id, channel, None, self._space.now()), {"text": text})

    async def _send(self, kind: str, payload: Json, channel: str | None) -> Any:
        try:
            return await self._slack.deliver(kind, payload)
        except NotAcknowledged:
            if channel is not None:
                self.notify(_NOT_ACKNOWLEDGED, channel)
            raise


def _with_option(menu: Json, option: str) -> Json:
    """Return a menu with the chosen option, by its text or value. Raises LookupError if it has no such option."""
    for each in menu.get("options", []):
        if option in {each["value"], each["text"]["text"]}:
            return {**menu, "selected_option": each}
    raise LookupError(f"no option {option}")


def _as_payload(team: Team) -> Json:
    found = {"id": team.id, "domain": team.domain}
    if team.enterprise_id is not None:
        found |= {"enterprise_id": team.enterprise_id, "enterprise_name": team.enterprise_name}
    return found


def as_seen(message: Posted) -> Posted:
    """Return a copy of a message as it looks now, to be clicked when the message looks different."""
    return replace(message, blocks=copy.deepcopy(message.blocks))
