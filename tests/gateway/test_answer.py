"""The meaning of each possible answer of the gateway's, read from status, headers and body alone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.gateway.answer import LONGEST_RETRY_AFTER, Reply, parse_date, read_answer, shown

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ORDER = "ord_abc123xyz"
KEY = "dvpay-key-5f1c"
NOT_SENT, REFUSED, UNKNOWN = Outcome.NOT_SENT, Outcome.REFUSED, Outcome.UNKNOWN
CONFIRMED = {"order_id": ORDER, "status": "cancelled", "cancelled_at": "2025-10-04T11:15:00Z"}


def read(
    status: int,
    body: object = b"",
    headers: dict[str, str] | None = None,
    *,
    order_id: str = ORDER,
    secret: str = KEY,
) -> Answer:
    """Return what such a reply to a cancel of ``order_id`` proves."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(Reply(status, headers or {}, content), order_id, now=NOW, secret=secret)


def error(message: object = "", code: object = "", details: object = None, **more: object) -> dict[str, Any]:
    """Return a body in the documented shape of errors."""
    return {"error": {"code": code, "message": message, "details": details, "timestamp": 1696435200, **more}}


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_a_confirmation_of_this_order_is_cancelled(status: int) -> None:
    """Any 2xx with the same order and the status cancelled is the one proof that counts."""
    assert read(status, CONFIRMED) == Answer(
        Outcome.CANCELLED,
        http_status=status,
        cancelled_at="2025-10-04T11:15:00Z",
    )


def test_a_whole_number_as_order_id_is_the_same_order() -> None:
    """Newer examples of the gateway write order IDs as whole numbers, which we hold as text."""
    assert read(200, {"order_id": 1042, "status": "cancelled"}, order_id="1042").outcome is Outcome.CANCELLED


def test_an_odd_time_does_not_spoil_a_confirmation() -> None:
    """Only the order and its status decide; a time of the wrong type is left out or shown as text."""
    assert read(200, CONFIRMED | {"cancelled_at": ["soon"]}) == Answer(Outcome.CANCELLED, http_status=200)
    assert read(200, CONFIRMED | {"cancelled_at": 1696435200}).cancelled_at == "1696435200"


@pytest.mark.parametrize(
    "body, trouble, about",
    [
        pytest.param(CONFIRMED | {"order_id": "ord_other"}, Trouble.ANOTHER_ORDER, "", id="another order"),
        pytest.param(CONFIRMED | {"order_id": ORDER.upper()}, Trouble.ANOTHER_ORDER, "", id="order in capitals"),
        pytest.param(CONFIRMED | {"order_id": f" {ORDER}"}, Trouble.ANOTHER_ORDER, "", id="order with a space"),
        pytest.param(CONFIRMED | {"order_id": True}, Trouble.NO_CONFIRMATION, "", id="order is a boolean"),
        pytest.param(CONFIRMED | {"order_id": None}, Trouble.NO_CONFIRMATION, "", id="order is null"),
        pytest.param(CONFIRMED | {"order_id": [ORDER]}, Trouble.NO_CONFIRMATION, "", id="order in a list"),
        pytest.param({"status": "cancelled"}, Trouble.NO_CONFIRMATION, "", id="no order"),
        pytest.param({"order_id": ORDER}, Trouble.NO_CONFIRMATION, "", id="no status"),
        pytest.param(CONFIRMED | {"status": "processing"}, Trouble.ANOTHER_STATUS, "processing", id="another status"),
        pytest.param(CONFIRMED | {"status": "Cancelled"}, Trouble.ANOTHER_STATUS, "Cancelled", id="status in capitals"),
        pytest.param(CONFIRMED | {"status": True}, Trouble.NO_CONFIRMATION, "", id="status is a boolean"),
        pytest.param([CONFIRMED], Trouble.NO_CONFIRMATION, "", id="a list"),
        pytest.param("cancelled", Trouble.NO_CONFIRMATION, "", id="a string"),
        pytest.param(b"", Trouble.NO_CONFIRMATION, "", id="empty"),
        pytest.param(b"<html>cancelled</html>", Trouble.NO_CONFIRMATION, "", id="HTML"),
        pytest.param(json.dumps(CONFIRMED).encode("utf-16"), Trouble.NO_CONFIRMATION, "", id="UTF-16"),
        pytest.param(b'{"order_id": "\xff", "status": "cancelled"}', Trouble.NO_CONFIRMATION, "", id="not UTF-8"),
        pytest.param(json.dumps(CONFIRMED).encode() + b"{}", Trouble.NO_CONFIRMATION, "", id="two documents"),
        pytest.param(b"[" * 65_000, Trouble.NO_CONFIRMATION, "", id="deep nesting"),
        pytest.param(b'{"order_id": ' + b"9" * 60_000 + b"}", Trouble.NO_CONFIRMATION, "", id="huge number"),
        pytest.param({"data": CONFIRMED}, Trouble.NO_CONFIRMATION, "", id="confirmation inside something else"),
    ],
)  # fmt: skip
def test_any_other_success_proves_nothing(body: object, trouble: Trouble, about: str) -> None:
    """A 2xx that is not exactly the confirmation leaves it unknown, to be asked again, with a code for the reason."""
    assert read(200, body) == Answer(UNKNOWN, repeat=True, trouble=trouble, trouble_about=about, http_status=200)


