"""The middle box between the real client and the local gateway: what it does to a call, and what that proves."""

import asyncio
import gzip
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.gateway import GatewayClient
from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import Canned, Drop, Hang, Twist
from bot.sandbox.gateway import CANCEL_PATH, LocalGateway
from bot.sandbox.middle_box import (
    Altered,
    Before,
    Cut,
    Late,
    Meddling,
    MiddleBox,
    compressed,
    deflated,
    mislabelled,
    recoded,
    shortened,
)
from bot.sandbox.middle_box_pages import PAGES, nginx
from tests.clock import Clock

ORDER = "ord_abc123xyz"
UNKNOWN = Outcome.UNKNOWN
CONFIRMED = Answer(Outcome.CANCELLED, http_status=200, cancelled_at="2026-11-23T09:00:00Z")


@pytest.fixture
async def gateway() -> AsyncIterator[LocalGateway]:
    """Yield a gateway that knows one pending order."""
    async with LocalGateway(now=Clock()) as gateway:
        gateway.add_order(ORDER)
        yield gateway


@pytest.fixture
async def box(gateway: LocalGateway) -> AsyncIterator[MiddleBox]:
    """Yield a box in front of the gateway."""
    async with MiddleBox(gateway.base_url) as box:
        yield box


async def ask(box: MiddleBox, order_id: str = ORDER, *, key: str = "local-key", total: float = 30.0) -> Answer:
    """Return what one call through the box proves."""
    client = GatewayClient(
        base_url=box.base_url, api_key=SecretStr(key), app_id="local-app", now=Clock(), total=total,
    )  # fmt: skip
    try:
        return await client.cancel(order_id, "duplicate")
    finally:
        await client.aclose()


async def test_a_call_passes_as_it_is(box: MiddleBox, gateway: LocalGateway) -> None:
    """The strict gateway takes the call, and its answer comes back with its headers and a sign of the box."""
    assert await ask(box) == CONFIRMED
    [call] = gateway.calls
    assert (call.method, call.path, call.order_id, call.effect) == ("POST", CANCEL_PATH, ORDER, True)
    async with httpx.AsyncClient(base_url=box.base_url) as client:
        response = await client.get("/nothing?x=%2F", headers={"Connection": "close, X-Hop"})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert response.headers["Via"] == "1.1 middle-box"
    assert response.headers["Date"] == "Mon, 23 Nov 2026 09:00:00 GMT"
    assert [passage.order_id for passage in box.passages] == [ORDER, ""]
    assert [passage.upstream for passage in box.passages] == [200, 404]


async def test_errors_of_the_gateway_pass_too(box: MiddleBox, gateway: LocalGateway) -> None:
    """The gateway's no stays the gateway's on its way through the box."""
    await ask(box)
    assert (await ask(box)).reason is Reason.ALREADY_CANCELLED
    assert (await ask(box, "ord_unknown")).reason is Reason.NO_SUCH_ORDER
    assert (await ask(box, key="wrong")).reason is Reason.CREDENTIALS
    gateway.add_order(ORDER, "completed")
    assert (await ask(box)).reason is Reason.COMPLETED


async def test_the_gateways_clock_can_be_read_through_the_box(box: MiddleBox) -> None:
    """A request to the bare origin passes as well."""
    client = GatewayClient(base_url=box.base_url, api_key=SecretStr("k"), app_id=None, now=Clock())
    assert await client.reach() == Clock()()
    await client.aclose()


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_instead_of_the_gateway(box: MiddleBox, gateway: LocalGateway, name: str) -> None:
    """A page under any status proves nothing, and the gateway never saw the call."""
    statuses = (200, 403, 404, 413, 429, 502, 503)
    box.faults.add(ORDER, *(PAGES[name](status) for status in statuses))
    for status in statuses:
        answer = await ask(box)
        assert (answer.outcome, answer.repeat, answer.reason) == (UNKNOWN, True, None)
        assert (answer.http_status, answer.trouble, answer.message) == (status, Trouble.SOMEBODY_ELSE, "")
    assert gateway.calls == []
    assert await ask(box) == CONFIRMED


