"""The option that reads settings from a file."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any] | click.Command)

VARIABLE = "CANCEL_DESK_ENV_FILE"


def _read(_context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    """Set the variables of the file as if they had been set before the start; what is set already stays."""
    if value is None:
        return
    from bot.cli.problems import end_wrong_settings
    from bot.settings import SettingsProblem, read_env_file

    try:
        variables = read_env_file(value)
    except SettingsProblem as error:
        end_wrong_settings(error)
    for name, text in variables.items():
        if not os.environ.get(name, "").strip():
            os.environ[name] = text


def env_file_option(*, envvar: str | None = None) -> Callable[[F], F]:
    """Return the option, for the whole command line and for the commands behind which people type it."""
    return click.option(
        "--env-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        callback=_read,
        envvar=envvar,
        expose_value=False,
        is_eager=True,
        help="Read settings from the NAME=value lines of a file; variables that are set win."
        + (f"  [env var: {envvar}]" if envvar else ""),
    )
