"""``/healthz`` and ``/readyz``: the process runs, and what keeps the bot from its work."""

from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot import health
from bot.health import Readiness
from bot.slack.socket_mode import Missing


async def get(path: str, found: Readiness) -> tuple[int, Any]:
    """Return the status and the JSON of one of the addresses, with this readiness behind it."""

    def readiness() -> Readiness:
        return found

    application = web.Application()
    health.add_routes(application, readiness)
    async with (
        TestServer(application) as server,
        aiohttp.ClientSession() as session,
        session.get(server.make_url(path)) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_bot_that_misses_nothing_is_ready() -> None:
    """Notes are worth knowing, but do not keep the bot from its work."""
    notes = ["the gateway is away"]
    assert await get("/readyz", Readiness([], notes)) == (200, {"ready": True, "missing": [], "notes": notes})


async def test_a_bot_that_misses_something_is_not_ready() -> None:
    """The answer is 503, with everything that is missing."""
    missing = ["not connected to Slack yet", "the disk is full"]
    assert await get("/readyz", Readiness(missing, [])) == (503, {"ready": False, "missing": missing, "notes": []})


async def test_the_process_runs_whatever_is_missing() -> None:
    """A restart would not help where Slack is away, so /healthz does not depend on it."""
    assert await get("/healthz", Readiness(["not connected to Slack yet"], [])) == (200, {"status": "alive"})


def test_everything_that_can_be_missing_has_words() -> None:
    """The operator reads a clause for each, with Slack's name for the error where there is one."""
    assert {missing: health.slack_missing(missing, "invalid_auth") for missing in Missing} == {
        Missing.NOT_CONNECTED_YET: "not connected to Slack yet",
        Missing.TOKEN_NOT_CONFIRMED: "Slack does not confirm the bot token: invalid_auth",
        Missing.TOKEN_REFUSED: "Slack refuses a token (invalid_auth): reinstall the app and copy its tokens",
        Missing.CONNECTION_DOWN: "the Socket Mode connection to Slack is down",
        Missing.ANOTHER_RECORD: (
            "the database is new, but APPROVAL_CHANNEL has messages of this bot that are in another database: set"
            " DATABASE_URL to that one and restart the bot; to begin a new record, run freeze and unfreeze"
        ),
        Missing.TWO_APPS: (
            "SLACK_BOT_TOKEN and SLACK_APP_TOKEN belong to two apps (invalid_auth): copy both from the same one"
        ),
    }


@pytest.mark.parametrize("missing", [Missing.TOKEN_NOT_CONFIRMED, Missing.CONNECTION_DOWN])
def test_what_stands_between_is_not_taken_for_slack(missing: Missing) -> None:
    """A certificate or a proxy is named as that, whichever of the two connections it breaks."""
    says = health.slack_missing(missing, "certificate_not_trusted", "self-signed certificate in certificate chain")
    assert says == (
        "no connection to Slack: its certificate is not trusted: self-signed certificate in certificate chain;"
        " add the CA by SSL_CERT_FILE"
    )
    assert "check HTTPS_PROXY" in health.slack_missing(missing, "proxy_refused", "HTTP 407")


@pytest.mark.parametrize("problem", ["not_reachable", "no_answer_in_time"])
def test_a_slack_that_does_not_answer_does_not_refuse_a_token(problem: str) -> None:
    """An operator must not look for a fault of the token where nobody has looked at it."""
    says = health.slack_missing(Missing.TOKEN_NOT_CONFIRMED, problem)
    assert says.startswith("no connection to Slack: ")
    assert "token" not in says
    assert problem not in says


@pytest.mark.parametrize("count, waits", [(1, "1 message waits"), (2, "2 messages wait")])
def test_messages_that_slack_does_not_take_are_counted(count: int, waits: str) -> None:
    """The operator reads how many, with Slack's name for the error."""
    note = health.stuck("message_limit_exceeded", count)
    assert note.startswith(waits)
    assert note.endswith("message_limit_exceeded")


@pytest.mark.parametrize("problem", ["not_reachable", "no_answer_in_time", "not_connected_yet", "http_503"])
def test_a_slack_that_was_not_reached_is_not_blamed(problem: str) -> None:
    """The note does not say that Slack refused a message if Slack gave no answer."""
    assert "does not take" not in health.stuck(problem, 1)


async def test_there_is_nothing_else() -> None:
    """Other addresses and methods are not served."""
    application = web.Application()
    health.add_routes(application, lambda: pytest.fail("not asked for"))
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        async with session.get(server.make_url("/")) as answer:
            assert answer.status == 404
        async with session.post(server.make_url("/readyz")) as answer:
            assert answer.status == 405
