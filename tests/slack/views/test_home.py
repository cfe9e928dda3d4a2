"""The Home tab: what each person reads there, that Slack takes it, and that nobody decides by half a text."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from syrupy.assertion import SnapshotAssertion

from bot.domain.attempt import Answer, Outcome, Reason
from bot.domain.cancellation import Cancellation, State
from bot.domain.freeze import Freeze
from bot.domain.policy import Actor, Membership, People
from bot.domain.request import Request
from bot.sandbox.blockkit import problems_with_view
from bot.sandbox.transcript import read_blocks
from bot.sandbox.views import elements_of
from bot.slack.views import buttons, card, home
from bot.slack.views.modals import View, notice
from bot.slack.views.presentation import Presentation
from bot.slack.views.text import addressed
from bot.workflow import HomeTab
from tests.domain.examples import changed
from tests.slack.views.batches import CANCELLED, PENDING, UNCLEAR, WAITING, batch, of_ids
from tests.slack.views.samples import ANY_TEXT, APPROVAL, AT, CANCELLATION, NAMES

MEMBER, OUTSIDER, UNCHECKED = Membership.MEMBER, Membership.OUTSIDER, Membership.UNCHECKED
APPROVER = Actor("U0BEN", "", requester=MEMBER, approver=MEMBER, auditor=OUTSIDER)
REQUESTER = Actor("U0ANN", "", requester=MEMBER, approver=OUTSIDER, auditor=OUTSIDER, escalation=OUTSIDER)
AUDITOR = replace(REQUESTER, id="U0CLEO", requester=OUTSIDER, auditor=MEMBER)
ESCALATED_TO = replace(REQUESTER, id="U0CLEO", escalation=MEMBER)
FREEZE = Freeze("U0CLEO", AT, "wrong price list", "cleo")
ASKED = replace(CANCELLATION, decisions=(), approvals_required=1)
CONFIRMED = changed(ASKED, state=State.CANCELLED, last_answer=Answer(Outcome.CANCELLED), decisions=(APPROVAL,))
UNKNOWN = changed(ASKED, state=State.UNKNOWN, decisions=(APPROVAL,))
COMPLETED = changed(
    CONFIRMED, state=State.REFUSED, last_answer=Answer(Outcome.REFUSED, reason=Reason.COMPLETED), reason=""
)
BATCH = replace(
    CONFIRMED,
    cancellations=tuple(
        replace(CONFIRMED.cancellation, number=number, order_id=f"ord_{number}", state=state)
        for number, state in enumerate([State.CANCELLED, State.UNKNOWN, State.CANCELLED], 1)
    ),
)
NOBODY = Actor("U0OLGA", "", requester=OUTSIDER, approver=OUTSIDER, auditor=OUTSIDER, escalation=OUTSIDER)


def tab(actor: Actor = APPROVER, **given: Any) -> HomeTab:
    """Return what an approver sees while there is nothing, but for what is given."""
    nothing: dict[str, Any] = {"at": AT, "freeze": None, "waiting": None, "unknown": (), "own": (), "lately": ()}
    waiting = {"waiting": ()} if MEMBER in {actor.approver, actor.escalation} else {}
    return HomeTab(actor, **nothing | waiting | given)


def many(request: Request, count: int, **given: Any) -> tuple[Request, ...]:
    """Return so many requests like this one."""
    return tuple(
        changed(request, number=number, id=f"c{number:015}", order_id=f"ord_{number}", **given)
        for number in range(count)
    )


def taken(view: View) -> View:
    """Return the view; fail if Slack would not take it."""
    assert problems_with_view(view, "home") == []
    ids = [block["block_id"] for block in view["blocks"] if "block_id" in block]
    assert len(set(ids)) == len(ids)
    assert len(json.dumps(view).encode()) < 250_000
    return view


def shown(found: HomeTab, **given: Any) -> str:
    """Return what a person reads; fail if Slack would not take it."""
    return read_blocks(taken(home.home(found, **given))["blocks"], NAMES)


def pressed(view: View) -> list[dict[str, Any]]:
    """Return all that people can press."""
    return [element for block in view["blocks"] for element in elements_of(block)]


MOMENTS = {
    "nothing, for an approver": tab(),
    "nothing, for a requester": tab(REQUESTER),
    "nothing, for an auditor, who may not ask": tab(AUDITOR),
    "nothing, for somebody who may do nothing": tab(NOBODY),
    "an approver's": tab(waiting=(ASKED,), lately=(CONFIRMED, COMPLETED, BATCH)),
    "one of two is there": tab(waiting=(CANCELLATION,)),
    "an approver's while everything is frozen": tab(waiting=(ASKED,), freeze=FREEZE),
    "frozen at the command line": tab(REQUESTER, freeze=Freeze("terminal:root", AT)),
    "a requester's": tab(REQUESTER, own=(ASKED, replace(CANCELLATION, id="c1")), lately=(COMPLETED,)),
    "a requester's that wait for the gateway": tab(
        REQUESTER, own=(changed(ASKED, state=State.SENDING), changed(ASKED, state=State.UNKNOWN, id="c1"))
    ),
    "the card is not posted yet": tab(
        waiting=(replace(ASKED, card_link=""),), own=(changed(ASKED, state=State.SENDING, id="c1", card_link=""),)
    ),
    "more than there is room for": tab(waiting=many(ASKED, 12), own=many(ASKED, 11)),
    "somebody of an escalation": tab(ESCALATED_TO, waiting=many(ASKED, 11)),
    "Slack does not say who is an approver": tab(replace(REQUESTER, approver=UNCHECKED)),
}


def test_what_people_read(snapshot: SnapshotAssertion) -> None:
    """Each section says what is in it, or that there is nothing."""
    assert {moment: shown(found) for moment, found in MOMENTS.items()} == snapshot


def test_people_of_other_companies_read_a_sentence() -> None:
    """There is nothing else on the tab, and nothing to press."""
    view = taken(home.no_access())
    assert pressed(view) == []
    assert "nothing here for you" in read_blocks(view["blocks"], NAMES)


@pytest.mark.parametrize(
    "actor, hint",
    [
        (REQUESTER, False),
        (APPROVER, False),
        (replace(APPROVER, auditor=UNCHECKED), False),
        (replace(REQUESTER, approver=UNCHECKED), True),
        (replace(REQUESTER, escalation=UNCHECKED), True),
        (replace(REQUESTER, auditor=UNCHECKED), True),
        (replace(AUDITOR, approver=UNCHECKED), True),
        (replace(ESCALATED_TO, auditor=UNCHECKED), True),
    ],
)
def test_whoever_could_not_be_checked_is_told(actor: Actor, *, hint: bool) -> None:
    """A tab that may lack something says so; one that lacks nothing does not."""
    assert ("I couldn't check with Slack" in shown(tab(actor))) is hint


def test_each_request_has_the_buttons_of_its_own() -> None:
    """A click names the request, what was seen of it, and how many approvals the dialog promised."""
    view = taken(home.home(tab(waiting=(*many(ASKED, 2), replace(ASKED, id="c0", approvals_required=2)))))
    blocks = [block for block in view["blocks"] if block.get("block_id", "").startswith("decide ")]
    assert [[each["action_id"] for each in block["elements"]] for block in blocks] == [
        ["approve", "reject", "open_card"]
    ] * 3
    assert [block["elements"][0]["value"] for block in blocks] == [f"c{0:015}", f"c{1:015}", "c0"]
    assert [buttons.promise_seen(block["block_id"]) for block in blocks] == [0, 0, 2]
    assert {buttons.version_seen(block["block_id"]) for block in blocks} == {ASKED.version}
    assert all("confirm" in block["elements"][0] for block in blocks)


def test_what_somebody_decides_by_is_what_the_card_says() -> None:
    """An approver reads here the same as on the card, also that an id deceives."""
    request = changed(ASKED, order_id="ord_\u0430", reason="x" * 3000)
    blocks = home.home(tab(waiting=(request,)))["blocks"]
    for block in card.card(request).blocks[:-1]:
        assert block in blocks


def test_the_others_who_may_decide_are_not_listed() -> None:
    """The reader is asked, and nobody is mentioned on a tab."""
    presentation = Presentation(approvers=People(frozenset({"U0BEN", "U0CLEO"})))
    assert "To decide" not in shown(tab(waiting=(ASKED,)), presentation=presentation)


@pytest.mark.parametrize("state", State)
def test_a_requester_takes_back_or_stops_what_waits(state: State) -> None:
    """Every other state of one's own request has no button but the way to the card."""
    view = taken(home.home(tab(REQUESTER, own=(changed(ASKED, state=state),))))
    names = [each["action_id"] for each in pressed(view)]
    own = {State.PENDING: ["withdraw"], State.APPROVED: ["stop"]}.get(state, [])
    assert names == ["new_request", *own, "open_card"]


