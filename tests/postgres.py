"""A PostgreSQL server of the tests' own, started once for each process that runs tests."""

import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from bot.store.place import Server
from bot.store.postgres import open_writer

ENGINES = ["sqlite", "postgres"]
"""The parameters of the fixture ``engine`` where tests run on both."""
ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
"""For a test of one of these folders that is about SQLite's own ways."""
REFUSED = (sqlite3.IntegrityError, psycopg.IntegrityError)
"""What the engines raise where a constraint or a guard of the record stops a statement."""
MISSING = "PostgreSQL's server is not installed; on Debian and Ubuntu: apt-get install postgresql"
_NOBODY_ELSE = "postgres"
"""The user who runs the server where root runs the tests: it refuses root."""
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_prepared_transactions": "0",
}


def programs() -> Path | None:
    """Return the folder of the newest server's programs, or None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).parent if elsewhere else None


def free_port() -> int:
    """Return a port on loopback that nobody uses at the moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Cluster:
    """A server with a folder of its own. ``settings`` are PostgreSQL's own, by their names."""

    def __init__(self, bin_folder: Path, folder: Path, **settings: str) -> None:
        self.folder, self.port = folder, free_port()
        self._bin = bin_folder
        self._databases = count(1)
        self._template = ""
        self._user = _NOBODY_ELSE if os.getuid() == 0 else None
        if self._user is not None:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._do("initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        lines = _SETTINGS | {"port": str(self.port), "unix_socket_directories": str(folder)} | settings
        with (folder / "data" / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in lines.items())
        self.start()

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        self._do("pg_ctl", "-w", "-t", "120", "-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: "immediate" is a crash."""
        self._do("pg_ctl", "-w", "-t", "120", "-m", mode, "stop")

    def url(self, database: str, user: str = "postgres", *, port: int | None = None) -> str:
        """Return the address of this database."""
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def connect(self, database: str = "postgres", user: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection of a test's own, in which each statement is a transaction."""
        return psycopg.connect(self.url(database, user), autocommit=True)

    def empty(self) -> str:
        """Return the name of a new database without tables."""
        name = f"desk_{next(self._databases)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return name

    def new(self) -> Server:
        """Return a new database with the bot's tables."""
        if not self._template:
            self._template = self.empty()
            open_writer(Server(SecretStr(self.url(self._template)))).close()
        name = f"desk_{next(self._databases)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}".encode())
        return Server(SecretStr(self.url(name)))

    def drop(self, server: Server) -> None:
        """Drop a database, whoever is connected to it: hundreds of them would fill the disk."""
        name = server.url.get_secret_value().rpartition("/")[2]
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def _do(self, program: str, *words: str) -> None:
        command = [str(self._bin / program), "-D", str(self.folder / "data"), *words]
        # Without a pipe: the server would keep it open.
        with (self.folder / "programs.log").open("a") as output:
            subprocess.run(
                command,
                user=self._user,
                cwd=self.folder,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                check=True,
            )


@contextmanager
def cluster(**settings: str) -> Iterator[Cluster]:
    """Yield a server that is gone afterwards. Raises FileNotFoundError where there is none to start."""
    bin_folder = programs()
    if bin_folder is None:
        raise FileNotFoundError(MISSING)
    # Not below pytest's folder, which only the user who runs the tests may enter.
    folder = Path(tempfile.mkdtemp(prefix="desk-pg-"))
    try:
        started = Cluster(bin_folder, folder, **settings)
        try:
            yield started
        finally:
            started.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
