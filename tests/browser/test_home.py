"""The Home tab, shortcuts and the fields of forms on the page, with a receiver of payloads instead of the bot."""

from typing import Any

import pytest
from playwright.async_api import expect

from bot.sandbox.features import APP_HOME_OPENED, Features, Shortcut
from bot.sandbox.playground.playground import Playground
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.stage import ANN, BEN, PAYMENTS
from bot.sandbox.workspace import OpenView, Posted
from tests.browser.conftest import NARROW, Visit, running
from tests.browser.test_parts import CONFIRM, FRAUD, MENU, SELECT, WRONG, plain, post
from tests.browser.test_screens import SIZES, violations

pytestmark = pytest.mark.asyncio(loop_scope="session")

FEATURES = Features(
    home_tab=True,
    shortcuts=(
        Shortcut("message", "cancel", "Cancel an order", "Ask to cancel the orders in this message"),
        Shortcut("global", "cancel", "Cancel an order", "Ask to cancel orders"),
        Shortcut("global", "report", "Report", "What was asked this week"),
    ),
    events=frozenset({APP_HOME_OPENED}),
)
APPROVE = {"type": "button", "action_id": "approve", "style": "primary", "text": plain("Approve"), "value": "1"}
NOTE = {
    "type": "input",
    "block_id": "note",
    "label": plain("Note"),
    "hint": plain("Only you see it"),
    "optional": True,
    "element": {"type": "plain_text_input", "action_id": "note", "placeholder": plain("Say why")},
}
ORDERS = {
    "type": "input",
    "block_id": "orders",
    "label": plain("Order IDs"),
    "element": {"type": "plain_text_input", "action_id": "orders", "multiline": True},
}
CHOICES: list[dict[str, Any]] = [
    {"text": {"type": "mrkdwn", "text": "*Now*"}, "value": "now", "description": plain("At once")},
    {"text": plain("Later"), "value": "later"},
]
RADIO = {"type": "radio_buttons", "action_id": "when", "options": CHOICES}
BOXES = {"type": "checkboxes", "action_id": "tell", "options": CHOICES, "initial_options": [CHOICES[1]]}
FORM: dict[str, Any] = {
    "type": "modal",
    "callback_id": "form",
    "title": plain("Cancel orders"),
    "submit": plain("Ask"),
    "blocks": [
        ORDERS,
        {"type": "input", "block_id": "why", "label": plain("Why"), "element": SELECT},
        {"type": "input", "block_id": "when", "label": plain("When"), "element": RADIO},
        {"type": "input", "block_id": "tell", "label": plain("Tell"), "element": BOXES, "optional": True},
    ],
}


def row(number: int) -> list[dict[str, Any]]:
    """Return the blocks of one request that waits."""
    text = {"type": "mrkdwn", "text": f"*ord_{number}* waits for you"}
    buttons = [APPROVE | {"confirm": CONFIRM, "value": str(number)}, MENU]
    return [
        {"type": "section", "block_id": f"text {number}", "text": text},
        {"type": "actions", "block_id": f"act {number}", "elements": buttons},
    ]


def home(*numbers: int) -> dict[str, Any]:
    """Return a Home tab with these requests."""
    head = {"type": "header", "text": plain("Waiting for you")}
    select = {"type": "section", "block_id": "pick", "text": plain("Show only"), "accessory": SELECT}
    rows = [block for number in numbers for block in row(number)]
    return {"type": "home", "blocks": [head, *rows, {"type": "divider"}, select, NOTE]}


