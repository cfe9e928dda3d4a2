"""PostgreSQL: how several replicas write one record, and what becomes of a commit whose answer is lost.

Every transaction that writes begins with one lock for the whole database, which ends with it. The head of the record is
read by a later statement: a statement sees the state in which it began, so one that also waits for the lock would see a
head from before. There are no retries, and no two events that follow from the same one.

The writer blocks its own thread, as SQLite's does. It needs no pipeline mode, in which the server's limit for a silent
client does not work. It prepares statements only where no pooler, which may not know them, is between the two.
"""

import re
import secrets
import select
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from typing import TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from bot.store.connection import Hints, Parameters, Row, Timeline
from bot.store.errors import StoreError, StoreProblem
from bot.store.place import Server
from bot.store.postgres_altered import altered
from bot.store.postgres_errors import in_one_line

T = TypeVar("T")

BOT = "cancel-desk"
"""The name under which the server lists a running bot; the others are those of a command and of a bot's readers."""
COMMAND, READER = "cancel-desk-command", "cancel-desk-reader"
OLDEST = 130000
"""PostgreSQL 13, as the server itself writes its version."""
HINTS = Hints(not_indexed="", in_order="JOIN", voided="voided_approvers(data) AS voided (value)")

_LOCK = 0x4344534B
"""The letters CDSK: the lock that each writing transaction takes."""
_SILENT_FOR = 4.0
"""Seconds after which a line that says nothing counts as lost; Slack shows people an error after three."""
_MIGRATING = 120.0
"""Seconds that the tables may take to be made, by this process or by another one."""
_CONNECT_WITHIN = 3
_FIND_OUT_WITHIN = 5.0
"""Seconds in which the server must be back after a commit without an answer. Then nobody can say what became of it."""
_BETWEEN_TRIES = 0.2
_AT_A_TIME = 500
_PREPARE_AFTER, _PREPARED = 5, 500
"""The uses after which a statement is prepared, and the most that are; the bot has fewer."""
# As SET LOCAL and in one message, so that it holds behind a pooler as well. The server frees the lock of a replica that
# stands still, gives up waiting before the client does, confirms no commit before its disk has it, and says where a
# standby may lack it.
_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 1500;"
    " SET LOCAL lock_timeout = 3000; SET LOCAL synchronous_commit = on; SET LOCAL client_min_messages = notice;"
    f" SELECT pg_advisory_xact_lock({_LOCK})"
)
_BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_BEGIN_MIGRATING = f"BEGIN; SET LOCAL lock_timeout = {_MIGRATING * 1000:.0f}; SELECT pg_advisory_xact_lock({_LOCK})"
_TIMELINE = "CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END"
_HEAD = "SELECT seq, hash FROM audit_events ORDER BY seq DESC LIMIT 1"
_SYNCHRONOUS = re.compile(
    r"(?:(?:FIRST\s+|ANY\s+)?(?P<number>[0-9]+)\s*\((?P<among>[^()*\"]+)\)|(?P<plain>[^()*\"]+))", re.IGNORECASE
)
_PLACEHOLDER = re.compile(r"'[^']*'|::|:([a-z_]+)|\?|%")


def waits_for_all(names: str) -> bool:
    """Return True where ``synchronous_standby_names`` has each commit wait for every standby that it names.

    Of two, any may take over, also the one that was away. A ``*`` names standbys that nobody knows, and a quoted name
    may hold anything. Source: https://www.postgresql.org/docs/current/runtime-config-replication.html
    """
    found = _SYNCHRONOUS.fullmatch(names.strip())
    if found is None:
        return False
    number, among = found["number"] or "1", found["among"] or found["plain"]
    return int(number) >= len(among.split(","))


class _Line(psycopg.Connection[TupleRow]):
    """A connection on which no statement waits for ever."""

    patience = _SILENT_FOR

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server, and close the connection if it says nothing for too long."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except errors._WaitTimeout:  # noqa: SLF001 -- psycopg has no public name for it
            self.pgconn.finish()
            raise psycopg.OperationalError("the server has not answered in time") from None


