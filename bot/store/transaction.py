"""What can be written, inside one transaction."""

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlite_utils import Database

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import Event, Kind, timestamp
from bot.domain.cancellation import NEXT, Cancellation, Choice, State
from bot.domain.delivery import Delivery, DeliveryKind, Fate, Receipt
from bot.store.migrations import OPEN_STATES
from bot.store.reading import Reader

_as_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Attempt:
    """A committed right to call the gateway once, with exactly what was approved."""

    id: int
    cancellation_id: str
    order_id: str
    reason: str


@dataclass(slots=True)
class Memory:
    """What the one writer knows of the file without looking. Whoever undoes a transaction begins with a new one."""

    head: Event | None = None
    names: dict[str, str] = field(default_factory=dict)


class Transaction(Reader):
    """Reads and writes that become visible together, or not at all."""

    def __init__(self, db: Database, memory: Memory) -> None:
        super().__init__(db)
        self._memory = memory

    def know(self, person: str, name: str) -> None:
        """Remember the name under which this person acts, for the readable views."""
        if name and self._memory.names.get(person) != name:
            self._db.execute(
                "INSERT INTO people (id, name) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
                [person, name],
            )
            self._memory.names[person] = name

    def record(
        self,
        kind: Kind,
        actor: str,
        at: datetime,
        about: Cancellation | None = None,
        **data: object,
    ) -> Event:
        """Append one event to the record. Values in ``data`` that are None or empty are left out."""
        last = self._memory.head or self.last_event()
        event = Event(
            seq=last.seq + 1,
            at=timestamp(at),
            kind=str(kind),
            cancellation=about.id if about else "",
            order_id=about.order_id if about else "",
            actor=actor,
            data=_as_json({key: value for key, value in data.items() if value not in (None, "")}),
            prev_hash=last.hash,
        ).sealed()
        self._db.execute("INSERT INTO audit_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", event)
        self._memory.head = event
        return event

    def ask(
        self,
        *,
        form_id: str,
        order_id: str,
        reason: str,
        requester: str,
        card_channel: str,
        approvals_required: int,
        at: datetime,
        expires_at: datetime,
    ) -> Cancellation | None:
        """Keep a new pending cancellation; None if the order has an open one already.

        The unique index decides that, so two who ask in the same instant cannot both be right.
        """
        cancellation_id = secrets.token_hex(8)
        cursor = self._db.execute(
            "INSERT INTO cancellations (id, order_id, reason, requester, state, approvals_required,"
            " requested_at, expires_at, changed_at, form_id, card_channel, next_at)"
            " VALUES (?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?)"
            f" ON CONFLICT (order_id) WHERE {OPEN_STATES} DO NOTHING",
            [
                cancellation_id,
                order_id,
                reason,
                requester,
                approvals_required,
                timestamp(at),
                timestamp(expires_at),
                timestamp(at),
                form_id,
                card_channel,
                timestamp(expires_at),
            ],
        )
        return self.cancellation(cancellation_id) if cursor.rowcount == 1 else None

    def decide(self, cancellation: Cancellation, approver: str, choice: Choice, reason: str, at: datetime) -> None:
        """Keep one approver's decision. The same choice of the same person is kept once."""
        self._db.execute(
            "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?, ?, ?)",
            [
                cancellation.number,
                approver,
                str(choice),
                reason,
                timestamp(at),
                timestamp(cancellation.requested_at),
            ],
        )

    def move(
        self,
        cancellation: Cancellation,
        to: State,
        *,
        at: datetime,
        next_at: datetime | None = None,
        detail: str | None = None,
        attempts: int | None = None,
        claimed_by: str | None = None,
    ) -> bool:
        """Compare and set: step from the state that ``cancellation`` was read in to ``to``.

        False, with nothing changed, if it stands elsewhere by now, if the step is not one that may
        follow, or if another cancellation of the same order is open and this step would open it too.
        """
        if to not in NEXT[cancellation.state]:
            return False
        cursor = self._db.execute(
            "UPDATE OR IGNORE cancellations SET state = ?, changed_at = ?, next_at = ?, claimed_by = ?,"
            " detail = coalesce(?, detail), attempts = coalesce(?, attempts)"
            " WHERE id = ? AND state = ?",
            [
                str(to),
                timestamp(at),
                next_at and timestamp(next_at),
                claimed_by,
                detail,
                attempts,
                cancellation.id,
                str(cancellation.state),
            ],
        )
        return cursor.rowcount == 1

    def due_cancellation(self, now: datetime) -> Cancellation | None:
        """The cancellation that has waited longest for the worker: expired, to be sent, or abandoned."""
        return self._one("next_at <= ? ORDER BY next_at LIMIT 1", timestamp(now))

    def begin_attempt(self, cancellation: Cancellation, at: datetime) -> Attempt:
        """Write down that the gateway is about to be called."""
        cursor = self._db.execute(
            "INSERT INTO attempts (number, started_at) VALUES (?, ?)",
            [cancellation.number, timestamp(at)],
        )
        assert cursor.lastrowid is not None
        return Attempt(cursor.lastrowid, cancellation.id, cancellation.order_id, cancellation.reason)

    def end_attempt(self, attempt_id: int, answer: Answer, at: datetime) -> bool:
        """Write down what the attempt proved, once; False if that was already written."""
        cursor = self._db.execute(
            "UPDATE attempts SET finished_at = ?, outcome = ?, http_status = ?, code = ?, message = ?,"
            " request_id = ? WHERE id = ? AND outcome IS NULL",
            [
                timestamp(at),
                answer.outcome,
                answer.http_status,
                answer.code,
                answer.message,
                answer.request_id,
                attempt_id,
            ],
        )
        return cursor.rowcount == 1

    def attempt_under_way(self, cancellation: Cancellation) -> Attempt | None:
        """The attempt of this cancellation whose answer was never written down."""
        found = self._value(
            "SELECT id FROM attempts WHERE number = ? AND outcome IS NULL ORDER BY id DESC",
            cancellation.number,
        )
        return found and Attempt(found, cancellation.id, cancellation.order_id, cancellation.reason)

    def answer_was_lost(self, cancellation: Cancellation) -> bool:
        """Whether an earlier attempt of this cancellation may have taken effect without our knowing."""
        return bool(
            self._value(
                "SELECT 1 FROM attempts WHERE number = ? AND outcome = ?",
                cancellation.number,
                Outcome.UNKNOWN,
            ),
        )

    def owe(self, cancellation: Cancellation, kind: DeliveryKind, event: Event, at: datetime) -> None:
        """Owe Slack a message. A card or an update of it that nobody has begun serves all changes until then."""
        target = cancellation.requester if kind is DeliveryKind.DIRECT_MESSAGE else cancellation.card_channel
        self._db.execute(
            "INSERT INTO deliveries (id, number, kind, event_seq, target, owed_at, next_at)"
            " SELECT lower(hex(randomblob(16))), :number, :kind, :event_seq, :target, :at, :at"
            " WHERE :kind NOT IN ('card', 'card_update') OR NOT EXISTS (SELECT 1 FROM deliveries"
            "  WHERE number = :number AND kind = :kind AND status = 'owed' AND claimed_by IS NULL)",
            {
                "number": cancellation.number,
                "kind": str(kind),
                "event_seq": event.seq,
                "target": target,
                "at": timestamp(at),
            },
        )

    def claim_delivery(
        self,
        worker: str,
        now: datetime,
        lease: timedelta,
        *,
        not_to: frozenset[str] = frozenset(),
    ) -> Delivery | None:
        """Take the delivery that was owed first of those that are due, and note that Slack may get it from now on.

        What is owed in one thread goes out in the order in which it was owed, one at a time; a
        card's thread and the direct messages do not wait for each other. ``not_to`` are the
        channels and people that must be spared for now.
        """
        row = self._db.execute(
            "SELECT position, id, (SELECT id FROM cancellations c WHERE c.number = d.number), kind, event_seq, target,"
            "  owed_at, tries + 1, in_doubt_since"
            # Left alone, SQLite walks through all that was ever owed, as that is in the right order already.
            " FROM deliveries d INDEXED BY deliveries_in_turn"
            " WHERE status = 'owed' AND next_at <= :now AND target NOT IN (SELECT value FROM json_each(:not_to))"
            "  AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.number = d.number AND e.status = 'owed'"
            "   AND e.lane = d.lane AND e.position < d.position)"
            " ORDER BY position LIMIT 1",
            {"now": timestamp(now), "not_to": json.dumps(sorted(not_to))},
        ).fetchone()
        if row is None:
            return None
        position, delivery_id, cancellation_id, kind, seq, target, owed_at, tries, doubt = row
        self._db.execute(
            "UPDATE deliveries SET claimed_by = ?, next_at = ?, tries = ?, in_doubt_since = ? WHERE position = ?",
            [worker, timestamp(now + lease), tries, doubt or timestamp(now), position],
        )
        return Delivery(
            position=position,
            id=delivery_id,
            cancellation_id=cancellation_id,
            kind=DeliveryKind(kind),
            event_seq=seq,
            target=target,
            owed_at=datetime.fromisoformat(owed_at),
            tries=tries,
            in_doubt_since=datetime.fromisoformat(doubt) if doubt else None,
        )

    def settle_delivery(self, delivery: Delivery, receipt: Receipt, at: datetime) -> None:
        """Write down where the message stands, or that it is given up."""
        status = "delivered" if receipt.fate is Fate.DELIVERED else "abandoned"
        self._db.execute(
            "UPDATE deliveries SET status = ?, done_at = ?, channel = ?, ts = ?, problem = ?,"
            " claimed_by = NULL, in_doubt_since = NULL WHERE position = ?",
            [status, timestamp(at), receipt.channel, receipt.ts, receipt.problem, delivery.position],
        )

    def postpone_delivery(self, delivery: Delivery, receipt: Receipt, next_at: datetime) -> None:
        """Try this delivery again then; what is certainly not in Slack is no longer in doubt."""
        self._db.execute(
            "UPDATE deliveries SET next_at = ?, claimed_by = NULL, problem = ?,"
            " in_doubt_since = iif(?, in_doubt_since, NULL) WHERE position = ?",
            [timestamp(next_at), receipt.problem, receipt.in_doubt, delivery.position],
        )

    def abandon_thread(self, cancellation: Cancellation, at: datetime) -> None:
        """Give up the card, and with it everything that would stand on it or below it."""
        self._db.execute(
            "UPDATE deliveries SET status = 'abandoned', done_at = ?, claimed_by = NULL"
            " WHERE number = ? AND lane = 'card' AND status = 'owed'",
            [timestamp(at), cancellation.number],
        )

    def place_card(self, cancellation: Cancellation, receipt: Receipt) -> None:
        """Remember where the card stands."""
        self._db.execute(
            "UPDATE cancellations SET card_channel = ?, card_ts = ?, card_link = ? WHERE id = ?",
            [receipt.channel, receipt.ts, receipt.link, cancellation.id],
        )

    def release(self, now: datetime, messages_from: datetime) -> None:
        """End every lease: called at start, when the lock proves that no other worker lives.

        Deliveries are taken up from ``messages_from`` on: what the former process sent with its last breath
        must have arrived before anybody looks for it.
        """
        for table, waiting, at in (
            ("cancellations", "next_at IS NOT NULL", now),
            ("deliveries", "status = 'owed'", messages_from),
        ):
            self._db.execute(
                f"UPDATE {table} SET next_at = ?, claimed_by = NULL WHERE claimed_by IS NOT NULL AND {waiting}",
                [timestamp(at)],
            )
