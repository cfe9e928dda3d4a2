"""The playground's own server: the page, what it shows, and what people do on it. Loopback only."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from bot import log
from bot.sandbox.gateway import OrderStatus
from bot.sandbox.person import Person
from bot.sandbox.playground.snapshot import commands, snapshot
from bot.sandbox.playground.world import PEOPLE, World
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.workspace import Json, ResponseUrl
from bot.settings import ORDER_ID_PATTERN
from bot.store import Busy, StoreError

STATIC = Path(__file__).parent / "static"
PORT = 8420
"""Where the page is, unless that port is taken."""

_STILL_HERE_EVERY = 15.0
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    # The page can load nothing and reach nobody but this server, and nobody can put it into a frame.
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


class NotUnderstood(Exception):
    """A request that the page would not send."""


class PageServer:
    """Serves the page for one world. Started again, it listens where it did."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._commands = commands()
        self._closing = False
        self.port = 0
        world.slack.space.escaping = {each["command"] for each in self._commands if each.get("should_escape")}

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
        application.router.add_post("/act", self._act)
        application.router.add_post("/gateway", self._gateway)
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
        self._world.touch()
        await self._runner.cleanup()

    # --- who may come in ------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve this machine's own page alone: other web pages know the address as well."""
        own = {f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}"}
        here = f"http://{request.headers.get('Host')}"
        # A foreign name that leads here (DNS rebinding) stands in Host; a foreign page stands in Origin.
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

    # --- the page and what it shows ---------------------------------------------------------------

    async def _static(self, request: web.Request) -> web.StreamResponse:
        path = STATIC / request.match_info.get("name", "index.html")
        if path.parent != STATIC or path.suffix not in _TYPES or not path.is_file():
            raise web.HTTPNotFound
        return web.Response(body=path.read_bytes(), content_type=_TYPES[path.suffix], charset="utf-8")

    async def _state(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(await snapshot(self._world, request.query["person"], self._commands))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """A line with the version at each change, for as long as the page is open."""
        response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        seen = -1
        with contextlib.suppress(ConnectionError):
            while not self._closing:
                if seen != self._world.version:
                    seen = self._world.version
                    await response.write(f"data: {seen}\n\n".encode())
                    continue
                try:
                    await asyncio.wait_for(self._world.changes.next(), _STILL_HERE_EVERY)
                except TimeoutError:
                    await response.write(b": still here\n\n")
        return response

    # --- what people do ---------------------------------------------------------------------------

    async def _act(self, request: web.Request) -> web.StreamResponse:
        """Do what somebody did on the page: ``{}`` if it was taken, else ``errors`` by field, or a ``notice``."""
        body: Json = await request.json()
        if body["person"] not in PEOPLE:
            raise NotUnderstood
        person = Person(self._world.slack, body["person"])
        acts = {"type": self._type, "click": self._click, "submit": self._submit, "close": self._close}
        return web.json_response(await acts[body["do"]](person, body))

    async def _type(self, person: Person, body: Json) -> Json:
        text, channel, thread_ts = str(body["text"]).strip(), body["channel"], body.get("thread_ts")
        if person.id not in self._world.slack.space.channels[channel].members or not text:
            raise NotUnderstood
        name = text.split()[0]
        if not text.startswith("/"):
            person.say(text, channel, thread_ts)
        elif thread_ts is not None:
            return {"notice": f"{name} is not supported in threads. Sorry!"}
        elif name not in {each["command"] for each in self._commands}:
            self._only_to(person, channel, f"`{name}` is not a valid command.")
        else:
            # An app that does not answer is told to the person in the channel, as Slack does it.
            with contextlib.suppress(NotAcknowledged):
                await person.command(text, channel)
        return {}

    async def _click(self, person: Person, body: Json) -> Json:
        """Press a button as it stood on the page, though the message may look different by now."""
        button: Json = body["button"]
        message = self._world.slack.space.message(body["channel"], body["ts"])
        if message is None or message.only_for not in {None, person.id}:
            raise NotUnderstood
        if message.button(button["action_id"]) is None:
            message = replace(message, blocks=[{"type": "actions", "elements": [button]}])
        with contextlib.suppress(NotAcknowledged):
            await person.click(message, button["action_id"])
        return {}

    async def _submit(self, person: Person, body: Json) -> Json:
        opened, values = person.modal, {str(name): str(value) for name, value in body["values"].items()}
        if opened is None or opened.id != body["modal"]:
            return {"notice": "This form is not open any more."}
        missing = [
            block["block_id"]
            for block in opened.view["blocks"]
            if block["type"] == "input"
            and not block.get("optional")
            and not values.get(block["element"]["action_id"], "").strip()
        ]
        if missing:
            return {"errors": dict.fromkeys(missing, "Please complete this required field.")}
        try:
            errors = await person.submit(**values)
        except NotAcknowledged:
            return {"notice": "We had some trouble connecting. Try again?"}
        return {"errors": errors} if errors else {}

    async def _close(self, person: Person, body: Json) -> Json:
        if person.modal is not None and person.modal.id == body["modal"]:
            person.close()
        return {}

    def _only_to(self, person: Person, channel: str, text: str) -> None:
        slack = self._world.slack
        slack.answer_privately(ResponseUrl(person.id, channel, None, slack.space.now()), {"text": text})

    # --- what happens at the gateway --------------------------------------------------------------

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        body: Json = await request.json()
        match body:
            case {"order": str(order), "status": str(status)} if re.fullmatch(ORDER_ID_PATTERN, order):
                self._world.gateway.add_order(order, OrderStatus(status))
            case {"fault": str(name), "on": bool(on)}:
                await self._world.switch(name, on=on)
            case _:
                raise NotUnderstood
        return web.json_response({})


async def play(database: Path, *, port: int | None, approvals: int, open_browser: bool) -> None:
    """Run the playground until Ctrl-C or SIGTERM.

    Without a ``port`` the usual one is taken, or any free one. Raises StoreError, and OSError if the
    port asked for is taken.
    """
    log.configure("ERROR", "console", [])
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        # Everything here is on loopback; a proxy would stand in the way.
        os.environ.pop(name, None)
        os.environ.pop(name.lower(), None)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    world = World(database, approvals=approvals)
    try:
        await world.start()
    except Busy as error:
        msg = "The playground is running already: look at the window in which it was started."
        raise Busy(msg) from error
    except StoreError as error:
        msg = f"{error} Or start the playground over: delete {database.with_suffix('')}.*"
        raise type(error)(msg) from error
    try:
        server = PageServer(world)
        try:
            await server.start(PORT if port is None else port)
        except OSError:
            if port is not None:
                raise
            await server.start()
        print(f"The playground is at {server.url}\nIt is kept in {database}. Ctrl-C ends it.", flush=True)
        if open_browser and _has_browser():
            # Not waited for, not even at the end: some browsers keep this call until they are closed.
            threading.Thread(target=webbrowser.open, args=[server.url], daemon=True).start()
        await ended.wait()
        print("Stopping ...", flush=True)
        await server.stop()
    finally:
        await world.stop()


def _has_browser() -> bool:
    """Whether a browser with a window can be opened, rather than one that takes over the terminal."""
    return sys.platform == "darwin" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())
