"""``/cancel-audit ORDER evidence``: a file by direct message that proves what happened to one order."""

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import structlog

from bot.domain.delivery import DeliveryKind
from bot.domain.events import DeliveryAbandoned, EvidenceAsked, LookedUp
from bot.domain.seal import new_key
from bot.sandbox.faults import ApiError, Canned, Drop, Fault, Hang, broken, rate_limited
from bot.sandbox.files import SlackFile
from bot.sandbox.person import Person
from bot.store import verify_all
from bot.workflow import Patience
from tests.clock import Clock
from tests.flows.desk import BEN, LEADS, OLGA, VERA, Desk, quick_tuning
from tests.flows.test_lookups import look_up

COMPLETE = "files.completeUploadExternal"


async def evidence(desk: Desk, person: Person, order: str = "ord_1") -> SlackFile:
    """Ask for the evidence for an order, and return the file that comes."""
    known = len(person.files)
    told = await look_up(desk, person, f"/cancel-audit {order} evidence")
    assert "comes as a file by direct message" in told
    return await desk.file(person, known + 1)


@pytest.mark.parametrize("files", [None, [], [{"id": "F0OTHER"}], "F0OTHER"])
async def test_evidence_is_owed_until_slack_names_its_file(desk: Desk, files: object) -> None:
    """An "ok" that names no file, or another one, does not prove that anybody has it."""
    await desk.ask("ord_1")
    body = json.dumps({"ok": True, "files": files}).encode()
    desk.slack.faults.add(COMPLETE, Canned(200, body, {"Content-Type": "application/json"}))
    await evidence(desk, desk.vera)
    await nothing_owed(desk)


async def handed_out(desk: Desk) -> list[tuple[str, LookedUp]]:
    """Return who got which evidence, as the record says."""
    found = [(event.actor, event.content) for event in await desk.events()]
    return [(actor, each) for actor, each in found if isinstance(each, LookedUp) and each.rows]


async def nothing_owed(desk: Desk) -> None:
    """Wait until the bot owes nobody evidence any more."""
    sql = "SELECT 1 FROM deliveries WHERE kind = 'evidence' AND status = 'queued'"
    while await desk.running_bot.store.read(lambda tables: tables.connection.execute(sql)):  # noqa: ASYNC110 -- the database
        await asyncio.sleep(0.01)


def text_of(file: SlackFile, name: str) -> str:
    """Return the text of a file in the evidence."""
    with ZipFile(BytesIO(file.content)) as bundle:
        return bundle.read(name).decode()


async def test_evidence_comes_by_direct_message_and_convinces_with_the_key_alone(
    quiet_desk: Desk, tmp_path: Path
) -> None:
    """The record has the SHA-256 of the file, and the message says it."""
    key = new_key()
    await quiet_desk.start_bot(RECORD_KEY=key.text)
    await quiet_desk.ask("ord_1", "typed twice")
    file = await evidence(quiet_desk, quiet_desk.vera, "ORD_1")
    digest = sha256(file.content).hexdigest()
    message = quiet_desk.vera.direct_messages[-1]
    assert f"SHA-256: {digest}" in message.text
    assert "Evidence for order ord_1: " in message.text
    assert "typed twice" in text_of(file, "index.html")
    assert [(actor, each.filters, each.sha256) for actor, each in await handed_out(quiet_desk)] == [
        (VERA, "ord_1 evidence", digest)
    ]
    with ZipFile(BytesIO(file.content)) as bundle:
        bundle.extractall(tmp_path)
    command = [sys.executable, str(tmp_path / "verify.py"), "--key", key.public.text]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert (ended.returncode, "not checked" in ended.stdout) == (0, False), ended.stderr
    await nothing_owed(quiet_desk)
    assert verify_all(quiet_desk.place, keys=[key.public]).damage is None


