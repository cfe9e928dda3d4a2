"""A real HTTP proxy between the bot and a gateway, which answers, changes, delays and loses as it is told.

Load balancers, meshes, CDNs and company proxies have pages and statuses of their own, and some of these come after the
gateway did the work. ``middle_box_pages`` holds the ones that they really send.
"""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from bot.sandbox.changes import Changes
from bot.sandbox.faults import Canned, Drop, Faults, Hang, Twist, serve
from bot.sandbox.middle_box_pages import nginx
from bot.sandbox.place import LocalServer

T = TypeVar("T")

# Headers for one connection only (RFC 9110, section 7.6.1), and those that the proxy writes itself.
_NOT_PASSED_ON = {
    "connection", "content-length", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Before:
    """A fixed answer at once; the call reaches the gateway afterwards, as after a proxy's own timeout."""

    answer: Canned


@dataclass(frozen=True, slots=True)
class Late:
    """The gateway's answer, kept back until ``until`` is set; the work is done before."""

    until: asyncio.Event


@dataclass(frozen=True, slots=True)
class Cut:
    """The first ``keep`` bytes of the gateway's answer under its full Content-Length, and then no connection."""

    keep: int


@dataclass(frozen=True, slots=True)
class Altered:
    """The gateway's answer with ``change`` applied to its body, and ``label`` as its Content-Encoding if not None."""

    change: Callable[[bytes], bytes] = bytes
    label: str | None = None


Meddling = Canned | Before | Twist | Drop | Hang | Late | Cut | Altered
"""One way to treat a call. ``Canned`` answers instead of the gateway, ``Twist`` after it."""


def compressed(label: str | None = "gzip") -> Altered:
    """Return the gateway's answer in gzip, with another label or with none."""
    return Altered(gzip.compress, label)


def deflated(label: str | None = "deflate", *, bare: bool = False) -> Altered:
    """Return the gateway's answer in deflate, within zlib's frame or bare."""
    return Altered(lambda body: zlib.compress(body, wbits=-zlib.MAX_WBITS if bare else zlib.MAX_WBITS), label)


def mislabelled(label: str) -> Altered:
    """Return the gateway's answer as it is, under a wrong Content-Encoding."""
    return Altered(label=label)


def shortened(keep: int) -> Altered:
    """Return the first bytes of the gateway's answer as if they were all of it."""
    return Altered(lambda body: body[:keep])


def recoded(encoding: str) -> Altered:
    """Return the gateway's answer in another character encoding, such as UTF-8 with a byte order mark."""
    return Altered(lambda body: body.decode().encode(encoding))


@dataclass(slots=True)
class Passage:
    """One call that came to the box; ``upstream`` is the gateway's status, or None if it has not answered."""

    order_id: str
    meddling: Meddling | None
    upstream: int | None = None


class MiddleBox(LocalServer):
    """A reverse proxy on loopback for the gateway at ``upstream_url``; its ``base_url`` is for DVPAY_BASE_URL.

    ``faults`` says how to treat the next calls. ``passages`` holds every call in the order of arrival. If the gateway
    cannot be reached, it answers 502 with a page, as proxies do.
    """

    def __init__(self, upstream_url: str) -> None:
        super().__init__()
        self.faults = Faults[Meddling]()
        self.passages: list[Passage] = []
        self._upstream = upstream_url.rstrip("/")
        self._session: ClientSession | None = None
        self._changes = Changes()
        self._afterwards: set[asyncio.Task[web.Response]] = set()

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    async def start(self) -> None:
        """Listen on loopback."""
        self._session = ClientSession(auto_decompress=False, timeout=ClientTimeout(total=60))
        await super().start()

    async def stop(self) -> None:
        """Refuse connections from now on, close the open ones, and forget the calls that were to go on afterwards."""
        for task in self._afterwards:
            task.cancel()
        await asyncio.gather(*self._afterwards, return_exceptions=True)
        await super().stop()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def wait_for(self, look: Callable[[], T], within: float = 10.0) -> T:
        """Return the first true result of ``look``, which is called again at each call and each answer of the gateway.

        Raises TimeoutError after this many seconds.
        """
        return await self._changes.wait_for(look, within)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        order_id = _order_id(body)
        passage = Passage(order_id, self.faults.next(order_id))
        self.passages.append(passage)
        self._changes.touch()

        async def passed_on() -> web.Response:
            return await self._pass_on(request, body, passage)

        match passage.meddling:
            case Before(answer):
                task = asyncio.create_task(passed_on())
                self._afterwards.add(task)
                task.add_done_callback(self._afterwards.discard)
                return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
            case Late(until):
                response = await passed_on()
                await until.wait()
                return response
            case Cut(keep):
                return await _cut(request, await passed_on(), keep)
            case Altered(change, label):
                return _altered(await passed_on(), change, label)
            case fault:
                return await serve(fault, request, passed_on)

    async def _pass_on(self, request: web.Request, body: bytes, passage: Passage) -> web.Response:
        assert self._session is not None
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _NOT_PASSED_ON]
        address = self._upstream + request.raw_path
        call = self._session.request(request.method, address, headers=headers, data=body or None, allow_redirects=False)
        try:
            async with call as upstream:
                content = await upstream.read()
        except (ClientError, TimeoutError):
            page = nginx(502)
            return web.Response(status=page.status, body=page.body, headers=page.headers)
        passage.upstream = upstream.status
        self._changes.touch()
        response = web.Response(status=upstream.status, body=content)
        for name, value in upstream.headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                response.headers[name] = value
        response.headers["Via"] = "1.1 middle-box"
        return response


async def _cut(request: web.Request, whole: web.Response, keep: int) -> web.StreamResponse:
    assert isinstance(whole.body, bytes)
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(whole.body)
    await response.prepare(request)
    await response.write(whole.body[:keep])
    if request.transport is not None:
        # Closed, not aborted: the bytes so far must arrive.
        request.transport.close()
    return response


def _altered(whole: web.Response, change: Callable[[bytes], bytes], label: str | None) -> web.Response:
    assert isinstance(whole.body, bytes)
    whole.body = change(whole.body)
    if label is not None:
        whole.headers["Content-Encoding"] = label
    return whole


def _order_id(body: bytes) -> str:
    try:
        order_id = json.loads(body)["order_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return order_id if isinstance(order_id, str) else ""
