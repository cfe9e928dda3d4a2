import re
import traceback
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr, ValidationError

from bot.domain.policy import People
from bot.settings import ORDER_ID_PATTERN, Settings, SettingsProblem, load, table

REQUIRED = {
    "SLACK_BOT_TOKEN": "xoxb-b0t",
    "SLACK_APP_TOKEN": "xapp-4pp",
    "DVPAY_API_KEY": "k3y",
    "APPROVERS": "U01,U02,U03",
}
SECRETS = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "DVPAY_API_KEY", "DVPAY_APP_ID")
NOBODY: People = People(users=frozenset(), groups=frozenset())

user_ids = st.from_regex("[UW][A-Z0-9]{1,12}", fullmatch=True)
group_ids = st.from_regex("S[A-Z0-9]{1,12}", fullmatch=True)


def given_that(**changed: str | None) -> Settings:
    """What the required settings give with these changes; None leaves a variable out."""
    environ: dict[str, str | None] = {**REQUIRED, **changed}
    return load({name: value for name, value in environ.items() if value is not None})


def problems(**changed: str | None) -> list[str]:
    """The lines that these changes to the required settings are refused with."""
    with pytest.raises(SettingsProblem) as caught:
        given_that(**changed)
    return caught.value.problems


def test_the_required_settings_are_enough() -> None:
    """Everything that is not required has a default, the one of the documentation."""
    settings = given_that(LOG_FORMAT="json")

    optional = [name for name in Settings.model_fields if name.upper() not in REQUIRED]
    assert {name: getattr(settings, name) for name in optional} == {
        "slack_signing_secret": None,
        "slack_api_url": "https://slack.com/api/",
        "dvpay_base_url": "https://merchant.dv.vai247.pro",
        "dvpay_app_id": None,
        "database_path": Path("data/bot.db"),
        "requesters": None,
        "auditors": NOBODY,
        "approval_channel": None,
        "approvals_required": 1,
        "allow_self_approval": False,
        "approval_ttl": timedelta(hours=24),
        "order_id_pattern": re.compile("[A-Za-z0-9_-]{1,64}"),
        "host": "127.0.0.1",
        "port": 3000,
        "log_level": "INFO",
        "log_format": "json",
    }
    assert settings.slack_bot_token.get_secret_value() == "xoxb-b0t"
    assert settings.slack_app_token == SecretStr("xapp-4pp")
    assert settings.dvpay_api_key.get_secret_value() == "k3y"
    assert settings.approvers == People(users=frozenset({"U01", "U02", "U03"}), groups=frozenset())
    assert settings.web_api_url == settings.slack_api_url


