"""An older copy of the database takes over: the bot says nothing that it cannot know, and sends nothing by itself."""

import asyncio
import os
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import pytest
from pydantic import SecretStr

from bot.app import Bot
from bot.cli.record import at_the_terminal
from bot.domain.events import Frozen, SetBack
from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import ApiError, rate_limited
from bot.sandbox.workspace import Posted
from bot.settings import load
from bot.store import Server, backup, move, open_reader, restore, verify_all
from bot.workflow import freezing
from tests.cli.test_beside import command
from tests.clock import Clock
from tests.flows.desk import LOBBY, QUICK, Desk, quick_tuning
from tests.postgres import Cluster, cluster

UNKNOWN_PAST = "so I don't know what people decided about this request, or what it did, after that copy was made."
COPY = (
    "I may have gone on with an older copy of my database, so I don't know what this request did after that copy was "
    "made."
)
UNTRUE = ("did not ask the gateway", "has not changed the order", "not cancelled by this request", "has not cancelled")
ORDERS = ("ord_1", "ord_2", "ord_3", "ord_4")


async def went_back(desk: Desk, clock: Clock, copy: Path) -> list[Posted]:
    """Let four orders be cancelled after a copy was made in which one had failed and three were pending; restore it."""
    for order in ORDERS[3:]:
        desk.gateway.add_order(order)
    await desk.start_bot(quick_tuning(now=clock, patience=replace(QUICK, max_attempts=1)))
    await desk.gateway.stop()
    cards = [await desk.ask(order) for order in ORDERS]
    await desk.ben.click(cards[0], "approve")
    await desk.card_says(cards[0], "⚠️ Not cancelled by this request")
    await desk.running_bot.worker.until_idle()
    backup(desk.database, copy)
    await desk.gateway.start()
    await desk.ben.click(cards[0], "retry")
    for each in cards[1:]:
        await desk.ben.click(each, "approve")
    for each in cards:
        await desk.card_says(each, "✅ Cancelled")
    await desk.running_bot.worker.until_idle()
    await desk.stop_bot()
    await go_on_with(desk, clock, copy)
    return cards


async def go_on_with(desk: Desk, clock: Clock, copy: Path) -> None:
    """Restore this copy, and start the bot."""
    restore(
        copy,
        desk.database,
        "terminal:op",
        clock(),
        then=partial(freezing.freeze_restored, actor="terminal:op", at=clock()),
    )
    await desk.start_bot(quick_tuning(now=clock))


async def cancelled_on(desk: Desk, clock: Clock, copy: Path, card: Posted) -> None:
    """Restore this copy, and let the request be approved and its order cancelled on it; stop the bot."""
    await go_on_with(desk, clock, copy)
    await desk.cleo.command("/cancel-order unfreeze", LOBBY)
    await desk.card_says(card, "[ Approve ]")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    await desk.running_bot.worker.until_idle()
    await desk.stop_bot()


def everything(desk: Desk, since: int) -> list[str]:
    """Return all that anybody can read and that was posted or changed since so many messages."""
    posted = desk.slack.space.posted
    return [desk.ann.reads(each) for each in (*(each for each in posted if each.edited), *posted[since:])]


async def everybody_reads_of_what_goes_on(desk: Desk, cards: list[Posted]) -> None:
    """Look at these three requests on cards, receipts, Home tabs and in a look-up, before anybody has decided anew."""
    for waits in cards:
        assert UNKNOWN_PAST in await desk.card_says(waits, "older copy of my database, so I don't know what people")
    await desk.ann.open_home()
    await desk.ben.open_home()
    for person in (desk.ann, desk.ben):
        await desk.wait(lambda person=person: person.home and str(person.home).count(UNKNOWN_PAST) == 3)
    await desk.vera.command("/cancel-audit pending", cards[0].channel)
    assert (await desk.told(desk.vera)).count("what came later may be missing") == 3
    assert sum(UNKNOWN_PAST in desk.ann.reads(each) for each in desk.receipts(desk.ann)) == 3


