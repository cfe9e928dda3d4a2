"""The bot's time: it runs evenly, whatever happens to the machine's clock."""

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger(__name__)

_STEP = timedelta(seconds=2)
"""A smaller difference between the machine's clock and the time that passed is no step."""
GRACE = 60.0
"""Seconds that a step has to stand before the bot follows it; most are taken back sooner."""


_TOO_FAR = timedelta(minutes=5)
"""The gateway and Slack refuse what has a time that is further away from theirs."""
_MAY_DIFFER = timedelta(seconds=60)
"""The gateway and Slack refuse what is five minutes off; this leaves time to set a clock that drifts."""
REPLICAS_MAY_DIFFER = timedelta(seconds=5)
"""From the clock of their database's server. What one bot leases to another ends after half a minute, and nobody may
act before."""


def utc_now() -> datetime:
    """Return the time by the machine's clock."""
    return datetime.now(UTC)


def elapsed() -> float:
    """Return seconds that only go forward; where the system can tell, they go on while the machine sleeps."""
    # Linux alone has this clock. The usual one stands still there while a laptop or a virtual machine sleeps.
    number = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if number is None else time.clock_gettime(number)


class Clock:
    """The machine's clock as it was at the start, carried on by the time that passed since.

    ``wall`` is the machine's clock and ``monotonic`` the seconds that passed. A ``wall`` that a test moves by hand
    needs no second clock: all that it moves is time that passed.

    ``look`` notices steps of the machine's clock. ``offset`` is the sum of the steps that ``now`` has followed.
    """

    def __init__(
        self, wall: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] | None = None, grace: float = GRACE
    ) -> None:
        began = wall()

        def moved() -> float:
            return (wall() - began).total_seconds()

        self.wall = wall
        self.monotonic = monotonic = monotonic or (elapsed if wall is utc_now else moved)
        self.offset = timedelta(0)
        self._began, self._began_at = began, monotonic()
        self._grace = grace
        self._apart = timedelta(0)
        self._since = self._began_at
        self._told_at: float | None = None

    def now(self) -> datetime:
        """Return the bot's time. It goes back or leaps only where the bot follows a step."""
        return self._began + timedelta(seconds=self.monotonic() - self._began_at) + self.offset

    def look(self) -> timedelta | None:
        """Compare with the machine's clock and log a new step; return a step that has stood for long enough."""
        apart, at = self.wall() - self.now(), self.monotonic()
        if abs(apart - self._apart) >= _STEP:
            self._apart, self._since = apart, at
            # A clock that jumps to and fro must not fill the log.
            if abs(apart) >= _STEP and (self._told_at is None or at - self._told_at >= self._grace):
                self._told_at = at
                log.warning("clock_stepped", seconds=round(apart.total_seconds(), 1))
        return apart if abs(apart) >= _STEP and at - self._since >= self._grace else None


class OtherClocks:
    """The clocks that this machine's is compared with, by name; ``apart`` has those that differ by over a minute.

    The difference is positive where this machine's clock is ahead. ``confirmed`` is true from the moment on in which
    the bot's time first agrees with a clock of another machine; ``on_confirmed`` is called then. Until then nobody
    knows whether the machine's clock was right at the start. ``doubt`` brings that back, and so do the others where
    each of them is far away by now.
    """

    def __init__(self, clock: Clock, on_confirmed: Callable[[], None] = lambda: None) -> None:
        self.apart: dict[str, timedelta] = {}
        self.confirmed = False
        self._clock = clock
        self._on_confirmed = on_confirmed
        self._began: dict[str, datetime] = {}
        """The time by each of the clocks at which the monotonic clock was zero."""
        self._may_be_ours: set[str] = set()
        self._doubted = False

    def compare(self, name: str, theirs: datetime, *, may_be_ours: bool = False) -> None:
        """Compare with a clock of somebody else; log where a difference begins and where it ends.

        What runs on this machine has its clock, so one that ``may_be_ours`` confirms nothing.
        """
        if may_be_ours:
            self._may_be_ours.add(name)
        self._keep(name, self._clock.wall() - theirs)
        self._began[name] = theirs - timedelta(seconds=self._clock.monotonic())
        self.look()

    def not_before(self, name: str, at: datetime) -> None:
        """Compare with a time that is over by now: a later one is no surprise.

        Where a clock of somebody else agrees with this machine's, that time was set by a wrong one, and says nothing.
        """
        agrees = any(other not in self.apart for other in self._began)
        self._keep(name, timedelta(0) if agrees else min(self._clock.wall() - at, timedelta(0)))

    def doubt(self) -> None:
        """Take back what was confirmed, until a clock of another machine agrees with the bot's time again."""
        self.confirmed = False

    def look(self) -> None:
        """Confirm the bot's time if it agrees with one of the clocks; log once that none does, and the end of that.

        A machine that was paused goes on with a time that all others have left behind. So it is doubted again where
        each of them is too far from it.
        """
        others = self._times(self._may_be_ours)
        if others and all(map(self._is_too_far, others)):
            self.doubt()
        if self.confirmed or not others:
            return
        self.confirmed = any(abs(self._clock.now() - each) <= _MAY_DIFFER for each in others)
        if not self.confirmed:
            if not self._doubted:
                log.warning("expiry_paused")
            self._doubted = True
            return
        if self._doubted:
            log.info("expiry_resumed")
        self._doubted = False
        self._on_confirmed()

    def latest(self) -> datetime | None:
        """Return the latest time that it may be, as far as any clock says; None once the bot's time is confirmed."""
        return None if self.confirmed else max([self._clock.now(), *self._times()])

    def wrong(self) -> bool:
        """Return True where the bot's time is too far from each clock of another machine that was ever heard."""
        others = self._times(self._may_be_ours)
        return bool(others) and all(map(self._is_too_far, others))

    def are_nearer_to(self, theirs: datetime) -> bool:
        """Return True where each clock of another machine that was heard is nearer to this time than to the bot's."""
        others, ours = self._times(self._may_be_ours), self._clock.now()
        return bool(others) and all(abs(each - theirs) < abs(each - ours) for each in others)

    def _is_too_far(self, theirs: datetime) -> bool:
        return abs(self._clock.now() - theirs) > _TOO_FAR

    def now_of(self, name: str) -> datetime | None:
        """Return what this clock shows now, as far as the last comparison tells; None before the first one."""
        began = self._began.get(name)
        return began and began + timedelta(seconds=self._clock.monotonic())

    def _times(self, but: Collection[str] = ()) -> list[datetime]:
        passed = timedelta(seconds=self._clock.monotonic())
        # The writer's thread asks too.
        return [each + passed for name, each in list(self._began.items()) if name not in but]

    def _keep(self, name: str, apart: timedelta) -> None:
        if abs(apart) <= _MAY_DIFFER:
            if self.apart.pop(name, None) is not None:
                log.info("clock_right", compared_with=name)
            return
        if name not in self.apart:
            log.warning("clock_wrong", compared_with=name, seconds=round(apart.total_seconds()))
        self.apart[name] = apart
