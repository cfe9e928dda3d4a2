"""The people that the settings name, by user id or by Slack user group, and what Slack knows of each person."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.audit import timestamp
from bot.domain.backoff import pauses
from bot.domain.policy import NAMED, Actor, Ground, Members, Membership, People, Role
from bot.slack import answers
from bot.slack.errors import problem_of
from bot.slack.identity import Identity

log = structlog.get_logger(__name__)

T = TypeVar("T")

_FRESH = 5 * 60.0
_GROUP_FRESH = 60.0
"""Seconds. Somebody who is taken out of a group may decide for so long; Slack lets each group be read this often."""
_FAILURE_FRESH = 3.0
"""Seconds. A failure is remembered so long: the next people who click need not wait for the same failure."""
_ANSWER_WITHIN = 1.5
"""Seconds; an acknowledgement is due after three."""
_MOST_PROFILES = 10_000
_DECIDE = (Role.APPROVER, Role.ESCALATION)
_TOGETHER = {Role.APPROVER: _DECIDE}
"""The roles that are looked up together, because a decision needs all of them."""


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
    """The members of each role, and the profiles of people, as Slack knows them, remembered for minutes.

    A role without an entry in ``roles`` is everyone's. ``keep_fresh`` renews the groups in the background, so that a
    click does not wait for Slack. A look-up that fails is never taken for a yes or a no. Everybody who asks the same
    while a look-up is under way shares it. ``monotonic`` returns the seconds that passed, ``now`` the time to keep,
    and ``identity`` the bot's own, once it is known.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        roles: Mapping[Role, People],
        identity: Callable[[], Identity | None] = lambda: None,
    ) -> None:
        self._client = client
        self._identity = identity
        self._now = monotonic
        self._wall = now
        self._roles = roles
        self._groups: dict[str, tuple[float, frozenset[str] | None, str]] = {}
        self._profiles: dict[str, tuple[float, Profile]] = {}
        self._deciders: dict[str, Profile] = {}
        """The profiles of the people whom the settings name as approvers, or for an escalation."""
        self._under_way: dict[tuple[str, str], asyncio.Task[Any]] = {}
        self._of_no_use: dict[str, str] = {}

    @property
    def of_no_use(self) -> dict[str, str]:
        """The groups in the settings that nobody can act by, each with Slack's clear refusal, or empty without one."""
        return {group: self._of_no_use[group] for group in sorted(self._of_no_use)}

    def gone(self, *roles: Role) -> list[str]:
        """Return the groups of these roles that Slack refuses for good, so that trying again is no use."""
        groups = self._groups_of(*roles)
        return [group for group, problem in self.of_no_use.items() if problem and group in groups]

    async def actor(self, user_id: str, name: str, *roles: Role) -> Actor:
        """Return this person with their membership in these roles; the other roles stay unchecked."""
        memberships = {role: await self._membership(user_id, role) for role in roles}
        unchecked = Membership.UNCHECKED
        escalation = unchecked
        if memberships.get(Role.APPROVER, Membership.MEMBER) is not Membership.MEMBER:
            escalation = await self._membership(user_id, Role.ESCALATION)
        return Actor(
            user_id,
            name,
            requester=memberships.get(Role.REQUESTER, unchecked),
            approver=memberships.get(Role.APPROVER, unchecked),
            auditor=memberships.get(Role.AUDITOR, unchecked),
            escalation=escalation,
            ground=self._ground(user_id) if Role.APPROVER in memberships else None,
        )

    def _ground(self, user_id: str) -> Ground | None:
        """Return why this person may decide, as far as it is known now, or None for an outsider."""
        for role in (Role.APPROVER, Role.ESCALATION):
            people, escalated = self._people(role) or People(), role is Role.ESCALATION
            if user_id in people.users:
                return replace(NAMED, escalated=escalated)
            for group in sorted(people.groups):
                _, members, read_at = self._groups.get(group, (0.0, None, ""))
                if members is not None and user_id in members:
                    return Ground(group, read_at, escalated)
        return None

    def _people(self, role: Role) -> People | None:
        """Return the people of this role; None stands for everyone, who never gets a request by an escalation."""
        return self._roles.get(role, People() if role is Role.ESCALATION else None)

    def _groups_of(self, *roles: Role) -> frozenset[str]:
        """Return the groups in the settings of these roles, and of those that are looked up together with them."""
        people = [self._people(each) for role in roles for each in _TOGETHER.get(role, (role,))]
        return frozenset[str]().union(*(each.groups for each in people if each is not None))

    async def members(self, role: Role) -> Members:
        """Return everybody who has this role now; the approvers with those of the escalation."""
        # Nearly always all of them are fresh, and then there is nothing to wait for: no task, no turn of the loop.
        if stale := sorted(group for group in self._groups_of(role) if not self._knows(group)):
            await asyncio.gather(*(self._shared(("group", each), partial(self._fetch_group, each)) for each in stale))
        found = self._known(role)
        if role is Role.APPROVER and Role.ESCALATION in self._roles:
            return replace(found, escalation=self._known(Role.ESCALATION))
        return found

    def _known(self, role: Role) -> Members:
        people = self._people(role)
        if people is None:
            return Members(everyone=True)
        known = [members for group in people.groups if (members := self._groups[group][1]) is not None]
        ids = frozenset(user for user in people.users if not self.is_stranger(user)).union(*known)
        return Members(ids, complete=len(known) == len(people.groups))

    async def _membership(self, user_id: str, role: Role) -> Membership:
        people = self._people(role)
        if people is not None and user_id in people.users:
            return Membership.MEMBER  # whatever the groups say, and however long Slack takes to say it
        return (await self.members(role)).membership(user_id)

    async def profile(self, user_id: str) -> Profile | None:
        """Return what Slack knows of this person, or None if it does not say in time."""
        known = self._profiles.get(user_id)
        if known is not None and self._now() - known[0] < _FRESH:
            return known[1]
        return await self._shared(("user", user_id), lambda: self._fetch_profile(user_id))

    def is_stranger(self, user_id: str) -> bool:
        """Return True for a decider of the settings of whom Slack has said that they are of another company."""
        found, identity = self._deciders.get(user_id), self._identity()
        if found is None or found.team_id is None or identity is None:
            return False
        return not identity.is_home_of(found.team_id, found.enterprise_id)

    async def look_at_deciders(self) -> None:
        """Learn who is a stranger of the people whom the settings name as deciders, until Slack has said it of all."""
        named = frozenset[str]().union(*((self._people(role) or People()).users for role in _DECIDE))
        for pause in pauses(_GROUP_FRESH, 3600.0):
            for user in sorted(named - self._deciders.keys()):
                if (found := await self.profile(user)) is not None:
                    self._deciders[user] = found
            if named <= self._deciders.keys():
                return
            await asyncio.sleep(pause)

    async def keep_fresh(self) -> None:
        """Renew the groups before they are forgotten, for as long as the task lives."""
        while True:
            for group in sorted(frozenset[str]().union(*(people.groups for people in self._roles.values()))):
                await self._shared(("group", group), partial(self._fetch_group, group))
            await asyncio.sleep(_GROUP_FRESH * 0.8)

    async def aclose(self) -> None:
        """End the look-ups that are under way."""
        under_way = list(self._under_way.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _knows(self, group: str) -> bool:
        at, members, _ = self._groups.get(group, (None, None, ""))
        return at is not None and self._now() - at < (_GROUP_FRESH if members is not None else _FAILURE_FRESH)

    async def _shared(self, key: tuple[str, str], look_up: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the look-up that is under way, or of a new one, which nobody's end cuts short."""
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(look_up())
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        found: T = await asyncio.shield(task)
        return found

    async def _fetch_profile(self, user_id: str) -> Profile | None:
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                user = await answers.user(self._client, user_id)
            found = Profile(
                team_id=user.get("team_id"),
                enterprise_id=(user.get("enterprise_user") or {}).get("enterprise_id"),
                time_zone=str(user.get("tz") or "UTC"),
            )
        except Exception as error:  # noqa: BLE001 -- whatever went wrong, the answer is not known
            log.warning("user_not_read", person=user_id, problem=problem_of(error).name)
            return None
        self._profiles.pop(user_id, None)
        self._profiles[user_id] = (self._now(), found)
        if len(self._profiles) > _MOST_PROFILES:
            del self._profiles[next(iter(self._profiles))]  # the one that was read longest ago
        return found

    async def _fetch_group(self, group: str) -> None:
        """Remember the members, or that Slack does not say in time."""
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                members = await answers.members(self._client, group)
        except Exception as error:  # noqa: BLE001 -- whatever went wrong, the answer is not known
            problem = problem_of(error)
            log.warning("user_group_not_read", group=group, problem=problem.name)
            if problem.refusal:  # no passing trouble
                self._of_no_use[group] = problem.name
            at, known, _ = self._groups.get(group, (0.0, None, ""))
            if known is None or self._now() - at >= _GROUP_FRESH:
                self._groups[group] = (self._now(), None, "")
        else:
            self._groups[group] = (self._now(), members, timestamp(self._wall()))
            self._of_no_use.pop(group, None)
            if not members:
                self._of_no_use[group] = ""
