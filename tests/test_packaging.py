"""The promises about set-up and shipping: most are read from the files, and the wheel is built and run."""

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
import urllib.request
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from bot import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


def instructions(name: str) -> list[str]:
    """Return each use of a Dockerfile instruction, its lines joined, without the word itself."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [line.removeprefix(name).strip() for line in lines if line.startswith(f"{name} ")]


def pinned(file: str) -> dict[str, tuple[str, list[str]]]:
    """Return each requirement's version and hashes."""
    found = re.findall(
        r"^([a-z0-9-]+)==(\S+)[^\n]*((?:\n    --hash=\S+[^\n]*)*)", (ROOT / file).read_text(), re.MULTILINE
    )
    return {name: (version, re.findall(r"--hash=(\S+)", hashes)) for name, version, hashes in found}


def named(requirements: list[str]) -> set[str]:
    """Return the packages' names, as the requirements files write them."""
    return {re.split(r"[^A-Za-z0-9_-]", line)[0].lower().replace("_", "-") for line in requirements}


@pytest.mark.parametrize("file", REQUIREMENTS)
def test_every_requirement_is_pinned_with_hashes(file: str) -> None:
    """Only what was pinned is installed, and no line names an index."""
    lines = (ROOT / file).read_text().splitlines()
    requirements = [line for line in lines if line and not line.startswith((" ", "#"))]

    assert len(pinned(file)) == len(requirements)
    assert [name for name, (_, hashes) in pinned(file).items() if not hashes] == []
    assert [line for line in lines if "://" in line or line.startswith("-") or "index" in line] == []


def test_the_requirements_hold_what_the_project_names() -> None:
    """The development file is the run-time file plus the tools, in the same versions."""
    run_time, development = (pinned(file) for file in REQUIREMENTS)

    assert named(PROJECT["dependencies"]) <= run_time.keys()
    for extra in ("postgres", "otel"):
        assert named(PROJECT["optional-dependencies"][extra]) <= run_time.keys(), extra
    assert named(PROJECT["optional-dependencies"]["dev"]) <= development.keys()
    assert run_time.items() <= development.items()
    assert named(PROJECT["optional-dependencies"]["dev"]) & run_time.keys() == set()


def test_the_console_script_is_there() -> None:
    """``cancel-desk`` runs what ``python -m bot`` runs."""
    [(name, target)] = PROJECT["scripts"].items()
    module, function = target.split(":")

    assert name == "cancel-desk"
    assert callable(getattr(import_module(module), function))


