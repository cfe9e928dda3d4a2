"""The tables held against the record: for one request before a call, and for all of them in a verification.

The file is long because both read all tables side by side, in one way.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from pydantic import ValidationError

from bot.domain.audit import Event
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Erased, Named, from_json
from bot.domain.projection import (
    OWED_APART,
    Contradiction,
    Kept,
    Projection,
    Subject,
    compare,
    compare_apart,
    compare_owed_apart,
    corrected,
    fold,
)
from bot.domain.request import Request
from bot.domain.words import Word
from bot.store.connection import Connection, Row, among
from bot.store.record import COLUMNS

_REQUEST = (
    "r.reason, r.category, r.source, r.requester, r.approvals_required, r.requested_at, r.expires_at, r.approval_ttl,"
    " r.card_channel, r.card_ts, r.card_link, r.reminded, r.escalated_at, r.due_at"
)
_CANCELLATION = (
    "c.number, c.due_at, c.order_id, c.requester, c.requested_at, c.state, c.changed_at, c.changed_seq, c.attempts"
)
_DECISION = "d.choice, d.approver, d.order_id, d.reason, d.at, d.requested_at"
_ATTEMPT = (
    "a.number, a.started_at, a.finished_at, a.outcome, a.reason, a.trouble, a.trouble_about, a.http_status, a.code,"
    " a.message, a.request_id, a.cancelled_at"
)
_DELIVERY = "o.kind, o.event_seq, o.target, o.status, o.ts, o.drawn_seq"
_EVENT = "e.seq, e.at, e.kind, e.order_id, e.actor, e.data, e.prev_hash, e.hash, w.field, w.salt, w.text"
"""The event without its request, which is known where it is read, and the words beside it."""
_NAMES = """
    WITH named AS (
        SELECT actor, max(seq) AS seq FROM audit_events WHERE request = '' AND kind = :named GROUP BY actor
    )
    SELECT coalesce(w.text, ''), p.name
    FROM people p LEFT JOIN named n ON n.actor = p.id LEFT JOIN words w ON w.seq = n.seq AND w.field = 'name'
    WHERE coalesce(w.text, '') <> p.name
    UNION ALL
    SELECT w.text, ''
    FROM named n JOIN words w ON w.seq = n.seq AND w.field = 'name' LEFT JOIN people p ON p.id = n.actor
    WHERE p.id IS NULL AND w.text <> ''
