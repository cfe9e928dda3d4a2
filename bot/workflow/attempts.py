"""The steps before and after a call to the gateway, each inside one transaction."""

from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.attempt import Answer, Attempt, Outcome, Reason, Trouble
from bot.domain.audit import BOT
from bot.domain.cancellation import State
from bot.domain.events import AnsweredLate, Cancelled, Failed, GatewayTrouble, Refused, Repeating, Sending, Unknown
from bot.domain.projection import Contradiction
from bot.domain.request import Request
from bot.store import Tables
from bot.workflow.rules import Rules
from bot.workflow.transitions import end, expire, owe_messages, show
from bot.workflow.waiting import fall_due

_CONTRADICTED = Answer(Outcome.NOT_SENT, trouble=Trouble.RECORD_CONTRADICTS)
_INTERRUPTED = Answer(Outcome.UNKNOWN, repeat=True, trouble=Trouble.STOPPED)
_SAYS_HOW_IT_STANDS = {Reason.COMPLETED, Reason.ALREADY_REFUNDED, Reason.PARTLY_REFUNDED}
"""Refusals that are believed after an attempt without a clear answer. "No such order" and "expired" are not: they may
be the echo of our own success."""
_MAY_STILL_BE_CONFIRMED = {
    State.APPROVED,
    State.SENDING,
    State.UNKNOWN,
    State.REFUSED,
    State.SETTLED_CANCELLED,
    State.SETTLED_NOT_CANCELLED,
}
"""The states in which a confirmation counts that comes after its attempt was believed lost."""


def settle(
    tx: Tables, rules: Rules, due: Request, worker: str, at: datetime, *, spread: float
) -> Attempt | Contradiction | None:
    """Do what a request is due for, or one order of it; return the attempt to make now, or why there is none.

    A pending request past its time expires; before that, people are reminded of it, or it is escalated. A call whose
    worker died counts as a lost answer. Nothing is sent where the tables contradict the record.
    """
    match due.state:
        case State.PENDING if due.overdue(at):
            expire(tx, due, at)
        case State.PENDING:
            fall_due(tx, rules, due, at)
        case State.SENDING:
            lost = tx.attempts.under_way(due)
            assert lost is not None
            conclude(tx, rules, lost, _INTERRUPTED, at, spread=spread)
        case _:
            contradiction = tx.projections.contradiction(due)
            number, until = due.cancellation.attempts + 1, at + rules.patience.attempt_lease
            tx.cancellations.move(
                due.cancellation, State.SENDING, at=at, lease_until=until, claimed_by=worker, attempts=number
            )
            tx.record.append(Sending(attempt=number), BOT, at, due)
            attempt = replace(tx.attempts.begin(due, at), lease_until=until)
            if contradiction is None:
                return attempt
            # Somebody has changed the file. What was approved is what the record says, so nothing is sent.
            answer = replace(_CONTRADICTED, trouble_about=str(contradiction.subject))
            conclude(tx, rules, attempt, answer, at, spread=spread)
            return contradiction
    return None


def conclude(
    tx: Tables, rules: Rules, attempt: Attempt, answer: Answer, at: datetime, *, spread: float
) -> State | None:
    """Keep what an attempt proved; return the state it leads to, or None if it comes too late to count.

    ``spread`` is the share by which the pause before the next attempt is longer.
    """
    request = tx.requests.of_cancellation(attempt.cancellation)
    assert request is not None
    # After a restore, calls that the copy does not know may have had an effect as well.
    own = request.set_back > 0 or request.cancellation.unclear
    unclear = own or tx.attempts.any_unclear(request)
    current = tx.attempts.under_way(request)
    if not tx.attempts.end(attempt, answer, at):
        return None
    number, call = request.cancellation.attempts, tx.attempts.number(attempt, request)
    if request.state is not State.SENDING or current is None or current.id != attempt.id:
        # Its lease ended while the file could not be written. A confirmation for this order counts whenever it comes.
        stopped = request.set_back > 0 and request.state is State.FAILED
        if answer.outcome is Outcome.CANCELLED and (stopped or request.state in _MAY_STILL_BE_CONFIRMED):
            end(tx, request, Cancelled(call, answer, call, late=not request.under_way), BOT, at)
            return State.CANCELLED
        tx.record.append(AnsweredLate(call, answer, call), BOT, at, request)
        return None
    state = _state_after(answer, unclear=unclear, attempts_left=rules.patience.max_attempts - number)
    match state:
        case State.APPROVED:
            pause = rules.patience.before_next_attempt(number, answer.retry_after, spread)
            tx.cancellations.move(request.cancellation, state, at=at, due_at=at + pause)
            event = tx.record.append(Repeating(number, answer, call), BOT, at, request)
            show(tx, request, event, at)
            _tell_of_trouble(tx, rules, request, at, at + pause, unclear=own or _is_unclear(answer))
        case State.CANCELLED:
            by_repeat = answer.outcome is Outcome.REFUSED
            end(tx, request, Cancelled(number, answer, call, confirmed_by_repeat=by_repeat), BOT, at)
        case State.REFUSED:
            end(tx, request, Refused(number, answer, call), BOT, at)
        case State.FAILED:
            end(tx, request, Failed(number, answer, call), BOT, at)
        case _:
            end(tx, request, Unknown(number, answer, call), BOT, at)
    return state


def _state_after(answer: Answer, *, unclear: bool, attempts_left: int) -> State:
    """Return the state that an answer leads to; ``unclear`` means that an earlier attempt may have taken effect."""
    match answer.outcome:
        case Outcome.CANCELLED:
            return State.CANCELLED
        case Outcome.REFUSED if unclear and answer.reason is Reason.ALREADY_CANCELLED:
            # An answer was not clear and now it is cancelled already: that was us, or it is what we wanted anyway.
            return State.CANCELLED
        case Outcome.REFUSED if unclear and answer.reason not in _SAYS_HOW_IT_STANDS:
            # A no that does not say how the order stands may be the echo of our own lost success.
            return State.UNKNOWN
        case Outcome.REFUSED:
            return State.REFUSED
        case Outcome.NOT_SENT | Outcome.UNKNOWN:
            if answer.repeat and attempts_left > 0:
                return State.APPROVED
            return State.UNKNOWN if unclear or _is_unclear(answer) else State.FAILED


def _is_unclear(answer: Answer) -> bool:
    return answer.outcome is Outcome.UNKNOWN


def _tell_of_trouble(
    tx: Tables, rules: Rules, request: Request, at: datetime, next_at: datetime, *, unclear: bool
) -> None:
    """Tell people once, until the end or a retry, that the gateway takes long, and what happens next."""
    # A time before that of the first attempt means that the clock was set back, and nobody knows how long it took.
    if timedelta(0) <= next_at - tx.attempts.began(request) < rules.patience.told_after:
        return
    if GatewayTrouble in tx.projections.said(request).passing:
        return
    attempts = request.cancellation.attempts
    content = GatewayTrouble(attempts, unclear, rules.patience.max_attempts)
    event = tx.record.append(content, BOT, at, request)
    owe_messages(tx, request, event, content, at)