@pytest.mark.parametrize("number", [12.0, "012", 120])
def test_a_number_that_is_only_similar_is_another_order(number: object) -> None:
    """12.0, 012 and 120 are not the order 12."""
    assert read(200, {"order_id": number, "status": "cancelled"}, order_id="12").outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "status, outcome, repeat",
    [
        (302, UNKNOWN, True),
        (307, UNKNOWN, True),
        (400, REFUSED, False),
        (401, NOT_SENT, False),
        (403, NOT_SENT, False),
        (404, REFUSED, False),
        (405, NOT_SENT, False),
        (408, UNKNOWN, True),
        (409, REFUSED, False),
        (413, NOT_SENT, False),
        (415, NOT_SENT, False),
        (422, REFUSED, False),
        (429, NOT_SENT, True),
        (500, UNKNOWN, True),
        (501, UNKNOWN, True),
        (502, UNKNOWN, True),
        (503, NOT_SENT, True),
        (504, UNKNOWN, True),
        (101, UNKNOWN, True),
        (600, UNKNOWN, True),
        (999, UNKNOWN, True),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(error("Not now."), id="documented error"),
        pytest.param(b"<html>no</html>", id="HTML"),
        pytest.param(b"", id="empty"),
        pytest.param(CONFIRMED, id="a confirmation"),
    ],
)
def test_the_status_decides(status: int, outcome: Outcome, repeat: bool, body: object) -> None:
    """Each status but a 2xx has one outcome, whatever body comes with it."""
    answer = read(status, body)
    assert (answer.outcome, answer.repeat, answer.http_status) == (outcome, repeat, status)
    assert answer.message or answer.trouble


def test_a_redirect_has_a_code_of_its_own() -> None:
    """A redirect is not followed, and nothing that comes with it is read."""
    answer = Answer(UNKNOWN, repeat=True, trouble=Trouble.REDIRECT, http_status=301)
    assert read(301) == answer
    assert read(301, error("Moved.")) == answer


@pytest.mark.parametrize("status", [400, 409, 422])
def test_a_refusal_that_broke_off_is_asked_again(status: int) -> None:
    """The missing part may say that the order is cancelled already, so it is not taken for a no."""
    reply = Reply(status, {}, trouble=Trouble.BROKEN_OFF)
    answer = read_answer(reply, ORDER, now=NOW, secret=KEY)
    assert answer == Answer(UNKNOWN, repeat=True, trouble=Trouble.BROKEN_OFF, http_status=status)


