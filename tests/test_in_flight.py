"""Background work waits for people, but not for ever."""

import asyncio

import pytest

from bot.in_flight import InFlight


async def test_nothing_waits_while_nobody_is_being_answered() -> None:
    """Without a command, form or click under way, background work begins at once."""
    turn = asyncio.create_task(InFlight().idle())
    await asyncio.sleep(0)
    assert turn.done()


async def test_work_begins_after_the_last_acknowledgement() -> None:
    """Background work begins when everybody has been answered, and not in between."""
    in_flight = InFlight(quiet=0, at_most=60)
    with in_flight.answering("click"):
        with in_flight.answering("click"):
            assert in_flight.count == 2
            turn = asyncio.create_task(in_flight.idle())
        await asyncio.sleep(0.001)
        assert in_flight.count == 1
        assert not turn.done()
    assert in_flight.count == 0
    await turn


async def test_work_goes_on_under_a_load_that_never_ends() -> None:
    """Somebody is always being answered, and the queued messages go out all the same."""
    in_flight = InFlight(at_most=0.001)
    with in_flight.answering("click"):
        async with asyncio.timeout(10):
            await in_flight.idle()


async def test_a_caller_may_wait_for_a_shorter_time() -> None:
    """A limit that is given goes before the usual one."""
    in_flight = InFlight(at_most=60)
    with in_flight.answering("click"):
        async with asyncio.timeout(10):
            await in_flight.idle(0.001)


async def test_people_who_act_one_after_the_other_count_as_one_load() -> None:
    """Somebody who arrives within the quiet time keeps background work waiting."""
    in_flight = InFlight(quiet=0.001, at_most=60)
    with in_flight.answering("click"):
        turn = asyncio.create_task(in_flight.idle())
        await asyncio.sleep(0)
    with in_flight.answering("click"):
        await asyncio.sleep(0.01)
        assert not turn.done()
    await turn


async def test_the_time_until_each_acknowledgement_is_told() -> None:
    """With the kind of the request, also where the answering fails."""
    times, told = iter([10.0, 10.5, 20.0, 22.0]), list[tuple[str, float]]()
    in_flight = InFlight(answered=lambda kind, seconds: told.append((kind, seconds)), monotonic=lambda: next(times))
    with in_flight.answering("click"):
        pass
    with pytest.raises(ValueError, match="broke"), in_flight.answering("form"):
        raise ValueError("broke")
    assert told == [("click", 0.5), ("form", 2.0)]
