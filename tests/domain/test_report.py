"""The figures of a period."""

import statistics
from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from bot.domain.attempt import Reason
from bot.domain.cancellation import State
from bot.domain.report import CAUSES, Figures, Report, Row, Times, percentile, report
from tests.domain.examples import AT


def after(seconds: float | None) -> datetime | None:
    """Return the time so many seconds after the request."""
    return None if seconds is None else AT + timedelta(seconds=seconds)


def row(
    request: int,
    state: State,
    *,
    category: str = "",
    decided: float | None = None,
    changed: float = 0,
    reason: Reason | None = None,
) -> Row:
    """Return an order of this request, with its times in seconds after asking."""
    return Row(request, category, state, AT, after(decided), AT + timedelta(seconds=changed), reason)


@pytest.mark.parametrize(
    "rows, figures",
    [
        ([], Figures()),
        ([row(1, State.PENDING)], Figures("", {State.PENDING: 1}, {State.PENDING: 1})),
        # One vote of two is no decision, whatever comes of the request.
        *(
            ([row(1, state, decided=5)], Figures("", {state: 1}, {state: 1}))
            for state in (State.PENDING, State.WITHDRAWN, State.EXPIRED)
        ),
        (
            [row(1, State.REJECTED, decided=60, changed=60)],
            Figures("", {State.REJECTED: 1}, {State.REJECTED: 1}, decision=Times(60, 60)),
        ),
        (
            [row(1, State.CANCELLED, decided=60, changed=61.6)],
            Figures("", {State.APPROVED: 1}, {State.CANCELLED: 1}, {}, Times(60, 60), Times(62, 62)),
        ),
        *(
            ([row(1, state, decided=60, changed=70)], Figures("", {State.APPROVED: 1}, {state: 1}, {}, Times(60, 60)))
            for state in (State.APPROVED, State.SENDING, State.UNKNOWN)
        ),
        *(
            (
                [row(1, state, decided=60, changed=70)],
                Figures("", {State.APPROVED: 1}, {state: 1}, {}, Times(60, 60), Times(70, 70)),
            )
            for state in (State.FAILED, State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED)
        ),
        # A request of several orders counts once, and each of its orders.
        (
            [
                row(1, State.CANCELLED, decided=10, changed=20),
                row(1, State.REFUSED, decided=10, changed=30, reason=Reason.COMPLETED),
                row(1, State.REFUSED, decided=10, changed=40, reason=Reason.COMPLETED),
                row(2, State.REFUSED, decided=20, changed=50, reason=Reason.NO_SUCH_ORDER),
            ],
            Figures(
                "",
                {State.APPROVED: 2},
                {State.CANCELLED: 1, State.REFUSED: 3},
                {Reason.COMPLETED: 2, Reason.NO_SUCH_ORDER: 1},
                Times(15, 20),
                Times(35, 48),
            ),
        ),
        # The clock was set back between asking and deciding.
        (
            [row(1, State.REJECTED, decided=-60)],
            Figures("", {State.REJECTED: 1}, {State.REJECTED: 1}, decision=Times(0, 0)),
        ),
    ],
)
def test_the_figures_of_some_orders(rows: list[Row], figures: Figures) -> None:
    """Requests and orders are counted by their state, and times from asking on."""
    assert report(iter(rows)) == Report(figures)


def test_the_figures_by_category() -> None:
    """The most frequent comes first, and what has none has figures as well."""
    rows = [
        row(1, State.CANCELLED, category="fraud", decided=10, changed=20),
        row(2, State.PENDING),
        row(3, State.PENDING, category="wrong amount"),
        row(4, State.EXPIRED, category="fraud"),
        row(4, State.EXPIRED, category="fraud"),
    ]
    found = report(rows, unknown_before=3)
    assert [(each.category, each.asked) for each in found.by_category] == [("fraud", 2), ("", 1), ("wrong amount", 1)]
    assert found.by_category[0] == Figures(
        "fraud",
        {State.APPROVED: 1, State.EXPIRED: 1},
        {State.CANCELLED: 1, State.EXPIRED: 2},
        {},
        Times(10, 10),
        Times(20, 20),
    )
    assert (found.total.asked, sum(found.total.orders.values()), found.unknown_before) == (4, 5, 3)


@given(st.lists(st.integers(0, 500), min_size=2))
def test_percentiles_are_those_of_the_standard_library(values: list[int]) -> None:
    """The counts of the values lead to the same figures as the values."""
    counts = Counter(values)
    assert percentile(counts, 50) == round(statistics.median(values))
    assert percentile(counts, 95) == round(statistics.quantiles(values, n=20, method="inclusive")[-1])


def test_percentiles_of_one_value_and_of_none() -> None:
    """One value is every percentile, and nothing has none."""
    assert (percentile({7: 1}, 50), percentile({7: 1}, 95), percentile({}, 50)) == (7, 7, None)


def test_the_causes_are_those_of_refusals() -> None:
    """What the gateway did not take is a failure, never a refusal."""
    assert set(Reason) - set(CAUSES) == {Reason.CREDENTIALS, Reason.CLOCK, Reason.TURNED_AWAY}
