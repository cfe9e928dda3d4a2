"""Everything that goes wrong around the bot in a chaos run, drawn from one seed."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import Path

from bot.sandbox.faults import Fault
from bot.sandbox.middle_box import Meddling, MiddleBox
from bot.sandbox.stage import FRANK
from bot.sandbox.workspace import Channel, Posted
from tests.chaos import troubles
from tests.chaos.bots import Bots
from tests.chaos.clock import Clock
from tests.chaos.copies import Deleted
from tests.chaos.happenings import Log, Look
from tests.chaos.outages import Outages
from tests.chaos.people import ASKERS, CHANNELS, REMOVED
from tests.chaos.surroundings import Surroundings
from tests.chaos.troubles import Draw
from tests.flows.desk import LEADS, Desk

_KILL_AT_CALL = 0.004
"""The probability that the bot is killed in the moment in which one of its calls arrives."""

_IN_A_CHANNEL = (
    "message_limit_exceeded",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_locked",
    "ekm_access_denied",
    "no_permission",
    "missing_scope",
    "slack_connect_canvas_sharing_blocked",
    "an_error_of_next_year",
)
_EVERYWHERE = ("message_limit_exceeded", "missing_scope", "ekm_access_denied", "not_in_this_plan")
_OF_THE_TOKEN = ("team_access_not_granted", "token_revoked", "account_inactive")
"""Slack refuses every method with these, so that people's groups cannot be read either."""


class Havoc:
    """Faults of all servers, lost connections, meddling people, and bots that are killed in the middle of it.

    ``outages`` are those of the database's server, where it has one.
    """

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
        outages: Outages | None = None,
        **settings: str,
    ) -> None:
        self.log, self._look = Log(), Look(desk.place)
        self.bots = Bots(
            desk,
            box,
            clock,
            self.log,
            self._look,
            seed=seed,
            quorum=quorum,
            log_file=log,
            surroundings=surroundings,
            addresses=outages.addresses if outages else (),
            **settings,
        )
        self._desk, self._box, self._clock, self._outages = desk, box, clock, outages
        self._seed = seed
        self._only_channel = settings.get("APPROVAL_CHANNEL")
        self._calls: Counter[str] = Counter()
        self._never = asyncio.Event()
        self._refused: set[str | None] = set()
        self._one_for_good = False
        self._shared: set[str] = set()
        self._history_in_trouble = False
        self.clock_is_right = Surroundings.CLOCK not in surroundings
        """True where the times on record can be compared with those of Slack and of the gateway."""
        desk.slack.faults.choose = self._slack_fault
        desk.gateway.faults.choose = self._gateway_fault
        box.faults.choose = self._meddling
        # Nobody else's clock agrees with Slack's, which makes every message's timestamp.
        desk.slack.space.ahead = timedelta(hours=random.Random(f"{seed}/ahead").choice([-5, -0.01, 0, 0.01, 5]))

    # --- faults of the servers and of the box -------------------------------------------------

    def _slack_fault(self, method: str) -> Fault | None:
        if method == "chat.postMessage":
            self.log.arrivals.come_to_slack(len(self._desk.slack.calls), self._look.on_record())
        draw = self._next_draw(f"slack/{method}")
        return self._noted("Slack", troubles.slack_fault(draw, method, searching=self._history_in_trouble))

    def _gateway_fault(self, order: str) -> Fault | None:
        draw = self._next_draw(f"gateway/{order}", order)
        cancelled = self._desk.gateway.effects[order] > 0
        return self._noted("gateway", troubles.gateway_fault(draw, cancelled=cancelled))

    def _meddling(self, order: str) -> Meddling | None:
        if not order:  # the bot only looks whether the gateway is there
            return None
        self.log.arrivals.come_to_the_gateway(order, self._look.on_record(), self.bots.stood_still())
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
            self.bots.kill(random.Random(f"{self._seed}/{what}/{self._calls[what]}/kill"))
        return Draw(draw, order, self._never)

    # --- people and networks ------------------------------------------------------------------

    async def rage(self) -> None:
        """Kill the bots, keep them away over weekends, meddle with Slack and write there until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.bots.rage())
            tasks.create_task(self._meddle())
            tasks.create_task(self._chat())
            tasks.create_task(self._remove_approvers())
            if self._outages is not None:
                tasks.create_task(self._outages.rage())

    async def _remove_approvers(self) -> None:
        draw, tasks = random.Random(f"{self._seed}/remove"), list[asyncio.Task[None]]()
        for approver in REMOVED:
            await asyncio.sleep(self._clock.long(draw.uniform(3, 15)))
            self._desk.slack.space.groups[LEADS].remove(approver)
            if self.bots.several:
                # A bot that runs goes on by what it knows of the group, and others beside it know better.
                tasks.append(asyncio.create_task(self._removed_once_all_know(approver)))
            else:
                self.log.removed_at[approver] = self._look.on_record() or 0

    async def _removed_once_all_know(self, approver: str) -> None:
        await self.bots.until_all_have_ended()
        while (known := self._look.on_record()) is None:  # noqa: ASYNC110 -- not our process
            await asyncio.sleep(0.1)
        self.log.removed_at[approver] = known

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
        may_last = where is not None and where != self._only_channel
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
        self.bots.healed = True
        self._end_trouble()
        self._desk.slack.heal()
        self._desk.gateway.faults.clear()
        self._box.faults.clear()
        for channel in CHANNELS:
            self._repair(self._desk.slack.space.channels[channel])
            self._stop_sharing(self._desk.slack.space.channels[channel])
