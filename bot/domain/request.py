"""The request of one person: one or more orders, one reason, one decision."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.cancellation import NO_BY_A_WORD, UNDER_WAY, WITHOUT_EFFECT, Cancellation, Choice, Decision, State
from bot.domain.freeze import Freeze


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done to a request, by the kind of its event, with its time; ``person`` may be the bot.

    ``order_id`` is the order that it was done to, or empty for all orders of several. ``voided`` is true for an
    approval that was taken out of the count later.
    """

    kind: str
    person: str
    at: datetime
    order_id: str = ""
    voided: bool = False


_FURTHEST_FROM_ITS_END = (
    State.PENDING,
    State.SENDING,
    State.APPROVED,
    State.UNKNOWN,
    State.FAILED,
    State.REFUSED,
    State.SETTLED_NOT_CANCELLED,
    State.SETTLED_CANCELLED,
    State.CANCELLED,
    State.REJECTED,
    State.WITHDRAWN,
    State.EXPIRED,
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the store keeps it. Times are aware UTC; ids of people and channels are Slack's.

    ``number`` counts up from 1 in the order of asking and never leaves the store and the record; ``id`` is random and
    appears in buttons, logs and the command line. ``card_ts`` is None, and ``card_link`` empty, until the card is
    posted in ``card_channel``; the link goes with a card that somebody deleted. ``cancellations`` are its orders, each
    with a state of its own once the request is decided. While it is pending, ``due_at`` is the first of ``remind_at``,
    ``escalate_at`` and ``expires_at``. The first two are None where nothing of the kind will come; ``reminded`` counts
    the reminders so far, and ``escalated_at`` is None until the request is escalated. ``category`` is the entry of the
    setting REASONS with which the reason begins, and ``source`` the permalink of the message from which somebody asked;
    both may be empty. ``approval_ttl`` is how long it could wait when somebody asked: ``expires_at`` moves with a clock
    that is set. ``set_back`` is the number of the last event by which an older copy of the database took over, so that
    nobody knows here what it did since that copy was made, or 0. ``history`` is who did what, as far as the reader has
    to show it. What people can do depends also on when they read of it, on the freeze in force, and on whether its card
    is there and up to date: ``read_at``, ``freeze``, ``has_card``.
    """

    number: int
    id: str
    reason: str
    requester: str
    approvals_required: int
    requested_at: datetime
    expires_at: datetime
    card_channel: str
    card_ts: str | None
    card_link: str
    cancellations: tuple[Cancellation, ...]
    due_at: datetime | None = None
    remind_at: datetime | None = None
    escalate_at: datetime | None = None
    reminded: int = 0
    escalated_at: datetime | None = None
    decisions: tuple[Decision, ...] = ()
    category: str = ""
    source: str = ""
    approval_ttl: timedelta = timedelta(0)
    set_back: int = 0
    history: tuple[Step, ...] = ()
    read_at: datetime | None = None
    freeze: Freeze | None = None
    has_card: bool = True

    @property
    def state(self) -> State:
        """The state of the order that is furthest from its end; before the decision, all have the same."""
        return min((each.state for each in self.cancellations), key=_FURTHEST_FROM_ITS_END.index)

    @property
    def may_have_had_effect(self) -> bool:
        """True for an end without effect that a restore has set back: what came after the copy may have had one."""
        if self.state in NO_BY_A_WORD:
            return any(map(self.stood_before, self.cancellations))
        return bool(self.set_back) and self.state in WITHOUT_EFFECT

    def stood_before(self, order: Cancellation) -> bool:
        """Return True for an order that has not changed since an older copy took over."""
        return order.changed_seq < self.set_back

    def waits_for_people_too(self, order: Cancellation) -> bool:
        """Return True where the next attempt for this order is awaited, and people may stop it or have it made at once.

        While an answer is lost, only another one of the gateway brings the truth. But after a restore nobody knows what
        was done anyway, and people may have decided against it since.
        """
        return order.state is State.APPROVED and (self.set_back > 0 or not order.unclear)

    @property
    def several(self) -> bool:
        """True for a request of more than one order."""
        return len(self.cancellations) > 1

    @property
    def cancellation(self) -> Cancellation:
        """The only order of this request. One of several has to be ``narrowed`` first."""
        (only,) = self.cancellations
        return only

    def as_of(self, at: datetime | None, freeze: Freeze | None) -> "Request":
        """Return this request for people who read of it at this time; ``freeze`` is the one in force.

        Without a time, as long as no other clock has confirmed the bot's, nothing counts as over for its age.
        """
        return replace(self, read_at=at, freeze=freeze)

    def narrowed(self, cancellation: Cancellation) -> "Request":
        """Return this request as far as it is about one of its orders."""
        return replace(self, cancellations=(cancellation,))

    def each(self) -> "tuple[Request, ...]":
        """Return this request once for each of its orders."""
        if not self.several:
            return (self,)
        return tuple(self.narrowed(cancellation) for cancellation in self.cancellations)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The part of the history that is about its only order, or about the whole request."""
        return tuple(each for each in self.history if each.order_id in {"", self.cancellation.order_id})

    def about(self, order_id: str) -> "Request | None":
        """Return this request as far as it is about this order, or None if it is not one of its orders."""
        found = next((each for each in self.cancellations if each.order_id == order_id), None)
        return self.narrowed(found) if found is not None else None

    def at_place(self, place: int | None) -> "Request | None":
        """Return this request as far as it is about the order at this place, from 0 on; None if there is none."""
        there = place is not None and 0 <= place < len(self.cancellations)
        return self.narrowed(self.cancellations[place]) if place is not None and there else None

    def at_places(self, bits: int) -> "tuple[Request, ...]":
        """Return this request for each of its orders whose bit is set, by their places."""
        named = (each for place, each in enumerate(self.cancellations) if bits >> place & 1)
        return tuple(self.narrowed(each) for each in named)

    @property
    def order_ids(self) -> tuple[str, ...]:
        """The ids of its orders, as they were typed."""
        return tuple(each.order_id for each in self.cancellations)

    @property
    def under_way(self) -> bool:
        """Return True while the gateway is still to be called for one of its orders."""
        return any(each.state in UNDER_WAY for each in self.cancellations)

    @property
    def over(self) -> bool:
        """Return True where nothing more can come of any of its orders, so that nobody needs its buttons."""
        return all(each.state.over for each in self.cancellations)

    @property
    def too_late_for_a_card(self) -> bool:
        """Return True where a card that is not there would be of no use.

        One that was never posted is of use as long as the request was approved: Home tabs show a request before its
        card is posted, and the channel reads in the card's thread how it ended. One that somebody deleted comes back
        only for a request with which people can go on.
        """
        if self.card_ts is None:
            return self.state in {State.REJECTED, State.WITHDRAWN, State.EXPIRED}
        return self.over

    @property
    def changed_at(self) -> datetime:
        """The time of the last step of one of its orders."""
        return max(each.changed_at for each in self.cancellations)

    @property
    def version(self) -> int:
        """The number of how it stands now, which grows with each step of one of its orders: that of the step's event.

        A time would not do: a clock may be set back, and two steps may fall into one millisecond.
        """
        return max(each.changed_seq for each in self.cancellations)

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
        return self.approved_at and self.approved_at + self.approval_ttl

    def could_be_retried(self, at: datetime) -> bool:
        """Return True where one of its orders may be sent again, as far as its state and the approval's age go.

        Whether it may be indeed is ``policy.against_retry``; this one does not change with other requests.
        """
        until = self.retry_until
        return until is not None and until >= at and any(each.state.may_retry for each in self.cancellations)

    @property
    def rejection(self) -> Decision | None:
        """The decision that rejected it, or None."""
        return next((d for d in self.decisions if d.choice is Choice.REJECT), None)

    def overdue(self, at: datetime) -> bool:
        """Return True for a pending request past its time, even if the worker has not expired it yet."""
        return self.state is State.PENDING and self.expires_at <= at
