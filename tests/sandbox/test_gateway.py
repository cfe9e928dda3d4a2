"""The local gateway follows the documentation, and misbehaves to order."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import Canned, Drop, Hang, Twist, broken
from bot.sandbox.gateway import CANCEL_PATH, LocalGateway, OrderStatus
from tests.clock import Clock

ORDER = "ord_abc123xyz"
STAMP = "1795424400"  # the clock's 2026-11-23 09:00 UTC
HEADERS = {
    "X-App-Id": "local-app",
    "X-Api-Key": "local-key",
    "X-Timestamp": STAMP,
    "Content-Type": "application/json",
}


@pytest.fixture
async def gateway() -> AsyncIterator[LocalGateway]:
    """Yield a gateway that knows one pending order."""
    async with LocalGateway(now=Clock()) as gateway:
        gateway.add_order(ORDER)
        yield gateway


async def call(
    gateway: LocalGateway,
    body: object = None,
    *,
    method: str = "POST",
    path: str = CANCEL_PATH,
    headers: dict[str, str | None] | None = None,
) -> httpx.Response:
    """Make a call as documented, but for the changes given."""
    content = body if isinstance(body, bytes) else json.dumps(body or {"order_id": ORDER}).encode()
    sent = {name: value for name, value in (HEADERS | (headers or {})).items() if value is not None}
    async with httpx.AsyncClient(base_url=gateway.base_url) as client:
        return await client.request(method, path, content=content, headers=sent)


async def test_a_pending_order_is_cancelled(gateway: LocalGateway) -> None:
    """The answer is the documented one, and the order, the effect and the call are remembered."""
    response = await call(gateway, {"order_id": ORDER, "reason": "duplicate"})
    expected = {"order_id": ORDER, "status": "cancelled", "cancelled_at": "2026-11-23T09:00:00Z"}
    assert (response.status_code, response.json()) == (200, expected)
    order = gateway.orders[ORDER]
    assert (order.status, order.reason) == (OrderStatus.CANCELLED, "duplicate")
    assert gateway.effects == {ORDER: 1}
    [seen] = gateway.calls
    assert (seen.method, seen.path, seen.order_id, seen.status, seen.effect) == ("POST", CANCEL_PATH, ORDER, 200, True)
    assert json.loads(seen.body) == {"order_id": ORDER, "reason": "duplicate"}
    assert json.loads(seen.answer) == expected


async def test_the_key_is_masked(gateway: LocalGateway) -> None:
    """A remembered call can be shown to anybody, because its key is masked."""
    await call(gateway)
    headers = {name.lower(): value for name, value in gateway.calls[0].headers.items()}
    assert headers["x-api-key"] == "***"
    assert headers["x-app-id"] == "local-app"


@pytest.mark.parametrize(
    "status, answer, code",
    [
        ("pending", 200, None),
        ("processing", 200, None),
        ("failed", 200, None),
        ("paid", 422, "ORDER_NOT_CANCELLABLE"),
        ("completed", 422, "ORDER_NOT_CANCELLABLE"),
        ("refunded", 422, "ORDER_NOT_CANCELLABLE"),
        ("partially_refunded", 422, "ORDER_NOT_CANCELLABLE"),
        ("expired", 422, "ORDER_NOT_CANCELLABLE"),
        ("cancelled", 409, "ORDER_ALREADY_CANCELLED"),
    ],
)
async def test_each_state_has_its_answer(gateway: LocalGateway, status: str, answer: int, code: str | None) -> None:
    """An order in a cancellable state is cancelled; any other is refused with its state, and stays as it is."""
    gateway.add_order(ORDER, status)
    response = await call(gateway)
    assert response.status_code == answer
    if code is None:
        assert gateway.effects[ORDER] == 1
    else:
        error = response.json()["error"]
        assert (error["code"], error["details"]) == (code, {"order_id": ORDER, "current_status": status})
        assert error["timestamp"] == int(STAMP)
        assert error["request_id"]
        assert gateway.orders[ORDER].status == status
        assert gateway.effects[ORDER] == 0


async def test_a_second_cancel_has_no_second_effect(gateway: LocalGateway) -> None:
    """Sending the same cancel again is safe: the order stays as it is, and the gateway says so."""
    assert [(await call(gateway)).status_code for _ in range(3)] == [200, 409, 409]
    assert gateway.effects == {ORDER: 1}


@pytest.mark.parametrize(
    "change, status",
    [
        ({"method": "GET"}, 405),
        ({"path": "/api/v1/payment-gateway/order/cancel/"}, 404),
        ({"path": "/api/v1/payment-gateway/order"}, 404),
        ({"headers": {"Content-Type": "text/plain"}}, 415),
        ({"headers": {"Content-Type": None}}, 415),
        ({"headers": {"X-Api-Key": None}}, 401),
        ({"headers": {"X-Api-Key": "another"}}, 401),
        ({"headers": {"X-App-Id": None}}, 401),
        ({"headers": {"X-App-Id": "another"}}, 401),
        ({"headers": {"X-Timestamp": None}}, 401),
        ({"headers": {"X-Timestamp": "now"}}, 401),
        ({"headers": {"X-Timestamp": f"{STAMP}.5"}}, 401),
        ({"headers": {"X-Timestamp": str(int(STAMP) - 301)}}, 401),
        ({"headers": {"X-Timestamp": str(int(STAMP) + 301)}}, 401),
        ({"headers": {"X-Timestamp": str(int(STAMP) * 1000)}}, 401),
        ({"body": b""}, 400),
        ({"body": b"{"}, 400),
        ({"body": b"[" * 10_000}, 400),
        ({"body": b'["ord_abc123xyz"]'}, 400),
        ({"body": {"reason": "x"}}, 400),
        ({"body": {"order_id": 12}}, 400),
        ({"body": {"order_id": ""}}, 400),
        ({"body": {"order_id": ORDER, "reason": 12}}, 400),
        ({"body": {"order_id": ORDER, "reason": ""}}, 400),
        ({"body": {"order_id": "ord_unknown"}}, 404),
    ],
)
async def test_a_call_that_is_not_as_documented(gateway: LocalGateway, change: dict[str, Any], status: int) -> None:
    """It gets the documented shape of errors, and has no effect."""
    response = await call(gateway, **change)
    assert response.status_code == status
    assert response.json()["error"].keys() == {"code", "message", "details", "request_id", "timestamp"}
    assert gateway.effects == {}
    assert gateway.calls[0].status == status


@pytest.mark.parametrize("off", [-300, 300])
async def test_the_clock_may_be_five_minutes_off(gateway: LocalGateway, off: int) -> None:
    """The timestamp is accepted up to the documented tolerance."""
    assert (await call(gateway, headers={"X-Timestamp": str(int(STAMP) + off)})).status_code == 200


async def test_without_an_app_id_the_key_is_enough() -> None:
    """A gateway as of version 1.4.0 asks for the key alone."""
    async with LocalGateway(now=Clock(), app_id=None) as gateway:
        gateway.add_order(ORDER)
        assert (await call(gateway, headers={"X-App-Id": None})).status_code == 200


async def test_the_origin_tells_the_gateways_clock(gateway: LocalGateway) -> None:
    """A request to the origin needs no credentials, and does not count as a call."""
    async with httpx.AsyncClient() as client:
        response = await client.head(gateway.base_url)
    assert (response.status_code, response.headers["Date"]) == (200, "Mon, 23 Nov 2026 09:00:00 GMT")
    assert gateway.calls == []


@pytest.mark.parametrize(
    "answer, status, headers",
    [
        (answers.internal_error(), 500, {}),
        (answers.too_many(7), 429, {"Retry-After": "7"}),
        (answers.maintenance("Mon, 23 Nov 2026 09:01:00 GMT"), 503, {"Retry-After": "Mon, 23 Nov 2026 09:01:00 GMT"}),
        (broken(502), 502, {"Content-Type": "text/html"}),
        (answers.wrong_order(), 200, {}),
        (answers.wrong_status(ORDER), 200, {}),
        (answers.empty(), 200, {}),
        (answers.oversized(ORDER), 200, {"Content-Length": "200000"}),
    ],
)
async def test_faults_that_answer(gateway: LocalGateway, answer: Canned, status: int, headers: dict[str, str]) -> None:
    """A canned answer has no effect; inside a twist the order is cancelled, and the same answer comes."""
    gateway.faults.add(ORDER, answer, Twist(answer))
    for effects in (0, 1):
        response = await call(gateway)
        assert (response.status_code, response.content) == (status, answer.body)
        assert {name: response.headers[name] for name in headers} == headers
        assert gateway.effects[ORDER] == effects
    assert [seen.effect for seen in gateway.calls] == [False, True]


def test_the_bomb_is_small_on_the_wire() -> None:
    """The bomb is under the client's limit, and huge once inflated."""
    body = answers.gzip_bomb(ORDER).body
    assert len(body) < 64 * 1024
    assert len(gzip.decompress(body)) == 32 * 1024 * 1024


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_dropped_connection(gateway: LocalGateway, after_effect: bool) -> None:
    """A dropped connection gives no answer, with or without an effect."""
    gateway.faults.add(ORDER, Drop(after_effect=after_effect))
    with pytest.raises(httpx.TransportError):
        await call(gateway)
    seen = await gateway.wait_for(lambda: gateway.calls)
    assert (gateway.effects[ORDER], seen[0].effect, seen[0].status) == (int(after_effect), after_effect, None)


