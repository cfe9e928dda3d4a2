"""The client itself: what it sends, and what it makes of everything that can go wrong on the way."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import given, settings, strategies as st
from pydantic import SecretStr

from bot.domain.attempt import Answer, Outcome
from bot.gateway import GatewayClient, GatewayUnreachable
from bot.gateway.client import LARGEST_BODY
from tests.clock import Clock

ORDER = "ord_abc123xyz"
KEY = "dvpay-key-5f1c"
CONFIRMED = {"order_id": ORDER, "status": "cancelled", "cancelled_at": "2025-10-04T11:15:00Z"}
NOT_SENT, UNKNOWN = Outcome.NOT_SENT, Outcome.UNKNOWN

Handler = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Awaitable[httpx.Response]]


class Stream(httpx.AsyncByteStream):
    """A body as it comes over the wire: pieces, and perhaps an error instead of the end."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        self.pieces = pieces
        self.error = error
        self.taken = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.taken += 1
            yield piece
        if self.error is not None:
            raise self.error

    async def aclose(self) -> None:
        """Remember that nobody reads on."""
        self.closed = True


def reply(status: int = 200, body: object = CONFIRMED, headers: dict[str, str] | None = None) -> httpx.Response:
    """A response whose body is still to be read, as one from the network is."""
    stream = body if isinstance(body, Stream) else Stream(json.dumps(body).encode())
    return httpx.Response(status, headers=headers, stream=stream)


def client(handler: Handler, **more: Any) -> GatewayClient:
    """A client to whom this handler is the gateway."""
    settings: dict[str, Any] = {
        "base_url": "https://gateway.test",
        "api_key": SecretStr(KEY),
        "app_id": "app-1",
        "now": Clock(datetime(2026, 11, 23, 12, 0, 0, 900_000, tzinfo=UTC)),
        "transport": httpx.MockTransport(handler),  # type: ignore[arg-type]
    }
    return GatewayClient(**settings | more)


async def ask(handler: Handler, reason: str = "duplicate", **more: Any) -> Answer:
    """What the client makes of this handler's answer to a cancel."""
    gateway = client(handler, **more)
    try:
        return await gateway.cancel(ORDER, reason)
    finally:
        await gateway.aclose()


def failing(error: Exception) -> Handler:
    """A network on which every call ends like this."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    return handler


async def test_the_call_is_the_documented_one() -> None:
    """Method, address, headers and body are those of the contract."""
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return reply()

    answer = await ask(handler)

    assert answer == Answer(Outcome.CANCELLED, http_status=200, cancelled_at="2025-10-04T11:15:00Z")
    [request] = requests
    assert (request.method, str(request.url)) == (
        "POST", "https://gateway.test/api/v1/payment-gateway/order/cancel",
    )  # fmt: skip
    assert json.loads(request.content) == {"order_id": ORDER, "reason": "duplicate"}
    expected = {
        "X-App-Id": "app-1",
        "X-Api-Key": KEY,
        "X-Timestamp": "1795435200",
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
    }
    assert {name: request.headers.get(name) for name in expected} == expected


@pytest.mark.parametrize("app_id", [None, ""])
async def test_no_app_id_no_header(app_id: str | None) -> None:
    """Since the gateway's version 1.4.0 the key alone will do."""
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return reply()

    await ask(handler, app_id=app_id)
    assert "X-App-Id" not in requests[0].headers


async def test_an_empty_reason_is_left_out() -> None:
    """The body then holds the order id alone."""
    bodies: list[object] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return reply()

    await ask(handler, reason="")
    assert bodies == [{"order_id": ORDER}]


async def test_each_call_tells_the_time_anew() -> None:
    """The timestamp is that of the call, not of the client's making."""
    clock = Clock(datetime(2026, 11, 23, 12, 0, tzinfo=UTC))
    stamps: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        stamps.append(request.headers["X-Timestamp"])
        return reply()

    gateway = client(handler, now=clock)
    await gateway.cancel(ORDER, "")
    clock.advance(61)
    await gateway.cancel(ORDER, "")
    await gateway.aclose()
    assert stamps == ["1795435200", "1795435261"]


