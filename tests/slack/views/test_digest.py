"""The digest, as people in the channel read it."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from bot.domain.attempt import Reason
from bot.domain.audit import BOT, FIRST, Event, follow
from bot.domain.cancellation import State
from bot.domain.events import Digest
from bot.domain.lookup import parse
from bot.domain.report import CAUSES, Figures, Report, Times
from bot.sandbox.blockkit import problems_with_blocks
from bot.slack.views import digest
from bot.slack.views.digest import days, length

TOTAL = Figures(
    "",
    {State.APPROVED: 5, State.REJECTED: 1, State.WITHDRAWN: 1, State.EXPIRED: 1, State.PENDING: 1},
    {
        State.CANCELLED: 3,
        State.REFUSED: 3,
        State.FAILED: 1,
        State.UNKNOWN: 1,
        State.SETTLED_CANCELLED: 1,
        State.SETTLED_NOT_CANCELLED: 1,
        State.SENDING: 1,
        State.APPROVED: 1,
        State.REJECTED: 1,
    },
    {Reason.COMPLETED: 2, Reason.NO_SUCH_ORDER: 1},
    Times(125, 3600),
    Times(180, 90061),
)


def event(report: Report, since: str = "2026-11-16T02:00:00.000Z", until: str = "2026-11-23T02:00:00.000Z") -> Event:
    """Return the event of a digest with these figures."""
    content = Digest("C1", since, until, "Asia/Phnom_Penh", report)
    return follow(FIRST, content, BOT, until)[0]


def test_a_digest_after_the_clock_was_set_back_names_no_period_of_its_own() -> None:
    """An earlier digest may have had the same one, and would look the same."""
    found = event(Report(Figures()))
    assert isinstance(found.content, Digest)
    again = follow(FIRST, replace(found.content, again=True), BOT, found.at)[0]
    message = digest.digest(again)
    text = re.sub(r"<!date\^\d+\^[^|]*\|([^>]*)>", r"\1", message.text)
    assert text.splitlines() == [
        "📊 Requests since the last digest, until 2026-11-23 02:00 UTC",
        "The bot's clock was set back, so an earlier digest is about a later time",
        "As of 2026-11-23 02:00 UTC:",
        "Nobody asked to cancel an order",
        "All requests of these days: /cancel-audit 2026-11-16..2026-11-23",
    ]
    assert problems_with_blocks(message.blocks) == []


def test_a_digest_of_an_older_copy_of_the_database_says_so() -> None:
    """There may have been one of the same period, with other figures, and the requests may have ended otherwise."""
    found = event(Report(Figures()))
    assert isinstance(found.content, Digest)
    message = digest.digest(follow(FIRST, replace(found.content, older_copy=True), BOT, found.at)[0])
    line = message.text.splitlines()[1]
    assert "I may have gone on with an older copy of my database" in line
    assert "Requests that were not over in that copy may have ended otherwise" in line


def test_the_whole_digest() -> None:
    """It names every figure, the causes in the words of the card, and the look-up."""
    fraud = Figures("fraud", {State.APPROVED: 1}, {State.CANCELLED: 2})
    other = Figures("", {State.PENDING: 1}, {State.PENDING: 1})
    message = digest.digest(event(Report(TOTAL, (fraud, other), unknown_before=2)))
    text = re.sub(r"<!date\^\d+\^[^|]*\|([^>]*)>", r"\1", message.text)
    assert text.splitlines() == [
        "📊 Requests from 2026-11-16 02:00 UTC to 2026-11-23 02:00 UTC",
        "As of 2026-11-23 02:00 UTC:",
        "9 requests: 5 approved, 1 rejected, 1 withdrawn, 1 expired, 1 not decided yet",
        (
            "12 orders approved: 3 cancelled, 3 refused, 1 failed, 1 unknown and still open, "
            "1 settled by hand: cancelled, 1 settled by hand: not cancelled, 1 approved, not confirmed yet, "
            "1 being sent"
        ),
        "• Not cancelled: the order is completed or paid: 2",
        "• Not cancelled by this request: no such order: 1",
        "Time to the decision: half within 2 min 5 s, 95 of 100 within 1 h",
        "Time to the outcome: half within 3 min, 95 of 100 within 1 d 1 h",
        "Of earlier requests, 2 orders are still unknown: /cancel-audit unknown",
        "All requests of these days: /cancel-audit 2026-11-16..2026-11-23",
    ]
    drawn = str(message.blocks)
    assert "fraud · 1 request · orders: 2 cancelled" in drawn
    assert "no reason chosen · 1 request'" in drawn


def test_a_quiet_week() -> None:
    """It says that nobody asked, and has no empty part."""
    message = digest.digest(event(Report(Figures())))
    assert "Nobody asked to cancel an order" in message.text
    assert len(message.blocks) == 2


def test_many_long_reasons_fit_into_a_message() -> None:
    """The most frequent are there, and the others in one line."""
    reasons = tuple(
        Figures(f"{n} {'é' * 70}", dict.fromkeys(State, 10**6), dict.fromkeys(State, 10**6)) for n in range(100)
    )
    total = Figures("", dict.fromkeys(State, 10**8), dict.fromkeys(State, 10**8), dict.fromkeys(CAUSES, 10**7))
    message = digest.digest(event(Report(total, reasons, 10**6)))
    assert "80 more reasons" in str(message.blocks)
    assert len(message.text.encode()) < 4000
    assert problems_with_blocks(message.blocks) == []


@pytest.mark.parametrize(
    "since, until, zone, found",
    [
        ("2026-11-16T02:00:00Z", "2026-11-23T02:00:00Z", "Asia/Phnom_Penh", ("2026-11-16", "2026-11-23")),
        # From midnight to midnight the end belongs to the next week.
        ("2026-11-15T17:00:00Z", "2026-11-22T17:00:00Z", "Asia/Phnom_Penh", ("2026-11-16", "2026-11-22")),
        ("2026-11-16T02:00:00Z", "2026-11-23T02:00:00Z", "America/New_York", ("2026-11-15", "2026-11-22")),
        ("2026-11-16T02:00:00Z", "2026-11-23T02:00:00Z", "No/Where", ("2026-11-16", "2026-11-23")),
    ],
)
def test_the_days_of_a_period_are_a_look_up(since: str, until: str, zone: str, found: tuple[str, str]) -> None:
    """They are those of the schedule's zone, and /cancel-audit understands them."""
    first, last = days(datetime.fromisoformat(since), datetime.fromisoformat(until), zone)
    assert (first, last) == tuple(map(date.fromisoformat, found))
    look_up = parse(f"{first}..{last}", order_id_pattern=re.compile(r"\w+"), now=datetime(2026, 12, 1, tzinfo=UTC))
    assert look_up.since is not None
    assert look_up.until is not None


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min 59 s"),
        (3605, "1 h"),
        (90061, "1 d 1 h"),
        (864000, "10 d"),
    ],
)
def test_lengths_have_two_units_at_most(seconds: int, text: str) -> None:
    """Seconds are of no interest after an hour."""
    assert length(seconds) == text
