"""One request to cancel one order: its states, and which may follow which."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """Where a cancellation stands."""

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
    """It is certain that nothing was cancelled, and the attempts ran out."""
    UNKNOWN = "unknown"
    """It may or may not have happened; a person must look."""
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"

    @property
    def open(self) -> bool:
        """Whether this state blocks another request for the same order.

        ``unknown`` does: until somebody found out whether the order is cancelled, a second request
        would only hide the question. ``failed`` does not: nothing happened, so anybody may ask anew.
        """
        return self in OPEN

    @property
    def may_retry(self) -> bool:
        """Whether an approver may have the same cancel sent again."""
        return self in {State.FAILED, State.UNKNOWN}

    @property
    def awaits_people(self) -> bool:
        """Whether the next step is a person's, so that the card must offer buttons."""
        return self is State.PENDING or self.may_retry


NEXT: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset({State.APPROVED, State.REJECTED, State.WITHDRAWN, State.EXPIRED}),
    State.APPROVED: frozenset({State.SENDING}),
    State.SENDING: frozenset(
        {State.APPROVED, State.CANCELLED, State.REFUSED, State.FAILED, State.UNKNOWN},
    ),
    State.FAILED: frozenset({State.APPROVED}),
    State.UNKNOWN: frozenset({State.APPROVED}),
    State.CANCELLED: frozenset(),
    State.REFUSED: frozenset(),
    State.REJECTED: frozenset(),
    State.WITHDRAWN: frozenset(),
    State.EXPIRED: frozenset(),
}
"""Which states may follow a state; the store refuses every other step."""

OPEN = frozenset({State.PENDING, State.APPROVED, State.SENDING, State.UNKNOWN})
"""At most one cancellation per order id is in one of these."""


class Choice(StrEnum):
    """What an approver decided."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Decision:
    """One approver's choice, with its reason (empty for an approval) and its time."""

    approver: str
    choice: Choice
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A cancellation as the store keeps it. Times are aware UTC; ids of people and channels are Slack's.

    ``number`` counts up from 1 in the order of asking and never leaves the store and the record;
    ``id`` is random, stands in buttons, logs and the command line. ``card_ts`` is None, and
    ``card_link`` empty, until the card stands in ``card_channel``. ``attempts`` counts the calls to the
    gateway since the last approval or retry, ``next_at`` is when the worker looks at it next, and
    ``detail`` is what the gateway said last, in its words or ours.
    """

    number: int
    id: str
    order_id: str
    reason: str
    requester: str
    state: State
    approvals_required: int
    requested_at: datetime
    expires_at: datetime
    card_channel: str
    card_ts: str | None
    card_link: str
    attempts: int
    next_at: datetime | None
    changed_at: datetime
    detail: str
    decisions: tuple[Decision, ...] = ()

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who approved, in the order in which they did."""
        return tuple(d.approver for d in self.decisions if d.choice is Choice.APPROVE)

    @property
    def rejection(self) -> Decision | None:
        """The decision that rejected it, if one did."""
        return next((d for d in self.decisions if d.choice is Choice.REJECT), None)
