"""The alert rules: each fires where its trouble happens to a real bot, and none does in a quiet run."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from bot import log
from bot.metrics import Metrics
from bot.sandbox.faults import ApiError, broken
from bot.store import StoreError, StoreProblem
from tests.alerts import Scrape, firing, names, parsed, rules
from tests.clock import Clock
from tests.flows.desk import LOBBY, PAYMENTS, QUICK, Desk, quick_tuning
from tests.test_docs import rows_below


class Watched:
    """A desk whose bot is scraped, on a clock that the test moves. ``before`` is the scrape after the start."""

    def __init__(self, desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk, self.clock, self.monkeypatch = desk, clock, monkeypatch
        self.before: Scrape = {}
        self.url = ""
        self.record_check = 0.05
        self.slow = 0.0
        """The seconds that each commit of a click takes."""

    async def start(self, **changes: str) -> None:
        """Start a bot with these changes of its settings."""
        tuning = quick_tuning(
            now=self.clock,
            patience=QUICK,
            token_check=0.01,
            gateway_check=0.01,
            record_check=self.record_check,
            on_commit=self._committed,
        )
        bot = await self.desk.start_bot(tuning, **changes)
        self.url = f"http://127.0.0.1:{bot.port}/metrics"
        self.before = await self.scrape()

    def _committed(self, name: str) -> None:
        if name == "approve":
            self.clock.advance(self.slow)

    async def scrape(self) -> Scrape:
        """Return what Prometheus gets now."""
        try:
            async with aiohttp.ClientSession() as session, session.get(self.url) as answer:
                return parsed(await answer.text())
        except aiohttp.ClientError:
            return parsed(None)

    async def verified(self) -> Scrape:
        """Let the bot come to rest, and return the first scrape by which it has verified the whole record."""
        await self.desk.running_bot.worker.until_idle()
        last = (await self.desk.events())[-1].seq
        verified = "cancel_desk_record_verified_event"
        async with asyncio.timeout(10):
            while last not in (now := await self.scrape())[verified].values():  # noqa: ASYNC110 -- it is tested
                await asyncio.sleep(0.01)
        return now

    async def until_firing(self, alert: str) -> None:
        """Wait until this alert fires."""
        async with asyncio.timeout(20):
            while alert not in firing(self.before, await self.scrape()):  # noqa: ASYNC110 -- it is what is tested
                await asyncio.sleep(0.01)


@pytest.fixture
async def watched(database: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    """Yield a desk without a bot yet."""
    async with Desk(database, now=clock) as desk:
        yield Watched(desk, clock, monkeypatch)


async def approved(watched: Watched) -> None:
    """Let an order be asked for and approved, and give the gateway all attempts."""
    card = await watched.desk.ask("ord_1")
    await watched.desk.ben.click(card, "approve")
    for _ in range(QUICK.max_attempts):
        await watched.desk.running_bot.worker.until_idle()
        watched.clock.advance(seconds=1)


async def cancelled(watched: Watched) -> None:
    """Let an order be asked for, approved and cancelled."""
    card = await watched.desk.ask("ord_1")
    await watched.desk.ben.click(card, "approve")
    await watched.desk.card_says(card, "✅ Cancelled")


async def stopped(watched: Watched) -> None:
    """The bot stops."""
    await watched.start()
    await watched.desk.stop_bot()


async def disk_full(watched: Watched) -> None:
    """The database takes no writes."""
    await watched.start()

    async def fail() -> None:
        raise StoreError(StoreProblem.DISK_FULL, watched.desk.database, "database or disk is full")

    watched.monkeypatch.setattr(watched.desk.running_bot.store, "probe", fail)


async def token_revoked(watched: Watched) -> None:
    """Somebody revokes the bot's token."""
    await watched.start()
    watched.desk.slack.refusals.start("token_revoked")


