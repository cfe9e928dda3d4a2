"""Prometheus in small: scrapes, and the expressions of ``docs/deploy/alerts.yml`` evaluated over two of them.

It knows comparisons with a number, ``and``, ``+``, ``-``, selectors with equal labels, ``increase`` and ``sum``. As in
Prometheus, a counter that was not there at the first scrape has no increase.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

FILE = Path(__file__).parent.parent / "docs" / "deploy" / "alerts.yml"
Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Scrape = dict[str, Vector]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<labels>\{[^}]*\})|(?P<range>\[\d+[smhd]\])"
    r"|(?P<sign>==|!=|>=|<=|[><()+-]))"
)
_COMPARE = {
    "==": float.__eq__,
    "!=": float.__ne__,
    ">": float.__gt__,
    "<": float.__lt__,
    ">=": float.__ge__,
    "<=": float.__le__,
}


def rules() -> list[dict[str, Any]]:
    """Return the alert rules of the file."""
    groups = yaml.safe_load(FILE.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def parsed(text: str | None) -> Scrape:
    """Return a scrape of the job; None stands for a bot that did not answer."""
    job = frozenset({("job", "cancel-desk")})
    found: Scrape = {"up": {job: 0.0 if text is None else 1.0}}
    for family in text_string_to_metric_families(text or ""):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = float(sample.value)
    return found


def firing(before: Scrape, now: Scrape) -> set[str]:
    """Return the names of the alerts whose expressions hold; how long they must hold does not matter here."""
    return {str(rule["alert"]) for rule in rules() if _Expression(str(rule["expr"]), before, now).value()}


class _Expression:
    """One expression over two scrapes."""

    def __init__(self, text: str, before: Scrape, now: Scrape) -> None:
        self._tokens = list(_tokens(text))
        self._before, self._now = before, now

    def value(self) -> Vector:
        """Return what the expression selects."""
        found = self._comparison()
        while self._next("name", "and"):
            other = self._comparison()
            found = {labels: value for labels, value in found.items() if labels in other}
        assert not self._tokens, self._tokens
        return found

    def _comparison(self) -> Vector:
        found = self._sum()
        if self._tokens and self._tokens[0][1] in _COMPARE:
            holds = _COMPARE[self._tokens.pop(0)[1]]
            limit = float(self._take("number"))
            found = {labels: value for labels, value in found.items() if holds(value, limit)}
        return found

    def _sum(self) -> Vector:
        found = self._term()
        while self._tokens and self._tokens[0][1] in {"+", "-"}:
            sign = -1 if self._tokens.pop(0)[1] == "-" else 1
            other = self._term()
            found = {labels: value + sign * other[labels] for labels, value in found.items() if labels in other}
        return found

    def _term(self) -> Vector:
        name = self._take("name")
        if self._next("sign", "("):
            inner = self._increase() if name == "increase" else self._term()
            assert self._next("sign", ")")
            assert name in {"increase", "sum"}, name
            return inner if name == "increase" else {frozenset(): sum(inner.values())} if inner else {}
        return self._selected(self._now, name, self._labels())

    def _increase(self) -> Vector:
        name, labels = self._take("name"), self._labels()
        self._take("range")
        before = self._selected(self._before, name, labels)
        # A counter that is smaller than before began again at 0.
        return {
            key: value - before[key] if value >= before[key] else value
            for key, value in self._selected(self._now, name, labels).items()
            if key in before
        }

    def _labels(self) -> Labels:
        if not self._tokens or self._tokens[0][0] != "labels":
            return frozenset()
        text = self._take("labels")
        found = re.findall(r'(\w+)="([^"]*)"', text)
        assert "{" + ",".join(f'{name}="{value}"' for name, value in found) + "}" == text, text
        return frozenset(found)

    def _selected(self, scrape: Scrape, name: str, labels: Labels) -> Vector:
        return {key: value for key, value in scrape.get(name, {}).items() if labels <= key}

    def _next(self, kind: str, text: str) -> bool:
        if self._tokens and self._tokens[0] == (kind, text):
            self._tokens.pop(0)
            return True
        return False

    def _take(self, kind: str) -> str:
        found, text = self._tokens.pop(0)
        assert found == kind, f"{text!r} is no {kind}"
        return text


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        assert match is not None, f"cannot read {text[at:]!r}"
        assert match.lastgroup is not None
        yield match.lastgroup, match[match.lastgroup]
        at = match.end()


def names(expression: str) -> set[str]:
    """Return the names of the metrics in an expression."""
    return {text for kind, text in _tokens(expression) if kind == "name"} - {"and", "increase", "sum"}
