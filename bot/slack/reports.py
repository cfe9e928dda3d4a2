"""The results: what is said in the card's thread and to the requester when something ended."""

import json
from typing import Any

from bot.domain.audit import Event, Kind
from bot.domain.cancellation import Cancellation
from bot.slack.text import Element, Message, cut, escape, lines, link, listed, person, quote, words

_SHOWN_REASON = 1500
_SHOWN_ORDER = 150


def reply(cancellation: Cancellation, event: Event) -> Message:
    """The message in the card's thread that reports one event, with the record's head as a witness."""
    return _report(cancellation, event, [])


def direct_message(cancellation: Cancellation, event: Event) -> Message:
    """The message to the requester that reports one event, with a link to the card."""
    return _report(cancellation, event, link(cancellation.card_link, "Open the card"))


def _report(cancellation: Cancellation, event: Event, way: list[Element]) -> Message:
    data: dict[str, Any] = json.loads(event.data)
    order = cut(cancellation.order_id, _SHOWN_ORDER)
    title, explanation = _story(Kind(event.kind), data)
    said = cut(str(data.get("message", "")), 300)
    request_id = data.get("request_id")
    blocks = [
        lines(
            [words(title, bold=True), words(" · order "), words(order, code=True)],
            [words(explanation)] if explanation else [],
            [words(f"Detail: {said}")] if said else [],
            [words(f"Gateway request {request_id}")] if request_id else [],
        ),
    ]
    if Kind(event.kind) is Kind.REJECTED:
        row = [words("Rejected by "), person(event.actor), words(":" if data.get("reason") else ".")]
        blocks.append(lines(row))
        if data.get("reason"):
            blocks.append(quote(cut(str(data["reason"]), _SHOWN_REASON)))
    blocks.append(lines([*listed([[words(f"Record {event.head}")], *([way] if way else [])], " · ")]))
    return Message(f"{title}: order {escape(order)}", blocks)


def _story(kind: Kind, data: dict[str, Any]) -> tuple[str, str]:  # noqa: C901, PLR0911, PLR0912 -- a table of texts
    """A title, and what it means for the people who read it and what to do next."""
    match kind:
        case Kind.CANCELLED if data.get("confirmed_by_repeat"):
            return "✅ Cancelled", "The first answer was lost; asked again, the gateway says that it is cancelled."
        case Kind.CANCELLED:
            return "✅ Cancelled", "The gateway confirmed it."
        case Kind.REFUSED if data.get("use_refund"):
            return "⛔ Not cancelled", "This order is completed, so it cannot be cancelled. Use a refund instead."
        case Kind.REFUSED if data.get("already_cancelled"):
            return "⛔ Nothing to do", "The order was already cancelled before this request."
        case Kind.REFUSED if data.get("http_status") == 404:  # noqa: PLR2004
            return (
                "⛔ Not cancelled",
                "The gateway finds no such order. Check the order id; if it is right, ask whoever runs the bot.",
            )
        case Kind.REFUSED:
            return "⛔ Not cancelled", "The gateway refused, and its answer is final."
        case Kind.FAILED if data.get("http_status") in {401, 403}:
            return (
                "⚠️ Not cancelled",
                (
                    "The gateway did not accept the bot's credentials. Whoever runs the bot must mend DVPAY_API_KEY or "
                    "the account; then an approver can press Retry on the card."
                ),
            )
        case Kind.FAILED:
            return (
                "⚠️ Not cancelled",
                (
                    "The gateway could not be asked, so nothing has happened to the order. "
                    "An approver can press Retry on the card."
                ),
            )
        case Kind.UNKNOWN:
            return (
                "⚠️ Not known whether it is cancelled",
                (
                    "The gateway may or may not have cancelled it; its answers were lost. Look the order up at the "
                    "gateway, or let an approver press Retry on the card: asking again is safe."
                ),
            )
        case Kind.REJECTED:
            return "⛔ Rejected", "The order is not cancelled."
        case Kind.WITHDRAWN:
            return "↩️ Withdrawn", "The order is not cancelled."
        case Kind.EXPIRED:
            return (
                "⌛ Expired",
                "Nobody decided in time, so the order is not cancelled. Ask again if it is still needed.",
            )
        case Kind.CARD_BLOCKED:
            return (
                "⚠️ Your request waits",
                (
                    f"I cannot post the approval card: {_why_blocked(data)} As soon as that is mended the card appears "
                    "by itself; until then nobody can approve."
                ),
            )
        case Kind.DELIVERY_ABANDONED:
            return (
                "⚠️ Your request has no card",
                (
                    f"Slack does not take the approval card ({data.get('problem')}), so nobody can approve. "
                    "Tell whoever runs the bot; the request expires by itself."
                ),
            )
        case _:
            return str(kind), ""


def _why_blocked(data: dict[str, Any]) -> str:
    match data.get("problem"):
        case "not_in_channel" | "channel_not_found":
            return "I am not a member of the channel. Type /invite and my name in it."
        case "is_archived":
            return "the channel is archived. Ask somebody to unarchive it."
        case problem:
            return f"Slack says {problem}. Ask whoever runs the bot or the workspace."
