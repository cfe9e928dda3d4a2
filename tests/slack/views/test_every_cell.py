"""One text for one cause: every state, cause and quorum, as card, receipt, thread result and direct message.

The tables here say what each cell must claim, independently of the views' own tables.
"""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

import pytest

from bot.domain import policy
from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.cancellation import OPEN, Choice, Decision, Earlier, State
from bot.domain.events import (
    Cancelled,
    Content,
    Expired,
    Failed,
    Refused,
    Rejected,
    SettledCancelled,
    SettledNotCancelled,
    StoppedTrying,
    Unknown,
    Withdrawn,
)
from bot.domain.policy import Act, Actor, Membership, Verdict
from bot.domain.request import Request, Step
from bot.domain.words import ERASED
from bot.slack.views import buttons, card, receipt, refusals, results
from tests.domain.examples import changed
from tests.slack.views.samples import AT, BOT, CANCELLATION, event_of, shown

ENDED_BY_AN_ANSWER = {State.CANCELLED, State.REFUSED, State.FAILED, State.UNKNOWN}
WAITING = "⏳ Waiting for approval"
STOP = Act.STOP
"""The cause of a failure that a person brought about."""
Cause: TypeAlias = Reason | Trouble | Act | None
CAUSES: tuple[Cause, ...] = (None, *Reason, *Trouble, STOP)
QUORUMS = [(0, 1), (1, 1), (0, 2), (1, 2), (2, 2)]
"""Approvals that were given, and approvals that are needed."""
CELLS = [
    (state, cause)
    for state, cause in itertools.product(State, CAUSES)
    # What stood in the way of the last attempt is a cause only where that attempt ended the request.
    if not isinstance(cause, Trouble) or state in ENDED_BY_AN_ANSWER
]
IDS = [f"{state}-{cause}" for state, cause in CELLS]

NOT_KNOWN = "⚠️ Not known whether the order is cancelled"
UNDER_WAY = "⏳ Approved: the gateway has not confirmed it yet"
HEADINGS: dict[State, str] = {
    State.PENDING: "❓ Cancel this order?",
    State.APPROVED: UNDER_WAY,
    State.SENDING: UNDER_WAY,
    State.CANCELLED: "✅ Cancelled",
    State.REFUSED: "⛔ The gateway refused",
    State.FAILED: "⚠️ Not cancelled by this request: the gateway says that it did not take it",
    State.UNKNOWN: NOT_KNOWN,
    State.REJECTED: "⛔ Rejected",
    State.WITHDRAWN: "↩️ Withdrawn",
    State.EXPIRED: "⌛ Expired: not enough approvals in time",
    State.SETTLED_CANCELLED: "📝 Settled by hand: cancelled",
    State.SETTLED_NOT_CANCELLED: "📝 Settled by hand: not cancelled",
}
"""The heading of each state, whatever an earlier attempt was told."""
NOT_REACHED = "⚠️ Not cancelled by this request: the gateway could not be reached"
NOT_SECURE = "⚠️ Not cancelled by this request: no secure connection to the gateway"
WRONG_SETTINGS = "⚠️ Not cancelled by this request: the bot's settings for the gateway are wrong"
NOT_SAID = "Slack has not said yet whether everybody who approved still may."
UNCHECKED = "⌛ Expired: I could not count the approvals in time"
TOO_MANY = "⚠️ Not cancelled by this request: too many calls to the gateway at once"
CHANGED = "⚠️ Not cancelled by this request: the bot's database was changed"
STOPPED = "✋ Stopped by a person: not cancelled by this request"
HEADINGS_BY_CAUSE: dict[tuple[State, Cause], str] = {
    (State.FAILED, STOP): STOPPED,
    (State.FAILED, Trouble.NAME_NOT_FOUND): NOT_REACHED,
    (State.FAILED, Trouble.NOT_CONNECTED): NOT_REACHED,
    (State.FAILED, Trouble.NO_CONNECTION_IN_TIME): NOT_REACHED,
    (State.FAILED, Trouble.PROXY): NOT_REACHED,
    (State.FAILED, Trouble.CERTIFICATE): NOT_SECURE,
    (State.FAILED, Trouble.TLS): NOT_SECURE,
    (State.FAILED, Trouble.UNFIT_CREDENTIAL): WRONG_SETTINGS,
    (State.FAILED, Trouble.BAD_ADDRESS): WRONG_SETTINGS,
    (State.FAILED, Trouble.NO_FREE_CONNECTION): TOO_MANY,
    (State.FAILED, Trouble.RECORD_CONTRADICTS): CHANGED,
    (State.REFUSED, Reason.COMPLETED): "⛔ Not cancelled: the order is completed or paid",
    (State.REFUSED, Reason.ALREADY_CANCELLED): "☑️ Already cancelled",
    (State.REFUSED, Reason.ALREADY_REFUNDED): "☑️ Already refunded",
    (State.REFUSED, Reason.PARTLY_REFUNDED): "⛔ Partly refunded",
    (State.REFUSED, Reason.NO_SUCH_ORDER): "⛔ Not cancelled by this request: no such order",
    (State.FAILED, Reason.CREDENTIALS): "⚠️ Not cancelled by this request: the gateway rejected the bot's credentials",
    (State.FAILED, Reason.CLOCK): "⚠️ Not cancelled by this request: the gateway did not accept the time of the request",
    (State.FAILED, Reason.TURNED_AWAY): "⚠️ Not cancelled by this request: the gateway turned the bot away",
    (State.REFUSED, Reason.EXPIRED): "⛔ Not cancelled by this request: the order has expired",
}
"""The causes on which people can act, or which they must not mistake."""

