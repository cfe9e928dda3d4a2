"""kill -9 right before and right after each commit on the way of a request; the next process comes to the same end."""

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path

import pytest

from bot.sandbox.faults import Canned, Drop
from bot.sandbox.slack import NotAcknowledged
from bot.store import open_reader, verify
from tests.chaos.clock import Clock
from tests.crash.processes import bot_process, finished, start
from tests.flows.desk import LOBBY, PAYMENTS, VERA, Desk
from tests.postgres import ENGINES

POINTS = [
    "request,request,1",
    "request,claim,1",
    "request,claim,2",
    "request,record_delivery,1",
    "request,record_delivery,2",
    "approve,approve,1",
    "approve,claim,1",
    "approve,record_answer,1",
    "record_answer,record_answer,1",
    "record_answer,claim,1",
    "record_answer,claim,2",
    "record_answer,record_delivery,1",
    "record_answer,record_delivery,2",
    "record_answer,record_delivery,3",
    "record_answer,record_delivery,4",
]
"""The commit from which counting begins, the commit of the crash, and its number since then."""


LEASES = {"LEASE": "3"}


async def ask_and_approve(desk: Desk) -> None:
    """Ask and approve, again if Slack showed an error before."""
    if not desk.slack.space.messages(PAYMENTS):
        with contextlib.suppress(NotAcknowledged):
            opened = desk.ann.modal
            if opened is None:
                await desk.ann.command("/cancel-order ord_1 twice", PAYMENTS)
                await desk.wait(lambda: desk.ann.modal)
            await desk.ann.submit()
        await desk.card("ord_1")
    card = await desk.card("ord_1")
    with contextlib.suppress(NotAcknowledged, LookupError):
        await desk.ben.click(card, "approve")


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_any_commit_leads_to_the_same_end(quiet_desk: Desk, point: str, when: str) -> None:
    """There are one card, one receipt, one effect, one result in each place, and an intact record.

    On a server no start takes back what the dead process held, so its leases are short here.
    """
    async with bot_process(quiet_desk, **{when: point}, **LEASES) as process:
        acting = asyncio.create_task(ask_and_approve(quiet_desk))
        async with asyncio.timeout(20):
            await process.wait()
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)
    assert process.returncode == -9
    async with bot_process(quiet_desk, **LEASES):
        await ask_and_approve(quiet_desk)
        await finished(quiet_desk)
    with open_reader(quiet_desk.place) as tables:
        events = list(tables.record.all())
        assert verify(tables).damage is None
    assert [event.kind for event in events].count("cancelled") == 1


