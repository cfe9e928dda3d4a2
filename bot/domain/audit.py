"""The append-only record: its events, and the hash chain that shows any change to them.

An event's hash covers its own fields and the hash of the event before it, so that nothing in the
middle can be edited, removed or inserted unseen. Only a witness kept elsewhere, the head
``#seq·digits`` under each result message in Slack, can show that the end was cut off or that
all hashes were computed again.
"""

import re
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from bot.domain.events import Content, from_json, to_json
from bot.domain.words import Word

BOT = "bot"
"""The actor of every event that no person caused."""

GENESIS = "0" * 64
"""The hash that the first event names as the one before it."""


@lru_cache(maxsize=64)  # a transaction writes its one time into many columns
def timestamp(at: datetime) -> str:
    """Return a time as the record keeps it: ISO 8601 in UTC with milliseconds, so that text sorts as time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Event(NamedTuple):
    """One line of the record. Text that does not apply is empty, never missing.

    ``at`` is ISO 8601 in UTC with milliseconds; ``actor`` a Slack user id, ``bot``, or ``terminal:`` and a login name;
    ``data`` an object as JSON text, kept as it was hashed. ``words`` are the texts beside it, as far as they were read
    and not erased; ``content`` reads both.
    """

    seq: int
    at: str
    kind: str
    request: str
    order_id: str
    actor: str
    data: str
    prev_hash: str
    hash: str = ""
    words: Mapping[str, str] = {}

    def computed_hash(self) -> str:
        """Return SHA-256 over all fields and the hash before, as 64 hexadecimal digits.

        The lengths of the fields come first, so that no text can pass for a border between two fields.
        """
        seq, at, kind, about, order, actor, data, prev, _, _ = self
        # One expression, as this is what verifying a long record spends its time on.
        return sha256(
            f"{prev} {seq} {len(at)} {len(kind)} {len(about)} {len(order)} {len(actor)}\n"
            f"{at}{kind}{about}{order}{actor}{data}".encode("utf-8", "surrogatepass"),
        ).hexdigest()

    def sealed(self) -> "Event":
        """Return the same event with its hash set."""
        return self._replace(hash=self.computed_hash())

    def follows(self, last: "Event") -> bool:
        """Return True where this event is as it was written, right after ``last``."""
        return self.seq == last.seq + 1 and self.prev_hash == last.hash and self.computed_hash() == self.hash

    @property
    def content(self) -> Content:
        """The event's data as the dataclass of its kind. Raises KeyError or ValidationError if they are not ours."""
        return from_json(self.kind, self.data, self.words)

    @property
    def head(self) -> str:
        """The event as a witness: ``#seq·`` and 26 letters, which are 130 bits of its hash in base32."""
        return f"#{self.seq}·{_letters(self.hash)[:_SHORTEST]}"


def follow(
    last: Event, content: Content, actor: str, at: str, *, request: str = "", order_id: str = ""
) -> tuple[Event, list[Word]]:
    """Return the event with this content that follows the last one, and the words to keep beside it."""
    data, words = to_json(content)
    event = Event(last.seq + 1, at, content.kind, request, order_id, actor, data, last.hash).sealed()
    return event._replace(words={word.field: word.text for word in words}), words


FIRST = Event(0, "", "", "", "", "", "", "", GENESIS)
"""The event before the first one."""

_SHORTEST = 26
"""Letters of a head: 128 bits and a little more, so that nobody can compute another record with the same head."""


def _letters(hexadecimal: str) -> str:
    return b32encode(bytes.fromhex(hexadecimal)).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Head:
    """A witness as somebody typed it: the number of an event, and the beginning of its hash in either alphabet."""

    seq: int
    digits: str

    def fits(self, hexadecimal: str) -> bool:
        """Return True for a hash that begins with these digits."""
        return hexadecimal.startswith(self.digits.lower()) or _letters(hexadecimal).startswith(self.digits.upper())

    @property
    def beginnings(self) -> str:
        """The hexadecimal digits with which a hash that fits may begin, so that few hashes must be looked at."""
        # A letter of base32 is five bits, hence two hexadecimal digits at most, and only the first one here.
        as_letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(self.digits[0].upper())
        return self.digits[0].lower() + (f"{as_letters >> 1:x}" if as_letters >= 0 else "")

    def typing_errors(self, hexadecimal: str) -> int:
        """Return in how many places the digits differ from this hash."""
        return min(
            sum(typed != right for typed, right in zip(self.digits.upper(), digits, strict=False))
            for digits in (hexadecimal.upper(), _letters(hexadecimal))
        )


class NotAHead(ValueError):
    """The text is no head."""


def parse_head(text: str) -> Head:
    """Read a head as it is shown, or with more of the hash: 26 to 52 letters, or 32 to 64 hexadecimal digits.

    Spaces and hyphens between the digits do not matter. Raises NotAHead.
    """
    match = re.fullmatch(r"#?(\d{1,18})[·.: ]([0-9A-Za-z -]+)", text.strip())
    digits = re.sub("[ -]", "", match[2]) if match else ""
    if match is None or not (
        re.fullmatch(f"[A-Za-z2-7]{{{_SHORTEST},52}}", digits) or re.fullmatch("[0-9A-Fa-f]{32,64}", digits)
    ):
        raise NotAHead(text)
    return Head(int(match[1]), digits)