CLAIMS: dict[str, set[str]] = {
    "❓ Cancel this order?": {"nobody has decided"},
    UNDER_WAY: {"approved", "the outcome is open"},
    "✅ Cancelled": {"the order is cancelled"},
    "⛔ The gateway refused": {"the gateway refused"},
    "⛔ Not cancelled: the order is completed or paid": {
        "this request did not cancel it",
        "the order is completed or paid",
    },
    "☑️ Already cancelled": {"the order is cancelled"},
    "☑️ Already refunded": {"the order is refunded"},
    "⛔ Partly refunded": {"part of it is refunded"},
    "⛔ Not cancelled by this request: the order has expired": {"this request did not cancel it", "it has expired"},
    "⛔ Not cancelled by this request: no such order": {"this request did not cancel it", "there is no such order"},
    "⚠️ Not cancelled by this request: the gateway says that it did not take it": {
        "this request did not cancel it",
        "not taken",
    },
    "⚠️ Not cancelled by this request: the gateway rejected the bot's credentials": {
        "this request did not cancel it",
        "credentials",
    },
    "⚠️ Not cancelled by this request: the gateway did not accept the time of the request": {
        "this request did not cancel it",
        "clock",
    },
    "⚠️ Not cancelled by this request: the gateway turned the bot away": {
        "this request did not cancel it",
        "turned away",
    },
    STOPPED: {"this request did not cancel it", "a person stopped it"},
    NOT_REACHED: {"this request did not cancel it", "not reached"},
    NOT_SECURE: {"this request did not cancel it", "no secure connection"},
    WRONG_SETTINGS: {"this request did not cancel it", "wrong settings"},
    TOO_MANY: {"this request did not cancel it", "too many calls"},
    CHANGED: {"this request did not cancel it", "the database was changed"},
    NOT_KNOWN: {"the outcome is not known"},
    "⛔ Rejected": {"an approver said no"},
    "↩️ Withdrawn": {"the requester took it back"},
    "⌛ Expired: not enough approvals in time": {"too few approvals in time"},
    UNCHECKED: {"the approvals were not checked in time"},
    "📝 Settled by hand: cancelled": {"an approver states that it is cancelled"},
    "📝 Settled by hand: not cancelled": {"an approver states that it is not cancelled"},
}
"""What a reader takes from each heading."""
TRUE_IN_STATE: dict[State, set[str]] = {
    State.PENDING: {"nobody has decided"},
    State.APPROVED: {"approved", "the outcome is open"},
    State.SENDING: {"approved", "the outcome is open"},
    State.CANCELLED: {"approved", "the order is cancelled"},
    State.REFUSED: {"approved", "this request did not cancel it", "the gateway refused"},
    State.FAILED: {"approved", "this request did not cancel it"},
    State.UNKNOWN: {"approved", "the outcome is not known"},
    State.REJECTED: {"an approver said no"},
    State.WITHDRAWN: {"the requester took it back"},
    State.EXPIRED: {"too few approvals in time"},
    State.SETTLED_CANCELLED: {"approved", "an approver states that it is cancelled"},
    State.SETTLED_NOT_CANCELLED: {"approved", "an approver states that it is not cancelled"},
}
NOT_TAKEN = {"not taken"}
TRUE_FOR_CAUSE: dict[Cause, set[str]] = {
    None: NOT_TAKEN,
    **dict.fromkeys(Trouble, NOT_TAKEN),
    Trouble.NAME_NOT_FOUND: {"not reached"},
    Trouble.NOT_CONNECTED: {"not reached"},
    Trouble.NO_CONNECTION_IN_TIME: {"not reached"},
    Trouble.PROXY: {"not reached"},
    Trouble.CERTIFICATE: {"no secure connection"},
    Trouble.TLS: {"no secure connection"},
    Trouble.UNFIT_CREDENTIAL: {"wrong settings"},
    Trouble.BAD_ADDRESS: {"wrong settings"},
    Trouble.NO_FREE_CONNECTION: {"too many calls"},
    Trouble.RECORD_CONTRADICTS: {"the database was changed"},
    STOP: {"a person stopped it"},
    # A failure with one of the reasons that end a request as refused does not happen.
    Reason.COMPLETED: {"the order is completed or paid", *NOT_TAKEN},
    Reason.ALREADY_CANCELLED: {"the order is cancelled", *NOT_TAKEN},
    Reason.ALREADY_REFUNDED: {"the order is refunded", *NOT_TAKEN},
    Reason.PARTLY_REFUNDED: {"part of it is refunded", *NOT_TAKEN},
    Reason.NO_SUCH_ORDER: {"there is no such order", *NOT_TAKEN},
    Reason.CREDENTIALS: {"credentials"},
    Reason.CLOCK: {"clock"},
    Reason.TURNED_AWAY: {"turned away"},
    Reason.EXPIRED: {"it has expired", *NOT_TAKEN},
}
"""What the latest answer says; it counts only where that answer ended the request."""

