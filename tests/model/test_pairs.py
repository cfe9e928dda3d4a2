"""Every pair of acts from every state.

First acts that leave the same world behind are followed by the second acts once: nearly half of all acts are refused,
or do nothing. With ``EVERYTHING=1`` in the environment, each of them is followed by all.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple

import pytest

from bot.domain.cancellation import State
from bot.store.postgres import Postgres
from bot.workflow import Workflow
from tests.model.acts import ACTS, ANSWERS, MORE_WAYS, WAYS, Expected
from tests.postgres import ON_SQLITE
from tests.world import World
from tests.writer import Through

pytestmark = pytest.mark.usefixtures("unmeasured")

EVERYTHING = bool(os.environ.get("EVERYTHING"))
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('audit_events', 'words')"
_REFUSED = "kind IN ('click_refused', 'request_refused')"


class Undone(Through):
    """The writer's connection, where each commit is only a step in one transaction that is undone at the end."""

    def begin(self) -> None:
        """Begin a transaction inside the one that is open."""
        self.execute("SAVEPOINT act")

    def begin_reading(self) -> None:
        """Begin in the same way."""
        self.begin()

    def commit(self) -> None:
        """Keep this step, for now."""
        self.execute("RELEASE act")

    def rollback(self) -> None:
        """Undo this step."""
        self.execute("ROLLBACK TO act")
        self.execute("RELEASE act")

    def checkpoint(self) -> bool:
        """Leave the log, which has nothing of this transaction."""
        return False


@contextmanager
def undone(world: World) -> Iterator[None]:
    """Undo everything that happens to the world while the block runs."""
    connection, front, at, workflow = world.writer.connection, world.writer.front, world.clock.at, world.workflow
    outside = world.outside.copy()
    first = not isinstance(front, Undone)
    if first:
        connection.begin()
        if isinstance(connection, Postgres):
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    connection.execute("SAVEPOINT undone")
    world.writer.front = Undone(connection)
    try:
        yield
    finally:
        world.writer.front, world.clock.at, world.workflow = front, at, workflow
        world.outside = outside
        connection.execute("ROLLBACK TO undone")
        connection.execute("RELEASE undone")
        if first:
            connection.rollback()


def _left(world: World, expected: Expected, workflow: Workflow) -> str:
    """Return everything on which a next act may depend; of refused clicks, only how many there are.

    ``workflow`` is the process before the act: one that started since then is another one.
    """
    tables = [world.rows(f"SELECT * FROM {name}") for (name,) in world.rows(_TABLES)]
    events = world.rows(f"SELECT seq, at, kind, request, order_id, actor, data FROM audit_events WHERE NOT {_REFUSED}")
    refused = world.rows(f"SELECT count(*) FROM audit_events WHERE {_REFUSED}")
    process = (world.workflow.rules, world.workflow is workflow)
    return repr((tables, events, refused, world.outside, world.clock.at, process, astuple(expected)))


def _one_by_one(world: World, about: str, way: list[str], *, follow: Callable[[], None] = lambda: None) -> None:
    """Check the pairs of acts after this way; ``follow`` is done before each act of the worker."""

    def happens(act: str, now: Expected) -> Expected:
        if act == "work":
            follow()
        ACTS[act](world, about)
        now.act(act)
        found = world.found(about)
        one = found.about("ord_1")
        assert one is not None
        assert (one.state, set(found.approvers)) == (now.state, set(now.votes)), act
        assert found.approvals_required == now.counted_with, act
        assert (found.reminded, found.escalated_at is not None) == (now.reminded, now.escalated), act
        world.check()
        return now

    expected = Expected()
    for act in way:
        expected = happens(act, expected)
    workflow, seen = world.workflow, set[str]()
    for first in ACTS:
        with undone(world):
            after_first = happens(first, expected.copy())
            left = _left(world, after_first, workflow)
            if left in seen and not EVERYTHING:
                continue
            seen.add(left)
            for second in ACTS:
                with undone(world):
                    happens(second, after_first.copy())


@ON_SQLITE  # hundreds of pairs, which take minutes on a server
@pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way in (WAYS | MORE_WAYS).items()])
def test_every_pair_of_acts_leads_from_everywhere_where_it_must(world: World, way: list[str]) -> None:
    """After any two acts the request is in the state that the model expects, and everything else holds."""
    _one_by_one(world, world.asked(), way)


@ON_SQLITE
@pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way in WAYS.items()])
def test_an_order_ends_as_it_must_whatever_becomes_of_another_one(world: World, way: list[str]) -> None:
    """With an order of the same request that is refused as soon as it is sent, all of this is the same."""
    about = world.asked("ord_0", more=["ord_1"])

    def send_the_other() -> None:
        other = world.found(about).about("ord_0")
        assert other is not None
        if other.state is State.APPROVED and (attempt := world.work()) is not None:
            assert attempt.order_id == "ord_0"
            world.outside.under_way.remove(attempt)
            world.answer(attempt, ANSWERS["completed"])

    _one_by_one(world, about, way, follow=send_the_other)


def test_the_ways_lead_to_every_state(world: World) -> None:
    """No state is left out."""
    for state, way in WAYS.items():
        with undone(world):
            about = world.asked()
            for act in way:
                ACTS[act](world, about)
            assert world.found(about).state is state
    assert set(WAYS) == set(State)
