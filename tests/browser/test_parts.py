"""The parts of Slack on the page: menus, selects, files, notifications, the closed box, and trouble to order."""

from typing import Any

import pytest
from playwright.async_api import expect

from bot.sandbox.files import SlackFile
from bot.sandbox.playground.playground import Playground
from bot.sandbox.stage import ANN, BEN, CLEO, PAYMENTS
from bot.sandbox.workspace import OpenView, Posted
from tests.browser.conftest import NARROW, Visit, Visitor
from tests.browser.test_screens import SIZES, violations

pytestmark = pytest.mark.asyncio(loop_scope="session")


def plain(text: str) -> dict[str, str]:
    """Return a text object without markup."""
    return {"type": "plain_text", "text": text}


CONFIRM = {"title": plain("Sure?"), "text": plain("It cannot be undone"), "confirm": plain("Yes"), "deny": plain("No")}
WITHDRAW = {"text": plain("Withdraw"), "value": "withdraw"}
STOP = {"text": plain("Stop trying"), "value": "stop", "description": plain("It ends as not cancelled")}
MENU: dict[str, Any] = {"type": "overflow", "action_id": "more", "options": [WITHDRAW, STOP], "confirm": CONFIRM}
FRAUD, WRONG = {"text": plain("Fraud"), "value": "fraud"}, {"text": plain("Wrong amount"), "value": "wrong"}
SELECT = {"type": "static_select", "action_id": "why", "placeholder": plain("Choose one"), "options": [FRAUD, WRONG]}
FORM = {
    "type": "modal",
    "title": plain("Why?"),
    "submit": plain("Send"),
    "blocks": [{"type": "input", "block_id": "why", "label": plain("Why"), "element": SELECT}],
}


