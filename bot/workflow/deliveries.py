"""The steps before and after a try to bring something to Slack, each inside one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.audit import BOT, Event
from bot.domain.cancellation import Cancellation, State
from bot.domain.delivery import Delivery, DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import CardBlocked, CardPosted, DeliveryAbandoned
from bot.store import Tables
from bot.workflow.rules import Rules

_NOT_ITS_FAULT = 50
"""After so many tries a delivery no longer holds up those behind it: by then it may be the message itself."""


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that a worker claimed, with the cancellation as it is now and the event that it reports."""

    delivery: Delivery
    cancellation: Cancellation
    event: Event


def claim(
    tx: Tables, rules: Rules, worker: str, at: datetime, *, room: int, not_to: frozenset[str]
) -> list[ClaimedDelivery]:
    """Claim up to ``room`` deliveries that are due.

    Nothing is claimed for the channels and people in ``not_to``, and at most one new message for each of the others.
    """
    claimed: list[ClaimedDelivery] = []
    while len(claimed) < room:
        delivery = tx.deliveries.claim(worker, at, rules.patience.delivery_lease, not_to=not_to)
        if delivery is None:
            break
        cancellation = tx.cancellations.get(delivery.cancellation_id)
        assert cancellation is not None
        claimed.append(ClaimedDelivery(delivery, cancellation, tx.record.event(delivery.event_seq)))
        if delivery.kind.is_new_message:
            not_to |= {delivery.target}
    return claimed


def conclude(tx: Tables, rules: Rules, delivery: Delivery, receipt: Receipt, at: datetime) -> timedelta:
    """Keep the result of a try; return the time for which its channel or person must not get anything."""
    cancellation = tx.cancellations.get(delivery.cancellation_id)
    assert cancellation is not None
    pause = rules.patience.before_next_try(delivery.tries, receipt.retry_after)
    match receipt.outcome:
        case DeliveryOutcome.DELIVERED:
            tx.deliveries.settle(delivery, receipt, at)
            if delivery.kind is DeliveryKind.CARD:
                _card_posted(tx, cancellation, receipt, at)
        case DeliveryOutcome.IMPOSSIBLE:
            _abandon(tx, cancellation, delivery, receipt, at)
        case DeliveryOutcome.BLOCKED if delivery.kind is DeliveryKind.CARD and cancellation.state is State.PENDING:
            _report_blocked(tx, cancellation, receipt, at)
            tx.deliveries.postpone(delivery, receipt, at + pause)
        case _ if at - delivery.enqueued_at > rules.patience.delivery_patience:
            _abandon(tx, cancellation, delivery, receipt, at)
        case DeliveryOutcome.IN_DOUBT if delivery.tries <= _NOT_ITS_FAULT:
            # Its whole channel waits, so that everything in it keeps its order.
            tx.deliveries.postpone(delivery, receipt, at)
            return max(pause, rules.patience.settle_delay)
        case DeliveryOutcome.LATER if delivery.tries <= _NOT_ITS_FAULT:
            tx.deliveries.postpone(delivery, receipt, at)
            return pause
        case _:
            tx.deliveries.postpone(delivery, receipt, at + pause)
    return timedelta(0)


def _card_posted(tx: Tables, cancellation: Cancellation, receipt: Receipt, at: datetime) -> None:
    tx.cancellations.place_card(cancellation, receipt)
    event = tx.record.append(CardPosted(channel=receipt.channel, ts=receipt.ts), BOT, at, cancellation)
    if cancellation.state is not State.PENDING:
        # It changed while the card was on its way; the card may show what was true before that.
        tx.deliveries.enqueue(cancellation, DeliveryKind.CARD_UPDATE, event, at)


def _report_blocked(tx: Tables, cancellation: Cancellation, receipt: Receipt, at: datetime) -> None:
    """Tell the requester, once, that the card cannot be posted, and what to do."""
    if not tx.record.has(cancellation, CardBlocked):
        blocked = CardBlocked(channel=cancellation.card_channel, problem=receipt.problem)
        event = tx.record.append(blocked, BOT, at, cancellation)
        tx.deliveries.enqueue(cancellation, DeliveryKind.DIRECT_MESSAGE, event, at)


def _abandon(tx: Tables, cancellation: Cancellation, delivery: Delivery, receipt: Receipt, at: datetime) -> None:
    tx.deliveries.settle(delivery, receipt, at)
    if delivery.kind is DeliveryKind.CARD:
        tx.deliveries.abandon_thread(cancellation, at)
    event = tx.record.append(DeliveryAbandoned(delivery=delivery.kind, problem=receipt.problem), BOT, at, cancellation)
    if not cancellation.state.awaits_people:
        return
    if delivery.kind is DeliveryKind.CARD_UPDATE:
        # Somebody deleted the card, and with it the only buttons that lead further.
        tx.deliveries.enqueue(cancellation, DeliveryKind.CARD, event, at)
    if delivery.kind is DeliveryKind.CARD:
        tx.deliveries.enqueue(cancellation, DeliveryKind.DIRECT_MESSAGE, event, at)
