"""The tables held against the record: for one cancellation before a call, and for all of them in a verification."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from bot.domain.audit import Event
from bot.domain.cancellation import Cancellation
from bot.domain.events import Erased, Named, from_json
from bot.domain.projection import (
    Contradiction,
    Kept,
    Projection,
    Subject,
    compare,
    compare_apart,
    corrected,
    fold,
)
from bot.domain.words import Word
from bot.store.connection import Connection, Row

_CANCELLATION = (
    "c.order_id, c.reason, c.requester, c.state, c.approvals_required, c.requested_at, c.expires_at,"
    " c.changed_at, c.card_channel, c.card_ts, c.card_link, c.attempts"
)
_DECISION = "d.choice, d.approver, d.reason, d.at, d.requested_at"
_ATTEMPT = (
    "a.started_at, a.finished_at, a.outcome, a.reason, a.trouble, a.trouble_about, a.http_status, a.code, a.message,"
    " a.request_id, a.cancelled_at"
)
_DELIVERY = "o.kind, o.event_seq, o.target, o.status, o.ts, o.drawn_seq"
_EVENT = (
    "e.seq, e.at, e.kind, e.cancellation, e.order_id, e.actor, e.data, e.prev_hash, e.hash, w.field, w.salt, w.text"
)


class Projections:
    """The comparison of the tables with the events that they repeat."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def contradiction(self, cancellation: Cancellation) -> Contradiction | None:
        """Return the first thing in which the tables contradict this cancellation's own events, or None."""
        return self.checked([cancellation])[0][1]

    def checked(self, cancellations: Sequence[Cancellation]) -> list[tuple[Cancellation, Contradiction | None]]:
        """Return each cancellation as its events say it, with the first contradiction to them, or None."""
        if not cancellations:
            return []
        compared = {each.number: each for each in self._compared([each.number for each in cancellations])}
        return [compared[each.number].check(each) for each in cancellations]

    def contradictions(self) -> Iterator[Contradiction]:
        """Yield every contradiction between the tables and the record, cancellation by cancellation.

        Everything is read in the order of the cancellations' numbers, so that memory grows only with the people who
        have a name and with the erased events that are about no cancellation.
        """
        seen_events = seen_words = 0
        for each in self._compared():
            seen_events += len(each.events)
            seen_words += len(each.words)
            if each.contradiction is not None:
                yield each.contradiction
        sql = "SELECT count(*) FROM audit_events WHERE cancellation <> ''"
        if self._connection.execute(sql)[0][0] != seen_events:
            yield self._orphan()
        yield from self._apart(seen_words)

    def _compared(self, numbers: Sequence[int] | None = None) -> Iterator["_Compared"]:
        """Yield the comparison of these cancellations, or of all."""

        def rows(columns: str, tables: str, then: str = "") -> Iterator[Row]:
            # The last word of the tables is the name of the one with the number.
            number = f"{tables.rpartition(' ')[2] if ' JOIN ' not in tables else 'c'}.number"
            some = "" if numbers is None else f" WHERE {number} IN ({', '.join('?' * len(numbers))})"
            sql = f"SELECT {number}, {columns} FROM {tables}{some} ORDER BY {number}{then}"
            return self._connection.stream(sql, numbers or ())

        events = _Groups(
            rows(
                _EVENT,
                "cancellations c JOIN audit_events e ON e.cancellation = c.id LEFT JOIN words w ON w.seq = e.seq",
                ", e.seq",
            )
        )
        decisions = _Groups(rows(_DECISION, "decisions d"))
        attempts = _Groups(rows(_ATTEMPT, "attempts a", ", a.id"))
        deliveries = _Groups(rows(_DELIVERY, "deliveries o", ", o.position"))
        for row in rows(_CANCELLATION, "cancellations c"):
            number = row[0]
            about, words = _events(events.take(number))
            said = fold(about)
            kept = Kept(row[1:], decisions.take(number), attempts.take(number), deliveries.take(number))
            yield _Compared(number, about, words, said, compare(said, kept, words))
        if any(each.left_over() for each in (events, decisions, attempts, deliveries)):
            yield _Compared(0, [], {}, Projection(), Contradiction(Subject.REQUEST, ""))

    def _orphan(self) -> Contradiction:
        """Return the first event about a cancellation that is not there."""
        rows = self._connection.execute(
            "SELECT seq, order_id FROM audit_events e WHERE cancellation <> ''"
            " AND NOT EXISTS (SELECT 1 FROM cancellations c WHERE c.id = e.cancellation) ORDER BY seq LIMIT 1"
        )
        return Contradiction(Subject.REQUEST, *((rows[0][1], rows[0][0]) if rows else ("", 0)))

    def _apart(self, seen_words: int) -> Iterator[Contradiction]:
        """Yield the contradictions in what is about no cancellation: the words there, and the names of people."""
        sql = f"SELECT {_EVENT} FROM audit_events e LEFT JOIN words w ON w.seq = e.seq WHERE e.cancellation = ''"
        erased: set[int] = set()
        for (data,) in self._connection.stream(
            "SELECT data FROM audit_events WHERE cancellation = '' AND kind = ?", (Erased.kind,)
        ):
            content = from_json(Erased.kind, data)
            assert isinstance(content, Erased)
            erased.update(content.events)
        names: dict[str, str] = {}
        for _, group in groupby(self._connection.stream(f"{sql} ORDER BY e.seq"), itemgetter(0)):
            (event,), words = _events(list(group))
            seen_words += len(words)
            if (found := compare_apart(event, words, erased)) is not None:
                yield found
            if event.kind == Named.kind:
                names[event.actor] = words[event.seq, "name"].text if words else ""
        if self._connection.execute("SELECT count(*) FROM words")[0][0] != seen_words:
            yield Contradiction(Subject.WORDS, "")
        for user_id, name in self._connection.stream("SELECT id, name FROM people"):
            if (said := names.pop(user_id, "")) != name:
                yield Contradiction(Subject.NAME, "", 0, said, name)
        for name in names.values():
            if name:
                yield Contradiction(Subject.NAME, "", 0, name, "")


