"""A PostgreSQL server on loopback, from the programs that this machine has."""

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

MISSING = "PostgreSQL's server is not installed; on Debian and Ubuntu: apt-get install postgresql"
_NOBODY_ELSE = "postgres"
"""The user who runs the server where root starts it: it refuses root."""
_SETTINGS = {"listen_addresses": "127.0.0.1", "shared_buffers": "32MB", "max_prepared_transactions": "0"}


class NotStarted(Exception):
    """A process on this machine does not start; the words say why."""


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


class LocalServer:
    """A server with a folder of its own, which is made if it is not there. Everybody on this machine may connect.

    ``settings`` are PostgreSQL's own, by their names.
    """

    def __init__(self, bin_folder: Path, folder: Path, **settings: str) -> None:
        self.folder, self.port = folder.resolve(), free_port()
        self._bin = bin_folder
        self._settings = _SETTINGS | settings
        self._user = _NOBODY_ELSE if os.getuid() == 0 else None

    def start(self) -> None:
        """Start the server and wait until it takes connections. Raises NotStarted."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        if not (self.folder / "data" / "PG_VERSION").exists():
            self._do("initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
            with (self.folder / "data" / "postgresql.conf").open("a") as conf:
                conf.write("include 'local.conf'\n")
        # Without a socket: a folder may have a longer name than a socket can have.
        lines = self._settings | {"port": str(self.port), "unix_socket_directories": ""}
        (self.folder / "data" / "local.conf").write_text(
            "".join(f"{name} = '{value}'\n" for name, value in lines.items()), "utf-8"
        )
        self._do("pg_ctl", "-w", "-t", "120", "-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: "immediate" is a crash. Raises NotStarted."""
        self._do("pg_ctl", "-w", "-t", "120", "-m", mode, "stop")

    def url(self, database: str, user: str = "postgres", *, port: int | None = None) -> str:
        """Return the address of this database."""
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def _do(self, program: str, *words: str) -> None:
        command = [str(self._bin / program), "-D", str(self.folder / "data"), *words]
        # Without a pipe: the server would keep it open.
        output = self.folder / "programs.log"
        with output.open("a") as lines:
            try:
                subprocess.run(
                    command,
                    user=self._user,
                    cwd="/",
                    stdout=lines,
                    stderr=lines,
                    stdin=subprocess.DEVNULL,
                    check=True,
                    # A terminal's Ctrl-C is for the program that started the server, and this one stops it in order.
                    start_new_session=True,
                )
            except subprocess.CalledProcessError as error:
                said = output.read_text("utf-8", "replace").strip().splitlines()[-1:]
                raise NotStarted(f"The database server does not start: {' '.join(said)}") from error
