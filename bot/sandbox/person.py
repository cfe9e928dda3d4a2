"""A person in the local workspace: what they can do there, and what they see."""

import copy
import re
from dataclasses import replace
from typing import Any

from bot.sandbox.reading import read
from bot.sandbox.slack import LocalSlack, NotAcknowledged
from bot.sandbox.workspace import Json, Message, OpenView, ResponseUrl, as_payload

_TROUBLE = "The app did not respond. Try again."


class Person:
    """Somebody who types commands, fills in forms and presses buttons."""

    def __init__(self, slack: LocalSlack, user_id: str) -> None:
        self._slack = slack
        self._space = slack.space
        self.id = user_id

    @property
    def name(self) -> str:
        """The name that others see."""
        return self._space.users[self.id].name

    # --- seeing -------------------------------------------------------------------------------

    @property
    def modal(self) -> OpenView | None:
        """The form on top, if one is open."""
        views = self._space.views.get(self.id)
        return views[-1] if views else None

    @property
    def ephemerals(self) -> list[Message]:
        """The messages that only this person sees, oldest first."""
        return [message for message in self._space.posted if message.only_for == self.id]

    @property
    def direct_messages(self) -> list[Message]:
        """What the bot wrote to this person, oldest first."""
        return self._space.messages(self._space.direct_channel(self.id).id)

    def reads(self, message: Message) -> str:
        """A message as this person reads it."""
        return read(message, {user.id: user.name for user in self._space.users.values()})

    # --- doing --------------------------------------------------------------------------------

    async def command(self, line: str, channel: str) -> None:
        """Type a slash command. Raises NotAcknowledged, and shows Slack's own error, if the app does not answer."""
        payload = self.command_payload(line, channel)
        answer = await self._send("slash_commands", payload, channel)
        if answer:
            self._slack.answer_privately(self._slack.response_urls[payload["response_url"].rpartition("/")[2]], answer)

    def command_payload(self, line: str, channel: str) -> Json:
        """What Slack sends for a slash command."""
        if self.id not in self._space.channels[channel].members:
            msg = f"{self.name} is not in that channel"
            raise ValueError(msg)
        name, _, text = line.partition(" ")
        return {
            "token": "legacy",
            "team_id": self._space.team_id,
            "team_domain": "local",
            "channel_id": channel,
            "channel_name": self._space.channels[channel].name or "directmessage",
            "user_id": self.id,
            "user_name": self.name,
            "command": name,
            "text": self._escaped(text.strip(), mentions=name in self._space.escaping),
            "api_app_id": self._space.app_id,
            "is_enterprise_install": "false",
            "response_url": self._slack.new_response_url(self.id, channel, None),
            "trigger_id": self._slack.api.new_trigger(self.id),
        }

    def say(self, text: str, channel: str, thread_ts: str | None = None) -> Message:
        """Write a message, into a channel or a thread."""
        return self._space.post(
            Message(
                channel,
                self._space.next_ts(),
                self._escaped(text, mentions=True),
                [],
                self.id,
                thread_ts,
            )
        )

    def _escaped(self, text: str, *, mentions: bool) -> str:
        """Slack's escaping; with ``mentions`` a name behind @ becomes a mention, as ``should_escape`` asks for."""
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        if not mentions:
            return escaped
        ids = {user.name: user.id for user in self._space.users.values()}
        return re.sub(
            r"@([\w.-]+)",
            lambda match: f"<@{ids[match[1]]}|{match[1]}>" if match[1] in ids else match[0],
            escaped,
        )

    async def click(self, message: Message, action_id: str) -> None:
        """Press a button of a message as it stands now, and confirm if it asks.

        Raises LookupError if the message has no such button by now.
        """
        await self.click_as_seen(message, action_id)

    async def click_as_seen(self, message: Message, action_id: str) -> None:
        """Press a button on a copy of a message that may look different by now."""
        await self._slack_click(self.click_payload(message, action_id), message.channel)

    async def _slack_click(self, payload: Json, channel: str) -> None:
        await self._send("interactive", payload, channel)

    def click_payload(self, message: Message, action_id: str) -> Json:
        """What Slack sends for a click. Raises LookupError if the message has no such button."""
        button = message.button(action_id)
        if button is None:
            msg = f"no button {action_id}"
            raise LookupError(msg)
        ephemeral = message.only_for is not None
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": ephemeral,
        }
        action = {
            "type": "button",
            "action_id": action_id,
            "block_id": button["block_id"] or "b",
            "text": button["text"],
            "value": button.get("value", ""),
            "action_ts": self._space.next_ts(),
        }
        payload: Json = {
            **self._who("block_actions"),
            "container": container,
            "state": {"values": {}},
            "trigger_id": self._slack.api.new_trigger(self.id),
            "channel": {"id": message.channel, "name": self._space.channels[message.channel].name},
            "response_url": self._slack.new_response_url(self.id, message.channel, message),
            "actions": [action],
        }
        if not ephemeral:
            payload["message"] = as_payload(message, self._space)
        return payload

    async def submit(self, **values: str) -> dict[str, str] | None:
        """Fill in the form on top and send it: None if it was taken, else the errors by field."""
        opened = self.modal
        if opened is None:
            msg = "no form is open"
            raise LookupError(msg)
        payload = self.submission_payload(opened, values)
        answer = await self._send("interactive", payload, None)
        return self.answer_form(opened, answer)

    def submission_payload(self, opened: OpenView, values: dict[str, str]) -> Json:
        """What Slack sends for a filled-in form; fields that are left out keep what the form came with."""
        state: dict[str, dict[str, Json]] = {}
        for block in opened.view["blocks"]:
            if block["type"] != "input":
                continue
            element = block["element"]
            value = values.get(element["action_id"], element.get("initial_value", ""))
            if not value and not block.get("optional"):
                return_error = f"{element['action_id']} must be filled in"
                raise ValueError(return_error)
            if len(value) > element.get("max_length", 3000):
                msg = f"{element['action_id']} is too long to type"
                raise ValueError(msg)
            field: Json = {"type": "plain_text_input", "value": value or None}
            state[block["block_id"]] = {element["action_id"]: field}
        view = {
            **copy.deepcopy(opened.view),
            "id": opened.id,
            "hash": opened.hash,
            "team_id": self._space.team_id,
            "state": {"values": state},
            "root_view_id": opened.id,
            "previous_view_id": None,
            "app_id": self._space.app_id,
            "bot_id": self._space.bot_id,
            "external_id": "",
            "app_installed_team_id": self._space.team_id,
        }
        return {
            **self._who("view_submission"),
            "view": view,
            "response_urls": [],
            "trigger_id": self._slack.api.new_trigger(self.id),
        }

    def answer_form(self, opened: OpenView, answer: Json | None) -> dict[str, str] | None:
        """Do with a form what the app answered to it."""
        match (answer or {}).get("response_action"):
            case "errors":
                assert answer is not None
                errors: dict[str, str] = answer["errors"]
                fields = {block.get("block_id") for block in opened.view["blocks"] if block["type"] == "input"}
                if not errors or not set(errors) <= fields:
                    msg = f"errors for fields that the form does not have: {errors}"
                    raise AssertionError(msg)
                return errors
            case "update":
                assert answer is not None
                opened.view = answer["view"]
            case _:
                self.close()
        self._space.changes.touch()
        return None

    def close(self) -> None:
        """Close the form on top."""
        if self._space.views.get(self.id):
            self._space.views[self.id].pop()
        self._space.changes.touch()

    def _who(self, kind: str) -> Json:
        user = self._space.users[self.id]
        return {
            "type": kind,
            "token": "legacy",
            "api_app_id": self._space.app_id,
            "team": {"id": user.team_id, "domain": "local"},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id},
        }

    async def _send(self, kind: str, payload: Json, channel: str | None) -> Any:
        try:
            return await self._slack.deliver(kind, payload)
        except NotAcknowledged:
            if channel is not None:
                notice = ResponseUrl(self.id, channel, None, self._space.now())
                self._slack.answer_privately(notice, {"text": _TROUBLE})
            raise


def as_seen(message: Message) -> Message:
    """A copy of a message as it looks now, to be clicked when it looks different."""
    return replace(message, blocks=copy.deepcopy(message.blocks))