NEXT_STEPS: dict[State, str] = {
    State.PENDING: "needed",
    State.APPROVED: "press Try now",  # or the bot goes on by itself
    State.SENDING: "",
    State.CANCELLED: "",  # nothing is left to do
    State.REFUSED: "",
    State.FAILED: "press Retry",
    State.UNKNOWN: "Look the order up at the gateway. Then an approver settles this by hand",
    State.REJECTED: "",
    State.WITHDRAWN: "",
    State.EXPIRED: "Ask again",
    State.SETTLED_CANCELLED: "",
    State.SETTLED_NOT_CANCELLED: "Ask again",
}
"""Words of the next step that a person must take."""
SETTLE_OR_RETRY = ["Look the order up at the gateway. Then an approver settles this by hand", "presses Retry"]
NEXT_STEPS_BY_CAUSE: dict[tuple[State, Cause], list[str]] = {
    (State.FAILED, STOP): ["press Retry", "ask again"],
    (State.FAILED, Trouble.CERTIFICATE): ["operator must look", "press Retry"],
    (State.FAILED, Trouble.TLS): ["operator must look", "press Retry"],
    (State.FAILED, Trouble.UNFIT_CREDENTIAL): ["operator must fix", "press Retry"],
    (State.FAILED, Trouble.BAD_ADDRESS): ["operator must fix", "press Retry"],
    (State.FAILED, Trouble.RECORD_CONTRADICTS): ["operator must look"],
    (State.REFUSED, Reason.COMPLETED): ["Use a refund instead"],
    (State.REFUSED, Reason.ALREADY_CANCELLED): ["Nothing to do"],
    (State.REFUSED, Reason.ALREADY_REFUNDED): ["Nothing to do"],
    (State.REFUSED, Reason.PARTLY_REFUNDED): ["whether the rest needs a refund"],
    (State.REFUSED, Reason.NO_SUCH_ORDER): ["Check the order ID"],
    (State.REFUSED, Reason.EXPIRED): ["Nothing to do"],
    (State.FAILED, Reason.CREDENTIALS): ["operator must fix", "press Retry"],
    (State.FAILED, Reason.TURNED_AWAY): ["operator must look", "press Retry"],
    (State.UNKNOWN, Reason.TURNED_AWAY): ["operator must look", *SETTLE_OR_RETRY],
    (State.FAILED, Reason.CLOCK): ["operator must check the clock", "press Retry"],
    (State.UNKNOWN, Reason.CREDENTIALS): ["operator must fix", *SETTLE_OR_RETRY],
    (State.UNKNOWN, Reason.CLOCK): ["operator must check the clock", *SETTLE_OR_RETRY],
}
BUTTONS: dict[State, list[str]] = {
    State.PENDING: ["approve", "reject", "⋯ withdraw"],
    State.APPROVED: ["try_now", "⋯ stop"],
    State.FAILED: ["retry"],
    State.UNKNOWN: ["retry", "⋯ settle_cancelled", "⋯ settle_not_cancelled"],
}
"""The buttons of a card, and the entries of its menu; in all other states it has none."""


