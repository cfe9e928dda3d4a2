"""``/metrics`` of a real bot: what happened is counted, what waits is shown, and a scrape costs nothing."""

import asyncio
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from bot.domain.cancellation import State
from bot.domain.events import BackedUp
from bot.sandbox.faults import ApiError, broken, rate_limited
from bot.sandbox.stage import NAMES
from bot.store import open_beside
from bot.workflow import Patience
from tests.alerts import Scrape, parsed
from tests.clock import Clock
from tests.flows.desk import LOBBY, PAYMENTS, Desk, quick_tuning


async def text(desk: Desk) -> str:
    """Return a scrape as it is sent."""
    url = f"http://127.0.0.1:{desk.running_bot.port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert (answer.status, answer.content_type) == (200, "text/plain")
        return await answer.text()


async def scraped(desk: Desk) -> Scrape:
    """Return a scrape."""
    return parsed(await text(desk))


def value(scrape: Scrape, name: str, **labels: str) -> float:
    """Return one sample; 0 if there is none."""
    return scrape.get(f"cancel_desk_{name}", {}).get(frozenset(labels.items()), 0.0)


async def until(desk: Desk, name: str, expected: float, **labels: str) -> Scrape:
    """Return the first scrape in which this sample has this value."""
    async with asyncio.timeout(10):
        while value(found := await scraped(desk), name, **labels) != expected:  # noqa: ASYNC110 -- it is what is tested
            await asyncio.sleep(0.005)
        return found


async def test_a_request_is_counted_from_the_form_to_its_end(desk: Desk) -> None:
    """One request, one decision, one call and one end, each with its time."""
    card = await desk.ask("ord_1")
    waits = await until(desk, "requests_pending", 1)
    assert value(waits, "requests_total", result="accepted") == 1
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    found = await until(desk, "cancellations_total", 1, end="cancelled", cause="")
    assert value(found, "decisions_total", result="approved") == 1
    assert value(found, "decision_seconds_count") == 1
    assert value(found, "outcome_seconds_count") == 1
    assert value(found, "gateway_attempts_total", outcome="cancelled", reason="") == 1
    assert value(found, "gateway_attempt_seconds_count") == 1
    assert value(found, "gateway_attempt_seconds_sum") > 0
    for kind in ("command", "form", "click"):
        assert value(found, "acknowledgement_seconds_count", kind=kind) == 1
    assert value(found, "store_commit_seconds_count") > 0
    await until(desk, "requests_pending", 0)
    await until(desk, "deliveries_owed", 0)
    assert value(found, "ready") == value(found, "slack_connected") == value(found, "gateway_reachable") == 1


async def test_no_order_and_no_person_is_in_a_scrape(desk: Desk) -> None:
    """Whoever reads the metrics learns how much happens, not who does it."""
    card = await desk.ask("ord_1", "a secret reason")
    await desk.olga.click(card, "approve")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    await desk.ask("ord_done")
    await desk.ben.command("/cancel-order freeze a secret reason", LOBBY)
    await until(desk, "frozen", 1)
    found = await text(desk)
    ids = [
        *desk.slack.space.users,
        *desk.slack.space.channels,
        "ord_1",
        "ord_done",
        "secret reason",
        desk.database.name,
    ]
    assert [word for word in [*ids, desk.slack.bot_token, desk.slack.app_token, "local-key"] if word in found] == []
    labels = {text for samples in parsed(found).values() for each in samples for _, text in each}
    assert labels & {*NAMES.values()} == set()


async def test_refusals_are_counted_by_their_cause(desk: Desk) -> None:
    """A click of an outsider, and a request for an order that somebody has asked for."""
    card = await desk.ask("ord_1")
    await desk.olga.click(card, "approve")
    await until(desk, "clicks_refused_total", 1, act="approve", why="not_an_approver")
    assert await desk.fill_in("ord_1") is not None
    await until(desk, "requests_total", 1, result="another_is_open")


