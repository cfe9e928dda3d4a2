"""Everything is frozen: no message promises what a freeze forbids, in any state, after any cause.

A promise must hold for every way it can go on. So the tables here name the words that are untrue while everything is
frozen, and those that a reader needs instead.
"""

import itertools
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.attempt import Answer, Outcome, Trouble
from bot.domain.cancellation import State
from bot.domain.events import Content, Escalated, GatewayTrouble, Reminded, Unfrozen, Voted
from bot.domain.freeze import Freeze
from bot.domain.policy import People, Verdict
from bot.domain.request import Request
from bot.slack.views import buttons, card, freezes, notices, receipt, refusals, results
from bot.slack.views.presentation import Presentation
from bot.slack.views.text import Message
from tests.domain.examples import changed
from tests.slack.views.batches import UNCLEAR, WAITING, batch
from tests.slack.views.samples import APPROVAL, AT, BOT, CANCELLATION, event_of, shown
from tests.slack.views.test_every_cell import CELLS, IDS, Cause, cell, dialogs, ending
from tests.slack.views.test_refusals import CLICK_VERDICTS

FREEZE = Freeze("U0BEN", AT, "wrong price list", "ben")
SETTINGS = Presentation(approvers=People(frozenset({"U0BEN"})), escalation=People(frozenset({"U0DORA"})))
FORBIDDEN = re.compile(
    r"is being asked|I ask again at|and go on|until I know|to go to the gateway now|don't have to do anything"
    r"|press Try now|approve or reject this request now|Decide on|Try again in a minute"
)
"""Words for what does not happen while everything is frozen; a call that is under way goes on."""
BANNER = "Everything is frozen by"
WAITS = {State.PENDING, State.APPROVED}
INVITES = {State.FAILED, State.UNKNOWN, State.EXPIRED, State.SETTLED_NOT_CANCELLED}
"""The ends after which people are told to ask again or to press Retry."""


def messages(request: Request) -> list[Message]:
    """Return all messages about this request."""
    found = [card.card(request, SETTINGS), receipt.receipt(request, None, BOT)]
    if (content := ending(request)) is not None:
        found += [results.reply(request, event_of(content)), results.direct_message(request, event_of(content))]
    return found


def said(message: Message) -> list[str]:
    """Return what a person reads and what a screen reader does, without the dialogs of buttons."""
    return [shown(message), message.text]


@pytest.mark.parametrize("state, cause", CELLS, ids=IDS)
@pytest.mark.parametrize("attempts", [0, 2])
@pytest.mark.parametrize("unclear", [False, True])
def test_no_message_promises_what_a_freeze_forbids(state: State, cause: Cause, attempts: int, unclear: bool) -> None:
    """What waits says that everything is frozen; what has ended says it where its next step is refused."""
    request = replace(changed(cell(state, cause), attempts=attempts, unclear=unclear), freeze=FREEZE)
    for index, message in enumerate(messages(request)):
        told = state in WAITS or state.may_retry or (state in INVITES and index > 1)  # other cards stay as they are
        for text in said(message):
            assert state is State.SENDING or not FORBIDDEN.search(text), text
            assert (BANNER in text) == told
            assert ("wrong price list" in text) == told


@pytest.mark.parametrize("unclear", [False, True])
def test_an_approved_request_says_that_it_waits(unclear: bool) -> None:
    """The heading is no other than what stands below it; a call that is under way ends as always."""
    for attempts in (0, 2):
        request = replace(changed(cell(State.APPROVED, None), attempts=attempts, unclear=unclear), freeze=FREEZE)
        for message in messages(request):
            assert "⏳ Approved: it waits, because everything is frozen" in shown(message)
    sending = replace(cell(State.SENDING, None), freeze=FREEZE)
    assert all("the gateway has not confirmed it yet" in shown(each) for each in messages(sending))
    several = replace(batch(WAITING, UNCLEAR), freeze=FREEZE)
    assert "2 orders: 1 waiting: frozen, 1 waiting: frozen (may be cancelled)" in shown(card.card(several))
    assert "2 orders: 1 waiting: frozen, 1 waiting: frozen (may be cancelled)" in shown(
        receipt.receipt(several, None, BOT)
    )


TRIED = changed(
    CANCELLATION,
    state=State.APPROVED,
    attempts=7,
    due_at=AT + timedelta(seconds=64),
    last_answer=Answer(Outcome.UNKNOWN, trouble=Trouble.NO_ANSWER_IN_TIME),
)
PASSING: list[tuple[Content, Request]] = [
    (Voted(1, 2), CANCELLATION),
    (Reminded(1), CANCELLATION),
    (Escalated(("U0DORA",)), replace(CANCELLATION, escalated_at=AT)),
    (GatewayTrouble(7, unclear=True, most=20), TRIED),
    (GatewayTrouble(7, unclear=False, most=20), changed(TRIED, state=State.SENDING, attempts=8)),
    (GatewayTrouble(7, unclear=False, most=20), batch(WAITING, UNCLEAR)),
]


