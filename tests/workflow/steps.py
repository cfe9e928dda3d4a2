"""The usual steps of a request, and questions about its state, for the tests of the use cases."""

from dataclasses import replace
from typing import Any

from bot.domain.attempt import Answer, Attempt, Outcome, Reason, Trouble
from bot.domain.audit import Event
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import Named
from bot.domain.policy import Act, Actor, Members, Membership, Verdict
from bot.domain.request import Request
from bot.store import Store
from bot.workflow import Acted, ClaimedDelivery, Wish, Workflow, decisions
from tests.world import EVERY_ORDER, actor, next_attempt, next_delivery

CANCELLED = Answer(Outcome.CANCELLED, http_status=200)
LOST = Answer(Outcome.UNKNOWN, repeat=True, trouble=Trouble.NO_ANSWER_IN_TIME)
AWAY = Answer(Outcome.NOT_SENT, repeat=True, trouble=Trouble.NOT_CONNECTED)
COMPLETED = Answer(Outcome.REFUSED, http_status=409, message="completed", reason=Reason.COMPLETED)
REFUNDED = Answer(Outcome.REFUSED, http_status=409, message="refunded", reason=Reason.ALREADY_REFUNDED)
ALREADY = Answer(Outcome.REFUSED, http_status=409, message="already cancelled", reason=Reason.ALREADY_CANCELLED)
VAGUE = Answer(Outcome.UNKNOWN, http_status=409, message="conflict", trouble=Trouble.UNCLEAR_REFUSAL)
EXPIRED = Answer(Outcome.REFUSED, http_status=422, message="expired", reason=Reason.EXPIRED)
MISSING = Answer(Outcome.REFUSED, http_status=404, message="not found", reason=Reason.NO_SUCH_ORDER)
DENIED = Answer(Outcome.NOT_SENT, http_status=401, message="bad key", reason=Reason.CREDENTIALS)

ANN = Actor("UASKER", "ann", requester=Membership.MEMBER)
APPROVERS = Members(frozenset({"UASKER", "UONE", "UTWO", "UTHREE", *(f"U{number}" for number in range(10))}))
"""Everybody who is an approver, unless a test says otherwise; the requester is one of them."""
DELIVERED = Receipt(DeliveryOutcome.DELIVERED, "C1", "1.1", "https://x/1")
RECEIPTS = {DeliveryKind.RECEIPT, DeliveryKind.RECEIPT_UPDATE}
GONE = Receipt(DeliveryOutcome.IMPOSSIBLE, problem="message_not_found")


async def ask(
    workflow: Workflow, order: str = "ord_1", *, form: str = "V1", by: Actor = ANN, reason: str = "typed twice"
) -> Acted:
    """Send the form."""
    return await workflow.request(Wish(form, (order,), reason, "C1"), by)


async def requested(workflow: Workflow, order: str = "ord_1", *, form: str = "V1") -> Request:
    """Return a pending request."""
    acted = await ask(workflow, order, form=form)
    assert acted.verdict is Verdict.ALLOWED
    assert acted.request is not None
    return acted.request


async def approve(
    workflow: Workflow,
    request: Request,
    person: str = "UONE",
    *,
    approvers: Members = APPROVERS,
    promised: int = 0,
) -> Verdict:
    """Approve as this person, where these are the approvers by now; return the verdict."""
    clicks = actor(person, approvers.membership(person))
    acted = await workflow.act(
        decisions.approve, Act.APPROVE, request.id, clicks, approvers=approvers, promised=promised
    )
    return acted.verdict


async def reject(workflow: Workflow, request: Request, person: str = "UONE", reason: str = "no") -> Verdict:
    """Reject as this person; return the verdict."""
    return (await workflow.act(decisions.reject, Act.REJECT, request.id, actor(person), reason=reason)).verdict


async def withdraw(workflow: Workflow, request: Request, person: str = ANN.id) -> Verdict:
    """Withdraw as this person; return the verdict."""
    return (await workflow.act(decisions.withdraw, Act.WITHDRAW, request.id, actor(person))).verdict


