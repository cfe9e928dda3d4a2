"""A check of regular expressions: whether matching one takes a bounded time, whatever the text is.

Python's ``re`` tries one way after the other through a pattern. So the time is the number of ways in which the
beginnings of a text can be read: a few for a good pattern, and more than anybody can wait for with ``(a+)+``. This
module counts them for the worst text. It reads the pattern with Python's own parser, makes each character of it a
position, counts the ways from one position to the next, and then walks along all texts at once: texts that can be at
the same positions count as one, and the one that can be read in the most ways stands for them.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from re import (  # type: ignore[attr-defined]
    _constants as sre,
    _parser as parser,
)
from typing import Any

from bot.domain.ids import LONGEST_ORDER_ID

_MOST_WAYS = 200_000
"""About ten milliseconds."""
_MOST_POSITIONS = 600
_MOST_PLACES = 400
"""Sets of positions at which a text can be; patterns for order ids have a few dozen."""
_ALPHABET = "".join(map(chr, range(128))) + "é\u0661\u2028中😀"
"""The characters that are tried, besides those that the pattern names: ASCII, and one of each other kind."""

_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    sre.CATEGORY_DIGIT: str.isdecimal,
    sre.CATEGORY_NOT_DIGIT: lambda char: not char.isdecimal(),
    sre.CATEGORY_SPACE: str.isspace,
    sre.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    sre.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    sre.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}


class Unbounded(ValueError):
    """The pattern takes too long for some text, or nobody can say."""


@dataclass(slots=True)
class _Part:
    """A part of the pattern: the ways into it, out of it, through it without a character, and from place to place."""

    empty: int = 0
    first: Counter[int] = field(default_factory=Counter)
    last: Counter[int] = field(default_factory=Counter)
    follow: Counter[tuple[int, int]] = field(default_factory=Counter)

    def then(self, other: "_Part") -> "_Part":
        """Return this part and the other one behind it."""
        return _Part(
            self.empty * other.empty,
            self.first + _times(other.first, self.empty),
            other.last + _times(self.last, other.empty),
            self.follow + other.follow + _pairs(self.last, other.first),
        )

    def either(self, other: "_Part") -> "_Part":
        """Return a choice between this part and the other one."""
        return _Part(
            self.empty + other.empty,
            self.first + other.first,
            self.last + other.last,
            self.follow + other.follow,
        )

    def repeated(self) -> "_Part":
        """Return this part any number of times."""
        return _Part(1, self.first, self.last, self.follow + _pairs(self.last, self.first))


_NOTHING = _Part(empty=1)


def _times(ways: Counter[int], factor: int) -> Counter[int]:
    return Counter({place: count * factor for place, count in ways.items()})


def _pairs(last: Counter[int], first: Counter[int]) -> Counter[tuple[int, int]]:
    return Counter({(one, two): out * into for one, out in last.items() for two, into in first.items()})


class _Reader:
    """Reads a pattern into positions; ``chars`` holds the characters that fit at each."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.chars: list[frozenset[str]] = []
        self._fitting: dict[tuple[Any, int], frozenset[str]] = {}
        """The characters for each item, by its kind and identity: it is read again for each time that it may come."""
        self._alphabet = _ALPHABET + pattern.pattern
        self._any_case = bool(pattern.flags & re.IGNORECASE) or "i:" in pattern.pattern

    def sequence(self, items: Iterable[Any]) -> _Part:
        """Return the part that these items of Python's parser make."""
        whole = _NOTHING
        for item in items:
            whole = whole.then(self._item(*item))
        return whole

    def _item(self, kind: Any, about: Any) -> _Part:
        match kind:
            case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
                return self._repeat(*about)
            case sre.BRANCH:
                whole = _Part()
                for choice in about[1]:
                    whole = whole.either(self.sequence(choice))
                return whole
            case sre.SUBPATTERN:
                return self.sequence(about[3])
            case sre.ATOMIC_GROUP:
                return self.sequence(about)
            case sre.AT:
                return _NOTHING
            case sre.LITERAL | sre.NOT_LITERAL | sre.IN | sre.ANY:
                return self._position(kind, about)
            case _:
                msg = "must not use look-arounds or refer to its own groups"
                raise Unbounded(msg)

    def _repeat(self, least: int, most: Any, items: Any) -> _Part:
        whole = _NOTHING
        for _ in range(min(least, LONGEST_ORDER_ID)):
            whole = whole.then(self.sequence(items))
        if most is sre.MAXREPEAT:
            return whole.then(self.sequence(items).repeated())
        rest = _NOTHING
        for _ in range(least, min(most, LONGEST_ORDER_ID)):
            # One more time, and then perhaps again: a? would be as many ways as there are places for one a.
            rest = _NOTHING.either(self.sequence(items).then(rest))
        return whole.then(rest)

    def _position(self, kind: Any, about: Any) -> _Part:
        if len(self.chars) == _MOST_POSITIONS:
            msg = "is too long, with everything that it repeats"
            raise Unbounded(msg)
        place = len(self.chars)
        item = (kind, id(about))
        if item not in self._fitting:
            self._fitting[item] = frozenset(char for char in self._alphabet if self._fits(kind, about, char))
        self.chars.append(self._fitting[item])
        return _Part(0, Counter([place]), Counter([place]))

    def _fits(self, kind: Any, about: Any, char: str) -> bool:
        spellings = {char, char.lower(), char.upper()} if self._any_case else {char}
        match kind:
            case sre.ANY:
                return True
            case sre.LITERAL:
                return chr(about) in spellings
            case sre.NOT_LITERAL:
                return chr(about) != char
        inside = [each for each in about if each[0] is not sre.NEGATE]
        found = any(
            _is_in(each[0], each[1], spelling) for each in inside for spelling in spellings if len(spelling) == 1
        )
        return found != (len(inside) < len(about))