def test_the_changelog_has_the_version() -> None:
    """The changes of the version that runs can be read."""
    assert re.search(rf"^## {re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_image_installs_only_hashed_wheels() -> None:
    """Every install needs hashes and builds nothing, and the final stage gets only the result."""
    installs = [json.loads(line) for line in instructions("RUN") if "pip" in line]

    assert len(instructions("FROM")) == 2
    assert installs
    assert all({"--require-hashes", "--only-binary"} <= set(line) for line in installs)
    assert [line for line in instructions("COPY") if line.startswith("--from=")] == [
        "--from=builder /opt/venv /opt/venv"
    ]


@pytest.mark.parametrize("name", ["RUN", "CMD"])
def test_the_image_uses_no_shell(name: str) -> None:
    """Commands are lists of words, so that signals reach the bot without a shell in between."""
    words = [json.loads(line) for line in instructions(name)]

    assert words
    assert not [line for line in words if line[0] in {"sh", "bash", "/bin/sh"}]


def test_the_image_does_not_run_as_root() -> None:
    """The user is a number, owns the data volume, and the bot can be reached from outside the container."""
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
    """The build's context has no secret, database or history in it."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert [line for line in lines if line and not line.startswith("#")] == [
        "*",
        "!bot",
        "!requirements.txt",
        "**/__pycache__",
    ]


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Run a server on loopback that answers ``/healthz`` with this status, and yield its port."""

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
def test_the_image_checks_that_the_bot_is_running(status: int, healthy: bool) -> None:
    """The health check succeeds only with a 200 from PORT, and does not ask a proxy."""
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


# --- the installed package ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and what requirements.txt names, and nothing else.

    The requirements are linked from this environment, which has them in the same versions, so that the test needs no
    network.
    """
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    venv.create(folder / "venv")
    programs = folder / "venv" / "bin"
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", programs / "python", *install], check=True)
    [site] = (folder / "venv" / "lib").glob("python*/site-packages")
    for name in pinned("requirements.txt"):
        for entry in installed_entries(name):
            if not (site / entry.name).exists():  # several packages share the folder of a namespace
                (site / entry.name).symlink_to(entry)
    return programs


def installed_entries(name: str) -> set[Path]:
    """Return the files and folders of a distribution at the top of site-packages; none if it is not for this system."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return set()
    tops = {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}
    return {Path(str(found.locate_file(top))).resolve() for top in tops}


def alone(folder: Path) -> dict[str, str]:
    """Return variables with nothing of this environment, so that only the installed package can be found."""
    return {"PATH": os.defpath, "HOME": str(folder)}


def python(installed: Path, folder: Path, code: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run this code in the environment that has the wheel alone, in this folder."""
    command = [str(installed / "python"), "-c", code]
    environ = alone(folder) | variables
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_an_installed_bot_has_no_development_requirements(installed: Path, tmp_path: Path) -> None:
    """The environment of these tests has the wheel and the run-time requirements alone."""
    code = (
        "import importlib.util as u, bot, pydantic; print(bot.__file__);"
        "print([name for name in ('yaml', 'pytest', 'pydantic_settings', 'dotenv') if u.find_spec(name)])"
    )
    run = python(installed, tmp_path, code)
    assert run.returncode == 0, run.stderr
    place, others = run.stdout.splitlines()

    assert Path(place).is_relative_to(installed.parent)
    assert others == "[]"


TRACED = "import sys, bot.cli; {before} sys.exit(bot.cli.main(['run'], standalone_mode=False))"
SETTINGS = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "DVPAY_API_KEY": "key",
    "APPROVERS": "U012AB3CD",
    "TRACES_TO": "http://127.0.0.1:4318",
}


def test_traces_without_their_extra_are_one_clear_line(installed: Path, tmp_path: Path) -> None:
    """The bot does not start, and says what to install; its database is not made."""
    code = TRACED.format(before="sys.modules['opentelemetry'] = None;")  # as an environment without it
    run = python(installed, tmp_path, code, **SETTINGS)
    (line,) = run.stderr.splitlines()
    assert run.returncode == 2
    assert "TRACES_TO: needs the extra otel; install cancel-desk[otel]" in line
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_opentelemetry_is_imported_without_the_setting(installed: Path, tmp_path: Path) -> None:
    """It costs memory and a part of the start."""
    code = "import sys, bot.app, bot.worker; print([name for name in sys.modules if 'opentelemetry' in name])"
    run = python(installed, tmp_path, code)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "[]\n"


def test_an_installed_bot_plays_the_demo(installed: Path, tmp_path: Path) -> None:
    """``cancel-desk demo`` needs no checkout and no development requirement."""
    run = subprocess.run(
        [installed / "cancel-desk", "demo"],
        cwd=tmp_path,
        env=alone(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert "=== " in run.stdout


def test_an_installed_bot_opens_the_playground(installed: Path, tmp_path: Path) -> None:
    """``cancel-desk playground`` prints its address, serves the page from there, and ends with SIGTERM."""
    with subprocess.Popen(
        [installed / "cancel-desk", "playground", "--no-open", "--port", "0"],
        cwd=tmp_path,
        env=alone(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+/", first)
            assert address, first + process.stdout.read()
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(address[0], timeout=10) as page:
                scripts = re.findall(r'src="/?(static/[^"]+)"', page.read().decode())
            assert scripts
            for script in scripts:
                with direct.open(f"{address[0]}{script}", timeout=10) as answer:
                    assert answer.status == 200
        finally:
            process.terminate()
        assert process.wait(20) == 0


def test_an_installed_bot_takes_a_newcomer_to_a_first_cancellation(installed: Path, tmp_path: Path) -> None:
    """By the README's lines: the example filled in, doctor without a problem, a cancellation, its metric.

    ``make newcomer`` does the same after the README's installation, for which it needs a package index.
    """
    spec = spec_from_file_location("newcomer", ROOT / ".ci" / "newcomer.py")
    assert spec is not None
    assert spec.loader is not None
    newcomer = module_from_spec(spec)
    spec.loader.exec_module(newcomer)
    [commands] = [block for block in newcomer.shell_lines("First run") if block.startswith("python -m bot doctor")]
    done = subprocess.run(
        [installed / "python", ROOT / ".ci" / "newcomer_story.py", ROOT / "desk.env.example", commands],
        cwd=tmp_path,
        env=alone(tmp_path) | {"PATH": f"{installed}{os.pathsep}{os.defpath}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("doctor: 0 problems")
    assert 'cancel_desk_cancellations_total{cause="",end="cancelled"} 1.0' in lines
    assert "gateway: ord_1001 is cancelled" in lines
