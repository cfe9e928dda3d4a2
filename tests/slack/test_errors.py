"""Failed calls to Slack: the cause has a name, and it is known whether the call may have taken effect."""

from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.faults import ApiError, Canned, Drop, Fault, broken, rate_limited
from bot.sandbox.slack import LocalSlack
from bot.slack.errors import Problem, problem_of
from tests.tls import Authority, ConnectProxy, tls_in_front

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "fault, problem",
    [
        pytest.param(
            ApiError("not_in_channel"), Problem("not_in_channel", unclear=False, refusal=True), id="a clear no"
        ),
        pytest.param(ApiError("fatal_error"), Problem("fatal_error", unclear=True), id="half done, perhaps"),
        pytest.param(rate_limited(30), Problem("ratelimited", unclear=False, retry_after=30.0), id="429"),
        pytest.param(
            Canned(429, b'{"ok":false,"error":"ratelimited"}', JSON | {"Retry-After": "soon"}),
            Problem("http_429", unclear=True),
            id="429 without a number",
        ),
        pytest.param(
            Canned(429, b"<html>quota", {"Content-Type": "text/html", "Retry-After": "999999"}),
            Problem("http_429", unclear=True),
            id="429 of somebody else",
        ),
        pytest.param(
            Canned(429, b"<html>quota", JSON | {"Retry-After": "9"}),
            Problem("http_429", unclear=True),
            id="429 that is no JSON",
        ),
        pytest.param(rate_limited(10**9), Problem("ratelimited", unclear=False, retry_after=300.0), id="429 for years"),
        pytest.param(
            Canned(503, b'{"ok":false,"error":"token_revoked"}', JSON),
            Problem("http_503", unclear=True),
            id="a name with another status",
        ),
        pytest.param(
            Canned(200, b'{"error":"blocked_by_policy"}', JSON),
            Problem("unreadable_answer", unclear=True),
            id="an error without ok",
        ),
        pytest.param(
            Canned(200, b'{"ok":false,"error":"<!channel> *approved*"}', JSON),
            Problem("unreadable_answer", unclear=True),
            id="words in place of a name",
        ),
        pytest.param(
            Canned(200, b'{"ok":false,"error":"' + b"x" * 9000 + b'"}', JSON),
            Problem("unreadable_answer", unclear=True),
            id="a name without end",
        ),
        pytest.param(Canned(200, b"", JSON), Problem("unreadable_answer", unclear=True), id="nothing"),
        pytest.param(broken(503), Problem("http_503", unclear=True), id="a page for people"),
        pytest.param(Drop(), Problem("ServerDisconnectedError", unclear=True), id="no answer"),
    ],
)
async def test_a_failed_call_has_a_name(fault: Fault, problem: Problem) -> None:
    """The name is Slack's own where there is one, and the time that Slack asks for is kept within five minutes."""
    async with LocalSlack() as slack:
        slack.faults.add("auth.test", fault)
        with pytest.raises((SlackApiError, aiohttp.ClientError)) as caught:
            await AsyncWebClient(slack.bot_token, slack.api_url, retry_handlers=[]).auth_test()
    assert problem_of(caught.value) == problem


async def test_a_connection_that_was_refused_did_nothing() -> None:
    """It is certain that Slack never got the call."""
    with pytest.raises(aiohttp.ClientConnectorError) as caught:
        await AsyncWebClient("xoxb-secret", "http://127.0.0.1:9/api/").auth_test()
    assert problem_of(caught.value) == Problem("not_reachable", unclear=False)


async def test_a_proxy_that_made_no_connection_did_nothing() -> None:
    """A refusal of the proxy is not Slack's, and a proxy that is away is named as that."""
    async with ConnectProxy({}) as proxy:
        address = f"http://desk:hunter2@127.0.0.1:{proxy.port}"
        with pytest.raises(aiohttp.ClientHttpProxyError) as refused:
            await AsyncWebClient("xoxb-secret", "https://slack.test/api/", proxy=address, retry_handlers=[]).auth_test()
    assert problem_of(refused.value) == Problem("proxy_refused", unclear=False, about="HTTP 403")
    with pytest.raises(aiohttp.ClientProxyConnectionError) as away:
        await AsyncWebClient("xoxb-secret", "https://slack.test/api/", proxy=address, retry_handlers=[]).auth_test()
    assert problem_of(away.value) == Problem("proxy_not_reachable", unclear=False)


async def test_a_certificate_that_is_not_trusted_has_a_name(tmp_path: Path) -> None:
    """So has a server that speaks no TLS; nothing was sent to either."""
    async with LocalSlack() as slack:
        port = urlsplit(slack.api_url).port or 0
        with pytest.raises(aiohttp.ClientSSLError) as no_tls:
            await AsyncWebClient("xoxb-secret", f"https://127.0.0.1:{port}/api/", retry_handlers=[]).auth_test()
        async with tls_in_front(port, Authority(tmp_path / "authority").context("127.0.0.1")) as front:
            with pytest.raises(aiohttp.ClientConnectorCertificateError) as untrusted:
                await AsyncWebClient("xoxb-secret", f"https://127.0.0.1:{front}/api/", retry_handlers=[]).auth_test()
    assert (problem_of(no_tls.value).name, problem_of(no_tls.value).unclear) == ("tls_failed", False)
    found = problem_of(untrusted.value)
    assert (found.name, found.unclear) == ("certificate_not_trusted", False)
    assert "certificate" in found.about


def test_an_answer_that_did_not_come_in_time_may_have_taken_effect() -> None:
    """Nothing of an exception's text is kept, as it may hold what was sent."""
    assert problem_of(TimeoutError()) == Problem("no_answer_in_time", unclear=True)
    assert problem_of(RuntimeError("xoxb-secret")) == Problem("RuntimeError", unclear=True)