def cell(state: State, cause: Cause, quorum: tuple[int, int] = (1, 1)) -> Request:
    """Return a request in this state, whose latest attempt was told this cause."""
    given, needed = quorum
    decisions = [Decision(approver, Choice.APPROVE, "", AT) for approver in ("U0BEN", "U0CLEO")[:given]]
    if state is State.REJECTED:
        decisions.append(Decision("U0DORA", Choice.REJECT, "no fraud", AT))
    if state in {State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED}:
        decisions.append(Decision("U0DORA", Choice.SETTLE, "I saw it in the console", AT))
    answer = Answer(
        Outcome.UNKNOWN if cause is None else Outcome.REFUSED,
        reason=cause if isinstance(cause, Reason) else None,
        trouble=cause if isinstance(cause, Trouble) else None,
    )
    history = [Step("requested", "U0ANN", AT), *(Step("voted", each.approver, AT) for each in decisions[:given])]
    return changed(
        CANCELLATION,
        state=state,
        approvals_required=needed,
        decisions=tuple(decisions),
        attempts=2,
        due_at=AT,
        last_answer=None if state is State.PENDING and cause is None else answer,
        stopped_by="U0DORA" if state is State.FAILED and cause is STOP else "",
        history=tuple(history),
    )


def ending(request: Request) -> Content | None:
    """Return the event that led to this state, or None where the request goes on."""
    answer = request.cancellation.last_answer or Answer(Outcome.UNKNOWN)
    by_repeat = answer.reason is Reason.ALREADY_CANCELLED
    endings: dict[State, Content] = {
        State.CANCELLED: Cancelled(2, answer, confirmed_by_repeat=by_repeat),
        State.REFUSED: Refused(2, answer),
        State.FAILED: StoppedTrying() if request.cancellation.stopped_by else Failed(2, answer),
        State.UNKNOWN: Unknown(2, answer),
        State.REJECTED: Rejected("no fraud"),
        State.WITHDRAWN: Withdrawn(),
        State.EXPIRED: Expired(),
        State.SETTLED_CANCELLED: SettledCancelled("I saw it in the console"),
        State.SETTLED_NOT_CANCELLED: SettledNotCancelled("I saw it in the console"),
    }
    return endings.get(request.state)


def expected(state: State, cause: Cause, quorum: tuple[int, int] = (1, 2)) -> str:
    """Return the heading that this cell must have."""
    given, needed = quorum
    if state is State.EXPIRED and given == needed:
        return UNCHECKED
    return HEADINGS_BY_CAUSE.get((state, cause), HEADINGS[state])


def next_steps(state: State, cause: Cause) -> list[str]:
    """Return the words that tell a reader of this cell what to do."""
    return NEXT_STEPS_BY_CAUSE.get((state, cause), [NEXT_STEPS[state]])


def own_steps(state: State, cause: Cause, quorum: tuple[int, int]) -> list[str]:
    """Return the words of the receipt about what is next; a requester cannot press Retry, but reads who can."""
    given, needed = quorum
    if state is State.PENDING:
        missing = needed - given
        more = " more" if given else ""
        so_far = [f"{given} of {needed} approved: <@U0BEN>"] if given else []
        if not missing:
            return [*so_far, NOT_SAID, "Expires", "withdraw"]
        return [*so_far, f"Needs {missing}{more} approval{'s' if missing > 1 else ''} in <#C1>.", "Expires", "withdraw"]
    if state is State.APPROVED:
        return ["Not confirmed yet after the last 2 attempts", "I ask again at", "To stop it, press Stop trying here"]
    if state is State.SENDING:
        return ["You get another message"]
    return next_steps(state, cause)


