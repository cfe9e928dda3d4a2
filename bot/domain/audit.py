"""The append-only record: its events, and the hash chain that shows any change to them.

An event's hash covers its own fields and the hash of the event before it, so that nothing in the
middle can be edited, removed or inserted unseen. Only a witness kept elsewhere, the head
``#seq·first8`` that stands under each result message in Slack, can show that the tail was cut or that
everything was computed anew.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

BOT = "bot"
"""The actor of what no person did."""

GENESIS = "0" * 64
"""What the first event names as the hash before it."""


class Kind(StrEnum):
    """What happened."""

    STARTED = "started"
    """The bot started; the data hold the settings that decide who may do what."""
    REQUESTED = "requested"
    REQUEST_REFUSED = "request_refused"
    """A command, look-up or form was turned away."""
    VOTE = "vote"
    """An approval was counted and more are needed."""
    APPROVED = "approved"
    """An approval was counted and reached the quorum."""
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    CLICK_REFUSED = "click_refused"
    SENDING = "sending"
    """An attempt is about to go out."""
    REPEATING = "repeating"
    """An attempt did not settle it; another one is due."""
    CANCELLED = "cancelled"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RETRIED = "retried"
    """An approver had a failed or unknown cancellation sent again."""
    CARD_POSTED = "card_posted"
    CARD_BLOCKED = "card_blocked"
    """Slack did not let the bot post the card."""
    DELIVERY_ABANDONED = "delivery_abandoned"


@lru_cache(maxsize=64)  # a transaction writes its one time into many columns
def timestamp(at: datetime) -> str:
    """A time as the record keeps it: ISO 8601 in UTC with milliseconds, so that text sorts as time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Event(NamedTuple):
    """One line of the record. Text that does not apply is empty, never missing.

    ``at`` is ISO 8601 in UTC with milliseconds; ``actor`` a Slack user id or ``bot``; ``data`` an
    object as JSON text, kept as it was hashed.
    """

    seq: int
    at: str
    kind: str
    cancellation: str
    order_id: str
    actor: str
    data: str
    prev_hash: str
    hash: str = ""

    def computed_hash(self) -> str:
        """SHA-256 over all fields and the hash before, as 64 hexadecimal digits.

        The lengths of the fields stand before them, so that no text can pass for a border between two.
        """
        seq, at, kind, about, order, actor, data, prev, _ = self
        # One expression, as this is what verifying a long record spends its time on.
        return sha256(
            f"{prev} {seq} {len(at)} {len(kind)} {len(about)} {len(order)} {len(actor)}\n"
            f"{at}{kind}{about}{order}{actor}{data}".encode("utf-8", "surrogatepass"),
        ).hexdigest()

    def sealed(self) -> "Event":
        """The same event with its hash set."""
        return self._replace(hash=self.computed_hash())

    @property
    def head(self) -> str:
        """The event as a witness: ``#seq·first8``."""
        return f"#{self.seq}·{self.hash[:8]}"


class Damage(StrEnum):
    """How the record was changed."""

    EDITED = "edited"
    REMOVED = "removed"
    INSERTED = "inserted"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk over the whole record found: how many events, the last head, and the first break."""

    events: int
    head: str
    damage: Damage | None = None
    seq: int | None = None
    explanation: str = ""


def parse_head(text: str) -> tuple[int, str]:
    """The number and the first eight hash digits of a witness such as ``#123·0a1b2c3d``.

    Raises ValueError with a sentence for the person who typed it.
    """
    match = re.fullmatch(r"#?(\d{1,18})[·.: ]([0-9a-f]{8})", text.strip().lower())
    if match is None:
        msg = f"'{text}' is not a head: it looks like #123·0a1b2c3d and stands under each result in Slack"
        raise ValueError(msg)
    return int(match[1]), match[2]


def verify(events: Iterable[Event], head: tuple[int, str] | None = None) -> Verification:
    """Walk the record from its first event and say where it breaks first, and how.

    ``head`` is a witness from a result message: the event of that number must exist and carry
    that hash. Memory use does not grow with the record.
    """
    last = Event(0, "", "", "", "", "", "", "", GENESIS)
    walk: Iterator[Event] = iter(events)
    count = 0
    witnessed = head is None
    witness_seq = head[0] if head is not None else 0
    for event in walk:
        if event.prev_hash != last.hash or event.computed_hash() != event.hash or event.seq != count + 1:
            return _diagnose(last, event, next(walk, None), count)
        if count + 1 == witness_seq and head is not None:
            if not event.hash.startswith(head[1]):
                return Verification(
                    count,
                    last.head,
                    Damage.EDITED,
                    event.seq,
                    f"event {event.seq} is not the one that the head given was taken from: "
                    "the record was written anew up to there or before",
                )
            witnessed = True
        last = event
        count += 1
    if head is not None and not witnessed:
        return Verification(
            count,
            last.head,
            Damage.CUT,
            last.seq + 1,
            f"the record ends with event {last.seq}, but event {head[0]} was shown in Slack: the tail was cut",
        )
    return Verification(count, last.head if count else "")


def _diagnose(last: Event, event: Event, following: Event | None, count: int) -> Verification:
    """Tell apart what may have happened at the first event that does not fit."""

    def found(damage: Damage, seq: int, explanation: str) -> Verification:
        return Verification(count, last.head if count else "", damage, seq, explanation)

    expected = last.seq + 1
    if event.seq > expected:
        gone = f"event {expected} is" if event.seq == expected + 1 else f"events {expected} to {event.seq - 1} are"
        return found(Damage.REMOVED, expected, f"{gone} missing")
    intact = event.computed_hash() == event.hash
    if following is not None and following.prev_hash == last.hash:
        return found(
            Damage.INSERTED,
            event.seq,
            f"event {event.seq} was put in: the one after it follows from event {last.seq}",
        )
    if intact:
        # Consistent in itself, but written after another predecessor than the one that stands there now.
        return (
            found(
                Damage.EDITED,
                last.seq,
                f"event {last.seq} was changed and given a new hash: event {event.seq} follows from what it was before",
            )
            if last.seq
            else found(
                Damage.REMOVED,
                expected,
                "the record does not begin with its first event",
            )
        )
    for shift in (1, -1):
        if event._replace(seq=event.seq + shift).computed_hash() != event.hash:
            continue
        if shift == 1:
            return found(
                Damage.REMOVED, event.seq, f"an event before event {event.seq} was removed, and the rest numbered anew"
            )
        return found(
            Damage.INSERTED, event.seq, f"an event before event {event.seq} was put in, and the rest numbered anew"
        )
    return found(Damage.EDITED, event.seq, f"event {event.seq} does not have the content that it was written with")
