"""The looks at the database that keep the metrics true, at the bot's own pace and beside the writer."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.domain import policy
from bot.domain.audit import Event
from bot.domain.cancellation import State
from bot.domain.events import BackedUp
from bot.metrics import TIMED, Metrics
from bot.store import Store, StoreError, Tables
from bot.store.levels import Owed
from bot.workflow import TRIES_BEFORE_TELLING, Rules

_AT_ONCE = 500
"""Events of one read; a look reads on until it has seen all."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """The state of what waits, and the time since when."""

    pending: int
    pending_since: datetime | None
    unknown: int
    failed: int
    owed: Owed
    last_event: int


class Measuring:
    """The looks of one bot. ``begin`` before its first transaction, then ``run`` for as long as its task lives."""

    def __init__(
        self, store: Store, rules: Rules, metrics: Metrics, *, now: Callable[[], datetime], every: float
    ) -> None:
        self._store = store
        self._rules = rules
        self._metrics = metrics
        self._now = now
        self._every = every
        self._counted = 0
        """The number of the last event that is counted. Those of earlier runs are not: a counter begins at 0."""
        self._saved_at: datetime | None = None
        """The time of the last backup, or of the first event where there was none; None before the first look."""

    async def begin(self) -> None:
        """Read where the record stands. Raises StoreError."""
        self._counted = await self._store.read(lambda tables: tables.record.last().seq)

    async def run(self) -> None:
        """Look again and again. What is wrong with the file is told elsewhere."""
        while True:
            with suppress(StoreError):
                if self._saved_at is None:
                    # Not in ``begin``: without a backup it walks through the whole record, and a start is to be quick.
                    self._saved(await self._store.read(_last_saved))
                while await self._look() == _AT_ONCE:
                    pass
            await asyncio.sleep(self._every)

    async def _look(self) -> int:
        """Show how things stand, and count the next events; return how many these are.

        Both are read from one state of the file. A scrape then never shows that something waits, and not yet that it
        was asked for.
        """
        news, standing = await self._store.read(lambda tables: (_news(tables, self._counted), self._standing(tables)))
        for event, waited in news:
            self._metrics.count(event, waited)
            self._counted = event.seq
            if event.kind == BackedUp.kind:
                self._saved(event)
        self._show(standing)
        return len(news)

    def _saved(self, event: Event | None) -> None:
        with suppress(ValueError):  # somebody edited it
            self._saved_at = event and datetime.fromisoformat(event.at).astimezone(UTC)

    def _standing(self, tables: Tables) -> _Standing:
        at = self._now()
        pending, since = tables.levels.pending()
        # A retry counts from the approval, which came within the time that the request could wait.
        failed = tables.requests.many(tables.levels.failed(at - 2 * self._rules.approval_ttl))
        wait = [
            order
            for request in failed
            for order in policy.retryable(request.as_of(at, None))
            # Who stopped it has looked at it.
            if order.state is State.FAILED and not order.stopped_by
        ]
        owed, last = tables.levels.owed(TRIES_BEFORE_TELLING), tables.record.last().seq
        return _Standing(pending, since, tables.levels.unknown(), len(wait), owed, last)

    def _show(self, found: _Standing) -> None:
        shown = self._metrics
        shown.pending.set(found.pending)
        shown.oldest_pending.set(self._age(found.pending_since))
        shown.waiting.labels(State.UNKNOWN).set(found.unknown)
        shown.waiting.labels(State.FAILED).set(found.failed)
        shown.owed.set(found.owed.count)
        shown.oldest_owed.set(self._age(found.owed.since))
        shown.blocked.set(found.owed.blocked)
        shown.events.set(found.last_event)
        shown.backup_age.set(self._age(self._saved_at))

    def _age(self, since: datetime | None) -> float:
        # The clock may have been set back since.
        return max(timedelta(0), self._now() - since).total_seconds() if since is not None else 0.0


def _last_saved(tables: Tables) -> Event | None:
    """Return the last backup, or the first event if there was none: so long nothing has been copied."""
    return tables.record.latest(BackedUp) or next(iter(tables.record.after(0, 1)), None)


def _news(tables: Tables, counted: int) -> list[tuple[Event, float | None]]:
    """Return the events after this one, each with the seconds since its request where that counts."""
    return [(event, _waited(tables, event)) for event in tables.record.after(counted, _AT_ONCE)]


def _waited(tables: Tables, event: Event) -> float | None:
    request = tables.requests.get(event.request) if event.kind in TIMED else None
    if request is None:
        return None
    try:
        return max(0.0, (datetime.fromisoformat(event.at) - request.requested_at).total_seconds())
    except (ValueError, TypeError):  # somebody edited the time
        return None
