"""``/cancel-order`` and its form."""

import re

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.response import BoltResponse

from bot.domain import policy
from bot.domain.ids import CHANNEL_ID
from bot.domain.policy import Role, Verdict
from bot.slack.background import Tell
from bot.slack.commands import CANCEL_ORDER
from bot.slack.listeners.answers import answer_to
from bot.slack.listeners.parts import Parts, not_understood
from bot.slack.payloads import Command, Submission
from bot.slack.views import refusals
from bot.slack.views.modals import OrderForm
from bot.workflow import Wish


class Asking:
    """The listeners for people who ask for a cancellation."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def register(self, app: AsyncApp) -> None:
        """Bind them to Bolt's app."""
        app.command(CANCEL_ORDER)(self.cancel_order)
        app.view(OrderForm.CALLBACK)(self.order_form)

    async def cancel_order(self, ack: AsyncAck, typed: Command) -> BoltResponse | None:
        """Open the form, filled in from the command's text."""
        if not self._parts.is_home_of(typed.team_id, typed.enterprise_id):
            return not_understood()
        await ack()
        tell = answer_to(typed.response_url)
        self._parts.background.start(self._open_form(typed, tell), tell=tell)
        return None

    async def _open_form(self, typed: Command, tell: Tell) -> None:
        actor = await self._parts.directory.actor(typed.user_id, typed.user_name, Role.REQUESTER)
        verdict = policy.may_ask(actor)
        if verdict is not Verdict.ALLOWED:
            await self._parts.workflow.refuse(actor, CANCEL_ORDER, verdict)
            await tell(refusals.command_refused(verdict))
            return
        order_id, _, reason = typed.as_typed.partition(" ")
        pattern = self._parts.workflow.rules.order_id_pattern.pattern
        view = OrderForm.build(channel=typed.channel_id, order_id=order_id, reason=reason.strip(), pattern=pattern)
        await self._parts.open_form(typed.trigger_id, view, tell, f"Type {CANCEL_ORDER} again.")

    async def order_form(self, ack: AsyncAck, form: Submission) -> BoltResponse | None:
        """Keep the request, or say on the field why not."""
        channel, order_id, reason = OrderForm.parse(form.view)
        if not self._parts.is_home_of(form.team_id, form.enterprise_id) or not re.fullmatch(CHANNEL_ID, channel):
            return not_understood()
        actor = await self._parts.directory.actor(form.user.id, form.user.shown_name, Role.REQUESTER)
        wish = Wish(form.view.id, order_id, reason, self._parts.approval_channel or channel)
        acted = await self._parts.workflow.request(wish, actor)
        match acted.verdict:
            case Verdict.ALLOWED:
                await ack()
                return None
            case Verdict.ANOTHER_IS_OPEN:
                assert acted.cancellation is not None
                error = refusals.already_open(acted.cancellation, acted.requester_name)
            case Verdict.BAD_ORDER_ID:
                error = refusals.bad_order_id(self._parts.workflow.rules.order_id_pattern.pattern)
            case verdict:
                error = refusals.command_refused(verdict)
        await ack(response_action="errors", errors={OrderForm.ORDER: error})
        return None
