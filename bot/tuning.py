"""The fixed parts of a running bot that a test may turn: the clock, the pauses and the hooks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.clock import REPLICAS_MAY_DIFFER, utc_now
from bot.standstill import SLACK_WAITS
from bot.workflow import Patience

__all__ = ["Tuning", "utc_now"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """The clock, pauses and hooks; only tests and benchmarks change them. Durations are in seconds.

    ``now`` and ``monotonic`` are those of ``bot.clock.Clock``. Where ``now`` differs from a database server's time by
    more than it ``may_differ``, nobody acts.
    ``slack_waits`` is the time in which Slack wants an acknowledgement
    (https://docs.slack.dev/interactivity/handling-user-interaction). ``answered_within`` is the time that a stop leaves
    for what is being answered, and ``goodbye`` the time that Slack gets at a stop to agree that the connection closes.
    ``patience`` is that of one bot, or of one of several, unless it is given.
    ``clock_check``, ``store_check``, ``token_check``, ``gateway_check``, ``metrics_check`` and ``record_check`` are how
    often the bot looks at each, and ``erase_check`` how often it looks for words that have become too old.
    """

    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] | None = None
    may_differ: timedelta = REPLICAS_MAY_DIFFER
    patience: Patience | None = None
    ping_interval: float = 5.0
    longest_pause: float = 30.0
    clock_check: float = 1.0
    store_check: float = 1.0
    token_check: float = 60.0
    gateway_check: float = 60.0
    metrics_check: float = 2.0
    record_check: float = 1.0
    erase_check: float = 3600.0
    slack_waits: float = SLACK_WAITS
    answered_within: float = SLACK_WAITS
    goodbye: float = 1.0
    on_commit: Callable[[str], None] | None = None
