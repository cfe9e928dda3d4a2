"""The judgement on a chaos run, which compares the database, the messages in Slack and the gateway's orders."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import Event, parse_head, verify
from bot.domain.cancellation import Cancellation, State
from bot.domain.events import (
    Approved,
    Cancelled,
    Content,
    Expired,
    Failed,
    Refused,
    Rejected,
    Repeating,
    Unknown,
    Withdrawn,
)
from bot.domain.lookup import Lookup
from bot.domain.policy import Act
from bot.sandbox.workspace import Posted
from bot.slack.views.card import heading
from bot.store import open_reader
from tests.chaos.havoc import Havoc
from tests.chaos.people import APPROVERS, CHANNELS, Crowd
from tests.flows.desk import QUICK, Desk

TITLES = {
    Cancelled.kind: ("✅ Cancelled",),
    Refused.kind: ("⛔ Not cancelled", "☑️ Already cancelled before this request", "☑️ Not cancelled"),
    Failed.kind: ("⚠️ Not cancelled",),
    Unknown.kind: ("⚠️ Not known whether the order is cancelled",),
    Rejected.kind: ("⛔ Rejected",),
    Withdrawn.kind: ("↩️ Withdrawn",),
    Expired.kind: ("⌛ Expired",),
}
"""Every ending, with the ways in which a message about it may begin."""

_BUTTONS: dict[State, set[str]] = {
    State.PENDING: {Act.APPROVE, Act.REJECT, Act.WITHDRAW},
    State.FAILED: {Act.RETRY},
    State.UNKNOWN: {Act.RETRY},
}


@dataclass
class Judgement:
    """The figures of a run, and everything that was lost, doubled or reported wrongly."""

    figures: dict[str, object] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)


def unfinished(desk: Desk) -> int:
    """Return the number of things that the bot still has to do by itself."""
    with open_reader(desk.database) as tables:
        ((count,),) = tables.connection.execute(
            "SELECT (SELECT count(*) FROM deliveries WHERE status = 'queued')"
            " + (SELECT count(*) FROM cancellations WHERE state IN ('pending', 'approved', 'sending'))"
        )
    return int(count)


def kept(desk: Desk) -> list[Cancellation]:
    """Return every cancellation."""
    with open_reader(desk.database) as tables:
        return list(tables.lookups.find(Lookup(), limit=100_000).items)


class Judge:
    """The comparison of everything that is known about a run."""

    def __init__(self, desk: Desk, crowd: Crowd, havoc: Havoc) -> None:
        self._desk, self._crowd, self._havoc = desk, crowd, havoc
        self._judgement = Judgement()
        self._wrong = self._judgement.wrongs.append
        self._cancellations = kept(desk)
        with open_reader(desk.database) as tables:
            self._events = list(tables.record.all())
            forms = tables.connection.execute("SELECT form_id, reason FROM cancellations")
            self._forms = {(form.partition(":")[0], reason) for form, reason in forms}
            self._attempts = Counter(number for (number,) in tables.connection.execute("SELECT number FROM attempts"))
            self._abandoned = set(
                tables.connection.execute("SELECT event_seq, kind FROM deliveries WHERE status = 'abandoned'")
            )
        self._contents: dict[str, list[Content]] = {}
        """The contents of the events about each cancellation."""
        for event in self._events:
            self._contents.setdefault(event.cancellation, []).append(event.content)
        space = desk.slack.space
        self._deleted = {message.ts for message in havoc.deleted}
        self._shown = [
            (message, desk.ann.reads(message))
            for message in [*space.posted, *havoc.deleted]
            if message.user == space.bot_user_id and message.only_for is None
        ]
        self._reports: dict[str, list[tuple[Posted, str]]] = {event.head: [] for event in self._events}
        """The messages that show each head."""

    def judgement(self) -> Judgement:
        """Return the figures of the run, and what is wrong."""
        self._judge_record()
        self._judge_messages()
        self._judge_people()
        self._judge_gateway()
        cards = [self._judge_card(cancellation) for cancellation in self._cancellations]
        results = [self._judge_ending(event) for event in self._events if event.kind in TITLES]
        gateway = self._desk.gateway
        effects = Counter(gateway.effects.values())
        self._judgement.figures = {
            "requests accepted": len(self._crowd.forms),
            "clicks and rejections acknowledged": len(self._crowd.acts),
            "cancellations kept": len(self._cancellations),
            "cards in Slack for each": _spread(cards),
            "gateway calls": len(gateway.calls),
            "effects for each order cancelled": _spread(effects.elements()),
            "endings told in thread or channel": _spread(thread for thread, _ in results),
            "endings told to the requester": _spread(direct for _, direct in results if direct is not None),
            "states": _counted(Counter(str(c.state) for c in self._cancellations)),
            "plots": _counted(self._crowd.plots),
            "faults": _counted(self._havoc.done),
            **self._judgement.figures,
        }
        return self._judgement

    def _judge_record(self) -> None:
        """Check that the chain holds, and that every head in Slack is one of the record's."""
        for _, text in self._shown:
            for word in text.split():
                if word.startswith("#") and "·" in word and word not in self._reports:
                    self._wrong(f"Slack shows the head {word}, which is none of the record's")
        heads = [parse_head(head) for _, text in self._shown for head in text.split() if head in self._reports]
        found = verify(self._events, max(heads, default=None))
        if found.damage is not None:
            self._wrong(f"the record is damaged: {found}")
        last = "#{}·{}".format(*max(heads)) if heads else "none"
        self._judgement.figures["record"] = f"{found.events} events verified; last head in Slack {last}"

    def _judge_messages(self) -> None:
        """Check that each delivery is in Slack once, unless somebody deleted it in between."""
        copies = Counter(
            message.metadata["event_payload"]["delivery_id"]
            for message, _ in self._shown
            if message.metadata and message.ts not in self._deleted
        )
        for delivery, times in copies.items():
            if times > 1:
                text = next(t for m, t in self._shown if m.metadata and delivery in str(m.metadata))
                self._wrong(f"the same message is {times} times in Slack: {text!r}")
        for message, text in self._shown:
            for head in self._reports.keys() & set(text.split()):
                self._reports[head].append((message, text))

    def _judge_people(self) -> None:
        """Check that every acknowledged act is kept, and that the approvals are those of approvers."""
        for form, reason in self._crowd.forms.items():
            if (form, reason) not in self._forms:
                self._wrong(f"accepted and lost: the form {form}, {reason!r}")
        for error in self._crowd.errors:
            if "asked to cancel this order" not in error:
                self._wrong(f"a form was answered: {error}")
        acted = {(event.actor, event.cancellation) for event in self._events}
        for person, about in set(self._crowd.acts) - acted:
            self._wrong(f"acknowledged and lost: an act of {person} on {about}")
        for cancellation in self._cancellations:
            approvers = cancellation.approvers
            if len(set(approvers)) != len(approvers) or not set(approvers) <= {*APPROVERS} - {cancellation.requester}:
                self._wrong(f"{cancellation.order_id}: approved by {approvers}")

    def _judge_gateway(self) -> None:
        """Check that only approved requests reached the gateway, as approved, and that each state is true there."""
        allowed = {(c.order_id, c.reason): c for c in self._cancellations if self._approved(c)}
        calls: Counter[int] = Counter()
        for call in self._desk.gateway.calls:
            body = json.loads(call.body)
            cancellation = allowed.get((body["order_id"], body["reason"]))
            if cancellation is None:
                self._wrong(f"the gateway was called without an approval: {call.body}")
            else:
                calls[cancellation.number] += 1
        for cancellation in self._cancellations:
            if calls[cancellation.number] > self._attempts[cancellation.number]:
                self._wrong(f"{cancellation.order_id}: more calls than attempts on record")
            self._judge_state(cancellation)

    def _judge_state(self, cancellation: Cancellation) -> None:
        """Check that a cancellation's state is true at the gateway, and that the order was cancelled at most once."""
        about = cancellation.order_id
        order = self._desk.gateway.orders[about]
        effects = self._desk.gateway.effects[about]
        ours = effects > 0 and order.reason == cancellation.reason
        if effects > 1:
            self._wrong(f"{about}: cancelled {effects} times")
        match cancellation.state:
            case State.CANCELLED:
                if order.status != "cancelled":
                    self._wrong(f"{about}: called cancelled, but at the gateway it is {order.status}")
                # After an attempt without a clear answer the bot can't tell whose cancellation it was.
                unclear = (
                    isinstance(content, Repeating) and content.answer.outcome is Outcome.UNKNOWN
                    for content in self._contents[cancellation.id]
                )
                if not ours and not any(unclear):
                    self._wrong(f"{about}: called cancelled, but it was cancelled before")
            case State.UNKNOWN:
                pass
            case state if ours:
                self._wrong(f"{about}: called {state}, but the gateway cancelled it")

    def _approved(self, cancellation: Cancellation) -> bool:
        return len(cancellation.approvers) >= cancellation.approvals_required and any(
            isinstance(content, Approved) for content in self._contents[cancellation.id]
        )

    def _judge_card(self, cancellation: Cancellation) -> int:
        """Check that a request has one card, and that it shows the state. Return the number of cards not deleted."""
        order, state = cancellation.order_id, cancellation.state
        cards = [
            (m, text)
            for m, text in self._shown
            if "Requested by" in text and f"> {cancellation.reason}" in text.split("\n")
        ]
        left = [(message, text) for message, text in cards if message.ts not in self._deleted]
        if len(left) > 1:
            self._wrong(f"{order}: {len(left)} cards")
        if not left and state.open:
            self._wrong(f"{order}: {state}, and no card to press a button on")
        if not cards and not any(
            kind == "card" for seq, kind in self._abandoned if self._about(seq) == cancellation.id
        ):
            self._wrong(f"{order}: never a card, nor a reason why")
        for message, text in left:
            buttons = {
                element["action_id"] for b in message.blocks if b["type"] == "actions" for element in b["elements"]
            }
            if heading(cancellation) not in text.split("\n")[0] or buttons != _BUTTONS.get(state, set()):
                self._wrong(f"{order}: {state}, but the card says {text!r}")
        return len(left)

    def _about(self, seq: int) -> str:
        return self._events[seq - 1].cancellation

    def _judge_ending(self, event: Event) -> tuple[int, int | None]:
        """Check that an ending was told once in each place, in the right words.

        Return the number of messages in the thread or channel, and in the requester's direct messages: None for the
        latter if the requester caused the ending.
        """
        told = self._reports[event.head]
        for _, text in told:
            title = text.split("\n")[0]
            if not title.startswith(TITLES[event.kind]) or not title.endswith(f"order {event.order_id}"):
                self._wrong(f"{event.order_id}: {event.kind}, but Slack says {text!r}")
        match event.content:
            case Unknown(attempt=attempt, answer=Answer(outcome=Outcome.UNKNOWN)) if attempt < QUICK.max_attempts:
                self._wrong(f"{event.order_id}: called unknown after {attempt} attempts")
        requester = next(c.requester for c in self._cancellations if c.id == event.cancellation)
        thread = [message for message, _ in told if message.channel in CHANNELS]
        direct = [
            message for message, _ in told if message.channel == self._desk.slack.space.direct_channel(requester).id
        ]
        if len(thread) + len(direct) != len(told):
            self._wrong(f"{event.order_id}: {event.kind} told elsewhere")
        left = [message for message in thread if message.ts not in self._deleted]
        if len(left) > 1 or (not thread and (event.seq, "reply") not in self._abandoned):
            self._wrong(f"{event.order_id}: {event.kind} is {len(left)} times in the thread or channel")
        if event.actor == requester:
            return len(left), None
        if len(direct) != 1:
            self._wrong(f"{event.order_id}: {event.kind} was told to the requester {len(direct)} times")
        return len(left), len(direct)


def _spread(counts: Iterable[int]) -> str:
    """Return the frequency of each count, such as ``1: 296 x, 0: 4 x``."""
    return ", ".join(f"{count}: {times} x" for count, times in Counter(counts).most_common()) or "none"


def _counted(what: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(what.items()))
