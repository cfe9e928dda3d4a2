"""Steps of the machine's clock: nothing stands still, and nothing expires by a jump that was undone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot import health
from bot.app import Bot
from bot.clock import GRACE
from bot.domain.cancellation import State
from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import Canned, broken
from bot.store import Store, StoreError, StoreProblem, Tables
from bot.store.postgres import Postgres
from bot.tuning import Tuning
from bot.workflow import Patience, Workflow
from tests.clock import Clock
from tests.flows.desk import CLEO, Desk, quick_tuning
from tests.postgres import Cluster

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def until(look: Callable[[], bool]) -> None:
    """Wait until this is so; the bot looks at the clock every millisecond."""
    async with asyncio.timeout(10):
        while not look():  # noqa: ASYNC110 -- nothing else tells
            await asyncio.sleep(0.001)


class Machine:
    """A machine whose clock can be set while time passes."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.wrong = timedelta(0)
        self.bot: Bot | None = None
        self.desk: Desk | None = None
        self._deaf = False

    def now(self) -> datetime:
        """Return the time by the machine's clock."""
        return datetime(2026, 11, 23, 9, 0, tzinfo=UTC) + timedelta(seconds=self.passed) + self.wrong

    def right(self) -> datetime:
        """Return the right time."""
        return self.now() - self.wrong

    def others(self) -> datetime:
        """Return the time by the clocks of Slack and of the gateway: it is the bot that has the right time."""
        return self.bot.clock.now() if self.bot else self.now()

    def tuning(self) -> Tuning:
        """Return the tuning of a bot on this machine; it looks at the clock all the time."""
        return quick_tuning(
            now=self.now, monotonic=lambda: self.passed, clock_check=0.001, token_check=0.01, patience=Patience()
        )

    async def step(self, by: timedelta) -> None:
        """Set the clock, and let the bot notice it."""
        self.hear()
        with structlog.testing.capture_logs() as logs:
            self.wrong += by
            await until(lambda: "clock_stepped" in [line["event"] for line in logs])

    async def stand(self, *, confirmed: bool = True) -> None:
        """Let the step stand until the bot has followed it, and Slack's clock has confirmed it if it does that."""
        with structlog.testing.capture_logs() as logs:
            self.passed += GRACE + 1
            await until(lambda: "clock_followed" in [line["event"] for line in logs])
        if confirmed:
            await self.until_confirmed()
            await self._hear_nothing_more()

    def hear(self) -> None:
        """Let the bot hear Slack's clock again."""
        if self._deaf and self.desk is not None:
            self._deaf = False
            self.desk.slack.faults.clear()

    async def _hear_nothing_more(self) -> None:
        """Let the bot hear no clock until the next step: an answer on its way has the time of before a test's jump."""
        assert self.desk is not None
        calls = self.desk.slack.calls

        def heard() -> int:
            return sum(call.method == "auth.test" for call in calls)

        self.desk.slack.faults.always("auth.test", broken(503))
        self._deaf, before = True, heard()
        await until(lambda: heard() > before)
        await self.until_confirmed()

    async def until_confirmed(self) -> None:
        """Wait until another clock has confirmed the bot's."""
        assert self.bot is not None
        bot = self.bot
        await until(lambda: health.CLOCK_UNCONFIRMED not in bot.readiness().notes)


@pytest.fixture
def machine() -> Machine:
    """Return a machine with a good clock."""
    return Machine()


WAITING = {"APPROVAL_TTL": "2h", "REMIND_AFTER": "70m,80m", "ESCALATE_AFTER": "90m", "ESCALATE_TO": CLEO}
"""Settings by which something comes for a request long before its end, and not before the first hour is over."""


@pytest.fixture
async def desk(database: Path, machine: Machine) -> AsyncIterator[Desk]:
    """Yield a desk with a bot on that machine."""
    async with Desk(database, now=machine.others) as desk:
        machine.desk = desk
        machine.bot = await desk.start_bot(machine.tuning(), **WAITING)
        yield desk


async def due(desk: Desk, table: str) -> list[datetime]:
    """Return when all requests and their orders are due, or all deliveries."""
    sql = "SELECT due_at FROM deliveries WHERE status = 'queued'"
    if table == "requests":
        sql = " UNION ALL ".join(
            f"SELECT due_at FROM {each} WHERE due_at > ''" for each in ("requests", "cancellations")
        )
    rows = await desk.running_bot.store.read(lambda tables: tables.connection.execute(sql))
    return [datetime.fromisoformat(at) for (at,) in rows]


