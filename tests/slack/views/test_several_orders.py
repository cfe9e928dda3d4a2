"""A request of several orders as people read it: every state, cause and quorum, and within Slack's limits."""

import itertools
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st
from syrupy.assertion import SnapshotAssertion

from bot.domain import policy
from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.cancellation import MAY_BE_CANCELLED, Cancellation, Choice, Decision, Earlier, State
from bot.domain.delivery import MissingCard
from bot.domain.events import (
    Cancelled,
    Content,
    Escalated,
    Expired,
    Failed,
    GatewayTrouble,
    Refused,
    Rejected,
    Reminded,
    SettledCancelled,
    SettledNotCancelled,
    StoppedTrying,
    Unknown,
    Voted,
    Withdrawn,
)
from bot.domain.freeze import Freeze
from bot.domain.policy import Act, Actor, Membership, Scope, Surface, Verdict
from bot.domain.request import Request, Step
from bot.rows import fields, request_row
from bot.sandbox.blockkit import problems_with_view
from bot.sandbox.views import elements_of
from bot.slack.payloads import FormView
from bot.slack.views import audit_page, buttons, card, freezes, notices, orders, outcomes, receipt, refusals, results
from bot.slack.views.modals import SettleForm
from bot.slack.views.presentation import NO_SETTINGS, Presentation
from bot.slack.views.text import Message, size, weight
from bot.store import Page
from bot.workflow import Found
from tests.slack.views.batches import (
    ASKED,
    CANCELLED,
    COMPLETED,
    DUE,
    ENDED,
    FAILED,
    NEXT_AT,
    PENDING,
    SENDING,
    SETTLED,
    STOPPED,
    UNCLEAR,
    UNDER_WAY,
    UNKNOWN,
    WAITING,
    batch,
    of_ids,
)
from tests.slack.views.samples import APPROVAL, AT, BOT, MOST_TEXT, event_of, shown

LINKED = Presentation(order_url="https://console.payments.example/merchants/4711/orders?view=all&id={order_id}")
WHOLE = {State.PENDING, State.REJECTED, State.WITHDRAWN, State.EXPIRED}
WAITS = replace(PENDING, earlier=Earlier(State.CANCELLED, AT))
CAUSES: tuple[Reason | Trouble | None, ...] = (None, *Reason, *Trouble)
ENDS = (State.REFUSED, State.FAILED, State.UNKNOWN)


def ended(state: State, cause: Reason | Trouble | None) -> Cancellation:
    """Return an order in this state, of which the last attempt was told this cause."""
    answer = Answer(
        Outcome.UNKNOWN,
        reason=cause if isinstance(cause, Reason) else None,
        trouble=cause if isinstance(cause, Trouble) else None,
    )
    return replace(UNKNOWN, state=state, last_answer=answer)


ALL_ENDS = [
    CANCELLED,
    SETTLED,
    STOPPED,
    replace(SETTLED, state=State.SETTLED_CANCELLED),
    *(ended(state, cause) for state, cause in itertools.product(ENDS, CAUSES)),
]
ANY_END = st.sampled_from(ALL_ENDS)
ANY_ORDER = st.sampled_from([*ALL_ENDS, WAITING, UNCLEAR, DUE, SENDING])


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [2, 12, 50])
@pytest.mark.parametrize("quorum", [1, 2, 3])
@pytest.mark.parametrize("given", [0, 1])
def test_a_card_asks_for_all_orders_at_once(number: int, quorum: int, given: int) -> None:
    """It says how many they are and how many approvals are missing, and lists each id."""
    decisions = (APPROVAL,) * given
    request = batch(*[PENDING] * number, approvals_required=quorum, decisions=decisions)
    text = shown(card.card(request))
    assert text.splitlines()[0] == f"❓ @ann asks to cancel {number} orders"
    assert [line for line in text.splitlines() if line.startswith("ord_")] == [f"ord_{n + 1}" for n in range(number)]
    missing = quorum - given
    needed = f"{missing}{' more' if given else ''} {'approval is' if missing == 1 else 'approvals are'} needed."
    assert (needed if missing else "Slack has not said yet whether everybody who approved still may.") in text


LAST = "the last one: yours, if others approve first."


@pytest.mark.parametrize("number", [2, 12])
@pytest.mark.parametrize(
    "given, needed, begins",
    [
        (0, 1, "This cancels {} orders at the payment gateway now."),
        (0, 2, f"It needs 2 approvals, and has 0 so far. {{}} orders are cancelled with {LAST}"),
        (1, 2, "This is approval 2 of 2. It cancels {} orders at the payment gateway now."),
        (1, 3, f"It needs 3 approvals, and has 1 so far. {{}} orders are cancelled with {LAST}"),
    ],
)
def test_the_dialogs_say_how_many_orders_the_click_is_about(number: int, given: int, needed: int, begins: str) -> None:
    """People read what an approval does, and that a withdrawal cancels none."""
    request = batch(*[PENDING] * number, approvals_required=needed, decisions=(APPROVAL,) * given)
    said = dialogs(request)
    assert said["approve"] == f"{begins.format(number)} A cancelled order can't be restored."
    assert said[buttons.MENU].startswith(f"The request ends, and it does not cancel {number} orders.")
    own = receipt.receipt(request, None, BOT).blocks[-1]["elements"][0]["confirm"]
    assert own["text"]["text"] == f"The request ends, and it does not cancel {number} orders."


@pytest.mark.parametrize(
    "request_, heading",
    [
        (UNDER_WAY, "⏳ 12 orders: 9 cancelled, 2 completed: refund, 1 under way"),
        (batch(CANCELLED, CANCELLED), "✅ 2 orders: all cancelled"),
        (batch(DUE, DUE, DUE), "⏳ 3 orders: all under way"),
        (batch(CANCELLED, UNKNOWN), "⚠️ 2 orders: 1 cancelled, 1 not known"),
        (batch(CANCELLED, COMPLETED, CANCELLED), "⛔ 3 orders: 2 cancelled, 1 completed: refund"),
        (batch(CANCELLED, SETTLED), "📝 2 orders: 1 cancelled, 1 settled by hand: not cancelled"),
        (batch(CANCELLED, STOPPED), "✋ 2 orders: 1 cancelled, 1 stopped"),
        (batch(STOPPED, FAILED), "⚠️ 2 orders: 1 stopped, 1 failed: gateway not reached"),
        (
            batch(CANCELLED, ended(State.CANCELLED, Reason.ALREADY_CANCELLED)),
            "✅ 2 orders: all cancelled",
        ),
    ],
)
def test_the_heading_counts_how_the_orders_stand(request_: Request, heading: str) -> None:
    """Its sign is that of the orders at which people must look, and all messages have the same heading."""
    assert shown(card.card(request_)).splitlines()[1] == heading
    assert shown(receipt.receipt(request_, None, BOT)).splitlines()[0] == heading
    assert shown(results.reply(request_, event_of(Cancelled(1, Answer(Outcome.CANCELLED))))).splitlines()[0] == heading
    assert heading in card.card(request_).text


