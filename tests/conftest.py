"""What many tests need: a clock, a store in a fresh file, and the use cases over it."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.store import Store
from bot.workflow import Rules, Workflow
from tests.clock import Clock
from tests.world import World


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the test's database goes."""
    return tmp_path / "data" / "bot.db"


@pytest.fixture
async def store(database: Path) -> AsyncIterator[Store]:
    """An open store in a fresh file."""
    store = Store(database)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def rules() -> Rules:
    """Quorum of one, and a few quick attempts."""
    return Rules(
        approvals_required=1,
        allow_self_approval=False,
        approval_ttl=timedelta(hours=24),
        order_id_pattern=re.compile(r"[A-Za-z0-9_-]{1,64}"),
        max_attempts=3,
    )


@pytest.fixture
def workflow(store: Store, rules: Rules, clock: Clock) -> Workflow:
    """The use cases, without randomness."""
    return Workflow(store, rules, now=clock, jitter=lambda: 0.0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The use cases over a fresh file, held against a model."""
    world = World(tmp_path)
    yield world
    world.close()
