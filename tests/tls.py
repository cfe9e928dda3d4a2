"""The things between the bot and the servers in real networks: an authority of a company, TLS, and a proxy."""

import asyncio
import base64
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import pytest


class Authority:
    """A certificate authority that no system trusts; ``file`` is its certificate."""

    def __init__(self, folder: Path) -> None:
        if (openssl := shutil.which("openssl")) is None:
            pytest.skip("the openssl command is not installed, and it makes this test's certificates")
        self._openssl = openssl
        self._folder = folder
        folder.mkdir()
        self.file = folder / "ca.pem"
        self._make(self.file, "/CN=A company's own authority", "basicConstraints=critical,CA:TRUE")

    def context(self, *names: str) -> ssl.SSLContext:
        """Return the context of a server whose certificate is for these host names and addresses."""
        file = self._folder / f"{len(list(self._folder.iterdir()))}.pem"
        kinds = (f"{'IP' if name.replace('.', '').isdigit() else 'DNS'}:{name}" for name in names)
        signed: list[str | Path] = ["-CA", self.file, "-CAkey", self.file.with_suffix(".key")]
        self._make(file, "/CN=a server", f"subjectAltName={','.join(kinds)}", signed)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file, file.with_suffix(".key"))
        return context

    def hashed(self, folder: Path) -> Path:
        """Return a folder that holds the authority under the name by which OpenSSL looks for it."""
        folder.mkdir()
        named: list[str | Path] = [self._openssl, "x509", "-in", self.file, "-noout", "-subject_hash"]
        name = subprocess.run(named, check=True, capture_output=True, text=True).stdout.strip()
        shutil.copy(self.file, folder / f"{name}.0")
        return folder

    def _make(self, file: Path, subject: str, extension: str, signed: Iterable[str | Path] = ()) -> None:
        subprocess.run(
            [
                self._openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
                "-days", "2", "-subj", subject, "-addext", extension, "-keyout", file.with_suffix(".key"),
                "-out", file, *signed,
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip


@asynccontextmanager
async def tls_in_front(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Yield the port of a server that speaks TLS, and hands on what is in it to this other port."""

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _hand_on(reader, writer, port)

    async with await asyncio.start_server(treat, "127.0.0.1", 0, ssl=context) as server:
        yield int(server.sockets[0].getsockname()[1])


class ConnectProxy:
    """A proxy that tunnels by CONNECT to the hosts in ``routes``, as an async context manager.

    ``asked`` has the hosts and ports that were asked for. ``credentials`` are ``user:password``, if it wants any. A
    ``telltale`` repeats in its refusal what it was sent.
    """

    def __init__(
        self,
        routes: dict[str, int],
        *,
        credentials: str = "",
        context: ssl.SSLContext | None = None,
        telltale: bool = False,
    ) -> None:
        self.routes = routes
        self.asked: list[str] = []
        self.port = 0
        self._expected = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else ""
        self._context = context
        self._telltale = telltale

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._treat, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _treat(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        method, target, _ = head[0].split()
        self.asked.append(target)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        port = self.routes.get(target.rpartition(":")[0])
        if method != "CONNECT" or port is None:
            refusal = b"HTTP/1.1 403 Forbidden"
        elif headers.get("proxy-authorization", "") != self._expected:
            refusal = b"HTTP/1.1 407 Proxy Authentication Required"
            if self._telltale:
                sent = headers["proxy-authorization"].removeprefix("Basic ")
                refusal += f" {sent} {base64.b64decode(sent).decode()}".encode()
        else:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _hand_on(reader, writer, port)
            return
        writer.write(refusal + b"\r\nContent-Length: 0\r\n\r\n")
        writer.close()


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    try:
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(reader, onward_writer), _copy(onward_reader, writer))
    except (ConnectionError, ssl.SSLError):
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()
