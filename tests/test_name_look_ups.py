"""Name look-ups: one that hangs delays nobody who asks for another name, and no stop."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from slack_sdk.web.async_client import AsyncWebClient

from bot import name_look_ups
from bot.gateway import GatewayClient
from bot.name_look_ups import NameLookUps
from bot.sandbox.slack import LocalSlack
from tests.flows.desk import Desk

GATEWAY = "gateway.test"
CALLS = 50
"""More than the threads in which asyncio looks names up by itself."""


class NameServer:
    """A name server that hangs for the gateway's name, until ``back`` is set."""

    def __init__(self) -> None:
        self.back = threading.Event()
        self.asked = 0
        self._lock = threading.Lock()
        self._real = socket.getaddrinfo

    def getaddrinfo(self, host: Any, *about: Any, **more: Any) -> Any:
        """Look a name up."""
        if host not in {GATEWAY, GATEWAY.encode()}:
            return self._real(host, *about, **more)
        with self._lock:
            self.asked += 1
        self.back.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """Yield a name server that everybody in this process asks."""
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.back.set()


async def test_a_gateway_whose_name_hangs_delays_no_call_to_slack(names: NameServer) -> None:
    """Fifty calls that wait for the gateway's name leave room for Slack's, and they share one thread."""
    name_look_ups.install()
    name_look_ups.install()  # twice is once
    gateway = GatewayClient(
        base_url=f"https://{GATEWAY}", api_key=SecretStr("k"), app_id=None, now=lambda: pytest.fail("no answer")
    )
    calls = [asyncio.create_task(gateway.reach()) for _ in range(CALLS)]
    async with LocalSlack() as slack, aiohttp.ClientSession() as session:
        client = AsyncWebClient(slack.bot_token, slack.api_url.replace("127.0.0.1", "localhost"), session=session)
        async with asyncio.timeout(3):
            assert (await client.auth_test())["ok"]
    assert names.asked == 1
    names.back.set()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert {str(error) for error in found} == {"name_not_found"}
    await gateway.aclose()


async def test_people_are_served_while_the_gateways_name_hangs(quiet_desk: Desk, names: NameServer) -> None:
    """Forms open, clicks are acknowledged, and the stop takes its eight seconds at most."""
    await quiet_desk.start_bot(
        DVPAY_BASE_URL=f"https://{GATEWAY}", SLACK_API_URL=quiet_desk.slack.api_url.replace("127.0.0.1", "localhost")
    )
    for number in range(10):
        quiet_desk.gateway.add_order(f"ord_n{number}", "pending")
        card = await quiet_desk.ask(f"ord_n{number}")
        await quiet_desk.ben.click(card, "approve")
    async with asyncio.timeout(11):
        await quiet_desk.stop_bot()
    assert names.asked <= 2
    assert not quiet_desk.slack.unacknowledged


async def test_a_name_server_that_is_back_is_asked_again(names: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that hangs for ever is not shared for ever, and no more than four of them hang."""
    monkeypatch.setattr("bot.name_look_ups.WITHIN", 0.01)
    monkeypatch.setattr("bot.name_look_ups._OLD", 0.0)
    look_ups = NameLookUps(asyncio.get_running_loop())
    for _ in range(8):
        with pytest.raises(socket.gaierror) as failed:
            await look_ups.getaddrinfo(GATEWAY, 443)
        assert failed.value.errno == socket.EAI_AGAIN
    assert names.asked == 4
    names.back.set()
    monkeypatch.setattr("bot.name_look_ups.WITHIN", 10.0)
    with pytest.raises(socket.gaierror) as failed:
        await look_ups.getaddrinfo(GATEWAY, 443)
    assert failed.value.errno == socket.EAI_NONAME


async def test_a_name_is_found() -> None:
    """The answer is the system's own."""
    look_ups = NameLookUps(asyncio.get_running_loop())
    about = {"family": socket.AF_INET, "type": socket.SOCK_STREAM}
    assert await look_ups.getaddrinfo("127.0.0.1", 80, **about) == socket.getaddrinfo("127.0.0.1", 80, **about)


def test_a_look_up_that_hangs_does_not_outlive_its_loop(names: NameServer) -> None:
    """The end of the loop does not wait for it, and its late answer hurts nobody."""

    async def ask() -> None:
        name_look_ups.install()
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.01, task.cancel)
        await asyncio.get_running_loop().getaddrinfo(GATEWAY, 443)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(ask())
    thread = next(each for each in threading.enumerate() if each.name == "name-look-up")
    names.back.set()
    thread.join(10)
    assert not thread.is_alive()
