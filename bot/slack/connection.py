"""The way in from Slack: knowing who we are, and keeping one Socket Mode connection alive."""

import asyncio
import logging
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.precedence import Precedence
from bot.slack.errors import problem_of
from bot.slack.identity import Identity, fetch_identity
from bot.slack.payloads import understood

log = structlog.get_logger(__name__)

# The SDK tells of each failed try with a traceback; this module tells of losing and regaining instead.
_quiet = logging.getLogger("bot.slack.socket_mode")
_quiet.setLevel(logging.CRITICAL)


class _Handler(AsyncSocketModeHandler):
    """Hands Bolt what is understood, and passes over the rest."""

    precedence: Precedence

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        payload = understood(req.payload)
        if payload is not None:
            req.payload = payload
            with self.precedence.answering():
                await super().handle(client, req)  # type: ignore[arg-type]  # the SDK narrows it


class Connection:
    """Waits out a Slack that is away, and says at any time what is missing.

    ``identity`` is None until Slack has confirmed the token for the first time; ``ready`` is set while
    nothing is missing.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        *,
        app_token: str | None,
        precedence: Precedence,
        ping_interval: float = 5.0,
        give_up_after: float = 30.0,
        recheck: float = 60.0,
        longest_pause: float = 30.0,
    ) -> None:
        self.identity: Identity | None = None
        self.missing: str | None = "not connected to Slack yet"
        self.ready = asyncio.Event()
        self._client = client
        self._app_token = app_token
        self._precedence = precedence
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
        pause = 1.0
        while True:
            try:
                self.identity = await fetch_identity(self._client)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is waited out
                problem = problem_of(error)
                self._lost(f"Slack does not confirm the bot token: {problem.name}")
                await asyncio.sleep(max(pause, problem.retry_after or 0))
                pause = min(pause * 2, self._longest_pause)
            else:
                if self._app_token is None:
                    self._connected(connections=None)
                return

    async def _one_client(self, app: AsyncApp, app_token: str) -> None:
        """Run the SDK's client until it has been without a connection for too long, then let it go.

        It reconnects by itself, but asks for a new address only once and tries that for ever.
        """
        handler = _Handler(
            app,
            app_token,
            logger=_quiet,
            web_client=self._client,
            ping_interval=self._ping_interval,
        )
        handler.precedence = self._precedence
        handler.client.message_listeners.append(self._heard)
        connecting = asyncio.create_task(handler.connect_async())  # type: ignore[no-untyped-call]
        loop = asyncio.get_running_loop()
        last_connected = loop.time()
        try:
            while loop.time() - last_connected < self._give_up_after:
                await asyncio.sleep(min(1.0, self._ping_interval))
                if await handler.client.is_connected():
                    last_connected = loop.time()
                else:
                    self._lost("the Socket Mode connection to Slack is down")
        finally:
            connecting.cancel()
            await handler.close_async()  # type: ignore[no-untyped-call]
            self._lost("the Socket Mode connection to Slack is down")

    async def _heard(self, _client: object, message: dict[str, Any], _raw: str | None = None) -> None:
        if message.get("type") == "hello":
            self._connected(connections=message.get("num_connections"))

    def _connected(self, *, connections: object) -> None:
        if self.missing is not None:
            log.info("slack_connected", connections=connections)
        self.missing = None
        self.ready.set()

    def _lost(self, why: str) -> None:
        if self.missing != why:
            log.warning("slack_away", problem=why)
        self.missing = why
        self.ready.clear()
