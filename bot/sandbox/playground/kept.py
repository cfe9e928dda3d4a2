"""The messages, Home tabs, orders and calls that the playground keeps, as JSON beside the bot's database."""

import base64
import json
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.sandbox.faults import Drop
from bot.sandbox.files import SlackFile
from bot.sandbox.gateway import GatewayCall, Order, OrderStatus
from bot.sandbox.notifications import Notification
from bot.sandbox.stage import Stage
from bot.sandbox.workspace import OpenView, Posted
from bot.store.drafts import draft

_MOST = 2000
"""Messages, notifications, and calls that are kept: the newest."""


def save(path: Path, stage: Stage) -> None:
    """Write what lasts to this file, all of it or nothing. Raises OSError."""
    lasting = [asdict(message) for message in stage.slack.space.posted if message.only_for is None]
    orders = [asdict(order) for order in stage.gateway.orders.values()]
    calls = [asdict(replace(call, fault=None)) for call in stage.gateway.calls]
    notifications = [asdict(each) for each in stage.slack.space.notifications[-_MOST:]]
    homes = [asdict(home) for home in stage.slack.space.homes.values()]
    kept = {
        "messages": lasting[-_MOST:],
        "notifications": notifications,
        "homes": homes,
        "orders": orders,
        "calls": calls[-_MOST:],
        "gateway": stage.gateway.base_url,
    }
    with draft(path) as whole:
        whole.write_text(json.dumps(kept, default=_as_text), "utf-8")
        whole.replace(path)


def load(path: Path, stage: Stage) -> None:
    """Put back what ``save`` wrote. Raises OSError, or ValueError for a file that ``save`` did not write."""
    try:
        kept = json.loads(path.read_text("utf-8"))
        messages = [_message(**message) for message in kept["messages"]]
        notifications = [Notification(**each) for each in kept.get("notifications", [])]
        homes = [OpenView(**each) for each in kept.get("homes", [])]
        orders = [_order(**order) for order in kept["orders"]]
        calls = [_call(**call) for call in kept.get("calls", [])]
        gateway = str(kept.get("gateway", ""))
    except (TypeError, KeyError) as error:
        raise ValueError(path) from error
    stage.slack.space.posted, stage.slack.space.notifications = messages, notifications
    stage.slack.space.homes |= {home.user: home for home in homes}
    stage.gateway.orders |= {order.id: order for order in orders}
    stage.gateway.calls += calls
    stage.former_gateway = gateway


def _as_text(value: datetime | bytes) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value.isoformat()


def _message(files: list[dict[str, Any]] | None = None, **rest: Any) -> Posted:
    # Earlier versions kept messages without files.
    return Posted(files=[_file(**file) for file in files or []], **rest)


def _file(content: str, **rest: Any) -> SlackFile:
    return SlackFile(content=base64.b64decode(content), **rest)


def _order(id: str, status: str, reason: str, cancelled_at: str | None) -> Order:  # noqa: A002 -- the field's name
    return Order(id, OrderStatus(status), reason, datetime.fromisoformat(cancelled_at) if cancelled_at else None)


def _call(at: str, status: int | None, **rest: Any) -> GatewayCall:
    # A call without an answer when the last run ended will never get one.
    rest["fault"] = Drop(after_effect=True) if status is None else None
    return GatewayCall(at=datetime.fromisoformat(at), status=status, **rest)
