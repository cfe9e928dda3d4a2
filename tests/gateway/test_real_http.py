"""The client against the local gateway, and against worse servers, over real connections."""

import asyncio
import gzip
import shutil
import ssl
import subprocess
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.gateway import GatewayClient, GatewayUnreachable
from bot.network import Network
from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import Drop, Fault, Hang, Twist, broken
from bot.sandbox.gateway import LocalGateway
from bot.settings import load_network
from tests.clock import Clock

ORDER = "ord_abc123xyz"
CANCELLED, REFUSED = Outcome.CANCELLED, Outcome.REFUSED
NOT_SENT, UNKNOWN = Outcome.NOT_SENT, Outcome.UNKNOWN


@asynccontextmanager
async def client(
    base_url: str, *, key: str = "local-key", total: float = 30.0, network: Network | None = None
) -> AsyncIterator[GatewayClient]:
    """Yield a client with the clock of the local gateway."""
    gateway = GatewayClient(
        base_url=base_url, api_key=SecretStr(key), app_id="local-app", now=Clock(), total=total, network=network,
    )  # fmt: skip
    try:
        yield gateway
    finally:
        await gateway.aclose()


@pytest.fixture
async def gateway() -> AsyncIterator[LocalGateway]:
    """Yield a gateway that knows one pending order."""
    async with LocalGateway(now=Clock()) as gateway:
        gateway.add_order(ORDER)
        yield gateway


async def ask(gateway: LocalGateway, order_id: str = ORDER, *, total: float = 30.0) -> Answer:
    """Return what one call proves."""
    async with client(gateway.base_url, total=total) as caller:
        return await caller.cancel(order_id, "duplicate")


async def test_the_strict_gateway_accepts_the_call(gateway: LocalGateway) -> None:
    """The call is as documented: the order is cancelled once, with the reason that was given."""
    answer = await ask(gateway)
    assert answer == Answer(CANCELLED, http_status=200, cancelled_at="2026-11-23T09:00:00Z")
    assert gateway.orders[ORDER].reason == "duplicate"
    assert gateway.effects == {ORDER: 1}


async def test_a_second_call_learns_that_it_is_cancelled(gateway: LocalGateway) -> None:
    """The second answer is a no that says so."""
    await ask(gateway)
    answer = await ask(gateway)
    assert (answer.outcome, answer.reason) == (REFUSED, Reason.ALREADY_CANCELLED)
    assert answer.message == "Order is already cancelled."
    assert gateway.effects == {ORDER: 1}


@pytest.mark.parametrize(
    "status, reason",
    [
        ("completed", Reason.COMPLETED),
        ("paid", Reason.COMPLETED),
        ("refunded", Reason.ALREADY_REFUNDED),
        ("partially_refunded", Reason.PARTLY_REFUNDED),
        ("expired", Reason.EXPIRED),
    ],
)
async def test_a_state_that_cannot_be_cancelled(gateway: LocalGateway, status: str, reason: Reason) -> None:
    """The order is refused, with the reason where there is a known one."""
    gateway.add_order(ORDER, status)
    answer = await ask(gateway)
    assert (answer.outcome, answer.reason) == (REFUSED, reason)


async def test_an_unknown_order_is_refused(gateway: LocalGateway) -> None:
    """There is nothing to repeat."""
    answer = await ask(gateway, "ord_unknown")
    assert (answer.outcome, answer.repeat, answer.http_status) == (REFUSED, False, 404)
    assert answer.reason is Reason.NO_SUCH_ORDER
    assert answer.request_id


async def test_wrong_credentials_send_nothing(gateway: LocalGateway) -> None:
    """An operator must act; the key is in no field of the answer."""
    async with client(gateway.base_url, key="wrong-key") as caller:
        answer = await caller.cancel(ORDER, "")
    assert (answer.outcome, answer.repeat, answer.http_status) == (NOT_SENT, False, 401)
    assert answer.reason is Reason.CREDENTIALS
    assert "wrong-key" not in repr(answer)


async def test_a_wrong_clock_sends_nothing(gateway: LocalGateway) -> None:
    """A timestamp more than five minutes off is refused, and the reason is the clock, not the credentials."""
    slow = Clock()
    slow.advance(-301)
    caller = GatewayClient(base_url=gateway.base_url, api_key=SecretStr("local-key"), app_id="local-app", now=slow)
    answer = await caller.cancel(ORDER, "")
    await caller.aclose()
    assert (answer.outcome, answer.repeat, answer.reason) == (NOT_SENT, False, Reason.CLOCK)
    assert gateway.effects == {}


