"""The client itself: the call that it sends, and the answer for everything that can go wrong on the way."""

import asyncio
import gzip
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

from bot.domain.attempt import Answer, Outcome, Trouble
from bot.gateway import GatewayClient, GatewayUnreachable
from bot.gateway.body import LARGEST_BODY
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
        """Note that no more is read."""
        self.closed = True


def reply(status: int = 200, body: object = CONFIRMED, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return a response whose body is still to be read, as one from the network is."""
    stream = body if isinstance(body, Stream) else Stream(json.dumps(body).encode())
    return httpx.Response(status, headers=headers, stream=stream)


def client(handler: Handler, **more: Any) -> GatewayClient:
    """Return a client to which this handler is the gateway."""
    settings: dict[str, Any] = {
        "base_url": "https://gateway.test",
        "api_key": SecretStr(KEY),
        "app_id": "app-1",
        "now": Clock(datetime(2026, 11, 23, 12, 0, 0, 900_000, tzinfo=UTC)),
        "transport": httpx.MockTransport(handler),  # type: ignore[arg-type]
    }
    return GatewayClient(**settings | more)


async def ask(handler: Handler, reason: str = "duplicate", **more: Any) -> Answer:
    """Return the client's answer to a cancel where this handler is the gateway."""
    gateway = client(handler, **more)
    try:
        return await gateway.cancel(ORDER, reason)
    finally:
        await gateway.aclose()


def failing(error: Exception) -> Handler:
    """Return a network on which every call ends like this."""

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
    """The key alone is enough since the gateway's version 1.4.0."""
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


async def test_each_call_has_its_own_timestamp() -> None:
    """The timestamp is the time of the call, not of the client's making."""
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
    """The gateway may be behind a proxy with a path of its own."""
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
    """A cookie from one answer does not go out with another order's call."""
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
    assert answer.trouble is Trouble.REDIRECT


def caused_by(cause: BaseException) -> httpx.ConnectError:
    """Return the error as httpx raises it, with the true reason at the end of its chain."""
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = OSError("All connection attempts failed")
    error.__cause__.__cause__ = cause
    return error


def untrusted() -> ssl.SSLError:
    """Return the error that Python raises for an expired certificate."""
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] …")
    error.verify_message = "certificate has expired"
    return error


def handshake(reason: str | None = "WRONG_VERSION_NUMBER") -> ssl.SSLError:
    """Return the error that Python raises where the other side does not speak TLS."""
    error = ssl.SSLError(1, f"[SSL: {reason}] …")
    setattr(error, "reason", reason)  # noqa: B010 -- typeshed knows no None, which stands for OpenSSL's silence
    return error


BEFORE_SENDING = [
    (httpx.ConnectTimeout(""), Trouble.NO_CONNECTION_IN_TIME, "5"),
    (httpx.PoolTimeout(""), Trouble.NO_FREE_CONNECTION, "5"),
    (httpx.ProxyError("403 Forbidden\r\n"), Trouble.PROXY, "403 Forbidden"),
    (httpx.ProxyError(f"no tunnel for {KEY}"), Trouble.PROXY, "no tunnel for ***"),
    (httpx.ConnectError(""), Trouble.NOT_CONNECTED, ""),
    (caused_by(ConnectionRefusedError(111, "Connect call failed")), Trouble.NOT_CONNECTED, "Connection refused"),
    (caused_by(socket.gaierror(-2, "…")), Trouble.NAME_NOT_FOUND, ""),
    (caused_by(untrusted()), Trouble.CERTIFICATE, "certificate has expired"),
    (caused_by(handshake()), Trouble.TLS, "WRONG_VERSION_NUMBER"),
    (caused_by(handshake(None)), Trouble.TLS, ""),
    (
        caused_by(ExceptionGroup("", [OSError(101, "Connect call failed"), OSError(1, "no")])),
        Trouble.NOT_CONNECTED,
        "Network is unreachable",
    ),
]


@pytest.mark.parametrize("error, trouble, about", BEFORE_SENDING)
async def test_without_a_connection_nothing_was_sent(error: Exception, trouble: Trouble, about: str) -> None:
    """A call that fails before it is written certainly did nothing, and may be tried again."""
    assert await ask(failing(error)) == Answer(NOT_SENT, repeat=True, trouble=trouble, trouble_about=about)


async def test_a_base_url_that_is_no_http_address() -> None:
    """A repeat would not help, as the setting itself is wrong."""
    answer = await ask(failing(httpx.UnsupportedProtocol("")))
    assert answer == Answer(NOT_SENT, trouble=Trouble.BAD_ADDRESS)


