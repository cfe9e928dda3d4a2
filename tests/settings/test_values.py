"""The values of single settings: the texts that are accepted, and the line that each other text gets."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from bot.domain.ids import GROUP_ID, USER_ID
from bot.domain.policy import People
from bot.settings import SettingsProblem, values
from bot.store import Server
from tests.settings.given import SECRETS, given_that, problems

user_ids = st.from_regex("[UW][A-Z0-9]{1,12}", fullmatch=True)
group_ids = st.from_regex("S[A-Z0-9]{1,12}", fullmatch=True)


_DATABASES = "must be sqlite:///a/path, sqlite:////an/absolute/path or postgresql://host/name"


@pytest.mark.parametrize(
    "name, value, problem",
    [
        ("SLACK_BOT_TOKEN", "xoxp-1", "must begin with xoxb-; this looks like another kind of token"),
        ("SLACK_APP_TOKEN", "xoxb-1", "must begin with xapp-; this looks like another kind of token"),
        ("GATEWAY_CONCURRENCY", "0", "'0' is not a whole number from 1 to 100"),
        ("GATEWAY_CONCURRENCY", "101", "'101' is not a whole number from 1 to 100"),
        ("REASON_REQUIRED", "maybe", "'maybe' is not true or false"),
        ("REASONS", "fraud,", "has an empty entry: write one comma between two reasons, and none at the end"),
        ("REASONS", ", ,", "has an empty entry: write one comma between two reasons, and none at the end"),
        ("REASONS", "fraud, a  b, A b", "names 'A b' twice"),
        (
            "REASONS",
            f"fraud,{'x y' * 26}",
            f"{'x y' * 26!r} is too long for a menu in Slack, which shows 75 characters",
        ),
        ("REASONS", ",".join(f"r{n}" for n in range(101)), "has 101 entries, and a menu in Slack has at most 100"),
        ("REASONS", "fraud, zero\u200bwidth", "'zero\\u200bwidth' contains a character that nobody can see"),
        ("REASONS", "fraud, Expired", "'Expired' means something else in a look-up; choose other words"),
        ("SLACK_API_URL", "slack.com/api", "is not an address such as https://example.com"),
        (
            "SLACK_API_URL",
            "http://slack.com/api",
            "must begin with https:// (http:// is allowed for this machine only)",
        ),
        ("SLACK_API_URL", "https://slack.com/api?x", "must not contain ? or #"),
        ("DVPAY_BASE_URL", "ftp://gateway.test", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://gateway.test:port", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://gateway.test:70000", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://[gateway", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://gate way.test", "is not an address such as https://example.com"),
        ("DVPAY_BASE_URL", "https://gateway.test\\@x", "is not an address such as https://example.com"),
        (
            "DVPAY_BASE_URL",
            "http://gateway.test",
            "must begin with https:// (http:// is allowed for this machine only)",
        ),
        ("DVPAY_BASE_URL", "http://10.0.0.1", "must begin with https:// (http:// is allowed for this machine only)"),
        (
            "DVPAY_BASE_URL",
            "http://localhost.test",
            "must begin with https:// (http:// is allowed for this machine only)",
        ),
        ("DVPAY_BASE_URL", "https://u:hunter2@x.test", "must not contain a user name or a password"),
        ("DVPAY_BASE_URL", "https://@x.test", "must not contain a user name or a password"),
        ("DVPAY_BASE_URL", "https://x.test/?", "must not contain ? or #"),
        ("DVPAY_BASE_URL", "https://x.test/#top", "must not contain ? or #"),
        ("DVPAY_BASE_URL", "https://x.test/api", "must have no path: write it like https://example.com"),
        *(
            ("ORDER_URL", value, "must be an https address, such as https://example.com/orders/{order_id}")
            for value in (
                "http://x.test/{order_id}",
                "x.test/{order_id}",
                "https:///{order_id}",
                "https://x/ {order_id}",
            )
        ),
        *(
            ("ORDER_URL", value, "must contain {order_id} once, and no other { or }")
            for value in (
                "https://x.test/orders",
                "https://x.test/{order}",
                "https://x.test/{order_id}/{order_id}",
                "https://x.test/{order_id}/{x}",
                "https://x.test/{{order_id}}",
            )
        ),
        *(
            (
                "ORDER_URL",
                value,
                "must have {order_id} behind the host: https://example.com/orders/{order_id}",
            )
            for value in ("https://{order_id}", "https://{order_id}.x.test/orders")
        ),
        ("ORDER_URL", "https://u:hunter2@x.test/{order_id}", "must not contain a user name or a password"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d", _DATABASES),
        ("DATABASE_URL", "data/bot.db", _DATABASES),
        ("DATABASE_URL", "sqlite://bot.db", _DATABASES),
        ("DATABASE_URL", "sqlite:///", _DATABASES),
        ("DATABASE_URL", "sqlite:///:memory:", _DATABASES),
        ("DATABASE_URL", "sqlite:///x.db?mode=ro", _DATABASES),
        (
            "CONTACT",
            "#help",
            "'#help' is not the ID of a channel (C…, G…), a user group (S…) or a person (U…, W…)",
        ),
        (
            "CONTACT",
            "D0HELP",
            "'D0HELP' is not the ID of a channel (C…, G…), a user group (S…) or a person (U…, W…)",
        ),
        ("ALLOW_SHARED_CHANNELS", "maybe", "'maybe' is not true or false"),
        ("APPROVERS", "bob", "'bob' is not a user ID (U…, W…) or a user-group ID (S…)"),
        (
            "APPROVERS",
            "U1, @bob, <@U2>",
            "'@bob', '<@U2>' are not user IDs (U…, W…) or user-group IDs (S…)",
        ),
        ("APPROVERS", "u1", "'u1' is not a user ID (U…, W…) or a user-group ID (S…)"),
        ("APPROVERS", ",", "must name at least one person or user group"),
        ("REQUESTERS", " , ,", "must name at least one person or user group"),
        ("AUDITORS", "C01", "'C01' is not a user ID (U…, W…) or a user-group ID (S…)"),
        (
            "APPROVAL_CHANNEL",
            "#payments",
            "'#payments' is not a channel ID (C…, G…); copy it from the end of the channel's details in Slack",
        ),
        (
            "APPROVAL_CHANNEL",
            "U01",
            "'U01' is not a channel ID (C…, G…); copy it from the end of the channel's details in Slack",
        ),
        (
            "APPROVAL_CHANNEL",
            "D01",
            "'D01' is not a channel ID (C…, G…); copy it from the end of the channel's details in Slack",
        ),
        ("APPROVALS_REQUIRED", "0", "'0' is not a whole number from 1 to 100"),
        ("APPROVALS_REQUIRED", "-1", "'-1' is not a whole number from 1 to 100"),
        ("APPROVALS_REQUIRED", "two", "'two' is not a whole number from 1 to 100"),
        ("APPROVALS_REQUIRED", "4", "4 approvals can never be reached: APPROVERS names 3"),
        ("ALLOW_SELF_APPROVAL", "maybe", "'maybe' is not true or false"),
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
            "is not a valid regular expression: missing ), unterminated subpattern at position 0",
        ),
        ("ORDER_ID_PATTERN", "a{99999999999}", "is not a regular expression that can be used: it is too large"),
        *(
            (
                "DIGEST",
                value,
                (
                    f"'{value}' is not a day, a time and a time zone, such as mon 09:00 Asia/Phnom_Penh or"
                    " daily 18:30 Europe/Berlin; the days are mon, tue, wed, thu, fri, sat, sun, daily"
                ),
            )
            for value in ("mon", "mon 9:00 UTC", "monday 09:00 UTC", "mon 24:00 UTC", "mon 09:00", "mon 09:00 UTC +1")
        ),
        (
            "DIGEST",
            "mon 09:00 Mars/Base",
            "'Mars/Base' is not a time zone that this machine knows, such as Europe/Berlin",
        ),
        ("DIGEST", "mon 09:00 ../UTC", "'../UTC' is not a time zone that this machine knows, such as Europe/Berlin"),
        ("DIGEST", "mon 09:00 Europe", "'Europe' is not a time zone that this machine knows, such as Europe/Berlin"),
        (
            "DIGEST",
            "mon 09:00 UTC",
            "is set, but APPROVAL_CHANNEL is not, so there is no channel for it; set both, or neither",
        ),
        ("HOST", "0.0.0.0 8080", "'0.0.0.0 8080' is not a host name or an IP address"),
        ("PORT", "65536", "'65536' is not a whole number from 0 to 65535"),
        ("PORT", "3e3", "'3e3' is not a whole number from 0 to 65535"),
        ("LOG_LEVEL", "loud", "'loud' is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("LOG_FORMAT", "xml", "'xml' is not one of console, json"),
    ],
)
def test_a_malformed_value_is_one_line_that_names_the_variable(name: str, value: str, problem: str) -> None:
    """The line for a malformed value names the variable and says how a value looks."""
    assert problems(**{name: value}) == [f"{name}: {problem}"]


@pytest.mark.parametrize("name, first", [("APPROVERS", "U"), ("APPROVERS", "S"), ("APPROVAL_CHANNEL", "C")])
def test_an_id_is_as_strict_as_everywhere_else(name: str, first: str) -> None:
    """An id in the settings has the shape that clicks and filters must have, so it is not of any length."""
    given_that(**{name: first + "0" * 30})
    assert len(problems(**{name: first + "0" * 31})) == 1
    assert len(problems(**{name: first})) == 1


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_no_header_can_carry_is_a_problem(name: str) -> None:
    """A line break inside a secret would end a header early, so it is refused at the start."""
    prefix = {"SLACK_BOT_TOKEN": "xoxb-", "SLACK_APP_TOKEN": "xapp-"}.get(name, "")

    assert problems(**{name: f"{prefix}a\r\nb"}) == [
        f"{name}: must be ASCII without spaces or line breaks, because it goes into an HTTP header"
    ]


@given(users=st.sets(user_ids), groups=st.sets(group_ids), data=st.data())
def test_people_are_read_in_any_order_and_spacing(users: set[str], groups: set[str], data: st.DataObject) -> None:
    """User IDs and group IDs may be mixed, spaced and repeated."""
    ids = data.draw(st.permutations([*users, *groups, *users]))
    gaps = data.draw(st.lists(st.sampled_from([",", ", ", " ,", ",,", " , "]), min_size=len(ids), max_size=len(ids)))
    text = "".join(item + gap for item, gap in zip(ids, gaps, strict=True))

    settings = given_that(AUDITORS=text, REQUESTERS=text or None)

    assert settings.auditors == People(users=frozenset(users), groups=frozenset(groups))
    assert settings.requesters == (settings.auditors if ids else None)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4))
def test_any_text_for_people_gives_ids_or_one_line(items: list[str]) -> None:
    """No text makes an approver of something that is not a Slack ID, and each bad text is one line."""
    try:
        found, lines = given_that(APPROVERS=",".join(items)).approvers, []
    except SettingsProblem as problem:
        found, lines = People(), problem.problems

    assert all(re.fullmatch(USER_ID, user) for user in found.users)
    assert all(re.fullmatch(GROUP_ID, group) for group in found.groups)
    assert [line.partition(":")[0] for line in lines] in ([], ["APPROVERS"])
    assert not [line for line in lines if len(line.splitlines()) != 1]


@given(st.integers(1, 365 * 24 * 3600), st.sampled_from("smhd"))
def test_a_duration_is_a_number_and_a_unit(count: int, unit: str) -> None:
    """A number and a unit give that time, up to a year."""
    expected = timedelta(seconds=count * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit])
    if expected <= timedelta(days=365):
        assert given_that(APPROVAL_TTL=f"{count}{unit}").approval_ttl == expected
    else:
        assert problems(APPROVAL_TTL=f"{count}{unit}") == [f"APPROVAL_TTL: '{count}{unit}' is not between 1s and 365d"]


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
    """The gateway's address has no slash at its end, and needs TLS except on this machine."""
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
    """A method's name can follow Slack's address as it is."""
    assert given_that(SLACK_API_URL=url).slack_api_url == base


