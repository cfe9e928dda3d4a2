"""The plainest Bolt app: it acknowledges everything at once and does nothing. It measures the least that Bolt costs.

With COMMIT_TO it commits one row to that file before each acknowledgement: the least that a kept promise costs. For a
form of several orders it commits the rows that the bot commits: the request, its orders, the event on record with the
words that were typed, the card and the receipt that are owed, in tables with the bot's own definitions and indexes. It
looks at nothing before, and does nothing after.
"""

import asyncio
import itertools
import json
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.audit import GENESIS
from bot.domain.cancellation import State
from bot.store import Store


async def authorize() -> AuthorizeResult:
    """Authorize without asking Slack, as the bot does."""
    return AuthorizeResult(enterprise_id=None, team_id="T0LOCAL", bot_token="xoxb-local")


async def acknowledge(ack: AsyncAck) -> None:
    """Do nothing."""
    await ack()


def committing(path: str) -> Callable[..., Awaitable[None]]:
    """Return a listener that commits what it has to keep, as safely as the bot does, and acknowledges."""
    asyncio.run(_create(Path(path)))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE acts (at REAL)")
    writer, numbers = ThreadPoolExecutor(1), itertools.count(1)

    def keep(orders: list[str]) -> None:
        if len(orders) < 2:
            db.execute("INSERT INTO acts VALUES (?)", (time.time(),))
            return
        number, now = next(numbers), datetime.now(UTC).isoformat()
        before, after = (f"{each:064x}" if each else GENESIS for each in (number - 1, number))
        db.execute("BEGIN IMMEDIATE")
        db.execute(
            "INSERT INTO requests (number, id, category, reason, source, requester, approvals_required, requested_at,"
            " expires_at, approval_ttl, form_id, card_channel, due_at)"
            " VALUES (?, ?, '', 'typed twice', '', 'U0ANN', 1, ?, ?, 7200, ?, 'C0PAYMENTS', ?)",
            (number, f"r{number}", now, now, f"f{number}", now),
        )
        db.execute(
            "INSERT INTO cancellations (request, order_id, requester, requested_at, state, changed_at, changed_seq)"
            f" VALUES {', '.join(['(?, ?, ?, ?, ?, ?, 1)'] * len(orders))}",
            [value for order in orders for value in (number, order, "U0ANN", now, State.PENDING, now)],
        )
        db.execute(
            "INSERT INTO audit_events (seq, at, kind, request, order_id, actor, data, prev_hash, hash)"
            " VALUES (?, ?, 'requested', ?, '', 'U0ANN', ?, ?, ?)",
            (number, now, f"r{number}", json.dumps(orders), before, after),
        )
        db.execute("INSERT INTO words VALUES (?, 'reason', ?, 'typed twice')", (number, secrets.token_hex(16)))
        for kind, target in (("card", "C0PAYMENTS"), ("receipt", "U0ANN")):
            db.execute(
                "INSERT INTO deliveries (id, number, kind, event_seq, target, enqueued_at, due_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (secrets.token_hex(16), number, kind, number, target, now, now),
            )
        db.execute("COMMIT")

    async def acknowledge(ack: AsyncAck, body: dict[str, Any]) -> None:
        await asyncio.get_running_loop().run_in_executor(writer, keep, _orders(body))
        await ack()

    return acknowledge


async def _create(path: Path) -> None:
    store = Store(path)
    await store.open()
    await store.close()


def _orders(body: dict[str, Any]) -> list[str]:
    fields = body.get("view", {}).get("state", {}).get("values", {})
    return str(fields.get("order_id", {}).get("order_id", {}).get("value") or "").split()


async def connect(app: AsyncApp, token: str) -> None:
    """Receive payloads by Socket Mode."""
    await AsyncSocketModeHandler(app, token).start_async()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    secret, token = os.environ.pop("SLACK_SIGNING_SECRET", ""), os.environ.get("SLACK_APP_TOKEN", "")
    os.environ.pop("SLACK_BOT_TOKEN", None)
    client = AsyncWebClient(base_url=os.environ["SLACK_API_URL"])
    app = AsyncApp(client=client, signing_secret=secret, authorize=authorize, process_before_response=True)
    listener = committing(os.environ["COMMIT_TO"]) if "COMMIT_TO" in os.environ else acknowledge
    for register in (app.command, app.action, app.view):
        register(re.compile(".*"))(listener)
    if token:
        asyncio.run(connect(app, token))
    else:
        web.run_app(app.web_app(), host="127.0.0.1", port=int(os.environ["PORT"]), print=None, access_log=None)
