"""The bot's clock: it runs evenly while the machine's clock jumps, and follows a step that stands."""

from datetime import UTC, datetime, timedelta

import pytest
import structlog

from bot.clock import GRACE, Clock, OtherClocks, elapsed, utc_now

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Machine:
    """A machine whose clock can be set while time passes."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.wrong = timedelta(0)
        self.clock = Clock(lambda: START + timedelta(seconds=self.passed) + self.wrong, lambda: self.passed)

    def after(self, seconds: float) -> timedelta | None:
        """Return the step that the bot has to follow after so many seconds, while it looks at each of them."""
        found = None
        for _ in range(int(seconds)):
            self.passed += 1
            found = self.clock.look()
        return found


@pytest.mark.parametrize("step", [timedelta(days=2), timedelta(hours=-1), timedelta(days=-20000)])
def test_a_jump_that_is_taken_back_changes_nothing(step: timedelta) -> None:
    """The bot's time goes on evenly, whatever the machine's clock shows for a moment; the log says so once."""
    machine = Machine()
    with structlog.testing.capture_logs() as logs:
        machine.wrong = step
        assert machine.after(2) is None
        assert machine.clock.now() == START + timedelta(seconds=2)
        machine.wrong = timedelta(0)
        assert machine.after(600) is None
    assert machine.clock.now() == START + timedelta(seconds=602)
    assert logs == [{"event": "clock_stepped", "log_level": "warning", "seconds": step.total_seconds()}]


@pytest.mark.parametrize("step", [timedelta(days=2), timedelta(hours=-1)])
def test_a_step_that_stands_is_followed_after_a_minute(step: timedelta) -> None:
    """Before that it may still be taken back."""
    machine = Machine()
    machine.wrong = step
    assert machine.after(GRACE) is None
    found = machine.after(1)
    assert found == step
    machine.clock.offset += step
    assert machine.clock.now() == machine.clock.wall()
    assert machine.after(600) is None


def test_a_clock_that_jumps_to_and_fro_does_not_fill_the_log() -> None:
    """A jump each second is one line a minute, and none of them is followed."""
    machine = Machine()
    with structlog.testing.capture_logs() as logs:
        for second in range(120):
            machine.wrong = timedelta(hours=second % 2)
            assert machine.after(1) is None
    assert len(logs) == 2


def test_small_corrections_are_no_steps() -> None:
    """Time servers move a clock by parts of a second all the time."""
    machine = Machine()
    with structlog.testing.capture_logs() as logs:
        machine.wrong = timedelta(seconds=1.9)
        assert machine.after(600) is None
    assert logs == []


def test_a_clock_that_only_a_test_moves_is_time_that_passes() -> None:
    """It needs no second clock."""
    moved = [START]
    clock = Clock(lambda: moved[0])
    moved[0] += timedelta(days=1, milliseconds=7)
    assert clock.now() == moved[0]
    assert clock.look() is None
    assert clock.monotonic() == 86400.007


def test_the_machines_own_clock_is_carried_on_by_seconds_that_only_go_forward() -> None:
    """At the start both say the same."""
    clock = Clock()
    assert clock.monotonic is elapsed
    assert abs(clock.now() - utc_now()) < timedelta(seconds=1)
    assert clock.look() is None


def test_a_clock_that_differs_from_others_is_told_once() -> None:
    """The log has a line when that begins and when it ends."""
    others = OtherClocks(Clock(lambda: START))
    with structlog.testing.capture_logs() as logs:
        for seconds in (60, -61, -90, 59):
            others.compare("gateway", START - timedelta(seconds=seconds))
    assert [(line["event"], line.get("seconds")) for line in logs] == [("clock_wrong", -61), ("clock_right", None)]
    assert others.apart == {}


def test_a_clock_that_is_behind_what_has_happened_is_wrong() -> None:
    """It may be much later than the last event, but not earlier."""
    others = OtherClocks(Clock(lambda: START))
    others.not_before("record", START - timedelta(days=900))
    assert others.apart == {}
    others.not_before("record", START + timedelta(days=900))
    assert others.apart == {"record": timedelta(days=-900)}


def test_another_clock_that_agrees_ends_the_comparison_with_the_record() -> None:
    """A run with a wrong clock has left a late time on record; it is told until somebody says that today's is right."""
    others = OtherClocks(Clock(lambda: START))
    late = START + timedelta(days=27000)
    others.compare("gateway", START - timedelta(hours=1))
    others.not_before("record", late)
    assert set(others.apart) == {"gateway", "record"}
    others.compare("slack", START)
    others.not_before("record", late)
    assert set(others.apart) == {"gateway"}