@pytest.mark.parametrize("state, cause", CELLS, ids=IDS)
def test_a_receipt_has_the_button_that_its_requester_can_press(state: State, cause: Cause) -> None:
    """It takes back what waits for approval, and stops what waits for the gateway; after that it has none."""
    for quorum in QUORUMS:
        request = cell(state, cause, quorum)
        actions = [block for block in receipt.receipt(request, None, BOT).blocks if block["type"] == "actions"]
        pressed = [button["action_id"] for block in actions for button in block["elements"]]
        assert pressed == [act for act in (Act.WITHDRAW, Act.STOP) if may(request, PEOPLE[0], act)]


def true_of(state: State, cause: Cause) -> set[str]:
    """Return everything that is true in this cell."""
    return TRUE_IN_STATE[state] | (TRUE_FOR_CAUSE[cause] if state in ENDED_BY_AN_ANSWER else set())


@pytest.mark.parametrize("state, cause", CELLS, ids=IDS)
def test_every_cell_has_the_heading_of_its_cause(state: State, cause: Cause) -> None:
    """Card, receipt, thread and direct message have one heading, which only enough approvals can change.

    A card begins with who asks to cancel which order.
    """
    for quorum in QUORUMS:
        request = cell(state, cause, quorum)
        first, second, *_ = shown(card.card(request)).splitlines()
        if state is State.PENDING:
            assert first == "❓ @ann asks to cancel order ord_1"
        else:
            assert (first, second) == ("@ann asked to cancel order ord_1", expected(state, cause, quorum))
        own = WAITING if state is State.PENDING else expected(state, cause, quorum)
        assert shown(receipt.receipt(request, None, BOT)).splitlines()[0] == f"{own} · order ord_1"
        if (content := ending(request)) is not None:
            first = f"{expected(state, cause, quorum)} · order ord_1"
            assert shown(results.reply(request, event_of(content))).splitlines()[0] == first
            assert shown(results.direct_message(request, event_of(content))).splitlines()[0] == first


@pytest.mark.parametrize("state, cause", CELLS, ids=IDS)
def test_no_heading_claims_what_is_not_true(state: State, cause: Cause) -> None:
    """A heading that serves several causes is true for each of them."""
    assert CLAIMS[expected(state, cause)] <= true_of(state, cause)


def test_the_tables_know_every_heading() -> None:
    """A new state, cause or heading must get its row here."""
    assert set(HEADINGS) == set(TRUE_IN_STATE) == set(NEXT_STEPS) == set(State)
    assert set(TRUE_FOR_CAUSE) == set(CAUSES)
    assert {expected(state, cause, quorum) for state, cause in CELLS for quorum in QUORUMS} == set(CLAIMS)


@pytest.mark.parametrize("state, cause", CELLS, ids=IDS)
def test_the_top_level_text_says_all(state: State, cause: Cause) -> None:
    """Screen readers have only the text: order, requester, reason, outcome and the next step are in it."""
    for quorum in QUORUMS:
        request = cell(state, cause, quorum)
        own = receipt.receipt(request, None, BOT)
        assert own.text.startswith(
            f"{WAITING if state is State.PENDING else expected(state, cause, quorum)} · order ord_1. "
        )
        assert all(step.lower() in own.text.lower() for step in own_steps(state, cause, quorum))
        for part in ("<@U0ANN>", "“typed twice”", request.card_link):
            assert part in own.text
        messages = [card.card(request)]
        if (content := ending(request)) is not None:
            event = event_of(content)
            messages += [results.reply(request, event), results.direct_message(request, event)]
        for message in messages:
            assert "order ord_1" in message.text
            assert "<@U0ANN>" in message.text
            assert "“typed twice”" in message.text
            steps = next_steps(state, cause) if quorum[0] < quorum[1] or state is not State.PENDING else [NOT_SAID]
            assert all(step in message.text for step in steps)
            if state is not State.PENDING:
                assert message.text.startswith(expected(state, cause, quorum))


