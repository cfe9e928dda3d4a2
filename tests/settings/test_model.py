"""The settings as a whole: defaults, rules between two of them, and the documentation."""

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from bot.domain.events import Started
from bot.domain.ids import ORDER_ID
from bot.domain.policy import People
from bot.domain.seal import new_key
from bot.settings import Settings, table
from tests.settings.given import REQUIRED, given_that, problems

NOBODY = People(users=frozenset(), groups=frozenset())


def test_the_required_settings_are_enough() -> None:
    """Every setting that is not required has the default that the documentation names."""
    settings = given_that(LOG_FORMAT="json")

    optional = [name for name in Settings.model_fields if name.upper() not in REQUIRED]
    assert {name: getattr(settings, name) for name in optional} == {
        "slack_signing_secret": None,
        "slack_api_url": "https://slack.com/api/",
        "dvpay_base_url": "https://merchant.dv.vai247.pro",
        "dvpay_moved_from": None,
        "dvpay_app_id": None,
        "database": Path("data/bot.db"),
        "record_key": None,
        "requesters": None,
        "auditors": NOBODY,
        "approval_channel": None,
        "approvals_required": 1,
        "allow_self_approval": False,
        "approval_ttl": timedelta(hours=2),
        "allow_shared_channels": False,
        "order_id_example": "ord_1001",
        "contact": None,
        "mention_approvers": True,
        "remind_after": (timedelta(minutes=5), timedelta(minutes=15)),
        "escalate_after": None,
        "escalate_to": None,
        "order_id_pattern": re.compile("[A-Za-z0-9_-]{1,64}"),
        "erase_text_after": None,
        "order_url": None,
        "reasons": None,
        "reason_required": False,
        "gateway_concurrency": 10,
        "digest": None,
        "host": "127.0.0.1",
        "port": 3000,
        "log_level": "INFO",
        "log_format": "json",
        "traces_to": None,
        "traces_with_ids": False,
    }
    assert settings.slack_bot_token.get_secret_value() == "xoxb-b0t"
    assert settings.slack_app_token == SecretStr("xapp-4pp")
    assert settings.dvpay_api_key.get_secret_value() == "k3y"
    assert settings.approvers == People(users=frozenset({"U01", "U02", "U03"}), groups=frozenset())


@pytest.mark.parametrize(
    "app_token, signing_secret",
    [("xapp-1", None), (None, "s3cret"), ("xapp-1", "s3cret")],
)
def test_one_way_in_from_slack_is_enough(app_token: str | None, signing_secret: str | None) -> None:
    """An app token or a signing secret is enough, and both are allowed."""
    settings = given_that(SLACK_APP_TOKEN=app_token, SLACK_SIGNING_SECRET=signing_secret)

    assert (settings.slack_app_token is None, settings.slack_signing_secret is None) == (
        app_token is None,
        signing_secret is None,
    )


def test_a_user_group_may_reach_any_quorum() -> None:
    """A quorum is not compared with the size of a user group, which may change at any time."""
    assert given_that(APPROVERS="U01,S01", APPROVALS_REQUIRED="5").approvals_required == 5


def test_a_quorum_is_not_judged_by_approvers_that_have_a_problem() -> None:
    """One mistake is one line."""
    assert len(problems(APPROVERS="bob", APPROVALS_REQUIRED="5")) == 1


@pytest.mark.parametrize(
    "changed, minutes",
    [
        ({}, [5, 15]),
        ({"REMIND_AFTER": ""}, [5, 15]),
        ({"REMIND_AFTER": "off"}, []),
        ({"REMIND_AFTER": "1m, 2m,1h"}, [1, 2, 60]),
        # Nobody asked for the defaults that a short time leaves no room for.
        ({"APPROVAL_TTL": "16m"}, [5, 15]),
        ({"APPROVAL_TTL": "15m"}, [5]),
        ({"APPROVAL_TTL": "5m"}, []),
    ],
)
def test_reminders_come_before_the_end(changed: dict[str, str], minutes: list[int]) -> None:
    """They are those that the setting names, or those of the default that a request lives to see."""
    assert given_that(**changed).remind_after == tuple(timedelta(minutes=each) for each in minutes)


