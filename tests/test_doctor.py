"""``doctor`` with a local Slack and gateway: everything in order, and each possible problem."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from bot.cli import main
from bot.doctor import Finding, Level, examine, summary, to_json
from bot.doctor.ways import check_ways
from bot.domain.audit import BOT
from bot.domain.cancellation import State
from bot.domain.events import BackedUp, Frozen, Started, Unfrozen
from bot.domain.seal import new_key
from bot.sandbox.faults import ApiError, Drop, broken
from bot.sandbox.gateway import LocalGateway
from bot.sandbox.gateway_answers import error
from bot.sandbox.stage import FRANK, GENERAL
from bot.settings import load, load_network, table
from bot.store import Server, Store, open_beside, prepare
from bot.tuning import utc_now
from tests.flows.desk import ANN, BEN, CLEO, LEADS, OLGA, PAYMENTS, VERA, Desk
from tests.postgres import Cluster, cluster
from tests.tls import Authority, ConnectProxy, tls_in_front


@pytest.fixture
async def desk(database: Path) -> AsyncIterator[Desk]:
    """A workspace, a gateway and a sound database."""
    store = Store(database)
    await store.open()
    await store.close()
    async with Desk(database) as desk:
        yield desk


async def report(desk: Desk, **changes: str) -> list[Finding]:
    """Return everything that doctor finds."""
    return await examined(desk, changes)


async def examined(
    desk: Desk, changes: dict[str, str], *, post: bool = False, request_url: str | None = None
) -> list[Finding]:
    """Return the same, with the options of the command."""
    settings = load(desk.environment(**changes))
    return [finding async for finding in examine(settings, post=post, request_url=request_url)]


async def found(desk: Desk, subject: str, **changes: str) -> Finding:
    """Return the one finding about this subject."""
    [finding] = [each for each in await report(desk, **changes) if each.subject == subject]
    return finding


def remedied(findings: list[Finding]) -> list[str]:
    """Return the lines that ask for something, but for what is never known in a new sandbox."""
    return [each.line for each in findings if each.remedy and each.subject not in {"seal", "backup"}]


async def test_everything_in_order(desk: Desk) -> None:
    """Nothing asks for anything, but a signature that no version makes yet."""
    findings = await report(desk)
    assert remedied(findings) == []
    assert {finding.subject for finding in findings} >= {
        "settings", "database", "guards", "record", "seal", "backup", "gateway", "API key", "way to Slack",
        "way to the gateway", "trusted certificates", "Slack bot token", "Slack app token", "Slack scopes",
        "clock against Slack", "approval channel", f"approver {BEN}", f"approver group {LEADS}", f"auditor {VERA}",
        "requesters", "approvals",
    }  # fmt: skip
    assert summary(findings) == "0 problems, 1 not checked"


async def test_every_line_names_its_setting(desk: Desk) -> None:
    """Whoever has to put it right knows where, and each name is one that exists."""
    known = {name for name, _, _ in table()} | {
        *("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
    changes = desk.by_http | {"CONTACT": BEN, "REQUESTERS": BEN, "ESCALATE_TO": OLGA, "ESCALATE_AFTER": "20m"}
    for findings in (await report(desk, **changes), await examined(desk, {}, post=True)):
        for each in findings:
            names = set(each.setting.split(", ")) - {""}
            assert names <= known, each
            assert names or each.subject == "settings", each
            assert not each.setting or f"({each.setting})" in each.line
            assert (each.level is Level.OK) is (each.remedy == ""), each
            assert not each.state.endswith("."), each
            assert not each.remedy or each.remedy.endswith("."), each


async def test_what_the_seal_proves_is_told(desk: Desk) -> None:
    """Which key it is, whether the settings have it, and what to do where they do not."""
    key, other = new_key(), new_key()
    line = (await found(desk, "seal")).line
    assert "has no seal, so it does not prove who wrote it" in line
    assert "Run record new-key and set RECORD_KEY" in line
    line = (await found(desk, "seal", RECORD_KEY=key.text)).line
    assert (
        line == f"ok       seal (RECORD_KEY): the bot will seal from its next start on with the key {key.public.text}"
    )
    await desk.start_bot(RECORD_KEY=key.text)
    await desk.stop_bot()
    line = (await found(desk, "seal", RECORD_KEY=key.text)).line
    assert line.endswith(f"is sealed up to its end; give auditors the public key {key.public.text}")
    said = await found(desk, "seal", RECORD_KEY=other.text)
    assert (said.level, other.public.short in said.line) == (Level.WARNING, True)
    said = await found(desk, "seal")
    assert (said.level, "without it the bot does not start" in said.line) == (Level.PROBLEM, True)
    assert all(each.text not in said.line for each in (key, other))


@pytest.mark.parametrize("app, fine", [("A0LOCAL", True), ("A0OTHER", False)])
async def test_tokens_of_two_apps_are_found(desk: Desk, app: str, fine: bool) -> None:
    """Both tokens are accepted, and no click could ever come."""
    desk.slack.app_token = f"xapp-1-{app}-123-abc"
    (line,) = [finding.line for finding in await report(desk) if finding.subject == "Slack app token"]
    if fine:
        assert line == "ok       Slack app token (SLACK_APP_TOKEN): accepted for Socket Mode"
    else:
        assert line == (
            "problem  Slack app token (SLACK_APP_TOKEN): is of the app A0OTHER, and SLACK_BOT_TOKEN is of A0LOCAL, so"
            " no click can come. Copy SLACK_APP_TOKEN and SLACK_BOT_TOKEN from the same app."
        )


def archive(desk: Desk) -> None:
    """Archive the approval channel."""
    desk.slack.space.channels[PAYMENTS].archived = True


def leave(desk: Desk) -> None:
    """Remove the bot from the approval channel."""
    desk.slack.space.channels[PAYMENTS].members.discard(desk.slack.space.bot_user_id)


def robot(desk: Desk) -> None:
    """Make a bot of an approver."""
    desk.slack.space.users[BEN].is_bot = True


def deactivate(desk: Desk) -> None:
    """Deactivate an approver."""
    desk.slack.space.users[BEN].deleted = True


@pytest.mark.parametrize(
    "spoil, words",
    [
        pytest.param(archive, "is archived. Unarchive it", id="archived"),
        pytest.param(leave, "the bot is not in #payments. Type /invite", id="not invited"),
        pytest.param(deactivate, "is deactivated. Remove this ID from APPROVERS", id="deactivated"),
        pytest.param(robot, "is a bot. Remove this ID from APPROVERS", id="bot"),
        pytest.param(
            lambda desk: desk.slack.space.groups.update({LEADS: []}), "is empty. Add members", id="empty group"
        ),
        pytest.param(lambda desk: desk.slack.space.groups.clear(), "does not know this ID", id="no group"),
        pytest.param(lambda desk: desk.slack.space.users.pop(BEN), "does not know this ID", id="no user"),
        pytest.param(lambda desk: desk.slack.api.scopes.discard("im:write"), "missing im:write (opening", id="scope"),
        pytest.param(
            lambda desk: desk.slack.faults.add("usergroups.users.list", ApiError("plan_upgrade_required")),
            "need a paid Slack plan",
            id="plan",
        ),
        pytest.param(
            lambda desk: desk.slack.faults.add("users.info", ApiError("missing_scope")),
            "a scope is missing",
            id="no scope",
        ),
        pytest.param(
            lambda desk: desk.slack.faults.add("users.info", ApiError("odd")), "call to Slack failed (odd)", id="odd"
        ),
        pytest.param(lambda desk: desk.slack.faults.add("auth.test", Drop()), "call to Slack failed", id="dropped"),
        pytest.param(
            lambda desk: desk.slack.faults.add("auth.test", ApiError("invalid_auth")), "rejects the token", id="auth"
        ),
    ],
)
async def test_each_problem_has_a_line_with_a_remedy(desk: Desk, spoil: Callable[[Desk], object], words: str) -> None:
    """A problem has a line with its remedy, and everything else is still checked."""
    desk.slack.api.scopes = set(desk.slack.api.scopes)
    spoil(desk)
    # With an approver fewer there is a warning as well.
    [line] = [line for line in remedied(await report(desk)) if line.startswith("problem ")]
    assert words in line


@pytest.mark.parametrize("contact, state", [(PAYMENTS, "#payments"), (LEADS, "a user group with 1"), (BEN, "ben")])
async def test_a_contact_is_looked_up(desk: Desk, contact: str, state: str) -> None:
    """The line names the channel or the person, or says how many are in the group."""
    [line] = [each.line for each in await report(desk, CONTACT=contact) if each.subject == "contact"]
    assert line.startswith(f"ok       contact (CONTACT): {state}")


@pytest.mark.parametrize(
    "contact, spoil, words",
    [
        ("C0NOWHERE", lambda _: None, "Slack does not know this ID (channel_not_found)"),
        ("S0NOWHERE", lambda _: None, "Slack does not know this ID (no_such_subteam)"),
        ("U0NOWHERE", lambda _: None, "Slack does not know this ID (user_not_found)"),
        (GENERAL, lambda desk: setattr(desk.slack.space.channels[GENERAL], "archived", True), "is archived. Unarchive"),
        (OLGA, lambda desk: setattr(desk.slack.space.users[OLGA], "deleted", True), "is deactivated or a bot. Set"),
        ("S0EMPTY", lambda desk: desk.slack.space.groups.update({"S0EMPTY": []}), "is an empty user group. Add"),
    ],
)
async def test_a_contact_that_cannot_help_is_a_problem(
    desk: Desk, contact: str, spoil: Callable[[Desk], object], words: str
) -> None:
    """People would be sent to nobody."""
    spoil(desk)
    [line] = remedied(await report(desk, CONTACT=contact))
    assert line.startswith("problem  contact (CONTACT): ")
    assert words in line


async def test_an_approval_channel_that_is_shared_is_a_problem_unless_that_is_allowed(desk: Desk) -> None:
    """The remedy names both ways out."""
    desk.share(PAYMENTS)
    [line] = remedied(await report(desk))
    assert "#payments is shared with another company" in line
    assert "ALLOW_SHARED_CHANNELS=true" in line
    assert not remedied(await report(desk, ALLOW_SHARED_CHANNELS="true"))
    assert "as you allow it" in (await found(desk, "approval channel", ALLOW_SHARED_CHANNELS="true")).state


async def test_the_people_of_an_escalation_are_checked_like_approvers(desk: Desk) -> None:
    """Each person and group of ESCALATE_TO has a line of its own, and a remedy that names this setting."""
    desk.slack.space.users[VERA].deleted = True
    changes = {"ESCALATE_AFTER": "20m", "ESCALATE_TO": f"{OLGA},{VERA},{LEADS},S0NONE"}
    lines = {finding.subject: finding.line for finding in await report(desk, **changes)}
    assert lines[f"escalation {OLGA}"] == f"ok       escalation {OLGA} (ESCALATE_TO): olga"
    assert "Remove this ID from ESCALATE_TO" in lines[f"escalation {VERA}"]
    assert lines[f"escalation group {LEADS}"].endswith("1 members")
    assert "does not know this ID" in lines["escalation group S0NONE"]


async def test_slack_and_gateway_away(desk: Desk) -> None:
    """A Slack and a gateway that are down are both named, with the settings to check."""
    await desk.slack.stop()
    await desk.gateway.stop()
    lines = "\n".join(finding.line for finding in await report(desk))
    assert "Slack is not reachable" in lines
    assert "Check DVPAY_BASE_URL" in lines
    await desk.slack.start()


async def test_certificates_that_are_not_trusted(desk: Desk, tmp_path: Path) -> None:
    """Both sides are named as that, with the way out, and not as unreachable."""
    context = Authority(tmp_path / "authority").context("127.0.0.1")
    slack, gateway = (urlsplit(url).port or 0 for url in (desk.slack.api_url, desk.gateway.base_url))
    async with tls_in_front(slack, context) as slack, tls_in_front(gateway, context) as gateway:
        changes = {
            "SLACK_API_URL": f"https://127.0.0.1:{slack}/api/",
            "DVPAY_BASE_URL": f"https://127.0.0.1:{gateway}",
        }
        lines = {finding.subject: finding.line for finding in await report(desk, **changes)}
    for subject in ("gateway", "Slack bot token"):
        assert "its certificate is not trusted: " in lines[subject]
        assert "add the CA by SSL_CERT_FILE" in lines[subject]
        assert "not reachable" not in lines[subject]


async def test_a_proxy_that_refuses(desk: Desk) -> None:
    """It is named on both sides, with the variable and without its password."""
    async with ConnectProxy({}) as proxy:
        network = load_network({"HTTPS_PROXY": f"http://desk:hunter2@127.0.0.1:{proxy.port}"})
        changes = {"SLACK_API_URL": "https://slack.test/api/", "DVPAY_BASE_URL": "https://gateway.test"}
        settings = load(desk.environment(**changes))
        lines = {finding.subject: finding.line async for finding in examine(settings, network)}
    for subject in ("gateway", "Slack bot token"):
        assert "the proxy made no connection" in lines[subject]
        assert "HTTPS_PROXY" in lines[subject]
        assert "hunter2" not in lines[subject]


async def test_a_variable_in_doubt_is_a_warning(desk: Desk) -> None:
    """It is named, but may belong to another program."""
    doubt = "APPROVAL_CHANEL: is not a setting, but almost APPROVAL_CHANNEL"
    findings = [finding async for finding in examine(load(desk.environment()), doubts=[doubt])]
    [line] = remedied(findings)
    assert line.startswith("warning  variable (APPROVAL_CHANEL): is not a setting, but almost APPROVAL_CHANNEL. ")
    assert summary(findings) == "0 problems, 1 warning, 1 not checked"


async def test_clocks_apart(desk: Desk) -> None:
    """A clock that is minutes off is a problem before the gateway rejects calls."""
    async with LocalGateway(now=lambda: utc_now() + timedelta(minutes=4)) as gateway:
        desk.gateway, former = gateway, desk.gateway
        assert "Set this machine's clock" in "\n".join(finding.line for finding in await report(desk))
        desk.gateway = former


async def test_a_database_that_is_not_there_yet(desk: Desk, tmp_path: Path) -> None:
    """Before the first start there is no file, which is in order if the folder can be written."""
    findings = await report(desk, DATABASE_URL=f"sqlite:///{tmp_path}/new/bot.db")
    assert "will be created" in "\n".join(finding.line for finding in findings)
    findings = await report(desk, DATABASE_URL=f"sqlite:///{desk.database}/folder/bot.db")
    assert "cannot be written" in "\n".join(finding.line for finding in findings if finding.remedy)


async def about_the_server(desk: Desk, url: str) -> dict[str, str]:
    """Return the lines about the database on a server, by their subjects."""
    found = await report(desk, DATABASE_URL=url)
    return {
        each.subject: each.line
        for each in found
        if each.subject in {"server", "database", "standby", "database role", "guards", "record", "backup"}
    }


async def test_a_server_is_looked_at(desk: Desk, postgres: Cluster) -> None:
    """Its version, the way to it, its standbys, the rights of the bot's role, and the record on it."""
    database = postgres.empty()
    new = await about_the_server(desk, postgres.url(database))
    assert " is PostgreSQL " in new["server"]
    assert "not encrypted, on this machine, and answers in " in new["server"]
    assert new["standby"].startswith("warning  standby (DATABASE_URL): no commit waits for a standby")
    assert new["database"] == (
        "ok       database (DATABASE_URL): the tables will be made at the first start, or by migrate"
    )
    with postgres.connect() as other:
        other.execute("CREATE ROLE examined LOGIN")
    prepare(Server(SecretStr(postgres.url(database))), "examined")
    owner = await about_the_server(desk, postgres.url(database))
    assert owner["database role"].startswith("warning  database role (DATABASE_URL): the bot's role owns the tables")
    assert owner["database"].endswith(" is sound; no bot has it open")
    assert owner["guards"].startswith("ok ")
    assert owner["record"].startswith("ok ")
    assert owner["backup"].startswith("ok       backup (DATABASE_URL): there is nothing to copy yet")
    limited = await about_the_server(desk, postgres.url(database, "examined"))
    assert "database role" not in limited
    assert limited["record"].startswith("ok ")


