"""The store: one writer, transactions that share a commit, readers beside them, and a clean end."""

import asyncio
import sqlite3
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from bot.domain.audit import BOT, Event
from bot.domain.events import Started
from bot.domain.policy import Actor
from bot.store import Store, StoreError, StoreProblem, Tables, verify
from tests.clock import Clock
from tests.postgres import ON_SQLITE
from tests.writer import Writer, busy

AT = datetime(2026, 11, 23, tzinfo=UTC)


def started(tx: Tables) -> Event:
    """Put a start on record."""
    return tx.record.append(Started("1"), BOT, datetime.now(UTC))


async def names(store: Store, *people: str) -> dict[str, str]:
    """Return the names of these people, as readers see them."""
    return await store.read(lambda tables: tables.people.names(people))


async def keep(store: Store, person: str, name: str) -> None:
    """Keep the name of this person."""
    await store.transaction(person, lambda tx: tx.people.remember(Actor(person, name), AT))


async def test_an_exception_undoes_everything(store: Store, clock: Clock) -> None:
    """A transaction that fails leaves nothing behind, and the next one works."""

    def work(tx: Tables) -> None:
        tx.people.remember(Actor("U1", "one"), AT)
        tx.record.append(Started("1"), BOT, clock())

    def fail(tx: Tables) -> None:
        work(tx)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await store.transaction("fail", fail)
    assert await store.read(lambda tables: list(tables.record.all())) == []
    await store.transaction("work", work)
    assert (await store.read(verify)).events == 2
    assert await names(store, "U1") == {"U1": "one"}


@ON_SQLITE
async def test_transactions_that_wait_share_a_commit(store: Store, writer: Writer) -> None:
    """Those that come while another one is being committed cost one commit more together, not one each."""
    statements: list[str] = []
    writer.sqlite.database.conn.set_trace_callback(statements.append)
    await asyncio.gather(*(store.transaction("one", started) for _ in range(20)))
    assert 1 <= statements.count("COMMIT") < 20
    assert await store.read(lambda tables: tables.record.last().seq) == 20


async def test_a_failing_transaction_undoes_itself_and_no_other(store: Store) -> None:
    """Of those that share a commit, only the writes of the one that raised are gone."""

    def failing(tx: Tables) -> None:
        tx.people.remember(Actor("U2", "two"), AT)
        raise LookupError("two")

    async with busy(store):
        before = asyncio.create_task(keep(store, "U1", "one"))
        broken = asyncio.create_task(store.transaction("two", failing))
        after = asyncio.create_task(keep(store, "U3", "three"))
        await asyncio.sleep(0)
    with pytest.raises(LookupError, match="two"):
        await broken
    await asyncio.gather(before, after)
    assert await names(store, "U1", "U2", "U3") == {"U1": "one", "U3": "three"}


