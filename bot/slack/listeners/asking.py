"""``/cancel-order``, the shortcuts, and the form in which all of them end."""

import re
from dataclasses import dataclass

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain import policy
from bot.domain.cancellation import State
from bot.domain.ids import CHANNEL_ID
from bot.domain.policy import Actor, Role, Verdict
from bot.domain.request import Request
from bot.slack import command_text, message_text, places
from bot.slack.background import Tell
from bot.slack.commands import CANCEL_ORDER, CANCEL_ORDER_ANYWHERE, CANCEL_ORDER_MESSAGE
from bot.slack.listeners.answers import close_form, respond
from bot.slack.listeners.parts import Home, Parts
from bot.slack.payloads import Command, Shortcut, Submission, User
from bot.slack.views import card, freezes, order_ids, receipt, refusals
from bot.slack.views.modals import Order, OrderForm, OrderRules, OrderStart
from bot.workflow import Acted, Wish, freezing


@dataclass(frozen=True, slots=True)
class Way:
    """The way in that somebody took: its name on record, the person, and how to answer them.

    ``user.team_id`` and ``enterprise_id`` are the person's own, as far as Slack names them. ``again`` are the words for
    how to take the same way again.
    """

    name: str
    user: User
    enterprise_id: str | None
    trigger_id: str
    tell: Tell
    again: str


