"""The answers of the local gateway: the documented ones, and those that a sound gateway never gives.

Ordered as a fault, an answer comes without any work. Inside ``Twist`` it comes after the order was cancelled.
"""

import gzip
import json
from datetime import UTC, datetime
from functools import cache

from bot.sandbox.faults import Canned

_JSON = {"Content-Type": "application/json"}


def confirmation(order_id: str, status: str = "cancelled", *, at: datetime | None = None) -> dict[str, str]:
    """Return the body of a documented confirmation."""
    return {"order_id": order_id, "status": status, "cancelled_at": f"{at or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}


def balance() -> dict[str, object]:
    """Return the body of an answer to a balance inquiry, in the envelope of version 1.4."""
    return {"statusCode": 200, "message": "Success", "data": {"balance": "1234.56", "currency": "USD"}, "traceId": "t1"}


def error(
    status: int, code: str, message: str, *, at: datetime | None = None, number: int = 0, **details: object,
) -> Canned:  # fmt: skip
    """Return an answer in the documented shape of errors."""
    body = {
        "code": code,
        "message": message,
        "details": details,
        "request_id": f"req_local{number:06}",
        "timestamp": int((at or datetime.now(UTC)).timestamp()),
    }
    return Canned(status, json.dumps({"error": body}).encode(), _JSON)


def internal_error() -> Canned:
    """Return 500 in the documented shape, with the words "safe to retry"."""
    return error(500, "INTERNAL_ERROR", "An unexpected error occurred. It is safe to retry.")


def too_many(retry_after: int | str = 1) -> Canned:
    """Return 429 in the documented shape, with ``Retry-After``."""
    return _later(error(429, "RATE_LIMIT_EXCEEDED", "Too many requests."), retry_after)


def maintenance(retry_after: int | str = 1) -> Canned:
    """Return 503 in the documented shape, with ``Retry-After``."""
    return _later(error(503, "SERVICE_UNAVAILABLE", "The gateway is under maintenance."), retry_after)


def wrong_order(order_id: str = "ord_somebodyelse") -> Canned:
    """Return 200 that confirms another order."""
    return Canned(200, json.dumps(confirmation(order_id)).encode(), _JSON)


def wrong_status(order_id: str, status: str = "processing") -> Canned:
    """Return 200 for the right order with another status."""
    return Canned(200, json.dumps(confirmation(order_id, status)).encode(), _JSON)


def empty() -> Canned:
    """Return 200 without a body."""
    return Canned(200, b"", _JSON)


def oversized(order_id: str) -> Canned:
    """Return 200 with a sound confirmation that is longer than a client should read."""
    return Canned(200, json.dumps(confirmation(order_id)).encode().ljust(200_000), _JSON)


@cache
def gzip_bomb(order_id: str) -> Canned:
    """Return 200 with a sound confirmation in a few KiB that inflate to 32 MiB."""
    body = gzip.compress(json.dumps(confirmation(order_id)).encode().ljust(32 * 1024 * 1024))
    return Canned(200, body, {**_JSON, "Content-Encoding": "gzip"})


def _later(answer: Canned, retry_after: int | str) -> Canned:
    return Canned(answer.status, answer.body, {**answer.headers, "Retry-After": str(retry_after)})
