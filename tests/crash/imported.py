"""What the process has imported off which the tests fork their bots.

Some modules are imported only at their first use, by libraries. What is there by the end is garbage for no bot.
"""

import gc

import anyio._backends._asyncio
import httpcore

import tests.flows.bot_process

__all__ = ["anyio", "httpcore", "tests"]

gc.collect()
gc.freeze()