AFTER_SENDING = [
    (httpx.ReadTimeout(""), Trouble.NO_ANSWER_IN_TIME, "30"),
    (httpx.WriteTimeout(""), Trouble.NOT_WRITTEN_IN_TIME, "10"),
    (httpx.ReadError(""), Trouble.CONNECTION_LOST, ""),
    (httpx.WriteError(""), Trouble.CONNECTION_LOST, ""),
    (httpx.CloseError(""), Trouble.CONNECTION_LOST, ""),
    (httpx.RemoteProtocolError(""), Trouble.CONNECTION_LOST, ""),
    (httpx.LocalProtocolError(""), Trouble.CONNECTION_LOST, ""),
]


@pytest.mark.parametrize("error, trouble, about", AFTER_SENDING)
async def test_a_lost_answer_leaves_it_unknown(error: Exception, trouble: Trouble, about: str) -> None:
    """A call that fails on an open connection may have reached the gateway, so it is asked again."""
    assert await ask(failing(error)) == Answer(UNKNOWN, repeat=True, trouble=trouble, trouble_about=about)


async def test_the_unforeseen_is_unknown_and_logged() -> None:
    """Not even a fault of our own raises; its traceback is in the log, for those who fix it."""
    with structlog.testing.capture_logs() as logs:
        answer = await ask(failing(ZeroDivisionError("surprise")))
    assert answer == Answer(UNKNOWN, repeat=True, trouble=Trouble.UNEXPECTED, trouble_about="ZeroDivisionError")
    assert [(entry["event"], entry["order"]) for entry in logs] == [("gateway_call_broke", ORDER)]
    assert isinstance(logs[0]["exc_info"], ZeroDivisionError)


