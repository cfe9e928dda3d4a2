"""A desk, and a desk with a running bot."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flows.desk import Desk


@pytest.fixture
async def quiet_desk(database: Path) -> AsyncIterator[Desk]:
    """Yield everything but the bot."""
    async with Desk(database) as desk:
        yield desk


@pytest.fixture(params=["socket", "http"])
async def desk(quiet_desk: Desk, request: pytest.FixtureRequest) -> Desk:
    """Return a desk with a bot at work, in each of the two modes."""
    await quiet_desk.start_bot(**(quiet_desk.by_http if request.param == "http" else {}))
    return quiet_desk