async def test_a_server_that_is_away_has_a_remedy(desk: Desk) -> None:
    """In one line, without the password."""
    lines = await about_the_server(desk, "postgresql://desk:hunter2@127.0.0.1:1/desk")
    assert lines["database"].startswith(
        "problem  database (DATABASE_URL): postgresql://127.0.0.1:1/desk: the database server does not"
    )
    assert "hunter2" not in str(lines)


async def test_a_standby_that_a_commit_waits_for_is_named(desk: Desk) -> None:
    """The server's own setting says so."""
    with cluster(synchronous_standby_names="ANY 1 (one, two)") as own:
        lines = await about_the_server(desk, own.url("postgres"))
    assert lines["standby"] == "ok       standby (DATABASE_URL): each commit waits for one of: ANY 1 (one, two)"


async def test_a_folder_in_place_of_the_database(desk: Desk, tmp_path: Path) -> None:
    """It is named as that, not as a failing disk."""
    findings = await report(desk, DATABASE_URL=f"sqlite:///{tmp_path}")
    assert f"{tmp_path} is a folder. " in "\n".join(finding.line for finding in findings if finding.remedy)


async def test_a_damaged_database(desk: Desk) -> None:
    """A broken file and a changed record get different lines."""
    with closing(sqlite3.connect(desk.database)) as connection, connection:
        connection.execute("INSERT INTO audit_events VALUES (1, '', '', '', '', '', '', ?, '')", ["0" * 64])
    lines = "\n".join(finding.line for finding in await report(desk) if finding.remedy)
    assert "does not have the content that it was written with" in lines
    for path in desk.database.parent.glob("bot.db-*"):
        path.unlink()
    await asyncio.to_thread(desk.database.write_bytes, b"SQLite format 3\0" + b"x" * 5000)
    assert "database" in [finding.subject for finding in await report(desk) if finding.remedy]


