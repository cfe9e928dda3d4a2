"""The looks that the bot takes at its own pace: at the store, the machine's clock, and the gateway.

``/readyz`` shows what was found last. So a question from outside costs no write, and hangs nowhere.
"""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import structlog

from bot import health, wording
from bot.clock import Clock, OtherClocks
from bot.gateway import GatewayClient, GatewayUnreachable
from bot.health import Readiness
from bot.metrics import Metrics
from bot.store import Privacy, Store, StoreError, Tables
from bot.tuning import Tuning
from bot.workflow import Workflow

log = structlog.get_logger(__name__)

STORE_WITHIN = 1.0
"""Seconds in which the database has to answer. With the pause between two looks, ``/readyz`` tells it within two."""


class Watch:
    """The looks of one bot. ``store``, ``clock`` and ``gateway`` each go on for as long as their task lives."""

    def __init__(
        self,
        store: Store,
        workflow: Workflow,
        gateway: GatewayClient,
        clock: Clock,
        tuning: Tuning,
        *,
        other_clocks: OtherClocks,
        metrics: Metrics,
        wake: asyncio.Event,
    ) -> None:
        self._store = store
        self._workflow = workflow
        self._gateway = gateway
        self._clock = clock
        self._other_clocks = other_clocks
        self._metrics = metrics
        self._tuning = tuning
        self._wake = wake
        self._found = Readiness([], [])
        self._store_due: float | None = None
        """When the look at the store that is under way began, or when the next one should begin."""
        self._privacy = Privacy.PRIVATE
        self._last_event: datetime | None = None
        self._last_number = 0
        """The number of the last event that was seen here."""
        self._gateway_problem: str | None = None

    def readiness(self) -> Readiness:
        """Return what is missing, and what else is worth knowing, as far as it was looked at here."""
        now = asyncio.get_running_loop().time()
        late = self._store_due is not None and now - self._store_due > STORE_WITHIN
        missing = [health.DATABASE_SILENT] if late else self._found.missing
        notes = [health.gateway_away(self._gateway_problem)] if self._gateway_problem else []
        notes += [health.clock_wrong(name, apart) for name, apart in self._other_clocks.apart.items()]
        notes += [] if self._other_clocks.confirmed else [health.CLOCK_UNCONFIRMED]
        return Readiness(missing, notes + self._found.notes)

    async def read_last_event(self) -> None:
        """Read when the last event happened, before the start is on record: no right clock is earlier than that."""
        at = await self._store.read(lambda tables: tables.record.last().at)
        with contextlib.suppress(ValueError):  # there is no event yet, or somebody edited it
            self._last_event = datetime.fromisoformat(at).astimezone(UTC)

    async def store(self) -> None:
        """Look whether the file can be written and who can use it, and what keeps messages from Slack."""
        now = asyncio.get_running_loop().time
        while True:
            self._store_due = now()
            self._found = await self._look_at_store()
            self._store_due = now() + self._tuning.store_check
            await asyncio.sleep(self._tuning.store_check)

    async def _look_at_store(self) -> Readiness:
        try:
            await self._store.probe()
            privacy = self._privacy_notes(await self._store.close_to_others())
            await self._workflow.look_at_server()
            stuck, freeze = await self._workflow.stuck(), await self._workflow.frozen()
            if (last := await self._workflow.last_event()) != self._last_number:
                # A command line beside this process may have frozen or erased something, and owe messages by that.
                self._last_number = last
                self._wake.set()
            refused = await self._workflow.turned_away()
            self._metrics.frozen.set(freeze is not None)
            self._metrics.gateway_refuses.set(refused is not None)
            missing = await self._compare_clocks()
            notes = privacy + ([health.turned_away(*refused)] if refused else [])
            notes += [health.frozen(freeze)] if freeze else []
            return Readiness(missing, notes + [health.stuck(problem, count) for problem, count in stuck])
        except StoreError as error:
            return Readiness([wording.store_error(error)], [])

    async def _compare_clocks(self) -> list[str]:
        """Return a sentence where the server's clock differs from the bot's by more than the other bots can bear."""
        if (theirs := await self._store.clock()) is None:
            return []
        self._other_clocks.compare("database", theirs, may_be_ours=True)
        apart = self._clock.now() - theirs
        return [health.database_clock(apart)] if abs(apart) > self._tuning.may_differ else []

    def _privacy_notes(self, privacy: Privacy) -> list[str]:
        if privacy is Privacy.CLOSED:
            log.warning("file_closed_to_others", file=str(self._store.path))
        elif privacy is Privacy.OPEN and self._privacy is not Privacy.OPEN:
            log.warning("file_readable_by_others", file=str(self._store.path))
        self._privacy = privacy
        return [health.FILE_READABLE] if privacy is Privacy.OPEN else []

    async def clock(self) -> None:
        """Follow the steps of the machine's clock that stand, and compare it with the record."""
        while True:
            if self._last_event:
                self._other_clocks.not_before("record", self._last_event)
            if step := self._clock.look():
                with contextlib.suppress(StoreError):  # the file's own trouble is told elsewhere; the step still stands
                    await self._follow(step)
            self._other_clocks.look()
            await asyncio.sleep(self._tuning.clock_check)

    async def _follow(self, step: timedelta) -> None:
        before, after = self._clock.offset, self._clock.offset + step
        if self._store.shared:
            # All bots are compared with the server's clock. What is further away from it was a step of this machine.
            if (theirs := await self._store.clock()) is None:
                return
            if abs(self._clock.wall() - theirs) >= abs(self._clock.now() - theirs):
                return

        def work(tx: Tables) -> None:
            # It may be a wrong one, also where a server on this machine has made it, too. Another clock has to say it.
            self._other_clocks.doubt()
            # In here, because all that is written before has the old time, and all that is written later the new one.
            self._clock.offset = after
            self._workflow.shift(tx, step)

        try:
            await self._store.transaction("follow", work)
        except BaseException:
            self._clock.offset = before
            raise
        log.info("clock_followed", seconds=round(step.total_seconds(), 1))
        self._wake.set()

    async def gateway(self) -> None:
        """Look whether the gateway can be reached, and compare clocks; log when it goes away and comes back."""
        while True:
            problem = None
            try:
                if date := await self._gateway.reach():
                    # Without TLS it is at an address of this machine, and what answers there may be no gateway.
                    self._other_clocks.compare("gateway", date, may_be_ours=not self._gateway.encrypted)
            except GatewayUnreachable as error:
                problem = wording.trouble(error.trouble, error.about)
            if problem != self._gateway_problem:
                log.warning("gateway_away", problem=problem) if problem else log.info("gateway_back")
            self._gateway_problem = problem
            self._metrics.gateway_reachable.set(problem is None)
            await asyncio.sleep(self._tuning.gateway_check)
