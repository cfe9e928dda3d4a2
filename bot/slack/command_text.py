"""The text behind ``/cancel-order``: help, freeze, unfreeze, or an order with a reason."""

import difflib
import re
from dataclasses import dataclass

from bot.domain.ids import LONGEST_ORDER_ID
from bot.slack.views.text import legible, trimmed

_HELP, _FREEZE, _UNFREEZE = "help", "freeze", "unfreeze"
_AROUND_A_WORD = "-/!?.,;:\"'`“”*_~"
"""The signs that people type around a word, as in ``--help``, ``freeze!`` and ``*freeze*``."""
_ALIKE = 0.75
"""How alike a word must be to one of ours, as difflib measures it: one wrong letter in four, or two swapped ones."""


@dataclass(frozen=True, slots=True)
class Help:
    """A wish to know how the command works. ``mistyped`` is a word that is almost one of ours, as it was typed.

    ``of_freezes`` is true where the text begins with a word about freezes and yet neither begins nor ends one.
    """

    mistyped: str = ""
    of_freezes: bool = False


@dataclass(frozen=True, slots=True)
class Freeze:
    """The word that stops everything, with the reason typed behind it."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Unfreeze:
    """The word that ends a freeze."""


@dataclass(frozen=True, slots=True)
class Orders:
    """Order ids and the reason behind them; all may be missing or wrong, which the form shows."""

    order_ids: tuple[str, ...] = ()
    reason: str = ""


def read(text: str) -> Help | Freeze | Unfreeze | Orders:
    """Return what the text asks for, whatever white space is between its words, in capital or small letters.

    A word that is almost one of ours counts as mistyped only where it is alone and has no digit in it: every other
    text is an order, also if its id looks like one of our words.
    """
    first, *rest = trimmed(text).split(None, 1) or [""]
    first, behind = trimmed(first), trimmed(rest[0]) if rest else ""
    word = _bare(first)
    if "?" in first and word in {_FREEZE, _UNFREEZE}:
        return Help(of_freezes=True)  # a question neither stops anything nor ends a freeze
    if word == _FREEZE:
        return Freeze(legible(behind))
    if word == _UNFREEZE:
        # Nothing is meant by more words, and a freeze ends by no accident.
        return Help(of_freezes=True) if behind else Unfreeze()
    if not behind and is_help(first):
        return Help("" if word in {_HELP, ""} else first)
    if not behind and _almost(word, _FREEZE, _UNFREEZE):
        return Help(first)
    return _orders(first, behind)


def is_help(text: str) -> bool:
    """Return True for a text that asks how a command works, also with a typing error."""
    word = _bare(text)
    return ("?" in text if not word else word == _HELP or _almost(word, _HELP)) and len(text.split()) == 1


def _bare(text: str) -> str:
    return trimmed(text).strip(_AROUND_A_WORD).lower()


def _almost(word: str, *ours: str) -> bool:
    return word.isalpha() and bool(difflib.get_close_matches(word, ours, cutoff=_ALIKE))


def _orders(first: str, behind: str) -> Orders:
    """Return the order ids with which the text begins, as far as they look alike, and the reason behind them."""
    first = first.strip(_BETWEEN)
    found, end = [first], 0
    words = list(re.finditer(r"\S+", behind))
    if re.fullmatch(r"\d{4,}", first) and not all(_is_number_like(first, each[0]) for each in words):
        words = []  # a number at the beginning of a sentence may be an amount
    for word in words:
        bare = trimmed(word[0].strip(_BETWEEN))
        if bare in {"", "and"}:
            continue  # it goes to the reason, unless another order id follows
        # An order id that is there already belongs to a sentence about it.
        if not _alike(first, bare) or bare in found:
            break
        found.append(bare)
        end = word.end()
    return Orders(tuple(filter(None, found)), trimmed(behind[end:]))


_BETWEEN = ",;&+"
"""The signs that people type between order ids."""


def _alike(first: str, word: str) -> bool:
    """Return True for an order id of the same shape: the same letters at its beginning, or as many digits."""
    # What is longer is no order id, and looking for digits in all of it would hold up everybody.
    if max(len(first), len(word)) > LONGEST_ORDER_ID:
        return False
    if _is_number_like(first, word):
        return True
    shape = re.match(r"[A-Za-z]+[_-](?=\w*\d)", first)
    return shape is not None and re.fullmatch(rf"{re.escape(shape[0])}[\w-]*\d[\w-]*", word) is not None


def _is_number_like(first: str, word: str) -> bool:
    word = word.strip(_BETWEEN)
    return word in {"", "and"} or (first.isdecimal() and word.isdecimal() and len(word) == len(first))