class _Compared(NamedTuple):
    """One cancellation held against its events."""

    number: int
    events: list[Event]
    words: dict[tuple[int, str], Word]
    said: Projection
    contradiction: Contradiction | None

    def check(self, found: Cancellation) -> tuple[Cancellation, Contradiction | None]:
        """Return the cancellation as its events say it; an event that was edited by itself says nothing."""
        for event in self.events:
            if event.computed_hash() != event.hash:
                return found, Contradiction(Subject.EVENT, found.order_id, event.seq)
        if self.contradiction is None:
            return found, None
        return corrected(found, self.said, self.words), self.contradiction


class _Groups:
    """The rows of a stream, taken by their first column, which only grows."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, _END)
        self._skipped = False

    def take(self, number: int) -> list[Row]:
        """Return the rows of this number, without their first column; there may be none."""
        # No groupby and no attributes inside of the loop: every row of the file passes here.
        rows, row, found = self._rows, self._next, []
        while row[0] < number:
            self._skipped = True
            row = next(rows, _END)
        while row[0] == number:
            found.append(row[1:])
            row = next(rows, _END)
        self._next = row
        return found

    def left_over(self) -> bool:
        """Return True where rows were there that nobody took."""
        return self._skipped or self._next is not _END


_END: Row = (math.inf,)
"""A row after every number."""


def _events(rows: list[Row]) -> tuple[list[Event], dict[tuple[int, str], Word]]:
    """Return the events of these rows, one row for each text beside an event, and the texts."""
    events: list[Event] = []
    words: dict[tuple[int, str], Word] = {}
    last = None
    for row in rows:
        seq = row[0]
        if seq != last:
            events.append(Event(*row[:9]))
            last = seq
        if row[9] is not None:
            words[seq, row[9]] = Word(*row[9:])
    return events, words
