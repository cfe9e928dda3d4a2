"""``/cancel-audit … csv``: the whole answer as a file by direct message."""

import asyncio
import csv
import io
from hashlib import sha256

import pytest
import structlog

from bot.domain.events import LookedUp
from bot.sandbox.faults import ApiError, Canned, Drop, Fault, Hang, broken, rate_limited
from bot.sandbox.files import SlackFile
from bot.sandbox.person import Person
from bot.slack.listeners import looking_up
from tests.flows.desk import ANN, OLGA, VERA, Desk
from tests.flows.test_lookups import look_up


async def file_of(desk: Desk, person: Person, line: str) -> SlackFile:
    """Type a command, and return the file that it brings."""
    known = len(person.files)
    told = await look_up(desk, person, line)
    assert "as a file by direct message" in told
    await desk.wait(lambda: len(person.files) > known)
    return person.files[-1]


def rows_of(file: SlackFile) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(file.content.decode(), newline="")))


async def test_the_whole_answer_comes_as_a_file(desk: Desk) -> None:
    """It has more rows than a page, is recorded with its digest, and says that its times are in UTC."""
    for number in range(12):
        await desk.fill_in(f"ord_p{number:02}", "=1+1")
    file = await file_of(desk, desk.vera, "/cancel-audit pending today CSV")
    assert [row["order"] for row in rows_of(file)] == [f"ord_p{number:02}" for number in range(11, -1, -1)]
    assert {row["reason"] for row in rows_of(file)} == {"'=1+1"}
    assert {row["requested_at"][-6:] for row in rows_of(file)} == {"+00:00"}
    assert file.name.endswith("-UTC.csv")
    message = desk.vera.direct_messages[-1]
    digest = sha256(file.content).hexdigest()
    assert "Cancellations on record for pending today: 12 orders, as of " in message.text
    assert "All times in the file are in UTC." in message.text
    assert digest in message.text
    recorded = [event for event in await desk.events() if event.kind == "looked_up"]
    assert [(event.actor, event.content) for event in recorded] == [(VERA, LookedUp("pending today CSV", 12, digest))]


async def test_the_message_names_people_as_people(desk: Desk) -> None:
    """A filter by person is shown under the name that each reader knows, and other signs as they were typed."""
    await desk.ask("ord_1")
    await file_of(desk, desk.vera, "/cancel-audit @ann csv")
    assert f"Cancellations on record for <@{ANN}>: 1 order" in desk.vera.direct_messages[-1].text
    assert "for @ann: 1 order" in desk.vera.reads(desk.vera.direct_messages[-1])


async def test_the_story_of_an_order_comes_as_a_file(desk: Desk) -> None:
    """Each event is a row, with the words that people typed."""
    card = await desk.ask("ord_1", "typed twice")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    await desk.replies(card)
    rows = rows_of(await file_of(desk, desk.vera, "/cancel-audit ORD_1 csv"))
    assert {"requested", "approved", "sending", "cancelled"} <= {row["kind"] for row in rows}
    assert "typed twice" in rows[-1]["data"]
    assert all(row["at"].endswith("Z") for row in rows)


async def test_csv_alone_is_everything_that_one_may_read(desk: Desk) -> None:
    """An outsider gets their own requests, and no word of a refused one of somebody else."""
    await desk.ask("ord_1", "my-own-words", person=desk.olga)
    assert await desk.fill_in("ord_1", "secret-words") is not None
    await desk.ask("ord_2", "other-words")
    assert {row["order"] for row in rows_of(await file_of(desk, desk.vera, "/cancel-audit csv"))} == {"ord_1", "ord_2"}
    for line in ("/cancel-audit csv", "/cancel-audit me csv", "/cancel-audit ord_1 csv", "/cancel-audit today csv"):
        content = (await file_of(desk, desk.olga, line)).content.decode()
        assert "my-own-words" in content, line
        assert "secret-words" not in content, line
        assert "ord_2" not in content, line
        assert "These are only your own requests." in desk.olga.direct_messages[-1].text
    assert b"secret-words" in (await file_of(desk, desk.vera, "/cancel-audit ord_1 csv")).content
    assert {event.actor for event in await desk.events() if event.kind == "looked_up"} == {OLGA, VERA}


async def test_what_is_not_allowed_or_matches_nothing_brings_no_file(desk: Desk) -> None:
    """The person reads the same as without csv, and it is on record in the same way."""
    await desk.ask("ord_1")
    assert "You can look up only your own requests" in await look_up(desk, desk.olga, "/cancel-audit @ann csv")
    for line, words in {
        "/cancel-audit cancelled csv": "No requests match.",
        "/cancel-audit ord_9 csv": "No request for an order ord_9 is on record",
        "/cancel-audit csv csv": "once, as the last word: then I send you a file",
        "/cancel-audit csv ord_1": "once, as the last word: then I send you a file",
        "/cancel-audit state:gone csv": "'gone' is not a state",
        "/cancel-audit order:csv": "No request for an order csv is on record",
    }.items():
        assert words in await look_up(desk, desk.vera, line), line
    assert not [call for call in desk.slack.calls if call.method.startswith("files.")]
    assert [event.content.rows for event in await desk.events() if isinstance(event.content, LookedUp)] == [0, 0, 0]


