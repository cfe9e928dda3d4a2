"""Being connected to Slack: the token is confirmed, and in Socket Mode one connection is kept alive."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from time import time
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.async_base_handler import AsyncBaseSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.clock import elapsed
from bot.domain.backoff import pauses
from bot.in_flight import InFlight
from bot.network import Network
from bot.slack.answers import UnreadableAnswerError
from bot.slack.client import QuietSocketModeClient
from bot.slack.errors import Problem, problem_of
from bot.slack.gate import acknowledgement, bolt_request, kind_of
from bot.slack.identity import Identity, fetch_app, fetch_identity
from bot.slack.scopes import SCOPES
from bot.standstill import Standstill

log = structlog.get_logger(__name__)

BOT_TOKEN, APP_TOKEN = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"


class Missing(StrEnum):
    """The things that can keep people in Slack from reaching the bot."""

    NOT_CONNECTED_YET = "not_connected_yet"
    TOKEN_NOT_CONFIRMED = "token_not_confirmed"  # noqa: S105 -- a code, not a token
    """Slack gives no clear answer about it; ``Connection.problem`` holds the name for the error."""
    TOKEN_REFUSED = "token_refused"  # noqa: S105 -- a code, not a token
    """Slack refuses a token, or what belongs to it; ``Connection.problem`` holds the setting and Slack's error."""
    ANOTHER_RECORD = "another_record"
    """The database is new, and Slack has messages of the bot that are in another one."""
    TWO_APPS = "two_apps"
    """The tokens belong to two apps, so no click can come; ``Connection.problem`` holds the ids of both."""
    CONNECTION_DOWN = "connection_down"
    """``Connection.problem`` holds the name of what kept the last try from it, if there was one."""


@dataclass(frozen=True, slots=True)
class _Away:
    """The first thing that is missing, with Slack's name for the error and the system's own words, as far as known."""

    missing: Missing
    problem: str = ""
    about: str = ""


class _Handler(AsyncBaseSocketModeHandler):
    """Hands Bolt the payloads that listeners know, and acknowledges the rest itself."""

    app: AsyncApp

    def __init__(
        self, app: AsyncApp, client: AsyncBaseSocketModeClient, in_flight: InFlight, is_of_use: Callable[[], bool]
    ) -> None:
        self.app, self.client, self.in_flight, self.is_of_use = app, client, in_flight, is_of_use
        client.socket_mode_request_listeners.append(self.handle)

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        if not self.is_of_use():
            log.warning("payload_too_late")
            return
        request, began = bolt_request(req.payload), time()
        if request is None:
            # Slack shows people an error where nothing comes back, whatever it sent.
            answer = acknowledgement(req.payload)
            await client.send_socket_mode_response(SocketModeResponse(req.envelope_id, answer or None))
            return
        with self.in_flight.answering(kind_of(request)):
            response = await self.app.async_dispatch(request)
            if response.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                return  # a click that broke: Slack shows a warning where no acknowledgement comes
            if response.status != HTTPStatus.OK:
                response = BoltResponse(status=HTTPStatus.OK, body="")
            await send_async_response(client, req, response, began)


