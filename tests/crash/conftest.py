"""A workspace whose clock goes with that of the bot's process."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.crash.processes import EVERYBODYS_CLOCK
from tests.flows.desk import Desk


@pytest.fixture
async def quiet_desk(database: Path) -> AsyncIterator[Desk]:
    """Yield a workspace and a gateway without a bot between them."""
    EVERYBODYS_CLOCK.ahead = timedelta(0)
    async with Desk(database, now=EVERYBODYS_CLOCK.now) as desk:
        yield desk
