"""The playground's own server, on loopback only: the page, the state that it shows, and the way to everybody's acts."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from bot import log
from bot.domain.ids import ORDER_ID
from bot.sandbox.gateway import OrderStatus
from bot.sandbox.playground.acts import Acts, NotUnderstood
from bot.sandbox.playground.playground import Playground
from bot.sandbox.playground.snapshot import snapshot
from bot.sandbox.workspace import Json

STATIC = Path(__file__).parent / "static"
DATABASE = Path("data/playground.db")
"""The default, below the working directory. The bot creates the folder."""
SERVER = Path("data/playground-postgres.server")
"""The same for a database server's folder."""
PORT = 8420
"""The page's port, unless it is taken."""

_STILL_HERE_EVERY = 15.0
"""Seconds between two signs of life on an event stream, so that a page that has gone is noticed."""
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    # The page loads from and talks to this server alone, and no other page can show it in a frame.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PageServer:
    """The server of the page for one playground."""

    def __init__(self, playground: Playground) -> None:
        self._playground = playground
        self._acts = Acts(playground)
        self._closing = False
        self.port = 0

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}/"

    async def start(self, port: int = 0) -> None:
        """Listen on this port of loopback, 0 for any. Raises OSError if it is taken."""
        application = web.Application(middlewares=[self._guard])
        application.router.add_get("/", self._static)
        application.router.add_get("/static/{name}", self._static)
        application.router.add_get("/state", self._state)
        application.router.add_get("/events", self._events)
        application.router.add_post("/act", self._acts.serve)
        application.router.add_post("/gateway", self._gateway)
        application.router.add_post("/slack", self._slack)
        application.router.add_post("/bots", self._bots)
        application.router.add_get("/file/{id}", self._file)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End the pages' event streams and stop listening."""
        self._closing = True
        # Wakes the event streams, which then see that it is over.
        self._playground.touch()
        await self._runner.cleanup()

    # --- the gate -------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse every request that does not come from the page itself: other web pages can guess the address."""
        own = {f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}"}
        here = f"http://{request.headers.get('Host')}"
        # Host shows a foreign name that leads to this machine (DNS rebinding), Origin shows a foreign page.
        if here not in own or request.headers.get("Origin", here if request.method == "GET" else "") != here:
            return self._refuse(HTTPStatus.FORBIDDEN)
        if request.method != "GET" and request.content_type != "application/json":
            return self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            return self._refuse(HTTPStatus(error.status))
        except (NotUnderstood, ValueError, KeyError, TypeError, LookupError):
            return self._refuse(HTTPStatus.BAD_REQUEST)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    def _refuse(self, status: HTTPStatus) -> web.Response:
        return web.Response(status=status, text=status.phrase, headers=_HEADERS)

    # --- the page and its state -------------------------------------------------------------------

    async def _static(self, request: web.Request) -> web.StreamResponse:
        path = STATIC / request.match_info.get("name", "index.html")
        if path.parent != STATIC or path.suffix not in _TYPES or not path.is_file():
            raise web.HTTPNotFound
        return web.Response(body=path.read_bytes(), content_type=_TYPES[path.suffix], charset="utf-8")

    async def _state(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(await snapshot(self._playground, request.query["person"]))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        files = self._playground.person(request.query["person"]).files
        file = next((file for file in files if file.id == request.match_info["id"]), None)
        if file is None:
            raise web.HTTPNotFound
        # Never shown in the page's own origin, whatever is in it.
        attached = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"}
        return web.Response(body=file.content, content_type="application/octet-stream", headers=attached)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send a line with the version at each change, as long as the page is open."""
        response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        seen = -1
        with contextlib.suppress(ConnectionError):
            while not self._closing:
                if seen != self._playground.version:
                    seen = self._playground.version
                    await response.write(f"data: {seen}\n\n".encode())
                    continue
                try:
                    async with asyncio.timeout(_STILL_HERE_EVERY):
                        await self._playground.changes.next()
                except TimeoutError:
                    await response.write(b": still here\n\n")
        return response

    # --- the gateway's orders and faults ----------------------------------------------------------

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        body: Json = await request.json()
        match body:
            case {"order": str(order), "status": str(status)} if re.fullmatch(ORDER_ID, order):
                self._playground.gateway.add_order(order, OrderStatus(status))
            case {"fault": str(name), "on": bool(on)}:
                await self._playground.switch(name, on=on)
            case {"next": str(name)}:
                self._playground.order_answer(name)
            case _:
                raise NotUnderstood
        return web.json_response({})

    async def _slack(self, request: web.Request) -> web.StreamResponse:
        match await request.json():
            case {"trouble": str(name), "on": bool(on)}:
                self._playground.trouble_slack(name, on=on)
            case {"delete_card": True}:
                if not self._playground.delete_card():
                    return web.json_response({"notice": "There is no card in #payments."})
            case _:
                raise NotUnderstood
        return web.json_response({})

    async def _bots(self, request: web.Request) -> web.StreamResponse:
        match await request.json():
            case {"bot": int(number), "on": bool(on)}:
                await self._playground.turn_bot(number, on=on)
            case _:
                raise NotUnderstood
        return web.json_response({})


async def play(made: Playground, *, port: int | None, open_browser: bool) -> None:
    """Run this playground until Ctrl-C or SIGTERM.

    Without a ``port`` it uses the usual one, or any free one if that is taken. Raises StoreError, NotStarted, and
    OSError if the port asked for is taken.
    """
    log.configure("ERROR", "console", [])
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with made as playground:
        server = PageServer(playground)
        try:
            await server.start(PORT if port is None else port)
        except OSError:
            if port is not None:
                raise
            await server.start()
        print(
            f"The playground is at {server.url}\nIts data is in {playground.data}. Press Ctrl-C to stop it.", flush=True
        )
        if open_browser and _has_browser():
            # A thread that is never waited for: with some browsers this call returns only when they are closed.
            threading.Thread(target=webbrowser.open, args=[server.url], daemon=True).start()
        await ended.wait()
        print("Stopping ...", flush=True)
        await server.stop()


def _has_browser() -> bool:
    """Return True if a browser can open a window. One without a window would take over the terminal."""
    return sys.platform == "darwin" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())
