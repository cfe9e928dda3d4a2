"""The judgement on a chaos run, which compares the database, the messages in Slack and the gateway's orders.

It is long because every check reads the same database and the same messages.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import Event, parse_head, timestamp
from bot.domain.cancellation import AGAINST_RETRY, State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import (
    Approved,
    Cancelled,
    CardBlocked,
    CardPosted,
    ClickRefused,
    Content,
    DeliveryAbandoned,
    Digest,
    Escalated,
    Expired,
    Failed,
    Frozen,
    GatewayTrouble,
    Hurried,
    Refused,
    Rejected,
    Reminded,
    Requested,
    RequestRefused,
    Retried,
    SettledCancelled,
    SettledNotCancelled,
    StoppedTrying,
    Unknown,
    Withdrawn,
)
from bot.domain.lookup import Lookup
from bot.domain.policy import Act, Surface, Verdict
from bot.domain.request import Request
from bot.domain.verification import walk
from bot.sandbox.slack import Call
from bot.sandbox.stage import FRANK
from bot.sandbox.webapi import decoded
from bot.sandbox.workspace import Posted
from bot.slack.views.buttons import SETTLE_CANCELLED, SETTLE_NOT_CANCELLED
from bot.slack.views.card import heading
from bot.store import open_reader, verify
from tests.chaos.bots import REMINDERS
from tests.chaos.brake import Brake
from tests.chaos.clock import Clock
from tests.chaos.copies import Calls, delivery_of
from tests.chaos.four_eyes import FourEyes
from tests.chaos.havoc import Havoc
from tests.chaos.outcomes import Outcomes
from tests.chaos.people import CHANNELS, REASONS, Crowd, buttons, pressed
from tests.chaos.sequence import Sequence
from tests.chaos.truth import Truth
from tests.flows.desk import QUICK, Desk
from tests.under_way import UnderWay, is_about_one

TITLES = {
    Cancelled.kind: ("✅ Cancelled",),
    Refused.kind: ("⛔ Not cancelled", "☑️ Already cancelled", "☑️ Already refunded", "⛔ Partly refunded"),
    Failed.kind: ("⚠️ Not cancelled",),
    StoppedTrying.kind: ("✋ Stopped by a person: not cancelled by this request",),
    Unknown.kind: ("⚠️ Not known whether the order is cancelled",),
    Rejected.kind: ("⛔ Rejected",),
    Withdrawn.kind: ("↩️ Withdrawn",),
    Expired.kind: ("⌛ Expired",),
    SettledCancelled.kind: ("📝 Settled by hand: cancelled",),
    SettledNotCancelled.kind: ("📝 Settled by hand: not cancelled",),
}
"""Every ending, with the ways in which a message about it may begin."""

BUTTONS: dict[State, set[str]] = {
    State.PENDING: {Act.APPROVE, Act.REJECT, Act.WITHDRAW},
    State.FAILED: {Act.RETRY},
    State.UNKNOWN: {Act.RETRY, SETTLE_CANCELLED, SETTLE_NOT_CANCELLED},
}
"""The buttons that a card has for its orders, once none of them is under way."""
_ON_A_RECEIPT: dict[State, set[str]] = {State.PENDING: {Act.WITHDRAW}}
_MAY_BE_ABANDONED: dict[str, set[str]] = {
    "card": {"too_late_for_a_card"},
    "card_update": {"message_not_found", "no_card"},
    "reply": {"no_card"},
    "direct_message": {"card_is_there", "too_late_for_a_card"},
    "receipt": set(),
    "receipt_update": {"message_not_found"},
    "digest": set(),
    "announcement": {"channel_not_found", "not_in_channel", "is_archived", "shared_channel"},
    "evidence": set(),
}
"""The reasons for which a delivery may be abandoned; time is none of them."""
_WAITING = "Waiting for approval"
_BESIDE = re.compile(r" \((another request is open|confirmed since|decided since)\)")
"""What the list of several orders says of other requests for one of them."""
_REFUSED_FOR_LONG = 5
"""So many refusals of one delivery must have been told, though the bot was killed now and then in between."""


@dataclass
class Judgement:
    """The figures of a run, and everything that was lost, doubled or reported wrongly."""

    figures: dict[str, object] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)


def unfinished(desk: Desk, clock: Clock) -> int:
    """Return the number of things that the bot still has to do by itself, within the next half minute."""
    soon = timestamp(clock.now() + timedelta(seconds=30))
    with open_reader(desk.place) as tables:
        ((count,),) = tables.connection.execute(
            "SELECT (SELECT count(*) FROM deliveries WHERE status = 'queued' AND due_at < :soon)"
            # One that is just being published is due again only when its worker counts as dead.
            " + (SELECT count(*) FROM homes WHERE due_at < :soon OR lease_until IS NOT NULL)"
            " + (SELECT count(*) FROM digest WHERE due_at < :soon)"
            " + (SELECT count(*) FROM cancellations WHERE state IN ('approved', 'sending'))"
            " + (SELECT count(*) FROM requests WHERE due_at IS NOT NULL AND expires_at < :soon)",
            {"soon": soon},
        )
    return int(count)


def kept(desk: Desk) -> list[Request]:
    """Return every request, with all its orders."""
    with open_reader(desk.place) as tables:
        ids = dict.fromkeys(found.id for found in tables.lookups.find(Lookup(), limit=100_000).items)
        return [found for each in ids if (found := tables.requests.get(each)) is not None]


def taken_over(requests: Iterable[Request]) -> set[int]:
    """Return the numbers of the cancellations that nobody may retry.

    A later request for their order ended so, or was stopped, or their own requester stopped them.
    """
    ended: dict[str, int] = {}
    orders = sorted(
        ((each, request.requester) for request in requests for each in request.cancellations),
        key=lambda found: found[0].number,
    )
    taken_back = {each.number for each, requester in orders if each.stopped_by == requester}
    for each, _ in orders:
        if each.state in AGAINST_RETRY or each.stopped_by:
            ended[each.order_id] = each.number
    return taken_back | {each.number for each, _ in orders if each.number < ended.get(each.order_id, 0)}


def right_buttons(about: Request, where: dict[State, set[str]], over: set[int], at: datetime) -> list[set[str]]:
    """Return the buttons that a card or a receipt of this request may have, once nothing of it is under way.

    ``over`` are the numbers of the cancellations that a later request took over. An approval that is too old ``at``
    this time may have been too old or not when the message was drawn.
    """
    retry = {str(Act.RETRY)}
    of_each = ((where.get(each.state, set()), each.number in over) for each in about.cancellations)
    right = set().union(*(right - retry if gone else right for right, gone in of_each))
    return [right] if about.could_be_retried(at) else [right, right - retry]


@dataclass(frozen=True, slots=True)
class Stale:
    """The messages with useless buttons at one moment, and the calls to Slack, known cards and receipts until then."""

    messages: list[Posted]
    calls: int
    known: set[tuple[str, str]]


def useless(desk: Desk, at: datetime) -> list[Posted]:
    """Return the messages with buttons that can do nothing at this time, or on which a button is missing."""
    by_id, receipts = {found.id: found for found in kept(desk)}, _receipts(desk)
    over, found = taken_over(by_id.values()), []
    for message in desk.slack.space.posted:
        shown = buttons(message)
        if shown:
            about = by_id[pressed(message.button(shown[0]) or {})[1]]
            place = message.channel, message.ts
            known = place == (about.card_channel, about.card_ts) or receipts.get(about.id) == place
            right = _ON_A_RECEIPT if desk.slack.space.channels[message.channel].is_im else BUTTONS
            if not known or set(shown) not in right_buttons(about, right, over, at):
                found.append(message)
    return found


def _receipts(desk: Desk) -> dict[str, tuple[str, str]]:
    """Return the place of each receipt that the bot knows, by the request."""
    with open_reader(desk.place) as tables:
        rows = tables.connection.execute(
            "SELECT c.id, d.channel, d.ts FROM deliveries d JOIN requests c ON c.number = d.number"
            " WHERE d.kind = 'receipt' AND d.status = 'delivered'"
        )
    return {about: (channel, ts) for about, channel, ts in rows}


def stale(desk: Desk, at: datetime) -> Stale:
    """Return what shows useless buttons at this time."""
    known = {(found.card_channel, found.card_ts or "") for found in kept(desk)} | set(_receipts(desk).values())
    return Stale(useless(desk, at), len(desk.slack.calls), known)


class Judge:
    """The comparison of everything that is known about a run.

    ``stale`` is what showed useless buttons at the end, before somebody clicked each of them once.
    """

    def __init__(self, desk: Desk, crowd: Crowd, havoc: Havoc, brake: Brake, clock: Clock, stale: Stale) -> None:
        self._desk, self._crowd, self._log, self._now = desk, crowd, havoc.log, clock.now()
        self._brake = brake
        self._clock_is_right = havoc.clock_is_right
        self._stale = stale
        self._never_updated = 0
        self._excused: Counter[str] = Counter()
        """How many second copies nobody could avoid, by the reason."""
        self._judgement = Judgement()
        self._wrong = self._judgement.wrongs.append
        self._requests = {found.id: found for found in kept(desk)}
        self._over = taken_over(self._requests.values())
        with open_reader(desk.place) as tables:
            sql = tables.connection.execute
            self._events = list(tables.record.all())
            forms = sql("SELECT form_id, reason FROM requests")
            self._forms = {(form.partition(":")[0], reason) for form, reason in forms}
            self._attempts = Counter(sql("SELECT number, outcome FROM attempts"))
            self._abandoned = set(sql("SELECT event_seq, kind FROM deliveries WHERE status = 'abandoned'"))
            self._called_off = set(sql("SELECT event_seq, kind FROM deliveries WHERE status = 'called_off'"))
            if (damage := verify(tables).damage) is not None:
                self._wrong(f"the tables contradict the record: {damage}")
            self._given_up = {found for (found,) in sql("SELECT id FROM deliveries WHERE status = 'abandoned'")}
            kinds = sql("SELECT id, kind FROM deliveries WHERE kind <> 'copies'")
            self._kinds: dict[str, str] = {delivery: kind for delivery, kind in kinds}  # noqa: C416 -- pairs for mypy
            self._told = set(sql("SELECT id, number, kind FROM deliveries WHERE told_at IS NOT NULL"))
            owed = sql("SELECT d.id, c.id FROM deliveries d JOIN requests c ON c.number = d.number")
            self._about: dict[str, str] = {delivery: about for delivery, about in owed}  # noqa: C416 -- pairs for mypy
            """The request of each delivery."""
            self._reported = {str(delivery): int(seq) for delivery, seq in sql("SELECT id, event_seq FROM deliveries")}
            """The number of the event that each delivery reports."""
            self._digests = [delivery for (delivery,) in sql("SELECT id FROM deliveries WHERE kind = 'digest'")]
            self._announcements = sql("SELECT id, event_seq, status FROM deliveries WHERE kind = 'announcement'")
            self._receipts = {delivery for (delivery,) in sql("SELECT id FROM deliveries WHERE kind = 'receipt'")}
            self._cards = {delivery for (delivery,) in sql("SELECT id FROM deliveries WHERE kind = 'card'")}
        self._contents: defaultdict[str, list[Content]] = defaultdict(list)
        """The contents of the events about each request."""
        for event in self._events:
            self._contents[event.request].append(event.content)
        space = desk.slack.space
        self._truth = Truth(desk.gateway, self._requests.values())
        self._several = havoc.bots.several
        self._calls = Calls(desk.slack, havoc.log.deleted, several=self._several)
        deleted = [found.message for found in havoc.log.deleted]
        self._deleted = {message.ts for message in deleted}
        self._shown = [
            (message, desk.ann.reads(message))
            for message in [*space.posted, *deleted]
            if message.user == space.bot_user_id and message.only_for is None
        ]
        self._reports: dict[str, list[tuple[Posted, str]]] = {event.head: [] for event in self._events}
        """The messages that show each head; of several copies of one message only the first."""

    def judgement(self) -> Judgement:
        """Return the figures of the run, and what is wrong."""
        self._judge_record()
        self._judge_sequence()
        self._judge_copies()
        self._judge_people()
        self._judge_gateway()
        self._judge_deliveries()
        self._judge_stale()
        self._judge_digests()
        self._judge_announcements()
        cards = [self._judge_card(request) for request in self._requests.values()]
        receipts = [self._judge_receipt(request) for request in self._requests.values()]
        under_way = UnderWay()
        told = [event for event in self._events if under_way.follow(event) or is_about_one(event.content)]
        for event in self._events:
            if event.kind in TITLES and event not in told and self._reports[event.head]:
                self._wrong(f"{event.order_id}: {event.kind} was told, while other orders were under way")
        results = [self._judge_ending(event) for event in told]
        gateway, log = self._desk.gateway, self._log
        effects = Counter(gateway.effects.values())
        kinds = Counter(event.kind for event in self._events)
        self._judgement.figures = {
            "requests accepted": len(self._crowd.forms),
            "clicks and forms acknowledged": len(self._crowd.acts),
            "clicks of another company refused": self._crowd.foreign.total(),
            "requests kept": len(self._requests),
            "orders for each": _spread(len(request.order_ids) for request in self._requests.values()),
            "ways to the form": _counted(self._crowd.ways),
            "asked from a message": sum(bool(request.source) for request in self._requests.values()),
            "pressed on Home tabs": _counted(self._crowd.on_home),
            "digests": kinds[Digest.kind],
            "announcements of freezes": _counted(Counter(status for _, _, status in self._announcements)),
            "cards in Slack for each": _spread(cards),
            "receipts for each": _spread(receipts),
            "gateway calls": len(gateway.calls),
            "effects for each order cancelled": _spread(effects.elements()),
            "endings told in thread or channel": _spread(thread for thread, _ in results),
            "endings told to the requester": _spread(direct for _, direct in results if direct is not None),
            "states": _counted(Counter(str(each.state) for c in self._requests.values() for each in c.cancellations)),
            "settled by hand": kinds[SettledCancelled.kind] + kinds[SettledNotCancelled.kind],
            "outcomes unknown at first": kinds[Unknown.kind],
            "retries": kinds[Retried.kind],
            "tried at once, and stopped": f"{kinds[Hurried.kind]}, {kinds[StoppedTrying.kind]}",
            "acts refused": kinds[ClickRefused.kind] + kinds[RequestRefused.kind],
            "plots": _counted(self._crowd.plots),
            "faults": _counted(log.done),
            "messages of people": log.written,
            "messages owed over each weekend": ", ".join(map(str, log.owed)),
            "lasting refusals told": len(self._told),
            "requesters told of a blocked card": kinds[CardBlocked.kind],
            "cards put right by one click": len(self._stale.messages),
            "cards whose last update Slack lost": self._never_updated,
            "second copies": _counted(self._excused),
            **self._judgement.figures,
        }
        return self._judgement

    # --- the record and the messages ----------------------------------------------------------

    def _judge_record(self) -> None:
        """Check that the chain holds, and that every head in Slack is one of the record's."""
        for _, text in self._shown:
            for word in text.split():
                if word.startswith("#") and "·" in word and word not in self._reports:
                    self._wrong(f"Slack shows the head {word}, which is none of the record's")
        heads = [parse_head(head) for _, text in self._shown for head in text.split() if head in self._reports]
        latest = max(heads, key=lambda head: head.seq, default=None)
        found = walk(self._events, latest)
        if found.damage is not None:
            self._wrong(f"the record is damaged: {found}")
        last = f"#{latest.seq}·{latest.digits}" if latest else "none"
        self._judgement.figures["record"] = f"{found.events} events verified; last head in Slack {last}"

    def _judge_sequence(self) -> None:
        """Check what came before what: freezes, notices, calls and posts."""
        sequence = Sequence(self._events, self._wrong, reminders=len(REMINDERS))
        began = sequence.judge_starts(self._log.starts + self._log.uncertain, self._log.called_back)
        sequence.judge_freezes(self._crowd.approvers)
        sequence.judge_notices()
        sequence.judge_arrivals(self._log.arrivals)
        if not self._several:
            # Of several bots nobody knows which one posted, and one that started before may stand still meanwhile.
            sequence.judge_posts(self._log.arrivals, self._calls, self._reported)
        kinds = Counter(event.kind for event in self._events)
        told = Counter(self._events[self._reported[d] - 1].kind for d in self._calls.posts if d in self._reported)
        by_terminal = sum(isinstance(e.content, Frozen) and e.actor.startswith("terminal:") for e in self._events)
        frozen = (ClickRefused, RequestRefused)
        refused = sum(isinstance(e.content, frozen) and e.content.why is Verdict.FROZEN for e in self._events)
        escalated = sum(
            (ground := getattr(event.content, "ground", None)) is not None and ground.escalated
            for event in self._events
        )
        on_receipts = sum(
            isinstance(event.content, Withdrawn) and event.content.surface is Surface.RECEIPT for event in self._events
        )
        self._judgement.figures |= {
            "starts": self._log.starts,
            "second bots": f"{self._log.refused} refused, {self._log.called_back} called back, {began} of them begun",
            "reminders": f"{kinds[Reminded.kind]}, {told[Reminded.kind]} posted",
            "escalations": f"{kinds[Escalated.kind]}, {told[Escalated.kind]} posted; {escalated} decisions by them",
            "trouble told": f"{kinds[GatewayTrouble.kind]}, {told[GatewayTrouble.kind]} messages posted",
            "messages called off": len(self._called_off),
            "withdrawn on the receipt": f"{on_receipts} of {kinds[Withdrawn.kind]}",
            "freezes": f"{kinds[Frozen.kind]}, {by_terminal} of them at the terminal; {refused} acts refused for it",
            "while frozen": _counted(sequence.while_frozen),
            "freezing tried": _counted(self._brake.done),
        }

    def _judge_copies(self) -> None:
        """Check that each delivery was posted once, unless the search before it could not find the first message."""
        deliveries: defaultdict[str, list[tuple[Posted, str]]] = defaultdict(list)
        for message, text in self._shown:
            deliveries[delivery_of(message.metadata) or message.ts].append((message, text))
        for same in deliveries.values():
            same.sort(key=lambda found: found[0].ts)
            message, text = next((found for found in same if found[0].ts not in self._deleted), same[0])
            for head in self._reports.keys() & set(text.split()):
                self._reports[head].append((message, text))
        for delivery, reason in self._calls.excuses():
            self._excused[reason] += 1
            if not reason:
                lines = "\n  ".join([repr(deliveries[delivery][0][1]), *self._calls.between_posts(delivery)])
                self._wrong(f"posted again, though the first one could be found: {lines}")

    def _judge_deliveries(self) -> None:
        """Check that nothing was abandoned for time, and that people heard of every lasting refusal."""
        for event in self._events:
            match event.content:
                case DeliveryAbandoned(delivery=kind, problem=problem) if problem not in _MAY_BE_ABANDONED[kind]:
                    self._wrong(f"{event.order_id}: {kind} abandoned because of {problem!r}")
        told = {delivery for delivery, _, _ in self._told}
        for delivery, refusals in self._calls.refusals.items():
            # The bot drops it for these, once it is certain that an earlier try has not posted it.
            final = _MAY_BE_ABANDONED.get(self._kinds.get(delivery, ""), set())
            lasting = [refused for refused in refusals if refused[0] not in final]
            if len(lasting) >= _REFUSED_FOR_LONG and delivery not in told:
                self._wrong(f"delivery {delivery} was refused, and nobody heard of it: {lasting}")
        for about_id, contents in self._contents.items():
            self._judge_places(self._requests.get(about_id), contents)
        by_number = {found.number: found for found in self._requests.values()}
        for _, number, kind in self._told:
            if kind != "card":
                continue
            about = by_number[number]
            if not any(isinstance(content, CardBlocked) for content in self._contents[about.id]):
                self._wrong(f"{about.order_ids}: the requester did not hear that the card was blocked")

    def _judge_places(self, about: Request | None, contents: list[Content]) -> None:
        """Check that a card's place is kept once, and another one only after the card was gone."""
        known = gone = False
        for content in contents:
            match content:
                case CardPosted():
                    if about is None or (known and not gone):
                        self._wrong(
                            f"{about and about.order_ids}: its card has a place, and got another one: {content}"
                        )
                    known, gone = True, False
                case DeliveryAbandoned(delivery=DeliveryKind.CARD_UPDATE):
                    gone = True

    # --- people -------------------------------------------------------------------------------

    def _judge_people(self) -> None:
        """Check that every acknowledged act is kept, and that nobody did what they may not."""
        for form, reason in self._crowd.forms.items():
            if (form, reason) not in self._forms:
                self._wrong(f"accepted and lost: the form {form}, {reason!r}")
        for error in self._crowd.errors:
            if "asked to cancel this order" not in error:
                self._wrong(f"a form was answered: {error}")
        chosen = {*REASONS, *([] if self._crowd.must_choose else [""])}
        for event in self._events:
            if isinstance(event.content, Requested) and event.content.category not in chosen:
                self._wrong(f"{event.content.orders}: asked for the reason {event.content.category!r}")
        acted = {(event.actor, event.request) for event in self._events}
        for person, about in set(self._crowd.acts) - acted:
            self._wrong(f"acknowledged and lost: an act of {person} on {about}")
        refused = Counter(
            (event.content.command, event.request)
            for event in self._events
            if event.actor == FRANK and isinstance(event.content, RequestRefused)
        )
        for (what, about), times in (self._crowd.foreign - refused).items():
            self._wrong(f"{times} refused {what} on {about} by another company are not on record")
        FourEyes(self._crowd, self._log.removed_at, self._wrong, clock_is_right=self._clock_is_right).judge(
            self._events
        )

    # --- the gateway --------------------------------------------------------------------------

    def _judge_gateway(self) -> None:
        """Check that only approved requests reached the gateway, as approved, and that each state is true there."""
        each = [one for request in self._requests.values() for one in request.each()]
        allowed = {(one.cancellation.order_id, one.reason): one for one in each if self._approved(one)}
        for (order, reason), calls in self._truth.calls.items():
            about = allowed.get((order, reason))
            if about is None:
                self._wrong(f"the gateway was called without an approval: {order}, {reason!r}")
            elif calls > sum(times for (no, _), times in self._attempts.items() if no == about.cancellation.number):
                self._wrong(f"{order}: more calls than attempts on record")
        outcomes = Outcomes(self._wrong)
        outcomes.judge(self._events)
        for about in each:
            order = about.cancellation.order_id
            found = {outcome for number, outcome in self._attempts if number == about.cancellation.number}
            if self._truth.ours(about, self._now) and found.isdisjoint({Outcome.UNKNOWN, Outcome.CANCELLED}):
                self._wrong(f"{order}: the gateway cancelled it, but the attempts count as {found}")
            if wrong := self._truth.wrong_state(about, self._now, by_repeat=(about.id, order) in outcomes.by_repeat):
                self._wrong(f"{order}: {wrong}")
            if self._desk.gateway.effects[order] > 1:
                self._wrong(f"{order}: cancelled more than once")

    def _approved(self, request: Request) -> bool:
        return any(isinstance(content, Approved) for content in self._contents[request.id])

    # --- digests ------------------------------------------------------------------------------

    def _judge_digests(self) -> None:
        """Check that there is one digest a period, and that each was posted once, in the channel of the cards."""
        posted = Counter(delivery_of(message.metadata) for message, _ in self._shown)
        digests = [event for event in self._events if isinstance(event.content, Digest)]
        of_event = {self._reported[delivery]: delivery for delivery in self._digests}
        until = ""
        for event in digests:
            content = event.content
            assert isinstance(content, Digest)
            wrong = content.again or content.since < until
            if content.since >= content.until or (self._clock_is_right and wrong):
                self._wrong(f"#{event.seq}: a digest of {content.since} to {content.until}, after one until {until}")
            until = content.until
            if not posted[of_event.get(event.seq, "")]:
                self._wrong(f"#{event.seq}: the digest was not posted")
        if self._crowd.channel_of_cards and not digests:
            self._wrong("there was no digest")

    def _judge_announcements(self) -> None:
        """Check that people read of each freeze and its end, unless that was over before Slack took it."""
        posted = {delivery_of(message.metadata) for message, _ in self._shown}
        last = max((seq for _, seq, _ in self._announcements), default=0)
        for delivery, seq, status in self._announcements:
            if status == "delivered" and delivery not in posted:
                self._wrong(f"#{seq}: {delivery} was announced, and is not in Slack")
            if status == "queued" or (status == "called_off" and seq == last):
                self._wrong(f"#{seq}: the announcement {delivery} is {status}")

    # --- cards and results --------------------------------------------------------------------

    def _judge_stale(self) -> None:
        """Check that only copies, and cards whose update Slack lost, needed a click, and that one click was enough."""
        for message in self._stale.messages:
            about = self._requests[self._about[delivery_of(message.metadata)]]
            place = message.channel, message.ts
            if place in self._stale.known:
                excused = self._calls.last_lost(place, before=self._stale.calls) is not None
            elif delivery_of(message.metadata) in self._given_up:
                # A card that came too late was given up after a search that could not see it.
                excused = self._calls.was_hidden(place)
            else:
                excused = place in self._calls.copied
            if not excused:
                self._wrong(f"{about.order_ids}: {about.state}, but nobody took the buttons off {place}")
        for message in useless(self._desk, self._now):
            self._wrong(f"useless buttons after a click: {self._desk.ann.reads(message)!r}")

    def _judge_card(self, request: Request) -> int:
        """Check that a request has one card, and that it shows the state. Return the number of cards not deleted."""
        order, waits = request.order_ids, not request.over
        # Not by their words: somebody who hears that nobody knows whether a form counted may send another one.
        of_this = {delivery for delivery in self._cards if self._about[delivery] == request.id}
        about_it = ((message, text) for message, text in self._shown if delivery_of(message.metadata) in of_this)
        cards = [(message, text) for message, text in about_it if "Requested by" in text]  # the others are copies
        left = [(message, text) for message, text in cards if message.ts not in self._deleted]
        if len(left) > 1:
            self._wrong(f"{order}: {len(left)} cards")
        if not left and waits and any(each.state.open for each in request.cancellations):
            self._wrong(f"{order}: {request.state}, and no card to press a button on")
        abandoned = {self._events[seq - 1].request for seq, kind in self._abandoned if kind == "card"}
        if not cards and request.id not in abandoned:
            self._wrong(f"{order}: never a card, nor a reason why")
        for message, text in left:
            self._judge_look(request, message, text, BUTTONS)
        return len(left)

    def _judge_receipt(self, request: Request) -> int:
        """Check that a request has one receipt, unless somebody deleted it, and that it shows the state at the end.

        A copy that nobody could avoid (see ``_judge_copies``) shows what was true once; its buttons are gone.
        """
        of_this = {delivery for delivery in self._receipts if self._about[delivery] == request.id}
        all_of_it = [(m, text) for m, text in self._shown if delivery_of(m.metadata) in of_this]
        left = [(message, text) for message, text in all_of_it if message.ts not in self._deleted]
        known = _receipts(self._desk).get(request.id)
        copies = [message for message, _ in left if (message.channel, message.ts) != known]
        if not all_of_it or any((message.channel, message.ts) not in self._calls.copied for message in copies):
            self._wrong(f"{request.order_ids}: {len(left)} receipts")
        home = self._desk.slack.space.direct_channel(request.requester).id
        for message, text in left:
            if message.channel != home:
                self._wrong(f"{request.order_ids}: the receipt is in {message.channel}")
            if message not in copies:
                self._judge_look(request, message, text, _ON_A_RECEIPT)
        return len(left)

    def _judge_look(self, about: Request, message: Posted, text: str, right: dict[State, set[str]]) -> None:
        """Check that a card or receipt shows the state, and the buttons that are right for it."""
        place = message.channel, message.ts
        lost = self._calls.last_lost(place)
        if lost is not None and not buttons(message):
            # There is nothing to click. What the bot wrote must be right, and what people read was true once.
            self._never_updated += 1
            self._judge_title(about, text, self._calls.last_made(place).at)
            message, text = self._written(message, lost)
        shown = set(buttons(message))
        what = named(about)
        pending = _WAITING if right is _ON_A_RECEIPT else f"asks to cancel {what}"
        expected = pending if about.state is State.PENDING else heading(about)
        title = _title(text)
        if not about.could_be_retried(self._now):
            # Nobody draws it anew for another request then.
            title, expected = (_BESIDE.sub("", each) for each in (title, expected))
        if expected not in title or shown not in right_buttons(about, right, self._over, self._now):
            self._wrong(f"{about.order_ids}: {about.state}, but {place} says {text!r}")
        if "Everything is frozen" in text:
            self._wrong(f"{about.order_ids}: the freeze is over, but {place} says {text!r}")
        if bool(about.source) != ("Asked from a message" in text):
            self._wrong(f"{about.order_ids}: asked from {about.source!r}, but {place} says {text!r}")
        if missing := [order for order in about.order_ids if order not in text]:
            self._wrong(f"{missing} are not on {place}: {text!r}")
        self._judge_title(about, text, self._now)

    def _time_of(self, event: Event) -> datetime:
        """Return when this happened; where the bot's clock was wrong, before everything."""
        return datetime.fromisoformat(event.at) if self._clock_is_right else datetime.min.replace(tzinfo=UTC)

    def _judge_title(self, about: Request, text: str, at: datetime) -> None:
        title = _title(text)
        for wrong in self._truth.contradictions(title, text, about, at):
            self._wrong(f"{about.order_ids}: the card says {title!r}, but {wrong}")

    def _written(self, card: Posted, update: Call) -> tuple[Posted, str]:
        """Return the card as this update would have left it, and its text."""
        content = decoded(update.arguments)
        written = replace(card, text=content["text"], blocks=content["blocks"])
        return written, self._desk.ann.reads(written)

    def _judge_ending(self, event: Event) -> tuple[int, int | None]:
        """Check that an ending was told once in each place, in the right words, and that they were true.

        With several orders, one message tells of all.

        Return the number of messages in the thread or channel, and in the requester's direct messages: None for the
        latter if the requester caused the ending.
        """
        told = self._reports[event.head]
        about = self._requests[event.request]
        several = len(about.order_ids) > 1
        for _, text in told:
            title, _, what = text.split("\n")[0].partition(" · ")
            of_all = several and not is_about_one(event.content)
            if of_all and event.order_id:
                right = re.match(rf"\S+ {len(about.order_ids)} orders: ", title) is not None
            else:
                is_about = named(about) if of_all else f"order {event.order_id}"
                right = title.startswith(TITLES[event.kind]) and what == is_about
            if not right:
                self._wrong(f"{event.order_id}: {event.kind}, but Slack says {text!r}")
            told_of = about if of_all else about.about(event.order_id)
            assert told_of is not None
            for wrong in self._truth.contradictions(title, text, told_of, self._time_of(event)):
                self._wrong(f"{about.order_ids}: told {title!r}, but {wrong}")
        match event.content:
            case Unknown(attempt=attempt, answer=Answer(outcome=Outcome.UNKNOWN, repeat=True)) if (
                attempt < QUICK.max_attempts
            ):
                # An answer after which asking again may lead further.
                self._wrong(f"{event.order_id}: called unknown after {attempt} attempts")
        thread = [message for message, _ in told if message.channel in CHANNELS]
        direct = [
            message
            for message, _ in told
            if message.channel == self._desk.slack.space.direct_channel(about.requester).id
        ]
        if len(thread) + len(direct) != len(told):
            self._wrong(f"{event.order_id}: {event.kind} told elsewhere")
        left = [message for message in thread if message.ts not in self._deleted]
        if len(left) > 1 or (not thread and not self._was_dropped(event, "reply")):
            self._wrong(f"{event.order_id}: {event.kind} is {len(left)} times in the thread or channel")
        # Who stops some orders hears how the others ended.
        if event.actor == about.requester and not (several and isinstance(event.content, StoppedTrying)):
            return len(left), None
        if len(direct) != 1 and not (not direct and self._was_called_off(event, "direct_message")):
            self._wrong(f"{event.order_id}: {event.kind} was told to the requester {len(direct)} times")
        return len(left), len(direct)

    def _was_dropped(self, event: Event, kind: str) -> bool:
        return (event.seq, kind) in self._abandoned or self._was_called_off(event, kind)

    def _was_called_off(self, event: Event, kind: str) -> bool:
        """Return True for news that was no longer so, because the order was sent again, settled or confirmed."""
        went_on = any(
            later.seq > event.seq
            and later.request == event.request
            and isinstance(later.content, Retried | SettledCancelled | SettledNotCancelled | Cancelled)
            for later in self._events
        )
        return (event.seq, kind) in self._called_off and went_on


def named(about: Request) -> str:
    """Return what a request is about, as people read it."""
    first, *others = about.order_ids
    return f"{len(others) + 1} orders" if others else f"order {first}"


def _title(text: str) -> str:
    """Return the line that says how its request stands: on a card that is decided, the one below who asked for it."""
    first, second, *_ = [*text.split("\n"), ""]
    return second if "asked to cancel" in first else first


def _spread(counts: Iterable[int]) -> str:
    """Return the frequency of each count, such as ``1: 296 x, 0: 4 x``."""
    return ", ".join(f"{count}: {times} x" for count, times in Counter(counts).most_common()) or "none"


def _counted(what: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(what.items()))
