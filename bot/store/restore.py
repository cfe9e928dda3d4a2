"""Putting a copy into the place of the bot's file, while no bot runs."""

import fcntl
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from typing import TypeAlias

from bot.domain.events import Restored, Started
from bot.domain.seal import PrivateKey
from bot.domain.verification import Verification
from bot.store import sqlite
from bot.store.drafts import draft, publish
from bot.store.errors import StoreError, StoreProblem, explained
from bot.store.place import Place
from bot.store.store import open_beside, open_reader
from bot.store.tables import Tables
from bot.store.verification import verify_all

AnotherWay: TypeAlias = frozenset[tuple[int, str]]
"""Orders, each by the number of its request and its id."""

_KEPT = ".before-restore-"
"""So goes on the name of the file that was there before, up to a number."""
_BESIDE = ("-wal", "-shm")
"""The endings of the files that SQLite keeps beside a database."""


class UnsoundBackup(Exception):
    """The copy that was to be restored does not pass its checks, for what ``verification`` says."""

    def __init__(self, verification: Verification) -> None:
        super().__init__(str(verification.damage))
        self.verification = verification


@dataclass(frozen=True, slots=True)
class Restoration:
    """The state of the file now, and the place of the file that was there before; None if there was none.

    ``another_way`` went what has ended in it, in a database that it was compared with. ``not_compared`` are the files
    beside it, by the names that they have now, that nobody can read.
    """

    verification: Verification
    kept: Path | None
    another_way: AnotherWay = frozenset()
    not_compared: tuple[Path, ...] = ()


def restore(
    source: Path,
    target: Path,
    actor: str,
    at: datetime,
    *,
    then: Callable[[Tables, AnotherWay], None] = lambda *_: None,
    key: PrivateKey | None = None,
    compare: Sequence[Place] = (),
) -> Restoration:
    """Check the copy, put it on its own record that it was restored, and put it into the place of ``target``.

    ``then`` does what must be in the file before any bot opens it. It gets the orders that have ended in the copy and
    went another way in one of the databases ``compare``, in the file that it replaces, or in one that earlier restores
    have kept, as far as these can be read. The file that was there, sound or not, keeps its content under another
    name. Nothing changes unless all of it works. Raises StoreError (BUSY while a bot runs), UnsoundBackup, and OSError.
    """
    real = target.resolve()
    if source.exists() and real.exists() and source.samefile(real):
        raise StoreError(StoreProblem.THE_SAME, source)
    if source.exists() and not source.is_file():
        raise StoreError(StoreProblem.NOT_A_FILE, source)
    with open_reader(source) as tables:
        tables.record.last()  # before anything is written, so that a copy that cannot be read is told as that
    with _alone(target, real), draft(real) as copy:
        with source.open("rb") as content:
            digest = file_digest(content, "sha256").hexdigest()
        with explained(source):
            sqlite.copy(source, copy)
        verification = verify_all(copy)
        if verification.damage is not None:
            raise UnsoundBackup(verification)
        try:
            with open_beside(copy, key) as tx:
                tx.record.append(Restored(verification.events, digest), actor, at)
                another_way, unread = _among_kept(tx, real)
                another_way |= went_another_way(tx, compare)
                then(tx, another_way)
        except StoreError as error:
            if error.path != copy:
                raise
            raise StoreError(error.problem, source, error.about) from error  # the draft is nothing that people know
        verification = verify_all(copy)
        _give(copy, real)
        kept = _swap(copy, real)
        not_compared = tuple(kept if each == real and kept else each for each in unread)
        return Restoration(verification, kept, another_way, not_compared)


def went_another_way(copy: Tables, places: Sequence[Place]) -> AnotherWay:
    """Return the orders that have ended in a copy and went another way in one of these databases. Raises StoreError."""
    found: set[tuple[int, str]] = set()
    for place in places:
        with open_reader(place) as other:
            found |= _compared(copy, other)
    return frozenset(found)


def _among_kept(copy: Tables, real: Path) -> tuple[AnotherWay, list[Path]]:
    """Return the same for the file that is there and those that restores have kept, and those that cannot be read."""
    found: set[tuple[int, str]] = set()
    unread: list[Path] = []
    kept = re.compile(rf"{re.escape(real.name)}({re.escape(_KEPT)}[0-9]+)?")
    for path in sorted(each for each in real.parent.iterdir() if kept.fullmatch(each.name)):
        try:
            with explained(path), closing(sqlite.open_read_only(path, at_rest=True)) as file:
                found |= _compared(copy, Tables(file))
        except (StoreError, OSError):
            unread.append(path)
    return frozenset(found), unread


def _compared(copy: Tables, other: Tables) -> AnotherWay:
    # A database whose whole record the copy has knows of no other way.
    if copy.record.behind(other.record.last(), 0) is not None:
        return frozenset()
    return copy.requests.that_went_another_way(other.requests, used=_was_used(copy, other))


def _was_used(copy: Tables, other: Tables) -> bool:
    """Return False for a copy of this copy's own past on which no bot has run: somebody restored it by mistake."""
    restored, started = other.record.latest(Restored), other.record.latest(Started)
    if restored is None or (started is not None and started.seq > restored.seq):
        return True
    return restored.seq > 1 and copy.record.behind(other.record.event(restored.seq - 1), 0) is None


@contextmanager
def _alone(target: Path, real: Path) -> Iterator[None]:
    """Keep every bot away from the file for as long as the block runs. Raises StoreError if one has it open."""
    # The bot's own lock, whatever is in the file: it may be damaged, and that is why somebody restores a copy.
    place = real if sys.platform == "linux" else Path(f"{real}.lock")
    try:
        descriptor = os.open(place, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(StoreProblem.BUSY, target) from None
        yield
    finally:
        os.close(descriptor)


def _swap(copy: Path, real: Path) -> Path | None:
    """Put the copy into the file's place; return the name under which the former file is kept.

    At no moment is there no file under the name, so that no start takes that for a new one. If this process dies in the
    middle, the former file is whole under its other name.
    """
    kept = _free(real)
    existed = real.exists()
    if existed:
        os.link(real, kept)
    for ending in _BESIDE:
        with suppress(FileNotFoundError):
            Path(f"{real}{ending}").rename(f"{kept}{ending}")
    if existed:
        copy.replace(real)
    else:
        publish(copy, real)
    _sync(real.parent)
    return kept if existed else None


def _free(real: Path) -> Path:
    """Return the first free name for the former file."""
    for number in itertools.count(1):
        kept = real.with_name(f"{real.name}{_KEPT}{number}")
        if not any(os.path.lexists(f"{kept}{ending}") for ending in ("", *_BESIDE)):
            return kept
    raise AssertionError("there is no end of numbers")


def _give(copy: Path, real: Path) -> None:
    """Let the copy belong to the user of the file that it replaces, where the superuser restores it."""
    if os.geteuid() == 0:
        owner = (real if real.exists() else real.parent).stat()
        os.chown(copy, owner.st_uid, owner.st_gid)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
