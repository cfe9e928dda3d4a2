"""The record: it only grows, by events that follow from each other."""

import pytest

from bot.domain.audit import BOT, GENESIS
from bot.domain.events import CardBlocked, CardPosted, Started, Withdrawn
from bot.store import Store, Tables, verify
from tests.clock import Clock
from tests.postgres import REFUSED
from tests.store.rows import add


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'U9'",
        "DELETE FROM audit_events",
        "INSERT INTO audit_events SELECT seq + 5, at, kind, '', '', '', '', hash, 'x' FROM audit_events",
        "INSERT INTO audit_events SELECT seq + 1, at, kind, '', '', '', '', 'other', 'x' FROM audit_events",
    ],
)
async def test_the_record_only_grows(store: Store, clock: Clock, statement: str) -> None:
    """No statement edits, removes or puts in an event out of turn."""
    await store.transaction("record", lambda tx: tx.record.append(Started("1"), BOT, clock()))
    with pytest.raises(REFUSED, match=r"append-only|must follow"):
        await store.transaction("forge", lambda tx: tx.connection.execute(statement))
    assert (await store.read(verify)).damage is None


async def test_an_event_is_read_back_as_it_was_appended(store: Store, clock: Clock) -> None:
    """It follows from the last one, has its request and its order, and its number finds it."""

    def work(tx: Tables) -> None:
        started = tx.record.append(Started("1"), BOT, clock())
        asked = add(tx, clock())
        withdrawn = tx.record.append(Withdrawn(), "U1", clock(), asked)
        assert (started.seq, started.prev_hash, started.actor, started.request) == (1, GENESIS, "bot", "")
        assert (withdrawn.seq, withdrawn.prev_hash) == (2, started.hash)
        assert (withdrawn.request, withdrawn.order_id, withdrawn.actor) == (asked.id, "ord_1", "U1")
        assert withdrawn.at == "2026-11-23T09:00:00.000Z"
        assert tx.record.event(1) == started
        assert tx.record.last() == withdrawn
        assert list(tx.record.all()) == [started, withdrawn]

    await store.transaction("append", work)


async def test_an_empty_record_has_a_beginning(store: Store) -> None:
    """The event before the first one has number 0 and the genesis hash."""
    last = await store.read(lambda tables: tables.record.last())
    assert (last.seq, last.hash) == (0, GENESIS)


async def test_a_kind_is_found_for_its_own_request(store: Store, clock: Clock) -> None:
    """Events of other kinds and of other requests do not count; the newest comes first."""

    def work(tx: Tables) -> list[list[int]]:
        asked, other = add(tx, clock()), add(tx, clock(), "ord_2", form="V2")
        blocked = [tx.record.append(CardBlocked("C1", "not_in_channel"), BOT, clock(), asked).seq for _ in range(2)]
        tx.record.append(CardPosted("C1", "1.1"), BOT, clock(), other)
        kinds = [(asked, CardBlocked), (asked, CardPosted), (other, CardBlocked)]
        found = [[event.seq for event in tx.record.newest(about, kind)] for about, kind in kinds]
        return [blocked[::-1], *found]

    newest, *found = await store.transaction("append", work)
    assert found == [newest, [], []]