async def retry(
    workflow: Workflow,
    request: Request,
    person: str = "UONE",
    *,
    approvers: Members = APPROVERS,
    seen: int | None = None,
    named: int = EVERY_ORDER,
) -> Verdict:
    """Retry as this person, where these are the approvers by now; return the verdict. They see what is, or ``seen``."""
    clicks, seen = actor(person, approvers.membership(person)), seen or await version(workflow, request)
    acted = await workflow.act(
        decisions.retry, Act.RETRY, request.id, clicks, approvers=approvers, seen=seen, named=named
    )
    return acted.verdict


async def settle(
    workflow: Workflow,
    request: Request,
    person: str = "UTWO",
    membership: Membership = Membership.MEMBER,
    *,
    cancelled: bool = True,
    seen: int | None = None,
) -> Verdict:
    """State as this person that the order is cancelled, or that it is not; return the verdict."""
    finds, seen, how = actor(person, membership), seen or await version(workflow, request), "the console says so"
    # The request may be narrowed to one of its orders.
    order_ids = (await now(workflow._store, request)).order_ids  # noqa: SLF001 -- no use case reads it
    acted = await workflow.act(
        decisions.settle,
        Act.SETTLE,
        request.id,
        finds,
        order=order_ids.index(request.cancellation.order_id),
        cancelled=cancelled,
        how=how,
        seen=seen,
    )
    return acted.verdict


async def version(workflow: Workflow, request: Request) -> int:
    """Return what a card would show that is up to date."""
    return (await now(workflow._store, request)).version  # noqa: SLF001 -- no use case reads one


async def approved(workflow: Workflow, order: str = "ord_1", *, form: str = "V1") -> Request:
    """Return a request that is approved."""
    request = await requested(workflow, order, form=form)
    assert await approve(workflow, request) is Verdict.ALLOWED
    return request


async def failed(workflow: Workflow) -> Request:
    """Return an approved request whose only call the gateway turned away."""
    request = await approved(workflow)
    await workflow.record_answer(await sending(workflow), DENIED)
    return request


async def unknown(workflow: Workflow) -> Request:
    """Return an approved request whose only call had no clear answer."""
    request = await approved(workflow)
    await workflow.record_answer(await sending(workflow), replace(LOST, repeat=False))
    return request


async def sending(workflow: Workflow) -> Attempt:
    """Claim the attempt that is due."""
    attempt = await next_attempt(workflow)
    assert attempt is not None
    return attempt


async def claimed(workflow: Workflow) -> ClaimedDelivery:
    """Claim the delivery that is due next."""
    delivery = await next_delivery(workflow)
    assert delivery is not None
    return delivery


async def now(store: Store, request: Request) -> Request:
    """Return the request as it is now."""
    found = await store.read(lambda tables: tables.requests.get(request.id))
    assert found is not None
    return found


async def state_of(store: Store, request: Request) -> State:
    """Return the state in which the request is now."""
    return (await now(store, request)).state


async def events(store: Store) -> list[Event]:
    """Return the whole record, but for the names under which people act."""
    return await store.read(lambda tables: [event for event in tables.record.all() if event.kind != Named.kind])


async def contents(store: Store) -> list[Any]:
    """Return the contents of all events on record."""
    return [event.content for event in await events(store)]


async def kinds(store: Store) -> list[str]:
    """Return the kinds of all events on record."""
    return [event.kind for event in await events(store)]


async def deliver_all(workflow: Workflow, *, receipts: bool = False) -> list[DeliveryKind]:
    """Deliver everything that is due now; return the kinds in their order, on request with the receipt's as well."""
    done = []
    while (due := await next_delivery(workflow)) is not None:
        if receipts or due.delivery.kind not in RECEIPTS:
            done.append(due.delivery.kind)
        await workflow.record_delivery(due.delivery, DELIVERED)
    return done
