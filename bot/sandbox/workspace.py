"""The state of a Slack workspace: people, channels, messages, and the open forms.

It is long because the shapes of Slack's objects stand beside the rules about who belongs where.

Sources: https://docs.slack.dev/reference/objects/user-object, https://docs.slack.dev/reference/objects/conversation-object
and https://docs.slack.dev/apis/slack-connect
"""

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.sandbox.changes import Changes
from bot.sandbox.features import DECLARED, Features
from bot.sandbox.files import SlackFile
from bot.sandbox.notifications import Notification, mentions
from bot.slack.commands import COMMANDS

Json = dict[str, Any]

ESCAPING = {command.name for command in COMMANDS if command.should_escape}
"""The commands in which Slack turns names into mentions."""


@dataclass(slots=True)
class Team:
    """A workspace as people of other workspaces see it. ``enterprise_id`` is None outside Enterprise Grid."""

    id: str
    domain: str
    enterprise_id: str | None = None
    enterprise_name: str = ""


@dataclass(slots=True)
class User:
    """A person or a bot. ``team_id`` is their own workspace.

    ``also_in`` are further workspaces of their organisation that they are members of.
    """

    id: str
    name: str
    team_id: str
    deleted: bool = False
    also_in: frozenset[str] = frozenset()
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_bot: bool = False
    tz: str = "UTC"
    locale: str = "en-US"


@dataclass(slots=True)
class Channel:
    """A channel, a direct message between the bot and one person, or a direct message between people.

    ``shared`` means shared with another company (Slack Connect), ``pending_shared`` that another company is invited,
    and ``org_shared`` that several workspaces of the organisation have the channel.
    """

    id: str
    name: str
    members: set[str]
    private: bool = False
    archived: bool = False
    direct_with: str | None = None
    between_people: bool = False
    shared: bool = False
    pending_shared: bool = False
    org_shared: bool = False

    @property
    def is_im(self) -> bool:
        """True for a direct message between two, of whom one may be the bot."""
        return self.direct_with is not None or (self.between_people and len(self.members) == 2)

    @property
    def is_mpim(self) -> bool:
        """True for a direct message between three or more people."""
        return self.between_people and not self.is_im

    @property
    def name_in_payloads(self) -> str:
        """The name that commands and clicks give: Slack names no private channel there."""
        # Seen in published payloads; "mpdm-ann--ben--cleo-1" is the real name of a group of people.
        if self.is_im:
            return "directmessage"
        return "privategroup" if self.private and not self.is_mpim else self.name


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
    files: list[SlackFile] = field(default_factory=list)

    def element(self, action_id: str) -> Json | None:
        """Return the button or menu of this action id with its block id, or None if the message has none now."""
        for block in self.blocks:
            beside = [block["accessory"]] if "accessory" in block else []
            for element in block["elements"] if block.get("type") == "actions" else beside:
                if element.get("action_id") == action_id:
                    return {**element, "block_id": block.get("block_id", "")}
        return None

    def button(self, action_id: str) -> Json | None:
        """Return the button of this action id with its block id, or None if the message has no such button now.

        An option of an overflow menu counts as a button, under the first word of its value: then it is the menu, with
        the option as its ``selected_option``.
        """
        element = self.element(action_id)
        if element is not None:
            return element if element["type"] == "button" else None
        return next(
            (menu for menu in self._choices() if menu["selected_option"]["value"].split()[0] == action_id), None
        )

    def _choices(self) -> Iterator[Json]:
        """Yield each overflow menu once for each of its options, with its block id and that option."""
        for block in self.blocks:
            for element in block["elements"] if block.get("type") == "actions" else []:
                for option in element["options"] if element["type"] == "overflow" else []:
                    yield {**element, "block_id": block.get("block_id", ""), "selected_option": option}


