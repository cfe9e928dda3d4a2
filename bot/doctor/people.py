"""The checks of the people whom the settings name: each person and group, and whether they are enough."""

import re
from collections.abc import AsyncIterator, Mapping
from enum import Enum, auto
from functools import partial
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.doctor.finding import Finding, ok, problem, warning
from bot.doctor.slack_problems import asked
from bot.domain.ids import GROUP_ID, USER_ID
from bot.domain.policy import People
from bot.settings import Settings
from bot.slack import answers
from bot.slack.identity import Identity

_MOST_LOOKED_AT = 100
"""Members of groups whose profiles are looked at; Slack takes about a hundred such calls a minute."""


class _Standing(Enum):
    """The reasons for which somebody may not be able to act."""

    LIVES = auto()
    GUEST = auto()
    GONE = auto()
    BOT = auto()
    STRANGER = auto()


class Staff:
    """The people of all settings. Everybody is looked up once."""

    def __init__(self, client: AsyncWebClient, identity: Identity, settings: Settings) -> None:
        self._client = client
        self._identity = identity
        self._settings = settings
        self._users: dict[str, Mapping[str, Any]] = {}
        self._members: dict[str, frozenset[str]] = {}

    async def check(self) -> AsyncIterator[Finding]:
        """Yield a finding for each person and group, and one about the approvers together."""
        settings = self._settings
        people = {
            "APPROVERS": ("approver", settings.approvers),
            "ESCALATE_TO": ("escalation", settings.escalate_to or People()),
            "REQUESTERS": ("requester", settings.requesters or People()),
            "AUDITORS": ("auditor", settings.auditors),
        }
        for setting, (title, named) in people.items():
            for user in sorted(named.users):
                yield await asked(f"{title} {user}", setting, partial(self._user, title, user, setting))
            for group in sorted(named.groups):
                yield await asked(f"{title} group {group}", setting, partial(self._group, title, group, setting))
        if settings.requesters is None:
            yield ok("requesters", "REQUESTERS", "not set, so everybody may ask")
        yield await asked("approvals", "APPROVERS, APPROVALS_REQUIRED", self._enough)

    async def contact(self, contact: str) -> Finding:
        """Return whether there is somebody to ask for help under this id."""
        if re.fullmatch(GROUP_ID, contact):
            count = len(await self._members_of(contact))
            if not count:
                remedy = "Add members in Slack, or set CONTACT to somebody else."
                return problem("contact", "CONTACT", "is an empty user group", remedy)
            return ok("contact", "CONTACT", f"a user group with {count} members")
        if re.fullmatch(USER_ID, contact):
            if await self._standing(contact) in {_Standing.GONE, _Standing.BOT}:
                return problem("contact", "CONTACT", "is deactivated or a bot", "Set CONTACT to somebody who can help.")
            return ok("contact", "CONTACT", await self._name(contact))
        channel = await answers.conversation(self._client, contact)
        if channel.get("is_archived"):
            return problem("contact", "CONTACT", "is archived", "Unarchive it, or set CONTACT to another channel.")
        return ok("contact", "CONTACT", f"#{channel.get('name')}")

    async def _user(self, title: str, user: str, setting: str) -> Finding:
        subject, standing = f"{title} {user}", await self._standing(user)
        match standing:
            case _Standing.GONE:
                return problem(subject, setting, "is deactivated", f"Remove this ID from {setting}.")
            case _Standing.BOT:
                return problem(subject, setting, "is a bot", f"Remove this ID from {setting}.")
            case _Standing.STRANGER:
                state = "belongs to another company, so every click is refused"
                return problem(subject, setting, state, f"Remove this ID from {setting}.")
            case _Standing.GUEST:
                state = f"{await self._name(user)}, who is a guest in this workspace"
                return warning(subject, setting, state, f"Remove this ID from {setting}, unless that is meant.")
            case _Standing.LIVES:
                return ok(subject, setting, await self._name(user))

    async def _group(self, title: str, group: str, setting: str) -> Finding:
        subject, count = f"{title} group {group}", len(await self._members_of(group))
        if not count:
            return problem(subject, setting, "is empty", f"Add members in Slack, or remove this ID from {setting}.")
        return ok(subject, setting, f"{count} members")

    async def _enough(self) -> Finding:
        """Return whether enough people can approve, also where one of them asked."""
        approvers, required = self._settings.approvers, self._settings.approvals_required
        subject, setting = "approvals", "APPROVERS, APPROVALS_REQUIRED"
        everybody, unsure = set(approvers.users), ""
        for group in sorted(approvers.groups):
            try:
                everybody |= set(await self._members_of(group))
            except Exception:  # noqa: BLE001 -- the group has a line of its own, which says why
                unsure = ", and perhaps more, as a group could not be read"
        living = {user for user in sorted(everybody)[:_MOST_LOOKED_AT] if await self._can_act(user)}
        count = len(living) + max(0, len(everybody) - _MOST_LOOKED_AT)
        state = f"{_people(count)} can approve{unsure}; a request needs {required}"
        remedy = "Add approvers to APPROVERS, or lower APPROVALS_REQUIRED."
        found = warning if unsure else problem
        if count < required:
            return found(subject, setting, state, remedy)
        if count == required and not self._settings.allow_self_approval and await self._one_may_ask(living):
            ends = "has to wait for ESCALATE_TO" if self._settings.escalate_to else "can never be approved"
            state += f". A request by one of them {ends}, as their own approval does not count"
            return warning(subject, f"{setting}, ALLOW_SELF_APPROVAL", state, remedy)
        return ok(subject, setting, state)

    async def _one_may_ask(self, approvers: set[str]) -> bool:
        requesters = self._settings.requesters
        if requesters is None or approvers & requesters.users:
            return True
        for group in sorted(requesters.groups):
            try:
                if approvers & set(await self._members_of(group)):
                    return True
            except Exception:  # noqa: BLE001, S112 -- the group has a line of its own, which says why
                continue
        return False

    async def _can_act(self, user: str) -> bool:
        try:
            return await self._standing(user) in {_Standing.LIVES, _Standing.GUEST}
        except Exception:  # noqa: BLE001 -- who is named has a line that says why; for the sum they do not count
            return False

    async def _standing(self, user: str) -> _Standing:
        found = await self._profile(user)
        if found.get("deleted"):
            return _Standing.GONE
        if found.get("is_bot"):
            return _Standing.BOT
        if not self._identity.is_home_of(
            found.get("team_id"), (found.get("enterprise_user") or {}).get("enterprise_id")
        ):
            return _Standing.STRANGER
        return _Standing.GUEST if found.get("is_restricted") or found.get("is_ultra_restricted") else _Standing.LIVES

    async def _name(self, user: str) -> str:
        return str((await self._profile(user)).get("name"))

    async def _profile(self, user: str) -> Mapping[str, Any]:
        if user not in self._users:
            self._users[user] = await answers.user(self._client, user)
        return self._users[user]

    async def _members_of(self, group: str) -> frozenset[str]:
        if group not in self._members:
            self._members[group] = await answers.members(self._client, group)
        return self._members[group]


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"
