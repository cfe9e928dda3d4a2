"""The judge of a chaos run finds what came at a wrong time: each kind of it, made by hand."""

from dataclasses import replace

import pytest

from bot.domain.attempt import Answer, Outcome, Trouble
from bot.domain.events import (
    Cancelled,
    ClickRefused,
    Escalated,
    Failed,
    Frozen,
    GatewayTrouble,
    QuorumChanged,
    Rejected,
    Reminded,
    Repeating,
    Retried,
    Sending,
    Unfrozen,
    Voted,
)
from bot.domain.policy import Act, Verdict
from bot.sandbox.slack import Call, LocalSlack
from tests.chaos.copies import Calls
from tests.chaos.sequence import Arrival, Arrivals, Sequence
from tests.chaos.surroundings import PATTERN_OF_A_SECOND
from tests.chaos.test_judge import APPROVED, ASKED, ONE, START, TURNED_AWAY, Line, record
from tests.flows.desk import BEN, CLEO, OLGA

FROZEN, UNFROZEN = (BEN, Frozen("stop")), (CLEO, Unfrozen())
REMINDED, ESCALATED = ("bot", Reminded(1)), ("bot", Escalated(("S0DUTY",)))
TROUBLE = ("bot", GatewayTrouble(1, unclear=False, most=20))
SENDING, BUSY = ("bot", Sending(1)), ("bot", TURNED_AWAY)
DONE = ("bot", Cancelled(1, Answer(Outcome.CANCELLED)))
REJECTED = (BEN, Rejected("no"))
STARTED = ("bot", ONE)
SECOND = ("bot", replace(ONE, order_id_pattern=PATTERN_OF_A_SECOND))


def wrongs(*lines: Line) -> list[str]:
    """Return what is wrong with the freezes and the notices of this record."""
    found: list[str] = []
    sequence = Sequence(record(*lines), found.append, reminders=2)
    sequence.judge_freezes([BEN, CLEO])
    sequence.judge_notices()
    return found


@pytest.mark.parametrize(
    "lines, fits",
    [
        ([], True),
        ([STARTED, SECOND], True),
        ([STARTED, STARTED, SECOND], False),
        ([STARTED, SECOND, SECOND], False),
        ([SECOND, SECOND], False),
    ],
)
def test_each_process_puts_one_start_on_record_at_most(lines: list[Line], fits: bool) -> None:
    """A second bot may begin in the place of a dead first one, and nobody else in its place."""
    found: list[str] = []
    seconds = Sequence(record(*lines), found.append, reminders=2).judge_starts(started=1, called_back=1)
    assert ((found == []), seconds) == (fits, lines.count(SECOND))


@pytest.mark.parametrize(
    "lines",
    [
        [ASKED, FROZEN, (BEN, ClickRefused(Act.APPROVE, Verdict.FROZEN)), REJECTED, UNFROZEN],
        [("terminal:root", Frozen()), UNFROZEN, FROZEN, ("terminal:root", Unfrozen())],
        [ASKED, APPROVED, SENDING, FROZEN, BUSY, UNFROZEN, SENDING],
        [ASKED, REMINDED, FROZEN, UNFROZEN, ESCALATED, ("bot", Reminded(2)), APPROVED],
        [ASKED, APPROVED, SENDING, BUSY, TROUBLE, ("bot", Failed(2, TURNED_AWAY.answer)), (CLEO, Retried()), TROUBLE],
    ],
)
def test_what_may_follow(lines: list[Line]) -> None:
    """Nothing is wrong with what came in its time."""
    assert wrongs(*lines) == []


@pytest.mark.parametrize(
    "lines, words",
    [
        ([FROZEN], "still frozen"),
        ([FROZEN, FROZEN, UNFROZEN], "was so already"),
        ([UNFROZEN], "was so already"),
        ([(OLGA, Frozen()), UNFROZEN], "may not"),
        ([FROZEN, (OLGA, Unfrozen())], "may not"),
        *(
            ([ASKED, FROZEN, line, UNFROZEN], "while everything was frozen")
            for line in [
                ASKED,
                APPROVED,
                (BEN, Voted(1, 2)),
                (BEN, Retried()),
                SENDING,
                ("bot", QuorumChanged(1, 2)),
                REMINDED,
                ESCALATED,
            ]
        ),
        ([ASKED, REMINDED, REMINDED], "number 1 after 1"),
        ([ASKED, ("bot", Reminded(2))], "number 2 after 0"),
        ([ASKED, REMINDED, ("bot", Reminded(2)), ("bot", Reminded(3))], "number 3"),
        ([ASKED, REJECTED, REMINDED], "after the decision"),
        ([ASKED, APPROVED, ESCALATED], "after the decision"),
        ([ASKED, ESCALATED, ESCALATED], "twice"),
        ([ASKED, APPROVED, TROUBLE, SENDING, BUSY, TROUBLE], "twice"),
        ([ASKED, APPROVED, SENDING, DONE, TROUBLE], "nothing was under way"),
    ],
)
def test_what_may_not_follow(lines: list[Line], words: str) -> None:
    """The judge names what came twice, after the decision, or while everything was frozen."""
    assert any(words in wrong for wrong in wrongs(*lines))


