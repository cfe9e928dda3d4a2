"""The steps that end a request, each with its event and the messages it owes."""

from datetime import datetime

from bot.domain.audit import BOT, Event
from bot.domain.cancellation import MAY_BE_CANCELLED, State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Content, Expired, Requested, StoppedTrying
from bot.domain.projection import Ending, leads_to, messages_owed
from bot.domain.request import Request
from bot.store import Tables


def end(tx: Tables, request: Request, ending: Ending, actor: str, at: datetime) -> None:
    """Step to the state that this event leads to, and owe the news to the card, its thread and the requester.

    The whole of a pending request ends like that; of a decided one it is about one order. The card and receipt of a
    newer request for the same order show some of these states as well, and those of other ones offer Retry by them.
    So they are owed the news too.

    Raises AssertionError if no step leads there, which is a fault of the caller's.
    """
    state = leads_to(ending)
    if request.state is State.PENDING:
        moved = tx.requests.move(request, state, at=at)
    else:
        moved = tx.cancellations.move(request.cancellation, state, at=at)
    if not moved:
        msg = f"{request.id}: no step from {request.state} to {ending.kind}"
        raise AssertionError(msg)
    event = tx.record.append(ending, actor, at, request)
    show(tx, request, event, at)
    if state in MAY_BE_CANCELLED:
        newer = tx.requests.open_of(request.cancellation.order_id)
        if newer is not None and newer.state is State.PENDING:
            show(tx, newer, event, at)
    if not state.open:
        show_others(tx, request, event, at)
    owe_messages(tx, request, event, ending, at)


def show_others(tx: Tables, request: Request, event: Event, at: datetime) -> None:
    """Let the cards of other requests for the same orders show whether Retry is possible there.

    Where the beginning of a request was shown, its end is shown too, though it be too late for Retry by then.
    """
    # The clock may have been ahead when somebody asked.
    since = min(request.requested_at, at)
    for other in tx.requests.to_retry_beside(request):
        if other.could_be_retried(since):
            show(tx, other, event, at)


def show(tx: Tables, request: Request, event: Event, at: datetime) -> None:
    """Let the card and the receipt show what an event has changed."""
    for kind in (DeliveryKind.CARD_UPDATE, DeliveryKind.RECEIPT_UPDATE):
        tx.deliveries.enqueue(request, kind, event, at)


def owe_messages(
    tx: Tables, request: Request, event: Event, content: Content, at: datetime, *, receipt_at: datetime | None = None
) -> None:
    """Owe the new messages that people must get about an event: by the rule that a verification demands them.

    A receipt goes out at ``receipt_at`` at the latest.
    """
    # Nobody has been asked about a new request.
    under_way = not isinstance(content, Requested) and tx.cancellations.under_way(request)
    # The request may be narrowed to one order; only of a stop it matters how many there are.
    several = isinstance(content, StoppedTrying) and tx.requests.sizes([request.id])[request.id] > 1
    for kind in messages_owed(content, event.actor, request.requester, under_way=under_way, several=several):
        tx.deliveries.enqueue(request, kind, event, at, due_at=receipt_at if kind is DeliveryKind.RECEIPT else None)


def expire(tx: Tables, request: Request, at: datetime) -> None:
    """End a pending request whose time is over."""
    end(tx, request, Expired(), BOT, at)
