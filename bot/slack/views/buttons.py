"""The buttons of the card, its menu, and the dialogs that say what a click does."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC

from bot.domain import policy
from bot.domain.cancellation import Cancellation, State
from bot.domain.policy import Act
from bot.domain.request import Request
from bot.slack.views import orders
from bot.slack.views.text import Element, cut, plain

_SHOWN_ORDER = 150
"""Characters in a dialog, where Slack has room for 300 in all; the card itself shows the whole id."""
_SHOWN_ORDER_WITH_MORE = 80
DECIDE, OWN, ON_RECEIPT = "decide ", "own ", "receipt "
"""The beginnings of block ids: of a card or an approver's Home tab, of a requester's Home tab, and of a receipt."""
MENU = "more"
"""The action id of the menu. The value of each option is the name of an act and the request's id."""
OPEN_CARD, NEW_REQUEST = "open_card", "new_request"
"""The action ids of buttons on the Home tab. Slack follows a link by itself, and tells the bot of the click as well."""
SETTLE_CANCELLED, SETTLE_NOT_CANCELLED = "settle_cancelled", "settle_not_cancelled"
"""The names of the acts of people who looked an unknown outcome up at the gateway."""


def actions(request: Request) -> list[Element]:
    """Return the block of buttons for this state, or nothing: buttons that can do nothing are not there."""
    elements = _buttons(request)
    # Slack sends the block's id back with a click: so a click tells which state the person saw, and what was asked.
    seen = f"{DECIDE}{request.version} {_promised(request)}"
    block: Element = {"type": "actions", "block_id": seen, "elements": elements}
    return [block] if elements else []


def on_home(request: Request) -> Element:
    """Return the block of buttons for a request on an approver's Home tab, where Slack wants each id once.

    Only the requester can withdraw a pending one, so its menu is left out.
    """
    elements = _buttons(request)[: 2 if request.state is State.PENDING else None]
    seen = f"{DECIDE}{request.version} {_promised(request)} {request.id}"
    return {"type": "actions", "block_id": seen, "elements": [*elements, *open_card(request)]}


def of_requester(request: Request) -> list[Element]:
    """Return the buttons that a requester has outside the card, where nobody else sees them: to take it back or stop.

    People ask in channels of which they cannot read the cards.
    """
    if request.state is State.PENDING:
        order = orders.phrase(request, _SHOWN_ORDER)
        confirm = dialog("Withdraw this request?", _withdrawing(request, order), "Withdraw")
        return [button(request, Act.WITHDRAW, "Withdraw", None, confirm)]
    if between_attempts(request):
        return [button(request, Act.STOP, "Stop trying", None, _stopping(request, own=True))]
    return []


def open_card(request: Request) -> list[Element]:
    """Return the button that leads to the card, or nothing while that is not posted."""
    if not request.card_link:
        return []
    return [{"type": "button", "action_id": OPEN_CARD, "text": plain("Open"), "url": request.card_link}]


def version_seen(block_id: str) -> int:
    """Return the version of the request that a clicked message or Home tab showed; 0 where it says none.

    In each block's id it is the second word.
    """
    return version(block_id.partition(" ")[2].partition(" ")[0])


def version(shown: str) -> int:
    """Return the version that these characters stand for; 0, which no request has, for anything else."""
    return int(shown) if re.fullmatch("[0-9]{1,18}", shown) else 0


def promise_seen(block_id: str) -> int:
    """Return what the question of the clicked message promised, or 0.

    For Approve it is how many approvals are waited for. For Retry each bit is an order that it named, by its place.
    """
    _, _, promised = block_id.removeprefix(DECIDE).partition(" ")
    number = promised.partition(" ")[0]
    return int(number) if re.fullmatch("[0-9]{1,18}", number) else 0


def _promised(request: Request) -> int:
    """Return the same for the questions that are asked now."""
    if request.state is State.PENDING:
        return approvals_promised(request)
    named = {each.number for each in offered_for_retry(request)}
    return sum(1 << place for place, each in enumerate(request.cancellations) if each.number in named)


