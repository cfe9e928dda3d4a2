"""The card: the approval message, as it must look in each state."""

from bot.domain.cancellation import Cancellation, Earlier, State
from bot.domain.policy import Act
from bot.slack.views import freezes, outcomes
from bot.slack.views.presentation import NO_SETTINGS, Presentation
from bot.slack.views.text import (
    Element,
    Message,
    bounded,
    cut,
    cut_to_weight,
    escape,
    lines,
    link,
    listed,
    mistakable,
    moment,
    mrkdwn,
    mrkdwn_moment,
    name_of,
    person,
    plain,
    quote,
    quoted,
    sentence,
    weight,
    words,
)

_SHOWN_ORDER = 150
"""Characters in a dialog, where Slack has room for 300 in all; the card itself shows the whole id."""
_REJECTION_WEIGHT = 1500
"""So much of a rejection's reason is on the card; the message in its thread has all of it."""
_FITTING_WEIGHT = 7000
"""So much of a message is for order id and reason: 3,000 letters each, and some line breaks and signs among them."""
_SHOWN_WORDS = 300
_SHOWN_IN_TEXT = 200
_EARLIER = "An earlier request for this order ended"


_STOPPED_BY_A_FREEZE = {State.PENDING, State.APPROVED}
_DECIDE = "decide "
SETTLE_CANCELLED, SETTLE_NOT_CANCELLED = "settle_cancelled", "settle_not_cancelled"
"""The action ids of the buttons for people who looked an unknown outcome up at the gateway."""


def heading(cancellation: Cancellation) -> str:
    """Return the card's first line, without its sign."""
    return _words(cancellation).title


def card(cancellation: Cancellation, presentation: Presentation = NO_SETTINGS) -> Message:
    """Return the card for this state. Buttons that can do nothing are not there.

    It shows every character of the order id and of the reason: nobody approves text that they could not read. While it
    waits, it mentions those who can approve; Slack notifies them of a new card, and of no update.
    """
    rejection, settlement = cancellation.rejection, cancellation.settlement
    rows: list[list[Element]] = [
        [words(_words(cancellation).heading, bold=True)],
        [words("Order "), words(cancellation.order_id, code=True)],
        [words("Requested by "), person(cancellation.requester), words(", "), moment(cancellation.requested_at)],
        _approvals(cancellation),
    ]
    if cancellation.state is State.PENDING:
        whom = presentation.still_needed(cancellation)
        rows.append([words("To decide: "), *whom] if whom else [])
        rows.append([words("Expires "), moment(cancellation.expires_at)])
    if cancellation.earlier is not None:
        how = f": {_how(cancellation.earlier)}."
        rows.append([words(f"⚠️ {_EARLIER} "), moment(cancellation.earlier.at), words(how)])
    if rejection is not None:
        rows.append([words("Rejected by "), person(rejection.approver), words(", "), moment(rejection.at)])
    if settlement is not None:
        rows.append([words("Settled by "), person(settlement.approver), words(", "), moment(settlement.at)])
    if cancellation.freeze is not None and cancellation.state in _STOPPED_BY_A_FREEZE:
        rows.append(freezes.banner(cancellation.freeze))
    if alike := _alike(cancellation):
        rows.append([words(f"⚠️ {alike}")])
    rows.append(_progress(cancellation))
    blocks = [lines(*rows)]
    if cancellation.reason:
        blocks.append(quote(cancellation.reason))
    if rejection is not None and rejection.reason:
        blocks += [
            lines([words("Reason for the rejection:")]),
            quote(cut_to_weight(rejection.reason, _REJECTION_WEIGHT)),
        ]
    if settlement is not None:
        finding = cut_to_weight(settlement.reason, _REJECTION_WEIGHT)
        blocks += [lines([words("How they know:")]), quote(finding)]
    if buttons := _buttons(cancellation):
        # Slack sends it back with a click: so a click tells which state the person saw.
        blocks.append({"type": "actions", "block_id": f"{_DECIDE}{cancellation.version}", "elements": buttons})
    return Message(bounded(_text(cancellation, presentation)), blocks)


