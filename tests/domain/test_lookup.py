"""The filters of /cancel-audit and audit find."""

import contextlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from bot.domain.cancellation import State
from bot.domain.lookup import Lookup, Mistake, NotAFilter, parse

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read(text: str) -> Lookup:
    """Return the look-up that these words ask for."""
    return parse(text, order_id_pattern=PATTERN, now=NOW)


@pytest.mark.parametrize(
    "text, lookup",
    [
        pytest.param("", Lookup(), id="nothing"),
        pytest.param("ord_1", Lookup(order_id="ord_1"), id="order"),
        pytest.param("order:7d", Lookup(order_id="7d"), id="order that looks like a time"),
        pytest.param("<@U012AB|ann>", Lookup(person="U012AB"), id="person with name"),
        pytest.param("<@W012AB>", Lookup(person="W012AB"), id="person"),
        pytest.param("@U012AB3CD", Lookup(person="U012AB3CD"), id="person on the command line"),
        pytest.param("state:cancelled", Lookup(state=State.CANCELLED), id="state"),
        pytest.param("state:UNKNOWN", Lookup(state=State.UNKNOWN), id="state in capitals"),
        pytest.param("7d", Lookup(since=NOW - timedelta(days=7)), id="days"),
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
    "text, mistake, word",
    [
        ("@bob", Mistake.NOBODY, "@bob"),
        ("state:gone", Mistake.NO_STATE, "gone"),
        ("ord_1 ord_2", Mistake.TWICE, "ord_2"),
        ("7d 2026-11-01", Mistake.TWICE, "2026-11-01"),
        ("2026-02-31", Mistake.NO_SUCH_TIME, "2026-02-31"),
        ("0000-01-01", Mistake.NO_SUCH_TIME, "0000-01-01"),
        ("9999-12-31", Mistake.NO_SUCH_TIME, "9999-12-31"),
        ("2026-11-23..2026-11-01", Mistake.ENDS_BEFORE_IT_BEGINS, ""),
        ("what?", Mistake.NO_FILTER, "what?"),
        ("order:what?", Mistake.NO_FILTER, "order:what?"),
        ("ord_1 " * 100, Mistake.TOO_LONG, ""),
    ],
)
def test_a_text_that_is_no_filter_is_refused_with_its_mistake(text: str, mistake: Mistake, word: str) -> None:
    """Anything else is refused with a code, and with the word that is wrong."""
    with pytest.raises(NotAFilter) as refused:
        read(text)
    assert (refused.value.mistake, refused.value.word) == (mistake, word)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the parser fail in another way."""
    with contextlib.suppress(NotAFilter):
        assert isinstance(read(text), Lookup)
