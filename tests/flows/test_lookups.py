"""``/cancel-audit``: filters, paging, and the people who may read."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.events import RequestRefused
from bot.domain.policy import Verdict
from bot.sandbox.faults import ApiError, Canned, Fault, broken
from bot.sandbox.person import Person
from bot.sandbox.workspace import Posted
from bot.slack.listeners import looking_up
from bot.slack.views.audit_page import PageButton
from tests.clock import Clock
from tests.flows.desk import LOBBY, OLGA, VERA, Desk, quick_tuning


async def look_up(desk: Desk, person: Person, line: str) -> str:
    """Type a command, and return the answer that this person reads."""
    known = len(desk.answers(person))
    await person.command(line, LOBBY)
    return await desk.told(person, known + 1)


@pytest.fixture
async def history(desk: Desk) -> Desk:
    """Return a desk with one order cancelled, one rejected, and one pending that the outsider asked for."""
    first = await desk.ask("ord_1", "typed twice")
    await desk.ben.click(first, "approve")
    await desk.card_says(first, "✅ Cancelled")
    second = await desk.ask("ord_2", "fraud?")
    await desk.cleo.click(second, "reject")
    await desk.wait(lambda: desk.cleo.modal)
    await desk.cleo.submit(reason="no fraud")
    await desk.card_says(second, "Rejected")
    await desk.ask("ord_3", "changed mind", person=desk.olga)
    return desk


async def test_filters_find_what_they_say(history: Desk) -> None:
    """No filter, person, state, time, order and combinations of them all find what they name."""
    lines = (await look_up(history, history.vera, "/cancel-audit")).splitlines()
    assert [line.split(" · ")[1] for line in lines[1:]] == ["ord_3", "ord_2", "ord_1"]
    assert "ord_1 · cancelled · requested by @ann · approved by @ben · “typed twice” · card" in lines[3]
    assert "ord_2" in await look_up(history, history.vera, "/cancel-audit @cleo")
    assert "ord_1" not in await look_up(history, history.vera, "/cancel-audit @cleo")
    both = await look_up(history, history.vera, "/cancel-audit @ann 7d state:cancelled")
    assert "ord_1" in both
    assert "ord_2" not in both
    assert "No requests match" in await look_up(history, history.vera, "/cancel-audit 2020-01-01..2020-12-31")
    story = await look_up(history, history.vera, "/cancel-audit ord_2")
    assert "rejected · @cleo · “no fraud”" in story
    assert "requested · @ann" in story


ALL, NONE = {"ord_1", "ord_2", "ord_3"}, set[str]()


FINDS = {
    "pending": {"ord_3"},
    "Pending": {"ord_3"},
    "cancelled": {"ord_1"},
    "unknown": NONE,
    "settled_cancelled": NONE,
    "state:rejected": {"ord_2"},
    "STATE:Rejected": {"ord_2"},
    "today": ALL,
    "TODAY": ALL,
    "yesterday": NONE,
    "7d": ALL,
    "7D": ALL,
    "1H": ALL,
    "4W": ALL,
    "me": NONE,
    "@olga": {"ord_3"},
    "@ben": {"ord_1"},
    "@cleo rejected": {"ord_2"},
    "@ann today cancelled": {"ord_1"},
    "@U0OLGA": {"ord_3"},
}


async def test_a_look_up_understands_what_people_type(history: Desk) -> None:
    """A state, a time, a person: each alone and together, in any case, finds exactly its requests."""
    for text, orders in FINDS.items():
        answer = await look_up(history, history.vera, f"/cancel-audit {text}")
        assert {order for order in ALL if f" · {order} · " in answer} == orders, text
        assert ("No requests match." in answer) == (not orders), text


DASHES = ["..", "...", " .. ", "\u2026", "-", " - ", "\u2013", " \u2013 ", "\u2014", "\u2012", "\u2212"]


async def test_a_range_has_any_dash(history: Desk) -> None:
    """People type the dash that their keyboard has."""
    for dash in DASHES:
        assert "ord_1" in await look_up(history, history.vera, f"/cancel-audit 2020-01-01{dash}2099-12-31"), dash
        empty = await look_up(history, history.vera, f"/cancel-audit 2020-01-01{dash}2020-12-31")
        assert "No requests match." in empty, dash


async def test_an_order_is_found_in_any_case(history: Desk) -> None:
    """A person who types an id by hand need not know how it was recorded."""
    for typed in ("ord_2", "ORD_2", "Ord_2"):
        answer = await look_up(history, history.vera, f"/cancel-audit {typed}")
        assert "rejected · @cleo · “no fraud”" in answer, typed
        # To the gateway these may be different orders, so nobody may read of one under the name of another.
        shown = f"Cancellations on record for {typed}: this shows ord_2, which differs in capital letters"
        assert (shown in answer) == (typed != "ord_2"), typed


async def test_orders_that_differ_in_case_only_are_never_taken_for_one_another(desk: Desk) -> None:
    """The gateway may have both. Each is found as it is typed, none is called the other, and both are named."""
    await desk.ask("ord_1", "the small one")
    await desk.ask("ORD_1", "the large one", person=desk.olga)
    for file in ("", " evidence"):
        both = await look_up(desk, desk.vera, f"/cancel-audit Ord_1{file}")
        assert "No request for an order Ord_1 is on record." in both
        assert "These differ from it in capital letters only: ORD_1, ord_1. Type the one that you mean." in both
    assert "“the large one”" in await look_up(desk, desk.vera, "/cancel-audit ORD_1")
    own = await look_up(desk, desk.ann, "/cancel-audit ORD_1")
    assert "for ORD_1: this shows ord_1, which differs in capital letters" in own
    assert "the large one" not in own
    assert "this is order" not in own
    coming = await look_up(desk, desk.ann, "/cancel-audit ORD_1 evidence")
    assert coming.endswith(
        "order ord_1 comes as a file by direct message. You typed ORD_1, which differs in capital letters."
    )


async def test_an_order_id_with_a_space_is_looked_up_as_it_is(quiet_desk: Desk) -> None:
    """The setting may allow it, and cards name the look-up with order: before it."""
    await quiet_desk.start_bot(ORDER_ID_PATTERN="[a-z0-9_ ]{1,20}", ORDER_ID_EXAMPLE="ord 1001")
    await quiet_desk.ask("ord 1", "typed twice")
    await quiet_desk.ask("ord 12", "another one")
    for text in ("ord 1", "order:ord 1", " ORDER:ord 1 "):
        answer = await look_up(quiet_desk, quiet_desk.vera, f"/cancel-audit {text}")
        assert "“typed twice”" in answer, text
        assert "another one" not in answer, text
    coming = await look_up(quiet_desk, quiet_desk.vera, "/cancel-audit ord 1 evidence")
    assert coming == "The evidence for order ord 1 comes as a file by direct message."


async def test_a_word_that_matches_nothing_claims_no_more(history: Desk) -> None:
    """The answer says that no request for such an order is on record, and how to look other things up."""
    for word in ("foo", "ben", "ORD_1001", "ord_99"):
        answer = await look_up(history, history.vera, f"/cancel-audit {word}")
        assert f"No request for an order {word} is on record." in answer
        assert "/cancel-audit help shows what else can be looked up." in answer


async def test_an_order_that_other_filters_exclude_is_not_said_to_be_missing(history: Desk) -> None:
    """The order is on record, so the answer says no more than that nothing matches all of the filters."""
    for text in ("ord_1 2020-01-01", "ord_1 pending", "ord_1 @olga", "ord_1 state:failed 7d"):
        answer = await look_up(history, history.vera, f"/cancel-audit {text}")
        assert "No requests match." in answer, text
        assert "No request for an order" not in answer, text


async def test_somebody_who_left_can_be_looked_up(history: Desk) -> None:
    """A former colleague is found by name, in any case, and by member id, though Slack makes no mention of them."""
    del history.slack.space.users[OLGA]
    for typed in ("@olga", "@OLGA", f"@{OLGA}"):
        answer = await look_up(history, history.vera, f"/cancel-audit {typed}")
        assert "ord_3" in answer, typed
        assert "ord_1" not in answer, typed


async def test_a_name_that_nobody_has_is_no_order(history: Desk) -> None:
    """The answer says that the person is not known, and how to pick one."""
    answer = await look_up(history, history.vera, "/cancel-audit @nobody")
    assert "I don't know '@nobody'." in answer


@pytest.fixture
async def far_desk(database: Path) -> AsyncIterator[tuple[Desk, Clock]]:
    """Yield a desk, with its clock, where an order was asked for at half past eleven in the evening in Phnom Penh."""
    clock = Clock(datetime(2026, 11, 23, 16, 30, tzinfo=UTC))
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock))
        await desk.ask("ord_1")
        clock.at = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
        yield desk, clock


@pytest.mark.parametrize(
    "zone, found, empty",
    [
        ("Asia/Phnom_Penh", ["yesterday", "2026-11-23", "2026-11-23..2026-11-23"], ["today", "2026-11-24"]),
        ("UTC", ["today", "2026-11-23"], ["yesterday", "2026-11-22"]),
        ("America/Los_Angeles", ["today", "2026-11-23"], ["yesterday", "2026-11-22", "2026-11-24"]),
        ("Pacific/Kiritimati", ["today", "2026-11-24", "2026-11-24..2026-11-24"], ["yesterday", "2026-11-23"]),
    ],
)
async def test_days_are_the_readers_own(
    far_desk: tuple[Desk, Clock], zone: str, found: list[str], empty: list[str]
) -> None:
    """Slack tells the reader's time zone, and a day begins at midnight there."""
    desk, _ = far_desk
    desk.slack.space.users[VERA].tz = zone
    for text in found:
        assert "ord_1" in await look_up(desk, desk.vera, f"/cancel-audit {text}"), text
    for text in empty:
        assert "No requests match." in await look_up(desk, desk.vera, f"/cancel-audit {text}"), text