@pytest.mark.parametrize("status", [200, 401, 403, 404, 409, 413, 429, 499, 500, 502, 503, 504, 520])
async def test_a_page_after_the_gateway_did_the_work(box: MiddleBox, gateway: LocalGateway, status: int) -> None:
    """The page proves nothing; asked again, the gateway tells that the order is cancelled."""
    box.faults.add(ORDER, Twist(nginx(status)))
    answer = await ask(box)
    assert (answer.outcome, answer.trouble) == (UNKNOWN, Trouble.SOMEBODY_ELSE)
    assert gateway.effects == {ORDER: 1}
    assert (await ask(box)).reason is Reason.ALREADY_CANCELLED
    assert [passage.upstream for passage in box.passages] == [200, 409]


async def test_a_page_before_the_gateway_does_the_work(box: MiddleBox, gateway: LocalGateway) -> None:
    """As after a proxy's own timeout, the call takes effect although its answer is long there."""
    box.faults.add(ORDER, Before(nginx(504)))
    answer = await ask(box)
    assert (answer.outcome, answer.http_status) == (UNKNOWN, 504)
    await gateway.wait_for(lambda: gateway.effects[ORDER])
    await box.wait_for(lambda: box.passages[0].upstream)
    assert (await ask(box)).reason is Reason.ALREADY_CANCELLED


async def test_the_pause_of_a_page_is_kept(box: MiddleBox) -> None:
    """A rate limit of the box proves nothing about the order, but its Retry-After is honoured."""
    box.faults.add(ORDER, Canned(429, b"slow down", {"Retry-After": "7"}))
    assert (await ask(box)).retry_after == 7.0


@pytest.mark.parametrize(
    "meddling, survives",
    [
        pytest.param(compressed(), True, id="gzip"),
        pytest.param(compressed(label=None), True, id="gzip without a label"),
        pytest.param(compressed(label="UTF-8"), True, id="gzip under a wrong label"),
        pytest.param(Altered(lambda body: gzip.compress(gzip.compress(body)), "gzip, gzip"), True, id="gzip twice"),
        pytest.param(deflated(), True, id="deflate"),
        pytest.param(deflated(label=None), True, id="deflate without a label"),
        pytest.param(deflated(bare=True), True, id="deflate without a frame"),
        pytest.param(mislabelled(""), True, id="empty label"),
        pytest.param(mislabelled("UTF-8"), True, id="UTF-8 as the label"),
        pytest.param(mislabelled("gzip"), True, id="labelled gzip but plain"),
        pytest.param(mislabelled("br"), True, id="labelled br but plain"),
        pytest.param(recoded("utf-8-sig"), True, id="byte order mark"),
        pytest.param(recoded("utf-16"), True, id="UTF-16"),
        pytest.param(Altered(lambda body: body.replace(b"_id", b"Id").upper()), False, id="in capitals"),
        pytest.param(Altered(lambda body: body + b"<!-- cache -->"), False, id="a comment after it"),
        pytest.param(Altered(lambda body: body.ljust(70_000)), False, id="too long"),
        pytest.param(Altered(lambda body: gzip.compress(body.ljust(70_000)), "gzip"), False, id="too long in gzip"),
        pytest.param(shortened(40), False, id="shortened"),
        pytest.param(shortened(0), False, id="emptied"),
        pytest.param(Cut(0), False, id="cut before the body"),
        pytest.param(Cut(40), False, id="cut within the body"),
        pytest.param(Drop(after_effect=True), False, id="dropped after the effect"),
        pytest.param(Twist(answers.wrong_order()), False, id="an answer for another order"),
    ],
)
async def test_what_happens_to_a_confirmation(
    box: MiddleBox, gateway: LocalGateway, meddling: Meddling, survives: bool,
) -> None:  # fmt: skip
    """A confirmation survives every packing and label; cut, changed or lost, it proves nothing."""
    box.faults.add(ORDER, meddling)
    answer = await ask(box)
    if survives:
        assert answer == CONFIRMED
    else:
        assert (answer.outcome, answer.repeat) == (UNKNOWN, True)
        assert (await ask(box)).reason is Reason.ALREADY_CANCELLED
    assert gateway.effects == {ORDER: 1}


