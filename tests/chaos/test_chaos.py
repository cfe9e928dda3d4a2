"""A short chaos run; ``make chaos`` is the long one."""

from pathlib import Path

from tests.chaos.run import chaos


async def test_a_short_chaos_run_ends_clean(database: Path) -> None:
    """With everything breaking and the bot killed about every second, nothing is lost, doubled or told wrongly."""
    verdict = await chaos(database, seed=7, cancellations=12)
    assert verdict.wrongs == []
    accepted = verdict.figures["requests accepted"]
    assert isinstance(accepted, int)
    assert accepted >= 12  # some orders are asked for a second time
