"""The playground's server: its gate, the state of each person, and what it keeps for the next run."""

import os
import re
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from click.testing import CliRunner

from bot.cli import main
from bot.sandbox.files import SlackFile
from bot.sandbox.playground.playground import Playground
from bot.sandbox.playground.server import STATIC, PageServer
from bot.sandbox.playground.snapshot import snapshot
from bot.sandbox.stage import ANN, OLGA, PAYMENTS
from bot.sandbox.workspace import Posted
from bot.slack.commands import COMMANDS
from tests.browser.conftest import running

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client that is no browser."""
    async with aiohttp.ClientSession() as session:
        yield session


def own(served: PageServer, **headers: str) -> dict[str, str]:
    """Return the headers that the page sends."""
    return {"Origin": served.url.rstrip("/"), "Content-Type": "application/json"} | headers


SAY = f'{{"person": "{ANN}", "do": "type", "channel": "{PAYMENTS}", "text": "hello"}}'


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": ""}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_another_site_cannot_drive_it(
    served: PageServer, playground: Playground, session: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    """Only the page's own requests do anything; other origins and form posts are refused."""
    async with session.post(f"{served.url}act", data=SAY, headers=own(served, **headers)) as answer:
        assert answer.status == status
    assert len(playground.slack.space.messages(PAYMENTS)) == (1 if status == 200 else 0)


async def test_a_foreign_name_for_this_machine_shows_nothing(
    served: PageServer, session: aiohttp.ClientSession
) -> None:
    """A site whose name was made to lead to loopback can read neither the page nor its state."""
    for path in ("", "static/app.js", f"state?person={ANN}", "events"):
        for foreign in ({"Host": f"evil.example:{served.port}"}, {"Origin": "https://evil.example"}):
            async with session.get(f"{served.url}{path}", headers=foreign) as answer:
                assert answer.status == 403


async def test_the_page_may_load_nothing_from_elsewhere(served: PageServer, session: aiohttp.ClientSession) -> None:
    """The policy allows this server alone, no inline code, and no frame around the page."""
    async with session.get(served.url) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert set(re.findall(r"(?:script|style|img|connect)-src ([^;]*)", policy)) == {"'self'"}


@pytest.mark.parametrize("path", ["nothing", "static/nothing.js", "static/..%2Fserver.py", "static/%2Fetc%2Fpasswd"])
async def test_there_is_nothing_else_to_get(served: PageServer, session: aiohttp.ClientSession, path: str) -> None:
    """Only the page's own files are served."""
    async with session.get(f"{served.url}{path}") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    "path, body",
    [
        ("act", "{"),
        ("act", "[]"),
        ("act", "{}"),
        ("act", '{"person": "U0NOBODY", "do": "close"}'),
        ("act", f'{{"person": "{ANN}", "do": "fly"}}'),
        ("act", f'{{"person": "{ANN}", "do": "type", "channel": "D0BEN", "text": "hi"}}'),
        ("act", f'{{"person": "{ANN}", "do": "click", "channel": "{PAYMENTS}", "ts": "1.2", "button": {{}}}}'),
        ("gateway", "{}"),
        ("gateway", '{"order": "", "status": "pending"}'),
        ("gateway", '{"order": "ord_9", "status": "eaten"}'),
        ("gateway", '{"fault": "choose", "on": true}'),
        ("gateway", '{"next": "418"}'),
        ("slack", "{}"),
        ("slack", '{"trouble": "weather", "on": true}'),
        ("act", f'{{"person": "{ANN}", "do": "choose", "channel": "{PAYMENTS}", "ts": "1.2", "menu": {{}}}}'),
        ("act", f'{{"person": "{ANN}", "do": "home", "tab": "about"}}'),
        ("act", f'{{"person": "{ANN}", "do": "use_home", "element": {{}}, "values": {{}}}}'),
        ("act", f'{{"person": "{ANN}", "do": "shortcut", "callback_id": "cancel"}}'),
    ],
)
async def test_a_request_that_the_page_would_not_send_is_refused(
    served: PageServer, session: aiohttp.ClientSession, path: str, body: str
) -> None:
    """The answer is 400."""
    async with session.post(f"{served.url}{path}", data=body, headers=own(served)) as answer:
        assert answer.status == 400


async def test_each_person_gets_their_own_messages(
    served: PageServer, playground: Playground, session: aiohttp.ClientSession
) -> None:
    """Private answers and direct messages are in one person's state alone, and the gateway's key is in nobody's."""
    space = playground.slack.space
    space.post(Posted("D0ANN", space.next_ts(), "for ann", [], space.bot_user_id))
    space.post(Posted(PAYMENTS, space.next_ts(), "only ann", [], space.bot_user_id, only_for=ANN))
    space.post(Posted(PAYMENTS, space.next_ts(), "for all", [], space.bot_user_id))
    texts: dict[str, list[str]] = {}
    for person in (ANN, OLGA):
        async with session.get(f"{served.url}state?person={person}") as answer:
            text = await answer.text()
            state: dict[str, Any] = await answer.json()
        texts[person] = [message["text"] for message in state["messages"]]
        assert "local-key" not in text
    assert texts == {ANN: ["for ann", "only ann", "for all"], OLGA: ["for all"]}
    assert state["commands"] == [asdict(command) for command in COMMANDS]


