"""Bringing deliveries to Slack: each way it can go, and never twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import cast

import aiohttp
import pytest
import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import BOT, FIRST, Event, follow, timestamp
from bot.domain.cancellation import State
from bot.domain.delivery import Delivery, DeliveryKind, DeliveryOutcome, MissingCard, Original, Publish, Receipt
from bot.domain.events import Cancelled, CardBlocked, CardPosted, DeliveryAbandoned, Digest, Frozen, Started
from bot.domain.report import Figures, Report
from bot.domain.request import Request
from bot.network import Network
from bot.sandbox.faults import ApiError, Canned, Drop, Fault, Hang, Twist, Without, broken, rate_limited
from bot.sandbox.slack import LocalSlack
from bot.sandbox.workspace import Posted
from bot.slack.client import web_client
from bot.slack.delivery import SlackCourier
from bot.slack.identity import fetch_identity
from bot.slack.search import METADATA_TYPE
from bot.slack.views.home import no_access
from bot.slack.views.modals import View
from bot.tuning import utc_now
from bot.worker import Worker
from bot.worker.worker import Gateway
from bot.workflow import Asked, Wish, Workflow
from tests.clock import Clock
from tests.domain.examples import a_request, changed
from tests.world import ANN, actor, next_delivery

AT = utc_now()
CARD = a_request(
    number=1, id="c1", order_id="ord_1", reason="twice", requester="U0ANN", state=State.PENDING,
    approvals_required=1, requested_at=AT, expires_at=AT + timedelta(days=1), card_channel="C0PAY", card_ts=None,
    card_link="", attempts=0, due_at=None, lease_until=None, changed_at=AT,
)  # fmt: skip
CANCELLED = Cancelled(1, Answer(Outcome.CANCELLED, http_status=200))
EVENT, _ = follow(FIRST, CANCELLED, BOT, timestamp(AT), request="c1", order_id="ord_1")

CONTENT = Digest("C0PAY", timestamp(AT), timestamp(AT), "UTC", Report(Figures()))
DIGEST, _ = follow(FIRST, CONTENT, BOT, timestamp(AT))

FREEZE, _ = follow(FIRST, Frozen(channels=("C0PAY",)), "U0BEN", timestamp(AT))

APART = {DeliveryKind.DIGEST, DeliveryKind.ANNOUNCEMENT, DeliveryKind.EVIDENCE}
NEW_MESSAGES = [kind for kind in DeliveryKind if kind.is_new_message and kind not in APART]


def about(kind: DeliveryKind) -> Event:
    """Return the event that a delivery of this kind reports."""
    return {DeliveryKind.DIGEST: DIGEST, DeliveryKind.ANNOUNCEMENT: FREEZE}.get(kind, EVENT)


def queued(kind: DeliveryKind, *, in_doubt: bool = False) -> Delivery:
    """Return a delivery, which may have been tried before."""
    target = "U0ANN" if kind.to_requester else "C0PAY"
    return Delivery(1, f"id-of-{kind}", "c1", kind, 1, target, AT, 1, AT if in_doubt else None)


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    """Yield a workspace with one channel."""
    async with LocalSlack() as slack:
        slack.space.add_user("U0ANN", "ann")
        slack.space.add_channel("C0PAY", "payments", ("U0ANN",))
        yield slack


@pytest.fixture
async def courier(slack: LocalSlack) -> AsyncIterator[SlackCourier]:
    """Yield the courier with a client like the bot's, but with less patience."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.3)) as session:
        client = web_client(slack.api_url, Network(), slack.bot_token)
        client.session = session
        identity = await fetch_identity(client)
        # A search looks at other parts of the channel the later it is, and a run of all tests takes more than minutes.
        yield SlackCourier(client, lambda: identity, now=lambda: AT)


async def posted(courier: SlackCourier) -> Request:
    """Post the card, and return the request as it is then."""
    receipt = await courier.deliver(queued(DeliveryKind.CARD), CARD, EVENT)
    assert receipt.outcome is DeliveryOutcome.DELIVERED
    return replace(CARD, card_ts=receipt.ts, card_link=receipt.link)


async def test_a_card_is_posted_with_nothing_but_its_id_in_the_metadata(
    slack: LocalSlack, courier: SlackCourier
) -> None:
    """The receipt has the place of the card, with a link; other apps can read no more than a random id."""
    card = await posted(courier)
    (message,) = slack.space.messages("C0PAY")
    assert message.metadata == {"event_type": METADATA_TYPE, "event_payload": {"delivery_id": "id-of-card"}}
    assert card.card_link == f"https://local.slack.com/archives/C0PAY/p{message.ts.replace('.', '')}"


@pytest.mark.parametrize("kind", NEW_MESSAGES)
@pytest.mark.parametrize("fault", [Drop(after_effect=True), Drop(), broken(500), Hang(asyncio.Event())])
async def test_a_message_that_may_be_in_slack_is_searched_for_before_it_is_posted_again(
    slack: LocalSlack,
    courier: SlackCourier,
    kind: DeliveryKind,
    fault: Fault,
) -> None:
    """After a lost answer the message is there exactly once, whether Slack had taken it or not."""
    card = CARD if kind is DeliveryKind.CARD else await posted(courier)
    before = len(slack.space.posted)
    slack.faults.add("chat.postMessage", fault)
    first = await courier.deliver(queued(kind), card, about(kind))
    assert (first.outcome, first.in_doubt) == (DeliveryOutcome.IN_DOUBT, True)
    second = await courier.deliver(queued(kind, in_doubt=True), card, about(kind))
    assert second.outcome is DeliveryOutcome.DELIVERED
    third = await courier.deliver(queued(kind, in_doubt=True), card, about(kind))
    assert third == second
    assert len(slack.space.posted) == before + 1


