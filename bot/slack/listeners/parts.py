"""The parts of the bot that listeners work with, and the answers that several of them give."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.policy import Actor, Role, Verdict
from bot.network import Network
from bot.slack.background import Background, Tell
from bot.slack.errors import problem_of
from bot.slack.identity import Identity
from bot.slack.listeners.answers import answer_in_modal, answer_to
from bot.slack.payloads import Click, Shortcut, User
from bot.slack.people import Directory
from bot.slack.views import refusals
from bot.slack.views.presentation import Presentation
from bot.workflow import Workflow

log = structlog.get_logger(__name__)


class Home(StrEnum):
    """A person's place with respect to the bot's own workspace or organisation."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    UNCHECKED = "unchecked"
    """Slack has not said, which never means yes."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that every listener may use. ``approval_channel`` is None where cards go to the command's channel."""

    workflow: Workflow
    directory: Directory
    client: AsyncWebClient
    network: Network
    background: Background
    identity: Callable[[], Identity | None]
    approval_channel: str | None
    allow_shared_channels: bool = False
    presentation: Presentation = field(default_factory=Presentation)

    def answer_to(self, response_url: str) -> Tell:
        """Return a way to say something to the person who acted, and to nobody else."""
        return answer_to(self.network, response_url, self.presentation.contact)

    def answer_to_click(self, click: Click) -> Tell:
        """Return a way to say something to the person who clicked: beside the message, or over their Home tab."""
        if click.response_url:
            return self.answer_to(click.response_url)
        return answer_in_modal(self.client, click.trigger_id, click.user.id, None, self.presentation.contact)

    def answer_to_shortcut(self, chosen: Shortcut) -> Tell:
        """Return a way to say something to the person who chose a shortcut, and to nobody else."""
        otherwise = self.answer_to(chosen.response_url) if chosen.response_url else None
        return answer_in_modal(self.client, chosen.trigger_id, chosen.user.id, otherwise, self.presentation.contact)

    async def arrive(
        self, user: User, team_id: str | None, enterprise_id: str | None, *roles: Role
    ) -> tuple[Home, Actor]:
        """Return where this person belongs, and the person with these roles."""
        identity = self.identity()
        actor = self.directory.actor(user.id, user.shown_name, *roles)
        if identity is not None and identity.is_home_of(team_id, enterprise_id):
            return Home.HERE, await actor
        # Slack may be slow for both, and an acknowledgement is due in three seconds.
        return await asyncio.gather(self.home_of(user.id, team_id, enterprise_id), actor)

    async def home_of(self, user_id: str, team_id: str | None, enterprise_id: str | None = None) -> Home:
        """Return where this person belongs. The ids are the person's own, not those of the app.

        Somebody of another workspace of the bot's organisation is a colleague. Where the payload does not name the
        organisation, Slack is asked.
        """
        identity = self.identity()
        if identity is None:
            return Home.UNCHECKED
        if identity.is_home_of(team_id, enterprise_id):
            return Home.HERE
        if identity.enterprise_id is None and team_id is not None:
            return Home.ELSEWHERE
        profile = await self.directory.profile(user_id)
        if profile is None:
            return Home.UNCHECKED
        return Home.HERE if identity.is_home_of(profile.team_id, profile.enterprise_id) else Home.ELSEWHERE

    async def refuse_stranger(self, home: Home, user_id: str, name: str, act: str, about: str = "") -> str:
        """Put it on record that somebody who does not belong here tried something; return the words for them.

        ``act`` is the slash command, or the action or form; ``about`` the id of the request, if there is one.
        """
        why = Verdict.UNCHECKED if home is Home.UNCHECKED else Verdict.NOT_OF_THIS_WORKSPACE
        await self.workflow.refuse(Actor(user_id, name), act, why, about)
        return refusals.HOME_NOT_CHECKED if home is Home.UNCHECKED else refusals.NOT_OF_THIS_WORKSPACE

    def told(self, verdict: Verdict, text: str, *roles: Role) -> str:
        """Return the words for a refusal: these, but where Slack refuses a group for good, trying again is no use.

        ``roles`` are those that the person was asked for; a group of another one is not the cause.
        """
        unchecked = verdict in {Verdict.UNCHECKED, Verdict.VOTES_UNCHECKED}
        return refusals.group_gone(gone) if unchecked and (gone := self.directory.gone(*roles)) else text

    def say(self, tell: Tell, text: str) -> None:
        """Say something to one person in the background."""

        async def work() -> None:
            await tell(text)

        self.background.start(work(), tell=tell)

    async def open_form(self, trigger_id: str, view: dict[str, Any], tell: Tell, again: str) -> None:
        """Open a form, inside the three seconds that its trigger lives; tell the person ``again`` if Slack does not."""
        try:
            await self.client.views_open(trigger_id=trigger_id, view=view)
        except Exception as error:  # noqa: BLE001 -- whatever it was, the person can only try again
            problem = problem_of(error)
            log.warning("form_not_opened", problem=problem.name)
            await tell(refusals.form_not_opened(problem.name, again, unclear=problem.unclear))