async def answers_lost(watched: Watched) -> None:
    """The gateway gives no clear answer to any attempt."""
    await watched.start()
    watched.desk.gateway.faults.always("ord_1", broken(500))
    await approved(watched)


async def gateway_away(watched: Watched) -> None:
    """The gateway cannot be reached, for all attempts of an order."""
    await watched.start(DVPAY_BASE_URL="http://127.0.0.1:9")
    await approved(watched)


async def nobody_decides(watched: Watched) -> None:
    """A request waits for twenty minutes."""
    await watched.start()
    await watched.desk.ask("ord_1")
    watched.clock.advance(minutes=21)


async def wrong_key(watched: Watched) -> None:
    """The gateway rejects the bot's credentials."""
    await watched.start(DVPAY_API_KEY="wrong-key")
    await approved(watched)


async def channel_full(watched: Watched) -> None:
    """Slack refuses every message in the channel of the cards, for longer than five minutes."""
    await watched.start()
    watched.desk.slack.refusals.start("message_limit_exceeded", channel=PAYMENTS)
    await watched.desk.fill_in("ord_1")
    for _ in range(10):
        watched.clock.advance(minutes=1)
        await watched.desk.running_bot.worker.until_idle()


async def requester_gone(watched: Watched) -> None:
    """The person who is to get a direct message is deactivated."""
    await watched.start()
    watched.desk.slack.faults.always("conversations.open", ApiError("user_disabled"))
    await watched.desk.ask("ord_1")


async def slow_disk(watched: Watched) -> None:
    """The commit of a click takes longer than two seconds."""
    await watched.start()
    card = await watched.desk.ask("ord_1")
    watched.slow = 2.5
    await watched.desk.ben.click(card, "approve")


def forge(database: Path, statement: str) -> None:
    """Change the file behind the bot's back, with the guards as they were afterwards."""
    with closing(sqlite3.connect(database)) as connection:
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
        for _, sql in guards:
            connection.execute(sql)
        connection.commit()


async def record_edited(watched: Watched) -> None:
    """Somebody edits an event while the bot is off."""
    await watched.start()
    await cancelled(watched)
    await watched.desk.stop_bot()
    forge(watched.desk.database, "UPDATE audit_events SET actor = 'U0OLGA' WHERE kind = 'approved'")
    await watched.start()


async def record_cut(watched: Watched) -> None:
    """Somebody replaces the end of the record while the bot runs, after the bot has verified it."""
    await watched.start()
    await cancelled(watched)
    await watched.verified()
    forge(watched.desk.database, "DELETE FROM audit_events WHERE seq = (SELECT max(seq) FROM audit_events)")


async def reason_edited(watched: Watched) -> None:
    """Somebody changes the reason of a request that waits."""
    await watched.start()
    await watched.desk.ask("ord_1")
    await watched.desk.stop_bot()
    forge(watched.desk.database, "UPDATE requests SET reason = 'another'")
    await watched.start()


async def reason_edited_just_before_the_call(watched: Watched) -> None:
    """Somebody does that after the bot's own verification, and before the call."""
    watched.record_check = 3600.0
    await watched.start()
    card = await watched.desk.ask("ord_1")
    forge(watched.desk.database, "UPDATE requests SET reason = 'another'")
    await watched.desk.ben.click(card, "approve")


async def no_backup(watched: Watched) -> None:
    """Nobody copies the database for a day and a half."""
    await watched.start()
    watched.clock.advance(hours=37)


async def frozen(watched: Watched) -> None:
    """An approver stops everything."""
    await watched.start()
    await watched.desk.ben.command("/cancel-order freeze the wrong orders", LOBBY)


