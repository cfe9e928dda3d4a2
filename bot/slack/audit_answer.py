"""What ``/cancel-audit`` answers: a page of cancellations, or one order's story."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.audit import BOT, Event, Kind
from bot.domain.cancellation import Cancellation
from bot.domain.policy import Scope
from bot.slack.text import Block, Element, Message, cut, lines, link, listed, moment, person, plain, words
from bot.store import Page

PAGE = "audit_page"
"""The action id of the paging buttons."""

PER_PAGE = 10
_SHOWN = 140


@dataclass(frozen=True, slots=True)
class PageButton:
    """What a paging button remembers: the filters as typed, and where its page begins."""

    query: str
    older_than: str | None

    def encode(self) -> str:
        """The button's value."""
        return json.dumps({"q": self.query, "o": self.older_than}, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def decode(cls, value: str) -> "PageButton | None":
        """What a button's value says; None if no button of ours has such a value."""
        try:
            match json.loads(value):
                case {"q": str(query), "o": None}:
                    return cls(query, None)
                case {"q": str(query), "o": str(older)} if _is_cursor(older):
                    return cls(query, older)
        except ValueError:
            pass
        return None


def _is_cursor(text: str) -> bool:
    number = text.rpartition("|")[2]
    return number.isascii() and number.isdigit() and len(number) < 19  # noqa: PLR2004 -- fits SQLite's integers


def cancellations(page: Page[Cancellation], query: str, scope: Scope, *, first: bool) -> Message:
    """One line for each cancellation, newest first."""
    rows = [_cancellation_row(found) for found in page.items]
    return _answer(rows, "No cancellations match.", query, page.older, scope, first=first)


def story(page: Page[Event], query: str, scope: Scope, *, first: bool) -> Message:
    """One line for each event of an order, newest first."""
    rows = [_event_row(event) for event in page.items]
    return _answer(rows, "Nothing is on record for this order.", query, page.older, scope, first=first)


def _cancellation_row(found: Cancellation) -> list[Element]:
    decided = [[person(decision.approver)] for decision in found.decisions]
    parts: list[list[Element]] = [
        [moment(found.requested_at)],
        [words(cut(found.order_id, _SHOWN), code=True)],
        [words(str(found.state), bold=True)],
        [words("asked by "), person(found.requester)],
        [words("decided by "), *listed(decided)] if decided else [words("nobody decided")],
        [words(f"“{cut(_flat(found.reason), _SHOWN)}”")] if found.reason else [words("no reason given")],
    ]
    if found.card_link:
        parts.append(link(found.card_link, "card"))
    return listed(parts, " · ")


def _event_row(event: Event) -> list[Element]:
    told = _told(Kind(event.kind), json.loads(event.data))
    who = [words("the bot")] if event.actor == BOT else [person(event.actor)]
    parts: list[list[Element]] = [
        [moment(datetime.fromisoformat(event.at), "{date_short_pretty} {time_secs}")],
        [words(event.kind.replace("_", " "), bold=True)],
        who,
        [words(cut(told, 2 * _SHOWN))] if told else [],
        [words(f"#{event.seq}")],
    ]
    return listed([part for part in parts if part], " · ")


def _told(kind: Kind, data: dict[str, Any]) -> str:
    """What an event's data mean to people; ``audit find`` has every detail."""
    reason, why = _quoted(data.get("reason")), str(data.get("why", "")).replace("_", " ")
    match kind:
        case Kind.REQUESTED:
            return reason or "no reason given"
        case Kind.REQUEST_REFUSED:
            return "; ".join(filter(None, [why, reason]))
        case Kind.VOTE | Kind.APPROVED:
            return f"{data['approvals']} of {data['of']} approvals"
        case Kind.CLICK_REFUSED:
            return f"wanted to {str(data['act']).removeprefix('may_')}: {why}"
        case Kind.SENDING:
            return f"call {data['attempt']} to the gateway"
        case Kind.CARD_BLOCKED:
            return f"Slack says {data['problem']}"
        case Kind.DELIVERY_ABANDONED:
            return f"{str(data['delivery']).replace('_', ' ')}: Slack says {data['problem']}"
        case _:
            status, request = data.get("http_status"), data.get("request_id")
            said = [_flat(data.get("message", "")), reason]
            said += [f"HTTP {status}"] * bool(status) + [f"gateway request {request}"] * bool(request)
            return "; ".join(filter(None, said))


def _quoted(reason: object) -> str:
    return f"“{_flat(reason)}”" if reason else ""


def _flat(value: object) -> str:
    return " ".join(str(value).split())


def _answer(
    rows: Sequence[list[Element]],
    nothing: str,
    query: str,
    older: str | None,
    scope: Scope,
    *,
    first: bool,
) -> Message:
    blocks: list[Block] = [
        lines(
            [words("Cancellations on record", bold=True), *(_asked_for(query) or [words(", the latest")])],
            [words("You see your own requests only.")] if scope is Scope.OWN else [],
        ),
    ]
    blocks += [lines(row) for row in rows] or [lines([words(nothing)])]
    buttons = []
    if not first:
        buttons.append(_button("newest", "Back to the newest", PageButton(query, None)))
    if older is not None:
        buttons.append(_button("older", "Older", PageButton(query, older)))
    if buttons:
        blocks.append({"type": "actions", "elements": buttons})
    return Message("Cancellations on record", blocks)


def _asked_for(query: str) -> list[Element]:
    """The filters as they were typed, with people under their names."""
    parts: list[list[Element]] = []
    for word in query.split()[:8]:
        mention = re.fullmatch(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>", word)
        parts.append([person(mention[1])] if mention else [words(cut(word, _SHOWN))])
    return [words(" for "), *listed(parts, " ")] if parts else []


def _button(which: str, label: str, page: PageButton) -> Element:
    return {"type": "button", "action_id": f"{PAGE}:{which}", "text": plain(label), "value": page.encode()}
