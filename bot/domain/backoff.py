"""The pauses between repeated tries: each one twice as long as the last, up to a limit."""

from collections.abc import Iterator
from itertools import count

_MOST_DOUBLINGS = 20
"""Enough to reach any limit in use, and far from overflowing a float or a timedelta."""


def pause_after(tries: int, first: float, longest: float) -> float:
    """Return the seconds to wait after this many failed tries, counted from 1."""
    return min(first * 2.0 ** min(max(tries - 1, 0), _MOST_DOUBLINGS), longest)


def pauses(first: float, longest: float) -> Iterator[float]:
    """Yield the seconds to wait after each failed try in turn, for ever."""
    return (pause_after(tries, first, longest) for tries in count(1))
