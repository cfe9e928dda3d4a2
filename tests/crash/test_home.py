"""kill -9 around each commit of a Home tab: the next process publishes what is true then."""

import asyncio
import contextlib

import pytest

from bot.sandbox.faults import Drop, Hang
from bot.sandbox.slack import NotAcknowledged
from tests.crash.processes import bot_process
from tests.flows.desk import Desk


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
@pytest.mark.parametrize("commit", ["home_opened", "claim", "record_publish"])
async def test_an_opened_tab_is_published_by_the_next_process(quiet_desk: Desk, commit: str, when: str) -> None:
    """An event that was acknowledged is kept. One that was not, Slack sends again."""
    event = quiet_desk.ann.home_opened_payload()
    async with bot_process(quiet_desk, **{when: f"home_opened,{commit},1"}) as process:
        with contextlib.suppress(NotAcknowledged):
            await quiet_desk.slack.deliver("events_api", event)
        await process.wait()
    assert process.returncode == -9
    async with bot_process(quiet_desk):
        if (commit, when) == ("home_opened", "KILL_BEFORE"):
            await quiet_desk.slack.deliver("events_api", event, retry=1)
        await quiet_desk.wait(lambda: "Lately" in quiet_desk.ann.reads_home(), within=30)


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
@pytest.mark.parametrize("commit", ["approve", "record_answer"])
async def test_a_change_is_shown_by_the_next_process(quiet_desk: Desk, commit: str, when: str) -> None:
    """A change that was committed is on the tab of everybody who has it open, without another click."""
    async with bot_process(quiet_desk, **{when: f"approve,{commit},1"}) as process:
        card = await quiet_desk.ask("ord_1")
        await quiet_desk.ben.open_home()
        await quiet_desk.wait(lambda: "[ Open ]" in quiet_desk.ben.reads_home())
        with contextlib.suppress(NotAcknowledged):
            await quiet_desk.cleo.click(card, "approve")
        await process.wait()
    assert process.returncode == -9
    async with bot_process(quiet_desk):
        if (commit, when) == ("approve", "KILL_BEFORE"):
            await quiet_desk.cleo.click(card, "approve")
        await quiet_desk.wait(lambda: "✅ Cancelled" in quiet_desk.ben.reads_home(), within=30)
        assert "Nothing waits for your decision." in quiet_desk.ben.reads_home()


@pytest.mark.parametrize("arrived", [True, False])
async def test_killed_while_slack_took_the_tab(quiet_desk: Desk, *, arrived: bool) -> None:
    """The next process publishes, if the last call of the former one arrived or not."""
    async with bot_process(quiet_desk) as process:
        quiet_desk.slack.faults.add("views.publish", Drop(after_effect=arrived))
        hanging = Hang(asyncio.Event())
        quiet_desk.slack.faults.always("views.publish", hanging)
        await quiet_desk.ann.open_home()
        await quiet_desk.wait(lambda: "views.publish" in [call.method for call in quiet_desk.slack.calls])
        process.kill()
    quiet_desk.slack.faults.clear()
    assert (quiet_desk.ann.home is not None) is arrived
    async with bot_process(quiet_desk):
        await quiet_desk.ask("ord_1")
        await quiet_desk.wait(lambda: "[ Open ]" in quiet_desk.ann.reads_home(), within=30)
