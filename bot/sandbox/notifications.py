"""The rule that decides whom a new message notifies.

Sources: https://docs.slack.dev/messaging/formatting-message-text ("Mentioning users", "Mentioning groups", "Special
mentions") and the pages on the rich text elements ``user``, ``usergroup`` and ``broadcast``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot.sandbox.blockkit_elements import Json

_MARKS = re.compile(
    r"<@(?P<user>[UW]\w+)(?:\|[^>]*)?>|<!subteam\^(?P<group>\w+)(?:\|[^>]*)?>|<!(?P<all>here|channel|everyone)"
)


@dataclass(frozen=True, slots=True)
class Notification:
    """A person's notification of a message. ``text`` is what their phone shows, and ``mention`` why it does.

    Without a mention it is there because the message is a direct one.
    """

    user: str
    channel: str
    ts: str
    thread_ts: str | None
    text: str
    mention: bool


@dataclass(frozen=True, slots=True)
class Mentions:
    """All that a message mentions. ``everybody`` means everybody in the channel."""

    users: frozenset[str]
    groups: frozenset[str]
    everybody: bool


def mentions(text: str, blocks: list[Json]) -> Mentions:
    """Return what a message mentions.

    Where there are blocks, ``text`` is "used as fallback text for notifications only", says chat.postMessage. No page
    says whether a mention there still counts, so it does not.
    """
    found = [*_in_mrkdwn(text)] if not blocks else [each for block in blocks for each in _in_block(block)]
    return Mentions(
        frozenset(name for kind, name in found if kind == "user"),
        frozenset(name for kind, name in found if kind == "group"),
        any(kind == "all" for kind, _ in found),
    )


def _in_block(block: Json) -> Iterator[tuple[str, str]]:
    match block.get("type"):
        case "rich_text":
            for element in block["elements"]:
                yield from _in_rich(element)
        case "section" | "context":
            texts = [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
            for text in texts:
                if text is not None and text.get("type") == "mrkdwn":
                    yield from _in_mrkdwn(text["text"])


def _in_rich(piece: Json) -> Iterator[tuple[str, str]]:
    """Yield the mentions in an element of rich text, at any depth."""
    for inner in piece.get("elements", []):
        yield from _in_rich(inner)
    match piece["type"]:
        case "user":
            yield "user", piece["user_id"]
        case "usergroup":
            yield "group", piece["usergroup_id"]
        case "broadcast":
            yield "all", piece["range"]


def _in_mrkdwn(text: str) -> Iterator[tuple[str, str]]:
    for match in _MARKS.finditer(text):
        assert match.lastgroup is not None
        yield match.lastgroup, match[match.lastgroup]
