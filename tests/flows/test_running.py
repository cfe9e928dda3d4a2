"""Running it: readiness, a Slack that is away, errors with a reference, and no slow work before an ack."""

import asyncio
import gc
import re
import socket
import threading

import pytest
import structlog

from bot.app import Bot
from bot.sandbox.faults import ApiError, Hang, broken
from bot.sandbox.slack import LocalSlack
from bot.settings import load
from bot.store import Unusable
from tests.flows.desk import LOBBY, Desk, environment, quick_tuning


async def test_ready_when_connected(desk: Desk) -> None:
    """Both endpoints say yes while everything is there."""
    assert await desk.get("/healthz") == (200, {"status": "alive"})
    status, body = await desk.get("/readyz")
    assert (status, body["ready"], body["missing"]) == (200, True, [])


async def test_a_slack_that_is_away_at_start_is_waited_out(quiet_desk: Desk) -> None:
    """The process lives and says what is missing; it becomes ready when Slack comes."""
    quiet_desk.slack.faults.always("auth.test", broken(503))
    settings = load(environment(quiet_desk.slack, quiet_desk.gateway, quiet_desk.database))
    quiet_desk.bot = Bot(settings, quick_tuning(ping_interval=0.1, longest_pause=0.1))
    await quiet_desk.bot.start()
    await quiet_desk.wait(lambda: quiet_desk.slack.calls)
    status, body = await quiet_desk.get("/readyz")
    assert status == 503
    assert re.search("not connected|does not confirm", body["missing"][0])
    quiet_desk.slack.faults.clear()
    await asyncio.wait_for(quiet_desk.bot.connection.ready.wait(), 10)
    assert (await quiet_desk.get("/readyz"))[0] == 200


async def test_a_gateway_that_is_away_is_told(quiet_desk: Desk) -> None:
    """Readiness notes that the gateway cannot be reached; people can still ask and decide."""
    await quiet_desk.gateway.stop()
    bot = await quiet_desk.start_bot(quick_tuning(gateway_check=0.01))
    while not (await quiet_desk.get("/readyz"))[1]["notes"]:  # noqa: ASYNC110 -- the endpoint is what is tested
        await asyncio.sleep(0)  # until the bot has noticed
    status, body = await quiet_desk.get("/readyz")
    assert status == 200
    assert "connection" in body["notes"][0]
    assert bot.worker is not None


async def test_a_lost_connection_is_made_anew(quiet_desk: Desk) -> None:
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
    """A form whose request cannot be kept is not taken; the person reads a reference that the log has too."""
    assert desk.bot is not None
    await desk.ann.command("/cancel-order ord_1", LOBBY)
    await desk.wait(lambda: desk.ann.modal)

    async def fail(*_: object) -> None:
        raise Unusable("disk is full")

    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        patched.setattr(desk.bot.store, "transaction", fail)
        errors = await desk.ann.submit()
    assert errors is not None
    reference = re.search("reference ([0-9a-f]{8})", errors["order_id"])
    assert reference is not None
    assert reference[1] in {event.get("reference") for event in logs}
    assert await desk.ann.submit() is None
    assert (await desk.card("ord_1")).button("approve")


async def test_a_click_that_fails_apologises(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception is told to the clicker with a reference, and nothing changes."""
    card = await desk.ask("ord_1")
    assert desk.bot is not None

    async def fail(*_: object) -> None:
        raise RuntimeError("xoxb-secret broke")

    with monkeypatch.context() as patched:
        patched.setattr(desk.bot.store, "transaction", fail)
        await desk.ben.click(card, "approve")
        answer = await desk.told(desk.ben)
    assert "something went wrong on my side" in answer
    assert "xoxb" not in answer
    assert "[ Approve ]" in desk.ann.reads(card)


async def test_a_click_costs_one_transaction_before_its_ack(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a click and its acknowledgement there is exactly one commit, and no call to the gateway."""
    card = await desk.ask("ord_1")
    assert desk.bot is not None
    names: list[str] = []
    transaction = desk.bot.store.transaction

    async def counted(name: str, use: object) -> object:
        names.append(name)
        if name == "approve":
            assert not desk.gateway.calls
        return await transaction(name, use)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.bot.store, "transaction", counted)
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