# --- the API key --------------------------------------------------------------------------------------


async def test_the_api_key_is_tried_without_touching_an_order(desk: Desk) -> None:
    """The balance inquiry gets the key and nothing else, and its answer is shown nowhere."""
    findings = await report(desk)
    [line] = [each.line for each in findings if each.subject == "API key"]
    assert line == "ok       API key (DVPAY_API_KEY): the gateway accepts it for a balance inquiry"
    assert "1234" not in to_json(findings)
    [call] = desk.gateway.calls
    assert (call.method, call.path, call.body) == ("POST", "/api/v1/payment-gateway/balance-inquiry", "")
    assert not {name.lower() for name in call.headers} & {"x-app-id", "x-timestamp"}


@pytest.mark.parametrize(
    "spoil, key, level, words",
    [
        pytest.param(lambda _: None, "wrong-key", Level.PROBLEM, "the gateway rejects it", id="wrong"),
        pytest.param(
            lambda desk: setattr(desk.gateway, "tells_balance", False),
            "local-key",
            Level.UNKNOWN,
            "not tried: this gateway has no balance inquiry",
            id="an older gateway",
        ),
        pytest.param(
            lambda desk: desk.gateway.faults.add("*", broken(502)),
            "local-key",
            Level.UNKNOWN,
            "says nothing about it (HTTP 502)",
            id="a proxy's answer",
        ),
        pytest.param(
            lambda desk: desk.gateway.faults.add("*", error(403, "IP_NOT_ALLOWED", "This IP address is not allowed.")),
            "local-key",
            Level.PROBLEM,
            "turned the call away (HTTP 403)",
            id="turned away",
        ),
        pytest.param(
            lambda desk: desk.gateway.faults.add("*", error(401, "INVALID_TIMESTAMP", "X-Timestamp is too old.")),
            "local-key",
            Level.PROBLEM,
            "did not accept the time",
            id="the clock",
        ),
        pytest.param(lambda desk: desk.gateway.faults.add("*", Drop()), "local-key", None, "", id="no answer"),
    ],
)
async def test_what_the_gateway_says_about_the_key(
    desk: Desk, spoil: Callable[[Desk], object], key: str, level: Level | None, words: str
) -> None:
    """An older gateway's answer is no verdict about the key, and neither is that of somebody else."""
    spoil(desk)
    findings = {each.subject: each for each in await report(desk, DVPAY_API_KEY=key)}
    if level is None:
        assert "API key" not in findings
        return
    assert findings["API key"].level is level
    assert words in findings["API key"].line


