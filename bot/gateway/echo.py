"""Stars in the place of secrets that somebody repeats: whole, in part, or written in another way."""

import base64
import html
import re
import unicodedata
from collections.abc import Collection, Iterator

STARS = "***"

_LONG_PART = 8
"""Letters and digits of a secret that give it away. A shorter secret is only found as it is."""

# Percent-encoding, also of itself; the escapes of JSON and of C; the references of HTML; or one sign.
_SIGN = re.compile(
    r"%(?:25)*(?P<percent>[0-9a-fA-F]{2})|\\{1,4}(?:u(?P<long>[0-9a-fA-F]{4})|x(?P<short>[0-9a-fA-F]{2}))"
    r"|(?P<named>&#?\w{1,8};)|.",
    re.DOTALL,
)


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """Return the text with stars for each secret, and for each word with a long part of one."""
    # The longest first: a short one inside it would leave the rest of it to be read.
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, STARS)
    signs = list(_plain(text))
    line = "".join(sign for sign, _, _ in signs)
    found = [
        (signs[at][1], signs[at + size - 1][2])
        for size, parts in _parts(secrets).items()
        for at in range(len(line) - size + 1)
        if line[at : at + size] in parts
    ]
    for word in reversed(list(re.finditer(r"\S+", text))):
        if any(start < word.end() and word.start() < end for start, end in found):
            text = text[: word.start()] + STARS + text[word.end() :]
    return text


def _plain(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each letter and digit in lower case, without its encoding, and where it begins and ends in the text."""
    for match in _SIGN.finditer(text):
        code = match["percent"] or match["long"] or match["short"]
        sign = chr(int(code, 16)) if code else html.unescape(match[0])
        for letter in unicodedata.normalize("NFKD", sign).casefold():
            if letter.isalnum():
                yield letter, *match.span()


def _parts(secrets: Collection[str]) -> dict[int, set[str]]:
    """Return the parts that give a secret away, by their length: as it is, in Base64 and in hexadecimal."""
    parts: dict[int, set[str]] = {}
    for secret in secrets:
        raw = secret.encode()
        # In Base64 three bytes share four signs, so there are three ways, by what comes before the secret.
        in_base64 = [base64.b64encode(bytes(shift) + raw).decode()[shift + (shift > 0) :] for shift in range(3)]
        forms = [
            (secret, _LONG_PART),
            *((form, _LONG_PART * 4 // 3) for form in in_base64),
            (raw.hex(), _LONG_PART * 2),
        ]
        for form, size in forms:
            letters = "".join(letter for letter, _, _ in _plain(form))
            parts.setdefault(size, set()).update(letters[at : at + size] for at in range(len(letters) - size + 1))
    return parts
