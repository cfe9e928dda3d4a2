"""Who belongs to the people that a setting names: by user id, or by Slack user group."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.policy import People, Standing
from bot.slack.errors import problem_of

log = structlog.get_logger(__name__)

_FRESH = timedelta(minutes=5)
_ANSWER_WITHIN = 1.5


class Directory:
    """User groups as Slack knows them, remembered for five minutes.

    ``keep_fresh`` renews them in the background, so that a click does not wait for Slack. A look-up
    that fails is never taken for a yes or a no.
    """

    def __init__(self, client: AsyncWebClient, *, now: Callable[[], datetime]) -> None:
        self._client = client
        self._now = now
        self._members: dict[str, tuple[datetime, frozenset[str]]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def standing(self, person: str, people: People | None) -> Standing:
        """Whether this person is one of ``people``; None stands for everyone."""
        if people is None or person in people.users:
            return Standing.MEMBER
        found = await asyncio.gather(*(self._group(group) for group in sorted(people.groups)))
        if any(members is not None and person in members for members in found):
            return Standing.MEMBER
        return Standing.UNCHECKED if None in found else Standing.OUTSIDER

    async def keep_fresh(self, groups: Iterable[str]) -> None:
        """Renew these groups before they are forgotten, for as long as the task lives."""
        while True:
            for group in groups:
                await self._fetch(group)
            await asyncio.sleep(_FRESH.total_seconds() * 0.8)

    async def _group(self, group: str) -> frozenset[str] | None:
        """The members; None if Slack does not say in time."""
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
