"""The Merkle tree: the published vectors of certificate transparency, and every proof of small and odd trees."""

import pytest

from bot.domain import merkle
from bot.domain.merkle import BLOCK, Frontier

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The roots over the first one, two, ... of these leaves: test vectors of the reference implementation of RFC 6962."""
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def of(size: int) -> list[str]:
    """Return so many leaves, each of its own."""
    return [f"{number:064x}" for number in range(size)]


def grown(leaves: list[str]) -> Frontier:
    """Return the frontier of a tree that got these leaves one by one."""
    tree = Frontier()
    for each in leaves:
        tree, _ = tree.add(each)
    return tree


def root_of(leaves: list[str], start: int, end: int) -> bytes:
    """Return the root over some of the leaves."""
    return merkle.root([merkle.leaf(each) for each in leaves[start:end]])


def test_roots_are_those_of_the_published_vectors() -> None:
    """Both ways to a root lead to it: from all leaves at once, and from the frontier."""
    assert merkle.root([]).hex() == grown([]).root().hex() == NOTHING
    for size, root in enumerate(ROOTS, 1):
        assert root_of(LEAVES, 0, size).hex() == grown(LEAVES[:size]).root().hex() == root


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 33])
def test_each_leaf_has_a_proof_and_no_other_leaf_fits_it(size: int) -> None:
    """A proof leads to the root with its own leaf at its own place, whole, and with nothing else."""
    leaves = of(size)
    root = root_of(leaves, 0, size)
    for index, leaf in enumerate(leaves):
        proof = merkle.path(index, size, lambda start, end: root_of(leaves, start, end))
        assert merkle.root_by(proof, index, size, leaf) == root
        assert merkle.root_by(proof, index, size, "ff" * 32) != root
        assert merkle.root_by([*proof, root], index, size, leaf) is None
        for other in range(size):
            assert other == index or merkle.root_by(proof, other, size, leaf) != root
        for outside in (-1, size, index + size):
            assert merkle.root_by(proof, outside, size, leaf) is None
        if proof:
            assert merkle.root_by(proof[:-1], index, size, leaf) is None


def test_a_proof_at_a_million_events_has_twenty_hashes() -> None:
    """It is as long as the tree is high, whatever the event."""
    for index in (0, 123_456, 999_999):
        assert len(merkle.path(index, 1_000_000, lambda *_: bytes(32))) <= 20


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 7])
def test_whole_blocks_stand_for_their_leaves(size: int) -> None:
    """The roots of the blocks lead to the same root as all leaves, and the frontier gives each block when it ends."""
    leaves, tree, found = of(size), Frontier(), []
    for each in leaves:
        tree, block = tree.add(each)
        found += [block] if block is not None else []
    blocks = list(merkle.blocks(leaves))
    assert found == blocks[: size // BLOCK]
    assert merkle.root(blocks) == tree.root() == root_of(leaves, 0, size)


def test_a_frontier_is_read_back_as_it_was_and_nothing_else_is() -> None:
    """What was cut off, or is of another size, is no frontier."""
    tree = grown(of(11))
    assert merkle.frontier(11, tree.text) == tree
    for size, text in ((10, tree.text[64:]), (11, tree.text[:-64]), (11, tree.text + "00"), (-1, ""), (11, "x")):
        if size == 10:
            assert merkle.frontier(size, text).root() != tree.root()
            continue
        with pytest.raises(ValueError):  # noqa: PT011 -- fromhex has words of its own
            merkle.frontier(size, text)
