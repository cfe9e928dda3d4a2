"""Waiting for something to change, without asking again and again."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """Something that changes, and those who wait for it."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def touch(self) -> None:
        """Tell everybody who waits."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def next(self) -> None:
        """Return at the next change."""
        await self._changed.wait()

    async def wait_for(self, look: Callable[[], T | None], within: float = 10.0) -> T:
        """What ``look`` finds, as soon as it finds something true; TimeoutError if that takes too long."""
        async with asyncio.timeout(within):
            while True:
                changed = self._changed
                found = look()
                if found:
                    return found
                await changed.wait()
