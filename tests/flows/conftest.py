"""A desk with a running bot."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flows.desk import Desk, open_desk


@pytest.fixture
async def quiet_desk(database: Path) -> AsyncIterator[Desk]:
    """Everything but the bot."""
    async with open_desk(database) as desk:
        yield desk


@pytest.fixture(params=["socket", "http"])
async def desk(quiet_desk: Desk, request: pytest.FixtureRequest) -> Desk:
    """A bot at work, in each of the two modes."""
    if request.param == "http":
        await quiet_desk.start_bot(SLACK_APP_TOKEN="", SLACK_SIGNING_SECRET=quiet_desk.slack.signing_secret)
    else:
        await quiet_desk.start_bot()
    return quiet_desk
