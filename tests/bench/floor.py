"""The plainest Bolt app: it acknowledges everything at once and does nothing. The floor of what Bolt costs."""

import os
import re

from aiohttp import web
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult


async def authorize() -> AuthorizeResult:
    """Without asking Slack, as the bot does."""
    return AuthorizeResult(enterprise_id=None, team_id="T0LOCAL", bot_token="xoxb-local")


async def acknowledge(ack: AsyncAck) -> None:
    """Do nothing."""
    await ack()


if __name__ == "__main__":
    secret = os.environ.pop("SLACK_SIGNING_SECRET")
    os.environ.pop("SLACK_BOT_TOKEN", None)
    app = AsyncApp(signing_secret=secret, authorize=authorize, process_before_response=True)
    for register in (app.command, app.action, app.view):
        register(re.compile(".*"))(acknowledge)
    web.run_app(app.web_app(), host="127.0.0.1", port=int(os.environ["PORT"]), print=None, access_log=None)
