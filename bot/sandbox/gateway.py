"""A local payment gateway: the cancel call over real HTTP, as strict as it is documented.

It keeps orders in the documented states, remembers every call, and misbehaves as its ``faults`` say. Their keys are
order ids.
"""

import asyncio
import hmac
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from aiohttp import web

from bot.gateway.key import BALANCE_PATH
from bot.sandbox.changes import Changes
from bot.sandbox.faults import Drop, Fault, Faults, serve
from bot.sandbox.gateway_answers import balance, confirmation, error
from bot.sandbox.place import LocalServer

T = TypeVar("T")

CANCEL_PATH = "/api/v1/payment-gateway/order/cancel"
_CLOCK_TOLERANCE = timedelta(minutes=5)


class OrderStatus(StrEnum):
    """The documented states of an order."""

    PENDING = "pending"
    PROCESSING = "processing"
    PAID = "paid"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    EXPIRED = "expired"


# The documentation contradicts itself: its page on cancelling names pending and processing, its diagram of states
# pending and failed. This gateway cancels all three, so that no test comes to rely on one reading.
_CANCELLABLE = {OrderStatus.PENDING, OrderStatus.PROCESSING, OrderStatus.FAILED}
_REFUNDABLE = {OrderStatus.PAID, OrderStatus.COMPLETED, OrderStatus.PARTIALLY_REFUNDED}


@dataclass(slots=True)
class Order:
    """An order, with the reason and the time of its request if it was cancelled here."""

    id: str
    status: OrderStatus
    reason: str = ""
    cancelled_at: datetime | None = None


@dataclass(slots=True)
class GatewayCall:
    """One call as it came in, with the key masked, and its answer.

    ``status`` is None until there is an answer, and stays None if the connection was dropped.
    ``effect`` is true if this call cancelled its order.
    """

    at: datetime
    method: str
    path: str
    headers: dict[str, str]
    body: str
    order_id: str
    fault: Fault | None = None
    status: int | None = None
    answer: str = ""
    effect: bool = False


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, **details: object) -> None:
        self.status, self.code, self.message, self.details = status, code, message, details