@pytest.mark.parametrize(
    "act, reason, result",
    [("reject", "no", "rejected"), ("withdraw", "", "withdrawn")],
)
async def test_every_decision_is_counted(desk: Desk, act: str, reason: str, result: str) -> None:
    """A request that is not approved has an end too."""
    card = await desk.ask("ord_1")
    if act == "reject":
        await desk.ben.click(card, "reject")
        await desk.wait(lambda: desk.ben.modal)
        await desk.ben.submit(reason=reason)
    else:
        await desk.ann.click(card, "withdraw")
    await until(desk, "decisions_total", 1, result=result)


async def test_what_waits_for_a_person_is_shown_until_somebody_acts(desk: Desk) -> None:
    """An unknown outcome is counted with its cause, and waits until the gateway has said how the order stands."""
    desk.gateway.faults.always("ord_1", broken(500))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await until(desk, "cancellations_waiting", 1, state="unknown")
    await until(desk, "cancellations_total", 1, end="unknown", cause="somebody_else")
    desk.gateway.faults.clear()
    await desk.card_says(card, "[ Retry ]")
    await desk.ben.click(card, "retry")
    await until(desk, "cancellations_waiting", 0, state="unknown")


async def test_a_failed_order_waits_until_somebody_asks_again(quiet_desk: Desk) -> None:
    """What is being done about it needs no alert any more."""
    await quiet_desk.start_bot(DVPAY_API_KEY="wrong-key")
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.ben.click(card, "approve")
    await until(quiet_desk, "cancellations_waiting", 1, state="failed")
    await until(quiet_desk, "cancellations_total", 1, end="failed", cause="credentials")
    await until(quiet_desk, "gateway_refuses_the_bot", 1)
    await quiet_desk.ask("ord_1", "again")
    await until(quiet_desk, "cancellations_waiting", 0, state="failed")


async def test_a_failed_order_waits_for_a_person_after_requests_for_several_orders(quiet_desk: Desk) -> None:
    """Requests and orders have numbers of their own, and each failed order counts."""
    await quiet_desk.start_bot(DVPAY_API_KEY="wrong-key")
    assert await quiet_desk.fill_in("ord_2\nord_3") is None
    await quiet_desk.card("ord_2")
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.ben.click(card, "approve")
    await until(quiet_desk, "cancellations_waiting", 1, state="failed")
    await quiet_desk.ben.click(await quiet_desk.card("ord_2"), "approve")
    await until(quiet_desk, "cancellations_waiting", 3, state="failed")


async def test_who_stopped_the_attempts_needs_no_alert(quiet_desk: Desk) -> None:
    """A stop is a failure that somebody has looked at already."""
    await quiet_desk.start_bot(quick_tuning(patience=Patience()), DVPAY_BASE_URL="http://127.0.0.1:9")
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "[ Try now ]")
    await quiet_desk.ben.click(card, "stop")
    found = await until(quiet_desk, "cancellations_total", 1, end="failed", cause="stopped")
    assert await quiet_desk.state() is State.FAILED
    # The counter and what stands are of one look.
    assert value(found, "cancellations_waiting", state="failed") == 0


async def test_the_outbox_is_shown(desk: Desk) -> None:
    """A message that Slack refuses is owed, and blocked until Slack takes it."""
    desk.slack.refusals.start("message_limit_exceeded", channel=PAYMENTS)
    await desk.fill_in("ord_1")
    found = await until(desk, "deliveries_blocked", 1)
    assert value(found, "deliveries_owed") >= 1
    assert value(found, "oldest_delivery_age_seconds") >= 0
    desk.slack.refusals.clear()
    await until(desk, "deliveries_blocked", 0)
    await until(desk, "deliveries_owed", 0)


async def test_what_is_given_up_is_counted(desk: Desk) -> None:
    """A receipt for somebody who is deactivated never arrives."""
    desk.slack.faults.always("conversations.open", ApiError("user_disabled"))
    await desk.ask("ord_1")
    await until(desk, "deliveries_abandoned_total", 1)


