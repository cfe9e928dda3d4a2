"""People's own words in the record: each event holds a commitment to them, and the words stand beside it.

A commitment is the SHA-256 of a random salt of 32 bytes and the text. It proves the text while salt and text are there.
Once both are erased it says nothing about the text any more, and the chain of hashes still holds.
"""

from hashlib import sha256
from secrets import token_hex
from typing import NamedTuple

ERASED = "[erased] "
"""The text in place of words that were erased.

Nobody can type it: what people type loses the white space at its ends before anything else happens to it.
"""


class Word(NamedTuple):
    """One text: the path of its field in the event's content, its salt as 64 hexadecimal digits, and itself."""

    field: str
    salt: str
    text: str

    @property
    def commitment(self) -> str:
        """The SHA-256 of salt and text, as 64 hexadecimal digits."""
        return sha256(bytes.fromhex(self.salt) + self.text.encode("utf-8", "surrogatepass")).hexdigest()


def commit(field: str, text: str) -> tuple[Word, str]:
    """Return the text with a new salt, and the commitment to it."""
    word = Word(field, token_hex(32), text)
    return word, word.commitment
