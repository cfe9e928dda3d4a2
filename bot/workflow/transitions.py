"""The steps that end a cancellation, each with its event and the messages it owes."""

from datetime import datetime

from bot.domain.audit import BOT, Event
from bot.domain.cancellation import MAY_BE_CANCELLED, Cancellation, State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Content, Expired
from bot.domain.projection import Ending, leads_to, messages_owed
from bot.store import Tables


def end(tx: Tables, cancellation: Cancellation, ending: Ending, actor: str, at: datetime) -> None:
    """Step to the state that this event leads to, and owe the news to the card, its thread and the requester.

    The card and receipt of a newer request for the same order show some of these states as well, so they are owed the
    news too.

    Raises AssertionError if no step leads there, which is a fault of the caller's.
    """
    state = leads_to(ending)
    if not tx.cancellations.move(cancellation, state, at=at):
        msg = f"{cancellation.id}: no step from {cancellation.state} to {ending.kind}"
        raise AssertionError(msg)
    event = tx.record.append(ending, actor, at, cancellation)
    show(tx, cancellation, event, at)
    if state in MAY_BE_CANCELLED:
        newer = tx.cancellations.open_of(cancellation.order_id)
        if newer is not None and newer.state is State.PENDING:
            show(tx, newer, event, at)
    owe_messages(tx, cancellation, event, ending, at)


def show(tx: Tables, cancellation: Cancellation, event: Event, at: datetime) -> None:
    """Let the card and the receipt show what an event has changed."""
    for kind in (DeliveryKind.CARD_UPDATE, DeliveryKind.RECEIPT_UPDATE):
        tx.deliveries.enqueue(cancellation, kind, event, at)


def owe_messages(tx: Tables, cancellation: Cancellation, event: Event, content: Content, at: datetime) -> None:
    """Owe the new messages that people must get about an event: by the rule that a verification demands them."""
    for kind in messages_owed(content, event.actor, cancellation.requester):
        tx.deliveries.enqueue(cancellation, kind, event, at)


def expire(tx: Tables, cancellation: Cancellation, at: datetime) -> None:
    """End a pending request whose time is over."""
    end(tx, cancellation, Expired(), BOT, at)