async def test_wrong_tokens_are_waited_out(quiet_desk: Desk) -> None:
    """A refused token does not end the process; readiness names it."""
    quiet_desk.slack.faults.always("auth.test", ApiError("invalid_auth"))
    settings = load(environment(quiet_desk.slack, quiet_desk.gateway, quiet_desk.database))
    quiet_desk.bot = Bot(settings, quick_tuning(longest_pause=0.05))
    await quiet_desk.bot.start()
    while "invalid_auth" not in str((await quiet_desk.get("/readyz"))[1]["missing"]):  # noqa: ASYNC110 -- as above
        await asyncio.sleep(0)  # until the bot has noticed
    assert isinstance(quiet_desk.slack, LocalSlack)


async def test_who_acts_while_the_bot_stops_is_still_answered(quiet_desk: Desk) -> None:
    """A click whose commit is under way when SIGTERM comes is acknowledged, not lost with the connection."""
    bot = await quiet_desk.start_bot()
    card = await quiet_desk.ask("ord_1")
    held = threading.Event()
    bot.store._writer.submit(held.wait)
    clicking = asyncio.create_task(quiet_desk.ben.click(card, "approve"))
    while not bot._precedence._answering:  # noqa: ASYNC110 -- there is nothing to wait on but the count
        await asyncio.sleep(0)
    stopping = asyncio.create_task(quiet_desk.stop_bot())
    for _ in range(20):
        await asyncio.sleep(0)
    held.set()
    await clicking
    await stopping


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_slow_answer_is_waited_for_at_a_stop(quiet_desk: Desk, mode: str) -> None:
    """Somebody whose standing takes Slack long to tell is acknowledged, and told, before the bot goes."""
    hanging = asyncio.Event()
    quiet_desk.slack.faults.always("usergroups.users.list", ApiError("internal_error"))
    if mode == "http":
        await quiet_desk.start_bot(SLACK_APP_TOKEN="", SLACK_SIGNING_SECRET=quiet_desk.slack.signing_secret)
    else:
        await quiet_desk.start_bot()
    card = await quiet_desk.ask("ord_1")
    quiet_desk.slack.faults.always("usergroups.users.list", Hang(hanging))
    before = len(quiet_desk.slack.calls)
    clicking = asyncio.create_task(quiet_desk.cleo.click(card, "approve"))
    await quiet_desk.wait(
        lambda: "usergroups.users.list" in [call.method for call in quiet_desk.slack.calls[before:]],
    )
    await quiet_desk.stop_bot()
    await clicking
    assert "did not tell me who the approvers are" in await quiet_desk.told(quiet_desk.cleo)
    hanging.set()


async def test_it_is_not_ready_while_stopping(desk: Desk) -> None:
    """Whoever sends requests here learns that they belong elsewhere."""
    assert desk.bot is not None
    desk.bot._stopping = True
    status, body = await desk.get("/readyz")
    assert (status, body["missing"]) == (503, ["stopping"])


async def test_a_frozen_connection_does_not_hold_up_the_stop(quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not end when it is told to is left behind, and the file is closed all the same."""
    monkeypatch.setattr("bot.app._GOODBYE", 0.01)
    bot = await quiet_desk.start_bot()
    frozen = asyncio.Event()

    async def goodbye() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await frozen.wait()

    bot._keep_running("frozen", goodbye)
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await quiet_desk.stop_bot()
    frozen.set()
    await asyncio.gather(bot._tasks[-1], return_exceptions=True)


async def test_a_start_that_fails_leaves_nothing_open(quiet_desk: Desk) -> None:
    """With the port taken, the next try has the file to itself, and no session is forgotten."""
    taken = socket.create_server(("127.0.0.1", 0))
    port = str(taken.getsockname()[1])
    with taken, pytest.raises(OSError, match="in use"):
        await quiet_desk.start_bot(PORT=port)
    quiet_desk.bot = None
    gc.collect()
    await quiet_desk.start_bot(PORT=port)


async def test_what_was_put_off_is_in_the_log_when_the_bot_ends(
    quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who is answered very late in a stop leaves a line like everybody else."""
    bot = await quiet_desk.start_bot()
    precedence = bot._precedence
    with structlog.testing.capture_logs() as logs:
        with precedence.answering():
            monkeypatch.setattr("bot.app._ANSWERED_WITHIN", 0)  # the stop does not wait for this one
            stopping = asyncio.create_task(quiet_desk.stop_bot())
            while not bot.worker._stopping:  # noqa: ASYNC110 -- there is nothing to wait on but the flag
                await asyncio.sleep(0)
            precedence._at_most = precedence._quiet_after = 60
            precedence.afterwards(lambda: structlog.get_logger().info("approve"))
        await stopping
    assert [line["event"] for line in logs][-2:] == ["approve", "stopped"]