@pytest.mark.parametrize("quorum", [quorum for quorum in QUORUMS if quorum[0] < quorum[1]])
def test_a_phone_shows_who_asks_for_which_order_and_why(quorum: tuple[int, int]) -> None:
    """A phone shows the first hundred characters; the number of missing approvals follows."""
    given, needed = quorum
    text = card.card(cell(State.PENDING, None, quorum)).text
    assert text[:100].startswith("<@U0ANN> asks to cancel order ord_1: “typed twice”. ")
    more = " more" if given else ""
    missing = f"1{more} approval is needed." if needed - given == 1 else f"2{more} approvals are needed."
    assert f" {missing}" in text


@pytest.mark.parametrize("state, cause", CELLS, ids=IDS)
def test_only_buttons_that_can_do_something_are_there(state: State, cause: Cause) -> None:
    """There is a person for each button whose click would count, and none for a button that is missing."""
    for quorum in QUORUMS:
        request = cell(state, cause, quorum)
        assert pressable(request) == BUTTONS.get(state, [])
        possible = {act for act in Act if any(may(request, person, act) for person in PEOPLE)}
        names = {name.removeprefix("⋯ ") for name in pressable(request)}
        assert {Act("settle") if name.startswith("settle") else Act(name) for name in names} == possible


def test_nothing_can_be_stopped_that_may_have_been_done() -> None:
    """After an attempt without a clear answer only the gateway's word ends the request: there is no button."""
    unclear = changed(cell(State.APPROVED, None), unclear=True)
    assert pressable(unclear) == []
    assert not any(may(unclear, person, act) for person in PEOPLE for act in Act)
    assert "Try now" not in card.card(unclear).text


SUPERSEDED = {
    State.CANCELLED: "there is nothing to retry",
    State.REJECTED: "was rejected, so Retry is over",
    State.WITHDRAWN: "was withdrawn, so Retry is over",
    State.FAILED: "was stopped: whether it is sent again is decided there",
    State.REFUSED: "was refused by the gateway, so Retry is over",
    State.SETTLED_CANCELLED: "was settled by hand, so Retry is over",
    State.SETTLED_NOT_CANCELLED: "was settled by hand, so Retry is over",
    **dict.fromkeys(OPEN, "There is another open request for this order, so nobody can retry this one now"),
}
"""What people read on an older failed request, by the state of a later one for the same order."""


@pytest.mark.parametrize("later", sorted(SUPERSEDED))
@pytest.mark.parametrize("state, cause", [each for each in CELLS if each[0].may_retry])
def test_no_retry_is_offered_that_would_be_refused(state: State, cause: Cause, later: State) -> None:
    """Card and receipt say why, in place of the button and its time."""
    request = changed(cell(state, cause), later=Earlier(later, AT))
    assert "retry" not in pressable(request)
    assert not any(may(request, person, Act.RETRY) for person in PEOPLE)
    assert bool(buttons.actions(request)) == (state is State.UNKNOWN)
    for message in (card.card(request), receipt.receipt(request, None, BOT)):
        for text in (shown(message), message.text):
            assert SUPERSEDED[later] in text
            assert "press" not in text
            assert "presses Retry" not in text
            assert "Retry works until" not in text
    too_late = refusals.click_refused(Verdict.WRONG_STATE, request)
    assert "Retry button" not in too_late


@pytest.mark.parametrize("cause", [cause for state, cause in CELLS if state is State.FAILED])
def test_no_retry_is_offered_without_the_reason(cause: Cause) -> None:
    """The gateway would have to get it, and it was erased."""
    request = changed(cell(State.FAILED, cause), reason=ERASED)
    assert "retry" not in pressable(request)
    for message in (card.card(request), receipt.receipt(request, None, BOT)):
        for text in (shown(message), message.text):
            assert "The reason was erased, so nobody can retry this one." in text
            assert "press" not in text
            assert "Retry works until" not in text


def test_what_was_not_tried_yet_can_be_stopped() -> None:
    """Before the first attempt there is no pause to cut short."""
    assert pressable(changed(cell(State.APPROVED, None), attempts=0)) == ["⋯ stop"]


