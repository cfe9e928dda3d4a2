"""A local Slack: Web API, Socket Mode and signed HTTP delivery, as real servers on loopback.

It is long because one server has both ways in, and a fault of each kind can hit either.
"""

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from bot.sandbox.blockkit import problems_with_blocks
from bot.sandbox.faults import Fault, Faults, History, Refusals, rate_limited, serve
from bot.sandbox.place import LocalServer
from bot.sandbox.webapi import Refused, WebApi, decoded
from bot.sandbox.workspace import Json, Posted, ResponseUrl, Workspace
from bot.slack.scopes import SCOPES

_FORM = "application/x-www-form-urlencoded"
_RETRY_REASON = "http_timeout"
"""Also in Socket Mode: https://github.com/slackapi/bolt-python/issues/1484."""


class NotAcknowledged(Exception):
    """The app did not acknowledge in time; the person sees an error."""


@dataclass(frozen=True, slots=True)
class Call:
    """One Web API call: its arguments and Slack's answer, or the fault that came instead.

    ``hidden`` are the timestamps of the messages that history did not show because it lags.
    """

    method: str
    arguments: Json
    at: datetime
    answer: Json | str
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload on its way to the app; ``kind`` is the envelope's type in Socket Mode."""

    kind: str
    payload: Json
    at: datetime


