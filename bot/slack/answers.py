"""Reading Slack's answers: an "ok" counts only where it names what was asked for.

Something on the way may cut an answer, or hand out that of another call. What such an answer seems to say of a channel
or a person must neither be believed nor remembered. The SDK gives None for a field that is missing.
"""

import re
from collections.abc import Mapping
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient


class UnreadableAnswerError(Exception):
    """Slack says "ok", but not what it was asked, or of something else."""


async def conversation(client: AsyncWebClient, channel_id: str) -> Mapping[str, Any]:
    """Return what Slack says of a channel. Raises what the client raises, and UnreadableAnswerError.

    Source: https://docs.slack.dev/reference/methods/conversations.info
    """
    return about(channel_id, (await client.conversations_info(channel=channel_id)).get("channel"))


async def user(client: AsyncWebClient, user_id: str) -> Mapping[str, Any]:
    """Return what Slack says of a person, with their team. Raises what the client raises, and UnreadableAnswerError.

    Source: https://docs.slack.dev/reference/methods/users.info. On Enterprise Grid a person has an id of their own for
    the whole organisation: https://docs.slack.dev/reference/objects/user-object
    """
    found = (await client.users_info(user=user_id)).get("user")
    if not isinstance(found, dict):
        raise UnreadableAnswerError
    if (found.get("enterprise_user") or {}).get("id") != user_id:
        about(user_id, found)
    text(found.get("team_id"))
    return found


async def members(client: AsyncWebClient, group_id: str) -> frozenset[str]:
    """Return the members of a user group. Raises what the client raises, and UnreadableAnswerError.

    Source: https://docs.slack.dev/reference/methods/usergroups.users.list
    """
    users = (await client.usergroups_users_list(usergroup=group_id)).get("users")
    if not isinstance(users, list):
        raise UnreadableAnswerError
    return frozenset(map(text, users))


async def direct_channel(client: AsyncWebClient, user_id: str) -> str:
    """Return the channel of a person's direct messages. Raises what the client raises, and UnreadableAnswerError.

    Source: https://docs.slack.dev/reference/methods/conversations.open
    """
    found = (await client.conversations_open(users=user_id)).get("channel")
    channel = text(found.get("id") if isinstance(found, dict) else None)
    # A message that is for one person alone must not go to a channel of others.
    if not re.fullmatch("D[A-Z0-9]+", channel):
        raise UnreadableAnswerError
    return channel


def text(value: object) -> str:
    """Return a text that must be there. Raises UnreadableAnswerError."""
    if not isinstance(value, str) or not value:
        raise UnreadableAnswerError
    return value


def about(wanted: str, found: object) -> Mapping[str, Any]:
    """Return what Slack says of something, where it is that of this id. Raises UnreadableAnswerError."""
    if not isinstance(found, dict) or found.get("id") != wanted:
        raise UnreadableAnswerError
    return found
