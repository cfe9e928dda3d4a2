"""The order ids in the form's field: reading them, and saying by their line what is wrong."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.ids import is_order_id
from bot.domain.request import Request
from bot.slack.views import refusals
from bot.slack.views.text import quoted, sentence, trimmed
from bot.workflow.requests import MOST_ORDERS

_MOST_NAMED = 3
"""Lines of an error; what is wrong with the rest is told when these are put right."""
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Typed:
    """One order id as it was typed, with the number of its line, counted from 1."""

    line: int
    order_id: str


def read(text: str, pattern: re.Pattern[str]) -> list[Typed]:
    """Return the order ids of a text: one a line, or with commas or spaces between them.

    A line that fits the setting's pattern as a whole is one id, whatever is in it.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        whole = trimmed(line)
        parts = [whole] if is_order_id(pattern, whole) else map(trimmed, _parts(whole))
        found += [Typed(number, part) for part in parts if part]
    return found


def _parts(line: str) -> list[str]:
    parts = re.split(r"[,;]", line)
    words = [word for part in parts for word in part.split()]
    # Words of a sentence fit most patterns too, and nobody means a sentence here. Then each part shows its fault.
    return words if all(re.search(r"\d", word) for word in words) else parts


def problem(typed: list[Typed], pattern: re.Pattern[str], example: str | None) -> str:
    """Return what is wrong with the ids in plain text, for under the field; empty where nothing is."""
    if len(typed) > MOST_ORDERS:
        return f"These are {len(typed)} order IDs. One request takes at most {MOST_ORDERS}: make several requests."
    bad = [each for each in typed if not is_order_id(pattern, each.order_id)]
    if not typed or typed == bad[:1]:
        wrong = typed[0].order_id if typed else ""
        return refusals.bad_order_id(pattern.pattern, wrong, example)
    problems = [
        # Another sentence may follow, and nobody knows whether Slack keeps them on lines of their own.
        f"{_place(each)}: {sentence(refusals.bad_order_id(pattern.pattern, each.order_id, example))}"
        for each in bad
    ]
    repeated = [order_id for order_id, count in Counter(each.order_id for each in typed).items() if count > 1]
    for order_id in repeated:
        numbers = [str(each.line) for each in typed if each.order_id == order_id]
        where = f"on lines {', '.join(dict.fromkeys(numbers))}" if len(set(numbers)) > 1 else f"on line {numbers[0]}"
        problems.append(f"{quoted(order_id, _SHOWN)} is there more than once, {where}. Write it once.")
    return _told(problems)


def in_the_way(typed: list[Typed], found: tuple[Request, ...], names: Mapping[str, str]) -> str:
    """Return which of the orders have an open request, and whose; plain text, for under the field."""
    if len(typed) == 1:
        return refusals.already_open(found[0], names.get(found[0].requester, ""))
    by_order = {each.cancellation.order_id: each for each in found}
    return _told(
        [
            f"{_place(each)}: {refusals.already_open(request, names.get(request.requester, ''))}"
            for each in typed
            if (request := by_order.get(each.order_id)) is not None
        ]
    )


def _place(typed: Typed) -> str:
    return f"Line {typed.line} ({quoted(typed.order_id, _SHOWN)})"


def _told(problems: list[str]) -> str:
    more = len(problems) - _MOST_NAMED
    named = problems[:_MOST_NAMED]
    return "\n".join([*named, f"{more} more lines have problems."] if more > 0 else named)
