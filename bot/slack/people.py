"""The people that the settings name, by user id or by Slack user group, and what Slack knows of each person."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.policy import Actor, Members, Membership, People, Role
from bot.slack.errors import problem_of

log = structlog.get_logger(__name__)

_FRESH = timedelta(minutes=5)
_FAILURE_FRESH = timedelta(seconds=3)
"""A failure is remembered so long: people who click together wait for one look-up, not for one each."""
_ANSWER_WITHIN = 1.5
"""Seconds; an acknowledgement is due after three."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A person as Slack knows them. ``enterprise_id`` is None outside Enterprise Grid.

    Slack's ``is_stranger`` is not used: it is false for people of other companies who share a channel with the bot.
    Source: https://docs.slack.dev/reference/objects/user-object
    """

    team_id: str | None
    enterprise_id: str | None
    time_zone: str


class Directory:
    """The members of each role, and the profiles of people, as Slack knows them, remembered for five minutes.

    A role without an entry in ``roles`` is everyone's. ``keep_fresh`` renews the groups in the background, so that a
    click does not wait for Slack. A look-up that fails is never taken for a yes or a no.
    """

    def __init__(self, client: AsyncWebClient, *, now: Callable[[], datetime], roles: Mapping[Role, People]) -> None:
        self._client = client
        self._now = now
        self._roles = roles
        self._groups: dict[str, tuple[datetime, frozenset[str] | None]] = {}
        self._profiles: dict[str, tuple[datetime, Profile]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def actor(self, user_id: str, name: str, *roles: Role) -> Actor:
        """Return this person with their membership in these roles; the other roles stay unchecked."""
        memberships = {role: await self._membership(user_id, role) for role in roles}
        unchecked = Membership.UNCHECKED
        return Actor(
            user_id,
            name,
            requester=memberships.get(Role.REQUESTER, unchecked),
            approver=memberships.get(Role.APPROVER, unchecked),
            auditor=memberships.get(Role.AUDITOR, unchecked),
        )

    async def members(self, role: Role) -> Members:
        """Return everybody who has this role now."""
        people = self._roles.get(role)
        if people is None:
            return Members(everyone=True)
        if not people.groups:
            return Members(people.users)
        # Nearly always all of them are fresh, and then there is nothing to wait for: no task, no turn of the loop.
        if stale := sorted(group for group in people.groups if not self._fresh(group)):
            await asyncio.gather(*map(self._renew, stale))
        known = [members for group in people.groups if (members := self._groups[group][1]) is not None]
        return Members(people.users.union(*known), complete=len(known) == len(people.groups))

    async def _membership(self, user_id: str, role: Role) -> Membership:
        people = self._roles.get(role)
        if people is not None and user_id in people.users:
            return Membership.MEMBER  # whatever the groups say, and however long Slack takes to say it
        return (await self.members(role)).membership(user_id)

    async def profile(self, user_id: str) -> Profile | None:
        """Return what Slack knows of this person, or None if it does not say in time."""
        known = self._profiles.get(user_id)
        if known is not None and self._now() - known[0] < _FRESH:
            return known[1]
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                answer = await self._client.users_info(user=user_id)
            user = answer["user"]
            found = Profile(
                team_id=user.get("team_id"),
                enterprise_id=(user.get("enterprise_user") or {}).get("enterprise_id"),
                time_zone=str(user.get("tz") or "UTC"),
            )
        except Exception as error:  # noqa: BLE001 -- whatever went wrong, the answer is not known
            log.warning("user_not_read", user=user_id, problem=problem_of(error).name)
            return None
        self._profiles[user_id] = (self._now(), found)
        return found

    async def keep_fresh(self) -> None:
        """Renew the groups before they are forgotten, for as long as the task lives."""
        while True:
            for group in sorted(frozenset[str]().union(*(people.groups for people in self._roles.values()))):
                await self._fetch(group)
            await asyncio.sleep(_FRESH.total_seconds() * 0.8)

    def _fresh(self, group: str) -> bool:
        at, members = self._groups.get(group, (None, None))
        return at is not None and self._now() - at < (_FRESH if members is not None else _FAILURE_FRESH)

    async def _renew(self, group: str) -> None:
        """Fetch the members, once for everybody who waits for them."""
        async with self._locks.setdefault(group, asyncio.Lock()):
            if not self._fresh(group):
                await self._fetch(group)

    async def _fetch(self, group: str) -> None:
        """Remember the members, or that Slack does not say in time."""
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                answer = await self._client.usergroups_users_list(usergroup=group)
            members = frozenset(answer["users"])
        except Exception as error:  # noqa: BLE001 -- whatever went wrong, the answer is not known
            log.warning("user_group_not_read", group=group, problem=problem_of(error).name)
            known = self._groups.get(group)
            if known is None or known[1] is None or self._now() - known[0] >= _FRESH:
                self._groups[group] = (self._now(), None)
        else:
            self._groups[group] = (self._now(), members)