async def test_after_a_restore_nobody_reads_what_the_bot_cannot_know(
    database: Path, clock: Clock, tmp_path: Path
) -> None:
    """However a request ends that a restore has set back, nobody reads that it did not ask the gateway: it did."""
    async with Desk(database, now=clock) as desk:
        failed, rejected, withdrawn, expired = await went_back(desk, clock, tmp_path / "copy.db")
        text = await desk.card_says(failed, "⚠️ Not known whether the order is cancelled")
        await everybody_reads_of_what_goes_on(desk, [rejected, withdrawn, expired])
        assert COPY in text
        assert "I may have gone on with an older copy of my database, " in text
        assert "Last attempt on record: the gateway could not be reached" in text
        assert "Then an approver settles this by hand" in text
        before = len(desk.slack.space.posted)
        await desk.ben.click(rejected, "reject")
        await desk.wait(lambda: desk.ben.modal)
        assert await desk.ben.submit(reason="no") is None
        assert COPY in await desk.card_says(rejected, "Rejected")
        await desk.ann.click(withdrawn, "withdraw")
        assert COPY in await desk.card_says(withdrawn, "Withdrawn")
        clock.advance(minutes=121)
        assert COPY in await desk.card_says(expired, "Expired")
        await desk.running_bot.worker.until_idle()
        for text in everything(desk, before):
            assert not any(words in text.lower() for words in UNTRUE), text
        assert desk.gateway.effects == dict.fromkeys(ORDERS, 1)
        await desk.vera.command("/cancel-audit unknown", failed.channel)
        assert "1 order" in (told := await desk.told(desk.vera, 2))
        assert "ord_1" in told
        await desk.cleo.click(failed, "settle_cancelled")
        await desk.wait(lambda: desk.cleo.modal)
        assert await desk.cleo.submit(how="The console says cancelled, 10:05") is None
        await desk.card_says(failed, "📝 Settled by hand: cancelled")
        await desk.cleo.command("/cancel-order unfreeze", LOBBY)
        await desk.wait(lambda: any("The freeze is over" in desk.ann.reads(each) for each in desk.slack.space.posted))
        for order in ORDERS:
            assert await desk.fill_in(order) is None
        warned = "An earlier request for this order ended", "I don't know whether it cancelled the order"
        posted = desk.slack.space.posted
        await desk.wait(
            lambda: sum(all(each in desk.ann.reads(card) for each in warned) for card in posted) >= len(ORDERS[1:])
        )
        stated = "an approver stated that the order is cancelled"
        await desk.wait(lambda: any(stated in desk.ann.reads(card) for card in posted))
        await desk.vera.command("/cancel-audit order:ord_4", failed.channel)
        assert "may have gone on with an older copy of the database" in await desk.told(desk.vera, 3)
        await desk.vera.command("/cancel-audit expired", failed.channel)
        assert "may be cancelled: I may have gone on with an older copy" in await desk.told(desk.vera, 4)
        await desk.stop_bot()
    _, out, _ = await command(database, "audit", "find", "expired")
    assert re.search(r"ord_4 +expired +true ", out)
    evidence = tmp_path / "evidence.zip"
    assert (await command(database, "audit", "evidence", "ord_4", "-o", str(evidence)))[0] == 0
    with ZipFile(evidence) as bundle:
        (page,) = (each for each in bundle.namelist() if each.endswith("index.html"))
        assert "it may have cancelled the order" in bundle.read(page).decode()
    assert verify_all(database).damage is None


async def test_what_was_over_in_the_copy_is_as_it_was(database: Path, clock: Clock, tmp_path: Path) -> None:
    """Nothing can have happened to it since, and what is asked for later has no past that nobody knows."""
    copy = tmp_path / "copy.db"
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock))
        card = await desk.ask("ord_1")
        await desk.ann.click(card, "withdraw")
        await desk.card_says(card, "did not ask the gateway")
        await desk.running_bot.worker.until_idle()
        await desk.stop_bot()
        assert (await command(database, "backup", str(copy)))[0] == 0
        assert (await command(database, "restore", str(copy)))[0] == 0
        assert (await command(database, "unfreeze"))[0] == 0
        await desk.start_bot(quick_tuning(now=clock))
        later = await desk.ask("ord_2")
        await desk.ann.click(later, "withdraw")
        assert "did not ask the gateway" in await desk.card_says(later, "Withdrawn")
        assert not any(isinstance(event.content, SetBack) for event in await desk.events())


