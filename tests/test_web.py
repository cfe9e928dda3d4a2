"""Slack's requests over HTTP: what is refused before anything in it is looked at."""

import io
import logging
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import structlog

from bot.app import utc_now
from bot.web import MAX_BODY
from tests.flows.desk import Desk, open_desk

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
    assert desk.bot._endpoint is not None
    desk.bot._endpoint.closed = True
    assert await post(desk, desk.slack.signed(BODY)) == 503
