"""A person in the local workspace: what they can do there, and what they see."""

import copy
from dataclasses import replace
from typing import Any

from bot.sandbox.slack import LocalSlack, NotAcknowledged
from bot.sandbox.transcript import read
from bot.sandbox.workspace import ESCAPING, Json, OpenView, Posted, ResponseUrl, as_payload

_NOT_ACKNOWLEDGED = "The app did not respond. Try again."
"""Words like those that Slack itself shows when an app does not acknowledge in time."""


class Person:
    """A member of the workspace, who types commands, fills in forms and presses buttons."""

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
    def ephemerals(self) -> list[Posted]:
        """The messages that only this person sees, oldest first."""
        return [message for message in self._space.posted if message.only_for == self.id]

    @property
    def direct_messages(self) -> list[Posted]:
        """The direct messages between this person and the bot, oldest first."""
        return self._space.messages(self._space.direct_channel(self.id).id)

    def reads(self, message: Posted) -> str:
        """Return a message as this person reads it."""
        return read(message, {user.id: user.name for user in self._space.users.values()})

    # --- doing --------------------------------------------------------------------------------

    async def command(self, line: str, channel: str) -> None:
        """Type a slash command. Raises NotAcknowledged, and shows Slack's own error, if the app does not answer."""
        payload = self.command_payload(line, channel)
        answer = await self._send("slash_commands", payload, channel)
        if answer:
            self._space.answer(self._slack.response_urls[payload["response_url"].rpartition("/")[2]], answer)

    def command_payload(self, line: str, channel: str) -> Json:
        """Return the payload that Slack sends for a slash command.

        Raises ValueError if this person is not in the channel.
        """
        if self.id not in self._space.channels[channel].members:
            raise ValueError(f"{self.name} is not in that channel")
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
            "text": self._space.escaped(text.strip(), mentions=name in ESCAPING),
            "api_app_id": self._space.app_id,
            "is_enterprise_install": "false",
            "response_url": self._slack.new_response_url(self.id, channel, None),
            "trigger_id": self._slack.api.new_trigger(self.id),
        }

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
        """Return the payload that Slack sends for a click. Raises LookupError if the message has no such button."""
        button = message.button(action_id)
        if button is None:
            raise LookupError(f"no button {action_id}")
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
            **self._envelope("block_actions"),
            "container": container,
            "state": {"values": {}},
            "trigger_id": self._slack.api.new_trigger(self.id),
            "channel": {"id": message.channel, "name": self._space.channels[message.channel].name},
            "response_url": self._slack.new_response_url(self.id, message.channel, message),
            "actions": [action],
        }
        # Slack does not send the content of an ephemeral message back.
        if not ephemeral:
            payload["message"] = as_payload(message, self._space)
        return payload

    async def submit(self, **values: str) -> dict[str, str] | None:
        """Fill in the form on top and send it. Return the errors by field, or None if the app accepted the form."""
        opened = self.modal
        if opened is None:
            raise LookupError("no form is open")
        payload = self.submission_payload(opened, values)
        answer = await self._send("interactive", payload, None)
        return self.answer_form(opened, answer)

    def submission_payload(self, opened: OpenView, values: dict[str, str]) -> Json:
        """Return the payload that Slack sends for a filled-in form; fields left out keep their initial values.

        Raises ValueError for values that Slack's own form would not send.
        """
        state: dict[str, dict[str, Json]] = {}
        for block in opened.view["blocks"]:
            if block["type"] != "input":
                continue
            element = block["element"]
            value = values.get(element["action_id"], element.get("initial_value", ""))
            if not value and not block.get("optional"):
                raise ValueError(f"{element['action_id']} must be filled in")
            if len(value) > element.get("max_length", 3000):
                raise ValueError(f"{element['action_id']} is too long to type")
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
            **self._envelope("view_submission"),
            "view": view,
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

    def _envelope(self, kind: str) -> Json:
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


def as_seen(message: Posted) -> Posted:
    """Return a copy of a message as it looks now, to be clicked when the message looks different."""
    return replace(message, blocks=copy.deepcopy(message.blocks))
