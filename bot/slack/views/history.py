"""The part of a card that says who did what, and when."""

from collections.abc import Mapping
from itertools import groupby

from bot.domain.audit import BOT
from bot.domain.events import (
    Approved,
    Escalated,
    Hurried,
    Rejected,
    Requested,
    Retried,
    SetBack,
    SettledCancelled,
    SettledNotCancelled,
    StoppedTrying,
    Voted,
    Withdrawn,
)
from bot.domain.request import Request, Step
from bot.slack.views.orders import Room
from bot.slack.views.text import Element, cut, moment, person, words

_SHOWN_ORDER = 150
_MOST_STEPS = {room: 10 if room < Room.LEAST else 1 for room in Room}
"""Rows of the history, for which the message has room beside everything else."""

_STEPS: Mapping[str, str] = {
    Requested.kind: "Requested by",
    Voted.kind: "Approved by",
    Approved.kind: "Approved by",
    Rejected.kind: "Rejected by",
    Withdrawn.kind: "Withdrawn by",
    Retried.kind: "Retried by",
    Hurried.kind: "Try now pressed by",
    StoppedTrying.kind: "Stopped by",
    SettledCancelled.kind: "Settled by hand as cancelled by",
    SettledNotCancelled.kind: "Settled by hand as not cancelled by",
}
_BY_THE_BOT: Mapping[str, str] = {
    Escalated.kind: "Escalated",
    SetBack.kind: "I may have gone on with an older copy of my database",
    Voted.kind: "Approvals counted again",
    Approved.kind: "Enough approvals by the settings of today",
}


def history(request: Request, room: Room) -> list[list[Element]]:
    """Return who did what, each with its time. Where it is long, the middle of it is left out."""
    clicks = [[step] for step in request.history]
    if request.several:
        # One click may be about many orders, each with an event of its own.
        by_click = groupby(request.history, lambda step: (step.kind, step.person, step.at))
        clicks = [list(steps) for _, steps in by_click]
    left_out = len(clicks) - _MOST_STEPS[room]
    rows = [_click(request, steps) for steps in clicks]
    if left_out > 0:
        only = request.order_ids[0]
        # Of several orders, a look-up has what is about the one that it names.
        whole = not request.several and len(only) <= _SHOWN_ORDER
        where = f"see /cancel-audit order:{only}" if whole else "type /cancel-audit with the order's ID to see them"
        more = f"… {left_out} more: {where}"
        rows = [rows[0], [words(more)], *rows[left_out + 1 :]]
    return rows


def _click(request: Request, steps: list[Step]) -> list[Element]:
    step = steps[0]
    if step.person == BOT:
        return [words(f"{_BY_THE_BOT[step.kind]}, "), moment(step.at)]
    row = [words(f"{_STEPS[step.kind]} "), person(step.person), words(", "), moment(step.at)]
    if request.several and step.order_id:
        row.append(
            words(f" ({len(steps)} orders)" if len(steps) > 1 else f" (order {cut(step.order_id, _SHOWN_ORDER)})")
        )
    return [*row, words(" (no longer counts)")] if step.voided else row