async def log_unread(watched: Watched) -> None:
    """Whatever reads the bot's log ends."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, watched.monkeypatch.context() as patched:
        patched.setattr("sys.stderr", stream)
        log.configure("INFO", "json", [])  # it keeps a descriptor of its own
    await watched.start()
    os.close(reader)
    await watched.desk.ask("ord_1")


TROUBLES: list[tuple[str, Callable[[Watched], Awaitable[None]]]] = [
    ("CancelDeskDown", stopped),
    ("CancelDeskNotReady", disk_full),
    ("CancelDeskSlackAway", token_revoked),
    ("CancelDeskOutcomeUnknown", answers_lost),
    ("CancelDeskOrderFailed", gateway_away),
    ("CancelDeskRequestWaits", nobody_decides),
    ("CancelDeskGatewayAway", gateway_away),
    ("CancelDeskGatewayRefusesTheBot", wrong_key),
    ("CancelDeskMessagesBlocked", channel_full),
    ("CancelDeskMessagesLate", channel_full),
    ("CancelDeskMessageGivenUp", requester_gone),
    ("CancelDeskAcknowledgementsLate", slow_disk),
    ("CancelDeskRecordDamaged", record_edited),
    ("CancelDeskRecordDamaged", record_cut),
    ("CancelDeskRecordDamaged", reason_edited),
    ("CancelDeskRecordContradicted", reason_edited_just_before_the_call),
    ("CancelDeskBackupOld", no_backup),
    ("CancelDeskLogLinesLost", log_unread),
    ("CancelDeskFrozen", frozen),
]


@pytest.mark.usefixtures("logging_of_its_own")
@pytest.mark.parametrize(
    "alert, trouble", [pytest.param(*each, id=f"{each[0]}-{each[1].__name__}") for each in TROUBLES]
)
async def test_an_alert_fires_where_its_trouble_happens(
    watched: Watched, alert: str, trouble: Callable[[Watched], Awaitable[None]]
) -> None:
    """The engineer on call hears of it."""
    await trouble(watched)
    await watched.until_firing(alert)


def test_every_alert_has_its_trouble() -> None:
    """No rule is in the file that nobody has seen firing."""
    assert {str(rule["alert"]) for rule in rules()} == {alert for alert, _ in TROUBLES}


async def test_no_alert_fires_in_a_quiet_run(watched: Watched) -> None:
    """Requests that end well, clicks that are refused and a clean restart wake nobody up."""
    await watched.start()
    await cancelled(watched)
    card = await watched.desk.ask("ord_2")
    await watched.desk.olga.click(card, "approve")
    await watched.desk.told(watched.desk.olga)
    await watched.desk.ben.click(card, "approve")
    await watched.desk.card_says(card, "✅ Cancelled")
    await watched.desk.stop_bot()
    first = watched.before
    await watched.start()
    now = await watched.verified()
    assert firing(first, now) == set()
    assert firing(watched.before, now) == set()


def test_every_rule_says_what_to_do() -> None:
    """Who is woken up reads what it means and what to do, and how urgent it is."""
    for rule in rules():
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"].keys() == {"summary", "remedy"}


def exported() -> dict[str, str]:
    """Return the type of each metric by its name as people write it."""
    families = Metrics().registry.collect()
    return {f"{each.name}_total" if each.type == "counter" else each.name: each.type for each in families}


def test_the_rules_are_about_metrics_that_exist() -> None:
    """A name with a typing error would never fire."""
    series = {name for family in Metrics().registry.collect() for name in [*(s.name for s in family.samples)]}
    assert {name for rule in rules() for name in names(rule["expr"])} - {"up"} <= series


def test_every_metric_is_documented_with_its_labels() -> None:
    """The table of metrics is the one in the code."""
    metrics = Metrics()
    labels = {
        getattr(each, "_name", ""): ", ".join(getattr(each, "_labelnames", ())) for each in vars(metrics).values()
    }
    code = {name: labels.get(name.removesuffix("_total"), "") for name in exported()}
    assert {row[0]: row[1] for row in rows_below("docs/operating.md", "### The metrics")} | {
        "cancel_desk_build_info": ""
    } == {f"{name}_info" if name == "cancel_desk_build" else name: text for name, text in code.items()}
