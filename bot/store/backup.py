"""A checked copy of the file, also while the bot runs."""

import os
from pathlib import Path

from bot.domain.audit import Verification, verify
from bot.store import sqlite
from bot.store.errors import StoreError, explained
from bot.store.store import open_reader
from bot.store.tables import Tables


class UnsoundCopy(Exception):
    """The copy does not pass its checks. It is kept at ``draft`` for inspection.

    ``complaint`` is SQLite's own, or empty; then ``verification`` says what is wrong with the record.
    """

    def __init__(self, draft: Path, complaint: str, verification: Verification) -> None:
        super().__init__(str(draft))
        self.draft, self.complaint, self.verification = draft, complaint, verification


def integrity(tables: Tables) -> str:
    """Return an empty text where the engine finds the database sound, else its first complaint."""
    says = str(tables.connection.execute("PRAGMA integrity_check(1)")[0][0])
    return "" if says == "ok" else says


def backup(source: Path, target: Path) -> Verification:
    """Copy the database, check the copy, and give it its name last, so that ``target`` is never half a copy.

    Raises FileExistsError, StoreError, OSError, or UnsoundCopy.
    """
    if target.exists():
        raise FileExistsError(target)
    draft = target.with_name(f"{target.name}.part")
    draft.unlink(missing_ok=True)
    with open_reader(source):
        pass  # before anything is written, so that a source that does not open leaves no draft behind
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with explained(source):
            sqlite.copy(source, draft)
    except StoreError:
        draft.unlink(missing_ok=True)
        raise
    with open_reader(draft) as copied:
        complaint, verification = integrity(copied), verify(copied.record.all())
    if complaint or verification.damage is not None:
        raise UnsoundCopy(draft, complaint, verification)
    draft.rename(target)
    return verification
