"""The append-only record: its events, and the hash chain that shows any change to them.

An event's hash covers its own fields and the hash of the event before it, so that nothing in the
middle can be edited, removed or inserted unseen. Only a witness kept elsewhere, the head
``#seq·first8`` under each result message in Slack, can show that the end was cut off or that
all hashes were computed again.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from bot.domain.events import Content, from_json

BOT = "bot"
"""The actor of every event that no person caused."""

GENESIS = "0" * 64
"""The hash that the first event names as the one before it."""


@lru_cache(maxsize=64)  # a transaction writes its one time into many columns
def timestamp(at: datetime) -> str:
    """Return a time as the record keeps it: ISO 8601 in UTC with milliseconds, so that text sorts as time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Event(NamedTuple):
    """One line of the record. Text that does not apply is empty, never missing.

    ``at`` is ISO 8601 in UTC with milliseconds; ``actor`` a Slack user id or ``bot``; ``data`` an
    object as JSON text, kept as it was hashed; ``content`` reads it.
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
        """Return SHA-256 over all fields and the hash before, as 64 hexadecimal digits.

        The lengths of the fields come first, so that no text can pass for a border between two fields.
        """
        seq, at, kind, about, order, actor, data, prev, _ = self
        # One expression, as this is what verifying a long record spends its time on.
        return sha256(
            f"{prev} {seq} {len(at)} {len(kind)} {len(about)} {len(order)} {len(actor)}\n"
            f"{at}{kind}{about}{order}{actor}{data}".encode("utf-8", "surrogatepass"),
        ).hexdigest()

    def sealed(self) -> "Event":
        """Return the same event with its hash set."""
        return self._replace(hash=self.computed_hash())

    @property
    def content(self) -> Content:
        """The event's data as the dataclass of its kind. Raises KeyError or ValidationError if they are not ours."""
        return from_json(self.kind, self.data)

    @property
    def head(self) -> str:
        """The event as a witness: ``#seq·first8``."""
        return f"#{self.seq}·{self.hash[:8]}"


class Damage(StrEnum):
    """Changes that the chain shows. ``Verification.seq`` is the first event that does not fit."""

    EDITED = "edited"
    """The event does not have the content that it was written with."""
    EDITED_AND_REHASHED = "edited_and_rehashed"
    """The event was changed and given a new hash; ``other``, the next one, follows from what it was before."""
    REMOVED = "removed"
    """The events from ``seq`` to ``other`` are missing."""
    REMOVED_AND_RENUMBERED = "removed_and_renumbered"
    """An event before this one was removed, and the later ones got new numbers."""
    BEGINNING_REMOVED = "beginning_removed"
    INSERTED = "inserted"
    """The event was put in: the one after it follows from ``other``."""
    INSERTED_AND_RENUMBERED = "inserted_and_renumbered"
    """An event before this one was put in, and the later ones got new numbers."""
    CUT = "cut"
    """The record ends before ``seq``, but ``other``, the number of the head given, was shown in Slack."""
    ANOTHER_HEAD = "another_head"
    """The event does not match the head given."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of a walk over the whole record: the number of sound events, the last head, and the first break."""

    events: int
    head: str
    damage: Damage | None = None
    seq: int = 0
    other: int = 0


class NotAHead(ValueError):
    """The text is no head."""


def parse_head(text: str) -> tuple[int, str]:
    """Return the number and the first eight hash digits of a head such as ``#123·0a1b2c3d``. Raises NotAHead."""
    match = re.fullmatch(r"#?(\d{1,18})[·.: ]([0-9a-f]{8})", text.strip().lower())
    if match is None:
        raise NotAHead(text)
    return int(match[1]), match[2]


def verify(events: Iterable[Event], head: tuple[int, str] | None = None) -> Verification:
    """Walk the record from its first event, and say where it breaks first, and how.

    ``head`` is a witness from a result message: the event of that number must exist and carry
    that hash. Memory use does not grow with the record.
    """
    last = Event(0, "", "", "", "", "", "", "", GENESIS)
    walk: Iterator[Event] = iter(events)
    count = 0
    for event in walk:
        if event.prev_hash != last.hash or event.computed_hash() != event.hash or event.seq != count + 1:
            damage, seq, other = _diagnose(last, event, next(walk, None))
            return Verification(count, last.head if count else "", damage, seq, other)
        if head is not None and event.seq == head[0] and not event.hash.startswith(head[1]):
            return Verification(count, last.head if count else "", Damage.ANOTHER_HEAD, event.seq)
        last = event
        count += 1
    if head is not None and not 1 <= head[0] <= count:
        return Verification(count, last.head if count else "", Damage.CUT, count + 1, head[0])
    return Verification(count, last.head if count else "")


def _diagnose(last: Event, event: Event, following: Event | None) -> tuple[Damage, int, int]:
    """Tell apart what may have happened at the first event that does not fit."""
    expected = last.seq + 1
    if event.seq > expected:
        return Damage.REMOVED, expected, event.seq - 1
    if following is not None and following.prev_hash == last.hash:
        return Damage.INSERTED, event.seq, last.seq
    if event.computed_hash() == event.hash:
        # Consistent in itself, but written after another predecessor than the one that is there now.
        return (
            (Damage.EDITED_AND_REHASHED, last.seq, event.seq) if last.seq else (Damage.BEGINNING_REMOVED, expected, 0)
        )
    for shift, damage in ((1, Damage.REMOVED_AND_RENUMBERED), (-1, Damage.INSERTED_AND_RENUMBERED)):
        if event._replace(seq=event.seq + shift).computed_hash() == event.hash:
            return damage, event.seq, 0
    return Damage.EDITED, event.seq, 0