@pytest.mark.parametrize("order", ALL_ENDS, ids=lambda order: f"{order.state}-{order.last_answer}")
def test_one_text_serves_one_cause(order: Cancellation) -> None:
    """Each end has short words of its own, and the explanation is the one of a single order's card."""
    found = outcomes.words_for(batch(order).each()[0])
    request = batch(CANCELLED, order, order)
    message, summary = card.card(request), results.reply(request, event_of(Refused(1, Answer(Outcome.REFUSED))))
    for text in (shown(message), shown(summary)):
        if order.state is not State.CANCELLED or text == shown(message):
            assert f"ord_2 {found.sign} {found.short}" in text
            assert f"ord_3 {found.sign} {found.short}" in text
        assert found.did in text
        assert found.meaning in text
    assert found.then in shown(summary)
    assert found.explanation in message.text
    assert found.short in message.text


def test_no_two_causes_share_their_short_words() -> None:
    """Orders that read alike in a list stand alike; only the confirmation by a repeat is a cancellation as well."""
    found = {outcomes.words_for(batch(each).each()[0]) for each in [*ALL_ENDS, WAITING]}
    assert all(each.short for each in found)
    counts = Counter(each.short for each in found)
    # Each differs in its title as well, but for what is not known, of which the title is the same for all causes.
    assert {short for short, count in counts.items() if count > 1} <= {"cancelled"}


@pytest.mark.parametrize("state", sorted(WHOLE - {State.PENDING}))
def test_the_end_of_a_whole_request_is_told_like_that_of_one_order(state: State) -> None:
    """All orders ended alike, so the heading does not count them."""
    request = of_ids(["ord_1", "ord_2"], replace(PENDING, state=state))
    heading = {State.REJECTED: "⛔ Rejected", State.WITHDRAWN: "↩️ Withdrawn"}.get(
        state, "⌛ Expired: not enough approvals in time"
    )
    contents: dict[State, Content] = {State.REJECTED: Rejected("no"), State.WITHDRAWN: Withdrawn()}
    event = event_of(contents.get(state, Expired()))
    assert shown(card.card(request)).splitlines()[1] == heading
    for message in (results.reply(request, event), results.direct_message(request, event)):
        text = shown(message)
        assert text.splitlines()[0] == f"{heading} · 2 orders"
        assert "This request did not ask the gateway to cancel the orders." in text
        assert message.text.startswith(f"{heading} · 2 orders. ")
        assert "ord_1, ord_2" in message.text
    assert ("Rejected by @ben" in shown(results.reply(request, event))) == (state is State.REJECTED)


LONG = "The order was cancelled by the merchant, but the bank has not accepted it: it is being paid out now."


@pytest.mark.parametrize("count, shown_words", [(2, LONG), (9, LONG), (30, LONG[:40]), (50, LONG[:40])])
def test_of_each_order_people_read_what_the_gateway_said_as_long_as_there_is_room(count: int, shown_words: str) -> None:
    """Half a sentence may say the contrary, and with differing answers no line below the list has the words."""
    answers = [Answer(Outcome.UNKNOWN, message=f"{number}. {LONG}") for number in range(count)]
    request = batch(*(replace(UNKNOWN, last_answer=answer) for answer in answers))
    for message in (card.card(request), results.reply(request, event_of(Unknown(2, answers[0])))):
        text = shown(message)
        for number in range(count):
            assert f"{number}. {shown_words}" in text


def test_a_typical_batch(snapshot: SnapshotAssertion) -> None:
    """Card, receipt, summary and statements, as people read them."""
    doubtful = batch(PENDING, WAITS, PENDING, PENDING, decisions=(), approvals_required=2)
    doubtful = replace(doubtful, cancellations=(*doubtful.cancellations[:3], replace(PENDING, order_id="\u043erd_4")))
    waiting = batch(CANCELLED, WAITING, UNCLEAR, SENDING, decisions=(APPROVAL,), approvals_required=1)
    drawn = [doubtful, waiting, UNDER_WAY, ENDED, of_ids(["ord_1", "ord_2"], replace(PENDING, state=State.EXPIRED))]
    messages = {
        f"{kind} {number}": (shown(message), message.text)
        for number, request in enumerate(drawn, 1)
        for kind, message in {
            "card": card.card(request),
            "receipt": receipt.receipt(request, None, BOT),
        }.items()
    }
    for content in (Failed(1, Answer(Outcome.NOT_SENT)), SettledNotCancelled("I saw it in the console")):
        about = event_of(content)._replace(order_id="ord_9")
        messages[f"reply {content.kind}"] = (shown(results.reply(ENDED, about)), results.reply(ENDED, about).text)
    direct = results.direct_message(ENDED, event_of(StoppedTrying())._replace(order_id="ord_7"))
    messages["direct message stopped_trying"] = (shown(direct), direct.text)
    copies = {"copy": card.copy(ENDED), "receipt copy": receipt.copy(ENDED), "asked": receipt.asked(ENDED)}
    messages |= {name: (shown(message), message.text) for name, message in copies.items()}
    assert messages == snapshot


