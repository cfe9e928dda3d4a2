"""How long look-ups and verifying take as the record grows, and what one commit costs."""

import asyncio
import re
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from bot.domain.audit import Event, Kind, timestamp, verify
from bot.domain.delivery import Fate, Receipt
from bot.domain.lookup import Lookup
from bot.domain.policy import Standing
from bot.store import Store, Transaction, open_reader
from bot.store.reading import Page
from bot.workflow import Accepted, Rules, Workflow

START = datetime(2026, 1, 1, tzinfo=UTC)


async def fill(path: Path, events: int) -> None:
    """A record of so many events about half as many cancellations, by a hundred people, with a sound chain."""
    store = Store(path)
    await store.open()

    def use(tx: Transaction) -> None:
        last = tx.last_event()
        rows: list[Event] = []
        for number in range(1, events // 2 + 1):
            at = timestamp(START + timedelta(seconds=number))
            for kind, actor in ((Kind.REQUESTED, f"U{number % 100}"), (Kind.APPROVED, f"U{number % 7}A")):
                last = Event(
                    last.seq + 1, at, kind, f"{number:016x}", f"ord_{number}", actor, '{"reason":"bench"}', last.hash,
                ).sealed()  # fmt: skip
                rows.append(last)
        db = tx._db
        # The guard on each insert is measured elsewhere; here it would only cost minutes.
        guard = db.execute("SELECT sql FROM sqlite_master WHERE name = 'audit_events_only_append'").fetchone()[0]
        db.execute("DROP TRIGGER audit_events_only_append")
        db.conn.executemany("INSERT INTO audit_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.execute(guard)
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO cancellations"
            " (id, order_id, reason, requester, state, approvals_required, requested_at, expires_at, changed_at,"
            "  form_id, card_channel)"
            " SELECT printf('%016x', i), 'ord_' || i, 'bench', 'U' || (i % 100), 'cancelled', 1,"
            "  at, at, at, 'V' || i, 'C1'"
            " FROM (SELECT i, strftime('%Y-%m-%dT%H:%M:%S', ?, i || ' seconds') || '.000Z' AS at FROM n)",
            [events // 2, START.strftime("%Y-%m-%d %H:%M:%S")],
        )
        db.execute(
            "INSERT INTO decisions SELECT number, 'U' || (number % 7) || 'A', 'approve', '', requested_at, requested_at"
            " FROM cancellations",
        )
        for owed in ("card", "card_update", "reply"):
            db.execute(
                "INSERT INTO deliveries (id, number, kind, event_seq, target, status, owed_at, next_at)"
                " SELECT id || ?, number, ?, 2 * number, 'C1', 'delivered', requested_at, requested_at"
                " FROM cancellations",
                [owed, owed],
            )

    await store.transaction("fill", use)
    await store.close()


def look_ups(path: Path, events: int) -> dict[str, Any]:
    """Median milliseconds of each look-up's page, and events verified a second."""
    number = events // 4
    at = START + timedelta(seconds=number)
    asked = {
        "latest": Lookup(),
        "person": Lookup(person="U3A"),
        "time": Lookup(since=at, until=at + timedelta(hours=1)),
        "person and time": Lookup(person="U3A", since=at, until=at + timedelta(hours=1)),
    }
    row: dict[str, Any] = {"events": events}
    with open_reader(path) as (reader, _):
        order = Lookup(order_id=f"ord_{number}")
        pages: dict[str, Callable[[], Page[Any]]] = {
            name: partial(reader.find, wanted) for name, wanted in asked.items()
        }
        pages |= {"order": partial(reader.find, order), "story of an order": partial(reader.story, order)}
        for name, page in pages.items():
            times = []
            for _ in range(21):
                began = time.perf_counter()
                found = page()
                times.append((time.perf_counter() - began) * 1000)
                assert found.items
            row[f"{name} ms"] = statistics.median(times)
        began = time.perf_counter()
        assert verify(reader.events()).damage is None
        row["verified a second"] = events / (time.perf_counter() - began)
    return row


async def card_cost(path: Path) -> float:
    """Median milliseconds of what is written around the posting of one card: it is claimed, and settled."""
    store = Store(path)
    await store.open()
    at = datetime.now(UTC)
    rules = Rules(1, False, timedelta(hours=1), re.compile(r".*"))
    workflow = Workflow(store, rules, now=lambda: at)
    times = []
    for number in range(21):
        asked = await workflow.request(
            form_id=f"F{number}", order_id=f"new_{number}", reason="bench", requester="UANN", name="ann", channel="C1",
            standing=Standing.MEMBER,
        )  # fmt: skip
        assert isinstance(asked, Accepted)
        began = time.perf_counter()
        (owed,) = (await workflow.claim("bench", attempts=1, deliveries=1)).owed
        await workflow.record_delivery(owed.delivery, Receipt(Fate.DELIVERED, "C1", "1.1", ""))
        times.append((time.perf_counter() - began) * 1000)
    await store.close()
    return statistics.median(times)


async def commit_cost(path: Path) -> float:
    """Median milliseconds of one small transaction, from the event loop and back."""
    store = Store(path)
    await store.open()
    times = []
    for _ in range(200):
        began = time.perf_counter()
        await store.transaction("commit", lambda tx: tx.record(Kind.STARTED, "bot", START))
        times.append((time.perf_counter() - began) * 1000)
    await store.close()
    return statistics.median(times)


def growth(folder: Path, sizes: list[int]) -> list[dict[str, Any]]:
    """One row for each size of the record."""
    rows = []
    for size in sizes:
        path = folder / f"{size}.db"
        asyncio.run(fill(path, size))
        rows.append(look_ups(path, size) | {"card written down ms": asyncio.run(card_cost(path))})
        path.unlink()
    return rows
