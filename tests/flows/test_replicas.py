"""Several bots on one database, and a database server that is away."""

import asyncio
from datetime import timedelta
from http import HTTPStatus

import aiohttp
import pytest
from pydantic import SecretStr

from bot.app import Bot
from bot.clock import utc_now
from bot.sandbox.faults import Hang
from bot.settings import load
from bot.store import Server, verify_all
from tests.alerts import parsed
from tests.flows.desk import PAYMENTS, Desk, quick_tuning
from tests.postgres import Cluster, free_port
from tests.store.wire import Break, wire


async def _get(port: int, path: str) -> tuple[int, str]:
    """Return the status and the body of an address of a bot."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def _post(port: int, headers: dict[str, str], body: bytes) -> int:
    """Return the status with which a bot answers a signed request."""
    url = f"http://127.0.0.1:{port}/slack/events"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


async def test_a_start_waits_for_a_server_that_is_away(postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process says that it lives and what it waits for, and begins to work as soon as the server is there."""
    server = postgres.new()
    name = server.url.get_secret_value().rpartition("/")[2]
    with wire(postgres.port) as broken:
        broken.down = True
        async with Desk(Server(SecretStr(postgres.url(name, port=broken.port)))) as desk:
            port = str(free_port())
            bot = Bot(load(desk.environment(PORT=port)), quick_tuning())
            starting = asyncio.create_task(bot.start())
            try:
                while not bot.readiness().missing or "does not answer" not in bot.readiness().missing[0]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                assert (await _get(int(port), "/healthz"))[0] == HTTPStatus.OK
                status, body = await _get(int(port), "/readyz")
                assert (status, "the database server does not answer" in body) == (HTTPStatus.SERVICE_UNAVAILABLE, True)
                status, metrics = await _get(int(port), "/metrics")
                assert (status, "\ncancel_desk_ready 0.0\n" in metrics) == (HTTPStatus.OK, True)
                assert not starting.done()
                broken.down = False
                async with asyncio.timeout(30):
                    await starting
                async with asyncio.timeout(10):
                    await bot.connection.ready.wait()
                assert (await desk.ask("ord_1")).button("approve")
            finally:
                await asyncio.wait([starting])
                await bot.stop()


@pytest.mark.parametrize("how", [Break.BEFORE, Break.AFTER])
async def test_a_start_goes_on_where_the_server_is_lost_in_the_middle_of_it(postgres: Cluster, how: Break) -> None:
    """The first commit is the one that puts the start on record, and it is there once."""
    server = postgres.new()
    name = server.url.get_secret_value().rpartition("/")[2]
    with wire(postgres.port) as broken:
        broken.breaks = how
        async with Desk(Server(SecretStr(postgres.url(name, port=broken.port)))) as desk:
            await desk.start_bot()
            assert [event.kind for event in await desk.events()] == ["started"]
            assert desk.running_bot.readiness().missing == []
    assert broken.broke == {how: 1}


async def test_a_server_that_refuses_ends_the_start(postgres: Cluster) -> None:
    """Waiting would not help: somebody has to correct a setting."""
    async with Desk(Server(SecretStr(postgres.url("nothing")))) as desk:
        with pytest.raises(Exception, match="does not exist"):
            await desk.launch_bot()


async def test_three_bots_do_everything_once(postgres: Cluster) -> None:
    """Each order has one card, one call with an effect, one result in the thread and one for its requester."""
    server = postgres.new()
    async with Desk(server) as desk:
        others = [Bot(load(desk.environment()), quick_tuning()) for _ in range(2)]
        await desk.start_bot()
        for each in others:
            await each.start()
            async with asyncio.timeout(10):
                await each.connection.ready.wait()
        for order in ("ord_1", "ord_2", "ord_3"):
            card = await desk.ask(order)
            await desk.ben.click(card, "approve")
            await desk.card_says(card, "✅ Cancelled")
            assert len(await desk.endings(card)) == 1
        assert desk.gateway.effects == {"ord_1": 1, "ord_2": 1, "ord_3": 1}
        for each in others:
            await each.stop()
    assert verify_all(server).damage is None


