"""The filters of /cancel-audit and audit find."""

import contextlib
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from bot.domain.cancellation import State
from bot.domain.lookup import File, Lookup, Mistake, NotAFilter, means_something_else, parse, wants_file

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read(text: str, *, at: datetime = NOW, zone: str = "UTC") -> Lookup:
    """Return the look-up that these words ask for, typed by U1 in this time zone."""
    return parse(text, order_id_pattern=PATTERN, now=at, me="U1", zone=ZoneInfo(zone))


def day(month: int, number: int, year: int = 2026) -> datetime:
    """Return the beginning of a day in UTC."""
    return datetime(year, month, number, tzinfo=UTC)


@pytest.mark.parametrize(
    "text, lookup",
    [
        pytest.param("", Lookup(), id="nothing"),
        pytest.param("ord_1", Lookup(order_id="ord_1"), id="order"),
        pytest.param("order:7d", Lookup(order_id="7d"), id="order that looks like a time"),
        pytest.param("order:what?", Lookup(order_id="what?"), id="order of a time with another pattern"),
        pytest.param("order:заказ_7", Lookup(order_id="заказ_7"), id="order of another script, of such a time"),
        pytest.param("<@U012AB|ann>", Lookup(person="U012AB"), id="person with name"),
        pytest.param("<@W012AB>", Lookup(person="W012AB"), id="person"),
        pytest.param("@U012AB3CD", Lookup(person="U012AB3CD"), id="person on the command line"),
        pytest.param("state:cancelled", Lookup(state=State.CANCELLED), id="state"),
        pytest.param("state:UNKNOWN", Lookup(state=State.UNKNOWN), id="state in capitals"),
        pytest.param("State:failed", Lookup(state=State.FAILED), id="prefix in another case"),
        pytest.param("pending", Lookup(state=State.PENDING), id="state alone"),
        pytest.param("Settled_Cancelled", Lookup(state=State.SETTLED_CANCELLED), id="state alone in another case"),
        pytest.param("order:pending", Lookup(order_id="pending"), id="order that looks like a state"),
        pytest.param("ORDER:me", Lookup(order_id="me"), id="order that looks like the reader"),
        pytest.param("order:ord_1 pending", Lookup(order_id="ord_1", state=State.PENDING), id="order and another"),
        pytest.param("me", Lookup(person="U1"), id="the reader"),
        pytest.param("ME unknown", Lookup(person="U1", state=State.UNKNOWN), id="the reader in capitals, and a state"),
        pytest.param("today", Lookup(since=day(11, 23), until=day(11, 24)), id="today"),
        pytest.param("Yesterday", Lookup(since=day(11, 22), until=day(11, 23)), id="yesterday in another case"),
        pytest.param("7d", Lookup(since=NOW - timedelta(days=7)), id="days"),
        pytest.param("7D", Lookup(since=NOW - timedelta(days=7)), id="days in capitals"),
        pytest.param("30m", Lookup(since=NOW - timedelta(minutes=30)), id="minutes"),
        pytest.param(
            "2026-11-01..2026-11-23",
            Lookup(since=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 11, 24, tzinfo=UTC)),
            id="range, both days included",
        ),
        pytest.param("2026-11-01..", Lookup(since=datetime(2026, 11, 1, tzinfo=UTC)), id="from"),
        pytest.param("..2026-11-01", Lookup(until=datetime(2026, 11, 2, tzinfo=UTC)), id="until"),
        pytest.param(
            "2026-11-01",
            Lookup(since=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 11, 2, tzinfo=UTC)),
            id="one day",
        ),
        pytest.param("ord_2026-11-01", Lookup(order_id="ord_2026-11-01"), id="order with a day in it"),
        pytest.param(
            "ord_2026-11-01-2026-11-02", Lookup(order_id="ord_2026-11-01-2026-11-02"), id="order with two days"
        ),
        pytest.param(
            "order:2026-11-01-2026-11-02", Lookup(order_id="2026-11-01-2026-11-02"), id="order that looks like a range"
        ),
        pytest.param(
            "state:refused <@U012AB> ord_1 1w",
            Lookup("ord_1", "U012AB", State.REFUSED, NOW - timedelta(weeks=1)),
            id="combined",
        ),
    ],
)
def test_filters_are_read(text: str, lookup: Lookup) -> None:
    """Each kind of filter, alone and combined, means what the usage text says."""
    assert read(text) == lookup


@pytest.mark.parametrize(
    "dash",
    ["..", "...", "…", "-", "--", "\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2015", "\u2212", "\uff0d"],
)
@pytest.mark.parametrize("around", ["", " ", "\u00a0"])
def test_a_range_has_any_dash(dash: str, around: str) -> None:
    """Keyboards and phones make their own dashes, and people put spaces around them."""
    typed = f"me 2026-11-01{around}{dash}{around}2026-11-23"
    assert read(typed) == Lookup(person="U1", since=day(11, 1), until=day(11, 24))


