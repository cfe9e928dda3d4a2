"""The composition root: it builds all parts, then starts them, and stops them in order.

It is long because it is the one place that knows all parts.
"""

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import aiohttp
import structlog
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bot import __version__, health, http_server, metrics, name_look_ups, wording
from bot.clock import Clock, OtherClocks
from bot.domain.backoff import pauses
from bot.domain.policy import People, Role
from bot.gateway import GatewayClient
from bot.health import Readiness
from bot.in_flight import InFlight
from bot.log import log_failure
from bot.measuring import Measuring
from bot.metrics import Metrics
from bot.network import Network
from bot.patrol import Patrol
from bot.settings import Settings
from bot.slack import listeners
from bot.slack.background import Background
from bot.slack.client import web_client
from bot.slack.delivery import SlackCourier
from bot.slack.http import SlackEndpoint
from bot.slack.identity import Identity
from bot.slack.people import Directory
from bot.slack.places import Places
from bot.slack.search import own_deliveries
from bot.slack.socket_mode import Connection
from bot.slack.views.presentation import Presentation
from bot.standstill import Standstill
from bot.store import Store, StoreError, StoreProblem
from bot.tracing import Tracing
from bot.tuning import Tuning
from bot.watch import Watch
from bot.worker import Worker
from bot.workflow import AMONG_REPLICAS, Patience, Rules, Workflow

log = structlog.get_logger(__name__)

STOP_WITHIN = 8.0
"""Seconds for work in flight after SIGTERM: containers are killed ten seconds after it."""
_TO_ANSWER = 0.5
"""Seconds of the time that Slack waits in which an answer is on its way: the database has the rest."""
_PASSING = {
    StoreProblem.SERVER_AWAY,
    StoreProblem.STANDBY,
    StoreProblem.UNDONE,
    StoreProblem.UNCERTAIN,
    StoreProblem.TAKEN_OVER,
}
"""A database server is away, or was in the middle of a transaction."""
_BETWEEN_LOOKS_AT_A_FREEZE = 0.5
"""Seconds."""
_BETWEEN_TIDYINGS = 0.1
"""Seconds between two tries to take erased words out of the log beside the file."""
_LARGEST_BODY = 1024 * 1024
"""Bytes; Slack's largest payloads are far smaller."""


