"""A secret that was typed into any one variable is shown and stored nowhere."""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings, strategies as st

from bot.cli import main
from bot.settings import SettingsProblem, load, table
from tests.settings.given import SECRETS

MARK = "7Hunter2Hunter2Hunter2Hunter2x9"
"""The part of every secret below that must not come out anywhere."""
NAMES = [
    *(name for name, _, _ in table()),
    *(f"{name}_FILE" for name in SECRETS),
    *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "APPROVAL_CHANEL", "APPROVERS_FILE"),
]
FORMS = [
    "xoxb-1-{}",
    "xoxp-1-{}",
    "xapp-1-A0-{}",
    "xoxe.xoxp-1-{}",
    "{}",
    "abc{}def",
    "postgresql://desk:{}@host/db",
    "https://{}@host.test",
    "socks5://desk:{}@host:1080",
    "sqlite:///xoxb-{}",
    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    '"xoxb-{}"',
    "U01,xoxb-{}",
    "ord_(xoxb-{}",
]
COMMANDS = [["doctor"], ["audit", "find"], ["audit", "verify"], ["backup", "/nowhere/copy.db"]]


def environment(**changes: str) -> dict[str, str]:
    """Return settings with which every call ends at once, as nothing listens there."""
    return {
        "SLACK_BOT_TOKEN": "xoxb-b0t",
        "SLACK_APP_TOKEN": "xapp-4pp",
        "SLACK_API_URL": "http://127.0.0.1:9/api/",
        "DVPAY_BASE_URL": "http://127.0.0.1:9",
        "DVPAY_API_KEY": "k3y",
        "APPROVERS": "U01",
        "DATABASE_URL": "sqlite:////nowhere/bot.db",
        **changes,
    }


def complete(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return these variables, with all others of the process left out."""
    return {**dict.fromkeys(os.environ), **environ}


@given(name=st.sampled_from(NAMES), form=st.sampled_from(FORMS), command=st.sampled_from(COMMANDS))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_command_prints_a_planted_secret(name: str, form: str, command: list[str]) -> None:
    """Whichever variable it was typed into, and whatever the command does about it."""
    ended = CliRunner().invoke(main, command, env=complete(environment(**{name: form.format(MARK)})))
    assert "Hunter2" not in ended.output
    assert ended.exception is None or isinstance(ended.exception, SystemExit)


@given(name=st.sampled_from([name for name, _, _ in table()]), form=st.sampled_from(FORMS))
def test_no_planted_secret_is_recorded_or_shown_by_the_settings(name: str, form: str) -> None:
    """The event of a start is kept for ever, and settings may appear in a traceback."""
    try:
        found = load(environment(**{name: form.format(MARK)}))
    except SettingsProblem as error:
        problem = f"{error} {error!r}"
    else:
        problem = ""
    assert "Hunter2" not in problem
    if problem:
        return
    assert "Hunter2" not in json.dumps(asdict(found.started("1")))
    assert "Hunter2" not in f"{found} {found!r}"
    assert name in SECRETS
    assert any("Hunter2" in secret for secret in found.secrets())


@pytest.mark.usefixtures("logging_of_its_own")
@pytest.mark.parametrize("name", [name for name, _, _ in table()])
@pytest.mark.parametrize("form", FORMS[:6])
def test_a_bot_that_does_not_start_writes_no_planted_secret(name: str, form: str, tmp_path: Path) -> None:
    """``run`` ends before it creates or changes its database; where the secret is in its place, the port is taken."""
    database = tmp_path / "bot.db"
    environ = environment(DATABASE_URL=f"sqlite:///{database}", PORT="1", HOST="192.0.2.1")
    ended = CliRunner().invoke(main, ["run"], env=complete({**environ, name: form.format(MARK)}))
    assert ended.exit_code in {1, 2}
    assert "Hunter2" not in ended.output
    assert not [path for path in tmp_path.iterdir() if b"Hunter2" in path.read_bytes()]
    if database.exists():
        with closing(sqlite3.connect(database)) as connection:
            assert "Hunter2" not in "".join(connection.iterdump())