def approvals_promised(request: Request) -> int:
    """Return how many approvals the dialog promises to wait for, or 0 where it says that this one cancels the order."""
    needed = request.approvals_required
    return needed if request.state is State.PENDING and len(request.approvers) + 1 < needed else 0


def between_attempts(request: Request) -> bool:
    """Return True where the next attempt is awaited and people may act.

    Of several orders, one is enough.
    """
    return bool(_between_attempts(request))


def which_wait(request: Request, *, tried: bool = False) -> str:
    """Return for a sentence the orders of which that is true: "it" for the only one, and nothing where there are none.

    ``tried`` leaves out those for which the first call is awaited.
    """
    found = [each for each in _between_attempts(request) if each.attempts or not tried]
    named = orders.some(request, found, _SHOWN_ORDER) if request.several else "it"
    return named if found else ""


def _between_attempts(request: Request) -> list[Cancellation]:
    return [each for each in request.cancellations if request.waits_for_people_too(each)]


def _buttons(request: Request) -> list[Element]:
    order = orders.phrase(request, _SHOWN_ORDER)
    if request.state is State.PENDING:
        these = "these orders" if request.several else "this order"
        approve = dialog(f"Cancel {these}?", _approving(request, order), "Approve")
        withdraw = dialog(
            "Withdraw this request?",
            f"{_withdrawing(request, order)} Only the requester can withdraw it.",
            "Withdraw",
        )
        return [
            button(request, Act.APPROVE, "Approve", "primary", approve),
            button(request, Act.REJECT, "Reject", "danger"),
            _menu(request, {Act.WITHDRAW: "Withdraw"}, withdraw),
        ]
    if waiting := _between_attempts(request):
        hurry = request.freeze is None and any(each.attempts for each in waiting)
        try_now = [button(request, Act.TRY_NOW, "Try now", "primary")] if hurry else []
        return [*try_now, _menu(request, {Act.STOP: "Stop trying"}, _stopping(request))]
    again = offered_for_retry(request)
    unknown = any(each.state is State.UNKNOWN for each in request.cancellations)
    if (again or unknown) and not request.under_way:
        retry = dialog(
            "Ask the gateway again?",
            f"The same cancellation of {orders.some(request, again, _SHOWN_ORDER_WITH_MORE)} is sent once more. "
            f"{_sending_again(request, again)}",
            "Retry",
        )
        found = {
            SETTLE_CANCELLED: "Settle by hand: it is cancelled",
            SETTLE_NOT_CANCELLED: "Settle by hand: it is not cancelled",
        }
        retrying = [button(request, Act.RETRY, "Retry", "primary", retry)] if again else []
        return [*retrying, *([_menu(request, found)] if unknown else [])]
    return []


def _sending_again(request: Request, again: list[Cancellation]) -> str:
    """Return what Retry does: it cancels what is certainly not cancelled, also where somebody had stopped that."""
    safe = "An order that is already cancelled stays cancelled."
    certain = [each for each in again if each.state is State.FAILED and not request.set_back]
    if not certain:
        return f"This is safe. {safe}"
    stopped = [each for each in certain if each.stopped_by]
    which = orders.some(request, certain, _SHOWN_ORDER_WITH_MORE) if len(again) > 1 else "it"
    it = "them" if len(certain) > 1 else "it"
    is_not = f"This request has not cancelled {which} so far: this cancels "
    by_people = "" if not stopped else f", though somebody stopped {it if len(stopped) == len(certain) else 'some'}"
    return f"{is_not}{it}{by_people}.{f' {safe}' if len(certain) < len(again) else ''}"


def offered_for_retry(request: Request) -> list[Cancellation]:
    """Return the orders that the card's Retry button is for; none while orders are under way or all is frozen."""
    return [] if request.under_way or request.freeze is not None else policy.retryable(request)