@pytest.mark.parametrize(
    "content",
    [
        SettledCancelled("the console says so"),
        SettledNotCancelled("the console says so"),
        Cancelled(1, Answer(Outcome.CANCELLED), late=True),
    ],
)
def test_what_comes_after_the_end_is_told_of_its_order_alone(content: Content) -> None:
    """A statement by hand and a late confirmation name their order, and say how the whole stands by now."""
    about = event_of(content)._replace(order_id="ord_8")
    for message in (results.reply(ENDED, about), results.direct_message(ENDED, about)):
        assert shown(message).splitlines()[0].endswith(" · order ord_8")
        assert "The whole request: 9 orders: 3 cancelled" in shown(message)
        assert " · order ord_8. " in message.text
        assert "ord_4" not in shown(message)


@pytest.mark.parametrize(
    "content",
    [
        Cancelled(1, Answer(Outcome.CANCELLED)),
        Refused(1, Answer(Outcome.REFUSED)),
        Failed(1, Answer(Outcome.NOT_SENT)),
        Unknown(1, Answer(Outcome.UNKNOWN)),
        StoppedTrying(),
    ],
)
def test_the_last_end_of_a_round_brings_the_summary(content: Content) -> None:
    """It counts the cancelled orders without their ids, and names each other one with its cause."""
    for message in (results.reply(ENDED, event_of(content)), results.direct_message(ENDED, event_of(content))):
        text = shown(message)
        assert "9 orders: 3 cancelled, " in text.splitlines()[0]
        listed = [line.split(" ")[0] for line in text.splitlines() if line.startswith("ord_")]
        assert listed == [f"ord_{number}" for number in range(4, 10)]
        assert all(f"ord_{number}" in message.text for number in range(1, 10))


# --- buttons ----------------------------------------------------------------------------------

PEOPLE = [Actor(person, approver=Membership.MEMBER) for person in ("U0ANN", "U0BEN", "U0CLEO", "U0DORA")]
OF_WHOLE = [replace(PENDING, state=state) for state in sorted(WHOLE)]
KINDS = [CANCELLED, COMPLETED, FAILED, STOPPED, UNKNOWN, SETTLED, WAITING, UNCLEAR, DUE, SENDING]


@pytest.mark.parametrize(
    "request_",
    [*(batch(*pair) for pair in itertools.combinations_with_replacement(KINDS, 2)), *(batch(o, o) for o in OF_WHOLE)],
    ids=lambda request: "-".join(each.state for each in request.cancellations),
)
def test_there_are_only_buttons_that_can_do_something(request_: Request) -> None:
    """Retry and Settle wait until nothing is under way; every button can do something for somebody."""
    offered = set(pressable(request_))
    possible = {act for act in Act if any(may(one, who, act) for one in request_.each() for who in PEOPLE)}
    if request_.under_way:
        possible -= {Act.RETRY, Act.SETTLE}
    assert {Act("settle") if name.startswith("settle") else Act(name) for name in offered} == possible


@pytest.mark.parametrize(
    "request_, says",
    [
        (batch(CANCELLED, UNKNOWN, FAILED), "The same cancellation of 2 of 3 orders is sent once more."),
        (batch(UNKNOWN, FAILED), "The same cancellation of 2 orders is sent once more."),
        (batch(CANCELLED, FAILED), "The same cancellation of order ord_2 is sent once more."),
    ],
)
def test_the_retry_dialog_says_how_many_orders_are_asked_again(request_: Request, says: str) -> None:
    """The orders that have ended for good are not asked again."""
    assert dialogs(request_)["retry"].startswith(says)


@pytest.mark.parametrize(
    "request_, says",
    [
        (
            batch(CANCELLED, WAITING, WAITING),
            "No further attempt is made for all orders that can be stopped then: now 2 of 3 orders. ",
        ),
        (
            batch(SENDING, WAITING, UNCLEAR),
            "No further attempt is made for all orders that can be stopped then: now order ord_2. ",
        ),
    ],
)
def test_the_stop_dialog_says_for_which_orders_it_is(request_: Request, says: str) -> None:
    """An order that may have been cancelled goes on, and one that is being sent as well."""
    assert dialogs(request_)[buttons.MENU].startswith(says)


def dialogs(request: Request) -> dict[str, str]:
    """Return what the card asks before each click, by the button's action id."""
    return {
        element["action_id"]: element["confirm"]["text"]["text"]
        for element in card.card(request).blocks[-1].get("elements", [])
        if "confirm" in element
    }


def pressable(request: Request) -> list[str]:
    """Return the names of the acts that the card offers, in its buttons and in its menu."""
    names: list[str] = []
    for block in card.card(request).blocks:
        for element in block["elements"] if block["type"] == "actions" else []:
            options = element.get("options")
            names += [each["value"].split(" ")[0] for each in options] if options else [element["action_id"]]
    return names


def may(one: Request, person: Actor, act: Act) -> bool:
    """Return True where this person's act on this one order would count, by the rules of the domain."""
    match act:
        case Act.APPROVE | Act.REJECT:
            verdict = policy.may_decide(one, person, Choice(act), allow_self_approval=False)
        case Act.WITHDRAW:
            verdict = policy.may_withdraw(one, person)
        case Act.RETRY:
            verdict = policy.may_retry(one, person, votes=Verdict.ALLOWED, at=AT)
        case Act.TRY_NOW:
            verdict = policy.may_try_now(one, person, AT) if one.cancellation.attempts else Verdict.CALL_UNDER_WAY
        case Act.STOP:
            verdict = policy.may_stop(one, person)
        case Act.SETTLE:
            verdict = policy.may_settle(one, person)
    return verdict is Verdict.ALLOWED


# --- what approvers must know -----------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(MAY_BE_CANCELLED))
def test_approvers_read_how_earlier_requests_for_each_order_ended(state: State) -> None:
    """Beside the order where there is room, and in any case in the text and in the list."""
    earlier = replace(PENDING, earlier=Earlier(state, AT))
    message = card.card(batch(PENDING, earlier))
    how = outcomes.how_it_ended(Earlier(state, AT))
    row = f"ord_2 ⚠️ An earlier request for this order ended 2026-11-23 09:00: {how}."
    assert row in shown(message).splitlines()
    assert how in message.text
    crowded = card.card(of_ids([f"ord_{number:060}" for number in range(50)], earlier, reason="r" * 3000))
    number = sorted(MAY_BE_CANCELLED).index(state) + 1
    assert shown(crowded).count(f" ⚠️{number}\n") == 50
    assert f"⚠️{number} Earlier requests for 50 of these orders ended, the last one 2026-11-23 09:00: {how}." in shown(
        crowded
    )


