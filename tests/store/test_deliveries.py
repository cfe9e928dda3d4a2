"""The outbox: order, leases, and messages that may be in Slack already."""

from collections.abc import Collection
from datetime import timedelta

from bot.domain.audit import BOT
from bot.domain.delivery import Delivery, DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import Requested
from bot.domain.request import Request
from bot.store import Store, Tables
from bot.store.connection import Row
from tests.clock import Clock
from tests.store.rows import add

CARD, UPDATE, REPLY, DIRECT, RECEIPT, RECEIPT_UPDATE, *_ = DeliveryKind
BLOCKED = Receipt(DeliveryOutcome.BLOCKED, problem="not_in_channel")
LEASE = timedelta(minutes=2)


def enqueue(tx: Tables, request: Request, clock: Clock, *kinds: DeliveryKind) -> None:
    """Queue these, with an event for them to report."""
    event = tx.record.append(Requested(("ord_1",)), BOT, clock(), request)
    for kind in kinds:
        tx.deliveries.enqueue(request, kind, event, clock())


def claim(tx: Tables, clock: Clock, *not_to: str, held: Collection[int] = ()) -> Delivery | None:
    """Claim the next delivery for two minutes."""
    return tx.deliveries.claim("w", clock(), LEASE, not_to=not_to, held=held)


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


async def test_a_receipt_waits_for_its_time_or_for_what_its_update_would_tell(store: Store, clock: Clock) -> None:
    """So it has the link to the card at once; it goes out without it where the card takes too long."""

    def work(tx: Tables) -> None:
        asked, other = add(tx, clock()), add(tx, clock(), "ord_2", form="V2")
        soon = clock() + timedelta(seconds=10)
        for each in (asked, other):
            event = tx.record.append(Requested(each.order_ids), BOT, clock(), each)
            tx.deliveries.enqueue(each, RECEIPT, event, clock(), due_at=soon)
        assert claim(tx, clock) is None
        enqueue(tx, other, clock, RECEIPT_UPDATE)
        receipt = claimed(tx, clock)
        assert (receipt.kind, receipt.request_id, receipt.target) == (RECEIPT, other.id, "U1")
        assert claim(tx, clock) is None
        clock.advance(seconds=10)
        assert claimed(tx, clock).request_id == asked.id

    await store.transaction("receipts", work)


async def test_news_does_not_hurry_a_receipt_that_slack_has_put_off(store: Store, clock: Clock) -> None:
    """After a try it is Slack that the receipt waits for."""

    def work(tx: Tables) -> None:
        asked = add(tx, clock())
        enqueue(tx, asked, clock, RECEIPT)
        limited = Receipt(DeliveryOutcome.LATER, problem="ratelimited", retry_after=60.0)
        tx.deliveries.postpone(claimed(tx, clock), limited, clock() + timedelta(minutes=1))
        enqueue(tx, asked, clock, RECEIPT_UPDATE)
        assert claim(tx, clock) is None

    await store.transaction("put off", work)


async def test_a_receipt_that_slack_refuses_holds_up_no_result(store: Store, clock: Clock) -> None:
    """The result waits until the receipt was tried once, and then goes out before it; its updates wait for it."""

    def work(tx: Tables) -> None:
        enqueue(tx, add(tx, clock()), clock, RECEIPT, DIRECT)
        receipt = claimed(tx, clock)
        in_doubt = Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True)
        tx.deliveries.postpone(receipt, in_doubt, clock() + timedelta(minutes=1))
        assert claimed(tx, clock).kind is DIRECT
        assert claim(tx, clock) is None
        clock.advance(minutes=1)
        assert claimed(tx, clock).kind is RECEIPT

    await store.transaction("refused", work)


async def test_an_update_of_the_receipt_holds_up_no_result_and_waits_for_the_receipt(
    store: Store, clock: Clock
) -> None:
    """A message that may be in Slack already is brought up to date once its place is known."""

    def work(tx: Tables) -> None:
        asked = add(tx, clock())
        enqueue(tx, asked, clock, RECEIPT)
        receipt = claimed(tx, clock)
        enqueue(tx, asked, clock, RECEIPT_UPDATE, RECEIPT_UPDATE, DIRECT)
        direct = claimed(tx, clock)
        assert (direct.kind, claim(tx, clock)) == (DIRECT, None)
        tx.deliveries.settle(direct, DELIVERED, clock())
        assert tx.deliveries.receipt_place(asked) is None
        tx.deliveries.settle(receipt, Receipt(DeliveryOutcome.DELIVERED, "D1", "1.1"), clock())
        assert tx.deliveries.receipt_place(asked) == ("D1", "1.1")
        update = claimed(tx, clock)
        assert (update.kind, claim(tx, clock)) == (RECEIPT_UPDATE, None)
        enqueue(tx, asked, clock, DIRECT)
        assert claimed(tx, clock).kind is DIRECT

    await store.transaction("updates", work)


