"""What a Slack workspace holds: people, channels, messages, and the forms that are open."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.sandbox.changes import Changes

Json = dict[str, Any]


@dataclass(slots=True)
class User:
    """Somebody in the workspace."""

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
class Message:
    """A message as it stands now. ``only_for`` is the one person who sees an ephemeral one."""

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
        """The button of this action id, if the message has one now."""
        for block in self.blocks:
            if block.get("type") == "actions":
                for element in block["elements"]:
                    if element.get("action_id") == action_id:
                        return {**element, "block_id": block.get("block_id", "")}
        return None


@dataclass(slots=True)
class OpenView:
    """A form that somebody has before them."""

    id: str
    user: str
    view: Json
    hash: str


@dataclass(slots=True)
class ResponseUrl:
    """Where an answer to one command or click can be sent: five times in half an hour."""

    user: str
    channel: str
    message: Message | None
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
    posted: list[Message] = field(default_factory=list)
    views: dict[str, list[OpenView]] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    escaping: set[str] = field(default_factory=lambda: {"/cancel-audit"})
    """The commands with ``should_escape``, as manifest.yml has them."""
    _last_ts: int = 0

    def __post_init__(self) -> None:
        self.users[self.bot_user_id] = User(self.bot_user_id, "cancel-desk", self.team_id)

    def add_user(self, user_id: str, name: str, *, team_id: str | None = None) -> User:
        """Somebody new."""
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
        """A new channel with these members, and the bot among them unless told otherwise."""
        everybody = {*members, *([self.bot_user_id] if bot else [])}
        self.channels[channel_id] = Channel(channel_id, name, everybody, private)
        return self.channels[channel_id]

    def direct_channel(self, user_id: str) -> Channel:
        """The direct messages between the bot and this person."""
        channel_id = f"D{user_id[1:]}"
        if channel_id not in self.channels:
            members = {user_id, self.bot_user_id}
            self.channels[channel_id] = Channel(channel_id, "", members, private=True, direct_with=user_id)
        return self.channels[channel_id]

    def next_ts(self) -> str:
        """A message's id: the time in microseconds, never twice."""
        self._last_ts = max(self._last_ts + 1, int(self.now().timestamp() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06}"

    def messages(self, channel: str, thread_ts: str | None = None) -> list[Message]:
        """What everybody in the channel sees, oldest first; with ``thread_ts`` the replies of that thread."""
        return [
            message
            for message in self.posted
            if message.channel == channel and message.only_for is None and message.thread_ts == thread_ts
        ]

    def message(self, channel: str, ts: str) -> Message | None:
        """The message of this id as it stands now."""
        found = (message for message in self.posted if (message.channel, message.ts) == (channel, ts))
        return next(found, None)

    def post(self, message: Message) -> Message:
        """Put a message where it belongs."""
        self.posted.append(message)
        self.changes.touch()
        return message

    def delete_message(self, channel: str, ts: str) -> None:
        """Somebody deletes a message."""
        self.posted = [message for message in self.posted if (message.channel, message.ts) != (channel, ts)]
        self.changes.touch()


def as_payload(message: Message, workspace: Workspace, *, metadata: bool = False) -> Json:
    """A message as Slack sends it, with metadata only where that was asked for."""
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
