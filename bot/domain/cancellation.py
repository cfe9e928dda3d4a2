"""One order to cancel, from asking to its end: its states, and which may follow which."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.attempt import Answer


class State(StrEnum):
    """The state of a cancellation."""

    PENDING = "pending"
    """Approvers have yet to decide."""
    APPROVED = "approved"
    """The quorum is reached; a call to the gateway is due (again, after a pause, if one failed)."""
    SENDING = "sending"
    """A call to the gateway is under way."""
    CANCELLED = "cancelled"
    """The gateway confirmed it."""
    REFUSED = "refused"
    """The gateway gave a final no."""
    FAILED = "failed"
    """It is certain that nothing was cancelled, and the attempts ran out or a person stopped them."""
    UNKNOWN = "unknown"
    """The order may or may not be cancelled; a person must look."""
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SETTLED_CANCELLED = "settled_cancelled"
    """An approver stated that the order is cancelled. It is that person's word, never the gateway's."""
    SETTLED_NOT_CANCELLED = "settled_not_cancelled"
    """An approver stated that the order is not cancelled. It is that person's word, never the gateway's."""

    @property
    def open(self) -> bool:
        """Return True where this state blocks another request for the same order.

        ``unknown`` does: until somebody finds out whether the order is cancelled, a second request
        would only hide the question. ``failed`` does not: nothing happened, so anybody may ask again.
        """
        return self in OPEN

    @property
    def may_retry(self) -> bool:
        """Return True where an approver may have the same cancel sent again."""
        return self in {State.FAILED, State.UNKNOWN}

    @property
    def over(self) -> bool:
        """Return True where no further step can follow, neither by itself nor by a person."""
        return not (self.open or self.may_retry)


NEXT: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset({State.APPROVED, State.REJECTED, State.WITHDRAWN, State.EXPIRED}),
    # A confirmation counts whenever it comes, also after its attempt was believed lost.
    State.APPROVED: frozenset({State.SENDING, State.CANCELLED, State.FAILED}),
    State.SENDING: frozenset(
        {State.APPROVED, State.CANCELLED, State.REFUSED, State.FAILED, State.UNKNOWN},
    ),
    # A failed one may have been sent again on a record that an older copy has replaced, or have been stopped after that
    # though an answer was lost.
    State.FAILED: frozenset({State.APPROVED, State.UNKNOWN, State.CANCELLED}),
    State.UNKNOWN: frozenset(
        {State.APPROVED, State.CANCELLED, State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED},
    ),
    State.CANCELLED: frozenset(),
    State.REFUSED: frozenset({State.CANCELLED}),
    State.REJECTED: frozenset(),
    State.WITHDRAWN: frozenset(),
    State.EXPIRED: frozenset(),
    State.SETTLED_CANCELLED: frozenset({State.CANCELLED}),
    State.SETTLED_NOT_CANCELLED: frozenset({State.CANCELLED}),
}
"""The states that may follow each state; the store refuses every other step."""

OPEN = frozenset({State.PENDING, State.APPROVED, State.SENDING, State.UNKNOWN})
"""At most one cancellation per order id is in one of these."""

UNDER_WAY = frozenset({State.APPROVED, State.SENDING})
"""The states in which the gateway is still to be called, or is being called."""


class Choice(StrEnum):
    """The kinds of decisions."""

    APPROVE = "approve"
    REJECT = "reject"
    SETTLE = "settle"
    """A statement about an unknown outcome; the state says which."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One approver's choice, with its reason (empty for an approval, the finding for a statement) and its time."""

    approver: str
    choice: Choice
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Earlier:
    """The state of another request for the same order, and its time."""

    state: State
    at: datetime


WITHOUT_EFFECT = frozenset({State.FAILED, State.REJECTED, State.WITHDRAWN, State.EXPIRED})
"""The ends that changed nothing at the gateway, as far as the record knows."""
NO_BY_A_WORD = frozenset({State.REFUSED, State.SETTLED_NOT_CANCELLED})
"""The ends that rest on a word about the order, the gateway's or a person's, by which it is not cancelled.

Where an older copy took over later, that word is in doubt. One of after that counts.
"""
MAY_BE_CANCELLED = frozenset({State.CANCELLED, State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED})
"""The ends after which the order may be cancelled already, so that approvers of another request must know of them."""

AGAINST_RETRY = MAY_BE_CANCELLED | {State.REFUSED, State.REJECTED, State.WITHDRAWN} | OPEN
"""The states of a later request for the order in which nobody retries: it is done, it was refused, or it goes on.

A failed one rules a retry out as well where somebody stopped it: whether it is sent again is to be decided there.
"""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """One order of a request, as the store keeps it. Times are aware UTC.

    ``number`` counts up from 1 over all orders that anybody asked for, and never leaves the store and the record.
    ``changed_at`` and ``changed_seq`` are the time and the number of the event of its last step. ``attempts``
    counts the calls to the gateway since the last approval or retry. ``due_at`` is when the worker must send an
    approved one; while a call is under way, ``lease_until`` is set instead: at that time its worker counts as dead.
    ``last_answer`` is what the latest finished attempt proved, unless an earlier one brought the confirmation.
    ``earlier`` is what approvers of a pending one must know of an earlier request for the same order: the gateway's
    confirmation, or else the latest statement by hand, or UNKNOWN for one that a restore has set back.
    ``unclear`` is true for one under way if nobody knows how its order stands after an ended attempt of it: the answer
    was lost, or a refusal that may be the echo of a lost success.
    ``later`` is the state of another request for the same order, decided later or still open, that rules a retry of
    this one out, or None. ``stopped_by`` is who stopped the attempts of a failed one, or empty. ``settlement`` is
    the statement that settled it by hand, or None.
    """

    number: int
    order_id: str
    state: State
    changed_at: datetime
    changed_seq: int
    attempts: int = 0
    due_at: datetime | None = None
    lease_until: datetime | None = None
    last_answer: Answer | None = None
    earlier: Earlier | None = None
    later: Earlier | None = None
    unclear: bool = False
    stopped_by: str = ""
    settlement: Decision | None = None
