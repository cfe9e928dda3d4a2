"""The append-only record."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import islice

from pydantic import ValidationError

from bot.domain.audit import FIRST, GENESIS, Event, Head, follow, timestamp
from bot.domain.events import (
    HISTORY,
    KINDS,
    Approved,
    ClickRefused,
    Content,
    Erased,
    Frozen,
    RequestRefused,
    Started,
    Stopped,
    Unfrozen,
    Voted,
    VotesVoided,
    reader,
)
from bot.domain.freeze import Freeze
from bot.domain.request import Request, Step
from bot.domain.words import Word
from bot.store.connection import Connection, Row, among
from bot.store.homes import Homes
from bot.store.schema import FREEZES, IS_IN_FORCE, one_of

COLUMNS = "seq, at, kind, request, order_id, actor, data, prev_hash, hash"
_AT_A_TIME = 500
_LISTED = one_of("kind", [kind.kind for kind in HISTORY] + [VotesVoided.kind])
_VOIDED = reader(VotesVoided.kind)
_CHANGE_HOMES = (Started, Frozen, Unfrozen, Erased)
"""The events about no request that change what people see on their Home tabs; a start may bring other settings."""
_CHANGE_NOTHING = (ClickRefused, RequestRefused)
_WITH_WORDS = frozenset(kind for kind, content in KINDS.items() if content.words)


class Record:
    """The table ``audit_events``. Triggers refuse every change but an event that follows from the last one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._homes = Homes(connection)
        self.appended: list[Event] = []
        """The events of the transaction that is under way."""

    def append(self, content: Content, actor: str, at: datetime, about: Request | None = None) -> Event:
        """Append one event. ``actor`` is a Slack user id, or ``audit.BOT``.

        An event about a request with several orders names none of them; one about a single order names it. Home tabs
        show nothing that changes without an event, so whoever has theirs open is owed it again here.
        """
        event, words = follow(
            self.last(),
            content,
            actor,
            timestamp(at),
            request=about.id if about else "",
            order_id=about.order_ids[0] if about and len(about.order_ids) == 1 else "",
        )
        self._connection.execute(f"INSERT INTO audit_events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", event[:-1])
        self.appended.append(event)
        for word in words:
            self._connection.execute(
                "INSERT INTO words (seq, field, salt, text) VALUES (?, ?, ?, ?)", (event.seq, *word)
            )
        if isinstance(content, _CHANGE_HOMES) or (about is not None and not isinstance(content, _CHANGE_NOTHING)):
            self._homes.changed(at)
        return event

    def last(self) -> Event:
        """Return the last event; for an empty record an event number 0 with the genesis hash."""
        rows = self._connection.execute(f"SELECT {COLUMNS} FROM audit_events ORDER BY seq DESC LIMIT 1")
        return Event(*rows[0]) if rows else FIRST

    def last_before(self, at: datetime) -> datetime | None:
        """Return the time of the last event that is not later than this, or None."""
        sql = "SELECT at FROM audit_events WHERE at <= ? ORDER BY seq DESC LIMIT 1"
        rows = self._connection.execute(sql, (timestamp(at),))
        return datetime.fromisoformat(rows[0][0]) if rows else None

    def event(self, seq: int) -> Event:
        """Return the event of this number, which must exist."""
        (event,) = self.with_words(
            self._connection.execute(f"SELECT {COLUMNS} FROM audit_events WHERE seq = ?", (seq,))
        )
        return event

    def about(self, request_id: str) -> list[Event]:
        """Return all events about one request, in their order, with their words."""
        sql = f"SELECT {COLUMNS} FROM audit_events WHERE request = ? ORDER BY seq"
        return self.with_words(self._connection.execute(sql, (request_id,)))

    def with_words(self, rows: Sequence[Row]) -> list[Event]:
        """Return the events of these rows of ``COLUMNS``, with the words beside them."""
        events = [Event(*row) for row in rows]
        spoken = [event.seq for event in events if event.kind in _WITH_WORDS]
        if not spoken:
            return events
        words: dict[int, dict[str, str]] = {}
        sql = f"SELECT seq, field, text FROM words WHERE seq IN ({', '.join('?' * len(spoken))})"
        for seq, field, text in self._connection.execute(sql, spoken):
            words.setdefault(seq, {})[field] = text
        return [event._replace(words=words.get(event.seq, {})) for event in events]

    def words_of(self, seq: int) -> list[Word]:
        """Return the words beside an event with their salts, as far as they were not erased."""
        rows = self._connection.execute("SELECT field, salt, text FROM words WHERE seq = ? ORDER BY field", (seq,))
        return [Word(*row) for row in rows]

    def all(self) -> Iterator[Event]:
        """Yield the whole record from its first event, with the words beside it, a few hundred events at a time."""
        rows = self._connection.stream(f"SELECT {COLUMNS} FROM audit_events ORDER BY seq")
        while some := list(islice(rows, _AT_A_TIME)):
            yield from self.with_words(some)

    def chain(self) -> Iterator[Event]:
        """Yield the whole record from its first event, one at a time and without words: all that the hashes cover."""
        return (Event(*row) for row in self._connection.stream(f"SELECT {COLUMNS} FROM audit_events ORDER BY seq"))

    def hashes(self) -> Iterator[str]:
        """Yield the hash of each event, from the first one."""
        return (each for (each,) in self._connection.stream("SELECT hash FROM audit_events ORDER BY seq"))

    def backwards(self) -> tuple[int, int]:
        """Return how many events have an earlier time than the one before them, and the number of the first, or 0."""
        ((count, first),) = self._connection.execute(
            "SELECT count(*), coalesce(min(later.seq), 0) FROM audit_events later"
            " JOIN audit_events before ON before.seq = later.seq - 1 WHERE later.at < before.at"
        )
        return int(count), int(first)

    def public_keys(self) -> list[str]:
        """Return the public keys of seals that the starts on record name, in their order and each once."""
        sql = "SELECT data FROM audit_events WHERE request = '' AND kind = ? ORDER BY seq"
        found: dict[str, None] = {}
        for (data,) in self._connection.stream(sql, (Started.kind,)):
            # What cannot be read is a contradiction of its own.
            with suppress(ValidationError):
                content = reader(Started.kind)(data)
                if isinstance(content, Started) and content.record_key:
                    found[content.record_key] = None
        return list(found)

    def after(self, seq: int, limit: int) -> list[Event]:
        """Return up to so many events that follow the one of this number, in their order and without words."""
        sql = f"SELECT {COLUMNS} FROM audit_events WHERE seq > ? ORDER BY seq LIMIT ?"
        return [Event(*row) for row in self._connection.execute(sql, (seq, limit))]

    def behind(self, last: Event, limit: int) -> list[Event] | None:
        """Return the same for the events that follow this one, or None where the record does not have it any more.

        Somebody may have cut the end off, or put a shorter record in its place, and others may stand there by now.
        """
        found = self.after(max(last.seq - 1, 0), limit + (last.seq > 0))
        if last.seq and (not found or found.pop(0).hash != last.hash):
            return None
        return found

    def latest(self, kind: type[Content]) -> Event | None:
        """Return the last event of this kind, without its words, or None. It may walk through the whole record."""
        sql = f"SELECT {COLUMNS} FROM audit_events WHERE kind = ? ORDER BY seq DESC LIMIT 1"
        rows = self._connection.execute(sql, (kind.kind,))
        return Event(*rows[0]) if rows else None

    def linked(self) -> bool:
        """Return True where the numbers have no gaps, and each event names the hash of the one before it.

        It takes the database a tenth of the time of a walk, and does not compute the hashes again.
        """
        ((count, first, last),) = self._connection.execute("SELECT count(*), min(seq), max(seq) FROM audit_events")
        return (first, last) == (1, count) and not self._connection.execute(
            "SELECT 1 FROM audit_events e LEFT JOIN audit_events before ON before.seq = e.seq - 1"
            " WHERE coalesce(before.hash, ?) <> e.prev_hash LIMIT 1",
            (GENESIS,),
        )

    def has_head(self, head: Head) -> bool:
        """Return True where the event of the head's number has the head's hash."""
        rows = self._connection.execute("SELECT hash FROM audit_events WHERE seq = ?", (head.seq,))
        return bool(rows) and head.fits(rows[0][0])

    def with_history(self, requests: Sequence[Request]) -> list[Request]:
        """Return these requests with what was done to each, in the order of the record, as far as its card lists it."""
        ids = {each.id for each in requests}
        sql = (
            "SELECT request, kind, actor, at, order_id, data FROM audit_events"
            f" WHERE {among('request', len(ids))} AND {_LISTED} ORDER BY seq"
        )
        steps: dict[str, list[Step]] = {each: [] for each in ids}
        for request, kind, actor, at, order, data in self._connection.execute(sql, tuple(ids)):
            if kind == VotesVoided.kind:
                content = _VOIDED(data)
                assert isinstance(content, VotesVoided)
                gone, before = content.approvers, steps[request]
                steps[request] = [replace(each, voided=each.voided or _is_approval_of(each, gone)) for each in before]
            else:
                steps[request].append(Step(kind, actor, datetime.fromisoformat(at), order))
        return [replace(each, history=tuple(steps[each.id])) for each in requests]

    def ended_cleanly(self) -> bool:
        """Return True where the run before this one stopped in order, or where there was none."""
        sql = "SELECT kind FROM audit_events WHERE kind IN (?, ?) ORDER BY seq DESC LIMIT 1"
        rows = self._connection.execute(sql, (Started.kind, Stopped.kind))
        return not rows or rows[0][0] == Stopped.kind

    def last_start(self) -> Started | None:
        """Return the settings with which a bot started last, or None before the first start, or if nobody can read it.

        A record that is damaged is the verification's matter.
        """
        event = self.latest(Started)
        try:
            content = event and event.content
        except (KeyError, ValidationError):
            content = None
        return content if isinstance(content, Started) else None

    def freeze(self) -> Freeze | None:
        """Return the freeze that is in force, or None. The events alone say so: no table has to be proved."""
        event = self.last_freeze()
        if event is None or event.kind != Frozen.kind:
            return None
        return Freeze(event.actor, datetime.fromisoformat(event.at), event.words.get("why", ""))

    def last_freeze(self) -> Event | None:
        """Return the event with which a freeze began or ended last, or None before the first one."""
        sql = f"SELECT {COLUMNS} FROM audit_events WHERE {FREEZES} ORDER BY seq DESC LIMIT 1"
        return next(iter(self.with_words(self._connection.execute(sql))), None)

    def freeze_began(self) -> Event | None:
        """Return the first of the freezes that are in force, or None where nothing is frozen."""
        sql = f"SELECT {COLUMNS} FROM audit_events e WHERE {FREEZES} AND {IS_IN_FORCE} ORDER BY seq LIMIT 1"
        return next(iter(self.with_words(self._connection.execute(sql))), None)

    def last_of(self, request: Request, *kinds: type[Content]) -> int:
        """Return the number of the last event of these kinds about this request, or 0."""
        which = one_of("kind", (kind.kind for kind in kinds))
        sql = f"SELECT seq FROM audit_events WHERE request = ? AND {which} ORDER BY seq DESC LIMIT 1"
        rows = self._connection.execute(sql, (request.id,))
        return int(rows[0][0]) if rows else 0

    def newest(self, request: Request, *kinds: type[Content]) -> list[Event]:
        """Return the events of these kinds about this request, the newest first, without their words."""
        some = ", ".join("?" * len(kinds))
        sql = f"SELECT {COLUMNS} FROM audit_events WHERE request = ? AND kind IN ({some}) ORDER BY seq DESC"
        rows = self._connection.execute(sql, (request.id, *(kind.kind for kind in kinds)))
        return [Event(*row) for row in rows]


def _is_approval_of(step: Step, people: Sequence[str]) -> bool:
    return step.kind in {Voted.kind, Approved.kind} and step.person in people
