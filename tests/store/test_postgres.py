"""PostgreSQL: several writers and one record, and commits whose answer is lost."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow
from pydantic import SecretStr

from bot.domain.audit import BOT, Event
from bot.domain.events import Started
from bot.domain.policy import Actor
from bot.store import (
    Server,
    Store,
    StoreError,
    StoreProblem,
    Tables,
    Timeline,
    open_beside,
    open_reader,
    prepare,
    verify,
    verify_all,
)
from bot.store.deliveries import IS_QUEUED
from bot.store.postgres import Postgres, translated, waits_for_all
from bot.store.postgres_errors import explained
from bot.store.postgres_schema import APPLIED
from bot.store.postgres_start import in_use, open_writer
from bot.store.server_facts import facts
from tests.postgres import Cluster, cluster, free_port
from tests.store.wire import Break, Wire, wire

AT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def engine() -> str:
    """Return PostgreSQL: these tests are about its own ways."""
    return "postgres"


@pytest.fixture
def server(postgres: Cluster) -> Server:
    """Return a new database with the bot's tables."""
    return postgres.new()


@pytest.fixture
def broken(postgres: Cluster) -> Iterator[Wire]:
    """Yield a wire to the server that a test breaks."""
    with wire(postgres.port) as made:
        yield made


@pytest.fixture
async def behind(server: Server, broken: Wire) -> AsyncIterator[Store]:
    """Yield an open store behind the wire, which looks for two seconds for what became of a commit."""
    store = Store(through(server, broken.port), connect=lambda place: _patient(place, 2.0))
    await store.open()
    yield store
    await store.close()


def _patient(place: Server, seconds: float) -> Postgres:
    open_writer(place).close()
    return Postgres(place, patience=seconds)


def through(server: Server, port: int, user: str = "postgres") -> Server:
    """Return the same database by another port, or as another user."""
    name = server.url.get_secret_value().rpartition("/")[2]
    return Server(SecretStr(f"postgresql://{user}@127.0.0.1:{port}/{name}"))


@asynccontextmanager
async def opened(server: Server) -> AsyncIterator[Store]:
    """Yield a replica's store."""
    store = Store(server)
    await store.open()
    yield store
    await store.close()


def started(tx: Tables) -> Event:
    """Put a start on record."""
    return tx.record.append(Started("1"), BOT, AT)


async def keep(store: Store) -> None:
    """Keep a name."""
    await store.transaction("name", lambda tx: tx.people.remember(Actor("U1", "ann"), AT))


def counts(server: Server) -> int:
    """Return how many events there are."""
    with open_reader(server) as tables:
        return tables.record.last().seq


async def test_several_writers_make_one_chain(server: Server) -> None:
    """Every event follows from the one before it, whoever wrote that, and nobody has to try again."""
    async with opened(server) as one, opened(server) as two, opened(server) as three:
        await asyncio.gather(*(each.transaction("start", started) for each in (one, two, three) for _ in range(40)))
    found = verify_all(server)
    assert (found.events, found.damage) == (120, None)


async def test_a_kept_commit_without_an_answer_counts_once(server: Server, broken: Wire, behind: Store) -> None:
    """The replica finds its own mark and reports that all went well."""
    broken.breaks = Break.AFTER
    runs: list[Event] = []
    await behind.transaction("start", lambda tx: runs.append(started(tx)))
    assert (len(runs), counts(server)) == (1, 1)
    await behind.transaction("start", started)
    assert (counts(server), verify_all(server).damage) == (2, None)


async def test_a_commit_that_never_arrived_is_undone_for_certain(server: Server, broken: Wire, behind: Store) -> None:
    """Nobody is told that it may have been kept, and the next one works."""
    broken.breaks = Break.BEFORE
    with pytest.raises(StoreError) as failed:
        await behind.transaction("start", started)
    assert (failed.value.problem, failed.value.unsure, counts(server)) == (StoreProblem.UNDONE, False, 0)
    await behind.transaction("start", started)
    assert counts(server) == 1


