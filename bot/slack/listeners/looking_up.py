"""``/cancel-audit`` and the buttons that turn its pages."""

import re
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.lookup import NotAFilter
from bot.domain.policy import Actor, Role, Verdict
from bot.slack import command_text
from bot.slack.commands import CANCEL_AUDIT
from bot.slack.listeners.answers import respond
from bot.slack.listeners.parts import Home, Parts
from bot.slack.payloads import Click, Command
from bot.slack.views import audit_page, refusals
from bot.slack.views.audit_page import PageButton
from bot.workflow import Asked, MayNotRead


class LookingUp:
    """The listeners for people who read the record."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def register(self, app: AsyncApp) -> None:
        """Bind them to Bolt's app."""
        app.command(CANCEL_AUDIT)(self.cancel_audit)
        app.action(re.compile(rf"{audit_page.PAGE}:(older|newer|newest)"))(self.turn_page)

    async def cancel_audit(self, ack: AsyncAck, typed: Command) -> None:
        """Answer from the record, to the person alone."""
        await ack()
        tell, button = self._parts.answer_to(typed.response_url), PageButton(typed.as_typed)
        team = (typed.team_id, typed.enterprise_id)
        work = self._look_up(Actor(typed.user_id, typed.user_name), team, button, typed.response_url)
        self._parts.background.start(work, tell=tell)

    async def turn_page(self, ack: AsyncAck, click: Click) -> None:
        """Show another page of a look-up, in place of the one before."""
        await ack()
        tell, button = self._parts.answer_to(click.response_url), PageButton.decode(click.value)
        if button is None:
            self._parts.say(tell, refusals.NO_LONGER_IN_USE)
            return
        somebody, team = Actor(click.user.id, click.user.shown_name), (click.user.team_id, None)
        work = self._look_up(somebody, team, button, click.response_url, replace=True)
        self._parts.background.start(work, tell=tell)

    async def _look_up(
        self,
        somebody: Actor,
        team: tuple[str | None, str | None],
        button: PageButton,
        response_url: str,
        *,
        replace: bool = False,
    ) -> None:
        home = await self._parts.home_of(somebody.id, *team)
        if home is not Home.HERE:
            text = await self._parts.refuse_stranger(home, somebody.id, somebody.name, CANCEL_AUDIT)
            await respond(self._parts.network, response_url, text)
            return
        if command_text.is_help(button.query):
            await respond(self._parts.network, response_url, audit_page.USAGE)
            return
        actor = await self._parts.directory.actor(somebody.id, somebody.name, Role.APPROVER, Role.AUDITOR)
        zone = button.zone
        if zone is None and (profile := await self._parts.directory.profile(somebody.id)) is not None:
            zone = profile.time_zone
        try:
            found = await self._parts.workflow.look_up(
                actor,
                Asked(
                    button.query,
                    _zone(zone),
                    older_than=button.older_than,
                    newer_than=button.newer_than,
                    at=button.at,
                    newest=button.newest,
                    limit=audit_page.PER_PAGE,
                ),
            )
        except NotAFilter as error:
            await respond(self._parts.network, response_url, audit_page.usage(error))
        except MayNotRead:
            await self._parts.workflow.refuse(actor, CANCEL_AUDIT, Verdict.NOT_AN_AUDITOR)
            await respond(self._parts.network, response_url, refusals.OWN_REQUESTS_ONLY)
        else:
            answer = audit_page.page(found, button.query, actor.id)
            await self._parts.workflow.looked_up(actor, button.query, len(found.page.items), answer.text)
            await respond(self._parts.network, response_url, answer, replace=replace)


def _zone(name: str | None) -> tzinfo:
    """Return the time zone of this name, or UTC where Slack does not name one that this machine knows."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
