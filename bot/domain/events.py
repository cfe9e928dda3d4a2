"""The contents of the record's events: one frozen dataclass for each kind, and their JSON.

A use case makes one of these, the record keeps its JSON, and the views read it back as the same type. So a renamed
field is a type error on both sides. To add an event: a class here with its ``kind``, and its words in
``bot/slack/views/audit_page.py``. The file is long because it is the whole format of the record.

The words that people type can be erased later. So the JSON holds only a commitment to each such text (see
``bot.domain.words``), and the text itself is kept beside the event. ``words`` names these fields.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar

from pydantic import TypeAdapter

from bot.domain.attempt import Answer
from bot.domain.cancellation import State
from bot.domain.delivery import MESSAGE_GONE, DeliveryKind
from bot.domain.policy import Act, Ground, Surface, Verdict
from bot.domain.report import Report
from bot.domain.words import ERASED, Word, commit

KINDS: dict[str, type["Content"]] = {}
"""Every class below that has a kind, by its kind."""


class Content:
    """The content of an event. ``kind`` is the record's name for it.

    ``words`` are the paths of the fields that hold text typed by people, or text that may repeat it.
    """

    __slots__ = ()
    kind: ClassVar[str]
    words: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        if "kind" in cls.__dict__:
            KINDS[cls.kind] = cls


@dataclass(frozen=True, slots=True)
class Started(Content):
    """The bot started, with the settings that decide who may do what and where it is sent."""

    kind = "started"
    version: str
    approvers: tuple[str, ...] = ()
    requesters: tuple[str, ...] | None = None
    """None stands for everyone."""
    auditors: tuple[str, ...] = ()
    approvals_required: int = 1
    allow_self_approval: bool = False
    approval_ttl_seconds: int = 0
    approval_channel: str = ""
    """Empty where cards go to the channel in which the command was typed."""
    order_id_pattern: str = ""
    dvpay_base_url: str = ""
    dvpay_moved_from: str = ""
    """The operator's statement that the gateway at this address is the same one; empty where there is none."""
    escalate_after_seconds: int = 0
    """0 where nothing is escalated."""
    escalate_to: tuple[str, ...] = ()
    unclean: bool = False
    """True where the run before did not end by a stop: it was killed, or its machine went down."""
    allow_shared_channels: bool = False
    reasons: tuple[str, ...] = ()
    """Empty where there is no list to choose from."""
    reason_required: bool = False
    record_key: str = ""
    """The public key of the seals from here on, or empty where nothing is sealed."""

    def has_another_gateway(self, before: "Started") -> bool:
        """Return True where the start before was with another gateway, as far as the operator says."""
        return before.dvpay_base_url not in {self.dvpay_base_url, self.dvpay_moved_from}


@dataclass(frozen=True, slots=True)
class Stopped(Content):
    """The bot stopped in order; everything that was under way is on record."""

    kind = "stopped"


@dataclass(frozen=True, slots=True)
class Named(Content):
    """A person acted under a name that was not known before."""

    kind = "named"
    words = ("name",)
    name: str


@dataclass(frozen=True, slots=True)
class LookedUp(Content):
    """Somebody read the record: what they asked for, how many rows they got, and the SHA-256 of the answer."""

    kind = "looked_up"
    words = ("filters",)
    filters: str = ""
    rows: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceAsked(Content):
    """Somebody asked for the evidence for an order, so the bot owes them a file; a LookedUp follows with what it is."""

    kind = "evidence_asked"
    order: str