async def timers(desk: Desk) -> list[timedelta]:
    """Return the times that are left until the one pending request is due, and until each of its timers."""
    sql = "SELECT due_at, remind_at, escalate_at, expires_at FROM requests"
    ((*times,),) = await desk.running_bot.store.read(lambda tables: tables.connection.execute(sql))
    return [datetime.fromisoformat(at) - desk.running_bot.clock.now() for at in times]


async def until_due(desk: Desk, at: datetime) -> None:
    """Wait until the one request is due then."""
    async with asyncio.timeout(10):
        while await due(desk, "requests") != [at]:  # noqa: ASYNC110 -- the database is what is tested
            await asyncio.sleep(0.001)


async def test_two_days_forward_for_two_seconds_expire_nothing(desk: Desk, machine: Machine) -> None:
    """The request is still there, and can be approved."""
    card = await desk.ask("ord_1")
    await machine.step(2 * DAY)
    await desk.running_bot.worker.until_idle()
    machine.passed += 2
    machine.wrong -= 2 * DAY
    await desk.running_bot.worker.until_idle()
    assert await desk.state() is State.PENDING
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")


@pytest.mark.parametrize("stands", [False, True])
@pytest.mark.parametrize("step", [-HOUR, HOUR])
async def test_what_is_repeated_waits_as_long_as_before(
    desk: Desk, machine: Machine, step: timedelta, stands: bool
) -> None:
    """A call that is due again in some time is due again in that time, before and after the bot follows the step.

    It never leaves while the bot follows: the gateway here has the bot's time, and would see it jump under the call.
    """
    pause = 2 * GRACE if stands else GRACE / 2
    desk.gateway.faults.add("ord_1", Canned(503, b"{}", headers={"Retry-After": f"{pause:.0f}"}))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.gateway.wait_for(lambda: desk.gateway.calls)
    await desk.card_says(card, "attempt")
    await machine.step(step)
    if stands:
        await machine.stand()
    await desk.running_bot.worker.until_idle()
    assert len(desk.gateway.calls) == 1
    machine.passed += pause + 1
    await desk.running_bot.worker.until_idle()
    assert await desk.state() is State.CANCELLED


@pytest.mark.parametrize("step", [-HOUR, 2 * DAY])
async def test_a_pending_request_keeps_the_time_that_is_left(desk: Desk, machine: Machine, step: timedelta) -> None:
    """After a step that stands, the request expires two hours after it was made, and its card shows the new time."""
    await desk.ask("ord_1")
    machine.passed += 3600
    before = len([call for call in desk.slack.calls if call.method == "chat.update"])
    await machine.step(step)
    await machine.stand()
    *_, expires = await timers(desk)
    assert timedelta(minutes=58) < expires < HOUR
    await desk.running_bot.worker.until_idle()
    assert len([call for call in desk.slack.calls if call.method == "chat.update"]) > before
    machine.passed += 3600
    await desk.running_bot.worker.until_idle()
    assert await desk.state() is State.EXPIRED


@pytest.mark.parametrize(
    "answer", [answers.error(401, "INVALID_API_KEY", "bad key"), answers.error(400, "NO_SUCH_RULE", "no")]
)
async def test_the_card_says_anew_whether_retry_works_when_the_clock_has_been_set(
    desk: Desk, machine: Machine, answer: Canned
) -> None:
    """What was too late by a clock that was ahead is not too late by one that is right."""
    desk.gateway.faults.add("ord_1", answer)
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "[ Retry ]")
    for step, offered in ((2 * DAY, False), (-2 * DAY, True)):
        await machine.step(step)
        await machine.stand()
        await desk.wait(lambda offered=offered: ("[ Retry ]" in desk.ben.reads(card)) == offered)
    await desk.ben.click(card, "retry")
    await desk.card_says(card, "✅ Cancelled")


@pytest.mark.parametrize("step", [-HOUR, 2 * DAY])
async def test_reminders_and_the_escalation_keep_their_distance(desk: Desk, machine: Machine, step: timedelta) -> None:
    """After a step that stands they come when as much time has passed as without it, and each once."""
    card = await desk.ask("ord_1")
    await desk.running_bot.worker.until_idle()
    await machine.step(step)
    await desk.running_bot.worker.until_idle()
    await machine.stand()
    stood = timedelta(seconds=GRACE + 1)
    waits = (timedelta(minutes=70), timedelta(minutes=70), timedelta(minutes=90), 2 * HOUR)
    assert await timers(desk) == [wait - stood for wait in waits]
    thread = []
    for minutes in (66, 4, 9, 1, 8, 1, 20):
        machine.passed += minutes * 60
        await desk.running_bot.worker.until_idle()
        thread.append("".join(desk.ann.reads(each)[0] for each in desk.slack.space.messages(card.channel, card.ts)))
    assert thread == ["", "⏰", "⏰", "⏰⏰", "⏰⏰", "⏰⏰🔔", "⏰⏰🔔"]


