"""A store whose writer is within reach of the tests."""

from collections.abc import AsyncIterator

import pytest

from bot.store import Place, Store
from tests.postgres import ENGINES
from tests.writer import Writer


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Return each engine in turn. A module about files alone has its own fixture of this name."""
    engine: str = request.param
    return engine


@pytest.fixture
def writer() -> Writer:
    """Return the writer of ``store``."""
    return Writer()


@pytest.fixture
async def store(database_place: Place, writer: Writer) -> AsyncIterator[Store]:
    """Yield an open store in a new database."""
    # Not tidied up while a test looks at its files.
    store = Store(database_place, connect=writer.open, idle_after=3600.0)
    await store.open()
    yield store
    await store.close()
