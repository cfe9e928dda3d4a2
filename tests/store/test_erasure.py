"""Erasing what people typed: the words are gone from the disk, and the record still verifies."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.events import Erased, Requested
from bot.domain.policy import Actor, Membership, Verdict
from bot.domain.verification import Damage
from bot.domain.words import ERASED
from bot.store import Erasure, Place, Store, erase_from, open_beside, open_reader, verify_all
from bot.store.errors import StoreError, StoreProblem
from bot.workflow import Wish, Workflow
from bot.workflow.freezing import Typed
from tests.clock import Clock
from tests.workflow.steps import (
    ANN,
    CANCELLED,
    DENIED,
    approve,
    ask,
    contents,
    deliver_all,
    reject,
    sending,
    settle,
    unknown,
)
from tests.world import TABLES, next_attempt

CARL = Actor("UCARL", "Carl Kowalczyk", requester=Membership.MEMBER)
REASON, NO, ECHO = "Frau Grün-Lindqvist paid twice", "Herr Zwölfinger is right", "no: Frau Grün-Lindqvist"
LONG = "Doña Inés de Ulloa " * 150


def bytes_of(path: Path) -> bytes:
    """Return everything on the disk: the file, and the log beside it."""
    return b"".join(each.read_bytes() for each in sorted(path.parent.iterdir()) if each.name.startswith(path.name))


def traces(place: Place, *texts: str) -> list[str]:
    """Return which of these texts are still somewhere on the disk, or in the tables on a server."""
    kept = bytes_of(place) if isinstance(place, Path) else rows_of(place)
    return [text for text in texts if text.encode() in kept]


def rows_of(place: Place) -> bytes:
    """Return all that the tables hold."""
    with open_reader(place) as tables:
        rows = [row for name in (*TABLES, "words") for row in tables.connection.execute(f"SELECT * FROM {name}")]
    return "\n".join(str(value) for row in rows for value in row).encode()


@pytest.fixture
async def told(workflow: Workflow, store: Store) -> Place:
    """Return a file with two requests of Carl's, one cancelled and one rejected, and one of Ann's that is open."""
    acted = await ask(workflow, "ord_1", by=CARL, reason=REASON)
    assert acted.request is not None
    await approve(workflow, acted.request)
    await workflow.record_answer(await sending(workflow), replace(CANCELLED, message=ECHO, code="GRÜN"))
    acted = await ask(workflow, "ord_2", form="V2", by=CARL, reason=LONG)
    assert acted.request is not None
    await reject(workflow, acted.request, reason=NO)
    await ask(workflow, "ord_3", form="V3", reason="still open")
    await deliver_all(workflow)
    assert traces(store.place, REASON, NO, ECHO, LONG[:60], CARL.name) == [REASON, NO, ECHO, LONG[:60], CARL.name]
    return store.place


def reasons(path: Place) -> list[str]:
    """Return the reasons in the table of requests."""
    with open_reader(path) as tables:
        return [str(row[0]) for row in tables.connection.execute("SELECT reason FROM requests ORDER BY number")]


async def test_the_words_about_an_order_are_gone_and_the_record_verifies(
    told: Place, store: Store, clock: Clock
) -> None:
    """No page of the file and of its log holds them any more; everything else is as it was."""
    gone = erase_from(told, Erasure(order_id="ord_1"), "ticket 7", "terminal:root", clock)
    assert (gone.texts, gone.still_open, gone.from_log) == (3, 0, True)
    assert traces(told, REASON, ECHO, "GRÜN") == []
    assert traces(told, NO, LONG[:60], "still open") == [NO, LONG[:60], "still open"]
    assert verify_all(told).damage is None
    assert reasons(told) == [ERASED, LONG, "still open"]
    asked = [content for content in await contents(store) if isinstance(content, Requested)]
    assert [each.reason for each in asked] == [ERASED, LONG, "still open"]


async def test_an_erasure_is_on_record(told: Place, store: Store, clock: Clock) -> None:
    """An auditor reads who erased what and why, but not the words."""
    erase_from(told, Erasure(order_id="ord_2"), "ticket 7", "terminal:root", clock)
    last = [*await store.read(lambda tables: list(tables.record.all()))][-1]
    assert (last.kind, last.order_id, last.actor) == ("erased", "ord_2", "terminal:root")
    assert isinstance(last.content, Erased)
    assert last.content.why == "ticket 7"
    with open_reader(told) as tables:
        assert [tables.record.event(seq).kind for seq in last.content.events] == ["requested", "rejected"]


async def test_the_words_of_a_person_are_gone_with_their_name(told: Place, clock: Clock) -> None:
    """Their reasons, their names, and what the gateway answered to their requests; not what others wrote."""
    gone = erase_from(told, Erasure(person="UCARL"), "left", "terminal:root", clock)
    assert gone.texts == 5
    assert traces(told, REASON, ECHO, LONG[:60], CARL.name) == []
    assert traces(told, NO, "still open") == [NO, "still open"]
    assert verify_all(told).damage is None


async def test_a_person_whose_name_was_erased_may_come_back(told: Place, workflow: Workflow, clock: Clock) -> None:
    """Their next act brings the name back, with an event of its own."""
    erase_from(told, Erasure(person="UCARL"), "asked", "terminal:root", clock)
    await ask(workflow, "ord_9", form="V9", by=CARL)
    assert verify_all(told).damage is None
    with open_reader(told) as tables:
        assert tables.people.names(["UCARL"]) == {"UCARL": CARL.name}


async def test_what_is_older_than_a_time_is_gone(told: Place, workflow: Workflow, store: Store, clock: Clock) -> None:
    """Everything that was typed before, but for the requests that are still open."""
    limit = clock() + timedelta(seconds=1)
    clock.advance(60)
    later = await ask(workflow, "ord_8", form="V8", by=CARL, reason="a later reason")
    assert later.request is not None
    assert await reject(workflow, later.request, reason="a later no") is Verdict.ALLOWED
    gone = erase_from(told, Erasure(before=limit), "retention", "terminal:root", clock)
    assert gone.still_open == 1
    assert traces(told, REASON, NO, ECHO, LONG[:60]) == []
    assert traces(told, "still open", "a later reason", "a later no") == ["still open", "a later reason", "a later no"]
    assert verify_all(told).damage is None


async def test_an_open_request_keeps_its_reason_and_is_sent_with_it(
    told: Place, workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The gateway gets exactly what was approved, also after an erasure in between."""
    gone = erase_from(told, Erasure(order_id="ord_3"), "too early", "terminal:root", clock)
    assert (gone.texts, gone.still_open) == (0, 1)
    (open_one,) = await store.read(lambda tables: tables.requests.pending())
    await approve(workflow, open_one)
    attempt = await next_attempt(workflow)
    assert attempt is not None
    assert attempt.reason == "still open"


