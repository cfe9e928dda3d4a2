"""``/cancel-order`` and its form."""

import re

from slack_bolt.async_app import AsyncAck

from bot.domain import policy
from bot.domain.ids import CHANNEL_ID
from bot.domain.policy import Role, Verdict
from bot.domain.request import Request
from bot.slack import command_text, places
from bot.slack.background import Tell
from bot.slack.commands import CANCEL_ORDER
from bot.slack.listeners.answers import respond
from bot.slack.listeners.parts import Home, Parts
from bot.slack.payloads import Command, Submission
from bot.slack.views import card, freezes, order_ids, receipt, refusals
from bot.slack.views.modals import OrderForm
from bot.workflow import Wish


class Asking:
    """The listeners for people who ask for a cancellation; ``register`` of the package binds them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def cancel_order(self, ack: AsyncAck, typed: Command) -> None:
        """Open the form, filled in from the command's text."""
        await ack()
        tell = self._parts.answer_to(typed.response_url)
        self._parts.background.start(self._open_form(typed, tell), tell=tell)

    async def _open_form(self, typed: Command, tell: Tell) -> None:
        home = await self._parts.home_of(typed.user_id, typed.team_id, typed.enterprise_id)
        if home is not Home.HERE:
            refuse = self._parts.refuse_stranger(home, typed.user_id, typed.user_name, CANCEL_ORDER)
            await tell(await refuse)
            return
        match command_text.read(typed.as_typed):
            case command_text.Orders(orders, reason):
                await self._ask_in_form(typed, orders, reason, tell)
            case command_text.Help(mistyped):
                await tell(refusals.usage(self._parts.presentation.order_id_example, mistyped))
            case command_text.Freeze() | command_text.Unfreeze() as wanted:
                await self._freeze(typed, wanted, tell)

    async def _ask_in_form(self, typed: Command, orders: tuple[str, ...], reason: str, tell: Tell) -> None:
        actor = await self._parts.directory.actor(typed.user_id, typed.user_name, Role.REQUESTER)
        verdict = policy.may_ask(actor)
        if verdict is Verdict.ALLOWED and (freeze := await self._parts.workflow.frozen()):
            await self._parts.workflow.refuse(actor, CANCEL_ORDER, Verdict.FROZEN)
            await tell(freezes.refused(freeze))
            return
        if verdict is Verdict.ALLOWED and self._parts.approval_channel is None:
            verdict = await places.may_hold_card(self._parts.client, typed, shared=self._parts.allow_shared_channels)
        if verdict is not Verdict.ALLOWED:
            await self._parts.workflow.refuse(actor, CANCEL_ORDER, verdict)
            await tell(refusals.command_refused(verdict))
            return
        example = self._parts.presentation.order_id_example
        view = OrderForm.build(
            channel=typed.channel_id, order_ids=orders, reason=reason, example=example, answer=typed.response_url
        )
        await self._parts.open_form(typed.trigger_id, view, tell, f"Type {CANCEL_ORDER} again.")

    async def _freeze(self, typed: Command, wanted: command_text.Freeze | command_text.Unfreeze, tell: Tell) -> None:
        """Stop everything or let it go on; tell the channel, or the person alone why not."""
        workflow = self._parts.workflow
        actor = await self._parts.directory.actor(typed.user_id, typed.user_name, Role.APPROVER)
        if isinstance(wanted, command_text.Freeze):
            froze = await workflow.freeze(actor, wanted.why, CANCEL_ORDER)
        else:
            froze = await workflow.unfreeze(actor, CANCEL_ORDER)
        if froze.verdict is not Verdict.ALLOWED:
            await tell(freezes.not_done(froze.verdict, froze.freeze))
            return
        name = typed.user_name or typed.user_id
        text = freezes.begun(froze.freeze) if froze.freeze else freezes.ended(name, froze.approved)
        await respond(self._parts.network, typed.response_url, text, to_all=True)

    async def order_form(self, ack: AsyncAck, form: Submission) -> None:
        """Keep the request, or say on the field why not."""
        field, error = await self._ask(form)
        if error:
            await ack(response_action="errors", errors={field: error})
        else:
            await ack()

    async def _ask(self, form: Submission) -> tuple[str, str]:
        """Return the field with its error, or no error where the request is kept."""
        home, actor = await self._parts.arrive(form.user, form.team_id, form.enterprise_id, Role.REQUESTER)
        if home is not Home.HERE:
            text = await self._parts.refuse_stranger(home, form.user.id, form.user.shown_name, CANCEL_ORDER)
            return OrderForm.ORDER, text
        channel, entered, reason = OrderForm.parse(form.view)
        if not re.fullmatch(CHANNEL_ID, channel):
            return OrderForm.ORDER, refusals.NOT_READ
        pattern = self._parts.workflow.rules.order_id_pattern
        typed = order_ids.read(entered, pattern)
        wrong = order_ids.problem(typed, pattern, self._parts.presentation.order_id_example)
        if not wrong and not card.fits([each.order_id for each in typed], reason):
            await self._parts.workflow.refuse(actor, CANCEL_ORDER, Verdict.TOO_LONG)
            too_long = refusals.command_refused(Verdict.TOO_LONG) if len(typed) == 1 else refusals.TOO_LONG_TOGETHER
            return OrderForm.REASON, too_long
        wished = tuple(each.order_id for each in typed)
        wish = Wish(form.view.id, wished, reason, self._parts.approval_channel or channel)
        acted = await self._parts.workflow.request(wish, actor)
        match acted.verdict:
            case Verdict.ALLOWED:
                assert acted.request is not None
                if channel != wish.channel:
                    self._tell_where(OrderForm.address(form.view), acted.request)
                return OrderForm.ORDER, ""
            case Verdict.ANOTHER_IS_OPEN:
                return OrderForm.ORDER, order_ids.in_the_way(typed, acted.in_the_way, acted.names)
            case Verdict.BAD_ORDER_ID:
                return OrderForm.ORDER, wrong
            case Verdict.FROZEN:
                assert acted.freeze is not None
                return OrderForm.ORDER, freezes.refused(acted.freeze)
            case verdict:
                return OrderForm.ORDER, refusals.command_refused(verdict)

    def _tell_where(self, response_url: str, request: Request) -> None:
        """Say where the command was typed that the approvers are asked in another channel."""
        tell = self._parts.answer_to(response_url)
        told = respond(self._parts.network, response_url, receipt.asked(request))
        self._parts.background.start(told, tell=tell)