@ON_SQLITE
async def test_a_commit_that_fails_fails_for_everybody_who_shares_it(
    store: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reads that something was kept when the disk did not take it."""

    def fail() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    def spoil(tx: Tables) -> None:
        tx.people.remember(Actor("U0", "zero"), AT)
        monkeypatch.setattr(writer, "commit", fail)

    async with busy(store):
        asked = [asyncio.create_task(store.transaction("spoil", spoil))]
        asked += [asyncio.create_task(keep(store, f"U{number}", "one")) for number in (1, 2)]
        await asyncio.sleep(0)
    results = await asyncio.gather(*asked, return_exceptions=True)
    failed = [(result.problem, result.unsure) for result in results if isinstance(result, StoreError)]
    assert failed == [(StoreProblem.DISK_FAILING, True)] * 3
    monkeypatch.undo()
    await keep(store, "U3", "three")
    assert await names(store, "U0", "U1", "U2", "U3") == {"U3": "three"}


async def test_a_transaction_that_nobody_waits_for_any_more_is_not_begun(store: Store) -> None:
    """A person who left before the writer came to it has read an error, so nothing may happen later."""
    async with busy(store):
        left = asyncio.create_task(keep(store, "U1", "one"))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
    await keep(store, "U2", "two")
    assert await names(store, "U1", "U2") == {"U2": "two"}


async def test_each_commit_is_reported_by_the_names_of_its_transactions(database: Path) -> None:
    """A transaction that raised is not among them."""
    committed: list[str] = []
    store = Store(database, on_commit=committed.append)
    await store.open()
    await keep(store, "U1", "one")
    with pytest.raises(ZeroDivisionError):
        await store.transaction("fail", lambda _: 1 // 0)
    await keep(store, "U2", "two")
    await store.close()
    assert committed == ["U1", "U2"]


async def test_a_reader_sees_one_state_while_others_write(store: Store) -> None:
    """A look-up that takes several statements never sees a half of what happened in between."""
    reading, written = threading.Event(), threading.Event()

    def look(tables: Tables) -> tuple[int, int]:
        before = tables.record.last().seq
        reading.set()
        written.wait()
        return before, tables.record.last().seq

    looking = asyncio.create_task(store.read(look))
    while not reading.is_set():  # noqa: ASYNC110 -- the reader is another thread
        await asyncio.sleep(0)
    await store.transaction("write", started)
    written.set()
    assert await looking == (0, 0)
    assert await store.read(lambda tables: tables.record.last().seq) == 1


async def test_a_reader_cannot_write(store: Store) -> None:
    """A write in a reader's transaction is refused by the engine itself."""
    with pytest.raises(StoreError, match=r"readonly|read-only"):
        await store.read(started)


async def test_a_second_opener_is_refused_while_the_first_lives(database: Path) -> None:
    """Two bots on one file would do everything twice."""
    store, second, third = Store(database), Store(database), Store(database)
    await store.open()
    with pytest.raises(StoreError) as refused:
        await second.open()
    assert (refused.value.problem, refused.value.path) == (StoreProblem.BUSY, database)
    await second.close()
    await store.close()
    await third.open()
    await third.close()


async def test_a_clean_stop_leaves_everything_in_the_one_file(database: Path) -> None:
    """After a stop, copying the database file alone loses nothing: the log beside it is gone."""
    store = Store(database)
    await store.open()
    await store.probe()
    await store.read(lambda tables: tables.record.last())
    await store.close()
    assert {path.name for path in database.parent.iterdir()} == {database.name}


async def test_everything_after_the_close_is_refused_because_of_the_stop(database: Path) -> None:
    """A late listener that meets a closed file sends nobody to the backup."""
    store = Store(database)
    await store.open()
    await store.close()
    for late in (store.probe(), store.read(lambda tables: tables.record.last()), store.transaction("late", started)):
        with pytest.raises(StoreError) as refused:
            await late
        assert refused.value.problem is StoreProblem.CLOSED


@pytest.mark.parametrize("others", [0, 2])
async def test_somebody_who_read_an_error_while_the_work_went_on_is_not_kept(store: Store, others: int) -> None:
    """Until the commit begins, nothing is kept for a person who went away; those who share the commit lose nothing."""
    began, goes_on = threading.Event(), threading.Event()

    def slow(tx: Tables) -> None:
        tx.people.remember(Actor("U0", "zero"), AT)
        began.set()
        goes_on.wait(5)

    async with busy(store):
        away = asyncio.create_task(store.transaction("slow", slow))
        rest = [
            asyncio.create_task(store.transaction("other", partial(remember, f"U{number}")))
            for number in range(1, others + 1)
        ]
        await asyncio.sleep(0)
    while not began.is_set():  # noqa: ASYNC110 -- the writer is another thread
        await asyncio.sleep(0)
    away.cancel()
    with pytest.raises(asyncio.CancelledError):
        await away
    goes_on.set()
    await asyncio.gather(*rest)
    await store.transaction("after", lambda _: None)
    assert await names(store, "U0", "U1", "U2") == {f"U{number}": f"U{number}" for number in range(1, others + 1)}


def remember(person: str, tx: Tables) -> None:
    """Keep a name that is the person's id."""
    tx.people.remember(Actor(person, person), AT)