async def test_a_request_of_a_clock_that_was_ahead_keeps_the_distance_of_its_reminders(
    database: Path, clock: Clock
) -> None:
    """A start with the right clock moves all of its timers together, and each later start leaves them as they are."""
    clock.advance(days=2)
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock, patience=Patience()), **WAITING)
        await desk.ask("ord_1")
        await desk.running_bot.worker.until_idle()
        before = await timers(desk)
        clock.advance(days=-2)
        for _ in range(3):
            await desk.stop_bot()
            bot = await desk.start_bot(quick_tuning(now=clock, patience=Patience()), **WAITING)
            await bot.connection.ready.wait()  # nothing moves before Slack's clock has confirmed the bot's
            await bot.worker.until_idle()
            assert await timers(desk) == before


async def test_what_a_clock_left_that_was_ahead_for_a_while_stays_so_at_a_start(desk: Desk, machine: Machine) -> None:
    """The bot has followed both steps, so the request has the time that was left, though it is of a later time."""
    await machine.step(2 * DAY)
    await machine.stand()
    await desk.ask("ord_1")
    await machine.step(-2 * DAY)
    await machine.stand()
    before = await timers(desk)
    await desk.stop_bot()
    machine.hear()
    machine.bot = bot = await desk.start_bot(machine.tuning(), **WAITING)
    await bot.connection.ready.wait()
    await bot.worker.until_idle()
    assert await timers(desk) == before


async def test_a_start_gives_back_the_time_that_a_clock_took_that_went_back(desk: Desk, machine: Machine) -> None:
    """The bot has followed a wrong step, and the clock is set before a start: nothing comes too early."""
    card = await desk.ask("ord_1")
    before = await timers(desk)
    await machine.step(-3 * HOUR)
    await machine.stand()
    await desk.stop_bot()
    machine.hear()
    machine.bot, machine.wrong = None, timedelta(0)
    machine.bot = bot = await desk.start_bot(machine.tuning(), **WAITING)
    await machine.until_confirmed()
    await bot.worker.until_idle()
    assert await desk.state() is State.PENDING
    passed = timedelta(seconds=machine.passed)
    assert all(
        timedelta() <= then - passed - now < MINUTE for then, now in zip(before, await timers(desk), strict=True)
    )
    await desk.card_says(card, "Expires")


