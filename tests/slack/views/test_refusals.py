"""Refusals: each is a sentence that says why, with the next step."""

from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.domain.cancellation import State
from bot.domain.freeze import Freeze
from bot.domain.ids import ORDER_ID
from bot.domain.policy import Verdict
from bot.slack.views import card, refusals
from bot.store import StoreProblem
from tests.domain.examples import changed
from tests.slack.views.samples import AT, CANCELLATION, shown

OTHERS_RETRY = ", and an approver who is not the requester can press Retry on its card."


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.ALLOWED])
def test_each_refusal_is_a_sentence(verdict: Verdict, snapshot: SnapshotAssertion) -> None:
    """The person who is refused reads why."""
    assert refusals.click_refused(verdict, CANCELLATION) == snapshot


@pytest.mark.parametrize("state", State)
def test_a_click_that_comes_too_late_says_how_the_request_stands(state: State, snapshot: SnapshotAssertion) -> None:
    """The person reads the state in words, not its name."""
    assert refusals.click_refused(Verdict.WRONG_STATE, changed(CANCELLATION, state=state)) == snapshot


def test_a_click_that_comes_after_a_stop_says_that_a_person_stopped_it() -> None:
    """Two causes of a failure have two texts."""
    failed = changed(CANCELLATION, state=State.FAILED)
    stopped = refusals.click_refused(Verdict.WRONG_STATE, changed(failed, stopped_by="U0CLEO"))
    assert stopped == f"Nothing has changed: this request was stopped by a person{OTHERS_RETRY}"
    assert stopped != refusals.click_refused(Verdict.WRONG_STATE, failed)


@pytest.mark.parametrize("verdict", [Verdict.APPROVAL_TOO_OLD, Verdict.VOTES_MISSING])
def test_a_refused_retry_says_what_is_possible_instead(verdict: Verdict) -> None:
    """A failed request does not block the order; an unknown outcome does, so a new request would be refused."""
    failed, unknown = changed(CANCELLATION, state=State.FAILED), changed(CANCELLATION, state=State.UNKNOWN)
    assert refusals.click_refused(verdict, failed).endswith("it needs a new request with /cancel-order.")
    assert "/cancel-order" not in refusals.click_refused(verdict, unknown)
    assert "can settle the request by hand, in the menu (⋯) of its card" in refusals.click_refused(verdict, unknown)


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.ALLOWED])
@pytest.mark.parametrize("state", State)
def test_no_refusal_sends_its_reader_to_what_not_everybody_may_do(verdict: Verdict, state: State) -> None:
    """The reader may be the requester, no approver, or an approver who may not ask: each would be refused."""
    text = refusals.click_refused(verdict, changed(CANCELLATION, state=state))
    for step in ("you can do", "Ask again", "hen settle", "has a Retry button"):
        assert step not in text


CLICK_VERDICTS = {
    Verdict.NOT_AN_APPROVER: {State.PENDING, State.FAILED},
    Verdict.UNCHECKED: {State.PENDING},
    Verdict.VOTES_UNCHECKED: {State.PENDING},
    Verdict.TIME_UNCHECKED: {State.PENDING, State.FAILED},
    Verdict.OWN_REQUEST: {State.PENDING, State.UNKNOWN},
    Verdict.ALREADY_COUNTED: {State.PENDING},
    Verdict.NOT_THE_REQUESTER: {State.PENDING},
    Verdict.NOT_INVOLVED: {State.APPROVED},
    Verdict.CALL_UNDER_WAY: {State.APPROVED, State.SENDING},
    Verdict.MAY_HAVE_BEEN_SENT: {State.APPROVED},
    Verdict.WRONG_STATE: set(State) - {State.SENDING, State.SETTLED_NOT_CANCELLED},
    Verdict.DECIDED_AGAINST: {State.FAILED},
    Verdict.STOPPED_BY_REQUESTER: {State.FAILED},
    Verdict.REASON_ERASED: {State.FAILED},
    Verdict.APPROVAL_TOO_OLD: {State.FAILED, State.UNKNOWN},
    Verdict.VOTES_MISSING: {State.FAILED, State.UNKNOWN},
    Verdict.ANOTHER_IS_OPEN: {State.FAILED},
}
"""The refusals of clicks, each with states that must read differently from all others."""


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED, State.WITHDRAWN, State.EXPIRED])
def test_no_refusal_says_what_a_restored_copy_cannot_know(state: State) -> None:
    """The request may have cancelled the order after the copy was made, whatever the copy says of it."""
    found = refusals.click_refused(Verdict.WRONG_STATE, changed(CANCELLATION, state=state, set_back=True))
    assert "I don't know whether this request cancelled the order" in found
    assert "did not cancel" not in found


@pytest.mark.parametrize("state", [State.PENDING, State.APPROVED, State.SENDING])
def test_what_goes_on_in_a_restored_copy_is_told_as_that(state: State) -> None:
    """The gateway may have confirmed it since, and people may have rejected it: a click and a form say so."""
    request = changed(CANCELLATION, state=state, set_back=True)
    for found in (refusals.click_refused(Verdict.WRONG_STATE, request), refusals.already_open(request, "ann")):
        assert "I don't know what became of it after that copy was made" in found
        assert "has not confirmed" not in found


