"""Slack or the gateway away for ten minutes, on a clock that the test moves; then everything that is due happens."""

import asyncio
from functools import partial
from http import HTTPStatus
from pathlib import Path

import pytest
import structlog

from bot.app import Bot
from bot.domain.cancellation import State
from bot.sandbox.faults import Drop, Hang, broken
from bot.slack.socket_mode import Connection
from bot.workflow import Patience
from tests.clock import Clock
from tests.flows.desk import LOBBY, PAYMENTS, Desk, quick_tuning

ORDERS = [f"ord_a{number:02}" for number in range(12)]


async def pass_time(desk: Desk, clock: Clock, seconds: int, *, step: int = 10) -> None:
    """Let time pass for the bot, and let it do in each step what is due."""
    for _ in range(0, seconds, step):
        clock.advance(step)
        await desk.running_bot.worker.until_idle()


async def start(desk: Desk, clock: Clock, **tuning: float) -> Bot:
    """Start a bot on that clock, with the pauses and the rate limit that it has in real life."""
    return await desk.start_bot(
        quick_tuning(now=clock, patience=Patience(), **tuning),
        APPROVALS_REQUIRED="1",
    )


async def test_a_gateway_away_for_ten_minutes(database: Path) -> None:
    """An approved order is cancelled when the gateway is back, without anybody doing anything."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        await start(desk, clock)
        await desk.gateway.stop()
        card = await desk.ask("ord_1")
        await desk.ben.click(card, "approve")
        await pass_time(desk, clock, 600)
        assert "attempts: the gateway could not be reached" in desk.ann.reads(card)
        found = await desk.running_bot.store.read(lambda tables: tables.requests.open_of("ord_1"))
        assert found is not None
        assert found.state is State.APPROVED
        await desk.gateway.start()
        await pass_time(desk, clock, 80)
        assert "✅ Cancelled" in desk.ann.reads(card)
        assert [reply[0] for reply in await desk.replies(card, 2)] == ["⏳", "✅"]


async def test_a_slack_that_is_gone_for_ten_minutes_is_reported_and_comes_back(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bot stays and says so in /readyz and the log; people read the result when Slack is back."""
    monkeypatch.setattr("bot.app.Connection", partial(Connection, give_up_after=0.2))
    clock, until = Clock(), asyncio.Event()
    async with Desk(database, now=clock) as desk:
        bot = await start(desk, clock, ping_interval=0.1)
        card = await desk.ask("ord_1")
        desk.gateway.faults.add("ord_1", Hang(until))
        await desk.ben.click(card, "approve")
        await desk.gateway.wait_for(lambda: desk.gateway.calls)
        with structlog.testing.capture_logs() as logs:
            await desk.slack.stop()
            until.set()
            while (await desk.get("/readyz"))[0] == HTTPStatus.OK:  # noqa: ASYNC110 -- the endpoint is what is tested
                await asyncio.sleep(0.01)  # until the bot has noticed
            await pass_time(desk, clock, 600)
            status, body = await desk.get("/readyz")
            assert status == HTTPStatus.SERVICE_UNAVAILABLE
            # The cause is named as soon as a try to connect again has failed.
            (missing,) = body["missing"]
            assert missing.startswith(("the Socket Mode connection to Slack is down", "no connection to Slack:"))
            await desk.slack.start()
            async with asyncio.timeout(10):
                await bot.connection.ready.wait()
        # One line when it goes, at most one more once its cause is known, and one when it is back.
        told = [each["event"] for each in logs if each["event"].startswith("slack_")]
        assert told in (["slack_away", "slack_connected"], ["slack_away", "slack_away", "slack_connected"])
        await pass_time(desk, clock, 60)
        assert "✅ Cancelled" in desk.ann.reads(card)
        assert len(await desk.replies(card)) == 1
        assert len(desk.results(desk.ann)) == 1


async def test_slack_away_for_ten_minutes_gets_everything_once_within_its_rates(database: Path) -> None:
    """Each card goes out once and within Slack's rate; a thread waits for its own messages only, not for others."""
    clock = Clock()
    async with Desk(database, now=clock, rate_limited=True) as desk:
        await start(desk, clock)
        for method in ("chat.postMessage", "conversations.history"):
            desk.slack.faults.always(method, broken(503))
        for order in ORDERS:
            assert await desk.fill_in(order) is None
        await pass_time(desk, clock, 600)
        assert not desk.slack.space.messages(PAYMENTS)
        desk.slack.faults.clear()
        desk.slack.calls.clear()
        await pass_time(desk, clock, 60, step=1)
        texts = [desk.ann.reads(message) for message in desk.slack.space.messages(PAYMENTS)]
        assert sorted(next(order for order in ORDERS if order in text) for text in texts) == ORDERS
        answers = [call.answer for call in desk.slack.calls if call.method == "chat.postMessage"]
        assert all(isinstance(answer, dict) and answer["ok"] for answer in answers)


async def test_commands_are_answered_while_many_messages_are_due(database: Path) -> None:
    """A backlog for one channel delays neither the form nor the private answer of the next command."""
    clock = Clock()
    async with Desk(database, now=clock, rate_limited=True) as desk:
        await start(desk, clock)
        for order in ORDERS:
            await desk.fill_in(order)
        assert len(desk.slack.space.messages(PAYMENTS)) < len(ORDERS)
        await desk.vera.command("/cancel-audit", LOBBY)
        assert ORDERS[-1] in await desk.told(desk.vera)
        await desk.ann.command("/cancel-order ord_2", LOBBY)
        assert (await desk.wait(lambda: desk.ann.modal)).view["callback_id"] == "cancel_order"


async def test_a_lost_answer_of_slack_is_searched_for_when_slack_is_back(database: Path) -> None:
    """A card whose posting was not confirmed before Slack went away is there once in the end."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        await start(desk, clock)
        desk.slack.faults.add("chat.postMessage", Drop(after_effect=True))
        desk.slack.faults.always("conversations.history", broken(500))
        await desk.fill_in("ord_1")
        await desk.card("ord_1")
        await pass_time(desk, clock, 300)
        desk.slack.faults.clear()
        await pass_time(desk, clock, 60)
        await desk.ben.click(await desk.card("ord_1"), "approve")
        await desk.card_says(await desk.card("ord_1"), "✅ Cancelled")
        assert len(desk.slack.space.messages(PAYMENTS)) == 1
