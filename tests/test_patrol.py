"""The bot's own verification of its record."""

import asyncio
from collections.abc import Callable

import pytest
import structlog

from bot import health, patrol
from bot.domain.audit import BOT, Event
from bot.domain.events import Stopped
from bot.in_flight import InFlight
from bot.metrics import Metrics
from bot.patrol import Patrol
from bot.store import Store, StoreError, StoreProblem, Tables
from tests.clock import Clock
from tests.postgres import Cluster


class Walk:
    """A patrol over a store, two events at a time, on a clock that the test moves."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock, self.metrics = store, clock, Metrics()
        self.stopped: list[int] = []
        self.patrol = Patrol(
            store, self.metrics, stop=self._stop, idle=InFlight().idle, monotonic=clock.monotonic, every=0.001
        )
        self.task = asyncio.create_task(self.patrol.run())

    async def _stop(self, event_number: int) -> None:
        self.stopped.append(event_number)
        if len(self.stopped) == 1:
            raise StoreError(StoreProblem.DISK_FULL, self.store.place)  # the bot tries it again

    async def until(self, look: Callable[[], bool]) -> None:
        """Wait until this is so."""
        async with asyncio.timeout(10):
            while not look():  # noqa: ASYNC110 -- nothing else tells
                await asyncio.sleep(0.001)

    def value(self, name: str) -> float | None:
        """Return a metric."""
        return self.metrics.registry.get_sample_value(f"cancel_desk_{name}")


async def append(store: Store, clock: Clock, count: int = 1) -> None:
    """Put so many events on record."""

    def work(tx: Tables) -> None:
        for _ in range(count):
            tx.record.append(Stopped(), BOT, clock())

    await store.transaction("append", work)


async def forge(store: Store, statement: str) -> None:
    """Change the file in spite of its guards."""

    def work(tx: Tables) -> None:
        guards = tx.connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        for name, _ in guards:
            tx.connection.execute(f"DROP TRIGGER {name}")
        tx.connection.execute(statement)
        for _, sql in guards:
            tx.connection.execute(sql)

    await store.transaction("forge", work)


@pytest.fixture
async def walk(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """Return a patrol that has verified everything."""
    monkeypatch.setattr(patrol, "_AT_ONCE", 2)
    await append(store, clock, 6)
    walk = Walk(store, clock)
    await walk.until(lambda: walk.value("record_verified_event") == 6)
    return walk


async def test_new_events_are_verified_as_they_come(walk: Walk) -> None:
    """A sound record has no damage, and the work goes on."""
    await append(walk.store, walk.clock, 3)
    await walk.until(lambda: walk.value("record_verified_event") == 9)
    assert walk.value("record_damaged") == 0
    assert walk.patrol.damaged_at is None
    walk.task.cancel()


async def test_a_new_event_that_does_not_follow_is_damage(walk: Walk) -> None:
    """The log has one line, and the work is done: everything after it is worth nothing."""
    with structlog.testing.capture_logs() as logs:
        await forge(
            walk.store,
            "INSERT INTO audit_events SELECT 7, at, kind, request, order_id, actor, data, prev_hash, hash"
            " FROM audit_events WHERE seq = 6",
        )
        async with asyncio.timeout(10):
            await walk.task
    assert walk.patrol.damaged_at == 7
    assert walk.stopped == [7, 7]
    assert walk.value("record_damaged") == 1
    assert [(line["event"], line["event_number"]) for line in logs] == [("record_damaged", 7)]


async def test_a_record_that_was_cut_is_damage(walk: Walk) -> None:
    """The bot has seen the events that are gone."""
    await forge(walk.store, "DELETE FROM audit_events WHERE seq > 4")
    async with asyncio.timeout(10):
        await walk.task
    assert walk.patrol.damaged_at == 6


async def test_an_end_that_was_replaced_is_damage(walk: Walk) -> None:
    """The bot has seen other events than those that are there now, though these follow from each other."""

    def work(tx: Tables) -> None:
        guards = tx.connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        for name, _ in guards:
            tx.connection.execute(f"DROP TRIGGER {name}")
        tx.connection.execute("DELETE FROM audit_events WHERE seq > 5")
        for _, sql in guards:
            tx.connection.execute(sql)
        for _ in range(2):
            tx.record.append(Stopped(), "U0OLGA", walk.clock())

    await walk.store.transaction("forge", work)
    async with asyncio.timeout(10):
        await walk.task
    assert walk.patrol.damaged_at == 6


async def test_an_old_event_that_was_edited_is_found_within_a_day(walk: Walk) -> None:
    """Everything is verified again, though the head stays as it is."""
    await forge(walk.store, "UPDATE audit_events SET actor = 'U1' WHERE seq = 3")
    walk.clock.advance(days=1)
    async with asyncio.timeout(10):
        await walk.task
    assert walk.patrol.damaged_at == 3
    assert walk.value("record_verified_event") == 6


async def test_trouble_of_the_file_is_no_damage(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read for a while says nothing about the record."""
    tried = asyncio.Event()

    async def fail(*_: object) -> None:
        tried.set()
        raise StoreError(StoreProblem.DISK_FULL, walk.store.path)

    with monkeypatch.context() as patched:
        patched.setattr(walk.store, "read", fail)
        async with asyncio.timeout(10):
            await tried.wait()
    await append(walk.store, walk.clock)
    await walk.until(lambda: walk.value("record_verified_event") == 7)
    walk.task.cancel()


