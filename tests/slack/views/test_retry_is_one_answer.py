"""Whether an order can be sent again has one answer: the click's. No message promises a Retry that would be refused."""

import itertools
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain import policy
from bot.domain.cancellation import AGAINST_RETRY, Choice, Decision, Earlier, State
from bot.domain.delivery import MissingCard
from bot.domain.freeze import Freeze
from bot.domain.policy import Act, Verdict
from bot.domain.request import Request
from bot.domain.words import ERASED
from bot.slack.views import buttons, card, receipt, refusals, results
from bot.slack.views.text import Message
from tests.slack.views.samples import AT, BOT, event_of, shown
from tests.slack.views.test_every_cell import CELLS, PEOPLE, Cause, cell, dialogs, ending, pressable

TOO_LATE = AT + timedelta(days=2)
FREEZE = Freeze("U0CLEO", AT, "wrong price list", "cleo")
NO_CARD = MissingCard("not_in_channel", given_up=True)
AGAINST = [None, "too old", "erased", "taken back", State.FAILED, *sorted(AGAINST_RETRY)]
RETRY = re.compile("(?<!nobody )can press Retry|presses Retry|Retry works until")
PROMISE = re.compile(f"{RETRY.pattern}|ask again")
ENDED = [each for each in CELLS if each[0].may_retry]
SITUATIONS = list(itertools.product(ENDED, AGAINST, [None, FREEZE], [None, NO_CARD]))


def situation(state: State, cause: Cause, against: str | None) -> Request:
    """Return a request that ended like this, read of where this is against a retry, or nothing is."""
    request = replace(cell(state, cause), approval_ttl=timedelta(days=1), read_at=AT)
    match against:
        case None:
            return request
        case "too old":
            return replace(request, read_at=TOO_LATE)
        case "erased":
            return replace(request, reason=ERASED)
        case "taken back":
            return request.narrowed(replace(request.cancellation, stopped_by=request.requester))
        case _:
            return request.narrowed(replace(request.cancellation, later=Earlier(State(against), AT)))


def counts(request: Request) -> bool:
    """Return True where there is somebody whose click on Retry would count, were nothing frozen."""
    assert request.read_at is not None
    votes = Verdict.ALLOWED
    return any(policy.may_retry(request, each, request.read_at, votes=votes) is votes for each in PEOPLE)


@pytest.mark.parametrize("ended, against, freeze, missing", SITUATIONS)
def test_retry_is_promised_where_a_click_counts_and_nowhere_else(
    ended: tuple[State, Cause], against: str | None, freeze: Freeze | None, missing: MissingCard | None
) -> None:
    """Card, receipt, thread, direct message and refusals go by the rule that judges the click."""
    request = replace(situation(*ended, against), freeze=freeze)
    offered = counts(request)
    assert offered == (against is None)
    assert ("retry" in pressable(request)) == (offered and freeze is None)
    content = ending(request)
    assert content is not None
    on_card = [card.card(request), results.reply(request, event_of(content))]
    own = [
        receipt.receipt(request, missing, BOT),
        results.direct_message(request, event_of(content), missing=missing),
    ]
    for message, has_card in [*((each, True) for each in on_card), *((each, missing is None) for each in own)]:
        for text in _read(message):
            operator_first = ended[1] is not None and "bot's operator" in text
            assert bool(RETRY.search(text)) == (offered and has_card) or operator_first
            assert not RETRY.search(text) or (offered and has_card)
            assert not PROMISE.search(text) or freeze is None or "Everything is frozen" in text
    no_card = replace(request, has_card=missing is None)
    told = refusals.click_refused(Verdict.WRONG_STATE, no_card)
    assert bool(RETRY.search(told)) == (
        offered and freeze is None and missing is None and request.state is State.FAILED
    )


@pytest.mark.parametrize("state, cause", ENDED)
@pytest.mark.parametrize("against", AGAINST[1:])
def test_without_retry_people_read_what_they_can_do_instead(state: State, cause: Cause, against: str) -> None:
    """An unknown order is settled by hand, and for a failed one people ask again unless there is nothing to ask."""
    request = situation(state, cause, against)
    for text in _read(card.card(request)):
        if state is State.UNKNOWN:
            assert "settle" in text
        elif against in {
            "too old",
            "erased",
            "taken back",
            State.FAILED,
            State.REFUSED,
            State.REJECTED,
            State.WITHDRAWN,
        }:
            assert "ask again" in text
        elif against not in {State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED}:
            assert "ask again" not in text


@pytest.mark.parametrize("missing", [NO_CARD, MissingCard("not_in_channel")])
def test_nobody_is_sent_to_the_menu_of_a_card_that_is_not_there(missing: MissingCard) -> None:
    """The order is not known, so the gateway has to be looked at all the same."""
    request = situation(State.UNKNOWN, None, None)
    content = ending(request)
    assert content is not None
    for message in (
        receipt.receipt(request, missing, BOT),
        results.direct_message(request, event_of(content), missing=missing),
    ):
        for text in _read(message):
            assert "Look the order up at the gateway." in text
            assert "menu" not in text