REMINDING = {"REMIND_AFTER": "2s", "ESCALATE_AFTER": "2s", "ESCALATE_TO": VERA, "APPROVAL_TTL": "2h"}


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
async def test_a_crash_around_a_reminder_and_an_escalation_leads_to_one_of_each(
    quiet_desk: Desk, number: int, when: str
) -> None:
    """The bot dies at one of the commits by which it owes and posts them, and the next one posts what is missing."""
    async with bot_process(quiet_desk, **REMINDING):
        card = await quiet_desk.ask("ord_1")
    point = f"start,{'claim' if number % 2 else 'record_delivery'},{(number + 1) // 2}"
    later = {"CLOCK_AHEAD": "60"}
    # It may die before it is connected.
    process = start(quiet_desk, **REMINDING, **later, **{when: point})
    async with asyncio.timeout(20):
        await process.wait()
    assert process.returncode == -9
    await quiet_desk.slack.drop_connections()
    async with bot_process(quiet_desk, **REMINDING, **later):
        await quiet_desk.replies(card, 2)
        await quiet_desk.vera.click(card, "approve")
        await quiet_desk.card_says(card, "✅ Cancelled")
        thread = await quiet_desk.replies(card, 3)
    assert [reply[0] for reply in thread] == ["🔔", "⏰", "✅"]
    with open_reader(quiet_desk.database) as tables:
        kinds = [event.kind for event in tables.record.all()]
        assert verify(tables).damage is None
    assert (kinds.count("reminded"), kinds.count("escalated")) == (1, 1)


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_crash_around_each_reminder_leads_to_one_of_each(database: Path, number: int, when: str) -> None:
    """The bot dies right before or right after it owes one of three reminders; each is in the thread once."""
    clock, settings = Clock(), {"REMIND_AFTER": "1h,2h,3h", "APPROVAL_TTL": "9h"}
    async with Desk(database, now=clock.now) as desk:
        async with bot_process(desk, **settings):
            card = await desk.ask("ord_1")
        for each in range(1, 4):
            clock.leap(timedelta(hours=1))
            settings["CLOCK_AHEAD"] = str(clock.ahead.total_seconds())
            if each == number:
                # It may die before it is connected.
                process = start(desk, **settings, **{when: "reminded,reminded,1"})
                async with asyncio.timeout(60):
                    await process.wait()
                assert process.returncode == -9
                await desk.slack.drop_connections()
            async with bot_process(desk, **settings):
                await desk.replies(card, each)
                # Else the next bot does not know whether it was posted, calls it off for the next one and deletes it.
                kept = f"SELECT count(*) = {each} AS kept FROM deliveries WHERE kind = 'reply' AND status = 'delivered'"
                await found(database, f"SELECT 1 FROM ({kept}) AS replies WHERE kept")
        async with bot_process(desk, **settings):
            await desk.ben.click(card, "approve")
            await desk.card_says(card, "✅ Cancelled")
            thread = await desk.replies(card, 4)
    assert [reply[0] for reply in thread] == ["⏰", "⏰", "⏰", "✅"]
    with open_reader(database) as tables:
        kinds = [event.kind for event in tables.record.all()]
        assert verify(tables).damage is None
    assert kinds.count("reminded") == 3


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
@pytest.mark.parametrize("number", [1, 2])
async def test_a_crash_around_the_news_of_trouble_leads_to_one_of_it(quiet_desk: Desk, number: int, when: str) -> None:
    """The thread and the requester hear of it once, whether the bot died as it owed the news or as it brought them."""
    quiet_desk.gateway.faults.add("ord_1", Canned(503, b"{}", headers={"Retry-After": "60"}))
    point = "record_answer,record_answer,1" if number == 1 else "record_answer,record_delivery,2"
    async with bot_process(quiet_desk, **{when: point}) as process:
        card = await quiet_desk.ask("ord_1")
        await quiet_desk.ben.click(card, "approve")
        async with asyncio.timeout(20):
            await process.wait()
    assert process.returncode == -9
    if number == 1 and when == "KILL_BEFORE":
        quiet_desk.gateway.faults.add("ord_1", Canned(503, b"{}", headers={"Retry-After": "60"}))
    async with bot_process(quiet_desk):
        await quiet_desk.replies(card)
        await quiet_desk.direct(quiet_desk.ann)
    async with bot_process(quiet_desk, CLOCK_AHEAD="90"):
        await quiet_desk.card_says(card, "✅ Cancelled")
        thread = await quiet_desk.replies(card, 2)
        await quiet_desk.direct(quiet_desk.ann, 2)
    assert [reply[0] for reply in thread] == ["⏳", "✅"]
    assert len(quiet_desk.results(quiet_desk.ann)) == 2
    with open_reader(quiet_desk.database) as tables:
        assert [event.kind for event in tables.record.all()].count("gateway_trouble") == 1
        assert verify(tables).damage is None


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
@pytest.mark.parametrize("word", ["freeze", "unfreeze"])
async def test_a_crash_around_a_freeze_and_its_end_leads_to_one_of_each(quiet_desk: Desk, word: str, when: str) -> None:
    """A freeze that is in the file holds for the next bot, which shows it; after its end there is one call."""

    async def type_it(word: str) -> None:
        with contextlib.suppress(NotAcknowledged):
            await quiet_desk.ben.command(f"/cancel-order {word}", LOBBY)

    commit = "frozen" if word == "freeze" else "unfrozen"
    async with bot_process(quiet_desk, **{when: f"{commit},{commit},1"}) as process:
        card = await quiet_desk.ask("ord_1")
        await type_it("freeze")
        if word == "unfreeze":
            await quiet_desk.card_says(card, "Everything is frozen")
            await type_it("unfreeze")
        async with asyncio.timeout(60):
            await process.wait()
    assert process.returncode == -9
    async with bot_process(quiet_desk):
        if word == "freeze":
            if when == "KILL_BEFORE":
                await type_it("freeze")
            await quiet_desk.card_says(card, "Everything is frozen by @ben")
            await quiet_desk.cleo.click(card, "approve")
            assert "Everything is frozen" in await quiet_desk.told(quiet_desk.cleo)
        if word == "freeze" or when == "KILL_BEFORE":
            await type_it("unfreeze")
        await quiet_desk.wait(lambda: "frozen" not in quiet_desk.ann.reads(card))
        await quiet_desk.cleo.click(card, "approve")
        await finished(quiet_desk)
        over = "The freeze is over: @ben has ended it."

        def told() -> list[str]:
            return [quiet_desk.ann.reads(each) for each in quiet_desk.slack.space.messages(PAYMENTS)]

        await quiet_desk.wait(lambda: any(text.startswith(over) for text in told()))
        # Its beginning may be over before Slack takes it.
        assert sum("Everything is frozen by @ben" in text for text in told()) <= 1
        assert [text.startswith(over) for text in told()].count(True) == 1
    assert len(quiet_desk.gateway.calls) == 1
    with open_reader(quiet_desk.database) as tables:
        kinds = [event.kind for event in tables.record.all()]
        assert verify(tables).damage is None
    assert (kinds.count("frozen"), kinds.count("unfrozen")) == (1, 1)


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
async def test_a_crash_while_votes_are_counted_again_leads_to_one_call(quiet_desk: Desk, when: str) -> None:
    """A lowered quorum is reached at the start; the bot dies at that commit, and the next one cancels once."""
    async with bot_process(quiet_desk, APPROVALS_REQUIRED="2"):
        card = await quiet_desk.ask("ord_1")
        await quiet_desk.ben.click(card, "approve")
        await quiet_desk.card_says(card, "1 of 2")
    async with bot_process(quiet_desk, APPROVALS_REQUIRED="1", **{when: "recount,recount,1"}) as process:
        async with asyncio.timeout(20):
            await process.wait()
    assert process.returncode == -9
    async with bot_process(quiet_desk, APPROVALS_REQUIRED="1"):
        await finished(quiet_desk)
    assert len(quiet_desk.gateway.calls) == 1


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
async def test_a_crash_while_somebody_settles_leads_to_one_statement(quiet_desk: Desk, when: str) -> None:
    """An acknowledged statement is kept and told once; after an error the person sends the form again."""
    quiet_desk.gateway.faults.always("ord_1", Drop(after_effect=True))
    async with bot_process(quiet_desk, **{when: "settle,settle,2"}) as process:
        card = await quiet_desk.ask("ord_1")
        await quiet_desk.ben.click(card, "approve")
        await quiet_desk.card_says(card, "Settle by hand: it is cancelled")
        await quiet_desk.cleo.click(card, "settle_cancelled")
        await quiet_desk.wait(lambda: quiet_desk.cleo.modal)
        with contextlib.suppress(NotAcknowledged):
            await quiet_desk.cleo.submit(how="I looked")
        async with asyncio.timeout(20):
            await process.wait()
    assert process.returncode == -9
    async with bot_process(quiet_desk):
        if when == "KILL_BEFORE":
            assert await quiet_desk.cleo.submit(how="I looked") is None
        await quiet_desk.card_says(card, "Settled by hand: cancelled")
        assert "> I looked" in (await quiet_desk.replies(card, 2))[1]
        await quiet_desk.direct(quiet_desk.ann, 2)
    with open_reader(quiet_desk.database) as tables:
        events = list(tables.record.all())
        assert verify(tables).damage is None
    assert [event.kind for event in events].count("settled_cancelled") == 1


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
@pytest.mark.parametrize("act", ["stop", "try_now"])
async def test_a_crash_while_somebody_stops_or_hurries_leads_to_one_end(quiet_desk: Desk, act: str, when: str) -> None:
    """A stop that was acknowledged is final, and never sent; after an error the person clicks again."""
    patient = {"FIRST_PAUSE": "3600", "LONGEST_PAUSE": "3600"}
    await quiet_desk.gateway.stop()
    async with bot_process(quiet_desk, **patient, **{when: f"{act},{act},1"}) as process:
        card = await quiet_desk.ask("ord_1")
        await quiet_desk.ben.click(card, "approve")
        await quiet_desk.card_says(card, "[ Try now ]")
        await quiet_desk.gateway.start()
        with contextlib.suppress(NotAcknowledged):
            await quiet_desk.cleo.click(card, act)
        async with asyncio.timeout(20):
            await process.wait()
    assert process.returncode == -9
    async with bot_process(quiet_desk, **patient):
        if when == "KILL_BEFORE":
            await quiet_desk.cleo.click(card, act)
        await quiet_desk.card_says(card, "Stopped by @cleo" if act == "stop" else "✅ Cancelled")
        assert len(await quiet_desk.endings(card)) == 1
        await quiet_desk.direct(quiet_desk.ann)
    assert len(quiet_desk.gateway.calls) == (0 if act == "stop" else 1)
    with open_reader(quiet_desk.database) as tables:
        kinds = [event.kind for event in tables.record.all()]
        assert verify(tables).damage is None
    assert kinds.count("stopped_trying" if act == "stop" else "hurried") == 1