class Asking:
    """The listeners for people who ask for a cancellation."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def register(self, app: AsyncApp) -> None:
        """Bind the shortcuts to Bolt's app; the command and the form are bound before all others."""
        app.message_shortcut(CANCEL_ORDER_MESSAGE)(self.cancel_order_message)
        app.global_shortcut(CANCEL_ORDER_ANYWHERE)(self.cancel_order_anywhere)

    async def cancel_order(self, ack: AsyncAck, typed: Command) -> None:
        """Open the form, filled in from the command's text; or do what else that text asks for."""
        tell, wanted = self._parts.answer_to(typed.response_url), command_text.read(typed.as_typed)
        user = User(id=typed.user_id, name=typed.user_name, team_id=typed.team_id)
        if isinstance(wanted, command_text.Freeze | command_text.Unfreeze):
            # Kept first, as people who see no error of Slack's rely on it. One that only opens a form promises nothing.
            answer = await self._freeze(user, typed, wanted)
            await ack()
            self._parts.say(tell, answer)
            return
        await ack()
        way = Way(CANCEL_ORDER, user, typed.enterprise_id, typed.trigger_id, tell, f"Type {CANCEL_ORDER} again.")
        self._parts.background.start(self._read_command(way, typed, wanted), tell=tell)

    async def cancel_order_message(self, ack: AsyncAck, chosen: Shortcut) -> None:
        """Open the form, filled in with the order ids of the message in whose menu the shortcut was chosen."""
        await ack()
        self._choose(chosen)

    async def cancel_order_anywhere(self, ack: AsyncAck, chosen: Shortcut) -> None:
        """Open an empty form."""
        await ack()
        self._choose(chosen)

    def _choose(self, chosen: Shortcut) -> None:
        tell = self._parts.answer_to_shortcut(chosen)
        way = Way(chosen.callback_id, chosen.user, None, chosen.trigger_id, tell, "Choose the shortcut again.")
        self._parts.background.start(self._read_message(way, chosen), tell=tell)

    async def _read_command(self, way: Way, typed: Command, wanted: command_text.Orders | command_text.Help) -> None:
        if not await self._belongs_here(way):
            return
        match wanted:
            case command_text.Orders(orders, reason):
                start = OrderStart(typed.channel_id, orders, reason, typed.response_url)
                await self.open_form(way, start, typed.channel_name)
            case command_text.Help(mistyped, of_freezes):
                example = self._parts.presentation.order_id_example
                await way.tell(refusals.usage(example, mistyped, of_freezes=of_freezes))

    async def _read_message(self, way: Way, chosen: Shortcut) -> None:
        if not await self._belongs_here(way):
            return
        channel, message, identity = chosen.channel, chosen.message, self._parts.identity()
        if channel is None or message is None:
            await self.open_form(way, OrderStart(self._parts.approval_channel or ""))
            return
        assert identity is not None  # nobody belongs here before that is known
        presentation, pattern = self._parts.presentation, self._parts.workflow.rules.order_id_pattern
        found = message_text.order_ids(message.text, pattern, presentation.order_id_example, presentation.order_url)
        source = identity.permalink(channel.id, message.ts, message.thread_ts)
        await self.open_form(way, OrderStart(channel.id, found, "", chosen.response_url, source), channel.name)

    async def ask(self, way: Way, start: OrderStart) -> None:
        """Open the form for somebody whose workspace nobody has looked at yet."""
        if await self._belongs_here(way):
            await self.open_form(way, start)

    async def _belongs_here(self, way: Way) -> bool:
        home = await self._parts.home_of(way.user.id, way.user.team_id, way.enterprise_id)
        if home is not Home.HERE:
            await way.tell(await self._parts.refuse_stranger(home, way.user.id, way.user.shown_name, way.name))
        return home is Home.HERE

    async def open_form(self, way: Way, start: OrderStart, channel_name: str = "") -> None:
        """Open the form in which every way in ends, or tell the person at once why they cannot ask from there."""
        workflow = self._parts.workflow
        actor = await self._parts.directory.actor(way.user.id, way.user.shown_name, Role.REQUESTER)
        verdict = policy.may_ask(actor)
        if verdict is Verdict.ALLOWED and (freeze := await workflow.frozen()):
            await workflow.refuse(actor, way.name, Verdict.FROZEN)
            await way.tell(freezes.refused(freeze))
            return
        if verdict is Verdict.ALLOWED and start.channel:
            verdict = await self._may_hold_card(start.channel, channel_name)
        if verdict is Verdict.ALLOWED and not await self._could_be_approved(actor):
            verdict = Verdict.TOO_FEW_APPROVERS
        if verdict is not Verdict.ALLOWED:
            await workflow.refuse(actor, way.name, verdict)
            await way.tell(self._parts.told(verdict, refusals.command_refused(verdict), Role.REQUESTER))
            return
        rules = OrderRules(
            self._parts.presentation.order_id_example,
            workflow.rules.reasons,
            workflow.rules.reason_required,
            self._parts.allow_shared_channels,
        )
        await self._parts.open_form(way.trigger_id, OrderForm.build(start, rules), way.tell, way.again)

    async def _may_hold_card(self, channel: str, name: str = "") -> Verdict:
        """Return ALLOWED where the card of a request from this channel can be posted and decided."""
        if self._parts.approval_channel is not None:
            return Verdict.ALLOWED
        return await places.may_hold_card(self._parts.client, channel, name, shared=self._parts.allow_shared_channels)

    async def _freeze(self, user: User, typed: Command, wanted: command_text.Freeze | command_text.Unfreeze) -> str:
        """Stop everything or let it go on, and return the words for the person; other messages tell everybody else."""
        workflow = self._parts.workflow
        home, actor = await self._parts.arrive(user, typed.team_id, typed.enterprise_id, Role.APPROVER)
        if home is not Home.HERE:
            return await self._parts.refuse_stranger(home, user.id, user.shown_name, CANCEL_ORDER)
        command = freezing.Typed(CANCEL_ORDER, typed.channel_id, typed.trigger_id)
        if isinstance(wanted, command_text.Freeze):
            froze = await workflow.freeze(actor, wanted.why, command)
        else:
            froze = await workflow.unfreeze(actor, command)
        if froze.event is None:
            return self._parts.told(froze.verdict, freezes.not_done(froze.verdict, froze.freeze), Role.APPROVER)
        return freezes.done(froze.event, typed.channel_id)

    async def order_form(self, ack: AsyncAck, form: Submission) -> None:
        """Keep the request, or say on the field why not."""
        await close_form(ack, *await self._ask(form))

    async def _ask(self, form: Submission) -> tuple[str, str]:
        """Return the field with its error, or no error where the request is kept."""
        home, actor = await self._parts.arrive(form.user, form.team_id, form.enterprise_id, Role.REQUESTER)
        if home is not Home.HERE:
            text = await self._parts.refuse_stranger(home, form.user.id, form.user.shown_name, CANCEL_ORDER)
            return OrderForm.ORDER, text
        order, identity = OrderForm.parse(form.view), self._parts.identity()
        genuine = not order.source or (identity is not None and identity.is_permalink(order.source))
        if not genuine or not re.fullmatch(CHANNEL_ID, order.channel):
            return OrderForm.ORDER, refusals.NOT_READ
        if order.channel_chosen and policy.may_ask(actor) is Verdict.ALLOWED:
            place = await self._may_hold_card(order.channel)
            if place is not Verdict.ALLOWED:
                await self._parts.workflow.refuse(actor, CANCEL_ORDER_ANYWHERE, place)
                return OrderForm.CHANNEL, refusals.channel_refused(place)
        pattern = self._parts.workflow.rules.order_id_pattern
        typed = order_ids.read(order.order_ids, pattern)
        example = self._parts.presentation.order_id_example
        fits = card.fits([each.order_id for each in typed], order.reason)
        if not fits and not order_ids.problem(typed, pattern, example):
            await self._parts.workflow.refuse(actor, CANCEL_ORDER, Verdict.TOO_LONG)
            too_long = refusals.command_refused(Verdict.TOO_LONG) if len(typed) == 1 else refusals.TOO_LONG_TOGETHER
            return OrderForm.REASON, too_long
        wished = tuple(each.order_id for each in typed)
        channel = self._parts.approval_channel or order.channel
        wish = Wish(
            form.view.id,
            wished,
            order.reason,
            channel,
            order.category,
            order.source,
            asked_in=order.channel,
            typed=order.order_ids,
        )
        acted = await self._parts.workflow.request(wish, actor)
        if acted.verdict is Verdict.ALLOWED:
            assert acted.request is not None
            # A form that is sent again may be about a request that nobody is asked about any more.
            if order.channel != wish.channel and acted.request.state is State.PENDING:
                self._tell_where(order.answer, acted.request)
            return OrderForm.ORDER, "" if acted.request.state.open else refusals.form_of_ended(acted.request)
        if acted.verdict is Verdict.BAD_ORDER_ID:
            return OrderForm.ORDER, order_ids.problem(typed, pattern, example)
        return self._refusal(acted, order, typed)

    def _refusal(self, acted: Acted, order: Order, typed: list[order_ids.Typed]) -> tuple[str, str]:
        """Return the field with its error for a request that was not kept."""
        match acted.verdict:
            case Verdict.ANOTHER_IS_OPEN:
                return OrderForm.ORDER, order_ids.in_the_way(typed, acted.in_the_way, acted.names)
            case Verdict.FROZEN:
                assert acted.freeze is not None
                return OrderForm.ORDER, freezes.refused(acted.freeze)
            case Verdict.NO_SUCH_REASON:
                field = OrderForm.CATEGORY
            case Verdict.REASON_MISSING if self._parts.workflow.rules.reasons and not order.offers_reasons:
                return OrderForm.ORDER, refusals.REASONS_NOT_OFFERED
            case Verdict.REASON_MISSING:
                field = OrderForm.CATEGORY if self._parts.workflow.rules.reasons else OrderForm.REASON
            case _:
                field = OrderForm.ORDER
        return field, self._parts.told(acted.verdict, refusals.command_refused(acted.verdict), Role.REQUESTER)

    async def _could_be_approved(self, actor: Actor) -> bool:
        rules, approvers = self._parts.workflow.rules, await self._parts.directory.members(Role.APPROVER)
        return policy.could_be_approved(
            actor, approvers, rules.approvals_required, allow_self_approval=rules.allow_self_approval
        )

    def _tell_where(self, response_url: str, request: Request) -> None:
        """Say in the place where somebody asked that the approvers are asked in another channel."""
        tell = self._parts.answer_to(response_url)
        told = respond(self._parts.network, response_url, receipt.asked(request))
        self._parts.background.start(told, tell=tell)
