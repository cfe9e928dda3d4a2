"""The moment at which the worker must act next."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from bot.domain.audit import BOT
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import Requested
from bot.store import Store, Tables
from tests.clock import Clock
from tests.store.rows import add

LEASE = timedelta(minutes=2)


def _pending(tx: Tables, at: datetime) -> timedelta:
    add(tx, at)
    return timedelta(hours=1)


def _to_be_sent(tx: Tables, at: datetime) -> timedelta:
    tx.requests.move(add(tx, at), State.APPROVED, at=at, due_at=at + timedelta(minutes=5))
    return timedelta(minutes=5)


def _being_sent(tx: Tables, at: datetime) -> timedelta:
    asked = add(tx, at)
    tx.requests.move(asked, State.APPROVED, at=at, due_at=at)
    approved = tx.requests.get(asked.id)
    assert approved is not None
    tx.cancellations.move(approved.cancellation, State.SENDING, at=at, lease_until=at + LEASE, claimed_by="w")
    return LEASE


def _enqueue(tx: Tables, at: datetime) -> None:
    asked = add(tx, at)
    event = tx.record.append(Requested(("ord_1",)), BOT, at, asked)
    tx.deliveries.enqueue(asked, DeliveryKind.CARD, event, at)


def _being_delivered(tx: Tables, at: datetime) -> timedelta:
    _enqueue(tx, at)
    assert tx.deliveries.claim("w", at, LEASE) is not None
    return LEASE


def _postponed(tx: Tables, at: datetime) -> timedelta:
    _enqueue(tx, at)
    delivery = tx.deliveries.claim("w", at, LEASE)
    assert delivery is not None
    tx.deliveries.postpone(delivery, Receipt(DeliveryOutcome.LATER), at + timedelta(seconds=7))
    return timedelta(seconds=7)


@pytest.mark.parametrize("prepare", [_pending, _to_be_sent, _being_sent, _being_delivered, _postponed])
async def test_the_next_moment_is_the_earliest_time_or_end_of_a_lease(
    store: Store, clock: Clock, prepare: Callable[[Tables, datetime], timedelta]
) -> None:
    """A worker that died is found at the end of its lease, even if nothing else happens until then."""

    def work(tx: Tables) -> None:
        due = clock() + prepare(tx, clock())
        assert tx.next_due(clock()) == due
        assert tx.next_due(due - timedelta(milliseconds=1)) == due

    await store.transaction("due", work)


async def test_a_lease_replaces_the_time_at_which_a_delivery_was_due(store: Store, clock: Clock) -> None:
    """While a worker holds it, nobody needs to look when it was due."""

    def work(tx: Tables) -> None:
        _enqueue(tx, clock() + timedelta(seconds=1))
        assert tx.next_due(clock()) == clock() + timedelta(seconds=1)
        tx.deliveries.claim("w", clock() + timedelta(seconds=1), LEASE)
        assert tx.next_due(clock()) == clock() + timedelta(seconds=1) + LEASE

    await store.transaction("due", work)


async def test_the_past_is_not_the_next_moment(store: Store, clock: Clock) -> None:
    """Something that is due already has no moment of its own, nor has an empty store."""

    def work(tx: Tables) -> None:
        assert tx.next_due(clock()) is None
        add(tx, clock())
        assert tx.next_due(clock() + timedelta(hours=1)) is None

    await store.transaction("due", work)
