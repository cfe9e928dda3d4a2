"""A wire between a bot and its database server that breaks at the worst moment."""

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum


class Break(Enum):
    """The ways in which the wire breaks at the next COMMIT."""

    BEFORE = "the server never gets it"
    AFTER = "the server carries it out, and its answer is lost"
    SILENT = "the server carries it out, and the wire says nothing any more"


class Wire:
    """A port that leads to the server. ``breaks`` is how it breaks at the next COMMIT, and ``down`` lets nobody in.

    ``broke`` is how often it broke in each way.
    """

    def __init__(self, port: int) -> None:
        self.breaks: Break | None = None
        self.broke: Counter[Break] = Counter()
        self.down = False
        self.down_after = False
        """True where nobody gets in any more after the wire broke."""
        self.translations: dict[bytes, bytes] = {}
        """The server's words in another language, which must be as long as its own."""
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut everything."""
        _cut(self._listener)
        self.cut(down=True)

    def cut(self, *, down: bool) -> None:
        """Cut every connection; where it is ``down`` from then on, no new one comes in."""
        self.down = down
        while self._open:
            _cut(self._open.pop())

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.down:
                    _cut(client)
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self._to))
                except OSError:  # the server is away
                    _cut(client)
                    continue
                self._open += [client, server]
                threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        lost = threading.Event()
        threading.Thread(target=_pump, args=(server, client, lost, self.translations), daemon=True).start()
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self.breaks is not None and data.endswith(b"COMMIT\x00"):
                    how, self.breaks = self.breaks, None
                    self.broke[how] += 1
                    lost.set()
                    self.down = self.down_after
                    if how is not Break.BEFORE:
                        server.sendall(data)
                    if how is Break.SILENT:
                        continue
                    if how is Break.AFTER:
                        # The server has carried it out when it has closed the line.
                        server.shutdown(socket.SHUT_WR)
                        continue
                    break
                server.sendall(data)
        _cut(client)
        _cut(server)


def _pump(
    server: socket.socket, client: socket.socket, lost: threading.Event, translations: dict[bytes, bytes]
) -> None:
    """Bring the server's answers to the client until they are lost."""
    with contextlib.suppress(OSError):
        while data := server.recv(65536):
            for own, other in translations.items():
                data = data.replace(own, other)
            if not lost.is_set():
                client.sendall(data)
    if lost.is_set():
        _cut(client)


def _cut(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """Yield a wire to this port, which is cut at the end."""
    made = Wire(port)
    try:
        yield made
    finally:
        made.close()
