"""Logging: structlog events on stderr, the libraries' logs in the same form, and no secret in either."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter

from bot.printable import printable

_MASK = "***"
_TOKENS = re.compile(r"xox[a-z]-[\w-]+|xapp-[\w-]+|(?<=ticket=)[^&\s\"'<>\\]+", re.ASCII)


def configure(level: str, log_format: str, secrets: Iterable[str]) -> None:
    """Set up logging for the process. ``log_format`` is ``console`` or ``json``.

    ``secrets``, and everything that looks like a Slack token, are masked wherever they appear, also in tracebacks.
    ``level`` is for the bot's own events. Libraries log from WARNING upwards at every level, because below it
    they log what was sent and received.
    """
    least = logging.getLevelNamesMapping()[level]
    about: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _Redact(secrets),
        # After the masking, so that a secret that is an everyday word leaves level and time readable.
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if log_format == "console":
        plain = structlog.dev.plain_traceback
        render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        about.append(_show_control_characters)
    structlog.configure(
        processors=[*about, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_fit_to_print)
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=about, processors=[ProcessorFormatter.remove_processors_meta, render])
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(least, logging.WARNING))
    logging.getLogger("bot").setLevel(least)


def _show_control_characters(_logger: object, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    # A gateway's message, for example, may hold anything. Names with an underscore are structlog's own.
    return {
        key: printable(value) if isinstance(value, str) and not key.startswith("_") else value
        for key, value in event.items()
    }


def _fit_to_print(record: logging.LogRecord) -> bool:
    # Below ERROR, Bolt logs whole request bodies: of requests with a bad signature, and of those without a listener.
    # This is a filter because Bolt gives each of its loggers a level of its own.
    return record.levelno >= logging.ERROR or record.name.partition(".")[0] != "slack_bolt"


class _Redact:
    """The masking of secrets in every text of an event, at any depth."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first: a secret that begins with a shorter one would otherwise keep its end.
        known = sorted(filter(None, secrets), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, _logger: object, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
        # Names with an underscore are structlog's own, and are not printed.
        return {key: value if key.startswith("_") else self._clean(value) for key, value in event.items()}

    def _clean(self, value: object) -> Any:
        match value:
            case str():
                masked = self._known.sub(_MASK, value) if self._known else value
                return _TOKENS.sub(_MASK, masked)
            case Mapping():
                return {self._clean(key): self._clean(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._clean(item) for item in value]
            case int() | float() | None:
                return value
            case BaseException():
                return self._clean(repr(value))
            case _:
                return self._clean(str(value))