async def test_evidence_has_what_its_reader_may_look_up(desk: Desk) -> None:
    """An outsider gets their own requests, and no word of a refused one of somebody else."""
    await desk.ask("ord_1", "my-own-words", person=desk.olga)
    assert await desk.fill_in("ord_1", "secret-words") is not None
    await desk.ask("ord_2", "other-words")
    own = await evidence(desk, desk.olga)
    page, events = text_of(own, "index.html"), text_of(own, "events.jsonl")
    assert "my-own-words" in page
    assert "It has only the requests of the person who asked for it." in page
    assert "secret-words" not in page + events
    assert "These are only your own requests." in desk.olga.direct_messages[-1].text
    assert "secret-words" in text_of(await evidence(desk, desk.ben), "index.html")
    assert "No request for an order ord_2" in await look_up(desk, desk.olga, "/cancel-audit ord_2 evidence")
    assert [actor for actor, _ in await handed_out(desk)] == [OLGA, BEN]


async def test_evidence_leads_to_no_card_that_is_gone(desk: Desk) -> None:
    """Its page has no link to a card that somebody deleted."""
    card, receipt = await desk.ask("ord_1"), await desk.receipt("Open the card")
    link = f'/p{card.ts.replace(".", "")}"'
    assert link in text_of(await evidence(desk, desk.vera), "index.html")
    desk.slack.space.delete_message(card.channel, card.ts)
    await desk.ann.click(receipt, "withdraw")
    await desk.receipt("Withdrawn")
    await nothing_owed(desk)
    assert link not in text_of(await evidence(desk, desk.vera), "index.html")


@pytest.mark.parametrize(
    "line, words",
    [
        ("evidence", "type its ID and then evidence"),
        ("ord_1 7d evidence", "type its ID and then evidence"),
        ("pending evidence", "type its ID and then evidence"),
        ("evidence ord_1", "Type 'evidence' once, as the last word"),
        ("ord_1 csv evidence", "once, as the last word"),
        ("ord_9 evidence", "No request for an order ord_9 is on record"),
        ("order:evidence", "No request for an order evidence is on record"),
    ],
)
async def test_nothing_comes_where_there_is_no_evidence_to_send(desk: Desk, line: str, words: str) -> None:
    """The answer says what to type, or that there is nothing."""
    await desk.ask("ord_1")
    assert words in await look_up(desk, desk.vera, f"/cancel-audit {line}")
    assert not [each for each in await desk.events() if each.kind == EvidenceAsked.kind]


NOT_SECURE = Canned(
    200, b'{"ok":true,"upload_url":"http://files.test/1","file_id":"F1"}', {"Content-Type": "application/json"}
)


@pytest.mark.parametrize(
    "method, fault, words",
    [
        ("files.getUploadURLExternal", ApiError("missing_scope"), "lacks the permission files:write"),
        (COMPLETE, ApiError("missing_scope"), "Ask @ben to update the app."),
        ("files.getUploadURLExternal", ApiError("file_uploads_disabled"), "(file_uploads_disabled). Nothing was sent"),
        ("files.getUploadURLExternal", NOT_SECURE, "Slack did not take the file (address_not_secure)."),
        ("upload", Canned(413, b"", {}), "Slack did not take the file (http_413). Nothing was sent."),
    ],
)
async def test_evidence_that_can_never_come_is_told_once(
    quiet_desk: Desk, method: str, fault: Fault, words: str
) -> None:
    """Its reader can ask again; the bot does not go on by itself, and the record still verifies."""
    await quiet_desk.start_bot(CONTACT=BEN)
    await quiet_desk.ask("ord_1")
    await quiet_desk.running_bot.worker.until_idle()
    quiet_desk.slack.faults.add(method, fault)
    await look_up(quiet_desk, quiet_desk.vera, "/cancel-audit ord_1 evidence")
    told = await quiet_desk.direct(quiet_desk.vera)
    assert told.startswith("You asked for the evidence for order ord_1. ")
    assert words in told
    await nothing_owed(quiet_desk)
    assert (len(quiet_desk.vera.direct_messages), quiet_desk.vera.files) == (1, [])
    last = (await quiet_desk.events())[-1].content
    assert isinstance(last, DeliveryAbandoned)
    assert last.delivery is DeliveryKind.EVIDENCE
    assert verify_all(quiet_desk.place).damage is None


