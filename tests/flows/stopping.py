"""A bot that is stopping, for as long as a test looks at it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from bot.sandbox.faults import ApiError, Hang
from bot.tuning import utc_now
from tests.flows.desk import Desk, quick_tuning

_LOOK_UP = "usergroups.users.list"


@asynccontextmanager
async def stopping(desk: Desk, **changes: str) -> AsyncIterator[None]:
    """Start a bot and stop it again; run the block while the stop waits for Cleo's click, whose look-up hangs."""
    hanging, ahead = asyncio.Event(), timedelta(0)
    # A group that was read before would be remembered; a failure is forgotten after some seconds.
    desk.slack.faults.always(_LOOK_UP, ApiError("internal_error"))
    await desk.start_bot(quick_tuning(now=lambda: utc_now() + ahead), **changes)
    card = await desk.ask("ord_1")
    ahead = desk.slack.space.ahead = timedelta(seconds=10)
    desk.slack.faults.always(_LOOK_UP, Hang(hanging))
    before = len(desk.slack.calls)
    clicking = asyncio.create_task(desk.cleo.click(card, "approve"))
    await desk.wait(lambda: _LOOK_UP in [call.method for call in desk.slack.calls[before:]])
    stop = asyncio.create_task(desk.stop_bot())
    await asyncio.sleep(0)  # until the stop has begun
    try:
        yield
    finally:
        await asyncio.gather(clicking, stop)
        hanging.set()
