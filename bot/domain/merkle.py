"""The Merkle tree over the hashes of the events, as RFC 9162 defines it (section 2.1).

Each leaf is the hash of one event, as 32 bytes. Blocks of 256 leaves let a proof be made without all events.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

_LEVELS = 8
BLOCK = 1 << _LEVELS
"""Leaves of a block."""
HASH = 32
"""Bytes of a hash."""


def leaf(event_hash: str) -> bytes:
    """Return the hash of a leaf; ``event_hash`` has 64 hexadecimal digits."""
    return sha256(b"\0" + bytes.fromhex(event_hash)).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over these leaves, or over whole blocks in their place, of which the last may have fewer."""
    if not hashes:
        return sha256().digest()
    level = hashes
    while len(level) > 1:
        # The last one of an odd number goes up as it is.
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(b"\1" + left + right).digest() for left, right in pairs] + [*odd]
    return level[0]


def blocks(event_hashes: Iterable[str]) -> Iterator[bytes]:
    """Yield the root of each block; the last one may have fewer leaves."""
    remaining = iter(event_hashes)
    while some := list(islice(remaining, BLOCK)):
        yield root([sha256(b"\0" + each).digest() for each in map(bytes.fromhex, some)])


@dataclass(frozen=True, slots=True)
class Frontier:
    """The part of a tree that the next leaves need: its size, and the roots of its complete subtrees, largest first."""

    size: int = 0
    roots: tuple[bytes, ...] = ()

    def add(self, event_hash: str) -> tuple["Frontier", bytes | None]:
        """Return the frontier with one more leaf, and the root of the block that this completes, or None."""
        roots, tree, block = list(self.roots), leaf(event_hash), None
        for level in range(1, self.size.bit_length() + 1):
            if not self.size >> (level - 1) & 1:
                break
            tree = _node(roots.pop(), tree)
            block = tree if level == _LEVELS else block
        return Frontier(self.size + 1, (*roots, tree)), block

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        if not self.roots:
            return root([])
        *larger, tree = self.roots
        for each in reversed(larger):
            tree = _node(each, tree)
        return tree

    @property
    def text(self) -> str:
        """The roots as hexadecimal digits."""
        return b"".join(self.roots).hex()


def frontier(size: int, text: str) -> Frontier:
    """Read back a frontier. Raises ValueError for a text that is none of this size."""
    joined = bytes.fromhex(text)
    if size < 0 or len(joined) != HASH * size.bit_count():
        raise ValueError(text)
    return Frontier(size, tuple(joined[start : start + HASH] for start in range(0, len(joined), HASH)))


def path(index: int, size: int, root_of: Callable[[int, int], bytes]) -> list[bytes]:
    """Return the inclusion proof of the leaf of this index, from 0, in a tree of this size: RFC 9162, section 2.1.3.1.

    ``root_of`` returns the root over the leaves from its first number up to, not including, its second one.
    """
    start, end, found = 0, size, []
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if index < middle:
            found.append(root_of(middle, end))
            end = middle
        else:
            found.append(root_of(start, middle))
            start = middle
    return found[::-1]


def root_by(proof: Sequence[bytes], index: int, size: int, event_hash: str) -> bytes | None:
    """Return the root to which an inclusion proof leads, or None if it is none: RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        return None
    tree, number, last = leaf(event_hash), index, size - 1
    for each in proof:
        if last == 0:
            return None
        if number & 1 or number == last:
            tree = _node(each, tree)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            tree = _node(tree, each)
        number, last = number >> 1, last >> 1
    return tree if last == 0 else None