@pytest.mark.parametrize("known, fits", [(2, False), (3, True), (4, False), (5, True), (6, False)])
def test_when_the_gateway_may_be_called(known: int, fits: bool) -> None:
    """A call arrives while an attempt for its order is under way on record."""
    found: list[str] = []
    sequence = Sequence(record(ASKED, APPROVED, SENDING, BUSY, SENDING, DONE), found.append, reminders=2)
    sequence.judge_arrivals(Arrivals([Arrival("ord_1", known)]))
    assert (found == []) is fits
    sequence.judge_arrivals(Arrivals([Arrival("ord_2", known)]))
    assert found


@pytest.mark.parametrize("known, fits", [(4, True), (13, True), (14, False)])
def test_what_a_killed_bot_has_sent_may_come_a_little_later(known: int, fits: bool) -> None:
    """The system still has it while the next bot puts on record that the answer is lost."""
    lost = ("bot", Repeating(1, Answer(Outcome.UNKNOWN, trouble=Trouble.STOPPED)))
    found: list[str] = []
    events = record(ASKED, APPROVED, SENDING, lost, *[(BEN, Voted(1, 2))] * 12)
    Sequence(events, found.append, reminders=2).judge_arrivals(Arrivals([Arrival("ord_1", known)]))
    assert (found == []) is fits


@pytest.mark.parametrize(
    "arrival, fits",
    [
        (Arrival("ord_1", 4, latest=5), True),  # it began while nobody could read the record
        (Arrival("ord_1", 4, latest=4), False),
        (Arrival("ord_1", 6, stopped=(3,)), True),  # a bot stood still in the middle of its attempt
        (Arrival("ord_1", 6, stopped=(4,)), False),
    ],
)
def test_when_one_of_several_bots_may_call(arrival: Arrival, fits: bool) -> None:
    """A bot that stood still goes on with its call, and a server that is away says nothing of its events."""
    found: list[str] = []
    sequence = Sequence(record(ASKED, APPROVED, SENDING, BUSY, SENDING, DONE), found.append, reminders=2)
    sequence.judge_arrivals(Arrivals([arrival]))
    assert (found == []) is fits


def test_what_was_on_record_while_the_server_was_away() -> None:
    """The last number that could be read is the least, and the next one the most."""
    arrivals = Arrivals()
    arrivals.come_to_the_gateway("ord_1", 3, ())
    arrivals.come_to_the_gateway("ord_2", None, ())
    arrivals.come_to_slack(0, None)
    arrivals.come_to_slack(1, 7)
    assert arrivals.at_the_gateway == [Arrival("ord_1", 3, latest=3), Arrival("ord_2", 3, latest=7)]
    assert arrivals.at_slack == {0: 3, 1: 7}


@pytest.mark.parametrize(
    "notice, lines, fits",
    [
        (REMINDED, [REJECTED], True),  # it was on its way when the request was decided
        (REMINDED, [STARTED], True),
        (REMINDED, [STARTED, REJECTED], True),
        (REMINDED, [REJECTED, STARTED], False),
        (REMINDED, [("bot", Reminded(2)), STARTED], False),
        (ESCALATED, [REMINDED, STARTED], True),
        (ESCALATED, [APPROVED, STARTED], False),
        (TROUBLE, [DONE, STARTED], False),
        (TROUBLE, [SENDING, STARTED], True),
        ((BEN, Voted(1, 2)), [(CLEO, Voted(2, 3)), STARTED], False),
        (REJECTED, [STARTED], True),
    ],
)
def test_when_a_notice_may_be_posted(notice: Line, lines: list[Line], fits: bool) -> None:
    """No bot that starts after the decision posts a notice that was for the time before it."""
    slack, found = LocalSlack(), list[str]()
    metadata = {"event_payload": {"delivery_id": "d1"}}
    slack.calls.append(Call("chat.postMessage", {"metadata": metadata}, START, "Drop"))
    events = record(ASKED, notice, *lines)
    sequence = Sequence(events, found.append, reminders=2)
    sequence.judge_posts(Arrivals(at_slack={0: len(events)}), Calls(slack, []), {"d1": 2})
    assert (found == []) is fits