@pytest.mark.parametrize("writes", [True, False])
def test_a_commit_that_was_never_sent_is_undone_for_certain(server: Server, broken: Wire, writes: bool) -> None:
    """Where the line is lost before the bot says COMMIT, nobody is told that it may have been kept."""
    with closing(Postgres(through(server, broken.port), patience=0.1)) as connection:
        connection.begin()
        connection.execute("DELETE FROM people" if writes else "SELECT 1")
        broken.cut(down=True)
        with pytest.raises(StoreError) as failed:
            connection.commit()
    assert (failed.value.problem, failed.value.undone) == (StoreProblem.UNDONE, True)


async def test_a_commit_on_a_line_that_is_known_to_be_lost_is_undone_for_certain(
    postgres: Cluster, server: Server
) -> None:
    """Also where the use case has caught the error that said so."""

    def commit(tx: Tables) -> None:
        postgres.end_connections(server)
        with pytest.raises(psycopg.OperationalError):
            started(tx)
        tx.connection.commit()

    async with opened(server) as store:
        with pytest.raises(StoreError) as failed:
            await store.transaction("start", commit)
    assert (failed.value.problem, failed.value.undone, failed.value.unsure) == (StoreProblem.UNDONE, True, False)


async def test_a_commit_without_room_is_undone_for_certain(postgres: Cluster, server: Server) -> None:
    """The server answers that its disk is full, so it has kept nothing."""
    async with opened(server) as store:
        with postgres.connect(server.url.get_secret_value().rpartition("/")[2]) as other:
            other.execute(
                "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$"
            )
            other.execute("CREATE TRIGGER no_room BEFORE INSERT ON writers EXECUTE FUNCTION no_room()")
        with pytest.raises(StoreError) as failed:
            await store.transaction("start", started)
    assert (failed.value.problem, failed.value.unsure) == (StoreProblem.SERVER_FULL, False)
    assert counts(server) == 0


@pytest.mark.parametrize("how", [Break.BEFORE, Break.AFTER])
async def test_a_commit_of_a_server_that_stays_away_is_uncertain(
    server: Server, broken: Wire, behind: Store, how: Break
) -> None:
    """It is not run again, whether it was kept or not, as nobody here can know."""
    broken.breaks, broken.down_after = how, True
    runs: list[Event] = []
    with pytest.raises(StoreError) as failed:
        await behind.transaction("start", lambda tx: runs.append(started(tx)))
    assert (failed.value.problem, failed.value.unsure, len(runs)) == (StoreProblem.UNCERTAIN, True, 1)
    assert counts(server) == (how is Break.AFTER)
    broken.down = False
    await behind.transaction("start", started)
    assert counts(server) == 1 + (how is Break.AFTER)


async def test_a_silent_line_counts_as_lost(
    server: Server, broken: Wire, behind: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wire that says nothing holds up the writer for seconds, not for ever."""
    monkeypatch.setattr("bot.store.postgres._Line.patience", 0.5)
    broken.breaks = Break.SILENT
    await behind.transaction("start", started)
    assert counts(server) == 1


async def test_a_replica_that_stands_still_frees_the_others(server: Server) -> None:
    """The server takes the lock from a transaction whose client says nothing, and undoes it."""
    with closing(Postgres(server)) as paused:
        paused.begin()
        paused.execute("DELETE FROM people")
        async with opened(server) as store:
            await store.transaction("start", started)
        with pytest.raises(StoreError) as failed, explained(server):
            paused.commit()
    assert failed.value.problem is StoreProblem.UNDONE
    assert counts(server) == 1


async def test_a_replica_that_stood_still_hears_of_it_at_its_next_statement(server: Server) -> None:
    """The library takes the server's 25P03 for a mistake of its own; the next transaction works."""
    with closing(Postgres(server)) as paused:
        paused.begin()
        async with opened(server) as store:
            await store.transaction("start", started)
        with pytest.raises(StoreError) as failed, explained(server):
            paused.execute("DELETE FROM people")
        assert failed.value.problem is StoreProblem.SERVER_AWAY
        paused.begin()
        paused.execute("DELETE FROM people")
        paused.commit()


async def test_an_idle_connection_that_is_gone_is_opened_again(postgres: Cluster, server: Server) -> None:
    """A restart of the server, or a firewall that forgets a connection, costs no transaction and no look."""
    async with opened(server) as store:
        await store.transaction("start", started)
        assert await store.read(lambda tables: tables.record.last().seq) == 1
        with postgres.connect() as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'cancel-%'"
            )
        await store.transaction("start", started)
        assert await store.read(lambda tables: tables.record.last().seq) == 2


