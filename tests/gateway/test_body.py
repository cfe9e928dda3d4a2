"""Reading a body: tolerant of its form, strict about its content, and never beyond the limit."""

import codecs
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from bot.domain.attempt import Trouble
from bot.gateway.body import LARGEST_BODY, Unread, read_object

BODY = {"order_id": "ord_1", "status": "cancelled", "note": "é ☃"}
PLAIN = json.dumps(BODY, ensure_ascii=False).encode()


def bare_deflate(body: bytes) -> bytes:
    """Return deflate without zlib's frame."""
    return zlib.compress(body, wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize(
    "body, label",
    [
        pytest.param(PLAIN, "", id="plain"),
        pytest.param(PLAIN, "identity", id="identity"),
        pytest.param(PLAIN, "UTF-8", id="a character set as the label"),
        pytest.param(PLAIN, "none, x", id="an unknown label"),
        pytest.param(PLAIN, "gzip", id="labelled gzip"),
        pytest.param(PLAIN, "deflate", id="labelled deflate"),
        pytest.param(PLAIN, "br", id="labelled br"),
        pytest.param(PLAIN, "zstd", id="labelled zstd"),
        pytest.param(b"\r\n\t " + PLAIN + b"\n", "", id="space around it"),
        pytest.param(codecs.BOM_UTF8 + PLAIN, "", id="byte order mark"),
        pytest.param(PLAIN.decode().encode("utf-16"), "", id="UTF-16 with a mark"),
        pytest.param(PLAIN.decode().encode("utf-16-le"), "", id="UTF-16 without one"),
        pytest.param(PLAIN.decode().encode("utf-32"), "", id="UTF-32"),
        pytest.param(gzip.compress(PLAIN), "gzip", id="gzip"),
        pytest.param(gzip.compress(PLAIN), "", id="gzip without a label"),
        pytest.param(gzip.compress(PLAIN), "br", id="gzip under another label"),
        pytest.param(gzip.compress(codecs.BOM_UTF8 + PLAIN), "x-gzip", id="a mark inside gzip"),
        pytest.param(zlib.compress(PLAIN), "deflate", id="deflate"),
        pytest.param(zlib.compress(PLAIN, 1), "", id="deflate without a label"),
        pytest.param(zlib.compress(PLAIN, 9), "gzip", id="deflate under another label"),
        pytest.param(bare_deflate(PLAIN), "deflate", id="deflate without a frame"),
        pytest.param(gzip.compress(gzip.compress(PLAIN)), "gzip, gzip", id="gzip twice"),
        pytest.param(gzip.compress(bare_deflate(PLAIN)), "Deflate, GZIP", id="deflate inside gzip"),
    ],
)
def test_the_form_does_not_matter(body: bytes, label: str) -> None:
    """The content tells how a body is packed; a label counts only where nothing else can."""
    assert read_object(body, label) == BODY


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"true",
        b'"cancelled"',
        b"12",
        b"[" + PLAIN + b"]",
        PLAIN + PLAIN,
        PLAIN + b"\x00",
        PLAIN + b"<!-- served by cache 7 -->",
        b")]}'\n" + PLAIN,
        PLAIN[:-1],
        b'{"order_id": "\xff"}',
        b'{"order_id": "ord_1", "order_id": "ord_2"}',
        b'{"error": {"code": "a", "code": "a"}}',
        b'{"or\\u0064er_id": "ord_1", "order_id": "ord_1"}',
        b'{"a": NaN}',
        b'{"a": [Infinity]}',
        b'{"a": -Infinity}',
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": "line\nbreak"}',
        b"[" * 65_000,
        b'{"a":' * 12_000,
        b'{"a": ' + b"9" * 60_000 + b"}",
        codecs.BOM_UTF8 * 2 + PLAIN,
        b"\x00" * 1000,
        b"<html><body>502</body></html>",
        b"xx",
    ],
)
def test_anything_but_one_sound_object_is_somebodys(body: bytes) -> None:
    """A body that two readers could read in two ways, or not at all, is nobody's word."""
    for label in ("", "gzip", "deflate", "UTF-8"):
        with pytest.raises(Unread) as caught:
            read_object(body, label)
        assert caught.value.trouble is Trouble.SOMEBODY_ELSE


