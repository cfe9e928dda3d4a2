"""The buttons of the card: approve, reject (with its form), withdraw, retry.

Each click is one transaction before its acknowledgement. A refusal goes to the person who clicked, and to nobody else.
"""

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.response import BoltResponse

from bot.domain.policy import Act, Actor, Role, Verdict
from bot.slack.listeners.answers import answer_to
from bot.slack.listeners.parts import Parts, not_understood
from bot.slack.payloads import Click, Submission
from bot.slack.views import refusals
from bot.slack.views.modals import RejectForm
from bot.workflow import Acted, decisions


class Deciding:
    """The listeners for people who decide."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def register(self, app: AsyncApp) -> None:
        """Bind them to Bolt's app."""
        app.action(str(Act.APPROVE))(self.approve)
        app.view(RejectForm.CALLBACK)(self.reject_form)
        app.action(str(Act.REJECT))(self.reject)
        app.action(str(Act.WITHDRAW))(self.withdraw)
        app.action(str(Act.RETRY))(self.retry)

    async def approve(self, ack: AsyncAck, click: Click) -> None:
        """Count an approval."""
        if actor := await self._actor(ack, click, Role.APPROVER):
            acted = await self._parts.workflow.act(decisions.approve, Act.APPROVE, click.value, actor)
            await self._answer(ack, click, acted)

    async def reject(self, ack: AsyncAck, click: Click) -> None:
        """Ask for the reason in a form."""
        if actor := await self._actor(ack, click, Role.APPROVER):
            acted = await self._parts.workflow.act(decisions.may_reject, Act.REJECT, click.value, actor)
            await self._answer(ack, click, acted)
            if acted.verdict is Verdict.ALLOWED and acted.cancellation is not None:
                view, tell = RejectForm.build(acted.cancellation), answer_to(click.response_url)
                self._parts.background.start(
                    self._parts.open_form(click.trigger_id, view, tell, "Press Reject again."), tell=tell
                )

    async def reject_form(self, ack: AsyncAck, form: Submission) -> BoltResponse | None:
        """Reject with the reason given, or say on the field why not."""
        if not self._parts.is_home_of(form.team_id, form.enterprise_id):
            return not_understood()
        cancellation_id, reason = RejectForm.parse(form.view)
        error = refusals.REASON_MISSING
        if reason:
            actor = await self._parts.directory.actor(form.user.id, form.user.shown_name, Role.APPROVER)
            acted = await self._parts.workflow.act(decisions.reject, Act.REJECT, cancellation_id, actor, reason=reason)
            if acted.verdict is Verdict.ALLOWED:
                await ack()
                return None
            error = refusals.click_refused(acted.verdict, acted.cancellation)
        await ack(response_action="errors", errors={RejectForm.REASON: error})
        return None

    async def withdraw(self, ack: AsyncAck, click: Click) -> None:
        """Take a request back."""
        if actor := await self._actor(ack, click):
            acted = await self._parts.workflow.act(decisions.withdraw, Act.WITHDRAW, click.value, actor)
            await self._answer(ack, click, acted)

    async def retry(self, ack: AsyncAck, click: Click) -> None:
        """Have the approved cancel sent again."""
        if actor := await self._actor(ack, click, Role.APPROVER):
            acted = await self._parts.workflow.act(decisions.retry, Act.RETRY, click.value, actor)
            await self._answer(ack, click, acted)

    async def _actor(self, ack: AsyncAck, click: Click, *roles: Role) -> Actor | None:
        """Return the person who clicked; refuse, acknowledge and return None for people of other workspaces."""
        if self._parts.is_home_of(click.team_id, click.enterprise_id):
            return await self._parts.directory.actor(click.user.id, click.user.shown_name, *roles)
        stranger = Actor(click.user.id, click.user.shown_name)
        await self._parts.workflow.refuse(stranger, click.actions[0].action_id, Verdict.NOT_OF_THIS_WORKSPACE)
        await ack()
        self._parts.say(answer_to(click.response_url), refusals.NOT_OF_THIS_WORKSPACE)
        return None

    async def _answer(self, ack: AsyncAck, click: Click, acted: Acted) -> None:
        await ack()
        if acted.verdict is not Verdict.ALLOWED:
            text = refusals.click_refused(acted.verdict, acted.cancellation)
            self._parts.say(answer_to(click.response_url), text)
