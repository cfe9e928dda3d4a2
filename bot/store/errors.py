"""The causes for which the database cannot be used, as codes; ``bot/wording.py`` has the operator's sentences."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from bot.store.place import Place


class StoreProblem(StrEnum):
    """Faults of the file. ``StoreError.about`` holds the parameter named here, if any."""

    BUSY = "busy"
    """Another bot runs on this file."""
    NEWER_SCHEMA = "newer_schema"
    """A newer version of the bot has changed the file; the names of the migrations."""
    DAMAGED = "damaged"
    """The file is not a sound SQLite database; SQLite's own words."""
    SCHEMA_ALTERED = "schema_altered"
    """A table, index or trigger is not as the bot makes it; its name."""
    MISSING = "missing"
    """There is no such file."""
    THE_SAME = "the_same"
    """The copy to be restored is the database itself."""
    NOT_A_FILE = "not_a_file"
    """The path leads to a directory, a pipe or a device."""
    FOREIGN = "foreign"
    """The file is another program's database."""
    INCOMPLETE = "incomplete"
    """The file was copied without its log, or the log was deleted; the log's name."""
    LOG_ALONE = "log_alone"
    """The log is there and the file is missing or empty; the log's name."""
    ANOTHER_LOG = "another_log"
    """The log belongs to another file, or to another state of this one; the log's name."""
    LOG_DAMAGED = "log_damaged"
    """The log lacks transactions in its middle, as a failing disk leaves it; the log's name."""
    EMPTIED = "emptied"
    """The file was a bot's, and its tables or all events are gone."""
    GONE = "gone"
    """The file was deleted or renamed while the bot ran."""
    REPLACED = "replaced"
    """Another file, or other content, was put into its place while the bot ran."""
    CUT = "cut"
    """The file was cut off while the bot ran."""
    LOG_GONE = "log_gone"
    """A file that SQLite keeps beside it was deleted, replaced or cut off while the bot ran; that file's name."""
    DISK_FULL = "disk_full"
    """The words of SQLite or of the operating system."""
    NEARLY_FULL = "nearly_full"
    """The KiB that are left."""
    DISK_FAILING = "disk_failing"
    """SQLite's own words."""
    READ_ONLY = "read_only"
    """The file or its folder takes no writes."""
    LOCKED = "locked"
    """Another program holds SQLite's lock."""
    FOLDER_READ_ONLY = "folder_read_only"
    """The file does not open because nothing can be written beside it; the words of SQLite or of the system."""
    BELOW_A_FILE = "below_a_file"
    """What should be a folder in the path is a file."""
    TOO_MANY_FILES = "too_many_files"
    """The process may not open more files; the words of the operating system."""
    CANNOT_OPEN = "cannot_open"
    """The words of SQLite or of the operating system."""
    SERVER_AWAY = "server_away"
    """The database server does not answer; its or its library's words."""
    SERVER_REFUSES = "server_refuses"
    """The database server refuses the connection until somebody changes a setting; its words."""
    STANDBY = "standby"
    """The database server answers and takes no writes; its or its library's words."""
    SERVER_FULL = "server_full"
    """The database server has no room left on its disk; its words."""
    OLD_SERVER = "old_server"
    """The database server's version, which is too old."""
    NOT_UNICODE = "not_unicode"
    """The database cannot keep every character; the name of its encoding."""
    NO_DRIVER = "no_driver"
    """The library for PostgreSQL is not installed."""
    NO_TABLES = "no_tables"
    """No bot has made its tables in this database."""
    NOT_EMPTY = "not_empty"
    """A database that should be filled has something in it."""
    NO_RIGHTS = "no_rights"
    """The role may not do what it must; the server's words."""
    UNDONE = "undone"
    """The server undid the transaction, or never got all of it; its or its library's words."""
    UNCERTAIN = "uncertain"
    """The server's answer to a commit was lost, and it did not come back in time; the library's words."""
    NOT_REPLICATED = "not_replicated"
    """The server kept the transaction, but did not wait for its standby to keep it as well."""
    HISTORY_LOST = "history_lost"
    """The server no longer has an event that it had confirmed; the event's number."""
    TAKEN_OVER = "taken_over"
    """Another server has taken over, and the bot has not looked yet whether it may lack something."""
    TWO_PRIMARIES = "two_primaries"
    """Another server of the address takes writes, too; its host and port."""
    CLOCKS_DIFFER = "clocks_differ"
    """This machine's clock is too far from the server's: it is wrong, or the machine was paused; the seconds."""
    TOO_SLOW = "too_slow"
    """The database, or the process itself, took longer than a person waits; the limit in seconds."""
    SEALED = "sealed"
    """The record is sealed and there is no key for the next seal; the name of the last seal's key."""
    ANOTHER_KEY = "another_key"
    """The last seal was made with another key than this one; the name of that one."""
    SEAL_BROKEN = "seal_broken"
    """The last seal is not as it was made."""
    NOT_SEALED = "not_sealed"
    """The record does not end with the event that the last seal names; that event."""
    CLOSED = "closed"
    """The bot is stopping."""
    OTHER = "other"
    """SQLite's own words."""


