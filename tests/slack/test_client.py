"""The clients of Slack: none of them follows a redirect, which would take tokens and people's words elsewhere."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.errors import SlackApiError

from bot.network import Network
from bot.slack.client import QuietSocketModeClient, Redirected, web_client
from bot.slack.errors import Problem, problem_of
from bot.slack.listeners.answers import respond


class Redirecting:
    """A server that answers everything with a redirect to itself under another name."""

    def __init__(self, status: int) -> None:
        self.followed: list[str] = []
        self.status = status

    async def answer(self, request: web.Request) -> web.Response:
        """Redirect, or keep that somebody followed."""
        if request.path == "/elsewhere":
            self.followed.append(await request.text())
            return web.json_response({"ok": True})
        elsewhere = f"http://localhost:{request.url.port}/elsewhere"
        return web.Response(status=self.status, headers={"Location": elsewhere})


@pytest.fixture(params=[301, 302, 303, 307, 308])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Redirecting, str]]:
    """Yield the server with its address."""
    redirecting = Redirecting(request.param)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", redirecting.answer)
    async with TestServer(application) as running:
        yield redirecting, str(running.make_url("/"))


async def test_a_call_to_slack_stays_where_it_was_sent(server: tuple[Redirecting, str]) -> None:
    """The redirect is an answer like any other that is not Slack's: the call is in doubt."""
    redirecting, url = server
    with pytest.raises(SlackApiError) as caught:
        await web_client(url, Network(), "xoxb-secret").chat_postMessage(channel="C1", text="secret")
    assert problem_of(caught.value) == Problem(f"http_{redirecting.status}", unclear=True)
    assert not redirecting.followed


async def test_a_private_answer_stays_where_it_was_sent(server: tuple[Redirecting, str]) -> None:
    """The address that Slack gave for it is a secret, and so are the words."""
    redirecting, url = server
    await respond(Network(), f"{url}response", "secret")
    assert not redirecting.followed


async def test_a_connection_stays_where_it_was_sent(server: tuple[Redirecting, str]) -> None:
    """The address of a connection has a ticket in it."""
    redirecting, url = server
    client = QuietSocketModeClient(
        "xapp-secret", web_client(url, Network()), network=Network(), ping_interval=1, failed=lambda _: None
    )
    with pytest.raises(Redirected):
        await client.aiohttp_client_session.ws_connect(f"{url}link?ticket=secret")
    await client.close()  # type: ignore[no-untyped-call]
    assert not redirecting.followed
