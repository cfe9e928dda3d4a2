"""Text for Slack.

Messages are made of rich_text elements only: Slack shows a text element as it is, so that no
mention, link or formatting that people typed comes alive, and people copy from a message the
characters that were typed, but for those that nobody sees and that turn the direction of the text around them.
Source: https://docs.slack.dev/reference/block-kit/blocks/rich-text-block
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from bot.domain.audit import BOT
from bot.domain.ids import USER_ID

Element = dict[str, Any]
Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its blocks, and the mrkdwn text that notifications and screen readers use instead of them."""

    text: str
    blocks: list[Block]


def cut(text: str, limit: int) -> str:
    """Return the text, or as much of it as fits into ``limit`` characters, ending in an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def cut_inside(text: str, limit: int) -> str:
    """Return the text, or as much of its beginning and end as fits: ids that look alike often differ in their end."""
    if len(text) <= limit:
        return text
    end = limit // 3
    return f"{text[: limit - end - 1]}…{text[-end:]}"


def escape(text: str) -> str:
    """Return text for a mrkdwn field, where ``&``, ``<`` and ``>`` begin mentions and links."""
    return _with_entities(tame(text))


def _with_entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def tame(text: str) -> str:
    """Return the text without controls: some turn the direction in which people read what stands behind them."""
    return "".join(each for each in text if each in _HARMLESS or unicodedata.category(each) not in {"Cc", "Cf"})


_HARMLESS = "\n\t\u200b\u200c\u200d"
"""Controls that change nothing around them: some scripts and emoji are not right without the last three."""


def plain(text: str) -> Element:
    """Return a plain_text object in which ``:smile:`` stays what it is."""
    return {"type": "plain_text", "text": tame(text), "emoji": False}


def words(text: str, **style: bool) -> Element:
    """Return an element with words as they are, in a style such as ``bold=True``; Slack takes no empty text."""
    element: Element = {"type": "text", "text": tame(text) or "-"}
    return element | {"style": style} if style else element


def mention(somebody: str) -> Element:
    """Return an element that names the channel, user group or person of this id."""
    kind = {"C": "channel", "G": "channel", "S": "usergroup"}.get(somebody[0], "user")
    return {"type": kind, f"{kind}_id": somebody}


def mrkdwn(row: list[Element]) -> str:
    """Return a row of elements as mrkdwn text: screen readers and notifications take nothing else."""
    return "".join(map(_mrkdwn, row))


def _mrkdwn(element: Element) -> str:
    match element:
        case {"type": "channel", "channel_id": str(channel)}:
            return f"<#{channel}>"
        case {"type": "user", "user_id": str(user)}:
            return f"<@{user}>"
        case {"type": "usergroup", "usergroup_id": str(group)}:
            return f"<!subteam^{group}>"
        case {"type": "date", "timestamp": int(at), "format": str(form), "fallback": str(fallback)}:
            return f"<!date^{at}^{form}|{fallback}>"
        case {"type": "link", "url": str(url)}:
            return url
        case _:
            return escape(str(element["text"]))


def person(actor: str) -> Element:
    """Return an element that shows a person under the name that each reader knows, or the words for who is none.

    Slack refuses a whole message in which an element is about a person that it does not know.
    """
    return words(said) if (said := no_person(actor)) else {"type": "user", "user_id": actor}


def no_person(actor: str) -> str:
    """Return the words for an actor who is nobody in Slack; nothing for a person there."""
    if re.fullmatch(USER_ID, actor):
        return ""
    return "the bot" if actor == BOT else "an operator at the command line"


_MOST_NAMED = 10


def persons(user_ids: Sequence[str]) -> list[Element]:
    """Return elements that show these people, with commas between them; many are only counted after the first ten."""
    more = len(user_ids) - _MOST_NAMED
    named = [[person(each)] for each in user_ids[:_MOST_NAMED]]
    return listed([*named, *([[words(f"and {more} more")]] if more > 0 else [])])


OPERATOR = "the bot's operator"
"""The person who is to help, in sentences for which nobody is named; the setting CONTACT takes this place."""
_THEIRS = "\u2060"
"""An invisible sign within OPERATOR where people typed it themselves; ``tame`` takes it out of every text."""
_OPERATOR = re.compile(f"[Tt]{OPERATOR[1:]}")


def addressed(text: str, contact: str | None) -> list[Element]:
    """Return words of our own as elements, with the channel, group or person of this id in place of OPERATOR.

    Only words of our own: the same words in somebody's reason stay as they were typed. No words are no element.
    """
    if contact is None or not text:
        return [words(text)] if text else []
    return listed([[words(part)] if part else [] for part in _OPERATOR.split(text)], mention(contact))


def theirs(text: str) -> str:
    """Return words of people to be put into a text of our own: ``addressed`` leaves them as they were typed."""
    return _OPERATOR.sub(lambda found: found[0][:-1] + _THEIRS + found[0][-1], text)


def moment(at: datetime, form: str = "{date_short_pretty} {time}") -> Element:
    """Return an element that shows a time in the reader's own time zone."""
    return {
        "type": "date",
        "timestamp": int(at.timestamp()),
        "format": form,
        "fallback": f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
    }


