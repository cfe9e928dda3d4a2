"""One call to the payment gateway, and what it proved."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LONGEST_RETRY_AFTER = 15 * 60.0
"""Seconds; a gateway that asks for a longer pause is asked again after this one."""


class Outcome(StrEnum):
    """The proof that an attempt brought about the order, and nothing more than that."""

    CANCELLED = "cancelled"
    """The gateway confirmed that this order is cancelled."""
    REFUSED = "refused"
    """The gateway gave a no with a reason that is certain."""
    NOT_SENT = "not_sent"
    """Nothing was done: the gateway was not reached, or it says plainly that it did not take the call."""
    UNKNOWN = "unknown"
    """The order may or may not have been cancelled; the answer was lost or makes no sense."""


class Reason(StrEnum):
    """The reasons for which the gateway says no. The views and the command line hold the sentences."""

    COMPLETED = "completed"
    """The order is completed or paid, so only a refund can undo it."""
    ALREADY_CANCELLED = "already_cancelled"
    ALREADY_REFUNDED = "already_refunded"
    PARTLY_REFUNDED = "partly_refunded"
    EXPIRED = "expired"
    NO_SUCH_ORDER = "no_such_order"
    CREDENTIALS = "credentials"
    """The gateway did not accept the API key or the app ID."""
    CLOCK = "clock"
    """The gateway did not accept the time of the call: its clock and this machine's differ."""
    TURNED_AWAY = "turned_away"
    """The gateway did not accept the call because of who made it, or from where."""


AN_OPERATOR_ACTS = frozenset({Reason.CREDENTIALS, Reason.CLOCK, Reason.TURNED_AWAY})
"""Reasons for which the gateway takes no call at all, until an operator acts."""


class Trouble(StrEnum):
    """Obstacles to a clear answer. ``Answer.trouble_about`` holds the parameter named here, if any."""

    # Before anything was sent.
    UNFIT_CREDENTIAL = "unfit_credential"
    """The setting of this name cannot go into an HTTP header."""
    BAD_ADDRESS = "bad_address"
    """DVPAY_BASE_URL is no http or https address."""
    RECORD_CONTRADICTS = "record_contradicts"
    """The tables contradict the record in this: a value of ``bot.domain.projection.Subject``."""
    NAME_NOT_FOUND = "name_not_found"
    NOT_CONNECTED = "not_connected"
    """The operating system's own words, or empty."""
    NO_CONNECTION_IN_TIME = "no_connection_in_time"
    """The limit in seconds."""
    NO_FREE_CONNECTION = "no_free_connection"
    """The limit in seconds."""
    PROXY = "proxy"
    """The proxy's own words."""
    CERTIFICATE = "certificate"
    """OpenSSL's own words."""
    TLS = "tls"
    """OpenSSL's own words."""
    # After something may have been sent.
    NOT_WRITTEN_IN_TIME = "not_written_in_time"
    """The limit in seconds."""
    NO_ANSWER_IN_TIME = "no_answer_in_time"
    """The limit in seconds."""
    CONNECTION_LOST = "connection_lost"
    STOPPED = "stopped"
    """The bot ended before the answer came."""
    UNEXPECTED = "unexpected"
    """The name of the exception."""
    # An answer came, but it says nothing that counts.
    REDIRECT = "redirect"
    NO_REASON = "no_reason"
    """An answer without words that can be read."""
    COMPRESSED = "compressed"
    TOO_LONG = "too_long"
    """The limit in KiB."""
    BROKEN_OFF = "broken_off"
    SOMEBODY_ELSE = "somebody_else"
    """Not in a form of the gateway's, so a proxy or a load balancer on the way may have sent it."""
    CONTRADICTORY = "contradictory"
    """It says yes and no at once."""
    UNCLEAR_REFUSAL = "unclear_refusal"
    """A no that does not say for certain how the order stands; a cancel may be under way."""
    NO_CONFIRMATION = "no_confirmation"
    """A success status without the documented confirmation."""
    ANOTHER_ORDER = "another_order"
    ANOTHER_STATUS = "another_status"
    """The order's status as the gateway named it."""


DESPITE_WORDS = {
    Trouble.NO_CONFIRMATION,
    Trouble.ANOTHER_ORDER,
    Trouble.ANOTHER_STATUS,
    Trouble.CONTRADICTORY,
    Trouble.UNCLEAR_REFUSAL,
}
"""Obstacles that matter more than the answer's own words, which may read like a success."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An attempt's outcome, with what the gateway said as far as it said anything.

    ``repeat`` is true where sending the same cancel again may lead further: not after a final answer, nor where an
    operator must act first (credentials). ``retry_after`` is in seconds. ``reason`` is set for every refusal, and where
    the gateway did not accept the call. ``message`` and ``code`` are the gateway's own words, short and without
    secrets: data to show, never markup. ``trouble`` says what stood in the way where the gateway's words do not.
    """

    outcome: Outcome
    repeat: bool = False
    retry_after: float | None = None
    reason: Reason | None = None
    trouble: Trouble | None = None
    trouble_about: str = ""
    http_status: int | None = None
    code: str = ""
    message: str = ""
    request_id: str = ""
    cancelled_at: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A committed right to call the gateway once, with exactly what was approved. ``cancellation`` is its number.

    It is over at ``lease_until``: after that, another worker may have the right to the next call.
    """

    id: int
    request_id: str
    cancellation: int
    order_id: str
    reason: str
    lease_until: datetime | None = None
