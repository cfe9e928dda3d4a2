"""Waiting for a change without asking again and again."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """A signal that something changed, for everybody who waits for it."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def touch(self) -> None:
        """Wake everybody who waits."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def next(self) -> None:
        """Return at the next change."""
        await self._changed.wait()

    async def wait_for(self, look: Callable[[], T | None], within: float = 10.0) -> T:
        """Return the first true result of ``look``, which is called again after each change.

        Raises TimeoutError after this many seconds.
        """
        async with asyncio.timeout(within):
            while True:
                # Kept before looking: a change between the look and the wait must not be missed.
                changed = self._changed
                found = look()
                if found:
                    return found
                await changed.wait()
