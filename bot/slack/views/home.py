"""The Home tab: what waits for a person, their own requests, and the latest ones that they may read."""

import json
from collections.abc import Sequence
from dataclasses import replace

from bot.domain.cancellation import State
from bot.domain.policy import Membership
from bot.domain.request import Request
from bot.slack.commands import CANCEL_AUDIT
from bot.slack.views import buttons, card, freezes, orders, outcomes
from bot.slack.views.modals import View
from bot.slack.views.presentation import NO_SETTINGS, Presentation
from bot.slack.views.text import OPERATOR, Block, Element, lines, link, moment, person, plain, quoted, words
from bot.workflow import HomeTab

_MOST = 10
"""Requests in one section; a person has no use for a longer list."""
_MOST_BLOCKS = 90
"""Slack takes a hundred, and the end of the tab needs some."""
_BLOCKS_OF_OTHERS = 25
"""So many are kept for what comes below the requests that wait for a decision."""
_BLOCKS_OF_UNKNOWN = 20
"""So many are kept for orders whose outcome is unknown: nobody may be able to settle them anywhere else."""
_MOST_BYTES = 150_000
"""Slack takes 250 kB, and nobody knows how it counts them."""
_BYTES_OF_UNKNOWN = 50_000
_SHOWN_REASON = 100


def home(found: HomeTab, presentation: Presentation = NO_SETTINGS) -> View:
    """Return a person's Home tab."""
    blocks = [lines(freezes.of_everything(found.freeze))] if found.freeze is not None else []
    blocks += _new_request(found)
    if _is_unchecked(found):
        blocks.append(lines([words(_UNCHECKED)]))
    if found.waiting is not None:
        more = (
            f"To see all of them, type “{CANCEL_AUDIT} pending”." if found.reads_all else "Decide them on their cards."
        )
        blocks += _section(
            "Waiting for you",
            [_to_decide(each.as_of(found.at, found.freeze), presentation) for each in found.waiting[:_MOST]],
            len(found.waiting),
            more,
            "Nothing waits for your decision.",
            room=_MOST_BLOCKS - _BLOCKS_OF_OTHERS - (_BLOCKS_OF_UNKNOWN if found.unknown else 0),
            size=_MOST_BYTES - (_BYTES_OF_UNKNOWN if found.unknown else 0),
        )
    if found.unknown:
        blocks += _section(
            "Outcome not known",
            [_to_decide(each.as_of(found.at, found.freeze), presentation) for each in found.unknown[:_MOST]],
            len(found.unknown),
            f"To see all of them, type “{CANCEL_AUDIT} unknown”." if found.reads_all else "Settle them on their cards.",
            "",
            room=_MOST_BLOCKS - _BLOCKS_OF_OTHERS - len(blocks),
            size=_BYTES_OF_UNKNOWN,
        )
    more = f"To see all of them, type “{CANCEL_AUDIT} me”."
    own = [_own(each.as_of(found.at, found.freeze)) for each in found.own[:_MOST]]
    room = _MOST_BLOCKS - len(blocks)
    blocks += _section("Yours", own, len(found.own), more, "You have no open request.", room=room)
    # An order of somebody else's may wait for the gateway as well.
    latest = [_ended(each.as_of(found.at, found.freeze)) for each in found.lately]
    blocks += [_heading("Lately"), lines(*latest) if latest else lines([words("Nothing yet.")])]
    return {"type": "home", "blocks": blocks}


def no_access() -> View:
    """Return the Home tab of somebody of another company."""
    said = "This app is for people of the company that runs it. There is nothing here for you to see."
    return {"type": "home", "blocks": [lines([words(said)])]}


_UNCHECKED = (
    "I couldn't check with Slack which user groups you are in, so something may be missing here. "
    f"Open this tab again in a minute. If it happens again, tell {OPERATOR}."
)


def _is_unchecked(found: HomeTab) -> bool:
    """Return True where Slack did not say whether this person may see more."""
    actor, unchecked = found.actor, Membership.UNCHECKED
    decides = found.waiting is None and unchecked in {actor.approver, actor.escalation}
    return decides or (actor.auditor is unchecked and not found.reads_all)


def _heading(text: str) -> Block:
    return {"type": "header", "text": plain(text)}


def _new_request(found: HomeTab) -> list[Block]:
    if found.actor.requester is Membership.OUTSIDER:
        return []
    ask: Element = {"type": "button", "action_id": buttons.NEW_REQUEST, "text": plain("New request")}
    return [{"type": "actions", "block_id": buttons.NEW_REQUEST, "elements": [ask]}]


def _section(
    title: str, items: Sequence[list[Block]], count: int, more: str, nothing: str, *, room: int, size: int = 0
) -> list[Block]:
    """Return the heading with as many of the items as there is room for, and how many there are beside them.

    ``room`` is in blocks, and ``size`` in bytes.
    """
    blocks = [_heading(title)]
    shown = 0
    for item in items:
        longer = [*blocks, *([{"type": "divider"}] if shown else []), *item]
        if len(longer) + 1 > room or len(json.dumps(longer)) > (size or _MOST_BYTES):
            break
        blocks = longer
        shown += 1
    if not count:
        blocks.append(lines([words(nothing)]))
    elif left := count - shown:
        others = " more" if shown else ""
        blocks.append(lines([words(f"{left}{others} {'is' if left == 1 else 'are'} not shown here. {more}")]))
    return blocks


def _to_decide(request: Request, presentation: Presentation) -> list[Block]:
    """Return a request with all that its card says, because somebody decides or settles it by what they read here.

    The freeze is at the beginning of the tab.
    """
    # The others who may decide are no news to this person.
    shown = card.card(request, replace(presentation, mentions=False, shows_freeze=False)).blocks
    return [
        *(block for block in shown if block["type"] != "actions"),
        buttons.on_home(request),
    ]


def _own(request: Request) -> list[Block]:
    rows = [_about(request)]
    if request.state is State.PENDING:
        needed = request.approvals_required
        votes = f"{len(request.approvers)} of {needed} {'approval' if needed == 1 else 'approvals'}. Expires "
        rows.append([words(votes), moment(request.expires_at)])
    rows.append(orders.unknown_past(request))
    elements = [*buttons.of_requester(request), *buttons.open_card(request)]
    block_id = f"{buttons.OWN}{request.version} {request.id}"
    block: Block = {"type": "actions", "block_id": block_id, "elements": elements}
    return [lines(*rows), *([block] if elements else [])]


def _ended(request: Request) -> list[Element]:
    asked = [words(" · asked by "), person(request.requester), words(", "), moment(request.requested_at)]
    way = link(request.card_link, "card")
    doubt = [words(f" · {outcomes.IN_OLDER_COPY}")] if request.may_have_had_effect else []
    return [*_about(request), *asked, *doubt, *([words(" · "), *way] if way else [])]


def _about(request: Request) -> list[Element]:
    waits = request.state is State.PENDING
    heading = "⏳ Waiting for approval" if waits else orders.words_for(request).heading
    reason = quoted(request.reason, _SHOWN_REASON)
    sign = " · " if orders.differ(request) else ": "  # the heading of several orders has a colon already
    return [*orders.headed(heading, request), *([words(f"{sign}{reason}")] if reason else [])]
