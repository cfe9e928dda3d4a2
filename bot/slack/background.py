"""Work that goes on after a listener has acknowledged: forms to open, answers to send."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine

import structlog

from bot.precedence import Precedence

log = structlog.get_logger(__name__)

Tell = Callable[[str], Awaitable[object]]
"""Says something to one person, privately; does not raise."""


def apology(reference: str) -> str:
    """What a person reads when something broke; the log has the same reference."""
    return f"Sorry, something went wrong on my side. Please try again; if it stays, quote reference {reference}."


class Background:
    """Runs such work, and sees to it that a failure is logged and told instead of vanishing.

    Nothing that must happen runs here: what was promised is in the store before.
    """

    def __init__(self, precedence: Precedence) -> None:
        self._precedence = precedence
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None], *, tell: Tell) -> None:
        """Run ``work``; if it fails, tell the person with a reference to the log."""
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

    async def _guarded(self, work: Coroutine[None, None, None], tell: Tell) -> None:
        try:
            await self._precedence.give_way()
            await work
        except Exception:
            reference = secrets.token_hex(4)
            log.exception("unexpected_error", reference=reference)
            await tell(apology(reference))
        finally:
            work.close()  # if a stop came before it began
