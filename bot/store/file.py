"""The database file itself: its lock, what a start accepts, and whether it is still the file that was opened.

SQLite finds its files by name once, and holds on to them; it does not notice that somebody deletes or replaces one.
A commit would then go where no later start looks for it.

``user_version`` in the file's header is a mark. It begins with a random number, grows with each generation of the log
beside the file (``-wal``), and is odd while the log holds transactions that the file does not. So a copy of the file
alone says itself that something is missing, and other content in the file's place has another mark. SQLite's own count
of changes would not do: in a log it stands still.
"""

import fcntl
import os
import stat
import struct
import sys
import threading
import time
from enum import IntEnum
from pathlib import Path

from bot.store.errors import StoreError, StoreProblem
from bot.store.format import (
    HEADER,
    LOG_HEADER,
    LOG_MAGIC,
    Header,
    can_hold_something,
    header,
    is_whole,
    read_log,
)

APPLICATION_ID = 0x4344534B
"""The letters CDSK, in the header of each of our files."""
_SHARED_LOCK = (0x40000002, 510)
"""The bytes on which SQLite's users of a file have their shared locks; only who can lock all of them may tidy up."""


_OF_OTHERS = 0o077
"""The bits of a mode that give rights to anybody but the owner."""


class Privacy(IntEnum):
    """The answers to whether other users can use the file, the best first."""

    PRIVATE = 0
    CLOSED = 1
    """They could until now."""
    OPEN = 2
    """They can, and the system did not let the bot change that."""


def _identity(name: str) -> tuple[int, int] | None:
    """Return what tells this file from all others, whatever their names; None if it cannot be found."""
    try:
        found = os.stat(name)  # noqa: PTH116 -- several times at each commit, and Path takes twice as long
    except OSError:
        return None
    return found.st_dev, found.st_ino


_BETWEEN_LOOKS = 0.02
"""Seconds between two tries to get the lock."""


def check_log(path: Path, log: Path, mark: int | None, size: int) -> None:
    """Raise StoreError unless the file with this mark and size in bytes has everything, together with this log.

    ``mark`` is None where nobody can read it.
    """
    # Whoever only reads the file leaves an empty log beside it. The bot empties its own once the file is marked.
    if mark is not None and not is_whole(mark) and not can_hold_something(log):
        raise StoreError(StoreProblem.INCOMPLETE, path, log.name)
    found = read_log(log, size)
    if found.is_damaged:
        raise StoreError(StoreProblem.LOG_DAMAGED, path, log.name)
    if mark is not None and not found.belongs_to(mark):
        raise StoreError(StoreProblem.ANOTHER_LOG, path, log.name)
    if found.lacks_pages:  # SQLite notices that only where there is no log, and says it in these words.
        raise StoreError(StoreProblem.DAMAGED, path, "database disk image is malformed")