@dataclass(slots=True)
class OpenView:
    """A form on somebody's screen, or somebody's Home tab as it is published."""

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
    features: Features = DECLARED
    """What the app declares to Slack beside its commands."""
    team_id: str = "T0LOCAL"
    domain: str = "local"
    enterprise_id: str | None = None
    enterprise_name: str = "Local Organisation"
    is_enterprise_install: bool = False
    """True where the app is installed for the whole organisation: then ``team`` is null in clicks and forms."""
    organisation_for_people: bool = False
    """Whether ``user.team_id`` names the organisation instead of the workspace, as Slack does on Enterprise Grid."""
    names_in_mentions: bool = True
    """Whether a mention in a command is ``<@U…|name>``, as it mostly comes, or ``<@U…>``, as Slack's page has it."""
    ahead: timedelta = timedelta(0)
    """How far Slack's clock, which makes each ``ts``, is ahead of the clock of everybody else; it can be negative."""
    bot_user_id: str = "U0BOT"
    bot_id: str = "B0BOT"
    app_id: str = "A0LOCAL"
    teams: dict[str, Team] = field(default_factory=dict)
    """The other workspaces."""
    users: dict[str, User] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    posted: list[Posted] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)
    """All notifications that there ever were, oldest first."""
    views: dict[str, list[OpenView]] = field(default_factory=dict)
    homes: dict[str, OpenView] = field(default_factory=dict)
    """The published Home tab of each person who has one."""
    changes: Changes = field(default_factory=Changes)
    _last_ts: int = 0

    def __post_init__(self) -> None:
        self.users[self.bot_user_id] = User(self.bot_user_id, "cancel-desk", self.team_id, is_bot=True)

    # --- people -------------------------------------------------------------------------------

    def add_user(
        self,
        user_id: str,
        name: str,
        *,
        team_id: str | None = None,
        enterprise_id: str | None = None,
        also_in: Iterable[str] = (),
    ) -> User:
        """Add a person: a member, or with ``team_id`` somebody of another workspace, which is added if need be.

        ``enterprise_id`` is the organisation of that other workspace.
        """
        self.users[user_id] = User(user_id, name, team_id or self.team_id, also_in=frozenset(also_in))
        if team_id not in {None, self.team_id, *self.teams}:
            assert team_id is not None
            self.add_team(team_id, team_id.lower(), enterprise_id)
        return self.users[user_id]

    def add_team(self, team_id: str, domain: str, enterprise_id: str | None = None) -> Team:
        """Add another workspace, of this organisation or of another company."""
        ours = enterprise_id is not None and enterprise_id == self.enterprise_id
        name = self.enterprise_name if ours else f"Organisation {enterprise_id}" if enterprise_id else ""
        self.teams[team_id] = Team(team_id, domain, enterprise_id, name)
        return self.teams[team_id]

    @property
    def team(self) -> Team:
        """The workspace in which the app is installed."""
        name = self.enterprise_name if self.enterprise_id else ""
        return Team(self.team_id, self.domain, self.enterprise_id, name)

    def team_of(self, user_id: str) -> Team:
        """Return the person's own workspace."""
        team_id = self.users[user_id].team_id
        return self.team if team_id == self.team_id else self.teams.get(team_id) or Team(team_id, team_id.lower())

    def is_colleague(self, user_id: str) -> bool:
        """Return True for a person of this workspace or of its organisation."""
        return self.is_member(user_id) or (
            self.enterprise_id is not None and self.team_of(user_id).enterprise_id == self.enterprise_id
        )

    def is_member(self, user_id: str) -> bool:
        """Return True for a member of the workspace in which the app is installed."""
        user = self.users[user_id]
        return self.team_id in {user.team_id, *user.also_in}

    def has_commands(self, user_id: str) -> bool:
        """Return True for a person who can use the app's commands: Slack shares none with other workspaces."""
        # https://docs.slack.dev/apis/slack-connect, "Slash commands are not shared"
        return self.is_member(user_id) or (self.is_enterprise_install and self.is_colleague(user_id))

    def is_stranger(self, user_id: str) -> bool:
        """Return Slack's ``is_stranger``: somebody of another company who shares no channel with the app.

        It is False for people of other companies in a shared channel, so it does not tell who is from outside.
        """
        # https://docs.slack.dev/reference/objects/user-object
        together = any({user_id, self.bot_user_id} <= channel.members for channel in self.channels.values())
        return not self.is_colleague(user_id) and not together

    # --- channels -----------------------------------------------------------------------------

    def add_channel(
        self,
        channel_id: str,
        name: str,
        members: Iterable[str] = (),
        *,
        bot: bool = True,
        private: bool = False,
        shared: bool = False,
        org_shared: bool = False,
    ) -> Channel:
        """Add a channel with these members, and with the bot unless ``bot`` is false."""
        everybody = {*members, *([self.bot_user_id] if bot else [])}
        self.channels[channel_id] = Channel(channel_id, name, everybody, private, shared=shared, org_shared=org_shared)
        return self.channels[channel_id]

    def add_direct_message(self, people: Iterable[str], channel_id: str = "") -> Channel:
        """Add a direct message between people, of whom none is the bot: nobody can invite it there.

        Two people get a ``D…`` id, more of them a ``C…`` id and a name such as ``mpdm-ann--ben--cleo-1``.
        """
        members = list(people)
        if not channel_id:
            channel_id = f"{'D' if len(members) == 2 else 'C'}0P{len(self.channels):04}"
        name = "" if len(members) == 2 else f"mpdm-{'--'.join(self.users[person].name for person in members)}-1"
        self.channels[channel_id] = Channel(channel_id, name, set(members), private=True, between_people=True)
        return self.channels[channel_id]

    def share(self, channel_id: str, people: Iterable[str] = (), *, accepted: bool = True) -> Channel:
        """Share a channel with another company, whose people come in; ``accepted`` False means invited only.

        A private channel's ``G…`` id becomes a ``C…`` id at once, also where the company never comes.
        """
        # https://docs.slack.dev/apis/slack-connect, "Beware of changing IDs on channels when a share is initiated"
        channel = self.channels.pop(channel_id)
        channel.shared, channel.pending_shared = accepted, not accepted
        channel.members |= set(people) if accepted else set()
        if channel.private and channel_id.startswith("G"):
            channel.id = f"C{channel_id[1:]}"
            for message in self.posted:
                message.channel = channel.id if message.channel == channel_id else message.channel
        self.channels[channel.id] = channel
        self.changes.touch()
        return channel

    def direct_channel(self, user_id: str) -> Channel:
        """Return the direct messages between the bot and this person, opened if need be."""
        channel_id = self.direct_id(user_id)
        if channel_id not in self.channels:
            members = {user_id, self.bot_user_id}
            self.channels[channel_id] = Channel(channel_id, "", members, private=True, direct_with=user_id)
        return self.channels[channel_id]

    @staticmethod
    def direct_id(user_id: str) -> str:
        """Return the id that the direct messages between the bot and this person have, or would have."""
        return f"D{user_id[1:]}"

    # --- messages -----------------------------------------------------------------------------

    def slack_now(self) -> datetime:
        """Return the time on Slack's own clock."""
        return self.now() + self.ahead

    def next_ts(self) -> str:
        """Return a new message's id: Slack's time in seconds with six decimals, never the same twice."""
        # Also where two messages come in the same microsecond, or the clock goes back.
        self._last_ts = max(self._last_ts + 1, int(self.slack_now().timestamp() * 1_000_000))
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
        """Add a message to its channel or thread, and notify those whom it concerns.

        Only here: a message that is changed later notifies nobody, whatever it mentions then.
        """
        self.posted.append(message)
        self.notifications += self._notified(message)
        self.changes.touch()
        return message

    def _notified(self, message: Posted) -> list[Notification]:
        """Return the notifications of a new message.

        A mention notifies the members of the channel. For a private channel Slack's help says so; what happens to
        others in a public one is on no page. People who follow a thread are not notified here without a mention.
        """
        channel, found = self.channels.get(message.channel), mentions(message.text, message.blocks)
        if channel is None or message.only_for is not None:
            return []
        named = found.users.union(*(self.groups.get(group, []) for group in found.groups))
        direct = channel.is_im or channel.is_mpim
        return [
            Notification(
                user=person,
                channel=channel.id,
                ts=message.ts,
                thread_ts=message.thread_ts,
                text=message.text,
                mention=found.everybody or person in named,
            )
            for person in sorted(channel.members & self.users.keys() - {message.user, self.bot_user_id})
            if not self.users[person].deleted and (direct or found.everybody or person in named)
        ]

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
        """Return what Slack makes of typed text: entities, and with ``mentions`` ids for names, and marked links."""
        # https://docs.slack.dev/interactivity/implementing-slash-commands, "Escape channels, users, and links"
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        if not mentions:
            return escaped
        people = {user.name: user.id for user in self.users.values()}
        channels = {channel.name: channel for channel in self.channels.values() if channel.name}

        def marked(match: re.Match[str]) -> str:
            link, sign, name = match["link"], match["sign"], match["name"]
            if link:
                return f"<{link}>"
            if sign == "@" and name in people:
                return f"<@{people[name]}|{name}>" if self.names_in_mentions else f"<@{people[name]}>"
            if sign == "#" and name in channels:
                return f"<#{channels[name].id}|{'' if channels[name].private else name}>"
            return match[0]

        return re.sub(r"(?P<link>https?://[^\s|]+)|(?P<sign>[@#])(?P<name>[\w.-]+)", marked, escaped)


def as_payload(message: Posted, workspace: Workspace, *, metadata: bool = False) -> Json:
    """Return a message as Slack sends it, with its metadata only on request."""
    payload: Json = {
        "type": "message",
        "user": message.user,
        "ts": message.ts,
        "text": message.text,
        "blocks": copy.deepcopy(message.blocks),
        "team": workspace.users[message.user].team_id if message.user in workspace.users else workspace.team_id,
    }
    if message.user == workspace.bot_user_id:
        payload |= {"bot_id": workspace.bot_id, "app_id": workspace.app_id}
    if message.thread_ts is not None:
        parent = workspace.message(message.channel, message.thread_ts)
        payload["thread_ts"] = message.thread_ts
        if parent is not None:
            payload["parent_user_id"] = parent.user
    if message.files:
        payload["files"] = [file.as_payload(message.user) for file in message.files]
    if metadata and message.metadata is not None:
        payload["metadata"] = message.metadata
    return payload