@pytest.mark.parametrize(
    "changed, named",
    [
        ({"REMIND_AFTER": "2h"}, ["REMIND_AFTER", "APPROVAL_TTL", "2h"]),
        ({"REMIND_AFTER": "5m,15m", "APPROVAL_TTL": "10m"}, ["REMIND_AFTER", "APPROVAL_TTL", "15m", "10m"]),
        ({"REMIND_AFTER": "15m,5m"}, ["REMIND_AFTER", "ascend"]),
        ({"REMIND_AFTER": "5m,5m"}, ["REMIND_AFTER", "ascend"]),
        ({"REMIND_AFTER": "5m,"}, ["REMIND_AFTER", "duration"]),
        ({"REMIND_AFTER": "soon"}, ["REMIND_AFTER", "duration"]),
        ({"ESCALATE_AFTER": "20m"}, ["ESCALATE_AFTER", "ESCALATE_TO"]),
        ({"ESCALATE_AFTER": "20m", "ESCALATE_TO": ""}, ["ESCALATE_AFTER", "ESCALATE_TO"]),
        ({"ESCALATE_TO": "U09"}, ["ESCALATE_AFTER", "ESCALATE_TO"]),
        ({"ESCALATE_TO": "U09", "ESCALATE_AFTER": "off"}, ["ESCALATE_AFTER", "ESCALATE_TO"]),
        ({"ESCALATE_TO": "U09", "ESCALATE_AFTER": "2h"}, ["ESCALATE_AFTER", "APPROVAL_TTL"]),
        ({"ESCALATE_TO": "U09", "ESCALATE_AFTER": "soon"}, ["ESCALATE_AFTER", "duration"]),
        ({"ESCALATE_TO": "bob", "ESCALATE_AFTER": "20m"}, ["ESCALATE_TO", "user ID"]),
    ],
)
def test_what_could_never_come_is_refused_in_one_line(changed: dict[str, str], named: list[str]) -> None:
    """An escalation to nobody or after the end, and a reminder after the end, name the variables that disagree."""
    (problem,) = problems(**changed)
    assert [word for word in named if word not in problem] == []


def test_an_escalation_needs_both_settings() -> None:
    """With both, people are asked after that time; without both, nobody is."""
    settings = given_that(ESCALATE_AFTER="20m", ESCALATE_TO="U09,S01")
    assert (settings.escalate_after, settings.escalate_to) == (
        timedelta(minutes=20),
        People(users=frozenset({"U09"}), groups=frozenset({"S01"})),
    )
    assert given_that(ESCALATE_AFTER="off").escalate_after is None


