"""A checked copy of the file, also while the bot runs."""

import os
from pathlib import Path

from bot.domain.verification import Verification
from bot.store import sqlite
from bot.store.errors import StoreError, explained
from bot.store.store import open_reader
from bot.store.verification import verify_file


class UnsoundCopy(Exception):
    """The copy does not pass its checks, for what ``verification`` says. It is kept at ``draft`` for inspection."""

    def __init__(self, draft: Path, verification: Verification) -> None:
        super().__init__(str(draft))
        self.draft, self.verification = draft, verification


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
    verification = verify_file(draft)
    if verification.damage is not None:
        raise UnsoundCopy(draft, verification)
    draft.rename(target)
    return verification
