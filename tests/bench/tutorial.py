"""An app as in tutorials: a synchronous App whose listeners call the gateway and SQLite themselves."""

import os
import re
import sqlite3
from typing import Any

import httpx
from slack_bolt import Ack, App
from slack_sdk import WebClient

if __name__ == "__main__":
    database = os.environ["COMMIT_TO"]
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS requests (id INTEGER PRIMARY KEY, order_id TEXT, state TEXT)")
    client = WebClient(os.environ["SLACK_BOT_TOKEN"], os.environ["SLACK_API_URL"])
    app = App(client=client, signing_secret=os.environ["SLACK_SIGNING_SECRET"])
    gateway = os.environ["DVPAY_BASE_URL"] + "/api/v1/payment-gateway/order/cancel"

    def write(sql: str, *values: object) -> None:
        """Write with one connection a call, as in a tutorial."""
        with sqlite3.connect(database, timeout=30) as connection:
            connection.execute(sql, values)

    @app.command(re.compile(".*"))
    def command(ack: Ack, body: dict[str, Any]) -> None:
        """Acknowledge a command."""
        ack()

    @app.view(re.compile(".*"))
    def form(ack: Ack, view: dict[str, Any]) -> None:
        """Keep the request."""
        order = view["state"]["values"]["order_id"]["order_id"]["value"]
        write("INSERT INTO requests (order_id, state) VALUES (?, 'pending')", order)
        ack()

    @app.action(re.compile(".*"))
    def click(ack: Ack, body: dict[str, Any]) -> None:
        """Call the gateway, write the result, acknowledge."""
        order = body["actions"][0]["value"]
        httpx.post(gateway, json={"order_id": order}, headers={"X-Api-Key": "local-key"}, timeout=30)
        write("UPDATE requests SET state = 'cancelled' WHERE order_id = ?", order)
        ack()

    app.start(port=int(os.environ["PORT"]))