class LocalGateway(LocalServer):
    """A gateway on loopback, whose ``base_url`` is for DVPAY_BASE_URL.

    ``effects`` counts how often each order was cancelled. ``calls`` holds every call but those to the bare origin,
    in the order of their arrival.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        api_key: str = "local-key",
        app_id: str | None = "local-app",
    ) -> None:
        super().__init__()
        self.orders: dict[str, Order] = {}
        self.calls: list[GatewayCall] = []
        self.effects: Counter[str] = Counter()
        self.faults = Faults[Fault]()
        self.tells_balance = True
        """False for a gateway that is older than version 1.4."""
        self._now = now
        self._api_key = api_key
        self._app_id = app_id
        self._changes = Changes()
        self._subscribers: set[asyncio.Queue[Order | GatewayCall]] = set()

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        app.on_response_prepare.append(self._tell_time)
        return app

    def add_order(self, order_id: str, status: str = OrderStatus.PENDING) -> Order:
        """Put an order into this state, and add it if it is new."""
        order = Order(order_id, OrderStatus(status))
        self.orders[order_id] = order
        self._changed(order)
        return order

    async def wait_for(self, look: Callable[[], T], within: float = 10.0) -> T:
        """Return the first true result of ``look``, which is called again at each call, answer and change of an order.

        Raises TimeoutError after this many seconds.
        """
        return await self._changes.wait_for(look, within)

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Order | GatewayCall]]:
        """Give a queue of the changes from now on: each order, and each call when it comes and when it is answered."""
        queue: asyncio.Queue[Order | GatewayCall] = asyncio.Queue()
        self._subscribers.add(queue)
        try:
            yield queue
        finally:
            self._subscribers.discard(queue)

    def _changed(self, what: Order | GatewayCall) -> None:
        for queue in self._subscribers:
            queue.put_nowait(what)
        self._changes.touch()

    async def _tell_time(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = format_datetime(self._now().astimezone(UTC), usegmt=True)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            return web.json_response({"name": "local payment gateway"})
        body = (await request.read()).decode(errors="replace")
        call = GatewayCall(
            at=self._now(),
            method=request.method,
            path=request.path,
            headers={name: "***" if name.lower() == "x-api-key" else value for name, value in request.headers.items()},
            body=body,
            order_id=_order_id(body),
        )
        call.fault = self.faults.next(call.order_id)
        self.calls.append(call)
        self._changed(call)
        response = await serve(call.fault, request, partial(self._answer, request, call))
        if not isinstance(call.fault, Drop):
            assert isinstance(response, web.Response)
            assert isinstance(response.body, bytes)
            call.status, call.answer = response.status, response.body[:1000].decode(errors="replace")
            self._changed(call)
        return response

    async def _answer(self, request: web.Request, call: GatewayCall) -> web.Response:
        try:
            if request.path == BALANCE_PATH and self.tells_balance:
                self._check_key(request)
                return web.json_response(balance())
            self._check_call(request)
            order_id, reason = _read(call.body)
            return web.json_response(self._cancel(call, order_id, reason))
        except _Refused as no:
            answer = error(no.status, no.code, no.message, at=self._now(), number=len(self.calls), **no.details)
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    def _check_call(self, request: web.Request) -> None:
        if request.path != CANCEL_PATH:
            raise _Refused(404, "NOT_FOUND", "There is no such endpoint.")
        if request.method != "POST":
            raise _Refused(405, "METHOD_NOT_ALLOWED", "Use POST.")
        if request.content_type != "application/json":
            raise _Refused(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json.")
        self._check_key(request)
        if self._app_id is not None and request.headers.get("X-App-Id") != self._app_id:
            raise _Refused(401, "INVALID_APP_ID", "X-App-Id is missing or wrong.")
        stamp = request.headers.get("X-Timestamp", "")
        if not re.fullmatch("[0-9]{1,11}", stamp):
            raise _Refused(401, "INVALID_TIMESTAMP", "X-Timestamp must be Unix time in whole seconds.")
        if abs(self._now().timestamp() - int(stamp)) > _CLOCK_TOLERANCE.total_seconds():
            raise _Refused(401, "INVALID_TIMESTAMP", "X-Timestamp is more than 5 minutes off.")

    def _check_key(self, request: web.Request) -> None:
        if not hmac.compare_digest(request.headers.get("X-Api-Key", "").encode(), self._api_key.encode()):
            raise _Refused(401, "INVALID_API_KEY", "X-Api-Key is missing or wrong.")

    def _cancel(self, call: GatewayCall, order_id: str, reason: str) -> dict[str, str]:
        order = self.orders.get(order_id)
        if order is None:
            raise _Refused(404, "ORDER_NOT_FOUND", "Order not found.", order_id=order_id)
        state = {"order_id": order_id, "current_status": order.status}
        if order.status is OrderStatus.CANCELLED:
            raise _Refused(409, "ORDER_ALREADY_CANCELLED", "Order is already cancelled.", **state)
        if order.status not in _CANCELLABLE:
            way_out = " Use the refund endpoint instead." if order.status in _REFUNDABLE else ""
            message = f"Order is {order.status.replace('_', ' ')} and cannot be cancelled.{way_out}"
            raise _Refused(422, "ORDER_NOT_CANCELLABLE", message, **state)
        order.status, order.reason, order.cancelled_at = OrderStatus.CANCELLED, reason, self._now()
        self.effects[order_id] += 1
        call.effect = True
        self._changed(order)
        return confirmation(order_id, at=order.cancelled_at)


def _read(body: str) -> tuple[str, str]:
    data = _json(body)
    if not isinstance(data, dict):
        raise _Refused(400, "INVALID_REQUEST", "The body must be a JSON object.")
    order_id, reason = data.get("order_id"), data.get("reason", "")
    if not isinstance(order_id, str) or not order_id:
        raise _Refused(400, "INVALID_REQUEST", "order_id is required and must be a string.", field="order_id")
    if not isinstance(reason, str) or (not reason and "reason" in data):
        raise _Refused(400, "INVALID_REQUEST", "reason must be a string, or be left out.", field="reason")
    return order_id, reason


def _order_id(body: str) -> str:
    data = _json(body)
    order_id = data.get("order_id") if isinstance(data, dict) else None
    return order_id if isinstance(order_id, str) else ""


def _json(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
