"""The bot's own verification of its record: every event once after each start, and again each day.

It recomputes the chain of hashes, a few events at a time, and lets other work pass in between. ``audit verify`` proves
more: it also holds the tables against the events.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from bot.domain.audit import FIRST, Event
from bot.metrics import Metrics
from bot.store import Store, StoreError, Tables

log = structlog.get_logger(__name__)

_AT_ONCE = 500
"""Events of one read, which take a few milliseconds."""
_BREATHER = 0.1
"""Seconds between two reads of a record that is still behind: the verification takes a tenth of one processor."""
_AGAIN = 24 * 3600.0


class Patrol:
    """The verification of one bot's record. ``damaged_at`` is the first event that does not fit, or None."""

    def __init__(self, store: Store, metrics: Metrics, *, monotonic: Callable[[], float], every: float) -> None:
        self.damaged_at: int | None = None
        self._store = store
        self._metrics = metrics
        self._monotonic = monotonic
        self._every = every
        self._last = FIRST
        self._furthest = 0

    async def run(self) -> None:
        """Verify until there is damage, or for as long as the task lives."""
        began = self._monotonic()
        while self.damaged_at is None:
            more = False
            with suppress(StoreError):  # what is wrong with the file is told elsewhere
                more = await self._step()
            if not more and self._monotonic() - began >= _AGAIN:
                self._last, began = FIRST, self._monotonic()
            await asyncio.sleep(min(_BREATHER, self._every) if more else self._every)

    async def _step(self) -> bool:
        """Verify the next events; return True if there may be more."""
        last = self._last
        self._last, damaged_at, more = await self._store.read(lambda tables: _walk(tables, last))
        self._furthest = max(self._furthest, self._last.seq)
        self._metrics.verified.set(self._furthest)
        if damaged_at is not None:
            self.damaged_at = damaged_at
            self._metrics.damaged.set(1)
            log.error("record_damaged", event_number=damaged_at)
        return more


def _walk(tables: Tables, last: Event) -> tuple[Event, int | None, bool]:
    """Return the last event that follows, the number of the first one that does not, and whether there may be more."""
    # With the last one again: somebody may have cut the end off, and others may have been written in its place.
    found = tables.record.after(max(last.seq - 1, 0), _AT_ONCE + 1)
    if last.seq and (not found or found.pop(0).hash != last.hash):
        return last, last.seq, False
    for event in found:
        if not event.follows(last):
            return last, event.seq, False
        last = event
    return last, None, len(found) >= _AT_ONCE
