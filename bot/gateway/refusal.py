"""The reason for a refusal, read from the ``code``, ``message`` and ``details`` of the gateway's error.

The gateway publishes no list of codes for the cancel call, so its words are read as well. They count only where they
speak plainly of this order and do not contradict each other: "cannot be cancelled" is not "is cancelled", and a
rule about orders in general says nothing about this one. Everything else is ``Reason.OTHER``.
Source of the states: DVPay Payment Gateway, pages on the states of an order and on cancelling an order.
"""

import re

from bot.domain.attempt import Reason

_REASONS = {
    "cancelled": Reason.ALREADY_CANCELLED,
    "canceled": Reason.ALREADY_CANCELLED,
    "completed": Reason.COMPLETED,
    "paid": Reason.COMPLETED,
    "refunded": Reason.ALREADY_REFUNDED,
    "partially refunded": Reason.ALREADY_REFUNDED,
    # These say nothing that people could act on, but they contradict the others.
    "pending": Reason.OTHER,
    "processing": Reason.OTHER,
    "failed": Reason.OTHER,
    "expired": Reason.OTHER,
}
_LONGEST_READ = 1000
"""Characters of a message that are read, so that a long one takes no longer."""

_CERTAIN_KEYS = ("current_status", "current_state", "order_status", "order_state")
_LOOSE_KEYS = ("status", "state")
"""May also be the state that was asked for, or the call's own."""

# Typographic quotes, written as escapes because they are easily taken for others.
_QUOTES = re.compile("[\"`\u201c\u201d\u2018()\\[\\]]|(?<!\\w)'|'(?!\\w)")
_STATE = "cancelled|canceled|completed|paid|(?:partially )?refunded|pending|processing|failed|expired"
_CODE = re.compile(rf"(?:(?:order|payment|status|state|is|was|has|been|already) )*({_STATE})(?: order| payment)?")
# A colon ends a clause, but not in "status: cancelled".
_CLAUSE_ENDS = re.compile(r"(?:[.;!?]|(?<!status)(?<!state):)(?:\s+|$)|\bbut\b")
# Verbs and denials: "be cancelled", "to cancelled", "no longer paid", "hasn't been cancelled".
_NO_STATE = re.compile(rf"\b(?:be|being|to|longer|(?:not|never|yet|\w+n't)(?: already| been| yet)*) (?:{_STATE})\b")
# Conditions, rules, and sentences about something else than the order.
_DOUBTFUL = re.compile(
    r"\b(?:if|whether|unless|until|when|only|before (?:the|an|it))\b"
    r"|\b(?:request|operation|transaction|cancellation|refund) (?:is|was|has)\b",
)
# The forms of a sentence that say that the order is in a state.
_SAID = re.compile(
    rf"\balready (?:been |in |a |the |state |status )*(?:{_STATE})\b"
    rf"|(?:\bis|\bwas|\bbeen|'s) (?:currently |now |in |a |the |state |status )*(?:{_STATE})\b"
    rf"|\b(?:with|in|has|current|order) (?:the |a |current |order )*(?:status|state):?(?: is)? (?:{_STATE})\b"
    rf"|\bfrom (?:status |state )?(?:{_STATE})\b"
    rf"|\bcancel (?:a |an |the |this )?(?:{_STATE}) (?:order|payment)\b"
    rf"|^(?:the |this )?(?:order|payment) (?:{_STATE})$"
    rf"|^(?P<rule>(?:{_STATE}) orders)\b",
)


def read_refusal(order_id: str, code: str, message: str, details: object) -> Reason:
    """Return the reason that a refusal with this error gives for this order; never raises."""
    facts = details if isinstance(details, dict) else {}
    if str(facts.get("order_id", order_id)) != order_id:
        return Reason.OTHER
    for key in _CERTAIN_KEYS:
        if (state := _plain(facts.get(key))) in _REASONS:
            return _REASONS[state]
    said = {_REASONS.get(_plain(facts.get(key)), Reason.OTHER) for key in _LOOSE_KEYS}
    said |= {_from_code(code), _from_words(message, order_id)}
    return _agreed(said - {Reason.OTHER}) or Reason.OTHER


def speaks_of_the_timestamp(code: str, message: str) -> bool:
    """Return True where the whole word "timestamp" is in the code or the message, as in ``INVALID_TIMESTAMP``."""
    return any(re.search(r"\btimestamp\b", text.replace("_", " "), re.IGNORECASE) for text in (code, message))


def _agreed(said: set[Reason]) -> Reason | None:
    """Return the one reason that all of these come down to; None where there is none, or they contradict each other."""
    if said == {Reason.COMPLETED, Reason.ALREADY_REFUNDED}:
        # Both rule out a cancel, and only which of them holds is open. Somebody who tries to refund a refunded
        # order is turned down; somebody who believes in a refund that never was leaves the money where it is.
        return Reason.COMPLETED
    return next(iter(said)) if len(said) == 1 else None


def _plain(value: object) -> str:
    """Return text in lower case with one space between words, so that ``OrderPaid`` and ``ORDER_PAID`` are alike."""
    if not isinstance(value, str):
        return ""
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]", " ", value).lower().split())


def _from_code(code: str) -> Reason:
    match = _CODE.fullmatch(_plain(code))
    return _REASONS[match[1]] if match else Reason.OTHER


def _from_words(message: str, order_id: str) -> Reason:
    message = message[:_LONGEST_READ]
    # An order ID may be made of any words, also of the name of a state.
    text = re.sub(rf"(?<![\w-]){re.escape(order_id)}(?![\w-])", " ", message)
    text = _QUOTES.sub("", text.replace("\u2019", "'").replace("_", " ").lower())
    text = re.sub(r",? (?:because|since)(?= )", ". is", " ".join(text.split()))
    clauses = [_NO_STATE.sub("", clause).strip() for clause in _CLAUSE_ENDS.split(text)]
    speaking = [clause for clause in clauses if re.search(rf"\b(?:{_STATE})\b", clause)]
    said = {reason for clause in speaking if (reason := _from_clause(clause, alone=len(speaking) == 1))}
    return _agreed(said) or Reason.OTHER


def _from_clause(clause: str, *, alone: bool) -> Reason | None:
    """Return the reason in one clause; None where it says nothing of the order, or several things.

    ``alone`` is true where no other clause names a state. Only then is a rule, "completed orders cannot …", about
    this order; beside another clause it may just explain.
    """
    match = _SAID.search(clause)
    if match is None or _DOUBTFUL.search(clause):
        return None
    if match.lastgroup == "rule" and not alone:
        return None
    return _agreed({_REASONS[state] for state in re.findall(rf"\b(?:{_STATE})\b", clause)})