async def test_a_connection_lost_in_a_transaction_leaves_nothing_of_it(postgres: Cluster, server: Server) -> None:
    """What comes after the loss is not written by a new connection that knows nothing of the transaction."""

    def lose(tx: Tables) -> None:
        started(tx)
        with postgres.connect() as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'cancel-%'"
            )
        for _ in range(2):
            with pytest.raises(psycopg.OperationalError):
                tx.people.remember(Actor("U1", "ann"), AT)

    async with opened(server) as store:
        with pytest.raises(StoreError) as failed:
            await store.transaction("lose", lose)
        assert failed.value.problem in {StoreProblem.SERVER_AWAY, StoreProblem.UNDONE}
        assert await store.read(lambda tables: (tables.record.last().seq, tables.people.names(["U1"]))) == (0, {})


@pytest.mark.parametrize("writes", [True, False])
async def test_a_statement_that_failed_undoes_its_transaction_whoever_catches_it(server: Server, writes: bool) -> None:
    """The server answers COMMIT with ROLLBACK then, and that is no commit."""

    def work(tx: Tables) -> None:
        if writes:
            tx.record.append(Started("1"), BOT, AT)
        with pytest.raises(psycopg.DataError):
            tx.connection.execute("SELECT 1 / 0")

    async with opened(server) as store:
        with pytest.raises(StoreError) as failed:
            await store.transaction("work", work)
        assert (failed.value.problem, failed.value.unsure) == (StoreProblem.UNDONE, False)
    assert counts(server) == 0


async def test_a_server_that_lost_a_confirmed_event_gets_no_other(postgres: Cluster, server: Server) -> None:
    """A standby that was behind has taken over: whatever is built on it would hide the loss."""
    async with opened(server) as store:
        await store.transaction("start", started)
        with postgres.loses(server):
            await store.transaction("start", started)
        for _ in range(2):
            with pytest.raises(StoreError) as failed:
                await store.transaction("start", started)
            assert (failed.value.problem, failed.value.about) == (StoreProblem.HISTORY_LOST, "#2")
        with pytest.raises(StoreError):
            await store.read(lambda tables: tables.record.last())
    assert counts(server) == 1


async def test_the_server_names_its_timeline_to_each_role_and_begins_another_one_when_it_takes_over() -> None:
    """Nobody has to give the bot's role more rights for that."""
    with cluster() as own:
        server = own.new()
        with own.connect() as other:
            other.execute("CREATE ROLE desk LOGIN")
        prepare(server, "desk")
        name = server.url.get_secret_value().rpartition("/")[2]
        async with opened(Server(SecretStr(own.url(name, "desk")))) as store:
            assert await store.timeline() == Timeline(1, replicated=False)
            own.take_over()
            assert await store.timeline() == Timeline(2, replicated=False)


def test_no_bot_starts_where_two_servers_of_the_address_take_writes() -> None:
    """An old primary has come back by itself. A server that is a standby, or away, is in nobody's way."""
    with cluster() as old, cluster() as new:
        name = new.new().url.get_secret_value().rpartition("/")[2]
        assert old.new().url.get_secret_value().rpartition("/")[2] == name
        ports = f"{old.port},{new.port}"
        both = Server(SecretStr(f"postgresql://postgres@127.0.0.1,127.0.0.1/{name}?port={ports}"))
        with pytest.raises(StoreError) as refused:
            open_writer(both)
        assert (refused.value.problem, refused.value.about) == (StoreProblem.TWO_PRIMARIES, f"127.0.0.1:{new.port}")
        both = Server(SecretStr(f"{both.url.get_secret_value()}&target_session_attrs=read-write"))
        old.become_standby()
        open_writer(both).close()
        old.stop()
        open_writer(both).close()
        old.start()