# --- Slack --------------------------------------------------------------------------------------------


async def test_scopes_that_slack_does_not_name_are_not_missing(desk: Desk) -> None:
    """Something on the way may remove the header, so this is not known."""
    desk.slack.names_scopes = False
    finding = await found(desk, "Slack scopes")
    assert (finding.level, finding.state) == (
        Level.UNKNOWN,
        "not known, because Slack did not say which ones the token has",
    )


async def test_a_clock_that_is_not_slacks_is_a_problem(database: Path) -> None:
    """In HTTP mode every click would be refused."""
    async with Desk(database, now=lambda: utc_now() - timedelta(minutes=4)) as desk:
        finding = await found(desk, "clock against Slack")
    assert finding.level is Level.PROBLEM
    assert "Set this machine's clock" in finding.remedy


async def test_the_way_of_the_cards_without_a_channel_is_told(desk: Desk) -> None:
    """The operator learns that the bot has to be in each of these channels."""
    finding = await found(desk, "approval channel", APPROVAL_CHANNEL="")
    assert (finding.level, finding.state) == (
        Level.OK,
        "not set, so each card goes to the channel where the command was typed, if the bot is in it",
    )


async def test_a_channel_that_is_about_to_be_shared_is_a_problem(desk: Desk) -> None:
    """Another company is invited already."""
    desk.slack.space.channels[PAYMENTS].pending_shared = True
    finding = await found(desk, "approval channel")
    assert finding.level is Level.PROBLEM
    assert "about to be shared" in finding.state


