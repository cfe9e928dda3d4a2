"""The outbox: order, leases, and messages that may be in Slack already."""

from datetime import timedelta

from bot.domain.audit import BOT
from bot.domain.cancellation import Cancellation
from bot.domain.delivery import Delivery, DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import Requested
from bot.store import Store, Tables
from bot.store.connection import Row
from tests.clock import Clock
from tests.store.rows import add

CARD, UPDATE, REPLY, DIRECT = DeliveryKind
LEASE = timedelta(minutes=2)


def enqueue(tx: Tables, cancellation: Cancellation, clock: Clock, *kinds: DeliveryKind) -> None:
    """Queue these, with an event for them to report."""
    event = tx.record.append(Requested(), BOT, clock(), cancellation)
    for kind in kinds:
        tx.deliveries.enqueue(cancellation, kind, event, clock())


def claim(tx: Tables, clock: Clock, *not_to: str) -> Delivery | None:
    """Claim the next delivery for two minutes."""
    return tx.deliveries.claim("w", clock(), LEASE, not_to=not_to)


def claimed(tx: Tables, clock: Clock) -> Delivery:
    """Claim the next delivery, which must be there."""
    delivery = claim(tx, clock)
    assert delivery is not None
    return delivery


async def test_a_thread_keeps_its_order_and_direct_messages_do_not_wait_for_it(store: Store, clock: Clock) -> None:
    """While the card is under way nothing else of its thread is claimed."""

    def work(tx: Tables) -> None:
        enqueue(tx, add(tx, clock()), clock, CARD, UPDATE, REPLY, DIRECT)
        card = claimed(tx, clock)
        direct = claimed(tx, clock)
        assert (card.kind, card.target, direct.kind, direct.target) == (CARD, "C1", DIRECT, "U1")
        assert claim(tx, clock) is None
        tx.deliveries.settle(card, Receipt(DeliveryOutcome.DELIVERED), clock())
        assert claimed(tx, clock).kind is UPDATE

    await store.transaction("claim", work)


async def test_threads_do_not_wait_for_each_other(store: Store, clock: Clock) -> None:
    """The card of one request goes out while that of another is under way; a target to spare gets nothing."""

    def work(tx: Tables) -> None:
        for number in (1, 2):
            enqueue(tx, add(tx, clock(), f"ord_{number}", form=f"V{number}"), clock, CARD, DIRECT)
        assert [claimed(tx, clock).position for _ in range(2)] == [1, 2]
        skipped = claim(tx, clock, "C1", "U9")
        assert skipped is not None
        assert skipped.kind is DIRECT
        assert claim(tx, clock, "C1", "U1") is None
        assert claimed(tx, clock).kind is CARD

    await store.transaction("claim", work)


async def test_one_update_serves_all_changes_until_a_worker_begins_it(store: Store, clock: Clock) -> None:
    """An update that is queued is not queued twice; one that is under way may be too early, so another follows."""

    def work(tx: Tables) -> list[Row]:
        asked = add(tx, clock())
        enqueue(tx, asked, clock, UPDATE, UPDATE)
        claimed(tx, clock)
        enqueue(tx, asked, clock, UPDATE, UPDATE)
        return tx.connection.execute("SELECT kind FROM deliveries")

    assert await store.transaction("updates", work) == [("card_update",)] * 2


async def test_replies_are_each_queued(store: Store, clock: Clock) -> None:
    """Every reply and every direct message reports an event of its own."""

    def work(tx: Tables) -> list[Row]:
        enqueue(tx, add(tx, clock()), clock, REPLY, REPLY, DIRECT, DIRECT)
        return tx.connection.execute("SELECT kind FROM deliveries")

    assert len(await store.transaction("replies", work)) == 4


async def test_a_delivery_whose_lease_has_lapsed_is_claimed_again(store: Store, clock: Clock) -> None:
    """It is one try more, and since its first try it may be in Slack."""
    began = clock()

    def work(tx: Tables) -> None:
        enqueue(tx, add(tx, clock()), clock, CARD)
        first = claimed(tx, clock)
        assert (first.tries, first.in_doubt_since) == (1, None)
        clock.advance(119.9)
        assert claim(tx, clock) is None
        clock.advance(0.1)
        second = claimed(tx, clock)
        assert (second.id, second.tries, second.in_doubt_since) == (first.id, 2, began)
        clock.advance(60)
        assert claim(tx, clock) is None
        clock.advance(60)
        assert claimed(tx, clock).in_doubt_since == began

    await store.transaction("lapse", work)


