"""What a running bot has fixed and a test may turn: the clock, the pauses and the hooks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.worker import RateLimit
from bot.workflow import Patience


def utc_now() -> datetime:
    """Return the time, for a running bot."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Tuning:
    """The clock, pauses and hooks; only tests and benchmarks change them. Durations are in seconds.

    ``answered_within`` is the time in which Slack wants an acknowledgement
    (https://docs.slack.dev/interactivity/handling-user-interaction), and ``goodbye`` the time that Slack gets at a stop
    to agree that the connection closes.
    """

    now: Callable[[], datetime] = utc_now
    patience: Patience = field(default_factory=Patience)
    rate_limit: RateLimit | None = None
    ping_interval: float = 5.0
    longest_pause: float = 30.0
    gateway_check: float = 60.0
    answered_within: float = 3.0
    goodbye: float = 1.0
    on_commit: Callable[[str], None] | None = None