class LocalSlack(LocalServer):
    """A workspace with one app in it. ``calls`` are all Web API calls.

    The keys of ``faults`` are methods, ``response_url``, and ``upload`` for the bytes of a file.

    With ``events_url`` set, payloads go there as signed requests, otherwise through Socket Mode. The app has the
    scopes that the bot's manifest asks for unless ``scopes`` says otherwise. ``ack_within`` is in seconds.
    ``refusals`` and ``history`` are lasting trouble, which ``heal`` ends; ``unacknowledged`` are the payloads that the
    app did not acknowledge in time.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        bot_token: str = "xoxb-local",
        app_token: str = "xapp-local",
        signing_secret: str = "local-secret",
        scopes: set[str] | None = None,
        rate_limited: bool = False,
        ack_within: float = 3.0,
    ) -> None:
        super().__init__()
        self.space = Workspace(now)
        self.bot_token, self.app_token, self.signing_secret = bot_token, app_token, signing_secret
        self.app_of_app_token: str | None = None
        """The id of the app that the app token is of, where that is another one than the bot token's."""
        self.faults, self.refusals, self.history = Faults[Fault](), Refusals(), History()
        self.api = WebApi(
            self.space,
            scopes=set(SCOPES) if scopes is None else scopes,
            rate_limited=rate_limited,
            refusals=self.refusals,
            history=self.history,
            origin=self._public,
        )
        self.calls: list[Call] = []
        self.unacknowledged: list[Envelope] = []
        self.names_scopes = True
        """Whether answers name the token's scopes in a header, which proxies sometimes take away."""
        self.events_url: str | None = None
        self.public_origin: str | None = None
        """The origin of the addresses that Slack tells the bot, if something stands in front of this server."""
        self.connections: list[web.WebSocketResponse] = []
        self.response_urls: dict[str, ResponseUrl] = {}
        self._now = now
        self.ack_within = ack_within
        self._waiting: dict[str, tuple[web.WebSocketResponse, asyncio.Future[Json | None]]] = {}
        self._tickets: set[str] = set()
        self._counter = itertools.count(1)
        self._turn = 0

    # --- life ---------------------------------------------------------------------------------

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=4 * 1024 * 1024)
        application.router.add_route("*", "/api/{method}", self._serve_method)
        application.router.add_get("/socket", self._serve_socket)
        application.router.add_post("/response/{id}", self._serve_response)
        application.router.add_post("/upload/v1/{id}", self._serve_upload)
        return application

    @property
    def api_url(self) -> str:
        """The address of the Web API; known once it has been started."""
        return f"{self.base_url}/api/"

    async def start(self) -> None:
        """Listen on loopback."""
        await super().start()
        self._session = aiohttp.ClientSession()

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        await self.drop_connections()
        await self._session.close()
        await super().stop()

    def _public(self) -> str:
        return self.public_origin or self.base_url

    def heal(self) -> None:
        """Let every call go well from now on, with Slack's clock as everybody else's."""
        self.faults.clear()
        self.refusals.clear()
        self.history.clear()
        self.space.ahead = timedelta(0)

    # --- Web API ------------------------------------------------------------------------------

    async def _serve_method(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments: Json = dict(request.query)
        # The SDK sends JSON for some methods and a form for others.
        if request.content_type == "application/json":
            try:
                arguments |= json.loads(await request.text() or "{}")
            except (ValueError, TypeError):
                return web.json_response({"ok": False, "error": "invalid_json"})
        else:
            arguments |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or arguments.pop("token", "")
        fault = self.faults.next(method)

        async def work() -> web.StreamResponse:
            self.api.hidden = frozenset()
            answer = self._answer(method, arguments, token)
            self.calls.append(Call(method, arguments, self._now(), answer, self.api.hidden))
            self.space.changes.touch()
            if answer.get("error") == "ratelimited":
                limited = rate_limited(1)
                return web.Response(status=429, body=limited.body, headers=limited.headers)
            headers = {"Date": format_datetime(self.space.slack_now().astimezone(UTC), usegmt=True)}
            if self.names_scopes:
                headers["x-oauth-scopes"] = ",".join(sorted(self.api.scopes))
            return web.json_response(answer, headers=headers)

        if fault is not None:
            # Before the fault takes its course: a dropped or hanging call was made as well.
            self.calls.append(Call(method, arguments, self._now(), repr(fault)))
            self.space.changes.touch()
        return await serve(fault, request, work)

    def _answer(self, method: str, arguments: Json, token: str) -> Json:
        if not token:
            return {"ok": False, "error": "not_authed"}
        try:
            if method == "apps.connections.open":
                return self._open_connection(token)
            self._check_token(token, self.bot_token)
            return self.api.call(method, decoded(arguments))
        except Refused as refused:
            return refused.answer

    def _check_token(self, token: str, wanted: str) -> None:
        if token != wanted:
            raise Refused("not_allowed_token_type" if token in {self.bot_token, self.app_token} else "invalid_auth")

    def _open_connection(self, token: str) -> Json:
        self._check_token(token, self.app_token)
        if len(self.connections) >= 10:
            raise Refused("too_many_websockets")
        ticket = f"ticket-{next(self._counter)}"
        self._tickets.add(ticket)
        origin = self._public().replace("http", "ws", 1)
        return {"ok": True, "url": f"{origin}/socket?ticket={ticket}&app_id=A0LOCAL"}

    # --- Socket Mode --------------------------------------------------------------------------

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=408)
        # An address from apps.connections.open is good for one connection.
        self._tickets.remove(ticket)
        socket = web.WebSocketResponse(heartbeat=None)
        await socket.prepare(request)
        self.connections.append(socket)
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(self.connections),
                "debug_info": {"host": "local", "approximate_connection_time": 3600},
                "connection_info": {"app_id": self.app_of_app_token or self.space.app_id},
            }
        )
        self.space.changes.touch()
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._acknowledged(message.json())
        finally:
            if socket in self.connections:
                self.connections.remove(socket)
            # What was sent over this connection is acknowledged over it, or never.
            for over, waiting in self._waiting.values():
                if over is socket and not waiting.done():
                    waiting.set_exception(ConnectionError())
            self.space.changes.touch()
        return socket

    def _acknowledged(self, answer: Json) -> None:
        _, waiting = self._waiting.pop(str(answer.get("envelope_id")), (None, None))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.get("payload"))

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask the app to replace every connection, as Slack does every few hours."""
        for socket in list(self.connections):
            with contextlib.suppress(ConnectionError):
                await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "local"}})

    async def drop_connections(self) -> None:
        """Abort every connection without a closing handshake."""
        for socket in list(self.connections):
            self.connections.remove(socket)
            transport = socket._req.transport if socket._req is not None else None  # noqa: SLF001 -- no public way
            if transport is not None:
                transport.abort()

    # --- delivering ---------------------------------------------------------------------------

    async def deliver(self, kind: str, payload: Json, *, retry: int = 0) -> Json | None:
        """Send a payload to the app and return the payload of its acknowledgement.

        ``kind`` is ``slash_commands``, ``interactive``, ``events_api``, or anything else that Slack may come up with.
        Slack repeats events alone; ``retry`` is which repetition of the same event this is, and nothing repeats by
        itself here. Raises NotAcknowledged, and keeps what was not acknowledged in ``unacknowledged``.
        """
        envelope = Envelope(kind, payload, self._now())
        deliver = self._deliver_http if self.events_url else self._deliver_socket
        try:
            return await deliver(kind, payload, retry)
        except NotAcknowledged:
            self.unacknowledged.append(envelope)
            self.space.changes.touch()
            raise

    async def _deliver_socket(self, kind: str, payload: Json, retry: int) -> Json | None:
        if not self.connections:
            raise NotAcknowledged("no connection")
        # Slack may use any of an app's connections.
        self._turn += 1
        socket = self.connections[self._turn % len(self.connections)]
        envelope_id = f"envelope-{next(self._counter)}"
        waiting: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = socket, waiting
        # https://docs.slack.dev/apis/events-api/using-socket-mode: events take no payload in their acknowledgement.
        event = kind == "events_api"
        envelope = {
            "type": kind,
            "envelope_id": envelope_id,
            "payload": payload,
            "accepts_response_payload": not event,
            **({"retry_attempt": retry, "retry_reason": _RETRY_REASON if retry else ""} if event else {}),
        }
        try:
            await socket.send_json(envelope)
            async with asyncio.timeout(self.ack_within):
                answer = await waiting
        except (TimeoutError, ConnectionError):
            raise NotAcknowledged("no acknowledgement in time") from None
        finally:
            self._waiting.pop(envelope_id, None)
        if event and answer:
            # A mistake of the app, which must not pass unseen.
            raise AssertionError(f"an event takes no answer: {answer}")
        return answer

    async def _deliver_http(self, kind: str, payload: Json, retry: int) -> Json | None:
        match kind:
            case "slash_commands":
                body, content_type = urlencode(payload).encode(), _FORM
            case "events_api":
                body, content_type = json.dumps(payload).encode(), "application/json"
            case _:
                body, content_type = urlencode({"payload": json.dumps(payload)}).encode(), _FORM
        retried = {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": _RETRY_REASON} if retry else {}
        try:
            timeout = aiohttp.ClientTimeout(total=self.ack_within)
            assert self.events_url is not None
            async with self._session.post(
                self.events_url,
                data=body,
                headers=self.signed(body) | {"Content-Type": content_type} | retried,
                timeout=timeout,
            ) as response:
                text = await response.text()
                status = response.status
        except (TimeoutError, aiohttp.ClientError):
            raise NotAcknowledged("no acknowledgement in time") from None
        if status != 200:
            raise NotAcknowledged(f"status {status}")
        # An empty body acknowledges and says no more; any other text is an answer for the person.
        return json.loads(text) if text.startswith("{") else ({"text": text} if text else None)

    def signed(self, body: bytes, *, at: datetime | None = None) -> dict[str, str]:
        """Return the headers that prove that a body comes from Slack."""
        timestamp = str(int((at or self.space.slack_now()).timestamp()))
        digest = hmac.new(self.signing_secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256)
        return {
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": f"v0={digest.hexdigest()}",
            "Content-Type": _FORM,
        }

    # --- response_url -------------------------------------------------------------------------

    def new_response_url(self, user: str, channel: str, message: Posted | None) -> str:
        """Return a new address for the answers to one command or click."""
        name = f"r{next(self._counter)}"
        self.response_urls[name] = ResponseUrl(user, channel, message, self._now() + timedelta(minutes=30))
        return f"{self._public()}/response/{name}"

    async def _serve_response(self, request: web.Request) -> web.StreamResponse:
        found = self.response_urls.get(request.match_info["id"])
        body: Any = await request.json()

        async def work() -> web.StreamResponse:
            if found is None or found.left == 0 or self._now() > found.expires:
                return web.json_response({"ok": False, "error": "expired_url"}, status=404)
            blocks = body.get("blocks") or []
            problems = problems_with_blocks(blocks) if blocks else []
            if problems or (not blocks and not body.get("text")):
                return web.json_response({"ok": False, "error": "invalid_blocks", "problems": problems}, status=400)
            found.left -= 1
            self.space.answer(found, body)
            return web.Response(text="ok")

        return await serve(self.faults.next("response_url"), request, work)

    # --- files --------------------------------------------------------------------------------

    async def _serve_upload(self, request: web.Request) -> web.StreamResponse:
        # "Slack will return HTTP 200 if the upload was successful and a non-200 code if it failed". Slack also takes
        # forms here, and nobody uses them. The address is the permission: there is no token.
        content = b"".join([part async for part in request.content.iter_any()])

        async def work() -> web.StreamResponse:
            if not self.api.uploads.receive(request.match_info["id"], content):
                return web.Response(status=400, text="Bad Request")
            return web.Response(text=f"OK - {len(content)}")

        return await serve(self.faults.next("upload"), request, work)
