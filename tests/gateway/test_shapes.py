"""The owner of an answer: three shapes are the gateway's, and everything else is somebody's."""

import json
from typing import Any

import pytest

from bot.gateway.shapes import Said, order_id_in, recognise, snake
from bot.sandbox.middle_box_pages import PAGES
from tests.gateway.replies import CAMEL, CONFIRMED, ORDER, envelope, error, flat

NO = {"code": "X", "message": "No."}


def said(body: dict[str, Any]) -> Said:
    """Return the gateway's answer in this body."""
    found = recognise(body)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "body, is_error",
    [
        pytest.param(CONFIRMED, False, id="confirmation"),
        pytest.param(CAMEL, False, id="confirmation in camel case"),
        pytest.param({"order_id": 12, "status": ""}, False, id="confirmation with a number"),
        pytest.param(error(), True, id="error object"),
        pytest.param({"error": {**NO, "timestamp": 1696435200}}, True, id="error object without a request ID"),
        pytest.param({"error": {**NO, "request_id": "r"}}, True, id="error object without a timestamp"),
        pytest.param({"error": {**NO, "details": {"a": 1}}}, True, id="error object with details alone"),
        pytest.param({"error": {"code": "X", "request_id": "r"}}, True, id="error object without a message"),
        pytest.param(error("X", ["No."]), True, id="error object with a list"),
        pytest.param(flat("No.", "Conflict", statusCode=409, data=None), True, id="envelope with data and a phrase"),
        pytest.param(flat("No.", "Conflict", statusCode=409, traceId="t"), True, id="envelope with an ID and a phrase"),
        pytest.param({"statusCode": 409, "traceId": "t"}, True, id="envelope with a trace ID"),
        pytest.param({"statusCode": 409, "data": None}, True, id="envelope with data"),
        pytest.param(CONFIRMED | error(), True, id="confirmation with an error"),
    ],
)
def test_the_gateways_shapes(body: dict[str, Any], is_error: bool) -> None:
    """An answer in one of the shapes is the gateway's."""
    assert said(body).is_error is is_error


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"order_id": ORDER},
        {"status": "cancelled"},
        {"order_id": ORDER, "status": True},
        {"order_id": ORDER, "status": None},
        {"order_id": None, "status": "cancelled"},
        {"order_id": True, "status": "cancelled"},
        {"order_id": 12.0, "status": "cancelled"},
        {"order_id": [ORDER], "status": "cancelled"},
        {"order_id": ORDER, "orderId": "ord_other", "status": "cancelled"},
        {"Order_Id": ORDER, "status": "cancelled"},
        {"data": CONFIRMED},
        {"result": CONFIRMED},
        {"error": {}},
        {"error": {"code": "X"}},
        {"error": {"message": "No."}},
        {"error": NO},
        {"error": {"code": "X", "timestamp": 1696435200, "details": {}}},
        {"error": {**NO, "details": {}}},
        {"error": {**NO, "request_id": ""}},
        {"error": {**NO, "request_id": None, "timestamp": None, "details": None}},
        {"error": {**NO, "request_id": {}, "timestamp": True, "details": []}},
        {"error": {**NO, "timestamp": "2026-11-23T12:00:00Z"}},
        {"error": {**NO, "timestamp": 1696435200.5}},
        {"error": {**NO, "details": [{"code": "Y", "message": "No."}]}},
        {"error": {**NO, "details": "No."}},
        {"error": {**NO, "trace_id": "t", "requestId": "r", "status": 409}},
        {"error": NO, "request_id": "r", "timestamp": 1696435200, "details": {}},
        error("", "No."),
        error(" ", "No."),
        error(404, "No."),
        error("404", "No."),
        error(["X"], "No."),
        {"error": {"code": "X", "message": {"en": "No."}, "timestamp": 1696435200}},
        {"error": {"code": "X", "message": [1], "timestamp": 1696435200}},
        {"error": [error()["error"]]},
        flat("No."),
        flat(["No.", "Never."]),
        flat("already canceled", "ORDER_ALREADY_CANCELLED"),
        flat("No.", "ORDER_LOCKED", statusCode=409),
        flat("No.", "ORDER_LOCKED", request_id="r"),
        {"error": "No."},
        {"error": "", "message": "No."},
        {"error": "No", "message": ""},
        {"error": "No", "message": []},
        {"error": True, "message": "No."},
        {"error": "Not Found", "message": "No.", "status": 404},
        {"message": "Order is already cancelled"},
        {"code": "ORDER_ALREADY_CANCELLED", "message": "Order is already cancelled"},
        {"statusCode": 409, "message": "No."},
        {"statusCode": 409, "message": "No.", "traceId": ""},
        {"statusCode": 409, "message": "No.", "traceId": 7},
        {"statusCode": "409", "message": "No.", "traceId": "t"},
        {"statusCode": True, "message": "No.", "traceId": "t"},
        {"statusCode": 409.0, "message": "No.", "data": None},
        {"errors": [{"code": "X", "message": "No."}]},
        {"fault": {"code": "X", "message": "No."}},
        {"success": False, "message": "Order is already cancelled"},
        {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "Order is already cancelled"},
    ],
)
def test_other_shapes_are_somebodys(body: dict[str, Any]) -> None:
    """A body that is only similar to a shape is not the gateway's."""
    assert recognise(body) is None


