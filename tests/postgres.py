"""A PostgreSQL server of the tests' own, started once for each process that runs tests."""

import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from bot.sandbox.postgres import MISSING, LocalServer, free_port, programs
from bot.store.place import Server
from bot.store.postgres_start import open_writer

__all__ = ["ENGINES", "MISSING", "ON_SQLITE", "REFUSED", "Cluster", "cluster", "free_port", "programs"]

ENGINES = ["sqlite", "postgres"]
"""The parameters of the fixture ``engine`` where tests run on both."""
ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
"""For a test of one of these folders that is about SQLite's own ways."""
REFUSED = (sqlite3.IntegrityError, psycopg.IntegrityError)
"""What the engines raise where a constraint or a guard of the record stops a statement."""
_FOR_TESTS = {"fsync": "off", "max_connections": "200"}


class Cluster(LocalServer):
    """A server whose databases are made for tests. ``settings`` are PostgreSQL's own, by their names."""

    def __init__(self, bin_folder: Path, folder: Path, **settings: str) -> None:
        super().__init__(bin_folder, folder, **_FOR_TESTS | settings)
        self._databases = count(1)
        self._template = ""
        self.start()

    def connect(self, database: str = "postgres", user: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection of a test's own, in which each statement is a transaction."""
        return psycopg.connect(self.url(database, user), autocommit=True)

    def empty(self, more: str = "") -> str:
        """Return the name of a new database without tables, made with these words of SQL as well."""
        name = f"desk_{next(self._databases)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} {more}".encode())
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

    def end_connections(self, server: Server) -> None:
        """End all connections to this database, and wait until they are gone."""
        name = server.url.get_secret_value().rpartition("/")[2]
        with self.connect() as connection:
            ended = connection.execute(
                "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            ).fetchall()
            while connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE pid = ANY (%s)", ([pid for pid, _ in ended],)
            ).fetchone():
                time.sleep(0.005)

    def take_over(self) -> None:
        """Begin a new timeline, as a standby that takes over does; this one had everything."""
        self.become_standby()
        self._promote()

    @contextmanager
    def is_behind(self) -> Iterator[None]:
        """Let a standby take over after the block that has nothing of what the block writes, on a new timeline."""
        data, standby = self.folder / "data", self.folder / "standby"
        self.stop("fast")
        subprocess.run(["cp", "-a", data, standby], check=True)
        self.start()
        yield
        self.stop("immediate")
        shutil.rmtree(data)
        standby.rename(data)
        (data / "standby.signal").touch()
        self.start()
        self._promote()

    def become_standby(self) -> None:
        """Take no more writes, as a standby."""
        self.stop("fast")
        # The server makes a file of its own of it, and the name alone counts.
        (self.folder / "data" / "standby.signal").touch()
        self.start()

    def _promote(self) -> None:
        with self.connect() as connection:
            connection.execute("SELECT pg_promote()")

    @contextmanager
    def loses(self, server: Server) -> Iterator[None]:
        """Let a standby take over after the block that has nothing of what the block writes."""
        name = server.url.get_secret_value().rpartition("/")[2]
        with self.connect() as connection:
            # A bot comes back within a moment, and nobody may be in a database that is copied or renamed.
            with self._alone(connection, server, name):
                connection.execute(f"CREATE DATABASE {name}_standby TEMPLATE {name}".encode())
            yield
            with self._alone(connection, server, name):
                connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_lost".encode())
                connection.execute(f"ALTER DATABASE {name}_standby RENAME TO {name}".encode())

    @contextmanager
    def _alone(self, connection: psycopg.Connection[tuple[object, ...]], server: Server, name: str) -> Iterator[None]:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        self.end_connections(server)
        yield
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())

    def drop(self, server: Server) -> None:
        """Drop a database, whoever is connected to it: hundreds of them would fill the disk."""
        name = server.url.get_secret_value().rpartition("/")[2]
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


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