class Postgres:
    """A connection to one PostgreSQL database, which is opened again when it is lost.

    A commit whose answer was lost is looked up: each one that writes keeps its number beside the name of this
    connection. ``patience`` is how many seconds that may take.
    """

    hints = HINTS

    def __init__(self, server: Server, *, name: str = BOT, patience: float = _FIND_OUT_WITHIN) -> None:
        self.name = secrets.token_hex(16)
        self._server = server
        self._application = name
        self._patience = patience
        self._line: _Line | None = None
        self._begun = self._wrote = self._unreplicated = self._of_streams = False
        self._open_streams = 0
        self._cursors: list[psycopg.ServerCursor[TupleRow]] = []
        self._batch = 0
        self._kept: Row = (0, "")
        """The number and the hash of the last head of which the server said that it is kept."""
        self._read: Row = (0, "")
        """Those of the last event that the bot has read, whoever wrote it."""
        self._accepted: Timeline | None = None
        """The history of the server on which this connection may write, if the server tells it."""
        self._history_lost: StoreError | None = None
        self._begun_at: datetime | None = None
        self._streams = count()

    # --- statements ---------------------------------------------------------------------------

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement and return all of its rows. Outside of a transaction it is one by itself."""
        if self._begun:
            self._wrote = self._wrote or not sql.startswith("SELECT")
            return self._run(self._begun_line(), sql, parameters)
        return self._again(lambda line: self._run(line, sql, parameters))

    def script(self, sql: str) -> None:
        """Run several statements without parameters, inside a transaction."""
        self._begun_line().execute(sql.encode())

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run one statement and yield its rows, a few hundred at a time from the server.

        Outside of a transaction it begins one that reads, and that ends when no stream in it has any rows left.
        """
        if not self._begun:
            self.begin_reading()
            self._of_streams, self._open_streams = True, 0
        self._open_streams += 1
        cursor = self._begun_line().cursor(f"rows_{next(self._streams)}")
        self._cursors.append(cursor)
        cursor.itersize = _AT_A_TIME
        cursor.execute(translated(sql), parameters)
        return self._rows(cursor)

    def _rows(self, cursor: psycopg.ServerCursor[TupleRow]) -> Generator[Row, None, None]:
        while rows := cursor.fetchmany(_AT_A_TIME):
            yield from rows
        cursor.close()
        self._cursors.remove(cursor)
        self._open_streams -= 1
        if self._of_streams and not self._open_streams:
            self.rollback()

    @staticmethod
    def _run(line: _Line, sql: str, parameters: Parameters = ()) -> list[Row]:
        cursor = line.execute(translated(sql), parameters)
        # ``description`` would make an object for each column.
        return cursor.fetchall() if cursor.pgresult is not None and cursor.pgresult.nfields else []

    # --- transactions -------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a transaction, and wait until it is the only one that writes. Raises StoreError and psycopg.Error."""
        self.check()
        if self._begun:
            self.rollback()
        self._again(self._begin_where_history_is)
        self._begun, self._wrote, self._unreplicated, self._of_streams = True, False, False, False

    def _begin_where_history_is(self, line: _Line) -> None:
        """Begin, unless a standby has taken over that was behind: a pooler changes servers without a word."""
        seq, hash_ = max(self._kept, self._read)
        timeline = "''" if self._accepted is None else _TIMELINE
        look = f"SELECT (SELECT hash FROM audit_events WHERE seq = {seq}), {timeline}, clock_timestamp()"
        cursor = line.execute(f"{_BEGIN}; {look}".encode())
        while cursor.nextset():
            pass
        row = cursor.fetchone()
        assert row is not None
        found, number, self._begun_at = row
        if seq and found != hash_:
            self._history_lost = StoreError(StoreProblem.HISTORY_LOST, self._server, f"#{seq}")
            raise self._history_lost
        if number and self._accepted is not None and int(number, 16) != self._accepted.number:
            line.execute("ROLLBACK")
            raise StoreError(StoreProblem.TAKEN_OVER, self._server)

    def begin_reading(self) -> None:
        """Begin a transaction in which every read sees the same state."""
        if self._begun:
            self.rollback()
        self._again(lambda line: line.execute(_BEGIN_READING))
        self._begun, self._of_streams = True, False

    def commit(self) -> None:
        """Return once everything since ``begin`` is on the server's disk.

        Raises StoreError: UNDONE where nothing was kept, and NOT_REPLICATED or UNCERTAIN where nobody knows.
        """
        with self._undone_by_an_error():
            line, self._begun = self._begun_line(), False
            _check_not_ended(line)
            if not self._wrote:
                self._committed(line.execute("COMMIT").statusmessage)
                return
        self._batch += 1
        witness = (
            f"INSERT INTO writers (name, batch) VALUES ('{self.name}', {self._batch})"
            " ON CONFLICT (name) DO UPDATE SET batch = excluded.batch, at = now()"
        )
        with self._undone_by_an_error():
            try:
                cursor = line.execute(f"{witness}; {_HEAD}; COMMIT")
            except psycopg.Error as error:
                if not line.closed:
                    raise
                self._find_out(error)
                return
            cursor.nextset()
            head = cursor.fetchone()
            cursor.nextset()
            self._committed(cursor.statusmessage)
        self._forget_streams()
        self._confirm(head)

    @contextmanager
    def _undone_by_an_error(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            undone = StoreError(StoreProblem.UNDONE, self._server, in_one_line(error))
            if isinstance(error, errors.DiskFull):
                undone = StoreError(StoreProblem.SERVER_FULL, self._server, in_one_line(error))
            undone.undone = True
            raise undone from error

    @staticmethod
    def _committed(status: str | None) -> None:
        if status != "COMMIT":
            # The server's answer to COMMIT after a statement that failed, whatever became of its exception.
            raise psycopg.InternalError("the transaction was undone because one of its statements failed")

    def _find_out(self, error: Exception) -> None:
        """Return if the commit whose answer was lost is kept. Raises StoreError if it is not, or if nobody can say."""
        ends = time.monotonic() + self._patience
        while True:
            self._drop()
            try:
                self._line = line = self._open()
                # Whoever still works on that commit has the lock.
                line.execute(_BEGIN)
                found = line.execute("SELECT batch FROM writers WHERE name = %s", (self.name,)).fetchone()
                head = line.execute(_HEAD).fetchone()
                # It may be on this server alone, if the wait for the standby was ended: this one waits for all before.
                self._unreplicated = False
                line.execute("UPDATE writers SET at = now() WHERE name = %s", (self.name,))
                line.execute("COMMIT")
            except (psycopg.OperationalError, psycopg.InternalError) as again:
                if time.monotonic() >= ends:
                    raise StoreError(StoreProblem.UNCERTAIN, self._server, in_one_line(error)) from again
                time.sleep(_BETWEEN_TRIES)
                continue
            if found is None or found[0] != self._batch:
                undone = StoreError(StoreProblem.UNDONE, self._server, in_one_line(error))
                undone.undone = True
                raise undone
            self._confirm(head)
            return

    def _confirm(self, head: TupleRow | None) -> None:
        if self._unreplicated:
            raise StoreError(StoreProblem.NOT_REPLICATED, self._server)
        self._kept = head or self._kept

    def rollback(self) -> None:
        """Undo everything since ``begin``; a server that is away has undone it."""
        self._begun = False
        if self._line is not None:
            try:
                self._line.execute("ROLLBACK")
                self._forget_streams()
            except psycopg.Error:
                self._drop()

    def _forget_streams(self) -> None:
        """Close the streams that nobody read to their end; they ended with their transaction."""
        while self._cursors:
            self._cursors.pop().close()

    def take_time(self) -> None:
        """Let this transaction take as long as it needs."""
        self.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        self._begun_line().patience = _MIGRATING

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """Make this the only process that writes for the block, which may take long, and commit at its end."""
        self._again(lambda line: line.execute("SELECT 1"))
        assert self._line is not None
        self._line.patience = _MIGRATING
        try:
            self._line.execute(_BEGIN_MIGRATING)
            self._begun = True
            yield
            self._line.execute("COMMIT")
        finally:
            self.rollback()
            self._drop()

    # --- the connection -----------------------------------------------------------------------

    def check(self) -> None:
        """Raise StoreError where the server has lost what it had confirmed: nothing may be built on that."""
        if self._history_lost is not None:
            raise self._history_lost

    def rely_on(self, head: Row) -> None:
        """Let each transaction look for this head, which another bot may have written."""
        # The record is read from its beginning once a day.
        self._read = max(self._read, head)

    def checkpoint(self) -> bool:
        """Return True: the server tidies up by itself."""
        return True

    def altered(self) -> str:
        """Return the name of something that is not as the bot makes it, or an empty text."""
        return altered(self)

    def complaint(self) -> str:
        """Return an empty text: a server checks its pages when it reads them."""
        return ""

    def clock(self) -> datetime:
        """Return the time by the server's clock."""
        ((at,),) = self.execute("SELECT clock_timestamp()")
        assert isinstance(at, datetime)
        return at.astimezone(UTC)

    def begun_at(self) -> datetime | None:
        """Return the time by the server's clock once it was this transaction's turn."""
        return self._begun_at

    def timeline(self) -> Timeline | None:
        """Return the server's timeline; None where it is a kind of PostgreSQL that has none."""
        sql = f"SELECT {_TIMELINE}, current_setting('synchronous_standby_names')"
        try:
            with self._begun_line().transaction() if self._begun else nullcontext():  # an error undoes this alone
                ((number, waits_for),) = self.execute(sql)
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            return None
        return Timeline(int(number, 16), waits_for_all(waits_for)) if number else None

    def accept(self, timeline: Timeline | None) -> Timeline | None:
        """Write on this timeline alone from now on, or on any where there is none; return the one before."""
        before, self._accepted = self._accepted, timeline
        return before

    def told(self) -> tuple[int, bool]:
        """Return the number of the server's process as it was told at the connect, and whether the line is encrypted.

        A pooler makes that number up.
        """
        return self._again(lambda line: (line.info.backend_pid, line.pgconn.ssl_in_use))

    def close(self) -> None:
        """Close the connection."""
        self._drop()

    def _begun_line(self) -> _Line:
        # Never a new one: it would know nothing of what the transaction has done.
        if self._line is None or self._line.closed:
            raise psycopg.OperationalError("the connection was lost in the middle of a transaction")
        return self._line

    def _again(self, work: Callable[[_Line], T]) -> T:
        """Do this on a line that works. One that had been idle may be gone, and then it is opened once more."""
        fresh = self._line is None or self._line.closed
        while True:
            if self._line is None or self._line.closed:
                self._line = self._open()
            try:
                return work(self._line)
            except BaseException as error:
                was_open = not self._line.closed
                self.rollback()
                # Nothing was begun here, so a client that was away hears 57P01 and not 25P03.
                passes = isinstance(error, psycopg.OperationalError)
                if fresh or was_open or not passes:
                    raise
                fresh = True

    def _open(self) -> _Line:
        line = _Line.connect(
            self._server.url.get_secret_value(),
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=_CONNECT_WITHIN,
            application_name=self._application,
            client_encoding="UTF8",
        )
        try:
            line.add_notice_handler(self._noticed)
            self._check_server(line)
            self._prepare_if_direct(line)
        except BaseException:
            line.close()
            raise
        return line

    def check_alone(self) -> None:
        """Raise StoreError where another server of the address takes writes, too: an old primary that came back.

        A server that does not answer is left out: what it is shows when it comes back.
        """
        given = conninfo_to_dict(self._server.url.get_secret_value())
        hosts, ports = (str(given.get(each) or "").split(",") for each in ("host", "port"))
        own = self._again(lambda line: (line.info.host, line.info.port))
        for number, host in enumerate(hosts):
            port = int(ports[number if len(ports) > 1 else 0] or 5432)
            if len(hosts) > 1 and (host, port) != own and self._takes_writes(host, port):
                raise StoreError(StoreProblem.TWO_PRIMARIES, self._server, f"{host}:{port}")

    def _takes_writes(self, host: str, port: int) -> bool:
        try:
            psycopg.connect(
                self._server.url.get_secret_value(),
                host=host,
                port=port,
                target_session_attrs="read-write",
                connect_timeout=_CONNECT_WITHIN,
                application_name=self._application,
            ).close()
        except psycopg.OperationalError:
            return False
        return True

    def _check_server(self, line: _Line) -> None:
        if line.info.server_version < OLDEST:
            version = line.info.parameter_status("server_version") or ""
            raise StoreError(StoreProblem.OLD_SERVER, self._server, version)
        # What people or the gateway say in other characters could never be kept, and would be tried again for ever.
        encoding = line.info.parameter_status("server_encoding") or "UTF8"
        if encoding != "UTF8":
            raise StoreError(StoreProblem.NOT_UNICODE, self._server, encoding)

    @staticmethod
    def _prepare_if_direct(line: _Line) -> None:
        """Let the server keep the plans of statements that come again, unless a pooler may give us another server."""
        if line.execute("SELECT pg_backend_pid()").fetchone() == (line.info.backend_pid,):
            line.prepare_threshold, line.prepared_max = _PREPARE_AFTER, _PREPARED

    def _noticed(self, notice: errors.Diagnostic) -> None:
        # A commit whose wait for the standby was ended may be lost with this machine. The words may be in any language.
        self._unreplicated |= notice.sqlstate == "01000" and notice.source_function == "SyncRepWaitForLSN"

    def _drop(self) -> None:
        line, self._line, self._begun = self._line, None, False
        if line is not None:
            with suppress(psycopg.Error):
                line.close()
                self._forget_streams()


def _check_not_ended(line: _Line) -> None:
    """Raise OperationalError where the server has closed the line already, so that it gets no COMMIT at all."""
    while select.select([line], [], [], 0)[0]:
        line.pgconn.consume_input()


@lru_cache(maxsize=512)
def translated(sql: str) -> bytes:
    """Return a statement of the tables with psycopg's placeholders."""

    def placeholder(found: re.Match[str]) -> str:
        if found[1] is not None:
            return f"%({found[1]})s"
        return "%s" if found[0] == "?" else found[0].replace("%", "%%")

    return _PLACEHOLDER.sub(placeholder, sql).encode()
