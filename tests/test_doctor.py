"""``doctor`` with a local Slack and gateway: everything in order, and each possible problem."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from bot.doctor import Finding, examine
from bot.sandbox.faults import ApiError, Drop
from bot.sandbox.gateway import LocalGateway
from bot.sandbox.stage import GENERAL
from bot.settings import load, load_network
from bot.store import Server, Store, prepare
from bot.tuning import utc_now
from tests.flows.desk import BEN, LEADS, OLGA, PAYMENTS, VERA, Desk
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
    settings = load(desk.environment(**changes))
    return [finding async for finding in examine(settings)]


async def test_everything_in_order(desk: Desk) -> None:
    """Every line begins with ok."""
    found = await report(desk)
    assert [finding.line for finding in found if not finding.line.startswith("ok ")] == []
    assert {finding.subject for finding in found} >= {
        "settings", "database", "record", "gateway", "Slack bot token", "Slack app token", "Slack scopes",
        "approval channel", f"approver {BEN}", f"approver group {LEADS}",
    }  # fmt: skip


@pytest.mark.parametrize("app, fine", [("A0LOCAL", True), ("A0OTHER", False)])
async def test_tokens_of_two_apps_are_found(desk: Desk, app: str, fine: bool) -> None:
    """Both tokens are accepted, and no click could ever come."""
    desk.slack.app_token = f"xapp-1-{app}-123-abc"
    (line,) = [finding.line for finding in await report(desk) if finding.subject == "Slack app token"]
    if fine:
        assert line == "ok       Slack app token: accepted for Socket Mode"
    else:
        assert line == (
            "problem  Slack app token: is of the app A0OTHER, and SLACK_BOT_TOKEN is of A0LOCAL, so no click can come."
            " Copy SLACK_APP_TOKEN and SLACK_BOT_TOKEN from the same app."
        )


def archive(desk: Desk) -> None:
    """Archive the approval channel."""
    desk.slack.space.channels[PAYMENTS].archived = True


def leave(desk: Desk) -> None:
    """Remove the bot from the approval channel."""
    desk.slack.space.channels[PAYMENTS].members.discard(desk.slack.space.bot_user_id)


def deactivate(desk: Desk) -> None:
    """Deactivate an approver."""
    desk.slack.space.users[BEN].deleted = True


@pytest.mark.parametrize(
    "spoil, words",
    [
        pytest.param(archive, "is archived. Unarchive it", id="archived"),
        pytest.param(leave, "the bot is not in it. Type /invite", id="not invited"),
        pytest.param(deactivate, "is deactivated or a bot. Remove this ID", id="deactivated"),
        pytest.param(
            lambda desk: desk.slack.space.groups.update({LEADS: []}), "is empty. Add members", id="empty group"
        ),
        pytest.param(lambda desk: desk.slack.space.groups.clear(), "does not know this ID", id="no group"),
        pytest.param(lambda desk: desk.slack.space.users.pop(BEN), "does not know this ID", id="no user"),
        pytest.param(lambda desk: desk.slack.api.scopes.discard("im:write"), "missing im:write (opening", id="scope"),
        pytest.param(
            lambda desk: setattr(desk.slack, "names_scopes", False), "not known, because Slack did not say", id="scopes"
        ),
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
    found = [finding.line for finding in await report(desk) if finding.remedy]
    assert len(found) == 1
    assert found[0].startswith("problem ")
    assert words in found[0]


@pytest.mark.parametrize("contact, state", [(PAYMENTS, "#payments"), (LEADS, "a user group with 1"), (BEN, "ben")])
async def test_a_contact_is_looked_up(desk: Desk, contact: str, state: str) -> None:
    """The line names the channel or the person, or says how many are in the group."""
    [line] = [each.line for each in await report(desk, CONTACT=contact) if each.subject == "contact"]
    assert line.startswith(f"ok       contact: {state}")


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
    [line] = [finding.line for finding in await report(desk, CONTACT=contact) if finding.remedy]
    assert line.startswith("problem  contact: ")
    assert words in line


async def test_an_approval_channel_that_is_shared_is_a_problem_unless_that_is_allowed(desk: Desk) -> None:
    """The remedy names both ways out."""
    desk.share(PAYMENTS)
    [line] = [finding.line for finding in await report(desk) if finding.remedy]
    assert "#payments is shared with another company" in line
    assert "ALLOW_SHARED_CHANNELS=true" in line
    assert not [each for each in await report(desk, ALLOW_SHARED_CHANNELS="true") if each.remedy]


async def test_the_people_of_an_escalation_are_checked_like_approvers(desk: Desk) -> None:
    """Each person and group of ESCALATE_TO has a line of its own, and a remedy that names this setting."""
    desk.slack.space.users[VERA].deleted = True
    changes = {"ESCALATE_AFTER": "20m", "ESCALATE_TO": f"{OLGA},{VERA},{LEADS},S0NONE"}
    lines = {finding.subject: finding.line for finding in await report(desk, **changes)}
    assert lines[f"escalation {OLGA}"] == f"ok       escalation {OLGA}: olga"
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
    found = [finding async for finding in examine(load(desk.environment()), doubts=[doubt])]
    [line] = [finding.line for finding in found if finding.remedy]
    assert line.startswith("warning  variable APPROVAL_CHANEL: is not a setting, but almost APPROVAL_CHANNEL. ")
    assert [finding.is_doubt for finding in found if finding.remedy] == [True]


async def test_clocks_apart(desk: Desk) -> None:
    """A clock that is minutes off is a problem before the gateway rejects calls."""
    async with LocalGateway(now=lambda: utc_now() + timedelta(minutes=4)) as gateway:
        desk.gateway, former = gateway, desk.gateway
        assert "Set this machine's clock" in "\n".join(finding.line for finding in await report(desk))
        desk.gateway = former


async def test_a_database_that_is_not_there_yet(desk: Desk, tmp_path: Path) -> None:
    """Before the first start there is no file, which is in order if the folder can be written."""
    found = await report(desk, DATABASE_URL=f"sqlite:///{tmp_path}/new/bot.db")
    assert "will be created" in "\n".join(finding.line for finding in found)
    found = await report(desk, DATABASE_URL=f"sqlite:///{desk.database}/folder/bot.db")
    assert "cannot be written" in "\n".join(finding.line for finding in found if finding.remedy)


async def about_the_server(desk: Desk, url: str) -> dict[str, str]:
    """Return the lines about the database on a server, by their subjects."""
    found = await report(desk, DATABASE_URL=url)
    return {
        each.subject: each.line for each in found if each.subject in {"database", "standby", "database role", "record"}
    }


async def test_a_server_is_looked_at(desk: Desk, postgres: Cluster) -> None:
    """Its version, the way to it, its standbys, the rights of the bot's role, and the record on it."""
    database = postgres.empty()
    new = await about_the_server(desk, postgres.url(database))
    assert " is PostgreSQL " in new["database"]
    assert "not encrypted, on this machine, and answers in " in new["database"]
    assert new["standby"].startswith("warning  standby: no commit waits for a standby")
    assert new["record"] == "ok       record: the tables will be made at the first start, or by migrate"
    with postgres.connect() as other:
        other.execute("CREATE ROLE examined LOGIN")
    prepare(Server(SecretStr(postgres.url(database))), "examined")
    owner = await about_the_server(desk, postgres.url(database))
    assert owner["database role"].startswith("warning  database role: the bot's role owns the tables")
    assert owner["record"].startswith("ok ")
    limited = await about_the_server(desk, postgres.url(database, "examined"))
    assert "database role" not in limited
    assert limited["record"].startswith("ok ")


async def test_a_server_that_is_away_has_a_remedy(desk: Desk) -> None:
    """In one line, without the password."""
    lines = await about_the_server(desk, "postgresql://desk:hunter2@127.0.0.1:1/desk")
    assert lines["database"].startswith(
        "problem  database: postgresql://127.0.0.1:1/desk: the database server does not"
    )
    assert "hunter2" not in str(lines)


async def test_a_standby_that_a_commit_waits_for_is_named(desk: Desk) -> None:
    """The server's own setting says so."""
    with cluster(synchronous_standby_names="ANY 1 (one, two)") as own:
        lines = await about_the_server(desk, own.url("postgres"))
    assert lines["standby"] == "ok       standby: each commit waits for one of: ANY 1 (one, two)"


async def test_a_folder_in_place_of_the_database(desk: Desk, tmp_path: Path) -> None:
    """It is named as that, not as a failing disk."""
    found = await report(desk, DATABASE_URL=f"sqlite:///{tmp_path}")
    assert f"{tmp_path} is a folder. " in "\n".join(finding.line for finding in found if finding.remedy)


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
