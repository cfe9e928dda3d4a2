"""The local Slack's Web API: each method with its scope, its errors and its effect.

It is long because all methods that the bot may call are here, one function for each.

Source of each method's errors: its page below https://docs.slack.dev/reference/methods.
"""

import base64
import copy
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.sandbox.blockkit import MOST_IN_ALL, counted, problems_with_blocks, problems_with_view
from bot.sandbox.faults import History, Refusals
from bot.sandbox.files import Uploads
from bot.sandbox.views import as_view, elements_of, entered
from bot.sandbox.workspace import Channel, Json, OpenView, Posted, User, Workspace, as_payload

TRIGGER_LIFE = timedelta(seconds=3)
_LONGEST_TEXT, _LONGEST_UPDATE = 40_000, 4_000
_LARGEST_VIEW = 250_000
"""Bytes: "view_too_large: Error returned if the provided view is greater than 250kb"."""


class Refused(Exception):
    """Slack's answer ``ok: false``; ``extra`` goes beside the error's name."""

    def __init__(self, error: str, **extra: object) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **extra}


class WebApi:
    """The methods of the Web API on one workspace."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        scopes: set[str],
        rate_limited: bool,
        refusals: Refusals,
        history: History,
        origin: Callable[[], str],
    ) -> None:
        self.scopes = scopes
        self.uploads = Uploads()
        self.triggers: dict[str, tuple[Any, bool]] = {}
        self.opened_for: dict[str, str] = {}
        self.hidden: frozenset[str] = frozenset()
        """The timestamps of the messages that the last search missed because history lags."""
        self._space = workspace
        self._origin = origin
        self._rate_limited = rate_limited
        self._refusals = refusals
        self._history_trouble = history
        self._next_post: dict[str, float] = {}
        # A form's id is never used again, also not by the next run on the same database.
        self._view_count = int(workspace.now().timestamp() * 1000)
        self._methods: dict[str, Callable[[Json], Json]] = {
            "auth.test": self._auth_test,
            "bots.info": self._bot_info,
            "chat.delete": self._delete,
            "chat.getPermalink": self._permalink,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.info": self._info,
            "conversations.open": self._open,
            "conversations.replies": self._replies,
            "files.completeUploadExternal": self._complete_upload,
            "files.getUploadURLExternal": self._begin_upload,
            "usergroups.users.list": self._group_users,
            "users.info": self._user_info,
            "views.open": self._views_open,
            "views.publish": self._views_publish,
        }

    def call(self, method: str, arguments: Json) -> Json:
        """Return the answer to a call with a valid bot token. Raises Refused."""
        if method not in self._methods:
            raise Refused("unknown_method")
        error = self._refusals.of(method, self._channel_of(arguments), in_thread=bool(arguments.get("thread_ts")))
        if error == "missing_scope":
            needed = "files:write" if method.startswith("files.") else "chat:write"
            raise Refused(error, needed=needed, provided=",".join(sorted(self.scopes - {needed})))
        if error is not None:
            raise Refused(error)
        return {"ok": True, **self._methods[method](arguments)}

    def _channel_of(self, arguments: Json) -> str | None:
        target = arguments.get("channel", arguments.get("channel_id"))
        if not isinstance(target, str):
            return None
        return self._space.direct_id(target) if target in self._space.users else target

    def new_trigger(self, user: str) -> str:
        """Return a trigger id for one form, good for three seconds."""
        trigger = f"{len(self.triggers) + 1}.{user}"
        self.triggers[trigger] = (self._space.now() + TRIGGER_LIFE, False)
        self.opened_for[trigger] = user
        return trigger

    # --- methods ------------------------------------------------------------------------------

    def _auth_test(self, _: Json) -> Json:
        space = self._space
        answer: Json = {
            "url": f"https://{space.domain}.slack.com/",
            "team": space.domain.capitalize(),
            "user": "cancel-desk",
            "team_id": space.team_id,
            "user_id": space.bot_user_id,
            "bot_id": space.bot_id,
            "is_enterprise_install": space.is_enterprise_install,
        }
        if space.enterprise_id is not None:
            answer["enterprise_id"] = space.enterprise_id
        return answer

    def _post_message(self, arguments: Json) -> Json:
        self._need("chat:write")
        target = _required(arguments, "channel")
        # A person's id means their direct messages with the bot.
        if target in self._space.users:
            if target == self._space.bot_user_id or self._space.is_stranger(target):
                raise Refused("channel_not_found")
            target = self._space.direct_channel(target).id
        channel = self._member_of(target)
        if channel.archived:
            raise Refused("is_archived")
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
                # Longer text is cut, with a warning: "Truncating content" on the method's page.
                (arguments.get("text") or "")[:_LONGEST_TEXT],
                arguments.get("blocks") or [],
                self._space.bot_user_id,
                thread_ts,
                arguments.get("metadata"),
            )
        )
        return {"channel": channel.id, "ts": message.ts, "message": as_payload(message, self._space)}

    def _post_ephemeral(self, arguments: Json) -> Json:
        self._need("chat:write")
        channel = self._member_of(_required(arguments, "channel"))
        user = _required(arguments, "user")
        if channel.archived:
            raise Refused("is_archived")
        if user not in channel.members:
            raise Refused("user_not_in_channel")
        self._check_content(arguments)
        text, thread_ts = arguments.get("text") or "", arguments.get("thread_ts")
        if len(text) > _LONGEST_TEXT:
            raise Refused("msg_too_long")
        blocks, author = arguments.get("blocks") or [], self._space.bot_user_id
        message = Posted(channel.id, self._space.next_ts(), text, blocks, author, thread_ts, only_for=user)
        # "Ephemeral messages in threads are only shown if there is already an active thread."
        if thread_ts is None or self._space.messages(channel.id, thread_ts):
            self._space.post(message)
        return {"message_ts": message.ts}

    def _begin_upload(self, arguments: Json) -> Json:
        self._need("files:write")
        name, length = _required(arguments, "filename"), str(arguments.get("length", ""))
        if not length.isdecimal():
            raise Refused("invalid_arguments", response_metadata={"messages": ["length must be a whole number"]})
        # "Typically only occurs when the length provided is 0."
        if int(length) == 0:
            raise Refused("missing_argument")
        file_id = self.uploads.begin(name, int(length))
        return {"upload_url": f"{self._origin()}/upload/v1/{file_id}", "file_id": file_id}

    def _complete_upload(self, arguments: Json) -> Json:
        self._need("files:write")
        wanted, channel_id = arguments.get("files"), arguments.get("channel_id")
        if not isinstance(wanted, list) or not wanted or not all(isinstance(each, dict) for each in wanted):
            raise Refused("invalid_arguments", response_metadata={"messages": ["missing files"]})
        # Slack also takes a list of channels, which nobody here uses. A person's id is no channel's, unlike in
        # chat.postMessage: https://github.com/slackapi/bolt-js/issues/2115
        if "channels" in arguments or not (channel_id is None or re.fullmatch("[CDG][A-Z0-9]+", str(channel_id))):
            pattern = "^[CGDZ][A-Z0-9]{8,}$ [json-pointer:/channel_id]"
            messages = [f"[ERROR] input must match regex pattern: {pattern}"]
            raise Refused("invalid_arguments", response_metadata={"messages": messages})
        channel = None if channel_id is None else self._member_of(str(channel_id))
        if channel is not None and channel.archived:
            raise Refused("posting_to_channel_denied")
        thread_ts = arguments.get("thread_ts")
        files = self.uploads.complete({str(each.get("id")): each.get("title") for each in wanted})
        if files is None:
            raise Refused("file_not_found")
        # "If not specified the file will be private": then nobody sees it.
        if channel is not None:
            text, author = arguments.get("initial_comment") or "", self._space.bot_user_id
            message = Posted(channel.id, self._space.next_ts(), text, [], author, thread_ts, files=files)
            self._space.post(message)
        return {"files": [{"id": file.id, "title": file.title} for file in files]}

    def _update(self, arguments: Json) -> Json:
        self._need("chat:write")
        # The method's page does not say what becomes of a message in a channel that the bot has left. The strict
        # answer is the one for posting.
        channel = self._member_of(_required(arguments, "channel"))
        message = self._space.message(channel.id, _required(arguments, "ts"))
        if message is None:
            raise Refused("message_not_found")
        if message.user != self._space.bot_user_id or message.only_for is not None:
            raise Refused("cant_update_message")
        if channel.archived:
            raise Refused("is_inactive")
        self._check_content(arguments)
        # "The text field cannot exceed 4,000 characters", and somebody measured that bytes count.
        if len((arguments.get("text") or "").encode("utf-8", "replace")) > _LONGEST_UPDATE:
            raise Refused("msg_too_long")
        # Text alone removes the blocks, and blocks alone keep the text.
        message.text = arguments.get("text", message.text)
        message.blocks = arguments.get("blocks") or []
        message.metadata = arguments.get("metadata", message.metadata)
        message.edited += 1
        self._space.changes.touch()
        return {"channel": channel.id, "ts": message.ts, "text": message.text}

    def _bot_info(self, arguments: Json) -> Json:
        self._need("users:read")
        if _required(arguments, "bot") != self._space.bot_id:
            raise Refused("bot_not_found")
        bot = {"id": self._space.bot_id, "app_id": self._space.app_id, "user_id": self._space.bot_user_id}
        return {"bot": bot | {"deleted": False, "name": "cancel-desk"}}

    def _delete(self, arguments: Json) -> Json:
        self._need("chat:write")
        channel = self._visible(_required(arguments, "channel"))
        message = self._space.message(channel.id, _required(arguments, "ts"))
        if message is None or message.only_for is not None:
            raise Refused("message_not_found")
        # "When used with a bot token, this method may delete only messages posted by that bot."
        if message.user != self._space.bot_user_id or channel.archived:
            raise Refused("cant_delete_message")
        self._space.delete_message(channel.id, message.ts)
        return {"channel": channel.id, "ts": message.ts}

    def _permalink(self, arguments: Json) -> Json:
        # "Handles message threads and all conversation types", without a scope; the app must see the conversation.
        channel = self._visible(_required(arguments, "channel"))
        message = self._space.message(channel.id, _required(arguments, "message_ts"))
        if message is None or message.only_for is not None:
            raise Refused("message_not_found")
        link = f"https://{self._space.domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
        # "When the provided message_ts is part of a thread, the permalink format changes."
        if message.thread_ts is not None:
            link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
        return {"channel": channel.id, "permalink": link}

    def _history(self, arguments: Json) -> Json:
        channel = self._readable(arguments, "history")
        return self._page(self._listed(self._space.messages(channel.id))[::-1], arguments, newest_first=True)

    def _replies(self, arguments: Json) -> Json:
        channel = self._readable(arguments, "history")
        thread = _required(arguments, "ts")
        parent = self._space.message(channel.id, thread)
        replies = self._space.messages(channel.id, thread)
        found = self._listed([parent, *replies] if parent else replies)
        # A deleted message that has replies leaves its thread behind.
        if not found:
            raise Refused("thread_not_found")
        return self._page(found, arguments, newest_first=False)

    def _info(self, arguments: Json) -> Json:
        channel = self._visible(_required(arguments, "channel"))
        self._need(f"{_family(channel)}:read")
        return {"channel": self._conversation(channel, locale=_flag(arguments, "include_locale"))}

    def _conversation(self, channel: Channel, *, locale: bool) -> Json:
        """Return the conversation object, with the fields of the examples on the page of conversations.info."""
        space = self._space
        # Examples of direct messages have none of the flags that channels have.
        found: Json = {"id": channel.id, "created": 1_700_000_000, "is_im": channel.is_im, "is_org_shared": False}
        if channel.is_im:
            found |= {"user": channel.direct_with, "context_team_id": space.team_id, "is_open": True, "priority": 0}
            return found | ({"locale": "en-US"} if locale else {})
        foreign = {person for person in channel.members if person in space.users and not space.is_colleague(person)}
        teams = {space.users[person].team_id for person in foreign}
        found |= {
            "name": channel.name,
            "name_normalized": channel.name,
            "is_channel": not channel.is_mpim,
            # True only for old private channels, whose ids begin with G.
            "is_group": channel.private and channel.id.startswith("G"),
            "is_mpim": channel.is_mpim,
            "is_private": channel.private,
            "is_archived": channel.archived,
            "is_general": False,
            "is_frozen": False,
            "is_member": space.bot_user_id in channel.members,
            # "Beware of is_shared": it also means shared within the organisation.
            "is_shared": channel.shared or channel.org_shared,
            "is_ext_shared": channel.shared,
            "is_org_shared": channel.org_shared,
            "is_pending_ext_shared": channel.pending_shared,
            "pending_shared": ["T0INVITED"] if channel.pending_shared else [],
            "pending_connected_team_ids": [],
            "shared_team_ids": sorted({space.team_id, *teams}),
            "context_team_id": space.team_id,
            "creator": min(channel.members, default=""),
            "parent_conversation": None,
            "unlinked": 0,
            "updated": 1_700_000_000_000,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "previous_names": [],
        }
        if channel.shared:
            found |= {"conversation_host_id": space.team_id, "connected_team_ids": sorted(teams)}
        return found | ({"locale": "en-US"} if locale else {})

    def _open(self, arguments: Json) -> Json:
        self._need("im:write")
        user = _required(arguments, "users")
        if user not in self._space.users:
            raise Refused("user_not_found")
        if self._space.users[user].deleted:
            raise Refused("user_disabled")
        # Bots can write to external people with whom they share a channel, and to no others.
        if self._space.is_stranger(user):
            raise Refused("user_not_visible")
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
        if not self._space.is_colleague(user.id):
            return {"user": self._external(user)}
        zone = ZoneInfo(user.tz)
        offset = self._space.now().astimezone(zone).utcoffset() or timedelta(0)
        found = {
            "id": user.id,
            "team_id": user.team_id,
            "name": user.name,
            "deleted": user.deleted,
            "real_name": user.name,
            "tz": user.tz,
            "tz_label": user.tz,
            "tz_offset": int(offset.total_seconds()),
            "profile": {"real_name": user.name, "display_name": user.name, "team": user.team_id},
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": user.is_restricted,
            "is_ultra_restricted": user.is_ultra_restricted,
            "is_bot": user.is_bot,
            "is_app_user": False,
            "updated": 1_700_000_000,
        }
        if _flag(arguments, "include_locale"):
            found["locale"] = user.locale
        team = self._space.team_of(user.id)
        if team.enterprise_id is not None:
            found["enterprise_user"] = {
                "id": user.id,
                "enterprise_id": team.enterprise_id,
                "enterprise_name": team.enterprise_name,
                "is_admin": False,
                "is_owner": False,
                "is_primary_owner": False,
                "teams": sorted({user.team_id, *user.also_in}),
            }
        return {"user": found}

    def _external(self, user: User) -> Json:
        """Return a person of another company: only the fields of the example under "External members".

        They have no locale, also where it is asked for, and ``is_stranger`` is False in a channel shared with them.
        """
        # https://docs.slack.dev/apis/slack-connect
        return {
            "id": user.id,
            "team_id": user.team_id,
            "name": user.name,
            "deleted": user.deleted,
            "real_name": user.name,
            "profile": {"display_name": user.name, "team": user.team_id},
            "is_bot": user.is_bot,
            "is_stranger": self._space.is_stranger(user.id),
        }

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

    def _views_publish(self, arguments: Json) -> Json:
        space, user = self._space, _required(arguments, "user_id")
        # The page's own example of an error. No page says what becomes of the Home tab of somebody who cannot see it.
        if user not in space.users or user == space.bot_user_id or space.users[user].deleted or space.is_stranger(user):
            raise Refused("invalid_arguments", response_metadata={"messages": ["invalid `user_id`"]})
        view, known = arguments.get("view"), space.homes.get(user)
        problems = problems_with_view(view, "home")
        if problems or not isinstance(view, dict):
            raise Refused("invalid_arguments", response_metadata={"messages": problems})
        if len(json.dumps(view, ensure_ascii=False).encode("utf-8", "replace")) > _LARGEST_VIEW:
            raise Refused("view_too_large")
        if not space.features.home_tab:
            raise Refused("not_enabled")
        # An empty hash is compared as well: https://github.com/slack-go/slack/issues/1462.
        if "hash" in arguments and (known is None or arguments["hash"] != known.hash):
            raise Refused("hash_conflict")
        if external_id := view.get("external_id"):
            others = [each for each in space.homes.values() if each.user != user]
            others += [each for opened in space.views.values() for each in opened]
            if any(each.view.get("external_id") == external_id for each in others):
                raise Refused("duplicate_external_id")
        self._view_count += 1
        published = OpenView(
            known.id if known else f"V{self._view_count}", user, _with_ids(view), f"h{self._view_count}"
        )
        space.homes[user] = published
        space.changes.touch()
        return {"view": as_view(published, space, entered(published.view, {}, whole=False))}

    # --- rules --------------------------------------------------------------------------------

    def _need(self, scope: str) -> None:
        if scope not in self.scopes:
            raise Refused("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    def _visible(self, channel_id: str) -> Channel:
        channel = self._space.channels.get(channel_id)
        # A private channel, or a direct message between people, looks to an app that is not in it as if it did not
        # exist. "Bot users cannot post to a direct message conversation between two users", chat.postMessage.
        if channel is None or (channel.private and self._space.bot_user_id not in channel.members):
            raise Refused("channel_not_found")
        return channel

    def _member_of(self, channel_id: str) -> Channel:
        channel = self._visible(channel_id)
        if self._space.bot_user_id not in channel.members:
            raise Refused("not_in_channel")
        return channel

    def _readable(self, arguments: Json, what: str) -> Channel:
        channel = self._visible(_required(arguments, "channel"))
        self._need(f"{_family(channel)}:{what}")
        if self._space.bot_user_id not in channel.members:
            raise Refused("not_in_channel")
        return channel

    def _check_content(self, arguments: Json) -> None:
        text, blocks = arguments.get("text") or "", arguments.get("blocks")
        if not isinstance(text, str) or (not text and not blocks):
            raise Refused("no_text")
        if blocks is not None:
            whole = isinstance(blocks, list) and all(isinstance(block, dict) for block in blocks)
            if whole and counted(blocks) > MOST_IN_ALL:
                raise Refused("msg_blocks_too_long")
            if problems := problems_with_blocks(blocks):
                messages = [f"[ERROR] {problem}" for problem in problems]
                raise Refused("invalid_blocks", errors=problems, response_metadata={"messages": messages})
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

    def _listed(self, messages: list[Posted]) -> list[Posted]:
        """Return the messages that history and replies show by now."""
        lag = self._history_trouble.lag
        if not lag:
            return messages
        until = (self._space.slack_now() - lag).timestamp()
        self.hidden = frozenset(message.ts for message in messages if float(message.ts) > until)
        return [message for message in messages if message.ts not in self.hidden]

    def _page(self, messages: list[Posted], arguments: Json, *, newest_first: bool) -> Json:
        trouble, limit = self._history_trouble, int(arguments.get("limit") or 100)
        wanted = [message for message in messages if _in_range(message, arguments)]
        cursor = arguments.get("cursor")
        if cursor and not trouble.same_cursor:
            # The cursor is the time of the last message seen, so that posts and deletions in between shift no page.
            last = _decoded_cursor(cursor)
            wanted = [m for m in wanted if (m.ts < last if newest_first else m.ts > last)]
        limit = min(limit, trouble.most or limit)
        page = wanted[:limit]
        more = len(wanted) > limit or trouble.same_cursor
        metadata = _flag(arguments, "include_all_metadata")
        answer: Json = {
            "messages": [as_payload(message, self._space, metadata=metadata) for message in page],
            "has_more": more,
        }
        if trouble.same_cursor:
            # Also when the trouble is over, it leads to the first page again, and past no message.
            answer["response_metadata"] = {"next_cursor": _cursor(f"{9 if newest_first else 0}" * 10 + ".000000")}
        elif not (more and trouble.no_cursor):
            answer["response_metadata"] = {"next_cursor": _cursor(page[-1].ts) if more else ""}
        return answer


def _with_ids(view: Json) -> Json:
    """Return a view with an id for each block and element that has none: "if not specified, one will be generated"."""
    view = copy.deepcopy(view)
    for number, block in enumerate(view["blocks"]):
        block.setdefault("block_id", f"b{number}")
        for place, element in enumerate(elements_of(block)):
            element.setdefault("action_id", f"{block['block_id']}.{place}")
    return view


def _in_range(message: Posted, arguments: Json) -> bool:
    """Return True for a message between ``oldest`` and ``latest``, and on them with ``inclusive``."""
    inclusive = _flag(arguments, "inclusive")
    for name, sign in (("oldest", 1), ("latest", -1)):
        bound = arguments.get(name)
        if bound is None or bound == "":
            continue
        try:
            distance = (float(message.ts) - float(bound)) * sign
        except ValueError:
            raise Refused(f"invalid_ts_{name}") from None
        if distance < 0 or (distance == 0 and not inclusive):
            return False
    return True


def _cursor(ts: str) -> str:
    return base64.b64encode(f"next_ts:{ts}".encode()).decode()


def _decoded_cursor(cursor: object) -> str:
    try:
        found = re.fullmatch(r"next_ts:(\d+\.\d+)", base64.b64decode(str(cursor), validate=True).decode())
    except ValueError:
        found = None
    if found is None:
        raise Refused("invalid_cursor")
    return found[1]


def _flag(arguments: Json, name: str) -> bool:
    return str(arguments.get(name, "")).lower() in {"1", "true"}


def _family(channel: Channel) -> str:
    if channel.is_im:
        return "im"
    if channel.is_mpim:
        return "mpim"
    return "groups" if channel.private else "channels"


def _required(arguments: Json, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise Refused("invalid_arguments", response_metadata={"messages": [f"missing {name}"]})
    return value


def decoded(arguments: Json) -> Json:
    """Return the arguments of a call with its JSON texts parsed; clients send objects as text in forms."""
    found = dict(arguments)
    for name in ("blocks", "files", "view", "metadata"):
        if isinstance(found.get(name), str):
            try:
                found[name] = json.loads(found[name])
            except ValueError:
                raise Refused("invalid_json") from None
    return found