@pytest.mark.parametrize("meddling", [compressed(), mislabelled("UTF-8"), recoded("utf-16")])
async def test_a_no_survives_every_packing(box: MiddleBox, gateway: LocalGateway, meddling: Meddling) -> None:
    """The reason of a refusal is read through the same packings."""
    gateway.add_order(ORDER, "completed")
    box.faults.add(ORDER, meddling)
    assert (await ask(box)).reason is Reason.COMPLETED


async def test_a_connection_dropped_before_the_gateway(box: MiddleBox, gateway: LocalGateway) -> None:
    """Nothing happened, but nobody can know."""
    box.faults.add(ORDER, Drop())
    assert (await ask(box)).trouble is Trouble.CONNECTION_LOST
    assert gateway.calls == []


@pytest.mark.parametrize("kind, effects", [(Hang, {}), (Late, {ORDER: 1})])
async def test_a_delay_before_and_after_the_effect(
    box: MiddleBox, gateway: LocalGateway, kind: type[Hang | Late], effects: dict[str, int],
) -> None:  # fmt: skip
    """The call ends by its own limit, before the gateway or after it, and goes on when the delay ends."""
    until = asyncio.Event()
    box.faults.add(ORDER, kind(until))
    answer = await ask(box, total=0.5)
    assert (answer.outcome, answer.trouble) == (UNKNOWN, Trouble.NO_ANSWER_IN_TIME)
    assert gateway.effects == effects
    box.faults.add(ORDER, kind(until))
    second = asyncio.create_task(ask(box))
    await box.wait_for(lambda: len(box.passages) == 2)
    until.set()
    assert (await second).outcome is Outcome.CANCELLED or (await second).reason is Reason.ALREADY_CANCELLED
    await gateway.wait_for(lambda: gateway.effects[ORDER])


async def test_the_queue_of_meddlings(box: MiddleBox) -> None:
    """One call each and in order, then what is ordered for always, then what is chosen; clearing ends them all."""
    box.faults.always(ORDER, nginx(504))
    box.faults.add("*", nginx(502))
    box.faults.add(ORDER, nginx(500), nginx(501))
    assert [(await ask(box)).http_status for _ in range(5)] == [500, 501, 502, 504, 504]
    box.faults.always(ORDER, None)
    box.faults.always("*", nginx(503))
    assert (await ask(box)).http_status == 503
    box.faults.always("*", None)
    box.faults.choose = lambda order: nginx(418) if order == ORDER else None
    assert (await ask(box)).http_status == 418
    box.faults.clear()
    assert await ask(box) == CONFIRMED


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 10_000, b'["order_id"]', b'"order_id"', b'{"order_id": 7}', b"{}"])
async def test_a_call_without_an_order(box: MiddleBox, body: bytes) -> None:
    """Any body passes; without an order ID in it only what is meant for any call applies."""
    async with httpx.AsyncClient(base_url=box.base_url) as client:
        response = await client.post(CANCEL_PATH, content=body)
    assert response.status_code in {400, 401, 415}
    assert box.passages[0].order_id == ""


async def test_a_gateway_that_is_away(box: MiddleBox, gateway: LocalGateway) -> None:
    """The box answers with its own page then, so what is certainly not sent is unknown to the bot."""
    await gateway.stop()
    answer = await ask(box)
    assert (answer.outcome, answer.http_status, answer.trouble) == (UNKNOWN, 502, Trouble.SOMEBODY_ELSE)
    assert box.passages[0].upstream is None
    await gateway.start()
    assert await ask(box) == CONFIRMED


