"""The errors of a PostgreSQL server and its library, as the causes for which the database cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from bot.store.errors import SealRefused, StoreError, StoreProblem
from bot.store.place import Server


def in_one_line(error: BaseException) -> str:
    """Return what the server or its library says, in one line."""
    return " ".join(str(error).split()).rstrip(".")


_REFUSALS = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "certificate",
    "SSL",
    "permission denied",
)
"""Words of a refused connection that stays refused until somebody changes a setting."""

_STANDBY = "session is read-only"
"""The library's words where target_session_attrs asks for a server that takes writes."""


@contextmanager
def explained(server: Server) -> Iterator[None]:
    """Turn what psycopg raises into a StoreError, but for our own mistakes: constraints, guards, values and syntax."""
    try:
        yield
    except SealRefused as error:
        raise StoreError(error.problem, server, error.about) from error
    except errors.InFailedSqlTransaction as error:
        # Somebody caught the error of an earlier statement; the server takes nothing more, and will not commit.
        raise StoreError(StoreProblem.UNDONE, server, in_one_line(error)) from error
    except errors.LockNotAvailable as error:
        raise StoreError(StoreProblem.LOCKED, server, in_one_line(error)) from error
    except errors.DiskFull as error:
        raise StoreError(StoreProblem.SERVER_FULL, server, in_one_line(error)) from error
    except errors.ReadOnlySqlTransaction as error:
        raise StoreError(StoreProblem.STANDBY, server, in_one_line(error)) from error
    except errors.InsufficientPrivilege as error:
        raise StoreError(StoreProblem.NO_RIGHTS, server, in_one_line(error)) from error
    except (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction) as error:
        raise StoreError(StoreProblem.SCHEMA_ALTERED, server, in_one_line(error)) from error
    except (psycopg.OperationalError, psycopg.InternalError, psycopg.InterfaceError) as error:
        says = in_one_line(error)
        refused = error.sqlstate is None and any(each in says for each in _REFUSALS)
        problem = StoreProblem.SERVER_REFUSES if refused else StoreProblem.SERVER_AWAY
        if _STANDBY in says:
            problem = StoreProblem.STANDBY
        raise StoreError(problem, server, says) from error