async def test_a_message_is_found_behind_many_others(slack: LocalSlack, courier: SlackCourier) -> None:
    """The search goes through all pages, and takes no other app's message for ours."""
    card = await posted(courier)
    mine = slack.space.messages("C0PAY")[0]
    for _ in range(450):
        other = Posted("C0PAY", slack.space.next_ts(), "chat", [], "U0ANN")
        slack.space.post(other)
    found = await courier.deliver(queued(DeliveryKind.CARD, in_doubt=True), CARD, EVENT)
    assert (found.outcome, found.ts) == (DeliveryOutcome.DELIVERED, card.card_ts)
    mine.metadata = {"event_type": METADATA_TYPE, "event_payload": {"delivery_id": "another"}}
    again = await courier.deliver(queued(DeliveryKind.CARD, in_doubt=True), CARD, EVENT)
    assert again.ts != card.card_ts


async def test_a_search_that_fails_leaves_the_doubt(slack: LocalSlack, courier: SlackCourier) -> None:
    """While the search fails, nothing is posted again."""
    slack.faults.add("conversations.history", rate_limited(7))
    receipt = await courier.deliver(queued(DeliveryKind.CARD, in_doubt=True), CARD, EVENT)
    assert receipt == Receipt(
        DeliveryOutcome.LATER, problem="ratelimited", retry_after=7.0, in_doubt=True, posted_nothing=True
    )
    slack.faults.add("conversations.history", broken(500))
    unclear = await courier.deliver(queued(DeliveryKind.CARD, in_doubt=True), CARD, EVENT)
    assert (unclear.outcome, unclear.in_doubt) == (DeliveryOutcome.IN_DOUBT, True)
    slack.space.channels["C0PAY"].members.clear()
    blocked = await courier.deliver(queued(DeliveryKind.CARD, in_doubt=True), CARD, EVENT)
    assert (blocked.outcome, blocked.in_doubt) == (DeliveryOutcome.BLOCKED, True)
    assert not slack.space.posted


@pytest.mark.parametrize(
    "name, outcome",
    [
        ("not_in_channel", DeliveryOutcome.BLOCKED),
        ("channel_not_found", DeliveryOutcome.BLOCKED),
        ("is_archived", DeliveryOutcome.BLOCKED),
        ("restricted_action", DeliveryOutcome.BLOCKED),
        ("message_limit_exceeded", DeliveryOutcome.BLOCKED),
        ("team_access_not_granted", DeliveryOutcome.BLOCKED),
        ("missing_scope", DeliveryOutcome.BLOCKED),
        ("ekm_access_denied", DeliveryOutcome.BLOCKED),
        ("token_revoked", DeliveryOutcome.BLOCKED),
        ("account_inactive", DeliveryOutcome.BLOCKED),
        ("an_error_of_the_future", DeliveryOutcome.BLOCKED),
        ("msg_too_long", DeliveryOutcome.IMPOSSIBLE),
        ("msg_blocks_too_long", DeliveryOutcome.IMPOSSIBLE),
        ("fatal_error", DeliveryOutcome.IN_DOUBT),
        ("internal_error", DeliveryOutcome.IN_DOUBT),
        ("ratelimited", DeliveryOutcome.LATER),
    ],
)
async def test_each_of_slacks_errors_has_its_outcome(
    slack: LocalSlack, courier: SlackCourier, name: str, outcome: DeliveryOutcome
) -> None:
    """Errors that people can fix, that are final, that leave a doubt, and that pass are told apart.

    An unknown error waits for a person, because the message may still be possible.
    """
    slack.faults.add("chat.postMessage", ApiError(name))
    receipt = await courier.deliver(queued(DeliveryKind.CARD), CARD, EVENT)
    assert (receipt.outcome, receipt.problem, receipt.in_doubt) == (
        outcome,
        name,
        outcome in {DeliveryOutcome.IN_DOUBT, DeliveryOutcome.LATER},
    )