async def found(database: Path, sql: str) -> None:
    """Wait until this query finds something."""
    async with asyncio.timeout(60):
        while True:
            with open_reader(database) as tables:
                if tables.connection.execute(sql):
                    return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
@pytest.mark.parametrize("point", ["digest,digest,1", "digest,record_delivery,1"])
async def test_a_crash_around_a_digest_leads_to_one_of_it(database: Path, point: str, when: str) -> None:
    """The bot dies as it owes a digest, with its figures in hand, or as it posts it; the next one does what is left."""
    clock, settings = Clock(), {"DIGEST": "daily 09:00 Asia/Phnom_Penh"}
    async with Desk(database, now=clock.now) as desk:
        async with bot_process(desk, **settings):
            await found(database, "SELECT 1 FROM digest")
        clock.leap(timedelta(days=1))
        settings["CLOCK_AHEAD"] = str(clock.ahead.total_seconds())
        # It may die before it is connected.
        process = start(desk, **settings, **{when: point})
        async with asyncio.timeout(60):
            await process.wait()
        assert process.returncode == -9
        await desk.slack.drop_connections()
        async with bot_process(desk, **settings):
            await found(database, "SELECT 1 FROM deliveries WHERE status = 'delivered'")
        assert [message.text[0] for message in desk.slack.space.messages(PAYMENTS)] == ["📊"]
    with open_reader(database) as tables:
        assert [event.kind for event in tables.record.all()].count("digest") == 1
        assert verify(tables).damage is None
