"""The buttons of the card and its menu: approve, reject (with its form), withdraw, retry, try now, stop, settle.

Withdraw and Stop trying are on the receipt and on the requester's Home tab too, the others on an approver's.

Each click is one transaction before its acknowledgement. A refusal goes to the person who clicked, and to nobody else.
"""

import re
from dataclasses import replace
from typing import ParamSpec

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain import policy
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryOutcome, Receipt
from bot.domain.policy import Act, Actor, Role, Surface, Verdict
from bot.domain.request import Request
from bot.slack.errors import problem_of
from bot.slack.listeners.answers import close_form
from bot.slack.listeners.parts import Home, Parts
from bot.slack.payloads import Click, Submission
from bot.slack.views import buttons, card, receipt, refusals
from bot.slack.views.modals import Finding, RejectForm, SettleForm, View
from bot.slack.views.text import Message
from bot.workflow import Acted, decisions
from bot.workflow.workflow import Decision

log = structlog.get_logger(__name__)

P = ParamSpec("P")


class Deciding:
    """The listeners for people who decide."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def register(self, app: AsyncApp) -> None:
        """Bind them to Bolt's app, except ``approve``."""
        app.view(RejectForm.CALLBACK)(self.reject_form)
        app.action(str(Act.REJECT))(self.reject)
        app.action(str(Act.WITHDRAW))(self.withdraw)
        app.action(buttons.MENU)(self.menu)
        app.action(str(Act.RETRY))(self.retry)
        app.action(str(Act.TRY_NOW))(self.try_now)
        app.action(str(Act.STOP))(self.stop)
        app.action(re.compile(f"{buttons.SETTLE_CANCELLED}|{buttons.SETTLE_NOT_CANCELLED}"))(self.settle)
        app.view(SettleForm.CALLBACK)(self.settle_form)

    async def approve(self, ack: AsyncAck, click: Click) -> None:
        """Count an approval."""
        if actor := await self._arrive(ack, click, Role.APPROVER):
            approvers = await self._parts.directory.members(Role.APPROVER)  # earlier votes are counted again
            promised = buttons.promise_seen(click.actions[0].block_id)
            acted = await self._parts.workflow.act(
                decisions.approve, Act.APPROVE, click.value, actor, approvers=approvers, promised=promised
            )
            await self._answer(ack, click, acted)

    async def menu(self, ack: AsyncAck, click: Click) -> None:
        """Do what was chosen from the card's menu."""
        match click.act:
            case Act.WITHDRAW:
                await self.withdraw(ack, click)
            case Act.STOP:
                await self.stop(ack, click)
            case buttons.SETTLE_CANCELLED | buttons.SETTLE_NOT_CANCELLED:
                await self.settle(ack, click)
            case _:
                await ack()
                self._parts.say(self._parts.answer_to_click(click), refusals.NO_LONGER_IN_USE)

    async def reject(self, ack: AsyncAck, click: Click) -> None:
        """Ask for the reason in a form."""
        if actor := await self._arrive(ack, click, Role.APPROVER):
            acted = await self._parts.workflow.act(decisions.may_reject, Act.REJECT, click.value, actor)
            await self._answer(ack, click, acted)
            if acted.verdict is Verdict.ALLOWED and acted.request is not None:
                self._open_form(click, RejectForm.build(acted.request, actor.surface or Surface.CARD))

    async def reject_form(self, ack: AsyncAck, form: Submission) -> None:
        """Reject with the reason given, or say on the field why not."""
        request_id, surface, reason = RejectForm.parse(form.view)
        error = "" if reason else refusals.REASON_MISSING
        if reason and not card.fits([], reason):
            error = refusals.REASON_TOO_LONG
        if not error:
            acted = await self._submit(form, surface, decisions.reject, Act.REJECT, request_id, reason=reason)
            error = acted if isinstance(acted, str) else self._refusal(acted)
        await close_form(ack, RejectForm.REASON, error)

    async def withdraw(self, ack: AsyncAck, click: Click) -> None:
        """Take a request back."""
        if actor := await self._arrive(ack, click):
            acted = await self._parts.workflow.act(decisions.withdraw, Act.WITHDRAW, click.value, actor)
            await self._answer(ack, click, acted)

    async def retry(self, ack: AsyncAck, click: Click) -> None:
        """Have the approved cancel sent again."""
        if actor := await self._arrive(ack, click, Role.APPROVER):
            approvers = await self._parts.directory.members(Role.APPROVER)  # earlier votes are counted again
            block_id = click.actions[0].block_id
            seen, named = buttons.version_seen(block_id), buttons.promise_seen(block_id)
            acted = await self._parts.workflow.act(
                decisions.retry, Act.RETRY, click.value, actor, approvers=approvers, seen=seen, named=named
            )
            await self._answer(ack, click, acted)
            if acted.verdict is Verdict.ALLOWED and acted.request is not None:
                asked_about = [one.cancellation for one in acted.request.at_places(named)]
                if left := [each for each in asked_about if each.state.may_retry]:
                    said = refusals.not_retried(acted.request, left)
                    self._parts.say(self._parts.answer_to_click(click), said)

    async def try_now(self, ack: AsyncAck, click: Click) -> None:
        """Have the next attempt made at once."""
        if actor := await self._arrive(ack, click, Role.APPROVER):
            seen = buttons.version_seen(click.actions[0].block_id)
            acted = await self._parts.workflow.act(decisions.try_now, Act.TRY_NOW, click.value, actor, seen=seen)
            await self._answer(ack, click, acted)

    async def stop(self, ack: AsyncAck, click: Click) -> None:
        """Have no further attempt made."""
        if actor := await self._arrive(ack, click, Role.APPROVER):
            seen = buttons.version_seen(click.actions[0].block_id)
            acted = await self._parts.workflow.act(decisions.stop, Act.STOP, click.value, actor, seen=seen)
            await self._answer(ack, click, acted)
            if acted.verdict is Verdict.ALLOWED and acted.request is not None:
                going_on = policy.going_on(acted.request, actor.towards(acted.request))
                if going_on:
                    said = refusals.not_stopped(acted.request, [one.cancellation for one, _ in going_on])
                    self._parts.say(self._parts.answer_to_click(click), said)

    async def settle(self, ack: AsyncAck, click: Click) -> None:
        """Ask in a form how the person knows what became of an order."""
        if actor := await self._arrive(ack, click, Role.APPROVER):
            acted = await self._parts.workflow.act(decisions.may_settle, Act.SETTLE, click.value, actor)
            await self._answer(ack, click, acted)
            if acted.verdict is Verdict.ALLOWED and acted.request is not None:
                cancelled = click.act == buttons.SETTLE_CANCELLED
                surface = actor.surface or Surface.CARD
                self._open_form(click, SettleForm.build(acted.request, cancelled=cancelled, surface=surface))

    async def settle_form(self, ack: AsyncAck, form: Submission) -> None:
        """Keep a person's statement about an unknown outcome, or say on the field why not."""
        finding = SettleForm.parse(form.view)
        field, error = SettleForm.HOW, "" if finding.how else refusals.FINDING_MISSING
        if finding.cancelled is None:
            error = refusals.NOT_READ
        elif finding.how and not card.fits([], finding.how):
            error = refusals.REASON_TOO_LONG
        elif finding.how:
            acted = await self._submit(
                form,
                finding.surface,
                decisions.settle,
                Act.SETTLE,
                finding.request_id,
                order=finding.order,
                cancelled=finding.cancelled,
                how=finding.how,
                seen=finding.seen,
            )
            error = acted if isinstance(acted, str) else self._refusal_of(finding, acted)
            if not isinstance(acted, str) and acted.verdict is Verdict.WRONG_STATE and SettleForm.has_choice(form.view):
                field = SettleForm.ORDER
        await close_form(ack, field, error)

    async def _arrive(self, ack: AsyncAck, click: Click, *roles: Role) -> Actor | None:
        """Return the person who clicked; refuse, acknowledge and return None for people of other companies."""
        user = click.user
        home, actor = await self._parts.arrive(user, user.team_id, None, *roles)
        if home is Home.HERE:
            return replace(actor, surface=_surface(click))
        text = await self._parts.refuse_stranger(home, user.id, user.shown_name, click.act, click.value)
        await ack()
        self._parts.say(self._parts.answer_to_click(click), text)
        return None

    async def _submit(
        self,
        form: Submission,
        surface: Surface,
        decision: "Decision[P]",
        act: Act,
        about: str,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Acted | str:
        """Run a form's use case; return what came of it, or the refusal of somebody who does not belong here.

        ``surface`` is where the button was that opened the form.
        """
        name = form.user.shown_name
        home, actor = await self._parts.arrive(form.user, form.team_id, form.enterprise_id, Role.APPROVER)
        if home is not Home.HERE:
            return await self._parts.refuse_stranger(home, form.user.id, name, form.view.callback_id, about)
        return await self._parts.workflow.act(decision, act, about, replace(actor, surface=surface), *args, **kwargs)

    def _open_form(self, click: Click, view: View) -> None:
        tell = self._parts.answer_to_click(click)
        work = self._parts.open_form(click.trigger_id, view, tell, "Press the button again.")
        self._parts.background.start(work, tell=tell)

    async def _answer(self, ack: AsyncAck, click: Click, acted: Acted) -> None:
        await ack()
        tell = self._parts.answer_to_click(click)
        if acted.verdict is not Verdict.ALLOWED:
            self._parts.say(tell, self._refusal(acted))
        request, place, surface = acted.request, click.place, _surface(click)
        if request is not None and place is not None:
            known = (request.card_channel, request.card_ts)
            if surface is Surface.RECEIPT or place != known:
                self._parts.background.start(self._learn_place(*place, request, surface), tell=tell)

    async def _learn_place(self, channel: str, ts: str, request: Request, surface: Surface) -> None:
        """Learn where the card or the receipt is, or close a second one of the same request."""
        identity = self._parts.identity()
        assert identity is not None  # nobody belongs here before that is known
        place = Receipt(DeliveryOutcome.DELIVERED, channel, ts, identity.permalink(channel, ts))
        workflow, on_receipt = self._parts.workflow, surface is Surface.RECEIPT
        clicked = workflow.receipt_clicked if on_receipt else workflow.card_clicked
        if not await clicked(request.id, place):
            copy = receipt.copy(request) if on_receipt else card.copy(request)
            await self._close_copy(channel, ts, request, copy)

    def _refusal(self, acted: Acted) -> str:
        """Return why nothing was done, or nothing where it was."""
        if acted.verdict is Verdict.ALLOWED:
            return ""
        return self._parts.told(acted.verdict, refusals.click_refused(acted.verdict, acted.request), Role.APPROVER)

    def _refusal_of(self, finding: Finding, acted: Acted) -> str:
        """Return why a statement about one order was not taken, or nothing where it was."""
        one = acted.request and acted.request.at_place(finding.order)
        if acted.request is not None and one is None:
            return refusals.NOT_ITS_ORDER
        if acted.verdict is Verdict.WRONG_STATE and one is not None and one.state is State.UNKNOWN:
            return refusals.ASKED_SINCE
        if acted.verdict is Verdict.ALLOWED or one is None or not acted.request or not acted.request.several:
            return self._refusal(replace(acted, request=one))
        return self._parts.told(acted.verdict, refusals.order_refused(acted.verdict, one), Role.APPROVER)

    async def _close_copy(self, channel: str, ts: str, request: Request, message: Message) -> None:
        try:
            await self._parts.client.chat_update(channel=channel, ts=ts, text=message.text, blocks=message.blocks)
        except Exception as error:  # noqa: BLE001 -- the next click on it tries again
            log.warning("copy_not_closed", request=request.id, problem=problem_of(error).name)


def _surface(click: Click) -> Surface:
    if click.on_home:
        return Surface.HOME
    return Surface.RECEIPT if receipt.is_receipt(click.actions[0].block_id) else Surface.CARD
