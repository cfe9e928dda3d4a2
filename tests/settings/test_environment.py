"""Reading settings from variables, and from the files that they name."""

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.domain.seal import PrivateKey
from bot.settings import DatabaseSettings, RecordSettings, SettingsProblem, load, mistyped, table
from tests.settings.given import REQUIRED, SECRETS, given_that, problems

KEY = PrivateKey(bytes(range(32)))
"""The same in every process, as its text names tests."""


def test_nothing_set_is_one_line_for_each_required_variable() -> None:
    """An empty environment gets a line for each variable that it lacks, all at once."""
    with pytest.raises(SettingsProblem) as caught:
        load({})

    assert caught.value.problems == [
        "SLACK_BOT_TOKEN: is required",
        "SLACK_SIGNING_SECRET: set SLACK_APP_TOKEN (Socket Mode) or this one (HTTP mode); one of the two is required",
        "DVPAY_API_KEY: is required",
        "APPROVERS: is required",
    ]
    assert str(caught.value) == "\n".join(caught.value.problems)


def test_the_process_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """``load()`` reads the variables of the process."""
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)

    assert load().slack_bot_token.get_secret_value() == "xoxb-b0t"


def test_only_the_given_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the process does not reach settings that are loaded from elsewhere."""
    monkeypatch.setenv("APPROVALS_REQUIRED", "3")
    monkeypatch.setenv("approvals_required", "3")

    assert given_that().approvals_required == 1


def test_a_look_up_needs_no_tokens() -> None:
    """The settings for reading the record are read alone, with the same rules as for the bot."""
    environ = {"DATABASE_URL": "sqlite:////var/lib/desk/bot.db", "PORT": "no port"}

    settings = load(environ, RecordSettings)

    assert (settings.database, settings.order_id_pattern) == (
        Path("/var/lib/desk/bot.db"),
        given_that().order_id_pattern,
    )
    with pytest.raises(SettingsProblem, match=r"^ORDER_ID_PATTERN: is not a valid regular expression"):
        load(environ | {"ORDER_ID_PATTERN": "("}, RecordSettings)


def test_a_backup_needs_the_database_alone() -> None:
    """A mistake in another setting does not keep ``backup`` and ``audit verify`` from the file."""
    settings = load({"DATABASE_URL": "sqlite:///bot.db", "ORDER_ID_PATTERN": "("}, DatabaseSettings)

    assert settings.database == Path("bot.db")


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
@pytest.mark.parametrize("name", [name for name, _, _ in table()])
def test_an_empty_variable_counts_as_unset(name: str, empty: str) -> None:
    """An empty variable counts as unset, because Compose files leave such variables."""
    if name in REQUIRED and name != "SLACK_APP_TOKEN":
        assert problems(**{name: empty}) == [f"{name}: is required"]
    elif name == "SLACK_APP_TOKEN":
        assert given_that(SLACK_APP_TOKEN=empty, SLACK_SIGNING_SECRET="s").slack_app_token is None
    else:
        assert given_that(**{name: empty}) == given_that()


@pytest.mark.parametrize("file", ["", None])
def test_an_empty_file_variable_counts_as_unset(file: str | None) -> None:
    """NAME_FILE without a path changes nothing."""
    assert given_that(DVPAY_API_KEY_FILE=file).dvpay_api_key == SecretStr("k3y")


def test_every_problem_is_reported_at_once() -> None:
    """Every problem is reported at once, so that an operator can fix them in one go."""
    lines = problems(SLACK_BOT_TOKEN=None, SLACK_APP_TOKEN="nope", APPROVERS="bob", PORT="x", APPROVAL_TTL="x")

    assert [line.partition(":")[0] for line in lines] == [
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "APPROVERS",
        "APPROVAL_TTL",
        "PORT",
    ]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("bad", ["hunter2", "hunter2 hunter2", "hunter2\nX-Other: 1", "hunter2é", "xoxb-hunter2\x7f"])
def test_a_problem_never_repeats_a_secret(name: str, bad: str) -> None:
    """Neither the lines nor the traceback show a secret, also when another setting is the problem."""
    with pytest.raises(SettingsProblem) as caught:
        given_that(**{name: bad, "PORT": "x"})

    shown = "".join(traceback.format_exception(caught.value))
    assert "PORT: " in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize("name", ["DATABASE_URL", "DVPAY_BASE_URL", "SLACK_API_URL"])
def test_a_problem_never_repeats_an_address(name: str) -> None:
    """A password inside an address is not shown."""
    [line] = problems(**{name: "postgresql://user:hunter2@host"})

    assert line.startswith(f"{name}: ")
    assert "hunter2" not in line


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    """NAME_FILE names a file whose trimmed content is the value."""
    value = REQUIRED.get(name, "fr0mfile")
    file = tmp_path / "secret"
    file.write_text(f"\n {value}\r\n")

    settings = given_that(**{name: None, f"{name}_FILE": str(file)})

    assert settings == given_that(**{name: value})


def test_a_secret_given_twice_is_a_problem(tmp_path: Path) -> None:
    """Two sources for one secret are refused, because they could disagree."""
    file = tmp_path / "secret"
    file.write_text("k3y")

    assert problems(DVPAY_API_KEY_FILE=str(file)) == [
        "DVPAY_API_KEY: is set twice, here and by DVPAY_API_KEY_FILE; keep one of them"
    ]


def test_a_secret_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """The line names the variable and the path, no matter what is wrong with the file."""
    absent, empty, binary = tmp_path / "absent", tmp_path / "empty", tmp_path / "binary"
    empty.write_text(" \n")
    binary.write_bytes(b"\xff\xfe\x00")

    assert problems(
        SLACK_BOT_TOKEN=None,
        SLACK_BOT_TOKEN_FILE=str(absent),
        SLACK_APP_TOKEN=None,
        SLACK_APP_TOKEN_FILE=str(tmp_path),
        DVPAY_API_KEY=None,
        DVPAY_API_KEY_FILE=str(empty),
        DVPAY_APP_ID_FILE=str(binary),
    ) == [
        f"SLACK_BOT_TOKEN: SLACK_BOT_TOKEN_FILE names {absent}, which cannot be read: No such file or directory",
        f"SLACK_APP_TOKEN: SLACK_APP_TOKEN_FILE names {tmp_path}, which cannot be read: Is a directory",
        f"DVPAY_APP_ID: DVPAY_APP_ID_FILE names {binary}, which is not a text file",
        f"DVPAY_API_KEY: DVPAY_API_KEY_FILE names {empty}, which is empty",
    ]


def test_other_settings_do_not_come_from_files(tmp_path: Path) -> None:
    """Only secrets have a NAME_FILE."""
    file = tmp_path / "port"
    file.write_text("4000")

    assert given_that(PORT_FILE=str(file)).port == 3000


@pytest.mark.parametrize("name", [name for name, _, _ in table()])
@pytest.mark.parametrize("quoted", ['"xoxb-hunter2"', "'hunter2'", "“hunter2”", "`hunter2`"])
def test_a_value_in_quotes_says_so(name: str, quoted: str, tmp_path: Path) -> None:
    """Docker keeps the quotes of a file of variables, so the value would not be what the operator means."""
    line = f"{name}: is in quotes, which became part of the value; write it without them"
    assert problems(**{name: quoted}) == [line]
    if name in SECRETS:
        (file := tmp_path / "secret").write_text(quoted)
        assert problems(**{name: None, f"{name}_FILE": str(file)}) == [line]


@pytest.mark.parametrize("name", [name for name, _, _ in table() if name not in {*SECRETS, "RECORD_KEY"}])
@pytest.mark.parametrize(
    "secret", ["xoxb-1-hunter2", "xapp-1-hunter2", "-----BEGIN PRIVATE KEY-----\nhunter2", KEY.text]
)
def test_a_token_in_the_wrong_variable_is_refused(name: str, secret: str) -> None:
    """It would be shown, recorded or sent to the wrong address, even where it fits."""
    assert problems(**{name: secret}) == [
        f"{name}: looks like a secret, and is not for one; the value is not shown here"
    ]


@pytest.mark.parametrize(
    "given, says",
    [
        (
            KEY.public.text,
            "is the public key, and the private one is needed: make a pair with the command `record new-key`",
        ),
        (KEY.text[:-5], "is torn: copy it again, as a whole"),
        (
            KEY.text.replace("cancel-desk", "cancel"),
            "is no key of this record: make one with the command `record new-key`",
        ),
        ("xoxb-1-hunter2", "is no private key: make a pair with the command `record new-key`"),
    ],
)
def test_what_is_no_key_of_the_record_says_so_and_is_not_shown(given: str, says: str) -> None:
    """Whoever copied it knows what to copy instead."""
    assert problems(RECORD_KEY=given) == [f"RECORD_KEY: {says}"]


@pytest.mark.parametrize("name", ["SLACK_SIGNING_SECRET", "DVPAY_APP_ID", "DVPAY_API_KEY"])
def test_a_slack_token_does_not_go_to_the_gateway(name: str) -> None:
    """A token in the place of another secret is refused, too."""
    assert problems(**{name: "xoxb-1-hunter2"}) == [
        f"{name}: holds a token of Slack's or a PEM key, which belongs elsewhere"
    ]


def test_a_secret_in_the_place_of_its_file_is_not_shown() -> None:
    """``SLACK_BOT_TOKEN_FILE=xoxb-…`` is an easy mistake."""
    [line] = problems(SLACK_BOT_TOKEN=None, SLACK_BOT_TOKEN_FILE="xoxb-1-hunter2")
    assert line.startswith("SLACK_BOT_TOKEN: SLACK_BOT_TOKEN_FILE names a value that looks like a secret, which cannot")


@pytest.mark.parametrize(
    "name, line",
    [
        ("APPROVAL_CHANEL", "is not a setting, but almost APPROVAL_CHANNEL"),
        ("APPROVAL_CHANNEL_ID", "is not a setting, but almost APPROVAL_CHANNEL"),
        ("SLACK_BOT_TOKENS", "is not a setting, but almost SLACK_BOT_TOKEN"),
        ("SLACK_TOKEN", "is not a setting, but almost SLACK_BOT_TOKEN"),
        ("DVPAY_APIKEY", "is not a setting, but almost DVPAY_API_KEY"),
        ("APPROVER", "is not a setting, but almost APPROVERS"),
        ("DATABASE_URI", "is not a setting, but almost DATABASE_URL"),
        ("LOGLEVEL", "is not a setting, but almost LOG_LEVEL"),
        ("approvals_required", "is not a setting, but almost APPROVALS_REQUIRED"),
        ("SLACK_BOT_TOKEN_FILES", "is not a setting, but almost SLACK_BOT_TOKEN_FILE"),
        ("APPROVERS_FILE", "APPROVERS cannot come from a file; set APPROVERS itself"),
    ],
)
def test_a_name_that_almost_matches_is_in_doubt(name: str, line: str) -> None:
    """The operator hears of a setting that has no effect, and which one was meant."""
    assert list(mistyped({**REQUIRED, name: "hunter2"})) == [f"{name}: {line}"]
    assert list(mistyped({**REQUIRED, name: " "})) == []


def test_other_programs_may_have_their_variables() -> None:
    """A variable that is set in every shell and container is no mistake."""
    names = "PATH HOME HOSTNAME LANG LOGNAME SHELL TERM USER PWD PYTHONUNBUFFERED KUBERNETES_PORT TZ SLACK_WEBHOOK_URL"
    assert list(mistyped({**REQUIRED, **dict.fromkeys(names.split(), "x"), "SLACK_BOT_TOKEN_FILE": "/x"})) == []
