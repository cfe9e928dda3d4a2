"""A desk with a running bot."""

import pytest

from tests.flows.desk import Desk


@pytest.fixture(params=["socket", "http"])
async def desk(quiet_desk: Desk, request: pytest.FixtureRequest) -> Desk:
    """Return a desk with a bot at work, in each of the two modes."""
    await quiet_desk.start_bot(**(quiet_desk.by_http if request.param == "http" else {}))
    return quiet_desk
