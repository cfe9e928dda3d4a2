"""Settings from a file, for every command."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.cli.env_file import VARIABLE
from bot.settings import table
from tests.postgres import Cluster

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Begin without settings, and undo what a command sets."""
    before = dict(os.environ)
    for name, _, _ in table():
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def desk_env(tmp_path: Path) -> Path:
    """Return a file that names a database which is not there."""
    path = tmp_path / "desk.env"
    path.write_text(f"DATABASE_URL=sqlite:///{tmp_path}/of-the-file.db\nAPPROVALS_REQUIRED=many\n")
    return path


@pytest.mark.parametrize("words", [["audit", "verify"], ["audit", "find"], ["report"]])
def test_any_command_reads_the_file(desk_env: Path, words: list[str]) -> None:
    """The option comes before the command."""
    ended = CliRunner().invoke(main, ["--env-file", str(desk_env), *words])
    assert ended.exit_code == 1
    assert "of-the-file.db" in ended.stderr


@pytest.mark.parametrize("command", ["run", "doctor"])
@pytest.mark.parametrize("behind", [True, False])
def test_the_commands_of_the_set_up_take_it_behind_as_well(desk_env: Path, command: str, behind: bool) -> None:
    """People type it where they type it for Docker."""
    option = ["--env-file", str(desk_env)]
    ended = CliRunner().invoke(main, [command, *option] if behind else [*option, command])
    assert ended.exit_code == 2
    assert "APPROVALS_REQUIRED: 'many' is not a whole number from 1 to 100\n" in ended.stderr


def test_a_file_may_name_a_server(postgres: Cluster, tmp_path: Path) -> None:
    """It is the place for an address with a password, which nothing prints."""
    address = postgres.new().url.get_secret_value().replace("postgres@", "postgres:hunter2@")
    path = tmp_path / "desk.env"
    path.write_text(f"DATABASE_URL={address}\n")
    ended = CliRunner().invoke(main, ["--env-file", str(path), "audit", "verify"])
    assert (ended.exit_code, "hunter2" in ended.output) == (0, False)
    assert ended.stdout.startswith("The record is ")


def test_a_variable_names_the_file(desk_env: Path) -> None:
    """So a service needs no other command line."""
    ended = CliRunner().invoke(main, ["audit", "verify"], env={VARIABLE: str(desk_env)})
    assert "of-the-file.db" in ended.stderr


def test_a_variable_that_is_set_wins(desk_env: Path, tmp_path: Path) -> None:
    """One that is empty counts as unset."""
    for value, shown in ((f"sqlite:///{tmp_path}/of-the-shell.db", "of-the-shell.db"), (" ", "of-the-file.db")):
        ended = CliRunner().invoke(main, ["--env-file", str(desk_env), "audit", "verify"], env={"DATABASE_URL": value})
        assert shown in ended.stderr


def test_a_file_that_cannot_be_used_is_a_wrong_setting(tmp_path: Path) -> None:
    """A line for each problem, and exit code 2."""
    ended = CliRunner().invoke(main, ["--env-file", str(tmp_path / "nowhere.env"), "doctor"])
    assert (ended.exit_code, ended.stderr) == (
        2,
        f"{tmp_path}/nowhere.env: cannot be read: No such file or directory\n",
    )


def test_a_name_that_is_almost_a_setting_is_warned_of(tmp_path: Path) -> None:
    """As if it had been set before the start."""
    path = tmp_path / "desk.env"
    path.write_text("APPROVAL_CHANEL=C012AB3CD\n")
    ended = CliRunner().invoke(main, ["doctor", "--env-file", str(path)])
    assert "APPROVAL_CHANEL: is not a setting, but almost APPROVAL_CHANNEL\n" in ended.stderr


def test_a_python_without_the_packages_says_what_to_do(tmp_path: Path) -> None:
    """One line with the command that installs them, and no traceback."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "bot", "run"],  # -S: without site-packages
        cwd=ROOT,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        (
            "Cancel Desk lacks the package click. Install what it needs:"
            " python -m pip install --require-hashes --only-binary :all: --requirement requirements.txt"
        )
    ]


@pytest.mark.parametrize("shell, says", [("bash", "complete "), ("zsh", "compdef"), ("fish", "complete ")])
def test_a_shell_gets_its_completion(shell: str, says: str) -> None:
    """The line of the documentation prints what the shell evaluates."""
    program = Path(sys.executable).with_name("cancel-desk")
    done = subprocess.run(
        [program],
        env={"PATH": os.defpath, "_CANCEL_DESK_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=False,
    )
    if shell == "bash" and "4.4" in done.stderr:
        pytest.skip("this bash is older than 4.4")
    assert (done.returncode, says in done.stdout) == (0, True)


def test_commands_and_options_are_completed() -> None:
    """What the shell asks for when somebody presses Tab."""
    program = Path(sys.executable).with_name("cancel-desk")

    def completed(words: str, number: int) -> list[str]:
        environ = {
            "PATH": os.defpath,
            "_CANCEL_DESK_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(number),
        }
        done = subprocess.run([program], env=environ, capture_output=True, text=True, check=True)
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert completed("cancel-desk fre", 1) == ["freeze"]
    assert completed("cancel-desk audit find --j", 3) == ["--json"]