@pytest.mark.parametrize("trouble, about", [(Trouble.TOO_LONG, "64"), (Trouble.BROKEN_OFF, "")])
@pytest.mark.parametrize(
    "status, outcome", [(200, UNKNOWN), (401, NOT_SENT), (404, REFUSED), (429, NOT_SENT), (500, UNKNOWN)],
)  # fmt: skip
def test_other_answers_that_broke_off_count_by_their_status(
    status: int, outcome: Outcome, trouble: Trouble, about: str,
) -> None:  # fmt: skip
    """A missing body changes nothing where the status says enough; the trouble says why it is missing."""
    answer = read_answer(Reply(status, {}, trouble=trouble, trouble_about=about), ORDER, now=NOW, secret=KEY)
    assert (answer.outcome, answer.trouble, answer.trouble_about) == (outcome, trouble, about)


@pytest.mark.parametrize("trouble", [Trouble.COMPRESSED, Trouble.TOO_LONG])
@pytest.mark.parametrize("status", [400, 409, 422])
def test_a_refusal_that_is_not_read_stays_a_refusal(status: int, trouble: Trouble) -> None:
    """Asking again would bring the same unreadable body, so the no counts, without a reason."""
    answer = read_answer(Reply(status, {}, trouble=trouble), ORDER, now=NOW, secret=KEY)
    assert answer == Answer(REFUSED, reason=Reason.OTHER, trouble=trouble, http_status=status)


def test_a_confirmation_that_broke_off_proves_nothing() -> None:
    """A body that arrived whole counts for nothing where the connection failed after it."""
    reply = Reply(200, {}, json.dumps(CONFIRMED).encode(), Trouble.BROKEN_OFF)
    answer = read_answer(reply, ORDER, now=NOW, secret=KEY)
    assert answer == Answer(UNKNOWN, repeat=True, trouble=Trouble.BROKEN_OFF, http_status=200)


def test_a_documented_error_is_passed_on() -> None:
    """Code, message and request id come through, for the people and for the vendor's support."""
    body = error("Order not found.", "ORDER_NOT_FOUND", request_id="req_1")
    assert read(404, body) == Answer(
        REFUSED,
        reason=Reason.NO_SUCH_ORDER,
        http_status=404,
        code="ORDER_NOT_FOUND",
        message="Order not found.",
        request_id="req_1",
    )


@pytest.mark.parametrize(
    "body, message",
    [
        pytest.param({"message": "Not today."}, "Not today.", id="flat"),
        pytest.param({"error": "Not today."}, "Not today.", id="a string"),
        pytest.param({"error": {"message": 12}}, "12", id="a number"),
        pytest.param({"error": {"message": {"en": "no"}}}, "", id="an object"),
        pytest.param({"error": {"message": None, "code": [1]}}, "", id="null"),
        pytest.param({"error": ["Not today."]}, "", id="a list"),
        pytest.param(["Not today."], "", id="no object"),
        pytest.param({"error": {"message": " \n\t "}}, "", id="blank"),
    ],
)
def test_error_bodies_of_other_shapes(body: object, message: str) -> None:
    """The words of an undocumented error are shown; where none can be read, a code says so."""
    answer = read(500, body)
    assert answer.message == message
    assert answer.trouble is (None if message else Trouble.NO_REASON)


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize(
    "body, reason",
    [
        (error("Order is already cancelled"), Reason.ALREADY_CANCELLED),
        (error(code="CONFLICT", details={"current_status": "completed"}), Reason.COMPLETED),
        (error("Order is paid"), Reason.COMPLETED),
        (error("Order has already been refunded."), Reason.ALREADY_REFUNDED),
        (error(code="ORDER_PARTIALLY_REFUNDED"), Reason.ALREADY_REFUNDED),
        (error("Order is expired"), Reason.OTHER),
        (b"<html>no</html>", Reason.OTHER),
    ],
)
def test_a_refusal_has_a_reason(status: int, body: object, reason: Reason) -> None:
    """The error's words give the reason of a final no; where they give none, it is OTHER."""
    answer = read(status, body)
    assert (answer.outcome, answer.reason) == (REFUSED, reason)


