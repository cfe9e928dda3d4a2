"""A workspace whose clock goes with that of the bot's process."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.store import Place
from tests.crash.processes import EVERYBODYS_CLOCK
from tests.flows.desk import Desk


@pytest.fixture
async def quiet_desk(database_place: Place) -> AsyncIterator[Desk]:
    """Yield a workspace and a gateway without a bot between them."""
    EVERYBODYS_CLOCK.ahead = timedelta(0)
    async with Desk(database_place, now=EVERYBODYS_CLOCK.now) as desk:
        yield desk