def test_an_id_that_is_not_what_it_looks_like_is_marked_in_the_list() -> None:
    """The warning is beside its order on the card; the text has those of the first ones."""
    message = card.card(of_ids(["ord_1", *(f"\u043erd_{number}" for number in range(2, 7))], PENDING))
    alike = "“\u043e” (cyrillic small letter o), which is easily mistaken or overlooked."
    assert shown(message).count(f" ⚠️ It contains {alike}") == 5
    assert message.text.count(alike) == 3
    assert "2 more have such characters." in message.text


# --- limits -----------------------------------------------------------------------------------

PEOPLE_MENTIONED = policy.People(
    frozenset(f"U0{number:09}" for number in range(20)), frozenset(f"S0{number:09}" for number in range(5))
)
CROWDED = replace(LINKED, approvers=PEOPLE_MENTIONED)
LONG_HISTORY = (ASKED, *(Step("retried", "U0123456789", AT + timedelta(minutes=n), "ord_1") for n in range(40)))
FIFTY = [f"ord_{number:060}" for number in range(50)]
SOME_TEXT = st.one_of(st.text(max_size=400), st.sampled_from(["&<>" * 1000, "\n" * 3000, "😀" * 1500, "a" * 3000, ""]))


@pytest.mark.parametrize("order", [PENDING, WAITS, *OF_WHOLE, *KINDS], ids=lambda order: order.state)
@pytest.mark.parametrize("character", ["r", "ក", "中"])
@pytest.mark.parametrize("frozen", [False, True])
def test_fifty_long_ids_and_a_long_reason_fit(order: Cancellation, character: str, frozen: bool) -> None:
    """The form takes 50 orders, and nobody approves text that they could not read."""
    reason = character * 2999 + "."
    assert card.fits(FIFTY, reason)
    decisions = [APPROVAL, Decision("U0CLEO", Choice.APPROVE, "", AT)]
    if order.state is State.REJECTED:
        decisions.append(Decision("U0DORA", Choice.REJECT, "&" * 1500, AT))
    request = of_ids(FIFTY, order, reason=reason, decisions=tuple(decisions), history=LONG_HISTORY)
    if frozen:
        request = replace(request, freeze=Freeze("U0CLEO", AT, "w" * 300))
    for message in (card.card(request, CROWDED), receipt.receipt(request, None, BOT)):
        text = shown(message)
        assert f"> {reason}" in text.splitlines()
        assert all(each in text for each in FIFTY)
        assert len(message.text.encode()) <= MOST_TEXT