def version_seen(block_id: str) -> str:
    """Return the version of the cancellation that a clicked card showed; empty for cards without one."""
    return block_id.removeprefix(_DECIDE)


def fits(order_id: str, reason: str) -> bool:
    """Return True where a card can show all of this: nobody approves text that they could not read."""
    return weight(order_id) + weight(reason) <= _FITTING_WEIGHT


def copy(cancellation: Cancellation) -> Message:
    """Return the words for a second card of the same request, which has no buttons."""
    way = link(cancellation.card_link, "Open the card")
    row = [words("This is a copy of the card for order "), words(cancellation.order_id, code=True), words(". "), *way]
    text = f"This is a copy of the card for order {escape(cancellation.order_id)}. {cancellation.card_link}"
    return Message(text.strip(), [lines(row)])


def _words(cancellation: Cancellation) -> outcomes.Words:
    answer = cancellation.last_answer
    return outcomes.words(cancellation.state, answer.reason if answer else None)


def _text(cancellation: Cancellation, presentation: Presentation) -> str:
    """Return the card in a few sentences, because screen readers and notifications read only this."""
    order = escape(cut(cancellation.order_id, _SHOWN_ORDER))
    reason = escape(quoted(cancellation.reason, _SHOWN_IN_TEXT))
    why = f": {reason}" if reason else ""
    if cancellation.state is State.PENDING:
        # If all are there and it still waits, Slack has not said yet who of them may approve.
        missing = max(cancellation.approvals_required - len(cancellation.approvers), 1)
        needed = f"{missing} more {'approval is' if missing == 1 else 'approvals are'} needed"
        if whom := mrkdwn(presentation.still_needed(cancellation)):
            needed += f" from {whom}"
        expires = mrkdwn_moment(cancellation.expires_at)
        asks = f"<@{cancellation.requester}> asks to cancel order {order}{why}. {needed}. Expires {expires}."
        if cancellation.earlier is not None:
            asks += f" {_EARLIER} {mrkdwn_moment(cancellation.earlier.at)}: {_how(cancellation.earlier)}."
        return " ".join(filter(None, [asks, _frozen(cancellation), escape(_alike(cancellation))]))
    found, answer = _words(cancellation), cancellation.last_answer
    said = [
        _frozen(cancellation),
        f"{found.heading}.",
        f"<@{cancellation.requester}> asked to cancel order {order}{why}.",
        found.explanation,
    ]
    if answer and cancellation.state is not State.CANCELLED and (detail := outcomes.said(answer)):
        said.append(f"Detail: {sentence(escape(cut(detail, _SHOWN_WORDS)))}")
    for decision, act in ((cancellation.rejection, "Rejected"), (cancellation.settlement, "Settled")):
        if decision is not None:
            words_of_theirs = escape(quoted(decision.reason, _SHOWN_IN_TEXT))
            said.append(f"{act} by <@{decision.approver}>: {words_of_theirs}.")
    return " ".join(filter(None, said))


def _frozen(cancellation: Cancellation) -> str:
    """Return in mrkdwn that everything is frozen, where that concerns this request."""
    if cancellation.freeze is None or cancellation.state not in _STOPPED_BY_A_FREEZE:
        return ""
    return escape(freezes.in_force(cancellation.freeze))


def _alike(cancellation: Cancellation) -> str:
    """Return a warning where the order ID is not what it looks like, as long as somebody has to decide."""
    alike = mistakable(cancellation.order_id)
    if alike is None or cancellation.state is not State.PENDING:
        return ""
    return f"The order ID contains “{alike}” ({name_of(alike)}), which is easily mistaken or overlooked."


def _how(earlier: Earlier) -> str:
    """Return as a clause how an earlier request for this order ended."""
    match earlier.state:
        case State.SETTLED_CANCELLED:
            return "an approver stated that the order is cancelled, and the gateway has not confirmed it"
        case State.SETTLED_NOT_CANCELLED:
            return "an approver stated that the order is not cancelled, and the gateway has not confirmed it"
        case _:
            return "the gateway confirmed that the order is cancelled"