class Bot:
    """One running bot. ``start`` and ``stop`` once each, or ``run`` until a signal."""

    def __init__(self, settings: Settings, tuning: Tuning | None = None, network: Network | None = None) -> None:
        tuning = tuning or Tuning()
        network = network or Network()
        self.port = settings.port
        self._settings = settings
        self._tuning = tuning
        self._stopping = False
        self._waits_for = ""
        """A sentence about what keeps the start waiting."""
        # Containers share host names and process ids, and what a worker holds must be nobody else's.
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._tasks: list[asyncio.Task[None]] = []
        self._opened = AsyncExitStack()

        self._wake = wake = asyncio.Event()
        self._metrics = Metrics()
        self.clock = Clock(tuning.now, tuning.monotonic)
        self._tracing = tracing = Tracing(settings.traces_to, with_ids=settings.traces_with_ids)
        self._in_flight = InFlight(
            answered=self._metrics.acknowledged,
            monotonic=self.clock.monotonic,
            around=lambda kind: tracing.span(f"slack {kind}", kind="SERVER"),
            slack_waits=tuning.slack_waits,
        )
        self.store = Store(
            settings.database,
            key=settings.seals_with(),
            on_commit=tuning.on_commit,
            took=self._metrics.commit.observe,
        )
        rules = Rules(
            approvals_required=settings.approvals_required,
            allow_self_approval=settings.allow_self_approval,
            approval_ttl=settings.approval_ttl,
            order_id_pattern=settings.order_id_pattern,
            remind_after=settings.remind_after or (),
            escalate_after=settings.escalate_after,
            escalate_to=settings.escalate_to or People(),
            digest=settings.digest,
            approval_channel=settings.approval_channel or "",
            reasons=settings.reasons or (),
            reason_required=settings.reason_required,
            mention_approvers=settings.mention_approvers,
            patience=tuning.patience or (AMONG_REPLICAS if self.store.shared else Patience()),
        )
        self._other_clocks = OtherClocks(self.clock, on_confirmed=wake.set)
        self.workflow = Workflow(
            self.store,
            rules,
            now=self.clock.now,
            unconfirmed=self._other_clocks.latest,
            clock_wrong=self._other_clocks.wrong,
            others_are_nearer_to=self._other_clocks.are_nearer_to,
            may_differ=tuning.may_differ,
            wake=wake,
            answer_within=tuning.slack_waits - _TO_ANSWER,
        )
        self._client = web_client(
            settings.slack_api_url,
            network,
            settings.slack_bot_token.get_secret_value(),
            rate_limited=self._metrics.rate_limited.inc,
        )
        self._standstill = Standstill(slack_waits=tuning.slack_waits)
        self.connection = Connection(
            self._client,
            standstill=self._standstill,
            app_token=settings.slack_app_token.get_secret_value() if settings.slack_app_token else None,
            in_flight=self._in_flight,
            alone=not self.store.shared,
            network=network,
            ping_interval=tuning.ping_interval,
            longest_pause=tuning.longest_pause,
            recheck=tuning.token_check,
            heard_at=partial(self._other_clocks.compare, "slack"),
            may_begin=self._may_begin,
            reconnected=self._metrics.reconnects.inc,
        )
        self._gateway = GatewayClient(
            base_url=settings.dvpay_base_url,
            api_key=settings.dvpay_api_key,
            app_id=settings.dvpay_app_id.get_secret_value() if settings.dvpay_app_id else None,
            now=self.clock.now,
            network=network,
        )
        self._directory = Directory(
            self._client,
            monotonic=self.clock.monotonic,
            now=self.clock.now,
            roles=_roles(settings),
            identity=self._identity,
        )
        self._background = Background(self._in_flight)
        self._slack_app = self._bolt_app(web_client(settings.slack_api_url, network))
        parts = listeners.Parts(
            workflow=self.workflow,
            directory=self._directory,
            client=self._client,
            network=network,
            background=self._background,
            identity=self._identity,
            approval_channel=settings.approval_channel,
            allow_shared_channels=settings.allow_shared_channels,
            presentation=_presentation(settings, self._directory.is_stranger),
        )
        listeners.register(self._slack_app, parts)
        self.worker = Worker(
            self.workflow,
            self._gateway,
            SlackCourier(
                self._client,
                self._identity,
                parts.presentation,
                home=listeners.HomeTabs(parts).view,
                place=Places(
                    self._client,
                    monotonic=self.clock.monotonic,
                    trusted=settings.approval_channel,
                    shared=settings.allow_shared_channels,
                ).look,
                evidence=listeners.EvidenceFiles(parts).send,
                now=self.clock.now,
            ),
            now=self.clock.now,
            name=self._name,
            wake=wake,
            in_flight=self._in_flight,
            connected=lambda: self._identity() is not None,
            calls=settings.gateway_concurrency,
            attempted=self._metrics.attempted,
            spans=tracing,
        )
        self._watch = Watch(
            self.store,
            self.workflow,
            self._gateway,
            self.clock,
            tuning,
            other_clocks=self._other_clocks,
            metrics=self._metrics,
            wake=wake,
        )
        self._measuring = Measuring(self.store, rules, self._metrics, now=self.clock.now, every=tuning.metrics_check)
        self._patrol = Patrol(
            self.store,
            self._metrics,
            stop=self.workflow.stop_for_damage,
            idle=self._in_flight.idle,
            monotonic=self.clock.monotonic,
            every=tuning.record_check,
        )
        self._runner = http_server.runner(self._web_app(), shutdown_timeout=tuning.answered_within)

    async def start(self) -> None:
        """Open the database, listen on HOST:PORT, and begin to work; Slack and the gateway may be away.

        While a database server is away, this waits for it, and HOST:PORT answers meanwhile.

        Raises StoreError, or OSError if the port is taken.
        """
        try:
            await self._open()
        except BaseException:
            await self._opened.aclose()
            raise
        self._keep_running("worker", self.worker.run)
        self._keep_running("standstill", self._standstill.keep_looking)
        self._keep_running("connection", lambda: self.connection.run(self._slack_app))
        self._keep_running("gateway_watch", self._watch.gateway)
        self._keep_running("store_watch", self._watch.store)
        self._keep_running("clock_watch", self._watch.clock)
        self._keep_running("measuring", self._measuring.run)
        self._keep_running("patrol", self._patrol.run)
        self._keep_running("recount", self._recount)
        if self._settings.erase_text_after is not None:
            self._keep_running("erasing", partial(self._erase, self._settings.erase_text_after))
        self._keep_running("user_groups", self._directory.keep_fresh)
        self._keep_running("deciders", self._directory.look_at_deciders)
        mode = "http" if self._settings.slack_app_token is None else "socket"
        log.info("started", version=__version__, mode=mode, port=self.port)

    async def stop(self) -> None:
        """Accept nothing new, finish what is in flight within STOP_WITHIN seconds, and close everything."""
        log.info("stop_begun")
        self._stopping = True
        worker, *others = self._tasks
        await asyncio.gather(self.worker.stop(STOP_WITHIN), self._take_leave(others))
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        with contextlib.suppress(StoreError):  # the next start then says that this end was not clean
            await self.workflow.stop(self._name)
        await self._opened.aclose()
        log.info("stopped")

    async def run(self) -> None:
        """Start, work until SIGTERM or SIGINT, and stop."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        starting = asyncio.create_task(self.start())
        waiting = asyncio.create_task(ended.wait())
        await asyncio.wait([starting, waiting], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            # It waits for a database that is away, and has nothing to finish.
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return
        await starting
        # What was imported stays until the end; looking through all of it for garbage stops everything for 40 ms.
        gc.collect()
        gc.freeze()
        await waiting
        await self.stop()

    async def _erase(self, age: timedelta) -> None:
        """Erase words as they get old, a few at a time; a stop or a crash leaves the rest for the next time."""
        while True:
            with contextlib.suppress(StoreError):  # what is wrong with the file is told elsewhere
                erased = False
                while not self._other_clocks.apart and await self.workflow.erase_old(age):
                    erased = True
                    await self._in_flight.idle()
                # Whoever reads at that moment hinders it, and the words would stay in the log.
                while erased and not await self.store.tidy_up():  # noqa: ASYNC110 -- a file says nothing of its readers
                    await asyncio.sleep(_BETWEEN_TIDYINGS)
            await asyncio.sleep(self._tuning.erase_check)

    def readiness(self) -> Readiness:
        """Return what is missing before the bot can do its work: Slack, or a database that takes writes."""
        watched = self._watch.readiness()
        missing = ["stopping"] if self._stopping else []
        missing += [self._waits_for] if self._waits_for else []
        if self.connection.missing:
            slack = self.connection
            missing.append(health.slack_missing(self.connection.missing, slack.problem, slack.about))
        notes = [health.scopes_missing(self.connection.lacking)] if self.connection.lacking else []
        notes += [health.other_connections(self.connection.others)] if self.connection.others else []
        notes += [health.record_damaged(self._patrol.damaged_at)] if self._patrol.damaged_at else []
        notes += [health.group_of_no_use(group, problem) for group, problem in self._directory.of_no_use.items()]
        return Readiness(missing + watched.missing, notes + watched.notes)

    def _sample(self) -> None:
        """Set the metrics that are known in memory at any moment."""
        self._metrics.ready.set(not self.readiness().missing)
        self._metrics.connected.set(self.connection.missing is None)
        self._metrics.queue.set(self.store.queued)

    async def _open(self) -> None:
        name_look_ups.install()
        self._tracing.begin()
        self._opened.push_async_callback(self._tracing.aclose)
        self._opened.push_async_callback(self.store.close)
        await self._once_it_answers(self.store.open)
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        self._opened.push_async_callback(session.close)
        self._opened.push_async_callback(self._directory.aclose)
        self._client.session = session
        self._opened.push_async_callback(self._gateway.aclose)
        await self._once_it_answers(self._watch.read_last_event)
        await self._once_it_answers(self._measuring.begin)
        # Nobody acts before it is known that the database has all that it had.
        await self._once_it_answers(self.workflow.look_at_server)
        started = self._settings.started(__version__)
        await self._once_it_answers(lambda: self.workflow.start(started, alone=not self.store.shared))
        await self._listen()

    async def _once_it_answers(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do a part of the start. While the database's server is away, wait for it, with ``/healthz`` answering.

        A start may be on record twice, where nobody can say what became of the first one.
        """
        for pause in pauses(1.0, 30.0):
            try:
                await work()
            except StoreError as error:
                if error.problem not in _PASSING:
                    raise
                if not self._waits_for:
                    log_failure(log, "store_failed", error)
                    await self._listen()
                self._waits_for = wording.store_error(error)
                await asyncio.sleep(pause)
            else:
                self._waits_for = ""
                return

    async def _listen(self) -> None:
        if not self._runner.addresses:
            self._opened.push_async_callback(self._runner.cleanup)
            await self._runner.setup()
            await web.TCPSite(self._runner, self._settings.host, self._settings.port).start()
            self.port = self._runner.addresses[0][1]

    async def _take_leave(self, tasks: list[asyncio.Task[None]]) -> None:
        """Close the ways in, once everybody who is being answered has the answer and what it leads to."""
        ends = asyncio.get_running_loop().time() + STOP_WITHIN
        await self._in_flight.idle(self._tuning.answered_within)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=self._tuning.goodbye)
        await self._runner.cleanup()
        await self._background.finish(ends - asyncio.get_running_loop().time())

    def _identity(self) -> Identity | None:
        return self.connection.identity

    def _bolt_app(self, client: AsyncWebClient) -> AsyncApp:
        async def authorize() -> AuthorizeResult:
            identity = self.connection.identity
            return AuthorizeResult(
                enterprise_id=identity.enterprise_id if identity else None,
                team_id=identity.team_id if identity else None,
                bot_id=identity.bot_id if identity else None,
                bot_user_id=identity.bot_user_id if identity else None,
                bot_token=self._client.token,
            )

        # bot.slack.http checks the signature before the body is parsed. process_before_response makes an
        # acknowledgement final and immediate; see docs/slack.md.
        return AsyncApp(
            # For its loggers. To find this name by itself, Bolt reads the source of everything that is under way.
            name="app.py",
            authorize=authorize,
            client=client,
            process_before_response=True,
            request_verification_enabled=False,
            ssl_check_enabled=False,
            url_verification_enabled=False,
            # The one event that there is comes from people, and there are no functions.
            ignoring_self_events_enabled=False,
            attaching_function_token_enabled=False,
        )

    def _web_app(self) -> web.Application:
        application = web.Application(client_max_size=_LARGEST_BODY)
        health.add_routes(application, self.readiness)
        metrics.add_route(application, self._metrics, self._sample)
        secret = self._settings.slack_signing_secret
        if self._settings.slack_app_token is None and secret is not None:
            endpoint = SlackEndpoint(
                self._slack_app,
                secret,
                self.clock,
                self._in_flight,
                # Who belongs to the workspace is known once Slack has confirmed the token.
                is_first=self.workflow.is_first if self.store.shared else None,
                standstill=self._standstill,
                slack_now=partial(self._other_clocks.now_of, "slack"),
                ask_slack=self.connection.ask,
                is_open=lambda: self.connection.identity is not None and not self._stopping,
            )
            application.router.add_post("/slack/events", endpoint.handle)
            application.on_startup.append(endpoint.begin)
        return application

    async def _recount(self) -> None:
        """Count the votes of pending requests by today's settings, once Slack can say who the approvers are.

        While the clock is not confirmed, requests that may be overdue are left out, and counted later.
        """
        await self.connection.ready.wait()
        self._wake.set()  # the messages that are owed have waited for this
        for pause in pauses(1.0, 60.0):
            # No approval counts meanwhile, and after it people read at once whose do.
            while await self.workflow.frozen() is not None:  # noqa: ASYNC110 -- it may end in another process
                await asyncio.sleep(_BETWEEN_LOOKS_AT_A_FREEZE)
            approvers = await self._directory.members(Role.APPROVER)
            counted = await self.workflow.recount(approvers)
            complete = approvers.complete and (approvers.escalation is None or approvers.escalation.complete)
            if counted and complete and self._other_clocks.confirmed:
                return
            await asyncio.sleep(pause)

    async def _may_begin(self, identity: Identity) -> bool:
        """Return False while the record is new and the approval channel has messages of another one.

        A path that leads elsewhere, or a disk that is not there, makes a new file without a word. Its bot would take
        what waits elsewhere a second time, and would know of no freeze. It says nothing in Slack: it knows nothing.
        """
        if not (channel := self._settings.approval_channel):
            return True
        messages = partial(own_deliveries, self._client, channel, identity.bot_id)
        beside = await self.workflow.is_beside_another(messages)
        if beside:
            log.error("record_is_new", file=str(self._settings.database))
        return not beside

    def _keep_running(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        async def keep() -> None:
            for pause in pauses(1.0, 60.0):
                try:
                    await work()
                except Exception as error:  # noqa: BLE001 -- whatever it is, the part starts again
                    log_failure(log, "part_failed", error, part=name)
                    await asyncio.sleep(pause)
                else:
                    return

        self._tasks.append(asyncio.create_task(keep(), name=name))


def _roles(settings: Settings) -> dict[Role, People]:
    """Return the people of each role; a role that is missing is everyone's."""
    roles = {Role.APPROVER: settings.approvers, Role.AUDITOR: settings.auditors}
    roles |= {Role.ESCALATION: settings.escalate_to} if settings.escalate_to is not None else {}
    return roles | {Role.REQUESTER: settings.requesters} if settings.requesters is not None else roles


def _presentation(settings: Settings, is_stranger: Callable[[str], bool]) -> Presentation:
    return Presentation(
        approvers=settings.approvers,
        mentions=settings.mention_approvers,
        escalation=settings.escalate_to or People(),
        is_stranger=is_stranger,
        allow_self_approval=settings.allow_self_approval,
        contact=settings.contact,
        order_id_example=settings.order_id_example,
        order_url=settings.order_url or "",
    )


async def run(settings: Settings, network: Network | None = None) -> None:
    """Run a bot until a signal ends it. Raises StoreError or OSError if it cannot start."""
    with contextlib.suppress(asyncio.CancelledError):
        await Bot(settings, network=network).run()