@pytest.mark.parametrize("content, about", PASSING)
def test_a_notice_that_is_posted_during_a_freeze_shows_it(content: Content, about: Request) -> None:
    """It stays in the thread as it is, so its promises must hold until the freeze is over as well."""
    frozen = replace(about, freeze=FREEZE)
    found = [notices.notice(frozen, event_of(content), SETTINGS, AT)]
    if isinstance(content, GatewayTrouble):
        found.append(notices.direct_notice(frozen, event_of(content)))
    for message in found:
        for text in said(message):
            assert not FORBIDDEN.search(text)
            assert (BANNER in text) == (about.state is not State.SENDING)
    assert BANNER not in shown(notices.notice(about, event_of(content), SETTINGS, AT))


def test_who_is_asked_as_well_can_only_reject_during_a_freeze() -> None:
    """An approval does not count then."""
    escalated = replace(CANCELLATION, escalated_at=AT, freeze=FREEZE)
    text = shown(notices.notice(escalated, event_of(Escalated(("U0DORA",))), SETTINGS, AT))
    assert "@U0DORA: you can reject this request now." in text
    assert "No approval counts" in text


REFUSALS = list(itertools.product([*CLICK_VERDICTS, Verdict.FROZEN], State))


@pytest.mark.parametrize("verdict, state", REFUSALS)
def test_no_refusal_promises_what_a_freeze_forbids(verdict: Verdict, state: State) -> None:
    """A next step that the freeze refuses comes with the freeze."""
    text = refusals.click_refused(verdict, replace(cell(state, None), freeze=FREEZE))
    cannot_be_checked = verdict in {Verdict.UNCHECKED, Verdict.VOTES_UNCHECKED, Verdict.TIME_UNCHECKED}
    if state is not State.SENDING and not cannot_be_checked:
        assert verdict is Verdict.CALL_UNDER_WAY or not FORBIDDEN.search(text)
    if re.search("[Aa]sk again|Retry button|more approval|Another approver|it waits", text):
        assert BANNER in text


DIALOGS = [(given, needed) for needed in (1, 2, 3) for given in range(needed)]


@pytest.mark.parametrize("quorum", DIALOGS)
def test_the_approve_dialog_says_what_a_click_does_during_a_freeze_and_after_it(quorum: tuple[int, int]) -> None:
    """The freeze may be over before the card shows that: then the click does what the dialog says for it."""
    request = changed(cell(State.PENDING, None, quorum), order_id="x" * 255)
    plain, frozen = dialogs(request)["approve"], dialogs(replace(request, freeze=FREEZE))["approve"]
    assert frozen.startswith("While everything is frozen, this changes nothing. After that: ")
    assert frozen.endswith("A cancelled order can't be restored.")
    assert plain.endswith("A cancelled order can't be restored.")
    assert buttons.approvals_promised(request) == buttons.approvals_promised(replace(request, freeze=FREEZE))


def test_the_stop_dialog_names_the_freeze_before_retry() -> None:
    """Retry is refused while everything is frozen."""
    stop = dialogs(replace(cell(State.APPROVED, None), freeze=FREEZE))[buttons.MENU]
    assert stop.endswith("If an approver does, Retry works after the freeze until 2026-11-24 09:00 UTC.")


def test_approvals_are_said_to_be_counted_again_after_the_freeze() -> None:
    """A start with a lower quorum sends the request then, though one more approval was needed until then."""
    voted = changed(cell(State.PENDING, None), decisions=(APPROVAL,), approvals_required=2)
    said = "When the freeze is over, I count the approvals by the settings of then."
    for freeze, approvers in ((FREEZE, True), (FREEZE, False), (None, True)):
        request = replace(voted, freeze=freeze, decisions=voted.decisions if approvers else ())
        for message in (card.card(request), receipt.receipt(request, None, BOT)):
            assert (said in shown(message)) == (freeze is not None and approvers)


@pytest.mark.parametrize(
    "due, later, says",
    [
        (0, 0, ""),
        (1, 0, "1 approved request due to go to the gateway."),
        (
            2,
            3,
            "2 approved requests due to go to the gateway, 3 approved requests waiting for the time of a next attempt.",
        ),
        (0, 1, "1 approved request waiting for the time of a next attempt."),
        (0, 2, "2 approved requests waiting for the time of a next attempt."),
    ],
)
def test_the_end_of_a_freeze_says_which_requests_go_out_now(due: int, later: int, says: str) -> None:
    """Slack may take the message late, so it says of which moment it speaks."""
    event = event_of(Unfrozen(due=due, later=later))
    counted = f" As of {event.at[:10]} {event.at[11:16]}" if says else ""
    said = f"The freeze is over: @ben has ended it. Requests are taken again, and approvals count.{counted}"
    said += f": {says}" if says else ""
    assert shown(freezes.announcement(event)) == said


def test_a_frozen_request_with_a_lost_answer_says_that_it_may_be_done() -> None:
    """The last attempt may have done nothing, and one before it may have cancelled the order."""
    waits = changed(cell(State.APPROVED, None), attempts=2, due_at=AT, unclear=True)
    for freeze in (None, FREEZE):
        request = replace(waits, freeze=freeze)
        own = receipt.receipt(request, None, BOT)
        for text in (shown(card.card(request)), shown(own), own.text):
            assert "An answer was lost or not clear, so the order may be cancelled already." in text
