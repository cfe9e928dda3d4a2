"""A store whose writer is within reach of the tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store import Store
from tests.writer import Writer


@pytest.fixture
def writer() -> Writer:
    """Return the writer of ``store``."""
    return Writer()


@pytest.fixture
async def store(database: Path, writer: Writer) -> AsyncIterator[Store]:
    """Yield an open store in a new file."""
    # Not tidied up while a test looks at its files.
    store = Store(database, connect=writer.open, idle_after=3600.0)
    await store.open()
    yield store
    await store.close()