PERSON = ["user_not_found", "user_disabled", "users_not_found", "cannot_dm_bot", "user_not_visible"]
MESSAGE_LOST = ["message_not_found"]
UNFIT = [
    "msg_too_long",
    "msg_blocks_too_long",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_arguments",
    "no_text",
]
FINAL = [
    ("chat.postMessage", DeliveryKind.CARD, UNFIT),
    ("chat.postMessage", DeliveryKind.REPLY, UNFIT),
    ("chat.postMessage", DeliveryKind.DIRECT_MESSAGE, UNFIT + PERSON),
    ("conversations.open", DeliveryKind.DIRECT_MESSAGE, PERSON),
    ("chat.postMessage", DeliveryKind.RECEIPT, UNFIT + PERSON),
    ("conversations.open", DeliveryKind.RECEIPT, PERSON),
    ("chat.update", DeliveryKind.CARD_UPDATE, MESSAGE_LOST),
    ("chat.update", DeliveryKind.RECEIPT_UPDATE, MESSAGE_LOST),
    ("conversations.history", DeliveryKind.CARD, []),
    ("conversations.history", DeliveryKind.REPLY, []),
    ("conversations.replies", DeliveryKind.REPLY, []),
    ("conversations.history", DeliveryKind.DIRECT_MESSAGE, []),
    ("conversations.history", DeliveryKind.RECEIPT, []),
    ("chat.postMessage", DeliveryKind.DIGEST, UNFIT),
    ("conversations.history", DeliveryKind.DIGEST, []),
    ("chat.postMessage", DeliveryKind.ANNOUNCEMENT, UNFIT),
    ("conversations.history", DeliveryKind.ANNOUNCEMENT, []),
]


@pytest.mark.parametrize("method, kind, final", FINAL)
async def test_an_error_is_final_only_where_it_is_about_this_message(
    slack: LocalSlack, courier: SlackCourier, method: str, kind: DeliveryKind, final: list[str]
) -> None:
    """A card is never dropped for an error about somebody else, nor a reply for one about the card's update."""
    card = CARD if kind is DeliveryKind.CARD else await posted(courier)
    delivery = queued(kind, in_doubt="history" in method or "replies" in method)
    if kind is DeliveryKind.RECEIPT_UPDATE:
        delivery = replace(delivery, receipt=("D1", "1.1"))
    for name in [*UNFIT, *PERSON, *MESSAGE_LOST, "messages_tab_disabled"]:
        if name == "message_not_found" and kind.is_new_message:
            continue  # that the thread is gone is another matter
        slack.faults.add(method, ApiError(name))
        receipt = await courier.deliver(delivery, card, about(delivery.kind))
        outcome = DeliveryOutcome.IMPOSSIBLE if name in final else DeliveryOutcome.BLOCKED
        assert (name, receipt.outcome, receipt.problem) == (name, outcome, name)


async def test_a_rate_limit_says_how_long(slack: LocalSlack, courier: SlackCourier) -> None:
    """Slack's Retry-After reaches the worker. A message that was sent twice on its way may be there all the same."""
    slack.faults.add("chat.postMessage", rate_limited(30))
    receipt = await courier.deliver(queued(DeliveryKind.CARD), CARD, EVENT)
    assert receipt == Receipt(DeliveryOutcome.LATER, problem="ratelimited", retry_after=30.0, in_doubt=True)
    slack.faults.add("chat.update", rate_limited(30))
    card = replace(CARD, card_ts="1.0")
    receipt = await courier.deliver(queued(DeliveryKind.CARD_UPDATE), card, EVENT)
    assert receipt == Receipt(DeliveryOutcome.LATER, problem="ratelimited", retry_after=30.0, posted_nothing=True)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("kind", NEW_MESSAGES)
@pytest.mark.parametrize(
    "answer",
    [
        Canned(504, b'{"error":"upstream request timeout"}', JSON),
        Canned(502, b'{"statusCode":502,"error":"Bad Gateway","message":"socket hang up"}', JSON),
        Canned(503, b'{"ok":false,"error":"service_unavailable"}', JSON),
        Canned(401, b'{"error":"user_not_found"}', JSON),
        Canned(404, b'{"ok":false,"error":"message_not_found"}', JSON),
        Canned(200, b'{"error":"blocked_by_policy"}', JSON),
        Canned(200, b'{"ok":false,"error":"Blocked by policy"}', JSON),
        Canned(429, b"<html>Too many requests", {"Content-Type": "text/html", "Retry-After": "999999"}),
        Canned(302, b"", {"Location": "http://127.0.0.1:9/"}),
        rate_limited(1),
    ],
    ids=lambda answer: f"{answer.status} {answer.body[:30].decode()}",
)
async def test_a_wrong_answer_after_slack_did_the_work_posts_nothing_twice(
    slack: LocalSlack, courier: SlackCourier, kind: DeliveryKind, answer: Canned
) -> None:
    """Whatever something on the way answers in Slack's place, the message is looked for before it is posted again."""
    card = CARD if kind is DeliveryKind.CARD else await posted(courier)
    before = len(slack.space.posted)
    slack.faults.add("chat.postMessage", Twist(answer))
    first = await courier.deliver(queued(kind), card, about(kind))
    assert first.in_doubt
    assert (first.retry_after or 0) <= 300
    second = await courier.deliver(queued(kind, in_doubt=True), card, about(kind))
    assert second.outcome is DeliveryOutcome.DELIVERED
    assert len(slack.space.posted) == before + 1


@pytest.mark.parametrize("kind", NEW_MESSAGES)
@pytest.mark.parametrize("fields", [("ts",), ("channel",), ("channel", "ts", "message")])
async def test_an_answer_without_a_place_is_searched_for(
    slack: LocalSlack, courier: SlackCourier, kind: DeliveryKind, fields: tuple[str, ...]
) -> None:
    """An answer of "ok" alone leaves it in doubt where the message is; it is found, and not posted again."""
    card = CARD if kind is DeliveryKind.CARD else await posted(courier)
    before = len(slack.space.posted)
    slack.faults.add("chat.postMessage", Without(fields))
    first = await courier.deliver(queued(kind), card, about(kind))
    assert (first.outcome, first.problem, first.in_doubt) == (DeliveryOutcome.IN_DOUBT, "no_place_in_answer", True)
    second = await courier.deliver(queued(kind, in_doubt=True), card, about(kind))
    assert second.outcome is DeliveryOutcome.DELIVERED
    assert (second.channel, second.ts) == (slack.space.posted[-1].channel, slack.space.posted[-1].ts)
    assert len(slack.space.posted) == before + 1