@pytest.mark.parametrize(
    "kinds", [[PENDING], [WAITS], [SETTLED], [SENDING, WAITING], ALL_ENDS, *([each] for each in OF_WHOLE)]
)
@pytest.mark.parametrize("number, long", [(2, 200), (10, 100), (50, 61), (50, 20)])
def test_signs_that_slack_counts_five_times_fit_as_well(kinds: list[Cancellation], number: int, long: int) -> None:
    """The worst that people can type everywhere at once leaves a card that Slack takes."""
    ids = [f"o{index:02}" + "&" * (long // 20) + "x" * long for index in range(number)]
    reason = "&" * ((7000 - orders.weight_of(ids)) // 5)
    assert card.fits(ids, reason)
    statement = Decision("U0DORA", Choice.SETTLE, "&" * 1400, AT)
    said = (Decision("U0DORA", Choice.REJECT, "&" * 1400, AT),) if kinds[0].state is State.REJECTED else ()
    cancellations = tuple(
        replace(each, number=index, order_id=order_id, settlement=statement if each.settlement else None)
        for index, (each, order_id) in enumerate(zip(itertools.cycle(kinds), ids, strict=False), 1)
    )
    request = of_ids(ids, PENDING, reason=reason, decisions=(APPROVAL, *said), history=LONG_HISTORY)
    request = replace(request, cancellations=cancellations, freeze=Freeze("U0CLEO", AT, "&" * 300))
    event = event_of(Rejected("&" * 1400) if said else Unknown(1, Answer(Outcome.UNKNOWN)))
    messages = [
        card.card(request, CROWDED),
        receipt.receipt(request, None, BOT),
        results.direct_message(request, event),
    ]
    for message in messages:
        text = shown(message)
        assert all(each in text for each in ids if message is messages[0])


@pytest.mark.parametrize("character", ["r", '"', "&", "ក"])
@pytest.mark.parametrize("last", [FAILED, STOPPED, UNKNOWN, UNCLEAR, SENDING], ids=lambda order: order.state)
def test_many_orders_that_people_settled_leave_room_for_the_rest(character: str, last: Cancellation) -> None:
    """The longest reason, the longest findings, many approvals and a freeze: how the last order stands is shown."""
    ids = [f"ord_{number:054}" for number in range(50)]
    reason = character * ((7000 - orders.weight_of(ids)) // weight(character))
    statement = Decision("U0123456789", Choice.SETTLE, character * 2999, AT)
    approvals = tuple(Decision(f"U0{number:09}", Choice.APPROVE, "", AT) for number in range(12))
    request = of_ids(ids, replace(SETTLED, settlement=statement), reason=reason[:3000], decisions=approvals)
    rest = replace(last, number=50, order_id=ids[-1])
    request = replace(
        request,
        cancellations=(*request.cancellations[:-1], rest),
        history=LONG_HISTORY,
        set_back=True,
        freeze=Freeze("U0CLEO", AT, "w" * 300),
    )
    for missing in (None, MissingCard("not_in_channel"), MissingCard("channel_not_found", in_doubt=True)):
        shown(receipt.receipt(request, missing, BOT))
    assert ids[-1] in shown(card.card(request, CROWDED))


@given(
    ids=st.lists(st.text(min_size=1, max_size=80), min_size=2, max_size=50, unique=True),
    reason=SOME_TEXT,
    said=SOME_TEXT,
    data=st.data(),
)
def test_whatever_fits_is_taken_by_slack(ids: list[str], reason: str, said: str, data: st.DataObject) -> None:
    """In no state and with no mixture of ends is a message refused that was taken when somebody asked."""
    if not card.fits(ids, reason):
        return
    drawn = data.draw(st.lists(ANY_ORDER, min_size=len(ids), max_size=len(ids)))
    answered = [
        replace(each, last_answer=each.last_answer and replace(each.last_answer, message=said[:300])) for each in drawn
    ]
    statement = Decision("U0DORA", Choice.SETTLE, said[:3000], AT)
    request = of_ids(ids, PENDING, reason=reason, history=LONG_HISTORY, decisions=(APPROVAL,))
    request = replace(
        request,
        cancellations=tuple(
            replace(
                each, number=number, order_id=order_id, settlement=statement if each.settlement is not None else None
            )
            for number, (each, order_id) in enumerate(zip(answered, ids, strict=True), 1)
        ),
    )
    event = event_of(Unknown(1, Answer(Outcome.UNKNOWN)))
    messages = [
        card.card(request, CROWDED),
        receipt.receipt(request, None, BOT),
        results.reply(request, event),
        results.direct_message(request, event),
    ]
    for message in messages:
        shown(message)
        assert size(message.blocks) <= 13_000
        assert len(message.text.encode("utf-8", "replace")) <= MOST_TEXT


@given(ends=st.lists(ANY_END, min_size=2, max_size=50))
def test_a_summary_names_every_order_that_was_not_cancelled(ends: list[Cancellation]) -> None:
    """Its count and its list are complete, whatever the mixture."""
    request = batch(*ends)
    text = shown(results.reply(request, event_of(Failed(1, Answer(Outcome.NOT_SENT)))))
    listed = [line.split(" ")[0] for line in text.splitlines() if line.startswith("ord_")]
    assert listed == [each.order_id for each in request.cancellations if each.state is not State.CANCELLED]
    cancelled = sum(each.state is State.CANCELLED for each in ends)
    heading = text.splitlines()[0]
    assert not cancelled or f"{cancelled} cancelled" in heading or heading.endswith(": all cancelled")


def test_ids_are_links_where_there_is_room() -> None:
    """Each id leads to its order's page; where that does not fit, all ids are there in the style of code."""
    few, many = batch(PENDING, PENDING), of_ids(FIFTY, PENDING, reason="r" * 3000)
    assert [each["url"] for each in elements(card.card(few, LINKED)) if each["type"] == "link"] == [
        LINKED.page_of("ord_1"),
        LINKED.page_of("ord_2"),
    ]
    assert not any(each["type"] == "link" for each in elements(card.card(many, LINKED)))
    frames = [
        part["type"] for block in card.card(many, LINKED).blocks for part in block["elements"] if "elements" in part
    ]
    assert "rich_text_preformatted" in frames
    codes = [each for each in elements(card.card(few)) if each.get("style") == {"code": True}]
    assert [each["text"] for each in codes] == ["ord_1", "ord_2"]


def elements(message: Message) -> list[dict[str, object]]:
    """Return the rich text elements of a message, in their order."""
    parts = [part for block in message.blocks if block["type"] == "rich_text" for part in block["elements"]]
    return [element for part in parts for element in part["elements"]]


HAS_RETRY = ", and an approver who is not the requester can press Retry on its card"
HAS_BUTTONS = "and its card has buttons for what can still be done"


# --- history, freeze, notices, refusals -------------------------------------------------------


def test_the_history_says_about_which_order_a_step_is() -> None:
    """One click on many orders is one line; a step about the whole request names no order."""
    rows = [line for line in shown(card.card(ENDED)).splitlines() if ", 2026-11-23 09:0" in line]
    assert rows == [
        "Requested by @ann, 2026-11-23 09:00",
        "Approved by @ben, 2026-11-23 09:00",
        "Retried by @ben, 2026-11-23 09:01 (3 orders)",
        "Stopped by @cleo, 2026-11-23 09:02 (order ord_7)",
        "Settled by hand as not cancelled by @dora, 2026-11-23 09:03 (order ord_9)".replace("@dora", "@U0DORA"),
    ]


@pytest.mark.parametrize("order", KINDS, ids=lambda order: order.state)
def test_a_freeze_is_shown_as_long_as_an_order_waits(order: Cancellation) -> None:
    """An order that is being sent does not hide that others stand still."""
    frozen = batch(SENDING, order, freeze=Freeze("U0CLEO", AT, "why"))
    stands_still = order.state is State.APPROVED or order.state.may_retry
    assert (freezes.shown(frozen) is not None) == stands_still
    assert ("Everything is frozen" in shown(card.card(frozen))) == stands_still
    assert "I ask again at" not in shown(card.card(frozen))


def test_a_card_says_when_the_first_of_the_waiting_orders_is_asked_again() -> None:
    """People read how many are not confirmed yet, and what they can do."""
    later = replace(WAITING, due_at=NEXT_AT + timedelta(minutes=1))
    text = shown(card.card(batch(CANCELLED, later, WAITING)))
    assert "Not confirmed yet: 2 orders. I ask again at 2026-11-23 09:06:00. An approver can press Try now " in text


@pytest.mark.parametrize(
    "orders_, tries, stops",
    [
        ((UNCLEAR, WAITING, DUE), "order ord_2", "2 of 3 orders"),
        ((WAITING, WAITING), "2 orders", "2 orders"),
        ((UNCLEAR, DUE), "", "order ord_2"),
        ((UNCLEAR, SENDING), "", ""),
    ],
)
def test_card_and_receipt_name_the_orders_for_which_people_can_do_something(
    orders_: tuple[Cancellation, ...], tries: str, stops: str
) -> None:
    """An order that may be cancelled already can't be stopped, and Try now serves those that were tried."""
    about = batch(*orders_)
    on_card, on_receipt = shown(card.card(about)), shown(receipt.receipt(about, None, BOT))
    assert ("[ Try now ]" in on_card, "Stop trying" in on_card) == (bool(tries), bool(stops))
    assert f"An approver can press Try now for {tries}." in on_card if tries else "press Try now" not in on_card
    stopped = f"requester can stop {stops} in the menu (⋯)."
    assert stopped in on_card if stops else "in the menu" not in on_card
    stops_here = f"To stop {stops}, press Stop trying here."
    assert stops_here in on_receipt if stops else "Stop trying" not in on_receipt
    assert ("[ Stop trying ]" in on_receipt) == bool(stops)


@pytest.mark.parametrize(
    "content, begins",
    [
        (Voted(1, 2), "👀 1 more approval needed for 2 orders"),
        (Reminded(1), "⏰ 1 more approval needed for 2 orders"),
        (Escalated(("U0CLEO",)), "🔔 1 more approval needed for 2 orders"),
    ],
)
def test_notices_say_how_many_orders_wait(content: Content, begins: str) -> None:
    """Nobody has to read fifty ids to know that they are needed."""
    message = notices.notice(batch(PENDING, PENDING), event_of(content), NO_SETTINGS, AT)
    assert shown(message).startswith(begins)
    assert message.text.startswith(begins)


def test_trouble_says_how_many_orders_are_not_settled_and_what_is_known_of_the_one_that_told() -> None:
    """If that one ended meanwhile, nothing is said about it any more."""
    event = event_of(GatewayTrouble(3, unclear=True, most=20))._replace(order_id="ord_3")
    waits = batch(CANCELLED, WAITING, UNCLEAR)
    for message in (notices.notice(waits, event, NO_SETTINGS, AT), notices.direct_notice(waits, event)):
        first, second, third, *_ = shown(message).splitlines()
        assert first == "⏳ The gateway has not settled 2 of 3 orders yet."
        assert second.startswith("Order ord_3: The gateway's answers don't say whether the order was cancelled.")
        assert third.startswith("I ask again, next at 2026-11-23 09:06:00 (at most 20 attempts for each order), unless")
        assert "2 of 3 orders" in message.text
    over = shown(notices.notice(batch(CANCELLED, WAITING, CANCELLED), event, NO_SETTINGS, AT))
    assert "has not settled 1 of 3 orders yet" in over
    assert "ord_3" not in over


def test_trouble_names_the_other_orders_that_may_be_cancelled_already() -> None:
    """The order that told may certainly not be cancelled; nobody may take that for all of them."""
    event = event_of(GatewayTrouble(3, unclear=False, most=20))._replace(order_id="ord_2")
    one, many = batch(UNCLEAR, WAITING, WAITING), batch(UNCLEAR, WAITING, replace(AGAIN, unclear=True))
    for message in (notices.notice(one, event, NO_SETTINGS, AT), notices.direct_notice(one, event)):
        _, second, third, *_ = shown(message).splitlines()
        assert second == "⚠️ The gateway's answers don't say whether this order was cancelled: ord_1."
        assert third.startswith("Order ord_2: This request has not changed the order so far")
        assert "⚠️ The gateway's answers don't say" in message.text
    said = "⚠️ The gateway's answers don't say whether these orders were cancelled: ord_1, ord_3."
    assert said in shown(notices.notice(many, event, NO_SETTINGS, AT))


def test_trouble_names_the_orders_that_are_not_known_already() -> None:
    """Somebody has to look these up, so it does not say that nobody has to do anything."""
    event = event_of(GatewayTrouble(7, unclear=False, most=20))._replace(order_id="ord_3")
    one, two = batch(CANCELLED, UNKNOWN, WAITING), batch(UNKNOWN, UNKNOWN, WAITING)
    for message in (notices.notice(one, event, NO_SETTINGS, AT), notices.direct_notice(one, event)):
        assert (
            "Nobody knows yet whether this order is cancelled: ord_2. I tell you what can be done when no order is "
            "under way any more."
        ) in shown(message)
        assert "ord_2" in message.text
        assert "don't have to do anything" not in shown(message)
    assert "whether these orders are cancelled: ord_1, ord_2." in shown(notices.notice(two, event, NO_SETTINGS, AT))
    known = notices.notice(batch(CANCELLED, FAILED, WAITING), event, NO_SETTINGS, AT)
    assert "You don't have to do anything." in shown(known)


def test_the_list_says_which_orders_under_way_may_be_cancelled_already() -> None:
    """One by one, as an answer was lost for some of them only."""
    request = batch(UNCLEAR, WAITING, replace(AGAIN, unclear=True))
    for message in (card.card(request), receipt.receipt(request, None, BOT)):
        text = shown(message)
        assert "ord_1 ⏳ under way (may be cancelled)" in text
        assert "ord_2 ⏳ under way\n" in text
        assert "ord_3 ⏳ under way (may be cancelled)" in text
        assert "3 orders: 2 under way (may be cancelled), 1 under way" in text


def test_another_call_takes_nothing_from_the_doubt() -> None:
    """While it is under way, and after Retry before it begins, the order may be cancelled already."""
    again = replace(AGAIN, unclear=True)
    for order in (again, replace(again, attempts=1), replace(DUE, unclear=True)):
        request = batch(order)
        for message in (card.card(request), receipt.receipt(request, None, BOT)):
            said = "An answer was lost or not clear, so the order may be cancelled already."
            assert said in shown(message)
    assert "may be cancelled" not in shown(card.card(batch(AGAIN)))


def test_what_the_last_attempt_met_is_not_said_of_all_attempts() -> None:
    """It may not have left the bot, while an earlier one may have cancelled the order."""
    request = batch(replace(UNKNOWN, last_answer=WAITING.last_answer), CANCELLED)
    assert "ord_1 ⚠️ not known (last attempt: the gateway could not be reached)" in shown(card.card(request))


FIRST_CALL = replace(SENDING, attempts=1)
AGAIN = replace(WAITING, state=State.SENDING, attempts=2, due_at=None)


@pytest.mark.parametrize(
    "orders_, says",
    [
        # No call that is under way is a second one, and the first order can't be stopped.
        (
            (UNCLEAR, WAITING, FIRST_CALL),
            "for each order), unless somebody stops those that can still be stopped or freezes everything.",
        ),
        ((UNCLEAR, FIRST_CALL), "I ask again, next at 2026-11-23 09:06:00 (at most"),
        ((UNCLEAR, AGAIN), "I ask again, next at 2026-11-23 09:06:00 (at most"),
        # Its time is that of the approval: it waits for its turn.
        ((UNCLEAR, replace(DUE, due_at=AT)), "I ask again, next at 2026-11-23 09:06:00 (at most"),
        ((AGAIN, FIRST_CALL), "I ask again (at most 20 attempts for each order)"),
        ((AGAIN, AGAIN), "I am asking again now (at most 20 attempts for each order)"),
        ((WAITING, WAITING), "for each order), unless somebody stops them or freezes everything."),
        ((WAITING,), "for each order), unless somebody stops it or freezes everything."),
        ((UNCLEAR, UNCLEAR), "for each order), unless somebody freezes everything."),
    ],
)
def test_trouble_says_of_the_next_attempts_what_is_true_of_each_order(
    orders_: tuple[Cancellation, ...], says: str
) -> None:
    """A call for one order is no answer about another, and nobody hears of a stop that would be refused."""
    about = batch(CANCELLED, *orders_)
    unclear = orders_[0].unclear
    event = event_of(GatewayTrouble(3, unclear=unclear, most=20))._replace(order_id="ord_2")
    for message in (notices.notice(about, event, NO_SETTINGS, AT), notices.direct_notice(about, event)):
        assert says in shown(message)


@pytest.mark.parametrize(
    "request_, says",
    [
        (batch(CANCELLED, SENDING), "this request is approved, with 2 orders: 1 cancelled, 1 under way."),
        (batch(UNKNOWN, SENDING), "this request is approved, with 2 orders: 1 not known, 1 under way."),
        (batch(PENDING, PENDING), "this request is waiting for approval."),
        (batch(CANCELLED, COMPLETED), "this request has ended, with 2 orders: 1 cancelled, 1 completed: refund."),
        (
            batch(CANCELLED, UNKNOWN),
            f"this request has ended, with 2 orders: 1 cancelled, 1 not known, {HAS_BUTTONS}.",
        ),
        (of_ids(["ord_1", "ord_2"], replace(PENDING, state=State.REJECTED)), "this request was already rejected."),
        (of_ids(["ord_1", "ord_2"], replace(PENDING, state=State.EXPIRED)), "this request has already expired."),
    ],
)
def test_a_refused_click_says_what_is_true_of_all_orders(request_: Request, says: str) -> None:
    """Nobody reads of all orders what is true of one."""
    assert refusals.click_refused(Verdict.WRONG_STATE, request_) == f"Nothing has changed: {says}"


@pytest.mark.parametrize(
    "others, instead",
    [
        ((CANCELLED,), "If some of the orders must still be cancelled, they need a new request with /cancel-order."),
        ((UNKNOWN,), "If others must still be cancelled, they need a new request with /cancel-order."),
        ((SENDING,), "This request is approved, with 2 orders: 1 failed: gateway not reached, 1 under way."),
    ],
)
@pytest.mark.parametrize("verdict", [Verdict.STOPPED_BY_REQUESTER, Verdict.DECIDED_AGAINST])
def test_a_refused_retry_speaks_of_one_order_as_of_one(
    verdict: Verdict, others: tuple[Cancellation, ...], instead: str
) -> None:
    """Another may be cancelled, under way or unknown, and nobody is sent to a request that would be refused."""
    told = refusals.click_refused(verdict, batch(FAILED, *others))
    assert told.startswith("Nothing is left to retry: ")
    assert " at least one of these orders" in told
    assert told.endswith(instead)


@pytest.mark.parametrize(
    "request_, how",
    [
        (batch(CANCELLED, COMPLETED), "has ended, with 2 orders: 1 cancelled, 1 completed: refund"),
        (
            batch(CANCELLED, replace(FAILED, last_answer=None)),
            f"has ended, with 2 orders: 1 cancelled, 1 failed: not taken by the gateway, {HAS_BUTTONS}",
        ),
        (batch(CANCELLED, CANCELLED), "has ended, with 2 orders: all cancelled"),
        (batch(STOPPED), f"was stopped by a person{HAS_RETRY}"),
        (batch(FAILED), f"did not cancel the order{HAS_RETRY}"),
        (of_ids(["ord_1", "ord_2"], replace(PENDING, state=State.WITHDRAWN)), "was already withdrawn"),
    ],
)
def test_a_form_that_is_sent_again_is_told_how_each_of_its_orders_ended(request_: Request, how: str) -> None:
    """Nobody reads that nothing was cancelled where one order of several was."""
    assert refusals.form_of_ended(request_) == (
        f"You have sent this form before, and that request {how}. For a new request, type /cancel-order again."
    )


@pytest.mark.parametrize(
    "request_", [batch(FAILED, UNKNOWN), batch(STOPPED, FAILED), UNDER_WAY, batch(PENDING, PENDING)]
)
@pytest.mark.parametrize("verdict", sorted(set(Verdict) - {Verdict.ALLOWED}))
def test_every_refusal_of_several_orders_speaks_of_orders(verdict: Verdict, request_: Request) -> None:
    """A refusal says nothing of "the order" or "this order" where there are several."""
    text = refusals.click_refused(verdict, request_)
    assert text.endswith(".")
    assert "the order " not in text
    assert "this order" not in text


def test_whoever_asks_for_an_order_of_an_open_request_is_promised_no_buttons() -> None:
    """The card offers nothing for an order that is not known while another one is under way."""
    (unknown, _) = batch(UNKNOWN, SENDING).each()
    text = refusals.already_open(unknown, "ann")
    assert "nobody knows yet whether the order is cancelled, and the card shows what can be done, or how it" in text
    assert "buttons" not in text
    text = refusals.already_open(replace(unknown, has_card=False), "ann")
    assert "nobody knows yet whether the order is cancelled, and approvers see on their Home tabs what they can" in text


def test_a_heading_is_the_same_with_and_without_its_sign() -> None:
    """The title of the words is what tests and other views compare."""
    assert card.heading(UNDER_WAY) == "12 orders: 9 cancelled, 2 completed: refund, 1 under way"
    assert orders.inline(UNDER_WAY, 10) == "12 orders"


# --- forms and look-ups -----------------------------------------------------------------------


def submitted(view: dict[str, Any], values: dict[str, Any]) -> FormView:
    """Return a form as Slack sends it, with these values."""
    state = {name: {name: value} for name, value in values.items()}
    metadata = view["private_metadata"]
    sent = {"values": state}
    return FormView(id="V1", type="modal", callback_id=view["callback_id"], private_metadata=metadata, state=sent)


def test_the_form_for_a_statement_asks_for_the_order_if_several_are_unknown() -> None:
    """It offers the unknown ones alone, none of them first, and reads back the one that was chosen."""
    view = SettleForm.build(batch(UNKNOWN, CANCELLED, UNKNOWN), cancelled=True, surface=Surface.CARD)
    assert problems_with_view(view) == []
    which, how = view["blocks"]
    assert [each["value"] for each in which["element"]["options"]] == ["0", "2"]
    assert "initial_option" not in which["element"]
    assert how["label"]["text"] == "How do you know that it is cancelled at the gateway?"
    how_value = {"how": {"value": "I looked"}}
    chosen = {"type": "static_select", "selected_option": {"value": "2"}}
    finding = SettleForm.parse(submitted(view, {"order": chosen} | how_value))
    assert (finding.order, finding.how, finding.cancelled) == (2, "I looked", True)
    none = {"type": "static_select", "selected_option": None}
    assert SettleForm.parse(submitted(view, {"order": none} | how_value)).order is None
    assert SettleForm.parse(submitted(view, how_value)).order is None


def test_the_form_for_a_statement_names_the_only_unknown_order() -> None:
    """There is nothing to choose, however many orders the request has."""
    view = SettleForm.build(batch(CANCELLED, UNKNOWN), cancelled=False, surface=Surface.CARD)
    (how,) = view["blocks"]
    assert how["label"]["text"] == "How do you know that ord_2 is not cancelled at the gateway?"
    assert SettleForm.parse(submitted(view, {"how": {"value": "I looked"}})).order == 1


def test_fifty_unknown_orders_fit_into_the_form() -> None:
    """Slack takes a hundred options of 75 characters, and 3,000 characters of what the form remembers."""
    assert problems_with_view(SettleForm.build(of_ids(FIFTY, UNKNOWN), cancelled=True, surface=Surface.CARD)) == []


def test_a_page_has_a_row_for_each_order_and_says_of_how_many_it_is_one() -> None:
    """A request of one order is a row as ever."""
    single = batch(CANCELLED, id="beef")
    rows = [*ENDED.each(), *single.each()]
    found = Found(Page(rows, None, total=10), Scope.ALL, None, sizes={ENDED.id: 9, single.id: 1})
    text = shown(audit_page.page(found, "")).splitlines()
    assert text[0] == "Cancellations on record, the latest · 1–10 of 10 orders"
    assert [f"ord_{number} · one of 9 orders · " in row for number, row in enumerate(text[1:10], 1)] == [True] * 9
    assert "one of" not in text[10]
    assert "settled by @U0DORA" in text[9]
    assert "settled by" not in text[8]
    assert "stopped by @cleo" in text[7]


def test_a_story_says_which_of_its_events_are_about_all_orders() -> None:
    """What happened to the order alone names it on record."""
    events = [event_of(content, seq=seq) for seq, content in enumerate((Withdrawn(), Expired()), 1)]
    whole, alone = events[0]._replace(order_id=""), events[1]
    found = Found(Page([whole, alone], None, total=2), Scope.ALL, "ord_1", sizes={whole.request: 9})
    first, second = shown(audit_page.page(found, "ord_1")).splitlines()[1:]
    assert " · withdrawn · all 9 orders · @ben · " in first
    assert "orders" not in second


def test_rows_for_machines_name_the_request_of_each_order() -> None:
    """The rows of one batch can be put together."""
    rows = [request_row(each, None) for each in ENDED.each()]
    assert [row["order"] for row in rows] == [f"ord_{number}" for number in range(1, 10)]
    assert {row["request"] for row in rows} == {ENDED.id}
    assert [row["state"] for row in rows][:4] == ["cancelled", "cancelled", "cancelled", "refused"]
    assert set(fields(of_events=False)) >= rows[0].keys() - {"contradicts_the_record_in"}
    assert "request" in fields(of_events=True)


@pytest.mark.parametrize(
    "orders_, says",
    [
        ((UNKNOWN, UNKNOWN), "is sent once more. This is safe. An order that is already cancelled stays cancelled."),
        (
            (UNKNOWN, FAILED),
            "This request has not cancelled order ord_2 so far: this cancels it. An order that is already cancelled",
        ),
        (
            (UNKNOWN, STOPPED),
            "This request has not cancelled order ord_2 so far: this cancels it, though somebody stopped it.",
        ),
        (
            (FAILED, STOPPED),
            "This request has not cancelled 2 orders so far: this cancels them, though somebody stopped some.",
        ),
    ],
)
def test_the_question_before_retry_says_what_it_cancels(orders_: tuple[Cancellation, ...], says: str) -> None:
    """Only what is not known is safe to send again; what a person stopped this request has certainly not cancelled."""
    message = card.card(batch(*orders_))
    (retry,) = [each for block in message.blocks for each in elements_of(block) if each["action_id"] == "retry"]
    assert says in retry["confirm"]["text"]["text"]
    assert len(retry["confirm"]["text"]["text"]) <= 300


def test_orders_that_look_alike_are_told_apart_in_the_form() -> None:
    """A statement is for good, and two ids may differ in the middle of 255 characters only."""
    alike = [f"{'A' * 120}{number}{'B' * 120}" for number in range(2)]
    view = SettleForm.build(of_ids(alike, UNKNOWN), cancelled=True, surface=Surface.CARD)
    assert problems_with_view(view) == []
    shown_ = [each["text"]["text"] for each in view["blocks"][0]["element"]["options"]]
    assert [each[:14] for each in shown_] == ["1 in the list:", "2 in the list:"]


def test_a_statement_that_the_gateway_has_overtaken_is_shown_as_one_of_before() -> None:
    """Somebody stated that it is not cancelled, and then a late answer confirmed that it is."""
    overtaken = replace(SETTLED, state=State.CANCELLED)
    for found in ((overtaken,), (overtaken, SETTLED)):
        message = card.card(batch(*found))
        about = " about ord_1" if len(found) > 1 else ""
        by = "@U0DORA"
        assert f"Before the gateway confirmed it, {by} stated{about}:" in shown(message)
    assert "Stated before that by" in card.card(batch(overtaken)).text
    own = receipt.receipt(batch(overtaken), None, BOT)
    assert all("Stated before the gateway confirmed it, by" in text for text in (shown(own), own.text))
    assert "Found by" in receipt.receipt(batch(SETTLED), None, BOT).text
