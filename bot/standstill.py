"""Noticing that this process stood still, so that it does nothing for people who have read Slack's error by then.

A container may be paused, a machine may sleep or swap, and something may hold the event loop. What Slack sent meanwhile
waits in the connection. Its person has read that the app did not respond, and may have done the same through another
bot, or the opposite. Source: https://docs.slack.dev/interactivity/handling-user-interaction#acknowledgment_response
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

import structlog

from bot.clock import elapsed

log = structlog.get_logger(__name__)

SLACK_WAITS = 3.0
"""Seconds; after them people read an error of Slack's."""
_BETWEEN_LOOKS = 0.5
_LONGEST_GAP = SLACK_WAITS - _BETWEEN_LOOKS
"""Seconds between two looks. What came within a shorter gap is young enough."""

_arrived: ContextVar[float | None] = ContextVar("arrived", default=None)


class Standstill:
    """Notices each time that the process went on after it had stood still; ``seconds`` must go on meanwhile."""

    def __init__(self, seconds: Callable[[], float] = elapsed) -> None:
        self._seconds = seconds
        self._looked_at = seconds()
        self._went_on_at = float("-inf")

    def look(self) -> float:
        """Return for how many seconds the process has run without standing still; infinity if it never did."""
        now = self._seconds()
        gap, self._looked_at = now - self._looked_at, now
        if gap > _LONGEST_GAP:
            log.warning("stood_still", seconds=round(gap, 1))
            self._went_on_at = now
        return now - self._went_on_at

    async def keep_looking(self) -> None:
        """Look again and again for as long as the task lives."""
        while True:
            self.look()
            await asyncio.sleep(_BETWEEN_LOOKS)


def arrives() -> None:
    """Note that somebody waits for what this task does, from now on."""
    _arrived.set(elapsed())


def is_too_late() -> bool:
    """Return True where somebody waited for what this task does, and has read Slack's error by now."""
    arrived = _arrived.get()
    return arrived is not None and elapsed() - arrived > SLACK_WAITS
