"""Running the bot: readiness, a Slack that is away, errors with a reference, and no slow work before an ack."""

import asyncio
import gc
import re
import socket
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from bot.domain.cancellation import State
from bot.sandbox.faults import ApiError, Hang, broken
from bot.slack.socket_mode import Connection
from bot.store import StoreError, StoreProblem, Tables
from bot.store.sqlite import SQLite
from tests.flows.desk import LEADS, LOBBY, SLACK_WAITS, Desk, quick_tuning
from tests.flows.stopping import stopping
from tests.writer import busy


@pytest.fixture(autouse=True)
def slow_machine() -> None:
    """Leave the bot its own patience with Slack: some of these tests are about it."""


async def test_ready_when_connected(desk: Desk) -> None:
    """Both endpoints say yes while everything is there."""
    assert await desk.get("/healthz") == (200, {"status": "alive"})
    status, body = await desk.get("/readyz")
    assert (status, body["ready"], body["missing"]) == (200, True, [])


async def test_a_slack_that_is_away_at_start_may_come_later(quiet_desk: Desk) -> None:
    """The process runs and says what is missing; it becomes ready when Slack comes."""
    quiet_desk.slack.faults.always("auth.test", broken(503))
    bot = await quiet_desk.launch_bot(quick_tuning(ping_interval=0.1, longest_pause=0.1))
    await quiet_desk.wait(lambda: quiet_desk.slack.calls)
    status, body = await quiet_desk.get("/readyz")
    assert status == 503
    assert re.search("not connected|does not confirm", body["missing"][0])
    quiet_desk.slack.faults.clear()
    async with asyncio.timeout(10):
        await bot.connection.ready.wait()
    assert (await quiet_desk.get("/readyz"))[0] == 200


async def test_a_gateway_that_is_away_is_noted(quiet_desk: Desk) -> None:
    """Readiness notes that the gateway cannot be reached; people can still ask and decide."""
    await quiet_desk.gateway.stop()
    await quiet_desk.start_bot(quick_tuning(gateway_check=0.01))
    while not (await quiet_desk.get("/readyz"))[1]["notes"]:  # noqa: ASYNC110 -- the endpoint is what is tested
        await asyncio.sleep(0)  # until the bot has noticed
    status, body = await quiet_desk.get("/readyz")
    assert status == 200
    assert body["notes"][0].startswith("the gateway cannot be reached: no connection")
    assert (await quiet_desk.ask("ord_1")).button("approve")


async def test_a_lost_connection_is_made_again(quiet_desk: Desk) -> None:
    """After Slack drops or refreshes the connection, commands work again."""
    await quiet_desk.start_bot(quick_tuning(ping_interval=0.1))
    for lose in (quiet_desk.slack.disconnect, quiet_desk.slack.drop_connections):
        before = list(quiet_desk.slack.connections)
        await lose()
        await quiet_desk.wait(
            lambda before=before: any(connection not in before for connection in quiet_desk.slack.connections),
        )
    assert (await quiet_desk.ask("ord_1")).button("approve")


async def test_a_database_that_fails_keeps_nothing_and_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form whose request cannot be kept is refused; the person reads a reference that is also in the log."""
    await desk.ann.command("/cancel-order ord_1", LOBBY)
    await desk.wait(lambda: desk.ann.modal)

    async def fail(*_: object) -> None:
        raise StoreError(StoreProblem.DISK_FULL, desk.database, "database or disk is full")

    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        patched.setattr(desk.running_bot.store, "transaction", fail)
        errors = await desk.ann.submit()
    assert errors is not None
    assert "because the disk with my database is full" in errors["order_id"]
    reference = re.search("reference: ([0-9a-f]{8})", errors["order_id"])
    assert reference is not None
    assert [event["event"] for event in logs if event.get("reference") == reference[1]] == ["store_failed"]
    assert await desk.ann.submit() is None
    assert (await desk.card("ord_1")).button("approve")


async def test_a_click_that_fails_apologises(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an unexpected exception the person who clicked reads a reference, and nothing changes.

    The click is not acknowledged, so Slack shows its own warning, which needs no answer of the bot's to arrive.
    """
    card = await desk.ask("ord_1")

    async def fail(*_: object) -> None:
        raise RuntimeError("xoxb-secret broke")

    with monkeypatch.context() as patched:
        patched.setattr(desk.running_bot.store, "transaction", fail)
        with desk.unacknowledged():
            await desk.ben.click(card, "approve")
        await desk.told(desk.ben, 2)
    warning, answer = sorted((desk.ben.reads(each) for each in desk.ben.ephemerals), key=len)
    assert "did not respond" in warning
    assert "something went wrong on my side" in answer
    assert "xoxb" not in answer
    assert "[ Approve ]" in desk.ann.reads(card)


