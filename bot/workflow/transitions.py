"""The steps that end a cancellation, each with its event and the messages it owes."""

from datetime import datetime

from bot.domain.audit import BOT
from bot.domain.cancellation import Cancellation, State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import (
    Cancelled,
    Expired,
    Failed,
    Refused,
    Rejected,
    SettledCancelled,
    SettledNotCancelled,
    Unknown,
    Withdrawn,
)
from bot.store import Tables

Ending = (
    Cancelled | Refused | Failed | Unknown | Rejected | Withdrawn | Expired | SettledCancelled | SettledNotCancelled
)


def end(tx: Tables, cancellation: Cancellation, ending: Ending, actor: str, at: datetime) -> None:
    """Step to the state that this event names, and owe the news to the card, its thread and the requester.

    Raises AssertionError if no step leads there, which is a fault of the caller's.
    """
    # The events that end a cancellation have the names of the states they lead to.
    if not tx.cancellations.move(cancellation, State(ending.kind), at=at):
        msg = f"{cancellation.id}: no step from {cancellation.state} to {ending.kind}"
        raise AssertionError(msg)
    event = tx.record.append(ending, actor, at, cancellation)
    tx.deliveries.enqueue(cancellation, DeliveryKind.CARD_UPDATE, event, at)
    tx.deliveries.enqueue(cancellation, DeliveryKind.REPLY, event, at)
    if actor != cancellation.requester:
        tx.deliveries.enqueue(cancellation, DeliveryKind.DIRECT_MESSAGE, event, at)


def expire(tx: Tables, cancellation: Cancellation, at: datetime) -> None:
    """End a pending request whose time is over."""
    end(tx, cancellation, Expired(), BOT, at)
