"""A desk with a running bot."""

import pytest

from bot.slack import people, places
from tests.flows.desk import Desk
from tests.tls import Authority


@pytest.fixture(autouse=True)
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bot wait longer for Slack's answers about people and places, as the local Slack waits longer for the bot.

    Otherwise a moment in which a busy machine stands still makes a group unreadable for three seconds.
    """
    for asks in (people, places):
        monkeypatch.setattr(asks, "_ANSWER_WITHIN", 5.0)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that only these tests know."""
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(params=["socket", "http"])
async def desk(quiet_desk: Desk, request: pytest.FixtureRequest) -> Desk:
    """Return a desk with a bot at work, in each of the two modes."""
    await quiet_desk.start_bot(**(quiet_desk.by_http if request.param == "http" else {}))
    return quiet_desk
