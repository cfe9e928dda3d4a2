"""What one call to the payment gateway proved."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What an attempt proved about the order, and nothing more than that."""

    CANCELLED = "cancelled"
    """The gateway confirmed that this order is cancelled."""
    REFUSED = "refused"
    """The gateway gave a final no; the order was not cancelled by this attempt."""
    NOT_SENT = "not_sent"
    """The gateway certainly did nothing: it was not reached, or turned the call away."""
    UNKNOWN = "unknown"
    """The order may or may not have been cancelled; the answer was lost or makes no sense."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An attempt's outcome with what the gateway said, as far as it said anything.

    ``repeat`` tells whether sending the same cancel again may lead further: not after a final
    answer, nor where an operator must act first (credentials). ``retry_after`` is in seconds.
    ``message`` is short and holds no secrets; it is the gateway's text, so it is data to show,
    never markup. ``already_cancelled`` and ``use_refund`` are hints read from a refusal.
    """

    outcome: Outcome
    repeat: bool = False
    retry_after: float | None = None
    http_status: int | None = None
    code: str = ""
    message: str = ""
    request_id: str = ""
    cancelled_at: str = ""
    already_cancelled: bool = False
    use_refund: bool = False