@pytest.mark.parametrize("name", [None, "", "Mars/Olympus", "America", "../UTC", "x" * 300, "a\x00b", "\ud800"])
def test_a_time_zone_that_is_none_is_utc(name: str | None) -> None:
    """Slack, or a button that somebody forged, may call it anything."""
    assert looking_up._zone(name) is UTC  # noqa: SLF001


@pytest.mark.parametrize("fault", [ApiError("user_not_found"), broken(503)])
async def test_a_reader_whose_zone_is_not_known_reads_utc(far_desk: tuple[Desk, Clock], fault: Fault) -> None:
    """The look-up works all the same."""
    desk, _ = far_desk
    desk.slack.space.users[VERA].tz = "Pacific/Kiritimati"
    desk.slack.faults.always("users.info", fault)
    assert "ord_1" in await look_up(desk, desk.vera, "/cancel-audit 2026-11-23")


async def test_nobody_reads_the_words_of_others(desk: Desk) -> None:
    """A non-auditor finds no reason, no order and no name of other people's requests, refused ones included."""
    await desk.ask("ord_1", "my-own-words", person=desk.olga)
    assert await desk.fill_in("ord_1", "secret-words") is not None
    await desk.ask("ord_2", "other-words")
    for text in ("", "ord_1", "ORD_1", "ord_2", "ORD_2", "me", "today", "pending", "@olga", "@ann", "order:ord_2"):
        answer = await look_up(desk, desk.olga, f"/cancel-audit {text}")
        message = desk.answers(desk.olga)[-1]
        for words in (answer, message.text):
            assert "secret-words" not in words, text
            assert "other-words" not in words, text
            assert "ord_2 ·" not in words, text
    assert "secret-words" in await look_up(desk, desk.vera, "/cancel-audit ord_1")
    assert "secret-words" in await look_up(desk, desk.ben, "/cancel-audit ord_1")


