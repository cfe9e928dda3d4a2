"""Slack's rates: a few messages at once, then one a second, and targets that are held back."""

from datetime import timedelta

from bot.worker import Pace
from tests.clock import Clock


def test_a_few_at_once_then_one_a_second(clock: Clock) -> None:
    """Four messages go out at once to one target; the next waits a second, and others do not wait for it."""
    pace = Pace(clock)
    for _ in range(4):
        assert pace.spared() == frozenset()
        pace.used("C1")
    assert pace.spared() == {"C1"}
    pace.used("C2")
    assert pace.spared() == {"C1"}
    clock.advance(1)
    assert pace.spared() == frozenset()


def test_a_held_target_is_spared_for_so_long(clock: Clock) -> None:
    """A pause that Slack asked for holds one target back, and is over when it is over."""
    pace = Pace(clock)
    pace.hold("C1", timedelta(seconds=30))
    clock.advance(29.9)
    assert pace.spared() == {"C1"}
    clock.advance(0.1)
    assert pace.spared() == frozenset()


def test_a_hold_that_ends_during_a_round_still_has_its_moment(clock: Clock) -> None:
    """Who was spared when the round began is looked at again, also if the hold is over by the round's end."""
    pace = Pace(clock)
    began = clock()
    pace.hold("C1", timedelta(milliseconds=5))
    clock.advance(1)
    assert pace.next_free(began) == began + timedelta(milliseconds=5)
    pace.forget(clock() + timedelta(minutes=1))
    assert pace.next_free(began) is None
