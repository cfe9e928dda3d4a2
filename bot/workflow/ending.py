"""Steps to a state that people are told of."""

from datetime import datetime

from bot.domain.audit import BOT, Kind
from bot.domain.cancellation import Cancellation, State
from bot.domain.delivery import DeliveryKind
from bot.store import Transaction


def end(
    tx: Transaction,
    cancellation: Cancellation,
    state: State,
    actor: str,
    at: datetime,
    *,
    detail: str | None = None,
    **data: object,
) -> None:
    """Step to ``state``, put it on record, and owe the news: on the card, in its thread, and to the requester.

    Raises AssertionError if no step leads there, which is a fault of the caller's.
    """
    if not tx.move(cancellation, state, at=at, detail=detail):
        msg = f"{cancellation.id}: no step from {cancellation.state} to {state}"
        raise AssertionError(msg)
    event = tx.record(Kind(state), actor, at, cancellation, **data)
    tx.owe(cancellation, DeliveryKind.CARD_UPDATE, event, at)
    tx.owe(cancellation, DeliveryKind.REPLY, event, at)
    if actor != cancellation.requester:
        tx.owe(cancellation, DeliveryKind.DIRECT_MESSAGE, event, at)


def expire(tx: Transaction, cancellation: Cancellation, at: datetime) -> None:
    """End a pending request whose time is over."""
    end(tx, cancellation, State.EXPIRED, BOT, at)


def overdue(cancellation: Cancellation, at: datetime) -> bool:
    """Whether a pending request is past its time, also if the worker has not come to it yet."""
    return cancellation.state is State.PENDING and cancellation.expires_at <= at
