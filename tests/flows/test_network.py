"""The bot behind a company's proxy and with a company's certificates, on both sides: Slack and the gateway."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from bot.app import Bot
from bot.clock import utc_now
from bot.domain.cancellation import State
from bot.gateway import GatewayClient, GatewayUnreachable
from bot.network import Network
from bot.settings import load, load_network
from bot.slack.socket_mode import Missing
from tests.flows.desk import LOBBY, Desk, quick_tuning
from tests.tls import Authority, ConnectProxy, tls_in_front

API, SOCKET, GATEWAY = "slack.test", "wss-primary.slack.test", "gateway.test"


@dataclass
class Company:
    """A desk whose servers can only be reached by TLS; ``ports`` has the ports of Slack and of the gateway."""

    desk: Desk
    authority: Authority
    ports: dict[str, int]

    @property
    def by_name(self) -> dict[str, str]:
        """The settings with addresses that only the proxy knows."""
        self.desk.slack.public_origin = f"https://{SOCKET}"
        return {"SLACK_API_URL": f"https://{API}/api/", "DVPAY_BASE_URL": f"https://{GATEWAY}"}

    @property
    def direct(self) -> dict[str, str]:
        """The settings with addresses on loopback."""
        self.desk.slack.public_origin = f"https://127.0.0.1:{self.ports[API]}"
        return {
            "SLACK_API_URL": f"https://127.0.0.1:{self.ports[API]}/api/",
            "DVPAY_BASE_URL": f"https://127.0.0.1:{self.ports[GATEWAY]}",
        }

    @asynccontextmanager
    async def bot(self, network: Network, settings: dict[str, str]) -> AsyncIterator[Bot]:
        """Yield a bot at work with this way to other machines."""
        bot = Bot(load(self.desk.environment(**settings)), quick_tuning(), network)
        await bot.start()
        self.desk.bot = bot
        try:
            yield bot
        finally:
            await self.desk.stop_bot()

    async def said(self, part: str, word: str) -> str:
        """Return the first sentence of this part of /readyz, as soon as there is one with this word."""
        async with asyncio.timeout(10):
            while True:
                _, found = await self.desk.get("/readyz")
                if says := [sentence for sentence in found[part] if word in sentence]:
                    return str(says[0])

    async def cancels(self) -> None:
        """Ask for a request and have it approved, which needs every way to Slack and to the gateway."""
        await self.desk.running_bot.connection.ready.wait()
        card = await self.desk.ask("ord_1")
        await self.desk.ben.click(card, "approve")
        await self.desk.card_says(card, "Cancelled")
        assert await self.desk.state() is State.CANCELLED


@pytest.fixture
async def company(quiet_desk: Desk, authority: Authority) -> AsyncIterator[Company]:
    """Yield a desk behind TLS."""
    context = authority.context(API, SOCKET, GATEWAY, "127.0.0.1")
    async with AsyncExitStack() as stack:
        ports = {}
        for name, url in ((API, quiet_desk.slack.api_url), (GATEWAY, quiet_desk.gateway.base_url)):
            ports[name] = await stack.enter_async_context(tls_in_front(urlsplit(url).port or 0, context))
        ports[SOCKET] = ports[API]
        yield Company(quiet_desk, authority, ports)


def settings_of(proxy: ConnectProxy, company: Company, **more: str) -> dict[str, str]:
    """Return the variables that name this proxy and the company's authority."""
    return {
        "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
        "SSL_CERT_FILE": str(company.authority.file),
        **more,
    }


async def test_everything_goes_through_the_proxy(company: Company) -> None:
    """The Web API, the answers to commands, Socket Mode and the gateway are called through it, with its password."""
    async with ConnectProxy(company.ports, credentials="desk:p@ss word") as proxy:
        address = f"http://desk:p%40ss%20word@127.0.0.1:{proxy.port}"
        network = load_network(settings_of(proxy, company, HTTPS_PROXY=address))
        async with company.bot(network, company.by_name):
            await company.cancels()
            await company.desk.ann.command("/cancel-audit ord_1", LOBBY)
            assert "ord_1" in await company.desk.told(company.desk.ann)
    assert set(proxy.asked) == {f"{API}:443", f"{SOCKET}:443", f"{GATEWAY}:443"}


@pytest.mark.parametrize("name", ["all_proxy", "ALL_PROXY", "https_proxy"])
async def test_a_proxy_may_speak_tls_and_have_other_names(company: Company, name: str) -> None:
    """Every usual name of the variable holds, and the proxy's own certificate is checked by the same authorities."""
    async with ConnectProxy(company.ports, context=company.authority.context("127.0.0.1")) as proxy:
        environ = settings_of(proxy, company, HTTPS_PROXY="") | {name: f"https://127.0.0.1:{proxy.port}"}
        async with company.bot(load_network(environ), company.by_name):
            await company.cancels()
    assert f"{GATEWAY}:443" in proxy.asked


