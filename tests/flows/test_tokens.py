"""Tokens and scopes that Slack refuses, at the start and later, in both modes."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.faults import ApiError, Canned, Fault, Hang, broken
from tests.flows.desk import Desk, quick_tuning


async def until_missing(desk: Desk, words: str) -> dict[str, Any]:
    """Return what `/readyz` says, as soon as these words are among what is missing, or nothing is for no words."""
    async with asyncio.timeout(10):
        while True:
            _, body = await desk.get("/readyz")
            if words in str(body["missing"]) if words else body["ready"]:
                return body
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "invalid_auth", "missing_scope", "new_in_2030"])
@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_token_that_is_revoked_later_is_told(quiet_desk: Desk, mode: str, error: str) -> None:
    """The log has one ERROR, the bot is not ready, and both end when the token works again."""
    by_mode = quiet_desk.by_http if mode == "http" else {}
    with structlog.testing.capture_logs() as logs:
        await quiet_desk.start_bot(quick_tuning(token_check=0.01, longest_pause=0.01), **by_mode)
        quiet_desk.slack.faults.always("auth.test", ApiError(error))
        body = await until_missing(quiet_desk, f"Slack refuses a token (SLACK_BOT_TOKEN: {error})")
        assert len(body["missing"]) == 1
        before = len(quiet_desk.slack.calls)
        await quiet_desk.wait(lambda: len(quiet_desk.slack.calls) > before + 5)
        quiet_desk.slack.faults.clear()
        await until_missing(quiet_desk, "")
    told = [(line["event"], line["log_level"]) for line in logs if line["event"].startswith("slack_token")]
    assert told == [("slack_token_refused", "error"), ("slack_token_accepted", "info")]


_JSON = {"Content-Type": "application/json"}
_ANOTHER = {"ok": True, "url": "https://y.slack.com/", "team_id": "T0ELSE", "bot_id": "B0ELSE", "user_id": "U0ELSE"}


@pytest.mark.parametrize(
    "fault",
    [
        broken(503),
        Canned(503, b'{"error":"no healthy upstream"}', _JSON),
        Canned(401, b'{"ok":false,"error":"invalid_auth"}', _JSON),
        ApiError("internal_error"),
        Hang(asyncio.Event()),
        Canned(200, b'{"ok":true}', _JSON),
        Canned(200, json.dumps(_ANOTHER).encode(), _JSON),
    ],
)
async def test_a_slack_that_does_not_answer_is_no_trouble_of_the_token(quiet_desk: Desk, fault: Fault) -> None:
    """As long as the connection stands, people can use the bot."""
    with structlog.testing.capture_logs() as logs:
        bot = await quiet_desk.start_bot(quick_tuning(token_check=0.01, longest_pause=0.01))
        before, known = len(quiet_desk.slack.calls), bot.connection.identity
        quiet_desk.slack.faults.always("auth.test", fault)
        # The second call comes once the bot has read the answer to the first one, which may never come.
        enough = before + (1 if isinstance(fault, Hang) else 2)
        await quiet_desk.wait(lambda: len(quiet_desk.slack.calls) >= enough)
        found = bot.connection.identity
        assert found is not None
        assert known is not None
        assert (found.url, found.team_id, found.bot_id) == (known.url, known.team_id, known.bot_id)
        assert (await quiet_desk.get("/readyz"))[0] == 200
    assert not [line for line in logs if line["log_level"] in {"warning", "error"}]


async def test_tokens_of_two_apps_are_named(quiet_desk: Desk) -> None:
    """Everything is accepted, and no click can come: the bot is not ready, and says why."""
    quiet_desk.slack.app_of_app_token = "A0OTHER"
    with structlog.testing.capture_logs() as logs:
        bot = await quiet_desk.launch_bot(quick_tuning())
        await until_missing(
            quiet_desk,
            "SLACK_BOT_TOKEN and SLACK_APP_TOKEN belong to two apps (A0LOCAL and A0OTHER): copy both from the same one",
        )
        assert not bot.connection.ready.is_set()
    assert [line["event"] for line in logs].count("slack_tokens_of_two_apps") == 1


async def test_the_connection_of_another_bot_is_noted(quiet_desk: Desk) -> None:
    """Slack gives each click to one of the two, and only one knows the request: the operator must read of it."""
    slack = quiet_desk.slack
    opened = await AsyncWebClient(base_url=slack.api_url).apps_connections_open(app_token=slack.app_token)
    async with aiohttp.ClientSession() as session, session.ws_connect(opened["url"]) as other:
        await other.receive_json()
        with structlog.testing.capture_logs() as logs:
            await quiet_desk.start_bot()
        (told,) = [line for line in logs if line["event"] == "slack_other_connections"]
        assert (told["log_level"], told["connections"]) == ("warning", 2)
        status, body = await quiet_desk.get("/readyz")
        assert status == 200
        assert "Slack counted 1 more connection of the same app" in body["notes"][0]
    await slack.disconnect()
    async with asyncio.timeout(10):
        while True:
            _, body = await quiet_desk.get("/readyz")
            if not body["notes"]:
                break
            await asyncio.sleep(0.001)


async def test_a_connection_that_is_replaced_is_not_taken_for_another_bot(quiet_desk: Desk) -> None:
    """Slack replaces each every few hours, and the former one counts until it is closed."""
    with structlog.testing.capture_logs() as logs:
        bot = await quiet_desk.start_bot()
        (former,) = quiet_desk.slack.connections
        await quiet_desk.slack.disconnect()
        await quiet_desk.wait(lambda: quiet_desk.slack.connections and former not in quiet_desk.slack.connections)
        await quiet_desk.ask("ord_1")  # by the new one, whose greeting has come before
    assert bot.connection.others == 0
    assert not [line for line in logs if line["log_level"] in {"warning", "error"}]


async def test_an_app_token_that_slack_refuses_is_named(quiet_desk: Desk) -> None:
    """The operator learns which of the two tokens it is, and not only that there is no connection."""
    quiet_desk.slack.faults.always("apps.connections.open", ApiError("not_allowed_token_type"))
    with structlog.testing.capture_logs() as logs:
        bot = await quiet_desk.launch_bot(quick_tuning(ping_interval=0.1, longest_pause=0.01))
        await until_missing(quiet_desk, "SLACK_APP_TOKEN: not_allowed_token_type")
        quiet_desk.slack.faults.clear()
        async with asyncio.timeout(40):
            await bot.connection.ready.wait()
    assert [line["event"] for line in logs].count("slack_token_refused") == 1


async def test_scopes_that_are_missing_are_noted(quiet_desk: Desk) -> None:
    """The bot does what it can, and says what it cannot."""
    quiet_desk.slack.api.scopes -= {"users:read"}
    with structlog.testing.capture_logs() as logs:
        await quiet_desk.start_bot(quick_tuning(token_check=0.01))
        status, body = await quiet_desk.get("/readyz")
        assert status == 200
        assert "the bot token lacks scopes (users:read)" in body["notes"][0]
        before = len(quiet_desk.slack.calls)
        await quiet_desk.wait(lambda: len(quiet_desk.slack.calls) > before + 3)
    assert [line["event"] for line in logs].count("slack_scopes_missing") == 1


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_clean_stop_logs_no_warning(quiet_desk: Desk, mode: str) -> None:
    """The operator who stops the bot reads of no trouble."""
    with structlog.testing.capture_logs() as logs:
        await quiet_desk.start_bot(**(quiet_desk.by_http if mode == "http" else {}))
        await quiet_desk.ask("ord_1")
        await quiet_desk.stop_bot()
    assert not [line for line in logs if line["log_level"] in {"warning", "error", "critical"}]
