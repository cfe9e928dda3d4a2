"""The answers of ``/cancel-audit``: a page of requests, or one order's story.

It is long because each kind of event has its words here.
"""

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.domain import events
from bot.domain.attempt import Reason
from bot.domain.audit import BOT, Event
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Content
from bot.domain.lookup import MENTION, Mistake, NotAFilter
from bot.domain.policy import OF_ONE_ORDER, Scope, Verdict
from bot.domain.projection import Contradiction
from bot.domain.request import Request
from bot.slack.views import outcomes
from bot.slack.views.text import (
    OPERATOR,
    Block,
    Element,
    Message,
    addressed,
    cut,
    escape,
    lines,
    link,
    listed,
    mention,
    moment,
    mrkdwn,
    person,
    plain,
    quoted,
    words,
)
from bot.workflow import Found

PAGE = "audit_page"
"""The action id of the paging buttons."""

PER_PAGE = 10
_SHOWN = 140
_SHOWN_FILTERS = 8
_MENTIONS = {"user", "usergroup"}
_LONGEST_NUMBER = 18
"""Digits that fit into SQLite's integers."""
_LATEST = 253_370_764_800_000
"""Milliseconds: the year 9999, with room for a time zone."""

USAGE = (
    "Type any of these behind /cancel-audit, in any order, each kind once:\n"
    "• an order ID: the whole story of that order\n"
    "• @person: everything that this person requested, decided, retried or stopped; for somebody who left, @ and the "
    "member ID\n"
    "• me: the same for yourself\n"
    "• a state: " + ", ".join(State) + "\n"
    "• a time: today, yesterday, 30m, 12h, 7d, 4w (up to now), 2026-11-23 (one day), 2026-11-01..2026-11-23\n"
    "• a reason, if the form has a list of them\n"
    "• order:7d for an order ID that looks like one of these\n"
    "• csv as the last word: the whole answer as a file, by direct message\n"
    "• evidence behind an order ID: a file by direct message that proves what happened to that order\n"
    "Type nothing to see the latest."
)


@dataclass(frozen=True, slots=True)
class PageButton:
    """The memory of a paging button: the filters as typed, when and in which time zone, and which page it leads to.

    The page is behind the row of ``older_than`` or before the row of ``newer_than``; ``newest`` is the first row of
    the first page. So it is the same page whatever came or went meanwhile, and nothing is lost by a restart.
    """

    query: str
    at: datetime | None = None
    zone: str | None = None
    newest: str | None = None
    older_than: str | None = None
    newer_than: str | None = None

    def encode(self) -> str:
        """Return the button's value."""
        at = None if self.at is None else int(self.at.timestamp() * 1000)
        fields = {"q": self.query, "t": at, "z": self.zone}
        fields |= {"n": self.newest, "o": self.older_than, "w": self.newer_than}
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def decode(cls, value: str) -> "PageButton | None":
        """Read a button's value; return None if no button of ours has such a value.

        The buttons of older versions have no more than ``q`` and ``o``.
        """
        try:
            fields = json.loads(value)
        except ValueError:
            return None
        if not isinstance(fields, dict):
            return None
        query, at, zone, *keys = (fields.get(name) for name in "qtznow")
        if not (isinstance(query, str) and isinstance(zone, str | None) and all(map(_is_key, keys))):
            return None
        if at is None:
            return cls(query, None, zone, *keys)
        if not isinstance(at, int) or not 0 <= at <= _LATEST:
            return None
        return cls(query, datetime.fromtimestamp(at / 1000, UTC), zone, *keys)


def _is_key(text: object) -> bool:
    """Return True for the key of a row, or None where there is none."""
    number = text.rpartition("|")[2] if isinstance(text, str) else ""
    return text is None or (number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER)


def usage(error: NotAFilter) -> str:
    """Return what is wrong with a look-up, and how to type one."""
    word = f"'{error.word}'"
    match error.mistake:
        case Mistake.TOO_LONG:
            wrong = "That is too long to look up."
        case Mistake.TWICE:
            wrong = f"{word} is one filter too many: give each kind once."
        case Mistake.FILE_NOT_LAST:
            wrong = f"Type {word} once, as the last word: then I send you a file."
        case Mistake.EVIDENCE_OF_AN_ORDER:
            wrong = "Evidence is about one order: type its ID and then evidence, and nothing else."
        case Mistake.ENDS_BEFORE_IT_BEGINS:
            wrong = "The time ends before it begins."
        case Mistake.NOBODY:
            wrong = f"I don't know {word}. Pick the person from the list that Slack shows after @."
        case Mistake.NO_STATE:
            wrong = f"{word} is not a state."
        case Mistake.NO_SUCH_TIME:
            wrong = f"{word} is not in the calendar."
        case Mistake.NO_FILTER:
            wrong = f"{word} is not a filter."
    return f"{wrong}\n{USAGE}"


