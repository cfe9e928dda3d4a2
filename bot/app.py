"""The composition root: builds the parts, runs them, and stops them in order."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import structlog
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bot import __version__
from bot.gateway import GatewayClient, GatewayUnreachable
from bot.precedence import Precedence
from bot.settings import ORDER_ID_PATTERN, Settings
from bot.slack import refusals
from bot.slack.background import Background
from bot.slack.connection import Connection
from bot.slack.delivery import SlackCourier
from bot.slack.listeners import Listeners
from bot.slack.people import Directory
from bot.store import Store, StoreError
from bot.web import Readiness, SlackEndpoint, build
from bot.worker import Pace, Worker
from bot.workflow import Rules, Workflow

log = structlog.get_logger(__name__)

STOP_WITHIN = 8.0
"""Seconds that work in flight gets after SIGTERM: containers are killed ten seconds after it."""
_ANSWERED_WITHIN = 3.0
"""Seconds in which Slack wants an acknowledgement: https://docs.slack.dev/interactivity/handling-user-interaction"""
_GOODBYE = 1.0
"""Seconds for Slack to agree that the connection closes."""


def utc_now() -> datetime:
    """The clock of a running bot."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Tuning:
    """What only tests and benchmarks change: the clock, pauses, and hooks."""

    now: Callable[[], datetime] = utc_now
    rules: dict[str, object] = field(default_factory=dict)
    pace: Pace | None = None
    ping_interval: float = 5.0
    longest_pause: float = 30.0
    gateway_check: float = 60.0
    on_commit: Callable[[str], None] | None = None


class Bot:
    """One running bot. ``start`` and ``stop`` once each, or ``run`` until a signal."""

    def __init__(self, settings: Settings, tuning: Tuning | None = None) -> None:
        tuning = tuning or Tuning()
        self._settings = settings
        self._tuning = tuning
        self.store = Store(settings.database_path, on_commit=tuning.on_commit)
        rules = Rules(
            approvals_required=settings.approvals_required,
            allow_self_approval=settings.allow_self_approval,
            approval_ttl=settings.approval_ttl,
            order_id_pattern=settings.order_id_pattern,
            **tuning.rules,  # type: ignore[arg-type]
        )
        self._precedence = Precedence()
        self.workflow = Workflow(
            self.store, rules, now=tuning.now, changed=self._wake, afterwards=self._precedence.afterwards
        )
        self._background = Background(self._precedence)
        self._tasks: list[asyncio.Task[None]] = []
        self._opened = AsyncExitStack()
        self._gateway_problem: str | None = None
        self._stopping = False
        self.port = settings.port

    async def start(self) -> None:
        """Open the file, listen on HOST:PORT, and begin to work; Slack and the gateway may be away.

        Raises StoreError, or OSError if the port is taken.
        """
        try:
            await self._start()
        except BaseException:
            await self._opened.aclose()
            raise

    async def _start(self) -> None:
        settings, tuning = self._settings, self._tuning
        self._opened.push_async_callback(self.store.close)
        await self.store.open()
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        self._opened.push_async_callback(session.close)
        client = AsyncWebClient(
            token=settings.slack_bot_token.get_secret_value(),
            base_url=settings.web_api_url,
            session=session,
            retry_handlers=[],
        )
        app_token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else None
        self.connection = Connection(
            client,
            app_token=app_token,
            precedence=self._precedence,
            ping_interval=tuning.ping_interval,
            longest_pause=tuning.longest_pause,
        )
        self._gateway = GatewayClient(
            base_url=settings.dvpay_base_url,
            api_key=settings.dvpay_api_key,
            app_id=settings.dvpay_app_id,
            now=tuning.now,
        )
        self._opened.push_async_callback(self._gateway.aclose)
        courier = SlackCourier(client, lambda: self.connection.identity)
        self.worker = Worker(
            self.workflow,
            self._gateway,
            courier,
            now=tuning.now,
            pace=tuning.pace,
            precedence=self._precedence,
            name=f"{socket.gethostname()}:{os.getpid()}",
        )
        directory = Directory(client, now=tuning.now)
        self._slack_app = self._bolt_app(client)
        Listeners(
            workflow=self.workflow,
            store=self.store,
            directory=directory,
            client=client,
            background=self._background,
            identity=lambda: self.connection.identity,
            now=tuning.now,
            approvers=settings.approvers,
            requesters=settings.requesters,
            auditors=settings.auditors,
            approval_channel=settings.approval_channel,
            order_id_hint=refusals.bad_order_id(settings.order_id_pattern.pattern, ORDER_ID_PATTERN),
        ).register(self._slack_app)
        await self.workflow.recover({"version": __version__, **settings.for_audit()})
        await self._listen()
        groups = settings.approvers.groups | settings.auditors.groups
        groups |= settings.requesters.groups if settings.requesters else frozenset()
        self._keep_running("worker", self.worker.run)
        self._keep_running("connection", lambda: self.connection.run(self._slack_app))
        self._keep_running("gateway_watch", self._watch_gateway)
        if groups:
            self._keep_running("user_groups", lambda: directory.keep_fresh(sorted(groups)))
        log.info("started", version=__version__, mode="socket" if app_token else "http", port=self.port)

    async def stop(self) -> None:
        """Take nothing new, finish what is in flight within STOP_WITHIN seconds, and close everything."""
        log.info("stopping")
        self._stopping = True
        worker, *others = self._tasks
        await asyncio.gather(self.worker.stop(STOP_WITHIN), self._take_leave(others))
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        await self._opened.aclose()
        self._precedence.catch_up()
        log.info("stopped")

    async def _take_leave(self, tasks: list[asyncio.Task[None]]) -> None:
        """Whoever is being answered gets the answer before the connection closes, and what it leads to."""
        ends = asyncio.get_running_loop().time() + STOP_WITHIN
        await self._precedence.give_way(_ANSWERED_WITHIN)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_GOODBYE)
        await self._runner.cleanup()
        await self._background.finish(ends - asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Start, work until SIGTERM or SIGINT, and stop."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        await self.start()
        # What was imported stays until the end; looking through all of it for garbage stops everything for 40 ms.
        gc.collect()
        gc.freeze()
        await ended.wait()
        await self.stop()

    async def readiness(self) -> Readiness:
        """What is missing before the bot can do its work: Slack, or a database that takes writes."""
        missing = ["stopping"] if self._stopping else []
        if self.connection.missing:
            missing.append(self.connection.missing)
        try:
            await self.store.probe()
        except StoreError as error:
            missing.append(str(error))
        return Readiness(missing, [self._gateway_problem] if self._gateway_problem else [])

    def _wake(self) -> None:
        self.worker.wake()

    def _bolt_app(self, client: AsyncWebClient) -> AsyncApp:
        async def authorize() -> AuthorizeResult:
            identity = self.connection.identity
            return AuthorizeResult(
                enterprise_id=identity.enterprise_id if identity else None,
                team_id=identity.team_id if identity else None,
                bot_id=identity.bot_id if identity else None,
                bot_user_id=identity.bot_user_id if identity else None,
                bot_token=client.token,
            )

        # The signature is checked in bot.web, before the body is parsed. process_before_response
        # makes an acknowledgement final and immediate; see the README's architecture section.
        return AsyncApp(
            authorize=authorize,
            client=AsyncWebClient(base_url=self._settings.web_api_url),
            process_before_response=True,
            request_verification_enabled=False,
            ssl_check_enabled=False,
            url_verification_enabled=False,
            # There are neither events nor functions.
            ignoring_self_events_enabled=False,
            attaching_function_token_enabled=False,
        )

    async def _listen(self) -> None:
        secret = self._settings.slack_signing_secret
        self._endpoint = None
        if self._settings.slack_app_token is None and secret is not None:
            self._endpoint = SlackEndpoint(
                self._slack_app,
                secret,
                self._tuning.now,
                self._precedence,
                # Who belongs to the workspace is known once Slack has confirmed the token.
                is_open=lambda: self.connection.identity is not None and not self._stopping,
            )
        self._runner = web.AppRunner(
            build(self.readiness, self._endpoint), access_log=None, shutdown_timeout=_ANSWERED_WITHIN
        )
        self._opened.push_async_callback(self._runner.cleanup)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._settings.host, self._settings.port).start()
        self.port = self._runner.addresses[0][1]

    async def _watch_gateway(self) -> None:
        """Keep what ``/readyz`` says of the gateway true, and log when it goes and comes."""
        while True:
            problem = None
            try:
                await self._gateway.reach()
            except GatewayUnreachable as error:
                problem = str(error)
            if problem != self._gateway_problem:
                log.warning("gateway_away", problem=problem) if problem else log.info("gateway_back")
            self._gateway_problem = problem
            await asyncio.sleep(self._tuning.gateway_check)

    def _keep_running(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        async def forever() -> None:
            pause = 1.0
            while True:
                try:
                    await work()
                except Exception:
                    log.exception("part_failed", part=name)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 60.0)
                else:
                    return

        self._tasks.append(asyncio.create_task(forever(), name=name))


async def run(settings: Settings) -> None:
    """Run a bot until a signal ends it. Raises StoreError or OSError if it cannot start."""
    with contextlib.suppress(asyncio.CancelledError):
        await Bot(settings).run()
