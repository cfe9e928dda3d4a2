"""kill -9 of a real bot process at the worst moments, SIGTERM, and starting again."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec

from bot.sandbox.faults import Drop, Hang, Without
from tests.crash.processes import bot_process, finished
from tests.flows.desk import PAYMENTS, Desk


async def test_killed_right_after_the_form(quiet_desk: Desk) -> None:
    """An acknowledged request gets its card from the next process."""
    async with bot_process(quiet_desk) as process:
        quiet_desk.slack.faults.always("chat.postMessage", Hang(asyncio.Event()))
        assert await quiet_desk.fill_in("ord_1") is None
        process.kill()
    quiet_desk.slack.faults.clear()
    assert not quiet_desk.slack.space.messages(PAYMENTS)
    async with bot_process(quiet_desk):
        card = await quiet_desk.card("ord_1")
        await quiet_desk.ben.click(card, "approve")
        await finished(quiet_desk)


async def test_killed_after_slack_took_the_card(quiet_desk: Desk) -> None:
    """A card whose posting the bot did not live to confirm is found again, not posted twice."""
    async with bot_process(quiet_desk) as process:
        quiet_desk.slack.faults.add("chat.postMessage", Drop(after_effect=True))
        quiet_desk.slack.faults.always("conversations.history", Hang(asyncio.Event()))
        await quiet_desk.fill_in("ord_1")
        await quiet_desk.card("ord_1")
        process.kill()
    quiet_desk.slack.faults.clear()
    async with bot_process(quiet_desk):
        await quiet_desk.ben.click(await quiet_desk.card("ord_1"), "approve")
        await finished(quiet_desk)


async def test_killed_after_slack_took_the_receipt(quiet_desk: Desk) -> None:
    """A receipt whose posting the bot did not live to confirm is found again, not posted twice."""
    async with bot_process(quiet_desk) as process:
        quiet_desk.slack.faults.add("chat.postMessage", Without(()), Drop(after_effect=True))
        quiet_desk.slack.faults.always("conversations.history", Hang(asyncio.Event()))
        await quiet_desk.fill_in("ord_1")
        await quiet_desk.receipt()
        process.kill()
    quiet_desk.slack.faults.clear()
    async with bot_process(quiet_desk):
        await quiet_desk.ben.click(await quiet_desk.card("ord_1"), "approve")
        await finished(quiet_desk)


async def test_killed_right_after_the_withdrawal_on_the_receipt(quiet_desk: Desk) -> None:
    """An acknowledged click on the receipt is told by the next process, on the card and on the receipt."""
    async with bot_process(quiet_desk) as process:
        card = await quiet_desk.ask("ord_1")
        receipt = await quiet_desk.receipt()
        quiet_desk.slack.faults.always("chat.update", Hang(asyncio.Event()))
        await quiet_desk.ann.click(receipt, "withdraw")
        process.kill()
    quiet_desk.slack.faults.clear()
    async with bot_process(quiet_desk):
        await quiet_desk.card_says(card, "Withdrawn")
        await quiet_desk.receipt("↩️ Withdrawn")
        assert quiet_desk.ann.direct_messages == [receipt]
    assert not quiet_desk.gateway.calls


async def test_killed_while_slack_took_its_time_with_the_card(quiet_desk: Desk) -> None:
    """Slack takes the killed bot's card after the next bot posted its own: whichever people click, one card is left."""
    until = asyncio.Event()
    async with bot_process(quiet_desk) as process:
        quiet_desk.slack.faults.add("chat.postMessage", Hang(until))
        await quiet_desk.fill_in("ord_1")
        await quiet_desk.wait(lambda: "chat.postMessage" in [call.method for call in quiet_desk.slack.calls])
        process.kill()
    async with bot_process(quiet_desk):
        card = await quiet_desk.card("ord_1")
        until.set()
        late = await quiet_desk.wait(lambda: quiet_desk.slack.space.messages(PAYMENTS)[1:])
        await quiet_desk.ben.click(late[0], "approve")
        await quiet_desk.card_says(card, "✅ Cancelled")
        await quiet_desk.card_says(late[0], "This is a copy of the card")
        assert len(await quiet_desk.endings(card)) == 1


async def test_killed_right_after_the_click(quiet_desk: Desk) -> None:
    """A click that was acknowledged leads to its call from the next process."""
    async with bot_process(quiet_desk) as process:
        card = await quiet_desk.ask("ord_1")
        quiet_desk.gateway.faults.always("ord_1", Hang(asyncio.Event()))
        await quiet_desk.ben.click(card, "approve")
        process.kill()
    quiet_desk.gateway.faults.clear()
    async with bot_process(quiet_desk):
        await finished(quiet_desk)


async def test_killed_during_the_gateway_call(quiet_desk: Desk) -> None:
    """An answer that the bot did not live to read is asked for again, and the effect stays one."""
    async with bot_process(quiet_desk) as process:
        card = await quiet_desk.ask("ord_1")
        quiet_desk.gateway.faults.add("ord_1", Drop(after_effect=True))
        quiet_desk.gateway.faults.always("ord_1", Hang(asyncio.Event()))
        await quiet_desk.ben.click(card, "approve")
        await quiet_desk.gateway.wait_for(lambda: quiet_desk.gateway.effects["ord_1"])
        process.kill()
    quiet_desk.gateway.faults.clear()
    async with bot_process(quiet_desk):
        await finished(quiet_desk)
        (reply,) = await quiet_desk.endings(await quiet_desk.card("ord_1"))
        assert "Asked again, it says that the order is cancelled" in reply


async def test_sigterm_ends_with_0_within_the_grace(quiet_desk: Desk) -> None:
    """SIGTERM lets a call in flight finish, keeps its result, and ends the process with 0."""
    async with bot_process(quiet_desk) as process:
        card = await quiet_desk.ask("ord_1")
        until = asyncio.Event()
        quiet_desk.gateway.faults.add("ord_1", Hang(until))
        await quiet_desk.ben.click(card, "approve")
        await quiet_desk.gateway.wait_for(lambda: quiet_desk.gateway.calls)
        process.send_signal(signal.SIGTERM)
        await quiet_desk.wait(lambda: not quiet_desk.slack.connections)
        until.set()
        async with asyncio.timeout(15):
            assert await process.wait() == 0
    async with bot_process(quiet_desk):
        await finished(quiet_desk)
    assert len(quiet_desk.gateway.calls) == 1


async def test_a_second_bot_on_the_same_file_is_refused(quiet_desk: Desk) -> None:
    """Two bots would do everything twice; the second one ends with a sentence."""
    async with bot_process(quiet_desk):
        environment = os.environ | quiet_desk.environment()
        second = await create_subprocess_exec(sys.executable, "-m", "bot", "run", stderr=PIPE, env=environment)
        async with asyncio.timeout(15):
            _, said = await second.communicate()
        assert second.returncode == 1
        assert "another bot is running on this file" in said.decode()
        assert "Traceback" not in said.decode()
