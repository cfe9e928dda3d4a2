"""What is promised about setting up and shipping, read from the files themselves."""

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path

import pytest

from bot import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


def instructions(name: str) -> list[str]:
    """Each use of a Dockerfile instruction, its lines joined, without the word itself."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [line.removeprefix(name).strip() for line in lines if line.startswith(f"{name} ")]


def pinned(file: str) -> dict[str, tuple[str, list[str]]]:
    """Each requirement's version and hashes."""
    found = re.findall(
        r"^([a-z0-9-]+)==(\S+)[^\n]*((?:\n    --hash=\S+[^\n]*)*)", (ROOT / file).read_text(), re.MULTILINE
    )
    return {name: (version, re.findall(r"--hash=(\S+)", hashes)) for name, version, hashes in found}


def named(requirements: list[str]) -> set[str]:
    """The packages' names, as the requirements files write them."""
    return {re.split(r"[^A-Za-z0-9_-]", line)[0].lower().replace("_", "-") for line in requirements}


@pytest.mark.parametrize("file", REQUIREMENTS)
def test_every_requirement_is_pinned_with_hashes(file: str) -> None:
    """Nothing is installed that was not looked at, and no line says where it was found."""
    lines = (ROOT / file).read_text().splitlines()
    requirements = [line for line in lines if line and not line.startswith((" ", "#"))]

    assert len(pinned(file)) == len(requirements)
    assert [name for name, (_, hashes) in pinned(file).items() if not hashes] == []
    assert [line for line in lines if "://" in line or line.startswith("-") or "index" in line] == []


def test_the_requirements_hold_what_the_project_names() -> None:
    """The development file is the run-time file plus the tools, in the same versions."""
    run_time, development = (pinned(file) for file in REQUIREMENTS)

    assert named(PROJECT["dependencies"]) <= run_time.keys()
    assert named(PROJECT["optional-dependencies"]["dev"]) <= development.keys()
    assert run_time.items() <= development.items()
    assert named(PROJECT["optional-dependencies"]["dev"]) & run_time.keys() == set()


def test_the_console_script_is_there() -> None:
    """``cancel-desk`` runs what ``python -m bot`` runs."""
    [(name, target)] = PROJECT["scripts"].items()
    module, function = target.split(":")

    assert name == "cancel-desk"
    assert callable(getattr(import_module(module), function))


def test_the_version_stands_in_the_changelog() -> None:
    """Whoever runs this version can read what changed in it."""
    assert re.search(rf"^## {re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_image_installs_only_hashed_wheels() -> None:
    """Every install asks for hashes and builds nothing; the final stage gets the result alone."""
    installs = [json.loads(line) for line in instructions("RUN") if "pip" in line]

    assert len(instructions("FROM")) == 2
    assert installs
    assert all({"--require-hashes", "--only-binary"} <= set(line) for line in installs)
    assert [line for line in instructions("COPY") if line.startswith("--from=")] == [
        "--from=builder /opt/venv /opt/venv"
    ]


@pytest.mark.parametrize("name", ["RUN", "CMD"])
def test_the_image_uses_no_shell(name: str) -> None:
    """Commands are lists of words, so signals reach the bot and no shell is in between."""
    words = [json.loads(line) for line in instructions(name)]

    assert words
    assert not [line for line in words if line[0] in {"sh", "bash", "/bin/sh"}]


def test_the_image_runs_the_bot_as_nobody_special() -> None:
    """Not root, by number; data on a volume that this user owns; reachable from outside the container."""
    [user] = instructions("USER")
    final = (ROOT / "Dockerfile").read_text().split("FROM ")[-1]

    assert re.fullmatch("[1-9][0-9]*:[1-9][0-9]*", user)
    assert final.index("USER") < final.index("\nCMD")
    assert instructions("VOLUME") == ["/app/data"]
    assert instructions("WORKDIR") == ["/app"]
    assert [line for line in instructions("RUN") if "/app/data" in line and "--owner=desk" in line]
    assert "HOST=0.0.0.0" in instructions("ENV")[0].split()
    assert json.loads(instructions("CMD")[-1]) == ["python", "-m", "bot", "run"]


def test_the_image_gets_nothing_but_the_bot() -> None:
    """No secret, database or history lies in the build's context."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert [line for line in lines if line and not line.startswith("#")] == [
        "*",
        "!bot",
        "!requirements.txt",
        "**/__pycache__",
    ]


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server on loopback that answers ``/healthz`` with this status, and its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        log_message: Callable[..., None] = lambda *_: None

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status, healthy", [(200, True), (503, False)])
def test_the_image_knows_whether_the_bot_lives(status: int, healthy: bool) -> None:
    """The health check succeeds on a 200 from PORT alone, and asks no proxy."""
    _, _, command = instructions("HEALTHCHECK")[0].partition("CMD ")
    program, *arguments = json.loads(command)

    def succeeds() -> bool:
        environ = os.environ | {"PORT": str(port), "http_proxy": "http://127.0.0.1:1"}
        done = subprocess.run([sys.executable, *arguments], env=environ, capture_output=True, check=False)
        return done.returncode == 0

    assert program == "python"
    with answering(status) as port:
        assert succeeds() is healthy
    assert not succeeds()
