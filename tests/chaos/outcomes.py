"""The judgement on what the gateway's answers were taken for: the record, played again without the bot's own rules."""

from collections import defaultdict
from collections.abc import Callable, Iterator

from bot.domain.attempt import Answer, Outcome, Reason
from bot.domain.audit import Event
from bot.domain.events import (
    Cancelled,
    Content,
    Failed,
    Refused,
    Repeating,
    SettledCancelled,
    SettledNotCancelled,
    Unknown,
)

_SAYS_HOW_IT_STANDS = {Reason.COMPLETED, Reason.ALREADY_REFUNDED, Reason.PARTLY_REFUNDED}
"""Refusals that no request of ours can have caused."""

OfRequest = tuple[str, str]
"""A request's id, and one of its orders."""


class Outcomes:
    """The steps that the answers by now allow. ``wrong`` is called with each other step.

    Each order of a request stands for itself. An earlier attempt that may have cancelled it is one of the same request,
    or one of a request that a person has settled by hand: after that nobody asks the gateway for the first one again.
    Other requests for the order say nothing about this one.
    """

    def __init__(self, wrong: Callable[[str], None]) -> None:
        self._wrong = wrong
        self._unclear: set[OfRequest] = set()
        """The orders with an attempt whose answer is not clear."""
        self._settled: defaultdict[str, set[OfRequest]] = defaultdict(set)
        """For each order, the requests that count as settled by hand."""
        self.by_repeat: set[OfRequest] = set()
        """The orders that are called cancelled because a repeat found them cancelled."""

    def judge(self, events: list[Event]) -> None:
        """Follow the record from its first event to its last one."""
        for event in events:
            for wrong in self._follow(event, event.content):
                self._wrong(f"{event.order_id}: {event.kind}, but {wrong}")

    def _follow(self, event: Event, content: Content) -> Iterator[str]:
        about, settled = (event.request, event.order_id), self._settled[event.order_id]
        match content:
            case Repeating() | Cancelled() | Refused() | Failed() | Unknown():
                unclear = not self._unclear.isdisjoint({about, *settled})
                yield from self._answered(about, content, content.answer, unclear=unclear)
                if content.answer.outcome is Outcome.UNKNOWN:
                    self._unclear.add(about)
                settled.discard(about)
            case SettledCancelled() | SettledNotCancelled():
                settled.add(about)

    def _answered(self, about: OfRequest, content: Content, answer: Answer, *, unclear: bool) -> Iterator[str]:
        """Yield what is wrong with a step after this answer; ``unclear``: an earlier attempt may have cancelled."""
        may_be_our_echo = answer.outcome is Outcome.REFUSED and answer.reason not in _SAYS_HOW_IT_STANDS and unclear
        is_cancelled = answer.outcome is Outcome.REFUSED and answer.reason is Reason.ALREADY_CANCELLED
        match content:
            case Cancelled(confirmed_by_repeat=True):
                self.by_repeat.add(about)
                if not (is_cancelled and unclear):
                    yield f"no unclear answer came before the answer {answer}"
            case Cancelled() if answer.outcome is not Outcome.CANCELLED:
                yield f"the answer is no confirmation: {answer}"
            case Refused() if answer.outcome is not Outcome.REFUSED or may_be_our_echo:
                yield f"an earlier attempt may have cancelled it, or the answer is no refusal: {answer}"
            case Failed() if answer.outcome is not Outcome.NOT_SENT or unclear:
                yield f"an attempt may have cancelled it: {answer}"
            case Repeating() if answer.outcome not in {Outcome.NOT_SENT, Outcome.UNKNOWN}:
                yield f"the answer is final: {answer}"
            case Unknown() if answer.outcome is not Outcome.UNKNOWN:
                if not unclear or answer.outcome is Outcome.CANCELLED or is_cancelled:
                    yield f"every answer was clear: {answer}"
                elif answer.outcome is Outcome.REFUSED and not may_be_our_echo:
                    yield f"this refusal says how the order stands: {answer}"
