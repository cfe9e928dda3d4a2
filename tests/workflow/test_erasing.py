"""ERASE_TEXT_AFTER: the bot erases the words of people by itself once they are old enough."""

import asyncio
from datetime import datetime, timedelta

import pytest

from bot.domain.audit import BOT
from bot.domain.events import Erased, Frozen, Unfrozen
from bot.domain.policy import Verdict
from bot.domain.words import ERASED
from bot.store import Erasure, Store, Tables, verify
from bot.store.erasure import erase
from bot.workflow import Rules, Workflow, freezing, workflow as of_workflow
from tests.clock import Clock
from tests.workflow.steps import COMPLETED, approved, ask, deliver_all, reject, requested, sending

AGE = timedelta(days=400)


async def ended(workflow: Workflow, order: str) -> None:
    """Leave a request that has ended, with a reason and the gateway's words."""
    await approved(workflow, order, form=f"V-{order}")
    await workflow.record_answer(await sending(workflow), COMPLETED)
    await deliver_all(workflow)


async def words(store: Store) -> int:
    """Return how many texts of people are kept."""
    return await store.read(lambda tables: int(tables.connection.execute("SELECT count(*) FROM words")[0][0]))


async def erasures(store: Store) -> list[tuple[str, str]]:
    """Return who erased words and why, as the record has it."""
    events = await store.read(lambda tables: list(tables.record.all()))
    return [(each.actor, each.content.why) for each in events if isinstance(each.content, Erased)]


async def test_words_go_when_they_are_old_enough(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The record says why, still verifies, and keeps who did what; what is younger stays."""
    await ended(workflow, "ord_1")
    clock.advance(days=399)
    await ended(workflow, "ord_2")
    assert await workflow.erase_old(AGE) == 0
    clock.advance(days=2)
    assert await workflow.erase_old(AGE) > 0
    assert await workflow.erase_old(AGE) == 0
    assert set(await erasures(store)) == {(BOT, "older than ERASE_TEXT_AFTER (400d)")}
    found = await store.read(lambda tables: tables.requests.latest(2))
    assert [(each.order_ids, each.reason) for each in found] == [(("ord_2",), "typed twice"), (("ord_1",), ERASED)]
    assert (await store.read(verify)).damage is None


async def test_the_words_of_an_open_request_stay(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The gateway gets exactly the reason that was approved, however old it is."""
    await requested(workflow)
    before = await words(store)
    clock.advance(days=500)
    await workflow.erase_old(AGE)
    request = await store.read(lambda tables: tables.requests.of_number(1))
    assert request is not None
    assert request.reason == "typed twice"
    assert before >= await words(store) > 0


async def test_the_reason_of_a_freeze_stays_as_long_as_it_is_in_force(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """People go by it: why everything stands still is on every card."""
    freezes = "wrong price list", "and the wrong region"

    def freeze_twice(tx: Tables) -> None:
        for why in freezes:
            freezing.put(tx, Frozen(why), "UONE", clock())

    await store.transaction("freeze", freeze_twice)
    clock.advance(days=40)
    await workflow.erase_old(timedelta(days=30))
    freeze = await workflow.frozen()
    assert freeze is not None
    assert freeze.why == freezes[1]
    assert await words(store) == 2
    gone = await store.transaction(
        "erase", lambda tx: erase(tx, Erasure(person="UONE"), "why", "terminal:root", clock())
    )
    assert (gone.texts, gone.freeze_stays) == (0, True)
    await store.transaction("end", lambda tx: freezing.put(tx, Unfrozen(), "UONE", clock()))
    await ended(workflow, "ord_1")
    clock.advance(days=31)
    await workflow.erase_old(timedelta(days=30))
    assert await words(store) == 1  # the name of the approver, until the next request


async def test_it_goes_in_small_parts_that_a_crash_cannot_undo(
    workflow: Workflow, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction erases what is its own, and the next one goes on."""
    monkeypatch.setattr(of_workflow, "_ERASED_AT_ONCE", 2)
    for number in range(3):
        await ended(workflow, f"ord_{number}")
    clock.advance(days=401)
    left = [await words(store)]
    while await workflow.erase_old(AGE):
        left.append(await words(store))
        assert (await store.read(verify)).damage is None
    assert len(left) > 3
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0


async def test_a_clock_that_nobody_has_confirmed_erases_nothing(
    rules: Rules, workflow: Workflow, store: Store, clock: Clock
) -> None:
    """A machine that wakes up in the year 2100 must not take everybody's words for old."""
    await ended(workflow, "ord_1")
    before = await words(store)
    clock.advance(days=30_000)
    unsure: datetime | None = clock()
    unconfirmed = Workflow(store, rules, now=clock, wake=asyncio.Event(), unconfirmed=lambda: unsure)
    assert await unconfirmed.erase_old(AGE) == 0
    assert await words(store) == before


async def test_what_a_clock_that_was_behind_wrote_is_no_older_than_its_request(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """Somebody rejects a young request while the machine's date is two years ago, and then the date is set."""
    await approved(workflow, "ord_2", form="V2")  # the approver's name is on record since then
    request = await requested(workflow, "ord_1")
    clock.advance(days=-700)
    assert await reject(workflow, request, reason="keep it: dispute 4711") is Verdict.ALLOWED
    clock.advance(days=701)
    before = await words(store)
    assert await workflow.erase_old(AGE) == 0
    assert await words(store) == before
    clock.advance(days=400)
    assert await workflow.erase_old(AGE) > 0


async def test_the_same_words_are_asked_for_again_afterwards(workflow: Workflow, store: Store, clock: Clock) -> None:
    """Nothing in the tables stands in the way of a new request for the same order."""
    await ended(workflow, "ord_1")
    clock.advance(days=401)
    await workflow.erase_old(AGE)
    again = await ask(workflow, "ord_1", form="V-again")
    assert again.request is not None

    def mark(tables: Tables) -> str:
        newest = tables.requests.of_number(2)
        assert newest is not None
        return newest.reason

    assert await store.read(mark) == "typed twice"