@pytest.mark.parametrize(
    "url, path",
    [("sqlite:///data/bot.db", "data/bot.db"), ("sqlite:////var/lib/desk/bot.db", "/var/lib/desk/bot.db")],
)
def test_a_database_address_is_a_path(url: str, path: str) -> None:
    """Three slashes begin a relative path, four an absolute one."""
    assert given_that(DATABASE_URL=url).database == Path(path)


@pytest.mark.parametrize(
    "url, shown",
    [
        ("postgresql://desk@localhost/desk", "postgresql://localhost/desk"),
        ("postgres://desk:hunter2@127.0.0.1:5433/desk", "postgresql://127.0.0.1:5433/desk"),
        ("postgresql://desk@[::1]/desk?sslmode=disable", "postgresql://[::1]/desk"),
        ("postgresql:///desk?host=/run/postgresql", "postgresql:///run/postgresql/desk"),
    ],
)
def test_a_server_on_this_machine_is_taken_as_it_is(url: str, shown: str) -> None:
    """Nobody listens on the way to a loopback address or to a socket."""
    server = given_that(DATABASE_URL=url).database
    assert isinstance(server, Server)
    assert (server.url.get_secret_value(), str(server)) == (url, shown)


@pytest.mark.parametrize(
    "url, becomes",
    [
        ("postgresql://d:p@db.test/desk", "postgresql://d:p@db.test/desk?sslmode=verify-full&sslrootcert=system"),
        (
            "postgresql://d:p@db.test/desk?sslrootcert=/etc/ca.pem",
            "postgresql://d:p@db.test/desk?sslrootcert=/etc/ca.pem&sslmode=verify-full",
        ),
        (
            "postgresql://d@127.0.0.1,db.test/desk?sslmode=verify-full",
            "postgresql://d@127.0.0.1,db.test/desk?sslmode=verify-full&sslrootcert=system",
        ),
        (
            "postgresql://d@localhost/desk?hostaddr=192.0.2.1",
            "postgresql://d@localhost/desk?hostaddr=192.0.2.1&sslmode=verify-full&sslrootcert=system",
        ),
    ],
)
def test_a_server_elsewhere_has_to_prove_who_it_is(url: str, becomes: str) -> None:
    """Without a word about TLS, PostgreSQL's library would go without if somebody in between says so."""
    server = given_that(DATABASE_URL=url).database
    assert isinstance(server, Server)
    assert server.url.get_secret_value() == becomes


