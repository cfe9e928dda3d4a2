"""What a chaos run is judged by: the database, what stands in Slack, and the gateway's truth."""

from collections import Counter
from dataclasses import dataclass, field

from bot.domain.audit import parse_head, verify
from bot.domain.cancellation import Cancellation, State
from bot.domain.lookup import Lookup
from bot.slack.card import heading
from bot.store import open_reader
from tests.flows.desk import PAYMENTS, Desk

ENDS = {"cancelled", "refused", "failed", "unknown", "rejected", "withdrawn", "expired"}


@dataclass
class Verdict:
    """The figures, and everything that was lost, doubled or told wrongly."""

    figures: dict[str, object] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)


def owed(desk: Desk) -> int:
    """How much the bot still has to do by itself."""
    with open_reader(desk.database) as (_, db):
        deliveries = db.execute("SELECT count(*) FROM deliveries WHERE status = 'owed'").fetchone()[0]
        calls = db.execute("SELECT count(*) FROM cancellations WHERE state IN ('approved', 'sending')").fetchone()[0]
    return int(deliveries + calls)


def waiting_for_people(desk: Desk) -> list[Cancellation]:
    """What is pending, failed or unknown."""
    with open_reader(desk.database) as (reader, _):
        found = reader.find(Lookup(), limit=100_000).items
    return [cancellation for cancellation in found if cancellation.state.awaits_people]


def judge(desk: Desk, accepted: set[str], deleted: set[str]) -> Verdict:
    """Hold everything against everything."""
    verdict = Verdict()
    with open_reader(desk.database) as (reader, _):
        kept = list(reader.find(Lookup(), limit=100_000).items)
        events = list(reader.events())
        shown = [message for message in desk.slack.space.posted if message.user == desk.slack.space.bot_user_id]
        texts = [desk.ann.reads(message) for message in shown]
        heads = [word for text in texts for word in text.split() if word.startswith("#") and "·" in word]
        last = max((parse_head(head) for head in heads), default=None)
        found = verify(events, last)
    wrong = verdict.wrongs.append
    if found.damage is not None:
        wrong(f"the record is broken: {found.explanation}")
    for order in sorted(accepted - {cancellation.order_id for cancellation in kept}):
        wrong(f"{order}: accepted and lost")
    for order, count in desk.gateway.effects.items():
        if count > 1:
            wrong(f"{order}: cancelled {count} times")
    times_shown = Counter(heads)
    deleted_replies = 0
    for event in events:
        if event.kind not in ENDS:
            continue
        expected = 1 if event.kind == "withdrawn" else 2
        if times_shown[event.head] == expected - 1 and deleted:
            deleted_replies += 1  # its message may be among those that somebody deleted
        elif times_shown[event.head] != expected:
            wrong(f"{event.order_id}: {event.kind} told {times_shown[event.head]} times instead of {expected}")
    if deleted_replies > len(deleted):
        wrong(f"{deleted_replies} results are missing, but only {len(deleted)} messages were deleted")
    for cancellation in kept:
        _judge_one(desk, cancellation, deleted, wrong)
    verdict.figures = {
        "requests accepted": len(accepted),
        "cancellations kept": len(kept),
        "cards in the channel": len([text for text in texts if "Asked by" in text]),
        "messages deleted by people": len(deleted),
        "gateway calls": len(desk.gateway.calls),
        "orders cancelled at the gateway": len(desk.gateway.effects),
        "most effects on one order": max(desk.gateway.effects.values(), default=0),
        "results told": sum(times_shown.values()),
        "states": dict(Counter(str(cancellation.state) for cancellation in kept)),
        "record": f"{found.events} events, head {found.head}",
    }
    return verdict


def _judge_one(desk: Desk, cancellation: Cancellation, deleted: set[str], wrong: object) -> None:
    assert callable(wrong)
    order, effects = cancellation.order_id, desk.gateway.effects[cancellation.order_id]
    match cancellation.state:
        case State.CANCELLED if effects != 1:
            wrong(f"{order}: called cancelled, but the gateway did it {effects} times")
        case State.UNKNOWN | State.CANCELLED:
            pass
        case state if effects:
            wrong(f"{order}: called {state}, but the gateway cancelled it")
    cards = [
        message for message in desk.slack.space.messages(PAYMENTS)
        if f"Order {order}\n" in (text := desk.ann.reads(message)) and "Asked by" in text
    ]  # fmt: skip
    if len(cards) > 1:
        wrong(f"{order}: {len(cards)} cards")
    if not cards and not deleted:
        wrong(f"{order}: no card")
    for card in cards:
        if heading(cancellation.state) not in desk.ann.reads(card):
            wrong(f"{order}: the card does not say {cancellation.state}: {desk.ann.reads(card).splitlines()[0]}")