async def test_a_bot_that_starts_beside_another_takes_nothing_from_it(postgres: Cluster) -> None:
    """The call that the first bot makes is not made again, and its end is not called unclean while it lives."""
    async with Desk(postgres.new()) as desk:
        await desk.start_bot()
        answered = asyncio.Event()
        desk.gateway.faults.choose = lambda _: Hang(answered)
        card = await desk.ask("ord_1")
        await desk.ben.click(card, "approve")
        async with asyncio.timeout(10):
            while not desk.gateway.calls:  # noqa: ASYNC110 -- the call is under way in the background
                await asyncio.sleep(0.01)
        second = Bot(load(desk.environment()), quick_tuning())
        await second.start()
        await second.worker.until_idle()
        answered.set()
        await desk.card_says(card, "✅ Cancelled")
        await second.stop()
        starts = [event.data for event in await desk.events() if event.kind == "started"]
    assert len(desk.gateway.calls) == 1
    assert len(starts) == 2
    assert not any('"unclean":true' in each.replace(" ", "") for each in starts)


async def test_each_bot_counts_what_is_on_record_and_verifies_it(postgres: Cluster) -> None:
    """Whichever bot did something, each counts it once; so over several bots it is the highest that counts."""
    async with Desk(postgres.new()) as desk:
        bots = [await desk.start_bot(), Bot(load(desk.environment(PORT=str(free_port()))), quick_tuning())]
        await bots[1].start()
        async with asyncio.timeout(10):
            await bots[1].connection.ready.wait()
        card = await desk.ask("ord_1")
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "✅ Cancelled")
        async with asyncio.timeout(10):
            for bot in bots:
                while not _has_counted(await _get(bot.port, "/metrics")):  # noqa: ASYNC110 -- it is what is tested
                    await asyncio.sleep(0.01)
        await bots[1].stop()


def _has_counted(answer: tuple[int, str]) -> bool:
    """Return True where one cancellation is counted and everything is verified and sound."""
    found = {name: each for name, by_labels in parsed(answer[1]).items() for each in by_labels.values() if each}
    events = found.get("cancel_desk_record_events", 0.0)
    return (
        found.get("cancel_desk_cancellations_total") == 1
        and found.get("cancel_desk_record_verified_event", 0.0) >= events > 0
        and "cancel_desk_record_damaged" not in found
    )


async def test_a_request_that_one_bot_took_is_a_replay_for_another(postgres: Cluster) -> None:
    """Both are behind the same address, and whoever sends it again may come to either."""
    async with Desk(postgres.new()) as desk:
        first = await desk.start_bot(**desk.by_http)
        second = Bot(load(desk.environment(**desk.by_http)), quick_tuning())
        await second.start()
        async with asyncio.timeout(10):
            await second.connection.ready.wait()
        body = b"payload=%7B%7D"
        headers = desk.slack.signed(body, at=utc_now() + timedelta(seconds=1))
        taken = [await _post(bot.port, headers, body) for bot in (first, second, second)]
        await second.stop()
    assert taken == [HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.UNAUTHORIZED]


@pytest.mark.parametrize("seconds, ready", [(-8, False), (-2, True), (2, True), (8, False)])
async def test_a_bot_whose_clock_is_not_the_servers_is_not_ready(postgres: Cluster, seconds: int, ready: bool) -> None:
    """What one bot leases to another ends by the time of both."""
    async with Desk(postgres.new()) as desk:
        bot = await desk.start_bot(quick_tuning(now=lambda: utc_now() + timedelta(seconds=seconds)))
        looks = 0
        look = bot.store.probe

        async def counted() -> None:
            nonlocal looks
            await look()
            looks += 1

        bot.store.probe = counted  # type: ignore[method-assign]
        while looks < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        missing = bot.readiness().missing
    assert ["database server's, with which all bots must agree" in each for each in missing] == [True] * (not ready)


@pytest.mark.parametrize("seconds", [-8, 8, 3600])
async def test_what_waited_while_the_host_paused_a_machine_is_left(postgres: Cluster, seconds: int) -> None:
    """All clocks of that machine stood still, so the server's alone tells; a freeze is right at any age."""
    apart = timedelta(0)
    async with Desk(postgres.new()) as desk:
        # It looks at nothing by itself: the click comes before.
        await desk.start_bot(quick_tuning(now=lambda: utc_now() + apart, store_check=3600.0, clock_check=3600.0))
        card = await desk.ask("ord_1")
        apart = timedelta(seconds=seconds)
        with desk.unacknowledged():
            await desk.ben.click(card, "approve")
        await desk.told(desk.ben, 2)
        said = "".join(map(desk.ben.reads, desk.ben.ephemerals))
        assert "because my clock differs from my database's" in said
        await desk.cleo.command("/cancel-order freeze wrong price list", PAYMENTS)
        await desk.card_says(card, "Everything is frozen by @cleo")
        apart = timedelta(0)
        await desk.cleo.command("/cancel-order unfreeze", PAYMENTS)
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "✅ Cancelled")
