"""Looking things up: auditors and approvers read everything, anyone else their own requests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.domain.audit import Event
from bot.domain.lookup import Mistake, NotAFilter
from bot.domain.policy import Actor, Membership, Scope, Verdict
from bot.domain.request import Request
from bot.workflow import Asked, MayNotRead, Wish, Workflow
from tests.clock import Clock
from tests.workflow.steps import approve, ask, requested
from tests.world import actor

AUDITOR = Actor("UAUD", auditor=Membership.MEMBER)
ANN, BEN = actor("UASKER", Membership.OUTSIDER), actor("UBEN", Membership.OUTSIDER)


@pytest.fixture
async def filled(workflow: Workflow, clock: Clock) -> Workflow:
    """Return the use cases after requests by Ann for ord_1 (approved) and ord_2, and by Ben for ord_3."""
    await approve(workflow, await requested(workflow, "ord_1", form="V1"))
    clock.advance(1)
    await requested(workflow, "ord_2", form="V2")
    clock.advance(1)
    await ask(workflow, "ord_3", form="V3", by=actor("UBEN"))
    return workflow


def order_of(item: Request | Event) -> str:
    """Return the order that a row of a look-up, or an event of a story, is about."""
    return item.cancellation.order_id if isinstance(item, Request) else item.order_id


async def orders(workflow: Workflow, reader: Actor, text: str, **options: Any) -> list[str]:
    """Return the order IDs on the page that this person reads."""
    return [order_of(item) for item in (await workflow.look_up(reader, Asked(text, **options))).page.items]


@pytest.mark.parametrize("role", ["approver", "auditor"])
async def test_approvers_and_auditors_read_everything_newest_first(filled: Workflow, role: str) -> None:
    """A look-up without words lists the latest requests of everybody."""
    reader = replace(Actor("UAUD"), **{role: Membership.MEMBER})  # type: ignore[arg-type]  # a role's name
    assert await orders(filled, reader, "") == ["ord_3", "ord_2", "ord_1"]
    assert (await filled.look_up(reader, Asked(""))).scope is Scope.ALL


@pytest.mark.parametrize("reader", [ANN, Actor("UASKER")], ids=["outsider", "unchecked"])
async def test_anyone_else_reads_their_own(filled: Workflow, reader: Actor) -> None:
    """Neither an outsider nor a person who could not be checked sees the requests of others."""
    assert await orders(filled, reader, "") == ["ord_2", "ord_1"]
    assert await orders(filled, reader, "@UASKER state:approved") == ["ord_1"]
    assert await orders(filled, reader, "ord_3") == []
    assert (await filled.look_up(reader, Asked(""))).scope is Scope.OWN


async def test_asking_for_the_requests_of_others_is_refused(filled: Workflow) -> None:
    """A refusal says that there is a rule, instead of an empty page that says there is nothing."""
    with pytest.raises(MayNotRead):
        await filled.look_up(BEN, Asked("@UASKER"))


async def test_an_order_leads_to_its_whole_story(filled: Workflow) -> None:
    """The events of one order are listed, newest first, and a page leads to the next older one."""
    found = await filled.look_up(AUDITOR, Asked("ord_1", limit=1))
    assert found.order_id == "ord_1"
    assert [item.kind for item in found.page.items] == ["approved"]  # type: ignore[union-attr]
    rest = await filled.look_up(AUDITOR, Asked("ord_1", older_than=found.page.older, limit=1))
    assert [item.kind for item in rest.page.items] == ["requested"]  # type: ignore[union-attr]
    assert rest.page.older is None


async def test_a_page_of_requests_leads_to_the_next_older_one(filled: Workflow) -> None:
    """Pages follow each other without a gap and without a repetition."""
    first = await filled.look_up(AUDITOR, Asked("", limit=2))
    assert first.order_id is None
    assert [order_of(item) for item in first.page.items] == ["ord_3", "ord_2"]
    assert await orders(filled, AUDITOR, "", older_than=first.page.older, limit=2) == ["ord_1"]


async def test_words_that_are_no_filter_are_refused(filled: Workflow) -> None:
    """The mistake reaches the caller as a code."""
    with pytest.raises(NotAFilter) as refused:
        await filled.look_up(AUDITOR, Asked("state:gone"))
    assert refused.value.mistake is Mistake.NO_STATE


# --- The words of a look-up -------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed, found",
    [
        ("approved", ["ord_1"]),
        ("Pending", ["ord_3", "ord_2"]),
        ("me", []),
        ("today", ["ord_3", "ord_2", "ord_1"]),
        ("yesterday", []),
        ("2026-11-22 – 2026-11-23", ["ord_3", "ord_2", "ord_1"]),
        ("1D pending", ["ord_3", "ord_2"]),
        ("@ann", ["ord_2", "ord_1"]),
        ("@Ann pending", ["ord_2"]),
        ("@uone", ["ord_1"]),
    ],
)
async def test_people_find_what_they_type(filled: Workflow, typed: str, found: list[str]) -> None:
    """States, days and people are understood as people write them."""
    assert await orders(filled, AUDITOR, typed) == found


async def test_me_is_the_reader(filled: Workflow) -> None:
    """Everybody finds what they asked for or decided themselves."""
    assert await orders(filled, ANN, "me") == ["ord_2", "ord_1"]
    assert await orders(filled, BEN, "me") == ["ord_3"]
    assert await orders(filled, actor("UONE"), "me") == ["ord_1"]


async def test_a_person_who_left_is_found_by_the_name_they_had(filled: Workflow) -> None:
    """Slack makes no mention of somebody who left; a name that several people had names nobody."""
    await filled.refuse(Actor("UANN2", "Ann"), "/cancel-order", Verdict.UNCHECKED)
    for typed in ("@ann", "@nobody"):
        with pytest.raises(NotAFilter) as refused:
            await filled.look_up(AUDITOR, Asked(typed))
        assert (refused.value.mistake, refused.value.word) == (Mistake.NOBODY, typed)
    assert await orders(filled, AUDITOR, "@UASKER") == ["ord_2", "ord_1"]


@pytest.mark.parametrize("typed", ["ORD_1", "Ord_1", "order:oRD_1", "ord_1"])
async def test_an_order_id_is_found_in_any_case(filled: Workflow, typed: str) -> None:
    """The answer names the order as it is on record."""
    found = await filled.look_up(AUDITOR, Asked(typed))
    assert found.order_id == "ord_1"
    assert [item.kind for item in found.page.items] == ["approved", "requested"]  # type: ignore[union-attr]


async def test_an_order_id_that_is_not_on_record_is_named_as_it_was_typed(filled: Workflow) -> None:
    """Nothing is claimed of an order that nobody asked for."""
    found = await filled.look_up(AUDITOR, Asked("ORD_9"))
    assert (found.order_id, found.page.items) == ("ORD_9", [])


async def test_orders_that_differ_in_case_are_told_apart(filled: Workflow) -> None:
    """Each is found by its own spelling, and a third spelling finds neither instead of one of the two."""
    await ask(filled, "ORD_1", form="V4")
    assert (await filled.look_up(AUDITOR, Asked("ORD_1"))).order_id == "ORD_1"
    assert (await filled.look_up(AUDITOR, Asked("ord_1"))).order_id == "ord_1"
    third = await filled.look_up(AUDITOR, Asked("Ord_1"))
    assert (third.order_id, third.page.items) == ("Ord_1", [])


# --- People who may read only their own -------------------------------------------------------


@pytest.mark.parametrize("typed", ["ORD_3", "ord_3"])
async def test_another_persons_order_is_not_even_spelled(filled: Workflow, typed: str) -> None:
    """A person who may not read it learns nothing, not even how it is written on record."""
    found = await filled.look_up(ANN, Asked(typed))
    assert (found.order_id, found.page.items, found.scope) == (typed, [], Scope.OWN)


async def test_ones_own_order_is_found_beside_another_persons(filled: Workflow) -> None:
    """Ben's ORD_1 does not hide Ann's ord_1 from her, whichever way she types it."""
    await ask(filled, "ORD_1", form="V4", by=actor("UBEN"))
    for typed in ("ORD_1", "ord_1", "Ord_1"):
        assert (await filled.look_up(ANN, Asked(typed))).order_id == "ord_1"
        assert set(await orders(filled, ANN, typed)) == {"ord_1"}
        assert (await filled.look_up(BEN, Asked(typed))).order_id == "ORD_1"


@pytest.mark.parametrize("typed", ["@UBEN", "@uben", "<@UBEN>", "@UBEN pending", "ord_3 @UBEN", "@uone today"])
async def test_the_requests_of_others_are_refused_however_they_are_asked_for(filled: Workflow, typed: str) -> None:
    """Together with other filters, by mention, by id or by name."""
    with pytest.raises(MayNotRead):
        await filled.look_up(ANN, Asked(typed))


@pytest.mark.parametrize("typed", ["", "pending", "today", "me", "@UASKER", "2026-11-23", "7d", "@ann"])
async def test_no_filter_leads_out_of_ones_own_requests(filled: Workflow, typed: str) -> None:
    """Every page of every look-up has the reader's own requests only."""
    seen: set[str] = set()
    older: str | None = None
    while not seen or older is not None:
        page = (await filled.look_up(ANN, Asked(typed, older_than=older, limit=1))).page
        seen |= {item.requester for item in page.items}  # type: ignore[union-attr]
        older = page.older
    assert seen == {"UASKER"}


