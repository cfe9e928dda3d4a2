"""The bot's own identity in its workspace, as Slack gives it."""

import re
from dataclasses import dataclass
from datetime import datetime

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.ids import CHANNEL_ID
from bot.gateway.answer import parse_date
from bot.slack.answers import about, text


@dataclass(frozen=True, slots=True)
class Identity:
    """The workspace and the bot in it; ``scopes`` are those that the token was given, ``date`` Slack's time."""

    url: str
    team_id: str
    enterprise_id: str | None
    bot_id: str
    bot_user_id: str
    scopes: frozenset[str]
    date: datetime | None = None

    def permalink(self, channel: str, ts: str, thread_ts: str | None = None) -> str:
        """Return a message's address, the same that "Copy link" gives in Slack; ``thread_ts`` is that of its thread."""
        # https://docs.slack.dev/reference/methods/chat.getPermalink
        reply = f"?thread_ts={thread_ts}&cid={channel}" if thread_ts not in {None, ts} else ""
        return f"{self.url}archives/{channel}/p{ts.replace('.', '')}{reply}"

    def is_permalink(self, address: str) -> bool:
        """Return True for the address of a message in this workspace."""
        form = rf"archives/({CHANNEL_ID})/p[0-9]{{7,18}}(\?thread_ts=[0-9]{{1,12}}\.[0-9]{{6}}&cid=\1)?"
        return address.startswith(self.url) and re.fullmatch(form, address.removeprefix(self.url)) is not None

    def is_home_of(self, team_id: str | None, enterprise_id: str | None) -> bool:
        """Return True where this is the bot's own workspace or organisation.

        The ids must be the person's own, not those that Slack gives for the app. People of other companies see the
        card in a shared channel, but decide nothing.
        """
        if team_id == self.team_id:
            return True
        # On Enterprise Grid Slack sometimes gives the organisation's id in place of the workspace's.
        return self.enterprise_id is not None and self.enterprise_id in {team_id, enterprise_id}


async def fetch_identity(client: AsyncWebClient) -> Identity:
    """Ask Slack whose token this is. Raises what the client raises, and UnreadableAnswerError.

    Source: https://docs.slack.dev/reference/methods/auth.test
    """
    answer = await client.auth_test()
    scopes = str(answer.headers.get("x-oauth-scopes", ""))
    return Identity(
        url=text(answer.get("url")).rstrip("/") + "/",
        team_id=text(answer.get("team_id")),
        enterprise_id=answer.get("enterprise_id"),
        bot_id=text(answer.get("bot_id")),
        bot_user_id=text(answer.get("user_id")),
        scopes=frozenset(scope.strip() for scope in scopes.split(",") if scope.strip()),
        date=parse_date(str(answer.headers.get("date", ""))),
    )


async def fetch_app(client: AsyncWebClient, identity: Identity) -> str:
    """Ask Slack which app the bot's token is of. Raises what the client raises, and UnreadableAnswerError.

    Source: https://docs.slack.dev/reference/methods/bots.info
    """
    found = about(identity.bot_id, (await client.bots_info(bot=identity.bot_id)).get("bot"))
    return text(found.get("app_id"))


def app_of(app_token: str) -> str | None:
    """Return the id of the app that this app-level token is of, as far as its own text says it."""
    match = re.match(r"xapp-\d+-(A[A-Z0-9]+)-", app_token)
    return match[1] if match else None
