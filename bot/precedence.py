"""People come first: what nobody waits for begins when no acknowledgement is being waited for."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Precedence:
    """Counts the commands, forms and clicks that are being answered, and lets everything else wait for them.

    Other work begins after ``quiet`` seconds without any, as people who act in the same moment arrive one after
    the other. It gives way for ``at_most`` so many seconds: under a load that never lets up it goes on all the same.
    """

    def __init__(self, *, quiet: float = 0.01, at_most: float = 0.25) -> None:
        self._quiet_after = quiet
        self._at_most = at_most
        self._answering = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._timer: asyncio.TimerHandle | None = None
        self._later: deque[Callable[[], None]] = deque()
        self._no_later_than: asyncio.TimerHandle | None = None

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Somebody waits for an acknowledgement in the meantime."""
        self._answering += 1
        self._quiet.clear()
        if self._timer is not None:
            self._timer.cancel()
        try:
            yield
        finally:
            self._answering -= 1
            if not self._answering:
                self._timer = asyncio.get_running_loop().call_later(self._quiet_after, self._fall_quiet)

    async def give_way(self, at_most: float | None = None) -> None:
        """Return as soon as nobody waits for an acknowledgement, or when the time to give way is over."""
        if not self._quiet.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._at_most if at_most is None else at_most):
                    await self._quiet.wait()

    def afterwards(self, do: Callable[[], None]) -> None:
        """Have something short done when ``give_way`` would return, in the order in which it was asked for."""
        if self._quiet.is_set():
            do()
            return
        self._later.append(do)
        if self._no_later_than is None:
            self._no_later_than = asyncio.get_running_loop().call_later(self._at_most, self.catch_up)

    def catch_up(self) -> None:
        """Do at once what was put off."""
        if self._no_later_than is not None:
            self._no_later_than.cancel()
            self._no_later_than = None
        while self._later:
            self._later.popleft()()

    def _fall_quiet(self) -> None:
        self._quiet.set()
        self.catch_up()