async def test_calls_that_slack_rate_limits_are_counted(desk: Desk) -> None:
    """Slack's 429 is no error of the bot's, but too many are a sign."""
    desk.slack.faults.add("chat.postMessage", rate_limited(0))
    await desk.ask("ord_1")
    await until(desk, "slack_rate_limited_total", 1)


async def test_reconnects_are_counted(quiet_desk: Desk) -> None:
    """The first connection is none."""
    await quiet_desk.start_bot()
    assert value(await scraped(quiet_desk), "slack_reconnects_total") == 0
    await quiet_desk.slack.disconnect()
    await until(quiet_desk, "slack_reconnects_total", 1)


async def test_a_backup_is_noticed_while_the_bot_runs(database: Path, clock: Clock) -> None:
    """The age counts from the last copy that is on record, and from the first event where there is none."""
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock))
        clock.advance(hours=2)
        await until(desk, "backup_age_seconds", 7200)
        with open_beside(database) as tx:
            tx.record.append(BackedUp(1, ""), "terminal:root", clock() - timedelta(minutes=1))
        await until(desk, "backup_age_seconds", 60)
        await desk.stop_bot()
        await desk.start_bot(quick_tuning(now=clock))
        await until(desk, "backup_age_seconds", 60)


async def test_the_record_is_verified_up_to_its_last_event(desk: Desk) -> None:
    """The bot verifies its own record, from the first event on."""
    await desk.ask("ord_1")
    await desk.receipt()
    await verified(desk, at_least=3)


async def verified(desk: Desk, *, at_least: int) -> None:
    """Wait until the bot has verified everything that is on record, which are so many events or more."""
    async with asyncio.timeout(10):
        while True:
            found = await scraped(desk)
            assert value(found, "record_damaged") == 0
            if at_least <= value(found, "record_events") == value(found, "record_verified_event"):
                return
            await asyncio.sleep(0.005)


async def test_events_of_earlier_runs_are_not_counted_again(desk: Desk) -> None:
    """A counter begins at 0 with each start; what waits is shown as it is."""
    await desk.ask("ord_1")
    await until(desk, "requests_total", 1, result="accepted")
    await desk.stop_bot()
    await desk.start_bot()
    found = await until(desk, "requests_pending", 1)
    assert value(found, "requests_total", result="accepted") == 0


async def test_a_scrape_reads_nothing(quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often somebody scrapes, the database has no work, and clicks do not wait."""
    slow = quick_tuning(store_check=3600.0, metrics_check=3600.0, record_check=3600.0)
    bot = await quiet_desk.start_bot(slow)
    await until(quiet_desk, "record_verified_event", 1)

    def fail(*_: object) -> None:
        pytest.fail("a scrape reached the database")

    for name in ("probe", "read", "transaction"):
        monkeypatch.setattr(bot.store, name, fail)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{bot.port}") as session:
        for _ in range(50):
            async with session.get("/metrics") as answer:
                assert answer.status == 200
                assert "cancel_desk_" in await answer.text()
    monkeypatch.undo()


async def test_no_unauthenticated_request_reaches_the_database(
    quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a probe nor an unsigned payload costs a read or a write, whatever it says."""
    slow = quick_tuning(store_check=3600.0, metrics_check=3600.0, record_check=3600.0)
    bot = await quiet_desk.start_bot(slow, **quiet_desk.by_http)
    await until(quiet_desk, "record_verified_event", 1)
    await bot.worker.until_idle()

    def fail(*_: object) -> None:
        pytest.fail("a request without a signature reached the database")

    for name in ("probe", "read", "transaction"):
        monkeypatch.setattr(bot.store, name, fail)
    bodies = [b"", b"{}", b"command=%2Fcancel-order&user_id=U0ANN", b'{"type":"url_verification","challenge":"x"}']
    async with aiohttp.ClientSession(f"http://127.0.0.1:{bot.port}") as session:
        for path in ("/metrics", "/healthz", "/readyz"):
            async with session.get(path) as answer:
                assert answer.status == 200
        for body in bodies:
            async with session.post("/slack/events", data=body) as answer:
                assert answer.status == 401
    monkeypatch.undo()
