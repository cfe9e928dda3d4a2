"""The bot's own verification of its record: all of it once after each start and again each day, and each new event.

It recomputes the chain of hashes a few events at a time, and lets other work pass in between. As soon as it has seen
the last event about a request, it holds the tables against all of that request's events. When it has seen everything,
it looks at the definitions, the people's names and what is owed about no request. ``audit verify`` proves more, such as
the pages of the file and the words about no request. The writer itself checks the last seal.

While bots are replaced one after another, the newest start is of another version. What does not fit then may be what
that version writes and this one cannot read, so only the chain counts as damage: the other bots verify the rest.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import structlog

from bot import __version__
from bot.domain.audit import FIRST, Event
from bot.domain.events import Started
from bot.metrics import Metrics
from bot.store import Store, StoreError, StoreProblem, Tables

log = structlog.get_logger(__name__)

_AT_ONCE = 200
"""Events of one read, which take about ten milliseconds with their requests."""
_BREATHER = 0.1
"""Seconds between two reads of a record that is still behind: the verification takes a tenth of one processor."""
_AGAIN = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Step:
    """The result of one read. ``last`` is the last event that follows."""

    last: Event
    damaged_at: int | None = None
    """The first event that does not fit, or None."""
    more: bool = False
    """True where more events may follow."""
    backwards_at: int = 0
    """The first event with an earlier time than the one before it, or 0."""


class Patrol:
    """The verification of one bot's record. ``damaged_at`` is the first event that does not fit, or None.

    ``stop`` gets its number: nothing may be sent to the gateway before somebody has looked. It is called until it does
    not raise a StoreError. ``idle`` returns as soon as nobody waits for an acknowledgement, or has waited for long.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        *,
        stop: Callable[[int], Awaitable[None]],
        idle: Callable[[], Awaitable[None]],
        monotonic: Callable[[], float],
        every: float,
    ) -> None:
        self.damaged_at: int | None = None
        self._store = store
        self._metrics = metrics
        self._stop = stop
        self._idle = idle
        self._monotonic = monotonic
        self._every = every
        self._last = FIRST
        self._furthest = 0
        self._whole = True
        """True until everything was seen once since the start, or since the beginning of this day's verification."""

    async def run(self) -> None:
        """Verify until there is damage, or for as long as the task lives."""
        began = self._monotonic()
        wrong_at: int | None = None
        while wrong_at is None:
            more = False
            try:
                more = await self._step()
            except StoreError as error:  # what is wrong with the file is told elsewhere
                if error.problem is StoreProblem.HISTORY_LOST:
                    # What is left is sound. The store says by itself that it has lost something.
                    wrong_at = int(error.about.removeprefix("#"))
                    break
            wrong_at = self.damaged_at
            if not more and self._monotonic() - began >= _AGAIN:
                self._last, self._whole, began = FIRST, True, self._monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_BREATHER, self._every) if more else self._every):
                    await self._store.history_lost.wait()  # other bots may go on with what is left
        while True:
            with suppress(StoreError):
                await self._stop(wrong_at)
                return
            await asyncio.sleep(self._every)

    async def _step(self) -> bool:
        """Verify the next events; return True if there may be more."""
        last = self._last
        await self._idle()
        found = await self._store.read(lambda tables: _walk(tables, last))
        if found is None:
            # Where a standby has taken over that was behind, nothing can be written any more.
            await self._store.transaction("look", lambda _: None)
            found = _Step(last, last.seq)
        if self._whole and not found.more and found.damaged_at is None:
            if not await self._store.read(_rest_is_sound):
                found = replace(found, damaged_at=found.last.seq)
            self._whole = False
        self._last = found.last
        self._store.rely_on(found.last)
        if found.backwards_at > self._furthest:
            log.warning("record_time_backwards", event_number=found.backwards_at)
        self._furthest = max(self._furthest, self._last.seq)
        self._metrics.verified.set(self._furthest)
        if found.damaged_at is not None:
            self._found_damage(found.damaged_at)
        return found.more

    def _found_damage(self, event_number: int) -> None:
        self.damaged_at = event_number
        self._metrics.damaged.set(1)
        log.error("record_damaged", event_number=event_number)


def _walk(tables: Tables, last: Event) -> _Step | None:
    """Verify the events after the last one, and the requests of which they are the last; None if that one is gone."""
    found = tables.record.behind(last, _AT_ONCE)
    if found is None:
        return None
    walked = [last, *found]
    for before, event in pairwise(walked):
        if not event.follows(before):
            return _Step(before, event.seq)
    last = walked[-1]
    backwards = (event.seq for before, event in pairwise(walked) if event.at < before.at)
    # A request is compared once, with its last event: one of fifty orders has hundreds of them.
    contradicted = tables.projections.contradicted({each.request for each in found if each.request}, last.seq)
    if contradicted is not None and _is_left_to_another(tables, contradicted):
        contradicted = None
    return _Step(last, contradicted, len(found) >= _AT_ONCE, next(backwards, 0))


def _rest_is_sound(tables: Tables) -> bool:
    sound = not tables.connection.altered() and tables.projections.apart_is_sound()
    return sound or _is_left_to_another(tables, tables.record.last().seq)


def _is_left_to_another(tables: Tables, event_number: int) -> bool:
    """Return True, and tell it, where the newest start is of another version: only that one can judge what this is."""
    started = tables.record.latest(Started)
    # Not by its dataclass, as another version may say more of a start.
    version = json.loads(started.data).get("version", "") if started is not None else __version__
    if version != __version__:
        log.warning("record_left_to_another_version", version=version, event_number=event_number)
    return bool(version != __version__)