class Receiver:
    """A receiver instead of the bot: it publishes a Home tab, opens forms after shortcuts, and takes no form."""

    def __init__(self, playground: Playground) -> None:
        self._playground = playground
        self.got: list[dict[str, Any]] = []
        self.silent = False
        self._asked = 0

    async def deliver(self, kind: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Take one payload, as an app does."""
        if self.silent:
            raise NotAcknowledged("no connection")
        self.got.append(payload)
        api = self._playground.slack.api
        if kind == "events_api" and payload["event"]["tab"] == "home":
            api.call("views.publish", {"user_id": payload["event"]["user"], "view": home(1, 2)})
        if payload["type"] in {"shortcut", "message_action"}:
            api.call("views.open", {"trigger_id": payload["trigger_id"], "view": FORM})
        self._playground.touch()
        return {"response_action": "errors", "errors": {"when": "Not then."}} if "response_urls" in payload else None

    async def next(self, kind: str) -> dict[str, Any]:
        """Return the oldest payload of this type that was not asked for yet, as soon as there is one."""

        def look() -> dict[str, Any] | None:
            return next((each for each in self.got[self._asked :] if each["type"] == kind), None)

        found = await self._playground.changes.wait_for(look)
        self._asked = self.got.index(found) + 1
        return found

    async def opened(self) -> tuple[str, str]:
        """Return who opened which tab next."""
        event = (await self.next("event_callback"))["event"]
        return event["user"], event["tab"]


@pytest.fixture
def app(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """Return the receiver of everything that Slack sends from now on; the bot gets nothing."""
    playground.slack.space.features = FEATURES
    receiver = Receiver(playground)
    monkeypatch.setattr(playground.slack, "deliver", receiver.deliver)
    return receiver


async def test_without_them_nothing_is_shown(visit: Visit, playground: Playground) -> None:
    """An app that declares no Home tab and no shortcut has none on the page, also not by its address."""
    playground.slack.space.features = Features()
    post(playground)
    ann = await visit("ann")
    await expect(ann.message("hi")).to_be_visible()
    await expect(ann.page.get_by_role("button", name="Shortcuts")).to_have_count(0)
    await ann.page.goto(f"{ann.url}#ann/D0ANN/home")
    await expect(ann.page.locator("#composer")).to_contain_text("turned off")
    await expect(ann.page.get_by_role("navigation", name="Tabs of the app")).to_have_count(0)
    await expect(ann.page.get_by_role("region", name="Home")).to_have_count(0)


@SIZES
async def test_the_home_tab_by_mouse(visit: Visit, app: Receiver, viewport: Any) -> None:
    """Each opening is told to the app; buttons, menus and selects send the view with what was entered."""
    ann = await visit("ann", viewport=viewport)
    region = ann.page.get_by_role("region", name="Home")
    await expect(ann.page.get_by_role("navigation", name="Tabs of the app")).to_have_count(0)
    await ann.go("cancel-desk")
    await ann.page.get_by_role("link", name="Home", exact=True).click()
    await expect(region.get_by_role("heading")).to_have_text("Waiting for you")
    await expect(region).to_contain_text("ord_2 waits for you")
    await expect(ann.page.locator("#composer")).to_be_hidden()
    assert {await app.opened(), await app.opened()} == {(ANN, "messages"), (ANN, "home")}
    await region.get_by_label("Note").fill("seen")
    await region.get_by_role("button", name="Approve").last.click()
    await expect(ann.dialog).to_contain_text("It cannot be undone")
    await ann.confirm("Yes")
    click = await app.next("block_actions")
    assert (click["actions"][0]["value"], click["actions"][0]["block_id"]) == ("2", "act 2")
    assert click["view"]["state"]["values"]["note"]["note"]["value"] == "seen"
    await region.get_by_role("button", name="More actions").first.click()
    await ann.page.get_by_role("menuitem", name="Withdraw").click()
    await ann.confirm("Yes")
    assert (await app.next("block_actions"))["actions"][0]["type"] == "overflow"
    await region.get_by_label("Choose one").select_option("Fraud")
    assert (await app.next("block_actions"))["actions"][0]["selected_option"] == FRAUD
    await ann.page.get_by_role("link", name="Messages", exact=True).click()
    await expect(region).to_have_count(0)
    assert await app.opened() == (ANN, "messages")


async def test_the_home_tab_by_keyboard(visit: Visit, playground: Playground, app: Receiver) -> None:
    """A view published again keeps the focus and what was entered. If the focused part is gone, the tab has it."""
    ann = await visit("ann")
    keys, region = ann.page.keyboard, ann.page.get_by_role("region", name="Home")
    await ann.page.get_by_role("link", name="cancel-desk").press("Enter")
    await ann.page.get_by_role("link", name="Home", exact=True).press("Enter")
    note = region.get_by_label("Note")
    await note.press_sequentially("typed")
    second = region.get_by_role("button", name="Approve").last
    await second.press("Enter")
    await expect(ann.dialog.get_by_role("button", name="Yes")).to_be_focused()
    await keys.press("Escape")
    await expect(second).to_be_focused()
    assert "block_actions" not in [each["type"] for each in app.got]
    playground.slack.api.call("views.publish", {"user_id": ANN, "view": home(2)})
    await expect(region.get_by_role("button", name="Approve")).to_have_count(1)
    await expect(region.get_by_role("button", name="Approve")).to_be_focused()
    await expect(note).to_have_value("typed")
    playground.slack.api.call("views.publish", {"user_id": ANN, "view": home(3)})
    await expect(region).to_contain_text("ord_3")
    await expect(region).to_be_focused()


async def test_everybody_has_their_own_home_tab(visit: Visit, playground: Playground, app: Receiver) -> None:
    """Another person chosen at the top opens theirs, and the app is told who did."""
    playground.slack.api.call("views.publish", {"user_id": BEN, "view": home(7)})
    ann = await visit("ann")
    await ann.go("cancel-desk")
    await ann.page.get_by_role("link", name="Home", exact=True).click()
    await expect(ann.page.locator("#home")).to_contain_text("ord_2")
    assert {await app.opened(), await app.opened()} == {(ANN, "messages"), (ANN, "home")}
    await ann.choose("ben")
    event = (await app.next("event_callback"))["event"]
    assert (event["user"], event["tab"]) == (BEN, "home")
    assert "ord_7" in str(event["view"])
    await expect(ann.page.locator("#home")).to_contain_text("ord_2")


async def test_a_home_tab_that_nobody_published(visit: Visit, app: Receiver) -> None:
    """It says so, as long as the app is silent; a click that gets no answer says so as well."""
    app.silent = True
    ann = await visit("ann")
    await ann.go("cancel-desk")
    await ann.page.get_by_role("link", name="Home", exact=True).click()
    await expect(ann.page.locator("#home")).to_have_text("The app has published nothing here yet.")
    app.silent = False
    await ann.page.get_by_role("link", name="Messages", exact=True).click()
    await ann.page.get_by_role("link", name="Home", exact=True).click()
    await expect(ann.page.locator("#home")).to_contain_text("ord_1")
    app.silent = True
    await ann.button("Approve").first.click()
    await ann.confirm("Yes")
    await expect(ann.page.locator("#toast")).to_have_text("We had some trouble connecting. Try again?")


@SIZES
async def test_a_message_shortcut_by_mouse(visit: Visit, playground: Playground, app: Receiver, viewport: Any) -> None:
    """It is in the menu of every message that all see, in channels, threads and direct messages, and opens a form."""
    message = playground.ben.say("ord_1 and ord_2 were paid twice", PAYMENTS)
    playground.ben.say("ord_3 too", PAYMENTS, message.ts)
    post(playground, text="only for ann", only_for=ANN)
    post(playground, playground.slack.space.direct_channel(ANN).id, "a receipt")
    ann = await visit("ann", viewport=viewport)
    await ann.message("paid twice").hover()
    dots = ann.message("paid twice").get_by_role("button", name="Shortcuts for the message of ben")
    await expect(ann.message("only for ann").get_by_role("button", name="Shortcuts")).to_have_count(0)
    await dots.click()
    menu = ann.page.get_by_role("menu")
    await expect(menu.get_by_role("menuitem")).to_have_text(["Cancel an orderAsk to cancel the orders in this message"])
    await menu.get_by_role("menuitem").click()
    await expect(ann.dialog).to_contain_text("Cancel orders")
    used = await app.next("message_action")
    assert (used["callback_id"], used["message_ts"], used["channel"]["id"]) == ("cancel", message.ts, PAYMENTS)
    await ann.dialog.get_by_role("button", name="Cancel", exact=True).click()
    await expect(dots).to_be_focused()
    replies = await ann.open_thread()
    reply = replies.locator(".message", has_text="ord_3 too")
    await reply.hover()
    await reply.get_by_role("button", name="Shortcuts").click()
    await menu.get_by_role("menuitem").click()
    await expect(ann.dialog).to_be_visible()
    assert (await app.next("message_action"))["message"]["thread_ts"] == message.ts
    await ann.dialog.get_by_role("button", name="Cancel", exact=True).click()
    await ann.button("Close thread").click()
    await ann.go("cancel-desk")
    await ann.message("a receipt").hover()
    await expect(ann.message("a receipt").get_by_role("button", name="Shortcuts")).to_be_visible()


async def test_shortcuts_by_keyboard(visit: Visit, playground: Playground, app: Receiver) -> None:
    """Tab leads to both menus, arrows move in them, Enter chooses, and the focus comes back after the form."""
    playground.ben.say("ord_1 was paid twice", PAYMENTS)
    ann = await visit("ann")
    await expect(ann.message("paid twice")).to_be_visible()
    keys, box = ann.page.keyboard, ann.page.get_by_role("combobox", name="Message")
    await box.focus()
    await keys.press("Shift+Tab")
    plus = ann.button("Shortcuts")
    await expect(plus).to_be_focused()
    await keys.press("Shift+Tab")
    dots = ann.message("paid twice").get_by_role("button", name="Shortcuts")
    await expect(dots).to_be_focused()
    await keys.press("Enter")
    await expect(ann.page.get_by_role("menuitem", name="Cancel an order")).to_be_focused()
    await keys.press("Enter")
    await expect(ann.dialog.get_by_label("Order IDs")).to_be_focused()
    await keys.press("Escape")
    await expect(dots).to_be_focused()
    await plus.press("ArrowDown")
    await keys.press("ArrowDown")
    await expect(ann.page.get_by_role("menuitem", name="Report")).to_be_focused()
    await keys.press("Enter")
    await expect(ann.dialog).to_be_visible()
    assert (await app.next("shortcut"))["callback_id"] == "report"
    await keys.press("Escape")
    await expect(plus).to_be_focused()


async def test_a_shortcut_without_an_answer(visit: Visit, playground: Playground, app: Receiver) -> None:
    """Slack says so beside everything, in no message; so it does for a message that was deleted."""
    message = playground.ben.say("ord_1", PAYMENTS)
    app.silent = True
    ann = await visit("ann")
    toast = ann.page.locator("#toast")
    await ann.button("Shortcuts").click()
    await ann.page.get_by_role("menuitem", name="Report").click()
    await expect(toast).to_have_text("We had some trouble connecting. Try again?")
    await ann.message("ord_1").hover()
    await ann.message("ord_1").get_by_role("button", name="Shortcuts").click()
    playground.slack.space.posted.remove(message)
    await ann.page.get_by_role("menuitem").click()
    await expect(toast).to_have_text("This message is no longer there.")


@SIZES
async def test_every_field_of_a_form(visit: Visit, app: Receiver, viewport: Any) -> None:
    """Lines, a select, radio buttons and checkboxes are sent as Slack sends them, and each error is at its field."""
    ann = await visit("ann", viewport=viewport)
    await ann.button("Shortcuts").click()
    await ann.page.get_by_role("menuitem", name="Cancel an order").click()
    form = ann.dialog
    await expect(ann.hint).to_have_text("Fill in the form and send it.")
    await form.get_by_role("button", name="Ask").click()
    required = "Please complete this required field."
    await expect(form.locator(".error:not(:empty)")).to_have_text([required] * 3)
    await expect(form.get_by_label("Order IDs")).to_be_focused()
    await form.get_by_label("Order IDs").fill("ord_1\nord_2")
    await form.get_by_label("Why").select_option("Wrong amount")
    await form.get_by_role("radio", name="Now").check()
    await expect(form.get_by_role("checkbox", name="Later")).to_be_checked()
    await form.get_by_role("checkbox", name="Now").check()
    await form.get_by_role("button", name="Ask").click()
    await expect(form.get_by_role("radiogroup", name="When")).to_have_attribute("aria-invalid", "true")
    await expect(form.locator(".error:not(:empty)")).to_have_text(["Not then."])
    await expect(form.get_by_role("radio", name="Now")).to_be_focused()
    assert (await app.next("view_submission"))["view"]["state"]["values"] == {
        "orders": {"orders": {"type": "plain_text_input", "value": "ord_1\nord_2"}},
        "why": {"why": {"type": "static_select", "selected_option": WRONG}},
        "when": {"when": {"type": "radio_buttons", "selected_option": CHOICES[0]}},
        "tell": {"tell": {"type": "checkboxes", "selected_options": CHOICES}},
    }


def batch() -> list[dict[str, Any]]:
    """Return the list of a batch of fifty orders, with a numbered list below its last one."""
    lines = [
        {
            "type": "rich_text_section",
            "elements": [
                {"type": "text", "text": f"ord_{number}", "style": {"code": True}},
                {"type": "text", "text": " not cancelled: completed, a refund is needed"},
            ],
        }
        for number in range(1001, 1051)
    ]
    title = {"type": "rich_text_section", "elements": [{"type": "text", "text": "50 orders:"}]}
    deeper = {"type": "rich_text_list", "style": "ordered", "offset": 4, "indent": 1, "elements": lines[:2]}
    every = {"type": "rich_text_list", "style": "bullet", "elements": lines}
    return [{"type": "rich_text", "elements": [title, every, deeper]}]


@SIZES
async def test_a_batch_is_drawn_as_a_list(visit: Visit, playground: Playground, viewport: Any) -> None:
    """Each of fifty orders has its line, numbers begin where they should, and it is readable in both themes."""
    space = playground.slack.space
    space.post(Posted(PAYMENTS, space.next_ts(), "50 orders", batch(), space.bot_user_id))
    ben = await visit("ben", viewport=viewport)
    row = ben.message("50 orders:")
    orders = row.locator(".block ul > li")
    await expect(orders).to_have_count(50)
    await expect(orders.last).to_have_text("ord_1050 not cancelled: completed, a refund is needed")
    await expect(row.locator(".block ol")).to_have_attribute("start", "5")
    height = await orders.first.evaluate("(node) => node.getBoundingClientRect().height")
    lines = 1 if viewport != NARROW else 2
    assert height < 24 * lines
    assert await violations(ben, "batch") == []


@SIZES
async def test_home_shortcuts_and_fields_are_accessible(
    visit: Visit, playground: Playground, app: Receiver, viewport: Any
) -> None:
    """The Home tab, both menus and every field, with and without errors, in both themes."""
    playground.ben.say("ord_1 was paid twice", PAYMENTS)
    ann = await visit("ann", viewport=viewport)
    await ann.message("paid twice").hover()
    await ann.message("paid twice").get_by_role("button", name="Shortcuts").click()
    await expect(ann.page.get_by_role("menu")).to_be_visible()
    found = await violations(ann, "message shortcuts")
    await ann.page.keyboard.press("Escape")
    await ann.button("Shortcuts").click()
    await expect(ann.page.get_by_role("menu")).to_be_visible()
    found += await violations(ann, "global shortcuts")
    await ann.page.get_by_role("menuitem", name="Report").click()
    await expect(ann.dialog).to_be_visible()
    found += await violations(ann, "form")
    await ann.dialog.get_by_role("button", name="Ask").click()
    await expect(ann.dialog.locator(".error:not(:empty)")).to_have_count(3)
    found += await violations(ann, "form with errors")
    await ann.dialog.get_by_role("button", name="Cancel", exact=True).click()
    await ann.go("cancel-desk")
    await ann.page.get_by_role("link", name="Home", exact=True).click()
    await expect(ann.page.locator("#home")).to_contain_text("ord_2")
    found += await violations(ann, "Home tab")
    assert found == []


async def test_a_permalink_of_a_reply_leads_to_it(visit: Visit, playground: Playground) -> None:
    """Its thread opens."""
    root = playground.ben.say("look", PAYMENTS)
    reply = playground.ben.say("ord_3 too", PAYMENTS, root.ts)
    link = playground.slack.api.call("chat.getPermalink", {"channel": PAYMENTS, "message_ts": reply.ts})["permalink"]
    post(playground, text=f"<{link.replace('&', '&amp;')}|where it came from>")
    ann = await visit("ann")
    await ann.page.get_by_role("link", name="where it came from").click()
    await expect(ann.page.locator("#replies")).to_contain_text("ord_3 too")


async def test_home_tabs_are_there_in_the_next_run(database: Any) -> None:
    """Slack keeps what was published, with its id and hash."""
    async with running(database) as playground:
        kept = playground.slack.space.homes[ANN] = OpenView("V1", ANN, home(1), "h1")
    async with running(database) as playground:
        assert playground.slack.space.homes == {ANN: kept}
