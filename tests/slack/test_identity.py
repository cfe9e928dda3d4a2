"""The bot's own identity: its messages' addresses, and the people of its workspace."""

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.slack import LocalSlack
from bot.slack.identity import Identity, fetch_identity
from bot.slack.scopes import SCOPES

IDENTITY = Identity("https://x.slack.com/", "T1", None, "B1", "U1", frozenset())
IN_AN_ORGANISATION = Identity("https://x.slack.com/", "T1", "E1", "B1", "U1", frozenset())


@pytest.mark.parametrize(
    "identity, team, enterprise, home",
    [
        pytest.param(IDENTITY, "T1", None, True, id="this workspace"),
        pytest.param(IDENTITY, "T2", None, False, id="another workspace"),
        pytest.param(IDENTITY, None, None, False, id="no workspace"),
        pytest.param(IDENTITY, None, "E1", False, id="an organisation that is not ours"),
        pytest.param(IN_AN_ORGANISATION, "T2", "E1", True, id="another workspace of this organisation"),
        pytest.param(IN_AN_ORGANISATION, "T2", None, False, id="another workspace without an organisation"),
    ],
)
def test_only_people_of_the_own_workspace_or_organisation_belong(
    identity: Identity, team: str | None, enterprise: str | None, home: bool
) -> None:
    """People of other companies see the card in a shared channel, but decide nothing."""
    assert identity.is_home_of(team, enterprise) is home


async def test_slack_says_whose_token_it_is() -> None:
    """The identity has the workspace, the bot and its scopes, and knows the addresses of messages."""
    async with LocalSlack() as slack:
        identity = await fetch_identity(AsyncWebClient(slack.bot_token, slack.api_url))
        assert (identity.team_id, identity.bot_id) == (slack.space.team_id, slack.space.bot_id)
        assert identity.bot_user_id == slack.space.bot_user_id
    assert identity.scopes == set(SCOPES)
    assert identity.permalink("C1", "1.2") == "https://local.slack.com/archives/C1/p12"


@pytest.mark.parametrize("thread", [None, "1516229200.000100", "1516229207.000133"])
def test_a_message_has_the_address_that_slack_gives_it(thread: str | None) -> None:
    """A reply names its thread, and the bot knows its own addresses again."""
    link = IDENTITY.permalink("C1", "1516229207.000133", thread)
    reply = "?thread_ts=1516229200.000100&cid=C1" if thread == "1516229200.000100" else ""
    assert link == f"https://x.slack.com/archives/C1/p1516229207000133{reply}"
    assert IDENTITY.is_permalink(link)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://x.slack.com/",
        "http://x.slack.com/archives/C1/p1516229207000133",
        "https://y.slack.com/archives/C1/p1516229207000133",
        "https://x.slack.com/archives/../p1516229207000133",
        "https://x.slack.com/archives/C1/p1516229207000133\n",
        "https://x.slack.com/archives/C1/p1516229207000133#x",
        "https://x.slack.com/archives/C1/p1516229207000133?thread_ts=1.000000&cid=C2",
        "https://x.slack.com/archives/C1/p" + "1" * 400,
    ],
)
def test_nothing_else_is_the_address_of_a_message_here(text: str) -> None:
    """Another workspace, another path or more behind it is not one that the bot has made."""
    assert not IDENTITY.is_permalink(text)
