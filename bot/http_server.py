"""The bot's own HTTP server: limits for all who connect, and one line at most for what is not HTTP."""

import logging

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

log = structlog.get_logger(__name__)

KEEP_ALIVE = 65.0
"""Seconds after which a connection without a whole request is closed, as it is if the headers come in drop by drop. It
is longer than the minute for which many proxies keep a connection: a request must not meet one that is being closed."""
_LINGER = 2.0
"""Seconds in which the rest of a body may arrive that nobody reads."""

_logger = logging.getLogger("bot.http_server.aiohttp")


def runner(application: web.Application, *, shutdown_timeout: float) -> web.AppRunner:
    """Return the runner of the application, with its limits."""
    return web.AppRunner(
        application,
        access_log=None,
        logger=_logger,
        shutdown_timeout=shutdown_timeout,
        keepalive_timeout=KEEP_ALIVE,
        lingering_time=_LINGER,
    )


def _in_one_line(record: logging.LogRecord) -> bool:
    """Log what is not HTTP without a traceback, and without what was sent."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, HttpProcessingError):
        return True
    remote = record.args[0] if isinstance(record.args, tuple) and record.args else None
    log.warning("malformed_request", problem=type(error).__name__, remote=remote)
    return False


_logger.addFilter(_in_one_line)