async def test_a_time_that_runs_backwards_is_told_once(walk: Walk) -> None:
    """It is no damage: somebody may have set the clock. But the record must not hide it."""
    with structlog.testing.capture_logs() as logs:
        walk.clock.advance(hours=-1)
        await append(walk.store, walk.clock)
        await walk.until(lambda: walk.value("record_verified_event") == 7)
        walk.clock.advance(days=2)  # all of it is verified again
        await append(walk.store, walk.clock)
        await walk.until(lambda: walk.value("record_verified_event") == 8)
    walk.task.cancel()
    told = [line["event_number"] for line in logs if line["event"] == "record_time_backwards"]
    assert (told, walk.patrol.damaged_at) == ([7], None)


def test_an_event_follows_only_as_it_was_written() -> None:
    """Its number, the hash before it and its own hash must fit."""
    first = Event(1, "t", "stopped", "", "", BOT, "{}", "0" * 64).sealed()
    second = Event(2, "t", "stopped", "", "", BOT, "{}", first.hash).sealed()
    assert second.follows(first)
    assert not second._replace(actor="U1").follows(first)
    assert not second._replace(seq=3).sealed().follows(first)
    assert not second._replace(prev_hash="1" * 64).sealed().follows(first)


def test_damage_has_words() -> None:
    """The note in /readyz names the event and what to do."""
    assert health.record_damaged(7) == (
        "the record is damaged, or the tables contradict it, at event 7: run audit verify, and keep the database for"
        " inspection"
    )


async def test_a_server_that_lost_what_the_bot_had_only_read_gets_nothing_more(postgres: Cluster, clock: Clock) -> None:
    """Another bot wrote it, and a standby that was behind has taken over: the record is whole, but not the same."""
    server = postgres.new()
    other, store = Store(server), Store(server)
    await other.open()
    await store.open()
    walk = Walk(store, clock)
    await append(other, clock)
    with postgres.loses(server):
        await append(other, clock)
        await walk.until(lambda: walk.value("record_verified_event") == 2)
        await other.close()
    async with asyncio.timeout(10):
        await walk.task
    assert walk.stopped == [2, 2]
    # What is left is sound, so nobody reads that the record is damaged.
    assert (walk.patrol.damaged_at, walk.value("record_damaged")) == (None, 0)
    with pytest.raises(StoreError) as refused:
        await append(store, clock)
    assert refused.value.problem is StoreProblem.HISTORY_LOST
    await store.close()
