"""Calls to the gateway: kept before they are made, and answered once."""

from bot.domain.attempt import Answer, Outcome
from bot.store import Store, Tables
from tests.clock import Clock
from tests.store.rows import add

LOST, AWAY = Answer(Outcome.UNKNOWN), Answer(Outcome.NOT_SENT)


async def test_an_attempt_carries_what_was_approved(store: Store, clock: Clock) -> None:
    """It has the order ID and the reason of its cancellation, and is under way until it is answered."""

    def work(tx: Tables) -> None:
        asked = add(tx, clock())
        assert tx.attempts.under_way(asked) is None
        attempt = tx.attempts.begin(asked, clock())
        assert (attempt.cancellation_id, attempt.order_id, attempt.reason) == (asked.id, "ord_1", "why")
        assert tx.attempts.under_way(asked) == attempt
        assert tx.attempts.end(attempt, AWAY, clock())
        assert tx.attempts.under_way(asked) is None

    await store.transaction("attempt", work)


async def test_an_answer_is_kept_once(store: Store, clock: Clock) -> None:
    """A second answer to the same attempt changes nothing."""

    def work(tx: Tables) -> None:
        asked = add(tx, clock())
        attempt = tx.attempts.begin(asked, clock())
        assert [tx.attempts.end(attempt, answer, clock()) for answer in (AWAY, LOST)] == [True, False]
        assert not tx.attempts.any_unclear(asked)

    await store.transaction("attempt", work)


async def test_one_unclear_answer_is_remembered_for_its_own_cancellation(store: Store, clock: Clock) -> None:
    """A lost answer counts however many clear ones follow; those of other orders do not count."""

    def work(tx: Tables) -> None:
        asked, other = add(tx, clock()), add(tx, clock(), "ord_2", form="V2")
        for answer in (LOST, AWAY):
            tx.attempts.end(tx.attempts.begin(asked, clock()), answer, clock())
        tx.attempts.begin(other, clock())
        assert tx.attempts.any_unclear(asked)
        assert not tx.attempts.any_unclear(other)

    await store.transaction("attempts", work)
