"""Who the bot is in its workspace, as Slack says."""

from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient


@dataclass(frozen=True, slots=True)
class Identity:
    """The workspace and the bot in it; ``scopes`` are those that the token was given."""

    url: str
    team_id: str
    enterprise_id: str | None
    bot_id: str
    bot_user_id: str
    scopes: frozenset[str]

    def permalink(self, channel: str, ts: str) -> str:
        """A message's address: what "Copy link" gives in Slack."""
        return f"{self.url}archives/{channel}/p{ts.replace('.', '')}"


async def fetch_identity(client: AsyncWebClient) -> Identity:
    """Ask Slack whom the token belongs to. Raises what the client raises."""
    answer = await client.auth_test()
    scopes = str(answer.headers.get("x-oauth-scopes", ""))
    return Identity(
        url=str(answer["url"]).rstrip("/") + "/",
        team_id=str(answer["team_id"]),
        enterprise_id=answer.get("enterprise_id"),
        bot_id=str(answer["bot_id"]),
        bot_user_id=str(answer["user_id"]),
        scopes=frozenset(scope.strip() for scope in scopes.split(",") if scope.strip()),
    )
