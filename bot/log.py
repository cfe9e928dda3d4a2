"""Logging: structlog events on stderr, the libraries' logs in the same form, and no secret in either."""

import asyncio
import io
import logging
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter

from bot.log_writer import LogWriter
from bot.printable import printable
from bot.store.errors import StoreError
from bot.tracing import add_trace
from bot.wording import store_error

log = structlog.get_logger(__name__)

_MASK = "***"
_LONG = 8
"""Characters from which a secret is no part of another word by chance."""
_TOKENS = re.compile(r"xox[a-z]-[\w-]+|xapp-[\w-]+|(?<=ticket=)[^&\s\"'<>\\]+", re.ASCII)


def log_failure(log: Any, event: str, error: BaseException, **about: object) -> None:
    """Log what ended some work: trouble with the database by its cause, all else as this event with a traceback."""
    if isinstance(error, StoreError):
        log.error("store_failed", problem=store_error(error), **about)
    else:
        log.error(event, exc_info=error, **about)


def log_soon(log: Any, event: str, **about: object) -> None:
    """Log this when the task that runs now waits or ends: a person waits for it, for a line's time longer otherwise."""
    asyncio.get_running_loop().call_soon(partial(log.info, event, **about))


def configure(level: str, log_format: str, secrets: Iterable[str]) -> None:
    """Set up logging for the process. ``log_format`` is ``console`` or ``json``.

    ``secrets``, and everything that looks like a Slack token, are masked wherever they appear, also in tracebacks.
    ``level`` is for the bot's own events. Libraries log from WARNING upwards at every level, because below it
    they log what was sent and received.

    Nobody waits for stderr: see ``bot.log_writer``.
    """
    least = logging.getLevelNamesMapping()[level]
    about: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_trace,
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
        # https://no-color.org: any value but an empty one counts.
        colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        render = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)
        about.append(_show_control_characters)
    structlog.configure(
        processors=[*about, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = ProcessorFormatter(
        foreign_pre_chain=about, processors=[ProcessorFormatter.remove_processors_meta, render]
    )
    handler = _handler(formatter)
    handler.addFilter(_fit_to_print)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for former in root.handlers:
        if isinstance(former, LogWriter):
            former.close()
    root.handlers = [handler]
    root.setLevel(max(least, logging.WARNING))
    logging.getLogger("bot").setLevel(least)


def _show_control_characters(_logger: object, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    # A gateway's message, for example, may hold anything. Names with an underscore are structlog's own.
    return {
        key: printable(value) if isinstance(value, str) and not key.startswith("_") else value
        for key, value in event.items()
    }


def _handler(formatter: logging.Formatter) -> logging.Handler:
    try:
        descriptor = os.dup(sys.stderr.fileno())  # nobody else can close this one
    except (OSError, io.UnsupportedOperation):
        return logging.StreamHandler(sys.stderr)  # a text in memory, which never makes anybody wait

    def lost(count: int) -> str:
        event = {"event": "log_lines_lost", "count": count, "logger": __name__, "level": "warning"}
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, "", (), None)
        record.msg = event | {"timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z")}
        record._logger, record._name = None, "warning"  # noqa: SLF001 -- how structlog knows its own events
        return formatter.format(record)

    return LogWriter(descriptor, lost)


def lines_lost() -> int:
    """Return how many lines are missing in the log of this process, because nothing took them."""
    return sum(handler.lost for handler in logging.getLogger().handlers if isinstance(handler, LogWriter))


def open_missing_streams() -> None:
    """Give the process the standard streams that it was started without.

    Otherwise the first file that it opens would become its stderr.
    """
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 -- as long as the process


def catch_the_rest() -> None:
    """Send to the log what Python would write to stderr itself: warnings, and errors that nobody caught."""
    logging.captureWarnings(True)

    def uncaught(kind: type[BaseException], error: BaseException | None, at: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.error("uncaught_error", exc_info=(kind, error, at))

    sys.excepthook = uncaught
    threading.excepthook = lambda about: uncaught(about.exc_type, about.exc_value, about.exc_traceback)
    sys.unraisablehook = lambda about: uncaught(about.exc_type, about.exc_value, about.exc_traceback)


def _fit_to_print(record: logging.LogRecord) -> bool:
    # Below ERROR, Bolt logs whole request bodies: of requests with a bad signature, and of those without a listener.
    # This is a filter because Bolt gives each of its loggers a level of its own.
    return record.levelno >= logging.ERROR or record.name.partition(".")[0] != "slack_bolt"


def _pattern(secret: str) -> str:
    """Return a pattern of this secret; a short one counts only by itself, as it may be a part of many words."""
    found = re.escape(secret)
    return found if len(secret) >= _LONG else rf"(?<![A-Za-z0-9]){found}(?![A-Za-z0-9])"


class _Redact:
    """The masking of secrets in every text of an event, at any depth."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first: a secret that begins with a shorter one would otherwise keep its end.
        known = sorted(filter(None, secrets), key=len, reverse=True)
        self._known = re.compile("|".join(map(_pattern, known))) if known else None

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
                # A request has up to fifty orders: one look at all of them takes a tenth of the time of fifty.
                together = "\n".join(map(str, value))
                if self._clean(together) == together and all(isinstance(item, str) for item in value):
                    return list(value)
                return [self._clean(item) for item in value]
            case int() | float() | None:
                return value
            case BaseException():
                return self._clean(repr(value))
            case _:
                return self._clean(str(value))
