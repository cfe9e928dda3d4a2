"""``/healthz`` and ``/readyz``: whether the process runs, and what keeps the bot from its work."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from bot import wording
from bot.domain.attempt import Reason
from bot.domain.audit import BOT
from bot.domain.freeze import Freeze
from bot.slack.socket_mode import Missing
from bot.slack.views import outcomes

DATABASE_SILENT = "the database does not answer"
FILE_READABLE = (
    "other users can read the database file, and the bot may not change that: give the file to the bot's user,"
    " or set its mode to 0600"
)
CLOCK_UNCONFIRMED = (
    "since the start, neither Slack's clock nor the gateway's has agreed with this machine's:"
    " until one does, no request expires, and none that may be overdue can be approved or retried"
)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Sentences about what is missing before the bot can do its work (none: it is ready), and what else to know."""

    missing: list[str]
    notes: list[str]


def slack_missing(missing: Missing, problem: str, about: str = "") -> str:
    """Return a sentence about what keeps people in Slack from reaching the bot."""
    if reason := wording.no_way_to_slack(problem, about):
        return f"no connection to Slack: {reason}"
    match missing:
        case Missing.NOT_CONNECTED_YET:
            return "not connected to Slack yet"
        case Missing.TOKEN_NOT_CONFIRMED:
            return f"Slack does not confirm the bot token: {problem}"
        case Missing.TOKEN_REFUSED:
            return f"Slack refuses a token ({problem}): reinstall the app and copy its tokens"
        case Missing.ANOTHER_RECORD:
            return (
                "the database is new, but APPROVAL_CHANNEL has messages of this bot that are in another database: set"
                " DATABASE_URL to that one and restart the bot; to begin a new record, run freeze and unfreeze"
            )
        case Missing.TWO_APPS:
            return f"SLACK_BOT_TOKEN and SLACK_APP_TOKEN belong to two apps ({problem}): copy both from the same one"
        case Missing.CONNECTION_DOWN:
            return "the Socket Mode connection to Slack is down"


def scopes_missing(scopes: Iterable[str]) -> str:
    """Return a clause about what the bot's token does not allow."""
    return (
        f"the bot token lacks scopes ({', '.join(sorted(scopes))}): update the app from manifest.yml and reinstall it"
    )


def other_connections(count: int) -> str:
    """Return a clause about ``count`` connections of the app to Slack that are not this bot's."""
    more = "1 more connection" if count == 1 else f"{count} more connections"
    return (
        f"when this bot connected, Slack counted {more} of the same app: if another bot runs with these tokens,"
        " stop it, as Slack gives each click to one of the two; a bot that was killed counts for a while"
    )


def group_of_no_use(group: str, problem: str) -> str:
    """Return a clause about a user group in the settings; ``problem`` is Slack's refusal, empty for an empty group."""
    if problem:
        return f"Slack does not let the user group {group} be read ({problem}): nobody can act by it; run doctor"
    return f"nobody is in the user group {group}: nobody can act by it"


def gateway_away(problem: str) -> str:
    """Return a clause about the way to the gateway; ``problem`` is a clause without its name."""
    return f"the gateway cannot be reached: {problem}"


def turned_away(reason: Reason, at: datetime) -> str:
    """Return a clause about a gateway that took no call, for a reason that an operator must remove."""
    why = {
        Reason.CREDENTIALS: "rejected the bot's credentials: check DVPAY_API_KEY and DVPAY_APP_ID",
        Reason.CLOCK: "did not accept the time of the bot's call: set this machine's clock (NTP)",
        Reason.TURNED_AWAY: "turned the bot away: ask the gateway's support what this account and this address may do",
    }[reason]
    return f"at {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC the gateway {why}; no call is known to have got through since"


def clock_wrong(compared_with: str, apart: timedelta) -> str:
    """Return a clause about this machine's clock; ``apart`` is positive where it is ahead."""
    whose = {
        "record": "the last event on record",
        "slack": "Slack's",
        "gateway": "the gateway's",
        "database": "the database server's",
    }[compared_with]
    way = "ahead of" if apart > timedelta(0) else "behind"
    return f"this machine's clock is {wording.span(apart)} {way} {whose}: set it (NTP)"


def database_clock(apart: timedelta) -> str:
    """Return a sentence about the bot's time; ``apart`` is positive where it is ahead of the database server's."""
    way = "ahead of" if apart > timedelta(0) else "behind"
    return (
        f"this bot's time is {wording.span(apart)} {way} the database server's, with which all bots must agree:"
        " set both machines' clocks (NTP) and restart the bot"
    )


def frozen(freeze: Freeze) -> str:
    """Return a clause about a freeze; people's own words are for Slack, as this address is open to everybody."""
    since = f"{freeze.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    by = "the bot itself" if freeze.by == BOT else freeze.by
    return f"frozen by {by} since {since}: no request is taken and the gateway is not asked until it is unfrozen"


def record_damaged(event: int) -> str:
    """Return a clause about a record that somebody has changed; ``event`` is the number of the first that is wrong."""
    return (
        f"the record is damaged, or the tables contradict it, at event {event}: run audit verify, and keep the database"
        " for inspection"
    )


def stuck(problem: str, count: int) -> str:
    """Return a clause about messages that Slack has not taken for more than a moment."""
    messages = "1 message waits" if count == 1 else f"{count} messages wait"
    return f"{messages} for Slack: {outcomes.delivery_problem(problem)}"


def add_routes(application: web.Application, readiness: Callable[[], Readiness]) -> None:
    """Serve the two addresses."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        found = readiness()
        return web.json_response(
            {"ready": not found.missing, "missing": found.missing, "notes": found.notes},
            status=503 if found.missing else 200,
        )

    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