def test_nothing_set_is_one_line_for_each_required_variable() -> None:
    """An empty environment is told all that it lacks, at once."""
    with pytest.raises(SettingsProblem) as caught:
        load({})

    assert caught.value.problems == [
        "SLACK_BOT_TOKEN: is required",
        "SLACK_SIGNING_SECRET: set SLACK_APP_TOKEN for Socket Mode, or this for HTTP mode; one of the two is required",
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


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
@pytest.mark.parametrize("name", [name for name, _, _ in table()])
def test_an_empty_variable_counts_as_unset(name: str, empty: str) -> None:
    """A variable without content is as good as none, as Compose files leave them."""
    if name in REQUIRED and name != "SLACK_APP_TOKEN":
        assert problems(**{name: empty}) == [f"{name}: is required"]
    elif name == "SLACK_APP_TOKEN":
        assert given_that(SLACK_APP_TOKEN=empty, SLACK_SIGNING_SECRET="s").slack_app_token is None
    else:
        assert given_that(**{name: empty}) == given_that()


@pytest.mark.parametrize("file", ["", None])
def test_an_empty_file_variable_counts_as_unset(file: str | None) -> None:
    """NAME_FILE without a path leaves NAME alone."""
    assert given_that(DVPAY_API_KEY_FILE=file).dvpay_api_key == SecretStr("k3y")


@pytest.mark.parametrize(
    "name, value, problem",
    [
        ("SLACK_BOT_TOKEN", "xoxp-1", "does not begin with xoxb-; is it another kind of token?"),
        ("SLACK_APP_TOKEN", "xoxb-1", "does not begin with xapp-; is it another kind of token?"),
        ("SLACK_API_URL", "slack.com/api", "is not an address such as https://example.com"),
        ("SLACK_API_URL", "http://slack.com/api", "must begin with https:// (http:// is for this machine alone)"),
        ("SLACK_API_URL", "https://slack.com/api?x", "must end before any ? or #"),
        ("DVPAY_BASE_URL", "ftp://gateway.test", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://gateway.test:port", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://gateway.test:70000", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://[gateway", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://gate way.test", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://gateway.test\\@x", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "http://gateway.test", "must begin with https:// (http:// is for this machine alone)"),
        ("DVPAY_BASE_URL", "http://10.0.0.1", "must begin with https:// (http:// is for this machine alone)"),
        ("DVPAY_BASE_URL", "http://localhost.test", "must begin with https:// (http:// is for this machine alone)"),
        ("DVPAY_BASE_URL", "https://u:hunter2@x.test", "holds a user name or a password; leave them out"),
        ("DVPAY_BASE_URL", "https://@x.test", "holds a user name or a password; leave them out"),
        ("DVPAY_BASE_URL", "https://x.test/?", "must end before any ? or #"),
        ("DVPAY_BASE_URL", "https://x.test/#top", "must end before any ? or #"),
        (
            "DVPAY_BASE_URL",
            "https://x.test/api",
            "must be the origin alone, such as https://example.com, without a path",
        ),
        ("DATABASE_URL", "postgres://u:hunter2@h/d", "is not sqlite:///a/path or sqlite:////an/absolute/path"),
        ("DATABASE_URL", "data/bot.db", "is not sqlite:///a/path or sqlite:////an/absolute/path"),
        ("DATABASE_URL", "sqlite://bot.db", "is not sqlite:///a/path or sqlite:////an/absolute/path"),
        ("DATABASE_URL", "sqlite:///", "is not sqlite:///a/path or sqlite:////an/absolute/path"),
        ("DATABASE_URL", "sqlite:///:memory:", "is not sqlite:///a/path or sqlite:////an/absolute/path"),
        ("DATABASE_URL", "sqlite:///x.db?mode=ro", "is not sqlite:///a/path or sqlite:////an/absolute/path"),
        ("APPROVERS", "bob", "'bob' is neither a user id (U…, W…) nor a user-group id (S…)"),
        (
            "APPROVERS",
            "U1, @bob, <@U2>",
            "each of '@bob', '<@U2>' is neither a user id (U…, W…) nor a user-group id (S…)",
        ),
        ("APPROVERS", "u1", "'u1' is neither a user id (U…, W…) nor a user-group id (S…)"),
        ("APPROVERS", ",", "names nobody"),
        ("REQUESTERS", " , ,", "names nobody"),
        ("AUDITORS", "C01", "'C01' is neither a user id (U…, W…) nor a user-group id (S…)"),
        (
            "APPROVAL_CHANNEL",
            "#payments",
            "'#payments' is not a channel id (C…, G…); Slack shows the id at the bottom of the channel's details",
        ),
        (
            "APPROVAL_CHANNEL",
            "U01",
            "'U01' is not a channel id (C…, G…); Slack shows the id at the bottom of the channel's details",
        ),
        ("APPROVALS_REQUIRED", "0", "'0' is not a whole number from 1 to 100"),
        ("APPROVALS_REQUIRED", "-1", "'-1' is not a whole number from 1 to 100"),
        ("APPROVALS_REQUIRED", "two", "'two' is not a whole number from 1 to 100"),
        ("APPROVALS_REQUIRED", "4", "4 approvals can never be reached, as APPROVERS names 3"),
        ("ALLOW_SELF_APPROVAL", "maybe", "'maybe' is neither true nor false"),
        ("APPROVAL_TTL", "24", "'24' is not a duration such as 90s, 30m, 4h or 2d"),
        ("APPROVAL_TTL", "-4h", "'-4h' is not a duration such as 90s, 30m, 4h or 2d"),
        ("APPROVAL_TTL", "1h30m", "'1h30m' is not a duration such as 90s, 30m, 4h or 2d"),
        ("APPROVAL_TTL", "٣h", "'٣h' is not a duration such as 90s, 30m, 4h or 2d"),
        ("APPROVAL_TTL", "0s", "'0s' is not between 1s and 365d"),
        ("APPROVAL_TTL", "366d", "'366d' is not between 1s and 365d"),
        ("APPROVAL_TTL", "999999999d", "'999999999d' is not between 1s and 365d"),
        (
            "ORDER_ID_PATTERN",
            "(",
            "is not a regular expression: missing ), unterminated subpattern at position 0",
        ),
        ("HOST", "0.0.0.0 8080", "'0.0.0.0 8080' is not a host name or an IP address"),
        ("PORT", "65536", "'65536' is not a whole number from 0 to 65535"),
        ("PORT", "3e3", "'3e3' is not a whole number from 0 to 65535"),
        ("LOG_LEVEL", "loud", "'loud' is none of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("LOG_FORMAT", "xml", "'xml' is none of console, json"),
    ],
)
def test_a_malformed_value_is_one_line_that_names_the_variable(name: str, value: str, problem: str) -> None:
    """A value that cannot hold is refused in words that say what would."""
    assert problems(**{name: value}) == [f"{name}: {problem}"]


def test_every_problem_is_told_at_once() -> None:
    """Someone who sets the bot up mends everything in one go."""
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
    """Neither the lines nor the traceback show a secret, whether it is the problem or another setting is."""
    with pytest.raises(SettingsProblem) as caught:
        given_that(**{name: bad, "PORT": "x"})

    shown = "".join(traceback.format_exception(caught.value))
    assert "PORT: " in shown
    assert "hunter2" not in shown


def test_settings_do_not_show_their_secrets() -> None:
    """Settings in a log line or a traceback give nothing away."""
    settings = given_that(SLACK_SIGNING_SECRET="s3cret")

    assert not [secret for secret in settings.secrets() if secret in f"{settings} {settings!r}"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_no_header_can_carry_is_a_problem(name: str) -> None:
    """A line break inside a secret would end a header early, and is refused at the start."""
    prefix = {"SLACK_BOT_TOKEN": "xoxb-", "SLACK_APP_TOKEN": "xapp-"}.get(name, "")

    assert problems(**{name: f"{prefix}a\r\nb"}) == [
        f"{name}: holds a space, a line break or a letter outside ASCII, which no HTTP header can carry"
    ]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    """NAME_FILE names a file whose trimmed content is the value."""
    value = REQUIRED.get(name, "fr0mfile")
    file = tmp_path / "secret"
    file.write_text(f"\n {value}\r\n")

    settings = given_that(**{name: None, f"{name}_FILE": str(file)})

    assert settings == given_that(**{name: value})


def test_a_secret_given_twice_is_a_problem(tmp_path: Path) -> None:
    """Two sources for one secret could disagree, so one has to go."""
    file = tmp_path / "secret"
    file.write_text("k3y")

    assert problems(DVPAY_API_KEY_FILE=str(file)) == [
        "DVPAY_API_KEY: is given twice, here and by DVPAY_API_KEY_FILE; keep one of them"
    ]


def test_a_secret_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """The variable and the path stand in the line, whatever is wrong with the file."""
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
        f"DVPAY_APP_ID: DVPAY_APP_ID_FILE names {binary}, which is no text file",
        f"DVPAY_API_KEY: DVPAY_API_KEY_FILE names {empty}, which is empty",
    ]


def test_other_settings_do_not_come_from_files(tmp_path: Path) -> None:
    """Only secrets have a NAME_FILE."""
    file = tmp_path / "port"
    file.write_text("4000")

    assert given_that(PORT_FILE=str(file)).port == 3000


@pytest.mark.parametrize(
    "app_token, signing_secret",
    [("xapp-1", None), (None, "s3cret"), ("xapp-1", "s3cret")],
)
def test_one_way_to_hear_from_slack_is_enough(app_token: str | None, signing_secret: str | None) -> None:
    """An app token, a signing secret, or both."""
    settings = given_that(SLACK_APP_TOKEN=app_token, SLACK_SIGNING_SECRET=signing_secret)

    assert (settings.slack_app_token is None, settings.slack_signing_secret is None) == (
        app_token is None,
        signing_secret is None,
    )


@given(users=st.sets(user_ids), groups=st.sets(group_ids), data=st.data())
def test_people_are_read_in_any_order_and_spacing(users: set[str], groups: set[str], data: st.DataObject) -> None:
    """User ids and group ids may be mixed, spaced and repeated as people type them."""
    ids = data.draw(st.permutations([*users, *groups, *users]))
    gaps = data.draw(st.lists(st.sampled_from([",", ", ", " ,", ",,", " , "]), min_size=len(ids), max_size=len(ids)))
    text = "".join(item + gap for item, gap in zip(ids, gaps, strict=True))

    settings = given_that(AUDITORS=text, REQUESTERS=text or None)

    assert settings.auditors == People(users=frozenset(users), groups=frozenset(groups))
    assert settings.requesters == (settings.auditors if ids else None)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4))
def test_whatever_is_typed_as_people_ends_in_ids_or_in_one_line(items: list[str]) -> None:
    """No text makes someone an approver who has no Slack id, and none raises anything unexpected."""
    try:
        users, lines = given_that(APPROVERS=",".join(items)).approvers.users, []
    except SettingsProblem as problem:
        users, lines = frozenset(), problem.problems

    assert all(re.fullmatch("[UW][A-Z0-9]+", user) for user in users)
    assert [line.partition(":")[0] for line in lines] in ([], ["APPROVERS"])
    assert not [line for line in lines if len(line.splitlines()) != 1]


@given(st.integers(1, 365 * 24 * 3600), st.sampled_from("smhd"))
def test_a_duration_means_what_it_says(count: int, unit: str) -> None:
    """A number and a unit give that time, up to a year."""
    expected = timedelta(seconds=count * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit])
    if expected <= timedelta(days=365):
        assert given_that(APPROVAL_TTL=f"{count}{unit}").approval_ttl == expected
    else:
        assert problems(APPROVAL_TTL=f"{count}{unit}") == [f"APPROVAL_TTL: '{count}{unit}' is not between 1s and 365d"]


