"""Counting what waits, for the metrics."""

from datetime import timedelta

from bot.domain.audit import BOT
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import BackedUp, Requested, Stopped
from bot.store import Store, Tables
from bot.store.levels import Owed
from tests.clock import Clock
from tests.store.rows import add, again, brought

AT = Clock().at
MINUTE = timedelta(minutes=1)


async def test_an_empty_file_owes_nothing(store: Store) -> None:
    """There is no oldest of none."""

    def look(tables: Tables) -> tuple[object, ...]:
        levels = tables.levels
        return levels.pending(), levels.unknown(), levels.failed(AT), levels.owed(3)

    assert await store.read(look) == ((0, None), 0, [], Owed(0, 0, None))


async def test_the_requests_that_wait_are_counted(store: Store) -> None:
    """Those that are decided do not wait, and the oldest of the others counts."""

    def work(tx: Tables) -> tuple[int, object]:
        first, second = add(tx, AT, "ord_1", form="V1"), add(tx, AT + MINUTE, "ord_2", form="V2")
        for request, due in ((first, AT), (second, AT + MINUTE)):
            tx.connection.execute("UPDATE requests SET due_at = ? WHERE id = ?", (due.isoformat(), request.id))
        brought(tx, again(tx, first), State.REJECTED, at=AT + MINUTE)
        return tx.levels.pending()

    assert await store.transaction("work", work) == (1, AT + MINUTE)


async def test_the_orders_that_wait_for_a_person_are_counted(store: Store) -> None:
    """Failed ones are of a time, and count no longer once somebody asks for the order again."""

    def work(tx: Tables) -> tuple[int, list[int], list[int], list[int]]:
        first = brought(tx, add(tx, AT), State.APPROVED, State.SENDING, State.FAILED, at=AT)
        brought(tx, add(tx, AT, "ord_2", form="V2"), State.APPROVED, State.SENDING, State.UNKNOWN, at=AT)
        found, later = tx.levels.failed(AT), tx.levels.failed(AT + MINUTE)
        assert found == [first.cancellation.number]
        add(tx, AT + MINUTE, "ord_1", form="V3")
        return tx.levels.unknown(), found, later, tx.levels.failed(AT)

    assert await store.transaction("work", work) == (1, [1], [], [])


async def test_the_outbox_is_counted(store: Store) -> None:
    """What Slack refused often enough is blocked; what is delivered, and a look for copies, is owed to nobody."""

    def work(tx: Tables) -> list[Owed]:
        request = add(tx, AT)
        event = tx.record.append(Requested(orders=("ord_1",)), "U1", AT, request)
        tx.deliveries.enqueue(request, DeliveryKind.CARD, event, AT)
        found = [tx.levels.owed(2)]
        for number in (1, 2):
            at = AT + number * MINUTE
            delivery = tx.deliveries.claim("w", at, MINUTE)
            assert delivery is not None
            tx.deliveries.postpone(delivery, Receipt(DeliveryOutcome.BLOCKED, problem="not_in_channel"), at)
            found.append(tx.levels.owed(2))
        delivery = tx.deliveries.claim("w", AT + 3 * MINUTE, MINUTE)
        assert delivery is not None
        tx.deliveries.settle(delivery, Receipt(DeliveryOutcome.DELIVERED, "C1", "1.0"), AT + 3 * MINUTE)
        tx.deliveries.enqueue_copies(delivery.position, AT, AT, MINUTE)
        return [*found, tx.levels.owed(2)]

    assert await store.transaction("work", work) == [Owed(1, 0, AT), Owed(1, 0, AT), Owed(1, 1, AT), Owed(0, 0, None)]


async def test_the_record_is_read_from_an_event_on(store: Store) -> None:
    """In its order, a few at a time, and the latest event of a kind is found."""

    def work(tx: Tables) -> None:
        for content in (BackedUp(0, "a"), Stopped(), BackedUp(2, "b"), Stopped()):
            tx.record.append(content, BOT, AT)
        assert [event.seq for event in tx.record.after(1, 2)] == [2, 3]
        assert tx.record.after(4, 2) == []
        latest = tx.record.latest(BackedUp)
        assert latest is not None
        assert latest.content == BackedUp(2, "b")
        assert tx.record.latest(Requested) is None

    await store.transaction("work", work)