async def test_a_decision_makes_no_reader(filled: Workflow) -> None:
    """A person who approved once and is no approver any more reads their own requests, of which there are none."""
    assert await orders(filled, actor("UONE", Membership.OUTSIDER), "") == []
    assert await orders(filled, actor("UONE", Membership.OUTSIDER), "me") == []


# --- The reader's own days --------------------------------------------------------------------


@pytest.mark.parametrize(
    "zone, at, today, yesterday",
    [
        pytest.param("UTC", "2026-11-23T18:00Z", ["late", "early"], ["before"], id="UTC"),
        pytest.param("Asia/Phnom_Penh", "2026-11-23T18:00Z", ["late"], ["early"], id="tomorrow already"),
        pytest.param("America/Los_Angeles", "2026-11-24T07:00Z", ["late", "early"], ["before"], id="still yesterday"),
        pytest.param("Pacific/Kiritimati", "2026-11-24T10:30Z", [], ["late"], id="the day after tomorrow already"),
    ],
)
async def test_a_day_is_the_readers_own(
    workflow: Workflow, clock: Clock, zone: str, at: str, today: list[str], yesterday: list[str]
) -> None:
    """Three requests of two days belong to different days in different places."""
    for order, asked in (
        ("before", "2026-11-22T12:00Z"),
        ("early", "2026-11-23T08:30Z"),
        ("late", "2026-11-23T17:30Z"),
    ):
        clock.at = datetime.fromisoformat(asked)
        await requested(workflow, order, form=order)
    clock.at = datetime.fromisoformat(at)
    assert await orders(workflow, AUDITOR, "today", zone=ZoneInfo(zone)) == today
    assert await orders(workflow, AUDITOR, "yesterday", zone=ZoneInfo(zone)) == yesterday