def page(found: Found, query: str, contact: str | None = None, *, unchecked: bool = False) -> Message:
    """Return one page of an answer, newest first, with its place in the answer and the buttons that turn it.

    ``unchecked`` is true where Slack did not say whether its reader may see more.
    """
    own = ""
    if found.scope is Scope.OWN:
        own = _OWN_FOR_NOW if unchecked else "You see only your own requests."
    rows = [
        _event_row(each, found.sizes.get(each.request, 1))
        if isinstance(each, Event)
        else _request_row(each, found.sizes.get(each.id, 1))
        for each in found.page.items
    ]
    place = _place(found)
    blocks: list[Block] = [
        lines(
            [
                words("Cancellations on record", bold=True),
                *(answer_to(found, query) or [words(", the latest")]),
                *([words(place)] if place else []),
            ],
            [words(own)] if own else [],
        ),
    ]
    nothing = "No requests match."
    if found.order_id is not None and found.alone:
        nothing = (
            f"No request for an order {cut(found.order_id, _SHOWN)} is on record"
            f"{' that you may read' if found.scope is Scope.OWN else ''}. "
        ) + (
            f"These differ from it in capital letters only: {', '.join(found.spellings)}. Type the one that you mean."
            if found.spellings
            else "/cancel-audit help shows what else can be looked up."
        )
    warnings = [addressed(_contradiction(each), contact) for each in found.contradictions]
    blocks += [lines(warning) for warning in warnings]
    blocks += [lines(row) for row in rows] or [lines([words(nothing)])]
    buttons = []
    # White space may take six characters each in a value, and a value has room for 2,000.
    here = PageButton(" ".join(query.split()), found.at, found.zone, found.page.newest)
    if found.page.before:
        buttons.append(_button("newer", "Newer", replace(here, newer_than=found.page.newer)))
    if found.page.older is not None:
        buttons.append(_button("older", "Older", replace(here, older_than=found.page.older)))
    if buttons:
        blocks.append({"type": "actions", "elements": buttons})
    text = "\n".join([*map(mrkdwn, warnings), *map(_spoken, rows)]) if rows else escape(nothing)
    heading = f"Cancellations on record{_spoken(answer_to(found, query))}{place}"
    return Message("\n".join(filter(None, [heading, own, text])), blocks)


_OWN_FOR_NOW = (
    "I couldn't check with Slack which user groups you are in, so you see only your own requests. "
    f"Try again in a minute. If it happens again, tell {OPERATOR}."
)


def answer_to(found: Found, query: str) -> list[Element]:
    """Return what somebody asked for, and the order that is shown where they typed its ID in other letters.

    It may be another order than they mean, which they may not read.
    """
    asked = asked_for(query)
    if found.order_id is None or not found.page.items or found.typed in {None, found.order_id}:
        return asked
    shown = words(cut(found.order_id, _SHOWN), code=True)
    return [*asked, words(": this shows "), shown, words(", which differs in capital letters")]


def _place(found: Found) -> str:
    """Return which rows of how many these are, such as ``· 11–20 of 57 orders``; nothing where there are none."""
    page, count = found.page, len(found.page.items)
    if not count:
        return ""
    rows = f"{page.before + 1:,}–{page.before + count:,}" if count > 1 else f"{page.before + 1:,}"
    # A request has a row for each of its orders, and one page may hold no request of several.
    what = "order" if found.order_id is None else "event"
    return f" · {rows} of {page.total:,} {what}{'' if page.total == 1 else 's'}"


def _contradiction(found: Contradiction) -> str:
    about = f" for order {cut(found.order_id, _SHOWN)}" if found.order_id else ""
    return (
        f"⚠️ The bot's database was changed{about}: it contradicts the bot's record. Only the record counts here, and"
        " nothing will be sent to the gateway. Tell the bot's operator."
    )


def _spoken(row: list[Element]) -> str:
    """Return a row as text: screen readers take nothing else."""
    return "".join(
        mrkdwn([each]) if each["type"] in _MENTIONS else escape(str(each.get("text") or each.get("fallback", "")))
        for each in row
    )


