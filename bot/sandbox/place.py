"""The address of a local server."""

import socket

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