@pytest.mark.parametrize("fault", [Drop(), rate_limited(0), ApiError("internal_error")])
async def test_its_reader_hears_of_it_though_slack_does_not_take_that_at_first(quiet_desk: Desk, fault: Fault) -> None:
    """The bot keeps its promise: the file comes, or the reason why it does not."""
    await quiet_desk.start_bot()
    await quiet_desk.ask("ord_1")
    await quiet_desk.running_bot.worker.until_idle()
    quiet_desk.slack.faults.always("files.getUploadURLExternal", ApiError("missing_scope"))
    quiet_desk.slack.faults.add("chat.postMessage", fault)
    await look_up(quiet_desk, quiet_desk.vera, "/cancel-audit ord_1 evidence")
    assert "lacks the permission files:write" in await quiet_desk.direct(quiet_desk.vera)
    await nothing_owed(quiet_desk)


async def test_a_bot_without_the_scope_says_so(quiet_desk: Desk) -> None:
    """Nobody can have read what was never sent, so nothing is on record as handed out."""
    quiet_desk.slack.api.scopes = quiet_desk.slack.api.scopes - {"files:write"}
    await quiet_desk.start_bot()
    await quiet_desk.ask("ord_1")
    await look_up(quiet_desk, quiet_desk.vera, "/cancel-audit ord_1 evidence")
    assert "lacks the permission files:write" in await quiet_desk.direct(quiet_desk.vera)
    assert not await handed_out(quiet_desk)


@pytest.mark.parametrize(
    "method, fault",
    [
        *((method, Drop()) for method in ("conversations.open", "files.getUploadURLExternal", "upload", COMPLETE)),
        ("files.getUploadURLExternal", rate_limited()),
        ("upload", broken(503)),
        (COMPLETE, broken(500)),
        (COMPLETE, Drop(after_effect=True)),
    ],
)
async def test_evidence_comes_once_through_passing_trouble(quiet_desk: Desk, method: str, fault: Fault) -> None:
    """The bot tries again, and after an unclear answer it looks whether the file is there."""
    await quiet_desk.start_bot()
    await quiet_desk.ask("ord_1")
    await quiet_desk.running_bot.worker.until_idle()
    quiet_desk.slack.faults.add(method, fault)
    await evidence(quiet_desk, quiet_desk.vera)
    await nothing_owed(quiet_desk)
    assert len(quiet_desk.vera.files) == 1
    digest = sha256(quiet_desk.vera.files[0].content).hexdigest()
    assert digest in {each.sha256 for _, each in await handed_out(quiet_desk)}
    assert verify_all(quiet_desk.place).damage is None


async def test_a_stop_leaves_the_evidence_to_the_next_start(quiet_desk: Desk) -> None:
    """The reader need not ask again."""
    await quiet_desk.start_bot()
    await quiet_desk.ask("ord_1")
    await quiet_desk.running_bot.worker.until_idle()
    quiet_desk.slack.faults.always("upload", Hang(asyncio.Event()))
    await look_up(quiet_desk, quiet_desk.vera, "/cancel-audit ord_1 evidence")
    method = "files.getUploadURLExternal"
    await quiet_desk.wait(lambda: [call for call in quiet_desk.slack.calls if call.method == method])
    quiet_desk.running_bot.worker.stopping = True  # nothing new begins, and what hangs is given no time
    await quiet_desk.running_bot.worker.stop(0)
    await quiet_desk.stop_bot()
    quiet_desk.slack.heal()
    await quiet_desk.start_bot()
    await quiet_desk.file(quiet_desk.vera)
    await nothing_owed(quiet_desk)
    assert len(quiet_desk.vera.files) == 1


async def owed_evidence(desk: Desk, column: str) -> Any:
    """Return what the database has in a column of the one delivery of evidence."""
    sql = f"SELECT {column} FROM deliveries WHERE kind = 'evidence'"
    rows = await desk.running_bot.store.read(lambda tables: tables.connection.execute(sql))
    return rows[0][0]


async def stopped_while_owed(desk: Desk) -> None:
    """Leave a desk without a bot that owes Cleo the evidence for an order; Slack had asked for a pause."""
    await desk.start_bot()
    await desk.ask("ord_1")
    await desk.running_bot.worker.until_idle()
    method = "files.getUploadURLExternal"
    desk.slack.faults.always(method, rate_limited(1))
    await look_up(desk, desk.cleo, "/cancel-audit ord_1 evidence")
    await desk.wait(lambda: [call for call in desk.slack.calls if call.method == method])
    await desk.stop_bot()
    desk.slack.heal()


