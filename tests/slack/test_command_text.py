"""The text behind /cancel-order: what is help, a freeze or an order."""

import pytest
from hypothesis import given, strategies as st

from bot.slack.command_text import Freeze, Help, Orders, Unfreeze, is_help, read


@pytest.mark.parametrize("text", ["help", "HELP", " Help ", "help?", "--help", "/help", "`help`", "?", "help\u200b"])
def test_a_call_for_help_is_help(text: str) -> None:
    """Capital letters, signs around the word and invisible characters make no difference."""
    assert read(text) == Help()
    assert is_help(text)


TYPOS = ["hlep", "halp", "hepl", "hel", "helpp", "ehlp", "Hlep!", "jelp"]
TYPOS_OF_A_FREEZE = ["freez", "freze", "freezee", "fereze", "frezee", "unfreez", "unfreze", "unfrezze", "unfrozen"]


@pytest.mark.parametrize("text", TYPOS + TYPOS_OF_A_FREEZE)
def test_a_mistyped_word_alone_is_no_order(text: str) -> None:
    """A word that is almost one of ours is told as such, as it was typed."""
    assert read(text) == Help(text)
    assert is_help(text) == (text in TYPOS)


@pytest.mark.parametrize(
    "text, order",
    [
        ("", Orders()),
        ("ord_1", Orders(("ord_1",))),
        ("ord_1 typed twice", Orders(("ord_1",), "typed twice")),
        ("ord_1\u00a0\n typed  twice ", Orders(("ord_1",), "typed  twice")),
        ("1001", Orders(("1001",))),
        ("ord_1 ord_1 is a duplicate of ord_2", Orders(("ord_1",), "ord_1 is a duplicate of ord_2")),
        ("ord_1, ord_2, ord_1 was wrong", Orders(("ord_1", "ord_2"), "ord_1 was wrong")),
        ("10012345 10012345", Orders(("10012345",), "10012345")),
        ("foo", Orders(("foo",))),
        ("hold", Orders(("hold",))),
        ("hello", Orders(("hello",))),
        ("refund", Orders(("refund",))),
        ("release", Orders(("release",))),
        ("help1", Orders(("help1",))),
        ("freeze2", Orders(("freeze2",))),
        ("help me", Orders(("help",), "me")),
        ("hlep typed twice", Orders(("hlep",), "typed twice")),
        ("freez typed twice", Orders(("freez",), "typed twice")),
        ("-", Orders(("-",))),
    ],
)
def test_everything_else_is_an_order(text: str, order: Orders) -> None:
    """A word with a reason behind it is an order ID, and so is a word with a digit or one that is like none of ours."""
    assert read(text) == order


@pytest.mark.parametrize(
    "text, why",
    [
        ("freeze", ""),
        ("FREEZE!", ""),
        ("*freeze* wrong prices", "wrong prices"),
        ("freeze gateway sends nonsense", "gateway sends nonsense"),
        ("Freeze:\tord_1 ", "ord_1"),
    ],
)
def test_freeze_stops_everything_with_the_words_behind_it(text: str, why: str) -> None:
    """The word comes first, and the rest is the reason, whatever it looks like."""
    assert read(text) == Freeze(why)


def test_unfreeze_has_no_words_behind_it() -> None:
    """A freeze ends by the one word; with more words the person reads how to type it."""
    assert read(" Unfreeze. ") == Unfreeze()
    assert read("unfreeze ord_1") == Help(of_freezes=True)


@pytest.mark.parametrize("text", ["unfreeze?", "“unfreeze”?", "freeze?", "Freeze? all orders"])
def test_a_question_changes_nothing(text: str) -> None:
    """Somebody who asks what a word does reads how the command works, and that this changed nothing."""
    assert read(text) == Help(of_freezes=True)


@given(st.text() | st.lists(st.sampled_from(["help", "freeze", "unfreeze", "?", "ord_1", " ", "\n"])).map("".join))
def test_any_text_is_something(text: str) -> None:
    """No text makes the reader fail, and an order keeps every word."""
    found = read(text)
    if isinstance(found, Orders):
        assert all(len(each.split()) == 1 for each in found.order_ids)
