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

_answer_by: ContextVar[float | None] = ContextVar("answer_by", default=None)
"""The time, by ``elapsed``, until which somebody waits for what this task does."""


class Standstill:
    """Notices each time that the process went on after it had stood still; ``seconds`` must go on meanwhile.

    ``slack_waits`` is for how many seconds people wait before they read an error of Slack's.
    """

    def __init__(self, seconds: Callable[[], float] = elapsed, slack_waits: float = SLACK_WAITS) -> None:
        self._seconds = seconds
        # What came within a shorter gap between two looks is young enough.
        self._longest_gap = slack_waits - _BETWEEN_LOOKS
        self._looked_at = seconds()
        self._went_on_at = float("-inf")

    def look(self) -> float:
        """Return for how many seconds the process has run without standing still; infinity if it never did."""
        now = self._seconds()
        gap, self._looked_at = now - self._looked_at, now
        if gap > self._longest_gap:
            log.warning("stood_still", seconds=round(gap, 1))
            self._went_on_at = now
        return now - self._went_on_at

    def went_on(self) -> None:
        """Note that the process goes on now after it stood still, which only somebody else's clock shows."""
        self._looked_at = self._went_on_at = self._seconds()

    async def keep_looking(self) -> None:
        """Look again and again for as long as the task lives."""
        while True:
            self.look()
            await asyncio.sleep(_BETWEEN_LOOKS)


def arrives(slack_waits: float = SLACK_WAITS) -> None:
    """Note that somebody waits for what this task does, for so many seconds from now on."""
    _answer_by.set(elapsed() + slack_waits)


def is_too_late() -> bool:
    """Return True where somebody waited for what this task does, and has read Slack's error by now."""
    answer_by = _answer_by.get()
    return answer_by is not None and elapsed() > answer_by