async def test_a_look_up_does_not_tell_how_others_spelled_an_order(desk: Desk) -> None:
    """The answer to a non-auditor is the same, whether somebody else asked for the order or nobody did."""
    await desk.ask("ord_1")
    other = await look_up(desk, desk.olga, "/cancel-audit ORD_1")
    nobodys = await look_up(desk, desk.olga, "/cancel-audit ORD_2")
    assert other.replace("ORD_1", "ORD_2") == nobodys


async def test_a_page_of_somebody_else_shows_only_ones_own(desk: Desk) -> None:
    """A paging button that was forged or forwarded is answered with what its reader may see."""
    await desk.ask("ord_1", "secret-words")
    await look_up(desk, desk.olga, "/cancel-audit")
    message = desk.answers(desk.olga)[-1]
    for query in ("", "ord_1", "@ann"):
        value = PageButton(query, None).encode()
        button = {"type": "button", "action_id": "audit_page:newest", "text": {"type": "plain_text", "text": "Newest"}}
        message.blocks = [{"type": "actions", "elements": [{**button, "value": value}]}]
        known, edited = len(desk.answers(desk.olga)), message.edited
        await desk.olga.click(message, "audit_page:newest")
        await desk.wait(
            lambda known=known, edited=edited: len(desk.answers(desk.olga)) > known or message.edited > edited
        )
        assert "secret-words" not in str([each.text + str(each.blocks) for each in desk.answers(desk.olga)])
        assert "ord_1 ·" not in str([desk.olga.reads(each) for each in desk.answers(desk.olga)])


