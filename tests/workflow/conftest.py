"""Both engines under the tests of this folder."""

import pytest

from tests.postgres import ENGINES


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Return each engine in turn."""
    engine: str = request.param
    return engine