def mrkdwn_moment(at: datetime) -> str:
    """Return a time for a mrkdwn text, in the reader's own time zone."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


def link(url: str, label: str) -> list[Element]:
    """Return a link of the bot's own, or nothing where there is no address."""
    return [{"type": "link", "url": url, "text": label}] if url else []


def listed(parts: list[list[Element]], between: str | Element = ", ") -> list[Element]:
    """Return the parts in one line, with commas or ``between`` between them."""
    line: list[Element] = []
    for index, part in enumerate(parts):
        line += ([words(between) if isinstance(between, str) else between] if index else []) + part
    return line


def lines(*rows: list[Element]) -> Block:
    """Return a block with one line for each row that is not empty."""
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": listed([row for row in rows if row], "\n")}],
    }


def quote(text: str) -> Block:
    """Return a block that sets a person's own words apart."""
    return {"type": "rich_text", "elements": [{"type": "rich_text_quote", "elements": [words(text)]}]}


def flat(text: str) -> str:
    """Return the text as one line, with one space between words."""
    return " ".join(text.split())


def sentence(text: str) -> str:
    """Return the text with a full stop, unless it ends like a sentence already, or quotes one at its end."""
    return text if text.rstrip("”").endswith((".", "!", "?", "…")) else f"{text}."


_QUOTATION_MARKS = re.compile('["“”„‟«»❝❞〝〞〟\uff02]')
"""Marks that people may take for the end of a quotation."""


def quoted(text: str, limit: int) -> str:
    """Return somebody's words in quotation marks, on one line; nothing where there are none.

    Marks inside become apostrophes: else the words could end the quotation, and go on like words of the bot.
    """
    shown = _QUOTATION_MARKS.sub("'", cut(flat(text), limit))
    return f"“{shown}”" if text.strip() else ""


_LONGEST_TEXT = 3900
"""Bytes."""
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
"""Letters and marks that show nothing, although their category does not say so.

Source: https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt (Default_Ignorable_Code_Point)
"""
_JOINERS = "\u200b\u200c\u200d\ufe0e\ufe0f"
"""Khmer, Persian and emoji are not right without these."""
_JOINED = re.compile(f"(.?)([{_JOINERS}]+)(?=(.?))", re.DOTALL)


def invisible(character: str) -> bool:
    """Return True for a character that people cannot see: a zero-width space, a direction mark, half of an emoji."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} or _BLANK.match(character) is not None


_LOOKS_LIKE_ASCII = ("LATIN ", "CYRILLIC ", "GREEK ", "ARMENIAN ", "CHEROKEE ", "COPTIC ", "LISU ", "COMBINING ")
"""The beginnings of the names of letters that people may take for A to Z, and of the accents for any letter."""


def mistakable(text: str) -> str | None:
    """Return the first character that people do not see, or may take for one of ASCII's; None if there is none."""
    if text.isascii() and text.isprintable() and " " not in text:
        return None  # nearly every order id, and a form may have fifty
    found = next((each for before, each in pairwise(f" {text}") if _is_mistakable(each, before)), None)
    return found or _turned(text)


