"""The bot's process in a chaos run, with the trouble in its surroundings that the environment orders.

``GATEWAY_NAME_HANGS`` is the longest time in seconds that a look-up of the gateway's name takes, and
``CLOCK_STEPS`` the seed of the steps that its clock makes back and forth; ``CLOCK_STEPS_WITHIN`` is the longest of them
in seconds, where several bots have to agree.
"""

import os
import random
import runpy
import socket
import time
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from bot import tuning
from bot.cli.problems import fail
from bot.store import StoreError
from bot.wording import store_error

_STEPS = [timedelta(0)] * 3 + [timedelta(seconds=5), timedelta(hours=1), timedelta(days=2)]
"""The longest steps of the clock."""


def let_name_hang(port: int | None, longest: float) -> None:
    """Let each look-up of the name of a server on this port take up to so many seconds."""
    look_up = socket.getaddrinfo

    def hanging(host: Any, asked: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "localhost" and asked == port:
            time.sleep(random.uniform(0, longest))
        return look_up(host, asked, *args, **kwargs)

    socket.getaddrinfo = hanging  # type: ignore[assignment]


def let_clock_step(seed: str, within: timedelta | None = None) -> None:
    """Let the clock be wrong, by another time again and again; it is right about half of the time."""
    right, draw = tuning.utc_now, random.Random(seed)
    steps = _STEPS if within is None else [timedelta(0), within]
    off, until = timedelta(0), 0.0

    def stepping() -> datetime:
        nonlocal off, until
        if time.monotonic() >= until:
            until = time.monotonic() + draw.uniform(0.05, 0.5)
            off = draw.choice(steps) * draw.uniform(-1, 1)
        return right() + off

    tuning.utc_now = stepping


if __name__ == "__main__":
    if seed := os.environ.get("CLOCK_STEPS"):
        within = os.environ.get("CLOCK_STEPS_WITHIN")
        let_clock_step(seed, None if within is None else timedelta(seconds=float(within)))
    if hangs := os.environ.get("GATEWAY_NAME_HANGS"):
        let_name_hang(urlsplit(os.environ["DVPAY_BASE_URL"]).port, float(hangs))
    try:
        runpy.run_module("tests.flows.bot_process", run_name="__main__")
    except StoreError as error:
        fail(store_error(error))
