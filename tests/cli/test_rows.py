"""The output of ``audit find`` for machines and for spreadsheets."""

import csv
import io
import json
import os
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from bot.cli.rows import Printer
from bot.rows import Row, harmless

SIGNS = "=+-@＝＋－＠"  # noqa: RUF001


def printed(capsys: pytest.CaptureFixture[str], form: str | None, *reasons: object) -> str:
    """Return what is printed for rows with these reasons."""
    Printer().print(iter([{"reason": reason} for reason in reasons]), ["reason"], form)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "reason, cell",
    [
        *((f"{sign}1+1", f"'{sign}1+1") for sign in SIGNS),
        ("\t=1", "'\\t=1"),
        ("\r=1", "'\n'=1"),
        ("\n=1", "'\n'=1"),
        ("a\r=1", "a\n'=1"),
        ("a\r\n=1", "a\n'=1"),
        ("a\n@SUM(A1)", "a\n'@SUM(A1)"),
        ("a\n\n-1", "a\n\n'-1"),
        ("  =1", "'  =1"),
        ("\u200b=1", "\\u200b=1"),
        ('"=1', "'\"=1"),
        ("a;=1", "a;'=1"),
        ("a=1, b-2", "a=1, b-2"),
        ('say "hi", twice', 'say "hi", twice'),
        ("\x1b[2J\u202e\x00", "\\x1b[2J\\u202e\\x00"),
        ({"a": "=1\n"}, '{"a": "=1\\n"}'),
        (5, "5"),
        (None, ""),
    ],
)
def test_a_cell_is_text_for_a_spreadsheet(capsys: pytest.CaptureFixture[str], reason: object, cell: str) -> None:
    """A quote stands before whatever might begin a formula, and quoted cells keep their line breaks and quotes."""
    out = printed(capsys, "csv", reason)
    [row] = csv.DictReader(io.StringIO(out, newline=""))
    assert row["reason"] == cell


@given(st.text(st.sampled_from(f"{SIGNS}\t\r\n;,\"' aö\x1b\u202e\u200b")))
def test_no_line_of_a_cell_begins_a_formula(reason: str) -> None:
    """That holds wherever a spreadsheet sees the beginning of a line, and no control character is left."""
    cell = str(harmless(reason))
    assert not re.search(rf"""(^|[\r\n;])[\s"]*[{re.escape(SIGNS)}]""", cell)
    assert all(line.isprintable() for line in cell.split("\n"))


@pytest.mark.parametrize("reason", ["=1+1", "a\r\nb\x1b[2J\x9b\u202e\u200b\U000e0041\x7f", "Zoë 日本 \u00a0", '"\\'])
def test_json_is_exact_and_harmless(capsys: pytest.CaptureFixture[str], reason: str) -> None:
    """Parsed again it is the same text; on a terminal it has no character that is obeyed."""
    out = printed(capsys, "json", reason, reason)
    assert json.loads(out) == [{"reason": reason}] * 2
    assert all(line.replace("\u00a0", "").isprintable() for line in out.split("\n"))
    assert ("Zoë 日本" in out) is ("Zoë" in reason)


def test_a_table_shows_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    """A reason is one line, with what its author typed."""
    assert "a b\\x1b[2J\\u202e" in printed(capsys, None, "a\nb\x1b[2J\u202e")


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_row_is_printed_before_the_next_is_read(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """Nobody waits for half a million rows to see the first one."""

    def rows() -> Iterator[Row]:
        yield {"reason": "first"}
        assert "first" in capsys.readouterr().out
        yield {"reason": "second"}

    Printer().print(rows(), ["reason"], form)
    assert "second" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["csv", "json"])
def test_many_rows_need_no_more_memory_than_one(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """No row is kept after it was printed."""
    with Path(os.devnull).open("w") as nowhere:
        monkeypatch.setattr("sys.stdout", nowhere)
        Printer().print(iter([{"reason": "x"}]), ["reason"], form)
        tracemalloc.start()
        try:
            Printer().print(({"reason": "x" * 1000} for _ in range(5000)), ["reason"], form)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 500_000