@pytest.mark.parametrize("where", ["the body", "its meaning"])
async def test_the_unforeseen_after_the_status_is_logged(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of our own while an answer is read proves nothing either, and the log has its traceback."""
    body = Stream(b"{", error=ZeroDivisionError("surprise")) if where == "the body" else CONFIRMED
    if where == "its meaning":
        monkeypatch.setattr("bot.gateway.answer.recognise", lambda _: 1 / 0)
    with structlog.testing.capture_logs() as logs:
        answer = await ask(lambda _: reply(200, body))
    about = "ZeroDivisionError"
    assert answer == Answer(UNKNOWN, repeat=True, trouble=Trouble.UNEXPECTED, trouble_about=about, http_status=200)
    assert [(entry["event"], entry["order"]) for entry in logs] == [("gateway_call_broke", ORDER)]
    assert isinstance(logs[0]["exc_info"], ZeroDivisionError)


async def test_the_network_is_not_logged_as_a_fault() -> None:
    """A lost connection is an everyday thing; the worker logs it with the outcome."""
    with structlog.testing.capture_logs() as logs:
        await ask(failing(httpx.ReadError("")))
        await ask(lambda _: reply(200, Stream(b"{", error=httpx.ReadError(""))))
    assert logs == []


async def test_an_answer_that_came_while_the_process_stood_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway confirmed it in time, and the process read that late: nobody may call it lost."""
    loop = asyncio.get_running_loop()
    now, stood_still = loop.time, 0.0

    async def confirm(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal stood_still
        await reader.readuntil(b"}")
        body = json.dumps(CONFIRMED).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        stood_still = 33.0  # seconds, before anybody reads that
        writer.close()

    server = await asyncio.start_server(confirm, "127.0.0.1")
    monkeypatch.setattr(loop, "time", lambda: now() + stood_still)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        answer = await ask(lambda _: reply(), base_url=address, transport=None)
    assert answer.outcome is Outcome.CANCELLED


async def test_timeouts_switched_off_have_no_number() -> None:
    """A limit that was not set is not made up."""
    answer = await ask(failing(httpx.WriteTimeout("")), timeouts=httpx.Timeout(None))
    assert (answer.trouble, answer.trouble_about) == (Trouble.NOT_WRITTEN_IN_TIME, "")


@pytest.mark.parametrize("status", [200, 401, 404, 409, 429, 500])
async def test_a_connection_lost_within_the_body(status: int) -> None:
    """A status without its body may be anybody's, so it is unknown and asked again."""
    body = Stream(b'{"order_id": "ord_abc', error=httpx.ReadError(""))
    answer = await ask(lambda _: reply(status, body))
    assert answer == Answer(UNKNOWN, repeat=True, trouble=Trouble.BROKEN_OFF, http_status=status)
    assert body.closed


async def test_a_connection_lost_after_the_body() -> None:
    """A body that arrived whole counts for nothing where the connection failed after it."""
    body = Stream(json.dumps(CONFIRMED).encode(), error=httpx.ReadError(""))
    answer = await ask(lambda _: reply(200, body))
    assert answer == Answer(UNKNOWN, repeat=True, trouble=Trouble.BROKEN_OFF, http_status=200)


@pytest.mark.parametrize("size, outcome", [(LARGEST_BODY, Outcome.CANCELLED), (LARGEST_BODY + 1, UNKNOWN)])
async def test_a_body_has_a_limit(size: int, outcome: Outcome) -> None:
    """64 KiB are read and not a byte more."""
    body = json.dumps(CONFIRMED).encode().ljust(size)
    answer = await ask(lambda _: reply(200, Stream(body[:1000], body[1000:])))
    assert answer.outcome is outcome
    if outcome is UNKNOWN:
        assert (answer.trouble, answer.trouble_about) == (Trouble.TOO_LONG, "64")


async def test_an_endless_body_is_not_read_to_its_end() -> None:
    """Reading stops at the limit, however much more would come."""
    body = Stream(*[b" " * 1024] * 1000)
    answer = await ask(lambda _: reply(200, body))
    assert answer.outcome is UNKNOWN
    assert body.taken == 65
    assert body.closed


@pytest.mark.parametrize("label", ["br", "zstd", "gzip, br"])
async def test_an_unreadable_compression_is_unknown(label: str) -> None:
    """We ask for no compression, and cannot undo each; the label decides where the bytes say nothing."""
    answer = await ask(lambda _: reply(409, Stream(b"\x8b\x0b\x80"), {"Content-Encoding": label}))
    assert answer == Answer(UNKNOWN, repeat=True, trouble=Trouble.COMPRESSED, http_status=409)


@pytest.mark.parametrize("label", [" Identity ", "UTF-8", "", "gzip", "deflate", "br", "none"])
async def test_a_wrong_label_does_not_matter(label: str) -> None:
    """A body that is plain is read, whatever its label says."""
    answer = await ask(lambda _: reply(headers={"Content-Encoding": label}))
    assert answer.outcome is Outcome.CANCELLED


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "UTF-8"}])
async def test_gzip_that_nobody_asked_for(headers: dict[str, str]) -> None:
    """Some servers compress all the same, with a label or without."""
    body = gzip.compress(json.dumps(CONFIRMED).encode())
    answer = await ask(lambda _: reply(200, Stream(body[:9], body[9:]), headers))
    assert answer.outcome is Outcome.CANCELLED