@pytest.mark.parametrize(
    "zone, text, since, until",
    [
        pytest.param("UTC", "2026-11-25", "2026-11-25T00:00", "2026-11-26T00:00", id="UTC"),
        pytest.param("Asia/Phnom_Penh", "2026-11-25", "2026-11-24T17:00", "2026-11-25T17:00", id="Phnom Penh"),
        pytest.param("America/New_York", "2026-11-25", "2026-11-25T05:00", "2026-11-26T05:00", id="New York"),
        pytest.param("Asia/Kathmandu", "2026-11-25", "2026-11-24T18:15", "2026-11-25T18:15", id="quarter of an hour"),
        pytest.param("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00", id="day of 23 hours"),
        pytest.param("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00", id="day of 25 hours"),
        pytest.param("Africa/Cairo", "2026-04-24", "2026-04-23T22:00", "2026-04-24T21:00", id="day without a midnight"),
        pytest.param("America/Havana", "2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00", id="day of two midnights"),
        pytest.param(
            "Europe/Berlin",
            "2026-03-28..2026-03-29",
            "2026-03-27T23:00",
            "2026-03-29T22:00",
            id="range over the change",
        ),
    ],
)
def test_days_are_the_readers_own(zone: str, text: str, since: str, until: str) -> None:
    """A day begins and ends at the reader's midnight, also where clocks are changed in between."""
    assert read(text, zone=zone) == Lookup(
        since=datetime.fromisoformat(f"{since}Z"), until=datetime.fromisoformat(f"{until}Z")
    )


@pytest.mark.parametrize(
    "zone, today",
    [("UTC", day(11, 23)), ("Pacific/Kiritimati", day(11, 24)), ("Pacific/Pago_Pago", day(11, 22))],
)
def test_today_is_the_readers_own(zone: str, today: datetime) -> None:
    """At 10:30 in UTC it is tomorrow on one side of the date line, and still yesterday on the other."""
    at = NOW + timedelta(hours=1, minutes=30)
    assert read("today", at=at, zone=zone) == read(f"{today:%Y-%m-%d}", at=at, zone=zone)
    yesterday = today - timedelta(days=1)
    assert read("yesterday", at=at, zone=zone) == read(f"{yesterday:%Y-%m-%d}", at=at, zone=zone)