def test_a_user_group_may_reach_any_quorum() -> None:
    """How many people a group has is not known at the start, so it is not judged."""
    assert given_that(APPROVERS="U01,S01", APPROVALS_REQUIRED="5").approvals_required == 5


def test_a_quorum_is_not_judged_by_approvers_that_have_a_problem() -> None:
    """One mistake is one line."""
    assert len(problems(APPROVERS="bob", APPROVALS_REQUIRED="5")) == 1


@pytest.mark.parametrize(
    "url, origin",
    [
        ("https://gateway.test", "https://gateway.test"),
        ("https://gateway.test/", "https://gateway.test"),
        ("HTTPS://gateway.test:8443/", "https://gateway.test:8443"),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://[::1]:9", "http://[::1]:9"),
        ("http://localhost:9", "http://localhost:9"),
    ],
)
def test_the_gateway_is_an_origin(url: str, origin: str) -> None:
    """TLS everywhere but on this machine, and no slash at the end."""
    assert given_that(DVPAY_BASE_URL=url).dvpay_base_url == origin


@pytest.mark.parametrize(
    "url, base",
    [
        ("https://slack.com/api", "https://slack.com/api/"),
        ("https://proxy.test/slack/api//", "https://proxy.test/slack/api/"),
        ("http://localhost:9", "http://localhost:9/"),
    ],
)
def test_slack_is_a_base_with_one_slash_at_the_end(url: str, base: str) -> None:
    """A method's name can be put behind it as it is."""
    assert given_that(SLACK_API_URL=url).slack_api_url == base