"""
"""The names that differ: by the last event of each person, and in the table. The database joins them, because one name
for each person who ever acted would not fit into a fixed amount of memory."""

ALL = range(-(2**63), 2**63)
"""All numbers that a row can have, also one that somebody made up."""

_AT_A_TIME = 20


@dataclass(slots=True)
class Seen:
    """The amount that a comparison read, to be held against how much there is."""

    events: int = 0
    words: int = 0
    attempts: int = 0
    """An attempt of an order that is not there is read with none."""

    def count(self, compared: "_Compared") -> None:
        """Count what was read for one comparison."""
        self.events += compared.events
        self.words += len(compared.words)
        if compared.kept is not None:
            self.attempts += len(compared.kept.attempts)

    def add(self, other: "Seen") -> None:
        """Count what was read elsewhere."""
        self.events += other.events
        self.words += other.words
        self.attempts += other.attempts


class Projections:
    """The comparison of the tables with the events that they repeat."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def contradiction(self, request: Request) -> Contradiction | None:
        """Return the first thing in which the tables contradict this request's own events, or None."""
        return self.checked([request])[0][1]

    def checked(self, requests: Sequence[Request]) -> list[tuple[Request, Contradiction | None]]:
        """Return each request as its events say it, with the first contradiction to them, or None."""
        if not requests:
            return []
        compared = {each.number: each for each in self._compared([each.number for each in requests])}
        return [compared[each.number].check(each) for each in requests]

    def said(self, request: Request) -> Projection:
        """Return this request as its own events say."""
        sql = f"SELECT {COLUMNS} FROM audit_events WHERE request = ? ORDER BY seq"
        return fold(Event(*row) for row in self._connection.execute(sql, (request.id,)))

    def contradicted(self, request_ids: Collection[str], upto: int) -> int | None:
        """Return the last event of the first of these requests that its tables contradict, or None.

        Requests with events after ``upto`` are left out.
        """
        if not request_ids:
            return None
        wanted = sorted(request_ids)
        sql = (
            "SELECT e.request, max(e.seq), r.number FROM audit_events e LEFT JOIN requests r ON r.id = e.request"
            f" WHERE {among('e.request', len(wanted))} GROUP BY e.request, r.number"
        )
        rows = self._connection.execute(sql, wanted)
        last: dict[int | None, int] = {number: seq for _, seq, number in rows if seq <= upto}
        if None in last:
            return last[None]  # the request itself is gone
        compared = self._compared(sorted(number for number in last if number is not None)) if last else ()
        return next((last.get(each.number, upto) for each in compared if each.contradiction is not None), None)

    def contradictions(self) -> Iterator[Contradiction]:
        """Yield every contradiction between the tables and the record, request by request."""
        seen = Seen()
        for each in self._compared(ALL):
            seen.count(each)
            if each.contradiction is not None:
                yield each.contradiction
        sql = "SELECT count(*) FROM audit_events WHERE request <> ''"
        if self._connection.execute(sql)[0][0] != seen.events:
            yield self._orphan()
        for each in self._compared_apart():
            seen.count(each)
            if each.contradiction is not None:
                yield each.contradiction
        everything = self.everything()
        if everything.words != seen.words:
            yield Contradiction(Subject.WORDS, "")
        if everything.attempts != seen.attempts:
            yield Contradiction(Subject.ATTEMPTS, "")
        yield from self._names()
        if (found := self._owed_apart()) is not None:
            yield found

    def seen(self, numbers: range) -> Seen | None:
        """Return how much was read of the requests of these numbers, or None if anything contradicts them."""
        return _seen(self._compared(numbers))

    def seen_apart(self) -> Seen | None:
        """Return how much was read of what is about no request, or None if there is a contradiction in it."""
        if any(self._names()):
            return None
        seen = _seen(self._compared_apart())
        return seen if self._owed_apart() is None else None

    def apart_is_sound(self) -> bool:
        """Return True where no event is without its request, and the names and digests are as the events say."""
        return not (self._orphan().seq or any(self._names()) or self._owed_apart() is not None)

    def everything(self) -> Seen:
        """Return how much there is to read."""
        tables = ("audit_events", "words", "attempts")
        sql = f"SELECT {', '.join(f'(SELECT count(*) FROM {each})' for each in tables)}"
        return Seen(*self._connection.execute(sql)[0])

    def parts(self, size: int) -> list[range]:
        """Return ranges that have all numbers, also one that somebody made up, each with about so many orders."""
        borders = [ALL.start]
        sql = "SELECT request FROM cancellations WHERE request > ? ORDER BY request LIMIT 1 OFFSET ?"
        while found := self._connection.execute(sql, (borders[-1], size)):
            borders.append(found[0][0])
        return [range(*each) for each in pairwise([*borders, ALL.stop])]

    def _compared(self, numbers: Sequence[int]) -> Iterator["_Compared"]:
        """Yield the comparison of the requests of these numbers, read one at a time and in their order."""
        several = isinstance(numbers, range)
        values = [numbers.start, numbers.stop - 1] if isinstance(numbers, range) else list(numbers)

        def rows(number: str, columns: str, tables: str, then: str = "") -> Iterator[Row]:
            those = f"{number} BETWEEN ? AND ?" if several else among(number, len(values))
            sql = f"SELECT {number}, {columns} FROM {tables} WHERE {those} ORDER BY {number}{then}"
            # A few rows are quicker read at once.
            return self._connection.stream(sql, values) if several else iter(self._connection.execute(sql, values))

        events = _Groups(
            rows(
                "r.number",
                _EVENT,
                "requests r JOIN audit_events e ON e.request = r.id LEFT JOIN words w ON w.seq = e.seq",
                ", e.seq",
            )
        )
        decisions = _Groups(rows("d.number", _DECISION, "decisions d"))
        # In the order of the index, by which nothing has to be sorted here.
        cancellations = _Groups(rows("c.request", _CANCELLATION, "cancellations c", ", c.order_id"))
        called = "cancellations c JOIN attempts a ON a.number = c.number"
        attempts = _Groups(rows("c.request", _ATTEMPT, called, ", c.order_id, a.id"))
        deliveries = _Groups(rows("o.number", _DELIVERY, "deliveries o", ", o.position"))
        groups = (decisions, attempts, deliveries)
        for row in rows("r.number", f"r.id, {_REQUEST}", "requests r"):
            number, request_id, *_ = row
            about, words = _events(events.take(number), request_id)
            orders = sorted(cancellations.take(number), key=itemgetter(1))
            kept = Kept(row, orders, *(each.take(number) for each in groups))
            if (edited := _edited(about)) is not None:
                found = replace(edited, order_id=edited.order_id or kept.first_order)
                yield _Compared(number, len(about), words, None, kept, found)
            else:
                said = fold(about)
                yield _Compared(number, len(about), words, said, kept, compare(said, kept, words))
        if any(each.left_over() for each in (events, cancellations, *groups)):
            yield _Compared(0, 0, {}, None, None, Contradiction(Subject.REQUEST, ""))

    def _orphan(self) -> Contradiction:
        """Return the first event about a request that is not there."""
        rows = self._connection.execute(
            "SELECT seq, order_id FROM audit_events e WHERE request <> ''"
            " AND NOT EXISTS (SELECT 1 FROM requests r WHERE r.id = e.request) ORDER BY seq LIMIT 1"
        )
        return Contradiction(Subject.REQUEST, *((rows[0][1], rows[0][0]) if rows else ("", 0)))

    def _compared_apart(self) -> Iterator["_Compared"]:
        """Yield the comparison of the events that are about no request, a few at a time."""
        erased = self._erased_apart()
        sql = (
            f"SELECT 0, {_EVENT} FROM (SELECT * FROM audit_events WHERE request = '' AND seq > ? ORDER BY seq"
            " LIMIT ?) e LEFT JOIN words w ON w.seq = e.seq ORDER BY e.seq"
        )
        last = ALL.start
        # Few, as more than the processor's caches hold takes longer again.
        while rows := self._connection.execute(sql, (last, _AT_A_TIME)):
            events, words = _events(rows, "")
            last = events[-1].seq
            found = _edited(events) or compare_apart(events, words, erased)
            yield _Compared(0, len(events), words, None, None, found)

    def _erased_apart(self) -> "_Numbers":
        """Return the events whose words were erased, of those about no request."""
        ((last,),) = self._connection.execute("SELECT coalesce(max(seq), 0) FROM audit_events")
        erased = _Numbers(last)
        sql = "SELECT data FROM audit_events WHERE request = '' AND kind = ?"
        for (data,) in self._connection.stream(sql, (Erased.kind,)):
            # What cannot be read is a contradiction of its own, and erased nothing.
            with suppress(ValidationError):
                content = from_json(Erased.kind, data)
                assert isinstance(content, Erased)
                erased.add(content.events)
        return erased

    def _owed_apart(self) -> Contradiction | None:
        """Return what is owed about no request and is not in the outbox as it must be, the first, or None."""
        kinds = [each.kind for each in OWED_APART]
        sql = f"SELECT {COLUMNS} FROM audit_events WHERE request = '' AND {among('kind', len(kinds))} ORDER BY seq"
        said = [Event(*row) for row in self._connection.execute(sql, kinds)]
        sql = (
            "SELECT kind, event_seq, target, status, ts FROM deliveries WHERE number IS NULL AND kind <> ?"
            " ORDER BY position"
        )
        try:
            return compare_owed_apart(said, self._connection.execute(sql, (DeliveryKind.COPIES,)))
        except ValidationError:
            return None  # an event that cannot be read is a contradiction of its own

    def _names(self) -> Iterator[Contradiction]:
        """Yield the names that differ from what the events say."""
        for said, kept in self._connection.stream(_NAMES, {"named": Named.kind}):
            yield Contradiction(Subject.NAME, "", 0, said, kept)


