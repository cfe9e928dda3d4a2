"""The people that the settings name: by user id, or by Slack user group."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.policy import Actor, Membership, People, Role
from bot.slack.errors import problem_of

log = structlog.get_logger(__name__)

_FRESH = timedelta(minutes=5)
_ANSWER_WITHIN = 1.5


class Directory:
    """The members of each role. User groups are as Slack knows them, remembered for five minutes.

    A role without an entry in ``roles`` is everyone's. ``keep_fresh`` renews the groups in the background, so that a
    click does not wait for Slack. A look-up that fails is never taken for a yes or a no.
    """

    def __init__(self, client: AsyncWebClient, *, now: Callable[[], datetime], roles: Mapping[Role, People]) -> None:
        self._client = client
        self._now = now
        self._roles = roles
        self._members: dict[str, tuple[datetime, frozenset[str]]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def actor(self, user_id: str, name: str, *roles: Role) -> Actor:
        """Return this person with their membership in these roles; the other roles stay unchecked."""
        found = await asyncio.gather(*(self._membership(user_id, role) for role in roles))
        return Actor(user_id, name, **{str(role): membership for role, membership in zip(roles, found, strict=True)})

    async def _membership(self, user_id: str, role: Role) -> Membership:
        people = self._roles.get(role)
        if people is None or user_id in people.users:
            return Membership.MEMBER
        found = await asyncio.gather(*(self._group(group) for group in sorted(people.groups)))
        if any(members is not None and user_id in members for members in found):
            return Membership.MEMBER
        return Membership.UNCHECKED if None in found else Membership.OUTSIDER

    async def keep_fresh(self) -> None:
        """Renew the groups before they are forgotten, for as long as the task lives."""
        while True:
            for group in sorted(frozenset[str]().union(*(people.groups for people in self._roles.values()))):
                await self._fetch(group)
            await asyncio.sleep(_FRESH.total_seconds() * 0.8)

    async def _group(self, group: str) -> frozenset[str] | None:
        """Return the members, or None if Slack does not say in time."""
        async with self._locks.setdefault(group, asyncio.Lock()):
            known = self._members.get(group)
            if known is not None and self._now() - known[0] < _FRESH:
                return known[1]
            return await self._fetch(group)

    async def _fetch(self, group: str) -> frozenset[str] | None:
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                answer = await self._client.usergroups_users_list(usergroup=group)
            members = frozenset(answer["users"])
        except Exception as error:  # noqa: BLE001 -- whatever went wrong, the answer is not known
            log.warning("user_group_not_read", group=group, problem=problem_of(error).name)
            return None
        self._members[group] = (self._now(), members)
        return members