async def test_a_test_card_is_posted_only_on_demand(desk: Desk) -> None:
    """It has no buttons, and the line has its address."""
    await report(desk)
    assert desk.slack.space.messages(PAYMENTS) == []
    findings = await examined(desk, {}, post=True)
    [card] = desk.slack.space.messages(PAYMENTS)
    assert "This is a test" in desk.ann.reads(card)
    assert "[" not in desk.ann.reads(card)
    [line] = [each.line for each in findings if each.subject == "test card"]
    assert line.endswith(f"/archives/{PAYMENTS}/p{card.ts.replace('.', '')}")


@pytest.mark.parametrize("changes, words", [({"APPROVAL_CHANNEL": ""}, "not posted"), ({}, "failed (is_archived)")])
async def test_a_test_card_that_is_not_posted_says_why(desk: Desk, changes: dict[str, str], words: str) -> None:
    """There is no channel for it, or Slack refuses it."""
    desk.slack.space.channels[PAYMENTS].archived = True
    [finding] = [each for each in await examined(desk, changes, post=True) if each.subject == "test card"]
    assert words in finding.state
    assert finding.remedy


# --- people -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting, title", [("REQUESTERS", "requester"), ("AUDITORS", "auditor")])
async def test_the_people_of_every_setting_are_looked_at(desk: Desk, setting: str, title: str) -> None:
    """A deactivated one, a guest, a bot and one of another company, each with the setting in its line."""
    desk.share(PAYMENTS)
    users = desk.slack.space.users
    users[VERA].deleted, users[OLGA].is_restricted, users[ANN].is_bot = True, True, True
    changes = {setting: f"{VERA},{OLGA},{ANN},{FRANK},{CLEO},U0NOBODY,S0NONE", "ALLOW_SHARED_CHANNELS": "true"}
    lines = {each.subject: each.line for each in await report(desk, **changes)}
    assert f"is deactivated. Remove this ID from {setting}." in lines[f"{title} {VERA}"]
    assert lines[f"{title} {OLGA}"].startswith("warning ")
    assert "is a guest in this workspace" in lines[f"{title} {OLGA}"]
    assert "is a bot. " in lines[f"{title} {ANN}"]
    assert "belongs to another company" in lines[f"{title} {FRANK}"]
    assert lines[f"{title} {CLEO}"] == f"ok       {title} {CLEO} ({setting}): cleo"
    assert f"Correct {setting}" in lines[f"{title} U0NOBODY"]
    assert f"Correct {setting}" in lines[f"{title} group S0NONE"]