@pytest.mark.parametrize(
    "body, label, trouble",
    [
        pytest.param(b"\x8b\x0b\x80", "br", Trouble.COMPRESSED, id="Brotli"),
        pytest.param(b"<html>", "br", Trouble.COMPRESSED, id="a page labelled br"),
        pytest.param(b"\x28\xb5\x2f\xfd\x04", "", Trouble.COMPRESSED, id="zstd without a label"),
        pytest.param(gzip.compress(PLAIN)[:10] + b"\xff" * 20, "gzip", Trouble.COMPRESSED, id="broken gzip"),
        pytest.param(gzip.compress(PLAIN)[:-8] + b"\x00" * 8, "", Trouble.COMPRESSED, id="a wrong checksum"),
        pytest.param(gzip.compress(PLAIN) + b"{}", "", Trouble.COMPRESSED, id="more after its end"),
        pytest.param(gzip.compress(gzip.compress(gzip.compress(PLAIN))), "", Trouble.COMPRESSED, id="gzip three times"),
        pytest.param(gzip.compress(PLAIN)[:-1], "", Trouble.BROKEN_OFF, id="gzip cut short"),
        pytest.param(zlib.compress(PLAIN)[:-6], "", Trouble.BROKEN_OFF, id="deflate cut short"),
        pytest.param(gzip.compress(b"<html></html>"), "gzip", Trouble.SOMEBODY_ELSE, id="a page in gzip"),
    ],
)
def test_what_cannot_be_unpacked_has_a_trouble(body: bytes, label: str, trouble: Trouble) -> None:
    """Brotli, zstd, broken data and a third layer stay unread; what is cut short counts as broken off."""
    with pytest.raises(Unread) as caught:
        read_object(body, label)
    assert caught.value.trouble is trouble


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zlib.compress], ids=["plain", "gzip", "deflate"])
@pytest.mark.parametrize("size, fits", [(LARGEST_BODY, True), (LARGEST_BODY + 1, False)])
def test_the_limit_holds_before_and_after_inflating(pack: Callable[[bytes], bytes], size: int, fits: bool) -> None:
    """64 KiB are read, and not one byte more comes out of any packing."""
    body = pack(PLAIN.ljust(size))
    if fits:
        assert read_object(body) == BODY
    else:
        with pytest.raises(Unread) as caught:
            read_object(body)
        assert (caught.value.trouble, caught.value.about) == (Trouble.TOO_LONG, "64")


@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_stays_small(layers: int) -> None:
    """32 MiB in a few KiB are not unpacked, nor are they through a second layer."""
    body = PLAIN.ljust(32 * 1024 * 1024)
    for _ in range(layers):
        body = gzip.compress(body)
    tracemalloc.start()
    try:
        with pytest.raises(Unread) as caught:
            read_object(body, "gzip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.trouble is Trouble.TOO_LONG
    assert peak < 1024 * 1024


def test_an_unread_body_says_why() -> None:
    """The error's text is for the log."""
    assert str(Unread(Trouble.TOO_LONG, "64")) == "too_long"


@given(
    body=st.binary() | st.binary().map(gzip.compress) | st.binary().map(zlib.compress) | st.binary().map(bare_deflate),
    start=st.sampled_from([b"", b"\x1f\x8b\x08", b"x\x9c", b"{", codecs.BOM_UTF16_BE, b"\x28\xb5\x2f\xfd"]),
    label=st.text() | st.sampled_from(["gzip", "deflate", "br", "gzip, deflate"]),
)
def test_no_bytes_raise_anything_else(body: bytes, start: bytes, label: str) -> None:
    """Any bytes under any label give an object or Unread."""
    try:
        assert isinstance(read_object(start + body, label), dict)
    except Unread as unread:
        assert unread.trouble in {  # noqa: PT017 -- both endings are right
            Trouble.SOMEBODY_ELSE, Trouble.COMPRESSED, Trouble.BROKEN_OFF, Trouble.TOO_LONG,
        }  # fmt: skip