@pytest.fixture
def delivered(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the payloads that Slack sends to the bot from now on; the bot does not get them."""
    payloads: list[dict[str, Any]] = []

    async def deliver(_: str, payload: dict[str, Any]) -> None:
        payloads.append(payload)
        playground.touch()

    monkeypatch.setattr(playground.slack, "deliver", deliver)
    return payloads


async def chosen(playground: Playground, delivered: list[dict[str, Any]], count: int = 1) -> list[Any]:
    """Return what was chosen in which menu, as soon as the bot was sent so many payloads."""
    await playground.changes.wait_for(lambda: len(delivered) >= count)
    actions = [payload["actions"][0] for payload in delivered if "actions" in payload]
    return [(action["action_id"], action["selected_option"]) for action in actions]


def post(playground: Playground, channel: str = PAYMENTS, text: str = "hi", **more: Any) -> Posted:
    """Post a message as the bot."""
    space = playground.slack.space
    return space.post(Posted(channel, space.next_ts(), text, more.pop("blocks", []), space.bot_user_id, **more))


def blocks(*elements: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an actions block, and a section with an element beside it."""
    beside = {"type": "section", "text": plain("beside"), "accessory": {**MENU, "action_id": "beside"}}
    return [beside, {"type": "actions", "block_id": "b", "elements": list(elements)}]


async def test_a_menu_by_mouse(visit: Visit, playground: Playground, delivered: list[dict[str, Any]]) -> None:
    """A click opens and closes it, a click elsewhere too; a choice is confirmed first, and goes to the bot."""
    post(playground, blocks=blocks(MENU))
    ben = await visit("ben")
    dots = ben.button("More actions")
    await expect(dots).to_have_count(2)
    menu = ben.page.get_by_role("menu")
    await dots.last.click()
    await expect(menu.get_by_role("menuitem")).to_have_text(["Withdraw", "Stop tryingIt ends as not cancelled"])
    await dots.last.click()
    await expect(menu).to_have_count(0)
    await dots.last.click()
    await ben.page.locator("#place").click()
    await expect(menu).to_have_count(0)
    await dots.last.click()
    await menu.get_by_role("menuitem", name="Stop trying").click()
    await expect(ben.dialog).to_contain_text("It cannot be undone")
    assert delivered == []
    await ben.dialog.get_by_role("button", name="Yes").click()
    await expect(ben.dialog).to_have_count(0)
    await dots.first.click()
    await menu.get_by_role("menuitem", name="Withdraw").click()
    await ben.dialog.get_by_role("button", name="Yes").click()
    assert await chosen(playground, delivered, 2) == [("more", STOP), ("beside", WITHDRAW)]


async def test_a_menu_by_keyboard(visit: Visit, playground: Playground, delivered: list[dict[str, Any]]) -> None:
    """Arrows, Home and End move in it, Escape gives the focus back, and Enter chooses."""
    post(playground, blocks=blocks(MENU))
    ben = await visit("ben")
    dots, keys = ben.button("More actions").last, ben.page.keyboard
    withdraw, stop = (ben.page.get_by_role("menuitem", name=name) for name in ("Withdraw", "Stop trying"))
    await dots.press("Enter")
    await expect(withdraw).to_be_focused()
    await expect(dots).to_have_attribute("aria-expanded", "true")
    for key, item in (
        ("ArrowDown", stop),
        ("ArrowDown", withdraw),
        ("ArrowUp", stop),
        ("Home", withdraw),
        ("End", stop),
    ):
        await keys.press(key)
        await expect(item).to_be_focused()
    await keys.press("Escape")
    await expect(dots).to_be_focused()
    await expect(dots).to_have_attribute("aria-expanded", "false")
    await keys.press("ArrowUp")
    await expect(stop).to_be_focused()
    await keys.press("Enter")
    await expect(ben.dialog.get_by_role("button", name="Yes")).to_be_focused()
    await keys.press("Enter")
    assert await chosen(playground, delivered) == [("more", STOP)]


async def test_selects(visit: Visit, playground: Playground, delivered: list[dict[str, Any]]) -> None:
    """In a form a choice is required as the block says; in a message it goes to the bot at once."""
    playground.slack.space.views[ANN] = [OpenView("V1", ANN, FORM, "1.a")]
    post(playground, blocks=blocks(SELECT))
    ann = await visit("ann")
    why = ann.dialog.get_by_label("Why")
    await expect(why).to_be_focused()
    await ann.dialog.get_by_role("button", name="Send").click()
    await expect(ann.dialog.get_by_role("alert").first).to_have_text("Please complete this required field.")
    await why.select_option("Wrong amount")
    await ann.dialog.get_by_role("button", name="Send").click()
    await expect(ann.dialog).to_have_count(0)
    state = delivered[0]["view"]["state"]["values"]
    assert state == {"why": {"why": {"type": "static_select", "selected_option": WRONG}}}
    await ann.message("beside").get_by_label("Choose one").select_option("Fraud")
    assert await chosen(playground, delivered, 2) == [("why", FRAUD)]


async def test_a_file_can_be_fetched_by_those_who_see_it(visit: Visit, playground: Playground) -> None:
    """It is a link that downloads the bytes under the file's name; others get nothing."""
    direct = playground.slack.space.direct_channel(ANN).id
    post(playground, direct, "Here it is", files=[SlackFile("F1", "ords ü.csv", "Orders", b"order\r\n")])
    ann = await visit("ann")
    await ann.page.get_by_role("link", name="cancel-desk").click()
    async with ann.page.expect_download() as download:
        await ann.message("Here it is").get_by_role("link", name="ords ü.csv").click()
    file = await download.value
    assert file.suggested_filename == "ords ü.csv"
    assert (await file.path()).read_bytes() == b"order\r\n"
    for person, status in ((ANN, 200), (BEN, 404), ("U0NOBODY", 404)):
        answer = await ann.page.request.get(f"{ann.url}file/F1?person={person}")
        assert answer.status == status


async def test_a_notification_is_not_the_same_as_an_unread_message(visit: Visit, playground: Playground) -> None:
    """A mention marks the channel, the person and the message; a message without one only counts as unread."""
    cleo = await visit("cleo")
    await cleo.page.get_by_role("link", name="general").click()
    post(playground)
    await expect(cleo.page.get_by_role("link", name="payments 1 unread", exact=True)).to_be_visible()
    post(playground, text=f"<@{BEN}> and <@{CLEO}>, please look")
    await expect(cleo.page.get_by_role("link", name="payments 2 unread 1 notification", exact=True)).to_be_visible()
    await expect(cleo.person("ben")).to_contain_text("1 notification")
    await expect(cleo.person("ann")).not_to_contain_text("notification")
    await cleo.page.get_by_role("link", name="payments").click()
    await expect(cleo.page.get_by_role("link", name="payments", exact=True)).to_be_visible()
    await expect(cleo.page.locator(".mentioned")).to_contain_text("please look")
    await expect(cleo.person("cleo")).not_to_contain_text("notification")
    await expect(cleo.person("ben")).to_contain_text("1 notification")


async def test_a_mention_in_a_thread_is_marked_until_the_thread_is_read(visit: Visit, playground: Playground) -> None:
    """It is no message of the channel, so only the notification leads there; an update leads nowhere."""
    root = post(playground)
    ben = await visit("ben")
    await expect(ben.message("hi")).to_be_visible()
    post(playground, text=f"<@{BEN}>, one more", thread_ts=root.ts)
    await expect(ben.page.get_by_role("link", name="payments 1 notification", exact=True)).to_be_visible()
    await ben.page.get_by_role("button", name="1 reply 1 new").click()
    await expect(ben.page.locator("#replies")).to_contain_text("one more")
    await expect(ben.page.get_by_role("link", name="payments", exact=True)).to_be_visible()
    await ben.button("Close thread").click()
    await expect(ben.page.get_by_role("button", name="1 reply")).to_be_visible()
    await expect(ben.page.get_by_role("button", name="1 reply")).not_to_contain_text("new")


async def test_nobody_can_write_to_the_bot(visit: Visit, playground: Playground) -> None:
    """The box of its direct messages is closed, as the manifest has it, and a hint leads back to a channel."""
    post(playground, playground.slack.space.direct_channel(ANN).id)
    ann = await visit("ann")
    await ann.page.get_by_role("link", name="cancel-desk").click()
    await expect(ann.page.locator("#composer")).to_contain_text("Sending messages to this app has been turned off.")
    await expect(ann.page.get_by_role("combobox", name="Message")).to_have_count(0)
    await expect(ann.button("Send")).to_have_count(0)
    await expect(ann.page.get_by_role("button", name="Reply in thread")).to_have_count(0)
    await ann.hint.get_by_role("button", name="/cancel-order").click()
    await expect(ann.page.get_by_role("combobox", name="Message #payments")).to_be_focused()


async def test_the_first_screen_says_how_to_begin(visit: Visit, playground: Playground) -> None:
    """It is there until there is a message, and its commands go into the message box."""
    ann = await visit("ann")
    begin = ann.page.locator(".begin")
    await expect(begin).to_contain_text("One person asks to cancel an order, another one approves")
    await begin.get_by_role("button", name="/cancel-order ord_1001 ordered twice").click()
    box = ann.page.get_by_role("combobox", name="Message #payments")
    await expect(box).to_be_focused()
    await expect(box).to_have_value("/cancel-order ord_1001 ordered twice")
    post(playground)
    await expect(begin).to_have_count(0)


ANSWERS = {
    "401": (401, "INVALID_API_KEY"),
    "409": (409, "ORDER_ALREADY_CANCELLED"),
    "429": (429, "RATE_LIMIT_EXCEEDED"),
    "500": (500, "INTERNAL_ERROR"),
    "page": (502, "<center>nginx</center>"),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_next_answer_can_be_ordered(visit: Visit, playground: Playground, name: str) -> None:
    """The next call gets it, once."""
    ben = await visit("ben")
    choice = ben.page.get_by_label("Next answer")
    await choice.select_option(name)
    await expect(ben.page.get_by_label("Next answer")).to_have_class("state odd")
    await playground.ben.click(await playground.ask("ord_1001", "twice"), "approve")
    calls = playground.gateway.calls
    await playground.gateway.wait_for(lambda: calls and calls[0].status)
    status, words = ANSWERS[name]
    assert calls[0].status == status
    assert words in calls[0].answer
    await expect(choice).to_have_value("")
    assert playground.switches.next == ""


async def test_trouble_in_slack_can_be_ordered(visit: Visit, playground: Playground) -> None:
    """The bot is out of the channel and back, posts are refused and taken again, and a card is deleted."""
    ann = await visit("ann")

    async def turn(name: str, *, on: bool) -> None:
        await ann.page.get_by_role("switch", name=name).click()
        await expect(ann.page.get_by_role("switch", name=name)).to_have_attribute("aria-checked", str(on).lower())

    async def refused(error: str) -> None:
        def look() -> bool:
            answers = [call.answer for call in playground.slack.calls if call.method == "chat.postMessage"]
            return any(isinstance(answer, dict) and answer.get("error") == error for answer in answers)

        await playground.slack.space.changes.wait_for(look)

    await ann.button("Delete the newest card").click()
    await expect(ann.page.locator("#toast")).to_have_text("There is no card in #payments.")
    await turn("Remove the bot", on=True)
    await playground.fill_in("ord_1001")
    await refused("not_in_channel")
    await turn("Remove the bot", on=False)
    await playground.card("ord_1001")
    await turn("Refuse posts", on=True)
    await playground.fill_in("ord_1002")
    await refused("restricted_action")
    await turn("Refuse posts", on=False)
    await playground.card("ord_1002")
    await expect(ann.message("ord_1002")).to_be_visible()
    await ann.button("Delete the newest card").click()
    await expect(ann.message("ord_1002")).to_have_count(0)
    await expect(ann.message("ord_1001")).to_be_visible()


async def messages_from(visitor: Visitor) -> int:
    """Return how many pixels stand above the messages."""
    return int(await visitor.page.evaluate("document.getElementById('scroll').getBoundingClientRect().top"))


async def test_a_narrow_page_is_mostly_messages(visit: Visit) -> None:
    """People, hint, panes and channels take less than a quarter of the height."""
    ann = await visit("ann", viewport=NARROW)
    await expect(ann.page.locator(".begin")).to_be_visible()
    assert await messages_from(ann) < NARROW["height"] / 4


@SIZES
async def test_many_marks_leave_room_for_names(visit: Visit, playground: Playground, viewport: Any) -> None:
    """Counts of two digits cover no name, and every channel is in view."""
    ann = await visit("ann", viewport=viewport)
    await ann.go("general")
    direct = playground.slack.space.direct_channel(ANN).id
    for _ in range(12):
        post(playground, text=f"<@{ANN}> <@{BEN}> <@{CLEO}>")
        post(playground, direct, f"<@{ANN}>")
    await expect(ann.person("ann")).to_contain_text("24 notifications")
    await ann.go("cancel-desk")
    await expect(ann.person("ann")).to_contain_text("12 notifications")
    assert await violations(ann, "many marks") == []


@SIZES
async def test_the_parts_are_accessible(visit: Visit, playground: Playground, viewport: Any) -> None:
    """The first screen, menus, marks, selects and files, in both themes."""
    ben = await visit("ben", viewport=viewport)
    found = await violations(ben, "first screen")
    root = post(playground, text=f"<@{BEN}>", blocks=blocks(MENU, SELECT))
    post(playground, text=f"<@{BEN}>", thread_ts=root.ts)
    post(playground, text=f"<@{BEN}> by text alone")
    post(playground, only_for=BEN)
    direct = playground.slack.space.direct_channel(BEN).id
    post(playground, direct, "file", files=[SlackFile("F1", "orders.csv", "Orders", b"order")])
    await expect(ben.message("by text alone")).to_be_visible()
    await ben.button("More actions").last.click()
    await expect(ben.page.get_by_role("menu")).to_be_visible()
    found += await violations(ben, "menu")
    await ben.page.keyboard.press("Escape")
    await ben.page.get_by_role("link", name="cancel-desk").click()
    await expect(ben.message("orders.csv")).to_be_visible()
    found += await violations(ben, "file and closed box")
    playground.slack.space.views[BEN] = [OpenView("V1", BEN, FORM, "1.a")]
    playground.touch()
    await expect(ben.dialog).to_be_visible()
    found += await violations(ben, "select in a form")
    assert found == []