@pytest.mark.parametrize("restores", [2, 3])
async def test_what_went_another_way_before_a_later_restore_is_not_known(
    database: Path, clock: Clock, tmp_path: Path, restores: int
) -> None:
    """The file from before the first restore knows how a request ended, but not what the bot did on the copy."""
    morning, noon = tmp_path / "morning.db", tmp_path / "noon.db"
    async with Desk(database, now=clock) as desk:
        bot = await desk.start_bot(quick_tuning(now=clock))
        backup(database, morning)
        card = await desk.ask("ord_1")
        await bot.worker.until_idle()
        backup(database, noon)
        desk.slack.faults.always("chat.update", rate_limited(30))
        await desk.ann.click(card, "withdraw")
        await desk.wait(lambda: [each for each in desk.slack.calls if each.method == "chat.update"])
        await desk.stop_bot()
        desk.slack.heal()
        await cancelled_on(desk, clock, noon, card)
        if restores == 3:
            await go_on_with(desk, clock, morning)
            await desk.stop_bot()
        await go_on_with(desk, clock, database.with_name(f"{database.name}.before-restore-1"))
        clock.advance(minutes=1)
        assert COPY in await desk.card_says(card, "Withdrawn")
        assert COPY in desk.ann.reads(await desk.receipt("Withdrawn"))
        await desk.vera.command("/cancel-audit withdrawn", card.channel)
        assert "may be cancelled: I may have gone on with an older copy" in await desk.told(desk.vera)
        await desk.cleo.command("/cancel-order unfreeze", LOBBY)
        assert await desk.fill_in("ord_1") is None
        warned = "I don't know whether it cancelled the order"
        await desk.wait(lambda: any(warned in desk.ann.reads(each) for each in desk.slack.space.posted))
        assert desk.gateway.effects == {"ord_1": 1}
    assert verify_all(database).damage is None


async def withdrawn(desk: Desk, clock: Clock, noon: Path) -> Posted:
    """Let a request be withdrawn after a copy was made; stop the bot, and return the card."""
    bot = await desk.start_bot(quick_tuning(now=clock))
    card = await desk.ask("ord_1")
    await bot.worker.until_idle()
    backup(desk.database, noon)
    await desk.ann.click(card, "withdraw")
    await desk.card_says(card, "Withdrawn")
    await bot.worker.until_idle()
    await desk.stop_bot()
    return card


async def withdrawn_here_and_cancelled_there(desk: Desk, clock: Clock, noon: Path) -> tuple[Posted, Path]:
    """Let a request be withdrawn, and cancelled on a copy of before; return its card, and the file of the former."""
    card = await withdrawn(desk, clock, noon)
    await cancelled_on(desk, clock, noon, card)
    return card, desk.database.with_name(f"{desk.database.name}.before-restore-1")


@pytest.mark.parametrize("place", ["file", "server"])
async def test_a_copy_is_compared_with_a_database_that_is_named(
    database: Path, clock: Clock, tmp_path: Path, place: str, postgres: Cluster
) -> None:
    """Bots used it in the place of this one, and nothing else tells where it is: it is a server, or was moved away."""
    used = tmp_path / "used.db"
    async with Desk(database, now=clock) as desk:
        card, former = await withdrawn_here_and_cancelled_there(desk, clock, tmp_path / "noon.db")
        shutil.move(database, used)
        if place == "file":
            code, said, _ = await command(database, "restore", str(former), "--compare", str(used))
            assert (code, "1 request that has ended in it went another way" in said) == (0, True)
        else:
            server = Server(SecretStr(postgres.url(postgres.empty())))
            move(former, server)
            desk.place = server
            url = server.url.get_secret_value()
            words = ("freeze", "--restored", "--compare", f"sqlite:///{used}")
            code, said, problem = await command(database, *words, DATABASE_URL=url)
            assert code == 0, problem
            assert said.startswith("1 request that has ended in it went another way")
        await desk.start_bot(quick_tuning(now=clock, may_differ=timedelta.max))
        assert "Withdrawn" in await desk.card_says(card, COPY)
        await desk.stop_bot()
    assert verify_all(desk.place).damage is None


async def test_a_wrong_copy_that_no_bot_used_makes_nothing_unknown(
    database: Path, clock: Clock, tmp_path: Path
) -> None:
    """Somebody restored it by mistake and saw that at once: only its age makes it say something else."""
    noon = tmp_path / "noon.db"
    async with Desk(database, now=clock) as desk:
        await withdrawn(desk, clock, noon)
        assert (await command(database, "restore", str(noon)))[0] == 0
        assert (await command(database, "restore", f"{database}.before-restore-1"))[0] == 0
        with open_reader(database) as tables:
            assert not any(isinstance(event.content, SetBack) for event in tables.record.all())


async def test_a_file_that_cannot_be_compared_is_named(database: Path, clock: Clock, tmp_path: Path) -> None:
    """What went another way in it stays unknown to the bot, so whoever restores must look."""
    async with Desk(database, now=clock) as desk:
        _, former = await withdrawn_here_and_cancelled_there(desk, clock, tmp_path / "noon.db")
        os.truncate(database, 5000)
        code, said, _ = await command(database, "restore", str(former))
        assert code == 0
        assert f"{database}.before-restore-2 cannot be read, so the copy was not compared with that." in said