def _request_row(found: Request, size: int) -> list[Element]:
    approved = [[person(approver)] for approver in found.approvers]
    past = outcomes.unknown_past(found)
    parts: list[list[Element]] = [
        [moment(found.requested_at)],
        [words(cut(found.cancellation.order_id, _SHOWN), code=True)],
        [words(f"one of {size} orders")] if size > 1 else [],
        [words(str(found.state).replace("_", " "), bold=True)],
        [words(outcomes.IN_OLDER_COPY)] if found.may_have_had_effect else [],
        [words("what came later may be missing: I may have gone on with an older copy of my database")] if past else [],
        [words("requested by "), person(found.requester)],
        [words("approved by "), *listed(approved)] if approved else [],
        [words("rejected by "), person(found.rejection.approver)] if found.rejection else [],
        [words("settled by "), person(found.cancellation.settlement.approver)] if found.cancellation.settlement else [],
        [words("stopped by "), person(found.cancellation.stopped_by)] if found.cancellation.stopped_by else [],
        *_acts(found),
        [] if found.decisions else [words("no decision")],
        [words(quoted(found.reason, _SHOWN) or "no reason given")],
    ]
    parts += [link(found.card_link, "card"), link(found.source, "message")]
    return listed([part for part in parts if part], " · ")


_ACTS = {events.Retried.kind: "retried by ", events.Hurried.kind: "Try now by "}
_APPROVALS = {events.Voted.kind, events.Approved.kind}


def _acts(found: Request) -> list[list[Element]]:
    """Return who did what beside the decisions that count; the one who stopped it is named with the state."""
    steps = [each for each in found.steps if each.person != BOT]
    parts = []
    for kind, by in _ACTS.items():
        people = dict.fromkeys(each.person for each in steps if each.kind == kind)
        parts.append([words(by), *listed([[person(each)] for each in people])] if people else [])
    stopped = dict.fromkeys(each.person for each in steps if each.kind == events.StoppedTrying.kind)
    stopped.pop(found.cancellation.stopped_by, None)
    parts.append([words("stopped before by "), *listed([[person(each)] for each in stopped])] if stopped else [])
    void = dict.fromkeys(each.person for each in steps if each.kind in _APPROVALS)
    void = {each: None for each in void if each not in found.approvers}
    parts.append([words("no longer counts: "), *listed([[person(each)] for each in void])] if void else [])
    return parts


def _event_row(event: Event, size: int) -> list[Element]:
    content = event.content
    several = size > 1 and not event.order_id
    title, detail = _TITLES[type(content)], _detail(content, several=several)
    match content:
        case events.Approved() if event.actor == BOT:
            title = "enough approvals"
        case events.Refused(answer=answer) if answer.reason in _NOTHING_TO_DO:
            title = _NOTHING_TO_DO[answer.reason]
        case events.RequestRefused() if content.command and not content.command.startswith("/"):
            title = "click refused"
    people = content.approvers if isinstance(content, events.VotesVoided) else ()
    people = content.to if isinstance(content, events.Escalated) else people
    parts: list[list[Element]] = [
        [moment(datetime.fromisoformat(event.at), "{date_short_pretty} {time_secs}")],
        [words(title, bold=True)],
        # What happened to one order of several has its name.
        [words(f"all {size} orders")] if several else [],
        [person(event.actor)],
        listed([[mention(each)] for each in people]),
        [words(cut(detail, 2 * _SHOWN))] if detail else [],
        link(content.source, "message") if isinstance(content, events.Requested) else [],
        [words(f"#{event.seq}")],
    ]
    return listed([part for part in parts if part], " · ")


