"""The checks of Slack: tokens, scopes, clock, the channel of the cards, and the way in by HTTP."""

import json
import re
import secrets
import time
from datetime import UTC, datetime
from http import HTTPStatus

import aiohttp
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from bot.doctor.finding import Finding, ok, problem, unknown, warning
from bot.doctor.gateway import CLOCKS_MAY_DIFFER
from bot.network import Network
from bot.settings import Settings
from bot.slack import answers
from bot.slack.errors import problem_of
from bot.slack.identity import Identity, app_of, fetch_app
from bot.slack.scopes import SCOPES
from bot.slack.views.trial import trial_card
from bot.wording import span

CHANNEL = "approval channel"
_TOKEN = "SLACK_BOT_TOKEN"  # noqa: S105 -- the name of a setting
_SECRET_FORM = re.compile("[0-9a-f]{32}")
_SECONDS = 10


async def check_app_token(client: AsyncWebClient, settings: Settings, identity: Identity) -> Finding:
    """Return whether Socket Mode opens with the app token, and whether it is of the same app."""
    subject, setting = "Slack app token", "SLACK_APP_TOKEN"
    assert settings.slack_app_token is not None
    app_token = settings.slack_app_token.get_secret_value()
    await client.apps_connections_open(app_token=app_token)
    if (app := app_of(app_token)) is not None:
        own = await fetch_app(client, identity)
        if own != app:
            state = f"is of the app {app}, and SLACK_BOT_TOKEN is of {own}, so no click can come"
            return problem(subject, setting, state, "Copy SLACK_APP_TOKEN and SLACK_BOT_TOKEN from the same app.")
    return ok(subject, setting, "accepted for Socket Mode")


def check_scopes(identity: Identity) -> Finding:
    """Return which scopes the token lacks; a Slack that does not say so is no sign that any is missing."""
    subject = "Slack scopes"
    if not identity.scopes:
        remedy = "Something on the way may remove the header x-oauth-scopes. Compare them with manifest.yml in Slack."
        return unknown(subject, _TOKEN, "not known, because Slack did not say which ones the token has", remedy)
    missing = sorted(set(SCOPES) - identity.scopes)
    if not missing:
        return ok(subject, _TOKEN, "all granted")
    needed = "; ".join(f"{scope} ({SCOPES[scope]})" for scope in missing)
    return problem(subject, _TOKEN, f"missing {needed}", "Update the app from manifest.yml and reinstall it.")


def check_clock(identity: Identity) -> Finding:
    """Return how far this machine's clock is from Slack's."""
    subject, setting = "clock against Slack", "SLACK_API_URL"
    if identity.date is None:
        remedy = "Something on the way may remove the header Date. Keep this machine's clock right (NTP)."
        return unknown(subject, setting, "Slack's answer has no date", remedy)
    apart = abs(identity.date - datetime.now(UTC))
    if apart > CLOCKS_MAY_DIFFER:
        state = f"{span(apart)} apart; in HTTP mode, above 300 s every click is refused"
        return problem(subject, setting, state, "Set this machine's clock (NTP).")
    return ok(subject, setting, f"{span(apart)} apart")


async def check_channel(client: AsyncWebClient, channel: str, *, shared: bool) -> Finding:
    """Return whether cards can be posted in the channel, and who would read them there."""
    setting = "APPROVAL_CHANNEL"
    found = await answers.conversation(client, channel)
    name = f"#{found.get('name')}"
    if found.get("is_archived"):
        return problem(CHANNEL, setting, f"{name} is archived", "Unarchive it, or set APPROVAL_CHANNEL to another one.")
    if not found.get("is_member"):
        remedy = "Type /invite and the bot's name in that channel."
        return problem(CHANNEL, setting, f"the bot is not in {name}", remedy)
    if found.get("is_ext_shared") or found.get("is_pending_ext_shared"):
        another = (
            "shared with another company" if found.get("is_ext_shared") else "about to be shared with another company"
        )
        if not shared:
            remedy = (
                "Its people read every request, and their clicks are refused. Use a channel of your own company, or"
                " set ALLOW_SHARED_CHANNELS=true if they may read them."
            )
            return problem(CHANNEL, f"{setting}, ALLOW_SHARED_CHANNELS", f"{name} is {another}", remedy)
        return ok(CHANNEL, f"{setting}, ALLOW_SHARED_CHANNELS", f"{name}, which is {another}, as you allow it")
    return ok(CHANNEL, setting, f"{name}, of your own company alone")


