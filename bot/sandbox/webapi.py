"""The local Slack's Web API: each method with its scope, its errors and its effect.

Source of each method's errors: its page below https://docs.slack.dev/reference/methods.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bot.sandbox.blockkit import problems_with_blocks, problems_with_view
from bot.sandbox.workspace import Channel, Json, OpenView, Posted, Workspace, as_payload

TRIGGER_LIFE = timedelta(seconds=3)


class Refused(Exception):
    """Slack's answer ``ok: false``; ``extra`` goes beside the error's name."""

    def __init__(self, error: str, **extra: object) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **extra}


class WebApi:
    """The methods of the Web API on one workspace."""

    def __init__(self, workspace: Workspace, *, scopes: set[str], rate_limited: bool) -> None:
        self.scopes = scopes
        self.triggers: dict[str, tuple[Any, bool]] = {}
        self.opened_for: dict[str, str] = {}
        self._space = workspace
        self._rate_limited = rate_limited
        self._next_post: dict[str, float] = {}
        # A form's id is never used again, also not by the next run on the same database.
        self._view_count = int(workspace.now().timestamp() * 1000)
        self._methods: dict[str, Callable[[Json], Json]] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.info": self._info,
            "conversations.open": self._open,
            "conversations.replies": self._replies,
            "usergroups.users.list": self._group_users,
            "users.info": self._user_info,
            "views.open": self._views_open,
        }

    def call(self, method: str, arguments: Json) -> Json:
        """Return the answer to a call with a valid bot token. Raises Refused."""
        if method not in self._methods:
            raise Refused("unknown_method")
        return {"ok": True, **self._methods[method](arguments)}

    def new_trigger(self, user: str) -> str:
        """Return a trigger id for one form, good for three seconds."""
        trigger = f"{len(self.triggers) + 1}.{user}"
        self.triggers[trigger] = (self._space.now() + TRIGGER_LIFE, False)
        self.opened_for[trigger] = user
        return trigger

    # --- methods ------------------------------------------------------------------------------

    def _auth_test(self, _: Json) -> Json:
        space = self._space
        return {
            "url": "https://local.slack.com/",
            "team": "Local",
            "user": "cancel-desk",
            "team_id": space.team_id,
            "user_id": space.bot_user_id,
            "bot_id": space.bot_id,
            "is_enterprise_install": False,
        }

    def _post_message(self, arguments: Json) -> Json:
        self._need("chat:write")
        target = _required(arguments, "channel")
        # A person's id means their direct messages with the bot.
        if target in self._space.users and target != self._space.bot_user_id:
            target = self._space.direct_channel(target).id
        channel = self._member_of(target)
        self._check_content(arguments)
        thread_ts = arguments.get("thread_ts")
        if thread_ts is not None and not (
            self._space.message(channel.id, thread_ts) or self._space.messages(channel.id, thread_ts)
        ):
            raise Refused("thread_not_found")
        self._take_turn(channel.id)
        message = self._space.post(
            Posted(
                channel.id,
                self._space.next_ts(),
                arguments.get("text", ""),
                arguments.get("blocks", []),
                self._space.bot_user_id,
                thread_ts,
                arguments.get("metadata"),
            )
        )
        return {"channel": channel.id, "ts": message.ts, "message": as_payload(message, self._space)}

    def _update(self, arguments: Json) -> Json:
        self._need("chat:write")
        channel = self._member_of(_required(arguments, "channel"))
        message = self._space.message(channel.id, _required(arguments, "ts"))
        if message is None:
            raise Refused("message_not_found")
        if message.user != self._space.bot_user_id or message.only_for is not None:
            raise Refused("cant_update_message")
        self._check_content(arguments)
        message.text = arguments.get("text", message.text)
        message.blocks = arguments.get("blocks", message.blocks)
        message.edited += 1
        self._space.changes.touch()
        return {"channel": channel.id, "ts": message.ts, "text": message.text}

    def _history(self, arguments: Json) -> Json:
        channel = self._readable(arguments, "history")
        return self._page(self._space.messages(channel.id)[::-1], arguments)

    def _replies(self, arguments: Json) -> Json:
        channel = self._readable(arguments, "history")
        thread = _required(arguments, "ts")
        parent = self._space.message(channel.id, thread)
        replies = self._space.messages(channel.id, thread)
        # A deleted message that has replies leaves its thread behind.
        if parent is None and not replies:
            raise Refused("thread_not_found")
        return self._page([parent, *replies] if parent else replies, arguments)

    def _info(self, arguments: Json) -> Json:
        channel = self._visible(_required(arguments, "channel"))
        self._need(f"{_family(channel)}:read")
        return {
            "channel": {
                "id": channel.id,
                "name": channel.name,
                "is_archived": channel.archived,
                "is_private": channel.private,
                "is_member": self._space.bot_user_id in channel.members,
            },
        }

    def _open(self, arguments: Json) -> Json:
        self._need("im:write")
        user = _required(arguments, "users")
        if user not in self._space.users:
            raise Refused("user_not_found")
        return {"channel": {"id": self._space.direct_channel(user).id}}

    def _group_users(self, arguments: Json) -> Json:
        self._need("usergroups:read")
        group = _required(arguments, "usergroup")
        if group not in self._space.groups:
            raise Refused("no_such_subteam")
        return {"users": self._space.groups[group]}

    def _user_info(self, arguments: Json) -> Json:
        self._need("users:read")
        user = self._space.users.get(_required(arguments, "user"))
        if user is None:
            raise Refused("user_not_found")
        return {"user": {"id": user.id, "name": user.name, "deleted": user.deleted, "is_bot": False}}

    def _views_open(self, arguments: Json) -> Json:
        trigger = _required(arguments, "trigger_id")
        if trigger not in self.triggers:
            raise Refused("invalid_trigger_id")
        expires, used = self.triggers[trigger]
        if used:
            raise Refused("exchanged_trigger_id")
        if self._space.now() > expires:
            raise Refused("expired_trigger_id")
        view = arguments.get("view")
        problems = problems_with_view(view)
        if problems or not isinstance(view, dict):
            raise Refused("invalid_arguments", response_metadata={"messages": problems})
        self.triggers[trigger] = (expires, True)
        self._view_count += 1
        user = self.opened_for[trigger]
        opened = OpenView(f"V{self._view_count}", user, view, f"h{self._view_count}")
        self._space.views.setdefault(user, []).append(opened)
        self._space.changes.touch()
        return {"view": {**view, "id": opened.id, "hash": opened.hash, "team_id": self._space.team_id}}

    # --- rules --------------------------------------------------------------------------------

    def _need(self, scope: str) -> None:
        if scope not in self.scopes:
            raise Refused("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    def _visible(self, channel_id: str) -> Channel:
        channel = self._space.channels.get(channel_id)
        # A private channel looks to an app that is not in it as if it did not exist.
        if channel is None or (channel.private and self._space.bot_user_id not in channel.members):
            raise Refused("channel_not_found")
        return channel

    def _member_of(self, channel_id: str) -> Channel:
        channel = self._visible(channel_id)
        if self._space.bot_user_id not in channel.members:
            raise Refused("not_in_channel")
        if channel.archived:
            raise Refused("is_archived")
        return channel

    def _readable(self, arguments: Json, what: str) -> Channel:
        channel = self._visible(_required(arguments, "channel"))
        self._need(f"{_family(channel)}:{what}")
        if self._space.bot_user_id not in channel.members:
            raise Refused("not_in_channel")
        return channel

    def _check_content(self, arguments: Json) -> None:
        text, blocks = arguments.get("text", ""), arguments.get("blocks")
        if not isinstance(text, str) or (not text and not blocks):
            raise Refused("no_text")
        if len(text) > 40_000:
            raise Refused("msg_too_long")
        if blocks is not None and (problems := problems_with_blocks(blocks)):
            raise Refused("invalid_blocks", response_metadata={"messages": problems})
        metadata = arguments.get("metadata")
        if metadata is not None and not (
            isinstance(metadata, dict)
            and isinstance(metadata.get("event_type"), str)
            and isinstance(metadata.get("event_payload"), dict)
        ):
            raise Refused("invalid_metadata_format")

    def _take_turn(self, channel: str) -> None:
        """Hold the channel to Slack's rate: one message a second, with a few at once. Raises Refused."""
        if not self._rate_limited:
            return
        now = self._space.now().timestamp()
        free_at = max(self._next_post.get(channel, 0.0), now)
        if free_at - now > 5:
            raise Refused("ratelimited")
        self._next_post[channel] = free_at + 1

    def _page(self, messages: list[Posted], arguments: Json) -> Json:
        oldest = float(arguments.get("oldest") or 0)
        wanted = [message for message in messages if float(message.ts) > oldest]
        if cursor := arguments.get("cursor"):
            # The cursor is the time of the last message seen, so that posts and deletions in between shift no page.
            newest_first = wanted != sorted(wanted, key=lambda message: message.ts)
            wanted = [m for m in wanted if (m.ts < cursor if newest_first else m.ts > cursor)]
        limit = int(arguments.get("limit") or 100)
        metadata = str(arguments.get("include_all_metadata", "")).lower() in {"1", "true"}
        more = len(wanted) > limit
        page = wanted[:limit]
        return {
            "messages": [as_payload(message, self._space, metadata=metadata) for message in page],
            "has_more": more,
            "response_metadata": {"next_cursor": page[-1].ts if more else ""},
        }


def _family(channel: Channel) -> str:
    if channel.direct_with is not None:
        return "im"
    return "groups" if channel.private else "channels"


def _required(arguments: Json, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise Refused("invalid_arguments", response_metadata={"messages": [f"missing {name}"]})
    return value


def decoded(arguments: Json) -> Json:
    """Return the arguments of a call with its JSON texts parsed; clients send objects as text in forms."""
    found = dict(arguments)
    for name in ("blocks", "view", "metadata"):
        if isinstance(found.get(name), str):
            try:
                found[name] = json.loads(found[name])
            except ValueError:
                raise Refused("invalid_json") from None
    return found
