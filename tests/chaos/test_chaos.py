"""A short chaos run; ``make chaos`` is the long one."""

from pathlib import Path

import pytest

from tests.chaos.run import chaos
from tests.postgres import cluster


async def test_a_short_chaos_run_ends_clean(database: Path) -> None:
    """Nothing is lost, doubled or reported wrongly while everything breaks and the bot is killed about every second."""
    judgement = await chaos(database, seed=7, requests=12)
    assert judgement.wrongs == []
    # Twelve orders, of which several may be in one request. A kill may take the answer to a form away that the bot has
    # kept, so these count, and not the forms that people saw accepted.
    kept = judgement.figures["requests kept"]
    assert isinstance(kept, int)
    assert kept >= 4


@pytest.mark.usefixtures("postgres")  # skips where there is no server to start
async def test_a_short_chaos_run_of_several_bots_ends_clean(database: Path) -> None:
    """The same holds for two bots on one server, which stand still, lose their lines and the server as well."""
    with cluster() as own:
        judgement = await chaos(database, seed=7, requests=5, cluster=own, replicas=2)
    assert judgement.wrongs == []
