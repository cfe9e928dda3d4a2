"""Slack's rates: a few messages at once, then one a second, and targets that are paused."""

from datetime import timedelta

import pytest

from bot.worker import RateLimit
from tests.clock import Clock


def test_a_few_at_once_then_one_a_second(clock: Clock) -> None:
    """Four messages go out at once to one target; the next waits a second, and others do not wait for it."""
    limit = RateLimit(clock.monotonic)
    for _ in range(4):
        assert limit.blocked() == frozenset()
        limit.record("C1")
    assert limit.blocked() == {"C1"}
    limit.record("C2")
    assert limit.blocked() == {"C1"}
    clock.advance(1)
    assert limit.blocked() == frozenset()


def test_a_paused_target_is_blocked_for_so_long(clock: Clock) -> None:
    """A pause that Slack asked for blocks one target, and ends when it is over."""
    limit = RateLimit(clock.monotonic)
    limit.pause("C1", timedelta(seconds=30))
    clock.advance(29.9)
    assert limit.blocked() == {"C1"}
    clock.advance(0.1)
    assert limit.blocked() == frozenset()


def test_a_pause_that_ends_during_a_round_still_has_its_moment(clock: Clock) -> None:
    """The end of a pause that held when the round began is remembered, even if it is past when the round ends."""
    limit = RateLimit(clock.monotonic)
    began = limit.now()
    limit.pause("C1", timedelta(milliseconds=5))
    clock.advance(1)
    assert limit.next_free(began) == pytest.approx(began + 0.005)
    limit.forget(limit.now() + 60)
    assert limit.next_free(began) is None