async def test_no_proxy_holds_on_both_sides(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that NO_PROXY names is called directly, whether it is Slack's or the gateway's."""
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest, **more: look_up("127.0.0.1", *rest, **more))
    named = {
        "SLACK_API_URL": f"https://{API}:{company.ports[API]}/api/",
        "DVPAY_BASE_URL": f"https://{GATEWAY}:{company.ports[GATEWAY]}",
    }
    company.desk.slack.public_origin = f"https://{SOCKET}:{company.ports[API]}"
    async with ConnectProxy(company.ports) as proxy:
        async with company.bot(load_network(settings_of(proxy, company, NO_PROXY=".slack.test, gateway.test")), named):
            await company.cancels()
        assert proxy.asked == []


async def test_this_machine_is_not_called_through_a_proxy(company: Company) -> None:
    """A proxy's loopback is another machine, so the local Slack and gateway are called directly."""
    async with ConnectProxy({}) as proxy:
        network = load_network(settings_of(proxy, company, ALL_PROXY="http://127.0.0.1:9"))
        async with company.bot(network, company.direct):
            await company.cancels()
    assert proxy.asked == []


async def test_the_system_s_own_list_serves_both_sides(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority that the operator added to the system's list holds for the gateway as well as for Slack."""
    # OpenSSL reads its variable for the place of the system's list, here as if a distribution had built it in.
    monkeypatch.setenv("SSL_CERT_FILE", str(company.authority.file))
    async with company.bot(load_network({}), company.direct):
        await company.cancels()


async def test_a_folder_of_certificates_serves_both_sides(company: Company, tmp_path: Path) -> None:
    """SSL_CERT_DIR holds on both sides too."""
    network = load_network({"SSL_CERT_DIR": str(company.authority.hashed(tmp_path / "certificates"))})
    async with company.bot(network, company.direct):
        await company.cancels()


async def test_an_untrusted_certificate_is_named_as_that(company: Company) -> None:
    """/readyz says for both sides that the certificate is not trusted, and how to add the authority."""
    async with company.bot(Network(), company.direct):
        missing = await company.said("missing", "certificate")
        note = await company.said("notes", "certificate")
    for says in (missing, note):
        assert "its certificate is not trusted: " in says
        assert "add the CA by SSL_CERT_FILE" in says


async def test_an_untrusted_certificate_of_the_socket_is_named_as_that(company: Company, tmp_path: Path) -> None:
    """Socket Mode is another host, and /readyz knows its problem as well."""
    other = Authority(tmp_path / "other")
    async with tls_in_front(urlsplit(company.desk.slack.api_url).port or 0, other.context("127.0.0.1")) as port:
        settings = company.direct
        company.desk.slack.public_origin = f"https://127.0.0.1:{port}"
        async with company.bot(load_network({"SSL_CERT_FILE": str(company.authority.file)}), settings) as bot:
            says = await company.said("missing", "certificate")
            assert bot.connection.missing is Missing.CONNECTION_DOWN
    assert "its certificate is not trusted: " in says


async def test_a_proxy_that_repeats_its_password_shows_it_to_nobody(company: Company) -> None:
    """Its words are on record and in /readyz, which everybody may read."""
    async with ConnectProxy({GATEWAY: 1}, credentials="desk:another", telltale=True) as proxy:
        address = f"http://desk:hunt%40er2@127.0.0.1:{proxy.port}"
        network = load_network({"HTTPS_PROXY": address})
        gateway = GatewayClient(
            base_url=f"https://{GATEWAY}", api_key=SecretStr("key"), app_id=None, now=utc_now, network=network
        )
        answer = await gateway.cancel("ord_1", "why")
        with pytest.raises(GatewayUnreachable) as caught:
            await gateway.reach()
        await gateway.aclose()
    assert answer.trouble_about == caught.value.about == "407 Proxy Authentication Required *** desk:***"


@pytest.mark.parametrize(
    "credentials, routes, problem",
    [("desk:secret", True, "HTTP 407"), ("", False, "HTTP 403")],
)
async def test_a_proxy_that_refuses_is_named_as_that(
    company: Company, credentials: str, routes: bool, problem: str
) -> None:
    """A proxy that makes no connection has sent nothing, and is not taken for Slack."""
    async with (
        ConnectProxy(company.ports if routes else {}, credentials=credentials) as proxy,
        company.bot(load_network(settings_of(proxy, company)), company.by_name),
    ):
        says = await company.said("missing", "proxy")
    assert f"the proxy made no connection ({problem})" in says
