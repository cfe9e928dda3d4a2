"""The way from environment variables, and the files that they name, to settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, overload

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bot.settings.model import Settings
from bot.settings.values import Unusable

T = TypeVar("T", bound=BaseModel)

_VARIABLES = {"database_path": "DATABASE_URL"}
"""The variables that have another name than their field."""
_FROM_FILES = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "DVPAY_APP_ID", "DVPAY_API_KEY")


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
    path = environ.get(in_file, "") if name in _FROM_FILES else ""
    if not path:
        return value or None
    if value:
        return Unusable(f"is set twice, here and by {in_file}; keep one of them")
    try:
        return Path(path).read_text(encoding="utf-8").strip() or Unusable(f"{in_file} names {path}, which is empty")
    except OSError as error:
        return Unusable(f"{in_file} names {path}, which cannot be read: {error.strerror}")
    except ValueError:
        return Unusable(f"{in_file} names {path}, which is not a text file")


def _line(error: ErrorDetails) -> str:
    problem = error.get("ctx", {}).get("error", error["msg"])
    return f"{_variable(str(error['loc'][0]))}: {'is required' if error['type'] == 'missing' else problem}"


def _shown_default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra["default"]) if isinstance(extra, dict) else "required"
