"""One order to cancel, from asking to its end: its states, and which may follow which."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.attempt import Answer
from bot.domain.freeze import Freeze


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
    def awaits_people(self) -> bool:
        """Return True where the next step is a person's, so that the card must offer buttons."""
        return self is State.PENDING or self.may_retry


NEXT: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset({State.APPROVED, State.REJECTED, State.WITHDRAWN, State.EXPIRED}),
    # A confirmation counts whenever it comes, also after its attempt was believed lost.
    State.APPROVED: frozenset({State.SENDING, State.CANCELLED, State.FAILED}),
    State.SENDING: frozenset(
        {State.APPROVED, State.CANCELLED, State.REFUSED, State.FAILED, State.UNKNOWN},
    ),
    State.FAILED: frozenset({State.APPROVED}),
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
    """The end of an earlier request for the same order, and its time."""

    state: State
    at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done to a request, by the kind of its event, with its time; ``person`` may be the bot."""

    kind: str
    person: str
    at: datetime


MAY_BE_CANCELLED = frozenset({State.CANCELLED, State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED})
"""The ends after which the order may be cancelled already, so that approvers of another request must know of them."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A cancellation as the store keeps it. Times are aware UTC; ids of people and channels are Slack's.

    ``number`` counts up from 1 in the order of asking and never leaves the store and the record;
    ``id`` is random and appears in buttons, logs and the command line. ``card_ts`` is None, and
    ``card_link`` empty, until the card is posted in ``card_channel``. ``attempts`` counts the calls to the
    gateway since the last approval or retry. ``due_at`` is when the worker must act on it: an approved one is sent
    then, and a pending one is due at the first of ``remind_at``, ``escalate_at`` and ``expires_at``. The first two are
    None where nothing of the kind will come; ``reminded`` counts the reminders so far, and ``escalated_at`` is None
    until the request is escalated. While a call is under way, ``lease_until`` is set instead: at that time its worker
    counts as dead. ``last_answer`` is what the latest finished attempt proved. ``earlier`` is what
    approvers of a pending request must know of an earlier one for the same order: the gateway's confirmation, or else
    the latest statement by hand. ``unclear`` is true for an approved one if an attempt for its order may have taken
    effect without our knowing. ``stopped_by`` is who stopped the attempts of a failed one, or empty. ``history`` is
    who did what, and ``freeze`` the one in force, as far as the reader has to show it.
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
    due_at: datetime | None
    lease_until: datetime | None
    changed_at: datetime
    remind_at: datetime | None = None
    escalate_at: datetime | None = None
    reminded: int = 0
    escalated_at: datetime | None = None
    decisions: tuple[Decision, ...] = ()
    last_answer: Answer | None = None
    earlier: Earlier | None = None
    freeze: Freeze | None = None
    unclear: bool = False
    stopped_by: str = ""
    history: tuple[Step, ...] = ()

    @property
    def version(self) -> str:
        """The name of this stay in its state; it has another one when it comes into the same state again."""
        return self.changed_at.isoformat(timespec="milliseconds")

    @property
    def approvers(self) -> tuple[str, ...]:
        """The people who approved, in the order in which they did."""
        return tuple(d.approver for d in self.decisions if d.choice is Choice.APPROVE)

    @property
    def approved_at(self) -> datetime | None:
        """The time of the last approval, or None."""
        return max((d.at for d in self.decisions if d.choice is Choice.APPROVE), default=None)

    @property
    def retry_until(self) -> datetime | None:
        """The end of the time in which its approval may be used again: as long as the request could wait for it."""
        return self.approved_at and self.approved_at + (self.expires_at - self.requested_at)

    @property
    def rejection(self) -> Decision | None:
        """The decision that rejected it, or None."""
        return next((d for d in self.decisions if d.choice is Choice.REJECT), None)

    @property
    def settlement(self) -> Decision | None:
        """The statement that settled it by hand, or None."""
        return next((d for d in self.decisions if d.choice is Choice.SETTLE), None)

    def overdue(self, at: datetime) -> bool:
        """Return True for a pending request past its time, even if the worker has not expired it yet."""
        return self.state is State.PENDING and self.expires_at <= at
