"""A bot whose database is new, in a channel that has messages of an older record."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bot import health
from bot.cli import main
from bot.sandbox.faults import ApiError, Drop, rate_limited
from bot.sandbox.workspace import Posted
from bot.slack.socket_mode import Missing
from tests.flows.desk import ANN, PAYMENTS, Desk, quick_tuning
from tests.flows.test_readiness import until_missing

WHY = health.slack_missing(Missing.ANOTHER_RECORD, "")


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_bot_that_begins_a_new_record_beside_an_older_one_takes_nothing(
    database: Path, tmp_path: Path, mode: str
) -> None:
    """Its path leads elsewhere, or a disk is not there: Slack still has the cards of the older one."""
    async with Desk(database) as desk:
        changes = desk.by_http if mode == "http" else {}
        await desk.start_bot(**changes)
        card = await desk.ask("ord_1")
        await desk.stop_bot()
        posted = len(desk.slack.space.messages(PAYMENTS))
        new = f"sqlite:///{tmp_path / 'elsewhere.db'}"
        for _ in range(2):
            await desk.launch_bot(quick_tuning(longest_pause=0.01), DATABASE_URL=new, **changes)
            await until_missing(desk, WHY)
            with desk.unacknowledged():
                await desk.ben.click(card, "approve")
            await desk.stop_bot()
        assert len(desk.slack.space.messages(PAYMENTS)) == posted
        await desk.start_bot(**changes)
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "✅ Cancelled")


async def test_an_operator_begins_a_new_record_on_purpose(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channel reads that no freeze is in force, and people can ask."""
    async with Desk(database) as desk:
        await desk.start_bot()
        await desk.ask("ord_1")
        await desk.stop_bot()
        new = f"sqlite:///{tmp_path / 'elsewhere.db'}"
        bot = await desk.launch_bot(quick_tuning(longest_pause=0.01), DATABASE_URL=new)
        await until_missing(desk, WHY)
        monkeypatch.setenv("DATABASE_URL", new)
        for command in (["freeze", "--why", "a new record"], ["unfreeze"]):
            result = CliRunner().invoke(main, command)
            assert result.exit_code == 0, result.output
        await bot.connection.ready.wait()
        await bot.worker.until_idle()
        assert "The freeze is over" in desk.ann.reads(desk.slack.space.messages(PAYMENTS)[-1])
        await desk.ask("ord_2")


async def test_a_first_bot_in_a_channel_begins_at_once(database: Path) -> None:
    """Other apps and people may have written there. While Slack does not answer, the bot looks again."""
    async with Desk(database) as desk:
        desk.slack.space.post(Posted(PAYMENTS, desk.slack.space.next_ts(), "Good morning", [], ANN))
        desk.slack.faults.add("conversations.history", rate_limited(0), Drop())
        await desk.start_bot()
        await desk.ask("ord_1")


@pytest.mark.parametrize("error", ["not_in_channel", "channel_not_found", "missing_scope"])
async def test_a_channel_that_nobody_may_read_says_nothing_of_another_record(database: Path, error: str) -> None:
    """The bot starts as it would without one."""
    async with Desk(database) as desk:
        desk.slack.faults.add("conversations.history", ApiError(error))
        await desk.start_bot()
        await desk.ask("ord_1")
