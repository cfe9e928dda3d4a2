"""Which state a refusal tells of: an order that is cancelled already, or one that can only be refunded.

The gateway publishes no list of codes for this, so ``details``, ``code`` and the words of
``message`` are read. They count only where they speak plainly of this order and do not contradict
each other: "cannot be cancelled" is no "is cancelled", and a rule about orders in general is no
state of this one.
"""

import re
from enum import StrEnum


class Told(StrEnum):
    """What a refusal tells of the order."""

    ALREADY_CANCELLED = "already_cancelled"
    REFUND_INSTEAD = "refund_instead"
    NOTHING = "nothing"


_TELLS = {
    "cancelled": Told.ALREADY_CANCELLED,
    "canceled": Told.ALREADY_CANCELLED,
    "completed": Told.REFUND_INSTEAD,
    "paid": Told.REFUND_INSTEAD,
    "refunded": Told.REFUND_INSTEAD,
    "partially refunded": Told.REFUND_INSTEAD,
    "pending": Told.NOTHING,
    "processing": Told.NOTHING,
    "failed": Told.NOTHING,
    "expired": Told.NOTHING,
}
_LONGEST_READ = 1000
_CERTAIN_KEYS = ("current_status", "current_state", "order_status", "order_state")
_LOOSE_KEYS = ("status", "state")
"""May also be the state that was asked for, or the call's own."""

# Typographic quotes, written as escapes as they are easily taken for others.
_QUOTES = re.compile("[\"`\u201c\u201d\u2018()\\[\\]]|(?<!\\w)'|'(?!\\w)")
_STATE = "cancelled|canceled|completed|paid|(?:partially )?refunded|pending|processing|failed|expired"
_CODE = re.compile(rf"(?:(?:order|payment|status|state|is|was|has|been|already) )*({_STATE})(?: order| payment)?")
_CLAUSE_ENDS = re.compile(r"(?:[.;!?]|(?<!status)(?<!state):)(?:\s+|$)|\bbut\b")
_NO_STATE = re.compile(rf"\b(?:be|being|to|longer|(?:not|never|yet|\w+n't)(?: already| been| yet)*) (?:{_STATE})\b")
_DOUBTFUL = re.compile(
    r"\b(?:if|whether|unless|until|when|only|before (?:the|an|it))\b"
    r"|\b(?:request|operation|transaction|cancellation|refund) (?:is|was|has)\b",
)
_SAID = re.compile(
    rf"\balready (?:been |in |a |the |state |status )*(?:{_STATE})\b"
    rf"|(?:\bis|\bwas|\bbeen|'s) (?:currently |now |in |a |the |state |status )*(?:{_STATE})\b"
    rf"|\b(?:with|in|has|current|order) (?:the |a |current |order )*(?:status|state):?(?: is)? (?:{_STATE})\b"
    rf"|\bfrom (?:status |state )?(?:{_STATE})\b"
    rf"|\bcancel (?:a |an |the |this )?(?:{_STATE}) (?:order|payment)\b"
    rf"|^(?:the |this )?(?:order|payment) (?:{_STATE})$"
    rf"|^(?P<rule>(?:{_STATE}) orders)\b",
)


def what_is_told(order_id: str, code: str, message: str, details: object) -> Told:
    """What a refusal with this error tells of this order."""
    facts = details if isinstance(details, dict) else {}
    if str(facts.get("order_id", order_id)) != order_id:
        return Told.NOTHING
    for key in _CERTAIN_KEYS:
        if (state := _plain(facts.get(key))) in _TELLS:
            return _TELLS[state]
    told = {_TELLS.get(_plain(facts.get(key)), Told.NOTHING) for key in _LOOSE_KEYS}
    told |= {_told_by_code(code), _told_by_words(message, order_id)}
    told -= {Told.NOTHING}
    return told.pop() if len(told) == 1 else Told.NOTHING


def _plain(value: object) -> str:
    """Lower case, one space between words; ``OrderCancelled`` and ``ORDER_CANCELLED`` become alike."""
    if not isinstance(value, str):
        return ""
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]", " ", value).lower().split())


def _told_by_code(code: str) -> Told:
    match = _CODE.fullmatch(_plain(code))
    return _TELLS[match[1]] if match else Told.NOTHING


def _told_by_words(message: str, order_id: str) -> Told:
    message = message[:_LONGEST_READ]
    # An order id may be made of any words.
    text = re.sub(rf"(?<![\w-]){re.escape(order_id)}(?![\w-])", " ", message)
    text = _QUOTES.sub("", text.replace("\u2019", "'").replace("_", " ").lower())
    text = re.sub(r",? (?:because|since)(?= )", ". is", " ".join(text.split()))
    clauses = [_NO_STATE.sub("", clause).strip() for clause in _CLAUSE_ENDS.split(text)]
    speaking = [clause for clause in clauses if re.search(rf"\b(?:{_STATE})\b", clause)]
    told = {said for clause in speaking if (said := _told_by_clause(clause, alone=len(speaking) == 1))}
    return told.pop() if len(told) == 1 else Told.NOTHING


def _told_by_clause(clause: str, *, alone: bool) -> Told | None:
    """What one clause says of the order; None if it says nothing of it, or too many things."""
    told = {_TELLS[state] for state in re.findall(rf"\b(?:{_STATE})\b", clause)}
    match = _SAID.search(clause)
    if match is None or len(told) > 1 or _DOUBTFUL.search(clause):
        return None
    if match.lastgroup == "rule" and not alone:
        return None
    return told.pop()