def test_every_refusal_of_a_click_has_a_text_of_its_own() -> None:
    """Two causes that a person can meet at a click never share a text."""
    told: dict[str, set[Verdict]] = {}
    for verdict, states in CLICK_VERDICTS.items():
        for state in states:
            text = refusals.click_refused(verdict, changed(CANCELLATION, state=state))
            told.setdefault(text, set()).add(verdict)
    assert all(len(verdicts) == 1 for verdicts in told.values())


@pytest.mark.parametrize("verdict", CLICK_VERDICTS)
def test_no_refusal_sends_anybody_to_a_card_that_is_not_there(verdict: Verdict) -> None:
    """Without it there are the Home tabs, where approvers go on with an order that is not known."""
    for state in CLICK_VERDICTS[verdict]:
        with_card = changed(CANCELLATION, state=state)
        without = replace(with_card, has_card=False)
        told = refusals.click_refused(verdict, without)
        assert " card" not in told or "card or on the Home tab" in told


def test_who_stopped_some_orders_is_sent_to_the_card_or_to_the_receipt() -> None:
    """Only the requester has a receipt, and others must not look for one of their own."""
    left, without = [CANCELLATION.cancellation], replace(CANCELLATION, has_card=False)
    assert "The card shows how it ends" in refusals.not_stopped(CANCELLATION, left)
    assert "The requester's receipt shows how it ends" in refusals.not_stopped(without, left)


COMMAND_VERDICTS = [
    Verdict.NOT_A_REQUESTER,
    Verdict.UNCHECKED,
    Verdict.DIRECT_MESSAGE,
    Verdict.SHARED_CHANNEL,
    Verdict.ARCHIVED_CHANNEL,
    Verdict.NOT_INVITED,
    Verdict.TOO_FEW_APPROVERS,
    Verdict.CLOCK_WRONG,
    Verdict.TOO_LONG,
]
"""The refusals of a command or of its form that have no words of their own elsewhere."""


@pytest.mark.parametrize("verdict", COMMAND_VERDICTS)
def test_each_refused_command_says_why(verdict: Verdict, snapshot: SnapshotAssertion) -> None:
    """The person reads the cause and what to do about it."""
    assert refusals.command_refused(verdict) == snapshot


def test_every_refusal_of_a_command_has_a_text_of_its_own() -> None:
    """Two causes never share a text."""
    assert len({refusals.command_refused(verdict) for verdict in COMMAND_VERDICTS}) == len(COMMAND_VERDICTS)


HIDDEN = [
    ("\u200b", "zero width space"),
    ("\u200d", "zero width joiner"),
    ("\u2060", "word joiner"),
    ("\ufeff", "zero width no-break space"),
    ("\u00ad", "soft hyphen"),
    ("\u200f", "right-to-left mark"),
    ("\u202e", "right-to-left override"),
    ("\u2028", "line separator"),
    ("\x00", "U+0000"),
    ("\u00a0", "a no-break space"),
    ("\u2009", "thin space"),
    ("\t", "a tab"),
    ("\ufe0f", "variation selector-16"),
    ("\u034f", "combining grapheme joiner"),
    ("\u3164", "hangul filler"),
    ("\u2800", "braille pattern blank"),
    ("\U000e0061", "tag latin small letter a"),
]


@pytest.mark.parametrize("pattern", [ORDER_ID, "ord_[0-9]+"])
@pytest.mark.parametrize("character, name", HIDDEN, ids=[name for _, name in HIDDEN])
def test_a_character_that_nobody_sees_is_named(character: str, name: str, pattern: str) -> None:
    """Without that, the message would seem to fit what the person typed."""
    assert f"({name})" in refusals.bad_order_id(pattern, f"ord{character}_1")
    if not character.isspace():
        assert f"({name})" in card.card(changed(CANCELLATION, order_id=f"o{character}1", state=State.PENDING)).text


ALIKE = [
    ("\u0430", "cyrillic small letter a"),
    ("\u03bf", "greek small letter omicron"),
    ("\u0131", "latin small letter dotless i"),
    ("\uff11", "fullwidth digit one"),
    ("\uff3f", "fullwidth low line"),
    ("\u0661", "arabic-indic digit one"),
    ("\U0001d7cf", "mathematical bold digit one"),
    ("\u2013", "en dash"),
    ("\u2212", "minus sign"),
    ("\u00b2", "superscript two"),
    ("\u0301", "combining acute accent"),
    ("\u0337", "combining short solidus overlay"),
    ("\u05b4", "hebrew point hiriq"),
    ("\u05de", "hebrew letter mem"),  # beside digits its direction decides what stands where
    ("\u0627", "arabic letter alef"),
]