async def test_away_and_back_at_the_same_address(box: MiddleBox) -> None:
    """A stopped box refuses connections and keeps its port; started again, it works as before."""
    address = box.base_url
    await box.stop()
    await box.stop()
    assert (await ask(box)).trouble is Trouble.NOT_CONNECTED
    with socket.socket() as another, pytest.raises(OSError, match="in use"):
        another.bind(("127.0.0.1", int(address.rpartition(":")[2])))
    await box.start()
    assert box.base_url == address
    assert await ask(box) == CONFIRMED


async def test_stopping_ends_what_goes_on_afterwards(gateway: LocalGateway) -> None:
    """A call that the box still holds ends with the box."""
    gateway.faults.always(ORDER, Hang(asyncio.Event()))
    async with MiddleBox(gateway.base_url) as box:
        box.faults.add(ORDER, Before(nginx(504)), Late(asyncio.Event()))
        assert (await ask(box)).http_status == 504
        await gateway.wait_for(lambda: gateway.calls)
        late = asyncio.create_task(ask(box))
        await gateway.wait_for(lambda: len(gateway.calls) == 2)
    assert (await late).trouble is Trouble.CONNECTION_LOST
    assert gateway.effects == {}


def any_meddling(draw: random.Random) -> Meddling | None:
    """Return something that a box may do to a call; nothing as often as not."""
    status = draw.choice([200, 204, 302, 400, 401, 403, 404, 409, 413, 422, 429, 503, 504])
    page = PAGES[draw.choice(list(PAGES))](status)
    choices: list[Meddling] = [
        page, Twist(page), Before(page), Drop(), Drop(after_effect=True), Cut(draw.randrange(60)), shortened(60),
        compressed(draw.choice([None, "gzip", "br", "UTF-8"])), deflated(), mislabelled("br"), recoded("utf-16"),
    ]  # fmt: skip
    return draw.choice([None, draw.choice(choices)])


@pytest.mark.parametrize("seed", range(4))
async def test_no_answer_is_told_as_more_than_it_proves(box: MiddleBox, gateway: LocalGateway, seed: int) -> None:
    """Whatever the box does, each outcome but "unknown" is the truth about the order and about this attempt."""
    draw = random.Random(seed)
    box.faults.choose = lambda _order: any_meddling(draw)
    seen: Counter[Outcome] = Counter()
    for number in range(40):
        order = f"ord_{number // 2}"
        status = draw.choice(["pending"] * 3 + ["completed", "cancelled", "refunded", "expired", ""])
        if number % 2 == 0 and status:
            gateway.add_order(order, status)
        answer = await ask(box, order)
        seen[answer.outcome] += 1
        truth = gateway.orders[order].status if order in gateway.orders else None
        match answer.outcome, answer.reason:
            case (Outcome.CANCELLED, _) | (Outcome.REFUSED, Reason.ALREADY_CANCELLED):
                assert truth == "cancelled"
            case Outcome.REFUSED, Reason.COMPLETED:
                assert truth == "completed"
            case Outcome.REFUSED, Reason.ALREADY_REFUNDED:
                assert truth == "refunded"
            case Outcome.REFUSED, Reason.NO_SUCH_ORDER:
                assert truth is None
            case Outcome.REFUSED, reason:
                assert (truth, reason) == ("expired", Reason.EXPIRED)
            case Outcome.NOT_SENT, _:
                raise AssertionError("the gateway turned nothing away")
        if answer.outcome is Outcome.REFUSED and answer.reason is not Reason.ALREADY_CANCELLED:
            assert gateway.effects[order] == 0
    assert {Outcome.CANCELLED, Outcome.REFUSED, UNKNOWN} <= seen.keys()