@pytest.mark.parametrize("kind", NEW_MESSAGES)
async def test_an_answer_about_another_channel_is_searched_for(
    slack: LocalSlack, courier: SlackCourier, kind: DeliveryKind
) -> None:
    """An "ok" that names another channel proves nothing about this message; it is found, and not posted again."""
    card = CARD if kind is DeliveryKind.CARD else await posted(courier)
    before = len(slack.space.posted)
    slack.faults.add("chat.postMessage", Twist(_ok(channel="C0GENERAL", ts="1700000000.000100")))
    first = await courier.deliver(queued(kind), card, about(kind))
    assert (first.outcome, first.problem, first.in_doubt) == (DeliveryOutcome.IN_DOUBT, "another_place_in_answer", True)
    second = await courier.deliver(queued(kind, in_doubt=True), card, about(kind))
    assert (second.channel, second.ts) == (slack.space.posted[-1].channel, slack.space.posted[-1].ts)
    assert len(slack.space.posted) == before + 1


@pytest.mark.parametrize("place", [{"ts": "1700000000.000100"}, {"channel": "C0GENERAL"}, {"channel": ""}])
async def test_an_update_whose_answer_is_about_another_message_is_tried_again(
    slack: LocalSlack, courier: SlackCourier, place: dict[str, str]
) -> None:
    """An "ok" about another message does not end an update: it may not have been carried out."""
    card = await posted(courier)
    slack.faults.add("chat.update", _ok(**{"channel": card.card_channel, "ts": card.card_ts or "", **place}))
    assert (
        await courier.deliver(queued(DeliveryKind.CARD_UPDATE), card, about(DeliveryKind.CARD_UPDATE))
    ).outcome is DeliveryOutcome.IN_DOUBT
    assert (
        await courier.deliver(queued(DeliveryKind.CARD_UPDATE), card, about(DeliveryKind.CARD_UPDATE))
    ).outcome is DeliveryOutcome.DELIVERED


def _ok(**fields: str) -> Canned:
    return Canned(200, json.dumps({"ok": True, **fields}).encode(), {"Content-Type": "application/json"})


@pytest.mark.parametrize("hours", [-200, -1, 1, 12, 200])
@pytest.mark.parametrize("kind", NEW_MESSAGES)
async def test_a_message_is_found_though_our_clock_is_wrong(
    slack: LocalSlack, courier: SlackCourier, kind: DeliveryKind, hours: int
) -> None:
    """A message has Slack's time and the doubt has ours: so the search is wide, and ends with the newest messages."""
    slack.space.ahead = timedelta(hours=-hours)  # our clock is ahead by so much
    card = CARD if kind is DeliveryKind.CARD else await posted(courier)
    before = len(slack.space.posted)
    slack.faults.add("chat.postMessage", Drop(after_effect=True))
    await courier.deliver(queued(kind), card, about(kind))
    found = await courier.deliver(queued(kind, in_doubt=True), card, about(kind))
    assert (found.outcome, found.ts) == (DeliveryOutcome.DELIVERED, slack.space.posted[-1].ts)
    assert len(slack.space.posted) == before + 1


def pages(slack: LocalSlack, method: str) -> int:
    """Return how many pages were asked for by this method."""
    return [call.method for call in slack.calls].count(method)


@pytest.mark.parametrize("trouble", ["no_cursor", "same_cursor"])
@pytest.mark.parametrize("kind", NEW_MESSAGES)
async def test_a_search_goes_on_by_time_where_no_cursor_leads_on(
    slack: LocalSlack, courier: SlackCourier, kind: DeliveryKind, trouble: str
) -> None:
    """Slack says that there is more, and no cursor leads there: the message is found all the same."""
    card = CARD if kind is DeliveryKind.CARD else await posted(courier)

    def chat() -> None:
        channel = slack.space.direct_channel("U0ANN").id if kind.to_requester else "C0PAY"
        thread = card.card_ts if kind is DeliveryKind.REPLY else None
        for _ in range(3):
            slack.space.post(Posted(channel, slack.space.next_ts(), "chat", [], "U0ANN", thread))

    chat()
    slack.faults.add("chat.postMessage", Drop(after_effect=True))
    await courier.deliver(queued(kind), card, about(kind))
    mine = slack.space.posted[-1]
    chat()
    slack.history.most = 1
    setattr(slack.history, trouble, True)
    found = await courier.deliver(queued(kind, in_doubt=True), card, about(kind))
    assert (found.outcome, found.ts) == (DeliveryOutcome.DELIVERED, mine.ts)