class _Compared(NamedTuple):
    """One request held against its events, or some events that are about none held against their words."""

    number: int
    events: int
    words: dict[tuple[int, str], Word]
    said: Projection | None
    """None where there is nothing to say it: an event was edited by itself, or there is no request."""
    kept: Kept | None
    contradiction: Contradiction | None

    def check(self, found: Request) -> tuple[Request, Contradiction | None]:
        """Return the request as its events say it."""
        if self.contradiction is None or self.said is None or self.kept is None:
            return found, self.contradiction
        return corrected(found, self.said, self.kept, self.words), self.contradiction


class _Groups:
    """The rows of a stream, taken by their first column, which only grows."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._groups: Iterator[_Group] = groupby(rows, itemgetter(0))
        self._number, self._rows = next(self._groups, _END)
        self._skipped = False

    def take(self, number: int) -> list[Row]:
        """Return the rows of this number; there may be none."""
        while self._number < number:
            self._skipped = True
            self._number, self._rows = next(self._groups, _END)
        if self._number != number:
            return []
        found = list(self._rows)
        self._number, self._rows = next(self._groups, _END)
        return found

    def left_over(self) -> bool:
        """Return True where rows were there that nobody took."""
        return self._skipped or self._number != math.inf


_Group: TypeAlias = tuple[float, Iterator[Row]]
_END: _Group = (math.inf, iter(()))
"""A group after every number."""


class _Numbers:
    """A set of numbers of events, at one bit for each event of the record."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._bits = bytearray(last // 8 + 1)

    def add(self, numbers: Iterable[int]) -> None:
        """Add those numbers that an event of the record has."""
        for number in numbers:
            if 0 <= number <= self._last:
                self._bits[number // 8] |= 1 << number % 8

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and bool(self._bits[number // 8] >> number % 8 & 1)


def _seen(compared: Iterable[_Compared]) -> Seen | None:
    seen = Seen()
    for each in compared:
        if each.contradiction is not None:
            return None
        seen.count(each)
    return seen


def _edited(events: Iterable[Event]) -> Contradiction | None:
    """Return the first event that was edited by itself."""
    for event in events:
        if event.computed_hash() != event.hash:
            return Contradiction(Subject.EVENT, event.order_id, event.seq)
    return None


def _events(rows: Iterable[Row], request: str) -> tuple[list[Event], dict[tuple[int, str], Word]]:
    """Return the events of these rows, which are all about this, and the texts beside them, one of them in a row."""
    events: list[Event] = []
    words: dict[tuple[int, str], Word] = {}
    last = None
    for _, seq, at, kind, order_id, actor, data, prev_hash, hash_, field, salt, text in rows:
        if seq != last:
            events.append(Event(seq, at, kind, request, order_id, actor, data, prev_hash, hash_))
            last = seq
        if field is not None:
            words[seq, field] = Word(field, salt, text)
    return events, words
