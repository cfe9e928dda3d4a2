"""Why the file cannot be used, in words that name the file and the way out."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FREE_SPACE = "Free some space on that disk; nothing that was acknowledged is lost."


class StoreError(Exception):
    """The file cannot be used. The message names the file and the way out.

    ::

        StoreError
        ├── Busy           another process writes to it
        ├── NewerSchema    a newer version of the bot wrote it
        ├── Damaged        it is not a sound SQLite database, or the record's guards are gone
        └── Unusable       the disk is full, the file is read-only, the folder is missing…
    """


class Busy(StoreError):
    """Another process writes to the file."""


class NewerSchema(StoreError):
    """A newer version of the bot has changed the file."""


class Damaged(StoreError):
    """The file is not a sound database, or the guards of the record are gone."""


class Unusable(StoreError):
    """The file cannot be read or written here and now."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the operating system say into a StoreError that names the way out."""
    try:
        yield
    except sqlite3.OperationalError as error:
        says = str(error)
        if "disk is full" in says:
            msg = f"{path}: {says}. {FREE_SPACE}"
        elif "disk I/O" in says:
            msg = f"{path}: {says}. The disk is full or failing: look at its free space and at the system's log."
        elif "readonly" in says:
            msg = f"{path}: the file or its folder is read-only. Make both writable for the bot's user."
        elif "locked" in says:
            msg = f"{path}: another program has kept the database locked. Close it (a shell, a viewer) and try again."
        elif "unable to open" in says:
            msg = f"{path}: {says}. {_way_in(path)}"
        else:
            msg = f"{path}: {says}"
        raise Unusable(msg) from error
    except sqlite3.IntegrityError:
        raise
    except sqlite3.DatabaseError as error:
        msg = (
            f"{path}: {error}. Stop the bot, keep this file for inspection, and put the latest"
            " backup in its place (made with `python -m bot backup FILE`)."
        )
        raise Damaged(msg) from error
    except OSError as error:
        msg = f"{path}: {error.strerror}. {FREE_SPACE if error.errno == errno.ENOSPC else _way_in(path)}"
        raise Unusable(msg) from error


def _way_in(path: Path) -> str:
    """What to do where the file cannot be opened."""
    if path.parent.exists() and not os.access(path.parent, os.W_OK):
        return "Its folder is read-only: make it writable for the bot's user. Backups can be read all the same."
    return "Check that the folder exists and belongs to the bot's user."
