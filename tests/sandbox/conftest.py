"""A local Slack without a bot, and the SDK's client for it."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.sandbox.slack import LocalSlack
from tests.clock import Clock

PAY = "C0PAY"
ANN, BEN = "U0ANN", "U0BEN"


@pytest.fixture(autouse=True)
def _apart(unmeasured: None) -> None:
    """Count no coverage: this is a tool for tests, not the product."""


@pytest.fixture
async def slack(clock: Clock) -> AsyncIterator[LocalSlack]:
    """Yield a workspace with Ann and Ben in a channel, where the clock stands still.

    It waits long for an acknowledgement, because a busy machine may stand still for a moment. A test in which none
    comes shortens that.
    """
    async with LocalSlack(now=clock, ack_within=30) as slack:
        slack.api.scopes |= {"files:write"}
        for user, name in ((ANN, "ann"), (BEN, "ben")):
            slack.space.add_user(user, name)
        slack.space.add_channel(PAY, "payments", (ANN, BEN))
        yield slack


@pytest.fixture
async def client(slack: LocalSlack) -> AsyncIterator[AsyncWebClient]:
    """Yield the SDK's client with the bot's token."""
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(slack.bot_token, base_url=slack.api_url, session=session, retry_handlers=[])


@contextlib.asynccontextmanager
async def refused(error: str) -> AsyncIterator[dict[str, Any]]:
    """Expect Slack's error of this name, and give its answer."""
    answer: dict[str, Any] = {}
    with pytest.raises(SlackApiError) as caught:
        yield answer
    assert isinstance(caught.value.response, AsyncSlackResponse)
    assert isinstance(caught.value.response.data, dict)
    answer |= caught.value.response.data
    assert answer["error"] == error
