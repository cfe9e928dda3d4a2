"""The Slack requests that are waiting for their acknowledgement."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from bot import standstill


class InFlight:
    """Counts the commands, forms and clicks being answered, so that background work can wait for them.

    People who act in the same moment arrive one after the other, so it counts as idle only after ``quiet`` seconds
    without any. ``at_most`` is how long background work waits by default: under a load that never ends it runs as well.
    ``answered`` gets the kind of each request and the seconds until its acknowledgement, by ``monotonic``. ``around``
    returns what each of them, by its kind, is to run in.
    """

    def __init__(
        self,
        *,
        quiet: float = 0.01,
        at_most: float = 0.25,
        answered: Callable[[str, float], None] = lambda *_: None,
        monotonic: Callable[[], float] = time.monotonic,
        around: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
        slack_waits: float = standstill.SLACK_WAITS,
    ) -> None:
        self.count = 0
        self._quiet = quiet
        self._at_most = at_most
        self._answered = answered
        self._monotonic = monotonic
        self._around = around
        self._slack_waits = slack_waits
        self._idle = asyncio.Event()
        self._idle.set()
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def answering(self, kind: str) -> Iterator[None]:
        """Count one request of this kind for as long as the block runs."""
        began = self._monotonic()
        standstill.arrives(self._slack_waits)
        self.count += 1
        self._idle.clear()
        if self._timer is not None:
            self._timer.cancel()
        try:
            with self._around(kind):
                yield
        finally:
            self.count -= 1
            self._answered(kind, self._monotonic() - began)
            if not self.count:
                self._timer = asyncio.get_running_loop().call_later(self._quiet, self._idle.set)

    async def idle(self, at_most: float | None = None) -> None:
        """Return as soon as nothing is being answered, or after ``at_most`` seconds."""
        if not self._idle.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._at_most if at_most is None else at_most):
                    await self._idle.wait()