@pytest.mark.parametrize("count", [1, 3, 10])
def test_an_unknown_order_has_its_buttons_whatever_else_waits(count: int) -> None:
    """Nobody may be able to settle it anywhere else, and the whole tab still fits."""
    longest = many(ASKED, 10, reason="\u1780" * 3000)
    unknown = many(UNKNOWN, 20 + count, reason="\u1780" * 3000)[20:]
    view = home.home(tab(waiting=longest, unknown=unknown, own=longest, lately=longest, freeze=FREEZE))
    settled = [each for each in pressed(taken(view)) if each["action_id"] == buttons.MENU]
    assert settled
    assert len(json.dumps(view)) < 250_000


def test_who_cannot_look_everything_up_is_sent_to_the_cards() -> None:
    """People of ESCALATE_TO decide, and read only their own requests with the command."""
    text = shown(tab(ESCALATED_TO, unknown=many(UNKNOWN, 13)))
    assert "Settle them on their cards." in text
    assert "/cancel-audit unknown" not in text
    assert "To see all of them, type “/cancel-audit unknown”." in shown(tab(unknown=many(UNKNOWN, 13)))


def test_a_full_tab_of_the_longest_requests_fits() -> None:
    """Requests that do not fit are counted, never cut; the ones that expire first are there."""
    # The longest that a card takes, in letters that weigh the most in JSON.
    longest = many(ASKED, 10, reason="\u1780" * 3000, card_link=f"https://x.slack.com/{'p' * 400}")
    ended = many(changed(longest[0], state=State.REJECTED), 10, set_back=True)
    text = shown(tab(waiting=longest, own=longest, lately=ended, freeze=FREEZE))
    whole = text.count("\u1780" * 3000)
    assert 5 <= whole < 10
    assert f"{10 - whole} more are not shown here" in text
    assert "order ord_0" in text