async def test_who_may_no_longer_read_it_gets_no_evidence(quiet_desk: Desk) -> None:
    """The rights are those of the moment in which the file is made."""
    await stopped_while_owed(quiet_desk)
    quiet_desk.slack.space.groups[LEADS] = [VERA]
    with structlog.testing.capture_logs() as logs:
        await quiet_desk.start_bot()
        assert "You can no longer look up order ord_1" in await quiet_desk.direct(quiet_desk.cleo)
        await nothing_owed(quiet_desk)
    assert not quiet_desk.cleo.files
    assert not await handed_out(quiet_desk)
    assert not [event for event in logs if event["log_level"] == "error"]
    assert verify_all(quiet_desk.place).damage is None


async def test_evidence_that_slack_shows_late_is_there_once_in_the_end(database: Path) -> None:
    """Slack took it without an answer, so it comes again; a minute later one file is there."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        bot = await desk.start_bot(quick_tuning(now=clock, patience=Patience()))
        await desk.ask("ord_1")
        await bot.worker.until_idle()
        desk.slack.history.lag = timedelta(seconds=20)
        desk.slack.faults.add(COMPLETE, Drop(after_effect=True))
        await look_up(desk, desk.vera, "/cancel-audit ord_1 evidence")
        await desk.wait(lambda: desk.vera.files)
        for expected, seconds in ((2, 5), (1, 60)):
            for _ in range(3):
                clock.advance(seconds=seconds)
                await bot.worker.until_idle()
            assert len(desk.vera.direct_messages) == expected
        await nothing_owed(desk)


async def test_who_may_have_got_it_before_is_not_told_that_it_was_not_sent(quiet_desk: Desk) -> None:
    """Slack took the file without an answer, shows it late, and its reader loses the right meanwhile."""
    cleo = quiet_desk.cleo
    await quiet_desk.start_bot()
    await quiet_desk.ask("ord_1")
    await quiet_desk.running_bot.worker.until_idle()
    quiet_desk.slack.history.lag = timedelta(seconds=20)
    quiet_desk.slack.faults.add(COMPLETE, Drop(after_effect=True))
    await look_up(quiet_desk, cleo, "/cancel-audit ord_1 evidence")
    await quiet_desk.wait(lambda: cleo.files)
    await quiet_desk.stop_bot()
    quiet_desk.slack.space.groups[LEADS] = [VERA]
    await quiet_desk.start_bot()
    told = await quiet_desk.wait(
        lambda: next((text for each in cleo.direct_messages if "no longer" in (text := cleo.reads(each))), None)
    )
    assert told.startswith(
        "You can no longer look up order ord_1, so I don't send you its evidence again. "
        "Slack did not say whether it took the file before."
    )


async def test_a_reader_whose_rights_slack_does_not_name_waits(quiet_desk: Desk) -> None:
    """No answer about a group is no reason to send less than somebody may read, or to refuse them."""
    await stopped_while_owed(quiet_desk)
    quiet_desk.slack.faults.always("usergroups.users.list", broken(500))
    await quiet_desk.start_bot()
    while await owed_evidence(quiet_desk, "problem") != "person_not_checked":  # noqa: ASYNC110 -- the database
        await asyncio.sleep(0.01)
    assert not quiet_desk.cleo.files
    quiet_desk.slack.heal()
    await quiet_desk.file(quiet_desk.cleo)


async def test_a_reader_is_told_once_that_the_file_waits_for_their_user_group(quiet_desk: Desk) -> None:
    """Only the operator can bring back a group that somebody disabled, so its reader must not wait without a word."""
    await stopped_while_owed(quiet_desk)
    members = quiet_desk.slack.space.groups.pop(LEADS)
    await quiet_desk.start_bot(APPROVERS=LEADS)
    assert await quiet_desk.direct(quiet_desk.cleo) == (
        "You asked for the evidence for order ord_1. I can't check with Slack whether you may look it up, so the file "
        f"waits. It comes as soon as I can. Slack does not let me read the user group {LEADS} any more. "
        "Tell the bot's operator."
    )
    while await owed_evidence(quiet_desk, "tries") < 10:  # noqa: ASYNC110 -- the database
        await asyncio.sleep(0.01)
    quiet_desk.slack.space.groups[LEADS] = members
    await quiet_desk.file(quiet_desk.cleo)
    assert len(quiet_desk.cleo.direct_messages) == 2
