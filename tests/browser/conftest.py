"""A playground with the real bot, and people who open its page in a real browser.

The browser is Debian's Chromium, or the one that PLAYWRIGHT_CHROMIUM names. An error on a page's console, or a request
to another machine, fails the test.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from bot.sandbox.playground.playground import Playground
from bot.sandbox.playground.server import PageServer
from tests.flows.desk import quick_tuning

CHROMIUM = Path(os.environ.get("PLAYWRIGHT_CHROMIUM") or "/usr/bin/chromium")
INSTALLED = CHROMIUM.exists()
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-lcd-text",  # the pictures come out the same on every machine with the same fonts, and smaller
    # Requests to other machines fail, both those of a page and the browser's own.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

expect.set_options(timeout=10_000)


@dataclass
class Visitor:
    """One person's page, by its parts."""

    page: Page
    url: str

    async def choose(self, name: str) -> None:
        """Become this person."""
        await self.page.get_by_role("group", name="You are").get_by_role("button", name=name).click()
        await expect(self.person(name)).to_have_attribute("aria-pressed", "true")

    def person(self, name: str) -> Locator:
        """Return the button that chooses this person."""
        return self.page.get_by_role("group", name="You are").get_by_role("button", name=name)

    async def type(self, text: str) -> None:
        """Type into the message box and send it."""
        await self.page.get_by_role("combobox", name="Message").fill(text)
        await self.page.get_by_role("combobox", name="Message").press("Enter")

    def button(self, name: str) -> Locator:
        """Return the button of exactly this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def dialog(self) -> Locator:
        """The modal or the question that is open."""
        return self.page.locator("dialog[open]")

    def message(self, words: str) -> Locator:
        """Return the message of the channel that has these words."""
        return self.page.locator("#messages .message", has_text=words)

    async def say(self, text: str) -> None:
        """Send this with the mouse."""
        await self.page.get_by_role("combobox", name="Message").fill(text)
        await self.button("Send").click()

    async def go(self, channel: str) -> None:
        """Open a channel, or the bot's direct messages, from the list of channels."""
        await self.page.locator(".sidebar").get_by_role("link", name=channel).click()

    async def pick(self, option: str) -> None:
        """Choose an option in the menu of the newest card."""
        await self.button("More actions").last.click()
        await self.page.get_by_role("menuitem", name=option).click()

    async def confirm(self, name: str) -> None:
        """Answer the question that is open with this button."""
        button = self.dialog.get_by_role("button", name=name)
        await button.click()
        # The answer may be another dialog, which is there at once.
        await expect(button).to_have_count(0)

    async def open_thread(self) -> Locator:
        """Open the newest thread, and return its messages."""
        await self.page.locator("#messages .replies").last.click()
        return self.page.locator("#replies")

    @property
    def hint(self) -> Locator:
        """The line that says what to do next."""
        return self.page.locator("#hint")

    async def ask(self, order: str, reason: str = "ordered twice") -> None:
        """Ask for a request and wait for its card."""
        await self.type(f"/cancel-order {order} {reason}")
        await self.dialog.get_by_role("button", name="Ask for approval").click()
        await expect(self.dialog).to_have_count(0)
        await expect(self.message(order).get_by_role("button", name="Approve")).to_be_visible()

    async def approve(self, order: str) -> None:
        """Approve on the order's card, and confirm it."""
        await self.message(order).get_by_role("button", name="Approve").click()
        await self.dialog.get_by_role("button", name="Approve").click()

    async def screenshot(self, path: Path) -> None:
        """Take a picture of the page, with the mouse out of the way."""
        await self.page.mouse.move(0, 0)
        await self.page.screenshot(path=path, type="jpeg", quality=70, animations="disabled", caret="hide")


Visit = Callable[..., Awaitable[Visitor]]


@dataclass
class Watch:
    """The faults of all watched pages, which must stay empty."""

    faults: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Watch every page of this browser context."""
        context.on("console", lambda message: self._said(message.type, message.text))
        context.on("weberror", lambda error: self.faults.append(f"exception: {error.error}"))
        context.on("request", lambda request: self._asked(request.url))

    def _said(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.faults.append(f"console {kind}: {text}")

    def _asked(self, url: str) -> None:
        if urlsplit(url).hostname != "127.0.0.1":
            self.faults.append(f"request: {url}")


@pytest.fixture(autouse=True)
def _apart(unmeasured: None) -> None:
    """Count no coverage: this is a tool for tests, not the product."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Yield one Chromium for all tests."""
    if not INSTALLED:
        why = f"there is no browser at {CHROMIUM}: install Debian's chromium, or name one in PLAYWRIGHT_CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def playground(database: Path, request: pytest.FixtureRequest) -> AsyncIterator[Playground]:
    """Yield a playground with a quick bot, or one that is made as the test's parameter says."""
    async with running(database, **getattr(request, "param", {})) as playground:
        yield playground


@asynccontextmanager
async def running(database: Path, **options: Any) -> AsyncIterator[Playground]:
    """Run a playground, and stop it in the end."""
    async with Playground(database, **{"tuning": quick_tuning()} | options) as playground:
        playground.switches.slow_by = 0.3
        yield playground


@pytest_asyncio.fixture(loop_scope="session")
async def served(playground: Playground) -> AsyncIterator[PageServer]:
    """Yield the page's server, at work."""
    server = PageServer(playground)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, served: PageServer) -> AsyncIterator[Visit]:
    """Yield a function that opens the page as somebody, each time in a browser context of its own."""
    watch = Watch()
    async with AsyncExitStack() as stack:

        async def open_page(name: str = "ann", **options: Any) -> Visitor:
            context = await browser.new_context(**{"viewport": WIDE, "timezone_id": "Europe/Berlin"} | options)
            stack.push_async_callback(context.close)
            watch.over(context)
            page = await context.new_page()
            await page.goto(f"{served.url}#{name}")
            visitor = Visitor(page, served.url)
            await expect(visitor.person(name)).to_have_attribute("aria-pressed", "true")
            return visitor

        yield open_page
    assert watch.faults == []
