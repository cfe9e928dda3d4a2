"""Bringing deliveries to Slack: each way it can go, and never twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.app import utc_now
from bot.domain.audit import GENESIS, Event, Kind, timestamp
from bot.domain.cancellation import Cancellation, State
from bot.domain.delivery import Delivery, DeliveryKind, Fate, Receipt
from bot.domain.policy import Standing
from bot.sandbox.faults import ApiError, Drop, Hang, broken, rate_limited
from bot.sandbox.slack import LocalSlack
from bot.sandbox.workspace import Message
from bot.slack.delivery import METADATA_TYPE, SlackCourier
from bot.slack.identity import fetch_identity
from bot.store import Store
from bot.workflow import Accepted, Workflow
from tests.clock import Clock
from tests.world import next_owed

AT = utc_now()
CARD = Cancellation(
    number=1, id="c1", order_id="ord_1", reason="twice", requester="U0ANN", state=State.PENDING,
    approvals_required=1, requested_at=AT, expires_at=AT + timedelta(days=1), card_channel="C0PAY", card_ts=None,
    card_link="", attempts=0, next_at=None, changed_at=AT, detail="",
)  # fmt: skip
EVENT = Event(1, timestamp(AT), Kind.CANCELLED, "c1", "ord_1", "bot", "{}", GENESIS).sealed()


def owed(kind: DeliveryKind, *, in_doubt: bool = False) -> Delivery:
    """Something owed, perhaps tried before."""
    target = "U0ANN" if kind is DeliveryKind.DIRECT_MESSAGE else "C0PAY"
    return Delivery(1, f"id-of-{kind}", "c1", kind, 1, target, AT, 1, AT if in_doubt else None)


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    """A workspace with one channel."""
    async with LocalSlack() as slack:
        slack.space.add_user("U0ANN", "ann")
        slack.space.add_channel("C0PAY", "payments", ("U0ANN",))
        yield slack


@pytest.fixture
async def courier(slack: LocalSlack) -> AsyncIterator[SlackCourier]:
    """The courier with a client like the bot's, but impatient."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.3)) as session:
        client = AsyncWebClient(slack.bot_token, slack.api_url, session=session, retry_handlers=[])
        identity = await fetch_identity(client)
        yield SlackCourier(client, lambda: identity)


async def posted(courier: SlackCourier) -> Cancellation:
    """The cancellation with its card in Slack."""
    receipt = await courier.deliver(owed(DeliveryKind.CARD), CARD, EVENT)
    assert receipt.fate is Fate.DELIVERED
    return replace(CARD, card_ts=receipt.ts, card_link=receipt.link)


async def test_a_card_is_posted_with_nothing_but_its_id_in_the_metadata(
    slack: LocalSlack, courier: SlackCourier
) -> None:
    """The receipt says where it stands, with a link; other apps can read no more than a random id."""
    card = await posted(courier)
    (message,) = slack.space.messages("C0PAY")
    assert message.metadata == {"event_type": METADATA_TYPE, "event_payload": {"delivery_id": "id-of-card"}}
    assert card.card_link == f"https://local.slack.com/archives/C0PAY/p{message.ts.replace('.', '')}"


@pytest.mark.parametrize("kind", [DeliveryKind.CARD, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE])
@pytest.mark.parametrize("fault", [Drop(after_effect=True), Drop(), broken(500), Hang(asyncio.Event())])
async def test_what_may_be_in_slack_is_looked_for_before_it_is_posted_again(
    slack: LocalSlack,
    courier: SlackCourier,
    kind: DeliveryKind,
    fault: Drop,
) -> None:
    """After a lost answer the message stands there exactly once, whether Slack had taken it or not."""
    card = CARD if kind is DeliveryKind.CARD else await posted(courier)
    before = len(slack.space.posted)
    slack.faults.add("chat.postMessage", fault)
    first = await courier.deliver(owed(kind), card, EVENT)
    assert (first.fate, first.in_doubt) == (Fate.IN_DOUBT, True)
    second = await courier.deliver(owed(kind, in_doubt=True), card, EVENT)
    assert second.fate is Fate.DELIVERED
    third = await courier.deliver(owed(kind, in_doubt=True), card, EVENT)
    assert third == second
    assert len(slack.space.posted) == before + 1


async def test_it_is_found_behind_many_others(slack: LocalSlack, courier: SlackCourier) -> None:
    """The search goes through all pages, and takes no other app's message for ours."""
    card = await posted(courier)
    mine = slack.space.messages("C0PAY")[0]
    for _ in range(450):
        other = Message("C0PAY", slack.space.next_ts(), "chat", [], "U0ANN")
        slack.space.post(other)
    found = await courier.deliver(owed(DeliveryKind.CARD, in_doubt=True), CARD, EVENT)
    assert (found.fate, found.ts) == (Fate.DELIVERED, card.card_ts)
    mine.metadata = {"event_type": METADATA_TYPE, "event_payload": {"delivery_id": "another"}}
    again = await courier.deliver(owed(DeliveryKind.CARD, in_doubt=True), CARD, EVENT)
    assert again.ts != card.card_ts


