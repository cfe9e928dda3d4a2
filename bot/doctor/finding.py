"""One line of the report, and the report as a whole."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from bot.masking import masked


class Level(StrEnum):
    """The weight of a finding."""

    OK = "ok"
    UNKNOWN = "unknown"
    """It was not tried, or nobody said; that is neither good nor bad."""
    WARNING = "warning"
    """It may be a mistake, or meant like that."""
    PROBLEM = "problem"
    """Something will not work. Only this makes doctor fail."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found about a subject; ``setting`` names the settings that it is about, separated by commas.

    A ``remedy`` is there for every level but OK, where there is nothing to do.
    """

    level: Level
    subject: str
    setting: str
    state: str
    remedy: str = ""

    @property
    def line(self) -> str:
        """Return the finding as one line for a terminal."""
        about = f"{self.subject} ({self.setting})" if self.setting else self.subject
        said = f"{self.level:<8} {about}: {self.state}"
        return f"{said}. {self.remedy}" if self.remedy else said


def ok(subject: str, setting: str, state: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(Level.OK, subject, setting, state)


def unknown(subject: str, setting: str, state: str, remedy: str) -> Finding:
    """Return a finding about what could not be checked."""
    return Finding(Level.UNKNOWN, subject, setting, state, remedy)


def warning(subject: str, setting: str, state: str, remedy: str) -> Finding:
    """Return a finding that may be a mistake."""
    return Finding(Level.WARNING, subject, setting, state, remedy)


def problem(subject: str, setting: str, state: str, remedy: str) -> Finding:
    """Return a finding that something will not work."""
    return Finding(Level.PROBLEM, subject, setting, state, remedy)


def summary(findings: Sequence[Finding]) -> str:
    """Return the line that ends the report, such as "0 problems, 1 warning"."""
    counts = Counter(each.level for each in findings)
    parts = [_counted(counts[Level.PROBLEM], "problem")]
    parts += [_counted(counts[Level.WARNING], "warning")] if counts[Level.WARNING] else []
    parts += [f"{counts[Level.UNKNOWN]} not checked"] if counts[Level.UNKNOWN] else []
    return ", ".join(parts)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def to_json(findings: Sequence[Finding]) -> str:
    """Return the report as one JSON object for machines, without secrets."""
    counts = Counter(each.level for each in findings)
    rows = [{name: masked(text) for name, text in asdict(each).items()} for each in findings]
    totals = {f"{level}s" if level is not Level.OK else "ok": counts[level] for level in Level}
    return json.dumps({**totals, "findings": rows}, ensure_ascii=False, indent=2)
