"""What the writer does for one request does not grow with all that there ever was."""

import pytest

from bot.domain.cancellation import State
from bot.domain.delivery import Fate
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