class StoreError(Exception):
    """The database cannot be used. ``unsure`` is true after a commit that failed and that may have been kept.

    SQLite has written all of it by then, and only the disk knows whether it has it. ``undone`` is true where an engine
    knows that nothing of the transaction was kept.
    """

    unsure = undone = False

    def __init__(self, problem: StoreProblem, path: Place, about: str = "") -> None:
        super().__init__(f"{path}: {problem} ({about})" if about else f"{path}: {problem}")
        self.problem, self.path, self.about = problem, path, about


class SealRefused(Exception):
    """Nothing can be added to the record, for this problem with its seal."""

    def __init__(self, problem: StoreProblem, about: str = "") -> None:
        super().__init__(str(problem))
        self.problem, self.about = problem, about


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the operating system raise into a StoreError."""
    try:
        yield
    except SealRefused as error:
        raise StoreError(error.problem, path, error.about) from error
    except sqlite3.OperationalError as error:
        raise StoreError(_operational(str(error), path), path, str(error)) from error
    except sqlite3.IntegrityError:
        # Not the file's fault: a constraint or a guard of the record stopped a statement.
        raise
    except sqlite3.DatabaseError as error:
        raise StoreError(StoreProblem.DAMAGED, path, str(error)) from error
    except OSError as error:
        problem = _OF_THE_SYSTEM.get(error.errno or 0) or _does_not_open(path)
        raise StoreError(problem, path, error.strerror or str(error)) from error


_OF_THE_SYSTEM = {
    errno.ENOSPC: StoreProblem.DISK_FULL,
    errno.EMFILE: StoreProblem.TOO_MANY_FILES,
    errno.ENFILE: StoreProblem.TOO_MANY_FILES,
}


def _operational(says: str, path: Path) -> StoreProblem:
    if "disk is full" in says:
        return StoreProblem.DISK_FULL
    if "disk I/O" in says:
        return StoreProblem.DISK_FAILING
    if "readonly" in says:
        return StoreProblem.READ_ONLY
    if "locked" in says:
        return StoreProblem.LOCKED
    if "unable to open" in says:
        return _does_not_open(path)
    return StoreProblem.OTHER


def _does_not_open(path: Path) -> StoreProblem:
    # Path.exists() raises where nobody may look.
    if any(os.path.exists(each) and not os.path.isdir(each) for each in path.parents):  # noqa: PTH110, PTH112
        return StoreProblem.BELOW_A_FILE
    if os.path.exists(path.parent) and not os.access(path.parent, os.W_OK):  # noqa: PTH110
        return StoreProblem.FOLDER_READ_ONLY
    if os.path.exists(path) and not os.access(path, os.W_OK):  # noqa: PTH110
        return StoreProblem.READ_ONLY
    return StoreProblem.CANNOT_OPEN
