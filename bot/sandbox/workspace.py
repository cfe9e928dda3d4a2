"""The state of a Slack workspace: people, channels, messages, and the open forms."""

import copy
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.sandbox.changes import Changes
from bot.slack.commands import COMMANDS

Json = dict[str, Any]

ESCAPING = {command.name for command in COMMANDS if command.should_escape}
"""The commands in which Slack turns names into mentions."""


@dataclass(slots=True)
class User:
    """A member of the workspace."""

    id: str
    name: str
    team_id: str
    deleted: bool = False


@dataclass(slots=True)
class Channel:
    """A channel, or the direct messages between the bot and one person."""

    id: str
    name: str
    members: set[str]
    private: bool = False
    archived: bool = False
    direct_with: str | None = None


@dataclass(slots=True)
class Posted:
    """A message as it looks now. ``only_for`` is the one person who sees an ephemeral message, None for the others."""

    channel: str
    ts: str
    text: str
    blocks: list[Json]
    user: str
    thread_ts: str | None = None
    metadata: Json | None = None
    only_for: str | None = None
    edited: int = 0

    def button(self, action_id: str) -> Json | None:
        """Return the button of this action id with its block id, or None if the message has no such button now."""
        for block in self.blocks:
            if block.get("type") == "actions":
                for element in block["elements"]:
                    if element.get("action_id") == action_id:
                        return {**element, "block_id": block.get("block_id", "")}
        return None


@dataclass(slots=True)
class OpenView:
    """A form on somebody's screen."""

    id: str
    user: str
    view: Json
    hash: str


@dataclass(slots=True)
class ResponseUrl:
    """An address that takes the answers to one command or click: five in half an hour."""

    user: str
    channel: str
    message: Posted | None
    expires: datetime
    left: int = 5


@dataclass
class Workspace:
    """The state behind the local Slack, and the rules that need nothing but the state."""

    now: Callable[[], datetime]
    team_id: str = "T0LOCAL"
    bot_user_id: str = "U0BOT"
    bot_id: str = "B0BOT"
    app_id: str = "A0LOCAL"
    users: dict[str, User] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    posted: list[Posted] = field(default_factory=list)
    views: dict[str, list[OpenView]] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    _last_ts: int = 0

    def __post_init__(self) -> None:
        self.users[self.bot_user_id] = User(self.bot_user_id, "cancel-desk", self.team_id)

    def add_user(self, user_id: str, name: str, *, team_id: str | None = None) -> User:
        """Add a member, of another workspace if ``team_id`` is given."""
        self.users[user_id] = User(user_id, name, team_id or self.team_id)
        return self.users[user_id]

    def add_channel(
        self,
        channel_id: str,
        name: str,
        members: Iterable[str] = (),
        *,
        bot: bool = True,
        private: bool = False,
    ) -> Channel:
        """Add a channel with these members, and with the bot unless ``bot`` is false."""
        everybody = {*members, *([self.bot_user_id] if bot else [])}
        self.channels[channel_id] = Channel(channel_id, name, everybody, private)
        return self.channels[channel_id]

    def direct_channel(self, user_id: str) -> Channel:
        """Return the direct messages between the bot and this person, opened if need be."""
        channel_id = f"D{user_id[1:]}"
        if channel_id not in self.channels:
            members = {user_id, self.bot_user_id}
            self.channels[channel_id] = Channel(channel_id, "", members, private=True, direct_with=user_id)
        return self.channels[channel_id]

    def next_ts(self) -> str:
        """Return a new message's id: the time in seconds with six decimals, never the same twice."""
        # Also where two messages come in the same microsecond, or the clock goes back.
        self._last_ts = max(self._last_ts + 1, int(self.now().timestamp() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06}"

    def messages(self, channel: str, thread_ts: str | None = None) -> list[Posted]:
        """Return the messages that everybody in the channel sees, oldest first.

        With ``thread_ts`` these are the replies of that thread, without it the messages outside threads.
        """
        return [
            message
            for message in self.posted
            if message.channel == channel and message.only_for is None and message.thread_ts == thread_ts
        ]

    def message(self, channel: str, ts: str) -> Posted | None:
        """Return the message of this id as it looks now, or None."""
        found = (message for message in self.posted if (message.channel, message.ts) == (channel, ts))
        return next(found, None)

    def post(self, message: Posted) -> Posted:
        """Add a message to its channel or thread."""
        self.posted.append(message)
        self.changes.touch()
        return message

    def delete_message(self, channel: str, ts: str) -> None:
        """Remove a message, as when somebody deletes it; the replies in its thread stay."""
        self.posted = [message for message in self.posted if (message.channel, message.ts) != (channel, ts)]
        self.changes.touch()

    def answer(self, where: ResponseUrl, answer: Json) -> None:
        """Show an answer to a command or click: to the person alone, to all, or in place of the clicked message."""
        blocks, text = copy.deepcopy(answer.get("blocks") or []), answer.get("text") or ""
        if answer.get("replace_original") and where.message is not None:
            where.message.text, where.message.blocks = text, blocks
            where.message.edited += 1
            self.changes.touch()
            return
        only_for = None if answer.get("response_type") == "in_channel" else where.user
        self.post(Posted(where.channel, self.next_ts(), text, blocks, self.bot_user_id, only_for=only_for))

    def escaped(self, text: str, *, mentions: bool) -> str:
        """Return what Slack makes of typed text: entities, and with ``mentions`` an id for each name behind ``@``."""
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        if not mentions:
            return escaped
        ids = {user.name: user.id for user in self.users.values()}
        return re.sub(
            r"@([\w.-]+)",
            lambda match: f"<@{ids[match[1]]}|{match[1]}>" if match[1] in ids else match[0],
            escaped,
        )


def as_payload(message: Posted, workspace: Workspace, *, metadata: bool = False) -> Json:
    """Return a message as Slack sends it, with its metadata only on request."""
    payload: Json = {
        "type": "message",
        "user": message.user,
        "ts": message.ts,
        "text": message.text,
        "blocks": copy.deepcopy(message.blocks),
        "team": workspace.team_id,
    }
    if message.user == workspace.bot_user_id:
        payload |= {"bot_id": workspace.bot_id, "app_id": workspace.app_id}
    if message.thread_ts is not None:
        payload |= {"thread_ts": message.thread_ts, "parent_user_id": workspace.bot_user_id}
    if metadata and message.metadata is not None:
        payload["metadata"] = message.metadata
    return payload