@pytest.mark.parametrize("text, length", [("90m", timedelta(minutes=90)), ("2h", timedelta(hours=2))])
@pytest.mark.parametrize(
    "change", [datetime(2026, 3, 29, 1, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]
)
def test_hours_and_minutes_are_real_ones(change: datetime, text: str, length: timedelta) -> None:
    """Half an hour after clocks were changed, "2h" is two hours and not one or three."""
    assert read(text, at=change, zone="Europe/Berlin") == Lookup(since=change - length)


def test_without_a_reader_me_is_nobody() -> None:
    """On the command line nobody is me, and an order of this name has its own spelling."""
    with pytest.raises(NotAFilter) as refused:
        parse("me", order_id_pattern=PATTERN, now=NOW)
    assert (refused.value.mistake, refused.value.word) == (Mistake.NOBODY, "me")
    assert parse("order:me", order_id_pattern=PATTERN, now=NOW) == Lookup(order_id="me")


@pytest.mark.parametrize(
    "text, mistake, word",
    [
        ("@bob", Mistake.NOBODY, "@bob"),
        ("@ben @bob", Mistake.NOBODY, "@ben"),
        ("state:gone", Mistake.NO_STATE, "gone"),
        ("pending cancelled", Mistake.TWICE, "cancelled"),
        ("me <@U2>", Mistake.TWICE, "<@U2>"),
        ("today 2h", Mistake.TWICE, "2h"),
        ("ord_1 ord_2", Mistake.TWICE, "ord_2"),
        ("7d 2026-11-01", Mistake.TWICE, "2026-11-01"),
        ("2026-02-31", Mistake.NO_SUCH_TIME, "2026-02-31"),
        ("0000-01-01", Mistake.NO_SUCH_TIME, "0000-01-01"),
        ("9999-12-31", Mistake.NO_SUCH_TIME, "9999-12-31"),
        ("2026-11-23..2026-11-01", Mistake.ENDS_BEFORE_IT_BEGINS, ""),
        ("what?", Mistake.NO_FILTER, "what?"),
        ("order:", Mistake.NO_FILTER, "order:"),
        (f"order:{'x' * 256}", Mistake.NO_FILTER, f"order:{'x' * 256}"),
        ("ord_1 " * 100, Mistake.TOO_LONG, ""),
    ],
)
def test_a_text_that_is_no_filter_is_refused_with_its_mistake(text: str, mistake: Mistake, word: str) -> None:
    """Anything else is refused with a code, and with the word that is wrong."""
    with pytest.raises(NotAFilter) as refused:
        read(text)
    assert (refused.value.mistake, refused.value.word) == (mistake, word)


@pytest.mark.parametrize(
    "text, filters, file",
    [
        ("csv", "", File.CSV),
        ("CSV", "", File.CSV),
        (" ord_1  csv ", "ord_1", File.CSV),
        ("@ben 7d\tCsv", "@ben 7d", File.CSV),
        ("order:csv csv", "order:csv", File.CSV),
        ("ord_1 Evidence", "ord_1", File.EVIDENCE),
        ("order:evidence evidence", "order:evidence", File.EVIDENCE),
    ],
)
def test_the_last_word_asks_for_a_file(text: str, filters: str, file: File) -> None:
    """The rest of the text are the filters."""
    found, wanted = wants_file(text)
    assert (found.strip(), wanted) == (filters, file)


@pytest.mark.parametrize("text", ["", "ord_1", "order:csv", "csv_1", "7d csv_1", "order:evidence", "evidence_1"])
def test_other_words_ask_for_no_file(text: str) -> None:
    """An order ID may begin with these letters."""
    assert wants_file(text) == (text, None)


@pytest.mark.parametrize("text", ["csv csv", "csv ord_1", "7d CSV today", "csv ord_1 csv", "ord_1 evidence csv"])
def test_a_file_is_asked_for_once_and_last(text: str) -> None:
    """Anything else is a mistake that is told."""
    with pytest.raises(NotAFilter) as refused:
        wants_file(text)
    assert refused.value.mistake is Mistake.FILE_NOT_LAST


WORDS = [
    "me",
    "today",
    "YESTERDAY",
    "7d",
    "0001-01-01",
    "9999-12-31",
    "2026-11-01",
    "..",
    "\u2013",
    "@ben",
    "<@U2>",
    "failed",
]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
@given(st.text() | st.lists(st.sampled_from(WORDS) | st.text()).map(" ".join))
def test_any_text_is_read_or_refused(zone: str, text: str) -> None:
    """No text makes the parser fail in another way, and the times that it names are in UTC."""
    with contextlib.suppress(NotAFilter):
        found = read(text, zone=zone)
        assert all(at is None or at.tzinfo is UTC for at in (found.since, found.until))


REASONS = ("fraud", "duplicate payment", "duplicate", "cancelled by customer", "7 days late")


@pytest.mark.parametrize(
    "text, lookup",
    [
        ("fraud", Lookup(category="fraud")),
        ("FRAUD", Lookup(category="fraud")),
        ("duplicate", Lookup(category="duplicate")),
        ("Duplicate   payment", Lookup(category="duplicate payment")),
        ("duplicate cancelled", Lookup(category="duplicate", state=State.CANCELLED)),
        ("cancelled by customer cancelled", Lookup(category="cancelled by customer", state=State.CANCELLED)),
        ("me 7 days late ord_1", Lookup("ord_1", "U1", category="7 days late")),
        ("order:fraud", Lookup(order_id="fraud")),
        ("order:duplicate fraud", Lookup(order_id="duplicate", category="fraud")),
        ("fraud_1", Lookup(order_id="fraud_1")),
    ],
)
def test_a_reason_of_the_list_is_a_filter(text: str, lookup: Lookup) -> None:
    """Its words are taken together, in any case, and the longest one counts; an order of that name needs its prefix."""
    assert parse(text, order_id_pattern=PATTERN, now=NOW, me="U1", reasons=REASONS) == lookup


@pytest.mark.parametrize("text, word", [("fraud duplicate payment", "duplicate payment"), ("fraud FRAUD", "FRAUD")])
def test_two_reasons_are_one_too_many(text: str, word: str) -> None:
    """The second one is named as it was typed."""
    with pytest.raises(NotAFilter) as refused:
        parse(text, order_id_pattern=PATTERN, now=NOW, reasons=REASONS)
    assert (refused.value.mistake, refused.value.word) == (Mistake.TWICE, word)


@pytest.mark.parametrize(
    "reason",
    [
        "cancelled",
        "Pending",
        "me",
        "7d",
        "today",
        "2026-02-31",
        "csv",
        "as csv",
        "help",
        "order:x",
        "state:gone",
        "@bob",
    ],
)
def test_a_reason_that_nobody_could_look_up(reason: str) -> None:
    """Its words mean something else already."""
    assert means_something_else(reason)
    assert not any(map(means_something_else, REASONS))