@pytest.mark.parametrize("kind", [DeliveryKind.CARD, DeliveryKind.REPLY])
async def test_a_search_ends_where_nothing_is_left(
    slack: LocalSlack, courier: SlackCourier, kind: DeliveryKind
) -> None:
    """The same cursor for ever ends with an empty page, and then the message counts as not there."""
    card = CARD if kind is DeliveryKind.CARD else await posted(courier)
    slack.space.post(Posted("C0PAY", slack.space.next_ts(), "chat", [], "U0ANN"))
    slack.history.same_cursor = True
    receipt = await courier.deliver(queued(kind, in_doubt=True), card, about(kind))
    assert receipt.outcome is DeliveryOutcome.DELIVERED
    # The last one of each looks at the newest messages, whatever their time.
    assert pages(slack, "conversations.history") == 4
    assert pages(slack, "conversations.replies") == (4 if kind is DeliveryKind.REPLY else 0)


async def test_a_search_that_is_not_finished_never_means_that_nothing_is_there(
    slack: LocalSlack, courier: SlackCourier
) -> None:
    """However busy the channel is, nothing is posted again before all of it was looked at, over several tries."""
    mine = await posted(courier)
    for _ in range(60):
        slack.space.post(Posted("C0PAY", slack.space.next_ts(), "chat", [], "U0ANN"))
    slack.history.most = 1
    for _ in range(2):
        receipt = await courier.deliver(queued(DeliveryKind.CARD, in_doubt=True), CARD, EVENT)
        assert receipt == Receipt(DeliveryOutcome.LATER, problem="search_goes_on", in_doubt=True, posted_nothing=True)
    found = await courier.deliver(queued(DeliveryKind.CARD, in_doubt=True), CARD, EVENT)
    assert (found.outcome, found.ts) == (DeliveryOutcome.DELIVERED, mine.card_ts)
    assert pages(slack, "conversations.history") == 61


@pytest.mark.parametrize("trouble", [rate_limited(7), broken(500), ApiError("invalid_cursor")])
@pytest.mark.parametrize("kind", NEW_MESSAGES)
async def test_a_search_that_is_interrupted_at_each_page_comes_to_its_end(
    slack: LocalSlack, courier: SlackCourier, kind: DeliveryKind, trouble: Fault
) -> None:
    """Slack takes one page in each try and no more, and the message behind many others is found all the same."""
    card = CARD if kind is DeliveryKind.CARD else await posted(courier)
    slack.faults.add("chat.postMessage", Drop(after_effect=True))
    await courier.deliver(queued(kind), card, EVENT)
    mine = slack.space.posted[-1]
    for _ in range(10):
        slack.space.post(Posted(mine.channel, slack.space.next_ts(), "chat", [], "U0ANN"))
    slack.history.most = 2
    for _ in range(10):
        for method in ("conversations.history", "conversations.replies"):
            slack.faults.clear()
            slack.faults.choose = _every_second(method, trouble)
        found = await courier.deliver(queued(kind, in_doubt=True), card, EVENT)
        if found.outcome is DeliveryOutcome.DELIVERED:
            break
        assert found.in_doubt
    assert found.ts == mine.ts


def _every_second(method: str, trouble: Fault) -> Callable[[str], Fault | None]:
    """Return a choice of faults that lets one call of this method through, and no second one."""
    calls = count()
    return lambda called: trouble if called == method and next(calls) else None


async def test_a_search_looks_first_where_the_message_must_be() -> None:
    """After a weekend off with a busy channel, a message that was in doubt on Friday is found by one call."""
    clock = Clock()
    async with LocalSlack(now=clock) as slack, aiohttp.ClientSession() as session:
        slack.space.add_user("U0ANN", "ann")
        slack.space.add_channel("C0PAY", "payments", ("U0ANN",))
        client = web_client(slack.api_url, Network(), slack.bot_token)
        client.session = session
        identity = await fetch_identity(client)
        courier = SlackCourier(client, lambda: identity, now=clock)
        friday = clock()
        slack.faults.add("chat.postMessage", Drop(after_effect=True))
        await courier.deliver(queued(DeliveryKind.CARD), CARD, EVENT)
        (mine,) = slack.space.messages("C0PAY")
        for _ in range(300):
            clock.advance(minutes=12)
            slack.space.post(Posted("C0PAY", slack.space.next_ts(), "chat", [], "U0ANN"))
        again = replace(queued(DeliveryKind.CARD), in_doubt_since=friday, last_try_at=friday)
        found = await courier.deliver(again, CARD, EVENT)
        assert (found.outcome, found.ts) == (DeliveryOutcome.DELIVERED, mine.ts)
        assert pages(slack, "conversations.history") == 1


