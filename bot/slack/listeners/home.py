"""The Home tab: opening it, what it shows to whom, and its button for a new request.

The buttons under a request are those of the card, and so are their listeners.
"""

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.policy import Role
from bot.slack.listeners.asking import Asking, Way
from bot.slack.listeners.parts import Home, Parts
from bot.slack.payloads import Click, HomeOpened
from bot.slack.views import buttons, home
from bot.slack.views.modals import OrderStart, View

_TAB = "home"
"""Slack's name for the tab; the other one holds the direct messages."""


class HomeTabs:
    """The listeners for people who look at their Home tab, and the tab itself."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._asking = Asking(parts)

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
        return home.home(found, self._parts.presentation)

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
        way = Way(buttons.NEW_REQUEST, click.user, None, click.trigger_id, tell, "Press the button again.")
        asked = self._asking.ask(way, OrderStart(self._parts.approval_channel or ""))
        self._parts.background.start(asked, tell=tell)