@pytest.mark.parametrize("late", [False, True])
def test_the_question_before_stop_says_until_when_retry_works_after_it(late: bool) -> None:
    """The attempts may last longer than an approval may be used, and then nothing but a new request helps."""
    waits = replace(cell(State.APPROVED, None), approval_ttl=timedelta(hours=1))
    waits = replace(waits, read_at=TOO_LATE if late else AT)
    asked = dialogs(waits)[buttons.MENU]
    if late:
        assert asked.endswith("Then nobody can press Retry: only a new request can cancel it.")
    else:
        assert asked.endswith("If an approver does, Retry works until 2026-11-23 10:00 UTC.")


def test_the_requesters_own_question_before_stop_says_that_this_is_for_good() -> None:
    """Nobody retries what its requester has taken back, however young the approval is."""
    own = buttons.of_requester(replace(cell(State.APPROVED, None), read_at=AT))
    (asked,) = [each["confirm"]["text"]["text"] for each in own]
    assert asked.endswith("Then only a new request can cancel it.")


@pytest.mark.parametrize("freeze", [None, FREEZE])
@pytest.mark.parametrize("count", [1, 2, 50])
def test_the_question_before_stop_is_whole_however_long_the_ids_are(count: int, freeze: Freeze | None) -> None:
    """Slack takes 300 characters, and what comes last is what people must know."""
    waits = replace(cell(State.APPROVED, None), freeze=freeze, read_at=AT)
    orders = tuple(replace(waits.cancellation, order_id=f"{number}{'x' * 250}") for number in range(count))
    asked = dialogs(replace(waits, cancellations=orders))[buttons.MENU]
    assert asked.endswith("UTC.")
    assert "a new request can cancel" in asked


def test_nothing_is_offered_for_retry_or_at_once_while_everything_is_frozen() -> None:
    """Both clicks would be refused. What is unknown can still be settled."""
    frozen = {state: replace(cell(state, None), freeze=FREEZE) for state in (State.APPROVED, State.UNKNOWN)}
    assert pressable(frozen[State.APPROVED]) == ["⋯ stop"]
    assert pressable(frozen[State.UNKNOWN]) == ["⋯ settle_cancelled", "⋯ settle_not_cancelled"]


@pytest.mark.parametrize("against", AGAINST[1:])
def test_a_requester_is_not_sent_for_another_approver_who_could_not_do_it_either(against: str) -> None:
    """What stands in everybody's way is the answer, also to an approver who asked for it."""
    request = situation(State.FAILED, None, against)
    assert request.read_at is not None
    ann = PEOPLE[0]
    assert ann.id == request.requester
    verdict = policy.may_retry(request, ann, request.read_at, votes=Verdict.ALLOWED)
    assert verdict is policy.against_retry(request, request.read_at)
    assert "Another approver" not in refusals.click_refused(verdict, request)
    allowed = situation(State.FAILED, None, None)
    missing = policy.may_retry(allowed, ann, AT, votes=Verdict.VOTES_MISSING)
    assert missing is Verdict.VOTES_MISSING


@pytest.mark.parametrize(
    "later, mark", [(State.PENDING, "another request is open"), (State.CANCELLED, "confirmed since")]
)
def test_the_list_of_several_orders_says_which_one_has_another_request(later: State, mark: str) -> None:
    """With fifty orders nobody could tell for which one to ask again."""
    one = replace(cell(State.FAILED, None), decisions=(Decision("U0BEN", Choice.APPROVE, "", AT),), read_at=AT)
    order = one.cancellation
    two = replace(one, cancellations=(order, replace(order, number=2, order_id="ord_2", later=Earlier(later, AT))))
    content = ending(one)
    assert content is not None
    for message in (card.card(two), receipt.receipt(two, None, BOT), results.reply(two, event_of(content))):
        text = shown(message)
        (line,) = [each for each in text.splitlines() if "ord_2" in each]
        assert mark in line
        assert all(mark not in each for each in text.splitlines() if "ord_1" in each)
    assert Act.RETRY in pressable(two)


def test_what_is_too_old_says_nothing_of_another_request_that_may_end_unseen() -> None:
    """Nobody draws it anew when that request ends, so it says what stays true, and sends nobody to ask meanwhile."""
    ended = replace(situation(State.FAILED, None, State.PENDING), read_at=TOO_LATE)
    for text in _read(card.card(ended)):
        assert "The approval is too old for Retry." in text
        assert "open request" not in text
        assert "ask again" not in text


def _read(message: Message) -> list[str]:
    return [shown(message), message.text]
