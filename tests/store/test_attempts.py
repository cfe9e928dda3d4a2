"""Calls to the gateway: kept before they are made, and answered once."""

import pytest

from bot.domain.attempt import AN_OPERATOR_ACTS, Answer, Outcome, Reason
from bot.store import Store, Tables
from tests.clock import Clock
from tests.store.rows import add, again

LOST, AWAY = Answer(Outcome.UNKNOWN), Answer(Outcome.NOT_SENT)
CONFIRMED = Answer(Outcome.CANCELLED, request_id="req_1")


async def test_an_attempt_carries_what_was_approved(store: Store, clock: Clock) -> None:
    """It has the order ID and the reason of its request, and is under way until it is answered."""

    def work(tx: Tables) -> None:
        asked = add(tx, clock())
        assert tx.attempts.under_way(asked) is None
        attempt = tx.attempts.begin(asked, clock())
        assert (attempt.request_id, attempt.order_id, attempt.reason) == (asked.id, "ord_1", "why")
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


async def test_a_confirmation_replaces_an_answer_that_was_believed_lost(store: Store, clock: Clock) -> None:
    """It counts whenever it comes, once; no other answer does."""

    def work(tx: Tables) -> None:
        asked = add(tx, clock())
        attempt = tx.attempts.begin(asked, clock())
        refused = Answer(Outcome.REFUSED, reason=Reason.COMPLETED)
        answers = [LOST, AWAY, refused, LOST, CONFIRMED, CONFIRMED, LOST]
        kept = [tx.attempts.end(attempt, answer, clock()) for answer in answers]
        assert kept == [True, False, False, False, True, False, False]
        assert again(tx, asked).cancellation.last_answer == CONFIRMED
        assert not tx.attempts.any_unclear(asked)

    await store.transaction("attempt", work)


@pytest.mark.parametrize(
    "answer", [AWAY, Answer(Outcome.REFUSED, reason=Reason.NO_SUCH_ORDER), Answer(Outcome.CANCELLED)], ids=str
)
async def test_a_clear_answer_is_not_replaced(store: Store, clock: Clock, answer: Answer) -> None:
    """The proof of an attempt stays, also where a confirmation comes after it."""

    def work(tx: Tables) -> None:
        asked = add(tx, clock())
        attempt = tx.attempts.begin(asked, clock())
        assert tx.attempts.end(attempt, answer, clock())
        assert not tx.attempts.end(attempt, CONFIRMED, clock())
        assert again(tx, asked).cancellation.last_answer == answer

    await store.transaction("attempt", work)


async def test_attempts_are_numbered_for_each_request(store: Store, clock: Clock) -> None:
    """The number counts over all retries, and other requests do not matter."""

    def work(tx: Tables) -> None:
        asked, other = add(tx, clock()), add(tx, clock(), "ord_2", form="V2")
        attempts = []
        for _ in range(3):
            tx.attempts.begin(other, clock())
            attempts.append(tx.attempts.begin(asked, clock()))
        assert [tx.attempts.number(each, asked) for each in attempts] == [1, 2, 3]

    await store.transaction("attempts", work)


async def test_one_unclear_answer_is_remembered_for_its_own_request(store: Store, clock: Clock) -> None:
    """A lost answer counts however many clear ones follow; those of other orders do not count."""

    def work(tx: Tables) -> None:
        asked, other = add(tx, clock()), add(tx, clock(), "ord_2", form="V2")
        for answer in (LOST, AWAY):
            tx.attempts.end(tx.attempts.begin(asked, clock()), answer, clock())
        tx.attempts.begin(other, clock())
        assert tx.attempts.any_unclear(asked)
        assert not tx.attempts.any_unclear(other)

    await store.transaction("attempts", work)


@pytest.mark.parametrize("reason", sorted(AN_OPERATOR_ACTS))
async def test_a_gateway_that_takes_no_call_is_known_until_one_gets_through(
    store: Store, clock: Clock, reason: Reason
) -> None:
    """A call that was lost, or that did not reach it, says nothing about that; a refusal of an order does."""
    denied = Answer(Outcome.NOT_SENT, reason=reason)
    refused = Answer(Outcome.REFUSED, reason=Reason.COMPLETED)

    def work(tx: Tables) -> None:
        asked = add(tx, clock())
        said = []
        for answer in (LOST, denied, LOST, AWAY, CONFIRMED, denied, refused):
            assert tx.attempts.end(tx.attempts.begin(asked, clock()), answer, clock())
            said.append(tx.attempts.turned_away())
        there = (reason, clock())
        assert said == [None, there, there, there, None, there, None]

    await store.transaction("attempt", work)