def test_no_page_of_the_middle_box_is_the_gateways() -> None:
    """The JSON of real proxies and API managers has none of the shapes; the rest of their pages is no JSON."""
    found = []
    for page in PAGES.values():
        try:
            body = json.loads(page(404).body)
        except ValueError:
            continue
        found.append(recognise(body))
    assert len(found) >= 40
    assert set(found) == {None}


@pytest.mark.parametrize(
    "body, code, message, request_id",
    [
        (error("X", "No.", request_id="req_9"), "X", "No.", "req_9"),
        (error("X", ["No.", " ", "Never."]), "X", "No.; Never.", "req_1"),
        (error("X", "No.", request_id=None, traceId="t"), "X", "No.", "t"),
        ({**error("X", None), "message": "Outside."}, "X", "Outside.", "req_1"),
        (envelope(409, "No."), "", "No.", "trace-1"),
        (envelope(409, "No.", errorCode="X"), "X", "No.", "trace-1"),
        (envelope(409, "No.", {"error_code": "X"}), "X", "No.", "trace-1"),
        (envelope(409, None, {"message": "Inside."}), "", "Inside.", "trace-1"),
        (envelope(409, "No.", error="Conflict"), "", "No.", "trace-1"),
        (envelope(409, None, error={"code": "X", "message": "No."}), "X", "No.", "trace-1"),
        (envelope(409, "No.", traceId=77), "", "No.", "77"),
        (CONFIRMED, "", "", ""),
    ],
)
def test_the_words_of_each_shape(body: dict[str, Any], code: str, message: str, request_id: str) -> None:
    """Code, message and request ID are found under each name that the gateway's pages have for them."""
    found = said(body)
    assert (found.code, found.message, found.request_id) == (code, message, request_id)


@pytest.mark.parametrize(
    "body, at",
    [
        (CONFIRMED, "2025-10-04T11:15:00Z"),
        ({"order_id": ORDER, "status": "cancelled", "cancelled_at": 1696435200}, "1696435200"),
        ({"order_id": ORDER, "status": "cancelled", "cancelled_at": ["soon"]}, ""),
        ({"orderId": ORDER, "status": "CANCELED", "canceledAt": "now"}, "now"),
        (envelope(200, "", {"orderId": ORDER, "status": "CANCELLED", "cancelledAt": "now"}), "now"),
        (error(), ""),
    ],
)
def test_the_time_of_a_confirmation(body: dict[str, Any], at: str) -> None:
    """The time is shown as it is written, under either spelling; one of the wrong type is left out."""
    assert said(body).cancelled_at == at


@pytest.mark.parametrize(
    "name, result",
    [
        ("orderId", "order_id"),
        ("OrderID", "order_id"),
        ("ORDER_ALREADY_CANCELLED", "order_already_cancelled"),
        ("OrderAlreadyCancelled", "order_already_cancelled"),
        ("order-already.cancelled", "order_already_cancelled"),
        (" Not Found ", "not_found"),
        ("HTTPStatus", "http_status"),
        ("", ""),
    ],
)
def test_names_in_snake_case(name: str, result: str) -> None:
    """Different styles of one name are alike."""
    assert snake(name) == result


@pytest.mark.parametrize(
    "part, order_id",
    [
        ({"order_id": "012"}, "012"),
        ({"order_id": 12}, "12"),
        ({"order_id": "12", "orderId": 12}, "12"),
        ({"order_id": "12", "orderId": 13}, None),
        ({"order_id": True}, None),
        ({"order_id": 12.0}, None),
        ({}, None),
    ],
)
def test_an_order_id_is_text_or_a_whole_number(part: dict[str, Any], order_id: str | None) -> None:
    """Only these are compared, and two that differ are none."""
    assert order_id_in(part) == order_id


def test_values_come_from_every_depth() -> None:
    """Nesting deeper than Python's recursion is no hindrance."""
    deep: dict[str, Any] = {"order_id": "ord_deep"}
    for _ in range(5000):
        deep = {"a": [deep]}
    found = said({**CONFIRMED, "deep": deep})
    assert [value for name, value in found.values() if name == "order_id"] == ["ord_deep", ORDER]