async def test_a_click_before_the_worker_comes_finds_the_time_given_back(
    desk: Desk, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another clock has just confirmed the bot's, and the worker waits for somebody else's click."""
    card = await desk.ask("ord_1")
    await machine.step(-3 * HOUR)
    await machine.stand()
    await desk.stop_bot()
    machine.hear()
    machine.bot, machine.wrong = None, timedelta(0)
    claim, may_claim = Workflow.claim, asyncio.Event()

    async def later(*args: Any, **kwargs: Any) -> Any:
        await may_claim.wait()
        return await claim(*args, **kwargs)

    monkeypatch.setattr(Workflow, "claim", later)
    machine.bot = await desk.start_bot(machine.tuning(), **WAITING)
    await machine.until_confirmed()
    await desk.ben.click(card, "reject")
    await desk.wait(lambda: desk.ben.modal)
    assert await desk.state() is State.PENDING
    may_claim.set()


async def test_what_a_clock_that_was_ahead_put_off_is_due_at_the_start(database: Path, clock: Clock) -> None:
    """Cards and repeats of a run with a clock two days ahead are due at once; its requests wait for no two days."""
    clock.advance(days=2)
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock, patience=Patience()), APPROVAL_TTL="2h")
        desk.gateway.faults.add("ord_1", broken(503))
        card = await desk.ask("ord_1")
        await desk.ask("ord_2")
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "attempt")
        desk.slack.faults.always("chat.postMessage", broken(503))
        await desk.fill_in("ord_3")
        await desk.running_bot.worker.until_idle()
        await desk.stop_bot()
        desk.slack.faults.clear()
        clock.advance(days=-2)
        bot = await desk.start_bot(quick_tuning(now=clock, patience=Patience()), APPROVAL_TTL="2h")
        clock.advance(4)
        await bot.worker.until_idle()
        assert await desk.state("ord_1") is State.CANCELLED
        await desk.card("ord_3")
        assert max(await due(desk, "requests")) <= clock() + 2 * HOUR
        clock.advance(hours=2)
        await bot.worker.until_idle()
        assert await desk.state("ord_2") is State.EXPIRED


@pytest.mark.parametrize("year, way", [(1970, "behind"), (2100, "ahead of")])
async def test_a_clock_that_is_wrong_at_the_start_is_told(database: Path, clock: Clock, year: int, way: str) -> None:
    """`/readyz` compares it with the clocks of Slack and of the gateway, and with the record."""
    async with Desk(database, now=Clock()) as desk:
        await desk.start_bot(quick_tuning(now=clock))
        await desk.stop_bot()
        clock.at = clock.at.replace(year=year)
        with structlog.testing.capture_logs() as logs:
            await desk.start_bot(quick_tuning(now=clock))
            known = {"slack", "gateway"} | ({"record"} if year == 1970 else set())
            await until(lambda: {line["compared_with"] for line in logs if line["event"] == "clock_wrong"} == known)
        _, body = await desk.get("/readyz")
        for whose in ("Slack's", "the gateway's"):
            assert any(f" days {way} {whose}: set it (NTP)" in note for note in body["notes"])
        assert any("the last event on record" in note for note in body["notes"]) == (year == 1970)


async def test_a_step_that_cannot_be_written_down_is_followed_later(
    desk: Desk, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the file fails, the bot keeps its time; what waits and the clock move together or not at all."""
    await desk.ask("ord_1")
    store, tried = desk.running_bot.store, asyncio.Event()
    transaction, (before,) = store.transaction, await due(desk, "requests")

    async def fail(name: str, work: Callable[[Tables], Any]) -> Any:
        if name != "follow":
            return await transaction(name, work)

        def undone(tables: Tables) -> None:
            work(tables)
            raise StoreError(StoreProblem.DISK_FULL, desk.database, "database or disk is full")

        try:
            await transaction(name, undone)
        finally:
            tried.set()

    with monkeypatch.context() as patched:
        patched.setattr(store, "transaction", fail)
        await machine.step(HOUR)
        machine.passed += GRACE + 1
        async with asyncio.timeout(10):
            await tried.wait()
        await asyncio.sleep(0)
        assert await due(desk, "requests") == [before]
    await until(lambda: machine.others() == machine.now())
    await until_due(desk, before + HOUR)


@pytest.fixture
async def shared(postgres: Cluster, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """Yield a desk whose database server is on the bot's machine, and makes each step with it; Slack's never does."""

    async def clock(_: Store) -> datetime:
        return machine.now()

    monkeypatch.setattr(Store, "clock", clock)
    monkeypatch.setattr(Postgres, "begun_at", lambda _: machine.now())
    async with Desk(postgres.new(), now=machine.right) as desk:
        machine.desk = desk
        machine.bot = await desk.start_bot(machine.tuning(), **WAITING)
        yield desk


async def test_a_step_that_the_server_has_made_too_expires_nothing(shared: Desk, machine: Machine) -> None:
    """The bot follows it, as nothing near says that it is wrong; nothing expires until a clock elsewhere agrees."""
    card = await shared.ask("ord_1")
    await machine.step(3 * HOUR)
    await machine.stand(confirmed=False)
    bot = shared.running_bot
    await bot.worker.until_idle()
    assert bot.clock.now() == machine.now()
    assert await shared.state() is State.PENDING
    assert health.CLOCK_UNCONFIRMED in (await shared.get("/readyz"))[1]["notes"]
    await machine.step(-3 * HOUR)
    await machine.stand()
    await shared.ben.click(card, "approve")
    await shared.card_says(card, "Cancelled")


async def test_a_call_is_repeated_in_time_though_the_server_went_back_too(shared: Desk, machine: Machine) -> None:
    """What waits longer than the bot ever waits is due at once, as at a start."""
    shared.gateway.faults.add("ord_1", Canned(503, b"{}", headers={"Retry-After": f"{2 * GRACE:.0f}"}))
    card = await shared.ask("ord_1")
    await shared.ben.click(card, "approve")
    await shared.card_says(card, "attempt")
    await machine.step(-3 * HOUR)
    await machine.stand(confirmed=False)
    await shared.running_bot.worker.until_idle()
    await shared.gateway.wait_for(lambda: len(shared.gateway.calls) == 2)


async def test_nothing_is_erased_by_a_step_that_no_other_clock_confirms(desk: Desk, machine: Machine) -> None:
    """The network is away when the machine's date jumps: the bot follows, and erases no words that are young."""
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "reject")
    await desk.wait(lambda: desk.ben.modal)
    await desk.ben.submit(reason="keep it: dispute 4711")
    await desk.card_says(card, "dispute 4711")
    desk.slack.faults.always("auth.test", broken(503))
    await machine.step(60 * DAY)
    await machine.stand(confirmed=False)
    assert await desk.running_bot.workflow.erase_old(30 * DAY) == 0
    desk.slack.faults.clear()
    await machine.until_confirmed()
    assert await desk.running_bot.workflow.erase_old(30 * DAY) > 0