async def test_a_receipt_is_updated_only_where_it_may_be_in_slack(store: Store, clock: Clock) -> None:
    """One that waits will show everything by itself, and one that was given up or deleted is nowhere."""

    def updates(tx: Tables, request: Request) -> int:
        sql = "SELECT count(*) FROM deliveries WHERE number = ? AND kind = 'receipt_update'"
        enqueue(tx, request, clock, RECEIPT_UPDATE)
        return int(tx.connection.execute(sql, (request.number,))[0][0])

    def work(tx: Tables) -> None:
        asked, other = add(tx, clock()), add(tx, clock(), "ord_2", form="V2")
        enqueue(tx, asked, clock, RECEIPT)
        assert (tx.deliveries.receipt_waits(asked), updates(tx, asked)) == (True, 0)
        tx.deliveries.postpone(claimed(tx, clock), BLOCKED, clock())
        assert (tx.deliveries.receipt_waits(asked), updates(tx, asked)) == (True, 0)
        receipt = claimed(tx, clock)
        assert (tx.deliveries.receipt_waits(asked), updates(tx, asked)) == (False, 1)
        tx.deliveries.settle(receipt, DELIVERED, clock())
        tx.deliveries.settle(claimed(tx, clock), GONE, clock())
        assert (tx.deliveries.receipt_waits(asked), updates(tx, asked)) == (False, 1)
        enqueue(tx, other, clock, RECEIPT)
        tx.deliveries.settle(claimed(tx, clock), GONE, clock())
        assert updates(tx, other) == 0

    await store.transaction("where", work)


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
        assert [(each.kind, each.request_id) for each in left] == [(DIRECT, asked.id), (CARD, other.id)]
        assert claim(tx, clock) is None

    await store.transaction("abandon", work)


async def test_what_a_worker_holds_is_not_claimed_by_it(store: Store, clock: Clock) -> None:
    """Its lease is over, yet only another worker claims it; what follows it in its thread waits for it all the same."""

    def work(tx: Tables) -> None:
        enqueue(tx, add(tx, clock()), clock, CARD, REPLY, DIRECT)
        card = claimed(tx, clock)
        clock.advance(minutes=3)
        direct = claim(tx, clock, held=[card.position])
        assert direct is not None
        assert direct.kind is DIRECT
        assert claim(tx, clock, held=[card.position, direct.position]) is None
        assert claimed(tx, clock).position == card.position

    await store.transaction("held", work)


DELIVERED = Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1")
GONE = Receipt(DeliveryOutcome.IMPOSSIBLE, problem="message_not_found")
LATER = Receipt(DeliveryOutcome.LATER, problem="ratelimited")


def two_tries(tx: Tables, clock: Clock, kind: DeliveryKind = CARD) -> tuple[Delivery, Delivery]:
    """Return two tries of the same delivery, the first of which has not ended."""
    enqueue(tx, add(tx, clock()), clock, kind)
    first = claimed(tx, clock)
    clock.advance(minutes=2)
    return first, claimed(tx, clock)


async def test_only_the_newest_try_abandons_or_postpones(store: Store, clock: Clock) -> None:
    """The result of an older one changes nothing."""

    def work(tx: Tables) -> None:
        first, second = two_tries(tx, clock)
        before = tx.connection.execute("SELECT * FROM deliveries")
        assert not tx.deliveries.settle(first, GONE, clock())
        assert not tx.deliveries.postpone(first, LATER, clock())
        assert tx.connection.execute("SELECT * FROM deliveries") == before
        assert tx.deliveries.postpone(second, LATER, clock())
        assert tx.deliveries.settle(claimed(tx, clock), GONE, clock())
        assert not tx.deliveries.postpone(second, LATER, clock())

    await store.transaction("tries", work)