async def test_what_is_to_be_compared_must_be_there(database: Path, clock: Clock, tmp_path: Path) -> None:
    """Nothing changes where it cannot be read, and no password shows."""
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock))
        await desk.stop_bot()
        backup(database, copy := tmp_path / "copy.db")
        head = verify_all(database).head
        for words in (("restore", str(copy)), ("freeze", "--restored")):
            code, said, problem = await command(database, *words, "--compare", str(tmp_path / "nowhere.db"))
            assert (code, said) == (1, "")
            assert f"{tmp_path / 'nowhere.db'}: there is no such file" in problem
            url = "postgresql://desk:a-secret@127.0.0.1:1/desk"
            code, said, problem = await command(database, *words, COMPARE_WITH=url)
            assert (code, said) == (1, "")
            assert "does not answer" in problem
            assert "a-secret" not in problem
            assert (await command(database, *words, "--compare", "mysql://a/b"))[0] == 2
        assert (await command(database, "freeze", "--compare", str(copy)))[0] == 2
        assert verify_all(database).head == head
        # The variable is left from a restore, and somebody must stop everything at once.
        assert (await command(database, "freeze", COMPARE_WITH=str(tmp_path / "nowhere.db")))[0] == 0


async def test_a_refusal_from_before_a_second_restore_is_no_last_word(
    database: Path, clock: Clock, tmp_path: Path
) -> None:
    """The gateway did not know the order, and on the copy of noon it cancelled it. A refusal of today is its word."""
    noon = tmp_path / "noon.db"
    async with Desk(database, now=clock) as desk:
        bot = await desk.start_bot(quick_tuning(now=clock))
        card = await desk.ask("ord_1")
        await bot.worker.until_idle()
        backup(database, noon)
        desk.gateway.faults.add("ord_1", answers.error(404, "ORDER_NOT_FOUND", "Order not found"))
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "no such order")
        await bot.worker.until_idle()
        await desk.stop_bot()
        await cancelled_on(desk, clock, noon, card)
        await go_on_with(desk, clock, database.with_name(f"{database.name}.before-restore-1"))
        clock.advance(minutes=1)
        said = await desk.card_says(card, "Not known whether the order is cancelled")
        assert COPY in said
        assert "no such order" not in said
        assert COPY in desk.ann.reads(await desk.receipt("Not known whether the order is cancelled"))
        await desk.cleo.command("/cancel-order unfreeze", LOBBY)
        assert await desk.fill_in("ord_1") is None
        warned = "I don't know whether it cancelled the order"
        again = await desk.wait(
            lambda: next((each for each in desk.slack.space.posted if warned in desk.ann.reads(each)), None)
        )
        desk.gateway.faults.add("ord_1", answers.error(404, "ORDER_NOT_FOUND", "Order not found"))
        await desk.ben.click(again, "approve")
        assert COPY not in await desk.card_says(again, "no such order")


@pytest.mark.parametrize("what", ["card", "result"])
async def test_what_a_copy_owed_and_slack_has_by_now_is_not_posted_again(
    database: Path, clock: Clock, tmp_path: Path, what: str
) -> None:
    """Slack refused it when the copy was made, and took it later."""
    copy, refused = tmp_path / "copy.db", ApiError("restricted_action")
    async with Desk(database, now=clock) as desk:
        bot = await desk.start_bot(quick_tuning(now=clock))
        if what == "result":
            card = await desk.ask("ord_1")
            await bot.worker.until_idle()
            desk.slack.faults.always("chat.postMessage", refused)
            await desk.ben.click(card, "approve")
            await desk.card_says(card, "✅ Cancelled")
        else:
            desk.slack.faults.always("chat.postMessage", refused)
            assert await desk.fill_in("ord_1") is None
        await desk.wait(lambda: [each for each in desk.slack.calls if "restricted_action" in str(each)])
        await bot.worker.until_idle()
        backup(database, copy)
        desk.slack.heal()
        clock.advance(minutes=1)
        card = await desk.card("ord_1")
        await bot.worker.until_idle()
        posted = len(desk.slack.space.posted)
        await desk.stop_bot()
        await go_on_with(desk, clock, copy)
        clock.advance(minutes=1)
        await desk.wait(lambda: len(desk.slack.space.posted) > posted)
        await desk.running_bot.worker.until_idle()
        new = [desk.ann.reads(each) for each in desk.slack.space.posted[posted:]]
        assert [text for text in new if "Everything is frozen" not in text] == []
        if what == "card":
            assert UNKNOWN_PAST in await desk.card_says(card, "frozen")