@pytest.mark.parametrize(
    "url, problem",
    [
        ("postgresql://d:hunter2@db.test/desk?sslmode=require", "sslmode=verify-full"),
        ("postgresql://d:hunter2@db.test", "must name a database"),
        ("postgresql:///desk", "must name a host"),
        ("postgresql://d:hunter2@db.test/desk?service=x", "must not name a service"),
        ("postgresql://d:hunter2@db.test/desk?hunter2", "is not an address"),
    ],
)
def test_a_server_that_cannot_be_trusted_is_refused_without_its_password(url: str, problem: str) -> None:
    """The line names the variable and the way out."""
    with pytest.raises(SettingsProblem) as refused:
        given_that(DATABASE_URL=url)
    (line,) = refused.value.problems
    assert line.startswith("DATABASE_URL: ")
    assert problem in line
    assert "hunter2" not in line


def test_the_password_of_a_server_is_shown_nowhere() -> None:
    """Neither by the settings, nor by an error, and the log takes it out of every line."""
    settings = given_that(DATABASE_URL="postgresql://desk:hunter%402@127.0.0.1/desk")
    assert "hunter" not in f"{settings!r} {settings} {settings.database!r} {settings.database}"
    assert {"hunter%402", "hunter@2"} < set(settings.secrets())