async def test_the_people_who_decided_are_named_by_what_they_did(quiet_desk: Desk) -> None:
    """An approver who approved and then rejected is not listed twice for one thing."""
    await quiet_desk.start_bot(APPROVALS_REQUIRED="2")
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "1 of 2")
    await quiet_desk.ben.click(card, "reject")
    await quiet_desk.wait(lambda: quiet_desk.ben.modal)
    await quiet_desk.ben.submit(reason="second thoughts")
    await quiet_desk.card_says(card, "Rejected")
    (_, line) = (await look_up(quiet_desk, quiet_desk.vera, "/cancel-audit")).splitlines()
    assert "ord_1 · rejected · requested by @ann · approved by @ben · rejected by @ben · “typed twice” · card" in line


async def test_an_unknown_filter_is_answered_with_the_usage(history: Desk) -> None:
    """A person who mistypes reads what can be typed, with their own text shown as it is."""
    answer = await look_up(history, history.vera, "/cancel-audit state:<!here>")
    assert "'<!here>' is not a state" in answer
    assert "• a time: today" in answer


async def test_people_read_what_they_may(history: Desk) -> None:
    """Auditors and approvers read everything, anybody else only their own, and asking for more is on record."""
    assert "ord_1" in await look_up(history, history.ben, "/cancel-audit")
    own = await look_up(history, history.olga, "/cancel-audit")
    assert "You see only your own requests" in own
    assert "ord_3" in own
    assert "ord_1" not in own
    story = await look_up(history, history.olga, "/cancel-audit ord_1")
    assert "No request for an order ord_1 is on record that you may read" in story
    assert "You can look up only your own requests" in await look_up(history, history.olga, "/cancel-audit @ann")
    last = await history.running_bot.store.read(lambda tables: tables.record.last())
    assert (last.kind, last.actor) == ("request_refused", history.olga.id)


def page_of(desk: Desk, message: Posted) -> tuple[str, list[str]]:
    """Return the place that a page names, such as 11–20 of 23, and its orders."""
    heading, *rows = desk.vera.reads(message).splitlines()
    return heading.rpartition(" · ")[2], [row.split(" · ")[1] for row in rows if " · " in row]


async def turned(desk: Desk, message: Posted, button: str) -> tuple[str, list[str]]:
    """Press a paging button, and return the page that comes in place of the one before."""
    edited = message.edited
    await desk.vera.click(message, f"audit_page:{button}")
    await desk.wait(lambda: message.edited > edited)
    return page_of(desk, message)


def numbered(first: int, last: int) -> list[str]:
    """Return the ids of these orders, newest first."""
    return [f"ord_p{number:02}" for number in range(first, last - 1, -1)]


async def test_a_reader_whom_slack_did_not_check_is_told_so(quiet_desk: Desk) -> None:
    """Cleo may read everything, by her group. While Slack does not say who is in it, nothing is said to be missing."""
    desk = quiet_desk
    await desk.start_bot()
    await desk.ask("ord_1")
    await desk.stop_bot()
    desk.slack.faults.always("usergroups.users.list", ApiError("internal_error"))
    await desk.start_bot()
    for line in ("/cancel-audit", "/cancel-audit ord_1"):
        told = await look_up(desk, desk.cleo, line)
        assert "I couldn't check with Slack which user groups you are in, so you see only your own requests." in told
        assert "If it happens again, tell the bot's operator." in told
    for line in ("/cancel-audit @ann", "/cancel-audit csv", "/cancel-audit ord_1 evidence"):
        told = await look_up(desk, desk.cleo, line)
        assert told.startswith("I couldn't check with Slack whether you may look up other people's requests.")
    refused = [event.content.why for event in await desk.events() if isinstance(event.content, RequestRefused)]
    assert refused == [Verdict.UNCHECKED] * 3
    assert not desk.cleo.files


async def test_paging_goes_through_everything_and_back(desk: Desk) -> None:
    """Each page says which rows of how many it has; the buttons replace the answer in place, at no end beyond it."""
    for number in range(23):
        await desk.fill_in(f"ord_p{number:02}")
    await look_up(desk, desk.vera, "/cancel-audit")
    message = desk.answers(desk.vera)[-1]
    assert page_of(desk, message) == ("1–10 of 23 orders", numbered(22, 13))
    assert message.button("audit_page:newer") is None
    assert await turned(desk, message, "older") == ("11–20 of 23 orders", numbered(12, 3))
    assert await turned(desk, message, "older") == ("21–23 of 23 orders", numbered(2, 0))
    assert message.button("audit_page:older") is None
    assert await turned(desk, message, "newer") == ("11–20 of 23 orders", numbered(12, 3))
    assert await turned(desk, message, "newer") == ("1–10 of 23 orders", numbered(22, 13))
    assert len(desk.answers(desk.vera)) == 1