def _detail(content: Content, *, several: bool = False) -> str:  # noqa: C901, PLR0911, PLR0912 -- a table of words
    """Return what an event says to people; ``audit find`` on the command line has every field.

    ``several`` is true for an event about all of several orders.
    """
    match content:
        case events.Requested():
            return quoted(content.reason, _SHOWN) or "no reason given"
        case events.RequestRefused():
            return "; ".join(filter(None, [_VERDICTS[content.why], quoted(content.reason, _SHOWN)]))
        case events.Voted() | events.Approved():
            return f"{content.approvals} of {content.of} {'approval' if content.of == 1 else 'approvals'}"
        case events.VotesVoided() | events.Escalated():
            return ""  # the row shows the people
        case events.Reminded():
            return "for people who have become approvers" if content.joined else f"reminder {content.number}"
        case events.GatewayTrouble():
            return f"told after {content.attempts} {'attempt' if content.attempts == 1 else 'attempts'}"
        case events.SetBack():
            unknown = f"; not known since then: {', '.join(content.unknown)}" if content.unknown else ""
            return f"what this request did after the copy was made is not on record{unknown}"
        case events.QuorumChanged():
            return f"{content.now} needed, {content.before} before"
        case events.Rejected():
            return quoted(content.reason, _SHOWN)
        case events.SettledCancelled() | events.SettledNotCancelled():
            return quoted(content.how, _SHOWN)
        case events.ClickRefused():
            too_late = content.why is Verdict.WRONG_STATE and content.state is not None
            why = _WAS[content.state] if too_late and content.state else _VERDICTS[content.why]
            of_one = content.state not in _OF_ALL if too_late else content.why in OF_ONE_ORDER
            if several and of_one:
                why = f"at least one of them: {why}"  # the others may have ended otherwise
            return f"wanted to {str(content.act).replace('_', ' ')}: {why}"
        case events.Started():
            return "the run before did not end in order" if content.unclean else ""
        case events.Named():
            return content.name
        case events.LookedUp() | events.Exported():
            return " · ".join(filter(None, [content.filters, f"{content.rows} rows"]))
        case events.BackedUp() | events.Restored():
            return f"{content.events} events"
        case events.Erased():
            return content.why
        case events.Frozen():
            return quoted(content.why, _SHOWN)
        case events.Sending():
            return f"attempt {content.attempt}"
        case events.Answered(answer=answer):
            request = f"gateway request {answer.request_id}" if answer.request_id else ""
            return " · ".join(filter(None, [outcomes.said(answer), request]))
        case events.CardBlocked():
            return outcomes.delivery_problem(content.problem)
        case events.Digest():
            return f"{content.report.total.asked} requests since {content.since[:10]}"
        case events.DigestMoved() | events.DigestCalledOff():
            return f"of event {content.digest}"
        case events.EvidenceAsked():
            return content.order
        case events.DeliveryAbandoned():
            return f"{_DELIVERIES[content.delivery]}: {outcomes.delivery_problem(content.problem)}"
        case _:
            return ""


