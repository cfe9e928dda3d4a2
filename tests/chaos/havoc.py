"""Everything that goes wrong in a chaos run, drawn from one seed.

It is long because one process of the bot is in the middle of all of it.
"""

import asyncio
import contextlib
import itertools
import os
import random
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from bot.sandbox.faults import Fault
from bot.sandbox.middle_box import Meddling, MiddleBox
from bot.sandbox.stage import FRANK
from bot.sandbox.workspace import Channel, Posted
from bot.store import StoreError, open_reader
from tests.chaos import troubles
from tests.chaos.clock import Clock
from tests.chaos.copies import Deleted
from tests.chaos.people import ASKERS, CHANNELS, REMOVED
from tests.chaos.sequence import Arrivals
from tests.chaos.surroundings import PATTERN_OF_A_SECOND, Surroundings, ends_at_once, pipe_to, with_names
from tests.chaos.troubles import Draw
from tests.flows.desk import LEADS, Desk

_BOT = [sys.executable, "-m", "tests.chaos.process"]
_KILL_AT_CALL = 0.004
"""The probability that the bot is killed in the moment in which one of its calls arrives."""
_WEEKEND_AT_START = 0.05
_KILL_AT_COMMIT = 0.5
"""The probability that a bot is to die at one certain commit, if it comes to that."""
_COMMITS = [
    "requested", "voted", "approved", "rejected", "withdrawn", "expired", "reminded", "escalated", "gateway_trouble",
    "sending", "repeating", "cancelled", "retried", "hurried", "stopped_trying", "settled_cancelled",
    "settled_not_cancelled", "frozen", "unfrozen", "card_posted", "claim", "record_delivery", "record_answer",
    "home_opened", "record_publish", "digest",
]  # fmt: skip
"""The commits, by the kind of an event or by the name of the transaction."""
_SHORT, _LONG = 20, 5 * 24 * 3600
"""APPROVAL_TTL in seconds: a request expires in the middle of everything, or outlives a weekend."""

REMINDERS = [1, 3]
"""REMIND_AFTER in seconds."""

_IN_A_CHANNEL = (
    "message_limit_exceeded",
    "restricted_action",
    "restricted_action_read_only_channel",
    "ekm_access_denied",
    "no_permission",
    "missing_scope",
    "slack_connect_canvas_sharing_blocked",
    "an_error_of_next_year",
)
_EVERYWHERE = ("message_limit_exceeded", "missing_scope", "ekm_access_denied", "not_in_this_plan")
_OF_THE_TOKEN = ("team_access_not_granted", "token_revoked", "account_inactive")
"""Slack refuses every method with these, so that people's groups cannot be read either."""


@dataclass(slots=True)
class Log:
    """The happenings of a run."""

    done: Counter[str] = field(default_factory=Counter)
    deleted: list[Deleted] = field(default_factory=list)
    ended_by_itself: list[int] = field(default_factory=list)
    owed: list[int] = field(default_factory=list)
    """The number of messages that were owed over each weekend."""
    starts: int = 0
    """How often the bot was started; a second one beside it does not count."""
    called_back: int = 0
    """How many second bots were ended because the first one was dead, whose place they may have taken by then."""
    refused: int = 0
    """How many second bots ended as they should."""
    wrongs: list[str] = field(default_factory=list)
    """What went wrong with a second bot."""
    written: int = 0
    """How many messages people wrote in channels, in threads and to the bot."""
    removed_at: dict[str, int] = field(default_factory=dict)
    """How many events were on record when each of the removed approvers was removed from the group."""
    arrivals: Arrivals = field(default_factory=Arrivals)


