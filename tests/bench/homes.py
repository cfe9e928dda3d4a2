"""The cost of the Home tabs: of a change while nobody or many look, and of reading, drawing and opening one tab."""

import asyncio
import re
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.domain.policy import Actor, Membership, Verdict
from bot.slack.views.home import home
from bot.store import Store
from bot.workflow import Rules, Wish, Workflow

_TIMES = 200
_OPEN = 100
"""People who have their tabs open."""


async def homes(path: Path, pending: int) -> dict[str, Any]:
    """Return the median milliseconds of each part, while so many requests wait for a decision."""
    store = Store(path)
    await store.open()
    at = [datetime.now(UTC)]
    rules = Rules(1, False, timedelta(hours=2), re.compile(r".*"))
    workflow = Workflow(store, rules, now=lambda: at[0], wake=asyncio.Event())
    ann = Actor("UANN", "ann", requester=Membership.MEMBER)
    for number in range(pending):
        wish = Wish(form_id=f"F{number}", order_ids=(f"new_{number}",), reason="bench", channel="C1")
        assert (await workflow.request(wish, ann)).verdict is Verdict.ALLOWED
    row: dict[str, Any] = {"pending": pending}

    async def changed() -> float:
        """Return the milliseconds of what an event does for the tabs, without the commit."""

        def work(tx: Any) -> float:
            began = time.perf_counter()
            tx.homes.changed(at[0])
            return (time.perf_counter() - began) * 1000

        at[0] += timedelta(seconds=2)
        return await store.transaction("bench", work)

    row["change, nobody looks ms"] = statistics.median([await changed() for _ in range(_TIMES)])
    for number in range(_OPEN):
        await workflow.home_opened(f"U{number}")
    row[f"change, {_OPEN} look ms"] = statistics.median([await _published(store, at, changed) for _ in range(20)])
    ben = Actor("UBEN", "ben", requester=Membership.MEMBER, approver=Membership.MEMBER, auditor=Membership.OUTSIDER)
    reading, drawing = [], []
    for _ in range(20):
        began = time.perf_counter()
        found = await workflow.home(ben)
        read = time.perf_counter()
        home(found)
        reading.append((read - began) * 1000)
        drawing.append((time.perf_counter() - read) * 1000)
    row |= {"read one tab ms": statistics.median(reading), "draw one tab ms": statistics.median(drawing)}
    opening = []
    for number in range(_TIMES):
        began = time.perf_counter()
        await workflow.home_opened(f"U{number}")
        opening.append((time.perf_counter() - began) * 1000)
    row["open (with its commit) ms"] = statistics.median(opening)
    await store.close()
    return row


async def _published(store: Store, at: list[datetime], changed: Callable[[], Any]) -> float:
    """Return what ``changed`` returns while all tabs are up to date."""

    def publish(tx: Any) -> None:
        for each in tx.homes.claim(at[0], timedelta(minutes=2), room=1000):
            tx.homes.conclude(each, at[0])

    await store.transaction("bench", publish)
    took: float = await changed()
    return took
