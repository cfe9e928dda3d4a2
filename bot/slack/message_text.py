"""The order ids in the text of a message, as far as they are certainly meant as such; in doubt there are fewer.

Source of the markup: https://docs.slack.dev/messaging/formatting-message-text
"""

import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from bot.domain.ids import EXAMPLE, LONGEST_ORDER_ID, is_order_id
from bot.slack.views.text import trimmed

_LONGEST_TEXT = 40_000
"""Characters of a message in Slack: https://docs.slack.dev/reference/methods/chat.postMessage"""
_LINK = re.compile(r"<(https?://[^<>|]+)(?:\|([^<>]*))?>")
_NOT_WORDS = re.compile(r"<[^<>]*>|:[a-z0-9_+'-]+:")
"""Mentions, channels, dates and addresses of mail, and emoji."""
_CODE = re.compile(r"```(.+?)```|`([^`\n]+)`", re.DOTALL)
_AROUND = ".,;:!?()[]{}<>\"'“”‘’«»*~…#"  # noqa: RUF001
"""The signs that stand around a word, with those of bold and struck text."""


def order_ids(text: str, pattern: re.Pattern[str], example: str | None, order_url: str = "") -> tuple[str, ...]:
    """Return the order ids in a message's mrkdwn text, each once, in their order.

    All of them fit ``pattern`` and have a digit. Which words with that are meant, ``example`` tells by its shape: an
    order id of the setting. Where there is none, or only the default and nothing has its shape, an id has to be a link
    or code as a whole, else to have letters and a ``-`` or ``_`` as well. What is behind an address like ``order_url``
    is always meant.
    """
    text = text[:_LONGEST_TEXT]
    linked = _behind(order_url, text)
    words = list(_words(text))

    def fitting(found: Iterable[str]) -> tuple[str, ...]:
        fit = (each for each in found if re.search(r"\d", each[:LONGEST_ORDER_ID]) and is_order_id(pattern, each))
        return tuple(dict.fromkeys(fit))

    if example is not None:
        shape = _shape(example)
        found = fitting([each for each in words if len(each) <= LONGEST_ORDER_ID and shape.fullmatch(each)])
        if found or example != EXAMPLE:
            return fitting([*found, *linked])
    set_apart = fitting([*linked, *_set_apart(text)])
    return set_apart or fitting(each for each in words if re.search("[A-Za-z]", each) and re.search("[_-]", each))


def _words(text: str) -> Iterator[str]:
    """Yield the words that people read, without the signs around them; a link is what is shown of it."""
    for word in html.unescape(_NOT_WORDS.sub(" ", _LINK.sub(_shown, text)).replace("`", " ")).split():
        yield from filter(None, (_bare(part) for part in re.split("[,;|]", word)))


def _shown(link: re.Match[str]) -> str:
    return f" {link[2]} " if link[2] is not None else " "


def _bare(word: str) -> str:
    word = trimmed(word.strip(_AROUND))
    # Italics: an order id may begin or end with the same sign, but hardly does both.
    return word.strip("_").strip(_AROUND) if word.startswith("_") and word.endswith("_") else word


def _set_apart(text: str) -> Iterator[str]:
    """Yield what is a link or code as a whole; in a block of code, each line that is one word."""
    for link in _LINK.finditer(text):
        yield trimmed(html.unescape(link[2] or ""))
    for code in _CODE.finditer(_NOT_WORDS.sub(" ", _LINK.sub(_shown, text))):
        for line in (code[1] or code[2]).splitlines():
            yield trimmed(html.unescape(line))


def _behind(order_url: str, text: str) -> list[str]:
    """Return the order ids in the addresses of orders' pages."""
    before, place, after = order_url.partition("{order_id}")
    if not place:
        return []
    page = re.compile(rf"{re.escape(before)}([^/?#]+){re.escape(after)}")
    return [unquote(found[1]) for link in _LINK.finditer(text) if (found := page.fullmatch(html.unescape(link[1])))]


def _shape(example: str) -> re.Pattern[str]:
    """Return what looks like this order id: the same beginning, or signs of the same kind in the same places."""
    if begin := re.match("[A-Za-z]+[_-]", example):
        return re.compile(rf"{re.escape(begin[0])}[\w-]+")
    if (begin := re.match(r"[A-Za-z]+", example)) and example[begin.end() :].isdecimal():
        return re.compile(rf"{begin[0]}\d+")
    kinds = (r"\d" if example.isdecimal() else "[A-Za-z0-9]" if each.isalnum() else re.escape(each) for each in example)
    return re.compile("".join(kinds))