@pytest.mark.parametrize(
    "changes, spoil, level, words",
    [
        pytest.param({}, lambda _: None, Level.OK, "2 people can approve; a request needs 1", id="enough"),
        pytest.param(
            {"APPROVERS": f"{CLEO},{LEADS}"}, lambda _: None, Level.WARNING, "1 person can approve", id="counted once"
        ),
        pytest.param(
            {"APPROVALS_REQUIRED": "2"}, deactivate, Level.PROBLEM, "1 person can approve; a request needs 2", id="gone"
        ),
        pytest.param(
            {"APPROVALS_REQUIRED": "2"},
            lambda _: None,
            Level.WARNING,
            "A request by one of them can never be approved",
            id="a requester who is one of them",
        ),
        pytest.param(
            {"APPROVALS_REQUIRED": "2", "REQUESTERS": ANN},
            lambda _: None,
            Level.OK,
            "a request needs 2",
            id="others ask",
        ),
        pytest.param(
            {"APPROVALS_REQUIRED": "2", "REQUESTERS": f"{ANN},{LEADS}"},
            lambda _: None,
            Level.WARNING,
            "can never be approved",
            id="a group of requesters",
        ),
        pytest.param(
            {"APPROVALS_REQUIRED": "2", "ALLOW_SELF_APPROVAL": "true"}, lambda _: None, Level.OK, "2 people", id="self"
        ),
        pytest.param(
            {"APPROVALS_REQUIRED": "2"},
            lambda desk: desk.slack.space.groups.clear(),
            Level.WARNING,
            "and perhaps more, as a group could not be read",
            id="a group that is not read",
        ),
    ],
)
async def test_the_approvers_are_counted_against_the_quorum(
    desk: Desk, changes: dict[str, str], spoil: Callable[[Desk], object], level: Level, words: str
) -> None:
    """Distinct people who live, through whichever entry, and whether one of them may be the requester."""
    spoil(desk)
    finding = await found(desk, "approvals", **changes)
    assert (finding.level, words in finding.state) == (level, True), finding


# --- HTTP mode ----------------------------------------------------------------------------------------