async def test_a_search_that_fails_leaves_the_doubt(slack: LocalSlack, courier: SlackCourier) -> None:
    """As long as nobody can look, nothing is posted again."""
    slack.faults.add("conversations.history", rate_limited(7))
    receipt = await courier.deliver(owed(DeliveryKind.CARD, in_doubt=True), CARD, EVENT)
    assert receipt == Receipt(Fate.IN_DOUBT, problem="ratelimited", retry_after=7.0, in_doubt=True)
    slack.space.channels["C0PAY"].members.clear()
    blocked = await courier.deliver(owed(DeliveryKind.CARD, in_doubt=True), CARD, EVENT)
    assert (blocked.fate, blocked.in_doubt) == (Fate.BLOCKED, True)
    assert not slack.space.posted


@pytest.mark.parametrize(
    "name, fate",
    [
        ("not_in_channel", Fate.BLOCKED),
        ("is_archived", Fate.BLOCKED),
        ("msg_too_long", Fate.IMPOSSIBLE),
        ("fatal_error", Fate.IN_DOUBT),
        ("token_revoked", Fate.LATER),
    ],
)
async def test_slacks_errors_have_their_fates(slack: LocalSlack, courier: SlackCourier, name: str, fate: Fate) -> None:
    """What people can mend, what never works, what may have worked, and what to try later are told apart."""
    slack.faults.add("chat.postMessage", ApiError(name))
    receipt = await courier.deliver(owed(DeliveryKind.CARD), CARD, EVENT)
    assert (receipt.fate, receipt.problem, receipt.in_doubt) == (fate, name, fate is Fate.IN_DOUBT)


async def test_a_rate_limit_says_how_long(slack: LocalSlack, courier: SlackCourier) -> None:
    """Slack's Retry-After reaches the worker."""
    slack.faults.add("chat.postMessage", rate_limited(30))
    receipt = await courier.deliver(owed(DeliveryKind.CARD), CARD, EVENT)
    assert receipt == Receipt(Fate.LATER, problem="ratelimited", retry_after=30.0)


async def test_slack_away_is_certain(slack: LocalSlack) -> None:
    """A refused connection posted nothing."""
    identity = await fetch_identity(AsyncWebClient(slack.bot_token, slack.api_url))
    courier = SlackCourier(AsyncWebClient(slack.bot_token, "http://127.0.0.1:9/api/"), lambda: identity)
    receipt = await courier.deliver(owed(DeliveryKind.CARD), CARD, EVENT)
    assert (receipt.fate, receipt.problem) == (Fate.LATER, "not_reachable")


async def test_before_slack_has_confirmed_the_token_nothing_is_sent() -> None:
    """Who we are must be known to find our own messages again."""
    courier = SlackCourier(AsyncWebClient(), lambda: None)
    assert (await courier.deliver(owed(DeliveryKind.CARD), CARD, EVENT)).problem == "not_connected_yet"


async def test_no_card_is_posted_for_what_is_over(slack: LocalSlack, courier: SlackCourier) -> None:
    """A request that expired before its card could be posted gets none, and nothing below it."""
    over = replace(CARD, state=State.EXPIRED)
    for kind in (DeliveryKind.CARD, DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY):
        assert (await courier.deliver(owed(kind), over, EVENT)).fate is Fate.IMPOSSIBLE
    assert not slack.space.posted


async def test_a_deleted_card(slack: LocalSlack, courier: SlackCourier) -> None:
    """Its update is impossible; its reply goes into the channel, once."""
    card = await posted(courier)
    assert card.card_ts is not None
    slack.space.delete_message("C0PAY", card.card_ts)
    update = await courier.deliver(owed(DeliveryKind.CARD_UPDATE), card, EVENT)
    assert (update.fate, update.problem) == (Fate.IMPOSSIBLE, "message_not_found")
    first = await courier.deliver(owed(DeliveryKind.REPLY), card, EVENT)
    again = await courier.deliver(owed(DeliveryKind.REPLY, in_doubt=True), card, EVENT)
    assert first.ts == again.ts
    assert len(slack.space.messages("C0PAY")) == 1


async def test_a_reply_that_is_refused_for_another_reason_stays_owed(slack: LocalSlack, courier: SlackCourier) -> None:
    """Only a thread that is gone sends the reply elsewhere."""
    card = await posted(courier)
    slack.faults.add("chat.postMessage", ApiError("is_archived"))
    assert (await courier.deliver(owed(DeliveryKind.REPLY), card, EVENT)).fate is Fate.BLOCKED


@pytest.mark.parametrize("tries", [1, 2])
async def test_a_doubt_outlives_the_tries_before_slack_is_reached(
    store: Store, workflow: Workflow, clock: Clock, tries: int
) -> None:
    """A process is killed while it posts; the next one does not reach Slack at once, and must still look first."""
    asked = await workflow.request(
        form_id="V1", order_id="ord_1", reason="", requester="UANN", name="ann", channel="C1", standing=Standing.MEMBER
    )
    assert isinstance(asked, Accepted)
    killed = await next_owed(workflow)
    assert killed is not None
    await workflow.recover({})
    courier = SlackCourier(AsyncWebClient(), lambda: None)
    for _ in range(tries):
        clock.advance(minutes=1)
        claimed = await next_owed(workflow)
        assert claimed is not None
        assert claimed.delivery.in_doubt_since is not None
        await workflow.record_delivery(
            claimed.delivery, await courier.deliver(claimed.delivery, claimed.cancellation, claimed.event)
        )
    clock.advance(minutes=1)
    claimed = await next_owed(workflow)
    assert claimed is not None
    assert claimed.delivery.in_doubt_since is not None
