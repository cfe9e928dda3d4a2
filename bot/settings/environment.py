"""The way from environment variables, and the files that they name, to settings."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar, overload

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bot.masking import is_token, looks_secret, path_shown
from bot.settings.model import Settings
from bot.settings.values import Unusable, unquoted

T = TypeVar("T", bound=BaseModel)

_VARIABLES = {"database": "DATABASE_URL"}
"""The variables that have another name than their field."""
_SECRETS = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "DVPAY_APP_ID",
    "DVPAY_API_KEY",
    "DATABASE_URL",
    "RECORD_KEY",
)
"""The variables that hold secrets; each may name a file in place of its value, and no other may hold one."""
_ADDRESSES = ("DATABASE_URL", "DVPAY_BASE_URL", "ORDER_URL", "SLACK_API_URL")
"""The variables whose readers speak of passwords themselves, and in which long names are no secrets."""
_ALIKE = 0.84
"""The likeness, as difflib measures it, from which another name is taken for a mistyped setting."""


class SettingsProblem(Exception):
    """Settings that cannot be used. ``problems`` has one line for each, which names the variable and no secret."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@overload
def load(environ: Mapping[str, str] = ...) -> Settings: ...


@overload
def load(environ: Mapping[str, str], kind: type[T]) -> T: ...


def load(environ: Mapping[str, str] = os.environ, kind: type[BaseModel] = Settings) -> BaseModel:
    """Return the settings of this kind that these variables give. An empty variable counts as unset.

    Raises SettingsProblem with every problem at once.
    """
    read = {field: _read(_variable(field), environ) for field in kind.model_fields}
    try:
        return kind.model_validate({field: value for field, value in read.items() if value is not None})
    except ValidationError as error:
        problems = [_line(item) for item in error.errors()]
    # Outside the except block: pydantic's error holds the values, and must not be chained.
    raise SettingsProblem(problems)


def mistyped(environ: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield a line for each variable that is none of the bot's, but almost has the name of one."""
    settings = [name for name, _, _ in table()]
    known = [*settings, *(f"{name}_FILE" for name in _SECRETS)]
    for name in sorted(name for name, value in environ.items() if value.strip() and name not in known):
        without_file = name.upper().removesuffix("_FILE")
        if without_file in settings and without_file not in _SECRETS and name.upper() != without_file:
            yield f"{name}: {without_file} cannot come from a file; set {without_file} itself"
        elif meant := difflib.get_close_matches(name.upper(), known, 1, _ALIKE):
            yield f"{name}: is not a setting, but almost {meant[0]}"


def table() -> list[tuple[str, str, str]]:
    """Return each variable's name, its default and its meaning, for the documentation."""
    return [
        (_variable(name), _shown_default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def _variable(field: str) -> str:
    return _VARIABLES.get(field, field.upper())


def _read(name: str, environ: Mapping[str, str]) -> str | Unusable | None:
    value = environ.get(name, "").strip()
    in_file = f"{name}_FILE"
    path = environ.get(in_file, "") if name in _SECRETS else ""
    if not path:
        return _usable(name, value) if value else None
    if value:
        return Unusable(f"is set twice, here and by {in_file}; keep one of them")
    names = f"{in_file} names {path_shown(path)}, which"
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        return Unusable(f"{names} cannot be read: {error.strerror}")
    except ValueError:
        return Unusable(f"{names} is not a text file")
    return _usable(name, value) if value else Unusable(f"{names} is empty")


def _usable(name: str, value: str) -> str | Unusable:
    """Return the value, unless it is in quotes, or a secret that would be shown or stored under this name."""
    try:
        unquoted(value)
    except ValueError as error:
        return Unusable(str(error))
    misplaced = is_token(value) if name in _ADDRESSES else name not in _SECRETS and looks_secret(value)
    if misplaced:
        return Unusable("looks like a secret, and is not for one; the value is not shown here")
    return value


def _line(error: ErrorDetails) -> str:
    problem = error.get("ctx", {}).get("error", error["msg"])
    return f"{_variable(str(error['loc'][0]))}: {'is required' if error['type'] == 'missing' else problem}"


def _shown_default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra["default"]) if isinstance(extra, dict) else "required"