async def test_a_path_in_the_base_url_is_kept() -> None:
    """The gateway may stand behind a proxy with a path of its own."""
    paths: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return reply()

    await ask(handler, base_url="https://proxy.test/dvpay/")
    assert paths == ["/dvpay/api/v1/payment-gateway/order/cancel"]


async def test_any_text_can_be_a_reason() -> None:
    """Emoji, quotes, line ends and even a broken surrogate arrive as they were typed."""
    bodies: list[dict[str, str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return reply()

    reason = 'Kunde "取消" 🙃\r\n\x00\ud800'
    await ask(handler, reason=reason)
    assert bodies[0]["reason"] == reason


async def test_cookies_are_not_kept() -> None:
    """What one answer sets does not ride on another order's call."""
    cookies: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        cookies.append(request.headers.get("Cookie"))
        return reply(headers={"Set-Cookie": "a=b"})

    gateway = client(handler)
    await gateway.cancel(ORDER, "")
    await gateway.cancel(ORDER, "")
    await gateway.aclose()
    assert cookies == [None, None]


async def test_a_redirect_is_not_followed() -> None:
    """Credentials go to nobody else, and one attempt is one call."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return reply(307, headers={"Location": "https://elsewhere.test/"})

    answer = await ask(handler)
    assert (answer.outcome, answer.repeat, len(asked)) == (UNKNOWN, True, 1)
    assert "DVPAY_BASE_URL" in answer.message


def caused_by(cause: BaseException) -> httpx.ConnectError:
    """The error as httpx raises it, with the true reason at the end of its chain."""
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = OSError("All connection attempts failed")
    error.__cause__.__cause__ = cause
    return error


def untrusted() -> ssl.SSLError:
    """What Python raises for an expired certificate."""
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] …")
    error.verify_message = "certificate has expired"
    return error


def handshake() -> ssl.SSLError:
    """What Python raises where the other side does not speak TLS."""
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] …")
    error.reason = "WRONG_VERSION_NUMBER"
    return error


@pytest.mark.parametrize(
    "error, message",
    [
        (httpx.ConnectTimeout(""), "no connection within 5 s"),
        (httpx.PoolTimeout(""), "no free connection within 5 s"),
        (httpx.ProxyError("403 Forbidden\r\n"), "the proxy made no connection: 403 Forbidden"),
        (httpx.ConnectError(""), "no connection: it could not be made"),
        (caused_by(ConnectionRefusedError(111, "Connect call failed")), "no connection: Connection refused"),
        (caused_by(socket.gaierror(-2, "…")), "no connection: its host name could not be found (DNS)"),
        (caused_by(untrusted()), "no connection: its TLS certificate is not trusted (certificate has expired)"),
        (caused_by(handshake()), "no connection: no TLS handshake (WRONG_VERSION_NUMBER)"),
        (
            caused_by(ExceptionGroup("", [OSError(101, "Connect call failed"), OSError(1, "no")])),
            "no connection: Network is unreachable",
        ),
    ],
)
async def test_without_a_connection_nothing_was_sent(error: Exception, message: str) -> None:
    """What fails before the call is written certainly did nothing, and may be tried again."""
    assert await ask(failing(error)) == Answer(NOT_SENT, repeat=True, message=message)


async def test_a_base_url_that_is_no_http_address() -> None:
    """Repeating would not help; the message names the setting."""
    answer = await ask(failing(httpx.UnsupportedProtocol("")))
    assert answer == Answer(NOT_SENT, message="DVPAY_BASE_URL is no http or https address")


@pytest.mark.parametrize(
    "error, message",
    [
        (httpx.ReadTimeout(""), "no answer within 30 s"),
        (httpx.WriteTimeout(""), "the request could not be written within 10 s"),
        (httpx.ReadError(""), "the connection was lost after sending"),
        (httpx.WriteError(""), "the connection was lost after sending"),
        (httpx.CloseError(""), "the connection was lost after sending"),
        (httpx.RemoteProtocolError(""), "the connection was lost after sending"),
        (httpx.LocalProtocolError(""), "the connection was lost after sending"),
    ],
)
async def test_a_lost_answer_leaves_it_unknown(error: Exception, message: str) -> None:
    """What fails after the connection stands may have reached the gateway, so it is asked again."""
    assert await ask(failing(error)) == Answer(UNKNOWN, repeat=True, message=message)


async def test_the_unforeseen_is_unknown_and_logged() -> None:
    """Not even a fault of our own raises; its traceback is in the log, for whoever mends it."""
    with structlog.testing.capture_logs() as logs:
        answer = await ask(failing(ZeroDivisionError("surprise")))
    message = "the call ended unexpectedly (ZeroDivisionError)"
    assert answer == Answer(UNKNOWN, repeat=True, message=message)
    assert [(entry["event"], entry["order"]) for entry in logs] == [("gateway_call_broke", ORDER)]
    assert isinstance(logs[0]["exc_info"], ZeroDivisionError)


async def test_the_network_is_not_logged_as_a_fault() -> None:
    """A lost connection is an everyday thing; the worker tells it with the outcome."""
    with structlog.testing.capture_logs() as logs:
        await ask(failing(httpx.ReadError("")))
    assert logs == []


async def test_timeouts_switched_off_have_no_number() -> None:
    """A limit that was not set is not made up in the message."""
    answer = await ask(failing(httpx.ReadTimeout("")), timeouts=httpx.Timeout(None))
    assert answer.message == "no answer in time"


@pytest.mark.parametrize(
    "status, outcome", [(200, UNKNOWN), (409, UNKNOWN), (404, Outcome.REFUSED), (429, NOT_SENT), (500, UNKNOWN)],
)  # fmt: skip
async def test_a_connection_lost_within_the_body(status: int, outcome: Outcome) -> None:
    """The status that was received counts; where the body matters, it is unknown and asked again."""
    body = Stream(b'{"order_id": "ord_abc', error=httpx.ReadError(""))
    answer = await ask(lambda _: reply(status, body))
    assert (answer.outcome, answer.http_status) == (outcome, status)
    assert answer.message.endswith("its body broke off: the connection was lost after sending")
    assert body.closed


@pytest.mark.parametrize("size, outcome", [(LARGEST_BODY, Outcome.CANCELLED), (LARGEST_BODY + 1, UNKNOWN)])
async def test_a_body_has_a_limit(size: int, outcome: Outcome) -> None:
    """64 KiB are read and not a byte more."""
    body = json.dumps(CONFIRMED).encode().ljust(size)
    answer = await ask(lambda _: reply(200, Stream(body[:1000], body[1000:])))
    assert answer.outcome is outcome
    if outcome is UNKNOWN:
        assert answer.message == "answered 200 OK, its body is longer than 64 KiB"


async def test_an_endless_body_is_left() -> None:
    """Reading stops at the limit, however much more would come."""
    body = Stream(*[b" " * 1024] * 1000)
    answer = await ask(lambda _: reply(200, body))
    assert answer.outcome is UNKNOWN
    assert body.taken == 65
    assert body.closed


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "deflate"])
async def test_a_compressed_body_is_not_read(encoding: str) -> None:
    """We ask for none, and inflating one could fill the memory."""
    body = Stream(b"")
    answer = await ask(lambda _: reply(200, body, {"Content-Encoding": encoding}))
    assert answer.outcome is UNKNOWN
    assert answer.message == "answered 200 OK, its body is compressed, which was not asked for"
    assert body.taken == 0


async def test_identity_is_no_compression() -> None:
    """A gateway may say that it did not compress."""
    answer = await ask(lambda _: reply(headers={"Content-Encoding": " Identity "}))
    assert answer.outcome is Outcome.CANCELLED


async def test_the_whole_call_has_a_limit() -> None:
    """A call that hangs ends by the total, also where no single step is too slow."""

    async def handler(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    answer = await ask(handler, total=0.01)
    assert answer == Answer(UNKNOWN, repeat=True, message="no answer within 0.01 s")


async def test_a_cancelled_task_ends_the_call() -> None:
    """At shutdown the call stops at once and makes up no answer."""
    begun = asyncio.Event()

    async def handler(request: httpx.Request) -> httpx.Response:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    call = asyncio.create_task(ask(handler))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


@pytest.mark.parametrize("value", ["", "kéy", "a\r\nX-Evil: 1", "\x00", " key", "key ", "key\n"])
async def test_a_key_that_fits_no_header_is_never_sent(value: str) -> None:
    """The setting is named, and its value appears nowhere."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise AssertionError

    answer = await ask(handler, api_key=SecretStr(value))
    message = "nothing was sent: DVPAY_API_KEY is empty or holds what cannot be in an HTTP header"
    assert answer == Answer(NOT_SENT, message=message)


async def test_an_app_id_that_fits_no_header_is_never_sent() -> None:
    """The same for the other credential."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise AssertionError

    answer = await ask(handler, app_id="ä")
    assert answer.outcome is NOT_SENT
    assert not answer.repeat
    assert "DVPAY_APP_ID" in answer.message


async def test_an_echoed_key_does_not_come_back() -> None:
    """A gateway that quotes the key in its error does not get it into messages or the record."""
    body = {"error": {"code": "BAD_KEY", "message": f"Unknown key '{KEY}'", "request_id": "req_1"}}
    answer = await ask(lambda _: reply(401, body))
    assert answer == Answer(
        NOT_SENT, http_status=401, code="BAD_KEY", message="Unknown key '***'", request_id="req_1",
    )  # fmt: skip


def test_the_key_is_not_in_the_clients_looks() -> None:
    """Printing the client's parts does not print the key."""
    gateway = client(lambda _: reply())
    assert KEY not in repr(vars(gateway))


@pytest.mark.parametrize(
    "status, headers, clock",
    [
        (200, {"Date": "Mon, 23 Nov 2026 12:00:30 GMT"}, datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)),
        (404, {"Date": "Mon, 23 Nov 2026 12:00:30 GMT"}, datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)),
        (302, {}, None),
        (503, {"Date": "yesterday"}, None),
    ],
)
async def test_reaching_the_gateway_tells_its_clock(
    status: int, headers: dict[str, str], clock: datetime | None,
) -> None:  # fmt: skip
    """Any answer proves that the gateway is there; the Date header is its clock, if it is one."""
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return reply(status, headers=headers)

    gateway = client(handler)
    assert await gateway.reach() == clock
    await gateway.aclose()
    [request] = requests
    assert (request.method, str(request.url)) == ("HEAD", "https://gateway.test/")
    assert KEY not in repr(request.headers)
    assert "app-1" not in repr(request.headers)


async def test_an_unreachable_gateway_says_why() -> None:
    """The error's text is for an operator."""
    gateway = client(failing(caused_by(socket.gaierror(-2, "…"))))
    with pytest.raises(GatewayUnreachable, match=r"^no connection: its host name could not be found \(DNS\)$"):
        await gateway.reach()
    await gateway.aclose()


@given(
    status=st.integers(200, 599),
    headers=st.dictionaries(
        st.sampled_from(["Content-Encoding", "Retry-After", "Content-Type", "Set-Cookie", "Date", "Location"]),
        st.binary(max_size=40),
    ),
    body=st.lists(st.binary(max_size=100), max_size=4),
)
@settings(max_examples=200)
async def test_nothing_the_gateway_sends_raises(
    status: int, headers: dict[str, bytes], body: list[bytes],
) -> None:  # fmt: skip
    """Whatever status, headers and body come, there is an answer, and it is not that the order is cancelled."""
    raw = [(name.encode(), value) for name, value in headers.items()]
    gateway = client(lambda _: httpx.Response(status, headers=raw, stream=Stream(*body)))
    answer = await gateway.cancel(ORDER, "")
    await gateway.aclose()
    assert answer.outcome is not Outcome.CANCELLED
    assert answer.message