@pytest.mark.parametrize("terminal, expected", [(True, "console"), (False, "json")])
def test_the_log_format_depends_on_the_terminal(terminal: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets lines for people, anything else gets JSON."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)

    assert given_that().log_format == expected


def test_the_event_of_a_start_has_the_rules_and_no_secret() -> None:
    """The record of a start has the version and the settings that decide who may do what."""
    settings = given_that(
        AUDITORS="U09",
        APPROVERS="S01,U02",
        APPROVAL_CHANNEL="C01",
        SLACK_SIGNING_SECRET="s3cret",
        ESCALATE_AFTER="20m",
        ESCALATE_TO="U08,S07",
    )

    assert settings.started("1.2.3") == Started(
        version="1.2.3",
        approvers=("S01", "U02"),
        requesters=None,
        auditors=("U09",),
        approvals_required=1,
        allow_self_approval=False,
        approval_ttl_seconds=7200,
        approval_channel="C01",
        order_id_pattern=ORDER_ID,
        dvpay_base_url="https://merchant.dv.vai247.pro",
        escalate_after_seconds=1200,
        escalate_to=("S07", "U08"),
    )
    assert given_that(REQUESTERS="U02,U01").started("1.2.3").requesters == ("U01", "U02")
    assert given_that().started("1.2.3").approval_channel == ""
    assert given_that(ALLOW_SHARED_CHANNELS="true").started("1.2.3").allow_shared_channels
    asked = given_that(REASONS="fraud, wrong amount", REASON_REQUIRED="true").started("1.2.3")
    assert (asked.reasons, asked.reason_required) == (("fraud", "wrong amount"), True)


def test_the_example_fits_the_pattern() -> None:
    """A pattern of one's own has no example but the one that is set, and a wrong one ends the start."""
    assert given_that(ORDER_ID_PATTERN="INV-[0-9]+").order_id_example is None
    assert given_that(ORDER_ID_PATTERN="INV-[0-9]+", ORDER_ID_EXAMPLE="INV-17").order_id_example == "INV-17"
    assert given_that(ORDER_ID_EXAMPLE="A17").order_id_example == "A17"
    wrong = "ORDER_ID_EXAMPLE: 'ord_1001' does not match ORDER_ID_PATTERN, so it would mislead people"
    assert problems(ORDER_ID_PATTERN="INV-[0-9]+", ORDER_ID_EXAMPLE="ord_1001") == [wrong]
    assert len(problems(ORDER_ID_PATTERN="(", ORDER_ID_EXAMPLE="ord_1001")) == 1


@pytest.mark.parametrize("contact", ["C0HELP", "G0HELP", "S0HELP", "U0HELP", "W0HELP"])
def test_a_contact_is_a_channel_a_group_or_a_person(contact: str) -> None:
    """Each is told by its first letter."""
    assert given_that(CONTACT=contact).contact == contact


def test_settings_stay_as_they_were_read() -> None:
    """No part of the bot can change the rules for the others."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(given_that(), "allow_self_approval", True)  # noqa: B010


def test_settings_do_not_show_their_secrets() -> None:
    """Settings in a log line or a traceback show no secret."""
    settings = given_that(SLACK_SIGNING_SECRET="s3cret")

    assert not [secret for secret in settings.secrets() if secret in f"{settings} {settings!r}"]


def test_all_secrets_are_listed_for_the_log() -> None:
    """The settings list every secret that ``bot.log`` has to mask."""
    key = new_key()
    found = given_that(SLACK_SIGNING_SECRET="s3cret", RECORD_KEY=key.text)
    assert found.secrets() == ["xoxb-b0t", "xapp-4pp", "s3cret", "k3y", key.text]
    assert key.text not in repr(found)
    assert found.started("1").record_key == key.public.text


def test_the_table_names_every_variable_with_its_default_and_meaning() -> None:
    """The documentation's table has one row for each variable."""
    rows = table()

    assert [name for name, _, _ in rows] == [
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "SLACK_SIGNING_SECRET",
        "SLACK_API_URL",
        "DVPAY_BASE_URL",
        "DVPAY_MOVED_FROM",
        "DVPAY_APP_ID",
        "DVPAY_API_KEY",
        "DATABASE_URL",
        "RECORD_KEY",
        "ORDER_ID_PATTERN",
        "REASONS",
        "APPROVERS",
        "REQUESTERS",
        "AUDITORS",
        "APPROVAL_CHANNEL",
        "ALLOW_SHARED_CHANNELS",
        "APPROVALS_REQUIRED",
        "ALLOW_SELF_APPROVAL",
        "APPROVAL_TTL",
        "REASON_REQUIRED",
        "ORDER_ID_EXAMPLE",
        "CONTACT",
        "MENTION_APPROVERS",
        "REMIND_AFTER",
        "ESCALATE_AFTER",
        "ESCALATE_TO",
        "ERASE_TEXT_AFTER",
        "ORDER_URL",
        "GATEWAY_CONCURRENCY",
        "DIGEST",
        "HOST",
        "PORT",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "TRACES_TO",
        "TRACES_WITH_IDS",
    ]
    assert [name for name, default, _ in rows if default == "required"] == [
        "SLACK_BOT_TOKEN",
        "DVPAY_API_KEY",
        "APPROVERS",
    ]
    assert all(meaning for _, _, meaning in rows)


def values_in(rows: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Return the defaults that are values, without those that are words about them."""
    words = {
        "",
        "off",
        "no link",
        "no seal",
        "no list",
        "required",
        "everyone",
        "the command's channel",
        "console on a terminal, else json",
        "nobody by name",
    }
    words.add("ord_1001 if `ORDER_ID_PATTERN` is not set")
    return {name: default for name, default, _ in rows if default not in words}


def test_the_defaults_of_the_table_are_the_real_ones() -> None:
    """Setting every variable to its documented default changes nothing."""
    assert given_that(**values_in(table())) == given_that()
