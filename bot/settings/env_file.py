"""The file of variables that ``--env-file`` names, and the example of one.

A line is as Docker reads it: ``NAME=value`` and no quotes, or a comment. So one file serves both.
"""

import re
import textwrap
from pathlib import Path

from bot.masking import path_shown
from bot.settings.environment import SettingsProblem, table
from bot.settings.model import Settings

_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_WIDTH = 110
_USUAL = ("SLACK_APP_TOKEN", "APPROVAL_CHANNEL")
"""What nearly everybody sets, beside what is required."""
_HEAD = """\
The settings of Cancel Desk. Copy this file to desk.env, fill it in, and keep it secret: chmod 600 desk.env
Each line is NAME=value, without quotes, and without a comment behind the value. What is empty counts as unset.
Instead of a token or key, a file can be named that holds it: NAME_FILE=/path. See docs/operating.md.
"""


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of this file. Raises SettingsProblem with a line for each problem, and no value."""
    shown = path_shown(path)
    try:
        text = path.read_text("utf-8-sig")  # some editors begin a file with a mark
    except OSError as error:
        raise SettingsProblem([f"{shown}: cannot be read: {error.strerror}"]) from None
    except ValueError:
        raise SettingsProblem([f"{shown}: is not a text file in UTF-8"]) from None
    found: dict[str, str] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, is_one, value = line.strip().partition("=")
        if problem := _problem(name, found, has_value=bool(is_one)):
            problems.append(f"{shown}, line {number}: {problem}")
        found[name] = value.strip()
    if problems:
        raise SettingsProblem(problems)
    return found


def _problem(name: str, before: dict[str, str], *, has_value: bool) -> str:
    # Nothing of the line is repeated: it may be the second half of a key.
    if name.startswith("export "):
        return "leave the word export out"
    if not has_value or not _NAME.fullmatch(name):
        return "is not NAME=value, nor a comment that begins with #"
    return f"{name} is set twice" if name in before else ""


def example() -> str:
    """Return an example of such a file with every setting; what has a default is a comment."""
    parts = [_comment(_HEAD)]
    for (name, shown, meaning), field in zip(table(), Settings.model_fields.values(), strict=True):
        required = shown == "required"
        # Some defaults are words about what happens where nothing is set.
        value = field.default if isinstance(field.default, str) else ""
        default = "" if required or not shown or value else f"\nDefault: {shown}"
        about = f"{meaning}{' (required)' if required else ''}{default}".replace("`", "")
        parts.append(f"{_comment(about)}{'' if required or name in _USUAL else '#'}{name}={value}\n")
    return "\n".join(parts)


def _comment(text: str) -> str:
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, _WIDTH)]
    return "".join(f"# {line}\n" for line in lines)
