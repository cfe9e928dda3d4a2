"""Moving a record between the engines, and a backup of a server."""

import asyncio
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.domain.policy import Verdict
from bot.domain.verification import Damage
from bot.store import Place, Store, StoreError, StoreProblem, Unsound, backup, move, open_reader, verify_all
from bot.store.place import address
from bot.wording import events
from bot.workflow import Rules, Workflow
from tests.clock import Clock
from tests.postgres import ENGINES, ON_SQLITE, Cluster
from tests.workflow.steps import CANCELLED, approved, deliver_all, requested, sending
from tests.world import TABLES, actor, typed


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Return each engine in turn, as the one from which everything goes."""
    engine: str = request.param
    return engine


@pytest.fixture
def target(engine: str, postgres: Cluster, tmp_path: Path) -> Place:
    """Return a place of the other engine."""
    return postgres.new() if engine == "sqlite" else tmp_path / "moved.db"


def everything(place: Place) -> dict[str, list[tuple[object, ...]]]:
    """Return the content of all tables."""
    with open_reader(place) as tables:
        execute = tables.connection.execute
        return {name: sorted(execute(f"SELECT * FROM {name}"), key=repr) for name in TABLES if name != "deliveries"}


@pytest.fixture
async def filled(database_place: Place, rules: Rules, clock: Clock) -> Place:
    """Return a database that a bot has worked on and has closed."""
    await work(database_place, rules, clock, "ord_1", "ord_2")
    return database_place


async def work(place: Place, rules: Rules, clock: Clock, done: str, asked: str) -> None:
    """Let a bot cancel one order and take a request for another one."""
    store = Store(place)
    await store.open()
    workflow = Workflow(store, rules, now=clock, wake=asyncio.Event(), jitter=lambda: 0.0)
    await approved(workflow, done, form=done)
    await workflow.record_answer(await sending(workflow), CANCELLED)
    await deliver_all(workflow)
    await requested(workflow, asked, form=asked)
    clock.advance(1)
    await store.close()


async def test_everything_arrives_with_the_same_head(filled: Place, target: Place, rules: Rules, clock: Clock) -> None:
    """Every row of every table, and a bot on the other engine goes on where the first one ended."""
    before = verify_all(filled)
    assert move(filled, target) == before
    assert everything(target) == everything(filled)
    await work(target, rules, clock, "ord_3", "ord_4")
    found = verify_all(target)
    assert (found.damage, found.events > before.events) == (None, True)


async def test_a_command_that_was_carried_out_stays_known(
    filled: Place, target: Place, rules: Rules, clock: Clock
) -> None:
    """Slack may bring it again after the move, when it would end or begin another freeze."""
    command, ben = typed(), actor("UTWO")

    async def freeze(place: Place) -> Verdict:
        store = Store(place)
        await store.open()
        workflow = Workflow(store, rules, now=clock, wake=asyncio.Event())
        froze = await workflow.freeze(ben, "why", command)
        clock.advance(1)
        await store.close()
        return froze.verdict

    assert await freeze(filled) is Verdict.ALLOWED
    move(filled, target)
    assert await freeze(target) is Verdict.REPEATED


@ON_SQLITE
async def test_a_server_knows_how_much_has_arrived(filled: Place, target: Place) -> None:
    """It plans the verification by that; without it, the one of a million events would not end."""
    found = move(filled, target)
    with open_reader(target) as tables:
        sql = "SELECT reltuples FROM pg_class WHERE oid = 'audit_events'::regclass"
        assert tables.connection.execute(sql) == [(found.events,)]


async def test_a_backup_of_any_engine_is_a_file(filled: Place, tmp_path: Path) -> None:
    """It verifies, has the same head and the same rows, and nothing beside it."""
    copy = tmp_path / "backups" / "copy.db"
    copy.parent.mkdir()
    assert backup(filled, copy) == verify_all(filled)
    assert everything(copy) == everything(filled)
    assert os.listdir(copy.parent) == ["copy.db"]  # noqa: PTH208


async def test_nothing_goes_where_something_is(filled: Place, target: Place, rules: Rules, clock: Clock) -> None:
    """Two records cannot become one."""
    await work(target, rules, clock, "ord_8", "ord_9")
    before = everything(target)
    with pytest.raises(StoreError) as refused:
        move(filled, target)
    assert refused.value.problem is StoreProblem.NOT_EMPTY
    assert everything(target) == before


async def test_nothing_goes_while_a_bot_runs(filled: Place, target: Place) -> None:
    """What it did meanwhile would be missing."""
    store = Store(filled)
    await store.open()
    await store.read(lambda tables: tables.record.last())
    with pytest.raises(StoreError) as refused:
        await asyncio.to_thread(move, filled, target)
    await store.close()
    assert refused.value.problem is StoreProblem.BUSY


async def test_a_damaged_record_stays_where_it_is(filled: Place, target: Place) -> None:
    """Whoever looks into the damage finds it where it came about."""
    store = Store(filled)
    await store.open()
    await store.transaction("forge", lambda tx: tx.connection.execute("UPDATE requests SET reason = 'forged'"))
    await store.close()
    with pytest.raises(Unsound) as refused:
        move(filled, target)
    assert refused.value.verification.damage is Damage.CONTRADICTION
    assert (isinstance(target, Path) and not target.exists()) or not any(everything(target).values())


async def test_the_command_takes_the_address_from_a_variable(filled: Place, target: Place) -> None:
    """A password in the words of a command could be read by everybody on the machine."""
    environment = {"DATABASE_URL": address(filled), "MOVE_TO": address(target)}
    ended = await asyncio.to_thread(CliRunner().invoke, main, ["move"], env=environment)
    assert (ended.exit_code, ended.stdout) == (0, f"{target}: {events(verify_all(target))}.\n")
    again = await asyncio.to_thread(CliRunner().invoke, main, ["move"], env=environment)
    assert again.exit_code == 1
    assert "there is something in this database already" in again.stderr
