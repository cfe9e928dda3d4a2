"""The time that look-ups and verification take as the record grows, and the cost of one commit."""

import asyncio
import re
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from bot.domain.audit import BOT, Event, timestamp, verify
from bot.domain.delivery import DeliveryOutcome, Receipt
from bot.domain.events import Approved, Content, Requested, Started, to_json
from bot.domain.lookup import Lookup
from bot.domain.policy import Actor, Membership, Verdict
from bot.store import Page, Store, Tables, open_reader
from bot.workflow import Rules, Wish, Workflow

START = datetime(2026, 1, 1, tzinfo=UTC)


async def fill(path: Path, events: int) -> None:
    """Write a sound record of so many events about half as many cancellations, by a hundred people."""
    store = Store(path)
    await store.open()

    def work(tables: Tables) -> None:
        db = tables.connection
        last = tables.record.last()
        # The guard on each insert is measured elsewhere; here it would only cost minutes.
        ((guard,),) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'audit_events_only_append'")
        db.execute("DROP TRIGGER audit_events_only_append")
        contents: tuple[Content, ...] = (Requested(reason="bench"), Approved(1, 1))
        data = [to_json(content) for content in contents]
        for number in range(1, events // 2 + 1):
            at = timestamp(START + timedelta(seconds=number))
            for content, text, actor in zip(contents, data, (f"U{number % 100}", f"U{number % 7}A"), strict=True):
                last = Event(
                    last.seq + 1, at, content.kind, f"{number:016x}", f"ord_{number}", actor, text, last.hash,
                ).sealed()  # fmt: skip
                db.execute("INSERT INTO audit_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", last)
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
            "INSERT INTO decisions (number, approver, choice, reason, at, requested_at)"
            " SELECT number, 'U' || (number % 7) || 'A', 'approve', '', requested_at, requested_at FROM cancellations",
        )
        # As many people as cancellations: in a large company everybody types the command once.
        db.execute("INSERT INTO people (id, name) SELECT 'P' || number, 'person.' || number FROM cancellations")
        for kind in ("card", "card_update", "reply"):
            db.execute(
                "INSERT INTO deliveries (id, number, kind, event_seq, target, status, enqueued_at, due_at)"
                " SELECT id || ?, number, ?, 2 * number, 'C1', 'delivered', requested_at, requested_at"
                " FROM cancellations",
                [kind, kind],
            )

    await store.transaction("fill", work)
    await store.close()


def look_ups(path: Path, events: int) -> dict[str, Any]:
    """Return the median milliseconds of each look-up's page, and the number of events verified a second."""
    number = events // 4
    at = START + timedelta(seconds=number)
    asked = {
        "latest": Lookup(),
        "person": Lookup(person="U3A"),
        "time": Lookup(since=at, until=at + timedelta(hours=1)),
        "person and time": Lookup(person="U3A", since=at, until=at + timedelta(hours=1)),
    }
    row: dict[str, Any] = {"events": events}
    with open_reader(path) as tables:
        order = Lookup(order_id=f"ord_{number}")
        pages: dict[str, Callable[[], Page[Any]]] = {
            name: partial(tables.lookups.find, wanted) for name, wanted in asked.items()
        }
        pages |= {
            "order": partial(tables.lookups.find, order),
            "story of an order": partial(tables.lookups.story, order),
        }
        for name, page in pages.items():
            times = []
            for _ in range(21):
                began = time.perf_counter()
                found = page()
                times.append((time.perf_counter() - began) * 1000)
                assert found.items
            row[f"{name} ms"] = statistics.median(times)
        began = time.perf_counter()
        assert verify(tables.record.all()).damage is None
        row["verified a second"] = events / (time.perf_counter() - began)
    return row


async def card_cost(path: Path) -> float:
    """Return the median milliseconds of the writes around the posting of one card: its claim and its result."""
    store = Store(path)
    await store.open()
    at = datetime.now(UTC)
    rules = Rules(1, False, timedelta(hours=1), re.compile(r".*"))
    workflow = Workflow(store, rules, now=lambda: at, wake=asyncio.Event())
    ann = Actor("UANN", "ann", requester=Membership.MEMBER)
    times = []
    for number in range(21):
        wish = Wish(form_id=f"F{number}", order_id=f"new_{number}", reason="bench", channel="C1")
        assert (await workflow.request(wish, ann)).verdict is Verdict.ALLOWED
        began = time.perf_counter()
        (claimed,) = (await workflow.claim("bench", calls=1, messages=1)).deliveries
        await workflow.record_delivery(claimed.delivery, Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1", ""))
        times.append((time.perf_counter() - began) * 1000)
    await store.close()
    return statistics.median(times)


async def commit_cost(path: Path) -> float:
    """Return the median milliseconds of one small transaction, from the event loop and back."""
    store = Store(path)
    await store.open()
    times = []
    for _ in range(200):
        began = time.perf_counter()
        await store.transaction("commit", lambda tables: tables.record.append(Started("bench"), BOT, START))
        times.append((time.perf_counter() - began) * 1000)
    await store.close()
    return statistics.median(times)


def growth(folder: Path, sizes: list[int]) -> list[dict[str, Any]]:
    """Return a row for each size of the record."""
    rows = []
    for size in sizes:
        path = folder / f"{size}.db"
        asyncio.run(fill(path, size))
        rows.append(look_ups(path, size) | {"card written down ms": asyncio.run(card_cost(path))})
        path.unlink()
    return rows
