"""What one request and one look-up cost does not grow with all that there ever was."""

from pathlib import Path

import pytest

from bot.domain.cancellation import State
from bot.domain.delivery import Fate
from bot.domain.lookup import Lookup
from bot.store import open_reader
from tests.bench.record import fill
from tests.test_model import ACTS, WAYS
from tests.world import World


def life(world: World, state: State, fate: Fate) -> int:
    """How many instructions SQLite carries out for a request that gets to this state, with all that it owes."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    world.store._db.conn.set_progress_handler(step, 1)
    about = world.asked(f"ord_{world.forms}")
    for act in [*WAYS[state], "withdraw"]:
        world.deliver(fate)
        ACTS[act](world, about)
    world.clock.advance(hours=80)
    for last in (Fate.IMPOSSIBLE, Fate.DELIVERED):
        while world.deliver(last):
            pass
    world.restart()
    world.store._db.conn.set_progress_handler(None, 1)
    return count


@pytest.mark.parametrize("fate", Fate)
@pytest.mark.parametrize("state", [state for state in State if state not in {State.APPROVED, State.SENDING}])
def test_a_request_takes_as_much_work_after_many_others_as_before_them(world: World, state: State, fate: Fate) -> None:
    """Every statement finds its rows by an index, or among those that are open or owed."""
    life(world, state, fate)
    first = life(world, state, fate)
    for _ in range(10):
        last = life(world, state, fate)
    assert last - first < 10  # Less than one instruction for each of the others.


@pytest.mark.parametrize("only_of", [None, "U1", "U_NOBODY"])
@pytest.mark.parametrize("state", [None, State.CANCELLED, State.UNKNOWN])
@pytest.mark.parametrize("order_id", [None, "ord_1", "ord_none"])
async def test_a_look_up_takes_as_much_work_in_a_long_record_as_in_a_short_one(
    tmp_path: Path, order_id: str | None, state: State | None, only_of: str | None
) -> None:
    """Whatever is combined, a page is found by the rarest of it."""
    wanted, counts = Lookup(order_id=order_id, state=state), list[int]()
    for events in (2_400, 4_800):  # of a hundred people: a dozen requests each, more than a page
        path = tmp_path / f"{events}.db"
        await fill(path, events)
        count = 0

        def step() -> None:
            nonlocal count
            count += 1

        with open_reader(path) as (reader, db):
            db.conn.set_progress_handler(step, 1)
            find = reader.find if order_id is None else reader.story
            find(wanted, only_of=only_of)
        counts.append(count)
    short, long = counts
    assert long - short < 100  # A dozen more of one's own to look at, not the 1,200 of all.
