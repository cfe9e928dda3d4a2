"""Finding requests and their stories, a page at a time."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from bot.domain.audit import BOT
from bot.domain.cancellation import Choice, State
from bot.domain.events import Content, Hurried, Requested, Retried, StoppedTrying, VotesVoided, Withdrawn
from bot.domain.lookup import Lookup
from bot.store import Page, Span, Store, Tables
from tests.clock import Clock
from tests.store.rows import add, again, brought

AT = Clock().at


def minute(number: int) -> Clock:
    """Return a clock so many minutes after the first one."""
    return Clock(AT + timedelta(minutes=number))


@pytest.fixture
async def filled(store: Store) -> Store:
    """Return a store with five requests for three orders, a minute apart.

    U1 asked for 1, 3 and 5, U2 for 2 and 4, because of fraud for 2 and 5. U3 approved 1, approved and rejected 2, and
    approved 5; U1 rejected 4.
    U4 retried 1 twice, hurried 5 and stopped 5, and U3 hurried 1. The approvals of U5 for 2 and 3 no longer count.
    """
    voided = (BOT, VotesVoided(("U5", "U6")))
    acts: dict[int, list[tuple[str, Content]]] = {
        1: [("U4", Retried()), ("U4", Retried()), ("U3", Hurried())],
        2: [voided],
        3: [voided],
        5: [("U4", Hurried()), ("U4", StoppedTrying())],
    }

    def work(tx: Tables) -> None:
        for number, order, requester, decided, state in (
            (1, "ord_1", "U1", {("U3", Choice.APPROVE)}, State.APPROVED),
            (2, "ord_2", "U2", {("U3", Choice.APPROVE), ("U3", Choice.REJECT)}, State.REJECTED),
            (3, "ord_2", "U1", set(), State.WITHDRAWN),
            (4, "ord_2", "U2", {("U1", Choice.REJECT)}, State.REJECTED),
            (5, "ord_3", "U1", {("U3", Choice.APPROVE)}, State.APPROVED),
        ):
            at = minute(number)()
            asked = add(
                tx, at, order, form=f"V{number}", requester=requester, category="fraud" if number in {2, 5} else ""
            )
            tx.record.append(Requested(("ord_1",)), requester, at, asked)
            for approver, choice in sorted(decided):
                tx.requests.decide(asked, approver, choice, "", at)
            brought(tx, asked, state, at=at)
            for person, content in acts.get(number, ()):
                tx.record.append(content, person, at, again(tx, asked))
            tx.record.append(Withdrawn(), BOT, at, again(tx, asked))

    await store.transaction("fill", work)
    return store


async def find(store: Store, lookup: Lookup, only_of: str | None = None) -> list[int]:
    """Return the numbers of all that match, read two at a time."""
    numbers: list[int] = []
    older = None
    while True:
        page = await store.read(
            lambda tables, older=older: tables.lookups.find(lookup, only_of=only_of, older_than=older, limit=2)  # type: ignore[misc]
        )
        numbers += [each.number for each in page.items]
        older = page.older
        if older is None:
            return numbers
        assert len(page.items) == 2


@pytest.mark.parametrize(
    "lookup, numbers",
    [
        pytest.param(Lookup(), [5, 4, 3, 2, 1], id="everything"),
        pytest.param(Lookup(order_id="ord_2"), [4, 3, 2], id="order"),
        pytest.param(Lookup(person="U1"), [5, 4, 3, 1], id="requester, and approver of one"),
        pytest.param(Lookup(person="U3"), [5, 2, 1], id="approver, once where there are two decisions"),
        pytest.param(Lookup(person="U4"), [5, 1], id="retried, hurried and stopped, each once"),
        pytest.param(Lookup(person="U5"), [3, 2], id="approvals that no longer count"),
        pytest.param(Lookup(person="U4", state=State.APPROVED, since=minute(2)()), [5], id="acts, state and time"),
        pytest.param(Lookup("ord_1", "U4"), [1], id="acts and order"),
        pytest.param(Lookup(person="U9"), [], id="nobody"),
        pytest.param(Lookup(state=State.REJECTED), [4, 2], id="state"),
        pytest.param(Lookup(since=minute(2)(), until=minute(4)()), [3, 2], id="time, without its end"),
        pytest.param(Lookup(person="U1", state=State.APPROVED), [5, 1], id="person and state"),
        pytest.param(Lookup(person="U3", since=minute(2)()), [5, 2], id="person and time"),
        pytest.param(Lookup(category="fraud"), [5, 2], id="reason of the list"),
        pytest.param(Lookup(category="Fraud"), [5, 2], id="reason of the list, written in another case since"),
        pytest.param(Lookup(category="fra"), [], id="half a reason"),
        pytest.param(Lookup(category="fraud", person="U3", state=State.REJECTED), [2], id="reason, person and state"),
        pytest.param(Lookup("ord_2", "U1", State.REJECTED, minute(1)(), minute(9)()), [4], id="all filters"),
    ],
)
async def test_each_filter_finds_what_it_says_page_by_page(filled: Store, lookup: Lookup, numbers: list[int]) -> None:
    """All matches are found once, newest first, also across pages."""
    assert await find(filled, lookup) == numbers


@pytest.mark.parametrize(
    "lookup, numbers",
    [
        (Lookup(), [4, 2]),
        (Lookup(person="U2"), [4, 2]),
        (Lookup(person="U3"), [2]),
        (Lookup(order_id="ord_1"), []),
        (Lookup(state=State.REJECTED), [4, 2]),
        (Lookup(category="fraud"), [2]),
    ],
)
async def test_a_limited_reader_finds_their_own_requests(filled: Store, lookup: Lookup, numbers: list[int]) -> None:
    """Every filter works within the requests of this person, and none leads out of them."""
    assert await find(filled, lookup, only_of="U2") == numbers


FILTERS = [
    Lookup(),
    Lookup(order_id="ord_2"),
    Lookup(person="U1"),
    Lookup(person="U3"),
    Lookup(person="U4"),
    Lookup(person="U5"),
    Lookup("ord_2", "U5"),
    Lookup("ord_1", "U4"),
    Lookup(person="U9"),
    Lookup(state=State.REJECTED),
    Lookup(since=minute(2)(), until=minute(4)()),
    Lookup(person="U3", state=State.REJECTED),
    Lookup(category="fraud"),
    Lookup("ord_2", category="fraud"),
    Lookup(person="U3", category="fraud"),
    Lookup("ord_2", "U1", State.REJECTED, minute(1)(), minute(9)()),
]


@pytest.mark.parametrize("only_of", [None, "U1", "U2"])
@pytest.mark.parametrize("lookup", FILTERS, ids=str)
async def test_every_part_of_an_answer_is_counted_and_read_from_both_ends(
    filled: Store, lookup: Lookup, only_of: str | None
) -> None:
    """A count is that of what is read, between any two rows; the old end is read as the new one, the other way."""

    def check(tables: Tables) -> None:
        options: dict[str, Any] = {"only_of": only_of}
        count = partial(tables.lookups.count, lookup, **options)
        find: Callable[..., Page[Any]] = tables.lookups.find if lookup.order_id is None else tables.lookups.story
        rows = find(lookup, **options, limit=99).items
        keys = _keys(find, lookup, options)
        assert count() == len(keys) == len(rows)
        for first, newest in enumerate(keys):
            assert count(span=Span(newest)) == len(rows) - first
            for index, key in enumerate(keys[first:], first):
                assert count(span=Span(newest, newer_than=key)) == index - first
                assert count(span=Span(newest, older_than=key)) == len(rows) - index - 1
                before = find(lookup, **options, span=Span(newest, newer_than=key), limit=2)
                assert list(before.items) == list(rows[first:index][-2:])
        last = find(lookup, **options, span=Span(last=True), limit=2)
        assert list(last.items) == list(rows[-2:])
        assert last.older is None

    await filled.read(check)


def _keys(find: Callable[..., Page[Any]], lookup: Lookup, options: dict[str, Any]) -> list[str]:
    """Return the key of every row, newest first."""
    keys: list[str] = []
    while (page := find(lookup, **options, limit=1, older_than=keys[-1] if keys else None)).newer is not None:
        keys.append(page.newer)
    return keys


async def test_requests_of_the_same_moment_are_found_once_each(store: Store, clock: Clock) -> None:
    """Pages that end between two of the same time lose none and repeat none."""

    def work(tx: Tables) -> None:
        for number in range(5):
            add(tx, clock(), f"ord_{number}", form=f"V{number}")

    await store.transaction("fill", work)
    assert await find(store, Lookup()) == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "lookup, only_of, about",
    [
        (Lookup(order_id="ord_2"), None, [4, 4, 3, 3, 3, 2, 2, 2]),
        (Lookup(order_id="ord_2"), "U2", [4, 4, 2, 2, 2]),
        (Lookup(order_id="ord_2", person="U1"), None, [4, 4, 3, 3, 3]),
        (Lookup(order_id="ord_2", person="U3"), None, [2, 2, 2]),
        (Lookup(order_id="ord_2", state=State.WITHDRAWN), None, [3, 3, 3]),
        (Lookup(order_id="ord_2", since=minute(4)()), None, [4, 4]),
        (Lookup(order_id="ord_9"), None, []),
    ],
)
async def test_a_story_has_all_events_of_the_requests_that_match(
    filled: Store, lookup: Lookup, only_of: str | None, about: list[int]
) -> None:
    """The events of one order come newest first, page by page, as far as this reader may see them."""

    def story(tables: Tables) -> list[int]:
        numbers: dict[str, int] = {}
        for each in tables.lookups.find(Lookup()).items:
            numbers[each.id] = each.number
        seqs, found, older = list[int](), list[int](), None
        while True:
            page = tables.lookups.story(lookup, only_of=only_of, older_than=older, limit=2)
            seqs += [event.seq for event in page.items]
            found += [numbers[event.request] for event in page.items]
            older = page.older
            if older is None:
                assert seqs == sorted(set(seqs), reverse=True)
                return found

    assert await filled.read(story) == about


@pytest.mark.parametrize(
    "typed, only_of, found",
    [
        ("ord_1", None, ["ord_1"]),
        ("ORD_1", None, ["ord_1"]),
        ("Ord_2", None, ["ord_2"]),
        ("ORD_9", None, []),
        ("ord%", None, []),
        ("ord-1", None, []),
        ("ORD_1", "U1", ["ord_1"]),
        ("ORD_1", "U2", []),
        ("ORD_2", "U2", ["ord_2"]),
    ],
)
async def test_an_order_is_found_as_it_is_on_record(
    filled: Store, typed: str, only_of: str | None, found: list[str]
) -> None:
    """Its spelling is known to people who may read a request for it, and to nobody else."""
    assert await filled.read(lambda tables: tables.lookups.spellings(typed, only_of=only_of)) == found


async def test_the_exact_spelling_comes_first(store: Store, clock: Clock) -> None:
    """Of several orders that differ in case alone, the one that was typed is meant, if it is there; else none is."""

    def work(tx: Tables) -> list[list[str]]:
        for number, order in enumerate(("ord_a", "ORD_A", "oRD_b", "ord_c", "ord_c")):
            asked = add(tx, clock(), order, form=f"V{number}")
            brought(tx, asked, State.REJECTED, at=clock())
        return [tx.lookups.spellings(typed) for typed in ("ord_a", "ORD_A", "Ord_A", "ORD_B", "ORD_C")]

    found = await store.transaction("spellings", work)
    assert found == [["ord_a"], ["ORD_A"], ["ORD_A", "ord_a"], ["oRD_b"], ["ord_c"]]