async def test_a_postponed_delivery_is_due_at_its_new_time(store: Store, clock: Clock) -> None:
    """Its lease is over at once; only a try that may have got through leaves it in doubt."""
    began = clock()

    def work(tx: Tables) -> None:
        enqueue(tx, add(tx, clock()), clock, CARD)
        doubtful = Receipt(DeliveryOutcome.IN_DOUBT, problem="timeout", in_doubt=True)
        tx.deliveries.postpone(claimed(tx, clock), doubtful, clock() + timedelta(seconds=5))
        assert claim(tx, clock) is None
        clock.advance(5)
        second = claimed(tx, clock)
        assert second.in_doubt_since == began
        tx.deliveries.postpone(second, Receipt(DeliveryOutcome.LATER, problem="ratelimited"), clock())
        third = claimed(tx, clock)
        assert (third.tries, third.in_doubt_since) == (3, None)

    await store.transaction("postpone", work)


async def test_ended_leases_are_due_at_the_time_given(store: Store, clock: Clock) -> None:
    """After a restart a dead worker's delivery waits a moment; one that nobody held stays due."""

    def work(tx: Tables) -> None:
        enqueue(tx, add(tx, clock()), clock, CARD)
        enqueue(tx, add(tx, clock(), "ord_2", form="V2"), clock, DIRECT)
        assert claimed(tx, clock).kind is CARD
        tx.deliveries.end_leases(clock() + timedelta(seconds=3))
        assert claimed(tx, clock).kind is DIRECT
        assert claim(tx, clock) is None
        clock.advance(3)
        assert claimed(tx, clock).kind is CARD

    await store.transaction("end leases", work)


async def test_a_settled_delivery_says_where_its_message_is(store: Store, clock: Clock) -> None:
    """Delivered or abandoned, it is never claimed again."""

    def work(tx: Tables) -> list[Row]:
        enqueue(tx, add(tx, clock()), clock, CARD, DIRECT)
        tx.deliveries.settle(claimed(tx, clock), Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1"), clock())
        impossible = Receipt(DeliveryOutcome.IMPOSSIBLE, problem="user_not_found")
        tx.deliveries.settle(claimed(tx, clock), impossible, clock())
        clock.advance(days=1)
        assert claim(tx, clock) is None
        return tx.connection.execute("SELECT status, channel, ts, problem, lease_until, claimed_by FROM deliveries")

    assert await store.transaction("settle", work) == [
        ("delivered", "C1", "1.1", "", None, None),
        ("abandoned", "", "", "user_not_found", None, None),
    ]


async def test_an_abandoned_thread_leaves_direct_messages(store: Store, clock: Clock) -> None:
    """Without the card nothing below it can be posted, but the requester can still get a message."""

    def work(tx: Tables) -> None:
        asked, other = add(tx, clock()), add(tx, clock(), "ord_2", form="V2")
        enqueue(tx, asked, clock, CARD, UPDATE, REPLY, DIRECT)
        enqueue(tx, other, clock, CARD)
        claimed(tx, clock)
        tx.deliveries.abandon_thread(asked, clock())
        left = [claimed(tx, clock) for _ in range(2)]
        assert [(each.kind, each.cancellation_id) for each in left] == [(DIRECT, asked.id), (CARD, other.id)]
        assert claim(tx, clock) is None

    await store.transaction("abandon", work)


async def test_every_delivery_has_an_id_of_its_own(store: Store, clock: Clock) -> None:
    """The id in a message's metadata finds that message and no other."""

    def work(tx: Tables) -> list[str]:
        enqueue(tx, add(tx, clock()), clock, *[REPLY] * 50)
        return [row[0] for row in tx.connection.execute("SELECT id FROM deliveries")]

    ids = await store.transaction("many", work)
    assert len(set(ids)) == 50
    assert {len(each) for each in ids} == {32}
