"""What happens, inside one transaction, before and after a call to the gateway."""

from datetime import datetime
from http import HTTPStatus

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import BOT, Kind
from bot.domain.cancellation import Cancellation, State
from bot.domain.delivery import DeliveryKind
from bot.store import Attempt, Transaction
from bot.workflow.ending import end, expire
from bot.workflow.rules import Rules

_INTERRUPTED = Answer(Outcome.UNKNOWN, repeat=True, message="the bot was stopped before the answer came")


def settle(
    tx: Transaction, rules: Rules, due: Cancellation, worker: str, at: datetime, *, spread: float
) -> Attempt | None:
    """Do what a cancellation is due for; the attempt that was begun, if the gateway is to be called now.

    A pending request past its time expires. A call whose worker died counts as an answer lost.
    """
    match due.state:
        case State.PENDING:
            expire(tx, due, at)
        case State.SENDING:
            lost = tx.attempt_under_way(due)
            assert lost is not None
            conclude(tx, rules, lost, _INTERRUPTED, at, spread=spread)
        case _:
            number = due.attempts + 1
            until = at + rules.attempt_lease
            tx.move(due, State.SENDING, at=at, next_at=until, attempts=number, claimed_by=worker)
            tx.record(Kind.SENDING, BOT, at, due, attempt=number)
            return tx.begin_attempt(due, at)
    return None


def conclude(
    tx: Transaction,
    rules: Rules,
    attempt: Attempt,
    answer: Answer,
    at: datetime,
    *,
    spread: float,
) -> State | None:
    """Write down what an attempt proved; the state that it leads to, or None if that comes too late to count.

    ``spread`` is the share by which the pause before the next attempt is longer.
    """
    cancellation = tx.cancellation(attempt.cancellation_id)
    assert cancellation is not None
    if cancellation.state is not State.SENDING:
        return None
    lost = tx.answer_was_lost(cancellation)
    if not tx.end_attempt(attempt.id, answer, at):
        return None
    said = {
        "attempt": cancellation.attempts,
        "outcome": answer.outcome,
        "http_status": answer.http_status,
        "code": answer.code,
        "message": answer.message,
        "request_id": answer.request_id,
        "cancelled_at": answer.cancelled_at,
    }
    state = _state_after(answer, lost=lost, attempts_left=rules.max_attempts - cancellation.attempts)
    if state is State.APPROVED:
        pause = rules.pause(cancellation.attempts, answer.retry_after, rules.longest_pause, spread)
        tx.move(cancellation, state, at=at, next_at=at + pause, detail=answer.message)
        event = tx.record(Kind.REPEATING, BOT, at, cancellation, **said)
        tx.owe(cancellation, DeliveryKind.CARD_UPDATE, event, at)
        return state
    confirmed = state is State.CANCELLED and answer.outcome is Outcome.REFUSED
    end(
        tx,
        cancellation,
        state,
        BOT,
        at,
        detail=answer.message,
        **said,
        confirmed_by_repeat=confirmed or None,
        use_refund=answer.use_refund or None,
        already_cancelled=(answer.already_cancelled and not confirmed) or None,
    )
    return state


def _state_after(answer: Answer, *, lost: bool, attempts_left: int) -> State:
    """The state that an answer leads to; ``lost`` tells that an earlier attempt may have taken effect."""
    match answer.outcome:
        case Outcome.CANCELLED:
            return State.CANCELLED
        case Outcome.REFUSED if lost and answer.already_cancelled:
            # Ours was lost and now it is cancelled already: that was us, or it is what we wanted anyway.
            return State.CANCELLED
        case Outcome.REFUSED if lost and not answer.use_refund and answer.http_status != HTTPStatus.NOT_FOUND:
            # A no that does not say how the order stands may be the echo of our own lost success.
            return State.UNKNOWN
        case Outcome.REFUSED:
            return State.REFUSED
        case Outcome.NOT_SENT | Outcome.UNKNOWN:
            if answer.repeat and attempts_left > 0:
                return State.APPROVED
            return State.UNKNOWN if lost or answer.outcome is Outcome.UNKNOWN else State.FAILED
