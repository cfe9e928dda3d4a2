"""What a chaos run is judged by: the database, what stands in Slack, and the gateway's truth."""

import json
from collections import Counter
from dataclasses import dataclass, field

from bot.domain.audit import Event, Kind, parse_head, verify
from bot.domain.cancellation import Cancellation, State
from bot.domain.lookup import Lookup
from bot.sandbox.workspace import Message
from bot.slack.card import APPROVE, REJECT, RETRY, WITHDRAW, heading
from bot.store import open_reader
from tests.chaos.people import APPROVERS, CHANNELS, Crowd
from tests.chaos.trouble import Trouble
from tests.flows.desk import QUICK, Desk

TITLES = {
    Kind.CANCELLED: ("✅ Cancelled",),
    Kind.REFUSED: ("⛔ Not cancelled", "⛔ Nothing to do"),
    Kind.FAILED: ("⚠️ Not cancelled",),
    Kind.UNKNOWN: ("⚠️ Not known whether it is cancelled",),
    Kind.REJECTED: ("⛔ Rejected",),
    Kind.WITHDRAWN: ("↩️ Withdrawn",),
    Kind.EXPIRED: ("⌛ Expired",),
}
"""Every ending, and how the messages that tell of it may begin."""

_BUTTONS = {State.PENDING: {APPROVE, REJECT, WITHDRAW}, State.FAILED: {RETRY}, State.UNKNOWN: {RETRY}}


@dataclass
class Verdict:
    """The figures, and everything that was lost, doubled or told wrongly."""

    figures: dict[str, object] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)


def owed(desk: Desk) -> int:
    """How much the bot still has to do by itself."""
    with open_reader(desk.database) as (_, db):
        deliveries = db.execute("SELECT count(*) FROM deliveries WHERE status = 'owed'").fetchone()[0]
        due = "state IN ('pending', 'approved', 'sending')"
        return int(deliveries + db.execute(f"SELECT count(*) FROM cancellations WHERE {due}").fetchone()[0])


def kept(desk: Desk) -> list[Cancellation]:
    """Every cancellation."""
    with open_reader(desk.database) as (reader, _):
        return list(reader.find(Lookup(), limit=100_000).items)


