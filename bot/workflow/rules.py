"""How many must approve, and how patiently the bot repeats."""

import re
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say about approving, and how patiently the bot repeats.

    An attempt that did not settle the matter is repeated after ``first_pause``, then twice as long
    each time up to ``longest_pause``, with up to a quarter more at random. With these defaults
    twenty attempts span about a quarter of an hour. A delivery that Slack did not take is repeated in
    the same way up to ``longest_delivery_pause``, until ``delivery_patience`` ends. ``breath`` is how long
    a message that may have been sent, by this process or the one before, is given to arrive before it is looked for.
    """

    approvals_required: int
    allow_self_approval: bool
    approval_ttl: timedelta
    order_id_pattern: re.Pattern[str]
    max_attempts: int = 20
    first_pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(minutes=1)
    longest_delivery_pause: timedelta = timedelta(seconds=30)
    attempt_lease: timedelta = timedelta(minutes=2)
    delivery_lease: timedelta = timedelta(minutes=2)
    delivery_patience: timedelta = timedelta(days=1)
    breath: timedelta = timedelta(seconds=3)

    def pause(self, tries: int, retry_after: float | None, longest: timedelta, spread: float = 0) -> timedelta:
        """How long to wait after so many tries, and no shorter than ``retry_after`` seconds.

        ``spread`` makes it longer by this share.
        """
        doubled: timedelta = self.first_pause * int(2 ** min(max(tries - 1, 0), 20))
        pause = min(doubled, longest) * (1 + spread)
        return max(pause, timedelta(seconds=retry_after or 0))
