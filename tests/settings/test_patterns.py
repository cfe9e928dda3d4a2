"""ORDER_ID_PATTERN: a pattern that could keep the bot busy with one text is refused at the start."""

import re

import pytest

from bot.domain.ids import LONGEST_ORDER_ID, ORDER_ID, is_order_id
from bot.settings.patterns import Unbounded, check
from tests.settings.given import given_that, problems

GOOD = [
    ORDER_ID,
    "ord_[0-9]+",
    "ord_[0-9]{1,12}",
    r"(ord|pay|inv)_\d+",
    r"(?i:ord|pay)-\d{6}",
    r"(?i)ord-\d{6}",
    r"[A-Z]{2,4}[A-Z0-9]{6}",
    r"[A-Z]{2,4}-?\d{4,10}",
    r"\w+(-\w+)*",
    r"\w+-\w+",
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    r"^ORD-\d{4}-\d{1,8}$",
    r"ord_[A-Za-z0-9]{20,40}|\d{10}",
    r"\d+",
    r".+",
    r"[^\s/]{4,64}",
    r"(?:ord|order)_\d+?",
    r"\d{3,}(\.\d+)?",
    r"[a-z]+_?[a-z]+",
    r"[0-9A-HJKMNP-TV-Z]{26}",
    r"(?>ord)_\d++",
    # Python makes one set of a choice between single characters.
    r"(\w|\d)+-",
]
SLOW = [
    r"(a+)+",
    r"(a+)+b",
    r"(a*)*b",
    r"(a|a)+b",
    r"(a|aa)+b",
    r"(\w+\s?)+!",
    r"([a-z]+)*\d",
    r"(.*)(.*)(.*)(.*)x",
    r"\w*\w*\w*\w*\w*-",
    r"a*a*a*a*b",
    r"(a?){60}b",
    r"(a{1,64}){1,64}",
    r"(a{1,20}){1,20}b",
    r"ord_(\d+|\d+_)+x",
    r"(([a-z])+.)+[A-Z]([a-z])+",
    r"(ord_?)*(ord_?)*(ord_?)*(ord_?)*!",
    r"(?i)(ab|AB)+c",
    r"(\wx|\dx)+-",
    r"(éx|\wx)+-",
    r"(?i:(a|[A-Z]b?)+)-",
    r"((a{2})?(a{3})?)+b",
]
NOT_READ = [r"(ord)_\1", r"(?=ord)\w+", r"(?!ord)\w+", r"(?<=o)rd", r"(?<!o)rd", r"(a)?(?(1)b|c)"]


@pytest.mark.parametrize("pattern", GOOD)
def test_patterns_that_people_use_are_taken(pattern: str) -> None:
    """None of them can take long, whatever the text is."""
    check(re.compile(pattern))
    assert given_that(ORDER_ID_PATTERN=pattern).order_id_pattern.pattern == pattern


@pytest.mark.parametrize("pattern", SLOW)
def test_patterns_that_can_take_long_are_refused(pattern: str) -> None:
    """The line names the setting and the remedy."""
    (problem,) = problems(ORDER_ID_PATTERN=pattern)
    assert problem.startswith("ORDER_ID_PATTERN: ")
    assert "too long" in problem


@pytest.mark.parametrize("pattern", NOT_READ)
def test_patterns_whose_time_nobody_knows_are_refused(pattern: str) -> None:
    """A look-around or a reference is not needed for an order ID."""
    assert problems(ORDER_ID_PATTERN=pattern) == [
        "ORDER_ID_PATTERN: must not use look-arounds or refer to its own groups"
    ]


@pytest.mark.parametrize("pattern", [".*", r"\d*", "(ord_1)?", "|ord", "^$"])
def test_patterns_that_an_empty_text_fits_are_refused(pattern: str) -> None:
    """Nobody means that."""
    assert problems(ORDER_ID_PATTERN=pattern) == [
        "ORDER_ID_PATTERN: must not fit an empty order ID: write + in place of *, for example"
    ]


def test_a_text_that_is_far_too_long_is_no_order_id() -> None:
    """It is not even matched."""
    assert is_order_id(re.compile(".+"), "x" * LONGEST_ORDER_ID)
    assert not is_order_id(re.compile(".+"), "x" * (LONGEST_ORDER_ID + 1))
    assert not is_order_id(re.compile("ord"), "order")


def test_everything_that_a_pattern_can_consist_of_is_read() -> None:
    """Sets, ranges, categories, their opposites, and letters in either case."""
    check(re.compile(r"(?i)[^\W\d_]x[\S\D]\s[\w.-]{2}$|\Ay\b.[^z]"))
    with pytest.raises(Unbounded):
        check(re.compile("(?i)(xz|XZ)+y"))