class Connection:
    """Waits while Slack is away, and says at any time what is missing.

    ``identity`` is None until Slack has confirmed the token for the first time; every ``recheck`` Slack has to confirm
    it again. ``ready`` is set while nothing is missing. Without an ``app_token`` the bot is in HTTP mode, and the token
    is all there is to confirm. ``alone`` is true where no other bot works on the same database. ``heard_at`` gets
    Slack's time with each confirmation. ``may_begin`` gets what Slack has first said of the bot; until it is true, the
    bot takes and posts nothing. ``reconnected`` is called for each connection of Socket Mode after the first one.
    Durations are in seconds.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        *,
        app_token: str | None,
        in_flight: InFlight,
        alone: bool = True,
        network: Network | None = None,
        standstill: Standstill | None = None,
        ping_interval: float = 5.0,
        give_up_after: float = 30.0,
        recheck: float = 60.0,
        longest_pause: float = 30.0,
        heard_at: Callable[[datetime], None] = lambda _: None,
        may_begin: Callable[[Identity], Awaitable[bool]] | None = None,
        reconnected: Callable[[], None] = lambda: None,
    ) -> None:
        self.identity: Identity | None = None
        self.lacking: frozenset[str] = frozenset()
        """The scopes that the token was not given."""
        self.others = 0
        """Connections of the app that cannot be this bot's, as Slack counted them when it last connected."""
        self._apps: dict[str, str] = {}
        """The id of the app that a token is of, by its setting, as far as Slack has said it."""
        self._away: _Away | None = _Away(Missing.NOT_CONNECTED_YET)
        self._refused: dict[str, str] = {}
        """Slack's error by the setting of the token that it refuses."""
        self.ready = asyncio.Event()
        self._asked = asyncio.Event()
        self._client = client
        self._app_token = app_token
        self._alone = alone
        self._in_flight = in_flight
        self._network = network or Network()
        self._standstill = standstill or Standstill()
        self._last_failure: Problem | None = None
        self._ping_interval = ping_interval
        self._give_up_after = give_up_after
        self._recheck = recheck
        self._longest_pause = longest_pause
        self._heard_at = heard_at
        self._may_begin = may_begin
        self._reconnected = reconnected
        self._was_connected = False

    async def run(self, app: AsyncApp) -> None:
        """Stay connected for as long as the task lives."""
        await self._identify()
        proving = asyncio.create_task(self._keep_proving())
        try:
            while self._app_token is not None:
                await self._one_client(app, self._app_token)
            await proving
        finally:
            proving.cancel()

    @property
    def missing(self) -> Missing | None:
        """The first thing that is missing, or None."""
        if self._refused:
            return Missing.TOKEN_REFUSED
        if self._two_apps:
            return Missing.TWO_APPS
        return self._away.missing if self._away else None

    @property
    def problem(self) -> str:
        """The details of what is missing."""
        if self._refused:
            return ", ".join(f"{setting}: {error}" for setting, error in self._refused.items())
        if self._two_apps:
            return " and ".join(self._apps[setting] for setting in (BOT_TOKEN, APP_TOKEN))
        return self._away.problem if self._away else ""

    @property
    def _two_apps(self) -> bool:
        return len(set(self._apps.values())) > 1

    @property
    def about(self) -> str:
        """The words of the system about what is missing, or an empty text."""
        return self._away.about if self._away and not self._refused else ""

    def ask(self) -> None:
        """Have Slack confirm the token, and tell its time, at once."""
        self._asked.set()

    async def _keep_proving(self) -> None:
        """Have Slack confirm the token again and again: somebody may revoke it while the connection stands."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._recheck):
                    await self._asked.wait()
            self._asked.clear()
            await self._identify()

    async def _identify(self) -> None:
        """Have Slack confirm the token, however long that takes."""
        for pause in pauses(1.0, self._longest_pause):
            try:
                identity = self._own(await fetch_identity(self._client))
                begins = self.identity is not None or self._may_begin is None or await self._may_begin(identity)
            except Exception as error:  # noqa: BLE001 -- whatever it is, the next try may work
                problem = problem_of(error)
                self._judge(BOT_TOKEN, problem)
                if BOT_TOKEN not in self._refused and (self._app_token is None or self.identity is None):
                    self._lost(Missing.TOKEN_NOT_CONFIRMED, problem)
                await asyncio.sleep(max(pause, problem.retry_after or 0))
            else:
                if not begins:
                    self._judge(BOT_TOKEN, None)
                    self._lost(Missing.ANOTHER_RECORD, None)
                    await asyncio.sleep(pause)
                    continue
                self._identified(identity)
                if self._app_token is not None and BOT_TOKEN not in self._apps:
                    with suppress(Exception):  # it is asked again with the next look
                        self._of_app(BOT_TOKEN, await fetch_app(self._client, identity))
                return

    def _own(self, found: Identity) -> Identity:
        """Return the identity, unless it is that of another bot than before. Raises UnreadableAnswerError."""
        known = self.identity
        if known is not None and (known.team_id, known.bot_id) != (found.team_id, found.bot_id):
            raise UnreadableAnswerError  # a token stays that of one bot, so this was the answer to another call
        return found

    def _identified(self, identity: Identity) -> None:
        self.identity = identity
        if identity.date is not None:
            self._heard_at(identity.date)
        # Where Slack names no scopes, it does not say that there are none.
        lacking = frozenset(SCOPES) - identity.scopes if identity.scopes else frozenset()
        if lacking - self.lacking:
            log.error("slack_scopes_missing", scopes=sorted(lacking))
        self.lacking = lacking
        self._judge(BOT_TOKEN, None)
        if self._app_token is None:
            self._connected(connections=None)

    def _judge(self, setting: str, problem: Problem | None) -> None:
        """Keep whether Slack refuses this token. An unclear answer, or none, says nothing about it."""
        if problem is None:
            if self._refused.pop(setting, None):
                log.info("slack_token_accepted", setting=setting)
        elif problem.refusal and self._refused.get(setting) != problem.name:
            log.error("slack_token_refused", setting=setting, problem=problem.name)
            self._refused[setting] = problem.name
        self._tell_ready()

    async def _one_client(self, app: AsyncApp, app_token: str) -> None:
        """Run the SDK's client until it has been without a connection for too long, then close it.

        It reconnects by itself, but asks for a new address only once and tries that for ever. A connection in which the
        process stood still is closed too: nobody waits any more for what Slack sent through it meanwhile.
        """
        client = QuietSocketModeClient(
            app_token,
            self._client,
            network=self._network,
            ping_interval=self._ping_interval,
            failed=self._failed,
        )
        client.message_listeners.append(self._heard)
        client.issue_new_wss_url = self._judged(client.issue_new_wss_url)  # type: ignore[method-assign]
        opened = elapsed()

        def is_of_use() -> bool:
            return self._standstill.look() > elapsed() - opened

        handler = _Handler(app, client, self._in_flight, is_of_use)
        connecting = asyncio.create_task(handler.connect_async())  # type: ignore[no-untyped-call]
        loop = asyncio.get_running_loop()
        last_connected = loop.time()
        try:
            while loop.time() - last_connected < self._give_up_after and is_of_use():
                await asyncio.sleep(min(1.0, self._ping_interval))
                if await client.is_connected():
                    last_connected = loop.time()
                else:
                    self._lost(Missing.CONNECTION_DOWN, self._last_failure)
        finally:
            connecting.cancel()
            await handler.close_async()  # type: ignore[no-untyped-call]

    def _failed(self, error: BaseException) -> None:
        self._last_failure = problem_of(error)

    def _judged(self, ask: Callable[[], Awaitable[str]]) -> Callable[[], Coroutine[Any, Any, str]]:
        """Return the SDK's question for an address, which it asks with the app token and whose failure it keeps."""

        async def asked() -> str:
            try:
                address = await ask()
            except SlackApiError as error:
                self._judge(APP_TOKEN, problem_of(error))
                raise
            self._judge(APP_TOKEN, None)
            return address

        return asked

    async def _heard(self, _client: object, message: dict[str, Any], _raw: str | None = None) -> None:
        if message.get("type") == "hello":
            self._of_app(APP_TOKEN, (message.get("connection_info") or {}).get("app_id"))
            connections = message.get("num_connections")
            self._count_others(connections)
            if self._was_connected:
                self._reconnected()
            self._was_connected = True
            self._connected(connections=connections)

    def _count_others(self, connections: object) -> None:
        """Keep how many connections must be another bot's, which with a database of its own knows nothing of this one.

        The connection that this one replaces may still count.
        """
        own = 2 if self._was_connected else 1
        self.others = max(0, connections - own) if self._alone and isinstance(connections, int) else 0
        if self.others:
            log.warning("slack_other_connections", connections=connections)

    def _of_app(self, setting: str, app: object) -> None:
        """Keep which app a token is of: test and production are easily mixed up, as both tokens are copied by hand."""
        if not isinstance(app, str) or self._apps.get(setting) == app:
            return
        self._apps[setting] = app
        if self._two_apps:
            log.error("slack_tokens_of_two_apps", apps=self._apps)
        self._tell_ready()

    def _connected(self, *, connections: object) -> None:
        if self._away is not None:
            log.info("slack_connected", connections=connections)
        self._away = None
        self._last_failure = None
        self._tell_ready()

    def _lost(self, missing: Missing, problem: Problem | None) -> None:
        away = _Away(missing, problem.name, problem.about) if problem is not None else _Away(missing)
        if self._away != away:
            about = {"about": away.about} if away.about else {}
            log.warning("slack_away", missing=str(missing), problem=away.problem, **about)
        self._away = away
        self._tell_ready()

    def _tell_ready(self) -> None:
        if self.missing is None:
            self.ready.set()
        else:
            self.ready.clear()
