"""The output of a command: no character that a terminal obeys, and a quiet end if nobody reads on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

from bot.cli import main
from bot.printable import printable

ROOT = Path(__file__).parents[2]
DANGEROUS = "\x1b]0;x\x07\x9b2J\u202e\u200b\ufeff\x00\r\t\x7f\u2028\U000e0041"
NAMED = "\\x1b]0;x\\x07\\x9b2J\\u202e\\u200b\\ufeff\\x00\\r\\t\\x7f\\u2028\\U000e0041"


def test_control_characters_become_escapes() -> None:
    """Everybody sees that there was one, and which."""
    assert printable(f"a{DANGEROUS}b\nc") == f"a{NAMED}b\nc"
    assert printable("Zoë 日本 \u00a0\u202f·") == "Zoë 日本   ·"


@given(st.text())
def test_any_text_becomes_printable_lines(text: str) -> None:
    """Only line breaks are left of what is not printable, also of half a character."""
    assert all(line.isprintable() for line in printable(text).split("\n"))
    printable(text).encode("utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ["audit", "find", f"what{DANGEROUS}?"],
        ["audit", "find", "--limit", f"1{DANGEROUS}"],
        ["audit", "verify", "--head", DANGEROUS],
        ["audit", "verify", "--database", f"/nowhere/{DANGEROUS.replace(chr(0), '')}"],
        ["audit", DANGEROUS],
        [f"--{DANGEROUS}"],
        ["backup", "--database", "/nowhere/bot.db", "a", DANGEROUS],
        ["backup", "--database", f"sqlite:///{DANGEROUS.replace(chr(0), '')}", "copy.db"],
        ["audit", "find", "xoxb-1-hunter2?"],
    ],
)
def test_a_message_about_what_was_typed_is_harmless(words: list[str]) -> None:
    """Copied commands may hold anything, so errors show escapes, also those of the option parser."""
    ended = CliRunner().invoke(main, words)
    assert ended.exit_code in {1, 2}
    assert all(line.isprintable() for line in ended.output.split("\n"))
    assert "hunter2" not in ended.output
    assert ended.stdout == ""


def test_an_old_terminal_gets_escapes_and_no_traceback() -> None:
    """A stream that cannot show a character is no reason to fail."""
    ended = subprocess.run(
        [sys.executable, "-m", "bot", "audit", "verify", "--head", "Zoë"],
        env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, "'Zo\\xeb' is not a head" in ended.stderr) == (2, True)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["audit", "find", "--help"], ["run", "-h"], ["audit"]])
def test_help_that_cannot_be_written_is_one_line(words: list[str], unbuffered: str) -> None:
    """The disk is full: the exit code says so, and nobody reads a traceback."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "bot", *words],
            env={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    if words == ["audit"]:  # a group without a command: this help is for stderr
        assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)
    else:
        assert (ended.returncode, ended.stderr) == (
            1,
            "Error: The output cannot be written: No space left on device.\n",
        )


def test_help_that_nobody_reads_to_its_end_ends_quietly() -> None:
    """As with any other output, there is the exit code of a closed pipe and no word."""
    ours, theirs = os.pipe()
    os.close(ours)
    ended = subprocess.run(
        [sys.executable, "-m", "bot", "--help"],
        env={"PYTHONPATH": str(ROOT)},
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(theirs)
    assert (ended.returncode, ended.stderr) == (141, b"")