async def test_a_click_that_takes_too_long_to_keep_claims_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may keep the click after all, so the person reads that it is not known, and where to look."""
    card = await desk.ask("ord_1")
    transaction = desk.running_bot.store.transaction

    async def late(name: str, work: Callable[[Tables], object]) -> object:
        kept = await transaction(name, work)
        if name == "approve":
            raise TimeoutError
        return kept

    with monkeypatch.context() as patched:
        patched.setattr(desk.running_bot.store, "transaction", late)
        with desk.unacknowledged():
            await desk.ben.click(card, "approve")
        await desk.told(desk.ben, 2)
    answer = max((desk.ben.reads(each) for each in desk.ben.ephemerals), key=len)
    assert (
        "I don't know yet whether this counted, because it took me too long. Before you try again, look at the card"
        in answer
    )
    await desk.card_says(card, "Cancelled")


@pytest.mark.parametrize("act", ["ask", "approve", "withdraw", "reject"])
async def test_an_act_whose_commit_failed_claims_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    """A disk may fail after it took everything, and then the act stands: nobody reads that they should try again."""
    if act == "ask":
        await desk.ann.command("/cancel-order ord_1", LOBBY)
        await desk.wait(lambda: desk.ann.modal)
    else:
        card = await desk.ask("ord_1")
        person = desk.ann if act == "withdraw" else desk.ben
    if act == "reject":
        await desk.ben.click(card, "reject")
        await desk.wait(lambda: desk.ben.modal)
    await desk.running_bot.worker.until_idle()
    commit = SQLite.commit

    def fail(self: SQLite) -> None:
        commit(self)
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(SQLite, "commit", fail)
        if act in {"ask", "reject"}:
            errors = await (desk.ann.submit() if act == "ask" else desk.ben.submit(reason="no"))
            (said,) = (errors or {}).values()
        else:
            with desk.unacknowledged():
                await (person.choose(card, "more", "Withdraw") if act == "withdraw" else person.click(card, act))
            await desk.told(person, 2)
            said = max((desk.ann.reads(each) for each in person.ephemerals), key=len)
    why = "because the disk with my database is full or failing"
    assert said.startswith(f"I don't know yet whether this counted, {why}. Before you try again, look at the card")
    ends = {"ask": State.PENDING, "approve": State.APPROVED, "withdraw": State.WITHDRAWN, "reject": State.REJECTED}
    assert await desk.state() in {ends[act], State.SENDING, State.CANCELLED}


async def test_a_click_costs_one_transaction_before_its_ack(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a click and its acknowledgement there is exactly one commit, and no call to the gateway."""
    card = await desk.ask("ord_1")
    names: list[str] = []
    transaction = desk.running_bot.store.transaction

    async def counted(name: str, work: Callable[[Tables], object]) -> object:
        names.append(name)
        if name == "approve":
            assert not desk.gateway.calls
        return await transaction(name, work)

    monkeypatch.setattr(desk.running_bot.store, "transaction", counted)
    await desk.ben.click(card, "approve")
    assert [name for name in names if name not in {"claim", "record_delivery"}][:1] == ["approve"]
    assert names.count("approve") == 1


async def test_a_command_is_acknowledged_while_slack_and_gateway_hang(quiet_desk: Desk) -> None:
    """The acknowledgement of a command waits for no network."""
    await quiet_desk.start_bot()
    until = asyncio.Event()
    quiet_desk.slack.faults.always("*", Hang(until))
    await quiet_desk.ann.command("/cancel-order ord_1", LOBBY)
    await quiet_desk.wait(lambda: not quiet_desk.ann.modal)
    until.set()
    await quiet_desk.wait(lambda: quiet_desk.ann.modal)


@pytest.mark.parametrize("mode", ["socket", "http"])
@pytest.mark.parametrize("action", ["approve", "reject", "withdraw"])
async def test_clicks_are_acknowledged_while_slack_names_nobody(quiet_desk: Desk, action: str, mode: str) -> None:
    """Neither a hanging look-up of a group nor one of a person costs anybody the three seconds, however many click."""
    quiet_desk.join_organisation()
    await quiet_desk.start_bot(**(quiet_desk.by_http if mode == "http" else {}))
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.stop_bot()
    for method in ("users.info", "usergroups.users.list"):
        quiet_desk.slack.faults.always(method, Hang(asyncio.Event()))
    await quiet_desk.start_bot(**(quiet_desk.by_http if mode == "http" else {}))
    people = [quiet_desk.siri, quiet_desk.cleo, quiet_desk.olga, quiet_desk.siri, quiet_desk.cleo]
    await asyncio.gather(*(person.click_as_seen(card, action) for person in people))
    assert not quiet_desk.slack.unacknowledged
    assert await quiet_desk.state() is State.PENDING


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_forms_are_acknowledged_while_slack_names_nobody(quiet_desk: Desk, mode: str) -> None:
    """A form whose person cannot be looked up says so on its field, in time."""
    await quiet_desk.start_bot(REQUESTERS=LEADS, **(quiet_desk.by_http if mode == "http" else {}))
    await quiet_desk.cleo.command("/cancel-order ord_1", LOBBY)
    opened = await quiet_desk.wait(lambda: quiet_desk.cleo.modal)
    await quiet_desk.stop_bot()
    quiet_desk.slack.faults.always("usergroups.users.list", Hang(asyncio.Event()))
    await quiet_desk.start_bot(REQUESTERS=LEADS, **(quiet_desk.by_http if mode == "http" else {}))
    payload = quiet_desk.cleo.submission_payload(opened, {})
    errors = quiet_desk.cleo.answer_form(opened, await quiet_desk.slack.deliver("interactive", payload))
    assert errors is not None
    assert "Try again in a minute" in errors["order_id"]
    assert await quiet_desk.state() is None


