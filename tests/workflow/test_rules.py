"""The bot's patience: pauses that grow, within limits, and never shorter than somebody asked for."""

from datetime import timedelta

import pytest

from bot.workflow import Patience

PATIENCE = Patience(
    first_pause=timedelta(seconds=1),
    longest_pause=timedelta(seconds=60),
    longest_delivery_pause=timedelta(seconds=30),
)


@pytest.mark.parametrize(
    "attempts, retry_after, spread, seconds",
    [
        (1, None, 0.0, 1),
        (2, None, 0.0, 2),
        (3, None, 0.25, 5),
        (7, None, 0.0, 60),
        (100, None, 0.0, 60),
        (100, None, 0.25, 75),
        (1, 0.5, 0.0, 1),
        (1, 90.0, 0.25, 90),
    ],
)
def test_the_pause_before_the_next_attempt(
    attempts: int, retry_after: float | None, spread: float, seconds: float
) -> None:
    """It doubles up to the limit, is spread beyond it, and is at least as long as the gateway asked for."""
    assert PATIENCE.before_next_attempt(attempts, retry_after, spread) == timedelta(seconds=seconds)


@pytest.mark.parametrize("tries, seconds", [(1, 1), (2, 2), (6, 30), (1000, 30), (1_000_000, 30)])
def test_the_pause_before_the_next_try_to_deliver(tries: int, seconds: float) -> None:
    """It doubles up to its own limit, however long Slack has been away."""
    assert PATIENCE.before_next_try(tries) == timedelta(seconds=seconds)


def test_all_attempts_together_take_about_a_quarter_of_an_hour() -> None:
    """With the defaults a gateway that is away for ten minutes is still called when it is back."""
    patience = Patience()
    pauses = (patience.before_next_attempt(attempt, None, 0) for attempt in range(1, patience.max_attempts))
    assert timedelta(minutes=13) < sum(pauses, timedelta()) < timedelta(minutes=16)