@pytest.mark.parametrize(
    "day, hours", [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-25", 24)], ids=["spring", "autumn", "ordinary"]
)
async def test_a_day_has_as_many_hours_as_the_reader_lives_through(
    workflow: Workflow, clock: Clock, day: str, hours: int
) -> None:
    """Requests in the first and in the last minute of a day are in it, those a minute away are not."""
    berlin = ZoneInfo("Europe/Berlin")
    midnight = datetime.fromisoformat(day).replace(tzinfo=berlin).astimezone(UTC)
    minutes = {"eve": -1, "first": 0, "last": hours * 60 - 1, "after": hours * 60}
    for order, minute in minutes.items():
        clock.at = midnight + timedelta(minutes=minute)
        await requested(workflow, order, form=order)
    assert await orders(workflow, AUDITOR, day, zone=berlin) == ["last", "first"]


@pytest.mark.parametrize("reader, reads", [(AUDITOR, True), (ANN, False), (BEN, True)])
async def test_the_words_of_a_refused_request_are_its_authors(filled: Workflow, reader: Actor, reads: bool) -> None:
    """In the story of their own order people see that somebody else asked, and never why; auditors see all."""
    wish = Wish("V9", ("ord_1",), "secret-word", "C1")
    await filled.request(wish, actor("UBEN"))
    if reader is BEN:
        await ask(filled, "ord_4", form="V10", by=actor("UBEN"))
        await filled.request(replace(wish, form_id="V11", order_ids=("ord_4",)), actor("UBEN"))
    order = "ord_4" if reader is BEN else "ord_1"
    found = await filled.look_up(reader, Asked(order))
    refused = [event for event in found.page.items if event.kind == "request_refused"]  # type: ignore[union-attr]
    assert len(refused) == 1
    assert ("secret-word" in str(refused[0].content)) == reads  # type: ignore[union-attr]
    assert "erased" not in str(refused[0].content)  # type: ignore[union-attr]


async def test_all_of_an_answer_is_read_a_part_at_a_time(filled: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part begins where the one before ended, and nothing that this person may not read is in it."""
    monkeypatch.setattr("bot.workflow.workflow._PART", 1)
    for reader, orders_read in ((AUDITOR, ["ord_3", "ord_2", "ord_1"]), (ANN, ["ord_2", "ord_1"])):
        parts = [found async for found in filled.look_up_all(reader, Asked("today"))]
        assert [[order_of(item) for item in part.page.items] for part in parts] == [[order] for order in orders_read]
        assert {part.at for part in parts} == {parts[0].at}
    assert [len(part.page.items) async for part in filled.look_up_all(AUDITOR, Asked("cancelled"))] == [0]


async def test_what_leaves_an_answer_while_it_is_read_brings_no_row_back(
    filled: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of which nothing matches any more is empty; it is not filled with rows that were read before."""
    monkeypatch.setattr("bot.workflow.workflow._PART", 1)
    parts = filled.look_up_all(AUDITOR, Asked("pending"))
    first = await anext(parts)
    assert [order_of(item) for item in first.page.items] == ["ord_3"]
    (other,) = (await filled.look_up(AUDITOR, Asked("pending", older_than=first.page.older))).page.items
    assert isinstance(other, Request)
    await approve(filled, other)
    assert [list(part.page.items) async for part in parts] == [[]]