def _withdrawing(request: Request, order: str) -> str:
    """Return what Withdraw does, without a promise about a request of which nobody knows here what it has done."""
    if request.set_back:
        return f"The request ends. It may have cancelled {order}: I may have gone on with an older copy of my database."
    return f"The request ends, and it does not cancel {order}."


def _stopping(request: Request, *, own: bool = False) -> Element:
    """Return the question before Stop trying; ``own`` is true where only the requester can be asked."""
    waiting = _between_attempts(request)
    which = orders.some(request, waiting, _SHOWN_ORDER_WITH_MORE)
    outcome = "may have cancelled" if request.set_back else "does not cancel"
    stops = f"No further attempt is made. This request {outcome} {which}."
    if request.several:
        # Others may have come to wait before the click.
        stops = f"No further attempt is made for all orders that can be stopped then: now {which}."
    return dialog("Stop trying?", f"{stops} {_after_stopping(request, waiting, own=own)}", "Stop trying")


def _after_stopping(request: Request, waiting: list[Cancellation], *, own: bool) -> str:
    """Return who can stop these orders, and what can be done about them then: nobody retries what is taken back.

    The card may be older than the click on it, so it says until when.
    """
    them = "them" if request.several else "it"
    only_anew = f"only a new request can cancel {them}"
    stopped = tuple(replace(each, state=State.FAILED) for each in waiting)
    if own:
        return f"Then {only_anew}."
    if not policy.retryable(replace(request, cancellations=stopped)):
        return f"Only approvers and the requester can stop {them}. Then nobody can press Retry: {only_anew}."
    until = f" until {request.retry_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if request.retry_until else ""
    retry = f"Retry works{'' if request.freeze is None else ' after the freeze'}{until}"
    return f"If the requester stops {them}, {only_anew}. If an approver does, {retry}."


def _approving(request: Request, order: str) -> str:
    """Return what the next approval does.

    A click may come after a freeze that the card still shows, so the dialog always says what it does then.
    """
    if request.freeze is not None:
        order = orders.phrase(request, _SHOWN_ORDER_WITH_MORE)
        return f"While everything is frozen, this changes nothing. After that: {_approval(request, order)}"
    return _approval(request, order)


def _approval(request: Request, order: str) -> str:
    number, needed = len(request.approvers) + 1, request.approvals_required
    final = "A cancelled order can't be restored."
    if approvals_promised(request):
        are = "are" if request.several else "is"
        order = order[0].upper() + order[1:]
        # Others may approve before this click arrives.
        so_far = f"It needs {needed} approvals, and has {number - 1} so far."
        return f"{so_far} {order} {are} cancelled with the last one: yours, if others approve first. {final}"
    this = f"This is approval {number} of {needed}. It" if number == needed > 1 else "This"
    return f"{this} cancels {order} at the payment gateway now. {final}"


def button(request: Request, action: str, label: str, style: str | None, confirm: Element | None = None) -> Element:
    """Return a button about this request. The value is its id only: what counts is what the database holds."""
    found: Element = {"type": "button", "action_id": str(action), "text": plain(label), "value": request.id}
    if style:
        found["style"] = style
    if confirm:
        found["confirm"] = confirm
    return found


def _menu(request: Request, options: Mapping[str, str], confirm: Element | None = None) -> Element:
    """Return the menu of the acts that are not the main ones; its dialog is asked before each of them."""
    chosen = [
        {"text": plain(label), "value": f"{action} {request.id}"}  # at most 75 characters each
        for action, label in options.items()
    ]
    menu: Element = {"type": "overflow", "action_id": MENU, "options": chosen}
    return menu | {"confirm": confirm} if confirm else menu


def dialog(title: str, text: str, yes: str) -> Element:
    """Return the question that Slack asks before a click counts."""
    return {"title": plain(title), "text": plain(cut(text, 300)), "confirm": plain(yes), "deny": plain("Go back")}
