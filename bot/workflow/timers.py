"""Following a step of the machine's clock, inside one transaction."""

from datetime import datetime, timedelta

from bot.domain.audit import BOT, timestamp
from bot.domain.cancellation import State
from bot.domain.events import ExpiryMoved
from bot.domain.request import Request
from bot.store import Tables
from bot.workflow.transitions import show


def shift(tx: Tables, step: timedelta, at: datetime, *, made_after: int) -> None:
    """Let everything that waits go on waiting as long as it would have; ``at`` is the new time.

    Pending requests with numbers up to ``made_after`` keep their time.
    """
    tx.timers.shift(step, made_after)
    for request in tx.requests.pending():
        if request.number > made_after:
            expiry_moved(tx, request, at)
    for request in tx.requests.waiting():
        # Cards and receipts say when the gateway is asked again.
        if any(each.state is State.APPROVED and each.attempts for each in request.cancellations):
            show(tx, request, tx.record.last(), at)
    # Home tabs say the same, and no event owes them here.
    tx.homes.changed(at)


def show_ages(tx: Tables, step: timedelta, at: datetime) -> None:
    """Show anew what a step of the clock has made too old for Retry, or young enough, now that it is confirmed."""
    for request in (*tx.requests.waiting(), *tx.requests.failed_and_young(min(at, at - step))):
        if request.could_be_retried(at - step) != request.could_be_retried(at):
            show(tx, request, tx.record.last(), at)
    tx.homes.changed(at)


def mend_expiry(tx: Tables, at: datetime, *, made_before: int) -> None:
    """Give each pending request as much time as it was given, where a wrong clock has left it more or less.

    Requests with numbers over ``made_before`` keep their time.
    """
    for request in map(tx.requests.of_number, tx.timers.mend_expiry(at, made_before)):
        assert request is not None
        expiry_moved(tx, request, at)


def expiry_moved(tx: Tables, request: Request, at: datetime) -> None:
    """Put on record when a pending request expires by now, and show it on its card and receipt."""
    event = tx.record.append(ExpiryMoved(timestamp(request.expires_at)), BOT, at, request)
    show(tx, request, event, at)