async def test_a_call_that_hangs_takes_effect_later(gateway: LocalGateway) -> None:
    """A hanging call is remembered at once, and takes effect and is answered when the fault ends."""
    until = asyncio.Event()
    gateway.faults.always("*", Hang(until))
    hanging = asyncio.create_task(call(gateway))
    [seen] = await gateway.wait_for(lambda: gateway.calls)
    assert (seen.status, gateway.effects[ORDER]) == (None, 0)
    until.set()
    assert (await hanging).status_code == 200
    assert gateway.effects[ORDER] == 1


async def test_a_call_that_hangs_after_its_effect(gateway: LocalGateway) -> None:
    """The order is cancelled while the call hangs, and the right answer comes when the fault ends."""
    until = asyncio.Event()
    gateway.faults.add(ORDER, Hang(until, after_effect=True))
    hanging = asyncio.create_task(call(gateway))
    [seen] = await gateway.wait_for(lambda: [seen for seen in gateway.calls if seen.effect])
    assert (seen.status, hanging.done()) == (None, False)
    until.set()
    assert (await hanging).status_code == 200
    assert gateway.effects[ORDER] == 1


async def test_stopping_cuts_off_what_hangs() -> None:
    """A stop does not wait for a call that hangs for ever."""
    async with LocalGateway(now=Clock()) as gateway:
        gateway.faults.always("*", Hang(asyncio.Event()))
        hanging = asyncio.create_task(call(gateway))
        await gateway.wait_for(lambda: gateway.calls)
    with pytest.raises(httpx.TransportError):
        await hanging


async def test_away_and_back_at_the_same_address(gateway: LocalGateway) -> None:
    """A stopped gateway refuses connections and keeps its port; started again, it knows its orders."""
    address = gateway.base_url
    await gateway.stop()
    await gateway.stop()
    with pytest.raises(httpx.ConnectError):
        await call(gateway)
    with socket.socket() as another, pytest.raises(OSError, match="in use"):
        another.bind(("127.0.0.1", int(address.rpartition(":")[2])))
    await gateway.start()
    assert gateway.base_url == address
    assert (await call(gateway)).status_code == 200


async def test_subscribers_see_what_changes(gateway: LocalGateway) -> None:
    """A subscriber gets orders and calls in the sequence of their changes, until they leave."""
    with gateway.subscribe() as changes:
        order = gateway.add_order("ord_2", "completed")
        await call(gateway)
    gateway.add_order("ord_3")
    [seen] = gateway.calls
    assert [changes.get_nowait() for _ in range(changes.qsize())] == [order, seen, gateway.orders[ORDER], seen]
