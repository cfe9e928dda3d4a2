"""Trouble in the surroundings of the bot, which a chaos run has only if it is asked for."""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

_FILLING = b'{"event": "filling"}\n'
_NAME_HANGS = 5.0
"""Seconds."""

PATTERN_OF_A_SECOND = "[A-Za-z0-9_-]{1,63}"
"""A second bot's pattern of order IDs, by which its starts on record can be told from those of the first."""


class Surroundings(StrEnum):
    """The kinds of trouble."""

    SECOND = "second"
    """Somebody starts a second bot on the same file every few seconds."""
    LOG = "log"
    """The bot's log goes into a pipe that is full at the start, and that nobody reads for a while."""
    NAMES = "names"
    """The gateway and Slack have names, and the look-up of the gateway's hangs."""
    CLOCK = "clock"
    """The clock of the bot's machine steps back and forth."""


@contextmanager
def pipe_to(file: Path, *, unread_for: float) -> Iterator[int]:
    """Yield the end of a pipe that is full; what is written there goes to the file, but not for so many seconds."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, _FILLING)
    os.set_blocking(writing, True)

    def read() -> None:
        with file.open("ab") as log, contextlib.suppress(BlockingIOError):
            while text := os.read(reading, 1 << 16):
                log.write(text)

    timer = loop.call_later(unread_for, loop.add_reader, reading, read)
    try:
        yield writing
    finally:
        timer.cancel()
        loop.remove_reader(reading)
        os.close(writing)
        read()
        os.close(reading)


def with_names(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the bot's environment with names in place of addresses, where the look-up of the gateway's hangs."""
    named = {name: environment[name].replace("127.0.0.1", "localhost") for name in ("SLACK_API_URL", "DVPAY_BASE_URL")}
    return {**environment, **named, "GATEWAY_NAME_HANGS": str(_NAME_HANGS)}


async def ends_at_once(command: list[str], environment: Mapping[str, str]) -> str:
    """Start a program; return what is wrong with its end, or nothing: it must say one line and exit with 1."""
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=environment)
    try:
        _, said = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        # As long as it lives it may have taken the place of a first bot that is gone.
        await process.wait()
    if process.returncode == 1 and len(said.splitlines()) == 1:
        return ""
    return f"a second bot ended with {process.returncode} and said {said[:2000]!r}"
