"""The address of a local server, and what all local servers have in common."""

import socket
from abc import ABC, abstractmethod
from typing import Self

from aiohttp import web


class Place:
    """A free port on loopback that a local server keeps from its first start to ``leave``, also while it is stopped.

    While it is stopped, connections are refused, and no other program can get the port and pass for the server.
    """

    def __init__(self) -> None:
        self._held: socket.socket | None = None
        self.origin = ""
        """The address; known from the first start on."""

    async def listen(self, runner: web.AppRunner) -> None:
        """Serve this application here, until its runner is cleaned up."""
        if self._held is None:
            self._held = socket.socket()
            # With SO_REUSEPORT the server can listen on the port that this socket holds. Another program could too,
            # but only with the same option and as the same user.
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._held.bind(("127.0.0.1", 0))
            self.origin = "http://{}:{}".format(*self._held.getsockname())
        await runner.setup()
        await web.TCPSite(runner, *self._held.getsockname(), reuse_port=True).start()

    def leave(self) -> None:
        """Let go of the port."""
        if self._held is not None:
            self._held.close()
            self._held = None


class LocalServer(ABC):
    """A server on loopback, as an async context manager or with ``start`` and ``stop``.

    Started again, it listens on the same port; until the context ends no other program can get that port.
    """

    def __init__(self) -> None:
        self._place = Place()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self._place.leave()

    @property
    def base_url(self) -> str:
        """The origin; known once it has been started."""
        return self._place.origin

    @abstractmethod
    def _application(self) -> web.Application:
        """Return what the next start serves; an application serves once only."""

    async def start(self) -> None:
        """Listen on loopback."""
        # Calls that hang by a fault are cut off at the stop.
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.01)
        await self._place.listen(self._runner)

    async def stop(self) -> None:
        """Refuse connections from now on, and close the open ones."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
