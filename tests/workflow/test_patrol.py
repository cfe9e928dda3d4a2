"""The bot's own verification holds the tables against the events, and stops everything where they differ."""

import asyncio
from pathlib import Path

import pytest
import structlog

from bot import __version__
from bot.domain.audit import BOT
from bot.domain.cancellation import State
from bot.domain.events import Frozen, Started
from bot.in_flight import InFlight
from bot.metrics import Metrics
from bot.patrol import Patrol
from bot.store import Erasure, Store, Tables
from bot.store.erasure import erase
from bot.workflow import Workflow, freezing
from tests.clock import Clock
from tests.workflow.steps import COMPLETED, approved, deliver_all, requested, sending, state_of


def patrol_of(store: Store, workflow: Workflow, clock: Clock) -> Patrol:
    """Return the verification of this bot's record, without pauses."""
    return Patrol(
        store,
        Metrics(),
        stop=workflow.stop_for_damage,
        idle=InFlight().idle,
        monotonic=clock.monotonic,
        every=0.001,
    )


async def until(patrol: Patrol, seq: int) -> None:
    """Let it run until it has verified this event."""
    task = asyncio.create_task(patrol.run())
    async with asyncio.timeout(20):
        while patrol._furthest < seq and not task.done():  # noqa: ASYNC110, SLF001 -- nothing else tells
            await asyncio.sleep(0.001)
    task.cancel()


async def last(store: Store) -> int:
    """Return the number of the last event."""
    return await store.read(lambda tables: tables.record.last().seq)


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE requests SET reason = 'another one'",
        "UPDATE cancellations SET order_id = 'ord_9'",
        "UPDATE cancellations SET state = 'cancelled'",
        "UPDATE decisions SET approver = 'U9'",
        "DELETE FROM decisions",
        "UPDATE words SET text = 'another one'",
        "UPDATE deliveries SET status = 'called_off'",
        "UPDATE people SET name = 'olga'",
        "DROP INDEX cancellations_by_state",
    ],
)
async def test_a_table_that_contradicts_the_events_stops_everything(
    workflow: Workflow, store: Store, clock: Clock, forgery: str
) -> None:
    """Nothing is sent any more, people read why, and it is on record; an approver can end it."""
    request = await approved(workflow)
    await deliver_all(workflow)

    def forge(tx: Tables) -> None:
        tx.connection.execute(forgery)

    await store.transaction("forge", forge)
    patrol = patrol_of(store, workflow, clock)
    async with asyncio.timeout(20):
        await patrol.run()
    freeze = await workflow.frozen()
    assert freeze is not None
    assert (freeze.by, freeze.why) == (
        BOT,
        f"The record is damaged, or the tables contradict it, at event {patrol.damaged_at}",
    )
    assert (await workflow.claim("w", calls=1, messages=0)).attempts == []
    assert await state_of(store, request) is State.APPROVED or "cancellations" in forgery
    frozen = await store.read(lambda tables: [each for each in tables.record.all() if each.kind == Frozen.kind])
    assert [each.actor for each in frozen] == [BOT]


@pytest.mark.parametrize("forgery", ["UPDATE requests SET reason = 'x'", "DROP INDEX cancellations_by_state"])
async def test_what_a_newer_version_may_have_made_is_left_to_it(
    workflow: Workflow, store: Store, clock: Clock, forgery: str
) -> None:
    """While bots are replaced one after another, an old one must not freeze everything; once it starts anew it does."""
    await approved(workflow)

    def newer(tx: Tables) -> None:
        tx.connection.execute(forgery)
        tx.record.append(Started("99.0"), BOT, clock())

    await store.transaction("newer", newer)
    with structlog.testing.capture_logs() as logs:
        patrol = patrol_of(store, workflow, clock)
        await until(patrol, await last(store))
        clock.advance(days=1)
        await until(patrol, await last(store))
    assert patrol.damaged_at is None
    assert await workflow.frozen() is None
    told = {line["version"] for line in logs if line["event"] == "record_left_to_another_version"}
    assert told == {"99.0"}
    await store.transaction("own", lambda tx: tx.record.append(Started(__version__), BOT, clock()))
    async with asyncio.timeout(20):
        await patrol_of(store, workflow, clock).run()
    assert await workflow.frozen() is not None


async def test_a_newer_version_does_not_excuse_a_torn_chain(workflow: Workflow, store: Store, clock: Clock) -> None:
    """How events follow from each other is the same in every version."""
    await approved(workflow)
    no_guard = "DROP TRIGGER audit_events_no_update"
    if not isinstance(store.place, Path):
        no_guard = "ALTER TABLE audit_events DISABLE TRIGGER USER"

    def forge(tx: Tables) -> None:
        tx.record.append(Started("99.0"), BOT, clock())
        tx.connection.execute(no_guard)
        tx.connection.execute("UPDATE audit_events SET actor = 'U9' WHERE seq = 2")

    await store.transaction("forge", forge)
    patrol = patrol_of(store, workflow, clock)
    async with asyncio.timeout(20):
        await patrol.run()
    assert patrol.damaged_at == 2


async def test_what_a_freeze_of_people_has_stopped_is_not_frozen_again(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """Their words stay."""
    await requested(workflow)
    await store.transaction("forge", lambda tx: tx.connection.execute("UPDATE requests SET reason = 'x'"))
    await workflow.stop_for_damage(1)
    await workflow.stop_for_damage(2)
    freeze = await workflow.frozen()
    assert freeze is not None
    assert freeze.why == "The record is damaged, or the tables contradict it, at event 1"


async def test_damage_is_told_over_a_freeze_of_somebodys(workflow: Workflow, store: Store, clock: Clock) -> None:
    """They would end it when their own cause is over, without a word of the damage."""
    await store.transaction("freeze", lambda tx: freezing.put(tx, Frozen("maintenance"), "UONE", clock()))
    await workflow.stop_for_damage(7)
    freeze = await workflow.frozen()
    assert freeze is not None
    assert (freeze.by, "damaged" in freeze.why) == (BOT, True)


async def test_nothing_that_the_bot_does_looks_like_damage(workflow: Workflow, store: Store, clock: Clock) -> None:
    """It verifies while requests come, are sent and end, and after their words were erased."""
    patrol = patrol_of(store, workflow, clock)
    for number in range(3):
        await approved(workflow, f"ord_{number}", form=f"V{number}")
        await until(patrol, await last(store))
        await workflow.record_answer(await sending(workflow), COMPLETED)
        await until(patrol, await last(store))
        await deliver_all(workflow)
        await until(patrol, await last(store))
    clock.advance(days=30)
    before = clock()
    gone = await store.transaction("erase", lambda tx: erase(tx, Erasure(before=before), "the law", BOT, clock()))
    assert gone.texts
    await until(patrol, await last(store))
    clock.advance(days=2)
    await until(patrol_of(store, workflow, clock), await last(store))
    assert patrol.damaged_at is None
    assert await workflow.frozen() is None