def _turned(text: str) -> str | None:
    """Return the first letter that is read from right to left beside others that are not, or None.

    Slack then shows some of them in another order, and two texts may look alike.
    """
    ways = [(each, unicodedata.bidirectional(each)) for each in text]
    if not any(way in {"L", "EN", "AN"} for _, way in ways):
        return None
    return next((each for each, way in ways if way in {"R", "AL"}), None)


def _is_mistakable(character: str, before: str) -> bool:
    if character.isascii() or invisible(character):
        return invisible(character)
    if unicodedata.category(character).startswith("M") and before.isascii():
        return True  # the mark of another script, on a letter that has no such marks
    # Pd are dashes and Nd digits, of any script.
    is_one = unicodedata.normalize("NFKC", character).isascii() or unicodedata.category(character) in {"Pd", "Nd"}
    return is_one or character == "\N{MINUS SIGN}" or unicodedata.name(character, "").startswith(_LOOKS_LIKE_ASCII)


def name_of(character: str) -> str:
    """Return Unicode's name of a character, or its number where it has none."""
    return unicodedata.name(character, "").lower() or f"U+{ord(character):04X}"


def legible(text: str) -> str:
    """Return what somebody typed with only the characters that others can read, without white space at its ends.

    The gateway gets the reason as approvers read it, so nothing may be hidden in it: neither letters that show nothing,
    nor marks that turn the direction of the text. Those that make writing right stay, at most two together, and not
    between letters of ASCII.
    """
    plain_lines = "\n".join(text.splitlines())
    seen = "".join(each for each in plain_lines if each in "\n\t" or each in _JOINERS or not invisible(each))
    return trimmed(_JOINED.sub(_as_needed, seen))


def _as_needed(found: re.Match[str]) -> str:
    """Return the letter before, with the joiners behind it as far as one of the letters around them needs them."""
    before, joiners, after = found.groups()
    return before if f"{before}{after}".isascii() else f"{before}{joiners[:2]}"


def trimmed(text: str) -> str:
    """Return the text without white space and invisible characters at its ends: pasted text often brings some."""
    if text.isascii() and text.isprintable():  # nothing of this is invisible but a space
        return text.strip()
    start, end = 0, len(text)
    while start < end and (text[start].isspace() or invisible(text[start])):
        start += 1
    while end > start and (text[end - 1].isspace() or invisible(text[end - 1])):
        end -= 1
    return text[start:end]


def bounded(text: str) -> str:
    """Return a mrkdwn text, or as much of it as chat.update takes, without half an entity or mention at its end.

    Source: https://docs.slack.dev/reference/methods/chat.update (``msg_too_long``; people measured 4,000 bytes).
    """
    data = text.encode()
    if len(data) <= _LONGEST_TEXT:
        return text
    return re.sub(r"(?:&[a-z]*|<[^>]*)$", "", data[:_LONGEST_TEXT].decode(errors="ignore")) + "…"


def weight(text: str) -> int:
    """Return how much of a message's size a text takes: Slack counts what it sends, with its escapes.

    A message may weigh about 13,000 in all, as people found by trying (the reference gives no number).
    Source: https://github.com/slackapi/bolt-js/issues/2509
    """
    return len(json.dumps(_with_entities(text), ensure_ascii=False)) - 2


def size(blocks: list[Block]) -> int:
    """Return how much a message's blocks weigh in all, with the ids that Slack gives them."""
    named = [{"block_id": "abcde", **block} for block in blocks]
    return len(_with_entities(json.dumps(named, ensure_ascii=False, separators=(",", ":"))))


def cut_to_weight(text: str, limit: int) -> str:
    """Return the text, or as much of its beginning as weighs no more than this, ending in an ellipsis."""
    shown = text
    while weight(shown) > limit:
        shown = cut(text, len(shown) * limit // weight(shown))
    return shown