async def test_nothing_begins_on_a_server_that_took_over_before_the_bot_has_looked_at_it() -> None:
    """What a freeze must stop must not be faster than the freeze."""
    with cluster() as own:
        async with opened(own.new()) as store:
            first = await store.timeline()
            assert first is not None
            assert await store.accept(first, lambda tx: tx.took_over(AT)) is False
            await store.transaction("start", started)
            own.take_over()
            for _ in range(2):
                with pytest.raises(StoreError) as refused:
                    await store.transaction("start", started)
                assert refused.value.problem is StoreProblem.TAKEN_OVER
            second = await store.timeline()
            assert second is not None
            with pytest.raises(ZeroDivisionError):
                await store.accept(second, lambda _: 1 // 0)
            with pytest.raises(StoreError):
                await store.transaction("start", started)
            assert await store.accept(second, lambda tx: tx.took_over(AT)) is True
            await store.transaction("start", started)


async def test_a_server_without_timelines_disturbs_nothing(postgres: Cluster, server: Server) -> None:
    """Some that speak PostgreSQL's language keep no log of its kind; also a transaction goes on."""
    name = server.url.get_secret_value().rpartition("/")[2]
    with postgres.connect() as other:
        other.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog".encode())
    with psycopg.connect(server.url.get_secret_value(), autocommit=True) as other:
        other.execute(
            "CREATE FUNCTION pg_current_wal_lsn() RETURNS pg_lsn LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no log here' USING ERRCODE = 'feature_not_supported'; END $$"
        )

    def work(tx: Tables) -> bool:
        tx.record.append(Started("1"), BOT, AT)
        return tx.took_over(AT)

    async with opened(server) as store:
        assert await store.timeline() is None
        assert await store.transaction("work", work) is False
    assert counts(server) == 1


async def test_a_commit_waits_for_the_disk_whatever_the_server_is_set_to(postgres: Cluster, server: Server) -> None:
    """An operator who made a server faster that way for others has not thought of this record."""
    name = server.url.get_secret_value().rpartition("/")[2]
    with postgres.connect() as other:
        other.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    async with opened(server) as store:
        asked = await store.transaction("look", lambda tx: tx.connection.execute("SHOW synchronous_commit"))
    assert asked == [("on",)]


@asynccontextmanager
async def waiting_for_a_standby(
    language: str = "English",
) -> AsyncIterator[tuple[psycopg.Connection[TupleRow], asyncio.Task[Event]]]:
    """Yield a connection to a server that has lost its standby, and a transaction whose commit waits for that."""
    with cluster() as own, wire(own.port) as between:
        if language == "German":
            between.translations[b"synchronous replication"] = b"synchrone Replikation  "
        async with opened(through(own.new(), between.port)) as store:
            await store.transaction("start", started)
            with own.connect() as other:
                other.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
                other.execute("SELECT pg_reload_conf()")
                waiting = asyncio.create_task(store.transaction("start", started))
                while not waiting_backends(other):
                    if waiting.done():  # the server had not read its new setting yet
                        waiting = asyncio.create_task(store.transaction("start", started))
                    await asyncio.sleep(0.01)
                yield other, waiting
                other.execute("ALTER SYSTEM RESET synchronous_standby_names")
                other.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    "names, waits",
    [
        ("", False),
        ("sa", True),
        ("1 (sa)", True),
        ("FIRST 1 (sa)", True),
        ("any 2 (sa, sb)", True),
        ("ANY 1 (sa, sb)", False),
        ("FIRST 1 (sa, sb)", False),
        ("sa, sb", False),
        ("*", False),
        ("ANY 1 (*)", False),
        ('ANY 1 ("sa, sb")', False),
    ],
)
def test_a_commit_is_on_all_standbys_only_where_it_waits_for_each_of_them(*, names: str, waits: bool) -> None:
    """The one that takes over may be another one than the one that a commit waited for."""
    assert waits_for_all(names) is waits