@pytest.mark.parametrize("text, value", [("true", True), ("YES", True), ("1", True), ("False", False), ("off", False)])
def test_a_switch_takes_the_usual_words(text: str, value: bool) -> None:
    """A switch takes the words that people use for true and false."""
    assert given_that(ALLOW_SELF_APPROVAL=text).allow_self_approval is value


def test_levels_and_formats_are_taken_in_any_case() -> None:
    """``LOG_LEVEL=debug`` is not a mistake."""
    settings = given_that(LOG_LEVEL="debug", LOG_FORMAT="JSON")

    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")


@pytest.mark.parametrize(
    "address",
    [
        "https://x.test/orders/{order_id}",
        "https://x.test/orders?id={order_id}&view=all",
        "https://x.test/#/orders/{order_id}",
        "https://x.test?{order_id}",
    ],
)
def test_the_page_of_an_order_has_its_id_behind_the_host(address: str) -> None:
    """Consoles name the order in the path, the query or the fragment."""
    assert given_that(ORDER_URL=address).order_url == address


@pytest.mark.parametrize(
    "text, written",
    [
        ("mon 09:00 Asia/Phnom_Penh", "mon 09:00 Asia/Phnom_Penh"),
        ("SUN  23:59  UTC", "sun 23:59 UTC"),
        ("Daily 00:00 Europe/Berlin", "daily 00:00 Europe/Berlin"),
        ("off", "None"),
    ],
)
def test_a_digest_has_a_day_a_time_and_a_zone(text: str, written: str) -> None:
    """Capital and small letters make no difference, but for the zone."""
    assert str(given_that(DIGEST=text, APPROVAL_CHANNEL="C01").digest) == written
    assert given_that(APPROVAL_CHANNEL="C01").digest is None


