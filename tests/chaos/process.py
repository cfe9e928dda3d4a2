"""The bot's process in a chaos run, with the trouble in its surroundings that the environment orders.

``GATEWAY_NAME_HANGS`` is the longest time in seconds that a look-up of the gateway's name takes.
"""

import os
import random
import runpy
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from bot.cli.problems import fail
from bot.store import StoreError
from bot.wording import store_error


def let_name_hang(port: int | None, longest: float) -> None:
    """Let each look-up of the name of a server on this port take up to so many seconds."""
    look_up = socket.getaddrinfo

    def hanging(host: Any, asked: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "localhost" and asked == port:
            time.sleep(random.uniform(0, longest))
        return look_up(host, asked, *args, **kwargs)

    socket.getaddrinfo = hanging  # type: ignore[assignment]


if __name__ == "__main__":
    if hangs := os.environ.get("GATEWAY_NAME_HANGS"):
        let_name_hang(urlsplit(os.environ["DVPAY_BASE_URL"]).port, float(hangs))
    try:
        runpy.run_module("tests.flows.bot_process", run_name="__main__")
    except StoreError as error:
        fail(store_error(error))
