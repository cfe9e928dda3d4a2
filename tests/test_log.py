import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest

from bot import log
from bot.store import StoreError, StoreProblem

KEY = "k3y\"with\\odd'signs"
"""A secret that JSON and repr write differently."""


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo the logging set-up of a test before the next one."""
    root, ours = logging.getLogger(), logging.getLogger("bot")
    handlers, level, our_level = root.handlers, root.level, ours.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    ours.setLevel(our_level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the events of a JSON log on stderr, after checking that stdout is empty."""
    out, err = capsys.readouterr()
    assert not out
    return [json.loads(line) for line in err.splitlines()]


def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """An event has its time in UTC, level, logger, name and details."""
    log.configure("INFO", "json", [])
    structlog.contextvars.bind_contextvars(request="c1")

    structlog.get_logger("bot.worker").info("gateway_answered", outcome="cancelled", tries=2)

    [event] = written(capsys)
    assert datetime.fromisoformat(event.pop("timestamp")).tzinfo == UTC
    assert event == {
        "level": "info",
        "logger": "bot.worker",
        "event": "gateway_answered",
        "request": "c1",
        "outcome": "cancelled",
        "tries": 2,
    }


def test_the_console_shows_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    """A message of the gateway does not move the cursor or turn the text around."""
    log.configure("INFO", "console", [])

    structlog.get_logger("bot.worker").info("gateway_answered", says="a\x1b[2J\u202eb")
    logging.getLogger("aiohttp").warning("odd: \x9b2J")

    _, err = capsys.readouterr()
    assert "a\\x1b[2J\\u202eb" in err
    assert "odd: \\x9b2J" in err
    assert all(line.isprintable() for line in err.splitlines())


def test_trouble_with_the_database_is_logged_by_its_cause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The operator reads what is wrong and what to do; only an error that nobody expected has a traceback."""
    log.configure("INFO", "json", [])
    logger = structlog.get_logger("bot.app")
    for error in (StoreError(StoreProblem.CUT, tmp_path / "bot.db"), KeyError("order")):
        try:
            raise error
        except (StoreError, KeyError) as caught:
            log.log_failure(logger, "part_failed", caught, part="watch")
    database, other = written(capsys)
    assert (database["event"], database["part"], "exception" in database) == ("store_failed", "watch", False)
    assert "bot.db: the file was cut off while the bot runs" in database["problem"]
    assert "restore the latest backup." in database["problem"]
    assert (other["event"], other["part"]) == ("part_failed", "watch")
    assert other["exception"].endswith("KeyError: 'order'")


def test_the_console_shows_an_event_and_its_traceback_in_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The console has the same content as JSON, and masks secrets as well."""
    log.configure("INFO", "console", [KEY])
    try:
        raise RuntimeError(KEY)
    except RuntimeError:
        structlog.get_logger("bot.app").exception("part_failed", key=KEY)

    shown = capsys.readouterr().err
    assert "part_failed" in shown
    assert "RuntimeError: ***" in shown
    assert "k3y" not in shown


