"""The commands that need all settings, and settings that cannot be used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.settings import table

VALID = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "DVPAY_API_KEY": "k3y",
    "APPROVERS": "U01",
}


def ended(*words: str, **variables: str) -> Result:
    """Return the end of a command that sees these settings and no others."""
    environ: dict[str, str | None] = dict.fromkeys(name for name, _, _ in table())
    return CliRunner().invoke(main, words, env=environ | variables)


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_without_settings(command: str) -> None:
    """Each missing setting is one line, and the exit code is 2."""
    end = ended(command)
    assert end.exit_code == 2
    assert {line.partition(":")[0] for line in end.stderr.splitlines()} >= {"SLACK_BOT_TOKEN", "APPROVERS"}


@pytest.mark.parametrize("words", [["run"], ["doctor"], ["audit", "find"], ["audit", "verify"], ["backup", "copy.db"]])
def test_a_password_in_the_database_url_is_not_printed(words: list[str]) -> None:
    """The URL of another database is one line without its password, and exit code 2."""
    end = ended(*words, **VALID, DATABASE_URL="mysql://user:secret@host/db")
    assert (end.exit_code, "secret" in end.output) == (2, False)
    assert (
        end.stderr == "DATABASE_URL: must be sqlite:///a/path, sqlite:////an/absolute/path or postgresql://host/name\n"
    )


@pytest.mark.parametrize("command", ["run", "doctor"])
@pytest.mark.parametrize(
    "name, value",
    [
        ("HTTPS_PROXY", "socks5://desk:hunter2@proxy.test:1080"),
        ("all_proxy", "http://desk:hunter2@:3128"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
        ("SSL_CERT_DIR", "/nowhere"),
        ("SSLKEYLOGFILE", "/nowhere/keys"),
    ],
)
def test_a_way_that_cannot_be_used_is_one_line(command: str, name: str, value: str) -> None:
    """In a process of its own, because some libraries read these variables when they are imported."""
    done = subprocess.run(
        [sys.executable, "-m", "bot", command],
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **VALID,
            "DATABASE_URL": "sqlite:////dev/null/bot.db",
            name: value,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith(f"{name}: ")
    assert "hunter2" not in done.stderr


def test_a_look_up_needs_no_way_to_other_machines() -> None:
    """A wrong proxy does not keep anybody from the record."""
    end = ended("audit", "verify", DATABASE_URL="sqlite:////nowhere/bot.db", HTTPS_PROXY="socks5://proxy.test")
    assert "/nowhere/bot.db: there is no such file" in end.stderr


@pytest.mark.usefixtures("logging_of_its_own")
def test_a_name_that_almost_matches_is_a_warning_at_the_start() -> None:
    """It is a line of the log if the bot can start, and a line beside the others if it cannot."""
    line = "APPROVAL_CHANEL: is not a setting, but almost APPROVAL_CHANNEL"
    starts = ended("run", **VALID, APPROVAL_CHANEL="C01", LOG_FORMAT="json", DATABASE_URL="sqlite:////dev/null/bot.db")
    assert (starts.exit_code, json.loads(starts.stderr.splitlines()[0])["problem"]) == (1, line)
    fails = ended("run", APPROVAL_CHANEL="C01")
    assert fails.stderr.splitlines()[-1] == line
