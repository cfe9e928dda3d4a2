"""Buttons and forms of older versions, and errors of our own."""

import re
from http import HTTPStatus
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_bolt.response import BoltResponse

from bot.slack.background import words_after
from bot.slack.listeners.parts import Parts
from bot.slack.payloads import Click, Shortcut
from bot.slack.views import refusals
from bot.slack.views.modals import OrderForm, RejectForm, SettleForm, form_no_longer_in_use
from bot.slack.views.text import addressed, mrkdwn


class Leftovers:
    """The listeners for everything that no other listener takes; they must be registered last."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def register(self, app: AsyncApp) -> None:
        """Bind them to Bolt's app."""
        app.action(re.compile(r".*", re.DOTALL))(self.unknown_button)
        app.view(re.compile(r".*", re.DOTALL))(self.unknown_form)
        app.shortcut(re.compile(r".*", re.DOTALL))(self.unknown_shortcut)
        app.error(self.failed)

    async def unknown_button(self, ack: AsyncAck, click: Click) -> None:
        """Answer a button that an older version posted, and show the Home tab as it is now."""
        if click.on_home:
            await self._parts.workflow.home_opened(click.user.id)
        await ack()
        self._parts.say(self._parts.answer_to_click(click), refusals.NO_LONGER_IN_USE)

    async def unknown_form(self, ack: AsyncAck) -> None:
        """Answer a form that an older version opened."""
        await ack(response_action="update", view=form_no_longer_in_use())

    async def unknown_shortcut(self, ack: AsyncAck, chosen: Shortcut) -> None:
        """Answer a shortcut of an older version of the app's manifest."""
        await ack()
        self._parts.say(self._parts.answer_to_shortcut(chosen), refusals.SHORTCUT_NO_LONGER_IN_USE)

    async def failed(self, error: Exception, body: dict[str, Any], context: AsyncBoltContext) -> BoltResponse:
        """Log an unexpected exception, and apologise with a reference to the log.

        Nothing was kept, but for an act that timed out or whose commit failed: that may be kept all the same.
        """
        text = words_after(error)
        match body.get("type", "command"):
            case "view_submission":
                fields = {RejectForm.CALLBACK: RejectForm.REASON, SettleForm.CALLBACK: SettleForm.HOW}
                field = fields.get(body["view"]["callback_id"], OrderForm.ORDER)
                return BoltResponse(status=200, body={"response_action": "errors", "errors": {field: text}})
            case "block_actions":
                self._parts.say(self._parts.answer_to_click(context["click"]), text)
                # No acknowledgement: then Slack puts a warning beside the button, also where the apology gets lost.
                return BoltResponse(status=HTTPStatus.INTERNAL_SERVER_ERROR)
            case "event_callback" | "message_action" | "shortcut":
                # Slack sends an event again that was not acknowledged, and tells a person that a shortcut failed.
                return BoltResponse(status=HTTPStatus.INTERNAL_SERVER_ERROR)
            case _:
                shown = mrkdwn(addressed(text, self._parts.presentation.contact))
                return BoltResponse(status=200, body={"response_type": "ephemeral", "text": shown})