def waiting_backends(other: psycopg.Connection[TupleRow]) -> list[int]:
    """Return the server's processes that wait for a standby."""
    return [pid for (pid,) in other.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")]


@pytest.mark.parametrize("language", ["English", "German"])
async def test_a_commit_without_the_standby_is_uncertain(language: str) -> None:
    """The server says yes to a commit whose wait for the standby was ended, and only a notice says what that means."""
    async with waiting_for_a_standby(language) as (other, waiting):
        other.execute("SELECT pg_cancel_backend(%s)", waiting_backends(other))
        with pytest.raises(StoreError) as failed:
            await waiting
        assert (failed.value.problem, failed.value.unsure) == (StoreProblem.NOT_REPLICATED, True)


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_commit_that_is_found_again_counts_once_the_standby_has_it(*, comes_back: bool) -> None:
    """The server had kept it when the connection was ended, but perhaps nobody else."""
    async with waiting_for_a_standby() as (other, waiting):
        lost = waiting_backends(other)
        other.execute("SELECT pg_terminate_backend(%s)", lost)
        while waiting_backends(other) in ([], lost):  # noqa: ASYNC110 -- the server
            await asyncio.sleep(0.01)
        assert not waiting.done()
        if comes_back:
            other.execute("ALTER SYSTEM RESET synchronous_standby_names")
            other.execute("SELECT pg_reload_conf()")
            await waiting
            return
        other.execute("SELECT pg_cancel_backend(%s)", waiting_backends(other))
        with pytest.raises(StoreError) as failed:
            await waiting
        assert (failed.value.problem, failed.value.unsure) == (StoreProblem.NOT_REPLICATED, True)


async def test_a_database_that_has_not_all_characters_is_refused(postgres: Cluster) -> None:
    """An answer of the gateway with a dash in it could not be kept, and the gateway would be asked for ever."""
    place = Server(SecretStr(postgres.url(postgres.empty("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"))))
    with pytest.raises(StoreError) as refused:
        await Store(place).open()
    assert (refused.value.problem, refused.value.about) == (StoreProblem.NOT_UNICODE, "LATIN1")


async def test_simultaneous_starts_make_the_tables_once(postgres: Cluster) -> None:
    """Six replicas that start on an empty database all find the same tables."""
    server = Server(SecretStr(postgres.url(postgres.empty())))
    stores = [Store(server) for _ in range(6)]
    await asyncio.gather(*(each.open() for each in stores))
    await asyncio.gather(*(each.transaction("start", started) for each in stores))
    await asyncio.gather(*(each.close() for each in stores))
    assert (counts(server), verify_all(server).damage) == (6, None)


_EVIL = "CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"


@pytest.mark.parametrize(
    "statement, name",
    [
        ("ALTER TABLE audit_events DISABLE TRIGGER audit_events_no_change", "audit_events_no_change"),
        ("ALTER TABLE audit_events ENABLE TRIGGER audit_events_only_append", "audit_events_only_append"),
        ("DROP TRIGGER audit_events_only_append ON audit_events", "audit_events_only_append"),
        (
            "CREATE OR REPLACE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "audit_events_append_only",
        ),
        ("DROP INDEX one_open_cancellation_per_order", "one_open_cancellation_per_order"),
        ("ALTER TABLE people ADD COLUMN note TEXT", "people"),
        ("ALTER TABLE cancellations DROP CONSTRAINT cancellations_state_check", "cancellations"),
        (
            (
                "ALTER TABLE attempts DROP CONSTRAINT attempts_outcome_check,"
                " ADD CONSTRAINT attempts_outcome_check CHECK (outcome <> '')"
            ),
            "attempts",
        ),
        ("ALTER TABLE decisions DROP CONSTRAINT decisions_number_fkey", "decisions"),
        (
            (
                "ALTER TABLE words DROP CONSTRAINT words_seq_fkey,"
                " ADD CONSTRAINT words_seq_fkey FOREIGN KEY (seq) REFERENCES audit_events (seq) ON DELETE CASCADE"
            ),
            "words",
        ),
        ("ALTER TABLE attempts DISABLE TRIGGER ALL", "attempts"),
        ("ALTER TABLE decisions DROP CONSTRAINT decisions_number_approver_choice_order_id_key", "decisions"),
        (
            (
                "DROP INDEX one_open_cancellation_per_order; CREATE UNIQUE INDEX one_open_cancellation_per_order"
                " ON cancellations (order_id) WHERE state = 'pending'"
            ),
            "one_open_cancellation_per_order",
        ),
        (f"{_EVIL} CREATE TRIGGER later AFTER INSERT ON people FOR EACH ROW EXECUTE FUNCTION evil()", "later"),
        (f"{_EVIL} CREATE TRIGGER a BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION evil()", "a"),
        ("CREATE RULE nothing AS ON INSERT TO decisions DO INSTEAD NOTHING", "nothing"),
        ("ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY", "audit_events"),
        ("CREATE TABLE more () INHERITS (decisions)", "decisions"),
        ("ALTER TABLE words DROP CONSTRAINT words_seq_fkey", "words"),
        ("ALTER TABLE deliveries ALTER status SET DEFAULT 'delivered'", "deliveries"),
        ("ALTER TABLE requests ALTER reason DROP NOT NULL", "requests"),
        ('ALTER TABLE rates ALTER target TYPE TEXT COLLATE "POSIX"', "rates"),
        ('ALTER TABLE rates ALTER target TYPE VARCHAR(9) COLLATE "C"', "rates"),
        (
            (
                "CREATE OR REPLACE VIEW audit_readable AS SELECT seq, at, kind, order_id, actor, data,"
                " order_id AS words, request, hash FROM audit_events WHERE kind <> 'approved'"
            ),
            "audit_readable",
        ),
        ("DROP VIEW cancellations_readable", "cancellations_readable"),
    ],
)
async def test_an_altered_guard_ends_the_start_and_is_damage(
    postgres: Cluster, server: Server, statement: str, name: str
) -> None:
    """A guard that is gone, switched off or hollow protects nothing, and another view may hide something."""
    with postgres.connect(server.url.get_secret_value().rpartition("/")[2]) as other:
        other.execute(statement.encode())
    store = Store(server)
    with pytest.raises(StoreError) as failed:
        await store.open()
    await store.close()
    assert (failed.value.problem, failed.value.about) == (StoreProblem.SCHEMA_ALTERED, name)
    assert verify_all(server).about == name


async def test_the_guards_hold_against_truncation_and_replication(postgres: Cluster, server: Server) -> None:
    """``session_replication_role`` switches usual triggers off, and these are not usual."""
    async with opened(server) as store:
        await store.transaction("start", started)
    with postgres.connect(server.url.get_secret_value().rpartition("/")[2]) as other:
        other.execute("SET session_replication_role = replica")
        for statement in (
            "TRUNCATE audit_events CASCADE",
            "DELETE FROM audit_events",
            "UPDATE audit_events SET at = ''",
        ):
            with pytest.raises(psycopg.IntegrityError, match="append-only"):
                other.execute(statement.encode())
    assert counts(server) == 1


async def test_a_database_without_the_tables_is_no_record(postgres: Cluster) -> None:
    """A command does not make tables in whatever database it is given."""
    server = Server(SecretStr(postgres.url(postgres.empty())))
    with pytest.raises(StoreError) as failed, open_beside(server):
        pass
    assert failed.value.problem is StoreProblem.NO_TABLES


@pytest.mark.parametrize(
    "address, problem",
    [
        ("postgresql://nobody@127.0.0.1:{port}/postgres", StoreProblem.SERVER_REFUSES),
        ("postgresql://postgres@127.0.0.1:{port}/nothing", StoreProblem.SERVER_REFUSES),
        ("postgresql://postgres:hunter2@127.0.0.1:1/postgres", StoreProblem.SERVER_AWAY),
    ],
)
async def test_a_server_that_is_away_or_refuses_is_told_in_one_line(
    postgres: Cluster, address: str, problem: StoreProblem
) -> None:
    """With its own words and without the password."""
    store = Store(Server(SecretStr(address.format(port=postgres.port))))
    with pytest.raises(StoreError) as failed:
        await store.open()
    await store.close()
    assert failed.value.problem is problem
    assert failed.value.about
    assert "\n" not in str(failed.value)
    assert "hunter2" not in str(failed.value)


async def test_a_server_that_takes_no_writes_for_a_while_passes(postgres: Cluster, server: Server) -> None:
    """A primary that became a standby says so in an error that its library takes for one of its own."""
    name = server.url.get_secret_value().rpartition("/")[2]
    async with opened(server) as store:
        await store.transaction("start", started)
        with postgres.connect() as other:
            other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
            postgres.end_connections(server)
            with pytest.raises(StoreError) as failed:
                await store.transaction("start", started)
            assert (failed.value.problem, "read-only" in failed.value.about) == (StoreProblem.STANDBY, True)
            other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
            postgres.end_connections(server)
        await store.transaction("start", started)
    assert counts(server) == 2


async def test_a_value_that_does_not_fit_is_no_damage(server: Server) -> None:
    """It is our own mistake, and says nothing about the server."""
    async with opened(server) as store:
        with pytest.raises(psycopg.DataError):
            await store.transaction("nul", lambda tx: tx.people.remember(Actor("U1", "a\0b"), AT))
        await keep(store)


def test_a_role_without_rights_is_told_so(postgres: Cluster, server: Server) -> None:
    """It is a matter for whoever grants rights, not for somebody who looks for a failing server."""
    with postgres.connect() as other:
        other.execute("CREATE ROLE stranger LOGIN")
    with pytest.raises(StoreError) as failed, open_reader(through(server, postgres.port, "stranger")) as tables:
        tables.record.last()
    assert failed.value.problem is StoreProblem.NO_RIGHTS


async def test_a_role_of_its_own_runs_the_bot_and_changes_no_event(postgres: Cluster) -> None:
    """The owner makes the tables; the bot's role can append, and neither change an event nor switch off a guard."""
    server = Server(SecretStr(postgres.url(postgres.empty())))
    with postgres.connect() as other:
        other.execute('CREATE ROLE "the desk" LOGIN')
    prepare(server, "the desk")
    limited = through(server, postgres.port, "the%20desk")
    async with opened(limited) as store:
        await store.transaction("start", started)
        await keep(store)
    assert (counts(limited), verify_all(limited).damage) == (2, None)
    for statement in (
        "UPDATE audit_events SET at = ''",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events CASCADE",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_events_no_change ON audit_events",
        "SET session_replication_role = replica",
        f"DELETE FROM {APPLIED}",
    ):
        with pytest.raises(StoreError) as failed, open_beside(limited) as tx:
            tx.connection.execute(statement)
        assert failed.value.problem is StoreProblem.NO_RIGHTS, statement


async def test_a_bot_is_seen_while_it_runs(server: Server) -> None:
    """A command that stops everything says whether somebody is there to be stopped."""
    assert not in_use(server)
    async with opened(server) as store:
        await store.transaction("start", started)
        assert in_use(server)


async def test_a_long_answer_is_read_in_parts_within_one_state(server: Server) -> None:
    """Reading goes on while others write, and sees nothing of that."""
    async with opened(server) as store:
        await store.transaction("start", lambda tx: [started(tx) for _ in range(1200)])
        with open_reader(server) as tables:
            events = tables.record.chain()
            first = next(events)
            await store.transaction("start", started)
            assert [first.seq, *(each.seq for each in events)] == list(range(1, 1201))
        assert (await store.read(verify)).events == 1201


def test_placeholders_are_translated_and_texts_are_not() -> None:
    """The tables' SQL has SQLite's placeholders; a colon or a question mark in a text is none."""
    assert translated("SELECT 'a:b ?', x::text FROM t WHERE y = :name AND z = ?") == (
        b"SELECT 'a:b ?', x::text FROM t WHERE y = %(name)s AND z = %s"
    )
    assert translated("SELECT 1 % 2, '100 %'") == b"SELECT 1 %% 2, '100 %%'"


async def test_messages_that_wait_do_not_slow_down_a_new_one(postgres: Cluster, server: Server) -> None:
    """Also with statistics of a time when nothing waited, the server looks at the messages of one request alone."""
    with postgres.connect(server.url.get_secret_value().rpartition("/")[2]) as other:
        other.execute("SET session_replication_role = replica")
        other.execute("ALTER TABLE deliveries SET (autovacuum_enabled = off)")
        fill = (
            "INSERT INTO deliveries (id, number, kind, event_seq, target, status, enqueued_at, due_at)"
            " SELECT g, g, 'card', 1, 'C1', %s, '', '' FROM generate_series(1, 2000) g"
        )
        other.execute(fill, ("delivered",))
        other.execute("ANALYZE deliveries")
        other.execute(fill, ("queued",))
        plan = other.execute(
            f"EXPLAIN SELECT 1 FROM deliveries WHERE number = 5 AND kind = 'card' AND {IS_QUEUED}"
            " AND lease_until IS NULL AND due_at <= '2099'"
        ).fetchall()
    assert "deliveries_queued_in_order" not in str(plan)
    assert "deliveries_by_request" in str(plan)


def test_statements_that_come_again_are_prepared(server: Server) -> None:
    """The server plans them once; planning took most of the time of a use case."""
    with closing(Postgres(server)) as connection:
        for _ in range(6):
            connection.execute("SELECT id FROM people WHERE id = ?", ("U1",))
        assert connection.execute("SELECT count(*) FROM pg_prepared_statements") == [(1,)]


@pytest.fixture
def pooled(postgres: Cluster, server: Server) -> Iterator[Server]:
    """Yield the database behind a PgBouncer in transaction mode, which has two connections for everybody."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed; on Debian and Ubuntu: apt-get install pgbouncer")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="desk-pool-") as name:
        Path(name).chmod(0o755)
        conf = Path(name) / "pgbouncer.ini"
        conf.write_text(
            f"[databases]\n* = host=127.0.0.1 port={postgres.port} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n",
            "utf-8",
        )
        user = "postgres" if os.getuid() == 0 else None
        process = subprocess.Popen([program, "-q", str(conf)], user=user, stderr=subprocess.DEVNULL)
        try:
            until_it_listens(port)
            yield through(server, port)
        finally:
            process.terminate()
            process.wait()


def until_it_listens(port: int) -> None:
    """Wait until somebody takes connections at this port."""
    for _ in range(500):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise TimeoutError


async def test_a_pooler_may_stand_between(server: Server, pooled: Server) -> None:
    """In its transaction mode each transaction may have another server process, so nothing is left in one."""
    async with opened(pooled) as one, opened(pooled) as two, opened(pooled) as three:
        await asyncio.gather(*(each.transaction("start", started) for each in (one, two, three) for _ in range(40)))
        for each in (one, two, three):
            assert await each.read(lambda tables: tables.record.last().seq) == 120
    found = verify_all(pooled)
    assert (found.events, found.damage) == (120, None)
    assert facts(pooled).pooled
    assert not facts(server).pooled


async def test_a_server_that_lost_events_is_noticed_behind_a_pooler(
    postgres: Cluster, server: Server, pooled: Server
) -> None:
    """The pooler holds the bot's connections, and opens its own ones to whatever has taken over."""
    async with opened(pooled) as store:
        await store.transaction("start", started)
        with postgres.loses(server):
            await store.transaction("start", started)
        problems = []
        for _ in range(5):  # it hands on once for each connection that it was ended
            with pytest.raises(StoreError) as failed:
                await store.transaction("start", started)
            problems.append(failed.value.problem)
        assert problems[-1] is StoreProblem.HISTORY_LOST
    assert counts(server) == 1