async def test_the_request_url_is_tried_as_slack_does(desk: Desk) -> None:
    """Through the address that the operator names, with a signature."""
    await desk.start_bot(**desk.by_http)
    findings = {each.subject: each for each in await examined(desk, desk.by_http, request_url=desk.slack.events_url)}
    assert findings["request URL"].line == (
        "ok       request URL (HOST, PORT, SLACK_SIGNING_SECRET): the bot answers there, and takes what"
        " SLACK_SIGNING_SECRET signs"
    )
    assert "Slack app token" not in findings


@pytest.mark.parametrize(
    "path, secret, words",
    [
        pytest.param("/slack/events", "a" * 32, "does not take what SLACK_SIGNING_SECRET signs", id="another secret"),
        pytest.param("/elsewhere", "", "something else answers there (HTTP 404)", id="another path"),
        pytest.param(None, "", "nothing answers there (not_reachable)", id="nobody"),
    ],
)
async def test_a_request_url_that_does_not_work_says_why(desk: Desk, path: str | None, secret: str, words: str) -> None:
    """Another secret, another path, or nobody at all."""
    bot = await desk.start_bot(**desk.by_http)
    url = f"http://127.0.0.1:{bot.port}{path}" if path else "http://127.0.0.1:9/slack/events"
    changes = desk.by_http | ({"SLACK_SIGNING_SECRET": secret} if secret else {})
    [finding] = [each for each in await examined(desk, changes, request_url=url) if each.subject == "request URL"]
    assert (finding.level, words in finding.state) == (Level.PROBLEM, True), finding


async def test_a_bot_that_is_not_connected_is_told(desk: Desk) -> None:
    """It refuses until Slack has confirmed its token."""
    desk.slack.faults.always("auth.test", ApiError("internal_error"))
    bot = await desk.launch_bot(**desk.by_http)
    url = f"http://127.0.0.1:{bot.port}/slack/events"
    [finding] = [each for each in await examined(desk, desk.by_http, request_url=url) if each.subject == "request URL"]
    assert "not connected to Slack yet" in finding.state


@pytest.mark.parametrize("secret, level", [("0123456789abcdef" * 2, Level.OK), ("hunter2", Level.WARNING)])
async def test_a_signing_secret_in_another_form_is_a_warning(desk: Desk, secret: str, level: Level) -> None:
    """People copy the client secret, which has another form; without --request-url nobody knows more."""
    findings = await examined(desk, desk.by_http | {"SLACK_SIGNING_SECRET": secret})
    assert {each.subject: each.level for each in findings if each.subject in {"signing secret", "request URL"}} == {
        "signing secret": level,
        "request URL": Level.UNKNOWN,
    }
    assert secret not in to_json(findings)


# --- the database and the ways ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first, saved, level, words",
    [
        (None, None, Level.OK, "there is nothing to copy yet"),
        (1, None, Level.UNKNOWN, "there is none on record"),
        (48, None, Level.WARNING, "there is none on record"),
        (100, 5, Level.OK, "the last one on record is 5 h old"),
        (100, 72, Level.WARNING, "the last one on record is 3 days old"),
    ],
)
async def test_the_age_of_the_backup(
    desk: Desk, first: int | None, saved: int | None, level: Level, words: str
) -> None:
    """It counts from the last backup that is on record."""
    if first is not None:
        with open_beside(desk.database) as tx:
            tx.record.append(Started("1"), BOT, utc_now() - timedelta(hours=first))
            if saved is not None:
                tx.record.append(BackedUp(1, ""), BOT, utc_now() - timedelta(hours=saved))
    finding = await found(desk, "backup")
    assert (finding.level, finding.state) == (level, words)


@pytest.mark.parametrize(
    "actor, why, words",
    [
        ("terminal:root", "wrong\nprices", "by terminal:root since 2026-11-23 09:05 UTC: “wrong prices”"),
        (BOT, "", "by the bot itself since 2026-11-23 09:05 UTC"),
    ],
)
async def test_a_freeze_in_force_is_told_with_the_way_out(desk: Desk, actor: str, why: str, words: str) -> None:
    """It is no problem of the set-up, and the line is gone when the freeze is over."""
    with open_beside(desk.database) as tx:
        tx.record.append(Frozen(why), actor, datetime(2026, 11, 23, 9, 5, tzinfo=UTC))
    assert (await found(desk, "freeze")).line == (
        f"warning  freeze (DATABASE_URL): everything is frozen {words}. "
        "When orders may be cancelled again, run unfreeze, or let an approver type “/cancel-order unfreeze”."
    )
    with open_beside(desk.database) as tx:
        tx.record.append(Unfrozen(), actor, utc_now())
    assert "freeze" not in {each.subject for each in await report(desk)}