def test_a_wrong_channel_is_told_once() -> None:
    """A digest needs no line of its own then."""
    assert len(problems(DIGEST="daily 09:00 UTC", APPROVAL_CHANNEL="D01")) == 1


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=75), min_size=1, max_size=100))
def test_a_list_of_reasons_is_one_that_a_menu_takes_or_a_problem(entries: list[str]) -> None:
    """Whatever is accepted has entries that differ in any case, each within Slack's limits."""
    try:
        found = values.reasons(" , ".join(entries))
    except ValueError:
        return
    assert found == tuple(entries)
    assert len({each.casefold() for each in found}) == len(found)
    assert all(0 < len(each) <= 75 for each in found)


def test_white_space_in_a_reason_does_not_matter() -> None:
    """A list may be broken over lines in a file of variables."""
    assert given_that(REASONS=" duplicate  payment ,\n\twrong amount").reasons == ("duplicate payment", "wrong amount")


@pytest.mark.parametrize(
    "text, value",
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/"),
        ("http://collector.monitoring:4318/", "http://collector.monitoring:4318/"),
        ("https://example.com/otlp", "https://example.com/otlp/"),
    ],
)
def test_a_collector_of_traces(text: str, value: str) -> None:
    """It may be a plain address in the same network, as traces hold no secret."""
    assert given_that(TRACES_TO=text).traces_to == value


@pytest.mark.parametrize("text", ["collector:4318", "grpc://collector:4317", "http://a:b@collector", "http://x?y=1"])
def test_no_collector_of_traces(text: str) -> None:
    """An address with a password belongs into the headers of OpenTelemetry's own variables."""
    (problem,) = problems(TRACES_TO=text)
    assert problem.startswith("TRACES_TO: ")
    assert "a:b" not in problem