_TITLES: dict[type[Content], str] = {
    events.Started: "started",
    events.Stopped: "stopped",
    events.Named: "name seen",
    events.LookedUp: "looked up",
    events.Exported: "exported",
    events.BackedUp: "backed up",
    events.Restored: "restored from a backup",
    events.Erased: "words erased",
    events.Frozen: "everything frozen",
    events.Unfrozen: "freeze ended",
    events.Requested: "requested",
    events.RequestRefused: "request refused",
    events.Voted: "approved",
    events.Approved: "approved",
    events.VotesVoided: "approvals no longer count",
    events.QuorumChanged: "number of approvals changed",
    events.ExpiryMoved: "time to expire moved with the clock",
    events.SetBack: "may have gone on with an older copy of the database",
    events.Reminded: "still waiting",
    events.Escalated: "escalated to",
    events.Rejected: "rejected",
    events.Withdrawn: "withdrawn",
    events.Expired: "expired",
    events.ClickRefused: "click refused",
    events.Sending: "asking the gateway",
    events.Repeating: "not confirmed yet",
    events.GatewayTrouble: "the gateway takes long",
    events.Cancelled: "cancelled",
    events.Refused: "refused",
    events.Failed: "failed",
    events.Unknown: "unknown",
    events.AnsweredLate: "answered late",
    events.Retried: "retried",
    events.Hurried: "Try now pressed",
    events.StoppedTrying: "stopped trying",
    events.SettledCancelled: "settled by hand: cancelled",
    events.SettledNotCancelled: "settled by hand: not cancelled",
    events.CardPosted: "card posted",
    events.CardBlocked: "card blocked",
    events.DeliveryAbandoned: "message not delivered",
    events.Digest: "digest",
    events.DigestMoved: "digest goes to another channel",
    events.DigestCalledOff: "digest called off",
    events.EvidenceAsked: "evidence asked for",
}
_VERDICTS = {
    Verdict.ALLOWED: "allowed",
    Verdict.NOT_A_REQUESTER: "not a requester",
    Verdict.NOT_AN_APPROVER: "not an approver",
    Verdict.NOT_THE_REQUESTER: "not the requester",
    Verdict.NOT_AN_AUDITOR: "not an auditor",
    Verdict.NOT_INVOLVED: "neither the requester nor an approver",
    Verdict.CALL_UNDER_WAY: "the gateway was being asked",
    Verdict.MAY_HAVE_BEEN_SENT: "the order might have been cancelled already",
    Verdict.OWN_REQUEST: "their own request",
    Verdict.ALREADY_COUNTED: "had already approved",
    Verdict.ANOTHER_IS_OPEN: "another request for this order is open",
    Verdict.WRONG_STATE: "too late or too early",
    Verdict.UNCHECKED: "could not be checked with Slack",
    Verdict.NOT_OF_THIS_WORKSPACE: "from another workspace",
    Verdict.BAD_ORDER_ID: "not an order ID",
    Verdict.NO_SUCH_REQUEST: "no such request",
    Verdict.CANCELLED_SINCE: "another request was confirmed as cancelled",
    Verdict.APPROVAL_TOO_OLD: "the approval was too old",
    Verdict.REASON_ERASED: "its reason was erased",
    Verdict.DECIDED_AGAINST: "another request was refused, rejected, withdrawn, stopped or settled",
    Verdict.STOPPED_BY_REQUESTER: "its requester had stopped it",
    Verdict.VOTES_UNCHECKED: "the earlier approvals could not be checked",
    Verdict.CARD_OUT_OF_DATE: "the card promised to wait for more approvals",
    Verdict.TIME_UNCHECKED: "the bot's clock could not be checked",
    Verdict.CLOCK_WRONG: "the bot's clock was wrong",
    Verdict.TOO_FEW_APPROVERS: "too few people could approve it",
    Verdict.VOTES_MISSING: "too few approvals still counted",
    Verdict.DIRECT_MESSAGE: "in a direct message",
    Verdict.SHARED_CHANNEL: "in a channel shared with another company",
    Verdict.ARCHIVED_CHANNEL: "in an archived channel",
    Verdict.NOT_INVITED: "in a private channel without the bot",
    Verdict.TOO_LONG: "too long for the card",
    Verdict.REASON_MISSING: "no reason given",
    Verdict.NO_SUCH_REASON: "a reason that is not offered",
    Verdict.FROZEN: "everything was frozen",
    Verdict.NOT_FROZEN: "nothing was frozen",
    Verdict.REPEATED: "Slack had brought it before",
}
_NOTHING_TO_DO = {Reason.ALREADY_CANCELLED: "is already cancelled", Reason.ALREADY_REFUNDED: "is already refunded"}
_WAS = {
    State.PENDING: "it was waiting for approval",
    State.APPROVED: "it had been approved",
    State.SENDING: "it had been approved",
    State.CANCELLED: "the order had been cancelled",
    State.REFUSED: "the gateway had said no",
    State.FAILED: "it had failed",
    State.UNKNOWN: "the outcome was unknown",
    State.REJECTED: "it had been rejected",
    State.WITHDRAWN: "it had been withdrawn",
    State.EXPIRED: "it had expired",
    State.SETTLED_CANCELLED: "it had been settled by hand",
    State.SETTLED_NOT_CANCELLED: "it had been settled by hand",
}
_OF_ALL = {State.PENDING, State.APPROVED, State.SENDING, State.REJECTED, State.WITHDRAWN, State.EXPIRED}
"""The states whose words are true of all orders of a request."""
_DELIVERIES = {
    DeliveryKind.CARD: "the card",
    DeliveryKind.CARD_UPDATE: "an update of the card",
    DeliveryKind.REPLY: "the message in the thread",
    DeliveryKind.DIRECT_MESSAGE: "the direct message",
    DeliveryKind.RECEIPT: "the receipt",
    DeliveryKind.RECEIPT_UPDATE: "an update of the receipt",
    DeliveryKind.DIGEST: "the digest",
    DeliveryKind.ANNOUNCEMENT: "the message about a freeze",
    DeliveryKind.EVIDENCE: "the evidence",
    DeliveryKind.COPIES: "the look for copies",
}


def asked_for(query: str) -> list[Element]:
    """Return the filters as they were typed, with people under their names."""
    parts: list[list[Element]] = []
    for word in query.split()[:_SHOWN_FILTERS]:
        mention = re.fullmatch(MENTION, word)
        parts.append([person(mention[1])] if mention else [words(cut(word, _SHOWN))])
    return [words(" for "), *listed(parts, " ")] if parts else []


def _button(which: str, label: str, button: PageButton) -> Element:
    return {"type": "button", "action_id": f"{PAGE}:{which}", "text": plain(label), "value": button.encode()}
