"""What follows, inside one transaction, from a try to bring something to Slack."""

from datetime import datetime, timedelta

from bot.domain.audit import BOT, Kind
from bot.domain.cancellation import Cancellation, State
from bot.domain.delivery import Delivery, DeliveryKind, Fate, Receipt
from bot.store import Transaction
from bot.workflow.rules import Rules

_NOT_ITS_FAULT = 50
"""After so many tries a delivery no longer holds up those behind it: then it may be the message itself."""


def conclude(tx: Transaction, rules: Rules, delivery: Delivery, receipt: Receipt, at: datetime) -> timedelta:
    """Write down what became of a delivery; the time for which its channel or person should be spared."""
    cancellation = tx.cancellation(delivery.cancellation_id)
    assert cancellation is not None
    pause = rules.pause(delivery.tries, receipt.retry_after, rules.longest_delivery_pause)
    match receipt.fate:
        case Fate.DELIVERED:
            tx.settle_delivery(delivery, receipt, at)
            if delivery.kind is DeliveryKind.CARD:
                _card_posted(tx, cancellation, receipt, at)
        case Fate.IMPOSSIBLE:
            _abandon(tx, cancellation, delivery, receipt, at)
        case Fate.BLOCKED if delivery.kind is DeliveryKind.CARD and cancellation.state is State.PENDING:
            _tell_blocked(tx, cancellation, receipt, at)
            tx.postpone_delivery(delivery, receipt, at + pause)
        case _ if at - delivery.owed_at > rules.delivery_patience:
            _abandon(tx, cancellation, delivery, receipt, at)
        case Fate.IN_DOUBT if delivery.tries <= _NOT_ITS_FAULT:
            tx.postpone_delivery(delivery, receipt, at)
            return max(pause, rules.breath)
        case Fate.LATER if delivery.tries <= _NOT_ITS_FAULT:
            tx.postpone_delivery(delivery, receipt, at)
            return pause
        case _:
            tx.postpone_delivery(delivery, receipt, at + pause)
    return timedelta(0)


def _card_posted(tx: Transaction, cancellation: Cancellation, receipt: Receipt, at: datetime) -> None:
    tx.place_card(cancellation, receipt)
    event = tx.record(Kind.CARD_POSTED, BOT, at, cancellation, channel=receipt.channel, ts=receipt.ts)
    if cancellation.state is not State.PENDING:
        # It changed while the card was on its way; what it shows may be older than that.
        tx.owe(cancellation, DeliveryKind.CARD_UPDATE, event, at)


def _tell_blocked(tx: Transaction, cancellation: Cancellation, receipt: Receipt, at: datetime) -> None:
    """Tell the requester once that the card cannot be posted, and what to do."""
    if not tx.happened(cancellation, Kind.CARD_BLOCKED):
        channel, problem = cancellation.card_channel, receipt.problem
        event = tx.record(Kind.CARD_BLOCKED, BOT, at, cancellation, channel=channel, problem=problem)
        tx.owe(cancellation, DeliveryKind.DIRECT_MESSAGE, event, at)


def _abandon(tx: Transaction, cancellation: Cancellation, delivery: Delivery, receipt: Receipt, at: datetime) -> None:
    tx.settle_delivery(delivery, receipt, at)
    if delivery.kind is DeliveryKind.CARD:
        tx.abandon_thread(cancellation, at)
    kind, problem = delivery.kind, receipt.problem
    event = tx.record(Kind.DELIVERY_ABANDONED, BOT, at, cancellation, delivery=kind, problem=problem)
    if delivery.kind is DeliveryKind.CARD_UPDATE and cancellation.state.awaits_people:
        # Somebody deleted the card, and with it the only buttons that lead further.
        tx.owe(cancellation, DeliveryKind.CARD, event, at)
    if delivery.kind is DeliveryKind.CARD and cancellation.state.awaits_people:
        tx.owe(cancellation, DeliveryKind.DIRECT_MESSAGE, event, at)
