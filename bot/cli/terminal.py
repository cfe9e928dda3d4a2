"""Printing from commands: nothing that a terminal would obey, and a quiet end if nobody reads on."""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

import click

from bot.masking import masked
from bot.printable import printable

_PIPE_CLOSED = 128 + 13
"""The exit code that a shell shows for SIGPIPE, which ends most programs whose reader is gone."""


class CommandLine(click.Group):
    """The group of all commands, which shows click's own messages like those of the bot."""

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        *,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and end the process."""
        for stream in (sys.stdout, sys.stderr):
            if reconfigure := getattr(stream, "reconfigure", None):
                reconfigure(errors="backslashreplace")  # an answer in another alphabet is no reason to fail
        try:
            with redirect_stdout(cast(TextIO, sys.stdout and _Output(sys.stdout))):
                code = super().main(args, prog_name, None, standalone_mode=False, **extra)
        except click.ClickException as error:
            if not standalone_mode:
                raise
            said = io.StringIO()
            error.show(said)
            say(masked(said.getvalue().rstrip("\n")), error=True)
            code = error.exit_code
        except click.Abort:
            if not standalone_mode:
                raise
            say("Aborted.", error=True)
            code = 1
        if not standalone_mode:
            return code
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command up to the last byte of its output."""
        result = super().invoke(ctx)
        if sys.stdout is not None:
            write("", flush=True)
        return result


def readable(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return what was typed for an option. Raises BadParameter for bytes that are no text, which nothing can keep."""
    if value is not None and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            msg = "this is not UTF-8; set the terminal to it, or type it without special letters"
            raise click.BadParameter(msg) from None
    return value


def as_far_as_readable(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Return what was typed for an option, with a question mark in place of each byte that is no text."""
    return value.encode(errors="replace").decode()


def say(text: str, *, error: bool = False) -> None:
    """Print a text and a line break, to stderr for an error; control characters are shown as escapes."""
    write(f"{printable(text)}\n", error=error, flush=True)


def write(text: str, *, error: bool = False, flush: bool = False) -> None:
    """Write a text as it is. If nobody reads it, end the command quietly."""
    stream = sys.stderr if error else sys.stdout
    if stream is None:
        return  # the shell closed it: ``>&-``
    with _ending(stream):
        stream.write(text)
        if flush:
            stream.flush()


class _Output:
    """Stdout for everything that prints by itself, such as click with its help: an error ends the command."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if text == "":
            return 0  # click tries with this whether it is a stream of text
        with _ending(self._stream):
            return self._stream.write(text)

    def flush(self) -> None:
        with _ending(self._stream):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _ending(stream: TextIO) -> Iterator[None]:
    """End the command if this stream takes nothing more: quietly if nobody reads it, else with one line."""
    try:
        yield
    except OSError as problem:
        _discard(stream)
        if isinstance(problem, BrokenPipeError):
            raise click.exceptions.Exit(_PIPE_CLOSED) from None
        # A full disk; here and not in the command, which would take it for the database's.
        raise click.ClickException(f"The output cannot be written: {problem.strerror}.") from None


def _discard(stream: TextIO) -> None:
    """Let what is still in the buffer go nowhere, or the interpreter would complain about it at its end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass  # a stream of a test has no descriptor
