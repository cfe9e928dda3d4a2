"""Slack's requests over HTTP: refused before anything in them is looked at."""

import asyncio
import gc
import io
import logging
import weakref
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from slack_bolt.async_app import AsyncApp

from bot.clock import Clock as BotClock
from bot.in_flight import InFlight
from bot.sandbox.faults import Hang
from bot.sandbox.slack import LocalSlack
from bot.slack.http import SlackEndpoint
from bot.standstill import Standstill
from bot.tuning import utc_now
from tests.clock import Clock
from tests.flows.desk import PAYMENTS, Desk, quick_tuning
from tests.flows.stopping import stopping

BODY = b"payload=%7B%22secret-word%22%3A1%7D"
HALF_A_REQUEST = b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"


@pytest.fixture
async def desk(quiet_desk: Desk) -> Desk:
    """Return a desk with a bot in HTTP mode."""
    await quiet_desk.start_bot(**quiet_desk.by_http)
    return quiet_desk


async def post(desk: Desk, headers: dict[str, str], body: bytes = BODY) -> int:
    """Return the status of the answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(str(desk.slack.events_url), data=io.BytesIO(body), headers=headers) as answer,
    ):
        return answer.status


def endpoint_of(
    clock: BotClock,
    in_flight: InFlight,
    is_open: Callable[[], bool],
    *,
    body_within: float = 0.05,
    standstill: Standstill | None = None,
    slack_now: Callable[[], datetime | None] = lambda: None,
    ask_slack: Callable[[], None] = lambda: None,
) -> SlackEndpoint:
    """Return an endpoint with the local Slack's secret."""
    app = AsyncApp(token="xoxb-local", signing_secret="local-secret")
    return SlackEndpoint(
        app,
        SecretStr("local-secret"),
        clock,
        in_flight,
        is_open=is_open,
        standstill=standstill,
        slack_now=slack_now,
        ask_slack=ask_slack,
        body_within=body_within,
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"X-Slack-Signature": "v0=" + "0" * 64}, id="wrong"),
        pytest.param({"X-Slack-Signature": ""}, id="empty"),
        pytest.param({"X-Slack-Signature": "v0=\u00e9"}, id="not ASCII"),
        pytest.param({"X-Slack-Request-Timestamp": "soon"}, id="no number"),
        pytest.param({"X-Slack-Request-Timestamp": "9" * 400}, id="huge number"),
        pytest.param({"X-Slack-Request-Timestamp": ""}, id="no time"),
    ],
)
async def test_unsigned_requests_are_refused(
    desk: Desk, change: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Without a valid signature the answer is 401, and nothing of the body is logged."""
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        assert await post(desk, desk.slack.signed(BODY) | change) == 401
    assert "secret-word" not in caplog.text + str(logs)


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_stale_signatures_are_refused(desk: Desk, minutes: int) -> None:
    """A signature is good for five minutes; the log says that it is a matter of the clock."""
    with structlog.testing.capture_logs() as logs:
        assert await post(desk, desk.slack.signed(BODY, at=utc_now() + timedelta(minutes=minutes))) == 401
    assert [(line["event"], line["why"]) for line in logs] == [("request_refused", "clock")]


@pytest.mark.parametrize("jump", [timedelta(days=2), timedelta(hours=-1)])
async def test_a_clock_that_jumps_refuses_nobody(clock: Clock, jump: timedelta) -> None:
    """While nobody knows whether the jump stands, a click of the time before or after it is taken."""
    jumped = Clock(clock.at)
    endpoint = endpoint_of(BotClock(jumped, lambda: 0.0), InFlight(), lambda: True)
    jumped.at += jump
    for at in (clock.at, jumped.at):
        headers = LocalSlack(now=clock).signed(BODY, at=at)
        assert (await endpoint.handle(cast("web.Request", Signed(headers)))).status == 400  # the body is no payload
    headers = LocalSlack(now=clock).signed(BODY, at=clock.at + timedelta(minutes=10))
    assert (await endpoint.handle(cast("web.Request", Signed(headers)))).status == 401


async def test_a_wrong_signature_is_no_matter_of_the_clock(desk: Desk) -> None:
    """The time that somebody else wrote says nothing."""
    headers = desk.slack.signed(BODY, at=utc_now() - timedelta(days=1))
    with structlog.testing.capture_logs() as logs:
        assert await post(desk, headers | {"X-Slack-Signature": "v0=" + "0" * 64}) == 401
    assert [(line["event"], line["why"]) for line in logs] == [("request_refused", "bad_signature")]


async def test_a_replayed_request_is_refused(desk: Desk) -> None:
    """The same signed request is taken once."""
    headers = desk.slack.signed(BODY)
    assert await post(desk, headers) == 400
    assert await post(desk, headers) == 401


@pytest.mark.parametrize("step", [timedelta(0), timedelta(hours=-1)])
async def test_what_was_signed_before_the_start_is_refused(clock: Clock, step: timedelta) -> None:
    """The process before may have seen it; a clock that is set back after the start refuses nobody for that."""
    started = Clock(clock.at - step)  # the machine's clock is wrong at the start, if it is set back later
    passed = 0.0
    endpoint = endpoint_of(BotClock(started, lambda: passed), InFlight(), lambda: True)
    passed = 100.0
    await endpoint.begin(web.Application())
    started.at, passed = clock.at + timedelta(seconds=10), 110.0

    async def answered(seconds: float) -> int:
        headers = LocalSlack(now=clock).signed(BODY, at=clock.at + timedelta(seconds=seconds))
        return (await endpoint.handle(cast("web.Request", Signed(headers)))).status

    assert [await answered(seconds) for seconds in (-60, -2)] == [401, 401]
    assert [await answered(seconds) for seconds in (0, 5, 10)] == [400, 400, 400]  # the body is no payload


async def test_what_was_sent_while_the_process_stood_still_is_refused(clock: Clock) -> None:
    """Its person has read Slack's error, and may have done the same or the opposite through another bot since."""
    passed = 0.0
    still = Standstill(lambda: passed)
    endpoint = endpoint_of(BotClock(clock, lambda: 1000 + passed), InFlight(), lambda: True, standstill=still)
    await endpoint.begin(web.Application())

    async def answered(seconds: float) -> int:
        headers = LocalSlack(now=clock).signed(BODY, at=clock.at + timedelta(seconds=seconds))
        return (await endpoint.handle(cast("web.Request", Signed(headers)))).status

    for _ in range(10):
        clock.advance(seconds=2)
        passed += 2
        still.look()
    for moved in (2, 20):
        clock.advance(seconds=moved)
        passed += moved
        assert [await answered(seconds) for seconds in (-5, -2)] == ([400, 400] if moved == 2 else [401, 401])
        assert await answered(0) == 400  # the body is no payload


@pytest.mark.parametrize("wrong", [timedelta(0), timedelta(minutes=-2), timedelta(minutes=2)])
async def test_what_was_on_its_way_for_too_long_is_refused(clock: Clock, wrong: timedelta) -> None:
    """Slack's own clock tells how old it is, whatever this machine's shows; whoever did it has read Slack's error."""
    passed = 0.0
    machine = Clock(clock.at + wrong)
    endpoint = endpoint_of(BotClock(machine, lambda: passed), InFlight(), lambda: True, slack_now=clock)
    passed = 1000.0

    async def answered(seconds: float) -> int:
        headers = LocalSlack(now=clock).signed(BODY, at=clock.at - timedelta(seconds=seconds))
        return (await endpoint.handle(cast("web.Request", Signed(headers)))).status

    assert await answered(6) == 401
    assert await answered(5) == 400  # the body is no payload


@pytest.mark.parametrize("seconds", [10, 60, 240])
async def test_what_waited_while_the_host_paused_the_machine_is_refused(clock: Clock, seconds: float) -> None:
    """All clocks of the machine stood still, Slack's time as it was carried on too; Slack is asked for it at once."""
    machine, passed, asked = Clock(clock.at), 1000.0, 0
    # Slack's time as it was last heard, carried on by this machine.
    heard, heard_at = clock.at, passed

    def ask() -> None:
        nonlocal asked
        asked += 1

    endpoint = endpoint_of(
        BotClock(machine, lambda: passed),
        InFlight(),
        lambda: True,
        standstill=Standstill(lambda: passed),
        slack_now=lambda: heard + timedelta(seconds=passed - heard_at),
        ask_slack=ask,
    )
    passed = 2000.0
    clock.advance(seconds=1000)
    machine.advance(seconds=1000)
    sent_early = LocalSlack(now=clock).signed(BODY, at=clock.at + timedelta(seconds=seconds - 6))
    sent_late = LocalSlack(now=clock).signed(BODY, at=clock.at + timedelta(seconds=seconds))

    async def answered(headers: dict[str, str]) -> int:
        return (await endpoint.handle(cast("web.Request", Signed(headers)))).status

    assert (await answered(sent_late), asked) == (401, 1)
    # Slack's time is heard again. The machine's own clock is still behind, and says nothing of the age of anything.
    clock.advance(seconds=seconds + 0.2)
    passed += 0.2
    heard, heard_at = clock.at, passed
    assert await answered(sent_early) == 401
    # Three seconds old, so it is of before the machine went on, and its person has read Slack's error.
    assert await answered(LocalSlack(now=clock).signed(BODY, at=clock.at - timedelta(seconds=3))) == 401
    assert await answered(LocalSlack(now=clock).signed(BODY)) == 400  # the body is no payload
    assert asked == 1


async def test_slack_is_asked_for_its_time_after_the_host_paused_the_machine(database: Path) -> None:
    """A click of that time is refused, and a later one is taken, though the machine's clock is still behind."""
    paused = timedelta(0)
    async with Desk(database, now=lambda: utc_now() + paused) as desk:
        await desk.start_bot(**desk.by_http)
        card = await desk.ask("ord_1")
        paused = timedelta(minutes=1)
        with desk.unacknowledged():
            await desk.ben.click(card, "approve")
        slack_now = desk.running_bot._other_clocks.now_of  # noqa: SLF001 -- nothing outside shows that it was heard
        async with asyncio.timeout(10):
            while slack_now("slack") < utc_now() + paused / 2:  # type: ignore[operator]  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "✅ Cancelled")


@pytest.mark.parametrize("seconds", [-60, 4, 20], ids=["from later", "sent before it went on", "too late"])
async def test_a_freeze_is_taken_at_any_age(database: Path, seconds: int) -> None:
    """A person who stops everything may have seen what came before; the end of a freeze is refused like all else."""
    async with Desk(database) as desk:
        await desk.start_bot(**desk.by_http)

        async def sent(text: str) -> int:
            body = urlencode(desk.ben.command_payload(text, PAYMENTS)).encode()
            if seconds == 4:
                desk.running_bot._standstill.went_on()  # noqa: SLF001 -- a standstill takes seconds
            return await post(desk, desk.slack.signed(body, at=utc_now() - timedelta(seconds=seconds)), body)

        card = await desk.ask("ord_1")
        assert await sent("/cancel-order ord_2") == 401
        assert await sent("/cancel-order freeze the wrong price list") == 200
        await desk.card_says(card, "Everything is frozen by @ben")
        assert await sent("/cancel-order unfreeze") == 401


async def test_a_clock_that_is_ahead_refuses_nobody_after_a_start(clock: Clock) -> None:
    """By it, what Slack sends now looks as if it were of the time before; Slack's own clock knows better."""
    endpoint = endpoint_of(
        BotClock(Clock(clock.at + timedelta(minutes=2)), lambda: 0.0), InFlight(), lambda: True, slack_now=clock
    )
    headers = LocalSlack(now=clock).signed(BODY, at=clock.at)
    assert (await endpoint.handle(cast("web.Request", Signed(headers)))).status == 400  # the body is no payload


async def test_an_unsigned_ssl_check_is_refused(desk: Desk) -> None:
    """Nothing is answered without a signature."""
    assert await post(desk, {}, b"ssl_check=1") == 401


async def test_a_huge_body_is_capped_before_it_is_read(desk: Desk) -> None:
    """More than a mebibyte is 413, whatever is in it."""
    body = b"x" * (1024 * 1024 + 1)
    assert await post(desk, desk.slack.signed(body), body) == 413


class Signature(str):
    """A text whose end can be noticed."""

    __slots__ = ("__weakref__",)


class Signed:
    """A request with a body and its headers, as far as the endpoint reads it."""

    remote = "127.0.0.1"
    content_length = len(BODY)

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    async def read(self) -> bytes:
        """Return the body."""
        return BODY


async def test_old_signatures_are_forgotten(clock: Clock) -> None:
    """The memory of signatures does not grow with time."""
    slack = LocalSlack(now=clock)
    endpoint = endpoint_of(BotClock(clock), InFlight(), lambda: True)
    kept: list[weakref.ref[Signature]] = []
    for _ in range(100):
        headers = slack.signed(BODY)
        signature = Signature(headers["X-Slack-Signature"])
        kept.append(weakref.ref(signature))
        headers["X-Slack-Signature"] = signature
        assert (await endpoint.handle(cast("web.Request", Signed(headers)))).status == 400
        del headers, signature
        clock.advance(seconds=1)
    gc.collect()
    assert all(signature() for signature in kept)
    clock.advance(minutes=11)
    await endpoint.handle(cast("web.Request", Signed(slack.signed(BODY))))
    gc.collect()
    assert not any(signature() for signature in kept)


async def test_nothing_is_taken_while_stopping(quiet_desk: Desk) -> None:
    """A request that comes during the stop gets the answer to come back later."""
    async with stopping(quiet_desk, **quiet_desk.by_http):
        assert await post(quiet_desk, quiet_desk.slack.signed(BODY)) == 503


async def test_nothing_is_taken_before_the_workspace_is_known(quiet_desk: Desk) -> None:
    """Until Slack says whose bot this is, a click may come back; it is not refused as a stranger's for ever."""
    confirmed = asyncio.Event()
    quiet_desk.slack.faults.always("auth.test", Hang(confirmed))
    bot = await quiet_desk.launch_bot(**quiet_desk.by_http)
    assert await post(quiet_desk, quiet_desk.slack.signed(BODY)) == 503
    confirmed.set()
    async with asyncio.timeout(10):
        await bot.connection.ready.wait()
    assert await post(quiet_desk, quiet_desk.slack.signed(BODY)) == 400


async def test_half_a_request_holds_nothing_up(clock: Clock) -> None:
    """Anybody may begin a request and never end it: background work does not wait for it, and it is soon dropped."""
    in_flight, arrived = InFlight(), asyncio.Event()

    def is_open() -> bool:
        arrived.set()
        return True

    application = web.Application()
    application.router.add_post("/slack/events", endpoint_of(BotClock(clock), in_flight, is_open).handle)
    async with TestServer(application) as server, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(HALF_A_REQUEST)
        await arrived.wait()
        assert in_flight.count == 0
        await in_flight.idle(60)
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()
        await writer.wait_closed()


async def test_large_bodies_that_never_end_are_not_all_held(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few of them are read, and the rest stays on the wire; a click that comes meanwhile is answered."""
    begun, reading = 0, 0
    enough = asyncio.Event()
    read = web.Request.read

    def is_open() -> bool:
        nonlocal begun
        begun += 1
        return True

    async def counted(self: web.Request) -> bytes:
        nonlocal reading
        reading += 1
        if reading == 16:
            enough.set()
        return await read(self)

    monkeypatch.setattr(web.Request, "read", counted)
    application = web.Application(client_max_size=1024 * 1024)
    endpoint = endpoint_of(BotClock(clock), InFlight(), is_open, body_within=60)
    application.router.add_post("/slack/events", endpoint.handle)
    length = b"Transfer-Encoding: chunked\r\n\r\n", b"Content-Length: 100000\r\n\r\n"
    async with TestServer(application) as server, asyncio.timeout(30):
        writers = []
        for number in range(40):
            _, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(b"POST /slack/events HTTP/1.1\r\nHost: x\r\n" + length[number % 2])
            writers.append(writer)
        await enough.wait()
        while begun < 40:  # noqa: ASYNC110 -- until the others have come as well
            await asyncio.sleep(0)
        assert reading == 16
        async with aiohttp.ClientSession() as session:
            address, headers = server.make_url("/slack/events"), LocalSlack(now=clock).signed(BODY)
            async with session.post(address, data=BODY, headers=headers) as answer:
                assert answer.status == 400  # read, signed, and no payload of Slack's
        for writer in writers:
            writer.close()


async def test_half_a_request_does_not_hold_up_the_stop(quiet_desk: Desk) -> None:
    """The stop waits no longer than Slack would."""
    bot = await quiet_desk.start_bot(quick_tuning(answered_within=0.05), **quiet_desk.by_http)
    _, writer = await asyncio.open_connection("127.0.0.1", bot.port)
    writer.write(HALF_A_REQUEST)
    await writer.drain()
    await quiet_desk.get("/healthz")  # by then the bot has the other one too
    async with asyncio.timeout(2):
        await quiet_desk.stop_bot()
    writer.close()
