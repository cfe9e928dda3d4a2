"""Copies with their date in their name, of which a folder keeps the newest."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bot.store.errors import StoreError
from bot.store.store import open_reader
from bot.store.tables import Tables

_NAME = re.compile(r"cancel-desk-[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{6}\.db", re.ASCII)


def dated(folder: Path, at: datetime) -> Path:
    """Return the name of a copy that is made at this time, which it has in UTC; names sort as their times do."""
    return folder / f"cancel-desk-{at.astimezone(UTC):%Y-%m-%d-%H%M%S}.db"


def prune(newest: Path, keep: int) -> list[Path]:
    """Delete all but the newest copies beside this one, which is one of those that stay; return what was deleted.

    Only copies count of which the newest one has everything, with a name that ``dated`` makes: another desk may keep
    its copies in the same folder, and after a restore an older copy may have events that are nowhere else. What cannot
    be read as one of ours is a stranger's. Raises OSError if one cannot be deleted.
    """
    found = sorted(
        (path for path in newest.parent.iterdir() if _NAME.fullmatch(path.name) and path.name <= newest.name),
        reverse=True,
    )
    with open_reader(newest) as tables:
        ours = [path for path in found if path == newest or _is_contained(path, tables)]
    for path in ours[keep:]:
        path.unlink()
    return ours[keep:]


def _is_contained(path: Path, newest: Tables) -> bool:
    """Return True for a copy of a record with which the newest one begins: it has the last event of this copy."""
    if path.is_symlink() or not path.is_file():
        return False
    with suppress(StoreError), open_reader(path) as tables:
        last = tables.record.last()
        return last.seq > 0 and newest.record.behind(last, 0) is not None
    return False