async def test_erasing_twice_finds_nothing_more(told: Place, store: Store, clock: Clock) -> None:
    """The second time nothing is left, and nothing is put on record."""
    erase_from(told, Erasure(order_id="ord_1"), "once", "terminal:root", clock)
    before = await contents(store)
    assert erase_from(told, Erasure(order_id="ord_1"), "twice", "terminal:root", clock).texts == 0
    assert await contents(store) == before


async def test_a_form_that_is_sent_again_after_an_erasure_makes_no_second_request(
    told: Place, workflow: Workflow, clock: Clock
) -> None:
    """The form itself and its orders are known as before; the words are not, and other orders are another wish."""
    before = await ask(workflow, "ord_1", by=CARL, reason=REASON)
    for erasure in (Erasure(order_id="ord_1"), Erasure(person="UCARL")):
        erase_from(told, erasure, "ticket", "terminal:root", clock)
        for words in (REASON, "other words"):
            again = await ask(workflow, "ord_1", by=CARL, reason=words)
            assert again.verdict is Verdict.ALLOWED
            assert again.request is not None
            assert before.request is not None
            assert again.request.id == before.request.id
    assert len(reasons(told)) == 3
    other = await ask(workflow, "ord_9", by=CARL, reason=REASON)
    assert other.request is not None
    assert await reject(workflow, other.request) is Verdict.ALLOWED
    erase_from(told, Erasure(person="UCARL"), "again", "terminal:root", clock)
    same = await ask(workflow, "ord_9", by=CARL, reason=REASON)
    assert same.request is not None
    assert same.request.id == other.request.id
    assert len(reasons(told)) == 4
    assert traces(told, REASON) == []
    assert verify_all(told).damage is None


