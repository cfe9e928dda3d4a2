"""A short chaos run; ``make chaos`` is the long one."""

from pathlib import Path

from tests.chaos.run import chaos


async def test_a_short_chaos_run_ends_clean(database: Path) -> None:
    """Nothing is lost, doubled or reported wrongly while everything breaks and the bot is killed about every second."""
    judgement = await chaos(database, seed=7, requests=12)
    assert judgement.wrongs == []
    accepted = judgement.figures["requests accepted"]
    assert isinstance(accepted, int)
    assert accepted >= 4  # twelve orders, of which several may be in one request
