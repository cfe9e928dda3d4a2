"""Work that goes on after a listener has acknowledged: forms to open, answers to send."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine

import structlog

from bot.in_flight import InFlight
from bot.log import log_failure
from bot.slack.views.refusals import apology, not_sure
from bot.store import StoreError

log = structlog.get_logger(__name__)

Tell = Callable[[str], Awaitable[object]]
"""A way to say something to one person, privately; it does not raise."""


def words_after(error: Exception) -> str:
    """Log this error, and return the words for the person whose act it ended, with the reference that the log has."""
    reference = secrets.token_hex(4)
    log_failure(log, "unexpected_error", error, reference=reference)
    problem = error.problem if isinstance(error, StoreError) else None
    unsure = isinstance(error, TimeoutError) or (isinstance(error, StoreError) and error.unsure)
    return not_sure(reference, problem) if unsure else apology(reference, problem)


class Background:
    """Runs work after an acknowledgement; a failure is logged, and the person is told.

    Nothing that must happen runs here: whatever was promised is in the store before.
    """

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, object], *, tell: Tell) -> None:
        """Run ``work`` in a task; if it fails, give the person a reference to the log."""
        task = asyncio.create_task(self._guarded(work, tell))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, grace: float) -> None:
        """Give what is under way ``grace`` seconds, then end it."""
        if self._tasks:
            _, unfinished = await asyncio.wait(self._tasks, timeout=grace)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _guarded(self, work: Coroutine[None, None, object], tell: Tell) -> None:
        try:
            await self._in_flight.idle()
            await work
        except Exception as error:  # noqa: BLE001 -- it is logged, and told
            await tell(words_after(error))
        finally:
            work.close()  # if a stop came before it began