def _is_in(kind: Any, about: Any, char: str) -> bool:
    match kind:
        case sre.LITERAL:
            return ord(char) == int(about)
        case sre.RANGE:
            return bool(about[0] <= ord(char) <= about[1])
        case _:
            return _CATEGORIES[about](char)


@functools.cache
def check(pattern: re.Pattern[str]) -> None:
    """Raise Unbounded, with a clause for the operator, if some text of an order id's length takes too long."""
    reader = _Reader(pattern)
    whole = reader.sequence(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
    after: dict[int, list[tuple[int, int]]] = {}
    for (one, two), ways in whole.follow.items():
        after.setdefault(one, []).append((two, ways))
    fitting = {char: frozenset(p for p, chars in enumerate(reader.chars) if char in chars) for char in reader._alphabet}  # noqa: SLF001
    kinds = set(fitting.values())
    texts: dict[frozenset[int], Counter[int]] = {}
    for kind in kinds:
        _keep(texts, Counter({place: ways for place, ways in whole.first.items() if place in kind}))
    spent = 0
    for _ in range(LONGEST_ORDER_ID):
        if not texts:
            return
        spent += max(text.total() for text in texts.values())
        if spent > _MOST_WAYS or len(texts) > _MOST_PLACES:
            break
        longer: dict[frozenset[int], Counter[int]] = {}
        for text in texts.values():
            reached: Counter[int] = Counter()
            for place, ways in text.items():
                for following, more in after.get(place, ()):
                    reached[following] += ways * more
            for kind in kinds:
                _keep(longer, Counter({place: ways for place, ways in reached.items() if place in kind}))
        texts = longer
    else:
        return
    msg = "takes too long for some texts: do not repeat what repeats already, as (a+)+ does"
    raise Unbounded(msg)


def _keep(texts: dict[frozenset[int], Counter[int]], text: Counter[int]) -> None:
    """Let the text that can be read in the most ways stand for all that can be at the same places."""
    places = frozenset(text)
    if places and (places not in texts or texts[places].total() < text.total()):
        texts[places] = text
