"""Fixtures that many tests need: a clock, a store in a new file, the use cases over it, and a desk."""

import asyncio
import logging
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import coverage
import pytest
import structlog

from bot.store import Place, Store
from bot.workflow import Patience, Rules, Workflow
from tests.clock import Clock
from tests.flows.desk import Desk
from tests.postgres import MISSING, Cluster, cluster, programs
from tests.world import World

# The tests talk to servers on loopback, also with clients that would send this through a proxy of the environment.
for _name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.lower(), None)

# A shell lets what it starts in the background ignore Ctrl-C, and so would every process that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A commit waits for the disk, and the tests make tens of thousands; memory takes each at once. TMPDIR, if set, decides.
_MEMORY, _ROOM = "/dev/shm", 2 * 1024**3
if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM:
    os.environ["TMPDIR"] = tempfile.tempdir = _MEMORY


@pytest.fixture
def logging_of_its_own() -> Iterator[None]:
    """Undo the logging set-up of a command that ran in this process."""
    root, ours = logging.getLogger(), logging.getLogger("bot")
    handlers, level, our_level = root.handlers, root.level, ours.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    ours.setLevel(our_level)
    structlog.reset_defaults()


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """Let coverage pause: what is done a thousand times takes twice as long with it, and covers nothing new.

    It is for tests of the sandbox, and for those that try many ways through lines that others cover one by one.
    """
    measuring = coverage.Coverage.current()
    if measuring is not None:
        measuring.stop()
    yield
    if measuring is not None:
        measuring.start()


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return the path of the test's database, which is not there yet."""
    return tmp_path / "data" / "bot.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """Yield a PostgreSQL server for all tests of this process. CI has one; elsewhere its tests may be skipped."""
    if programs() is None and not os.environ.get("CI"):
        pytest.skip(MISSING)
    with cluster() as started:
        yield started


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """Return the engine of the test's database: ``sqlite``, unless a test or a folder's tests run on both."""
    engine: str = getattr(request, "param", "sqlite")
    return engine


@pytest.fixture
def database_place(engine: str, database: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Yield the place of the test's database: a file that is not there yet, or a new database with tables."""
    if engine == "sqlite":
        yield database
        return
    postgres: Cluster = request.getfixturevalue("postgres")
    server = postgres.new()
    yield server
    postgres.drop(server)


@pytest.fixture
async def store(database_place: Place) -> AsyncIterator[Store]:
    """Yield an open store in a new database."""
    store = Store(database_place)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def rules() -> Rules:
    """Return rules with a quorum of one and three attempts."""
    return Rules(
        approvals_required=1,
        allow_self_approval=False,
        approval_ttl=timedelta(hours=24),
        order_id_pattern=re.compile(r"[A-Za-z0-9_-]{1,64}"),
        patience=Patience(max_attempts=3, message_every=timedelta(0)),
    )


@pytest.fixture
def wake() -> asyncio.Event:
    """Return the event by which the use cases wake the worker."""
    return asyncio.Event()


@pytest.fixture
def workflow(store: Store, rules: Rules, clock: Clock, wake: asyncio.Event) -> Workflow:
    """Return the use cases, without randomness."""
    return Workflow(store, rules, now=clock, wake=wake, jitter=lambda: 0.0)


@pytest.fixture
def world(database_place: Place) -> Iterator[World]:
    """Yield the use cases over a new database, with a model beside them."""
    world = World(database_place)
    yield world
    world.close()


@pytest.fixture
async def quiet_desk(database_place: Place) -> AsyncIterator[Desk]:
    """Yield a workspace and a gateway without a bot between them."""
    async with Desk(database_place) as desk:
        yield desk
