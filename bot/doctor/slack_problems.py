"""Failed questions to Slack as findings."""

from collections.abc import Awaitable, Callable

from bot.doctor.finding import Finding, problem
from bot.slack.errors import problem_of
from bot.wording import no_way_to_slack


async def asked(subject: str, setting: str, ask: Callable[[], Awaitable[Finding]]) -> Finding:
    """Return what was found, or why Slack did not say it. A check that fails is a finding, not an exception."""
    try:
        return await ask()
    except Exception as error:  # noqa: BLE001 -- every kind of failure is a finding
        return slack_failed(subject, setting, error)


def slack_failed(subject: str, setting: str, error: Exception) -> Finding:
    """Return a finding about a call to Slack that failed."""
    found = problem_of(error)
    match found.name:
        case "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" as name:
            state, remedy = f"Slack rejects the token ({name})", "Reinstall the app and copy its token."
        case "not_reachable" | "no_answer_in_time" as name:
            state = f"Slack is not reachable ({name})"
            remedy = "Check the network, SLACK_API_URL and HTTPS_PROXY."
        case name if reason := no_way_to_slack(name, found.about):
            state = f"no connection to Slack: {reason}"
            remedy = "Check also SLACK_API_URL, the clock, and what stands between this machine and Slack."
        case "missing_scope":
            state, remedy = "a scope is missing", "Update the app from manifest.yml and reinstall it."
        case "plan_upgrade_required":
            state = "user groups need a paid Slack plan"
            remedy = f"Name people by user ID in {setting} instead."
        case "channel_not_found" | "user_not_found" | "no_such_subteam" as name:
            state, remedy = f"Slack does not know this ID ({name})", f"Correct {setting}, or invite the bot."
        case name:
            state = f"the call to Slack failed ({name})"
            remedy = "Try again, or look the error up at docs.slack.dev."
    return problem(subject, setting, state, remedy)