async def test_the_whole_call_has_a_limit() -> None:
    """A call that hangs ends by the total, also where no single step is too slow."""

    async def handler(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    answer = await ask(handler, total=0.01)
    assert answer == Answer(UNKNOWN, repeat=True, trouble=Trouble.NO_ANSWER_IN_TIME, trouble_about="0.01")


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
    assert answer == Answer(NOT_SENT, trouble=Trouble.UNFIT_CREDENTIAL, trouble_about="DVPAY_API_KEY")


async def test_an_app_id_that_fits_no_header_is_never_sent() -> None:
    """The same for the other credential."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise AssertionError

    answer = await ask(handler, app_id="ä")
    assert answer == Answer(NOT_SENT, trouble=Trouble.UNFIT_CREDENTIAL, trouble_about="DVPAY_APP_ID")


async def test_an_echoed_key_does_not_come_back() -> None:
    """A gateway that quotes the key in its error does not get it into messages or the record."""
    body = {"error": {"code": "INVALID_API_KEY", "message": f"Unknown key '{KEY}'", "request_id": "req_1"}}
    answer = await ask(lambda _: reply(401, body))
    assert answer == Answer(
        Outcome.UNKNOWN,
        trouble=Trouble.UNCLEAR_REFUSAL,
        http_status=401,
        code="INVALID_API_KEY",
        message="Unknown key '***'",
        request_id="req_1",
    )


async def test_an_echoed_app_id_does_not_come_back() -> None:
    """The other credential is blotted too, in an answer and in a proxy's words."""
    body = {"error": {"code": "BAD_APP", "message": "Unknown app 'app-1'", "request_id": "app-1"}}
    answer = await ask(lambda _: reply(401, body))
    assert (answer.message, answer.request_id) == ("Unknown app '***'", "***")
    answer = await ask(failing(httpx.ProxyError("no tunnel for app-1")))
    assert answer.trouble_about == "no tunnel for ***"


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


@pytest.mark.parametrize(
    "error, trouble, about, text",
    [
        (caused_by(socket.gaierror(-2, "…")), Trouble.NAME_NOT_FOUND, "", "name_not_found"),
        (httpx.ConnectTimeout(""), Trouble.NO_CONNECTION_IN_TIME, "5", "no_connection_in_time (5)"),
    ],
)
async def test_an_unreachable_gateway_has_a_code(error: Exception, trouble: Trouble, about: str, text: str) -> None:
    """The error carries the trouble and its parameter; its text is for the log."""
    gateway = client(failing(error))
    with pytest.raises(GatewayUnreachable) as caught:
        await gateway.reach()
    await gateway.aclose()
    assert (caught.value.trouble, caught.value.about, str(caught.value)) == (trouble, about, text)


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
    """Every status, with any headers and body, gives an answer, which is never that the order is cancelled."""
    raw = [(name.encode(), value) for name, value in headers.items()]
    gateway = client(lambda _: httpx.Response(status, headers=raw, stream=Stream(*body)))
    answer = await gateway.cancel(ORDER, "")
    await gateway.aclose()
    assert answer.outcome is not Outcome.CANCELLED
    assert answer.message or answer.trouble


def other_order(request: httpx.Request) -> httpx.Response:
    """Confirm another order than the one that was asked for."""
    return reply(200, CONFIRMED | {"order_id": "ord_other"})


# A way to each trouble that the client can meet, with the parameter that is no word of ours.
WAYS: list[tuple[Handler, dict[str, Any], Trouble, str]] = [
    *((failing(error), {}, trouble, about) for error, trouble, about in [*BEFORE_SENDING, *AFTER_SENDING]),
    (failing(httpx.UnsupportedProtocol("")), {}, Trouble.BAD_ADDRESS, ""),
    (failing(ZeroDivisionError()), {}, Trouble.UNEXPECTED, "ZeroDivisionError"),
    (failing(AssertionError()), {"app_id": "ä"}, Trouble.UNFIT_CREDENTIAL, "DVPAY_APP_ID"),
    (lambda _: reply(302), {}, Trouble.REDIRECT, ""),
    (lambda _: reply(500, {"statusCode": 500, "data": None}), {}, Trouble.NO_REASON, ""),
    (lambda _: reply(409, Stream(b"\x8b"), {"Content-Encoding": "br"}), {}, Trouble.COMPRESSED, ""),
    (lambda _: reply(409, Stream(b" " * (LARGEST_BODY + 1))), {}, Trouble.TOO_LONG, "64"),
    (lambda _: reply(409, Stream(b"{", error=httpx.ReadError(""))), {}, Trouble.BROKEN_OFF, ""),
    (lambda _: reply(409, {}), {}, Trouble.SOMEBODY_ELSE, ""),
    (lambda _: reply(409), {}, Trouble.CONTRADICTORY, ""),
    (lambda _: reply(409, {"statusCode": 409, "data": {"state": "cancelled"}}), {}, Trouble.UNCLEAR_REFUSAL, ""),
    (lambda _: reply(200, {"statusCode": 200, "data": None}), {}, Trouble.NO_CONFIRMATION, ""),
    (other_order, {}, Trouble.ANOTHER_ORDER, ""),
    (lambda _: reply(200, CONFIRMED | {"status": "paid"}), {}, Trouble.ANOTHER_STATUS, "paid"),
]


@pytest.mark.parametrize("handler, more, trouble, about", WAYS)
async def test_an_answer_holds_no_words_of_ours(
    handler: Handler, more: dict[str, Any], trouble: Trouble, about: str,
) -> None:  # fmt: skip
    """No text of an answer is the bot's own where the gateway said nothing: there is a code and its parameter."""
    with structlog.testing.capture_logs():
        answer = await ask(handler, **more)
    assert (answer.trouble, answer.trouble_about) == (trouble, about)
    assert (answer.message, answer.code, answer.request_id, answer.cancelled_at) == ("", "", "", "")


def test_every_trouble_of_the_client_is_tried() -> None:
    """The test above has a way to each trouble but those of the workflow."""
    assert {trouble for _, _, trouble, _ in WAYS} == set(Trouble) - {Trouble.STOPPED, Trouble.RECORD_CONTRADICTS}
