"""The trouble around the bot that a chaos run can have."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.chaos.surroundings import ends_at_once, pipe_to, with_names
from tests.flows.desk import Desk

LINE = b'{"event": "late"}\n'


async def test_a_log_that_nobody_reads(tmp_path: Path) -> None:
    """Nothing fits into the pipe while nobody reads; in the end everything is in the file."""
    file = tmp_path / "log"
    with pipe_to(file, unread_for=3600) as end:
        os.set_blocking(end, False)
        with pytest.raises(BlockingIOError):
            os.write(end, LINE)
    assert file.stat().st_size > 60_000
    with pipe_to(file, unread_for=0) as end:
        await asyncio.to_thread(os.write, end, LINE)
    assert file.read_bytes().endswith(LINE)


@pytest.mark.parametrize(
    "script, fits",
    [
        ("sys.exit('busy')", True),
        ("sys.exit('busy\\nand more')", False),
        ("print('busy', file=sys.stderr)", False),
        ("sys.exit(2)", False),
    ],
)
async def test_the_end_of_a_second_bot(script: str, fits: bool) -> None:
    """It must say one line and exit with 1."""
    wrong = await ends_at_once([sys.executable, "-c", f"import sys; {script}"], os.environ)
    assert (wrong == "") is fits


async def test_a_second_bot_ends_at_once(quiet_desk: Desk) -> None:
    """A bot that is started on the file of another one says so in one line, and writes nothing."""
    desk = quiet_desk
    await desk.start_bot()
    before = await desk.events()
    environment = os.environ | with_names(desk.environment(PORT="0"))
    assert await ends_at_once([sys.executable, "-m", "tests.chaos.process"], environment) == ""
    assert await desk.events() == before


async def test_a_second_bot_that_is_called_back_is_gone(tmp_path: Path) -> None:
    """Nothing of it lives on that could take the place of the first bot."""
    file = tmp_path / "pid"
    script = f"import os, pathlib, time; pathlib.Path({str(file)!r}).write_text(str(os.getpid())); time.sleep(600)"
    second = asyncio.create_task(ends_at_once([sys.executable, "-c", script], os.environ))
    while not (file.exists() and file.read_text()):  # noqa: ASYNC110 -- a process of its own wakes nobody here
        await asyncio.sleep(0.01)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)
