"""The rules that the settings make, and the bot's patience with what does not work at once."""

import re
from dataclasses import dataclass, field
from datetime import timedelta

from bot.domain import attempt, delivery
from bot.domain.backoff import pause_after
from bot.domain.policy import People
from bot.domain.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Patience:
    """The pauses and limits for repeating what did not work. Only tests and benchmarks change it.

    An attempt that did not settle the matter is repeated after ``first_pause``, then twice as long
    each time up to ``longest_pause``, with up to a quarter more at random. With these defaults
    twenty attempts span about a quarter of an hour, where each is answered at once. A delivery that Slack did not take
    is repeated in the same way up to ``longest_delivery_pause``, and never dropped for time alone. A lease is the time
    after which the worker that holds something counts as dead. ``settle_delay`` is the time that a message which may
    have been sent, by this process or the one before, gets to become visible in Slack before the bot looks for it.
    After ``late_in_slack``, Slack has carried out whatever it once took. People are told that the gateway does not
    settle a request where that takes ``told_after`` or longer. A receipt waits for its card for up to
    ``receipt_waits``: a channel may be limited for long, and the person has been told to look at the receipt. One new
    message ``message_every`` so often goes to each channel or person, with ``burst`` of them at once.
    """

    max_attempts: int = 20
    first_pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(minutes=1)
    longest_delivery_pause: timedelta = timedelta(seconds=30)
    attempt_lease: timedelta = timedelta(minutes=2)
    delivery_lease: timedelta = timedelta(minutes=2)
    settle_delay: timedelta = timedelta(seconds=3)
    late_in_slack: timedelta = timedelta(minutes=1)
    told_after: timedelta = timedelta(minutes=1)
    receipt_waits: timedelta = timedelta(seconds=10)
    message_every: timedelta = timedelta(seconds=1)
    burst: int = 4

    @property
    def messages_at_once(self) -> timedelta:
        """The time that the messages take which may go out at once, if they went out evenly."""
        return self.message_every * (self.burst - 1)

    @property
    def longest_before_attempt(self) -> timedelta:
        """The longest pause before an attempt, also where the gateway asked for it."""
        return max(self.longest_pause * 1.25, timedelta(seconds=attempt.LONGEST_RETRY_AFTER))

    @property
    def longest_before_try(self) -> timedelta:
        """The longest pause before a try to deliver something, also where Slack asked for it."""
        asked = timedelta(seconds=delivery.LONGEST_RETRY_AFTER)
        return max(self.longest_delivery_pause, self.late_in_slack, asked)

    def before_next_attempt(self, attempts: int, retry_after: float | None, spread: float) -> timedelta:
        """Return the pause after this many attempts: ``spread`` times longer, and at least ``retry_after`` seconds."""
        pause = pause_after(attempts, self.first_pause.total_seconds(), self.longest_pause.total_seconds())
        return timedelta(seconds=max(pause * (1 + spread), retry_after or 0))

    def before_next_try(self, tries: int) -> timedelta:
        """Return the pause after this many tries to deliver something."""
        longest = self.longest_delivery_pause.total_seconds()
        return timedelta(seconds=pause_after(tries, self.first_pause.total_seconds(), longest))


AMONG_REPLICAS = Patience(attempt_lease=timedelta(seconds=45), delivery_lease=timedelta(seconds=30))
"""The patience of one of several bots: no start takes back what a dead one held, so people wait for its leases."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings about asking and approving."""

    approvals_required: int
    allow_self_approval: bool
    approval_ttl: timedelta
    order_id_pattern: re.Pattern[str]
    patience: Patience = field(default_factory=Patience)
    remind_after: tuple[timedelta, ...] = ()
    """The ages of a request at which the approvers are reminded of it; they ascend."""
    escalate_after: timedelta | None = None
    escalate_to: People = field(default_factory=People)
    digest: Schedule | None = None
    approval_channel: str = ""
    """The channel for all cards, and of digests; empty where a card goes to the channel of its command."""
    reasons: tuple[str, ...] = ()
    """The reasons from which people choose; empty where there is no list."""
    reason_required: bool = False
    mention_approvers: bool = True

    def before_reminder(self, number: int) -> timedelta | None:
        """Return the time between this reminder and the one before it or the request, or None if there is no such."""
        if number > len(self.remind_after):
            return None
        return self.remind_after[number - 1] - (self.remind_after[number - 2] if number > 1 else timedelta(0))
