"""Files that appear under their name only when they are whole, and that take no other file's place."""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OURS = re.compile(r"\.cancel-desk-draft-[0-9a-f]{16}")


@contextmanager
def draft(target: Path) -> Iterator[Path]:
    """Yield the path of a new, empty file on the same disk as ``target``; it is gone afterwards.

    It is in a folder of its own beside the target, so that nothing else can be in its way or be deleted with it. A
    process that is killed leaves that folder behind, and the next draft beside it removes it. Raises OSError.
    """
    _remove_abandoned(target.parent)
    folder, lock = _new_folder(target.parent)
    try:
        yield folder / "draft"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def publish(path: Path, target: Path) -> None:
    """Give a finished draft its name. Raises FileExistsError if there is something under it, or OSError."""
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: the name is taken with an empty file of our own, which the draft replaces.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        path.replace(target)


def _new_folder(parent: Path) -> tuple[Path, int]:
    """Return a new folder with an empty draft in it, and the lock that says that somebody writes there."""
    while True:
        folder = parent / f".cancel-desk-draft-{secrets.token_hex(8)}"
        folder.mkdir(0o700)
        lock = os.open(folder / "lock", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            # The system releases it when the process dies, however that happens. Without locks nothing is removed.
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            os.close(os.open(folder / "draft", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileNotFoundError:
            os.close(lock)  # another process took the folder for an abandoned one before it was locked
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            raise
        else:
            return folder, lock


def _remove_abandoned(parent: Path) -> None:
    """Remove what a killed process left behind, but not what another process is writing."""
    try:
        folders = list(parent.iterdir())
    except OSError:
        return  # a folder that only takes new files, or none at all; the next step says so
    for folder in folders:
        if not _OURS.fullmatch(folder.name) or folder.is_symlink():
            continue
        with contextlib.suppress(OSError):
            lock = os.open(folder / "lock", os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)
