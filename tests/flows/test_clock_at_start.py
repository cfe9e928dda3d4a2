"""A start on a wrong clock: nothing expires and no age decides until another clock has confirmed the bot's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog

from bot import health
from bot.app import Bot
from bot.clock import GRACE
from bot.domain.cancellation import State
from bot.domain.policy import Members, Verdict
from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import broken
from bot.sandbox.gateway import LocalGateway
from bot.sandbox.workspace import Posted
from bot.settings import load_network
from bot.tuning import Tuning
from bot.workflow import Patience
from tests.flows.desk import ANN, BEN, Desk, quick_tuning
from tests.flows.test_clock_steps import until
from tests.tls import Authority, tls_in_front

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CENTURY = 27000 * DAY
SINCE_1970 = datetime(2026, 11, 23, 9, 0, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)


class Machine:
    """A machine whose clock is wrong by ``wrong``; the clocks of Slack and of the gateway are right."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.wrong = timedelta(0)

    def right(self) -> datetime:
        """Return the right time."""
        return datetime(2026, 11, 23, 9, 0, tzinfo=UTC) + timedelta(seconds=self.passed)

    def now(self) -> datetime:
        """Return the time by the machine's clock."""
        return self.right() + self.wrong

    def tuning(self, **changes: Any) -> Tuning:
        """Return the tuning of a bot on this machine; it looks at its clock all the time."""
        return quick_tuning(
            now=self.now, monotonic=lambda: self.passed, clock_check=0.001, patience=Patience(), **changes
        )

    async def set_right(self) -> None:
        """Set the clock, and let the bot follow that."""
        with structlog.testing.capture_logs() as logs:
            self.wrong = timedelta(0)
            await until(lambda: any(line["event"] == "clock_stepped" for line in logs))
            self.passed += GRACE + 1
            await until(lambda: {"clock_followed", "expiry_resumed"} <= {line["event"] for line in logs})


@pytest.fixture
def machine() -> Machine:
    """Return a machine whose clock is right at first."""
    return Machine()


@pytest.fixture
async def desk(database: Path, machine: Machine) -> AsyncIterator[Desk]:
    """Yield a desk whose bot is not started yet."""
    async with Desk(database, now=machine.right) as desk:
        yield desk


async def start(desk: Desk, machine: Machine, **changes: str) -> Bot:
    """Start a bot whose requests wait for two hours."""
    return await desk.start_bot(machine.tuning(), APPROVAL_TTL="2h", **changes)


async def expires(desk: Desk) -> None:
    """Wait until the request has expired."""
    async with asyncio.timeout(10):
        while await desk.state() is not State.EXPIRED:  # noqa: ASYNC110 -- the database is what is tested
            await asyncio.sleep(0.001)


async def asked_before(desk: Desk, machine: Machine) -> Posted:
    """Return the card of a request that was made half an hour ago, by a run that has ended."""
    bot = await start(desk, machine)
    card = await desk.ask()
    await bot.worker.until_idle()
    await desk.stop_bot()
    machine.passed += 1800
    return card


@pytest.mark.parametrize("wrong", [3 * HOUR, CENTURY])
async def test_a_start_on_a_clock_that_is_ahead_expires_nothing(desk: Desk, machine: Machine, wrong: timedelta) -> None:
    """The request waits until the clock is set; it is told, and the card can be approved then."""
    card = await asked_before(desk, machine)
    machine.wrong = wrong
    with structlog.testing.capture_logs() as logs:
        bot = await start(desk, machine)
        await bot.worker.until_idle()
        assert await desk.state() is State.PENDING
        await desk.ben.click(card, "approve")
        assert "since my start my clock has not been checked, or it is wrong" in await desk.told(desk.ben)
        assert await desk.refusal() == (BEN, "ord_1", Verdict.TIME_UNCHECKED)
        assert health.CLOCK_UNCONFIRMED in (await desk.get("/readyz"))[1]["notes"]
        assert await desk.fill_in("ord_1") is not None  # it is in the way of another request, as before
        assert [line["event"] for line in logs].count("expiry_paused") == 1
    await machine.set_right()
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    assert health.CLOCK_UNCONFIRMED not in (await desk.get("/readyz"))[1]["notes"]


