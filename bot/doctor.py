"""``doctor``: a check of everything that the bot needs, with a remedy for each problem."""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.attempt import Trouble
from bot.domain.ids import GROUP_ID, USER_ID
from bot.domain.policy import People
from bot.gateway import GatewayClient, GatewayUnreachable
from bot.network import Network
from bot.settings import Settings
from bot.slack.client import web_client
from bot.slack.errors import problem_of
from bot.slack.identity import Identity, app_of, fetch_app, fetch_identity
from bot.slack.scopes import SCOPES
from bot.store import Place, Server, StoreError, verify_all
from bot.watch import REPLICAS_MAY_DIFFER
from bot.wording import events, no_way_to_slack, span, store_problem, trouble, verification

_CLOCKS_MAY_DIFFER = timedelta(seconds=60)
"""The gateway rejects timestamps that are five minutes off; this leaves time to set a clock that drifts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; ``remedy`` is empty where there is nothing to do.

    A doubt may be a mistake, or a variable of another program. It does not make doctor fail.
    """

    subject: str
    state: str
    remedy: str = ""
    is_doubt: bool = False

    @property
    def line(self) -> str:
        """Return the finding as one line for a terminal."""
        if not self.remedy:
            return f"ok       {self.subject}: {self.state}"
        level = "warning" if self.is_doubt else "problem"
        return f"{level}  {self.subject}: {self.state}. {self.remedy}"


async def examine(
    settings: Settings, network: Network | None = None, doubts: Sequence[str] = ()
) -> AsyncIterator[Finding]:
    """Check one thing after the other. A check that fails is a finding, not an exception.

    ``doubts`` has a line for each variable that may be a mistake.
    """
    network = network or Network()
    yield Finding("settings", "complete and valid")
    for doubt in doubts:
        name, _, problem = doubt.partition(": ")
        yield Finding(
            f"variable {name}", problem, "Correct it, or ignore this if it is another program's.", is_doubt=True
        )
    for finding in _database(settings.database):
        yield finding
    yield await _gateway(settings, network)
    client = web_client(settings.slack_api_url, network, settings.slack_bot_token.get_secret_value())
    try:
        identity = await fetch_identity(client)
    except Exception as error:  # noqa: BLE001 -- every kind of failure is a finding
        yield _slack_failed("Slack bot token", error)
        # Without a valid token every other look at Slack would fail with the same words.
        return
    yield Finding("Slack bot token", f"accepted by {identity.url}")
    if settings.slack_app_token is not None:
        yield await _asked("Slack app token", lambda: _app_token(client, settings, identity))
    yield _scopes(identity)
    if settings.approval_channel is not None:
        channel = settings.approval_channel
        yield await _asked("approval channel", lambda: _channel(client, channel, shared=settings.allow_shared_channels))
    if settings.contact is not None:
        contact = settings.contact
        yield await _asked("contact", lambda: _contact(client, contact))
    async for finding in _deciding(client, identity, settings.approvers, "approver", "APPROVERS"):
        yield finding
    escalation = settings.escalate_to or People()
    async for finding in _deciding(client, identity, escalation, "escalation", "ESCALATE_TO"):
        yield finding


async def _deciding(
    client: AsyncWebClient, identity: Identity, people: People, title: str, setting: str
) -> AsyncIterator[Finding]:
    """Yield a finding for each person and group that may decide; ``title`` is what this setting makes of them."""
    users = {f"{title} {user}": partial(_user, client, user, identity, setting) for user in sorted(people.users)}
    groups = {f"{title} group {group}": partial(_group, client, group, setting) for group in sorted(people.groups)}
    for subject, ask in (users | groups).items():
        yield replace(await _asked(subject, ask), subject=subject)


def _database(path: Place) -> list[Finding]:
    if not isinstance(path, Path):
        return _server(path)
    try:
        return _look_at(path)
    except OSError as error:
        return [Finding("database", f"{path}: {error.strerror}", "Let the bot's user read the folders above it.")]


def _look_at(path: Path) -> list[Finding]:
    folder = path.parent
    if path.is_dir():
        return [Finding("database", f"{path} is a folder", "Set DATABASE_URL to the file in it.")]
    if not path.exists():
        # The bot creates the folders as well, so the nearest one that exists decides.
        nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if nearest.is_dir() and os.access(nearest, os.W_OK):
            return [Finding("database", f"{path} will be created at the first start")]
        return [Finding("database", f"{folder} cannot be written", "Make the folder writable for the bot's user.")]
    if not (os.access(path, os.W_OK) and os.access(folder, os.W_OK)):
        return [
            Finding("database", f"{path} is read-only", "Make the file and its folder writable for the bot's user.")
        ]
    return _verified(path)


