"""The commands that need all settings, and settings that cannot be used."""

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
    end = ended(*words, **VALID, DATABASE_URL="postgresql://user:secret@host/db")
    assert (end.exit_code, "secret" in end.output) == (2, False)
    assert end.stderr == "DATABASE_URL: must be sqlite:///a/path or sqlite:////an/absolute/path\n"
