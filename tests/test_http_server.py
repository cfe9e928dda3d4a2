"""The bot's HTTP server and whoever connects: idle and slow clients, and what is not HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from aiohttp import web

from bot import http_server

HALF = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\n", id="half of the headers"),
    pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", id="a request, and then nothing"),
    pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", id="half of a body"),
    pytest.param(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", id="half of a body for nobody"),
]
NOT_HTTP = [
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="TLS"),
    pytest.param(b"hunter2\r\n\r\n", id="no method"),
    pytest.param(b"GET /healthz HTTP/1.1\r\nhunter2\r\n\r\n", id="no header"),
    pytest.param(b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", id="another version"),
    pytest.param(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="a long address"),
    pytest.param(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n", id="no length"),
    pytest.param(b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nhunter2\r\n", id="no chunk"),
]


@asynccontextmanager
async def server() -> AsyncIterator[int]:
    """Yield the port of a server with the bot's limits."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="here")

    application = web.Application()
    application.router.add_get("/healthz", answer)
    runner = http_server.runner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def answer_to(port: int, sent: bytes) -> bytes:
    """Return all that comes back until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("sent", HALF)
async def test_whoever_sends_no_whole_request_is_dropped(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle, half-open and slow connections do not stay."""
    monkeypatch.setattr("bot.http_server.KEEP_ALIVE", 0.05)
    monkeypatch.setattr("bot.http_server._LINGER", 0.05)
    async with server() as port:
        await answer_to(port, sent)


async def test_headers_that_come_in_drop_by_drop_take_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each drop does not buy more time."""
    monkeypatch.setattr("bot.http_server.KEEP_ALIVE", 0.05)
    async with server() as port, asyncio.timeout(10):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\n")

        async def drip() -> None:
            while True:
                writer.write(b"X: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.001)

        with pytest.raises(ConnectionError):
            await drip()
        writer.close()


@pytest.mark.parametrize("sent", NOT_HTTP)
async def test_what_is_not_http_is_one_line_at_most(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """The line has neither a traceback nor what was sent."""
    with structlog.testing.capture_logs() as logs:
        async with server() as port:
            assert (await answer_to(port, sent)).startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert [line["event"] for line in logs] in ([], ["malformed_request"])
    assert "hunter2" not in str(logs)


async def test_errors_of_our_own_keep_their_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """The filter is for what others send."""
    logger = logging.getLogger("bot.http_server.aiohttp")
    try:
        raise RuntimeError
    except RuntimeError:
        logger.exception("Error handling request from %s", "127.0.0.1")
    assert len(caplog.records) == 1