async def test_what_is_overdue_expires_when_the_clock_is_set(desk: Desk, machine: Machine) -> None:
    """The request keeps its own time: by the right clock it expires two hours after it was made."""
    await asked_before(desk, machine)
    machine.wrong = 3 * HOUR
    bot = await start(desk, machine)
    await machine.set_right()
    machine.passed += 5300  # an hour, 59 minutes and 21 seconds
    await bot.worker.until_idle()
    assert await desk.state() is State.PENDING
    machine.passed += 40
    await bot.worker.until_idle()
    assert await desk.state() is State.EXPIRED


@pytest.mark.parametrize("wrong", [-100 * MINUTE, -60 * DAY, 3 * HOUR])
async def test_nobody_asks_while_the_clock_is_known_to_be_wrong(desk: Desk, machine: Machine, wrong: timedelta) -> None:
    """The request would be escalated, expire and lose its words at wrong times, and the gateway takes no such call."""
    machine.wrong = wrong
    await start(desk, machine)
    await until(lambda: bool(desk.running_bot.readiness().notes))
    errors = await desk.fill_in("ord_1", "typed twice")
    assert "My machine's clock is wrong" in str(errors)
    assert await desk.refusal() == (ANN, "", Verdict.CLOCK_WRONG)
    await machine.set_right()
    assert (await desk.ask("ord_1")).button("approve")


async def test_a_request_of_this_run_moves_with_the_clock(desk: Desk, machine: Machine) -> None:
    """It was made by the wrong clock, so it keeps the time that is left when that is set, and no more."""
    machine.wrong = 4 * MINUTE
    bot = await start(desk, machine)
    card = await desk.ask()
    await machine.set_right()
    await bot.worker.until_idle()
    assert await desk.state() is State.PENDING
    await desk.card_says(card, "Expires")
    machine.passed += 7200
    await bot.worker.until_idle()
    assert await desk.state() is State.EXPIRED


@pytest.mark.parametrize("behind", [10 * MINUTE, SINCE_1970])
async def test_a_start_on_a_clock_that_is_behind_approves_nothing_that_is_over(
    desk: Desk, machine: Machine, behind: timedelta
) -> None:
    """By the machine's clock there would be time left, but Slack's clock says that it may be over."""
    card = await asked_before(desk, machine)
    machine.passed += 5401  # two hours and one second after the request
    machine.wrong = -behind
    bot = await start(desk, machine)
    await desk.ben.click(card, "approve")
    assert await desk.told(desk.ben)
    assert await desk.refusal() == (BEN, "ord_1", Verdict.TIME_UNCHECKED)
    assert await desk.state() is State.PENDING
    await machine.set_right()
    await bot.worker.until_idle()
    assert await desk.state() is State.EXPIRED


async def test_a_clock_of_the_right_time_is_confirmed_by_the_first_answer_of_slack(
    desk: Desk, machine: Machine
) -> None:
    """The question whose token it is comes at each start anyway; what is overdue expires as ever."""
    await asked_before(desk, machine)
    machine.passed += 5401
    with structlog.testing.capture_logs() as logs:
        bot = await start(desk, machine)
        await bot.worker.until_idle()
    assert await desk.state() is State.EXPIRED
    assert not {"expiry_paused", "expiry_resumed"} & {line["event"] for line in logs}
    assert (await desk.get("/readyz"))[1]["notes"] == []
    assert [call.method for call in desk.slack.calls].count("auth.test") == 2  # one for each start


@pytest.mark.parametrize("by_http", [False, True])
async def test_without_slack_the_gateway_confirms_the_clock(
    desk: Desk, machine: Machine, authority: Authority, by_http: bool
) -> None:
    """Slack is away at the start, in both modes; the gateway confirms a right clock, and nobody a wrong one."""
    await asked_before(desk, machine)
    desk.slack.faults.always("auth.test", broken(503))
    network = load_network({"SSL_CERT_FILE": str(authority.file)})
    async with tls_in_front(urlsplit(desk.gateway.base_url).port or 0, authority.context("127.0.0.1")) as port:
        changes = desk.by_http if by_http else {}
        changes |= {"DVPAY_BASE_URL": f"https://127.0.0.1:{port}"}
        machine.wrong = 3 * HOUR
        with structlog.testing.capture_logs() as logs:
            bot = await desk.launch_bot(machine.tuning(), network, APPROVAL_TTL="2h", **changes)
            await until(lambda: any(line["event"] == "expiry_paused" for line in logs))
            await bot.worker.until_idle()
            assert await desk.state() is State.PENDING
        await desk.stop_bot()
        machine.wrong, machine.passed = timedelta(0), machine.passed + 5401
        await desk.launch_bot(machine.tuning(), network, APPROVAL_TTL="2h", **changes)
        await expires(desk)


