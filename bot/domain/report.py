"""The figures of a period, for the digest and for the command ``report``: one pure function over its orders.

They are about what was asked for in the period, as it stands when they are read. So they add up, and the look-up of the
same days lists the same orders.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from bot.domain.attempt import Reason
from bot.domain.cancellation import UNDER_WAY, State

CAUSES = tuple(each for each in Reason if each not in {Reason.CREDENTIALS, Reason.CLOCK, Reason.TURNED_AWAY})
"""The gateway's reasons for a refusal. The others lead to a failure: the gateway did not take the call."""
NOT_APPROVED = (State.PENDING, State.REJECTED, State.WITHDRAWN, State.EXPIRED)
"""The states of all orders of a request that is not approved."""
ENDS = frozenset(State) - {*NOT_APPROVED, *UNDER_WAY, State.UNKNOWN}
"""The outcomes of orders that were approved. A failed one may be sent again, and is no longer one then."""


@dataclass(frozen=True, slots=True)
class Period:
    """The time from ``since``, which belongs to it, to ``until``, which does not."""

    since: datetime
    until: datetime


class Row(NamedTuple):
    """One order that somebody asked for; rows of the same request follow each other.

    ``decided_at`` is the last approval that counts, or the rejection; ``changed_at`` when the order came to its
    state. ``reason`` is that of a refusal.
    """

    request: int
    category: str
    state: State
    requested_at: datetime
    decided_at: datetime | None
    changed_at: datetime
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """The median and the 95th percentile of how long something took, in seconds; None where it never happened."""

    median: int | None = None
    p95: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The requests and orders of one category, or of all, each counted by its state; what is 0 is left out.

    A request is ``pending``, ``rejected``, ``withdrawn``, ``expired``, or else ``approved``. The orders of all of them
    are in ``orders``, and the refused ones also in ``refused``, by the gateway's reason. The time to the decision is
    that of requests which were approved or rejected; the time to the outcome that of approved orders, from asking on.
    """

    category: str = ""
    requests: dict[State, int] = field(default_factory=dict)
    orders: dict[State, int] = field(default_factory=dict)
    refused: dict[Reason, int] = field(default_factory=dict)
    decision: Times = Times()
    outcome: Times = Times()

    @property
    def asked(self) -> int:
        """The number of requests."""
        return sum(self.requests.values())


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of all requests, and those of each category, the most frequent first.

    Requests without a category have figures without one; where none has one, there are no such figures at all.
    ``unknown_before`` counts the orders of earlier requests of which nobody knows yet whether they are cancelled.
    """

    total: Figures
    by_category: tuple[Figures, ...] = ()
    unknown_before: int = 0


def report(rows: Iterable[Row], unknown_before: int = 0) -> Report:
    """Return the figures of these orders.

    What it keeps of the rows is how often each time in seconds occurs, and grows with those times only.
    """
    total, tallies = _Tally(), dict[str, _Tally]()
    for _, orders in groupby(rows, attrgetter("request")):
        first = next(orders)
        mine = tallies.setdefault(first.category, _Tally())
        for tally in (total, mine):
            tally.add_request(first)
        for order in (first, *orders):
            for tally in (total, mine):
                tally.add_order(order)
    found = [tally.figures(category) for category, tally in tallies.items()]
    by_category = sorted(found, key=lambda each: (-each.asked, each.category)) if tallies.keys() - {""} else ()
    return Report(total.figures(""), tuple(by_category), unknown_before)


class _Tally:
    """The counts of one category."""

    def __init__(self) -> None:
        self.requests, self.orders, self.refused = Counter[State](), Counter[State](), Counter[Reason]()
        self.decision, self.outcome = Counter[int](), Counter[int]()

    def add_request(self, order: Row) -> None:
        """Count the request of this order."""
        state = order.state if order.state in NOT_APPROVED else State.APPROVED
        self.requests[state] += 1
        if order.decided_at is not None and state in {State.APPROVED, State.REJECTED}:
            self.decision[_seconds(order.requested_at, order.decided_at)] += 1

    def add_order(self, order: Row) -> None:
        """Count this order."""
        self.orders[order.state] += 1
        if order.reason is not None:
            self.refused[order.reason] += 1
        if order.state in ENDS:
            self.outcome[_seconds(order.requested_at, order.changed_at)] += 1

    def figures(self, category: str) -> Figures:
        """Return what was counted."""
        return Figures(
            category,
            dict(self.requests),
            dict(self.orders),
            dict(self.refused),
            Times(percentile(self.decision, 50), percentile(self.decision, 95)),
            Times(percentile(self.outcome, 50), percentile(self.outcome, 95)),
        )


def percentile(counts: Mapping[int, int], percent: int) -> int | None:
    """Return the value below which so many of 100 are, between two of them where it falls there; None for no values.

    ``counts`` says how often each value occurs. The result is that of ``statistics.quantiles`` with the method
    ``inclusive``, rounded.
    """
    if not counts:
        return None
    place, part = divmod((sum(counts.values()) - 1) * percent, 100)
    before: int | None = None
    passed = 0
    for value in sorted(counts):
        passed += counts[value]
        if before is None and passed > place:
            before = value
        if before is not None and (passed > place + 1 or not part):
            return round((before * (100 - part) + value * part) / 100)
    return before


def _seconds(since: datetime, until: datetime) -> int:
    # The clock may have been set back between the two.
    return max(0, round((until - since).total_seconds()))