def test_a_full_tab_of_usual_requests_shows_all_of_them() -> None:
    """Ten of each are there, with everything that a card can say of a request that waits."""
    request = changed(ASKED, order_id="ord_\u0430", decisions=(APPROVAL,), approvals_required=2)
    view = taken(home.home(tab(waiting=many(request, 10), own=many(ASKED, 10), lately=many(CONFIRMED, 10))))
    names = [each["action_id"] for each in pressed(view)]
    assert (names.count("approve"), names.count("withdraw")) == (10, 10)
    assert "not shown" not in str(view)


@given(text=ANY_TEXT, reason=ANY_TEXT)
@settings(max_examples=30)
def test_whatever_people_typed_slack_takes_the_tab(text: str, reason: str) -> None:
    """Text of people is shown and never interpreted."""
    request = changed(ASKED, order_id=text[:600] or "x", reason=reason)
    freeze = replace(FREEZE, why=reason)
    found = tab(waiting=(request,), own=(request,), lately=(changed(request, state=State.REJECTED),), freeze=freeze)
    shown(found)


FROZEN = changed(CONFIRMED, state=State.APPROVED), batch(WAITING, UNCLEAR, CANCELLED, id="c1")


@pytest.mark.parametrize(
    "found", [tab(own=FROZEN, freeze=FREEZE), tab(lately=FROZEN, freeze=FREEZE)], ids=["own", "lately"]
)
def test_an_approved_request_waits_while_everything_is_frozen(found: HomeTab) -> None:
    """Whoever asked for it, the tab says what its card says."""
    text = shown(found)
    assert "Approved: it waits, because everything is frozen · order ord_1" in text
    assert "3 orders: 1 waiting: frozen, 1 waiting: frozen (may be cancelled), 1 cancelled" in text
    assert "not confirmed" not in text
    assert "under way" not in text


def test_the_tab_says_at_its_beginning_all_that_a_freeze_stops_and_at_a_request_what_waits_for_its_end() -> None:
    """A call that is under way still ends, and Retry has its time after the freeze."""
    text = shown(tab(unknown=(replace(UNKNOWN, read_at=AT),), freeze=FREEZE))
    assert (
        "No request is taken, no approval counts, nobody can press Retry, and the gateway is not asked. "
        "A call to the gateway that has begun still ends."
    ) in text
    assert "An approver who is not the requester can press Retry when the freeze is over, until " in text
    assert text.count("Everything is frozen") == 1


OF_ORDERS = [each for each in State if each not in {State.PENDING, State.REJECTED, State.WITHDRAWN, State.EXPIRED}]
"""The states that the orders of one request can have beside each other."""


@given(states=st.lists(st.sampled_from(OF_ORDERS), min_size=2, max_size=50))
@settings(max_examples=30)
def test_several_orders_are_counted_by_how_they_stand(states: list[State]) -> None:
    """All of one kind have one heading, others a number for each."""
    orders = tuple(
        Cancellation(number, f"ord_{number}", state, AT + timedelta(minutes=1), 1)
        for number, state in enumerate(states)
    )
    text = shown(tab(lately=(replace(ASKED, cancellations=orders),)))
    assert f"{len(states)} orders" in text


def test_whoever_decides_about_several_orders_reads_each_id() -> None:
    """Fifty orders and a long reason are there to the last character, as on the card."""
    ids = [f"ord_{number:04}" for number in range(50)]
    text = shown(tab(waiting=(of_ids(ids, PENDING, reason="x" * 3000),)))
    assert all(each in text for each in ids)
    assert "x" * 3000 in text
    assert "[ Approve ] [ Reject ] [ Open ]" in text


def test_an_answer_to_a_click_is_a_modal_that_names_whom_to_ask() -> None:
    """Slack takes it."""
    view = notice(addressed("Ask the bot's operator to add you.", "C1"))
    assert problems_with_view(view) == []
    assert read_blocks(view["blocks"], NAMES) == "Ask #payments to add you."


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED, State.WITHDRAWN, State.EXPIRED])
def test_an_end_that_an_older_copy_cannot_know_is_told_with_that(state: State) -> None:
    """The request may have cancelled the order after the copy was made."""
    doubt = "may be cancelled: I may have gone on with an older copy of my database"
    ended = changed(ASKED, state=state)
    assert doubt in json.dumps(home.home(tab(lately=(replace(ended, set_back=True),))))
    assert doubt not in json.dumps(home.home(tab(lately=(ended,))))