async def test_wrong_tokens_do_not_end_the_process(quiet_desk: Desk) -> None:
    """The bot goes on after a refused token, and readiness names the error."""
    quiet_desk.slack.faults.always("auth.test", ApiError("invalid_auth"))
    await quiet_desk.launch_bot(quick_tuning(longest_pause=0.05))
    while "invalid_auth" not in str((await quiet_desk.get("/readyz"))[1]["missing"]):  # noqa: ASYNC110 -- as above
        await asyncio.sleep(0)  # until the bot has noticed
    assert (await quiet_desk.get("/healthz"))[0] == 200


async def test_a_click_during_the_stop_is_still_answered(quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A click whose commit is under way when SIGTERM comes is acknowledged, not lost with the connection."""
    bot = await quiet_desk.start_bot()
    card = await quiet_desk.ask("ord_1")
    clicked, transaction = asyncio.Event(), bot.store.transaction

    async def noticed(name: str, work: Callable[[Tables], object]) -> object:
        if name == "approve":
            clicked.set()
        return await transaction(name, work)

    monkeypatch.setattr(bot.store, "transaction", noticed)
    async with busy(bot.store):
        clicking = asyncio.create_task(quiet_desk.ben.click(card, "approve"))
        await clicked.wait()
        stopping = asyncio.create_task(quiet_desk.stop_bot())
        for _ in range(20):
            await asyncio.sleep(0)
    await clicking
    await stopping


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_stop_waits_for_a_slow_answer(quiet_desk: Desk, mode: str) -> None:
    """A person whose membership takes Slack long to say is acknowledged, and gets the answer, before the bot ends."""
    async with stopping(quiet_desk, **(quiet_desk.by_http if mode == "http" else {})):
        pass
    assert "I couldn't check with Slack whether you are an approver" in await quiet_desk.told(quiet_desk.cleo)


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_bot_that_stops_is_not_ready(quiet_desk: Desk, mode: str) -> None:
    """A load balancer reads that requests belong elsewhere."""
    async with stopping(quiet_desk, **(quiet_desk.by_http if mode == "http" else {})):
        status, body = await quiet_desk.get("/readyz")
        assert (status, body["missing"]) == (503, ["stopping"])


async def test_a_frozen_connection_does_not_hold_up_the_stop(quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that does not end when it is cancelled is left behind, and the file is closed all the same."""
    began, frozen, left = asyncio.Event(), asyncio.Event(), list[asyncio.Task[Any] | None]()

    async def run(*_: object) -> None:
        left.append(asyncio.current_task())
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await frozen.wait()

    monkeypatch.setattr(Connection, "run", run)
    await quiet_desk.launch_bot(quick_tuning(goodbye=0.01))
    await began.wait()
    async with asyncio.timeout(5):
        await quiet_desk.stop_bot()
    (task,) = left
    assert task is not None
    assert not task.done()
    frozen.set()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_start_that_fails_leaves_nothing_open(quiet_desk: Desk) -> None:
    """With the port taken, the next try has the file to itself, and no session is left open."""
    taken = socket.create_server(("127.0.0.1", 0))
    port = str(taken.getsockname()[1])
    with taken, pytest.raises(OSError, match="in use"):
        await quiet_desk.start_bot(PORT=port)
    gc.collect()
    await quiet_desk.start_bot(PORT=port)


async def test_what_slack_sent_while_the_process_stood_still_is_left(quiet_desk: Desk) -> None:
    """People have read Slack's error, so their command is not carried out later; they type it again."""
    desk = quiet_desk
    bot = await desk.start_bot()
    [before] = desk.slack.connections
    bot._standstill._looked_at -= SLACK_WAITS + 10  # noqa: SLF001 -- a standstill takes seconds
    with desk.unacknowledged():
        await desk.ben.command("/cancel-order freeze wrong prices", LOBBY)
    await desk.wait(lambda: desk.slack.connections and before not in desk.slack.connections)
    await desk.ask("ord_1")
    assert await bot.workflow.frozen() is None
