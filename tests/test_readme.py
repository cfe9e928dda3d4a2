"""The README and the code say the same."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bot.cli import main
from bot.domain.cancellation import State
from bot.settings import table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def rows_below(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without their code marks."""
    part = README.partition(f"{heading}\n")[2]
    lines = re.findall(r"^\|.*\|$", part[: re.search(r"\n#", part + "\n#").start()], re.MULTILINE)  # type: ignore[union-attr]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def plain(text: str) -> str:
    """Without code marks."""
    return text.replace("`", "")


def commands(group: click.Group, path: str = "") -> set[str]:
    """Every command of the command line, with its group's name before it."""
    found = set()
    for name, command in group.commands.items():
        found |= commands(command, f"{path}{name} ") if isinstance(command, click.Group) else {f"{path}{name}"}
    return found


def test_every_setting_is_described_as_it_is() -> None:
    """The table of settings is the one in the code: names, defaults and meanings."""
    documented = [tuple(plain(cell) for cell in row) for row in rows_below("### Settings")]
    assert documented == [tuple(plain(cell) for cell in row) for row in table()]


def test_every_state_is_explained() -> None:
    """Each state has its line with what it means and what to do."""
    assert [row[0] for row in rows_below("### What each outcome means")] == list(State)


def test_every_command_is_documented_and_exists() -> None:
    """The table of commands is complete, and no command in the text is made up."""
    documented = {plain(row[0]).removeprefix("python -m bot ") for row in rows_below("## Running it")}
    assert {re.sub(r" [A-Z\[].*", "", command) for command in documented} == commands(main)


@pytest.mark.parametrize("target", ["demo", "test", "check"])
def test_make_targets_exist(target: str) -> None:
    """The commands that the README gives are in the Makefile."""
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def test_paths_exist() -> None:
    """Every file that the README names is there."""
    named = re.findall(r"\]\(([^)#:]+)\)|`(bot/[\w/.]+)`", README)
    assert named
    assert [path for pair in named for path in pair if path and not (ROOT / path).exists()] == []


def test_modules_of_the_architecture_exist() -> None:
    """Every file and folder of the house stands in its picture."""
    house = README.partition("```\nbot/\n")[2].partition("```")[0]
    there = {path.name for path in (ROOT / "bot").iterdir() if path.name not in {"__init__.py", "__pycache__"}}
    assert [name for name in there if not re.search(rf"\b{re.escape(name)}", house)] == []


def test_the_bot_without_settings_says_what_is_missing() -> None:
    """One line for each setting that is required, exit code 2 and no traceback."""
    ended = subprocess.run(
        [sys.executable, "-m", "bot", "run"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert {line.partition(":")[0] for line in ended.stderr.splitlines()} >= {
        "SLACK_BOT_TOKEN",
        "DVPAY_API_KEY",
        "APPROVERS",
    }