@pytest.mark.parametrize(
    "fault, outcome, retry_after",
    [
        pytest.param(answers.internal_error(), UNKNOWN, None, id="500"),
        pytest.param(Twist(answers.internal_error()), UNKNOWN, None, id="500 after the effect"),
        pytest.param(broken(502), UNKNOWN, None, id="502 HTML"),
        pytest.param(broken(504), UNKNOWN, None, id="504 HTML"),
        pytest.param(answers.too_many(7), NOT_SENT, 7.0, id="429"),
        pytest.param(answers.maintenance("Mon, 23 Nov 2026 09:01:00 GMT"), NOT_SENT, 60.0, id="503 until a date"),
        pytest.param(Drop(), UNKNOWN, None, id="dropped before the effect"),
        pytest.param(Drop(after_effect=True), UNKNOWN, None, id="dropped after the effect"),
        pytest.param(Twist(answers.wrong_order()), UNKNOWN, None, id="another order"),
        pytest.param(Twist(answers.wrong_status(ORDER)), UNKNOWN, None, id="another status"),
        pytest.param(Twist(answers.empty()), UNKNOWN, None, id="empty"),
        pytest.param(Twist(answers.oversized(ORDER)), UNKNOWN, None, id="oversized"),
        pytest.param(Twist(answers.gzip_bomb(ORDER)), UNKNOWN, None, id="gzip bomb"),
    ],
)
async def test_a_gateway_that_misbehaves(
    gateway: LocalGateway, fault: Fault, outcome: Outcome, retry_after: float | None,
) -> None:  # fmt: skip
    """No answer counts for more than it proves; a second call learns the truth, and the order is cancelled once."""
    gateway.faults.add(ORDER, fault)
    answer = await ask(gateway)
    assert (answer.outcome, answer.repeat, answer.retry_after) == (outcome, True, retry_after)
    again = await ask(gateway)
    assert again.outcome is CANCELLED or again.reason is Reason.ALREADY_CANCELLED
    assert gateway.effects == {ORDER: 1}


async def test_a_bomb_is_not_inflated(gateway: LocalGateway) -> None:
    """A few KiB that would inflate to 32 MiB stay a few KiB."""
    gateway.faults.add(ORDER, answers.gzip_bomb(ORDER))
    async with client(gateway.base_url) as caller:
        tracemalloc.start()
        try:
            answer = await caller.cancel(ORDER, "")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.outcome is UNKNOWN
    assert peak < 4 * 1024 * 1024


async def test_a_gateway_that_hangs(gateway: LocalGateway) -> None:
    """The call ends by its limit; a second call learns that the first one took effect afterwards."""
    until = asyncio.Event()
    gateway.faults.add(ORDER, Hang(until))
    answer = await ask(gateway, total=0.5)
    assert answer == Answer(UNKNOWN, repeat=True, trouble=Trouble.NO_ANSWER_IN_TIME, trouble_about="0.5")
    await gateway.wait_for(lambda: gateway.calls)
    until.set()
    await gateway.wait_for(lambda: gateway.effects[ORDER])
    assert (await ask(gateway)).reason is Reason.ALREADY_CANCELLED


async def test_many_hanging_calls_do_not_delay_others(gateway: LocalGateway) -> None:
    """Calls that hang leave room for another call, and for the check that the gateway can be reached."""
    gateway.faults.always("stuck", Hang(asyncio.Event()))
    async with client(gateway.base_url) as caller:
        stuck = [asyncio.create_task(caller.cancel("stuck", "")) for _ in range(120)]
        await gateway.wait_for(lambda: len(gateway.calls) == 120)
        assert (await caller.cancel(ORDER, "")).outcome is CANCELLED
        assert await caller.reach()
        for call in stuck:
            call.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        assert (await caller.cancel(ORDER, "")).reason is Reason.ALREADY_CANCELLED


