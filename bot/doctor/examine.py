"""All checks, one after the other, in the order in which an operator puts things right."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial

from slack_sdk.web.async_client import AsyncWebClient

from bot.doctor import slack
from bot.doctor.database import check_database
from bot.doctor.finding import Finding, ok, warning
from bot.doctor.gateway import check_gateway
from bot.doctor.people import Staff
from bot.doctor.slack_problems import asked, slack_failed
from bot.doctor.ways import check_ways
from bot.network import Network
from bot.settings import Settings
from bot.slack.client import web_client
from bot.slack.identity import Identity, fetch_identity


async def examine(
    settings: Settings,
    network: Network | None = None,
    doubts: Sequence[str] = (),
    *,
    post: bool = False,
    request_url: str | None = None,
) -> AsyncIterator[Finding]:
    """Check one thing after the other. A check that fails is a finding, not an exception.

    ``doubts`` has a line for each variable that may be a mistake. With ``post``, a test card goes to the channel of the
    cards. ``request_url`` is the public address of ``/slack/events`` in HTTP mode.
    """
    network = network or Network()
    yield ok("settings", "", "complete and valid")
    for doubt in doubts:
        name, _, what = doubt.partition(": ")
        yield warning("variable", name, what, "Correct it, or ignore this if it is another program's.")
    for finding in check_database(settings, datetime.now(UTC)):
        yield finding
    addresses = {"Slack": settings.slack_api_url, "the gateway": settings.dvpay_base_url}
    for finding in check_ways(network, addresses):
        yield finding
    async for finding in check_gateway(settings, network):
        yield finding
    if settings.slack_app_token is None:
        yield slack.check_secret(settings)
        yield await slack.check_request_url(settings, network, request_url)
    client = web_client(settings.slack_api_url, network, settings.slack_bot_token.get_secret_value())
    try:
        identity = await fetch_identity(client)
    except Exception as error:  # noqa: BLE001 -- every kind of failure is a finding
        yield slack_failed("Slack bot token", "SLACK_BOT_TOKEN", error)
        # Without a valid token every other look at Slack would fail with the same words.
        return
    yield ok("Slack bot token", "SLACK_BOT_TOKEN", f"accepted by {identity.url}")
    async for finding in _in_slack(client, settings, identity):
        yield finding
    if post:
        channel = settings.approval_channel
        ask = partial(slack.post_test_card, client, identity, channel)
        yield await asked("test card", "APPROVAL_CHANNEL", ask)


async def _in_slack(client: AsyncWebClient, settings: Settings, identity: Identity) -> AsyncIterator[Finding]:
    if settings.slack_app_token is not None:
        ask = partial(slack.check_app_token, client, settings, identity)
        yield await asked("Slack app token", "SLACK_APP_TOKEN", ask)
    yield slack.check_scopes(identity)
    yield slack.check_clock(identity)
    if settings.approval_channel is None:
        yield slack.no_channel()
    else:
        look = partial(slack.check_channel, client, settings.approval_channel, shared=settings.allow_shared_channels)
        yield await asked(slack.CHANNEL, "APPROVAL_CHANNEL", look)
    staff = Staff(client, identity, settings)
    if settings.contact is not None:
        yield await asked("contact", "CONTACT", partial(staff.contact, settings.contact))
    async for finding in staff.check():
        yield finding