def _approvals(cancellation: Cancellation) -> list[Element]:
    approvers, needed = cancellation.approvers, cancellation.approvals_required
    if not approvers and cancellation.state is not State.PENDING:
        return []
    count = words(f"{len(approvers)} of {needed} {'approval' if needed == 1 else 'approvals'}")
    return [count, words(": "), *listed([[person(each)] for each in approvers])] if approvers else [count]


def _progress(cancellation: Cancellation) -> list[Element]:
    answer = cancellation.last_answer
    said = cut(outcomes.said(answer), _SHOWN_WORDS) if answer else ""
    match cancellation.state:
        case State.APPROVED if cancellation.attempts and cancellation.due_at:
            why = f": {said}" if said else ""
            return [
                words(
                    f"{sentence(f'Not confirmed yet after {_attempts(cancellation.attempts)}{why}')} I ask again at "
                ),
                moment(cancellation.due_at, "{time_secs}"),
                words("."),
            ]
        case State.SENDING if cancellation.attempts > 1:
            return [words(f"Attempt {cancellation.attempts} is under way.")]
        case State.PENDING | State.APPROVED | State.SENDING:
            return []
        case State.FAILED | State.UNKNOWN:
            row = [words("Last attempt "), moment(cancellation.changed_at), *([words(f": {said}")] if said else [])]
            return row + _retry_until(cancellation)
        case State.REFUSED:
            return [words("Ended "), moment(cancellation.changed_at), *([words(f": {said}")] if said else [])]
        case _:
            return [words("Ended "), moment(cancellation.changed_at)]


def _retry_until(cancellation: Cancellation) -> list[Element]:
    """Return until when Retry works, and what to do after that."""
    if cancellation.retry_until is None:
        return []
    after = "settle it by hand" if cancellation.state is State.UNKNOWN else "ask again with /cancel-order"
    return [
        words("\nAn approver who is not the requester can press Retry until "),
        moment(cancellation.retry_until),
        words(f". After that, {after}."),
    ]


def _attempts(count: int) -> str:
    return "one attempt" if count == 1 else f"{count} attempts"


def _buttons(cancellation: Cancellation) -> list[Element]:
    order = cut(cancellation.order_id, _SHOWN_ORDER)
    if cancellation.state is State.PENDING:
        approve = _confirm("Cancel this order?", _approving(cancellation, order), "Approve")
        withdraw = _confirm(
            "Withdraw this request?",
            f"Order {order} will not be cancelled. Only the requester can withdraw it.",
            "Withdraw",
        )
        return [
            _button(cancellation, Act.APPROVE, "Approve", "primary", approve),
            _button(cancellation, Act.REJECT, "Reject", "danger"),
            _button(cancellation, Act.WITHDRAW, "Withdraw", None, withdraw),
        ]
    if cancellation.state.may_retry:
        retry = _confirm(
            "Ask the gateway again?",
            f"The same cancellation of order {order} is sent once more. This is safe: an order that is already "
            "cancelled stays cancelled.",
            "Retry",
        )
        found = [
            _button(cancellation, SETTLE_CANCELLED, "It is cancelled", None),
            _button(cancellation, SETTLE_NOT_CANCELLED, "It is not cancelled", None),
        ]
        settle = found if cancellation.state is State.UNKNOWN else []
        return [_button(cancellation, Act.RETRY, "Retry", "primary", retry), *settle]
    return []


def _approving(cancellation: Cancellation, order: str) -> str:
    """Return what the next approval does."""
    number, needed = len(cancellation.approvers) + 1, cancellation.approvals_required
    final = "A cancelled order can't be restored."
    if number < needed:
        return f"This is approval {number} of {needed}. Order {order} is cancelled after the last one. {final}"
    return f"Order {order} is cancelled at the payment gateway now. {final}"


def _button(
    cancellation: Cancellation, action: str, label: str, style: str | None, confirm: Element | None = None
) -> Element:
    # The value is the id only: what was approved is what the database holds.
    button: Element = {"type": "button", "action_id": str(action), "text": plain(label), "value": cancellation.id}
    if style:
        button["style"] = style
    if confirm:
        button["confirm"] = confirm
    return button


def _confirm(title: str, text: str, yes: str) -> Element:
    return {"title": plain(title), "text": plain(cut(text, 300)), "confirm": plain(yes), "deny": plain("Go back")}
