"""A desk whose bot runs in a process of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flows.desk import Desk


@pytest.fixture
async def quiet_desk(database: Path) -> AsyncIterator[Desk]:
    """Yield everything but the bot."""
    async with Desk(database) as desk:
        yield desk
