"""Evidence that somebody asked for: owed once, and proved to be."""

from datetime import timedelta

import pytest

from bot.domain.delivery import DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import DeliveryAbandoned, EvidenceAsked, LookedUp
from bot.domain.policy import Actor
from bot.domain.projection import Subject
from bot.store import Store, open_beside, verify_all
from bot.workflow import Workflow
from tests.clock import Clock
from tests.workflow.steps import contents, deliver_all, requested

VERA = Actor("U0VERA", "vera")
DELIVERED = Receipt(DeliveryOutcome.DELIVERED, "D0VERA")


async def test_evidence_is_owed_to_the_person_who_asked(workflow: Workflow, store: Store) -> None:
    """It needs no timestamp, as Slack names none for a file."""
    await requested(workflow)
    await deliver_all(workflow)
    await workflow.ask_for_evidence(VERA, "ord_1")
    (claimed,) = (await workflow.claim("w", calls=0, messages=5)).deliveries
    assert (claimed.delivery.kind, claimed.delivery.target, claimed.request) == (DeliveryKind.EVIDENCE, VERA.id, None)
    assert claimed.event.content == EvidenceAsked("ord_1")
    await workflow.record_delivery(claimed.delivery, DELIVERED)
    assert await deliver_all(workflow) == []
    assert verify_all(store.place).damage is None


async def test_what_slack_refuses_for_good_is_given_up_at_once(workflow: Workflow, store: Store, clock: Clock) -> None:
    """Also right after a doubt: a file that appears late asks nothing of anybody."""
    await workflow.ask_for_evidence(VERA, "ord_1")
    (first,) = (await workflow.claim("w", calls=0, messages=5)).deliveries
    doubt = Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True)
    await workflow.record_delivery(first.delivery, doubt)
    clock.at += timedelta(seconds=5)
    (second,) = (await workflow.claim("w", calls=0, messages=5)).deliveries
    refused = Receipt(DeliveryOutcome.IMPOSSIBLE, problem="missing_scope")
    assert (await workflow.record_delivery(second.delivery, refused)).given_up
    assert (await contents(store))[-1] == DeliveryAbandoned(DeliveryKind.EVIDENCE, "missing_scope")
    assert verify_all(store.place).damage is None


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM deliveries WHERE kind = 'evidence'",
        "UPDATE deliveries SET status = 'abandoned' WHERE kind = 'evidence'",
        "UPDATE deliveries SET status = 'called_off' WHERE kind = 'evidence'",
        "UPDATE deliveries SET target = 'U0EVE' WHERE kind = 'evidence'",
        "UPDATE deliveries SET kind = 'digest' WHERE kind = 'evidence'",
        "UPDATE deliveries SET event_seq = event_seq - 1 WHERE kind = 'evidence'",
        (
            "INSERT INTO deliveries (id, kind, event_seq, target, enqueued_at, due_at)"
            " SELECT 'x', kind, event_seq, 'U0EVE', enqueued_at, due_at FROM deliveries WHERE kind = 'evidence'"
        ),
    ],
)
async def test_a_verification_finds_forged_evidence_in_the_outbox(
    workflow: Workflow, store: Store, statement: str
) -> None:
    """Nobody gets a file for which nobody asked, and none disappears."""
    await workflow.ask_for_evidence(VERA, "ord_1")
    assert verify_all(store.place).damage is None
    with open_beside(store.place) as tx:
        tx.connection.execute(statement)
    found = verify_all(store.place)
    assert found.contradiction is not None
    assert found.contradiction.subject is Subject.DELIVERIES


async def test_what_is_handed_out_is_on_record_with_its_digest(workflow: Workflow, store: Store) -> None:
    """The event that asks and the one about the file are two, as a file may never come."""
    await workflow.ask_for_evidence(VERA, "ord_1")
    await workflow.looked_up(VERA, "ord_1 evidence", 4, "ab" * 32)
    assert (await contents(store))[-2:] == [EvidenceAsked("ord_1"), LookedUp("ord_1 evidence", 4, "ab" * 32)]
