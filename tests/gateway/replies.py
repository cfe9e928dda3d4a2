"""Answers of the gateway's and of others, for the tests of their meaning."""

import json
from datetime import UTC, datetime
from typing import Any

from bot.domain.attempt import Answer
from bot.gateway.answer import Reply, read_answer

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ORDER = "ord_abc123xyz"
KEY = "dvpay-key-5f1c"
CONFIRMED = {"order_id": ORDER, "status": "cancelled", "cancelled_at": "2025-10-04T11:15:00Z"}
CAMEL = {"orderId": ORDER, "status": "CANCELLED", "cancelledAt": "2025-10-04T11:15:00Z"}
"""The confirmation in the names of version 1.4."""


def read(
    status: int,
    body: object = b"",
    headers: dict[str, str] | None = None,
    *,
    order_id: str = ORDER,
    secrets: tuple[str, ...] = (KEY,),
) -> Answer:
    """Return what such a reply to a cancel of ``order_id`` proves."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(Reply(status, headers or {}, content), order_id, now=NOW, secrets=secrets)


def error(code: object = "CONFLICT", message: object = None, **more: object) -> dict[str, Any]:
    """Return a body in the documented shape of errors."""
    return {"error": {"code": code, "message": message, "request_id": "req_1", "timestamp": 1696435200, **more}}


def flat(message: object, error: object = "Not possible", **more: object) -> dict[str, Any]:
    """Return a body with the error as text beside its message."""
    return {"error": error, "message": message, **more}


def envelope(status: int, message: object = "Conflict", data: object = None, /, **more: object) -> dict[str, Any]:
    """Return a body in the envelope of version 1.4."""
    return {"statusCode": status, "message": message, "data": data, "traceId": "trace-1", **more}