async def test_the_command_is_acknowledged_while_slack_takes_no_file(desk: Desk) -> None:
    """The file comes later, and another look-up does not wait for it."""
    go_on = asyncio.Event()
    desk.slack.faults.add("upload", Hang(go_on))
    await desk.ask("ord_1")
    assert "comes as a file by direct message: 1 order." in await look_up(desk, desk.vera, "/cancel-audit csv")
    assert "ord_1" in await look_up(desk, desk.ben, "/cancel-audit")
    assert not desk.vera.files
    go_on.set()
    await desk.wait(lambda: desk.vera.files)


NOT_SECURE = Canned(
    200, b'{"ok":true,"upload_url":"http://files.test/1","file_id":"F1"}', {"Content-Type": "application/json"}
)
"""An address to which the words of others would go without TLS."""
METHODS = ["conversations.open", "files.getUploadURLExternal", "upload", "files.completeUploadExternal"]


@pytest.mark.parametrize(
    "method, fault, words",
    [
        *((method, Drop(), "") for method in METHODS),
        *((method, broken(500), "") for method in METHODS),
        ("files.getUploadURLExternal", ApiError("missing_scope"), "lacks the permission files:write"),
        ("files.completeUploadExternal", ApiError("missing_scope"), "Ask @ben to update the app."),
        ("files.getUploadURLExternal", rate_limited(), "does not take files at the moment (ratelimited)"),
        ("files.getUploadURLExternal", ApiError("file_uploads_disabled"), "(file_uploads_disabled). Nothing was sent"),
        ("conversations.open", ApiError("cannot_dm_bot"), "into a direct message to you (cannot_dm_bot)"),
        ("files.completeUploadExternal", ApiError("channel_not_found"), "I can't put it into a direct message to you"),
        (
            "files.getUploadURLExternal",
            NOT_SECURE,
            "Slack did not take the file (address_not_secure).",
        ),
        ("upload", Canned(413, b"", {}), "Slack did not take the file (http_413). Nothing was sent."),
        ("files.completeUploadExternal", Drop(after_effect=True), "Look at my direct messages before you ask for it"),
    ],
)
async def test_a_file_that_does_not_come_is_told(quiet_desk: Desk, method: str, fault: Fault, words: str) -> None:
    """The person reads why, and whether something was sent; the look-up was recorded before."""
    await quiet_desk.start_bot(CONTACT=quiet_desk.ben.id)
    await quiet_desk.ask("ord_1")
    await quiet_desk.running_bot.worker.until_idle()  # the receipt opens a direct message as well
    quiet_desk.slack.faults.add(method, fault)
    with structlog.testing.capture_logs() as logs:
        await look_up(quiet_desk, quiet_desk.vera, "/cancel-audit csv")
        told = await quiet_desk.told(quiet_desk.vera, 2)
    assert words in told
    doubtful = method == "files.completeUploadExternal" and not isinstance(fault, ApiError)
    assert ("Nothing was sent" in told or "have not got the file" in told) != doubtful
    assert ("Slack did not say whether it took the file" in told) == doubtful
    assert len(quiet_desk.vera.files) == isinstance(fault, Drop) * bool(getattr(fault, "after_effect", False))
    assert [event["event"] for event in logs if event["log_level"] in {"warning", "error"}] == ["file_not_sent"]
    assert [event.kind for event in await quiet_desk.events()][-1] == "looked_up"


async def test_a_bot_without_the_scope_says_so(quiet_desk: Desk) -> None:
    """An app that was installed before there were files goes on with everything else."""
    quiet_desk.slack.api.scopes = quiet_desk.slack.api.scopes - {"files:write"}
    await quiet_desk.start_bot()
    await quiet_desk.ask("ord_1")
    await look_up(quiet_desk, quiet_desk.vera, "/cancel-audit csv")
    told = await quiet_desk.told(quiet_desk.vera, 2)
    assert "lacks the permission files:write" in told
    assert "Ask the bot's operator to update the app." in told
    _, ready = await quiet_desk.get("/readyz")
    assert "files:write" in str(ready["notes"])


async def test_a_large_answer_is_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of many parts, beyond what is kept in memory, has every row once."""
    monkeypatch.setattr("bot.workflow.workflow._PART", 3)
    monkeypatch.setattr(looking_up, "_IN_MEMORY", 500)
    for number in range(8):
        await desk.fill_in(f"ord_p{number:02}", f"reason {number}\n" * 20)
    file = await file_of(desk, desk.vera, "/cancel-audit csv")
    assert [row["order"] for row in rows_of(file)] == [f"ord_p{number:02}" for number in range(7, -1, -1)]
    assert file.content.count(b"requested_at") == 1


async def test_a_stop_does_not_wait_for_a_file(quiet_desk: Desk) -> None:
    """A file that is under way when the bot stops is not sent; after the next start the person asks again."""
    await quiet_desk.start_bot()
    await quiet_desk.ask("ord_1")
    await quiet_desk.running_bot.worker.until_idle()
    quiet_desk.slack.faults.add("upload", Hang(asyncio.Event()))
    await look_up(quiet_desk, quiet_desk.vera, "/cancel-audit csv")
    asked_for = "files.getUploadURLExternal"
    await quiet_desk.wait(lambda: [call for call in quiet_desk.slack.calls if call.method == asked_for])
    with structlog.testing.capture_logs() as logs:
        await quiet_desk.stop_bot()
    assert not [event for event in logs if event["log_level"] in {"warning", "error"}]
    quiet_desk.slack.heal()
    await quiet_desk.start_bot()
    assert rows_of(await file_of(quiet_desk, quiet_desk.vera, "/cancel-audit csv"))