def pressable(request: Request) -> list[str]:
    """Return the names of the acts that the card offers: those of its buttons, and with dots those of its menu."""
    names = []
    for block in card.card(request).blocks:
        for element in block["elements"] if block["type"] == "actions" else []:
            if element["type"] == "overflow":
                assert element["action_id"] == buttons.MENU
                values = [option["value"].split(" ") for option in element["options"]]
                assert {about for _, about in values} == {request.id}
                names += [f"⋯ {name}" for name, _ in values]
            else:
                assert element["value"] == request.id
                names.append(element["action_id"])
    return names


PEOPLE = [Actor(person, approver=Membership.MEMBER) for person in ("U0ANN", "U0BEN", "U0CLEO", "U0DORA")]


def may(request: Request, person: Actor, act: Act) -> bool:
    """Return True where this person's act would count, by the rules of the domain."""
    match act:
        case Act.APPROVE | Act.REJECT:
            choice = Choice.APPROVE if act is Act.APPROVE else Choice.REJECT
            verdict = policy.may_decide(request, person, choice, allow_self_approval=False)
        case Act.WITHDRAW:
            verdict = policy.may_withdraw(request, person)
        case Act.RETRY:
            once = changed(request, decisions=(Decision("U0BEN", Choice.APPROVE, "", AT),))
            verdict = policy.may_retry(once, person, votes=Verdict.ALLOWED, at=AT)
        case Act.TRY_NOW:
            verdict = policy.may_try_now(request, person, AT - timedelta(seconds=1))
        case Act.STOP:
            verdict = policy.may_stop(request, person)
        case Act.SETTLE:
            verdict = policy.may_settle(request, person)
    return verdict is Verdict.ALLOWED


NOW = "This cancels order ord_1 at the payment gateway now. A cancelled order can't be restored."
LAST = NOW.replace("This cancels", "This is approval {0} of {0}. It cancels")
LATER = (
    "It needs {} approvals, and has {} so far. Order ord_1 is cancelled with the last one: yours, if others approve "
    "first. A cancelled order can't be restored."
)


@pytest.mark.parametrize(
    "quorum, says",
    [
        ((0, 1), NOW),
        ((1, 2), LAST.format(2)),
        ((2, 3), LAST.format(3)),
        ((0, 2), LATER.format(2, 0)),
        ((0, 3), LATER.format(3, 0)),
        ((1, 3), LATER.format(3, 1)),
        ((0, 9), LATER.format(9, 0)),
        # A quorum that was lowered since: the next click cancels the order.
        ((1, 1), NOW),
        ((2, 2), NOW),
    ],
)
def test_the_approve_dialog_says_what_the_click_does(quorum: tuple[int, int], says: str) -> None:
    """People read whether the order is cancelled now or after further approvals."""
    assert dialogs(cell(State.PENDING, None, quorum))["approve"] == says


def test_no_dialog_promises_what_an_older_copy_of_the_database_cannot_know() -> None:
    """After a restore, what somebody withdraws or stops may have cancelled its order, however long the id is."""
    for state, says in (
        (State.PENDING, "The request ends. It may have cancelled order "),
        (State.APPROVED, "No further attempt is made. This request may have cancelled order "),
    ):
        request = replace(cell(state, None), set_back=True)
        long = replace(request, cancellations=(replace(request.cancellation, order_id="x" * 250),))
        own = [each["confirm"]["text"]["text"] for each in buttons.of_requester(long)]
        for asked in (dialogs(request)[buttons.MENU], dialogs(long)[buttons.MENU], *own):
            assert asked.startswith(says)
            assert "does not cancel" not in asked
            assert asked.endswith(".")


@pytest.mark.parametrize("state", [State.PENDING, State.APPROVED, State.SENDING])
def test_everybody_reads_of_a_request_that_goes_on_in_an_older_copy(state: State) -> None:
    """People may have rejected it since that copy was made, and the gateway may have confirmed it."""
    request = replace(cell(state, None), set_back=True)
    found = card.card(request), receipt.receipt(request, None, BOT)
    texts = [text for message in found for text in (shown(message), message.text)]
    for text in texts:
        assert "I may have gone on with an older copy of my database, so I don't know what people decided" in text
    ended = replace(cell(State.SETTLED_CANCELLED, None), set_back=True)
    assert "what people decided" not in shown(card.card(ended))


