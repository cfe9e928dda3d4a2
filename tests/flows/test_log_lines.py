"""The lines of the log that wake somebody up, and a good day without any."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.sandbox.faults import ApiError, broken
from bot.sandbox.workspace import Posted
from tests.flows.desk import PAYMENTS, Desk

Lines = list[MutableMapping[str, Any]]


async def until(lines: Lines, event: str) -> MutableMapping[str, Any]:
    """Return the first line of this name, as soon as it is there."""
    async with asyncio.timeout(10):
        while not (found := [line for line in lines if line["event"] == event]):  # noqa: ASYNC110 -- nothing else tells
            await asyncio.sleep(0.001)
    return found[0]


def loud(lines: Lines) -> list[str]:
    """Return the names of all warnings and errors."""
    return [line["event"] for line in lines if line["log_level"] in {"warning", "error"}]


async def approved(desk: Desk, order: str = "ord_1") -> Posted:
    """Let an order be asked for and approved."""
    card = await desk.ask(order)
    await desk.ben.click(card, "approve")
    return card


async def test_a_good_day_and_a_clean_stop_are_quiet(desk: Desk) -> None:
    """No warning and no error, from the first request to the end; a refused order is no trouble of the bot's."""
    with capture_logs() as lines:
        await desk.card_says(await approved(desk), "✅ Cancelled")
        await desk.card_says(await approved(desk, "ord_done"), "completed")
        await desk.olga.click(await desk.ask("ord_2"), "approve")
        await desk.told(desk.olga)
        await desk.stop_bot()
    assert loud(lines) == []
    assert {"requested", "clicked", "call_begun", "answered", "delivered", "stop_begun", "stopped"} <= {
        line["event"] for line in lines
    }


async def test_an_order_with_an_unknown_outcome_is_an_error(desk: Desk) -> None:
    """With the order, its request, and why nobody knows."""
    desk.gateway.faults.always("ord_1", broken(500))
    with capture_logs() as lines:
        await approved(desk)
        line = await until(lines, "ended_unknown")
    assert (line["log_level"], line["order"], line["problem"]) == ("error", "ord_1", "somebody_else")
    assert line["request"] == next(each for each in lines if each["event"] == "requested")["request"]


async def test_an_approved_order_that_is_not_cancelled_is_an_error(quiet_desk: Desk) -> None:
    """Nothing happens until somebody acts."""
    await quiet_desk.start_bot(DVPAY_API_KEY="wrong-key")
    with capture_logs() as lines:
        await approved(quiet_desk)
        line = await until(lines, "ended_failed")
        await until(lines, "gateway_refused_the_bot")
    assert (line["log_level"], line["order"], line["problem"]) == ("error", "ord_1", "credentials")


async def test_a_message_that_is_given_up_is_an_error(desk: Desk) -> None:
    """Somebody will not read what they were to read."""
    desk.slack.faults.always("conversations.open", ApiError("user_disabled"))
    with capture_logs() as lines:
        await desk.ask("ord_1")
        line = await until(lines, "delivery_given_up")
    assert (line["log_level"], line["kind"], line["problem"]) == ("error", "receipt", "user_disabled")


async def test_a_message_that_somebody_deleted_is_no_error(desk: Desk) -> None:
    """They did not want to read it."""
    card = await desk.ask("ord_1")
    with capture_logs() as lines:
        desk.slack.faults.add("chat.update", ApiError("message_not_found"))
        await desk.ben.click(card, "approve")
        await until(lines, "answered")
        await desk.wait(lambda: desk.results(desk.ann) or desk.receipts(desk.ann))
        await desk.stop_bot()
    assert "delivery_given_up" not in loud(lines)


@pytest.mark.parametrize("error", ["not_in_channel", "message_limit_exceeded"])
async def test_a_message_that_slack_refuses_for_now_is_a_warning(desk: Desk, error: str) -> None:
    """It goes out by itself once the cause is gone."""
    desk.slack.refusals.start(error, channel=PAYMENTS)
    with capture_logs() as lines:
        await desk.fill_in("ord_1")
        await until(lines, "delivery_blocked")
    assert loud(lines) == ["delivery_blocked"]
