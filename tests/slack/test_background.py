"""Work after the acknowledgement: it is done, or it ends cleanly."""

import asyncio
import gc
from pathlib import Path

import pytest
import structlog

from bot.in_flight import InFlight
from bot.slack.background import Background
from bot.store import StoreError, StoreProblem


async def test_work_that_a_stop_overtakes_ends_without_a_trace() -> None:
    """Work that had not begun when the stop came is closed, and nobody reads of an error."""
    in_flight, begun = InFlight(at_most=60), asyncio.Event()
    told: list[str] = []

    async def tell(text: str) -> None:
        told.append(text)

    async def work() -> None:
        begun.set()

    background = Background(in_flight)
    with in_flight.answering("click"):
        background.start(work(), tell=tell)
        await asyncio.sleep(0)
        await background.finish(0)
    gc.collect()
    assert (told, begun.is_set()) == ([], False)


async def test_work_that_fails_is_told_with_the_reference_that_the_log_has() -> None:
    """The person reads a reference and nothing of the exception."""
    told: list[str] = []

    async def tell(text: str) -> None:
        told.append(text)

    async def work() -> None:
        raise RuntimeError("xoxb-secret broke")

    background = Background(InFlight())
    with structlog.testing.capture_logs() as logs:
        background.start(work(), tell=tell)
        await background.finish(10)
    (line,), (text,) = logs, told
    assert line["event"] == "unexpected_error"
    assert line["reference"] in text
    assert "xoxb" not in text


@pytest.mark.parametrize("unsure", [True, False])
async def test_trouble_with_the_database_is_told_with_its_cause(tmp_path: Path, unsure: bool) -> None:
    """The log says what to do, without a traceback; only where the file kept nothing the person may just try again."""
    told: list[str] = []

    async def tell(text: str) -> None:
        told.append(text)

    async def work() -> None:
        error = StoreError(StoreProblem.DISK_FAILING, tmp_path)
        error.unsure = unsure
        raise error

    background = Background(InFlight())
    with structlog.testing.capture_logs() as logs:
        background.start(work(), tell=tell)
        await background.finish(10)
    (line,), (text,) = logs, told
    assert ("I don't know yet" in text, "Please try again in a few minutes. " in text) == (unsure, not unsure)
    assert "because the disk with my database is full or failing" in text
    assert line.pop("reference") in text
    assert line == {"event": "store_failed", "log_level": "error", "problem": line["problem"]}
    assert line["problem"].endswith("check its free space and the system's log.")
