"""Reading the orders of a period."""

from datetime import timedelta

import pytest

from bot.domain.attempt import Answer, Outcome, Reason
from bot.domain.cancellation import Choice, State
from bot.domain.report import Period, Row
from bot.domain.request import Request
from bot.store import Store, Tables
from bot.store.reports import _OF_NUMBERS, _OF_THE_PERIOD
from tests.clock import Clock
from tests.postgres import ON_SQLITE
from tests.store.rows import add, brought

AT = Clock().at
MINUTE = timedelta(minutes=1)


def batch(tx: Tables, *orders: str) -> Request:
    """Add a request of several orders, three minutes after the first time."""
    added = tx.requests.add(
        form_id="batch",
        order_ids=orders,
        reason="why",
        category="fraud",
        requester="U1",
        card_channel="C1",
        approvals_required=1,
        at=AT + 3 * MINUTE,
        expires_at=AT + timedelta(hours=1),
    )
    assert isinstance(added, Request)
    return added


@pytest.fixture
async def filled(store: Store) -> Store:
    """Return a store with three requests: one unknown, one rejected after an approval, and one of two orders."""

    def work(tx: Tables) -> None:
        first = add(tx, AT, "ord_1", form="V1")
        brought(tx, first, State.APPROVED, State.SENDING, State.UNKNOWN, at=AT + MINUTE)
        second = add(tx, AT + 2 * MINUTE, "ord_2", form="V2")
        tx.requests.decide(second, "U2", Choice.APPROVE, "", AT + 3 * MINUTE)
        tx.requests.decide(second, "U3", Choice.REJECT, "no", AT + 4 * MINUTE)
        brought(tx, second, State.REJECTED, at=AT + 4 * MINUTE)
        both = batch(tx, "ord_3", "ord_4")
        tx.requests.decide(both, "U2", Choice.APPROVE, "", AT + 5 * MINUTE)
        assert tx.requests.move(both, State.APPROVED, at=AT + 5 * MINUTE)
        for order, outcome, reason in (
            ("ord_3", State.CANCELLED, None),
            ("ord_4", State.REFUSED, Reason.COMPLETED),
        ):
            now = tx.requests.get(both.id)
            one = now and now.about(order)
            assert one is not None
            for kind, why in ((Outcome.UNKNOWN, Reason.CLOCK), (Outcome.REFUSED, reason)):
                attempt = tx.attempts.begin(one, AT + 6 * MINUTE)
                tx.attempts.end(attempt, Answer(kind, reason=why), AT + 6 * MINUTE)
            for state in (State.SENDING, outcome):
                assert tx.cancellations.move(one.cancellation, state, at=AT + 6 * MINUTE)
                now = tx.requests.get(both.id)
                one = now and now.about(order)
                assert one is not None

    await store.transaction("fill", work)
    return store


async def test_the_orders_of_a_period(filled: Store) -> None:
    """Each order has its request's decision, and a refusal the reason of its last answer."""
    rows = await filled.read(lambda tables: list(tables.reports.rows(Period(AT, AT + 4 * MINUTE))))
    assert rows == [
        Row(1, "", State.UNKNOWN, AT, None, AT + MINUTE),
        Row(2, "", State.REJECTED, AT + 2 * MINUTE, AT + 4 * MINUTE, AT + 4 * MINUTE),
        Row(3, "fraud", State.CANCELLED, AT + 3 * MINUTE, AT + 5 * MINUTE, AT + 6 * MINUTE),
        Row(3, "fraud", State.REFUSED, AT + 3 * MINUTE, AT + 5 * MINUTE, AT + 6 * MINUTE, Reason.COMPLETED),
    ]


async def test_the_end_does_not_belong_to_a_period(filled: Store) -> None:
    """So that the next period has what this one has not."""
    rows = await filled.read(lambda tables: list(tables.reports.rows(Period(AT + MINUTE, AT + 3 * MINUTE))))
    assert [row.request for row in rows] == [2]


async def test_what_was_unknown_before(filled: Store) -> None:
    """Only what was asked for earlier counts."""
    for since, count in ((AT, 0), (AT + MINUTE, 1)):
        assert await filled.read(lambda tables, since=since: tables.reports.unknown_before(since)) == count  # type: ignore[misc]


async def test_the_orders_of_some_numbers(filled: Store) -> None:
    """The number above which they begin belongs to those before, and no time decides."""
    for after, upto, asked, unknown in ((0, 3, 3, 0), (1, 2, 1, 1), (2, 3, 1, 1), (3, 3, 0, 1)):
        found = await filled.read(lambda tables, numbers=(after, upto): tables.reports.of_numbers(*numbers))  # type: ignore[misc]
        assert (found.total.asked, found.unknown_before) == (asked, unknown)


@ON_SQLITE
@pytest.mark.parametrize(
    "sql, first",
    [
        (_OF_THE_PERIOD, "SEARCH c USING INDEX cancellations_by_time"),
        (_OF_NUMBERS, "SEARCH c USING INDEX sqlite_autoindex_cancellations_1 (request>? AND request<?)"),
    ],
)
async def test_a_period_is_read_down_an_index(filled: Store, sql: str, first: str) -> None:
    """Nothing is sorted and no table is read from its beginning, so the first order comes at once."""
    plan = await filled.read(lambda tables: tables.connection.execute(f"EXPLAIN QUERY PLAN {sql}", ("", "")))
    steps = [str(row[3]) for row in plan]
    assert steps[0].startswith(first)
    assert [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step] == []
