"""Reading what the figures of a period are made of, one order at a time and down an index."""

from collections.abc import Iterator
from datetime import datetime

from bot.domain.attempt import Reason
from bot.domain.audit import timestamp
from bot.domain.cancellation import Choice, State
from bot.domain.report import Period, Report, Row, report
from bot.store.connection import Connection
from bot.store.schema import may_have_had_effect, one_of

_ORDERS = f"""
    SELECT c.request, r.category, c.state, c.requested_at,
        (SELECT max(d.at) FROM decisions d
            WHERE d.number = c.request AND {one_of("d.choice", (Choice.APPROVE, Choice.REJECT))}),
        c.changed_at,
        CASE WHEN c.state = 'refused' THEN (SELECT a.reason FROM attempts a
            WHERE a.number = c.number AND a.outcome IS NOT NULL ORDER BY a.id DESC LIMIT 1) END
    FROM cancellations c JOIN requests r ON r.number = c.request
"""
_OF_THE_PERIOD = f"{_ORDERS} WHERE c.requested_at >= ? AND c.requested_at < ? ORDER BY c.requested_at, c.number"
"""The orders of one request have the same time, and numbers without a gap."""
_OF_NUMBERS = f"{_ORDERS} WHERE c.request > ? AND c.request <= ? ORDER BY c.request"


class Reports:
    """The reading of orders for ``bot.domain.report``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, period: Period) -> Report:
        """Return the figures of what was asked for in this period. The caller reads one consistent state."""
        return report(self.rows(period), self.unknown_before(period.since))

    def of_numbers(self, after: int, upto: int) -> Report:
        """Return the figures of the requests with numbers above ``after``, up to ``upto``, whatever their time is."""
        return report(self._rows(_OF_NUMBERS, after, upto), self._unknown("request <= ?", after))

    def rows(self, period: Period) -> Iterator[Row]:
        """Yield the orders that were asked for in this period."""
        return self._rows(_OF_THE_PERIOD, timestamp(period.since), timestamp(period.until))

    def _rows(self, sql: str, *values: object) -> Iterator[Row]:
        for number, category, state, requested_at, decided_at, changed_at, reason in self._connection.stream(
            sql, values
        ):
            yield Row(
                number,
                category,
                State(state),
                datetime.fromisoformat(requested_at),
                decided_at and datetime.fromisoformat(decided_at),
                datetime.fromisoformat(changed_at),
                reason and Reason(reason),
            )

    def unknown_before(self, since: datetime) -> int:
        """Return how many orders that were asked for before this time are in the state ``unknown``."""
        return self._unknown("requested_at < ?", timestamp(since))

    def set_back(self, period: Period) -> int:
        """Return how many orders of this period ended without effect as far as an older copy knows, which took over."""
        sql = (
            "SELECT count(*) FROM cancellations c JOIN requests r ON r.number = c.request"
            " WHERE c.requested_at >= ? AND c.requested_at < ?"
            f" AND {may_have_had_effect('c')}"
        )
        return int(self._connection.execute(sql, (timestamp(period.since), timestamp(period.until)))[0][0])

    def _unknown(self, which: str, value: object) -> int:
        sql = f"SELECT count(*) FROM cancellations WHERE state = ? AND {which}"
        return int(self._connection.execute(sql, (State.UNKNOWN, value))[0][0])
