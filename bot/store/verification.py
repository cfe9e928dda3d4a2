"""The verification of a whole database: its definitions, its pages, the record, and the tables that repeat it.

Whether everything is sound is asked first, in the quickest way that there is: each event is read once, for its hash and
for what it says, and for a long record a second process does a part. If anything is wrong, everything is looked at once
more, one thing after the other, to say what comes first.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bot.domain.audit import Head
from bot.domain.seal import PublicKey
from bot.domain.verification import Damage, Verification, walk
from bot.store.connection import Connection
from bot.store.place import Place
from bot.store.projections import ALL, Seen
from bot.store.sealed import held
from bot.store.second import Second
from bot.store.store import open_reader
from bot.store.tables import Tables

LONG = 50_000
"""Events; with fewer, a second process takes as long to start as it saves."""


def verify(tables: Tables, head: Head | None = None, keys: Sequence[PublicKey] = ()) -> Verification:
    """Verify everything, and return the first damage. The caller reads one consistent state.

    ``head`` is a witness from a result message, and ``keys`` the public keys that the reader knows to be the bot's.
    Memory grows by a few bits for each event, and with nothing else.
    """
    sound = _pages_are_sound(tables.connection) and _follow(tables, head, lambda: tables.projections.seen(ALL))
    return _result(tables, head, keys, sound=sound)


def verify_all(place: Place, head: Head | None = None, keys: Sequence[PublicKey] = ()) -> Verification:
    """Verify the database, also while bots run. Raises StoreError."""
    with open_reader(place) as tables:
        tables.connection.begin_reading()
        # No second connection to a server sees just the same state.
        if not isinstance(place, Path) or tables.record.last().seq < LONG:
            return verify(tables, head, keys)
        with Second(place) as second:
            # First, so that the other process compares while this one does everything else.
            second.begin(tables)
            sound = _pages_are_sound(tables.connection) and _follow(tables, head, lambda: second.seen(tables))
        return _result(tables, head, keys, sound=sound)


def _pages_are_sound(connection: Connection) -> bool:
    return not connection.altered() and not connection.complaint()


def _follow(tables: Tables, head: Head | None, compare: Callable[[], Seen | None]) -> bool:
    """Return True where each event follows from the one before it, the head fits, and the tables follow the events."""
    if not tables.record.linked() or (head is not None and not tables.record.has_head(head)):
        return False
    seen = tables.projections.seen_apart()
    compared = compare() if seen is not None else None
    if seen is None or compared is None:
        return False
    seen.add(compared)
    return seen == tables.projections.everything()


def _result(tables: Tables, head: Head | None, keys: Sequence[PublicKey], *, sound: bool) -> Verification:
    if sound:
        last = tables.record.last()
        found = Verification(last.seq, last.head)
    else:
        # The chain comes first: what the events say counts only once nobody can have changed them.
        found = walk(tables.record.chain(), head)
        if found.damage is not None:
            return found
    seals = held(tables, keys)
    count, first = tables.record.backwards()
    found = replace(
        found,
        sealed_by=seals.sealed_by,
        earlier=seals.earlier,
        unknown=seals.unknown,
        backwards=count,
        backwards_at=first,
    )
    damaged = replace(found, damage=seals.damage, seq=seals.seq, other=seals.other, about=seals.about)
    if seals.damage not in {None, Damage.TREE}:
        return damaged
    return damaged if sound else _of_the_rest(tables, found) or damaged


def _of_the_rest(tables: Tables, found: Verification) -> Verification | None:
    """Return the first damage of what is not the chain."""
    if altered := tables.connection.altered():
        return replace(found, damage=Damage.SCHEMA, about=altered)
    if complaint := tables.connection.complaint():
        return replace(found, damage=Damage.UNSOUND, about=complaint)
    contradiction = next(tables.projections.contradictions(), None)
    if contradiction is not None:
        return replace(found, damage=Damage.CONTRADICTION, contradiction=contradiction)
    return None