async def test_a_page_stays_a_page_while_requests_come(desk: Desk) -> None:
    """Newer requests, and a restart of the bot, shift no page and no count; a new look-up shows them."""
    for number in range(12):
        await desk.fill_in(f"ord_p{number:02}")
    await look_up(desk, desk.vera, "/cancel-audit today")
    message = desk.answers(desk.vera)[-1]
    await desk.ask("ord_1")
    await desk.ask("ord_2")
    assert await turned(desk, message, "older") == ("11–12 of 12 orders", numbered(1, 0))
    await desk.stop_bot()
    await desk.start_bot(**(desk.by_http if desk.slack.events_url else {}))
    assert await turned(desk, message, "newer") == ("1–10 of 12 orders", numbered(11, 2))
    await look_up(desk, desk.vera, "/cancel-audit today")
    assert page_of(desk, desk.answers(desk.vera)[-1])[0] == "1–10 of 14 orders"


async def test_what_no_longer_matches_is_not_counted_and_hides_nothing(desk: Desk) -> None:
    """A page begins behind the last row that was read, though rows before it have left the answer since."""
    for number in range(13):
        await desk.fill_in(f"ord_p{number:02}")
    await look_up(desk, desk.vera, "/cancel-audit pending")
    message = desk.answers(desk.vera)[-1]
    for number in (12, 11):
        card = await desk.card(f"ord_p{number:02}")
        await desk.ann.click(card, "withdraw")
    assert await turned(desk, message, "older") == ("9–11 of 11 orders", numbered(2, 0))
    assert await turned(desk, message, "newer") == ("1–10 of 11 orders", numbered(10, 1))
    for number in (1, 0):
        await desk.ann.click(await desk.card(f"ord_p{number:02}"), "withdraw")
    assert await turned(desk, message, "older") == ("1–9 of 9 orders", numbered(10, 2))


async def test_a_count_is_that_of_ones_own_requests(desk: Desk) -> None:
    """A non-auditor learns nothing of how many requests others make, also not from a button."""
    await desk.ask("ord_1", person=desk.olga)
    for number in range(12):
        await desk.fill_in(f"ord_p{number:02}")
    answer = await look_up(desk, desk.olga, "/cancel-audit")
    assert answer.splitlines()[0].endswith(" · 1 of 1 order")
    assert [block["type"] for block in desk.answers(desk.olga)[-1].blocks] == ["rich_text", "rich_text"]


async def test_a_page_beyond_the_end_is_the_last_page(history: Desk) -> None:
    """A button that leads behind everything, be it forged, is answered with what is there."""
    await look_up(history, history.vera, "/cancel-audit")
    message = history.answers(history.vera)[-1]
    forged = [("older", PageButton("", older_than="0|0")), ("newer", PageButton("", newer_than="9999|1"))]
    for query, end in (("", "3"), ("ord_1", "2026|1")):
        forged += [("older", PageButton(query, older_than=end)), ("newer", PageButton(query, newer_than=end))]
    for which, button in forged:
        element = {"type": "button", "action_id": f"audit_page:{which}", "value": button.encode()}
        text = {"type": "plain_text", "text": which}
        message.blocks = [{"type": "actions", "elements": [element | {"text": text}]}]
        place, _ = await turned(history, message, which)
        assert " of " in place, button
        assert f"ord_{'1' if button.query else '2'}" in history.vera.reads(message), button


@pytest.mark.parametrize(
    "value", ["", "{}", '{"q":"","o":"x"}', '{"q":1,"o":null}', "[", '{"q":"","o":"9|99999999999999999999"}']
)
async def test_a_tampered_paging_button_is_refused(history: Desk, value: str) -> None:
    """A value that no button of ours has gets an answer, and nothing breaks."""
    await look_up(history, history.vera, "/cancel-audit")
    message = history.answers(history.vera)[-1]
    message.blocks.append(
        {
            "type": "actions",
            "elements": [
                {
                    "type": "button",
                    "action_id": "audit_page:older",
                    "text": {"type": "plain_text", "text": "Older"},
                    "value": value,
                }
            ],
        }
    )
    await history.vera.click(message, "audit_page:older")
    assert "no longer in use" in await history.told(history.vera, 2)


async def test_an_answer_whose_blocks_slack_refuses_comes_as_text(history: Desk) -> None:
    """The text says all that the blocks do, and no answer at all would look like nothing on record."""
    history.slack.faults.add("response_url", Canned(400, b"invalid_blocks"))
    told = await look_up(history, history.vera, "/cancel-audit ord_1")
    assert "typed twice" in told
    assert history.answers(history.vera)[-1].blocks == []
