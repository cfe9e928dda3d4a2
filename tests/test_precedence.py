"""People come first, and nobody waits for ever."""

import asyncio

from bot.precedence import Precedence


async def test_nothing_waits_when_nobody_does() -> None:
    """Without a command, form or click under way other work begins at once."""
    turn = asyncio.create_task(Precedence().give_way())
    await asyncio.sleep(0)
    assert turn.done()


async def test_work_begins_after_the_last_acknowledgement() -> None:
    """What nobody waits for begins when everybody has been answered, and not in between."""
    precedence = Precedence(quiet=0, at_most=60)
    with precedence.answering():
        with precedence.answering():
            turn = asyncio.create_task(precedence.give_way())
        await asyncio.sleep(0)
        assert not turn.done()
    await turn


async def test_work_goes_on_under_a_load_that_never_lets_up() -> None:
    """Somebody is always being answered, and the owed messages go out all the same."""
    precedence = Precedence(at_most=0.001)
    with precedence.answering():
        await asyncio.wait_for(precedence.give_way(), 10)


async def test_what_is_put_off_is_done_at_once_when_nobody_waits() -> None:
    """Without anybody to be answered there is nothing to wait for."""
    done: list[int] = []
    Precedence().afterwards(lambda: done.append(1))
    assert done == [1]


async def test_what_is_put_off_is_done_in_order_after_the_last_acknowledgement() -> None:
    """Nothing of it happens while somebody waits, and all of it before other work begins."""
    precedence, done = Precedence(quiet=0, at_most=60), list[int]()
    with precedence.answering():
        precedence.afterwards(lambda: done.append(1))
        with precedence.answering():
            precedence.afterwards(lambda: done.append(2))
        await asyncio.sleep(0)
        assert done == []
    await precedence.give_way()
    assert done == [1, 2]


async def test_what_is_put_off_is_done_under_a_load_that_never_lets_up() -> None:
    """Somebody is always being answered, and the log is written all the same."""
    precedence, done = Precedence(at_most=0.001), asyncio.Event()
    with precedence.answering():
        precedence.afterwards(done.set)
        await asyncio.wait_for(done.wait(), 10)


async def test_one_that_fails_does_not_hold_up_the_others() -> None:
    """What is put off after it is still done in time, under a load that never lets up."""
    precedence, done = Precedence(at_most=0.001), asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda *_: failed.set())
    failed = asyncio.Event()
    with precedence.answering():
        precedence.afterwards(lambda: 1 // 0)  # type: ignore[arg-type]
        precedence.afterwards(lambda: None)
        await asyncio.wait_for(failed.wait(), 10)
        precedence.afterwards(done.set)
        await asyncio.wait_for(done.wait(), 10)