@dataclass(frozen=True, slots=True)
class Exported(Content):
    """Somebody read the record on the command line: the rows and the SHA-256 of the output."""

    kind = "exported"
    words = ("filters",)
    command: str
    filters: str = ""
    rows: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class BackedUp(Content):
    """Somebody made a copy of the database: the number of its events and the SHA-256 of the file."""

    kind = "backed_up"
    events: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Restored(Content):
    """Somebody put a copy into the place of the database: its number of events, and the SHA-256 of the copy's file."""

    kind = "restored"
    events: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Erased(Content):
    """Words that people typed were erased: those of the events of these numbers."""

    kind = "erased"
    events: tuple[int, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Frozen(Content):
    """Somebody stopped everything that could cancel an order; ``why`` is in their own words.

    ``channels`` are those to which the bot owes a message about it.
    """

    kind = "frozen"
    words = ("why",)
    why: str = ""
    ground: Ground | None = None
    """None where it was done on the command line."""
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unfrozen(Content):
    """Somebody ended the freeze; the channels are as in ``Frozen``.

    ``due`` is how many approved requests had a call to the gateway due then, and ``later`` how many others waited for
    the time of their next call. ``enough`` is how many others had as many approvals as the settings asked for then: a
    start with a lower quorum counts them after a freeze.
    """

    kind = "unfrozen"
    ground: Ground | None = None
    """None where it was done on the command line."""
    channels: tuple[str, ...] = ()
    due: int = 0
    later: int = 0
    enough: int = 0


@dataclass(frozen=True, slots=True)
class Requested(Content):
    """Somebody asked to cancel one or more orders."""

    kind = "requested"
    words = ("reason",)
    orders: tuple[str, ...]
    reason: str = ""
    channel: str = ""
    quorum: int = 1
    expires_at: str = ""
    category: str = ""
    """The entry of the setting REASONS with which the reason begins, or empty."""
    source: str = ""
    """The permalink of the message from which somebody asked, or empty."""


@dataclass(frozen=True, slots=True)
class RequestRefused(Content):
    """A command, look-up or form was turned away."""

    kind = "request_refused"
    words = ("asked_for", "reason")
    why: Verdict
    command: str = ""
    """The slash command or the shortcut's callback id, or the button's action id for a click from another workspace."""
    asked_for: str = ""
    """The order id as it was typed."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Voted(Content):
    """An approval was counted, and more are needed."""

    kind = "voted"
    approvals: int
    of: int
    ground: Ground | None = None
    """None where a start counted the approvals again."""
    surface: Surface | None = None


@dataclass(frozen=True, slots=True)
class Approved(Content):
    """An approval was counted, and it reached the quorum."""

    kind = "approved"
    approvals: int
    of: int
    ground: Ground | None = None
    """None where a start counted the approvals again."""
    surface: Surface | None = None


@dataclass(frozen=True, slots=True)
class VotesVoided(Content):
    """Approvals by people who may no longer approve were taken out of the count."""

    kind = "votes_voided"
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuorumChanged(Content):
    """A pending request follows the setting APPROVALS_REQUIRED of today."""

    kind = "quorum_changed"
    before: int
    now: int


@dataclass(frozen=True, slots=True)
class ExpiryMoved(Content):
    """A pending request expires at another time by the clock, which was set: people keep the time that was left."""

    kind = "expiry_moved"
    expires_at: str


@dataclass(frozen=True, slots=True)
class SetBack(Content):
    """An older copy of the database took over. What this request did since is on no record.

    It was not over in the copy, or had gone another way in the database that the copy replaced.
    """

    kind = "set_back"
    unknown: tuple[str, ...] = ()
    """The orders that had failed, and may have been sent again since: nobody knows whether they are cancelled."""


@dataclass(frozen=True, slots=True)
class Reminded(Content):
    """It still waited for enough approvals, so the approvers were reminded; ``number`` counts the reminders from 1."""

    kind = "reminded"
    number: int
    joined: bool = False
    """True where it was for people who had joined the approvers: it comes beside the others, and has no number."""


@dataclass(frozen=True, slots=True)
class Escalated(Content):
    """It waited for longer still, so the people and groups of ESCALATE_TO may decide this request as well."""

    kind = "escalated"
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rejected(Content):
    """An approver rejected the request."""

    kind = "rejected"
    words = ("reason",)
    reason: str = ""
    ground: Ground | None = None
    surface: Surface | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn(Content):
    """The requester took the request back."""

    kind = "withdrawn"
    surface: Surface | None = None


@dataclass(frozen=True, slots=True)
class Expired(Content):
    """Not enough approvals that count came in time."""

    kind = "expired"


@dataclass(frozen=True, slots=True)
class ClickRefused(Content):
    """A click changed nothing. ``state`` is None where there is no such request."""

    kind = "click_refused"
    act: Act
    why: Verdict
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Sending(Content):
    """An attempt is about to go out; ``attempt`` counts from 1 since the last approval or retry."""

    kind = "sending"
    attempt: int


@dataclass(frozen=True, slots=True)
class Answered(Content):
    """The result of an attempt.

    ``attempt`` counts from 1 since the last approval or retry, ``call`` over all attempts of the request.
    """

    # The gateway may repeat the reason that it was sent.
    words = ("answer.message", "answer.code")
    attempt: int
    answer: Answer
    call: int = 1


@dataclass(frozen=True, slots=True)
class Repeating(Answered):
    """The attempt did not settle it, and another one is due."""

    kind = "repeating"


@dataclass(frozen=True, slots=True)
class GatewayTrouble(Content):
    """The gateway had not settled it for a while, and people were told, once for each approval or retry.

    ``attempts`` counts since then, and there are ``most`` of them at most. ``unclear`` is true where one of all
    attempts may have cancelled the order.
    """

    kind = "gateway_trouble"
    attempts: int
    unclear: bool
    most: int


@dataclass(frozen=True, slots=True)
class Cancelled(Answered):
    """The gateway confirmed that the order is cancelled."""

    kind = "cancelled"
    confirmed_by_repeat: bool = False
    """The confirmation was "already cancelled", after an attempt of ours without a clear answer."""
    late: bool = False
    """The order had another end before: the confirmation came after its attempt was believed lost."""


@dataclass(frozen=True, slots=True)
class Refused(Answered):
    """The gateway gave a final no."""

    kind = "refused"


@dataclass(frozen=True, slots=True)
class Failed(Answered):
    """It is certain that nothing was cancelled, and the attempts ran out or an operator must act first."""

    kind = "failed"


@dataclass(frozen=True, slots=True)
class Unknown(Answered):
    """The order may or may not have been cancelled, and asking again leads no further by itself."""

    kind = "unknown"


@dataclass(frozen=True, slots=True)
class AnsweredLate(Answered):
    """The gateway confirmed the order in an attempt that was believed lost, after another one had settled it."""

    kind = "answered_late"


@dataclass(frozen=True, slots=True)
class Retried(Content):
    """An approver had a failed or unknown request sent again."""

    kind = "retried"
    ground: Ground | None = None
    surface: Surface | None = None


@dataclass(frozen=True, slots=True)
class Hurried(Content):
    """An approver had the next attempt made at once."""

    kind = "hurried"
    ground: Ground | None = None
    surface: Surface | None = None


@dataclass(frozen=True, slots=True)
class StoppedTrying(Content):
    """An approver or the requester ended the attempts, of which certainly none had done anything."""

    kind = "stopped_trying"
    ground: Ground | None = None
    """None where the requester is no approver."""
    surface: Surface | None = None


@dataclass(frozen=True, slots=True)
class SettledCancelled(Content):
    """An approver found that the order is cancelled; ``how`` they know is in their own words."""

    kind = "settled_cancelled"
    words = ("how",)
    how: str
    ground: Ground | None = None
    surface: Surface | None = None


@dataclass(frozen=True, slots=True)
class SettledNotCancelled(Content):
    """An approver found that the order is not cancelled; ``how`` they know is in their own words."""

    kind = "settled_not_cancelled"
    words = ("how",)
    how: str
    ground: Ground | None = None
    surface: Surface | None = None


HISTORY: tuple[type[Content], ...] = (
    Requested,
    Escalated,
    Voted,
    Approved,
    SetBack,
    Rejected,
    Withdrawn,
    Retried,
    Hurried,
    StoppedTrying,
    SettledCancelled,
    SettledNotCancelled,
)
"""The events that a card lists, each with its person and time."""


@dataclass(frozen=True, slots=True)
class CardPosted(Content):
    """The card is in Slack, at this channel and timestamp."""

    kind = "card_posted"
    channel: str
    ts: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class CardBlocked(Content):
    """Slack has not let the bot post the card, or change it, three times; ``problem`` is Slack's name for the error."""

    kind = "card_blocked"
    channel: str
    problem: str
    in_doubt: bool = False
    """True where a try may have posted the card after all."""
    outdated: bool = False
    """True where the card is in Slack, which does not let the bot bring it up to date."""
    told_directly: bool = False
    """True where a direct message tells the requester; else the receipt alone, as it is not out yet or all is over."""


@dataclass(frozen=True, slots=True)
class DeliveryAbandoned(Content):
    """A delivery was abandoned; ``problem`` is Slack's name for the error, or the bot's."""

    kind = "delivery_abandoned"
    delivery: DeliveryKind
    problem: str = ""

    @property
    def card_is_gone(self) -> bool:
        """Return True where this is an update of a card that somebody deleted."""
        return self.delivery is DeliveryKind.CARD_UPDATE and self.problem == MESSAGE_GONE


@dataclass(frozen=True, slots=True)
class Digest(Content):
    """The bot owes a channel the figures of a period, as they were when it read them.

    The period is from ``since`` to ``until``; ``zone`` is the time zone of the setting DIGEST. ``again`` is true where
    an earlier digest was about a later time, before a clock that was ahead was set back. ``older_copy`` is true where
    an older copy of the database took over since the digest before.
    """

    kind = "digest"
    channel: str
    since: str
    until: str
    zone: str
    report: Report
    again: bool = False
    older_copy: bool = False


@dataclass(frozen=True, slots=True)
class DigestMoved(Content):
    """A digest that the bot still owed goes to the channel of today's settings; ``digest`` is its event's number."""

    kind = "digest_moved"
    digest: int
    channel: str


@dataclass(frozen=True, slots=True)
class DigestCalledOff(Content):
    """A digest that the bot still owed is dropped, as the settings name none; ``digest`` is its event's number."""

    kind = "digest_called_off"
    digest: int


def to_json(content: Content) -> tuple[str, list[Word]]:
    """Return the content as a JSON object, without the fields that have their default, and the words beside it."""
    if not content.words:
        return _adapter(content.kind).dump_json(content, exclude_defaults=True).decode(), []
    data = _adapter(content.kind).dump_python(content, mode="json", exclude_defaults=True)
    words = []
    for path in content.words:
        holder, field = _place(data, path)
        if holder.get(field):
            word, holder[field] = commit(path, holder[field])
            words.append(word)
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")), words


def from_json(kind: str, data: str, words: Mapping[str, str] | None = None) -> Content:
    """Read back what ``to_json`` wrote. ``words`` are the texts by their paths; one that is missing was erased.

    Without ``words`` the fields hold the commitments. Raises KeyError for a kind, and pydantic's ValidationError for
    data, that this version does not know.
    """
    read = reader(kind)
    if words is None or not KINDS[kind].words:
        return read(data)
    read(data)  # so that what follows deals with an object
    return read(with_words(kind, data, words))


def with_words(kind: str, data: str, words: Mapping[str, str]) -> str:
    """Return the JSON with the texts in place of the commitments to them."""
    if not KINDS[kind].words:
        return data
    found = json.loads(data)
    for path in KINDS[kind].words:
        holder, field = _place(found, path)
        if holder.get(field):
            holder[field] = words.get(path, ERASED)
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def _place(data: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """Return the object that holds the field of this path, and the field's name."""
    *outer, field = path.split(".")
    for name in outer:
        data = data[name]
    return data, field


@cache
def reader(kind: str) -> Callable[[str], Content]:
    """Return what reads the JSON of this kind, and leaves the commitments as they are. Raises KeyError."""
    # The adapter's own method does no more, but it takes as long again for what it does around this.
    read: Callable[[str], Content] = _adapter(kind).validator.validate_json
    # Most events without words have the same few contents, and nobody can change one.
    return read if KINDS[kind].words else lru_cache(maxsize=64)(read)


@cache
def _adapter(kind: str) -> TypeAdapter[Content]:
    # Made when first needed: making all of them takes longer than the rest of a start.
    return TypeAdapter(KINDS[kind])
