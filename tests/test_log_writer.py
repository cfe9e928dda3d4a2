"""Log lines for a stderr that takes none: they cost nobody's time, and those that are lost are counted."""

import contextlib
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bot import log
from bot.log_writer import LogWriter

PIPE_SIZE = 1 << 20
"""Bytes; no pipe takes as many without a reader."""


class Pipe:
    """A pipe that nobody reads yet."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def fill(self) -> None:
        """Write empty lines until it takes nothing more."""
        os.set_blocking(self.writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self.writer, b"\n" * 4096)
        os.set_blocking(self.writer, True)

    def lines(self, until: str) -> list[str]:
        """Return the lines up to the one with this text."""
        found = b""
        while f"{until}\n".encode() not in found:
            found += os.read(self.reader, 65536)
        return [line for line in found.decode().splitlines() if line]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Yield a pipe."""
    pipe = Pipe()
    yield pipe
    for end in (pipe.reader, pipe.writer):
        with contextlib.suppress(OSError):
            os.close(end)


def logger_on(writer: LogWriter) -> logging.Logger:
    """Return a logger that writes there and nowhere else."""
    logger = logging.Logger("test")  # noqa: LOG001 -- no other test gets it
    logger.addHandler(writer)
    return logger


def test_a_full_pipe_costs_lines_and_no_time(pipe: Pipe) -> None:
    """All that fits is written in order; where lines are missing, the log says how many, once."""
    pipe.fill()
    writer = LogWriter(os.dup(pipe.writer), "{} lost".format, most=100)
    logger = logger_on(writer)
    for number in range(1000):
        logger.error("%d %s", number, "x" * 5000)
    found = pipe.lines(f"{1000 - 100} lost")  # told though no further line comes
    logger.error("end")
    assert pipe.lines("end") == ["end"]
    writer.close()
    assert [line.split()[0] for line in found] == [*map(str, range(100)), "900"]


def test_a_pipe_without_a_reader_costs_lines(pipe: Pipe, tmp_path: Path) -> None:
    """The log goes on where somebody reads it again."""
    descriptor = os.dup(pipe.writer)
    writer = LogWriter(descriptor, "{} lost".format)
    logger = logger_on(writer)
    os.close(pipe.reader)
    for number in range(5):
        logger.error("%d", number)
    writer.flush()
    with (tmp_path / "log").open("wb") as file:
        os.dup2(file.fileno(), descriptor)
    logger.error("back")
    writer.flush()
    writer.close()
    assert (tmp_path / "log").read_text() == "5 lost\nback\n"


def test_a_pipe_that_does_not_wait_gets_whole_lines(pipe: Pipe) -> None:
    """Another program may have set the pipe so that a write takes what fits."""
    os.set_blocking(pipe.writer, False)
    writer = LogWriter(os.dup(pipe.writer), "{} lost".format)
    logger = logger_on(writer)
    for number in range(100):
        logger.error("%d %s", number, "x" * 5000)
    logger.error("end")
    lines = pipe.lines("end")
    writer.close()
    assert [line.split()[0] for line in lines] == [*map(str, range(100)), "end"]
    assert {len(line.split()[1]) for line in lines[:-1]} == {5000}


def test_the_end_of_the_process_waits_a_second_at_most(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that nobody takes do not hold the process up."""
    monkeypatch.setattr("bot.log_writer._FLUSH_WITHIN", 0.01)
    writer = LogWriter(os.dup(pipe.writer), "{} lost".format)
    logger_on(writer).error("x" * PIPE_SIZE)
    writer.acquire()  # as the standard library does at the end
    writer.flush()
    writer.release()
    writer.close()


def test_an_event_that_cannot_be_printed_is_a_lost_line(pipe: Pipe) -> None:
    """It raises nothing where it happens."""
    writer = LogWriter(os.dup(pipe.writer), "{} lost".format)
    logger = logger_on(writer)
    logger.error("%d", "no number")
    logger.error("end")
    assert pipe.lines("end") == ["1 lost", "end"]
    writer.close()


@pytest.fixture
def logged(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    """Yield the pipe to which this process logs, in JSON; afterwards everything is as before."""
    root, ours = logging.getLogger(), logging.getLogger("bot")
    before = root.handlers, root.level, ours.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    with os.fdopen(os.dup(pipe.writer), "w") as stream, warnings.catch_warnings():
        monkeypatch.setattr(sys, "stderr", stream)
        log.configure("INFO", "json", ["hunter2"])
        logging.captureWarnings(False)  # another test may have run the whole command in this process
        log.catch_the_rest()
        yield pipe
        logging.captureWarnings(False)
        for handler in root.handlers:
            handler.close()
    root.handlers = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    structlog.reset_defaults()


def test_what_python_writes_itself_goes_into_the_log(logged: Pipe) -> None:
    """Warnings and errors that nobody caught are events like all others, with secrets masked."""

    def fail() -> None:
        message = "hunter2"
        raise ValueError(message)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    warnings.simplefilter("always")
    warnings.warn("old-fashioned", DeprecationWarning, stacklevel=1)
    try:
        fail()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    os.write(logged.writer, b"")
    logging.getLogger().handlers[0].flush()
    os.write(logged.writer, b"end\n")
    events = [json.loads(line) for line in logged.lines("end")[:-1]]
    assert [(event["logger"], event["level"]) for event in events] == [
        ("bot.log", "error"),
        ("py.warnings", "warning"),
        ("bot.log", "error"),
    ]
    assert events[0]["exception"].endswith("ValueError: ***")
    assert "old-fashioned" in events[1]["event"]


def test_lost_lines_are_an_event(logged: Pipe) -> None:
    """A program that reads the log finds how many are missing."""
    writer = logging.getLogger().handlers[0]
    writer.handle(logging.LogRecord("bot", logging.ERROR, "", 0, "%d", ("no number",), None))
    writer.handle(logging.LogRecord("bot", logging.ERROR, "", 0, "end", (), None))
    writer.flush()
    os.write(logged.writer, b"end\n")
    event, _ = (json.loads(line) for line in logged.lines("end")[:-1])
    assert (event["event"], event["count"], event["level"]) == ("log_lines_lost", 1, "warning")


def test_setting_up_again_ends_the_former_writer(logged: Pipe) -> None:
    """Nothing is written twice, and no thread stays."""
    before = logging.getLogger().handlers[0]
    log.configure("INFO", "json", [])
    assert isinstance(before, LogWriter)
    assert before not in logging.getLogger().handlers