@pytest.mark.parametrize("kind", NEW_MESSAGES)
async def test_copies_are_deleted_and_the_message_stays(
    slack: LocalSlack, courier: SlackCourier, kind: DeliveryKind
) -> None:
    """Whatever was posted by tries whose answers got lost goes, in the channel, in the thread, and to a person."""
    card = CARD if kind is DeliveryKind.CARD else await posted(courier)
    before = list(slack.space.posted)
    for _ in range(3):
        receipt = await courier.deliver(queued(kind), card, EVENT)
    original = Original(kind, receipt.channel, receipt.ts)
    copies = replace(queued(DeliveryKind.COPIES, in_doubt=True), id=queued(kind).id, original=original)
    slack.faults.add("chat.delete", rate_limited(5))
    assert (await courier.deliver(copies, card, EVENT)).outcome is DeliveryOutcome.LATER
    done = await courier.deliver(copies, card, EVENT)
    assert (done.outcome, done.ts) == (DeliveryOutcome.DELIVERED, receipt.ts)
    assert [each.ts for each in slack.space.posted] == [*(each.ts for each in before), receipt.ts]


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE])
async def test_of_a_message_that_was_called_off_none_stays(
    slack: LocalSlack, courier: SlackCourier, kind: DeliveryKind
) -> None:
    """Slack has shown it late, after news that says the opposite, and it would be the last word."""
    card = await posted(courier)
    before = [each.ts for each in slack.space.posted]
    await courier.deliver(queued(kind), card, EVENT)
    assert len(slack.space.posted) == len(before) + 1
    target = queued(kind).target
    copies = replace(
        queued(DeliveryKind.COPIES, in_doubt=True), id=queued(kind).id, target=target, original=Original(kind)
    )
    assert (await courier.deliver(copies, card, EVENT)).outcome is DeliveryOutcome.DELIVERED
    assert [each.ts for each in slack.space.posted] == before


async def test_copies_that_slack_does_not_let_go_are_named_in_the_log(slack: LocalSlack, courier: SlackCourier) -> None:
    """Nothing depends on it, so it is not tried for ever."""
    for _ in range(2):
        receipt = await courier.deliver(queued(DeliveryKind.CARD), CARD, EVENT)
    original = Original(DeliveryKind.CARD, "C0PAY", receipt.ts)
    copies = replace(queued(DeliveryKind.COPIES, in_doubt=True), id="id-of-card", original=original)
    slack.faults.add("chat.delete", ApiError("cant_delete_message"))
    with structlog.testing.capture_logs() as logs:
        assert (await courier.deliver(copies, CARD, EVENT)).outcome is DeliveryOutcome.DELIVERED
    assert [line["event"] for line in logs] == ["duplicate_not_deleted"]


async def test_a_duplicate_is_removed(slack: LocalSlack, courier: SlackCourier) -> None:
    """The bot deletes its own message; where Slack does not let it, the log says so and nothing else happens."""
    receipt = await courier.deliver(queued(DeliveryKind.CARD), CARD, EVENT)
    with structlog.testing.capture_logs() as logs:
        slack.faults.add("chat.delete", ApiError("cant_delete_message"))
        await courier.remove(receipt)
    assert [(line["event"], line["problem"]) for line in logs] == [("duplicate_not_deleted", "cant_delete_message")]
    assert len(slack.space.posted) == 1
    await courier.remove(receipt)
    assert not slack.space.posted


def worker(workflow: Workflow, courier: SlackCourier, clock: Clock, name: str) -> Worker:
    """Return a worker that brings messages to Slack; there is no gateway to call."""
    gateway = cast("Gateway", None)
    return Worker(workflow, gateway, courier, now=clock, name=name, wake=asyncio.Event())


@pytest.mark.parametrize("late", ["the first", "the second"])
async def test_a_late_duplicate_is_deleted(workflow: Workflow, clock: Clock, late: str) -> None:
    """Two workers post the same card, one of them so slowly that its lease ends: in the end there is one card.

    Whichever answer comes first counts, and the other message goes.
    """
    async with LocalSlack(now=clock) as slack, aiohttp.ClientSession() as session:
        slack.space.add_user(ANN, "ann")
        slack.space.add_channel("C1", "payments", (ANN,))
        client = web_client(slack.api_url, Network(), slack.bot_token)
        client.session = session
        identity = await fetch_identity(client)
        courier = SlackCourier(client, lambda: identity)
        await workflow.request(Wish("V1", ("ord_1",), "", "C1"), actor(ANN))
        first, second = asyncio.Event(), asyncio.Event()
        slack.faults.add("chat.postMessage", Hang(first), Hang(second))
        slow = asyncio.create_task(worker(workflow, courier, clock, "slow").until_idle())
        await slack.space.changes.wait_for(lambda: pages(slack, "chat.postMessage") == 1)
        clock.advance(minutes=3)
        quick = asyncio.create_task(worker(workflow, courier, clock, "quick").until_idle())
        await slack.space.changes.wait_for(lambda: pages(slack, "chat.postMessage") == 2)
        for until, task in (
            [(second, quick), (first, slow)] if late == "the first" else [(first, slow), (second, quick)]
        ):
            until.set()
            await task
        (card,) = slack.space.messages("C1")
        found = await workflow.look_up(actor(ANN), Asked("ord_1"))
    posted = [event.content for event in found.page.items if isinstance(event, Event)]
    assert (card.channel, card.ts) in [(each.channel, each.ts) for each in posted if isinstance(each, CardPosted)]
    assert len([content for content in posted if isinstance(content, CardPosted)]) == 1


async def test_slack_away_is_certain(slack: LocalSlack) -> None:
    """A refused connection posted nothing."""
    identity = await fetch_identity(AsyncWebClient(slack.bot_token, slack.api_url))
    courier = SlackCourier(AsyncWebClient(slack.bot_token, "http://127.0.0.1:9/api/"), lambda: identity)
    receipt = await courier.deliver(queued(DeliveryKind.CARD), CARD, EVENT)
    assert (receipt.outcome, receipt.problem) == (DeliveryOutcome.LATER, "not_reachable")


