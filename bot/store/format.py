"""SQLite's file format, as far as the bot reads it itself: the header of a database, and the log beside it."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

HEADER = 100
"""The bytes of a database's header."""
_MAGIC = b"SQLite format 3\0"
LOG_HEADER = 32
LOG_MAGIC = b"\x37\x7f\x06"
_FRAME_HEADER = 24
_LOCK_BYTE = 0x40000000
"""SQLite puts nothing on the page that has this byte, as its locks are there."""


class Header(NamedTuple):
    """The fields of a database's first page that we look at."""

    application: int
    mark: int
    size: int

    @property
    def whole(self) -> bool:
        """Return False where the log beside the file holds more."""
        return is_whole(self.mark)


def is_whole(mark: int) -> bool:
    """Return what the mark in the header (SQLite's ``user_version``) says: True where the file holds everything."""
    return mark % 2 == 0


def header(page: bytes) -> Header | None:
    """Return the header at the beginning of this page, or None if it is not a database's."""
    # The three bytes in the middle are the same in every database.
    if len(page) < HEADER or page[:16] != _MAGIC or page[21:24] != b"\x40\x20\x20":
        return None
    (page_size,) = struct.unpack_from(">H", page, 16)
    (pages,) = struct.unpack_from(">I", page, 28)
    (mark,) = struct.unpack_from(">I", page, 60)
    (application,) = struct.unpack_from(">I", page, 68)
    return Header(application, mark, pages * (65536 if page_size == 1 else page_size))


class Log(NamedTuple):
    """The marks in a log, and what a file with this log would lack.

    SQLite moves the log into the file page by page, the header first, and may stop at any page. So the file alone may
    lack some. ``lacks_pages`` is true where one is in neither of them.
    ``is_damaged`` is true where SQLite would leave out transactions that were on the disk. It takes the log to end
    where a checksum is wrong, as a loss of power leaves the last transaction. Behind a damaged frame there may be one
    end of a transaction then, and with two the first of them was complete. Source:
    https://www.sqlite.org/fileformat2.html#walformat
    """

    marks: list[int]
    lacks_pages: bool = False
    is_damaged: bool = False

    def belongs_to(self, mark: int) -> bool:
        """Return False beside a file with another mark: SQLite would not notice, and would mix both."""
        # It is one of the log's, or the one before the first.
        return not self.marks or self.marks[0] - 1 <= mark <= self.marks[-1]


def can_hold_something(log: Path) -> bool:
    """Return False for a log that is missing, empty, no log, or too short for one page: SQLite takes it for empty.

    A log that SQLite has begun anew keeps its length, so that a crash in that moment leaves a longer one.
    """
    if not log.exists():
        return False
    with log.open("rb") as content:
        head = content.read(LOG_HEADER)
    if len(head) < LOG_HEADER or not head.startswith(LOG_MAGIC):
        return False
    return log.stat().st_size >= LOG_HEADER + _FRAME_HEADER + int.from_bytes(head[8:12], "big")


def _frames(content: IO[bytes], head: bytes) -> Iterator[bytes]:
    """Yield the frames behind this header that are of the same log: SQLite begins a new one over the old one."""
    length = _FRAME_HEADER + int.from_bytes(head[8:12], "big")
    while len(frame := content.read(length)) == length and frame[8:16] == head[16:24]:
        yield frame


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    numbers = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for one, other in zip(numbers, numbers, strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second


def read_log(log: Path, size: int) -> Log:
    """Read the log of a file that has so many bytes, as far as SQLite does not ignore it."""
    marks: list[int] = []
    beyond: set[int] = set()
    pages = 0
    if not log.exists():
        return Log(marks)
    with log.open("rb") as content:
        head = content.read(LOG_HEADER)
        if len(head) < LOG_HEADER or not head.startswith(LOG_MAGIC):
            return Log(marks)
        page_size = int.from_bytes(head[8:12], "big")
        in_file = size // page_size
        order = ">" if head[3] & 1 else "<"
        sums, sound, ends = _checksum(head[:24], order, (0, 0)), True, 0
        for frame in _frames(content, head):
            number, pages_then = struct.unpack_from(">II", frame)
            if sound:
                sums = _checksum(frame[:8] + frame[_FRAME_HEADER:], order, sums)
                sound = sums == struct.unpack_from(">II", frame, 16)
            if not sound:
                ends += pages_then != 0
            # Only the last frame of a commit has the number of pages.
            pages = pages_then or pages
            if number == 1 and (first := header(frame[_FRAME_HEADER:])) is not None:
                marks.append(first.mark)
            if number > in_file:
                beyond.add(number)
    beyond.add(_LOCK_BYTE // page_size + 1)
    return Log(marks, not beyond.issuperset(range(in_file + 1, pages + 1)), ends > 1)
