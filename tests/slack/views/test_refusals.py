"""Refusals: each is a sentence that says why, with the next step."""

from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.domain.cancellation import State
from bot.domain.ids import ORDER_ID
from bot.domain.policy import Verdict
from bot.slack.views import refusals
from tests.slack.views.samples import CANCELLATION


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.ALLOWED])
def test_each_refusal_is_a_sentence(verdict: Verdict, snapshot: SnapshotAssertion) -> None:
    """The person who is refused reads why."""
    assert refusals.click_refused(verdict, CANCELLATION) == snapshot


@pytest.mark.parametrize("state", State)
def test_a_click_that_comes_too_late_says_how_the_request_stands(state: State, snapshot: SnapshotAssertion) -> None:
    """The person reads the state in words, not its name."""
    assert refusals.click_refused(Verdict.WRONG_STATE, replace(CANCELLATION, state=state)) == snapshot


@pytest.mark.parametrize("needed, words", [(2, "1 more approval is needed."), (3, "2 more approvals are needed.")])
def test_a_second_approval_says_how_many_are_missing(needed: int, words: str) -> None:
    """The number is the one that is missing now."""
    cancellation = replace(CANCELLATION, approvals_required=needed)
    said = refusals.click_refused(Verdict.ALREADY_COUNTED, cancellation)
    assert said == f"You have already approved this. {words}"


def test_refusals_of_forms_and_unknown_requests(snapshot: SnapshotAssertion) -> None:
    """An open request is named with its requester and state; a pattern of one's own is not shown."""
    told = [refusals.already_open(replace(CANCELLATION, state=state), "ann") for state in State]
    told += [refusals.already_open(CANCELLATION, ""), refusals.already_open(replace(CANCELLATION, card_ts=None), "ann")]
    told += [refusals.bad_order_id(ORDER_ID), refusals.bad_order_id("[0-9]+")]
    told += [refusals.click_refused(Verdict.NO_SUCH_REQUEST, None)]
    told += [refusals.command_refused(Verdict.UNCHECKED), refusals.command_refused(Verdict.NOT_A_REQUESTER)]
    assert told == snapshot


def test_words_that_have_no_parameters(snapshot: SnapshotAssertion) -> None:
    """The fixed texts are sentences."""
    told = [
        refusals.NOT_OF_THIS_WORKSPACE,
        refusals.OWN_REQUESTS_ONLY,
        refusals.NO_LONGER_IN_USE,
        refusals.REASON_MISSING,
        refusals.apology("0a1b2c3d"),
    ]
    assert told == snapshot


def test_a_form_that_did_not_open_in_time_is_not_told_as_an_error() -> None:
    """A trigger that expired says so in plain words; any other error has Slack's name for it."""
    again = "Type /cancel-order again."
    expired = refusals.form_not_opened("expired_trigger_id", again)
    assert expired == "The form didn't open in time. Type /cancel-order again."
    other = refusals.form_not_opened("not_reachable", again)
    assert other == "Slack didn't open the form (not_reachable). Type /cancel-order again."
