"""The file of variables, and the example of one."""

import re
from pathlib import Path

import pytest

from bot.settings import SettingsProblem, example, load, read_env_file, table
from tests.settings.given import REQUIRED, given_that

ROOT = Path(__file__).parents[2]


def read(folder: Path, text: str) -> dict[str, str]:
    """Return what a file with this text gives."""
    path = folder / "desk.env"
    path.write_bytes(text.encode())
    return read_env_file(path)


def wrong(folder: Path, text: str) -> list[str]:
    """Return what is wrong with a file with this text, without its path."""
    with pytest.raises(SettingsProblem) as caught:
        read(folder, text)
    return [problem.removeprefix(f"{folder / 'desk.env'}") for problem in caught.value.problems]


def test_lines_become_variables(tmp_path: Path) -> None:
    """Comments, empty lines, spaces around and another editor's line ends do not matter."""
    text = "\ufeff# the bot\r\nA=1\r\n\r\n  B= two words \n  # more\nC=x=y#z\nD=\n"
    assert read(tmp_path, text) == {"A": "1", "B": "two words", "C": "x=y#z", "D": ""}


def test_what_is_no_variable_is_named_by_its_line_alone(tmp_path: Path) -> None:
    """Every problem is told at once, and nothing of the line, which may be half of a key."""
    text = "A=1\nhunter2\nexport B=hunter2\nA=hunter2\n9=hunter2\nB =hunter2\n"
    found = wrong(tmp_path, text)
    assert found == [
        ", line 2: is not NAME=value, nor a comment that begins with #",
        ", line 3: leave the word export out",
        ", line 4: A is set twice",
        ", line 5: is not NAME=value, nor a comment that begins with #",
        ", line 6: is not NAME=value, nor a comment that begins with #",
    ]
    assert "hunter2" not in str(found)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(SettingsProblem, match=r"nowhere\.env: cannot be read: No such file or directory"):
        read_env_file(tmp_path / "nowhere.env")
    with pytest.raises(SettingsProblem, match="cannot be read: Is a directory"):
        read_env_file(tmp_path)
    (tmp_path / "binary.env").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsProblem, match="is not a text file in UTF-8"):
        read_env_file(tmp_path / "binary.env")


def test_a_value_in_quotes_is_told_by_the_name_of_its_setting(tmp_path: Path) -> None:
    """The file keeps them, as Docker does, and the setting says so without the value."""
    found = read(tmp_path, "DVPAY_API_KEY='hunter2'\n")
    with pytest.raises(SettingsProblem) as caught:
        load(REQUIRED | found)
    assert caught.value.problems == [
        "DVPAY_API_KEY: is in quotes, which became part of the value; write it without them"
    ]


def test_the_example_in_the_repository_is_the_one_of_the_settings() -> None:
    """After a change of the settings: make example."""
    assert (ROOT / "desk.env.example").read_text("utf-8") == example()


def test_the_example_names_every_setting_once() -> None:
    """In the order of the documentation, with those uncommented that people fill in first."""
    lines = re.findall(r"^(#?)([A-Z_]+)=", example(), re.MULTILINE)
    assert [name for _, name in lines] == [name for name, _, _ in table()]
    assert {name for mark, name in lines if not mark} == {
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "DVPAY_API_KEY",
        "APPROVERS",
        "APPROVAL_CHANNEL",
    }


def test_the_defaults_in_the_example_are_the_defaults(tmp_path: Path) -> None:
    """Whoever removes the comment signs changes nothing."""
    uncommented = re.sub(r"^#([A-Z_]+=)", r"\1", example(), flags=re.MULTILINE)
    found = {name: value for name, value in read(tmp_path, uncommented).items() if value}
    assert {"PORT", "APPROVAL_TTL"} <= found.keys()
    assert load(REQUIRED | found) == given_that()


def test_the_example_filled_in_is_a_file_for_the_bot(tmp_path: Path) -> None:
    """As a newcomer fills it in."""
    text = example()
    for name, value in (REQUIRED | {"APPROVAL_CHANNEL": "C012AB3CD"}).items():
        text = text.replace(f"\n{name}=\n", f"\n{name}={value}\n")
    settings = load(read(tmp_path, text))
    assert (settings.approval_channel, settings.slack_bot_token.get_secret_value()) == ("C012AB3CD", "xoxb-b0t")
