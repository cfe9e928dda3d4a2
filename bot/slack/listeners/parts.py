"""The parts of the bot that listeners work with, and the answers that several of them give."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.background import Background, Tell
from bot.slack.errors import problem_of
from bot.slack.identity import Identity
from bot.slack.people import Directory
from bot.slack.views import refusals
from bot.workflow import Workflow

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that every listener may use. ``approval_channel`` is None where cards go to the command's channel."""

    workflow: Workflow
    directory: Directory
    client: AsyncWebClient
    background: Background
    identity: Callable[[], Identity | None]
    approval_channel: str | None

    def is_home_of(self, team_id: str | None, enterprise_id: str | None) -> bool:
        """Return True for a person of the bot's own workspace; nobody is, until Slack has said which one that is."""
        identity = self.identity()
        return identity is not None and identity.is_home_of(team_id, enterprise_id)

    def say(self, tell: Tell, text: str) -> None:
        """Say something to one person in the background."""

        async def work() -> None:
            await tell(text)

        self.background.start(work(), tell=tell)

    async def open_form(self, trigger_id: str, view: dict[str, Any], tell: Tell, again: str) -> None:
        """Open a form, inside the three seconds that its trigger lives; tell the person ``again`` if Slack does not."""
        try:
            await self.client.views_open(trigger_id=trigger_id, view=view)
        except Exception as error:  # noqa: BLE001 -- whatever it was, the person can only try again
            problem = problem_of(error).name
            log.warning("form_not_opened", problem=problem)
            await tell(refusals.form_not_opened(problem, again))


def not_understood() -> BoltResponse:
    """Return the answer to a payload that no member of this workspace can have sent."""
    return BoltResponse(status=400, body={"error": "not understood"})
