"""The body of an answer, from the bytes on the wire to one JSON object.

Tolerant in form: a byte order mark, UTF-16 and UTF-32, a compression that nobody asked for, and labels that are wrong.
Strict in content: two fields of one name, NaN, or anything after the object's end make it unreadable, because two
readers could then read two different answers.
"""

import contextlib
import json
import zlib
from typing import Any

from bot.domain.attempt import Trouble

LARGEST_BODY = 64 * 1024
"""Bytes, on the wire and inflated; a longer body is not read to its end."""

_LAYERS = 2
"""Compressions on top of each other: the gateway's own and one by somebody in between."""
_INFLATABLE = (b"\x1f\x8b", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
"""The beginnings of gzip, and of zlib with its usual window."""
_ZSTD = b"\x28\xb5\x2f\xfd"
_GZIP_OR_ZLIB, _BARE = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS


class Unread(Exception):
    """A body without an object that can be read; ``trouble`` and ``about`` say why, as in ``Answer``."""

    def __init__(self, trouble: Trouble, about: str = "") -> None:
        super().__init__(str(trouble))
        self.trouble, self.about = trouble, about


def read_object(body: bytes, label: str = "") -> dict[str, Any]:
    """Return the JSON object that this body is; ``label`` is the value of Content-Encoding.

    Raises Unread, and nothing else whatever the bytes are.
    """
    _check_length(body)
    labelled = {coding.strip() for coding in label.lower().split(",")}
    for _ in range(_LAYERS):
        if not body.startswith(_INFLATABLE):
            break
        body = _inflated(body, _GZIP_OR_ZLIB)
    found = _object_in(body)
    if found is None and "deflate" in labelled:
        # Some servers send deflate without zlib's frame, so only the label can tell, and it may be wrong.
        with contextlib.suppress(Unread):
            found = _object_in(_inflated(body, _BARE))
    if found is None:
        packed = not labelled.isdisjoint({"br", "zstd"}) or body.startswith((*_INFLATABLE, _ZSTD))
        raise Unread(Trouble.COMPRESSED if packed else Trouble.SOMEBODY_ELSE)
    return found


def _inflated(body: bytes, window: int) -> bytes:
    stream = zlib.decompressobj(window)
    try:
        # One byte more than the limit tells a body that is too long, and no more than that is ever unpacked.
        plain = stream.decompress(body, LARGEST_BODY + 1)
    except zlib.error as error:
        raise Unread(Trouble.COMPRESSED) from error
    _check_length(plain)
    if not stream.eof:
        raise Unread(Trouble.BROKEN_OFF)
    if stream.unused_data:
        raise Unread(Trouble.COMPRESSED)
    return plain


def _check_length(body: bytes) -> None:
    if len(body) > LARGEST_BODY:
        raise Unread(Trouble.TOO_LONG, str(LARGEST_BODY // 1024))


def _object_in(body: bytes) -> dict[str, Any] | None:
    try:
        text = body.decode(json.detect_encoding(body))
        found = json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field stands twice")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
