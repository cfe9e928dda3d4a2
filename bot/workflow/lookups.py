"""Reading the record: what a look-up asks for, and who may read the answer."""

from dataclasses import dataclass
from datetime import datetime

from bot.domain import lookup, policy
from bot.domain.audit import Event
from bot.domain.cancellation import Cancellation
from bot.domain.lookup import Lookup
from bot.domain.policy import Actor, Scope
from bot.store import Page, Tables
from bot.workflow.rules import Rules


class MayNotRead(Exception):
    """The person asked for the requests of others without being an approver or auditor."""


@dataclass(frozen=True, slots=True)
class Question:
    """A look-up that this person may make."""

    lookup: Lookup
    scope: Scope
    only_of: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of an answer: cancellations, or the events of one order's story."""

    page: Page[Cancellation] | Page[Event]
    scope: Scope
    of_an_order: bool


def ask(rules: Rules, actor: Actor, text: str, at: datetime) -> Question:
    """Return what this person may read of what they typed. Raises NotAFilter or MayNotRead."""
    scope = policy.may_read(actor)
    wanted = lookup.parse(text, order_id_pattern=rules.order_id_pattern, now=at)
    if scope is Scope.OWN and wanted.person not in {None, actor.id}:
        raise MayNotRead
    return Question(wanted, scope, actor.id if scope is Scope.OWN else None)


def answer(tables: Tables, question: Question, older_than: str | None, limit: int) -> Found:
    """Return one page of the answer: an order's whole story where an order is asked for, else cancellations."""
    options = {"only_of": question.only_of, "older_than": older_than}
    of_an_order = question.lookup.order_id is not None
    find = tables.lookups.story if of_an_order else tables.lookups.find
    return Found(find(question.lookup, **options, limit=limit), question.scope, of_an_order)
