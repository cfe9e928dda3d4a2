"""A checked copy of the database, also while bots run."""

import contextlib
import errno
import itertools
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from bot.domain.verification import Verification
from bot.store import sqlite
from bot.store.drafts import draft, publish
from bot.store.errors import explained
from bot.store.place import Place, Server
from bot.store.store import open_reader
from bot.store.transfer import transfer
from bot.store.verification import verify_all


class UnsoundCopy(Exception):
    """The copy does not pass its checks, for what ``verification`` says. It is kept at ``kept`` for inspection."""

    def __init__(self, kept: Path, verification: Verification) -> None:
        super().__init__(str(kept))
        self.kept, self.verification = kept, verification


def backup(source: Place, target: Path) -> Verification:
    """Copy the database, check the copy, and give it its name last, so that ``target`` is never half a copy.

    The copy is a SQLite file, also of a database on a server, as it was in one moment.
    Raises FileExistsError, StoreError, OSError, or UnsoundCopy.
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    with open_reader(source) as tables:
        tables.record.last()  # before anything is written, so that a source that cannot be read is told as that
    with draft(target) as copy:
        if isinstance(source, Path):
            with explained(source):
                sqlite.copy(source, copy)
        else:
            _copy_from_server(source, copy)
        verification = verify_all(copy)
        if verification.damage is not None:
            raise UnsoundCopy(_keep(copy, target), verification)
        publish(copy, target)
    return verification


def _copy_from_server(source: Server, copy: Path) -> None:
    with open_reader(source) as tables, explained(copy):
        tables.connection.begin_reading()
        with closing(sqlite.open_writer(copy)) as into:
            into.begin()
            try:
                transfer(tables.connection, into)
            except BaseException:
                into.rollback()
                raise
            into.commit()
        with closing(sqlite3.connect(copy, isolation_level=None)) as whole:
            # One file, without a log beside it, is easier to carry.
            whole.execute("PRAGMA journal_mode=DELETE")


def _keep(copy: Path, target: Path) -> Path:
    """Return where a copy that is not sound is kept: beside the target, under the first name that is free."""
    for number in itertools.count(1):
        kept = target.with_name(f"{target.name}.unsound-{number}")
        with contextlib.suppress(FileExistsError):
            publish(copy, kept)
            return kept
    raise AssertionError("there is no end of numbers")
