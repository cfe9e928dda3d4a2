"""Several bots on one database server, each with a switch in the page that kills it and starts it again."""

import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from click.testing import CliRunner
from playwright.async_api import Locator, expect

from bot.cli import main
from bot.sandbox.playground.playground import Playground
from bot.sandbox.playground.several import SeveralBots
from bot.sandbox.postgres import MISSING, programs
from bot.store import StoreError, StoreProblem
from tests.browser.conftest import Visit, Visitor
from tests.browser.test_screens import SIZES, violations

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """Yield a folder that is not below pytest's, which only the user who runs the tests may enter."""
    with tempfile.TemporaryDirectory(prefix="desk-several-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "playground.server"


@pytest_asyncio.fixture(loop_scope="session")
async def playground(server_folder: Path) -> AsyncIterator[Playground]:
    """Yield a playground with three bots."""
    found = programs()
    if found is None:
        pytest.skip(MISSING)
    async with SeveralBots(found, server_folder, replicas=3) as playground:
        yield playground


def switch(desk: Visitor, number: int) -> Locator:
    """Return the switch of this bot."""
    return desk.page.get_by_role("switch", name=f"Bot {number}")


async def says(desk: Visitor, number: int, words: str) -> None:
    """Wait until this bot's switch says this."""
    await expect(switch(desk, number)).to_contain_text(re.compile(words), timeout=30_000)


async def test_the_others_go_on_while_a_bot_is_dead(visit: Visit) -> None:
    """Whichever bot dies, a request is answered by the others, and the dead one is back after a click."""
    ben = await visit("ben")
    for number in (1, 2, 3):
        await says(ben, number, "ready")
    await ben.ask("ord_1001")
    for dead, order in ((1, "ord_1002"), (2, "ord_1004")):
        await switch(ben, dead).click()
        await says(ben, dead, "killed")
        await expect(switch(ben, dead)).to_have_attribute("aria-checked", "false")
        await ben.ask(order)
    await ben.choose("cleo")
    await ben.approve("ord_1004")
    await expect(ben.message("ord_1004").get_by_role("button", name="Approve")).to_have_count(0, timeout=60_000)
    await expect(ben.page.locator(".calls li")).to_have_count(1)
    await expect(ben.page.locator("#proof")).to_contain_text("intact")
    await switch(ben, 3).click()
    await expect(ben.page.locator("#banner")).to_have_text("No bot is ready at the moment.")
    for number in (1, 2, 3):
        await switch(ben, number).click()
    for number in (1, 2, 3):
        await says(ben, number, "ready")
    await expect(ben.page.locator("#banner")).to_be_hidden()
    await ben.ask("ord_1006")


@SIZES
async def test_the_switches_are_accessible(visit: Visit, viewport: Any) -> None:
    """A bot that runs and one that is dead can be told apart in every theme and at every width."""
    desk = await visit("ann", viewport=viewport)
    if viewport["width"] < 1000:
        await desk.button("Gateway").click()
    for number in (1, 2, 3):
        await says(desk, number, "ready")
    await switch(desk, 2).click()
    await says(desk, 2, "killed")
    assert await violations(desk, "bots") == []


async def test_messages_and_record_are_there_after_a_stop(server_folder: Path) -> None:
    """The next run goes on with both, and a second one at the same time is refused."""
    found = programs()
    if found is None:
        pytest.skip(MISSING)
    async with SeveralBots(found, server_folder, replicas=2) as first:
        assert first.notice == ""
        await first.ask("ord_1001")
        with pytest.raises(StoreError) as failed:
            await SeveralBots(found, server_folder, replicas=2).start()
        assert failed.value.problem is StoreProblem.BUSY
        events = len((await first.record())[0])
    async with SeveralBots(found, server_folder, replicas=1) as again:
        assert (await again.card("ord_1001")).button("approve")
        assert len((await again.record())[0]) > events
        with pytest.raises(KeyError):
            await again.turn_bot(2, on=True)


@pytest.mark.parametrize(
    "options, words",
    [(["--replicas", "3"], "add --postgres"), (["--postgres", "--replicas", "3"], "apt-get install postgresql")],
)
async def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, options: list[str], words: str) -> None:
    """Several bots need a database server, and that needs its programs."""
    monkeypatch.setattr("bot.sandbox.postgres.programs", lambda: None)
    result = CliRunner().invoke(main, ["playground", "--no-open", *options])
    assert result.exit_code in {1, 2}
    assert words in result.output
