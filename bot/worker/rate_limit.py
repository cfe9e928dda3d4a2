"""Slack's rate for new messages.

Source: https://docs.slack.dev/apis/web-api/rate-limits (chat.postMessage: about one a second in each channel).
"""

from collections.abc import Callable
from datetime import timedelta


class RateLimit:
    """A token bucket for each channel or person: one message ``every`` so often, with ``burst`` of them at once.

    It also keeps the targets that Slack refused lately, until ``pause`` is over. ``monotonic`` returns the seconds that
    passed, whatever the machine's clock does; all times here are such seconds.
    """

    def __init__(
        self, monotonic: Callable[[], float], *, every: timedelta = timedelta(seconds=1), burst: int = 4
    ) -> None:
        self.now = monotonic
        self._every = every.total_seconds()
        self._burst = self._every * (burst - 1)
        self._free_at: dict[str, float] = {}

    def blocked(self) -> frozenset[str]:
        """Return the targets that must not get anything now."""
        limit = self.now() + self._burst
        return frozenset(target for target, at in self._free_at.items() if at > limit)

    def record(self, target: str) -> None:
        """Count one message to this target."""
        self._free_at[target] = max(self._free_at.get(target, self.now()), self.now()) + self._every

    def pause(self, target: str, length: timedelta) -> None:
        """Block this target for so long."""
        self._free_at[target] = self.now() + self._burst + length.total_seconds()

    def next_free(self, after: float) -> float | None:
        """Return when the first of the targets that were blocked at that time is free again, or None."""
        return min((at - self._burst for at in self._free_at.values() if at - self._burst > after), default=None)

    def forget(self, before: float) -> None:
        """Forget the targets that have been free since then."""
        self._free_at = {target: at for target, at in self._free_at.items() if at > before}
