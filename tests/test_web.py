"""Slack's requests over HTTP: what is refused before anything in it is looked at."""

import asyncio
import io
import logging
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import structlog

from bot.app import Bot, utc_now
from bot.sandbox.faults import Hang
from bot.settings import load
from bot.web import MAX_BODY
from tests.flows.desk import Desk, environment, open_desk, quick_tuning

BODY = b"payload=%7B%22secret-word%22%3A1%7D"


@pytest.fixture
async def desk(database: Any) -> Any:
    """A bot in HTTP mode."""
    async with open_desk(database) as desk:
        await desk.start_bot(SLACK_APP_TOKEN="", SLACK_SIGNING_SECRET=desk.slack.signing_secret)
        yield desk


async def post(desk: Desk, headers: dict[str, str], body: bytes = BODY) -> int:
    """The status of the answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            str(desk.slack.events_url),
            data=io.BytesIO(body),
            headers=headers,
        ) as answer,
    ):
        return answer.status


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"X-Slack-Signature": "v0=" + "0" * 64}, id="wrong"),
        pytest.param({"X-Slack-Signature": ""}, id="empty"),
        pytest.param({"X-Slack-Signature": "v0=\u00e9"}, id="not ASCII"),
        pytest.param({"X-Slack-Request-Timestamp": "soon"}, id="no number"),
        pytest.param({"X-Slack-Request-Timestamp": "9" * 400}, id="huge number"),
        pytest.param({"X-Slack-Request-Timestamp": ""}, id="no time"),
    ],
)
async def test_unsigned_requests_are_refused(
    desk: Desk, change: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Without a sound signature the answer is 401, and nothing of the body is logged."""
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        assert await post(desk, desk.slack.signed(BODY) | change) == 401
    assert "secret-word" not in caplog.text + str(logs)


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_stale_signatures_are_refused(desk: Desk, minutes: int) -> None:
    """A signature is good for five minutes."""
    assert await post(desk, desk.slack.signed(BODY, at=utc_now() + timedelta(minutes=minutes))) == 401


async def test_a_replayed_request_is_refused(desk: Desk) -> None:
    """The same signed request is taken once."""
    headers = desk.slack.signed(BODY)
    assert await post(desk, headers) == 400
    assert await post(desk, headers) == 401


async def test_an_unsigned_ssl_check_is_refused(desk: Desk) -> None:
    """Nothing is answered without a signature."""
    assert await post(desk, {}, b"ssl_check=1") == 401


async def test_a_huge_body_is_capped_before_it_is_read(desk: Desk) -> None:
    """More than a mebibyte is 413, whatever is in it."""
    body = b"x" * (MAX_BODY + 1)
    assert await post(desk, desk.slack.signed(body), body) == 413


async def test_old_signatures_are_forgotten(desk: Desk) -> None:
    """The memory of signatures does not grow with time."""
    assert desk.bot is not None
    endpoint = desk.bot._endpoint
    assert endpoint is not None
    endpoint._seen = {f"old{number}": 1.0 for number in range(100)}
    await post(desk, desk.slack.signed(BODY))
    assert len(endpoint._seen) == 1


async def test_nothing_is_taken_while_stopping(desk: Desk) -> None:
    """A request that comes during the stop is told to come back."""
    assert desk.bot is not None
    desk.bot._stopping = True
    assert await post(desk, desk.slack.signed(BODY)) == 503


async def test_nothing_is_taken_before_the_workspace_is_known(database: Any) -> None:
    """Until Slack says whose bot this is, a click is told to come back, not refused as a stranger's for ever."""
    async with open_desk(database) as desk:
        confirmed = asyncio.Event()
        desk.slack.faults.always("auth.test", Hang(confirmed))
        secret = desk.slack.signing_secret
        changes = environment(desk.slack, desk.gateway, database, SLACK_APP_TOKEN="", SLACK_SIGNING_SECRET=secret)
        desk.bot = Bot(load(changes), quick_tuning())
        await desk.bot.start()
        desk.slack.events_url = f"http://127.0.0.1:{desk.bot.port}/slack/events"
        assert await post(desk, desk.slack.signed(BODY)) == 503
        confirmed.set()
        await asyncio.wait_for(desk.bot.connection.ready.wait(), 10)
        assert await post(desk, desk.slack.signed(BODY)) == 400


async def test_half_a_request_holds_nothing_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone may begin a request and never end it: the bot goes on, and lets go of it soon."""
    monkeypatch.setattr("bot.web._BODY_WITHIN", 0.05)
    assert desk.bot is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.bot.port)
    writer.write(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        await desk.bot._precedence.give_way(60)
    writer.close()
    await writer.wait_closed()


async def test_half_a_request_does_not_hold_up_the_stop(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop waits no longer than Slack would."""
    monkeypatch.setattr("bot.app._ANSWERED_WITHIN", 0.05)
    async with open_desk(database) as desk:
        bot = await desk.start_bot(SLACK_APP_TOKEN="", SLACK_SIGNING_SECRET=desk.slack.signing_secret)
        _, writer = await asyncio.open_connection("127.0.0.1", bot.port)
        writer.write(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        await writer.drain()
        await desk.get("/healthz")  # by then the bot has the other one too
        async with asyncio.timeout(2):
            await desk.stop_bot()
        writer.close()
