"""The walk over the chain of hashes, and what can be wrong with a record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.audit import FIRST, Event, Head
from bot.domain.projection import Contradiction

_FEW = 3
"""A head with so few wrong digits was mistyped: one of another record differs almost everywhere."""


class Damage(StrEnum):
    """The kinds of damage. For those of the chain, ``Verification.seq`` is the first event that does not fit."""

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
    MISTYPED_HEAD = "mistyped_head"
    """The head given differs from the event's in so few places that it was mistyped: ``other`` places."""
    MISNUMBERED_HEAD = "misnumbered_head"
    """The head given, for event ``seq``, is that of event ``other``."""
    SCHEMA = "schema"
    """The table, index, trigger or view named ``about`` is not as the bot makes it."""
    UNSOUND = "unsound"
    """SQLite's own check says ``about``."""
    SEAL_GONE = "seal_gone"
    """There is no seal of the key named ``about``, with which the record was sealed."""
    SEAL_FORGED = "seal_forged"
    """The seal of the key named ``about`` is not as that key made it."""
    SEALED_WITH_ANOTHER_KEY = "sealed_with_another_key"
    """The last seal was made with the key named ``about``, and no key given has sealed anything."""
    KEY_CHANGED = "key_changed"
    """The keys given have sealed the events up to ``seq``, and the one named ``about`` has sealed the later ones."""
    KEY_WITHOUT_SEAL = "key_without_seal"
    """The key named ``about`` was given and has sealed nothing, while others that were given have."""
    SEALED_EVENTS_CUT = "sealed_events_cut"
    """The events from ``seq`` to ``other`` are sealed, and missing."""
    UNSEALED = "unsealed"
    """The events from ``seq`` to ``other`` came without a seal."""
    NOT_AS_SEALED = "not_as_sealed"
    """The events up to ``seq`` are not those that the key named ``about`` has sealed."""
    NEVER_SEALED = "never_sealed"
    """A key was given, and the record has no seal."""
    TREE = "tree"
    """The Merkle tree beside the events is not the one over them."""
    CONTRADICTION = "contradiction"
    """The tables contradict the events; ``contradiction`` says in what."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of a verification: the number of sound events, the last head, and the first damage.

    ``sealed_by`` is the name of the last seal's key, or empty. ``earlier`` has the names of the keys before it, each
    with the last event that it sealed. ``unknown`` are those of all these keys that the reader did not give.
    ``backwards`` is how many events have an earlier time than the one before, and ``backwards_at`` the number of the
    first of them.
    """

    events: int
    head: str
    damage: Damage | None = None
    seq: int = 0
    other: int = 0
    about: str = ""
    contradiction: Contradiction | None = None
    sealed_by: str = ""
    earlier: tuple[tuple[str, int], ...] = ()
    unknown: tuple[str, ...] = ()
    backwards: int = 0
    backwards_at: int = 0


def walk(events: Iterable[Event], head: Head | None = None) -> Verification:
    """Walk the record from its first event, and say where its chain of hashes breaks first, and how.

    ``head`` is a witness from a result message: the event of that number must exist and carry
    that hash. Memory use does not grow with the record.
    """
    last, count = FIRST, 0
    misfit: tuple[Damage, int] | None = None
    rightful = 0
    walked: Iterator[Event] = iter(events)
    for event in walked:
        if event.prev_hash != last.hash or event.computed_hash() != event.hash or event.seq != count + 1:
            damage, seq, other = _diagnose(last, event, next(walked, None))
            return Verification(count, last.head if count else "", damage, seq, other)
        if head is not None and event.seq == head.seq and not head.fits(event.hash):
            errors = head.typing_errors(event.hash)
            misfit = (Damage.MISTYPED_HEAD, errors) if errors <= _FEW else (Damage.ANOTHER_HEAD, 0)
        elif head is not None and event.seq != head.seq and event.hash[:1] in head.beginnings and head.fits(event.hash):
            rightful = event.seq
        last = event
        count += 1
    shown = last.head if count else ""
    if head is None:
        return Verification(count, shown)
    if rightful:
        return Verification(count, shown, Damage.MISNUMBERED_HEAD, head.seq, rightful)
    if misfit is not None:
        return Verification(count, shown, misfit[0], head.seq, misfit[1])
    if not 1 <= head.seq <= count:
        return Verification(count, shown, Damage.CUT, count + 1, head.seq)
    return Verification(count, shown)


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
