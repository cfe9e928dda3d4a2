"""Name look-ups that do not hold each other up.

asyncio looks all names up in one small pool of threads. There, a name whose server hangs keeps every other name
waiting, and a stop as well. Here each name has a thread of its own, and the end of the process does not wait for it.
"""

import asyncio
import contextlib
import socket
import threading
from typing import Any

WITHIN = 10.0
"""Seconds that somebody waits for a name; most callers have a shorter limit of their own."""
_OLD = 5.0
"""Seconds after which a look-up is no longer shared: the name's server may have come back since."""
_MOST = 4
"""Threads for one name; with more, those who ask would only pile up."""


class NameLookUps:
    """The look-ups of one event loop. Everybody who asks for the same name at the same time shares one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: dict[tuple[Any, ...], list[tuple[float, asyncio.Future[list[Any]]]]] = {}

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 -- asyncio's own name for it
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Do what the loop's method of this name does. Raises socket.gaierror, also after ten seconds."""
        asked = (host, port, family, type, proto, flags)
        under_way = self._under_way.setdefault(asked, [])
        if not under_way or (self._loop.time() - under_way[-1][0] > _OLD and len(under_way) < _MOST):
            under_way.append((self._loop.time(), self._begin(asked)))
        try:
            async with asyncio.timeout(WITHIN):
                return await asyncio.shield(under_way[-1][1])
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "No answer from the name server in time") from None

    def _begin(self, asked: tuple[Any, ...]) -> asyncio.Future[list[Any]]:
        outcome: asyncio.Future[list[Any]] = self._loop.create_future()

        def settle(found: list[Any], error: Exception | None) -> None:
            self._under_way[asked] = [each for each in self._under_way.get(asked, []) if each[1] is not outcome]
            if not self._under_way[asked]:
                del self._under_way[asked]
            if error is None:
                outcome.set_result(found)
            else:
                outcome.set_exception(error)
                outcome.exception()  # everybody who asked may have gone away

        def look_up() -> None:
            found, error = [], None
            try:
                found = socket.getaddrinfo(*asked)
            except Exception as caught:  # noqa: BLE001 -- it is raised where it is awaited
                error = caught
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(settle, found, error)

        threading.Thread(target=look_up, name="name-look-up", daemon=True).start()
        return outcome


def install() -> None:
    """Let the running loop look names up in this way, for every library that runs on it."""
    loop = asyncio.get_running_loop()
    if not isinstance(getattr(loop.getaddrinfo, "__self__", None), NameLookUps):
        loop.getaddrinfo = NameLookUps(loop).getaddrinfo  # type: ignore[method-assign]
