"""Text for Slack.

Messages are made of rich_text elements only: Slack shows a text element as it is, so that no
mention, link or formatting that people typed comes alive, and people copy from a message exactly the
characters that were typed.
Source: https://docs.slack.dev/reference/block-kit/blocks/rich-text-block
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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


def escape(text: str) -> str:
    """Return text for a mrkdwn field, where ``&``, ``<`` and ``>`` begin mentions and links."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> Element:
    """Return a plain_text object in which ``:smile:`` stays what it is."""
    return {"type": "plain_text", "text": text, "emoji": False}


def words(text: str, **style: bool) -> Element:
    """Return an element with words as they are, in a style such as ``bold=True``; Slack takes no empty text."""
    element: Element = {"type": "text", "text": text or "-"}
    return element | {"style": style} if style else element


def person(user_id: str) -> Element:
    """Return an element that shows a person under the name that each reader knows."""
    return {"type": "user", "user_id": user_id}


def moment(at: datetime, form: str = "{date_short_pretty} {time}") -> Element:
    """Return an element that shows a time in the reader's own time zone."""
    return {
        "type": "date",
        "timestamp": int(at.timestamp()),
        "format": form,
        "fallback": f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
    }


def link(url: str, label: str) -> list[Element]:
    """Return a link of the bot's own, or nothing where there is no address."""
    return [{"type": "link", "url": url, "text": label}] if url else []


def listed(parts: list[list[Element]], between: str = ", ") -> list[Element]:
    """Return the parts in one line, with commas or ``between`` between them."""
    line: list[Element] = []
    for index, part in enumerate(parts):
        line += ([words(between)] if index else []) + part
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


def quoted(text: str, limit: int) -> str:
    """Return a person's words in quotation marks, on one line; nothing where there are none."""
    return f"“{cut(flat(text), limit)}”" if text.strip() else ""
