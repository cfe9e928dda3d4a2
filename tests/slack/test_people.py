"""Who belongs to the people of a setting, and what Slack is asked for that."""

import asyncio

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.policy import People, Standing
from bot.sandbox.faults import ApiError, Hang, broken
from bot.sandbox.slack import LocalSlack
from bot.slack.people import Directory
from tests.clock import Clock

LEADS = People(frozenset({"U0BEN"}), frozenset({"S1", "S2"}))


@pytest.fixture
async def slack() -> LocalSlack:  # type: ignore[misc]
    """A workspace with two groups."""
    async with LocalSlack() as slack:
        slack.space.groups |= {"S1": ["U0CLEO"], "S2": ["U0DORA"]}
        yield slack


@pytest.fixture
def directory(slack: LocalSlack, clock: Clock) -> Directory:
    """The bot's view of them."""
    return Directory(AsyncWebClient(slack.bot_token, slack.api_url, retry_handlers=[]), now=clock)


async def test_users_and_members_belong(slack: LocalSlack, directory: Directory) -> None:
    """A user id needs no look-up, a member of any group belongs, nobody else does, and no setting means everyone."""
    assert await directory.standing("U0BEN", LEADS) is Standing.MEMBER
    assert await directory.standing("U9", None) is Standing.MEMBER
    assert not slack.calls
    assert await directory.standing("U0DORA", LEADS) is Standing.MEMBER
    assert await directory.standing("U9", LEADS) is Standing.OUTSIDER


@pytest.mark.parametrize("fault", [ApiError("ratelimited"), broken(503), Hang(asyncio.Event())])
async def test_a_failed_look_up_is_neither_yes_nor_no(slack: LocalSlack, directory: Directory, fault: ApiError) -> None:
    """Who is in a readable group belongs all the same; for anybody else it is not known."""
    slack.faults.add("usergroups.users.list", fault)
    assert await directory.standing("U9", LEADS) is Standing.UNCHECKED
    assert await directory.standing("U0DORA", LEADS) is Standing.MEMBER


async def test_groups_are_remembered_for_five_minutes(slack: LocalSlack, directory: Directory, clock: Clock) -> None:
    """Fifty look-ups at once cost one call for each group; who left is noticed five minutes later."""
    await asyncio.gather(*(directory.standing("U0CLEO", LEADS) for _ in range(50)))
    assert len(slack.calls) == 2
    slack.space.groups["S1"] = []
    clock.advance(minutes=4)
    assert await directory.standing("U0CLEO", LEADS) is Standing.MEMBER
    clock.advance(minutes=1)
    assert await directory.standing("U0CLEO", LEADS) is Standing.OUTSIDER


async def test_groups_are_kept_fresh_in_the_background(slack: LocalSlack, directory: Directory) -> None:
    """After the first round a click finds its groups without waiting for Slack."""
    task = asyncio.create_task(directory.keep_fresh(["S1", "S2"]))
    while len(directory._members) < 2:  # noqa: ASYNC110 -- the background task tells nobody
        await asyncio.sleep(0)
    assert await directory.standing("U0CLEO", LEADS) is Standing.MEMBER
    assert len(slack.calls) == 2
    task.cancel()
