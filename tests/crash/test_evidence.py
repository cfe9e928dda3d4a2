"""kill -9 around each commit on the way of a file of evidence: its reader gets it once."""

import asyncio

import pytest

from bot.sandbox.faults import Drop, Hang
from bot.store import verify_all
from tests.crash.processes import bot_process
from tests.flows.desk import LOBBY, Desk


@pytest.mark.parametrize(
    "kill",
    [
        {"KILL_AFTER": "ask_for_evidence,ask_for_evidence,1"},
        {"KILL_BEFORE": "ask_for_evidence,claim,1"},
        {"KILL_AFTER": "ask_for_evidence,claim,1"},
        {"KILL_BEFORE": "looked_up,looked_up,1"},
        {"KILL_AFTER": "looked_up,looked_up,1"},
        {"KILL_BEFORE": "looked_up,record_delivery,1"},
        {"KILL_AFTER": "looked_up,record_delivery,1"},
    ],
    ids=lambda kill: " ".join(*kill.items()),
)
async def test_evidence_that_was_asked_for_comes_once(quiet_desk: Desk, kill: dict[str, str]) -> None:
    """Nobody has to ask again, and nobody gets it twice."""
    async with bot_process(quiet_desk, **kill) as process:
        await quiet_desk.ask("ord_1")
        await quiet_desk.receipt()
        await quiet_desk.vera.command("/cancel-audit ord_1 evidence", LOBBY)
        await process.wait()
    assert process.returncode == -9
    async with bot_process(quiet_desk):
        await quiet_desk.file(quiet_desk.vera)
        await quiet_desk.ask("ord_2")
        await quiet_desk.wait(lambda: len(quiet_desk.receipts(quiet_desk.ann)) == 2, within=30)
    assert len(quiet_desk.vera.files) == 1
    assert verify_all(quiet_desk.place).damage is None


async def test_killed_while_slack_took_the_evidence(quiet_desk: Desk) -> None:
    """A file whose arrival the bot did not live to confirm is found again by the text of its message."""
    async with bot_process(quiet_desk) as process:
        await quiet_desk.ask("ord_1")
        await quiet_desk.receipt()
        quiet_desk.slack.faults.add("files.completeUploadExternal", Drop(after_effect=True))
        quiet_desk.slack.faults.always("conversations.history", Hang(asyncio.Event()))
        await quiet_desk.vera.command("/cancel-audit ord_1 evidence", LOBBY)
        await quiet_desk.file(quiet_desk.vera)
        process.kill()
    quiet_desk.slack.heal()
    known = len([call for call in quiet_desk.slack.calls if call.method == "conversations.history"])
    async with bot_process(quiet_desk):
        await quiet_desk.wait(
            lambda: len([call for call in quiet_desk.slack.calls if call.method == "conversations.history"]) > known,
            within=30,
        )
        await quiet_desk.ask("ord_2")
        await quiet_desk.wait(lambda: len(quiet_desk.receipts(quiet_desk.ann)) == 2, within=30)
    assert len(quiet_desk.vera.files) == 1