def no_channel() -> Finding:
    """Return where the cards go without a fixed channel."""
    state = "not set, so each card goes to the channel where the command was typed, if the bot is in it"
    return ok(CHANNEL, "APPROVAL_CHANNEL", state)


async def post_test_card(client: AsyncWebClient, identity: Identity, channel: str | None) -> Finding:
    """Post a card without buttons where the real ones go, and return where it is."""
    subject, setting = "test card", "APPROVAL_CHANNEL"
    if channel is None:
        state = "not posted, because there is no fixed channel for the cards"
        return unknown(subject, setting, state, "Set APPROVAL_CHANNEL, or type /cancel-order in Slack.")
    card = trial_card()
    answer = await client.chat_postMessage(channel=channel, text=card.text, blocks=card.blocks, unfurl_links=False)
    return ok(subject, setting, f"posted: {identity.permalink(str(answer['channel']), str(answer['ts']))}")


def check_secret(settings: Settings) -> Finding:
    """Return whether the signing secret looks like one."""
    subject, setting = "signing secret", "SLACK_SIGNING_SECRET"
    assert settings.slack_signing_secret is not None
    if not _SECRET_FORM.fullmatch(settings.slack_signing_secret.get_secret_value()):
        state = "does not look like one: Slack's have 32 hexadecimal digits"
        remedy = "Copy SLACK_SIGNING_SECRET from Basic Information in the app's settings, not the client secret."
        return warning(subject, setting, state, remedy)
    return ok(subject, setting, "has the form of one; only a request of Slack's proves it")


async def check_request_url(settings: Settings, network: Network, url: str | None) -> Finding:
    """Ask the running bot through its public address as Slack does, and return whether it answers.

    Slack tells nobody which address its app has, so the operator names it.
    """
    subject, setting = "request URL", "HOST, PORT, SLACK_SIGNING_SECRET"
    if url is None:
        state = "not tried, because Slack does not tell which one the app has"
        remedy = "While the bot runs, add --request-url with the address that you entered in Slack."
        return unknown(subject, setting, state, remedy)
    assert settings.slack_signing_secret is not None
    challenge, stamp = secrets.token_hex(16), str(int(time.time()))
    body = json.dumps({"type": "url_verification", "challenge": challenge})
    verifier = SignatureVerifier(settings.slack_signing_secret.get_secret_value())
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": verifier.generate_signature(timestamp=stamp, body=body) or "",
    }
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session,
            session.post(
                url,
                data=body,
                headers=headers,
                ssl=network.tls,
                proxy=network.proxy_for(url),
                allow_redirects=False,
            ) as answer,
        ):
            status, text = answer.status, await answer.text(errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        state = f"nothing answers there ({problem_of(error).name})"
        return problem(subject, setting, state, "Start the bot, and check the address, the proxy and its certificate.")
    return _heard(subject, setting, status, answered=challenge in text)


def _heard(subject: str, setting: str, status: int, *, answered: bool) -> Finding:
    match status:
        case HTTPStatus.OK if answered:
            return ok(subject, setting, "the bot answers there, and takes what SLACK_SIGNING_SECRET signs")
        case HTTPStatus.UNAUTHORIZED:
            state = "the bot there does not take what SLACK_SIGNING_SECRET signs"
            return problem(
                subject, setting, state, "Start the bot with this secret, and set its machine's clock (NTP)."
            )
        case HTTPStatus.SERVICE_UNAVAILABLE:
            state = "the bot there is not connected to Slack yet, or the proxy does not reach it"
            return problem(subject, setting, state, "Read /readyz of the bot, then run doctor again.")
        case _:
            state = f"something else answers there (HTTP {status})"
            return problem(subject, setting, state, "Let the proxy pass /slack/events on to HOST and PORT of the bot.")
