"""The operator's command line in a chaos run, on a machine whose clock is as far ahead as the bot's.

``CLOCK_AHEAD`` is in seconds. What follows is a command of ``python -m bot``.
"""

import os
import runpy
from datetime import datetime, timedelta, tzinfo
from typing import Self

from bot.cli import freeze


class _Ahead(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(seconds=float(os.environ["CLOCK_AHEAD"]))


if __name__ == "__main__":
    freeze.datetime = _Ahead  # type: ignore[attr-defined]
    runpy.run_module("bot", run_name="__main__")