async def test_a_choice_on_a_message_that_changed(
    served: PageServer, playground: Playground, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bot gets it as it was on the page."""
    delivered: list[dict[str, Any]] = []

    async def deliver(_: str, payload: dict[str, Any]) -> None:
        delivered.append(payload)

    monkeypatch.setattr(playground.slack, "deliver", deliver)
    space = playground.slack.space
    message = space.post(Posted(PAYMENTS, space.next_ts(), "no menu by now", [], space.bot_user_id))
    option = {"text": {"type": "plain_text", "text": "Withdraw"}, "value": "withdraw"}
    menu = {"type": "overflow", "action_id": "more", "block_id": "b", "options": [option]}
    act = {"person": ANN, "do": "choose", "channel": PAYMENTS, "ts": message.ts, "menu": menu, "option": "withdraw"}
    async with session.post(f"{served.url}act", headers=own(served), json=act) as answer:
        assert answer.status == 200
    async with session.post(f"{served.url}act", headers=own(served), json=act | {"option": "retry"}) as answer:
        assert answer.status == 400
    assert [payload["actions"][0]["selected_option"] for payload in delivered] == [option]


async def test_the_box_of_the_bots_direct_messages_is_closed_as_the_manifest_has_it(
    served: PageServer, session: aiohttp.ClientSession
) -> None:
    """The server refuses what is typed there, too."""
    manifest = yaml.safe_load((ROOT / "manifest.yml").read_text("utf-8"))
    assert manifest["features"]["app_home"]["messages_tab_read_only_enabled"] is True
    typed = SAY.replace(PAYMENTS, "D0ANN")
    async with session.post(f"{served.url}act", headers=own(served), data=typed) as answer:
        assert answer.status == 400


async def test_the_page_is_small_and_makes_no_markup_from_data() -> None:
    """The page has under 150 KB, loads nothing from elsewhere, and never turns text into markup."""
    files = list(STATIC.iterdir())
    code = "".join(path.read_text("utf-8") for path in files if path.suffix == ".js")
    assert sum(path.stat().st_size for path in files) < 150_000
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", code)
    page = (STATIC / "index.html").read_text("utf-8") + (STATIC / "style.css").read_text("utf-8")
    assert not re.search(r"(src|href)=\"(?!/static/|#)|url\(|@import|style=|<script>", page)


async def test_the_next_run_goes_on_where_this_one_ended(database: Path) -> None:
    """Messages and orders are there again, a pending card still works, and new forms have new ids."""
    async with running(database) as playground:
        await playground.ask("ord_1001", "twice")
        playground.gateway.add_order("ord_mine", "completed")
    async with running(database) as playground:
        assert playground.notice == ""
        assert playground.gateway.orders["ord_mine"].status == "completed"
        await playground.ben.click(await playground.card("ord_1001"), "approve")
        await playground.gateway.wait_for(lambda: playground.gateway.effects["ord_1001"])
        await playground.ask("ord_1002", "twice")
    async with running(database) as playground:
        order = playground.gateway.orders["ord_1001"]
        assert (order.status, order.reason) == ("cancelled", "twice")
        assert order.cancelled_at is not None
        (call,) = playground.gateway.calls
        assert (call.order_id, call.status, call.effect) == ("ord_1001", 200, True)


async def test_a_call_without_an_answer_is_still_without_one_in_the_next_run(database: Path) -> None:
    """A lost answer is shown as lost, not as under way for ever."""
    async with running(database) as playground:
        playground.order_answer("lost")
        await playground.ben.click(await playground.ask("ord_1001", "twice"), "approve")
        await playground.gateway.wait_for(lambda: len(playground.gateway.calls) > 1)
    async with running(database) as playground:
        shown = await snapshot(playground, ANN)
        assert shown["gateway"]["calls"][0]["progress"] == "the answer was lost on the way"


async def test_files_and_notifications_are_there_in_the_next_run(database: Path) -> None:
    """The bytes of a file and the mention of a person come back as they were."""
    async with running(database) as playground:
        space = playground.slack.space
        file = SlackFile("F1", "answer.csv", "Answer", b"\xef\xbb\xbforder")
        space.post(Posted(PAYMENTS, space.next_ts(), f"<@{ANN}>", [], space.bot_user_id, files=[file]))
        notified = playground.ann.notifications
    async with running(database) as playground:
        assert playground.ann.files == [file]
        assert playground.ann.notifications == notified


@pytest.mark.parametrize("left", [None, "{", '{"messages": [{}], "orders": []}'])
async def test_lost_messages_are_said_to_be_lost(database: Path, left: str | None) -> None:
    """If the record is there but its messages are not, the page says so, and how to start over."""
    async with running(database):
        pass
    kept = database.with_suffix(".json")
    kept.unlink() if left is None else kept.write_text(left)
    async with running(database) as playground:
        shown = await snapshot(playground, ANN)
        assert shown["notice"].startswith("The messages of an earlier run are gone")
        assert f"delete {database.with_suffix('')}.*" in shown["notice"]


async def test_quorum_can_be_two(database: Path) -> None:
    """With two approvals required, the first one is counted and sends nothing."""
    async with running(database, settings={"APPROVALS_REQUIRED": "2"}) as playground:
        card = await playground.ask("ord_1001", "twice")
        await playground.ben.click(card, "approve")
        await playground.slack.space.changes.wait_for(lambda: "1 of 2" in playground.ann.reads(card))
        assert not playground.gateway.calls


@pytest.mark.parametrize(
    "words, settings",
    [
        ([], {"APPROVALS_REQUIRED": "1"}),
        (["--ttl", "90s", "--approvals", "2"], {"APPROVALS_REQUIRED": "2", "APPROVAL_TTL": "90s"}),
        (
            ["--remind", "10s,20s", "--escalate", "30s"],
            {"APPROVALS_REQUIRED": "1", "REMIND_AFTER": "10s,20s", "ESCALATE_AFTER": "30s", "ESCALATE_TO": OLGA},
        ),
    ],
)
async def test_options_become_settings_of_the_bot(
    monkeypatch: pytest.MonkeyPatch, words: list[str], settings: dict[str, str]
) -> None:
    """Without an option the bot's own default stays."""
    given: list[object] = []
    made = "bot.sandbox.playground.playground.Playground"
    monkeypatch.setattr(made, lambda _, **options: given.append(options["settings"]))
    monkeypatch.setattr("bot.sandbox.playground.server.play", lambda *_, **__: None)
    monkeypatch.setattr("asyncio.run", lambda _: None)
    assert CliRunner().invoke(main, ["playground", *words]).exit_code == 0
    assert given == [settings]


@pytest.mark.parametrize(
    "words, problem",
    [
        (["--ttl", "soon"], "is not a duration such as 90s"),
        (["--remind", "10s,soon"], "is not a duration such as 90s"),
        (["--remind", "20s,10s"], "does not ascend"),
        (["--escalate", "soon"], "is not a duration such as 90s"),
    ],
)
async def test_a_time_that_is_none_is_refused(words: list[str], problem: str) -> None:
    """The message says what a time looks like."""
    ended = CliRunner().invoke(main, ["playground", *words])
    assert ended.exit_code == 2
    assert problem in ended.output


async def test_times_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    """A reminder or an escalation after the end of a request ends the command with a line for each, and no more."""
    words = ["--ttl", "10s", "--remind", "20s", "--escalate", "30s", "--no-open", "--port", "0"]
    command = [sys.executable, "-m", "bot", "playground", *words]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    process = await create_subprocess_exec(*command, cwd=tmp_path, env=environ, stdout=PIPE, stderr=PIPE)
    output, errors = await process.communicate()
    assert process.returncode == 2
    assert output == b""
    assert re.fullmatch(r"REMIND_AFTER: 20s is too late.*\nESCALATE_AFTER: 30s is too late.*\n", errors.decode())


async def test_the_command_says_where_it_is_and_stops_cleanly(tmp_path: Path) -> None:
    """``playground --no-open`` prints its address, keeps its files below data/, and ends with 0 on Ctrl-C."""
    command = [sys.executable, "-m", "bot", "playground", "--no-open", "--port", "0"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    process = await create_subprocess_exec(*command, cwd=tmp_path, env=environ, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    first = (await process.stdout.readline()).decode()
    found = re.search(r"http://127\.0\.0\.1:\d+/", first)
    assert found, (first, (await process.communicate())[1].decode())
    async with aiohttp.ClientSession() as session, session.get(found[0]) as answer:
        assert "Cancel Desk playground" in await answer.text()
    second = await create_subprocess_exec(*command, cwd=tmp_path, env=environ, stdout=PIPE, stderr=PIPE)
    _, said = await second.communicate()
    assert second.returncode == 1
    assert "The playground is already running" in said.decode()
    process.send_signal(signal.SIGINT)
    _, said = await process.communicate()
    assert (process.returncode, said) == (0, b"")
    assert {path.name for path in (tmp_path / "data").iterdir()} >= {"playground.db", "playground.json"}
    with closing(sqlite3.connect(tmp_path / "data" / "playground.db")) as other, other:
        other.execute("DROP TRIGGER audit_events_no_update")
    third = await create_subprocess_exec(*command, cwd=tmp_path, env=environ, stdout=PIPE, stderr=PIPE)
    _, said = await third.communicate()
    assert third.returncode == 1
    assert "Or start over: delete data/playground.*" in said.decode()
