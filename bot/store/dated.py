"""Copies with their date in their name, of which a folder keeps the newest."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bot.store.errors import StoreError
from bot.store.store import open_reader

_NAME = re.compile(r"cancel-desk-[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{6}\.db", re.ASCII)


def dated(folder: Path, at: datetime) -> Path:
    """Return the name of a copy that is made at this time, which it has in UTC; names sort as their times do."""
    return folder / f"cancel-desk-{at.astimezone(UTC):%Y-%m-%d-%H%M%S}.db"


def prune(newest: Path, keep: int) -> list[Path]:
    """Delete all but the newest copies beside this one, which is one of those that stay; return what was deleted.

    Only copies of the same record count, with a name that ``dated`` makes: another desk may keep its copies in the same
    folder, and what cannot be read as one of ours is a stranger's. Raises OSError if one cannot be deleted.
    """
    record = _record_of(newest)
    found = sorted(
        (path for path in newest.parent.iterdir() if _NAME.fullmatch(path.name) and path.name <= newest.name),
        reverse=True,
    )
    ours = [path for path in found if path == newest or (record and _record_of(path) == record)]
    for path in ours[keep:]:
        path.unlink()
    return ours[keep:]


def _record_of(path: Path) -> str:
    """Return the hash of the first event, which no two records share; empty for what is no copy of a record."""
    if path.is_symlink() or not path.is_file():
        return ""
    with suppress(StoreError), open_reader(path) as tables:
        return next((event.hash for event in tables.record.after(0, 1)), "")
    return ""