def _server(server: Server) -> list[Finding]:
    from bot.store.server_facts import facts

    try:
        found = facts(server)
    except StoreError as error:
        problem, remedy = store_problem(error)
        return [Finding("database", problem, f"{remedy}.")]
    way = "encrypted" if found.encrypted else "not encrypted, on this machine"
    pooled = ", through a pooler" if found.pooled else ""
    ms = found.round_trip.total_seconds() * 1000
    state = f"{server} is PostgreSQL {found.version}, {way}{pooled}, and answers in {ms:.0f} ms"
    findings = [Finding("database", state)]
    if abs(found.apart) > REPLICAS_MAY_DIFFER:
        state = f"its clock and this machine's are {span(abs(found.apart))} apart"
        findings.append(Finding("database clock", state, "Set both clocks (NTP): all bots act by the server's."))
    if found.waits_for:
        findings.append(Finding("standby", f"each commit waits for one of: {found.waits_for}"))
    else:
        remedy = "Set synchronous_standby_names on the server, unless it has no standby or you can bear that."
        state = "no commit waits for a standby, so a failover can lose the last events"
        findings.append(Finding("standby", state, remedy, is_doubt=True))
    if not found.has_tables:
        return [*findings, Finding("record", "the tables will be made at the first start, or by migrate")]
    if found.may_change_events:
        remedy = "Let another role own the tables (migrate --grant), unless your team is small enough for one."
        state = "the bot's role owns the tables, so it can switch off the record's guards"
        findings.append(Finding("database role", state, remedy, is_doubt=True))
    return findings + _verified(server)


def _verified(path: Place) -> list[Finding]:
    try:
        found = verify_all(path)
    except StoreError as error:
        problem, remedy = store_problem(error)
        return [Finding("database", problem, f"{remedy}.")]
    if found.damage is None:
        return [Finding("database", f"{path} is sound"), Finding("record", events(found))]
    remedy = "Keep the file and find out who changed it. Then restore the latest backup."
    return [Finding("record", verification(found).rstrip("."), remedy)]


async def _gateway(settings: Settings, network: Network) -> Finding:
    gateway = GatewayClient(
        base_url=settings.dvpay_base_url,
        api_key=settings.dvpay_api_key,
        app_id=None,  # it goes with a request only
        now=lambda: datetime.now(UTC),
        network=network,
    )
    try:
        clock = await gateway.reach()
    except GatewayUnreachable as error:
        words = trouble(error.trouble, error.about)
        proxied = network.proxy_for(settings.dvpay_base_url) is not None
        if error.trouble is Trouble.CERTIFICATE:
            remedy = "Check also DVPAY_BASE_URL, the clock, and what stands between this machine and the gateway."
        elif proxied:
            remedy = "Check the proxy in HTTPS_PROXY or ALL_PROXY, NO_PROXY, and DVPAY_BASE_URL."
        else:
            remedy = "Check DVPAY_BASE_URL, the network and the firewall."
        return Finding("gateway", words, remedy)
    finally:
        await gateway.aclose()
    if clock is None:
        return Finding("gateway", "reachable, but its answer has no date to compare clocks with")
    apart = abs(clock - datetime.now(UTC))
    if apart > _CLOCKS_MAY_DIFFER:
        state = f"its clock and this machine's are {span(apart)} apart; above 300 s it rejects calls"
        return Finding("gateway", state, "Set this machine's clock (NTP).")
    return Finding("gateway", f"reachable, clocks {span(apart)} apart")


async def _asked(subject: str, ask: Callable[[], Awaitable[Finding]]) -> Finding:
    try:
        return await ask()
    except Exception as error:  # noqa: BLE001 -- every kind of failure is a finding
        return _slack_failed(subject, error)


def _slack_failed(subject: str, error: Exception) -> Finding:
    problem = problem_of(error)
    match problem.name:
        case "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" as name:
            return Finding(subject, f"Slack rejects the token ({name})", "Reinstall the app and copy its token.")
        case "not_reachable" | "no_answer_in_time" as name:
            return Finding(
                subject, f"Slack is not reachable ({name})", "Check the network, SLACK_API_URL and HTTPS_PROXY."
            )
        case name if reason := no_way_to_slack(name, problem.about):
            remedy = "Check also SLACK_API_URL, the clock, and what stands between this machine and Slack."
            return Finding(subject, f"no connection to Slack: {reason}", remedy)
        case "missing_scope":
            return Finding(subject, "a scope is missing", "Update the app from manifest.yml and reinstall it.")
        case "plan_upgrade_required":
            return Finding(subject, "user groups need a paid Slack plan", "Name approvers by user ID instead.")
        case "channel_not_found" | "user_not_found" | "no_such_subteam" as name:
            return Finding(subject, f"Slack does not know this ID ({name})", "Correct the setting, or invite the bot.")
        case name:
            return Finding(
                subject, f"the call to Slack failed ({name})", "Try again, or look the error up at docs.slack.dev."
            )


