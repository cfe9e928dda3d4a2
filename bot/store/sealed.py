"""The seals held against the events: what they prove, and what contradicts them."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain import merkle, seal
from bot.domain.merkle import BLOCK
from bot.domain.seal import Checkpoint, NotAKey, PublicKey, public_key
from bot.domain.verification import Damage
from bot.store.seals import Seal
from bot.store.tables import Tables


@dataclass(frozen=True, slots=True)
class Sealed:
    """The result: the first damage, if any, and whose seals there are, as ``Verification`` has them."""

    damage: Damage | None = None
    seq: int = 0
    other: int = 0
    about: str = ""
    sealed_by: str = ""
    earlier: tuple[tuple[str, int], ...] = ()
    unknown: tuple[str, ...] = ()


def held(tables: Tables, keys: Sequence[PublicKey]) -> Sealed:
    """Hold every seal against the events, whose chain of hashes is sound. ``keys`` are those that the reader knows.

    Without any, those that the record names itself count. The key of the last seal must be among them, as it proves
    everything before it too. And each must have a seal here: else its holder wrote another record.
    """
    seals = tables.seals.all()
    missing = next((each for each in tables.record.public_keys() if each not in {found.key for found in seals}), None)
    if missing is not None:
        return Sealed(Damage.SEAL_GONE, about=_name(missing))
    if not seals:
        return Sealed(Damage.NEVER_SEALED if keys else None)
    *_, last = seals
    known = {each.text for each in keys}
    if known and last.key not in known:
        until = max((each.size for each in seals if each.key in known), default=None)
        damage = Damage.SEALED_WITH_ANOTHER_KEY if until is None else Damage.KEY_CHANGED
        return Sealed(damage, until or 0, about=_name(last.key))
    if idle := known - {each.key for each in seals}:
        return Sealed(Damage.KEY_WITHOUT_SEAL, about=_name(min(idle)))
    if wrong := _length(seals[-1], tables.record.last().seq):
        return wrong
    roots = list(merkle.blocks(tables.record.hashes()))
    return _compared(tables, seals, roots) or Sealed(
        None if _kept(tables, roots) else Damage.TREE,
        sealed_by=_name(last.key),
        earlier=tuple((_name(each.key), each.size) for each in seals[:-1]),
        unknown=tuple(_name(each.key) for each in seals if each.key not in known),
    )


def _compared(tables: Tables, seals: list[Seal], roots: list[bytes]) -> Sealed | None:
    """Return the first seal that does not fit the events, or None. ``roots`` are those of the events' blocks."""
    read: list[tuple[Seal, Checkpoint]] = []
    for each in seals:
        tree = each.tree()
        if tree is None:
            return Sealed(Damage.SEAL_FORGED, about=_name(each.key))
        read.append((each, tree[1]))
    first = next(iter(tables.record.after(0, 1)))
    for each, said in read:
        end = tables.record.event(each.size)
        whole = roots[: each.size // BLOCK]
        rest = [event.hash for event in tables.record.after(len(whole) * BLOCK, each.size % BLOCK)]
        known = (seal.origin(first.hash), merkle.root([*whole, *merkle.blocks(rest)]), end.hash)
        if known != (said.origin, said.root, said.head):
            return Sealed(Damage.NOT_AS_SEALED, each.size, about=_name(each.key))
    return None


def _length(found: Seal, last: int) -> Sealed | None:
    if found.size > last:
        return Sealed(Damage.SEALED_EVENTS_CUT, last + 1, found.size)
    return Sealed(Damage.UNSEALED, found.size + 1, last) if found.size < last else None


def _kept(tables: Tables, roots: list[bytes]) -> bool:
    """Return True where the blocks that are kept are those of the events."""
    return roots[: tables.record.last().seq // BLOCK] == list(tables.seals.blocks())


def _name(key: str) -> str:
    try:
        return public_key(key).short
    except NotAKey:
        return "(unreadable)"
