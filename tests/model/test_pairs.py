"""Every pair of acts from every state."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bot.domain.cancellation import State
from bot.store.connection import Parameters, Row
from bot.store.sqlite import SQLite
from tests.model.acts import ACTS, WAYS, Expected
from tests.world import World


class Undone:
    """The writer's connection, where each commit is only a step in one transaction that is undone at the end."""

    not_indexed: str = SQLite.not_indexed

    def __init__(self, sqlite: SQLite) -> None:
        self._sqlite = sqlite

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement."""
        return self._sqlite.execute(sql, parameters)

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run one statement and yield its rows."""
        return self._sqlite.stream(sql, parameters)

    def begin(self) -> None:
        """Begin a transaction inside the one that is open."""
        self._sqlite.execute("SAVEPOINT act")

    def begin_reading(self) -> None:
        """Begin in the same way."""
        self.begin()

    def commit(self) -> None:
        """Keep this step, for now."""
        self._sqlite.execute("RELEASE act")

    def rollback(self) -> None:
        """Undo this step."""
        self._sqlite.execute("ROLLBACK TO act")
        self._sqlite.execute("RELEASE act")

    def close(self) -> None:
        """Close the connection."""
        self._sqlite.close()


@contextmanager
def undone(world: World) -> Iterator[None]:
    """Undo everything that happens to the world while the block runs."""
    sqlite, front, at, under_way = world.writer.sqlite, world.writer.front, world.clock.at, list(world.under_way)
    cancelled = dict(world.cancelled_at_the_gateway)
    sqlite.execute("SAVEPOINT undone")
    world.writer.front = Undone(sqlite)
    try:
        yield
    finally:
        world.writer.front, world.clock.at, world.under_way = front, at, under_way
        world.cancelled_at_the_gateway = cancelled
        sqlite.execute("ROLLBACK TO undone")
        sqlite.execute("RELEASE undone")


@pytest.mark.parametrize("state", State)
def test_every_pair_of_acts_leads_from_every_state_where_it_must(world: World, state: State) -> None:
    """After any two acts the request is in the state that the model expects, and everything else holds."""
    about, expected = world.asked(), Expected()
    for act in WAYS[state]:
        ACTS[act](world, about)
        expected.act(act)
    assert expected.state == state

    def happens(act: str, now: Expected) -> Expected:
        ACTS[act](world, about)
        now.act(act)
        found = world.tables.cancellations.get(about)
        assert found is not None
        assert found.state == now.state, act
        world.check()
        return now

    for first in ACTS:
        with undone(world):
            after_first = happens(first, replace(expected))
            for second in ACTS:
                with undone(world):
                    happens(second, replace(after_first))