@pytest.mark.parametrize("state", [State.REFUSED, State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED])
def test_an_end_from_before_an_older_copy_took_over_is_no_last_word(state: State) -> None:
    """The order may have gone another way in between; what the gateway or people say after that, they say of today."""
    request = cell(state, None)
    before = replace(request, set_back=request.version + 1)
    for about, said in ((before, True), (replace(request, set_back=request.version - 1), False)):
        for message in (card.card(about), receipt.receipt(about, None, BOT)):
            for text in (shown(message), message.text):
                assert ("so I don't know what this request did after that copy was made" in text) is said


def test_no_message_claims_lost_answers_that_an_older_copy_cannot_know() -> None:
    """Nobody knows whether the call that is answered with "already cancelled" was the first one."""
    request = replace(cell(State.CANCELLED, Reason.ALREADY_CANCELLED), set_back=True)
    ended = Cancelled(1, Answer(Outcome.REFUSED, reason=Reason.ALREADY_CANCELLED), 1, confirmed_by_repeat=True)
    texts = [
        shown(card.card(request)),
        shown(receipt.receipt(request, None, BOT)),
        shown(results.reply(request, event_of(ended))),
    ]
    for text in texts:
        assert "✅ Cancelled" in text
        assert "I may have gone on with an older copy of my database" in text
        assert "lost or not clear" not in text


def test_the_other_dialogs_say_what_the_click_does() -> None:
    """Reject and the two findings open a form, and Try now only shortens a pause, so they need no dialog."""
    pending, unknown = dialogs(cell(State.PENDING, None)), dialogs(cell(State.UNKNOWN, None))
    assert set(pending) == {"approve", buttons.MENU}
    assert pending[buttons.MENU] == (
        "The request ends, and it does not cancel order ord_1. Only the requester can withdraw it."
    )
    waiting = dialogs(cell(State.APPROVED, None))
    assert set(waiting) == {buttons.MENU}
    assert waiting[buttons.MENU] == (
        "No further attempt is made. This request does not cancel order ord_1. If the requester stops it, only a new "
        "request can cancel it. If an approver does, Retry works until 2026-11-24 09:00 UTC."
    )
    assert set(unknown) == {"retry"}
    assert unknown["retry"] == (
        "The same cancellation of order ord_1 is sent once more. This is safe. An order that is already cancelled "
        "stays cancelled."
    )


def dialogs(request: Request) -> dict[str, str]:
    """Return what the card asks before each click, by the button's action id."""
    return {
        element["action_id"]: element["confirm"]["text"]["text"]
        for block in card.card(request).blocks
        if block["type"] == "actions"
        for element in block["elements"]
        if "confirm" in element
    }


@pytest.mark.parametrize("quorum", QUORUMS, ids=lambda quorum: f"{quorum[0]} of {quorum[1]}")
@pytest.mark.parametrize("state", [State.PENDING, State.APPROVED, State.CANCELLED])
def test_the_card_counts_the_approvals(state: State, quorum: tuple[int, int]) -> None:
    """The card says how many of how many approved and how many are missing, and each approver's time once."""
    given, needed = quorum
    text = shown(card.card(cell(state, None, quorum))).splitlines()
    names = ["", ": @ben", ": @ben, @cleo"][given]
    line = f"{given} of {needed} {'approval' if needed == 1 else 'approvals'}{names}"
    assert (line in text) == bool(given or (state is State.PENDING and needed > 1))
    more = " more" if given else ""
    missing = f"2{more} approvals are needed." if needed - given == 2 else f"1{more} approval is needed."
    missing = missing if given < needed else NOT_SAID
    assert any(each.startswith(missing) for each in text) == (state is State.PENDING)
    for name in ["ben", "cleo"][:given]:
        assert text.count(f"Approved by @{name}, 2026-11-23 09:00") == 1


def test_card_and_thread_say_alike_that_a_repeat_found_it_cancelled() -> None:
    """Nobody reads that the gateway confirmed it where only a repeated call found it done."""
    request = cell(State.CANCELLED, Reason.ALREADY_CANCELLED)
    found = "Asked again, it says that the order is cancelled."
    content = ending(request)
    assert content is not None
    assert found in shown(card.card(request))
    assert found in card.card(request).text
    assert found in shown(results.reply(request, event_of(content)))
    assert found not in card.card(cell(State.CANCELLED, None)).text