async def test_whoever_put_a_copy_in_place_by_hand_says_so(database: Path, clock: Clock, tmp_path: Path) -> None:
    """The command freezes it, also where it was frozen, and each request that was not over in it is marked."""
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock))
        card = await desk.ask("ord_1")
        await desk.running_bot.worker.until_idle()
        await desk.stop_bot()
        shutil.copy(database, tmp_path / "copy.db")
        for _ in range(2):
            code, out, _ = await command(database, "freeze", "--restored", "--why", "Disk lost.")
            assert (code, "1 request stands still" in out) == (0, True)
        await desk.start_bot(quick_tuning(now=clock))
        assert "Disk lost. Look first what people decided since." in await desk.card_says(card, "frozen by an operator")
        await desk.ann.click(card, "withdraw")
        assert COPY in await desk.card_says(card, "Withdrawn")
    with open_reader(database) as tables:
        frozen = [event for event in tables.record.all() if isinstance(event.content, Frozen)]
    assert [event.actor for event in frozen] == [at_the_terminal()] * 2


async def test_a_bot_whose_server_lost_events_freezes_what_took_over(postgres: Cluster) -> None:
    """A standby was behind. Bots that start now know nothing of a stop that is lost: nothing is sent before a look."""
    server = postgres.new()
    async with Desk(server) as desk:
        await desk.start_bot()
        card = await desk.ask("ord_1")
        await desk.running_bot.worker.until_idle()
        with postgres.loses(server):
            await desk.ann.click(card, "withdraw")
            await desk.card_says(card, "Withdrawn")
        second = Bot(load(desk.environment()), quick_tuning())
        await second.start()
        async with asyncio.timeout(20):
            while (freeze := await second.workflow.frozen()) is None:  # noqa: ASYNC110 -- another bot does it
                await asyncio.sleep(0.01)
        assert freeze.why == f"{freezing.STANDBY_WAS_BEHIND} Look first what people decided since."
        about = await second.store.read(lambda tables: [event.content for event in tables.record.all()])
        assert about.count(SetBack()) == 1
        assert sum(isinstance(each, Frozen) for each in about) == 1
        await second.stop()
    assert verify_all(server).damage is None


@pytest.mark.parametrize("while_it_runs", [True, False])
async def test_a_bot_freezes_what_took_over_though_it_misses_nothing(*, while_it_runs: bool) -> None:
    """No commit waited for the standby, so it may lack what another bot did last. People look, and it goes on."""
    with cluster() as own:
        server = own.new()
        async with Desk(server) as desk:
            await desk.start_bot()
            card = await desk.ask("ord_1")
            if not while_it_runs:
                await desk.stop_bot()
            own.take_over()
            if not while_it_runs:
                await desk.start_bot()
            assert freezing.TOOK_OVER in await desk.card_says(card, "frozen by the bot")
            await desk.ben.command("/cancel-order unfreeze", LOBBY)
            await desk.ben.click(card, "approve")
            await desk.card_says(card, "✅ Cancelled")
            await desk.stop_bot()
            bot = await desk.start_bot()
            assert await bot.workflow.frozen() is None
        assert verify_all(server).damage is None


async def test_a_bot_that_saw_nothing_of_what_is_lost_ends_nothing_on_what_took_over(clock: Clock) -> None:
    """Another bot had the order cancelled and died with the primary, and the time of the request ended meanwhile."""
    with cluster() as own:
        server = own.new()
        async with Desk(server, now=clock) as desk:
            first = await desk.start_bot(quick_tuning(now=clock, may_differ=timedelta.max))
            card = await desk.ask("ord_1")
            await first.worker.until_idle()
            seldom = {"store_check": 4.0, "record_check": 60.0}
            second = Bot(load(desk.environment()), quick_tuning(now=clock, may_differ=timedelta.max, **seldom))
            await second.start()
            with own.is_behind():
                await desk.ben.click(card, "approve")
                await desk.card_says(card, "✅ Cancelled")
                await desk.stop_bot()
                clock.advance(hours=25)
            kinds: list[str] = []
            async with asyncio.timeout(20):
                while "frozen" not in kinds:
                    await asyncio.sleep(0.05)
                    with open_reader(server) as tables:
                        kinds = [event.kind for event in tables.record.all()]
            assert kinds[-2:] == ["set_back", "frozen"]
            assert "expired" not in kinds
            await second.stop()