def test_all_other_machines_say_whose_time_is_nearer() -> None:
    """A server's time counts instead of the bot's where nobody stands by the bot; one on this machine says nothing."""
    others, ahead = OtherClocks(Clock(lambda: START)), START + timedelta(seconds=20)
    others.compare("database", ahead, may_be_ours=True)
    assert not others.are_nearer_to(ahead)
    others.compare("slack", START + timedelta(seconds=19))
    assert others.are_nearer_to(ahead)
    others.compare("gateway", START + timedelta(seconds=1))
    assert not others.are_nearer_to(ahead)


def test_the_bots_time_is_confirmed_by_the_first_clock_that_agrees() -> None:
    """Until then it may be as late as any of them says; afterwards a single difference takes nothing back."""
    machine, confirmed = Machine(), []
    others = OtherClocks(machine.clock, lambda: confirmed.append(True))
    assert others.latest() == START
    with structlog.testing.capture_logs() as logs:
        others.compare("slack", START + timedelta(hours=3))
        machine.passed += 10
        assert others.latest() == START + timedelta(hours=3, seconds=10)
        others.compare("gateway", START + timedelta(hours=3, seconds=10))
        assert not confirmed
        others.compare("gateway", START + timedelta(seconds=11))
        others.compare("slack", START + timedelta(seconds=11))
        others.compare("gateway", START + timedelta(hours=3))
    assert confirmed == [True]
    assert others.latest() is None
    assert [line["event"] for line in logs if line["event"].startswith("expiry")] == ["expiry_paused", "expiry_resumed"]


def test_a_machine_that_was_paused_is_behind_all_others() -> None:
    """Its own clocks stood still, so it notices nothing by itself: the clocks that it hears afterwards tell it."""
    machine = Machine()
    others = OtherClocks(machine.clock)
    others.compare("slack", START)
    assert (others.confirmed, others.wrong()) == (True, False)
    others.compare("slack", START + timedelta(minutes=4))
    assert (others.confirmed, others.wrong()) == (True, False)
    others.compare("slack", START + timedelta(minutes=100))
    assert (others.confirmed, others.wrong()) == (False, True)


def test_a_clock_that_may_be_this_machines_own_confirms_nothing() -> None:
    """A database server on the same machine is as wrong as the bot, and agrees with it."""
    machine = Machine()
    others = OtherClocks(machine.clock)
    others.compare("database", START, may_be_ours=True)
    assert not others.confirmed
    others.compare("slack", START - timedelta(hours=3))
    others.compare("database", START, may_be_ours=True)
    assert not others.confirmed
    others.compare("gateway", START)
    assert others.confirmed


def test_what_was_confirmed_can_be_doubted_again() -> None:
    """Then it is told once more, and a clock that still agrees ends it at once."""
    machine = Machine()
    others = OtherClocks(machine.clock)
    others.compare("slack", START)
    others.doubt()
    others.look()
    assert others.confirmed
    with structlog.testing.capture_logs() as logs:
        machine.clock.offset = timedelta(hours=3)
        others.doubt()
        others.look()
        assert others.latest() == START + timedelta(hours=3)
        machine.clock.offset = timedelta(0)
        others.look()
    assert [line["event"] for line in logs] == ["expiry_paused", "expiry_resumed"]


def test_a_step_that_the_bot_has_not_followed_confirms_nothing() -> None:
    """It is the bot's own time that decides, and that follows the machine's clock a minute later."""
    machine = Machine()
    others = OtherClocks(machine.clock)
    others.compare("slack", START - timedelta(hours=3))
    machine.wrong = timedelta(hours=-3)
    others.compare("slack", START - timedelta(hours=3))
    assert others.apart == {}
    assert not others.confirmed
    machine.clock.offset = timedelta(hours=-3)
    others.look()
    assert others.confirmed