class Court:
    """Holds everything against everything."""

    def __init__(self, desk: Desk, crowd: Crowd, trouble: Trouble) -> None:
        self._desk, self._crowd, self._trouble = desk, crowd, trouble
        self._verdict = Verdict()
        self._wrong = self._verdict.wrongs.append
        self._cancellations = kept(desk)
        with open_reader(desk.database) as (reader, db):
            self._events = list(reader.events())
            forms = db.execute("SELECT form_id, reason FROM cancellations").fetchall()
            self._forms = {(form.partition(":")[0], reason) for form, reason in forms}
            self._attempts = Counter(n for (n,) in db.execute("SELECT number FROM attempts"))
            self._given_up = {tuple(row) for row in db.execute(
                "SELECT event_seq, kind FROM deliveries WHERE status = 'abandoned'",
            )}  # fmt: skip
        space = desk.slack.space
        self._deleted = {message.ts for message in trouble.deleted}
        self._shown = [
            (message, desk.ann.reads(message))
            for message in [*space.posted, *trouble.deleted]
            if message.user == space.bot_user_id and message.only_for is None
        ]
        self._reports: dict[str, list[tuple[Message, str]]] = {
            head: [] for head in (event.head for event in self._events)
        }

    def verdict(self) -> Verdict:
        """The figures of the run, and what is wrong."""
        self._judge_record()
        self._judge_messages()
        self._judge_people()
        self._judge_gateway()
        cards = [self._judge_card(cancellation) for cancellation in self._cancellations]
        results = [self._judge_ending(event) for event in self._events if event.kind in TITLES]
        gateway = self._desk.gateway
        effects = Counter(gateway.effects.values())
        self._verdict.figures = {
            "requests accepted": len(self._crowd.forms),
            "clicks and rejections acknowledged": len(self._crowd.acts),
            "cancellations kept": len(self._cancellations),
            "cards standing for each": _spread(cards),
            "gateway calls": len(gateway.calls),
            "effects for each order cancelled": _spread(effects.elements()),
            "endings told in thread or channel": _spread(thread for thread, _ in results),
            "endings told to the requester": _spread(direct for _, direct in results if direct is not None),
            "states": _counted(Counter(str(c.state) for c in self._cancellations)),
            "plots": _counted(self._crowd.plots),
            "faults": _counted(self._trouble.done),
            **self._verdict.figures,
        }
        return self._verdict

    def _judge_record(self) -> None:
        """The chain holds, and every head that people see is one of its own."""
        for _, text in self._shown:
            for word in text.split():
                if word.startswith("#") and "·" in word and word not in self._reports:
                    self._wrong(f"Slack shows the head {word}, which is none of the record's")
        heads = [parse_head(head) for _, text in self._shown for head in text.split() if head in self._reports]
        found = verify(self._events, max(heads, default=None))
        if found.damage is not None:
            self._wrong(f"the record is broken: {found.explanation}")
        last = "#{}·{}".format(*max(heads)) if heads else "none"
        self._verdict.figures["record"] = f"{found.events} events verified; last head in Slack {last}"

    def _judge_messages(self) -> None:
        """Each delivery stands in Slack once, unless somebody deleted it in between."""
        standing = Counter(
            message.metadata["event_payload"]["delivery_id"]
            for message, _ in self._shown
            if message.metadata and message.ts not in self._deleted
        )
        for delivery, times in standing.items():
            if times > 1:
                text = next(t for m, t in self._shown if m.metadata and delivery in str(m.metadata))
                self._wrong(f"the same message stands {times} times in Slack: {text!r}")
        for message, text in self._shown:
            for head in self._reports.keys() & set(text.split()):
                self._reports[head].append((message, text))

    def _judge_people(self) -> None:
        """What was acknowledged is kept, and what approved counts."""
        for form, reason in self._crowd.forms.items():
            if (form, reason) not in self._forms:
                self._wrong(f"accepted and lost: the form {form}, {reason!r}")
        for error in self._crowd.errors:
            if "asked for this order's cancellation" not in error:
                self._wrong(f"a form was answered: {error}")
        acted = {(event.actor, event.cancellation) for event in self._events}
        for person, about in set(self._crowd.acts) - acted:
            self._wrong(f"acknowledged and lost: an act of {person} on {about}")
        for cancellation in self._cancellations:
            approvers = cancellation.approvers
            if len(set(approvers)) != len(approvers) or not set(approvers) <= {*APPROVERS} - {cancellation.requester}:
                self._wrong(f"{cancellation.order_id}: approved by {approvers}")

    def _judge_gateway(self) -> None:
        """Only what was approved reached the gateway, once, as approved; and the states say what is true there."""
        allowed = {(c.order_id, c.reason): c for c in self._cancellations if self._approved(c)}
        calls: Counter[int] = Counter()
        for call in self._desk.gateway.calls:
            body = json.loads(call.body)
            cancellation = allowed.get((body["order_id"], body["reason"]))
            if cancellation is None:
                self._wrong(f"the gateway was called for what nobody approved: {call.body}")
            else:
                calls[cancellation.number] += 1
        for cancellation in self._cancellations:
            if calls[cancellation.number] > self._attempts[cancellation.number]:
                self._wrong(f"{cancellation.order_id}: more calls than attempts on record")
            order = self._desk.gateway.orders[cancellation.order_id]
            effects = self._desk.gateway.effects[cancellation.order_id]
            ours = effects > 0 and order.reason == cancellation.reason
            if effects > 1:
                self._wrong(f"{cancellation.order_id}: cancelled {effects} times")
            match cancellation.state:
                case State.CANCELLED:
                    if order.status != "cancelled":
                        self._wrong(
                            f"{cancellation.order_id}: called cancelled, but at the gateway it is {order.status}"
                        )
                    if not ours and not self._happened(cancellation, Kind.REPEATING, "unknown"):
                        self._wrong(f"{cancellation.order_id}: called cancelled, but it was cancelled before")
                case State.UNKNOWN:
                    pass
                case state if ours:
                    self._wrong(f"{cancellation.order_id}: called {state}, but the gateway cancelled it")

    def _approved(self, cancellation: Cancellation) -> bool:
        return len(cancellation.approvers) >= cancellation.approvals_required and self._happened(
            cancellation, Kind.APPROVED,
        )  # fmt: skip

    def _happened(self, cancellation: Cancellation, kind: Kind, outcome: str | None = None) -> bool:
        return any(
            event.kind == kind and event.cancellation == cancellation.id
            and (outcome is None or json.loads(event.data)["outcome"] == outcome)
            for event in self._events
        )  # fmt: skip

    def _judge_card(self, cancellation: Cancellation) -> int:
        """How many cards of this request stand in the channel: one, which shows how it stands, unless deleted."""
        order, state = cancellation.order_id, cancellation.state
        cards = [
            (m, text)
            for m, text in self._shown
            if "Asked by" in text and f"> {cancellation.reason}" in text.split("\n")
        ]
        standing = [(message, text) for message, text in cards if message.ts not in self._deleted]
        if len(standing) > 1:
            self._wrong(f"{order}: {len(standing)} cards")
        if not standing and state.open:
            self._wrong(f"{order}: {state}, and no card to press a button on")
        if not cards and not any(kind == "card" for seq, kind in self._given_up if self._about(seq) == cancellation.id):
            self._wrong(f"{order}: never a card, nor a word why")
        for message, text in standing:
            buttons = {
                element["action_id"] for b in message.blocks if b["type"] == "actions" for element in b["elements"]
            }
            if heading(state) not in text.split("\n")[0] or buttons != _BUTTONS.get(state, set()):
                self._wrong(f"{order}: {state}, but the card says {text!r}")
        return len(standing)

    def _about(self, seq: int) -> str:
        return self._events[seq - 1].cancellation

    def _judge_ending(self, event: Event) -> tuple[int, int | None]:
        """How often an ending stands in the thread (or channel), and with the requester, who need not be told
        of their own act.
        """
        told = self._reports[event.head]
        for _, text in told:
            title = text.split("\n")[0]
            if not title.startswith(TITLES[Kind(event.kind)]) or not title.endswith(f"order {event.order_id}"):
                self._wrong(f"{event.order_id}: {event.kind}, but Slack says {text!r}")
        data = json.loads(event.data)
        if (
            event.kind == Kind.UNKNOWN
            and data["attempt"] < int(str(QUICK["max_attempts"]))
            and data["outcome"] == "unknown"
        ):
            self._wrong(f"{event.order_id}: called unknown after {data['attempt']} attempts")
        requester = next(c.requester for c in self._cancellations if c.id == event.cancellation)
        thread = [message for message, _ in told if message.channel in CHANNELS]
        direct = [
            message for message, _ in told if message.channel == self._desk.slack.space.direct_channel(requester).id
        ]
        if len(thread) + len(direct) != len(told):
            self._wrong(f"{event.order_id}: {event.kind} told elsewhere")
        standing = [message for message in thread if message.ts not in self._deleted]
        if len(standing) > 1 or (not thread and (event.seq, "reply") not in self._given_up):
            self._wrong(f"{event.order_id}: {event.kind} stands {len(standing)} times in the thread or channel")
        if event.actor == requester:
            return len(standing), None
        if len(direct) != 1:
            self._wrong(f"{event.order_id}: {event.kind} was told to the requester {len(direct)} times")
        return len(standing), len(direct)


def _spread(counts: object) -> str:
    """How often each count occurs: ``1: 296 x, 0: 4 x``."""
    found = Counter(counts)  # type: ignore[call-overload]
    return ", ".join(f"{count}: {times} x" for count, times in found.most_common()) or "none"


def _counted(what: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(what.items()))
