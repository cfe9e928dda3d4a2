"""``/cancel-audit`` and the buttons that turn its pages."""

import re

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.response import BoltResponse

from bot.domain.lookup import NotAFilter
from bot.domain.policy import Role, Verdict
from bot.slack.commands import CANCEL_AUDIT
from bot.slack.listeners.answers import answer_to, respond
from bot.slack.listeners.parts import Parts, not_understood
from bot.slack.payloads import Click, Command
from bot.slack.views import audit_page, refusals
from bot.slack.views.audit_page import PageButton
from bot.workflow import MayNotRead


class LookingUp:
    """The listeners for people who read the record."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def register(self, app: AsyncApp) -> None:
        """Bind them to Bolt's app."""
        app.command(CANCEL_AUDIT)(self.cancel_audit)
        app.action(re.compile(rf"{audit_page.PAGE}:(older|newest)"))(self.turn_page)

    async def cancel_audit(self, ack: AsyncAck, typed: Command) -> BoltResponse | None:
        """Answer from the record, to the person alone."""
        if not self._parts.is_home_of(typed.team_id, typed.enterprise_id):
            return not_understood()
        await ack()
        tell, button = answer_to(typed.response_url), PageButton(typed.as_typed, None)
        work = self._look_up(typed.user_id, typed.user_name, button, typed.response_url)
        self._parts.background.start(work, tell=tell)
        return None

    async def turn_page(self, ack: AsyncAck, click: Click) -> BoltResponse | None:
        """Show another page of a look-up, in place of the one before."""
        if not self._parts.is_home_of(click.team_id, click.enterprise_id):
            return not_understood()
        await ack()
        tell, button = answer_to(click.response_url), PageButton.decode(click.value)
        if button is None:
            self._parts.say(tell, refusals.NO_LONGER_IN_USE)
            return None
        work = self._look_up(click.user.id, click.user.shown_name, button, click.response_url, replace=True)
        self._parts.background.start(work, tell=tell)
        return None

    async def _look_up(
        self, user_id: str, name: str, button: PageButton, response_url: str, *, replace: bool = False
    ) -> None:
        actor = await self._parts.directory.actor(user_id, name, Role.APPROVER, Role.AUDITOR)
        try:
            found = await self._parts.workflow.look_up(
                actor, button.query, older_than=button.older_than, limit=audit_page.PER_PAGE
            )
        except NotAFilter as error:
            await respond(response_url, audit_page.usage(error))
        except MayNotRead:
            await self._parts.workflow.refuse(actor, CANCEL_AUDIT, Verdict.NOT_AN_AUDITOR)
            await respond(response_url, refusals.OWN_REQUESTS_ONLY)
        else:
            answer = audit_page.page(found, button.query, first=button.older_than is None)
            await respond(response_url, answer, replace=replace)
