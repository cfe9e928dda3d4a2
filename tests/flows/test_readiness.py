"""`/readyz` shows what the bot found out at its own pace: a question costs no write, and never hangs."""

import asyncio
import logging
import os
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from bot import health
from bot.domain.seal import new_key
from bot.store import StoreError, StoreProblem, verify_all
from tests.flows.desk import LEADS, Desk, quick_tuning
from tests.test_http_server import answer_to

CHUNKED = b"POST /slack/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"


async def until_missing(desk: Desk, *missing: str) -> None:
    """Wait until exactly this is missing."""
    async with asyncio.timeout(10):
        while (await desk.get("/readyz"))[1]["missing"] != [*missing]:  # noqa: ASYNC110 -- it is what is tested
            await asyncio.sleep(0.001)


async def until_noted(desk: Desk, *notes: str) -> None:
    """Wait until exactly this is noted."""
    async with asyncio.timeout(10):
        while (await desk.get("/readyz"))[1]["notes"] != [*notes]:  # noqa: ASYNC110 -- it is what is tested
            await asyncio.sleep(0.001)


async def test_a_question_costs_no_work_of_the_database(quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often somebody asks, the bot looks at its own pace."""
    bot = await quiet_desk.start_bot(quick_tuning(store_check=3600.0))
    await until_missing(quiet_desk)

    def fail(*_: object) -> None:
        pytest.fail("a question reached the database")

    for name in ("probe", "read", "transaction"):
        monkeypatch.setattr(bot.store, name, fail)
    for _ in range(20):
        assert (await quiet_desk.get("/readyz"))[0] == 200
    monkeypatch.undo()


async def test_a_database_that_hangs_is_not_ready(quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes at once, and says so until the database answers again."""
    monkeypatch.setattr("bot.watch.STORE_WITHIN", 0.05)
    bot = await quiet_desk.start_bot()
    probe, back = bot.store.probe, asyncio.Event()

    async def hang() -> None:
        await back.wait()
        await probe()

    monkeypatch.setattr(bot.store, "probe", hang)
    await until_missing(quiet_desk, "the database does not answer")
    back.set()
    await until_missing(quiet_desk)


async def test_a_database_that_fails_is_not_ready(quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator reads why, and it ends by itself."""
    bot = await quiet_desk.start_bot()

    async def fail() -> None:
        raise StoreError(StoreProblem.DISK_FULL, quiet_desk.database, "database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(bot.store, "probe", fail)
        while not any("full" in each for each in (await quiet_desk.get("/readyz"))[1]["missing"]):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    await until_missing(quiet_desk)


async def test_a_file_that_is_opened_to_others_is_closed_again(quiet_desk: Desk) -> None:
    """The bot takes the rights back as it does at a start, and the log says that there were some."""
    await quiet_desk.start_bot()
    with structlog.testing.capture_logs() as logs:
        quiet_desk.database.chmod(0o644)
        async with asyncio.timeout(10):
            while stat.S_IMODE(quiet_desk.database.stat().st_mode) != 0o600:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            while not logs:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    assert [line["event"] for line in logs] == ["file_closed_to_others"]


async def test_a_file_that_stays_open_to_others_is_told(quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """`/readyz` says so for as long as it lasts, and the log once."""
    await quiet_desk.start_bot()

    def fail(*_: object, **__: object) -> None:
        raise PermissionError

    with structlog.testing.capture_logs() as logs:
        with monkeypatch.context() as patched:
            patched.setattr(Path, "chmod", fail)
            os.chmod(quiet_desk.database, 0o644)  # noqa: PTH101 -- Path's own is the one that fails
            await until_noted(quiet_desk, health.FILE_READABLE)
        await until_noted(quiet_desk)
    assert [line["event"] for line in logs] == ["file_readable_by_others", "file_closed_to_others"]


@pytest.mark.parametrize("statement", ["UPDATE seals SET note = ''", "DELETE FROM seals"])
async def test_a_seal_that_somebody_changed_stops_the_bot_from_adding_to_the_record(
    quiet_desk: Desk, statement: str
) -> None:
    """It would sign what somebody else has written. People read that the database was changed, and `/readyz` why."""
    desk, key = quiet_desk, new_key()
    await desk.start_bot(RECORD_KEY=key.text)
    card = await desk.ask("ord_1")
    await desk.running_bot.worker.until_idle()
    assert verify_all(desk.place, keys=[key.public]).sealed_by == key.public.short
    with closing(sqlite3.connect(desk.database)) as connection, connection:
        connection.execute(statement)
    with desk.unacknowledged():
        await desk.ben.click(card, "approve")
    changed = "somebody else has changed my record"
    await desk.wait(lambda: any(changed in desk.ben.reads(each) for each in desk.answers(desk.ben)))
    async with asyncio.timeout(10):
        while (await desk.get("/readyz"))[0] == 200:  # noqa: ASYNC110 -- it is what is tested
            await asyncio.sleep(0.001)
    assert "the seal of the record is not as the bot made it" in str(await desk.get("/readyz"))
    assert desk.gateway.calls == []


async def test_idle_connections_are_closed(quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that connects and says nothing does not stay."""
    monkeypatch.setattr("bot.http_server.KEEP_ALIVE", 0.05)
    bot = await quiet_desk.start_bot()
    assert set(await asyncio.gather(*(answer_to(bot.port, b"") for _ in range(50)))) == {b""}


@pytest.mark.parametrize("signed", [True, False])
async def test_a_body_that_breaks_off_is_one_line_at_most(
    quiet_desk: Desk, signed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """In HTTP mode, a body that nobody can read is refused; the log has no traceback and nothing of it."""
    bot = await quiet_desk.start_bot(**quiet_desk.by_http)
    headers = quiet_desk.slack.signed(b"x") if signed else {}
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items() if name != "Content-Type")
    with structlog.testing.capture_logs() as logs:
        reader, writer = await asyncio.open_connection("127.0.0.1", bot.port)
        writer.write(CHUNKED + lines + b"\r\n1\r\nx\r\n")
        await quiet_desk.get("/healthz")  # by then the bot waits for the rest
        writer.write(b"hunter2\r\n")
        async with asyncio.timeout(10):
            assert re.match(rb"HTTP/1\.[01] 4", await reader.read())  # 1.0 if nothing but a broken body was read
        writer.close()
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert len(logs) <= 1
    assert "hunter2" not in str(logs)


async def test_a_client_that_goes_away_is_no_line(quiet_desk: Desk) -> None:
    """Connections break all the time."""
    bot = await quiet_desk.start_bot(**quiet_desk.by_http)
    with structlog.testing.capture_logs() as logs:
        _, writer = await asyncio.open_connection("127.0.0.1", bot.port)
        writer.write(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        await writer.drain()
        await quiet_desk.get("/healthz")
        writer.transport.abort()
        await quiet_desk.get("/healthz")
    assert logs == []


async def test_a_gateway_that_rejects_the_credentials_is_noted_until_a_call_gets_through(quiet_desk: Desk) -> None:
    """Nothing is cancelled until an operator acts, and a monitor learns of it without the log."""
    await quiet_desk.start_bot(DVPAY_API_KEY="wrong-key")
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "[ Retry ]")
    async with asyncio.timeout(10):
        while not (notes := (await quiet_desk.get("/readyz"))[1]["notes"]):  # noqa: ASYNC110 -- it is what is tested
            await asyncio.sleep(0.001)
    assert "the gateway rejected the bot's credentials: check DVPAY_API_KEY and DVPAY_APP_ID" in notes[0]
    await quiet_desk.stop_bot()
    await quiet_desk.start_bot()
    await quiet_desk.ben.click(card, "retry")
    await quiet_desk.card_says(card, "✅ Cancelled")
    await until_noted(quiet_desk)


async def test_a_user_group_that_is_gone_is_noted_and_named_to_people(quiet_desk: Desk) -> None:
    """Nobody is told to try again in a minute where that never works."""
    del quiet_desk.slack.space.groups[LEADS]
    await quiet_desk.start_bot(APPROVERS=LEADS)
    await until_noted(
        quiet_desk,
        f"Slack does not let the user group {LEADS} be read (no_such_subteam): nobody can act by it; run doctor",
    )
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.cleo.click(card, "approve")
    told = await quiet_desk.told(quiet_desk.cleo)
    assert (
        told
        == f"Slack does not let me read the user group {LEADS} any more. Nothing has changed. Tell the bot's operator."
    )