@pytest.mark.parametrize("pattern", [ORDER_ID, "ord_[0-9]+"])
@pytest.mark.parametrize("character, name", ALIKE, ids=[name for _, name in ALIKE])
def test_a_character_that_looks_like_another_is_named(character: str, name: str, pattern: str) -> None:
    """Without that, people would not see why their ID does not fit; the card of a pattern that takes it warns."""
    sentence = f"The order ID contains “{character}” ({name}), which is easily mistaken or overlooked."
    assert refusals.bad_order_id(pattern, f"ord_1{character}") == f"{sentence} Type the ID by hand."
    asked = changed(CANCELLATION, order_id=f"ord_1{character}", state=State.PENDING)
    assert f"⚠️ {sentence}" in shown(card.card(asked))
    assert sentence in card.card(asked).text
    assert sentence not in shown(card.card(changed(asked, state=State.CANCELLED)))


@pytest.mark.parametrize(
    "order_id",
    ["ord_1", "\u1780\u1781-12", "\u1780\u17d2\u179a\u17b6-12", "\u8ba2\u5355_1", "ord#1", "\u05de\u05e8", ""],
)
def test_other_letters_are_not_called_mistakable(order_id: str) -> None:
    """An ID in another script is what it looks like."""
    assert "mistaken" not in card.card(changed(CANCELLATION, order_id=order_id, state=State.PENDING)).text


@pytest.mark.parametrize("needed, words", [(2, "1 more approval is needed."), (3, "2 more approvals are needed.")])
def test_a_second_approval_says_how_many_are_missing(needed: int, words: str) -> None:
    """The number is the one that is missing now."""
    request = replace(CANCELLATION, approvals_required=needed)
    said = refusals.click_refused(Verdict.ALREADY_COUNTED, request)
    assert said == f"You have already approved this. {words}"


def test_a_second_approval_during_a_freeze_names_no_number() -> None:
    """The settings of today may ask for more or fewer, and nothing is counted before the end of the freeze."""
    frozen = replace(CANCELLATION, approvals_required=2, freeze=Freeze("U0BEN", AT, "why", "ben"))
    assert refusals.click_refused(Verdict.ALREADY_COUNTED, frozen).startswith(
        "You have already approved this. When the freeze is over, I count the approvals by the settings of then. "
    )


def test_refusals_of_forms_and_unknown_requests(snapshot: SnapshotAssertion) -> None:
    """An open request is named with its requester and state; a pattern of one's own is not shown."""
    told = [refusals.already_open(changed(CANCELLATION, state=state), "ann") for state in State]
    told += [refusals.already_open(CANCELLATION, ""), refusals.already_open(replace(CANCELLATION, card_ts=None), "ann")]
    told += [refusals.bad_order_id(ORDER_ID, "ord 1", "ord_1001"), refusals.bad_order_id(ORDER_ID, "ord 1")]
    told += [refusals.bad_order_id("[0-9]+", "ord 1", "1001"), refusals.bad_order_id("[0-9]+", "ord 1")]
    told += [refusals.click_refused(Verdict.NO_SUCH_REQUEST, None)]
    assert told == snapshot


def test_words_that_have_no_parameters(snapshot: SnapshotAssertion) -> None:
    """The fixed texts are sentences."""
    told = [
        refusals.NOT_OF_THIS_WORKSPACE,
        refusals.OWN_REQUESTS_ONLY,
        refusals.NO_LONGER_IN_USE,
        refusals.NOT_READ,
        refusals.HOME_NOT_CHECKED,
        refusals.REASON_MISSING,
        refusals.REASON_TOO_LONG,
        refusals.FINDING_MISSING,
        refusals.usage("ord_1001"),
        refusals.usage("INV-17", "hlep"),
        refusals.usage(None),
        refusals.usage("ord_1001", of_freezes=True),
        refusals.apology("0a1b2c3d"),
        refusals.not_sure("0a1b2c3d"),
        refusals.apology("0a1b2c3d", StoreProblem.CUT),
        refusals.apology("0a1b2c3d", StoreProblem.OTHER),
        refusals.not_sure("0a1b2c3d", StoreProblem.DISK_FAILING),
    ]
    assert told == snapshot


def test_a_form_that_did_not_open_in_time_is_not_told_as_an_error() -> None:
    """A trigger that expired says so in plain words; any other error has Slack's name for it."""
    again = "Type /cancel-order again."
    expired = refusals.form_not_opened("expired_trigger_id", again, unclear=False)
    assert expired == "The form didn't open in time. Type /cancel-order again."
    twice = refusals.form_not_opened("exchanged_trigger_id", again, unclear=False)
    assert twice == "The form opened a moment ago. If you see no form: Type /cancel-order again."
    other = refusals.form_not_opened("not_reachable", again, unclear=False)
    assert other == "Slack didn't open the form (not_reachable). Type /cancel-order again."
    lost = refusals.form_not_opened("http_504", again, unclear=True)
    assert lost == (
        "Slack did not say whether it opened the form (http_504). If you see no form: Type /cancel-order again."
    )
