"""The pauses between repeated tries."""

from itertools import islice

import pytest
from hypothesis import given, strategies as st

from bot.domain.backoff import pause_after, pauses


def test_pauses_double_up_to_the_limit() -> None:
    """Each pause is twice as long as the one before, and none is longer than the limit."""
    assert list(islice(pauses(1.0, 10.0), 7)) == [1, 2, 4, 8, 10, 10, 10]


@pytest.mark.parametrize("tries", [-1, 0, 1])
def test_the_first_pause_is_the_shortest(tries: int) -> None:
    """A count from before the first failed try leads to the first pause."""
    assert pause_after(tries, 0.5, 30.0) == 0.5


def test_a_limit_below_the_first_pause_wins() -> None:
    """The limit holds for the first pause as well."""
    assert list(islice(pauses(5.0, 2.0), 3)) == [2, 2, 2]


@given(st.integers(), st.floats(0.001, 3600), st.floats(0.001, 86_400))
def test_no_count_of_tries_overflows(tries: int, first: float, longest: float) -> None:
    """After any number of tries the pause is positive and within the limit."""
    assert 0 < pause_after(tries, first, longest) <= longest


def test_pauses_are_those_after_each_count_of_tries() -> None:
    """The pauses in turn are those for 1, 2, 3 and more failed tries."""
    assert list(islice(pauses(0.5, 30.0), 10)) == [pause_after(tries, 0.5, 30.0) for tries in range(1, 11)]