class File:
    """The file, open and locked until ``close``.

    The lock is on the file and not on its name, so it holds by whichever way somebody reaches the file, and the system
    releases it when the process dies. The descriptor must outlive SQLite's: closing any descriptor of a file gives up
    the locks that SQLite has on it.
    """

    def __init__(self, path: Path, *, patience: float = 0.0) -> None:
        """Open, lock and judge the file; create an empty one if there is none. Raises StoreError and OSError.

        ``patience`` is how many seconds the lock may take: a command holds it for a moment.
        """
        self.path = path
        exists = self._is_regular(path)
        self._real = path.resolve()
        self._log = Path(f"{self._real}-wal")
        if not exists and self._log_size():
            raise StoreError(StoreProblem.LOG_ALONE, path, self._log.name)
        self.newest_mark = 0
        """The last mark that the writer wrote; it may still be in the log alone."""
        self._names = {str(path), str(self._real)}
        self._beside: dict[str, tuple[int, int] | None] = {}
        self._log_descriptor: int | None = None
        self._log_seen = (0, b"")
        self._seen: Header | None = None
        self._least = 0
        """The bytes that the file must have, because it had them before."""
        self._checking = threading.Lock()
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._lock_descriptor = self._descriptor
        try:
            self._lock(patience)
            self._judge()
            close_to_others(self._real)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _is_regular(path: Path) -> bool:
        """Return False where there is nothing. Raises StoreError where opening might hang or have an effect."""
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 -- Path.exists() hides why it cannot look
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(mode):
            raise StoreError(StoreProblem.NOT_A_FILE, path)
        return True

    def _lock(self, patience: float) -> None:
        if sys.platform != "linux":
            # There flock and SQLite's own locks exclude each other, so it has to be another file.
            self._lock_descriptor = os.open(f"{self._real}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        gives_up = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(self._lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= gives_up:
                    raise StoreError(StoreProblem.BUSY, self.path) from None
                time.sleep(_BETWEEN_LOOKS)
            else:
                return

    def _judge(self) -> None:
        """Raise StoreError unless the file is new, or one of ours with its log."""
        size, page = os.fstat(self._descriptor).st_size, os.pread(self._descriptor, HEADER, 0)
        if size == 0:
            if self._log_size():
                raise StoreError(StoreProblem.LOG_ALONE, self.path, self._log.name)
            return
        found = header(page)
        if found is None:
            raise StoreError(StoreProblem.DAMAGED, self.path, "file is not a database")
        if found.application != APPLICATION_ID:
            raise StoreError(StoreProblem.FOREIGN, self.path)
        check_log(self.path, self._log, found.mark, size)

    def _log_size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    def remember(self) -> None:
        """Take the files beside it, which are there by now, for those that ``check`` must find."""
        self._log_descriptor = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        for place in (str(self._log), f"{self._real}-shm"):
            self._beside[place] = _identity(place)
        self._seen = header(os.pread(self._descriptor, HEADER, 0))
        self.check()

    @property
    def log_is_empty(self) -> bool:
        """Return True where everything is in the file."""
        return self._log_size() == 0

    @property
    def whole(self) -> bool:
        """Return True where the file says that it holds everything, which it does not say while it is being opened."""
        if self._log_descriptor is None:
            return False
        found = header(os.pread(self._descriptor, HEADER, 0))
        return found is not None and found.whole

    def check(self) -> None:
        """Raise StoreError unless the next start will find, at this path, all that was committed. Any thread may."""
        with self._checking:
            ours = os.fstat(self._descriptor)
            for place in self._names:
                if (found := _identity(place)) is None:
                    raise StoreError(StoreProblem.GONE, self.path)
                if found != (ours.st_dev, ours.st_ino):
                    raise StoreError(StoreProblem.REPLACED, self.path)
            for place, known in self._beside.items():
                if _identity(place) != known:
                    raise StoreError(StoreProblem.LOG_GONE, self.path, os.path.basename(place))  # noqa: PTH119
            self._check_content(ours.st_size)

    def _check_content(self, size: int) -> None:
        if self._log_descriptor is None or self._seen is None:
            return  # It is being opened.
        before, now = self._seen, header(os.pread(self._descriptor, HEADER, 0))
        if now is None or now.application != APPLICATION_ID or not before.mark <= now.mark <= self.newest_mark:
            raise StoreError(StoreProblem.REPLACED, self.path)
        # The header comes into the file before the pages that it counts, and perhaps long before. So its size says only
        # how short the file may become: as short as that, by VACUUM. It never loses what it had otherwise.
        if size < min(self._least, now.size):
            raise StoreError(StoreProblem.CUT, self.path)
        self._seen, self._least = now, min(max(self._least, size), now.size)
        length, head = self._look_at_log(self._log_descriptor)
        seen, salts = self._log_seen
        # SQLite begins a new log with new salts. An empty one is what a checkpoint leaves.
        if length and (not head.startswith(LOG_MAGIC) or (length < seen and head[16:24] == salts)):
            raise StoreError(StoreProblem.LOG_GONE, self.path, self._log.name)
        self._log_seen = (length, head[16:24])

    @staticmethod
    def _look_at_log(descriptor: int) -> tuple[int, bytes]:
        """Return the log's length and its header as they were in one moment, also while another log is begun."""
        while True:
            head, length = os.pread(descriptor, LOG_HEADER, 0), os.fstat(descriptor).st_size
            if bool(head) == bool(length) and os.pread(descriptor, LOG_HEADER, 0) == head:
                return length, head

    def keep_log(self) -> None:
        """Keep SQLite, when it closes, from moving its log into a file that is not the one that the log belongs to."""
        keep_log(self._descriptor)

    def close(self) -> None:
        """Release the lock."""
        for descriptor in {self._descriptor, self._lock_descriptor, self._log_descriptor} - {None}:
            os.close(descriptor)  # type: ignore[arg-type]  # None is taken out


def close_to_others(path: Path) -> Privacy:
    """Take the rights of other users off the file and off those beside it; return how that went."""
    found = Privacy.PRIVATE
    for place in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        try:
            if (mode := place.stat().st_mode) & _OF_OTHERS:
                found = max(found, Privacy.CLOSED)
                place.chmod(stat.S_IMODE(mode) & ~_OF_OTHERS)
                if place.stat().st_mode & _OF_OTHERS:
                    found = Privacy.OPEN
        except FileNotFoundError:
            continue
        except OSError:  # not the owner, or a file system without modes
            found = Privacy.OPEN
    return found


def in_use(path: Path) -> bool:
    """Return True where a bot has this file open. Not for a process that has it open itself."""
    place = path if sys.platform == "linux" else Path(f"{path.resolve()}.lock")
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def keep_log(descriptor: int) -> None:
    """Keep SQLite, when its last connection closes, from moving its log into this file, until the descriptor closes."""
    if sys.platform == "linux":
        start, length = _SHARED_LOCK
        shared = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, start, length, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, shared)