@pytest.mark.parametrize("body", [error("Order is already cancelled"), error("Order is completed"), b""])
def test_a_404_is_no_such_order(body: object) -> None:
    """The words of a 404 do not change its reason."""
    assert read(404, body).reason is Reason.NO_SUCH_ORDER


@pytest.mark.parametrize("status", [401, 403, 404, 405, 429, 500, 503])
@pytest.mark.parametrize("said", ["Order is already cancelled", "Order is completed", "Order was refunded"])
def test_other_answers_say_nothing_about_the_state(status: int, said: str) -> None:
    """Only a refusal speaks of the order's state."""
    of_the_state = {Reason.ALREADY_CANCELLED, Reason.COMPLETED, Reason.ALREADY_REFUNDED}
    assert read(status, error(said)).reason not in of_the_state


@pytest.mark.parametrize("status", [405, 408, 413, 429, 500, 503])
def test_only_a_no_has_a_reason(status: int) -> None:
    """The other errors are about the call and not about the order or the credentials."""
    assert read(status, error("Not now. Check the timestamp.", "TIMESTAMP")).reason is None


@pytest.mark.parametrize(
    "status, body, reason",
    [
        (401, error("X-Timestamp is more than 5 minutes off.", "UNAUTHORIZED"), Reason.CLOCK),
        (401, error("Unauthorized", "INVALID_TIMESTAMP"), Reason.CLOCK),
        (401, error("Unknown key", "INVALID_API_KEY"), Reason.CREDENTIALS),
        (401, error("Unknown key", "INVALID_API_KEY", timestamp=1696435200), Reason.CREDENTIALS),
        (401, error("Timestamps must not be sent"), Reason.CREDENTIALS),
        (401, b"", Reason.CREDENTIALS),
        (403, error("Account suspended"), Reason.CREDENTIALS),
        (403, error("Bad timestamp", "INVALID_TIMESTAMP"), Reason.CREDENTIALS),
    ],
)
def test_the_clock_is_not_taken_for_the_credentials(status: int, body: object, reason: Reason) -> None:
    """A 401 that speaks of the timestamp is about the clock; any other 401, and each 403, is about the credentials."""
    answer = read(status, body)
    assert (answer.outcome, answer.repeat, answer.reason) == (NOT_SENT, False, reason)