async def test_the_first_message_that_reached_slack_counts(store: Store, clock: Clock) -> None:
    """Whichever try it was; a later receipt changes nothing."""

    def work(tx: Tables) -> None:
        first, second = two_tries(tx, clock)
        assert tx.deliveries.place(first) == ("", "")
        assert tx.deliveries.settle(first, DELIVERED, clock())
        for late in (Receipt(DeliveryOutcome.DELIVERED, "C1", "2.2"), GONE):
            assert not tx.deliveries.settle(second, late, clock())
        assert not tx.deliveries.postpone(second, LATER, clock())
        assert tx.deliveries.place(first) == tx.deliveries.place(second) == ("C1", "1.1")
        clock.advance(days=1)
        assert claim(tx, clock) is None

    await store.transaction("tries", work)


async def test_people_hear_of_each_delivery_once(store: Store, clock: Clock) -> None:
    """Another one has its own turn."""

    def work(tx: Tables) -> None:
        enqueue(tx, add(tx, clock()), clock, CARD, DIRECT)
        card, direct = claimed(tx, clock), claimed(tx, clock)
        told = [tx.deliveries.tell(each, clock()) for each in (card, card, direct, direct, card)]
        assert told == [True, False, True, False, False]

    await store.transaction("tell", work)


async def test_a_card_that_is_seen_is_settled(store: Store, clock: Clock) -> None:
    """Its delivery is done, also one that is under way; other deliveries and other requests are left alone."""

    def work(tx: Tables) -> list[Row]:
        asked, other = add(tx, clock()), add(tx, clock(), "ord_2", form="V2")
        enqueue(tx, asked, clock, CARD, UPDATE, DIRECT)
        enqueue(tx, other, clock, CARD)
        claimed(tx, clock)
        tx.deliveries.settle_seen(asked, CARD, DELIVERED, clock())
        assert claimed(tx, clock).kind is UPDATE
        return tx.connection.execute(
            "SELECT kind, status, ts, in_doubt_since IS NULL FROM deliveries ORDER BY position"
        )

    assert await store.transaction("seen", work) == [
        ("card", "delivered", "1.1", True),
        ("card_update", "queued", "", False),
        ("direct_message", "queued", "", True),
        ("card", "queued", "", True),
    ]


async def test_what_keeps_deliveries_from_slack_is_counted(store: Store, clock: Clock) -> None:
    """By its problem, the most frequent first; neither what was hardly tried nor what is done counts."""

    def try_all(tx: Tables) -> None:
        while (due := claim(tx, clock)) is not None:
            problem = "not_in_channel" if due.position % 2 else "missing_scope"
            blocked = Receipt(DeliveryOutcome.BLOCKED, problem=problem)
            tx.deliveries.postpone(due, blocked, clock() + timedelta(seconds=30))
        clock.advance(30)

    def work(tx: Tables) -> None:
        for number in range(3):
            enqueue(tx, add(tx, clock(), f"ord_{number}", form=f"V{number}"), clock, CARD)
        try_all(tx)
        try_all(tx)
        assert tx.deliveries.stuck(3) == []
        enqueue(tx, add(tx, clock(), "ord_4", form="V4"), clock, CARD)
        for _ in range(2):
            try_all(tx)
            assert tx.deliveries.stuck(3) == [("not_in_channel", 2), ("missing_scope", 1)]
        while (due := claim(tx, clock)) is not None:
            tx.deliveries.settle(due, DELIVERED, clock())
        assert tx.deliveries.stuck(0) == []

    await store.transaction("stuck", work)


async def test_what_slack_refuses_again_and_again_lets_others_go_first(store: Store, clock: Clock) -> None:
    """A new card does not wait for older ones that were tried three times; their own turn comes all the same."""

    def work(tx: Tables) -> list[int]:
        for number in range(2):
            enqueue(tx, add(tx, clock(), f"ord_{number}", form=f"V{number}"), clock, CARD)
        blocked = Receipt(DeliveryOutcome.BLOCKED, problem="missing_scope")
        for _ in range(3):
            for _ in range(2):
                tx.deliveries.postpone(claimed(tx, clock), blocked, clock() + timedelta(seconds=1))
            clock.advance(1)
        enqueue(tx, add(tx, clock(), "ord_3", form="V3"), clock, CARD)
        return [claimed(tx, clock).position for _ in range(3)]

    assert await store.transaction("turns", work) == [3, 1, 2]


async def test_every_delivery_has_an_id_of_its_own(store: Store, clock: Clock) -> None:
    """The id in a message's metadata finds that message and no other."""

    def work(tx: Tables) -> list[str]:
        enqueue(tx, add(tx, clock()), clock, *[REPLY] * 50)
        return [row[0] for row in tx.connection.execute("SELECT id FROM deliveries")]

    ids = await store.transaction("many", work)
    assert len(set(ids)) == 50
    assert {len(each) for each in ids} == {32}