async def test_before_slack_has_confirmed_the_token_nothing_is_sent() -> None:
    """The bot must know itself to find its own messages again."""
    courier = SlackCourier(AsyncWebClient(), lambda: None)
    assert (await courier.deliver(queued(DeliveryKind.CARD), CARD, EVENT)).problem == "not_connected_yet"


async def test_no_card_is_posted_for_a_request_that_ended(slack: LocalSlack, courier: SlackCourier) -> None:
    """A request that expired before its card could be posted gets none, and nothing below it."""
    over = changed(CARD, state=State.EXPIRED)
    for kind in (DeliveryKind.CARD, DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY):
        assert (await courier.deliver(queued(kind), over, EVENT)).outcome is DeliveryOutcome.IMPOSSIBLE
    assert not slack.space.posted


async def test_a_deleted_card(slack: LocalSlack, courier: SlackCourier) -> None:
    """The update of a deleted card is impossible, and its reply goes into the channel, once."""
    card = await posted(courier)
    assert card.card_ts is not None
    slack.space.delete_message("C0PAY", card.card_ts)
    update = await courier.deliver(queued(DeliveryKind.CARD_UPDATE), card, EVENT)
    assert (update.outcome, update.problem) == (DeliveryOutcome.IMPOSSIBLE, "message_not_found")
    first = await courier.deliver(queued(DeliveryKind.REPLY), card, EVENT)
    again = await courier.deliver(queued(DeliveryKind.REPLY, in_doubt=True), card, EVENT)
    assert first.ts == again.ts
    assert len(slack.space.messages("C0PAY")) == 1


async def test_a_reply_that_slack_refuses_otherwise_stays_queued(slack: LocalSlack, courier: SlackCourier) -> None:
    """Only a thread that is gone sends the reply elsewhere."""
    card = await posted(courier)
    slack.faults.add("chat.postMessage", ApiError("is_archived"))
    assert (await courier.deliver(queued(DeliveryKind.REPLY), card, EVENT)).outcome is DeliveryOutcome.BLOCKED


@pytest.mark.parametrize("tries", [1, 2])
async def test_a_doubt_outlives_the_tries_before_slack_is_reached(workflow: Workflow, clock: Clock, tries: int) -> None:
    """If a process is killed while it posts, the next one searches first, also when it does not reach Slack at once."""
    await workflow.request(Wish("V1", ("ord_1",), "", "C1"), actor(ANN))
    killed = await next_delivery(workflow)
    assert killed is not None
    await workflow.start(Started("1.0"))
    courier = SlackCourier(AsyncWebClient(), lambda: None)
    for _ in range(tries + 1):
        clock.advance(minutes=1)
        while (claimed := await next_delivery(workflow)) is not None and claimed.delivery.kind is DeliveryKind.RECEIPT:
            posted = Receipt(DeliveryOutcome.DELIVERED, "D1", "1.1")
            await workflow.record_delivery(claimed.delivery, posted)
        assert claimed is not None
        assert claimed.delivery.in_doubt_since is not None
        await workflow.record_delivery(
            claimed.delivery, await courier.deliver(claimed.delivery, claimed.request, claimed.event)
        )


async def test_a_receipt_is_updated_where_it_is(slack: LocalSlack, courier: SlackCourier) -> None:
    """It is a message in the direct messages of the requester, and shows the state as it is now."""
    receipt = await courier.deliver(queued(DeliveryKind.RECEIPT), CARD, EVENT)
    (message,) = slack.space.messages(slack.space.direct_channel("U0ANN").id)
    assert (receipt.channel, receipt.ts) == (message.channel, message.ts)
    assert message.button("withdraw")
    update = replace(queued(DeliveryKind.RECEIPT_UPDATE), receipt=(receipt.channel, receipt.ts))
    done = await courier.deliver(update, changed(CARD, state=State.WITHDRAWN), EVENT)
    assert (done.outcome, done.channel, done.ts) == (DeliveryOutcome.DELIVERED, receipt.channel, receipt.ts)
    assert (message.text.startswith("↩️ Withdrawn"), message.button("withdraw"), message.edited) == (True, None, 1)


async def test_an_update_without_a_receipt_is_given_up(courier: SlackCourier) -> None:
    """There is nothing to update where Slack never took the receipt."""
    receipt = await courier.deliver(queued(DeliveryKind.RECEIPT_UPDATE), CARD, EVENT)
    assert receipt == Receipt(DeliveryOutcome.IMPOSSIBLE, problem="no_receipt")


@pytest.mark.parametrize("error", ["user_disabled", "cannot_dm_bot", "user_not_found"])
async def test_a_receipt_for_somebody_who_takes_no_messages_is_given_up(
    slack: LocalSlack, courier: SlackCourier, error: str
) -> None:
    """Waiting would not help."""
    slack.faults.add("conversations.open", ApiError(error))
    receipt = await courier.deliver(queued(DeliveryKind.RECEIPT), CARD, EVENT)
    assert receipt == Receipt(DeliveryOutcome.IMPOSSIBLE, problem=error, posted_nothing=True)


