"""Problems that end a command: a line for each on stderr, and an exit code that tells them apart."""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import NoReturn, TypeVar

from pydantic import BaseModel

from bot.cli.terminal import say
from bot.masking import masked
from bot.network import Network
from bot.settings import Settings, SettingsProblem, load, load_network, mistyped, not_read

T = TypeVar("T", bound=BaseModel)

_FAILED = 1
_SETTINGS_WRONG = 2
"""The exit code of click for a wrong option as well: in both cases the operator has to type something else."""


def fail(message: str) -> NoReturn:
    """End the command with this message and exit code 1."""
    _end([message], _FAILED)


def end_wrong_settings(error: SettingsProblem) -> NoReturn:
    """End the command with a line for each problem and exit code 2."""
    _end(error.problems, _SETTINGS_WRONG)


def read_settings(kind: type[T], environ: Mapping[str, str] = os.environ) -> T:
    """Return the settings of this kind. If they cannot be used, end with a line for each problem and exit code 2."""
    try:
        return load(environ, kind)
    except SettingsProblem as error:
        end_wrong_settings(error)


def read_everything(environ: Mapping[str, str] = os.environ) -> tuple[Settings, Network, list[str]]:
    """Return all settings, the way to other machines, and a line for each variable that may be a mistake.

    If they cannot be used, end with a line for each problem and exit code 2.
    """
    problems: list[str] = []
    settings = network = None
    try:
        settings = load(environ)
    except SettingsProblem as error:
        problems += error.problems
    try:
        network = load_network(environ)
    except SettingsProblem as error:
        problems += error.problems
    doubts = [*mistyped(environ), *not_read(environ)]
    if settings is None or network is None:
        _end(problems + doubts, _SETTINGS_WRONG)
    return settings, network, doubts


def _end(lines: Iterable[str], code: int) -> NoReturn:
    for line in lines:
        say(masked(line), error=True)
    sys.exit(code)