async def test_a_gateway_that_is_away(gateway: LocalGateway) -> None:
    """A refused connection proves that nothing was sent; the client works again as soon as the gateway is back."""
    async with client(gateway.base_url) as caller:
        await gateway.stop()
        answer = await caller.cancel(ORDER, "")
        away = Trouble.NOT_CONNECTED
        assert answer == Answer(NOT_SENT, repeat=True, trouble=away, trouble_about="Connection refused")
        with pytest.raises(GatewayUnreachable, match=r"^not_connected \(Connection refused\)$"):
            await caller.reach()
        await gateway.start()
        assert await caller.reach() == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
        assert (await caller.cancel(ORDER, "")).outcome is CANCELLED


Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(peer: Peer, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Yield the port of a bare server that treats each connection like this."""

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await peer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(treat, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield str(listening.sockets[0].getsockname()[1])


def saying(raw: bytes) -> Peer:
    """Return a peer that answers these bytes and hangs up."""

    async def peer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return peer


CONFIRMED = b'{"order_id": "ord_abc123xyz", "status": "cancelled", "cancelled_at": "2026-11-23T09:00:00Z"}'


@pytest.mark.parametrize(
    "raw, outcome",
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(CONFIRMED), CONFIRMED),
            CANCELLED,
            id="sound",
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + CONFIRMED, CANCELLED, id="HTTP 1.0"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(CONFIRMED) + 1, CONFIRMED),
            UNKNOWN,
            id="cut short",
        ),
        pytest.param(b"HTTP/1.1 409 Conflict\r\nContent-Length: 99\r\n\r\n{", UNKNOWN, id="409 cut short"),
        pytest.param(b"HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n{", UNKNOWN, id="404 cut short"),
        pytest.param(b"HTTP/1.0 404 Not Found\r\n\r\nNot Found", UNKNOWN, id="404 with a page"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", UNKNOWN, id="204"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Encoding:\r\n\r\n" + CONFIRMED, CANCELLED, id="empty label"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Encoding: UTF-8\r\n\r\n" + CONFIRMED, CANCELLED, id="wrong label"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n\xef\xbb\xbf" + CONFIRMED, CANCELLED, id="byte order mark"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + gzip.compress(CONFIRMED, mtime=0), CANCELLED, id="gzip unasked"),
        pytest.param(
            b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(CONFIRMED, mtime=0)[:-9],
            UNKNOWN,
            id="gzip cut short",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", UNKNOWN, id="wrong chunk"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", UNKNOWN, id="101"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000 + b"\r\n", UNKNOWN, id="headers without end"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x16", UNKNOWN, id="a TLS alert"),
        pytest.param(b"220 mail.test ESMTP\r\n", UNKNOWN, id="SMTP"),
        pytest.param(b"", UNKNOWN, id="nothing"),
    ],
)
async def test_servers_that_hardly_speak_http(raw: bytes, outcome: Outcome) -> None:
    """An answer is no more than what came back proves."""
    async with server(saying(raw)) as port, client(f"http://127.0.0.1:{port}") as caller:
        assert (await caller.cancel(ORDER, "")).outcome is outcome


async def test_an_answer_that_trickles_in_ends() -> None:
    """No single wait is too long, but all of them together are."""

    async def peer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.005)

    async with server(peer) as port, client(f"http://127.0.0.1:{port}", total=0.3) as caller:
        answer = await caller.cancel(ORDER, "")
    assert (answer.outcome, answer.repeat) == (UNKNOWN, True)
    assert answer.trouble is Trouble.BROKEN_OFF


async def test_connections_are_not_kept() -> None:
    """A kept connection that the gateway closes just then would make a call that was never sent an unknown one."""
    connections = 0

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(CONFIRMED), CONFIRMED))
            await reader.readuntil(b"\r\n\r\n")

    async with server(peer) as port, client(f"http://127.0.0.1:{port}") as caller:
        for _ in range(3):
            assert (await caller.cancel(ORDER, "")).outcome is CANCELLED
    assert connections == 3


async def test_tls_where_there_is_none(gateway: LocalGateway) -> None:
    """The handshake fails, so nothing was sent."""
    async with client(gateway.base_url.replace("http:", "https:")) as caller:
        answer = await caller.cancel(ORDER, "")
    assert (answer.outcome, answer.repeat) == (NOT_SENT, True)
    assert answer.trouble is Trouble.TLS
    assert answer.trouble_about
    assert gateway.calls == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a certificate for 127.0.0.1 that signed itself, with its key in the same file."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("the openssl command is not installed, and it makes this test's certificate")
    file = tmp_path / "certificate.pem"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2",
            "-subj", "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", file, "-out", f"{file}.crt",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


async def test_only_a_trusted_certificate_will_do(certificate: Path) -> None:
    """The key is sent only to a server that proves to be the gateway."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    peer = saying(b"HTTP/1.0 200 OK\r\n\r\n" + CONFIRMED)
    async with server(peer, tls) as port:
        async with client(f"https://127.0.0.1:{port}") as caller:
            answer = await caller.cancel(ORDER, "")
        assert (answer.outcome, answer.repeat) == (NOT_SENT, True)
        assert answer.trouble is Trouble.CERTIFICATE
        assert answer.trouble_about.startswith("self")
        trusting = load_network({"SSL_CERT_FILE": str(certificate)})
        async with client(f"https://127.0.0.1:{port}", network=trusting) as caller:
            assert (await caller.cancel(ORDER, "")).outcome is CANCELLED