@pytest.mark.parametrize(
    "content", [CardBlocked("C0PAY", "is_archived"), DeliveryAbandoned(DeliveryKind.CARD, "msg_too_long")]
)
async def test_a_message_about_a_missing_card_is_sent_only_while_it_is_missing(
    slack: LocalSlack, courier: SlackCourier, content: CardBlocked | DeliveryAbandoned
) -> None:
    """It says why; it is called off where the card is there by then, or where nobody needs it any more."""
    event, _ = follow(FIRST, content, BOT, timestamp(AT), request="c1", order_id="ord_1")
    message = queued(DeliveryKind.DIRECT_MESSAGE)
    for request, problem in (
        (CARD, "card_is_there"),
        (changed(CARD, state=State.EXPIRED), "too_late_for_a_card"),
    ):
        called_off = await courier.deliver(message, request, event)
        assert called_off == Receipt(DeliveryOutcome.IMPOSSIBLE, problem=problem)
    assert not slack.space.posted
    missing = MissingCard(content.problem, given_up=isinstance(content, DeliveryAbandoned))
    told = await courier.deliver(replace(message, missing_card=missing), CARD, event)
    assert told.outcome is DeliveryOutcome.DELIVERED
    assert "<#C0PAY>" in slack.space.posted[0].text


# --- the Home tab -----------------------------------------------------------------------------------------------------

TAB = Publish("U0ANN", 1)


def with_home(courier: SlackCourier, view: View | None) -> SlackCourier:
    """Return the courier where this is everybody's Home tab."""

    async def home(_: str) -> View | None:
        return view

    return SlackCourier(courier._client, courier._identity, home=home)  # noqa: SLF001 -- the same way to the same Slack


async def test_a_home_tab_is_published_for_its_person(slack: LocalSlack, courier: SlackCourier) -> None:
    """Nobody else's tab changes, and no message is posted."""
    slack.space.add_user("U0BEN", "ben")
    assert await with_home(courier, no_access()).publish(TAB) == Receipt(DeliveryOutcome.DELIVERED)
    assert set(slack.space.homes) == {"U0ANN"}
    assert not slack.space.posted


@pytest.mark.parametrize(
    "fault, outcome, problem",
    [
        (ApiError("invalid_arguments"), DeliveryOutcome.IMPOSSIBLE, "invalid_arguments"),
        (ApiError("view_too_large"), DeliveryOutcome.IMPOSSIBLE, "view_too_large"),
        (ApiError("not_enabled"), DeliveryOutcome.BLOCKED, "not_enabled"),
        (ApiError("user_not_found"), DeliveryOutcome.BLOCKED, "user_not_found"),
        (ApiError("missing_scope"), DeliveryOutcome.BLOCKED, "missing_scope"),
        (ApiError("token_revoked"), DeliveryOutcome.BLOCKED, "token_revoked"),
        (ApiError("message_not_found"), DeliveryOutcome.BLOCKED, "message_not_found"),
        (ApiError("internal_error"), DeliveryOutcome.IN_DOUBT, "internal_error"),
        (Drop(after_effect=True), DeliveryOutcome.IN_DOUBT, "ServerDisconnectedError"),
        (Hang(asyncio.Event()), DeliveryOutcome.IN_DOUBT, "no_answer_in_time"),
        (broken(503), DeliveryOutcome.IN_DOUBT, "http_503"),
    ],
)
async def test_what_a_refused_home_tab_means(
    slack: LocalSlack, courier: SlackCourier, fault: Fault, outcome: DeliveryOutcome, problem: str
) -> None:
    """Only an error about this very view is final; whatever a person can mend, or time, is tried again."""
    slack.faults.add("views.publish", fault)
    receipt = await with_home(courier, no_access()).publish(TAB)
    assert (receipt.outcome, receipt.problem) == (outcome, problem)


async def test_a_rate_limit_on_home_tabs_says_how_long(slack: LocalSlack, courier: SlackCourier) -> None:
    """It is Slack's word, and nothing was published."""
    slack.faults.add("views.publish", rate_limited(7))
    receipt = await with_home(courier, no_access()).publish(TAB)
    assert (receipt.outcome, receipt.retry_after) == (DeliveryOutcome.LATER, 7.0)


async def test_a_home_tab_waits_while_nobody_knows_whose_it_is(slack: LocalSlack, courier: SlackCourier) -> None:
    """Before Slack has said who the bot is, or where the person belongs, nothing is published."""
    unknown = SlackCourier(courier._client, lambda: None)  # noqa: SLF001 -- the same way to the same Slack
    assert await unknown.publish(TAB) == Receipt(DeliveryOutcome.LATER, problem="not_connected_yet")
    assert await courier.publish(TAB) == Receipt(DeliveryOutcome.LATER, problem="person_not_checked")
    assert not slack.space.homes


async def test_an_error_of_our_own_in_a_home_tab_ends_nothing(courier: SlackCourier) -> None:
    """It becomes a receipt like any other failure, and the tab is tried again."""

    async def broken_home(_: str) -> View | None:
        raise RuntimeError

    own = SlackCourier(courier._client, courier._identity, home=broken_home)  # noqa: SLF001 -- the same way
    receipt = await own.publish(TAB)
    assert (receipt.outcome, receipt.problem) == (DeliveryOutcome.IN_DOUBT, "RuntimeError")
