"""Being connected to Slack: the token is confirmed, and in Socket Mode one connection is kept alive."""

import asyncio
from enum import StrEnum
from http import HTTPStatus
from time import time
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.async_base_handler import AsyncBaseSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.backoff import pauses
from bot.in_flight import InFlight
from bot.network import Network
from bot.slack.client import QuietSocketModeClient
from bot.slack.errors import Problem, problem_of
from bot.slack.gate import acknowledgement, bolt_request
from bot.slack.identity import Identity, fetch_identity

log = structlog.get_logger(__name__)


class Missing(StrEnum):
    """The things that can keep people in Slack from reaching the bot."""

    NOT_CONNECTED_YET = "not_connected_yet"
    TOKEN_NOT_CONFIRMED = "token_not_confirmed"  # noqa: S105 -- a code, not a token
    """``Connection.problem`` holds Slack's name for the error."""
    CONNECTION_DOWN = "connection_down"
    """``Connection.problem`` holds the name of what kept the last try from it, if there was one."""


class _Handler(AsyncBaseSocketModeHandler):
    """Hands Bolt the payloads that listeners know, and acknowledges the rest itself."""

    app: AsyncApp

    def __init__(self, app: AsyncApp, client: AsyncBaseSocketModeClient, in_flight: InFlight) -> None:
        self.app, self.client, self.in_flight = app, client, in_flight
        client.socket_mode_request_listeners.append(self.handle)

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        request, began = bolt_request(req.payload), time()
        if request is None:
            # Slack shows people an error where nothing comes back, whatever it sent.
            answer = acknowledgement(req.payload)
            await client.send_socket_mode_response(SocketModeResponse(req.envelope_id, answer or None))
            return
        with self.in_flight.answering():
            response = await self.app.async_dispatch(request)
            if response.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                return  # a click that broke: Slack shows a warning where no acknowledgement comes
            if response.status != HTTPStatus.OK:
                response = BoltResponse(status=HTTPStatus.OK, body="")
            await send_async_response(client, req, response, began)


class Connection:
    """Waits while Slack is away, and says at any time what is missing.

    ``identity`` is None until Slack has confirmed the token for the first time; ``ready`` is set while
    nothing is missing. Without an ``app_token`` the bot is in HTTP mode, and the token is all there is to confirm.
    Durations are in seconds.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        *,
        app_token: str | None,
        in_flight: InFlight,
        network: Network | None = None,
        ping_interval: float = 5.0,
        give_up_after: float = 30.0,
        recheck: float = 60.0,
        longest_pause: float = 30.0,
    ) -> None:
        self.identity: Identity | None = None
        self.missing: Missing | None = Missing.NOT_CONNECTED_YET
        self.problem = ""
        self.about = ""
        self.ready = asyncio.Event()
        self._client = client
        self._app_token = app_token
        self._in_flight = in_flight
        self._network = network or Network()
        self._last_failure: Problem | None = None
        self._ping_interval = ping_interval
        self._give_up_after = give_up_after
        self._recheck = recheck
        self._longest_pause = longest_pause

    async def run(self, app: AsyncApp) -> None:
        """Stay connected for as long as the task lives."""
        await self._identify()
        if self._app_token is None:
            while True:
                await asyncio.sleep(self._recheck)
                await self._identify()
        while True:
            await self._one_client(app, self._app_token)

    async def _identify(self) -> None:
        """Have Slack confirm the token, however long that takes."""
        for pause in pauses(1.0, self._longest_pause):
            try:
                self.identity = await fetch_identity(self._client)
            except Exception as error:  # noqa: BLE001 -- whatever it is, the next try may work
                problem = problem_of(error)
                self._lost(Missing.TOKEN_NOT_CONFIRMED, problem)
                await asyncio.sleep(max(pause, problem.retry_after or 0))
            else:
                if self._app_token is None:
                    self._connected(connections=None)
                return

    async def _one_client(self, app: AsyncApp, app_token: str) -> None:
        """Run the SDK's client until it has been without a connection for too long, then close it.

        It reconnects by itself, but asks for a new address only once and tries that for ever.
        """
        client = QuietSocketModeClient(
            app_token,
            self._client,
            network=self._network,
            ping_interval=self._ping_interval,
            failed=self._failed,
        )
        client.message_listeners.append(self._heard)
        handler = _Handler(app, client, self._in_flight)
        connecting = asyncio.create_task(handler.connect_async())  # type: ignore[no-untyped-call]
        loop = asyncio.get_running_loop()
        last_connected = loop.time()
        try:
            while loop.time() - last_connected < self._give_up_after:
                await asyncio.sleep(min(1.0, self._ping_interval))
                if await client.is_connected():
                    last_connected = loop.time()
                else:
                    self._lost(Missing.CONNECTION_DOWN, self._last_failure)
        finally:
            connecting.cancel()
            await handler.close_async()  # type: ignore[no-untyped-call]
            self._lost(Missing.CONNECTION_DOWN, self._last_failure)

    def _failed(self, error: BaseException) -> None:
        self._last_failure = problem_of(error)

    async def _heard(self, _client: object, message: dict[str, Any], _raw: str | None = None) -> None:
        if message.get("type") == "hello":
            self._connected(connections=message.get("num_connections"))

    def _connected(self, *, connections: object) -> None:
        if self.missing is not None:
            log.info("slack_connected", connections=connections)
        self.missing, self.problem, self.about = None, "", ""
        self._last_failure = None
        self.ready.set()

    def _lost(self, missing: Missing, problem: Problem | None) -> None:
        name, about = (problem.name, problem.about) if problem is not None else ("", "")
        if (self.missing, self.problem, self.about) != (missing, name, about):
            log.warning("slack_away", missing=str(missing), problem=name, **({"about": about} if about else {}))
        self.missing, self.problem, self.about = missing, name, about
        self.ready.clear()