async def _app_token(client: AsyncWebClient, settings: Settings, identity: Identity) -> Finding:
    assert settings.slack_app_token is not None
    app_token = settings.slack_app_token.get_secret_value()
    await client.apps_connections_open(app_token=app_token)
    if (app := app_of(app_token)) is not None:
        own = await fetch_app(client, identity)
        if own != app:
            state = f"is of the app {app}, and SLACK_BOT_TOKEN is of {own}, so no click can come"
            return Finding("Slack app token", state, "Copy SLACK_APP_TOKEN and SLACK_BOT_TOKEN from the same app.")
    return Finding("Slack app token", "accepted for Socket Mode")


def _scopes(identity: Identity) -> Finding:
    if not identity.scopes:
        remedy = "Something on the way may remove the header x-oauth-scopes. Compare them with manifest.yml in Slack."
        return Finding("Slack scopes", "not known, because Slack did not say which ones the token has", remedy)
    missing = sorted(set(SCOPES) - identity.scopes)
    if not missing:
        return Finding("Slack scopes", "all granted")
    needed = "; ".join(f"{scope} ({SCOPES[scope]})" for scope in missing)
    return Finding("Slack scopes", f"missing {needed}", "Update the app from manifest.yml and reinstall it.")


async def _channel(client: AsyncWebClient, channel: str, *, shared: bool) -> Finding:
    answer = await client.conversations_info(channel=channel)
    found = answer["channel"]
    if found.get("is_archived"):
        return Finding("approval channel", "is archived", "Unarchive it, or set APPROVAL_CHANNEL to another channel.")
    if not found.get("is_member"):
        return Finding("approval channel", "the bot is not in it", "Type /invite and the bot's name in that channel.")
    if found.get("is_ext_shared") and not shared:
        remedy = (
            "Its people read every request, and their clicks are refused. Use a channel of your own company, or set"
            " ALLOW_SHARED_CHANNELS=true if they may read them."
        )
        return Finding("approval channel", f"#{found.get('name')} is shared with another company", remedy)
    return Finding("approval channel", f"#{found.get('name')}")


async def _contact(client: AsyncWebClient, contact: str) -> Finding:
    """Return whether there is somebody to ask for help under this id."""
    if re.fullmatch(GROUP_ID, contact):
        count = len((await client.usergroups_users_list(usergroup=contact))["users"])
        remedy = "" if count else "Add members in Slack, or set CONTACT to somebody else."
        return Finding("contact", f"a user group with {count} members" if count else "is an empty user group", remedy)
    if re.fullmatch(USER_ID, contact):
        user = (await client.users_info(user=contact))["user"]
        gone = user.get("deleted") or user.get("is_bot")
        remedy = "Set CONTACT to somebody who can help." if gone else ""
        return Finding("contact", "is deactivated or a bot" if gone else str(user.get("name")), remedy)
    channel = (await client.conversations_info(channel=contact))["channel"]
    remedy = "Unarchive it, or set CONTACT to another channel." if channel.get("is_archived") else ""
    return Finding("contact", "is archived" if remedy else f"#{channel.get('name')}", remedy)


async def _user(client: AsyncWebClient, user: str, identity: Identity, setting: str) -> Finding:
    answer = await client.users_info(user=user)
    found = answer["user"]
    if found.get("deleted") or found.get("is_bot"):
        return Finding(user, "is deactivated or a bot", f"Remove this ID from {setting}.")
    if not identity.is_home_of(found.get("team_id"), (found.get("enterprise_user") or {}).get("enterprise_id")):
        return Finding(user, "belongs to another company, so every click is refused", "Remove this ID.")
    return Finding(user, str(found.get("name")))


async def _group(client: AsyncWebClient, group: str, setting: str) -> Finding:
    answer = await client.usergroups_users_list(usergroup=group)
    count = len(answer["users"])
    if not count:
        return Finding(group, "is empty", f"Add members in Slack, or remove this ID from {setting}.")
    return Finding(group, f"{count} members")