async def test_orders_that_wait_for_another_gateway_are_told_before_the_start_is_refused(desk: Desk) -> None:
    """The start would end with these words; a gateway that has moved is no problem."""
    await desk.start_bot()
    desk.gateway.faults.always("ord_1", Drop(after_effect=True))
    await desk.ben.click(await desk.ask("ord_1"), "approve")
    while await desk.state() is not State.UNKNOWN:  # noqa: ASYNC110 -- the database
        await asyncio.sleep(0.01)
    await desk.stop_bot()
    former = desk.gateway.base_url
    changed = {"DVPAY_BASE_URL": "http://127.0.0.1:9"}
    line = (await found(desk, "former gateway", **changed)).line
    assert f"the bot worked with {former} before" in line
    assert "ord_1" in line
    assert f"DVPAY_MOVED_FROM={former}" in line
    subjects = {each.subject for each in await report(desk, **changed, DVPAY_MOVED_FROM=former)}
    assert "former gateway" not in subjects


async def test_a_freeze_that_nobody_can_read_hides_no_other_line(desk: Desk) -> None:
    """The damage is told, and everything else is still checked."""
    with open_beside(desk.database) as tx:
        tx.record.append(Frozen("wrong prices"), BOT, utc_now())
    with closing(sqlite3.connect(desk.database)) as connection, connection:
        connection.execute("DROP TRIGGER audit_events_no_update")
        connection.execute("UPDATE audit_events SET at = 'never'")
    subjects = [each.subject for each in await report(desk)]
    assert "freeze" not in subjects
    assert {"record", "backup", "approvals"} <= {*subjects}


async def test_a_guard_that_is_missing_is_named(desk: Desk) -> None:
    """It is told apart from a record that somebody changed."""
    with closing(sqlite3.connect(desk.database)) as connection, connection:
        connection.execute("DROP TRIGGER audit_events_no_update")
    finding = await found(desk, "guards")
    assert (finding.level, "audit_events_no_update" in finding.state) == (Level.PROBLEM, True)


async def test_a_bot_that_has_the_database_open_is_told(desk: Desk) -> None:
    """The operator learns whether it runs on this file."""
    assert "no bot has it open" in (await found(desk, "database")).state
    await desk.start_bot()
    assert "; a bot has it open" in (await found(desk, "database")).state


async def test_the_ways_are_told_without_a_password(desk: Desk, tmp_path: Path) -> None:
    """Through which proxy, and what is trusted."""
    network = load_network({"HTTPS_PROXY": "http://desk:hunter2@proxy.test:3128", "NO_PROXY": "gateway.test"})
    addresses = {"Slack": "https://slack.test/api/", "the gateway": "https://gateway.test"}
    environ = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
    states = [finding.state for finding in check_ways(network, addresses, environ)]
    assert states[:2] == ["through the proxy http://proxy.test:3128", "direct"]
    assert states[2].endswith("ca.pem")


# --- the report ---------------------------------------------------------------------------------------


async def test_the_report_for_machines_has_everything(desk: Desk) -> None:
    """Each finding with its level, and how many there are of each."""
    deactivate(desk)
    findings = await report(desk)
    found = json.loads(to_json(findings))
    assert (found["problems"], found["warnings"], found["unknowns"]) == (1, 1, 1)
    assert (
        len(found["findings"])
        == len(findings)
        == sum(found[each] for each in ("problems", "warnings", "unknowns", "ok"))
    )
    [problem] = [row for row in found["findings"] if row["level"] == "problem"]
    assert problem == {
        "level": "problem",
        "subject": f"approver {BEN}",
        "setting": "APPROVERS",
        "state": "is deactivated",
        "remedy": "Remove this ID from APPROVERS.",
    }


@pytest.mark.parametrize("as_json", [False, True])
async def test_the_command_ends_with_a_summary(desk: Desk, as_json: bool) -> None:
    """The exit code is 1 only where there is a problem."""
    for expected in (0, 1):
        words = ["doctor", *(["--json"] if as_json else [])]
        ended = await asyncio.to_thread(CliRunner().invoke, main, words, env=desk.environment())
        assert ended.exit_code == expected, ended.output
        if as_json:
            assert json.loads(ended.stdout)["problems"] == expected
        else:
            assert ended.stdout.splitlines()[-1].startswith(("0 problems", "1 problem,")[expected])
        deactivate(desk)


def test_a_request_url_has_to_be_an_address() -> None:
    """A mistyped one is a wrong option."""
    ended = CliRunner().invoke(main, ["doctor", "--request-url", "slack/events"])
    assert (ended.exit_code, "is not an address" in ended.stderr) == (2, True)