async def test_a_finding_and_its_answers_are_erased(workflow: Workflow, store: Store, clock: Clock) -> None:
    """A statement by hand and the answers of several calls are texts as well."""
    assert await settle(workflow, await unknown(workflow)) is Verdict.ALLOWED
    erase_from(store.place, Erasure(order_id="ord_1"), "ticket", "terminal:root", clock)
    assert traces(store.place, "the console says so", "typed twice") == []
    assert verify_all(store.place).damage is None


async def test_the_gateways_words_about_every_order_go_with_the_reason(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The gateway may repeat the reason, which all orders of a request share, in its answer for any of them."""
    acted = await workflow.request(Wish("V1", ("ord_1", "ord_2"), REASON, "C1"), ANN)
    assert acted.request is not None
    await approve(workflow, acted.request)
    for _ in acted.request.order_ids:
        await workflow.record_answer(await sending(workflow), replace(DENIED, message=f"No: {REASON}"))
    erase_from(store.place, Erasure(order_id="ord_1"), "ticket", "terminal:root", clock)
    assert traces(store.place, REASON) == []
    assert verify_all(store.place).damage is None


@pytest.mark.parametrize(
    "forged",
    [
        "DELETE FROM words WHERE field = 'reason'",
        "UPDATE requests SET reason = 'forged words'",
        "UPDATE decisions SET reason = 'forged words'",
        "INSERT INTO words SELECT 3, 'reason', '00', 'forged words'",
    ],
)
async def test_an_erasure_is_no_cover_for_a_forgery(told: Place, store: Store, clock: Clock, forged: str) -> None:
    """After an erasure, words that are missing without one, and words in place of erased ones, are damage."""
    erase_from(told, Erasure(order_id="ord_2"), "ticket", "terminal:root", clock)
    with open_beside(told) as tx:
        tx.connection.execute(forged)
    assert verify_all(told).damage is Damage.CONTRADICTION


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, clock: Clock) -> None:
    """A wrong path is an error, and leaves nothing behind."""
    with pytest.raises(StoreError) as failed:
        erase_from(tmp_path / "nothing.db", Erasure(order_id="ord_1"), "why", "terminal:root", clock)
    assert failed.value.problem is StoreProblem.MISSING
    assert list(tmp_path.iterdir()) == []


async def test_words_about_no_request_go_with_the_next_request(workflow: Workflow, store: Store, clock: Clock) -> None:
    """A wrong clock may have written their time, and nobody can ask while it is known to be wrong."""
    carl = replace(CARL, approver=Membership.MEMBER)
    await workflow.freeze(carl, "fraud case 4711", Typed("/cancel-order", "C1", "1"))
    await workflow.unfreeze(carl, Typed("/cancel-order", "C1", "2"))
    clock.advance(days=60)

    def erase() -> int:
        return erase_from(store.place, Erasure(before=clock() - timedelta(days=30)), "x", "terminal:root", clock).texts

    assert erase() == 0
    await ask(workflow, "ord_1")
    clock.advance(days=29)
    assert erase() == 0
    clock.advance(days=2)
    assert erase() > 0
    assert traces(store.place, "fraud case 4711", CARL.name) == []
    assert verify_all(store.place).damage is None