def test_a_status_without_a_name() -> None:
    """A number that HTTP does not know is kept as it is."""
    assert read(599) == Answer(UNKNOWN, repeat=True, trouble=Trouble.NO_REASON, http_status=599)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "text, seconds",
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("900", 900.0),
        ("901", LONGEST_RETRY_AFTER),
        ("9" * 5000, LONGEST_RETRY_AFTER),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 30.0),
        ("Mon, 23 Nov 2026 13:00:30 +0100", 30.0),
        ("Mon, 23 Nov 2026 11:59:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("5, 7", None),
        ("Mon, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after(status: int, text: str, seconds: float | None) -> None:
    """Seconds or an HTTP date count, between nothing and the cap; anything else is as if it were not there."""
    assert read(status, headers={"Retry-After": text}).retry_after == seconds


@pytest.mark.parametrize("status", [200, 302, 401, 409, 500])
def test_retry_after_counts_only_where_nothing_was_done(status: int) -> None:
    """Other answers have a pause of the worker's own."""
    assert read(status, headers={"Retry-After": "7"}).retry_after is None


def test_dates_are_aware() -> None:
    """The gateway's clock is compared with ours, so it must be in UTC."""
    at = parse_date("Mon, 23 Nov 2026 13:00:30 +0100")
    assert at == NOW + timedelta(seconds=30)
    assert at is not None
    assert at.tzinfo is UTC


@pytest.mark.parametrize(
    "text, line",
    [
        ("  two\r\nlines\tand\u2028more ", "two lines and more"),
        ("\x1b[31mred\x00\x07", "[31mred"),
        ("abc\u202edef\u200b", "abcdef"),
        ("a\ud800b", "ab"),
        ("é ☃ 取消", "é ☃ 取消"),
        (f"bad key {KEY}!", "bad key ***!"),
        ("bad key dvpay-\u200bkey-5f1c", "bad key ***"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 299 + "…"),
        ("x" * 290 + KEY, "x" * 290 + "***"),
    ],
)
def test_text_of_the_gateway_is_made_fit_to_show(text: str, line: str) -> None:
    """One line, nothing invisible, not the key, and not too long."""
    assert shown(text, KEY) == line


def test_a_key_with_inner_spaces_is_replaced() -> None:
    """The key is found before spaces are squeezed and after."""
    assert shown("no: a  b", "a  b") == "no: ***"
    assert shown("no: a\nb", "a b") == "no: ***"


def test_no_key_replaces_nothing() -> None:
    """An empty key does not sprinkle stars over the text."""
    assert shown("abc", "") == "abc"


def test_the_key_is_replaced_in_every_field() -> None:
    """A key that the gateway echoes reaches no field of an answer."""
    answers = [
        read(401, error(KEY, KEY, request_id=KEY)),
        read(200, CONFIRMED | {"cancelled_at": KEY}),
        read(200, CONFIRMED | {"status": KEY}),
        read(400, {"error": KEY}),
    ]
    assert [answer for answer in answers if KEY in repr(answer)] == []


def test_long_names_are_cut() -> None:
    """Code, request id and time are bounded, as they go into messages and the record."""
    answer = read(409, error("m" * 9000, "c" * 9000, request_id="r" * 9000))
    assert [len(text) for text in (answer.message, answer.code, answer.request_id)] == [300, 100, 100]
    assert len(read(200, CONFIRMED | {"cancelled_at": "t" * 9000}).cancelled_at) == 100


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
error_bodies = st.fixed_dictionaries(
    {},
    optional={
        "error": st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("code", "message", "details", "request_id", "timestamp"), json_values),
        ) | json_values,
        "order_id": json_values | st.just(ORDER),
        "status": json_values | st.just("cancelled"),
        "cancelled_at": json_values,
    },
)  # fmt: skip
bodies = st.binary() | error_bodies.map(lambda body: json.dumps(body).encode())


@given(
    status=st.integers(100, 999),
    retry_after=st.text() | st.integers().map(str) | st.datetimes().map(lambda at: f"{at:%a, %d %b %Y %H:%M:%S} GMT"),
    body=bodies,
    trouble=st.sampled_from([None, Trouble.COMPRESSED, Trouble.TOO_LONG, Trouble.BROKEN_OFF]),
    order_id=st.text(min_size=1) | st.just(ORDER),
)
def test_nothing_raises_and_nothing_else_confirms(
    status: int, retry_after: str, body: bytes, trouble: Trouble | None, order_id: str,
) -> None:  # fmt: skip
    """Every reply gives an answer in bounds, and "cancelled" only for the exact confirmation."""
    reply = Reply(status, {"Retry-After": retry_after}, body, trouble)
    answer = read_answer(reply, order_id, now=NOW, secret=KEY)
    if answer.outcome is Outcome.CANCELLED:
        assert 200 <= status <= 299
        assert trouble is None
        said = json.loads(body)
        assert type(said["order_id"]) in {str, int}
        assert (str(said["order_id"]), said["status"]) == (order_id, "cancelled")
    else:
        assert bool(answer.message) is not bool(answer.trouble)
    assert len(answer.message) <= 300
    assert answer.message.isprintable()
    assert answer.retry_after is None or 0 <= answer.retry_after <= LONGEST_RETRY_AFTER
    assert (answer.reason is not None) is (answer.outcome is REFUSED or status in {401, 403})
    assert answer.reason is not Reason.ALREADY_CANCELLED or answer.outcome is REFUSED