async def test_what_answers_on_this_machine_in_the_gateways_place_confirms_nothing(
    desk: Desk, machine: Machine
) -> None:
    """A box has this machine's clock, and an address without TLS is one of this machine."""
    await asked_before(desk, machine)
    desk.slack.faults.always("auth.test", broken(503))
    machine.wrong = 3 * HOUR
    named: list[datetime] = []

    def now() -> datetime:
        named.append(machine.now())
        return named[-1]

    async with LocalGateway(now=now) as box:
        bot = await desk.launch_bot(machine.tuning(gateway_check=0.001), APPROVAL_TTL="2h", DVPAY_BASE_URL=box.base_url)
        await until(lambda: len(named) > 1)
        await bot.worker.until_idle()
        assert await desk.state() is State.PENDING
        assert health.CLOCK_UNCONFIRMED in (await desk.get("/readyz"))[1]["notes"]


async def test_nothing_expires_while_nobody_can_be_asked(desk: Desk, machine: Machine) -> None:
    """Slack and the gateway are away: `/readyz` says what waits for them."""
    await asked_before(desk, machine)
    desk.slack.faults.always("auth.test", broken(503))
    machine.passed += 5401
    bot = await desk.launch_bot(machine.tuning(), APPROVAL_TTL="2h", DVPAY_BASE_URL="http://127.0.0.1:1")
    async with asyncio.timeout(10):
        while not any("the gateway cannot" in each for each in (await desk.get("/readyz"))[1]["notes"]):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    await bot.worker.until_idle()
    assert await desk.state() is State.PENDING
    assert health.CLOCK_UNCONFIRMED in (await desk.get("/readyz"))[1]["notes"]
    desk.slack.faults.clear()
    await expires(desk)


async def test_no_retry_is_judged_by_a_wrong_clock(desk: Desk, machine: Machine) -> None:
    """Neither "too old" nor a call to the gateway: the person reads that the time could not be checked."""
    bot = await start(desk, machine)
    desk.gateway.faults.add("ord_1", answers.error(401, "INVALID_API_KEY", "bad key"))
    card = await desk.ask()
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "Retry")
    await bot.worker.until_idle()
    await desk.stop_bot()
    machine.wrong = 3 * HOUR
    await start(desk, machine)
    await desk.ben.click(card, "retry")
    assert await desk.told(desk.ben)
    assert await desk.refusal() == (BEN, "ord_1", Verdict.TIME_UNCHECKED)
    await machine.set_right()
    await desk.ben.click(card, "retry")
    await desk.card_says(card, "✅ Cancelled")


async def test_people_can_still_say_no_on_a_wrong_clock(desk: Desk, machine: Machine) -> None:
    """A withdrawal leads to no call, whatever the time is."""
    card = await asked_before(desk, machine)
    machine.wrong = 3 * HOUR
    await start(desk, machine)
    await desk.ann.click(card, "withdraw")
    await desk.card_says(card, "Withdrawn")


async def test_a_lowered_quorum_approves_nothing_that_may_be_over(desk: Desk, machine: Machine) -> None:
    """The count of the votes after a start waits for the clock too."""
    bot = await start(desk, machine, APPROVALS_REQUIRED="2")
    card = await desk.ask()
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "1 of 2")
    await bot.worker.until_idle()
    await desk.stop_bot()
    machine.wrong = 3 * HOUR
    bot = await start(desk, machine)
    await bot.workflow.recount(Members(frozenset({BEN})))
    await bot.worker.until_idle()
    assert await desk.state() is State.PENDING
    assert desk.gateway.calls == []


async def test_the_traces_of_a_run_on_a_wrong_clock_are_not_told_for_ever(desk: Desk, machine: Machine) -> None:
    """A run in the year 2100 has left its time on record; Slack's clock says that today's is right."""
    machine.wrong = CENTURY
    await start(desk, machine)
    await desk.stop_bot()
    machine.wrong = timedelta(0)
    await start(desk, machine)
    async with asyncio.timeout(10):
        while (await desk.get("/readyz"))[1]["notes"]:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