class Havoc:
    """Faults of all servers, lost connections, meddling people, weekends, and a bot that is killed every second."""

    def __init__(
        self,
        desk: Desk,
        box: MiddleBox,
        clock: Clock,
        *,
        seed: int,
        quorum: int,
        log: Path,
        surroundings: Collection[Surroundings] = (),
        **settings: str,
    ) -> None:
        self.log = Log()
        self._desk = desk
        self._box = box
        self._clock = clock
        self._seed = seed
        self._quorum = quorum
        self._log_file = log
        self._surroundings = surroundings
        self._settings = settings
        self._calls: Counter[str] = Counter()
        self._process: Process | None = None
        self._second: asyncio.Task[None] | None = None
        self._never = asyncio.Event()
        self._refused: set[str | None] = set()
        self._one_for_good = False
        self._healed = False
        self._shared: set[str] = set()
        self._history_in_trouble = False
        desk.slack.faults.choose = self._slack_fault
        desk.gateway.faults.choose = self._gateway_fault
        box.faults.choose = self._meddling
        # Nobody else's clock agrees with Slack's, which makes every message's timestamp.
        desk.slack.space.ahead = timedelta(hours=random.Random(f"{seed}/ahead").choice([-5, -0.01, 0, 0.01, 5]))

    # --- faults of the servers and of the box -------------------------------------------------

    def _slack_fault(self, method: str) -> Fault | None:
        if method == "chat.postMessage":
            self.log.arrivals.at_slack[len(self._desk.slack.calls)] = self._on_record()
        draw = self._next_draw(f"slack/{method}")
        return self._noted("Slack", troubles.slack_fault(draw, method, searching=self._history_in_trouble))

    def _gateway_fault(self, order: str) -> Fault | None:
        draw = self._next_draw(f"gateway/{order}", order)
        cancelled = self._desk.gateway.effects[order] > 0
        return self._noted("gateway", troubles.gateway_fault(draw, cancelled=cancelled))

    def _meddling(self, order: str) -> Meddling | None:
        if not order:  # the bot only looks whether the gateway is there
            return None
        self.log.arrivals.at_the_gateway.append((order, self._on_record()))
        return self._noted("box", troubles.meddling(self._next_draw(f"box/{order}", order)))

    def _noted(self, where: str, found: tuple[str, troubles.T] | None) -> troubles.T | None:
        if found is None:
            return None
        self.log.done[f"{where}: {found[0]}"] += 1
        return found[1]

    def _next_draw(self, what: str, order: str = "") -> Draw:
        """Return a source of random numbers that is the same for the n-th call of its kind in every run of one seed."""
        self._calls[what] += 1
        draw = random.Random(f"{self._seed}/{what}/{self._calls[what]}")
        if draw.random() < _KILL_AT_CALL:
            self._kill()
        return Draw(draw, order, self._never)

    # --- the bot ------------------------------------------------------------------------------

    @property
    def clock_is_right(self) -> bool:
        """True where the times on record can be compared with those of Slack and of the gateway."""
        return Surroundings.CLOCK not in self._surroundings

    @asynccontextmanager
    async def bot(self, **changes: str) -> AsyncIterator[Process]:
        """Run a bot process, connected if that works, and kill it at the end in any case."""
        await self._desk.slack.drop_connections()
        settings = {
            "DVPAY_BASE_URL": self._box.base_url,
            "APPROVALS_REQUIRED": str(self._quorum),
            "APPROVAL_TTL": self._short,
            "REMIND_AFTER": ",".join(f"{seconds}s" for seconds in REMINDERS),
            "ESCALATE_AFTER": "2s",
            "TOLD_AFTER": "1.5",
            "GATEWAY_CONCURRENCY": "3",
            "CLOCK_AHEAD": str(self._clock.ahead.total_seconds()),
        }
        environment = os.environ | self._desk.environment(**self._settings | settings | changes)
        if Surroundings.NAMES in self._surroundings:
            environment = with_names(environment)
        if Surroundings.CLOCK in self._surroundings and not self._healed:
            environment |= {"CLOCK_STEPS": f"{self._seed}/clock/{self.log.starts}"}
        with self._log_end() as log:
            process = await asyncio.create_subprocess_exec(*_BOT, stderr=log, env=environment)
            self._process = process
            self.log.starts += 1
            try:
                await self._connected_or_dead(process)
                if Surroundings.SECOND in self._surroundings and process.returncode is None:
                    self._second = asyncio.create_task(self._start_a_second_bot(environment))
                yield process
            finally:
                if process.returncode == -9 and self._process is not None:
                    self.log.done["kill -9 at a commit"] += 1
                elif process.returncode not in {None, -9}:
                    self.log.ended_by_itself.append(process.returncode)
                self._kill()
                await process.wait()
                if self._second is not None:
                    await asyncio.gather(self._second, return_exceptions=True)
                    self._second = None

    def _log_end(self) -> AbstractContextManager[int | BinaryIO]:
        if Surroundings.LOG not in self._surroundings:
            return self._log_file.open("ab")
        unread_for = random.Random(f"{self._seed}/log/{self.log.starts}").uniform(0, 1.5)
        return pipe_to(self._log_file, unread_for=unread_for)

    async def _start_a_second_bot(self, environment: dict[str, str]) -> None:
        """Start a second bot on the same file every few seconds, until the first one is killed."""
        draw = random.Random(f"{self._seed}/second/{self.log.starts}")
        environment = {**environment, "ORDER_ID_PATTERN": PATTERN_OF_A_SECOND}
        while True:
            await asyncio.sleep(draw.uniform(0, 3))
            self.log.done["second bot"] += 1
            try:
                wrong = await ends_at_once(_BOT, environment)
            except asyncio.CancelledError:
                self.log.called_back += 1
                raise
            if wrong:
                self.log.wrongs.append(wrong)
            else:
                self.log.refused += 1

    async def _connected_or_dead(self, process: Process) -> None:
        dead = asyncio.create_task(process.wait())
        connected = asyncio.create_task(self._desk.wait(lambda: self._desk.slack.connections, self._clock.long(5.0)))
        await asyncio.wait({dead, connected}, return_when=asyncio.FIRST_COMPLETED)
        for task in (dead, connected):
            task.cancel()
        await asyncio.gather(dead, connected, return_exceptions=True)

    def _kill(self) -> None:
        """Kill the bot as kill -9 does, if it runs."""
        if self._second is not None:
            self._second.cancel()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self.log.done["kill -9"] += 1
            self._process = None

    async def rage(self) -> None:
        """Kill the bot, keep it away over weekends, meddle with Slack and write there until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._kill_about_every_second())
            tasks.create_task(self._meddle())
            tasks.create_task(self._chat())
            tasks.create_task(self._remove_approvers())

    async def _kill_about_every_second(self) -> None:
        draw = random.Random(f"{self._seed}/kill")
        weekend_due = False
        for start in itertools.count(1):
            began = time.monotonic()
            async with self.bot(**self._settings_of_the_day(draw)) as process:
                self._clock.took(time.monotonic() - began)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), self._clock.long(draw.uniform(0.4, 1.6)))
            weekend_due = weekend_due or start == 4 or draw.random() < _WEEKEND_AT_START
            # Only a weekend over which something is owed proves anything.
            if weekend_due and self.owed():
                self.weekend(timedelta(hours=draw.uniform(25, 90)))
                weekend_due = False

    def _settings_of_the_day(self, draw: random.Random) -> dict[str, str]:
        quorum = self._quorum if draw.random() < 0.85 else 3 - self._quorum
        settings = {
            "APPROVALS_REQUIRED": str(quorum),
            "ALLOW_SELF_APPROVAL": str(draw.random() < 0.1).lower(),
            "APPROVAL_TTL": self._short if draw.random() < 0.6 else f"{_LONG}s",
        }
        if draw.random() < _KILL_AT_COMMIT:
            commit = draw.choice(_COMMITS)
            settings[draw.choice(["KILL_BEFORE", "KILL_AFTER"])] = f"{commit},{commit},{draw.randint(1, 3)}"
        return settings

    @property
    def _short(self) -> str:
        return f"{self._clock.long(_SHORT):.0f}s"

    def weekend(self, length: timedelta) -> None:
        """Let so much time go by; the bot must not be running."""
        self.log.done["weekend"] += 1
        self.log.owed.append(self.owed())
        self._clock.leap(length)

    def owed(self) -> int:
        """Return how many messages the bot owes; none before there is a database."""
        return self._number("SELECT count(*) FROM deliveries WHERE status = 'queued'")

    def _on_record(self) -> int:
        return self._number("SELECT ifnull(max(seq), 0) FROM audit_events")

    def _number(self, query: str) -> int:
        try:
            with open_reader(self._desk.database) as tables:
                ((number,),) = tables.connection.execute(query)
        except StoreError:
            return 0
        return int(number)

    # --- people and networks ------------------------------------------------------------------

    async def _remove_approvers(self) -> None:
        draw = random.Random(f"{self._seed}/remove")
        for approver in REMOVED:
            await asyncio.sleep(self._clock.long(draw.uniform(3, 15)))
            self._desk.slack.space.groups[LEADS].remove(approver)
            self.log.removed_at[approver] = self._on_record()

    async def _meddle(self) -> None:
        draw = random.Random(f"{self._seed}/meddle")
        slack = self._desk.slack
        acts = [
            "disconnect",
            "drop",
            "delete",
            "delete",
            "archive",
            "remove",
            "refuse",
            "refuse",
            "history",
            "history",
            "share",
        ]
        while True:
            await asyncio.sleep(self._clock.long(draw.uniform(0.1, 0.5)))
            channel = slack.space.channels[draw.choice(CHANNELS)]
            match draw.choice(acts):
                case "disconnect":
                    self.log.done["Socket Mode: disconnect"] += 1
                    await slack.disconnect()
                case "drop":
                    self.log.done["Socket Mode: connection lost"] += 1
                    await slack.drop_connections()
                case "delete" if messages := self._of_the_bot(channel):
                    self.log.done["message deleted"] += 1
                    message = draw.choice(messages)
                    self.log.deleted.append(Deleted(message, len(slack.calls)))
                    slack.space.delete_message(channel.id, message.ts)
                case "archive":
                    self.log.done["channel archived"] += 1
                    channel.archived = True
                    self._later(draw.uniform(0.2, 2), self._repair, channel)
                case "remove":
                    self.log.done["bot removed from a channel"] += 1
                    channel.members.discard(slack.space.bot_user_id)
                    self._later(draw.uniform(0.2, 2), self._repair, channel)
                case "refuse":
                    self._refuse(draw, channel)
                case "history" if not self._history_in_trouble:
                    self._trouble_history(draw)
                case "share" if channel.id not in self._shared:
                    self._share(draw, channel)

    def _later(self, seconds: float, what: Callable[..., None], *about: object) -> None:
        asyncio.get_running_loop().call_later(self._clock.long(seconds), what, *about)

    def _repair(self, channel: Channel) -> None:
        channel.archived = False
        channel.members.add(self._desk.slack.space.bot_user_id)

    def _refuse(self, draw: random.Random, channel: Channel) -> None:
        """Let Slack refuse posting in a channel, in somebody's direct messages, or everywhere; once for good."""
        kind = draw.choice(["channel", "channel", "channel", "direct messages", "everywhere", "token"])
        where: str | None = None
        names: tuple[str, ...]
        match kind:
            case "channel":
                where, names, seconds = channel.id, _IN_A_CHANNEL, draw.uniform(0.5, 5)
            case "direct messages":
                where = self._desk.slack.space.direct_id(draw.choice(ASKERS))
                names, seconds = _IN_A_CHANNEL, draw.uniform(2, 10)
            case "everywhere":
                names, seconds = _EVERYWHERE, draw.uniform(0.3, 1.5)
            case _:
                names, seconds = _OF_THE_TOKEN, draw.uniform(0.3, 1.0)
        if where in self._refused:
            return
        self.log.done[f"Slack refuses: {kind}"] += 1
        self._refused.add(where)
        self._desk.slack.refusals.start(draw.choice(names), channel=where)
        # Without the only channel for cards nothing would be decided any more.
        may_last = where is not None and where != self._settings.get("APPROVAL_CHANNEL")
        if may_last and not self._one_for_good and draw.random() < 0.1:
            self._one_for_good = True
            self.log.done["Slack refuses: until the end"] += 1
        else:
            self._later(seconds, self._take_back, where)

    def _take_back(self, where: str | None) -> None:
        self._desk.slack.refusals.end(channel=where)
        self._refused.discard(where)

    def _trouble_history(self, draw: random.Random) -> None:
        """Hide messages from those who search for them, or make the search long."""
        trouble = self._desk.slack.history
        kind = draw.choice(["lags", "lags", "without a cursor", "with the same cursor", "on small pages"])
        self.log.done[f"history: {kind}"] += 1
        match kind:
            case "lags":
                trouble.lag = timedelta(seconds=draw.uniform(0.5, 3))
            case "without a cursor":
                trouble.most, trouble.no_cursor = draw.randint(1, 4), True
            case "with the same cursor":
                trouble.most, trouble.same_cursor = draw.randint(1, 4), True
            case _:
                trouble.most = draw.randint(1, 4)
        self._history_in_trouble = True
        self._later(draw.uniform(0.5, 3), self._end_trouble)

    def _end_trouble(self) -> None:
        self._desk.slack.history.clear()
        self._history_in_trouble = False

    async def _chat(self) -> None:
        """Let people write in channels, in threads and to the bot, so that its messages are not the last ones there."""
        draw = random.Random(f"{self._seed}/chat")
        space = self._desk.slack.space
        while True:
            await asyncio.sleep(self._clock.long(draw.uniform(0.1, 0.4)))
            channel = space.channels[draw.choice([*CHANNELS, space.direct_channel(draw.choice(ASKERS)).id])]
            newest = self._of_the_bot(channel)[-3:]
            thread = draw.choice(newest).ts if newest and draw.random() < 0.3 else None
            for _ in range(draw.randint(1, 4)):
                self.log.written += 1
                space.post(Posted(channel.id, space.next_ts(), "Lunch?", [], draw.choice(ASKERS), thread))

    def _of_the_bot(self, channel: Channel) -> list[Posted]:
        space = self._desk.slack.space
        return [message for message in space.messages(channel.id) if message.user == space.bot_user_id]

    def _share(self, draw: random.Random, channel: Channel) -> None:
        """Share a channel with another company for a while; its people see every card there and can click."""
        self.log.done["channel shared with another company"] += 1
        self._shared.add(channel.id)
        self._desk.slack.space.share(channel.id, [FRANK])
        self._later(draw.uniform(1, 5), self._stop_sharing, channel)

    def _stop_sharing(self, channel: Channel) -> None:
        channel.shared = False
        channel.members.discard(FRANK)
        self._shared.discard(channel.id)

    def heal(self) -> None:
        """Let everything work again from now on. A hanging call goes on hanging until its bot is gone."""
        self._healed = True
        self._end_trouble()
        self._desk.slack.heal()
        self._desk.gateway.faults.clear()
        self._box.faults.clear()
        for channel in CHANNELS:
            self._repair(self._desk.slack.space.channels[channel])
            self._stop_sharing(self._desk.slack.space.channels[channel])
