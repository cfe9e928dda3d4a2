"""The time that look-ups, proofs and verification take as the record grows, and the cost of one commit.

A verification is compared with a floor: the plainest loop that reads every event and computes its hash, on one
processor, without a look at anything else.
"""

import asyncio
import re
import sqlite3
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from bot.domain import merkle
from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import BOT, FIRST, Event, follow, timestamp
from bot.domain.delivery import DeliveryOutcome, Receipt
from bot.domain.events import Approved, Cancelled, CardPosted, Content, Named, Requested, Sending, Started, Stopped
from bot.domain.lookup import Lookup
from bot.domain.policy import NAMED, Actor, Membership, Surface, Verdict
from bot.domain.seal import new_key
from bot.store import Page, Store, Tables, open_reader, verify_all
from bot.store.connection import Connection
from bot.store.record import COLUMNS
from bot.workflow import Patience, Rules, Wish, Workflow

START = datetime(2026, 1, 1, tzinfo=UTC)


EACH = 6
"""Events of one request in ``fill``."""
_ANSWER = Answer(Outcome.CANCELLED, http_status=200, message="The order is cancelled.", request_id="req_1")


async def fill(path: Path, events: int) -> None:
    """Write a sound record of so many events, by a hundred people, with all that the tables hold of them."""
    store = Store(path)
    await store.open()

    def work(tables: Tables) -> None:
        db = tables.connection
        # The guard on each insert is measured elsewhere; here it would only cost minutes.
        ((guard,),) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'audit_events_only_append'")
        db.execute("DROP TRIGGER audit_events_only_append")
        last = FIRST
        for number in range(1, events // EACH + 1):
            last = _cancelled(db, number, last)
        db.execute(guard)

    await store.transaction("fill", work)
    await store.close()


def _cancelled(db: Connection, number: int, last: Event) -> Event:
    """Write one request with its events, and return the last of them."""
    at = timestamp(START + timedelta(seconds=number))
    name, order = f"{number:016x}", f"ord_{number}"
    asker, approver = f"U{number % 100}", f"U{number % 7}A"
    # As many people as requests: in a large company everybody types the command once.
    last = _append(db, last, Named(f"person.{number}"), f"P{number}", at)
    db.execute("INSERT INTO people (id, name) VALUES (?, ?)", (f"P{number}", f"person.{number}"))
    contents: tuple[tuple[Content, str], ...] = (
        (Requested((order,), "bench", "C1", 1, at), asker),
        (CardPosted("C1", f"{number}.1", "https://x"), BOT),
        (Approved(1, 1, NAMED, Surface.CARD), approver),
        (Sending(1), BOT),
        (Cancelled(1, _ANSWER), BOT),
    )
    seqs = []
    for content, actor in contents:
        last = _append(db, last, content, actor, at, request=name, order_id=order)
        seqs.append(last.seq)
    db.execute(
        "INSERT INTO requests (number, id, category, reason, source, requester, approvals_required, requested_at,"
        " expires_at, approval_ttl, form_id, card_channel, card_ts, card_link)"
        " VALUES (?, ?, '', 'bench', '', ?, 1, ?, ?, 0, ?, 'C1', ?, 'https://x')",
        (number, name, asker, at, at, f"V{number}", f"{number}.1"),
    )
    db.execute(
        "INSERT INTO cancellations (number, request, order_id, requester, requested_at, state, changed_at, changed_seq,"
        " attempts) VALUES (?, ?, ?, ?, ?, 'cancelled', ?, ?, 1)",
        (number, number, order, asker, at, at, seqs[-1]),
    )
    db.execute(
        "INSERT INTO decisions (number, approver, choice, order_id, reason, at, requested_at)"
        " VALUES (?, ?, 'approve', '', '', ?, ?)",
        (number, approver, at, at),
    )
    db.execute(
        "INSERT INTO attempts (number, started_at, finished_at, outcome, http_status, message, request_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (number, at, at, _ANSWER.outcome, _ANSWER.http_status, _ANSWER.message, _ANSWER.request_id),
    )
    for kind, seq, target in (
        ("card", seqs[0], "C1"),
        ("receipt", seqs[0], asker),
        ("card_update", seqs[2], "C1"),
        ("receipt_update", seqs[2], asker),
        ("reply", seqs[4], "C1"),
        ("direct_message", seqs[4], asker),
    ):
        db.execute(
            "INSERT INTO deliveries (id, number, kind, event_seq, target, status, enqueued_at, due_at, ts, drawn_seq)"
            " VALUES (?, ?, ?, ?, ?, 'delivered', ?, ?, '1.1', ?)",
            (name + kind, number, kind, seq, target, at, at, seqs[4]),
        )
    return last


def _append(db: Connection, last: Event, content: Content, actor: str, at: str, **about: str) -> Event:
    event, words = follow(last, content, actor, at, **about)
    db.execute("INSERT INTO audit_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", event[:-1])
    for word in words:
        db.execute("INSERT INTO words VALUES (?, ?, ?, ?)", (event.seq, *word))
    return event


def look_ups(path: Path, events: int) -> dict[str, Any]:
    """Return the median milliseconds of each look-up's page, and of the proof of one order before a call."""
    number = events // EACH // 2
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
            assert page().items
            row[f"{name} ms"] = _median(page)
        (order_itself,) = tables.requests.many([number])
        prove = partial(tables.projections.contradiction, order_itself)
        assert prove() is None
        row["proof before a call ms"] = _median(prove)
    return row


def _median(work: Callable[[], object]) -> float:
    """Return the median milliseconds of this."""
    times = []
    for _ in range(21):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def verification(path: Path, events: int) -> dict[str, Any]:
    """Return how many events the floor and `audit verify` check in a second, and how much longer the latter takes.

    They take turns, so that other load on the machine slows both alike.
    """
    times: dict[str, list[float]] = {"floor": [], "verified": []}
    for _ in range(3):
        began = time.perf_counter()
        assert _hashed(path) == events
        between = time.perf_counter()
        found = verify_all(path)
        times["verified"].append(time.perf_counter() - between)
        times["floor"].append(between - began)
        assert (found.damage, found.events) == (None, events)
    floor, verified = (min(each) for each in times.values())
    return {
        "floor a second": events / floor,
        "verified a second": events / verified,
        "times the floor": verified / floor,
    }


def _hashed(path: Path) -> int:
    """Read and hash every event, as plainly as it can be done."""
    count = 0
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        for row in db.execute(f"SELECT {COLUMNS} FROM audit_events ORDER BY seq"):
            sha256("".join(map(str, row)).encode()).hexdigest()
            count += 1
    return count


async def sealing(path: Path, events: int) -> dict[str, Any]:
    """Return what the seals cost on a record of so many events, which was written without a key.

    Milliseconds for the seal of one commit, and for the proof of one event, which is held against the sealed root;
    seconds for the first seal, which covers all that is there; and events that are verified in a second.
    """
    key, at = new_key(), datetime.now(UTC)
    store = Store(path, key=key)
    await store.open()
    began = time.perf_counter()
    started = Started("bench", record_key=key.public.text)
    await store.transaction("start", lambda tables: tables.record.append(started, BOT, at))
    row: dict[str, Any] = {"events": events, "first seal s": time.perf_counter() - began}
    times: list[float] = []

    def work(tables: Tables) -> None:
        tables.record.append(Stopped(), BOT, at)
        began = time.perf_counter()
        tables.seal()
        times.append((time.perf_counter() - began) * 1000)
        tables.record.appended.clear()  # so that the commit does not seal them again

    for _ in range(200):
        await store.transaction("commit", work)
    await store.close()
    row["a commit's seal ms"] = statistics.median(times)
    began = time.perf_counter()
    found = verify_all(path, keys=[key.public])
    row["verified a second"] = found.events / (time.perf_counter() - began)
    assert (found.damage, found.unknown) == (None, ())
    with open_reader(path) as tables:
        sealed = tables.seals.latest()
        assert sealed is not None
        seq, proofs = events // 3, []
        row["a proof ms"] = _median(lambda: proofs.append(tables.seals.proof(seq, sealed.size)))
        read = sealed.tree()
        assert read is not None
        assert merkle.root_by(proofs[0], seq - 1, sealed.size, tables.record.event(seq).hash) == read[1].root
    row["a proof bytes"] = sum(map(len, proofs[0]))
    return row


async def card_cost(path: Path) -> float:
    """Return the median milliseconds of the writes around the posting of one card: its claim and its result."""
    store = Store(path)
    await store.open()
    at = datetime.now(UTC)
    # The pace of a channel is not what is measured.
    patience = Patience(message_every=timedelta(0))
    rules = Rules(1, False, timedelta(hours=1), re.compile(r".*"), patience)
    workflow = Workflow(store, rules, now=lambda: at, wake=asyncio.Event())
    ann = Actor("UANN", "ann", requester=Membership.MEMBER)
    times = []
    for number in range(21):
        wish = Wish(form_id=f"F{number}", order_ids=(f"new_{number}",), reason="bench", channel="C1")
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


async def reminders(path: Path, pending: int) -> dict[str, Any]:
    """Return the median milliseconds of a claim while so many requests are due for a reminder, and after that.

    Each of the first claims reminds of as many requests as one transaction may. After them, everything that they owe is
    queued, and no channel may get a message.
    """
    store = Store(path)
    await store.open()
    at = [datetime.now(UTC)]
    rules = Rules(1, False, timedelta(hours=2), re.compile(r".*"), remind_after=(timedelta(minutes=5),))
    workflow = Workflow(store, rules, now=lambda: at[0], wake=asyncio.Event())
    ann = Actor("UANN", "ann", requester=Membership.MEMBER)
    for number in range(pending):
        wish = Wish(form_id=f"F{number}", order_ids=(f"new_{number}",), reason="bench", channel="C1")
        assert (await workflow.request(wish, ann)).verdict is Verdict.ALLOWED
    at[0] += timedelta(minutes=6)
    row: dict[str, Any] = {"pending": pending}
    for name in ("reminders due ms", "messages waiting ms"):
        times: list[float] = []
        more = True
        while more or len(times) < 21:
            began = time.perf_counter()
            more = (await workflow.claim("bench", calls=100, messages=8, not_to=frozenset({"C1"}))).more
            times.append((time.perf_counter() - began) * 1000)
        row[name] = statistics.median(times)
    await store.close()
    return row


def growth(folder: Path, sizes: list[int]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a row for each size of the record, and one for its seals."""
    rows, seals = [], []
    for size in sizes:
        path = folder / f"{size}.db"
        asyncio.run(fill(path, size))
        events = size // EACH * EACH
        row = look_ups(path, events) | verification(path, events)
        rows.append(row | {"card written down ms": asyncio.run(card_cost(path))})
        with open_reader(path) as tables:
            kept = tables.record.last().seq
        seals.append(asyncio.run(sealing(path, kept)))
        path.unlink()
    return rows, seals