@pytest.mark.parametrize(
    "level, heard",
    [("DEBUG", ["debug", "info", "warning", "error"]), ("INFO", ["info", "warning", "error"]), ("ERROR", ["error"])],
)
def test_the_level_is_the_bots(level: str, heard: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """LOG_LEVEL is the lowest level of the bot's own events that is shown, in both ways of logging."""
    log.configure(level, "json", [])
    for logger in (structlog.get_logger("bot.app"), logging.getLogger("bot.app")):
        for name in ("debug", "info", "warning", "error"):
            getattr(logger, name)("x")

    assert [event["level"] for event in written(capsys)] == heard * 2


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING"])
@pytest.mark.parametrize("library", ["aiohttp.access", "asyncio", "httpcore.http11", "httpx", "slack_sdk.socket_mode"])
def test_libraries_speak_from_warning_upwards(library: str, level: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No LOG_LEVEL turns on the libraries' messages below WARNING, which hold what was sent and received."""
    log.configure(level, "json", [])
    for number in (logging.DEBUG, logging.INFO, logging.WARNING):
        logging.getLogger(library).log(number, "%s with ticket=%s", "wss://x.test/", "abc")

    events = written(capsys)
    assert [(event["level"], event["logger"]) for event in events] == [("warning", library)]
    assert events[0]["event"] == "wss://x.test/ with ticket=***"


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING"])
@pytest.mark.parametrize("command", ["/cancel-order", "/unknown"])
async def test_bolt_never_logs_a_body(level: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a wrong signature nor a request without a listener brings a body into the log."""
    log.configure(level, "json", [])

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id=None, bot_id="B1", bot_user_id="U0", bot_token="xoxb-1")

    signed = command == "/cancel-order"
    app = AsyncApp(authorize=authorize, signing_secret="s3cret", request_verification_enabled=signed)
    body = f"command={command}&text=PRIVATE&team_id=T1&user_id=U1&token=t&channel_id=C1"
    request = AsyncBoltRequest(body=body, headers={"x-slack-signature": "v0=0", "x-slack-request-timestamp": "1"})
    answer = await app.async_dispatch(request)

    assert answer.status == (401 if signed else 404)
    assert written(capsys) == []


def test_bolt_still_tells_its_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """The error of a listener that failed is logged."""
    log.configure("INFO", "json", [])

    logging.getLogger("slack_bolt.AsyncApp").error("Failed to run listener function")

    assert [event["event"] for event in written(capsys)] == ["Failed to run listener function"]


@pytest.mark.parametrize(
    "value, shown",
    [
        pytest.param(KEY, "***", id="the secret"),
        pytest.param(f"a {KEY} b", "a *** b", id="inside a text"),
        pytest.param({"header": [KEY, {KEY: 1}]}, {"header": ["***", {"***": 1}]}, id="nested"),
        pytest.param((KEY,), ["***"], id="a tuple"),
        pytest.param({"plain"}, ["plain"], id="a set"),
        pytest.param(StrEnum("Word", {"A": KEY}).A, "***", id="an enum"),  # type: ignore[attr-defined]
        pytest.param(Path("/run") / "xoxb-1-2-abc", "/run/***", id="a path"),
        pytest.param(ValueError("xapp-1-A-b"), "ValueError('***')", id="an exception"),
        pytest.param("xoxp-1-2-a and xoxe.xoxp-1-b", "*** and xoxe.***", id="other tokens of Slack"),
        pytest.param(
            "wss://x.test/link/?ticket=a-b%2Fc&app_id=A1", "wss://x.test/link/?ticket=***&app_id=A1", id="ticket"
        ),
        pytest.param("box-office, tickets=2", "box-office, tickets=2", id="no token"),
        pytest.param(datetime(2026, 11, 23, tzinfo=UTC), "2026-11-23 00:00:00+00:00", id="a time"),
        pytest.param([1, 2.5, True, None], [1, 2.5, True, None], id="no text"),
    ],
)
def test_secrets_are_masked_everywhere(value: object, shown: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Given secrets, and everything that looks like a Slack token, become *** in every field."""
    log.configure("INFO", "json", [KEY, "", "k3y"])

    structlog.get_logger("bot.app").info("x", value=value)

    [event] = written(capsys)
    assert event["value"] == shown


def test_secrets_are_masked_in_events_of_libraries_and_their_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's message about a failed connection is masked like our own events."""
    log.configure("INFO", "json", ["hunter2"])
    address = "wss://x.test/?ticket=abc&token=hunter2"
    try:
        raise ConnectionError(address)
    except ConnectionError:
        logging.getLogger("slack_sdk.socket_mode").exception("Failed to connect to %s", address)

    [event] = written(capsys)
    assert event["event"] == "Failed to connect to wss://x.test/?ticket=***&token=***"
    assert event["exception"].endswith("ConnectionError: wss://x.test/?ticket=***&token=***")
    assert "hunter2" not in json.dumps(event)


def test_the_longest_secret_is_masked_first(capsys: pytest.CaptureFixture[str]) -> None:
    """A secret that begins with another one is masked whole."""
    log.configure("INFO", "json", ["abc", "abcdef"])

    structlog.get_logger("bot.app").info("abcdef abc")

    assert [event["event"] for event in written(capsys)] == ["*** ***"]


def test_a_secret_that_is_an_everyday_word_spoils_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A test key such as ``info`` or ``2`` leaves level, logger and time readable."""
    log.configure("INFO", "json", ["info", "2", "bot"])

    structlog.get_logger("bot.app").info("started")

    [event] = written(capsys)
    assert (event["level"], event["logger"]) == ("info", "bot.app")
    assert datetime.fromisoformat(event["timestamp"]).tzinfo == UTC


@pytest.mark.parametrize(
    "secret, text, shown",
    [
        pytest.param("key", "monkey keys key. X-Api-Key:key", "monkey keys ***. X-Api-Key:***", id="a short word"),
        pytest.param("12345", "at 1234567, by 12345", "at 1234567, by ***", id="a short number"),
        pytest.param("hunter22", "xhunter22x", "x***x", id="a long one in the middle"),
        pytest.param("a-b", "a-b/xa-b", "***/xa-b", id="with a sign"),
    ],
)
def test_a_short_secret_is_masked_only_by_itself(
    secret: str, text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word that happens to contain it stays readable; a long secret is masked wherever it is."""
    log.configure("INFO", "json", [secret])
    structlog.get_logger("bot.app").info("x", problem=text)
    assert [event["problem"] for event in written(capsys)] == [shown]


@pytest.mark.parametrize("no_color, colors", [(None, True), ("", True), ("1", False)])
def test_a_terminal_gets_colors_unless_somebody_wants_none(
    no_color: str | None, colors: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the convention of no-color.org."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    log.configure("INFO", "console", [])
    structlog.get_logger("bot.app").info("started")
    assert ("\x1b[" in terminal.getvalue()) is colors


def test_setting_up_twice_does_not_log_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """Only the last set-up counts."""
    log.configure("INFO", "console", [])
    log.configure("INFO", "json", [])

    structlog.get_logger("bot.app").info("once")

    assert [event["event"] for event in written(capsys)] == ["once"]