@pytest.mark.parametrize(
    "url, path",
    [("sqlite:///data/bot.db", "data/bot.db"), ("sqlite:////var/lib/desk/bot.db", "/var/lib/desk/bot.db")],
)
def test_a_database_address_is_a_path(url: str, path: str) -> None:
    """Three slashes are relative, four absolute."""
    assert given_that(DATABASE_URL=url).database_path == Path(path)


@pytest.mark.parametrize("text, value", [("true", True), ("YES", True), ("1", True), ("False", False), ("off", False)])
def test_a_switch_takes_the_usual_words(text: str, value: bool) -> None:
    """True and false, in the words that people use for them."""
    assert given_that(ALLOW_SELF_APPROVAL=text).allow_self_approval is value


def test_levels_and_formats_are_taken_in_any_case() -> None:
    """``LOG_LEVEL=debug`` is no mistake."""
    settings = given_that(LOG_LEVEL="debug", LOG_FORMAT="JSON")

    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")


@pytest.mark.parametrize("terminal, expected", [(True, "console"), (False, "json")])
def test_the_log_suits_who_reads_it(terminal: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """People at a terminal get lines to read, anything else gets JSON."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)

    assert given_that().log_format == expected


def test_the_record_of_a_start_has_what_decides_and_no_secret() -> None:
    """The audit event of a start tells under which rules the bot ran."""
    settings = given_that(AUDITORS="U09", APPROVERS="S01,U02", APPROVAL_CHANNEL="C01", SLACK_SIGNING_SECRET="s3cret")

    assert settings.for_audit() == {
        "approvers": ["S01", "U02"],
        "requesters": "everyone",
        "auditors": ["U09"],
        "approvals_required": 1,
        "allow_self_approval": False,
        "approval_ttl_seconds": 86400,
        "approval_channel": "C01",
        "order_id_pattern": ORDER_ID_PATTERN,
        "dvpay_base_url": "https://merchant.dv.vai247.pro",
    }
    assert given_that(REQUESTERS="U02,U01").for_audit()["requesters"] == ["U01", "U02"]


def test_settings_stay_as_they_were_read() -> None:
    """No part of the bot can change the rules for the others."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(given_that(), "allow_self_approval", True)  # noqa: B010


def test_all_secrets_are_listed_for_the_log() -> None:
    """What ``bot.log`` has to mask is known from the settings alone."""
    assert given_that(SLACK_SIGNING_SECRET="s3cret").secrets() == ["xoxb-b0t", "xapp-4pp", "s3cret", "k3y"]


def test_the_table_names_every_variable_with_its_default_and_meaning() -> None:
    """The documentation's table has one row for each variable."""
    rows = table()

    assert [name for name, _, _ in rows] == [
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "SLACK_SIGNING_SECRET",
        "SLACK_API_URL",
        "DVPAY_BASE_URL",
        "DVPAY_APP_ID",
        "DVPAY_API_KEY",
        "DATABASE_URL",
        "APPROVERS",
        "REQUESTERS",
        "AUDITORS",
        "APPROVAL_CHANNEL",
        "APPROVALS_REQUIRED",
        "ALLOW_SELF_APPROVAL",
        "APPROVAL_TTL",
        "ORDER_ID_PATTERN",
        "HOST",
        "PORT",
        "LOG_LEVEL",
        "LOG_FORMAT",
    ]
    assert [name for name, default, _ in rows if default == "required"] == [
        "SLACK_BOT_TOKEN",
        "DVPAY_API_KEY",
        "APPROVERS",
    ]
    assert all(meaning for _, _, meaning in rows)


def values_in(rows: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """The defaults that are values, not words about them."""
    words = {"", "required", "everyone", "where the command ran", "console on a terminal, else json"}
    return {name: default for name, default, _ in rows if default not in words}


def test_the_defaults_of_the_table_are_the_real_ones() -> None:
    """Setting every variable to the default that the documentation names changes nothing."""
    assert given_that(**values_in(table())) == given_that()
