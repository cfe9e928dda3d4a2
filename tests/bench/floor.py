"""The plainest Bolt app: it acknowledges everything at once and does nothing. It measures the least that Bolt costs.

With COMMIT_TO it commits one row to that file before each acknowledgement: the least that a kept promise costs.
"""

import asyncio
import os
import re
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient


async def authorize() -> AuthorizeResult:
    """Authorize without asking Slack, as the bot does."""
    return AuthorizeResult(enterprise_id=None, team_id="T0LOCAL", bot_token="xoxb-local")


async def acknowledge(ack: AsyncAck) -> None:
    """Do nothing."""
    await ack()


def committing(path: str) -> Callable[..., Awaitable[None]]:
    """Return a listener that commits one row, or one for each order, as safely as the bot does, and acknowledges."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE IF NOT EXISTS acts (at REAL)")
    writer = ThreadPoolExecutor(1)

    async def acknowledge(ack: AsyncAck, body: dict[str, Any]) -> None:
        rows = _rows(body)
        insert = f"INSERT INTO acts VALUES {', '.join(['(?)'] * rows)}"
        await asyncio.get_running_loop().run_in_executor(writer, db.execute, insert, [time.time()] * rows)
        await ack()

    return acknowledge


def _rows(body: dict[str, Any]) -> int:
    fields = body.get("view", {}).get("state", {}).get("values", {})
    return len(str(fields.get("order_id", {}).get("order_id", {}).get("value") or "").split()) or 1


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
