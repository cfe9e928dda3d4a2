"""The evidence for one order, for the person who asked for it with ``/cancel-audit``."""

import asyncio
from hashlib import sha256
from io import BytesIO

import structlog

from bot.domain.audit import Event
from bot.domain.delivery import Delivery, DeliveryOutcome, Receipt
from bot.domain.events import EvidenceAsked
from bot.domain.policy import Actor, Role, Scope, may_read, reading_unchecked
from bot.evidence import NoEvidence
from bot.log import log_failure
from bot.slack.errors import Problem, problem_of
from bot.slack.files import FileNotSent, send_file
from bot.slack.listeners.answers import say_directly
from bot.slack.listeners.parts import Home, Parts
from bot.slack.views import audit_file, refusals
from bot.store import StoreError
from bot.workflow import TRIES_BEFORE_TELLING

log = structlog.get_logger(__name__)

_WITHIN = 25.0
"""Seconds for one try; after the shortest lease of a delivery, another bot would begin one of its own."""


class EvidenceFiles:
    """The way of a file of evidence to its reader, who may have lost the right to read it since they asked."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def send(self, delivery: Delivery, event: Event) -> Receipt:
        """Make one try; whatever Slack does is in the receipt, and its reader hears of what no other try can change.

        Each try makes the file again, and on record before anybody can see it.
        """
        assert isinstance(event.content, EvidenceAsked)
        person, order, doubt = delivery.target, event.content.order, delivery.in_doubt_since is not None
        actor = await self._parts.directory.actor(person, "", Role.APPROVER, Role.AUDITOR)
        home = await self._parts.home_of(person, None)
        if home is Home.UNCHECKED or reading_unchecked(actor):
            # By then it is no passing trouble, and only the operator may be able to end it.
            if delivery.tries == TRIES_BEFORE_TELLING:
                gone = self._parts.directory.gone(Role.APPROVER, Role.AUDITOR)
                await self._tell(person, refusals.evidence_waits(order, gone))
            return _later("person_not_checked", doubt=doubt)
        if home is Home.ELSEWHERE:
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="may_not_read")
        try:
            async with asyncio.timeout(_WITHIN):
                return Receipt(DeliveryOutcome.DELIVERED, await self._send(actor, order, delivery.id))
        except NoEvidence:
            text = refusals.evidence_not_yours(order, unclear=doubt)
            return await self._give_up(person, text, "may_not_read", doubt=doubt)
        except StoreError as error:
            log_failure(log, "store_failed", error)
            return _later("not_recorded", doubt=doubt)
        except FileNotSent as error:
            problem = error.problem
            log.warning("file_not_sent", by=person, problem=problem.name)
            if problem.unclear:
                return Receipt(DeliveryOutcome.IN_DOUBT, problem=problem.name, in_doubt=True)
            if error.passing:
                return _later(problem.name, doubt=doubt, retry_after=problem.retry_after)
            # An earlier try may have brought it.
            why = refusals.file_not_sent(problem.name, unclear=doubt)
            return await self._give_up(person, refusals.evidence_not_sent(order, why), problem.name, doubt=doubt)

    async def _send(self, actor: Actor, order: str, reference: str) -> str:
        """Return the channel that has the file now. Raises NoEvidence, StoreError, FileNotSent or TimeoutError."""
        workflow, file = self._parts.workflow, BytesIO()
        count = await workflow.evidence(actor, order, file)
        digest = sha256(file.getbuffer()).hexdigest()
        words = audit_file.evidence(order, count, digest, reference, only_own=may_read(actor) is Scope.OWN)

        async def record() -> None:
            await workflow.looked_up(actor, f"{order} evidence", count, digest)

        return await send_file(
            self._parts.client, self._parts.network, actor.id, file, words, before_anybody_sees_it=record
        )

    async def _give_up(self, person: str, text: str, problem: str, *, doubt: bool) -> Receipt:
        """Tell the reader why no file comes; while Slack does not take that, the whole try is repeated later."""
        untold = await self._tell(person, text)
        if untold is not None and not untold.refusal:
            return _later(untold.name, doubt=doubt, retry_after=untold.retry_after)
        return Receipt(DeliveryOutcome.IMPOSSIBLE, problem=problem)

    async def _tell(self, person: str, text: str) -> Problem | None:
        """Say something about the evidence to its reader; return why that did not work, or None."""
        try:
            await say_directly(self._parts.client, person, text, self._parts.presentation.contact)
        except Exception as error:  # noqa: BLE001 -- whatever it was, they have not read it
            untold = problem_of(error)
            log.warning("answer_not_sent", problem=untold.name)
            return untold
        return None


def _later(problem: str, *, doubt: bool, retry_after: float | None = None) -> Receipt:
    """Return that this try brought nothing to Slack and another one will; an earlier one may be in ``doubt``."""
    return Receipt(DeliveryOutcome.LATER, problem=problem, retry_after=retry_after, in_doubt=doubt, posted_nothing=True)
