"""The digest in the channel of the cards, and the words for its figures, which the command ``report`` shares."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.domain.attempt import Reason
from bot.domain.audit import Event
from bot.domain.cancellation import State
from bot.domain.events import Digest
from bot.domain.report import CAUSES, Figures, Times
from bot.slack.views import outcomes
from bot.slack.views.text import Element, Message, bounded, lines, moment, mrkdwn, words

REQUESTS = {
    State.APPROVED: "approved",
    State.REJECTED: "rejected",
    State.WITHDRAWN: "withdrawn",
    State.EXPIRED: "expired",
    State.PENDING: "not decided yet",
}
"""The words for requests, in the order in which they are shown."""
ORDERS = {
    State.CANCELLED: "cancelled",
    State.REFUSED: "refused",
    State.FAILED: "failed",
    State.UNKNOWN: "unknown and still open",
    State.SETTLED_CANCELLED: "settled by hand: cancelled",
    State.SETTLED_NOT_CANCELLED: "settled by hand: not cancelled",
    State.APPROVED: "approved, not confirmed yet",
    State.SENDING: "being sent",
}
"""The words for the orders of approved requests, in the order in which they are shown."""
NO_CATEGORY = "no reason chosen"
_SHOWN_CATEGORIES = 20


def digest(event: Event) -> Message:
    """Return the message with the figures that a digest's event holds."""
    content = event.content
    assert isinstance(content, Digest)
    since, until = datetime.fromisoformat(content.since), datetime.fromisoformat(content.until)
    found = content.report
    title = [words("📊 Requests from ", bold=True), moment(since), words(" to ", bold=True), moment(until)]
    if content.again:
        # An earlier digest may have had the same period.
        title = [words("📊 Requests since the last digest, until ", bold=True), moment(until)]
    # Slack may take the message long after the figures were read.
    rows = [title, [words("As of "), moment(datetime.fromisoformat(event.at)), words(":")], *_figures(found.total)]
    if content.again:
        rows.insert(1, [words("The bot's clock was set back, so an earlier digest is about a later time")])
    if content.older_copy:
        other = "there may have been a digest of this time with other figures"
        ended = "Requests that were not over in that copy may have ended otherwise, and orders of them may be cancelled"
        rows.insert(1, [words(f"⚠️ I may have gone on with an older copy of my database, so {other}. {ended}")])
    if before := found.unknown_before:
        unknown = f"Of earlier requests, {_count(before, 'order is', 'orders are')} still unknown: "
        rows.append([words(unknown), words("/cancel-audit unknown", code=True)])
    shown, rest = found.by_category[:_SHOWN_CATEGORIES], found.by_category[_SHOWN_CATEGORIES:]
    by_category = [[words(_in_short(each))] for each in shown]
    if rest:
        more = _count(len(rest), "more reason", "more reasons")
        by_category.append([words(f"{more} · {_asked(sum(each.asked for each in rest))}")])
    first, last = days(since, until, content.zone)
    look_up = [words("All requests of these days: "), words(f"/cancel-audit {first}..{last}", code=True)]
    text = "\n".join(map(mrkdwn, [*rows, look_up]))
    blocks = [lines(*rows), lines([words("By reason", bold=True)], *by_category)] if by_category else [lines(*rows)]
    return Message(bounded(text), [*blocks, lines(look_up)])


def days(since: datetime, until: datetime, zone: str) -> tuple[date, date]:
    """Return the first and the last day of a period in this time zone, or in UTC where this machine has none of it."""
    try:
        local = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        local = ZoneInfo("UTC")
    return since.astimezone(local).date(), (until - timedelta.resolution).astimezone(local).date()


def cause(reason: Reason) -> str:
    """Return the words of a refusal's cause, as the card has them."""
    return outcomes.words(State.REFUSED, reason).title


def length(seconds: int) -> str:
    """Return a length of time in its two largest units."""
    minutes, hours = seconds // 60, seconds // 3600
    parts = [(hours // 24, "d"), (hours % 24, "h"), (minutes % 60, "min"), (seconds % 60, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def _figures(found: Figures) -> list[list[Element]]:
    if not found.asked:
        return [[words("Nobody asked to cancel an order")]]
    orders = sum(found.orders.get(state, 0) for state in ORDERS)
    refused = [f"{cause(reason)}: {count}" for reason in CAUSES if (count := found.refused.get(reason))]
    rows = [f"{_asked(found.asked)}: {_counts(found.requests, REQUESTS)}"]
    if orders:
        rows.append(f"{_count(orders, 'order', 'orders')} approved: {_counts(found.orders, ORDERS)}")
    rows += [f"• {each}" for each in refused]
    rows += [f"Time to the decision: {_times(found.decision)}"] if found.decision.median is not None else []
    rows += [f"Time to the outcome: {_times(found.outcome)}"] if found.outcome.median is not None else []
    return [[words(row)] for row in rows]


def _in_short(found: Figures) -> str:
    orders = _counts(found.orders, ORDERS)
    return f"{found.category or NO_CATEGORY} · {_asked(found.asked)}" + (f" · orders: {orders}" if orders else "")


def _counts(found: Mapping[State, int], names: Mapping[State, str]) -> str:
    return ", ".join(f"{count} {name}" for state, name in names.items() if (count := found.get(state)))


def _times(found: Times) -> str:
    return f"half within {length(found.median or 0)}, 95 of 100 within {length(found.p95 or 0)}"


def _asked(count: int) -> str:
    return _count(count, "request", "requests")


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
