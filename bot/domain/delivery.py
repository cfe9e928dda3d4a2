"""One thing owed to Slack, and the result of trying to deliver it (an outbox)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LONGEST_RETRY_AFTER = 300.0
"""Seconds; a Slack that asks for a longer pause is asked again after this one. Its limits are for each minute."""


class DeliveryKind(StrEnum):
    """The kinds of things owed to Slack."""

    CARD = "card"
    CARD_UPDATE = "card_update"
    """The card must show the state as it is at the time of delivery."""
    REPLY = "reply"
    """A message in the card's thread that reports one event."""
    DIRECT_MESSAGE = "direct_message"
    """A message to the requester that reports one event."""
    RECEIPT = "receipt"
    """The requester's own message about a request, which is kept up to date until the end."""
    RECEIPT_UPDATE = "receipt_update"
    """The receipt must show the state as it is at the time of delivery."""
    DIGEST = "digest"
    """A message with the figures of a period, which is about no request."""
    ANNOUNCEMENT = "announcement"
    """A message to a channel that a freeze has begun or ended, which is about no request."""
    EVIDENCE = "evidence"
    """A file with the evidence for one order, for the person who asked for it."""
    COPIES = "copies"
    """Of a message that was in doubt, only one may be in Slack; the others are looked for and deleted."""

    @property
    def is_new_message(self) -> bool:
        """Return True where it adds a message; those keep their order, and to Slack's rate, in each channel."""
        return not (self.is_update or self is DeliveryKind.COPIES)

    @property
    def is_update(self) -> bool:
        """Return True where it changes a message; one that nobody has begun serves all changes until then."""
        return self in {DeliveryKind.CARD_UPDATE, DeliveryKind.RECEIPT_UPDATE}

    @property
    def to_requester(self) -> bool:
        """Return True where only the requester gets it."""
        return self in {DeliveryKind.DIRECT_MESSAGE, DeliveryKind.RECEIPT, DeliveryKind.RECEIPT_UPDATE}


MESSAGE_GONE = "message_not_found"
"""Slack's name for an update of a message that somebody deleted; every other refusal leaves the message as it was."""

NOBODY_LACKS = frozenset(
    {MESSAGE_GONE, "card_is_there", "too_late_for_a_card", "no_card", "no_receipt", "may_not_read"}
)
"""The problems of deliveries that nobody lacks: somebody deleted the message, it was overtaken, or it is not theirs."""


@dataclass(frozen=True, slots=True)
class MissingCard:
    """The reason why a request that needs people has no card; ``problem`` is Slack's name for the error, or the bot's.

    ``in_doubt`` is true where a try may have posted it after all, and ``given_up`` where the bot does not try again.
    ``outdated`` is true where an older card is still there, which Slack does not let the bot bring up to date.
    """

    problem: str
    in_doubt: bool = False
    given_up: bool = False
    outdated: bool = False


@dataclass(frozen=True, slots=True)
class Original:
    """The message of which copies are looked for: its kind, and the channel and timestamp of the one that stays.

    Without a place none stays: it was called off, after a try that may have brought it to Slack.
    """

    kind: DeliveryKind
    channel: str = ""
    ts: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of the outbox.

    ``position`` counts everything that was ever enqueued. ``id`` goes into the message's metadata, so that a message
    can be found again. ``request_id`` is empty for what is about no request. ``target`` is the channel or the user it
    goes to. ``in_doubt_since`` is set while an earlier try may have posted it: it is the time of the first such try,
    and ``last_try_at`` that of the last one. ``tries`` includes the one that is under way.

    What goes to the requester also has ``receipt``, the channel and timestamp of the receipt once it is posted, and
    ``missing_card``, if the request needs a card that is not there. What is about the copies of a message has its id,
    and that message as ``original``. ``contradicted`` is true for a card of a request
    whose tables contradict the record.
    """

    position: int
    id: str
    request_id: str
    kind: DeliveryKind
    event_seq: int
    target: str
    enqueued_at: datetime
    tries: int
    in_doubt_since: datetime | None
    receipt: tuple[str, str] | None = None
    missing_card: MissingCard | None = None
    last_try_at: datetime | None = None
    original: Original | None = None
    contradicted: bool = False


@dataclass(frozen=True, slots=True)
class Publish:
    """One try to show a person their Home tab as it is now; ``tries`` includes this one."""

    person: str
    tries: int


class DeliveryOutcome(StrEnum):
    """The result of one try to deliver."""

    DELIVERED = "delivered"
    LATER = "later"
    """Slack was not reached, or asked for a pause: it did not take this try, and will by itself."""
    IN_DOUBT = "in_doubt"
    """Slack may have taken it; look before trying again."""
    BLOCKED = "blocked"
    """Slack refused it for a reason that a person can fix, here or in Slack."""
    IMPOSSIBLE = "impossible"
    """It will never be possible; give it up."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of one try, with the message's place in Slack or the problem.

    ``retry_after`` is in seconds, as Slack asked. ``problem`` is Slack's name for the error. ``in_doubt``
    is true where this try or an earlier one may have posted it after all, and ``posted_nothing`` where this one
    certainly did not.
    """

    outcome: DeliveryOutcome
    channel: str = ""
    ts: str = ""
    link: str = ""
    problem: str = ""
    retry_after: float | None = None
    in_doubt: bool = False
    posted_nothing: bool = False
