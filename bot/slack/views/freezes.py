"""The texts about a freeze: who stopped everything, why, and how it goes on."""

from datetime import UTC, datetime

from bot.domain.audit import Event
from bot.domain.cancellation import State
from bot.domain.events import Frozen, Unfrozen
from bot.domain.freeze import Freeze
from bot.domain.policy import Verdict
from bot.domain.request import Request
from bot.slack.commands import CANCEL_ORDER
from bot.slack.views.text import (
    Element,
    Message,
    lines,
    moment,
    mrkdwn,
    no_person,
    person,
    quoted,
    theirs,
    words,
)

_SHOWN = 300
_WAY_OUT = f"An approver ends it with “{CANCEL_ORDER} unfreeze”."
_STANDS_STILL = (
    "No request is taken, no approval counts, nobody can press Retry, and the gateway is not asked. "
    "A call to the gateway that has begun still ends."
)
_OF_A_REQUEST = "No approval counts, and no call to the gateway begins."
_OF_AN_ENDED_ONE = "Until that is over, nobody can press Retry or ask again."
_WAITS = frozenset({State.PENDING, State.APPROVED})
_GOES_ON = frozenset({State.FAILED, State.UNKNOWN, State.EXPIRED, State.SETTLED_NOT_CANCELLED})
"""The ends after which people are told how it can go on: by Retry, or by asking again."""


def shown(request: Request) -> Freeze | None:
    """Return the freeze that a message about this request has to show: the one in force, if it forbids something."""
    freeze = request.freeze
    if freeze is None or not has_ended(request):
        return freeze
    return freeze if request.could_be_retried(freeze.at) else None


def shown_after(request: Request) -> Freeze | None:
    """Return the freeze that a message about the end of this request has to show: the one that forbids what it says."""
    return request.freeze if any(each.state in _GOES_ON for each in request.cancellations) else None


def banner(freeze: Freeze, *, ended: bool) -> list[Element]:
    """Return the line of a message about a request that waits, or that has ``ended``."""
    return _line(freeze, _OF_AN_ENDED_ONE if ended else _OF_A_REQUEST)


def of_everything(freeze: Freeze) -> list[Element]:
    """Return the line above all of somebody's requests."""
    return _line(freeze, _STANDS_STILL)


def _line(freeze: Freeze, what: str, later: str = "") -> list[Element]:
    """Return who stopped everything, since when and why, ``what`` stands still, and how that ends."""
    why = [words(f": {quoted(freeze.why, _SHOWN)}")] if freeze.why else []
    return [
        words("🧊 Everything is frozen by "),
        person(freeze.by),
        words(", since "),
        moment(freeze.at),
        *why,
        words(f". {what} {_WAY_OUT}{later}"),
    ]


def banners(request: Request) -> list[list[Element]]:
    """Return the line for the freeze that a message about this request has to show, or nothing."""
    freeze = shown(request)
    return [banner(freeze, ended=has_ended(request))] if freeze is not None else []


def has_ended(request: Request) -> bool:
    """Return True where nothing of the request waits for a decision or the gateway."""
    return not any(each.state in _WAITS for each in request.cancellations)


def in_force(freeze: Freeze) -> str:
    """Return what stands still, since when, by whom and why, as plain text."""
    by = no_person(freeze.by) or theirs(freeze.name) or freeze.by
    why = f": {theirs(quoted(freeze.why, _SHOWN))}" if freeze.why else ""
    return f"Everything is frozen by {by}, since {freeze.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC{why}."


def refused(freeze: Freeze) -> str:
    """Return why a request, an approval or a retry is not taken now."""
    return f"{in_force(freeze)} Nothing has changed. Try again when it is over. {_WAY_OUT}"


def announcement(event: Event) -> Message:
    """Return what everybody in a channel reads when a freeze begins or ends."""
    match event.content:
        case Frozen(why=why):
            freeze = Freeze(event.actor, datetime.fromisoformat(event.at), why)
            row = _line(freeze, _STANDS_STILL, " When it is over, I say so here, if I can still post here then.")
        case Unfrozen(due=due, later=later, enough=enough):
            # Slack may take it much later, so it says of which moment the counts are.
            counts = [
                _counted(due, "approved request", "due to go to the gateway"),
                _counted(later, "approved request", "waiting for the time of a next attempt"),
                _counted(enough, "other request", "with enough approvals if all of them count by the settings of then"),
            ]
            counted = ", ".join(filter(None, counts))
            row = [
                words("The freeze is over: "),
                person(event.actor),
                words(" has ended it. Requests are taken again, and approvals count."),
                *(
                    [words(" As of "), moment(datetime.fromisoformat(event.at)), words(f": {counted}.")]
                    if counted
                    else []
                ),
            ]
        case content:
            raise AssertionError(content)
    return Message(mrkdwn(row), [lines(row)])


def _counted(count: int, what: str, how: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'} {how}" if count else ""


def done(event: Event, channel: str) -> str:
    """Return to the person alone that their freeze began or ended, and where messages tell everybody else.

    ``channel`` is where they typed the command.
    """
    content = event.content
    assert isinstance(content, Frozen | Unfrozen)
    what = "everything is frozen" if isinstance(content, Frozen) else "the freeze is over"
    told = content.channels
    if not told:
        return f"Done: {what}. There is no channel in which I could say so: tell the others."
    here = "here and in the channels of the cards" if channel in told else "in the channels of the cards"
    return f"Done: {what}. I say so {here}, as far as I am in them without strangers."


def not_done(verdict: Verdict, freeze: Freeze | None) -> str:
    """Return to the person alone why a freeze did not begin or end."""
    match verdict:
        case Verdict.FROZEN if freeze is not None:
            return f"It was frozen already. {in_force(freeze)} {_WAY_OUT}"
        case Verdict.REPEATED:
            now = in_force(freeze) if freeze is not None else "Nothing is frozen now."
            return f"Slack has brought this command of yours before, so I have not carried it out again. {now}"
        case Verdict.NOT_FROZEN:
            return f"Nothing is frozen. An approver can stop everything with “{CANCEL_ORDER} freeze” and a reason."
        case Verdict.UNCHECKED:
            return (
                "I couldn't check with Slack whether you are an approver. Nothing has changed. Try again in a minute."
            )
        case _:
            return "Only approvers can stop everything or let it go on. Nothing has changed."
