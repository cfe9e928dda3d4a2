"""What is owed to Slack, and what became of trying to pay it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DeliveryKind(StrEnum):
    """What is owed."""

    CARD = "card"
    CARD_UPDATE = "card_update"
    """The card is to show the state as it is at the time of delivery."""
    REPLY = "reply"
    """A message in the card's thread that reports one audit event."""
    DIRECT_MESSAGE = "direct_message"
    """A message to the requester that reports one audit event."""

    @property
    def is_new_message(self) -> bool:
        """Whether it adds a message; those keep their order, and to Slack's rate, in each channel."""
        return self is not DeliveryKind.CARD_UPDATE


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing owed to Slack.

    ``position`` counts all that was ever owed. ``id`` goes into the message's metadata, so that a message can
    be found again. ``target`` is the channel or the user it goes to. ``in_doubt_since`` is set while an
    earlier try may have posted it.
    """

    position: int
    id: str
    cancellation_id: str
    kind: DeliveryKind
    event_seq: int
    target: str
    owed_at: datetime
    tries: int
    in_doubt_since: datetime | None


class Fate(StrEnum):
    """What became of one try to deliver."""

    DELIVERED = "delivered"
    LATER = "later"
    """Slack certainly did not take it; try again."""
    IN_DOUBT = "in_doubt"
    """Slack may have taken it; look before trying again."""
    BLOCKED = "blocked"
    """The bot may not post there; a person can mend that."""
    IMPOSSIBLE = "impossible"
    """It will never be possible; give it up."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of one try: where the message stands, or what stood in the way.

    ``retry_after`` is in seconds, as Slack asked. ``problem`` is Slack's name of the error. ``in_doubt``
    tells that this try or an earlier one may have posted it after all.
    """

    fate: Fate
    channel: str = ""
    ts: str = ""
    link: str = ""
    problem: str = ""
    retry_after: float | None = None
    in_doubt: bool = False
