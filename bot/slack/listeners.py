"""The listeners: take what Slack sent, run one use case, acknowledge, and answer.

What changes state is committed before the acknowledgement. What takes time (opening a form,
answering privately) comes after it, in the background.
"""

import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.domain import lookup, policy
from bot.domain.policy import People, Scope, Standing, Verdict
from bot.slack import audit_answer, card, refusals
from bot.slack.audit_answer import PageButton
from bot.slack.background import Background, Tell, apology
from bot.slack.errors import problem_of
from bot.slack.forms import OrderForm, RejectForm, notice_view
from bot.slack.identity import Identity
from bot.slack.payloads import Click, Command, Submission, read_as
from bot.slack.people import Directory
from bot.slack.text import Message, escape, lines, words
from bot.store import Store
from bot.workflow import Accepted, Acted, AlreadyOpen, BadOrderId, MayNotAsk, Workflow

log = structlog.get_logger(__name__)

CANCEL_ORDER, CANCEL_AUDIT = "/cancel-order", "/cancel-audit"


class Listeners:
    """Everything that people can do in Slack, on one Bolt app."""

    def __init__(
        self,
        *,
        workflow: Workflow,
        store: Store,
        directory: Directory,
        client: AsyncWebClient,
        background: Background,
        identity: Callable[[], Identity | None],
        now: Callable[[], datetime],
        approvers: People,
        requesters: People | None,
        auditors: People,
        approval_channel: str | None,
        order_id_hint: str,
    ) -> None:
        self._workflow = workflow
        self._store = store
        self._directory = directory
        self._client = client
        self._background = background
        self._identity = identity
        self._now = now
        self._approvers = approvers
        self._requesters = requesters
        self._auditors = auditors
        self._approval_channel = approval_channel
        self._order_id_hint = order_id_hint

    def register(self, app: AsyncApp) -> None:
        """Bind every command, form and button.

        Bolt asks one after the other whether it is meant, so what has most to do comes first. The last two
        patterns catch buttons and forms of former versions.
        """
        app.action(card.APPROVE)(self.approve)
        app.command(CANCEL_ORDER)(self.cancel_order)
        app.view(OrderForm.CALLBACK)(self.order_form)
        app.command(CANCEL_AUDIT)(self.cancel_audit)
        app.view(RejectForm.CALLBACK)(self.reject_form)
        app.action(card.REJECT)(self.reject)
        app.action(card.WITHDRAW)(self.withdraw)
        app.action(card.RETRY)(self.retry)
        app.action(re.compile(rf"{audit_answer.PAGE}:(older|newest)"))(self.audit_page)
        app.action(re.compile(r".*", re.DOTALL))(self.unknown_button)
        app.view(re.compile(r".*", re.DOTALL))(self.unknown_form)
        app.error(self.failed)

    # --- commands -----------------------------------------------------------------------------

    async def cancel_order(self, ack: AsyncAck, body: dict[str, Any]) -> BoltResponse | None:
        """Open the form, filled in from the command's text."""
        command = read_as(Command, body)
        if not self._of_this_workspace(command.team_id, command.enterprise_id):
            return _not_understood()
        await ack()
        tell = _answer_to(command.response_url)
        self._background.start(self._open_order_form(command, tell), tell=tell)
        return None

    async def _open_order_form(self, command: Command, tell: Tell) -> None:
        standing = await self._directory.standing(command.user_id, self._requesters)
        verdict = policy.may_ask(standing)
        if verdict is not Verdict.ALLOWED:
            await self._workflow.refuse_command(command.user_id, command.user_name, CANCEL_ORDER, verdict)
            await tell(refusals.command_refused(verdict))
            return
        order_id, _, reason = _typed(command.text).partition(" ")
        view = OrderForm.build(channel=command.channel_id, order_id=order_id, reason=reason.strip())
        await self._open(command.trigger_id, view, tell, f"Type {CANCEL_ORDER} again.")

    async def cancel_audit(self, ack: AsyncAck, body: dict[str, Any]) -> BoltResponse | None:
        """Answer from the record, to the person alone."""
        command = read_as(Command, body)
        if not self._of_this_workspace(command.team_id, command.enterprise_id):
            return _not_understood()
        await ack()
        tell = _answer_to(command.response_url)
        page = PageButton(_typed(command.text), None)
        work = self._look_up(command.user_id, command.user_name, page, command.response_url)
        self._background.start(work, tell=tell)
        return None

    async def _look_up(
        self,
        person: str,
        name: str,
        page: PageButton,
        response_url: str,
        *,
        replace: bool = False,
    ) -> None:
        tell = _answer_to(response_url)
        scope = policy.may_read(
            approver=await self._directory.standing(person, self._approvers),
            auditor=await self._directory.standing(person, self._auditors),
        )
        only_of = person if scope is Scope.OWN else None
        try:
            pattern = self._workflow.rules.order_id_pattern
            wanted = lookup.parse(page.query, order_id_pattern=pattern, now=self._now())
        except lookup.NotAFilter as problem:
            await tell(f"{problem}\n{lookup.USAGE}")
            return
        if only_of and wanted.person not in {None, person}:
            await self._workflow.refuse_command(person, name, CANCEL_AUDIT, Verdict.NOT_AN_AUDITOR)
            await tell("You may look up your own requests only; auditors and approvers may read everything.")
            return
        first, limit, older = page.older_than is None, audit_answer.PER_PAGE, page.older_than
        if wanted.order_id is None:
            found = await self._store.read(
                lambda reader: reader.find(wanted, only_of=only_of, older_than=older, limit=limit),
            )
            answer = audit_answer.cancellations(found, page.query, scope, first=first)
        else:
            events = await self._store.read(
                lambda reader: reader.story(wanted, only_of=only_of, older_than=older, limit=limit),
            )
            answer = audit_answer.story(events, page.query, scope, first=first)
        await _respond(response_url, answer, replace=replace)

    # --- forms --------------------------------------------------------------------------------

    async def order_form(self, ack: AsyncAck, body: dict[str, Any]) -> BoltResponse | None:
        """Keep the request, or say on the field why not."""
        form = read_as(Submission, body)
        if not self._of_this_workspace(*_teams(form)):
            return _not_understood()
        channel, order_id, reason = OrderForm.parse(form.view)
        if not re.fullmatch(r"[CDG][A-Z0-9]{1,30}", channel):
            return _not_understood()
        result = await self._workflow.request(
            form_id=form.view.id,
            order_id=order_id,
            reason=reason,
            requester=form.user.id,
            name=_name(form),
            channel=self._approval_channel or channel,
            standing=await self._directory.standing(form.user.id, self._requesters),
        )
        match result:
            case Accepted():
                await ack()
            case AlreadyOpen(cancellation, name):
                await _refuse_field(ack, OrderForm.ORDER, refusals.already_open(cancellation, name))
            case BadOrderId():
                await _refuse_field(ack, OrderForm.ORDER, self._order_id_hint)
            case MayNotAsk(verdict):
                await _refuse_field(ack, OrderForm.ORDER, refusals.command_refused(verdict))
        return None

    async def reject_form(self, ack: AsyncAck, body: dict[str, Any]) -> BoltResponse | None:
        """Reject with the reason given."""
        form = read_as(Submission, body)
        if not self._of_this_workspace(*_teams(form)):
            return _not_understood()
        cancellation_id, reason = RejectForm.parse(form.view)
        if not reason:
            await _refuse_field(ack, RejectForm.REASON, "Say why: the requester and the record need it.")
            return None
        standing = await self._directory.standing(form.user.id, self._approvers)
        acted = await self._workflow.reject(cancellation_id, form.user.id, _name(form), standing, reason)
        if acted.verdict is Verdict.ALLOWED:
            await ack()
        else:
            await _refuse_field(ack, RejectForm.REASON, refusals.click_refused(acted.verdict, acted.cancellation))
        return None

    async def unknown_form(self, ack: AsyncAck) -> None:
        """A form of a former version."""
        await ack(response_action="update", view=notice_view("No longer in use", "This form is no longer in use."))

    # --- buttons ------------------------------------------------------------------------------

    async def approve(self, ack: AsyncAck, body: dict[str, Any]) -> BoltResponse | None:
        """Count an approval."""

        async def act(click: Click, standing: Standing) -> Acted:
            return await self._workflow.approve(_value(click), click.user.id, _name(click), standing)

        return await self._clicked(ack, body, act)

    async def reject(self, ack: AsyncAck, body: dict[str, Any]) -> BoltResponse | None:
        """Ask for the reason in a form."""

        async def act(click: Click, standing: Standing) -> Acted:
            acted = await self._workflow.may_reject(_value(click), click.user.id, _name(click), standing)
            if acted.verdict is Verdict.ALLOWED and acted.cancellation is not None:
                tell = _answer_to(click.response_url)
                view = RejectForm.build(acted.cancellation)
                self._background.start(self._open(click.trigger_id, view, tell, "Press Reject again."), tell=tell)
            return acted

        return await self._clicked(ack, body, act)

    async def withdraw(self, ack: AsyncAck, body: dict[str, Any]) -> BoltResponse | None:
        """Take a request back."""

        async def act(click: Click, _: Standing) -> Acted:
            return await self._workflow.withdraw(_value(click), click.user.id, _name(click))

        return await self._clicked(ack, body, act, needs_standing=False)

    async def retry(self, ack: AsyncAck, body: dict[str, Any]) -> BoltResponse | None:
        """Have the approved cancel sent again."""

        async def act(click: Click, standing: Standing) -> Acted:
            return await self._workflow.retry(_value(click), click.user.id, _name(click), standing)

        return await self._clicked(ack, body, act)

    async def audit_page(self, ack: AsyncAck, body: dict[str, Any]) -> BoltResponse | None:
        """Show another page of a look-up, in place of the one before."""
        click = read_as(Click, body)
        if not self._of_this_workspace(*_teams(click)):
            return _not_understood()
        await ack()
        tell = _answer_to(click.response_url)
        page = PageButton.decode(_value(click))
        if page is None:
            self._background.start(_no_longer_in_use(tell), tell=tell)
            return None
        work = self._look_up(click.user.id, _name(click), page, click.response_url, replace=True)
        self._background.start(work, tell=tell)
        return None

    async def unknown_button(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A button that an older version posted."""
        click = read_as(Click, body)
        await ack()
        tell = _answer_to(click.response_url)
        self._background.start(_no_longer_in_use(tell), tell=tell)

    async def _clicked(
        self,
        ack: AsyncAck,
        body: dict[str, Any],
        act: Callable[[Click, Standing], Awaitable[Acted]],
        *,
        needs_standing: bool = True,
    ) -> BoltResponse | None:
        """Read the click, act in one transaction, acknowledge; a refusal is told to the clicker alone."""
        click = read_as(Click, body)
        tell = _answer_to(click.response_url)
        if not self._of_this_workspace(*_teams(click)):
            verdict = Verdict.NOT_OF_THIS_WORKSPACE
            await self._workflow.refuse_command(click.user.id, _name(click), click.actions[0].action_id, verdict)
            await ack()
            self._background.start(_say(tell, "Only people of the bot's own workspace can use this."), tell=tell)
            return None
        standing = Standing.OUTSIDER
        if needs_standing:
            standing = await self._directory.standing(click.user.id, self._approvers)
        acted = await act(click, standing)
        await ack()
        if acted.verdict is not Verdict.ALLOWED:
            self._background.start(_say(tell, refusals.click_refused(acted.verdict, acted.cancellation)), tell=tell)
        return None

    # --- everything else ----------------------------------------------------------------------

    async def failed(self, error: Exception, body: dict[str, Any]) -> BoltResponse:
        """An unexpected exception: log it, and apologise with a reference to the log. Nothing was kept."""
        reference = secrets.token_hex(4)
        log.error("unexpected_error", reference=reference, exc_info=error)
        text = apology(reference)
        match body.get("type", "command"):
            case "view_submission":
                field = RejectForm.REASON if body["view"]["callback_id"] == RejectForm.CALLBACK else OrderForm.ORDER
                return BoltResponse(status=200, body={"response_action": "errors", "errors": {field: text}})
            case "block_actions":
                tell = _answer_to(body["response_url"])
                self._background.start(_say(tell, text), tell=tell)
                return BoltResponse(status=200)
            case _:
                return BoltResponse(status=200, body={"response_type": "ephemeral", "text": text})

    def _of_this_workspace(self, team_id: str | None, enterprise_id: str | None) -> bool:
        """Whether the person belongs here: others may see the card in a shared channel, but decide nothing."""
        identity = self._identity()
        if identity is None:
            return False
        if team_id == identity.team_id:
            return True
        return enterprise_id is not None and enterprise_id == identity.enterprise_id

    async def _open(self, trigger_id: str, view: dict[str, Any], tell: Tell, again: str) -> None:
        try:
            await self._client.views_open(trigger_id=trigger_id, view=view)
        except Exception as error:  # noqa: BLE001 -- whatever it was, the person can only try again
            problem = problem_of(error).name
            log.warning("form_not_opened", problem=problem)
            await tell(f"Slack did not open the form ({problem}). {again}")


def _not_understood() -> BoltResponse:
    return BoltResponse(status=400, body={"error": "not understood"})


def _teams(payload: Click | Submission) -> tuple[str | None, str | None]:
    team, enterprise = payload.team, payload.enterprise
    return (team.id if team else None), (enterprise.id if enterprise else None)


def _name(payload: Click | Submission) -> str:
    return payload.user.name or payload.user.username


def _value(click: Click) -> str:
    return click.actions[0].value


def _typed(text: str) -> str:
    """A command's text as it was typed: Slack escapes three characters in it."""
    return text.strip().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


async def _refuse_field(ack: AsyncAck, field: str, text: str) -> None:
    await ack(response_action="errors", errors={field: text})


async def _say(tell: Tell, text: str) -> None:
    await tell(text)


async def _no_longer_in_use(tell: Tell) -> None:
    await tell("This button is no longer in use.")


def _answer_to(response_url: str) -> Tell:
    """A way to say something to the person alone, through Slack's response_url."""
    return partial(_respond, response_url)


async def _respond(response_url: str, answer: str | Message, *, replace: bool = False) -> None:
    """Answer privately; ``replace`` puts the answer in the place of the message that was clicked."""
    if not response_url:
        return
    message = Message(escape(answer), [lines([words(answer)])]) if isinstance(answer, str) else answer
    try:
        response = await AsyncWebhookClient(response_url, timeout=10).send(
            text=message.text,
            blocks=message.blocks,
            response_type="ephemeral",
            replace_original=replace,
        )
    except Exception as error:  # noqa: BLE001 -- a private answer is the one thing that may get lost, as in Slack itself
        log.warning("answer_not_sent", problem=problem_of(error).name)
        return
    if response.status_code != HTTPStatus.OK:
        log.warning("answer_not_taken", status=response.status_code)
