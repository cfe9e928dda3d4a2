"""The Home tab: opening it, what it shows to whom, and its button for a new request.

The buttons under a request are those of the card, and so are their listeners.
"""

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain import policy
from bot.domain.policy import Role, Verdict
from bot.slack.background import Tell
from bot.slack.listeners.parts import Home, Parts
from bot.slack.payloads import Click, HomeOpened
from bot.slack.views import buttons, freezes, home, refusals
from bot.slack.views.modals import OrderForm, View

_TAB = "home"
"""Slack's name for the tab; the other one holds the direct messages."""


class HomeTabs:
    """The listeners for people who look at their Home tab, and the tab itself."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def register(self, app: AsyncApp) -> None:
        """Bind them to Bolt's app."""
        app.event("app_home_opened")(self.opened)
        app.action(buttons.OPEN_CARD)(self.open_card)
        app.action(buttons.NEW_REQUEST)(self.new_request)

    async def view(self, user_id: str) -> View | None:
        """Return the tab of this person as it must be now, or None while Slack does not say where they belong."""
        match await self._parts.home_of(user_id, None):
            case Home.UNCHECKED:
                return None
            case Home.ELSEWHERE:
                return home.no_access()
        roles = (Role.APPROVER, Role.AUDITOR, Role.REQUESTER)
        actor = await self._parts.directory.actor(user_id, "", *roles)
        found = await self._parts.workflow.home(actor)
        may_ask_here = self._parts.approval_channel is not None
        return home.home(found, self._parts.presentation, may_ask_here=may_ask_here)

    async def opened(self, opened: HomeOpened) -> None:
        """Owe the tab to the person who opened it. Slack may send an event twice, and that changes nothing."""
        if opened.event.tab == _TAB:
            await self._parts.workflow.home_opened(opened.event.user)

    async def open_card(self, ack: AsyncAck) -> None:
        """Acknowledge a click on a link, which Slack follows by itself."""
        await ack()

    async def new_request(self, ack: AsyncAck, click: Click) -> None:
        """Open the form."""
        await ack()
        tell = self._parts.answer_to_click(click)
        self._parts.background.start(self._ask(click, tell), tell=tell)

    async def _ask(self, click: Click, tell: Tell) -> None:
        user, channel = click.user, self._parts.approval_channel
        where, actor = await self._parts.arrive(user, user.team_id, None, Role.REQUESTER)
        if where is not Home.HERE:
            await tell(await self._parts.refuse_stranger(where, user.id, user.shown_name, buttons.NEW_REQUEST))
            return
        verdict = policy.may_ask(actor)
        if verdict is Verdict.ALLOWED and (freeze := await self._parts.workflow.frozen()):
            await self._parts.workflow.refuse(actor, buttons.NEW_REQUEST, Verdict.FROZEN)
            await tell(freezes.refused(freeze))
            return
        if verdict is not Verdict.ALLOWED:
            await self._parts.workflow.refuse(actor, buttons.NEW_REQUEST, verdict)
            await tell(refusals.command_refused(verdict))
            return
        if channel is None:
            # The settings have changed since the tab was published.
            await self._parts.workflow.home_opened(user.id)
            await tell(refusals.NO_LONGER_IN_USE)
            return
        view = OrderForm.build(
            channel=channel, order_ids=(), reason="", example=self._parts.presentation.order_id_example
        )
        await self._parts.open_form(click.trigger_id, view, tell, "Press the button again.")
