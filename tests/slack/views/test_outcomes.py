"""The words for states and for the gateway's answers: all are there, and each has one meaning."""

import itertools
import re
from pathlib import Path

import pytest

import bot
from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.cancellation import State
from bot.slack.views import outcomes
from bot.slack.views.outcomes import delivery_problem, said, words

PAIRS = list(itertools.product(State, (None, *Reason)))


@pytest.mark.parametrize("state, reason", PAIRS)
def test_every_state_has_words_for_every_reason(state: State, reason: Reason | None) -> None:
    """There are a sign, a title of one line, and whole sentences or nothing as the explanation."""
    found = words(state, reason)
    assert found.heading == f"{found.sign} {found.title}"
    assert found.sign
    assert found.title[0].isupper()
    assert not found.title.endswith(".")
    assert found.explanation == "" or (found.explanation[0].isupper() and found.explanation.endswith("."))


def test_no_title_has_two_meanings() -> None:
    """Two causes share a title only if it says the same about the order in both: then they share the state."""
    by_title: dict[str, set[tuple[str, State]]] = {}
    for state, reason in PAIRS:
        found = words(state, reason)
        by_title.setdefault(found.title, set()).add((found.sign, state))
    shared = {title: meanings for title, meanings in by_title.items() if len(meanings) > 1}
    # People cannot tell an attempt under way from one that is about to begin, and need not.
    assert shared == {words(State.SENDING).title: {("⏳", State.APPROVED), ("⏳", State.SENDING)}}


def test_no_two_causes_have_the_same_words() -> None:
    """A reason with words of its own differs from every other reason and state, in the title or in what to do next."""
    own = [words(state, reason) for state, reason in PAIRS if words(state, reason) != words(state)]
    assert len(own) == len(set(own))
    assert set(own).isdisjoint(words(state) for state in State)


@pytest.mark.parametrize("trouble", Trouble)
def test_every_trouble_has_words(trouble: Trouble) -> None:
    """People read a clause without a code, and without the details that only an operator can use."""
    found = said(Answer(Outcome.UNKNOWN, trouble=trouble, trouble_about="HTTP/1.1"))
    assert found
    assert trouble not in found or "_" not in trouble
    assert not found.endswith(".")
    assert ("HTTP/1.1" in found) == (trouble is Trouble.ANOTHER_STATUS)


def test_another_status_is_quoted_where_the_gateway_named_one() -> None:
    """The order's status at the gateway is what the reader needs to know."""
    assert said(Answer(Outcome.UNKNOWN, trouble=Trouble.ANOTHER_STATUS)) == "the gateway answered with another status"
    paid = Answer(Outcome.UNKNOWN, trouble=Trouble.ANOTHER_STATUS, trouble_about="paid")
    assert said(paid) == "the gateway answered with another status “paid”"


def test_the_gateways_own_words_come_first() -> None:
    """People read what the gateway said, as its words, if it said something; a plain confirmation needs no words."""
    assert said(Answer(Outcome.REFUSED, trouble=Trouble.NO_REASON, message="locked")) == "the gateway says “locked”"
    assert said(Answer(Outcome.CANCELLED)) == ""
    assert outcomes.BY_REPEAT.explanation.endswith(".")


def test_a_code_stands_in_for_a_message() -> None:
    """An answer with a code is not one without a reason, so people read the code."""
    code = "MAINTENANCE"
    assert said(Answer(Outcome.NOT_SENT, trouble=Trouble.NO_REASON, code=code)).endswith(
        "no message; the code is “MAINTENANCE”"
    )
    assert said(Answer(Outcome.UNKNOWN, trouble=Trouble.UNCLEAR_REFUSAL, code=code)).endswith(
        "the code is “MAINTENANCE”"
    )
    assert said(Answer(Outcome.NOT_SENT, reason=Reason.TURNED_AWAY, code=code)) == "the code is “MAINTENANCE”"
    assert (
        said(Answer(Outcome.NOT_SENT, reason=Reason.TURNED_AWAY, code=code, message="No.")) == "the gateway says “No.”"
    )


def test_what_only_the_gateway_says_is_told_as_its_word() -> None:
    """Whether it took a call is known from the gateway alone, unless nothing was sent."""
    for reason in (None, Reason.CREDENTIALS, Reason.CLOCK, Reason.TURNED_AWAY):
        assert "The gateway says that it did not take the request, so" in words(State.FAILED, reason).explanation
    of_the_last_attempt = [words(State.FAILED, None, trouble) for trouble in Trouble]
    for found in (outcomes.STOPPED, *of_the_last_attempt):
        assert "has not changed the order" not in found.explanation or "the gateway says" in found.explanation.lower()


def test_nobody_is_told_whose_clock_is_wrong() -> None:
    """The gateway says only that it did not accept the time."""
    for state in (State.FAILED, State.UNKNOWN):
        found = words(state, Reason.CLOCK)
        assert "not accept the time of the request" in found.title + found.explanation
        assert "wrong" not in found.title + found.explanation


@pytest.mark.parametrize("problem", ["no_permission", "msg_too_long"])
def test_a_problem_of_slacks_is_named(problem: str) -> None:
    """An operator can look Slack's own name for an error up."""
    assert delivery_problem(problem) == f"Slack says {problem}"


@pytest.mark.parametrize(
    "problem, words_for_it",
    [
        ("too_late_for_a_card", "the request no longer needed a card"),
        ("no_card", "there was no card"),
        ("not_connected_yet", "the bot was not connected to Slack"),
        ("not_reachable", "Slack could not be reached"),
        ("no_answer_in_time", "Slack did not answer in time"),
        ("unreadable_answer", "Slack gave no clear answer"),
        ("http_503", "Slack gave no clear answer (http_503)"),
        ("ServerDisconnectedError", "Slack gave no clear answer (ServerDisconnectedError)"),
    ],
)
def test_a_problem_of_the_bots_own_is_not_blamed_on_slack(problem: str, words_for_it: str) -> None:
    """People read a clause, and no name as if Slack had given it."""
    assert delivery_problem(problem) == words_for_it


def test_no_name_of_the_bots_own_is_told_as_slacks() -> None:
    """Whatever the code itself calls a problem of a delivery has words that do not say that Slack said it."""
    sources = [path.read_text() for path in (Path(bot.__file__).parent).rglob("*.py")]
    own = {name for text in sources for name in re.findall(r'(?:problem=|Problem\(|_later\()"([a-z_]+)"', text)} - {
        "ratelimited"
    }
    assert len(own) > 10
    assert [name for name in own if delivery_problem(name).startswith("Slack says")] == []
