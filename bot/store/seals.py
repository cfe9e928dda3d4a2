"""The seals of the record, and the Merkle tree that they sign, as far as the next seal needs it.

A transaction may only seal events that it wrote itself, right behind those that the last seal covers. So the bot never
signs what somebody else has put into its database. Without a key there is neither a seal nor a tree.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bot.domain import merkle, seal
from bot.domain.audit import Event
from bot.domain.events import Started
from bot.domain.merkle import BLOCK, Frontier
from bot.domain.seal import Checkpoint, NotAKey, PrivateKey, public_key
from bot.store.connection import Connection
from bot.store.errors import SealRefused, StoreProblem

_COLUMNS = "key, size, frontier, note"
_AT_A_TIME = 10_000
_NAMES_A_KEY = (
    f"SELECT 1 FROM audit_events WHERE request = '' AND kind = '{Started.kind}' AND seq <= ?"
    " AND data LIKE '%\"record_key\"%' LIMIT 1"
)


class Seal(NamedTuple):
    """The last seal of one key."""

    key: str
    size: int
    frontier: str
    note: str

    def tree(self) -> tuple[Frontier, Checkpoint] | None:
        """Return the tree that this seals, or None if anything in the row contradicts the rest, or the signature."""
        try:
            text = public_key(self.key).signed(self.note)
            tree = merkle.frontier(self.size, self.frontier)
            found = seal.checkpoint(text or "")
        except (NotAKey, ValueError):
            return None
        return (tree, found) if (found.size, found.root) == (tree.size, tree.root()) else None


class Seals:
    """The tables ``seals`` and ``tree_blocks``. Without ``key`` nothing is signed."""

    def __init__(self, connection: Connection, key: PrivateKey | None = None) -> None:
        self._connection = connection
        self._key = key
        self._known: tuple[Seal, Frontier, Checkpoint] | None = None
        """The row whose signature this process made or verified last, and what it says. It never stands for the row."""
        self._never_sealed = False
        """True once this process has seen that the record names no key, until it seals itself."""

    def latest(self) -> Seal | None:
        """Return the seal over the most events, or None in a record that was never sealed."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM seals ORDER BY size DESC, key DESC LIMIT 1")
        return Seal(*rows[0]) if rows else None

    def all(self) -> list[Seal]:
        """Return the last seal of each key, in the order in which the keys were last used."""
        return [Seal(*row) for row in self._connection.execute(f"SELECT {_COLUMNS} FROM seals ORDER BY size, key")]

    def blocks(self) -> Iterator[bytes]:
        """Yield the root of each whole block."""
        return (
            bytes.fromhex(root) for (root,) in self._connection.stream("SELECT root FROM tree_blocks ORDER BY number")
        )

    def add(self, events: Sequence[Event]) -> None:
        """Seal the events that this transaction has appended, if the record is sealed. Raises SealRefused."""
        before, size, head = self.latest(), events[0].seq - 1, events[0].prev_hash
        if before is None:
            self._check_never_sealed(size)
            if self._key is None or not self._begins(events):
                return
            tree, name = self._over(size), self._origin(events)
        else:
            self._check_key(before, events)
            tree, name = self._sealed(before, size, head)
        assert self._key is not None
        for event in events:
            tree = self._grown(tree, event.hash)
        said = Checkpoint(name, tree.size, tree.root(), events[-1].hash)
        made = Seal(self._key.public_text, tree.size, tree.text, self._key.sign(said.text))
        self._connection.execute(
            f"INSERT INTO seals ({_COLUMNS}) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
            " size = excluded.size, frontier = excluded.frontier, note = excluded.note",
            made,
        )
        # Compared with the whole row, so it does no harm where the transaction is undone.
        self._known, self._never_sealed = (made, tree, said), False

    def check(self, last: Event) -> None:
        """Raise SealRefused where the next event could not be sealed; ``last`` is the last event of the record."""
        found = self.latest()
        if found is None:
            self._check_never_sealed(last.seq)
        else:
            self._check_key(found, ())
            self._sealed(found, last.seq, last.hash)

    def _check_never_sealed(self, size: int) -> None:
        """Raise SealRefused where one of the first ``size`` events names a key: the seal that it had is gone."""
        if not self._never_sealed and self._connection.execute(_NAMES_A_KEY, (size,)):
            raise SealRefused(StoreProblem.SEAL_BROKEN)
        self._never_sealed = True

    def _begins(self, events: Sequence[Event]) -> bool:
        """Return True where a bot says here that it begins to seal with this process's key; no command may do that."""
        if self._key is None:
            return False
        return any(
            isinstance(content := event.content, Started) and content.record_key == self._key.public_text
            for event in events
            if event.kind == Started.kind
        )

    def _check_key(self, before: Seal, events: Sequence[Event]) -> None:
        if self._key is None:
            raise SealRefused(StoreProblem.SEALED, _short(before.key))
        if before.key != self._key.public_text and not self._begins(events):
            raise SealRefused(StoreProblem.ANOTHER_KEY, _short(before.key))

    def _sealed(self, before: Seal, size: int, head: str) -> tuple[Frontier, str]:
        """Return the tree and the origin of the last seal, which covers exactly the events up to this one."""
        if self._known is None or before != self._known[0]:
            read = before.tree()
            if read is None:
                raise SealRefused(StoreProblem.SEAL_BROKEN)
            self._known = before, *read
        _, tree, found = self._known
        if found.size != size or found.head != head:
            raise SealRefused(StoreProblem.NOT_SEALED, f"#{found.size}")
        return tree, found.origin

    def _over(self, size: int) -> Frontier:
        """Return the tree over the first ``size`` events, which the first seal covers as they are."""
        tree = Frontier()
        self._connection.execute("DELETE FROM tree_blocks")
        # In parts: a server's stream must not stand open while something is written.
        while hashes := self._hashes(tree.size, min(tree.size + _AT_A_TIME, size)):
            for each in hashes:
                tree = self._grown(tree, each)
        return tree

    def _grown(self, tree: Frontier, event_hash: str) -> Frontier:
        """Return the tree with one event more, and keep the block that this completes."""
        tree, block = tree.add(event_hash)
        if block is not None:
            self._connection.execute(
                "INSERT INTO tree_blocks (number, root) VALUES (?, ?)"
                " ON CONFLICT (number) DO UPDATE SET root = excluded.root",
                (tree.size // BLOCK, block.hex()),
            )
        return tree

    def _origin(self, events: Sequence[Event]) -> str:
        rows = self._connection.execute("SELECT hash FROM audit_events WHERE seq = 1")
        return seal.origin(rows[0][0] if rows else events[0].hash)

    # --- reading ------------------------------------------------------------------------------

    def proof(self, seq: int, size: int) -> list[bytes]:
        """Return the inclusion proof of one event in the tree over the first ``size`` events."""
        whole = list(self.blocks())
        return merkle.path(seq - 1, size, lambda start, end: self._root_of(start, end, whole))

    def root(self, size: int) -> bytes:
        """Return the root over the first ``size`` events, as the kept blocks and the last events have it."""
        return self._root_of(0, size, list(self.blocks()))

    def _root_of(self, start: int, end: int, whole: Sequence[bytes]) -> bytes:
        if end - start < BLOCK:
            return merkle.root([merkle.leaf(each) for each in self._hashes(start, end)])
        # A part of the tree with so many leaves begins with a whole block.
        rest = self._hashes(end // BLOCK * BLOCK, end)
        return merkle.root([*whole[start // BLOCK : end // BLOCK], *merkle.blocks(rest)])

    def _hashes(self, start: int, end: int) -> list[str]:
        sql = "SELECT hash FROM audit_events WHERE seq > ? AND seq <= ? ORDER BY seq"
        return [each for (each,) in self._connection.execute(sql, (start, end))] if end > start else []


def _short(key: str) -> str:
    try:
        return public_key(key).short
    except NotAKey:
        return "(unreadable)"
